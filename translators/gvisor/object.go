// SPDX-License-Identifier: Apache-2.0

package main

// Shared memory: an object's offsets map to pages of the memory file, which it keeps until they
// are cut off or punched out, or nobody knows the object any more.
//
// Locks, outermost first, in gVisor's order (the manager's activeMu stands between the last two):
//
//	sizeMu   held from the first to the last step of whatever takes pages away
//	mapsMu   which spaces map which offsets
//	dataMu   size and pages; taken by Translate, always exclusively, as in the original's tmpfs
//
// Pages are taken away in five steps: change size or pages under dataMu, release it, invalidate
// all mappings under mapsMu, release it, drop the references. No translation is left when a page
// is freed, and none can be made after the first step.

/*
#include "translators/gvisor/exports.h"
*/
import "C"

import (
	"io"
	"runtime/cgo"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"gvisor.dev/gvisor/pkg/context"
	"gvisor.dev/gvisor/pkg/hostarch"
	"gvisor.dev/gvisor/pkg/sentry/fsutil"
	"gvisor.dev/gvisor/pkg/sentry/memmap"
	"gvisor.dev/gvisor/pkg/sentry/mm"
	"gvisor.dev/gvisor/pkg/sentry/pgalloc"
	"gvisor.dev/gvisor/pkg/sentry/usage"
)

type object struct {
	memory     *pgalloc.MemoryFile
	references atomic.Int64 // the handle, and every mapping

	sizeMu sync.Mutex

	mapsMu   sync.Mutex
	mappings memmap.MappingSet
	mover    atomic.Pointer[mm.MemoryManager] // who holds mapsMu while it moves a mapping; or nil

	dataMu sync.Mutex
	size   uint64
	pages  fsutil.FileRangeSet
}

func objectOf(handle C.uintptr_t) *object {
	return cgo.Handle(handle).Value().(*object)
}

//export gvisor_object_create
func gvisor_object_create(handle C.uintptr_t, options *C.struct_translator_object_options,
	out *C.uintptr_t) C.int {
	if options.kind != C.TRANSLATOR_OBJECT_MEMORY || options.size&pageMask != 0 ||
		options.size > 1<<62 || options.reserved != [4]C.uint64_t{} {
		return failure(syscall.EINVAL)
	}
	o := &object{memory: engineOf(handle).memory, size: uint64(options.size)}
	o.references.Store(1)
	*out = C.uintptr_t(cgo.NewHandle(o))
	return 0
}

//export gvisor_object_destroy
func gvisor_object_destroy(handle C.uintptr_t) {
	o := objectOf(handle)
	cgo.Handle(handle).Delete()
	o.DecRef(nil)
}

// ---- memmap.MappingIdentity ----

func (o *object) IncRef() {
	o.references.Add(1)
}

func (o *object) DecRef(context.Context) {
	if o.references.Add(-1) == 0 {
		o.pages.DropAll(o.memory)
	}
}

func (*object) MappedName(context.Context) string { return "object" }
func (*object) DeviceID() uint64                  { return 0 }
func (*object) InodeID() uint64                   { return 0 }

func (*object) Msync(context.Context, memmap.MappableRange) error { return nil }

// ---- memmap.Mappable ----

func (o *object) AddMapping(_ context.Context, ms memmap.MappingSpace, ar hostarch.AddrRange,
	offset uint64, writable bool) error {
	o.mapsMu.Lock()
	o.mappings.AddMapping(ms, ar, offset, writable)
	o.mapsMu.Unlock()
	return nil
}

func (o *object) RemoveMapping(_ context.Context, ms memmap.MappingSpace, ar hostarch.AddrRange,
	offset uint64, writable bool) {
	if !o.mover.CompareAndSwap(ms.(*mm.MemoryManager), nil) {
		o.mapsMu.Lock()
	}
	o.mappings.RemoveMapping(ms, ar, offset, writable)
	o.mapsMu.Unlock()
}

// CopyMapping begins a move of a mapping, which RemoveMapping ends; the pages are moved in between.
// mapsMu is held throughout: an invalidation would otherwise visit the new place before the pages
// are there and the old one when they are gone. Between the two the memory manager asks nothing
// else of the object, and whoever else removes a mapping of that space waits for the manager's
// mappingMu: it is the mover if its name stands there.
func (o *object) CopyMapping(_ context.Context, ms memmap.MappingSpace, _,
	to hostarch.AddrRange, offset uint64, writable bool) error {
	o.mapsMu.Lock()
	o.mappings.AddMapping(ms, to, offset, writable)
	o.mover.Store(ms.(*mm.MemoryManager))
	return nil
}

func (*object) InvalidateUnsavable(context.Context) error { return nil }

// fill gives pages to the holes that required touches, each to its end within optional: fresh
// ones, which are zero. Needs dataMu.
func (o *object) fill(required, optional memmap.MappableRange) error {
	gap := o.pages.LowerBoundGap(required.Start)
	for gap.Ok() && gap.Start() < required.End {
		hole := gap.Range().Intersect(optional)
		if hole.Length() == 0 {
			gap = gap.NextGap()
			continue
		}
		fr, err := o.memory.Allocate(hole.Length(), pgalloc.AllocOpts{Kind: usage.Tmpfs})
		if err != nil {
			return err
		}
		gap = o.pages.Insert(gap, hole, fr.Start).NextGap()
	}
	return nil
}

func (o *object) Translate(_ context.Context, required, optional memmap.MappableRange,
	_ hostarch.AccessType) ([]memmap.Translation, error) {
	var answer []memmap.Translation
	var past error

	o.dataMu.Lock()
	defer o.dataMu.Unlock()
	if end := (o.size + pageMask) &^ pageMask; optional.End > end {
		if required.Start >= end {
			return nil, &memmap.BusError{Err: io.EOF}
		}
		optional.End = end
		if required.End > end {
			required.End = end
			past = &memmap.BusError{Err: io.EOF}
		}
	}
	err := o.fill(required, optional)
	at := required.Start
	for seg := o.pages.FindSegment(at); seg.Ok() && seg.Start() <= at && at < required.End; {
		source := seg.Range().Intersect(optional)
		answer = append(answer, memmap.Translation{
			Source: source,
			File:   o.memory,
			Offset: seg.FileRangeOf(source).Start,
			Perms:  hostarch.AnyAccess,
		})
		at = source.End
		seg = seg.NextSegment()
	}
	if at < required.End && err != nil {
		return answer, err
	}
	return answer, past
}

// ---- what takes pages away ----

func (o *object) invalidate(start, end uint64, copiesToo bool) {
	o.mapsMu.Lock()
	o.mappings.Invalidate(memmap.MappableRange{Start: start, End: end},
		memmap.InvalidateOpts{InvalidatePrivate: copiesToo})
	o.mapsMu.Unlock()
}

// truncate leaves the pages beyond the end in the set while they are invalidated: the size alone
// keeps Translate from them.
func (o *object) truncate(size uint64) {
	o.sizeMu.Lock()
	defer o.sizeMu.Unlock()

	o.dataMu.Lock()
	before := o.size
	o.size = size
	o.dataMu.Unlock()
	if size >= before {
		return
	}
	if end := (size + pageMask) &^ pageMask; end < before {
		o.invalidate(end, (before+pageMask)&^pageMask, true)
	}
	o.dataMu.Lock()
	o.pages.Truncate(size, o.memory)
	o.dataMu.Unlock()
}

func (o *object) punch(start, end uint64) {
	var gone []memmap.FileRange

	o.sizeMu.Lock()
	defer o.sizeMu.Unlock()

	o.dataMu.Lock()
	hole := memmap.MappableRange{Start: start, End: end}
	for seg := o.pages.LowerBoundSegment(start); seg.Ok() && seg.Start() < end; {
		seg = o.pages.Isolate(seg, hole)
		gone = append(gone, seg.FileRange())
		seg = o.pages.Remove(seg).NextSegment()
	}
	o.dataMu.Unlock()
	o.invalidate(start, end, false)
	for _, fr := range gone {
		o.memory.DecRef(fr)
	}
}

//export gvisor_object_truncate
func gvisor_object_truncate(handle C.uintptr_t, size C.uint64_t) C.int {
	if size&pageMask != 0 || size > 1<<62 {
		return failure(syscall.EINVAL)
	}
	objectOf(handle).truncate(uint64(size))
	return 0
}

//export gvisor_object_punch
func gvisor_object_punch(handle C.uintptr_t, offset, length C.uint64_t) C.int {
	if !aligned(offset, length) {
		return failure(syscall.EINVAL)
	}
	objectOf(handle).punch(uint64(offset), uint64(offset+length))
	return 0
}

//export gvisor_object_invalidate
func gvisor_object_invalidate(handle C.uintptr_t, offset, length C.uint64_t) C.int {
	if !aligned(offset, length) {
		return failure(syscall.EINVAL)
	}
	objectOf(handle).invalidate(uint64(offset), uint64(offset+length), false)
	return 0
}

//export gvisor_translate
func gvisor_translate(handle C.uintptr_t, required, optional C.struct_translator_range,
	access C.uint32_t, out *C.struct_translator_translation, max C.size_t,
	count *C.size_t) C.int {
	*count = 0
	if !aligned(required.start, required.end-required.start) || max == 0 ||
		(optional.start|optional.end)&pageMask != 0 ||
		optional.start > required.start || optional.end < required.end {
		return failure(syscall.EINVAL)
	}
	answer, err := objectOf(handle).Translate(nil,
		memmap.MappableRange{Start: uint64(required.start), End: uint64(required.end)},
		memmap.MappableRange{Start: uint64(optional.start), End: uint64(optional.end)},
		accessType(access))
	room := unsafe.Slice(out, int(max))
	for i, t := range answer {
		if i == len(room) {
			return failure(syscall.ENOSPC)
		}
		room[i].source.start = C.uint64_t(t.Source.Start)
		room[i].source.end = C.uint64_t(t.Source.End)
		room[i].file = memoryFile
		room[i].offset = C.uint64_t(t.Offset)
		room[i].perms = accessBits(t.Perms)
		room[i].reserved = 0
		*count = C.size_t(i + 1)
	}
	return result(err)
}
