/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_setting.h - the kernel settings that doctor_fix changes; private to doctor*.c.
 */
#pragma once

#include <stddef.h>

#include "engine/error.h"

struct doctor_setting {
	const char *name;
	const char *path; /* of one file; or with a '*', of one for each CPU */
	const char *want; /* what is written */
	const char *bad; /* the only value that is wrong; NULL: all but `want` are */
	const char *harm; /* of a wrong value, to measurements */
};

/* Sorted by name; ends with a NULL name. */
extern const struct doctor_setting doctor_settings[];

/* The present value of a setting's file: its only word, or of several the one in brackets. 0,
 * -errno, or -EBADMSG: no such word. */
MM_MUST_CHECK int doctor_read(const char *root, const char *path, char *value, size_t size);

/* Calls f with each file of the setting that exists, and its value; stops if it does not return
 * 0. Returns how many there were. */
typedef int doctor_file_fn(const char *path, const char *value, void *arg);
size_t doctor_each_file(const char *root, const struct doctor_setting *setting, doctor_file_fn *f,
			void *arg);

/* Whether a value of it is wrong. */
int doctor_is_bad(const struct doctor_setting *setting, const char *value);
