/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder.c - see recorder.h: traces, and the entry points that the compiler calls.
 *
 * Atomic operations are done here, sequentially consistent whatever was asked: recorded threads
 * run one after another, so the order costs nothing and is never weaker than asked.
 *
 * The names are the compiler's (-Wmissing-prototypes wants each declared, so a macro does both).
 */
#include "tests/audit/recorder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CALL_DEPTH 64

static _Thread_local struct trace *recording;
/* Return addresses of the instrumented functions that the thread is in. */
static _Thread_local struct {
	uintptr_t caller[CALL_DEPTH];
	unsigned depth;
} calls;

/* ---- traces ---- */

static void *table(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

bool trace_init(struct trace *t)
{
	memset(t, 0, sizeof(*t));
	t->epoch = 1;
	t->access = table(TRACE_SLOTS * sizeof(*t->access));
	t->line = table(2 * TRACE_SLOTS * sizeof(*t->line));
	return t->access && t->line;
}

void trace_release(struct trace *t)
{
	munmap(t->access, TRACE_SLOTS * sizeof(*t->access));
	munmap(t->line, 2 * TRACE_SLOTS * sizeof(*t->line));
}

void trace_clear(struct trace *t)
{
	t->epoch++;
	t->access_count = 0;
	t->line_count = 0;
	t->overflowed = false;
}

void trace_into(struct trace *t)
{
	recording = t;
}

static struct trace_line *line_slot(const struct trace *t, uint64_t line)
{
	uint64_t i = (line * UINT64_C(0x9e3779b97f4a7c15)) >> 46; /* 18 bits */

	_Static_assert(2 * TRACE_SLOTS == UINT32_C(1) << 18, "the hash above");
	for (;; i = (i + 1) % (2 * TRACE_SLOTS)) {
		struct trace_line *l = &t->line[i];

		if (l->epoch != t->epoch || l->line == line)
			return l;
	}
}

const struct trace_line *trace_find(const struct trace *t, uint64_t line)
{
	struct trace_line *l = line_slot(t, line);

	return l->epoch == t->epoch ? l : NULL;
}

static void add_to_line(struct trace *t, uint64_t line, struct trace_access a)
{
	struct trace_line *l = line_slot(t, line);

	if (l->epoch != t->epoch) {
		if (t->line_count == TRACE_SLOTS) {
			t->overflowed = true;
			return;
		}
		*l = (struct trace_line){ .line = line, .epoch = t->epoch };
		t->line_count++;
	}
	for (uint32_t i = l->newest; i; i = t->access[i - 1].next) {
		const struct trace_access *old = &t->access[i - 1];

		if (old->place == a.place && old->caller == a.caller && old->write == a.write &&
		    old->first == a.first && old->last == a.last)
			return;
	}
	if (t->access_count == TRACE_SLOTS) {
		t->overflowed = true;
		return;
	}
	a.line = line;
	a.next = l->newest;
	a.epoch = t->epoch;
	l->written |= a.write;
	t->access[t->access_count++] = a;
	l->newest = t->access_count;
}

void trace_add(const void *at, size_t bytes, bool write, uintptr_t place)
{
	struct trace *t = recording;
	uint64_t address = (uintptr_t)at;
	uint64_t end = address + bytes;

	if (!t)
		return;
	recording = NULL; /* what is called from here is ours */
	while (address < end) {
		uint64_t line = address >> TRACE_LINE_SHIFT;
		uint64_t line_end = (line + 1) << TRACE_LINE_SHIFT;
		uint64_t stop = line_end < end ? line_end : end;

		add_to_line(t, line,
			    (struct trace_access){
				    .place = place - 1,
				    .caller = calls.depth && calls.depth <= CALL_DEPTH
						      ? calls.caller[calls.depth - 1] - 1
						      : 0,
				    .first = (uint8_t)(address % (1u << TRACE_LINE_SHIFT)),
				    .last = (uint8_t)((stop - 1) % (1u << TRACE_LINE_SHIFT)),
				    .write = write });
		address = stop;
	}
	recording = t;
}

/* ---- what the compiler calls ---- */

#define PLACE ((uintptr_t)__builtin_return_address(0))
#define ENTRY(type, name, ...)  \
	type name(__VA_ARGS__); \
	type name(__VA_ARGS__)

#define PLAIN(bytes)                                \
	ENTRY(void, __tsan_read##bytes, void *at)   \
	{                                           \
		trace_add(at, bytes, false, PLACE); \
	}                                           \
	ENTRY(void, __tsan_write##bytes, void *at)  \
	{                                           \
		trace_add(at, bytes, true, PLACE);  \
	}
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define UNALIGNED(bytes)                                     \
	ENTRY(void, __tsan_unaligned_read##bytes, void *at)  \
	{                                                    \
		trace_add(at, bytes, false, PLACE);          \
	}                                                    \
	ENTRY(void, __tsan_unaligned_write##bytes, void *at) \
	{                                                    \
		trace_add(at, bytes, true, PLACE);           \
	}
UNALIGNED(2)
UNALIGNED(4)
UNALIGNED(8)
UNALIGNED(16)

ENTRY(void, __tsan_read_range, void *at, size_t bytes)
{
	trace_add(at, bytes, false, PLACE);
}

ENTRY(void, __tsan_write_range, void *at, size_t bytes)
{
	trace_add(at, bytes, true, PLACE);
}

ENTRY(void, __tsan_init, void)
{
}

ENTRY(void, __tsan_func_entry, void *caller)
{
	if (calls.depth < CALL_DEPTH)
		calls.caller[calls.depth] = (uintptr_t)caller;
	calls.depth++;
}

ENTRY(void, __tsan_func_exit, void)
{
	calls.depth--;
}

/* Annotations for ThreadSanitizer: the order they tell is none of ours. */
ENTRY(void, __tsan_acquire, void *at)
{
	(void)at;
}

ENTRY(void, __tsan_release, void *at)
{
	(void)at;
}

ENTRY(void, __tsan_atomic_thread_fence, int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

ENTRY(void, __tsan_atomic_signal_fence, int order)
{
	(void)order;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#define FETCH(bits, type, op)                                                                   \
	ENTRY(type, __tsan_atomic##bits##_fetch_##op, volatile type *at, type value, int order) \
	{                                                                                       \
		(void)order;                                                                    \
		trace_add((const void *)at, sizeof(*at), true, PLACE);                          \
		return __atomic_fetch_##op(at, value, __ATOMIC_SEQ_CST);                        \
	}

#define COMPARE(bits, type, strength)                                                        \
	ENTRY(int, __tsan_atomic##bits##_compare_exchange_##strength, volatile type *at,     \
	      type *expected, type value, int order, int failure)                            \
	{                                                                                    \
		(void)order, (void)failure;                                                  \
		trace_add((const void *)at, sizeof(*at), true, PLACE);                       \
		return __atomic_compare_exchange_n(at, expected, value, 0, __ATOMIC_SEQ_CST, \
						   __ATOMIC_SEQ_CST);                        \
	}

#define ATOMIC(bits, type)                                                                        \
	ENTRY(type, __tsan_atomic##bits##_load, const volatile type *at, int order)               \
	{                                                                                         \
		(void)order;                                                                      \
		trace_add((const void *)at, sizeof(*at), false, PLACE);                           \
		return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                     \
	}                                                                                         \
	ENTRY(void, __tsan_atomic##bits##_store, volatile type *at, type value, int order)        \
	{                                                                                         \
		(void)order;                                                                      \
		trace_add((const void *)at, sizeof(*at), true, PLACE);                            \
		__atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                    \
	}                                                                                         \
	ENTRY(type, __tsan_atomic##bits##_exchange, volatile type *at, type value, int order)     \
	{                                                                                         \
		(void)order;                                                                      \
		trace_add((const void *)at, sizeof(*at), true, PLACE);                            \
		return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                          \
	}                                                                                         \
	FETCH(bits, type, add)                                                                    \
	FETCH(bits, type, sub)                                                                    \
	FETCH(bits, type, and)                                                                    \
	FETCH(bits, type, or)                                                                     \
	FETCH(bits, type, xor)                                                                    \
	FETCH(bits, type, nand)                                                                   \
	COMPARE(bits, type, strong)                                                               \
	COMPARE(bits, type, weak)                                                                 \
	ENTRY(type, __tsan_atomic##bits##_compare_exchange_val, volatile type *at, type expected, \
	      type value, int order, int failure)                                                 \
	{                                                                                         \
		(void)order, (void)failure;                                                       \
		trace_add((const void *)at, sizeof(*at), true, PLACE);                            \
		__atomic_compare_exchange_n(at, &expected, value, 0, __ATOMIC_SEQ_CST,            \
					    __ATOMIC_SEQ_CST);                                    \
		return expected;                                                                  \
	}
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* ---- what the linker calls: the engine's memcpy is __wrap_memcpy ---- */

void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__real_memmove(void *to, const void *from, size_t bytes);
void *__real_memset(void *to, int byte, size_t bytes);

ENTRY(void *, __wrap_memcpy, void *to, const void *from, size_t bytes)
{
	trace_add(from, bytes, false, PLACE);
	trace_add(to, bytes, true, PLACE);
	return __real_memcpy(to, from, bytes);
}

ENTRY(void *, __wrap_memmove, void *to, const void *from, size_t bytes)
{
	trace_add(from, bytes, false, PLACE);
	trace_add(to, bytes, true, PLACE);
	return __real_memmove(to, from, bytes);
}

ENTRY(void *, __wrap_memset, void *to, int byte, size_t bytes)
{
	trace_add(to, bytes, true, PLACE);
	return __real_memset(to, byte, bytes);
}
