/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_exact.c - counts that are the same each time.
 */
#include "harness/gate_exact.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPILER "# compiler: "
#define ROWS_MAX 100000

/* instructions: ci/count.sh; host: tests/count/host.c; lines: the sharing audit. */
const char *const gate_exact_tables[] = { "host", "instructions", "lines", NULL };

struct row {
	char *name;
	double value;
};

struct table {
	struct row *rows;
	size_t count;
	char compiler[160];
};

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static void table_release(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->rows[i].name);
	free(table->rows);
}

/* "NAME VALUE"; false: it is not. */
static bool add_row(struct table *table, char *line)
{
	char *space = strrchr(line, ' '), *end;
	double value = space ? strtod(space + 1, &end) : NAN;

	if (!space || space == line || end == space + 1 || *end || !isfinite(value) ||
	    table->count == ROWS_MAX)
		return false;
	*space = '\0';
	if ((table->count & (table->count - 1)) == 0) {
		size_t room = table->count ? 2 * table->count : 1;

		table->rows = realloc(table->rows, room * sizeof(*table->rows));
		if (!table->rows)
			abort();
	}
	table->rows[table->count].value = value;
	table->rows[table->count].name = strdup(line);
	if (!table->rows[table->count++].name)
		abort();
	return true;
}

/* 0, -ENOENT without a sentence, or as gate_exact_compare. */
static int table_read(struct table *table, const char *directory, const char *name, char *error,
		      size_t size)
{
	char path[4096], *line = NULL;
	size_t room = 0, number = 0;
	ssize_t length;
	FILE *file;
	int rc = 0;

	*table = (struct table){ 0 };
	snprintf(path, sizeof(path), "%s/%s.txt", directory, name);
	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return -ENOENT;
	if (!file)
		rc = -errno;
	while (!rc && (length = getline(&line, &room, file)) > 0) {
		number++;
		if (memchr(line, 0, (size_t)length)) {
			rc = -EBADMSG;
			break;
		}
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, COMPILER, strlen(COMPILER)) == 0)
			snprintf(table->compiler, sizeof(table->compiler), "%s",
				 line + strlen(COMPILER));
		else if (*line && *line != '#' && !add_row(table, line))
			rc = -EBADMSG;
	}
	if (!rc && ferror(file))
		rc = -EIO;
	if (!rc && table->count)
		qsort(table->rows, table->count, sizeof(*table->rows), compare_rows);
	for (size_t i = 1; i < table->count && !rc; i++) {
		if (strcmp(table->rows[i - 1].name, table->rows[i].name) == 0)
			rc = -EBADMSG;
	}
	if (rc)
		snprintf(error, size, "%s:%zu: %s", path, number,
			 rc == -EBADMSG ? "is not a table of NAME VALUE, each name once"
					: strerror(-rc));
	free(line);
	if (file)
		fclose(file);
	return rc;
}

static void add_difference(struct gate_exact *exact, const char *table, const char *name,
			   double before, double after)
{
	exact->rows = realloc(exact->rows, (exact->count + 1) * sizeof(*exact->rows));
	if (!exact->rows)
		abort();
	exact->rows[exact->count] = (struct gate_exact_row){ table, strdup(name), before, after };
	if (!exact->rows[exact->count++].name)
		abort();
	exact->worse += after > before;
}

/* Both are sorted. */
static void compare(struct gate_exact *exact, const char *name, const struct table *before,
		    const struct table *after)
{
	/* Lines that are not shared are not listed. */
	double absent = strcmp(name, "lines") == 0 ? 0 : NAN;
	size_t b = 0, a = 0;

	while (b < before->count || a < after->count) {
		int order = b == before->count	? 1
			    : a == after->count ? -1
						: strcmp(before->rows[b].name, after->rows[a].name);

		if (order < 0) {
			add_difference(exact, name, before->rows[b].name, before->rows[b].value,
				       absent);
			b++;
		} else if (order > 0) {
			add_difference(exact, name, after->rows[a].name, absent,
				       after->rows[a].value);
			a++;
		} else {
			exact->compared++;
			if (before->rows[b].value != after->rows[a].value)
				add_difference(exact, name, after->rows[a].name,
					       before->rows[b].value, after->rows[a].value);
			b++;
			a++;
		}
	}
	exact->tables++;
}

int gate_exact_compare(struct gate_exact *exact, const char *before, const char *after, char *error,
		       size_t size)
{
	int rc = 0;

	*exact = (struct gate_exact){ 0 };
	for (size_t t = 0; gate_exact_tables[t] && !rc; t++) {
		const char *name = gate_exact_tables[t];
		struct table old, new;
		bool both;
		int rc_new;

		rc = table_read(&old, before, name, error, size);
		rc_new = table_read(&new, after, name, error, size);
		both = !rc && !rc_new;
		if (rc == -ENOENT || (!rc && rc_new == -ENOENT)) {
			size_t used = strlen(exact->missing);

			snprintf(exact->missing + used, sizeof(exact->missing) - used, "%s%s.txt",
				 used ? ", " : "", name);
			rc = rc_new == -ENOENT ? 0 : rc_new;
		} else if (!rc) {
			rc = rc_new;
		}
		if (both && strcmp(old.compiler, new.compiler) != 0) {
			snprintf(error, size, "%s/%s.txt is of %s, and the candidate's of %s",
				 before, name, old.compiler, new.compiler);
			rc = -ESTALE;
		}
		if (both && !rc)
			compare(exact, name, &old, &new);
		table_release(&old);
		table_release(&new);
	}
	return rc;
}

void gate_exact_release(struct gate_exact *exact)
{
	for (size_t i = 0; i < exact->count; i++)
		free(exact->rows[i].name);
	free(exact->rows);
	*exact = (struct gate_exact){ 0 };
}
