// SPDX-License-Identifier: Apache-2.0

package main

// What the host sees of a space. as=none: nothing, a translation that the memory manager holds is
// all there is. as=mmap: a reservation of the process, in which pages of the memory file are shown.
//
// The memory manager calls an address space under its own activeMu: MapFile with it read-locked,
// by many at once, Unmap with it locked.

import (
	"syscall"

	"gvisor.dev/gvisor/pkg/context"
	"gvisor.dev/gvisor/pkg/hostarch"
	"gvisor.dev/gvisor/pkg/seccomp"
	"gvisor.dev/gvisor/pkg/sentry/memmap"
	"gvisor.dev/gvisor/pkg/sentry/platform"
)

// maxAddress is the end of what a process can have.
const maxAddress = hostarch.Addr(1<<47 - pageSize)

// spacePlatform makes the address spaces of one space and its copies, all of the same size.
type spacePlatform struct {
	platform.NoCPUPreemptionDetection
	platform.UseHostProcessMemoryBarrier
	engine *engine
	bytes  uint64
}

func (*spacePlatform) SupportsAddressSpaceIO() bool             { return false }
func (*spacePlatform) CooperativelySchedulesAddressSpace() bool { return false }
func (*spacePlatform) MapUnit() uint64                          { return 0 }
func (*spacePlatform) MinUserAddress() hostarch.Addr            { return pageSize }
func (*spacePlatform) MaxUserAddress() hostarch.Addr            { return maxAddress }
func (*spacePlatform) SyscallFilters() seccomp.SyscallRules     { return nil }

func (*spacePlatform) NewContext(context.Context) platform.Context {
	panic("gvisor: nothing is executed in a space")
}

func (p *spacePlatform) NewAddressSpace(any) (platform.AddressSpace, <-chan struct{}, error) {
	if !p.engine.mapped {
		return &nowhere{}, nil, nil
	}
	base, err := hostMap(0, p.bytes, syscall.PROT_NONE, hidden&^syscall.MAP_FIXED, -1, 0)
	if err != nil {
		return nil, nil, err
	}
	return &window{engine: p.engine, base: base, bytes: p.bytes}, nil, nil
}

// nowhere is the address space of as=none.
type nowhere struct{ platform.NoAddressSpaceIO }

func (*nowhere) MapFile(hostarch.Addr, memmap.File, memmap.FileRange, hostarch.AccessType,
	bool) error {
	return nil
}
func (*nowhere) Unmap(hostarch.Addr, uint64) {}
func (*nowhere) Release()                    {}
func (*nowhere) PreFork()                    {}
func (*nowhere) PostFork()                   {}

// window is the address space of as=mmap: address a is at base + a.
type window struct {
	platform.NoAddressSpaceIO
	engine *engine
	base   uintptr
	bytes  uint64
}

const hidden = syscall.MAP_PRIVATE | syscall.MAP_ANON | syscall.MAP_NORESERVE | syscall.MAP_FIXED

func hostMap(at uintptr, bytes uint64, prot, flags, fd int, offset uint64) (uintptr, error) {
	base, _, errno := syscall.Syscall6(syscall.SYS_MMAP, at, uintptr(bytes), uintptr(prot),
		uintptr(flags), uintptr(fd), uintptr(offset))
	if errno != 0 {
		return 0, errno
	}
	return base, nil
}

func (w *window) MapFile(addr hostarch.Addr, f memmap.File, fr memmap.FileRange,
	at hostarch.AccessType, precommit bool) error {
	flags := syscall.MAP_SHARED | syscall.MAP_FIXED
	if precommit {
		flags |= syscall.MAP_POPULATE
	}
	_, err := hostMap(w.base+uintptr(addr), fr.Length(), at.Prot(), flags, f.FD(), fr.Start)
	if err == nil {
		w.engine.hostMappings.Add(1)
	}
	return err
}

// Unmap is asked for all between two neighbours, which may end far beyond the window.
func (w *window) Unmap(addr hostarch.Addr, length uint64) {
	if uint64(addr) >= w.bytes {
		return
	}
	if length > w.bytes-uint64(addr) {
		length = w.bytes - uint64(addr)
	}
	if _, err := hostMap(w.base+uintptr(addr), length, syscall.PROT_NONE, hidden, -1, 0); err != nil {
		// What stays mapped shows pages that are not the space's any more.
		panic("gvisor: cannot unmap a part of a window: " + err.Error())
	}
	w.engine.hostUnmappings.Add(1)
}

func (w *window) Release() {
	syscall.Syscall(syscall.SYS_MUNMAP, w.base, uintptr(w.bytes), 0)
}

func (*window) PreFork()  {}
func (*window) PostFork() {}
