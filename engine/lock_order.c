/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock_order.c - the run-time half of the lock order: what a thread holds, and complaints.
 *
 * Clang knows lock classes only; keys inside a class, loops of locks, calls through function
 * pointers and NO_TSA bodies are checked here. Each thread keeps a list of (rank, key, site) in
 * the order of acquisition. A blocking acquire must be above every lock of the list, so a cycle
 * of waiting threads cannot form: along it (rank, key) would have to rise for ever. A try-lock
 * waits for nobody and so may be out of order, but later acquires are compared with it too.
 * The check runs before the wait: a wrong order is reported even if no deadlock comes of it.
 *
 * No locks: the list is thread-local. The linear scans are for debug builds, where a call holds
 * at most an entry set of 512 and a few more.
 */
#include "engine/lock_order.h"

#if LOCK_CHECKED

#include <inttypes.h>
#include <string.h>

#include "engine/fail.h"

/* Two full entry sets (fork holds the parent's and the child's) and room for the other ranks. */
#define HELD_MAX 1152

struct held_lock {
	struct lock_key key;
	const char *site;
	enum lock_rank rank;
};

static _Thread_local struct {
	unsigned count;
	struct held_lock lock[HELD_MAX];
} held;

static const char *const rank_name[RANK_COUNT] = {
	[RANK_OBJECT] = "object",     [RANK_METADATA] = "metadata", [RANK_MAPPING] = "mapping",
	[RANK_RMAP] = "rmap",	      [RANK_ENTRY] = "entry",	    [RANK_DATA] = "data",
	[RANK_PLATFORM] = "platform", [RANK_ARENA] = "arena",	    [RANK_BLOCK] = "block",
	[RANK_LEAF] = "leaf",
};

static bool is_below(const struct held_lock *a, const struct held_lock *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->key.major != b->key.major)
		return a->key.major < b->key.major;
	return a->key.minor < b->key.minor;
}

/* The highest lock held; NULL when none. */
static const struct held_lock *highest(void)
{
	const struct held_lock *top = NULL;

	for (unsigned i = 0; i < held.count; i++)
		if (!top || is_below(top, &held.lock[i]))
			top = &held.lock[i];
	return top;
}

static void append(const struct held_lock *lock)
{
	if (lock->rank >= RANK_COUNT)
		mm_fail("lock order: no such rank: %d at %s", (int)lock->rank, lock->site);
	if (held.count == HELD_MAX)
		mm_fail("lock order: more than %d locks held, taking %s (%" PRIu64 ", 0x%" PRIx64
			") at %s",
			HELD_MAX, rank_name[lock->rank], lock->key.major, lock->key.minor,
			lock->site);
	held.lock[held.count++] = *lock;
}

void lock_rank_push(enum lock_rank rank, struct lock_key key, const char *site)
{
	struct held_lock new = { .key = key, .site = site, .rank = rank };
	const struct held_lock *top = highest();

	/* Leaves are not ordered among themselves: one of them at a time. */
	if (top && (top->rank == RANK_LEAF || !is_below(top, &new)))
		mm_fail("lock order: taking %s (%" PRIu64 ", 0x%" PRIx64
			") at %s while holding %s (%" PRIu64 ", 0x%" PRIx64 ") taken at %s",
			rank < RANK_COUNT ? rank_name[rank] : "?", key.major, key.minor, site,
			rank_name[top->rank], top->key.major, top->key.minor, top->site);
	append(&new);
}

void lock_rank_push_tried(enum lock_rank rank, struct lock_key key, const char *site)
{
	append(&(struct held_lock){ .key = key, .site = site, .rank = rank });
}

void lock_rank_pop(enum lock_rank rank, struct lock_key key, const char *site)
{
	for (unsigned i = held.count; i-- > 0;) {
		const struct held_lock *l = &held.lock[i];

		if (l->rank != rank || l->key.major != key.major || l->key.minor != key.minor)
			continue;
		held.count--;
		memmove(&held.lock[i], &held.lock[i + 1], (held.count - i) * sizeof(held.lock[0]));
		return;
	}
	const struct held_lock *top = highest();

	mm_fail("lock order: releasing %s (%" PRIu64 ", 0x%" PRIx64
		") at %s, which is not held; innermost held: %s taken at %s",
		rank < RANK_COUNT ? rank_name[rank] : "?", key.major, key.minor, site,
		top ? rank_name[top->rank] : "nothing", top ? top->site : "-");
}

unsigned lock_rank_held(void)
{
	return held.count;
}

void lock_rank_assert_none(const char *site)
{
	const struct held_lock *top = highest();

	if (top)
		mm_fail("lock order: %u locks held at %s, where none may be: %s (%" PRIu64
			", 0x%" PRIx64 ") taken at %s",
			held.count, site, rank_name[top->rank], top->key.major, top->key.minor,
			top->site);
}

const char *lock_rank_innermost(const char **site)
{
	const struct held_lock *top = highest();

	*site = top ? top->site : "";
	return top ? rank_name[top->rank] : NULL;
}

#endif
