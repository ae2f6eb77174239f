/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.c - another program, run to its end.
 *
 * What it prints goes to files in memory, so it never waits for us to read. Its end is awaited
 * through a pidfd, a little at a time: a signal may arrive just before the wait begins.
 */
#include "harness/child.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/clock.h"
#include "harness/session.h"

#define LOOK_MS 50
/* It keeps what it measured when it is asked to end, which takes a moment. */
#define GRACE_NS UINT64_C(5000000000)
#define NOT_EXECUTED 127

extern char **environ;

/* Ours without FAULTLINE_*; the strings are shared. */
static char **environment(void)
{
	size_t count = 0, kept = 0;
	char **list;

	while (environ[count])
		count++;
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (strncmp(environ[i], "FAULTLINE_", 10) != 0)
			list[kept++] = environ[i];
	}
	return list;
}

static char *text_of(int fd)
{
	struct stat status;
	size_t size = 0, got = 0;
	char *text;

	if (!fstat(fd, &status))
		size = status.st_size < (off_t)CHILD_OUTPUT_MAX ? (size_t)status.st_size
								: CHILD_OUTPUT_MAX;
	text = malloc(size + 1);
	if (!text)
		abort();
	while (got < size) {
		ssize_t n = pread(fd, text + got, size - got, (off_t)got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	text[got] = '\0';
	return text;
}

/* CPU_FREE when done; *size: its bytes. NULL: no list. */
static cpu_set_t *set_of(const unsigned *cpus, unsigned count, size_t *size)
{
	unsigned most = 0;
	cpu_set_t *set;

	for (unsigned i = 0; i < count; i++)
		most = cpus[i] > most ? cpus[i] : most;
	*size = CPU_ALLOC_SIZE(most + 1);
	set = count ? CPU_ALLOC(most + 1) : NULL;
	if (count && !set)
		abort();
	if (set)
		CPU_ZERO_S(*size, set);
	for (unsigned i = 0; i < count; i++)
		CPU_SET_S(cpus[i], *size, set);
	return set;
}

static void execute(const struct child *child, char *const *argv, char *const *envp,
		    const cpu_set_t *cpus, size_t cpus_size)
{
	/* A parent that was gone before this is noticed by nobody; its time box is not ours. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if ((!cpus || !sched_setaffinity(0, cpus_size, cpus)) &&
	    dup2(child->out_fd, STDOUT_FILENO) >= 0 && dup2(child->err_fd, STDERR_FILENO) >= 0)
		execve(argv[0], argv, envp);
	_exit(NOT_EXECUTED);
}

int child_start(struct child *child, char *const *argv, const unsigned *cpus, unsigned cpu_count,
		uint64_t time_box_ns)
{
	char **envp = environment();
	size_t set_size;
	cpu_set_t *set = set_of(cpus, cpu_count, &set_size);
	int rc = 0;

	*child = (struct child){ .pid = -1,
				 .pidfd = -1,
				 .out_fd = memfd_create("out", MFD_CLOEXEC),
				 .err_fd = memfd_create("err", MFD_CLOEXEC),
				 .end_ns = clock_source_monotonic_ns() + time_box_ns };
	if (child->out_fd >= 0 && child->err_fd >= 0)
		child->pid = fork();
	if (!child->pid)
		execute(child, argv, envp, set, set_size);
	if (child->pid < 0)
		rc = -errno;
	else
		child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (!rc && child->pidfd < 0) {
		rc = -errno;
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	free(envp);
	CPU_FREE(set);
	return rc;
}

/* Until it ends. 0, -ETIMEDOUT, -EINTR. */
static int await(const struct child *child)
{
	uint64_t killed = UINT64_MAX;
	int rc = 0;

	for (;;) {
		struct pollfd look = { .fd = child->pidfd, .events = POLLIN };

		if (poll(&look, 1, LOOK_MS) > 0)
			return rc;
		if (!rc && (session_signal() || clock_source_monotonic_ns() > child->end_ns)) {
			rc = session_signal() ? -EINTR : -ETIMEDOUT;
			kill(child->pid, SIGTERM);
			killed = clock_source_monotonic_ns() + GRACE_NS;
		}
		if (clock_source_monotonic_ns() > killed)
			kill(child->pid, SIGKILL);
	}
}

int child_wait(struct child *child)
{
	int rc = await(child), status;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	child->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	child->out = text_of(child->out_fd);
	child->err = text_of(child->err_fd);
	return !rc && child->code == NOT_EXECUTED ? -ENOEXEC : rc;
}

int child_run(struct child *child, char *const *argv, uint64_t time_box_ns)
{
	int rc = child_start(child, argv, NULL, 0, time_box_ns);

	return rc ? rc : child_wait(child);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void child_release(struct child *child)
{
	free(child->out);
	free(child->err);
	close_fd(child->pidfd);
	close_fd(child->out_fd);
	close_fd(child->err_fd);
	*child = (struct child){ .pid = -1, .pidfd = -1, .out_fd = -1, .err_fd = -1 };
}

char *child_last_line(char *text)
{
	size_t length = strlen(text);
	char *line;

	while (length && text[length - 1] == '\n')
		text[--length] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}
