/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - see engine.h. Each process of the run is a space; loads and stores are real ones in
 * its window. What mmap(2) itself decides before the memory manager is asked (which permissions a
 * descriptor leaves, the object behind shared anonymous memory) is decided here.
 *
 * After every operation the space is checked, and at the end that nothing leaked.
 */
#include "tests/oracle/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/mm.h"
#include "engine/mm_fork.h"
#include "engine/shared_memory.h"
#include "engine/space.h"
#include "tests/oracle/touch.h"

#define NEW_OBJECTS_MAX 1024

static const struct run *the_run;
static struct side *the_side;
static struct mm *mm;
static struct mm_space *spaces[PROCESSES];
static struct shared_memory *object[OBJECTS];
static struct {
	uint64_t inode;
	int32_t object;
} names[NEW_OBJECTS_MAX];
static unsigned name_count;

static struct mm_space *space(const struct op *op)
{
	return spaces[op->process];
}

/* Without a bus error around it. */
static int64_t result_of(int rc)
{
	return -errno_of(rc);
}

static void name_object(struct shared_memory *sm, int32_t number)
{
	MM_CHECK(name_count < NEW_OBJECTS_MAX);
	names[name_count].inode = mapping_identity_inode_id(shared_memory_identity(sm));
	names[name_count++].object = number;
}

/* ---- what is mapped ---- */

static bool visit_entry(uint64_t page, unsigned level, uint64_t word, void *arg)
{
	const struct vma *v = vma_at(&mm->vma_pool, entry_vma(word));
	struct line line = { .start = page * PAGE, .end = (page + map_span(level)) * PAGE };

	line.object = -1;
	if (v->identity) {
		uint64_t inode = mapping_identity_inode_id(v->identity);

		for (unsigned i = 0; i < name_count; i++)
			if (names[i].inode == inode)
				line.object = names[i].object;
		line.offset = vma_offset(v, page);
	}
	line.prot = v->perms;
	line.shared = !v->is_private;
	record_line(the_side, arg, line);
	return true;
}

static void record_lines(struct mm_space *s, struct record *r)
{
	address_map_visit(&s->map, visit_entry, r);
}

/* ---- the operations ---- */

static void run_mmap(const struct op *op, struct record *r)
{
	bool shared = op->flags & FLAG_SHARED;
	bool anon = op->flags & FLAG_ANON;
	bool no_replace = op->flags & FLAG_NOREPLACE;
	uint64_t wanted = op->address & ~(PAGE - 1);
	uint64_t got = 0;
	uint64_t bytes = (op->length + PAGE - 1) & ~(PAGE - 1);
	struct shared_memory *made = NULL;
	struct mmap_opts o = { .length = op->length,
			       .address = op->address,
			       .fixed = (op->flags & FLAG_FIXED) || no_replace,
			       .unmap = (op->flags & FLAG_FIXED) && !no_replace,
			       .no_replace = no_replace,
			       .perms = op->prot,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = !shared,
			       .grows_down = op->flags & FLAG_GROWS_DOWN,
			       .offset = op->offset };

	if (op->flags & FLAG_POPULATE)
		o.platform_effect = PLATFORM_EFFECT_POPULATE;
	if (op->flags & FLAG_LOCKED)
		o.mlock_mode = MLOCK_EAGER;
	if (anon && shared) {
		MM_CHECK(!shared_memory_create(mm_memory_file(mm), bytes, PAGE_4K, NULL, &made));
		o.offset = 0;
	}
	if (made || !anon) {
		struct shared_memory *sm = made ? made : object[op->object];

		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
		if (!anon && shared && (op->flags & FLAG_READ_ONLY))
			o.max_perms = MM_READ | MM_EXEC;
	}
	r->result = result_of(mm_mmap(space(op), &o, &got));
	if (!r->result && got != wanted) {
		MM_CHECK(!mm_munmap(space(op), got, op->length));
		r->result = RESULT_ELSEWHERE;
	} else if (!r->result && made) {
		name_object(made, OBJECTS + (int32_t)(op - the_run->ops));
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

static void run_madvise(const struct op *op, struct record *r)
{
	r->result = result_of(mm_discard(space(op), op->address, op->length));
}

static void run_truncate(const struct op *op, struct record *r)
{
	r->result = result_of(shared_memory_truncate(object[op->object], op->offset));
}

static void run_punch(const struct op *op, struct record *r)
{
	struct mappable_range mr = { op->offset, op->offset + op->length };

	r->result = result_of(shared_memory_punch(object[op->object], mr));
}

static void run_fork(const struct op *op, struct record *r)
{
	r->result = result_of(mm_fork(space(op), &spaces[op->child]));
}

static void run_exit(const struct op *op, struct record *r)
{
	(void)r;
	mm_space_destroy(space(op));
	spaces[op->process] = NULL;
}

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

static void sum_page(struct mm_space *s, uint64_t address, struct page_sum *sum)
{
	uint32_t page;
	mm_access perms;

	sum->hash = PAGE_UNREADABLE;
	if (mm_fault(s, address, MM_READ))
		return;
	MM_CHECK(!mm_lookup(s, address, MM_READ, &page, &perms));
	sum->hash = page_hash(memory_file_memory(mm_memory_file(mm), page));
	memcpy(&sum->first, memory_file_memory(mm_memory_file(mm), page), sizeof(sum->first));
}

static void run_state(const struct op *op, struct record *r)
{
	struct page_sum *sums = record_state(the_side, r);

	if (!sums)
		return;
	memset(sums, 0, sizeof(*sums) * AREA_PAGES);
	record_lines(space(op), r);
	for (uint32_t i = 0; i < r->line_count; i++)
		for (uint64_t a = r->lines[i].start; a < r->lines[i].end; a += PAGE)
			if (area_index(a) >= 0)
				sum_page(space(op), a, &sums[area_index(a)]);
	r->line_count = 0; /* they come again after it */
}

#define ORACLE_RUN(name, weight) run_##name,
static void (*const run_op[])(const struct op *, struct record *) = { ORACLE_OPS(ORACLE_RUN) };
#undef ORACLE_RUN

/* ---- a run ---- */

static void open_engine(void)
{
	struct mm_opts opts = { .page_class = the_run->thp ? PAGE_THP : PAGE_4K };

	touch_install(); /* the engine chains to it */
	MM_CHECK(!mm_thread_enter());
	MM_CHECK(!mm_create(&opts, &mm));
	MM_CHECK(!mm_space_create(mm, &host_space_mmap, WINDOW_BYTES, &spaces[0]));
	for (unsigned i = 0; i < OBJECTS; i++) {
		MM_CHECK(!shared_memory_create(mm_memory_file(mm), object_size(i), PAGE_4K, NULL,
					       &object[i]));
		name_object(object[i], (int32_t)i);
	}
}

static void close_engine(void)
{
	struct mm_stat stat;

	for (unsigned p = 0; p < PROCESSES; p++)
		if (spaces[p])
			mm_space_destroy(spaces[p]);
	for (unsigned i = 0; i < OBJECTS; i++)
		mapping_identity_dec_ref(shared_memory_identity(object[i]));
	mm_get_stat(mm, &stat);
	MM_CHECK(stat.memory.live_pages == 0);
	MM_CHECK(stat.vmas == 0);
	mm_destroy(mm);
	mm_thread_leave();
}

void engine_run(const struct run *run, struct side *side)
{
	the_run = run;
	the_side = side;
	open_engine();
	for (size_t i = 0; i < run->count; i++) {
		const struct op *op = &run->ops[i];
		struct record *r = &side->records[i];

		if (!space(op) || (op->kind == OP_fork && spaces[op->child])) {
			r->result = RESULT_SKIPPED;
		} else {
			run_op[op->kind](op, r);
			mm_check(mm);
			if (space(op))
				record_lines(space(op), r);
		}
		r->done = true;
		side->ops_done = i + 1;
	}
	close_engine();
	side->ops_done = run->count + 1; /* it also closed */
}
