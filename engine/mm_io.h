/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_io.h - the kernel's own access to application memory: copies, zeroing, atomics, pins.
 *
 * At most 2 MiB of entries are held at a time. *done says how many bytes were moved, exactly,
 * before an error; every error of the space is -EFAULT. Copies are fault-safe: a SIGBUS in one is
 * an error. A buffer of the caller may lie in a window (it is bounced).
 */
#pragma once

#include "engine/mm.h"

struct mm_io_opts {
	bool ignore_permissions; /* max_perms of the mapping instead of its perms (ptrace) */
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
MM_MUST_CHECK int mm_copy_in_vector(struct mm_space *s, const struct mm_iovec *from, size_t count,
				    void *to, struct mm_io_opts opts, uint64_t *done) MAY_LOCK_ANY;
MM_MUST_CHECK int mm_copy_out_vector(struct mm_space *s, const struct mm_iovec *to, size_t count,
				     const void *from, struct mm_io_opts opts, uint64_t *done)
	MAY_LOCK_ANY;
/* Atomics on an aligned 32-bit word (-EINVAL else). *old: what was there. */
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
/* Pins [ar) for `at`, breaking copy-on-write even for reads; at most max runs. *count says how
 * many; an error may come with a pinned prefix. */
MM_MUST_CHECK int mm_pin(struct mm_space *s, struct addr_range ar, mm_access at,
			 struct mm_pin *pins, size_t max, size_t *count) MAY_LOCK_ANY;
void mm_unpin(struct mm_space *s, const struct mm_pin *pins, size_t count) MAY_LOCK_ARENA;
