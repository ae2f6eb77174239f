/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate_race_test.c - pages that move to a node while others use them: the mover is held when the
 * bytes are copied and the old page is still there (gate.h), then without a gate, as fast as it
 * goes.
 *
 * What breaks without the rules. The host must show nothing of a page from before its bytes are
 * copied: a store after that would go to the page that is about to be dropped. And the entry stays
 * held until it names the new page: a copy of the kernel's, or a fork, in between would meet the
 * old one.
 */
#include "tests/unit/space_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_numa.h"
#include "tests/unit/gate.h"

#define PAGES 16
#define MOVES 300
#define PATIENCE_NS 200000000

static const struct host_space_ops *const hosts[] = { &host_space_none, &host_space_mmap,
						      &host_space_uffd };

struct shared {
	struct fixture f;
	struct mm_space *child; /* of call_fork */
	int (*call)(struct shared *h);
	_Atomic bool returned, moves_done;
	uint64_t moved;
};

static int store(struct shared *h, uint64_t page, unsigned char byte)
{
	volatile unsigned char *host = mm_host_address(h->f.space, fixture_address(page));
	uint64_t done;

	if (!host)
		return mm_copy_out(h->f.space, fixture_address(page) + 7, &byte, 1,
				   (struct mm_io_opts){ 0 }, &done);
	host[7] = byte;
	return 0;
}

static int load(struct shared *h, uint64_t page, unsigned char *byte)
{
	volatile unsigned char *host = mm_host_address(h->f.space, fixture_address(page));
	uint64_t done;

	if (!host)
		return mm_copy_in(h->f.space, fixture_address(page) + 7, byte, 1,
				  (struct mm_io_opts){ 0 }, &done);
	*byte = host[7];
	return 0;
}

static void move(struct shared *h)
{
	struct mm_moved moved;

	assert_int_equal(
		mm_move(h->f.space, fixture_address(0), PAGES * MM_PAGE_SIZE, 0, true, &moved), 0);
	assert_int_equal(moved.failed, 0);
	h->moved += moved.moved;
}

/* All pages have the byte 1. */
static void open_shared(struct shared *h, const struct host_space_ops *host)
{
	*h = (struct shared){ 0 };
	fixture_open(&h->f, NULL, host);
	assert_int_equal(fixture_map(h->f.space, 0, PAGES, FIXTURE_RW, NULL, true, 0), 0);
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(store(h, page, 1), 0);
}

static void *mover(void *arg)
{
	assert_int_equal(mm_thread_enter(), 0);
	move(arg);
	mm_thread_leave();
	return NULL;
}

static void *caller(void *arg)
{
	struct shared *h = arg;

	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(h->call(h), 0);
	h->returned = true;
	mm_thread_leave();
	return NULL;
}

/* Makes the call while the bytes are copied and the old pages are there. */
static void call_in_the_middle(struct shared *h, int (*call)(struct shared *h))
{
	const struct timespec a_while = { 0, PATIENCE_NS / 100 };
	pthread_t threads[2];

	h->call = call;
	gates_init();
	gate_arm("space_migrate_copied");
	assert_int_equal(pthread_create(&threads[0], NULL, mover, h), 0);
	gate_await("space_migrate_copied");
	assert_int_equal(pthread_create(&threads[1], NULL, caller, h), 0);
	for (int i = 0; i < 100 && !h->returned; i++)
		nanosleep(&a_while, NULL);
	assert_false(h->returned);
	gate_open("space_migrate_copied");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	gates_open_all();
	assert_int_equal(h->moved, PAGES);
}

static int call_store(struct shared *h)
{
	return store(h, 3, 2);
}

static int call_fork(struct shared *h)
{
	return mm_fork(h->f.space, &h->child);
}

static void a_store_waits_and_is_kept(void **state)
{
	(void)state;
	gates_needed();
	for (int i = 0; i < 3; i++) {
		struct shared h;
		unsigned char byte = 0;

		open_shared(&h, hosts[i]);
		call_in_the_middle(&h, call_store);
		assert_int_equal(load(&h, 3, &byte), 0);
		assert_int_equal(byte, 2);
		assert_int_equal(fixture_live(&h.f), PAGES);
		fixture_close(&h.f);
	}
}

static void a_fork_waits_and_shares_the_new_page(void **state)
{
	struct shared h;
	uint32_t ours, theirs;

	(void)state;
	gates_needed();
	open_shared(&h, &host_space_none);
	call_in_the_middle(&h, call_fork);
	assert_int_equal(fixture_page(h.f.space, 3, MM_READ, &ours), 0);
	assert_int_equal(fixture_page(h.child, 3, MM_READ, &theirs), 0);
	assert_int_equal(ours, theirs);
	assert_int_equal(memory_file_count(h.f.memory, ours), 2);
	mm_space_destroy(h.child);
	fixture_close(&h.f);
}

/* ---- without gates ---- */

static void *move_often(void *arg)
{
	struct shared *h = arg;

	assert_int_equal(mm_thread_enter(), 0);
	for (int i = 0; i < MOVES; i++)
		move(h);
	mm_thread_leave();
	h->moves_done = true;
	return NULL;
}

/* One writer: what it stored last is what it finds. */
static void no_store_is_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct shared h;
		pthread_t thread;
		unsigned turn = 0;

		open_shared(&h, hosts[i]);
		assert_int_equal(pthread_create(&thread, NULL, move_often, &h), 0);
		while (!h.moves_done) {
			unsigned char got = 0, byte = (unsigned char)++turn;

			assert_int_equal(store(&h, turn % PAGES, byte), 0);
			assert_int_equal(load(&h, turn % PAGES, &got), 0);
			assert_int_equal(got, byte);
		}
		pthread_join(thread, NULL);
		assert_int_equal(h.moved, MOVES * PAGES);
		assert_int_equal(fixture_live(&h.f), PAGES);
		fixture_close(&h.f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_waits_and_is_kept),
		cmocka_unit_test(a_fork_waits_and_shares_the_new_page),
		cmocka_unit_test(no_store_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
