/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.c - the kernel's own mmap, faults, madvise and mremap: what a user gets with no translator
 * at all.
 *
 * A space is a window of this process, an object a file, a fault one madvise. What the kernel does
 * not offer to a process is not claimed: a copy of one window (fork copies the whole process),
 * references to pages, pages=2m with its parts changed (hugetlb refuses that), counts of pages.
 *
 * Here: the engine and the table of functions.
 */
#include "translators/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define THP_ENABLED "/sys/kernel/mm/transparent_hugepage/enabled"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* The choice in brackets: always, madvise or never. */
static void read_thp(char *choice, size_t size)
{
	FILE *file = fopen(THP_ENABLED, "r");
	char text[64] = "", *start, *end;

	if (file && !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	start = strchr(text, '[');
	end = start ? strchr(start, ']') : NULL;
	if (end)
		*end = '\0';
	snprintf(choice, size, "%s", end ? start + 1 : "never");
}

static int parse_pages(struct translator_engine *engine, const char *value, char *error,
		       size_t size)
{
	bool thp = !strcmp(value, "thp");
	char choice[16];

	if (!thp && strcmp(value, "4k")) {
		snprintf(error, size, "linux has pages=4k and thp, not %s", value);
		return strcmp(value, "2m") && strcmp(value, "1g") ? -EINVAL : -ENODEV;
	}
	read_thp(choice, sizeof(choice));
	if (thp && !strcmp(choice, "never")) {
		snprintf(error, size, "pages=thp: " THP_ENABLED " says never");
		return -ENODEV;
	}
	/* Where large pages come unasked, small ones have to be asked for. */
	engine->advice = thp			     ? MADV_HUGEPAGE
			 : !strcmp(choice, "always") ? MADV_NOHUGEPAGE
						     : MADV_NORMAL;
	return 0;
}

/* as=none and mmap are the same here; memory_max is for the kernel to know, and nobody asks it. */
static int parse_option(const struct translator_option *o, struct translator_engine *engine,
			char *error, size_t size)
{
	if (!strcmp(o->key, "pages"))
		return parse_pages(engine, o->value, error, size);
	if (!strcmp(o->key, "memory_max") ||
	    (!strcmp(o->key, "as") && (!strcmp(o->value, "none") || !strcmp(o->value, "mmap"))))
		return 0;
	snprintf(error, size, "linux knows pages=4k|thp and as=none|mmap, not %s=%s", o->key,
		 o->value);
	return -EINVAL;
}

/* Whether this kernel lets us do what everything here is made of. */
static int probe(struct translator_engine *engine, char *error, size_t size)
{
	char from = 1, to = 0;
	struct iovec local = { &to, 1 }, remote = { &from, 1 };
	uintptr_t page = (uintptr_t)&from & ~(uintptr_t)(PAGE_BYTES - 1);
	const char *lacking = NULL;

	engine->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (engine->pagemap < 0)
		lacking = "/proc/self/pagemap";
	else if (madvise((void *)page, PAGE_BYTES, MADV_POPULATE_READ))
		lacking = "MADV_POPULATE_READ (Linux 5.14)";
	else if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1)
		lacking = "process_vm_readv of oneself";
	if (!lacking)
		return 0;
	snprintf(error, size, "linux needs %s: %s", lacking, strerror(errno));
	if (engine->pagemap >= 0)
		close(engine->pagemap);
	return -ENODEV;
}

static int linux_open(const struct translator_option *options, struct translator_engine **out,
		      char *error, size_t error_size)
{
	struct translator_engine *engine = calloc(1, sizeof(*engine));
	int rc = 0;

	if (!engine) {
		snprintf(error, error_size, "linux cannot start: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	engine->advice = MADV_NORMAL;
	for (; !rc && options && options->key; options++)
		rc = parse_option(options, engine, error, error_size);
	if (!rc)
		rc = probe(engine, error, error_size);
	if (rc) {
		free(engine);
		return rc;
	}
	pthread_rwlock_init(&engine->lock, NULL);
	engine->private_next = PAGE_BYTES; /* 0 is the page of zeroes */
	*out = engine;
	return 0;
}

static void linux_close(struct translator_engine *engine)
{
	pthread_rwlock_destroy(&engine->lock);
	close(engine->pagemap);
	free(engine);
}

static int linux_stat(struct translator_engine *engine, struct translator_stat *stat)
{
	stat->host_mappings = atomic_load(&engine->host_mappings);
	stat->host_unmappings = atomic_load(&engine->host_unmappings);
	return 0;
}

extern const struct translator translator_linux;
const struct translator translator_linux = {
	.magic = TRANSLATOR_MAGIC,
	.abi_major = TRANSLATOR_ABI_MAJOR,
	.abi_minor = TRANSLATOR_ABI_MINOR,
	.struct_size = sizeof(struct translator),
	.name = "linux",
	.version = "1",
	.description = "the kernel's own mmap, faults and mremap: no translator at all",
	.capabilities = TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_SPACES | TRANSLATOR_CAN_PROTECT |
			TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH | TRANSLATOR_CAN_THP |
			TRANSLATOR_CAN_REMAP | TRANSLATOR_CAN_IO | TRANSLATOR_CAN_PRIVATE |
			TRANSLATOR_CAN_FILES,
	.open = linux_open,
	.close = linux_close,
	.stat = linux_stat,
	.object_create = linux_object_create,
	.object_destroy = linux_object_destroy,
	.object_truncate = linux_truncate,
	.object_punch = linux_punch,
	.object_invalidate = linux_invalidate,
	.object_sync = linux_sync,
	.translate = linux_translate,
	.space_create = linux_space_create,
	.space_destroy = linux_space_destroy,
	.map = linux_map,
	.unmap = linux_unmap,
	.protect = linux_protect,
	.remap = linux_remap,
	.discard = linux_discard,
	.fault = linux_fault,
	.lookup = linux_lookup,
	.host_address = linux_host_address,
	.read = linux_read,
	.write = linux_write,
};
