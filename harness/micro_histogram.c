/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_histogram.c - recording a latency, which every timed operation pays: to be at most 1.3
 * times floor/fetch_add. Values are those of a latency distribution: mostly alike, with a tail.
 */
#include "harness/histogram.h"
#include "harness/micro.h"

#define VALUES 4096

static uint32_t values[VALUES];

static void make_values(void)
{
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < VALUES; i++) {
		uint64_t r = micro_random(&state);

		/* 200 to 455 ns; one in 64 is up to 256 times as long. */
		values[i] = (uint32_t)(200 + (r & 255)) << (r >> 20 & 63 ? 0 : r >> 32 & 7);
	}
}

static void record(struct gbench_state *s)
{
	struct histogram *h = histogram_create(1.0);
	unsigned at = 0;

	if (!h) {
		gbench_state_skip(s, "no memory");
		return;
	}
	while (gbench_state_keep_running_batch(s, MICRO_BATCH)) {
		for (unsigned i = 0; i < MICRO_BATCH; i++) {
			histogram_record(h, values[at + i]);
			gbench_use(h);
		}
		at = (at + MICRO_BATCH) % VALUES;
	}
	histogram_destroy(h);
}

static void percentile(struct gbench_state *s)
{
	struct histogram *h = histogram_create(1.0);

	if (!h) {
		gbench_state_skip(s, "no memory");
		return;
	}
	for (int i = 0; i < VALUES; i++)
		histogram_record(h, values[i]);
	while (gbench_state_keep_running(s)) {
		double ns = histogram_percentile_ns(h, 99.9);

		gbench_use(ns);
	}
	histogram_destroy(h);
}

static void merge(struct gbench_state *s)
{
	struct histogram *from = histogram_create(1.0), *to = histogram_create(1.0);

	if (!from || !to) {
		gbench_state_skip(s, "no memory");
	} else {
		for (int i = 0; i < VALUES; i++)
			histogram_record(from, values[i]);
		while (gbench_state_keep_running(s))
			histogram_merge(to, from);
	}
	histogram_destroy(from);
	histogram_destroy(to);
}

void micro_histogram(void)
{
	struct gbench *b = gbench_register("histogram/record", record);

	make_values();
	gbench_threads(b, 1);
	gbench_threads(b, 2);
	gbench_register("histogram/percentile", percentile);
	gbench_register("histogram/merge", merge);
}
