/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - what on this machine spoils measurements, and how to put it right and back.
 *
 * All of it is read below a prefix, so that tests can show it any machine (NULL: this one). Only
 * doctor_fix and doctor_undo change anything: kernel settings, and the record of what they were in
 * ROOT/run/faultline/. No locks; main thread only.
 *
 * The record is complete and on disk before the first setting is changed, and goes only after the
 * last was put back: whatever kills the program in between, doctor_undo finds the old values. A
 * second fix adds to the record and never changes what it holds. A restart of the machine puts all
 * of them back by itself; a record from before it (boot_id) is dropped.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

enum doctor_state {
	DOCTOR_GOOD,
	DOCTOR_BAD,
	DOCTOR_NOTE, /* a fact to know, which no setting changes */
	DOCTOR_ABSENT, /* this machine, or this kernel, has no such thing */
};

struct doctor_finding {
	char name[32];
	enum doctor_state state;
	char sentence[256]; /* what is, and what it does to measurements */
	char command[640]; /* what a shell would do about it; "" if there is nothing */
	bool settable; /* doctor_fix does it */
};

/* All of them, sorted by name. *findings is freed by the caller. 0 or -ENOMEM. */
MM_MUST_CHECK int doctor_look(const char *root, struct doctor_finding **findings, size_t *count);

/* One kernel file that was to be changed, or put back. */
struct doctor_change {
	char path[256]; /* without the prefix */
	char from[64], to[64];
	int rc; /* 0 or -errno: EIO: written, and reads back as something else */
};

/*
 * Sets what is bad and settable. *changes (freed by the caller) says what was tried. 0 even if a
 * change failed; -EBADMSG: there is a record that cannot be read; -EBUSY: another fix or undo is
 * running; other -errno: no record could be written, and nothing was changed. In these cases error
 * has a sentence.
 */
MM_MUST_CHECK int doctor_fix(const char *root, struct doctor_change **changes, size_t *count,
			     char *error, size_t size);
/* Puts everything back that the record names. What could not be stays in it. No record: 0 changes.
 * Otherwise as doctor_fix. */
MM_MUST_CHECK int doctor_undo(const char *root, struct doctor_change **changes, size_t *count,
			      char *error, size_t size);
