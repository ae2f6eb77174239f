/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_subject.h - the translator under check: operations on small numbers become calls of the
 * ABI, and what can be seen of its state is compared with the model.
 *
 * Only the ABI's table is used. Calls of different lanes may run at once, as the ABI permits;
 * create, destroy, reset and look belong to one thread while no lane runs.
 */
#pragma once

#include "harness/check_model.h"
#include "translators/translator.h"

#define CHECK_MESSAGE 400

/* What a call answered, and what it showed. */
struct check_answer {
	int32_t rc; /* as in struct check_expected */
	int16_t done; /* cells */
	bool has_value;
	uint8_t value; /* load, peek: the byte */
	bool found; /* lookup: the page */
	uint64_t file, offset;
	char wrong[160]; /* what is wrong with it whatever the order was; "" */
};

struct check_subject {
	const struct translator *t;
	struct check_geometry geometry;
	struct translator_engine *engine;
	uint64_t space_bytes;
	struct translator_space *spaces[CHECK_SPACES];
	struct translator_object *objects[CHECK_OBJECTS];
	int fds[CHECK_OBJECTS]; /* of the host files behind them; -1 */
	struct {
		uint64_t file, offset;
	} holds[CHECK_HOLDS];
	bool counts; /* stat is to be asked, which may take long */
	uint64_t stat_ns; /* how long */
	unsigned char *buffer; /* one cell-wide write, all bytes alike: lane 0's */
};

/*
 * Opens an engine and enters it. 0; -ENODEV with a sentence: this machine lacks what was asked;
 * other errors with a sentence: the translator is at fault.
 */
int check_subject_create(struct check_subject *subject, const struct translator *t,
			 const struct translator_option *options,
			 const struct check_geometry *geometry, char *error, size_t size)
	__attribute__((warn_unused_result));
/* Gives back all handles. false with a message: pages or references are left (if `counts`). */
bool check_subject_reset(struct check_subject *subject, char *message, size_t size);
/* Resets and closes. false with a message as reset. */
bool check_subject_destroy(struct check_subject *subject, char *message, size_t size);

/* Makes the call. read and sync compare contents only if model is not NULL: it is the
 * state before the call, and nothing else runs. */
void check_subject_call(struct check_subject *subject, const struct check_op *op,
			const struct check_model *model, struct check_answer *answer);

/*
 * Compares all that can be seen without changing anything (lookups, contents through references,
 * counts) with the model, which learns which pages exist. false with a message.
 */
bool check_subject_look(struct check_subject *subject, struct check_model *model, char *message,
			size_t size);
/* The same with a fault on each cell first, so that every page is seen. */
bool check_subject_look_all(struct check_subject *subject, struct check_model *model, char *message,
			    size_t size);

/* "-EFAULT", "bus error", "0"; a static string or buffer. */
const char *check_rc_text(int32_t rc, char *buffer, size_t size);

/* Installs handlers of SIGSEGV and SIGBUS, that turn a failed load or store of ours into an
 * answer; before any engine is opened. */
void check_touch_install(void);
/* A load or store of one byte: 0, -EFAULT, -EACCES (SEGV_ACCERR), or CHECK_BUS. */
int32_t check_touch(void *address, bool store, uint8_t *value);
