/* SPDX-License-Identifier: Apache-2.0 */
/* job_test.c - job files: sections that inherit, what wins, what is refused and where, job.ini. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/job.h"
#include "harness/plan.h"

static char error[1024];

static int parse(struct job *job, const char *text)
{
	error[0] = '\0';
	return job_parse(job, "a.ini", text, strlen(text), error, sizeof(error));
}

/* The options of `run --job FILE WORDS...`, with FILE holding text. */
static int parsed(struct options *o, const char *text, ...)
{
	char path[] = "/tmp/job_test.XXXXXX",
	     *argv[16] = { (char[]){ "run" }, (char[]){ "--job" } };
	int argc = 3, fd = mkstemp(path), rc;
	va_list list;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	argv[2] = path;
	va_start(list, text);
	while ((argv[argc] = va_arg(list, char *)))
		argc++;
	va_end(list);
	error[0] = '\0';
	rc = options_parse(o, FOR_RUN, argc, argv, error, sizeof(error));
	unlink(path);
	return rc;
}

static void test_sections_inherit(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parsed(&o,
				"; remark\n[run]\nworkload = fault-anon\nseed = 7\nthreads = 1, 2\n"
				"param = region=4m\n\n[huge]\npages = thp , 4k\n"
				"[both]\r\ninherit=huge\n# remark\nworkload=translate,fault-anon\n"
				"param = region=1m,region=2m\n",
				NULL),
			 0);
	assert_int_equal(o.group_count, 2);
	assert_int_equal(o.seed, 7);
	assert_null(o.group);
	assert_string_equal(o.groups[0].group, "huge");
	assert_string_equal(o.groups[0].text[OPTION_THREADS], "1,2");
	assert_string_equal(o.groups[0].text[OPTION_PAGES], "thp,4k");
	assert_string_equal(o.groups[0].text[OPTION_PARAM], "region=4m");
	assert_int_equal(o.groups[0].argument_count, 1);
	assert_string_equal(o.groups[1].text[OPTION_PAGES], "thp,4k");
	/* It says so itself: nothing is added to what it would have inherited. */
	assert_string_equal(o.groups[1].text[OPTION_PARAM], "region=1m,region=2m");
	assert_int_equal(o.groups[1].argument_count, 2);
	assert_string_equal(o.groups[1].arguments[0], "translate");
	assert_int_equal(o.groups[1].seed, 7);
	options_release(&o);
}

static void test_who_wins(void **state)
{
	struct options o;

	(void)state;
	setenv("FAULTLINE_PAGES", "thp", 1);
	setenv("FAULTLINE_REPEAT", "3", 1);
	setenv("FAULTLINE_CLOCK", "monotonic", 1);
	assert_int_equal(parsed(&o,
				"[run]\nworkload = fault-anon\npages = 4k\nrepeat = 4\n"
				"bare = on\n[a]\n[b]\npages = 2m\n",
				"--repeat", "5", "translate", NULL),
			 0);
	unsetenv("FAULTLINE_PAGES");
	unsetenv("FAULTLINE_REPEAT");
	unsetenv("FAULTLINE_CLOCK");
	assert_int_equal(o.repeat, 5);
	assert_true(o.bare);
	assert_string_equal(o.text[OPTION_CLOCK], "monotonic");
	assert_string_equal(o.groups[0].text[OPTION_PAGES], "4k");
	assert_string_equal(o.groups[1].text[OPTION_PAGES], "2m");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(o.groups[i].argument_count, 1);
		assert_string_equal(o.groups[i].arguments[0], "translate");
		assert_int_equal(o.groups[i].seed, o.seed);
	}
	options_release(&o);
}

static void test_values_in_quotes(void **state)
{
	struct options o;
	static const char *const bad[] = { "\"x", "\"x\\y\"", "\"x\" y", "\"" };
	char text[64];
	struct job job;

	(void)state;
	assert_int_equal(parsed(&o, "[run]\nlabel = \" a\\nb\\\\ \\\"c\\\" \"\n", NULL), 0);
	assert_string_equal(o.text[OPTION_LABEL], " a\nb\\ \"c\" ");
	options_release(&o);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[run]\nlabel = %s\n", bad[i]);
		assert_int_equal(parse(&job, text), -EINVAL);
		assert_non_null(strstr(error, "a.ini:2: label"));
		job_release(&job);
	}
}

static void test_what_is_refused_and_where(void **state)
{
	static const struct {
		const char *text, *where, *what;
	} cases[] = {
		{ "", "a.ini:1:", "holds no section" },
		{ "\n; x\n", "a.ini:1:", "holds no section" },
		{ "threads = 1\n", "a.ini:1:", "no section" },
		{ "[run]\nx\n", "a.ini:2:", "neither" },
		{ "[run]\n= x\n", "a.ini:2:", "neither" },
		{ "[run]\n\nthread = 1\n", "a.ini:3:", "did you mean threads?" },
		{ "[run]\njob = x\n", "a.ini:2:", "unknown key" },
		{ "[run]\nbaseline = x\n", "a.ini:2:", "unknown key" },
		{ "[run\n", "a.ini:1:", "[name]" },
		{ "[run] x\n", "a.ini:1:", "[name]" },
		{ "[]\n", "a.ini:1:", "letters" },
		{ "[a b]\n", "a.ini:1:", "letters" },
		{ "[run]\n[a]\n[a]\n", "a.ini:3:", "in line 2" },
		{ "[run]\n[run]\n", "a.ini:2:", "in line 1" },
		{ "[a]\n[run]\n", "a.ini:2:", "comes first" },
		{ "[run]\nrepeat = 1\nrepeat = 1\n", "a.ini:3:", "in line 2" },
		{ "[a]\nseed = 1\n", "a.ini:2:", "whole run" },
		{ "[run]\ninherit = a\n", "a.ini:2:", "inherits nothing" },
		{ "[a]\ninherit = a\n", "a.ini:2:", "no section above" },
		{ "[huge]\n[b]\ninherit = hige\n", "a.ini:3:", "did you mean huge?" },
		{ "[a]\n[b]\ninherit = run\ninherit = a\n", "a.ini:4:", "in line 3" },
		{ "[run]\nworkload = fault-ano\n", "a.ini:2:", "did you mean fault-anon?" },
		{ "[run]\nworkload =\n", "a.ini:2:", "unknown workload" },
	};
	struct job job;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&job, cases[i].text), -EINVAL);
		assert_ptr_equal(strstr(error, cases[i].where), error);
		assert_non_null(strstr(error, cases[i].what));
		job_release(&job);
	}
	assert_int_equal(job_parse(&job, "a.ini", "[run]\n\0\n", 8, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "a.ini:2: a zero byte"));
	job_release(&job);
	assert_int_equal(job_read(&job, "/tmp", error, sizeof(error)), -EINVAL);
	job_release(&job);
	assert_int_equal(job_read(&job, "/dev/null/x", error, sizeof(error)), -EINVAL);
	job_release(&job);
}

static void test_values_are_refused_with_their_line(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parsed(&o, "[run]\n[a]\npages = 4k,3m\n", NULL), -EINVAL);
	assert_non_null(strstr(error, ":3: pages: \"3m\" is unknown"));
	options_release(&o);
	assert_int_equal(parsed(&o, "[run]\nbare = perhaps\n", NULL), -EINVAL);
	assert_non_null(strstr(error, ":2: bare: \"perhaps\" is neither"));
	options_release(&o);
	assert_int_equal(parsed(&o, "[run]\nrepeat = 0\n", NULL), -EINVAL);
	assert_non_null(strstr(error, ":2: repeat: \"0\""));
	options_release(&o);
}

/* Leaves out what is planned only while the machine has huge pages free: other tests take some. */
static void drop_huge(struct plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		if (plan->benchmarks[i].workload->huge_pages)
			plan_benchmark_release(&plan->benchmarks[i]);
		else
			plan->benchmarks[kept++] = plan->benchmarks[i];
	}
	plan->count = kept;
}

/* Plans a job, and again what job_write makes of it: the same benchmarks, times and seed. */
static void check_again(const char *text)
{
	struct options o, again;
	struct topology t;
	struct plan plan, second;
	char *ini;
	size_t size;
	FILE *out;

	assert_int_equal(topology_load(&t, "pack:1 core:4 pu:1", error, sizeof(error)), 0);
	assert_int_equal(parsed(&o, text, NULL), 0);
	assert_int_equal(plan_create(&plan, &o, &t, NULL, error, sizeof(error)), 0);
	out = open_memstream(&ini, &size);
	job_write(&o, &plan, out);
	fclose(out);
	assert_int_equal(parsed(&again, ini, NULL), 0);
	assert_int_equal(plan_create(&second, &again, &t, NULL, error, sizeof(error)), 0);
	drop_huge(&plan);
	drop_huge(&second);
	assert_true(plan.count > 0);
	assert_int_equal(second.count, plan.count);
	for (size_t i = 0; i < plan.count; i++) {
		assert_string_equal(second.benchmarks[i].name, plan.benchmarks[i].name);
		assert_memory_equal(second.benchmarks[i].params, plan.benchmarks[i].params,
				    sizeof(plan.benchmarks[i].params));
	}
	assert_int_equal(second.repeat, plan.repeat);
	assert_int_equal(second.duration_ns, plan.duration_ns);
	assert_int_equal(again.seed, o.seed);
	assert_string_equal(again.text[OPTION_LABEL], o.text[OPTION_LABEL]);
	plan_release(&plan);
	plan_release(&second);
	options_release(&o);
	options_release(&again);
	topology_release(&t);
	free(ini);
}

static void test_job_ini_is_the_same_run(void **state)
{
	(void)state;
	check_again("[run]\ntranslator = null\n");
	check_again("[run]\nworkload = fault-anon\ntranslator = null\nlabel = \" x\\n\"\n");
	check_again("[run]\nworkload = fault-anon\ntranslator = null,memmap\nthreads = 1..max\n"
		    "[a]\n[b]\nplace = scatter\nparam = region=4m,region=8m\n[c]\n"
		    "workload = translate\nrate = 1000\nmem = interleave\n");
}

static void test_groups_are_one_plan(void **state)
{
	struct options o;
	struct topology t;
	struct plan plan;
	size_t near, far, floor;

	(void)state;
	assert_int_equal(topology_load(&t, "pack:1 core:4 pu:1", error, sizeof(error)), 0);
	assert_int_equal(parsed(&o,
				"[run]\nworkload = fault-anon\ntranslator = null\n[a]\n"
				"[b]\nplace = scatter\n[c]\n",
				NULL),
			 0);
	assert_int_equal(plan_create(&plan, &o, &t, NULL, error, sizeof(error)), 0);
	/* [c] is [a] once more: it is measured once. */
	assert_int_equal(plan.count, 4);
	assert_int_equal(plan.translator_count, 1);
	near = plan_find(&plan, "null/fault-anon/pages=4k/as=none/place=compact/threads=1");
	far = plan_find(&plan, "null/fault-anon/pages=4k/as=none/place=scatter/threads=1");
	floor = plan_find(&plan, "floor-fetch-add/place=scatter/threads=1");
	assert_int_not_equal(near, PLAN_NONE);
	assert_int_equal(plan.benchmarks[far].floor, floor);
	assert_int_not_equal(plan.benchmarks[near].floor, floor);
	assert_true(plan.benchmarks[far].asked);
	assert_false(plan.benchmarks[floor].asked);
	plan_release(&plan);
	options_release(&o);
	assert_int_equal(
		parsed(&o, "[run]\nworkload = fault-anon\n[a]\ntranslator = memap\n", NULL), 0);
	assert_int_equal(plan_create(&plan, &o, &t, NULL, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, ":4: "));
	plan_release(&plan);
	options_release(&o);
	topology_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_inherit),
		cmocka_unit_test(test_who_wins),
		cmocka_unit_test(test_values_in_quotes),
		cmocka_unit_test(test_what_is_refused_and_where),
		cmocka_unit_test(test_values_are_refused_with_their_line),
		cmocka_unit_test(test_job_ini_is_the_same_run),
		cmocka_unit_test(test_groups_are_one_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
