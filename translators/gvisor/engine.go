// SPDX-License-Identifier: Apache-2.0

// Command gvisor is built as a C-shared plug-in: the Go original, behind the ABI of
// translators/translator.h.
//
// What answers is gVisor's own code, from Debian's package of it: pgalloc.MemoryFile holds pages
// and counts, mm.MemoryManager is a space, memmap.MappingSet and fsutil.FileRangeSet are an
// object's. Here stands only what joins them: handles, errors, an object, an address space.
//
//	exports.h, table.c   the C side
//	engine.go            engine, options, statistics, references
//	space.go             spaces: one MemoryManager each
//	lookup.go            what a space has present
//	object.go            shared memory
//	platform.go          what the host sees of a space
//	batch.go             many operations for one call
//
// Locks are gVisor's, and an object's own three (object.go).
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../.. -std=gnu11 -O2 -Wall
#include "translators/gvisor/exports.h"
*/
import "C"

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/cgo"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"gvisor.dev/gvisor/pkg/context"
	"gvisor.dev/gvisor/pkg/errors"
	"gvisor.dev/gvisor/pkg/hostarch"
	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/memutil"
	"gvisor.dev/gvisor/pkg/sentry/limits"
	"gvisor.dev/gvisor/pkg/sentry/memmap"
	"gvisor.dev/gvisor/pkg/sentry/pgalloc"
	"gvisor.dev/gvisor/pkg/sentry/usage"
)

const (
	pageSize = hostarch.PageSize
	pageMask = pageSize - 1

	memoryFile = 1 // the only file, by its number in the ABI

	busErrorBase = 0x10000 // TRANSLATOR_BUS_ERROR
)

func main() {}

// engine is one memory file and the spaces that take their pages from it.
type engine struct {
	memory *pgalloc.MemoryFile
	ctx    context.Context
	mapped bool // as=mmap: spaces are mapped in this process

	// Calls to the host that map and unmap. Written only with as=mmap.
	hostMappings   atomic.Uint64
	hostUnmappings atomic.Uint64
}

// callContext answers what the memory manager asks of the task for which it works.
type callContext struct {
	context.Context
	limits *limits.LimitSet
	memory *pgalloc.MemoryFile
}

func (c *callContext) Value(key any) any {
	switch key {
	case limits.CtxLimits:
		return c.limits
	case pgalloc.CtxMemoryFile:
		return c.memory
	case pgalloc.CtxMemoryFileProvider:
		return c.memory
	default:
		return c.Context.Value(key)
	}
}

var startOnce sync.Once
var startError error

// start does what is done once for all engines. gVisor's log would go to standard error, which
// is not a translator's, and its accounting by kind to a file of its own, which nobody reads here.
func start() error {
	startOnce.Do(func() {
		log.SetTarget(log.GoogleEmitter{Writer: &log.Writer{Next: io.Discard}})
		usage.MemoryAccounting = &usage.MemoryLocked{RTMemoryStats: &usage.RTMemoryStats{}}
		startError = checkLayout()
	})
	return startError
}

// errnoOf gives an error's number without its sign.
func errnoOf(err error) int {
	switch e := err.(type) {
	case *errors.Error:
		return int(e.Errno())
	case syscall.Errno:
		return int(e)
	}
	if err == io.EOF {
		return int(syscall.ENXIO)
	}
	return int(syscall.EIO)
}

// result gives an error as the ABI does.
func result(err error) C.int {
	if err == nil {
		return 0
	}
	if bus, ok := err.(*memmap.BusError); ok {
		return C.int(-(busErrorBase + errnoOf(bus.Err)))
	}
	return C.int(-errnoOf(err))
}

func failure(errno syscall.Errno) C.int {
	return C.int(-int(errno))
}

// aligned: a range of whole pages that does not wrap and is not empty.
func aligned(start, length C.uint64_t) bool {
	return (start|length)&pageMask == 0 && length != 0 && start+length > start
}

func accessType(access C.uint32_t) hostarch.AccessType {
	return hostarch.AccessType{
		Read:    access&C.TRANSLATOR_READ != 0,
		Write:   access&C.TRANSLATOR_WRITE != 0,
		Execute: access&C.TRANSLATOR_EXEC != 0,
	}
}

func accessBits(at hostarch.AccessType) C.uint32_t {
	var bits C.uint32_t
	if at.Read {
		bits |= C.TRANSLATOR_READ
	}
	if at.Write {
		bits |= C.TRANSLATOR_WRITE
	}
	if at.Execute {
		bits |= C.TRANSLATOR_EXEC
	}
	return bits
}

// ---- options ----

// option takes one key=value. The original has no bound for its memory, so that memory_max is
// only read: the limit of the control group is what holds.
func (e *engine) option(key, value string) (syscall.Errno, string) {
	switch {
	case key == "pages" && value == "4k":
	case key == "pages":
		return syscall.ENODEV, "gvisor has pages=4k only, not " + value
	case key == "as" && (value == "none" || value == "mmap"):
		e.mapped = value == "mmap"
	case key == "memory_max":
		number, unit := value, len(value)-1
		if unit > 0 && bytes.IndexByte([]byte("kmg"), value[unit]) >= 0 {
			number = value[:unit]
		}
		if _, err := strconv.ParseUint(number, 10, 64); err != nil {
			return syscall.EINVAL, "memory_max: not a size (64m): " + value
		}
	default:
		return syscall.EINVAL, fmt.Sprintf(
			"gvisor knows pages=4k, as=none|mmap and memory_max=BYTES, not %s=%s", key, value)
	}
	return 0, ""
}

func (e *engine) options(list *C.struct_translator_option) (syscall.Errno, string) {
	for ; list != nil && list.key != nil; list = nextOption(list) {
		errno, why := e.option(C.GoString(list.key), C.GoString(list.value))
		if errno != 0 {
			return errno, why
		}
	}
	return 0, ""
}

func nextOption(o *C.struct_translator_option) *C.struct_translator_option {
	return (*C.struct_translator_option)(unsafe.Add(unsafe.Pointer(o), unsafe.Sizeof(*o)))
}

func (e *engine) open() error {
	if err := start(); err != nil {
		return err
	}
	const name = "faultline-gvisor"
	fd, err := memutil.CreateMemFD(name, 0)
	if err != nil {
		return err
	}
	e.memory, err = pgalloc.NewMemoryFile(os.NewFile(uintptr(fd), name),
		pgalloc.MemoryFileOpts{})
	if err != nil {
		return err
	}
	e.ctx = &callContext{
		Context: context.Background(),
		limits:  limits.NewLimitSet(),
		memory:  e.memory,
	}
	for t, infinite := limits.LimitType(0), limits.Infinity; t <= limits.Rttime; t++ {
		limits.FromContext(e.ctx).SetUnchecked(t, limits.Limit{Cur: infinite, Max: infinite})
	}
	return nil
}

//export gvisor_open
func gvisor_open(options *C.struct_translator_option, out *C.uintptr_t, sentence *C.char,
	size C.size_t) C.int {
	e := &engine{}
	errno, why := e.options(options)
	if errno == 0 {
		if err := e.open(); err != nil {
			errno, why = syscall.Errno(errnoOf(err)), "gvisor cannot start: "+err.Error()
		}
	}
	if errno == 0 {
		*out = C.uintptr_t(cgo.NewHandle(e))
		return 0
	}
	if size > 0 {
		room := unsafe.Slice((*byte)(unsafe.Pointer(sentence)), int(size))
		room[copy(room[:size-1], why)] = 0
	}
	return failure(errno)
}

func engineOf(handle C.uintptr_t) *engine {
	return cgo.Handle(handle).Value().(*engine)
}

// closeWait bounds the wait for the reclaimer, which has at most a few pages left to give back.
const closeWait = 5 * time.Second

// The reclaimer, a goroutine, unmaps and closes the file when it sees that it is to end.
//
//export gvisor_close
func gvisor_close(handle C.uintptr_t) {
	e := engineOf(handle)
	cgo.Handle(handle).Delete()
	e.memory.Destroy()
	for end := time.Now().Add(closeWait); time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		if _, err := e.memory.File().Stat(); err != nil {
			return
		}
	}
}

// ---- statistics ----

// The memory file keeps no sums, but writes out its segments: "0x0 - 0x1000 => {kind known refs}".
var usageSegment = regexp.MustCompile(`\[(0x[0-9a-f]+), (0x[0-9a-f]+)\) => \{\S+ \S+ (\d+)\}`)

func (e *engine) counts() (pages, references uint64) {
	for _, m := range usageSegment.FindAllStringSubmatch(e.memory.String(), -1) {
		from, _ := strconv.ParseUint(m[1], 0, 64)
		to, _ := strconv.ParseUint(m[2], 0, 64)
		refs, _ := strconv.ParseUint(m[3], 10, 64)
		if refs > 0 {
			pages += (to - from) / pageSize
			references += (to - from) / pageSize * refs
		}
	}
	return pages, references
}

//export gvisor_stat
func gvisor_stat(handle C.uintptr_t, out *C.struct_translator_stat) C.int {
	var memory runtime.MemStats

	e := engineOf(handle)
	runtime.ReadMemStats(&memory)
	pages, references := e.counts()
	out.live_pages = C.uint64_t(pages)
	out.references = C.uint64_t(references)
	out.metadata_bytes = C.uint64_t(memory.Sys - memory.HeapReleased)
	out.host_mappings = C.uint64_t(e.hostMappings.Load())
	out.host_unmappings = C.uint64_t(e.hostUnmappings.Load())
	out.demotions = 0
	out.fallbacks = 0
	out.zeroed_pages = 0
	return 0
}

// ---- references ----

func fileRange(offset, length C.uint64_t) memmap.FileRange {
	return memmap.FileRange{Start: uint64(offset), End: uint64(offset + length)}
}

//export gvisor_incref
func gvisor_incref(handle C.uintptr_t, offset, length C.uint64_t) {
	engineOf(handle).memory.IncRef(fileRange(offset, length))
}

//export gvisor_decref
func gvisor_decref(handle C.uintptr_t, offset, length C.uint64_t) {
	engineOf(handle).memory.DecRef(fileRange(offset, length))
}

// The memory file is mapped by whole chunks, so that what lies within a page is one block.
//
//export gvisor_map_internal
func gvisor_map_internal(handle C.uintptr_t, offset, length C.uint64_t,
	access C.uint32_t) C.uintptr_t {
	start := offset &^ pageMask
	end := (offset + length + pageMask) &^ pageMask
	blocks, err := engineOf(handle).memory.MapInternal(fileRange(start, end-start),
		accessType(access))
	if err != nil || blocks.NumBlocks() != 1 {
		return 0
	}
	return C.uintptr_t(blocks.Head().Addr()) + C.uintptr_t(offset-start)
}
