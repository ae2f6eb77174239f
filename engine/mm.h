/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.h - the engine's public interface: memory managers (one memory-file family each) and the
 * spaces in them.
 *
 * Results are 0, -errno, or a bus error (error.h). Addresses are application addresses, bytes;
 * those of a space with a window (host_space.h) are below its end. All calls may run concurrently
 * on one space, except destroy. Every thread that calls has called mm_thread_enter. No call may
 * be made with an engine lock held (MAY_LOCK_ANY), except where noted.
 */
#pragma once

#include "engine/host_space.h"
#include "engine/memory_file.h"
#include "engine/mmap_opts.h"
#include "engine/translation.h"

struct mm;
struct mm_space;

/* Application addresses are below this; so is the end of every mapping. */
#define MM_ADDRESS_END (UINT64_C(1) << 47)

struct mm_opts {
	struct memory_file_opts memory;
	enum page_class page_class; /* of private anonymous memory */
	/* Copied around a write to shared private memory, of what is present there: a power of two
	 * from 4 KiB to 2 MiB (thp pages are then copied whole); 0: 64 KiB. Code and stacks: one
	 * page; 2m pages: always whole. */
	uint64_t copy_bytes;
	/* Around a fault on an absent page, what is absent as well and of the same mapping is
	 * brought along, in aligned units; powers of two from 4 KiB to 2 MiB; 0 of the first: 4
	 * KiB, of the others: as the first. Held and translated at once; given memory, if it has
	 * none; shown to the host in one call. Not beside copies (above). */
	uint64_t ahead_bytes, alloc_bytes, map_bytes;
};

struct mm_stat {
	struct memory_file_stat memory;
	uint64_t metadata_bytes; /* all of the engine's backed allocations */
	uint64_t nodes; /* of address maps */
	uint64_t vmas;
	uint64_t host_maps, host_unmaps, host_widened;
	uint64_t demotions, fallbacks;
	uint64_t copied_pages; /* because of writes to shared private memory */
	uint64_t ahead_faulted; /* pages that faults on neighbours brought along */
	uint64_t parks; /* waits for a lock that slept */
};

/* opts NULL: defaults. 0, -ENOMEM, -EINVAL (a unit), -errno. */
MM_MUST_CHECK int mm_create(const struct mm_opts *opts, struct mm **out) MAY_LOCK_ANY;
/* All spaces and mappables are gone. Waits for a grace period. */
void mm_destroy(struct mm *mm) MAY_LOCK_ANY;
struct memory_file *mm_memory_file(struct mm *mm);
void mm_get_stat(struct mm *mm, struct mm_stat *out) MAY_LOCK_ANY;

/* Registers the calling thread (RCU, alternate signal stack). 0 or -errno. Nests. */
MM_MUST_CHECK int mm_thread_enter(void);
void mm_thread_leave(void);

/* host: a kind of host_space.h; window_bytes: addresses that it shows (none: unused). With `uffd`,
 * -EPERM, -ENOSYS, -EINVAL: see host_space_uffd_probe(). */
MM_MUST_CHECK int mm_space_create(struct mm *mm, const struct host_space_ops *host,
				  uint64_t window_bytes, struct mm_space **out) MAY_LOCK_ANY;
/* Nothing can be mapped at or above end, which is no higher than it was. Children by fork inherit
 * it. Before anything is mapped, or another thread knows the space. */
void mm_space_set_end(struct mm_space *s, uint64_t end);
void mm_space_destroy(struct mm_space *s) MAY_LOCK_ANY;
/* The space as mappables see it. */
struct mapping_space *mm_mapping_space(struct mm_space *s);

/*
 * Creates a mapping; *address says where. -EINVAL, -ENOMEM, -EEXIST, -EACCES, -EOVERFLOW as
 * mmap(2), and what the mappable says. If add_mapping fails after `unmap`, the old mappings are
 * gone, as in Linux.
 */
MM_MUST_CHECK int mm_mmap(struct mm_space *s, const struct mmap_opts *opts, uint64_t *address)
	MAY_LOCK_ANY;
/* -EINVAL; -ENOMEM when a mapping must be cut and no memory is left: what precedes is gone. */
MM_MUST_CHECK int mm_munmap(struct mm_space *s, uint64_t address, uint64_t length) MAY_LOCK_ANY;
/* -EINVAL, -ENOMEM (hole), -EACCES (beyond max_perms); not atomic: what precedes is changed. */
MM_MUST_CHECK int mm_mprotect(struct mm_space *s, uint64_t address, uint64_t length,
			      mm_access perms) MAY_LOCK_ANY;
/* The same with PROT_GROWSDOWN: from the beginning of the mapping that is at address, or the next
 * after it, which must grow down (-EINVAL) and begin before the end (-ENOMEM). */
MM_MUST_CHECK int mm_mprotect_down(struct mm_space *s, uint64_t address, uint64_t length,
				   mm_access perms) MAY_LOCK_ANY;
/* Drops the pages of a range (MADV_DONTNEED). -EINVAL (arguments, or at the first locked mapping);
 * -ENOMEM (hole; the rest is dropped). */
MM_MUST_CHECK int mm_discard(struct mm_space *s, uint64_t address, uint64_t length) MAY_LOCK_ANY;
/*
 * What a page fault does: -EFAULT (nothing mapped), -EACCES, -ENOMEM, bus error; with a host space
 * -EINVAL (of an object's hugetlb page the space has but a part, or not at such an address: the
 * host shows it whole), -errno. On success the address is present with the access asked (until it
 * is invalidated). Below a mapping that grows down it is extended first, if it may.
 */
MM_MUST_CHECK int mm_fault(struct mm_space *s, uint64_t address, mm_access at) MAY_LOCK_ANY;
/*
 * The page of a present address that permits at: a hint (see address_map_peek). -ENOENT: not
 * present. Lock-free.
 */
MM_MUST_CHECK int mm_lookup(struct mm_space *s, uint64_t address, mm_access at, uint32_t *page,
			    mm_access *perms);
/* What to touch for an application address, or NULL. */
void *mm_host_address(struct mm_space *s, uint64_t address);
/*
 * Invariants, at a point where nothing else runs (a quiescent point): a breach ends in mm_fail()
 * with a sentence that names address and values. mm_space_check: entries against their vmas and
 * against what the host shows. mm_check: all spaces, and what they share: every page has exactly
 * the references that entries, mappables and pins explain; reverse maps name exactly the mappings;
 * nothing stale is mapped. Fast enough to run after each operation of a small test.
 */
void mm_space_check(struct mm_space *s) MAY_LOCK_ANY;
void mm_check(struct mm *mm) MAY_LOCK_ANY;
