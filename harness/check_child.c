/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_child.c - one property, or one script, in a process of its own.
 *
 * What the child finds stands in memory that both see, so that it is there even if the child dies
 * in the middle. The parent waits for the end of a pipe that only the child holds, as long as the
 * child makes steps and no longer than a time box, and then kills the child's whole process group.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/check.h"
#include "harness/check_load.h"
#include "harness/check_pages.h"
#include "harness/check_stop.h"
#include "harness/check_wait.h"

#define HANG_NS UINT64_C(4000000000) /* beyond the budget, without a step */
#define PERIODS_MAX 15 /* of HANG_NS: then it is the end, whatever steps it makes */

struct check_board {
	struct check_outcome outcome;
	struct check_progress progress;
	volatile bool ended;
};

bool check_run_pages(struct check_run *run, struct check_geometry *geometry)
{
	struct check_outcome *o = run->outcome;
	const char *asked = check_pages_asked(run->options);

	if (asked)
		check_pages_become(geometry, asked);
	o->pool = !check_pages_pooled(geometry->pages) ? CHECK_NO_POOL
		  : asked			       ? CHECK_POOL_BY_USER
						       : CHECK_POOL_BY_LIST;
	if (run->without_pool && o->pool == CHECK_POOL_BY_LIST)
		snprintf(o->message, sizeof(o->message), "others take the 2 MiB pages");
	else if (check_pages_suffice(geometry->pages, asked, o->message, sizeof(o->message)))
		return true;
	o->status = CHECK_SKIPPED;
	return false;
}

bool check_run_script(struct check_run *run, const struct check_script *script)
{
	struct check_outcome *o = run->outcome;
	struct check_play play = {
		.t = run->t,
		.options = run->options,
		.seed = run->random,
		.deadline_ns = run->deadline_ns,
		.traces = run->traces,
		.progress = run->progress,
	};
	enum check_played played;

	o->script = *script;
	o->has_script = true;
	run->progress->where = 0;
	if (!check_run_pages(run, &o->script.geometry))
		return true;
	if (!check_script_pages(o->script.geometry.pages)) {
		snprintf(o->message, sizeof(o->message), "lists are not played with pages=%s",
			 o->script.geometry.pages);
		o->script.geometry = script->geometry;
		o->status = CHECK_SKIPPED;
		return true;
	}
	played = check_play(&play, &o->script);
	o->tried += play.rounds ? play.rounds : 1;
	if (played == CHECK_PLAYED)
		return true;
	snprintf(o->message, sizeof(o->message), "%s", play.message);
	o->status = played == CHECK_PARTED ? CHECK_FAILED : CHECK_SKIPPED;
	if (played == CHECK_PARTED && script->rounds)
		o->script.rounds = play.rounds;
	return played == CHECK_NOT_PLAYED;
}

static void in_child(const struct check_request *request, const struct check_property *property,
		     const struct check_script *script, uint64_t budget_ns,
		     struct check_board *board)
{
	struct check_outcome *o = &board->outcome;
	struct check_loaded loaded;
	struct check_run run = {
		.random = o->seed,
		.deadline_ns = check_now_ns() + budget_ns,
		.quick = request->quick,
		.without_pool = request->without_pool,
		.outcome = o,
		.progress = &board->progress,
	};

	o->refused = check_load(&loaded, request->translator, o->message, sizeof(o->message));
	if (o->refused) {
		o->status = CHECK_FAILED;
		return;
	}
	o->capabilities = loaded.t->capabilities;
	run.t = loaded.t;
	run.options = loaded.options;
	check_touch_install();
	check_stop_install();
	check_wait_promptly();
	if (!property && !(run.traces = calloc(CHECK_LANES, sizeof(*run.traces))))
		abort();
	if (property ? !property->run(&run, property->data) : !check_run_script(&run, script))
		o->status = CHECK_FAILED;
}

/* What the end of the child says, beyond what it said itself. */
static void judge(struct check_board *board, int status, bool killed)
{
	struct check_outcome *o = &board->outcome;
	char op[160] = "";
	FILE *out;

	if (board->ended && !killed)
		return;
	if (o->has_script && board->progress.where < o->script.count) {
		out = fmemopen(op, sizeof(op) - 1, "w");
		if (out) {
			check_op_print(&o->script.ops[board->progress.where], out);
			fclose(out);
		}
		op[strcspn(op, "\n")] = '\0';
	}
	if (board->ended && o->status == CHECK_FAILED)
		return;
	o->status = killed ? CHECK_HUNG : CHECK_CRASHED;
	if (killed)
		snprintf(o->message, sizeof(o->message), "did not come back%s%s",
			 *op ? " from " : "", op);
	else if (WIFSIGNALED(status))
		snprintf(o->message, sizeof(o->message), "killed by signal %d (%s)%s%s",
			 WTERMSIG(status), strsignal(WTERMSIG(status)), *op ? " in " : "", op);
	else
		snprintf(o->message, sizeof(o->message), "the process ended with code %d%s%s",
			 WEXITSTATUS(status), *op ? " in " : "", op);
}

/* Others took pages of the pool while the child ran: all that it had are back by now. What went
 * wrong is then no answer; who called tries again. */
static void excuse(struct check_outcome *o)
{
	if (o->status >= CHECK_FAILED && o->pool != CHECK_NO_POOL &&
	    !check_pages_suffice("2m", o->pool == CHECK_POOL_BY_USER, o->message,
				 sizeof(o->message)))
		o->status = CHECK_SKIPPED;
}

/* Whether the child closed its pipe by then. */
static bool ends_by(int fd, uint64_t until_ns)
{
	struct pollfd end = { .fd = fd, .events = POLLIN };

	for (;;) {
		uint64_t now = check_now_ns();
		int rc;

		if (now >= until_ns)
			return false;
		rc = poll(&end, 1, (int)((until_ns - now) / 1000000 + 1));
		if (rc > 0)
			return true;
		if (rc < 0 && errno != EINTR)
			abort();
	}
}

/* What changes while a child goes on. */
static uint64_t steps_of(const struct check_board *board)
{
	return board->progress.steps + board->outcome.tried;
}

/* A child that is slow, or on a busy machine, goes on beyond its budget: only one that makes no
 * step hangs. */
static bool comes_to_its_end(int fd, const struct check_board *board, uint64_t budget_end_ns)
{
	uint64_t steps;

	if (ends_by(fd, budget_end_ns))
		return true;
	for (unsigned i = 1; i <= PERIODS_MAX; i++) {
		steps = steps_of(board);
		if (ends_by(fd, budget_end_ns + i * HANG_NS))
			return true;
		if (steps_of(board) == steps)
			return false;
	}
	return false;
}

void check_child(const struct check_request *request, const struct check_property *property,
		 const struct check_script *script, uint64_t seed, uint64_t budget_ns,
		 struct check_outcome *outcome)
{
	struct check_board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t begin = check_now_ns();
	int ends[2], status;
	bool killed;
	pid_t child;

	if (board == MAP_FAILED || pipe(ends))
		abort();
	board->outcome.seed = seed;
	fflush(NULL);
	child = fork();
	if (child < 0)
		abort();
	if (child == 0) {
		const struct rlimit no_core = { 0, 0 };

		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setrlimit(RLIMIT_CORE, &no_core);
		close(ends[0]);
		in_child(request, property, script, budget_ns, board);
		board->ended = true;
		_exit(0);
	}
	setpgid(child, child);
	close(ends[1]);
	killed = !comes_to_its_end(ends[0], board, begin + budget_ns);
	close(ends[0]);
	kill(-child, SIGKILL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			abort();
	judge(board, status, killed);
	excuse(&board->outcome);
	*outcome = board->outcome;
	outcome->seconds = (double)(check_now_ns() - begin) / 1e9;
	munmap(board, sizeof(*board));
}
