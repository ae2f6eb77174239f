/* SPDX-License-Identifier: Apache-2.0 */
/* fail_test.c - the failure hook: text, replacement, and that it never returns. */
#include "engine/fail.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf caught;
static char caught_text[1024];

static void catch (const char *text)
{
	snprintf(caught_text, sizeof(caught_text), "%s", text);
	longjmp(caught, 1);
}

static void return_anyway(const char *text)
{
	(void)text;
}

static void test_hook_gets_the_text(void **state)
{
	(void)state;
	mm_fail_hook old = mm_fail_set_hook(catch);

	if (!setjmp(caught))
		mm_fail("lock %s of %d", "entry", 7);
	assert_string_equal(caught_text, "lock entry of 7");
	assert_ptr_equal(mm_fail_set_hook(old), catch);
}

static void test_long_text_is_cut(void **state)
{
	char filler[600];

	(void)state;
	memset(filler, 'x', sizeof(filler));
	filler[sizeof(filler) - 1] = 0;
	mm_fail_hook old = mm_fail_set_hook(catch);

	if (!setjmp(caught))
		mm_fail("%s", filler);
	mm_fail_set_hook(old);
	assert_int_equal(strlen(caught_text), 511);
}

static void test_check_names_the_condition(void **state)
{
	volatile int pages = 3;

	(void)state;
	mm_fail_hook old = mm_fail_set_hook(catch);

	caught_text[0] = 0;
	if (!setjmp(caught))
		MM_CHECK(pages == 3);
	assert_string_equal(caught_text, "");
	if (!setjmp(caught))
		MM_CHECK(pages == 4);
	mm_fail_set_hook(old);
	assert_non_null(strstr(caught_text, "pages == 4"));
	assert_non_null(strstr(caught_text, "fail_test.c"));
}

/* Runs mm_fail in a child with its stderr in a pipe; returns the wait status. */
static int fail_in_child(mm_fail_hook hook, char *text, size_t size)
{
	int ends[2];
	int status;
	ssize_t length;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		/* no handlers of a test runner or sanitizer between abort and the status */
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		mm_fail_set_hook(hook);
		mm_fail("page %d is lost", 12);
	}
	close(ends[1]);
	length = read(ends[0], text, size - 1);
	text[length > 0 ? length : 0] = 0;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void test_default_prints_and_aborts(void **state)
{
	char text[256];
	int status = fail_in_child(NULL, text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "page 12 is lost\n"));
}

static void test_a_returning_hook_aborts(void **state)
{
	char text[256];
	int status = fail_in_child(return_anyway, text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hook_gets_the_text),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_check_names_the_condition),
		cmocka_unit_test(test_default_prints_and_aborts),
		cmocka_unit_test(test_a_returning_hook_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
