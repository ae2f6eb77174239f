/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_uffd.h - a window (window.h) of which userfaultfd shows the pages: the memfd is mapped at
 * the reservation as a whole, registered for minor faults with SIGBUS, and all of it resident.
 */
#pragma once

#include "workloads/window.h"

/* workload.lacks: why there is no userfaultfd here, or NULL. */
const char *window_uffd_lacks(void);
/* workload.setup: window_setup, and opens a descriptor. */
int window_uffd_setup(struct workload_run *run);
void window_uffd_teardown(struct workload_run *run);
/* workload.enter: makes the worker's part resident, and attaches it; nothing of it is shown. */
int window_uffd_enter(struct worker *w);
/* Shows 4 KiB at that offset of the reservation. 0 or -errno. Async-signal-safe. */
int window_uffd_show(uint64_t offset);
/* The window that is set up, for handlers. */
const struct window *window_uffd(void);
/* role.reset: hides the worker's part and starts at its first page again. */
void window_uffd_reset(struct worker *w);
/* workload.verify: -EIO unless the pages shown last hold what the memfd does. */
int window_uffd_verify(struct workload_run *run);
