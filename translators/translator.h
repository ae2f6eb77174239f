/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator.h - the interface between faultline and a translator, built in or loaded.
 *
 * A translator maps an application's addresses (spaces) to offsets in memory-mappable objects,
 * and those to reference-counted pages of host files. It exports one symbol, faultline_translator,
 * a const struct translator. Everything else is reached through that table, on opaque handles.
 *
 * Conventions
 *   - Addresses, offsets and lengths are bytes, multiples of 4096 unless said otherwise.
 *   - Functions return 0 or -errno; TRANSLATOR_BUS_ERROR(e) where a load would take SIGBUS.
 *   - A function that is NULL, or whose capability bit is clear, is never called.
 *   - Any call may run concurrently with any other on the same engine, except that close,
 *     object_destroy and space_destroy need the handle to themselves. Every thread that makes
 *     calls has called thread_enter first.
 *   - C99-clean and usable from C++; includes nothing of faultline.
 */
#ifndef FAULTLINE_TRANSLATOR_H
#define FAULTLINE_TRANSLATOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRANSLATOR_MAGIC 0x666c7472u /* "fltr" */
#define TRANSLATOR_ABI_MAJOR 0
#define TRANSLATOR_ABI_MINOR 1

#define TRANSLATOR_BUS_ERROR(e) (-(0x10000 + (e)))

/* Capability bits: what a translator can do. What it lacks is skipped with the reason. */
enum {
	TRANSLATOR_CAN_OBJECTS = 1 << 0, /* objects, truncate, punch, invalidate, translate */
	TRANSLATOR_CAN_REFERENCES = 1 << 1, /* incref, decref, map_internal */
	TRANSLATOR_CAN_SPACES = 1 << 2, /* spaces: map, unmap, fault, lookup */
	TRANSLATOR_CAN_PROTECT = 1 << 3,
	TRANSLATOR_CAN_DISCARD = 1 << 4,
	TRANSLATOR_CAN_TOUCH = 1 << 5, /* host_address: ordinary loads and stores work */
	TRANSLATOR_CAN_HUGE_2M = 1 << 6, /* pages=2m */
	TRANSLATOR_CAN_THP = 1 << 7, /* pages=thp */
	TRANSLATOR_COMPUTES_NOTHING = 1 << 8, /* null: answers are not to be verified */
};

enum { TRANSLATOR_READ = 1, TRANSLATOR_WRITE = 2, TRANSLATOR_EXEC = 4 };

struct translator_engine;
struct translator_object;
struct translator_space;

/* One key=value option; the list ends with a NULL key. Unknown keys are refused with -EINVAL.
 * The harness always passes: pages (4k, thp, 2m), as (none, mmap), memory_max (bytes). Strings
 * live only during the call. */
struct translator_option {
	const char *key;
	const char *value;
};

struct translator_range {
	uint64_t start;
	uint64_t end;
};

/* A piece of an answer: offsets [source) of the object are bytes from `offset` of file `file`. */
struct translator_translation {
	struct translator_range source;
	uint64_t file; /* names a host file of the engine; meaningful to incref and friends */
	uint64_t offset;
	uint32_t perms;
	uint32_t reserved;
};

struct translator_map_options {
	uint64_t address; /* exact place: the range replaces what is there */
	uint64_t length;
	struct translator_object *object; /* NULL: private anonymous memory */
	uint64_t offset; /* in object */
	uint32_t perms;
	uint32_t reserved;
};

struct translator_stat {
	uint64_t live_pages; /* 4 KiB pages with a reference */
	uint64_t metadata_bytes; /* all of the translator's own allocations, backed */
	uint64_t host_mappings; /* host calls that map, so far */
	uint64_t host_unmappings;
	uint64_t demotions; /* huge pages split into small ones */
	uint64_t fallbacks; /* huge pages that became small ones when allocated */
	uint64_t zeroed_pages; /* pages cleared by hand before reuse */
};

struct translator {
	uint32_t magic; /* TRANSLATOR_MAGIC */
	uint16_t abi_major; /* must match */
	uint16_t abi_minor;
	uint32_t struct_size; /* sizeof(struct translator) of the plug-in: shorter is tolerated */
	uint32_t reserved;
	const char *name;
	const char *version;
	const char *description;
	uint64_t capabilities;

	/* ---- engine ---- */
	/* error: at most error_size bytes, a sentence; filled when the result is not 0. -EINVAL:
	 * option; -ENODEV: this machine lacks what was asked (no huge page, ...). */
	int (*open)(const struct translator_option *options, struct translator_engine **engine,
		    char *error, size_t error_size);
	void (*close)(struct translator_engine *engine); /* all objects and spaces are gone */
	int (*thread_enter)(struct translator_engine *engine);
	void (*thread_leave)(struct translator_engine *engine);
	int (*stat)(struct translator_engine *engine, struct translator_stat *stat);
	/* Makes bytes of memory resident on node (-1: any) ahead of use. Optional. */
	int (*prefault)(struct translator_engine *engine, int node, uint64_t bytes);
	/* Read back from the kernel: the page size with which, and the node on which, the page at
	 * file/offset is. -errno when unknown. Optional. */
	int (*placement)(struct translator_engine *engine, uint64_t file, uint64_t offset,
			 uint64_t *kernel_page_size, int *node);

	/* ---- objects ---- */
	int (*object_create)(struct translator_engine *engine, uint64_t size,
			     struct translator_object **object);
	void (*object_destroy)(struct translator_object *object);
	int (*object_truncate)(struct translator_object *object, uint64_t size);
	int (*object_punch)(struct translator_object *object, uint64_t offset, uint64_t length);
	/* Forgets every translation of the range; the pages stay. */
	int (*object_invalidate)(struct translator_object *object, uint64_t offset,
				 uint64_t length);
	/*
	 * Translations of at least required and at most optional (a superset) for access, in
	 * order, into out[max]; *count says how many. All required offsets must be mapped by some
	 * space. With an error the prefix in out is valid.
	 */
	int (*translate)(struct translator_object *object, struct translator_range required,
			 struct translator_range optional, uint32_t access,
			 struct translator_translation *out, size_t max, size_t *count);

	/* ---- references to pages of files ---- */
	/* Each page of [offset, offset + length) has a reference already. */
	void (*incref)(struct translator_engine *engine, uint64_t file, uint64_t offset,
		       uint64_t length);
	void (*decref)(struct translator_engine *engine, uint64_t file, uint64_t offset,
		       uint64_t length);
	/* Memory of this process that shows the (referenced) range, or NULL. */
	void *(*map_internal)(struct translator_engine *engine, uint64_t file, uint64_t offset,
			      uint64_t length, uint32_t access);

	/* ---- spaces ---- */
	/* Application addresses 0 .. bytes are usable. */
	int (*space_create)(struct translator_engine *engine, uint64_t bytes,
			    struct translator_space **space);
	void (*space_destroy)(struct translator_space *space);
	int (*map)(struct translator_space *space, const struct translator_map_options *options);
	int (*unmap)(struct translator_space *space, uint64_t address, uint64_t length);
	int (*protect)(struct translator_space *space, uint64_t address, uint64_t length,
		       uint32_t perms);
	int (*discard)(struct translator_space *space, uint64_t address, uint64_t length);
	/* What a page fault of the application does. */
	int (*fault)(struct translator_space *space, uint64_t address, uint32_t access);
	/* The translation of a present address that permits access; source.start is the (page of
	 * the) address. -ENOENT: not present, fault first. Never fills anything. */
	int (*lookup)(struct translator_space *space, uint64_t address, uint32_t access,
		      struct translator_translation *out);
	/* What to touch for an application address, or NULL. */
	void *(*host_address)(struct translator_space *space, uint64_t address);
};

/* The one symbol of a plug-in. */
extern const struct translator faultline_translator;

#ifdef __cplusplus
}
#endif
#endif
