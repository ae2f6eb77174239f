/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hugepages.h - huge pages for a test, reserved as root and given back: fixtures for cmocka. 2 MiB
 * pages, unless the test names the file of another pool (HUGEPAGES_POOL).
 *
 * What is added is what is taken away again, since others may change the pool meanwhile. Without
 * the permission nothing is added and the test skips by what the engine's probe tells it.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>

#ifndef HUGEPAGES_POOL
#define HUGEPAGES_POOL "/proc/sys/vm/nr_hugepages"
#endif

static bool hugepages_added;

static bool hugepages_add(long n)
{
	FILE *f = fopen(HUGEPAGES_POOL, "r+");
	long now;
	bool done = false;

	if (!f)
		return false;
	/* Tests at the same time read and write it one after the other. */
	flock(fileno(f), LOCK_EX);
	if (fscanf(f, "%ld", &now) == 1) {
		rewind(f);
		done = fprintf(f, "%ld\n", now + n < 0 ? 0 : now + n) > 0 && !fflush(f);
	}
	return !fclose(f) && done;
}

#ifndef HUGEPAGES
#define HUGEPAGES 8
#endif

static int hugepages_setup(void **state)
{
	(void)state;
	hugepages_added = hugepages_add(HUGEPAGES);
	return 0;
}

static int hugepages_teardown(void **state)
{
	(void)state;
	if (hugepages_added)
		hugepages_add(-HUGEPAGES);
	return 0;
}
