/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct_file.c - identity translation to a host file, whose size is the one thing to watch.
 *
 * There are no pages to detach: step (i) of a truncate is the host's own ftruncate, one step for
 * everyone. The caller of translate holds its entry lock from the look at the size until it has
 * installed the page. So either it looked before the ftruncate: then the invalidation, which
 * follows, waits for the entry and drops the page; or after: then it got a bus error. `object`
 * keeps another of our own truncates from growing the file in between.
 *
 * `reached` is an end of all that translate has ever answered, hence of what may be mapped,
 * whatever others have done to the size since. A translate that has to raise it asks for the size
 * again afterwards, a truncate sets the size and then reads it: so the truncate sees what it must
 * invalidate, or the translate sees the new size (Dekker; all four are sequentially consistent).
 *
 * Locks: object and rmap of mappable_object; data is not needed.
 */
#include "engine/direct_file.h"

#include <errno.h>
#include <string.h>

#include "engine/mappable_object.h"
#include "engine/memory_foreign.h"
#include "engine/os_file.h"
#include "engine/os_memory.h"
#include "engine/test_points.h"
#include "engine/translation.h"

#define CHUNK_BYTES ((uint64_t)MEMORY_CHUNK_PAGES * MM_PAGE_SIZE)

struct direct_file {
	struct mappable_object object;
	struct memory_file *mf; /* this and the next two: immutable */
	struct memory_foreign *foreign;
	mm_access perms;
	_Atomic uint64_t reached; /* bytes; only grows */
};

static struct direct_file *of_object(struct mappable_object *o)
{
	return (struct direct_file *)((char *)o - offsetof(struct direct_file, object));
}

static struct direct_file *of_mappable(struct mappable *m)
{
	return of_object(mappable_object_of(m));
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t page_end(uint64_t size)
{
	uint64_t up;

	return page_round_up(size, &up) ? up : size & ~(MM_PAGE_SIZE - 1);
}

static int file_size(struct direct_file *df, uint64_t *size)
{
	return os_file_size(memory_foreign_fd(df->foreign), size);
}

/* ---- translate ---- */

/* Raises `reached` to end; false: it was there already. */
static bool raise_reached(struct direct_file *df, uint64_t end)
{
	uint64_t old = atomic_load_explicit(&df->reached, memory_order_relaxed);

	while (old < end)
		if (atomic_compare_exchange_weak(&df->reached, &old, end))
			return true;
	return false;
}

/* The end of what may be translated; what a translate that wants up to `wanted` answers lies below
 * `reached` when this returns. */
static int translated_end(struct direct_file *df, uint64_t wanted, uint64_t *end)
{
	uint64_t size;
	int rc = file_size(df, &size);

	if (rc)
		return rc;
	*end = least(page_end(size), wanted);
	MM_TEST_POINT(direct_file_sized); /* what the caller of translate holds */
	if (raise_reached(df, *end)) {
		rc = file_size(df, &size);
		*end = least(page_end(size), *end);
	}
	return rc;
}

/* The piece that begins at `within` and ends with the chunk of offset, or with `within`. */
static int translate_piece(struct direct_file *df, uint64_t offset, struct mappable_range within,
			   struct translation *t) MAY_LOCK_ARENA
{
	uint64_t chunk = offset / CHUNK_BYTES * CHUNK_BYTES;
	uint32_t page;
	int rc;

	t->source = mappable_range_intersect(within,
					     (struct mappable_range){ chunk, chunk + CHUNK_BYTES });
	rc = memory_foreign_page(df->mf, df->foreign, t->source.start, &page);
	if (rc)
		return rc == -ENOMEM ? rc : bus_error(errno_of(rc));
	t->file = memory_file_of(df->mf, page, &t->offset);
	t->perms = df->perms;
	return 0;
}

static int direct_translate(struct mappable *m, struct mappable_range required,
			    struct mappable_range optional, mm_access at, struct translation *ts,
			    size_t max, size_t *count) MAY_LOCK_DATA
{
	struct direct_file *df = of_mappable(m);
	uint64_t end, offset = required.start;
	size_t n = 0;
	int rc = translated_end(df, optional.end, &end);

	*count = 0;
	if (rc)
		return bus_error(errno_of(rc));
	if (!access_superset_of(df->perms, at))
		return -EACCES;
	optional.end = end;
	while (!rc && offset < least(required.end, end)) {
		rc = n < max ? translate_piece(df, offset, optional, &ts[n]) : -ENOSPC;
		if (!rc)
			optional.start = offset = ts[n++].source.end;
	}
	*count = n;
	return !rc && end < required.end ? bus_error(ENXIO) : rc;
}

static void direct_residency(struct mappable *m, struct mappable_range mr, unsigned char *vec)
	MAY_LOCK_DATA
{
	struct direct_file *df = of_mappable(m);
	uint64_t next;

	memset(vec, 0, (mr.end - mr.start) >> MM_PAGE_SHIFT);
	for (uint64_t offset = mr.start; offset < mr.end; offset = next) {
		uint32_t page;

		next = least((offset / CHUNK_BYTES + 1) * CHUNK_BYTES, mr.end);
		/* A page that cannot be asked about is said not to be there. */
		if (!memory_foreign_page(df->mf, df->foreign, offset, &page) &&
		    os_memory_residency(memory_file_memory(df->mf, page), next - offset,
					vec + ((offset - mr.start) >> MM_PAGE_SHIFT)))
			return;
	}
}

/* ---- mappings ---- */

static int direct_add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
			      uint64_t offset, bool writable) MAY_LOCK_RMAP
{
	if (writable && !(of_mappable(m)->perms & MM_WRITE))
		return -EACCES;
	return mappable_object_add_mapping(m, ms, ar, offset, writable);
}

/* ---- size ---- */

/* After the host's size has become `size`: unmaps what lies beyond. */
static void invalidate_beyond(struct direct_file *df, uint64_t size) REQUIRES(object_class)
	MAY_LOCK_RMAP
{
	struct mappable_range beyond = { page_end(size),
					 atomic_load_explicit(&df->reached, memory_order_relaxed) };

	mappable_object_invalidate(&df->object, beyond,
				   (struct invalidate_opts){ .invalidate_private = true });
}

int direct_file_truncate(struct direct_file *df, uint64_t new_size_bytes)
{
	int rc;

	if (!(df->perms & MM_WRITE))
		return -EINVAL;
	mappable_object_lock(&df->object, LOCK_SITE);
	rc = os_file_resize(memory_foreign_fd(df->foreign), new_size_bytes);
	MM_TEST_POINT(direct_file_resized); /* object held */
	if (!rc)
		invalidate_beyond(df, new_size_bytes);
	mappable_object_unlock(&df->object, LOCK_SITE);
	return rc;
}

int direct_file_refresh(struct direct_file *df)
{
	uint64_t size;
	int rc;

	mappable_object_lock(&df->object, LOCK_SITE);
	rc = file_size(df, &size);
	if (!rc)
		invalidate_beyond(df, size);
	mappable_object_unlock(&df->object, LOCK_SITE);
	return rc;
}

/* The host takes the pages away and shows zero ones at the same offsets: no translation changes. */
static int direct_punch(struct mappable *m, struct mappable_range mr) MAY_LOCK_OBJECT
{
	struct direct_file *df = of_mappable(m);
	int rc;

	if (mr.start >= mr.end)
		return -EINVAL;
	if (!(df->perms & MM_WRITE))
		return -EPERM;
	mappable_object_lock(&df->object, LOCK_SITE);
	rc = os_file_punch(memory_foreign_fd(df->foreign), mr.start, mr.end - mr.start);
	mappable_object_unlock(&df->object, LOCK_SITE);
	return rc;
}

/* What is stored in a mapping is in the host's page cache at once. */
static int direct_msync(struct mapping_identity *id, struct mappable_range mr)
{
	(void)mr;
	return os_file_sync(memory_foreign_fd(of_object(mappable_object_of_identity(id))->foreign));
}

/* A descriptor cannot be saved. */
static int direct_invalidate_unsavable(struct mappable *m) MAY_LOCK_RMAP
{
	struct direct_file *df = of_mappable(m);
	struct mappable_range all = { 0, atomic_load_explicit(&df->reached, memory_order_relaxed) };

	mappable_object_invalidate(&df->object, all,
				   (struct invalidate_opts){ .invalidate_private = false });
	return 0;
}

/* ---- life ---- */

static void direct_destroy(struct mappable_object *o) MAY_LOCK_OBJECT
{
	struct direct_file *df = of_object(o);

	mappable_list_remove(&df->mf->mappables, &o->mappable);
	mappable_object_release(o);
	memory_foreign_detach(df->mf, df->foreign);
	free(df);
}

static const struct mappable_ops direct_mappable_ops = {
	.add_mapping = direct_add_mapping,
	.remove_mapping = mappable_object_remove_mapping,
	.copy_mapping = mappable_object_copy_mapping,
	.translate = direct_translate,
	.invalidate_unsavable = direct_invalidate_unsavable,
	.lock_mappings = mappable_object_lock_mappings,
	.unlock_mappings = mappable_object_unlock_mappings,
	.punch = direct_punch,
	.residency = direct_residency,
	.visit_mappings = mappable_object_visit_mappings,
};

static const struct mapping_identity_ops direct_identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
	.mapped_name = mappable_object_mapped_name,
	.device_id = mappable_object_device_id,
	.inode_id = mappable_object_inode_id,
	.msync = direct_msync,
};

int direct_file_create(struct memory_file *mf, int fd, const char *name, struct direct_file **out)
{
	char path[MAPPABLE_NAME_SIZE];
	struct direct_file *df;
	mm_access perms;
	int rc = os_file_access(fd, &perms);

	if (rc)
		return rc;
	os_file_path(fd, path, sizeof(path));
	df = mm_aligned_alloc(_Alignof(struct direct_file), sizeof(*df));
	if (!df)
		return -ENOMEM;
	memset(df, 0, sizeof(*df));
	rc = mappable_object_init(&df->object, &direct_mappable_ops, &direct_identity_ops,
				  direct_destroy, name ? name : path);
	if (rc)
		goto free_it;
	rc = os_file_identity(fd, &df->object.device, &df->object.inode);
	if (!rc)
		rc = memory_foreign_create(mf, fd, !(perms & MM_WRITE), &df->foreign);
	if (rc)
		goto release;
	df->mf = mf;
	df->perms = perms;
	mappable_list_add(&mf->mappables, &df->object.mappable);
	*out = df;
	return 0;
release:
	mappable_object_release(&df->object);
free_it:
	free(df);
	return rc;
}

struct mappable *direct_file_mappable(struct direct_file *df)
{
	return &df->object.mappable;
}

struct mapping_identity *direct_file_identity(struct direct_file *df)
{
	return &df->object.identity;
}
