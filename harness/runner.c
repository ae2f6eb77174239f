/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.c - the life of one repetition.
 *
 * A conductor thread does all that could hang (open, setup, workers, verify, teardown), while the
 * caller waits for it no longer than the time box: sleeping, so that nothing preempts a worker.
 */
#include "harness/runner.h"

#include <errno.h>
#include <numaif.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/worker.h"

/* Addresses at which pages are looked for: every 2 MiB of this much. */
#define SAMPLE_BYTES (UINT64_C(64) << 30)
#define SAMPLE_STEP (UINT64_C(2) << 20)
#define SAMPLES_MAX 64
/* Of what is a worker's own: pages tried, and about as many of them looked at. */
#define OWN_TRIES 16384
#define OWN_SAMPLES 16

static atomic_bool stop_here;
static atomic_bool *stopping = &stop_here;
static char phase_here[RUNNER_PHASE_SIZE], *phase_text = phase_here;

void runner_stop(void)
{
	atomic_store(stopping, true);
}

bool runner_stopping(void)
{
	return atomic_load_explicit(stopping, memory_order_relaxed);
}

void runner_stop_at(atomic_bool *flag)
{
	stopping = flag;
}

void runner_phase_at(char *text)
{
	phase_text = text;
}

static void phase(const char *doing)
{
	snprintf(phase_text, RUNNER_PHASE_SIZE, "%s", doing);
}

void runner_fail(struct runner_shared *shared, const char *what, int rc)
{
	int error = rc <= -0x10000 ? -rc - 0x10000 : -rc;

	pthread_mutex_lock(&shared->error_lock);
	if (!atomic_load(&shared->failed)) {
		shared->error_rc = rc;
		snprintf(shared->error, sizeof(shared->error), "%s: %s%s", what,
			 rc <= -0x10000 ? "bus error: " : "", strerror(error));
		atomic_store(&shared->failed, true);
	}
	pthread_mutex_unlock(&shared->error_lock);
}

/* Anonymous memory of this process, bytes; 0 if unreadable. */
static int64_t rss_anon(void)
{
	char line[128];
	long long kib = 0;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "RssAnon: %lld kB", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kib * 1024;
}

static void prepare_workers(struct runner_shared *shared)
{
	const struct runner_request *request = shared->request;
	const struct plan_benchmark *b = request->benchmark;
	struct worker seeds = { .seed = request->seed * UINT64_C(0x9e3779b97f4a7c15) | 1 };
	unsigned index = 0;

	for (unsigned role = 0; role < WORKLOAD_MAX_ROLES; role++) {
		for (unsigned i = 0; i < b->role_threads[role]; i++, index++) {
			const struct topology_pu *pu =
				topology_find(request->topology, request->cpus[index]);
			int node = pu ? pu->node_os : 0;

			shared->run.workers[index] = (struct worker){
				.run = &shared->run,
				.t = shared->run.t,
				.index = index,
				.role = role,
				.role_index = i,
				.role_count = b->role_threads[role],
				.cpu = (int)request->cpus[index],
				.node = node,
				.memory_node = memory_policy_node(request->policy, node),
				.seed = worker_random(&seeds) | 1,
			};
			shared->threads[index] =
				(struct runner_thread){ .role = role,
							.cpu_asked = request->cpus[index],
							.cpu = -1,
							.node = -1 };
			shared->workers[index] =
				(struct runner_worker){ .shared = shared,
							.worker = &shared->run.workers[index],
							.result = &shared->threads[index] };
		}
	}
}

/* Those of role 0, in one; the workers' own are gone afterwards. */
static void collect_intervals(struct runner_shared *shared, struct runner_result *result)
{
	for (unsigned i = 0; i < shared->run.worker_count; i++) {
		struct runner_worker *rw = &shared->workers[i];

		if (!i && rw->intervals.count)
			intervals_reset(&result->intervals, rw->intervals.histograms[0]->unit_ns);
		if (!rw->worker->role && rw->intervals.count == result->intervals.count)
			intervals_merge(&result->intervals, &rw->intervals);
		intervals_release(&rw->intervals);
	}
}

/* Starts all workers and joins them. */
static void run_workers(struct runner_shared *shared, struct runner_result *result)
{
	unsigned count = shared->run.worker_count, started = 0;
	int rc = 0;

	if (pthread_barrier_init(&shared->start, NULL, count))
		abort();
	for (; started < count && !rc; started += !rc)
		rc = pthread_create(&shared->workers[started].thread, NULL, worker_main,
				    &shared->workers[started]);
	if (rc) {
		/* Those that exist wait at the barrier for ever. */
		runner_fail(shared, "pthread_create", -rc);
		if (started) {
			result->outcome = RUNNER_HUNG;
			snprintf(result->error, sizeof(result->error),
				 "only %u of %u threads could be created", started, count);
			return;
		}
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(shared->workers[i].thread, NULL);
	if (intervals_init(&result->intervals, shared->request->intervals))
		abort();
	collect_intervals(shared, result);
	pthread_barrier_destroy(&shared->start);
}

/* What a reading back of pages has found. */
struct look {
	const struct workload_run *run;
	struct runner_result *result;
	struct worker random;
	unsigned present, samples;
	int rc; /* why a page could not be looked at */
};

static bool is_present(const struct look *l, uint64_t address, struct translator_translation *at)
{
	return l->run->t->lookup(l->run->space, address, TRANSLATOR_READ, at) == 0;
}

/* Asks of one page. asked: the node that it ought to be on, -1: any. */
static void look_at(struct look *l, const struct translator_translation *at, int asked)
{
	struct runner_result *result = l->result;
	uint64_t size;
	int node;
	int rc = l->run->t->placement(l->run->engine, at->file, at->offset, &size, &node);

	l->present++;
	if (rc) {
		l->rc = rc;
		return;
	}
	l->samples++;
	/* The smallest says what the slowest of them costs. */
	if (!result->kernel_page_size || size < result->kernel_page_size)
		result->kernel_page_size = size;
	if (node >= 0 && node < RUNNER_NODES_MAX)
		result->pages_per_node[node]++;
	if (asked >= 0) {
		result->pages_asked++;
		result->pages_elsewhere += node != asked;
	}
}

/* Some pages of a worker's own, spread over those that are present. */
static void look_at_own(struct look *l, const struct worker *w)
{
	uint64_t start = l->run->own_start + w->index * l->run->own_bytes;
	uint64_t end = start + l->run->own_bytes, present = 0, seen = 0, next;
	uint64_t step = l->run->own_bytes / OWN_TRIES / 4096 * 4096;
	struct translator_translation at;

	step = step ? step : 4096;
	for (uint64_t a = start; a < end; a += step)
		present += is_present(l, a, &at);
	/* At random, since pages that alternate between nodes would be seen on one of them. */
	next = worker_random(&l->random) % (present / OWN_SAMPLES + 1);
	for (uint64_t a = start; a < end; a += step) {
		if (!is_present(l, a, &at) || seen++ < next)
			continue;
		look_at(l, &at, w->memory_node);
		next = seen + worker_random(&l->random) % (2 * (present / OWN_SAMPLES) + 1);
	}
}

/* Some pages of the whole space, where nobody knows who faulted them. */
static void look_at_all(struct look *l, const struct memory_policy *policy)
{
	struct translator_translation at;

	for (uint64_t a = 0; a < SAMPLE_BYTES && l->samples < SAMPLES_MAX; a += SAMPLE_STEP) {
		uint64_t inside = worker_random(&l->random) % SAMPLE_STEP / 4096 * 4096;

		if (is_present(l, a + inside, &at) || is_present(l, a, &at))
			look_at(l, &at, policy->node);
	}
}

/* Reads back where pages are and how large, for a sample of those present. */
static void read_placement(const struct runner_shared *shared, struct runner_result *result)
{
	const struct workload_run *run = &shared->run;
	const struct translator *t = run->t;
	struct look l = { .run = run, .result = result, .random = { .seed = 1 } };

	if (!t || !run->space || !t->lookup || !t->placement) {
		snprintf(result->placement_reason, sizeof(result->placement_reason), "%s",
			 !t	       ? "a floor has no pages of a translator"
			 : !run->space ? "the workload has no space"
				       : "the translator cannot say where its pages are");
		return;
	}
	for (unsigned i = 0; i < run->worker_count && run->own_bytes; i++)
		look_at_own(&l, &run->workers[i]);
	if (!run->own_bytes)
		look_at_all(&l, shared->request->policy);
	if (!l.samples && l.present)
		snprintf(result->placement_reason, sizeof(result->placement_reason),
			 "the translator cannot say where its pages are: %s", strerror(-l.rc));
	else if (!l.samples)
		snprintf(result->placement_reason, sizeof(result->placement_reason),
			 "no page was present to look at");
}

/* How much is on the node of its user, of what the translator and the histograms take. */
static void read_locality(const struct runner_shared *shared, struct runner_result *result)
{
	const struct workload_run *run = &shared->run;

	memset(&result->locality, 0, sizeof(result->locality));
	result->has_locality = run->t && TRANSLATOR_HAS(run->t, locality) &&
			       !run->t->locality(run->engine, &result->locality);
	for (unsigned i = 0; i < run->worker_count; i++) {
		const struct histogram *h = shared->threads[i].latency;

		for (size_t at = 0; h && at < sizeof(*h); at += 4096) {
			void *page = (void *)(((uintptr_t)h + at) & ~(uintptr_t)4095);
			int node = -1;

			if (move_pages(0, 1, &page, NULL, &node, 0) || node < 0)
				continue;
			result->histogram_pages++;
			result->histogram_pages_local += node == run->workers[i].node;
		}
	}
}

/* The parameter of that name, or `otherwise` if the workload has none. */
static uint64_t param(const struct workload_run *run, const char *name, uint64_t otherwise)
{
	const struct workload_param *params = run->workload->params;

	for (unsigned k = 0; k < 8 && params[k].name; k++) {
		if (strcmp(params[k].name, name) == 0)
			return run->params[k];
	}
	return otherwise;
}

/*
 * Makes resident what the workers will use. A host that backs memory for the first time takes
 * milliseconds, which are not the translator's. By convention parameter `region` is the bytes
 * that each worker uses; where its pages alternate between nodes, they lie among as much on each. A
 * node is asked once for all of it: a second request would find the same memory ready. Too little
 * memory shows later, and then with a better message.
 */
static void prefault(const struct runner_shared *shared)
{
	const struct workload_run *run = &shared->run;
	const struct topology *nodes = shared->request->topology;
	uint64_t each = param(run, "region", 0), most = run->memory_max / 2 / run->worker_count;

	if (!run->t || !run->t->prefault || !each)
		return;
	if (shared->request->policy->kind == MEMORY_POLICY_INTERLEAVE)
		most /= nodes->node_count;
	each = each < most ? each : most;
	for (unsigned n = 0; n < nodes->node_count; n++) {
		uint64_t users = 0;

		for (unsigned i = 0; i < run->worker_count; i++)
			users += run->workers[i].memory_node == nodes->node_os[n] ||
				 run->workers[i].memory_node < 0;
		if (users && run->t->prefault(run->engine, nodes->node_os[n], users * each))
			return;
	}
}

/* A translator that places its memory itself is told where. */
static int place_memory(const struct runner_shared *shared)
{
	const struct workload_run *run = &shared->run;
	const struct runner_request *request = shared->request;
	struct translator_place place = memory_policy_place(request->policy, request->topology);
	int rc = run->t && TRANSLATOR_HAS(run->t, place) ? run->t->place(run->engine, &place) : 0;

	return rc == -EOPNOTSUPP ? 0 : rc;
}

/* With an open engine: setup to teardown. */
static void run_workload(struct runner_shared *shared, struct runner_result *result,
			 int64_t rss_before)
{
	struct workload_run *run = &shared->run;
	const struct workload *workload = run->workload;
	struct noise_sample before, after;
	int rc;

	phase("setup");
	rc = place_memory(shared);
	if (!rc)
		prefault(shared);
	if (!rc && workload->setup)
		rc = workload->setup(run);
	if (rc) {
		result->outcome = RUNNER_REFUSED;
		result->rc = rc;
		snprintf(result->error, sizeof(result->error), "%s: setup: %s%s", workload->name,
			 strerror(rc <= -0x10000 ? -rc - 0x10000 : -rc),
			 rc == -ENOMEM ? " (see --memory-max and --param)" : "");
	} else {
		phase("running");
		noise_throttle_open(&shared->throttle, NULL);
		noise_sample_take(&before, NULL);
		run_workers(shared, result);
		if (result->outcome == RUNNER_HUNG)
			return;
		noise_sample_take(&after, NULL);
		noise_throttle_close(&shared->throttle);
		noise_change(&before, &after, &result->change);
		/* What this thread did is no matter, it slept. */
		result->noise = noise_flags(&before, &after) & NOISE_THROTTLED;
		/* What a translator does not fill in, it does not know. */
		memset(&result->stat, 0xff, sizeof(result->stat));
		result->has_stat = run->t && run->t->stat &&
				   !run->t->stat(run->engine, &result->stat);
		result->rss_anon = rss_anon() - rss_before;
		if (shared->failed) {
			result->outcome = shared->error_rc == -ENOMEM ? RUNNER_REFUSED
								      : RUNNER_VOID;
			result->rc = shared->error_rc;
			snprintf(result->error, sizeof(result->error), "%s: %s", workload->name,
				 shared->error);
		} else if (runner_stopping()) {
			result->outcome = RUNNER_STOPPED;
		} else {
			phase("verification");
			read_placement(shared, result);
			read_locality(shared, result);
			rc = workload->verify ? workload->verify(run) : 0;
		}
		if (rc) {
			result->outcome = RUNNER_VOID;
			result->rc = rc;
			snprintf(result->error, sizeof(result->error),
				 "%s: verification failed: %s", workload->name, strerror(-rc));
		}
	}
	phase("teardown");
	if (workload->teardown)
		workload->teardown(run);
}

/* What hangs may still write here after runner_run gave up: hence not on its stack. */
static struct conductor {
	struct runner_request request;
	struct runner_result result;
	sem_t done;
} conductor;

static void conduct(const struct runner_request *request, struct runner_result *result)
{
	const struct plan_benchmark *b = request->benchmark;
	struct runner_shared *shared = aligned_alloc(128, sizeof(*shared));
	const struct translator *t = b->translator ? b->translator->translator : NULL;
	int64_t rss_before = rss_anon();
	int rc = 0;

	if (!shared)
		abort();
	memset(shared, 0, sizeof(*shared));
	pthread_mutex_init(&shared->error_lock, NULL);
	shared->request = request;
	shared->run = (struct workload_run){ .workload = b->workload,
					     .t = t,
					     .pages = b->pages,
					     .as = b->as,
					     .worker_count = b->threads,
					     .memory_max = request->memory_max };
	memcpy(shared->run.params, b->params, sizeof(b->params));
	shared->batch_min = param(&shared->run, "batch", 1);
	if (t && t->capabilities & TRANSLATOR_CAN_BATCH && shared->batch_min > 1)
		shared->run.batch = shared->batch_min;
	shared->run.workers = aligned_alloc(128, b->threads * sizeof(struct worker));
	shared->workers = calloc(b->threads, sizeof(*shared->workers));
	shared->threads = calloc(b->threads, sizeof(*shared->threads));
	if (!shared->run.workers || !shared->workers || !shared->threads)
		abort();
	memset(shared->run.workers, 0, b->threads * sizeof(struct worker));
	result->threads = shared->threads;
	result->thread_count = b->threads;
	/* A setup may ask who the workers will be. */
	prepare_workers(shared);
	/* For setups as well; threads inherit it. Local is the kernel's default: where policies are
	 * forbidden, it holds all the same. */
	rc = memory_policy_apply(request->policy, request->topology, result->error,
				 sizeof(result->error));
	if (rc && request->policy->kind == MEMORY_POLICY_LOCAL) {
		result->error[0] = '\0';
		rc = 0;
	}
	phase("opening the engine");
	if (t && !rc)
		rc = translator_spec_open(b->translator, b->pages, b->as, b->refs,
					  request->memory_max, &shared->run.engine, result->error,
					  sizeof(result->error));
	if (!rc && (!shared->batch_min || shared->batch_min > WORKLOAD_BATCH_MAX)) {
		rc = -EINVAL;
		snprintf(result->error, sizeof(result->error), "batch is from 1 to %d",
			 WORKLOAD_BATCH_MAX);
	}
	if (!rc && t && t->thread_enter)
		rc = t->thread_enter(shared->run.engine);
	if (rc) {
		result->outcome = RUNNER_REFUSED;
		result->rc = rc;
	} else {
		run_workload(shared, result, rss_before);
		if (result->outcome == RUNNER_HUNG)
			return;
	}
	if (t && t->thread_leave && !rc)
		t->thread_leave(shared->run.engine);
	phase("closing the engine");
	if (t && shared->run.engine)
		t->close(shared->run.engine);
	phase("nothing of the translator's");
	pthread_mutex_destroy(&shared->error_lock);
	free(shared->run.workers);
	free(shared->workers);
	free(shared);
}

static void *conductor_main(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "conductor");
	conduct(&conductor.request, &conductor.result);
	sem_post(&conductor.done);
	return NULL;
}

void runner_run(const struct runner_request *request, struct runner_result *result)
{
	uint64_t until = clock_source_monotonic_ns() + request->time_box_ns;
	struct timespec deadline = { .tv_sec = (time_t)(until / 1000000000),
				     .tv_nsec = (long)(until % 1000000000) };
	pthread_t thread;
	int rc;

	memset(result, 0, sizeof(*result));
	memset(&conductor, 0, sizeof(conductor));
	conductor.request = *request;
	sem_init(&conductor.done, 0, 0);
	rc = pthread_create(&thread, NULL, conductor_main, NULL);
	if (rc) {
		result->outcome = RUNNER_REFUSED;
		result->rc = -rc;
		snprintf(result->error, sizeof(result->error), "no thread: %s", strerror(rc));
		return;
	}
	do
		rc = sem_clockwait(&conductor.done, CLOCK_MONOTONIC, &deadline);
	while (rc && errno == EINTR);
	if (rc) {
		pthread_detach(thread);
		result->outcome = RUNNER_HUNG;
		snprintf(result->error, sizeof(result->error),
			 "%s did not end within %.0f s: a worker hangs", request->benchmark->name,
			 (double)request->time_box_ns / 1e9);
		return;
	}
	pthread_join(thread, NULL);
	sem_destroy(&conductor.done);
	*result = conductor.result;
}

static void thread_release(struct runner_thread *t)
{
	histogram_destroy(t->latency);
	histogram_destroy(t->response);
	histogram_destroy(t->lag);
}

void runner_result_release(struct runner_result *result)
{
	for (unsigned i = 0; i < result->thread_count; i++)
		thread_release(&result->threads[i]);
	intervals_release(&result->intervals);
	free(result->threads);
	memset(result, 0, sizeof(*result));
}

double runner_ops_per_s(const struct runner_result *result, int role)
{
	double total = 0;

	for (unsigned i = 0; i < result->thread_count; i++) {
		const struct runner_thread *t = &result->threads[i];

		if (t->span_ns && (role < 0 || t->role == (unsigned)role))
			total += (double)t->ops * 1e9 / (double)t->span_ns;
	}
	return total;
}

double runner_ns_per_op(const struct runner_result *result)
{
	uint64_t ops = 0, busy = 0;

	for (unsigned i = 0; i < result->thread_count; i++) {
		ops += result->threads[i].ops;
		busy += result->threads[i].busy_ns;
	}
	return ops ? (double)busy / (double)ops : 0;
}
