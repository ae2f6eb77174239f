/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remap_errno_test.c - mremap of good and bad arguments: the engine must answer what Linux does.
 *
 * A child makes every call of a table (old addresses x old lengths x new lengths x modes and new
 * addresses) natively, on the same small layout each time; then the engine makes it on the same
 * layout, and result, place, what is mapped, and the first word of every page must agree. Linux
 * before 6.17 checks in another order and moves one mapping only: there the test is skipped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/remap_fixture.h"

#define AREA (UINT64_C(1) << 28)
#define AREA_PAGES 64
#define LOW_PAGES 16 /* from address 0 */
#define TOP (UINT64_C(1) << 63)

/* The layout: mapped parts of the area, in pages. */
static const struct part {
	unsigned first, count;
	bool shared, writable;
} layout[] = {
	{ 0, 4, false, true },
	{ 4, 4, false, false },
	{ 10, 4, true, true },
	{ 20, 3, false, true },
};

#define PARTS (sizeof(layout) / sizeof(layout[0]))
#define AT(page) (AREA + (page)*PAGE)
#define LAST UINT64_C(1) /* stands for the last page of the addresses, which differs */

static const uint64_t old_addresses[] = { 0,	 LAST,	    TOP,   UINT64_MAX, -PAGE, AT(0),
					  AT(2), AT(2) + 1, AT(8), AT(10),     AT(12) };
static const uint64_t lengths[] = { 0,	      1,	PAGE - 1, PAGE,	     PAGE + 1,
				    4 * PAGE, 8 * PAGE, TOP,	  UINT64_MAX };
static const uint64_t new_addresses[] = { 0,	      LAST,  TOP,   UINT64_MAX, -PAGE, AT(20),
					  AT(20) + 1, AT(0), AT(1), AT(10),	AT(40) };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VARIANTS (2 + COUNT(new_addresses))
#define ROWS (COUNT(old_addresses) * COUNT(lengths) * COUNT(lengths) * VARIANTS)

struct row {
	uint64_t old, old_length, new_length, to;
	enum mremap_mode mode;
};

struct answer {
	int rc; /* 0 or -errno */
	bool moved; /* to a place of its own choice */
	uint64_t at; /* unless moved */
	uint64_t pages[AREA_PAGES + LOW_PAGES + 1]; /* see looks */
};

/* What is at a page: 0: nothing mapped, 1: mapped and not readable, else its word plus 2. */
typedef uint64_t (*look_fn)(uint64_t address);

static struct row row_of(size_t i, uint64_t last)
{
	struct row r;
	size_t variant = i % VARIANTS;

	r.mode = variant == 0	? MREMAP_IN_PLACE
		 : variant == 1 ? MREMAP_MAY_MOVE
				: MREMAP_FIXED_MOVE;
	r.to = variant > 1 ? new_addresses[variant - 2] : 0;
	i /= VARIANTS;
	r.new_length = lengths[i % COUNT(lengths)];
	i /= COUNT(lengths);
	r.old_length = lengths[i % COUNT(lengths)];
	r.old = old_addresses[i / COUNT(lengths)];
	r.old = r.old == LAST ? last : r.old;
	r.to = r.to == LAST ? last : r.to;
	return r;
}

static void look_around(struct answer *a, look_fn look, uint64_t last)
{
	for (unsigned i = 0; i < AREA_PAGES; i++)
		a->pages[i] = look(AT(i));
	for (unsigned i = 0; i < LOW_PAGES; i++)
		a->pages[AREA_PAGES + i] = look(i * PAGE);
	a->pages[AREA_PAGES + LOW_PAGES] = look(last);
}

/* ---- Linux, in a child; system calls alone, so that no sanitizer interferes ---- */

static uint64_t look_natively(uint64_t address)
{
	unsigned char resident;
	uint64_t word;
	struct iovec local = { &word, sizeof(word) };
	struct iovec remote = { (void *)(uintptr_t)address, sizeof(word) };

	if (syscall(SYS_mincore, address, PAGE, &resident))
		return 0;
	if (syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0) != sizeof(word))
		return 1;
	return word + 2;
}

static bool map_natively(void)
{
	for (unsigned k = 0; k < PARTS; k++) {
		const struct part *p = &layout[k];
		int flags = MAP_ANONYMOUS | MAP_FIXED | (p->shared ? MAP_SHARED : MAP_PRIVATE);
		uint64_t at = AT(p->first);

		if ((uint64_t)syscall(SYS_mmap, at, p->count * PAGE, PROT_READ | PROT_WRITE, flags,
				      -1, 0) != at)
			return false;
		for (unsigned i = 0; i < p->count; i++)
			*(volatile uint64_t *)(uintptr_t)(at + i * PAGE) = 100 + p->first + i;
		if (!p->writable && syscall(SYS_mprotect, at, p->count * PAGE, PROT_READ))
			return false;
	}
	return true;
}

static void answer_natively(const struct row *r, struct answer *a, uint64_t last)
{
	static const long flags[] = { 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED };
	long rc = syscall(SYS_mremap, r->old, r->old_length, r->new_length, flags[r->mode], r->to);

	a->rc = rc == -1 ? -errno : 0;
	a->moved = !a->rc && r->mode == MREMAP_MAY_MOVE && (uint64_t)rc != r->old;
	a->at = a->rc || a->moved ? 0 : (uint64_t)rc;
	look_around(a, look_natively, last);
	if (a->moved)
		syscall(SYS_munmap, rc, r->new_length);
	syscall(SYS_munmap, AREA, AREA_PAGES * PAGE);
	syscall(SYS_munmap, 0, LOW_PAGES * PAGE);
	syscall(SYS_munmap, last, PAGE);
}

static void child(struct answer *answers)
{
	const uint64_t last = (UINT64_C(1) << 47) - 2 * PAGE; /* the last that Linux maps */

	syscall(SYS_munmap, last, PAGE);
	for (size_t i = 0; i < ROWS; i++) {
		struct row r = row_of(i, last);

		if (!map_natively())
			_exit(1);
		answer_natively(&r, &answers[i], last);
	}
	_exit(0);
}

/* ---- the engine ---- */

static struct shared_memory *object;

static uint64_t look_in_engine(uint64_t address)
{
	int rc = mm_fault(fx.space, address, MM_READ);

	if (rc == -EFAULT)
		return 0;
	return rc ? 1 : *word_at(address) + 2;
}

static void map_in_engine(void)
{
	for (unsigned k = 0; k < PARTS; k++) {
		const struct part *p = &layout[k];
		struct mmap_opts o = { .length = p->count * PAGE,
				       .address = AT(p->first),
				       .fixed = true,
				       .perms = RW,
				       .max_perms = MM_ANY_ACCESS,
				       .is_private = !p->shared };
		uint64_t got;

		if (p->shared) {
			o.mappable = shared_memory_mappable(object);
			o.identity = shared_memory_identity(object);
		}
		assert_int_equal(mm_mmap(fx.space, &o, &got), 0);
		for (unsigned i = 0; i < p->count; i++)
			stamp(AT(p->first + i), 100 + p->first + i);
		if (!p->writable)
			assert_int_equal(mm_mprotect(fx.space, got, o.length, MM_READ), 0);
	}
}

static void answer_in_engine(const struct row *r, struct answer *a, uint64_t last)
{
	uint64_t got = 0;

	a->rc = mm_mremap(fx.space, r->old, r->old_length, r->new_length, r->mode, r->to, &got);
	a->moved = !a->rc && r->mode == MREMAP_MAY_MOVE && got != r->old;
	a->at = a->rc || a->moved ? 0 : got;
	/* The low pages may be the place of its choice. */
	if (a->moved)
		assert_int_equal(mm_munmap(fx.space, got, r->new_length), 0);
	look_around(a, look_in_engine, last);
	assert_int_equal(mm_munmap(fx.space, 0, MM_ADDRESS_END), 0);
}

static void compare(const struct row *r, const struct answer *linux_says, const struct answer *ours)
{
	char call[160];

	snprintf(call, sizeof(call), "mremap(%#llx, %#llx, %#llx, mode %d, %#llx)",
		 (unsigned long long)r->old, (unsigned long long)r->old_length,
		 (unsigned long long)r->new_length, (int)r->mode, (unsigned long long)r->to);
	if (ours->rc != linux_says->rc)
		fail_msg("%s: %d, Linux says %d", call, ours->rc, linux_says->rc);
	if (ours->moved != linux_says->moved)
		fail_msg("%s: moved: %d, Linux: %d", call, ours->moved, linux_says->moved);
	for (size_t i = 0; i < COUNT(ours->pages); i++)
		if (ours->pages[i] != linux_says->pages[i])
			fail_msg("%s: page %zu of those watched: %llu, Linux: %llu", call, i,
				 (unsigned long long)ours->pages[i],
				 (unsigned long long)linux_says->pages[i]);
}

static bool linux_is_new_enough(void)
{
	struct utsname name;
	unsigned major = 0;
	unsigned minor = 0;

	return !uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 17));
}

#ifdef __SANITIZE_THREAD__
#define EVERY 11 /* one row in so many */
#else
#define EVERY 1
#endif

static void every_call_is_answered_as_linux_does(void **state)
{
	const uint64_t last = MM_ADDRESS_END - PAGE;
	struct answer *answers;
	size_t refused = 0;
	int status;

	(void)state;
	if (!linux_is_new_enough())
		skip();
	answers = mmap(NULL, ROWS * sizeof(*answers), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(answers, MAP_FAILED);
	pid_t pid = fork();

	if (!pid)
		child(answers);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);

	open_remap(&host_space_none, PAGE_4K);
	assert_int_equal(shared_memory_create(mm_memory_file(fx.mm), 4 * PAGE, PAGE_4K, "errno",
					      &object),
			 0);
	for (size_t i = 0; i < ROWS; i += EVERY) {
		struct row r = row_of(i, last);
		struct answer ours;

		map_in_engine();
		answer_in_engine(&r, &ours, last);
		if (i % 64 == 0) /* remap_test.c checks after every call */
			mm_check(fx.mm);
		/* Who may not map address 0 (vm.mmap_min_addr) is told so by Linux alone. */
		if (answers[i].rc == -EPERM)
			continue;
		compare(&r, &answers[i], &ours);
		refused += ours.rc != 0;
	}
	assert_true(refused > ROWS / EVERY / 2 && refused < ROWS / EVERY);
	mapping_identity_dec_ref(shared_memory_identity(object));
	close_remap();
	munmap(answers, ROWS * sizeof(*answers));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_answered_as_linux_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
