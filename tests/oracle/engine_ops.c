/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_ops.c - the operations as calls of the engine. What a system call decides before it asks
 * the memory manager is decided here: what a descriptor or a seal permits, the object behind
 * shared anonymous memory, flags that exclude each other.
 */
#include <errno.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/mm_advise.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_listing.h"
#include "engine/mm_remap.h"
#include "tests/oracle/engine_side.h"
#include "tests/oracle/linux_side.h"
#include "tests/oracle/touch.h"

static struct mm_space *space(const struct op *op)
{
	return there.spaces[op->process];
}

/* Without a bus error around it. */
static int64_t result_of(int rc)
{
	return -errno_of(rc);
}

/* ---- mappings ---- */

/* The rights to the object that op's descriptor and the object's seals leave; and what the error
 * is for wanting more. */
static int object_rights(const struct op *op, struct mmap_opts *o)
{
	if (!(op->flags & FLAG_shared))
		return -EACCES;
	if ((op->flags & FLAG_read_only) || (there.objects[op->object].seals & SEAL_WRITE))
		o->max_perms = MM_READ | MM_EXEC;
	return op->flags & FLAG_read_only ? -EACCES : -EPERM;
}

static struct mmap_opts mmap_opts_of(const struct op *op)
{
	bool no_replace = op->flags & FLAG_noreplace;
	struct mmap_opts o = { .length = op->length,
			       .address = op->address,
			       .fixed = (op->flags & FLAG_fixed) || no_replace,
			       .unmap = (op->flags & FLAG_fixed) && !no_replace,
			       .no_replace = no_replace,
			       .perms = op->prot,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = !(op->flags & FLAG_shared),
			       .grows_down = op->flags & FLAG_grows_down,
			       .offset = op->offset };

	if (op->flags & FLAG_populate)
		o.platform_effect = PLATFORM_EFFECT_POPULATE;
	if (op->flags & FLAG_locked)
		o.mlock_mode = MLOCK_EAGER;
	return o;
}

static void run_mmap(const struct op *op, struct record *r)
{
	uint64_t wanted = op->address & ~(PAGE - 1);
	uint64_t got = 0;
	struct shared_memory *made = NULL;
	const struct engine_object *object = &there.objects[op->object];
	struct mmap_opts o = mmap_opts_of(op);
	int no_right = -EACCES;

	if ((op->flags & FLAG_anon) && (op->flags & FLAG_shared)) {
		uint64_t bytes = (op->length + PAGE - 1) & ~(PAGE - 1);

		MM_CHECK(!shared_memory_create(mm_memory_file(there.mm), bytes, PAGE_4K, NULL,
					       &made));
		o.offset = 0;
		o.mappable = shared_memory_mappable(made);
		o.identity = shared_memory_identity(made);
	} else if (!(op->flags & FLAG_anon)) {
		o.mappable = object->mappable;
		o.identity = object->identity;
		no_right = object_rights(op, &o);
	}
	int rc = mm_mmap(space(op), &o, &got);

	r->result = result_of(rc == -EACCES ? no_right : rc);
	if (!r->result && got != wanted) {
		MM_CHECK(!mm_munmap(space(op), got, op->length));
		r->result = RESULT_ELSEWHERE;
	} else if (!r->result && made) {
		engine_name_object(o.identity, OBJECTS + (int32_t)(op - there.run->ops));
	}
	if (made)
		mapping_identity_dec_ref(shared_memory_identity(made));
}

static void run_munmap(const struct op *op, struct record *r)
{
	r->result = result_of(mm_munmap(space(op), op->address, op->length));
}

static void run_mprotect(const struct op *op, struct record *r)
{
	r->result = result_of(mm_mprotect(space(op), op->address, op->length, op->prot));
}

static void run_mremap(const struct op *op, struct record *r)
{
	enum mremap_mode mode = op->flags & FLAG_fixed	    ? MREMAP_FIXED_MOVE
				: op->flags & FLAG_may_move ? MREMAP_MAY_MOVE
							    : MREMAP_IN_PLACE;
	uint64_t got = 0;

	if ((op->flags & FLAG_fixed) && !(op->flags & FLAG_may_move)) {
		r->result = -EINVAL;
		return;
	}
	r->result = result_of(
		mm_mremap(space(op), op->address, op->length, op->to_length, mode, op->to, &got));
	if (r->result || got == op->address || mode == MREMAP_FIXED_MOVE)
		return;
	r->result = RESULT_ELSEWHERE;
	MM_CHECK(!mm_mremap(space(op), got, op->to_length, op->to_length, MREMAP_FIXED_MOVE, op->to,
			    &got));
}

static void run_brk(const struct op *op, struct record *r)
{
	int rc = mm_brk(space(op), op->address, &r->data);

	(void)rc; /* the system call tells only where the break is */
}

/* ---- what is said of them ---- */

static void run_madvise(const struct op *op, struct record *r)
{
	static const enum mm_advice advice[] = {
		MM_ADVISE_DONTNEED,	  MM_ADVISE_FREE,   MM_ADVISE_DONTFORK,
		MM_ADVISE_DOFORK,	  MM_ADVISE_REMOVE, MM_ADVISE_POPULATE_READ,
		MM_ADVISE_POPULATE_WRITE,
	};

	r->result = result_of(mm_madvise(space(op), op->address, op->length, advice[op->value]));
}

static enum mlock_mode mode_of(const struct op *op)
{
	if (op->flags & FLAG_on_fault)
		return MLOCK_LAZY;
	return op->flags & FLAG_locked ? MLOCK_EAGER : MLOCK_NONE;
}

static void run_mlock(const struct op *op, struct record *r)
{
	r->result = result_of(mm_mlock(space(op), op->address, op->length, mode_of(op)));
}

static void run_mlockall(const struct op *op, struct record *r)
{
	bool current = op->flags & FLAG_current, future = op->flags & FLAG_future;

	if (!(op->flags & FLAG_locked)) /* munlockall */
		r->result = result_of(mm_mlockall(space(op), true, true, MLOCK_NONE));
	else
		r->result = result_of(mm_mlockall(space(op), current, future, mode_of(op)));
}

static void run_msync(const struct op *op, struct record *r)
{
	bool sync = op->flags & FLAG_sync;

	if (sync && (op->flags & FLAG_async))
		r->result = -EINVAL;
	else
		r->result = result_of(mm_msync(space(op), op->address, op->length, sync,
					       op->flags & FLAG_invalidate));
}

static void run_mincore(const struct op *op, struct record *r)
{
	static unsigned char vec[AREA_PAGES];
	uint64_t pages = op->length / PAGE + 1;

	if (op->length / PAGE >= AREA_PAGES)
		pages = 0; /* is refused */
	memset(vec, 0, pages);
	r->result = result_of(mm_mincore(space(op), op->address, op->length, vec));
	if (!r->result)
		record_resident(r, vec, pages);
}

static void run_mbind(const struct op *op, struct record *r)
{
	static const enum numa_policy policies[] = { NUMA_LOCAL, NUMA_BIND, NUMA_INTERLEAVE,
						     NUMA_PREFERRED };

	r->result = result_of(mm_mbind(space(op), op->address, op->length, policies[op->value],
				       op->value ? 1 : 0));
}

/* ---- objects ---- */

static void run_truncate(const struct op *op, struct record *r)
{
	const struct engine_object *o = &there.objects[op->object];

	r->result = result_of(o->memory ? shared_memory_truncate(o->memory, op->offset)
					: cached_file_truncate(o->file, op->offset));
}

static void run_punch(const struct op *op, struct record *r)
{
	const struct engine_object *o = &there.objects[op->object];
	struct mappable_range mr = { op->offset, op->offset + op->length };

	r->result = result_of(mappable_punch(o->mappable, mr));
}

static void run_seal(const struct op *op, struct record *r)
{
	unsigned seals = (op->value & SEAL_SHRINK ? SHARED_MEMORY_SEAL_SHRINK : 0) |
			 (op->value & SEAL_GROW ? SHARED_MEMORY_SEAL_GROW : 0) |
			 (op->value & SEAL_WRITE ? SHARED_MEMORY_SEAL_WRITE : 0);

	r->result = result_of(shared_memory_add_seals(there.objects[op->object].memory, seals));
	if (!r->result)
		there.objects[op->object].seals |= (unsigned)op->value;
}

static void run_read_file(const struct op *op, struct record *r)
{
	const struct engine_object *o = &there.objects[op->object];
	struct mappable_range all = { 0, CACHED_FILE_MAX_BYTES };

	MM_CHECK(!cached_file_write_back(o->file, all));
	must_read(o->fd, r);
}

/* ---- processes ---- */

static void run_fork(const struct op *op, struct record *r)
{
	r->result = result_of(mm_fork(space(op), &there.spaces[op->child]));
}

static void run_exit(const struct op *op, struct record *r)
{
	(void)r;
	mm_space_destroy(space(op));
	there.spaces[op->process] = NULL;
}

/* ---- memory ---- */

static void record_touch(const struct op *op, struct record *r, struct touch t)
{
	uint64_t base = (uint64_t)(uintptr_t)mm_host_address(space(op), 0);

	r->signal = t.signal;
	r->code = t.code;
	r->fault = t.signal ? t.fault - base : 0;
	r->data = t.value;
}

static void run_load(const struct op *op, struct record *r)
{
	record_touch(op, r, touch_load(mm_host_address(space(op), op->address)));
}

static void run_store(const struct op *op, struct record *r)
{
	record_touch(op, r, touch_store(mm_host_address(space(op), op->address), op->value));
}

static unsigned char buffer[COPY_BYTES_MAX];

static void read_some(const struct op *op, struct record *r, struct mm_io_opts opts)
{
	uint64_t done = 0;
	int rc = mm_copy_in(space(op), op->address, buffer, op->length, opts, &done);

	r->result = done ? (int64_t)done : result_of(rc);
	if (done)
		r->data = record_hash(buffer, done);
}

static void write_some(const struct op *op, struct record *r, struct mm_io_opts opts)
{
	uint64_t done = 0;

	op_pattern(op->value, buffer, op->length);
	int rc = mm_copy_out(space(op), op->address, buffer, op->length, opts, &done);

	r->result = done ? (int64_t)done : result_of(rc);
}

static void run_copy_in(const struct op *op, struct record *r)
{
	read_some(op, r, (struct mm_io_opts){ 0 });
}

static void run_copy_out(const struct op *op, struct record *r)
{
	write_some(op, r, (struct mm_io_opts){ 0 });
}

static void run_peek(const struct op *op, struct record *r)
{
	read_some(op, r, (struct mm_io_opts){ .ignore_permissions = true });
}

static void run_poke(const struct op *op, struct record *r)
{
	write_some(op, r, (struct mm_io_opts){ .ignore_permissions = true });
}

static void run_zero_out(const struct op *op, struct record *r)
{
	uint64_t done = 0;
	int rc = mm_zero_out(space(op), op->address, op->length, (struct mm_io_opts){ 0 }, &done);

	r->result = done ? (int64_t)done : result_of(rc);
}

/* ---- what is there ---- */

struct listing {
	struct record *record;
	bool detailed;
};

static bool visit_line(const struct mm_listing_line *l, void *arg)
{
	struct listing *listing = arg;
	struct line line = { .start = l->range.start,
			     .end = l->range.end,
			     .offset = l->offset,
			     .object = l->inode ? engine_object_of(l->inode) : -1,
			     .prot = l->perms,
			     .shared = !l->is_private };

	if (listing->detailed)
		line.flags = (uint8_t)((l->grows_down ? LINE_GROWS_DOWN : 0) |
				       (l->locked ? LINE_LOCKED : 0) |
				       (l->lock_on_fault ? LINE_LOCKED_ON_FAULT : 0) |
				       (l->dontfork ? LINE_DONTFORK : 0));
	record_line(there.side, listing->record, line);
	return true;
}

void engine_lines(struct mm_space *s, struct record *r, bool detailed)
{
	struct listing listing = { r, detailed };

	r->line_count = 0;
	mm_listing(s, visit_line, &listing);
}

static void sum_page(struct mm_space *s, uint64_t address, struct page_sum *sum)
{
	uint64_t done;

	if (mm_copy_in(s, address, buffer, PAGE, (struct mm_io_opts){ 0 }, &done)) {
		sum->hash = PAGE_UNREADABLE;
		return;
	}
	sum->hash = record_hash(buffer, PAGE);
	memcpy(&sum->first, buffer, sizeof(sum->first));
}

static void run_state(const struct op *op, struct record *r)
{
	struct page_sum *sums = record_state(there.side, r);
	struct mm_usage usage;

	if (!sums)
		return;
	memset(sums, 0, sizeof(*sums) * AREA_PAGES);
	mm_get_usage(space(op), &usage);
	r->total = usage.address_space;
	r->private_writable = usage.data;
	r->locked = usage.locked;
	engine_lines(space(op), r, true);
	for (uint32_t i = 0; i < r->line_count; i++)
		for (uint64_t a = r->lines[i].start; a < r->lines[i].end; a += PAGE)
			if (area_index(a) >= 0)
				sum_page(space(op), a, &sums[area_index(a)]);
}

void engine_op(const struct op *op, struct record *r)
{
#define ORACLE_RUN(name, weight) run_##name,
	static void (*const run_op[])(const struct op *,
				      struct record *) = { ORACLE_OPS(ORACLE_RUN) };
#undef ORACLE_RUN

	run_op[op->kind](op, r);
}
