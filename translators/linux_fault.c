/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_fault.c - faults, lookups and copies: the kernel is asked, and where its answer says less
 * than the contract, the book is.
 *
 * A fault is MADV_POPULATE_READ or _WRITE of one page. That is all when it succeeds; a failure is
 * tried again with the book held still, so that its reason is that of one moment.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "translators/linux.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Of an entry of /proc/self/pagemap. */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_OF_FILE (UINT64_C(1) << 61)
#define PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56)

#define COPY_MAX (UINT64_C(1) << 30) /* the kernel's own limit is near 2 GiB */

static int populate(struct translator_space *space, uint64_t page, uint32_t access)
{
	return madvise(space->window + page, PAGE_BYTES,
		       access & TRANSLATOR_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)
		       ? -errno
		       : 0;
}

static int fault_with_book(struct translator_space *space, uint64_t page, uint32_t access)
{
	const struct linux_mapping *m = linux_book_at(space, page);
	int rc;

	if (!m)
		return -EFAULT;
	if (access & ~linux_effective(m->perms))
		return -EACCES;
	rc = populate(space, page, access);
	return rc == -EFAULT ? TRANSLATOR_BUS_ERROR(EFAULT) : rc;
}

int linux_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	uint64_t page = address & ~(PAGE_BYTES - 1);
	struct linux_mapping *m;
	int rc;

	if (page >= space->bytes)
		return -EFAULT;
	/* The kernel is not asked whether something may be executed: the book is. */
	if (!(access & TRANSLATOR_EXEC) && !populate(space, page, access) &&
	    !atomic_load(&space->any_forgotten))
		return 0;
	pthread_rwlock_rdlock(&space->engine->lock);
	rc = fault_with_book(space, page, access);
	m = rc ? NULL : linux_book_at(space, page);
	if (m && atomic_load(&m->forgotten))
		atomic_store(&m->forgotten, false);
	pthread_rwlock_unlock(&space->engine->lock);
	return rc;
}

/*
 * What the entry of a private mapping shows. A page that is of no file and nobody else's is the
 * copy, or the first page, that a store made; of no file and not exclusive, the kernel's page of
 * zeroes; of a file, the object's, or the kernel's large page of zeroes.
 */
static int look_private(const struct linux_mapping *m, uint64_t page, uint64_t entry,
			struct translator_translation *out)
{
	out->file = ANONYMOUS_FILE;
	out->offset = m->private_offset + (page - m->start);
	if (!(entry & PAGEMAP_OF_FILE) && (entry & PAGEMAP_EXCLUSIVE))
		return 0;
	out->perms &= ~(uint32_t)TRANSLATOR_WRITE;
	out->offset = 0;
	if (!m->object)
		return 0;
	if (atomic_load(&m->forgotten))
		return -ENOENT;
	out->file = m->object->number;
	out->offset = m->offset + (page - m->start);
	return 0;
}

int linux_lookup(struct translator_space *space, uint64_t address, uint32_t access,
		 struct translator_translation *out)
{
	uint64_t page = address & ~(PAGE_BYTES - 1), entry = 0;
	uint64_t host = (uint64_t)(uintptr_t)space->window + page;
	struct translator_translation found = { .source = { page, page + PAGE_BYTES } };
	const struct linux_mapping *m;
	int rc = -ENOENT;

	pthread_rwlock_rdlock(&space->engine->lock);
	m = linux_book_at(space, page);
	if (m && !(access & ~linux_effective(m->perms)) &&
	    pread(space->engine->pagemap, &entry, sizeof(entry),
		  (off_t)(host / PAGE_BYTES * sizeof(entry))) == (ssize_t)sizeof(entry) &&
	    (entry & PAGEMAP_PRESENT)) {
		found.perms = linux_effective(m->perms);
		rc = 0;
		if (m->is_private) {
			rc = look_private(m, page, entry, &found);
		} else {
			found.file = m->object->number;
			found.offset = m->offset + (page - m->start);
		}
	}
	pthread_rwlock_unlock(&space->engine->lock);
	if (!rc && (access & ~found.perms))
		rc = -ENOENT;
	if (!rc)
		*out = found;
	return rc;
}

void *linux_host_address(struct translator_space *space, uint64_t address)
{
	return space->window + address;
}

/*
 * The kernel copies as from another process: page by page, and says how far it came. In a window
 * it meets nothing but what the application has mapped there.
 */
static int copy(struct translator_space *space, uint64_t address, void *mine, uint64_t length,
		bool store, uint64_t *done)
{
	*done = 0;
	while (*done < length) {
		uint64_t at = address + *done, piece = length - *done;
		struct iovec local, remote;
		ssize_t n;

		if (at >= space->bytes || at < address)
			return -EFAULT;
		piece = piece < COPY_MAX ? piece : COPY_MAX;
		piece = piece < space->bytes - at ? piece : space->bytes - at;
		local = (struct iovec){ (unsigned char *)mine + *done, piece };
		remote = (struct iovec){ space->window + at, piece };
		n = store ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0)
			  : process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
		if (n <= 0)
			return n ? -errno : -EFAULT;
		*done += (uint64_t)n;
	}
	return 0;
}

int linux_read(struct translator_space *space, uint64_t address, void *to, uint64_t length,
	       uint64_t *done)
{
	return copy(space, address, to, length, false, done);
}

int linux_write(struct translator_space *space, uint64_t address, const void *from, uint64_t length,
		uint64_t *done)
{
	return copy(space, address, (void *)(uintptr_t)from, length, true, done);
}
