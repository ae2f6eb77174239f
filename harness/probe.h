/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - what measuring itself costs here. Printed, never subtracted.
 */
#pragma once

#include "harness/clock.h"
#include "harness/topology.h"

struct probe {
	double record_ns; /* a histogram record */
	double fetch_add_ns; /* an atomic addition to a line of one's own, for comparison */
};

/* Takes some milliseconds on the calling thread: the least of several rounds, interleaved. */
void probe_recording(const struct clock_source *clock, struct probe *probe);

/* Nanoseconds for each operation of the null translator, through runner and workload fault-anon;
 * -1: could not be measured. Takes 50 ms. */
double probe_overhead(const struct clock_source *clock, const struct topology *t);
