/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_race_test.c - the races that the engine's lock order prevents, each provoked on purpose.
 *
 * A thread is held at a named point of the engine (a gate), the other side of the race is run or
 * started, what it may and may not see is asserted, and the thread is let go. Each test says what
 * breaks without its rule (the numbers are those of "lock_order rule" in the engine's comments);
 * most run without a host space and with one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "engine/mm.h"
#include "engine/os_maps.h"
#include "engine/shared_memory.h"
#include "engine/space.h"
#include "engine/test_points.h"
#include "engine/trap.h"
#include "tests/unit/gate.h"
#include "tests/unit/hosts.h"

#define PAGE MM_PAGE_SIZE
#define BASE (UINT64_C(64) << 20)
#define OTHER (UINT64_C(128) << 20)
#define RW (MM_READ | MM_WRITE)

/* ---- the space under test ---- */

static struct fixture {
	struct mm *mm;
	struct mm_space *space;
	struct shared_memory *sm;
	bool hosted;
} fx;

/* A call made by another thread, and what it said. */
enum call_kind { CALL_FAULT, CALL_MAP, CALL_UNMAP, CALL_TRUNCATE, CALL_PUNCH, CALL_STORE };

static struct call {
	enum call_kind kind;
	uint64_t address; /* CALL_MAP: 0 = anywhere */
	int rc;
	bool live;
	pthread_t thread;
	_Atomic bool returned;
	sem_t done;
} calls[2];

static int map_at(uint64_t address, struct shared_memory *sm, uint64_t *got)
{
	struct mmap_opts o = { .length = 4 * PAGE,
			       .address = address,
			       .fixed = address != 0,
			       .unmap = address != 0,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = !sm };

	if (sm) {
		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
	}
	return mm_mmap(fx.space, &o, got);
}

static void map_now(uint64_t address, struct shared_memory *sm)
{
	uint64_t got;

	assert_int_equal(map_at(address, sm, &got), 0);
	assert_int_equal(got, address);
}

/* ---- stores through the window, and the signals that they may end in ---- */

static __thread sigjmp_buf jump;
static __thread volatile sig_atomic_t got_signal;

static void catch_signal(int number, siginfo_t *info, void *context)
{
	(void)info, (void)context;
	got_signal = number;
	siglongjmp(jump, 1);
}

static int store(uint64_t address, unsigned char value)
{
	volatile unsigned char *p = mm_host_address(fx.space, address);

	got_signal = 0;
	if (!sigsetjmp(jump, 1))
		*p = value;
	return got_signal;
}

/* ---- calls ---- */

static void *call_run(void *arg)
{
	struct call *c = arg;
	uint64_t got;

	c->rc = mm_thread_enter();
	if (!c->rc) {
		switch (c->kind) {
		case CALL_FAULT:
			c->rc = mm_fault(fx.space, c->address, MM_WRITE);
			break;
		case CALL_MAP:
			c->rc = map_at(c->address, fx.sm, &got);
			break;
		case CALL_UNMAP:
			c->rc = mm_munmap(fx.space, c->address, 4 * PAGE);
			break;
		case CALL_TRUNCATE:
			c->rc = shared_memory_truncate(fx.sm, 0);
			break;
		case CALL_PUNCH:
			c->rc = shared_memory_punch(fx.sm, (struct mappable_range){ 0, 4 * PAGE });
			break;
		case CALL_STORE:
			c->rc = store(c->address, 99);
			break;
		}
		mm_thread_leave();
	}
	atomic_store(&c->returned, true);
	sem_post(&c->done);
	return NULL;
}

static struct call *call_start(struct call *c, enum call_kind kind, uint64_t address)
{
	c->kind = kind;
	c->address = address;
	c->rc = -1;
	atomic_store(&c->returned, false);
	sem_init(&c->done, 0, 0);
	assert_int_equal(pthread_create(&c->thread, NULL, call_run, c), 0);
	c->live = true;
	return c;
}

/* What the call said; fails if it does not return. */
static int call_finish(struct call *c)
{
	if (!wait_for(&c->done))
		fail_msg("a call of kind %d does not return", c->kind);
	pthread_join(c->thread, NULL);
	c->live = false;
	return c->rc;
}

/* A call that must get through although others are held. */
static int call_through(enum call_kind kind, uint64_t address)
{
	return call_finish(call_start(&calls[1], kind, address));
}

/* ---- what can be seen ---- */

static uint32_t page_of(uint64_t address)
{
	uint32_t page = 0;
	mm_access perms;
	int rc = mm_lookup(fx.space, address, MM_READ, &page, &perms);

	return rc ? 0 : page;
}

/* Does the host let the address be read? -1: the window itself has a hole there. */
static int host_shows(uint64_t address)
{
	uintptr_t at = (uintptr_t)mm_host_address(fx.space, address);
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	bool in_table = true;
	int shown = -1;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t start, end;
		char perms[5];

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, perms) == 3 &&
		    at >= start && at < end)
			shown = perms[0] == 'r';
	}
	fclose(maps);
	if (shown == 1 && fx.space->host && host_space_is_attached(fx.space->host, address))
		assert_int_equal(os_pages_in_table(at, 1, &in_table), 0);
	return shown == 1 ? in_table : shown;
}

/* Nobody can get at a page through the address, and the window is still reserved. */
static void expect_gone(uint64_t address)
{
	assert_int_equal(page_of(address), 0);
	if (fx.hosted)
		assert_int_equal(host_shows(address), 0);
}

static void expect_present(uint64_t address, uint32_t page)
{
	assert_int_equal(page_of(address), page);
	if (fx.hosted)
		assert_int_equal(host_shows(address), 1);
}

static uint32_t count_of(uint32_t page)
{
	return memory_file_count(mm_memory_file(fx.mm), page);
}

static uint64_t live_pages(void)
{
	struct mm_stat stat;

	mm_get_stat(fx.mm, &stat);
	return stat.memory.live_pages;
}

/* Does the object have a writable mapping? Sealing would be refused; it never happens while
 * some other writable mapping is there, so tests that ask leave no other behind. */
static bool is_mapped(void)
{
	return shared_memory_add_seals(fx.sm, SHARED_MEMORY_SEAL_WRITE) == -EBUSY;
}

/* Faults the address in and says which page that gave. */
static uint32_t fill(uint64_t address)
{
	uint32_t page;

	assert_int_equal(mm_fault(fx.space, address, MM_WRITE), 0);
	page = page_of(address);
	assert_int_not_equal(page, 0);
	expect_present(address, page);
	return page;
}

static int open_fixture(void **state)
{
	const struct host_space_ops *host = *state;

	fx.hosted = host != &host_space_none;
	gates_init();
	if (mm_thread_enter() || mm_create(NULL, &fx.mm) ||
	    mm_space_create(fx.mm, host_to_be_had(host), UINT64_C(1) << 30, &fx.space) ||
	    shared_memory_create(mm_memory_file(fx.mm), 4 * PAGE, PAGE_4K, "race", &fx.sm))
		return -1;
	return 0;
}

/* Whatever a failed test left standing is let go first. Nothing may have leaked. */
static int close_fixture(void **state)
{
	int rc = 0;

	(void)state;
	gates_open_all();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].live) {
			pthread_join(calls[i].thread, NULL);
			calls[i].live = false;
			rc = -1;
		}
	mm_space_check(fx.space);
	mm_space_destroy(fx.space);
	mapping_identity_dec_ref(shared_memory_identity(fx.sm));
	if (live_pages())
		rc = -1;
	mm_destroy(fx.mm);
	mm_thread_leave();
	return rc;
}

/* In each test, since cmocka puts its own handlers there before: ours, the engine's before it. */
static void install_handlers(void)
{
	struct sigaction action = { .sa_sigaction = catch_signal,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };

	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
	assert_int_equal(trap_install(), 0);
}

/* ---- rule 1: faults ---- */

/*
 * Faults never take `mapping`. If they did, a fault would wait for every mmap of the space (and a
 * fault taken below `rmap` or `object` would be a deadlock): the faults here would not return,
 * since a mapping that is placed anywhere holds the whole space.
 */
static void faults_pass_a_held_mapping(void **state)
{
	(void)state;
	gates_needed();
	map_now(BASE, fx.sm);
	map_now(OTHER, NULL);
	gate_arm("space_map_added");
	call_start(&calls[0], CALL_MAP, 0);
	gate_await("space_map_added");
	assert_int_equal(call_through(CALL_FAULT, BASE), 0);
	assert_int_equal(call_through(CALL_FAULT, OTHER), 0);
	assert_int_equal(call_through(CALL_FAULT, OTHER + 64 * PAGE), -EFAULT);
	assert_false(atomic_load(&calls[0].returned));
	expect_present(BASE, page_of(BASE));
	expect_present(OTHER, page_of(OTHER));
	gate_open("space_map_added");
	assert_int_equal(call_finish(&calls[0]), 0);
}

/*
 * A fault that has asked the mappable keeps its entry until it has installed the answer, and
 * munmap takes the entry. Without that hold the fault would install its page after munmap had
 * looked: a mapping that is gone, with a page in it, kept for ever.
 */
static void a_fault_from_before_munmap_installs_nothing_after_it(void **state)
{
	uint32_t page;

	(void)state;
	gates_needed();
	map_now(BASE, fx.sm);
	page = fill(BASE);
	shared_memory_invalidate(fx.sm, (struct mappable_range){ 0, PAGE },
				 (struct invalidate_opts){ false });
	expect_gone(BASE);
	gate_arm("fault_translated");
	call_start(&calls[0], CALL_FAULT, BASE);
	gate_await("fault_translated");
	gate_arm("space_unmap_locked");
	call_start(&calls[1], CALL_UNMAP, BASE);
	gate_await("space_unmap_locked");
	gate_open("space_unmap_locked");
	assert_false(atomic_load(&calls[1].returned)); /* it needs the entry */
	gate_open("fault_translated");
	assert_int_equal(call_finish(&calls[0]), 0);
	assert_int_equal(call_finish(&calls[1]), 0);
	expect_gone(BASE);
	assert_int_equal(count_of(page), 1); /* the object's */
	assert_int_equal(mm_fault(fx.space, BASE, MM_WRITE), -EFAULT);
	assert_false(is_mapped());
}

/* ---- rule 2: adding ---- */

/*
 * The mappable knows the space before an entry can be faulted. In the other order a fault could
 * fill the entry here, and the truncate, which knows nothing of the space, would return with its
 * page still readable.
 */
static void truncate_knows_a_mapping_before_faults_do(void **state)
{
	(void)state;
	gates_needed();
	gate_arm("space_map_added");
	call_start(&calls[0], CALL_MAP, BASE);
	gate_await("space_map_added");
	assert_true(is_mapped());
	assert_int_equal(call_through(CALL_FAULT, BASE), -EFAULT);
	expect_gone(BASE);
	assert_int_equal(call_through(CALL_TRUNCATE, 0), 0);
	gate_open("space_map_added");
	assert_int_equal(call_finish(&calls[0]), 0);
	expect_gone(BASE);
	assert_int_equal(mm_fault(fx.space, BASE, MM_WRITE), bus_error(ENXIO));
	assert_int_equal(live_pages(), 0);
}

/*
 * The truncate came before the mapping was published but has not invalidated yet: faults of the
 * new mapping must see the new size already, for they may be passed over.
 */
static void a_mapping_published_during_truncate_sees_the_new_size(void **state)
{
	(void)state;
	gates_needed();
	gate_arm("space_map_added");
	call_start(&calls[0], CALL_MAP, BASE);
	gate_await("space_map_added");
	gate_arm("shared_memory_detached");
	call_start(&calls[1], CALL_TRUNCATE, 0);
	gate_await("shared_memory_detached");
	gate_open("space_map_added");
	assert_int_equal(call_finish(&calls[0]), 0);
	assert_int_equal(mm_fault(fx.space, BASE, MM_WRITE), bus_error(ENXIO));
	gate_open("shared_memory_detached");
	assert_int_equal(call_finish(&calls[1]), 0);
	expect_gone(BASE);
	assert_int_equal(mm_fault(fx.space, BASE, MM_WRITE), bus_error(ENXIO));
	assert_int_equal(live_pages(), 0);
}

/* ---- rule 3: removing ---- */

/*
 * Vma, translation and what the host shows go in one hold of the entry, the page's reference
 * after it. Clearing only the translation would let a fault fill it again; dropping the reference
 * first would give the page to somebody else while the window still shows it.
 */
static void munmap_drops_a_page_only_when_nobody_can_reach_it(void **state)
{
	uint32_t page;

	(void)state;
	gates_needed();
	map_now(BASE, NULL);
	page = fill(BASE);
	gate_arm("space_unmap_taken");
	gate_arm("space_unmap_dropped");
	call_start(&calls[0], CALL_UNMAP, BASE);
	gate_await("space_unmap_taken");
	expect_gone(BASE);
	assert_int_equal(count_of(page), 1);
	assert_int_equal(live_pages(), 1);
	assert_int_equal(call_through(CALL_FAULT, BASE), -EFAULT);
	expect_gone(BASE);
	gate_open("space_unmap_taken");
	gate_await("space_unmap_dropped");
	assert_int_equal(count_of(page), 0);
	assert_int_equal(call_through(CALL_FAULT, BASE), -EFAULT);
	gate_open("space_unmap_dropped");
	assert_int_equal(call_finish(&calls[0]), 0);
	expect_gone(BASE);
	assert_int_equal(live_pages(), 0);
}

/*
 * remove_mapping comes after the page references. Were it first, a truncate would not know the
 * space any more while that still had the page. And a truncate in between frees nothing that the
 * unmapping thread still refers to: the page must not be given to a new owner.
 */
static void truncate_during_munmap_leaves_its_page_alone(void **state)
{
	uint32_t page;

	(void)state;
	gates_needed();
	map_now(BASE, fx.sm);
	page = fill(BASE);
	map_now(OTHER, NULL);
	gate_arm("space_unmap_taken");
	gate_arm("space_unmap_dropped");
	call_start(&calls[0], CALL_UNMAP, BASE);
	gate_await("space_unmap_taken");
	expect_gone(BASE);
	assert_int_equal(count_of(page), 2);
	assert_true(is_mapped());
	assert_int_equal(call_through(CALL_TRUNCATE, 0), 0);
	assert_int_equal(count_of(page), 1);
	assert_int_not_equal(fill(OTHER), page);
	assert_int_equal(count_of(page), 1);
	gate_open("space_unmap_taken");
	gate_await("space_unmap_dropped");
	assert_int_equal(count_of(page), 0);
	assert_true(is_mapped());
	gate_open("space_unmap_dropped");
	assert_int_equal(call_finish(&calls[0]), 0);
	assert_false(is_mapped());
	expect_gone(BASE);
	assert_int_equal(live_pages(), 1);
}

/* ---- rule 5: truncate and punch ---- */

/* Of the two, what a fault says once the change has begun. */
static int after(enum call_kind change)
{
	return change == CALL_TRUNCATE ? bus_error(ENXIO) : 0;
}

/*
 * A fault got its page from the object before step (i) and installs it after. Step (iii) waits
 * for the fault's entry and finds the page. Invalidating before (i), or passing over a locked
 * entry, would leave the old page readable when the change has returned.
 */
static void installed_after_detaching(enum call_kind change)
{
	uint32_t page;

	gates_needed();
	map_now(BASE, fx.sm);
	page = fill(BASE);
	shared_memory_invalidate(fx.sm, (struct mappable_range){ 0, PAGE },
				 (struct invalidate_opts){ false });
	gate_arm("fault_translated");
	call_start(&calls[0], CALL_FAULT, BASE);
	gate_await("fault_translated");
	gate_arm("shared_memory_detached");
	call_start(&calls[1], change, 0);
	gate_await("shared_memory_detached");
	assert_int_equal(shared_memory_resident_pages(fx.sm), 0);
	assert_int_equal(count_of(page), 1); /* detached, not freed: the fault has it in hand */
	gate_open("shared_memory_detached");
	assert_false(atomic_load(&calls[1].returned));
	gate_open("fault_translated");
	assert_int_equal(call_finish(&calls[0]), 0);
	assert_int_equal(call_finish(&calls[1]), 0);
	expect_gone(BASE);
	assert_int_equal(count_of(page), 0);
	assert_int_equal(live_pages(), 0);
	assert_int_equal(mm_fault(fx.space, BASE, MM_WRITE), after(change));
}

static void truncate_finds_what_a_fault_installs_late(void **state)
{
	(void)state;
	installed_after_detaching(CALL_TRUNCATE);
}

static void punch_finds_what_a_fault_installs_late(void **state)
{
	(void)state;
	installed_after_detaching(CALL_PUNCH);
}

/*
 * (i) before (iii), (v) after it, and neither under `data`. Faults at any moment of the change get
 * the new state at once and never wait for it; the old page is freed only when no mapping shows
 * it. Freeing in (i) would give it away under the readers of the second mapping; invalidating
 * first would let the fault after it bring the page back.
 */
static void changed_step_by_step(enum call_kind change)
{
	uint32_t page, fresh;

	gates_needed();
	map_now(BASE, fx.sm);
	map_now(OTHER, fx.sm);
	page = fill(BASE);
	gate_arm("shared_memory_detached");
	gate_arm("shared_memory_invalidated");
	call_start(&calls[0], change, 0);
	gate_await("shared_memory_detached");
	expect_present(BASE, page);
	assert_int_equal(count_of(page), 2);
	assert_int_equal(call_through(CALL_FAULT, OTHER), after(change));
	fresh = page_of(OTHER);
	assert_int_not_equal(fresh, page);
	gate_open("shared_memory_detached");
	gate_await("shared_memory_invalidated");
	expect_gone(BASE);
	expect_gone(OTHER); /* the fresh page as well: it can be faulted again */
	assert_int_equal(count_of(page), 1);
	assert_int_equal(call_through(CALL_FAULT, BASE), after(change));
	assert_int_equal(page_of(BASE), fresh);
	assert_int_equal(count_of(page), 1);
	gate_open("shared_memory_invalidated");
	assert_int_equal(call_finish(&calls[0]), 0);
	assert_int_equal(count_of(page), 0);
	assert_int_equal(page_of(BASE), fresh);
	assert_int_equal(live_pages(), change == CALL_TRUNCATE ? 0 : 1);
}

static void truncate_frees_last(void **state)
{
	(void)state;
	changed_step_by_step(CALL_TRUNCATE);
}

static void punch_frees_last(void **state)
{
	(void)state;
	changed_step_by_step(CALL_PUNCH);
}

/* ---- rule 9: faults from the hardware ---- */

/*
 * A store trapped and its handler holds the entry while the object is truncated. The store may
 * land in the old page or end in SIGBUS; when truncate has returned, only SIGBUS is left. A
 * handler that showed the page outside the hold would leave it in the window.
 */
static void a_trap_during_truncate_leaves_nothing_shown(void **state)
{
	int rc;

	(void)state;
	gates_needed();
	install_handlers();
	map_now(BASE, fx.sm);
	gate_arm("fault_translated");
	call_start(&calls[0], CALL_STORE, BASE);
	gate_await("fault_translated");
	gate_arm("shared_memory_detached");
	call_start(&calls[1], CALL_TRUNCATE, 0);
	gate_await("shared_memory_detached");
	gate_open("shared_memory_detached");
	gate_open("fault_translated");
	rc = call_finish(&calls[0]);
	assert_true(rc == 0 || rc == SIGBUS);
	assert_int_equal(call_finish(&calls[1]), 0);
	expect_gone(BASE);
	assert_int_equal(store(BASE, 1), SIGBUS);
	assert_int_equal(live_pages(), 0);
}

/*
 * A trap finds its mapping taken away: SIGSEGV, not a page. The window stays reserved, so that
 * nothing else of the process can be mapped where the program believes its memory is.
 */
static void a_trap_during_munmap_is_a_segv(void **state)
{
	(void)state;
	gates_needed();
	install_handlers();
	map_now(BASE, NULL);
	assert_int_equal(store(BASE, 1), 0);
	gate_arm("space_unmap_taken");
	call_start(&calls[0], CALL_UNMAP, BASE);
	gate_await("space_unmap_taken");
	assert_int_equal(call_through(CALL_STORE, BASE), SIGSEGV);
	assert_int_equal(host_shows(BASE), 0);
	gate_open("space_unmap_taken");
	assert_int_equal(call_finish(&calls[0]), 0);
	assert_int_equal(store(BASE, 1), SIGSEGV);
	assert_int_equal(host_shows(BASE), 0);
}

/*
 * Two threads trap on one page; the second finds it present with enough permission and need only
 * show it. Were that taken for a violation, the second store would end in SIGSEGV.
 */
static void the_second_trap_finds_the_page_present(void **state)
{
	volatile unsigned char *p;

	(void)state;
	gates_needed();
	install_handlers();
	map_now(BASE, fx.sm);
	gate_arm("fault_translated");
	call_start(&calls[0], CALL_STORE, BASE);
	gate_await("fault_translated");
	call_start(&calls[1], CALL_STORE, BASE + 1);
	assert_false(atomic_load(&calls[1].returned));
	gate_open("fault_translated");
	assert_int_equal(call_finish(&calls[0]), 0);
	assert_int_equal(call_finish(&calls[1]), 0);
	p = mm_host_address(fx.space, BASE);
	assert_int_equal(p[0], 99);
	assert_int_equal(p[1], 99);
	assert_int_equal(live_pages(), 1);
}

#define TEST_ON(test, kind)                                                                    \
	{                                                                                      \
#test " " #kind, test, open_fixture, close_fixture, (void *)&host_space_##kind \
	}
#define TEST(test) TEST_ON(test, none), TEST_ON(test, mmap), TEST_ON(test, uffd)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(faults_pass_a_held_mapping),
		TEST(a_fault_from_before_munmap_installs_nothing_after_it),
		TEST(truncate_knows_a_mapping_before_faults_do),
		TEST(a_mapping_published_during_truncate_sees_the_new_size),
		TEST(munmap_drops_a_page_only_when_nobody_can_reach_it),
		TEST(truncate_during_munmap_leaves_its_page_alone),
		TEST(truncate_finds_what_a_fault_installs_late),
		TEST(punch_finds_what_a_fault_installs_late),
		TEST(truncate_frees_last),
		TEST(punch_frees_last),
		TEST_ON(a_trap_during_truncate_leaves_nothing_shown, mmap),
		TEST_ON(a_trap_during_truncate_leaves_nothing_shown, uffd),
		TEST_ON(a_trap_during_munmap_is_a_segv, mmap),
		TEST_ON(a_trap_during_munmap_is_a_segv, uffd),
		TEST_ON(the_second_trap_finds_the_page_present, mmap),
		TEST_ON(the_second_trap_finds_the_page_present, uffd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
