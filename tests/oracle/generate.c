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
	if (g->big && chance(g, 40)) {
		uint64_t huge = BIG_BASE + below(g, BIG_PAGES / 512) * HUGE;

		return chance(g, 60) ? huge : huge + below(g, 512) * PAGE;
	}
	return g->base + below(g, g->pages) * PAGE;
}

/* Stays inside the area of address, but for what is refused anyway. */
static uint64_t range_length(struct generator *g, uint64_t address)
{
	uint64_t end = address >= BIG_BASE ? BIG_BASE + BIG_PAGES * PAGE
					   : SMALL_BASE + SMALL_PAGES * PAGE;
	uint64_t length = (1 + below(g, chance(g, 80) ? 4 : 24)) * PAGE;

	if (address >= BIG_BASE && chance(g, 60))
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

static uint64_t object_offset(struct generator *g, unsigned object)
{
	if (object == 3)
		return below(g, 2) ? below(g, 4) * HUGE : below(g, 1600) * PAGE;
	return below(g, object == 1 ? 32 : 12) * PAGE;
}

/* ---- operations ---- */

static void make_mmap(struct generator *g, struct op *op)
{
	range(g, op);
	op->prot = prot(g);
	if (chance(g, 85))
		op->flags |= FLAG_FIXED;
	else if (chance(g, 50))
		op->flags |= FLAG_NOREPLACE;
	if (chance(g, 50)) {
		op->flags |= FLAG_ANON;
		if (chance(g, 25))
			op->flags |= FLAG_SHARED;
	} else {
		op->object = (uint8_t)below(g, g->big ? OBJECTS : OBJECTS - 1);
		op->offset = object_offset(g, op->object);
		if (chance(g, 2))
			op->offset += 1 + below(g, PAGE - 1);
		if (chance(g, 50))
			op->flags |= FLAG_SHARED;
		if (chance(g, 10))
			op->flags |= FLAG_READ_ONLY;
	}
	if (chance(g, 10))
		op->flags |= FLAG_POPULATE;
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

static void make_madvise(struct generator *g, struct op *op)
{
	range(g, op);
	op->flags = FLAG_DONTNEED;
}

static void make_truncate(struct generator *g, struct op *op)
{
	op->object = (uint8_t)below(g, g->big ? OBJECTS : OBJECTS - 1);
	op->offset = object_offset(g, op->object);
	if (chance(g, 30))
		op->offset += below(g, PAGE);
}

static void make_punch(struct generator *g, struct op *op)
{
	op->object = (uint8_t)below(g, g->big ? OBJECTS : OBJECTS - 1);
	op->offset = object_offset(g, op->object);
	op->length = (1 + below(g, 6)) * PAGE;
	if (op->object == 3 && chance(g, 50))
		op->length = HUGE;
	if (chance(g, 30)) {
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
	*run = (struct run){ .ops = calloc(ops, sizeof(struct op)), .thp = chance(&g, 50) };
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
}
