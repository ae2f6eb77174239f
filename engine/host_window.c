/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_window.c - showing and hiding pages in a window of this process.
 *
 * Showing and hiding are single mmap(MAP_FIXED) calls, atomic for every other thread: calls for
 * one address are ordered by its entry lock, calls for different addresses commute.
 *
 * Hiding must not fail, but the host refuses to split a mapping at vm.max_map_count. Then the
 * whole of each host mapping that overlaps is hidden, which splits nothing. That takes pages of
 * other entries away, possibly one that another thread shows at this moment: harmless, since a
 * touch of a present entry shows it again. It never takes the range's own pages back: the
 * caller's entry locks keep others from showing them. If even that is refused (the process is
 * beyond the limit, where mmap fails whatever it replaces), mprotect of the whole mapping needs
 * no new one. Others may split and merge mappings between the look and the call: look again.
 */
#include "engine/host_window.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/os.h"
#include "engine/park.h"

#define GUARD_BYTES MM_HUGE_SIZE
#define GIGANTIC (UINT64_C(1) << 30)
#define WIDEN_ATTEMPTS_MAX 100000

int host_window_init(struct host_window *w, const struct host_space_ops *ops, uint64_t window_bytes)
{
	uint64_t bytes = (window_bytes + MM_HUGE_SIZE - 1) & ~(MM_HUGE_SIZE - 1);
	void *reserved;
	int rc;

	if (window_bytes == 0)
		return -EINVAL;
	if (bytes < window_bytes || bytes > UINT64_MAX / 2)
		return -ENOMEM;
	/* Where a page of 1 GiB fits, one can be shown. */
	w->below = bytes < GIGANTIC ? GUARD_BYTES : GIGANTIC;
	rc = os_reserve(w->below + bytes + GUARD_BYTES, w->below, &reserved);
	if (rc)
		return rc;
	w->base.ops = ops;
	w->at = (char *)reserved + w->below;
	w->bytes = bytes;
	return 0;
}

void host_window_release(struct host_window *w)
{
	char *reserved = w->at - w->below;

	/* Reserved neighbours merge, so giving back may need a split, and that may be refused:
	 * then address space is lost, but no page stays shown. */
	if (os_release(reserved, w->below + w->bytes + GUARD_BYTES))
		host_window_hide(w, (struct addr_range){ 0, w->bytes });
}

static struct lock_key change_key(const struct host_window *w)
{
	return (struct lock_key){ 0, (uint64_t)(uintptr_t)&w->change };
}

void host_window_change_lock(struct host_window *w) NO_TSA /* a lock word */
{
	lock_rank_push(RANK_LEAF, change_key(w), LOCK_SITE);
	park_lock_raw(&w->change);
}

void host_window_change_unlock(struct host_window *w) NO_TSA /* a lock word */
{
	park_unlock_raw(&w->change);
	lock_rank_pop(RANK_LEAF, change_key(w), LOCK_SITE);
}

void host_window_check(const struct host_window *w, struct addr_range ar)
{
	if (ar.start >= ar.end || ar.end > w->bytes || !addr_range_page_aligned(ar))
		mm_fail("host space: [0x%llx, 0x%llx) is not in the window [0, 0x%llx)",
			(unsigned long long)ar.start, (unsigned long long)ar.end,
			(unsigned long long)w->bytes);
}

/* Hides every host mapping that overlaps ar, each as a whole. */
static void hide_wider(struct host_window *w, struct addr_range ar) MAY_LOCK_LEAF
{
	uint64_t base = (uint64_t)(uintptr_t)w->at;
	struct addr_range in = { base + ar.start, base + ar.end };
	struct addr_range vma;

	atomic_fetch_add_explicit(&w->base.widened, 1, memory_order_relaxed);
	for (int i = 0; i < WIDEN_ATTEMPTS_MAX; i++) {
		int rc = os_find_accessible(in, &vma);

		if (rc == -ENOENT)
			return;
		if (rc)
			mm_fail("host space: cannot read /proc/self/maps: errno %d", errno_of(rc));
		/* The guards keep a mapping that shows a file inside the window. */
		MM_CHECK(vma.start >= base && vma.end <= base + w->bytes);
		void *at = (void *)(uintptr_t)vma.start;

		host_window_change_lock(w);
		rc = os_map_nothing(at, addr_range_length(vma));
		if (rc)
			rc = os_protect_nothing(at, addr_range_length(vma));
		host_window_change_unlock(w);
		(void)rc; /* the next look shows what came of it */
	}
	mm_fail("host space: the host refuses to hide [0x%llx, 0x%llx)",
		(unsigned long long)in.start, (unsigned long long)in.end);
}

void host_window_hide(struct host_window *w, struct addr_range ar)
{
	if (os_map_nothing(w->at + ar.start, addr_range_length(ar)))
		hide_wider(w, ar);
}

int host_window_show(struct host_window *w, struct addr_range ar, struct file *file,
		     uint64_t file_offset, mm_access perms, bool populate)
{
	int rc = os_map_file(w->at + ar.start, addr_range_length(ar), file_data_fd(file),
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

	if (os_map_nothing(w->at + wide.start, addr_range_length(wide)))
		return rc;
	return os_map_file(w->at + ar.start, addr_range_length(ar), file_data_fd(file), file_offset,
			   perms, populate);
}

void *host_window_address(struct host_space *h, uint64_t va)
{
	const struct host_window *w = host_window_of(h);

	return va < w->bytes ? w->at + va : NULL;
}
