/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_play_test.c - what lanes may answer, shown by a good translator that is made to take its
 * time in the middle of a call, or to be wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check_play.h"
#include "harness/translators.h"

#define BOX_NS UINT64_C(2000000000)

/* A list whose lanes come out in one order only: late_fault and the other two see to that. */
static const char list[] =
	"geometry base=16 object-base=0 stride=1 look=0 touch=0 pages=4k rounds=3\n"
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"1: fault space=0 at=10 access=1\n"
	"2: lookup space=0 at=10 access=1\n"
	"2: truncate object=0 cells=10\n";

static const struct translator *good;
static unsigned round_number; /* in the first the lanes run in turn */
static _Atomic bool is_shown, is_cut;
static _Atomic unsigned met; /* how often the lanes did meet */

static bool wait_for(_Atomic bool *what)
{
	uint64_t end = check_now_ns() + BOX_NS;

	while (!atomic_load(what)) {
		if (check_now_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

static int new_space(struct translator_engine *engine, uint64_t bytes,
		     struct translator_space **space)
{
	is_shown = is_cut = false;
	round_number++;
	return good->space_create(engine, bytes, space);
}

static int lookup_when_shown(struct translator_space *space, uint64_t address, uint32_t access,
			     struct translator_translation *out)
{
	if (round_number > 1)
		wait_for(&is_shown);
	return good->lookup(space, address, access, out);
}

static int truncate_said(struct translator_object *object, uint64_t size)
{
	int rc = good->object_truncate(object, size);

	is_cut = true;
	return rc;
}

/* The page is there, seen, and taken away, when the access is made again. */
static int fault_tried_twice(struct translator_space *space, uint64_t address, uint32_t access)
{
	int rc = good->fault(space, address, access);

	if (rc || round_number == 1)
		return rc;
	is_shown = true;
	met += wait_for(&is_cut);
	return good->fault(space, address, access);
}

/* The same, and wrong: nothing says that the page is gone. */
static int fault_not_tried_again(struct translator_space *space, uint64_t address, uint32_t access)
{
	int rc = good->fault(space, address, access);

	if (rc || round_number == 1)
		return rc;
	is_shown = true;
	met += wait_for(&is_cut);
	return -EACCES;
}

static enum check_played play(int (*fault)(struct translator_space *, uint64_t, uint32_t))
{
	struct translator t = *(good = translator_table[0]); /* biglock */
	struct check_play p = { .t = &t, .seed = 1, .deadline_ns = check_now_ns() + 10 * BOX_NS };
	struct check_script *script = calloc(1, sizeof(*script));
	char error[200] = "";
	enum check_played played;

	assert_non_null(script);
	t.space_create = new_space;
	t.lookup = lookup_when_shown;
	t.object_truncate = truncate_said;
	t.fault = fault;
	met = round_number = 0;
	assert_int_equal(check_script_parse(script, list, error, sizeof(error)), 0);
	played = check_play(&p, script);
	if (played != CHECK_PLAYED)
		print_message("%s\n", p.message);
	assert_true(met > 0);
	free(script);
	return played;
}

static void an_access_may_be_tried_twice(void **state)
{
	(void)state;
	assert_int_equal(play(fault_tried_twice), CHECK_PLAYED);
}

/* Last: what parted is left as it is. */
static void but_not_be_wrong(void **state)
{
	(void)state;
	assert_int_equal(play(fault_not_tried_again), CHECK_PARTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_access_may_be_tried_twice),
		cmocka_unit_test(but_not_be_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
