/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intervals.c - a window of time cut into intervals, each with a histogram.
 */
#include "harness/intervals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Histograms of 30 KB that the workers of one repetition may have, and a benchmark may keep. */
#define WORKERS_MAX 2048
#define KEPT_MAX 100

unsigned intervals_for(uint64_t duration_ns, uint64_t repeat, unsigned threads)
{
	uint64_t count = duration_ns / INTERVALS_NS_MIN;

	if (count > INTERVALS_MAX)
		count = INTERVALS_MAX;
	if (count > WORKERS_MAX / threads)
		count = WORKERS_MAX / threads;
	if (count > KEPT_MAX / repeat)
		count = KEPT_MAX / repeat;
	return (unsigned)count;
}

int intervals_init(struct intervals *i, unsigned count)
{
	memset(i, 0, sizeof(*i));
	i->histograms = count ? calloc(count, sizeof(struct histogram *)) : NULL;
	if (count && !i->histograms)
		return -ENOMEM;
	for (; i->count < count; i->count++) {
		i->histograms[i->count] = histogram_create(1.0);
		if (!i->histograms[i->count])
			return -ENOMEM;
	}
	return 0;
}

void intervals_release(struct intervals *i)
{
	for (unsigned n = 0; n < i->count; n++)
		histogram_destroy(i->histograms[n]);
	free(i->histograms);
	memset(i, 0, sizeof(*i));
}

void intervals_reset(struct intervals *i, double unit_ns)
{
	for (unsigned n = 0; n < i->count; n++)
		histogram_reset(i->histograms[n], unit_ns);
}

void intervals_begin(struct intervals *i, uint64_t start, uint64_t step)
{
	i->at = 0;
	i->step = step;
	i->end = i->count > 1 ? start + step : UINT64_MAX;
}

void intervals_advance(struct intervals *i, uint64_t now)
{
	while (now >= i->end) {
		i->at++;
		i->end = i->at + 1 < i->count ? i->end + i->step : UINT64_MAX;
	}
}

void intervals_merge(struct intervals *to, const struct intervals *from)
{
	for (unsigned n = 0; n < to->count; n++)
		histogram_merge(to->histograms[n], from->histograms[n]);
}

void intervals_sum(const struct intervals *i, struct histogram *h)
{
	for (unsigned n = 0; n < i->count; n++)
		histogram_merge(h, i->histograms[n]);
}
