/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_advise.h - what an application says about its memory: madvise, mlock, msync, mincore, brk,
 * mbind, and the limits that hold it. Arguments are checked and errors returned as Linux does;
 * a call that meets a hole has changed what precedes it.
 */
#pragma once

#include "engine/mm.h"

enum mm_advice {
	MM_ADVISE_DONTNEED, /* mm_discard; -EINVAL on locked mappings */
	MM_ADVISE_FREE, /* private anonymous memory only (-EINVAL else): acts as DONTNEED */
	MM_ADVISE_DONTFORK,
	MM_ADVISE_DOFORK,
	/* Punches the mappable of shared mappings that could be written; -EACCES on others of a
	 * mappable, -EINVAL on locked and on anonymous ones. */
	MM_ADVISE_REMOVE,
	/* Faults in; ends with -EINVAL (perms), -EFAULT (what would be a signal), -ENOMEM. */
	MM_ADVISE_POPULATE_READ,
	MM_ADVISE_POPULATE_WRITE,
};

/* -EINVAL: address not aligned, range beyond 2^64, or a mapping that refuses: what precedes it is
 * done. -ENOMEM: a part was not mapped; all else is done (but POPULATE, which ends there). */
MM_MUST_CHECK int mm_madvise(struct mm_space *s, uint64_t address, uint64_t length,
			     enum mm_advice advice) MAY_LOCK_ANY;

/* mlock2 (EAGER populates, LAZY is ONFAULT) and munlock (NONE), of all pages touched.
 * -EPERM (limit 0), -EINVAL (beyond 2^64), -ENOMEM (limit; hole, what precedes it is changed; what
 * cannot be accessed), -EAGAIN (no memory to populate with): the mode is set all the same. */
MM_MUST_CHECK int mm_mlock(struct mm_space *s, uint64_t address, uint64_t length,
			   enum mlock_mode mode) MAY_LOCK_ANY;
/* current: all mappings now; future: the default of new ones, which current alone takes back.
 * munlockall: both, MLOCK_NONE. -EINVAL, -EPERM, -ENOMEM (limit). */
MM_MUST_CHECK int mm_mlockall(struct mm_space *s, bool current, bool future, enum mlock_mode mode)
	MAY_LOCK_ANY;

/* -EINVAL, -ENOMEM (hole), -EBUSY (invalidate of a locked mapping), and what the identity's msync
 * says; no engine lock is held while it runs. */
MM_MUST_CHECK int mm_msync(struct mm_space *s, uint64_t address, uint64_t length, bool sync,
			   bool invalidate) MAY_LOCK_ANY;
/* One byte a page into vec: bit 0: resident (present here, or held by the mappable). */
MM_MUST_CHECK int mm_mincore(struct mm_space *s, uint64_t address, uint64_t length,
			     unsigned char *vec) MAY_LOCK_ANY;

/* Starts an empty heap at address (page aligned or not), removing an old one. */
MM_MUST_CHECK int mm_brk_setup(struct mm_space *s, uint64_t address) MAY_LOCK_ANY;
/* Moves the break; *now is the break afterwards, whatever the result. -EINVAL (below the start),
 * -ENOMEM (something is in the way, a limit), -EAGAIN (limit of locked memory). */
MM_MUST_CHECK int mm_brk(struct mm_space *s, uint64_t address, uint64_t *now) MAY_LOCK_ANY;

/* Sets the NUMA policy of a range, for pages allocated from now on. -EINVAL; -EFAULT (hole: nothing
 * is changed; for NUMA_LOCAL only if nothing at all is mapped). */
MM_MUST_CHECK int mm_mbind(struct mm_space *s, uint64_t address, uint64_t length,
			   enum numa_policy policy, uint64_t nodes) MAY_LOCK_ANY;

/*
 * Limits in bytes, UINT64_MAX: none. Held exactly, at all times: whatever runs concurrently, no
 * call takes the space beyond one. What exceeds a limit when it is set stays.
 */
struct mm_limits {
	uint64_t address_space; /* RLIMIT_AS: -ENOMEM */
	uint64_t data; /* RLIMIT_DATA: private writable mappings and the heap: -ENOMEM */
	uint64_t
		locked; /* RLIMIT_MEMLOCK: -EPERM when 0, -EAGAIN (mmap, mremap), -ENOMEM (mlock) */
	uint64_t stack; /* RLIMIT_STACK: growth on fault */
	bool may_lock_any; /* CAP_IPC_LOCK */
};
void mm_set_limits(struct mm_space *s, const struct mm_limits *limits) MAY_LOCK_ANY;

/* Bytes. What is mapped is exact always; what is resident, at quiescent points: faults go on. */
struct mm_usage {
	uint64_t address_space, data, locked;
	uint64_t resident; /* present in the address map */
	uint64_t resident_max; /* the highest `resident` that a call of mm_get_usage saw */
};
void mm_get_usage(struct mm_space *s, struct mm_usage *out) MAY_LOCK_ANY;
