/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_object_test.c - what every mappable has: references and its end, names, mappings that
 * may be written, locks against invalidation, and invalidating in steps.
 */
#include "engine/mappable_object.h"
#include "tests/unit/toy_space.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/test_points.h"

static struct mappable_object o;
static unsigned destroyed;

static void note_destroyed(struct mappable_object *dead) NO_TSA
{
	assert_ptr_equal(dead, &o);
	assert_int_equal(lock_rank_held(), 0);
	mappable_object_release(dead);
	destroyed++;
}

static const struct mappable_ops ops = {
	.add_mapping = mappable_object_add_mapping,
	.remove_mapping = mappable_object_remove_mapping,
	.copy_mapping = mappable_object_copy_mapping,
	.invalidate_unsavable = mappable_object_invalidate_nothing,
	.lock_mappings = mappable_object_lock_mappings,
	.unlock_mappings = mappable_object_unlock_mappings,
	.visit_mappings = mappable_object_visit_mappings,
};

static const struct mapping_identity_ops identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
	.mapped_name = mappable_object_mapped_name,
	.device_id = mappable_object_device_id,
	.inode_id = mappable_object_inode_id,
	.msync = mappable_object_msync_nothing,
};

static int setup_object(void **state)
{
	destroyed = 0;
	if (setup(state))
		return -1;
	return mappable_object_init(&o, &ops, &identity_ops, note_destroyed, "an object");
}

static int teardown_object(void **state) NO_TSA
{
	mapping_identity_dec_ref(&o.identity);
	assert_int_equal(destroyed, 1);
	return teardown(state);
}

static void test_references(void **state) NO_TSA
{
	(void)state;
	mapping_identity_inc_ref(&o.identity);
	mapping_identity_inc_ref(&o.identity);
	mapping_identity_dec_ref(&o.identity);
	mapping_identity_dec_ref(&o.identity);
	assert_int_equal(destroyed, 0);
}

static void test_names(void **state) NO_TSA
{
	struct mappable_object other;
	char long_name[2 * MAPPABLE_NAME_SIZE], name[2 * MAPPABLE_NAME_SIZE];

	(void)state;
	mapping_identity_mapped_name(&o.identity, name, sizeof(name));
	assert_string_equal(name, "an object");
	mapping_identity_mapped_name(&o.identity, name, 4);
	assert_string_equal(name, "an ");
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	assert_int_equal(
		mappable_object_init(&other, &ops, &identity_ops, note_destroyed, long_name), 0);
	mapping_identity_mapped_name(&other.identity, name, sizeof(name));
	assert_int_equal(strlen(name), MAPPABLE_NAME_SIZE - 1);
	assert_int_equal(mapping_identity_device_id(&o.identity),
			 mapping_identity_device_id(&other.identity));
	assert_int_not_equal(mapping_identity_inode_id(&o.identity),
			     mapping_identity_inode_id(&other.identity));
	assert_int_equal(mapping_identity_msync(&o.identity, (struct mappable_range){ 0, PAGE }),
			 0);
	mappable_object_release(&other);
}

static size_t writable(void) NO_TSA
{
	size_t n;

	mappable_object_lock_rmap(&o, MAPPABLE_ALL, LOCK_SITE);
	n = mappable_object_mapping_count(&o, true);
	mappable_object_unlock_rmap(&o, MAPPABLE_ALL, LOCK_SITE);
	return n;
}

static void test_writable_mappings_are_counted(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	struct addr_range half = { BASE + PAGE, BASE + 2 * PAGE };
	struct addr_range far = { BASE + 9999 * PAGE, BASE + 10000 * PAGE };

	(void)state;
	assert_int_equal(writable(), 0);
	assert_int_equal(toy_map(s, &o.mappable, false), 0);
	assert_int_equal(writable(), 0);
	assert_int_equal(mappable_add_mapping(&o.mappable, &s->space, half, PAGE, true), 0);
	assert_int_equal(mappable_add_mapping(&o.mappable, &s->space, half, PAGE, true), 0);
	assert_int_equal(writable(), 1); /* a set: twice is once */
	assert_int_equal(mappable_copy_mapping(&o.mappable, &s->space, half, far, PAGE, true), 0);
	assert_int_equal(writable(), 2);
	mappable_remove_mapping(&o.mappable, &s->space, half, PAGE, true);
	mappable_remove_mapping(&o.mappable, &s->space, far, PAGE, true);
	assert_int_equal(writable(), 0);
	toy_unmap(s, &o.mappable, false);
	free(s);
}

/* Each 2 MiB of offsets under an rmap hold of its own; clipped to what was asked. */
static void test_invalidate_in_steps(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	struct invalidate_opts opts = { .invalidate_private = true };

	(void)state;
	assert_int_equal(toy_map(s, &o.mappable, true), 0);
	mappable_object_invalidate(&o, (struct mappable_range){ PAGE, PAGE }, opts);
	assert_int_equal(s->invalidations, 0);
	mappable_object_invalidate(&o, (struct mappable_range){ PAGE, 3 * MM_HUGE_SIZE }, opts);
	assert_int_equal(s->invalidations, 3);
	assert_true(s->saw_private);
	assert_int_equal(mappable_step_end(PAGE, UINT64_MAX), MM_HUGE_SIZE);
	assert_int_equal(mappable_step_end(MM_HUGE_SIZE, MM_HUGE_SIZE + 1), MM_HUGE_SIZE + 1);
	assert_true(mappable_step_end(UINT64_MAX - 5, UINT64_MAX) == UINT64_MAX);
	toy_unmap(s, &o.mappable, true);
	free(s);
}

/* ---- the lock that mremap holds ---- */

static struct toy_space *locked_space;
static _Atomic bool invalidated, started;

static void *invalidate_all(void *arg) NO_TSA
{
	(void)arg;
	atomic_store(&started, true);
	mappable_object_invalidate(&o, (struct mappable_range){ 0, PAGES * PAGE },
				   (struct invalidate_opts){ false });
	atomic_store(&invalidated, true);
	return NULL;
}

static void test_locked_mappings_are_not_invalidated(void **state) NO_TSA
{
	pthread_t thread;

	(void)state;
	locked_space = toy_create(1);
	atomic_store(&invalidated, false);
	atomic_store(&started, false);
	assert_int_equal(toy_map(locked_space, &o.mappable, true), 0);
	mappable_lock_mappings(&o.mappable, MAPPABLE_ALL);
	assert_int_equal(pthread_create(&thread, NULL, invalidate_all, NULL), 0);
	while (!atomic_load(&started))
		sched_yield();
	for (int i = 0; i < 1000; i++)
		sched_yield();
	assert_false(atomic_load(&invalidated));
	toy_lock(locked_space); /* entries are taken inside, as mremap does */
	assert_int_equal(locked_space->invalidations, 0);
	toy_unlock(locked_space);
	mappable_unlock_mappings(&o.mappable, MAPPABLE_ALL);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&invalidated));
	assert_int_equal(locked_space->invalidations, PAGES * PAGE / MM_HUGE_SIZE);
	toy_unmap(locked_space, &o.mappable, true);
	free(locked_space);
}

static jmp_buf caught;
static char caught_text[512];

static void catch (const char *text)
{
	snprintf(caught_text, sizeof(caught_text), "%s", text);
	longjmp(caught, 1);
}

static void test_a_lost_mapping_is_reported(void **state) NO_TSA
{
	struct toy_space *s = toy_create(1);
	mm_fail_hook old;

	(void)state;
	assert_int_equal(toy_map(s, &o.mappable, true), 0);
	old = mm_fail_set_hook(catch);
	caught_text[0] = 0;
	if (!setjmp(caught))
		mappable_object_release(&o);
	mm_fail_set_hook(old);
	assert_non_null(strstr(caught_text, "\"an object\" lost its last reference"));
	toy_unmap(s, &o.mappable, true);
	free(s);
}

static void test_no_memory(void **state)
{
	struct mappable_object other;

	(void)state;
	if (!mm_test_points_enabled())
		skip();
	mm_inject_arm(INJECT_MEMORY, 1, 1);
	assert_int_equal(mappable_object_init(&other, &ops, &identity_ops, note_destroyed, "x"),
			 -ENOMEM);
	mm_inject_disarm(INJECT_MEMORY, NULL);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_object, teardown_object)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_references),
		TEST(test_names),
		TEST(test_writable_mappings_are_counted),
		TEST(test_invalidate_in_steps),
		TEST(test_locked_mappings_are_not_invalidated),
		TEST(test_a_lost_mapping_is_reported),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
