/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scripted_mappable_test.c - the scripted mappable gives the answers that its shapes promise: each
 * legal one passes check_translate_result, each illegal one is refused for its own reason.
 */
#include "tests/unit/scripted_mappable.h"

#define PAGE MM_PAGE_SIZE
#define RW (MM_READ | MM_WRITE)
#define PIECES 8

static struct memory_file *mf;
static struct scripted_mappable *sm;

static int setup(void **state)
{
	struct memory_file_opts opts = { .span_bytes = UINT64_C(4) << 30 };

	(void)state;
	if (memory_file_create(&opts, &mf))
		return -1;
	sm = scripted_create(mf, 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scripted_drop(sm);
	memory_file_destroy(mf); /* reports pages that were lost */
	return 0;
}

static const char *ask(struct mappable_range required, struct mappable_range optional, size_t max,
		       struct translation ts[PIECES], size_t *count, int *rc) NO_TSA
{
	*rc = mappable_translate(&sm->object.mappable, required, optional, RW, ts, max, count);
	assert_true(*count <= max);
	return check_translate_result(required, optional, RW, ts, *count, *rc);
}

static const struct {
	enum scripted_shape shape;
	size_t count;
	int rc;
	uint64_t start, end; /* pages covered by all pieces */
	const char *refused; /* part of the reason; NULL: legal */
} shapes[] = {
	/* required is [4, 7), optional [2, 12) */
	{ SCRIPT_EXACT, 1, 0, 4, 7, NULL },
	{ SCRIPT_WIDEST, 1, 0, 2, 12, NULL },
	{ SCRIPT_PAGES, 3, 0, 4, 7, NULL },
	{ SCRIPT_SPLIT, 2, 0, 2, 12, NULL },
	{ SCRIPT_READ_ONLY, 1, 0, 4, 7, NULL },
	{ SCRIPT_PREFIX, 1, -EIO, 4, 6, NULL },
	{ SCRIPT_ERROR, 0, -EIO, 0, 0, NULL },
	{ SCRIPT_COVERED_ERROR, 1, -EIO, 4, 7, NULL },
	{ SCRIPT_NOTHING, 0, 0, 0, 0, "no translations and no error" },
	{ SCRIPT_SHORT, 1, 0, 4, 6, "does not reach the end" },
	{ SCRIPT_LATE, 1, 0, 5, 8, "does not cover the start" },
	{ SCRIPT_WIDER, 1, 0, 2, 13, "outside the optional range" },
	{ SCRIPT_UNALIGNED_SOURCE, 1, 0, 4, 7, "unaligned source" },
	{ SCRIPT_UNALIGNED_OFFSET, 1, 0, 4, 7, "unaligned offset" },
	{ SCRIPT_EMPTY_SOURCE, 2, 0, 4, 7, "invalid source" },
	{ SCRIPT_GAP, 2, 0, 4, 9, "not contiguous" },
	{ SCRIPT_SWAPPED, 2, 0, 4, 4, "not contiguous" },
	{ SCRIPT_UNASKED, 2, 0, 4, 8, "entirely outside the required" },
	{ SCRIPT_NO_FILE, 1, 0, 4, 7, "has no file" },
	{ SCRIPT_LESS_PERMS, 1, 0, 4, 7, "does not permit" },
	{ SCRIPT_POSITIVE, 1, 1, 4, 7, "neither 0 nor an error" },
};

static void test_every_shape(void **state)
{
	struct mappable_range required = { 4 * PAGE, 7 * PAGE };
	struct mappable_range optional = { 2 * PAGE, 12 * PAGE };

	(void)state;
	assert_int_equal(sizeof(shapes) / sizeof(shapes[0]), SCRIPT_SHAPES);
	for (size_t i = 0; i < SCRIPT_SHAPES; i++) {
		struct translation ts[PIECES];
		size_t count;
		int rc;

		assert_int_equal(shapes[i].shape, i); /* none is left out */
		sm->shape = shapes[i].shape;
		const char *text = ask(required, optional, PIECES, ts, &count, &rc);

		assert_int_equal(rc, shapes[i].rc);
		assert_int_equal(count, shapes[i].count);
		assert_int_equal(text != NULL, i >= SCRIPT_FIRST_ILLEGAL);
		if (text && !strstr(text, shapes[i].refused))
			fail_msg("shape %zu: \"%s\" does not say \"%s\"", i, text,
				 shapes[i].refused);
		if (!count)
			continue;
		assert_int_equal(ts[0].source.start, shapes[i].start * PAGE);
		assert_int_equal(ts[count - 1].source.end / PAGE, shapes[i].end);
		if (!text)
			assert_int_equal(memory_file_page_at(mf, ts[0].file, ts[0].offset),
					 sm->first + shapes[i].start);
	}
	assert_int_equal(atomic_load(&sm->translates), SCRIPT_SHAPES);
}

static void test_answers_in_order(void **state)
{
	struct mappable_range r = { PAGE, 2 * PAGE };
	struct translation ts[PIECES];
	size_t count;
	int rc;

	(void)state;
	sm->answers[0] = SCRIPT_ERROR;
	sm->answers[1] = SCRIPT_NO_FILE;
	sm->answer_count = 2;
	sm->fail_translate = 4;
	sm->error = bus_error(EIO);
	sm->record = true;
	assert_null(ask(r, r, 1, ts, &count, &rc));
	assert_int_equal(rc, bus_error(EIO));
	assert_non_null(ask(r, r, 1, ts, &count, &rc));
	assert_null(ask(r, r, 1, ts, &count, &rc)); /* the list is used up: exact */
	assert_int_equal(rc, 0);
	assert_null(ask(r, r, 1, ts, &count, &rc));
	assert_int_equal(rc, bus_error(EIO));
	assert_int_equal(count, 0);
	assert_null(ask(r, r, 1, ts, &count, &rc));
	assert_int_equal(rc, 0);
	assert_int_equal(sm->last_required.start, PAGE);
	assert_int_equal(sm->last_optional.end, 2 * PAGE);
	assert_int_equal(sm->last_at, RW);
}

static void test_ends_of_the_pages_and_of_the_array(void **state)
{
	struct translation ts[PIECES];
	size_t count;
	int rc;

	(void)state;
	sm->shape = SCRIPT_PAGES;
	assert_null(ask((struct mappable_range){ 0, 4 * PAGE },
			(struct mappable_range){ 0, 4 * PAGE }, 3, ts, &count, &rc));
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(count, 3);
	assert_null(ask((struct mappable_range){ 14 * PAGE, 18 * PAGE },
			(struct mappable_range){ 0, 20 * PAGE }, 3, ts, &count, &rc));
	assert_int_equal(rc, bus_error(ENXIO));
	assert_int_equal(count, 2);
	assert_null(ask((struct mappable_range){ 16 * PAGE, 17 * PAGE },
			(struct mappable_range){ 0, 20 * PAGE }, 3, ts, &count, &rc));
	assert_int_equal(rc, bus_error(ENXIO));
	assert_int_equal(count, 0);
}

static void never_called(struct mapping_space *ms, struct addr_range ar,
			 struct invalidate_opts opts)
{
	(void)ms, (void)ar, (void)opts;
	fail_msg("nothing was invalidated");
}

static void test_kth_mapping_fails(void **state) NO_TSA
{
	static const struct mapping_space_ops ops = { .invalidate = never_called };
	struct mapping_space space = { &ops, 1 };
	struct mappable *m = &sm->object.mappable;
	struct addr_range at[3] = { { PAGE, 2 * PAGE }, { 5 * PAGE, 6 * PAGE }, { 0, 0 } };
	struct addr_range copy = { 9 * PAGE, 10 * PAGE };

	(void)state;
	sm->fail_add = 2;
	sm->fail_copy = 1;
	sm->error = -ENOMEM;
	assert_int_equal(mappable_add_mapping(m, &space, at[0], 0, true), 0);
	assert_int_equal(mappable_add_mapping(m, &space, at[1], 0, true), -ENOMEM);
	assert_int_equal(mappable_add_mapping(m, &space, at[1], 0, false), 0);
	assert_int_equal(mappable_copy_mapping(m, &space, at[0], copy, 0, true), -ENOMEM);
	assert_int_equal(mappable_object_mapping_count(&sm->object, false), 2);
	assert_int_equal(mappable_copy_mapping(m, &space, at[0], copy, 0, true), 0);
	assert_int_equal(mappable_object_mapping_count(&sm->object, true), 2);
	mappable_remove_mapping(m, &space, at[0], 0, true);
	mappable_remove_mapping(m, &space, at[1], 0, false);
	mappable_remove_mapping(m, &space, copy, 0, true);
	assert_int_equal(mappable_object_mapping_count(&sm->object, false), 0);
	assert_int_equal(mappable_object_mapping_count(&sm->object, true), 0);
	assert_int_equal(atomic_load(&sm->adds), 3);
	assert_int_equal(atomic_load(&sm->copies), 2);
	assert_int_equal(atomic_load(&sm->removes), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_shape),
		TEST(test_answers_in_order),
		TEST(test_ends_of_the_pages_and_of_the_array),
		TEST(test_kth_mapping_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
