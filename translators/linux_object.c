/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_object.c - objects are files: a memfd, or the host file itself. A page of an object is
 * named by the object's number and its own offset, so that translate has nothing to compute.
 *
 * A truncate is one for translate by size_lock, which is held as long as the kernel is at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "translators/linux.h"

static int open_memory(uint64_t size)
{
	int fd, rc;

	if (size % PAGE_BYTES || size > INT64_MAX)
		return -EINVAL;
	fd = memfd_create("object", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int open_file(int host, uint64_t *size)
{
	struct stat status;
	int flags = fcntl(host, F_GETFL), fd;

	if (flags < 0 || fstat(host, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if ((flags & O_ACCMODE) != O_RDWR)
		return -EACCES;
	*size = (uint64_t)status.st_size;
	fd = fcntl(host, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int linux_object_create(struct translator_engine *engine,
			const struct translator_object_options *options,
			struct translator_object **out)
{
	bool is_file = options->kind == TRANSLATOR_OBJECT_FILE;
	const uint64_t *reserved = options->reserved;
	struct translator_object *object;
	uint64_t size = options->size;
	int fd;

	if ((!is_file && options->kind != TRANSLATOR_OBJECT_MEMORY) ||
	    reserved[0] | reserved[1] | reserved[2] | reserved[3])
		return -EINVAL;
	fd = is_file ? open_file(options->fd, &size) : open_memory(size);
	if (fd < 0)
		return fd;
	object = calloc(1, sizeof(*object));
	if (!object) {
		close(fd);
		return -ENOMEM;
	}
	object->engine = engine;
	object->fd = fd;
	object->is_file = is_file;
	object->size = size;
	object->number = atomic_fetch_add(&engine->file_next, 1) + ANONYMOUS_FILE + 1;
	pthread_rwlock_init(&object->size_lock, NULL);
	atomic_init(&object->users, 1);
	*out = object;
	return 0;
}

void linux_object_put(struct translator_object *object)
{
	if (atomic_fetch_sub(&object->users, 1) > 1)
		return;
	close(object->fd);
	pthread_rwlock_destroy(&object->size_lock);
	free(object);
}

void linux_object_destroy(struct translator_object *object)
{
	linux_object_put(object);
}

int linux_truncate(struct translator_object *object, uint64_t size)
{
	int rc = 0;

	if ((!object->is_file && size % PAGE_BYTES) || size > INT64_MAX)
		return -EINVAL;
	pthread_rwlock_wrlock(&object->size_lock);
	if (ftruncate(object->fd, (off_t)size))
		rc = -errno;
	else
		object->size = size;
	pthread_rwlock_unlock(&object->size_lock);
	return rc;
}

int linux_punch(struct translator_object *object, uint64_t offset, uint64_t length)
{
	if (!linux_is_range(offset, length) || offset + length > INT64_MAX)
		return -EINVAL;
	return fallocate(object->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			 (off_t)length)
		       ? -errno
		       : 0;
}

/*
 * MADV_DONTNEED forgets a shared mapping's translations and keeps the pages. Of a private mapping
 * it would take the copies as well, and to pass over those is not possible while others store. So
 * what the kernel has there stays, which nobody can tell: it is the object's own page, and goes
 * when that is punched or cut off. Only lookup does as if it had been forgotten, up to the next
 * fault in that mapping, which counts as one that brings its neighbours along.
 */
int linux_invalidate(struct translator_object *object, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;
	int rc = 0;

	if (!linux_is_range(offset, length))
		return -EINVAL;
	pthread_rwlock_rdlock(&object->engine->lock);
	for (struct linux_mapping *m = object->mappings; m; m = m->next) {
		uint64_t bytes = m->end - m->start, from = 0, to = bytes;

		if (end <= m->offset || offset >= m->offset + bytes)
			continue;
		if (offset > m->offset)
			from = offset - m->offset;
		if (end - m->offset < bytes)
			to = end - m->offset;
		if (m->is_private) {
			atomic_store(&m->forgotten, true);
			atomic_store(&m->space->any_forgotten, true);
		} else if (madvise(m->space->window + m->start + from, to - from, MADV_DONTNEED)) {
			rc = -errno;
		}
	}
	pthread_rwlock_unlock(&object->engine->lock);
	return rc;
}

/* What is stored through a shared mapping is in the page cache, and that is the file. */
int linux_sync(struct translator_object *object, uint64_t offset, uint64_t length)
{
	(void)object;
	return linux_is_range(offset, length) ? 0 : -EINVAL;
}

int linux_translate(struct translator_object *object, struct translator_range required,
		    struct translator_range optional, uint32_t access,
		    struct translator_translation *out, size_t max, size_t *count)
{
	uint64_t end;

	(void)access, (void)max;
	pthread_rwlock_rdlock(&object->size_lock);
	end = object->size + (PAGE_BYTES - object->size % PAGE_BYTES) % PAGE_BYTES;
	pthread_rwlock_unlock(&object->size_lock);
	*count = 0;
	if (required.start < end) {
		*out = (struct translator_translation){
			.source = { optional.start, optional.end < end ? optional.end : end },
			.file = object->number,
			.offset = optional.start,
			.perms = TRANSLATOR_READ | TRANSLATOR_WRITE | TRANSLATOR_EXEC,
		};
		*count = 1;
	}
	return required.end <= end ? 0 : TRANSLATOR_BUS_ERROR(EFAULT);
}
