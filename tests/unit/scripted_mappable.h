/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scripted_mappable.h - a mappable for tests that answers what it is told to, legal or not.
 *
 * It has a run of pages with one reference each (its own); offset i * 4096 is page i of it, and
 * offsets beyond are bus_error(ENXIO). The answer is made from the question by a shape of
 * scripted_shapes.h: one shape for every question, or a list of them, used up one per question. The
 * k-th add_mapping, copy_mapping or translate can be made to fail. Calls are counted. Set it up
 * before other threads use it.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/mappable_object.h"
#include "engine/memory_file.h"
#include "tests/unit/scripted_shapes.h"

#define SCRIPTED_ANSWERS 32

struct scripted_mappable {
	struct mappable_object object; /* first: it is the mappable */
	struct memory_file *mf;
	uint32_t first, pages;
	enum scripted_shape shape; /* of every answer beyond the list */
	enum scripted_shape answers[SCRIPTED_ANSWERS];
	unsigned answer_count;
	mm_access perms; /* of the pieces; MM_ANY_ACCESS at first */
	int error; /* of SCRIPT_PREFIX, _ERROR, _COVERED_ERROR and of the k-th failures */
	unsigned fail_add, fail_copy, fail_translate; /* the k-th from 1; 0: none */
	/* Called first in each translate, with what its caller holds; may be NULL. */
	void (*on_translate)(struct scripted_mappable *sm, struct mappable_range required);
	_Atomic unsigned adds, removes, copies, translates, destroyed;
	bool record; /* keep the last question here: for one asker at a time */
	struct mappable_range last_required, last_optional;
	mm_access last_at;
};

static inline struct scripted_mappable *scripted_of(struct mappable *m)
{
	return (struct scripted_mappable *)m;
}

static inline int scripted_translate(struct mappable *m, struct mappable_range required,
				     struct mappable_range optional, mm_access at,
				     struct translation *ts, size_t max, size_t *count)
{
	struct scripted_mappable *sm = scripted_of(m);
	unsigned k = atomic_fetch_add(&sm->translates, 1);
	enum scripted_shape shape = k < sm->answer_count ? sm->answers[k] : sm->shape;
	uint64_t limit = (uint64_t)sm->pages * MM_PAGE_SIZE;
	struct translation base = { .perms = sm->perms };
	int beyond = 0;

	if (sm->on_translate)
		sm->on_translate(sm, required);
	if (sm->record) {
		sm->last_required = required;
		sm->last_optional = optional;
		sm->last_at = at;
	}
	*count = 0;
	if (k + 1 == sm->fail_translate)
		return sm->error;
	if (required.start >= limit)
		return bus_error(ENXIO);
	if (required.end > limit) {
		required.end = limit;
		beyond = bus_error(ENXIO);
	}
	if (optional.end > limit)
		optional.end = limit;
	base.file = memory_file_of(sm->mf, sm->first, &base.offset);
	*count = scripted_pieces(&base, shape, required, optional, at, ts, max);
	if (shape == SCRIPT_PREFIX || shape == SCRIPT_ERROR || shape == SCRIPT_COVERED_ERROR)
		return sm->error;
	if (shape == SCRIPT_POSITIVE)
		return 1;
	if (shape < SCRIPT_FIRST_ILLEGAL && ts[*count - 1].source.end < required.end)
		return -ENOSPC; /* more pieces than max */
	return beyond;
}

static inline int scripted_add_mapping(struct mappable *m, struct mapping_space *ms,
				       struct addr_range ar, uint64_t offset, bool writable) NO_TSA
{
	struct scripted_mappable *sm = scripted_of(m);

	if (atomic_fetch_add(&sm->adds, 1) + 1 == sm->fail_add)
		return sm->error;
	return mappable_object_add_mapping(m, ms, ar, offset, writable);
}

static inline void scripted_remove_mapping(struct mappable *m, struct mapping_space *ms,
					   struct addr_range ar, uint64_t offset, bool writable)
	NO_TSA
{
	atomic_fetch_add(&scripted_of(m)->removes, 1);
	mappable_object_remove_mapping(m, ms, ar, offset, writable);
}

static inline int scripted_copy_mapping(struct mappable *m, struct mapping_space *ms,
					struct addr_range src, struct addr_range dst,
					uint64_t offset, bool writable) NO_TSA
{
	struct scripted_mappable *sm = scripted_of(m);

	(void)src;
	if (atomic_fetch_add(&sm->copies, 1) + 1 == sm->fail_copy)
		return sm->error;
	return mappable_object_add_mapping(m, ms, dst, offset, writable);
}

/* The last reference is gone; the struct itself stays for the test to look at. */
static inline void scripted_destroy(struct mappable_object *o) NO_TSA
{
	struct scripted_mappable *sm = (struct scripted_mappable *)o;

	mappable_object_release(o);
	memory_file_dec_range(sm->mf, sm->first, sm->pages);
	memory_file_unreserve(sm->mf, sm->first, sm->pages);
	atomic_fetch_add(&sm->destroyed, 1);
}

static const struct mappable_ops scripted_ops = {
	.add_mapping = scripted_add_mapping,
	.remove_mapping = scripted_remove_mapping,
	.copy_mapping = scripted_copy_mapping,
	.translate = scripted_translate,
	.invalidate_unsavable = mappable_object_invalidate_nothing,
	.lock_mappings = mappable_object_lock_mappings,
	.unlock_mappings = mappable_object_unlock_mappings,
};

static const struct mapping_identity_ops scripted_identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
	.mapped_name = mappable_object_mapped_name,
	.device_id = mappable_object_device_id,
	.inode_id = mappable_object_inode_id,
	.msync = mappable_object_msync_nothing,
};

/* With `pages` zero pages of mf, neighbours of each other, and one reference; free() it when it is
 * destroyed. */
static inline struct scripted_mappable *scripted_create(struct memory_file *mf, uint32_t pages)
	NO_TSA
{
	struct scripted_mappable *sm =
		aligned_alloc(_Alignof(struct scripted_mappable), sizeof(struct scripted_mappable));

	assert_non_null(sm);
	memset(sm, 0, sizeof(*sm));
	assert_int_equal(mappable_object_init(&sm->object, &scripted_ops, &scripted_identity_ops,
					      scripted_destroy, "scripted"),
			 0);
	assert_int_equal(memory_file_reserve(mf, MEMORY_NODE_ANY, PAGE_4K, pages, 0, &sm->first),
			 0);
	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(memory_file_claim(mf, sm->first + i), 0);
	sm->mf = mf;
	sm->pages = pages;
	sm->perms = MM_ANY_ACCESS;
	sm->error = -EIO;
	return sm;
}

/* Drops the creator's reference; if it was the last, frees it. */
static inline void scripted_drop(struct scripted_mappable *sm) NO_TSA
{
	mapping_identity_dec_ref(&sm->object.identity);
	if (atomic_load(&sm->destroyed))
		free(sm);
}
