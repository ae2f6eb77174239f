/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_new.c - faultline new translator NAME: the start of a plug-in, with the header it needs.
 *
 * Both files are in the program itself, as the scripts of plot_asset.c are: a copied binary is
 * enough to write a translator. No file is ever replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/commands.h"
#include "harness/suggest.h"
#include "harness/translators.h"

#define NAME_MAX_BYTES 40
#define PATH_BYTES 4096
#define WORD "skeleton" /* stands for the name in the text */

#define EMBED(symbol, file)                 \
	__asm__(".pushsection .rodata\n"    \
		".globl new_" #symbol "\n"  \
		".hidden new_" #symbol "\n" \
		"new_" #symbol ":\n"        \
		".incbin \"" file "\"\n"    \
		".byte 0\n"                 \
		".popsection\n");           \
	extern const char new_##symbol[] __attribute__((visibility("hidden")))

EMBED(header, "translators/translator.h");
EMBED(skeleton, "translators/skeleton/skeleton.c");

/* A name that can be a file, an option's value and a word of a table. */
static bool is_name(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz";
	static const char others[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t length = strlen(name);

	return length && length <= NAME_MAX_BYTES && strchr(first, name[0]) &&
	       strspn(name, others) == length;
}

static int check_words(const struct options *options)
{
	static const char *const kinds[] = { "translator" };
	const char *name;
	char hint[96];

	if (options->argument_count != 2)
		return usage_error("new: \"translator\" and a name are needed");
	name = options->arguments[1];
	if (strcmp(options->arguments[0], kinds[0]) != 0)
		return usage_error("new: unknown kind \"%s\"%s", options->arguments[0],
				   suggest_text(options->arguments[0], kinds, 1, hint,
						sizeof(hint)));
	if (!is_name(name))
		return usage_error("new: \"%s\" is no name: a small letter, then small letters, "
				   "digits, - and _, at most %d",
				   name, NAME_MAX_BYTES);
	for (size_t i = 0; translator_table[i]; i++)
		if (strcmp(name, translator_table[i]->name) == 0)
			return usage_error("new: %s is a built-in translator", name);
	return CODE_OK;
}

/* The text with the name for each WORD. */
static void write_named(const char *text, const char *name, FILE *out)
{
	const char *at;

	for (; (at = strstr(text, WORD)); text = at + strlen(WORD)) {
		fwrite(text, 1, (size_t)(at - text), out);
		fputs(name, out);
	}
	fputs(text, out);
}

/* A new file; -EEXIST: there is one. */
static int write_new(const char *path, const char *text, const char *name)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), rc = 0;
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (!out) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	write_named(text, name, out);
	if (ferror(out))
		rc = -EIO;
	if (fclose(out) && !rc)
		rc = -errno;
	if (rc)
		unlink(path);
	return rc;
}

/* The header may be there already, for another translator: the same one will do. */
static bool is_same(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	bool same = file != NULL;
	int c;

	for (; same; text++) {
		c = getc(file);
		if (c == EOF)
			break;
		same = c == (unsigned char)*text && *text;
	}
	same = same && !*text;
	if (file)
		fclose(file);
	return same;
}

static int failed(const char *path, int rc)
{
	complain("new: %s: %s", path,
		 rc == -EEXIST ? "is there already, and is left as it is" : strerror(-rc));
	return CODE_FILES;
}

/* As a shell reads it back. */
static void put_quoted(const char *text, FILE *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_./+,:@%";

	if (strspn(text, plain) == strlen(text)) {
		fputs(text, out);
		return;
	}
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

/* Runs of text and of paths in turn, as one command; the caller frees it. */
static char *command_line(const char *before, const char *one, const char *between,
			  const char *other)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		abort();
	fputs(before, out);
	put_quoted(one, out);
	fputs(between, out);
	if (*other)
		put_quoted(other, out);
	if (fclose(out))
		abort();
	return line;
}

static void tell(const struct options *options, const char *source, const char *header)
{
	size_t stem = strlen(source) - 2;
	char library[PATH_BYTES + 8];
	char *build, *check;

	snprintf(library, sizeof(library), "%.*s.so", (int)stem, source);
	build = command_line("cc -std=c11 -O2 -Wall -Wextra -fPIC -shared -o ", library, " ",
			     source);
	check = command_line("faultline check ", library, "", "");
	if (options->json) {
		json_t *json = json_pack("{s:[s,s], s:s, s:s}", "files", source, header, "build",
					 build, "check", check);

		if (!json)
			abort();
		json_dumpf(json, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(json);
	} else {
		printf("wrote %s and %s\nbuild: %s\ncheck: %s\n", source, header, build, check);
	}
	free(build);
	free(check);
}

int cmd_new(const struct options *options)
{
	const char *dir = options->text[OPTION_DIR], *name;
	char source[PATH_BYTES], header[PATH_BYTES];
	int rc = check_words(options);

	if (rc)
		return rc;
	name = options->arguments[1];
	if (strlen(dir) > PATH_BYTES - 2 * NAME_MAX_BYTES)
		return failed(dir, -ENAMETOOLONG);
	snprintf(source, sizeof(source), "%s/%s.c", dir, name);
	snprintf(header, sizeof(header), "%s/translator.h", dir);
	if (mkdir(dir, 0777) && errno != EEXIST)
		return failed(dir, -errno);
	if (access(header, F_OK) == 0 && !is_same(header, new_header))
		return failed(header, -EEXIST);
	rc = write_new(source, new_skeleton, name);
	if (rc)
		return failed(source, rc);
	rc = write_new(header, new_header, WORD);
	if (rc && rc != -EEXIST) {
		unlink(source);
		return failed(header, rc);
	}
	tell(options, source, header);
	return CODE_OK;
}
