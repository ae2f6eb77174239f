/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_detail.c - the second half of report.html: how far to trust the figures, and how to get
 * them again. No locks.
 */
#include "harness/report_detail.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness/html.h"
#include "harness/view.h"

/* Sorted. */
static const struct {
	const char *name, *meaning;
} flag_list[] = {
	{ "as_mismatch", "Pages are shown in another way than the one asked for (--as)." },
	{ "demoted", "Huge pages were split into 4 KiB pages while measuring." },
	{ "emulated_hardware", "The CPU is emulated: behaviour holds, times do not." },
	{ "migrated", "The kernel moved a thread from its CPU during the window." },
	{ "node_mismatch", "Pages came from another NUMA node than the one asked for." },
	{ "not_verified", "The workload has no check of its outcome, or it was left out." },
	{ "page_size_mismatch", "The kernel gave pages of another size than the one asked for." },
	{ "preempted", "Threads lost their CPU during the window; tails hold those gaps." },
	{ "rate_not_reached", "The load could not be offered at the rate asked for." },
	{ "synthetic", "Not measured on this machine: planned or made up." },
	{ "throttled", "A limit on CPU time (cgroup) or the CPU's clock held threads back." },
	{ "time_boxed", "Ended by the time limit of the run with less data than asked for." },
	{ "timer_coarse", "Operations are short against the timer and were timed in batches: "
			  "percentiles are of batch means." },
	{ "unsteady", "Repetitions disagree more than noise explains: do not trust the median." },
};

static const char *meaning_of(const char *flag)
{
	for (size_t i = 0; i < sizeof(flag_list) / sizeof(flag_list[0]); i++)
		if (strcmp(flag_list[i].name, flag) == 0)
			return flag_list[i].meaning;
	return "A flag that this version does not know.";
}

/* Has the flag been met in a benchmark before `end`, or in this one's flags before `at`? */
static bool met_before(const json_t *all, size_t end, size_t at, const char *flag)
{
	const json_t *flags = view_get(json_array_get(all, end), "flags");

	for (size_t i = 0; i < end; i++)
		if (view_flagged(json_array_get(all, i), flag))
			return true;
	for (size_t i = 0; i < at; i++)
		if (json_is_string(json_array_get(flags, i)) &&
		    strcmp(json_string_value(json_array_get(flags, i)), flag) == 0)
			return true;
	return false;
}

static void write_flag(FILE *out, const json_t *all, const char *flag)
{
	enum { NAMES_MAX = 6 };
	size_t i, count = 0, total = json_array_size(all);
	json_t *each;

	json_array_foreach(all, i, each) count += (size_t)view_flagged(each, flag);
	html_format(out, "<dt><span class=\"flag\">%s</span></dt><dd>%s ", flag, meaning_of(flag));
	fprintf(out, "<small>%zu of %zu benchmarks", count, total);
	if (count <= NAMES_MAX) {
		count = 0;
		json_array_foreach(all, i, each) if (view_flagged(each, flag)) html_format(
			out, "%s%s", count++ ? ", " : ": ", view_text(each, "name", "?"));
	}
	fputs("</small></dd>\n", out);
}

void report_detail_flags(FILE *out, const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	const json_t *notes = view_get(result, "host.notes");
	size_t i, j, written = 0;
	json_t *each, *flag;

	fputs("<section id=\"flags\"><h2>Flags</h2>\n<dl class=\"flags\">\n", out);
	json_array_foreach(all, i, each)
	{
		json_array_foreach(view_get(each, "flags"), j, flag)
		{
			const char *name = json_string_value(flag);

			if (!name || met_before(all, i, j, name))
				continue;
			write_flag(out, all, name);
			written++;
		}
		if (json_is_false(view_get(each, "verify.ok")))
			html_format(out,
				    "<dt><span class=\"flag bad\">verification failed</span></dt>"
				    "<dd>%s: %s</dd>\n",
				    view_text(each, "name", "?"),
				    view_text(each, "verify.error", "no reason given"));
	}
	fputs("</dl>\n", out);
	if (!written)
		fputs("<p>No benchmark was flagged.</p>\n", out);
	if (json_array_size(notes))
		fputs("<h3>Of this machine</h3>\n<ul>", out);
	json_array_foreach(notes, i, each) html_format(
		out, "<li>%s</li>\n", json_is_string(each) ? json_string_value(each) : "?");
	fputs(json_array_size(notes) ? "</ul></section>\n" : "</section>\n", out);
}

static int by_number(const void *left, const void *right)
{
	int a = *(const int *)left, b = *(const int *)right;

	return a < b ? -1 : a > b;
}

const char *report_detail_cpus(const json_t *cpus, char *text, size_t size)
{
	size_t count = 0, used = 0, i;
	int *numbers = calloc(json_array_size(cpus) + 1, sizeof(*numbers));
	json_t *each;

	text[0] = '\0';
	json_array_foreach(cpus, i, each)
	{
		const json_t *cpu = json_is_object(each) ? json_object_get(each, "cpu") : each;

		if (numbers && json_is_integer(cpu))
			numbers[count++] = (int)json_integer_value(cpu);
	}
	if (count)
		qsort(numbers, count, sizeof(*numbers), by_number);
	for (size_t from = 0; from < count && used < size;) {
		size_t to = from;

		while (to + 1 < count && numbers[to + 1] <= numbers[to] + 1)
			to++;
		snprintf(text + used, size - used, numbers[to] > numbers[from] ? "%s%d-%d" : "%s%d",
			 used ? "," : "", numbers[from], numbers[to]);
		used += strlen(text + used);
		from = to + 1;
	}
	free(numbers);
	return text;
}

/* A JSON value in words: texts as they are, null by its reason, the rest as JSON. */
static void write_value(FILE *out, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char *text;

	if (json_is_string(value)) {
		html_text(out, json_string_value(value));
		return;
	}
	if (!value || json_is_null(value) || json_object_get(value, "unavailable")) {
		html_format(out, "<span class=\"none\">unavailable: %s</span>",
			    view_reason(object, key));
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
	html_text(out, text ? text : "?");
	free(text);
}

static void write_placement(FILE *out, const json_t *benchmark)
{
	const json_t *asked = view_get(benchmark, "placement.asked");
	const json_t *got = view_get(benchmark, "placement.got");
	const json_t *threads = view_get(got, "threads");
	char text[512];

	fputs("<tr><td class=\"text\">", out);
	html_name(out, view_text(benchmark, "name", "(no name)"));
	fputs("</td><td class=\"text\">", out);
	html_format(out, "%s: CPU %s", view_text(asked, "place", "?"),
		    report_detail_cpus(view_get(asked, "cpus"), text, sizeof(text)));
	html_format(out, "; memory %s; pages %s; as %s</td><td class=\"text\">",
		    view_text(asked, "mem", "?"), view_text(asked, "pages", "?"),
		    view_text(asked, "as", "?"));
	if (json_array_size(threads))
		html_format(out, "CPU %s", report_detail_cpus(threads, text, sizeof(text)));
	else
		html_format(out, "<span class=\"none\">unavailable: %s</span>",
			    view_reason(got, "threads"));
	html_format(out, "; as %s", view_text(got, "as", "?"));
	fputs("</td><td class=\"text\">", out);
	write_value(out, got, "kernel_page_size");
	fputs("</td><td class=\"text\">", out);
	write_value(out, got, "pages_per_node");
	fputs("</td></tr>\n", out);
}

void report_detail_placement(FILE *out, const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	size_t i;
	json_t *each;

	fputs("<section id=\"placement\"><h2>Placement, asked and got</h2>\n<p>What the kernel "
	      "reports after the fact, never what was assumed.</p>\n<div class=\"scroll\"><table>"
	      "<thead><tr><th>benchmark</th><th>asked</th><th>got</th><th>kernel page size</th>"
	      "<th>pages per node</th></tr></thead>\n<tbody>\n",
	      out);
	json_array_foreach(all, i, each) write_placement(out, each);
	fputs("</tbody></table></div></section>\n", out);
}

/* The members of an object as a definition list, deeper objects in place. */
static void write_members(FILE *out, const json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	for (next = json_object_iter((json_t *)object); next;
	     next = json_object_iter_next((json_t *)object, next)) {
		size_t length;

		key = json_object_iter_key(next);
		value = json_object_iter_value(next);
		length = strlen(key);
		/* The reason is told where the value is missing. */
		if (length > 7 && strcmp(key + length - 7, "_reason") == 0)
			continue;
		html_format(out, "<dt>%s</dt><dd>", key);
		if (json_object_size(value) && !json_object_get(value, "unavailable")) {
			fputs("<dl>", out);
			write_members(out, value);
			fputs("</dl>", out);
		} else {
			write_value(out, object, key);
		}
		fputs("</dd>\n", out);
	}
}

static void write_object(FILE *out, const char *title, const json_t *object)
{
	if (!json_object_size(object))
		return;
	html_format(out, "<h4>%s</h4>\n<dl class=\"facts\">", title);
	write_members(out, object);
	fputs("</dl>\n", out);
}

static void write_distances(FILE *out, const json_t *benchmark)
{
	const json_t *classes = view_get(benchmark, "per_distance");
	size_t i;
	json_t *each;

	if (!json_array_size(classes))
		return;
	fputs("<h4>by distance</h4>\n<table><thead><tr><th>class</th><th>n</th><th>p50</th>"
	      "<th>p99</th></tr></thead><tbody>\n",
	      out);
	json_array_foreach(classes, i, each)
	{
		char n[VIEW_TEXT_SIZE], p50[VIEW_TEXT_SIZE], p99[VIEW_TEXT_SIZE];

		html_format(out,
			    "<tr><td class=\"text\">%s</td><td>%s</td><td>%s</td><td>%s</td>"
			    "</tr>\n",
			    view_text(each, "class", "?"),
			    view_format_count(view_number(each, "n"), n),
			    view_format_ns(view_number(each, "p50"), p50),
			    view_format_ns(view_number(each, "p99"), p99));
	}
	fputs("</tbody></table>\n", out);
}

void report_detail_benchmarks(FILE *out, const json_t *result)
{
	const json_t *all = view_get(result, "benchmarks");
	size_t i;
	json_t *each;

	fputs("<section id=\"details\"><h2>Details of each benchmark</h2>\n", out);
	json_array_foreach(all, i, each)
	{
		html_format(out, "<details><summary>%s</summary>\n<p>%s</p>\n",
			    view_text(each, "name", "(no name)"),
			    view_text(each, "description", ""));
		write_object(out, "parameters", view_get(each, "params"));
		write_object(out, "throughput", view_get(each, "throughput"));
		write_distances(out, each);
		write_object(out, "fairness", view_get(each, "fairness"));
		write_object(out, "counters", view_get(each, "counters"));
		if (view_true(each, "verify.ok"))
			fputs("<h4>verification</h4>\n<p>passed</p>\n", out);
		else
			write_object(out, "verification", view_get(each, "verify"));
		fputs("</details>\n", out);
	}
	fputs("</section>\n", out);
}

void report_detail_environment(FILE *out, const json_t *result, const json_t *env)
{
	fputs("<section id=\"environment\"><h2>Environment</h2>\n<div class=\"columns\">", out);
	write_object(out, "host", view_get(result, "host"));
	write_object(out, "tool", view_get(result, "tool"));
	if (json_is_object(env))
		write_object(out, "env.json", env);
	else
		fputs("<p class=\"missing\">unavailable: env.json is missing or unreadable</p>",
		      out);
	fputs("</div></section>\n", out);
}

static void write_argument(FILE *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-./=,:+@%";
	bool quote = !*text || strspn(text, plain) != strlen(text);

	fputs(quote ? "'" : "", out);
	for (; *text; text++)
		/* 'it'\''s': the shell's only way out of single quotes. */
		if (*text == '\'')
			fputs("&#39;\\&#39;&#39;", out);
		else
			html_text(out, (char[2]){ *text, '\0' });
	fputs(quote ? "'" : "", out);
}

void report_detail_again(FILE *out, const json_t *result, const char *job)
{
	const json_t *argv = view_get(result, "run.argv");
	const json_t *skipped = view_get(result, "skipped");
	size_t i;
	json_t *each;

	fputs("<section id=\"again\"><h2>To run it again</h2>\n<pre>", out);
	json_array_foreach(argv, i, each)
	{
		fputs(i ? " " : "", out);
		write_argument(out, json_is_string(each) ? json_string_value(each) : "?");
	}
	if (!json_array_size(argv))
		fputs("unavailable: the result does not hold the command line", out);
	fputs("</pre>\n", out);
	if (isfinite(view_number(result, "run.seed")))
		fprintf(out, "<p>seed %.0f</p>\n", view_number(result, "run.seed"));
	if (json_array_size(skipped))
		fputs("<h3>Skipped</h3>\n<ul>", out);
	json_array_foreach(skipped, i, each)
		html_format(out, "<li>%s/%s: %s</li>\n", view_text(each, "translator", "-"),
			    view_text(each, "workload", "?"),
			    view_text(each, "reason", "no reason given"));
	fputs(json_array_size(skipped) ? "</ul>\n" : "", out);
	if (job)
		html_format(out,
			    "<details><summary>job.ini: every option, in full</summary>"
			    "<pre>%s</pre></details>\n",
			    job);
	else
		fputs("<p class=\"missing\">unavailable: job.ini is missing</p>\n", out);
	fputs("</section>\n", out);
}
