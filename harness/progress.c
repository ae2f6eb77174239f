/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.c - progress lines with the time that is left.
 */
#include "harness/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/clock.h"

/* Logs are read by people: a plain line now and then. */
#define PLAIN_NS UINT64_C(5000000000)

void progress_begin(struct progress *p, const char *word, size_t total, uint64_t step_ns)
{
	*p = (struct progress){ .total = total,
				.expected_ns = step_ns,
				.start_ns = clock_source_monotonic_ns() };
	if (strcmp(word, "tty") == 0 || (strcmp(word, "auto") == 0 && isatty(STDERR_FILENO)))
		p->mode = PROGRESS_TTY;
	else if (strcmp(word, "plain") == 0 || strcmp(word, "auto") == 0)
		p->mode = PROGRESS_PLAIN;
	else if (strcmp(word, "json") == 0)
		p->mode = PROGRESS_JSON;
	else
		p->mode = PROGRESS_NONE;
}

void progress_until(struct progress *p, uint64_t deadline_ns)
{
	p->deadline_ns = deadline_ns;
}

/* "3/17", or "3" where nobody knows of how many. */
static const char *place(const struct progress *p, char *text, size_t size)
{
	if (p->deadline_ns)
		snprintf(text, size, "%zu", p->done + 1);
	else
		snprintf(text, size, "%zu/%zu", p->done + 1, p->total);
	return text;
}

uint64_t progress_left_ns(const struct progress *p, uint64_t now_ns)
{
	uint64_t step;

	if (p->deadline_ns)
		return p->deadline_ns > now_ns ? p->deadline_ns - now_ns : 0;
	step = p->done ? (now_ns - p->start_ns) / p->done : p->expected_ns;

	return step * (p->total - p->done);
}

void progress_step(struct progress *p, const char *benchmark, unsigned repetition)
{
	uint64_t now = clock_source_monotonic_ns();
	char at[48];
	double left = (double)progress_left_ns(p, now) / 1e9;

	switch (p->mode) {
	case PROGRESS_NONE:
		break;
	case PROGRESS_TTY:
		fprintf(stderr, "\r\033[K[%s] %.70s #%u, %.0f s left", place(p, at, sizeof(at)),
			benchmark, repetition + 1, left);
		break;
	case PROGRESS_PLAIN:
		if (p->shown_ns && now - p->shown_ns < PLAIN_NS)
			break;
		p->shown_ns = now;
		fprintf(stderr, "[%s] %s #%u, %.0f s left\n", place(p, at, sizeof(at)), benchmark,
			repetition + 1, left);
		break;
	case PROGRESS_JSON:
		/* Names hold nothing that JSON would escape but what a user typed as a label. */
		fprintf(stderr,
			"{\"done\": %zu, \"total\": %zu, \"benchmark\": \"%s\", "
			"\"repetition\": %u, \"left_s\": %.1f}\n",
			p->done, p->total, benchmark, repetition, left);
		break;
	}
}

void progress_advance(struct progress *p)
{
	p->done++;
}

void progress_end(struct progress *p)
{
	if (p->mode == PROGRESS_TTY)
		fputs("\r\033[K", stderr);
}
