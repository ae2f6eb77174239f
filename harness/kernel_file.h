/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_file.h - small text files of /proc and /sys, below a prefix that tests choose.
 *
 * Pure but for the file system; no locks, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

/*
 * Reads root + path (root NULL: "") into buffer, always terminated; what does not fit is cut.
 * 0 or -errno.
 */
MM_MUST_CHECK int kernel_file_read(const char *root, const char *path, char *buffer, size_t size);

/* The number after `key` where that starts a line of text: "key 12", "key: 12". 0 or -ENOENT. */
MM_MUST_CHECK int kernel_file_value(const char *text, const char *key, uint64_t *value);
