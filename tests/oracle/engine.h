/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h - the side that is judged: the same operations by the engine, with host space mmap. */
#pragma once

#include "tests/oracle/record.h"

/* Carries the run out and writes side. Call it in a process made for it. */
void engine_run(const struct run *run, struct side *side);
