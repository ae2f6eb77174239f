/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region_fault.c - faults in regions, as several workloads time them: one after another, or at
 * random; call by call, or in batches where the translator takes them. Takes no lock.
 */
#include "workloads/region.h"

/* below: as of workload_batch. */
static uint64_t fault_batch(struct worker *w, uint64_t address, uint64_t count, uint32_t access,
			    uint64_t below)
{
	const struct translator_batch batch = { .op = TRANSLATOR_BATCH_FAULT,
						.access = access,
						.space = w->run->space,
						.address = address,
						.stride = workload_page_size(w->run),
						.count = count };

	return workload_batch(w, &batch, below);
}

static inline uint64_t fault_next(struct worker *w, uint64_t count, uint32_t access)
{
	int (*fault)(struct translator_space *, uint64_t, uint32_t) = w->t->fault;
	struct translator_space *space = w->run->space;
	uint64_t page = workload_page_size(w->run);
	uint64_t address = region_start(w->run, w->index) + w->cursor, i;

	if (w->run->batch) {
		i = fault_batch(w, address, count, access, 0);
		w->cursor += i * page;
		return i;
	}
	for (i = 0; i < count; i++, address += page) {
		int rc = fault(space, address, access);

		if (__builtin_expect(rc != 0, 0)) {
			workload_fail(w, rc);
			break;
		}
	}
	w->cursor += i * page;
	return i;
}

uint64_t region_fault_next(struct worker *w, uint64_t count)
{
	return fault_next(w, count, TRANSLATOR_WRITE);
}

uint64_t region_fault_next_read(struct worker *w, uint64_t count)
{
	return fault_next(w, count, TRANSLATOR_READ);
}

static inline uint64_t fault_random(struct worker *w, uint64_t count, bool bus_errors_ok)
{
	int (*fault)(struct translator_space *, uint64_t, uint32_t) = w->t->fault;
	struct translator_space *space = w->run->space;
	uint64_t start = region_start(w->run, 0);
	uint64_t page = workload_page_size(w->run), pages = w->run->params[0] / page;

	if (w->run->batch)
		return fault_batch(w, start, count, TRANSLATOR_WRITE, pages);
	for (uint64_t i = 0; i < count; i++) {
		int rc = fault(space, start + region_random(w, pages) * page, TRANSLATOR_WRITE);

		if (__builtin_expect(rc != 0, 0) &&
		    !(bus_errors_ok && rc < TRANSLATOR_BUS_ERROR(0))) {
			workload_fail(w, rc);
			return i;
		}
	}
	return count;
}

uint64_t region_fault_random(struct worker *w, uint64_t count)
{
	return fault_random(w, count, false);
}

uint64_t region_fault_random_or_bus(struct worker *w, uint64_t count)
{
	return fault_random(w, count, true);
}
