/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_list.c - the list of properties: what conformance is.
 */
#include "harness/check.h"
#include "harness/check_lists.h"

#define SPACES TRANSLATOR_CAN_SPACES
#define OBJECTS (SPACES | TRANSLATOR_CAN_OBJECTS)
#define REFERENCES (SPACES | TRANSLATOR_CAN_REFERENCES)
#define IO (SPACES | TRANSLATOR_CAN_IO)

const struct check_property check_properties[] = {
	/* These two first: see WITHOUT_ANSWERS in check_run.c. */
	{ "table",
	  "every function behind a claimed capability is there, options are refused by name", 0,
	  false, 1, check_run_table, NULL },
	{ "engines-apart", "several engines at once have nothing to do with each other", SPACES,
	  false, 1, check_run_engines, NULL },
	{ "arguments", "a wrong argument is answered as the contract says, and changes nothing",
	  SPACES, false, 1, check_run_arguments, NULL },
	{ "nothing-left", "after close no thread, file, or host mapping is left", SPACES, false, 2,
	  check_run_close, NULL },
	{ "page-sizes", "pages are of the size class that was asked for, or counted as fallbacks",
	  SPACES, false, 2, check_run_sizes, NULL },

	/* One thread. */
	{ "situations", "known difficult lists of operations come out as they must", SPACES, false,
	  1, check_run_scripts, check_situations },
	{ "anonymous", "private memory is zero at first, keeps its bytes, and is counted exactly",
	  SPACES, false, 1, check_run_family, &check_anonymous },
	{ "objects",
	  "mappings show their object; truncate, punch and invalidate leave no stale page", OBJECTS,
	  false, 2, check_run_family, &check_objects },
	{ "translations", "every answer of translate meets every condition of the interface",
	  OBJECTS, false, 1, check_run_family, &check_translations },
	{ "permissions", "no access beyond the permissions, now or through a translation kept",
	  SPACES | TRANSLATOR_CAN_PROTECT, false, 1, check_run_family, &check_permissions },
	{ "private-copies", "a store to a private mapping is seen by nobody else",
	  OBJECTS | TRANSLATOR_CAN_PRIVATE, false, 2, check_run_family, &check_copies },
	{ "fork", "parent, child and grandchild each see their own stores, and no others'",
	  SPACES | TRANSLATOR_CAN_FORK, false, 2, check_run_family, &check_forks },
	{ "remap", "a moved mapping takes its pages along, and nothing else",
	  SPACES | TRANSLATOR_CAN_REMAP, false, 2, check_run_family, &check_remaps },
	{ "references", "a page lives from its first reference to its last, and no longer",
	  REFERENCES, false, 2, check_run_family, &check_references },
	{ "files", "a file object is the file: contents, size, and what is synced",
	  OBJECTS | TRANSLATOR_CAN_FILES, false, 1, check_run_family, &check_files },
	{ "touch",
	  "loads and stores see what reads and writes see, and get the signals that are due",
	  SPACES | TRANSLATOR_CAN_TOUCH, false, 2, check_run_family, &check_touches },
	{ "far-ranges", "all this across 2 MiB and 1 GiB edges, and with ranges that cover them",
	  SPACES, false, 3, check_run_family, &check_far },

	/* Many threads. */
	{ "invalidation-wins",
	  "no translation survives the truncate, punch, unmap, or invalidate "
	  "that covers it",
	  SPACES, true, 24, check_run_scripts, check_race_invalidation },
	{ "pages-once", "no page is handed out twice, whoever allocates and frees at once", SPACES,
	  true, 12, check_run_scripts, check_race_pages },
	{ "counts-kept", "no count is lost when several take and release one page", REFERENCES,
	  true, 12, check_run_scripts, check_race_counts },
	{ "copies-apart", "stores at once to one shared page each find their own copy",
	  SPACES | TRANSLATOR_CAN_FORK, true, 14, check_run_scripts, check_race_copies },
	{ "fork-in-order", "a child made while others run sees a moment, and no later store",
	  IO | TRANSLATOR_CAN_FORK, true, 30, check_run_scripts, check_race_forks },
	{ "remap-in-order", "remap against truncate, punch, fault and fork leaves no page behind",
	  SPACES | TRANSLATOR_CAN_REMAP, true, 36, check_run_scripts, check_race_remaps },
	{ "races", "any few operations at once come out as in one of their orders", SPACES, true,
	  12, check_run_family, &check_races },
	{ "races-of-three", "the same, in three threads", SPACES, true, 6, check_run_family,
	  &check_races_of_three },
	{ "touch-races", "loads and stores beside what takes their pages away",
	  SPACES | TRANSLATOR_CAN_TOUCH, true, 8, check_run_family, &check_touch_races },
	{ 0 },
};
