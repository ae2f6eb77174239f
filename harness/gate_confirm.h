/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_confirm.h - what two batches of pairs have to say for a gate to block. Pure functions.
 *
 * The first batch is asked everything; the second, of processes of its own, only what the first
 * found worse. By chance alone both would have to err in the same metric and the same direction.
 */
#pragma once

#include "harness/pairs.h"

/* Sets flagged[] (as findings) of what regressed; returns how many. */
size_t gate_flag(const struct pairs_finding *findings, size_t count, bool *flagged);

/*
 * Sets confirmed[] of what was flagged in `first` and regressed in `second`, whose benchmarks may
 * be fewer and in another order; returns how many. `rule` is that of the first.
 */
size_t gate_confirm(const struct pairs *first, const bool *flagged, const struct pairs *second,
		    const struct pairs_rule *rule, bool *confirmed);
