/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_test.c - mmap, munmap, mprotect, fault, discard and invalidate against a model of one
 * byte per page, single-threaded with mm_space_check() after every step, then with threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/checked.h"

#include "engine/fail.h"
#include "engine/mm.h"
#include "engine/shared_memory.h"

#define BASE (UINT64_C(1) << 30)

struct fixture {
	struct mm *mm;
	struct mm_space *space;
};

static int open_fixture(struct fixture *f, const struct host_space_ops *host, enum page_class cls)
{
	struct mm_opts opts = { .page_class = cls };

	assert_int_equal(mm_thread_enter(), 0);
	if (mm_create(&opts, &f->mm))
		return -1;
	return mm_space_create(f->mm, host, UINT64_C(4) << 30, &f->space);
}

static void close_fixture(struct fixture *f)
{
	struct mm_stat stat;

	mm_check(f->mm);
	mm_space_destroy(f->space);
	mm_get_stat(f->mm, &stat);
	assert_int_equal(stat.memory.live_pages, 0);
	assert_int_equal(stat.vmas, 0);
	mm_destroy(f->mm);
	mm_thread_leave();
}

static int map_at(struct mm_space *s, uint64_t address, uint64_t length, mm_access perms)
{
	struct mmap_opts o = { .length = length,
			       .address = address,
			       .fixed = true,
			       .unmap = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true };
	uint64_t got = 0;
	int rc = mm_mmap(s, &o, &got);

	if (!rc)
		assert_int_equal(got, address);
	return rc;
}

static void faults_fill_what_is_mapped(void **state)
{
	struct fixture f;
	uint32_t page[2];
	mm_access perms;

	(void)state;
	assert_int_equal(open_fixture(&f, &host_space_none, PAGE_4K), 0);
	assert_int_equal(mm_fault(f.space, BASE, MM_READ), -EFAULT);
	assert_int_equal(map_at(f.space, BASE, 4 * MM_PAGE_SIZE, MM_READ | MM_WRITE), 0);
	assert_int_equal(mm_lookup(f.space, BASE, MM_READ, &page[0], &perms), -ENOENT);
	assert_int_equal(mm_fault(f.space, BASE + 4095, MM_WRITE), 0);
	assert_int_equal(mm_fault(f.space, BASE + 4096, MM_READ), 0);
	assert_int_equal(mm_lookup(f.space, BASE, MM_WRITE, &page[0], &perms), 0);
	assert_int_equal(perms, MM_READ | MM_WRITE);
	assert_int_equal(mm_lookup(f.space, BASE + 4096, MM_WRITE, &page[1], &perms), 0);
	assert_int_equal(page[1], page[0] + 1); /* the address decides the page */
	assert_int_equal(mm_fault(f.space, BASE, MM_EXEC), -EACCES);
	assert_int_equal(mm_fault(f.space, BASE + 4 * MM_PAGE_SIZE, MM_READ), -EFAULT);
	mm_check(f.mm);
	assert_int_equal(mm_munmap(f.space, BASE, MM_PAGE_SIZE), 0);
	assert_int_equal(mm_fault(f.space, BASE, MM_READ), -EFAULT);
	assert_int_equal(mm_lookup(f.space, BASE + 4096, MM_READ, &page[0], &perms), 0);
	assert_int_equal(page[0], page[1]);
	close_fixture(&f);
}

static void arguments_are_checked(void **state)
{
	struct fixture f;
	uint64_t got;
	struct mmap_opts o = {
		.length = 4096, .perms = MM_READ, .max_perms = MM_ANY_ACCESS, .is_private = true
	};

	(void)state;
	assert_int_equal(open_fixture(&f, &host_space_none, PAGE_4K), 0);
	assert_int_equal(map_at(f.space, BASE, 0, MM_READ), -EINVAL);
	assert_int_equal(map_at(f.space, BASE + 1, 4096, MM_READ), -EINVAL);
	assert_int_equal(map_at(f.space, BASE, UINT64_MAX, MM_READ), -ENOMEM);
	assert_int_equal(map_at(f.space, MM_ADDRESS_END - 4096, 8192, MM_READ), -ENOMEM);
	assert_int_equal(mm_munmap(f.space, BASE, 0), -EINVAL);
	assert_int_equal(mm_munmap(f.space, BASE + 1, 4096), -EINVAL);
	assert_int_equal(mm_munmap(f.space, BASE, UINT64_MAX), -EINVAL);
	assert_int_equal(mm_munmap(f.space, BASE, 4096), 0); /* nothing there is fine */
	assert_int_equal(mm_mprotect(f.space, BASE, 4096, MM_READ), -ENOMEM);
	assert_int_equal(mm_discard(f.space, BASE, 4096), -ENOMEM);
	o.unmap = true;
	assert_int_equal(mm_mmap(f.space, &o, &got), -EINVAL);
	o.unmap = false;
	o.max_perms = MM_NONE;
	assert_int_equal(mm_mmap(f.space, &o, &got), -EACCES);
	o.max_perms = MM_ANY_ACCESS;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	o.address = got;
	o.fixed = o.no_replace = true;
	assert_int_equal(mm_mmap(f.space, &o, &got), -EEXIST);
	o.no_replace = false;
	assert_int_equal(mm_mmap(f.space, &o, &got), -ENOMEM);
	o.fixed = false; /* a hint in the way: another place */
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_not_equal(got, o.address);
	close_fixture(&f);
}

static void mprotect_takes_and_gives(void **state)
{
	struct fixture f;
	uint32_t page;
	mm_access perms;

	(void)state;
	assert_int_equal(open_fixture(&f, &host_space_none, PAGE_4K), 0);
	assert_int_equal(map_at(f.space, BASE, 8 * MM_PAGE_SIZE, MM_READ | MM_WRITE), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(mm_fault(f.space, BASE + i * MM_PAGE_SIZE, MM_WRITE), 0);
	assert_int_equal(mm_mprotect(f.space, BASE + 2 * MM_PAGE_SIZE, 3 * MM_PAGE_SIZE, MM_READ),
			 0);
	for (unsigned i = 0; i < 8; i++) {
		bool locked = i >= 2 && i < 5;

		assert_int_equal(mm_lookup(f.space, BASE + i * MM_PAGE_SIZE, MM_WRITE, &page,
					   &perms),
				 locked ? -ENOENT : 0);
		assert_int_equal(mm_fault(f.space, BASE + i * MM_PAGE_SIZE, MM_WRITE),
				 locked ? -EACCES : 0);
	}
	mm_check(f.mm);
	assert_int_equal(mm_mprotect(f.space, BASE, 8 * MM_PAGE_SIZE, MM_NONE), 0);
	assert_int_equal(mm_fault(f.space, BASE, MM_READ), -EACCES);
	assert_int_equal(mm_mprotect(f.space, BASE, 8 * MM_PAGE_SIZE, MM_READ | MM_WRITE), 0);
	assert_int_equal(mm_fault(f.space, BASE + 3 * MM_PAGE_SIZE, MM_WRITE), 0);
	assert_int_equal(mm_mprotect(f.space, BASE, 9 * MM_PAGE_SIZE, MM_READ), -ENOMEM);
	assert_int_equal(mm_fault(f.space, BASE, MM_WRITE), -EACCES); /* what precedes changed */
	close_fixture(&f);
}

/* Random operations on 1,600 pages around two 2 MiB edges, against a model. */
#define MODEL_PAGES 1600

struct model {
	bool mapped[MODEL_PAGES], present[MODEL_PAGES];
	mm_access perms[MODEL_PAGES];
};

static void compare(struct mm_space *s, const struct model *m)
{
	for (unsigned i = 0; i < MODEL_PAGES; i++) {
		uint32_t page;
		mm_access perms;
		int rc = mm_lookup(s, BASE + i * MM_PAGE_SIZE, MM_NONE, &page, &perms);

		assert_int_equal(rc, m->mapped[i] && m->present[i] ? 0 : -ENOENT);
		if (!rc)
			assert_int_equal(perms, access_effective(m->perms[i]));
	}
}

static void random_operations(enum page_class cls, unsigned operations)
{
	static struct model m;
	struct fixture f;
	unsigned seed = 12345;
	static const mm_access choices[] = { MM_NONE, MM_READ, MM_READ | MM_WRITE };

	memset(&m, 0, sizeof(m));
	assert_int_equal(open_fixture(&f, &host_space_none, cls), 0);
	for (unsigned step = 0; step < operations; step++) {
		unsigned at = (unsigned)rand_r(&seed) % MODEL_PAGES;
		unsigned n = 1 + (unsigned)rand_r(&seed) % (rand_r(&seed) & 64 ? 20 : 900);
		mm_access perms = choices[rand_r(&seed) % 3];
		uint64_t address = BASE + at * MM_PAGE_SIZE;
		bool hole = false;

		if (n > MODEL_PAGES - at)
			n = MODEL_PAGES - at;
		switch (rand_r(&seed) % 8) {
		case 0:
			assert_int_equal(map_at(f.space, address, n * MM_PAGE_SIZE, perms), 0);
			for (unsigned i = at; i < at + n; i++) {
				m.mapped[i] = true;
				m.present[i] = false;
				m.perms[i] = perms;
			}
			break;
		case 1:
			assert_int_equal(mm_munmap(f.space, address, n * MM_PAGE_SIZE), 0);
			for (unsigned i = at; i < at + n; i++)
				m.mapped[i] = m.present[i] = false;
			break;
		case 2:
			for (unsigned i = at; i < at + n && !hole; i++) {
				hole = !m.mapped[i];
				if (!hole)
					m.perms[i] = perms;
			}
			assert_int_equal(mm_mprotect(f.space, address, n * MM_PAGE_SIZE, perms),
					 hole ? -ENOMEM : 0);
			break;
		case 3:
			for (unsigned i = at; i < at + n; i++) {
				hole |= !m.mapped[i];
				m.present[i] = false;
			}
			assert_int_equal(mm_discard(f.space, address, n * MM_PAGE_SIZE),
					 hole ? -ENOMEM : 0);
			break;
		default: {
			mm_access at_access = rand_r(&seed) & 4 ? MM_WRITE : MM_READ;
			int want = !m.mapped[at] ? -EFAULT
				   : access_superset_of(access_effective(m.perms[at]), at_access)
					   ? 0
					   : -EACCES;

			assert_int_equal(mm_fault(f.space, address, at_access), want);
			if (!want && cls == PAGE_4K)
				m.present[at] = true;
			break;
		}
		}
		if (cls == PAGE_4K)
			compare(f.space, &m);
		if (step % 64 == 0)
			mm_check(f.mm);
	}
	close_fixture(&f);
}

static void random_operations_agree_with_a_model(void **state)
{
	(void)state;
	random_operations(PAGE_4K, 6000);
}

static void random_operations_with_thp(void **state)
{
	(void)state;
	random_operations(PAGE_THP, 3000);
}

/* ---- threads ---- */

struct storm {
	struct fixture f;
	struct shared_memory *object;
	atomic_bool stop;
	atomic_ulong faults;
	unsigned next;
};

static void *storm_thread(void *arg)
{
	struct storm *st = arg;
	unsigned seed = __atomic_add_fetch(&st->next, 1, __ATOMIC_RELAXED) * 7919;
	unsigned self = __atomic_load_n(&st->next, __ATOMIC_RELAXED);
	unsigned long faults = 0;

	assert_int_equal(mm_thread_enter(), 0);
	for (unsigned k = 0; k < 20000; k++) {
		uint64_t page = (unsigned)rand_r(&seed) % 1500;
		uint64_t n = 1 + (unsigned)rand_r(&seed) % (rand_r(&seed) & 64 ? 16 : 700);
		uint64_t address = BASE + page * MM_PAGE_SIZE;
		uint64_t got;
		int rc;

		switch (rand_r(&seed) % 16) {
		case 0:
			rc = map_at(st->f.space, address, n * MM_PAGE_SIZE, MM_READ | MM_WRITE);
			assert_int_equal(rc, 0);
			break;
		case 1: {
			struct mmap_opts o = { .length = n * MM_PAGE_SIZE,
					       .address = address,
					       .fixed = true,
					       .unmap = true,
					       .perms = MM_READ | MM_WRITE,
					       .max_perms = MM_ANY_ACCESS,
					       .mappable = shared_memory_mappable(st->object),
					       .identity = shared_memory_identity(st->object),
					       .offset = page * MM_PAGE_SIZE };

			assert_int_equal(mm_mmap(st->f.space, &o, &got), 0);
			break;
		}
		case 2:
			assert_int_equal(mm_munmap(st->f.space, address, n * MM_PAGE_SIZE), 0);
			break;
		case 3:
			rc = mm_mprotect(st->f.space, address, n * MM_PAGE_SIZE,
					 k & 1 ? MM_READ : MM_READ | MM_WRITE);
			assert_true(rc == 0 || rc == -ENOMEM);
			break;
		case 4:
			rc = mm_discard(st->f.space, address, n * MM_PAGE_SIZE);
			assert_true(rc == 0 || rc == -ENOMEM);
			break;
		case 5:
			if (self % 2)
				shared_memory_invalidate(
					st->object,
					(struct mappable_range){ page * MM_PAGE_SIZE,
								 (page + n) * MM_PAGE_SIZE },
					(struct invalidate_opts){ 0 });
			break;
		case 6:
			rc = shared_memory_truncate(
				st->object, (unsigned)rand_r(&seed) % 2 ? 0 : 4096 * MM_PAGE_SIZE);
			assert_int_equal(rc, 0);
			break;
		default:
			rc = mm_fault(st->f.space, address, k & 1 ? MM_READ : MM_WRITE);
			assert_true(rc == 0 || rc == -EFAULT || rc == -EACCES || is_bus_error(rc));
			faults += rc == 0;
			break;
		}
	}
	atomic_fetch_add(&st->faults, faults);
	mm_thread_leave();
	return NULL;
}

static void threads_do_everything_at_once(void **state)
{
	static struct storm st;
	pthread_t threads[4];

	(void)state;
	assert_int_equal(open_fixture(&st.f, &host_space_none, PAGE_4K), 0);
	assert_int_equal(shared_memory_create(mm_memory_file(st.f.mm), 4096 * MM_PAGE_SIZE, PAGE_4K,
					      "storm", &st.object),
			 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm_thread, &st), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&st.faults) > 0);
	mm_check(st.f.mm);
	assert_int_equal(mm_munmap(st.f.space, 0, UINT64_C(8) << 30), 0);
	mapping_identity_dec_ref(shared_memory_identity(st.object));
	close_fixture(&st.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_fill_what_is_mapped),
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(mprotect_takes_and_gives),
		cmocka_unit_test(random_operations_agree_with_a_model),
		cmocka_unit_test(random_operations_with_thp),
		cmocka_unit_test(threads_do_everything_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
