/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_mapping_set.c - the reverse map of a mappable with N mappings of 16 pages each: add and
 * remove one, invalidate one page of one. N is the argument.
 *
 * One thread, and a set that nobody else knows, so the caller's `rmap` lock is only stated.
 */
#include "engine/mapping_set.h"
#include "harness/micro.h"

#define MAPPING_BYTES (UINT64_C(16) * MM_PAGE_SIZE)

static void nothing_to_invalidate(struct mapping_space *ms, struct addr_range ar,
				  struct invalidate_opts opts)
{
	(void)opts;
	gbench_use(ms);
	gbench_use(ar.start);
}

static const struct mapping_space_ops space_ops = { .invalidate = nothing_to_invalidate };
static struct mapping_space space = { .ops = &space_ops, .id = 1 };

/* Mapping i shows every other 64 KiB of the object, so that neighbours do not merge. */
static struct addr_range mapping(int64_t i)
{
	uint64_t start = (UINT64_C(1) << 32) + 2 * (uint64_t)i * MAPPING_BYTES;

	return (struct addr_range){ start, start + MAPPING_BYTES };
}

static uint64_t offset_of(int64_t i)
{
	return 2 * (uint64_t)i * MAPPING_BYTES;
}

static struct mapping_set the_set;

/* NO_TSA: the set is this thread's own. */
static struct mapping_set *make_set(struct gbench_state *s) NO_TSA
{
	struct mapping_set *set = &the_set;
	int rc = 0;

	for (int64_t i = 0; i < gbench_state_range(s) && !rc; i++)
		rc = mapping_set_add(set, &space, mapping(i), offset_of(i), true, NULL, NULL);
	if (!rc)
		return set;
	mapping_set_release(&the_set);
	gbench_state_skip(s, "no memory");
	return NULL;
}

/* NO_TSA: the set is this thread's own. */
static void remove_add(struct gbench_state *s) NO_TSA
{
	struct mapping_set *set = make_set(s);
	uint64_t state = 88172645463325252u;

	while (set && gbench_state_keep_running(s)) {
		int64_t i = (int64_t)(micro_random(&state) % (uint64_t)gbench_state_range(s));

		mapping_set_remove(set, &space, mapping(i), offset_of(i), true, NULL, NULL);
		if (mapping_set_add(set, &space, mapping(i), offset_of(i), true, NULL, NULL))
			gbench_state_skip(s, "no memory");
	}
	mapping_set_release(&the_set);
}

/* NO_TSA: the set is this thread's own. */
static void invalidate(struct gbench_state *s) NO_TSA
{
	struct mapping_set *set = make_set(s);
	uint64_t state = 88172645463325252u;

	while (set && gbench_state_keep_running(s)) {
		int64_t i = (int64_t)(micro_random(&state) % (uint64_t)gbench_state_range(s));
		struct mappable_range page = { offset_of(i), offset_of(i) + MM_PAGE_SIZE };

		mapping_set_invalidate(set, NULL, page, (struct invalidate_opts){ false });
	}
	mapping_set_release(&the_set);
}

static void with_sizes(struct gbench *b)
{
	gbench_argument(b, 1);
	gbench_argument(b, 64);
	gbench_argument(b, 4096);
}

void micro_mapping_set(void)
{
	with_sizes(gbench_register("mapping_set/remove_add", remove_add));
	with_sizes(gbench_register("mapping_set/invalidate", invalidate));
}
