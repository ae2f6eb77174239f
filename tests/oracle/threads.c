/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads.c - see threads.h. What a page holds is a stamp: whose page, which one, and a number that
 * only grows. An owner knows its private pages exactly, whatever the others do. Of its pages of
 * the shared object it knows that they hold its last stamp, or zero if that was cut off: then an
 * older stamp must not come back. A child of a fork has stamps of the right page, none newer than
 * the owner had written when the fork was over.
 */
#include "tests/oracle/threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/mm.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_remap.h"
#include "engine/shared_memory.h"
#include "tests/oracle/touch.h"
#include "tests/unit/hosts.h"

#define PAGE MM_PAGE_SIZE
#define PAGES 48 /* of each kind that an owner has */
#define SLOT (UINT64_C(1) << 20) /* between the two places of an owner's private pages */
#define OWNER (UINT64_C(3) << 20) /* between owners: not on 2 MiB boundaries */
#define FIRST (UINT64_C(16) << 20)
#define WINDOW (UINT64_C(128) << 20)
#define RW (MM_READ | MM_WRITE)
#define GRACE_S 60 /* beyond its seconds, until a run that hangs is killed */

struct owner {
	struct shared *shared;
	unsigned number;
	uint64_t random;
	uint64_t base; /* where the private pages are now */
	uint64_t stamp[PAGES]; /* what they hold */
	uint64_t object_stamp[PAGES];
	bool mapped[PAGES], read_only[PAGES];
	_Atomic uint64_t last; /* number of the newest stamp */
	uint64_t done;
};

struct shared {
	struct mm *mm;
	struct mm_space *space;
	struct shared_memory *object;
	unsigned owners;
	atomic_bool stop;
	struct owner owner[THREADS_MAX];
};

static _Noreturn void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("threads: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	abort();
}

static void expect(int rc, const char *what)
{
	if (rc)
		complain("%s: error %d", what, rc);
}

static uint64_t below(uint64_t *random, uint64_t n)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return ((*random * UINT64_C(0x2545f4914f6cdd1d)) >> 16) % n;
}

static uint64_t stamp_of(unsigned owner, unsigned page, uint64_t number)
{
	return number << 24 | (uint64_t)page << 8 | (owner + 1);
}

/* Is it a stamp of that page, with a number up to `last`, or nothing? */
static bool is_stamp_of(uint64_t stamp, unsigned owner, unsigned page, uint64_t last)
{
	return !stamp || (stamp == stamp_of(owner, page, stamp >> 24) && stamp >> 24 <= last);
}

static uint64_t object_base(const struct owner *o)
{
	return FIRST + o->number * OWNER + 2 * SLOT;
}

static void map(struct mm_space *s, uint64_t address, uint64_t bytes, struct shared_memory *sm,
		uint64_t offset)
{
	struct mmap_opts opts = { .length = bytes,
				  .address = address,
				  .fixed = true,
				  .unmap = true,
				  .perms = RW,
				  .max_perms = MM_ANY_ACCESS,
				  .is_private = !sm };

	if (sm) {
		opts.mappable = shared_memory_mappable(sm);
		opts.identity = shared_memory_identity(sm);
		opts.offset = offset;
	}
	expect(mm_mmap(s, &opts, &address), "mmap");
}

/* ---- owners ---- */

static struct touch load(struct owner *o, uint64_t address)
{
	return touch_load(mm_host_address(o->shared->space, address));
}

static struct touch store(struct owner *o, uint64_t address, uint64_t value)
{
	return touch_store(mm_host_address(o->shared->space, address), value);
}

static uint64_t new_stamp(struct owner *o, unsigned page)
{
	uint64_t number = atomic_load_explicit(&o->last, memory_order_relaxed) + 1;

	atomic_store(&o->last, number);
	return stamp_of(o->number, page, number);
}

static void check_signal(const struct owner *o, struct touch t, unsigned page, bool write)
{
	int signal_number = 0;
	int code = 0;

	if (!o->mapped[page] || (write && o->read_only[page])) {
		signal_number = SIGSEGV;
		code = o->mapped[page] ? SEGV_ACCERR : SEGV_MAPERR;
	}
	if (t.signal != signal_number || t.code != code)
		complain("owner %u page %u: signal %d code %d, not %d code %d", o->number, page,
			 t.signal, t.code, signal_number, code);
}

static void touch_private(struct owner *o, unsigned page, bool write)
{
	uint64_t address = o->base + page * PAGE;

	if (write) {
		uint64_t stamp = new_stamp(o, page);

		check_signal(o, store(o, address, stamp), page, true);
		if (o->mapped[page] && !o->read_only[page])
			o->stamp[page] = stamp;
		return;
	}
	struct touch t = load(o, address);

	check_signal(o, t, page, false);
	if (!t.signal && t.value != o->stamp[page])
		complain("owner %u page %u holds %#llx, not %#llx", o->number, page,
			 (unsigned long long)t.value, (unsigned long long)o->stamp[page]);
}

/* The kernel's way to the same page. */
static void copy_private(struct owner *o, unsigned page)
{
	uint64_t value, done;
	int rc = mm_copy_in(o->shared->space, o->base + page * PAGE, &value, sizeof(value),
			    (struct mm_io_opts){ 0 }, &done);

	if (rc != (o->mapped[page] ? 0 : -EFAULT))
		complain("owner %u page %u: copy_in says %d", o->number, page, rc);
	if (!rc && value != o->stamp[page])
		complain("owner %u page %u is copied as %#llx, not %#llx", o->number, page,
			 (unsigned long long)value, (unsigned long long)o->stamp[page]);
}

/* Cut off or not, no stamp but the last one. */
static void touch_object(struct owner *o, unsigned page, bool write)
{
	uint64_t address = object_base(o) + page * PAGE;
	uint64_t stamp = new_stamp(o, page);
	struct touch t = write ? store(o, address, stamp) : load(o, address);

	if (t.signal && (t.signal != SIGBUS || t.code != BUS_ADRERR))
		complain("owner %u object page %u: signal %d code %d", o->number, page, t.signal,
			 t.code);
	if (!t.signal && !write && t.value && t.value != o->object_stamp[page])
		complain("owner %u object page %u holds %#llx, not %#llx or 0", o->number, page,
			 (unsigned long long)t.value, (unsigned long long)o->object_stamp[page]);
	o->object_stamp[page] = t.signal ? 0 : write ? stamp : t.value;
}

static void change_range(struct owner *o, unsigned first, unsigned count, unsigned how)
{
	struct mm_space *s = o->shared->space;
	uint64_t address = o->base + first * PAGE;
	uint64_t bytes = count * PAGE;
	bool read_only = below(&o->random, 2);
	bool whole = true;

	for (unsigned p = first; p < first + count; p++)
		whole &= o->mapped[p];
	if (how == 0) {
		expect(mm_munmap(s, address, bytes), "munmap");
	} else if (how == 1) {
		map(s, address, bytes, NULL, 0);
	} else if (!whole) {
		return;
	} else if (how == 2) {
		expect(mm_discard(s, address, bytes), "discard");
	} else {
		expect(mm_mprotect(s, address, bytes, read_only ? MM_READ : RW), "mprotect");
	}
	for (unsigned p = first; p < first + count; p++) {
		if (how == 3) {
			o->read_only[p] = read_only;
			continue;
		}
		o->stamp[p] = 0;
		if (how < 2)
			o->mapped[p] = how == 1;
		if (how == 1)
			o->read_only[p] = false;
	}
}

/* All of it to the other place; holes stay holes. */
static void move(struct owner *o)
{
	uint64_t home = FIRST + o->number * OWNER;
	uint64_t to = o->base == home ? home + SLOT : home;
	uint64_t got;

	if (!o->mapped[0])
		return;
	expect(mm_mremap(o->shared->space, o->base, PAGES * PAGE, PAGES * PAGE, MREMAP_FIXED_MOVE,
			 to, &got),
	       "mremap");
	o->base = to;
}

static void *own(void *argument)
{
	struct owner *o = argument;

	expect(mm_thread_enter(), "enter");
	while (!atomic_load_explicit(&o->shared->stop, memory_order_relaxed)) {
		unsigned page = (unsigned)below(&o->random, PAGES);
		unsigned count = 1 + (unsigned)below(&o->random, PAGES - page);
		uint64_t what = below(&o->random, 100);

		if (what < 50)
			touch_private(o, page, what & 1);
		else if (what < 80)
			touch_object(o, page, what & 1);
		else if (what < 86)
			copy_private(o, page);
		else if (what < 98)
			change_range(o, page, count, (unsigned)(what - 86) / 3);
		else
			move(o);
		o->done++;
	}
	mm_thread_leave();
	return NULL;
}

/* ---- the one that disturbs ---- */

static void check_child(struct shared *sh, struct mm_space *child)
{
	uint64_t value, done;

	for (unsigned k = 0; k < sh->owners; k++) {
		uint64_t last = atomic_load(&sh->owner[k].last);

		for (unsigned i = 0; i < 2 * PAGES; i++) {
			uint64_t address = FIRST + k * OWNER + i / PAGES * SLOT + i % PAGES * PAGE;

			if (mm_copy_in(child, address, &value, sizeof(value),
				       (struct mm_io_opts){ 0 }, &done))
				continue;
			if (!is_stamp_of(value, k, i % PAGES, last))
				complain("a child has %#llx in owner %u's page %u",
					 (unsigned long long)value, k, i % PAGES);
		}
	}
}

static void disturb(struct shared *sh, uint64_t *random)
{
	uint64_t pages = sh->owners * PAGES;
	uint64_t first = below(random, pages);
	struct mappable_range mr = { first * PAGE,
				     (first + 1 + below(random, pages - first)) * PAGE };
	struct mm_space *child;

	switch (below(random, 5)) {
	case 0:
		expect(shared_memory_truncate(sh->object, mr.start + below(random, PAGE)),
		       "truncate");
		expect(shared_memory_truncate(sh->object, pages * PAGE), "truncate");
		break;
	case 1:
		expect(shared_memory_punch(sh->object, mr), "punch");
		break;
	case 2:
		shared_memory_invalidate(sh->object, mr, (struct invalidate_opts){ 0 });
		break;
	default:
		expect(mm_fork(sh->space, &child), "fork");
		check_child(sh, child);
		mm_space_destroy(child);
		break;
	}
}

static struct shared *open_shared(uint64_t seed, unsigned owners)
{
	struct mm_opts opts = { .memory.sharded = seed / 4 % 2,
				.page_class = seed % 2 ? PAGE_THP : PAGE_4K,
				.ahead_bytes = seed % 3 ? 0 : 8 * PAGE };
	const struct host_space_ops *host =
		host_to_be_had(seed / 2 % 2 ? &host_space_uffd : &host_space_mmap);
	struct shared *sh = calloc(1, sizeof(*sh));

	if (!sh)
		abort();
	sh->owners = owners;
	touch_install();
	expect(mm_thread_enter(), "enter");
	expect(mm_create(&opts, &sh->mm), "create");
	expect(mm_space_create(sh->mm, host, WINDOW, &sh->space), "space");
	expect(shared_memory_create(mm_memory_file(sh->mm), owners * PAGES * PAGE, PAGE_4K, NULL,
				    &sh->object),
	       "object");
	return sh;
}

static void close_shared(struct shared *sh)
{
	struct mm_stat stat;

	mm_check(sh->mm);
	mm_space_destroy(sh->space);
	mapping_identity_dec_ref(shared_memory_identity(sh->object));
	mm_get_stat(sh->mm, &stat);
	if (stat.memory.live_pages || stat.vmas)
		complain("%llu pages and %llu vmas are left",
			 (unsigned long long)stat.memory.live_pages, (unsigned long long)stat.vmas);
	mm_destroy(sh->mm);
	mm_thread_leave();
	free(sh);
}

uint64_t threads_run(uint64_t seed, unsigned threads, unsigned seconds)
{
	struct shared *sh = open_shared(seed, threads);
	pthread_t thread[THREADS_MAX];
	uint64_t random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t done = 0;
	time_t end = time(NULL) + (time_t)seconds;

	alarm(seconds + GRACE_S);
	for (unsigned k = 0; k < threads; k++) {
		struct owner *o = &sh->owner[k];

		*o = (struct owner){ .shared = sh,
				     .number = k,
				     .base = FIRST + k * OWNER,
				     .random = random + k + 1 };
		map(sh->space, object_base(o), PAGES * PAGE, sh->object, k * PAGES * PAGE);
	}
	for (unsigned k = 0; k < threads; k++)
		expect(pthread_create(&thread[k], NULL, own, &sh->owner[k]), "thread");
	for (; time(NULL) < end; done++)
		disturb(sh, &random);
	atomic_store(&sh->stop, true);
	for (unsigned k = 0; k < threads; k++) {
		pthread_join(thread[k], NULL);
		done += sh->owner[k].done;
	}
	close_shared(sh);
	alarm(0);
	return done;
}

/* ---- writes beside forks ---- */

#define FRESH 256 /* pages that are written one after another */

struct order {
	struct shared *shared;
	uint64_t a, b; /* addresses */
	uint16_t turn[FRESH]; /* which of the fresh pages is written when */
};

/* Stores i to A and then to B, with many pages between them for fork to copy. */
static void *write_in_order(void *argument)
{
	struct order *o = argument;
	void *a = mm_host_address(o->shared->space, o->a);
	void *b = mm_host_address(o->shared->space, o->b);

	expect(mm_thread_enter(), "enter");
	for (uint64_t i = 1; !atomic_load_explicit(&o->shared->stop, memory_order_relaxed); i++)
		if (touch_store(a, i).signal || touch_store(b, i).signal)
			complain("a store got a signal");
	mm_thread_leave();
	return NULL;
}

/* Stores to pages that were never touched, in a fixed order; then all begins anew. */
static void *write_fresh(void *argument)
{
	struct order *o = argument;
	struct mm_space *s = o->shared->space;

	expect(mm_thread_enter(), "enter");
	while (!atomic_load_explicit(&o->shared->stop, memory_order_relaxed)) {
		for (unsigned k = 0; k < FRESH; k++)
			if (touch_store(mm_host_address(s, FIRST + o->turn[k] * PAGE), k + 1)
				    .signal)
				complain("a store got a signal");
		map(s, FIRST, FRESH * PAGE, NULL, 0);
	}
	mm_thread_leave();
	return NULL;
}

static void check_order(const struct order *o, struct mm_space *child)
{
	struct touch b = touch_load(mm_host_address(child, o->b));
	struct touch a = touch_load(mm_host_address(child, o->a));

	if (a.signal || b.signal || (a.value != b.value && a.value != b.value + 1))
		complain("a child has A %llu and B %llu", (unsigned long long)a.value,
			 (unsigned long long)b.value);
}

static void check_fresh(const struct order *o, struct mm_space *child)
{
	uint64_t value, done;
	unsigned missing = FRESH;

	for (unsigned k = 0; k < FRESH; k++) {
		expect(mm_copy_in(child, FIRST + o->turn[k] * PAGE, &value, sizeof(value),
				  (struct mm_io_opts){ 0 }, &done),
		       "copy_in");
		if (value && (missing < FRESH || value != k + 1))
			complain("a child has write %u, %llu, but not write %u", k,
				 (unsigned long long)value, missing);
		if (!value && missing == FRESH)
			missing = k;
	}
}

static void prepare_order(struct order *o, uint64_t *random, bool fresh)
{
	uint64_t distance = (1 + below(random, 1500)) * PAGE;
	struct mm_space *s = o->shared->space;

	if (fresh) {
		for (unsigned k = 0; k < FRESH; k++) {
			unsigned other = (unsigned)below(random, k + 1);

			o->turn[k] = o->turn[other];
			o->turn[other] = (uint16_t)k;
		}
		map(s, FIRST, FRESH * PAGE, NULL, 0);
		return;
	}
	/* Near each other or far apart, A before B or behind it, in one mapping or in two. */
	o->a = FIRST + (below(random, 2) ? distance : 0);
	o->b = o->a == FIRST ? FIRST + distance : FIRST;
	map(s, FIRST, distance + PAGE, NULL, 0);
	if (below(random, 2))
		expect(mm_mprotect(s, o->a, PAGE, RW | MM_EXEC), "mprotect");
	for (uint64_t at = FIRST; at < FIRST + distance; at += PAGE)
		if (at != o->a && at != o->b)
			touch_store(mm_host_address(s, at), 1);
}

uint64_t threads_order(uint64_t seed, unsigned seconds)
{
	struct shared *sh = open_shared(seed / 2, 1);
	uint64_t random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	bool fresh = seed % 2;
	struct order o = { .shared = sh };
	pthread_t thread;
	struct mm_space *child;
	uint64_t forks = 0;
	time_t end = time(NULL) + (time_t)seconds;

	alarm(seconds + GRACE_S);
	prepare_order(&o, &random, fresh);
	expect(pthread_create(&thread, NULL, fresh ? write_fresh : write_in_order, &o), "thread");
	for (; time(NULL) < end; forks++) {
		expect(mm_fork(sh->space, &child), "fork");
		if (fresh)
			check_fresh(&o, child);
		else
			check_order(&o, child);
		mm_space_destroy(child);
	}
	atomic_store(&sh->stop, true);
	pthread_join(thread, NULL);
	close_shared(sh);
	alarm(0);
	return forks;
}
