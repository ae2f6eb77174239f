/* SPDX-License-Identifier: Apache-2.0 */
/* linux.h - the side that is right: the operations as system calls of processes of their own. */
#pragma once

#include "tests/oracle/record.h"

/* Where application address 0 is: far from all that a process has by itself. */
#define LINUX_BASE UINT64_C(0x200000000000)

/* Carries the run out and writes side. Call it in a process made for it, with one thread. */
void linux_run(const struct run *run, struct side *side);
