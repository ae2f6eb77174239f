/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block_seq.c - sequences of blocks of memory, cut and joined without copying what they show.
 *
 * A sequence is kept canonical: either it is the one empty sequence, or its first block still has
 * bytes after `offset` and `limit` counts what is left in all blocks. So the head is always a
 * non-empty block, and is-empty and bytes are O(1). A sequence is a value: the single block is
 * stored inside it, never pointed at. No locks.
 */
#include "engine/block_seq.h"

#include <string.h>

#include "engine/fail.h"
#include "engine/safe_copy.h"

struct block block_drop_first(struct block b, size_t n)
{
	if (n > b.length)
		n = b.length;
	if (n > 0) /* an empty block may have a NULL address */
		b.address += n;
	b.length -= n;
	return b;
}

struct block block_take_first(struct block b, size_t n)
{
	if (n < b.length)
		b.length = n;
	return b;
}

static const struct block *seq_blocks(const struct block_seq *s)
{
	return s->blocks ? s->blocks : &s->single;
}

/* Steps over used-up and empty blocks. limit > 0 promises that a byte follows. */
static void seq_skip_empty(struct block_seq *s)
{
	while (seq_blocks(s)->length <= s->offset) {
		s->offset -= seq_blocks(s)->length;
		s->blocks++; /* never the single block: it is not empty */
		s->count--;
	}
}

struct block_seq block_seq_empty(void)
{
	return (struct block_seq){ 0 };
}

struct block_seq block_seq_of(struct block b)
{
	if (b.length == 0)
		return block_seq_empty();
	return (struct block_seq){ .single = b, .count = 1, .limit = b.length };
}

struct block_seq block_seq_from(const struct block *blocks, size_t count)
{
	struct block_seq s = { .blocks = blocks, .count = count };

	for (size_t i = 0; i < count; i++) {
		if (__builtin_add_overflow(s.limit, (uint64_t)blocks[i].length, &s.limit))
			mm_fail("block_seq_from: the lengths of %zu blocks overflow at block %zu",
				count, i);
	}
	if (s.limit == 0)
		return block_seq_empty();
	seq_skip_empty(&s);
	return s;
}

bool block_seq_is_empty(const struct block_seq *s)
{
	return s->limit == 0;
}

uint64_t block_seq_bytes(const struct block_seq *s)
{
	return s->limit;
}

size_t block_seq_block_count(const struct block_seq *s)
{
	const struct block *b = seq_blocks(s);
	uint64_t skip = s->offset;
	uint64_t left = s->limit;
	size_t count = 0;

	for (; left > 0; b++) {
		uint64_t length = b->length - skip;

		skip = 0;
		if (length == 0)
			continue;
		count++;
		left -= length < left ? length : left;
	}
	return count;
}

struct block block_seq_head(const struct block_seq *s)
{
	if (s->limit == 0)
		mm_fail("block_seq_head: the sequence is empty");

	struct block head = block_drop_first(*seq_blocks(s), s->offset);

	return s->limit < head.length ? block_take_first(head, (size_t)s->limit) : head;
}

struct block_seq block_seq_tail(const struct block_seq *s)
{
	return block_seq_drop_first(s, block_seq_head(s).length);
}

struct block_seq block_seq_drop_first(const struct block_seq *s, uint64_t n)
{
	struct block_seq rest = *s;

	if (n >= s->limit)
		return block_seq_empty();
	rest.limit -= n;
	while (n >= seq_blocks(&rest)->length - rest.offset) {
		n -= seq_blocks(&rest)->length - rest.offset;
		rest.offset = 0;
		rest.blocks++; /* bytes follow, so this is an array and not its last block */
		rest.count--;
	}
	rest.offset += (size_t)n;
	return rest;
}

struct block_seq block_seq_take_first(const struct block_seq *s, uint64_t n)
{
	struct block_seq first = *s;

	if (n == 0)
		return block_seq_empty();
	if (n < first.limit)
		first.limit = n;
	return first;
}

/* Moves n bytes; less if one of the two faults. */
static size_t block_copy(struct block d, struct block f, size_t n)
{
	if (d.need_safe_copy || f.need_safe_copy)
		return n - safe_copy(d.address, f.address, n).left;
	memmove(d.address, f.address, n); /* the blocks may overlap */
	return n;
}

uint64_t block_seq_copy(const struct block_seq *dst, const struct block_seq *src)
{
	struct block_seq to = *dst;
	struct block_seq from = *src;
	uint64_t done = 0;

	while (to.limit > 0 && from.limit > 0) {
		struct block d = block_seq_head(&to);
		struct block f = block_seq_head(&from);
		size_t n = d.length < f.length ? d.length : f.length;
		size_t moved = block_copy(d, f, n);

		done += moved;
		if (moved < n)
			break;
		to = block_seq_drop_first(&to, n);
		from = block_seq_drop_first(&from, n);
	}
	return done;
}

uint64_t block_seq_zero(const struct block_seq *dst)
{
	struct block_seq to = *dst;
	uint64_t done = 0;

	while (to.limit > 0) {
		struct block d = block_seq_head(&to);
		size_t left = 0;

		if (d.need_safe_copy)
			left = safe_zero(d.address, d.length).left;
		else
			memset(d.address, 0, d.length);
		done += d.length - left;
		if (left)
			break;
		to = block_seq_tail(&to);
	}
	return done;
}
