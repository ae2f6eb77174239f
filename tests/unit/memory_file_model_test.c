/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_file_model_test.c - memory files against a model that is an array of counts.
 *
 * One thread: random operations, each answer foretold by the model. Several threads: references
 * travel between threads through slots, so that pages are freed far from where they came from and
 * reservations end while others hold their pages. The model's count goes up before a reference
 * is made known and down before it is dropped, so whoever is handed a page must find it at zero.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/memory_file.h"

#define HUGE ((uint32_t)MM_HUGE_PAGES)
#define SPAN (UINT64_C(8) << 30)
#define SPAN_PAGES (SPAN / MM_PAGE_SIZE)

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { MODEL_STEPS = 20000, STRESS_STEPS = 1500 };
#else
enum { MODEL_STEPS = 60000, STRESS_STEPS = 6000 };
#endif
enum { RUNS = 24, SLOTS = 192, BLOCK_SLOTS = 6, THREADS = 4, LIVE_MAX = 20000 };

struct run {
	uint32_t first, pages;
	enum page_class cls;
};

static uint32_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 16);
}

static struct memory_file *make(void)
{
	struct memory_file_opts opts = { .span_bytes = SPAN, .retain_bytes = UINT64_C(16) << 20 };
	struct memory_file *mf = NULL;

	assert_int_equal(memory_file_create(&opts, &mf), 0);
	return mf;
}

/* Nothing was lost: all gigabytes of the span (but the first) can be reserved as a whole. */
static void all_is_free(struct memory_file *mf)
{
	uint32_t runs[8];
	int n = 0;

	/* Asking for no memory takes over what other CPUs freed, all the same. */
	assert_int_equal(memory_file_prefault(mf, 0, PAGE_4K, 0), 0);
	for (int cls = 0; cls <= PAGE_2M; cls++)
		while (n < 8 && !memory_file_reserve(mf, 0, (enum page_class)cls,
						     MEMORY_CHUNK_PAGES, 0, &runs[n]))
			n++;
	assert_int_equal(n, 7);
	while (n)
		memory_file_unreserve(mf, runs[--n], MEMORY_CHUNK_PAGES);
	memory_file_check(mf);
}

static void finish(struct memory_file *mf)
{
	struct memory_file_stat st;

	memory_file_check(mf);
	memory_file_get_stat(mf, &st);
	assert_int_equal(st.live_pages, 0);
	all_is_free(mf);
	memory_file_destroy(mf);
}

/* A length of run: short, about a block, or several blocks. */
static uint32_t random_pages(uint64_t *seed)
{
	switch (next_random(seed) % 3) {
	case 0:
		return 1 + next_random(seed) % 511;
	case 1:
		return 512 + next_random(seed) % 3;
	default:
		return 512 + next_random(seed) % 3000;
	}
}

/* ---- one thread ---- */

struct model {
	struct memory_file *mf;
	uint64_t seed;
	uint32_t *refs; /* by page */
	uint8_t *reserved, *stamped; /* by page */
	uint32_t *place; /* by page: its index in live */
	uint32_t live[LIVE_MAX];
	uint32_t live_count;
	struct run runs[RUNS];
};

static bool page_is_zero(struct memory_file *mf, uint32_t page)
{
	const uint64_t *p = (const uint64_t *)memory_file_memory(mf, page);

	return p[0] == 0 && p[1] == 0 && p[511] == 0;
}

/* A page was handed out with one reference. */
static void model_got(struct model *m, uint32_t page)
{
	uint64_t *p = (uint64_t *)memory_file_memory(m->mf, page);

	assert_int_equal(m->refs[page], 0);
	assert_true(page_is_zero(m->mf, page));
	m->refs[page] = 1;
	m->place[page] = m->live_count;
	m->live[m->live_count++] = page;
	m->stamped[page] = next_random(&m->seed) % 2;
	if (m->stamped[page]) {
		memory_file_mark_dirty(m->mf, page);
		p[0] = p[511] = page;
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

static void model_alloc(struct model *m)
{
	uint32_t page;

	if (next_random(&m->seed) % 64) {
		assert_int_equal(memory_file_alloc(m->mf, MEMORY_NODE_ANY, &page), 0);
		assert_false(m->reserved[page]);
		model_got(m, page);
		return;
	}
	assert_int_equal(memory_file_alloc_huge(m->mf, 0, PAGE_THP, &page), 0);
	for (uint32_t i = 0; i < HUGE; i++) {
		assert_false(m->reserved[page + i]);
		model_got(m, page + i);
	}
}

static void model_reserve(struct model *m, struct run *r)
{
	uint32_t congruent = next_random(&m->seed) % HUGE;

	r->pages = random_pages(&m->seed);
	r->cls = next_random(&m->seed) % 3 ? PAGE_4K : PAGE_THP;
	if (r->cls == PAGE_THP)
		congruent = 0;
	assert_int_equal(memory_file_reserve(m->mf, MEMORY_NODE_ANY, r->cls, r->pages, congruent,
					     &r->first),
			 0);
	if (r->pages >= HUGE)
		assert_int_equal(r->first % HUGE, congruent);
	assert_int_equal(r->first / MEMORY_CHUNK_PAGES,
			 (r->first + r->pages - 1) / MEMORY_CHUNK_PAGES);
	for (uint32_t i = r->first; i < r->first + r->pages; i++) {
		assert_int_equal(m->refs[i], 0);
		assert_false(m->reserved[i]);
		m->reserved[i] = 1;
	}
}

static void model_unreserve(struct model *m, struct run *r)
{
	memory_file_unreserve(m->mf, r->first, r->pages);
	memset(m->reserved + r->first, 0, r->pages);
	r->pages = 0;
}

static void model_claim(struct model *m, const struct run *r)
{
	uint32_t page = r->first + next_random(&m->seed) % r->pages;
	uint32_t block = page / HUGE * HUGE;
	bool busy = false;

	if (r->cls == PAGE_THP && next_random(&m->seed) % 4 == 0 &&
	    block + HUGE <= r->first + r->pages) {
		for (uint32_t i = 0; i < HUGE; i++)
			busy |= m->refs[block + i] != 0;
		assert_int_equal(memory_file_claim_huge(m->mf, block), busy ? -EBUSY : 0);
		for (uint32_t i = 0; !busy && i < HUGE; i++)
			model_got(m, block + i);
		return;
	}
	for (uint32_t end = page + 1 + next_random(&m->seed) % 40;
	     page < end && page < r->first + r->pages; page++) {
		busy = m->refs[page] != 0;
		assert_int_equal(memory_file_claim(m->mf, page), busy ? -EBUSY : 0);
		if (!busy)
			model_got(m, page);
	}
}

/* inc or dec of a live page, or of its whole block if all of it is live. */
static void model_count(struct model *m, bool up)
{
	uint32_t page, block;
	bool all = true;

	if (!m->live_count)
		return;
	page = m->live[next_random(&m->seed) % m->live_count];
	block = page / HUGE * HUGE;
	for (uint32_t i = 0; i < HUGE; i++)
		all &= m->refs[block + i] != 0;
	if (all && next_random(&m->seed) % 4) {
		for (uint32_t i = 0; i < HUGE; i++) {
			if (up)
				m->refs[block + i]++;
			else
				model_drop(m, block + i);
		}
		if (up)
			memory_file_inc_range(m->mf, block, HUGE);
		else
			memory_file_dec_range(m->mf, block, HUGE);
	} else if (up) {
		m->refs[page]++;
		if (next_random(&m->seed) % 2)
			memory_file_inc(m->mf, page);
		else
			assert_true(memory_file_inc_not_zero(m->mf, page));
	} else {
		model_drop(m, page);
		memory_file_dec(m->mf, page);
	}
}

static void model_check(struct model *m)
{
	struct memory_file_stat st;

	memory_file_check(m->mf);
	memory_file_get_stat(m->mf, &st);
	assert_int_equal(st.live_pages, m->live_count);
	for (uint32_t i = 0; i < m->live_count; i++)
		assert_int_equal(memory_file_count(m->mf, m->live[i]), m->refs[m->live[i]]);
}

static void test_random_operations(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	(void)state;
	assert_non_null(m);
	m->mf = make();
	m->seed = 88172645463325252u;
	m->refs = calloc(SPAN_PAGES, sizeof(m->refs[0]));
	m->place = calloc(SPAN_PAGES, sizeof(m->place[0]));
	m->reserved = calloc(SPAN_PAGES, 1);
	m->stamped = calloc(SPAN_PAGES, 1);
	for (int step = 0; step < MODEL_STEPS; step++) {
		struct run *r = &m->runs[next_random(&m->seed) % RUNS];
		uint32_t what = next_random(&m->seed) % 16;
		bool room = m->live_count < LIVE_MAX - 2 * HUGE;

		if (what < 4 && room)
			model_alloc(m);
		else if (what < 8 && r->pages && room)
			model_claim(m, r);
		else if (what < 9 && !r->pages)
			model_reserve(m, r);
		else if (what < 9 && next_random(&m->seed) % 4 == 0)
			model_unreserve(m, r);
		else
			model_count(m, what == 9);
		for (int i = 0; !room && i < 200; i++)
			model_count(m, false);
		if (step % 2000 == 0)
			model_check(m);
	}
	for (int i = 0; i < RUNS; i += 2)
		if (m->runs[i].pages)
			model_unreserve(m, &m->runs[i]);
	while (m->live_count)
		model_count(m, false);
	for (int i = 1; i < RUNS; i += 2)
		if (m->runs[i].pages)
			model_unreserve(m, &m->runs[i]);
	finish(m->mf);
	free(m->refs);
	free(m->place);
	free(m->reserved);
	free(m->stamped);
	free(m);
}

/* ---- several threads ---- */

static struct memory_file *shared;
static _Atomic uint32_t *held; /* by page: references as the model counts them */
static _Atomic uint32_t slots[SLOTS]; /* one reference to a page each */
static _Atomic uint32_t block_slots[BLOCK_SLOTS]; /* one reference to 512 pages each */
static _Atomic uint32_t wrongs; /* assertions of cmocka are for the main thread */

static void expect(bool ok)
{
	if (!ok)
		atomic_fetch_add(&wrongs, 1);
}

/* A page came with one reference: it was nobody's, it is zero; it may get a stamp. */
static void stress_got(uint32_t page, uint64_t *seed)
{
	uint64_t *p = (uint64_t *)memory_file_memory(shared, page);

	expect(atomic_exchange(&held[page], 1) == 0);
	expect(page_is_zero(shared, page));
	if (next_random(seed) % 2) {
		memory_file_mark_dirty(shared, page);
		p[0] = p[511] = page;
	}
}

static void stress_drop(uint32_t page)
{
	const uint64_t *p = (const uint64_t *)memory_file_memory(shared, page);

	expect(p[0] == p[511] && (p[0] == 0 || p[0] == page));
	expect(atomic_fetch_sub(&held[page], 1) >= 1);
	memory_file_dec(shared, page);
}

/* Passes a reference on, for another one. */
static void stress_pass(uint32_t page, uint64_t *seed)
{
	uint32_t other = atomic_exchange(&slots[next_random(seed) % SLOTS], page);

	if (other)
		stress_drop(other);
}

static void stress_share(uint32_t page, uint64_t *seed)
{
	for (uint32_t n = next_random(seed) % 3; n; n--) {
		atomic_fetch_add(&held[page], 1);
		memory_file_inc(shared, page);
		stress_pass(page, seed);
	}
	stress_pass(page, seed);
}

/* A reference to a whole block ends in one step, or in parts that are passed on. */
static void stress_drop_block(uint32_t first, uint64_t *seed)
{
	if (next_random(seed) % 2) {
		for (uint32_t i = 0; i < HUGE; i++)
			atomic_fetch_sub(&held[first + i], 1);
		memory_file_dec_range(shared, first, HUGE);
		return;
	}
	for (uint32_t i = 0; i < HUGE; i++)
		if (i % 16)
			stress_drop(first + i);
		else
			stress_pass(first + i, seed);
}

static void stress_pass_block(uint32_t first, uint64_t *seed)
{
	uint32_t other = atomic_exchange(&block_slots[next_random(seed) % BLOCK_SLOTS], first);

	if (other)
		stress_drop_block(other, seed);
}

static void stress_block(uint64_t *seed)
{
	uint32_t first, run = 0;
	bool reserved = next_random(seed) % 2;
	int rc;

	if (reserved) {
		rc = memory_file_reserve(shared, 0, PAGE_THP, 2 * HUGE, 0, &run);
		expect(rc == 0);
		first = run;
		rc = rc ? rc : memory_file_claim_huge(shared, first);
	} else {
		rc = memory_file_alloc_huge(shared, 0, PAGE_THP, &first);
	}
	expect(rc == 0);
	if (rc)
		return;
	for (uint32_t i = 0; i < HUGE; i++)
		stress_got(first + i, seed);
	for (uint32_t n = next_random(seed) % 3; n; n--) {
		for (uint32_t i = 0; i < HUGE; i++)
			atomic_fetch_add(&held[first + i], 1);
		memory_file_inc_range(shared, first, HUGE);
		stress_pass_block(first, seed);
	}
	stress_pass_block(first, seed);
	if (reserved)
		memory_file_unreserve(shared, run, 2 * HUGE);
}

static void stress_run(uint64_t *seed)
{
	uint32_t first, pages = random_pages(seed);
	int rc = memory_file_reserve(shared, MEMORY_NODE_ANY, PAGE_4K, pages, next_random(seed),
				     &first);

	expect(rc == 0);
	for (int n = 0; !rc && n < 300; n++) {
		uint32_t page = first + next_random(seed) % pages;
		int got = memory_file_claim(shared, page);

		expect(got == 0 || got == -EBUSY);
		if (got)
			continue;
		stress_got(page, seed);
		stress_share(page, seed);
	}
	if (!rc)
		memory_file_unreserve(shared, first, pages);
}

static void *stress_thread(void *arg)
{
	uint64_t seed = 0x9e3779b97f4a7c15u * (uint64_t)(1 + (uintptr_t)arg);

	for (int step = 0; step < STRESS_STEPS; step++) {
		uint32_t what = next_random(&seed) % 64;
		uint32_t page;

		if (what == 0) {
			stress_block(&seed);
		} else if (what < 6) {
			stress_run(&seed);
		} else if (what < 8) {
			/* A hint that may be stale: a reference, or none. */
			page = atomic_load(&slots[next_random(&seed) % SLOTS]);
			if (page && memory_file_inc_not_zero(shared, page))
				memory_file_dec(shared, page);
		} else if (!memory_file_alloc(shared, MEMORY_NODE_ANY, &page)) {
			stress_got(page, &seed);
			stress_share(page, &seed);
		} else {
			expect(false);
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	uint64_t seed = 1;

	(void)state;
	shared = make();
	held = calloc(SPAN_PAGES, sizeof(held[0]));
	assert_non_null(held);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stress_thread, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	memory_file_check(shared);
	for (uint32_t page = 0; page < SPAN_PAGES; page++)
		if (held[page])
			assert_int_equal(memory_file_count(shared, page), held[page]);
	for (int i = 0; i < BLOCK_SLOTS; i++)
		if (block_slots[i])
			stress_drop_block(block_slots[i], &seed);
	for (int i = 0; i < SLOTS; i++)
		if (slots[i])
			stress_drop(slots[i]);
	assert_int_equal(wrongs, 0);
	finish(shared);
	free((void *)held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
