/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_populate.c - faulting a range in ahead of use: mmap, mlock, MADV_POPULATE.
 *
 * What a run of the range is to be faulted for is looked up with its `mapping` held; the faults
 * hold nothing, so that another call may change the range meanwhile: then a fault
 * fails, or fills what is there now, as Linux does, which drops its lock as well.
 */
#include "engine/space_populate.h"

#include <errno.h>

#include "engine/space_range.h"

/* Private writable pages are written, which makes copies now; shared ones are not, or they would
 * be dirty for nothing. */
static mm_access wanted_access(mm_access perms, bool is_private)
{
	return is_private && (perms & MM_WRITE) ? MM_WRITE : MM_READ;
}

static int fault_all(struct mm_space *s, mm_access at, uint64_t start, uint64_t end) MAY_LOCK_ENTRY
{
	for (uint64_t page = start; page < end; page++) {
		int rc = space_fault(s, page << MM_PAGE_SHIFT, at, true);

		if (rc)
			return rc;
	}
	return 0;
}

int space_populate(struct mm_space *s, mm_access perms, bool is_private, uint64_t start,
		   uint64_t end)
{
	return perms ? fault_all(s, wanted_access(perms, is_private), start, end) : 0;
}

/* A run of pages of one mapping. */
struct run {
	uint64_t end;
	bool mapped, is_private;
	mm_access perms;
	enum mlock_mode mlock_mode;
};

static struct run run_at(struct mm_space *s, uint64_t page, uint64_t end) MAY_LOCK_MAPPING
{
	struct range_held held;
	struct run r = { .end = end };
	uint32_t index;

	range_lock_lock(&s->mapping, pages_to_addresses(page, end), &held);
	r.end = space_run_end(s, page, end, &index);
	if (index) {
		const struct vma *v = vma_at(&s->mm->vma_pool, index);

		r.mapped = true;
		r.is_private = v->is_private;
		r.perms = v->perms;
		r.mlock_mode = (enum mlock_mode)v->mlock_mode;
	}
	range_lock_unlock(&held);
	return r;
}

int space_populate_locked(struct mm_space *s, uint64_t start, uint64_t end, bool go_on)
{
	while (start < end) {
		struct run r = run_at(s, start, end);
		int rc = 0;

		if (r.mapped && r.mlock_mode == MLOCK_EAGER)
			rc = r.perms ? space_populate(s, r.perms, r.is_private, start, r.end)
				     : -EFAULT;
		if (rc && !go_on)
			return rc;
		start = r.end;
	}
	return 0;
}

void space_populate_private_locked(struct mm_space *s, uint64_t start, uint64_t end)
{
	while (start < end) {
		struct run r = run_at(s, start, end);

		if (r.mapped && r.is_private && r.mlock_mode == MLOCK_EAGER) {
			int rc = space_populate(s, r.perms, true, start, r.end);

			(void)rc; /* a fault of the application will meet it again */
		}
		start = r.end;
	}
}

int space_populate_for(struct mm_space *s, mm_access at, uint64_t start, uint64_t end)
{
	while (start < end) {
		struct run r = run_at(s, start, end);
		int rc = r.mapped ? 0 : -ENOMEM;

		if (!rc && !access_superset_of(r.perms, at))
			rc = -EINVAL;
		if (!rc)
			rc = fault_all(s, at, start, r.end);
		if (rc)
			return is_bus_error(rc) || rc == -EACCES ? -EFAULT : rc;
		start = r.end;
	}
	return 0;
}
