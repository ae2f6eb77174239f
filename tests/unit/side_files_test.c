/* SPDX-License-Identifier: Apache-2.0 */
/* side_files_test.c - the tail of a sample, from all intervals of what it is to be counted in. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/hlog.h"
#include "harness/result_dir.h"
#include "harness/side_files.h"

#define NAME "null/x/threads=1"

static char directory[] = "/tmp/side_files_test.XXXXXX";

static FILE *create(void)
{
	char path[300], name[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/hist", directory);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/hist/%s.hlog", directory,
		 result_dir_file_name(NAME, name, sizeof(name)));
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(hlog_write_head(file, 0, NAME), 0);
	return file;
}

/* A line of `count` values, all the same. */
static void put(FILE *file, const char *tag, uint64_t ns, uint64_t count)
{
	struct histogram *h = histogram_create(1);

	assert_non_null(h);
	for (uint64_t i = 0; i < count; i++)
		histogram_record(h, ns);
	assert_int_equal(hlog_write(file, tag, 0, 1, h), 0);
	histogram_destroy(h);
}

static int make(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	side_files_remove(directory);
	return access(directory, F_OK) ? 0 : -1;
}

static void test_all_intervals(void **state)
{
	FILE *file = create();
	double p999;

	(void)state;
	/* Of the first role; the slow ones are in the second interval, with more buckets. */
	put(file, NAME "/first", 10, 99);
	put(file, NAME "/first", 1000, 100);
	put(file, NAME "/second", 5000, 1000);
	fclose(file);
	assert_true(side_files_tail(directory, NAME, 500, &p999) == 100.5 / 200);
	assert_true(p999 > 900 && p999 < 1100);
	assert_true(isnan(side_files_tail(directory, NAME, NAN, &p999)));
	assert_true(p999 > 900 && p999 < 1100);
}

static void test_response_times(void **state)
{
	FILE *file = create();
	double p999;

	(void)state;
	put(file, NAME "/first", 10, 99);
	put(file, NAME "/first/lag", 90000, 99);
	put(file, NAME "/first/response", 2000, 49);
	put(file, NAME "/first/response", 20, 50);
	put(file, NAME "/second", 5000, 1000);
	fclose(file);
	assert_true(side_files_tail(directory, NAME, 500, &p999) == 49.5 / 100);
	assert_true(p999 > 1900 && p999 < 2100);
}

static void test_nothing(void **state)
{
	double p999;

	(void)state;
	fclose(create());
	assert_true(isnan(side_files_tail(directory, NAME, 500, &p999)) && isnan(p999));
	assert_true(isnan(side_files_tail("/nonexistent", NAME, 500, &p999)) && isnan(p999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_intervals),
		cmocka_unit_test(test_response_times),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
