/* SPDX-License-Identifier: Apache-2.0 */
/* sha256_test.c - the standard's examples, and lengths around a block's end in pieces. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "harness/sha256.h"

static const char *hash(const void *data, size_t size, size_t piece)
{
	static char hex[SHA256_HEX_SIZE];
	struct sha256 h;

	sha256_init(&h);
	for (size_t at = 0; at < size; at += piece)
		sha256_add(&h, (const char *)data + at, size - at < piece ? size - at : piece);
	sha256_finish(&h, hex);
	return hex;
}

static void test_examples(void **state)
{
	char *million = malloc(1000000);

	(void)state;
	assert_string_equal(hash("", 0, 1),
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_string_equal(hash("abc", 3, 64),
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 7),
			    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', 1000000);
	assert_string_equal(hash(million, 1000000, 977),
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* However it is cut, and wherever the padding falls, it is the same hash; and a bit changes it. */
static void test_pieces(void **state)
{
	char data[200], whole[SHA256_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 37);
	for (size_t size = 1; size < sizeof(data); size++) {
		memcpy(whole, hash(data, size, size), sizeof(whole));
		assert_string_equal(hash(data, size, 1), whole);
		assert_string_equal(hash(data, size, 63), whole);
		data[size - 1] ^= 1;
		assert_string_not_equal(hash(data, size, 1), whole);
		data[size - 1] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
