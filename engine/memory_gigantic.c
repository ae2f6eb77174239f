/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_gigantic.c - see memory_gigantic.h.
 *
 * A page in the making is taken out of its arena, so nobody else can know its blocks, and they
 * change without their locks. It goes back unpunched however much is retained: somebody is
 * about to claim it.
 */
#include "engine/memory_gigantic.h"

#include <errno.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/memory_block.h"
#include "engine/os_memory.h"
#include "engine/test_points.h"

#define GIGANTIC_SHIFT 30
#define GIGANTIC_BYTES (UINT64_C(1) << GIGANTIC_SHIFT)

static const struct memory_bits whole = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
					    UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };

static void gigantic_lock(struct memory_file_private *p) ACQUIRES(platform_class)
	MAY_LOCK_ARENA NO_TSA /* the lock is a word, the class a phantom */
{
	lock_rank_push(RANK_PLATFORM, (struct lock_key){ 0, 0 }, LOCK_SITE);
	park_lock_raw(&p->gigantic_lock);
}

static void gigantic_unlock(struct memory_file_private *p) RELEASES(platform_class)
	NO_TSA /* as above */
{
	park_unlock_raw(&p->gigantic_lock);
	lock_rank_pop(RANK_PLATFORM, (struct lock_key){ 0, 0 }, LOCK_SITE);
}

static struct memory_block *block_at(struct memory_file *mf, uint32_t first)
{
	return &mf->blocks[first];
}

/* Is the taken page there, and zero? */
static bool is_ready(struct memory_file *mf, uint32_t first)
{
	for (unsigned i = 0; i < CHUNK_BLOCKS; i++) {
		const struct memory_block *b = block_at(mf, first + i);

		if (!b->populated || b->dirty || b->counted)
			return false;
	}
	return true;
}

/* What was charged for a page that did not come about. */
static void give_up(struct memory_file *mf, uint32_t chunk, unsigned charged)
{
	struct memory_bits bits = { { 0 } };

	if (charged)
		memory_bits_set_run(&bits, 0, charged);
	memory_chunk_punch(mf, chunk, &bits);
}

/* Makes the taken page present and zero. */
static int make_ready(struct memory_file *mf, uint32_t first) MAY_LOCK_ARENA
{
	uint32_t chunk = first / CHUNK_BLOCKS;
	unsigned charged = 0;
	int rc = 0;

	if (is_ready(mf, first))
		return 0;
	while (!rc && charged < CHUNK_BLOCKS) {
		rc = memory_chunk_charge(mf, first + charged);
		charged += !rc;
	}
	if (!rc && !block_at(mf, first)->populated &&
	    os_memory_populate(memory_file_memory(mf, chunk * MEMORY_CHUNK_PAGES), GIGANTIC_BYTES,
			       true))
		rc = -ENOMEM;
	if (rc) {
		give_up(mf, chunk, charged);
		return rc;
	}
	for (unsigned i = 0; i < CHUNK_BLOCKS; i++) {
		block_at(mf, first + i)->populated = 1;
		memory_block_clean(mf, block_at(mf, first + i));
	}
	return 0;
}

int memory_gigantic_make_ready(struct memory_file *mf, int node)
{
	struct memory_file_private *p = mf->private;
	uint32_t first;
	int rc;

	node = memory_chunk_node(mf, node);
	if (node < 0)
		return node;
	if (MM_INJECT(INJECT_PAGE))
		return -ENOMEM;
	gigantic_lock(p);
	rc = memory_chunk_take(mf, &p->arenas[node][PAGE_1G], CHUNK_BLOCKS, &first);
	if (!rc) {
		rc = make_ready(mf, first);
		memory_chunk_keep(mf, first / CHUNK_BLOCKS, &whole);
	}
	gigantic_unlock(p);
	MM_TEST_POINT(memory_gigantic_ready); /* nothing held */
	return rc ? -ENOMEM : 0;
}

int memory_gigantic_claim(struct memory_file *mf, int node, uint32_t *first_page)
{
	struct memory_file_private *p = mf->private;
	uint32_t first;

	node = memory_chunk_node(mf, node);
	if (node < 0)
		return node;
	if (memory_chunk_take(mf, &p->arenas[node][PAGE_1G], CHUNK_BLOCKS, &first))
		return -EAGAIN;
	if (!is_ready(mf, first)) {
		memory_chunk_keep(mf, first / CHUNK_BLOCKS, &whole);
		return -EAGAIN;
	}
	/* As if their reservation had ended: the last reference of a block frees it. */
	for (unsigned i = 0; i < CHUNK_BLOCKS; i++) {
		struct memory_block *b = block_at(mf, first + i);

		atomic_store_explicit(&b->cursor, 0, memory_order_relaxed);
		atomic_store_explicit(&b->state, BLOCK_ORPHAN, memory_order_relaxed);
		atomic_store_explicit(&b->whole, BLOCK_WHOLE | 1, memory_order_release);
	}
	*first_page = first * (uint32_t)MM_HUGE_PAGES;
	return 0;
}

uint64_t memory_gigantic_prefault(struct memory_file *mf, int node, uint64_t bytes)
{
	struct memory_file_private *p = mf->private;
	uint64_t wanted = (bytes + GIGANTIC_BYTES - 1) >> GIGANTIC_SHIFT;
	uint32_t list = 0, first;
	uint64_t done = 0;
	int rc = 0;

	memory_chunk_retain(p, (int64_t)wanted * CHUNK_BLOCKS);
	gigantic_lock(p);
	/* Each stays taken until all are ready: `next` is the arena's, the list is of blocks. */
	while (!rc && done < wanted) {
		rc = memory_chunk_take(mf, &p->arenas[node][PAGE_1G], CHUNK_BLOCKS, &first);
		if (rc)
			break;
		rc = make_ready(mf, first);
		done += !rc;
		block_at(mf, first)->next = list ? block_at(mf, list) : NULL;
		list = first;
	}
	while (list) {
		struct memory_block *next = block_at(mf, list)->next;

		block_at(mf, list)->next = NULL;
		memory_chunk_keep(mf, list / CHUNK_BLOCKS, &whole);
		list = next ? memory_block_index(mf, next) : 0;
	}
	gigantic_unlock(p);
	return done << GIGANTIC_SHIFT;
}

int memory_gigantic_probe(const char **why)
{
#define POOL "/sys/kernel/mm/hugepages/hugepages-1048576kB/"
	int64_t total = os_memory_read_number(POOL "nr_hugepages");
	int64_t available = os_memory_read_number(POOL "free_hugepages");
#undef POOL
	int fd = total < 0 ? -ENODEV : os_memory_memfd("faultline-probe", GIGANTIC_SHIFT);
	int rc = fd;

	if (fd >= 0) {
		rc = os_memory_resize(fd, GIGANTIC_BYTES);
		if (!rc)
			rc = os_memory_try_huge(fd, GIGANTIC_BYTES);
		os_memory_close(fd);
	}
	*why = "";
	if (!rc)
		return 0;
	if (total < 0) {
		*why = "there are no 1 GiB huge pages: the processor lacks pdpe1gb "
		       "(/proc/cpuinfo), or the kernel CONFIG_HUGETLBFS";
		return -EOPNOTSUPP;
	}
	if (total == 0)
		*why = "no 1 GiB huge page is set aside; boot with hugepagesz=1G "
		       "hugepages=N, or as root, while memory is whole: echo N > "
		       "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";
	else if (available == 0)
		*why = "all 1 GiB huge pages are in use; as root raise the number in "
		       "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages";
	else
		*why = "a 1 GiB huge page could not be had although some are free: they are "
		       "reserved, or a cgroup limits them; see hugetlb.1GB.max and "
		       "resv_hugepages";
	return -ENOMEM;
}
