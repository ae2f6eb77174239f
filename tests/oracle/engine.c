/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - see engine.h. Each process of the run is a space; loads and stores are real ones in
 * its window. After every operation the whole family is checked, and at the end that nothing
 * leaked.
 */
#include "tests/oracle/engine.h"

#include <sys/mman.h>

#include "engine/fail.h"
#include "engine/mm_advise.h"
#include "tests/oracle/engine_side.h"
#include "tests/oracle/linux_side.h"
#include "tests/oracle/touch.h"
#include "tests/unit/hosts.h"

#define NAMES_MAX (OBJECTS + OPS_MAX)
#define NO_LIMIT_NEAR (UINT64_C(1) << 40) /* bytes: counts, and refuses nothing */

struct engine_side there;
static struct {
	uint64_t inode;
	int32_t object;
} names[NAMES_MAX];
static unsigned name_count;

void engine_name_object(struct mapping_identity *identity, int32_t number)
{
	MM_CHECK(name_count < NAMES_MAX);
	names[name_count].inode = mapping_identity_inode_id(identity);
	names[name_count++].object = number;
}

int32_t engine_object_of(uint64_t inode)
{
	unsigned i = name_count;

	while (i-- > 0)
		if (names[i].inode == inode)
			return names[i].object;
	mm_fail("inode %llu was never made", (unsigned long long)inode);
}

static void make_object(struct engine_object *o, unsigned i)
{
	struct memory_file *mf = mm_memory_file(there.mm);

	if (i < FIRST_FILE) {
		MM_CHECK(!shared_memory_create(mf, object_size(i), PAGE_4K, NULL, &o->memory));
		o->mappable = shared_memory_mappable(o->memory);
		o->identity = shared_memory_identity(o->memory);
	} else {
		o->fd = memfd_create("file", 0);
		must_fill(o->fd, i);
		MM_CHECK(!cached_file_create(mf, o->fd, NULL, NULL, &o->file));
		o->mappable = cached_file_mappable(o->file);
		o->identity = cached_file_identity(o->file);
	}
	engine_name_object(o->identity, (int32_t)i);
}

static void open_engine(void)
{
	struct mm_opts opts = { .memory.sharded = there.run->sharded,
				.page_class = there.run->thp ? PAGE_THP : PAGE_4K,
				.copy_bytes = there.run->wide_copies ? 16 * PAGE : PAGE,
				.ahead_bytes = there.run->ahead ? 8 * PAGE : 0 };
	const struct host_space_ops *host = there.run->uffd ? &host_space_uffd : &host_space_mmap;
	uint64_t limit = there.run->limits ? NO_LIMIT_NEAR : UINT64_MAX;
	struct mm_limits limits = {
		.address_space = limit, .data = limit, .locked = limit, .stack = STACK_BYTES
	};

	touch_install(); /* the engine chains to it */
	MM_CHECK(!mm_thread_enter());
	MM_CHECK(!mm_create(&opts, &there.mm));
	MM_CHECK(!mm_space_create(there.mm, host_to_be_had(host), WINDOW_BYTES, &there.spaces[0]));
	mm_set_limits(there.spaces[0], &limits);
	MM_CHECK(!mm_brk_setup(there.spaces[0], HEAP_BASE));
	for (unsigned i = 0; i < OBJECTS; i++)
		make_object(&there.objects[i], i);
}

static void close_engine(void)
{
	struct mm_stat stat;

	for (unsigned p = 0; p < PROCESSES; p++)
		if (there.spaces[p])
			mm_space_destroy(there.spaces[p]);
	for (unsigned i = 0; i < OBJECTS; i++)
		mapping_identity_dec_ref(there.objects[i].identity);
	mm_get_stat(there.mm, &stat);
	MM_CHECK(stat.memory.live_pages == 0);
	MM_CHECK(stat.vmas == 0);
	mm_destroy(there.mm);
	mm_thread_leave();
}

static void carry_out(const struct op *op, struct record *r)
{
	if (!there.spaces[op->process] || (op->kind == OP_fork && there.spaces[op->child])) {
		r->result = RESULT_SKIPPED;
		return;
	}
	engine_op(op, r);
	mm_check(there.mm);
	if (op->kind != OP_exit && op->kind != OP_state)
		engine_lines(there.spaces[op->process], r, false);
}

void engine_run(const struct run *run, struct side *side)
{
	there.run = run;
	there.side = side;
	open_engine();
	for (size_t i = 0; i < run->count; i++) {
		carry_out(&run->ops[i], &side->records[i]);
		side->records[i].done = true;
		side->ops_done = i + 1;
	}
	close_engine();
	side->ops_done = run->count + 1; /* it also closed */
}
