/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits_test.c - limits read from imagined /proc and /sys trees: cgroup v2, v1, containers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/cgroup.h"
#include "harness/kernel_file.h"
#include "harness/limits.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static char root[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/limits_test.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root, with the folders that it needs. */
static void put(const char *path, const char *text)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root, path);
	for (char *slash = strchr(name + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(name, 0777);
		*slash = '/';
	}
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_machine(void)
{
	put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000 kB\n"
			     "MemAvailable:    8388608 kB\n");
}

static void put_v2(void)
{
	put("/proc/self/cgroup", "0::/outer/inner\n");
	put("/proc/self/mountinfo",
	    "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
	    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
}

static void a_machine_without_limits(void **state)
{
	struct limits limits;
	cpu_set_t mask;
	uint64_t cap;

	(void)state;
	put_machine();
	limits_read(&limits, root);
	assert_int_equal(sched_getaffinity(0, sizeof(mask), &mask), 0);
	assert_int_equal(limits.cpu_count, CPU_COUNT(&mask));
	assert_true(limits.cpu_quota == 0);
	assert_true(limits.memory_max == LIMITS_NONE && limits.memory_left == LIMITS_NONE);
	assert_int_equal(limits.memory_total, 16 * GIB);
	assert_int_equal(limits.memory_available, 8 * GIB);
	assert_string_equal(limits.cgroup, "");
	assert_int_equal(limits_memory_free(&limits), 8 * GIB);
	assert_int_equal(limits_memory_cap(&limits, 0, &cap, NULL, 0), 0);
	assert_int_equal(cap, 4 * GIB);
}

static void nothing_readable_is_no_limit(void **state)
{
	struct limits limits;
	uint64_t cap;

	(void)state;
	limits_read(&limits, root);
	assert_true(limits_memory_free(&limits) == LIMITS_NONE);
	assert_int_equal(limits_memory_cap(&limits, 5 * GIB, &cap, NULL, 0), 0);
	assert_int_equal(cap, 5 * GIB);
	assert_int_equal(limits_memory_cap(&limits, 0, &cap, NULL, 0), 0);
	assert_in_range(cap, MIB, GIB);
}

static void v2_takes_the_smallest_on_the_path(void **state)
{
	struct limits limits;

	(void)state;
	put_machine();
	put_v2();
	put("/sys/fs/cgroup/outer/memory.max", "2147483648\n");
	put("/sys/fs/cgroup/outer/memory.current", "1610612736\n");
	put("/sys/fs/cgroup/outer/memory.stat", "anon 5\ninactive_file 536870912\n");
	put("/sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
	put("/sys/fs/cgroup/outer/inner/memory.max", "max\n");
	put("/sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
	limits_read(&limits, root);
	assert_int_equal(limits.memory_max, 2 * GIB);
	assert_int_equal(limits.memory_left, GIB); /* 1.5 GiB used, 0.5 of it idle cache */
	assert_true(limits.cpu_quota == 1.5);
	assert_string_equal(limits.cgroup, "/sys/fs/cgroup/outer/inner");
	put("/sys/fs/cgroup/outer/inner/memory.high", "1048576\n");
	put("/sys/fs/cgroup/outer/inner/memory.current", "2097152\n");
	put("/sys/fs/cgroup/outer/inner/cpu.max", "50000 100000\n");
	limits_read(&limits, root);
	assert_int_equal(limits.memory_max, MIB);
	assert_int_equal(limits.memory_left, 0);
	assert_true(limits.cpu_quota == 0.5);
}

static void v1_has_its_own_names_and_paths(void **state)
{
	struct limits limits;

	(void)state;
	put_machine();
	put("/proc/self/cgroup", "5:memory:/job/x\n4:cpu,cpuacct:/job\n1:name=systemd:/\n0::/\n");
	put("/proc/self/mountinfo",
	    "31 1 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	    "32 1 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	    "33 1 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1073741824\n");
	put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "268435456\n");
	put("/sys/fs/cgroup/memory/job/x/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "300000\n");
	put("/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
	limits_read(&limits, root);
	assert_int_equal(limits.memory_max, GIB);
	assert_int_equal(limits.memory_left, 768 * MIB);
	assert_true(limits.cpu_quota == 3);
	assert_string_equal(limits.cgroup, "/sys/fs/cgroup/memory/job/x");
}

static void a_container_sees_only_its_part(void **state)
{
	struct cgroup_path path;

	(void)state;
	put("/proc/self/cgroup", "0::/docker/abc/sub\n");
	put("/proc/self/mountinfo",
	    "30 22 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
	assert_int_equal(cgroup_find(root, NULL, &path), 0);
	assert_string_equal(path.dir, "/sys/fs/cgroup/sub");
	assert_true(cgroup_up(&path));
	assert_string_equal(path.dir, "/sys/fs/cgroup");
	assert_false(cgroup_up(&path));
	put("/proc/self/cgroup", "0::/../elsewhere\n");
	assert_int_equal(cgroup_find(root, NULL, &path), 0);
	assert_string_equal(path.dir, "/sys/fs/cgroup");
	put("/proc/self/cgroup", "0::/docker/abcdef\n");
	assert_int_equal(cgroup_find(root, NULL, &path), 0);
	assert_string_equal(path.dir, "/sys/fs/cgroup");
	assert_int_equal(cgroup_find(root, "memory", &path), -ENOENT);
	put("/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup\n- - -\n\n");
	assert_int_equal(cgroup_find(root, NULL, &path), -ENOENT);
	put("/proc/self/cgroup", "garbage\n0\n::\n");
	assert_int_equal(cgroup_find(root, "memory", &path), -ENOENT);
}

static void asking_too_much_names_the_limit(void **state)
{
	struct limits limits;
	char why[256] = "";
	uint64_t cap = 0;

	(void)state;
	put_machine();
	limits_read(&limits, root);
	assert_int_equal(limits_memory_cap(&limits, 9 * GIB, &cap, why, sizeof(why)), -ENOMEM);
	assert_non_null(strstr(why, "on this machine"));
	assert_non_null(strstr(why, "9216 MiB asked"));
	put_v2();
	put("/sys/fs/cgroup/outer/memory.max", "1073741824\n");
	put("/sys/fs/cgroup/outer/memory.current", "0\n");
	limits_read(&limits, root);
	assert_int_equal(limits_memory_cap(&limits, GIB, &cap, why, sizeof(why)), -ENOMEM);
	assert_non_null(strstr(why, "control group /sys/fs/cgroup/outer/inner"));
	assert_int_equal(cap, 0);
	assert_int_equal(limits_memory_cap(&limits, 960 * MIB, &cap, why, sizeof(why)), 0);
	assert_int_equal(cap, 960 * MIB);
	assert_int_equal(limits_memory_cap(&limits, 0, &cap, NULL, 0), 0);
	assert_int_equal(cap, 512 * MIB);
}

static void this_machine_has_memory(void **state)
{
	struct limits limits;
	uint64_t cap;

	(void)state;
	limits_read(&limits, NULL);
	assert_true(limits.memory_total != LIMITS_NONE);
	assert_true(limits.memory_available <= limits.memory_total);
	assert_int_equal(limits_memory_cap(&limits, 0, &cap, NULL, 0), 0);
	assert_true(cap <= limits.memory_total / 2);
}

static void kernel_files_are_cut_and_searched(void **state)
{
	char small[5];
	uint64_t value = 0;

	(void)state;
	put("/proc/x", "abcdefgh");
	assert_int_equal(kernel_file_read(root, "/proc/x", small, sizeof(small)), 0);
	assert_string_equal(small, "abcd");
	assert_int_equal(kernel_file_read(root, "/proc/y", small, sizeof(small)), -ENOENT);
	assert_string_equal(small, "");
	assert_int_equal(kernel_file_read(root, "/proc", small, sizeof(small)), -EISDIR);
	assert_int_equal(kernel_file_value("ab 1\na 2\nb: 3\n", "a", &value), 0);
	assert_int_equal(value, 2);
	assert_int_equal(kernel_file_value("ab 1\na 2\nb:\t 3\n", "b", &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(kernel_file_value("ab 1\na 2\n", "c", &value), -ENOENT);
	assert_int_equal(kernel_file_value("a x\n", "a", &value), -ENOENT);
	assert_int_equal(kernel_file_value("", "a", &value), -ENOENT);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(a_machine_without_limits),
		IN_ROOT(nothing_readable_is_no_limit),
		IN_ROOT(v2_takes_the_smallest_on_the_path),
		IN_ROOT(v1_has_its_own_names_and_paths),
		IN_ROOT(a_container_sees_only_its_part),
		IN_ROOT(asking_too_much_names_the_limit),
		cmocka_unit_test(this_machine_has_memory),
		IN_ROOT(kernel_files_are_cut_and_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
