/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_host_test.c - spaces whose pages the host shows: ordinary loads and stores trap, fill and
 * retry; what is taken away is gone for the hardware too; huge pages are split by copying.
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/checked.h"

#include "engine/mm.h"
#include "engine/shared_memory.h"
#include "engine/memory_readback.h"
#include "tests/unit/hosts.h"
#include "tests/unit/hugepages.h"

#define BASE (UINT64_C(64) << 20)
#define RW (MM_READ | MM_WRITE)

struct fixture {
	struct mm *mm;
	struct mm_space *space;
};

static const struct host_space_ops *const hosts[] = { &host_space_mmap, &host_space_uffd };
static const struct host_space_ops *host; /* of the group that runs */

static void install_handlers(void);

static void open_fixture(struct fixture *f, enum page_class cls)
{
	struct mm_opts opts = { .page_class = cls };

	install_handlers();

	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(&opts, &f->mm), 0);
	assert_int_equal(mm_space_create(f->mm, host, UINT64_C(1) << 30, &f->space), 0);
}

static void close_fixture(struct fixture *f)
{
	struct mm_stat stat;

	mm_check(f->mm);
	mm_space_destroy(f->space);
	mm_get_stat(f->mm, &stat);
	assert_int_equal(stat.memory.live_pages, 0);
	mm_destroy(f->mm);
	mm_thread_leave();
}

static void map_at(struct mm_space *s, uint64_t address, uint64_t length, struct shared_memory *sm)
{
	uint64_t got;
	struct mmap_opts o = { .length = length,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = !sm };

	if (sm) {
		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
	}
	assert_int_equal(mm_mmap(s, &o, &got), 0);
}

static volatile unsigned char *at(struct fixture *f, uint64_t address)
{
	return mm_host_address(f->space, address);
}

/* ---- signals that ought to come ---- */

static sigjmp_buf jump;
static volatile int got_signal, got_code;

static void catch (int number, siginfo_t *info, void *context)
{
	(void)context;
	got_signal = number;
	got_code = info->si_code;
	siglongjmp(jump, 1);
}

/* Stores (or loads) and says which signal came, with its code; 0: none. Handlers were installed
 * before the engine's, as those of a program would be. */
static int touch(volatile unsigned char *p, bool store)
{
	got_signal = got_code = 0;
	if (!sigsetjmp(jump, 1)) {
		if (store)
			*p = 7;
		else
			(void)*p;
	}
	return got_signal;
}

static void install_handlers(void) /* in each test: cmocka puts its own there before */
{
	struct sigaction action = { .sa_sigaction = catch, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

static void stores_fill_and_stick(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, PAGE_4K);
	map_at(f.space, BASE, 64 * MM_PAGE_SIZE, NULL);
	for (unsigned i = 0; i < 64; i++)
		*(volatile unsigned *)at(&f, BASE + i * MM_PAGE_SIZE + 8) = i * 3 + 1;
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(*(volatile unsigned *)at(&f, BASE + i * MM_PAGE_SIZE + 8),
				 i * 3 + 1);
	assert_int_equal(*at(&f, BASE), 0); /* the rest reads zero */
	assert_int_equal(mm_discard(f.space, BASE, 32 * MM_PAGE_SIZE), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(*(volatile unsigned *)at(&f, BASE + i * MM_PAGE_SIZE + 8),
				 i < 32 ? 0 : i * 3 + 1);
	close_fixture(&f);
}

static void what_is_taken_away_traps(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, PAGE_4K);
	map_at(f.space, BASE, 4 * MM_PAGE_SIZE, NULL);
	assert_int_equal(touch(at(&f, BASE), true), 0);
	assert_int_equal(mm_mprotect(f.space, BASE, MM_PAGE_SIZE, MM_READ), 0);
	assert_int_equal(touch(at(&f, BASE), true), SIGSEGV);
	assert_int_equal(got_code, SEGV_ACCERR);
	assert_int_equal(touch(at(&f, BASE), false), 0);
	assert_int_equal(*at(&f, BASE), 7);
	assert_int_equal(mm_mprotect(f.space, BASE, MM_PAGE_SIZE, RW), 0);
	assert_int_equal(touch(at(&f, BASE), true), 0);
	assert_int_equal(mm_munmap(f.space, BASE, MM_PAGE_SIZE), 0);
	assert_int_equal(touch(at(&f, BASE), false), SIGSEGV);
	assert_int_equal(got_code, SEGV_MAPERR);
	assert_int_equal(touch(at(&f, BASE + MM_PAGE_SIZE), true), 0);
	close_fixture(&f);
}

static void truncated_objects_give_bus_errors(void **state)
{
	struct fixture f;
	struct shared_memory *sm;

	(void)state;
	open_fixture(&f, PAGE_4K);
	assert_int_equal(
		shared_memory_create(mm_memory_file(f.mm), 4 * MM_PAGE_SIZE, PAGE_4K, "o", &sm), 0);
	map_at(f.space, BASE, 4 * MM_PAGE_SIZE, sm);
	map_at(f.space, 2 * BASE, 4 * MM_PAGE_SIZE, sm);
	for (unsigned i = 0; i < 4; i++)
		*at(&f, BASE + i * MM_PAGE_SIZE) = (unsigned char)(i + 1);
	for (unsigned i = 0; i < 4; i++) /* the other mapping shows the same pages */
		assert_int_equal(*at(&f, 2 * BASE + i * MM_PAGE_SIZE), i + 1);
	assert_int_equal(shared_memory_truncate(sm, 2 * MM_PAGE_SIZE), 0);
	assert_int_equal(touch(at(&f, BASE + MM_PAGE_SIZE), false), 0);
	assert_int_equal(touch(at(&f, BASE + 2 * MM_PAGE_SIZE), false), SIGBUS);
	assert_int_equal(got_code, BUS_ADRERR);
	assert_int_equal(touch(at(&f, 2 * BASE + 3 * MM_PAGE_SIZE), true), SIGBUS);
	assert_int_equal(shared_memory_truncate(sm, 4 * MM_PAGE_SIZE), 0);
	assert_int_equal(*at(&f, BASE + 3 * MM_PAGE_SIZE), 0);
	assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ 0, MM_PAGE_SIZE }), 0);
	assert_int_equal(*at(&f, BASE), 0);
	assert_int_equal(*at(&f, BASE + MM_PAGE_SIZE), 2);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	close_fixture(&f);
}

/* ---- huge pages ---- */

static void huge_pages_are_split_by_copying(void **state)
{
	struct fixture f;
	struct mm_stat stat;
	const char *why;
	uint32_t page;
	mm_access perms;

	(void)state;
	if (memory_file_probe(PAGE_2M, &why))
		skip();
	open_fixture(&f, PAGE_2M);
	map_at(f.space, BASE, 2 * MM_HUGE_SIZE, NULL);
	for (unsigned i = 0; i < 1024; i++)
		*(volatile unsigned *)at(&f, BASE + i * MM_PAGE_SIZE) = i + 1;
	assert_int_equal(mm_lookup(f.space, BASE + 5 * MM_PAGE_SIZE, MM_READ, &page, &perms), 0);
	assert_int_equal(memory_file_class(mm_memory_file(f.mm), page), PAGE_2M);
	assert_int_equal(memory_file_kernel_page_size(mm_memory_file(f.mm), page), MM_HUGE_SIZE);
	mm_get_stat(f.mm, &stat);
	assert_int_equal(stat.demotions, 0);
	assert_int_equal(stat.host_maps, 2);
	/* A hole in the first, other permissions in a part of the second. */
	assert_int_equal(mm_munmap(f.space, BASE + 8 * MM_PAGE_SIZE, 4 * MM_PAGE_SIZE), 0);
	assert_int_equal(mm_mprotect(f.space, BASE + MM_HUGE_SIZE, MM_PAGE_SIZE, MM_READ), 0);
	mm_get_stat(f.mm, &stat);
	assert_int_equal(stat.demotions, 2);
	assert_int_equal(stat.memory.live_pages, 1024 - 4);
	mm_check(f.mm);
	for (unsigned i = 0; i < 1024; i++)
		if (i < 8 || i >= 12)
			assert_int_equal(*(volatile unsigned *)at(&f, BASE + i * MM_PAGE_SIZE),
					 i + 1);
	assert_int_equal(touch(at(&f, BASE + 9 * MM_PAGE_SIZE), false), SIGSEGV);
	assert_int_equal(touch(at(&f, BASE + MM_HUGE_SIZE), true), SIGSEGV);
	assert_int_equal(mm_lookup(f.space, BASE, MM_READ, &page, &perms), 0);
	assert_int_equal(memory_file_class(mm_memory_file(f.mm), page), PAGE_4K);
	close_fixture(&f);
}

static void huge_pages_that_run_out_are_an_error(void **state)
{
	struct fixture f;
	const char *why;
	unsigned got = 0;
	int rc = 0;

	(void)state;
	if (memory_file_probe(PAGE_2M, &why))
		skip();
	open_fixture(&f, PAGE_2M);
	map_at(f.space, BASE, 256 * MM_HUGE_SIZE, NULL);
	while (!rc && got < 256) {
		rc = mm_fault(f.space, BASE + got * MM_HUGE_SIZE, MM_WRITE);
		got += !rc;
	}
	assert_true(got >= 1 && got < 256);
	assert_int_equal(rc, -ENOMEM);
	close_fixture(&f);
}

static void thp_parts_stay_in_place(void **state)
{
	struct fixture f;
	struct mm_stat stat;

	(void)state;
	open_fixture(&f, PAGE_THP);
	map_at(f.space, BASE, MM_HUGE_SIZE, NULL);
	for (unsigned i = 0; i < 512; i++)
		*(volatile unsigned *)at(&f, BASE + i * MM_PAGE_SIZE) = i + 1;
	assert_int_equal(mm_discard(f.space, BASE + 8 * MM_PAGE_SIZE, 4 * MM_PAGE_SIZE), 0);
	mm_check(f.mm);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(*(volatile unsigned *)at(&f, BASE + i * MM_PAGE_SIZE),
				 i >= 8 && i < 12 ? 0 : i + 1);
	mm_get_stat(f.mm, &stat);
	assert_int_equal(stat.demotions, 0);
	close_fixture(&f);
}

/* ---- threads: a truncated page is never seen with its old content ---- */

struct race {
	struct fixture f;
	struct shared_memory *sm;
	atomic_uint epoch;
	atomic_bool stop;
	atomic_ulong looks;
};

static void *reader(void *arg)
{
	struct race *r = arg;

	assert_int_equal(mm_thread_enter(), 0);
	while (!atomic_load(&r->stop)) {
		unsigned before = atomic_load(&r->epoch);
		unsigned seen = atomic_load_explicit((_Atomic unsigned *)at(&r->f, BASE),
						     memory_order_relaxed);

		/* 0: fresh. Else it was written in an epoch no older than the last truncate. */
		if (seen)
			assert_true(seen >= before);
		atomic_fetch_add_explicit(&r->looks, 1, memory_order_relaxed);
	}
	mm_thread_leave();
	return NULL;
}

static void no_stale_page_after_a_punch(void **state)
{
	static struct race r;
	pthread_t thread;

	(void)state;
	open_fixture(&r.f, PAGE_4K);
	assert_int_equal(
		shared_memory_create(mm_memory_file(r.f.mm), MM_PAGE_SIZE, PAGE_4K, "r", &r.sm), 0);
	map_at(r.f.space, BASE, MM_PAGE_SIZE, r.sm);
	assert_int_equal(pthread_create(&thread, NULL, reader, &r), 0);
	for (unsigned i = 1; i < 5000 || !atomic_load(&r.looks); i++) {
		atomic_store_explicit((_Atomic unsigned *)at(&r.f, BASE), i, memory_order_relaxed);
		assert_int_equal(
			shared_memory_punch(r.sm, (struct mappable_range){ 0, MM_PAGE_SIZE }), 0);
		atomic_store(&r.epoch, i + 1); /* from now on nobody may see i */
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	mapping_identity_dec_ref(shared_memory_identity(r.sm));
	close_fixture(&r.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_fill_and_stick),
		cmocka_unit_test(what_is_taken_away_traps),
		cmocka_unit_test(truncated_objects_give_bus_errors),
		cmocka_unit_test_setup_teardown(huge_pages_are_split_by_copying, hugepages_setup,
						hugepages_teardown),
		cmocka_unit_test_setup_teardown(huge_pages_that_run_out_are_an_error,
						hugepages_setup, hugepages_teardown),
		cmocka_unit_test(thp_parts_stay_in_place),
		cmocka_unit_test(no_stale_page_after_a_punch),
	};

	int failed = 0;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		host = host_to_be_had(hosts[i]);
		failed += cmocka_run_group_tests_name(hosts[i]->name, tests, NULL, NULL);
	}
	return failed;
}
