/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - the index: opening it with care, and adding runs.
 *
 * A file that is not ours is never written to, whatever it is: the header is looked at before
 * SQLite sees the file, and the application id before anything else is read. What is in an index
 * is trusted no more than a result: no triggers, no views, values checked as they are read.
 */
#include "harness/history.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/result_dir.h"
#include "harness/statistics_location.h"
#include "harness/view.h"

#define APPLICATION "1718380904" /* "flih" */
#define VERSION "1"
#define HEADER "SQLite format 3"
#define BUSY_MS 10000

static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE run(id TEXT PRIMARY KEY, host TEXT NOT NULL, cpu TEXT NOT NULL,"
	" kernel TEXT NOT NULL, start TEXT NOT NULL, version TEXT NOT NULL);"
	"CREATE TABLE figure(run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,"
	" benchmark TEXT NOT NULL, throughput REAL, p50 REAL, p99 REAL, floor REAL,"
	" PRIMARY KEY(run, benchmark)) WITHOUT ROWID;"
	"PRAGMA application_id = " APPLICATION ";"
	"PRAGMA user_version = " VERSION ";"
	"COMMIT;";

static int fail(const struct history *h, char *error, size_t size, int rc, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static int fail(const struct history *h, char *error, size_t size, int rc, const char *format, ...)
{
	char what[512];
	va_list list;

	va_start(list, format);
	vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	snprintf(error, size, "%s: %s", h->path, what);
	return rc;
}

/* What SQLite said, as ours. */
static int failed(const struct history *h, char *error, size_t size)
{
	int code = sqlite3_errcode(h->db) & 0xff;
	int rc = code == SQLITE_CORRUPT || code == SQLITE_NOTADB  ? -EBADMSG
		 : code == SQLITE_BUSY				  ? -EBUSY
		 : code == SQLITE_NOMEM				  ? -ENOMEM
		 : code == SQLITE_READONLY || code == SQLITE_PERM ? -EACCES
								  : -EIO;

	return fail(h, error, size, rc, "%s", sqlite3_errmsg(h->db));
}

static int execute(struct history *h, const char *sql, char *error, size_t size)
{
	return sqlite3_exec(h->db, sql, NULL, NULL, NULL) ? failed(h, error, size) : 0;
}

/* The first column of the first row, as text; "" if there is none. */
static int ask(struct history *h, const char *sql, char *answer, size_t answer_size, char *error,
	       size_t size)
{
	sqlite3_stmt *statement;
	const unsigned char *text;
	int code = sqlite3_prepare_v2(h->db, sql, -1, &statement, NULL);

	*answer = '\0';
	if (!code)
		code = sqlite3_step(statement);
	text = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
	if (text)
		snprintf(answer, answer_size, "%s", text);
	code = sqlite3_finalize(statement);
	return code ? failed(h, error, size) : 0;
}

/* Whether SQLite may see the file: it is missing, empty, or says that it is SQLite's. */
static int look_at_file(const struct history *h, bool make, char *error, size_t size)
{
	char head[sizeof(HEADER)] = "";
	int fd = open(h->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return make ? 0 : fail(h, error, size, -ENOENT, "there is no such index");
	if (fd < 0)
		return fail(h, error, size, -errno, "%s", strerror(errno));
	got = fstat(fd, &status) || !S_ISREG(status.st_mode) ? -1 : read(fd, head, sizeof(head));
	close(fd);
	if (got < 0)
		return fail(h, error, size, -EINVAL, "is not a plain file");
	if (got == 0)
		return make ? 0 : fail(h, error, size, -EBADMSG, "is empty");
	if (got != sizeof(head) || memcmp(head, HEADER, sizeof(head)) != 0)
		return fail(h, error, size, -EINVAL,
			    "is not an index of faultline (nor of SQLite)");
	return 0;
}

/* Whose database it is, and whether it is whole. */
static int look_inside(struct history *h, bool make, char *error, size_t size)
{
	char application[64], version[64], tables[64], check[256];
	int rc = ask(h, "PRAGMA application_id", application, sizeof(application), error, size);

	if (!rc)
		rc = ask(h, "SELECT count(*) FROM sqlite_schema", tables, sizeof(tables), error,
			 size);
	if (!rc && make && strcmp(application, "0") == 0 && strcmp(tables, "0") == 0)
		rc = execute(h, schema, error, size);
	else if (!rc && strcmp(application, APPLICATION) != 0)
		rc = fail(h, error, size, -EINVAL, "is a database of another program");
	if (!rc)
		rc = ask(h, "PRAGMA user_version", version, sizeof(version), error, size);
	if (!rc && strcmp(version, VERSION) != 0)
		rc = fail(h, error, size, -EINVAL,
			  "is of version %s, and this program reads " VERSION, version);
	if (!rc)
		rc = ask(h, "PRAGMA quick_check(1)", check, sizeof(check), error, size);
	if (!rc && strcmp(check, "ok") != 0)
		rc = fail(h, error, size, -EBADMSG, "%s", check);
	return rc;
}

int history_open(struct history *h, const char *path, bool make, char *error, size_t size)
{
	int flags = SQLITE_OPEN_READWRITE | (make ? SQLITE_OPEN_CREATE : 0), rc;

	*h = (struct history){ .path = strdup(path) };
	if (!h->path)
		abort();
	rc = look_at_file(h, make, error, size);
	if (rc)
		return rc;
	/* Also to read: a journal that a killed writer left is rolled back by the next reader. */
	if (sqlite3_open_v2(path, &h->db, flags, NULL))
		return failed(h, error, size);
	sqlite3_busy_timeout(h->db, BUSY_MS);
	sqlite3_db_config(h->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(h->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	rc = execute(h, "PRAGMA foreign_keys = ON", error, size);
	return rc ? rc : look_inside(h, make, error, size);
}

void history_close(struct history *h)
{
	sqlite3_close(h->db);
	free(h->path);
	*h = (struct history){ 0 };
}

int history_default_path(char *path, size_t size, bool make)
{
	const char *base = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	int length, rc = 0;

	/* A relative one is to be ignored, says its specification. */
	if (base && base[0] == '/')
		length = snprintf(path, size, "%s/faultline", base);
	else if (home && home[0] == '/')
		length = snprintf(path, size, "%s/.local/share/faultline", home);
	else
		return -ENOENT;
	if (length < 0 || (size_t)length + sizeof("/history.sqlite") > size)
		return -ENAMETOOLONG;
	if (make)
		rc = result_dir_make(path);
	snprintf(path + length, size - (size_t)length, "/history.sqlite");
	return rc;
}

int history_begin(struct history *h, char *error, size_t size)
{
	return execute(h, "BEGIN IMMEDIATE", error, size);
}

int history_commit(struct history *h, char *error, size_t size)
{
	return execute(h, "COMMIT", error, size);
}

/* ---- adding ---- */

/* Runs a statement with texts for ?1.., then numbers; NAN is NULL. */
static int run_statement(struct history *h, const char *sql, const char *const *texts,
			 size_t text_count, const double *values, size_t value_count, char *error,
			 size_t size)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(h->db, sql, -1, &statement, NULL);

	for (size_t i = 0; i < text_count && !code; i++)
		code = sqlite3_bind_text(statement, (int)i + 1, texts[i], -1, SQLITE_STATIC);
	for (size_t i = 0; i < value_count && !code; i++) {
		int at = (int)(text_count + i) + 1;

		code = isfinite(values[i]) ? sqlite3_bind_double(statement, at, values[i])
					   : sqlite3_bind_null(statement, at);
	}
	if (!code && sqlite3_step(statement) == SQLITE_DONE)
		return sqlite3_finalize(statement) ? failed(h, error, size) : 0;
	failed(h, error, size);
	sqlite3_finalize(statement);
	return -EIO;
}

static double median_of(const struct stored_benchmark *b, size_t offset)
{
	double *values = calloc(b->count + 1, sizeof(*values)), median;
	size_t count = 0;

	if (!values)
		abort();
	for (size_t i = 0; i < b->count; i++) {
		double value =
			*(const double *)(const void *)((const char *)&b->samples[i] + offset);

		if (value > 0)
			values[count++] = value;
	}
	statistics_sort(values, count);
	median = statistics_median(values, count);
	free(values);
	return median;
}

static int add_benchmark(struct history *h, const struct stored *stored, const char *run,
			 const struct stored_benchmark *b, char *error, size_t size)
{
	const char *texts[] = { run, b->name };
	const double values[HISTORY_METRICS] = {
		[HISTORY_THROUGHPUT] = median_of(b, offsetof(struct stored_sample, ops_per_s)),
		[HISTORY_P50] = median_of(b, offsetof(struct stored_sample, p50)),
		[HISTORY_P99] = median_of(b, offsetof(struct stored_sample, p99)),
		[HISTORY_FLOOR] = view_number(view_benchmark(stored->json, b->name), "floor.ratio"),
	};

	return run_statement(h, "INSERT INTO figure VALUES(?1, ?2, ?3, ?4, ?5, ?6)", texts, 2,
			     values, HISTORY_METRICS, error, size);
}

int history_add(struct history *h, const struct stored *stored, bool *again, char *error,
		size_t size)
{
	const char *id = view_text(stored->json, "run.id", "");
	const char *texts[] = { id,
				stored->host,
				stored->cpu,
				view_text(stored->json, "host.kernel", ""),
				stored->start,
				stored->commit };
	int rc;

	if (stored->google || !*id || !*stored->start) {
		snprintf(error, size, "%s: %s", stored->path,
			 stored->google ? "is of Google Benchmark, which does not say which run"
			 : *id		? "has no run.start: it has no place in time"
					: "has no run.id: it could not be told from others");
		return -EINVAL;
	}
	rc = run_statement(h, "DELETE FROM run WHERE id = ?1", texts, 1, NULL, 0, error, size);
	*again = sqlite3_changes(h->db) > 0;
	if (!rc)
		rc = run_statement(h, "INSERT INTO run VALUES(?1, ?2, ?3, ?4, ?5, ?6)", texts, 6,
				   NULL, 0, error, size);
	for (size_t i = 0; i < stored->count && !rc; i++) {
		if (!stored->benchmarks[i].void_reason)
			rc = add_benchmark(h, stored, id, &stored->benchmarks[i], error, size);
	}
	return rc;
}
