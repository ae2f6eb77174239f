/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what one side saw: a record an operation, in memory that the judge shares with it.
 *
 * After each operation the mappings of the process that it was for are written down, neighbours
 * joined that are equal in all but range; a `state` operation also has the bytes of every mapped
 * page, as the kernel side reads them, so that nothing traps. One writer at a time.
 */
#pragma once

#include "tests/oracle/op.h"

#define OPS_MAX 1024
#define STATES_MAX 64
#define LINES_MAX 160

/* Results that are no errno and no number. */
#define RESULT_ELSEWHERE (INT64_C(1) << 60) /* a place outside the compared areas was chosen */
#define RESULT_SKIPPED \
	(INT64_C(1) << 61) /* there is no such process, or fork's child is there already */

/* A run of equal mappings. */
struct line {
	uint64_t start, end; /* application addresses */
	uint64_t offset; /* of start; objects only */
	int32_t object; /* 0..OBJECTS-1; OBJECTS + index of the operation that made it; -1: none */
	uint8_t prot;
	bool shared;
	uint8_t flags; /* LINE_; of a state operation only */
};

enum { LINE_GROWS_DOWN = 1, LINE_LOCKED = 2, LINE_LOCKED_ON_FAULT = 4, LINE_DONTFORK = 8 };

#define RESIDENT_WORDS ((AREA_PAGES + 63) / 64)

struct record {
	bool done; /* the side got beyond this operation */
	int64_t result; /* >= 0, -errno, or RESULT_ */
	int32_t signal, code; /* that a load or store got */
	uint64_t fault; /* its address, as an application address */
	uint64_t data; /* what a load read, or a hash of what a copy read */
	bool split; /* Linux keeps equal neighbours of an mremap's range apart */
	uint64_t resident[RESIDENT_WORDS]; /* of mincore: bit i of word i / 64 is page i */
	/* Of a state operation: bytes mapped, private and writable, locked. */
	uint64_t total, private_writable, locked;
	int32_t state; /* index of the page hashes, -1: none */
	uint32_t line_count;
	struct line lines[LINES_MAX];
};

#define LOCKED_UNKNOWN UINT64_MAX /* Linux locked more than the window */

/* Page hashes: 0 not mapped, 1 not readable, else of the bytes. */
#define PAGE_UNMAPPED 0
#define PAGE_UNREADABLE 1

struct page_sum {
	uint64_t hash, first; /* first: the first 8 bytes, for messages */
};

struct side {
	int pid[PROCESSES]; /* of Linux's processes */
	uint64_t ops_done;
	uint32_t states;
	bool overflow; /* more lines than LINES_MAX */
	struct page_sum pages[STATES_MAX][AREA_PAGES];
	struct record records[OPS_MAX];
};

/* Does b continue a, equal in all but range? */
bool record_continues(const struct line *a, const struct line *b);
/* Adds a line to r, joined to the last one if it continues it. */
void record_line(struct side *side, struct record *r, struct line line);
/* What mincore said of so many pages. */
void record_resident(struct record *r, const unsigned char *vec, size_t pages);
/* A hash of bytes: never PAGE_UNMAPPED or PAGE_UNREADABLE. */
uint64_t record_hash(const void *bytes, size_t length);
/* The page sums of a new state for r; NULL if there is no room left (the record then says so). */
struct page_sum *record_state(struct side *side, struct record *r);
