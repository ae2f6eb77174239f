/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.c - what on this machine spoils measurements: settings and circumstances.
 */
#include "harness/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/doctor_setting.h"
#include "harness/kernel_file.h"
#include "harness/limits.h"

/* Parts of the time that others may take before it is worth a word. */
#define LOAD_MAX 0.1
#define FINDINGS_MAX 32

struct findings {
	struct doctor_finding list[FINDINGS_MAX];
	size_t count;
};

static struct doctor_finding *add(struct findings *all, const char *name, enum doctor_state state)
{
	struct doctor_finding *f = &all->list[all->count++];

	*f = (struct doctor_finding){ .state = state };
	snprintf(f->name, sizeof(f->name), "%s", name);
	return f;
}

static void say(struct doctor_finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void say(struct doctor_finding *f, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(f->sentence, sizeof(f->sentence), format, list);
	va_end(list);
}

/* ---- settings ---- */

struct look {
	const struct doctor_setting *setting;
	size_t bad;
	char value[64]; /* of the first, or of the first bad one */
};

static int look_at(const char *path, const char *value, void *arg)
{
	struct look *look = arg;

	(void)path;
	if (!*look->value || (doctor_is_bad(look->setting, value) && !look->bad))
		snprintf(look->value, sizeof(look->value), "%s", value);
	look->bad += doctor_is_bad(look->setting, value) != 0;
	return 0;
}

static void add_setting(const char *root, struct findings *all, const struct doctor_setting *s)
{
	struct look look = { .setting = s };
	size_t count = doctor_each_file(root, s, look_at, &look);
	struct doctor_finding *f = add(all, s->name,
				       !count	  ? DOCTOR_ABSENT
				       : look.bad ? DOCTOR_BAD
						  : DOCTOR_GOOD);

	if (!count) {
		say(f, "%s is not there: this kernel, or the host of this guest, decides", s->path);
		return;
	}
	if (!look.bad) {
		say(f, "%s", look.value);
		return;
	}
	if (count > 1)
		say(f, "%s on %zu of %zu CPUs: %s", look.value, look.bad, count, s->harm);
	else
		say(f, "%s: %s", look.value, s->harm);
	f->settable = true;
	if (strchr(s->path, '*'))
		snprintf(f->command, sizeof(f->command), "for f in %s; do echo %s > $f; done",
			 s->path, s->want);
	else
		snprintf(f->command, sizeof(f->command), "echo %s > %s", s->want, s->path);
}

/* ---- circumstances ---- */

static void add_cgroup(const char *root, struct findings *all)
{
	struct limits limits;
	struct doctor_finding *f;

	limits_read(&limits, root);
	f = add(all, "cgroup", limits.cpu_quota > 0 ? DOCTOR_BAD : DOCTOR_GOOD);
	if (!(limits.cpu_quota > 0)) {
		say(f, "no limit of CPU time");
		return;
	}
	say(f, "%.3g CPUs' worth of time: who uses it up is stopped to the end of the period",
	    limits.cpu_quota);
	snprintf(f->command, sizeof(f->command),
		 "run it outside of %s, or: echo max > /sys/fs/cgroup%s/cpu.max", limits.cgroup,
		 limits.cgroup);
}

static void add_clock(const char *root, struct findings *all)
{
	static const char dir[] = "/sys/devices/system/clocksource/clocksource0/";
	char path[128], value[64];
	struct doctor_finding *f;

	snprintf(path, sizeof(path), "%scurrent_clocksource", dir);
	if (doctor_read(root, path, value, sizeof(value))) {
		say(add(all, "clocksource", DOCTOR_ABSENT), "%s is not there", path);
		return;
	}
	f = add(all, "clocksource", strcmp(value, "tsc") ? DOCTOR_NOTE : DOCTOR_GOOD);
	if (f->state == DOCTOR_GOOD)
		say(f, "%s", value);
	else
		say(f,
		    "%s: the kernel does not trust the TSC of this machine; see the timer in "
		    "faultline info",
		    value);
}

static void add_huge_pages(const char *root, struct findings *all)
{
	static const char path[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
	char value[64];
	struct doctor_finding *f;
	long pages;

	if (doctor_read(root, path, value, sizeof(value))) {
		say(add(all, "huge-pages", DOCTOR_ABSENT), "this kernel has no 2 MiB pages");
		return;
	}
	pages = strtol(value, NULL, 10);
	f = add(all, "huge-pages", pages > 0 ? DOCTOR_GOOD : DOCTOR_NOTE);
	if (pages > 0) {
		say(f, "%ld free pages of 2 MiB", pages);
		return;
	}
	say(f, "no free page of 2 MiB: --pages 2m has none to measure");
	snprintf(f->command, sizeof(f->command), "sysctl -w vm.nr_hugepages=512");
}

static void add_load(const char *root, struct findings *all)
{
	struct doctor_finding *f;
	char text[256];
	double part;

	/* Someone waited for a CPU: of the last ten seconds, in percent. */
	if (!kernel_file_read(root, "/proc/pressure/cpu", text, sizeof(text)) &&
	    sscanf(text, "some avg10=%lf", &part) == 1) {
		f = add(all, "load", part > 100 * LOAD_MAX ? DOCTOR_BAD : DOCTOR_GOOD);
		say(f, "somebody waited for a CPU %.3g %% of the last 10 s%s", part,
		    f->state == DOCTOR_BAD ? ": find out who (top), and end it or wait" : "");
		return;
	}
	if (kernel_file_read(root, "/proc/loadavg", text, sizeof(text)) ||
	    sscanf(text, "%lf", &part) != 1) {
		say(add(all, "load", DOCTOR_ABSENT), "/proc/loadavg is not there");
		return;
	}
	f = add(all, "load", part > LOAD_MAX ? DOCTOR_BAD : DOCTOR_GOOD);
	say(f, "%.3g programs ran at once in the last minute%s", part,
	    f->state == DOCTOR_BAD ? ": find out which (top), and end them or wait" : "");
}

static void add_smt(const char *root, struct findings *all)
{
	struct doctor_finding *f;
	char value[64];

	if (doctor_read(root, "/sys/devices/system/cpu/smt/active", value, sizeof(value))) {
		say(add(all, "smt", DOCTOR_ABSENT), "this kernel does not say");
		return;
	}
	f = add(all, "smt", strcmp(value, "0") ? DOCTOR_NOTE : DOCTOR_GOOD);
	if (f->state == DOCTOR_GOOD) {
		say(f, "no two CPUs share a core");
		return;
	}
	say(f, "two CPUs share each core, and its caches: --place cores keeps threads apart");
	snprintf(f->command, sizeof(f->command), "echo off > /sys/devices/system/cpu/smt/control");
}

static int by_name(const void *a, const void *b)
{
	const struct doctor_finding *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int doctor_look(const char *root, struct doctor_finding **findings, size_t *count)
{
	struct findings *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (const struct doctor_setting *s = doctor_settings; s->name; s++)
		add_setting(root, all, s);
	add_cgroup(root, all);
	add_clock(root, all);
	add_huge_pages(root, all);
	add_load(root, all);
	add_smt(root, all);
	qsort(all->list, all->count, sizeof(all->list[0]), by_name);
	*count = all->count;
	*findings = malloc(all->count * sizeof(**findings));
	if (*findings)
		memcpy(*findings, all->list, all->count * sizeof(**findings));
	free(all);
	return *findings ? 0 : -ENOMEM;
}
