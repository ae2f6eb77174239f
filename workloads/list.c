/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - every workload and floor, once, sorted by name. Help, completion and documentation are
 * made from this list; a new workload is its own file and one
 * line here.
 */
#include <string.h>

#include "workloads/workload.h"

#define WORKLOADS(X)             \
	X(call_gate)             \
	X(copy_inout)            \
	X(dontneed_refault)      \
	X(fault_ahead)           \
	X(fault_anon)            \
	X(fault_cow)             \
	X(fault_dirty)           \
	X(fault_shared)          \
	X(file_fault)            \
	X(floor_copy)            \
	X(floor_fetch_add)       \
	X(floor_huge_touch)      \
	X(floor_madvise)         \
	X(floor_map_unmap)       \
	X(floor_membarrier)      \
	X(floor_minor_fault)     \
	X(floor_mmap_fixed)      \
	X(floor_mmap_populate)   \
	X(floor_pingpong)        \
	X(floor_radix)           \
	X(floor_sigbus_continue) \
	X(floor_sigsegv)         \
	X(floor_sigsegv_mmap)    \
	X(floor_uffd_continue)   \
	X(fork)                  \
	X(fork_cow)              \
	X(invalidate_batch)      \
	X(invalidate_storm)      \
	X(map_local)             \
	X(map_unmap)             \
	X(migrate)               \
	X(protect_flip)          \
	X(refcount_churn)        \
	X(refcount_own)          \
	X(refcount_range)        \
	X(refcount_shared)       \
	X(remap)                 \
	X(rmap)                  \
	X(touch_anon)            \
	X(translate)             \
	X(translate_object)      \
	X(truncate_storm)

#define DECLARE(name) extern const struct workload workload_##name;
#define ADDRESS(name) &workload_##name,

WORKLOADS(DECLARE)

const struct workload *const workload_list[] = { WORKLOADS(ADDRESS) NULL };

const struct workload *workload_find(const char *name)
{
	for (const struct workload *const *w = workload_list; *w; w++)
		if (!strcmp((*w)->name, name))
			return *w;
	return NULL;
}

uint64_t workload_page_bytes(const char *pages)
{
	return pages[0] == '4' ? 4096 : UINT64_C(1) << (pages[0] == '1' ? 30 : 21);
}

uint64_t workload_page_size(const struct workload_run *run)
{
	return workload_page_bytes(run->pages);
}
