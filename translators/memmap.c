/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memmap.c - the engine as a translator.
 *
 * `file` is always 1, the family of memory files, and `offset` is page number * 4096 in it: the
 * engine's own name of a page, from which everything else is arithmetic.
 */
#include <errno.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cached_file.h"
#include "engine/fail.h"
#include "engine/mm.h"
#include "engine/mm_fork.h"
#include "engine/mm_io.h"
#include "engine/mm_lookup.h"
#include "engine/mm_numa.h"
#include "engine/mm_remap.h"
#include "engine/shared_memory.h"
#include "engine/memory_readback.h"
#include "translators/translator.h"

#define FAMILY 1

struct translator_engine {
	struct mm *mm;
	struct memory_file *memory;
	const struct host_space_ops *host;
	enum page_class pages;
};

/* A space and an object of the ABI are the engine's own. */
static struct mm_space *mm_space(struct translator_space *s)
{
	return (struct mm_space *)s;
}

struct translator_object {
	struct shared_memory *memory; /* or NULL */
	struct cached_file *file; /* or NULL */
	struct mappable *mappable;
	struct mapping_identity *identity;
	struct translator_engine *engine;
};

/* ---- options ---- */

static int refuse(char *error, size_t size, int rc, const char *what, const char *value)
{
	snprintf(error, size, "%s: %s", what, value);
	return rc;
}

static int parse_bytes(const char *value, uint64_t *out)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);

	if (errno || end == value)
		return -EINVAL;
	switch (*end) {
	case 'g':
		n <<= 10;
		/* fall through */
	case 'm':
		n <<= 10;
		/* fall through */
	case 'k':
		n <<= 10;
		end++;
		break;
	default:
		break;
	}
	*out = n;
	return *end ? -EINVAL : 0;
}

static int parse_switch(const char *value, bool *out)
{
	*out = !strcmp(value, "on");
	return *out || !strcmp(value, "off") ? 0 : -EINVAL;
}

/* Options that are units of pages. */
static const struct {
	const char *key;
	size_t sets; /* a uint64_t of mm_opts */
} units[] = {
	{ "alloc_unit", offsetof(struct mm_opts, alloc_bytes) },
	{ "copy", offsetof(struct mm_opts, copy_bytes) },
	{ "fault_ahead", offsetof(struct mm_opts, ahead_bytes) },
	{ "map_unit", offsetof(struct mm_opts, map_bytes) },
};

/* 0, 1: not one of them, or -EINVAL. */
static int parse_unit(const struct translator_option *o, struct mm_opts *opts, char *error,
		      size_t size)
{
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t *unit = (uint64_t *)((char *)opts + units[i].sets);

		if (strcmp(o->key, units[i].key) != 0)
			continue;
		if (parse_bytes(o->value, unit) || *unit < MM_PAGE_SIZE || *unit > MM_HUGE_SIZE ||
		    (*unit & (*unit - 1)))
			return refuse(error, size, -EINVAL, o->key, "a power of two from 4k to 2m");
		return 0;
	}
	return 1;
}

static int parse_option(const struct translator_option *o, struct translator_engine *e,
			struct mm_opts *opts, char *error, size_t size)
{
	static const char *const class_name[] = { "4k", "thp", "2m", "1g" };

	if (!strcmp(o->key, "pages")) {
		for (unsigned i = 0; i < PAGE_CLASS_COUNT; i++) {
			if (strcmp(o->value, class_name[i]))
				continue;
			e->pages = opts->page_class = (enum page_class)i;
			return 0;
		}
		return refuse(error, size, -EINVAL, "memmap knows pages=4k, thp, 2m and 1g, not",
			      o->value);
	}
	if (!strcmp(o->key, "as")) {
		e->host = host_space_find(o->value);
		return e->host ? 0
			       : refuse(error, size, -EINVAL,
					"memmap knows as=none, mmap and uffd, not", o->value);
	}
	if (!strcmp(o->key, "refs")) {
		opts->memory.sharded = !strcmp(o->value, "sharded");
		return opts->memory.sharded || !strcmp(o->value, "atomic")
			       ? 0
			       : refuse(error, size, -EINVAL,
					"memmap knows refs=atomic and sharded, not", o->value);
	}
	if (!strcmp(o->key, "memory_max") && !parse_bytes(o->value, &opts->memory.max_bytes))
		return 0;
	if (!strcmp(o->key, "retain") && !parse_bytes(o->value, &opts->memory.retain_bytes))
		return 0;
	int rc = parse_unit(o, opts, error, size);

	if (rc <= 0)
		return rc;
	if (!strcmp(o->key, "fallback")) {
		opts->memory.allow_fallback = !strcmp(o->value, "yes");
		if (opts->memory.allow_fallback || !strcmp(o->value, "no"))
			return 0;
	}
	if (!strcmp(o->key, "zeroer") && !parse_switch(o->value, &opts->memory.zeroer))
		return 0;
	if (!strcmp(o->key, "releaser") && !parse_switch(o->value, &opts->memory.releaser))
		return 0;
	if (!strcmp(o->key, "zeroer") || !strcmp(o->key, "releaser"))
		return refuse(error, size, -EINVAL, o->key, "on or off");
	if (!strcmp(o->key, "memory_max") || !strcmp(o->key, "retain") ||
	    !strcmp(o->key, "fallback"))
		return refuse(error, size, -EINVAL, o->key, "a size (64m), or yes or no");
	return refuse(
		error, size, -EINVAL,
		"memmap knows the options alloc_unit, copy, fault_ahead, map_unit and retain, "
		"all =BYTES, fallback=yes|no, refs=atomic|sharded, releaser=on|off and "
		"zeroer=on|off, not",
		o->key);
}

static int memmap_open(const struct translator_option *options, struct translator_engine **out,
		       char *error, size_t error_size) MAY_LOCK_ANY
{
	struct translator_engine *e = calloc(1, sizeof(*e));
	struct mm_opts opts = { 0 };
	const char *why;
	int rc = 0;

	if (!e)
		return refuse(error, error_size, -ENOMEM, "memmap", strerror(ENOMEM));
	e->host = &host_space_none;
	for (; options && options->key && !rc; options++)
		rc = parse_option(options, e, &opts, error, error_size);
	if (!rc && e->host == &host_space_uffd && host_space_uffd_probe(&why))
		rc = refuse(error, error_size, -ENODEV, "memmap: as=uffd cannot be had", why);
	if (!rc && e->host == &host_space_uffd && e->pages == PAGE_1G)
		rc = refuse(error, error_size, -ENODEV, "memmap: as=uffd cannot be had",
			    "it shows at most 2 MiB at once, and a page of 1 GiB only whole");
	if (!rc && e->pages != PAGE_4K && !opts.memory.allow_fallback) {
		rc = memory_file_probe(e->pages, &why) ? -ENODEV : 0;
		if (rc)
			refuse(error, error_size, rc, "memmap", why);
	}
	if (!rc) {
		rc = mm_create(&opts, &e->mm);
		if (rc)
			refuse(error, error_size, rc, "memmap cannot start", strerror(-rc));
	}
	if (rc) {
		free(e);
		return rc;
	}
	e->memory = mm_memory_file(e->mm);
	*out = e;
	return 0;
}

static void memmap_close(struct translator_engine *e) MAY_LOCK_ANY
{
	mm_destroy(e->mm);
	free(e);
}

static int memmap_thread_enter(struct translator_engine *e)
{
	(void)e;
	return mm_thread_enter();
}

static void memmap_thread_leave(struct translator_engine *e)
{
	(void)e;
	mm_thread_leave();
}

static int memmap_stat(struct translator_engine *e, struct translator_stat *out) MAY_LOCK_ANY
{
	struct mm_stat s;

	mm_get_stat(e->mm, &s);
	out->live_pages = s.memory.live_pages;
	out->metadata_bytes = s.metadata_bytes;
	out->host_mappings = s.host_maps;
	out->host_unmappings = s.host_unmaps;
	out->demotions = s.demotions;
	out->fallbacks = s.fallbacks;
	out->zeroed_pages = s.memory.zeroed_pages;
	return 0;
}

static int memmap_prefault(struct translator_engine *e, int node, uint64_t bytes) MAY_LOCK_ANY
{
	uint64_t done =
		memory_file_prefault(e->memory, node < 0 ? MEMORY_NODE_ANY : node, e->pages, bytes);

	return done >= bytes ? 0 : -ENOMEM;
}

static int memmap_placement(struct translator_engine *e, uint64_t file, uint64_t offset,
			    uint64_t *kernel_page_size, int *node)
{
	uint32_t page = (uint32_t)(offset >> MM_PAGE_SHIFT);

	if (file != FAMILY)
		return -EINVAL;
	int64_t size = memory_file_kernel_page_size(e->memory, page);

	if (size < 0)
		return (int)size;
	*kernel_page_size = (uint64_t)size;
	*node = memory_file_node_of(e->memory, page);
	return *node < 0 ? *node : 0;
}

/* What a later minor version put there is not for this one to ignore. */
static bool any_reserved(const uint64_t *reserved, unsigned count)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < count; i++)
		any |= reserved[i];
	return any;
}

/* Linux rounds lengths up where the ABI wants whole pages. */
static bool is_whole(uint64_t bytes)
{
	return !(bytes % MM_PAGE_SIZE);
}

/* ---- objects ---- */

static int object_create(struct translator_engine *e,
			 const struct translator_object_options *options,
			 struct translator_object **out) MAY_LOCK_ANY
{
	bool is_file = options->kind == TRANSLATOR_OBJECT_FILE;
	/* Objects fill up in units of 2 MiB at most. */
	enum page_class cls = e->pages == PAGE_1G ? PAGE_THP : e->pages;

	if ((options->kind != TRANSLATOR_OBJECT_MEMORY && !is_file) ||
	    any_reserved(options->reserved, 4))
		return -EINVAL;

	struct translator_object *o = calloc(1, sizeof(*o));
	int rc;

	if (!o)
		return -ENOMEM;
	o->engine = e;
	rc = is_file ? cached_file_create(e->memory, options->fd, NULL, NULL, &o->file)
		     : shared_memory_create(e->memory, options->size, cls, "object", &o->memory);
	if (rc) {
		free(o);
		return rc;
	}
	o->mappable = is_file ? cached_file_mappable(o->file) : shared_memory_mappable(o->memory);
	o->identity = is_file ? cached_file_identity(o->file) : shared_memory_identity(o->memory);
	*out = o;
	return 0;
}

static void object_destroy(struct translator_object *o) MAY_LOCK_ANY
{
	mapping_identity_dec_ref(o->identity);
	free(o);
}

static int object_truncate(struct translator_object *o, uint64_t size) MAY_LOCK_ANY
{
	if (o->file)
		return cached_file_truncate(o->file, size);
	return is_whole(size) ? shared_memory_truncate(o->memory, size) : -EINVAL;
}

static int object_punch(struct translator_object *o, uint64_t offset, uint64_t length) MAY_LOCK_ANY
{
	if (!is_whole(offset) || !length || !is_whole(length))
		return -EINVAL;
	return mappable_punch(o->mappable, (struct mappable_range){ offset, offset + length });
}

static int object_invalidate(struct translator_object *o, uint64_t offset, uint64_t length)
	MAY_LOCK_ANY
{
	if (!is_whole(offset) || !length || !is_whole(length))
		return -EINVAL;
	struct mappable_range mr = { offset, offset + length };
	struct invalidate_opts opts = { .invalidate_private = false };

	if (o->file)
		cached_file_invalidate(o->file, mr, opts);
	else
		shared_memory_invalidate(o->memory, mr, opts);
	return 0;
}

static int object_sync(struct translator_object *o, uint64_t offset, uint64_t length) MAY_LOCK_ANY
{
	if (!is_whole(offset) || !length || !is_whole(length))
		return -EINVAL;
	return mapping_identity_msync(o->identity,
				      (struct mappable_range){ offset, offset + length });
}

static int translate(struct translator_object *o, struct translator_range required,
		     struct translator_range optional, uint32_t access,
		     struct translator_translation *out, size_t max, size_t *count) MAY_LOCK_ANY
{
	struct translation ts[16];
	size_t n = 0;
	int rc = mappable_translate(o->mappable,
				    (struct mappable_range){ required.start, required.end },
				    (struct mappable_range){ optional.start, optional.end },
				    (mm_access)access, ts, max < 16 ? max : 16, &n);

	for (size_t i = 0; i < n; i++) {
		uint32_t page = memory_file_page_at(o->engine->memory, ts[i].file, ts[i].offset);

		out[i] = (struct translator_translation){
			.source = { ts[i].source.start, ts[i].source.end },
			.file = FAMILY,
			.offset = (uint64_t)page << MM_PAGE_SHIFT,
			.perms = ts[i].perms,
		};
	}
	*count = n;
	return rc;
}

/* ---- references ---- */

static void incref(struct translator_engine *e, uint64_t file, uint64_t offset, uint64_t length)
	MAY_LOCK_ANY
{
	(void)file;
	if (length == MM_PAGE_SIZE)
		memory_file_inc(e->memory, (uint32_t)(offset >> MM_PAGE_SHIFT));
	else
		memory_file_inc_range(e->memory, (uint32_t)(offset >> MM_PAGE_SHIFT),
				      (uint32_t)(length >> MM_PAGE_SHIFT));
}

static void decref(struct translator_engine *e, uint64_t file, uint64_t offset, uint64_t length)
	MAY_LOCK_ANY
{
	(void)file;
	if (length == MM_PAGE_SIZE)
		memory_file_dec(e->memory, (uint32_t)(offset >> MM_PAGE_SHIFT));
	else
		memory_file_dec_range(e->memory, (uint32_t)(offset >> MM_PAGE_SHIFT),
				      (uint32_t)(length >> MM_PAGE_SHIFT));
}

static void *map_internal(struct translator_engine *e, uint64_t file, uint64_t offset,
			  uint64_t length, uint32_t access)
{
	uint32_t first = (uint32_t)(offset >> MM_PAGE_SHIFT);

	if (file != FAMILY || (access & TRANSLATOR_EXEC))
		return NULL;
	if (access & TRANSLATOR_WRITE)
		memory_file_mark_dirty_range(
			e->memory, first,
			(uint32_t)((length + (offset % MM_PAGE_SIZE) + MM_PAGE_SIZE - 1) >>
				   MM_PAGE_SHIFT));
	return memory_file_memory(e->memory, first) + offset % MM_PAGE_SIZE;
}

/* ---- spaces ---- */

static int space_create(struct translator_engine *e, uint64_t bytes, struct translator_space **out)
	MAY_LOCK_ANY
{
	int rc = mm_space_create(e->mm, e->host, bytes, (struct mm_space **)out);

	if (!rc)
		mm_space_set_end(mm_space(*out), bytes);
	return rc;
}

static void space_destroy(struct translator_space *s) MAY_LOCK_ANY
{
	mm_space_destroy(mm_space(s));
}

static int space_fork(struct translator_space *parent, struct translator_space **child) MAY_LOCK_ANY
{
	return mm_fork(mm_space(parent), (struct mm_space **)child);
}

static int map(struct translator_space *s, const struct translator_map_options *o) MAY_LOCK_ANY
{
	/* Linux rounds lengths up; the ABI does not. */
	if ((o->flags & ~(uint32_t)TRANSLATOR_MAP_PRIVATE) || any_reserved(o->reserved, 4) ||
	    !is_whole(o->length))
		return -EINVAL;

	uint64_t address;
	struct mmap_opts opts = {
		.length = o->length,
		.address = o->address,
		.fixed = true,
		.unmap = true,
		.perms = (mm_access)o->perms,
		.max_perms = MM_ANY_ACCESS,
		.is_private = !o->object || (o->flags & TRANSLATOR_MAP_PRIVATE),
		.offset = o->offset,
	};

	if (o->object) {
		opts.mappable = o->object->mappable;
		opts.identity = o->object->identity;
	}
	return mm_mmap(mm_space(s), &opts, &address);
}

static int unmap(struct translator_space *s, uint64_t address, uint64_t length) MAY_LOCK_ANY
{
	return is_whole(length) ? mm_munmap(mm_space(s), address, length) : -EINVAL;
}

static int protect(struct translator_space *s, uint64_t address, uint64_t length, uint32_t perms)
	MAY_LOCK_ANY
{
	if (!length || !is_whole(length))
		return -EINVAL;
	return mm_mprotect(mm_space(s), address, length, (mm_access)perms);
}

static int discard(struct translator_space *s, uint64_t address, uint64_t length) MAY_LOCK_ANY
{
	if (!length || !is_whole(length))
		return -EINVAL;
	return mm_discard(mm_space(s), address, length);
}

static int remap(struct translator_space *s, uint64_t old_address, uint64_t old_length,
		 uint64_t new_address, uint64_t new_length) MAY_LOCK_ANY
{
	uint64_t address;

	/* Linux has a meaning for it that the ABI has not. */
	if (!old_length || !is_whole(old_length) || !is_whole(new_length))
		return -EINVAL;
	return mm_mremap(mm_space(s), old_address, old_length, new_length, MREMAP_FIXED_MOVE,
			 new_address, &address);
}

static int fault(struct translator_space *s, uint64_t address, uint32_t access) MAY_LOCK_ANY
{
	return mm_fault(mm_space(s), address, (mm_access)access);
}

static inline void fill(struct translator_translation *out, uint64_t address, uint32_t page,
			mm_access perms)
{
	out->source.start = address & ~(MM_PAGE_SIZE - 1);
	out->source.end = out->source.start + MM_PAGE_SIZE;
	out->file = FAMILY;
	out->offset = (uint64_t)page << MM_PAGE_SHIFT;
	out->perms = perms;
}

static __attribute__((noinline)) int lookup_slow(struct translator_space *s, uint64_t address,
						 uint32_t access,
						 struct translator_translation *out)
{
	uint32_t page;
	mm_access perms;
	int rc = mm_lookup(mm_space(s), address, (mm_access)access, &page, &perms);

	if (!rc)
		fill(out, address, page, perms);
	return rc;
}

static int lookup(struct translator_space *s, uint64_t address, uint32_t access,
		  struct translator_translation *out)
{
	uint32_t page;
	mm_access perms;

	if (!mm_lookup_quick(mm_space(s), address, (mm_access)access, &page, &perms))
		return lookup_slow(s, address, access, out);
	fill(out, address, page, perms);
	return 0;
}

static void *host_address(struct translator_space *s, uint64_t address)
{
	return mm_host_address(mm_space(s), address);
}

static int space_read(struct translator_space *s, uint64_t address, void *to, uint64_t length,
		      uint64_t *done) MAY_LOCK_ANY
{
	return mm_copy_in(mm_space(s), address, to, length, (struct mm_io_opts){ 0 }, done);
}

static int space_write(struct translator_space *s, uint64_t address, const void *from,
		       uint64_t length, uint64_t *done) MAY_LOCK_ANY
{
	return mm_copy_out(mm_space(s), address, from, length, (struct mm_io_opts){ 0 }, done);
}

/* ---- nodes ---- */

static int set_place(struct translator_engine *e, const struct translator_place *p) MAY_LOCK_ANY
{
	/* The ABI's numbers are the engine's. */
	struct numa_place place = { .policy = (enum numa_policy)p->policy, .nodes = p->nodes };

	if (p->reserved)
		return -EINVAL;
	memcpy(place.weights, p->weights, sizeof(place.weights));
	return mm_set_place(e->mm, &place);
}

static int move(struct translator_space *s, uint64_t address, uint64_t length, int node,
		uint32_t flags, struct translator_moved *out) MAY_LOCK_ANY
{
	struct mm_moved moved = { 0 };

	if (!length || !is_whole(length) || flags & ~(uint32_t)TRANSLATOR_MOVE_EVEN_THERE)
		return -EINVAL;
	int rc = mm_move(mm_space(s), address, length, node, flags, &moved);

	if (!rc)
		*out = (struct translator_moved){ .moved = moved.moved,
						  .there = moved.there,
						  .shared = moved.shared,
						  .failed = moved.failed };
	return rc;
}

static int locality(struct translator_engine *e, struct translator_locality *out) MAY_LOCK_ANY
{
	struct mm_locality l;

	mm_locality(e->mm, &l);
	*out = (struct translator_locality){ .pages = l.pages.count,
					     .pages_local = l.pages.local,
					     .nodes = l.tree_nodes.count,
					     .nodes_local = l.tree_nodes.local,
					     .tables = l.tables.count,
					     .tables_local = l.tables.local };
	return 0;
}

/* ---- self check ---- */

static _Thread_local jmp_buf check_failed;
static _Thread_local char check_text[512];

static void check_hook(const char *text)
{
	snprintf(check_text, sizeof(check_text), "%s", text);
	longjmp(check_failed, 1);
}

/* The check reports like any breach, by not returning: whatever it held stays so, which does
 * no harm to an engine that nobody ought to use any more. */
static int self_check(struct translator_engine *e, char *sentence, size_t size) MAY_LOCK_ANY
{
	mm_fail_hook old = mm_fail_set_hook(check_hook);
	volatile int rc = -EIO;

	if (!setjmp(check_failed)) {
		mm_check(e->mm);
		rc = 0;
	} else {
		snprintf(sentence, size, "%s.", check_text);
	}
	mm_fail_set_hook(old);
	return rc;
}

const struct translator translator_memmap = {
	.magic = TRANSLATOR_MAGIC,
	.abi_major = TRANSLATOR_ABI_MAJOR,
	.abi_minor = TRANSLATOR_ABI_MINOR,
	.struct_size = sizeof(struct translator),
	.name = "memmap",
	.version = "0.1",
	.description = "faultline's own engine: a radix tree of lock bits over memfds",
	.capabilities = TRANSLATOR_CAN_OBJECTS | TRANSLATOR_CAN_REFERENCES | TRANSLATOR_CAN_SPACES |
			TRANSLATOR_CAN_PROTECT | TRANSLATOR_CAN_DISCARD | TRANSLATOR_CAN_TOUCH |
			TRANSLATOR_CAN_HUGE_2M | TRANSLATOR_CAN_HUGE_1G | TRANSLATOR_CAN_THP |
			TRANSLATOR_CAN_FORK | TRANSLATOR_CAN_SHARD_REFERENCES |
			TRANSLATOR_CAN_REMAP | TRANSLATOR_CAN_IO | TRANSLATOR_CAN_PRIVATE |
			TRANSLATOR_CAN_FILES | TRANSLATOR_CAN_SELF_CHECK | TRANSLATOR_CAN_MOVE |
			TRANSLATOR_KEEPS_THREADS, /* liburcu's */
	.open = memmap_open,
	.close = memmap_close,
	.thread_enter = memmap_thread_enter,
	.thread_leave = memmap_thread_leave,
	.stat = memmap_stat,
	.prefault = memmap_prefault,
	.placement = memmap_placement,
	.object_create = object_create,
	.object_destroy = object_destroy,
	.object_truncate = object_truncate,
	.object_punch = object_punch,
	.object_invalidate = object_invalidate,
	.object_sync = object_sync,
	.translate = translate,
	.incref = incref,
	.decref = decref,
	.map_internal = map_internal,
	.space_create = space_create,
	.space_destroy = space_destroy,
	.space_fork = space_fork,
	.map = map,
	.unmap = unmap,
	.protect = protect,
	.remap = remap,
	.discard = discard,
	.fault = fault,
	.lookup = lookup,
	.host_address = host_address,
	.read = space_read,
	.write = space_write,
	.self_check = self_check,
	.place = set_place,
	.move = move,
	.locality = locality,
};
