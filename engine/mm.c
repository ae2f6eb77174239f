/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.c - see mm.h: life of memory managers, spaces and threads; statistics.
 *
 * NO_TSA: a lock here is a word and its class a phantom, so the bodies cannot be analysed.
 */
#include "engine/mm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fail.h"
#include "engine/inject.h"
#include "engine/mm_numa.h"
#include "engine/node_choice.h"
#include "engine/os_memory.h"
#include "engine/park.h"
#include "engine/space.h"
#include "engine/trap.h"

#define COPY_BYTES_DEFAULT (UINT64_C(64) << 10)
#define NODE_LIMIT (UINT32_C(1) << 23) /* 32 GiB of nodes: 16 TiB of dense pages */

static void list_lock(struct mm_cpu *c) ACQUIRES(leaf_class) MAY_LOCK_LEAF NO_TSA
{
	lock_rank_push(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)c }, LOCK_SITE);
	park_lock_raw(&c->list_lock);
}

static void list_unlock(struct mm_cpu *c) RELEASES(leaf_class) NO_TSA
{
	park_unlock_raw(&c->list_lock);
	lock_rank_pop(RANK_LEAF, (struct lock_key){ 0, (uintptr_t)c }, LOCK_SITE);
}

static void find_nodes(struct mm *mm)
{
	mm->nodes = (unsigned)os_memory_node_count(SPACE_MAX_NODES);
	for (unsigned cpu = 0; cpu < PERCPU_MAX && mm->nodes > 1; cpu++) {
		int node = os_numa.node_of_cpu((int)cpu);

		mm->node_of_cpu[cpu] = node > 0 && (unsigned)node < mm->nodes ? (uint8_t)node : 0;
	}
}

static bool is_unit(uint64_t bytes)
{
	return !bytes || (bytes >= MM_PAGE_SIZE && bytes <= MM_HUGE_SIZE && !(bytes & (bytes - 1)));
}

static unsigned unit_pages(uint64_t bytes, uint64_t otherwise)
{
	if (!bytes)
		bytes = otherwise ? otherwise : MM_PAGE_SIZE;
	return (unsigned)(bytes >> MM_PAGE_SHIFT);
}

int mm_create(const struct mm_opts *opts, struct mm **out)
{
	static const struct mm_opts defaults;
	int rc;

	if (!opts)
		opts = &defaults;
	if (!is_unit(opts->copy_bytes) || !is_unit(opts->ahead_bytes) ||
	    !is_unit(opts->alloc_bytes) || !is_unit(opts->map_bytes))
		return -EINVAL;
	struct mm *mm = mm_calloc(sizeof(*mm));

	if (!mm)
		return -ENOMEM;
	mm->page_class = opts->page_class;
	mm->copy_pages = unit_pages(opts->copy_bytes, COPY_BYTES_DEFAULT);
	mm->ahead_pages = unit_pages(opts->ahead_bytes, MM_PAGE_SIZE);
	mm->alloc_pages = unit_pages(opts->alloc_bytes, opts->ahead_bytes);
	mm->map_pages = unit_pages(opts->map_bytes, opts->ahead_bytes);
	mm->allow_fallback = opts->memory.allow_fallback;
	find_nodes(mm);
	mm->cpus = percpu_count();
	mm->cpu = mm_aligned_alloc(_Alignof(struct mm_cpu), mm->cpus * sizeof(*mm->cpu));
	rc = mm->cpu ? 0 : -ENOMEM;
	if (rc)
		goto no_cpus;
	memset(mm->cpu, 0, mm->cpus * sizeof(*mm->cpu));
	rc = memory_file_create(&opts->memory, &mm->memory);
	if (rc)
		goto no_memory;
	rc = pool_init(&mm->node_pool, sizeof(struct node), NODE_LIMIT);
	if (rc)
		goto no_nodes;
	rc = pool_init(&mm->vma_pool, sizeof(struct vma), ENTRY_VMA_LIMIT);
	if (rc)
		goto no_vmas;
	*out = mm;
	return 0;
no_vmas:
	pool_release(&mm->node_pool);
no_nodes:
	memory_file_destroy(mm->memory);
no_memory:
	free(mm->cpu);
no_cpus:
	free(mm);
	return rc;
}

void mm_destroy(struct mm *mm)
{
	MM_CHECK(!mm_first_space(mm));
	mm_rcu_barrier(); /* removed leaves go back to the pool first */
	MM_CHECK(pool_live(&mm->node_pool) == 0);
	MM_CHECK(pool_live(&mm->vma_pool) == 0);
	pool_release(&mm->vma_pool);
	pool_release(&mm->node_pool);
	memory_file_destroy(mm->memory);
	free(mm->cpu);
	free(mm);
}

struct memory_file *mm_memory_file(struct mm *mm)
{
	return mm->memory;
}

int mm_set_place(struct mm *mm, const struct numa_place *place)
{
	return memory_file_set_place(mm->memory, place);
}

/* ---- threads ---- */

static _Thread_local unsigned thread_depth;

int mm_thread_enter(void)
{
	if (thread_depth++)
		return 0;
	int rc = trap_thread_enter();

	if (rc) {
		thread_depth--;
		return rc;
	}
	urcu_memb_register_thread();
	node_choice_read_thread();
	return 0;
}

void mm_thread_leave(void)
{
	MM_CHECK(thread_depth);
	if (--thread_depth)
		return;
	os_rseq_forget();
	urcu_memb_unregister_thread();
	trap_thread_leave();
}

/* ---- spaces ---- */

static const struct mapping_space_ops space_ops = { .invalidate = space_invalidate };

/* From the signal handler: the thread holds no engine lock (trap.h has made sure). */
static int trap_fault(void *space, uint64_t address, mm_access at, bool bus) NO_TSA
{
	const struct mm_space *s = space;

	/* A page that is shown, of a host file that was cut. */
	if (bus && !s->host->ops->misses_are_bus)
		return bus_error(EIO);
	return space_fault_or_grow(space, address, at, (struct fault_opts){ .show = true });
}

static int create_host(struct mm_space *s, const struct host_space_ops *host, uint64_t window)
	MAY_LOCK_LEAF
{
	int rc = trap_install(); /* safe copies need it, whatever the host space */

	if (rc || host == &host_space_none)
		return rc;
	rc = host->create(window, &s->host);
	if (rc)
		return rc;
	s->end_page = window >> MM_PAGE_SHIFT;
	rc = trap_register(host->address(s->host, 0), window, trap_fault, s);
	if (rc)
		host->destroy(s->host);
	return rc;
}

/* CPU c of n gives the numbers that are c modulo n, each higher than its last one. */
static uint64_t new_space_id(struct mm *mm, struct mm_cpu *c, uint64_t above)
{
	uint64_t last = atomic_load_explicit(&c->last_space_id, memory_order_relaxed);
	uint64_t id;

	do {
		uint64_t most = last > above ? last : above;

		id = (most / mm->cpus + 1) * mm->cpus + (uint64_t)(c - mm->cpu);
	} while (!atomic_compare_exchange_weak_explicit(
		&c->last_space_id, &last, id, memory_order_relaxed, memory_order_relaxed));
	return id;
}

static void list_add(struct mm_cpu *c, struct mm_space *s) MAY_LOCK_LEAF
{
	s->home = c;
	list_lock(c);
	s->next = c->first_space;
	s->previous = &c->first_space;
	if (s->next)
		s->next->previous = &s->next;
	c->first_space = s;
	list_unlock(c);
}

/* The first space of c's list, or of one after it. */
static struct mm_space *first_from(const struct mm *mm, const struct mm_cpu *c)
{
	for (; c < mm->cpu + mm->cpus; c++)
		if (c->first_space)
			return c->first_space;
	return NULL;
}

struct mm_space *mm_first_space(const struct mm *mm)
{
	return first_from(mm, mm->cpu);
}

struct mm_space *mm_next_space(const struct mm_space *s)
{
	return s->next ? s->next : first_from(s->mm, s->home + 1);
}

int space_create_above(struct mm *mm, const struct host_space_ops *host, uint64_t window_bytes,
		       uint64_t above, struct mm_space **out)
{
	struct mm_cpu *here = mm_here(mm);
	struct mm_space *s = mm_aligned_alloc(_Alignof(struct mm_space), sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->mm = mm;
	s->host = NULL;
	s->goes_slow = mm->ahead_pages > 1 || host != &host_space_none;
	atomic_init(&s->has_pinned, false);
	s->end_page = MM_ADDRESS_END >> MM_PAGE_SHIFT;
	atomic_init(&s->forking, 0);
	s->ms.ops = &space_ops;
	s->ms.id = new_space_id(mm, here, above);
	rc = address_map_init(&s->map, &mm->node_pool, &mm->vma_pool, s->ms.id, vma_add);
	if (rc)
		goto no_map;
	rc = space_arenas_init(s);
	if (rc)
		goto no_arenas;
	rc = create_host(s, host, window_bytes);
	if (rc)
		goto no_host;
	range_lock_init(&s->mapping, s->ms.id);
	space_usage_init(&s->usage);
	s->mlock_default = MLOCK_NONE;
	s->heap = (struct addr_range){ 0 };
	atomic_init(&s->locks_memory, false);
	atomic_init(&s->has_stacks, false);
	list_add(here, s);
	*out = s;
	return 0;
no_host:
	space_arenas_release(s);
no_arenas:
	address_map_release(&s->map);
no_map:
	free(s);
	return rc;
}

int mm_space_create(struct mm *mm, const struct host_space_ops *host, uint64_t window_bytes,
		    struct mm_space **out)
{
	return space_create_above(mm, host, window_bytes, 0, out);
}

void mm_space_set_end(struct mm_space *s, uint64_t end)
{
	MM_CHECK(end <= s->end_page << MM_PAGE_SHIFT);
	s->end_page = end >> MM_PAGE_SHIFT;
}

/* Everything goes: unit by unit, so that no vma needs memory to be cut. */
static void unmap_all(struct mm_space *s) MAY_LOCK_ANY
{
	struct range_held held;
	uint64_t stopped;
	uint32_t dead = 0;

	range_lock_all(&s->mapping, &held);
	int rc = space_unmap(s, 0, MAP_PAGES, &dead, &stopped);

	MM_CHECK(!rc);
	space_usage_check(s);
	range_lock_unlock(&held);
	vma_free_dead(&s->mm->vma_pool, dead);
}

void mm_space_destroy(struct mm_space *s)
{
	struct mm_cpu *home = s->home;

	if (s->host)
		trap_unregister(s->host->ops->address(s->host, 0));
	unmap_all(s);
	list_lock(home);
	*s->previous = s->next;
	if (s->next)
		s->next->previous = s->previous;
	if (s->host) {
		atomic_fetch_add(&home->host_maps, atomic_load(&s->host->maps));
		atomic_fetch_add(&home->host_unmaps, atomic_load(&s->host->unmaps));
		atomic_fetch_add(&home->host_widened, atomic_load(&s->host->widened));
	}
	list_unlock(home);
	if (s->host)
		s->host->ops->destroy(s->host);
	range_lock_release(&s->mapping);
	address_map_release(&s->map);
	space_arenas_release(s);
	free(s);
}

struct mapping_space *mm_mapping_space(struct mm_space *s)
{
	return &s->ms;
}

void *mm_host_address(struct mm_space *s, uint64_t address)
{
	if (!s->host || address >> MM_PAGE_SHIFT >= s->end_page)
		return NULL;
	return s->host->ops->address(s->host, address);
}

/* ---- statistics ---- */

/* Adds what one CPU has of spaces and counts. */
static void add_stat(struct mm_cpu *c, struct mm_stat *out) MAY_LOCK_LEAF
{
	list_lock(c);
	out->host_maps += atomic_load(&c->host_maps);
	out->host_unmaps += atomic_load(&c->host_unmaps);
	out->host_widened += atomic_load(&c->host_widened);
	for (struct mm_space *s = c->first_space; s; s = s->next) {
		out->metadata_bytes += sizeof(*s) + space_arenas_bytes(s);
		if (!s->host)
			continue;
		out->host_maps += atomic_load(&s->host->maps);
		out->host_unmaps += atomic_load(&s->host->unmaps);
		out->host_widened += atomic_load(&s->host->widened);
	}
	list_unlock(c);
	out->demotions += atomic_load(&c->demotions);
	out->fallbacks += atomic_load(&c->fallbacks);
	out->copied_pages += atomic_load(&c->copied_pages);
	out->ahead_faulted += atomic_load(&c->ahead_faulted);
}

void mm_get_stat(struct mm *mm, struct mm_stat *out)
{
	*out = (struct mm_stat){ 0 };
	memory_file_get_stat(mm->memory, &out->memory);
	out->nodes = pool_live(&mm->node_pool);
	out->vmas = pool_live(&mm->vma_pool);
	out->metadata_bytes = out->memory.metadata_bytes + pool_bytes(&mm->node_pool) +
			      pool_bytes(&mm->vma_pool) + reservation_bytes() + sizeof(*mm) +
			      mm->cpus * sizeof(*mm->cpu);
	out->fallbacks = out->memory.fallbacks;
	for (unsigned i = 0; i < mm->cpus; i++)
		add_stat(&mm->cpu[i], out);
	out->parks = atomic_load(&park_sleeps);
}
