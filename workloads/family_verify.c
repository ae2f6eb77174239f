/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family_verify.c - whether parents and children share what they must, and nothing else. Nothing
 * here is timed; takes no lock.
 */
#include <errno.h>

#include "workloads/family.h"

int family_shares(const struct workload_run *run, const struct family *family, uint64_t address)
{
	struct translator_translation parents, childs;

	if (run->t->lookup(family->parent, address, TRANSLATOR_READ, &parents) ||
	    run->t->lookup(family->child, address, TRANSLATOR_READ, &childs))
		return -EIO;
	return parents.file == childs.file && parents.offset == childs.offset;
}

int family_verify(const struct workload_run *run, uint64_t bytes, uint64_t step)
{
	const struct translator *t = run->t;

	if (t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return 0;
	for (unsigned i = 0; i < run->worker_count; i++) {
		struct family *family = family_of(&run->workers[i]);

		family_fork(&run->workers[i]);
		if (!family->child)
			return -EIO;
		for (uint64_t at = FAMILY_START; at < FAMILY_START + bytes; at += step)
			if (t->fault(family->child, at, TRANSLATOR_READ) ||
			    family_shares(run, family, at) != 1)
				return -EIO;
		/* Apart from the first, since more than one page may be copied at a time. */
		for (uint64_t at = FAMILY_START; at < FAMILY_START + bytes; at += step)
			if (t->fault(family->child, at, TRANSLATOR_WRITE) ||
			    family_shares(run, family, at) != 0)
				return -EIO;
	}
	return 0;
}
