/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map_fixed.h - the loop that floor-mmap-fixed and floor-mmap-populate share: a 4 KiB page of a
 * memfd shown with mmap(MAP_FIXED | MAP_SHARED) over PROT_NONE, page after page.
 */
#pragma once

#include "workloads/workload.h"

/* role.run with MAP_POPULATE if params[1] is not 0. */
uint64_t map_fixed_run(struct worker *w, uint64_t count);
/* workload.verify: -EIO unless the pages shown last hold what the memfd does. */
int map_fixed_verify(struct workload_run *run);
