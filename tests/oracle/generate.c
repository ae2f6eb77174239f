/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generate.c - see generate.h. Addresses come from a few pages that each run chooses anew, and
 * lengths are short, so that operations meet; now and then an argument is one that ought to be
 * refused. The last operations of a run read the whole state.
 */
#include "tests/oracle/generate.h"

#include <stdlib.h>

#include "tests/oracle/record.h"

struct generator {
	uint64_t random;
	uint64_t base; /* of this run's pages */
	unsigned pages;
	bool big; /* the run uses the area of 2 MiB pages too */
	bool wide_copies; /* of the run */
	bool heap; /* and that of the heap: then nothing grows down, since what Linux has below
		      it is not the run's */
	unsigned states; /* generated so far */
	bool alive[PROCESSES];
};

#define ORACLE_WEIGHT(name, weight) weight,
static const unsigned weights[] = { ORACLE_OPS(ORACLE_WEIGHT) };
#undef ORACLE_WEIGHT

/* xorshift64*: a number below n. */
static uint64_t below(struct generator *g, uint64_t n)
{
	g->random ^= g->random >> 12;
	g->random ^= g->random << 25;
	g->random ^= g->random >> 27;
	return ((g->random * UINT64_C(0x2545f4914f6cdd1d)) >> 16) % n;
}

static bool chance(struct generator *g, unsigned percent)
{
	return below(g, 100) < percent;
}

/* ---- arguments ---- */

static uint64_t page_address(struct generator *g)
{
	if (g->heap && chance(g, 25))
		return HEAP_BASE + below(g, HEAP_PAGES) * PAGE;
	if (g->big && chance(g, 40)) {
		uint64_t huge = BIG_BASE + below(g, BIG_PAGES / 512) * HUGE;

		return chance(g, 60) ? huge : huge + below(g, 512) * PAGE;
	}
	return g->base + below(g, g->pages) * PAGE;
}

/* Stays inside the area of address. */
static uint64_t range_length(struct generator *g, uint64_t address)
{
	uint64_t end = area_end(address);
	uint64_t length = (1 + below(g, chance(g, 80) ? 4 : 24)) * PAGE;

	if (end - address > HUGE && g->big && address >= BIG_BASE && chance(g, 60))
		length = (1 + below(g, 2)) * HUGE;
	if (address + length > end)
		length = end - (address & ~(PAGE - 1));
	if (chance(g, 10))
		length -= below(g, PAGE); /* is rounded up */
	return length;
}

/* Mostly pages; now and then something that no call likes. */
static void range(struct generator *g, struct op *op)
{
	op->address = page_address(g);
	op->length = range_length(g, op->address);
	if (!chance(g, 3))
		return;
	switch (below(g, 4)) {
	case 0:
		op->address += 1 + below(g, PAGE - 1);
		break;
	case 1:
		op->length = 0;
		break;
	case 2:
		op->length = UINT64_MAX - below(g, PAGE - 1);
		break;
	case 3:
		op->length = 1;
		break;
	}
}

static uint8_t prot(struct generator *g)
{
	static const uint8_t usual[] = {
		PROT_R | PROT_W, PROT_R | PROT_W, PROT_R | PROT_W,	   PROT_R, 0,
		PROT_W,		 PROT_R | PROT_X, PROT_R | PROT_W | PROT_X
	};

	return usual[below(g, sizeof(usual))];
}

/* The one of 2 MiB pages only where there is room for it. */
static uint8_t any_object(struct generator *g)
{
	uint8_t object = (uint8_t)below(g, OBJECTS);

	return object == 3 && !g->big ? 0 : object;
}

static uint64_t object_offset(struct generator *g, unsigned object)
{
	if (object == 3)
		return below(g, 2) ? below(g, 4) * HUGE : below(g, 1600) * PAGE;
	return below(g, object == 0 || object == 2 ? 12 : object == 5 ? 44 : 32) * PAGE;
}

/* ---- operations ---- */

static void make_mmap(struct generator *g, struct op *op)
{
	range(g, op);
	op->prot = prot(g);
	if (chance(g, 85))
		op->flags |= FLAG_fixed;
	else if (chance(g, 50))
		op->flags |= FLAG_noreplace;
	if (chance(g, 50)) {
		op->flags |= FLAG_anon;
		if (chance(g, 25))
			op->flags |= FLAG_shared;
	} else {
		op->object = any_object(g);
		op->offset = object_offset(g, op->object);
		if (chance(g, 2))
			op->offset += 1 + below(g, PAGE - 1);
		if (g->wide_copies || chance(g, 50))
			op->flags |= FLAG_shared;
		if (chance(g, 10))
			op->flags |= FLAG_read_only;
	}
	if (!g->heap && (op->flags & FLAG_anon) && !(op->flags & FLAG_shared) && chance(g, 8))
		op->flags |= FLAG_grows_down;
	if (chance(g, 10))
		op->flags |= FLAG_populate;
	if (chance(g, 3))
		op->flags |= FLAG_locked;
}

static void make_munmap(struct generator *g, struct op *op)
{
	range(g, op);
}

static void make_mprotect(struct generator *g, struct op *op)
{
	range(g, op);
	op->prot = prot(g);
}

/* Where from and to; what is not aligned is refused. */
static void make_mremap(struct generator *g, struct op *op)
{
	range(g, op);
	op->to = page_address(g);
	op->to_length = chance(g, 40) ? op->length : range_length(g, op->address);
	if (op->to_length > area_end(op->to) - op->to)
		op->to_length = area_end(op->to) - op->to;
	if (chance(g, 85))
		op->flags |= FLAG_may_move;
	if (chance(g, 60))
		op->flags |= FLAG_fixed;
	if (chance(g, 8))
		op->length = 0;
	if (chance(g, 2))
		op->to_length = 0;
	if (chance(g, 2) && (op->flags & FLAG_fixed))
		op->to += 1 + below(g, PAGE - 1);
}

static void make_madvise(struct generator *g, struct op *op)
{
	range(g, op);
	op->value = chance(g, 40) ? ADVISE_DONTNEED : below(g, ADVISE_KINDS);
}

static void make_mlock(struct generator *g, struct op *op)
{
	range(g, op);
	op->flags = chance(g, 40) ? 0 : chance(g, 70) ? FLAG_locked : FLAG_locked | FLAG_on_fault;
}

static void make_mlockall(struct generator *g, struct op *op)
{
	if (chance(g, 40))
		return;
	op->flags = FLAG_locked;
	op->flags |= (chance(g, 60) ? FLAG_current : 0) | (chance(g, 50) ? FLAG_future : 0) |
		     (chance(g, 50) ? FLAG_on_fault : 0);
}

static void make_msync(struct generator *g, struct op *op)
{
	range(g, op);
	op->flags = (chance(g, 50) ? FLAG_sync : 0) | (chance(g, 20) ? FLAG_async : 0) |
		    (chance(g, 40) ? FLAG_invalidate : 0);
}

static void make_mincore(struct generator *g, struct op *op)
{
	range(g, op);
}

static void make_mbind(struct generator *g, struct op *op)
{
	range(g, op);
	op->value = below(g, BIND_KINDS);
}

static void make_brk(struct generator *g, struct op *op)
{
	if (!g->heap) {
		op->kind = OP_load;
		op->address = page_address(g);
		return;
	}
	op->address = HEAP_BASE + below(g, HEAP_PAGES - 1) * PAGE;
	if (chance(g, 30))
		op->address += below(g, PAGE);
}

static void make_truncate(struct generator *g, struct op *op)
{
	op->object = any_object(g);
	op->offset = object_offset(g, op->object);
	if (chance(g, 30))
		op->offset += below(g, PAGE);
}

static void make_punch(struct generator *g, struct op *op)
{
	op->object = any_object(g);
	op->offset = object_offset(g, op->object);
	op->length = (1 + below(g, 6)) * PAGE;
	if (op->object == 3 && chance(g, 50))
		op->length = HUGE;
	if (op->object < FIRST_FILE && chance(g, 30)) {
		op->offset += below(g, PAGE);
		op->length -= below(g, PAGE);
	}
}

static uint8_t any_process(struct generator *g)
{
	uint8_t p;

	do
		p = (uint8_t)below(g, PROCESSES);
	while (!g->alive[p]);
	return p;
}

static void make_fork(struct generator *g, struct op *op)
{
	op->child = (uint8_t)below(g, PROCESSES);
	g->alive[op->child] = true;
}

/* Not of the last process. */
static void make_exit(struct generator *g, struct op *op)
{
	unsigned left = 0;

	for (unsigned p = 0; p < PROCESSES; p++)
		left += g->alive[p] && p != op->process;
	if (left)
		g->alive[op->process] = false;
	else
		op->kind = OP_state;
}

static void make_seal(struct generator *g, struct op *op)
{
	op->object = (uint8_t)below(g, FIRST_FILE);
	op->value = UINT64_C(1) << below(g, 3);
}

static void make_read_file(struct generator *g, struct op *op)
{
	op->object = (uint8_t)(FIRST_FILE + below(g, OBJECTS - FIRST_FILE));
}

static void make_copy_in(struct generator *g, struct op *op)
{
	op->address = page_address(g) + (chance(g, 50) ? below(g, PAGE) : 0);
	op->length = 1 + below(g, chance(g, 50) ? 64 : 8 * PAGE);
	if (op->address + op->length > area_end(op->address))
		op->length = area_end(op->address) - op->address;
}

static void make_copy_out(struct generator *g, struct op *op)
{
	make_copy_in(g, op);
	op->value = below(g, 256);
}

static void make_zero_out(struct generator *g, struct op *op)
{
	make_copy_in(g, op);
}

static void make_peek(struct generator *g, struct op *op)
{
	make_copy_in(g, op);
}

static void make_poke(struct generator *g, struct op *op)
{
	make_copy_out(g, op);
}

/* Where in a page: its start and its end mostly, and across its end. */
static uint64_t touched_address(struct generator *g)
{
	static const uint16_t within[] = { 0, 0, 0, 8, 4088, 4088, 4092, 96 };

	return page_address(g) + within[below(g, sizeof(within) / sizeof(within[0]))];
}

static void make_load(struct generator *g, struct op *op)
{
	op->address = touched_address(g);
}

static void make_store(struct generator *g, struct op *op)
{
	op->address = touched_address(g);
	op->value = 1 + below(g, UINT64_C(1) << 32);
}

static void make_state(struct generator *g, struct op *op)
{
	if (g->states == STATES_MAX - PROCESSES)
		op->kind = OP_load;
	else
		g->states++;
}

#define ORACLE_MAKE(name, weight) make_##name,
static void (*const make[])(struct generator *, struct op *) = { ORACLE_OPS(ORACLE_MAKE) };
#undef ORACLE_MAKE

static uint8_t any_kind(struct generator *g)
{
	unsigned sum = 0;
	uint8_t kind = 0;

	for (unsigned i = 0; i < OP_KINDS; i++)
		sum += weights[i];
	for (uint64_t at = below(g, sum); at >= weights[kind]; kind++)
		at -= weights[kind];
	return kind;
}

void generate(uint64_t seed, size_t ops, struct run *run)
{
	struct generator g = { .random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) };

	for (int i = 0; i < 8; i++)
		below(&g, 2);
	if (ops < PROCESSES || ops > OPS_MAX)
		abort();
	g.pages = 4 + (unsigned)below(&g, chance(&g, 50) ? 12 : SMALL_PAGES - 4);
	g.base = SMALL_BASE + below(&g, SMALL_PAGES - g.pages) * PAGE;
	g.big = chance(&g, 25);
	g.heap = chance(&g, 20);
	*run = (struct run){ .ops = calloc(ops, sizeof(struct op)), .thp = chance(&g, 50) };
	run->limits = chance(&g, 50);
	run->wide_copies = g.wide_copies = chance(&g, 30);
	run->sharded = chance(&g, 50);
	if (!run->ops)
		abort();
	g.alive[0] = true;
	while (run->count < ops - PROCESSES) {
		struct op *op = &run->ops[run->count++];

		op->kind = any_kind(&g);
		op->process = any_process(&g);
		make[op->kind](&g, op);
	}
	for (uint8_t p = 0; p < PROCESSES; p++)
		run->ops[run->count++] = (struct op){ .kind = OP_state, .process = p };
	/* Last, so that they leave the operations as they were without them. */
	run->uffd = chance(&g, 50);
	run->ahead = chance(&g, 30);
}
