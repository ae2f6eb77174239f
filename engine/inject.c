/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject.c - see inject.h. A counter that is not armed is only read, so that threads that are not
 * tested for failures do not meet in it. No locks.
 */
#include "engine/inject.h"

#include <stdatomic.h>

static struct injector {
	_Atomic bool armed;
	_Atomic uint64_t requests, failed; /* since it was armed */
	_Atomic uint64_t first, end; /* requests [first, end) fail, counted from 1 */
} injectors[INJECT_KINDS];

void mm_inject_arm(enum inject_kind kind, uint64_t k, uint64_t times)
{
	struct injector *i = &injectors[kind];

	atomic_store(&i->requests, 0);
	atomic_store(&i->failed, 0);
	atomic_store(&i->first, k);
	atomic_store(&i->end, k ? k + times : 0);
	atomic_store(&i->armed, true);
}

uint64_t mm_inject_disarm(enum inject_kind kind, uint64_t *failed)
{
	struct injector *i = &injectors[kind];

	atomic_store(&i->armed, false);
	if (failed)
		*failed = atomic_load(&i->failed);
	return atomic_load(&i->requests);
}

bool mm_inject(enum inject_kind kind)
{
	struct injector *i = &injectors[kind];

	if (!atomic_load_explicit(&i->armed, memory_order_acquire))
		return false;
	uint64_t request = atomic_fetch_add(&i->requests, 1) + 1;

	if (request < atomic_load(&i->first) || request >= atomic_load(&i->end))
		return false;
	atomic_fetch_add(&i->failed, 1);
	return true;
}
