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

static unsigned weight_of(const uint8_t *weights, unsigned node)
{
	return weights[node] ? weights[node] : 1;
}

static unsigned interleaved(uint64_t mask, uint64_t index)
{
	for (index %= (unsigned)__builtin_popcountll(mask); index > 0; index--)
		mask &= mask - 1;
	return (unsigned)__builtin_ctzll(mask);
}

static unsigned weighted(uint64_t mask, const uint8_t *weights, uint64_t index)
{
	uint64_t sum = 0;

	for (uint64_t left = mask; left; left &= left - 1)
		sum += weight_of(weights, (unsigned)__builtin_ctzll(left));
	index = sum ? index % sum : 0;
	for (uint64_t left = mask;; left &= left - 1) {
		unsigned node = (unsigned)__builtin_ctzll(left);

		if (index < weight_of(weights, node))
			return node;
		index -= weight_of(weights, node);
	}
}

unsigned node_choice(enum numa_policy policy, uint64_t mask, const uint8_t *weights, unsigned here,
		     unsigned nodes, uint64_t index)
{
	if (nodes < 64)
		mask &= (UINT64_C(1) << nodes) - 1;
	if (policy == NUMA_LOCAL || !mask)
		return here;
	if (policy == NUMA_INTERLEAVE)
		return interleaved(mask, index);
	if (policy == NUMA_WEIGHTED)
		return weighted(mask, weights, index);
	if (policy == NUMA_BIND && mask >> here & 1)
		return here;
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

unsigned node_choice_for(const struct numa_place *place, unsigned here, unsigned nodes,
			 uint64_t index)
{
	if (place->policy != NUMA_LOCAL && place->nodes)
		return node_choice(place->policy, place->nodes, place->weights, here, nodes, index);
	return node_choice(thread.policy, thread.mask, place->weights, here, nodes, index);
}

unsigned node_choice_next(const struct numa_place *place, unsigned here, unsigned nodes)
{
	return node_choice_for(place, here, nodes, thread.turn++);
}
