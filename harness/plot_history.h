/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot_history.h - trends of an index as pictures.
 */
#pragma once

#include "harness/history.h"

/*
 * Draws a figure for each series into DIR/plots, which is made. 0, or -errno with a sentence. What
 * could not be drawn (or was left out, there being too many) is in *remark, "" if nothing.
 */
int plot_history(const char *dir, const struct history_series *series, size_t count, char *remark,
		 size_t remark_size, char *error, size_t size) __attribute__((warn_unused_result));
