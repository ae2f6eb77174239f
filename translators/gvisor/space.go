// SPDX-License-Identifier: Apache-2.0

package main

// Spaces. Each is one MemoryManager that is active as long as it lives, as the address space of a
// task that runs is. Its own limit is the process's; the space's is kept here.
//
// Private mappings of objects are not offered. The memory manager copies up to 2 MiB around a page
// that is written, and may do so beyond the mapping in which it lies, as pmas of neighbours are
// alike until then: copies of pages that nobody stored to, some of them read-only, outlive an
// invalidation. And a copy-out that ends beyond the end of the object goes to the object itself.

/*
#include "translators/gvisor/exports.h"
*/
import "C"

import (
	"runtime/cgo"
	"sync/atomic"
	"syscall"
	"unsafe"

	"gvisor.dev/gvisor/pkg/hostarch"
	"gvisor.dev/gvisor/pkg/sentry/arch"
	"gvisor.dev/gvisor/pkg/sentry/limits"
	"gvisor.dev/gvisor/pkg/sentry/memmap"
	"gvisor.dev/gvisor/pkg/sentry/mm"
	"gvisor.dev/gvisor/pkg/usermem"
)

type space struct {
	engine    *engine
	platform  *spacePlatform
	manager   *mm.MemoryManager
	activeMu  readLocker  // the manager's
	mappingMu readLocker  // the manager's
	forked    atomic.Bool // it has or had a copy, or is one
}

func spaceOf(handle C.uintptr_t) *space {
	return cgo.Handle(handle).Value().(*space)
}

// activate makes a handle of a manager that nobody knows yet.
func (s *space) activate(out *C.uintptr_t) C.int {
	if err := s.manager.Activate(s.engine.ctx); err != nil {
		s.manager.DecUsers(s.engine.ctx)
		return result(err)
	}
	s.activeMu = lockOf(s.manager, layout.activeMu)
	s.mappingMu = lockOf(s.manager, layout.mappingMu)
	*out = C.uintptr_t(cgo.NewHandle(s))
	return 0
}

// within: whole pages, all of them the space's.
func (s *space) within(address, length C.uint64_t) bool {
	bytes := C.uint64_t(s.platform.bytes)
	return address <= bytes && length <= bytes-address
}

//export gvisor_space_create
func gvisor_space_create(handle C.uintptr_t, bytes C.uint64_t, out *C.uintptr_t) C.int {
	e := engineOf(handle)
	if !aligned(0, bytes) {
		return failure(syscall.EINVAL)
	}
	if bytes > C.uint64_t(maxAddress) {
		return failure(syscall.ENOMEM)
	}
	s := &space{engine: e, platform: &spacePlatform{engine: e, bytes: uint64(bytes)}}
	s.manager = mm.NewMemoryManager(s.platform, e.memory, false)
	if _, err := s.manager.SetMmapLayout(&arch.Context64{}, limits.FromContext(e.ctx)); err != nil {
		return result(err)
	}
	return s.activate(out)
}

//export gvisor_space_destroy
func gvisor_space_destroy(handle C.uintptr_t) {
	s := spaceOf(handle)
	cgo.Handle(handle).Delete()
	s.manager.Deactivate()
	s.manager.DecUsers(s.engine.ctx)
}

//export gvisor_space_fork
func gvisor_space_fork(handle C.uintptr_t, out *C.uintptr_t) C.int {
	parent := spaceOf(handle)
	child := &space{engine: parent.engine, platform: parent.platform}
	parent.forked.Store(true)
	child.forked.Store(true)
	var err error
	if child.manager, err = parent.manager.Fork(parent.engine.ctx); err != nil {
		return result(err)
	}
	return child.activate(out)
}

// mapAnonymous replaces what is there by private anonymous memory.
func (s *space) mapAnonymous(address, length uint64) error {
	_, err := s.manager.MMap(s.engine.ctx, memmap.MMapOpts{
		Length:   length,
		Addr:     hostarch.Addr(address),
		Fixed:    true,
		Unmap:    true,
		Perms:    hostarch.ReadWrite,
		MaxPerms: hostarch.AnyAccess,
		Private:  true,
	})
	return err
}

//export gvisor_map
func gvisor_map(handle C.uintptr_t, options *C.struct_translator_map_options) C.int {
	s := spaceOf(handle)
	if !aligned(options.address, options.length) || options.offset&pageMask != 0 ||
		options.flags != 0 || options.perms&^7 != 0 ||
		options.address == 0 || options.reserved != [4]C.uint64_t{} {
		return failure(syscall.EINVAL)
	}
	if !s.within(options.address, options.length) {
		return failure(syscall.ENOMEM)
	}
	opts := memmap.MMapOpts{
		Length:   uint64(options.length),
		Addr:     hostarch.Addr(options.address),
		Fixed:    true,
		Unmap:    true,
		Perms:    accessType(options.perms),
		MaxPerms: hostarch.AnyAccess,
		Private:  true,
	}
	if options.object != nil {
		o := objectOf(handleOf(unsafe.Pointer(options.object)))
		opts.Mappable, opts.MappingIdentity = o, o
		opts.Offset = uint64(options.offset)
		opts.Private = false
	}
	_, err := s.manager.MMap(s.engine.ctx, opts)
	return result(err)
}

//export gvisor_unmap
func gvisor_unmap(handle C.uintptr_t, address, length C.uint64_t) C.int {
	s := spaceOf(handle)
	if !aligned(address, length) {
		return failure(syscall.EINVAL)
	}
	return result(s.manager.MUnmap(s.engine.ctx, hostarch.Addr(address), uint64(length)))
}

//export gvisor_protect
func gvisor_protect(handle C.uintptr_t, address, length C.uint64_t, perms C.uint32_t) C.int {
	if !aligned(address, length) || perms&^7 != 0 {
		return failure(syscall.EINVAL)
	}
	return result(spaceOf(handle).manager.MProtect(hostarch.Addr(address), uint64(length),
		accessType(perms), false))
}

//export gvisor_remap
func gvisor_remap(handle C.uintptr_t, oldAddress, oldLength, newAddress,
	newLength C.uint64_t) C.int {
	s := spaceOf(handle)
	if !aligned(oldAddress, oldLength) || !aligned(newAddress, newLength) || newAddress == 0 ||
		!s.within(oldAddress, oldLength) || !s.within(newAddress, newLength) ||
		(oldAddress < newAddress+newLength && newAddress < oldAddress+oldLength) {
		return failure(syscall.EINVAL)
	}
	_, err := s.manager.MRemap(s.engine.ctx, hostarch.Addr(oldAddress), uint64(oldLength),
		uint64(newLength), mm.MRemapOpts{
			Move:    mm.MRemapMustMove,
			NewAddr: hostarch.Addr(newAddress),
		})
	return result(err)
}

//export gvisor_discard
func gvisor_discard(handle C.uintptr_t, address, length C.uint64_t) C.int {
	if !aligned(address, length) {
		return failure(syscall.EINVAL)
	}
	return result(spaceOf(handle).manager.Decommit(hostarch.Addr(address), uint64(length)))
}

// fault: gVisor says EPERM where the mapping forbids the access.
func (s *space) fault(address uint64, at hostarch.AccessType) C.int {
	err := s.manager.HandleUserFault(s.engine.ctx, hostarch.Addr(address), at, 0)
	if err == nil {
		return 0
	}
	rc := result(err)
	if rc == failure(syscall.EPERM) {
		return failure(syscall.EACCES)
	}
	return rc
}

//export gvisor_fault
func gvisor_fault(handle C.uintptr_t, address C.uint64_t, access C.uint32_t) C.int {
	return spaceOf(handle).fault(uint64(address), accessType(access))
}

func bytesAt(memory C.uintptr_t, length C.uint64_t) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(memory))), int(length))
}

//export gvisor_read
func gvisor_read(handle C.uintptr_t, address C.uint64_t, to C.uintptr_t, length C.uint64_t,
	done *C.uint64_t) C.int {
	s := spaceOf(handle)
	n, err := s.manager.CopyIn(s.engine.ctx, hostarch.Addr(address), bytesAt(to, length),
		usermem.IOOpts{})
	*done = C.uint64_t(n)
	return result(err)
}

//export gvisor_write
func gvisor_write(handle C.uintptr_t, address C.uint64_t, from C.uintptr_t, length C.uint64_t,
	done *C.uint64_t) C.int {
	s := spaceOf(handle)
	bytes := bytesAt(from, length)
	if s.forked.Load() {
		bytes = bytes[:s.writable(uint64(address), uint64(length))]
	}
	n, err := s.manager.CopyOut(s.engine.ctx, hostarch.Addr(address), bytes, usermem.IOOpts{})
	*done = C.uint64_t(n)
	if err == nil && C.uint64_t(n) < length {
		return failure(syscall.EFAULT)
	}
	return result(err)
}
