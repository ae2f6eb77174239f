/* SPDX-License-Identifier: Apache-2.0 */
/* block_seq_test.c - sequences of blocks against one flat buffer, with empty blocks between. */
#include "engine/block_seq.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "engine/fail.h"

#define BYTES 24

static unsigned char memory[BYTES];
static struct block blocks[9];

/* 0+3+0+0+5+1+15+0 bytes of memory, in place: block boundaries at 3, 8 and 9. */
static int setup(void **state)
{
	static const size_t lengths[] = { 0, 3, 0, 0, 5, 1, 15, 0, 0 };
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		blocks[i] = (struct block){ memory + at, lengths[i], i == 4 };
		at += lengths[i];
	}
	for (size_t i = 0; i < BYTES; i++)
		memory[i] = (unsigned char)(i + 1);
	return at == BYTES ? 0 : -1;
}

/* The sequence shows memory[from, from + length), in blocks that never are empty. */
static void expect_shows(struct block_seq s, size_t from, size_t length)
{
	size_t count = 0;

	assert_int_equal(block_seq_bytes(&s), length);
	assert_int_equal(block_seq_is_empty(&s), length == 0);
	size_t expected_count = block_seq_block_count(&s);

	while (!block_seq_is_empty(&s)) {
		struct block head = block_seq_head(&s);

		assert_true(head.length > 0);
		assert_ptr_equal(head.address, memory + from);
		assert_int_equal(head.need_safe_copy, from >= 3 && from < 8);
		from += head.length;
		length -= head.length;
		count++;
		s = block_seq_tail(&s);
	}
	assert_int_equal(length, 0);
	assert_int_equal(count, expected_count);
}

static void test_block(void **state)
{
	struct block b = { memory, 5, true };

	(void)state;
	assert_ptr_equal(block_drop_first(b, 2).address, memory + 2);
	assert_int_equal(block_drop_first(b, 2).length, 3);
	assert_true(block_drop_first(b, 2).need_safe_copy);
	assert_int_equal(block_drop_first(b, 5).length, 0);
	assert_int_equal(block_drop_first(b, 6).length, 0);
	assert_ptr_equal(block_drop_first(b, 6).address, memory + 5);
	assert_int_equal(block_take_first(b, 2).length, 2);
	assert_int_equal(block_take_first(b, 9).length, 5);
	assert_ptr_equal(block_take_first(b, 2).address, memory);
	assert_int_equal(block_drop_first((struct block){ 0 }, 3).length, 0);
}

static void test_empty(void **state)
{
	struct block none = { NULL, 0, false };
	struct block_seq s = block_seq_empty();

	(void)state;
	expect_shows(s, 0, 0);
	assert_int_equal(block_seq_block_count(&s), 0);
	expect_shows(block_seq_of(none), 0, 0);
	expect_shows(block_seq_from(NULL, 0), 0, 0);
	expect_shows(block_seq_from((struct block[]){ none, none }, 2), 0, 0);
	expect_shows(block_seq_drop_first(&s, 1), 0, 0);
	expect_shows(block_seq_take_first(&s, 1), 0, 0);
}

/* A single block is part of the value: copies outlive the original. */
static void test_single(void **state)
{
	struct block_seq s = block_seq_of((struct block){ memory + 9, 10, false });
	struct block_seq copy = s;

	(void)state;
	memset(&s, 0xff, sizeof(s));
	expect_shows(copy, 9, 10);
	expect_shows(block_seq_drop_first(&copy, 4), 13, 6);
	expect_shows(block_seq_take_first(&copy, 4), 9, 4);
	assert_int_equal(block_seq_block_count(&copy), 1);
}

/* Every way to cut [drop, drop + take) out of the array, in either order. */
static void test_all_cuts(void **state)
{
	struct block_seq s = block_seq_from(blocks, 9);

	(void)state;
	expect_shows(s, 0, BYTES);
	assert_int_equal(block_seq_block_count(&s), 4);
	for (size_t drop = 0; drop <= BYTES + 1; drop++)
		for (size_t take = 0; take <= BYTES + 1; take++) {
			size_t from = drop < BYTES ? drop : BYTES;
			size_t length = take < BYTES - from ? take : BYTES - from;
			struct block_seq a = block_seq_drop_first(&s, drop);
			struct block_seq b = block_seq_take_first(&s, drop + take);

			expect_shows(block_seq_take_first(&a, take), from, length);
			expect_shows(block_seq_drop_first(&b, drop), from, length);
		}
}

/* Copies between every pair of starting points, so that boundaries meet in all ways. */
static void test_copy(void **state)
{
	unsigned char out[BYTES];
	struct block pieces[] = { { out, 4, false },
				  { out + 4, 0, false },
				  { out + 4, 16, false } };
	struct block_seq to = block_seq_from(pieces, 3);
	struct block_seq from = block_seq_from(blocks, 9);

	(void)state;
	for (size_t skip_to = 0; skip_to <= 20; skip_to++)
		for (size_t skip_from = 0; skip_from <= BYTES; skip_from++) {
			struct block_seq dst = block_seq_drop_first(&to, skip_to);
			struct block_seq src = block_seq_drop_first(&from, skip_from);
			size_t n = 20 - skip_to;

			if (n > BYTES - skip_from)
				n = BYTES - skip_from;
			memset(out, 0xee, sizeof(out));
			assert_int_equal(block_seq_copy(&dst, &src), n);
			for (size_t i = 0; i < BYTES; i++)
				assert_int_equal(out[i], i >= skip_to && i < skip_to + n
								 ? memory[i - skip_to + skip_from]
								 : 0xee);
		}
}

static void test_zero(void **state)
{
	struct block_seq s = block_seq_from(blocks, 9);

	(void)state;
	s = block_seq_drop_first(&s, 2);
	s = block_seq_take_first(&s, 10);
	assert_int_equal(block_seq_zero(&s), 10);
	for (size_t i = 0; i < BYTES; i++)
		assert_int_equal(memory[i], i >= 2 && i < 12 ? 0 : i + 1);
}

static jmp_buf caught;
static const char *wanted;

static void catch (const char *text)
{
	longjmp(caught, strstr(text, wanted) ? 1 : 2);
}

static void test_misuse_is_reported(void **state)
{
	struct block huge[] = { { memory, SIZE_MAX, false }, { memory, 1, false } };
	struct block_seq empty = block_seq_empty();
	mm_fail_hook old = mm_fail_set_hook(catch);
	volatile int overflow = 0, head = 0;
	int how;

	(void)state;
	wanted = "overflow";
	how = setjmp(caught);
	if (!how)
		(void)block_seq_from(huge, 2);
	overflow = how;
	wanted = "empty";
	how = setjmp(caught);
	if (!how)
		(void)block_seq_head(&empty);
	head = how;
	mm_fail_set_hook(old);
	assert_int_equal(overflow, 1);
	assert_int_equal(head, 1);
	/* one byte less is legal */
	huge[0].length = SIZE_MAX - 1;
	struct block_seq full = block_seq_from(huge, 2);

	assert_int_equal(block_seq_bytes(&full), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_block, setup),
		cmocka_unit_test_setup(test_empty, setup),
		cmocka_unit_test_setup(test_single, setup),
		cmocka_unit_test_setup(test_all_cuts, setup),
		cmocka_unit_test_setup(test_copy, setup),
		cmocka_unit_test_setup(test_zero, setup),
		cmocka_unit_test_setup(test_misuse_is_reported, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
