/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock_order.h - the one place that says in which order the engine's locks nest.
 *
 *   object              per mappable    size changes: truncate, punch
 *     metadata          per space       name and limits
 *       mapping         per space       range lock: who may change vmas
 *         rmap          per mappable and 2 MiB of offsets   who maps them
 *           entry       per space       the set of address-map entries that one call holds
 *             data      per mappable and 2 MiB of offsets   offset -> page
 *               platform  per 2 MiB of a host space  what the host maps there; per family: making
 *                                       a 1 GiB page ready
 *                 arena   per NUMA node   chunks and free blocks of the memory files
 *                   block per 2 MiB block its mode, its deposits
 *                     leaf                parking buckets, vma table, address search, node pools
 *
 * A class is a phantom: declared, never defined, so it costs nothing. Classes are listed
 * innermost first so that no ACQUIRED_BEFORE looks forward: Clang 14 silently ignores an order
 * that is put on a redeclaration. Clang cannot express two locks of one class or loops of locks:
 * that is the business of the run-time ranks below (debug, asan and tsan builds).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/tsa.h"

typedef int CAPABILITY("lock class") lock_class;

extern lock_class leaf_class;
extern lock_class block_class ACQUIRED_BEFORE(leaf_class);
extern lock_class arena_class ACQUIRED_BEFORE(block_class);
extern lock_class platform_class ACQUIRED_BEFORE(arena_class);
extern lock_class data_class ACQUIRED_BEFORE(platform_class);
extern lock_class entry_class ACQUIRED_BEFORE(data_class);
extern lock_class rmap_class ACQUIRED_BEFORE(entry_class);
extern lock_class mapping_class ACQUIRED_BEFORE(rmap_class);
extern lock_class metadata_class ACQUIRED_BEFORE(mapping_class);
extern lock_class object_class ACQUIRED_BEFORE(metadata_class);

/* What a function may take: the class named and everything inside it. */
#define MAY_LOCK_LEAF REQUIRES(!leaf_class)
#define MAY_LOCK_BLOCK REQUIRES(!block_class) MAY_LOCK_LEAF
#define MAY_LOCK_ARENA REQUIRES(!arena_class) MAY_LOCK_BLOCK
#define MAY_LOCK_PLATFORM REQUIRES(!platform_class) MAY_LOCK_ARENA
#define MAY_LOCK_DATA REQUIRES(!data_class) MAY_LOCK_PLATFORM
#define MAY_LOCK_ENTRY REQUIRES(!entry_class) MAY_LOCK_DATA
#define MAY_LOCK_RMAP REQUIRES(!rmap_class) MAY_LOCK_ENTRY
#define MAY_LOCK_MAPPING REQUIRES(!mapping_class) MAY_LOCK_RMAP
#define MAY_LOCK_METADATA REQUIRES(!metadata_class) MAY_LOCK_MAPPING
#define MAY_LOCK_OBJECT REQUIRES(!object_class) MAY_LOCK_METADATA
#define MAY_LOCK_ANY MAY_LOCK_OBJECT

/* The same order at run time: a blocking acquire needs a higher (rank, key) than any lock held. */
enum lock_rank {
	RANK_OBJECT,
	RANK_METADATA,
	RANK_MAPPING,
	RANK_RMAP,
	RANK_ENTRY,
	RANK_DATA,
	RANK_PLATFORM,
	RANK_ARENA,
	RANK_BLOCK,
	RANK_LEAF,
	RANK_COUNT
};

/*
 * Instances inside one rank ascend by key, compared major first. entry: (space id, address);
 * mapping: (space id, start); arena: (node, 0); rmap, data, object, block: (0, address of lock).
 * The rmap locks of a mappable are an array, so a range takes them in ascending order; so are those
 * of data, and the one of its size stands before them.
 */
struct lock_key {
	uint64_t major;
	uint64_t minor;
};

#if defined(LOCK_CHECK) && LOCK_CHECK
#define LOCK_CHECKED 1
#else
#define LOCK_CHECKED 0
#endif

#define LOCK_STRINGIFY_(x) #x
#define LOCK_STRINGIFY(x) LOCK_STRINGIFY_(x)
#define LOCK_SITE __FILE__ ":" LOCK_STRINGIFY(__LINE__)

#if LOCK_CHECKED
/* Records a lock about to be waited for; out of order: mm_fail() with both sites. */
void lock_rank_push(enum lock_rank rank, struct lock_key key, const char *site);
/* Records a lock that a try-lock got: exempt from the order, counted as held. */
void lock_rank_push_tried(enum lock_rank rank, struct lock_key key, const char *site);
/* Forgets a held lock; reports one that is not held. */
void lock_rank_pop(enum lock_rank rank, struct lock_key key, const char *site);
/* How many locks this thread holds. */
unsigned lock_rank_held(void);
/* Reports, naming the innermost, if this thread holds any lock: thread entries, sleeps, signals. */
void lock_rank_assert_none(const char *site);
/* Name and site of the innermost held lock for messages, or NULL when none. Async-signal-safe. */
const char *lock_rank_innermost(const char **site);
#else
static inline void lock_rank_push(enum lock_rank r, struct lock_key k, const char *s)
{
	(void)r, (void)k, (void)s;
}
static inline void lock_rank_push_tried(enum lock_rank r, struct lock_key k, const char *s)
{
	(void)r, (void)k, (void)s;
}
static inline void lock_rank_pop(enum lock_rank r, struct lock_key k, const char *s)
{
	(void)r, (void)k, (void)s;
}
static inline unsigned lock_rank_held(void)
{
	return 0;
}
static inline void lock_rank_assert_none(const char *s)
{
	(void)s;
}
static inline const char *lock_rank_innermost(const char **site)
{
	*site = "";
	return 0;
}
#endif

/* For a thread's entry: states for Clang, and checks at run time, that nothing is held. */
static inline void lock_assert_none(void)
	ASSERTS(!object_class, !metadata_class, !mapping_class, !rmap_class, !entry_class)
		ASSERTS(!data_class, !platform_class, !arena_class, !block_class, !leaf_class)
			NO_TSA
{
	lock_rank_assert_none(LOCK_SITE);
}
