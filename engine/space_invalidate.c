/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_invalidate.c - MappingSpace.Invalidate.
 *
 * A mappable first changes its state, then invalidates. A fault locks its entry (sequentially
 * consistent), then asks the mappable, installs and unlocks. The fence below stands between the
 * mappable's change and our look at the entry: so either we see the entry locked or present, and
 * take it, or the fault sees the new state. That is why absent, unlocked entries may be passed
 * over without a write.
 *
 * NO_TSA: the body locks in a loop and releases by two calls.
 */
#include "engine/space.h"
#include "engine/test_points.h"

void space_invalidate(struct mapping_space *ms, struct addr_range ar, struct invalidate_opts opts)
	NO_TSA
{
	struct mm_space *s = space_of(ms);
	uint64_t start = ar.start >> MM_PAGE_SHIFT;
	uint64_t end = ar.end >> MM_PAGE_SHIFT;
	uint64_t cursor = start;
	struct map_unit u;
	struct unit_drop d;
	int error;

	atomic_thread_fence(memory_order_seq_cst);
	for (;;) {
		uint64_t before = cursor;

		if (!address_map_next(&s->map, &cursor, end, MAP_WALK_PRESENT, &u, &error))
			break;
		if (opts.invalidate_private && unit_is_partial(&u, start, end) &&
		    (map_unit_word(&u, u.first) & ENTRY_PRIVATE)) {
			unit_split(s, &u, start, end);
			cursor = before;
			continue;
		}
		unit_take(s, &u, opts.invalidate_private, false, &d);
		map_unit_unlock(&s->map, &u);
		unit_drop_pages(s, &d);
	}
	MM_TEST_POINT(space_invalidated); /* the mappable's rmap held */
}
