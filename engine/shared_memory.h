/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_memory.h - the shared anonymous mappable: a sparse object of zero pages that grows,
 * shrinks and can be punched, like a memfd.
 *
 * The object holds one reference on each of its pages. It lives until the last reference of its
 * identity is dropped (the creator has one, each mapping another). Its unit is the page of its
 * class: 4 KiB for PAGE_4K, 2 MiB for PAGE_THP and PAGE_2M. The size is in bytes; offsets up to
 * the end of the unit that holds the last byte can be translated, beyond is bus_error(ENXIO).
 *
 * Concurrency: everything here may be called by any number of threads. Translate of pages that
 * are present takes no lock. As for every mappable, the caller of translate must hold, until it
 * has installed or forgotten the answer, the entry locks (those that mapping_space_invalidate
 * waits for) of whatever part of the answer it installs.
 */
#pragma once

#include "engine/interfaces.h"
#include "engine/memory_file.h"

struct shared_memory;

#define SHARED_MEMORY_MAX_BYTES (UINT64_C(1) << 39)

enum shared_memory_seal {
	SHARED_MEMORY_SEAL_SHRINK = 1,
	SHARED_MEMORY_SEAL_GROW = 2,
	SHARED_MEMORY_SEAL_WRITE = 4, /* also refuses punch */
};

/* name: for maps listings, cut to fit; NULL: as Linux shows shared anonymous memory. *out comes
 * with one reference. mf must outlive it. 0, -ENOMEM, -EFBIG (beyond SHARED_MEMORY_MAX_BYTES),
 * -EINVAL (cls). */
MM_MUST_CHECK int shared_memory_create(struct memory_file *mf, uint64_t size_bytes,
				       enum page_class cls, const char *name,
				       struct shared_memory **out) MAY_LOCK_LEAF;

struct mappable *shared_memory_mappable(struct shared_memory *sm);
struct mapping_identity *shared_memory_identity(struct shared_memory *sm);

/* When it returns, no page of what was cut off is in use anywhere, private copies included, and
 * all bytes from the smaller of both sizes on read as zero. 0, -EFBIG, -EPERM (seal). */
MM_MUST_CHECK int shared_memory_truncate(struct shared_memory *sm, uint64_t new_size_bytes)
	MAY_LOCK_OBJECT;
/* Frees the whole units inside mr (need not be aligned; what is beyond the size is ignored) and
 * clears the rest of it. Private copies stay. 0, -EINVAL (empty), -EPERM (seal). */
MM_MUST_CHECK int shared_memory_punch(struct shared_memory *sm, struct mappable_range mr)
	MAY_LOCK_OBJECT;
/* Makes everyone who maps mr (aligned) drop its translations; the pages stay. */
void shared_memory_invalidate(struct shared_memory *sm, struct mappable_range mr,
			      struct invalidate_opts opts) MAY_LOCK_RMAP;
/* Adds seals (bits of enum shared_memory_seal) for good. 0, -EINVAL, -EBUSY (SEAL_WRITE while a
 * writable mapping exists). */
MM_MUST_CHECK int shared_memory_add_seals(struct shared_memory *sm, unsigned seals) MAY_LOCK_OBJECT;

uint64_t shared_memory_size(struct shared_memory *sm);
/* 4 KiB pages that the object holds now. */
uint64_t shared_memory_resident_pages(struct shared_memory *sm);
/* Bytes of engine memory for the object and its offset map (mapping_set not included). */
uint64_t shared_memory_metadata_bytes(struct shared_memory *sm);
