/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_model.h - what a translator ought to do, on a small scale: the model of the conformance
 * check.
 *
 * Contents are two bytes a page: `fill`, which a write puts everywhere, and `mark`, at one place,
 * which can be stored at once with others. A model page is a page that must exist, since somebody
 * stored to it or might; 0 is "zeroes, if anything". Cells of spaces, cells of objects and holds
 * point to model pages; a page that two private cells point to is shared until one is stored to.
 *
 * What the ABI leaves open stays open here: whether a page is present (but after it has been
 * taken away, `absent` says that it must not be), and how many pages exist (between bounds).
 *
 * No locks; a model is a plain value and may be copied.
 */
#pragma once

#include "harness/check_script.h"

#define CHECK_PAGES 256
#define CHECK_PASSED_OVER INT32_MIN /* the operation makes no sense here: not to be run */
#define CHECK_BUS (-0x10000) /* any bus error */

struct check_cell {
	uint16_t mapping; /* its number; 0: nothing is mapped */
	uint16_t page; /* private: the space's own; 0: none */
	int16_t offset; /* in object */
	int8_t object; /* -1: anonymous */
	uint8_t perms;
	bool is_private; /* and anonymous */
	bool absent; /* must not be present */
};

struct check_page {
	uint8_t fill, mark;
	uint8_t users; /* cells, objects, holds */
	bool forked; /* was shared by a fork: a store may or may not have copied it */
};

struct check_model {
	uint16_t mappings; /* numbers given so far */
	struct {
		bool exists;
		struct check_cell cells[CHECK_CELLS];
	} spaces[CHECK_SPACES];
	struct {
		bool open, is_file;
		int16_t size; /* cells */
		uint16_t pages[CHECK_CELLS];
		uint16_t mapped; /* cells that map it */
	} objects[CHECK_OBJECTS];
	struct {
		uint16_t page; /* 0: free */
		bool loose; /* its contents may have parted from the mapping's */
	} holds[CHECK_HOLDS];
	struct check_page pages[CHECK_PAGES];
};

struct check_expected {
	int32_t rc; /* 0, -errno, CHECK_BUS, or CHECK_PASSED_OVER; lookup: -ENOENT or 0, either */
	int16_t done; /* read, write: cells */
	uint8_t value; /* load, peek: the byte */
	uint16_t page; /* lookup: that of the model, 0: none that is known */
};

void check_model_init(struct check_model *model);

/*
 * Does op, and says what a translator must answer. Contents that a read must find are those of
 * the model beforehand: see check_model_look. What is passed over has changed nothing.
 */
struct check_expected check_model_step(struct check_model *model, const struct check_op *op);

/* What permissions are worth: to write or to execute is to read, too. */
static inline uint32_t check_effective(uint32_t perms)
{
	return perms ? perms | 1 : 0;
}

/* The model page that a load at the cell would see: 0 is zeroes. */
uint16_t check_model_look(const struct check_model *model, unsigned space, unsigned at);
/* 0, -EFAULT, -EACCES or CHECK_BUS. */
int32_t check_model_access(const struct check_model *model, unsigned space, unsigned at,
			   uint32_t access);
/* The cell has been seen to be ready for a store: the page that it has, made if it had none. */
uint16_t check_model_settle(struct check_model *model, unsigned space, unsigned at);
/* Private cells that have the page. */
unsigned check_model_sharers(const struct check_model *model, uint16_t page);
/* Pages that must exist, and those that may (in cells). */
unsigned check_model_pages_min(const struct check_model *model);
unsigned check_model_cells_max(const struct check_model *model);
