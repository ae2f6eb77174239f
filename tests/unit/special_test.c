/* SPDX-License-Identifier: Apache-2.0 */
/*
 * special_test.c - fixed pages: every offset's answer, permissions, references and life.
 */
#include "engine/special.h"
#include "tests/unit/toy_space.h"

#include <errno.h>

#define RX (MM_READ | MM_EXEC)
#define COUNT 3

static uint32_t first;
static struct special *sp;

static int setup_special(void **state) NO_TSA
{
	if (setup(state) || memory_file_reserve(mf, MEMORY_NODE_ANY, PAGE_4K, COUNT, 0, &first))
		return -1;
	for (uint32_t i = 0; i < COUNT; i++)
		if (memory_file_claim(mf, first + i))
			return -1;
	return special_create(mf, first, COUNT, RX, "[ring]", &sp);
}

/* The creator's references end; those of the special are the last. */
static int teardown_special(void **state) NO_TSA
{
	memory_file_dec_range(mf, first, COUNT);
	memory_file_unreserve(mf, first, COUNT);
	assert_int_equal(live_pages(), COUNT);
	mapping_identity_dec_ref(special_identity(sp));
	assert_int_equal(live_pages(), 0);
	return teardown(state);
}

static int ask(uint64_t start, uint64_t end, uint64_t from, uint64_t to, mm_access at,
	       struct translation *t, size_t *count) NO_TSA
{
	struct mappable_range required = { start * PAGE, end * PAGE };
	struct mappable_range optional = { from * PAGE, to * PAGE };
	int rc = mappable_translate(special_mappable(sp), required, optional, at, t, 1, count);
	const char *text = check_translate_result(required, optional, at, t, *count, rc);

	if (text)
		fail_msg("%s", text);
	return rc;
}

static void test_offsets(void **state) NO_TSA
{
	static const struct {
		uint64_t start, end, from, to;
		size_t count;
		int rc;
		uint64_t got_from, got_to;
	} table[] = {
		{ 0, 1, 0, 1, 1, 0, 0, 1 },  { 1, 2, 0, 9, 1, 0, 0, 3 },
		{ 1, 2, 1, 3, 1, 0, 1, 3 },  { 2, 4, 1, 4, 1, -1, 1, 3 },
		{ 3, 4, 0, 9, 0, -1, 0, 0 }, { 1000, 1001, 3, 1002, 0, -1, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct translation t;
		size_t count;
		int rc = ask(table[i].start, table[i].end, table[i].from, table[i].to, MM_READ, &t,
			     &count);

		assert_int_equal(rc, table[i].rc ? bus_error(EFAULT) : 0);
		assert_int_equal(count, table[i].count);
		if (!count)
			continue;
		assert_int_equal(t.source.start, table[i].got_from * PAGE);
		assert_int_equal(t.source.end, table[i].got_to * PAGE);
		assert_int_equal(t.perms, RX);
		assert_int_equal(memory_file_page_at(mf, t.file, t.offset),
				 first + table[i].got_from);
	}
}

static void test_permissions(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	struct translation t;
	size_t count;

	(void)state;
	assert_int_equal(ask(0, 1, 0, 1, RW, &t, &count), -EACCES);
	assert_int_equal(ask(0, 1, 0, 1, RX, &t, &count), 0);
	assert_int_equal(toy_map(s, special_mappable(sp), true), -EACCES);
	free(s);
}

/* Mappings are not kept, and nothing is ever invalidated. */
static void test_mappings_are_not_tracked(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	struct mappable *m = special_mappable(sp);
	struct mappable_range some = { 0, PAGE };

	(void)state;
	assert_int_equal(toy_map(s, m, false), 0);
	assert_int_equal(mappable_copy_mapping(m, &s->space,
					       (struct addr_range){ BASE, BASE + PAGE },
					       (struct addr_range){ 0, PAGE }, 0, false),
			 0);
	mappable_lock_mappings(m, some); /* not a lock at all: twice is fine */
	mappable_lock_mappings(m, some);
	assert_int_equal(lock_rank_held(), 0);
	mappable_unlock_mappings(m, some);
	mappable_unlock_mappings(m, some);
	assert_int_equal(toy_fault_as(s, m, PAGE, MM_READ), 0);
	assert_int_equal(s->present[1], first + 1);
	assert_int_equal(memory_file_count(mf, first + 1), 3);
	assert_int_equal(toy_fault_as(s, m, COUNT * PAGE, MM_READ), bus_error(EFAULT));
	assert_int_equal(mappable_invalidate_unsavable(m), 0);
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 0, PAGE }), -EOPNOTSUPP);
	assert_int_equal(s->invalidations, 0);
	toy_unmap(s, m, false);
	assert_int_equal(memory_file_count(mf, first + 1), 2);
	free(s);
}

static void test_bad_arguments_and_names(void **state) NO_TSA
{
	struct special *other;
	char name[16];

	(void)state;
	assert_int_equal(special_create(mf, first, 0, RX, "x", &other), -EINVAL);
	assert_int_equal(special_create(mf, first, MEMORY_CHUNK_PAGES + 1, RX, "x", &other),
			 -EINVAL);
	assert_int_equal(special_create(mf, 2 * MEMORY_CHUNK_PAGES - 1, 2, RX, "x", &other),
			 -EINVAL);
	mapping_identity_mapped_name(special_identity(sp), name, sizeof(name));
	assert_string_equal(name, "[ring]");
	assert_int_equal(mapping_identity_msync(special_identity(sp),
						(struct mappable_range){ 0, PAGE }),
			 0);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_special, teardown_special)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_offsets),
		TEST(test_permissions),
		TEST(test_mappings_are_not_tracked),
		TEST(test_bad_arguments_and_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
