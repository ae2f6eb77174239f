/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - the ground on which the floors of memory-mapping calls stand: one memfd, all of it
 * resident, and a PROT_NONE reservation of the same size. Each worker has a part of both, 2 MiB
 * apart at least, and shows pages of the one in the other, as a translator does.
 *
 * Parameter 0 of such a workload is `region`, bytes for each worker. The struct is in run->data.
 */
#pragma once

#include "workloads/workload.h"

struct window {
	unsigned char *base; /* the reservation */
	uint64_t bytes; /* of all workers */
	uint64_t stride; /* of one worker: params[0] in multiples of 2 MiB */
	int fd; /* of the memfd */
};

/* workload.setup: makes run->data. 0 or -errno; teardown cleans up in either case. */
int window_setup(struct workload_run *run);
/* workload.enter: makes the worker's part of the memfd resident, on its own node by policy. */
int window_enter(struct worker *w);
/* workload.enter: the same, and shows all of it. */
int window_enter_shown(struct worker *w);
void window_teardown(struct workload_run *run);
/* workload.round_of: 4 KiB pages of a worker's part. */
uint64_t window_round(const struct workload_run *run, unsigned role);

static inline struct window *window_of(const struct worker *w)
{
	return w->run->data;
}
/* Where the worker's part starts in the memfd; in the reservation: base + that. */
static inline uint64_t window_offset(const struct worker *w)
{
	return w->index * window_of(w)->stride;
}
/* Shows bytes of the memfd at the same offset of the reservation. flags: MAP_POPULATE or 0.
 * 0 or -errno. Async-signal-safe. */
int window_show(struct window *window, uint64_t offset, uint64_t bytes, int flags);
/* Back to PROT_NONE. 0 or -errno. */
int window_hide(struct window *window, uint64_t offset, uint64_t bytes);
/* role.reset: hides the worker's part and starts at its first page again. */
void window_reset_hidden(struct worker *w);
/* Stores to every page of the worker's part. */
void window_touch(struct worker *w);
