/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - see pool.h. A free object holds the index of the next one in its first four bytes.
 *
 * NO_TSA: a lock here is a word and its class a phantom, so the bodies cannot be analysed.
 */
#include "engine/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/os_memory.h"
#include "engine/park.h"

#define POOL_BATCH 32u /* objects that move between a CPU's list and the common one */
/* Fresh objects that a CPU takes for itself: whole pages, whatever the size is (a multiple of 64),
 * so that those that it touches first, on its NUMA node, are its own. That touches nothing. */
#define POOL_FRESH 64u

static void list_lock(struct pool_list *l) ACQUIRES(leaf_class) MAY_LOCK_LEAF NO_TSA
{
	lock_rank_push(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)l }, LOCK_SITE);
	park_lock_raw(&l->lock);
}

static void list_unlock(struct pool_list *l) RELEASES(leaf_class) NO_TSA
{
	park_unlock_raw(&l->lock);
	lock_rank_pop(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)l }, LOCK_SITE);
}

static uint32_t *next_of(const struct pool *p, uint32_t index)
{
	return pool_at(p, index);
}

int pool_init(struct pool *p, size_t object_size, uint32_t limit)
{
	*p = (struct pool){ .object_size = (object_size + 63) & ~(size_t)63, .limit = limit };
	atomic_init(&p->fresh, 1);
	if (MM_INJECT(INJECT_HOST))
		return -ENOMEM;
	void *base = mmap(NULL, p->object_size * limit, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -ENOMEM;
	/* A page of 2 MiB would be all of it on the node of whoever comes first. */
	if (os_memory_node_count(2) > 1)
		os_memory_advise_huge(base, p->object_size * limit, false);
	p->cpus = percpu_count();
	p->cpu = mm_aligned_alloc(_Alignof(struct pool_list), p->cpus * sizeof(*p->cpu));
	if (!p->cpu) {
		munmap(base, p->object_size * limit);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < p->cpus; i++)
		p->cpu[i] = (struct pool_list){ 0 };
	p->base = base;
	return 0;
}

void pool_release(struct pool *p)
{
	if (p->base)
		munmap(p->base, p->object_size * p->limit);
	free(p->cpu);
	p->base = NULL;
	p->cpu = NULL;
}

/* Unlinks up to POOL_BATCH objects of l; returns the first and, in *last and *count, the rest. */
static uint32_t list_take(struct pool *p, struct pool_list *l, uint32_t *last, uint32_t *count)
	REQUIRES(leaf_class)
{
	uint32_t first = l->head;
	uint32_t n = 0;

	for (uint32_t i = first; i && n < POOL_BATCH; i = *next_of(p, i)) {
		*last = i;
		n++;
	}
	if (n)
		l->head = *next_of(p, *last);
	l->count -= n;
	*count = n;
	return first;
}

static void list_give(struct pool *p, struct pool_list *l, uint32_t first, uint32_t last,
		      uint32_t count) REQUIRES(leaf_class)
{
	*next_of(p, last) = l->head;
	l->head = first;
	l->count += count;
}

/* Fills an empty CPU list from the common list; false when that is empty as well. */
static bool refill(struct pool *p, struct pool_list *l) MAY_LOCK_LEAF
{
	uint32_t last = 0;
	uint32_t count = 0;

	list_lock(&p->common);
	uint32_t first = list_take(p, &p->common, &last, &count);

	list_unlock(&p->common);
	if (!count)
		return false;
	list_lock(l);
	list_give(p, l, first, last, count);
	list_unlock(l);
	return true;
}

/* The next object that was never handed out, of this CPU's share; 0 if there is none. */
static uint32_t take_fresh(struct pool *p, struct pool_list *l) MAY_LOCK_LEAF
{
	uint32_t index = 0;

	list_lock(l);
	if (l->fresh == l->fresh_end) {
		uint32_t first = atomic_load_explicit(&p->fresh, memory_order_relaxed), end;

		do {
			end = (first / POOL_FRESH + 1) * POOL_FRESH;
			end = end < p->limit ? end : p->limit;
		} while (first < end && !atomic_compare_exchange_weak_explicit(
						&p->fresh, &first, end, memory_order_relaxed,
						memory_order_relaxed));
		l->fresh = first;
		l->fresh_end = first < end ? end : first;
	}
	if (l->fresh < l->fresh_end) {
		index = l->fresh++;
		l->live++;
	}
	list_unlock(l);
	return index;
}

uint32_t pool_alloc(struct pool *p)
{
	struct pool_list *l = &p->cpu[percpu_id() % p->cpus];

	uint32_t index;

	if (MM_INJECT(INJECT_MEMORY))
		return 0;
	if (atomic_load_explicit(&l->hot, memory_order_relaxed)) {
		index = atomic_exchange_explicit(&l->hot, 0, memory_order_acquire);
		if (index)
			return index;
	}
	for (;;) {
		list_lock(l);
		index = l->head;

		if (index) {
			l->head = *next_of(p, index);
			l->count--;
			l->live++;
			list_unlock(l);
			return index;
		}
		list_unlock(l);
		if (!refill(p, l))
			break;
	}
	return take_fresh(p, l);
}

void pool_free(struct pool *p, uint32_t index)
{
	struct pool_list *l = &p->cpu[percpu_id() % p->cpus];
	uint32_t none = 0;
	uint32_t first = 0;
	uint32_t last = 0;
	uint32_t count = 0;

	MM_CHECK(index && index < p->limit);
	if (!atomic_load_explicit(&l->hot, memory_order_relaxed) &&
	    atomic_compare_exchange_strong_explicit(&l->hot, &none, index, memory_order_release,
						    memory_order_relaxed))
		return;
	list_lock(l);
	list_give(p, l, index, index, 1);
	l->live--;
	if (l->count > 2 * POOL_BATCH)
		first = list_take(p, l, &last, &count);
	list_unlock(l);
	if (!count)
		return;
	list_lock(&p->common);
	list_give(p, &p->common, first, last, count);
	list_unlock(&p->common);
}

uint64_t pool_live(struct pool *p)
{
	uint64_t live = 0;

	for (unsigned i = 0; i < p->cpus; i++) {
		list_lock(&p->cpu[i]);
		live += p->cpu[i].live;
		live -= atomic_load_explicit(&p->cpu[i].hot, memory_order_relaxed) != 0;
		list_unlock(&p->cpu[i]);
	}
	return live;
}

uint64_t pool_bytes(struct pool *p)
{
	uint64_t handed_out = atomic_load_explicit(&p->fresh, memory_order_relaxed);

	for (unsigned i = 0; i < p->cpus; i++) {
		list_lock(&p->cpu[i]);
		handed_out -= p->cpu[i].fresh_end - p->cpu[i].fresh;
		list_unlock(&p->cpu[i]);
	}
	return handed_out * p->object_size + p->cpus * sizeof(*p->cpu);
}
