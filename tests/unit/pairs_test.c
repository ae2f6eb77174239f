/* SPDX-License-Identifier: Apache-2.0 */
/* pairs_test.c - verdicts from paired samples, and that swapping the sides flips signs only. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/commands.h"
#include "harness/findings.h"
#include "workloads/workload.h"

#define RECORDED "tests/golden/pairs.ndjson"

static const struct pairs_rule rule = { .allow = 0.01, .within = 0.05, .level = 0.05, .seed = 3 };

static double noise(struct worker *random)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += (double)(worker_random(random) >> 11) * 0x1p-53;
	return sum - 6;
}

/* Pairs whose B is `shift` (a log) from A, each sample with noise of that size, and a drift that
 * both have. */
static void fill(struct pairs *pairs, const char *name, size_t count, const double *shift,
		 double size)
{
	struct pairs_benchmark *b = pairs_add_benchmark(pairs, name);
	struct worker random = { .seed = 77 + pairs->count };

	for (size_t i = 0; i < count; i++) {
		struct pairs_sample a = { 0 }, other = { 0 };

		for (unsigned m = 0; m < PAIRS_METRICS; m++) {
			double drift = 10 + 0.01 * (double)i;

			a.value[m] = exp(drift + size * noise(&random));
			other.value[m] = exp(drift + shift[m] + size * noise(&random));
		}
		pairs_add(b, &a, &other);
	}
}

static void judge(const struct pairs *pairs, const struct pairs_rule *by,
		  struct pairs_finding *findings)
{
	pairs_judge(pairs, by, NULL, findings);
}

static void test_verdicts(void **state)
{
	const double shift[PAIRS_METRICS] = { -0.06, -0.06, 0.06, 0 };
	struct pairs_finding f[PAIRS_METRICS];
	struct findings all = { .rule = &rule, .findings = f };
	struct pairs pairs = { 0 };
	char text[256];

	(void)state;
	fill(&pairs, "x", 40, shift, 0.02);
	judge(&pairs, &rule, f);
	all.pairs = &pairs;
	/* More operations are better, longer times are worse. */
	assert_int_equal(f[PAIRS_THROUGHPUT].verdict, PAIRS_REGRESSED);
	assert_int_equal(f[PAIRS_P50].verdict, PAIRS_IMPROVED);
	assert_int_equal(f[PAIRS_P99].verdict, PAIRS_REGRESSED);
	assert_int_equal(f[PAIRS_TAIL].verdict, PAIRS_SAME);
	for (unsigned m = 0; m < PAIRS_METRICS; m++) {
		assert_int_equal(f[m].pairs, 40);
		assert_true(fabs(f[m].shift - shift[m]) < 0.02);
		assert_true(f[m].interval.low < f[m].shift && f[m].shift < f[m].interval.high);
		assert_true(f[m].p_family >= f[m].p);
		assert_true(f[m].floor > 0.002 && f[m].floor < 0.02);
		assert_true(f[m].detectable > f[m].floor && f[m].detectable < 0.06);
	}
	assert_int_equal(findings_code(&all), CODE_REGRESSED);
	assert_string_equal(findings_counts(&all, text, sizeof(text)),
			    "2 regressed, 1 improved, 1 same within 5 %, 0 not decided");
	assert_non_null(strstr(findings_worst(&all, PAIRS_REGRESSED, text, sizeof(text)),
			       "x: throughput -"));
	pairs_release(&pairs);
}

/* A change smaller than what is allowed is none, however sure it is. */
static void test_allowed(void **state)
{
	const double shift[PAIRS_METRICS] = { -0.006, -0.006, 0.006, 0 };
	struct pairs_rule strict = rule;
	struct pairs_finding f[PAIRS_METRICS];
	struct pairs pairs = { 0 };

	(void)state;
	fill(&pairs, "x", 60, shift, 0.002);
	judge(&pairs, &rule, f);
	assert_true(f[PAIRS_THROUGHPUT].p_family < 0.001);
	assert_int_equal(f[PAIRS_THROUGHPUT].verdict, PAIRS_SAME);
	strict.allow = 0.001;
	judge(&pairs, &strict, f);
	assert_int_equal(f[PAIRS_THROUGHPUT].verdict, PAIRS_REGRESSED);
	/* Same is a claim: it must be shown that the difference is no larger. */
	strict.allow = 0.02;
	strict.within = 0.003;
	judge(&pairs, &strict, f);
	assert_int_equal(f[PAIRS_THROUGHPUT].verdict, PAIRS_UNDECIDED);
	pairs_release(&pairs);
}

static void test_not_decided(void **state)
{
	const double shift[PAIRS_METRICS] = { -0.3, 0, 0, 0 };
	struct pairs_finding f[2 * PAIRS_METRICS];
	struct findings all = { .rule = &rule, .findings = f };
	struct pairs pairs = { 0 };

	(void)state;
	fill(&pairs, "few", PAIRS_MIN - 1, shift, 0.001);
	fill(&pairs, "noisy", 20, &(double[PAIRS_METRICS]){ 0 }[0], 0.5);
	judge(&pairs, &rule, f);
	all.pairs = &pairs;
	for (size_t i = 0; i < 2 * PAIRS_METRICS; i++)
		assert_int_equal(f[i].verdict, PAIRS_UNDECIDED);
	assert_true(isnan(f[0].shift) && isnan(f[0].p) && isnan(f[0].detectable));
	assert_int_equal(findings_code(&all), CODE_UNDECIDED);
	pairs_release(&pairs);
	pairs = (struct pairs){ 0 };
	assert_int_equal(
		findings_code(&(struct findings){ .pairs = &pairs, .rule = &rule, .findings = f }),
		CODE_UNDECIDED);
}

/* One surprise in many is none: the same p value in a larger family. */
static void test_family(void **state)
{
	const double shift[PAIRS_METRICS] = { 0.05, 0, 0, 0 };
	struct pairs_finding f[12 * PAIRS_METRICS], alone[PAIRS_METRICS];
	bool asked[12 * PAIRS_METRICS] = { true };
	struct pairs pairs = { 0 }, one = { 0 };

	(void)state;
	fill(&pairs, "x", PAIRS_MIN, shift, 0.002);
	fill(&one, "x", PAIRS_MIN, shift, 0.002);
	for (int i = 1; i < 12; i++)
		fill(&pairs, "y", PAIRS_MIN, &(double[PAIRS_METRICS]){ 0 }[0], 0.002);
	judge(&pairs, &rule, f);
	judge(&one, &rule, alone);
	assert_true(f[0].p == alone[0].p && f[0].p_family > alone[0].p_family);
	assert_int_equal(alone[0].verdict, PAIRS_IMPROVED);
	assert_int_not_equal(f[0].verdict, PAIRS_IMPROVED);
	/* What was not asked does not count. */
	pairs_judge(&pairs, &rule, asked, f);
	assert_true(f[0].p_family == f[0].p);
	assert_int_equal(f[0].verdict, PAIRS_IMPROVED);
	assert_int_equal(f[1].verdict, PAIRS_UNDECIDED);
	assert_true(isnan(f[1].p));
	pairs_release(&pairs);
	pairs_release(&one);
}

/* On recorded samples, to the last bit. */
static void test_swapped(void **state)
{
	static const enum pairs_verdict mirror[] = { PAIRS_UNDECIDED, PAIRS_SAME, PAIRS_REGRESSED,
						     PAIRS_IMPROVED };
	struct pairs_finding ab[PAIRS_METRICS], ba[PAIRS_METRICS];
	struct pairs pairs = { 0 };
	char error[256] = "";
	struct pairs_sample *a;

	(void)state;
	assert_int_equal(pairs_read(&pairs, RECORDED, error, sizeof(error)), 0);
	assert_int_equal(pairs.count, 1);
	assert_true(pairs.benchmarks[0].count >= 20);
	judge(&pairs, &rule, ab);
	a = pairs.benchmarks[0].a;
	pairs.benchmarks[0].a = pairs.benchmarks[0].b;
	pairs.benchmarks[0].b = a;
	judge(&pairs, &rule, ba);
	assert_int_equal(ab[PAIRS_P50].verdict, PAIRS_REGRESSED);
	for (unsigned m = 0; m < PAIRS_METRICS; m++) {
		assert_true(ab[m].shift == -ba[m].shift);
		assert_true(ab[m].interval.low == -ba[m].interval.high);
		assert_true(ab[m].interval.high == -ba[m].interval.low);
		assert_true(ab[m].p == ba[m].p && ab[m].p_family == ba[m].p_family);
		assert_true(ab[m].floor == ba[m].floor && ab[m].detectable == ba[m].detectable);
		assert_int_equal(ab[m].verdict, mirror[ba[m].verdict]);
	}
	pairs_release(&pairs);
}

/* One clean pair less than a verdict takes, and as many spoiled ones as it likes. */
static void test_too_noisy(void **state)
{
	const double shift[PAIRS_METRICS] = { -0.3, 0.3, 0.3, 0.3 };
	struct pairs_finding f[PAIRS_METRICS];
	struct findings all = { .rule = &rule, .findings = f };
	struct pairs pairs = { 0 };
	char text[256];

	(void)state;
	fill(&pairs, "x", PAIRS_MIN - 1, shift, 0.001);
	all.pairs = &pairs;
	judge(&pairs, &rule, f);
	assert_false(pairs_too_noisy(pairs.benchmarks));
	assert_string_equal(pairs_reason(pairs.benchmarks, PAIRS_THROUGHPUT, f, text, sizeof(text)),
			    "7 pairs, and at least 8 are needed");
	assert_string_equal(findings_noisy(&pairs, text, sizeof(text)), "");
	pairs.benchmarks->spoiled[SAMPLE_LOST] = 4;
	pairs.benchmarks->spoiled[SAMPLE_THROTTLED] = 1;
	judge(&pairs, &rule, f);
	assert_int_equal(findings_code(&all), CODE_UNDECIDED);
	assert_true(pairs_too_noisy(pairs.benchmarks));
	assert_string_equal(findings_noisy(&pairs, text, sizeof(text)),
			    "x: the machine was too noisy (spoiled of 12 pairs 5: lost time 4, "
			    "throttling 1)");
	/* With clean pairs enough they decide, however many were spoiled. */
	pairs_release(&pairs);
	fill(&pairs, "x", 2 * PAIRS_MIN, shift, 0.001);
	pairs.benchmarks->spoiled[SAMPLE_LOST] = 99;
	judge(&pairs, &rule, f);
	assert_false(pairs_too_noisy(pairs.benchmarks));
	assert_int_equal(f[PAIRS_THROUGHPUT].verdict, PAIRS_REGRESSED);
	assert_string_equal(pairs_reason(pairs.benchmarks, PAIRS_THROUGHPUT, f, text, sizeof(text)),
			    "");
	pairs_release(&pairs);
}

/* Times of those that kept the rate are not compared if a tenth did not; throughput is. */
static void test_rate_missed(void **state)
{
	const double shift[PAIRS_METRICS] = { -0.3, 0, 0, 0 };
	struct pairs_finding f[PAIRS_METRICS];
	struct pairs pairs = { 0 };
	struct pairs_sample kept, missed;
	char text[256];

	(void)state;
	fill(&pairs, "x", 18, shift, 0.001);
	judge(&pairs, &rule, f);
	assert_int_equal(f[PAIRS_P99].verdict, PAIRS_SAME);
	kept = pairs.benchmarks->a[0];
	missed = pairs.benchmarks->b[0];
	missed.rate_missed = true;
	for (unsigned m = PAIRS_THROUGHPUT + 1; m < PAIRS_METRICS; m++)
		missed.value[m] = NAN;
	pairs_add(pairs.benchmarks, &kept, &missed);
	judge(&pairs, &rule, f);
	assert_int_equal(f[PAIRS_P99].verdict, PAIRS_SAME);
	pairs_add(pairs.benchmarks, &kept, &missed);
	judge(&pairs, &rule, f);
	assert_int_equal(f[PAIRS_THROUGHPUT].verdict, PAIRS_REGRESSED);
	for (unsigned m = PAIRS_THROUGHPUT + 1; m < PAIRS_METRICS; m++) {
		assert_int_equal(f[m].verdict, PAIRS_UNDECIDED);
		assert_int_equal(f[m].pairs, 18);
		assert_string_equal(pairs_reason(pairs.benchmarks, m, &f[m], text, sizeof(text)),
				    "rate not reached (in 20 pairs: by A 0 times, by B 2)");
	}
	assert_string_equal(pairs_reason(pairs.benchmarks, PAIRS_THROUGHPUT, f, text, sizeof(text)),
			    "");
	pairs_release(&pairs);
}

static void test_spoiled_lines(void **state)
{
	const struct pairs_sample sample = { .value = { 1, 2, 3, 0.001 } };
	struct sample_noise noise[2] = { sample_noise_unknown, sample_noise_unknown };
	char path[] = "/tmp/pairs_test.XXXXXX", error[256] = "";
	FILE *file = fdopen(mkstemp(path), "w");
	struct pairs pairs = { 0 };

	(void)state;
	assert_non_null(file);
	for (size_t i = 0; i < 3; i++) {
		json_t *line;

		noise[1].lost_part = i == 1 ? 0.9 : 0.1;
		line = pairs_line("x", i, false, &sample, &sample, noise);
		json_dumpf(line, file, JSON_COMPACT);
		fputc('\n', file);
		json_decref(line);
	}
	fclose(file);
	assert_int_equal(pairs_read(&pairs, path, error, sizeof(error)), 0);
	assert_int_equal(pairs.count, 1);
	assert_int_equal(pairs.benchmarks[0].count, 2);
	assert_int_equal(pairs.benchmarks[0].spoiled[SAMPLE_LOST], 1);
	unlink(path);
	pairs_release(&pairs);
}

static void read_text(const char *text, int wanted, const char *place)
{
	char path[] = "/tmp/pairs_test.XXXXXX", error[256] = "";
	int fd = mkstemp(path);
	struct pairs pairs = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(pairs_read(&pairs, path, error, sizeof(error)), wanted);
	if (place && !strstr(error, place))
		fail_msg("\"%s\" does not say %s", error, place);
	unlink(path);
	pairs_release(&pairs);
}

static void test_broken_lines(void **state)
{
	const char *good = "{\"benchmark\":\"x\",\"a\":{\"throughput\":1},\"b\":{\"p50\":2}}\n";
	char text[512];

	(void)state;
	read_text(good, 0, NULL);
	read_text("", 0, NULL);
	/* Cut in the middle of the last line: left out. */
	snprintf(text, sizeof(text), "%s%.30s", good, good);
	read_text(text, 0, NULL);
	snprintf(text, sizeof(text), "%s%.30s\n%s", good, good, good);
	read_text(text, -EBADMSG, ":2:");
	read_text("{\"benchmark\":\"x\",\"a\":{\"throughput\":-1},\"b\":{}}\n", -EBADMSG, ":1:");
	read_text("{\"benchmark\":\"x\",\"a\":{\"throughput\":0},\"b\":{}}\n", -EBADMSG, ":1:");
	read_text("{\"benchmark\":\"x\",\"a\":{\"p50\":1e300},\"b\":{}}\n", -EBADMSG, ":1:");
	read_text("{\"benchmark\":\"x\",\"a\":{\"p50\":NaN},\"b\":{}}\n", -EBADMSG, ":1:");
	read_text("{\"benchmark\":7,\"a\":{},\"b\":{}}\n", -EBADMSG, ":1:");
	read_text("{\"benchmark\":\"x\",\"a\":{},\"b\":[]}\n", -EBADMSG, ":1:");
	read_text("{\"benchmark\":\"x\",\"spoiled\":\"tea\",\"a\":{},\"b\":{}}\n", -EBADMSG, ":1:");
	read_text("[]\n", -EBADMSG, ":1:");
}

static void test_missing_file(void **state)
{
	struct pairs pairs = { 0 };
	char error[256] = "";

	(void)state;
	assert_int_equal(pairs_read(&pairs, "/nonexistent/pairs", error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/pairs"));
}

/* The width that decides when there are pairs enough. */
static void test_precision(void **state)
{
	struct pairs pairs = { 0 };
	double few, many;

	(void)state;
	fill(&pairs, "x", 16, &(double[PAIRS_METRICS]){ 0 }[0], 0.02);
	fill(&pairs, "y", 144, &(double[PAIRS_METRICS]){ 0 }[0], 0.02);
	fill(&pairs, "z", 3, &(double[PAIRS_METRICS]){ 0 }[0], 0.02);
	few = pairs_precision(&pairs.benchmarks[0], 1);
	many = pairs_precision(&pairs.benchmarks[1], 1);
	assert_true(few > 0.006 && few < 0.03 && few / many > 2 && few / many < 4.5);
	assert_true(isnan(pairs_precision(&pairs.benchmarks[2], 1)));
	pairs_release(&pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),      cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_not_decided),   cmocka_unit_test(test_family),
		cmocka_unit_test(test_swapped),	      cmocka_unit_test(test_broken_lines),
		cmocka_unit_test(test_missing_file),  cmocka_unit_test(test_precision),
		cmocka_unit_test(test_too_noisy),     cmocka_unit_test(test_rate_missed),
		cmocka_unit_test(test_spoiled_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
