/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_usage.h - inside of the engine: how much a space maps, and the limits of that.
 *
 * Without a limit nothing is counted: what is used can be read off the address map at any time,
 * and mmap and munmap pay nothing. With one, every page that an entry stands for is counted in
 * one atomic a resource: reserved before it is mapped, given back after it is unmapped, so that
 * any number of concurrent calls cannot go beyond the limit. (One that will fail for another
 * reason may hold a reservation for a moment and make another fail.)
 *
 * Who changes the vma of an entry accounts for it, in pages of 4 KiB and with a range of `mapping`
 * held, which is also what keeps `counting` and the limits as they are; only mm_set_limits changes
 * these, with all of `mapping` held. The rule: with all of `mapping` held, the counters
 * are what space_count finds. Hence
 *   an entry gets a vma where it had none    space_reserve first (it may refuse)
 *   an entry loses its vma                   space_unreserve afterwards (space_unmap does that)
 *   a translation moves, vma and all         nothing, if both are alike
 *   an entry's vma is replaced               the difference (space_change does that)
 */
#pragma once

#include "engine/mm_advise.h"
#include "engine/vma.h"

/* Pages that somebody maps. */
struct space_pages {
	uint64_t address_space; /* all */
	uint64_t data; /* private, writable, no stack */
	uint64_t locked; /* of mlocked mappings, whether resident or not */
	uint64_t
		resident; /* present in the address map; never counted, only found by space_count */
};

struct space_usage {
	bool counting; /* under `mapping`: some limit is set */
	struct mm_limits limits; /* under `mapping`; bytes */
	_Atomic uint64_t address_space, data, locked; /* pages; meaningless unless counting */
	_Atomic uint64_t resident_max; /* pages; the highest that space_count found of all */
};

struct mm_space;

/* No limits. */
void space_usage_init(struct space_usage *u);

static inline struct space_pages space_pages_of(const struct vma *v, uint64_t pages)
{
	return (struct space_pages){ .address_space = pages,
				     .data = vma_is_data(v) ? pages : 0,
				     .locked = v->mlock_mode != MLOCK_NONE ? pages : 0 };
}

/* What is mapped at address pages [start, end), whose `mapping` is held. */
struct space_pages space_count(struct mm_space *s, uint64_t start, uint64_t end)
	REQUIRES(mapping_class);

/*
 * Takes `more` on account, and `less` off it, if the limits permit: 0, -EAGAIN (locked), -ENOMEM.
 * `less` is what the same call is going to unmap without giving it back itself; as in Linux it
 * makes room for address space and data, but not for locked memory.
 */
MM_MUST_CHECK int space_charge(struct mm_space *s, struct space_pages more, struct space_pages less)
	REQUIRES(mapping_class);
/* Counts, without asking the limits, what had been taken off as `less` and is there after all. */
void space_recharge(struct mm_space *s, struct space_pages more) REQUIRES(mapping_class);
/* Gives back. */
void space_uncharge(struct mm_space *s, struct space_pages less) REQUIRES(mapping_class);

/* The same for `pages` pages of mappings like v. */
static inline MM_MUST_CHECK int space_reserve(struct mm_space *s, const struct vma *v,
					      uint64_t pages) REQUIRES(mapping_class)
{
	return space_charge(s, space_pages_of(v, pages), (struct space_pages){ 0 });
}

static inline void space_unreserve(struct mm_space *s, const struct vma *v, uint64_t pages)
	REQUIRES(mapping_class)
{
	space_uncharge(s, space_pages_of(v, pages));
}

/* May the space lock memory at all? (-EPERM of mlock and MAP_LOCKED) */
bool space_may_lock(const struct mm_space *s) REQUIRES(mapping_class);

/*
 * Fork: gives the child, which nobody else knows yet and whose entries are all made, the parent's
 * limits and heap, and counts what it maps. Locks are not inherited. Holds the parent's `mapping`.
 */
void space_inherit(struct mm_space *child, struct mm_space *parent) REQUIRES(mapping_class);
/* With all of `mapping` held: mm_fail() if the counters are not what is mapped. */
void space_usage_check(struct mm_space *s) REQUIRES(mapping_class);
