/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.c - the places of a situation. Both sides work at the same address where their spaces
 * differ, and in neighbouring 2 MiB where they do not: whatever is adjacent is seen.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/audit/audit.h"

#define BASE (UINT64_C(1) << 30)

static int object_open(struct world *w, struct object *o, bool file, uint64_t bytes)
{
	struct memory_file *mf = mm_memory_file(w->mm);
	int rc;

	o->fd = -1;
	if (!file) {
		rc = shared_memory_create(mf, bytes, PAGE_4K, NULL, &o->memory);
		if (rc)
			return rc;
		o->mappable = shared_memory_mappable(o->memory);
		o->identity = shared_memory_identity(o->memory);
		return 0;
	}
	o->fd = memfd_create("audit", MFD_CLOEXEC);
	if (o->fd < 0 || ftruncate(o->fd, (off_t)bytes))
		return -errno;
	rc = cached_file_create(mf, o->fd, "audit",
				&(struct cached_file_opts){ .fill_bytes = MM_PAGE_SIZE }, &o->file);
	if (rc)
		return rc;
	o->mappable = cached_file_mappable(o->file);
	o->identity = cached_file_identity(o->file);
	return 0;
}

static int map_place(const struct place *p, uint64_t offset, uint64_t address, uint64_t bytes)
{
	struct mmap_opts o = { .length = bytes,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = MM_READ | MM_WRITE,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = p->kind != SHARED };
	uint64_t got;

	if (p->kind != ANON) {
		o.mappable = p->object->mappable;
		o.identity = p->object->identity;
		o.offset = offset;
	}
	return mm_mmap(p->space, &o, &got);
}

int world_open(struct world *w, enum situation in, const enum kind kind[2])
{
	bool one_space = in == ONE_SPACE || in == ONE_VMA;
	bool one_object = in >= ONE_VMA;
	int rc;

	memset(w, 0, sizeof(*w));
	rc = mm_create(NULL, &w->mm);
	for (int i = 0; !rc && i < (one_space ? 1 : 2); i++)
		rc = mm_space_create(w->mm, &host_space_none, 0, &w->space[i]);
	for (int i = 0; !rc && i < (one_object ? 1 : 2); i++)
		rc = object_open(w, &w->object[i], in == ONE_FILE,
				 one_object ? 2 * MM_HUGE_SIZE : MM_HUGE_SIZE);
	for (unsigned i = 0; !rc && i < 2; i++) {
		struct place *p = &w->place[i];

		p->memory = mm_memory_file(w->mm);
		p->space = w->space[one_space ? 0 : i];
		p->object = &w->object[one_object ? 0 : i];
		p->kind = kind[i];
		p->address = BASE * (1 + kind[i]) + (one_space ? i * MM_HUGE_SIZE : 0);
		p->offset = one_object && in != SAME_PAGE ? i * MM_HUGE_SIZE : 0;
		if (in == ONE_VMA && !i)
			rc = map_place(p, 0, p->address, 2 * MM_HUGE_SIZE);
		else if (in != ONE_VMA)
			rc = map_place(p, p->offset, p->address, MM_HUGE_SIZE);
	}
	return rc;
}

void world_close(struct world *w)
{
	for (int i = 0; i < 2; i++)
		if (w->space[i])
			mm_space_destroy(w->space[i]);
	for (int i = 0; i < 2; i++) {
		if (!w->object[i].identity)
			continue;
		mapping_identity_dec_ref(w->object[i].identity);
		if (w->object[i].fd >= 0)
			close(w->object[i].fd);
	}
	mm_destroy(w->mm);
}
