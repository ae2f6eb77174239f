/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isolated.c - a worker process: loads a translator, answers questions, and says where it crashed.
 *
 * A crash, a call of exit, and the threads of a repetition that hangs leave their stacks in the
 * shared memfd, written by what is async-signal-safe (backtrace is once libgcc was loaded, which is
 * done at the start). The signal then ends the process as if it had not been handled. No locks.
 */
#include "harness/isolate.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/commands.h"
#include "harness/isolate_wire.h"

#define FRAMES_MAX 48
/* Stacks of a hung process: as many threads, and as long a wait for each. */
#define STACKS_MAX 16
#define STACK_WAIT_US 50000
#define STACK_SIGNAL SIGXCPU /* unused here, and of those that tools leave alone */
/* Threads may take a moment to end after they were joined, or detached. */
#define LEAVE_TRIES 50
#define LEAVE_WAIT_US 10000

static struct isolate_page *page;
static volatile sig_atomic_t tracing;

static void say(const char *text)
{
	/* There is nobody to tell of a failure. */
	if (write(ISOLATE_PAGE, text, strlen(text)) < 0)
		return;
}

static void say_hex(uintptr_t number)
{
	char text[2 * sizeof(number) + 3];
	char *at = text + sizeof(text);

	*--at = '\0';
	do
		*--at = "0123456789abcdef"[number % 16];
	while (number /= 16);
	*--at = 'x';
	*--at = '0';
	say(at);
}

static void say_thread(void)
{
	char name[17] = "";

	prctl(PR_GET_NAME, name);
	say("in thread \"");
	say(name);
	say("\"");
}

static void say_stack(void)
{
	void *frames[FRAMES_MAX];
	int count = backtrace(frames, FRAMES_MAX);

	backtrace_symbols_fd(frames, count, ISOLATE_PAGE);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	(void)context;
	/* The first says it; others die with it. */
	if (!tracing) {
		tracing = 1;
		if (info->si_code > 0 && (number == SIGSEGV || number == SIGBUS)) {
			say("at address ");
			say_hex((uintptr_t)info->si_addr);
			say(" ");
		}
		say_thread();
		say("\n");
		say_stack();
	}
	/* SA_RESETHAND: it ends the process as soon as this returns. */
	raise(number);
}

static void on_stack(int number)
{
	(void)number;
	say_thread();
	say(":\n");
	say_stack();
	tracing = 1;
}

static void on_exit_called(void)
{
	say("exit was called ");
	say_thread();
	say("\n");
	say_stack();
}

static void catch_signals(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* A sanitizer says more about a crash than we can. */
	static const int crashes[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP };
	struct sigaction crash = { .sa_sigaction = on_crash,
				   .sa_flags = SA_ONSTACK | SA_SIGINFO | SA_RESETHAND };

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &crash, NULL);
#else
	(void)on_crash;
#endif
	sigaction(STACK_SIGNAL, &(struct sigaction){ .sa_handler = on_stack }, NULL);
	/* The program decides when it ends. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

/* Threads of this process; calls f, if any, with each. */
static unsigned each_thread(void (*f)(pid_t tid))
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (f && count < STACKS_MAX)
			f((pid_t)strtol(entry->d_name, NULL, 10));
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

static void trace_thread(pid_t tid)
{
	tracing = 0;
	if (tid == gettid() || syscall(SYS_tgkill, getpid(), tid, STACK_SIGNAL))
		return;
	for (unsigned i = 0; i < 10 && !tracing; i++)
		usleep(STACK_WAIT_US / 10);
}

static void answer(uint32_t type, struct frame_writer *w)
{
	int rc = frame_send(ISOLATE_SOCKET, type, w->data, w->size);

	frame_writer_release(w);
	/* The program is gone. */
	if (rc)
		_exit(1);
}

static void hello(const struct translator_spec *spec, int rc, const char *error)
{
	const struct translator *t = spec ? spec->translator : NULL;
	uint64_t capabilities = t && !rc ? t->capabilities : 0;
	struct frame_writer w = { 0 };

	isolate_put_outcome(&w, rc, error);
	frame_put(&w, &capabilities, sizeof(capabilities));
	frame_put_text(&w, t && !rc ? t->name : "");
	frame_put_text(&w, t && !rc ? t->version : "");
	frame_put_text(&w, t && !rc ? t->description : "");
	answer(ISOLATE_HELLO, &w);
}

static void try_engine(const struct translator_spec *spec, struct frame_reader *r)
{
	struct translator_engine *engine = NULL;
	char pages[16], as[16], error[512] = "";
	struct frame_writer w = { 0 };
	uint64_t memory_max;
	int rc;

	frame_take_text(r, pages, sizeof(pages));
	frame_take_text(r, as, sizeof(as));
	frame_take(r, &memory_max, sizeof(memory_max));
	if (r->bad || !spec)
		_exit(1);
	snprintf(page->phase, sizeof(page->phase), "opening the engine");
	rc = translator_spec_open(spec, pages, as, "atomic", memory_max, &engine, error,
				  sizeof(error));
	snprintf(page->phase, sizeof(page->phase), "closing the engine");
	if (!rc)
		spec->translator->close(engine);
	isolate_put_outcome(&w, rc, error);
	answer(ISOLATE_TRIED, &w);
}

static void run(const struct translator_spec *spec, struct frame_reader *r)
{
	bool leaves = !spec || !(spec->translator->capabilities & TRANSLATOR_KEEPS_THREADS);
	unsigned before = each_thread(NULL), left = 0;
	struct frame_writer w = { 0 };
	struct runner_request request;
	struct runner_result result;
	struct isolate_held held;

	if (isolate_take_request(r, &held, &request))
		_exit(1);
	held.benchmark.translator = spec;
	runner_run(&request, &result);
	if (result.outcome == RUNNER_HUNG)
		each_thread(trace_thread);
	for (unsigned i = 0; leaves && result.outcome != RUNNER_HUNG && i < LEAVE_TRIES; i++) {
		unsigned now = each_thread(NULL);

		left = now > before ? now - before : 0;
		if (!left)
			break;
		usleep(LEAVE_WAIT_US);
	}
	isolate_put_result(&w, &result, left);
	answer(ISOLATE_RAN, &w);
	if (result.outcome == RUNNER_HUNG)
		/* Its threads still use what would be released: the program ends us. */
		pause();
	runner_result_release(&result);
	isolate_held_release(&held);
}

static void serve(const struct translator_spec *spec)
{
	struct frame frame;

	while (!frame_receive(ISOLATE_SOCKET, -1, 0, &frame)) {
		struct frame_reader r = { frame.data, frame.size, false };

		if (frame.type == ISOLATE_TRY)
			try_engine(spec, &r);
		else if (frame.type == ISOLATE_RUN)
			run(spec, &r);
		else
			_exit(1);
		frame_release(&frame);
	}
}

/* If memory runs out, this process is to go, not the one that keeps the results. */
static void volunteer(void)
{
	FILE *out = fopen("/proc/self/oom_score_adj", "we");

	if (!out)
		return;
	fputs("500\n", out);
	fclose(out);
}

int isolated_main(int argc, char **argv)
{
	struct rlimit no_core = { 0, 0 };
	struct translator_spec spec;
	char error[1024] = "";
	void *frame;
	bool floors = argc < 1 || !*argv[0];
	int rc;

	page = mmap(NULL, ISOLATE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ISOLATE_PAGE, 0);
	if (page == MAP_FAILED)
		return usage_error("%s is for faultline itself", ISOLATE_ARGUMENT);
	runner_stop_at(&page->stop);
	runner_phase_at(page->phase);
	snprintf(page->phase, sizeof(page->phase), "loading");
	prctl(PR_SET_NAME, "faultline");
	backtrace(&frame, 1);
	setrlimit(RLIMIT_CORE, &no_core);
	volunteer();
	catch_signals();
	atexit(on_exit_called);
	if (!floors) {
		rc = translator_spec_parse(&spec, argv[0], error, sizeof(error));
		if (!rc)
			rc = translator_spec_load(&spec, argc > 1, error, sizeof(error));
		hello(&spec, rc, error);
	} else {
		hello(NULL, 0, "");
	}
	serve(floors ? NULL : &spec);
	_exit(CODE_OK);
}
