/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.c - reading job files, line by line.
 *
 * The whole file is read before anything of it is applied: a section may change what its base says
 * as often as it likes, and an option that adds to itself is set once.
 */
#include "harness/job.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/suggest.h"
#include "workloads/workload.h"

#define WORDS_MAX 256

struct reader {
	struct job *job;
	struct job_section *section; /* NULL: none has begun */
	unsigned line;
	char *error;
	size_t size;
};

static int refuse(const struct reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(const struct reader *r, const char *format, ...)
{
	va_list list;
	int length = snprintf(r->error, r->size, "%s:%u: ", r->job->path, r->line);

	va_start(list, format);
	if (length >= 0 && (size_t)length < r->size)
		vsnprintf(r->error + length, r->size - (size_t)length, format, list);
	va_end(list);
	return -EINVAL;
}

static char *copy(const char *text)
{
	char *kept = strdup(text);

	if (!kept)
		abort();
	return kept;
}

static size_t find_section(const struct job *job, const char *name)
{
	size_t i = 0;

	while (i < job->count && strcmp(job->sections[i].name, name) != 0)
		i++;
	return i;
}

static struct job_section *add_section(struct job *job, const char *name, unsigned line)
{
	struct job_section *larger =
		realloc(job->sections, (job->count + 1) * sizeof(*job->sections));

	if (!larger)
		abort();
	job->sections = larger;
	job->sections[job->count] = (struct job_section){ .name = copy(name), .line = line };
	return &job->sections[job->count++];
}

/* "[name]" */
static int read_section(struct reader *r, char *text)
{
	struct job *job = r->job;
	char *end = strchr(text, ']');
	size_t at;

	if (!end || end[1])
		return refuse(r, "a section is [name], alone on its line");
	*end = '\0';
	text++;
	if (!*text || text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789._-")])
		return refuse(r, "the name of a section is made of letters, digits, '.', '_' and "
				 "'-'");
	at = find_section(job, text);
	if (at == 0 && !job->sections[0].line && job->count == 1) {
		job->sections[0].line = r->line;
		r->section = job->sections;
		return 0;
	}
	if (at == 0 && !job->sections[0].line)
		return refuse(r, "[run] comes first: the others begin from it");
	if (at < job->count)
		return refuse(r, "[%s] is there already, in line %u", text, job->sections[at].line);
	if (job->count == JOB_SECTIONS_MAX)
		return refuse(r, "more than %u sections", JOB_SECTIONS_MAX);
	r->section = add_section(job, text, r->line);
	return 0;
}

/* Takes the quotes off a value, in place. 0 or -EINVAL. */
static int unquote(char *value)
{
	char *to = value, *from = value + 1;

	while (*from && *from != '"') {
		if (*from == '\\') {
			from++;
			if (!*from || !strchr("\"\\n", *from))
				return -EINVAL;
			*to++ = (char)(*from == 'n' ? '\n' : *from);
		} else {
			*to++ = *from;
		}
		from++;
	}
	*to = '\0';
	return *from == '"' && !from[1] ? 0 : -EINVAL;
}

/* No blanks beside commas, in place: a list may be written with them. */
static void close_up(char *list)
{
	char *to = list;

	for (char *from = list; *from; from++) {
		char *next = from + strspn(from, " \t");

		if (next != from && (*next == ',' || (to > list && to[-1] == ',')))
			from = next;
		if (!*from)
			break;
		*to++ = *from;
	}
	*to = '\0';
}

static int set_value(struct reader *r, struct job_value *value, const char *key, const char *text)
{
	if (value->text)
		return refuse(r, "\"%s\" is there already, in line %u", key, value->line);
	*value = (struct job_value){ copy(text), r->line };
	return 0;
}

static int set_workloads(struct reader *r, char *text)
{
	const char *names[WORDS_MAX];
	char hint[96], **items;
	size_t known = 0, count;
	int rc = 0;

	for (; workload_list[known] && known < WORDS_MAX; known++)
		names[known] = workload_list[known]->name;
	close_up(text);
	count = options_list(text, &items);
	for (size_t i = 0; i < count && !rc; i++) {
		if (!workload_find(items[i]))
			rc = refuse(r, "unknown workload \"%s\"%s", items[i],
				    suggest_text(items[i], names, known, hint, sizeof(hint)));
	}
	options_list_free(items, count);
	return rc ? rc : set_value(r, &r->section->workload, "workload", text);
}

static int set_parent(struct reader *r, const char *name)
{
	struct job *job = r->job;
	const char *names[JOB_SECTIONS_MAX];
	char hint[96];
	size_t self = (size_t)(r->section - job->sections), at = find_section(job, name);

	if (!self)
		return refuse(r, "[run] is the base of all others: it inherits nothing");
	for (size_t i = 0; i < self; i++)
		names[i] = job->sections[i].name;
	if (at >= self)
		return refuse(r, "no section above is [%s]%s", name,
			      suggest_text(name, names, self, hint, sizeof(hint)));
	if (r->section->inherit_line)
		return refuse(r, "\"inherit\" is there already, in line %u",
			      r->section->inherit_line);
	r->section->inherit_line = r->line;
	r->section->parent = at;
	return 0;
}

static int set_key(struct reader *r, const char *key, char *text)
{
	const char *names[OPTION_COUNT + 2] = { "inherit", "workload" };
	char hint[96];
	size_t count = 2;

	if (strcmp(key, "inherit") == 0)
		return set_parent(r, text);
	if (strcmp(key, "workload") == 0)
		return set_workloads(r, text);
	for (unsigned id = 0; id < OPTION_COUNT; id++) {
		const struct option *option = &option_table[id];

		/* A job file that names another would never end. */
		if (!(option->commands & FOR_RUN) || id == OPTION_JOB)
			continue;
		names[count++] = option->name;
		if (strcmp(key, option->name) != 0)
			continue;
		if (!option->varies && r->section != r->job->sections)
			return refuse(r, "\"%s\" holds for the whole run: it stands in [run]", key);
		if (option->varies)
			close_up(text);
		return set_value(r, &r->section->values[id], key, text);
	}
	return refuse(r, "unknown key \"%s\"%s", key,
		      suggest_text(key, names, count, hint, sizeof(hint)));
}

/* One line, which it may write to, without its end. */
static int read_line(struct reader *r, char *text)
{
	char *end = text + strlen(text), *equals, *value;

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	text += strspn(text, " \t");
	if (!*text || *text == ';' || *text == '#')
		return 0;
	if (*text == '[')
		return read_section(r, text);
	equals = strchr(text, '=');
	if (!equals || equals == text)
		return refuse(r, "neither [section] nor key = value: \"%.60s\"", text);
	if (!r->section)
		return refuse(r, "stands in no section: begin with [run]");
	value = equals + 1 + strspn(equals + 1, " \t");
	while (equals > text && isspace((unsigned char)equals[-1]))
		equals--;
	*equals = '\0';
	if (*value == '"' && unquote(value))
		return refuse(r, "%s: a value in quotes ends with one; inside, \\\" \\\\ \\n",
			      text);
	return set_key(r, text, value);
}

int job_parse(struct job *job, const char *path, const char *text, size_t length, char *error,
	      size_t size)
{
	struct reader r = { .job = job, .error = error, .size = size };
	int rc = 0;

	*job = (struct job){ .path = copy(path) };
	add_section(job, "run", 0);
	for (const char *at = text, *end = text + length; at < end && !rc;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t line_length = (size_t)((newline ? newline : end) - at);
		char *line = strndup(at, line_length);

		if (!line)
			abort();
		r.line++;
		rc = strlen(line) < line_length ? refuse(&r, "a zero byte: this is no text")
						: read_line(&r, line);
		free(line);
		at += line_length + 1;
	}
	if (!rc && !r.section) {
		r.line = 1;
		rc = refuse(&r, "holds no section: a job file begins with [run]");
	}
	return rc;
}

int job_read(struct job *job, const char *path, char *error, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -EINVAL;
	struct stat status;
	char *text;
	ssize_t got;

	*job = (struct job){ 0 };
	if (fd < 0 || fstat(fd, &status)) {
		snprintf(error, size, "--job: %s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(status.st_mode) || status.st_size > (off_t)JOB_BYTES_MAX) {
		snprintf(error, size, "--job: %s: is %s", path,
			 S_ISREG(status.st_mode) ? "too large for a job file (over 1 MiB)"
						 : "not a plain file");
		goto out;
	}
	text = malloc((size_t)status.st_size + 1);
	if (!text)
		abort();
	got = read(fd, text, (size_t)status.st_size);
	if (got < 0)
		snprintf(error, size, "--job: %s: %s", path, strerror(errno));
	else
		rc = job_parse(job, path, text, (size_t)got, error, size);
	free(text);
out:
	if (fd >= 0)
		close(fd);
	return rc;
}

void job_release(struct job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		for (unsigned id = 0; id < OPTION_COUNT; id++)
			free(job->sections[i].values[id].text);
		free(job->sections[i].workload.text);
		free(job->sections[i].name);
	}
	free(job->sections);
	free(job->path);
	*job = (struct job){ 0 };
}

/* What a section says of one thing, or what it inherits; text is NULL if nothing does. */
static struct job_value lookup(const struct job *job, size_t section, size_t offset)
{
	for (;;) {
		const struct job_section *s = &job->sections[section];
		const struct job_value *value =
			(const struct job_value *)(const void *)((const char *)s + offset);

		if (value->text || !section)
			return *value;
		section = s->parent;
	}
}

int job_apply(const struct job *job, size_t section, struct options *options, char *error,
	      size_t size)
{
	struct job_value value;
	int rc = 0;

	options->job_path = copy(job->path);
	if (section)
		options->group = copy(job->sections[section].name);
	for (unsigned id = 0; id < OPTION_COUNT && !rc; id++) {
		value = lookup(job, section,
			       offsetof(struct job_section, values) + id * sizeof(value));
		options->job_line[id] = value.line;
		if (value.text)
			rc = options_set_word(options, id, value.text, ORIGIN_JOB, error, size);
	}
	value = lookup(job, section, offsetof(struct job_section, workload));
	if (!rc && value.text)
		options->job_argument_count = options_list(value.text, &options->job_arguments);
	return rc;
}
