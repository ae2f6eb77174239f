/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappable_mappings_test.c - the sharded reverse map: random mappings, narrow and wide, against an
 * array of who maps what; what has nothing to do with each other does not wait; and references of
 * mappings around the end of the last owner.
 */
#include "engine/mappable_object.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "engine/test_points.h"

#define HUGE MM_HUGE_SIZE
#define UNIT (HUGE / 4) /* offsets in which the model thinks */
#define UNITS (4 * 24)
#define SPACES 40
#define BASES 2
#define BASE(base) ((uint64_t)(1 + (base)) << 40)

static struct mappable_object o;
static _Atomic unsigned destroyed;

static void note_destroyed(struct mappable_object *dead) NO_TSA
{
	mappable_object_release(dead);
	atomic_fetch_add(&destroyed, 1);
}

static const struct mappable_ops ops = {
	.add_mapping = mappable_object_add_mapping,
	.remove_mapping = mappable_object_remove_mapping,
	.visit_mappings = mappable_object_visit_mappings,
};

static const struct mapping_identity_ops identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
};

/* ---- what the set tells ---- */

/* How often each unit is mapped: of a model, of a visit, or of calls of an invalidation. */
struct cover {
	unsigned char times[SPACES][BASES][2][UNITS];
};

static struct cover model, seen;
static struct {
	uint64_t space_id, block, address;
} last;
static unsigned calls;

static void cover_add(struct cover *c, uint64_t space_id, uint64_t address, uint64_t bytes,
		      bool writable)
{
	uint64_t base = (address >> 40) - 1;

	for (uint64_t unit = (address - BASE(base)) / UNIT; bytes; bytes -= UNIT, unit++)
		c->times[space_id - 1][base][writable][unit]++;
}

static void see(struct mappable_range mr, struct mapping_space *ms, struct addr_range ar,
		bool writable, void *arg)
{
	assert_int_equal(mr.end - mr.start, ar.end - ar.start);
	cover_add(arg, ms->id, ar.start, ar.end - ar.start, writable);
}

/* An invalidation goes by blocks, in a block by space and address. */
static void note_call(struct mapping_space *ms, struct addr_range ar, struct invalidate_opts opts)
{
	uint64_t block = (ar.start & ((UINT64_C(1) << 40) - 1)) / HUGE;

	(void)opts;
	assert_true(block > last.block || ms->id > last.space_id ||
		    (ms->id == last.space_id && ar.start >= last.address));
	assert_true(block >= last.block);
	last.block = block;
	last.space_id = ms->id;
	last.address = ar.start;
	calls++;
	cover_add(&seen, ms->id, ar.start, ar.end - ar.start, false);
}

static const struct mapping_space_ops space_ops = { .invalidate = note_call };
static struct mapping_space spaces[SPACES];

static void compare_visit(void) NO_TSA
{
	bool any = false;
	bool writable = false;

	memset(&seen, 0, sizeof(seen));
	mappable_visit_mappings(&o.mappable, see, &seen);
	assert_memory_equal(&seen, &model, sizeof(seen));
	for (unsigned s = 0; s < SPACES; s++)
		for (unsigned b = 0; b < BASES; b++)
			for (unsigned u = 0; u < UNITS; u++) {
				any |= model.times[s][b][0][u] || model.times[s][b][1][u];
				writable |= model.times[s][b][1][u];
			}
	mappable_object_lock_rmap(&o, MAPPABLE_ALL, LOCK_SITE);
	assert_int_equal(mappable_object_mapping_count(&o, false) != 0, any);
	assert_int_equal(mappable_object_mapping_count(&o, true) != 0, writable);
	mappable_object_unlock_rmap(&o, MAPPABLE_ALL, LOCK_SITE);
}

static void compare_calls(uint64_t first, uint64_t units) NO_TSA
{
	struct mappable_range mr = { first * UNIT, (first + units) * UNIT };

	memset(&seen, 0, sizeof(seen));
	memset(&last, 0, sizeof(last));
	mappable_object_invalidate(&o, mr, (struct invalidate_opts){ false });
	for (unsigned s = 0; s < SPACES; s++)
		for (unsigned b = 0; b < BASES; b++)
			for (unsigned u = 0; u < UNITS; u++) {
				bool inside = u >= first && u < first + units;

				assert_int_equal(seen.times[s][b][0][u],
						 inside ? model.times[s][b][0][u] +
								  model.times[s][b][1][u]
							: 0);
			}
}

static int change(bool add, unsigned space, unsigned base, uint64_t first, uint64_t units,
		  bool writable) NO_TSA
{
	uint64_t start = BASE(base) + first * UNIT;
	struct addr_range ar = { start, start + units * UNIT };
	int rc = 0;

	if (add)
		rc = mappable_add_mapping(&o.mappable, &spaces[space], ar, first * UNIT, writable);
	else
		mappable_remove_mapping(&o.mappable, &spaces[space], ar, first * UNIT, writable);
	if (!rc)
		memset(&model.times[space][base][writable][first], add, units);
	return rc;
}

static void remove_all(void)
{
	for (unsigned s = 0; s < SPACES; s++)
		for (unsigned b = 0; b < BASES; b++)
			for (unsigned w = 0; w < 2; w++)
				assert_int_equal(change(false, s, b, 0, UNITS, w), 0);
	compare_visit();
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SPACES; i++)
		spaces[i] = (struct mapping_space){ &space_ops, i + 1 };
	memset(&model, 0, sizeof(model));
	atomic_store(&destroyed, 0);
	return mappable_object_init(&o, &ops, &identity_ops, note_destroyed, "an object");
}

static int teardown(void **state) NO_TSA
{
	(void)state;
	mapping_identity_dec_ref(&o.identity);
	assert_int_equal(destroyed, 1);
	return 0;
}

/* ---- tests ---- */

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static void test_model(void **state)
{
	uint64_t random = 7;
	unsigned wide = 0;

	(void)state;
	for (int i = 0; i < 6000; i++) {
		/* a third of what is added is wide; what is removed is of any length */
		uint64_t most = next_random(&random) % 3 ? 6 : UNITS;
		uint64_t first = next_random(&random) % UNITS;
		uint64_t units = 1 + next_random(&random) % most;
		unsigned space = next_random(&random) % 3;
		unsigned base = next_random(&random) % BASES;
		bool writable = next_random(&random) % 2;
		bool add = next_random(&random) % 5 < 2;

		if (units > UNITS - first)
			units = UNITS - first;
		if (next_random(&random) % 8 == 0)
			compare_calls(first, units);
		else
			assert_int_equal(change(add, space, base, first, units, writable), 0);
		if (i % 8 == 0)
			compare_visit();
		wide += o.wide.element_count != 0;
	}
	assert_true(wide > 1000 && wide < 6000);
	remove_all();
}

/* Memory that runs out in an add changes nothing; in a removal from a wide mapping, nothing but
 * that the rest of the block stays wide. */
static void test_no_memory(void **state)
{
	(void)state;
	if (!mm_test_points_enabled())
		skip();
	for (uint64_t k = 1, failed = 1; failed; k++) {
		mm_inject_arm(INJECT_MEMORY, k, 1);
		int rc = change(true, 0, 0, 2, 16, true); /* 5 blocks */

		mm_inject_disarm(INJECT_MEMORY, &failed);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		assert_true(failed || k > 3);
		compare_visit();
	}
	remove_all();
	for (uint64_t k = 1, failed = 1; failed; k++) {
		assert_int_equal(change(true, 0, 0, 0, UNITS, true), 0);
		assert_int_equal(o.wide.element_count, 1);
		mm_inject_arm(INJECT_MEMORY, k, 1);
		assert_int_equal(change(false, 0, 0, 9, 2, true), 0);
		mm_inject_disarm(INJECT_MEMORY, &failed);
		compare_visit();
		remove_all();
	}
}

/* Once a block was cut out of a wide mapping, `wide` is left alone by changes there. */
static void test_a_cut_block_is_narrow(void **state)
{
	(void)state;
	assert_int_equal(change(true, 0, 0, 0, UNITS, true), 0);
	assert_int_equal(o.wide.element_count, 1);
	assert_int_equal(change(false, 0, 0, 41, 1, true), 0); /* of block 10: units 40 to 43 */
	assert_int_equal(o.wide.element_count, 2);
	assert_int_equal(o.shard[10].mappings.element_count, 2);
	mappable_object_lock_rmap(&o, (struct mappable_range){ 0, HUGE }, LOCK_SITE);
	mappable_object_unlock_rmap(&o, (struct mappable_range){ 0, HUGE }, LOCK_SITE);
	assert_int_equal(change(false, 0, 0, 43, 1, true), 0);
	assert_int_equal(change(true, 0, 0, 41, 1, true), 0);
	assert_int_equal(o.wide.element_count, 2);
	assert_int_equal(o.shard[10].mappings.element_count, 1);
	compare_visit();
	remove_all();
}

/* More wide mappings of one place than an invalidation copies: still each of them, in order. */
static void test_many_wide_mappings(void **state)
{
	(void)state;
	assert_true(SPACES > MAPPING_SET_COPIES);
	for (unsigned s = SPACES; s-- > 0;)
		assert_int_equal(change(true, s, s % BASES, s % 5, UNITS - 5, s % 2), 0);
	assert_int_equal(change(true, 20, 0, 40, 1, false), 0);
	calls = 0;
	compare_calls(40, 1);
	assert_int_equal(calls, SPACES + (20 % BASES != 0 || 20 % 2));
	remove_all();
}

/* ---- what waits for whom ---- */

static _Atomic bool finished;
static struct {
	uint64_t first, units;
} job;

static void *change_elsewhere(void *arg)
{
	(void)arg;
	(void)change(true, 1, 0, job.first, job.units, true);
	compare_calls(job.first, 1);
	(void)change(false, 1, 0, job.first, job.units, true);
	atomic_store(&finished, true);
	return NULL;
}

static void join(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	assert_int_equal(pthread_timedjoin_np(thread, NULL, &until), 0);
}

static void test_blocks_do_not_wait_for_each_other(void **state) NO_TSA
{
	struct mappable_range block = { 3 * HUGE, 4 * HUGE };
	pthread_t thread;

	(void)state;
	job.first = 4 * 4; /* the next block, and the one before, with what is between left out */
	job.units = 4;
	mappable_object_lock_rmap(&o, block, LOCK_SITE);
	assert_int_equal(pthread_create(&thread, NULL, change_elsewhere, NULL), 0);
	join(thread);

	atomic_store(&finished, false);
	job.first = 0; /* wide: of every block */
	job.units = UNITS;
	assert_int_equal(pthread_create(&thread, NULL, change_elsewhere, NULL), 0);
	for (int i = 0; i < 1000; i++)
		sched_yield();
	assert_false(atomic_load(&finished));
	mappable_object_unlock_rmap(&o, block, LOCK_SITE);
	join(thread);
	assert_true(atomic_load(&finished));
	compare_visit();
}

/* ---- references ---- */

static void test_mappings_outlive_the_owner(void **state) NO_TSA
{
	(void)state;
	mapping_identity_inc_mapped(&o.identity);
	mapping_identity_inc_ref(&o.identity);
	mapping_identity_inc_mapped(&o.identity);
	mapping_identity_dec_mapped(&o.identity);
	mapping_identity_dec_ref(&o.identity);
	mapping_identity_dec_ref(&o.identity); /* the last owner */
	assert_int_equal(destroyed, 0);
	mapping_identity_inc_mapped(&o.identity);
	mapping_identity_inc_ref(&o.identity); /* an owner again */
	mapping_identity_dec_mapped(&o.identity);
	mapping_identity_dec_mapped(&o.identity);
	assert_int_equal(destroyed, 0);
}

/* The last mapping goes while the last owner has closed the words per CPU but not added them up. */
static void drop_mapped_at(const char *name)
{
	if (strcmp(name, "mappable_closing"))
		return;
	mm_test_point_set_hook(NULL);
	mapping_identity_dec_mapped(&o.identity);
	assert_int_equal(destroyed, 0); /* who closes still has to look at it */
	mapping_identity_inc_mapped(&o.identity); /* by the other mapping */
	mapping_identity_dec_mapped(&o.identity);
	mapping_identity_dec_mapped(&o.identity);
	assert_int_equal(destroyed, 0);
}

static void test_last_mapping_while_closing(void **state) NO_TSA
{
	(void)state;
	if (!mm_test_points_enabled())
		skip();
	mapping_identity_inc_mapped(&o.identity);
	mapping_identity_inc_mapped(&o.identity);
	mm_test_point_set_hook(drop_mapped_at);
	mapping_identity_dec_ref(&o.identity);
	assert_int_equal(destroyed, 1);
	(void)setup(NULL); /* for teardown */
}

static void *map_and_unmap(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++) {
		mapping_identity_inc_mapped(&o.identity);
		mapping_identity_dec_mapped(&o.identity);
	}
	mapping_identity_dec_mapped(&o.identity); /* made by whoever made the thread */
	return NULL;
}

static void test_destroyed_once(void **state) NO_TSA
{
	(void)state;
	for (int round = 0; round < 100; round++) {
		pthread_t thread[3];

		for (int i = 0; i < 3; i++) {
			mapping_identity_inc_mapped(&o.identity);
			assert_int_equal(pthread_create(&thread[i], NULL, map_and_unmap, NULL), 0);
		}
		mapping_identity_dec_ref(&o.identity);
		for (int i = 0; i < 3; i++)
			join(thread[i]);
		assert_int_equal(destroyed, 1);
		assert_int_equal(setup(NULL), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_model),
		TEST(test_no_memory),
		TEST(test_a_cut_block_is_narrow),
		TEST(test_many_wide_mappings),
		TEST(test_blocks_do_not_wait_for_each_other),
		TEST(test_mappings_outlive_the_owner),
		TEST(test_last_mapping_while_closing),
		TEST(test_destroyed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
