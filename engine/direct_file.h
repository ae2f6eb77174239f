/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct_file.h - a host file that is mapped as it is: offsets of the mappable are offsets of the
 * file, and its pages are those of the host's own page cache.
 *
 * Mappings may do what the descriptor was opened for. Offsets up to the end of the page that holds
 * the last byte can be translated; beyond is bus_error(ENXIO). The size is the host's, asked for
 * anew by each translate, so growth is seen at once. If others cut the file, what is mapped
 * already raises SIGBUS in the host (memory_foreign.h) until direct_file_refresh.
 *
 * Lives until the last reference of its identity is dropped. Any number of threads may call.
 */
#pragma once

#include "engine/interfaces.h"
#include "engine/memory_file.h"

struct direct_file;

/* fd is duplicated. name: for maps listings, cut to fit; NULL: the path of fd. *out comes with one
 * reference; mf must outlive it. 0, -ENOMEM, -EACCES (not open for reading), -ENODEV (not a file
 * or block device), -errno. */
MM_MUST_CHECK int direct_file_create(struct memory_file *mf, int fd, const char *name,
				     struct direct_file **out) MAY_LOCK_RMAP;

struct mappable *direct_file_mappable(struct direct_file *df);
struct mapping_identity *direct_file_identity(struct direct_file *df);

/* Sets the size of the host file. When it returns, no page of what was cut off is mapped, private
 * copies included. 0, -EINVAL (not open for writing), -errno (nothing changed). */
MM_MUST_CHECK int direct_file_truncate(struct direct_file *df, uint64_t new_size_bytes)
	MAY_LOCK_OBJECT;
/* If others made the file shorter: unmaps what lies beyond its end. 0, -errno of fstat. */
MM_MUST_CHECK int direct_file_refresh(struct direct_file *df) MAY_LOCK_OBJECT;
