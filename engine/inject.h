/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject.h - failures on demand: in testing builds (MM_TEST_POINTS) a test makes the k-th request
 * of a kind fail, for every k that its scenario reaches; in other builds all this is nothing.
 *
 * Whatever can fail in the engine asks here first: MM_INJECT(kind) is true when it has to. The
 * engine takes its own memory by mm_calloc and mm_aligned_alloc for that reason.
 *
 * One counter per kind, for all threads. No locks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum inject_kind {
	INJECT_MEMORY, /* memory of the engine's own: nodes, vmas, tables */
	INJECT_PAGE, /* pages of memory files, and blocks and page numbers for them */
	INJECT_HOST, /* calls of the host that may fail: mappings, sizes of files, windows */
	INJECT_MAPPING, /* add_mapping and copy_mapping of any mappable */
	INJECT_FILL, /* reading, clearing or copying what a page is to show */
	INJECT_KINDS
};

/* The k-th request from now on (k >= 1) and the times - 1 that follow it fail. k 0: none does. */
void mm_inject_arm(enum inject_kind kind, uint64_t k, uint64_t times);
/* Ends it; how many requests there were, and (*failed, may be NULL) how many failed. */
uint64_t mm_inject_disarm(enum inject_kind kind, uint64_t *failed);
/* Called by the macro. */
bool mm_inject(enum inject_kind kind);

#if defined(MM_TEST_POINTS) && MM_TEST_POINTS
#define MM_INJECT(kind) mm_inject(kind)
#else
#define MM_INJECT(kind) false
#endif

/* calloc of one object, and aligned_alloc: NULL when there is no memory. */
static inline void *mm_calloc(size_t size)
{
	return MM_INJECT(INJECT_MEMORY) ? NULL : calloc(1, size);
}

static inline void *mm_aligned_alloc(size_t align, size_t size)
{
	return MM_INJECT(INJECT_MEMORY) ? NULL : aligned_alloc(align, size);
}
