/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_io.h - the kernel's own access to application memory: copies, zeroing, atomics, pins.
 *
 * At most 256 KiB of entries are held at a time, so a call is not atomic; what it does to one byte
 * is. *done says how many bytes were moved, exactly, before an error; every error is -EFAULT: no
 * mapping, no permission, no memory, beyond the end of the object, a range that is not below the
 * end of the space (then nothing was moved), a fault of the buffer. Copies are fault-safe: a
 * SIGSEGV or SIGBUS in one is an error. A buffer of the caller may lie in a window (it is bounced);
 * if it shows the very bytes that are copied, their content is unspecified. Nothing to move is
 * success wherever the address is inside the space.
 */
#pragma once

#include "engine/mm.h"

struct mm_io_opts {
	/* max_perms of the mapping instead of its perms, as ptrace. A write that the permissions
	 * forbid goes to a private copy, which the application may still not write; a shared
	 * mapping is not written so (-EFAULT), as in Linux. */
	bool ignore_permissions;
};

struct mm_iovec {
	uint64_t address, length;
};

MM_MUST_CHECK int mm_copy_in(struct mm_space *s, uint64_t address, void *to, uint64_t length,
			     struct mm_io_opts opts, uint64_t *done) MAY_LOCK_ANY;
MM_MUST_CHECK int mm_copy_out(struct mm_space *s, uint64_t address, const void *from,
			      uint64_t length, struct mm_io_opts opts, uint64_t *done) MAY_LOCK_ANY;
MM_MUST_CHECK int mm_zero_out(struct mm_space *s, uint64_t address, uint64_t length,
			      struct mm_io_opts opts, uint64_t *done) MAY_LOCK_ANY;
/* The ranges, one after another, and a buffer for all of them. All ranges are checked first. */
MM_MUST_CHECK int mm_copy_in_vector(struct mm_space *s, const struct mm_iovec *from, size_t count,
				    void *to, struct mm_io_opts opts, uint64_t *done) MAY_LOCK_ANY;
MM_MUST_CHECK int mm_copy_out_vector(struct mm_space *s, const struct mm_iovec *to, size_t count,
				     const void *from, struct mm_io_opts opts, uint64_t *done)
	MAY_LOCK_ANY;
/* Atomics on an aligned 32-bit word (-EINVAL else). *old: what was there, also when it was not what
 * was expected. 0 or -EFAULT (also: the object cannot be mapped by the engine). */
MM_MUST_CHECK int mm_swap_u32(struct mm_space *s, uint64_t address, uint32_t value, uint32_t *old)
	MAY_LOCK_ANY;
MM_MUST_CHECK int mm_compare_swap_u32(struct mm_space *s, uint64_t address, uint32_t expected,
				      uint32_t value, uint32_t *old) MAY_LOCK_ANY;
MM_MUST_CHECK int mm_load_u32(struct mm_space *s, uint64_t address, uint32_t *value) MAY_LOCK_ANY;

/* A pinned run of pages: one reference each, until mm_unpin. */
struct mm_pin {
	struct addr_range range;
	uint32_t first_page;
};
/* Pins [ar) for `at`, breaking copy-on-write even for reads, in at most max runs. *count says how
 * many; an error may come with a pinned prefix, which is the caller's to unpin. -EINVAL (empty, not
 * aligned), -EFAULT, -ENOSPC (more than max runs). Pages pinned for writing are dirty. One limit:
 * when a hugetlb page is taken apart, a pinned part of it stays in place; but a host space that
 * shows pages cannot show it, so the application's next touch of it gets a copy. */
MM_MUST_CHECK int mm_pin(struct mm_space *s, struct addr_range ar, mm_access at,
			 struct mm_pin *pins, size_t max, size_t *count) MAY_LOCK_ANY;
void mm_unpin(struct mm_space *s, const struct mm_pin *pins, size_t count) MAY_LOCK_ARENA;
