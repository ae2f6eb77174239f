/* SPDX-License-Identifier: Apache-2.0 */
/* generate.h - random runs. */
#pragma once

#include "tests/oracle/op.h"

/* The run of a seed, of at most `ops` operations: the same on every machine. run_release() it. */
void generate(uint64_t seed, size_t ops, struct run *run);
