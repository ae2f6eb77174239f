/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topology.c - hwloc's view of the machine, reduced to a flat list of PUs.
 *
 * hwloc itself leaves out what cgroups forbid; the affinity mask of this process is applied on
 * top when the topology is that of this machine. The hwloc topology is kept whole for export, so
 * that a drawing shows the machine and not only our part of it. No locks.
 */
#include "harness/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether a source is a file rather than a synthetic description. */
static bool names_file(const char *source)
{
	size_t length = strlen(source);

	return strchr(source, '/') || access(source, F_OK) == 0 ||
	       (length > 4 && strcmp(source + length - 4, ".xml") == 0);
}

static int set_source(hwloc_topology_t hw, const char *source, char *why, size_t why_size)
{
	if (names_file(source)) {
		if (access(source, R_OK)) {
			snprintf(why, why_size, "cannot read topology file \"%s\": %s", source,
				 strerror(errno));
			return -EINVAL;
		}
		if (hwloc_topology_set_xml(hw, source)) {
			snprintf(why, why_size, "\"%s\" is not an hwloc XML file", source);
			return -EINVAL;
		}
	} else if (hwloc_topology_set_synthetic(hw, source)) {
		snprintf(why, why_size,
			 "\"%s\" is neither a file nor an hwloc synthetic description "
			 "(such as \"pack:2 core:4 pu:2\")",
			 source);
		return -EINVAL;
	}
	return 0;
}

/* Logical index of the object of a type around a PU, or -1. */
static int around(hwloc_topology_t hw, hwloc_obj_type_t type, hwloc_obj_t pu)
{
	hwloc_obj_t object = hwloc_get_ancestor_obj_by_type(hw, type, pu);

	return object ? (int)object->logical_index : -1;
}

static void fill_pu(hwloc_topology_t hw, hwloc_obj_t object, struct topology_pu *pu)
{
	hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hw, HWLOC_OBJ_CORE, object);
	int package = around(hw, HWLOC_OBJ_PACKAGE, object);
	int first_node = object->nodeset ? hwloc_bitmap_first(object->nodeset) : -1;
	hwloc_obj_t node = first_node < 0
				   ? NULL
				   : hwloc_get_numanode_obj_by_os_index(hw, (unsigned)first_node);

	pu->os = object->os_index;
	pu->core = (int)(core ? core->logical_index : object->logical_index);
	pu->l2 = around(hw, HWLOC_OBJ_L2CACHE, object);
	pu->l3 = around(hw, HWLOC_OBJ_L3CACHE, object);
	pu->package = package < 0 ? 0 : package;
	pu->node = node ? (int)node->logical_index : 0;
	pu->node_os = node ? first_node : 0;
	pu->smt = 0;
	for (hwloc_obj_t before = object->prev_cousin; core && before;
	     before = before->prev_cousin) {
		if (hwloc_get_ancestor_obj_by_type(hw, HWLOC_OBJ_CORE, before) != core)
			break;
		pu->smt++;
	}
}

/* The PUs that this process may run on; NULL: no memory, or the kernel does not say. */
static hwloc_bitmap_t usable_cpus(hwloc_topology_t hw)
{
	hwloc_bitmap_t cpus = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(hw));
	hwloc_bitmap_t bound = hwloc_bitmap_alloc();

	if (cpus && bound && hwloc_topology_is_thissystem(hw) &&
	    hwloc_get_cpubind(hw, bound, HWLOC_CPUBIND_THREAD) == 0)
		hwloc_bitmap_and(cpus, cpus, bound);
	hwloc_bitmap_free(bound);
	return cpus;
}

static int list_pus(struct topology *t)
{
	int all = hwloc_get_nbobjs_by_type(t->hw, HWLOC_OBJ_PU);
	hwloc_bitmap_t cpus = usable_cpus(t->hw);

	t->pus = calloc(all > 0 ? (size_t)all : 1, sizeof(*t->pus));
	if (!t->pus || !cpus) {
		hwloc_bitmap_free(cpus);
		return -ENOMEM;
	}
	for (hwloc_obj_t object = hwloc_get_next_obj_by_type(t->hw, HWLOC_OBJ_PU, NULL); object;
	     object = hwloc_get_next_obj_by_type(t->hw, HWLOC_OBJ_PU, object))
		if (hwloc_bitmap_isset(cpus, object->os_index))
			fill_pu(t->hw, object, &t->pus[t->pu_count++]);
	hwloc_bitmap_free(cpus);
	return t->pu_count ? 0 : -ENODEV;
}

/* In logical order, equal indexes are neighbours, so that changes can be counted. */
static void count_objects(struct topology *t)
{
	for (unsigned i = 0; i < t->pu_count; i++) {
		const struct topology_pu *pu = &t->pus[i], *before = i ? pu - 1 : NULL;

		t->core_count += !before || before->core != pu->core;
		t->l2_count += pu->l2 >= 0 && (!before || before->l2 != pu->l2);
		t->l3_count += pu->l3 >= 0 && (!before || before->l3 != pu->l3);
		t->package_count += !before || before->package != pu->package;
	}
}

static int list_nodes(struct topology *t)
{
	hwloc_const_bitmap_t nodes = hwloc_topology_get_allowed_nodeset(t->hw);
	int count = nodes ? hwloc_bitmap_weight(nodes) : 0;
	int os = -1;

	t->node_os = calloc(count > 0 ? (size_t)count : 1, sizeof(*t->node_os));
	if (!t->node_os)
		return -ENOMEM;
	for (int i = 0; i < count; i++) {
		os = hwloc_bitmap_next(nodes, os);
		t->node_os[t->node_count++] = os;
	}
	if (!t->node_count)
		t->node_os[t->node_count++] = 0;
	return 0;
}

int topology_load(struct topology *t, const char *source, char *why, size_t why_size)
{
	int rc;

	*t = (struct topology){ 0 };
	if (!why)
		why_size = 0;
	if (hwloc_topology_init(&t->hw)) {
		t->hw = NULL;
		snprintf(why, why_size, "hwloc cannot be initialized");
		return -ENOMEM;
	}
	rc = source ? set_source(t->hw, source, why, why_size) : 0;
	if (rc)
		goto fail;
	if (hwloc_topology_load(t->hw)) {
		rc = source ? -EINVAL : -EIO;
		snprintf(why, why_size, "hwloc cannot load %s%s",
			 source ? "the topology in " : "this machine's topology",
			 source ? source : "");
		goto fail;
	}
	t->synthetic = !hwloc_topology_is_thissystem(t->hw);
	rc = list_pus(t);
	if (!rc)
		rc = list_nodes(t);
	if (rc) {
		snprintf(why, why_size, "%s",
			 rc == -ENODEV ? "no CPU of the topology may be used by this process"
				       : "no memory for the topology");
		goto fail;
	}
	count_objects(t);
	return 0;
fail:
	topology_release(t);
	return rc;
}

void topology_release(struct topology *t)
{
	if (t->hw)
		hwloc_topology_destroy(t->hw);
	free(t->pus);
	free(t->node_os);
	*t = (struct topology){ 0 };
}

const struct topology_pu *topology_find(const struct topology *t, unsigned os)
{
	for (unsigned i = 0; i < t->pu_count; i++)
		if (t->pus[i].os == os)
			return &t->pus[i];
	return NULL;
}

bool topology_has_node(const struct topology *t, int node_os)
{
	for (unsigned i = 0; i < t->node_count; i++)
		if (t->node_os[i] == node_os)
			return true;
	return false;
}

enum topology_distance topology_distance(const struct topology_pu *a, const struct topology_pu *b)
{
	if (a->os == b->os)
		return TOPOLOGY_SAME_PU;
	if (a->core == b->core)
		return TOPOLOGY_SMT;
	if (a->l2 >= 0 && a->l2 == b->l2)
		return TOPOLOGY_L2;
	if (a->l3 >= 0 && a->l3 == b->l3)
		return TOPOLOGY_L3;
	return a->package == b->package ? TOPOLOGY_PACKAGE : TOPOLOGY_OTHER_PACKAGE;
}

const char *topology_distance_name(enum topology_distance distance)
{
	static const char *const names[] = {
		[TOPOLOGY_SAME_PU] = "same-pu", [TOPOLOGY_SMT] = "smt",
		[TOPOLOGY_L2] = "l2",		[TOPOLOGY_L3] = "l3",
		[TOPOLOGY_PACKAGE] = "package", [TOPOLOGY_OTHER_PACKAGE] = "other-package",
	};

	return names[distance];
}

int topology_export(const struct topology *t, const char *path)
{
	errno = 0;
	if (hwloc_topology_export_xml(t->hw, path, 0))
		return errno ? -errno : -EIO;
	return 0;
}

int topology_export_text(const struct topology *t, char **text, size_t *size)
{
	int length;

	if (hwloc_topology_export_xmlbuffer(t->hw, text, &length, 0))
		return -ENOMEM;
	*size = length > 0 ? (size_t)length - 1 : 0; /* without the final NUL */
	return 0;
}

void topology_free_text(const struct topology *t, char *text)
{
	hwloc_free_xmlbuffer(t->hw, text);
}
