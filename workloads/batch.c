/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.c - operations handed to a translator many at a time, in one call each time.
 *
 * Random addresses are drawn here, inside the timed part, as loops over single calls draw theirs.
 */
#include "workloads/workload.h"

uint64_t workload_batch(struct worker *w, const struct translator_batch *batch, uint64_t below)
{
	uint64_t addresses[WORKLOAD_BATCH_MAX], total = 0, done;
	struct translator_batch part = *batch;

	while (total < batch->count) {
		part.count = batch->count - total;
		if (part.count > w->run->batch)
			part.count = w->run->batch;
		for (uint64_t i = 0; below && i < part.count; i++)
			addresses[i] = batch->address +
				       (((worker_random(w) >> 32) * below) >> 32) * batch->stride;
		part.addresses = below ? addresses : NULL;
		int rc = w->t->batch(w->run->engine, &part, &done);

		total += done;
		part.address += done * batch->stride;
		if (rc) {
			workload_fail(w, rc);
			break;
		}
	}
	return total;
}
