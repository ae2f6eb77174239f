/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plot.c - figures: data for gnuplot, gnuplot itself, and the list of what came of it.
 *
 * gnuplot runs as a child with its default settings, no standard input, its own time limit (an
 * alarm, which survives exec and ends it whatever it does), and its messages in a file. No locks.
 */
#include "harness/plot.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/html.h"
#include "harness/plot_asset.h"
#include "harness/result_dir.h"
#include "harness/view.h"

enum { GNUPLOT_SECONDS = 20, NOT_FOUND = 127 };

FILE *plot_open(struct plot_set *set, const char *name)
{
	char path[sizeof(set->work) + 64];

	snprintf(path, sizeof(path), "%s/%s", set->work, name);
	return fopen(path, "we");
}

static int write_assets(struct plot_set *set)
{
	for (const struct plot_asset *each = plot_asset_list; each->name; each++) {
		FILE *out = plot_open(set, each->name);

		if (!out)
			return -errno;
		fputs(each->text, out);
		if (fclose(out) != 0)
			return -errno;
	}
	return 0;
}

static void remove_work(struct plot_set *set)
{
	DIR *dir = opendir(set->work);
	struct dirent *entry;

	if (dir) {
		while ((entry = readdir(dir)))
			if (entry->d_name[0] != '.')
				unlinkat(dirfd(dir), entry->d_name, 0);
		closedir(dir);
	}
	rmdir(set->work);
}

int plot_set_init(struct plot_set *set, const char *dir, const json_t *result, char *error,
		  size_t size)
{
	const char *temporary = getenv("TMPDIR");
	struct stat status;
	int rc = 0;

	memset(set, 0, sizeof(*set));
	set->result = result;
	set->synthetic = view_true(result, "run.synthetic");
	snprintf(set->stamp, sizeof(set->stamp), "faultline · %s · %s · %s",
		 view_text(result, "host.name", "host unknown"),
		 view_text(result, "host.cpu", "CPU unknown"),
		 view_text(result, "run.start", "time unknown"));
	if ((size_t)snprintf(set->directory, sizeof(set->directory), "%s/plots", dir) >=
	    sizeof(set->directory)) {
		snprintf(error, size, "the path is too long: %s", dir);
		return -ENAMETOOLONG;
	}
	/* A link would have pictures drawn elsewhere. */
	if ((mkdir(set->directory, 0777) != 0 && errno != EEXIST) ||
	    lstat(set->directory, &status) != 0)
		rc = -errno;
	else if (!S_ISDIR(status.st_mode))
		rc = -ENOTDIR;
	if (rc) {
		snprintf(error, size, "cannot draw into %s: %s", set->directory, strerror(-rc));
		return rc;
	}
	if (!temporary || strlen(temporary) > sizeof(set->work) - 32)
		temporary = "/tmp";
	snprintf(set->work, sizeof(set->work), "%s/faultline-plot-XXXXXX", temporary);
	if (!mkdtemp(set->work)) {
		rc = -errno;
		snprintf(error, size, "cannot make a temporary directory %s: %s", set->work,
			 strerror(-rc));
		return rc;
	}
	rc = write_assets(set);
	if (rc) {
		snprintf(error, size, "cannot write to %s: %s", set->work, strerror(-rc));
		remove_work(set);
	}
	return rc;
}

void plot_set_release(struct plot_set *set)
{
	remove_work(set);
	free(set->plots);
	memset(set, 0, sizeof(*set));
}

struct plot *plot_add(struct plot_set *set, const char *section, const char *name)
{
	struct plot *grown = realloc(set->plots, (set->count + 1) * sizeof(*grown));
	struct plot *plot;

	if (!grown)
		return NULL;
	set->plots = grown;
	plot = &grown[set->count++];
	memset(plot, 0, sizeof(*plot));
	plot->section = section;
	snprintf(plot->file, sizeof(plot->file) - 4, "%s%s%.90s", section, *name ? "-" : "", name);
	for (char *at = plot->file; *at; at++)
		if (!isalnum((unsigned char)*at))
			*at = '-';
	strcat(plot->file, ".svg");
	snprintf(plot->error, sizeof(plot->error), "its data could not be written");
	return plot;
}

FILE *plot_settings(struct plot_set *set, const struct plot *plot, unsigned width, unsigned height,
		    const char *subtitle)
{
	FILE *out = plot_open(set, "settings.gp");

	if (!out)
		return NULL;
	fprintf(out, "W = %u\nH = %u\nSYNTHETIC = %d\n", width, height, set->synthetic);
	plot_quote(out, "TITLE", plot->title);
	plot_quote(out, "SUBTITLE", subtitle);
	plot_quote(out, "STAMP", set->stamp);
	return out;
}

/* The child's side; calls only what may be called between fork and exec. */
static void exec_gnuplot(const char *work, const char *script)
{
	int null, messages;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(GNUPLOT_SECONDS);
	if (chdir(work) != 0)
		_exit(1);
	null = open("/dev/null", O_RDWR);
	messages = open("messages", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (null < 0 || messages < 0)
		_exit(1);
	dup2(null, STDIN_FILENO);
	dup2(messages, STDOUT_FILENO);
	dup2(messages, STDERR_FILENO);
	execlp("gnuplot", "gnuplot", "-d", "settings.gp", script, (char *)NULL);
	_exit(errno == ENOENT ? NOT_FOUND : 1);
}

/* Adds what gnuplot says of its failure; warnings come with every empty layer. */
static void read_message(const struct plot_set *set, char *error, size_t size)
{
	char path[sizeof(set->work) + 16], line[256];
	FILE *in;

	snprintf(path, sizeof(path), "%s/messages", set->work);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) > strspn(line, " \t^") && !strstr(line, "warning:")) {
			size_t used = strlen(error);

			snprintf(error + used, size - used, "; %s", line);
		}
	}
	if (in)
		fclose(in);
}

static bool run_gnuplot(struct plot_set *set, struct plot *plot, const char *script)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		exec_gnuplot(set->work, script);
	if (child < 0) {
		snprintf(plot->error, sizeof(plot->error), "cannot start gnuplot: %s",
			 strerror(errno));
		return false;
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR) {
			snprintf(plot->error, sizeof(plot->error), "cannot wait for gnuplot: %s",
				 strerror(errno));
			return false;
		}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND) {
		set->gnuplot_missing = true;
		snprintf(plot->error, sizeof(plot->error),
			 "gnuplot is not installed (on Debian: apt-get install gnuplot-nox)");
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
		snprintf(plot->error, sizeof(plot->error), "gnuplot took more than %d s",
			 GNUPLOT_SECONDS);
	} else if (WIFSIGNALED(status)) {
		snprintf(plot->error, sizeof(plot->error), "gnuplot was ended by signal %d",
			 WTERMSIG(status));
	} else {
		snprintf(plot->error, sizeof(plot->error), "gnuplot failed");
		read_message(set, plot->error, sizeof(plot->error));
	}
	return false;
}

/*
 * Copies gnuplot's picture to its place. On the way its title becomes ours, and its images keep
 * sharp edges: a cell of a matrix is a value, not a sample of a smooth field.
 */
static int place_picture(struct plot_set *set, const struct plot *plot)
{
	char from[sizeof(set->work) + 16], to[1024], temporary[1040];
	static const char image[] = "<image ", title[] = "<title>Gnuplot</title>";
	char *line = NULL;
	size_t room = 0;
	FILE *in, *out;
	int rc = 0;

	snprintf(from, sizeof(from), "%s/out.svg", set->work);
	snprintf(to, sizeof(to), "%s/%s", set->directory, plot->file);
	snprintf(temporary, sizeof(temporary), "%s.tmp", to);
	in = fopen(from, "re");
	out = in ? result_dir_new_file(temporary) : NULL;
	if (!out) {
		rc = -errno;
		goto out;
	}
	while (getline(&line, &room, in) >= 0) {
		if (strncmp(line, title, sizeof(title) - 1) == 0)
			html_format(out, "<title>%s</title>\n", plot->title);
		else if (strncmp(line, image, sizeof(image) - 1) == 0)
			fprintf(out, "%sstyle='image-rendering:pixelated' %s", image,
				line + sizeof(image) - 1);
		else
			fputs(line, out);
	}
	if (ferror(in) || ferror(out))
		rc = -EIO;
out:
	free(line);
	if (in)
		fclose(in);
	if (out && fclose(out) != 0 && !rc)
		rc = -errno;
	if (!rc && rename(temporary, to) != 0)
		rc = -errno;
	if (rc && out)
		unlink(temporary);
	return rc;
}

void plot_draw(struct plot_set *set, struct plot *plot, const char *script)
{
	char picture[sizeof(set->work) + 16];
	int rc;

	snprintf(picture, sizeof(picture), "%s/out.svg", set->work);
	unlink(picture);
	if (!run_gnuplot(set, plot, script))
		return;
	plot->error[0] = '\0';
	rc = place_picture(set, plot);
	if (rc)
		snprintf(plot->error, sizeof(plot->error), "cannot write the picture: %s",
			 strerror(-rc));
}

void plot_quote(FILE *out, const char *name, const char *text)
{
	fprintf(out, "%s = '", name);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		/* In gnuplot's single quotes only the quote itself is special. */
		if (c == '\'')
			fputs("''", out);
		else
			putc(c < 0x20 || c == 0x7f ? ' ' : c, out);
	}
	fputs("'\n", out);
}

void plot_field(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		/* Within double quotes of a data file a backslash would start an escape. */
		putc(c < 0x20 || c == 0x7f ? ' ' : c == '"' ? '\'' : c == '\\' ? '/' : c, out);
	}
	putc('"', out);
}

void plot_value(FILE *out, double value)
{
	if (isfinite(value))
		fprintf(out, "%.9g", value);
	else
		fputs("NaN", out);
}

static bool in_every_name(const char *segment, size_t length, const char *const names[],
			  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *at = names[i];
		bool found = false;

		while (*at && !found) {
			size_t size = strcspn(at, "/");

			found = size == length && memcmp(at, segment, length) == 0;
			at += size + (at[size] == '/');
		}
		if (!found)
			return false;
	}
	return true;
}

void plot_label(const char *name, const char *const names[], size_t count, char *label, size_t size)
{
	size_t used = 0;

	label[0] = '\0';
	while (*name) {
		size_t length = strcspn(name, "/");

		if (!in_every_name(name, length, names, count) && used < size) {
			snprintf(label + used, size - used, "%s%.*s", used ? " " : "", (int)length,
				 name);
			used += strlen(label + used);
		}
		name += length + (name[length] == '/');
	}
}

unsigned plot_colour(size_t index)
{
	/* Okabe and Ito's palette without its yellow, then Tol's darker tones. */
	static const unsigned colours[] = { 0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00,
					    0x56b4e9, 0x882255, 0x444444, 0x999933, 0x332288 };

	return colours[index % (sizeof(colours) / sizeof(colours[0]))];
}

void plot_each_workload(struct plot_set *set, const char *path, size_t least, plot_group_fn *draw)
{
	const json_t *all = view_get(set->result, "benchmarks");
	size_t i, j, total = json_array_size(all);
	const json_t **group = calloc(total + 1, sizeof(*group));
	json_t *each, *other;

	for (i = 0; group && i < total; i++) {
		const char *workload;
		size_t count = 0;

		each = json_array_get(all, i);
		workload = view_text(each, "workload", "?");
		if (view_true(each, "is_floor"))
			continue;
		json_array_foreach(all, j, other)
		{
			if (strcmp(view_text(other, "workload", "?"), workload) != 0 ||
			    json_array_size(view_get(other, path)) < least)
				continue;
			/* The group is drawn when its first member comes up. */
			if (j < i)
				break;
			group[count++] = other;
		}
		if (count && group[0] == each)
			draw(set, group, count);
	}
	free(group);
}
