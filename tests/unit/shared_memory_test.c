/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_memory_test.c - the shared anonymous mappable with real pages and a small mapping space:
 * what creation, translate, truncate, punch, invalidate and seals answer, one call at a time.
 * Races are in shared_memory_race_test.c.
 */
#include "tests/unit/shared_memory_fixture.h"

#include <errno.h>
#include <string.h>

#include "engine/fail.h"

/* ---- creation and names ---- */

static void test_create(void **state) NO_TSA
{
	struct shared_memory *sm, *other;
	char name[32];

	(void)state;
	assert_int_equal(shared_memory_create(mf, SHARED_MEMORY_MAX_BYTES + 1, PAGE_4K, NULL, &sm),
			 -EFBIG);
	assert_int_equal(shared_memory_create(mf, 0, PAGE_CLASS_COUNT, NULL, &sm), -EINVAL);
	sm = make(5 * PAGE + 1);
	assert_int_equal(shared_memory_create(mf, 0, PAGE_4K, NULL, &other), 0);
	assert_int_equal(shared_memory_size(sm), 5 * PAGE + 1);
	assert_int_equal(shared_memory_resident_pages(sm), 0);

	struct mapping_identity *id = shared_memory_identity(sm);

	mapping_identity_mapped_name(id, name, sizeof(name));
	assert_string_equal(name, "test");
	mapping_identity_mapped_name(id, name, 3);
	assert_string_equal(name, "te");
	mapping_identity_mapped_name(shared_memory_identity(other), name, sizeof(name));
	assert_string_equal(name, "/dev/zero (deleted)");
	assert_int_equal(mapping_identity_device_id(id),
			 mapping_identity_device_id(shared_memory_identity(other)));
	assert_int_not_equal(mapping_identity_inode_id(id),
			     mapping_identity_inode_id(shared_memory_identity(other)));
	assert_int_equal(mapping_identity_msync(id, (struct mappable_range){ 0, PAGE }), 0);
	assert_int_equal(mappable_invalidate_unsavable(shared_memory_mappable(sm)), 0);
	drop(other);
	drop(sm);
}

static void test_last_reference_frees(void **state) NO_TSA
{
	struct shared_memory *sm = make(4 * PAGE);
	uint32_t page;

	(void)state;
	mapping_identity_inc_ref(shared_memory_identity(sm));
	assert_int_equal(look(sm, PAGE, &page), 0);
	drop(sm);
	assert_int_equal(live_pages(), 1);
	assert_int_equal(memory_file_count(mf, page), 1);
	drop(sm);
	assert_int_equal(live_pages(), 0);
}

static jmp_buf caught;

static void catch (const char *text)
{
	longjmp(caught, strstr(text, "while it is mapped") ? 1 : 2);
}

static void test_mapped_object_must_not_die(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	struct shared_memory *sm = make(PAGE);
	mm_fail_hook old = mm_fail_set_hook(catch);
	volatile bool named = false;

	(void)state;
	map_all(s, sm, true);
	switch (setjmp(caught)) {
	case 0:
		drop(sm);
		break;
	case 1:
		named = true;
		break;
	}
	mm_fail_set_hook(old);
	assert_true(named);
	mapping_identity_inc_ref(shared_memory_identity(sm)); /* take the fatal step back */
	unmap_all(s, sm, true);
	drop(sm);
	free(s);
}

/* ---- translate ---- */

static void test_pages_are_zero_and_stay(void **state)
{
	struct shared_memory *sm = make(3 * PAGE);
	uint32_t pages[3], again;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(look(sm, i * PAGE, &pages[i]), 0);
		assert_int_not_equal(pages[i], 0);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(pages[i], pages[k]);
		assert_int_equal(memory_file_memory(mf, pages[i])[77], 0);
		memory_file_mark_dirty(mf, pages[i]);
		memory_file_memory(mf, pages[i])[77] = (unsigned char)(i + 1);
	}
	assert_int_equal(shared_memory_resident_pages(sm), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(look(sm, i * PAGE, &again), 0);
		assert_int_equal(again, pages[i]);
		assert_int_equal(memory_file_memory(mf, again)[77], i + 1);
		assert_int_equal(memory_file_count(mf, again), 1);
	}
	drop(sm);
}

static void test_size_check(void **state) NO_TSA
{
	struct shared_memory *sm = make(2 * PAGE + 1);
	struct mappable_range required = { PAGE, 5 * PAGE };
	struct mappable_range optional = { 0, 9 * PAGE };
	struct translation ts[8];
	size_t count = 99;
	uint32_t page;

	(void)state;
	assert_int_equal(look(sm, 2 * PAGE, &page), 0);
	assert_int_equal(look(sm, 3 * PAGE, &page), bus_error(ENXIO));
	assert_int_equal(look(sm, UINT64_C(1) << 50, &page), bus_error(ENXIO));
	assert_int_equal(look(sm, UINT64_MAX - 2 * PAGE + 1, &page), bus_error(ENXIO));

	/* partly beyond the end: the prefix and the error */
	int rc = mappable_translate(shared_memory_mappable(sm), required, optional, RW, ts, 8,
				    &count);

	assert_int_equal(rc, bus_error(ENXIO));
	assert_null(check_translate_result(required, optional, RW, ts, count, rc));
	assert_true(count >= 1);
	assert_int_equal(ts[count - 1].source.end, 3 * PAGE);
	drop(sm);

	sm = make(0);
	assert_int_equal(look(sm, 0, &page), bus_error(ENXIO));
	drop(sm);
}

/* Whatever is asked: legal answers, right pages, and optional only gives what is present. */
static void test_ranges(void **state) NO_TSA
{
	struct shared_memory *sm = make(PAGES * PAGE);
	uint32_t expected[64] = { 0 };
	uint64_t random = 7;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		uint64_t a = (random >> 33) % 64, b = (random >> 41) % 64;
		uint64_t c = (random >> 47) % 8, d = (random >> 53) % 8;
		uint64_t start = a < b ? a : b, end = (a < b ? b : a) + 1;
		struct mappable_range required = { start * PAGE, end * PAGE };
		struct mappable_range optional = { (start > c ? start - c : 0) * PAGE,
						   (end + d < 64 ? end + d : 64) * PAGE };
		struct translation ts[64];
		uint64_t resident = shared_memory_resident_pages(sm);
		size_t count;

		if (i % 40 < 30) /* mostly small holes at first */
			required.end = required.start + PAGE;
		if (i % 100 == 99) {
			assert_int_equal(shared_memory_punch(sm, required), 0);
			for (uint64_t p = required.start / PAGE; p < required.end / PAGE; p++)
				expected[p] = 0;
			continue;
		}
		int rc = mappable_translate(shared_memory_mappable(sm), required, optional, RW, ts,
					    64, &count);

		assert_int_equal(rc, 0);
		const char *text = check_translate_result(required, optional, RW, ts, count, rc);

		if (text)
			fail_msg("%s", text);
		for (size_t k = 0; k < count; k++)
			for (uint64_t at = ts[k].source.start; at < ts[k].source.end; at += PAGE) {
				uint64_t offset = ts[k].offset + at - ts[k].source.start;
				uint32_t page = memory_file_page_at(mf, ts[k].file, offset);
				uint32_t *known = &expected[at / PAGE];

				assert_int_equal(memory_file_count(mf, page), 1);
				if (*known) {
					assert_int_equal(page, *known);
				} else {
					assert_true(mappable_range_contains(required, at));
					resident++;
				}
				*known = page;
			}
		assert_int_equal(shared_memory_resident_pages(sm), resident);
	}
	drop(sm);
	assert_int_equal(live_pages(), 0);
}

/* More pieces than there is room for: a valid prefix, and the rest on asking again. */
static void test_room_for_one_piece(void **state) NO_TSA
{
	struct shared_memory *sm = make(4 * PAGE);
	struct mappable_range all = { 0, 4 * PAGE };
	struct translation t;
	uint32_t page;
	size_t count;
	unsigned calls = 0;

	(void)state;
	/* made in descending order: ascending allocation cannot be contiguous */
	for (unsigned i = 4; i-- > 0;)
		assert_int_equal(look(sm, i * PAGE, &page), 0);
	while (all.start < all.end) {
		int rc =
			mappable_translate(shared_memory_mappable(sm), all, all, RW, &t, 1, &count);

		assert_int_equal(count, 1);
		assert_null(check_translate_result(all, all, RW, &t, count, rc));
		assert_int_equal(t.source.start, all.start);
		assert_int_equal(rc, t.source.end == all.end ? 0 : -ENOSPC);
		all.start = t.source.end;
		calls++;
	}
	assert_true(calls > 1);
	drop(sm);
}

/* ---- truncate and punch ---- */

static void test_truncate_frees_and_zeroes(void **state) NO_TSA
{
	struct shared_memory *sm = make(600 * PAGE);
	struct toy_space *s = toy_create(1);
	uint32_t page, old;

	(void)state;
	map_all(s, sm, true);
	for (uint64_t i = 0; i < 600; i++)
		assert_int_equal(toy_fault(s, sm, i * PAGE), 0);
	old = s->present[10];
	memory_file_mark_dirty(mf, old);
	memset(memory_file_memory(mf, old), 0xaa, PAGE);
	assert_int_equal(live_pages(), 600);

	assert_int_equal(shared_memory_truncate(sm, 10 * PAGE + 100), 0);
	assert_int_equal(shared_memory_size(sm), 10 * PAGE + 100);
	assert_int_equal(live_pages(), 11);
	assert_int_equal(shared_memory_resident_pages(sm), 11);
	assert_true(s->saw_private);
	for (uint64_t i = 0; i < 600; i++)
		assert_int_equal(s->present[i] != 0, i < 11);
	/* the last page keeps its head and loses its tail */
	assert_int_equal(s->present[10], old);
	assert_int_equal(memory_file_memory(mf, old)[99], 0xaa);
	assert_int_equal(memory_file_memory(mf, old)[100], 0);
	assert_int_equal(memory_file_memory(mf, old)[PAGE - 1], 0);
	assert_int_equal(toy_fault(s, sm, 11 * PAGE), bus_error(ENXIO));

	/* stores behind the end do not become data when the object grows again */
	memory_file_memory(mf, old)[200] = 0xbb;
	assert_int_equal(shared_memory_truncate(sm, 600 * PAGE), 0);
	assert_int_equal(memory_file_memory(mf, old)[200], 0);
	assert_int_equal(memory_file_memory(mf, old)[99], 0xaa);
	for (uint64_t i = 11; i < 600; i++) {
		assert_int_equal(look(sm, i * PAGE, &page), 0);
		assert_int_equal(memory_file_memory(mf, page)[0], 0);
		assert_int_equal(memory_file_memory(mf, page)[PAGE - 1], 0);
	}
	assert_int_equal(shared_memory_truncate(sm, SHARED_MEMORY_MAX_BYTES + 1), -EFBIG);
	assert_int_equal(shared_memory_truncate(sm, SHARED_MEMORY_MAX_BYTES), 0);
	assert_int_equal(look(sm, SHARED_MEMORY_MAX_BYTES - PAGE, &page), 0);
	assert_int_equal(shared_memory_truncate(sm, 0), 0);
	assert_int_equal(live_pages(), 0);
	unmap_all(s, sm, true);
	drop(sm);
	free(s);
}

static void test_punch(void **state) NO_TSA
{
	struct shared_memory *sm = make(8 * PAGE);
	struct toy_space *s = toy_create(1);

	(void)state;
	map_all(s, sm, true);
	for (uint64_t i = 0; i < 8; i++) {
		assert_int_equal(toy_fault(s, sm, i * PAGE), 0);
		memory_file_mark_dirty(mf, s->present[i]);
		memset(memory_file_memory(mf, s->present[i]), 0xcc, PAGE);
	}
	assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ PAGE, PAGE }), -EINVAL);
	assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ 2 * PAGE, PAGE }),
			 -EINVAL);
	/* beyond the end: nothing to do */
	assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ 8 * PAGE, UINT64_MAX }),
			 0);
	assert_int_equal(live_pages(), 8);

	/* [1.5, 4.25): pages 2 and 3 go, halves of 1 and a quarter of 4 are cleared */
	assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ PAGE + PAGE / 2,
									  4 * PAGE + PAGE / 4 }),
			 0);
	assert_false(s->saw_private);
	assert_int_equal(shared_memory_size(sm), 8 * PAGE);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(s->present[i] == 0, i == 2 || i == 3);
	assert_int_equal(memory_file_memory(mf, s->present[1])[PAGE / 2 - 1], 0xcc);
	assert_int_equal(memory_file_memory(mf, s->present[1])[PAGE / 2], 0);
	assert_int_equal(memory_file_memory(mf, s->present[4])[PAGE / 4 - 1], 0);
	assert_int_equal(memory_file_memory(mf, s->present[4])[PAGE / 4], 0xcc);
	assert_int_equal(toy_fault(s, sm, 2 * PAGE), 0);
	assert_int_equal(memory_file_memory(mf, s->present[2])[5], 0);

	/* inside one page */
	assert_int_equal(
		shared_memory_punch(sm, (struct mappable_range){ 6 * PAGE + 8, 6 * PAGE + 16 }), 0);
	assert_int_equal(memory_file_memory(mf, s->present[6])[7], 0xcc);
	assert_int_equal(memory_file_memory(mf, s->present[6])[8], 0);
	assert_int_equal(memory_file_memory(mf, s->present[6])[15], 0);
	assert_int_equal(memory_file_memory(mf, s->present[6])[16], 0xcc);
	unmap_all(s, sm, true);
	drop(sm);
	assert_int_equal(live_pages(), 0);
	free(s);
}

static void test_invalidate_keeps_pages(void **state) NO_TSA
{
	struct shared_memory *sm = make(PAGES * PAGE);
	struct toy_space *s = toy_create(1);
	uint32_t page;

	(void)state;
	map_all(s, sm, true);
	for (uint64_t i = 0; i < 1024; i++)
		assert_int_equal(toy_fault(s, sm, i * PAGE), 0);
	page = s->present[700];
	shared_memory_invalidate(sm, (struct mappable_range){ 500 * PAGE, 1020 * PAGE },
				 (struct invalidate_opts){ false });
	assert_int_equal(s->invalidations, 2); /* 2 MiB of offsets at a time */
	for (uint64_t i = 0; i < 1024; i++)
		assert_int_equal(s->present[i] != 0, i < 500 || i >= 1020);
	assert_int_equal(shared_memory_resident_pages(sm), 1024);
	assert_int_equal(toy_fault(s, sm, 700 * PAGE), 0);
	assert_int_equal(s->present[700], page);
	unmap_all(s, sm, true);
	drop(sm);
	free(s);
}

/* A part of a mapping is removed; a copied one is found by truncate as well. */
static void test_partial_and_copied_mappings(void **state) NO_TSA
{
	struct shared_memory *sm = make(4 * PAGE);
	struct mappable *m = shared_memory_mappable(sm);
	struct toy_space *s = toy_create(1);
	struct addr_range four = { BASE, BASE + 4 * PAGE };
	struct addr_range copy = { BASE + 100 * PAGE, BASE + 104 * PAGE };

	(void)state;
	assert_int_equal(mappable_add_mapping(m, &s->space, four, 0, true), 0);
	assert_int_equal(mappable_copy_mapping(m, &s->space, four, copy, 0, true), 0);
	mappable_remove_mapping(m, &s->space, (struct addr_range){ BASE, BASE + 2 * PAGE }, 0,
				true);
	assert_int_equal(shared_memory_truncate(sm, PAGE), 0);
	assert_int_equal(s->invalidations, 2); /* [2, 4) of the source, [1, 4) of the copy */
	mappable_remove_mapping(m, &s->space,
				(struct addr_range){ BASE + 2 * PAGE, BASE + 4 * PAGE }, 2 * PAGE,
				true);
	mappable_remove_mapping(m, &s->space, copy, 0, true);
	drop(sm);
	free(s);
}

static void test_seals(void **state) NO_TSA
{
	struct shared_memory *sm = make(4 * PAGE);
	struct mappable *m = shared_memory_mappable(sm);
	struct toy_space *s = toy_create(1);
	struct mappable_range first = { 0, PAGE };
	struct translation t;
	size_t count;

	(void)state;
	assert_int_equal(shared_memory_add_seals(sm, 64), -EINVAL);
	map_all(s, sm, true);
	assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_WRITE), -EBUSY);
	unmap_all(s, sm, true);
	map_all(s, sm, false);
	assert_int_equal(shared_memory_punch(sm, first), 0);
	assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_WRITE), 0);
	assert_int_equal(mappable_add_mapping(m, &s->space,
					      (struct addr_range){ BASE, BASE + PAGE }, 0, true),
			 -EPERM);
	assert_int_equal(mappable_copy_mapping(m, &s->space, (struct addr_range){ BASE, BASE },
					       (struct addr_range){ BASE, BASE + PAGE }, 0, true),
			 -EPERM);
	assert_int_equal(shared_memory_punch(sm, first), -EPERM);
	assert_int_equal(mappable_translate(m, first, first, RW, &t, 1, &count), -EACCES);
	assert_int_equal(count, 0);
	assert_int_equal(mappable_translate(m, first, first, MM_READ, &t, 1, &count), 0);
	assert_int_equal(t.perms & MM_WRITE, 0);

	assert_int_equal(shared_memory_truncate(sm, 5 * PAGE), 0);
	assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_GROW), 0);
	assert_int_equal(shared_memory_truncate(sm, 6 * PAGE), -EPERM);
	assert_int_equal(shared_memory_truncate(sm, 3 * PAGE), 0);
	assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_SHRINK), 0);
	assert_int_equal(shared_memory_truncate(sm, 2 * PAGE), -EPERM);
	assert_int_equal(shared_memory_truncate(sm, 3 * PAGE), 0);
	assert_int_equal(shared_memory_size(sm), 3 * PAGE);
	unmap_all(s, sm, false);
	drop(sm);
	free(s);
}

/* Units of 2 MiB: one piece, freed whole, a partial unit is cleared and stays. */
static void test_huge_units(void **state) NO_TSA
{
	struct mappable_range required = { 3 * PAGE, 4 * PAGE };
	struct mappable_range optional = { 0, 3 * MM_HUGE_SIZE };
	struct shared_memory *sm;
	struct translation ts[4];
	size_t count;
	uint32_t first;
	int rc;

	(void)state;
	assert_int_equal(shared_memory_create(mf, 2 * MM_HUGE_SIZE, PAGE_THP, NULL, &sm), 0);
	rc = mappable_translate(shared_memory_mappable(sm), required, optional, RW, ts, 4, &count);
	assert_int_equal(rc, 0);
	assert_null(check_translate_result(required, optional, RW, ts, count, rc));
	assert_int_equal(count, 1);
	assert_int_equal(ts[0].source.start, 0);
	assert_int_equal(ts[0].source.end, MM_HUGE_SIZE);
	assert_int_equal(ts[0].offset % MM_HUGE_SIZE, 0);
	first = memory_file_page_at(mf, ts[0].file, ts[0].offset);
	assert_int_equal(first % MM_HUGE_PAGES, 0);
	assert_int_equal(shared_memory_resident_pages(sm), MM_HUGE_PAGES);

	/* optional may cut the unit */
	optional = (struct mappable_range){ 2 * PAGE, 6 * PAGE };
	rc = mappable_translate(shared_memory_mappable(sm), required, optional, RW, ts, 4, &count);
	assert_int_equal(rc, 0);
	assert_int_equal(ts[0].source.start, 2 * PAGE);
	assert_int_equal(ts[0].source.end, 6 * PAGE);
	assert_int_equal(memory_file_page_at(mf, ts[0].file, ts[0].offset), first + 2);

	memory_file_mark_dirty_range(mf, first, MM_HUGE_PAGES);
	memset(memory_file_memory(mf, first), 0xdd, MM_HUGE_SIZE);
	assert_int_equal(shared_memory_truncate(sm, 5 * PAGE + 10), 0);
	assert_int_equal(memory_file_memory(mf, first)[5 * PAGE + 9], 0xdd);
	assert_int_equal(memory_file_memory(mf, first)[5 * PAGE + 10], 0);
	assert_int_equal(memory_file_memory(mf, first)[MM_HUGE_SIZE - 1], 0);
	assert_int_equal(shared_memory_resident_pages(sm), MM_HUGE_PAGES);
	assert_int_equal(shared_memory_truncate(sm, 0), 0);
	assert_int_equal(live_pages(), 0);
	drop(sm);
}

/* As the engine reaches it: through the mappable's table. */
static void test_residency_punch_and_seals_through_the_table(void **state) NO_TSA
{
	struct shared_memory *sm = make(8 * PAGE);
	struct mappable *m = shared_memory_mappable(sm);
	struct toy_space *s = toy_create(1);
	unsigned char vec[10];
	uint32_t page;

	(void)state;
	map_all(s, sm, false);
	for (uint64_t i = 1; i < 5; i++)
		assert_int_equal(toy_fault(s, sm, i * PAGE), 0);
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 2 * PAGE, 4 * PAGE }), 0);
	memset(vec, 0xfe, sizeof(vec));
	vec[0] = 0xff;
	mappable_residency(m, (struct mappable_range){ 0, 10 * PAGE }, vec);
	for (int i = 0; i < 10; i++)
		assert_int_equal(vec[i], i == 1 || i == 4 ? 0xff : 0xfe); /* bit 0 alone */
	assert_int_equal(shared_memory_resident_pages(sm), 2);
	assert_int_equal(shared_memory_add_seals(sm, SHARED_MEMORY_SEAL_WRITE), 0);
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 0, PAGE }), -EPERM);
	assert_int_equal(toy_map(s, m, true), -EPERM);
	assert_int_equal(mappable_copy_mapping(m, &s->space,
					       (struct addr_range){ BASE, BASE + PAGE },
					       (struct addr_range){ 0, PAGE }, 0, true),
			 -EPERM);
	assert_int_equal(toy_look(m, PAGE, RW, &page), -EACCES);
	assert_int_equal(toy_look(m, PAGE, MM_READ, &page), 0);
	unmap_all(s, sm, false);
	free(s);
	drop(sm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create),
		TEST(test_last_reference_frees),
		TEST(test_mapped_object_must_not_die),
		TEST(test_pages_are_zero_and_stay),
		TEST(test_size_check),
		TEST(test_ranges),
		TEST(test_room_for_one_piece),
		TEST(test_truncate_frees_and_zeroes),
		TEST(test_punch),
		TEST(test_invalidate_keeps_pages),
		TEST(test_partial_and_copied_mappings),
		TEST(test_seals),
		TEST(test_huge_units),
		TEST(test_residency_punch_and_seals_through_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
