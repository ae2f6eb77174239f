/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_file.h - a host file behind a page cache of our own, in pages of the memory files.
 *
 * Pages are read a fill unit at a time when one of them is asked for, and a translation may reach
 * over what is cached inside one translation unit. A translation may be written through only if
 * that was asked for; then its pages are dirty, and stay so as long as a writable mapping covers
 * them. Dirty pages go back to the file by msync and at the end, never beyond its end.
 *
 * Offsets up to the end of the page that holds the last byte can be translated; beyond is
 * bus_error(ENXIO), a page that cannot be read bus_error(its errno). The size is looked at anew by
 * each translate. Bytes of the last page beyond the end are zero when a page is filled and when
 * the size changes; what is stored there is never written to the file.
 *
 * If others cut the file, what lay beyond is not answered any more once that was seen, and is
 * unmapped by the next call here that may (msync, refresh, truncate, punch, reclaim). If they
 * write to it, what is cached already is not read again. If they cut it at the very moment of a
 * write-back, pwrite makes it long again.
 *
 * Lives until the last reference of its identity is dropped. Any number of threads may call; as
 * for every mappable, the caller of translate holds the entry locks of what it installs.
 */
#pragma once

#include "engine/interfaces.h"
#include "engine/memory_file.h"

struct cached_file;

#define CACHED_FILE_MAX_BYTES (UINT64_C(1) << 39) /* offsets beyond are bus_error(EFBIG) */

struct cached_file_opts {
	uint64_t fill_bytes; /* power of two, 4 KiB .. 2 MiB; 0: 64 KiB */
	uint64_t translate_bytes; /* power of two, 4 KiB .. 1 GiB; 0: 2 MiB */
};

struct cached_file_stat {
	uint64_t cached_pages, dirty_pages; /* now */
	uint64_t fills; /* fill units read */
	uint64_t filled_pages; /* published by them */
	uint64_t written_bytes;
};

/* fd is duplicated. opts NULL: defaults. name: for maps listings, cut to fit; NULL: the path of
 * fd. *out comes with one reference; mf must outlive it. 0, -ENOMEM, -EINVAL (opts), -EACCES (not
 * open for reading), -ENODEV (not a file or block device), -errno. */
MM_MUST_CHECK int cached_file_create(struct memory_file *mf, int fd, const char *name,
				     const struct cached_file_opts *opts, struct cached_file **out)
	MAY_LOCK_RMAP;

struct mappable *cached_file_mappable(struct cached_file *cf);
struct mapping_identity *cached_file_identity(struct cached_file *cf);

/* Sets the size of the host file. When it returns 0, no page of what was cut off is mapped, private
 * copies included, and all bytes from the smaller of both sizes on read as zero. 0, -EINVAL (not
 * open for writing), -errno of the host: the file has its old size, or, if it was the file's size
 * or last page that could not be read afterwards, the new one, which the next call follows. */
MM_MUST_CHECK int cached_file_truncate(struct cached_file *cf, uint64_t new_size_bytes)
	MAY_LOCK_OBJECT;
/* Makes everyone who maps mr (aligned) drop its translations; the cached pages stay. */
void cached_file_invalidate(struct cached_file *cf, struct mappable_range mr,
			    struct invalidate_opts opts) MAY_LOCK_RMAP;
/* Follows a change of the size by others: unmaps what lies beyond the end. 0, -errno. */
MM_MUST_CHECK int cached_file_refresh(struct cached_file *cf) MAY_LOCK_OBJECT;
/* Writes what is dirty in mr to the host file; without fdatasync, which msync of the identity
 * does. 0, -errno: what was not written stays dirty. */
MM_MUST_CHECK int cached_file_write_back(struct cached_file *cf, struct mappable_range mr)
	MAY_LOCK_OBJECT;
/* Drops up to max_pages clean pages that no mapping covers. How many it dropped. */
uint64_t cached_file_reclaim(struct cached_file *cf, uint64_t max_pages) MAY_LOCK_OBJECT;

void cached_file_get_stat(struct cached_file *cf, struct cached_file_stat *out);
