/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing_test.c - maps and smaps of a space, letter by letter against those of this process for
 * the same mappings made natively at the same addresses; joining; calls from the visitor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/mm_listing.h"
#include "engine/shared_memory.h"

#define RW (MM_READ | MM_WRITE)
#define WINDOW_PAGES 64

/* The same addresses in this process and in a space. */
struct fixture {
	struct mm *mm;
	struct mm_space *space;
	uint64_t base;
};

/* What stands natively where nothing is mapped, so that nobody else comes there. */
static int filler;

static void fill(uint64_t address, uint64_t pages)
{
	void *where = (void *)(uintptr_t)address;

	assert_ptr_equal(mmap(where, pages * MM_PAGE_SIZE, PROT_NONE, MAP_SHARED | MAP_FIXED,
			      filler, 0),
			 where);
}

static void open_fixture(struct fixture *f)
{
	/* A page more on each side: what is next to the window must not merge with it. */
	void *room = mmap(NULL, (WINDOW_PAGES + 2) * MM_PAGE_SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(room, MAP_FAILED);
	f->base = (uint64_t)(uintptr_t)room + MM_PAGE_SIZE;
	filler = memfd_create("filler", 0);
	assert_true(filler >= 0);
	fill(f->base - MM_PAGE_SIZE, WINDOW_PAGES + 2);
	assert_int_equal(mm_thread_enter(), 0);
	assert_int_equal(mm_create(NULL, &f->mm), 0);
	assert_int_equal(mm_space_create(f->mm, &host_space_none, 0, &f->space), 0);
}

static void close_fixture(struct fixture *f)
{
	mm_check(f->mm);
	mm_space_destroy(f->space);
	mm_destroy(f->mm);
	mm_thread_leave();
	munmap((void *)(uintptr_t)(f->base - MM_PAGE_SIZE), (WINDOW_PAGES + 2) * MM_PAGE_SIZE);
	close(filler);
}

static uint64_t at(const struct fixture *f, unsigned page)
{
	return f->base + page * MM_PAGE_SIZE;
}

static mm_access access_of(int prot)
{
	return (mm_access)((prot & PROT_READ ? MM_READ : 0) | (prot & PROT_WRITE ? MM_WRITE : 0) |
			   (prot & PROT_EXEC ? MM_EXEC : 0));
}

/* ---- an object that is a file of this process: same name, device and inode ---- */

struct object {
	struct mappable mappable;
	struct mapping_identity identity;
	int fd, references;
	struct stat st;
	char name[64];
};

static struct object *of_identity(struct mapping_identity *id)
{
	return (struct object *)((char *)id - offsetof(struct object, identity));
}

static int add_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
		       uint64_t offset, bool writable)
{
	(void)m, (void)ms, (void)ar, (void)offset, (void)writable;
	return 0;
}

static void remove_mapping(struct mappable *m, struct mapping_space *ms, struct addr_range ar,
			   uint64_t offset, bool writable)
{
	(void)m, (void)ms, (void)ar, (void)offset, (void)writable;
}

static void inc_ref(struct mapping_identity *id)
{
	of_identity(id)->references++;
}

static void dec_ref(struct mapping_identity *id)
{
	of_identity(id)->references--;
}

static void mapped_name(struct mapping_identity *id, char *name, size_t size)
{
	snprintf(name, size, "%s", of_identity(id)->name);
}

static uint64_t device_id(struct mapping_identity *id)
{
	return of_identity(id)->st.st_dev;
}

static uint64_t inode_id(struct mapping_identity *id)
{
	return of_identity(id)->st.st_ino;
}

static const struct mappable_ops mappable_ops = { .add_mapping = add_mapping,
						  .remove_mapping = remove_mapping };
static const struct mapping_identity_ops identity_ops = { .inc_ref = inc_ref,
							  .dec_ref = dec_ref,
							  .mapped_name = mapped_name,
							  .device_id = device_id,
							  .inode_id = inode_id };

static void open_object(struct object *o, const char *memfd_name, const char *name)
{
	*o = (struct object){ .mappable.ops = &mappable_ops, .identity.ops = &identity_ops };
	o->fd = memfd_create(memfd_name, 0);
	assert_true(o->fd >= 0);
	assert_int_equal(ftruncate(o->fd, 1 << 20), 0);
	assert_int_equal(fstat(o->fd, &o->st), 0);
	snprintf(o->name, sizeof(o->name), "%s", name);
}

static void close_object(struct object *o)
{
	close(o->fd);
	assert_int_equal(o->references, 0);
}

/* ---- one mapping, twice ---- */

static void map_both(struct fixture *f, unsigned page, unsigned pages, int prot, struct object *o,
		     uint64_t offset)
{
	void *address = (void *)(uintptr_t)at(f, page);
	struct mmap_opts opts = { .length = pages * MM_PAGE_SIZE,
				  .address = at(f, page),
				  .fixed = true,
				  .unmap = true,
				  .perms = access_of(prot),
				  .max_perms = MM_ANY_ACCESS,
				  .is_private = !o,
				  .mappable = o ? &o->mappable : NULL,
				  .identity = o ? &o->identity : NULL,
				  .offset = offset };
	int flags = MAP_FIXED | (o ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	uint64_t got;

	assert_ptr_equal(mmap(address, pages * MM_PAGE_SIZE, prot, flags, o ? o->fd : -1,
			      (off_t)offset),
			 address);
	assert_int_equal(mm_mmap(f->space, &opts, &got), 0);
}

static void protect_both(struct fixture *f, unsigned page, unsigned pages, int prot)
{
	assert_int_equal(mprotect((void *)(uintptr_t)at(f, page), pages * MM_PAGE_SIZE, prot), 0);
	assert_int_equal(mm_mprotect(f->space, at(f, page), pages * MM_PAGE_SIZE, access_of(prot)),
			 0);
}

static void unmap_both(struct fixture *f, unsigned page, unsigned pages)
{
	fill(at(f, page), pages);
	assert_int_equal(mm_munmap(f->space, at(f, page), pages * MM_PAGE_SIZE), 0);
}

static void write_both(struct fixture *f, unsigned page)
{
	*(volatile char *)(uintptr_t)at(f, page) = 1;
	assert_int_equal(mm_fault(f->space, at(f, page), MM_WRITE), 0);
}

/* ---- texts ---- */

#define TEXT_SIZE 65536

/* The part of a /proc file that tells of the window. */
static void native_text(const struct fixture *f, const char *path, char *text)
{
	FILE *in = fopen(path, "re");
	char line[512];
	bool inside = false;
	size_t length = 0;

	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		unsigned long long start, end;

		if (sscanf(line, "%llx-%llx ", &start, &end) == 2 && strchr(line, '-') < line + 17)
			inside = start >= f->base && end <= at(f, WINDOW_PAGES) &&
				 !strstr(line, "/memfd:filler");
		if (inside) {
			size_t n = strlen(line);

			assert_true(length + n < TEXT_SIZE);
			memcpy(text + length, line, n);
			length += n;
		}
	}
	text[length] = 0;
	fclose(in);
}

static void space_text(struct mm_space *s, void (*print)(struct mm_space *, FILE *), char *text)
{
	FILE *out = fmemopen(text, TEXT_SIZE, "w");

	assert_non_null(out);
	print(s, out);
	fclose(out);
}

static void assert_same_maps(struct fixture *f)
{
	static char native[TEXT_SIZE], ours[TEXT_SIZE];

	native_text(f, "/proc/self/maps", native);
	space_text(f->space, mm_print_maps, ours);
	assert_string_equal(ours, native);
	assert_true(native[0]);
}

/* ---- maps ---- */

static void lines_are_those_of_linux(void **state)
{
	struct fixture f;
	struct object a, b;

	(void)state;
	open_fixture(&f);
	open_object(&a, "one", "/memfd:one (deleted)");
	open_object(&b, "two\nlines", "/memfd:two\nlines (deleted)");
	map_both(&f, 1, 4, PROT_READ | PROT_WRITE, NULL, 0);
	map_both(&f, 8, 1, PROT_NONE, NULL, 0);
	map_both(&f, 9, 2, PROT_READ | PROT_EXEC, NULL, 0);
	map_both(&f, 11, 2, PROT_WRITE, NULL, 0);
	map_both(&f, 16, 4, PROT_READ, &a, 0);
	map_both(&f, 20, 4, PROT_READ | PROT_WRITE, &a, 3 * MM_PAGE_SIZE);
	map_both(&f, 24, 4, PROT_READ | PROT_WRITE | PROT_EXEC, &b, 0xff000);
	assert_same_maps(&f);
	protect_both(&f, 2, 1, PROT_READ);
	protect_both(&f, 18, 4, PROT_NONE);
	unmap_both(&f, 25, 1);
	assert_same_maps(&f);
	protect_both(&f, 2, 1, PROT_READ | PROT_WRITE); /* all one again */
	unmap_both(&f, 1, 1);
	assert_same_maps(&f);
	unmap_both(&f, 0, WINDOW_PAGES - 1);
	close_object(&a);
	close_object(&b);
	close_fixture(&f);
}

static void neighbours_are_joined_like_linux_joins_them(void **state)
{
	struct fixture f;
	struct object a, b;

	(void)state;
	open_fixture(&f);
	open_object(&a, "one", "/memfd:one (deleted)");
	open_object(&b, "one", "/memfd:one (deleted)"); /* the same but for its inode */
	map_both(&f, 0, 2, PROT_READ, NULL, 0);
	map_both(&f, 2, 2, PROT_READ, NULL, 0); /* joins */
	map_both(&f, 4, 2, PROT_READ, &a, 0);
	map_both(&f, 6, 2, PROT_READ, &a, 2 * MM_PAGE_SIZE); /* joins */
	map_both(&f, 8, 2, PROT_READ, &a, 2 * MM_PAGE_SIZE); /* another offset */
	map_both(&f, 10, 2, PROT_READ, &b, 4 * MM_PAGE_SIZE); /* another file */
	assert_same_maps(&f);
	unmap_both(&f, 0, WINDOW_PAGES - 1);
	close_object(&a);
	close_object(&b);
	close_fixture(&f);
}

static void low_addresses_have_eight_digits(void **state)
{
	struct mmap_opts o = { .length = 0x3000,
			       .address = 0x1000,
			       .fixed = true,
			       .perms = RW,
			       .max_perms = MM_ANY_ACCESS,
			       .is_private = true,
			       .name = "[heap]" };
	static char text[TEXT_SIZE];
	struct fixture f;
	uint64_t got;

	(void)state;
	open_fixture(&f);
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	space_text(f.space, mm_print_maps, text);
	assert_string_equal(text, "00001000-00004000 rw-p 00000000 00:00 0"
				  "                                  [heap]\n");
	close_fixture(&f);
}

/* ---- smaps ---- */

/* The value of a field of the one mapping in text, or -1. */
static long field(const char *text, const char *name)
{
	const char *at_line = strstr(text, name);
	long value;

	return at_line && sscanf(at_line + strlen(name), "%ld", &value) == 1 ? value : -1;
}

/* Every line that we print is one of Linux's, in the same order; VmFlags but for "sd". */
static void assert_same_smaps(struct fixture *f)
{
	static char native[TEXT_SIZE], ours[TEXT_SIZE];
	char *theirs = native;

	native_text(f, "/proc/self/smaps", native);
	space_text(f->space, mm_print_smaps, ours);
	for (char *sd = strstr(native, "sd "); sd; sd = strstr(native, "sd "))
		memmove(sd, sd + 3, strlen(sd + 3) + 1);
	for (char *line = strtok(ours, "\n"); line; line = strtok(NULL, "\n")) {
		char *found = strstr(theirs, line);

		if (!found || (strchr(line, ':') && found[strlen(line)] != '\n'))
			fail_msg("Linux has no line \"%s\" here:\n%.900s", line, theirs);
		theirs = found + strlen(line);
	}
}

static void smaps_are_those_of_linux(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f);
	map_both(&f, 0, 8, PROT_READ | PROT_WRITE, NULL, 0);
	write_both(&f, 0);
	write_both(&f, 5);
	assert_same_smaps(&f);
	protect_both(&f, 0, 8, PROT_READ | PROT_EXEC);
	unmap_both(&f, 0, 5);
	protect_both(&f, 5, 3, PROT_READ | PROT_WRITE);
	assert_same_smaps(&f);
	unmap_both(&f, 0, 8);
	close_fixture(&f);
}

/* Two mappings of one page of an object: each has half of it. */
static void shared_pages_are_divided(void **state)
{
	static char text[TEXT_SIZE];
	struct fixture f;
	struct shared_memory *sm;
	struct mmap_opts o = {
		.length = 4 * MM_PAGE_SIZE, .fixed = true, .perms = RW, .max_perms = MM_ANY_ACCESS
	};
	uint64_t got;

	(void)state;
	open_fixture(&f);
	assert_int_equal(shared_memory_create(mm_memory_file(f.mm), 4 * MM_PAGE_SIZE, PAGE_4K, NULL,
					      &sm),
			 0);
	o.mappable = shared_memory_mappable(sm);
	o.identity = shared_memory_identity(sm);
	o.address = f.base;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(mm_fault(f.space, f.base, MM_WRITE), 0);
	assert_int_equal(mm_fault(f.space, f.base + MM_PAGE_SIZE, MM_WRITE), 0);
	space_text(f.space, mm_print_smaps, text);
	assert_int_equal(field(text, "Rss:"), 8);
	assert_int_equal(field(text, "Pss:"), 8);
	assert_int_equal(field(text, "Private_Dirty:"), 8);
	assert_int_equal(field(text, "Shared_Dirty:"), 0);
	assert_int_equal(field(text, "Anonymous:"), 0);
	assert_non_null(strstr(text, " 00:01 "));
	assert_non_null(strstr(text, " /dev/zero (deleted)\n"));
	assert_non_null(strstr(text, "VmFlags: rd wr sh mr mw me ms \n"));
	o.address = f.base + 8 * MM_PAGE_SIZE;
	o.perms = MM_READ;
	assert_int_equal(mm_mmap(f.space, &o, &got), 0);
	assert_int_equal(mm_fault(f.space, o.address, MM_READ), 0);
	space_text(f.space, mm_print_smaps, text);
	assert_int_equal(field(text, "Pss:"), 6);
	assert_int_equal(field(text, "Private_Dirty:"), 4);
	assert_int_equal(field(text, "Shared_Dirty:"), 4);
	char *second = strstr(text + 1, " r--s ");

	assert_non_null(second);
	assert_int_equal(field(second, "Rss:"), 4);
	assert_int_equal(field(second, "Pss:"), 2);
	assert_int_equal(field(second, "Shared_Clean:"), 4);
	assert_int_equal(mm_munmap(f.space, f.base, 16 * MM_PAGE_SIZE), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	close_fixture(&f);
}

/* ---- the visitor ---- */

struct visit {
	struct mm_space *space;
	unsigned lines, stop_after;
	uint64_t last_end;
};

/* Unmaps what it is told of: the listing holds no lock, and goes on with what is left. */
static bool unmap_line(const struct mm_listing_line *line, void *arg)
{
	struct visit *v = arg;

	assert_true(line->range.start >= v->last_end);
	assert_int_equal(addr_range_length(line->range), MM_PAGE_SIZE);
	v->last_end = line->range.end;
	assert_int_equal(mm_munmap(v->space, line->range.start, addr_range_length(line->range)), 0);
	return ++v->lines != v->stop_after;
}

static void a_visitor_may_change_the_space(void **state)
{
	struct fixture f;
	struct visit v = { .stop_after = 40 };

	(void)state;
	open_fixture(&f);
	for (unsigned i = 0; i < WINDOW_PAGES; i++)
		map_both(&f, i, 1, i % 2 ? PROT_READ : PROT_NONE, NULL, 0);
	v.space = f.space;
	mm_listing(f.space, unmap_line, &v);
	assert_int_equal(v.lines, 40);
	v.stop_after = 0;
	v.last_end = 0;
	mm_listing(f.space, unmap_line, &v);
	assert_int_equal(v.lines, WINDOW_PAGES);
	mm_listing(f.space, unmap_line, &v);
	assert_int_equal(v.lines, WINDOW_PAGES);
	close_fixture(&f);
}

/* More runs than one batch has, each with a reference for as long as it is needed. */
static void references_of_identities_are_given_back(void **state)
{
	static char text[TEXT_SIZE];
	struct fixture f;
	struct object o;

	(void)state;
	open_fixture(&f);
	open_object(&o, "many", "/memfd:many (deleted)");
	for (unsigned i = 0; i < WINDOW_PAGES; i++)
		map_both(&f, i, 1, PROT_READ, &o, (WINDOW_PAGES - i) * MM_PAGE_SIZE);
	assert_int_equal(o.references, WINDOW_PAGES);
	assert_same_maps(&f);
	space_text(f.space, mm_print_smaps, text);
	assert_int_equal(o.references, WINDOW_PAGES);
	unmap_both(&f, 0, WINDOW_PAGES);
	close_object(&o);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_those_of_linux),
		cmocka_unit_test(neighbours_are_joined_like_linux_joins_them),
		cmocka_unit_test(low_addresses_have_eight_digits),
		cmocka_unit_test(smaps_are_those_of_linux),
		cmocka_unit_test(shared_pages_are_divided),
		cmocka_unit_test(a_visitor_may_change_the_space),
		cmocka_unit_test(references_of_identities_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
