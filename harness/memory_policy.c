/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_policy.c - --mem, in the words of set_mempolicy(2).
 *
 * The system call is used as libnuma declares it; libnuma's own allocation functions are not,
 * since the policy must reach memory that the engine maps. No locks.
 */
#include "harness/memory_policy.h"

#include <ctype.h>
#include <errno.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/env.h"
#include "harness/suggest.h"

const char *const memory_policy_words[] = {
	"bind:N\tonly from memory node N",
	"interleave\tfrom all nodes in turn",
	"local\tfrom the node of the CPU that touches it first",
	"preferred:N\tfrom memory node N while it has any",
	"weighted\tfrom all nodes in turn, as often as the kernel's weights say",
	"weighted:N=W,...\tfrom these nodes in turn, W times from N",
	NULL,
};

#define NODES_MAX 1024
#ifndef MPOL_WEIGHTED_INTERLEAVE
#define MPOL_WEIGHTED_INTERLEAVE 6
#endif
#define WORD_BITS (8 * sizeof(unsigned long))

static int parse_node(const char *spec, const char *text, const struct topology *t, int *node,
		      char *why, size_t why_size)
{
	unsigned long number;
	char *end;

	number = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || number >= NODES_MAX) {
		snprintf(why, why_size, "\"%s\" does not name a memory node (0..%d)", spec,
			 NODES_MAX - 1);
		return -EINVAL;
	}
	if (t && !topology_has_node(t, (int)number)) {
		snprintf(why, why_size, "there is no memory node %lu that this process may use",
			 number);
		return -ENODEV;
	}
	*node = (int)number;
	return 0;
}

static int unknown_policy(const char *spec, char *why, size_t why_size)
{
	static const char *const words[] = { "bind", "interleave", "local", "preferred",
					     "weighted" };
	size_t length = strcspn(spec, ":=");
	char stem[32], hint[64];

	snprintf(stem, sizeof(stem), "%.*s", (int)(length < 31 ? length : 31), spec);
	suggest_text(stem, words, sizeof(words) / sizeof(words[0]), hint, sizeof(hint));
	snprintf(why, why_size,
		 "unknown memory policy \"%s\"%s; known: local, bind:N, interleave, preferred:N, "
		 "weighted, weighted:N=W,...",
		 spec, hint);
	return -EINVAL;
}

/* "0=3,1=1" */
static int parse_weights(const char *spec, const char *text, const struct topology *t,
			 struct memory_policy *out, char *why, size_t why_size)
{
	while (*text) {
		char node[8];
		size_t length = strcspn(text, "=");
		char *end;
		int number, rc;

		snprintf(node, sizeof(node), "%.*s", (int)(length < 7 ? length : 7), text);
		rc = parse_node(spec, node, t, &number, why, why_size);
		if (rc)
			return rc;
		text += length;
		unsigned long weight = *text ? strtoul(text + 1, &end, 10) : 0;

		if (number >= 64 || !weight || weight > UINT8_MAX ||
		    !isdigit((unsigned char)text[1]) || (*end && (*end != ',' || !end[1]))) {
			snprintf(
				why, why_size,
				"\"%s\": weights are written node=weight, 1 to 255, of nodes below "
				"64, as in weighted:0=3,1=1",
				spec);
			return -EINVAL;
		}
		out->weights[number] = (uint8_t)weight;
		text = *end ? end + 1 : end;
	}
	return 0;
}

/* As the kernel has them; 1 where it says nothing. */
static void kernel_weights(const struct topology *t, struct memory_policy *out)
{
	for (unsigned i = 0; t && i < t->node_count; i++) {
		char path[96], text[16];
		unsigned long weight = 0;

		snprintf(path, sizeof(path), "/sys/kernel/mm/mempolicy/weighted_interleave/node%d",
			 t->node_os[i]);
		if (env_read_line(path, text, sizeof(text)))
			weight = strtoul(text, NULL, 10);
		if (t->node_os[i] < 64)
			out->weights[t->node_os[i]] =
				weight && weight <= UINT8_MAX ? (uint8_t)weight : 1;
	}
}

int memory_policy_parse(const char *spec, const struct topology *t, struct memory_policy *out,
			char *why, size_t why_size)
{
	*out = (struct memory_policy){ .node = -1 };
	if (!why)
		why_size = 0;
	if (strcmp(spec, "local") == 0) {
		out->kind = MEMORY_POLICY_LOCAL;
		return 0;
	}
	if (strcmp(spec, "interleave") == 0) {
		out->kind = MEMORY_POLICY_INTERLEAVE;
		return 0;
	}
	if (strcmp(spec, "weighted") == 0) {
		out->kind = MEMORY_POLICY_WEIGHTED;
		kernel_weights(t, out);
		return 0;
	}
	if (strncmp(spec, "weighted:", 9) == 0 && spec[9]) {
		out->kind = MEMORY_POLICY_WEIGHTED;
		return parse_weights(spec, spec + 9, t, out, why, why_size);
	}
	if (strncmp(spec, "bind:", 5) == 0) {
		out->kind = MEMORY_POLICY_BIND;
		return parse_node(spec, spec + 5, t, &out->node, why, why_size);
	}
	if (strncmp(spec, "preferred:", 10) == 0) {
		out->kind = MEMORY_POLICY_PREFERRED;
		return parse_node(spec, spec + 10, t, &out->node, why, why_size);
	}
	return unknown_policy(spec, why, why_size);
}

static void add_node(unsigned long *mask, int node)
{
	mask[(size_t)node / WORD_BITS] |= 1ul << (size_t)node % WORD_BITS;
}

int memory_policy_apply(const struct memory_policy *policy, const struct topology *t, char *why,
			size_t why_size)
{
	static const int modes[] = {
		[MEMORY_POLICY_LOCAL] = MPOL_LOCAL,
		[MEMORY_POLICY_BIND] = MPOL_BIND,
		[MEMORY_POLICY_INTERLEAVE] = MPOL_INTERLEAVE,
		[MEMORY_POLICY_PREFERRED] = MPOL_PREFERRED,
		[MEMORY_POLICY_WEIGHTED] = MPOL_WEIGHTED_INTERLEAVE,
	};
	unsigned long mask[NODES_MAX / WORD_BITS] = { 0 };
	bool local = policy->kind == MEMORY_POLICY_LOCAL;

	if (policy->kind == MEMORY_POLICY_INTERLEAVE) {
		for (unsigned i = 0; i < t->node_count; i++)
			if (t->node_os[i] < NODES_MAX)
				add_node(mask, t->node_os[i]);
	} else if (policy->kind == MEMORY_POLICY_WEIGHTED) {
		for (int node = 0; node < 64; node++)
			if (policy->weights[node])
				add_node(mask, node);
	} else if (!local) {
		add_node(mask, policy->node);
	}
	/* The kernel counts one bit less than it is told. */
	int failed =
		set_mempolicy(modes[policy->kind], local ? NULL : mask, local ? 0 : NODES_MAX + 1);

	if (failed && errno == EINVAL && policy->kind == MEMORY_POLICY_WEIGHTED)
		failed = set_mempolicy(MPOL_INTERLEAVE, mask, NODES_MAX + 1);
	if (failed) {
		int rc = -errno;

		snprintf(why, why ? why_size : 0, "cannot set the memory policy: %s",
			 strerror(-rc));
		return rc;
	}
	return 0;
}

int memory_policy_node(const struct memory_policy *policy, int cpu_node)
{
	switch (policy->kind) {
	case MEMORY_POLICY_LOCAL:
		return cpu_node;
	case MEMORY_POLICY_INTERLEAVE:
	case MEMORY_POLICY_WEIGHTED:
		return -1;
	case MEMORY_POLICY_BIND:
	case MEMORY_POLICY_PREFERRED:
		break;
	}
	return policy->node;
}

struct translator_place memory_policy_place(const struct memory_policy *policy,
					    const struct topology *t)
{
	static const uint32_t policies[] = {
		[MEMORY_POLICY_LOCAL] = TRANSLATOR_POLICY_LOCAL,
		[MEMORY_POLICY_BIND] = TRANSLATOR_POLICY_BIND,
		[MEMORY_POLICY_INTERLEAVE] = TRANSLATOR_POLICY_INTERLEAVE,
		[MEMORY_POLICY_PREFERRED] = TRANSLATOR_POLICY_PREFERRED,
		[MEMORY_POLICY_WEIGHTED] = TRANSLATOR_POLICY_WEIGHTED,
	};
	struct translator_place place = { .policy = policies[policy->kind] };

	memcpy(place.weights, policy->weights, sizeof(place.weights));
	for (unsigned i = 0; policy->kind == MEMORY_POLICY_INTERLEAVE && i < t->node_count; i++)
		place.nodes |= t->node_os[i] < 64 ? UINT64_C(1) << t->node_os[i] : 0;
	for (unsigned node = 0; node < 64; node++)
		if (policy->weights[node])
			place.nodes |= UINT64_C(1) << node;
	if (policy->node >= 0 && policy->node < 64)
		place.nodes = UINT64_C(1) << policy->node;
	return place;
}
