/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translation_test.c - every pre- and post-condition of Mappable.Translate, each on both sides:
 * the legal answer at the boundary passes, the illegal one beside it is named.
 */
#include "engine/translation.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/fail.h"

static struct file a_file;
static const struct mappable_range required = { 0x3000, 0x5000 };
static const struct mappable_range optional = { 0x1000, 0x8000 };

static struct translation piece(uint64_t start, uint64_t end)
{
	return (struct translation){ { start, end }, &a_file, 0x10000 + start, MM_ANY_ACCESS };
}

#define CHECK(at, rc, ...)                                                     \
	check_translate_result(                                                \
		required, optional, at, (struct translation[]){ __VA_ARGS__ }, \
		sizeof((struct translation[]){ __VA_ARGS__ }) / sizeof(struct translation), rc)

static void expect_legal(const char *text)
{
	if (text)
		fail_msg("a legal answer was refused: %s", text);
}

static void expect_illegal(const char *text, const char *rule)
{
	assert_non_null(text);
	if (!strstr(text, rule))
		fail_msg("\"%s\" does not say \"%s\"", text, rule);
}

static void test_exact_and_widest_answers(void **state)
{
	(void)state;
	expect_legal(CHECK(MM_READ, 0, piece(0x3000, 0x5000)));
	expect_legal(CHECK(MM_READ, 0, piece(0x1000, 0x8000)));
	expect_legal(CHECK(MM_READ, 0, piece(0x1000, 0x4000), piece(0x4000, 0x8000)));
}

static void test_first_covers_start(void **state)
{
	(void)state;
	expect_legal(CHECK(MM_READ, -EIO, piece(0x3000, 0x4000)));
	expect_illegal(CHECK(MM_READ, 0, piece(0x4000, 0x5000)), "does not cover the start");
	expect_illegal(CHECK(MM_READ, -EIO, piece(0x1000, 0x3000)), "does not cover the start");
}

static void test_source_not_empty(void **state)
{
	(void)state;
	/* a first piece that is empty or reversed covers nothing, so the second shows the rule */
	expect_illegal(CHECK(MM_READ, -EIO, piece(0x3000, 0x4000), piece(0x4000, 0x4000)),
		       "invalid source");
	expect_illegal(CHECK(MM_READ, -EIO, piece(0x3000, 0x4000), piece(0x4000, 0x3000)),
		       "invalid source");
	expect_legal(CHECK(MM_READ, 0, piece(0x3000, 0x4000), piece(0x4000, 0x5000)));
}

static void test_source_aligned(void **state)
{
	(void)state;
	expect_illegal(CHECK(MM_READ, 0, piece(0x2fff, 0x5000)), "unaligned source");
	expect_illegal(CHECK(MM_READ, 0, piece(0x3000, 0x5001)), "unaligned source");
}

static void test_has_file(void **state)
{
	struct translation t = piece(0x3000, 0x5000);

	(void)state;
	t.file = NULL;
	expect_illegal(CHECK(MM_READ, 0, t), "has no file");
}

static void test_offset_aligned(void **state)
{
	struct translation t = piece(0x3000, 0x5000);

	(void)state;
	t.offset = 0;
	expect_legal(CHECK(MM_READ, 0, t));
	t.offset = 0x800;
	expect_illegal(CHECK(MM_READ, 0, t), "unaligned offset");
}

static void test_contiguous(void **state)
{
	(void)state;
	/* file offsets need not follow each other, sources must */
	struct translation second = piece(0x4000, 0x5000);

	second.offset = 0;
	expect_legal(CHECK(MM_READ, 0, piece(0x3000, 0x4000), second));
	expect_illegal(CHECK(MM_READ, 0, piece(0x1000, 0x4000), piece(0x3000, 0x5000)),
		       "not contiguous");
	struct mappable_range wide = { 0x3000, 0x6000 };
	struct translation hole[] = { piece(0x3000, 0x4000), piece(0x5000, 0x6000) };

	expect_illegal(check_translate_result(wide, optional, MM_READ, hole, 2, 0),
		       "not contiguous");
	struct translation swapped[] = { piece(0x3000, 0x4000), piece(0x2000, 0x3000) };

	expect_illegal(check_translate_result(wide, optional, MM_READ, swapped, 2, -EIO),
		       "not contiguous");
}

static void test_each_is_partly_required(void **state)
{
	(void)state;
	expect_legal(CHECK(MM_READ, 0, piece(0x1000, 0x4000), piece(0x4000, 0x6000)));
	expect_illegal(CHECK(MM_READ, 0, piece(0x3000, 0x5000), piece(0x5000, 0x6000)),
		       "entirely outside the required");
}

static void test_inside_optional(void **state)
{
	(void)state;
	expect_illegal(CHECK(MM_READ, 0, piece(0x0000, 0x5000)), "outside the optional");
	expect_illegal(CHECK(MM_READ, 0, piece(0x3000, 0x9000)), "outside the optional");
}

static void test_permits_access(void **state)
{
	struct translation t = piece(0x3000, 0x5000);

	(void)state;
	t.perms = MM_READ;
	expect_legal(CHECK(MM_READ, 0, t));
	expect_legal(CHECK(MM_NONE, 0, t));
	expect_illegal(CHECK(MM_READ | MM_WRITE, 0, t), "does not permit");
	t.perms = MM_READ | MM_WRITE;
	expect_legal(CHECK(MM_READ | MM_WRITE, 0, t));
	/* also when it is not the first, and in a prefix with an error */
	t = piece(0x4000, 0x5000);
	t.perms = MM_NONE;
	expect_illegal(CHECK(MM_READ, bus_error(EIO), piece(0x3000, 0x4000), t), "does not permit");
}

static void test_success_covers_all(void **state)
{
	(void)state;
	expect_illegal(check_translate_result(required, optional, MM_READ, NULL, 0, 0),
		       "no translations and no error");
	expect_legal(check_translate_result(required, optional, MM_READ, NULL, 0, -EFAULT));
	expect_legal(
		check_translate_result(required, optional, MM_READ, NULL, 0, bus_error(ENXIO)));
	expect_illegal(CHECK(MM_READ, 0, piece(0x3000, 0x4000)), "does not reach the end");
	expect_legal(CHECK(MM_READ, bus_error(ENXIO), piece(0x3000, 0x4000)));
	expect_illegal(CHECK(MM_READ, 1, piece(0x3000, 0x5000)), "neither 0 nor an error");
}

/* The sentence says which translation it was. */
static void test_names_the_translation(void **state)
{
	(void)state;
	expect_illegal(CHECK(MM_READ, 0, piece(0x3000, 0x4000), piece(0x4000, 0x9000)),
		       "translation 1 {source [0x4000, 0x9000)");
}

static jmp_buf caught;
static char caught_text[512];

static void catch (const char *text)
{
	snprintf(caught_text, sizeof(caught_text), "%s", text);
	longjmp(caught, 1);
}

static void expect_caller_blamed(struct mappable_range req, struct mappable_range opt,
				 const char *rule)
{
	mm_fail_hook old = mm_fail_set_hook(catch);

	caught_text[0] = 0;
	if (!setjmp(caught))
		(void)check_translate_result(req, opt, MM_READ, NULL, 0, -EIO);
	mm_fail_set_hook(old);
	if (!strstr(caught_text, rule))
		fail_msg("\"%s\" does not say \"%s\"", caught_text, rule);
}

static void test_preconditions(void **state)
{
	struct mappable_range r = { 0x3000, 0x5000 };

	(void)state;
	expect_caller_blamed((struct mappable_range){ 0x3000, 0x3000 }, optional,
			     "invalid required");
	expect_caller_blamed((struct mappable_range){ 0x4000, 0x3000 }, optional,
			     "invalid required");
	expect_caller_blamed((struct mappable_range){ 0x3001, 0x4000 }, optional,
			     "unaligned required");
	expect_caller_blamed((struct mappable_range){ 0x3000, 0x4001 }, optional,
			     "unaligned required");
	expect_caller_blamed(r, (struct mappable_range){ 0x4000, 0x5000 }, "not a superset");
	expect_caller_blamed(r, (struct mappable_range){ 0x3000, 0x4000 }, "not a superset");
	expect_caller_blamed(r, (struct mappable_range){ 0x2fff, 0x5000 }, "unaligned optional");
	expect_caller_blamed(r, (struct mappable_range){ 0x3000, 0x5001 }, "unaligned optional");
	/* the narrowest optional is the required range itself */
	expect_legal(check_translate_result(r, r, MM_READ, NULL, 0, -EIO));
}

static void test_file_range(void **state)
{
	struct translation t = piece(0x3000, 0x5000);
	struct file_range fr = translation_file_range(&t);

	(void)state;
	assert_int_equal(fr.start, 0x13000);
	assert_int_equal(fr.end, 0x15000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_and_widest_answers),
		cmocka_unit_test(test_first_covers_start),
		cmocka_unit_test(test_source_not_empty),
		cmocka_unit_test(test_source_aligned),
		cmocka_unit_test(test_has_file),
		cmocka_unit_test(test_offset_aligned),
		cmocka_unit_test(test_contiguous),
		cmocka_unit_test(test_each_is_partly_required),
		cmocka_unit_test(test_inside_optional),
		cmocka_unit_test(test_permits_access),
		cmocka_unit_test(test_success_covers_all),
		cmocka_unit_test(test_names_the_translation),
		cmocka_unit_test(test_preconditions),
		cmocka_unit_test(test_file_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
