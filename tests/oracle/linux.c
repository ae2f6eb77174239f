/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.c - see linux.h. A controller forks process 0 and hands each operation to the process
 * that it is for, by a pipe; fork copies such a worker with all its mappings. A worker whose pipe
 * ends, because the controller is gone, ends too.
 *
 * Workers allocate nothing, and the window begins empty, so that all that is mapped there is the
 * operations'. State is read by write(2) from the page to a scratch file: an access of the kernel,
 * with the page's own permissions, that traps in nobody.
 */
#include "tests/oracle/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/oracle/touch.h"

#define ANSWER_MS 10000
#define ALARM_S 60
#define NEW_OBJECTS_MAX 1024

static const struct run *the_run;
static struct side *the_side;
static int object_fd[OBJECTS], read_only_fd[OBJECTS];
static int scratch_fd;
static void *scratch; /* the first page of scratch_fd */
static struct {
	uint64_t inode;
	int32_t object;
} objects[NEW_OBJECTS_MAX];
static unsigned object_count;

static void *at(uint64_t address)
{
	return (void *)(uintptr_t)(LINUX_BASE + address);
}

static int64_t result_of(int64_t rc)
{
	return rc < 0 ? -errno : rc;
}

static void must(bool it_worked)
{
	if (!it_worked)
		abort();
}

/* ---- what is mapped ---- */

static int32_t object_of(uint64_t inode)
{
	for (unsigned i = 0; i < object_count; i++)
		if (objects[i].inode == inode)
			return objects[i].object;
	return inode ? OBJECTS - 100 : -1; /* a file that is none of ours */
}

static const char *parse_number(const char *p, int base, uint64_t *value)
{
	char *end;

	*value = strtoull(p, &end, base);
	return end;
}

/* start-end perms offset major:minor inode; p is behind the line after it. */
static const char *parse_line(const char *p, struct line *line, uint64_t *inode)
{
	uint64_t ignored;

	*line = (struct line){ 0 };
	p = parse_number(p, 16, &line->start) + 1;
	p = parse_number(p, 16, &line->end) + 1;
	line->prot = (uint8_t)((p[0] == 'r' ? PROT_R : 0) | (p[1] == 'w' ? PROT_W : 0) |
			       (p[2] == 'x' ? PROT_X : 0));
	line->shared = p[3] == 's';
	p = parse_number(p + 5, 16, &line->offset);
	p = parse_number(p, 16, &ignored) + 1;
	p = parse_number(p, 16, &ignored);
	p = parse_number(p, 10, inode);
	while (*p && *p != '\n')
		p++;
	return *p ? p + 1 : p;
}

static char *read_maps(void)
{
	static char text[256 << 10];
	size_t length = 0;
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	return text;
}

static void record_lines(struct record *r)
{
	struct line line;
	uint64_t inode;

	for (const char *p = read_maps(); *p;) {
		p = parse_line(p, &line, &inode);
		if (line.start < LINUX_BASE || line.end > LINUX_BASE + WINDOW_BYTES)
			continue;
		line.start -= LINUX_BASE;
		line.end -= LINUX_BASE;
		line.object = object_of(inode);
		record_line(the_side, r, line);
	}
}

/* The object that was just mapped at address is called `object`. */
static void name_object(uint64_t address, int32_t object)
{
	struct line line;
	uint64_t inode;

	for (const char *p = read_maps(); *p;) {
		p = parse_line(p, &line, &inode);
		if (line.start == LINUX_BASE + address) {
			must(object_count < NEW_OBJECTS_MAX);
			objects[object_count].inode = inode;
			objects[object_count++].object = object;
		}
	}
}

/* ---- the operations ---- */

static int prot_of(const struct op *op)
{
	return (op->prot & PROT_R ? PROT_READ : 0) | (op->prot & PROT_W ? PROT_WRITE : 0) |
	       (op->prot & PROT_X ? PROT_EXEC : 0);
}

static void run_mmap(const struct op *op, struct record *r)
{
	bool anon = op->flags & FLAG_ANON;
	int fd = op->flags & FLAG_READ_ONLY ? read_only_fd[op->object] : object_fd[op->object];
	int flags = (op->flags & FLAG_SHARED ? MAP_SHARED : MAP_PRIVATE) |
		    (anon ? MAP_ANONYMOUS : 0) | (op->flags & FLAG_FIXED ? MAP_FIXED : 0) |
		    (op->flags & FLAG_NOREPLACE ? MAP_FIXED_NOREPLACE : 0) |
		    (op->flags & FLAG_GROWS_DOWN ? MAP_GROWSDOWN : 0) |
		    (op->flags & FLAG_POPULATE ? MAP_POPULATE : 0) |
		    (op->flags & FLAG_LOCKED ? MAP_LOCKED : 0);
	char *got = mmap(at(op->address), op->length, prot_of(op), flags, anon ? -1 : fd,
			 (off_t)op->offset);
	uint64_t wanted = op->address & ~(PAGE - 1);

	if (got == MAP_FAILED) {
		r->result = -errno;
		return;
	}
	if (got != at(wanted)) {
		r->result = RESULT_ELSEWHERE;
		must(!munmap(got, op->length));
		return;
	}
	if (anon && (op->flags & FLAG_SHARED))
		name_object(wanted, OBJECTS + (int32_t)(op - the_run->ops));
}

static void run_munmap(const struct op *op, struct record *r)
{
	r->result = result_of(munmap(at(op->address), op->length));
}

static void run_mprotect(const struct op *op, struct record *r)
{
	r->result = result_of(mprotect(at(op->address), op->length, prot_of(op)));
}

static void run_madvise(const struct op *op, struct record *r)
{
	r->result = result_of(madvise(at(op->address), op->length, MADV_DONTNEED));
}

static void run_truncate(const struct op *op, struct record *r)
{
	int fd = object_fd[op->object];
	struct stat st;

	/* A deliberate difference: see differences.c. */
	must(!fstat(fd, &st));
	if ((off_t)op->offset > st.st_size && st.st_size % (off_t)PAGE)
		must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, st.st_size,
				(off_t)PAGE - st.st_size % (off_t)PAGE));
	r->result = result_of(ftruncate(fd, (off_t)op->offset));
}

static void run_punch(const struct op *op, struct record *r)
{
	r->result = result_of(fallocate(object_fd[op->object],
					FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)op->offset, (off_t)op->length));
}

static _Noreturn void work(unsigned process);

static void run_fork(const struct op *op, struct record *r)
{
	pid_t pid = fork();

	r->result = pid < 0 ? -errno : 0;
	if (!pid)
		work(op->child);
}

static void run_exit(const struct op *op, struct record *r)
{
	(void)op, (void)r; /* work() does it, once it has answered */
}

static void record_touch(struct record *r, struct touch t)
{
	r->signal = t.signal;
	r->code = t.code;
	r->fault = t.signal ? t.fault - LINUX_BASE : 0;
	r->data = t.value;
}

static void run_load(const struct op *op, struct record *r)
{
	record_touch(r, touch_load(at(op->address)));
}

static void run_store(const struct op *op, struct record *r)
{
	record_touch(r, touch_store(at(op->address), op->value));
}

static void sum_page(uint64_t address, struct page_sum *sum)
{
	if (pwrite(scratch_fd, at(address), PAGE, 0) != (ssize_t)PAGE) {
		sum->hash = PAGE_UNREADABLE;
		return;
	}
	sum->hash = page_hash(scratch);
	memcpy(&sum->first, scratch, sizeof(sum->first));
}

static void run_state(const struct op *op, struct record *r)
{
	struct page_sum *sums = record_state(the_side, r);

	(void)op;
	if (!sums)
		return;
	memset(sums, 0, sizeof(*sums) * AREA_PAGES);
	record_lines(r);
	for (uint32_t i = 0; i < r->line_count; i++)
		for (uint64_t a = r->lines[i].start; a < r->lines[i].end; a += PAGE)
			if (area_index(a) >= 0)
				sum_page(a, &sums[area_index(a)]);
	r->line_count = 0; /* they come again after it */
}

#define ORACLE_RUN(name, weight) run_##name,
static void (*const run_op[])(const struct op *, struct record *) = { ORACLE_OPS(ORACLE_RUN) };
#undef ORACLE_RUN

/* ---- workers and their controller ---- */

static int orders[PROCESSES][2], answers[2];

static _Noreturn void work(unsigned process)
{
	uint32_t i;

	alarm(ALARM_S);
	the_side->pid[process] = getpid();
	for (unsigned p = 0; p < PROCESSES; p++)
		if (orders[p][1] >= 0) {
			close(orders[p][1]);
			orders[p][1] = -1;
		}
	while (read(orders[process][0], &i, sizeof(i)) == (ssize_t)sizeof(i)) {
		struct record *r = &the_side->records[i];

		run_op[the_run->ops[i].kind](&the_run->ops[i], r);
		if (the_run->ops[i].kind != OP_exit)
			record_lines(r);
		must(write(answers[1], &i, sizeof(i)) == (ssize_t)sizeof(i));
		if (the_run->ops[i].kind == OP_exit)
			break;
	}
	_exit(0);
}

static void make_objects(void)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		char path[64];
		struct stat st;

		object_fd[i] = memfd_create("oracle", MFD_ALLOW_SEALING);
		must(object_fd[i] >= 0 && !ftruncate(object_fd[i], (off_t)object_size(i)));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", object_fd[i]);
		read_only_fd[i] = open(path, O_RDONLY);
		must(read_only_fd[i] >= 0 && !fstat(object_fd[i], &st));
		objects[object_count].inode = st.st_ino;
		objects[object_count++].object = (int32_t)i;
	}
	scratch_fd = memfd_create("scratch", 0);
	must(scratch_fd >= 0 && !ftruncate(scratch_fd, (off_t)PAGE));
	scratch = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, scratch_fd, 0);
	must(scratch != MAP_FAILED);
}

static void prepare(void)
{
	void *window = mmap(at(0), WINDOW_BYTES, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			    0);

	must(window == at(0) && !munmap(window, WINDOW_BYTES)); /* it is free */
	/* 2 MiB pages that Linux makes by itself would make more resident than was asked for. */
	must(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	make_objects();
	touch_install();
	must(signal(SIGCHLD, SIG_IGN) != SIG_ERR); /* nobody waits for workers */
	must(!pipe2(answers, O_CLOEXEC));
	for (unsigned p = 0; p < PROCESSES; p++)
		must(!pipe2(orders[p], O_CLOEXEC));
}

/* Has process p do operation i; false if it does not answer. */
static bool order(unsigned p, uint32_t i)
{
	struct pollfd ready = { .fd = answers[0], .events = POLLIN };
	uint32_t answer;

	return write(orders[p][1], &i, sizeof(i)) == (ssize_t)sizeof(i) &&
	       poll(&ready, 1, ANSWER_MS) == 1 &&
	       read(answers[0], &answer, sizeof(answer)) == (ssize_t)sizeof(answer) && answer == i;
}

/* Waits until nothing of process p is left. */
static bool is_gone(unsigned p)
{
	int fd = (int)syscall(SYS_pidfd_open, the_side->pid[p], 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	bool gone = fd < 0 || poll(&ended, 1, ANSWER_MS) == 1;

	if (fd >= 0)
		close(fd);
	return gone;
}

void linux_run(const struct run *run, struct side *side)
{
	bool alive[PROCESSES] = { true };

	the_run = run;
	the_side = side;
	prepare();
	pid_t first = fork();

	must(first >= 0);
	if (!first)
		work(0);
	for (uint32_t i = 0; i < run->count; i++) {
		const struct op *op = &run->ops[i];
		struct record *r = &side->records[i];

		if (!alive[op->process] || (op->kind == OP_fork && alive[op->child]))
			r->result = RESULT_SKIPPED;
		else if (!order(op->process, i))
			break;
		else if (op->kind == OP_fork)
			alive[op->child] = r->result == 0;
		else if (op->kind == OP_exit)
			alive[op->process] = false;
		if (op->kind == OP_exit && !is_gone(op->process))
			break;
		r->done = true;
		side->ops_done = i + 1;
	}
}
