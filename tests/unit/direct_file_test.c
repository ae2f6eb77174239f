/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct_file_test.c - a host file mapped as it is: answers at its edges, size changes by us and by
 * others, each order of truncate and translate, permissions of the descriptor, and its end.
 */
#include "engine/direct_file.h"
#include "tests/unit/host_file.h"
#include "tests/unit/toy_space.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/test_points.h"

#define GIB (UINT64_C(1) << 30)

static int fd;
static struct direct_file *df;
static struct mappable *m;

static int setup_file(void **state) NO_TSA
{
	if (setup(state))
		return -1;
	fd = host_file_make(5 * PAGE + 100);
	if (direct_file_create(mf, fd, "file", &df))
		return -1;
	m = direct_file_mappable(df);
	return 0;
}

static int teardown_file(void **state) NO_TSA
{
	mapping_identity_dec_ref(direct_file_identity(df));
	close(fd);
	return teardown(state);
}

static const char *ask(struct mappable_range required, struct mappable_range optional, mm_access at,
		       struct translation *ts, size_t max, size_t *count, int *rc) NO_TSA
{
	*rc = mappable_translate(m, required, optional, at, ts, max, count);
	return check_translate_result(required, optional, at, ts, *count, *rc);
}

static void test_edges(void **state) NO_TSA
{
	static const struct {
		uint64_t start, end, from, to; /* pages */
		size_t count;
		bool bus;
		uint64_t got_from, got_to;
	} table[] = {
		{ 0, 1, 0, 1, 1, false, 0, 1 },
		{ 2, 3, 0, 9, 1, false, 0, 6 }, /* the page of the last byte counts */
		{ 5, 6, 4, 6, 1, false, 4, 6 },
		{ 5, 7, 4, 8, 1, true, 4, 6 },
		{ 6, 7, 0, 9, 0, true, 0, 0 },
		{ UINT64_C(1) << 50, (UINT64_C(1) << 50) + 1, 0, UINT64_C(1) << 51, 0, true, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct translation t[2];
		size_t count;
		int rc;
		const char *text =
			ask((struct mappable_range){ table[i].start * PAGE, table[i].end * PAGE },
			    (struct mappable_range){ table[i].from * PAGE, table[i].to * PAGE }, RW,
			    t, 2, &count, &rc);

		if (text)
			fail_msg("%s", text);
		assert_int_equal(rc, table[i].bus ? bus_error(ENXIO) : 0);
		assert_int_equal(count, table[i].count);
		if (!count)
			continue;
		assert_int_equal(t[0].source.start, table[i].got_from * PAGE);
		assert_int_equal(t[0].source.end, table[i].got_to * PAGE);
		assert_int_equal(t[0].offset, t[0].source.start); /* identity */
	}
}

/* The file's own pages, through the window and through the file's descriptor. */
static void test_bytes_are_the_file(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	unsigned char byte;

	(void)state;
	assert_int_equal(toy_map(s, m, true), 0);
	assert_int_equal(toy_fault_as(s, m, 2 * PAGE, RW), 0);
	unsigned char *at = memory_file_memory(mf, s->present[2]);

	assert_int_equal(at[7], host_file_byte(2 * PAGE + 7));
	at[7] = 0;
	assert_int_equal(pread(fd, &byte, 1, 2 * PAGE + 7), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(memory_file_count(mf, s->present[2]), 1); /* the file holds none */
	assert_int_equal(mapping_identity_msync(direct_file_identity(df),
						(struct mappable_range){ 0, 6 * PAGE }),
			 0);
	toy_unmap(s, m, true);
	free(s);
}

/* Chunks do not follow each other: an answer is cut where they meet. */
static void test_pieces_end_with_the_gigabyte(void **state) NO_TSA
{
	struct mappable_range required = { GIB - PAGE, GIB + PAGE };
	struct mappable_range optional = { GIB - 3 * PAGE, GIB + 4 * PAGE };
	struct translation t[2];
	size_t count;
	int rc;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)(GIB + 2 * PAGE)), 0);
	assert_null(ask(required, optional, RW, t, 2, &count, &rc));
	assert_int_equal(rc, 0);
	assert_int_equal(count, 2);
	assert_int_equal(t[0].source.start, GIB - 3 * PAGE);
	assert_int_equal(t[0].source.end, GIB);
	assert_int_equal(t[1].source.end, GIB + 2 * PAGE);
	assert_int_equal(t[1].offset, GIB);
	assert_null(ask(required, optional, RW, t, 1, &count, &rc));
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(count, 1);
}

static void test_permissions(void **state) NO_TSA
{
	int reader = host_file_reopen(fd, O_RDONLY);
	int writer = host_file_reopen(fd, O_WRONLY);
	int pipes[2];
	struct direct_file *ro, *none;
	struct toy_space *s = toy_create(1);
	uint32_t page;

	(void)state;
	assert_int_equal(direct_file_create(mf, writer, NULL, &none), -EACCES);
	assert_int_equal(direct_file_create(mf, -1, NULL, &none), -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(direct_file_create(mf, pipes[0], NULL, &none), -ENODEV);
	assert_int_equal(direct_file_create(mf, reader, "ro", &ro), 0);
	struct mappable *rom = direct_file_mappable(ro);

	assert_int_equal(toy_map(s, rom, true), -EACCES);
	assert_int_equal(toy_map(s, rom, false), 0);
	assert_int_equal(toy_look(rom, 0, RW, &page), -EACCES);
	assert_int_equal(toy_fault_as(s, rom, 0, MM_READ), 0);
	assert_int_equal(direct_file_truncate(ro, 0), -EINVAL);
	assert_int_equal(mappable_punch(rom, (struct mappable_range){ 0, PAGE }), -EPERM);
	assert_int_equal(host_file_size(fd), 5 * PAGE + 100);
	toy_unmap(s, rom, false);
	mapping_identity_dec_ref(direct_file_identity(ro));
	close(pipes[0]);
	close(pipes[1]);
	close(reader);
	close(writer);
	free(s);
}

static void test_name_and_identity(void **state) NO_TSA
{
	struct direct_file *other;
	struct stat st;
	char name[300], path[300] = "", link[64];

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_true(readlink(link, path, sizeof(path) - 1) > 0);
	assert_int_equal(direct_file_create(mf, fd, NULL, &other), 0);
	struct mapping_identity *id = direct_file_identity(other);

	mapping_identity_mapped_name(id, name, sizeof(name));
	assert_string_equal(name, path);
	assert_int_equal(mapping_identity_device_id(id), st.st_dev);
	assert_int_equal(mapping_identity_inode_id(id), st.st_ino);
	mapping_identity_dec_ref(id);
	mapping_identity_mapped_name(direct_file_identity(df), name, sizeof(name));
	assert_string_equal(name, "file");
}

static void test_truncate(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);

	(void)state;
	assert_int_equal(toy_map(s, m, true), 0);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(toy_fault_as(s, m, i * PAGE, RW), 0);
	assert_int_equal(direct_file_truncate(df, 2 * PAGE + 10), 0);
	assert_int_equal(host_file_size(fd), 2 * PAGE + 10);
	assert_true(s->saw_private);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(s->present[i] != 0, i < 3);
	assert_int_equal(toy_fault_as(s, m, 3 * PAGE, RW), bus_error(ENXIO));
	assert_int_equal(direct_file_truncate(df, 4 * PAGE), 0);
	assert_int_equal(toy_fault_as(s, m, 3 * PAGE, RW), 0);
	assert_int_equal(*memory_file_memory(mf, s->present[3]), 0);
	toy_unmap(s, m, true);
	free(s);
}

/* Others change the size: growth is seen at once, what a cut leaves mapped goes with refresh. */
static void test_others_change_the_size(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);

	(void)state;
	assert_int_equal(toy_map(s, m, true), 0);
	assert_int_equal(toy_fault_as(s, m, 6 * PAGE, RW), bus_error(ENXIO));
	host_file_fill(fd, 6 * PAGE, 7 * PAGE);
	assert_int_equal(toy_fault_as(s, m, 6 * PAGE, RW), 0);
	assert_int_equal(toy_fault_as(s, m, 0, RW), 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(toy_fault_as(s, m, PAGE, RW), bus_error(ENXIO));
	assert_int_equal(direct_file_refresh(df), 0);
	assert_int_equal(s->present[6], 0);
	assert_int_not_equal(s->present[0], 0);
	/* also a truncate of ours finds what others left */
	assert_int_equal(ftruncate(fd, 7 * PAGE), 0);
	assert_int_equal(toy_fault_as(s, m, 6 * PAGE, RW), 0);
	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(direct_file_truncate(df, PAGE), 0);
	assert_int_equal(s->present[6], 0);
	toy_unmap(s, m, true);
	free(s);
}

static void test_punch_and_residency(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	unsigned char vec[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	(void)state;
	assert_int_equal(toy_map(s, m, true), 0);
	assert_int_equal(toy_fault_as(s, m, 2 * PAGE, RW), 0);
	unsigned char *at = memory_file_memory(mf, s->present[2]);

	mappable_residency(m, (struct mappable_range){ 0, 8 * PAGE }, vec);
	for (int i = 0; i < 8; i++)
		assert_int_equal(vec[i] & 1, i < 6); /* just written, so cached by the host */
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 2 * PAGE, 2 * PAGE }), -EINVAL);
	assert_int_equal(mappable_punch(m, (struct mappable_range){ 2 * PAGE, 3 * PAGE }), 0);
	assert_int_equal(at[7], 0); /* at once, and the size stays */
	assert_int_equal(host_file_size(fd), 5 * PAGE + 100);
	assert_true(host_file_is_made(fd, 3 * PAGE, 5 * PAGE + 100));
	toy_unmap(s, m, true);
	free(s);
}

static void test_invalidate_unsavable(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);

	(void)state;
	assert_int_equal(toy_map(s, m, true), 0);
	assert_int_equal(toy_fault_as(s, m, 0, RW), 0);
	assert_int_equal(toy_fault_as(s, m, 5 * PAGE, RW), 0);
	assert_int_equal(mappable_invalidate_unsavable(m), 0);
	assert_int_equal(s->present[0] | s->present[5], 0);
	assert_false(s->saw_private);
	toy_unmap(s, m, true);
	free(s);
}

/* ---- each order of truncate and translate ---- */

static void *truncate_to_two(void *arg) NO_TSA
{
	(void)arg;
	return (void *)(intptr_t)direct_file_truncate(df, 2 * PAGE);
}

/* Translate looked before the cut and installs after it: the invalidation waits for its entry. */
static void test_install_after_the_cut(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	pthread_t thread;
	uint32_t page;
	void *rc;

	(void)state;
	assert_int_equal(toy_map(s, m, true), 0);
	toy_lock(s);
	assert_int_equal(toy_look(m, 5 * PAGE, RW, &page), 0);
	assert_int_equal(pthread_create(&thread, NULL, truncate_to_two, NULL), 0);
	while (host_file_size(fd) > 2 * PAGE)
		sched_yield();
	install(s, 5 * PAGE, page);
	toy_unlock(s);
	pthread_join(thread, &rc);
	assert_ptr_equal(rc, NULL);
	assert_int_equal(s->present[5], 0);
	toy_unmap(s, m, true);
	free(s);
}

static unsigned visits;

/* The whole truncate runs between the first look at the size and the answer: it does not know yet
 * how far this translate reaches, so translate has to look again. */
static void truncate_at_sized(const char *name) NO_TSA
{
	if (strcmp(name, "direct_file_sized") != 0 || visits++)
		return;
	assert_int_equal(direct_file_truncate(df, 2 * PAGE), 0);
}

static void test_truncate_before_the_answer(void **state) NO_TSA
{
	uint32_t page;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	visits = 0;
	mm_test_point_set_hook(truncate_at_sized);
	int rc = toy_look(m, 5 * PAGE, RW, &page);

	mm_test_point_set_hook(NULL);
	assert_int_equal(visits, 1);
	assert_int_equal(rc, bus_error(ENXIO));
}

static void test_failures(void **state) NO_TSA
{
	struct direct_file *other;
	uint64_t failed;
	uint32_t page;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	for (enum inject_kind kind = INJECT_MEMORY; kind <= INJECT_HOST; kind++) {
		for (uint64_t k = 1;; k++) {
			mm_inject_arm(kind, k, 1);
			int rc = direct_file_create(mf, fd, NULL, &other);

			mm_inject_disarm(kind, &failed);
			if (!rc)
				mapping_identity_dec_ref(direct_file_identity(other));
			assert_int_equal(rc != 0, failed != 0);
			if (!failed)
				break;
		}
	}
	mm_inject_arm(INJECT_HOST, 1, 1);
	assert_int_equal(toy_look(m, 0, RW, &page), bus_error(EIO));
	mm_inject_arm(INJECT_HOST, 3, 1); /* the mapping of the chunk */
	assert_int_equal(toy_look(m, 0, RW, &page), -ENOMEM);
	mm_inject_arm(INJECT_HOST, 1, 1);
	assert_int_equal(direct_file_truncate(df, 0), -EIO);
	mm_inject_arm(INJECT_HOST, 1, 1);
	assert_int_equal(direct_file_refresh(df), -EIO);
	mm_inject_arm(INJECT_HOST, 1, 1);
	assert_int_equal(mapping_identity_msync(direct_file_identity(df),
						(struct mappable_range){ 0, PAGE }),
			 -EIO);
	mm_inject_disarm(INJECT_HOST, NULL);
	assert_int_equal(toy_look(m, 0, RW, &page), 0);
	assert_int_equal(host_file_size(fd), 5 * PAGE + 100);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_edges),
		TEST(test_bytes_are_the_file),
		TEST(test_pieces_end_with_the_gigabyte),
		TEST(test_permissions),
		TEST(test_name_and_identity),
		TEST(test_truncate),
		TEST(test_others_change_the_size),
		TEST(test_punch_and_residency),
		TEST(test_invalidate_unsavable),
		TEST(test_install_after_the_cut),
		TEST(test_truncate_before_the_answer),
		TEST(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
