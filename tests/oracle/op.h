/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.h - the operations that Linux and the engine are both told to do, as data and as text.
 *
 * A run is a list of operations on up to PROCESSES processes (process 0 exists at the start; fork
 * makes the others) and OBJECTS objects (memfds for Linux, shared memory for the engine; the last
 * ones begin with contents, and are files behind the engine's cache), whose first sizes are
 * object_size(). Addresses are application addresses below WINDOW_BYTES: both
 * sides add the base of their own window. What is compared lies in three areas of it.
 *
 * As text, an operation is a line: its name, then the fields that are not 0 as key=value. Lines
 * that begin with # say why a case exists; "class thp", "wide copies", "limits", "sharded" set the
 * engine up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PAGE UINT64_C(4096)
#define HUGE (UINT64_C(2) << 20)
#define WINDOW_BYTES (UINT64_C(64) << 20)
#define SMALL_BASE (UINT64_C(16) << 20) /* few pages, so that operations meet */
#define SMALL_PAGES 96
#define BIG_BASE (UINT64_C(32) << 20) /* whole 2 MiB pages */
#define BIG_PAGES 1536
#define AREA_PAGES (SMALL_PAGES + BIG_PAGES + HEAP_PAGES)
#define HEAP_BASE (UINT64_C(48) << 20) /* where the heap begins */
#define HEAP_PAGES 24
#define COPY_BYTES_MAX (UINT64_C(32) * PAGE) /* of a copy operation */
#define STACK_BYTES (UINT64_C(8) << 20) /* that a mapping grows down to */
#define PROCESSES 3
#define OBJECTS 6
#define FIRST_FILE 4 /* objects from here on are files with contents */

/* Name, and how often the generator takes it. Both sides have a function run_NAME for each. */
#define ORACLE_OPS(X)   \
	X(mmap, 120)    \
	X(munmap, 25)   \
	X(mprotect, 60) \
	X(mremap, 40)   \
	X(madvise, 60)  \
	X(mlock, 16)    \
	X(mlockall, 3)  \
	X(msync, 8)     \
	X(mincore, 10)  \
	X(mbind, 6)     \
	X(brk, 8)       \
	X(truncate, 20) \
	X(punch, 16)    \
	X(seal, 2)      \
	X(read_file, 6) \
	X(fork, 8)      \
	X(exit, 5)      \
	X(load, 110)    \
	X(store, 150)   \
	X(copy_in, 12)  \
	X(copy_out, 20) \
	X(zero_out, 6)  \
	X(peek, 6)      \
	X(poke, 6)      \
	X(state, 12)

#define ORACLE_ENUM(name, weight) OP_##name,
enum op_kind { ORACLE_OPS(ORACLE_ENUM) OP_KINDS };
#undef ORACLE_ENUM

/* X(name, bit): what op.flags may say. */
#define ORACLE_FLAGS(X)                                                           \
	X(fixed, 0)                                                               \
	X(noreplace, 1)                                                           \
	X(grows_down, 2)                                                          \
	X(populate, 3)                                                            \
	X(locked, 4)                                                              \
	X(shared, 5)                                                              \
	X(anon, 6)                                                                \
	X(read_only, 7) /* the object, through a descriptor that may not write */ \
	X(may_move, 8)                                                            \
	X(on_fault, 9)                                                            \
	X(current, 10)                                                            \
	X(future, 11)                                                             \
	X(sync, 12)                                                               \
	X(async, 13)                                                              \
	X(invalidate, 14)

#define ORACLE_FLAG_BIT(name, bit) FLAG_##name = 1 << (bit),
enum op_flag { ORACLE_FLAGS(ORACLE_FLAG_BIT) };
#undef ORACLE_FLAG_BIT

/* What `value` of madvise and mbind says. */
enum {
	ADVISE_DONTNEED,
	ADVISE_FREE,
	ADVISE_DONTFORK,
	ADVISE_DOFORK,
	ADVISE_REMOVE,
	ADVISE_POPULATE_READ,
	ADVISE_POPULATE_WRITE,
	ADVISE_KINDS
};
enum { BIND_LOCAL, BIND_BIND, BIND_INTERLEAVE, BIND_PREFERRED, BIND_KINDS };
enum { SEAL_SHRINK = 1, SEAL_GROW = 2, SEAL_WRITE = 4 }; /* of seal */

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };

/* What a field means depends on the operation; unused ones are 0. */
struct op {
	uint64_t address, length;
	uint64_t to, to_length; /* of mremap; where it has to move is at `to` in the end */
	uint64_t offset; /* in the object; of truncate: the size */
	uint64_t value; /* what a store or a copy writes; ADVISE_, BIND_, SEAL_ */
	uint32_t flags; /* enum op_flag */
	uint8_t kind; /* enum op_kind */
	uint8_t process, object, prot;
	uint8_t child; /* of fork: the process that it makes */
};

struct run {
	struct op *ops;
	size_t count;
	bool thp; /* the engine's private anonymous memory comes in 2 MiB pages where it can */
	bool wide_copies; /* a write copies neighbours too: no private mappings of objects then */
	bool uffd; /* userfaultfd shows pages, where it can be had; else mmap */
	bool ahead; /* faults bring neighbours along */
	bool limits; /* the engine counts what is mapped, as it does when a limit is set */
	bool sharded; /* references to objects' pages are counted per CPU */
};

/* The bytes that a copy_out or poke of `value` writes: at most COPY_BYTES_MAX. */
void op_pattern(uint64_t value, void *bytes, size_t length);
/* What file i holds at first. */
void object_fill(unsigned i, void *bytes, size_t length);
/* Bytes that object i has when a run starts. */
uint64_t object_size(unsigned i);
const char *op_name(unsigned kind);
/* One line, without a newline, into text. Returns text. */
const char *op_print(const struct op *op, char *text, size_t size);
/* False with *why set if the line (changed on the way) is no operation. */
bool op_parse(char *line, struct op *op, const char **why);

/* Which compared page an address is in: 0 .. AREA_PAGES - 1, or -1. */
int area_index(uint64_t address);
/* The address of compared page i. */
uint64_t area_address(unsigned i);
/* The end of the area that address is in; address itself if it is in none. */
uint64_t area_end(uint64_t address);

void run_write(const struct run *run, FILE *to);
/* False after a message to stderr. run_release() it. */
bool run_read(const char *path, struct run *run);
void run_release(struct run *run);
