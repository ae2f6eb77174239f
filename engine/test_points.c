/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_points.c - the hook behind MM_TEST_POINT. It is there in every build, so that a test can
 * ask whether the points are; only builds with MM_TEST_POINTS ever call it. No locks.
 */
#include "engine/test_points.h"

#include <stdatomic.h>
#include <stddef.h>

static _Atomic(mm_test_point_hook) current_hook;

bool mm_test_points_enabled(void)
{
#if defined(MM_TEST_POINTS) && MM_TEST_POINTS
	return true;
#else
	return false;
#endif
}

void mm_test_point_set_hook(mm_test_point_hook hook)
{
	atomic_store_explicit(&current_hook, hook, memory_order_release);
}

void mm_test_point(const char *name)
{
	mm_test_point_hook hook = atomic_load_explicit(&current_hook, memory_order_acquire);

	if (hook)
		hook(name);
}
