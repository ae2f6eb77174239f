/* SPDX-License-Identifier: Apache-2.0 */
/* plugin_test.c - which files and tables are taken for a translator, and what refusals say. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/plugin.h"
#include "harness/translators.h"

static char error[1024], dir[64];

static int check(const struct translator *table, size_t bytes)
{
	error[0] = '\0';
	return plugin_check_table(table, bytes, error, sizeof(error));
}

#define refused(table, bytes, text)                                 \
	do {                                                        \
		assert_int_equal(check(table, bytes), -EINVAL);     \
		if (!strstr(error, text))                           \
			fail_msg("\"%s\" not in: %s", text, error); \
	} while (0)

extern const struct translator translator_null;

static void test_tables(void **state)
{
	struct translator t = translator_null;
	size_t size = sizeof(t);

	(void)state;
	for (size_t i = 0; translator_table[i]; i++)
		if (check(translator_table[i], sizeof(*translator_table[i])))
			fail_msg("%s: %s", translator_table[i]->name, error);
	refused(&t, 8, "TRANSLATOR_MAGIC");
	t.magic ^= 1;
	refused(&t, size, "TRANSLATOR_MAGIC");
	t.magic ^= 1;
	t.abi_major = 2;
	refused(&t, size, "ABI 2.1, and this is faultline's ABI 1.1");
	t.abi_major = 1;
	/* A later minor is this one with more. */
	t.abi_minor = 9;
	t.struct_size += 8;
	refused(&t, size, "the symbol has");
	assert_int_equal(check(&t, size + 8), 0);
	t.struct_size = offsetof(struct translator, stat);
	refused(&t, size, "too short");
	t.struct_size = (uint32_t)size;
	t.version = NULL;
	refused(&t, size, "a version");
	t.version = "1";
	t.name = "";
	refused(&t, size, "a name");
	t.name = "x";
	t.close = NULL;
	refused(&t, size, "no close, which every");
}

/* Each function, missing or beyond the end of the table, is missed by its bit alone. */
static void test_promises(void **state)
{
	struct translator t = translator_null;

	(void)state;
	t.self_check = NULL;
	refused(&t, sizeof(t), "TRANSLATOR_CAN_SELF_CHECK, but its table has no self_check");
	t.capabilities &= ~(uint64_t)TRANSLATOR_CAN_SELF_CHECK;
	assert_int_equal(check(&t, sizeof(t)), 0);
	/* Short: all from batch on is as if NULL. */
	t.struct_size = offsetof(struct translator, batch);
	refused(&t, sizeof(t), "TRANSLATOR_CAN_BATCH, but its table has no batch");
	t.capabilities &= ~(uint64_t)TRANSLATOR_CAN_BATCH;
	refused(&t, sizeof(t), "TRANSLATOR_CAN_MOVE, but its table has no move");
	t.capabilities &= ~(uint64_t)TRANSLATOR_CAN_MOVE;
	assert_int_equal(check(&t, sizeof(t)), 0);
	t.write = NULL;
	refused(&t, sizeof(t), "CAN_IO, but its table has no write");
	t.capabilities &= ~(uint64_t)TRANSLATOR_CAN_IO;
	t.thread_enter = NULL;
	t.thread_leave = NULL;
	t.prefault = NULL;
	t.placement = NULL;
	assert_int_equal(check(&t, sizeof(t)), 0);
	t.object_create = NULL;
	refused(&t, sizeof(t), "CAN_OBJECTS, but its table has no object_create");
}

static int inspect(const char *path, bool allow_writable)
{
	error[0] = '\0';
	return plugin_inspect(path, allow_writable, error, sizeof(error));
}

static const char *file_of(const char *name, const void *bytes, size_t size)
{
	static char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "we");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
	return path;
}

static Elf64_Ehdr header(void)
{
	Elf64_Ehdr head = { .e_type = ET_DYN, .e_machine = EM_X86_64 };

	memcpy(head.e_ident, ELFMAG, SELFMAG);
	head.e_ident[EI_CLASS] = ELFCLASS64;
	head.e_ident[EI_DATA] = ELFDATA2LSB;
	return head;
}

static void says(const char *path, const char *text)
{
	assert_int_equal(inspect(path, false), -EINVAL);
	if (!strstr(error, text))
		fail_msg("\"%s\" not in: %s", text, error);
}

static void test_files(void **state)
{
	Elf64_Ehdr head = header();

	(void)state;
	assert_int_equal(inspect(file_of("good.so", &head, sizeof(head)), false), 0);
	says(file_of("text.so", "not an ELF file at all, but longer than the header of one is", 60),
	     "not an ELF file; a plug-in is a shared library");
	says(file_of("empty.so", "", 0), "not an ELF file");
	says(file_of("short.so", &head, 20), "cut off");
	head.e_machine = EM_AARCH64;
	says(file_of("arm.so", &head, sizeof(head)), "another machine");
	head = header();
	head.e_type = ET_EXEC;
	says(file_of("exec.so", &head, sizeof(head)), "link it with -shared");
	says(dir, "not a regular file");
	says("/nowhere/mine.so", "No such file");
	says("/dev/null", "not a regular file");
}

/* What anybody may write or replace. */
static void test_writable(void **state)
{
	Elf64_Ehdr head = header();
	const char *path = file_of("mode.so", &head, sizeof(head));
	char link[128], inner[128];

	(void)state;
	assert_int_equal(chmod(path, 0777), 0);
	says(path, "world-writable");
	assert_int_equal(inspect(path, true), 0);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(inspect(path, false), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	says(path, "its directory");
	assert_int_equal(inspect(path, true), 0);
	assert_int_equal(chmod(dir, 01777), 0);
	assert_int_equal(inspect(path, false), 0);
	/* A directory further up is not looked at, that of a link and of what it means are. */
	snprintf(inner, sizeof(inner), "%s/inner", dir);
	assert_int_equal(mkdir(inner, 0755), 0);
	snprintf(link, sizeof(link), "%s/inner/link.so", dir);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(inspect(link, false), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	says(link, "its directory");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(inner, 0777), 0);
	says(link, "/inner is world-writable");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(inner), 0);
}

static void test_specifications(void **state)
{
	struct translator_spec spec;

	(void)state;
	assert_int_equal(translator_spec_parse(&spec, "./a.so:x=1:inner=null:y=2", error, 1024), 0);
	assert_string_equal(spec.path, "./a.so");
	assert_null(spec.translator);
	assert_int_equal(spec.option_count, 2);
	assert_string_equal(spec.options[1].key, "inner");
	assert_string_equal(spec.options[1].value, "null:y=2");
	translator_spec_describe(&spec, "a", "1", "what", TRANSLATOR_CAN_IO);
	assert_string_equal(spec.translator->name, "a");
	assert_null(spec.translator->open);
	translator_spec_release(&spec);
	assert_int_equal(translator_spec_parse(&spec, "a.so", error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "./a.so"));
	translator_spec_release(&spec);
	assert_int_equal(translator_spec_parse(&spec, "./none.so", error, sizeof(error)), 0);
	assert_int_equal(translator_spec_load(&spec, false, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "No such file"));
	translator_spec_release(&spec);
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/faultline-plugin-XXXXXX");
	return !mkdtemp(dir);
}

static int remove_dir(void **state)
{
	static const char *const names[] = { "good.so", "text.so", "empty.so", "short.so",
					     "arm.so",	"exec.so", "mode.so" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),	       cmocka_unit_test(test_promises),
		cmocka_unit_test(test_files),	       cmocka_unit_test(test_writable),
		cmocka_unit_test(test_specifications),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
