/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_check_test.c - mm_check() passes on a sound space, and says so when it is not: each
 * invariant of entries, vmas, pages and reverse maps is broken on purpose.
 */
#include "tests/unit/space_check_fixture.h"

#include "engine/memory_chunk.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"

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
	f->space->map.near_slot = 1;
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

static const struct broken of_spaces[] = {
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
	{ "short cut", short_cut_to_nowhere, "not so: slot == MAP_NO_SLOT" },
	{ "usage", usage_is_wrong, "mapped 16, data 8, locked 0 pages; counted 16, 9, 0" },
	{ "reference too many", one_reference_too_many,
	  "has 2 references, of which are known: 1 entries (one at address 0x4002000 of space " },
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
};

static void breaches_are_reported(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, &host_space_none, PAGE_4K);
	check_broken(&f, of_spaces, sizeof(of_spaces) / sizeof(of_spaces[0]));
	close_fixture(&f);
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
		cmocka_unit_test(sound_states_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
