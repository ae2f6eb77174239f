/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_choice.c - see node_choice.h.
 */
#include "engine/node_choice.h"

#include <linux/mempolicy.h>

#include "engine/os_memory.h"

static _Thread_local struct {
	enum numa_policy policy;
	uint64_t mask;
	uint64_t turn;
} thread;

unsigned node_choice(enum numa_policy policy, uint64_t mask, unsigned here, unsigned nodes,
		     uint64_t index)
{
	if (nodes < 64)
		mask &= (UINT64_C(1) << nodes) - 1;
	if (policy == NUMA_LOCAL || !mask)
		return here;
	if (policy == NUMA_INTERLEAVE) {
		unsigned n = (unsigned)(index % (unsigned)__builtin_popcountll(mask));

		while (n-- > 0)
			mask &= mask - 1;
	} else if (policy == NUMA_BIND && mask >> here & 1) {
		return here;
	}
	return (unsigned)__builtin_ctzll(mask);
}

static enum numa_policy policy_of_mode(int mode)
{
	switch (mode) {
	case MPOL_BIND:
		return NUMA_BIND;
	case MPOL_INTERLEAVE:
		return NUMA_INTERLEAVE;
	case MPOL_PREFERRED:
	case MPOL_PREFERRED_MANY:
		return NUMA_PREFERRED;
	default:
		return NUMA_LOCAL;
	}
}

void node_choice_read_thread(void)
{
	int mode;

	thread.policy = NUMA_LOCAL;
	if (!os_memory_thread_policy(&mode, &thread.mask))
		thread.policy = policy_of_mode(mode);
}

unsigned node_choice_thread(unsigned here, unsigned nodes, uint64_t index)
{
	return node_choice(thread.policy, thread.mask, here, nodes, index);
}

unsigned node_choice_thread_next(unsigned here, unsigned nodes)
{
	return node_choice_thread(here, nodes, thread.turn++);
}
