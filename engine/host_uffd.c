/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_uffd.c - a window whose pages userfaultfd shows: one ioctl instead of one mmap, and one
 * madvise hides any number, so that host mappings neither change nor multiply.
 *
 * UFFDIO_CONTINUE shows the page of the file *that is mapped there*. So each 2 MiB of the window, a
 * block, is attached to what its first page asks for: a file, the distance from addresses to its
 * offsets, permissions. That serves most pages, since a reservation gives neighbouring addresses
 * neighbouring offsets (reservation.h), and host mappings of neighbouring blocks merge. A page that
 * asks for anything else (a copy, another permission, a host file) gets a host mapping of its own,
 * as in host_mmap.c, and so do whole 2 MiB of small pages, which the host then maps as one. A block
 * that shows nothing is attached anew when its next page does not fit.
 *
 * Why it is right. `attached` bit of a page set: what is mapped there is the block's attachment, or
 * was taken by a widened hiding; so a touch finds a page only after it was continued, and the
 * one that belongs there. Clear: nothing is known, and nothing but mmap(MAP_FIXED) is used. A bit
 * is set by an attachment only, and cleared when anything else is mapped there. Bits of one page
 * are changed and used under its entry's lock with the block held in common; an attachment
 * changes those of all pages, and holds the block alone. `shown` is a hint of when to attach
 * anew: doing that with pages shown would but hide them.
 *
 * The block's lock (`platform`): in common it is a count, taken with the entry held, for the length
 * of a system call. Alone it is had only by trying, from in common, so nobody waits for those; who
 * waits for one that attaches, waits for three system calls, which take no further lock but the
 * leaf `change` of the window (host_window.h).
 *
 * Each space has a descriptor of its own: the kernel's lock of one is not met by other spaces.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/fail.h"
#include "engine/host_window.h"
#include "engine/os_memory.h"
#include "engine/os_uffd.h"
#include "engine/park.h"
#include "engine/test_points.h"

#define BLOCK_WORDS (MM_HUGE_PAGES / 64)
#define ALONE (UINT32_C(1) << 31)
#define WAITED (UINT32_C(1) << 30)

struct uffd_block {
	_Atomic uint32_t lock; /* ALONE and WAITED, or how many hold it in common */
	mm_access perms; /* to `distance`: changed alone */
	const struct file *file;
	uint64_t distance; /* file offset - address, modulo 2^64 */
	_Atomic uint64_t attached[BLOCK_WORDS]; /* a bit a page */
	_Atomic uint64_t shown[BLOCK_WORDS];
} __attribute__((aligned(64)));

struct host_uffd {
	struct host_window window; /* first */
	struct uffd_block *blocks; /* immutable */
	int fd; /* immutable */
};

static struct host_uffd *uffd_of(struct host_space *h)
{
	return (struct host_uffd *)h;
}

static uint64_t table_bytes(uint64_t window_bytes)
{
	return page_round_down(window_bytes / MM_HUGE_SIZE * sizeof(struct uffd_block) +
			       MM_PAGE_SIZE - 1);
}

/* ---- pages of a block ---- */

struct pages {
	unsigned first, end;
};

static struct pages pages_of(struct addr_range ar)
{
	unsigned first = (unsigned)(ar.start % MM_HUGE_SIZE / MM_PAGE_SIZE);

	return (struct pages){ first, first + (unsigned)(addr_range_length(ar) / MM_PAGE_SIZE) };
}

/* The bits of the range in word i. */
static uint64_t mask_in(struct pages p, unsigned i)
{
	unsigned low = p.first > i * 64 ? p.first - i * 64 : 0;
	unsigned high = p.end < (i + 1) * 64 ? p.end - i * 64 : 64;

	return ~UINT64_C(0) << low & ~UINT64_C(0) >> (64 - high);
}

static void set_bits(_Atomic uint64_t bits[BLOCK_WORDS], struct pages p)
{
	for (unsigned i = p.first / 64; i * 64 < p.end; i++)
		atomic_fetch_or_explicit(&bits[i], mask_in(p, i), memory_order_relaxed);
}

static void clear_bits(_Atomic uint64_t bits[BLOCK_WORDS], struct pages p)
{
	for (unsigned i = p.first / 64; i * 64 < p.end; i++)
		atomic_fetch_and_explicit(&bits[i], ~mask_in(p, i), memory_order_relaxed);
}

static bool all_bits(_Atomic uint64_t bits[BLOCK_WORDS], struct pages p)
{
	for (unsigned i = p.first / 64; i * 64 < p.end; i++)
		if (~atomic_load_explicit(&bits[i], memory_order_relaxed) & mask_in(p, i))
			return false;
	return true;
}

static bool any_bit(_Atomic uint64_t bits[BLOCK_WORDS], struct pages p)
{
	for (unsigned i = p.first / 64; i * 64 < p.end; i++)
		if (atomic_load_explicit(&bits[i], memory_order_relaxed) & mask_in(p, i))
			return true;
	return false;
}

/* Up to where do the bits from p.first on have one value? */
static unsigned end_of_run(_Atomic uint64_t bits[BLOCK_WORDS], struct pages p)
{
	bool value = any_bit(bits, (struct pages){ p.first, p.first + 1 });
	unsigned at = p.first + 1;

	while (at < p.end && any_bit(bits, (struct pages){ at, at + 1 }) == value)
		at++;
	return at;
}

/* ---- the block's lock ---- */

static struct lock_key block_key(const struct uffd_block *b)
{
	return (struct lock_key){ 0, (uint64_t)(uintptr_t)b };
}

static void block_enter(struct uffd_block *b) ACQUIRES(platform_class) MAY_LOCK_PLATFORM;
static void block_enter(struct uffd_block *b) NO_TSA /* a lock word */
{
	uint32_t old = atomic_load_explicit(&b->lock, memory_order_relaxed);

	lock_rank_push(RANK_PLATFORM, block_key(b), LOCK_SITE);
	for (;;) {
		if (!(old & ALONE)) {
			if (atomic_compare_exchange_weak_explicit(&b->lock, &old, old + 1,
								  memory_order_acquire,
								  memory_order_relaxed))
				return;
			continue;
		}
		struct park_ticket ticket = park_prepare(&b->lock);

		old = atomic_load_explicit(&b->lock, memory_order_relaxed);
		if ((old & ALONE) &&
		    ((old & WAITED) || atomic_compare_exchange_strong_explicit(
					       &b->lock, &old, old | WAITED, memory_order_relaxed,
					       memory_order_relaxed)))
			park_wait(ticket);
		old = atomic_load_explicit(&b->lock, memory_order_relaxed);
	}
}

static void block_leave(struct uffd_block *b) RELEASES(platform_class) NO_TSA /* a lock word */
{
	atomic_fetch_sub_explicit(&b->lock, 1, memory_order_release);
	lock_rank_pop(RANK_PLATFORM, block_key(b), LOCK_SITE);
}

/* From in common to alone, if nobody else is there. */
static bool block_try_alone(struct uffd_block *b)
{
	uint32_t me = 1;

	return atomic_compare_exchange_strong_explicit(&b->lock, &me, ALONE, memory_order_acquire,
						       memory_order_relaxed);
}

static void block_in_common(struct uffd_block *b)
{
	if (atomic_exchange_explicit(&b->lock, 1, memory_order_release) & WAITED)
		park_wake(&b->lock);
}

/* ---- showing ---- */

struct wanted {
	struct addr_range ar;
	struct pages pages;
	struct file *file;
	uint64_t offset;
	mm_access perms;
};

/* May the block be attached for it? */
static bool is_attachable(const struct wanted *want)
{
	uint64_t bytes = want->file->own_page_bytes;

	if (bytes == MM_HUGE_SIZE)
		return addr_range_length(want->ar) == MM_HUGE_SIZE;
	return bytes && addr_range_length(want->ar) < MM_HUGE_SIZE;
}

static bool fits(struct uffd_block *b, const struct wanted *want)
{
	return b->file == want->file && b->distance == want->offset - want->ar.start &&
	       b->perms == want->perms && all_bits(b->attached, want->pages);
}

/* The block is held alone and shows nothing. What would be before the beginning of the file is not
 * attached. */
static void attach(struct host_uffd *u, struct uffd_block *b, const struct wanted *want)
	MAY_LOCK_LEAF
{
	struct addr_range ar = { want->ar.start & ~(MM_HUGE_SIZE - 1), 0 };
	uint64_t before = want->ar.start - ar.start;

	ar.end = ar.start + MM_HUGE_SIZE;
	clear_bits(b->attached, (struct pages){ 0, MM_HUGE_PAGES });
	if (before > want->offset) {
		uint64_t start = ar.start + before - want->offset;

		host_window_hide(&u->window, (struct addr_range){ ar.start, start });
		ar.start = start;
	}
	b->file = want->file;
	b->distance = want->offset - want->ar.start;
	b->perms = want->perms;
	atomic_fetch_add_explicit(&u->window.base.attached, 1, memory_order_relaxed);
	host_window_change_lock(&u->window);
	int rc = os_uffd_attach(u->fd, u->window.at + ar.start, addr_range_length(ar),
				file_data_fd(want->file), ar.start + b->distance, want->perms);

	host_window_change_unlock(&u->window);
	if (!rc)
		set_bits(b->attached, pages_of(ar));
}

/* Lets the file have memory at what is wanted; the page is referenced. */
static int fill_in(const struct wanted *want)
{
	struct file_range fr = { want->offset, want->offset + addr_range_length(want->ar) };
	struct block_seq memory;
	int rc = file_map_internal(want->file, fr, MM_READ, &memory);

	while (!rc && !block_seq_is_empty(&memory)) {
		struct block head = block_seq_head(&memory);

		rc = os_read_ahead(head.address, head.length);
		memory = block_seq_tail(&memory);
	}
	return rc;
}

static int show_attached(struct host_uffd *u, const struct wanted *want)
{
	void *at = u->window.at + want->ar.start;
	uint64_t bytes = addr_range_length(want->ar);
	bool there;
	int rc = os_uffd_show(u->fd, at, bytes, want->file->own_page_bytes, &there);

	if (rc == -EFAULT) {
		rc = fill_in(want);
		if (!rc)
			rc = os_uffd_show(u->fd, at, bytes, want->file->own_page_bytes, &there);
	}
	/* What is there was shown by another thread, for the same touch. After a widened hiding it
	 * may be there without access. */
	if (!rc && there && atomic_load_explicit(&u->window.base.widened, memory_order_acquire) > 0)
		rc = -EEXIST;
	if (rc) {
		int left = os_forget(at, bytes);

		(void)left; /* parts that were shown: mmap goes over them in any case */
	}
	return rc;
}

/*
 * The way of host_mmap.c. A page that cannot be had (a host file that was cut) raises SIGBUS as a
 * miss does, and would be shown again for ever: so whether it is there is asked.
 */
static int show_by_mmap(struct host_uffd *u, struct uffd_block *b, const struct wanted *want,
			bool populate, bool was_shown) MAY_LOCK_LEAF
{
	int rc = host_window_show(&u->window, want->ar, want->file, want->offset, want->perms,
				  false);

	if (rc)
		return rc;
	clear_bits(b->attached, want->pages);
	if (!populate)
		return 0;
	rc = os_read_ahead(u->window.at + want->ar.start, addr_range_length(want->ar));
	if (rc != -EFAULT && rc != -EHWPOISON)
		return 0; /* not even readable, or taken again: a touch will tell */
	if (!was_shown)
		host_window_hide(&u->window, want->ar);
	return bus_error(EIO);
}

static int uffd_map(struct host_space *h, struct addr_range ar, struct file *file,
		    uint64_t file_offset, mm_access perms, bool populate) MAY_LOCK_PLATFORM
{
	struct host_uffd *u = uffd_of(h);
	struct wanted want = { ar, pages_of(ar), file, file_offset, perms };

	host_window_check(&u->window, ar);
	MM_CHECK(want.pages.end <= MM_HUGE_PAGES);
	atomic_fetch_add_explicit(&h->maps, 1, memory_order_relaxed);
	struct uffd_block *b = &u->blocks[ar.start / MM_HUGE_SIZE];
	int rc = -ENOENT;

	block_enter(b);
	bool was_shown = any_bit(b->shown, want.pages);

	if (populate && is_attachable(&want)) {
		if (!fits(b, &want) && !any_bit(b->shown, (struct pages){ 0, MM_HUGE_PAGES }) &&
		    block_try_alone(b)) {
			attach(u, b, &want);
			MM_TEST_POINT(host_uffd_attached); /* the block held alone */
			block_in_common(b);
		}
		if (fits(b, &want))
			rc = show_attached(u, &want);
	}
	if (rc)
		rc = show_by_mmap(u, b, &want, populate, was_shown);
	if (!rc)
		set_bits(b->shown, want.pages);
	else if (!was_shown)
		clear_bits(b->shown, want.pages);
	block_leave(b);
	return rc;
}

/* ---- hiding ---- */

static void hide_in_block(struct host_uffd *u, struct addr_range ar) MAY_LOCK_PLATFORM
{
	struct uffd_block *b = &u->blocks[ar.start / MM_HUGE_SIZE];
	struct pages rest = pages_of(ar);

	block_enter(b);
	while (rest.first < rest.end) {
		struct pages run = { rest.first, end_of_run(b->attached, rest) };
		uint64_t start = (ar.start & ~(MM_HUGE_SIZE - 1)) + run.first * MM_PAGE_SIZE;
		uint64_t bytes = (run.end - run.first) * MM_PAGE_SIZE;

		if (!any_bit(b->attached, run) || os_forget(u->window.at + start, bytes)) {
			clear_bits(b->attached, run);
			host_window_hide(&u->window, (struct addr_range){ start, start + bytes });
		}
		rest.first = run.end;
	}
	clear_bits(b->shown, pages_of(ar));
	block_leave(b);
}

static void uffd_unmap(struct host_space *h, struct addr_range ar) MAY_LOCK_PLATFORM
{
	struct host_uffd *u = uffd_of(h);

	host_window_check(&u->window, ar);
	atomic_fetch_add_explicit(&h->unmaps, 1, memory_order_relaxed);
	for (uint64_t next; ar.start < ar.end; ar.start = next) {
		next = (ar.start & ~(MM_HUGE_SIZE - 1)) + MM_HUGE_SIZE;
		hide_in_block(u, (struct addr_range){ ar.start, next < ar.end ? next : ar.end });
	}
}

/* ---- the table ---- */

int host_space_uffd_probe(const char **why)
{
	int fd;
	int rc = os_uffd_open(&fd, why);

	if (!rc)
		os_uffd_close(fd);
	return rc;
}

bool host_space_is_attached(struct host_space *h, uint64_t va)
{
	if (h->ops != &host_space_uffd)
		return false;
	struct pages one = pages_of((struct addr_range){ va, va + MM_PAGE_SIZE });

	return any_bit(uffd_of(h)->blocks[va / MM_HUGE_SIZE].attached, one);
}

static int uffd_create(uint64_t window_bytes, struct host_space **out) MAY_LOCK_LEAF
{
	struct host_uffd *u = mm_calloc(sizeof(*u));
	int rc;

	if (!u)
		return -ENOMEM;
	rc = os_uffd_open(&u->fd, NULL);
	if (rc)
		goto no_uffd;
	rc = host_window_init(&u->window, &host_space_uffd, window_bytes);
	if (rc)
		goto no_window;
	u->blocks = os_memory_reserve(table_bytes(u->window.bytes), MM_PAGE_SIZE, true);
	if (!u->blocks) {
		rc = -ENOMEM;
		goto no_blocks;
	}
	*out = &u->window.base;
	return 0;
no_blocks:
	host_window_release(&u->window);
no_window:
	os_uffd_close(u->fd);
no_uffd:
	free(u);
	return rc;
}

static void uffd_destroy(struct host_space *h) MAY_LOCK_LEAF
{
	struct host_uffd *u = uffd_of(h);

	os_memory_release(u->blocks, table_bytes(u->window.bytes));
	host_window_release(&u->window);
	os_uffd_close(u->fd);
	free(u);
}

const struct host_space_ops host_space_uffd = {
	.name = "uffd",
	.misses_are_bus = true,
	.create = uffd_create,
	.destroy = uffd_destroy,
	.map = uffd_map,
	.unmap = uffd_unmap,
	.address = host_window_address,
};
