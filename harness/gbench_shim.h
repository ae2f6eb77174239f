/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gbench_shim.h - Google Benchmark for C: what the micro suite needs of it, and no more.
 *
 * A benchmark is a function that sets itself up, loops and cleans up:
 *
 *	static void shift(struct gbench_state *s)
 *	{
 *		uint64_t x = 1;
 *
 *		while (gbench_state_keep_running_batch(s, 64))
 *			for (int i = 0; i < 64; i++)
 *				gbench_use(x <<= 1);
 *	}
 *	gbench_register("shift", shift);
 *
 * Only the loop is timed: it begins and ends for all threads together. With several threads every
 * one runs the function: thread 0 makes what they share before its loop, and releases it after.
 * Registration is for the main thread, before gbench_main().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gbench_state; /* one thread of one run */
struct gbench; /* a registered benchmark; lives as long as the process */

typedef void (*gbench_fn)(struct gbench_state *s);

/* Registers fn under a name, which is copied. Never fails (no memory: the process ends). */
struct gbench *gbench_register(const char *name, gbench_fn fn);
/* Adds a run with this argument (see gbench_state_range). */
void gbench_argument(struct gbench *b, int64_t argument);
/* Adds a run with that many threads; reports real time per operation from then on. */
void gbench_threads(struct gbench *b, int threads);

/* True as long as n more operations are to be done; the first call starts the clocks. An operation
 * is an item: its rate is reported as items_per_second, its time as Time. n >= 1. */
bool gbench_state_keep_running_batch(struct gbench_state *s, int64_t n);
static inline bool gbench_state_keep_running(struct gbench_state *s)
{
	return gbench_state_keep_running_batch(s, 1);
}
int64_t gbench_state_range(const struct gbench_state *s); /* the argument of this run; 0: none */
int gbench_state_thread(const struct gbench_state *s); /* 0 .. threads - 1 */
int gbench_state_thread_count(const struct gbench_state *s);
/* Stop and go on with the clocks inside the loop: expensive (about 1 us), so rarely. */
void gbench_state_pause(struct gbench_state *s);
void gbench_state_resume(struct gbench_state *s);
/* This run failed and is reported so; its loop ends or does not begin. message is copied. */
void gbench_state_skip(struct gbench_state *s, const char *message);

/* Google Benchmark's main: its flags (--help), its output. The exit code. */
int gbench_main(int argc, char **argv);

/* The compiler must compute value, and forget what it knows of memory. */
#define gbench_use(value) __asm__ volatile("" : : "r,m"(value) : "memory")

#ifdef __cplusplus
}
#endif
