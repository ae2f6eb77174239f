/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_script.h - lists of operations on a translator: what the conformance check runs, shrinks,
 * prints and replays.
 *
 * A script is a geometry and a list of operations on small numbers: spaces 0..3, objects 0..3,
 * holds 0..7 (references of ours to a page), and cells 0..23 of a space or an object. A cell is
 * `stride` pages, of which one is looked at, so that the same list can be run within a leaf of a
 * page table, across 2 MiB and across 1 GiB. Operations of lane 0 run alone; neighbours of other
 * lanes run at once, each lane in its own thread. An operation that makes no sense where it stands
 * is passed over, so that any part of a list is a list again: that is what makes shrinking easy.
 *
 * As text: one operation a line, "map space=0 at=3 cells=2 object=-1 offset=0 perms=3 private=0",
 * with "1: " before those of lane 1. No locks; a script belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CHECK_SPACES 4
#define CHECK_OBJECTS 4
#define CHECK_HOLDS 8
#define CHECK_CELLS 24
#define CHECK_LANES 3 /* 1, 2, 3 */
#define CHECK_ARGS 7
#define CHECK_OPS_MAX 400

enum check_kind {
	CHECK_CLOSE, /* the handle of an object */
	CHECK_DISCARD,
	CHECK_DROP, /* a space */
	CHECK_DUP, /* a second reference to what a hold holds */
	CHECK_FAULT,
	CHECK_FORK,
	CHECK_INVALIDATE,
	CHECK_LOAD, /* one byte, by an ordinary load */
	CHECK_LOOKUP,
	CHECK_MAP,
	CHECK_MARK, /* one byte, by write */
	CHECK_OBJECT,
	CHECK_PEEK, /* one byte, by read */
	CHECK_PROTECT,
	CHECK_PUNCH,
	CHECK_READ,
	CHECK_REF, /* fault, look up, take a reference */
	CHECK_REMAP,
	CHECK_SPACE,
	CHECK_STORE, /* one byte, by an ordinary store */
	CHECK_SYNC,
	CHECK_TRANSLATE,
	CHECK_TRUNCATE,
	CHECK_UNMAP,
	CHECK_UNREF,
	CHECK_WRITE, /* whole pages */
	CHECK_KINDS
};

struct check_op {
	uint8_t kind; /* enum check_kind */
	uint8_t lane; /* 0: alone */
	int16_t arg[CHECK_ARGS]; /* in the order of check_kinds[kind].args */
};

struct check_kind_info {
	const char *name;
	const char *args[CHECK_ARGS + 1]; /* ends with NULL */
	uint64_t needs; /* capability bits */
};

/* By enum check_kind. */
extern const struct check_kind_info check_kinds[CHECK_KINDS];

struct check_geometry {
	uint64_t base; /* page of cell 0 of every space, >= 1 */
	uint64_t object_base; /* page of cell 0 of every object */
	uint32_t stride; /* pages of a cell */
	uint32_t look; /* which of them is looked at, < stride */
	bool touch; /* as=mmap: loads and stores can be made */
	const char *pages; /* 4k, thp, 2m */
};

struct check_script {
	struct check_geometry geometry;
	uint32_t rounds; /* how often a script with lanes is to be run, at most; 0: no lanes */
	unsigned count;
	struct check_op ops[CHECK_OPS_MAX];
};

/* The class of this name that lists can be played with, a string that stays; NULL: none. */
const char *check_script_pages(const char *name);
/* Adds an operation; those beyond CHECK_OPS_MAX are a programmer's mistake. */
void check_script_add(struct check_script *script, const struct check_op *op);
/* Reads lines into script (which keeps its geometry unless a line "geometry ..." is among them).
 * Empty lines and those that begin with # are passed over. 0, or -EINVAL with a sentence. */
int check_script_parse(struct check_script *script, const char *text, char *error, size_t size)
	__attribute__((warn_unused_result));
void check_script_print(const struct check_script *script, FILE *out);
void check_op_print(const struct check_op *op, FILE *out);
