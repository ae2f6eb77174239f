/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_pages.c - pages of the user's class, and of the pool of 2 MiB.
 */
#include "harness/check_pages.h"

#include <stdio.h>
#include <string.h>

#include "harness/env.h"

#define PAGE_BYTES (UINT64_C(2) << 20)
#define PAGES_IN_2M 512
/* The lists that ask for 2 MiB themselves have no more pages than this at a time, and so do the
 * calls of page-sizes. */
#define ENOUGH_FOR_OURS 16
/* One for each cell of each space and object, and what is held: no list can have more. */
#define ENOUGH_FOR_ANY (CHECK_CELLS * (CHECK_SPACES + CHECK_OBJECTS) + CHECK_HOLDS)

const char *check_pages_asked(const struct translator_option *options)
{
	const char *pages = NULL;

	for (; options && options->key; options++)
		if (strcmp(options->key, "pages") == 0)
			pages = options->value;
	return pages;
}

/* As many cells before the same edge, or as many times as far from 0. */
static uint64_t spread(uint64_t page)
{
	uint64_t before = -page % PAGES_IN_2M, edge = page + before;

	return edge > before * PAGES_IN_2M ? edge - before * PAGES_IN_2M : page * PAGES_IN_2M;
}

void check_pages_become(struct check_geometry *geometry, const char *pages)
{
	if (strcmp(geometry->pages, pages) == 0)
		return;
	geometry->pages = check_script_pages(pages);
	if (!geometry->pages)
		geometry->pages = pages;
	if (strcmp(pages, "4k") == 0 || geometry->stride % PAGES_IN_2M == 0)
		return;
	geometry->base = spread(geometry->base);
	geometry->object_base = spread(geometry->object_base);
	geometry->stride = PAGES_IN_2M;
}

bool check_pages_pooled(const char *pages)
{
	return strcmp(pages, "2m") == 0;
}

bool check_pages_suffice(const char *pages, bool by_user, char *error, size_t size)
{
	unsigned enough = by_user ? ENOUGH_FOR_ANY : ENOUGH_FOR_OURS;
	uint64_t available;

	if (!check_pages_pooled(pages))
		return true;
	available = env_huge_bytes_free(2048) / PAGE_BYTES;
	if (available >= enough)
		return true;
	snprintf(error, size,
		 "a check with pages=2m needs %u free 2 MiB pages, and there are %lu; as root: "
		 "sysctl -w vm.nr_hugepages=%u",
		 enough, (unsigned long)available, enough);
	return false;
}
