/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64.c - three bytes to four characters and back.
 *
 * The decoder is strict: a text has exactly one decoding and a byte string one encoding, so that
 * a damaged log is noticed. No locks.
 */
#include "harness/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t size, char *text)
{
	for (size_t i = 0; i < size; i += 3) {
		size_t here = size - i < 3 ? size - i : 3;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (here > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (here > 2)
			group |= bytes[i + 2];
		*text++ = alphabet[group >> 18];
		*text++ = alphabet[group >> 12 & 63];
		*text++ = here > 1 ? alphabet[group >> 6 & 63] : '=';
		*text++ = here > 2 ? alphabet[group & 63] : '=';
	}
	*text = '\0';
}

/* 0..63, or -1. */
static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t length, uint8_t *bytes, size_t *size)
{
	size_t used = 0, padding = 0;

	if (length % 4)
		return -EINVAL;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < length; i += 4) {
		size_t digits = i + 4 == length ? 4 - padding : 4;
		uint32_t group = 0;

		for (size_t j = 0; j < 4; j++) {
			int digit = j < digits ? digit_of(text[i + j]) : 0;

			if (digit < 0)
				return -EINVAL;
			group = group << 6 | (uint32_t)digit;
		}
		if ((digits == 2 && group & 0xffff) || (digits == 3 && group & 0xff))
			return -EINVAL;
		for (size_t j = 0; j + 1 < digits; j++)
			bytes[used++] = (uint8_t)(group >> (16 - 8 * j));
	}
	*size = used;
	return 0;
}
