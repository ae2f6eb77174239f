/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - the repetitions of a run, in their random order, and what is saved after each.
 */
#include "harness/session.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/env.h"
#include "harness/hlog.h"
#include "harness/isolate.h"
#include "harness/result_time.h"

/* A repetition takes its duration, its warm-up, and what its workload prepares. */
#define TIME_BOX_NS(duration) ((duration)*10 + UINT64_C(10000000000))
/* A translator whose workers crashed or hung as often is not asked again. */
#define FAILURES_MAX 3
/* Extra pairs of CPUs (two-party) and nodes (first touch), and how long each is looked at. */
#define EXTRAS_MAX 256
#define EXTRA_PART 8
#define EXTRA_NS_MIN UINT64_C(10000000)
#define EXTRA_NS_MAX UINT64_C(100000000)

static volatile sig_atomic_t caught;
/* The benchmark that runs, for the message of a crash. */
static const char *volatile current = "the harness";

int session_signal(void)
{
	return caught;
}

static void on_stop(int number)
{
	caught = number;
	runner_stop();
	isolate_stop();
	/* Who asks twice does not want to wait. */
	signal(number, SIG_DFL);
}

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(CODE_CRASHED);
}

static void on_crash(int number)
{
	say("\nfaultline: crashed by ");
	say(number == SIGSEGV  ? "SIGSEGV"
	    : number == SIGBUS ? "SIGBUS"
	    : number == SIGILL ? "SIGILL"
	    : number == SIGFPE ? "SIGFPE"
			       : "SIGABRT");
	say(" in ");
	say(current);
	say("; what was measured before is kept\n");
	_exit(CODE_CRASHED);
}

void session_catch_signals(void)
{
	static const int crashes[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction stop = { .sa_handler = on_stop };
	struct sigaction crash = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* A sanitizer says more about a crash than we can. */
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &crash, NULL);
#else
	(void)crashes, (void)crash;
#endif
}

static void files_failed(struct session *s, const char *name, int rc)
{
	if (s->code != CODE_FILES)
		complain("%s/%s: %s", s->dir.path, name, strerror(-rc));
	s->code = CODE_FILES;
}

void session_save(struct session *s)
{
	json_t *json;
	int rc;

	s->result.exit_code = s->code;
	json = result_json(&s->result);
	rc = result_dir_write_json(&s->dir, "result.json", json);
	json_decref(json);
	if (rc)
		files_failed(s, "result.json", rc);
}

/* hist/NAME.hlog: tagged lines of each role, that of the first cut into intervals. */
static int save_hlog(struct session *s, const struct result_benchmark *b)
{
	char file[300], tag[300], name[256], *text = NULL;
	double seconds = (double)s->plan.duration_ns / 1e9 * (double)b->sample_count;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	rc = hlog_write_head(out, s->result.begin_s, b->plan->name);
	for (unsigned r = 0; r < WORKLOAD_MAX_ROLES && !rc; r++) {
		if (!b->latency[r])
			continue;
		snprintf(tag, sizeof(tag), "%s/%s", b->plan->name,
			 b->plan->workload->roles[r].name);
		/* Its intervals are all of it, unless they are of response times. */
		if (r || !b->interval_count || b->response)
			rc = hlog_write(out, tag, 0, seconds, b->latency[r]);
		if (!r && !rc)
			rc = result_time_log(out, &s->result, b, tag);
	}
	if (fclose(out) && !rc)
		rc = -ENOMEM;
	snprintf(file, sizeof(file), "hist/%s.hlog",
		 result_dir_file_name(b->plan->name, name, sizeof(name)));
	if (!rc)
		rc = result_dir_write(&s->dir, file, text, size);
	free(text);
	return rc;
}

void session_save_all(struct session *s)
{
	for (size_t i = 0; i < s->plan.count; i++) {
		int rc = s->result.benchmarks[i].sample_count
				 ? save_hlog(s, &s->result.benchmarks[i])
				 : 0;

		if (rc)
			files_failed(s, "hist", rc);
	}
	session_save(s);
}

/* What is asked of the pool of huge pages must be in it: an empty one kills what touches it. */
static uint64_t memory_for(const struct session *s, const struct plan_benchmark *b)
{
	uint64_t pool = UINT64_MAX;

	bool is_2m = strcmp(b->pages, "2m") == 0, is_1g = strcmp(b->pages, "1g") == 0;

	if (b->translator && (is_2m || is_1g) &&
	    !(b->translator->translator->capabilities & TRANSLATOR_COMPUTES_NOTHING))
		pool = env_huge_bytes_free(is_2m ? 2048 : 1048576);
	return pool < s->memory_max ? pool : s->memory_max;
}

static struct runner_request request_for(const struct session *s, size_t index, unsigned repetition)
{
	const struct plan_benchmark *b = &s->plan.benchmarks[index];

	return (struct runner_request){
		.benchmark = b,
		.topology = &s->topology,
		.clock = &s->clock,
		.policy = &b->policy,
		.cpus = b->cpus,
		.duration_ns = s->plan.duration_ns,
		.intervals = intervals_for(s->plan.duration_ns, s->plan.repeat, b->role_threads[0]),
		.memory_max = memory_for(s, b),
		/* The same inputs whatever the order of the run is. */
		.seed = s->options->seed + repetition * UINT64_C(1000003) + index,
		.time_box_ns = TIME_BOX_NS(s->plan.duration_ns),
	};
}

void session_raise(struct session *s, int code)
{
	static const int worst_first[] = { CODE_FILES, CODE_CRASHED, CODE_VOID };

	for (size_t i = 0; i < sizeof(worst_first) / sizeof(worst_first[0]); i++) {
		if (s->code == worst_first[i])
			return;
		if (code == worst_first[i]) {
			s->code = code;
			return;
		}
	}
	if (s->code == CODE_OK)
		s->code = code;
}

/* Index of its translator, 0 of floors. */
static size_t number_of(const struct session *s, const struct result_benchmark *b)
{
	return b->plan->translator ? (size_t)(b->plan->translator - s->plan.translators) : 0;
}

/* A worker crashed, hung or misbehaved: said, kept, and the benchmark is not tried again. */
static void note_failure(struct session *s, const struct isolate *w, size_t index)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	const struct isolate_failure *f = &w->failure;

	snprintf(b->error, sizeof(b->error), "%s; --seed %" PRIu64, f->sentence, s->options->seed);
	if (f->hung)
		b->flags |= RESULT_TIME_BOXED;
	result_set_failure(b, f->sentence, f->phase, f->signal, f->trace ? f->trace : "");
	if (b->plan->translator)
		s->failures[number_of(s, b)]++;
	session_raise(s, CODE_CRASHED);
	progress_end(&s->progress);
	complain("%s: %s", b->plan->name, b->error);
	if (f->trace && *f->trace)
		fprintf(stderr, "%s", f->trace);
}

/* Runs it in the worker. False: the worker is gone, and there is no result. */
static bool run_there(struct session *s, struct isolate *w, const struct runner_request *request,
		      struct runner_result *run, size_t index)
{
	unsigned left;

	isolate_run(w, request, run, &left);
	if (run->outcome == RUNNER_CRASHED || run->outcome == RUNNER_HUNG) {
		note_failure(s, w, index);
		runner_result_release(run);
		return false;
	}
	if (left && !s->result.benchmarks[index].error[0]) {
		snprintf(w->failure.sentence, sizeof(w->failure.sentence),
			 "%u thread%s of the translator outlived close", left, left > 1 ? "s" : "");
		snprintf(w->failure.phase, sizeof(w->failure.phase), "after closing the engine");
		note_failure(s, w, index);
	}
	return true;
}

static uint64_t extra_ns(const struct session *s)
{
	uint64_t ns = s->plan.duration_ns / EXTRA_PART;

	return ns < EXTRA_NS_MIN ? EXTRA_NS_MIN : ns > EXTRA_NS_MAX ? EXTRA_NS_MAX : ns;
}

/* The other pairs of CPUs; every so-manyth where they are too many. False: the worker is gone. */
static bool measure_pairs(struct session *s, struct isolate *w, size_t index, unsigned repetition)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	unsigned count = s->topology.pu_count, number = 0;
	unsigned stride = (count * (count - 1) / 2 + EXTRAS_MAX - 1) / EXTRAS_MAX;

	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = i + 1; j < count && !runner_stopping(); j++) {
			unsigned cpus[2] = { s->topology.pus[i].os, s->topology.pus[j].os };
			struct runner_request request = request_for(s, index, repetition);
			struct runner_result run;

			/* The pair of the benchmark itself is measured already. */
			if ((cpus[0] == b->plan->cpus[0] && cpus[1] == b->plan->cpus[1]) ||
			    number++ % stride)
				continue;
			request.cpus = cpus;
			request.duration_ns = extra_ns(s);
			request.intervals = 0;
			if (!run_there(s, w, &request, &run, index))
				return false;
			if (run.outcome == RUNNER_OK)
				result_merge_cell(&b->pairs, &b->pair_count, cpus[0], cpus[1],
						  &run);
			runner_result_release(&run);
		}
	}
	return true;
}

/* Each node of memory seen from each planned CPU. False: the worker is gone. */
static bool measure_nodes(struct session *s, struct isolate *w, size_t index, unsigned repetition)
{
	struct result_benchmark *b = &s->result.benchmarks[index];

	for (unsigned n = 0; n < s->topology.node_count && !runner_stopping(); n++) {
		struct memory_policy policy = { .kind = MEMORY_POLICY_BIND,
						.node = s->topology.node_os[n] };
		struct runner_request request = request_for(s, index, repetition);
		struct runner_result run;

		request.policy = &policy;
		request.duration_ns = extra_ns(s);
		request.intervals = 0;
		if (!run_there(s, w, &request, &run, index))
			return false;
		b->flags |= result_placement_flags(b, &run) & RESULT_NODE_MISMATCH;
		for (unsigned i = 0; run.outcome == RUNNER_OK && i < run.thread_count; i++) {
			struct runner_result one = { .thread_count = 1,
						     .threads = &run.threads[i] };

			result_merge_cell(&b->nodes, &b->node_count, run.threads[i].cpu_asked,
					  (unsigned)policy.node, &one);
		}
		runner_result_release(&run);
	}
	return true;
}

/* What the matrices need beyond the benchmark itself; one repetition of it is enough. */
static void measure_extras(struct session *s, struct isolate *w, size_t index, unsigned repetition,
			   const struct runner_result *run)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	const struct workload *workload = b->plan->workload;

	if (workload->two_party && b->plan->threads == 2)
		result_merge_cell(&b->pairs, &b->pair_count, b->plan->cpus[0], b->plan->cpus[1],
				  run);
	if (repetition)
		return;
	if (workload->two_party && b->plan->threads == 2 && !measure_pairs(s, w, index, repetition))
		return;
	if (workload->first_touch && !measure_nodes(s, w, index, repetition))
		return;
}

static void refuse(struct session *s, struct result_benchmark *b, const struct runner_result *run)
{
	const char *more = "";

	if (run->rc == -ENOMEM && strcmp(b->plan->pages, "2m") == 0)
		more = "; more 2 MiB pages: sysctl -w vm.nr_hugepages=512";
	if (run->rc == -ENOMEM && strcmp(b->plan->pages, "1g") == 0)
		more = "; more 1 GiB pages: echo 4 > "
		       "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";

	/* A benchmark that was refused is not tried again, so this is said once. */
	snprintf(b->error, sizeof(b->error), "%s%s", run->error, more);
	progress_end(&s->progress);
	complain("%s: %s", b->plan->name, b->error);
	result_note(&s->result, "%s: %s", b->plan->name, b->error);
	session_raise(s, run->rc == -EINVAL ? CODE_USAGE : CODE_MACHINE);
}

/* With --strict-placement what was not got is an error. */
static void check_strict(struct session *s, const struct result_benchmark *b)
{
	unsigned wrong = RESULT_MIGRATED | RESULT_PAGE_SIZE_MISMATCH | RESULT_NODE_MISMATCH |
			 RESULT_DEMOTED | RESULT_AS_MISMATCH;

	if (!s->options->strict_placement || !(b->flags & wrong))
		return;
	complain("%s: CPU, node, page size or --as is not what was asked (--strict-placement)",
		 b->plan->name);
	session_raise(s, CODE_MACHINE);
}

static void keep(struct session *s, size_t index, unsigned repetition, unsigned order,
		 const struct runner_result *run)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	json_t *line;
	int rc;

	result_merge(b, run, repetition);
	check_strict(s, b);
	if (run->outcome == RUNNER_VOID) {
		progress_end(&s->progress);
		complain("%s: %s: its results are void", b->plan->name, run->error);
		session_raise(s, CODE_VOID);
	}
	line = result_sample_json(b, run, order);
	rc = result_dir_append(&s->dir, line);
	json_decref(line);
	if (rc)
		files_failed(s, "samples.ndjson", rc);
}

/* A benchmark that is not started, or not again. */
static void give_up(struct session *s, struct result_benchmark *b, int code, const char *why)
{
	snprintf(b->error, sizeof(b->error), "%.*s", (int)sizeof(b->error) - 1, why);
	progress_end(&s->progress);
	complain("%s: %s", b->plan->name, b->error);
	session_raise(s, code);
}

/* One repetition of one benchmark, in a process of its own. */
static void measure_one(struct session *s, size_t index, unsigned repetition, unsigned order)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	struct runner_request request = request_for(s, index, repetition);
	size_t number = number_of(s, b);
	struct runner_result run;
	struct isolate w;
	char why[1024];
	int rc;

	if (b->error[0])
		return;
	if (b->plan->translator && s->failures[number] >= FAILURES_MAX) {
		snprintf(why, sizeof(why), "not measured: workers of %s crashed or hung %u times",
			 b->plan->translator->text, s->failures[number]);
		give_up(s, b, CODE_CRASHED, why);
		return;
	}
	current = b->plan->name;
	progress_step(&s->progress, b->plan->name, repetition);
	rc = isolate_start(&w, b->plan->translator ? &s->plan.translators[number] : NULL,
			   s->options->allow_writable, why, sizeof(why));
	if (rc == -ECHILD && !runner_stopping()) {
		note_failure(s, &w, index);
	} else if (rc && rc != -ECHILD) {
		give_up(s, b, CODE_MACHINE, why);
	} else if (!rc && run_there(s, &w, &request, &run, index)) {
		if (run.outcome == RUNNER_OK || run.outcome == RUNNER_VOID)
			keep(s, index, repetition, order, &run);
		else if (run.outcome == RUNNER_REFUSED)
			refuse(s, b, &run);
		if (run.outcome == RUNNER_OK && !b->error[0])
			measure_extras(s, &w, index, repetition, &run);
		runner_result_release(&run);
	}
	isolate_end(&w);
	current = "the harness";
}

void session_measure(struct session *s)
{
	size_t *order = calloc(s->plan.count + 1, sizeof(*order));

	s->failures = calloc(s->plan.translator_count + 1, sizeof(*s->failures));
	if (!order || !s->failures)
		abort();
	progress_begin(&s->progress, s->options->text[OPTION_PROGRESS],
		       s->plan.count * s->plan.repeat, s->plan.duration_ns);
	for (unsigned r = 0; r < s->plan.repeat; r++) {
		plan_order(&s->plan, s->options->seed, r, order);
		for (unsigned i = 0; i < s->plan.count; i++) {
			if (runner_stopping() || s->code == CODE_FILES)
				break;
			measure_one(s, order[i], r, i);
			progress_advance(&s->progress);
			session_save(s);
		}
	}
	progress_end(&s->progress);
	free(order);
	free(s->failures);
	s->failures = NULL;
}
