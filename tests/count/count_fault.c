/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_fault.c - instructions of faults, look-ups and copies: what happens to a page that stays
 * mapped. Pages are faulted in ascending order and by whole 2 MiB, so what a block or a node costs
 * once is in the figure, divided by 512.
 *
 * One thread, no lock but the engine's own.
 */
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "tests/count/count.h"

/* Next to what is counted, in another 2 MiB. */
#define WARM_UP COUNT_PAGES, COUNT_PAGES + 64

static void all_writable(struct count_scene *c)
{
	REQUIRE(count_present(c, MM_WRITE) == COUNT_PAGES);
}

static void fault_pages(struct count_scene *c, unsigned times)
{
	lock_assert_none();
	for (unsigned i = 0; i < times; i++)
		c->error |= mm_fault(c->space, count_address(i), MM_WRITE);
}

/* ---- anonymous ---- */

static void prepare_anon(struct count_scene *c)
{
	count_map_anon(c, COUNT_BASE, 2 * COUNT_BYTES);
	count_touch(c, WARM_UP, MM_WRITE);
}

static void fault_anon(struct count_scene *c, unsigned times)
{
	fault_pages(c, times);
#ifdef COUNT_PLANT /* 3 % or so, which ci/count.sh has to find */
	for (volatile unsigned i = 0; i < times;)
		i++;
#endif
}

static void prepare_present(struct count_scene *c)
{
	count_map_anon(c, COUNT_BASE, COUNT_BYTES);
	count_touch(c, 0, COUNT_PAGES, MM_WRITE);
	fault_pages(c, 64);
}

/* ---- shared ---- */

static void prepare_shared(struct count_scene *c)
{
	count_make_shared(c, 2 * COUNT_BYTES);
	count_map_object(c, COUNT_BASE, 2 * COUNT_BYTES, false);
	count_touch(c, WARM_UP, MM_WRITE);
}

/* The object has the pages, the space has lost them. */
static void prepare_resident(struct count_scene *c)
{
	lock_assert_none();
	prepare_shared(c);
	count_touch(c, 0, COUNT_PAGES, MM_WRITE);
	shared_memory_invalidate(c->shared, (struct mappable_range){ 0, 2 * COUNT_BYTES },
				 (struct invalidate_opts){ false });
	count_touch(c, WARM_UP, MM_WRITE);
	REQUIRE(count_present(c, MM_READ) == 0);
}

/* ---- copy-on-write ---- */

static void prepare_forked(struct count_scene *c)
{
	lock_assert_none();
	count_map_anon(c, COUNT_BASE, 2 * COUNT_BYTES);
	count_touch(c, 0, 2 * COUNT_PAGES, MM_WRITE);
	REQUIRE(!mm_fork(c->space, &c->child));
	count_touch(c, WARM_UP, MM_WRITE);
	REQUIRE(count_present(c, MM_READ) == COUNT_PAGES && count_present(c, MM_WRITE) == 0);
}

/* ---- look-up and copies ---- */

static void lookup(struct count_scene *c, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		uint32_t page;
		mm_access perms;

		c->error |=
			mm_lookup(c->space, count_address(i % COUNT_PAGES), MM_READ, &page, &perms);
		c->sum += page;
	}
}

static void was_looked_up(struct count_scene *c)
{
	REQUIRE(c->sum > COUNT_PAGES);
}

static void copy_in(struct count_scene *c, unsigned times)
{
	lock_assert_none();
	for (unsigned i = 0; i < times; i++) {
		uint64_t done = 0;

		c->error |= mm_copy_in(c->space, count_address(i), c->buffer, MM_PAGE_SIZE,
				       (struct mm_io_opts){ false }, &done);
		c->sum += done;
	}
}

static void copy_out(struct count_scene *c, unsigned times)
{
	lock_assert_none();
	for (unsigned i = 0; i < times; i++) {
		uint64_t done = 0;

		c->error |= mm_copy_out(c->space, count_address(i), c->buffer, MM_PAGE_SIZE,
					(struct mm_io_opts){ false }, &done);
		c->sum += done;
	}
}

static void all_copied(struct count_scene *c)
{
	REQUIRE(c->sum == COUNT_BYTES);
}

const struct count_op count_fault_ops[] = {
	{ "fault_anon_fresh", COUNT_PAGES, prepare_anon, fault_anon, all_writable },
	{ "fault_again", COUNT_PAGES, prepare_present, fault_pages, all_writable },
	{ "fault_shared_new", COUNT_PAGES, prepare_shared, fault_pages, all_writable },
	{ "fault_shared_resident", COUNT_PAGES, prepare_resident, fault_pages, all_writable },
	{ "fault_cow", COUNT_PAGES, prepare_forked, fault_pages, all_writable },
	{ "lookup", 4 * COUNT_PAGES, prepare_present, lookup, was_looked_up },
	{ "copy_in_4k", COUNT_PAGES, prepare_present, copy_in, all_copied },
	{ "copy_out_4k", COUNT_PAGES, prepare_present, copy_out, all_copied },
	{ .name = NULL },
};
