/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - File of the seed: a host file whose pages are reference-counted, as a table of functions
 * (see interfaces.h, which has the other tables).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/access.h"
#include "engine/block_seq.h"
#include "engine/error.h"
#include "engine/lock_order.h"
#include "engine/range.h"

struct file;

struct file_ops {
	/* +1 / -1 on every page of fr: aligned, not empty, each page has at least one reference. */
	void (*inc_ref)(struct file *f, struct file_range fr);
	void (*dec_ref)(struct file *f, struct file_range fr);
	/*
	 * Memory of this process that shows fr (need not be aligned; not empty; referenced) for
	 * access `at`; valid while the pages stay referenced. -EACCES if at has EXEC;
	 * -EOPNOTSUPP: use buffer_read_at/buffer_write_at. Takes no lock.
	 */
	int (*map_internal)(struct file *f, struct file_range fr, mm_access at,
			    struct block_seq *out);
	/* The descriptor to map pages from, never to be read, written or closed by the caller. */
	int (*data_fd)(struct file *f);
	/* Fallback for files that cannot be mapped; NULL when map_internal always works.
	 * 0 or -errno; *done = bytes moved, less than length only with an error. */
	int (*buffer_read_at)(struct file *f, uint64_t offset, void *to, size_t length,
			      size_t *done);
	int (*buffer_write_at)(struct file *f, uint64_t offset, const void *from, size_t length,
			       size_t *done);
};

struct file {
	const struct file_ops *ops;
	/* What the host gives at a time, 4 KiB or 2 MiB, if this is memory of the family's own,
	 * whose descriptor stays and which nobody else resizes; 0: another file. Immutable. */
	uint64_t own_page_bytes;
};

static inline void file_inc_ref(struct file *f, struct file_range fr) MAY_LOCK_ARENA
{
	f->ops->inc_ref(f, fr);
}

static inline void file_dec_ref(struct file *f, struct file_range fr) MAY_LOCK_ARENA
{
	f->ops->dec_ref(f, fr);
}

static inline MM_MUST_CHECK int file_map_internal(struct file *f, struct file_range fr,
						  mm_access at, struct block_seq *out)
{
	return f->ops->map_internal(f, fr, at, out);
}

static inline int file_data_fd(struct file *f)
{
	return f->ops->data_fd(f);
}

/* For files whose map_internal says -EOPNOTSUPP. */
static inline MM_MUST_CHECK int file_buffer_read_at(struct file *f, uint64_t offset, void *to,
						    size_t length, size_t *done)
{
	return f->ops->buffer_read_at(f, offset, to, length, done);
}

static inline MM_MUST_CHECK int file_buffer_write_at(struct file *f, uint64_t offset,
						     const void *from, size_t length, size_t *done)
{
	return f->ops->buffer_write_at(f, offset, from, length, done);
}
