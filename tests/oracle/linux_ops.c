/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_ops.c - the operations as system calls of this process. Where the engine differs on
 * purpose (differences.c), the call that closes the gap stands here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/oracle/linux.h"
#include "tests/oracle/linux_side.h"
#include "tests/oracle/touch.h"

static int64_t result_of(int64_t rc)
{
	return rc < 0 ? -errno : rc;
}

static int prot_of(const struct op *op)
{
	return (op->prot & PROT_R ? PROT_READ : 0) | (op->prot & PROT_W ? PROT_WRITE : 0) |
	       (op->prot & PROT_X ? PROT_EXEC : 0);
}

/* The bits of `flags` that pairs of (ours, theirs) translate. */
static int translate_flags(uint32_t flags, const int pairs[][2], size_t count)
{
	int out = 0;

	for (size_t i = 0; i < count; i++)
		if (flags & (uint32_t)pairs[i][0])
			out |= pairs[i][1];
	return out;
}
#define TRANSLATE(flags, pairs) translate_flags(flags, pairs, sizeof(pairs) / sizeof(pairs[0]))

/* ---- mappings ---- */

static void run_mmap(const struct op *op, struct record *r)
{
	static const int pairs[][2] = {
		{ FLAG_anon, MAP_ANONYMOUS },
		{ FLAG_fixed, MAP_FIXED },
		{ FLAG_noreplace, MAP_FIXED_NOREPLACE },
		{ FLAG_grows_down, MAP_GROWSDOWN },
		{ FLAG_populate, MAP_POPULATE },
		{ FLAG_locked, MAP_LOCKED },
	};
	bool anon = op->flags & FLAG_anon;
	int fd = op->flags & FLAG_read_only ? here.read_only_fd[op->object]
					    : here.object_fd[op->object];
	int flags = (op->flags & FLAG_shared ? MAP_SHARED : MAP_PRIVATE) |
		    TRANSLATE(op->flags, pairs);
	char *got = mmap(linux_at(op->address), op->length, prot_of(op), flags, anon ? -1 : fd,
			 (off_t)op->offset);
	uint64_t wanted = op->address & ~(PAGE - 1);

	if (got == MAP_FAILED) {
		r->result = -errno;
		return;
	}
	if (got != linux_at(wanted)) {
		r->result = RESULT_ELSEWHERE;
		must(!munmap(got, op->length));
		return;
	}
	if (anon && (op->flags & FLAG_shared))
		linux_name_object(wanted, OBJECTS + (int32_t)(op - here.run->ops));
}

static void run_munmap(const struct op *op, struct record *r)
{
	r->result = result_of(munmap(linux_at(op->address), op->length));
}

static void run_mprotect(const struct op *op, struct record *r)
{
	r->result = result_of(mprotect(linux_at(op->address), op->length, prot_of(op)));
}

static void run_mremap(const struct op *op, struct record *r)
{
	static const int pairs[][2] = { { FLAG_may_move, MREMAP_MAYMOVE },
					{ FLAG_fixed, MREMAP_FIXED } };
	char *to = linux_at(op->to);
	char *got = mremap(linux_at(op->address), op->length, op->to_length,
			   TRANSLATE(op->flags, pairs), to);

	if (got == MAP_FAILED) {
		r->result = -errno;
		r->split = linux_splits(op->address, op->address + op->length);
	} else if (got == linux_at(op->address)) {
		r->result = 0;
	} else if (op->flags & FLAG_fixed) {
		must(got == to);
	} else {
		r->result = RESULT_ELSEWHERE;
		r->data = mremap(got, op->to_length, op->to_length, MREMAP_MAYMOVE | MREMAP_FIXED,
				 to) != to;
		must(!r->data);
	}
}

static void run_brk(const struct op *op, struct record *r)
{
	uint64_t got = (uint64_t)syscall(SYS_brk, linux_at(op->address));

	r->data = linux_application(got);
}

/* ---- what is said of them ---- */

/* MADV_FREE, and what the engine makes of it: page by page where it was refused on the way. */
static int64_t free_range(const struct op *op)
{
	int64_t result = result_of(madvise(linux_at(op->address), op->length, MADV_FREE));
	uint64_t bytes = (op->length + PAGE - 1) & ~(PAGE - 1);

	if (result == -EINVAL && (op->address % PAGE || bytes < op->length))
		return result;
	for (uint64_t at = 0; at < bytes; at += PAGE) {
		char *page = linux_at(op->address + at);

		if (!madvise(page, PAGE, MADV_FREE))
			must(!madvise(page, PAGE, MADV_DONTNEED));
		else if (errno != ENOMEM)
			break;
	}
	return result;
}

static void run_madvise(const struct op *op, struct record *r)
{
	static const int advice[] = { MADV_DONTNEED,	  MADV_FREE,   MADV_DONTFORK,
				      MADV_DOFORK,	  MADV_REMOVE, MADV_POPULATE_READ,
				      MADV_POPULATE_WRITE };

	if (op->value == ADVISE_FREE)
		r->result = free_range(op);
	else
		r->result =
			result_of(madvise(linux_at(op->address), op->length, advice[op->value]));
}

static void run_mlock(const struct op *op, struct record *r)
{
	void *at = linux_at(op->address);

	if (op->flags & FLAG_on_fault)
		r->result = result_of(mlock2(at, op->length, MLOCK_ONFAULT));
	else if (op->flags & FLAG_locked)
		r->result = result_of(mlock(at, op->length));
	else
		r->result = result_of(munlock(at, op->length));
}

static void run_mlockall(const struct op *op, struct record *r)
{
	static const int pairs[][2] = { { FLAG_current, MCL_CURRENT },
					{ FLAG_future, MCL_FUTURE },
					{ FLAG_on_fault, MCL_ONFAULT } };

	if (op->flags & FLAG_locked)
		r->result = result_of(mlockall(TRANSLATE(op->flags, pairs)));
	else
		r->result = result_of(munlockall());
	here.locked_all |= op->flags & FLAG_locked;
}

static void run_msync(const struct op *op, struct record *r)
{
	static const int pairs[][2] = { { FLAG_sync, MS_SYNC },
					{ FLAG_async, MS_ASYNC },
					{ FLAG_invalidate, MS_INVALIDATE } };

	r->result =
		result_of(msync(linux_at(op->address), op->length, TRANSLATE(op->flags, pairs)));
}

static void run_mincore(const struct op *op, struct record *r)
{
	static unsigned char vec[AREA_PAGES];
	uint64_t pages = op->length / PAGE + 1;

	if (op->length / PAGE >= AREA_PAGES)
		pages = 0; /* is refused */
	memset(vec, 0, pages);
	r->result = result_of(mincore(linux_at(op->address), op->length, vec));
	if (!r->result)
		record_resident(r, vec, pages);
}

static void run_mbind(const struct op *op, struct record *r)
{
	static const int modes[] = { MPOL_DEFAULT, MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED };
	unsigned long nodes = 1;

	r->result =
		result_of(syscall(SYS_mbind, linux_at(op->address), op->length, modes[op->value],
				  op->value ? &nodes : NULL, op->value ? 8 * sizeof(nodes) : 0, 0));
}

/* ---- objects ---- */

static void run_truncate(const struct op *op, struct record *r)
{
	int fd = here.object_fd[op->object];
	struct stat st;

	must(!fstat(fd, &st));
	r->result = result_of(ftruncate(fd, (off_t)op->offset));
	/* A deliberate difference: what was stored behind the old end. */
	if (!r->result && (off_t)op->offset > st.st_size && st.st_size % (off_t)PAGE)
		(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, st.st_size,
				(off_t)PAGE - st.st_size % (off_t)PAGE);
}

static void run_punch(const struct op *op, struct record *r)
{
	r->result = result_of(fallocate(here.object_fd[op->object],
					FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)op->offset, (off_t)op->length));
}

static void run_seal(const struct op *op, struct record *r)
{
	int seals = (op->value & SEAL_SHRINK ? F_SEAL_SHRINK : 0) |
		    (op->value & SEAL_GROW ? F_SEAL_GROW : 0) |
		    (op->value & SEAL_WRITE ? F_SEAL_WRITE : 0);

	r->result = result_of(fcntl(here.object_fd[op->object], F_ADD_SEALS, seals));
}

static void run_read_file(const struct op *op, struct record *r)
{
	must_read(here.object_fd[op->object], r);
}

/* ---- processes ---- */

static void run_fork(const struct op *op, struct record *r)
{
	pid_t pid = fork();

	r->result = pid < 0 ? -errno : 0;
	if (!pid)
		linux_work(op->child);
}

static void run_exit(const struct op *op, struct record *r)
{
	(void)op, (void)r; /* the worker does it, once it has answered */
}

/* ---- memory ---- */

static void record_touch(struct record *r, struct touch t)
{
	r->signal = t.signal;
	r->code = t.code;
	r->fault = t.signal ? linux_application(t.fault) : 0;
	r->data = t.value;
}

static void run_load(const struct op *op, struct record *r)
{
	record_touch(r, touch_load(linux_at(op->address)));
}

static void run_store(const struct op *op, struct record *r)
{
	record_touch(r, touch_store(linux_at(op->address), op->value));
}

/* The kernel reads the memory: by write(2) from it, with the permissions of the process. */
static void run_copy_in(const struct op *op, struct record *r)
{
	r->result = result_of(pwrite(here.scratch_fd, linux_at(op->address), op->length, 0));
	if (r->result > 0)
		r->data = record_hash(here.scratch, (size_t)r->result);
}

static void run_copy_out(const struct op *op, struct record *r)
{
	op_pattern(op->value, here.scratch, op->length);
	r->result = result_of(pread(here.scratch_fd, linux_at(op->address), op->length, 0));
}

static void run_zero_out(const struct op *op, struct record *r)
{
	r->result = result_of(read(here.zero_fd, linux_at(op->address), op->length));
}

/* As ptrace does; what it cannot reach is EIO there. */
static int64_t forced(int64_t result)
{
	return result == -EIO || result == 0 ? -EFAULT : result;
}

static void run_peek(const struct op *op, struct record *r)
{
	r->result = forced(result_of(pread(here.memory_fd, here.scratch, op->length,
					   (off_t)(uintptr_t)linux_at(op->address))));
	if (r->result > 0)
		r->data = record_hash(here.scratch, (size_t)r->result);
}

static void run_poke(const struct op *op, struct record *r)
{
	op_pattern(op->value, here.scratch, op->length);
	r->result = forced(result_of(pwrite(here.memory_fd, here.scratch, op->length,
					    (off_t)(uintptr_t)linux_at(op->address))));
}

static void sum_page(uint64_t address, struct page_sum *sum)
{
	if (pwrite(here.scratch_fd, linux_at(address), PAGE, 0) != (ssize_t)PAGE) {
		sum->hash = PAGE_UNREADABLE;
		return;
	}
	sum->hash = record_hash(here.scratch, PAGE);
	memcpy(&sum->first, here.scratch, sizeof(sum->first));
}

static void run_state(const struct op *op, struct record *r)
{
	struct page_sum *sums = record_state(here.side, r);

	(void)op;
	if (!sums)
		return;
	memset(sums, 0, sizeof(*sums) * AREA_PAGES);
	r->private_writable = linux_status("VmData:") - here.other_private_writable;
	r->locked = here.locked_all ? LOCKED_UNKNOWN : linux_status("VmLck:");
	linux_lines(r, true);
	for (uint32_t i = 0; i < r->line_count; i++) {
		r->total += r->lines[i].end - r->lines[i].start;
		for (uint64_t a = r->lines[i].start; a < r->lines[i].end; a += PAGE)
			if (area_index(a) >= 0)
				sum_page(a, &sums[area_index(a)]);
	}
}

void linux_op(const struct op *op, struct record *r)
{
#define ORACLE_RUN(name, weight) run_##name,
	static void (*const run_op[])(const struct op *,
				      struct record *) = { ORACLE_OPS(ORACLE_RUN) };
#undef ORACLE_RUN

	run_op[op->kind](op, r);
}
