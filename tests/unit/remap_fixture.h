/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remap_fixture.h - a space and a shared object for the tests of mremap, and words stamped into
 * pages: through the window if there is one, else through the memory file.
 *
 * Every stamp goes through a fault, so it works where a store would, and fails with its error.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>

#include "engine/mm.h"
#include "engine/mm_remap.h"
#include "engine/shared_memory.h"
#include "tests/unit/hosts.h"

#define PAGE MM_PAGE_SIZE
#define HUGE MM_HUGE_SIZE
#define RW (MM_READ | MM_WRITE)
#define OBJECT_PAGES 4096
#define WINDOW (UINT64_C(4) << 30)

static struct fixture {
	struct mm *mm;
	struct mm_space *space;
	struct shared_memory *sm;
	bool hosted;
} fx;

static inline void open_remap(const struct host_space_ops *host, enum page_class cls)
{
	struct mm_opts opts = { .page_class = cls };

	fx.hosted = host != &host_space_none;
	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(&opts, &fx.mm), 0);
	assert_int_equal(mm_space_create(fx.mm, host_to_be_had(host), WINDOW, &fx.space), 0);
	assert_int_equal(shared_memory_create(mm_memory_file(fx.mm), OBJECT_PAGES * PAGE, PAGE_4K,
					      "remap", &fx.sm),
			 0);
}

static inline struct mm_stat stat_now(void)
{
	struct mm_stat stat;

	mm_get_stat(fx.mm, &stat);
	return stat;
}

/* Nothing has leaked: no page, no vma; mm_destroy looks at the rest. */
static inline void close_remap(void)
{
	mm_check(fx.mm);
	mm_space_destroy(fx.space);
	mapping_identity_dec_ref(shared_memory_identity(fx.sm));
	assert_int_equal(stat_now().memory.live_pages, 0);
	assert_int_equal(stat_now().vmas, 0);
	mm_destroy(fx.mm);
	mm_thread_leave();
}

/* Maps `pages` pages at address: of the object (sm) from page `offset` on, or anonymous. */
static inline void map_object(uint64_t address, uint64_t pages, mm_access perms, bool sm,
			      bool is_private, uint64_t offset)
{
	struct mmap_opts o = { .length = pages * PAGE,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = is_private };
	uint64_t got;

	if (sm) {
		o.mappable = shared_memory_mappable(fx.sm);
		o.identity = shared_memory_identity(fx.sm);
		o.offset = offset * PAGE;
	}
	assert_int_equal(mm_mmap(fx.space, &o, &got), 0);
	assert_int_equal(got, address);
}

/* Of the object, shared, or private and anonymous. */
static inline void map_pages(uint64_t address, uint64_t pages, mm_access perms, bool sm,
			     uint64_t offset)
{
	map_object(address, pages, perms, sm, !sm, offset);
}

/* The number of the page that is present there, or 0. */
static inline uint32_t page_at(uint64_t address)
{
	uint32_t page = 0;
	mm_access perms;
	int rc = mm_lookup(fx.space, address, MM_NONE, &page, &perms);

	return rc ? 0 : page;
}

static inline uint64_t *word_at(uint64_t address)
{
	void *shown = mm_host_address(fx.space, address);

	return shown ? shown
		     : (uint64_t *)memory_file_memory(mm_memory_file(fx.mm), page_at(address));
}

static inline void stamp(uint64_t address, uint64_t value)
{
	assert_int_equal(mm_fault(fx.space, address, MM_WRITE), 0);
	if (!fx.hosted) /* written behind the engine's back: not clean when it is freed */
		memory_file_mark_dirty(mm_memory_file(fx.mm), page_at(address));
	*(volatile uint64_t *)word_at(address) = value;
}

static inline void expect_stamp(uint64_t address, uint64_t value)
{
	assert_int_equal(mm_fault(fx.space, address, MM_READ), 0);
	assert_int_equal(*(volatile uint64_t *)word_at(address), value);
}

static inline bool is_mapped(uint64_t address)
{
	return mm_fault(fx.space, address, MM_READ) != -EFAULT;
}

/* mm_mremap, everything checked after it. */
static inline int remap(uint64_t old, uint64_t old_pages, uint64_t new_pages, enum mremap_mode mode,
			uint64_t to, uint64_t *got)
{
	int rc = mm_mremap(fx.space, old, old_pages * PAGE, new_pages * PAGE, mode, to, got);

	mm_check(fx.mm);
	return rc;
}

static inline void move_to(uint64_t old, uint64_t old_pages, uint64_t new_pages, uint64_t to)
{
	uint64_t got;

	assert_int_equal(remap(old, old_pages, new_pages, MREMAP_FIXED_MOVE, to, &got), 0);
	assert_int_equal(got, to);
}
