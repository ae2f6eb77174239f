/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_random.c - lists of operations drawn at random, by the weights of a family.
 *
 * Numbers are drawn from small ranges, and half of the cells from a few in the middle, so that
 * operations meet. What makes no sense is passed over when it is played. Lanes are shifted against
 * each other but not held in the middle: what may be seen in the middle of any two operations, no
 * order of them tells; of those in the written lists it does.
 */
#include <string.h>

#include "harness/check.h"

#define HOT_FIRST 9
#define HOT_CELLS 6
#define PAGES_2M 512
#define PAGES_1G (512 * 512)
#define LANE_ROUNDS 400

static unsigned below(struct check_run *run, unsigned limit)
{
	return (unsigned)(check_random(&run->random) % limit);
}

static const struct check_geometry near_geometry[] = {
	{ 16, 0, 1, 0, false, "4k" },
	{ PAGES_2M - 12, 0, 1, 0, false, "4k" },
	{ 1, 0, 1, 0, false, "4k" },
};

static const struct check_geometry far_geometry[] = {
	{ PAGES_1G - 12, 0, 1, 0, false, "4k" },
	{ PAGES_1G - 12 * PAGES_2M, 0, PAGES_2M, PAGES_2M - 1, false, "4k" },
	{ 2 * PAGES_2M - 12, PAGES_2M - 11, 1, 0, false, "4k" },
	{ PAGES_1G - 12 * PAGES_2M, PAGES_2M, PAGES_2M, 0, false, "4k" },
	{ PAGES_1G - 1 - 12 * 256, 0, 256, 255, false, "4k" },
	{ PAGES_1G - 12, PAGES_1G - 11, 1, 0, false, "4k" },
	{ 4 * PAGES_2M, 0, PAGES_2M, 7, false, "4k" },
};

static int16_t draw(struct check_run *run, const struct check_family *family, const char *name)
{
	static const uint8_t usual_perms[] = { 3, 3, 3, 7, 1, 3 };

	if (strcmp(name, "space") == 0)
		return (int16_t)(below(run, 2) ? 0 : below(run, CHECK_SPACES));
	if (strcmp(name, "at") == 0 || strcmp(name, "offset") == 0)
		return (int16_t)(below(run, 2) ? HOT_FIRST + below(run, HOT_CELLS)
					       : below(run, CHECK_CELLS));
	if (strcmp(name, "cells") == 0 || strcmp(name, "to-cells") == 0)
		return (int16_t)(below(run, 8) ? 1 + below(run, 6) : 1 + below(run, CHECK_CELLS));
	if (strcmp(name, "object") == 0)
		return (int16_t)(below(run, CHECK_OBJECTS));
	if (strcmp(name, "perms") == 0)
		return (int16_t)(below(run, 3) ? usual_perms[below(run, 6)] : below(run, 8));
	if (strcmp(name, "access") == 0)
		return (int16_t)(below(run, 6) ? 1 + below(run, 2) : 1 + below(run, 7));
	if (strcmp(name, "value") == 0)
		return (int16_t)(1 + below(run, 255));
	if (strcmp(name, "private") == 0)
		return (int16_t)below(run, 2);
	if (strcmp(name, "hold") == 0)
		return (int16_t)below(run, CHECK_HOLDS);
	if (strcmp(name, "file") == 0)
		return (int16_t)(below(run, 100) < family->file_percent);
	return (int16_t)below(run, 4); /* before, after */
}

static struct check_op draw_op(struct check_run *run, const struct check_family *family)
{
	struct check_op op = { 0 };
	unsigned sum = 0, at;

	for (unsigned kind = 0; kind < CHECK_KINDS; kind++)
		sum += family->weights[kind];
	at = below(run, sum);
	while (at >= family->weights[op.kind])
		at -= family->weights[op.kind++];
	for (unsigned i = 0; check_kinds[op.kind].args[i]; i++)
		op.arg[i] = draw(run, family, check_kinds[op.kind].args[i]);
	if (op.kind == CHECK_FORK)
		op.arg[1] = (int16_t)below(run, CHECK_SPACES);
	else if (op.kind == CHECK_DUP)
		op.arg[1] = (int16_t)below(run, CHECK_HOLDS);
	else if (op.kind == CHECK_REMAP)
		op.arg[3] = (int16_t)below(run, CHECK_CELLS);
	else if (op.kind == CHECK_MAP && below(run, 5) < 2)
		op.arg[3] = -1;
	else if (op.kind == CHECK_OBJECT)
		op.arg[1] = (int16_t)(1 + below(run, CHECK_CELLS));
	else if (op.kind == CHECK_TRUNCATE)
		op.arg[1] = (int16_t)below(run, CHECK_CELLS + 1);
	return op;
}

/* A truncate takes pages away one after another, and only each page has one order: where lanes
 * truncate, they do all else to one cell. */
static void meet_at_one_cell(struct check_run *run, struct check_script *script)
{
	int16_t at = (int16_t)(HOT_FIRST + below(run, 3));
	bool truncates = false;

	for (unsigned i = 0; i < script->count; i++)
		truncates |= script->ops[i].lane && script->ops[i].kind == CHECK_TRUNCATE;
	for (unsigned i = 0; truncates && i < script->count; i++) {
		struct check_op *op = &script->ops[i];

		for (unsigned a = 0; op->lane && check_kinds[op->kind].args[a]; a++) {
			if (strcmp(check_kinds[op->kind].args[a], "at") == 0)
				op->arg[a] = at;
			if (strcmp(check_kinds[op->kind].args[a], "space") == 0)
				op->arg[a] = 0;
		}
	}
}

/* A lane's operation is of one cell, so that it happens at one time. */
static void draw_lanes(struct check_run *run, const struct check_family *family,
		       struct check_script *script)
{
	for (unsigned lane = 1; lane <= family->lanes; lane++) {
		unsigned ops = 1 + below(run, family->lanes > 2 ? 2 : 3);

		for (unsigned i = 0; i < ops; i++) {
			struct check_op op;

			do
				op = draw_op(run, family);
			while (op.kind == CHECK_MAP || op.kind == CHECK_READ ||
			       op.kind == CHECK_WRITE || op.kind == CHECK_SPACE ||
			       op.kind == CHECK_DROP || op.kind == CHECK_OBJECT ||
			       op.kind == CHECK_CLOSE || op.kind == CHECK_REF ||
			       op.kind == CHECK_SYNC || op.kind == CHECK_DUP ||
			       op.kind == CHECK_TRANSLATE);
			op.lane = (uint8_t)lane;
			for (unsigned a = 0; check_kinds[op.kind].args[a]; a++) {
				const char *name = check_kinds[op.kind].args[a];

				if (strcmp(name, "cells") == 0 || strcmp(name, "to-cells") == 0)
					op.arg[a] = 1;
				if (strcmp(name, "at") == 0)
					op.arg[a] = (int16_t)(HOT_FIRST + below(run, 3));
				if (strcmp(name, "object") == 0)
					op.arg[a] = (int16_t)below(run, 2);
				if (strcmp(name, "space") == 0)
					op.arg[a] = (int16_t)below(run, 2);
				if (strcmp(name, "hold") == 0)
					op.arg[a] = (int16_t)below(run, 3);
			}
			if (op.kind == CHECK_TRUNCATE)
				op.arg[1] = (int16_t)(HOT_FIRST + below(run, 4));
			check_script_add(script, &op);
		}
	}
	meet_at_one_cell(run, script);
}

static void add(struct check_script *script, enum check_kind kind, int a, int b, int c, int d,
		int e, int f, int g)
{
	struct check_op op = { .kind = (uint8_t)kind,
			       .arg = { (int16_t)a, (int16_t)b, (int16_t)c, (int16_t)d, (int16_t)e,
					(int16_t)f, (int16_t)g } };

	check_script_add(script, &op);
}

static void draw_script(struct check_run *run, const struct check_family *family, unsigned number,
			struct check_script *script)
{
	unsigned ops = family->ops / 4 + below(run, family->ops);
	bool file = below(run, 100) < family->file_percent;

	script->geometry = family->far ? far_geometry[number % 7] : near_geometry[number % 3];
	script->geometry.touch = family->touch;
	script->rounds = family->lanes ? LANE_ROUNDS : 0;
	script->count = 0;
	/* Something to begin with. */
	add(script, CHECK_SPACE, 0, 0, 0, 0, 0, 0, 0);
	add(script, CHECK_OBJECT, 0, CHECK_CELLS - (int)below(run, 8), file, 0, 0, 0, 0);
	add(script, CHECK_MAP, 0, 8, 8, below(run, 2) ? 0 : -1, 8, 3, below(run, 3) == 0);
	for (unsigned i = 0; i < ops; i++) {
		struct check_op op = draw_op(run, family);

		check_script_add(script, &op);
	}
	if (family->lanes)
		draw_lanes(run, family, script);
}

bool check_run_family(struct check_run *run, const void *data)
{
	struct check_script script;

	for (unsigned number = 0; check_now_ns() < run->deadline_ns || number < 3; number++) {
		draw_script(run, data, number, &script);
		if (!check_run_script(run, &script))
			return false;
		if (run->outcome->status == CHECK_SKIPPED)
			break;
	}
	return true;
}
