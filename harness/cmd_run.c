/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_run.c - faultline run: plan, look before measuring, measure, report.
 *
 * Everything that can be wrong with what was asked, with the machine, or with the place for the
 * results is found out before the first measurement.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/counters.h"
#include "harness/env.h"
#include "harness/job.h"
#include "harness/limits.h"
#include "harness/probe.h"
#include "harness/report.h"
#include "harness/session.h"
#include "harness/size.h"
#include "harness/summary.h"

#define MEMORY_MAX_AUTO (UINT64_C(4) << 30)

/* Reads the machine, and makes the plan. An exit code. */
static int prepare(struct session *s)
{
	const char *source = s->options->text[OPTION_TOPOLOGY];
	char error[1024] = "";
	int rc = topology_load(&s->topology, *source ? source : NULL, error, sizeof(error));

	if (rc) {
		complain("run: %s%s", *source ? "--topology: " : "", error);
		return *source ? CODE_USAGE : CODE_MACHINE;
	}
	rc = plan_create(&s->plan, s->options, &s->topology, session_describe, error,
			 sizeof(error));
	if (rc) {
		complain("run: %s", error);
		return code_of(rc);
	}
	for (size_t i = 0; i < s->plan.translator_count; i++) {
		if (!s->plan.translators[i].lost)
			continue;
		complain("run: %s", s->plan.translators[i].lost);
		session_raise(s, code_of(s->plan.translators[i].lost_rc));
	}
	return CODE_OK;
}

static json_t *plan_json(const struct session *s)
{
	json_t *list = json_array(), *skipped = json_array();

	for (size_t i = 0; i < s->plan.count; i++) {
		const struct plan_benchmark *b = &s->plan.benchmarks[i];
		json_t *cpus = json_array();

		for (unsigned t = 0; t < b->threads; t++)
			json_array_append_new(cpus, json_integer(b->cpus[t]));
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:o}", "name", b->name,
						      "workload", b->workload->name, "threads",
						      (int)b->threads, "cpus", cpus));
	}
	for (size_t i = 0; i < s->plan.skip_count; i++)
		json_array_append_new(skipped, json_pack("{s:s?, s:s, s:s}", "translator",
							 s->plan.skips[i].translator, "workload",
							 s->plan.skips[i].workload, "reason",
							 s->plan.skips[i].reason));
	return json_pack("{s:s, s:o, s:o, s:i, s:I, s:I, s:b}", "schema", "faultline.plan/1",
			 "benchmarks", list, "skipped", skipped, "repeat", (int)s->plan.repeat,
			 "duration_ns", (json_int_t)s->plan.duration_ns, "total_ns",
			 (json_int_t)plan_total_ns(&s->plan), "synthetic", s->topology.synthetic);
}

static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(json);
}

static int dry_run(const struct session *s)
{
	char duration[32], total[32];

	if (s->options->json) {
		print_json(plan_json(s));
		return CODE_OK;
	}
	for (size_t i = 0; i < s->plan.count; i++) {
		const struct plan_benchmark *b = &s->plan.benchmarks[i];

		printf("%s  cpus", b->name);
		for (unsigned t = 0; t < b->threads; t++)
			printf("%c%u", t ? ',' : ' ', b->cpus[t]);
		putchar('\n');
	}
	for (size_t i = 0; i < s->plan.skip_count; i++)
		printf("skipped: %s%s%s: %s\n",
		       s->plan.skips[i].translator ? s->plan.skips[i].translator : "",
		       s->plan.skips[i].translator ? "/" : "", s->plan.skips[i].workload,
		       s->plan.skips[i].reason);
	printf("%zu benchmarks, %u times %s each: %s of measuring%s\n", s->plan.count,
	       s->plan.repeat,
	       duration_format((double)s->plan.duration_ns, duration, sizeof(duration)),
	       duration_format((double)plan_total_ns(&s->plan), total, sizeof(total)),
	       s->topology.synthetic ? " (synthetic machine: nothing can be measured)" : "");
	return CODE_OK;
}

/* Memory, clock: what this machine gives. An exit code. */
static int look_at_machine(struct session *s)
{
	struct limits limits;
	char why[512] = "";

	limits_read(&limits, NULL);
	if (limits_memory_cap(&limits, s->options->memory_max, &s->memory_max, why, sizeof(why))) {
		complain("run: --memory-max %s: %s", s->options->text[OPTION_MEMORY_MAX], why);
		return CODE_MACHINE;
	}
	if (!s->options->memory_max && s->memory_max > MEMORY_MAX_AUTO)
		s->memory_max = MEMORY_MAX_AUTO;
	clock_source_start(&s->clock, strcmp(s->options->text[OPTION_CLOCK], "tsc") == 0
					      ? CLOCK_SOURCE_TSC
					      : CLOCK_SOURCE_MONOTONIC);
	if (s->clock.why[0] && options_given(s->options, OPTION_CLOCK)) {
		complain("run: --clock tsc: %s", s->clock.why);
		return CODE_MACHINE;
	}
	return CODE_OK;
}

static void note_machine(struct session *s)
{
	struct limits limits;
	char why[256];

	limits_read(&limits, NULL);
	if (s->clock.why[0])
		result_note(&s->result, "the TSC is not used: %s", s->clock.why);
	if (limits.cpu_quota > 0)
		result_note(&s->result, "a cgroup grants %.2f CPUs' worth of time",
			    limits.cpu_quota);
	if (s->topology.pu_count == 1)
		result_note(&s->result, "one CPU: nothing that needs two threads was measured");
	if (s->topology.node_count == 1)
		result_note(&s->result, "one memory node: placement by node cannot be seen");
	if (!counters_hardware(why, sizeof(why)))
		result_note(&s->result, "no hardware counters: %s", why);
	if (!env_has_gnuplot())
		result_note(&s->result, "gnuplot is missing: the report has no pictures");
}

/* topology.xml, env.json, job.ini and a first result.json. An exit code. */
static int write_circumstances(struct session *s)
{
	char path[4096], *text = NULL;
	size_t size;
	json_t *env = env_json(&s->topology, &s->clock, s->options->text[OPTION_LABEL]);
	FILE *ini = open_memstream(&text, &size);
	int rc = result_dir_write_json(&s->dir, "env.json", env);

	json_decref(env);
	if (!ini)
		abort();
	job_write(s->options, &s->plan, ini);
	if (fclose(ini))
		abort();
	if (!rc)
		rc = result_dir_write(&s->dir, "job.ini", text, size);
	free(text);
	snprintf(path, sizeof(path), "%s/topology.xml", s->dir.path);
	if (!rc)
		rc = topology_export(&s->topology, path);
	if (rc) {
		complain("run: %s: %s", s->dir.path, strerror(-rc));
		return CODE_FILES;
	}
	session_save(s);
	/* A plug-in that is not timed does not keep the others from it. */
	return s->code == CODE_FILES ? CODE_FILES : CODE_OK;
}

/* What measuring itself costs. */
static void measure_costs(struct session *s)
{
	struct probe probe;

	probe_recording(&s->clock, &probe);
	s->result.record_ns = probe.record_ns;
	s->result.fetch_add_ns = probe.fetch_add_ns;
	s->result.overhead_ns = probe_overhead(&s->clock, &s->topology);
}

/* After the last repetition: times, clock, files, report. */
static void finish(struct session *s)
{
	bool measured = !s->topology.synthetic;
	char remark[512] = "";
	int rc;

	env_time(s->result.end, sizeof(s->result.end));
	s->result.clock_verified = clock_source_finish(&s->clock) == 0;
	s->result.drift_ppm = s->clock.drift_ppm;
	if (measured && !s->result.clock_verified) {
		complain("the clock drifted by %.0f ppm: the results are void", s->clock.drift_ppm);
		if (s->code == CODE_OK)
			s->code = CODE_VOID;
	}
	s->result.interrupted = session_signal() != 0;
	if (session_signal())
		s->code = 128 + session_signal();
	session_save_all(s);
	rc = s->options->bare ? 0 : report_write(s->dir.path, remark, sizeof(remark));
	if (remark[0])
		complain("%s", remark);
	if (rc && s->code == CODE_OK)
		s->code = CODE_FILES;
}

static void print_result(const struct session *s)
{
	json_t *json = result_json(&s->result);

	if (s->options->json) {
		json_object_set_new(json, "directory", json_string(s->dir.path));
		print_json(json);
		return;
	}
	summary_print(stdout, json);
	json_decref(json);
	if (s->result.record_ns >= 0)
		printf("\nThe harness itself: %.2f ns to record a latency (%.2f x fetch_add), ",
		       s->result.record_ns, s->result.record_ns / s->result.fetch_add_ns);
	if (s->result.overhead_ns >= 0)
		printf("%.2f ns for each operation of the null translator.\n",
		       s->result.overhead_ns);
	printf("%s/%s\n", s->dir.path, s->options->bare ? "result.json" : "report.html");
}

static bool anything_asked(const struct session *s)
{
	/* Floors alone are a result only if nothing else was asked for. */
	for (size_t i = 0; i < s->plan.count; i++) {
		if (s->plan.benchmarks[i].asked)
			return true;
	}
	return false;
}

/* With a plan: all the rest. An exit code. */
static int run_plan(struct session *s)
{
	char path[512], error[512] = "";
	int code, rc;

	result_dir_default(path, sizeof(path));
	s->result.id = strchr(path, '/') + 1;
	s->result.plan = &s->plan;
	s->result.options = s->options;
	s->result.topology = &s->topology;
	s->result.clock = &s->clock;
	s->result.emulated = env_emulated();
	code = look_at_machine(s);
	if (code)
		return code;
	result_prepare(&s->result);
	code = s->topology.synthetic ? CODE_OK : session_try_engines(s);
	if (code)
		return code;
	rc = result_dir_create(&s->dir,
			       options_given(s->options, OPTION_OUT) ? s->options->text[OPTION_OUT]
								     : path,
			       error, sizeof(error));
	if (rc) {
		complain("run: --out: %s", error);
		return rc == -EINVAL ? CODE_USAGE : CODE_FILES;
	}
	session_catch_signals();
	s->result.begin_ns = clock_source_monotonic_ns();
	s->result.begin_s = env_seconds();
	env_time(s->result.start, sizeof(s->result.start));
	/* True until it is known better: whatever kills the run, the file says so. */
	s->result.interrupted = true;
	note_machine(s);
	code = write_circumstances(s);
	if (code)
		return code;
	if (!s->topology.synthetic) {
		if (!s->options->bare)
			measure_costs(s);
		session_measure(s);
	}
	finish(s);
	print_result(s);
	return s->code;
}

int cmd_run(const struct options *options)
{
	struct session s = { .options = options, .dir = { .fd = -1, .samples = -1 } };
	int code = prepare(&s);

	if (!code && !anything_asked(&s)) {
		for (size_t i = 0; i < s.plan.skip_count; i++)
			complain("run: %s: %s", s.plan.skips[i].workload, s.plan.skips[i].reason);
		code = s.code ? s.code : CODE_MACHINE;
	}
	if (!code && options->dry_run)
		code = dry_run(&s);
	else if (!code)
		code = run_plan(&s);
	result_dir_close(&s.dir);
	if (s.result.plan)
		result_release(&s.result);
	plan_release(&s.plan);
	topology_release(&s.topology);
	return code;
}
