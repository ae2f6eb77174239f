/* SPDX-License-Identifier: Apache-2.0 */
/* null_test.c - the null translator: a full table whose answers have the right shape. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "translators/translator.h"

extern const struct translator translator_null;

static const struct translator_option harness_options[] = {
	{ "pages", "4k" }, { "as", "none" }, { "memory_max", "1073741824" }, { NULL, NULL }
};

static struct translator_engine *open_null(void)
{
	struct translator_engine *engine = NULL;
	char error[80] = "";

	assert_int_equal(translator_null.open(harness_options, &engine, error, sizeof(error)), 0);
	assert_non_null(engine);
	return engine;
}

static void table_is_complete(void **state)
{
	const struct translator *t = &translator_null;
	const unsigned char *first = (const unsigned char *)&t->open;
	const unsigned char *end = (const unsigned char *)t + t->struct_size;

	(void)state;
	assert_int_equal(t->magic, TRANSLATOR_MAGIC);
	assert_int_equal(t->abi_major, TRANSLATOR_ABI_MAJOR);
	assert_int_equal(t->struct_size, sizeof(*t));
	assert_string_equal(t->name, "null");
	assert_true(t->capabilities & TRANSLATOR_COMPUTES_NOTHING);
	for (; first < end; first += sizeof(void (*)(void))) {
		void (*function)(void);

		memcpy(&function, first, sizeof(function));
		assert_true(function != NULL);
	}
}

static void unknown_option_is_refused_by_name(void **state)
{
	const struct translator_option options[] = { { "pages", "4k" },
						     { "colour", "red" },
						     { NULL, NULL } };
	struct translator_engine *engine = NULL;
	char error[80] = "";

	(void)state;
	assert_int_equal(translator_null.open(options, &engine, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "colour"));
	assert_null(engine);
}

static void answers_have_the_shape_of_answers(void **state)
{
	const struct translator *t = &translator_null;
	struct translator_engine *engine = open_null();
	struct translator_space *space = NULL;
	struct translator_object *object = NULL;
	struct translator_object_options memory = { .size = 1 << 20 };
	struct translator_range range = { 8192, 16384 };
	struct translator_translation out[2];
	struct translator_stat stat;
	size_t count = 0;

	(void)state;
	assert_int_equal(t->space_create(engine, 1 << 30, &space), 0);
	assert_int_equal(t->object_create(engine, &memory, &object), 0);
	assert_non_null(space);
	assert_non_null(object);
	assert_int_equal(t->lookup(space, 0x12345678, TRANSLATOR_READ, out), 0);
	assert_int_equal(out[0].source.start, 0x12345000);
	assert_int_equal(out[0].source.end, 0x12346000);
	assert_int_equal(out[0].perms, TRANSLATOR_READ | TRANSLATOR_WRITE);
	assert_int_equal(t->translate(object, range, range, TRANSLATOR_READ, out, 2, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(out[0].source.start, range.start);
	assert_int_equal(out[0].source.end, range.end);
	assert_int_equal(t->stat(engine, &stat), 0);
	assert_int_equal(stat.live_pages, 0);
	t->space_destroy(space);
	t->object_destroy(object);
	t->close(engine);
}

static void memory_can_be_touched_within_a_page(void **state)
{
	const struct translator *t = &translator_null;
	struct translator_engine *engine = open_null();
	struct translator_space *space = NULL;
	volatile unsigned char *at;

	(void)state;
	assert_int_equal(t->space_create(engine, 1 << 30, &space), 0);
	at = t->host_address(space, 4095);
	*at = 7;
	assert_int_equal(*at, 7);
	assert_non_null(t->map_internal(engine, 1, 4096, 4096, TRANSLATOR_READ));
	assert_null(t->map_internal(engine, 1, 4097, 4096, TRANSLATOR_READ));
	t->space_destroy(space);
	t->close(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_complete),
		cmocka_unit_test(unknown_option_is_refused_by_name),
		cmocka_unit_test(answers_have_the_shape_of_answers),
		cmocka_unit_test(memory_can_be_touched_within_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
