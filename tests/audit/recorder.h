/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder.h - which cache lines a call of the engine reads and writes.
 *
 * The engine is compiled with -fsanitize=thread, which puts a call before each load, store and
 * atomic operation; recorder.c answers those calls instead of ThreadSanitizer. While a thread
 * records, each access goes into its trace: line, place (return address), byte range, kind.
 * What is not compiled that way is told by hand: memcpy and memset (linked under other names),
 * malloc and free (heap.c), liburcu's call_rcu (reclaim.c). Not seen: the kernel, and the C
 * library's other functions, which the engine's paths that count do not use.
 *
 * Nothing here is shared: each thread has its own trace, of bounded size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_SLOTS (UINT32_C(1) << 17) /* accesses that differ in line, place or kind */
#define TRACE_LINE_SHIFT 6

struct trace_access {
	uint64_t line; /* address >> TRACE_LINE_SHIFT */
	uintptr_t place; /* address of code: in the call, not behind it */
	uintptr_t caller; /* of the function that holds the place */
	uint8_t first, last; /* bytes of the line */
	bool write; /* atomic read-modify-writes are, whatever they did */
	uint32_t next; /* access to the same line that came earlier, + 1; 0: none */
	uint32_t epoch; /* of the trace when the slot was used */
};

struct trace_line {
	uint64_t line;
	uint32_t newest; /* access + 1 */
	uint32_t epoch;
	bool written;
};

struct trace {
	uint32_t epoch;
	uint32_t access_count, line_count;
	bool overflowed; /* something was not recorded: the run is worth nothing */
	struct trace_access *access; /* TRACE_SLOTS of them, in order of time */
	struct trace_line *line; /* hash of 2 * TRACE_SLOTS */
};

/* False: no memory. */
bool trace_init(struct trace *t);
void trace_release(struct trace *t);
/* Forgets what was recorded. */
void trace_clear(struct trace *t);
/* The calling thread records into t from now on; NULL: it does not record. */
void trace_into(struct trace *t);
/* What t knows of a line, or NULL. */
const struct trace_line *trace_find(const struct trace *t, uint64_t line);
/* An access that no compiler told: `place` is where the engine made the call. */
void trace_add(const void *at, size_t bytes, bool write, uintptr_t place);
