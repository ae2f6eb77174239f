/* SPDX-License-Identifier: Apache-2.0 */
/* differences.c - the deliberate differences between the engine and Linux: see judge.h. */
#include "tests/oracle/judge.h"

#include <errno.h>

/* Is all that is not the same more pages that the engine's mincore says are resident, in a run
 * where it may? */
static bool more_resident(const struct run *run, size_t i, const struct record *linux_side,
			  const struct record *engine_side)
{
	bool may = run->thp;

	for (size_t k = 0; k < i; k++)
		may |= run->ops[k].kind == OP_fork;
	for (unsigned w = 0; w < RESIDENT_WORDS; w++)
		if (linux_side->resident[w] & ~engine_side->resident[w])
			return false;
	return may && run->ops[i].kind == OP_mincore && linux_side->result == engine_side->result;
}

static bool one_mapping(const struct run *run, size_t i, const struct record *linux_side,
			const struct record *engine_side)
{
	return run->ops[i].kind == OP_mremap && linux_side->split &&
	       linux_side->result == -EFAULT && engine_side->result != -EFAULT;
}

const struct difference differences[] = {
	{ "the place of a mapping that need not be fixed, if the hint is taken",
	  "any free place is right; both sides take such a mapping away again and say `elsewhere`",
	  NULL, false },
	{ "adjacent mappings that are equal in all but range",
	  "whether neighbours are one mapping or two is bookkeeping; both listings are joined",
	  NULL, false },
	{ "mremap of a range that is two mappings for Linux, though equal in all but range",
	  "what Linux joins depends on which pages were written before; the engine always joins",
	  one_mapping, true },
	{ "pages only read are resident in a forked child, and 2 MiB at once with huge pages",
	  "Linux has one zero page for all such pages, and does not copy that it is mapped",
	  more_resident, false },
	{ "what a private mapping shows of a changed object once a neighbouring page was written",
	  "the engine may copy neighbours too; runs that let it map objects shared only", NULL,
	  false },
	{ "memory that only PROT_EXEC was asked for",
	  "Linux makes it unreadable where the processor has protection keys; not generated", NULL,
	  false },
	{ "bytes stored behind the end of an object, in its last page, before it grows",
	  "POSIX wants them to read as zero afterwards, tmpfs shows them; Linux's side clears them",
	  NULL, false },
	{ "what MADV_FREE leaves",
	  "Linux may drop it at any time, the engine does at once; Linux's side drops it then too",
	  NULL, false },
	{ "2 MiB pages made by Linux itself",
	  "how much is resident would depend on the machine; they are switched off", NULL, false },
};
const size_t difference_count = sizeof(differences) / sizeof(differences[0]);
