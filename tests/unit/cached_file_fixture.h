/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_file_fixture.h - a cached host file of 40 pages and a bit, and a toy space that maps it.
 */
#pragma once

#include "engine/cached_file.h"
#include "tests/unit/host_file.h"
#include "tests/unit/toy_space.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "engine/test_points.h"

#define FILE_PAGES 40
#define FILE_BYTES (FILE_PAGES * PAGE + 100) /* the last of 41 pages has 100 bytes */

static int fd;
static struct cached_file *cf;
static struct mappable *m;
static struct toy_space *s; /* maps all of it, writable */

static inline void open_with(uint64_t fill_pages, uint64_t translate_pages) NO_TSA
{
	struct cached_file_opts opts = { fill_pages * PAGE, translate_pages * PAGE };

	assert_int_equal(cached_file_create(mf, fd, "file", &opts, &cf), 0);
	m = cached_file_mappable(cf);
}

static inline void close_it(void) NO_TSA
{
	mapping_identity_dec_ref(cached_file_identity(cf));
	assert_int_equal(live_pages(), 0);
}

static inline int setup_file(void **state) NO_TSA
{
	cpu_set_t one;

	if (setup(state))
		return -1;
	/* On one CPU pages are allocated one after the other, hence neighbours. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	fd = host_file_make(FILE_BYTES);
	open_with(4, 8);
	s = toy_create(1);
	return toy_map(s, m, true);
}

static inline int teardown_file(void **state) NO_TSA
{
	mm_test_point_set_hook(NULL);
	toy_unmap(s, m, true);
	free(s);
	close_it();
	close(fd);
	return teardown(state);
}

static inline struct cached_file_stat stat_now(void)
{
	struct cached_file_stat stat;

	cached_file_get_stat(cf, &stat);
	return stat;
}

static inline int fault(uint64_t page, mm_access at)
{
	return toy_fault_as(s, m, page * PAGE, at);
}

/* The memory that the space shows for a page. */
static inline unsigned char *shown(uint64_t page)
{
	assert_int_not_equal(s->present[page], 0);
	return memory_file_memory(mf, s->present[page]);
}

/* What the space shows of [from, to) of a page is what the file was made of. */
static inline void expect_made(uint64_t page, uint64_t from, uint64_t to)
{
	const unsigned char *memory = shown(page);

	for (uint64_t i = from; i < to; i++)
		if (memory[i] != host_file_byte(page * PAGE + i))
			fail_msg("byte %d of page %d is %d", (int)i, (int)page, memory[i]);
}

static inline void expect_zero(uint64_t page, uint64_t from, uint64_t to)
{
	const unsigned char *memory = shown(page);

	for (uint64_t i = from; i < to; i++)
		if (memory[i])
			fail_msg("byte %d of page %d is %d", (int)i, (int)page, memory[i]);
}

static inline unsigned char host_byte(uint64_t offset)
{
	unsigned char byte = 0;

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	return byte;
}

static inline int msync_all(void) NO_TSA
{
	return mapping_identity_msync(cached_file_identity(cf),
				      (struct mappable_range){ 0, PAGES * PAGE });
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown_file)
