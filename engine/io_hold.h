/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_hold.h - inside of the engine: entries locked for the kernel's own access to the pages that
 * they name (copies, atomics, pins).
 *
 * io_hold_lock() faults what is missing, locks, and looks again, until the first page wanted is
 * there and permits the access. The holder may read and write the pages, and take references.
 */
#pragma once

#include "engine/space.h"

/* What is wanted of a page. */
struct io_want {
	mm_access at;
	/* By max_perms instead of perms, as ptrace: a write without permission breaks COW but never
	 * writes to a shared mapping (Linux: FOLL_FORCE). */
	bool force;
	bool own; /* a page of a private mapping is to be its own, even for reading (pins) */
};

#define IO_HOLD_PAGES 64 /* at most, in entries of 4 KiB; a folded entry counts so much too */

struct io_hold {
	struct map_unit u;
	uint64_t page; /* the address page asked for */
	uint64_t pages; /* from there on, at least one, as wanted */
};

/* Locks what is wanted of address pages [page, end), from page on. False: an error of the space,
 * nothing is held. */
bool io_hold_lock(struct mm_space *s, uint64_t page, uint64_t end, struct io_want want,
		  struct io_hold *h) TRY_ACQUIRES(true, entry_class) MAY_LOCK_ENTRY;

/* The page number of a held address page. */
uint32_t io_hold_page(const struct io_hold *h, uint64_t page);

/* How many held address pages from `page` on follow each other in one file: there, and in it. */
uint64_t io_hold_run(const struct mm_space *s, const struct io_hold *h, uint64_t page,
		     struct file **file, uint64_t *offset);
