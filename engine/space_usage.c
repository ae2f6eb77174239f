/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space_usage.c - see space_usage.h: counting what a space maps, charging it against its limits.
 *
 * Reserve-then-commit: a charge is one compare-and-swap of a counter, from a value that leaves room
 * to that value plus the wish; so the counter, and what is mapped, which is never more, stay
 * within the limit whatever else runs.
 *
 * Locks: `mapping`, of the range in question or of everything.
 */
#include "engine/space_usage.h"

#include <errno.h>

#include "engine/fail.h"
#include "engine/space.h"

void space_usage_init(struct space_usage *u)
{
	*u = (struct space_usage){ .limits = { .address_space = UINT64_MAX,
					       .data = UINT64_MAX,
					       .locked = UINT64_MAX,
					       .stack = UINT64_MAX } };
}

struct space_pages space_count(struct mm_space *s, uint64_t start, uint64_t end)
{
	struct space_pages sum = { 0 };

	while (start < end) {
		unsigned level;
		uint64_t word = address_map_peek(&s->map, start, &level);
		uint64_t after = (start & ~(map_span(level) - 1)) + map_span(level);
		uint64_t pages = (after < end ? after : end) - start;

		start += pages;
		if (!entry_vma(word))
			continue;
		/* `mapping` is held: the vma stays */
		struct space_pages p =
			space_pages_of(vma_at(&s->mm->vma_pool, entry_vma(word)), pages);

		sum.address_space += p.address_space;
		sum.data += p.data;
		sum.locked += p.locked;
		if (word & ENTRY_PRESENT)
			sum.resident += pages;
	}
	return sum;
}

/* Adds `more` and takes `less`, if `limit` bytes leave room for more and what is there but
 * `room`. */
static bool charge_one(_Atomic uint64_t *counter, uint64_t limit, uint64_t more, uint64_t less,
		       uint64_t room)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

	if (!more && !less)
		return true;
	do {
		if (more && old - room + more > limit >> MM_PAGE_SHIFT)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		counter, &old, old + more - less, memory_order_relaxed, memory_order_relaxed));
	return true;
}

int space_charge(struct mm_space *s, struct space_pages more, struct space_pages less)
{
	struct space_usage *u = &s->usage;
	const struct mm_limits *l = &u->limits;
	uint64_t locked = l->may_lock_any ? UINT64_MAX : l->locked;

	if (__builtin_expect(!u->counting, 1))
		return 0;
	if (!charge_one(&u->locked, locked, more.locked, less.locked, 0))
		return -EAGAIN;
	if (!charge_one(&u->address_space, l->address_space, more.address_space, less.address_space,
			less.address_space))
		goto no_address_space;
	if (!charge_one(&u->data, l->data, more.data, less.data, less.data))
		goto no_data;
	return 0;
no_data:
	atomic_fetch_sub_explicit(&u->address_space, more.address_space - less.address_space,
				  memory_order_relaxed);
no_address_space:
	atomic_fetch_sub_explicit(&u->locked, more.locked - less.locked, memory_order_relaxed);
	return -ENOMEM;
}

void space_recharge(struct mm_space *s, struct space_pages more)
{
	struct space_usage *u = &s->usage;

	if (!u->counting)
		return;
	atomic_fetch_add_explicit(&u->address_space, more.address_space, memory_order_relaxed);
	atomic_fetch_add_explicit(&u->data, more.data, memory_order_relaxed);
	atomic_fetch_add_explicit(&u->locked, more.locked, memory_order_relaxed);
}

void space_uncharge(struct mm_space *s, struct space_pages less)
{
	struct space_usage *u = &s->usage;

	if (__builtin_expect(!u->counting, 1))
		return;
	if (less.address_space)
		atomic_fetch_sub_explicit(&u->address_space, less.address_space,
					  memory_order_relaxed);
	if (less.data)
		atomic_fetch_sub_explicit(&u->data, less.data, memory_order_relaxed);
	if (less.locked)
		atomic_fetch_sub_explicit(&u->locked, less.locked, memory_order_relaxed);
}

bool space_may_lock(const struct mm_space *s)
{
	return s->usage.limits.locked || s->usage.limits.may_lock_any;
}

/* Begins or ends counting, as the limits say. */
static void recount(struct mm_space *s) REQUIRES(mapping_class)
{
	struct space_usage *u = &s->usage;
	const struct mm_limits *l = &u->limits;

	u->counting = l->address_space != UINT64_MAX || l->data != UINT64_MAX ||
		      (l->locked != UINT64_MAX && !l->may_lock_any);
	if (!u->counting)
		return;
	struct space_pages sum = space_count(s, 0, s->end_page);

	atomic_store_explicit(&u->address_space, sum.address_space, memory_order_relaxed);
	atomic_store_explicit(&u->data, sum.data, memory_order_relaxed);
	atomic_store_explicit(&u->locked, sum.locked, memory_order_relaxed);
}

void space_inherit(struct mm_space *child, struct mm_space *parent)
{
	child->usage.limits = parent->usage.limits;
	child->heap = parent->heap;
	atomic_store_explicit(&child->has_stacks,
			      atomic_load_explicit(&parent->has_stacks, memory_order_relaxed),
			      memory_order_relaxed);
	recount(child);
}

void space_usage_check(struct mm_space *s)
{
	const struct space_usage *u = &s->usage;

	if (!u->counting)
		return;
	struct space_pages sum = space_count(s, 0, s->end_page);

	if (sum.address_space != atomic_load(&u->address_space) ||
	    sum.data != atomic_load(&u->data) || sum.locked != atomic_load(&u->locked))
		mm_fail("space %llu: mapped %llu, data %llu, locked %llu pages; "
			"counted %llu, %llu, %llu",
			(unsigned long long)s->ms.id, (unsigned long long)sum.address_space,
			(unsigned long long)sum.data, (unsigned long long)sum.locked,
			(unsigned long long)atomic_load(&u->address_space),
			(unsigned long long)atomic_load(&u->data),
			(unsigned long long)atomic_load(&u->locked));
}

void mm_set_limits(struct mm_space *s, const struct mm_limits *limits)
{
	struct range_held held;

	range_lock_all(&s->mapping, &held);
	s->usage.limits = *limits;
	recount(s);
	range_lock_unlock(&held);
}

void mm_get_usage(struct mm_space *s, struct mm_usage *out)
{
	struct range_held held;

	range_lock_all(&s->mapping, &held);
	struct space_pages sum = space_count(s, 0, s->end_page);

	range_lock_unlock(&held);
	uint64_t max = atomic_load_explicit(&s->usage.resident_max, memory_order_relaxed);

	while (max < sum.resident &&
	       !atomic_compare_exchange_weak_explicit(&s->usage.resident_max, &max, sum.resident,
						      memory_order_relaxed, memory_order_relaxed))
		;
	*out = (struct mm_usage){
		.address_space = sum.address_space << MM_PAGE_SHIFT,
		.data = sum.data << MM_PAGE_SHIFT,
		.locked = sum.locked << MM_PAGE_SHIFT,
		.resident = sum.resident << MM_PAGE_SHIFT,
		.resident_max = (max < sum.resident ? sum.resident : max) << MM_PAGE_SHIFT,
	};
}
