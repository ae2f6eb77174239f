/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm_io.c - copies, zeroing and atomics on application memory.
 *
 * A step locks a run of present entries that permit the access, copies through the files' own
 * mappings in this process while it holds them, and unlocks. What is absent, or lacks a permission,
 * is faulted first, holding nothing, and looked at again.
 *
 * Why the entries stay held while bytes move, where a page reference would keep the memory: a
 * reference does not keep the page in its place. A fork in the midst of a write would give the page
 * to the child as well; a store of the parent would then move the parent to a copy, and the rest of
 * our bytes would be the child's: lost to the parent, and seen by a child that was forked before
 * them. And a reader could see a later store (in place) without an earlier one (in a new
 * copy). With the entries held, fork, COW, truncate and punch are before or after the step, as
 * they are for a store of the application. They wait for 256 KiB of copying at most.
 *
 * Copies are fault-safe, since they run with locks held. If the caller's buffer faults, it may lie
 * in a window: then up to a page is bounced, so that each side is touched with nothing held for the
 * other.
 */
#include "engine/mm_io.h"

#include <errno.h>
#include <string.h>

#include "engine/io_hold.h"
#include "engine/safe_copy.h"
#include "engine/test_points.h"
#include "engine/trap.h"

#define BOUNCE_BYTES 4096

enum io_kind { IO_IN, IO_OUT, IO_ZERO };

/* A copy under way; what is done is subtracted from it. */
struct io {
	struct mm_space *s;
	enum io_kind kind;
	struct io_want want;
	unsigned char *buffer; /* of the caller; not for IO_ZERO */
	uint64_t address, left;
	bool buffer_faulted; /* the last step ended for it */
};

static void io_advance(struct io *io, uint64_t n)
{
	if (io->buffer)
		io->buffer += n;
	io->address += n;
	io->left -= n;
}

/* Moves n bytes between memory and the caller's buffer. */
static int io_move(struct io *io, unsigned char *memory, size_t n)
{
	uintptr_t buffer = (uintptr_t)io->buffer;
	struct safe_copied c;

	switch (io->kind) {
	case IO_IN:
		c = safe_copy(io->buffer, memory, n);
		break;
	case IO_OUT:
		c = safe_copy(memory, io->buffer, n);
		break;
	default:
		c = safe_zero(memory, n);
	}
	io_advance(io, n - c.left);
	if (!c.left)
		return 0;
	io->buffer_faulted = buffer && c.fault >= buffer && c.fault - buffer < n;
	return -EFAULT;
}

/* For a file that cannot be mapped here: by way of its own calls and a buffer. */
static int io_move_buffered(struct io *io, struct file *file, uint64_t offset, size_t n)
{
	unsigned char bytes[BOUNCE_BYTES];
	size_t moved = 0;
	int rc;

	if (n > sizeof(bytes))
		n = sizeof(bytes);
	if (io->kind == IO_IN) {
		rc = file_buffer_read_at(file, offset, bytes, n, &moved);
		int stored = io_move(io, bytes, moved);

		return stored ? stored : rc;
	}
	memset(bytes, 0, n);
	if (io->kind == IO_OUT) {
		struct safe_copied c = safe_copy(bytes, io->buffer, n);

		n -= c.left;
		if (!n) {
			io->buffer_faulted = true;
			return -EFAULT;
		}
	}
	rc = file_buffer_write_at(file, offset, bytes, n, &moved);
	io_advance(io, moved);
	return rc;
}

/* Moves bytes of what h holds until it is used up. 0 or an error, io says how far it came. */
static int io_step(struct io *io, const struct io_hold *h) REQUIRES(entry_class)
{
	uint64_t end = (h->page + h->pages) << MM_PAGE_SHIFT;

	while (io->left && io->address < end) {
		uint64_t in_page = io->address & (MM_PAGE_SIZE - 1);
		struct file *file;
		uint64_t offset;
		uint64_t n = io_hold_run(io->s, h, io->address >> MM_PAGE_SHIFT, &file, &offset);
		struct block_seq seq;
		int rc;

		n = (n << MM_PAGE_SHIFT) - in_page;
		if (n > io->left)
			n = io->left;
		offset += in_page;
		rc = file_map_internal(file, (struct file_range){ offset, offset + n }, io->want.at,
				       &seq);
		if (rc == -EOPNOTSUPP)
			rc = io_move_buffered(io, file, offset, n);
		else
			while (!rc && !block_seq_is_empty(&seq)) {
				struct block b = block_seq_head(&seq);

				seq = block_seq_tail(&seq);
				rc = io_move(io, b.address, b.length);
			}
		if (rc)
			return rc;
	}
	return 0;
}

/* Copies with nothing held, resolving faults of the one side that may lie in a window. Returns the
 * bytes done. */
static size_t copy_resolving(void *to, const void *from, size_t n, mm_access at) MAY_LOCK_ANY
{
	size_t done = 0;

	while (done < n) {
		struct safe_copied c = safe_copy((unsigned char *)to + done,
						 (const unsigned char *)from + done, n - done);

		done = n - c.left;
		if (c.left && trap_resolve((void *)c.fault, at, c.bus))
			break;
	}
	return done;
}

static int io_run(struct io *io) MAY_LOCK_ANY;

/* The caller's buffer faulted at its next byte: the next bytes go through a buffer of our own. */
static int io_bounce(struct io *io) MAY_LOCK_ANY
{
	unsigned char bytes[BOUNCE_BYTES];
	size_t n = io->left < sizeof(bytes) ? io->left : sizeof(bytes);
	struct io inner = *io;
	size_t done;
	int rc;

	inner.buffer = bytes;
	if (io->kind == IO_OUT) {
		inner.left = n = copy_resolving(bytes, io->buffer, n, MM_READ);
		if (!n)
			return -EFAULT;
		rc = io_run(&inner);
		io_advance(io, n - inner.left);
		return rc;
	}
	inner.left = n;
	rc = io_run(&inner);
	n -= inner.left;
	done = copy_resolving(io->buffer, bytes, n, MM_WRITE);
	io_advance(io, done);
	return done < n ? -EFAULT : rc;
}

static int io_run(struct io *io)
{
	while (io->left) {
		uint64_t last = (io->address + io->left - 1) >> MM_PAGE_SHIFT;
		struct io_hold h;
		int rc;

		io->buffer_faulted = false;
		if (!io_hold_lock(io->s, io->address >> MM_PAGE_SHIFT, last + 1, io->want, &h))
			return -EFAULT;
		MM_TEST_POINT(io_held); /* entries held */
		rc = io_step(io, &h);
		map_unit_unlock(&io->s->map, &h.u);
		if (io->buffer_faulted)
			rc = io_bounce(io);
		if (rc)
			return -EFAULT;
	}
	return 0;
}

static bool in_range(const struct mm_space *s, uint64_t address, uint64_t length)
{
	uint64_t end = s->end_page << MM_PAGE_SHIFT;

	return address <= end && length <= end - address;
}

static int io_do(struct mm_space *s, enum io_kind kind, uint64_t address, void *buffer,
		 uint64_t length, struct mm_io_opts opts, uint64_t *done) MAY_LOCK_ANY
{
	struct io io = { .s = s,
			 .kind = kind,
			 .want = { .at = kind == IO_IN ? MM_READ : MM_WRITE,
				   .force = opts.ignore_permissions },
			 .buffer = buffer,
			 .address = address,
			 .left = length };
	int rc = -EFAULT;

	if (in_range(s, address, length))
		rc = io_run(&io);
	*done = length - io.left;
	return rc;
}

int mm_copy_in(struct mm_space *s, uint64_t address, void *to, uint64_t length,
	       struct mm_io_opts opts, uint64_t *done)
{
	return io_do(s, IO_IN, address, to, length, opts, done);
}

int mm_copy_out(struct mm_space *s, uint64_t address, const void *from, uint64_t length,
		struct mm_io_opts opts, uint64_t *done)
{
	return io_do(s, IO_OUT, address, (void *)(uintptr_t)from, length, opts, done);
}

int mm_zero_out(struct mm_space *s, uint64_t address, uint64_t length, struct mm_io_opts opts,
		uint64_t *done)
{
	return io_do(s, IO_ZERO, address, NULL, length, opts, done);
}

static int io_vector(struct mm_space *s, enum io_kind kind, const struct mm_iovec *ranges,
		     size_t count, unsigned char *buffer, struct mm_io_opts opts, uint64_t *done)
	MAY_LOCK_ANY
{
	*done = 0;
	for (size_t i = 0; i < count; i++)
		if (!in_range(s, ranges[i].address, ranges[i].length))
			return -EFAULT;
	for (size_t i = 0; i < count; i++) {
		uint64_t moved;
		int rc = io_do(s, kind, ranges[i].address, buffer + *done, ranges[i].length, opts,
			       &moved);

		*done += moved;
		if (rc)
			return rc;
	}
	return 0;
}

int mm_copy_in_vector(struct mm_space *s, const struct mm_iovec *from, size_t count, void *to,
		      struct mm_io_opts opts, uint64_t *done)
{
	return io_vector(s, IO_IN, from, count, to, opts, done);
}

int mm_copy_out_vector(struct mm_space *s, const struct mm_iovec *to, size_t count,
		       const void *from, struct mm_io_opts opts, uint64_t *done)
{
	return io_vector(s, IO_OUT, to, count, (void *)(uintptr_t)from, opts, done);
}

/* ---- words ---- */

enum word_kind { WORD_LOAD, WORD_SWAP, WORD_COMPARE_SWAP };

struct word {
	enum word_kind kind;
	uint32_t expected, value;
	uint32_t old; /* out */
};

static int word_do(struct word *w, unsigned char *memory)
{
	uint32_t *at = (uint32_t *)(void *)memory;

	switch (w->kind) {
	case WORD_LOAD:
		return safe_load_u32(at, &w->old);
	case WORD_SWAP:
		return safe_swap_u32(at, w->value, &w->old);
	default:
		return safe_compare_swap_u32(at, w->expected, w->value, &w->old);
	}
}

/* The word's page is held. A file that cannot be mapped has no words to exchange. */
static int word_step(struct mm_space *s, const struct io_hold *h, uint64_t address, mm_access at,
		     struct word *w) REQUIRES(entry_class)
{
	struct block_seq seq;
	struct file *file;
	uint64_t offset;

	(void)io_hold_run(s, h, address >> MM_PAGE_SHIFT, &file, &offset);
	offset += address & (MM_PAGE_SIZE - 1);
	if (file_map_internal(file, (struct file_range){ offset, offset + sizeof(uint32_t) }, at,
			      &seq))
		return -EFAULT;
	struct block b = block_seq_head(&seq);

	return b.length < sizeof(uint32_t) ? -EFAULT : word_do(w, b.address);
}

static int io_word(struct mm_space *s, uint64_t address, struct word *w) MAY_LOCK_ANY
{
	struct io_want want = { .at = w->kind == WORD_LOAD ? MM_READ : MM_WRITE };
	uint64_t page = address >> MM_PAGE_SHIFT;
	struct io_hold h;

	if (address % sizeof(uint32_t))
		return -EINVAL;
	if (!in_range(s, address, sizeof(uint32_t)) || !io_hold_lock(s, page, page + 1, want, &h))
		return -EFAULT;
	int rc = word_step(s, &h, address, want.at, w);

	map_unit_unlock(&s->map, &h.u);
	return rc;
}

int mm_swap_u32(struct mm_space *s, uint64_t address, uint32_t value, uint32_t *old)
{
	struct word w = { .kind = WORD_SWAP, .value = value };
	int rc = io_word(s, address, &w);

	if (!rc)
		*old = w.old;
	return rc;
}

int mm_compare_swap_u32(struct mm_space *s, uint64_t address, uint32_t expected, uint32_t value,
			uint32_t *old)
{
	struct word w = { .kind = WORD_COMPARE_SWAP, .expected = expected, .value = value };
	int rc = io_word(s, address, &w);

	if (!rc)
		*old = w.old;
	return rc;
}

int mm_load_u32(struct mm_space *s, uint64_t address, uint32_t *value)
{
	struct word w = { .kind = WORD_LOAD };
	int rc = io_word(s, address, &w);

	if (!rc)
		*value = w.old;
	return rc;
}
