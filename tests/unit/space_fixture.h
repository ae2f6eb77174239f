/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_fixture.h - a memory manager with one space, and bytes put and got as an application's
 * loads and stores would: fault, look up, access the page. For one thread, except where the host
 * space is mmap and the test touches host addresses itself.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "engine/mm.h"
#include "engine/shared_memory.h"
#include "tests/unit/hosts.h"

#define FIXTURE_WINDOW (UINT64_C(4) << 30)
#define FIXTURE_BASE (UINT64_C(1) << 30)
#define FIXTURE_RW ((mm_access)(MM_READ | MM_WRITE))

struct fixture {
	struct mm *mm;
	struct mm_space *space;
	struct memory_file *memory;
};

static inline void fixture_open(struct fixture *f, const struct mm_opts *opts,
				const struct host_space_ops *host)
{
	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(opts, &f->mm), 0);
	assert_int_equal(mm_space_create(f->mm, host_to_be_had(host), FIXTURE_WINDOW, &f->space),
			 0);
	f->memory = mm_memory_file(f->mm);
}

/* All that the test made is gone but f->space; nothing may be left. */
static inline void fixture_close(struct fixture *f)
{
	struct mm_stat stat;

	mm_check(f->mm);
	mm_space_destroy(f->space);
	mm_get_stat(f->mm, &stat);
	assert_int_equal(stat.memory.live_pages, 0);
	assert_int_equal(stat.vmas, 0);
	mm_destroy(f->mm);
	mm_thread_leave();
}

static inline struct mmap_opts fixture_map_opts(uint64_t page, uint64_t pages, mm_access perms)
{
	return (struct mmap_opts){ .length = pages * MM_PAGE_SIZE,
				   .address = FIXTURE_BASE + page * MM_PAGE_SIZE,
				   .fixed = true,
				   .unmap = true,
				   .perms = perms,
				   .max_perms = MM_ANY_ACCESS,
				   .is_private = true };
}

/* Private memory at pages from FIXTURE_BASE; sm: a mapping of it from its page `offset`. */
static inline int fixture_map(struct mm_space *s, uint64_t page, uint64_t pages, mm_access perms,
			      struct shared_memory *sm, bool is_private, uint64_t offset)
{
	struct mmap_opts o = fixture_map_opts(page, pages, perms);
	uint64_t got;

	if (sm) {
		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
		o.offset = offset * MM_PAGE_SIZE;
	}
	o.is_private = is_private;
	return mm_mmap(s, &o, &got);
}

static inline uint64_t fixture_address(uint64_t page)
{
	return FIXTURE_BASE + page * MM_PAGE_SIZE;
}

/* The page that an address shows for at, after a fault; errors of the fault as they are. */
static inline int fixture_page(struct mm_space *s, uint64_t page, mm_access at, uint32_t *out)
{
	mm_access perms;
	int rc = mm_fault(s, fixture_address(page), at);

	if (rc)
		return rc;
	assert_int_equal(mm_lookup(s, fixture_address(page), at, out, &perms), 0);
	return 0;
}

static inline int fixture_put(struct fixture *f, struct mm_space *s, uint64_t page,
			      unsigned char byte)
{
	uint32_t at;
	int rc = fixture_page(s, page, MM_WRITE, &at);

	if (rc)
		return rc;
	memory_file_memory(f->memory, at)[7] = byte;
	memory_file_mark_dirty(f->memory, at);
	return 0;
}

/* The byte that was put, or the error of the fault. */
static inline int fixture_get(struct fixture *f, struct mm_space *s, uint64_t page)
{
	uint32_t at;
	int rc = fixture_page(s, page, MM_READ, &at);

	return rc ? rc : memory_file_memory(f->memory, at)[7];
}

static inline uint64_t fixture_copied(const struct fixture *f)
{
	struct mm_stat stat;

	mm_get_stat(f->mm, &stat);
	return stat.copied_pages;
}

static inline uint64_t fixture_live(const struct fixture *f)
{
	struct mm_stat stat;

	mm_get_stat(f->mm, &stat);
	return stat.memory.live_pages;
}
