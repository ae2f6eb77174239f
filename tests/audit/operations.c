/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operations.c - what is audited. An operation works on page `index` of its place; what it needs
 * there, it prepares. Results are 0 or the first error, which ends the audit.
 */
#include "engine/mm_fork.h"
#include "engine/mm_remap.h"
#include "engine/percpu.h"
#include "tests/audit/audit.h"

#define PAGE MM_PAGE_SIZE
#define RW ((mm_access)(MM_READ | MM_WRITE))
#define PRODUCER 2

static uint64_t at(const struct place *p)
{
	return p->address + p->index * PAGE;
}

static uint64_t offset_of(const struct place *p)
{
	return p->offset + p->index * PAGE;
}

static struct mappable_range offsets(const struct place *p)
{
	return (struct mappable_range){ offset_of(p), offset_of(p) + PAGE };
}

static int read_fault(struct place *p)
{
	return mm_fault(p->space, at(p), MM_READ);
}

static int write_fault(struct place *p)
{
	return mm_fault(p->space, at(p), MM_WRITE);
}

static int discard(struct place *p)
{
	return mm_discard(p->space, at(p), PAGE);
}

static int touch_and_discard(struct place *p)
{
	int rc = p->kind == ANON ? write_fault(p) : read_fault(p);

	return rc ? rc : discard(p);
}

/* Present as an application that uses the page has it. */
static int touch(struct place *p)
{
	return p->kind == SHARED ? read_fault(p) : write_fault(p);
}

static int find(struct place *p)
{
	mm_access perms;
	int rc = touch(p);

	return rc ? rc : mm_lookup(p->space, at(p), MM_READ, &p->page, &perms);
}

static int lookup(struct place *p)
{
	mm_access perms;

	return mm_lookup(p->space, at(p), MM_READ, &p->page, &perms);
}

static int translate(struct place *p)
{
	struct translation t;
	size_t count;

	return mappable_translate(p->object->mappable, offsets(p), offsets(p), MM_READ, &t, 1,
				  &count);
}

static int invalidate(struct place *p)
{
	shared_memory_invalidate(p->object->memory, offsets(p), (struct invalidate_opts){ 0 });
	return 0;
}

static int set_size(struct place *p, uint64_t bytes)
{
	return p->object->file ? cached_file_truncate(p->object->file, bytes)
			       : shared_memory_truncate(p->object->memory, bytes);
}

static int grow(struct place *p)
{
	return set_size(p, p->offset + MM_HUGE_SIZE);
}

static int grow_and_touch(struct place *p)
{
	int rc = grow(p);

	return rc ? rc : read_fault(p);
}

static int truncate_object(struct place *p)
{
	return set_size(p, offset_of(p));
}

static int punch(struct place *p)
{
	return mappable_punch(p->object->mappable, offsets(p));
}

/* ---- mappings ---- */

static int map_pages(struct place *p, uint64_t address, uint64_t offset, uint64_t pages)
{
	struct mmap_opts o = { .length = pages * PAGE,
			       .address = address,
			       .fixed = address,
			       .unmap = address,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = p->kind != SHARED };

	if (p->kind != ANON) {
		o.mappable = p->object->mappable;
		o.identity = p->object->identity;
		o.offset = offset;
	}
	return mm_mmap(p->space, &o, &p->mapped);
}

static int unmap(struct place *p)
{
	return mm_munmap(p->space, at(p), PAGE);
}

static int map(struct place *p)
{
	return map_pages(p, at(p), offset_of(p), 1);
}

static int map_anywhere(struct place *p)
{
	return map_pages(p, 0, offset_of(p), 1);
}

static int unmap_mapped(struct place *p)
{
	return mm_munmap(p->space, p->mapped, PAGE);
}

static int unmap_block(struct place *p)
{
	return mm_munmap(p->space, p->address, MM_HUGE_SIZE);
}

static int map_block(struct place *p)
{
	return map_pages(p, p->address, p->offset, MM_HUGE_PAGES);
}

static int protect(struct place *p)
{
	return mm_mprotect(p->space, at(p), PAGE, MM_READ);
}

static int remap_prepare(struct place *p)
{
	int rc = touch(p);

	return rc ? rc : mm_munmap(p->space, at(p) + 4 * PAGE, PAGE);
}

static int remap(struct place *p)
{
	return mm_mremap(p->space, at(p), PAGE, PAGE, MREMAP_FIXED_MOVE, at(p) + 4 * PAGE,
			 &p->mapped);
}

static int fork_space(struct place *p)
{
	return mm_fork(p->space, &p->child);
}

static int end_child(struct place *p)
{
	mm_space_destroy(p->child);
	return 0;
}

/* ---- pages ---- */

static int inc(struct place *p)
{
	memory_file_inc(p->memory, p->page);
	return 0;
}

static int dec(struct place *p)
{
	memory_file_dec(p->memory, p->page);
	return 0;
}

static int find_and_inc(struct place *p)
{
	int rc = find(p);

	return rc ? rc : inc(p);
}

static int map_internal(struct place *p)
{
	struct block_seq blocks;
	uint64_t offset;
	struct file *f = memory_file_of(p->memory, p->page, &offset);

	return file_map_internal(f, (struct file_range){ offset, offset + PAGE }, MM_READ, &blocks);
}

static int allocate(struct place *p)
{
	return memory_file_alloc(p->memory, MEMORY_NODE_ANY, &p->page);
}

/* A page that another CPU allocated: the first page of the second block that it fills, so that
 * both sides have pages of one owner in different blocks. */
static int allocate_elsewhere(struct place *p)
{
	unsigned here = percpu_test_id;
	unsigned n = 0;
	int rc = 0;

	percpu_test_id = PRODUCER;
	while (!rc && n < 2048) {
		rc = memory_file_alloc(p->memory, MEMORY_NODE_ANY, &p->pages[n]);
		n += !rc;
		if (n > 1 && p->pages[n - 1] / MM_HUGE_PAGES != p->pages[0] / MM_HUGE_PAGES)
			break;
	}
	if (!rc)
		p->page = p->pages[--n];
	while (n-- > 0)
		memory_file_dec(p->memory, p->pages[n]);
	percpu_test_id = here;
	return rc;
}

const struct operation operations[] = {
	{ "fault-anon", OF(ANON), ALWAYS, NULL, write_fault, NULL, 0, 0 },
	{ "fault-anon-again", OF(ANON), ALWAYS, touch_and_discard, write_fault, NULL, 0, 0 },
	{ "fault-shared", OF(SHARED), ALWAYS | IN(SAME_PAGE), touch_and_discard, read_fault, NULL,
	  0, 0 },
	{ "fault-shared-new", OF(SHARED), ALWAYS, NULL, write_fault, NULL, 0, 0 },
	{ "fault-cow", OF(COPIED), ALWAYS, read_fault, write_fault, NULL, 0, 0 },
	{ "refault", EVERY, ALWAYS | IN(SAME_PAGE), touch, read_fault, NULL, 0, 0 },
	{ "lookup", EVERY, ALWAYS | IN(SAME_PAGE), touch, lookup, NULL, 0, 0 },
	{ "translate", OBJECTS, ALWAYS | IN(SAME_PAGE), touch, translate, NULL, 0, 0 },
	{ "invalidate", OBJECTS, ALWAYS & ~IN(ONE_FILE), touch, invalidate, NULL, 0, 0 },
	{ "truncate", OBJECTS, ALWAYS, grow_and_touch, truncate_object, grow, 1, 0 },
	{ "punch", OBJECTS, ALWAYS, touch, punch, NULL, 0, 0 },
	{ "map", EVERY, ALWAYS, unmap, map, NULL, 0, 0 },
	{ "map-anywhere", EVERY, ALWAYS & ~IN(ONE_VMA), NULL, map_anywhere, unmap_mapped, 0, 0 },
	{ "map-block", EVERY, ALWAYS, unmap_block, map_block, NULL, 0, 0 },
	{ "unmap", EVERY, ALWAYS, touch, unmap, NULL, 0, 0 },
	{ "unmap-block", EVERY, ALWAYS, touch, unmap_block, map_block, 0, 0 },
	{ "protect", EVERY, ALWAYS, touch, protect, NULL, 0, 0 },
	{ "discard", EVERY, ALWAYS, touch, discard, NULL, 0, 0 },
	{ "remap", EVERY, ALWAYS, remap_prepare, remap, NULL, 0, 0 },
	{ "inc", EVERY, ALWAYS | IN(SAME_PAGE), find, inc, dec, 0, 0 },
	{ "dec", EVERY, ALWAYS | IN(SAME_PAGE), find_and_inc, dec, NULL, 0, 0 },
	{ "map-internal", EVERY, ALWAYS | IN(SAME_PAGE), find, map_internal, NULL, 0, 0 },
	{ "page-alloc", EVERY, IN(DIFFERENT_SPACES) | IN(ONE_FILE), NULL, allocate, dec, 0, 1 },
	{ "page-free", EVERY, IN(DIFFERENT_SPACES) | IN(ONE_FILE), allocate, dec, NULL, 0, 1 },
	{ "page-free-remote", EVERY, IN(DIFFERENT_SPACES) | IN(ONE_FILE), allocate_elsewhere, dec,
	  NULL, 0, 1 },
	{ "fork", EVERY, IN(DIFFERENT_SPACES) | IN(ONE_OBJECT) | IN(ONE_FILE), touch, fork_space,
	  end_child, 0, 0 },
};
const unsigned operation_count = sizeof(operations) / sizeof(operations[0]);
