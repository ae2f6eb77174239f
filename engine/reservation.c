/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reservation.c - see reservation.h. origin is the start rounded down to 2 MiB when the range has
 * 512 pages or more, so that huge pages fit; a smaller range is reserved exactly, inside
 * somebody's block.
 */
#include "engine/reservation.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/striped.h"

static struct striped total_bytes;

static size_t size_of(const struct reservation *r)
{
	return sizeof(*r) + sizeof(r->slice[0]) * 2 * r->nodes * r->slices;
}

int reservation_create(struct memory_file *mf, uint64_t start, uint64_t end, unsigned nodes,
		       struct reservation **out)
{
	bool small = end - start < MM_HUGE_PAGES;
	uint64_t origin = small ? start : start & ~(uint64_t)(MM_HUGE_PAGES - 1);
	uint64_t stop = small ? end : (end + MM_HUGE_PAGES - 1) & ~(uint64_t)(MM_HUGE_PAGES - 1);
	uint64_t slices = (stop - origin + MEMORY_CHUNK_PAGES - 1) / MEMORY_CHUNK_PAGES;
	struct reservation *r = mm_calloc(sizeof(*r) + sizeof(r->slice[0]) * 2 * nodes * slices);

	if (!r)
		return -ENOMEM;
	r->mf = mf;
	r->origin = origin;
	r->end = stop;
	r->nodes = nodes;
	r->slices = (unsigned)slices;
	atomic_init(&r->references, 1);
	striped_add(&total_bytes, (int64_t)size_of(r));
	*out = r;
	return 0;
}

void reservation_get(struct reservation *r)
{
	atomic_fetch_add_explicit(&r->references, 1, memory_order_relaxed);
}

static uint32_t slice_pages(const struct reservation *r, unsigned i)
{
	uint64_t left = r->end - r->origin - (uint64_t)i * MEMORY_CHUNK_PAGES;

	return left < MEMORY_CHUNK_PAGES ? (uint32_t)left : MEMORY_CHUNK_PAGES;
}

void reservation_put(struct reservation *r)
{
	if (atomic_fetch_sub_explicit(&r->references, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < 2 * r->nodes * r->slices; i++) {
		uint32_t first = atomic_load_explicit(&r->slice[i], memory_order_relaxed);

		if (first)
			memory_file_unreserve(r->mf, first, slice_pages(r, i % r->slices));
	}
	striped_add(&total_bytes, -(int64_t)size_of(r));
	free(r);
}

int reservation_make_slice(struct reservation *r, unsigned node, enum page_class cls, unsigned i)
{
	_Atomic uint32_t *slot = reservation_slot(r, node, cls, i);
	uint32_t none = 0;
	uint32_t mine;
	int rc = memory_file_reserve(r->mf, (int)node, cls, slice_pages(r, i), 0, &mine);

	if (rc)
		return rc;
	if (!atomic_compare_exchange_strong_explicit(slot, &none, mine, memory_order_acq_rel,
						     memory_order_relaxed))
		memory_file_unreserve(r->mf, mine, slice_pages(r, i));
	return 0;
}

uint64_t reservation_bytes(void)
{
	return (uint64_t)striped_sum(&total_bytes);
}
