/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_check_host_test.c - what mm_check() says when the host shows something else than entries
 * say, when deposits of huge pages are not theirs, and when pages of host files are not what is
 * mapped.
 */
#include "tests/unit/space_check_fixture.h"

#include <sys/mman.h>

#include "engine/direct_file.h"

static void host_shows_nothing(struct fixture *f)
{
	assert_ptr_not_equal(mmap(shown(f, ANON + 1), MM_PAGE_SIZE, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			     MAP_FAILED);
}

static void host_shows_what_is_absent(struct fixture *f)
{
	assert_ptr_not_equal(mmap(shown(f, OBJECT + 3), MM_PAGE_SIZE, PROT_READ,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			     MAP_FAILED);
}

static void host_shows_what_is_not_hosted(struct fixture *f)
{
	*entry_at(f, ANON + 1) &= ~ENTRY_HOSTED;
}

static void host_shows_another_page(struct fixture *f)
{
	uint64_t offset;
	struct file *file = memory_file_of(f->mm->memory, page_of(f, ANON), &offset);

	assert_ptr_not_equal(mmap(shown(f, ANON + 1), MM_PAGE_SIZE, PROT_READ,
				  MAP_SHARED | MAP_FIXED, file_data_fd(file), (off_t)offset),
			     MAP_FAILED);
}

static void host_shows_another_file(struct fixture *f)
{
	int fd = memfd_create("other", 0);
	uint64_t offset;

	memory_file_of(f->mm->memory, page_of(f, ANON + 1), &offset);
	assert_int_equal(ftruncate(fd, (off_t)(offset + MM_PAGE_SIZE)), 0);
	assert_ptr_not_equal(mmap(shown(f, ANON + 1), MM_PAGE_SIZE, PROT_READ,
				  MAP_SHARED | MAP_FIXED, fd, (off_t)offset),
			     MAP_FAILED);
}

static void host_permits_more(struct fixture *f)
{
	assert_int_equal(mprotect(shown(f, ANON_READ + 1), MM_PAGE_SIZE, PROT_READ | PROT_WRITE),
			 0);
}

static void written_page_is_clean(struct fixture *f)
{
	f->mm->memory->counts[page_of(f, ANON + 1)] &= ~MEMORY_PAGE_DIRTY;
}

static void map_file(struct fixture *f, struct direct_file *file)
{
	struct mmap_opts o = { .length = 4 * MM_PAGE_SIZE,
			       .address = at(FILE_AT),
			       .fixed = true,
			       .perms = MM_READ,
			       .max_perms = MM_READ,
			       .mappable = direct_file_mappable(file),
			       .identity = direct_file_identity(file) };
	uint64_t got;

	assert_int_equal(mm_mmap(f->space, &o, &got), 0);
	fault(f, FILE_AT, MM_READ);
	fault(f, FILE_AT + 1, MM_READ);
}

static void another_offset_of_a_file(struct fixture *f)
{
	name_page(f, FILE_AT, page_of(f, FILE_AT + 1));
}

static void one_reference_too_many_of_a_file(struct fixture *f)
{
	memory_file_inc(f->mm->memory, page_of(f, FILE_AT));
}

static void reference_beside_what_is_mapped(struct fixture *f)
{
	memory_file_inc(f->mm->memory, page_of(f, FILE_AT) + 3 * (uint32_t)MM_HUGE_PAGES);
}

static void private_page_of_a_file(struct fixture *f)
{
	name_page(f, ANON, page_of(f, FILE_AT));
}

static void no_deposit(struct fixture *f)
{
	struct memory_block *b = memory_file_block(f->mm->memory, page_of(f, HUGE));

	assert_non_null(b->deposits);
	b->deposits = NULL;
}

static void two_deposits(struct fixture *f)
{
	struct memory_block *b = memory_file_block(f->mm->memory, page_of(f, ANON));

	b->deposits = memory_file_block(f->mm->memory, page_of(f, HUGE))->deposits;
}

static const struct broken of_the_host[] = {
	{ "nothing shown", host_shows_nothing, "0x4001000: the host ought to show page" },
	{ "absent shown", host_shows_what_is_absent, "0x4013000: the host shows inode 0, but" },
	{ "not HOSTED, shown", host_shows_what_is_not_hosted, "0x4001000: the host shows inode" },
	{ "another page", host_shows_another_page, "0x4001000: the host shows inode" },
	{ "another file", host_shows_another_file, "0x4001000: the host shows inode" },
	{ "host permits more", host_permits_more, "0x4009000: the host permits 3, the entry 1" },
	{ "clean", written_page_is_clean, "is shown writable, and would be taken for clean" },
};

static const struct broken of_files[] = {
	{ "another offset", another_offset_of_a_file,
	  "0x4020000: offset 0x1000 of a host file is mapped, not 0" },
	{ "file reference too many", one_reference_too_many_of_a_file,
	  "has 2 references, of which are known: 1 entries (one at address 0x4020000 " },
	{ "file reference elsewhere", reference_beside_what_is_mapped,
	  "has 1 references, of which are known: 0 entries" },
	{ "private page of a file", private_page_of_a_file, "is a host file's" },
};

static const struct broken of_huge_pages[] = {
	{ "no deposit", no_deposit, ": 0 nodes are deposited, 1 folded private entries" },
	{ "deposit too many", two_deposits, ": 1 or more nodes are deposited, 0 folded" },
};

static void breaches_of_the_host_are_reported(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, &host_space_mmap, PAGE_4K);
	check_broken(&f, of_the_host, sizeof(of_the_host) / sizeof(of_the_host[0]));
	close_fixture(&f);
}

static void breaches_of_huge_pages_are_reported(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, &host_space_none, PAGE_THP);
	check_broken(&f, of_huge_pages, sizeof(of_huge_pages) / sizeof(of_huge_pages[0]));
	close_fixture(&f);
}

static void breaches_of_files_are_reported(void **state)
{
	struct direct_file *file;
	struct fixture f;
	int host_fd;

	(void)state;
	host_fd = memfd_create("host file", 0);
	assert_true(host_fd >= 0);
	assert_int_equal(ftruncate(host_fd, 16 << 20), 0);
	open_fixture(&f, &host_space_none, PAGE_4K);
	assert_int_equal(direct_file_create(mm_memory_file(f.mm), host_fd, NULL, &file), 0);
	map_file(&f, file);
	check_broken(&f, of_files, sizeof(of_files) / sizeof(of_files[0]));
	assert_int_equal(mm_munmap(f.space, at(FILE_AT), 4 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(direct_file_identity(file));
	close_fixture(&f);
	close(host_fd);
}

/* What looks odd and is right: several spaces, pages shared by fork, pins. */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breaches_of_the_host_are_reported),
		cmocka_unit_test(breaches_of_huge_pages_are_reported),
		cmocka_unit_test(breaches_of_files_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
