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

	if (fd >= 0 && !fstat(fd, &status))
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

static void execute(char *const *argv, char *const *envp, int out, int err)
{
	/* A parent that was gone before this is noticed by nobody; its time box is not ours. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
		execve(argv[0], argv, envp);
	_exit(NOT_EXECUTED);
}

/* Until it ends. 0, -ETIMEDOUT, -EINTR. */
static int await(pid_t pid, int pidfd, uint64_t time_box_ns)
{
	uint64_t end = clock_source_monotonic_ns() + time_box_ns, killed = UINT64_MAX;
	int rc = 0;

	for (;;) {
		struct pollfd look = { .fd = pidfd, .events = POLLIN };

		if (poll(&look, 1, LOOK_MS) > 0)
			return rc;
		if (!rc && (session_signal() || clock_source_monotonic_ns() > end)) {
			rc = session_signal() ? -EINTR : -ETIMEDOUT;
			kill(pid, SIGTERM);
			killed = clock_source_monotonic_ns() + GRACE_NS;
		}
		if (clock_source_monotonic_ns() > killed)
			kill(pid, SIGKILL);
	}
}

int child_run(struct child *child, char *const *argv, uint64_t time_box_ns)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	char **envp = environment();
	int rc = 0, pidfd = -1, status;
	pid_t pid;

	*child = (struct child){ 0 };
	pid = out < 0 || err < 0 ? -1 : fork();
	if (pid < 0) {
		rc = -errno;
		goto out;
	}
	if (!pid)
		execute(argv, envp, out, err);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0) {
		rc = await(pid, pidfd, time_box_ns);
	} else {
		rc = -errno;
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	child->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!rc && child->code == NOT_EXECUTED)
		rc = -ENOEXEC;
out:
	child->out = text_of(out);
	child->err = text_of(err);
	free(envp);
	if (pidfd >= 0)
		close(pidfd);
	if (out >= 0)
		close(out);
	if (err >= 0)
		close(err);
	return rc;
}

void child_release(struct child *child)
{
	free(child->out);
	free(child->err);
	*child = (struct child){ 0 };
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
