/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject_change_test.c - mremap, advice, locking, the heap and the kernel's own access, with every
 * request of theirs made to fail once: what is left is what the contracts document, and each byte
 * is where it was or where it was to go (see inject_fixture.h).
 */
#include "tests/unit/inject_fixture.h"

#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_remap.h"

#define TO (BASE + 16 * HUGE) /* where mappings are moved */
#define PAGES 1200u /* of the mapping that is changed: three leaves */
#define STEP 60u /* one page in so many has bytes */

static unsigned char value(uint64_t i)
{
	return (unsigned char)(i / STEP + 1);
}

static void fill(struct world *w)
{
	for (uint64_t i = 0; i < PAGES; i += STEP)
		put(w, BASE + i * PAGE, value(i));
}

static void check_bytes(struct world *w, uint64_t from, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i += STEP)
		assert_int_equal(peek(w, w->space, from + i * PAGE), value(i));
}

static void prepare_anonymous(struct world *w)
{
	assert_int_equal(world_map(w, BASE, PAGES * PAGE, RW, NULL), 0);
	fill(w);
}

/* Three vmas, so that each is cloned, split or asked about. */
static void prepare_object(struct world *w)
{
	assert_int_equal(world_map(w, BASE, PAGES * PAGE, RW, w->sm), 0);
	fill(w);
}

/* ---- mremap ---- */

static int run_move(struct world *w)
{
	return mm_mremap(w->space, BASE, PAGES * PAGE, PAGES * PAGE, MREMAP_FIXED_MOVE, TO,
			 &w->address);
}

static void prepare_move(struct world *w)
{
	prepare_anonymous(w);
	assert_int_equal(world_map(w, TO + PAGE, 4 * PAGE, RW, NULL), 0);
	put(w, TO + PAGE, 99);
}

static void prepare_move_object(struct world *w)
{
	prepare_object(w);
	assert_int_equal(world_map(w, TO + PAGE, 4 * PAGE, RW, NULL), 0);
	put(w, TO + PAGE, 99);
}

/* All of it is at one place; what was in the way is gone, or was not reached. */
static void left_move(struct world *w, int rc)
{
	check_bytes(w, rc ? BASE : TO, PAGES);
	if (!rc) {
		assert_int_equal(peek(w, w->space, BASE), -EFAULT);
		return;
	}
	for (uint64_t i = 0; i < PAGES; i++) {
		int got = peek(w, w->space, TO + i * PAGE);

		assert_true(got == -EFAULT || (i == 1 && got == 99) || (i > 1 && i < 5 && !got));
	}
}

#define MOVE(label, class, make, kinds)                                                           \
	{                                                                                         \
		.name = label, .cls = class, .prepare = make, .run = run_move, .left = left_move, \
		.again = true, .absorbs = BIT(INJECT_HOST) | BIT(INJECT_PAGE), .reaches = kinds   \
	}

static const struct scenario scenario_move =
	MOVE("move", PAGE_4K, prepare_move, BIT(INJECT_MEMORY));
static const struct scenario scenario_move_thp =
	MOVE("move thp", PAGE_THP, prepare_move, BIT(INJECT_MEMORY));
static const struct scenario scenario_move_object =
	MOVE("move object", PAGE_4K, prepare_move_object, BIT(INJECT_MEMORY) | BIT(INJECT_MAPPING));

/* Grows in place by 700 pages. */
static int run_grow(struct world *w)
{
	return mm_mremap(w->space, BASE, PAGES * PAGE, (PAGES + 700) * PAGE, MREMAP_IN_PLACE, 0,
			 &w->address);
}

static void left_grow(struct world *w, int rc)
{
	check_bytes(w, BASE, PAGES);
	assert_int_equal(peek(w, w->space, BASE + PAGES * PAGE), rc ? -EFAULT : 0);
	assert_int_equal(peek(w, w->space, BASE + (PAGES + 699) * PAGE), rc ? -EFAULT : 0);
}

static const struct scenario scenario_grow = {
	.name = "grow",
	.prepare = prepare_anonymous,
	.run = run_grow,
	.left = left_grow,
	.again = true,
	.reaches = BIT(INJECT_MEMORY),
};

static const struct scenario scenario_grow_object = {
	.name = "grow object",
	.prepare = prepare_object,
	.run = run_grow,
	.left = left_grow,
	.again = true,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_MAPPING),
};

/* The mapping is also made elsewhere (old_length 0). */
static int run_duplicate(struct world *w)
{
	return mm_mremap(w->space, BASE, 0, PAGES * PAGE, MREMAP_FIXED_MOVE, TO, &w->address);
}

static void left_duplicate(struct world *w, int rc)
{
	check_bytes(w, BASE, PAGES);
	if (rc)
		assert_int_equal(peek(w, w->space, TO), -EFAULT);
	else
		check_bytes(w, TO, PAGES);
}

static const struct scenario scenario_duplicate = {
	.name = "duplicate",
	.prepare = prepare_object,
	.run = run_duplicate,
	.left = left_duplicate,
	.again = true,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_MAPPING),
};

/* ---- advice ---- */

static int run_populate(struct world *w)
{
	return mm_madvise(w->space, BASE, 8 * PAGE, MM_ADVISE_POPULATE_WRITE);
}

static void prepare_small(struct world *w)
{
	assert_int_equal(world_map(w, BASE, 8 * PAGE, RW, NULL), 0);
}

/* What precedes the failure is there. */
static void left_populate(struct world *w, int rc)
{
	bool absent = false;

	for (uint64_t i = 0; i < 8; i++) {
		absent = absent || !is_present(w, BASE + i * PAGE);
		assert_int_equal(!absent, is_present(w, BASE + i * PAGE));
	}
	assert_int_equal(absent, rc != 0);
}

static const struct scenario scenario_populate = {
	.name = "populate",
	.prepare = prepare_small,
	.run = run_populate,
	.left = left_populate,
	.again = true,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE),
};

static void left_bytes(struct world *w, int rc)
{
	(void)rc;
	check_bytes(w, BASE, PAGES);
}

static int run_dontfork(struct world *w)
{
	return mm_madvise(w->space, BASE + 100 * PAGE, 700 * PAGE, MM_ADVISE_DONTFORK);
}

static const struct scenario scenario_dontfork = {
	.name = "dontfork",
	.prepare = prepare_anonymous,
	.run = run_dontfork,
	.left = left_bytes,
	.again = true,
	.reaches = BIT(INJECT_MEMORY),
};

static int run_mbind(struct world *w)
{
	return mm_mbind(w->space, BASE + 100 * PAGE, 700 * PAGE, NUMA_BIND, 1);
}

static const struct scenario scenario_mbind = {
	.name = "mbind",
	.prepare = prepare_object,
	.run = run_mbind,
	.left = left_bytes,
	.again = true,
	.reaches = BIT(INJECT_MEMORY),
};

/* ---- locked memory ---- */

#ifdef __SANITIZE_THREAD__
#define LOCKED_PAGES 12 /* each is a request that fails once */
#else
#define LOCKED_PAGES 60
#endif

static int run_mlock(struct world *w)
{
	return mm_mlock(w->space, BASE + 100 * PAGE, LOCKED_PAGES * PAGE, MLOCK_EAGER);
}

/* What is locked is counted, and can be unlocked; nothing else is counted. */
static void left_mlock(struct world *w, int rc)
{
	struct mm_usage usage;

	(void)rc;
	check_bytes(w, BASE, PAGES);
	assert_int_equal(mm_mlockall(w->space, true, true, MLOCK_NONE), 0);
	assert_int_equal(mm_mlock(w->space, BASE, PAGES * PAGE, MLOCK_NONE), 0);
	mm_get_usage(w->space, &usage);
	assert_int_equal(usage.locked, 0);
	assert_int_equal(usage.address_space, PAGES * PAGE);
}

static const struct scenario scenario_mlock = {
	.name = "mlock",
	.prepare = prepare_anonymous,
	.run = run_mlock,
	.left = left_mlock,
	.again = true,
	.error = -EAGAIN,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE),
};

static int run_mlockall(struct world *w)
{
	return mm_mlockall(w->space, true, true, MLOCK_LAZY);
}

/* As in Linux, what is there already and cannot be locked is left alone without a word. */
static const struct scenario scenario_mlockall = {
	.name = "mlockall",
	.prepare = prepare_object,
	.run = run_mlockall,
	.left = left_mlock,
	.absorbs = BIT(INJECT_MEMORY),
	.reaches = BIT(INJECT_MEMORY),
};

/* ---- the heap ---- */

static void prepare_heap(struct world *w)
{
	assert_int_equal(mm_brk_setup(w->space, BASE), 0);
	assert_int_equal(mm_brk(w->space, BASE + 600 * PAGE, &w->address), 0);
	put(w, BASE, 7);
}

static int run_brk(struct world *w)
{
	return mm_brk(w->space, BASE + PAGES * PAGE, &w->address);
}

static void left_brk(struct world *w, int rc)
{
	struct mm_usage usage;
	uint64_t pages = rc ? 600 : PAGES;

	assert_int_equal(w->address, BASE + pages * PAGE);
	assert_int_equal(peek(w, w->space, BASE), 7);
	assert_int_equal(peek(w, w->space, BASE + (pages - 1) * PAGE), 0);
	assert_int_equal(peek(w, w->space, BASE + pages * PAGE), -EFAULT);
	mm_get_usage(w->space, &usage);
	assert_int_equal(usage.data, pages * PAGE);
}

static const struct scenario scenario_brk = {
	.name = "brk",
	.prepare = prepare_heap,
	.run = run_brk,
	.left = left_brk,
	.again = true,
	.reaches = BIT(INJECT_MEMORY),
};

/* ---- the kernel's own access ---- */

#define COPY_BYTES (6 * PAGE)

static uint64_t copied;

/* Some pages are shared with a child, some are not there yet. */
static void prepare_copy(struct world *w)
{
	assert_int_equal(world_map(w, BASE, 64 * PAGE, RW, NULL), 0);
	for (uint64_t i = 0; i < 4; i++)
		put(w, BASE + i * PAGE, 1);
	assert_int_equal(mm_fork(w->space, &w->other), 0);
}

static int run_copy_out(struct world *w)
{
	static unsigned char from[COPY_BYTES];

	memset(from, 50, sizeof(from));
	return mm_copy_out(w->space, BASE + 100, from, COPY_BYTES, (struct mm_io_opts){ 0 },
			   &copied);
}

/* So many bytes as it says, and no others, have changed; the child's have not. */
static void left_copy_out(struct world *w, int rc)
{
	unsigned char now[COPY_BYTES];
	uint64_t done;

	assert_int_equal(copied == COPY_BYTES, !rc);
	assert_int_equal(mm_copy_in(w->space, BASE + 100, now, COPY_BYTES, (struct mm_io_opts){ 0 },
				    &done),
			 0);
	for (uint64_t i = 0; i < COPY_BYTES; i++)
		assert_int_equal(now[i] == 50, i < copied);
	assert_int_equal(mm_copy_in(w->other, BASE + 100, now, COPY_BYTES, (struct mm_io_opts){ 0 },
				    &done),
			 0);
	for (uint64_t i = 0; i < COPY_BYTES; i++)
		assert_int_not_equal(now[i], 50);
}

static const struct scenario scenario_copy_out = {
	.name = "copy out",
	.prepare = prepare_copy,
	.run = run_copy_out,
	.left = left_copy_out,
	.again = true,
	.error = -EFAULT,
	.absorbs = BIT(INJECT_PAGE) | BIT(INJECT_FILL) | BIT(INJECT_HOST),
	.reaches = BIT(INJECT_PAGE) | BIT(INJECT_FILL),
};

static struct mm_pin pins[8];
static size_t pin_count;

static int run_pin(struct world *w)
{
	int rc = mm_pin(w->space, (struct addr_range){ BASE, BASE + 6 * PAGE }, MM_WRITE, pins, 8,
			&pin_count);

	mm_unpin(w->space, pins, pin_count);
	return rc;
}

/* What was pinned is a prefix. */
static void left_pin(struct world *w, int rc)
{
	uint64_t at = BASE;

	(void)w;
	for (size_t i = 0; i < pin_count; i++) {
		assert_int_equal(pins[i].range.start, at);
		at = pins[i].range.end;
	}
	assert_int_equal(at == BASE + 6 * PAGE, !rc);
}

static const struct scenario scenario_pin = {
	.name = "pin",
	.prepare = prepare_copy,
	.run = run_pin,
	.left = left_pin,
	.again = true,
	.error = -EFAULT,
	.absorbs = BIT(INJECT_PAGE) | BIT(INJECT_FILL) | BIT(INJECT_HOST),
	.reaches = BIT(INJECT_PAGE) | BIT(INJECT_FILL),
};

/* ---- the tests ---- */

#define SCENARIO(name)                             \
	static void test_##name(void **state)      \
	{                                          \
		(void)state;                       \
		inject_scenario(&scenario_##name); \
	}

SCENARIO(move)
SCENARIO(move_thp)
SCENARIO(move_object)
SCENARIO(grow)
SCENARIO(grow_object)
SCENARIO(duplicate)
SCENARIO(populate)
SCENARIO(dontfork)
SCENARIO(mbind)
SCENARIO(mlock)
SCENARIO(mlockall)
SCENARIO(brk)
SCENARIO(copy_out)
SCENARIO(pin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_move),	    cmocka_unit_test(test_move_thp),
		cmocka_unit_test(test_move_object), cmocka_unit_test(test_grow),
		cmocka_unit_test(test_grow_object), cmocka_unit_test(test_duplicate),
		cmocka_unit_test(test_populate),    cmocka_unit_test(test_dontfork),
		cmocka_unit_test(test_mbind),	    cmocka_unit_test(test_mlock),
		cmocka_unit_test(test_mlockall),    cmocka_unit_test(test_brk),
		cmocka_unit_test(test_copy_out),    cmocka_unit_test(test_pin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
