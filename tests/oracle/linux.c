/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.c - see linux.h. A controller forks process 0 and hands each operation to the process
 * that it is for, by a pipe; fork copies such a worker with all its mappings. A worker whose pipe
 * ends, because the controller is gone, ends too.
 *
 * Workers allocate nothing, and the window begins empty, so that all that is mapped there is the
 * operations'. State is read by write(2) from the page to a scratch file: an access of the kernel,
 * with the page's own permissions, that traps in nobody. The break of a process cannot be moved
 * without privileges: what the operations call the heap begins where the break is.
 */
#include "tests/oracle/linux.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/oracle/linux_side.h"
#include "tests/oracle/touch.h"

#define ANSWER_MS 10000
#define ALARM_S 60

struct linux_side here;
static int orders[PROCESSES][2], answers[2];

void must(bool it_worked)
{
	if (!it_worked)
		abort();
}

void *linux_at(uint64_t address)
{
	if (address >= HEAP_BASE && address < HEAP_BASE + HEAP_PAGES * PAGE)
		return (void *)(uintptr_t)(here.heap + (address - HEAP_BASE));
	return (void *)(uintptr_t)(LINUX_BASE + address);
}

uint64_t linux_application(uint64_t at)
{
	if (at >= here.heap && at <= here.heap + HEAP_PAGES * PAGE)
		return HEAP_BASE + (at - here.heap);
	return at - LINUX_BASE;
}

/* ---- workers ---- */

_Noreturn void linux_work(unsigned process)
{
	uint32_t i;

	alarm(ALARM_S);
	here.side->pid[process] = getpid();
	here.locked_all = false; /* locks are not inherited */
	here.memory_fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	must(here.memory_fd >= 0);
	for (unsigned p = 0; p < PROCESSES; p++)
		if (orders[p][1] >= 0) {
			close(orders[p][1]);
			orders[p][1] = -1;
		}
	while (read(orders[process][0], &i, sizeof(i)) == (ssize_t)sizeof(i)) {
		const struct op *op = &here.run->ops[i];
		struct record *r = &here.side->records[i];

		linux_op(op, r);
		if (op->kind != OP_exit && op->kind != OP_state)
			linux_lines(r, false);
		must(write(answers[1], &i, sizeof(i)) == (ssize_t)sizeof(i));
		if (op->kind == OP_exit)
			break;
	}
	_exit(0);
}

/* ---- the controller ---- */

void must_fill(int fd, unsigned object)
{
	static uint32_t bytes[40 * PAGE / 4];
	uint64_t size = object_size(object);

	object_fill(object, bytes, sizeof(bytes));
	must(size <= sizeof(bytes) && pwrite(fd, bytes, size, 0) == (ssize_t)size);
}

void must_read(int fd, struct record *r)
{
	static unsigned char bytes[64 * PAGE];
	ssize_t got = pread(fd, bytes, sizeof(bytes), 0);

	must(got >= 0);
	r->result = got;
	r->data = record_hash(bytes, (size_t)got);
}

static void make_objects(void)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		char path[64];
		struct stat st;
		int fd = memfd_create("oracle", MFD_ALLOW_SEALING);

		must(fd >= 0 && !ftruncate(fd, (off_t)object_size(i)));
		if (i >= FIRST_FILE)
			must_fill(fd, i);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		here.object_fd[i] = fd;
		here.read_only_fd[i] = open(path, O_RDONLY);
		must(here.read_only_fd[i] >= 0 && !fstat(fd, &st));
		linux_name_inode(st.st_ino, (int32_t)i);
	}
	here.scratch_fd = memfd_create("scratch", 0);
	must(here.scratch_fd >= 0 && !ftruncate(here.scratch_fd, (off_t)COPY_BYTES_MAX));
	here.scratch =
		mmap(NULL, COPY_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, here.scratch_fd, 0);
	here.zero_fd = open("/dev/zero", O_RDONLY);
	must(here.scratch != MAP_FAILED && here.zero_fd >= 0);
}

static void prepare(void)
{
	void *base = (void *)(uintptr_t)LINUX_BASE;
	void *window = mmap(base, WINDOW_BYTES, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			    0);

	must(window == base && !munmap(window, WINDOW_BYTES)); /* it is free */
	/* 2 MiB pages that Linux makes by itself would make more resident than was asked for. */
	must(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	must(!setrlimit(RLIMIT_STACK, &(struct rlimit){ STACK_BYTES, STACK_BYTES }));
	make_objects();
	touch_install();
	must(signal(SIGCHLD, SIG_IGN) != SIG_ERR); /* nobody waits for workers */
	must(!pipe2(answers, O_CLOEXEC));
	for (unsigned p = 0; p < PROCESSES; p++)
		must(!pipe2(orders[p], O_CLOEXEC));
	uint64_t end = (uint64_t)syscall(SYS_brk, 0);

	here.heap = (end + PAGE - 1) & ~(PAGE - 1);
	must((uint64_t)syscall(SYS_brk, here.heap) == here.heap);
	here.other_private_writable = linux_status("VmData:");
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
	int fd = (int)syscall(SYS_pidfd_open, here.side->pid[p], 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	bool gone = fd < 0 || poll(&ended, 1, ANSWER_MS) == 1;

	if (fd >= 0)
		close(fd);
	return gone;
}

/* Has operation i done by whom it is for. False: no answer. */
static bool carry_out(const struct run *run, uint32_t i, bool alive[PROCESSES])
{
	const struct op *op = &run->ops[i];
	struct record *r = &here.side->records[i];

	if (!alive[op->process] || (op->kind == OP_fork && alive[op->child])) {
		r->result = RESULT_SKIPPED;
		return true;
	}
	if (!order(op->process, i))
		return false;
	if (op->kind == OP_fork)
		alive[op->child] = r->result == 0;
	if (op->kind != OP_exit)
		return true;
	alive[op->process] = false;
	return is_gone(op->process);
}

void linux_run(const struct run *run, struct side *side)
{
	bool alive[PROCESSES] = { true };

	here.run = run;
	here.side = side;
	prepare();
	pid_t first = fork();

	must(first >= 0);
	if (!first)
		linux_work(0);
	for (uint32_t i = 0; i < run->count && carry_out(run, i, alive); i++) {
		side->records[i].done = true;
		side->ops_done = i + 1;
	}
}
