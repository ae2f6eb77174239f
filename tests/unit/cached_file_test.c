/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_file_test.c - the cached host file, one call at a time: what is read and when, what is
 * dirty and when it is written, changes of the size by us and by others, reclaim, failures. Races
 * are in cached_file_race_test.c.
 */
#include "tests/unit/checked.h"

#include "tests/unit/cached_file_fixture.h"

static const char *ask(uint64_t start, uint64_t end, uint64_t from, uint64_t to, mm_access at,
		       struct translation *ts, size_t max, size_t *count, int *rc) NO_TSA
{
	struct mappable_range required = { start * PAGE, end * PAGE };
	struct mappable_range optional = { from * PAGE, to * PAGE };

	*rc = mappable_translate(m, required, optional, at, ts, max, count);
	return check_translate_result(required, optional, at, ts, *count, *rc);
}

static void test_fill_units(void **state)
{
	(void)state;
	assert_int_equal(fault(5, MM_READ), 0);
	assert_int_equal(stat_now().cached_pages, 4); /* the unit of four pages */
	assert_int_equal(stat_now().fills, 1);
	expect_made(5, 0, PAGE);
	for (uint64_t i = 4; i < 8; i++) {
		assert_int_equal(fault(i, MM_READ), 0);
		expect_made(i, 0, PAGE);
	}
	assert_int_equal(stat_now().fills, 1);
	assert_int_equal(fault(8, MM_READ), 0);
	assert_int_equal(stat_now().fills, 2);
	assert_int_equal(stat_now().filled_pages, 8);
	assert_int_equal(stat_now().dirty_pages, 0);
	assert_int_equal(live_pages(), 8);
}

static void test_end_of_file(void **state) NO_TSA
{
	struct translation ts[8];
	size_t count;
	int rc;

	(void)state;
	assert_int_equal(fault(FILE_PAGES, MM_READ), 0);
	assert_int_equal(stat_now().cached_pages, 1); /* a unit ends with the file */
	expect_made(FILE_PAGES, 0, 100);
	expect_zero(FILE_PAGES, 100, PAGE);
	assert_int_equal(fault(FILE_PAGES + 1, MM_READ), bus_error(ENXIO));
	assert_null(ask(39, 43, 38, 50, MM_READ, ts, 8, &count, &rc));
	assert_int_equal(rc, bus_error(ENXIO));
	assert_true(count >= 1);
	assert_int_equal(ts[count - 1].source.end, 41 * PAGE);
	assert_null(ask(UINT64_C(1) << 40, (UINT64_C(1) << 40) + 1, 0, UINT64_C(1) << 41, MM_READ,
			ts, 8, &count, &rc));
	assert_int_equal(rc, bus_error(EFBIG));
	assert_int_equal(count, 0);
}

/* An answer reaches over what is cached inside the translation unit (8 pages), no further, and
 * nothing is read for that. */
static void test_translation_units(void **state) NO_TSA
{
	struct translation ts[8];
	size_t count;
	int rc;

	(void)state;
	for (uint64_t i = 0; i < 20; i += 4)
		assert_int_equal(fault(i, MM_READ), 0);
	assert_null(ask(9, 10, 0, 40, MM_READ, ts, 8, &count, &rc));
	assert_int_equal(rc, 0);
	assert_true(ts[0].source.start >= 8 * PAGE && ts[count - 1].source.end <= 16 * PAGE);
	assert_true(ts[count - 1].source.end - ts[0].source.start > PAGE);
	assert_int_equal(ts[0].perms & MM_WRITE, 0);
	assert_null(ask(21, 22, 0, 40, MM_READ, ts, 8, &count, &rc));
	assert_true(ts[0].source.start >= 16 * PAGE && ts[0].source.end <= 24 * PAGE);
	assert_int_equal(stat_now().cached_pages, 24);
	assert_null(ask(9, 10, 9, 10, MM_READ, ts, 1, &count, &rc));
	assert_int_equal(ts[0].source.end - ts[0].source.start, PAGE);
}

static void test_write_only_if_asked(void **state) NO_TSA
{
	struct translation ts[8];
	size_t count;
	int rc;

	(void)state;
	assert_null(ask(1, 2, 0, 8, MM_READ, ts, 8, &count, &rc));
	assert_int_equal(ts[0].perms & MM_WRITE, 0);
	assert_int_equal(stat_now().dirty_pages, 0);
	assert_null(ask(1, 3, 0, 8, RW, ts, 8, &count, &rc));
	assert_int_equal(rc, 0);
	assert_true(ts[0].perms & MM_WRITE);
	assert_int_equal(ts[0].source.start, PAGE); /* clean neighbours are not made dirty */
	assert_int_equal(ts[count - 1].source.end, 3 * PAGE);
	assert_int_equal(stat_now().dirty_pages, 2);
	assert_null(ask(1, 2, 0, 8, MM_READ, ts, 8, &count, &rc));
	assert_int_equal(ts[0].perms & MM_WRITE, 0);
}

/* Exactly the bytes that were stored go to the file, none beyond its end. */
static void test_write_back(void **state)
{
	(void)state;
	assert_int_equal(fault(3, RW), 0);
	assert_int_equal(fault(4, MM_READ), 0);
	assert_int_equal(fault(FILE_PAGES, RW), 0);
	shown(3)[17] = 0;
	shown(FILE_PAGES)[99] = 0;
	memset(shown(FILE_PAGES) + 100, 7, 50); /* beyond the end */
	assert_true(host_file_is_made(fd, 0, FILE_BYTES));
	assert_int_equal(msync_all(), 0);
	assert_int_equal(host_byte(3 * PAGE + 17), 0);
	assert_int_equal(host_byte(FILE_BYTES - 1), 0);
	assert_int_equal(host_file_size(fd), FILE_BYTES);
	assert_true(host_file_is_made(fd, 0, 3 * PAGE + 17));
	assert_true(host_file_is_made(fd, 3 * PAGE + 18, FILE_BYTES - 1));
	assert_int_equal(stat_now().written_bytes, PAGE + 100);
	/* mapped writable: stores may follow, so they stay dirty */
	assert_int_equal(stat_now().dirty_pages, 2);
	shown(3)[18] = 0;
	assert_int_equal(msync_all(), 0);
	assert_int_equal(host_byte(3 * PAGE + 18), 0);
}

static void test_clean_without_a_writable_mapping(void **state)
{
	(void)state;
	assert_int_equal(fault(3, RW), 0);
	shown(3)[0] = 0;
	toy_unmap(s, m, true);
	assert_int_equal(stat_now().dirty_pages, 1);
	assert_int_equal(toy_map(s, m, false), 0);
	assert_int_equal(msync_all(), 0);
	assert_int_equal(stat_now().dirty_pages, 0);
	assert_int_equal(host_byte(3 * PAGE), 0);
	assert_int_equal(msync_all(), 0);
	assert_int_equal(stat_now().written_bytes, PAGE); /* once */
	toy_unmap(s, m, false);
	/* written through anew: dirty anew */
	assert_int_equal(toy_map(s, m, true), 0);
	assert_int_equal(fault(3, RW), 0);
	assert_int_equal(stat_now().dirty_pages, 1);
}

static void test_msync_of_a_part(void **state) NO_TSA
{
	struct mapping_identity *id = cached_file_identity(cf);

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(fault(i, RW), 0);
		shown(i)[0] = 0;
	}
	assert_int_equal(mapping_identity_msync(id, (struct mappable_range){ PAGE, 2 * PAGE }), 0);
	assert_int_equal(host_byte(PAGE), 0);
	assert_int_equal(host_byte(0), host_file_byte(0));
	assert_int_equal(host_byte(2 * PAGE), host_file_byte(2 * PAGE));
	assert_int_equal(mapping_identity_msync(id, (struct mappable_range){ 1, PAGE }), -EINVAL);
}

static void test_written_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(fault(2, RW), 0);
	shown(2)[5] = 0;
	toy_unmap(s, m, true);
	close_it();
	assert_int_equal(host_byte(2 * PAGE + 5), 0);
	assert_int_equal(host_file_size(fd), FILE_BYTES);
	open_with(1, 1);
	assert_int_equal(toy_map(s, m, true), 0);
}

static void test_truncate(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(fault(i, RW), 0);
	assert_int_equal(cached_file_truncate(cf, 5 * PAGE + 10), 0);
	assert_int_equal(host_file_size(fd), 5 * PAGE + 10);
	assert_true(s->saw_private);
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(s->present[i] != 0, i < 6);
	assert_int_equal(stat_now().cached_pages, 6);
	assert_int_equal(stat_now().dirty_pages, 6);
	assert_int_equal(live_pages(), 6);
	expect_made(5, 0, 10);
	expect_zero(5, 10, PAGE);
	assert_int_equal(fault(6, MM_READ), bus_error(ENXIO));
	/* longer again: what was stored behind the end is not data, what was cut off is gone */
	memset(shown(5) + 10, 9, 100);
	assert_int_equal(cached_file_truncate(cf, 8 * PAGE), 0);
	expect_zero(5, 10, PAGE);
	assert_int_equal(fault(6, MM_READ), 0);
	expect_zero(6, 0, PAGE);
	assert_int_equal(msync_all(), 0);
	assert_int_equal(host_byte(5 * PAGE + 10), 0);
	assert_int_equal(host_file_size(fd), 8 * PAGE);
}

/* Others cut the file: bus errors at once, pages and mappings go with the next call that may. */
static void test_shrinks_under_us(void **state) NO_TSA
{
	uint32_t page;

	(void)state;
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(fault(i, RW), 0);
	assert_int_equal(ftruncate(fd, 5 * PAGE + 10), 0);
	assert_int_equal(toy_look(m, 7 * PAGE, MM_READ, &page), bus_error(ENXIO));
	assert_int_not_equal(s->present[7], 0); /* translate may not invalidate */
	expect_zero(5, 10, PAGE);
	assert_int_equal(cached_file_refresh(cf), 0);
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(s->present[i] != 0, i < 6);
	assert_int_equal(live_pages(), 6);
	assert_int_equal(msync_all(), 0);
	assert_int_equal(host_file_size(fd), 5 * PAGE + 10); /* not made long again */
}

/* Cut and made long again by others, both seen by translate only: no old page comes back. */
static void test_shrinks_and_grows_under_us(void **state) NO_TSA
{
	uint32_t page, old;

	(void)state;
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(fault(i, RW), 0);
	old = s->present[7];
	assert_int_equal(ftruncate(fd, 5 * PAGE + 10), 0);
	assert_int_equal(toy_look(m, 7 * PAGE, MM_READ, &page), bus_error(ENXIO));
	assert_int_equal(ftruncate(fd, 12 * PAGE), 0);
	assert_int_equal(toy_look(m, 7 * PAGE, MM_READ, &page), 0);
	assert_int_not_equal(page, old);
	assert_int_equal(*memory_file_memory(mf, page), 0);
	assert_int_equal(memory_file_count(mf, old), 2); /* mapped still, and held for that */
	assert_int_equal(cached_file_refresh(cf), 0);
	assert_int_equal(s->present[7], 0);
	assert_int_equal(memory_file_count(mf, old), 0);
	assert_int_not_equal(s->present[5], 0);
	assert_int_equal(fault(7, MM_READ), 0);
	assert_int_equal(s->present[7], page); /* what was filled since stays */
}

/* Others write on behind the end: the last page gets what the file now has, the rest is read. */
static void test_grows_under_us(void **state)
{
	(void)state;
	assert_int_equal(fault(FILE_PAGES, RW), 0);
	shown(FILE_PAGES)[3] = 0; /* ours, not written back yet */
	memset(shown(FILE_PAGES) + 100, 9, 100);
	host_file_fill(fd, FILE_BYTES, (FILE_PAGES + 2) * PAGE);
	assert_int_equal(fault(FILE_PAGES + 1, MM_READ), 0);
	expect_made(FILE_PAGES + 1, 0, PAGE);
	expect_made(FILE_PAGES, 100, PAGE);
	assert_int_equal(shown(FILE_PAGES)[3], 0);
	expect_made(FILE_PAGES, 4, 100);
}

static void test_punch(void **state) NO_TSA
{
	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(fault(i, RW), 0);
	shown(4)[0] = 0;
	shown(1)[0] = 0;
	assert_int_equal(mappable_punch(m, (struct mappable_range){ PAGE, PAGE }), -EINVAL);
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 5, PAGE }), -EINVAL);
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 3 * PAGE, 6 * PAGE }), 0);
	assert_false(s->saw_private);
	assert_int_equal(host_file_size(fd), FILE_BYTES);
	assert_int_equal(host_byte(3 * PAGE), 0);
	assert_int_equal(host_byte(6 * PAGE), host_file_byte(6 * PAGE));
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(s->present[i] == 0, i >= 3 && i < 6);
	assert_int_equal(stat_now().dirty_pages, 5);
	assert_int_equal(fault(4, MM_READ), 0);
	expect_zero(4, 0, PAGE);
	assert_int_equal(shown(1)[0], 0);
}

static void test_reclaim(void **state) NO_TSA
{
	unsigned char vec[12];

	(void)state;
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(fault(i, i == 2 ? RW : MM_READ), 0);
	assert_int_equal(cached_file_reclaim(cf, 100), 0); /* all mapped */
	toy_unmap(s, m, true);
	assert_int_equal(cached_file_reclaim(cf, 3), 3);
	assert_int_equal(stat_now().cached_pages, 9);
	/* one page mapped, one dirty */
	struct addr_range one = { BASE + 7 * PAGE, BASE + 8 * PAGE };

	assert_int_equal(mappable_add_mapping(m, &s->space, one, 7 * PAGE, false), 0);
	assert_int_equal(cached_file_reclaim(cf, 100), 7);
	memset(vec, 0xff, sizeof(vec));
	mappable_residency(m, (struct mappable_range){ 0, 12 * PAGE }, vec);
	for (int i = 0; i < 12; i++)
		assert_int_equal(vec[i] & 1, i == 2 || i == 7);
	assert_int_equal(live_pages(), 2);
	assert_int_equal(msync_all(), 0);
	mappable_remove_mapping(m, &s->space, one, 7 * PAGE, false);
	assert_int_equal(cached_file_reclaim(cf, 100), 2);
	assert_int_equal(live_pages(), 0);
	assert_int_equal(toy_map(s, m, true), 0);
}

static void test_invalidate_unsavable(void **state) NO_TSA
{
	(void)state;
	assert_int_equal(fault(2, RW), 0);
	assert_int_equal(fault(30, MM_READ), 0);
	shown(2)[0] = 0;
	assert_int_equal(mappable_invalidate_unsavable(m), 0);
	assert_int_equal(host_byte(2 * PAGE), 0);
	assert_int_equal(s->present[2] | s->present[30], 0);
	assert_int_equal(stat_now().cached_pages, 0);
	assert_int_equal(stat_now().dirty_pages, 0);
	assert_int_equal(live_pages(), 0);
	assert_int_equal(fault(2, MM_READ), 0);
	assert_int_equal(shown(2)[0], 0);
}

static void test_read_only(void **state) NO_TSA
{
	int reader = host_file_reopen(fd, O_RDONLY);
	struct cached_file *ro;
	uint32_t page;

	(void)state;
	assert_int_equal(cached_file_create(mf, reader, NULL, NULL, &ro), 0);
	struct mappable *rom = cached_file_mappable(ro);
	struct toy_space *other = toy_create(2);

	assert_int_equal(toy_map(other, rom, true), -EACCES);
	assert_int_equal(toy_map(other, rom, false), 0);
	assert_int_equal(toy_look(rom, 0, RW, &page), -EACCES);
	assert_int_equal(toy_look(rom, 0, MM_READ, &page), 0);
	assert_int_equal(cached_file_truncate(ro, 0), -EINVAL);
	assert_int_equal(mappable_punch(rom, (struct mappable_range){ 0, PAGE }), -EPERM);
	toy_unmap(other, rom, false);
	mapping_identity_dec_ref(cached_file_identity(ro));
	close(reader);
	free(other);
}

static void test_bad_arguments(void **state) NO_TSA
{
	static const struct cached_file_opts bad[] = {
		{ 1, 0 },	{ 2048, 0 }, { 3 * PAGE, 0 },
		{ 4 << 20, 0 }, { 0, 2048 }, { 0, UINT64_C(2) << 30 },
	};
	struct cached_file *none;
	int pipes[2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cached_file_create(mf, fd, NULL, &bad[i], &none), -EINVAL);
	assert_int_equal(cached_file_create(mf, -1, NULL, NULL, &none), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(cached_file_create(mf, pipes[0], NULL, NULL, &none), -ENODEV);
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- failures ---- */

static void test_a_bad_neighbour_does_not_matter(void **state)
{
	(void)state;
	if (!mm_test_points_enabled())
		skip();
	mm_inject_arm(INJECT_FILL, 1, 1); /* the unit's read; the page's own succeeds */
	assert_int_equal(fault(6, MM_READ), 0);
	assert_int_equal(mm_inject_disarm(INJECT_FILL, NULL), 2);
	expect_made(6, 0, PAGE);
	assert_int_equal(stat_now().cached_pages, 1);
	mm_inject_arm(INJECT_FILL, 1, 10);
	assert_int_equal(fault(9, MM_READ), bus_error(EIO));
	mm_inject_disarm(INJECT_FILL, NULL);
	assert_int_equal(live_pages(), 1);
	assert_int_equal(fault(9, MM_READ), 0); /* nothing stayed busy */
	/* memory for k - 1 of the four pages of a unit: one of them is the page needed */
	for (uint64_t k = 1; k <= 4; k++) {
		uint64_t page = 12 + 4 * k + 2;

		mm_inject_arm(INJECT_PAGE, k, 10);
		assert_int_equal(fault(page, MM_READ), k == 1 ? -ENOMEM : 0);
		mm_inject_disarm(INJECT_PAGE, NULL);
		if (k > 1)
			expect_made(page, 0, PAGE);
		assert_int_equal(stat_now().cached_pages, 1 + 4 + k * (k - 1) / 2);
	}
}

static void test_failed_write_stays_dirty(void **state) NO_TSA
{
	(void)state;
	if (!mm_test_points_enabled())
		skip();
	assert_int_equal(fault(3, RW), 0);
	shown(3)[0] = 0;
	toy_unmap(s, m, true);
	for (uint64_t k = 1; k <= 3; k++) { /* size, size, write */
		mm_inject_arm(INJECT_HOST, k, 1);
		assert_int_equal(msync_all(), -EIO);
		mm_inject_disarm(INJECT_HOST, NULL);
		assert_int_equal(stat_now().dirty_pages, 1);
		assert_int_equal(host_byte(3 * PAGE), host_file_byte(3 * PAGE));
	}
	mm_inject_arm(INJECT_HOST, 4, 1); /* fdatasync: written, but the caller hears of it */
	assert_int_equal(msync_all(), -EIO);
	mm_inject_disarm(INJECT_HOST, NULL);
	assert_int_equal(stat_now().dirty_pages, 0);
	assert_int_equal(host_byte(3 * PAGE), 0);
	assert_int_equal(toy_map(s, m, true), 0);
}

/* Every request of a kind fails once, in every scenario: nothing is lost, nothing stays busy. */
static int scenario(unsigned which) NO_TSA
{
	switch (which) {
	case 0:
		return fault(1, RW);
	case 1:
		return cached_file_truncate(cf, 7 * PAGE + 5);
	case 2:
		return mappable_punch(m, (struct mappable_range){ 0, 2 * PAGE });
	case 3:
		return cached_file_refresh(cf);
	case 4:
		return fault(20, MM_READ); /* others have cut the file and made it long again */
	default:
		return mappable_invalidate_unsavable(m);
	}
}

static void prepare(unsigned which) NO_TSA
{
	uint32_t page;

	toy_invalidate(&s->space, (struct addr_range){ BASE, BASE + PAGES * PAGE },
		       (struct invalidate_opts){ false });
	assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	assert_int_equal(cached_file_refresh(cf), 0);
	assert_int_equal(mappable_invalidate_unsavable(m), 0);
	for (uint64_t i = 4; which && i < 30; i++)
		assert_int_equal(fault(i, RW), 0);
	if (which == 4) {
		assert_int_equal(ftruncate(fd, 9 * PAGE + 1), 0);
		assert_int_equal(toy_look(m, 20 * PAGE, MM_READ, &page), bus_error(ENXIO));
		toy_invalidate(&s->space, (struct addr_range){ BASE, BASE + PAGES * PAGE },
			       (struct invalidate_opts){ false });
		assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	}
}

static void test_every_request_fails_once(void **state) NO_TSA
{
	(void)state;
	if (!mm_test_points_enabled())
		skip();
	for (unsigned which = 0; which < 6; which++)
		for (enum inject_kind kind = INJECT_MEMORY; kind < INJECT_KINDS; kind++)
			for (uint64_t k = 1;; k++) {
				uint64_t failed;

				prepare(which);
				mm_inject_arm(kind, k, 1);
				int rc = scenario(which);

				mm_inject_disarm(kind, &failed);
				if (!failed) {
					assert_int_equal(rc, 0);
					break;
				}
				/* it can be done now, whatever was left undone */
				rc = scenario(which);
				assert_int_equal(rc, 0);
				assert_int_equal(cached_file_refresh(cf), 0);
			}
	for (enum inject_kind kind = INJECT_MEMORY; kind < INJECT_KINDS; kind++)
		for (uint64_t k = 1;; k++) {
			struct cached_file *other;
			uint64_t failed;

			mm_inject_arm(kind, k, 1);
			int rc = cached_file_create(mf, fd, NULL, NULL, &other);

			mm_inject_disarm(kind, &failed);
			if (!rc)
				mapping_identity_dec_ref(cached_file_identity(other));
			assert_int_equal(rc != 0, failed != 0);
			if (!failed)
				break;
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fill_units),
		TEST(test_end_of_file),
		TEST(test_translation_units),
		TEST(test_write_only_if_asked),
		TEST(test_write_back),
		TEST(test_clean_without_a_writable_mapping),
		TEST(test_msync_of_a_part),
		TEST(test_written_at_the_end),
		TEST(test_truncate),
		TEST(test_shrinks_under_us),
		TEST(test_shrinks_and_grows_under_us),
		TEST(test_grows_under_us),
		TEST(test_punch),
		TEST(test_reclaim),
		TEST(test_invalidate_unsavable),
		TEST(test_read_only),
		TEST(test_bad_arguments),
		TEST(test_a_bad_neighbour_does_not_matter),
		TEST(test_failed_write_stays_dirty),
		TEST(test_every_request_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
