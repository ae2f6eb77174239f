/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_lists_race.c - written lists in which a few operations run at once.
 *
 * Cells 4..9 of space 0 are anonymous memory, 9..11 the object's offsets 9..11, where nothing
 * else is said. See check_script.h for the operations, and check_play.h for how lanes are run.
 */
#include "harness/check_lists.h"

const char *const check_race_invalidation[] = {
	/* A fault against the truncate of its page. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"1: truncate object=0 cells=10\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: fault space=0 at=10 access=2\n",
	/* The same of a page that is there, and cannot come back: we hold it. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: truncate object=0 cells=10\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: fault space=0 at=10 access=1\n"
	"2: lookup space=0 at=10 access=1\n"
	"truncate object=0 cells=12\n"
	"fault space=0 at=10 access=1\n",
	/* Punched, the old page is not to be found again. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: punch object=0 at=10 cells=1\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: fault space=0 at=10 access=1\n"
	"2: lookup space=0 at=10 access=1\n"
	"read space=0 at=9 cells=3\n",
	/* The same, with a store, and a second punch. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: punch object=0 at=10 cells=1\n"
	"1: peek space=0 at=10\n"
	"2: mark space=0 at=10 value=7\n"
	"2: lookup space=0 at=10 access=2\n",
	/* Punched in two spaces at once. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"space space=1\n"
	"map space=1 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"fault space=1 at=10 access=2\n"
	"1: punch object=0 at=10 cells=1\n"
	"1: lookup space=1 at=10 access=1\n"
	"2: fault space=1 at=10 access=2\n"
	"3: fault space=0 at=10 access=2\n"
	"read space=1 at=9 cells=3\n",
	/* Another space finds the page while it is punched, or cut off. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"space space=1\n"
	"map space=1 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: punch object=0 at=10 cells=1\n"
	"2: fault space=1 at=10 access=2\n"
	"peek space=1 at=10\n",
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"space space=1\n"
	"map space=1 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: truncate object=0 cells=10\n"
	"2: fault space=1 at=10 access=1\n"
	"lookup space=1 at=10 access=1\n",
	/* Invalidated, nothing is present, whoever looks. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: invalidate object=0 at=10 cells=1\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: lookup space=0 at=10 access=2\n"
	"2: lookup space=0 at=10 access=1\n"
	"peek space=0 at=10\n",
	/* Invalidated between a fault and its use. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: invalidate object=0 at=10 cells=1\n"
	"1: punch object=0 at=10 cells=1\n"
	"2: fault space=0 at=10 access=1\n"
	"2: fault space=0 at=10 access=2\n"
	"peek space=0 at=10\n",
	/* Unmapped against a fault. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"1: unmap space=0 at=6 cells=1\n"
	"1: lookup space=0 at=6 access=1\n"
	"2: fault space=0 at=6 access=2\n"
	"2: lookup space=0 at=6 access=2\n",
	/* Unmapped against a fault of an object. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: unmap space=0 at=10 cells=1\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: fault space=0 at=10 access=2\n"
	"2: fault space=0 at=10 access=1\n",
	/* Replaced by something else, to read only. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"ref hold=0 space=0 at=6\n"
	"1: map space=0 at=6 cells=1 object=-1 offset=0 perms=1 private=0\n"
	"1: lookup space=0 at=6 access=1\n"
	"2: fault space=0 at=6 access=2\n"
	"2: lookup space=0 at=6 access=1\n"
	"peek space=0 at=6\n",
	/* Discarded against a store. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"ref hold=0 space=0 at=6\n"
	"1: discard space=0 at=6 cells=1\n"
	"1: lookup space=0 at=6 access=1\n"
	"2: fault space=0 at=6 access=1\n"
	"2: lookup space=0 at=6 access=1\n"
	"read space=0 at=4 cells=6\n",
	/* Private copies of what is truncated. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=1\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: truncate object=0 cells=10\n"
	"1: lookup space=0 at=10 access=1\n"
	"2: mark space=0 at=10 value=7\n"
	"2: lookup space=0 at=10 access=2\n"
	"truncate object=0 cells=12\n"
	"read space=0 at=9 cells=3\n",
	/* A copy is made while the original is truncated. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=1\n"
	"fault space=0 at=10 access=1\n"
	"1: truncate object=0 cells=10\n"
	"1: truncate object=0 cells=12\n"
	"2: mark space=0 at=10 value=7\n"
	"2: peek space=0 at=10\n",
	/* Down and up again, against a store. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"1: truncate object=0 cells=10\n"
	"1: truncate object=0 cells=12\n"
	"2: mark space=0 at=10 value=7\n"
	"2: peek space=0 at=10\n",
	/* Permissions taken away against a store. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"1: protect space=0 at=6 cells=1 perms=1\n"
	"1: lookup space=0 at=6 access=2\n"
	"2: mark space=0 at=6 value=7\n"
	"2: lookup space=0 at=6 access=2\n",
	/* The last mapping goes, and the object with it. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"close object=0\n"
	"1: unmap space=0 at=9 cells=3\n"
	"2: fault space=0 at=10 access=2\n",
	/* A translation against a punch. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: punch object=0 at=10 cells=1\n"
	"2: translate object=0 at=10 cells=1 before=0 after=0 access=2\n"
	"fault space=0 at=10 access=2\n",
	NULL,
};

const char *const check_race_pages[] = {
	/* Neighbours in one space. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"1: fault space=0 at=5 access=2\n"
	"1: fault space=0 at=7 access=2\n"
	"2: fault space=0 at=6 access=2\n"
	"2: fault space=0 at=8 access=2\n",
	/* One address, by two. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"1: fault space=0 at=5 access=2\n"
	"2: fault space=0 at=5 access=2\n"
	"2: fault space=0 at=6 access=2\n",
	/* Two spaces. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"space space=1\n"
	"map space=1 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"1: fault space=0 at=5 access=2\n"
	"1: fault space=0 at=6 access=2\n"
	"2: fault space=1 at=5 access=2\n"
	"2: fault space=1 at=6 access=2\n",
	/* One freed, and two allocated. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"unmap space=0 at=7 cells=2\n"
	"map space=0 at=7 cells=2 object=-1 offset=0 perms=3 private=0\n"
	"1: discard space=0 at=5 cells=1\n"
	"1: fault space=0 at=7 access=2\n"
	"2: fault space=0 at=8 access=2\n"
	"2: discard space=0 at=4 cells=1\n"
	"2: fault space=0 at=4 access=2\n",
	/* One offset of an object, by two spaces. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"space space=1\n"
	"map space=1 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"1: fault space=0 at=10 access=2\n"
	"2: fault space=1 at=10 access=2\n"
	"write space=0 at=10 cells=1 value=4\n"
	"read space=1 at=9 cells=3\n",
	/* One offset, to read and to write. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"space space=1\n"
	"map space=1 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"1: mark space=0 at=10 value=3\n"
	"2: fault space=1 at=10 access=1\n"
	"2: peek space=1 at=10\n",
	/* Freed by the last reference while others allocate. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=3 value=3\n"
	"ref hold=0 space=0 at=5\n"
	"discard space=0 at=5 cells=1\n"
	"1: unref hold=0\n"
	"1: fault space=0 at=5 access=2\n"
	"2: fault space=0 at=7 access=2\n"
	"2: fault space=0 at=8 access=2\n",
	/* Freed by two, taken by three. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=6 value=3\n"
	"space space=1\n"
	"map space=1 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"1: unmap space=0 at=4 cells=1\n"
	"1: fault space=1 at=4 access=2\n"
	"2: unmap space=0 at=6 cells=1\n"
	"2: fault space=1 at=5 access=2\n"
	"3: fault space=1 at=6 access=2\n"
	"write space=1 at=7 cells=2 value=9\n",
	/* Memory of an object, and of nobody. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"map space=0 at=3 cells=3 object=-1 offset=0 perms=3 private=0\n"
	"1: fault space=0 at=10 access=2\n"
	"1: punch object=0 at=10 cells=1\n"
	"2: fault space=0 at=4 access=2\n"
	"2: fault space=0 at=5 access=2\n",
	NULL,
};

const char *const check_race_counts[] = {
	/* Two of three go at once; the third still holds. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"ref hold=0 space=0 at=5\n"
	"dup hold=0 to=1\n"
	"dup hold=0 to=2\n"
	"discard space=0 at=5 cells=1\n"
	"1: unref hold=1\n"
	"2: unref hold=2\n"
	"write space=0 at=5 cells=3 value=9\n",
	/* The last two go at once. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"ref hold=0 space=0 at=5\n"
	"dup hold=0 to=1\n"
	"unmap space=0 at=4 cells=6\n"
	"1: unref hold=0\n"
	"2: unref hold=1\n",
	/* The last three. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"ref hold=0 space=0 at=5\n"
	"dup hold=0 to=1\n"
	"dup hold=0 to=2\n"
	"unmap space=0 at=4 cells=6\n"
	"1: unref hold=0\n"
	"2: unref hold=1\n"
	"3: unref hold=2\n",
	/* Taken and released by two. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"ref hold=0 space=0 at=5\n"
	"discard space=0 at=5 cells=1\n"
	"1: dup hold=0 to=1\n"
	"1: unref hold=1\n"
	"2: dup hold=0 to=2\n"
	"2: unref hold=2\n"
	"write space=0 at=5 cells=3 value=9\n",
	/* Taken by one, released by the other. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"ref hold=0 space=0 at=5\n"
	"dup hold=0 to=1\n"
	"discard space=0 at=5 cells=1\n"
	"1: dup hold=0 to=2\n"
	"1: dup hold=0 to=3\n"
	"2: unref hold=1\n"
	"write space=0 at=5 cells=3 value=9\n"
	"unref hold=0\n"
	"unref hold=2\n",
	/* The mapping against the reference. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"ref hold=0 space=0 at=5\n"
	"1: unmap space=0 at=5 cells=1\n"
	"2: unref hold=0\n"
	"fault space=0 at=6 access=2\n",
	/* The object against the reference. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"ref hold=0 space=0 at=10\n"
	"1: punch object=0 at=10 cells=1\n"
	"2: unref hold=0\n"
	"fault space=0 at=10 access=2\n",
	/* The parent against the child. */
	"space space=0\n"
	"map space=0 at=4 cells=6 object=-1 offset=0 perms=3 private=0\n"
	"write space=0 at=4 cells=2 value=3\n"
	"fork space=0 to=1\n"
	"1: unmap space=0 at=4 cells=1\n"
	"1: unmap space=0 at=5 cells=1\n"
	"2: unmap space=1 at=4 cells=1\n"
	"2: unmap space=1 at=5 cells=1\n"
	"fault space=0 at=6 access=2\n",
	/* Both unmapped at once, one offset of an object. */
	"space space=0\n"
	"object object=0 cells=12 file=0\n"
	"map space=0 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"space space=1\n"
	"map space=1 at=9 cells=3 object=0 offset=9 perms=3 private=0\n"
	"write space=0 at=9 cells=3 value=5\n"
	"fault space=1 at=10 access=2\n"
	"close object=0\n"
	"1: unmap space=0 at=9 cells=3\n"
	"2: unmap space=1 at=9 cells=3\n",
	NULL,
};
