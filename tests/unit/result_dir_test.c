/* SPDX-License-Identifier: Apache-2.0 */
/* result_dir_test.c - creation, refusal, atomic replacement and appending. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/result_dir.h"

static char base[64], error[512];

static int setup(void **state)
{
	(void)state;
	snprintf(base, sizeof(base), "/tmp/result_dir_test.XXXXXX");
	return mkdtemp(base) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static void assert_content(const char *name, const char *wanted)
{
	char text[256] = "";
	FILE *file = fopen(path_of(name), "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(text, wanted);
}

static void test_creates_with_parents(void **state)
{
	struct result_dir dir;
	struct stat status;

	(void)state;
	assert_int_equal(result_dir_create(&dir, path_of("a/b/c"), error, sizeof(error)), 0);
	assert_int_equal(stat(path_of("a/b/c/hist"), &status), 0);
	assert_int_equal(stat(path_of("a/b/c/plots"), &status), 0);
	/* The test file is gone. */
	assert_int_equal(stat(path_of("a/b/c/result.json"), &status), -1);
	result_dir_close(&dir);
}

static void test_takes_an_empty_directory_only(void **state)
{
	struct result_dir dir;
	FILE *file;

	(void)state;
	assert_int_equal(mkdir(path_of("empty"), 0777), 0);
	assert_int_equal(result_dir_create(&dir, path_of("empty"), error, sizeof(error)), 0);
	result_dir_close(&dir);
	/* Now it holds something: a second run must not mix with the first. */
	assert_int_equal(result_dir_create(&dir, path_of("empty"), error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "not empty"));
	result_dir_close(&dir);
	file = fopen(path_of("file"), "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(result_dir_create(&dir, path_of("file"), error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "not a directory"));
	result_dir_close(&dir);
}

static void test_says_when_nothing_can_be_written(void **state)
{
	struct result_dir dir;
	int rc;

	(void)state;
	rc = result_dir_create(&dir, "/proc/self/fdinfo/results", error, sizeof(error));
	assert_true(rc < 0 && rc != -EINVAL);
	assert_non_null(strstr(error, "cannot be written"));
	result_dir_close(&dir);
}

static void test_replaces_as_a_whole(void **state)
{
	struct result_dir dir;
	struct stat before, after, beside;

	(void)state;
	assert_int_equal(result_dir_create(&dir, path_of("replace"), error, sizeof(error)), 0);
	assert_int_equal(result_dir_write(&dir, "x", "first, longer", 13), 0);
	assert_int_equal(stat(path_of("replace/x"), &before), 0);
	assert_int_equal(result_dir_write(&dir, "x", "second", 6), 0);
	assert_int_equal(stat(path_of("replace/x"), &after), 0);
	assert_content("replace/x", "second");
	/* Another file took its place: readers see the one or the other, never a mixture. */
	assert_true(before.st_ino != after.st_ino);
	assert_int_equal(stat(path_of("replace/x.tmp"), &beside), -1);
	assert_int_equal(result_dir_write(&dir, "hist/y", "1", 1), 0);
	assert_content("replace/hist/y", "1");
	assert_int_equal(result_dir_write(&dir, "nowhere/y", "1", 1), -ENOENT);
	result_dir_close(&dir);
}

static void test_appends_lines(void **state)
{
	json_t *json = json_pack("{s:i}", "a", 1);
	struct result_dir dir;

	(void)state;
	assert_int_equal(result_dir_create(&dir, path_of("append"), error, sizeof(error)), 0);
	assert_int_equal(result_dir_append(&dir, json), 0);
	assert_int_equal(result_dir_append(&dir, json), 0);
	assert_content("append/samples.ndjson", "{\"a\":1}\n{\"a\":1}\n");
	assert_int_equal(result_dir_write_json(&dir, "result.json", json), 0);
	assert_content("append/result.json", "{\n \"a\": 1\n}\n");
	json_decref(json);
	result_dir_close(&dir);
}

static void test_names(void **state)
{
	char name[300], other[300], longest[600];

	(void)state;
	assert_string_equal(result_dir_file_name("a/b c=1/../x", name, sizeof(name)),
			    "a_b_c=1_.._x");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(strlen(result_dir_file_name(longest, name, sizeof(name))) < 250);
	assert_string_not_equal(result_dir_default(name, sizeof(name)),
				result_dir_default(other, sizeof(other)));
	assert_int_equal(strncmp(name, "results/", 8), 0);
	assert_null(strchr(name + 8, '/'));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_creates_with_parents),
		cmocka_unit_test(test_takes_an_empty_directory_only),
		cmocka_unit_test(test_says_when_nothing_can_be_written),
		cmocka_unit_test(test_replaces_as_a_whole),
		cmocka_unit_test(test_appends_lines),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
