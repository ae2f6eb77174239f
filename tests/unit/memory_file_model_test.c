/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file_model_test.c - memory files against a model that is an array of counts.
 *
 * Random operations, each answer foretold by the model; with and without a limit, and with pages
 * of 2 MiB where the host has some. Several threads: memory_file_threads_test.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory_file.h"
#include "engine/memory_readback.h"

#define HUGEPAGES 24
#include "tests/unit/hugepages.h"
#include "tests/unit/memory_file_fixture.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { MODEL_STEPS = 20000 };
#else
enum { MODEL_STEPS = 60000 };
#endif
enum { RUNS = 24, PINS = 64, LIVE_MAX = 20000 };

struct run {
	uint32_t first, pages;
	enum page_class cls;
};

/* ---- one thread ---- */

struct model {
	struct memory_file *mf;
	uint64_t seed;
	uint64_t max_blocks; /* of host memory; 0: no limit */
	bool huge_pages; /* class 2m as well */
	uint32_t *refs; /* by page; pins count */
	uint8_t *pins; /* by page */
	uint8_t *reserved, *stamped; /* by page; reserved 2: by a short run */
	uint8_t *touched; /* by block of a run: a page of it was claimed */
	uint32_t *place; /* by page: its index in live */
	uint32_t live[LIVE_MAX];
	uint32_t pinned[PINS];
	uint32_t live_count, pin_count;
	uint32_t refusals, huge_blocks, partial; /* what happened, so that it is known to have */
	struct run runs[RUNS];
};

static void model_stamp(struct model *m, uint32_t page)
{
	uint64_t *p = (uint64_t *)memory_file_memory(m->mf, page);

	m->stamped[page] = 1;
	p[0] = p[511] = page;
}

/* A page was handed out with one reference. */
static void model_got(struct model *m, uint32_t page, enum page_class cls)
{
	assert_int_equal(m->refs[page], 0);
	assert_int_equal(memory_file_class(m->mf, page), cls);
	assert_true(page_is_zero(m->mf, page));
	m->refs[page] = 1;
	m->place[page] = m->live_count;
	m->live[m->live_count++] = page;
	m->stamped[page] = 0;
	if (next_random(&m->seed) % 2) {
		memory_file_mark_dirty(m->mf, page);
		model_stamp(m, page);
	}
}

/* A reference is about to go. */
static void model_drop(struct model *m, uint32_t page)
{
	const uint64_t *p = (const uint64_t *)memory_file_memory(m->mf, page);

	if (m->stamped[page])
		assert_true(p[0] == page && p[511] == page);
	if (--m->refs[page])
		return;
	uint32_t last = m->live[--m->live_count];

	m->live[m->place[page]] = last;
	m->place[last] = m->place[page];
}

/* Blocks that cannot be had back: with a live page or a short run, or touched and reserved. */
static uint64_t model_blocks(const struct model *m)
{
	uint64_t blocks = 0;

	for (uint32_t block = 0; block < SPAN_PAGES / HUGE; block++) {
		bool needed = m->touched[block];

		for (uint32_t i = 0; i < HUGE && !needed; i++)
			needed = m->refs[block * HUGE + i] || m->reserved[block * HUGE + i] == 2;
		blocks += needed;
	}
	return blocks;
}

/* No memory is an answer only where there is none. A pool of each CPU may keep two blocks, and
 * what was retained when a run was cut from it is the run's, claimed or not. */
static void model_refused(struct model *m, int rc, enum page_class cls)
{
	assert_int_equal(rc, -ENOMEM);
	if (cls == PAGE_2M)
		return; /* how many the host has is its own affair */
	assert_true(m->max_blocks != 0);
	if (m->refusals++ % 64 == 0)
		assert_true(model_blocks(m) + RETAINED +
				    2 * (uint64_t)sysconf(_SC_NPROCESSORS_CONF) >=
			    m->max_blocks);
}

static enum page_class huge_class(struct model *m)
{
	return m->huge_pages && next_random(&m->seed) % 2 ? PAGE_2M : PAGE_THP;
}

static void model_alloc(struct model *m)
{
	enum page_class cls = huge_class(m);
	uint32_t page;
	int rc;

	if (next_random(&m->seed) % 64) {
		rc = memory_file_alloc(m->mf, MEMORY_NODE_ANY, &page);
		if (rc) {
			model_refused(m, rc, PAGE_4K);
			return;
		}
		assert_false(m->reserved[page]);
		model_got(m, page, PAGE_4K);
		return;
	}
	rc = memory_file_alloc_huge(m->mf, 0, cls, &page);
	if (rc) {
		model_refused(m, rc, cls);
		return;
	}
	for (uint32_t i = 0; i < HUGE; i++) {
		assert_false(m->reserved[page + i]);
		model_got(m, page + i, cls);
	}
	m->huge_blocks += cls == PAGE_2M;
}

static void model_reserve(struct model *m, struct run *r)
{
	uint32_t congruent = next_random(&m->seed) % HUGE;

	r->pages = random_pages(&m->seed);
	r->cls = next_random(&m->seed) % 3 ? PAGE_4K : huge_class(m);
	if (r->cls != PAGE_4K)
		congruent = 0;
	int rc =
		memory_file_reserve(m->mf, MEMORY_NODE_ANY, r->cls, r->pages, congruent, &r->first);

	if (rc) {
		/* A short run has its memory at once. */
		assert_true(r->cls == PAGE_4K && r->pages < HUGE);
		model_refused(m, rc, PAGE_4K);
		r->pages = 0;
		return;
	}
	if (r->pages >= HUGE)
		assert_int_equal(r->first % HUGE, congruent);
	assert_int_equal(r->first / MEMORY_CHUNK_PAGES,
			 (r->first + r->pages - 1) / MEMORY_CHUNK_PAGES);
	for (uint32_t i = r->first; i < r->first + r->pages; i++) {
		assert_int_equal(m->refs[i], 0);
		assert_false(m->reserved[i]);
		m->reserved[i] = r->cls == PAGE_4K && r->pages < HUGE ? 2 : 1;
	}
}

static void model_unreserve(struct model *m, struct run *r)
{
	memory_file_unreserve(m->mf, r->first, r->pages);
	memset(m->reserved + r->first, 0, r->pages);
	/* The ends of a run that is cut from whole blocks are nobody else's. */
	if (r->cls != PAGE_4K || r->pages >= HUGE)
		memset(m->touched + r->first / HUGE, 0,
		       (r->first + r->pages - 1) / HUGE - r->first / HUGE + 1);
	r->pages = 0;
}

/* What a claim of [first, first + pages) said. */
static void model_claimed(struct model *m, const struct run *r, uint32_t first, uint32_t pages,
			  int rc)
{
	bool busy = false;

	for (uint32_t i = 0; i < pages; i++)
		busy |= m->refs[first + i] != 0;
	if (rc == -ENOMEM) {
		model_refused(m, rc, r->cls);
		return;
	}
	assert_int_equal(rc, busy ? -EBUSY : 0);
	if (r->cls != PAGE_4K || r->pages >= HUGE)
		m->touched[first / HUGE] = 1;
	for (uint32_t i = 0; !busy && i < pages; i++)
		model_got(m, first + i, r->cls);
	m->huge_blocks += !busy && pages == HUGE && r->cls == PAGE_2M;
}

static void model_claim(struct model *m, const struct run *r)
{
	uint32_t page = r->first + next_random(&m->seed) % r->pages;
	uint32_t block = page / HUGE * HUGE;

	if (r->cls != PAGE_4K && next_random(&m->seed) % 4 == 0 &&
	    block + HUGE <= r->first + r->pages) {
		model_claimed(m, r, block, HUGE, memory_file_claim_huge(m->mf, block));
		return;
	}
	for (uint32_t end = page + 1 + next_random(&m->seed) % 40;
	     page < end && page < r->first + r->pages; page++)
		model_claimed(m, r, page, 1, memory_file_claim(m->mf, page));
}

/*
 * A range of live pages around a random one: any length, over block borders, or just its whole
 * block where that is live. With `spare`, each has a reference that is no pin. 0: none.
 */
static uint32_t model_range(struct model *m, bool spare, uint32_t *first)
{
	uint32_t page = m->live[next_random(&m->seed) % m->live_count];
	uint32_t most = 1 + next_random(&m->seed) % (next_random(&m->seed) % 4 ? 64 : 1500);
	uint32_t from = page - next_random(&m->seed) % most, start = page, end = page;

	if (next_random(&m->seed) % 4 == 0) {
		from = page / HUGE * HUGE;
		most = HUGE;
	}
	while (end < from + most && m->refs[end] > (spare ? m->pins[end] : 0))
		end++;
	if (end == page)
		return 0;
	while (start > from && m->refs[start - 1] > (spare ? m->pins[start - 1] : 0))
		start--;
	*first = start;
	m->partial += end - start > 1 && (start % HUGE || end % HUGE);
	return end - start;
}

/* Single references come and go, and those of ranges. */
static void model_count(struct model *m, bool up)
{
	uint32_t first, pages = m->live_count ? model_range(m, !up, &first) : 0;

	for (uint32_t i = 0; i < pages; i++) {
		if (up)
			m->refs[first + i]++;
		else
			model_drop(m, first + i);
	}
	if (!pages)
		return;
	if (pages == 1 && up && next_random(&m->seed) % 2)
		assert_true(memory_file_inc_not_zero(m->mf, first));
	else if (pages == 1 && up)
		memory_file_inc(m->mf, first);
	else if (pages == 1)
		memory_file_dec(m->mf, first);
	else if (up)
		memory_file_inc_range(m->mf, first, pages);
	else
		memory_file_dec_range(m->mf, first, pages);
}

static void model_pin(struct model *m)
{
	uint32_t page = m->live[next_random(&m->seed) % m->live_count];

	if (m->pin_count == PINS || m->pins[page] == UINT8_MAX)
		return;
	memory_file_pin(m->mf, page);
	m->refs[page]++;
	m->pins[page]++;
	m->pinned[m->pin_count++] = page;
	assert_int_equal(memory_file_pins(m->mf, page), m->pins[page]);
}

static void model_unpin(struct model *m)
{
	uint32_t at = next_random(&m->seed) % m->pin_count, page = m->pinned[at];

	m->pinned[at] = m->pinned[--m->pin_count];
	m->pins[page]--;
	model_drop(m, page);
	memory_file_unpin(m->mf, page);
	assert_int_equal(memory_file_pins(m->mf, page), m->pins[page]);
}

/* What changes no count: a block counted page by page, dirty pages, hints that are stale. */
static void model_look(struct model *m)
{
	uint32_t first, pages = model_range(m, false, &first);
	uint32_t page = next_random(&m->seed) % (uint32_t)SPAN_PAGES;
	const struct run *r = &m->runs[next_random(&m->seed) % RUNS];

	if (next_random(&m->seed) % 4 == 0)
		memory_file_split_block(m->mf, memory_file_block(m->mf, first));
	if (next_random(&m->seed) % 2) {
		memory_file_mark_dirty_range(m->mf, first, pages);
		for (uint32_t i = 0; i < pages; i++)
			model_stamp(m, first + i);
	}
	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(memory_file_count(m->mf, first + i), m->refs[first + i]);
	if (r->pages)
		page = r->first + next_random(&m->seed) % r->pages;
	if (!m->refs[page])
		assert_false(memory_file_inc_not_zero(m->mf, page));
}

static void model_check(struct model *m)
{
	struct memory_file_stat st;

	memory_file_check(m->mf);
	memory_file_get_stat(m->mf, &st);
	assert_int_equal(st.live_pages, m->live_count);
	for (uint32_t i = 0; i < m->live_count; i++)
		assert_int_equal(memory_file_count(m->mf, m->live[i]), m->refs[m->live[i]]);
	if (m->max_blocks)
		assert_true(st.host_bytes[PAGE_4K] + st.host_bytes[PAGE_2M] <=
			    m->max_blocks * MM_HUGE_SIZE);
}

static void model_step(struct model *m)
{
	struct run *r = &m->runs[next_random(&m->seed) % RUNS];
	uint32_t what = next_random(&m->seed) % 20;
	bool room = m->live_count < LIVE_MAX - 2 * HUGE;

	if (what < 4 && room)
		model_alloc(m);
	else if (what < 8 && r->pages && room)
		model_claim(m, r);
	else if (what < 9 && !r->pages)
		model_reserve(m, r);
	else if (what < 9 && next_random(&m->seed) % 4 == 0)
		model_unreserve(m, r);
	else if (what == 9 && m->live_count)
		model_pin(m);
	else if (what == 10 && m->pin_count)
		model_unpin(m);
	else if (what == 11 && m->live_count)
		model_look(m);
	else
		model_count(m, what == 12);
	for (int i = 0; !room && i < 200; i++)
		model_count(m, false);
}

static void model_run(struct model *m, int steps)
{
	m->mf = make(m->max_blocks * MM_HUGE_SIZE);
	m->seed = 88172645463325252u;
	m->refs = calloc(SPAN_PAGES, sizeof(m->refs[0]));
	m->place = calloc(SPAN_PAGES, sizeof(m->place[0]));
	m->pins = calloc(SPAN_PAGES, 1);
	m->reserved = calloc(SPAN_PAGES, 1);
	m->stamped = calloc(SPAN_PAGES, 1);
	m->touched = calloc(SPAN_PAGES / HUGE, 1);
	for (int step = 0; step < steps; step++) {
		model_step(m);
		if (step % 2000 == 0)
			model_check(m);
	}
	assert_true(m->partial > 100);
	for (int i = 0; i < RUNS; i += 2)
		if (m->runs[i].pages)
			model_unreserve(m, &m->runs[i]);
	while (m->pin_count)
		model_unpin(m);
	while (m->live_count)
		model_count(m, false);
	for (int i = 1; i < RUNS; i += 2)
		if (m->runs[i].pages)
			model_unreserve(m, &m->runs[i]);
	finish(m->mf);
	free(m->refs);
	free(m->place);
	free(m->pins);
	free(m->reserved);
	free(m->stamped);
	free(m->touched);
}

static void test_random_operations(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	(void)state;
	assert_non_null(m);
	model_run(m, MODEL_STEPS);
	assert_int_equal(m->refusals, 0);
	free(m);
}

static void test_limit(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	(void)state;
	assert_non_null(m);
	m->max_blocks = 40;
	model_run(m, MODEL_STEPS);
	assert_true(m->refusals > 100);
	free(m);
}

static void test_huge_pages(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	const char *why = NULL;

	(void)state;
	assert_non_null(m);
	if (memory_file_probe(PAGE_2M, &why)) {
		free(m);
		print_message("SKIP: %s\n", why);
		skip();
	}
	m->huge_pages = true;
	model_run(m, MODEL_STEPS);
	assert_true(m->huge_blocks > 10);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_limit),
		cmocka_unit_test_setup_teardown(test_huge_pages, hugepages_setup,
						hugepages_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
