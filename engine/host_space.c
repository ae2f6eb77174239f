/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_space.c - the kinds of host space, found by name. Constant; no locks.
 */
#include "engine/host_space.h"

#include <stddef.h>
#include <string.h>

static const struct host_space_ops *const kinds[] = {
	&host_space_mmap,
	&host_space_none,
	&host_space_uffd,
};

const struct host_space_ops *host_space_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}
