/* SPDX-License-Identifier: Apache-2.0 */
/*
 * placement_test.c - plans on imagined machines, the wording of mistakes, pinning, memory policy.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "harness/memory_policy.h"
#include "harness/placement.h"

#define MACHINE "pack:2 numa:1 l3:2 core:4 pu:2" /* OS numbers are logical ones: 0..31 */
#define CPUS_MAX 512

static struct topology load(const char *source)
{
	struct topology t;
	char why[256] = "";

	if (topology_load(&t, source, why, sizeof(why)))
		fail_msg("%s", why);
	return t;
}

/* Checks the plan of `spec` for as many threads as there are expected CPUs. */
static void expect(const struct topology *t, const char *spec, const unsigned *expected,
		   unsigned count)
{
	unsigned cpus[CPUS_MAX];
	char why[256] = "";
	bool wrapped;

	assert_int_equal(placement_plan(t, spec, count, cpus, &wrapped, why, sizeof(why)), 0);
	assert_false(wrapped);
	assert_string_equal(why, "");
	assert_int_equal(placement_check(spec, NULL, 0), 0);
	for (unsigned i = 0; i < count; i++)
		if (cpus[i] != expected[i])
			fail_msg("%s: thread %u on CPU %u, not %u", spec, i, cpus[i], expected[i]);
}

static void words_order_a_numa_machine(void **state)
{
	static const unsigned compact[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
	static const unsigned scatter[] = { 0,	16, 8,	24, 2,	18, 10, 26, 4,	20, 12,
					    28, 6,  22, 14, 30, 1,  17, 9,  25, 3 };
	static const unsigned cores[] = { 0,  2,  4,  6,  8,  10, 12, 14, 16,
					  18, 20, 22, 24, 26, 28, 30, 1,  3 };
	static const unsigned node[] = { 16, 18, 20, 22, 24, 26, 28, 30, 17, 19, 21, 23 };
	static const unsigned list[] = { 7, 0, 3, 4, 5 };
	struct topology t = load(MACHINE);

	(void)state;
	expect(&t, "compact", compact, 12);
	expect(&t, "scatter", scatter, 21);
	expect(&t, "cores", cores, 18);
	expect(&t, "node:1", node, 12);
	expect(&t, "cpus:7,0,3-5", list, 5);
	expect(&t, "cpus:7,0,3-5", list, 2);
	topology_release(&t);
}

static void every_word_uses_every_cpu_once(void **state)
{
	static const char *const machines[] = { "pack:8 core:16 pu:2", MACHINE, "pu:1",
						"numa:4 core:3 pu:4",
						"pack:1 l3:3 l2:2 core:2 pu:1" };
	static const char *const words[] = { "compact", "scatter", "cores" };

	(void)state;
	for (unsigned m = 0; m < sizeof(machines) / sizeof(machines[0]); m++) {
		struct topology t = load(machines[m]);

		for (unsigned w = 0; w < 3; w++) {
			unsigned cpus[CPUS_MAX], seen[CPUS_MAX] = { 0 };
			bool wrapped;

			assert_int_equal(placement_plan(&t, words[w], t.pu_count, cpus, &wrapped,
							NULL, 0),
					 0);
			assert_false(wrapped);
			for (unsigned i = 0; i < t.pu_count; i++) {
				assert_non_null(topology_find(&t, cpus[i]));
				assert_int_equal(seen[cpus[i]]++, 0);
			}
		}
		topology_release(&t);
	}
}

static void scatter_takes_packages_before_siblings(void **state)
{
	struct topology t = load("pack:8 core:16 pu:2");
	unsigned cpus[256];
	bool wrapped;

	(void)state;
	assert_int_equal(placement_plan(&t, "scatter", 256, cpus, &wrapped, NULL, 0), 0);
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(topology_find(&t, cpus[i])->package, i % 8);
		assert_int_equal(topology_find(&t, cpus[i])->smt, i / 128);
	}
	topology_release(&t);
}

static void more_threads_than_cpus_start_again(void **state)
{
	struct topology t = load("core:2 pu:2");
	unsigned cpus[9];
	char why[256] = "";
	bool wrapped;

	(void)state;
	assert_int_equal(placement_plan(&t, "cores", 9, cpus, &wrapped, why, sizeof(why)), 0);
	assert_true(wrapped);
	assert_non_null(strstr(why, "9 threads share 4 CPUs"));
	for (unsigned i = 4; i < 9; i++)
		assert_int_equal(cpus[i], cpus[i - 4]);
	topology_release(&t);
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *spec;
		int rc;
		const char *says;
	} mistakes[] = {
		{ "compct", -EINVAL, "compact" },
		{ "scater", -EINVAL, "did you mean scatter?" },
		{ "nodes:1", -EINVAL, "did you mean node" },
		{ "", -EINVAL, "known: compact" },
		{ "node:", -EINVAL, "memory node" },
		{ "node:1x", -EINVAL, "memory node" },
		{ "node:-1", -EINVAL, "memory node" },
		{ "node:2", -ENODEV, "no memory node 2" },
		{ "cpus:", -EINVAL, "not a list" },
		{ "cpus:1,", -EINVAL, "not a list" },
		{ "cpus:,1", -EINVAL, "not a list" },
		{ "cpus:3-1", -EINVAL, "not a list" },
		{ "cpus:1-", -EINVAL, "not a list" },
		{ "cpus:1;2", -EINVAL, "not a list" },
		{ "cpus:99999999999999999999", -EINVAL, "not a list" },
		{ "cpus:0-60000", -EINVAL, "more than" },
		{ "cpus:0,32", -ENODEV, "CPU 32" },
	};
	struct topology t = load(MACHINE);

	(void)state;
	for (unsigned i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		unsigned cpus[4];
		char why[256] = "";
		bool wrapped;

		assert_int_equal(placement_plan(&t, mistakes[i].spec, 4, cpus, &wrapped, why,
						sizeof(why)),
				 mistakes[i].rc);
		if (!strstr(why, mistakes[i].says))
			fail_msg("%s: %s", mistakes[i].spec, why);
		assert_int_equal(placement_check(mistakes[i].spec, why, sizeof(why)),
				 mistakes[i].rc == -EINVAL ? -EINVAL : 0);
	}
	topology_release(&t);
}

static void pinning_is_verified(void **state)
{
	struct topology t = load(NULL);
	cpu_set_t before;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (unsigned i = 0; i < t.pu_count; i++) {
		cpu_set_t now;

		assert_int_equal(placement_pin(t.pus[i].os), 0);
		assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
		assert_int_equal(CPU_COUNT(&now), 1);
		assert_true(CPU_ISSET(t.pus[i].os, &now));
		assert_int_equal(sched_getcpu(), t.pus[i].os);
	}
	assert_int_equal(placement_pin(60000), -EINVAL);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	topology_release(&t);
}

static void memory_policies_are_read(void **state)
{
	static const struct {
		const char *spec;
		int rc;
		enum memory_policy_kind kind;
		int node, node_of_cpu_1;
		const char *says;
	} policies[] = {
		{ "local", 0, MEMORY_POLICY_LOCAL, -1, 1, "" },
		{ "interleave", 0, MEMORY_POLICY_INTERLEAVE, -1, -1, "" },
		{ "bind:0", 0, MEMORY_POLICY_BIND, 0, 0, "" },
		{ "preferred:1", 0, MEMORY_POLICY_PREFERRED, 1, 1, "" },
		{ "weighted", 0, MEMORY_POLICY_WEIGHTED, -1, -1, "" },
		{ "weighted:0=3,1=1", 0, MEMORY_POLICY_WEIGHTED, -1, -1, "" },
		{ "weighted:0=3,2=1", -ENODEV, 0, 0, 0, "no memory node 2" },
		{ "weighted:0=0", -EINVAL, 0, 0, 0, "1 to 255" },
		{ "weighted:0=256", -EINVAL, 0, 0, 0, "1 to 255" },
		{ "weighted:0=-1", -EINVAL, 0, 0, 0, "1 to 255" },
		{ "weighted:0", -EINVAL, 0, 0, 0, "1 to 255" },
		{ "weighted:0=1,", -EINVAL, 0, 0, 0, "1 to 255" },
		{ "weighted:", -EINVAL, 0, 0, 0, "did you mean weighted?" },
		{ "bind:2", -ENODEV, 0, 0, 0, "no memory node 2" },
		{ "bind:", -EINVAL, 0, 0, 0, "memory node" },
		{ "bind:1024", -EINVAL, 0, 0, 0, "memory node" },
		{ "preferred:x", -EINVAL, 0, 0, 0, "memory node" },
		{ "interleaved", -EINVAL, 0, 0, 0, "did you mean interleave?" },
		{ "binds:0", -EINVAL, 0, 0, 0, "did you mean bind?" },
		{ "", -EINVAL, 0, 0, 0, "known: local" },
	};
	struct topology t = load(MACHINE);

	(void)state;
	for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct memory_policy policy;
		char why[256] = "";
		int rc = memory_policy_parse(policies[i].spec, &t, &policy, why, sizeof(why));

		assert_int_equal(rc, policies[i].rc);
		if (!strstr(why, policies[i].says))
			fail_msg("%s: %s", policies[i].spec, why);
		if (rc)
			continue;
		assert_int_equal(policy.kind, policies[i].kind);
		assert_int_equal(policy.node, policies[i].node);
		assert_int_equal(memory_policy_node(&policy, 1), policies[i].node_of_cpu_1);
	}
	topology_release(&t);
}

static void memory_policies_reach_the_kernel(void **state)
{
	static const struct {
		const char *words;
		int mode;
	} policies[] = {
		{ "bind:%d", MPOL_BIND },
		{ "preferred:%d", MPOL_PREFERRED },
		{ "interleave", MPOL_INTERLEAVE },
		{ "local", MPOL_LOCAL },
	};
	struct topology t = load(NULL);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct memory_policy policy;
		char spec[32], why[256] = "";
		unsigned long mask[1024 / 8 / sizeof(unsigned long)] = { 0 };
		int mode = -1, rc;

		snprintf(spec, sizeof(spec), policies[i].words, t.node_os[0]);
		assert_int_equal(memory_policy_parse(spec, &t, &policy, NULL, 0), 0);
		rc = memory_policy_apply(&policy, &t, why, sizeof(why));
		if (rc == -ENOSYS || rc == -EPERM) {
			assert_non_null(strstr(why, "memory policy"));
			topology_release(&t);
			skip(); /* this container forbids it */
		}
		assert_int_equal(rc, 0);
		assert_int_equal(get_mempolicy(&mode, mask, 1024, NULL, 0), 0);
		assert_int_equal(mode, policies[i].mode);
		if (policy.node >= 0)
			assert_true(mask[0] == 1ul << policy.node);
	}
	topology_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_order_a_numa_machine),
		cmocka_unit_test(every_word_uses_every_cpu_once),
		cmocka_unit_test(scatter_takes_packages_before_siblings),
		cmocka_unit_test(more_threads_than_cpus_start_again),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(pinning_is_verified),
		cmocka_unit_test(memory_policies_are_read),
		cmocka_unit_test(memory_policies_reach_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
