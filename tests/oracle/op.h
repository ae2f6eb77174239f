/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op.h - the operations that Linux and the engine are both told to do, as data and as text.
 *
 * A run is a list of operations on up to PROCESSES processes (process 0 exists at the start; fork
 * makes the others) and OBJECTS objects (memfds for Linux, shared memory for the engine), whose
 * first sizes are object_size(). Addresses are application addresses below WINDOW_BYTES: both
 * sides add the base of their own window. What is compared lies in two areas of it.
 *
 * As text, an operation is a line: its name, then the fields that are not 0 as key=value. Lines
 * that begin with # say why a case exists; "class 4k" or "class thp" chooses the engine's pages.
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
#define AREA_PAGES (SMALL_PAGES + BIG_PAGES)
#define PROCESSES 3
#define OBJECTS 4

/* Name, and how often the generator takes it. Both sides have a function run_NAME for each. */
#define ORACLE_OPS(X)   \
	X(mmap, 120)    \
	X(munmap, 30)   \
	X(mprotect, 60) \
	X(madvise, 50)  \
	X(truncate, 20) \
	X(punch, 20)    \
	X(fork, 8)      \
	X(exit, 5)      \
	X(load, 120)    \
	X(store, 160)   \
	X(state, 12)

#define ORACLE_ENUM(name, weight) OP_##name,
enum op_kind { ORACLE_OPS(ORACLE_ENUM) OP_KINDS };
#undef ORACLE_ENUM

enum op_flag {
	FLAG_FIXED = 1,
	FLAG_NOREPLACE = 2,
	FLAG_GROWS_DOWN = 4,
	FLAG_POPULATE = 8,
	FLAG_LOCKED = 16,
	FLAG_SHARED = 32,
	FLAG_ANON = 64,
	FLAG_READ_ONLY = 128, /* the object, through a descriptor that may not write */
	FLAG_DONTNEED = 256,
};

enum { PROT_R = 1, PROT_W = 2, PROT_X = 4 };

/* What a field means depends on the operation; unused ones are 0. */
struct op {
	uint64_t address, length;
	uint64_t offset; /* in the object; for punch, truncate: offset, size */
	uint64_t value; /* what a store writes */
	uint32_t flags; /* enum op_flag */
	uint8_t kind; /* enum op_kind */
	uint8_t process, object, prot;
	uint8_t child; /* of fork: the process that it makes */
};

struct run {
	struct op *ops;
	size_t count;
	bool thp; /* the engine's private anonymous memory comes in 2 MiB pages where it can */
};

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

void run_write(const struct run *run, FILE *to);
/* False after a message to stderr. run_release() it. */
bool run_read(const char *path, struct run *run);
void run_release(struct run *run);
