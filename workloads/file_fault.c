/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-fault - read faults on a mapped host file whose pages are cached.
 *
 * One file (a memfd, so that no disk is met), mapped once; each worker reads its own part, page
 * after page. Between rounds the translations of the part are forgotten; the cache stays.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workloads/region.h"

/* The first bytes of each 4 KiB say which they are. The translator keeps an fd of its own. */
static int file_fault_create(struct workload_run *run, uint64_t bytes)
{
	struct translator_object_options options = { .kind = TRANSLATOR_OBJECT_FILE };
	int fd = options.fd = memfd_create("file-fault", MFD_CLOEXEC);
	int rc = fd < 0 || ftruncate(fd, (off_t)bytes) ? -errno : 0;

	for (uint64_t at = 0; at < bytes && !rc; at += 4096)
		rc = pwrite(fd, &at, sizeof(at), (off_t)at) == sizeof(at) ? 0 : -EIO;
	if (!rc)
		rc = run->t->object_create(run->engine, &options, &run->object);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int file_fault_setup(struct workload_run *run)
{
	int rc = region_setup_each(run);
	uint64_t all = run->params[0] * run->worker_count;

	if (!rc)
		rc = file_fault_create(run, all);
	return rc ? rc : region_map(run, region_start(run, 0), all, run->object, 0);
}

static int file_fault_verify(struct workload_run *run)
{
	uint64_t start = region_start(run, 0), found, done;
	int rc = region_verify_next(run);

	if (rc || run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING)
		return rc;
	for (uint64_t at = 0; at < run->params[0] * run->worker_count; at += 4096)
		if (run->t->read(run->space, start + at, &found, sizeof(found), &done) ||
		    found != at)
			return -EIO;
	return 0;
}

const struct workload workload_file_fault = {
	.name = "file-fault",
	.description = "read faults on pages of a host file that are cached",
	.operation = "first read fault on a cached page of a file",
	.floor = "floor-fetch-add",
	.needs = TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_FILES |
		 TRANSLATOR_CAN_IO,
	.params = { { "region", "bytes for each worker", 16 << 20 } },
	.roles = { { .name = "reader", .run = region_fault_next_read, .reset = region_forget } },
	.round_of = region_round,
	.setup = file_fault_setup,
	.enter = region_enter_object,
	.verify = file_fault_verify,
	.teardown = region_teardown,
};
