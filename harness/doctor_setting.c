/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_setting.c - the kernel settings that doctor_fix changes.
 */
#include "harness/doctor_setting.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "harness/kernel_file.h"

#define CPUS "/sys/devices/system/cpu/"

const struct doctor_setting doctor_settings[] = {
	{ "aslr", "/proc/sys/kernel/randomize_va_space", "2", NULL,
	  "all processes have one layout of memory: what it favours, no repetition averages out" },
	{ "boost", CPUS "cpufreq/boost", "0", NULL,
	  "the clock depends on heat, and on what the other cores do" },
	{ "governor", CPUS "cpu*/cpufreq/scaling_governor", "performance", NULL,
	  "the clock follows the load, with a delay" },
	{ "nmi-watchdog", "/proc/sys/kernel/nmi_watchdog", "0", NULL,
	  "it takes a hardware counter, and interrupts each CPU" },
	{ "numa-balancing", "/proc/sys/kernel/numa_balancing", "0", NULL,
	  "pages are unmapped to see who uses them, and moved between nodes" },
	{ "thp", "/sys/kernel/mm/transparent_hugepage/enabled", "madvise", "always",
	  "where pages of 4 KiB were asked the kernel may give 2 MiB, at times of its own" },
	{ "turbo", CPUS "intel_pstate/no_turbo", "1", NULL,
	  "the clock depends on heat, and on what the other cores do" },
	{ 0 },
};

int doctor_read(const char *root, const char *path, char *value, size_t size)
{
	char text[256], *begin = text;
	size_t length;
	int rc = kernel_file_read(root, path, text, sizeof(text));

	if (rc)
		return rc;
	if (strchr(text, '['))
		begin = strchr(text, '[') + 1;
	length = strcspn(begin, " \t\n]");
	if (!length || length >= size)
		return -EBADMSG;
	memcpy(value, begin, length);
	value[length] = '\0';
	return 0;
}

size_t doctor_each_file(const char *root, const struct doctor_setting *setting, doctor_file_fn *f,
			void *arg)
{
	size_t skip = root ? strlen(root) : 0, count = 0;
	char pattern[4096], value[64];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s%s", root ? root : "", setting->path);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i] + skip;

		if (doctor_read(root, path, value, sizeof(value)))
			continue;
		count++;
		if (f(path, value, arg))
			break;
	}
	globfree(&found);
	return count;
}

int doctor_is_bad(const struct doctor_setting *setting, const char *value)
{
	return setting->bad ? !strcmp(value, setting->bad) : strcmp(value, setting->want);
}
