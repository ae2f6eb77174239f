/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shrink.c - see judge.h: delta debugging. What comes after the disagreement goes, then ever
 * smaller chunks of what is before it, then parts of single operations, for as long as the rest
 * disagrees in the same way.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/oracle/judge.h"

#define LETTERS "ghijklmnopqrstuvwyz " /* none of a hexadecimal number's */
#define LETTERS_MAX 60 /* that are compared of a message */

struct shrinking {
	struct run *run; /* the best so far */
	struct verdict *verdict; /* its verdict */
	time_t end;
};

/* Is it the same disagreement? Of numbers, only results count: addresses move. */
static bool same(const struct verdict *a, const struct verdict *b)
{
	const char *x = a->text, *y = b->text;

	if (a->kind != b->kind)
		return false;
	if (a->kind == DIFFER_RESULT)
		return !strcmp(x, y);
	if (a->kind != ENGINE_DIED)
		return true;
	for (int letters = 0; letters < LETTERS_MAX; letters++) {
		x += strcspn(x, LETTERS);
		y += strcspn(y, LETTERS);
		if (*x != *y)
			return false;
		if (!*x++ || !*y++)
			return true;
	}
	return true;
}

/* Takes ops (which it may cut) as the run if they disagree in the same way. */
static bool try_ops(struct shrinking *s, const struct op *ops, size_t count)
{
	struct run candidate = *s->run;
	struct verdict v;

	if (!count || time(NULL) > s->end)
		return false;
	candidate.ops = (struct op *)(uintptr_t)ops;
	candidate.count = count;
	judge(&candidate, &v);
	if (!same(&v, s->verdict))
		return false;
	if (v.op < count)
		count = v.op + 1;
	memmove(s->run->ops, ops, count * sizeof(*ops));
	s->run->count = count;
	*s->verdict = v;
	return true;
}

static bool without(struct shrinking *s, size_t first, size_t length, struct op *scratch)
{
	size_t count = s->run->count;

	if (first >= count)
		return false;
	if (length > count - first)
		length = count - first;
	memcpy(scratch, s->run->ops, first * sizeof(*scratch));
	memcpy(scratch + first, s->run->ops + first + length,
	       (count - first - length) * sizeof(*scratch));
	return try_ops(s, scratch, count - length);
}

static void drop_chunks(struct shrinking *s, struct op *scratch)
{
	for (size_t length = (s->run->count + 1) / 2; length; length /= 2)
		for (size_t first = s->run->count; first > 0;) {
			first = first > length ? first - length : 0;
			without(s, first, length, scratch);
			if (first > s->run->count)
				first = s->run->count;
		}
}

/* Tries simpler values of one operation's field; true if one was taken. */
static bool simplify_op(struct shrinking *s, size_t i, struct op *scratch)
{
	struct op old = s->run->ops[i];
	struct op tries[16];
	unsigned count = 0;
	bool changed = false;

	for (uint32_t bit = 1; bit && bit <= old.flags; bit <<= 1)
		if ((old.flags & bit) && count < 8 &&
		    !(s->run->wide_copies && bit == FLAG_shared)) {
			tries[count] = old;
			tries[count++].flags &= ~bit;
		}
	if (old.length > PAGE) {
		tries[count] = old;
		tries[count++].length = PAGE;
		tries[count] = old;
		tries[count++].length = (old.length / 2 + PAGE - 1) & ~(PAGE - 1);
		tries[count] = old;
		tries[count++].length = (old.length - 1) & ~(PAGE - 1);
	}
	if (old.offset) {
		tries[count] = old;
		tries[count++].offset = 0;
	}
	if (old.prot != (PROT_R | PROT_W) && old.prot) {
		tries[count] = old;
		tries[count++].prot = PROT_R | PROT_W;
	}
	if (old.address & (PAGE - 1)) {
		tries[count] = old;
		tries[count++].address &= ~(PAGE - 1);
	}
	for (unsigned t = 0; t < count && i < s->run->count; t++) {
		memcpy(scratch, s->run->ops, s->run->count * sizeof(*scratch));
		scratch[i] = tries[t];
		if (try_ops(s, scratch, s->run->count)) {
			changed = true;
			break;
		}
	}
	return changed;
}

void shrink(struct run *run, struct verdict *v, unsigned seconds)
{
	struct shrinking s = { run, v, time(NULL) + seconds };
	struct op *scratch = malloc(run->count * sizeof(*scratch));
	size_t before;

	if (!scratch)
		abort();
	memcpy(scratch, run->ops, run->count * sizeof(*scratch));
	try_ops(&s, scratch, v->op < run->count ? v->op + 1 : run->count);
	do {
		before = run->count;
		drop_chunks(&s, scratch);
		for (size_t i = 0; i < run->count; i++)
			while (simplify_op(&s, i, scratch))
				;
	} while (run->count < before);
	free(scratch);
}
