/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touch.h - stores to private memory through the addresses that a translator shows, page after page
 * of each worker's region. Between rounds the pages are discarded, so that the next store traps
 * again and finds zeroes.
 */
#pragma once

#include "workloads/region.h"

/* Stores to the next `count` pages from w->cursor on, bytes done in this round. */
void touch_pages(struct worker *w, uint64_t count);
/* role.reset */
void touch_reset(struct worker *w);
/* workload.enter: maps the worker's region, and has had a page everywhere once. */
int touch_enter(struct worker *w);
/* workload.verify: what was stored in this round is there. */
int touch_verify(struct workload_run *run);
