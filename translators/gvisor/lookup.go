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

	"gvisor.dev/gvisor/pkg/context"
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

// vmaIterator and vmaGapIterator are the same in the set of vmas.
type vmaIterator pmaIterator
type vmaGapIterator pmaIterator

//go:linkname vmasFor gvisor.dev/gvisor/pkg/sentry/mm.(*MemoryManager).getVMAsLocked
func vmasFor(m *mm.MemoryManager, ctx context.Context, ar hostarch.AddrRange,
	at hostarch.AccessType, ignorePermissions bool) (vmaIterator, vmaGapIterator, error)

//go:linkname vmaGapStart gvisor.dev/gvisor/pkg/sentry/mm.vmaGapIterator.Start
func vmaGapStart(gap vmaGapIterator) hostarch.Addr

// readLocker is what mm's activeMu and mappingMu are.
type readLocker interface {
	RLock()
	RUnlock()
}

// Where fields that have no accessor stand; written once, by checkLayout.
var layout struct {
	activeMu   reflect.StructField // in mm.MemoryManager
	mappingMu  reflect.StructField
	permsInPMA uintptr // pma.effectivePerms
}

func checkLayout() error {
	manager := reflect.TypeOf(mm.MemoryManager{})
	locker := reflect.TypeOf((*readLocker)(nil)).Elem()
	active, haveActive := manager.FieldByName("activeMu")
	mapping, haveMapping := manager.FieldByName("mappingMu")
	pmas, havePMAs := manager.FieldByName("pmas")
	vmas, haveVMAs := manager.FieldByName("vmas")
	if !haveActive || !haveMapping || !havePMAs || !haveVMAs ||
		!reflect.PointerTo(active.Type).Implements(locker) ||
		!reflect.PointerTo(mapping.Type).Implements(locker) {
		return errors.New("this version of mm has other locks or sets")
	}
	gap, haveGap := reflect.PointerTo(vmas.Type).MethodByName("FindGap")
	if !haveGap || gap.Type.NumOut() != 1 || !sameLayout(gap.Type.Out(0)) {
		return errors.New("this version of mm has another iterator of vmas")
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
	layout.activeMu, layout.mappingMu, layout.permsInPMA = active, mapping, perms.Offset
	return nil
}

func sameLayout(it reflect.Type) bool {
	return it.Kind() == reflect.Struct && it.NumField() == 2 &&
		it.Field(0).Type.Kind() == reflect.Pointer && it.Field(1).Type.Kind() == reflect.Int
}

func lockOf(m *mm.MemoryManager, field reflect.StructField) readLocker {
	return reflect.NewAt(field.Type, unsafe.Add(unsafe.Pointer(m), field.Offset)).Interface().(readLocker)
}

// present finds the page of an address, if it is present for access.
func (s *space) present(address C.uint64_t, access C.uint32_t,
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

// writable says how many of the bytes at an address the mappings let be written. The memory manager
// itself asks pmas first, and they may say too much in a space that was ever forked: until pages
// are copied, the pmas of a writable and of a read-only mapping are alike, and become one where
// they meet; the copy then makes all of it writable.
func (s *space) writable(address, length uint64) uint64 {
	start := hostarch.Addr(address)
	ar, ok := start.ToRange(length)
	if !ok {
		return 0
	}
	s.mappingMu.RLock()
	defer s.mappingMu.RUnlock()
	_, gap, err := vmasFor(s.manager, s.engine.ctx, ar, hostarch.Write, false)
	if err == nil {
		return length
	}
	if end := vmaGapStart(gap); end > start {
		return uint64(end - start)
	}
	return 0
}

// lookup is present, corrected in a space that was ever forked.
func (s *space) lookup(address C.uint64_t, access C.uint32_t,
	out *C.struct_translator_translation) C.int {
	if !s.forked.Load() {
		return s.present(address, access, out)
	}
	var found C.struct_translator_translation
	rc := s.present(address, access, &found)
	if rc != 0 {
		return rc
	}
	if found.perms&C.TRANSLATOR_WRITE != 0 && s.writable(uint64(address), 1) == 0 {
		found.perms &^= C.TRANSLATOR_WRITE
		if access&C.TRANSLATOR_WRITE != 0 {
			return failure(syscall.ENOENT)
		}
	}
	*out = found
	return 0
}

//export gvisor_lookup
func gvisor_lookup(handle C.uintptr_t, address C.uint64_t, access C.uint32_t,
	out *C.struct_translator_translation) C.int {
	return spaceOf(handle).lookup(address, access, out)
}
