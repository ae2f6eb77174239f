/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_lists.h - what the properties of check_list.c are made of: families of random lists
 * (check_families.c) and written ones (check_lists.c, check_lists_race.c). All constant.
 */
#pragma once

#include "harness/check.h"

extern const struct check_family check_anonymous, check_objects, check_translations,
	check_permissions, check_copies, check_forks, check_remaps, check_references, check_files,
	check_touches, check_far, check_races, check_races_of_three, check_touch_races;

/* Scripts as text; each array ends with NULL. */
extern const char *const check_situations[];
extern const char *const check_race_invalidation[];
extern const char *const check_race_pages[];
extern const char *const check_race_counts[];
extern const char *const check_race_copies[];
extern const char *const check_race_forks[];
extern const char *const check_race_remaps[];
