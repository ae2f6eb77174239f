/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.h - the 8-byte word of an address-map entry.
 *
 *   63            32 31       12 11 10 9 8 7 6 5 4 3    2     1      0
 *   | page number   | vma index | N  H P C X W R p DEAD CHILD WAITER LOCK |
 *
 * CHILD: the other bits are a pointer to a node (64-byte aligned) that has the details. Else the
 * entry stands for 4 KiB, 2 MiB, 1 GiB or 512 GiB by its level (0 to 3): vma index 0 means that
 * nothing is mapped; p (present) means that the page number and permissions are valid.
 * DEAD: the node was removed; start again at the root. LOCK alone gives the right to change a word
 * or to follow its vma; a word without LOCK read in one piece is a consistent snapshot.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/access.h"

typedef _Atomic uint64_t entry_t;

#define ENTRY_LOCK UINT64_C(1)
#define ENTRY_WAITER UINT64_C(2)
#define ENTRY_CHILD UINT64_C(4)
#define ENTRY_DEAD UINT64_C(8)
#define ENTRY_PRESENT UINT64_C(0x10)
#define ENTRY_ACCESS_SHIFT 5 /* R, W, X as in access.h */
#define ENTRY_ACCESS_MASK (UINT64_C(7) << ENTRY_ACCESS_SHIFT)
#define ENTRY_COPY UINT64_C(0x100) /* needs a copy before it is written */
#define ENTRY_PRIVATE UINT64_C(0x200) /* the page belongs to this mapping, not to a mappable */
#define ENTRY_HUGE UINT64_C(0x400) /* page number is the first of an aligned 2 MiB */
#define ENTRY_HOSTED UINT64_C(0x800) /* the host space shows it */
#define ENTRY_VMA_SHIFT 12
#define ENTRY_VMA_MASK (UINT64_C(0xfffff) << ENTRY_VMA_SHIFT)
#define ENTRY_VMA_LIMIT (UINT32_C(1) << 20)
#define ENTRY_PAGE_SHIFT 32
/* What goes when a translation is dropped and the vma stays. */
#define ENTRY_TRANSLATION_MASK                                                               \
	(~UINT64_C(0) << ENTRY_PAGE_SHIFT | ENTRY_PRESENT | ENTRY_ACCESS_MASK | ENTRY_COPY | \
	 ENTRY_PRIVATE | ENTRY_HUGE | ENTRY_HOSTED)

static inline uint32_t entry_vma(uint64_t word)
{
	return (uint32_t)((word & ENTRY_VMA_MASK) >> ENTRY_VMA_SHIFT);
}

static inline uint64_t entry_of_vma(uint32_t vma)
{
	return (uint64_t)vma << ENTRY_VMA_SHIFT;
}

static inline uint32_t entry_page(uint64_t word)
{
	return (uint32_t)(word >> ENTRY_PAGE_SHIFT);
}

static inline uint64_t entry_of_page(uint32_t page)
{
	return (uint64_t)page << ENTRY_PAGE_SHIFT;
}

static inline mm_access entry_access(uint64_t word)
{
	return (mm_access)((word & ENTRY_ACCESS_MASK) >> ENTRY_ACCESS_SHIFT);
}

static inline uint64_t entry_of_access(mm_access a)
{
	return (uint64_t)a << ENTRY_ACCESS_SHIFT;
}

/* Present, not about to change, and permits at? */
static inline bool entry_permits(uint64_t word, mm_access at)
{
	uint64_t want = ENTRY_PRESENT | entry_of_access(at);

	return (word & (want | ENTRY_LOCK | ENTRY_CHILD | ENTRY_DEAD)) == want;
}
