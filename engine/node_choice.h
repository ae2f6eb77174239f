/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_choice.h - which NUMA node a page is taken from.
 *
 * A mapping's policy decides; where it has none, the place of its family of files (mm_set_place);
 * where that has none either, the policy of the thread that needs the page (set_mempolicy(2), so
 * numactl as well), as for the kernel's own memory. The thread's is read once, when it enters the
 * engine: to ask at each fault would cost more than the fault.
 *
 * Nodes have the kernel's numbers. No locks: what is not in the arguments is the calling thread's.
 */
#pragma once

#include <stdint.h>

#include "engine/numa_policy.h"

/*
 * The node of page number `index` (of pages as large as are taken) for a thread on node `here` of
 * `nodes`: by policy, out of the bit mask `mask`. Nodes that are not there do not count; if none
 * is left, it is `here`, which bind prefers as well. Nodes and weights belong to the index, not to
 * time: the same page is always asked of the same node. weights: used by NUMA_WEIGHTED only.
 */
unsigned node_choice(enum numa_policy policy, uint64_t mask, const uint8_t *weights, unsigned here,
		     unsigned nodes, uint64_t index);

/* Reads the calling thread's policy anew; local where the kernel knows none or does not say. */
void node_choice_read_thread(void);
/* The same as node_choice where no mapping has a policy: by place, else by the thread's. */
unsigned node_choice_for(const struct numa_place *place, unsigned here, unsigned nodes,
			 uint64_t index);
/* The same for a page whose place in a range does not matter: interleaving takes turns. */
unsigned node_choice_next(const struct numa_place *place, unsigned here, unsigned nodes);
