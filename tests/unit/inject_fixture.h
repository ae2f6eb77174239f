/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject_fixture.h - runs a scenario again and again, and lets another request fail each time:
 * the first, the second, ... until the scenario is over before the one that was to fail.
 *
 * For each kind of request, alone and with the next (host calls) or every later one of its kind,
 * and with every host space that the scenario wants: a world is made, prepared without failure, and
 * the scenario's call run. Then the invariants hold; the result is the error that is documented,
 * or success where the scenario says that such a failure is absorbed; left() looks at what is
 * left; the same call without failures succeeds if the scenario says so; and when the world is
 * torn down no page, vma or node is left over (mm_destroy looks at the last two).
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/inject.h"
#include "engine/mm.h"
#include "engine/mm_advise.h"
#include "engine/shared_memory.h"
#include "engine/test_points.h"

#define PAGE MM_PAGE_SIZE
#define HUGE MM_HUGE_SIZE
#define BASE (UINT64_C(64) << 20)
#define WINDOW (UINT64_C(1) << 30)
#define RW (MM_READ | MM_WRITE)
#define OBJECT_BYTES (4 * HUGE)
#define ROUNDS_MAX 5000 /* requests of one kind that a scenario may make */
#define SEVERAL_MAX 20 /* up to this request, also with the later ones */
#define FOREVER (UINT64_C(1) << 40)

#define BIT(kind) (1u << (kind))

struct world {
	struct mm *mm; /* NULL before a scenario made it */
	struct mm_space *space, *other; /* other: NULL, or made by the scenario */
	struct shared_memory *sm;
	const struct host_space_ops *host;
	uint64_t address; /* the scenario's own */
};

struct scenario {
	const char *name;
	enum page_class cls; /* of private memory */
	bool bare; /* the world is empty: the scenario makes it */
	bool hosted_only; /* the host space is what it is about */
	void (*prepare)(struct world *w);
	int (*run)(struct world *w);
	/* After a failure: checks what is left. rc is what run said. NULL: nothing to see. */
	void (*left)(struct world *w, int rc);
	bool again; /* run succeeds after its failure */
	unsigned absorbs; /* BIT(kind): failures that run may get over */
	int error; /* besides -ENOMEM; 0: none */
	unsigned reaches; /* BIT(kind): kinds of which it makes requests, with every host */
};

/* ---- what a scenario is written with ---- */

static inline int world_map(struct world *w, uint64_t address, uint64_t length, mm_access perms,
			    struct shared_memory *sm)
{
	struct mmap_opts o = { .length = length,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = !sm };

	if (sm) {
		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
	}
	return mm_mmap(w->space, &o, &w->address);
}

/* The byte of the page that the space shows at an address; NULL if it shows none for access at. */
static inline unsigned char *space_byte(struct world *w, struct mm_space *s, uint64_t address,
					mm_access at)
{
	mm_access perms;
	uint32_t page;

	if (mm_fault(s, address, at) || mm_lookup(s, address, at, &page, &perms))
		return NULL;
	if (at & MM_WRITE)
		memory_file_mark_dirty(mm_memory_file(w->mm), page);
	return memory_file_memory(mm_memory_file(w->mm), page) + address % PAGE;
}

static inline void put(struct world *w, uint64_t address, unsigned char value)
{
	unsigned char *p = space_byte(w, w->space, address, MM_WRITE);

	assert_non_null(p);
	*p = value;
}

/* Stamps pages [0, pages) from BASE with their number and a salt. */
static inline void stamp(struct world *w, uint64_t pages, unsigned char salt)
{
	for (uint64_t i = 0; i < pages; i++)
		put(w, BASE + i * PAGE, (unsigned char)(i % 100 + salt));
}

/* What can be read at an address of s: the byte, or the fault's error. */
static inline int peek(struct world *w, struct mm_space *s, uint64_t address)
{
	int rc = mm_fault(s, address, MM_READ);
	unsigned char *p = rc ? NULL : space_byte(w, s, address, MM_READ);

	assert_true(rc || p);
	return rc ? rc : *p;
}

static inline bool is_present(struct world *w, uint64_t address)
{
	mm_access perms;
	uint32_t page;

	return !mm_lookup(w->space, address, MM_READ, &page, &perms);
}

/* ---- the machine ---- */

static inline void world_begin(struct world *w, const struct scenario *s,
			       const struct host_space_ops *host)
{
	struct mm_opts opts = { .page_class = s->cls,
				.memory = { .span_bytes = UINT64_C(4) << 30 } };

	*w = (struct world){ .host = host };
	assert_int_equal(mm_thread_enter(), 0);
	if (s->bare)
		return;
	assert_int_equal(mm_create(&opts, &w->mm), 0);
	assert_int_equal(mm_space_create(w->mm, host, WINDOW, &w->space), 0);
	assert_int_equal(shared_memory_create(mm_memory_file(w->mm), OBJECT_BYTES,
					      s->cls == PAGE_2M ? PAGE_4K : s->cls, NULL, &w->sm),
			 0);
	/* Limits that are never reached: what they count has to be right after a failure too. */
	struct mm_limits limits = {
		.address_space = WINDOW, .data = WINDOW, .locked = WINDOW, .stack = WINDOW
	};

	mm_set_limits(w->space, &limits);
	if (s->prepare)
		s->prepare(w);
}

static inline void world_check(struct world *w)
{
	if (w->mm)
		mm_check(w->mm); /* every space, page and mapping of it */
}

static inline void world_end(struct world *w)
{
	struct mm_stat stat;

	if (w->other)
		mm_space_destroy(w->other);
	if (w->space)
		mm_space_destroy(w->space);
	if (w->sm)
		mapping_identity_dec_ref(shared_memory_identity(w->sm));
	if (w->mm) {
		mm_get_stat(w->mm, &stat);
		assert_int_equal(stat.memory.live_pages, 0);
		assert_int_equal(stat.vmas, 0);
		memory_file_check(mm_memory_file(w->mm));
		mm_destroy(w->mm);
	}
	mm_thread_leave();
}

/* One round. True: the request that was to fail was made. */
static inline bool inject_round(const struct scenario *s, const struct host_space_ops *host,
				enum inject_kind kind, uint64_t k, uint64_t times)
{
	struct world w;
	uint64_t failed;

	world_begin(&w, s, host);
	mm_inject_arm(kind, k, times);
	int rc = s->run(&w);

	(void)mm_inject_disarm(kind, &failed);
	world_check(&w);
	if (!failed && rc)
		fail_msg("%s: %d without a failure", s->name, rc);
	if (failed && !rc && !(s->absorbs & BIT(kind)))
		fail_msg("%s: request %llu of kind %d failed, and it says nothing", s->name,
			 (unsigned long long)k, (int)kind);
	if (failed && rc && rc != -ENOMEM && rc != s->error &&
	    !(kind == INJECT_FILL && rc == bus_error(EIO)))
		fail_msg("%s: request %llu of kind %d failed, and it says %d", s->name,
			 (unsigned long long)k, (int)kind, rc);
	if (failed && s->left)
		s->left(&w, rc);
	if (rc && s->again) {
		rc = s->run(&w);
		if (rc)
			fail_msg("%s: %d when it is tried again", s->name, rc);
		world_check(&w);
	}
	world_end(&w);
	return failed;
}

static inline void inject_all(const struct scenario *s, const struct host_space_ops *host)
{
	for (enum inject_kind kind = 0; kind < INJECT_KINDS; kind++) {
		/* A host that refuses to hide a page for ever is one that the engine dies of. */
		uint64_t times = kind == INJECT_HOST ? 2 : FOREVER;
		uint64_t k = 1;

		while (inject_round(s, host, kind, k, 1)) {
			if (k <= SEVERAL_MAX)
				(void)inject_round(s, host, kind, k, times);
			k++;
			assert_true(k < ROUNDS_MAX);
		}
		if (k == 1 && (s->reaches & BIT(kind)))
			fail_msg("%s: makes no request of kind %d", s->name, (int)kind);
	}
}

/* The body of a test: the scenario with each host space. */
static inline void inject_scenario(const struct scenario *s)
{
	struct world w;
	uint64_t failed;

	if (!mm_test_points_enabled())
		skip();
	world_begin(&w, s, &host_space_none); /* works at all */
	mm_inject_arm(INJECT_MEMORY, 0, 0);
	assert_int_equal(s->run(&w), 0);
	(void)mm_inject_disarm(INJECT_MEMORY, &failed);
	assert_int_equal(failed, 0);
	world_end(&w);
	if (!s->hosted_only)
		inject_all(s, &host_space_none);
	inject_all(s, &host_space_mmap);
}
