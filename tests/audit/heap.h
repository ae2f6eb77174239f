/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap.h - malloc and free of the audit: one arena for each CPU identity.
 *
 * The C library's allocator is not compiled for recording and keeps its state per thread. This one
 * stands in for it and is told as one operation on its arena: a malloc writes the arena of the
 * caller's identity, a free that of whoever allocated. So what a good allocator keeps apart is no
 * conflict, and a free of another thread's memory is one. Objects of one
 * arena may share a line here as there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_ARENAS 8

/* The live or freed block that holds an address, if it is on the heap. */
struct heap_block {
	uintptr_t start; /* what malloc returned */
	size_t bytes; /* asked for */
	uintptr_t place; /* of the call */
	unsigned arena;
};
bool heap_find(uintptr_t address, struct heap_block *out);
