/* SPDX-License-Identifier: Apache-2.0 */
/*
 * translator.h - the ABI 1.1 between faultline and a translator, built in or loaded.
 *
 * A translator maps an application's addresses (spaces) to offsets in memory-mappable objects,
 * and those to reference-counted pages of host files. It exports one symbol, faultline_translator,
 * a const struct translator; everything else is reached through that table, on opaque handles.
 *
 * Rules for all calls
 *   - Addresses, offsets and lengths are bytes; multiples of 4096 (else -EINVAL), but in fault,
 *     lookup, read, write, host_address and the size of a file object. Lengths are not 0.
 *   - The result is 0, -errno, or TRANSLATOR_BUS_ERROR(errno) where a load would take SIGBUS. Any
 *     call that can allocate may say -ENOMEM. After an error nothing has changed, or only what is
 *     said beside the call. Out parameters are written on success only, unless said otherwise.
 *   - `reserved` members and unknown flags are 0; a translator answers -EINVAL if they are not.
 *   - Whatever a capability bit promises must be there: a bit with a NULL function is refused. A
 *     function whose bit is clear is never called. thread_enter, thread_leave, prefault, placement,
 *     place and locality have no bit: NULL means that there is nothing to do, or to tell.
 *   - A translator neither prints, exits, changes signal masks, nor leaves a thread behind close
 *     (but those of a runtime that serves the whole process, said by TRANSLATOR_KEEPS_THREADS).
 *     If it handles SIGSEGV or SIGBUS (touch), what is not its own goes to the handler before.
 *   - Several engines may be open at once. C99-clean, usable from C++, includes only C headers.
 *
 * Versions: abi_major must match. A minor adds members at the end of struct translator, and takes
 * members that were reserved; no struct ever changes its size but that one, which says it
 * (struct_size): what a shorter table lacks is as if NULL (see TRANSLATOR_HAS).
 *
 * Which calls may run at once (each thread after its own thread_enter)
 *   | call                                     | may run beside                                 |
 *   | open                                     | everything                                     |
 *   | close                                    | nothing on that engine; no handle of it is left |
 *   | object_destroy                           | all but calls that are given that object       |
 *   | space_destroy                            | all but calls that are given that space        |
 *   | place, locality, self_check              | nothing on that engine                         |
 *   | batch                                    | whatever the operations in it may run beside   |
 *   | all others, on any handles and ranges    | each other                                     |
 * What runs at once must come out, page by page, as if in some order; a call that has returned
 * comes before one that starts later. Hence no lookup, fault, read or store finds a page that an
 * unmap, discard, truncate, punch or invalidate has taken away before it began.
 */
#ifndef FAULTLINE_TRANSLATOR_H
#define FAULTLINE_TRANSLATOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRANSLATOR_MAGIC 0x666c7472u /* "fltr" */
#define TRANSLATOR_ABI_MAJOR 1
#define TRANSLATOR_ABI_MINOR 1

#define TRANSLATOR_BUS_ERROR(e) (-(0x10000 + (e)))
#define TRANSLATOR_IS_BUS_ERROR(rc) ((rc) <= -0x10000)

/* A count in struct translator_stat that the translator does not keep. */
#define TRANSLATOR_UNKNOWN UINT64_MAX

/* Whether the table t has the function, by its length as well. */
#define TRANSLATOR_HAS(t, function)                                                           \
	((t)->struct_size >= offsetof(struct translator, function) + sizeof((t)->function) && \
	 (t)->function)

/* Capability bits: what a translator can do. What it lacks is skipped, with the reason. */
enum {
	TRANSLATOR_CAN_OBJECTS = 1 << 0, /* object_*, translate, maps of objects */
	TRANSLATOR_CAN_REFERENCES = 1 << 1, /* incref, decref, map_internal */
	TRANSLATOR_CAN_SPACES = 1 << 2, /* space_create, space_destroy, map, unmap, fault, lookup */
	TRANSLATOR_CAN_PROTECT = 1 << 3,
	TRANSLATOR_CAN_DISCARD = 1 << 4,
	TRANSLATOR_CAN_TOUCH = 1 << 5, /* host_address: ordinary loads and stores work */
	TRANSLATOR_CAN_HUGE_2M = 1 << 6, /* pages=2m */
	TRANSLATOR_CAN_THP = 1 << 7, /* pages=thp */
	TRANSLATOR_COMPUTES_NOTHING = 1 << 8, /* null: answers are not to be verified */
	TRANSLATOR_CAN_FORK = 1 << 9,
	TRANSLATOR_CAN_REMAP = 1 << 10,
	TRANSLATOR_CAN_IO = 1 << 11, /* read, write */
	TRANSLATOR_CAN_PRIVATE = 1 << 12, /* TRANSLATOR_MAP_PRIVATE */
	TRANSLATOR_CAN_FILES = 1 << 13, /* TRANSLATOR_OBJECT_FILE, object_sync */
	TRANSLATOR_CAN_BATCH = 1 << 14,
	TRANSLATOR_CAN_SELF_CHECK = 1 << 15,
	TRANSLATOR_KEEPS_THREADS = 1 << 16, /* a runtime or library in it has some of its own */
	TRANSLATOR_CAN_SHARD_REFERENCES = 1 << 17, /* refs=sharded */
	TRANSLATOR_CAN_HUGE_1G = 1 << 18, /* pages=1g */
	TRANSLATOR_CAN_MOVE = 1 << 19
};

enum { TRANSLATOR_READ = 1, TRANSLATOR_WRITE = 2, TRANSLATOR_EXEC = 4 };

struct translator_engine;
struct translator_object;
struct translator_space;

/* One key=value; the list ends with a NULL key. Strings live only during the call. The harness
 * always passes pages (4k, thp, 2m, 1g), as (none, mmap) and memory_max (bytes), refs=sharded if
 * asked (references to objects' pages are counted per CPU), and the user's after. */
struct translator_option {
	const char *key;
	const char *value;
};

struct translator_range {
	uint64_t start;
	uint64_t end;
};

/* A piece of an answer: [source) are bytes from `offset` of file `file`. The pair names a page
 * for as long as that has a reference. */
struct translator_translation {
	struct translator_range source;
	uint64_t file; /* a host file of the engine, by a number of its choice */
	uint64_t offset;
	uint32_t perms;
	uint32_t reserved;
};

enum translator_object_kind {
	TRANSLATOR_OBJECT_MEMORY = 0, /* zeroes at first, lives in memory, shared by its mappings */
	TRANSLATOR_OBJECT_FILE = 1 /* the contents and the size of a host file, cached */
};

struct translator_object_options {
	uint32_t kind; /* enum translator_object_kind */
	int fd; /* file: a regular file open for reading and writing; duplicated if it is kept */
	uint64_t size; /* memory: bytes; file: ignored */
	uint64_t reserved[4];
};

/* A store to a private mapping of an object goes to a copy that only this space sees. */
enum { TRANSLATOR_MAP_PRIVATE = 1 << 0 };

struct translator_map_options {
	uint64_t address; /* exact place: the range replaces what is there */
	uint64_t length;
	struct translator_object *object; /* NULL: private anonymous memory */
	uint64_t offset; /* in object */
	uint32_t perms;
	uint32_t flags;
	uint64_t reserved[4];
};

/* Of the engine as a whole, exact when nothing runs. All members are TRANSLATOR_UNKNOWN when stat
 * is called; it sets those that the translator keeps. */
struct translator_stat {
	uint64_t live_pages; /* 4 KiB pages with a reference */
	uint64_t metadata_bytes; /* all of the translator's own allocations, backed */
	uint64_t host_mappings; /* host calls that map, so far */
	uint64_t host_unmappings;
	uint64_t demotions; /* huge pages split into small ones */
	uint64_t fallbacks; /* huge pages that became small ones when allocated */
	uint64_t zeroed_pages; /* pages cleared by hand before reuse */
	uint64_t references; /* sum of the counts of all pages */
	uint64_t reserved[8];
};

/* NUMA policies, as set_mempolicy(2) has them. Nodes by the kernel's numbers. */
enum translator_policy {
	TRANSLATOR_POLICY_LOCAL = 0, /* the node of the CPU that touches first */
	TRANSLATOR_POLICY_BIND, /* only from these */
	TRANSLATOR_POLICY_INTERLEAVE, /* in turn, by address */
	TRANSLATOR_POLICY_PREFERRED, /* the first while it has any */
	TRANSLATOR_POLICY_WEIGHTED /* in turn, each as often as its weight says */
};

struct translator_place {
	uint32_t policy; /* enum translator_policy */
	uint32_t reserved;
	uint64_t nodes; /* bit mask */
	uint8_t weights[64]; /* weighted: of each node of the mask, not 0 */
};

/* Count even those pages as to be moved that are on the node already: what it costs can then be
 * measured on a machine of one node. */
enum { TRANSLATOR_MOVE_EVEN_THERE = 1 << 0 };

/* What became of the present 4 KiB pages of a range. */
struct translator_moved {
	uint64_t moved, there; /* there: were on the node */
	uint64_t shared; /* with other spaces or objects, or referenced: left alone */
	uint64_t failed; /* the node has no memory, or they are one piece that is too large */
	uint64_t reserved[4];
};

/* Read back from the kernel: of those that are backed, how many are on the node of their user (who
 * asked for the page; the pages that a tree node names, or a table counts). */
struct translator_locality {
	uint64_t pages, pages_local; /* present ones, of 4 KiB */
	uint64_t nodes, nodes_local; /* of trees */
	uint64_t tables, tables_local; /* counts and the like, in pages */
	uint64_t reserved[8];
};

enum translator_batch_op {
	TRANSLATOR_BATCH_NOTHING = 0, /* the loop alone: what entering the runtime costs */
	TRANSLATOR_BATCH_FAULT, /* fault(space, a, access) */
	TRANSLATOR_BATCH_LOOKUP, /* lookup(space, a, access) */
	TRANSLATOR_BATCH_TRANSLATE, /* translate(object, [a, a + length), the same, access) */
	TRANSLATOR_BATCH_INVALIDATE, /* object_invalidate(object, a, length) */
	TRANSLATOR_BATCH_REFERENCE, /* incref(file, a, length), then decref of the same */
	TRANSLATOR_BATCH_MAP_FAULT_UNMAP /* map anonymous [a, a + length), fault at a, unmap */
};

/* Operation number i is done at a = addresses[i], or address + i * stride if that is NULL. */
struct translator_batch {
	uint32_t op; /* enum translator_batch_op */
	uint32_t access;
	struct translator_space *space;
	struct translator_object *object;
	uint64_t file;
	const uint64_t *addresses;
	uint64_t address, stride, length;
	uint64_t count;
	uint64_t reserved[4];
};

struct translator {
	uint32_t magic; /* TRANSLATOR_MAGIC */
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t struct_size; /* sizeof(struct translator) of the plug-in */
	uint32_t reserved;
	const char *name;
	const char *version;
	const char *description;
	uint64_t capabilities;

	/* ---- engine ---- */
	/* Into error goes a sentence, at most error_size bytes, when the result is not 0:
	 * -EINVAL: an option, which it names; -ENODEV: this machine lacks what was asked (huge
	 * pages, ...). */
	int (*open)(const struct translator_option *options, struct translator_engine **engine,
		    char *error, size_t error_size);
	void (*close)(struct translator_engine *engine);
	/* Every thread calls enter before its other calls on the engine, and leave as often. */
	int (*thread_enter)(struct translator_engine *engine);
	void (*thread_leave)(struct translator_engine *engine);
	int (*stat)(struct translator_engine *engine, struct translator_stat *stat);
	/* Makes bytes of memory resident on node (-1: any) ahead of use. -ENOMEM: less than
	 * that. */
	int (*prefault)(struct translator_engine *engine, int node, uint64_t bytes);
	/* Read back from the kernel: the page size with which, and the node on which, the
	 * (referenced) page at file/offset is. -errno when that is not to be known. */
	int (*placement)(struct translator_engine *engine, uint64_t file, uint64_t offset,
			 uint64_t *kernel_page_size, int *node);

	/* ---- objects ---- */
	/* -EINVAL: unknown kind; -EBADF, -EACCES: the fd. */
	int (*object_create)(struct translator_engine *engine,
			     const struct translator_object_options *options,
			     struct translator_object **object);
	/* Gives the handle up, as close(2) does: mappings go on, the last one ends the object. */
	void (*object_destroy)(struct translator_object *object);
	/* Beyond a new end no page is left, nor private copy of one; grown parts are zeroes. File:
	 * the host file changes as well. */
	int (*object_truncate)(struct translator_object *object, uint64_t size);
	/* The range reads as zeroes and has no pages; private copies stay. The size stays. */
	int (*object_punch)(struct translator_object *object, uint64_t offset, uint64_t length);
	/* Forgets every translation of the range in all spaces; pages and private copies stay. */
	int (*object_invalidate)(struct translator_object *object, uint64_t offset,
				 uint64_t length);
	/* File: what was stored through shared mappings into the range is in the host file. */
	int (*object_sync)(struct translator_object *object, uint64_t offset, uint64_t length);
	/*
	 * Translations of at least required and at most optional (a superset) for access, in order,
	 * into out[max] (max > 0); *count says how many, and with an error how many are valid all
	 * the same. Every required offset is mapped by some space. Gives no references. Bus error:
	 * past the end.
	 */
	int (*translate)(struct translator_object *object, struct translator_range required,
			 struct translator_range optional, uint32_t access,
			 struct translator_translation *out, size_t max, size_t *count);

	/* ---- references to pages of files ---- */
	/* Each page of [offset, offset + length) has a reference when the call is made. */
	void (*incref)(struct translator_engine *engine, uint64_t file, uint64_t offset,
		       uint64_t length);
	/* The last one frees the page. */
	void (*decref)(struct translator_engine *engine, uint64_t file, uint64_t offset,
		       uint64_t length);
	/* Memory of this process that shows the (referenced) range, any length within a page of the
	 * file, while the references last. NULL: cannot be shown so. */
	void *(*map_internal)(struct translator_engine *engine, uint64_t file, uint64_t offset,
			      uint64_t length, uint32_t access);

	/* ---- spaces ---- */
	/* Addresses 4096 .. bytes are usable; nothing is mapped yet. */
	int (*space_create)(struct translator_engine *engine, uint64_t bytes,
			    struct translator_space **space);
	void (*space_destroy)(struct translator_space *space); /* unmaps everything */
	/*
	 * *child becomes a copy of parent: the same mappings; private pages are shared until either
	 * side writes, objects for good. Other threads may go on in parent: if one stores A and
	 * then B, no child has B without A. After an error parent is as it was.
	 */
	int (*space_fork)(struct translator_space *parent, struct translator_space **child);
	/* -ENOMEM: beyond the space. The mapping keeps the object alive. */
	int (*map)(struct translator_space *space, const struct translator_map_options *options);
	int (*unmap)(struct translator_space *space, uint64_t address, uint64_t length);
	/* -ENOMEM: not all of it is mapped; what comes before the hole is changed. */
	int (*protect)(struct translator_space *space, uint64_t address, uint64_t length,
		       uint32_t perms);
	/*
	 * Moves a mapping with its pages, and shortens or lengthens it; what stood in [new_address,
	 * new_address + new_length) goes first, as by unmap: what runs beside it may find nothing
	 * there in between. Both ranges are apart and in the space (-EINVAL); old is a part of one
	 * mapping. -EFAULT: nothing is mapped at old_address. After other errors the destination
	 * may be empty.
	 */
	int (*remap)(struct translator_space *space, uint64_t old_address, uint64_t old_length,
		     uint64_t new_address, uint64_t new_length);
	/* Drops pages: anonymous memory reads as zeroes again, a private mapping as its object;
	 * a shared one loses its translations only. -ENOMEM: not all is mapped, the rest is
	 * dropped. */
	int (*discard)(struct translator_space *space, uint64_t address, uint64_t length);
	/* What a page fault of the application does. -EFAULT: nothing is mapped there; -EACCES: not
	 * with access; a bus error: past the end of the object. Afterwards it is present. Other
	 * pages of the space may be, too, and after a bus error as well. -EINVAL: with pages=2m
	 * and host addresses, where the space has no more than a part of an object's 2 MiB page,
	 * which the host shows whole or not at all. */
	int (*fault)(struct translator_space *space, uint64_t address, uint32_t access);
	/* The translation of a present address that permits access; source is its page. -ENOENT:
	 * not present, fault first. Fills nothing, takes no reference: by the time it is used,
	 * it is a hint. */
	int (*lookup)(struct translator_space *space, uint64_t address, uint32_t access,
		      struct translator_translation *out);
	/* What to touch for an application address, the same for the life of the space; NULL:
	 * nothing (as=none). Loads and stores fault by themselves; SIGSEGV and SIGBUS
	 * (BUS_ADRERR) where the application would get them. */
	void *(*host_address)(struct translator_space *space, uint64_t address);
	/*
	 * The kernel's own access: copies length bytes from or to the application, faulting as
	 * needed; *done says, always, how many bytes were moved. -EFAULT: at the next byte nothing
	 * is mapped, it does not permit that, or it is past the end of its object.
	 */
	int (*read)(struct translator_space *space, uint64_t address, void *to, uint64_t length,
		    uint64_t *done);
	int (*write)(struct translator_space *space, uint64_t address, const void *from,
		     uint64_t length, uint64_t *done);

	/* ---- whole engine ---- */
	/* Does the operations inside the translator's own runtime, up to the first that fails,
	 * whose result is returned; *done says, always, how many succeeded. -EOPNOTSUPP: not
	 * this op. */
	int (*batch)(struct translator_engine *engine, const struct translator_batch *batch,
		     uint64_t *done);
	/* Checks what must always hold, while nobody else has references (incref). -EIO with a
	 * sentence (at most size bytes) if it does not: the engine is then not to be used. */
	int (*self_check)(struct translator_engine *engine, char *sentence, size_t size);

	/* ---- since 1.1 ---- */
	/* From now on memory comes from there. Where this is NULL, or answers -EOPNOTSUPP, the
	 * kernel's policy of the calling threads, which the harness sets as well, decides.
	 * -EINVAL: a node that there is not. */
	int (*place)(struct translator_engine *engine, const struct translator_place *place);
	/* Moves the space's own pages of the range to a node, under whoever uses them; what is not
	 * present is passed over. -EINVAL: no such node, an unknown flag. */
	int (*move)(struct translator_space *space, uint64_t address, uint64_t length, int node,
		    uint32_t flags, struct translator_moved *moved);
	int (*locality)(struct translator_engine *engine, struct translator_locality *locality);
};

/* The one symbol of a plug-in. */
extern const struct translator faultline_translator;

#ifdef __cplusplus
}
#endif
#endif
