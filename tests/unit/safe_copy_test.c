/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safe_copy_test.c - accesses that fault come back with exact counts: past the end of a file
 * (SIGBUS), beside a mapping (SIGSEGV), at every alignment, from either side.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/block_seq.h"
#include "engine/range.h"
#include "engine/safe_copy.h"
#include "engine/trap.h"

#define PAGE ((size_t)MM_PAGE_SIZE)

/* Two pages, of which the second faults; fd >= 0: because the file ends there. */
struct edge {
	unsigned char *good, *bad;
	int fd;
};

static struct edge make_edge(bool past_the_end)
{
	struct edge e = { .fd = -1 };

	/* Here, not in a set-up: cmocka puts handlers of its own before each function. */
	assert_int_equal(trap_install(), 0);
	if (past_the_end) {
		e.fd = memfd_create("edge", 0);
		assert_true(e.fd >= 0);
		assert_int_equal(ftruncate(e.fd, (off_t)(2 * PAGE)), 0);
	}
	e.good = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		      past_the_end ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, e.fd, 0);
	assert_ptr_not_equal(e.good, MAP_FAILED);
	e.bad = e.good + PAGE;
	memset(e.good, 1, 2 * PAGE);
	if (past_the_end)
		assert_int_equal(ftruncate(e.fd, (off_t)PAGE), 0);
	else
		assert_int_equal(mprotect(e.bad, PAGE, PROT_NONE), 0);
	return e;
}

static void drop_edge(struct edge *e)
{
	munmap(e->good, 2 * PAGE);
	if (e->fd >= 0)
		close(e->fd);
}

static int setup(void **state)
{
	(void)state;
	return trap_thread_enter();
}

static int teardown(void **state)
{
	(void)state;
	trap_thread_leave();
	return 0;
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(seed + i * 7 + i / 251);
}

static const size_t lengths[] = { 0, 1, 7, 8, 9, 63, 127, 128, 129, 600, 4000 };

#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void copies_of_good_memory_are_whole(void **state)
{
	static unsigned char from[5000], to[5000];

	(void)state;
	fill(from, sizeof(from), 3);
	for (size_t l = 0; l < LENGTHS; l++)
		for (size_t a = 0; a < 9; a++)
			for (size_t b = 0; b < 9; b++) {
				memset(to, 0xee, sizeof(to));
				assert_int_equal(safe_copy(to + 1 + a, from + b, lengths[l]).left,
						 0);
				assert_memory_equal(to + 1 + a, from + b, lengths[l]);
				assert_int_equal(to[a], 0xee);
				assert_int_equal(to[1 + a + lengths[l]], 0xee);
				assert_int_equal(safe_zero(to + 1 + a, lengths[l]).left, 0);
				for (size_t i = 0; i < lengths[l]; i++)
					assert_int_equal(to[1 + a + i], 0);
				assert_int_equal(to[a], 0xee);
				assert_int_equal(to[1 + a + lengths[l]], 0xee);
			}
}

/* All copies with `good` bytes before the edge and more behind it. */
static void copies_to_an_edge(struct edge *e)
{
	static unsigned char buffer[3 * 4096];

	fill(e->good, PAGE, 9);
	for (size_t good = 0; good < 300; good++)
		for (size_t l = 0; l < LENGTHS; l++) {
			size_t n = good + lengths[l];
			unsigned char *at = e->bad - good;
			struct safe_copied c;

			if (!lengths[l] || n > PAGE)
				continue;
			memset(buffer, 0xee, n + 1);
			c = safe_copy(buffer, at, n);
			assert_int_equal(n - c.left, good);
			assert_true(c.fault == (uintptr_t)e->bad);
			assert_int_equal(c.bus, e->fd >= 0);
			assert_memory_equal(buffer, at, good);
			assert_int_equal(buffer[good], 0xee);
		}
	for (size_t good = 0; good < 300; good++)
		for (size_t l = 1; l < LENGTHS; l++) {
			size_t n = good + lengths[l];
			unsigned char *at = e->bad - good;
			struct safe_copied c;

			if (n > PAGE)
				continue;
			fill(buffer, n, (unsigned)(good + l));
			at[-1] = 0xaa;
			c = safe_copy(at, buffer, n);
			assert_int_equal(n - c.left, good);
			assert_true(c.fault == (uintptr_t)e->bad);
			assert_memory_equal(at, buffer, good);
			c = safe_zero(at, n);
			assert_int_equal(n - c.left, good);
			assert_true(c.fault == (uintptr_t)e->bad);
			for (size_t i = 0; i < good; i++)
				assert_int_equal(at[i], 0);
			assert_int_equal(at[-1], 0xaa);
		}
}

static void a_copy_past_the_end_of_a_file_counts_exactly(void **state)
{
	struct edge e = make_edge(true);

	(void)state;
	copies_to_an_edge(&e);
	drop_edge(&e);
}

static void a_copy_beside_a_mapping_counts_exactly(void **state)
{
	struct edge e = make_edge(false);

	(void)state;
	copies_to_an_edge(&e);
	drop_edge(&e);
}

static void an_address_that_is_none_faults(void **state)
{
	unsigned char byte = 5;
	unsigned char *nowhere =
		(unsigned char *)(uintptr_t)(UINT64_C(1) << 63); /* not canonical */
	uint32_t old = 7;

	(void)state;
	assert_int_equal(trap_install(), 0);
	assert_int_equal(safe_copy(nowhere, &byte, 1).left, 1);
	assert_int_equal(safe_copy(&byte, nowhere, 1).left, 1);
	assert_int_equal(safe_copy(NULL, &byte, 1).left, 1);
	assert_int_equal(safe_zero(nowhere, 900).left, 900);
	assert_int_equal(safe_load_u32((uint32_t *)(void *)nowhere, &old), -EFAULT);
	assert_int_equal(old, 7);
	assert_int_equal(byte, 5);
}

static void words_are_exchanged_or_fault(void **state)
{
	struct edge edges[] = { make_edge(true), make_edge(false) };

	(void)state;
	for (int i = 0; i < 2; i++) {
		uint32_t *good = (uint32_t *)(void *)(edges[i].bad - 4);
		uint32_t *bad = (uint32_t *)(void *)edges[i].bad;
		uint32_t old = 1;

		*good = 0xffffffff;
		assert_int_equal(safe_swap_u32(good, 0x80000001, &old), 0);
		assert_int_equal(old, 0xffffffff);
		assert_int_equal(safe_compare_swap_u32(good, 5, 6, &old), 0);
		assert_int_equal(old, 0x80000001);
		assert_int_equal(*good, 0x80000001);
		assert_int_equal(safe_compare_swap_u32(good, 0x80000001, 6, &old), 0);
		assert_int_equal(old, 0x80000001);
		assert_int_equal(safe_load_u32(good, &old), 0);
		assert_int_equal(old, 6);
		assert_int_equal(safe_swap_u32(bad, 1, &old), -EFAULT);
		assert_int_equal(safe_compare_swap_u32(bad, 1, 2, &old), -EFAULT);
		assert_int_equal(safe_load_u32(bad, &old), -EFAULT);
		assert_int_equal(old, 6);
		drop_edge(&edges[i]);
	}
}

static void sequences_stop_at_the_fault(void **state)
{
	struct edge e = make_edge(true);
	static unsigned char a[100], b[5000];
	struct block to[] = { { a, sizeof(a), false },
			      { e.good + 96, 2 * PAGE - 96, true },
			      { a, sizeof(a), false } };
	struct block from[] = { { b, 70, false }, { b + 70, sizeof(b) - 70, false } };
	struct block_seq dst = block_seq_from(to, 3);
	struct block_seq src = block_seq_from(from, 2);

	(void)state;
	fill(b, sizeof(b), 1);
	assert_int_equal(block_seq_copy(&dst, &src), 100 + 4000);
	assert_memory_equal(a, b, 100);
	assert_memory_equal(e.good + 96, b + 100, 4000);
	/* The other way round: the source faults. */
	memset(b, 0, sizeof(b));
	assert_int_equal(block_seq_copy(&src, &dst), 100 + 4000);
	assert_memory_equal(b + 100, e.good + 96, 4000);
	assert_int_equal(b[4100], 0);
	assert_int_equal(block_seq_zero(&dst), 100 + 4000);
	assert_int_equal(e.good[96], 0);
	assert_int_equal(e.bad[-1], 0);
	drop_edge(&e);
}

/* A file that shrinks and grows while it is copied: counts are whole pages, nothing crashes. */
static void *shrink_and_grow(void *arg)
{
	struct edge *e = arg;

	for (int i = 0; i < 3000; i++)
		if (ftruncate(e->fd, (off_t)(i % 2 ? 2 * PAGE : PAGE)))
			return arg;
	return NULL;
}

static void a_file_may_shrink_under_a_copy(void **state)
{
	struct edge e = make_edge(true);
	static unsigned char buffer[2 * 4096];
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, shrink_and_grow, &e), 0);
	for (int i = 0; i < 3000; i++) {
		size_t left = safe_copy(e.good + 100, buffer, 2 * PAGE - 100).left;

		assert_true(left <= PAGE);
		left = safe_copy(buffer, e.good, 2 * PAGE).left;
		assert_true(left <= PAGE);
	}
	pthread_join(thread, &failed);
	assert_null(failed);
	drop_edge(&e);
}

static volatile sig_atomic_t passed_on;
static sigjmp_buf escape;

static void note(int signal_number)
{
	passed_on = signal_number;
	siglongjmp(escape, 1);
}

/* What is no safe copy is not swallowed. */
static void other_bus_errors_reach_the_program(void **state)
{
	struct edge e = make_edge(true);
	struct sigaction action = { .sa_handler = note };
	struct sigaction before;
	unsigned char byte;

	(void)state;
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	assert_int_equal(trap_install(), 0);
	if (!sigsetjmp(escape, 1)) {
		*(volatile unsigned char *)e.bad = 1;
		fail();
	}
	assert_int_equal(passed_on, SIGBUS);
	passed_on = 0;
	assert_int_equal(safe_copy(&byte, e.bad, 1).left, 1);
	assert_int_equal(passed_on, 0);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	drop_edge(&e);
}

#define THREADS 4
#define ROUNDS 20000

static void *add_by_swap(void *word)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t old = 0;
		uint32_t seen;

		if (safe_load_u32(word, &old))
			return word;
		while (!safe_compare_swap_u32(word, old, old + 1, &seen) && seen != old)
			old = seen;
	}
	return NULL;
}

static void exchanges_of_threads_add_up(void **state)
{
	static uint32_t word;
	pthread_t thread[THREADS];
	uint32_t sum = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, add_by_swap, &word), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(safe_load_u32(&word, &sum), 0);
	assert_int_equal(sum, THREADS * ROUNDS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(copies_of_good_memory_are_whole),
		TEST(a_copy_past_the_end_of_a_file_counts_exactly),
		TEST(a_copy_beside_a_mapping_counts_exactly),
		TEST(an_address_that_is_none_faults),
		TEST(words_are_exchanged_or_fault),
		TEST(sequences_stop_at_the_fault),
		TEST(a_file_may_shrink_under_a_copy),
		TEST(other_bus_errors_reach_the_program),
		TEST(exchanges_of_threads_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
