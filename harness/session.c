/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - the repetitions of a run, in their random order, and what is saved after each.
 */
#include "harness/session.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/env.h"
#include "harness/hlog.h"

/* A repetition takes its duration, its warm-up, and what its workload prepares. */
#define TIME_BOX_NS(duration) ((duration)*10 + UINT64_C(10000000000))
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

/* hist/NAME.hlog: one tagged line a role. */
static int save_hlog(struct session *s, const struct result_benchmark *b)
{
	char file[300], tag[300], name[256], *text = NULL;
	double seconds = (double)s->plan.duration_ns / 1e9 * (double)b->sample_count;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	rc = hlog_write_head(out, (double)time(NULL), b->plan->name);
	for (unsigned r = 0; r < WORKLOAD_MAX_ROLES && !rc; r++) {
		if (!b->latency[r])
			continue;
		snprintf(tag, sizeof(tag), "%s/%s", b->plan->name,
			 b->plan->workload->roles[r].name);
		rc = hlog_write(out, tag, 0, seconds, b->latency[r]);
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

	if (b->translator && strcmp(b->pages, "2m") == 0 &&
	    !(b->translator->translator->capabilities & TRANSLATOR_COMPUTES_NOTHING))
		pool = env_huge_bytes_free();
	return pool < s->memory_max ? pool : s->memory_max;
}

static struct runner_request request_for(const struct session *s, size_t index, unsigned repetition)
{
	const struct plan_benchmark *b = &s->plan.benchmarks[index];

	return (struct runner_request){
		.benchmark = b,
		.topology = &s->topology,
		.clock = &s->clock,
		.policy = &s->plan.policy,
		.cpus = b->cpus,
		.duration_ns = s->plan.duration_ns,
		.memory_max = memory_for(s, b),
		/* The same inputs whatever the order of the run is. */
		.seed = s->options->seed + repetition * UINT64_C(1000003) + index,
		.time_box_ns = TIME_BOX_NS(s->plan.duration_ns),
	};
}

static uint64_t extra_ns(const struct session *s)
{
	uint64_t ns = s->plan.duration_ns / EXTRA_PART;

	return ns < EXTRA_NS_MIN ? EXTRA_NS_MIN : ns > EXTRA_NS_MAX ? EXTRA_NS_MAX : ns;
}

/* The other pairs of CPUs; every so-manyth where they are too many. False: hung. */
static bool measure_pairs(struct session *s, size_t index, unsigned repetition)
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
			runner_run(&request, &run);
			if (run.outcome == RUNNER_HUNG)
				return false;
			if (run.outcome == RUNNER_OK)
				result_merge_cell(&b->pairs, &b->pair_count, cpus[0], cpus[1],
						  &run);
			runner_result_release(&run);
		}
	}
	return true;
}

/* Each node of memory seen from each planned CPU. False: hung. */
static bool measure_nodes(struct session *s, size_t index, unsigned repetition)
{
	struct result_benchmark *b = &s->result.benchmarks[index];

	for (unsigned n = 0; n < s->topology.node_count && !runner_stopping(); n++) {
		struct memory_policy policy = { .kind = MEMORY_POLICY_BIND,
						.node = s->topology.node_os[n] };
		struct runner_request request = request_for(s, index, repetition);
		struct runner_result run;

		request.policy = &policy;
		request.duration_ns = extra_ns(s);
		runner_run(&request, &run);
		if (run.outcome == RUNNER_HUNG)
			return false;
		for (unsigned w = 0; run.outcome == RUNNER_OK && w < run.thread_count; w++) {
			struct runner_result one = { .thread_count = 1,
						     .threads = &run.threads[w] };

			result_merge_cell(&b->nodes, &b->node_count, run.threads[w].cpu_asked,
					  (unsigned)policy.node, &one);
		}
		runner_result_release(&run);
	}
	return true;
}

/* What the matrices need beyond the benchmark itself; one repetition of it is enough. */
static bool measure_extras(struct session *s, size_t index, unsigned repetition,
			   const struct runner_result *run)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	const struct workload *w = b->plan->workload;

	if (w->two_party && b->plan->threads == 2)
		result_merge_cell(&b->pairs, &b->pair_count, b->plan->cpus[0], b->plan->cpus[1],
				  run);
	if (repetition)
		return true;
	if (w->two_party && b->plan->threads == 2 && !measure_pairs(s, index, repetition))
		return false;
	return !w->first_touch || measure_nodes(s, index, repetition);
}

/* Pages elsewhere than where --mem bound them. */
static void check_nodes(struct session *s, struct result_benchmark *b)
{
	for (int n = 0; s->plan.policy.kind == MEMORY_POLICY_BIND && n < RUNNER_NODES_MAX; n++) {
		if (b->pages_per_node[n] && n != s->plan.policy.node)
			b->flags |= RESULT_NODE_MISMATCH;
	}
}

static void raise_code(struct session *s, int code)
{
	/* Void results matter more than a benchmark that the machine could not run. */
	if (s->code == CODE_OK || (code == CODE_VOID && s->code == CODE_MACHINE))
		s->code = code;
}

static void refuse(struct session *s, struct result_benchmark *b, const struct runner_result *run)
{
	bool pool = run->rc == -ENOMEM && strcmp(b->plan->pages, "2m") == 0;

	/* A benchmark that was refused is not tried again, so this is said once. */
	snprintf(b->error, sizeof(b->error), "%s%s", run->error,
		 pool ? "; more 2 MiB pages: sysctl -w vm.nr_hugepages=512" : "");
	progress_end(&s->progress);
	complain("%s: %s", b->plan->name, b->error);
	result_note(&s->result, "%s: %s", b->plan->name, b->error);
	raise_code(s, run->rc == -EINVAL ? CODE_USAGE : CODE_MACHINE);
}

/* With --strict-placement what was not got is an error. */
static void check_strict(struct session *s, const struct result_benchmark *b)
{
	unsigned wrong = RESULT_MIGRATED | RESULT_PAGE_SIZE_MISMATCH | RESULT_NODE_MISMATCH |
			 RESULT_DEMOTED;

	if (!s->options->strict_placement || !(b->flags & wrong) || s->code)
		return;
	complain("%s: CPU, node or page size is not what was asked (--strict-placement)",
		 b->plan->name);
	raise_code(s, CODE_MACHINE);
}

static void keep(struct session *s, size_t index, unsigned repetition, unsigned order,
		 const struct runner_result *run)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	json_t *line;
	int rc;

	result_merge(b, run, repetition);
	check_nodes(s, b);
	check_strict(s, b);
	if (run->outcome == RUNNER_VOID) {
		progress_end(&s->progress);
		complain("%s: %s: its results are void", b->plan->name, run->error);
		raise_code(s, CODE_VOID);
	}
	line = result_sample_json(b, run, order);
	rc = result_dir_append(&s->dir, line);
	json_decref(line);
	if (rc)
		files_failed(s, "samples.ndjson", rc);
}

/* One repetition of one benchmark. False: hung. */
static bool measure_one(struct session *s, size_t index, unsigned repetition, unsigned order)
{
	struct result_benchmark *b = &s->result.benchmarks[index];
	struct runner_request request = request_for(s, index, repetition);
	struct runner_result run;
	bool fine = true;

	if (b->error[0])
		return true;
	current = b->plan->name;
	progress_step(&s->progress, b->plan->name, repetition);
	runner_run(&request, &run);
	if (run.outcome == RUNNER_HUNG) {
		progress_end(&s->progress);
		complain("%s", run.error);
		b->flags |= RESULT_TIME_BOXED;
		snprintf(b->error, sizeof(b->error), "%s", run.error);
		s->code = CODE_CRASHED;
		return false;
	}
	if (run.outcome == RUNNER_OK || run.outcome == RUNNER_VOID)
		keep(s, index, repetition, order, &run);
	else if (run.outcome == RUNNER_REFUSED)
		refuse(s, b, &run);
	if (run.outcome == RUNNER_OK)
		fine = measure_extras(s, index, repetition, &run);
	runner_result_release(&run);
	current = "the harness";
	return fine;
}

bool session_measure(struct session *s)
{
	size_t *order = calloc(s->plan.count + 1, sizeof(*order));
	bool fine = true;

	if (!order)
		abort();
	progress_begin(&s->progress, s->options->text[OPTION_PROGRESS],
		       s->plan.count * s->plan.repeat, s->plan.duration_ns);
	for (unsigned r = 0; r < s->plan.repeat; r++) {
		plan_order(&s->plan, s->options->seed, r, order);
		for (unsigned i = 0; i < s->plan.count && fine; i++) {
			if (runner_stopping() || s->code == CODE_FILES)
				break;
			fine = measure_one(s, order[i], r, i);
			progress_advance(&s->progress);
			if (fine)
				session_save(s);
		}
	}
	progress_end(&s->progress);
	if (!fine)
		s->code = CODE_CRASHED;
	free(order);
	return fine;
}
