/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject_copy_test.c - copies on write and forks, with every request of theirs made to fail once:
 * what was there before is there after, on both sides, and nobody shares what he should not (see
 * inject_fixture.h).
 */
#include "tests/unit/inject_fixture.h"

#include "engine/mm_fork.h"
#include "engine/memory_readback.h"
#include "tests/unit/hugepages.h"

#define PAGES 32u /* looked at, from BASE: two copy units */
#define SHARED (BASE + 8 * HUGE) /* where the object is mapped shared */
#define PRIVATE (BASE + 16 * HUGE) /* and private */

static int value(uint64_t i)
{
	return (int)(i % 100 + 1);
}

/* Every page at `from` of s reads as stamped. */
static void check_stamps(struct world *w, struct mm_space *s, uint64_t from, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		assert_int_equal(peek(w, s, from + i * PAGE), value(i));
}

/* Writes to page i of one side are not seen by the other, from now on. */
static void check_isolation(struct world *w, uint64_t i)
{
	uint64_t address = BASE + i * PAGE;

	put(w, address, 200);
	assert_int_equal(peek(w, w->other, address), value(i));
	unsigned char *theirs = space_byte(w, w->other, address, MM_WRITE);

	assert_non_null(theirs);
	*theirs = 201;
	assert_int_equal(peek(w, w->space, address), 200);
	assert_int_equal(peek(w, w->other, address), 201);
}

/* ---- the first write after a fork ---- */

static void prepare_forked(struct world *w)
{
	assert_int_equal(world_map(w, BASE, 2 * HUGE, RW, NULL), 0);
	stamp(w, PAGES, 1);
	put(w, BASE + 2 * HUGE - PAGE, 1);
	assert_int_equal(mm_fork(w->space, &w->other), 0);
}

static int run_write(struct world *w)
{
	return mm_fault(w->space, BASE + 5 * PAGE, MM_WRITE);
}

/* Copied or not, both sides read what they did; and writes are apart. */
static void left_write(struct world *w, int rc)
{
	mm_access perms;
	uint32_t page;

	assert_int_equal(mm_lookup(w->space, BASE + 5 * PAGE, MM_WRITE, &page, &perms) == 0, !rc);
	check_stamps(w, w->space, BASE, PAGES);
	check_stamps(w, w->other, BASE, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		check_isolation(w, i);
	mm_check(w->mm);
}

#define WRITE(label, class, more, kinds)                                                  \
	{                                                                                 \
		.name = label, .cls = class, .prepare = prepare_forked, .run = run_write, \
		.left = left_write, .absorbs = more, .reaches = kinds                     \
	}

/* Failing to copy neighbours is no failure; a huge copy that cannot be had is a small one. */
static const struct scenario scenario_write =
	WRITE("write after fork", PAGE_4K, BIT(INJECT_PAGE) | BIT(INJECT_FILL) | BIT(INJECT_HOST),
	      BIT(INJECT_PAGE) | BIT(INJECT_FILL));
static const struct scenario scenario_write_thp =
	WRITE("write after fork, thp", PAGE_THP,
	      BIT(INJECT_PAGE) | BIT(INJECT_FILL) | BIT(INJECT_HOST) | BIT(INJECT_MEMORY),
	      BIT(INJECT_PAGE));
static const struct scenario scenario_write_2m =
	WRITE("write after fork, 2m", PAGE_2M,
	      BIT(INJECT_PAGE) | BIT(INJECT_FILL) | BIT(INJECT_HOST) | BIT(INJECT_MEMORY),
	      BIT(INJECT_PAGE));

/* ---- the first write to a private mapping of an object ---- */

static void map_private(struct world *w)
{
	struct mmap_opts o = { .length = HUGE,
			       .address = PRIVATE,
			       .fixed = true,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true,
			       .mappable = shared_memory_mappable(w->sm),
			       .identity = shared_memory_identity(w->sm) };

	assert_int_equal(mm_mmap(w->space, &o, &w->address), 0);
}

static void prepare_private(struct world *w)
{
	assert_int_equal(world_map(w, BASE, HUGE, RW, w->sm), 0);
	stamp(w, PAGES, 1);
	map_private(w);
	for (uint64_t i = 0; i < PAGES; i += 2) /* present, or not, when it is written */
		assert_int_equal(peek(w, w->space, PRIVATE + i * PAGE), value(i));
}

static int run_private_write(struct world *w)
{
	int rc = mm_fault(w->space, PRIVATE + 4 * PAGE, MM_WRITE);

	return rc ? rc : mm_fault(w->space, PRIVATE + 21 * PAGE, MM_WRITE);
}

static void left_private_write(struct world *w, int rc)
{
	(void)rc;
	check_stamps(w, w->space, PRIVATE, PAGES);
	for (uint64_t i = 0; i < PAGES; i++) {
		put(w, PRIVATE + i * PAGE, 200);
		assert_int_equal(peek(w, w->space, BASE + i * PAGE), value(i));
	}
}

static const struct scenario scenario_private_write = {
	.name = "write to a private mapping",
	.prepare = prepare_private,
	.run = run_private_write,
	.left = left_private_write,
	.again = true,
	.absorbs = BIT(INJECT_PAGE) | BIT(INJECT_FILL) | BIT(INJECT_HOST),
	.reaches = BIT(INJECT_PAGE) | BIT(INJECT_FILL),
};

/* ---- fork ---- */

static void prepare_family(struct world *w)
{
	assert_int_equal(world_map(w, BASE, 3 * HUGE, RW, NULL), 0);
	stamp(w, PAGES, 1);
	put(w, BASE + 2 * HUGE, 1);
	/* several vmas, so that add_mapping is asked several times */
	assert_int_equal(world_map(w, SHARED, HUGE, RW, w->sm), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		put(w, SHARED + i * PAGE, (unsigned char)value(i));
	assert_int_equal(mm_mprotect(w->space, SHARED + 100 * PAGE, 100 * PAGE, MM_READ), 0);
	map_private(w);
	put(w, PRIVATE + 3 * PAGE, (unsigned char)value(3));
}

static int run_fork(struct world *w)
{
	int rc = mm_fork(w->space, &w->other);

	if (rc)
		w->other = NULL;
	return rc;
}

/* Without a child the parent is as it was; nobody waits for a fork that has ended. */
static void left_fork(struct world *w, int rc)
{
	if (!rc) {
		check_stamps(w, w->other, BASE, PAGES);
		check_isolation(w, 7);
		put(w, BASE + 7 * PAGE, (unsigned char)value(7));
	}
	check_stamps(w, w->space, BASE, PAGES);
	check_stamps(w, w->space, SHARED, PAGES);
	check_stamps(w, w->space, PRIVATE, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		put(w, BASE + i * PAGE, (unsigned char)value(i));
	mm_check(w->mm);
	if (w->other)
		mm_space_destroy(w->other);
	w->other = NULL;
	/* The object knows no child any more: it can be cut without a trace of one. */
	assert_int_equal(shared_memory_truncate(w->sm, 0), 0);
	assert_int_equal(peek(w, w->space, SHARED + PAGE), bus_error(ENXIO));
	assert_int_equal(shared_memory_truncate(w->sm, OBJECT_BYTES), 0);
}

#define FORK(label, class)                                                               \
	{                                                                                \
		.name = label, .cls = class, .prepare = prepare_family, .run = run_fork, \
		.left = left_fork, .again = true, .absorbs = BIT(INJECT_HOST),           \
		.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_MAPPING)                      \
	}

static const struct scenario scenario_fork = FORK("fork", PAGE_4K);
static const struct scenario scenario_fork_thp = FORK("fork, thp", PAGE_THP);
static const struct scenario scenario_fork_2m = FORK("fork, 2m", PAGE_2M);

/* ---- the tests ---- */

static bool have_huge_pages(void)
{
	const char *why;

	if (!memory_file_probe(PAGE_2M, &why))
		return true;
	print_message("%s\n", why);
	return false;
}

#define SCENARIO(name)                                                    \
	static void test_##name(void **state)                             \
	{                                                                 \
		(void)state;                                              \
		if (scenario_##name.cls == PAGE_2M && !have_huge_pages()) \
			skip();                                           \
		inject_scenario(&scenario_##name);                        \
	}

SCENARIO(write)
SCENARIO(write_thp)
SCENARIO(write_2m)
SCENARIO(private_write)
SCENARIO(fork)
SCENARIO(fork_thp)
SCENARIO(fork_2m)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_thp),
		cmocka_unit_test_setup_teardown(test_write_2m, hugepages_setup, hugepages_teardown),
		cmocka_unit_test(test_private_write),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_fork_thp),
		cmocka_unit_test_setup_teardown(test_fork_2m, hugepages_setup, hugepages_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
