/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block_seq.h - memory of this process as a sequence of blocks (safemem of the original).
 *
 * A block is a value. A sequence borrows its array of blocks; blocks of length 0 are allowed in
 * the array and skipped. NumBlocks==0 iff NumBytes==0. Nothing here allocates or takes a lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
	unsigned char *address;
	size_t length;
	bool need_safe_copy; /* an access may fault (SIGBUS past the end of a file) */
};

struct block_seq {
	const struct block *blocks; /* NULL: the one block is `single` */
	struct block single;
	size_t count; /* blocks in the array, empty ones included */
	size_t offset; /* bytes skipped in the first block */
	uint64_t limit; /* bytes in the whole sequence from offset on */
};

struct block block_drop_first(struct block b, size_t n); /* beyond the end: empty */
struct block block_take_first(struct block b, size_t n); /* beyond the end: all */

struct block_seq block_seq_empty(void);
struct block_seq block_seq_of(struct block b);
/* Borrows blocks. The total must not overflow 64 bits (reported through mm_fail). */
struct block_seq block_seq_from(const struct block *blocks, size_t count);
bool block_seq_is_empty(const struct block_seq *s);
uint64_t block_seq_bytes(const struct block_seq *s); /* O(1) */
size_t block_seq_block_count(const struct block_seq *s); /* O(n), empty blocks not counted */
struct block block_seq_head(const struct block_seq *s); /* must not be empty */
struct block_seq block_seq_tail(const struct block_seq *s); /* without the head block */
struct block_seq block_seq_drop_first(const struct block_seq *s, uint64_t n);
struct block_seq block_seq_take_first(const struct block_seq *s, uint64_t n);
/*
 * Copies min(bytes of both) and returns how many; overlapping: unspecified content. Fewer: the next
 * byte faulted, in a block that says need_safe_copy (see safe_copy.h). A fault in another block is
 * a fault of the program.
 */
uint64_t block_seq_copy(const struct block_seq *dst, const struct block_seq *src);
uint64_t block_seq_zero(const struct block_seq *dst); /* returns the bytes zeroed, likewise */
