/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256.h - the hash of FIPS 180-4, by which a plug-in's file is known again.
 *
 * Small rather than fast: a plug-in is hashed once a run. No locks; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX_SIZE 65 /* with its zero */

struct sha256 {
	uint32_t state[8];
	uint64_t bytes; /* added so far */
	uint8_t block[64]; /* the last bytes % 64 of them */
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t size);
/* Ends it: h is to be initialized anew. Lower-case hexadecimal digits. */
void sha256_finish(struct sha256 *h, char hex[SHA256_HEX_SIZE]);
