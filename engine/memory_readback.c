/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_readback.c - what the kernel really gave: node, page size, and whether huge pages can be
 * had at all.
 *
 * The kernel answers for mappings, and our window may not map a page yet that the file holds
 * already. Such a page is first mapped by a read, which changes nothing about where it is. A page
 * that the file does not hold is left alone: asking must not make it.
 *
 * smaps counts per mapping, so the page size of one block of shared memory is asked of a mapping
 * made for that block alone.
 *
 * No locks.
 */
#include "engine/memory_readback.h"

#include <errno.h>
#include <stdio.h>

#include "engine/memory_block.h"
#include "engine/memory_chunk.h"
#include "engine/memory_gigantic.h"
#include "engine/os_memory.h"

/* Makes the window map the page if its file holds it; 0 or -ENOENT. */
static int show_page(struct memory_file *mf, uint32_t page)
{
	unsigned char *at = memory_file_memory(mf, page);
	int64_t held;

	if (page_class_is_hugetlb(memory_file_class(mf, page)))
		/* mincore sees only what is mapped; huge memory is populated through the window. */
		return memory_file_block(mf, page)->populated ? 0 : -ENOENT;
	held = os_memory_resident(at, MM_PAGE_SIZE);
	if (held <= 0)
		return held < 0 ? (int)held : -ENOENT;
	return os_memory_populate(at, MM_PAGE_SIZE, false);
}

int memory_file_node_of(struct memory_file *mf, uint32_t page)
{
	int rc = show_page(mf, page);

	return rc ? rc : os_memory_node_of(memory_file_memory(mf, page));
}

int64_t memory_file_kernel_page_size(struct memory_file *mf, uint32_t page)
{
	uint32_t first = page / (uint32_t)MM_HUGE_PAGES * (uint32_t)MM_HUGE_PAGES;
	uint64_t offset;
	int fd = file_data_fd(memory_file_of(mf, first, &offset));
	int64_t size = show_page(mf, page);
	char *area;

	if (size)
		return size;
	if (page_class_is_hugetlb(memory_file_class(mf, page)))
		return os_memory_smaps_field(memory_file_memory(mf, page), "KernelPageSize");
	/* Inaccessible memory on both sides keeps the mapping from merging with another. */
	area = os_memory_reserve(3 * MM_HUGE_SIZE, MM_HUGE_SIZE, false);
	if (!area)
		return -ENOMEM;
	char *view = area + MM_HUGE_SIZE;

	size = os_memory_map(view, MM_HUGE_SIZE, fd, offset, true);
	if (!size) {
		os_memory_advise_huge(view, MM_HUGE_SIZE, true);
		/* One page suffices: a huge page is mapped as a whole. */
		size = os_memory_populate(view + (uint64_t)(page - first) * MM_PAGE_SIZE,
					  MM_PAGE_SIZE, false);
	}
	if (!size)
		size = os_memory_smaps_field(view, "ShmemPmdMapped");
	if (size >= 0)
		size = size == (int64_t)MM_HUGE_SIZE ? (int64_t)MM_HUGE_SIZE
						     : (int64_t)MM_PAGE_SIZE;
	os_memory_release(area, 3 * MM_HUGE_SIZE);
	return size;
}

static int probe_thp(const char **why)
{
	char mode[64] = "";
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");

	if (f) {
		if (!fgets(mode, sizeof(mode), f))
			mode[0] = 0;
		fclose(f);
	}
	if (!mode[0]) {
		*why = "the kernel has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)";
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Really takes one huge page, and gives it back. */
static int try_one_huge_page(void)
{
	int fd = os_memory_memfd("faultline-probe", MM_HUGE_SHIFT);
	void *at;
	int rc;

	if (fd < 0)
		return fd;
	at = os_memory_reserve(MM_HUGE_SIZE, MM_HUGE_SIZE, false);
	rc = at ? os_memory_resize(fd, MM_HUGE_SIZE) : -ENOMEM;
	if (!rc)
		rc = os_memory_map(at, MM_HUGE_SIZE, fd, 0, true);
	if (!rc)
		rc = os_memory_populate(at, MM_HUGE_SIZE, true);
	os_memory_release(at, MM_HUGE_SIZE);
	os_memory_close(fd);
	return rc;
}

int memory_file_probe(enum page_class cls, const char **why)
{
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"
	int64_t total, available, surplus;

	*why = "";
	if (cls == PAGE_4K)
		return 0;
	if (cls == PAGE_THP)
		return probe_thp(why);
	if (cls == PAGE_1G)
		return memory_gigantic_probe(why);
	total = os_memory_read_number(POOL "nr_hugepages");
	available = os_memory_read_number(POOL "free_hugepages");
	surplus = os_memory_read_number(POOL "nr_overcommit_hugepages");
#undef POOL
	if (total < 0) {
		*why = "the kernel has no 2 MiB huge pages (CONFIG_HUGETLBFS)";
		return -EOPNOTSUPP;
	}
	if (!try_one_huge_page())
		return 0;
	if (total == 0 && surplus <= 0)
		*why = "no 2 MiB huge page is set aside; as root: sysctl -w vm.nr_hugepages=64";
	else if (available == 0)
		*why = "all 2 MiB huge pages are in use; as root raise their number: "
		       "sysctl -w vm.nr_hugepages=N";
	else
		*why = "a 2 MiB huge page could not be had although some are free: they are on "
		       "another NUMA node (/sys/devices/system/node/node*/hugepages), reserved "
		       "(HugePages_Rsvd in /proc/meminfo), or beyond a cgroup's limit "
		       "(hugetlb.2MB.max)";
	return -ENOMEM;
}
