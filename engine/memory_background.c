/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_background.c - see memory_background.h.
 *
 * NO_TSA: the locks of several threads are held at once, which Clang cannot follow.
 */
#include "engine/memory_background.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/inject.h"
#include "engine/memory_block.h"
#include "engine/test_points.h"

static bool zero_step(void *arg, int node) NO_TSA
{
	/* NO_TSA: called through a pointer, with `step` held. */
	struct memory_file *mf = arg;
	uint32_t block;

	if (!memory_chunk_take_dirty(mf, node, &block))
		return false;
	MM_TEST_POINT(memory_zeroer_took); /* step held */
	memory_block_clean(mf, &mf->blocks[block]);
	memory_chunk_keep_one(mf, block);
	return true;
}

static bool release_step(void *arg, int node) NO_TSA
{
	/* NO_TSA: as above. */
	struct memory_file *mf = arg;

	MM_TEST_POINT(memory_releaser_step); /* step held */
	return memory_chunk_trim_node(mf, node);
}

int memory_background_start(struct memory_file *mf, const struct memory_file_opts *opts)
{
	struct memory_file_private *p = mf->private;
	struct memory_background *g;
	char name[32]; /* the kernel keeps 15 characters */
	int rc = 0;

	if (!opts->zeroer && !opts->releaser)
		return 0;
	g = mm_calloc(sizeof(*g));
	if (!g)
		return -ENOMEM;
	p->background = g;
	g->zeroes = opts->zeroer;
	g->releases = opts->releaser;
	while (!rc && g->count < p->nodes) {
		int node = g->count, where = p->nodes > 1 ? node : -1;

		snprintf(name, sizeof(name), "zeroer %d", node);
		if (g->zeroes)
			rc = background_start(&g->zeroer[node], name, where, zero_step, mf);
		if (rc)
			break;
		snprintf(name, sizeof(name), "releaser %d", node);
		if (g->releases)
			rc = background_start(&g->releaser[node], name, where, release_step, mf);
		if (rc && g->zeroes)
			background_stop(&g->zeroer[node]);
		g->count += !rc;
	}
	if (rc)
		memory_background_stop(mf);
	return rc;
}

void memory_background_stop(struct memory_file *mf)
{
	struct memory_background *g = mf->private->background;

	for (int node = 0; g && node < g->count; node++) {
		if (g->zeroes)
			background_stop(&g->zeroer[node]);
		if (g->releases)
			background_stop(&g->releaser[node]);
	}
	mf->private->background = NULL;
	free(g);
}

bool memory_background_given(struct memory_file *mf, const struct memory_chunk *c, int64_t excess)
{
	struct memory_background *g = mf->private->background;

	if (g && g->zeroes)
		background_tell(&g->zeroer[c->node]);
	if (!g || !g->releases || excess > RELEASE_SLACK)
		return false;
	if (excess > 0)
		background_tell(&g->releaser[c->node]);
	return true;
}

void memory_background_pause(struct memory_file *mf) NO_TSA
{
	struct memory_background *g = mf->private->background;

	/* In ascending order of addresses. */
	for (int node = 0; g && g->zeroes && node < g->count; node++)
		background_pause(&g->zeroer[node]);
	for (int node = 0; g && g->releases && node < g->count; node++)
		background_pause(&g->releaser[node]);
}

void memory_background_resume(struct memory_file *mf) NO_TSA
{
	struct memory_background *g = mf->private->background;

	for (int node = 0; g && g->zeroes && node < g->count; node++)
		background_resume(&g->zeroer[node]);
	for (int node = 0; g && g->releases && node < g->count; node++)
		background_resume(&g->releaser[node]);
}
