// SPDX-License-Identifier: Apache-2.0

package main

// What a space has present. gVisor has no public call that looks and does not fault, but what its
// own copies to and from the application do first is just that: under activeMu, find the platform
// mapping area (pma) of an address. Those functions are called here by their link names, and the
// layout that they imply is compared with the package's types when an engine is opened: with
// another version of the package that does not fit, open says so.

/*
#include "translators/gvisor/exports.h"
*/
import "C"

import (
	"errors"
	"reflect"
	"syscall"
	"unsafe"

	"gvisor.dev/gvisor/pkg/hostarch"
	"gvisor.dev/gvisor/pkg/sentry/memmap"
	"gvisor.dev/gvisor/pkg/sentry/mm"
)

// pmaIterator is mm's, a place in its set of pmas: a node of the tree, and an index in it.
type pmaIterator struct {
	node  unsafe.Pointer
	index int
}

//go:linkname existingPMAs gvisor.dev/gvisor/pkg/sentry/mm.(*MemoryManager).existingPMAsLocked
func existingPMAs(m *mm.MemoryManager, ar hostarch.AddrRange, at hostarch.AccessType,
	ignorePermissions, needInternalMappings bool) pmaIterator

//go:linkname pmaValue gvisor.dev/gvisor/pkg/sentry/mm.pmaIterator.ValuePtr
func pmaValue(it pmaIterator) unsafe.Pointer

//go:linkname pmaFileRange gvisor.dev/gvisor/pkg/sentry/mm.pmaIterator.fileRangeOf
func pmaFileRange(it pmaIterator, ar hostarch.AddrRange) memmap.FileRange

// readLocker is what mm's activeMu is.
type readLocker interface {
	RLock()
	RUnlock()
}

// Where fields that have no accessor stand; written once, by checkLayout.
var layout struct {
	activeMu   reflect.StructField // in mm.MemoryManager
	permsInPMA uintptr             // pma.effectivePerms
}

func checkLayout() error {
	manager := reflect.TypeOf(mm.MemoryManager{})
	mutex, haveMutex := manager.FieldByName("activeMu")
	pmas, havePMAs := manager.FieldByName("pmas")
	if !haveMutex || !havePMAs {
		return errors.New("this version of mm has no activeMu or pmas")
	}
	if !reflect.PointerTo(mutex.Type).Implements(reflect.TypeOf((*readLocker)(nil)).Elem()) {
		return errors.New("this version of mm has another activeMu")
	}
	find, haveFind := reflect.PointerTo(pmas.Type).MethodByName("FindSegment")
	if !haveFind || find.Type.NumOut() != 1 || !sameLayout(find.Type.Out(0)) {
		return errors.New("this version of mm has another iterator of pmas")
	}
	value, haveValue := find.Type.Out(0).MethodByName("ValuePtr")
	if !haveValue || value.Type.NumOut() != 1 || value.Type.Out(0).Kind() != reflect.Pointer {
		return errors.New("this version of mm has another iterator of pmas")
	}
	perms, havePerms := value.Type.Out(0).Elem().FieldByName("effectivePerms")
	if !havePerms || perms.Type != reflect.TypeOf(hostarch.AccessType{}) {
		return errors.New("this version of mm has other pmas")
	}
	layout.activeMu, layout.permsInPMA = mutex, perms.Offset
	return nil
}

func sameLayout(it reflect.Type) bool {
	return it.Kind() == reflect.Struct && it.NumField() == 2 &&
		it.Field(0).Type.Kind() == reflect.Pointer && it.Field(1).Type.Kind() == reflect.Int
}

func activeMuOf(m *mm.MemoryManager) readLocker {
	at := unsafe.Add(unsafe.Pointer(m), layout.activeMu.Offset)
	return reflect.NewAt(layout.activeMu.Type, at).Interface().(readLocker)
}

// lookup finds the page of an address, if it is present for access.
func (s *space) lookup(address C.uint64_t, access C.uint32_t,
	out *C.struct_translator_translation) C.int {
	page := hostarch.Addr(address) &^ pageMask
	ar := hostarch.AddrRange{Start: page, End: page + pageSize}

	if address >= C.uint64_t(s.platform.bytes) {
		return failure(syscall.ENOENT)
	}
	s.activeMu.RLock()
	it := existingPMAs(s.manager, ar, accessType(access), false, false)
	if it.node == nil {
		s.activeMu.RUnlock()
		return failure(syscall.ENOENT)
	}
	offset := pmaFileRange(it, ar).Start
	perms := *(*hostarch.AccessType)(unsafe.Add(pmaValue(it), layout.permsInPMA))
	s.activeMu.RUnlock()

	out.source.start = C.uint64_t(page)
	out.source.end = C.uint64_t(page) + pageSize
	out.file = memoryFile
	out.offset = C.uint64_t(offset)
	out.perms = accessBits(perms)
	out.reserved = 0
	return 0
}

//export gvisor_lookup
func gvisor_lookup(handle C.uintptr_t, address C.uint64_t, access C.uint32_t,
	out *C.struct_translator_translation) C.int {
	return spaceOf(handle).lookup(address, access, out)
}
