/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64.h - base64 with padding (RFC 4648, section 4), for HdrHistogram logs.
 *
 * Pure functions of their arguments; no locks, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

/* Characters of the encoding of `size` bytes, without the final NUL. */
static inline size_t base64_encoded_size(size_t size)
{
	return (size + 2) / 3 * 4;
}

/* Bytes that suffice for decoding `length` characters. */
static inline size_t base64_decoded_size_max(size_t length)
{
	return length / 4 * 3;
}

/* Writes base64_encoded_size(size) characters and a NUL to `text`. */
void base64_encode(const uint8_t *bytes, size_t size, char *text);

/*
 * Decodes exactly `length` characters into `bytes`, which has room for
 * base64_decoded_size_max(length). 0 and the number of bytes in *size, or -EINVAL: a foreign
 * character, misplaced padding, a length that is not a multiple of 4, or bits after the end.
 */
MM_MUST_CHECK int base64_decode(const char *text, size_t length, uint8_t *bytes, size_t *size);
