/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_mmap.c - a host space that is a window of this process: loads and stores reach the pages.
 *
 * The window is reserved PROT_NONE, 2 MiB aligned (hugetlb), with 2 MiB of guard on each side so
 * that no mapping of it merges with a neighbour's. Showing and hiding are single mmap(MAP_FIXED)
 * calls, atomic for every other thread, so `platform` is not taken: calls for one address are
 * ordered by its entry lock, calls for different addresses commute.
 *
 * Hiding must not fail, but the host refuses to split a mapping at vm.max_map_count. Then the
 * whole of each host mapping that overlaps is hidden, which splits nothing. That takes pages of
 * other entries away, possibly one that another thread shows at this moment: harmless, since a
 * touch of a present entry shows it again. It never takes the range's own pages back: the
 * caller's entry locks keep others from showing them. If even that is refused (the process is
 * beyond the limit, where mmap fails whatever it replaces), mprotect of the whole mapping needs
 * no new one. Others may split and merge mappings between the look and the call: look again.
 */
#include "engine/host_space.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/os.h"

#define GUARD_BYTES MM_HUGE_SIZE
#define GIGANTIC (UINT64_C(1) << 30)
#define WIDEN_ATTEMPTS_MAX 100000

struct host_mmap {
	struct host_space base;
	char *window; /* shows application address 0; immutable */
	uint64_t
		below; /* bytes reserved below it: a guard, and what aligns the window; immutable */
	uint64_t bytes; /* immutable */
};

static int mmap_create(uint64_t window_bytes, struct host_space **out)
{
	uint64_t bytes = (window_bytes + MM_HUGE_SIZE - 1) & ~(MM_HUGE_SIZE - 1);
	struct host_mmap *m;
	void *reserved;
	int rc;

	if (window_bytes == 0)
		return -EINVAL;
	if (bytes < window_bytes || bytes > UINT64_MAX / 2)
		return -ENOMEM;
	m = mm_calloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	/* Where a page of 1 GiB fits, one can be shown. */
	m->below = bytes < GIGANTIC ? GUARD_BYTES : GIGANTIC;
	rc = os_reserve(m->below + bytes + GUARD_BYTES, m->below, &reserved);
	if (rc) {
		free(m);
		return rc;
	}
	m->base.ops = &host_space_mmap;
	m->window = (char *)reserved + m->below;
	m->bytes = bytes;
	*out = &m->base;
	return 0;
}

static struct host_mmap *mmap_of(struct host_space *h)
{
	return (struct host_mmap *)h;
}

static void check_in_window(const struct host_mmap *m, struct addr_range ar)
{
	if (ar.start >= ar.end || ar.end > m->bytes || !addr_range_page_aligned(ar))
		mm_fail("host space: [0x%llx, 0x%llx) is not in the window [0, 0x%llx)",
			(unsigned long long)ar.start, (unsigned long long)ar.end,
			(unsigned long long)m->bytes);
}

/* Hides every host mapping that overlaps ar, each as a whole. */
static void hide_wider(struct host_mmap *m, struct addr_range ar)
{
	uint64_t base = (uint64_t)(uintptr_t)m->window;
	struct addr_range in = { base + ar.start, base + ar.end };
	struct addr_range vma;

	atomic_fetch_add_explicit(&m->base.widened, 1, memory_order_relaxed);
	for (int i = 0; i < WIDEN_ATTEMPTS_MAX; i++) {
		int rc = os_find_accessible(in, &vma);

		if (rc == -ENOENT)
			return;
		if (rc)
			mm_fail("host space: cannot read /proc/self/maps: errno %d", errno_of(rc));
		/* The guards keep a mapping that shows a file inside the window. */
		MM_CHECK(vma.start >= base && vma.end <= base + m->bytes);
		void *at = (void *)(uintptr_t)vma.start;

		rc = os_map_nothing(at, addr_range_length(vma));
		if (rc)
			rc = os_protect_nothing(at, addr_range_length(vma));
		(void)rc; /* the next look shows what came of it */
	}
	mm_fail("host space: the host refuses to hide [0x%llx, 0x%llx)",
		(unsigned long long)in.start, (unsigned long long)in.end);
}

static void mmap_unmap(struct host_space *h, struct addr_range ar)
{
	struct host_mmap *m = mmap_of(h);

	check_in_window(m, ar);
	atomic_fetch_add_explicit(&h->unmaps, 1, memory_order_relaxed);
	if (os_map_nothing(m->window + ar.start, addr_range_length(ar)))
		hide_wider(m, ar);
}

static int mmap_map(struct host_space *h, struct addr_range ar, struct file *file,
		    uint64_t file_offset, mm_access perms, bool populate)
{
	struct host_mmap *m = mmap_of(h);

	check_in_window(m, ar);
	atomic_fetch_add_explicit(&h->maps, 1, memory_order_relaxed);
	int rc = os_map_file(m->window + ar.start, addr_range_length(ar), file_data_fd(file),
			     file_offset, perms, populate);

	if (rc != -EINVAL)
		return rc;
	/*
	 * A 2 MiB page that could only be made inaccessible (hide_wider) is still there, and the
	 * host cuts no such page. Away with it, and with what others show beside ar by now: their
	 * touches show it again.
	 */
	struct addr_range wide = { ar.start & ~(MM_HUGE_SIZE - 1),
				   (ar.end + MM_HUGE_SIZE - 1) & ~(MM_HUGE_SIZE - 1) };

	if (os_map_nothing(m->window + wide.start, addr_range_length(wide)))
		return rc;
	return os_map_file(m->window + ar.start, addr_range_length(ar), file_data_fd(file),
			   file_offset, perms, populate);
}

static void mmap_destroy(struct host_space *h)
{
	struct host_mmap *m = mmap_of(h);
	char *reserved = m->window - m->below;

	/* Reserved neighbours merge, so giving back may need a split, and that may be refused:
	 * then address space is lost, but no page stays shown. */
	if (os_release(reserved, m->below + m->bytes + GUARD_BYTES))
		mmap_unmap(h, (struct addr_range){ 0, m->bytes });
	free(m);
}

static void *mmap_address(struct host_space *h, uint64_t va)
{
	struct host_mmap *m = mmap_of(h);

	return va < m->bytes ? m->window + va : NULL;
}

const struct host_space_ops host_space_mmap = {
	.name = "mmap",
	.create = mmap_create,
	.destroy = mmap_destroy,
	.map = mmap_map,
	.unmap = mmap_unmap,
	.address = mmap_address,
};
