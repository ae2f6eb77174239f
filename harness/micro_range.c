/* SPDX-License-Identifier: Apache-2.0 */
/* micro_range.c - arithmetic on ranges: a chain of dependent operations on random ones. */
#include "engine/range.h"
#include "harness/micro.h"

#define RANGES 1024

static struct addr_range ranges[RANGES];

static void make_ranges(void)
{
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < RANGES; i++) {
		uint64_t start = micro_random(&state) % (1 << 20) * MM_PAGE_SIZE;
		uint64_t pages = 1 + micro_random(&state) % (1 << 18);

		ranges[i] = (struct addr_range){ start, start + pages * MM_PAGE_SIZE };
	}
}

static void intersect(struct gbench_state *s)
{
	unsigned at = 0;

	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (unsigned i = 0; i < MICRO_BATCH; i++) {
			struct addr_range r =
				addr_range_intersect(ranges[at + i], ranges[RANGES - 1 - at - i]);

			gbench_use(r.start);
			gbench_use(r.end);
		}
		at = (at + MICRO_BATCH) % RANGES;
	}
}

static void overlaps(struct gbench_state *s)
{
	unsigned at = 0;

	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (unsigned i = 0; i < MICRO_BATCH; i++) {
			bool yes = addr_range_overlaps(ranges[at + i], ranges[RANGES - 1 - at - i]);

			gbench_use(yes);
		}
		at = (at + MICRO_BATCH) % RANGES;
	}
}

static void round_up(struct gbench_state *s)
{
	uint64_t x = 1, up = 0;

	while (gbench_state_keep_running_batch(s, MICRO_BATCH))
		for (unsigned i = 0; i < MICRO_BATCH; i++)
			if (page_round_up(x, &up)) {
				gbench_use(up);
				x = up + 1;
			}
}

void micro_range(void)
{
	make_ranges();
	gbench_register("range/intersect", intersect);
	gbench_register("range/overlaps", overlaps);
	gbench_register("range/page_round_up", round_up);
}
