/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa_policy.h - the words in which it is said from which node pages should come; who has the
 * last one stands in node_choice.h.
 */
#pragma once

#include <stdint.h>

#include "engine/memory_types.h"

#define MEMORY_MAX_NODES 64

enum numa_policy { NUMA_LOCAL = 0, NUMA_BIND, NUMA_INTERLEAVE, NUMA_PREFERRED, NUMA_WEIGHTED };

struct numa_place {
	enum numa_policy policy;
	uint64_t nodes; /* bit mask; 0: local */
	uint8_t weights[MEMORY_MAX_NODES]; /* weighted: pages in a row of each node; 0: as 1 */
};
