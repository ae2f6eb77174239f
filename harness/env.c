/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env.c - reads the circumstances of a run from the kernel's files.
 */
#include "harness/env.h"

#include <cpuid.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "harness/commands.h"
#include "harness/limits.h"

json_t *env_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

double env_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *env_time(char *buffer, size_t size)
{
	time_t now = time(NULL);
	struct tm utc;

	strftime(buffer, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	return buffer;
}

bool env_read_line(const char *path, char *buffer, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got = file && fgets(buffer, (int)size, file);

	if (file)
		fclose(file);
	if (got)
		buffer[strcspn(buffer, "\n")] = '\0';
	return got;
}

const char *env_host_name(char *buffer, size_t size)
{
	if (gethostname(buffer, size))
		snprintf(buffer, size, "unknown");
	buffer[size - 1] = '\0';
	return buffer;
}

/* The value of the first line of /proc/cpuinfo that starts with key. */
static bool cpuinfo(const char *key, char *buffer, size_t size)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen("/proc/cpuinfo", "re");

	while (file && !found && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) != 0 || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(buffer, size, "%s", colon + (colon[1] == ' ' ? 2 : 1));
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

const char *env_cpu_model(char *buffer, size_t size)
{
	if (!cpuinfo("model name", buffer, size))
		snprintf(buffer, size, "unknown");
	return buffer;
}

bool env_virtualized(void)
{
	char flags[4096];

	return cpuinfo("flags", flags, sizeof(flags)) && strstr(flags, " hypervisor");
}

bool env_is_emulator(const char *signature, const char *cpu_model)
{
	/* An emulator that hides its signature still says so in the name, unless told another. */
	return strcmp(signature, "TCGTCGTCGTCG") == 0 || strstr(cpu_model, "QEMU TCG CPU") ||
	       strncmp(cpu_model, "BOCHS", 5) == 0;
}

/* Who the hypervisor says that it is, "" on bare metal. */
static void hypervisor_signature(char signature[13])
{
	unsigned eax, words[3] = { 0 };

	memset(signature, 0, 13);
	if (env_virtualized()) {
		__cpuid(0x40000000, eax, words[0], words[1], words[2]);
		memcpy(signature, words, sizeof(words));
	}
}

bool env_emulated(void)
{
	char signature[13], model[256];

	hypervisor_signature(signature);
	return env_is_emulator(signature, env_cpu_model(model, sizeof(model)));
}

const char *env_kernel(char *buffer, size_t size)
{
	struct utsname name;

	if (uname(&name))
		snprintf(buffer, size, "unknown");
	else
		snprintf(buffer, size, "%s %s", name.sysname, name.release);
	return buffer;
}

bool env_has_gnuplot(void)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path) {
		size_t length = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/gnuplot", (int)length, path);
		if (access(file, X_OK) == 0)
			return true;
		path += length + (path[length] == ':');
	}
	return false;
}

bool env_huge_pages(int node, unsigned size_kb, long *total, long *unused)
{
	char path[160], text[32];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-%ukB/nr_hugepages", node,
		 size_kb);
	if (!env_read_line(path, text, sizeof(text)))
		return false;
	*total = strtol(text, NULL, 10);
	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-%ukB/free_hugepages", node,
		 size_kb);
	if (!env_read_line(path, text, sizeof(text)))
		return false;
	*unused = strtol(text, NULL, 10);
	return true;
}

uint64_t env_huge_bytes_free(unsigned size_kb)
{
	static const char *const files[] = { "free_hugepages", "nr_overcommit_hugepages" };
	char path[128], text[32];
	uint64_t pages = 0;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ukB/%s", size_kb,
			 files[i]);
		if (env_read_line(path, text, sizeof(text)))
			pages += strtoull(text, NULL, 10);
	}
	return pages * size_kb * 1024;
}

/* The file's line, or null and <key>_reason. */
static void set_line(json_t *object, const char *key, const char *path)
{
	char text[1024], name[96];

	if (env_read_line(path, text, sizeof(text))) {
		json_object_set_new(object, key, json_string(text));
		return;
	}
	json_object_set_new(object, key, json_null());
	snprintf(name, sizeof(name), "%s_reason", key);
	snprintf(text, sizeof(text), "%s: %s", path, strerror(errno));
	json_object_set_new(object, name, json_string(text));
}

static json_t *huge_pages_json(const struct topology *t)
{
	static const struct {
		const char *name;
		unsigned kb;
	} sizes[] = { { "2m", 2048 }, { "1g", 1048576 } };
	json_t *list = json_array();
	long total, unused;

	for (unsigned i = 0; i < 2 * t->node_count; i++) {
		int node = t->node_os[i / 2];

		if (!env_huge_pages(node, sizes[i % 2].kb, &total, &unused))
			continue;
		json_array_append_new(list, json_pack("{s:i, s:s, s:I, s:I}", "node", node, "size",
						      sizes[i % 2].name, "total", (json_int_t)total,
						      "free", (json_int_t)unused));
	}
	return list;
}

static json_t *limit(uint64_t value)
{
	return value == LIMITS_NONE ? json_null() : json_integer((json_int_t)value);
}

static json_t *limits_json(void)
{
	struct limits l;

	limits_read(&l, NULL);
	/* No limit and an unreadable one are both null here: the reason says so. */
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "cpus", (int)l.cpu_count,
			 "cpu_quota", l.cpu_quota > 0 ? json_real(l.cpu_quota) : json_null(),
			 "memory_max", limit(l.memory_max), "memory_left", limit(l.memory_left),
			 "memory_available", limit(l.memory_available), "memory_total",
			 limit(l.memory_total), "cgroup", l.cgroup, "null_reason",
			 "null: not limited, or not readable");
}

json_t *env_json(const struct topology *t, const struct clock_source *clock, const char *label)
{
	char text[256];
	json_t *env = json_object(), *timer;

	json_object_set_new(env, "host", json_string(env_host_name(text, sizeof(text))));
	json_object_set_new(env, "cpu", json_string(env_cpu_model(text, sizeof(text))));
	json_object_set_new(env, "kernel", json_string(env_kernel(text, sizeof(text))));
	json_object_set_new(env, "virtualized", json_boolean(env_virtualized()));
	json_object_set_new(env, "emulated", json_boolean(env_emulated()));
	json_object_set_new(env, "cpus", json_integer(t->pu_count));
	json_object_set_new(env, "nodes", json_integer(t->node_count));
	set_line(env, "thp", "/sys/kernel/mm/transparent_hugepage/enabled");
	set_line(env, "thp_shmem", "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
	json_object_set_new(env, "huge_pages", huge_pages_json(t));
	set_line(env, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
	set_line(env, "clocksource",
		 "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	set_line(env, "load", "/proc/loadavg");
	set_line(env, "max_map_count", "/proc/sys/vm/max_map_count");
	json_object_set_new(env, "limits", limits_json());
	timer = json_pack("{s:s, s:o, s:o, s:o}", "source", clock_source_name(clock->kind), "hz",
			  env_number(clock->hz), "step_ns", env_number(clock->step_ns), "pair_ns",
			  env_number(clock->pair_ns));
	if (clock->why[0])
		json_object_set_new(timer, "tsc_reason", json_string(clock->why));
	json_object_set_new(env, "timer", timer);
	json_object_set_new(env, "commit", json_string(FAULTLINE_COMMIT));
	json_object_set_new(env, "compiler", json_string(__VERSION__));
	json_object_set_new(env, "variant", json_string(FAULTLINE_VARIANT));
	json_object_set_new(env, "label", json_string(label));
	return env;
}
