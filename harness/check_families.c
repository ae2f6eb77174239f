/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_families.c - which operations the random lists are made of, and how often each.
 */
#include "harness/check_lists.h"

/* What every list needs now and then. */
#define COMMON                                                                      \
	[CHECK_SPACE] = 1, [CHECK_MAP] = 14, [CHECK_UNMAP] = 6, [CHECK_FAULT] = 12, \
	[CHECK_READ] = 5, [CHECK_WRITE] = 10, [CHECK_MARK] = 4, [CHECK_PEEK] = 3,   \
	[CHECK_LOOKUP] = 3

#define OBJECTS [CHECK_OBJECT] = 4, [CHECK_CLOSE] = 1

const struct check_family check_anonymous = {
	.weights = { COMMON, [CHECK_DISCARD] = 8, [CHECK_PROTECT] = 2, [CHECK_DROP] = 1 },
	.ops = 120,
};

const struct check_family check_objects = {
	.weights = { COMMON, OBJECTS, [CHECK_TRUNCATE] = 6, [CHECK_PUNCH] = 6,
		     [CHECK_INVALIDATE] = 5, [CHECK_DISCARD] = 2, [CHECK_TRANSLATE] = 3 },
	.ops = 120,
};

const struct check_family check_translations = {
	.weights = { COMMON,
		     OBJECTS, [CHECK_TRANSLATE] = 30, [CHECK_TRUNCATE] = 4, [CHECK_PUNCH] = 4 },
	.ops = 80,
};

const struct check_family check_permissions = {
	.weights = { COMMON,
		     OBJECTS, [CHECK_PROTECT] = 20, [CHECK_FORK] = 1, [CHECK_INVALIDATE] = 2 },
	.ops = 120,
};

const struct check_family check_copies = {
	.weights = { COMMON, OBJECTS, [CHECK_TRUNCATE] = 3, [CHECK_PUNCH] = 4,
		     [CHECK_INVALIDATE] = 4, [CHECK_DISCARD] = 4, [CHECK_PROTECT] = 2 },
	.ops = 120,
};

const struct check_family check_forks = {
	.weights = { COMMON, OBJECTS, [CHECK_FORK] = 10, [CHECK_DROP] = 6, [CHECK_DISCARD] = 2,
		     [CHECK_TRUNCATE] = 2, [CHECK_PROTECT] = 2 },
	.ops = 120,
};

const struct check_family check_remaps = {
	.weights = { COMMON, OBJECTS, [CHECK_REMAP] = 20, [CHECK_TRUNCATE] = 3, [CHECK_PUNCH] = 2,
		     [CHECK_FORK] = 2, [CHECK_DROP] = 2, [CHECK_PROTECT] = 2 },
	.ops = 120,
};

const struct check_family check_references = {
	.weights = { COMMON, OBJECTS, [CHECK_REF] = 14, [CHECK_DUP] = 8, [CHECK_UNREF] = 12,
		     [CHECK_TRUNCATE] = 3, [CHECK_PUNCH] = 4, [CHECK_DISCARD] = 4, [CHECK_FORK] = 3,
		     [CHECK_DROP] = 3 },
	.ops = 120,
};

const struct check_family check_files = {
	.weights = { COMMON, OBJECTS, [CHECK_SYNC] = 8, [CHECK_TRUNCATE] = 4, [CHECK_PUNCH] = 4,
		     [CHECK_INVALIDATE] = 4, [CHECK_TRANSLATE] = 2, [CHECK_FORK] = 1 },
	.file_percent = 85,
	.ops = 100,
};

const struct check_family check_touches = {
	.weights = { COMMON, OBJECTS, [CHECK_LOAD] = 16, [CHECK_STORE] = 16, [CHECK_TRUNCATE] = 3,
		     [CHECK_PUNCH] = 3, [CHECK_INVALIDATE] = 3, [CHECK_DISCARD] = 3,
		     [CHECK_PROTECT] = 6, [CHECK_FORK] = 3, [CHECK_DROP] = 2, [CHECK_REMAP] = 4 },
	.file_percent = 10,
	.touch = true,
	.ops = 120,
};

const struct check_family check_far = {
	.weights = { COMMON, OBJECTS, [CHECK_REMAP] = 8, [CHECK_PROTECT] = 5, [CHECK_DISCARD] = 6,
		     [CHECK_FORK] = 3, [CHECK_DROP] = 2, [CHECK_TRUNCATE] = 3, [CHECK_PUNCH] = 3,
		     [CHECK_INVALIDATE] = 2 },
	.far = true,
	.ops = 80,
};

#define RACING                                                                            \
	COMMON, OBJECTS, [CHECK_TRUNCATE] = 6, [CHECK_PUNCH] = 6, [CHECK_INVALIDATE] = 6, \
			 [CHECK_DISCARD] = 6, [CHECK_PROTECT] = 4, [CHECK_REMAP] = 4,     \
			 [CHECK_FORK] = 3, [CHECK_REF] = 4, [CHECK_UNREF] = 4, [CHECK_DUP] = 2

const struct check_family check_races = {
	.weights = { RACING },
	.lanes = 2,
	.ops = 12,
};

const struct check_family check_races_of_three = {
	.weights = { RACING },
	.lanes = 3,
	.ops = 12,
};

const struct check_family check_touch_races = {
	.weights = { RACING, [CHECK_LOAD] = 14, [CHECK_STORE] = 14 },
	.touch = true,
	.lanes = 2,
	.ops = 12,
};
