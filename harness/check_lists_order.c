/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_lists_order.c - written lists of copies, forks and moves at once with others.
 *
 * Cells 4..9 of space 0 are anonymous memory, 9..11 the object's offsets 9..11, where nothing
 * else is said. See check_script.h for the operations, and check_play.h for how lanes are run.
 */
#include "harness/check_lists.h"

const char *const check_race_copies[] = {
	/* One copies; the other is left alone with the page, and stores to it. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"1: fault space=0 at=5 access=2\n"
	"2: mark space=1 at=5 value=8\n",
	/* The same with what each sees at the end. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"1: fault space=0 at=4 access=2\n"
	"1: fault space=0 at=5 access=2\n"
	"2: mark space=1 at=4 value=8\n"
	"2: mark space=1 at=5 value=9\n",
	/* Parent and child. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"1: mark space=0 at=5 value=7\n"
	"2: mark space=1 at=5 value=8\n",
	/* Parent and child, and what each sees. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"1: mark space=0 at=5 value=7\n"
	"1: peek space=0 at=5\n"
	"2: mark space=1 at=5 value=8\n"
	"2: peek space=1 at=5\n",
	/* Parent, child and grandchild. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"fork space=1 to=2\n"
	"1: mark space=0 at=5 value=7\n"
	"2: mark space=1 at=5 value=8\n"
	"3: mark space=2 at=5 value=9\n",
	/* One stores while the other gives its share up. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"1: mark space=0 at=5 value=7\n"
	"2: unmap space=1 at=5 cells=1\n",
	/* One stores while the other gives its share up, and a third looks. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"fork space=0 to=2\n"
	"1: mark space=0 at=5 value=7\n"
	"2: unmap space=1 at=5 cells=1\n"
	"3: peek space=2 at=5\n",
	/* A copy of an object against a store to it. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=1\n"
	"space space=1\n"
	"map space=1 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=1 at=9 cells=3 value=5\n"
	"fault space=0 at=10 access=1\n"
	"1: fault space=0 at=10 access=2\n"
	"2: mark space=1 at=10 value=7\n"
	"peek space=0 at=10\n",
	/* Two copies of one original. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=1\n"
	"fork space=0 to=1\n"
	"1: mark space=0 at=10 value=7\n"
	"2: mark space=1 at=10 value=8\n",
	/* Two threads in one space. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"1: mark space=0 at=5 value=7\n"
	"2: fault space=0 at=5 access=2\n"
	"2: peek space=0 at=5\n",
	NULL,
};

const char *const check_race_forks[] = {
	/* Far apart. */
	"geometry base=1024 object-base=0 stride=512 look=3 touch=0 pages=4k rounds=1\n"
	"space space=0\n"
	"map space=0 at=2 cells=12 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=2 cells=12 value=3\n"
	"1: mark space=0 at=3 value=7\n"
	"1: mark space=0 at=12 value=8\n"
	"2: fork space=0 to=1\n",
	/* Stores on both sides of an edge: of a leaf, of 2 MiB. */
	"geometry base=506 object-base=0 stride=1 look=0 touch=0 pages=4k rounds=1\n"
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: mark space=0 at=5 value=7\n"
	"1: mark space=0 at=8 value=8\n"
	"2: fork space=0 to=1\n",
	/* Stores in one order. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: mark space=0 at=5 value=7\n"
	"1: mark space=0 at=6 value=8\n"
	"2: fork space=0 to=1\n",
	/* Stores in the other. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: mark space=0 at=8 value=7\n"
	"1: mark space=0 at=5 value=8\n"
	"2: fork space=0 to=1\n",
	/* Fresh pages. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"1: mark space=0 at=5 value=7\n"
	"1: mark space=0 at=8 value=8\n"
	"2: fork space=0 to=1\n"
	"2: peek space=1 at=8\n",
	/* A child in the middle of a truncate. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: truncate object=0 cells=10\n"
	"2: fork space=0 to=1\n"
	"2: lookup space=1 at=10 access=1\n"
	"truncate object=0 cells=12\n"
	"read space=0 at=9 cells=3\n",
	/* Private copies in the middle of a truncate. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=1\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: truncate object=0 cells=10\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: fork space=0 to=1\n",
	/* A child in the middle of a punch. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: punch object=0 at=10 cells=1\n"
	"2: fork space=0 to=1\n"
	"2: fault space=1 at=10 access=1\n",
	/* Unmapped. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: unmap space=0 at=5 cells=1\n"
	"2: fork space=0 to=1\n"
	"2: mark space=1 at=5 value=7\n",
	/* Discarded. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: discard space=0 at=5 cells=1\n"
	"2: fork space=0 to=1\n",
	/* Two children. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: fork space=0 to=1\n"
	"2: fork space=0 to=2\n"
	"3: mark space=0 at=5 value=7\n",
	/* A grandchild beside a child that stores. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"fork space=0 to=1\n"
	"1: mark space=1 at=5 value=7\n"
	"2: fork space=1 to=2\n"
	"3: mark space=0 at=5 value=8\n",
	NULL,
};

const char *const check_race_remaps[] = {
	/* Punched while it moves past many others that are punched as well. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=20 cells=3 object=0 offset=9 perms=3 private=0\n"
	"map space=0 at=5 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=5 access=2\n"
	"map space=0 at=6 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=6 access=2\n"
	"map space=0 at=7 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=7 access=2\n"
	"map space=0 at=8 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=8 access=2\n"
	"map space=0 at=9 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=9 access=2\n"
	"map space=0 at=10 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=10 access=2\n"
	"map space=0 at=11 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=11 access=2\n"
	"map space=0 at=12 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=12 access=2\n"
	"map space=0 at=13 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=13 access=2\n"
	"map space=0 at=14 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=14 access=2\n"
	"write space=0 at=20 cells=3 value=5\n"
	"ref hold=0 space=0 at=21\n"
	"1: remap space=0 at=21 cells=1 to=3 to-cells=1\n"
	"2: punch object=0 at=10 cells=1\n"
	"peek space=0 at=3\n",
	/* Truncated. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=20 cells=3 object=0 offset=9 perms=3 private=0\n"
	"map space=0 at=5 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=5 access=2\n"
	"map space=0 at=6 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=6 access=2\n"
	"map space=0 at=7 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=7 access=2\n"
	"map space=0 at=8 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=8 access=2\n"
	"map space=0 at=9 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=9 access=2\n"
	"map space=0 at=10 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=10 access=2\n"
	"map space=0 at=11 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=11 access=2\n"
	"map space=0 at=12 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=12 access=2\n"
	"map space=0 at=13 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=13 access=2\n"
	"map space=0 at=14 cells=1 object=0 offset=10 perms=3 private=0\n"
	"fault space=0 at=14 access=2\n"
	"write space=0 at=20 cells=3 value=5\n"
	"ref hold=0 space=0 at=21\n"
	"1: remap space=0 at=21 cells=1 to=3 to-cells=1\n"
	"2: truncate object=0 cells=10\n"
	"truncate object=0 cells=12\n"
	"peek space=0 at=3\n",
	/* Punched, as often mapped. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=4 cells=1 object=0 offset=10 perms=3 private=0\n"
	"map space=0 at=5 cells=1 object=0 offset=10 perms=3 private=0\n"
	"map space=0 at=6 cells=1 object=0 offset=10 perms=3 private=0\n"
	"map space=0 at=7 cells=1 object=0 offset=10 perms=3 private=0\n"
	"map space=0 at=8 cells=1 object=0 offset=10 perms=3 private=0\n"
	"write space=0 at=4 cells=5 value=5\n"
	"ref hold=0 space=0 at=8\n"
	"1: remap space=0 at=8 cells=1 to=3 to-cells=1\n"
	"2: punch object=0 at=10 cells=1\n"
	"peek space=0 at=3\n",
	/* Truncated while it moves. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: remap space=0 at=10 cells=1 to=3 to-cells=1\n"
	"2: truncate object=0 cells=10\n"
	"truncate object=0 cells=12\n"
	"fault space=0 at=3 access=1\n",
	/* Upwards. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: remap space=0 at=10 cells=1 to=20 to-cells=1\n"
	"2: truncate object=0 cells=10\n"
	"truncate object=0 cells=12\n"
	"fault space=0 at=20 access=1\n",
	/* Punched while it moves. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: remap space=0 at=10 cells=1 to=3 to-cells=1\n"
	"2: punch object=0 at=10 cells=1\n"
	"peek space=0 at=3\n",
	/* Upwards, and back. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: remap space=0 at=10 cells=1 to=20 to-cells=1\n"
	"1: remap space=0 at=20 cells=1 to=10 to-cells=1\n"
	"2: punch object=0 at=10 cells=1\n"
	"peek space=0 at=10\n",
	/* A fault at the old place. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: remap space=0 at=10 cells=1 to=3 to-cells=1\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: fault space=0 at=10 access=2\n",
	/* A store to memory that moves. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: remap space=0 at=5 cells=1 to=20 to-cells=1\n"
	"1: lookup space=0 at=5 access=1\n"
	"2: mark space=0 at=5 value=7\n"
	"peek space=0 at=20\n",
	/* A store at the new place. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: remap space=0 at=5 cells=1 to=20 to-cells=1\n"
	"2: mark space=0 at=20 value=7\n"
	"2: mark space=0 at=5 value=8\n",
	/* Forked while it moves. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: remap space=0 at=5 cells=1 to=20 to-cells=1\n"
	"2: fork space=0 to=1\n",
	/* Copies truncated while they move. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=1\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: remap space=0 at=10 cells=1 to=3 to-cells=1\n"
	"2: truncate object=0 cells=10\n"
	"truncate object=0 cells=12\n"
	"peek space=0 at=3\n",
	/* Onto what is there, against a store to it. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: remap space=0 at=5 cells=1 to=8 to-cells=1\n"
	"2: mark space=0 at=8 value=7\n",
	/* To another leaf of a table. */
	"geometry base=500 object-base=0 stride=1 look=0 touch=0 pages=4k rounds=1\n"
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: remap space=0 at=10 cells=1 to=20 to-cells=1\n"
	"2: truncate object=0 cells=10\n"
	"truncate object=0 cells=12\n"
	"fault space=0 at=20 access=1\n",
	NULL,
};
