/* SPDX-License-Identifier: Apache-2.0 */
/* stored_test.c - reading results: what is whole is read, the rest is refused with a place. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/stored.h"

#define HEAD "{\"schema\":\"faultline.result/1\",\"host\":{\"name\":\"h\"},\"benchmarks\":["
#define GOOD                                                          \
	"{\"name\":\"memmap/x/threads=1\",\"translator\":\"memmap\"," \
	"\"throughput\":{\"ops_per_s\":9},\"latency\":{\"p50\":1,\"p99\":2}}"
#define SAMPLE                                                                         \
	"{\"benchmark\":\"memmap/x/threads=1\",\"repetition\":0,\"ops_per_s\":7,"      \
	"\"threads\":[{\"role\":\"r\",\"p50\":3,\"p99\":4},{\"role\":\"r\",\"p50\":5," \
	"\"p99\":6},{\"role\":\"other\",\"p50\":99}]}\n"

static char error[1024];

static int parse(struct stored *s, const char *text, const char *samples)
{
	error[0] = '\0';
	return stored_parse(s, "file", text, strlen(text), samples, samples ? strlen(samples) : 0,
			    error, sizeof(error));
}

static void refused(const char *text, const char *samples, int wanted, const char *place)
{
	struct stored s;
	int rc = parse(&s, text, samples);

	stored_release(&s);
	if (rc != wanted || !strstr(error, "file") || !strstr(error, place))
		fail_msg("%d \"%s\", not %d with %s, of %.200s", rc, error, wanted, place, text);
}

static void test_whole(void **state)
{
	const struct stored_benchmark *b;
	struct stored s;

	(void)state;
	assert_int_equal(parse(&s, HEAD GOOD "]}", NULL), 0);
	b = stored_find(&s, "memmap/x/threads=1");
	assert_ptr_equal(b, stored_find_key(&s, "x/threads=1"));
	assert_null(stored_find(&s, "x/threads=1"));
	assert_string_equal(s.host, "h");
	assert_string_equal(s.commit, "");
	/* Without repetitions the medians are all there is. */
	assert_int_equal(b->count, 1);
	assert_true(b->samples[0].ops_per_s == 9 && b->samples[0].p99 == 2);
	stored_release(&s);
	assert_int_equal(parse(&s, HEAD GOOD "]}", SAMPLE SAMPLE), 0);
	b = &s.benchmarks[0];
	assert_int_equal(b->count, 2);
	/* Of the first role alone. */
	assert_true(b->samples[1].ops_per_s == 7 && b->samples[1].p50 == 4 &&
		    b->samples[1].p99 == 5);
	assert_string_equal(s.remark, "");
	stored_release(&s);
	/* A crash cut the last line. */
	assert_int_equal(parse(&s, HEAD GOOD "]}", SAMPLE "{\"bench"), 0);
	assert_int_equal(s.benchmarks[0].count, 1);
	assert_non_null(strstr(s.remark, "samples.ndjson:2"));
	stored_release(&s);
	/* Benchmarks that came to nothing are there, and say so. */
	assert_int_equal(parse(&s,
			       HEAD "{\"name\":\"a\",\"throughput\":{\"ops_per_s\":null,"
				    "\"ops_per_s_reason\":\"why\"}},{\"name\":\"b\",\"verify\":"
				    "{\"error\":\"wrong\"},\"throughput\":{\"ops_per_s\":3}},"
				    "{\"name\":\"c\",\"throughput\":{\"ops_per_s\":0}}]}",
			       NULL),
			 0);
	assert_string_equal(s.benchmarks[0].void_reason, "why");
	assert_string_equal(s.benchmarks[1].void_reason, "wrong");
	assert_string_equal(s.benchmarks[2].void_reason, STORED_NO_OPERATION);
	stored_release(&s);
}

static void test_refused(void **state)
{
	(void)state;
	refused("", NULL, -EBADMSG, "file:");
	refused("{\"schema\":", NULL, -EBADMSG, "file:1:");
	refused(HEAD GOOD "]", NULL, -EBADMSG, "file:1:");
	refused(HEAD GOOD "]}x", NULL, -EBADMSG, "file:1:");
	refused("[]", NULL, -EINVAL, "not an object");
	refused("{}", NULL, -EINVAL, "schema");
	refused("{\"schema\":7}", NULL, -EINVAL, "schema");
	refused("{\"schema\":\"faultline.result/2\",\"benchmarks\":[]}", NULL, -EINVAL,
		"faultline.result/2");
	refused("{\"schema\":\"faultline.result/1\",\"benchmarks\":{}}", NULL, -EBADMSG, "array");
	refused("{\"schema\":\"faultline.result/1\"}", NULL, -EBADMSG, "benchmarks");
	refused("{\"schema\":\"faultline.result/1\",\"schema\":\"x\"}", NULL, -EBADMSG,
		"duplicate");
	refused("{\"schema\":\"faultline.result/1\",\"run\":{\"synthetic\":true},"
		"\"benchmarks\":[]}",
		NULL, -EINVAL, "synthetic");
	refused(HEAD "7]}", NULL, -EBADMSG, "benchmarks[0]");
	refused(HEAD GOOD ",{}]}", NULL, -EBADMSG, "benchmarks[1] has no name");
	refused(HEAD GOOD "," GOOD "]}", NULL, -EBADMSG, "there twice");
	refused(HEAD "{\"name\":\"a\",\"throughput\":{\"ops_per_s\":NaN}}]}", NULL, -EBADMSG,
		"file:1:");
	refused(HEAD "{\"name\":\"a\",\"throughput\":{\"ops_per_s\":1e999}}]}", NULL, -EBADMSG,
		"file:1:");
	refused(HEAD "{\"name\":\"a\",\"throughput\":{\"ops_per_s\":1e30}}]}", NULL, -EBADMSG,
		"benchmarks[0].throughput.ops_per_s");
	refused(HEAD "{\"name\":\"a\",\"throughput\":{\"ops_per_s\":-1}}]}", NULL, -EBADMSG,
		"benchmarks[0].throughput.ops_per_s");
	refused(HEAD "{\"name\":\"a\",\"throughput\":{\"ops_per_s\":\"9\"}}]}", NULL, -EBADMSG,
		"not a number");
	refused(HEAD "{\"name\":\"a\",\"latency\":{\"p50\":3,\"p99\":2}}]}", NULL, -EBADMSG,
		"p50 is above p99");
}

static void test_refused_samples(void **state)
{
	(void)state;
	refused(HEAD GOOD "]}", SAMPLE "{\"bench\n" SAMPLE, -EBADMSG, "samples.ndjson:2:");
	refused(HEAD GOOD "]}", "7\n", -EBADMSG, "samples.ndjson:1:");
	refused(HEAD GOOD "]}", "{\"benchmark\":\"memmap/x/threads=1\",\"ops_per_s\":-7}\n",
		-EBADMSG, "samples.ndjson:1");
	refused(HEAD GOOD "]}", "{\"benchmark\":\"memmap/x/threads=1\"}\n", -EBADMSG,
		"samples.ndjson:1");
}

static void test_deep_and_many(void **state)
{
	size_t many = 1000000, length = 0;
	char *text = malloc(many * 16 + 4096);

	(void)state;
	assert_non_null(text);
	memset(text, '[', 100000);
	text[100000] = '\0';
	refused(text, NULL, -EBADMSG, "file:1:");
	length = (size_t)sprintf(text, HEAD);
	for (size_t i = 0; i < many; i++)
		length += (size_t)sprintf(text + length, "%s{\"name\":1}", i ? "," : "");
	strcpy(text + length, "]}");
	refused(text, NULL, -EBADMSG, "1000000 benchmarks");
	free(text);
}

static void test_google(void **state)
{
	static const char head[] = "{\"context\":{\"host_name\":\"g\"},\"benchmarks\":[";
	char text[1024];
	struct stored s;

	(void)state;
	snprintf(text, sizeof(text),
		 "%s{\"name\":\"a\",\"run_name\":\"a\",\"real_time\":2,\"time_unit\":\"us\"},"
		 "{\"name\":\"b\",\"real_time\":1,\"time_unit\":\"ns\",\"items_per_second\":5},"
		 "{\"name\":\"a\",\"run_name\":\"a\",\"real_time\":4,\"time_unit\":\"ms\"},"
		 "{\"name\":\"a_mean\",\"run_name\":\"a\",\"run_type\":\"aggregate\","
		 "\"real_time\":3}]}",
		 head);
	assert_int_equal(parse(&s, text, NULL), 0);
	assert_true(s.google);
	assert_int_equal(s.count, 2);
	/* Units may differ between entries. */
	assert_int_equal(s.benchmarks[0].count, 2);
	assert_true(fabs(s.benchmarks[0].samples[0].ops_per_s - 5e5) < 1e-3);
	assert_true(fabs(s.benchmarks[0].samples[1].ops_per_s - 250) < 1e-9);
	assert_true(s.benchmarks[1].samples[0].ops_per_s == 5);
	stored_release(&s);
	snprintf(text, sizeof(text),
		 "%s{\"name\":\"a\",\"real_time\":2,\"time_unit\":\"fortnight\"}]}", head);
	refused(text, NULL, -EBADMSG, "benchmarks[0]");
	snprintf(text, sizeof(text), "%s{\"name\":\"a\",\"real_time\":0}]}", head);
	refused(text, NULL, -EBADMSG, "benchmarks[0]");
	snprintf(text, sizeof(text), "%s{\"name\":\"a\"}]}", head);
	refused(text, NULL, -EBADMSG, "benchmarks[0]");
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int read_dir(const char *dir)
{
	struct stored s;
	int rc = stored_read(&s, dir, error, sizeof(error));

	stored_release(&s);
	return rc;
}

static void test_directories(void **state)
{
	char dir[] = "/tmp/stored_test.XXXXXX", path[256], beside[256];
	struct stored s;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/result.json", dir);
	snprintf(beside, sizeof(beside), "%s/samples.ndjson", dir);
	assert_int_equal(read_dir(dir), -ENOENT);
	assert_non_null(strstr(error, "result.json"));
	put(dir, "result.json", HEAD GOOD "]}");
	assert_int_equal(read_dir(dir), 0);
	put(dir, "samples.ndjson", SAMPLE SAMPLE SAMPLE);
	assert_int_equal(stored_read(&s, dir, error, sizeof(error)), 0);
	assert_int_equal(s.benchmarks[0].count, 3);
	stored_release(&s);
	/* The file itself, without its directory. */
	assert_int_equal(read_dir(path), 0);
	/* A link out of the directory is not followed; a pipe is not waited for. */
	assert_int_equal(unlink(beside), 0);
	assert_int_equal(symlink("/etc/passwd", beside), 0);
	assert_int_equal(read_dir(dir), -ELOOP);
	assert_non_null(strstr(error, "samples.ndjson: is a link"));
	assert_int_equal(unlink(beside), 0);
	assert_int_equal(mkfifo(beside, 0600), 0);
	assert_int_equal(read_dir(dir), -ENODEV);
	assert_int_equal(unlink(beside), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(read_dir(dir), -ELOOP);
	assert_int_equal(unlink(path), 0);
	/* As large as no result is; nothing of it is on the disk. */
	put(dir, "result.json", "{}");
	assert_int_equal(truncate(path, (off_t)STORED_BYTES_MAX + 1), 0);
	assert_int_equal(read_dir(dir), -EFBIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(read_dir(dir), -ENOENT);
	assert_int_equal(read_dir("/dev/null"), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_samples), cmocka_unit_test(test_deep_and_many),
		cmocka_unit_test(test_google),		cmocka_unit_test(test_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
