/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topology.h - the CPUs of this machine, or of an imagined one, with what they share.
 *
 * Loaded by hwloc. Only processing units that this process may use are listed (affinity, cpuset,
 * container), in hwloc's logical order: neighbours in the list are neighbours in the machine.
 * Objects have logical indexes that count what hwloc sees; `os` numbers are the kernel's.
 *
 * Immutable after topology_load; any thread may read. No locks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

struct hwloc_topology;

struct topology_pu {
	unsigned os; /* the kernel's number of the CPU */
	int core, package, node; /* logical indexes; 0 where the machine has no such object */
	int l2, l3; /* logical indexes of the caches; -1: none */
	int smt; /* which of its core's PUs, counted among all PUs of the core */
	int node_os; /* the kernel's number of the node */
};

/* In the order of how far apart two PUs are. */
enum topology_distance {
	TOPOLOGY_SAME_PU,
	TOPOLOGY_SMT, /* same core */
	TOPOLOGY_L2, /* same L2, another core */
	TOPOLOGY_L3,
	TOPOLOGY_PACKAGE, /* same package, no common cache */
	TOPOLOGY_OTHER_PACKAGE,
	TOPOLOGY_DISTANCE_COUNT,
};

struct topology {
	struct hwloc_topology *hw;
	bool synthetic; /* not this machine: plan and draw only */
	unsigned pu_count; /* >= 1 */
	struct topology_pu *pus;
	unsigned core_count, l2_count, l3_count, package_count; /* that the listed PUs lie in */
	unsigned node_count; /* memory nodes that may be used, >= 1 */
	int *node_os; /* their kernel numbers, ascending */
};

/*
 * Loads this machine (source NULL), an hwloc XML file, or an hwloc synthetic description
 * ("pack:8 core:16 pu:2"). A source that names an existing file, holds a '/', or ends in ".xml"
 * is a file. 0 or, with a sentence in `why` (NULL: no sentence wanted):
 *   -EINVAL  unreadable or invalid source
 *   -ENODEV  no CPU in it may be used
 *   -ENOMEM, -EIO  hwloc cannot read this machine
 */
MM_MUST_CHECK int topology_load(struct topology *t, const char *source, char *why, size_t why_size);
/* Also of a failed or zeroed one. */
void topology_release(struct topology *t);

/* The PU with that kernel number; NULL: not listed. */
const struct topology_pu *topology_find(const struct topology *t, unsigned os);
/* Whether that memory node (kernel's number) may be used. */
bool topology_has_node(const struct topology *t, int node_os);
/* What two PUs of one topology share at the closest. */
enum topology_distance topology_distance(const struct topology_pu *a, const struct topology_pu *b);
/* "same-pu", "smt", "l2", "l3", "package", "other-package". */
const char *topology_distance_name(enum topology_distance distance);

/* Writes the machine as hwloc v2 XML. 0, -EIO or another -errno of the file. */
MM_MUST_CHECK int topology_export(const struct topology *t, const char *path);
/* The same as text, allocated; freed by topology_free_text. 0 or -ENOMEM. */
MM_MUST_CHECK int topology_export_text(const struct topology *t, char **text, size_t *size);
void topology_free_text(const struct topology *t, char *text);
