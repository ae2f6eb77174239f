/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - everything for people, made from a result directory.
 */
#pragma once

#include <stddef.h>

/*
 * Reads DIR/result.json (and env.json, job.ini, samples if there) and writes DIR/plots/?.svg,
 * DIR/summary.md and DIR/report.html, each whole or not at all. Fields that the result lacks are
 * said to be lacking. Returns 0; then `error` is "" or a remark for the user (no gnuplot: a report
 * without pictures). Or -errno with the reason in `error`: -EINVAL if result.json is no JSON
 * object, else what reading or writing gave. Runs gnuplot; call it from one thread at a time and
 * not while measuring. No locks.
 */
__attribute__((warn_unused_result)) int report_write(const char *dir, char *error, size_t size);
