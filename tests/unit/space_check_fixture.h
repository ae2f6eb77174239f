/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_check_fixture.h - a sound space with some of everything mapped, the means to change it
 * behind the engine's back, and a child process in which a change is made and mm_check() has to
 * name it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/mm.h"
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

static inline uint64_t at(unsigned page)
{
	return BASE + page * MM_PAGE_SIZE;
}

static inline void map_pages(struct fixture *f, unsigned page, unsigned pages, mm_access perms,
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

static inline void fault(struct fixture *f, unsigned page, mm_access access)
{
	assert_int_equal(mm_fault(f->space, at(page), access), 0);
}

static inline void open_fixture(struct fixture *f, const struct host_space_ops *host,
				enum page_class cls)
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

static inline void close_fixture(struct fixture *f)
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

static inline entry_t *entry_at(struct fixture *f, unsigned page)
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

static inline struct vma *vma_of(struct fixture *f, unsigned page)
{
	return vma_at(&f->mm->vma_pool, entry_vma(*entry_at(f, page)));
}

static inline uint32_t page_of(struct fixture *f, unsigned page)
{
	return entry_page(*entry_at(f, page));
}

/* The entry names another page of the family, with references as they ought to be. */
static inline void name_page(struct fixture *f, unsigned page, uint32_t number)
{
	entry_t *e = entry_at(f, page);

	memory_file_inc(f->mm->memory, number);
	if (*e & ENTRY_PRESENT)
		memory_file_dec(f->mm->memory, entry_page(*e));
	*e = (*e & ~(~UINT64_C(0) << ENTRY_PAGE_SHIFT)) | entry_of_page(number);
}

static inline void *shown(struct fixture *f, unsigned page)
{
	return mm_host_address(f->space, at(page));
}

/* ---- what is broken, and what is said ---- */

struct broken {
	const char *name;
	void (*make)(struct fixture *f);
	const char *said; /* a part of what mm_check() says */
};

/* ---- the child ---- */

static int to_parent;

static inline _Noreturn void tell_parent(const char *text)
{
	ssize_t written = write(to_parent, text, strlen(text));

	_exit(written < 0);
}

/* What mm_check() says in a child that has broken something; "" if nothing. */
static inline void said_by_child(struct fixture *f, void (*make)(struct fixture *), char *text,
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

static inline void check_broken(struct fixture *f, const struct broken *b, size_t count)
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
