/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_check_test.c - mm_check() passes on a sound space, and says so when it is not: each
 * invariant is broken on purpose, in a child process, by changing a word or a count behind the
 * engine's back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/direct_file.h"
#include "engine/fail.h"
#include "engine/memory_chunk.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/shared_memory.h"
#include "engine/space.h"

#define BASE (UINT64_C(64) << 20)
#define RW (MM_READ | MM_WRITE)

/* Where what is mapped, in pages from BASE. */
enum {
	ANON = 0, /* 4 pages, all present, writable */
	ANON_READ = 8, /* 4 pages, written, then made read-only */
	OBJECT = 16, /* 4 pages of the object from its page 2 on; the first three are present */
	COPY = 24, /* 4 pages, private, of the object from its page 2 on: read, written, absent */
	FILE_AT = 32, /* 4 pages of a host file, if it is mapped: the first two are present */
	HUGE = 512, /* 2 MiB, if huge pages are asked for */
};

struct fixture {
	struct mm *mm;
	struct mm_space *space;
	struct shared_memory *object;
};

static uint64_t at(unsigned page)
{
	return BASE + page * MM_PAGE_SIZE;
}

static void map_pages(struct fixture *f, unsigned page, unsigned pages, mm_access perms,
		      bool is_private, bool of_object)
{
	struct mmap_opts o = { .length = pages * MM_PAGE_SIZE,
			       .address = at(page),
			       .fixed = true,
			       .perms = perms,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = is_private };
	uint64_t got;

	if (of_object) {
		o.mappable = shared_memory_mappable(f->object);
		o.identity = shared_memory_identity(f->object);
		o.offset = 2 * MM_PAGE_SIZE;
	}
	assert_int_equal(mm_mmap(f->space, &o, &got), 0);
}

static void fault(struct fixture *f, unsigned page, mm_access access)
{
	assert_int_equal(mm_fault(f->space, at(page), access), 0);
}

static void open_fixture(struct fixture *f, const struct host_space_ops *host, enum page_class cls)
{
	struct mm_opts opts = { .page_class = cls };

	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(&opts, &f->mm), 0);
	assert_int_equal(mm_space_create(f->mm, host, UINT64_C(1) << 30, &f->space), 0);
	assert_int_equal(shared_memory_create(mm_memory_file(f->mm), 16 * MM_PAGE_SIZE, PAGE_4K,
					      "object", &f->object),
			 0);
	map_pages(f, ANON, 4, RW, true, false);
	map_pages(f, ANON_READ, 4, RW, true, false);
	map_pages(f, OBJECT, 4, RW, false, true);
	map_pages(f, COPY, 4, RW, true, true);
	for (unsigned i = 0; i < 4; i++) {
		fault(f, ANON + i, MM_WRITE);
		fault(f, ANON_READ + i, MM_WRITE);
	}
	for (unsigned i = 0; i < 3; i++)
		fault(f, OBJECT + i, MM_WRITE);
	fault(f, COPY, MM_READ);
	fault(f, COPY + 1, MM_WRITE);
	assert_int_equal(mm_discard(f->space, at(COPY + 2), 2 * MM_PAGE_SIZE), 0);
	assert_int_equal(mm_mprotect(f->space, at(ANON_READ), 4 * MM_PAGE_SIZE, MM_READ), 0);
	fault(f, ANON_READ + 1, MM_READ);
	if (cls != PAGE_4K) {
		map_pages(f, HUGE, 512, RW, true, false);
		fault(f, HUGE, MM_WRITE);
	}
	mm_check(f->mm);
}

static void close_fixture(struct fixture *f)
{
	mm_check(f->mm);
	mm_space_destroy(f->space);
	mm_check(f->mm);
	mapping_identity_dec_ref(shared_memory_identity(f->object));
	mm_check(f->mm);
	mm_destroy(f->mm);
	mm_thread_leave();
}

/* ---- behind the engine's back ---- */

static entry_t *entry_at(struct fixture *f, unsigned page)
{
	uint64_t number = at(page) >> MM_PAGE_SHIFT;
	const struct node *n = f->space->map.root;

	for (unsigned level = MAP_LEVELS - 1;; level--) {
		entry_t *e = (entry_t *)&n->entry[map_slot(number, level)];

		if (!(*e & ENTRY_CHILD))
			return e;
		n = entry_node(*e);
	}
}

static struct vma *vma_of(struct fixture *f, unsigned page)
{
	return vma_at(&f->mm->vma_pool, entry_vma(*entry_at(f, page)));
}

static uint32_t page_of(struct fixture *f, unsigned page)
{
	return entry_page(*entry_at(f, page));
}

/* The entry names another page of the family, with references as they ought to be. */
static void name_page(struct fixture *f, unsigned page, uint32_t number)
{
	entry_t *e = entry_at(f, page);

	memory_file_inc(f->mm->memory, number);
	if (*e & ENTRY_PRESENT)
		memory_file_dec(f->mm->memory, entry_page(*e));
	*e = (*e & ~(~UINT64_C(0) << ENTRY_PAGE_SHIFT)) | entry_of_page(number);
}

static void *shown(struct fixture *f, unsigned page)
{
	return mm_host_address(f->space, at(page));
}

/* ---- what is broken, and what is said ---- */

static void lock_an_entry(struct fixture *f)
{
	*entry_at(f, ANON) |= ENTRY_LOCK;
}

static void permit_too_much(struct fixture *f)
{
	*entry_at(f, ANON_READ) |= entry_of_access(MM_WRITE);
}

static void write_without_read(struct fixture *f)
{
	*entry_at(f, ANON) &= ~entry_of_access(MM_READ);
}

static void write_what_is_to_be_copied(struct fixture *f)
{
	*entry_at(f, ANON) |= ENTRY_COPY;
}

static void copy_in_a_shared_mapping(struct fixture *f)
{
	entry_t *e = entry_at(f, OBJECT);

	*e = (*e & ~entry_of_access(MM_WRITE)) | ENTRY_COPY;
}

static void private_page_in_a_shared_mapping(struct fixture *f)
{
	*entry_at(f, OBJECT) |= ENTRY_PRIVATE;
}

static void mappable_page_in_anonymous_memory(struct fixture *f)
{
	*entry_at(f, ANON) &= ~ENTRY_PRIVATE;
}

static void private_mapping_without_copy(struct fixture *f)
{
	*entry_at(f, COPY) &= ~ENTRY_COPY;
}

static void translation_of_an_absent_entry(struct fixture *f)
{
	*entry_at(f, OBJECT + 3) |= ENTRY_PRIVATE;
}

static void huge_small_page(struct fixture *f)
{
	*entry_at(f, ANON) |= ENTRY_HUGE;
}

static void page_zero(struct fixture *f)
{
	*entry_at(f, ANON) &= ~(~UINT64_C(0) << ENTRY_PAGE_SHIFT);
}

static void page_of_no_chunk(struct fixture *f)
{
	page_zero(f);
	*entry_at(f, ANON) |= entry_of_page(f->mm->memory->page_limit - 1);
}

static void hosted_without_host(struct fixture *f)
{
	*entry_at(f, ANON) |= ENTRY_HOSTED;
}

static void beyond_the_end(struct fixture *f)
{
	f->space->end_page = (at(COPY) >> MM_PAGE_SHIFT) + 3;
}

static void unknown_vma(struct fixture *f)
{
	*entry_at(f, ANON) |= ENTRY_VMA_MASK;
}

static void vma_with_wrong_perms(struct fixture *f)
{
	vma_of(f, ANON)->effective = MM_ANY_ACCESS;
}

static void vma_beyond_its_max(struct fixture *f)
{
	vma_of(f, ANON)->max_perms = MM_READ;
}

static void shared_without_mappable(struct fixture *f)
{
	vma_of(f, OBJECT)->mappable = NULL;
}

static void unaligned_offset(struct fixture *f)
{
	vma_of(f, OBJECT)->offset++;
}

static void reservation_elsewhere(struct fixture *f)
{
	atomic_load(&vma_of(f, ANON)->reservation)->end--;
}

static void vma_counts_too_many(struct fixture *f)
{
	vma_of(f, ANON)->entries++;
}

static void vma_leaks(struct fixture *f)
{
	assert_int_not_equal(pool_alloc(&f->mm->vma_pool), 0);
}

static void node_leaks(struct fixture *f)
{
	assert_non_null(node_alloc(&f->mm->node_pool));
}

static void short_cut_to_nowhere(struct fixture *f)
{
	f->space->map.near_slot++;
}

static void usage_is_wrong(struct fixture *f)
{
	struct mm_limits limits = { 1 << 30, 1 << 30, 1 << 30, 1 << 30, false };

	mm_set_limits(f->space, &limits);
	f->space->usage.data++;
}

static void one_reference_too_many(struct fixture *f)
{
	memory_file_inc(f->mm->memory, page_of(f, ANON + 2));
}

static void one_reference_too_few(struct fixture *f)
{
	f->mm->memory->counts[page_of(f, ANON + 2)]--;
}

static void page_leaks(struct fixture *f)
{
	uint32_t page;

	assert_int_equal(memory_file_alloc(f->mm->memory, MEMORY_NODE_ANY, &page), 0);
}

static void pin_is_forgotten(struct fixture *f)
{
	memory_file_pin(f->mm->memory, page_of(f, ANON));
	f->mm->memory->pins[page_of(f, ANON)] = 0;
}

static void two_owners(struct fixture *f)
{
	name_page(f, ANON + 1, page_of(f, ANON));
}

static void private_page_of_a_mappable(struct fixture *f)
{
	name_page(f, ANON, page_of(f, OBJECT));
	*entry_at(f, ANON) = (*entry_at(f, ANON) & ~entry_of_access(MM_WRITE)) | ENTRY_COPY;
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

static void unknown_to_the_mappable(struct fixture *f)
{
	mappable_remove_mapping(shared_memory_mappable(f->object), &f->space->ms,
				(struct addr_range){ at(OBJECT + 1), at(OBJECT + 2) },
				3 * MM_PAGE_SIZE, true);
}

static void known_as_not_writable(struct fixture *f)
{
	struct mappable *m = shared_memory_mappable(f->object);
	struct addr_range ar = { at(OBJECT), at(OBJECT + 4) };

	mappable_remove_mapping(m, &f->space->ms, ar, 2 * MM_PAGE_SIZE, true);
	assert_int_equal(mappable_add_mapping(m, &f->space->ms, ar, 2 * MM_PAGE_SIZE, false), 0);
}

static void known_and_not_mapped(struct fixture *f)
{
	struct addr_range ar = { at(100), at(101) };

	assert_int_equal(mappable_add_mapping(shared_memory_mappable(f->object), &f->space->ms, ar,
					      0, true),
			 0);
}

static void known_twice(struct fixture *f)
{
	struct addr_range ar = { at(OBJECT + 3), at(OBJECT + 4) };

	assert_int_equal(mappable_add_mapping(shared_memory_mappable(f->object), &f->space->ms, ar,
					      0, true),
			 0);
}

static void stale_page(struct fixture *f)
{
	name_page(f, OBJECT, page_of(f, OBJECT + 1));
}

static void page_where_there_is_none(struct fixture *f)
{
	uint32_t page = page_of(f, OBJECT + 1);

	name_page(f, OBJECT + 3, page);
	*entry_at(f, OBJECT + 3) |= ENTRY_PRESENT | entry_of_access(MM_READ);
}

static uint64_t twin_inode;

static void twin_reference(struct mapping_identity *id)
{
	(void)id;
}

static void twin_name(struct mapping_identity *id, char *name, size_t size)
{
	(void)id;
	snprintf(name, size, "object");
}

static uint64_t twin_device_id(struct mapping_identity *id)
{
	(void)id;
	return 1;
}

static uint64_t twin_inode_id(struct mapping_identity *id)
{
	(void)id;
	return twin_inode;
}

/* The same object goes on next to its mapping under an identity that only looks the same. */
static void neighbours_that_look_equal(struct fixture *f)
{
	static const struct mapping_identity_ops ops = { .inc_ref = twin_reference,
							 .dec_ref = twin_reference,
							 .mapped_name = twin_name,
							 .device_id = twin_device_id,
							 .inode_id = twin_inode_id };
	static struct mapping_identity twin = { .ops = &ops };
	struct mmap_opts o = { .length = MM_PAGE_SIZE,
			       .address = at(OBJECT + 4),
			       .fixed = true,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .mappable = shared_memory_mappable(f->object),
			       .identity = &twin,
			       .offset = 6 * MM_PAGE_SIZE };
	uint64_t got;

	twin_inode = mapping_identity_inode_id(shared_memory_identity(f->object));
	assert_int_equal(mm_mmap(f->space, &o, &got), 0);
}

static void files_are_checked(struct fixture *f)
{
	memory_chunk_of(f->mm->memory, page_of(f, ANON))->free_count++;
}

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

static const struct broken {
	const char *name;
	void (*make)(struct fixture *f);
	const char *said; /* a part of what mm_check() says */
} without_host[] = {
	{ "lock bit", lock_an_entry, "address 0x4000000: entry" },
	{ "permits too much", permit_too_much, "0x4008000: the entry permits 3, its vma 1" },
	{ "write without read", write_without_read, "0x4000000: the entry permits 2, its vma 3" },
	{ "COPY and W", write_what_is_to_be_copied, "0x4000000: writable before it is copied" },
	{ "COPY, shared", copy_in_a_shared_mapping, "0x4010000: a shared mapping wants a copy" },
	{ "PRIVATE, shared", private_page_in_a_shared_mapping,
	  "0x4010000: a private page under a shared mapping" },
	{ "not PRIVATE, anonymous", mappable_page_in_anonymous_memory,
	  "0x4000000: a page of a mappable where none is mapped" },
	{ "no COPY, private", private_mapping_without_copy,
	  "0x4018000: a private mapping does not copy" },
	{ "absent with translation", translation_of_an_absent_entry,
	  "0x4013000: absent with a translation" },
	{ "HUGE in a leaf", huge_small_page, "at level 0" },
	{ "page 0", page_zero, "0x4000000: page 0 is none" },
	{ "page of no chunk", page_of_no_chunk, "no chunk of the family has it" },
	{ "HOSTED, no host", hosted_without_host, "shown by a host space that is not there" },
	{ "beyond the end", beyond_the_end,
	  "0x401b000: mapped beyond the end of the space, 0x401b000" },
	{ "vma never made", unknown_vma, "vma 1048575 was never made" },
	{ "vma's perms", vma_with_wrong_perms, "has perms 3, effective 7, at most 7" },
	{ "vma's max", vma_beyond_its_max, "has perms 3, effective 3, at most 1" },
	{ "shared, anonymous", shared_without_mappable, "is shared and has no mappable" },
	{ "offset", unaligned_offset, "begins at offset 0x2001, not a page" },
	{ "reservation", reservation_elsewhere, "is for [0x4000000, 0x4003000)" },
	{ "vma's count", vma_counts_too_many, "4 entries name it, its count is 5" },
	{ "vma leaks", vma_leaks, "4 vmas are named by entries, 5 are live" },
	{ "node leaks", node_leaks, "5 nodes are live, 4 are in maps or deposited" },
	{ "short cut", short_cut_to_nowhere, "not so: !near" },
	{ "usage", usage_is_wrong, "mapped 16, data 8, locked 0 pages; counted 16, 9, 0" },
	{ "reference too many", one_reference_too_many,
	  "has 2 references, of which are known: 1 entries (one at address 0x4002000 of space 1), "
	  "0 of mappables, 0 pins" },
	{ "reference too few", one_reference_too_few, "has 0 references, of which are known: 1 " },
	{ "page leaks", page_leaks, "has 1 references, of which are known: 0 entries" },
	{ "pin forgotten", pin_is_forgotten, "has 2 references, of which are known: 1 entries" },
	{ "two owners", two_owners, "is named by 2 entries" },
	{ "private and a mappable's", private_page_of_a_mappable, "and a mappable has it" },
	{ "not in the reverse map", unknown_to_the_mappable,
	  "[0x4010000, 0x4014000) at offset 0x2000 of a mappable, writable, is mapped, but its" },
	{ "reverse map not writable", known_as_not_writable,
	  "[0x4010000, 0x4014000) at offset 0x2000 of a mappable, writable, is mapped, but its" },
	{ "in the reverse map alone", known_and_not_mapped,
	  "[0x4064000, 0x4065000) at offset 0 of a mappable, writable, is in its reverse map" },
	{ "twice in the reverse map", known_twice,
	  "[0x4013000, 0x4014000) at offset 0 of a mappable, writable, is in its reverse map" },
	{ "stale page", stale_page, "of offset 0x2000 is mapped, but the mappable has page" },
	{ "page beyond", page_where_there_is_none,
	  "of offset 0x5000 is mapped, but the mappable has no page there" },
	{ "listing", neighbours_that_look_equal,
	  "[0x4010000, 0x4014000) and [0x4014000, 0x4015000) are equal in all but range" },
	{ "free blocks", files_are_checked, "not so: free_count == c->free_count" },
},
  with_host[] = {
	{ "nothing shown", host_shows_nothing, "0x4001000: the host ought to show page" },
	{ "absent shown", host_shows_what_is_absent, "0x4013000: the host shows inode 0, but" },
	{ "not HOSTED, shown", host_shows_what_is_not_hosted, "0x4001000: the host shows inode" },
	{ "another page", host_shows_another_page, "0x4001000: the host shows inode" },
	{ "another file", host_shows_another_file, "0x4001000: the host shows inode" },
	{ "host permits more", host_permits_more, "0x4009000: the host permits 3, the entry 1" },
	{ "clean", written_page_is_clean, "is shown writable, and would be taken for clean" },
},
  with_a_file[] = {
	{ "another offset", another_offset_of_a_file,
	  "0x4020000: offset 0x1000 of a host file is mapped, not 0" },
	{ "file reference too many", one_reference_too_many_of_a_file,
	  "has 2 references, of which are known: 1 entries (one at address 0x4020000 " },
	{ "file reference elsewhere", reference_beside_what_is_mapped,
	  "has 1 references, of which are known: 0 entries" },
	{ "private page of a file", private_page_of_a_file, "is a host file's" },
},
  with_huge_pages[] = {
	{ "no deposit", no_deposit, ": 0 nodes are deposited, 1 folded private entries" },
	{ "deposit too many", two_deposits, ": 1 or more nodes are deposited, 0 folded" },
};

/* ---- the child ---- */

static int to_parent;

static _Noreturn void tell_parent(const char *text)
{
	ssize_t written = write(to_parent, text, strlen(text));

	_exit(written < 0);
}

/* What mm_check() says in a child that has broken something; "" if nothing. */
static void said_by_child(struct fixture *f, void (*make)(struct fixture *), char *text,
			  size_t size)
{
	int pipes[2];
	int status;
	ssize_t length;

	assert_int_equal(pipe(pipes), 0);
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		to_parent = pipes[1];
		mm_fail_set_hook(tell_parent);
		if (make)
			make(f);
		mm_check(f->mm);
		_exit(0);
	}
	close(pipes[1]);
	length = read(pipes[0], text, size - 1);
	assert_true(length >= 0);
	text[length] = 0;
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void check_broken(struct fixture *f, const struct broken *b, size_t count)
{
	char text[512];
	unsigned failed = 0;

	said_by_child(f, NULL, text, sizeof(text));
	assert_string_equal(text, "");
	for (size_t i = 0; i < count; i++) {
		said_by_child(f, b[i].make, text, sizeof(text));
		if (!strstr(text, b[i].said)) {
			print_error("%s: said \"%s\", not \"%s\"\n", b[i].name, text, b[i].said);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void breaches_are_reported(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, &host_space_none, PAGE_4K);
	check_broken(&f, without_host, sizeof(without_host) / sizeof(without_host[0]));
	close_fixture(&f);
}

static void breaches_of_the_host_are_reported(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, &host_space_mmap, PAGE_4K);
	check_broken(&f, with_host, sizeof(with_host) / sizeof(with_host[0]));
	close_fixture(&f);
}

static void breaches_of_huge_pages_are_reported(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, &host_space_none, PAGE_THP);
	check_broken(&f, with_huge_pages, sizeof(with_huge_pages) / sizeof(with_huge_pages[0]));
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
	check_broken(&f, with_a_file, sizeof(with_a_file) / sizeof(with_a_file[0]));
	assert_int_equal(mm_munmap(f.space, at(FILE_AT), 4 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(direct_file_identity(file));
	close_fixture(&f);
	close(host_fd);
}

/* What looks odd and is right: several spaces, pages shared by fork, pins. */
static void sound_states_pass(void **state)
{
	struct fixture f;
	struct mm_space *child;
	struct mm_pin pins[4];
	size_t count;

	(void)state;
	open_fixture(&f, &host_space_mmap, PAGE_4K);
	assert_int_equal(mm_pin(f.space, (struct addr_range){ at(ANON), at(ANON + 2) }, MM_WRITE,
				pins, 4, &count),
			 0);
	mm_check(f.mm);
	assert_int_equal(mm_fork(f.space, &child), 0);
	mm_check(f.mm);
	assert_int_equal(mm_fault(child, at(ANON + 3), MM_WRITE), 0);
	assert_int_equal(mm_munmap(f.space, at(ANON), 2 * MM_PAGE_SIZE), 0);
	mm_check(f.mm); /* pinned and mapped by nobody */
	mm_unpin(f.space, pins, count);
	mm_check(f.mm);
	mm_space_destroy(child);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breaches_are_reported),
		cmocka_unit_test(breaches_of_the_host_are_reported),
		cmocka_unit_test(breaches_of_huge_pages_are_reported),
		cmocka_unit_test(breaches_of_files_are_reported),
		cmocka_unit_test(sound_states_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
