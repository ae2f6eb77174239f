/* SPDX-License-Identifier: Apache-2.0 */
/*
 * null.c - a translator that computes nothing: what it takes is the cost of the call gate.
 *
 * Every function takes its arguments, gives a constant answer of the right shape and returns. An
 * answer says that an address is present at the same offset of file 1. Nothing is kept, nothing
 * is shared between threads: memory to touch is the calling thread's own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "translators/translator.h"

#define PAGE UINT64_C(4096)
#define FILE_NUMBER 1

struct translator_engine {
	int nothing;
};
struct translator_object {
	int nothing;
};
struct translator_space {
	int nothing;
};

static struct translator_engine the_engine;
static struct translator_object the_object;
static struct translator_space the_space;
static _Thread_local unsigned char scratch[4096] __attribute__((aligned(4096)));

static int null_open(const struct translator_option *options, struct translator_engine **engine,
		     char *error, size_t error_size)
{
	for (; options && options->key; options++) {
		if (!strcmp(options->key, "pages") || !strcmp(options->key, "as") ||
		    !strcmp(options->key, "memory_max") || !strcmp(options->key, "refs"))
			continue;
		snprintf(error, error_size, "null has no option '%s'.", options->key);
		return -EINVAL;
	}
	*engine = &the_engine;
	return 0;
}

static void null_close(struct translator_engine *engine)
{
	(void)engine;
}

static int null_thread_enter(struct translator_engine *engine)
{
	(void)engine;
	return 0;
}

static void null_thread_leave(struct translator_engine *engine)
{
	(void)engine;
}

static int null_stat(struct translator_engine *engine, struct translator_stat *stat)
{
	(void)engine;
	*stat = (struct translator_stat){ 0 };
	return 0;
}

static int null_prefault(struct translator_engine *engine, int node, uint64_t bytes)
{
	(void)engine, (void)node, (void)bytes;
	return 0;
}

static int null_place(struct translator_engine *engine, const struct translator_place *place)
{
	(void)engine, (void)place;
	return 0;
}

static int null_move(struct translator_space *space, uint64_t address, uint64_t length, int node,
		     uint32_t flags, struct translator_moved *moved)
{
	(void)space, (void)address, (void)node, (void)flags;
	*moved = (struct translator_moved){ .moved = length / 4096 };
	return 0;
}

static int null_locality(struct translator_engine *engine, struct translator_locality *locality)
{
	(void)engine;
	*locality = (struct translator_locality){ .pages = 0 };
	return 0;
}

/* There is no page to ask the kernel about. */
static int null_placement(struct translator_engine *engine, uint64_t file, uint64_t offset,
			  uint64_t *kernel_page_size, int *node)
{
	(void)engine, (void)file, (void)offset, (void)kernel_page_size, (void)node;
	return -ENOENT;
}

static int null_object_create(struct translator_engine *engine,
			      const struct translator_object_options *options,
			      struct translator_object **object)
{
	(void)engine, (void)options;
	*object = &the_object;
	return 0;
}

static void null_object_destroy(struct translator_object *object)
{
	(void)object;
}

static int null_object_truncate(struct translator_object *object, uint64_t size)
{
	(void)object, (void)size;
	return 0;
}

static int null_object_range(struct translator_object *object, uint64_t offset, uint64_t length)
{
	(void)object, (void)offset, (void)length;
	return 0;
}

static int null_translate(struct translator_object *object, struct translator_range required,
			  struct translator_range optional, uint32_t access,
			  struct translator_translation *out, size_t max, size_t *count)
{
	(void)object, (void)optional, (void)access, (void)max;
	*out = (struct translator_translation){
		.source = required,
		.file = FILE_NUMBER,
		.offset = required.start,
		.perms = TRANSLATOR_READ | TRANSLATOR_WRITE,
	};
	*count = 1;
	return 0;
}

static void null_reference(struct translator_engine *engine, uint64_t file, uint64_t offset,
			   uint64_t length)
{
	(void)engine, (void)file, (void)offset, (void)length;
}

/* A range is shown if the one page of the calling thread can show it. */
static void *null_map_internal(struct translator_engine *engine, uint64_t file, uint64_t offset,
			       uint64_t length, uint32_t access)
{
	(void)engine, (void)file, (void)access;
	return offset % PAGE + length <= PAGE ? scratch + offset % PAGE : NULL;
}

static int null_space_create(struct translator_engine *engine, uint64_t bytes,
			     struct translator_space **space)
{
	(void)engine, (void)bytes;
	*space = &the_space;
	return 0;
}

static void null_space_destroy(struct translator_space *space)
{
	(void)space;
}

static int null_space_fork(struct translator_space *parent, struct translator_space **child)
{
	(void)parent;
	*child = &the_space;
	return 0;
}

static int null_map(struct translator_space *space, const struct translator_map_options *options)
{
	(void)space, (void)options;
	return 0;
}

static int null_space_range(struct translator_space *space, uint64_t address, uint64_t length)
{
	(void)space, (void)address, (void)length;
	return 0;
}

static int null_protect(struct translator_space *space, uint64_t address, uint64_t length,
			uint32_t perms)
{
	(void)space, (void)address, (void)length, (void)perms;
	return 0;
}

static int null_remap(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		      uint64_t new_address, uint64_t new_length)
{
	(void)space, (void)old_address, (void)old_length, (void)new_address, (void)new_length;
	return 0;
}

static int null_fault(struct translator_space *space, uint64_t address, uint32_t access)
{
	(void)space, (void)address, (void)access;
	return 0;
}

static int null_lookup(struct translator_space *space, uint64_t address, uint32_t access,
		       struct translator_translation *out)
{
	uint64_t page = address & ~(PAGE - 1);

	(void)space, (void)access;
	*out = (struct translator_translation){
		.source = { page, page + PAGE },
		.file = FILE_NUMBER,
		.offset = page,
		.perms = TRANSLATOR_READ | TRANSLATOR_WRITE,
	};
	return 0;
}

static void *null_host_address(struct translator_space *space, uint64_t address)
{
	(void)space;
	return scratch + address % PAGE;
}

static int null_read(struct translator_space *space, uint64_t address, void *to, uint64_t length,
		     uint64_t *done)
{
	(void)space, (void)address, (void)to;
	*done = length;
	return 0;
}

static int null_write(struct translator_space *space, uint64_t address, const void *from,
		      uint64_t length, uint64_t *done)
{
	(void)space, (void)address, (void)from;
	*done = length;
	return 0;
}

/* One call, whatever the count: what it takes is the gate. */
static int null_batch(struct translator_engine *engine, const struct translator_batch *batch,
		      uint64_t *done)
{
	(void)engine;
	*done = batch->count;
	return 0;
}

static int null_self_check(struct translator_engine *engine, char *sentence, size_t size)
{
	(void)engine, (void)sentence, (void)size;
	return 0;
}

extern const struct translator translator_null;
const struct translator translator_null = {
	.magic = TRANSLATOR_MAGIC,
	.abi_major = TRANSLATOR_ABI_MAJOR,
	.abi_minor = TRANSLATOR_ABI_MINOR,
	.struct_size = sizeof(struct translator),
	.name = "null",
	.version = "1",
	.description = "computes nothing: the cost of the call gate",
	.capabilities = TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES | TRANSLATOR_CAN_SPACES |
			TRANSLATOR_CAN_PROTECT | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH |
			TRANSLATOR_CAN_HUGE_2M | TRANSLATOR_CAN_HUGE_1G | TRANSLATOR_CAN_THP |
			TRANSLATOR_COMPUTES_NOTHING | TRANSLATOR_CAN_FORK | TRANSLATOR_CAN_REMAP |
			TRANSLATOR_CAN_IO | TRANSLATOR_CAN_PRIVATE | TRANSLATOR_CAN_FILES |
			TRANSLATOR_CAN_BATCH | TRANSLATOR_CAN_SELF_CHECK |
			TRANSLATOR_CAN_SHARD_REFERENCES | TRANSLATOR_CAN_MOVE,
	.open = null_open,
	.close = null_close,
	.thread_enter = null_thread_enter,
	.thread_leave = null_thread_leave,
	.stat = null_stat,
	.prefault = null_prefault,
	.placement = null_placement,
	.place = null_place,
	.move = null_move,
	.locality = null_locality,
	.object_create = null_object_create,
	.object_destroy = null_object_destroy,
	.object_truncate = null_object_truncate,
	.object_punch = null_object_range,
	.object_invalidate = null_object_range,
	.object_sync = null_object_range,
	.translate = null_translate,
	.incref = null_reference,
	.decref = null_reference,
	.map_internal = null_map_internal,
	.space_create = null_space_create,
	.space_destroy = null_space_destroy,
	.space_fork = null_space_fork,
	.map = null_map,
	.unmap = null_space_range,
	.protect = null_protect,
	.remap = null_remap,
	.discard = null_space_range,
	.fault = null_fault,
	.lookup = null_lookup,
	.host_address = null_host_address,
	.read = null_read,
	.write = null_write,
	.batch = null_batch,
	.self_check = null_self_check,
};
