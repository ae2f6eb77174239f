/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolate.c - the program's side of worker processes: starting, asking, and telling how one ended.
 *
 * The answer and the end of the process are waited for at once, with a deadline. What a dead
 * worker was doing is read from the page that it shared. No locks.
 */
#include "harness/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/isolate_wire.h"

/* Loading, and opening an engine once; and what a hung worker has to say where it is. */
#define START_NS UINT64_C(20000000000)
#define GRACE_NS UINT64_C(3000000000)
/* After Ctrl-C. */
#define STOP_NS UINT64_C(5000000000)
#define REAP_MS 1000

static atomic_bool *volatile running_stop;

void isolate_stop(void)
{
	atomic_bool *flag = running_stop;

	if (flag)
		atomic_store(flag, true);
}

/* Processes that the kernel killed for want of memory, on this machine so far. */
static uint64_t oom_kills(void)
{
	char line[128];
	uint64_t count = 0;
	FILE *in = fopen("/proc/vmstat", "re");

	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "oom_kill %" SCNu64, &count) == 1)
			break;
	}
	if (in)
		fclose(in);
	return count;
}

/* The child's side; calls only what may be called between fork and exec. */
static void exec_worker(const struct isolate *w, int socket, pid_t parent, char *const argv[])
{
	sigset_t none;
	int page;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above the places that they go to, so that none is closed under the other. */
	socket = fcntl(socket, F_DUPFD, 16);
	page = fcntl(w->page_fd, F_DUPFD, 16);
	/* What a plug-in prints is no result. */
	if (socket < 0 || page < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    dup2(socket, ISOLATE_SOCKET) < 0 || dup2(page, ISOLATE_PAGE) < 0)
		_exit(1);
	close_range(ISOLATE_PAGE + 1, ~0u, 0);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static int make_page(struct isolate *w)
{
	/* Sealed: a worker cannot take away what we have mapped. */
	w->page_fd = memfd_create("faultline-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->page_fd < 0 || ftruncate(w->page_fd, ISOLATE_PAGE_SIZE) ||
	    fcntl(w->page_fd, F_ADD_SEALS, F_SEAL_SHRINK) ||
	    lseek(w->page_fd, ISOLATE_PAGE_SIZE, SEEK_SET) < 0)
		return -errno;
	w->page = mmap(NULL, ISOLATE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, w->page_fd, 0);
	if (w->page == MAP_FAILED) {
		w->page = NULL;
		return -errno;
	}
	return 0;
}

static int launch(struct isolate *w, const char *text, bool allow_writable)
{
	char allow[] = "--allow-writable";
	char *const argv[] = { (char[]){ "faultline" }, (char[]){ ISOLATE_ARGUMENT }, (char *)text,
			       allow_writable ? allow : NULL, NULL };
	pid_t parent = getpid();
	int ends[2], rc = make_page(w);

	if (rc)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	w->fd = ends[0];
	w->oom_kills = oom_kills();
	w->pid = fork();
	if (w->pid == 0)
		exec_worker(w, ends[1], parent, argv);
	rc = w->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (rc) {
		w->pid = 0;
		return rc;
	}
	/* Both sides do it: whichever comes first. */
	setpgid(w->pid, w->pid);
	w->pidfd = pidfd_open(w->pid, 0);
	running_stop = &w->page->stop;
	/* A signal that came before that is not lost. */
	if (runner_stopping())
		isolate_stop();
	return 0;
}

/* Ends the process if it has not ended, and reaps it. */
static int reap(struct isolate *w)
{
	int status = 0;

	running_stop = NULL;
	kill(-w->pid, SIGKILL);
	kill(w->pid, SIGKILL);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	return status;
}

static void read_trace(struct isolate *w)
{
	char *text = calloc(1, ISOLATE_TRACE_MAX + 1);
	ssize_t got;

	if (!text)
		abort();
	got = pread(w->page_fd, text, ISOLATE_TRACE_MAX, ISOLATE_PAGE_SIZE);
	/* A zero ends what is read. */
	if (got <= 0)
		*text = '\0';
	isolate_clean(text);
	free(w->failure.trace);
	w->failure.trace = text;
	memcpy(w->failure.phase, w->page->phase, RUNNER_PHASE_SIZE);
	w->failure.phase[RUNNER_PHASE_SIZE - 1] = '\0';
	isolate_clean(w->failure.phase);
}

/* The first line of the trace, which the signal handler makes a sentence of. */
static const char *first_line(const struct isolate_failure *f, char *line, size_t size)
{
	snprintf(line, size, "%.*s", (int)strcspn(f->trace, "\n"), f->trace);
	return line;
}

/* What became of a worker that gave no answer, or none that can be understood. */
static void tell(struct isolate *w, int rc)
{
	struct isolate_failure *f = &w->failure;
	struct pollfd ended = { .fd = w->pidfd, .events = POLLIN };
	char line[200], how[300];
	int status;
	bool alive;

	/* The socket closes a moment before the process has ended. */
	alive = w->pidfd >= 0 && rc == -EPIPE && poll(&ended, 1, REAP_MS) == 0;
	if (w->pidfd < 0 && rc == -EPIPE)
		usleep(REAP_MS * 100);
	status = reap(w);
	read_trace(w);
	f->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	f->hung = rc == -ETIMEDOUT || alive;
	if (f->hung) {
		f->signal = 0;
		snprintf(how, sizeof(how), "%s", alive ? "closed its socket" : "hangs");
	} else if (rc == -EBADMSG) {
		f->signal = 0;
		snprintf(how, sizeof(how), "gave a garbled answer: its memory was written over");
	} else if (f->signal == SIGKILL) {
		snprintf(how, sizeof(how), "was killed by SIGKILL, %s",
			 oom_kills() > w->oom_kills
				 ? "as the machine or its cgroup ran out of memory"
				 : "and not by us or for want of memory");
	} else if (f->signal) {
		snprintf(how, sizeof(how), "died of SIG%s%s%s", sigabbrev_np(f->signal),
			 *f->trace ? ", " : "", first_line(f, line, sizeof(line)));
	} else {
		snprintf(how, sizeof(how), "ended with exit code %d%s%s", WEXITSTATUS(status),
			 *f->trace ? ", " : "", first_line(f, line, sizeof(line)));
	}
	snprintf(f->sentence, sizeof(f->sentence), "its worker process %s (during: %s)", how,
		 f->phase);
}

/* Receives an answer of that type. 0, or -ECHILD: the failure is told. */
static int receive(struct isolate *w, uint32_t type, uint64_t deadline_ns, struct frame *frame)
{
	uint64_t stop_ns = 0;
	int rc;

	do {
		rc = frame_receive(w->fd, w->pidfd, stop_ns ? stop_ns : deadline_ns, frame);
		if (runner_stopping() && !stop_ns) {
			isolate_stop();
			stop_ns = clock_source_monotonic_ns() + STOP_NS;
			stop_ns = stop_ns < deadline_ns ? stop_ns : deadline_ns;
		}
	} while (rc == -EINTR);
	if (!rc && frame->type != type) {
		frame_release(frame);
		rc = -EBADMSG;
	}
	if (!rc)
		return 0;
	tell(w, rc);
	return -ECHILD;
}

static int take_hello(struct isolate *w, struct translator_spec *spec, char *error, size_t size)
{
	char name[128], version[128], description[512];
	struct frame_reader r;
	uint64_t capabilities;
	struct frame frame;
	int rc = receive(w, ISOLATE_HELLO, clock_source_monotonic_ns() + START_NS, &frame);

	if (rc)
		return rc;
	r = (struct frame_reader){ frame.data, frame.size, false };
	rc = isolate_take_outcome(&r, error, size);
	if (!rc) {
		frame_take(&r, &capabilities, sizeof(capabilities));
		frame_take_text(&r, name, sizeof(name));
		frame_take_text(&r, version, sizeof(version));
		frame_take_text(&r, description, sizeof(description));
		isolate_clean(name);
		isolate_clean(version);
		isolate_clean(description);
		if (r.bad)
			rc = -EBADMSG;
		else if (spec && !spec->translator)
			translator_spec_describe(spec, name, version, description, capabilities);
	}
	frame_release(&frame);
	if (rc == -EBADMSG) {
		tell(w, rc);
		rc = -ECHILD;
	}
	return rc;
}

int isolate_start(struct isolate *w, struct translator_spec *spec, bool allow_writable, char *error,
		  size_t size)
{
	int rc;

	memset(w, 0, sizeof(*w));
	w->fd = w->pidfd = w->page_fd = -1;
	rc = launch(w, spec ? spec->text : "", allow_writable);
	if (rc) {
		snprintf(error, size, "no worker process: %s", strerror(-rc));
		return rc == -EINVAL || rc == -ECHILD ? -EIO : rc;
	}
	rc = take_hello(w, spec, error, size);
	if (rc == -ECHILD)
		snprintf(error, size, "%s%s%s", spec ? spec->text : "", spec ? ": " : "",
			 w->failure.sentence);
	return rc;
}

int isolate_try(struct isolate *w, const char *pages, const char *as, uint64_t memory_max,
		char *error, size_t size)
{
	struct frame_writer question = { 0 };
	struct frame_reader r;
	struct frame frame;
	int rc;

	frame_put_text(&question, pages);
	frame_put_text(&question, as);
	frame_put(&question, &memory_max, sizeof(memory_max));
	/* One that is gone shows when the answer is waited for. */
	rc = frame_send(w->fd, ISOLATE_TRY, question.data, question.size);
	frame_writer_release(&question);
	if (!rc || rc == -EPIPE)
		rc = receive(w, ISOLATE_TRIED, clock_source_monotonic_ns() + START_NS, &frame);
	if (rc == -ECHILD)
		snprintf(error, size, "%s", w->failure.sentence);
	if (rc)
		return rc;
	r = (struct frame_reader){ frame.data, frame.size, false };
	rc = isolate_take_outcome(&r, error, size);
	frame_release(&frame);
	if (rc == -EBADMSG) {
		tell(w, rc);
		snprintf(error, size, "%s", w->failure.sentence);
		rc = -ECHILD;
	}
	return rc;
}

static void fail(struct isolate *w, struct runner_result *result)
{
	memset(result, 0, sizeof(*result));
	result->outcome = w->failure.hung ? RUNNER_HUNG : RUNNER_CRASHED;
	/* Who was told to stop, and did not in time, is only slow. */
	if (w->failure.hung && runner_stopping())
		result->outcome = RUNNER_STOPPED;
	result->rc = -ECHILD;
	snprintf(result->error, sizeof(result->error), "%s", w->failure.sentence);
}

void isolate_run(struct isolate *w, const struct runner_request *request,
		 struct runner_result *result, unsigned *threads_left)
{
	uint64_t until = clock_source_monotonic_ns() + request->time_box_ns + GRACE_NS;
	struct frame_writer question = { 0 };
	struct frame_reader r;
	struct frame frame;
	int rc;

	*threads_left = 0;
	isolate_put_request(&question, request);
	rc = frame_send(w->fd, ISOLATE_RUN, question.data, question.size);
	frame_writer_release(&question);
	if (receive(w, ISOLATE_RAN, until, &frame)) {
		fail(w, result);
		return;
	}
	r = (struct frame_reader){ frame.data, frame.size, false };
	rc = isolate_take_result(&r, request, result, threads_left);
	frame_release(&frame);
	if (!rc && result->outcome != RUNNER_HUNG)
		return;
	/* A worker that noticed it itself has written where its threads are. */
	tell(w, rc ? rc : -ETIMEDOUT);
	fail(w, result);
}

void isolate_end(struct isolate *w)
{
	if (w->pid)
		reap(w);
	if (w->page)
		munmap(w->page, ISOLATE_PAGE_SIZE);
	if (w->fd >= 0)
		close(w->fd);
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->page_fd >= 0)
		close(w->page_fd);
	free(w->failure.trace);
	memset(w, 0, sizeof(*w));
	w->fd = w->pidfd = w->page_fd = -1;
}
