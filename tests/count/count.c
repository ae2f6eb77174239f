/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count.c - runs operations of the engine so that callgrind can count their instructions: see
 * ci/count.sh, which starts this under valgrind and reads the result.
 *
 *   count            every operation
 *   count NAME...    only these
 *   count --list     their names
 *
 * Each operation is run by a child process of its own, which prints "PID NAME TIMES". Counted is
 * what count_measured() calls, by name: without valgrind this is a plain program that does
 * the same and counts nothing, so it needs no header of valgrind. The program count-host is made of
 * the same sources and counts calls of the host (count_host.h).
 */
#include "tests/count/count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/fail.h"
#include "engine/rcu.h"
#include "tests/count/count_host.h"

#define SPAN_BYTES (UINT64_C(4) << 30)

void count_require(bool true_now, const char *where)
{
	if (true_now)
		return;
	fprintf(stderr, "count: not so: %s\n", where);
	exit(1);
}

static struct mmap_opts map_opts(uint64_t address, uint64_t length)
{
	return (struct mmap_opts){ .length = length,
				   .address = address,
				   .fixed = true,
				   .unmap = true,
				   .perms = MM_READ | MM_WRITE,
				   .max_perms = MM_ANY_ACCESS,
				   .is_private = true };
}

void count_map_anon(struct count_scene *c, uint64_t address, uint64_t length)
{
	struct mmap_opts o = map_opts(address, length);

	lock_assert_none();
	REQUIRE(!mm_mmap(c->space, &o, &address));
}

void count_map_object(struct count_scene *c, uint64_t address, uint64_t length, bool is_private)
{
	struct mmap_opts o = map_opts(address, length);

	lock_assert_none();
	o.mappable = shared_memory_mappable(c->shared);
	o.identity = shared_memory_identity(c->shared);
	o.is_private = is_private;
	REQUIRE(!mm_mmap(c->space, &o, &address));
}

void count_make_shared(struct count_scene *c, uint64_t length)
{
	lock_assert_none();
	REQUIRE(!shared_memory_create(mm_memory_file(c->mm), length, PAGE_4K, "count", &c->shared));
}

void count_touch(struct count_scene *c, unsigned first, unsigned end, mm_access at)
{
	lock_assert_none();
	for (unsigned page = first; page < end; page++)
		REQUIRE(!mm_fault(c->space, count_address(page), at));
}

unsigned count_present(struct count_scene *c, mm_access at)
{
	unsigned present = 0;

	for (unsigned i = 0; i < COUNT_PAGES; i++) {
		uint32_t page;
		mm_access perms;

		present += !mm_lookup(c->space, count_address(i), at, &page, &perms);
	}
	return present;
}

static void scene_open(struct count_scene *c)
{
	/* One page is copied around a write: neighbours would be the cost of other operations. */
	struct mm_opts opts = { .memory.span_bytes = SPAN_BYTES, .copy_bytes = MM_PAGE_SIZE };

	lock_assert_none();
	*c = (struct count_scene){ .buffer = aligned_alloc(MM_PAGE_SIZE, MM_PAGE_SIZE) };
	REQUIRE(c->buffer);
	memset(c->buffer, 'b', MM_PAGE_SIZE);
	REQUIRE(!mm_thread_enter());
	REQUIRE(!mm_create(&opts, &c->mm));
	REQUIRE(!mm_space_create(c->mm, COUNT_SPACE, &c->space));
}

static void scene_close(struct count_scene *c)
{
	lock_assert_none();
	if (c->child)
		mm_space_destroy(c->child);
	mm_space_destroy(c->space);
	if (c->shared)
		mapping_identity_dec_ref(shared_memory_identity(c->shared));
	mm_check(c->mm);
	mm_destroy(c->mm);
	mm_thread_leave();
	free(c->buffer);
}

/* What callgrind looks for by name: it has to be a call, and one that comes back. */
__attribute__((noinline)) void count_measured(const struct count_op *op, struct count_scene *c);
void count_measured(const struct count_op *op, struct count_scene *c)
{
	op->run(c, op->times);
	__asm__ volatile("" ::: "memory");
}

static void run_op(const struct count_op *op)
{
	struct count_scene c;

	lock_assert_none();
	scene_open(&c);
	op->prepare(&c);
	mm_rcu_barrier(); /* what the preparation freed is back, at no moment of its own choice */
	count_host_begin();
	count_measured(op, &c);
	count_host_end(op);
	REQUIRE(!c.error);
	op->verify(&c);
	mm_check(c.mm);
	scene_close(&c);
}

static int run_in_child(const struct count_op *op)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (!pid) {
		run_op(op);
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "count: %s failed\n", op->name);
		return 1;
	}
	COUNT_LINE(pid, op);
	return 0;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	static const struct count_op *const lists[] = { count_fault_ops, count_map_ops,
							count_page_ops };
	bool only_list = argc == 2 && !strcmp(argv[1], "--list");
	int seen = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const struct count_op *op = lists[i]; op->name; op++) {
			if (only_list)
				puts(op->name);
			else if (wanted(op->name, argc, argv))
				failed |= run_in_child(op);
			else
				continue;
			seen++;
		}
	}
	if (!seen)
		fprintf(stderr, "count: no such operation; --list names them\n");
	return failed || !seen;
}
