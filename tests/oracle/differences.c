/* SPDX-License-Identifier: Apache-2.0 */
/* differences.c - the deliberate differences between the engine and Linux: see judge.h. */
#include "tests/oracle/judge.h"

#include <errno.h>

/* The mapping of an address after an operation, or NULL. */
static const struct line *line_at(const struct record *r, uint64_t address)
{
	for (uint32_t i = 0; i < r->line_count; i++)
		if (address >= r->lines[i].start && address < r->lines[i].end)
			return &r->lines[i];
	return NULL;
}

/* Differs only what mincore says of pages of which it may: all of file objects, and anonymous
 * ones that are resident for the engine only, with huge pages, fault-ahead or after a fork. */
static bool residency(const struct run *run, size_t op, const struct record *linux_side,
		      const struct record *engine_side)
{
	bool more = run->thp || run->ahead;

	if (run->ops[op].kind != OP_mincore || linux_side->result != engine_side->result)
		return false;
	for (size_t k = 0; k < op; k++)
		more |= run->ops[k].kind == OP_fork;
	for (unsigned i = 0; i < AREA_PAGES; i++) {
		bool theirs = linux_side->resident[i / 64] >> i % 64 & 1;
		bool ours = engine_side->resident[i / 64] >> i % 64 & 1;
		const struct line *line = line_at(linux_side, run->ops[op].address + i * PAGE);

		if (theirs == ours)
			continue;
		bool of_file = line && line->object >= FIRST_FILE && line->object < OBJECTS;

		if (!of_file && !(line && more && ours))
			return false;
	}
	return true;
}

static bool one_mapping(const struct run *run, size_t i, const struct record *linux_side,
			const struct record *engine_side)
{
	return run->ops[i].kind == OP_mremap && linux_side->split &&
	       linux_side->result == -EFAULT && engine_side->result != -EFAULT;
}

/* mremap of a range that is partly heap. */
static bool heap_apart(const struct run *run, size_t i, const struct record *linux_side,
		       const struct record *engine_side)
{
	const struct op *op = &run->ops[i];

	return op->kind == OP_mremap && !linux_side->result && engine_side->result == -EFAULT &&
	       op->address >= HEAP_BASE && op->address < HEAP_BASE + HEAP_PAGES * PAGE;
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
	{ "mremap of a range that is heap in part and equal in all else",
	  "the engine's heap has a name of its own; Linux names what lies between two addresses",
	  heap_apart, true },
	{ "pages only read are resident in a forked child, and more with 2 MiB pages or ahead",
	  "Linux has one zero page for all such pages, and does not copy that it is mapped",
	  residency, false },
	{ "what a private mapping shows of a changed object once a neighbouring page was written",
	  "the engine may copy neighbours too; runs that let it map objects shared only", NULL,
	  false },
	{ "memory that only PROT_EXEC was asked for",
	  "Linux makes it unreadable where the processor has protection keys; not generated", NULL,
	  false },
	{ "bytes stored behind the end of an object, in its last page, before it grows",
	  "POSIX wants them to read as zero afterwards, tmpfs shows them; Linux's side clears them",
	  NULL, false },
	{ "how much of a file is resident",
	  "Linux's files are memory and resident from the start; the engine has to read them",
	  residency, false },
	{ "what MADV_FREE leaves",
	  "Linux may drop it at any time, the engine does at once; Linux's side drops it then too",
	  NULL, false },
	{ "2 MiB pages made by Linux itself",
	  "how much is resident would depend on the machine; they are switched off", NULL, false },
};
const size_t difference_count = sizeof(differences) / sizeof(differences[0]);
