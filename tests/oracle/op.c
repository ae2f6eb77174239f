/* SPDX-License-Identifier: Apache-2.0 */
/* op.c - see op.h: operations to text and back. */
#include "tests/oracle/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORACLE_NAME(name, weight) #name,
static const char *const names[] = { ORACLE_OPS(ORACLE_NAME) };
#undef ORACLE_NAME

#define ORACLE_FLAG_NAME(name, bit) { #name, FLAG_##name },
static const struct {
	const char *name;
	uint32_t flag;
} flag_names[] = { ORACLE_FLAGS(ORACLE_FLAG_NAME) };
#undef ORACLE_FLAG_NAME
#define FLAG_COUNT (sizeof(flag_names) / sizeof(flag_names[0]))

uint64_t object_size(unsigned i)
{
	static const uint64_t sizes[OBJECTS] = { 8 * PAGE, 24 * PAGE + 100, 0,
						 3 * HUGE, 13 * PAGE + 50,  40 * PAGE };

	return sizes[i];
}

const char *op_name(unsigned kind)
{
	return kind < OP_KINDS ? names[kind] : "?";
}

void op_pattern(uint64_t value, void *bytes, size_t length)
{
	unsigned char *to = bytes;

	for (size_t i = 0; i < length; i++)
		to[i] = (unsigned char)(value + i * 7 + (i >> 8));
}

static const struct {
	uint64_t base;
	unsigned pages;
} areas[] = { { SMALL_BASE, SMALL_PAGES }, { BIG_BASE, BIG_PAGES }, { HEAP_BASE, HEAP_PAGES } };
#define AREAS (sizeof(areas) / sizeof(areas[0]))

void object_fill(unsigned i, void *bytes, size_t length)
{
	for (size_t at = 0; at + 4 <= length; at += 4)
		((uint32_t *)bytes)[at / 4] = (uint32_t)(at * 2654435761u + i);
}

int area_index(uint64_t address)
{
	unsigned before = 0;

	for (size_t i = 0; i < AREAS; before += areas[i++].pages)
		if (address >= areas[i].base && address - areas[i].base < areas[i].pages * PAGE)
			return (int)(before + (address - areas[i].base) / PAGE);
	return -1;
}

uint64_t area_address(unsigned index)
{
	size_t i = 0;

	for (; index >= areas[i].pages; i++)
		index -= areas[i].pages;
	return areas[i].base + index * PAGE;
}

uint64_t area_end(uint64_t address)
{
	for (size_t i = 0; i < AREAS; i++)
		if (address >= areas[i].base && address - areas[i].base < areas[i].pages * PAGE)
			return areas[i].base + areas[i].pages * PAGE;
	return address;
}

/* ---- to text ---- */

static void put_number(FILE *to, const char *key, uint64_t value)
{
	if (value)
		fprintf(to, value < 10 ? " %s=%llu" : " %s=0x%llx", key, (unsigned long long)value);
}

static void put(FILE *to, const struct op *op)
{
	fputs(op_name(op->kind), to);
	put_number(to, "process", op->process);
	put_number(to, "child", op->child);
	put_number(to, "object", op->object);
	put_number(to, "address", op->address);
	put_number(to, "length", op->length);
	put_number(to, "to", op->to);
	put_number(to, "to_length", op->to_length);
	put_number(to, "offset", op->offset);
	put_number(to, "value", op->value);
	if (op->prot)
		fprintf(to, " prot=%s%s%s", op->prot & PROT_R ? "r" : "",
			op->prot & PROT_W ? "w" : "", op->prot & PROT_X ? "x" : "");
	if (!op->flags)
		return;
	const char *separator = " flags=";

	for (size_t i = 0; i < FLAG_COUNT; i++)
		if (op->flags & flag_names[i].flag) {
			fprintf(to, "%s%s", separator, flag_names[i].name);
			separator = ",";
		}
}

const char *op_print(const struct op *op, char *text, size_t size)
{
	FILE *to = fmemopen(text, size, "w");

	if (!to)
		abort();
	put(to, op);
	fclose(to); /* ends the text with a NUL */
	return text;
}

void run_write(const struct run *run, FILE *to)
{
	if (run->thp)
		fputs("class thp\n", to);
	if (run->wide_copies)
		fputs("wide copies\n", to);
	if (run->uffd)
		fputs("host uffd\n", to);
	if (run->ahead)
		fputs("fault ahead\n", to);
	if (run->limits)
		fputs("limits\n", to);
	if (run->sharded)
		fputs("sharded\n", to);
	for (size_t i = 0; i < run->count; i++) {
		put(to, &run->ops[i]);
		fputc('\n', to);
	}
}

/* ---- from text ---- */

static bool parse_flags(char *value, uint32_t *flags)
{
	char *rest = NULL;

	for (char *word = strtok_r(value, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		size_t i = 0;

		while (i < FLAG_COUNT && strcmp(flag_names[i].name, word) != 0)
			i++;
		if (i == FLAG_COUNT)
			return false;
		*flags |= flag_names[i].flag;
	}
	return true;
}

static bool parse_prot(const char *value, uint8_t *prot)
{
	for (; *value; value++) {
		const char *at = strchr("rwx", *value);

		if (!at)
			return false;
		*prot |= (uint8_t)(1u << (at - "rwx"));
	}
	return true;
}

static bool parse_field(const char *key, char *value, struct op *op)
{
	struct {
		const char *key;
		uint64_t *to;
	} fields[] = {
		{ "address", &op->address },	 { "length", &op->length }, { "to", &op->to },
		{ "to_length", &op->to_length }, { "offset", &op->offset }, { "value", &op->value },
	};
	char *end;

	if (!strcmp(key, "prot"))
		return parse_prot(value, &op->prot);
	if (!strcmp(key, "flags"))
		return parse_flags(value, &op->flags);
	errno = 0;
	uint64_t number = strtoull(value, &end, 0);

	if (errno || *end || end == value)
		return false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(key, fields[i].key)) {
			*fields[i].to = number;
			return true;
		}
	if (!strcmp(key, "process") && number < PROCESSES)
		op->process = (uint8_t)number;
	else if (!strcmp(key, "child") && number < PROCESSES)
		op->child = (uint8_t)number;
	else if (!strcmp(key, "object") && number < OBJECTS)
		op->object = (uint8_t)number;
	else
		return false;
	return true;
}

bool op_parse(char *line, struct op *op, const char **why)
{
	char *rest = NULL;
	char *word = strtok_r(line, " \t\n", &rest);

	*op = (struct op){ 0 };
	*why = "no such operation";
	while (op->kind < OP_KINDS && (!word || strcmp(word, names[op->kind]) != 0))
		op->kind++;
	if (op->kind == OP_KINDS)
		return false;
	*why = "no such field or value";
	while ((word = strtok_r(NULL, " \t\n", &rest))) {
		char *value = strchr(word, '=');

		if (!value)
			return false;
		*value++ = '\0';
		if (!parse_field(word, value, op))
			return false;
	}
	return true;
}

static bool read_line(char *line, struct run *run, size_t *room, const char **why)
{
	if (line[0] == '#' || line[strspn(line, " \t\n")] == '\0')
		return true;
	if (!strcmp(line, "class thp\n"))
		return run->thp = true;
	if (!strcmp(line, "wide copies\n"))
		return run->wide_copies = true;
	if (!strcmp(line, "host uffd\n"))
		return run->uffd = true;
	if (!strcmp(line, "fault ahead\n"))
		return run->ahead = true;
	if (!strcmp(line, "limits\n"))
		return run->limits = true;
	if (!strcmp(line, "sharded\n"))
		return run->sharded = true;
	if (run->count == *room) {
		*room = *room ? 2 * *room : 64;
		run->ops = realloc(run->ops, *room * sizeof(struct op));
		if (!run->ops)
			abort();
	}
	return op_parse(line, &run->ops[run->count++], why);
}

bool run_read(const char *path, struct run *run)
{
	char line[1024];
	const char *why = NULL;
	size_t room = 0;
	unsigned number = 0;
	FILE *from = fopen(path, "r");

	*run = (struct run){ 0 };
	if (!from) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	while (fgets(line, sizeof(line), from)) {
		number++;
		if (!read_line(line, run, &room, &why)) {
			fprintf(stderr, "%s:%u: %s\n", path, number, why);
			fclose(from);
			run_release(run);
			return false;
		}
	}
	fclose(from);
	return true;
}

void run_release(struct run *run)
{
	free(run->ops);
	*run = (struct run){ 0 };
}
