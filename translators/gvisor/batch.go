// SPDX-License-Identifier: Apache-2.0

package main

// Many operations for one call. To enter Go from a C thread takes about as long as several of
// them; an empty batch shows how long.

/*
#include "translators/gvisor/exports.h"
*/
import "C"

import (
	"syscall"
	"unsafe"

	"gvisor.dev/gvisor/pkg/hostarch"
	"gvisor.dev/gvisor/pkg/sentry/memmap"
)

// operation makes what is done at each address. What does not change is looked up once, here.
func operation(e *engine, b *C.struct_translator_batch) func(at uint64) C.int {
	var found C.struct_translator_translation

	length, access := uint64(b.length), accessType(b.access)
	whole := aligned(0, b.length)
	switch {
	case b.op == C.TRANSLATOR_BATCH_NOTHING:
		return func(uint64) C.int { return 0 }
	case b.op == C.TRANSLATOR_BATCH_FAULT && b.space != nil:
		s := spaceOf(handleOf(unsafe.Pointer(b.space)))
		return func(at uint64) C.int { return s.fault(at, access) }
	case b.op == C.TRANSLATOR_BATCH_LOOKUP && b.space != nil:
		s, bits := spaceOf(handleOf(unsafe.Pointer(b.space))), b.access
		return func(at uint64) C.int { return s.lookup(C.uint64_t(at), bits, &found) }
	case b.op == C.TRANSLATOR_BATCH_TRANSLATE && b.object != nil && whole:
		o := objectOf(handleOf(unsafe.Pointer(b.object)))
		return func(at uint64) C.int {
			mr := memmap.MappableRange{Start: at, End: at + length}
			_, err := o.Translate(nil, mr, mr, access)
			return result(err)
		}
	case b.op == C.TRANSLATOR_BATCH_INVALIDATE && b.object != nil && whole:
		o := objectOf(handleOf(unsafe.Pointer(b.object)))
		return func(at uint64) C.int {
			o.invalidate(at, at+length, false)
			return 0
		}
	case b.op == C.TRANSLATOR_BATCH_REFERENCE && whole:
		return func(at uint64) C.int {
			fr := memmap.FileRange{Start: at, End: at + length}
			e.memory.IncRef(fr)
			e.memory.DecRef(fr)
			return 0
		}
	case b.op == C.TRANSLATOR_BATCH_MAP_FAULT_UNMAP && b.space != nil && whole:
		s := spaceOf(handleOf(unsafe.Pointer(b.space)))
		return func(at uint64) C.int { return s.mapFaultUnmap(at, length, access) }
	}
	return nil
}

func (s *space) mapFaultUnmap(at, length uint64, access hostarch.AccessType) C.int {
	if !s.within(C.uint64_t(at), C.uint64_t(length)) {
		return failure(syscall.ENOMEM)
	}
	if err := s.mapAnonymous(at, length); err != nil {
		return result(err)
	}
	if rc := s.fault(at, access); rc != 0 {
		return rc
	}
	return result(s.manager.MUnmap(s.engine.ctx, hostarch.Addr(at), length))
}

func handleOf(pointer unsafe.Pointer) C.uintptr_t {
	return C.uintptr_t(uintptr(pointer))
}

// pageOperation: those that need an address of a whole page.
func pageOperation(op C.uint32_t) bool {
	return op >= C.TRANSLATOR_BATCH_TRANSLATE
}

//export gvisor_batch
func gvisor_batch(handle C.uintptr_t, b *C.struct_translator_batch, done *C.uint64_t) C.int {
	var addresses []C.uint64_t

	*done = 0
	if b.reserved != [4]C.uint64_t{} || b.op > C.TRANSLATOR_BATCH_MAP_FAULT_UNMAP {
		return failure(syscall.EOPNOTSUPP)
	}
	do := operation(engineOf(handle), b)
	if do == nil {
		return failure(syscall.EINVAL)
	}
	if b.addresses != nil {
		addresses = unsafe.Slice(b.addresses, int(b.count))
	}
	at, stride := uint64(b.address), uint64(b.stride)
	for i := uint64(0); i < uint64(b.count); i++ {
		if addresses != nil {
			at = uint64(addresses[i])
		}
		if pageOperation(b.op) && at&pageMask != 0 {
			return failure(syscall.EINVAL)
		}
		if rc := do(at); rc != 0 {
			return rc
		}
		*done = C.uint64_t(i + 1)
		at += stride
	}
	return 0
}
