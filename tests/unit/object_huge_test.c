/* SPDX-License-Identifier: Apache-2.0 */
/* object_huge_test.c - objects of 2 MiB pages in spaces whose pages the host shows, which it can
 * only do with whole ones: what is copied, what is refused, and what others see meanwhile. */
#include "tests/unit/space_fixture.h"

#include <unistd.h>

#include "engine/memory_readback.h"
#include "tests/unit/hugepages.h"

static const struct host_space_ops *const hosts[] = { &host_space_mmap, &host_space_uffd };
static const struct host_space_ops *host; /* of the group that runs */

struct huge {
	struct fixture fixture;
	struct shared_memory *object;
};

/* An object of two pages of 2 MiB, the first byte of each small page says which it is. */
static void open_huge(struct huge *h)
{
	struct mm_opts opts = { .page_class = PAGE_2M };
	struct fixture *f = &h->fixture;
	const char *why;

	if (memory_file_probe(PAGE_2M, &why)) {
		print_message("%s\n", why);
		skip();
	}
	fixture_open(f, &opts, host);
	assert_int_equal(
		shared_memory_create(f->memory, 2 * MM_HUGE_SIZE, PAGE_2M, NULL, &h->object), 0);
	assert_int_equal(
		fixture_map(f->space, 4096, 2 * MM_HUGE_PAGES, FIXTURE_RW, h->object, false, 0), 0);
	for (uint64_t page = 0; page < 2 * MM_HUGE_PAGES; page++)
		assert_int_equal(fixture_put(f, f->space, 4096 + page, (unsigned char)page), 0);
}

static void close_huge(struct huge *h)
{
	struct fixture *f = &h->fixture;

	assert_int_equal(mm_munmap(f->space, fixture_address(0), UINT64_C(1) << 30), 0);
	mapping_identity_dec_ref(shared_memory_identity(h->object));
	fixture_close(f);
}

static volatile unsigned char *byte_at(const struct huge *h, uint64_t page)
{
	return (volatile unsigned char *)mm_host_address(h->fixture.space, fixture_address(page)) +
	       7;
}

static enum page_class class_at(const struct huge *h, uint64_t page)
{
	uint32_t at;

	assert_int_equal(fixture_page(h->fixture.space, page, MM_READ, &at), 0);
	return memory_file_class(h->fixture.memory, at);
}

static uint64_t copied(const struct huge *h)
{
	struct mm_stat stat;

	mm_get_stat(h->fixture.mm, &stat);
	return stat.copied_pages;
}

/* May the process read there, as the hardware has it now? */
static bool is_shown(const struct huge *h, uint64_t page)
{
	int ends[2];
	bool shown;

	assert_int_equal(pipe(ends), 0);
	shown = write(ends[1], (const void *)byte_at(h, page), 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return shown;
}

static void check_private(bool loaded_before)
{
	struct mm_space *s;
	struct huge h;

	open_huge(&h);
	s = h.fixture.space;
	assert_int_equal(fixture_map(s, 0, 2 * MM_HUGE_PAGES, FIXTURE_RW, h.object, true, 0), 0);
	if (loaded_before)
		assert_int_equal(*byte_at(&h, 3), 3);
	*byte_at(&h, 1) = 77;
	assert_int_equal(copied(&h), MM_HUGE_PAGES);
	assert_int_equal(class_at(&h, 1), PAGE_2M);
	/* What is beside is of the same copy, and looking at it takes nothing away. */
	assert_int_equal(*byte_at(&h, 0), 0);
	assert_int_equal(*byte_at(&h, 511), 511 & 255);
	assert_int_equal(*byte_at(&h, 1), 77);
	assert_int_equal(*byte_at(&h, 4096 + 1), 1);
	*byte_at(&h, 4096 + 2) = 78;
	assert_int_equal(*byte_at(&h, 2), 2);
	/* The other one is the object's still. */
	*byte_at(&h, 4096 + 512) = 79;
	assert_int_equal(*byte_at(&h, 512), 79);
	assert_int_equal(copied(&h), MM_HUGE_PAGES);
	mm_check(h.fixture.mm);

	assert_int_equal(mm_discard(s, fixture_address(0), MM_HUGE_SIZE), 0);
	assert_int_equal(*byte_at(&h, 1), 1);
	assert_int_equal(*byte_at(&h, 2), 78);
	close_huge(&h);
}

static void the_private_copy_of_a_page_is_as_large(void **state)
{
	(void)state;
	check_private(false);
}

static void so_it_is_when_the_page_was_shown_before(void **state)
{
	(void)state;
	check_private(true);
}

static void a_part_is_refused_and_nothing_beside_it_shown(void **state)
{
	struct mm_space *s;
	struct huge h;

	(void)state;
	open_huge(&h);
	s = h.fixture.space;
	/* Half of it goes. */
	assert_int_equal(mm_munmap(s, fixture_address(4096 + 256), 256 * MM_PAGE_SIZE), 0);
	assert_int_equal(mm_fault(s, fixture_address(4096), MM_READ), -EINVAL);
	assert_int_equal(mm_fault(s, fixture_address(4096 + 255), MM_READ), -EINVAL);
	assert_int_equal(mm_fault(s, fixture_address(4096 + 256), MM_READ), -EFAULT);
	assert_false(is_shown(&h, 4096));
	assert_false(is_shown(&h, 4096 + 256));
	/* Where addresses and offsets are not alike in 2 MiB, no whole page is. */
	assert_int_equal(fixture_map(s, 1, MM_HUGE_PAGES, FIXTURE_RW, h.object, false, 0), 0);
	assert_int_equal(mm_fault(s, fixture_address(1), MM_READ), -EINVAL);
	assert_false(is_shown(&h, 1));
	/* The other one is shown as ever. */
	assert_int_equal(*byte_at(&h, 4096 + 513), 513 & 255);
	mm_check(h.fixture.mm);
	close_huge(&h);
}

static void without_a_page_for_the_copy_all_stays(void **state)
{
	struct mm_space *s;
	struct huge h;
	uint64_t n = 0;
	int rc;

	(void)state;
	open_huge(&h);
	s = h.fixture.space;
	assert_int_equal(fixture_map(s, 0, 2 * MM_HUGE_PAGES, FIXTURE_RW, h.object, true, 0), 0);
	assert_int_equal(*byte_at(&h, 512), 0);
	/* The pool is not ours alone; what is left of it is taken. */
	assert_int_equal(fixture_map(s, 8192, 65536, FIXTURE_RW, NULL, true, 0), 0);
	while ((rc = mm_fault(s, fixture_address(8192 + n * MM_HUGE_PAGES), MM_WRITE)) == 0)
		assert_true(++n < 128);
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(mm_fault(s, fixture_address(1), MM_WRITE), -ENOMEM);
	assert_int_equal(mm_fault(s, fixture_address(513), MM_WRITE), -ENOMEM);
	assert_int_equal(*byte_at(&h, 513), 513 & 255);
	assert_int_equal(*byte_at(&h, 1), 1);
	assert_int_equal(copied(&h), 0);
	mm_check(h.fixture.mm);
	close_huge(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_private_copy_of_a_page_is_as_large),
		cmocka_unit_test(so_it_is_when_the_page_was_shown_before),
		cmocka_unit_test(a_part_is_refused_and_nothing_beside_it_shown),
		cmocka_unit_test(without_a_page_for_the_copy_all_stays),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		host = hosts[i];
		failed += cmocka_run_group_tests_name(host->name, tests, hugepages_setup,
						      hugepages_teardown);
	}
	return failed;
}
