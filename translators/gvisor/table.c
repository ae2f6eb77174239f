/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - the table of this plug-in: the ABI's pointers on one side, Go's numbers on the other.
 *
 * It keeps no state. What Go would need a wrapper for anyway is checked here: a file other than
 * the one memory file is nobody's.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "translators/gvisor/exports.h"
#include "translators/translator.h"

#define MEMORY_FILE 1

/* The package's, from `make peers`. */
#ifndef GVISOR_VERSION
#define GVISOR_VERSION "unknown"
#endif

static uintptr_t number(const void *handle)
{
	return (uintptr_t)handle;
}

static int gate_open(const struct translator_option *options, struct translator_engine **engine,
		     char *error, size_t error_size)
{
	uintptr_t handle;
	int rc = gvisor_open((struct translator_option *)options, &handle, error, error_size);

	if (!rc)
		*engine = (struct translator_engine *)handle;
	return rc;
}

static void gate_close(struct translator_engine *engine)
{
	gvisor_close(number(engine));
}

static int gate_stat(struct translator_engine *engine, struct translator_stat *stat)
{
	return gvisor_stat(number(engine), stat);
}

static int gate_object_create(struct translator_engine *engine,
			      const struct translator_object_options *options,
			      struct translator_object **object)
{
	uintptr_t handle;
	int rc = gvisor_object_create(number(engine), (struct translator_object_options *)options,
				      &handle);

	if (!rc)
		*object = (struct translator_object *)handle;
	return rc;
}

static void gate_object_destroy(struct translator_object *object)
{
	gvisor_object_destroy(number(object));
}

static int gate_object_truncate(struct translator_object *object, uint64_t size)
{
	return gvisor_object_truncate(number(object), size);
}

static int gate_object_punch(struct translator_object *object, uint64_t offset, uint64_t length)
{
	return gvisor_object_punch(number(object), offset, length);
}

static int gate_object_invalidate(struct translator_object *object, uint64_t offset,
				  uint64_t length)
{
	return gvisor_object_invalidate(number(object), offset, length);
}

static int gate_translate(struct translator_object *object, struct translator_range required,
			  struct translator_range optional, uint32_t access,
			  struct translator_translation *out, size_t max, size_t *count)
{
	return gvisor_translate(number(object), required, optional, access, out, max, count);
}

static void gate_incref(struct translator_engine *engine, uint64_t file, uint64_t offset,
			uint64_t length)
{
	if (file == MEMORY_FILE)
		gvisor_incref(number(engine), offset, length);
}

static void gate_decref(struct translator_engine *engine, uint64_t file, uint64_t offset,
			uint64_t length)
{
	if (file == MEMORY_FILE)
		gvisor_decref(number(engine), offset, length);
}

static void *gate_map_internal(struct translator_engine *engine, uint64_t file, uint64_t offset,
			       uint64_t length, uint32_t access)
{
	if (file != MEMORY_FILE)
		return NULL;
	return (void *)gvisor_map_internal(number(engine), offset, length, access);
}

static int gate_space_create(struct translator_engine *engine, uint64_t bytes,
			     struct translator_space **space)
{
	uintptr_t handle;
	int rc = gvisor_space_create(number(engine), bytes, &handle);

	if (!rc)
		*space = (struct translator_space *)handle;
	return rc;
}

static void gate_space_destroy(struct translator_space *space)
{
	gvisor_space_destroy(number(space));
}

static int gate_space_fork(struct translator_space *parent, struct translator_space **child)
{
	uintptr_t handle;
	int rc = gvisor_space_fork(number(parent), &handle);

	if (!rc)
		*child = (struct translator_space *)handle;
	return rc;
}

static int gate_map(struct translator_space *space, const struct translator_map_options *options)
{
	return gvisor_map(number(space), (struct translator_map_options *)options);
}

static int gate_unmap(struct translator_space *space, uint64_t address, uint64_t length)
{
	return gvisor_unmap(number(space), address, length);
}

static int gate_protect(struct translator_space *space, uint64_t address, uint64_t length,
			uint32_t perms)
{
	return gvisor_protect(number(space), address, length, perms);
}

static int gate_remap(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		      uint64_t new_address, uint64_t new_length)
{
	return gvisor_remap(number(space), old_address, old_length, new_address, new_length);
}

static int gate_discard(struct translator_space *space, uint64_t address, uint64_t length)
{
	return gvisor_discard(number(space), address, length);
}

static int gate_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	return gvisor_fault(number(space), address, access);
}

static int gate_lookup(struct translator_space *space, uint64_t address, uint32_t access,
		       struct translator_translation *out)
{
	return gvisor_lookup(number(space), address, access, out);
}

static int gate_read(struct translator_space *space, uint64_t address, void *to, uint64_t length,
		     uint64_t *done)
{
	return gvisor_read(number(space), address, number(to), length, done);
}

static int gate_write(struct translator_space *space, uint64_t address, const void *from,
		      uint64_t length, uint64_t *done)
{
	return gvisor_write(number(space), address, number(from), length, done);
}

static int gate_batch(struct translator_engine *engine, const struct translator_batch *batch,
		      uint64_t *done)
{
	*done = 0;
	if (batch->op == TRANSLATOR_BATCH_REFERENCE && batch->file != MEMORY_FILE)
		return -EINVAL;
	return gvisor_batch(number(engine), (struct translator_batch *)batch, done);
}

const struct translator faultline_translator = {
	.magic = TRANSLATOR_MAGIC,
	.abi_major = TRANSLATOR_ABI_MAJOR,
	.abi_minor = TRANSLATOR_ABI_MINOR,
	.struct_size = sizeof(struct translator),
	.name = "gvisor",
	.version = GVISOR_VERSION,
	.description = "the Go original: gVisor's memory manager and page allocator",
	.capabilities = TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES | TRANSLATOR_CAN_SPACES |
			TRANSLATOR_CAN_PROTECT | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_FORK |
			TRANSLATOR_CAN_REMAP | TRANSLATOR_CAN_IO | TRANSLATOR_CAN_BATCH |
			TRANSLATOR_KEEPS_THREADS,
	.open = gate_open,
	.close = gate_close,
	.stat = gate_stat,
	.object_create = gate_object_create,
	.object_destroy = gate_object_destroy,
	.object_truncate = gate_object_truncate,
	.object_punch = gate_object_punch,
	.object_invalidate = gate_object_invalidate,
	.translate = gate_translate,
	.incref = gate_incref,
	.decref = gate_decref,
	.map_internal = gate_map_internal,
	.space_create = gate_space_create,
	.space_destroy = gate_space_destroy,
	.space_fork = gate_space_fork,
	.map = gate_map,
	.unmap = gate_unmap,
	.protect = gate_protect,
	.remap = gate_remap,
	.discard = gate_discard,
	.fault = gate_fault,
	.lookup = gate_lookup,
	.read = gate_read,
	.write = gate_write,
	.batch = gate_batch,
};
