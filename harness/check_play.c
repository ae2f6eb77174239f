/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_play.c - scripts played on a translator and on the model.
 *
 * Since the model is deterministic, everything about a script with lanes is worked out once: which
 * operations are passed over, what each answers, and for each block the states and answers of all
 * its orders. A round then is calls and comparisons only.
 */
#include "harness/check_play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ORDERS_MAX 1680 /* of three lanes of two operations, three of which have two steps */
#define WHAT_MAX 300
#define FOLLOW_PART 6
#define FOLLOW_ROUND_NS 20000
#define STAT_NS 1500 /* a stat that takes no longer is asked in every round */

struct order {
	struct check_model after;
	struct check_expected expected[CHECK_LANES][CHECK_LANE_OPS];
};

struct block {
	unsigned first, end; /* in the script's operations */
	struct check_lane lanes[CHECK_LANES];
	unsigned count; /* of orders; 0: its operations run one after the other */
	struct order *orders;
};

struct player {
	struct check_play *play;
	const struct check_script *script;
	struct check_subject subject;
	struct check_lanes *lanes;
	struct block block; /* the first is raced; what comes after depends on how it came out */
	unsigned lane_count;
};

uint64_t check_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What the translator does not claim is not asked for. */
static bool is_claimed(const struct player *p, const struct check_op *op)
{
	uint64_t needs = check_kinds[op->kind].needs;

	if (op->kind == CHECK_MAP && op->arg[3] >= 0)
		needs |= TRANSLATOR_CAN_OBJECTS | (op->arg[6] ? TRANSLATOR_CAN_PRIVATE : 0);
	if (op->kind == CHECK_OBJECT && op->arg[2])
		needs |= TRANSLATOR_CAN_FILES;
	if ((needs & TRANSLATOR_CAN_TOUCH) && !p->script->geometry.touch)
		return false;
	return !(needs & ~p->play->t->capabilities);
}

static struct check_expected expect(const struct player *p, struct check_model *model,
				    const struct check_op *op)
{
	if (!is_claimed(p, op))
		return (struct check_expected){ .rc = CHECK_PASSED_OVER };
	return check_model_step(model, op);
}

/* Says in the message which operation it was. */
static bool parted(struct player *p, const struct check_op *op, const char *what)
{
	char text[200] = "";
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");

	if (out) {
		check_op_print(op, out);
		fclose(out);
	}
	text[strcspn(text, "\n")] = '\0';
	snprintf(p->play->message, sizeof(p->play->message), "%s: %s", text, what);
	return false;
}

/* Whether an answer is what was expected; if not, and what is not NULL, says why there. */
static bool agrees(const struct check_op *op, const struct check_expected *e,
		   const struct check_answer *a, char *what, size_t size)
{
	char got[32], want[32];

	if (a->wrong[0]) {
		snprintf(what, size, "%s", a->wrong);
	} else if (op->kind == CHECK_LOOKUP) {
		if (a->rc == e->rc || e->rc == 0)
			return true;
		snprintf(what, size, "present, which it must not be");
	} else if (a->rc != e->rc) {
		snprintf(what, size, "the answer is %s and not %s",
			 check_rc_text(a->rc, got, sizeof(got)),
			 check_rc_text(e->rc, want, sizeof(want)));
	} else if (a->done != e->done) {
		snprintf(what, size, "%d pages done and not %d", a->done, e->done);
	} else if (a->has_value && a->value != e->value) {
		snprintf(what, size, "finds %u and not %u", a->value, e->value);
	} else {
		return true;
	}
	return false;
}

static void begin_step(struct player *p, unsigned index)
{
	struct check_progress *progress = p->play->progress;

	if (!progress)
		return;
	progress->where = index;
	progress->steps++;
}

/* One operation alone. */
static bool step(struct player *p, struct check_model *model, unsigned index, bool look)
{
	const struct check_op *op = &p->script->ops[index];
	struct check_model before = *model;
	struct check_expected e = expect(p, model, op);
	struct check_answer answer;
	char what[WHAT_MAX];

	if (e.rc == CHECK_PASSED_OVER)
		return true;
	begin_step(p, index);
	check_subject_call(&p->subject, op, &before, &answer);
	if (!agrees(op, &e, &answer, what, sizeof(what)))
		return parted(p, op, what);
	if (look && !check_subject_look(&p->subject, model, what, sizeof(what)))
		return parted(p, op, what);
	return true;
}

/* ---- blocks ---- */

/* How far the lanes are. */
struct progress {
	unsigned done[CHECK_LANES];
	bool halfway[CHECK_LANES]; /* the next operation is in its second step */
};

/* What stands at the new place of a move goes first. */
static bool empty_new_place(const struct check_op *op, const struct check_model *before,
			    struct check_model *after)
{
	const struct check_op unmap = { .kind = CHECK_UNMAP,
					.arg = { op->arg[0], op->arg[3], op->arg[4] } };
	bool stands = false;

	*after = *before;
	if (check_model_step(after, op).rc)
		return false;
	for (int i = op->arg[3]; i < op->arg[3] + op->arg[4]; i++)
		stands |= before->spaces[op->arg[0]].cells[i].mapping != 0;
	*after = *before;
	return stands && check_model_step(after, &unmap).rc == 0;
}

/* An access is tried again once its page is there, and may find it gone by then. */
static bool bring_page(const struct check_op *op, const struct check_model *before,
		       struct check_model *after)
{
	const struct check_op fault = { .kind = CHECK_FAULT,
					.arg = { op->arg[0], op->arg[1], TRANSLATOR_READ } };

	*after = *before;
	return before->spaces[op->arg[0]].cells[op->arg[1]].absent &&
	       check_model_step(after, &fault).rc == 0;
}

/* Some operations have two steps, and others may see what is between them. false: this has none
 * here, or fails before it. */
static bool first_step(const struct check_op *op, const struct check_model *before,
		       struct check_model *after)
{
	switch (op->kind) {
	case CHECK_REMAP:
		return empty_new_place(op, before, after);
	case CHECK_FAULT:
	case CHECK_LOAD:
	case CHECK_MARK:
	case CHECK_PEEK:
	case CHECK_STORE:
		return bring_page(op, before, after);
	default:
		return false;
	}
}

/* Works out all orders of what is left of each lane. false: in one of them an operation would be
 * passed over, or there are too many. */
static bool work_out(struct player *p, struct block *b, const struct order *so_far,
		     const struct progress *progress)
{
	bool is_end = true;

	for (unsigned l = 0; l < CHECK_LANES; l++) {
		unsigned done = progress->done[l];
		struct progress after = *progress;
		struct order next = *so_far;

		if (done == b->lanes[l].count)
			continue;
		is_end = false;
		if (!progress->halfway[l] &&
		    first_step(b->lanes[l].ops[done], &so_far->after, &next.after)) {
			after.halfway[l] = true;
		} else {
			next.after = so_far->after;
			next.expected[l][done] = expect(p, &next.after, b->lanes[l].ops[done]);
			if (next.expected[l][done].rc == CHECK_PASSED_OVER)
				return false;
			after.halfway[l] = false;
			after.done[l]++;
		}
		if (!work_out(p, b, &next, &after))
			return false;
	}
	if (!is_end)
		return true;
	if (b->count == ORDERS_MAX)
		return false;
	b->orders[b->count++] = *so_far;
	return true;
}

/* The block that begins at *index, and what it can come to. */
static void prepare_block(struct player *p, const struct check_model *model, unsigned *index)
{
	const struct check_script *script = p->script;
	struct block *b = &p->block;
	const struct progress none = { .done = { 0 } };
	struct order start = { .after = *model };

	b->first = *index;
	for (; *index < script->count && script->ops[*index].lane; (*index)++) {
		const struct check_op *op = &script->ops[*index];
		struct check_lane *lane = &b->lanes[op->lane - 1];

		if (!is_claimed(p, op) || lane->count == CHECK_LANE_OPS)
			continue;
		lane->ops[lane->count++] = op;
		if (op->lane > p->lane_count)
			p->lane_count = op->lane;
	}
	b->end = *index;
	b->orders = calloc(ORDERS_MAX, sizeof(*b->orders));
	if (!b->orders)
		abort();
	/* One lane alone, where the others' operations are not claimed, is no race. */
	if (p->lane_count < 2 || !work_out(p, b, &start, &none))
		b->count = p->lane_count = 0;
}

/* A page that we hold is known for certain: who finds it must be meant to. */
static bool finds_right(const struct player *p, const struct check_model *before,
			const struct check_expected *e, const struct check_answer *a)
{
	for (unsigned h = 0; a->found && h < CHECK_HOLDS; h++) {
		bool same = p->subject.holds[h].file == a->file + 1 &&
			    p->subject.holds[h].offset == a->offset;

		if (before->holds[h].page && !before->holds[h].loose && same &&
		    before->holds[h].page != e->page)
			return false;
	}
	return true;
}

/* Whether the block came out as in this order. */
static bool came_out(struct player *p, const struct block *b, const struct check_model *before,
		     const struct order *order, struct check_model *after)
{
	char what[WHAT_MAX];

	for (unsigned l = 0; l < CHECK_LANES; l++)
		for (unsigned i = 0; i < b->lanes[l].count; i++) {
			const struct check_op *op = b->lanes[l].ops[i];
			const struct check_answer *a = &b->lanes[l].answers[i];

			if (!agrees(op, &order->expected[l][i], a, what, sizeof(what)))
				return parted(p, op, what);
			if (!finds_right(p, before, &order->expected[l][i], a))
				return parted(p, op, "finds the page that was taken away");
		}
	*after = order->after;
	if (check_subject_look(&p->subject, after, what, sizeof(what)))
		return true;
	snprintf(p->play->message, sizeof(p->play->message), "after lanes that ran at once: %s",
		 what);
	return false;
}

static bool run_block(struct player *p, struct block *b, struct check_model *model,
		      uint64_t *random)
{
	struct check_model after;

	begin_step(p, b->first);
	check_lanes_run(p->lanes, b->lanes, random);
	for (unsigned i = 0; i < b->count; i++)
		if (came_out(p, b, model, &b->orders[i], &after)) {
			*model = after;
			return true;
		}
	return false;
}

/* ---- rounds ---- */

static bool play_round(struct player *p, bool look, uint64_t *random)
{
	struct block *b = &p->block;
	struct check_model model;

	check_model_init(&model);
	/* The first round is looked at to the last: its lanes run one after another, since a race
	 * may leave a state of which the answers do not say which order it is of. */
	for (unsigned i = 0; i < p->script->count; i++) {
		if (!look && b->count && b->first == i) {
			if (!run_block(p, b, &model, random))
				return false;
			i = b->end - 1;
		} else if (!step(p, &model, i, look)) {
			return false;
		}
	}
	if (look && !check_subject_look_all(&p->subject, &model, p->play->message,
					    sizeof(p->play->message)))
		return false;
	return check_subject_reset(&p->subject, p->play->message, sizeof(p->play->message));
}

/* Finds the block that is to be raced. */
static void prepare(struct player *p)
{
	struct check_model model;
	unsigned i = 0;

	check_model_init(&model);
	for (; i < p->script->count && !p->script->ops[i].lane; i++) {
		struct check_model before = model;

		if (expect(p, &model, &p->script->ops[i]).rc == CHECK_PASSED_OVER)
			model = before;
	}
	if (i < p->script->count)
		prepare_block(p, &model, &i);
}

/* The time in which a lane may be followed: a small part of what there is for its rounds. */
static uint64_t follow_ns(const struct player *p)
{
	uint64_t now = check_now_ns(), end = p->play->deadline_ns;
	uint64_t part = (end > now ? end - now : 0) / FOLLOW_PART;
	uint64_t worth = (uint64_t)p->script->rounds * FOLLOW_ROUND_NS;

	return part < worth ? part : worth;
}

static bool play_rounds(struct player *p)
{
	uint32_t rounds = p->block.count ? p->script->rounds : 1;
	uint64_t random = p->play->seed;
	bool good = true;

	if (p->block.count) {
		p->lanes = check_lanes_create(&p->subject, p->lane_count, p->play->traces,
					      follow_ns(p), p->play->message,
					      sizeof(p->play->message));
		if (!p->lanes)
			return false;
	}
	for (p->play->rounds = 0; good && p->play->rounds < rounds; p->play->rounds++) {
		/* What is lost in a round stays lost: it is found later, if to look takes long. */
		p->subject.counts = p->subject.stat_ns < STAT_NS || p->play->rounds % 64 == 63 ||
				    p->play->rounds == 0;
		good = play_round(p, p->play->rounds == 0, &random);
		/* Each time: with fewer CPUs than lanes a round may take a tenth of a second. */
		if (check_now_ns() > p->play->deadline_ns)
			break;
	}
	if (p->lanes && good)
		check_lanes_destroy(p->lanes);
	return good;
}

enum check_played check_play(struct check_play *play, const struct check_script *script)
{
	struct player *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		abort();
	p->play = play;
	p->script = script;
	play->rounds = 0;
	play->message[0] = '\0';
	rc = check_subject_create(&p->subject, play->t, play->options, &script->geometry,
				  play->message, sizeof(play->message));
	if (rc) {
		free(p);
		return rc == -ENODEV ? CHECK_NOT_PLAYED : CHECK_PARTED;
	}
	prepare(p);
	if (!play_rounds(p) ||
	    !check_subject_destroy(&p->subject, play->message, sizeof(play->message)))
		return CHECK_PARTED;
	free(p->block.orders);
	free(p);
	return CHECK_PLAYED;
}
