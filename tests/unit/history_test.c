/* SPDX-License-Identifier: Apache-2.0 */
/* history_test.c - the index: runs once each, series, changes, kill -9, files that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/history.h"

static char directory[] = "/tmp/history_test.XXXXXX", path[64], error[4864];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/index", directory);
	unlink(path);
	return 0;
}

/* A run of two benchmarks at a rate; text is of its own id, start and commit. */
static void make_run(struct stored *stored, unsigned number, double rate, const char *host)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"schema\": \"faultline.result/1\", \"run\": {\"id\": \"r%u\", \"start\": "
		 "\"2026-01-%02uT00:00:00Z\"}, \"tool\": {\"commit\": \"c%u\"}, \"host\": "
		 "{\"name\": \"%s\", \"cpu\": \"x\", \"kernel\": \"6.%u\"}, \"benchmarks\": ["
		 "{\"name\": \"a\", \"throughput\": {\"ops_per_s\": %f}, \"latency\": "
		 "{\"p50\": %f, \"p99\": 9000}, \"floor\": {\"ratio\": 2}},"
		 "{\"name\": \"void\", \"verify\": {\"ok\": false, \"error\": \"wrong\"}}]}",
		 number, number, number, host, number / 20, rate, 1e9 / rate);
	assert_int_equal(
		stored_parse(stored, "run", text, strlen(text), NULL, 0, error, sizeof(error)), 0);
}

static bool add(struct history *h, unsigned number, double rate, const char *host)
{
	struct stored stored;
	bool again;

	make_run(&stored, number, rate, host);
	assert_int_equal(history_add(h, &stored, &again, error, sizeof(error)), 0);
	stored_release(&stored);
	return again;
}

static void open_index(struct history *h, bool make)
{
	if (history_open(h, path, make, error, sizeof(error)))
		fail_msg("%s", error);
}

static size_t series_of(struct history *h, struct history_series **series)
{
	size_t count;

	assert_int_equal(history_read(h, NULL, 0, series, &count, error, sizeof(error)), 0);
	return count;
}

static void test_each_run_once(void **state)
{
	struct history_series *series;
	struct history h;
	size_t count;
	char *word = (char[]){ "b" };

	(void)state;
	open_index(&h, true);
	assert_int_equal(history_begin(&h, error, sizeof(error)), 0);
	assert_false(add(&h, 2, 2e6, "one"));
	assert_false(add(&h, 1, 1e6, "one"));
	assert_true(add(&h, 2, 3e6, "one"));
	assert_false(add(&h, 3, 3e6, "two"));
	assert_int_equal(history_commit(&h, error, sizeof(error)), 0);
	history_close(&h);
	open_index(&h, false);
	count = series_of(&h, &series);
	/* What is void has no figures; machines are apart; time orders runs. */
	assert_int_equal(count, 2);
	assert_string_equal(series[0].host, "one");
	assert_int_equal(series[0].count, 2);
	assert_string_equal(series[0].points[0].run, "r1");
	assert_float_equal(series[0].points[1].value[HISTORY_THROUGHPUT], 3e6, 1);
	assert_float_equal(series[0].points[1].value[HISTORY_FLOOR], 2, 1e-9);
	assert_string_equal(series[1].host, "two");
	assert_float_equal(history_median(&series[0], HISTORY_THROUGHPUT, 0, 2), 2e6, 1);
	assert_true(isnan(history_median(&series[0], HISTORY_THROUGHPUT, 1, 1)));
	history_series_free(series, count);
	assert_int_equal(history_read(&h, &word, 1, &series, &count, error, sizeof(error)), 0);
	assert_int_equal(count, 0);
	history_series_free(series, count);
	history_close(&h);
}

static void test_changes(void **state)
{
	struct history_change *changes;
	struct history_series *series;
	struct history h;
	size_t count, found;

	(void)state;
	open_index(&h, true);
	for (unsigned i = 1; i <= 28; i++)
		add(&h, i, (i < 15 ? 1e6 : 0.9e6) * (1 + 0.002 * (i * 7 % 5)), "one");
	count = series_of(&h, &series);
	assert_int_equal(count, 1);
	found = history_changes(&series[0], &changes);
	/* Throughput and p50; p99 and floor never moved. */
	assert_int_equal(found, 2);
	assert_int_equal(changes[0].metric, HISTORY_THROUGHPUT);
	assert_int_equal(changes[0].point, 14);
	assert_int_equal(changes[0].before, 13);
	assert_float_equal(changes[0].shift, log(0.9), 0.005);
	assert_int_equal(changes[1].metric, HISTORY_P50);
	assert_float_equal(changes[1].shift, -log(0.9), 0.005);
	free(changes);
	/* A metric that some runs lack: the places are still those of the runs. */
	for (size_t i = 0; i < 10; i++)
		series[0].points[i].value[HISTORY_THROUGHPUT] = NAN;
	found = history_changes(&series[0], &changes);
	assert_int_equal(changes[0].metric, HISTORY_THROUGHPUT);
	assert_int_equal(changes[0].point, 14);
	assert_int_equal(found, 2);
	free(changes);
	history_series_free(series, count);
	history_close(&h);
}

/* Killed with half of a transaction written, and more than fits the cache: as before it. */
static void test_killed_in_the_middle(void **state)
{
	struct history_series *series;
	struct history h;
	size_t count;
	int status;
	pid_t child;

	(void)state;
	open_index(&h, true);
	add(&h, 1, 1e6, "one");
	history_close(&h);
	child = fork();
	if (!child) {
		open_index(&h, true);
		if (sqlite3_exec(h.db, "PRAGMA cache_size = 1", NULL, NULL, NULL) ||
		    history_begin(&h, error, sizeof(error)))
			_exit(1);
		for (unsigned i = 1; i < 1000; i++)
			add(&h, i, 2e6, "two");
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	open_index(&h, false);
	count = series_of(&h, &series);
	assert_int_equal(count, 1);
	assert_int_equal(series[0].count, 1);
	assert_float_equal(series[0].points[0].value[HISTORY_THROUGHPUT], 1e6, 1);
	history_series_free(series, count);
	history_close(&h);
}

static void put(const char *data, size_t length, long at)
{
	FILE *file = fopen(path, at < 0 ? "w" : "r+");

	assert_non_null(file);
	fseek(file, at < 0 ? 0 : at, SEEK_SET);
	fwrite(data, 1, length, file);
	fclose(file);
}

static int opened(bool make)
{
	struct history h;
	int rc;

	error[0] = '\0';
	rc = history_open(&h, path, make, error, sizeof(error));
	history_close(&h);
	if (rc)
		assert_ptr_equal(strstr(error, path), error);
	return rc;
}

static void sql(const char *text)
{
	struct history h;

	open_index(&h, true);
	assert_int_equal(sqlite3_exec(h.db, text, NULL, NULL, NULL), SQLITE_OK);
	history_close(&h);
}

static void test_files_that_are_none(void **state)
{
	sqlite3 *other;
	char zeros[4096] = { 0 };

	(void)state;
	assert_int_equal(opened(false), -ENOENT);
	put("# notes\n", 8, -1);
	assert_int_equal(opened(true), -EINVAL);
	put("SQLite format 2, and not the other", 34, -1);
	assert_int_equal(opened(true), -EINVAL);
	put("", 0, -1);
	assert_int_equal(opened(false), -EBADMSG);
	unlink(path);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "CREATE TABLE x(y)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	assert_int_equal(opened(true), -EINVAL);
	assert_non_null(strstr(error, "another program"));
	unlink(path);
	sql("PRAGMA user_version = 2");
	assert_int_equal(opened(false), -EINVAL);
	assert_non_null(strstr(error, "version 2"));
	unlink(path);
	sql("INSERT INTO run VALUES('a', 'b', 'c', 'd', 'e', 'f')");
	put(zeros, sizeof(zeros), 4096);
	assert_int_equal(opened(false), -EBADMSG);
	unlink(path);
	sql("SELECT 1");
	assert_int_equal(truncate(path, 1000), 0);
	assert_int_equal(opened(true), -EBADMSG);
}

/* Values of a hostile index are not believed. */
static void test_values_that_cannot_be(void **state)
{
	struct history_series *series;
	struct history h;
	size_t count;

	(void)state;
	sql("INSERT INTO run VALUES('a', 'h', 'c', 'k', x'00ff', 'v');"
	    "INSERT INTO figure VALUES('a', 'b', -1, 'text', 9e999, 0)");
	open_index(&h, false);
	count = series_of(&h, &series);
	assert_int_equal(count, 1);
	for (unsigned m = 0; m < HISTORY_METRICS; m++)
		assert_true(isnan(series[0].points[0].value[m]));
	history_series_free(series, count);
	history_close(&h);
}

static void test_what_is_no_run(void **state)
{
	static const char *const texts[] = {
		"{\"schema\": \"faultline.result/1\", \"run\": {\"start\": \"s\"}, "
		"\"benchmarks\": []}",
		"{\"schema\": \"faultline.result/1\", \"run\": {\"id\": \"i\"}, "
		"\"benchmarks\": []}",
		"{\"context\": {\"date\": \"d\"}, \"benchmarks\": []}",
	};
	struct stored stored;
	struct history h;
	bool again;

	(void)state;
	open_index(&h, true);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(stored_parse(&stored, "x", texts[i], strlen(texts[i]), NULL, 0,
					      error, sizeof(error)),
				 0);
		assert_int_equal(history_add(&h, &stored, &again, error, sizeof(error)), -EINVAL);
		stored_release(&stored);
	}
	history_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_each_run_once, setup),
		cmocka_unit_test_setup(test_changes, setup),
		cmocka_unit_test_setup(test_killed_in_the_middle, setup),
		cmocka_unit_test_setup(test_files_that_are_none, setup),
		cmocka_unit_test_setup(test_values_that_cannot_be, setup),
		cmocka_unit_test_setup(test_what_is_no_run, setup),
	};
	int failed;

	if (!mkdtemp(directory))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(directory);
	return failed;
}
