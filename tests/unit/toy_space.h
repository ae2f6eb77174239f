/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy_space.h - the least mapping space that keeps the contract, for the tests of mappables.
 *
 * One entry lock, one present page per offset, each holding a reference; invalidate drops them
 * under the lock. It stands in for the address map, so that each order of translate, install and
 * truncate can be forced. Every program that includes this has its own memory file, made and
 * destroyed around each test.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "engine/memory_file.h"
#include "engine/park.h"
#include "engine/translation.h"

#define PAGE MM_PAGE_SIZE
#define PAGES 2048
#define BASE UINT64_C(0x40000000)
#define RW (MM_READ | MM_WRITE)

struct toy_space {
	struct mapping_space space;
	_Atomic uint32_t lock;
	struct memory_file *mf;
	uint32_t present[PAGES]; /* page at BASE + i * PAGE, 0 = none; under lock */
	unsigned invalidations;
	bool saw_private;
};

static struct memory_file *mf;

static inline void toy_lock(struct toy_space *s) ACQUIRES(entry_class) NO_TSA
{
	lock_rank_push(RANK_ENTRY, (struct lock_key){ s->space.id, 0 }, LOCK_SITE);
	park_lock_raw(&s->lock);
}

static inline void toy_unlock(struct toy_space *s) RELEASES(entry_class) NO_TSA
{
	park_unlock_raw(&s->lock);
	lock_rank_pop(RANK_ENTRY, (struct lock_key){ s->space.id, 0 }, LOCK_SITE);
}

static inline void toy_invalidate(struct mapping_space *ms, struct addr_range ar,
				  struct invalidate_opts opts) NO_TSA
{
	struct toy_space *s = (struct toy_space *)ms;

	toy_lock(s);
	s->invalidations++;
	s->saw_private |= opts.invalidate_private;
	for (uint64_t at = ar.start; at < ar.end; at += PAGE) {
		uint32_t *page = &s->present[(at - BASE) / PAGE];

		if (*page)
			memory_file_dec(s->mf, *page);
		*page = 0;
	}
	toy_unlock(s);
}

static const struct mapping_space_ops toy_ops = { .invalidate = toy_invalidate };

static inline struct toy_space *toy_create(uint64_t id)
{
	struct toy_space *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->space = (struct mapping_space){ &toy_ops, id };
	s->mf = mf;
	return s;
}

/* Translates the page at offset; caller holds the entry lock. Returns what translate does. */
static inline int toy_look(struct mappable *m, uint64_t offset, mm_access at, uint32_t *page) NO_TSA
{
	struct mappable_range mr = { offset, offset + PAGE };
	struct translation t;
	size_t count;
	int rc = mappable_translate(m, mr, mr, at, &t, 1, &count);
	const char *text = check_translate_result(mr, mr, at, &t, count, rc);

	if (text)
		fail_msg("%s", text);
	*page = rc ? 0 : memory_file_page_at(mf, t.file, t.offset);
	return rc;
}

static inline void install(struct toy_space *s, uint64_t offset, uint32_t page) NO_TSA
{
	assert_int_equal(s->present[offset / PAGE], 0);
	memory_file_inc(mf, page);
	s->present[offset / PAGE] = page;
}

static inline int toy_fault_as(struct toy_space *s, struct mappable *m, uint64_t offset,
			       mm_access at) NO_TSA
{
	uint32_t page;
	int rc = 0;

	toy_lock(s);
	if (!s->present[offset / PAGE]) {
		rc = toy_look(m, offset, at, &page);
		if (!rc)
			install(s, offset, page);
	}
	toy_unlock(s);
	return rc;
}

/* Offsets 0 .. PAGES at BASE. Returns what add_mapping does. */
static inline int toy_map(struct toy_space *s, struct mappable *m, bool writable) NO_TSA
{
	return mappable_add_mapping(m, &s->space, (struct addr_range){ BASE, BASE + PAGES * PAGE },
				    0, writable);
}

static inline void toy_unmap(struct toy_space *s, struct mappable *m, bool writable) NO_TSA
{
	struct addr_range all = { BASE, BASE + PAGES * PAGE };

	toy_invalidate(&s->space, all, (struct invalidate_opts){ false });
	mappable_remove_mapping(m, &s->space, all, 0, writable);
}

static inline int setup(void **state)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(8) << 30 };

	(void)state;
	return memory_file_create(&opts, &mf);
}

/* Destroying reports leaks, so every test ends by showing that no page was lost. */
static inline int teardown(void **state)
{
	(void)state;
	memory_file_destroy(mf);
	return 0;
}

static inline uint64_t live_pages(void) NO_TSA
{
	struct memory_file_stat stat;

	memory_file_get_stat(mf, &stat);
	return stat.live_pages;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
