/* SPDX-License-Identifier: Apache-2.0 */
/* suggest_test.c - distances, and which word is near enough to be suggested. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "harness/suggest.h"

static const char *const words[] = { "fault-anon", "fault-shared", "map-local", "translate" };
#define WORDS (sizeof(words) / sizeof(words[0]))

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(suggest_distance("", ""), 0);
	assert_int_equal(suggest_distance("abc", ""), 3);
	assert_int_equal(suggest_distance("abc", "ABC"), 0);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_int_equal(suggest_distance("ab", "ba"), 1);
	assert_int_equal(suggest_distance("falut", "fault"), 1);
	assert_int_equal(suggest_distance("abcd", "acbd"), suggest_distance("acbd", "abcd"));
}

static void test_long_words_stay_in_bounds(void **state)
{
	char a[300], b[300];

	(void)state;
	memset(a, 'a', sizeof(a) - 1);
	memset(b, 'b', sizeof(b) - 1);
	a[299] = b[299] = '\0';
	assert_int_equal(suggest_distance(a, b), 63);
	assert_int_equal(suggest_distance(a, a), 0);
}

static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(suggest_nearest("falt-anon", words, WORDS), "fault-anon");
	assert_string_equal(suggest_nearest("fault_shared", words, WORDS), "fault-shared");
	assert_string_equal(suggest_nearest("tr", words, WORDS), "translate");
	assert_string_equal(suggest_nearest("FAULT-ANON", words, WORDS), "fault-anon");
	assert_null(suggest_nearest("zzzzzz", words, WORDS));
	assert_null(suggest_nearest("", words, WORDS));
	assert_null(suggest_nearest("x", words, 0));
}

static void test_text(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(suggest_text("map-locl", words, WORDS, text, sizeof(text)),
			    " (did you mean map-local?)");
	assert_string_equal(suggest_text("qqq", words, WORDS, text, sizeof(text)), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_long_words_stay_in_bounds),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
