/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_file.c - the cached host file as others see it: translate, mappings, names, life.
 *
 * Translate answers with what is cached, and has the needed pages filled (cached_fill.c); that
 * truncate and punch leave no stale page, although it takes no lock for pages that are there, is
 * shown in shared_memory.c: the slots here obey the same steps. Writing is permitted only if it
 * was asked for; then the piece reaches over dirty pages only, so that a look does not make pages
 * dirty that nobody stores to.
 *
 * Locks: none held here, but `object` at the end.
 */
#include "engine/cached_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cached_private.h"
#include "engine/fail.h"
#include "engine/os_file.h"
#include "engine/translation_pieces.h"

#define FILL_DEFAULT (UINT64_C(64) << 10)
#define TRANSLATE_DEFAULT MM_HUGE_SIZE
#define TRANSLATE_MAX (UINT64_C(1) << 30)

static struct cached_file *of_object(struct mappable_object *o)
{
	return (struct cached_file *)((char *)o - offsetof(struct cached_file, object));
}

static struct cached_file *of_mappable(struct mappable *m)
{
	return of_object(mappable_object_of(m));
}

/* ---- translate ---- */

static uint32_t present_page(void *arg, uint64_t offset)
{
	return cached_slot_page(cached_slot(arg, offset));
}

static uint32_t dirty_page(void *arg, uint64_t offset)
{
	uint32_t slot = cached_slot(arg, offset);

	return slot & CACHED_DIRTY ? cached_slot_page(slot) : 0;
}

/* How far an answer may reach: the translation units that `required` touches. */
static struct mappable_range translation_units(const struct cached_file *cf,
					       struct mappable_range required)
{
	uint64_t mask = cf->translate_bytes - 1;

	return (struct mappable_range){ required.start & ~mask, ((required.end - 1) | mask) + 1 };
}

static int cached_translate(struct mappable *m, struct mappable_range required,
			    struct mappable_range optional, mm_access at, struct translation *ts,
			    size_t max, size_t *count) MAY_LOCK_DATA
{
	struct cached_file *cf = of_mappable(m);
	bool write = at & MM_WRITE;
	translation_page_fn page_at = write ? dirty_page : present_page;
	struct translation_pieces p = { .mf = cf->mf, .ts = ts, .max = max };
	uint64_t limit;
	int rc;

	*count = 0;
	p.perms = write ? cf->perms : cf->perms & (mm_access)~MM_WRITE;
	if (!access_superset_of(p.perms, at))
		return -EACCES;
	rc = cached_follow_size(cf);
	if (rc)
		return rc == -ENOMEM ? rc : bus_error(errno_of(rc));
	limit = cached_limit(cached_size(cf));
	for (uint64_t offset = required.start; !rc && offset < cached_least(required.end, limit);
	     offset += MM_PAGE_SIZE) {
		struct mappable_range one = { offset, offset + MM_PAGE_SIZE };
		uint32_t page;

		rc = cached_need_page(cf, offset, write, &page);
		if (!rc && !translation_pieces_add(&p, one, page))
			rc = -ENOSPC;
	}
	optional = mappable_range_intersect(optional, translation_units(cf, required));
	translation_pieces_down(&p, optional.start, MM_PAGE_SHIFT, page_at, cf);
	if (!rc)
		translation_pieces_up(&p, cached_least(optional.end, limit), MM_PAGE_SHIFT, page_at,
				      cf);
	*count = p.count;
	if (!rc && limit < required.end)
		rc = bus_error(required.end > CACHED_FILE_MAX_BYTES ? EFBIG : ENXIO);
	return rc;
}

static void cached_residency(struct mappable *m, struct mappable_range mr, unsigned char *vec)
{
	struct cached_file *cf = of_mappable(m);

	for (uint64_t offset = mr.start; offset < mr.end; offset += MM_PAGE_SIZE) {
		bool held = offset < CACHED_FILE_MAX_BYTES && present_page(cf, offset);

		*vec = (unsigned char)((*vec & ~1u) | held);
		vec++;
	}
}

/* ---- mappings ---- */

static int cached_add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
			      uint64_t offset, bool writable) MAY_LOCK_RMAP
{
	if (writable && !(of_mappable(m)->perms & MM_WRITE))
		return -EACCES;
	return mappable_object_add_mapping(m, ms, ar, offset, writable);
}

static int cached_msync(struct mapping_identity *id, struct mappable_range mr) MAY_LOCK_OBJECT
{
	struct cached_file *cf = of_object(mappable_object_of_identity(id));
	int rc = cached_file_write_back(cf, mr);

	return rc ? rc : os_file_sync(cf->fd);
}

/* ---- for mm_check() ---- */

struct visit {
	mappable_pages_fn fn;
	void *arg;
};

static void visit_slot(uint64_t offset, uint32_t slot, void *arg)
{
	const struct visit *v = arg;

	if (cached_slot_page(slot))
		v->fn((struct mappable_range){ offset, offset + MM_PAGE_SIZE },
		      cached_slot_page(slot), v->arg);
}

/* NO_TSA: at a quiescent point, limbo is read without its lock, since fn may take any. */
static void cached_visit_pages(struct mappable *m, mappable_pages_fn fn, void *arg) NO_TSA
{
	struct cached_file *cf = of_mappable(m);
	struct visit v = { fn, arg };
	/* Pages in limbo are at no offset any more: at one that nobody can map. */
	uint64_t nowhere = UINT64_C(1) << 62;

	offset_map_visit(&cf->pages, visit_slot, &v);
	for (const struct cached_limbo *l = cf->limbo; l; l = l->next)
		for (size_t i = 0; i < l->count; i++, nowhere += MM_PAGE_SIZE)
			fn((struct mappable_range){ nowhere, nowhere + MM_PAGE_SIZE }, l->page[i],
			   arg);
}

/* ---- life ---- */

static void drop_units(const uint32_t *slots, size_t count, void *arg) MAY_LOCK_ARENA
{
	struct cached_file *cf = arg;

	for (size_t i = 0; i < count; i++)
		memory_file_dec(cf->mf, cached_slot_page(slots[i]));
}

/* Nobody else has the file any more. What cannot be written now is lost: who has to know syncs
 * before the last reference goes. */
static void cached_destroy(struct mappable_object *o) MAY_LOCK_OBJECT
{
	struct cached_file *cf = of_object(o);
	int rc = cached_file_write_back(cf, (struct mappable_range){ 0, CACHED_FILE_MAX_BYTES });

	(void)rc;
	mappable_list_remove(&cf->mf->mappables, &o->mappable);
	mappable_object_release(o);
	offset_map_release(&cf->pages, drop_units, cf);
	os_file_close(cf->fd);
	free(cf);
}

void cached_file_invalidate(struct cached_file *cf, struct mappable_range mr,
			    struct invalidate_opts opts)
{
	if (!mappable_range_well_formed(mr) || !mappable_range_page_aligned(mr))
		mm_fail("cached_file_invalidate: bad range [%#llx, %#llx)",
			(unsigned long long)mr.start, (unsigned long long)mr.end);
	if (mr.end > CACHED_FILE_MAX_BYTES)
		mr.end = CACHED_FILE_MAX_BYTES;
	if (mr.start < mr.end)
		mappable_object_invalidate(&cf->object, mr, opts);
}

/* A page cache cannot be saved: its pages are written, unmapped and dropped. */
static int cached_invalidate_unsavable(struct mappable *m) MAY_LOCK_OBJECT
{
	struct cached_file *cf = of_mappable(m);
	struct mappable_range all = { 0, CACHED_FILE_MAX_BYTES };
	uint32_t pages[CACHED_STEP_PAGES];
	uint64_t next;
	int rc;

	mappable_object_lock(&cf->object, LOCK_SITE);
	rc = cached_follow_size(cf);
	cached_settle(cf);
	all.end = cached_limit(cached_size(cf));
	mappable_object_invalidate(&cf->object, all,
				   (struct invalidate_opts){ .invalidate_private = false });
	if (!rc)
		rc = cached_write_back(cf, all);
	for (uint64_t offset = 0; !rc && offset < all.end; offset = next) {
		struct mappable_range step = { offset, mappable_step_end(offset, all.end) };
		size_t count;

		next = step.end;

		mappable_object_lock_data(&cf->object, step, LOCK_SITE);
		count = cached_detach(cf, step, pages);
		mappable_object_unlock_data(&cf->object, step, LOCK_SITE);
		for (size_t i = 0; i < count; i++)
			memory_file_dec(cf->mf, pages[i]);
	}
	mappable_object_unlock(&cf->object, LOCK_SITE);
	return rc;
}

static const struct mappable_ops cached_mappable_ops = {
	.add_mapping = cached_add_mapping,
	.remove_mapping = mappable_object_remove_mapping,
	.copy_mapping = mappable_object_copy_mapping,
	.translate = cached_translate,
	.invalidate_unsavable = cached_invalidate_unsavable,
	.lock_mappings = mappable_object_lock_mappings,
	.unlock_mappings = mappable_object_unlock_mappings,
	.punch = cached_punch,
	.residency = cached_residency,
	.visit_pages = cached_visit_pages,
	.visit_mappings = mappable_object_visit_mappings,
};

static const struct mapping_identity_ops cached_identity_ops = {
	.inc_ref = mappable_object_inc_ref,
	.dec_ref = mappable_object_dec_ref,
	.inc_mapped = mappable_object_inc_mapped,
	.dec_mapped = mappable_object_dec_mapped,
	.mapped_name = mappable_object_mapped_name,
	.device_id = mappable_object_device_id,
	.inode_id = mappable_object_inode_id,
	.msync = cached_msync,
};

static bool is_unit(uint64_t bytes, uint64_t most)
{
	return bytes >= MM_PAGE_SIZE && bytes <= most && !(bytes & (bytes - 1));
}

/* The host's side: descriptor, size, identity. Nothing is held if it fails. */
static int open_host(struct cached_file *cf, int fd)
{
	uint64_t size;
	int rc = os_file_size(fd, &size);

	if (!rc)
		rc = os_file_identity(fd, &cf->object.device, &cf->object.inode);
	if (!rc)
		rc = cf->fd = os_file_duplicate(fd);
	if (rc < 0)
		return rc;
	atomic_init(&cf->size, size);
	return 0;
}

int cached_file_create(struct memory_file *mf, int fd, const char *name,
		       const struct cached_file_opts *opts, struct cached_file **out)
{
	uint64_t fill = opts && opts->fill_bytes ? opts->fill_bytes : FILL_DEFAULT;
	uint64_t translate = opts && opts->translate_bytes ? opts->translate_bytes
							   : TRANSLATE_DEFAULT;
	char path[MAPPABLE_NAME_SIZE];
	struct cached_file *cf;
	mm_access perms;
	int rc = os_file_access(fd, &perms);

	if (rc)
		return rc;
	if (!is_unit(fill, MM_HUGE_SIZE) || !is_unit(translate, TRANSLATE_MAX))
		return -EINVAL;
	os_file_path(fd, path, sizeof(path));
	cf = mm_aligned_alloc(_Alignof(struct cached_file), sizeof(*cf));
	if (!cf)
		return -ENOMEM;
	memset(cf, 0, sizeof(*cf));
	rc = mappable_object_init(&cf->object, &cached_mappable_ops, &cached_identity_ops,
				  cached_destroy, name ? name : path);
	if (rc)
		goto free_it;
	rc = open_host(cf, fd);
	if (rc)
		goto release;
	cf->mf = mf;
	cf->perms = perms;
	cf->fill_bytes = fill;
	cf->translate_bytes = translate;
	offset_map_init(&cf->pages, MM_PAGE_SHIFT);
	mappable_list_add(&mf->mappables, &cf->object.mappable);
	*out = cf;
	return 0;
release:
	mappable_object_release(&cf->object);
free_it:
	free(cf);
	return rc;
}

struct mappable *cached_file_mappable(struct cached_file *cf)
{
	return &cf->object.mappable;
}

struct mapping_identity *cached_file_identity(struct cached_file *cf)
{
	return &cf->object.identity;
}

void cached_file_get_stat(struct cached_file *cf, struct cached_file_stat *out)
{
	out->cached_pages = mappable_object_counted(&cf->object, CACHED_PAGES);
	out->dirty_pages = mappable_object_counted(&cf->object, DIRTY_PAGES);
	out->fills = mappable_object_counted(&cf->object, FILLS);
	out->filled_pages = mappable_object_counted(&cf->object, FILLED_PAGES);
	out->written_bytes = mappable_object_counted(&cf->object, WRITTEN_BYTES);
}
