/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall_test.c - what system-call tests of other kernels ask of mmap and its like, as tables:
 * where a mapping is placed or refused, what limits of locked memory refuse, and what copies of a
 * mappable's pages show when parts of them go. The answers are Linux's.
 */
#include "tests/unit/space_fixture.h"

#include "engine/mm_advise.h"
#include "engine/mm_io.h"
#include "engine/mm_remap.h"

#define PAGE MM_PAGE_SIZE

/* ---- where a mapping is placed ---- */

enum place { ANYWHERE, THERE, BELOW_4G };

/* Pages 10..13 are mapped. Addresses and lengths in bytes; a hint in the way is no error. */
static const struct placement {
	const char *name;
	uint64_t address, length;
	bool fixed, unmap, no_replace, map_32bit;
	int rc;
	enum place place;
} placements[] = {
	{ "one byte is a page", 20 * PAGE, 1, true, true, false, false, 0, THERE },
	{ "hint that is free", 20 * PAGE, PAGE, false, false, false, false, 0, THERE },
	{ "hint inside a page", 20 * PAGE + 5, PAGE, false, false, false, false, 0, THERE },
	{ "hint in the way", 10 * PAGE, PAGE, false, false, false, false, 0, ANYWHERE },
	{ "hint partly in the way", 8 * PAGE, 3 * PAGE, false, false, false, false, 0, ANYWHERE },
	{ "32 bits", 0, PAGE, false, false, false, true, 0, BELOW_4G },
	{ "fixed inside a page", 20 * PAGE + 5, PAGE, true, true, false, false, -EINVAL, 0 },
	{ "fixed over a mapping", 12 * PAGE, 4 * PAGE, true, true, false, false, 0, THERE },
	{ "no replace, free", 14 * PAGE, PAGE, true, false, true, false, 0, THERE },
	{ "no replace, there", 11 * PAGE, PAGE, true, false, true, false, -EEXIST, 0 },
	{ "no replace, its end", 9 * PAGE, 2 * PAGE, true, false, true, false, -EEXIST, 0 },
	{ "no replace, its start", 13 * PAGE, 2 * PAGE, true, false, true, false, -EEXIST, 0 },
	{ "no replace, around", 9 * PAGE, 6 * PAGE, true, false, true, false, -EEXIST, 0 },
	{ "no replace, last byte", 9 * PAGE, PAGE + 1, true, false, true, false, -EEXIST, 0 },
	{ "no replace, unaligned", 20 * PAGE + 1, PAGE, true, false, true, false, -EINVAL, 0 },
	{ "no replace and replace", 20 * PAGE, PAGE, true, true, true, false, -EINVAL, 0 },
	{ "no replace of a hint", 20 * PAGE, PAGE, false, false, true, false, -EINVAL, 0 },
	{ "replace of a hint", 20 * PAGE, PAGE, false, true, false, false, -EINVAL, 0 },
	{ "all addresses", 0, MM_ADDRESS_END, false, false, false, false, -ENOMEM, 0 },
	{ "no length", 20 * PAGE, 0, true, true, false, false, -EINVAL, 0 },
};

static void mappings_are_placed_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(placements) / sizeof(placements[0]); i++) {
		const struct placement *p = &placements[i];
		struct mmap_opts o = fixture_map_opts(0, 1, FIXTURE_RW);
		uint64_t got = 0, pages = (p->length + PAGE - 1) / PAGE;
		struct fixture f;

		fixture_open(&f, NULL, &host_space_none);
		assert_int_equal(fixture_map(f.space, 10, 4, FIXTURE_RW, NULL, true, 0), 0);
		for (uint64_t at = 10; at < 14; at++)
			assert_int_equal(fixture_put(&f, f.space, at, (unsigned char)at), 0);
		o.address = p->map_32bit ? 0 : FIXTURE_BASE + p->address;
		o.length = p->length;
		o.fixed = p->fixed;
		o.unmap = p->unmap;
		o.no_replace = p->no_replace;
		o.map_32bit = p->map_32bit;
		if (mm_mmap(f.space, &o, &got) != p->rc)
			fail_msg("%s: not %d", p->name, p->rc);
		if (!p->rc && p->place == THERE)
			assert_int_equal(got, o.address / PAGE * PAGE);
		if (!p->rc && p->place == BELOW_4G)
			assert_true(got + p->length <= UINT64_C(1) << 32);
		/* What is not replaced is what it was; what is replaced is fresh. */
		for (uint64_t at = 10; at < 14; at++) {
			bool fresh = !p->rc && fixture_address(at) >= got &&
				     fixture_address(at) < got + pages * PAGE;

			assert_int_equal(fixture_get(&f, f.space, at), fresh ? 0 : at);
		}
		fixture_close(&f);
	}
}

/* ---- limits of locked memory ---- */

enum locking { LOCK_MMAP, LOCK_MLOCK, LOCK_MLOCKALL, LOCK_MREMAP, LOCK_BRK, LOCKINGS };

/* Page 0..1 is locked, 4..7 is not, the heap is at 20 and to be locked as it grows. */
static int lock_more(struct mm_space *s, enum locking how)
{
	struct mmap_opts o = fixture_map_opts(40, 4, FIXTURE_RW);
	uint64_t got;

	switch (how) {
	case LOCK_MMAP:
		o.mlock_mode = MLOCK_EAGER;
		return mm_mmap(s, &o, &got);
	case LOCK_MLOCK:
		return mm_mlock(s, fixture_address(4), 4 * PAGE, MLOCK_EAGER);
	case LOCK_MLOCKALL:
		return mm_mlockall(s, true, true, MLOCK_EAGER);
	case LOCK_MREMAP:
		return mm_mremap(s, fixture_address(0), 2 * PAGE, 4 * PAGE, MREMAP_IN_PLACE, 0,
				 &got);
	default:
		return mm_brk(s, fixture_address(24), &got);
	}
}

static void locking_is_limited_in_every_way(void **state)
{
	/* address space, data: none. The third: a capability, with a limit of nothing. */
	static const struct mm_limits limits[] = {
		{ UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, false },
		{ UINT64_MAX, UINT64_MAX, 3 * PAGE + 4095, UINT64_MAX, false },
		{ UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, true },
	};
	static const int answers[LOCKINGS][3] = {
		[LOCK_MMAP] = { -EPERM, -EAGAIN, 0 },	  [LOCK_MLOCK] = { -EPERM, -ENOMEM, 0 },
		[LOCK_MLOCKALL] = { -EPERM, -ENOMEM, 0 }, [LOCK_MREMAP] = { -EAGAIN, -EAGAIN, 0 },
		[LOCK_BRK] = { -EAGAIN, -EAGAIN, 0 },
	};
	static const uint64_t grown[LOCKINGS] = { 4, 4, 4, 2, 4 };

	(void)state;
	for (int how = 0; how < LOCKINGS; how++)
		for (size_t i = 0; i < 3; i++) {
			struct mm_usage before, after;
			struct fixture f;

			fixture_open(&f, NULL, &host_space_none);
			assert_int_equal(fixture_map(f.space, 0, 2, FIXTURE_RW, NULL, true, 0), 0);
			assert_int_equal(fixture_map(f.space, 4, 4, FIXTURE_RW, NULL, true, 0), 0);
			assert_int_equal(mm_brk_setup(f.space, fixture_address(20)), 0);
			assert_int_equal(
				mm_mlock(f.space, fixture_address(0), 2 * PAGE, MLOCK_EAGER), 0);
			if (how == LOCK_BRK || how == LOCK_MREMAP)
				assert_int_equal(mm_mlockall(f.space, false, true, MLOCK_EAGER), 0);
			mm_set_limits(f.space, &limits[i]);
			mm_get_usage(f.space, &before);
			assert_int_equal(before.locked, 2 * PAGE);
			assert_int_equal(lock_more(f.space, (enum locking)how), answers[how][i]);
			mm_get_usage(f.space, &after);
			assert_int_equal(after.locked - before.locked,
					 answers[how][i] ? 0 : grown[how] * PAGE);
			/* what grew is there at once, what was refused is not */
			assert_int_equal(after.resident - before.resident,
					 answers[how][i] ? 0 : grown[how] * PAGE);
			fixture_close(&f);
		}
}

/* Locked memory that becomes writable is copied at once: a store must not need a fault. */
static void locked_memory_that_becomes_writable_is_copied(void **state)
{
	static const struct {
		enum mlock_mode mode;
		bool is_private;
		unsigned copied;
	} table[] = { { MLOCK_EAGER, true, 3 },
		      { MLOCK_LAZY, true, 0 },
		      { MLOCK_NONE, true, 0 },
		      { MLOCK_EAGER, false, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct shared_memory *sm;
		struct fixture f;

		fixture_open(&f, NULL, &host_space_none);
		assert_int_equal(shared_memory_create(f.memory, 8 * PAGE, PAGE_4K, "o", &sm), 0);
		assert_int_equal(fixture_map(f.space, 0, 8, MM_READ, sm, table[i].is_private, 0),
				 0);
		assert_int_equal(mm_mlock(f.space, fixture_address(0), 8 * PAGE, table[i].mode), 0);
		assert_int_equal(mm_mprotect(f.space, fixture_address(2), 3 * PAGE, FIXTURE_RW), 0);
		assert_int_equal(fixture_copied(&f), table[i].copied);
		for (uint64_t at = 2; at < 5; at++)
			assert_int_equal(fixture_put(&f, f.space, at, 1), 0);
		assert_int_equal(fixture_copied(&f), table[i].is_private ? 3 : 0);
		assert_int_equal(fixture_put(&f, f.space, 5, 1), -EACCES);
		assert_int_equal(mm_munmap(f.space, FIXTURE_BASE, 8 * PAGE), 0);
		mapping_identity_dec_ref(shared_memory_identity(sm));
		fixture_close(&f);
	}
}

/* ---- copies of a mappable's pages ---- */

static struct shared_memory *object_open(struct fixture *f, uint64_t copy_bytes, uint64_t pages)
{
	struct mm_opts opts = { .copy_bytes = copy_bytes };
	struct shared_memory *sm;

	fixture_open(f, &opts, &host_space_none);
	assert_int_equal(shared_memory_create(f->memory, pages * PAGE, PAGE_4K, "o", &sm), 0);
	return sm;
}

static void object_close(struct fixture *f, struct shared_memory *sm)
{
	assert_int_equal(mm_munmap(f->space, 0, FIXTURE_WINDOW), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(f);
}

/* The unit that is copied around a write reaches past the end of the object, or over pages that
 * went meanwhile: the page that is written decides, its neighbours do not. */
static void copies_at_the_end_of_an_object(void **state)
{
	static const uint64_t units[] = { PAGE, 64 << 10, MM_HUGE_SIZE };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fixture f;
		struct shared_memory *sm = object_open(&f, units[i], 40);

		assert_int_equal(fixture_map(f.space, 1024, 64, FIXTURE_RW, sm, false, 0), 0);
		assert_int_equal(fixture_map(f.space, 0, 64, FIXTURE_RW, sm, true, 0), 0);
		for (uint64_t at = 0; at < 40; at++) {
			assert_int_equal(fixture_put(&f, f.space, 1024 + at, 9), 0);
			assert_int_equal(fixture_get(&f, f.space, at), 9);
		}
		assert_int_equal(shared_memory_truncate(sm, 20 * PAGE), 0);
		assert_int_equal(shared_memory_punch(sm, (struct mappable_range){ 0, 3 * PAGE }),
				 0);
		assert_true(is_bus_error(fixture_put(&f, f.space, 20, 1)));
		assert_true(is_bus_error(fixture_put(&f, f.space, 39, 1)));
		assert_int_equal(fixture_copied(&f), 0);
		assert_int_equal(fixture_put(&f, f.space, 19, 1), 0);
		assert_int_equal(fixture_put(&f, f.space, 3, 1), 0);
		/* whatever the copy unit is: the others stay the object's */
		assert_int_equal(fixture_copied(&f), 2);
		for (uint64_t at = 0; at < 20; at++)
			assert_int_equal(fixture_get(&f, f.space, at), at < 3		     ? 0
								       : at == 3 || at == 19 ? 1
											     : 9);
		/* the object's own bytes are as they were; the cut takes private copies along */
		assert_int_equal(fixture_get(&f, f.space, 1024 + 19), 9);
		assert_int_equal(shared_memory_truncate(sm, 10 * PAGE), 0);
		assert_int_equal(shared_memory_truncate(sm, 40 * PAGE), 0);
		assert_int_equal(fixture_get(&f, f.space, 3), 1);
		assert_int_equal(fixture_get(&f, f.space, 19), 0);
		object_close(&f, sm);
	}
}

/* DONTNEED of parts of what was copied: only these show the object again. */
static void dontneed_of_a_large_copy(void **state)
{
	static const struct {
		uint64_t first, end;
	} parts[] = { { 0, 1 }, { 511, 512 }, { 100, 400 }, { 500, 600 }, { 0, 512 }, { 0, 1024 } };

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct fixture f;
		struct shared_memory *sm = object_open(&f, MM_HUGE_SIZE, 1024);
		uint64_t first = parts[i].first, end = parts[i].end;

		assert_int_equal(fixture_map(f.space, 1024, 1024, FIXTURE_RW, sm, false, 0), 0);
		assert_int_equal(fixture_map(f.space, 0, 1024, FIXTURE_RW, sm, true, 0), 0);
		for (uint64_t at = 0; at < 1024; at++)
			assert_int_equal(fixture_get(&f, f.space, at), 0);
		for (uint64_t at = 0; at < 1024; at++)
			assert_int_equal(fixture_put(&f, f.space, at, 1), 0);
		assert_int_equal(fixture_copied(&f), 1024);
		for (uint64_t at = 0; at < 1024; at++)
			assert_int_equal(fixture_put(&f, f.space, 1024 + at, 2), 0);
		assert_int_equal(mm_madvise(f.space, fixture_address(first), (end - first) * PAGE,
					    MM_ADVISE_DONTNEED),
				 0);
		for (uint64_t at = 0; at < 1024; at++)
			assert_int_equal(fixture_get(&f, f.space, at),
					 at >= first && at < end ? 2 : 1);
		object_close(&f, sm);
	}
}

/* What the kernel read before a copy was made must not be read after it. */
static void the_kernel_reads_what_the_application_wrote(void **state)
{
	const struct mm_io_opts plain = { false };
	struct fixture f;
	struct shared_memory *sm = object_open(&f, 0, 4);
	unsigned char bytes[2] = { 9, 9 };
	uint64_t done;

	(void)state;
	assert_int_equal(fixture_map(f.space, 0, 4, FIXTURE_RW, sm, true, 0), 0);
	assert_int_equal(mm_copy_in(f.space, FIXTURE_BASE + 7, bytes, 1, plain, &done), 0);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(fixture_put(&f, f.space, 0, 5), 0);
	assert_int_equal(mm_copy_in(f.space, FIXTURE_BASE + 7, bytes, 1, plain, &done), 0);
	assert_int_equal(bytes[0], 5);
	/* without permission nothing is read, and nothing is lost meanwhile */
	assert_int_equal(mm_mprotect(f.space, FIXTURE_BASE, PAGE, MM_NONE), 0);
	assert_int_equal(mm_copy_in(f.space, FIXTURE_BASE + 7, bytes, 1, plain, &done), -EFAULT);
	assert_int_equal(mm_mprotect(f.space, FIXTURE_BASE, PAGE, FIXTURE_RW), 0);
	assert_int_equal(fixture_get(&f, f.space, 0), 5);
	object_close(&f, sm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_are_placed_or_refused),
		cmocka_unit_test(locking_is_limited_in_every_way),
		cmocka_unit_test(locked_memory_that_becomes_writable_is_copied),
		cmocka_unit_test(copies_at_the_end_of_an_object),
		cmocka_unit_test(dontneed_of_a_large_copy),
		cmocka_unit_test(the_kernel_reads_what_the_application_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
