/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_points.h - named places in the engine at which a test can stop a thread to force a race.
 *
 * MM_TEST_POINT(name) is nothing unless the engine is built with -DMM_TEST_POINTS=1; then it calls
 * the hook, if one is set, with the name as a string. A hook may block, or call the engine as
 * far as the locks held at that place allow; the place's comment says which those are.
 */
#pragma once

#include <stdbool.h>

typedef void (*mm_test_point_hook)(const char *name);

/* Was the engine built with test points? */
bool mm_test_points_enabled(void);
/* NULL: none. Any thread may meet the new hook from now on. */
void mm_test_point_set_hook(mm_test_point_hook hook);
/* Called by the macro. */
void mm_test_point(const char *name);

#if defined(MM_TEST_POINTS) && MM_TEST_POINTS
#define MM_TEST_POINT(name) mm_test_point(#name)
#else
#define MM_TEST_POINT(name) ((void)0)
#endif
