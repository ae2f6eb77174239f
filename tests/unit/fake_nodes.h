/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_nodes.h - a machine of several NUMA nodes for a test: where memory is bound is noted, and
 * read back from the note. CPUs are the test's to say (fake_node_here). For one thread at a time.
 */
#pragma once

#include <stdint.h>

#include "engine/os_memory.h"

#define FAKE_BINDS 4096

static struct {
	uintptr_t start, end;
	int node;
	bool strict;
} fake_bind[FAKE_BINDS];
static unsigned fake_bind_count, fake_node_count;
static int fake_node_here;

static int fake_count(int max)
{
	return (int)fake_node_count < max ? (int)fake_node_count : max;
}

static int fake_current(void)
{
	return fake_node_here;
}

static int fake_of_cpu(int cpu)
{
	(void)cpu;
	return fake_node_here;
}

static int fake_binds(void *address, uint64_t size, int node, bool strict)
{
	uintptr_t start = (uintptr_t)address;

	assert_true(fake_bind_count < FAKE_BINDS);
	fake_bind[fake_bind_count].start = start;
	fake_bind[fake_bind_count].end = start + size;
	fake_bind[fake_bind_count].node = node;
	fake_bind[fake_bind_count++].strict = strict;
	return 0;
}

/* What nobody bound is on the node where the test is. */
static int fake_node_of(void *address)
{
	for (unsigned i = fake_bind_count; i-- > 0;)
		if (fake_bind[i].start <= (uintptr_t)address &&
		    (uintptr_t)address < fake_bind[i].end)
			return fake_bind[i].node;
	return fake_node_here;
}

static inline void fake_nodes(unsigned count)
{
	fake_bind_count = 0;
	fake_node_count = count;
	fake_node_here = 0;
	os_numa =
		(struct os_numa){ fake_count, fake_current, fake_of_cpu, fake_binds, fake_node_of };
}
