/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topology_test.c - this machine, imagined machines, broken sources, distances, export.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/topology.h"

static struct topology load(const char *source)
{
	struct topology t;
	char why[256] = "";

	if (topology_load(&t, source, why, sizeof(why)))
		fail_msg("%s: %s", source ? source : "this machine", why);
	return t;
}

static void this_machine_lists_the_cpus_of_our_mask(void **state)
{
	struct topology t = load(NULL);
	cpu_set_t mask;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(mask), &mask), 0);
	assert_false(t.synthetic);
	assert_int_equal(t.pu_count, CPU_COUNT(&mask));
	for (unsigned i = 0; i < t.pu_count; i++) {
		assert_true(CPU_ISSET(t.pus[i].os, &mask));
		assert_true(topology_has_node(&t, t.pus[i].node_os));
		assert_ptr_equal(topology_find(&t, t.pus[i].os), &t.pus[i]);
	}
	topology_release(&t);
}

static void a_narrower_mask_leaves_fewer_cpus(void **state)
{
	cpu_set_t before, one;
	struct topology t;
	int first = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(first, &before))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	t = load(NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(t.pu_count, 1);
	assert_int_equal(t.pus[0].os, first);
	assert_int_equal(t.core_count, 1);
	topology_release(&t);
}

static void imagined_machine_has_its_objects(void **state)
{
	struct topology t = load("pack:2 numa:1 l3:2 l2:4 core:1 pu:2");

	(void)state;
	assert_true(t.synthetic);
	assert_int_equal(t.pu_count, 32);
	assert_int_equal(t.core_count, 16);
	assert_int_equal(t.l2_count, 16);
	assert_int_equal(t.l3_count, 4);
	assert_int_equal(t.package_count, 2);
	assert_int_equal(t.node_count, 2);
	for (unsigned i = 0; i < 32; i++) {
		const struct topology_pu *pu = &t.pus[i];

		assert_int_equal(pu->core, i / 2);
		assert_int_equal(pu->smt, i % 2);
		assert_int_equal(pu->l2, i / 2);
		assert_int_equal(pu->l3, i / 8);
		assert_int_equal(pu->package, i / 16);
		assert_int_equal(pu->node, i / 16);
		assert_int_equal(pu->node_os, i / 16);
	}
	assert_true(topology_has_node(&t, 1));
	assert_false(topology_has_node(&t, 2));
	assert_null(topology_find(&t, 32));
	topology_release(&t);
}

static void large_and_poor_machines_work(void **state)
{
	struct topology t = load("pack:8 core:16 pu:2");

	(void)state;
	assert_int_equal(t.pu_count, 256);
	assert_int_equal(t.package_count, 8);
	assert_int_equal(t.l3_count, 0);
	assert_int_equal(t.pus[0].l3, -1);
	assert_int_equal(t.pus[0].l2, -1);
	assert_int_equal(t.node_count, 1);
	topology_release(&t);
	t = load("pu:1");
	assert_int_equal(t.pu_count, 1);
	assert_int_equal(t.core_count, 1);
	assert_int_equal(t.package_count, 1);
	assert_int_equal(t.node_count, 1);
	topology_release(&t);
}

static enum topology_distance between(const struct topology *t, unsigned a, unsigned b)
{
	enum topology_distance there = topology_distance(&t->pus[a], &t->pus[b]);

	assert_int_equal(there, topology_distance(&t->pus[b], &t->pus[a]));
	return there;
}

static void distances_follow_what_is_shared(void **state)
{
	static const char *const names[TOPOLOGY_DISTANCE_COUNT] = {
		"same-pu", "smt", "l2", "l3", "package", "other-package",
	};
	struct topology t = load("pack:2 l3:2 l2:2 core:2 pu:2");

	(void)state;
	assert_int_equal(between(&t, 5, 5), TOPOLOGY_SAME_PU);
	assert_int_equal(between(&t, 0, 1), TOPOLOGY_SMT);
	assert_int_equal(between(&t, 0, 2), TOPOLOGY_L2);
	assert_int_equal(between(&t, 0, 4), TOPOLOGY_L3);
	assert_int_equal(between(&t, 0, 8), TOPOLOGY_PACKAGE);
	assert_int_equal(between(&t, 0, 16), TOPOLOGY_OTHER_PACKAGE);
	topology_release(&t);
	t = load("pack:2 core:2 pu:1");
	assert_int_equal(between(&t, 0, 1), TOPOLOGY_PACKAGE);
	assert_int_equal(between(&t, 0, 2), TOPOLOGY_OTHER_PACKAGE);
	topology_release(&t);
	for (unsigned i = 0; i < TOPOLOGY_DISTANCE_COUNT; i++)
		assert_string_equal(topology_distance_name((enum topology_distance)i), names[i]);
}

/* A file with that text; the caller unlinks it. */
static void write_temporary(char *name, const char *text)
{
	FILE *file = fdopen(mkstemp(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void broken_sources_are_refused_with_a_sentence(void **state)
{
	char garbage[] = "/tmp/topology_test.XXXXXX", cut[] = "/tmp/topology_test.XXXXXX";
	const char *const sources[] = {
		"pack:",      "pack:0", "core:2 what:3", "",  "/no/such/file.xml",
		"nosuch.xml", "/tmp",	garbage,	 cut,
	};
	struct topology t;

	(void)state;
	write_temporary(garbage, "this is not XML\n");
	write_temporary(cut, "<?xml version=\"1.0\"?>\n<topology version=\"2.0\">\n<object type=");
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		char why[256] = "";

		assert_int_equal(topology_load(&t, sources[i], why, sizeof(why)), -EINVAL);
		assert_true(strlen(why) > 10);
		assert_int_equal(topology_load(&t, sources[i], NULL, 0), -EINVAL);
		topology_release(&t);
	}
	unlink(garbage);
	unlink(cut);
}

static void export_is_loaded_back(void **state)
{
	char name[] = "/tmp/topology_test.XXXXXX";
	struct topology t = load("pack:2 numa:1 l3:2 core:4 pu:2"), back;
	char *text;
	size_t size;

	(void)state;
	close(mkstemp(name));
	assert_int_equal(topology_export(&t, name), 0);
	back = load(name);
	unlink(name);
	assert_true(back.synthetic);
	assert_int_equal(back.pu_count, t.pu_count);
	assert_memory_equal(back.pus, t.pus, t.pu_count * sizeof(*t.pus));
	topology_release(&back);
	assert_int_equal(topology_export_text(&t, &text, &size), 0);
	assert_int_equal(size, strlen(text));
	assert_non_null(strstr(text, "<topology version=\"2."));
	topology_free_text(&t, text);
	assert_true(topology_export(&t, "/no/such/folder/x.xml") < 0);
	topology_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_machine_lists_the_cpus_of_our_mask),
		cmocka_unit_test(a_narrower_mask_leaves_fewer_cpus),
		cmocka_unit_test(imagined_machine_has_its_objects),
		cmocka_unit_test(large_and_poor_machines_work),
		cmocka_unit_test(distances_follow_what_is_shared),
		cmocka_unit_test(broken_sources_are_refused_with_a_sentence),
		cmocka_unit_test(export_is_loaded_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
