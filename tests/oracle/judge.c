/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.c - see judge.h. The sides write into memory shared with them, so a side that dies leaves
 * all that it saw before. Each is the leader of a process group, which is killed as a whole when
 * its time is over or the other side's verdict is in.
 */
#include "tests/oracle/judge.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/oracle/engine.h"
#include "tests/oracle/linux.h"

static struct side *linux_side, *engine_side;
static int engine_errors = -1; /* what the engine's side says before it dies */

static void prepare(void)
{
	size_t bytes = sizeof(struct side);

	if (linux_side)
		return;
	linux_side = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	engine_errors = memfd_create("errors", MFD_CLOEXEC);
	if (linux_side == MAP_FAILED || engine_errors < 0)
		abort();
	engine_side = linux_side + 1;
}

static void reset(struct side *side, size_t count)
{
	side->ops_done = 0;
	side->states = 0;
	side->overflow = false;
	for (size_t i = 0; i < count; i++)
		memset(&side->records[i], 0, offsetof(struct record, lines));
	for (size_t i = 0; i < count; i++)
		side->records[i].state = -1;
}

static pid_t start(void (*side_run)(const struct run *, struct side *), const struct run *run,
		   struct side *side, int errors)
{
	reset(side, run->count);
	fflush(NULL);
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (!pid) {
		setpgid(0, 0);
		if (errors >= 0)
			dup2(errors, STDERR_FILENO);
		side_run(run, side);
		_exit(0);
	}
	setpgid(pid, pid); /* whoever comes first */
	return pid;
}

/* Waits for the end of pid until the deadline, then ends its group. The wait status; -1: late. */
static int finish(pid_t pid, int64_t deadline_ms)
{
	struct timespec now;
	int status;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t left = deadline_ms - (now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000);
	bool late = fd < 0 || poll(&ended, 1, left > 0 ? (int)left : 0) != 1;

	kill(-pid, SIGKILL);
	if (fd >= 0)
		close(fd);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return late ? -1 : status;
}

/* ---- comparing ---- */

static void say_lines(const struct record *r, char *text, size_t size)
{
	FILE *to = fmemopen(text, size, "w");

	for (uint32_t i = 0; i < r->line_count && i < 12; i++)
		fprintf(to, " %llx-%llx %c%c%c%c %llx obj %d flags %x;",
			(unsigned long long)r->lines[i].start, (unsigned long long)r->lines[i].end,
			r->lines[i].prot & PROT_R ? 'r' : '-',
			r->lines[i].prot & PROT_W ? 'w' : '-',
			r->lines[i].prot & PROT_X ? 'x' : '-', r->lines[i].shared ? 's' : 'p',
			(unsigned long long)r->lines[i].offset, r->lines[i].object,
			r->lines[i].flags);
	fclose(to);
}

static bool same_lines(const struct record *a, const struct record *b)
{
	if (a->line_count != b->line_count)
		return false;
	for (uint32_t i = 0; i < a->line_count; i++) {
		const struct line *x = &a->lines[i], *y = &b->lines[i];

		if (x->start != y->start || x->end != y->end || x->offset != y->offset ||
		    x->object != y->object || x->prot != y->prot || x->shared != y->shared ||
		    x->flags != y->flags)
			return false;
	}
	return true;
}

/* The first page whose sums differ, or -1. */
static int different_page(const struct record *a, const struct record *b)
{
	if (a->state < 0 || b->state < 0)
		return -1;
	for (int i = 0; i < AREA_PAGES; i++)
		if (linux_side->pages[a->state][i].hash != engine_side->pages[b->state][i].hash)
			return i;
	return -1;
}

/* Do the counters of a state operation differ? */
static bool different_usage(const struct record *a, const struct record *b)
{
	return a->state >= 0 &&
	       (a->total != b->total || a->private_writable != b->private_writable ||
		(a->locked != LOCKED_UNKNOWN && a->locked != b->locked));
}

static enum verdict_kind compare(const struct record *a, const struct record *b, char *text,
				 size_t size)
{
	char lines[2][400];
	int page = different_page(a, b);

	if (a->result != b->result) {
		snprintf(text, size, "result: Linux %lld, engine %lld", (long long)a->result,
			 (long long)b->result);
		return DIFFER_RESULT;
	}
	if (a->signal != b->signal || a->code != b->code || a->fault != b->fault) {
		snprintf(text, size, "signal: Linux %d code %d at %llx, engine %d code %d at %llx",
			 a->signal, a->code, (unsigned long long)a->fault, b->signal, b->code,
			 (unsigned long long)b->fault);
		return DIFFER_SIGNAL;
	}
	if (a->data != b->data) {
		snprintf(text, size, "data: Linux %llx, engine %llx", (unsigned long long)a->data,
			 (unsigned long long)b->data);
		return DIFFER_DATA;
	}
	for (unsigned i = 0; i < RESIDENT_WORDS; i++)
		if (a->resident[i] != b->resident[i]) {
			snprintf(text, size, "resident, from page %u on: Linux %llx, engine %llx",
				 i * 64, (unsigned long long)a->resident[i],
				 (unsigned long long)b->resident[i]);
			return DIFFER_RESIDENT;
		}
	if (page >= 0) {
		const struct page_sum *x = &linux_side->pages[a->state][page];
		const struct page_sum *y = &engine_side->pages[b->state][page];

		snprintf(text, size, "page %llx: Linux %s, begins %llx; engine %s, begins %llx",
			 (unsigned long long)area_address((unsigned)page),
			 x->hash == PAGE_UNREADABLE ? "EFAULT" : "bytes",
			 (unsigned long long)x->first,
			 y->hash == PAGE_UNREADABLE ? "EFAULT" : "bytes",
			 (unsigned long long)y->first);
		return DIFFER_BYTES;
	}
	if (same_lines(a, b) && different_usage(a, b)) {
		snprintf(text, size,
			 "total, private writable, locked: Linux %llx %llx %llx, engine %llx "
			 "%llx %llx",
			 (unsigned long long)a->total, (unsigned long long)a->private_writable,
			 (unsigned long long)a->locked, (unsigned long long)b->total,
			 (unsigned long long)b->private_writable, (unsigned long long)b->locked);
		return DIFFER_USAGE;
	}
	if (!same_lines(a, b)) {
		say_lines(a, lines[0], sizeof(lines[0]));
		say_lines(b, lines[1], sizeof(lines[1]));
		snprintf(text, size, "mappings: Linux%s engine%s", lines[0], lines[1]);
		return DIFFER_LINES;
	}
	return AGREE;
}

/* The difference that excuses what operation op came to, or NULL. */
static const struct difference *excuse(const struct run *run, size_t op, const struct record *a,
				       const struct record *b)
{
	for (size_t i = 0; i < difference_count; i++)
		if (differences[i].excuses && differences[i].excuses(run, op, a, b))
			return &differences[i];
	return NULL;
}

static void engine_death(int status, struct verdict *v)
{
	char errors[512];
	ssize_t got = pread(engine_errors, errors, sizeof(errors) - 1, 0);

	errors[got > 0 ? got : 0] = '\0';
	if (status == -1)
		snprintf(v->text, sizeof(v->text), "engine: no end after %d ms %s", RUN_MS, errors);
	else
		snprintf(v->text, sizeof(v->text), "engine: died, wait status 0x%x: %s",
			 (unsigned)status, errors);
	v->kind = ENGINE_DIED;
	v->op = engine_side->ops_done;
}

void judge(const struct run *run, struct verdict *v)
{
	struct timespec now;

	if (run->count > OPS_MAX)
		abort();
	*v = (struct verdict){ 0 };
	prepare();
	if (ftruncate(engine_errors, 0) || lseek(engine_errors, 0, SEEK_SET))
		abort();
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t deadline = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000 + RUN_MS;
	pid_t a = start(linux_run, run, linux_side, -1);
	pid_t b = start(engine_run, run, engine_side, engine_errors);
	int linux_status = finish(a, deadline);
	int engine_status = finish(b, deadline);

	for (size_t i = 0; i < run->count; i++) {
		const struct record *x = &linux_side->records[i];
		const struct record *y = &engine_side->records[i];

		if (!x->done || !y->done)
			break;
		v->kind = compare(x, y, v->text, sizeof(v->text));
		v->op = i;
		if (v->kind == AGREE)
			continue;
		const struct difference *d = excuse(run, i, x, y);

		if (!d)
			return;
		v->kind = AGREE;
		if (d->ends)
			break;
	}
	v->op = run->count;
	if (linux_status || linux_side->ops_done < run->count || linux_side->overflow) {
		v->kind = NO_VERDICT;
		v->op = linux_side->ops_done;
		snprintf(v->text, sizeof(v->text), "Linux's side ended with wait status 0x%x",
			 (unsigned)linux_status);
	} else if (engine_status || engine_side->ops_done <= run->count) {
		engine_death(engine_status, v);
	}
}
