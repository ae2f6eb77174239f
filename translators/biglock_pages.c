/* SPDX-License-Identifier: Apache-2.0 */
/*
 * biglock_pages.c - pages of one memfd, and the flat array that counts references to them.
 *
 * Pages without references stand on a stack, so that the next allocation finds a warm one. One
 * that may have been stored to is cleared then. Host memory is asked for 2 MiB at a time and
 * kept: so a host that has none says so here, and not by a signal at the first store.
 */
#include "translators/biglock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READY_STEP 512 /* pages */
#define PAGE_MAX ((UINT32_C(1) << (32 - SLOT_SHIFT)) - 1)

static void *array(uint64_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

int biglock_pages_init(struct translator_engine *engine, uint64_t bytes_max)
{
	uint64_t pages = bytes_max / PAGE_BYTES + 1; /* page 0 is none */
	int rc = -ENOMEM;

	if (pages > PAGE_MAX)
		pages = PAGE_MAX;
	engine->page_max = (uint32_t)pages;
	engine->page_end = engine->page_ready = 1;
	engine->fd = memfd_create("biglock", MFD_CLOEXEC);
	if (engine->fd < 0 || ftruncate(engine->fd, (off_t)(pages * PAGE_BYTES))) {
		rc = -errno;
		biglock_pages_release(engine);
		return rc;
	}
	engine->memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_NORESERVE, engine->fd, 0);
	if (engine->memory == MAP_FAILED)
		engine->memory = NULL;
	engine->counts = array(pages * sizeof(*engine->counts));
	engine->idle = array(pages * sizeof(*engine->idle));
	engine->stored = array(pages);
	if (engine->memory && engine->counts && engine->idle && engine->stored)
		return 0;
	biglock_pages_release(engine);
	return rc;
}

void biglock_pages_release(struct translator_engine *engine)
{
	if (engine->memory)
		munmap(engine->memory, engine->page_max * PAGE_BYTES);
	if (engine->counts)
		munmap(engine->counts, engine->page_max * sizeof(*engine->counts));
	if (engine->idle)
		munmap(engine->idle, engine->page_max * sizeof(*engine->idle));
	if (engine->stored)
		munmap(engine->stored, engine->page_max);
	if (engine->fd >= 0)
		close(engine->fd);
}

/* Gives host memory to the next pages, as many as there may be. */
static int make_ready(struct translator_engine *engine)
{
	uint32_t count = engine->page_max - engine->page_ready;

	if (!count)
		return -ENOMEM;
	if (count > READY_STEP)
		count = READY_STEP;
	if (fallocate(engine->fd, 0, (off_t)(engine->page_ready * PAGE_BYTES),
		      (off_t)(count * PAGE_BYTES)))
		return -ENOMEM;
	/* Now, and not at the first fault: entries of the host's page table for our own view. */
	madvise(biglock_page_memory(engine, engine->page_ready), count * PAGE_BYTES,
		MADV_POPULATE_WRITE);
	engine->page_ready += count;
	return 0;
}

uint32_t biglock_page_alloc(struct translator_engine *engine)
{
	uint32_t page;

	if (engine->idle_count) {
		page = engine->idle[--engine->idle_count];
	} else {
		if (engine->page_end == engine->page_ready && make_ready(engine))
			return 0;
		page = engine->page_end++;
	}
	if (engine->stored[page]) {
		memset(biglock_page_memory(engine, page), 0, PAGE_BYTES);
		engine->stored[page] = 0;
		engine->stat.zeroed_pages++;
	}
	engine->counts[page] = 1;
	engine->stat.live_pages++;
	engine->stat.references++;
	return page;
}

void biglock_page_inc(struct translator_engine *engine, uint32_t page)
{
	engine->counts[page]++;
	engine->stat.references++;
}

void biglock_page_dec(struct translator_engine *engine, uint32_t page)
{
	engine->stat.references--;
	if (--engine->counts[page])
		return;
	engine->idle[engine->idle_count++] = page;
	engine->stat.live_pages--;
}

int biglock_pages_prefault(struct translator_engine *engine, uint64_t bytes)
{
	int rc = 0;

	while (!rc && engine->idle_count + (uint64_t)(engine->page_ready - engine->page_end) <
			      bytes / PAGE_BYTES)
		rc = make_ready(engine);
	return rc;
}
