/* SPDX-License-Identifier: Apache-2.0 */
/* differences.c - the deliberate differences between the engine and Linux: see judge.h. */
#include "tests/oracle/judge.h"

const struct difference differences[] = {
	{ "the place of a mapping that need not be fixed, if the hint is taken",
	  "any free place is right; both sides take such a mapping away again and say `elsewhere`",
	  NULL },
	{ "adjacent mappings that are equal in all but range",
	  "whether neighbours are one mapping or two is bookkeeping; both listings are joined",
	  NULL },
	{ "memory that only PROT_EXEC was asked for",
	  "Linux makes it unreadable where the processor has protection keys; not generated",
	  NULL },
	{ "bytes stored behind the end of an object, in its last page, before it grows",
	  "POSIX wants them to read as zero afterwards, tmpfs shows them; Linux's side clears them",
	  NULL },
	{ "2 MiB pages made by Linux itself",
	  "how much is resident would depend on the machine; they are switched off", NULL },
};
const size_t difference_count = sizeof(differences) / sizeof(differences[0]);
