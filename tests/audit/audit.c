/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.c - runs each pair of operations in each situation in which they ought to be independent,
 * and tells, one JSON object a line, which cache lines they share. report.py reads it.
 *
 * One side works on each of two threads, with CPU identities 0 and 1 and nothing else in common.
 * They take turns: a few rounds of both operations that are not recorded (they fill pools and make
 * what is made once), then one round that is. A line that one side wrote and the other read or
 * wrote is a conflict. Per-CPU lists are half full at that moment, so that what is paid once in a
 * batch is not seen; that is part of what the audit says.
 */
#include "tests/audit/audit.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <unistd.h>

#include "engine/space.h"
#include "engine/memory_pool.h"
#include "tests/audit/heap.h"
#include "tests/audit/recorder.h"

#define ROUNDS 3
#define STRIDE 32 /* pages between rounds: no round's leftovers in the next one's lines */
#define PRIME 40
#define SETUP_ID 4
#define SHOWN 8

struct side {
	pthread_t thread;
	unsigned id;
	sem_t go, done;
	int (*job)(struct side *s);
	int result;
	const struct operation *op;
	struct place *place;
	struct trace trace;
};
static struct side side[2];

static void die(const char *what, const char *a, const char *b, int rc)
{
	fprintf(stderr, "audit: %s %s %s: %d\n", what, a, b, rc);
	exit(1);
}

static void *side_main(void *arg)
{
	struct side *s = arg;

	percpu_test_id = s->id;
	if (mm_thread_enter())
		die("thread", "", "", 0);
	for (;;) {
		sem_wait(&s->go);
		if (!s->job)
			break;
		s->result = s->job(s);
		sem_post(&s->done);
	}
	mm_thread_leave();
	return NULL;
}

static int on(struct side *s, int (*job)(struct side *s))
{
	s->job = job;
	sem_post(&s->go);
	if (!job)
		return pthread_join(s->thread, NULL);
	sem_wait(&s->done);
	return s->result;
}

/* ---- jobs ---- */

static int job_prime(struct side *s)
{
	struct mm *mm = s->place->space->mm;
	struct pool *pools[] = { &mm->node_pool, &mm->vma_pool };
	uint32_t index[PRIME];

	for (int p = 0; p < 2; p++) {
		for (int i = 0; i < PRIME; i++)
			index[i] = pool_alloc(pools[p]);
		for (int i = 0; i < PRIME; i++)
			pool_free(pools[p], index[i]);
	}
	for (int i = 0; i < PRIME; i++) {
		int rc = memory_file_alloc(mm->memory, MEMORY_NODE_ANY, &index[i]);

		if (rc)
			return rc;
	}
	for (int i = 0; i < PRIME; i++)
		memory_file_dec(mm->memory, index[i]);
	return 0;
}

static int job_prepare(struct side *s)
{
	return s->op->prepare ? s->op->prepare(s->place) : 0;
}

static int job_run(struct side *s)
{
	trace_clear(&s->trace);
	trace_into(&s->trace);
	int rc = s->op->run(s->place);

	trace_into(NULL);
	return rc;
}

static int job_finish(struct side *s)
{
	return s->op->finish ? s->op->finish(s->place) : 0;
}

static void both(int (*job)(struct side *s), const char *what)
{
	for (int i = 0; i < 2; i++) {
		int rc = on(&side[i], job);

		if (rc)
			die(what, side[0].op->name, side[1].op->name, rc * 10 + i);
	}
}

/* ---- what a line belongs to ---- */

static void tell_object(const struct world *w, uintptr_t address)
{
	const struct mm *mm = w->mm;
	const struct memory_file *mf = mm->memory;
	const struct memory_file_private *p = mf->private;
	const struct {
		const char *name, *type;
		const void *base;
		uint64_t count, size;
	} region[] = {
		{ "nodes", "node", mm->node_pool.base, mm->node_pool.limit,
		  mm->node_pool.object_size },
		{ "vmas", "vma", mm->vma_pool.base, mm->vma_pool.limit, mm->vma_pool.object_size },
		{ "node_pool.cpu", "pool_list", mm->node_pool.cpu, mm->node_pool.cpus,
		  sizeof(struct pool_list) },
		{ "vma_pool.cpu", "pool_list", mm->vma_pool.cpu, mm->vma_pool.cpus,
		  sizeof(struct pool_list) },
		{ "counts", "", (const void *)mf->counts, mf->page_limit, 4 },
		{ "pins", "", (const void *)mf->pins, mf->page_limit, 4 },
		{ "blocks", "memory_block", mf->blocks, mf->page_limit / MM_HUGE_PAGES,
		  sizeof(struct memory_block) },
		{ "window", "", mf->window, mf->page_limit, MM_PAGE_SIZE },
		{ "memory_file.private", "memory_file_private", p, 1, sizeof(*p) },
		{ "chunks", "memory_chunk", p->chunks, p->chunk_limit,
		  sizeof(struct memory_chunk) },
		{ "pools", "memory_pool", p->pools, (uint64_t)p->cpus * (unsigned)p->nodes,
		  sizeof(struct memory_pool) },
		{ "mm", "mm", mm, 1, sizeof(*mm) },
		{ "space", "mm_space", w->space[0], 1, sizeof(struct mm_space) },
		{ "space", "mm_space", w->space[1], 1, sizeof(struct mm_space) },
	};
	struct heap_block h;

	for (unsigned i = 0; i < sizeof(region) / sizeof(region[0]); i++) {
		uint64_t distance = address - (uintptr_t)region[i].base;

		if (!region[i].base || address < (uintptr_t)region[i].base ||
		    distance >= region[i].count * region[i].size)
			continue;
		printf("\"object\":\"%s\",\"type\":\"%s\",\"offset\":%llu", region[i].name,
		       region[i].type, (unsigned long long)(distance % region[i].size));
		return;
	}
	if (heap_find(address, &h))
		printf("\"object\":\"heap\",\"bytes\":%zu,\"place\":%llu,\"offset\":%lld", h.bytes,
		       (unsigned long long)h.place - 1, (long long)(address - h.start));
	else
		printf("\"object\":\"address\",\"offset\":%llu", (unsigned long long)address);
}

static void tell_accesses(const struct trace *t, const struct trace_line *l)
{
	unsigned n = 0;

	printf("[");
	for (uint32_t i = l->newest; i && n < SHOWN; n++) {
		const struct trace_access *a = &t->access[i - 1];

		printf("%s{\"place\":%llu,\"caller\":%llu,\"first\":%u,\"last\":%u,\"write\":%s}",
		       n ? "," : "", (unsigned long long)a->place, (unsigned long long)a->caller,
		       a->first, a->last, a->write ? "true" : "false");
		i = a->next;
	}
	printf("]");
}

/* The byte to name: of a write that meets an access of the other side, else of any write. */
static unsigned byte_to_name(const struct trace_line *a, const struct trace_line *b, bool *overlap)
{
	const struct trace *ta = &side[0].trace, *tb = &side[1].trace;
	unsigned any = 0;

	for (uint32_t i = a->newest; i; i = ta->access[i - 1].next)
		for (uint32_t j = b->newest; j; j = tb->access[j - 1].next) {
			const struct trace_access *x = &ta->access[i - 1], *y = &tb->access[j - 1];

			if (!x->write && !y->write)
				continue;
			if (x->first <= y->last && y->first <= x->last) {
				*overlap = true;
				return x->first > y->first ? x->first : y->first;
			}
			any = x->write ? x->first : y->first;
		}
	*overlap = false;
	return any;
}

static void compare(const struct world *w)
{
	const struct trace *a = &side[0].trace, *b = &side[1].trace;
	const char *separator = "";

	for (uint32_t i = 0; i < a->access_count; i++) {
		const struct trace_line *la = trace_find(a, a->access[i].line);
		const struct trace_line *lb = trace_find(b, a->access[i].line);
		bool overlap;

		/* Once a line: at its first access, the one without an earlier one. */
		if (a->access[i].next || !lb || (!la->written && !lb->written))
			continue;
		unsigned byte = byte_to_name(la, lb, &overlap);

		printf("%s{", separator);
		separator = ",";
		tell_object(w, (la->line << TRACE_LINE_SHIFT) + byte);
		printf(",\"true\":%s,\"byte\":%u,\"a\":", overlap ? "true" : "false", byte);
		tell_accesses(a, la);
		printf(",\"b\":");
		tell_accesses(b, lb);
		printf("}");
	}
}

static void run_pair(const struct operation *a, const struct operation *b, enum situation in,
		     const enum kind kind[2])
{
	static const char *const name[] = { "spaces", "space", "vma", "object", "file", "page" };
	static const char *const kinds[] = { "anon", "shared", "copied" };
	static struct world w;
	int rc = world_open(&w, in, kind);

	if (rc)
		die("world", a->name, b->name, rc);
	for (int i = 0; i < 2; i++) {
		side[i].op = i ? b : a;
		side[i].place = &w.place[i];
	}
	both(job_prime, "prime");
	for (unsigned round = 0; round < ROUNDS; round++) {
		w.place[0].index = w.place[1].index = 64 + STRIDE * round;
		both(job_prepare, "prepare");
		mm_rcu_barrier();
		both(job_run, "run");
		if (round == ROUNDS - 1) {
			if (side[0].trace.overflowed || side[1].trace.overflowed)
				die("trace overflow", a->name, b->name, 0);
			printf("{\"a\":\"%s\",\"b\":\"%s\",\"situation\":\"%s\",", a->name, b->name,
			       name[in]);
			printf("\"kinds\":[\"%s\",\"%s\"],\"lines\":[%u,%u],\"conflicts\":[",
			       kinds[kind[0]], kinds[kind[1]], side[0].trace.line_count,
			       side[1].trace.line_count);
			compare(&w);
			printf("]}\n");
		}
		both(job_finish, "finish");
		mm_rcu_barrier();
	}
	world_close(&w);
}

static enum kind first_kind(unsigned kinds)
{
	return (enum kind)__builtin_ctz(kinds);
}

static void run_in(const struct operation *a, const struct operation *b, enum situation in)
{
	unsigned possible = in == ONE_OBJECT || in == ONE_FILE ? OBJECTS
			    : in == SAME_PAGE		       ? OF(SHARED)
							       : EVERY;
	unsigned common = a->kinds & b->kinds & possible;

	if (!(a->situations & b->situations & IN(in)))
		return;
	if (in >= ONE_VMA && a->last && b->last)
		return; /* both change the one size */
	if (in >= ONE_VMA && a->last) {
		const struct operation *swap = a;

		a = b;
		b = swap;
	}
	if (a->placeless && b->placeless)
		common = OF(first_kind(common));
	for (unsigned k = 0; k < KIND_LIMIT; k++)
		if (common & OF(k))
			run_pair(a, b, in, (enum kind[]){ k, k });
	if (!common && in != ONE_VMA && (a->kinds & possible) && (b->kinds & possible))
		run_pair(a, b, in,
			 (enum kind[]){ first_kind(a->kinds & possible),
					first_kind(b->kinds & possible) });
}

int main(int argc, char **argv)
{
	/* Addresses decide nothing that is told, but equal runs are easier to trust. */
	if (argc == 1 && personality(ADDR_NO_RANDOMIZE) != -1)
		execl("/proc/self/exe", argv[0], "fixed", (char *)NULL);
	percpu_test_id = SETUP_ID;
	if (mm_thread_enter())
		return 1;
	for (unsigned i = 0; i < 2; i++) {
		side[i].id = i;
		sem_init(&side[i].go, 0, 0);
		sem_init(&side[i].done, 0, 0);
		if (!trace_init(&side[i].trace) ||
		    pthread_create(&side[i].thread, NULL, side_main, &side[i]))
			return 1;
	}
	for (unsigned a = 0; a < operation_count; a++)
		for (unsigned b = a; b < operation_count; b++)
			for (int in = 0; in < SITUATION_LIMIT; in++)
				run_in(&operations[a], &operations[b], (enum situation)in);
	for (unsigned i = 0; i < 2; i++) {
		on(&side[i], NULL);
		trace_release(&side[i].trace);
	}
	mm_thread_leave();
	return fflush(stdout) ? 1 : 0;
}
