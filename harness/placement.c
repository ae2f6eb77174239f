/* SPDX-License-Identifier: Apache-2.0 */
/*
 * placement.c - orders of CPUs, and pinning.
 *
 * Every word is a sort of the PUs. For each PU we know its rank at every level: which SMT sibling
 * of its core it is, which core of its L2, and so on, counting only PUs that may be used. Since
 * the topology lists PUs in hwloc's logical order, objects are contiguous and ranks are counted
 * in one pass. No locks.
 */
#include "harness/placement.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/suggest.h"

const char *const placement_words[] = {
	"compact\tSMT siblings first, then neighbouring cores",
	"cores\tone CPU of each core in order, then their SMT siblings",
	"cpus:LIST\texactly these CPUs (0,2-5), in this order",
	"node:N\tthe CPUs of memory node N, one of each core first",
	"scatter\tspread over packages, nodes, L3s and cores; SMT siblings last",
	NULL,
};

#define CPU_MAX 65535u /* largest number that a list may name */
#define LIST_MAX 8192u /* CPUs that a list may name */

enum word { COMPACT, SCATTER, CORES, NODE, CPUS };

struct spec {
	enum word word;
	unsigned node; /* NODE */
	const char *list; /* CPUS */
};

/* A decimal number at *at, which is moved past it. */
static bool read_number(const char **at, unsigned max, unsigned *value)
{
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	errno = 0;
	number = strtoul(*at, &end, 10);
	*at = end;
	*value = (unsigned)number;
	return !errno && number <= max;
}

/* Reads "0,2-5" into cpus[LIST_MAX] (NULL: only checks). 0 or -EINVAL. */
static int read_list(const char *list, unsigned *cpus, unsigned *count, char *why, size_t why_size)
{
	const char *at = list;

	*count = 0;
	for (;;) {
		unsigned first, last;

		if (!read_number(&at, CPU_MAX, &first))
			break;
		last = first;
		if (*at == '-' && (at++, !read_number(&at, CPU_MAX, &last) || last < first))
			break;
		if (last - first >= LIST_MAX - *count) {
			snprintf(why, why_size, "cpus:%s names more than %u CPUs", list, LIST_MAX);
			return -EINVAL;
		}
		for (unsigned cpu = first; cpu <= last; cpu++, ++*count)
			if (cpus)
				cpus[*count] = cpu;
		if (!*at)
			return 0;
		if (*at++ != ',')
			break;
	}
	snprintf(why, why_size, "cpus:%s is not a list of CPUs (such as 0,2-5)", list);
	return -EINVAL;
}

static int unknown_word(const char *text, char *why, size_t why_size)
{
	static const char *const words[] = { "compact", "cores", "cpus", "node", "scatter" };
	size_t length = strcspn(text, ":=");
	char stem[32], hint[64];

	snprintf(stem, sizeof(stem), "%.*s", (int)(length < 31 ? length : 31), text);
	suggest_text(stem, words, sizeof(words) / sizeof(words[0]), hint, sizeof(hint));
	snprintf(why, why_size,
		 "unknown placement \"%s\"%s; known: compact, scatter, cores, node:N, cpus:LIST",
		 text, hint);
	return -EINVAL;
}

static int parse_spec(const char *text, struct spec *spec, char *why, size_t why_size)
{
	unsigned count;

	*spec = (struct spec){ 0 };
	if (strcmp(text, "compact") == 0) {
		spec->word = COMPACT;
	} else if (strcmp(text, "scatter") == 0) {
		spec->word = SCATTER;
	} else if (strcmp(text, "cores") == 0) {
		spec->word = CORES;
	} else if (strncmp(text, "node:", 5) == 0) {
		const char *at = text + 5;

		spec->word = NODE;
		if (!read_number(&at, CPU_MAX, &spec->node) || *at) {
			snprintf(why, why_size, "\"%s\" does not name a memory node (node:0)",
				 text);
			return -EINVAL;
		}
	} else if (strncmp(text, "cpus:", 5) == 0) {
		spec->word = CPUS;
		spec->list = text + 5;
		return read_list(spec->list, NULL, &count, why, why_size);
	} else {
		return unknown_word(text, why, why_size);
	}
	return 0;
}

int placement_check(const char *spec, char *why, size_t why_size)
{
	struct spec parsed;

	return parse_spec(spec, &parsed, why, why ? why_size : 0);
}

enum { PACKAGE_RANK, NODE_RANK, L3_RANK, L2_RANK, CORE_RANK, SMT_RANK, RANK_COUNT };

struct candidate {
	unsigned os;
	unsigned key[RANK_COUNT + 1]; /* compared in order; the last one is the logical index */
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	for (unsigned i = 0; i <= RANK_COUNT; i++)
		if (x->key[i] != y->key[i])
			return x->key[i] < y->key[i] ? -1 : 1;
	return 0;
}

static int object_at(const struct topology_pu *pu, unsigned rank)
{
	const int objects[RANK_COUNT] = {
		[PACKAGE_RANK] = pu->package, [NODE_RANK] = pu->node, [L3_RANK] = pu->l3,
		[L2_RANK] = pu->l2,	      [CORE_RANK] = pu->core, [SMT_RANK] = pu->smt,
	};

	return objects[rank];
}

/* Ranks of the PU after the one whose ranks these are: the first level that changed counts up. */
static void next_ranks(const struct topology_pu *last, const struct topology_pu *pu,
		       unsigned ranks[RANK_COUNT])
{
	unsigned level = PACKAGE_RANK;

	while (level < SMT_RANK && object_at(last, level) == object_at(pu, level))
		level++;
	ranks[level]++;
	while (++level < RANK_COUNT)
		ranks[level] = 0;
}

static void set_key(struct candidate *candidate, enum word word, const unsigned ranks[RANK_COUNT],
		    unsigned index)
{
	memset(candidate->key, 0, sizeof(candidate->key));
	if (word == SCATTER)
		for (unsigned i = 0; i < RANK_COUNT; i++)
			candidate->key[i] = ranks[RANK_COUNT - 1 - i];
	else if (word != COMPACT)
		candidate->key[0] = ranks[SMT_RANK];
	candidate->key[RANK_COUNT] = index;
}

/* Fills order[pu_count] by a word other than CPUS; returns how many PUs qualify. */
static unsigned sort_pus(const struct topology *t, const struct spec *spec, struct candidate *order)
{
	unsigned ranks[RANK_COUNT] = { 0 }, count = 0;

	for (unsigned i = 0; i < t->pu_count; i++) {
		if (i)
			next_ranks(&t->pus[i - 1], &t->pus[i], ranks);
		if (spec->word == NODE && t->pus[i].node_os != (int)spec->node)
			continue;
		order[count].os = t->pus[i].os;
		set_key(&order[count++], spec->word, ranks, i);
	}
	qsort(order, count, sizeof(*order), compare_candidates);
	return count;
}

/* Fills order[] with the listed CPUs. 0, -EINVAL or -ENODEV. */
static int take_list(const struct topology *t, const char *list, unsigned *order, unsigned *count,
		     char *why, size_t why_size)
{
	int rc = read_list(list, order, count, why, why_size);

	for (unsigned i = 0; !rc && i < *count; i++) {
		if (topology_find(t, order[i]))
			continue;
		snprintf(why, why_size, "CPU %u is not there or may not be used by this process",
			 order[i]);
		rc = -ENODEV;
	}
	return rc;
}

static int take_sorted(const struct topology *t, const struct spec *spec, unsigned *order,
		       unsigned *count, char *why, size_t why_size)
{
	struct candidate *sorted = malloc(t->pu_count * sizeof(*sorted));

	if (!sorted) {
		snprintf(why, why_size, "no memory to plan the placement");
		return -ENOMEM;
	}
	*count = sort_pus(t, spec, sorted);
	for (unsigned i = 0; i < *count; i++)
		order[i] = sorted[i].os;
	free(sorted);
	if (*count)
		return 0;
	snprintf(why, why_size,
		 topology_has_node(t, (int)spec->node)
			 ? "memory node %u has no CPU that this process may use"
			 : "there is no memory node %u that this process may use",
		 spec->node);
	return -ENODEV;
}

int placement_plan(const struct topology *t, const char *text, unsigned threads, unsigned cpus[],
		   bool *wrapped, char *why, size_t why_size)
{
	struct spec spec;
	unsigned *order, count;
	int rc;

	*wrapped = false;
	if (!why)
		why_size = 0;
	rc = parse_spec(text, &spec, why, why_size);
	if (rc)
		return rc;
	order = malloc((spec.word == CPUS ? LIST_MAX : t->pu_count) * sizeof(*order));
	if (!order) {
		snprintf(why, why_size, "no memory to plan the placement");
		return -ENOMEM;
	}
	rc = spec.word == CPUS ? take_list(t, spec.list, order, &count, why, why_size)
			       : take_sorted(t, &spec, order, &count, why, why_size);
	if (rc)
		goto out;
	for (unsigned i = 0; i < threads; i++)
		cpus[i] = order[i % count];
	*wrapped = threads > count;
	if (*wrapped)
		snprintf(why, why_size, "%u threads share %u CPUs of placement %s", threads, count,
			 text);
out:
	free(order);
	return rc;
}

int placement_pin(unsigned cpu)
{
	size_t size = CPU_ALLOC_SIZE(cpu + 1);
	cpu_set_t *set = CPU_ALLOC(cpu + 1);
	int rc = 0;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	if (sched_setaffinity(0, size, set))
		rc = -errno;
	else if (sched_getcpu() != (int)cpu)
		rc = -EIO;
	CPU_FREE(set);
	return rc;
}
