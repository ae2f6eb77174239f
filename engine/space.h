/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space.h - inside of the engine: a space, and what its operations share. Not for others.
 *
 * What a set of held locks permits:
 *   nothing        peek at words under RCU (hints)
 *   one entry      read its vma; fill, change or drop its translation; map and unmap its page in
 *                  the host space; call translate
 *   mapping range  change which vma an entry of the range names (with the entry's lock as well);
 *                  add_mapping and remove_mapping
 */
#pragma once

#include "engine/address_map.h"
#include "engine/mm.h"
#include "engine/range_lock.h"
#include "engine/space_arena.h"
#include "engine/space_usage.h"
#include "engine/vma.h"

#define SPACE_MAX_NODES MEMORY_MAX_NODES

/* What one CPU writes of a manager. A space stays with the CPU that made it. */
struct mm_cpu {
	_Atomic uint32_t list_lock; /* leaf */
	struct mm_space *first_space; /* list; under list_lock */
	_Atomic uint64_t last_space_id;
	/* Sums over all CPUs are told. */
	_Atomic uint64_t demotions, fallbacks, copied_pages, ahead_faulted;
	_Atomic uint64_t host_maps, host_unmaps, host_widened; /* of destroyed spaces */
} __attribute__((aligned(128)));

struct mm {
	struct memory_file *memory; /* immutable */
	enum page_class page_class; /* immutable */
	bool allow_fallback; /* immutable */
	/* Powers of two up to 512; immutable: pages copied around a write, and, around a fault,
	 * translated, given memory, shown (space_ahead.c). */
	unsigned copy_pages, ahead_pages, alloc_pages, map_pages;
	unsigned nodes; /* NUMA nodes; immutable */
	uint8_t node_of_cpu[PERCPU_MAX]; /* immutable */
	struct mm_cpu *cpu; /* immutable: one per possible CPU */
	unsigned cpus; /* immutable */
	struct pool node_pool;
	struct pool vma_pool;
};

/* By who writes, a line or more each: nobody, forks and first times, changes of mappings, limits
 * and brk, and the life of the spaces beside it in the list. */
struct mm_space {
	struct mapping_space ms; /* first: ms.id immutable */
	struct mm *mm; /* immutable */
	struct host_space *host; /* immutable; NULL: none */
	bool goes_slow; /* immutable: faults do more than fill one entry (a host, neighbours) */
	uint64_t end_page; /* immutable: addresses are below */
	struct space_arena *arenas; /* immutable */
	unsigned arena_count; /* one a CPU that there may be; immutable */
	_Alignas(64) struct address_map map;
	_Alignas(64) _Atomic uint32_t forking; /* a fork is copying: fault_waits_for_fork() */
	/* Some page was pinned once. Set under the entry lock of the page before it is pinned, so
	 * whoever has that lock later sees it. */
	_Atomic bool has_pinned;
	_Atomic bool locks_memory; /* some mapping is, or was, mlocked */
	_Atomic bool has_stacks; /* some mapping grows, or grew, down */
	struct range_lock mapping;
	_Alignas(64) struct space_usage usage;
	struct addr_range heap; /* of brk, its end to the byte; under all of mapping */
	uint8_t mlock_default; /* enum mlock_mode of new mappings; under all of mapping */
	_Alignas(64) struct mm_cpu *home; /* whose list it is on; immutable */
	struct mm_space *next, **previous; /* under home->list_lock */
};

/* This CPU's part of a manager. */
static inline struct mm_cpu *mm_here(const struct mm *mm)
{
	return &mm->cpu[percpu_id() % mm->cpus];
}

/* mm_space_create with an id above `above`: a child's is above its parent's. */
MM_MUST_CHECK int space_create_above(struct mm *mm, const struct host_space_ops *host,
				     uint64_t window_bytes, uint64_t above, struct mm_space **out)
	MAY_LOCK_ANY;
/* All spaces, at a quiescent point: the first, and the one after s; NULL at the end. */
struct mm_space *mm_first_space(const struct mm *mm);
struct mm_space *mm_next_space(const struct mm_space *s);

static inline struct mm_space *space_of(struct mapping_space *ms)
{
	return (struct mm_space *)ms;
}

static inline struct addr_range pages_to_addresses(uint64_t first, uint64_t end)
{
	return (struct addr_range){ first << MM_PAGE_SHIFT, end << MM_PAGE_SHIFT };
}

/* ---- unit.c: dropping what a held unit maps ---- */

/* A run of entries of one vma. */
struct unit_run {
	uint32_t vma;
	uint32_t entries;
	uint64_t first, end; /* pages of addresses */
};

/* What was taken out of a unit, to be let go after its locks. */
struct unit_drop {
	unsigned page_count, run_count;
	uint32_t huge, huge_pages; /* first page of a huge page, or 0 */
	uint32_t pages[MAP_FANOUT];
	struct unit_run runs[MAP_FANOUT];
};

/* Leaves a node with a 2 MiB page for the day that a folded private translation of it is split. */
void unit_deposit(struct mm_space *s, uint32_t page, struct node *spare) MAY_LOCK_BLOCK;
/* Takes one of them off the page's block. */
struct node *unit_take_deposit(struct mm_space *s, uint32_t page) MAY_LOCK_BLOCK;
/*
 * Leaves the nodes for a 1 GiB page, one with each of its blocks and one more with the first: it is
 * split into 2 MiB, and those into 4 KiB. -ENOMEM: none is left.
 */
MM_MUST_CHECK int unit_deposit_gigantic(struct mm_space *s, uint32_t page) MAY_LOCK_BLOCK;
/* Takes what was left for a translation of that level back and frees it: it goes, or did not come
 * about. */
void unit_withdraw(struct mm_space *s, uint32_t page, unsigned level) MAY_LOCK_BLOCK;

/*
 * Takes translations out of the entries of u: private ones if drop_private, shared ones always.
 * drop_vmas: all of them, and the vmas as well; then the words stay as they are, and the caller
 * unlocks the entries with others (map_unit_unlock_as, address_map_remove_leaf). Unmaps them from
 * the host. The entries stay locked.
 */
void unit_take(struct mm_space *s, struct map_unit *u, bool drop_private, bool drop_vmas,
	       struct unit_drop *d) REQUIRES(entry_class) MAY_LOCK_PLATFORM;
/* Drops the page references of d. */
void unit_drop_pages(struct mm_space *s, const struct unit_drop *d) MAY_LOCK_ARENA;
/* Tells the mappables of d's runs, and lets go of the vmas. */
void unit_drop_vmas(struct mm_space *s, const struct unit_drop *d, uint32_t *dead) MAY_LOCK_RMAP;

/*
 * A folded translation that an operation covers in part. A shared one is dropped whole; a private
 * one becomes 512 entries, by its deposited node: a thp page as it is; a 2 MiB hugetlb page is
 * copied to 4 KiB pages, except those in [gone, gone_end), which become absent (demotion). Never
 * fails: without memory for copies the parts go on naming the huge page. The 2 MiB parts of a 1
 * GiB page always do: to copy them is too much for one hold. Each is copied, or split again, when
 * its turn comes; the memory goes when all have.
 */
void unit_split(struct mm_space *s, struct map_unit *u, uint64_t gone, uint64_t gone_end)
	RELEASES(entry_class);

/*
 * What the host is to stop showing, collected over the entries of a held unit: one call for as
 * many as can be. An entry between them that stays shown must not be hidden with them: flush there.
 */
struct unit_hide {
	uint64_t first, end; /* address pages; end 0: nothing */
};

static inline void unit_hide_add(struct unit_hide *h, uint64_t first, uint64_t end)
{
	h->first = h->end ? h->first : first;
	h->end = end;
}

static inline void unit_hide_flush(struct mm_space *s, struct unit_hide *h) REQUIRES(entry_class)
	MAY_LOCK_PLATFORM
{
	if (h->end)
		s->host->ops->unmap(s->host, pages_to_addresses(h->first, h->end));
	h->end = 0;
}

/* Does the unit reach beyond [start, end) with a folded translation? */
static inline bool unit_is_partial(const struct map_unit *u, uint64_t start, uint64_t end)
{
	return u->level && (u->page < start || map_unit_end(u) > end) &&
	       (map_unit_word(u, u->first) & ENTRY_PRESENT);
}

/* What an entry with this word permits under a vma that permits `effective`. */
static inline mm_access unit_access(uint64_t word, mm_access effective)
{
	return word & ENTRY_COPY ? effective & ~(mm_access)MM_WRITE : effective;
}

/* ---- space_map.c ---- */
/* Removes what is mapped in [start, end), and takes it off the account. Holds the range's mapping
 * lock. 0 or -ENOMEM with *stopped = the first page not removed. */
MM_MUST_CHECK int space_unmap(struct mm_space *s, uint64_t start, uint64_t end, uint32_t *dead,
			      uint64_t *stopped) REQUIRES(mapping_class) MAY_LOCK_RMAP;
/* Is nothing mapped in [start, end)? The caller holds the range's mapping lock. */
bool space_range_is_free(const struct mm_space *s, uint64_t start, uint64_t end);
/* A free place for that many pages, 2 MiB or more of them at the same distance from a multiple of
 * 2 MiB as address page `place`. The caller holds all of mapping. False: none. */
bool space_find_gap(const struct mm_space *s, uint64_t pages, uint64_t place, uint64_t *start)
	REQUIRES(mapping_class);
/* Makes every entry of the free range name vma. On -ENOMEM the part before *stopped does. */
MM_MUST_CHECK int space_publish(struct mm_space *s, uint64_t start, uint64_t end, uint32_t vma,
				uint64_t *stopped) REQUIRES(mapping_class) MAY_LOCK_ENTRY;
/* Takes back what add_mapping of [start, end) and a publish that failed at page `stopped` did;
 * what was reserved (space_usage.h) is still the caller's to give back, all of it. */
void space_unpublish(struct mm_space *s, uint32_t vma, uint64_t start, uint64_t stopped,
		     uint64_t end, uint32_t *dead) REQUIRES(mapping_class) MAY_LOCK_RMAP;

/* ---- space_stack.c ---- */
#define SPACE_GUARD_PAGES 256 /* below a mapping that grows down, as Linux's stack_guard_gap */
#define SPACE_STACK_ROOM 2048 /* pages of reservation below such a mapping, for its growth */
/* Is [end, end + the guard gap) free of the beginning of a mapping that grows down? */
bool space_guard_is_free(const struct mm_space *s, uint64_t end) REQUIRES(mapping_class);

/* ---- space_fault.c ---- */
struct fault_opts {
	bool show; /* the host space is to show the page, even if it should already */
	/* Asked of max_perms instead of perms (ptrace); a write needs the vma to be private or
	 * to permit it. The entry permits no more than perms all the same. */
	bool force;
	bool own; /* copy-on-write is broken even for reading (pins) */
};

MM_MUST_CHECK int space_fault_with(struct mm_space *s, uint64_t address, mm_access at,
				   struct fault_opts opts) MAY_LOCK_ENTRY;
/* An ordinary fault. */
static inline MM_MUST_CHECK int space_fault(struct mm_space *s, uint64_t address, mm_access at,
					    bool show) MAY_LOCK_ENTRY
{
	return space_fault_with(s, address, at, (struct fault_opts){ .show = show });
}
/* A fault by the application (space_stack.c): as space_fault_with, but where nothing is mapped, a
 * mapping above that grows down is extended, if limits and the guard gap permit that. */
MM_MUST_CHECK int space_fault_or_grow(struct mm_space *s, uint64_t address, mm_access at,
				      struct fault_opts opts) MAY_LOCK_ANY;
/* Where the n-th page (4 KiB, 2 MiB, 1 GiB) of addresses should come from, in v. */
unsigned space_node(const struct mm *mm, const struct vma *v, uint64_t n);

/* ---- space_invalidate.c ---- */
void space_invalidate(struct mapping_space *ms, struct addr_range ar, struct invalidate_opts opts)
	MAY_LOCK_ENTRY;
