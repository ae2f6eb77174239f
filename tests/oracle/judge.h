/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.h - lets both sides carry a run out, each in a fresh process, and says whether they agree.
 */
#pragma once

#include "tests/oracle/record.h"

enum verdict_kind {
	AGREE = 0,
	DIFFER_RESULT, /* return value or errno */
	DIFFER_SIGNAL, /* signal, si_code, address */
	DIFFER_DATA, /* what a load or a copy read */
	DIFFER_RESIDENT, /* what mincore says */
	DIFFER_LINES, /* what is mapped */
	DIFFER_BYTES, /* of some page */
	DIFFER_USAGE, /* how much is mapped, private and writable, locked */
	ENGINE_DIED, /* or hung, or failed a check of its own */
	NO_VERDICT, /* Linux's side could not finish: nothing is said of the engine */
};

struct verdict {
	enum verdict_kind kind;
	size_t op; /* where; run->count: after the last one */
	char text[1024]; /* what differs */
};

/* Each side has this long for a run. */
#define RUN_MS 20000

/* Not thread-safe. */
void judge(const struct run *run, struct verdict *v);

/*
 * Makes a run that does not agree as short and as simple as it stays in disagreement of the same
 * kind. Tries for at most `seconds`.
 */
void shrink(struct run *run, struct verdict *v, unsigned seconds);

/*
 * The deliberate differences: what the engine does otherwise than Linux on purpose, and why. One
 * whose function says so excuses what operation i of the run came to; one without is kept out by
 * how runs are made or carried out, as its text says. There is no other excuse.
 */
struct difference {
	const char *what, *why;
	bool (*excuses)(const struct run *run, size_t i, const struct record *linux_side,
			const struct record *engine_side);
	bool ends; /* the two go apart: the rest of the run says nothing */
};
extern const struct difference differences[];
extern const size_t difference_count;
