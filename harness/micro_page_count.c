/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_page_count.c - references to pages of a memory file: taken and dropped on an own page and
 * on a shared one, taken from a hint, and allocation with the free of the last reference.
 *
 * One file serves all benchmarks and threads; it is made by the first and stays.
 */
#include <pthread.h>

#include "engine/memory_file.h"
#include "harness/micro.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct memory_file *file; /* NULL: there is none */
static uint32_t shared_page;

static void make_file(void)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(4) << 30 };

	lock_assert_none();
	if (memory_file_create(&opts, &file)) {
		file = NULL;
	} else if (memory_file_alloc(file, MEMORY_NODE_ANY, &shared_page)) {
		memory_file_destroy(file);
		file = NULL;
	}
}

static bool have_file(struct gbench_state *s)
{
	pthread_once(&once, make_file);
	if (!file)
		gbench_state_skip(s, "no memory file");
	return file != NULL;
}

static void inc_dec(struct gbench_state *s, uint32_t page) MAY_LOCK_ARENA
{
	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (int i = 0; i < MICRO_BATCH; i++) {
			memory_file_inc(file, page);
			memory_file_dec(file, page);
		}
	}
}

static void inc_dec_shared(struct gbench_state *s)
{
	lock_assert_none();
	if (have_file(s))
		inc_dec(s, shared_page);
}

static void inc_dec_own(struct gbench_state *s)
{
	uint32_t page;

	lock_assert_none();
	if (!have_file(s))
		return;
	if (memory_file_alloc(file, MEMORY_NODE_ANY, &page)) {
		gbench_state_skip(s, "no page");
		return;
	}
	inc_dec(s, page);
	memory_file_dec(file, page);
}

static void inc_not_zero(struct gbench_state *s)
{
	lock_assert_none();
	if (!have_file(s))
		return;
	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (int i = 0; i < MICRO_BATCH; i++)
			if (memory_file_inc_not_zero(file, shared_page))
				memory_file_dec(file, shared_page);
	}
}

static void alloc_free(struct gbench_state *s)
{
	lock_assert_none();
	if (!have_file(s))
		return;
	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (int i = 0; i < MICRO_BATCH; i++) {
			uint32_t page;

			if (memory_file_alloc(file, MEMORY_NODE_ANY, &page))
				gbench_state_skip(s, "no page");
			else
				memory_file_dec(file, page);
		}
	}
}

static void alone_and_two(const char *name, gbench_fn fn)
{
	struct gbench *b = gbench_register(name, fn);

	gbench_threads(b, 1);
	gbench_threads(b, 2);
}

void micro_page_count(void)
{
	alone_and_two("page_count/inc_dec_own", inc_dec_own);
	alone_and_two("page_count/inc_dec_shared", inc_dec_shared);
	alone_and_two("page_count/inc_not_zero", inc_not_zero);
	alone_and_two("page_count/alloc_free", alloc_free);
}
