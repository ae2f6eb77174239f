/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_set_test.c - the reverse map: what add, remove and invalidate tell, and random
 * operations against a sorted array of single pages.
 */
#include "engine/mapping_set.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "engine/fail.h"

#define PAGE MM_PAGE_SIZE
#define LOG_MAX 4096

struct log {
	struct mappable_range ranges[LOG_MAX];
	size_t range_count;
	struct call {
		uint64_t space_id;
		struct addr_range ar;
		bool invalidate_private;
	} calls[LOG_MAX];
	size_t call_count;
};

static struct log trace;

static void log_range(struct mappable_range mr, void *arg)
{
	struct log *l = arg;

	assert_true(l->range_count < LOG_MAX);
	l->ranges[l->range_count++] = mr;
}

static void log_invalidate(struct mapping_space *ms, struct addr_range ar,
			   struct invalidate_opts opts)
{
	assert_true(trace.call_count < LOG_MAX);
	trace.calls[trace.call_count++] = (struct call){ ms->id, ar, opts.invalidate_private };
}

static const struct mapping_space_ops log_ops = { .invalidate = log_invalidate };
static struct mapping_space spaces[4] = {
	{ &log_ops, 1 }, { &log_ops, 2 }, { &log_ops, 3 }, { &log_ops, 4 }
};

/* The callers below are single-threaded; the rmap lock is nobody's. */
static void add(struct mapping_set *set, unsigned space, uint64_t start, uint64_t end,
		uint64_t offset, bool writable) NO_TSA
{
	trace.range_count = 0;
	assert_int_equal(mapping_set_add(set, &spaces[space], (struct addr_range){ start, end },
					 offset, writable, log_range, &trace),
			 0);
}

static void cut(struct mapping_set *set, unsigned space, uint64_t start, uint64_t end,
		uint64_t offset, bool writable) NO_TSA
{
	trace.range_count = 0;
	mapping_set_remove(set, &spaces[space], (struct addr_range){ start, end }, offset, writable,
			   log_range, &trace);
}

static void invalidate(struct mapping_set *set, uint64_t start, uint64_t end, bool private) NO_TSA
{
	trace.call_count = 0;
	mapping_set_invalidate(set, NULL, (struct mappable_range){ start, end },
			       (struct invalidate_opts){ private });
}

static void expect_range(size_t i, uint64_t start, uint64_t end)
{
	assert_true(i < trace.range_count);
	assert_int_equal(trace.ranges[i].start, start);
	assert_int_equal(trace.ranges[i].end, end);
}

static void expect_call(size_t i, uint64_t space_id, uint64_t start, uint64_t end)
{
	assert_true(i < trace.call_count);
	assert_int_equal(trace.calls[i].space_id, space_id);
	assert_int_equal(trace.calls[i].ar.start, start);
	assert_int_equal(trace.calls[i].ar.end, end);
}

static struct mapping_set the_set;

static int setup(void **state)
{
	memset(&trace, 0, sizeof(trace));
	*state = &the_set;
	return 0;
}

static int teardown(void **state)
{
	mapping_set_release(*state);
	return 0;
}

static void test_add_remove_whole(void **state) NO_TSA
{
	struct mapping_set *set = *state;

	assert_true(mapping_set_is_empty(set));
	add(set, 0, 0x10000, 0x12000, 0x1000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x1000, 0x3000);
	assert_int_equal(mapping_set_count(set), 1);

	/* the same again is a no-op, as is a part of it */
	add(set, 0, 0x10000, 0x12000, 0x1000, true);
	assert_int_equal(trace.range_count, 0);
	add(set, 0, 0x11000, 0x12000, 0x2000, true);
	assert_int_equal(trace.range_count, 0);
	assert_int_equal(mapping_set_count(set), 1);

	cut(set, 0, 0x10000, 0x12000, 0x1000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x1000, 0x3000);
	assert_true(mapping_set_is_empty(set));
}

static void test_remove_parts(void **state) NO_TSA
{
	struct mapping_set *set = *state;

	add(set, 0, 0x10000, 0x15000, 0, true);
	cut(set, 0, 0x12000, 0x13000, 0x2000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x2000, 0x3000);
	assert_int_equal(mapping_set_count(set), 2);
	invalidate(set, 0, 0x10000, false);
	assert_int_equal(trace.call_count, 2);
	expect_call(0, 1, 0x10000, 0x12000);
	expect_call(1, 1, 0x13000, 0x15000);

	/* mending the hole makes one element again */
	add(set, 0, 0x12000, 0x13000, 0x2000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x2000, 0x3000);
	assert_int_equal(mapping_set_count(set), 1);
	cut(set, 0, 0x10000, 0x11000, 0, true);
	cut(set, 0, 0x14000, 0x15000, 0x4000, true);
	expect_range(0, 0x4000, 0x5000);
	invalidate(set, 0, 0x10000, false);
	assert_int_equal(trace.call_count, 1);
	expect_call(0, 1, 0x11000, 0x14000);
}

static void test_invalidate_whole_and_partial(void **state)
{
	struct mapping_set *set = *state;

	add(set, 0, 0x10000, 0x11000, 0, true);
	invalidate(set, 0, 0x1000, true);
	assert_int_equal(trace.call_count, 1);
	expect_call(0, 1, 0x10000, 0x11000);
	assert_true(trace.calls[0].invalidate_private);
	invalidate(set, 0x1000, 0x2000, false);
	assert_int_equal(trace.call_count, 0);

	add(set, 0, 0x20000, 0x23000, 0x1000, true);
	invalidate(set, 0x2000, 0x3000, false);
	assert_int_equal(trace.call_count, 1);
	expect_call(0, 1, 0x21000, 0x22000);
	assert_false(trace.calls[0].invalidate_private);
	invalidate(set, 0, UINT64_MAX - PAGE + 1, false);
	assert_int_equal(trace.call_count, 2);
	expect_call(0, 1, 0x10000, 0x11000);
	expect_call(1, 1, 0x20000, 0x23000);
}

/* Ascending offsets here are descending spaces and addresses: the order must be the latter's. */
static void test_invalidate_order(void **state)
{
	struct mapping_set *set = *state;

	add(set, 3, 0x10000, 0x12000, 0x0000, false);
	add(set, 1, 0x50000, 0x52000, 0x1000, false);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x2000, 0x3000);
	add(set, 1, 0x30000, 0x32000, 0x2000, true);
	add(set, 0, 0x70000, 0x74000, 0x0000, true);
	assert_int_equal(trace.range_count, 0);
	invalidate(set, 0x1000, 0x4000, true);
	assert_int_equal(trace.call_count, 4);
	expect_call(0, 1, 0x71000, 0x74000);
	expect_call(1, 2, 0x30000, 0x32000);
	expect_call(2, 2, 0x50000, 0x52000);
	expect_call(3, 4, 0x11000, 0x12000);
}

static void test_several_mappings(void **state)
{
	struct mapping_set *set = *state;

	add(set, 0, 0x10000, 0x13000, 0x1000, true);
	expect_range(0, 0x1000, 0x4000);
	add(set, 1, 0x20000, 0x24000, 0x0000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x0000, 0x1000);
	add(set, 0, 0x30000, 0x36000, 0x0000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x4000, 0x6000);

	cut(set, 0, 0x30000, 0x36000, 0x0000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x4000, 0x6000);
	cut(set, 1, 0x20000, 0x24000, 0x0000, true);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x0000, 0x1000);
	cut(set, 0, 0x10000, 0x13000, 0x1000, true);
	expect_range(0, 0x1000, 0x4000);
}

/* A new mapping over islands is told every gap between them. */
static void test_newly_mapped_gaps(void **state)
{
	struct mapping_set *set = *state;

	add(set, 1, 0x11000, 0x12000, 0x1000, true);
	add(set, 2, 0x13000, 0x14000, 0x3000, true);
	add(set, 3, 0x13000, 0x15000, 0x3000, true);
	add(set, 0, 0x10000, 0x17000, 0x0000, false);
	assert_int_equal(trace.range_count, 3);
	expect_range(0, 0x0000, 0x1000);
	expect_range(1, 0x2000, 0x3000);
	expect_range(2, 0x5000, 0x7000);
	cut(set, 0, 0x10000, 0x17000, 0x0000, false);
	assert_int_equal(trace.range_count, 3);
	expect_range(1, 0x2000, 0x3000);
}

static void test_mixed_writable(void **state) NO_TSA
{
	struct mapping_set *set = *state;

	add(set, 0, 0x10000, 0x12000, 0x1000, true);
	expect_range(0, 0x1000, 0x3000);
	add(set, 0, 0x20000, 0x22000, 0x2000, false);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x3000, 0x4000);

	/* not there as writable: nothing is removed */
	cut(set, 0, 0x20000, 0x22000, 0x2000, true);
	assert_int_equal(trace.range_count, 0);
	assert_int_equal(mapping_set_count(set), 2);
	cut(set, 0, 0x20000, 0x22000, 0x2000, false);
	assert_int_equal(trace.range_count, 1);
	expect_range(0, 0x3000, 0x4000);

	/* the same addresses both ways are two elements */
	add(set, 0, 0x10000, 0x12000, 0x1000, false);
	assert_int_equal(mapping_set_count(set), 2);
	cut(set, 0, 0x10000, 0x12000, 0x1000, true);
	assert_int_equal(trace.range_count, 0);
	cut(set, 0, 0x10000, 0x12000, 0x1000, false);
	expect_range(0, 0x1000, 0x3000);
	assert_true(mapping_set_is_empty(set));
}

/* Null callbacks are allowed, and the end of the offset space is an ordinary place. */
static void test_edges(void **state) NO_TSA
{
	struct mapping_set *set = *state;
	uint64_t top = UINT64_MAX - PAGE + 1;
	struct addr_range ar = { 0x10000, 0x12000 };

	assert_int_equal(mapping_set_add(set, &spaces[0], ar, top - 2 * PAGE, true, NULL, NULL), 0);
	invalidate(set, top - PAGE, top, false);
	expect_call(0, 1, 0x11000, 0x12000);
	mapping_set_remove(set, &spaces[0], ar, top - 2 * PAGE, true, NULL, NULL);
	assert_true(mapping_set_is_empty(set));
}

static jmp_buf failed;
static void jump_out(const char *text)
{
	assert_non_null(strstr(text, "bad mapping"));
	longjmp(failed, 1);
}

static void expect_refused(struct mapping_set *set, uint64_t start, uint64_t end, uint64_t offset)
	NO_TSA
{
	mm_fail_hook old = mm_fail_set_hook(jump_out);

	if (!setjmp(failed)) {
		int rc = mapping_set_add(set, &spaces[0], (struct addr_range){ start, end }, offset,
					 true, NULL, NULL);

		mm_fail_set_hook(old);
		fail_msg("accepted with %d", rc);
	}
	mm_fail_set_hook(old);
}

static void test_bad_ranges_are_named(void **state)
{
	expect_refused(*state, 0x1000, 0x1000, 0);
	expect_refused(*state, 0x2000, 0x1000, 0);
	expect_refused(*state, 0x1000, 0x1800, 0);
	expect_refused(*state, 0x1000, 0x2000, 0x10);
	expect_refused(*state, 0x1000, 0x3000, UINT64_MAX - PAGE + 1);
}

/* Adding and removing a page among many mappings leaves the heap as it was. */
static void test_no_growth(void **state) NO_TSA
{
	struct mapping_set *set = *state;

	for (uint64_t i = 0; i < 1000; i++)
		add(set, i % 4, i << 32, (i << 32) + 64 * PAGE, 0, i & 1);
	assert_int_equal(mapping_set_count(set), 1000);
	for (int i = 0; i < 100; i++) {
		add(set, 0, UINT64_C(1) << 60, (UINT64_C(1) << 60) + PAGE, 7 * PAGE, true);
		assert_int_equal(trace.range_count, 0);
		cut(set, 0, UINT64_C(1) << 60, (UINT64_C(1) << 60) + PAGE, 7 * PAGE, true);
	}
	size_t before = mallinfo2().uordblks;

	for (int i = 0; i < 10000; i++) {
		add(set, 0, UINT64_C(1) << 60, (UINT64_C(1) << 60) + PAGE, 7 * PAGE, true);
		cut(set, 0, UINT64_C(1) << 60, (UINT64_C(1) << 60) + PAGE, 7 * PAGE, true);
	}
	assert_true(mallinfo2().uordblks <= before);
	assert_int_equal(mapping_set_count(set), 1000);
	invalidate(set, 5 * PAGE, 6 * PAGE, false);
	assert_int_equal(trace.call_count, 1000);
	for (size_t i = 1; i < trace.call_count; i++) {
		const struct call *a = &trace.calls[i - 1], *b = &trace.calls[i];

		assert_true(a->space_id < b->space_id ||
			    (a->space_id == b->space_id && a->ar.start < b->ar.start));
	}
}

/* Many cuts of one element: each needs a node that no add set aside for it. */
static void test_comb(void **state) NO_TSA
{
	struct mapping_set *set = *state;

	add(set, 0, 0, 2000 * PAGE, 0, true);
	for (uint64_t i = 1; i < 2000; i += 2)
		cut(set, 0, i * PAGE, (i + 1) * PAGE, i * PAGE, true);
	assert_int_equal(mapping_set_count(set), 1000);
	cut(set, 0, 0, 2000 * PAGE, 0, true);
	assert_int_equal(trace.range_count, 1000);
	expect_range(999, 1998 * PAGE, 1999 * PAGE);
	assert_true(mapping_set_is_empty(set));
}

/* ---- model: a sorted array with one entry per (offset page, space, address, writable) ---- */

#define MODEL_PAGES 48
#define MODEL_MAX (MODEL_PAGES * 4 * 3 * 2)

struct unit {
	uint64_t offset;
	uint64_t space_id;
	uint64_t address;
	bool writable;
};

/* An element of the set is as many units of one owner as follow each other. */
struct model {
	struct unit units[MODEL_MAX];
	size_t count;
	size_t elements[2]; /* by writable */
	size_t splits, merges; /* operations that left more elements by a cut, fewer by an add */
};

static int unit_compare(const void *x, const void *y)
{
	const struct unit *a = x, *b = y;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (a->space_id != b->space_id)
		return a->space_id < b->space_id ? -1 : 1;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (int)a->writable - (int)b->writable;
}

static size_t model_find(const struct model *m, const struct unit *u)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (unit_compare(&m->units[mid], u) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool model_has(const struct model *m, const struct unit *u)
{
	size_t i = model_find(m, u);

	return i < m->count && !unit_compare(&m->units[i], u);
}

static bool model_mapped(const struct model *m, uint64_t offset)
{
	struct unit u = { .offset = offset };
	size_t i = model_find(m, &u);

	return i < m->count && m->units[i].offset == offset;
}

/* How many of the units just below and above u, of the same owner, are there. */
static size_t model_neighbours(const struct model *m, const struct unit *u)
{
	struct unit below = *u, above = *u;

	below.offset -= PAGE;
	below.address -= PAGE;
	above.offset += PAGE;
	above.address += PAGE;
	return (u->offset && model_has(m, &below)) + (size_t)model_has(m, &above);
}

static void model_put(struct model *m, const struct unit *u)
{
	size_t i = model_find(m, u);

	assert_true(m->count < MODEL_MAX);
	m->elements[u->writable] += 1 - model_neighbours(m, u);
	memmove(&m->units[i + 1], &m->units[i], (m->count - i) * sizeof(*u));
	m->units[i] = *u;
	m->count++;
}

static void model_drop(struct model *m, const struct unit *u)
{
	size_t i = model_find(m, u);

	m->elements[u->writable] += model_neighbours(m, u) - 1;
	m->count--;
	memmove(&m->units[i], &m->units[i + 1], (m->count - i) * sizeof(*u));
}

/* Changes the model as add or cut does and checks what the set told in `trace`. */
static void model_apply(struct model *m, bool adding, unsigned space, struct addr_range ar,
			uint64_t offset, bool writable)
{
	struct mappable_range expected[MODEL_PAGES];
	size_t count = 0, before = m->elements[writable];

	for (uint64_t at = ar.start; at < ar.end; at += PAGE) {
		struct unit u = { at - ar.start + offset, spaces[space].id, at, writable };
		bool changed;

		if (model_has(m, &u) == adding)
			continue;
		changed = !model_mapped(m, u.offset);
		if (adding)
			model_put(m, &u);
		else
			model_drop(m, &u);
		if (!adding)
			changed = !model_mapped(m, u.offset);
		if (!changed)
			continue;
		if (count && expected[count - 1].end == u.offset)
			expected[count - 1].end += PAGE;
		else
			expected[count++] = (struct mappable_range){ u.offset, u.offset + PAGE };
	}
	assert_int_equal(trace.range_count, count);
	for (size_t i = 0; i < count; i++)
		expect_range(i, expected[i].start, expected[i].end);
	m->merges += adding && m->elements[writable] < before;
	m->splits += !adding && m->elements[writable] > before;
}

static struct unit seen[MODEL_MAX];
static size_t seen_count;

static void see(struct mappable_range mr, struct mapping_space *ms, struct addr_range ar,
		bool writable, void *arg)
{
	uint64_t *last_start = arg;

	assert_int_equal(mr.end - mr.start, ar.end - ar.start);
	assert_true(mr.start >= *last_start);
	*last_start = mr.start;
	for (uint64_t at = 0; at < mr.end - mr.start; at += PAGE) {
		assert_true(seen_count < MODEL_MAX);
		seen[seen_count++] =
			(struct unit){ mr.start + at, ms->id, ar.start + at, writable };
	}
}

static void model_compare(const struct model *m, const struct mapping_set *set) NO_TSA
{
	uint64_t last_start = 0;

	seen_count = 0;
	mapping_set_visit(set, (struct mappable_range){ 0, MODEL_PAGES * PAGE }, see, &last_start);
	assert_int_equal(seen_count, m->count);
	qsort(seen, seen_count, sizeof(*seen), unit_compare);
	for (size_t i = 0; i < m->count; i++)
		assert_int_equal(unit_compare(&seen[i], &m->units[i]), 0);
	assert_int_equal(mapping_set_is_empty(set), m->count == 0);
}

/* The calls of an invalidation of mr are exactly the model's units, in order. */
static void model_compare_calls(const struct model *m, struct mappable_range mr)
{
	size_t expected = 0;
	size_t pages = 0;

	for (size_t i = 0; i < m->count; i++)
		expected += mappable_range_contains(mr, m->units[i].offset);
	for (size_t i = 0; i < trace.call_count; i++) {
		const struct call *c = &trace.calls[i];

		pages += (c->ar.end - c->ar.start) / PAGE;
		if (i > 0) {
			const struct call *b = c - 1;

			assert_true(b->space_id < c->space_id ||
				    (b->space_id == c->space_id && b->ar.start <= c->ar.start));
		}
		for (uint64_t at = c->ar.start; at < c->ar.end; at += PAGE) {
			bool found = false;

			for (size_t k = 0; k < m->count && !found; k++)
				found = m->units[k].space_id == c->space_id &&
					m->units[k].address == at &&
					mappable_range_contains(mr, m->units[k].offset);
			assert_true(found);
		}
	}
	assert_int_equal(pages, expected);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static void model_check_counts(const struct model *m, const struct mapping_set *set) NO_TSA
{
	assert_int_equal(mapping_set_count(set), m->elements[0] + m->elements[1]);
	assert_int_equal(mapping_set_writable_count(set), m->elements[1]);
}

static void test_model(void **state)
{
	static struct model m;
	struct mapping_set *set = *state;
	uint64_t random = 42;

	for (int i = 0; i < 120000; i++) {
		unsigned space = next_random(&random) % 4;
		uint64_t base = (1 + next_random(&random) % 3) << 30;
		bool writable = next_random(&random) % 2;
		uint64_t first = next_random(&random) % MODEL_PAGES;
		uint64_t length = 1 + next_random(&random) % 6;
		struct addr_range ar;
		unsigned kind = next_random(&random) % 16;
		/* dense and sparse by turns: gaps only show when sparse */
		unsigned add_below = i / 1000 % 2 ? 7 : 1;

		if (first + length > MODEL_PAGES)
			length = MODEL_PAGES - first;
		ar = (struct addr_range){ base + first * PAGE, base + (first + length) * PAGE };
		if (kind < add_below) {
			add(set, space, ar.start, ar.end, first * PAGE, writable);
			model_apply(&m, true, space, ar, first * PAGE, writable);
		} else if (kind < 15) {
			cut(set, space, ar.start, ar.end, first * PAGE, writable);
			model_apply(&m, false, space, ar, first * PAGE, writable);
		} else if (i % 8 == 0) {
			struct mappable_range mr = { first * PAGE, (first + length) * PAGE };

			invalidate(set, mr.start, mr.end, false);
			model_compare_calls(&m, mr);
		}
		model_check_counts(&m, set);
		if (i % 64 == 0)
			model_compare(&m, set);
	}
	model_compare(&m, set);
	assert_true(m.splits > 1000 && m.merges > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_add_remove_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remove_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalidate_whole_and_partial, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalidate_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_mappings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newly_mapped_gaps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mixed_writable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_ranges_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_growth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_comb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_model, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
