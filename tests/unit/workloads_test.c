/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workloads_test.c - every workload runs a few rounds under a tiny driver that keeps the runner's
 * contract: against the null translator, against memmap, and the floors against the host.
 *
 * The driver gives each role its workers as threads; a batch is small, so that rounds end and
 * begin anew.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/env.h"
#include "workloads/sigsegv.h"
#include "workloads/window.h"
#include "workloads/workload.h"

#define HUGEPAGES 256 /* three workers with regions of their own, and what is retained */
#include "tests/unit/hugepages.h"

extern const struct translator translator_biglock;
extern const struct translator translator_null;
extern const struct translator translator_memmap;

#define ROUNDS 3
#define MAX_WORKERS 4
#define MEMORY_MAX (UINT64_C(1) << 30)

struct drive {
	struct workload_run run;
	struct worker workers[MAX_WORKERS];
	pthread_barrier_t start;
	_Atomic uint64_t operations[WORKLOAD_MAX_ROLES];
};

/* Shrinks what defaults to a size that is meant for measuring. */
static void set_params(struct workload_run *run)
{
	for (unsigned i = 0; i < 8 && run->workload->params[i].name; i++) {
		run->params[i] = run->workload->params[i].value;
		if (!strcmp(run->workload->params[i].name, "region") && run->params[i] > 4 << 20)
			run->params[i] = 4 << 20;
		if (!strcmp(run->workload->params[i].name, "pages"))
			run->params[i] = 2048;
	}
}

static void assign_roles(struct drive *d, unsigned workers)
{
	const struct workload *wl = d->run.workload;
	unsigned fixed = 0, roles = 0, next = 0;

	for (; roles < WORKLOAD_MAX_ROLES && wl->roles[roles].name; roles++)
		fixed += wl->roles[roles].threads;
	for (unsigned r = 0; r < roles; r++) {
		unsigned left = workers > fixed ? workers - fixed : 1;
		unsigned count = wl->roles[r].threads ? wl->roles[r].threads : left;

		for (unsigned k = 0; k < count; k++, next++) {
			assert_true(next < MAX_WORKERS);
			d->workers[next] = (struct worker){
				.run = &d->run,
				.t = d->run.t,
				.index = next,
				.role = r,
				.role_index = k,
				.role_count = count,
				.memory_node = -1,
				.seed = 0x9e3779b97f4a7c15 * (next + 1),
			};
		}
	}
	d->run.worker_count = next;
	d->run.workers = d->workers;
}

/* How many operations a worker does: whole rounds, and the beginning of one more. */
static uint64_t operations_of(const struct worker *w, uint64_t *round)
{
	const struct workload *wl = w->run->workload;

	*round = wl->roles[w->role].round;
	if (!*round && wl->round_of)
		*round = wl->round_of(w->run, w->role);
	return *round ? *round * ROUNDS + *round / 2 : 2000;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct drive *d = (struct drive *)w->run; /* run is its first member */
	const struct workload *wl = w->run->workload;
	const struct workload_role *role = &wl->roles[w->role];
	uint64_t round, in_round = 0, done = 0, wanted;

	if (w->t && w->t->thread_enter(w->run->engine))
		abort();
	if (wl->enter)
		w->error = wl->enter(w);
	pthread_barrier_wait(&d->start);
	wanted = w->error ? 0 : operations_of(w, &round);
	while (done < wanted && !w->error) {
		uint64_t batch = wanted - done < 7 ? wanted - done : 7, did;

		if (round && batch > round - in_round)
			batch = round - in_round;
		did = role->run(w, batch);
		done += did;
		in_round += did;
		if (did < batch)
			break;
		if (round && in_round == round && role->reset) {
			role->reset(w);
			in_round = 0;
		}
	}
	atomic_fetch_add(&d->operations[w->role], done);
	if (wl->leave)
		wl->leave(w);
	pthread_barrier_wait(&d->start);
	if (w->t)
		w->t->thread_leave(w->run->engine);
	return NULL;
}

/* 0, or the first error. */
static int drive_workers(struct drive *d)
{
	pthread_t threads[MAX_WORKERS];
	int rc = 0;

	pthread_barrier_init(&d->start, NULL, d->run.worker_count);
	for (unsigned i = 0; i < d->run.worker_count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &d->workers[i]), 0);
	for (unsigned i = 0; i < d->run.worker_count; i++) {
		pthread_join(threads[i], NULL);
		if (!rc)
			rc = d->workers[i].error;
	}
	pthread_barrier_destroy(&d->start);
	return rc;
}

/* The engine's own opinion of itself, with all that a workload has made. */
static void check_engine(const struct drive *d)
{
	const struct translator *t = d->run.t;
	char sentence[600] = "";

	if (t && (t->capabilities & TRANSLATOR_CAN_SELF_CHECK) &&
	    t->self_check(d->run.engine, sentence, sizeof(sentence)))
		fail_msg("%s after %s: %s", t->name, d->run.workload->name, sentence);
}

/* Runs one workload from setup to teardown; t is NULL for floors. */
static void drive(const struct workload *wl, const struct translator *t, const char *pages,
		  const char *as, unsigned workers)
{
	struct drive *d = aligned_alloc(128, sizeof(*d));
	struct translator_option options[] = {
		{ "pages", pages }, { "as", as }, { "memory_max", "1073741824" }, { NULL, NULL }
	};
	char error[200] = "";
	int rc;

	memset(d, 0, sizeof(*d));
	d->run = (struct workload_run){
		.workload = wl, .t = t, .pages = pages, .as = as, .memory_max = MEMORY_MAX
	};
	if (t) {
		rc = t->open(options, &d->run.engine, error, sizeof(error));
		if (rc)
			fail_msg("%s: open: %s (%d)", t->name, error, rc);
		assert_int_equal(t->thread_enter(d->run.engine), 0);
	}
	set_params(&d->run);
	assign_roles(d, workers);
	rc = wl->setup(&d->run);
	if (!rc)
		rc = drive_workers(d);
	if (!rc && wl->verify)
		rc = wl->verify(&d->run);
	check_engine(d);
	wl->teardown(&d->run);
	if (rc)
		fail_msg("%s on %s, %s, %s, %u workers: %d", wl->name, t ? t->name : "the host",
			 pages, as, workers, rc);
	assert_null(d->run.space);
	assert_null(d->run.object);
	assert_null(d->run.data);
	for (unsigned r = 0; r < WORKLOAD_MAX_ROLES && wl->roles[r].name; r++)
		assert_true(d->operations[r] > 0);
	if (t) {
		struct translator_stat stat;

		assert_int_equal(t->stat(d->run.engine, &stat), 0);
		assert_int_equal(stat.live_pages, 0);
		t->thread_leave(d->run.engine);
		t->close(d->run.engine);
	}
	free(d);
}

static void drive_all(const struct translator *t, const char *pages, unsigned workers)
{
	for (const struct workload *const *w = workload_list; *w; w++) {
		if ((*w)->is_floor || (*w)->needs & ~t->capabilities)
			continue;
		if (!(*w)->touches)
			drive(*w, t, pages, "none", workers);
		drive(*w, t, pages, "mmap", workers);
	}
}

static void null_runs_every_workload(void **state)
{
	(void)state;
	drive_all(&translator_null, "4k", 1);
	drive_all(&translator_null, "4k", 3);
	drive_all(&translator_null, "2m", 2);
}

static void biglock_runs_every_workload(void **state)
{
	(void)state;
	drive_all(&translator_biglock, "4k", 1);
	drive_all(&translator_biglock, "4k", 3);
}

static void memmap_runs_every_workload(void **state)
{
	(void)state;
	drive_all(&translator_memmap, "4k", 1);
	drive_all(&translator_memmap, "4k", 3);
}

/* Huge pages, where the machine has them; without host mappings, which the test above covers. */
static void memmap_runs_with(const char *pages)
{
	struct translator_option options[] = {
		{ "pages", pages }, { "as", "none" }, { "memory_max", "1073741824" }, { NULL, NULL }
	};
	struct translator_engine *engine;
	char error[200];

	if (translator_memmap.open(options, &engine, error, sizeof(error)) == -ENODEV) {
		print_message("%s\n", error);
		skip();
	}
	translator_memmap.close(engine);
	for (const struct workload *const *w = workload_list; *w; w++)
		if (!(*w)->is_floor && !(*w)->touches &&
		    !((*w)->needs & ~translator_memmap.capabilities))
			drive(*w, &translator_memmap, pages, "none", 3);
}

static void memmap_runs_on_thp(void **state)
{
	(void)state;
	memmap_runs_with("thp");
}

static void memmap_runs_on_2m(void **state)
{
	(void)state;
	memmap_runs_with("2m");
}

static void floors_run(void **state)
{
	(void)state;
	for (const struct workload *const *w = workload_list; *w; w++) {
		if (!(*w)->is_floor ||
		    env_huge_bytes_free(2048) < 3 * (*w)->huge_pages * (UINT64_C(2) << 20))
			continue;
		drive(*w, NULL, "4k", "none", 1);
		drive(*w, NULL, "4k", "none", 3);
	}
}

/* A translator that says no where it matters: setups fail at each step and clean up. */
static struct translator refusing;
static int calls_until_refusal;

static bool refuse(void)
{
	return calls_until_refusal-- == 0;
}

static int refusing_space_create(struct translator_engine *engine, uint64_t bytes,
				 struct translator_space **space)
{
	return refuse() ? -ENOMEM : translator_null.space_create(engine, bytes, space);
}

static int refusing_object_create(struct translator_engine *engine,
				  const struct translator_object_options *options,
				  struct translator_object **object)
{
	return refuse() ? -ENOMEM : translator_null.object_create(engine, options, object);
}

static int refusing_map(struct translator_space *space,
			const struct translator_map_options *options)
{
	return refuse() ? -ENOMEM : translator_null.map(space, options);
}

static int refusing_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	return refuse() ? -ENOMEM : translator_null.fault(space, address, access);
}

static void prepare_refusing(struct drive *d, const struct workload *wl)
{
	memset(d, 0, sizeof(*d));
	refusing = translator_null;
	refusing.space_create = refusing_space_create;
	refusing.object_create = refusing_object_create;
	refusing.map = refusing_map;
	refusing.fault = refusing_fault;
	d->run = (struct workload_run){ .workload = wl,
					.t = &refusing,
					.pages = "4k",
					.as = wl->touches ? "mmap" : "none",
					.memory_max = MEMORY_MAX };
	assert_int_equal(refusing.open(NULL, &d->run.engine, NULL, 0), 0);
	set_params(&d->run);
	assign_roles(d, 1);
}

static void setup_that_fails_is_cleaned_up(void **state)
{
	struct drive *d = aligned_alloc(128, sizeof(*d));

	(void)state;
	for (const struct workload *const *w = workload_list; *w; w++) {
		for (int step = 0; !(*w)->is_floor && step < 4; step++) {
			int rc;

			prepare_refusing(d, *w);
			calls_until_refusal = step;
			rc = (*w)->setup(&d->run);
			assert_true(rc == 0 || rc == -ENOMEM);
			if (step == 0 &&
			    ((*w)->needs & (TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS)))
				assert_int_equal(rc, -ENOMEM);
			(*w)->teardown(&d->run);
			assert_null(d->run.space);
			assert_null(d->run.object);
			assert_null(d->run.data);
		}
	}
	free(d);
}

static void error_of_an_operation_is_recorded(void **state)
{
	struct drive *d = aligned_alloc(128, sizeof(*d));

	(void)state;
	prepare_refusing(d, workload_find("fault-anon"));
	calls_until_refusal = 1 << 30;
	assert_int_equal(d->run.workload->setup(&d->run), 0);
	assert_int_equal(d->run.workload->enter(&d->workers[0]), 0);
	calls_until_refusal = 5;
	assert_int_equal(d->run.workload->roles[0].run(&d->workers[0], 100), 5);
	assert_int_equal(d->workers[0].error, -ENOMEM);
	assert_int_equal(d->workers[0].cursor, 5 * 4096);
	d->run.workload->teardown(&d->run);
	free(d);
}

/* memory_max shrinks a region and says so; less than 2 MiB for each worker is refused. */
static void memory_max_is_respected(void **state)
{
	struct drive *d = aligned_alloc(128, sizeof(*d));
	const struct workload *wl = workload_find("fault-anon");

	(void)state;
	prepare_refusing(d, wl);
	calls_until_refusal = 1 << 30;
	d->run.params[0] = 64 << 20;
	d->run.memory_max = 17 << 20;
	assert_int_equal(wl->setup(&d->run), 0);
	assert_int_equal(d->run.params[0], 8 << 20);
	assert_int_equal(wl->round_of(&d->run, 0), 2048);
	wl->teardown(&d->run);
	d->run.params[0] = 64 << 20;
	d->run.memory_max = 3 << 20;
	assert_int_equal(wl->setup(&d->run), -ENOMEM);
	wl->teardown(&d->run);
	free(d);
}

static void list_is_sorted_and_consistent(void **state)
{
	(void)state;
	for (const struct workload *const *w = workload_list; *w; w++) {
		if (w != workload_list)
			assert_true(strcmp(w[-1]->name, (*w)->name) < 0);
		assert_ptr_equal(workload_find((*w)->name), *w);
		assert_non_null((*w)->description);
		assert_non_null((*w)->operation);
		assert_non_null((*w)->setup);
		assert_non_null((*w)->teardown);
		assert_int_equal((*w)->is_floor, !strncmp((*w)->name, "floor-", 6));
		if ((*w)->is_floor)
			continue;
		assert_non_null((*w)->floor);
		assert_non_null(workload_find((*w)->floor));
		assert_true(workload_find((*w)->floor)->is_floor);
	}
	assert_null(workload_find("fault-anom"));
}

static void pingpong_does_not_wait_for_ever(void **state)
{
	struct drive *d = aligned_alloc(128, sizeof(*d));
	const struct workload *wl = workload_find("floor-pingpong");

	(void)state;
	memset(d, 0, sizeof(*d));
	d->run = (struct workload_run){ .workload = wl, .pages = "4k", .as = "none" };
	assign_roles(d, 2);
	assert_int_equal(d->run.worker_count, 2);
	assert_int_equal(wl->setup(&d->run), 0);
	/* Ping serves once and hears nothing; pong then finds the ball, and waits in turn. */
	assert_int_equal(wl->roles[0].run(&d->workers[0], 10), 1);
	assert_int_equal(wl->roles[1].run(&d->workers[1], 10), 1);
	assert_int_equal(wl->roles[0].run(&d->workers[0], 10), 1);
	wl->teardown(&d->run);
	free(d);
}

static unsigned char *foreign_page;
static volatile int foreign_traps;

static void foreign_handler(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	if (info->si_addr != foreign_page)
		abort();
	foreign_traps++;
	mprotect(foreign_page, 4096, PROT_READ | PROT_WRITE);
}

static void ignore_trap(void *arg, unsigned char *at, ucontext_t *context)
{
	(void)arg, (void)at, (void)context;
	abort();
}

/* Passes on to the floors' handler, as an engine does that finds it installed over its own. */
static struct sigaction over;

static void reinstalled_handler(int signo, siginfo_t *info, void *context)
{
	over.sa_sigaction(signo, info, context);
}

/* Two handlers that pass on to each other: the process dies of the signal, it does not loop. */
static void handlers_in_a_circle_end(void **state)
{
	struct sigaction ours = { .sa_flags = SA_SIGINFO };
	static unsigned char own[4096];
	int status = 0;
	pid_t child;

	(void)state;
	ours.sa_sigaction = reinstalled_handler;
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		alarm(20);
		foreign_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (sigaction(SIGSEGV, &ours, NULL) ||
		    sigsegv_register(own, sizeof(own), ignore_trap, NULL) ||
		    sigaction(SIGSEGV, &ours, &over))
			_exit(1);
		*(volatile unsigned char *)foreign_page = 1;
		_exit(2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

/* A trap that is not a floor's own reaches the handler from before, which is put back later. */
static void foreign_traps_are_passed_on(void **state)
{
	struct sigaction ours = { .sa_flags = SA_SIGINFO }, before, now;
	static unsigned char own[4096];

	(void)state;
	ours.sa_sigaction = foreign_handler;
	assert_int_equal(sigaction(SIGSEGV, &ours, &before), 0);
	foreign_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(foreign_page != MAP_FAILED);
	assert_int_equal(sigsegv_register(own, sizeof(own), ignore_trap, NULL), 0);
	*(volatile unsigned char *)foreign_page = 1;
	assert_int_equal(foreign_traps, 1);
	sigsegv_unregister(own);
	assert_int_equal(sigaction(SIGSEGV, &before, &now), 0);
	assert_true(now.sa_sigaction == foreign_handler);
	munmap(foreign_page, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_is_sorted_and_consistent),
		cmocka_unit_test(setup_that_fails_is_cleaned_up),
		cmocka_unit_test(error_of_an_operation_is_recorded),
		cmocka_unit_test(memory_max_is_respected),
		cmocka_unit_test(pingpong_does_not_wait_for_ever),
		cmocka_unit_test(foreign_traps_are_passed_on),
		cmocka_unit_test(handlers_in_a_circle_end),
		cmocka_unit_test(floors_run),
		cmocka_unit_test(null_runs_every_workload),
		cmocka_unit_test(biglock_runs_every_workload),
		cmocka_unit_test(memmap_runs_every_workload),
		cmocka_unit_test_setup_teardown(memmap_runs_on_2m, hugepages_setup,
						hugepages_teardown),
		cmocka_unit_test(memmap_runs_on_thp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
