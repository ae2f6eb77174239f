/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject_test.c - mappings, faults and what takes pages away, with every request of theirs made to
 * fail once: memory, pages, host calls, add_mapping (see inject_fixture.h).
 */
#include "tests/unit/inject_fixture.h"

#include "engine/test_points.h"
#include "engine/memory_readback.h"
#include "tests/unit/hugepages.h"

/* ---- making the world ---- */

static int run_create(struct world *w)
{
	struct mm_opts opts = { .memory = { .span_bytes = UINT64_C(4) << 30 } };
	int rc = mm_create(&opts, &w->mm);

	if (rc) {
		w->mm = NULL;
		return rc;
	}
	rc = mm_space_create(w->mm, w->host, WINDOW, &w->space);
	if (rc) {
		w->space = NULL;
		return rc;
	}
	rc = shared_memory_create(mm_memory_file(w->mm), PAGE, PAGE_4K, "named", &w->sm);
	if (rc)
		w->sm = NULL;
	return rc;
}

/* A span that the limit of address space does not allow is halved before it is given up. */
static const struct scenario scenario_create = {
	.name = "create",
	.bare = true,
	.run = run_create,
	.absorbs = BIT(INJECT_HOST),
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_HOST),
};

/* Destroying has nobody to tell of a failure: it gets over all of them. */
static void prepare_destroy(struct world *w)
{
	assert_int_equal(world_map(w, BASE + PAGE, 3 * HUGE, RW, NULL), 0);
	stamp(w, 0, 0);
	put(w, BASE + HUGE, 1);
	put(w, BASE + 2 * HUGE, 1);
	assert_int_equal(world_map(w, BASE + 4 * HUGE, HUGE, RW, w->sm), 0);
	put(w, BASE + 4 * HUGE, 1);
}

static int run_destroy(struct world *w)
{
	mm_space_destroy(w->space);
	w->space = NULL;
	mapping_identity_dec_ref(shared_memory_identity(w->sm));
	w->sm = NULL;
	return 0;
}

static const struct scenario scenario_destroy = {
	.name = "destroy",
	.cls = PAGE_THP,
	.prepare = prepare_destroy,
	.run = run_destroy,
	.absorbs = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE) | BIT(INJECT_HOST),
};

/* ---- mmap ---- */

static void prepare_old(struct world *w)
{
	assert_int_equal(world_map(w, BASE, 2 * HUGE, RW, NULL), 0);
	stamp(w, 1024, 1);
}

/* Over the middle of an old mapping, and not aligned to leaves. */
static int run_mmap_anonymous(struct world *w)
{
	return world_map(w, BASE + 100 * PAGE, 700 * PAGE, RW, NULL);
}

/* Outside nothing has changed; inside is the old content, nothing, or all is new. */
static void left_mmap(struct world *w, int rc)
{
	for (uint64_t i = 0; i < 1024; i++) {
		int got = peek(w, w->space, BASE + i * PAGE);
		int old = (int)(i % 100 + 1);

		if (i < 100 || i >= 800)
			assert_int_equal(got, old);
		else if (rc)
			assert_true(got == -EFAULT || got == old);
		else
			assert_int_equal(got, 0);
	}
}

static const struct scenario scenario_mmap_anonymous = {
	.name = "mmap anonymous",
	.prepare = prepare_old,
	.run = run_mmap_anonymous,
	.left = left_mmap,
	.again = true,
	.absorbs = BIT(INJECT_HOST), /* hiding is widened */
	.reaches = BIT(INJECT_MEMORY),
};

static int run_mmap_object(struct world *w)
{
	return world_map(w, BASE + 100 * PAGE, 700 * PAGE, RW, w->sm);
}

static const struct scenario scenario_mmap_object = {
	.name = "mmap object",
	.prepare = prepare_old,
	.run = run_mmap_object,
	.left = left_mmap,
	.again = true,
	.absorbs = BIT(INJECT_HOST),
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_MAPPING),
};

/* With a name, a hint, and pages that must be there when it returns. */
static int run_mmap_populated(struct world *w)
{
	struct mmap_opts o = { .length = 4 * PAGE,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true,
			       .name = "heap",
			       .platform_effect = PLATFORM_EFFECT_COMMIT,
			       .require_platform_effect = true };

	return mm_mmap(w->space, &o, &w->address);
}

static void left_mmap_populated(struct world *w, int rc)
{
	struct mm_stat stat;

	mm_get_stat(w->mm, &stat);
	if (rc)
		assert_int_equal(stat.vmas, 0);
	assert_int_equal(stat.memory.live_pages, rc ? 0 : 4);
}

static const struct scenario scenario_mmap_populated = {
	.name = "mmap populated",
	.run = run_mmap_populated,
	.left = left_mmap_populated,
	.again = true,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE),
};

/* ---- faults ---- */

static void prepare_anonymous(struct world *w)
{
	assert_int_equal(world_map(w, BASE, 2 * HUGE, RW, NULL), 0);
}

/* The hosted fault shows its page; the address, not the page, was asked for. */
static int run_fault(struct world *w)
{
	return mm_fault(w->space, BASE + 5 * PAGE, MM_WRITE);
}

static void left_fault(struct world *w, int rc)
{
	struct mm_stat stat;

	mm_get_stat(w->mm, &stat);
	assert_int_equal(is_present(w, BASE + 5 * PAGE), !rc);
	if (rc)
		assert_int_equal(stat.memory.live_pages - shared_memory_resident_pages(w->sm), 0);
}

static const struct scenario scenario_fault = {
	.name = "fault",
	.prepare = prepare_anonymous,
	.run = run_fault,
	.left = left_fault,
	.again = true,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE),
};

static const struct scenario scenario_fault_thp = {
	.name = "fault thp",
	.cls = PAGE_THP,
	.prepare = prepare_anonymous,
	.run = run_fault,
	.left = left_fault,
	.again = true,
	.absorbs = BIT(INJECT_HOST), /* collapsing is a wish */
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE) | BIT(INJECT_HOST),
};

static const struct scenario scenario_fault_2m = {
	.name = "fault 2m",
	.cls = PAGE_2M,
	.prepare = prepare_anonymous,
	.run = run_fault,
	.left = left_fault,
	.again = true,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE) | BIT(INJECT_HOST),
};

static void prepare_object(struct world *w)
{
	assert_int_equal(world_map(w, BASE, OBJECT_BYTES, RW, w->sm), 0);
}

static const struct scenario scenario_fault_object = {
	.name = "fault object",
	.prepare = prepare_object,
	.run = run_fault,
	.left = left_fault,
	.again = true,
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE),
};

static const struct scenario scenario_fault_object_thp = {
	.name = "fault thp object",
	.cls = PAGE_THP,
	.prepare = prepare_object,
	.run = run_fault,
	.left = left_fault,
	.again = true,
	.absorbs = BIT(INJECT_HOST),
	.reaches = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE),
};

/* ---- taking away ---- */

static void prepare_huge(struct world *w)
{
	assert_int_equal(world_map(w, BASE, 2 * HUGE, RW, NULL), 0);
	for (uint64_t i = 0; i < 1024; i++)
		put(w, BASE + i * PAGE, (unsigned char)(i % 100 + 1));
}

#define CUT_FIRST 20 /* in the first 2 MiB; few pages are left beside the cut */
#define CUT_END 1010 /* in the second */

static int run_munmap(struct world *w)
{
	return mm_munmap(w->space, BASE + CUT_FIRST * PAGE, (CUT_END - CUT_FIRST) * PAGE);
}

/* Outside all is as it was; inside, nothing behind something means that it stopped there. */
static void left_munmap(struct world *w, int rc)
{
	bool stopped = false;

	for (uint64_t i = 0; i < 1024; i++) {
		int got = peek(w, w->space, BASE + i * PAGE);

		if (i < CUT_FIRST || i >= CUT_END) {
			assert_int_equal(got, (int)(i % 100 + 1));
			continue;
		}
		if (got != -EFAULT)
			stopped = true;
		assert_int_equal(got, stopped ? (int)(i % 100 + 1) : -EFAULT);
	}
	assert_int_equal(stopped, rc != 0);
}

#define MUNMAP(label, class, more)                                                       \
	{                                                                                \
		.name = label, .cls = class, .prepare = prepare_huge, .run = run_munmap, \
		.left = left_munmap, .again = true,                                      \
		.absorbs = BIT(INJECT_HOST) | BIT(INJECT_PAGE), .reaches = more          \
	}

static const struct scenario scenario_munmap = MUNMAP("munmap", PAGE_4K, 0);
static const struct scenario scenario_munmap_thp = MUNMAP("munmap thp", PAGE_THP, 0);
/* Without pages for copies the parts go on naming the huge page. */
static const struct scenario scenario_munmap_2m = MUNMAP("munmap 2m", PAGE_2M, BIT(INJECT_PAGE));

/* Three mappings, of which the middle one is whole in the range. */
static void prepare_three(struct world *w)
{
	prepare_huge(w);
	assert_int_equal(mm_mprotect(w->space, BASE + 400 * PAGE, 200 * PAGE, MM_READ), 0);
}

static int run_mprotect(struct world *w)
{
	return mm_mprotect(w->space, BASE + CUT_FIRST * PAGE, (CUT_END - CUT_FIRST) * PAGE, 0);
}

/* What precedes the failure is changed, what follows is not, and nothing is lost. */
static void left_mprotect(struct world *w, int rc)
{
	bool stopped = false;

	for (uint64_t i = 0; i < 1024; i++) {
		int got = peek(w, w->space, BASE + i * PAGE);

		if (i < CUT_FIRST || i >= CUT_END) {
			assert_int_equal(got, (int)(i % 100 + 1));
			continue;
		}
		if (got != -EACCES)
			stopped = true;
		assert_int_equal(got, stopped ? (int)(i % 100 + 1) : -EACCES);
	}
	assert_int_equal(stopped, rc != 0);
	assert_int_equal(mm_mprotect(w->space, BASE, 2 * HUGE, RW), 0);
	for (uint64_t i = 0; i < 1024; i++)
		assert_int_equal(peek(w, w->space, BASE + i * PAGE), (int)(i % 100 + 1));
}

#define MPROTECT(label, class)                                                                \
	{                                                                                     \
		.name = label, .cls = class, .prepare = prepare_three, .run = run_mprotect,   \
		.left = left_mprotect, .again = true,                                         \
		.absorbs = BIT(INJECT_HOST) | BIT(INJECT_PAGE), .reaches = BIT(INJECT_MEMORY) \
	}

static const struct scenario scenario_mprotect = MPROTECT("mprotect", PAGE_4K);
static const struct scenario scenario_mprotect_thp = MPROTECT("mprotect thp", PAGE_THP);
static const struct scenario scenario_mprotect_2m = MPROTECT("mprotect 2m", PAGE_2M);

static int run_discard(struct world *w)
{
	return mm_discard(w->space, BASE + CUT_FIRST * PAGE, (CUT_END - CUT_FIRST) * PAGE);
}

/* Discarding never fails: whatever was discarded reads zero. */
static void left_discard(struct world *w, int rc)
{
	assert_int_equal(rc, 0);
	for (uint64_t i = 0; i < 1024; i++) {
		bool gone = i >= CUT_FIRST && i < CUT_END;

		assert_int_equal(is_present(w, BASE + i * PAGE), !gone);
		assert_int_equal(peek(w, w->space, BASE + i * PAGE), gone ? 0 : (int)(i % 100 + 1));
	}
}

#define DISCARD(label, class)                                                             \
	{                                                                                 \
		.name = label, .cls = class, .prepare = prepare_huge, .run = run_discard, \
		.left = left_discard,                                                     \
		.absorbs = BIT(INJECT_MEMORY) | BIT(INJECT_HOST) | BIT(INJECT_PAGE)       \
	}

static const struct scenario scenario_discard = DISCARD("discard", PAGE_4K);
static const struct scenario scenario_discard_thp = DISCARD("discard thp", PAGE_THP);
static const struct scenario scenario_discard_2m = DISCARD("discard 2m", PAGE_2M);

/* ---- size changes of an object ---- */

static void prepare_shown(struct world *w)
{
	prepare_object(w);
	for (uint64_t i = 0; i < OBJECT_BYTES / PAGE; i += 64)
		put(w, BASE + i * PAGE, (unsigned char)(i % 100 + 1));
}

static int run_truncate(struct world *w)
{
	return shared_memory_truncate(w->sm, HUGE + 64 * PAGE);
}

static void left_truncate(struct world *w, int rc)
{
	uint64_t kept = (HUGE + 64 * PAGE) / PAGE;

	assert_int_equal(rc, 0);
	for (uint64_t i = 0; i < OBJECT_BYTES / PAGE; i += 64) {
		int got = peek(w, w->space, BASE + i * PAGE);

		if (i < kept)
			assert_int_equal(got, (int)(i % 100 + 1));
		else
			assert_int_equal(got, bus_error(ENXIO));
	}
}

static const struct scenario scenario_truncate = {
	.name = "truncate",
	.prepare = prepare_shown,
	.run = run_truncate,
	.left = left_truncate,
	.absorbs = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE) | BIT(INJECT_HOST),
};

static int run_punch(struct world *w)
{
	return shared_memory_punch(w->sm, (struct mappable_range){ HUGE / 2, 3 * HUGE / 2 });
}

static void left_punch(struct world *w, int rc)
{
	assert_int_equal(rc, 0);
	for (uint64_t i = 0; i < OBJECT_BYTES / PAGE; i += 64) {
		bool gone = i >= HUGE / 2 / PAGE && i < 3 * HUGE / 2 / PAGE;

		assert_int_equal(peek(w, w->space, BASE + i * PAGE), gone ? 0 : (int)(i % 100 + 1));
	}
}

static const struct scenario scenario_punch = {
	.name = "punch",
	.prepare = prepare_shown,
	.run = run_punch,
	.left = left_punch,
	.absorbs = BIT(INJECT_MEMORY) | BIT(INJECT_PAGE) | BIT(INJECT_HOST),
};

/* ---- threads ---- */

/* The alternate stack of a thread that enters: only a thread of its own has none. */
static void a_thread_without_a_stack(void **state)
{
	uint64_t failed;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	for (uint64_t k = 1;; k++) {
		mm_inject_arm(INJECT_HOST, k, 1);
		int rc = mm_thread_enter();

		(void)mm_inject_disarm(INJECT_HOST, &failed);
		if (!failed) {
			assert_int_equal(rc, 0);
			mm_thread_leave();
			assert_true(k > 1);
			return;
		}
		assert_int_equal(rc, -ENOMEM);
	}
}

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

SCENARIO(create)
SCENARIO(destroy)
SCENARIO(mmap_anonymous)
SCENARIO(mmap_object)
SCENARIO(mmap_populated)
SCENARIO(fault)
SCENARIO(fault_thp)
SCENARIO(fault_2m)
SCENARIO(fault_object)
SCENARIO(fault_object_thp)
SCENARIO(munmap)
SCENARIO(munmap_thp)
SCENARIO(munmap_2m)
SCENARIO(mprotect)
SCENARIO(mprotect_thp)
SCENARIO(mprotect_2m)
SCENARIO(discard)
SCENARIO(discard_thp)
SCENARIO(discard_2m)
SCENARIO(truncate)
SCENARIO(punch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_without_a_stack),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_destroy),
		cmocka_unit_test(test_mmap_anonymous),
		cmocka_unit_test(test_mmap_object),
		cmocka_unit_test(test_mmap_populated),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_fault_thp),
		cmocka_unit_test_setup_teardown(test_fault_2m, hugepages_setup, hugepages_teardown),
		cmocka_unit_test(test_fault_object),
		cmocka_unit_test(test_fault_object_thp),
		cmocka_unit_test(test_munmap),
		cmocka_unit_test(test_munmap_thp),
		cmocka_unit_test_setup_teardown(test_munmap_2m, hugepages_setup,
						hugepages_teardown),
		cmocka_unit_test(test_mprotect),
		cmocka_unit_test(test_mprotect_thp),
		cmocka_unit_test_setup_teardown(test_mprotect_2m, hugepages_setup,
						hugepages_teardown),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_discard_thp),
		cmocka_unit_test_setup_teardown(test_discard_2m, hugepages_setup,
						hugepages_teardown),
		cmocka_unit_test(test_truncate),
		cmocka_unit_test(test_punch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
