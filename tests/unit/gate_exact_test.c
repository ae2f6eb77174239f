/* SPDX-License-Identifier: Apache-2.0 */
/* gate_exact_test.c - exact counts of two sides: every digit counts, broken tables are refused. */
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
#include <unistd.h>

#include "harness/gate_exact.h"

static char before[] = "/tmp/gate_before.XXXXXX", after[] = "/tmp/gate_after.XXXXXX";
static char error[1024];

/* text NULL: no such file. */
static void put_bytes(const char *dir, const char *name, const char *text, size_t size)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.txt", dir, name);
	if (!text) {
		unlink(path);
		return;
	}
	file = fopen(path, "we");
	assert_non_null(file);
	fwrite(text, 1, size, file);
	fclose(file);
}

static void put(const char *dir, const char *name, const char *text)
{
	put_bytes(dir, name, text, text ? strlen(text) : 0);
}

static int make(void **state)
{
	(void)state;
	return mkdtemp(before) && mkdtemp(after) ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	for (size_t i = 0; gate_exact_tables[i]; i++) {
		put(before, gate_exact_tables[i], NULL);
		put(after, gate_exact_tables[i], NULL);
	}
	return rmdir(before) || rmdir(after);
}

static int compare(struct gate_exact *e)
{
	error[0] = '\0';
	return gate_exact_compare(e, before, after, error, sizeof(error));
}

static void test_to_the_digit(void **state)
{
	struct gate_exact e;

	(void)state;
	put(before, "instructions", "# compiler: c\nfault 187.38\nmap 100.00\ngone 1\nleft -0.5\n");
	put(after, "instructions", "# compiler: c\nmap 101.00\nfault 187.37\nnew 5\nleft -0.5\n");
	assert_int_equal(compare(&e), 0);
	assert_int_equal(e.tables, 1);
	assert_int_equal(e.compared, 3);
	assert_int_equal(e.count, 4);
	/* Planted: one in a hundred. What is new has nothing to be worse than. */
	assert_int_equal(e.worse, 1);
	assert_string_equal(e.rows[2].name, "map");
	assert_true(e.rows[2].before == 100 && e.rows[2].after == 101);
	assert_true(isnan(e.rows[1].after) && isnan(e.rows[3].before));
	assert_non_null(strstr(e.missing, "host.txt"));
	assert_non_null(strstr(e.missing, "lines.txt"));
	assert_null(strstr(e.missing, "instructions"));
	gate_exact_release(&e);
	/* A hundredth of an instruction. */
	put(after, "instructions", "# compiler: c\nfault 187.39\nmap 100\ngone 1\nleft -0.5\n");
	assert_int_equal(compare(&e), 0);
	assert_int_equal(e.worse, 1);
	assert_int_equal(e.count, 1);
	gate_exact_release(&e);
}

static void test_all_tables(void **state)
{
	struct gate_exact e;

	(void)state;
	for (size_t i = 0; gate_exact_tables[i]; i++) {
		put(before, gate_exact_tables[i], "a b 1\n");
		put(after, gate_exact_tables[i], "a b 2\n");
	}
	assert_int_equal(compare(&e), 0);
	assert_int_equal(e.worse, 3);
	assert_string_equal(e.missing, "");
	gate_exact_release(&e);
}

/* The table of lines lists those that are shared: one more is a regression, and the first is. */
static void test_a_line_more(void **state)
{
	struct gate_exact e;

	(void)state;
	for (size_t i = 0; gate_exact_tables[i]; i++) {
		put(before, gate_exact_tables[i], NULL);
		put(after, gate_exact_tables[i], NULL);
	}
	put(before, "lines", "# compiler: c\n");
	put(after, "lines", "# compiler: c\nmap map vma count 1\n");
	assert_int_equal(compare(&e), 0);
	assert_int_equal(e.tables, 1);
	assert_int_equal(e.worse, 1);
	assert_true(e.rows[0].before == 0 && e.rows[0].after == 1);
	gate_exact_release(&e);
	put(before, "lines", "# compiler: c\ndec dec page counts 1\nmap map vma count 1\n");
	assert_int_equal(compare(&e), 0);
	assert_int_equal(e.worse, 0);
	assert_true(e.count == 1 && e.rows[0].after == 0);
	gate_exact_release(&e);
}

static void refused(const char *text, int wanted, const char *place)
{
	struct gate_exact e;
	int rc;

	put(before, "host", text);
	rc = compare(&e);
	gate_exact_release(&e);
	if (rc != wanted || !strstr(error, place))
		fail_msg("%d \"%s\", not %d with %s", rc, error, wanted, place);
}

static void test_refused(void **state)
{
	(void)state;
	put(after, "host", "# compiler: c\na 1\n");
	refused("# compiler: another\na 1\n", -ESTALE, "another");
	refused("a 1\nb\n", -EBADMSG, "host.txt:2");
	refused("a x\n", -EBADMSG, "host.txt:1");
	refused("a 1x\n", -EBADMSG, "host.txt:1");
	refused("a nan\n", -EBADMSG, "host.txt:1");
	refused("a inf\n", -EBADMSG, "host.txt:1");
	refused(" 1\n", -EBADMSG, "host.txt:1");
	refused("a 1\na 1\n", -EBADMSG, "host.txt");
	put_bytes(before, "host", "a 1\0 2\n", 8);
	assert_int_equal(compare(&(struct gate_exact){ 0 }), -EBADMSG);
	put(before, "host", "# compiler: c\na 1\n");
	put(after, "host", "a 1 \n");
	assert_int_equal(compare(&(struct gate_exact){ 0 }), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_the_digit),
		cmocka_unit_test(test_all_tables),
		cmocka_unit_test(test_a_line_more),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
