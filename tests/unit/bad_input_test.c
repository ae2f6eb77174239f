/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bad_input_test.c - what every call on a range answers to addresses and lengths that make no
 * sense, from one table, against which the engine and, natively, Linux are checked.
 *
 * Each native call has a child process of its own, which maps the same two pages, makes the call
 * and exits by instructions that use neither stack nor data: some of the calls take these away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/mm_advise.h"
#include "tests/unit/space_fixture.h"

#define TASK_END ((UINT64_C(1) << 47) - MM_PAGE_SIZE) /* of a process */
#define MAPPED UINT64_C(0x200000000000) /* two pages, readable and writable, before a hole */
#define TWO63 (UINT64_C(1) << 63)

static const uint64_t lengths[] = { 0, 1, 4095, 4097, TWO63, UINT64_MAX };
/* MM_ADDRESS_END - 4096 stands for the last page of either kind of space */
static const uint64_t addresses[] = {
	0, MAPPED, MAPPED + 1, MM_ADDRESS_END - MM_PAGE_SIZE, TWO63, -MM_PAGE_SIZE, UINT64_MAX
};

#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))
#define ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

enum call {
	MMAP,
	MMAP_FIXED,
	MUNMAP,
	MPROTECT,
	DONTNEED,
	FREE,
	DONTFORK,
	DOFORK,
	REMOVE,
	POPULATE_READ,
	POPULATE_WRITE,
	MLOCK,
	MLOCK_LATER,
	MUNLOCK,
	MSYNC,
	MINCORE,
	MBIND_LOCAL,
	MBIND_NODE,
	MBIND_NO_NODE,
	MBIND_OTHER_NODE,
	MBIND_PREFER_NONE,
	CALLS
};

/* A letter for each address and length: 0 success, I EINVAL, N ENOMEM, F EFAULT. */
static const struct {
	const char *name;
	const char *answers[ADDRESSES];
} table[CALLS] = {
	/*               0         mapped    unaligned last page 2^63      2^64-4096 2^64-1 */
	[MMAP] = { "mmap",
		   { "I000NN", "I000NN", "I000NN", "I000NN", "I000NN", "I000NN", "I000NN" } },
	[MMAP_FIXED] = { "mmap fixed",
			 { "I000NN", "I000NN", "IIIINN", "I00NNN", "INNNNN", "INNNNN", "INNNNN" } },
	[MUNMAP] = { "munmap",
		     { "I000II", "I000II", "IIIIII", "I00III", "IIIIII", "IIIIII", "IIIIII" } },
	[MPROTECT] = { "mprotect",
		       { "0NNNNN", "0000NN", "IIIIII", "0NNNNN", "0NNNNN", "0NNNNN", "IIIIII" } },
	[DONTNEED] = { "MADV_DONTNEED",
		       { "0NNNNI", "0000NI", "IIIIII", "0NNNNI", "0NNNII", "0IIIII", "IIIIII" } },
	[FREE] = { "MADV_FREE",
		   { "0NNNNI", "0000NI", "IIIIII", "0NNNNI", "0NNNII", "0IIIII", "IIIIII" } },
	[DONTFORK] = { "MADV_DONTFORK",
		       { "0NNNNI", "0000NI", "IIIIII", "0NNNNI", "0NNNII", "0IIIII", "IIIIII" } },
	[DOFORK] = { "MADV_DOFORK",
		     { "0NNNNI", "0000NI", "IIIIII", "0NNNNI", "0NNNII", "0IIIII", "IIIIII" } },
	[REMOVE] = { "MADV_REMOVE",
		     { "0NNNII", "0IIIII", "IIIIII", "0NNNNI", "0NNNII", "0IIIII", "IIIIII" } },
	[POPULATE_READ] = { "MADV_POPULATE_READ",
			    { "0NNNNI", "0000NI", "IIIIII", "0NNNNI", "0NNNII", "0IIIII",
			      "IIIIII" } },
	[POPULATE_WRITE] = { "MADV_POPULATE_WRITE",
			     { "0NNNNI", "0000NI", "IIIIII", "0NNNNI", "0NNNII", "0IIIII",
			       "IIIIII" } },
	[MLOCK] = { "mlock",
		    { "0NNNN0", "0000N0", "0000N0", "0NNNN0", "0NNNI0", "0IIII0", "IIIIII" } },
	[MLOCK_LATER] = { "mlock2(ONFAULT)",
			  { "0NNNN0", "0000N0", "0000N0", "0NNNN0", "0NNNI0", "0IIII0",
			    "IIIIII" } },
	[MUNLOCK] = { "munlock",
		      { "0NNNN0", "0000N0", "0000N0", "0NNNN0", "0NNNI0", "0IIII0", "IIIIII" } },
	[MSYNC] = { "msync",
		    { "0NNNN0", "0000N0", "IIIIII", "0NNNN0", "0NNNN0", "0NNNN0", "IIIIII" } },
	[MINCORE] = { "mincore",
		      { "0NNNNN", "0000NN", "IIIIII", "0NNNNN", "NNNNNN", "NNNNNN", "IIIIII" } },
	[MBIND_LOCAL] = { "mbind(DEFAULT)",
			  { "0FFF00", "000000", "IIIIII", "0FFFF0", "0FFFI0", "0IIII0",
			    "IIIIII" } },
	[MBIND_NODE] = { "mbind(BIND, 1)",
			 { "0FFFF0", "0000F0", "IIIIII", "0FFFF0", "0FFFI0", "0IIII0", "IIIIII" } },
	[MBIND_NO_NODE] = { "mbind(BIND, 0)",
			    { "0IIII0", "0IIII0", "IIIIII", "0IIII0", "0IIII0", "0IIII0",
			      "IIIIII" } },
	[MBIND_OTHER_NODE] = { "mbind(BIND, no such node)",
			       { "0IIII0", "0IIII0", "IIIIII", "0IIII0", "0IIII0", "0IIII0",
				 "IIIIII" } },
	[MBIND_PREFER_NONE] = { "mbind(PREFERRED, 0)",
				{ "0FFFF0", "0000F0", "IIIIII", "0FFFF0", "0FFFI0", "0IIII0",
				  "IIIIII" } },
};

#define SURROUNDINGS "what else the process maps in the range (vvar) answers EINVAL first"

/* Where Linux's answer is another, and why the engine's is right. */
static const struct difference {
	enum call call;
	uint64_t address;
	uint64_t length;
	int linux_errno;
	const char *why;
} differences[] = {
	{ DONTNEED, 0, TWO63, EINVAL, SURROUNDINGS },
	{ DONTNEED, MAPPED, TWO63, EINVAL, SURROUNDINGS },
	{ FREE, 0, TWO63, EINVAL, SURROUNDINGS },
	{ FREE, MAPPED, TWO63, EINVAL, SURROUNDINGS },
	{ DOFORK, 0, TWO63, EINVAL, SURROUNDINGS },
	{ DOFORK, MAPPED, TWO63, EINVAL, SURROUNDINGS },
	{ MMAP_FIXED, UINT64_MAX, 1, EPERM, "Linux takes the address for the error number -1" },
	{ MMAP_FIXED, UINT64_MAX, 4095, EPERM, "the same" },
	{ MMAP_FIXED, UINT64_MAX, 4097, EPERM, "the same" },
};

static int errno_of_letter(char c)
{
	return c == 'I' ? EINVAL : c == 'N' ? ENOMEM : c == 'F' ? EFAULT : 0;
}

/* ---- the engine ---- */

static int map_two_pages(struct mm_space *s)
{
	struct mmap_opts o = fixture_map_opts(0, 2, FIXTURE_RW);
	uint64_t got;

	o.address = MAPPED;
	return mm_mmap(s, &o, &got);
}

static int engine_advise(struct mm_space *s, enum call call, uint64_t a, uint64_t l)
{
	static const enum mm_advice advices[] = {
		[DONTNEED] = MM_ADVISE_DONTNEED,
		[FREE] = MM_ADVISE_FREE,
		[DONTFORK] = MM_ADVISE_DONTFORK,
		[DOFORK] = MM_ADVISE_DOFORK,
		[REMOVE] = MM_ADVISE_REMOVE,
		[POPULATE_READ] = MM_ADVISE_POPULATE_READ,
		[POPULATE_WRITE] = MM_ADVISE_POPULATE_WRITE,
	};

	return mm_madvise(s, a, l, advices[call]);
}

static int engine_call(struct mm_space *s, enum call call, uint64_t a, uint64_t l)
{
	unsigned char vec[4];
	uint64_t got;
	struct mmap_opts o = fixture_map_opts(0, 0, FIXTURE_RW);

	o.address = a;
	o.length = l;
	o.fixed = o.unmap = call == MMAP_FIXED;
	switch (call) {
	case MMAP:
	case MMAP_FIXED:
		return mm_mmap(s, &o, &got);
	case MUNMAP:
		return mm_munmap(s, a, l);
	case MPROTECT:
		return mm_mprotect(s, a, l, MM_READ);
	case MLOCK:
		return mm_mlock(s, a, l, MLOCK_EAGER);
	case MLOCK_LATER:
		return mm_mlock(s, a, l, MLOCK_LAZY);
	case MUNLOCK:
		return mm_mlock(s, a, l, MLOCK_NONE);
	case MSYNC:
		return mm_msync(s, a, l, true, false);
	case MINCORE:
		return mm_mincore(s, a, l, vec);
	case MBIND_LOCAL:
		return mm_mbind(s, a, l, NUMA_LOCAL, 0);
	case MBIND_NODE:
		return mm_mbind(s, a, l, NUMA_BIND, 1);
	case MBIND_NO_NODE:
		return mm_mbind(s, a, l, NUMA_BIND, 0);
	case MBIND_OTHER_NODE:
		return mm_mbind(s, a, l, NUMA_BIND, UINT64_C(1) << 63);
	case MBIND_PREFER_NONE:
		return mm_mbind(s, a, l, NUMA_PREFERRED, 0);
	default:
		return engine_advise(s, call, a, l);
	}
}

static void the_engine_answers_as_the_table_says(void **state)
{
	struct fixture f;
	unsigned wrong = 0;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	for (unsigned c = 0; c < CALLS; c++) {
		for (unsigned i = 0; i < ADDRESSES * LENGTHS; i++) {
			uint64_t a = addresses[i / LENGTHS];
			uint64_t l = lengths[i % LENGTHS];
			int want = -errno_of_letter(table[c].answers[i / LENGTHS][i % LENGTHS]);

			assert_int_equal(mm_munmap(f.space, 0, MM_ADDRESS_END), 0);
			assert_int_equal(map_two_pages(f.space), 0);
			int got = engine_call(f.space, (enum call)c, a, l);

			if (got == want)
				continue;
			wrong++;
			print_message("%s(%#llx, %#llx): %d, not %d\n", table[c].name,
				      (unsigned long long)a, (unsigned long long)l, got, want);
		}
		mm_space_check(f.space);
	}
	assert_int_equal(wrong, 0);
	fixture_close(&f);
}

static void other_arguments_are_checked(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(map_two_pages(f.space), 0);
	assert_int_equal(mm_mprotect(f.space, MAPPED, 4096, 8), -EINVAL);
	assert_int_equal(mm_madvise(f.space, MAPPED, 4096, (enum mm_advice)99), -EINVAL);
	assert_int_equal(mm_mlock(f.space, MAPPED, 4096, (enum mlock_mode)9), -EINVAL);
	assert_int_equal(mm_mlockall(f.space, true, true, (enum mlock_mode)9), -EINVAL);
	assert_int_equal(mm_mlockall(f.space, false, false, MLOCK_EAGER), -EINVAL);
	assert_int_equal(mm_mbind(f.space, MAPPED, 4096, (enum numa_policy)9, 1), -EINVAL);
	assert_int_equal(mm_mbind(f.space, MAPPED, 4096, NUMA_LOCAL, 1), -EINVAL);
	assert_int_equal(mm_mbind(f.space, MAPPED, 4096, NUMA_INTERLEAVE, 0), -EINVAL);
	assert_int_equal(mm_brk_setup(f.space, MM_ADDRESS_END + 1), -EINVAL);
	fixture_close(&f);
}

static void mmap_checks_the_offset(void **state)
{
	static const struct {
		uint64_t offset, length;
		int want;
	} rows[] = {
		{ 1, 4096, -EINVAL },
		{ 0, 4096, 0 },
		{ TWO63 - 8192, 4096, 0 },
		{ TWO63 - 4096, 4096, -EOVERFLOW },
		{ -MM_PAGE_SIZE, 4096, -EOVERFLOW },
		{ -MM_PAGE_SIZE, 8192, -EOVERFLOW },
		{ 4096, UINT64_MAX, -ENOMEM },
		{ -MM_PAGE_SIZE, TWO63, -EOVERFLOW },
	};
	struct fixture f;
	struct shared_memory *sm;

	(void)state;
	fixture_open(&f, NULL, &host_space_none);
	assert_int_equal(shared_memory_create(f.memory, 4096, PAGE_4K, "x", &sm), 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mmap_opts o = fixture_map_opts(0, 0, MM_READ);
		uint64_t got;

		o.length = rows[i].length;
		o.offset = rows[i].offset;
		o.mappable = shared_memory_mappable(sm);
		o.identity = shared_memory_identity(sm);
		o.is_private = false;
		assert_int_equal(mm_mmap(f.space, &o, &got), rows[i].want);
	}
	assert_int_equal(mm_munmap(f.space, 0, MM_ADDRESS_END), 0);
	mapping_identity_dec_ref(shared_memory_identity(sm));
	fixture_close(&f);
}

/* ---- Linux ---- */

static unsigned char native_vec[4];
static const unsigned long no_node, first_node = 1, other_node = UINT64_C(1) << 62;

struct native_call {
	long number, third, fourth, fifth, sixth;
};

static struct native_call native_call(enum call call)
{
	static const int advices[] = {
		[DONTNEED] = MADV_DONTNEED, [FREE] = MADV_FREE,	    [DONTFORK] = MADV_DONTFORK,
		[DOFORK] = MADV_DOFORK,	    [REMOVE] = MADV_REMOVE, [POPULATE_READ] = 22,
		[POPULATE_WRITE] = 23,
	};
	const long map = MAP_PRIVATE | MAP_ANONYMOUS;

	switch (call) {
	case MMAP:
		return (struct native_call){ SYS_mmap, PROT_READ | PROT_WRITE, map, -1, 0 };
	case MMAP_FIXED:
		return (struct native_call){ SYS_mmap, PROT_READ | PROT_WRITE, map | MAP_FIXED, -1,
					     0 };
	case MUNMAP:
		return (struct native_call){ .number = SYS_munmap };
	case MPROTECT:
		return (struct native_call){ SYS_mprotect, PROT_READ, 0, 0, 0 };
	case MLOCK:
		return (struct native_call){ .number = SYS_mlock };
	case MLOCK_LATER:
		return (struct native_call){ SYS_mlock2, 1, 0, 0, 0 };
	case MUNLOCK:
		return (struct native_call){ .number = SYS_munlock };
	case MSYNC:
		return (struct native_call){ SYS_msync, MS_SYNC, 0, 0, 0 };
	case MINCORE:
		return (struct native_call){ SYS_mincore, (long)native_vec, 0, 0, 0 };
	case MBIND_LOCAL:
		return (struct native_call){ SYS_mbind, MPOL_DEFAULT, 0, 0, 0 };
	case MBIND_NODE:
		return (struct native_call){ SYS_mbind, MPOL_BIND, (long)&first_node, 64, 0 };
	case MBIND_NO_NODE:
		return (struct native_call){ SYS_mbind, MPOL_BIND, (long)&no_node, 64, 0 };
	case MBIND_OTHER_NODE:
		return (struct native_call){ SYS_mbind, MPOL_BIND, (long)&other_node, 64, 0 };
	case MBIND_PREFER_NONE:
		return (struct native_call){ SYS_mbind, MPOL_PREFERRED, (long)&no_node, 64, 0 };
	default:
		return (struct native_call){ SYS_madvise, advices[call], 0, 0, 0 };
	}
}

/* Makes the call and exits with its errno, touching no memory in between. */
static _Noreturn void call_and_exit(struct native_call c, uint64_t address, uint64_t length)
{
	register long fourth __asm__("r10") = c.fourth;
	register long fifth __asm__("r8") = c.fifth;
	register long sixth __asm__("r9") = c.sixth;

	__asm__ volatile("syscall\n\t"
			 "mov %%rax, %%rdi\n\t"
			 "neg %%rdi\n\t"
			 "cmp $4095, %%rdi\n\t"
			 "jbe 1f\n\t"
			 "xor %%edi, %%edi\n"
			 "1:\tmov %[exit], %%eax\n\t"
			 "syscall\n\t"
			 "hlt"
			 :
			 : "a"(c.number), "D"(address), "S"(length), "d"(c.third), "r"(fourth),
			   "r"(fifth), "r"(sixth), [exit] "i"(SYS_exit_group)
			 : "rcx", "r11", "memory");
	__builtin_unreachable();
}

/* The errno of the call in a new process, or -1. */
static int native_answer(enum call call, uint64_t address, uint64_t length)
{
	struct native_call c = native_call(call);
	int status;
	pid_t child = fork();

	if (!child) {
		if (mmap((void *)MAPPED, 2 * MM_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			 0) != (void *)MAPPED)
			_exit(255);
		if (address == MM_ADDRESS_END - MM_PAGE_SIZE)
			address = TASK_END - MM_PAGE_SIZE;
		call_and_exit(c, address, length);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int expected_of_linux(enum call call, uint64_t address, uint64_t length, char letter)
{
	for (unsigned i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
		const struct difference *d = &differences[i];

		if (d->call == call && d->address == address && d->length == length) {
			assert_int_not_equal(d->linux_errno, errno_of_letter(letter));
			return d->linux_errno;
		}
	}
	return errno_of_letter(letter);
}

static void linux_answers_as_the_table_says(void **state)
{
	unsigned wrong = 0;

	(void)state;
#ifdef __SANITIZE_THREAD__
	print_message("the sanitizer's own mappings are in the way of a native process\n");
	skip();
#endif
	if (geteuid()) {
		print_message("needs root: page 0 and locked memory have limits for others\n");
		skip();
	}
	for (unsigned c = 0; c < CALLS; c++) {
		for (unsigned i = 0; i < ADDRESSES * LENGTHS; i++) {
			uint64_t a = addresses[i / LENGTHS];
			uint64_t l = lengths[i % LENGTHS];
			int want = expected_of_linux((enum call)c, a, l,
						     table[c].answers[i / LENGTHS][i % LENGTHS]);
			int got = native_answer((enum call)c, a, l);

			if (got == want || got == ENOSYS) /* a kernel without NUMA */
				continue;
			wrong++;
			print_message("%s(%#llx, %#llx): %d, not %d\n", table[c].name,
				      (unsigned long long)a, (unsigned long long)l, got, want);
		}
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_answers_as_the_table_says),
		cmocka_unit_test(other_arguments_are_checked),
		cmocka_unit_test(mmap_checks_the_offset),
		cmocka_unit_test(linux_answers_as_the_table_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
