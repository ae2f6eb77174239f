/* SPDX-License-Identifier: Apache-2.0 */
/* options_test.c - the option table and everything that is made from it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/options.h"

static char error[512];

/* Parses words up to NULL as `faultline run` would. */
static int parse(struct options *options, ...)
{
	char *argv[32] = { (char[]){ "run" } };
	int argc = 1;
	va_list list;

	va_start(list, options);
	while ((argv[argc] = va_arg(list, char *)))
		argc++;
	va_end(list);
	error[0] = '\0';
	return options_parse(options, FOR_RUN, argc, argv, error, sizeof(error));
}

static void test_table_is_sorted(void **state)
{
	(void)state;
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		assert_non_null(option_table[id].name);
		assert_non_null(option_table[id].help);
		assert_non_null(option_table[id].value);
		if (id)
			assert_true(strcmp(option_table[id - 1].name, option_table[id].name) < 0);
	}
}

static void test_defaults(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, NULL), 0);
	assert_int_equal(o.argument_count, 0);
	assert_string_equal(o.text[OPTION_PAGES], "4k");
	assert_string_equal(o.text[OPTION_TRANSLATOR], "memmap");
	assert_int_equal(o.duration_ns, 1000000000);
	assert_int_equal(o.repeat, 5);
	assert_int_equal(o.memory_max, 0);
	assert_false(options_given(&o, OPTION_THREADS));
	options_release(&o);
}

static void test_both_spellings(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, "a", "--repeat=7", "--dry-run", "--seed", "9", "b", "--", "--c",
			       NULL),
			 0);
	assert_int_equal(o.repeat, 7);
	assert_int_equal(o.seed, 9);
	assert_true(o.dry_run);
	assert_int_equal(o.argument_count, 3);
	assert_string_equal(o.arguments[2], "--c");
	options_release(&o);
}

static void expect_error(const char *a, const char *b, const char *part)
{
	struct options o;

	assert_int_equal(parse(&o, a, b, NULL), -EINVAL);
	if (!strstr(error, part))
		fail_msg("\"%s\" does not hold \"%s\"", error, part);
	options_release(&o);
}

static void test_errors_name_the_place(void **state)
{
	(void)state;
	expect_error("--thread", "1", "did you mean --threads?");
	expect_error("--pages", "4K", "did you mean 4k?");
	expect_error("--pages", "4k,3m", "\"3m\" is unknown");
	expect_error("--clock", "tsc,monotonic", "only one of");
	expect_error("--place", "compct", "did you mean compact?");
	expect_error("--place", "node:", "lacks");
	expect_error("--mem", "bin:0", "did you mean bind:?");
	expect_error("--duration", "1x", "--duration: \"1x\" is not a time");
	expect_error("--duration", "10us", "too short");
	expect_error("--repeat", "0", "1 to 10000");
	expect_error("--repeat", "10001", "1 to 10000");
	expect_error("--seed", "9223372036854775808", "2^63");
	expect_error("--memory-max", "1k", "too small");
	expect_error("--threads", "1,x", "\"x\"");
	expect_error("--threads", "", "no thread counts");
	expect_error("--param", "region", "key=value");
	expect_error("--repeat", NULL, "needs a value");
	expect_error("--dry-run=yes", NULL, "takes no value");
	expect_error("-x", NULL, "unknown option -x");
	expect_error("--zzzzzzzz", NULL, "unknown option --zzzzzzzz");
}

static void test_command_line_beats_environment(void **state)
{
	struct options o;

	(void)state;
	setenv("FAULTLINE_REPEAT", "3", 1);
	setenv("FAULTLINE_DRY_RUN", "on", 1);
	assert_int_equal(parse(&o, NULL), 0);
	assert_int_equal(o.repeat, 3);
	assert_true(o.dry_run);
	options_release(&o);
	assert_int_equal(parse(&o, "--repeat", "4", NULL), 0);
	assert_int_equal(o.repeat, 4);
	options_release(&o);
	setenv("FAULTLINE_REPEAT", "x", 1);
	assert_int_equal(parse(&o, NULL), -EINVAL);
	assert_non_null(strstr(error, "FAULTLINE_REPEAT"));
	options_release(&o);
	setenv("FAULTLINE_REPEAT", "3", 1);
	setenv("FAULTLINE_DRY_RUN", "maybe", 1);
	assert_int_equal(parse(&o, NULL), -EINVAL);
	options_release(&o);
	unsetenv("FAULTLINE_REPEAT");
	unsetenv("FAULTLINE_DRY_RUN");
}

static void test_params_add_up(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, "--param", "a=1", "--param", "b=2k", NULL), 0);
	assert_string_equal(o.text[OPTION_PARAM], "a=1,b=2k");
	options_release(&o);
	/* Others replace. */
	assert_int_equal(parse(&o, "--label", "a", "--label", "b", NULL), 0);
	assert_string_equal(o.text[OPTION_LABEL], "b");
	options_release(&o);
}

static void test_threads(void **state)
{
	static const unsigned wanted[] = { 1, 2, 4, 8, 12 };
	unsigned counts[8];
	size_t count;

	(void)state;
	assert_int_equal(
		options_threads("4..max,1,2,1", 12, counts, 8, &count, error, sizeof(error)), 0);
	assert_int_equal(count, 5);
	assert_memory_equal(counts, wanted, sizeof(wanted));
	assert_int_equal(options_threads("max", 3, counts, 8, &count, error, sizeof(error)), 0);
	assert_int_equal(count, 1);
	assert_int_equal(counts[0], 3);
	assert_int_equal(options_threads("4", 3, counts, 8, &count, error, sizeof(error)), -ERANGE);
	assert_non_null(strstr(error, "more than the 3 CPUs"));
	assert_int_equal(options_threads("0", 3, counts, 8, &count, error, sizeof(error)), -EINVAL);
	assert_int_equal(options_threads("3..1", 3, counts, 8, &count, error, sizeof(error)),
			 -EINVAL);
	assert_int_equal(options_threads("1,2,3", 3, counts, 2, &count, error, sizeof(error)),
			 -EINVAL);
}

static char *captured(void (*write)(FILE *))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	write(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void write_help(FILE *out)
{
	options_help(~0u, out);
}

static void write_completion(FILE *out)
{
	static const char *const commands[] = { "list", "run", NULL };
	static const char *const workloads[] = { "fault-anon", NULL };

	options_completion(out, commands, workloads);
}

static void test_all_is_made_from_the_table(void **state)
{
	char *help = captured(write_help), *completion = captured(write_completion);
	char variable[64];

	(void)state;
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		assert_non_null(strstr(help, option_table[id].name));
		assert_non_null(strstr(completion, option_table[id].name));
	}
	assert_non_null(strstr(completion, "fault-anon"));
	assert_string_equal(option_variable(&option_table[OPTION_MEMORY_MAX], variable,
					    sizeof(variable)),
			    "FAULTLINE_MEMORY_MAX");
	free(help);
	free(completion);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_sorted),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_both_spellings),
		cmocka_unit_test(test_errors_name_the_place),
		cmocka_unit_test(test_command_line_beats_environment),
		cmocka_unit_test(test_params_add_up),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_all_is_made_from_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
