/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_fix.c - changes kernel settings after recording what they were, and puts them back.
 *
 * ROOT/run/faultline/doctor.json: {schema, boot_id, settings: [{path, old}]}. /run is emptied by a
 * restart, as the settings are. The directory is locked while it is used, so that of two at once
 * none can record what the other has changed.
 */
#include "harness/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/doctor_setting.h"
#include "harness/kernel_file.h"
#include "harness/result_dir.h"

#define SCHEMA "faultline.doctor/1"
#define RECORD "doctor.json"
#define LOCK_TRIES 200
#define LOCK_WAIT_US 10000
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct job {
	const char *root;
	struct result_dir dir; /* its fd holds the lock */
	json_t *settings; /* of the record: [{path, old}] */
	const struct doctor_setting *setting; /* while files of one are looked through */
	struct doctor_change *changes;
	size_t count;
	char *error;
	size_t size;
};

static void boot_id(const struct job *job, char *text, size_t size)
{
	/* A kernel that has none: all records are of this start. */
	if (doctor_read(job->root, BOOT_ID, text, size))
		snprintf(text, size, "unknown");
}

/* ---- the record ---- */

/* One that was killed may take a moment to be gone. */
static int lock_record(int fd)
{
	for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (tries == LOCK_TRIES)
			return -EBUSY;
		usleep(LOCK_WAIT_US);
	}
	return 0;
}

static int open_record(struct job *job)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/run", job->root ? job->root : "");
	rc = mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
	snprintf(path, sizeof(path), "%s/run/faultline", job->root ? job->root : "");
	if (!rc && mkdir(path, 0755) && errno != EEXIST)
		rc = -errno;
	job->dir = (struct result_dir){ .fd = -1, .samples = -1 };
	if (!rc) {
		job->dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = job->dir.fd < 0 ? -errno : 0;
	}
	if (!rc)
		rc = lock_record(job->dir.fd);
	if (rc == -EBUSY)
		snprintf(job->error, job->size, "another --fix or --undo is running");
	else if (rc)
		snprintf(job->error, job->size, "%s: %s%s", path, strerror(-rc),
			 rc == -EACCES ? "; settings of the kernel are root's to change" : "");
	return rc;
}

static bool is_record(const json_t *record)
{
	const json_t *settings = json_object_get(record, "settings");
	const char *schema = json_string_value(json_object_get(record, "schema"));
	size_t i;
	json_t *each;

	if (!schema || strcmp(schema, SCHEMA) || !json_is_array(settings) ||
	    !json_is_string(json_object_get(record, "boot_id")))
		return false;
	json_array_foreach(settings, i, each)
	{
		const char *path = json_string_value(json_object_get(each, "path"));
		const char *old = json_string_value(json_object_get(each, "old"));

		/* Whatever wrote it: only the kernel's files are ours to change. */
		if (!path || !old || strstr(path, "/../") || strlen(old) >= 64 ||
		    strlen(path) >= 256 ||
		    (strncmp(path, "/sys/", 5) != 0 && strncmp(path, "/proc/sys/", 10) != 0))
			return false;
	}
	return true;
}

/* job->settings are those of the record, empty without one. */
static int load_record(struct job *job)
{
	int fd = openat(job->dir.fd, RECORD, O_RDONLY | O_CLOEXEC);
	json_t *record;
	char boot[64];

	job->settings = NULL;
	if (fd < 0 && errno != ENOENT) {
		snprintf(job->error, job->size, "%s: %s", RECORD, strerror(errno));
		return -EIO;
	}
	if (fd < 0) {
		job->settings = json_array();
		return 0;
	}
	record = json_loadfd(fd, 0, NULL);
	close(fd);
	if (!is_record(record)) {
		snprintf(job->error, job->size,
			 "%s/run/faultline/" RECORD " is no record of faultline's: look at it, put "
			 "back what it names by hand, and remove it",
			 job->root ? job->root : "");
		json_decref(record);
		return -EBADMSG;
	}
	boot_id(job, boot, sizeof(boot));
	if (strcmp(json_string_value(json_object_get(record, "boot_id")), boot) == 0)
		job->settings = json_incref(json_object_get(record, "settings"));
	else
		job->settings = json_array();
	json_decref(record);
	return 0;
}

/* On disk when it returns, with the name; no settings: there is no record any more. */
static int save_record(struct job *job)
{
	char boot[64];
	json_t *record;
	int rc;

	if (!json_array_size(job->settings)) {
		if (unlinkat(job->dir.fd, RECORD, 0) && errno != ENOENT)
			return -errno;
		return 0;
	}
	boot_id(job, boot, sizeof(boot));
	record = json_pack("{s:s, s:s, s:O}", "schema", SCHEMA, "boot_id", boot, "settings",
			   job->settings);
	rc = result_dir_write_json(&job->dir, RECORD, record);
	json_decref(record);
	if (!rc && fsync(job->dir.fd))
		rc = -errno;
	if (rc)
		snprintf(job->error, job->size, "/run/faultline/" RECORD ": %s", strerror(-rc));
	return rc;
}

static void close_record(struct job *job)
{
	json_decref(job->settings);
	if (job->dir.fd >= 0)
		close(job->dir.fd);
}

/* ---- changes ---- */

static int add_change(struct job *job, const char *path, const char *from, const char *to)
{
	struct doctor_change *grown =
		realloc(job->changes, (job->count + 1) * sizeof(*job->changes));

	if (!grown)
		return -ENOMEM;
	job->changes = grown;
	grown[job->count] = (struct doctor_change){ .rc = 0 };
	snprintf(grown[job->count].path, sizeof(grown->path), "%s", path);
	snprintf(grown[job->count].from, sizeof(grown->from), "%s", from);
	snprintf(grown[job->count].to, sizeof(grown->to), "%s", to);
	job->count++;
	return 0;
}

static bool is_recorded(const struct job *job, const char *path)
{
	size_t i;
	json_t *each;

	json_array_foreach(job->settings, i, each)
	{
		if (strcmp(json_string_value(json_object_get(each, "path")), path) == 0)
			return true;
	}
	return false;
}

/* Writes and reads back. */
static void carry_out(const struct job *job, struct doctor_change *change)
{
	char name[PATH_MAX], value[64];
	size_t length = strlen(change->to);
	int fd;

	snprintf(name, sizeof(name), "%s%s", job->root ? job->root : "", change->path);
	errno = 0;
	fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0) {
		change->rc = -errno;
		return;
	}
	if (write(fd, change->to, length) != (ssize_t)length)
		change->rc = errno ? -errno : -EIO;
	close(fd);
	if (!change->rc)
		change->rc = doctor_read(job->root, change->path, value, sizeof(value));
	if (!change->rc && strcmp(value, change->to))
		change->rc = -EIO;
}

static int plan_file(const char *path, const char *value, void *arg)
{
	struct job *job = arg;

	return doctor_is_bad(job->setting, value) ? add_change(job, path, value, job->setting->want)
						  : 0;
}

static int finish(struct job *job, struct doctor_change **changes, size_t *count, int rc)
{
	close_record(job);
	*changes = job->changes;
	*count = job->count;
	return rc;
}

int doctor_fix(const char *root, struct doctor_change **changes, size_t *count, char *error,
	       size_t size)
{
	struct job job = { .root = root, .error = error, .size = size };
	int rc = open_record(&job);

	if (!rc)
		rc = load_record(&job);
	for (const struct doctor_setting *s = doctor_settings; !rc && s->name; s++) {
		job.setting = s;
		doctor_each_file(root, s, plan_file, &job);
	}
	for (size_t i = 0; i < job.count && !rc; i++) {
		if (!is_recorded(&job, job.changes[i].path))
			json_array_append_new(job.settings,
					      json_pack("{s:s, s:s}", "path", job.changes[i].path,
							"old", job.changes[i].from));
	}
	if (!rc && job.count)
		rc = save_record(&job);
	for (size_t i = 0; i < job.count && !rc; i++)
		carry_out(&job, &job.changes[i]);
	return finish(&job, changes, count, rc);
}

int doctor_undo(const char *root, struct doctor_change **changes, size_t *count, char *error,
		size_t size)
{
	struct job job = { .root = root, .error = error, .size = size };
	json_t *left = json_array(), *each;
	int rc = open_record(&job);
	char value[64];
	size_t i;

	if (!rc)
		rc = load_record(&job);
	for (i = 0; !rc && i < json_array_size(job.settings); i++) {
		const char *path, *old;

		each = json_array_get(job.settings, i);
		path = json_string_value(json_object_get(each, "path"));
		old = json_string_value(json_object_get(each, "old"));
		if (doctor_read(root, path, value, sizeof(value)))
			snprintf(value, sizeof(value), "?");
		rc = add_change(&job, path, value, old);
		if (rc)
			break;
		carry_out(&job, &job.changes[i]);
		if (job.changes[i].rc)
			json_array_append(left, each);
	}
	if (!rc) {
		json_decref(job.settings);
		job.settings = json_incref(left);
		rc = save_record(&job);
	}
	json_decref(left);
	return finish(&job, changes, count, rc);
}
