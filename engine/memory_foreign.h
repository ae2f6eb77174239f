/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_foreign.h - host files that are not ours, as part of the family: their pages get page
 * numbers, so that an entry can name them, and counts.
 *
 * A gigabyte of the file becomes a chunk when a page of it is asked for. Its page numbers, window
 * and counts are those of any chunk; but nothing of it is ever allocated, zeroed, punched or
 * retained, and a page whose last reference goes just has none. Unlike others, such a page may
 * be given its first reference by inc, until the file is detached. Detaching ends that; a chunk,
 * and the descriptor, go when the last page reference of theirs does (pins outlive mappings).
 *
 * The bytes are the host file's: it may shrink under us. Memory of such a page, from map_internal
 * or memory_file_memory, then raises SIGBUS, so it is only touched by safe_copy.h.
 *
 * Page numbers are taken a gigabyte at a time from the family's span and are then kept for foreign
 * files: at most span / 1 GiB chunks can be attached.
 */
#pragma once

#include "engine/memory_file.h"

struct memory_foreign;

#define MEMORY_FOREIGN_MAX_BYTES (UINT64_C(8) << 40) /* offsets are below */

/* Of fd, which is duplicated; read_only: it is not open for writing. 0, -ENOMEM, -errno of dup. */
MM_MUST_CHECK int memory_foreign_create(struct memory_file *mf, int fd, bool read_only,
					struct memory_foreign **out);
/* The page number of an offset; the first of a gigabyte attaches it. No lock is taken when it is
 * attached. 0, -EFBIG, -ENOMEM (page numbers, address space), -errno of mmap. */
MM_MUST_CHECK int memory_foreign_page(struct memory_file *mf, struct memory_foreign *f,
				      uint64_t offset, uint32_t *page) MAY_LOCK_ARENA;
/* Nobody asks for pages or adds first references any more; f is not used again. */
void memory_foreign_detach(struct memory_file *mf, struct memory_foreign *f) MAY_LOCK_ARENA;
/* The descriptor; as long as f is not detached. */
int memory_foreign_fd(struct memory_foreign *f);
/* Is it a page of such a file? It has a reference. */
bool memory_file_is_foreign(struct memory_file *mf, uint32_t page);

/* For memory_chunk.c: so many blocks of the chunk have no reference any more. */
void memory_foreign_give(struct memory_file *mf, uint32_t chunk, unsigned blocks) MAY_LOCK_ARENA;
