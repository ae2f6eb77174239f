/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock_order_test.c - the rank checker reports what it must, by name and site, and nothing else.
 *
 * Builds without the checker would leave nothing to test: there this file compiles it in itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#if !defined(LOCK_CHECK) || !LOCK_CHECK
#undef LOCK_CHECK
#define LOCK_CHECK 1
#include "engine/lock_order.c"
#endif

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/lock_order.h"

static jmp_buf failed;
static char message[512];

static void catch_failure(const char *text)
{
	snprintf(message, sizeof(message), "%s", text);
	longjmp(failed, 1);
}

/* Runs the statement; its complaint must contain both words. */
#define assert_fails(statement, word1, word2)                                             \
	do {                                                                              \
		message[0] = '\0';                                                        \
		if (!setjmp(failed)) {                                                    \
			statement;                                                        \
			fail_msg("no complaint from %s", #statement);                     \
		}                                                                         \
		if (!strstr(message, word1) || !strstr(message, word2))                   \
			fail_msg("\"%s\" lacks \"%s\" or \"%s\"", message, word1, word2); \
	} while (0)

static int set_up(void **state)
{
	(void)state;
	mm_fail_set_hook(catch_failure);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mm_fail_set_hook(NULL);
	return lock_rank_held() == 0 ? 0 : -1;
}

static struct lock_key key(uint64_t major, uint64_t minor)
{
	return (struct lock_key){ major, minor };
}

static void ascending_ranks_are_accepted(void **state)
{
	(void)state;
	for (int r = 0; r < RANK_COUNT; r++)
		lock_rank_push((enum lock_rank)r, key(0, 1000 - (uint64_t)r), "here:1");
	assert_int_equal(lock_rank_held(), RANK_COUNT);
	/* Released in an order that is neither that of acquisition nor its reverse. */
	for (int r = 0; r < RANK_COUNT; r += 2)
		lock_rank_pop((enum lock_rank)r, key(0, 1000 - (uint64_t)r), "here:2");
	for (int r = 1; r < RANK_COUNT; r += 2)
		lock_rank_pop((enum lock_rank)r, key(0, 1000 - (uint64_t)r), "here:3");
	assert_int_equal(lock_rank_held(), 0);
}

static void each_outer_rank_inside_an_inner_one_is_reported(void **state)
{
	static const char *const name[] = { "object", "metadata", "mapping", "rmap",  "entry",
					    "data",   "platform", "arena",   "block", "leaf" };

	(void)state;
	for (volatile int inner = 1; inner < RANK_COUNT; inner++) {
		lock_rank_push((enum lock_rank)inner, key(7, 8), "inner.c:11");
		for (volatile int outer = 0; outer < inner; outer++) {
			char words[64];

			snprintf(words, sizeof(words), "taking %s (9, 0xa) at outer.c:22",
				 name[outer]);
			assert_fails(lock_rank_push((enum lock_rank)outer, key(9, 10),
						    "outer.c:22"),
				     words, name[inner]);
			assert_non_null(strstr(message, "(7, 0x8) taken at inner.c:11"));
			assert_int_equal(lock_rank_held(), 1);
		}
		lock_rank_pop((enum lock_rank)inner, key(7, 8), "inner.c:12");
	}
}

static void keys_ascend_inside_a_rank(void **state)
{
	(void)state;
	lock_rank_push(RANK_ENTRY, key(2, 0x5000), "a:1");
	lock_rank_push(RANK_ENTRY, key(2, 0x6000), "a:2");
	assert_fails(lock_rank_push(RANK_ENTRY, key(2, 0x5800), "a:3"), "at a:3", "taken at a:2");
	assert_fails(lock_rank_push(RANK_ENTRY, key(2, 0x6000), "a:4"), "at a:4", "taken at a:2");
	assert_fails(lock_rank_push(RANK_ENTRY, key(1, 0x9000), "a:5"), "at a:5", "taken at a:2");
	lock_rank_push(RANK_ENTRY, key(3, 0x1000), "a:6"); /* a younger space, a lower address */
	lock_rank_pop(RANK_ENTRY, key(2, 0x5000), "a:7");
	lock_rank_pop(RANK_ENTRY, key(2, 0x6000), "a:8");
	lock_rank_pop(RANK_ENTRY, key(3, 0x1000), "a:9");
}

static void every_held_lock_counts_not_only_the_last(void **state)
{
	(void)state;
	lock_rank_push(RANK_DATA, key(0, 1), "b:1");
	lock_rank_push_tried(RANK_RMAP, key(0, 2), "b:2");
	assert_fails(lock_rank_push(RANK_ENTRY, key(0, 3), "b:3"), "at b:3",
		     "data (0, 0x1) taken at b:1");
	lock_rank_pop(RANK_DATA, key(0, 1), "b:4");
	lock_rank_push(RANK_ENTRY, key(0, 3), "b:5");
	lock_rank_pop(RANK_ENTRY, key(0, 3), "b:6");
	lock_rank_pop(RANK_RMAP, key(0, 2), "b:7");
}

static void try_locks_are_exempt_but_held(void **state)
{
	(void)state;
	lock_rank_push(RANK_ENTRY, key(1, 0x5000), "c:1");
	lock_rank_push_tried(RANK_ENTRY, key(1, 0x4000), "c:2");
	lock_rank_push_tried(RANK_ENTRY, key(1, 0x7000), "c:3");
	assert_int_equal(lock_rank_held(), 3);
	assert_fails(lock_rank_push(RANK_ENTRY, key(1, 0x6000), "c:4"), "at c:4", "taken at c:3");
	lock_rank_pop(RANK_ENTRY, key(1, 0x5000), "c:5");
	lock_rank_pop(RANK_ENTRY, key(1, 0x7000), "c:6");
	lock_rank_pop(RANK_ENTRY, key(1, 0x4000), "c:7");
}

static void nothing_is_taken_inside_a_leaf(void **state)
{
	(void)state;
	lock_rank_push(RANK_LEAF, key(0, 1), "d:1");
	assert_fails(lock_rank_push(RANK_LEAF, key(0, 2), "d:2"), "taking leaf (0, 0x2) at d:2",
		     "leaf (0, 0x1) taken at d:1");
	lock_rank_pop(RANK_LEAF, key(0, 1), "d:3");
}

static void releasing_what_is_not_held_is_reported(void **state)
{
	(void)state;
	assert_fails(lock_rank_pop(RANK_DATA, key(0, 1), "e:1"), "releasing data (0, 0x1) at e:1",
		     "not held");
	lock_rank_push(RANK_DATA, key(0, 1), "e:2");
	assert_fails(lock_rank_pop(RANK_DATA, key(0, 2), "e:3"), "at e:3", "data taken at e:2");
	assert_fails(lock_rank_pop(RANK_RMAP, key(0, 1), "e:4"), "rmap", "at e:4");
	lock_rank_pop(RANK_DATA, key(0, 1), "e:5");
}

static void innermost_is_the_highest_rank(void **state)
{
	const char *site = NULL;

	(void)state;
	assert_null(lock_rank_innermost(&site));
	assert_string_equal(site, "");
	lock_assert_none();
	lock_rank_push(RANK_ARENA, key(1, 0), "f:1");
	lock_rank_push_tried(RANK_OBJECT, key(0, 9), "f:2");
	assert_string_equal(lock_rank_innermost(&site), "arena");
	assert_string_equal(site, "f:1");
	assert_fails(lock_rank_assert_none("f:3"), "2 locks held at f:3",
		     "arena (1, 0x0) taken at f:1");
	assert_fails(lock_assert_none(), "lock_order.h:", "f:1");
	lock_rank_pop(RANK_ARENA, key(1, 0), "f:4");
	lock_rank_pop(RANK_OBJECT, key(0, 9), "f:5");
}

static void two_entry_sets_fit_and_overflow_is_reported(void **state)
{
	volatile uint64_t n = 0; /* lives across longjmp */

	(void)state;
	for (; n < 1100; n++)
		lock_rank_push(RANK_ENTRY, key(1, n << 12), "g:1");
	assert_int_equal(lock_rank_held(), 1100);
	message[0] = '\0';
	if (!setjmp(failed)) {
		while (n < 1000000) {
			lock_rank_push(RANK_ENTRY, key(1, n << 12), "g:2");
			n++;
		}
	}
	assert_non_null(strstr(message, "locks held, taking entry"));
	n = lock_rank_held();
	for (uint64_t i = 0; i < n; i++)
		lock_rank_pop(RANK_ENTRY, key(1, i << 12), "g:3");
}

static void by_default_a_wrong_order_aborts_and_says_why(void **state)
{
	int output[2], status = 0;
	char text[512];
	ssize_t n, total = 0;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(output), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		dup2(output[1], STDERR_FILENO);
		mm_fail_set_hook(NULL);
		lock_rank_push(RANK_DATA, key(0, 0xd), "data.c:1");
		lock_rank_push(RANK_RMAP, key(0, 0xe), "rmap.c:2");
		_exit(0);
	}
	close(output[1]);
	while ((n = read(output[0], text + total, sizeof(text) - 1 - (size_t)total)) > 0)
		total += n;
	text[total] = '\0';
	close(output[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "taking rmap (0, 0xe) at rmap.c:2"));
	assert_non_null(strstr(text, "data (0, 0xd) taken at data.c:1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ascending_ranks_are_accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_outer_rank_inside_an_inner_one_is_reported,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(keys_ascend_inside_a_rank, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_held_lock_counts_not_only_the_last, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(try_locks_are_exempt_but_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_taken_inside_a_leaf, set_up, tear_down),
		cmocka_unit_test_setup_teardown(releasing_what_is_not_held_is_reported, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(innermost_is_the_highest_rank, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_entry_sets_fit_and_overflow_is_reported, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(by_default_a_wrong_order_aborts_and_says_why,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
