/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_policy.h - where the kernel takes a thread's memory from: --mem.
 *
 * local (the node of the CPU that touches it), bind:N, interleave (all nodes in turn),
 * preferred:N. N is the kernel's number of a node. The policy is the calling thread's and is
 * inherited by threads that it creates later. No locks.
 */
#pragma once

#include <stddef.h>

#include "engine/error.h"
#include "harness/topology.h"
#include "translators/translator.h"

enum memory_policy_kind {
	MEMORY_POLICY_LOCAL,
	MEMORY_POLICY_BIND,
	MEMORY_POLICY_INTERLEAVE,
	MEMORY_POLICY_PREFERRED,
	MEMORY_POLICY_WEIGHTED,
};

struct memory_policy {
	enum memory_policy_kind kind;
	int node; /* kernel's number; -1 for LOCAL, INTERLEAVE and WEIGHTED */
	uint8_t weights[64]; /* WEIGHTED: of each node, 0: not of it */
};

/* "WORD\tdescription" each, sorted, ends with NULL. For `list` and help. */
extern const char *const memory_policy_words[];

/*
 * Reads a policy. t may be NULL: nodes are then not checked. 0 or, with a sentence in `why` (may
 * be NULL), -EINVAL (spelling) or -ENODEV (no such node, or not allowed).
 */
MM_MUST_CHECK int memory_policy_parse(const char *spec, const struct topology *t,
				      struct memory_policy *out, char *why, size_t why_size);

/* The policy for a translator that places its memory itself: interleave and weighted over t's
 * nodes. */
struct translator_place memory_policy_place(const struct memory_policy *policy,
					    const struct topology *t);

/*
 * Sets the policy of the calling thread; interleave covers t's nodes. Weights are the kernel's own
 * there: only a translator heeds those of the policy. A kernel that has no weighted interleave
 * (before 6.9) interleaves. 0 or, with a sentence in
 * `why`, -errno of set_mempolicy (-ENOSYS or -EPERM: the kernel or a container forbids it; local
 * then still holds as the default).
 */
MM_MUST_CHECK int memory_policy_apply(const struct memory_policy *policy, const struct topology *t,
				      char *why, size_t why_size);

/*
 * The kernel's node that this policy puts the memory of a thread on `cpu_node` at, for
 * struct worker.memory_node: bind and preferred name it, local is cpu_node, the others are -1.
 */
int memory_policy_node(const struct memory_policy *policy, int cpu_node);
