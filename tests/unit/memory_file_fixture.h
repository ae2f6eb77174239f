/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file_fixture.h - what the model tests of memory files share: a file of 8 GiB that keeps
 * little, and its end, when all must be free again. Included after cmocka.h.
 */
#pragma once

#include "engine/memory_file.h"

#define HUGE ((uint32_t)MM_HUGE_PAGES)
#define SPAN (UINT64_C(8) << 30)
#define SPAN_PAGES (SPAN / MM_PAGE_SIZE)
#define RETAINED UINT64_C(8) /* blocks */

static uint32_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 16);
}

static struct memory_file *make(uint64_t max_bytes)
{
	struct memory_file_opts opts = { .span_bytes = SPAN,
					 .max_bytes = max_bytes,
					 .retain_bytes = RETAINED * MM_HUGE_SIZE };
	struct memory_file *mf = NULL;

	assert_int_equal(memory_file_create(&opts, &mf), 0);
	return mf;
}

/* Nothing was lost: all gigabytes of the span (but the first) can be reserved as a whole. */
static void all_is_free(struct memory_file *mf)
{
	uint32_t runs[8];
	int n = 0;

	/* Asking for no memory takes over what other CPUs freed, all the same. */
	assert_int_equal(memory_file_prefault(mf, 0, PAGE_4K, 0), 0);
	/* A node that is not there has nothing. */
	for (int i = 0; i < 2 * PAGE_CLASS_COUNT; i++)
		while (n < 8 && !memory_file_reserve(mf, i / PAGE_CLASS_COUNT,
						     (enum page_class)(i % PAGE_CLASS_COUNT),
						     MEMORY_CHUNK_PAGES, 0, &runs[n]))
			n++;
	assert_int_equal(n, 7);
	while (n)
		memory_file_unreserve(mf, runs[--n], MEMORY_CHUNK_PAGES);
	memory_file_check(mf);
}

static void finish(struct memory_file *mf)
{
	struct memory_file_stat st;

	memory_file_check(mf);
	memory_file_get_stat(mf, &st);
	assert_int_equal(st.live_pages, 0);
	all_is_free(mf);
	memory_file_destroy(mf);
}

/* A length of run: short, about a block, or several blocks. */
static uint32_t random_pages(uint64_t *seed)
{
	switch (next_random(seed) % 3) {
	case 0:
		return 1 + next_random(seed) % 511;
	case 1:
		return 512 + next_random(seed) % 3;
	default:
		return 512 + next_random(seed) % 3000;
	}
}

static bool page_is_zero(struct memory_file *mf, uint32_t page)
{
	const uint64_t *p = (const uint64_t *)memory_file_memory(mf, page);

	return p[0] == 0 && p[1] == 0 && p[511] == 0;
}
