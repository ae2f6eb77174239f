/* SPDX-License-Identifier: Apache-2.0 */
/*
 * special.c - fixed pages: translate is arithmetic, and there is nothing else to do.
 *
 * A page that an entry names stays this mappable's until the last mapping has dropped its
 * reference of the identity, so nothing is ever to be invalidated and mappings are not kept:
 * adding, moving and removing them do nothing, and there is no rmap lock to hold. No locks.
 */
#include "engine/special.h"

#include <errno.h>
#include <string.h>

#include "engine/mappable_object.h"
#include "engine/translation.h"

struct special {
	struct mappable_object object; /* for its identity; its locks and set are not used */
	struct memory_file *mf; /* this and the next three: immutable */
	uint32_t first;
	uint32_t pages;
	mm_access perms;
};

static struct special *of_object(struct mappable_object *o)
{
	return (struct special *)((char *)o - offsetof(struct special, object));
}

static struct special *of_mappable(struct mappable *m)
{
	return of_object(mappable_object_of(m));
}

static int special_add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
			       uint64_t offset, bool writable)
{
	(void)ms, (void)ar, (void)offset;
	return writable && !(of_mappable(m)->perms & MM_WRITE) ? -EACCES : 0;
}

static void special_remove_mapping(struct mappable *m, struct mapping_space *ms,
				   struct addr_range ar, uint64_t offset, bool writable)
{
	(void)m, (void)ms, (void)ar, (void)offset, (void)writable;
}

static int special_translate(struct mappable *m, struct mappable_range required,
			     struct mappable_range optional, mm_access at, struct translation *ts,
			     size_t max, size_t *count)
{
	struct special *sp = of_mappable(m);
	uint64_t end = (uint64_t)sp->pages * MM_PAGE_SIZE;

	(void)max;
	*count = 0;
	if (!access_superset_of(sp->perms, at))
		return -EACCES;
	if (required.start < end) {
		if (optional.end > end)
			optional.end = end;
		ts[0].source = optional;
		ts[0].file = memory_file_of(sp->mf, sp->first, &ts[0].offset);
		ts[0].offset += optional.start;
		ts[0].perms = sp->perms;
		*count = 1;
	}
	return required.end > end ? bus_error(EFAULT) : 0;
}

static void special_visit_pages(struct mappable *m, mappable_pages_fn visit, void *arg)
{
	struct special *sp = of_mappable(m);

	visit((struct mappable_range){ 0, (uint64_t)sp->pages * MM_PAGE_SIZE }, sp->first, arg);
}

static void special_destroy(struct mappable_object *o) MAY_LOCK_OBJECT
{
	struct special *sp = of_object(o);

	mappable_list_remove(&sp->mf->mappables, &o->mappable);
	mappable_object_release(o);
	memory_file_dec_range(sp->mf, sp->first, sp->pages);
	free(sp);
}

static const struct mappable_ops special_mappable_ops = {
	.add_mapping = special_add_mapping,
	.remove_mapping = special_remove_mapping,
	.copy_mapping = mappable_object_copy_mapping,
	.translate = special_translate,
	/* Pages of the family keep contents and offsets: every translation can be saved. */
	.invalidate_unsavable = mappable_object_invalidate_nothing,
	.visit_pages = special_visit_pages,
};

static const struct mapping_identity_ops special_identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
	.mapped_name = mappable_object_mapped_name,
	.device_id = mappable_object_device_id,
	.inode_id = mappable_object_inode_id,
	.msync = mappable_object_msync_nothing,
};

int special_create(struct memory_file *mf, uint32_t first_page, uint32_t pages, mm_access perms,
		   const char *name, struct special **out)
{
	struct special *sp;
	int rc;

	if (!pages || pages > MEMORY_CHUNK_PAGES ||
	    first_page / MEMORY_CHUNK_PAGES != (first_page + pages - 1) / MEMORY_CHUNK_PAGES)
		return -EINVAL;
	sp = mm_aligned_alloc(_Alignof(struct special), sizeof(*sp));
	if (!sp)
		return -ENOMEM;
	memset(sp, 0, sizeof(*sp));
	rc = mappable_object_init(&sp->object, &special_mappable_ops, &special_identity_ops,
				  special_destroy, name);
	if (rc) {
		free(sp);
		return rc;
	}
	sp->mf = mf;
	sp->first = first_page;
	sp->pages = pages;
	sp->perms = perms;
	memory_file_inc_range(mf, first_page, pages);
	mappable_list_add(&mf->mappables, &sp->object.mappable);
	*out = sp;
	return 0;
}

struct mappable *special_mappable(struct special *sp)
{
	return &sp->object.mappable;
}

struct mapping_identity *special_identity(struct special *sp)
{
	return &sp->object.identity;
}
