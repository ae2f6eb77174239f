/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conformance.c - which plug-ins have passed `faultline check`, and checking those that have not.
 *
 * No locks: two runs that check the same plug-in at once both remember it.
 */
#include "harness/conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/check.h"
#include "harness/commands.h"
#include "harness/sha256.h"

static int hash_plugin(const struct translator_spec *spec, char hex[SHA256_HEX_SIZE])
{
	uint8_t buffer[65536];
	struct sha256 h;
	ssize_t got;
	int fd = open(spec->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	sha256_init(&h);
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		sha256_add(&h, buffer, (size_t)got);
	close(fd);
	if (got < 0)
		return -errno;
	/* Without options it is the hash of the file alone. */
	for (size_t i = 0; i < spec->option_count; i++) {
		sha256_add(&h, spec->options[i].key, strlen(spec->options[i].key) + 1);
		sha256_add(&h, spec->options[i].value, strlen(spec->options[i].value) + 1);
	}
	sha256_finish(&h, hex);
	return 0;
}

/* The file of a plug-in in the cache. With make, its directories are made. */
static int cache_path(const struct translator_spec *spec, bool make, char path[PATH_MAX])
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char hex[SHA256_HEX_SIZE];
	int rc = hash_plugin(spec, hex), length;

	if (rc)
		return rc;
	/* A relative one is to be ignored, says its specification. */
	if (base && base[0] == '/')
		length = snprintf(path, PATH_MAX, "%s/faultline/passed-%s/%s", base,
				  FAULTLINE_VERSION, hex);
	else if (home && home[0] == '/')
		length = snprintf(path, PATH_MAX, "%s/.cache/faultline/passed-%s/%s", home,
				  FAULTLINE_VERSION, hex);
	else
		return -ENOENT;
	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	for (char *at = strchr(path + 1, '/'); make && at; at = strchr(at + 1, '/')) {
		*at = '\0';
		rc = mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
		*at = '/';
		if (rc)
			return rc;
	}
	return 0;
}

bool conformance_passed(const struct translator_spec *spec)
{
	char path[PATH_MAX];
	struct stat st;

	/* What somebody else put there says nothing. */
	return !cache_path(spec, false, path) && !lstat(path, &st) && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid();
}

int conformance_remember(const struct translator_spec *spec)
{
	char path[PATH_MAX];
	int rc = cache_path(spec, true, path), fd;

	if (rc)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

struct verdict {
	bool wrong, crashed;
	char sentence[700]; /* of the first that does not hold */
};

static void hear(void *context, const struct check_property *property,
		 const struct check_outcome *outcome)
{
	struct verdict *v = context;

	if (outcome->status < CHECK_FAILED)
		return;
	v->wrong |= outcome->status == CHECK_FAILED;
	v->crashed |= outcome->status != CHECK_FAILED;
	if (!v->sentence[0])
		snprintf(v->sentence, sizeof(v->sentence), "%s: %.400s (seed %" PRIu64 ")",
			 property->name, outcome->message, outcome->seed);
}

int conformance_check(const struct translator_spec *spec, uint64_t seed, char *error, size_t size)
{
	struct check_request request = { .translator = spec->text, .quick = true, .seed = seed };
	struct verdict v = { 0 };
	char why[512] = "";
	int rc = check_run(&request, hear, &v, why, sizeof(why));

	if (rc < 0) {
		snprintf(error, size, "%s: %s", spec->text, why);
		return rc == -EFAULT ? -EBADE : rc;
	}
	if (rc) {
		snprintf(error, size,
			 "%s does not conform, so it is not timed: %s; more: faultline check %s "
			 "(--unchecked times it all the same)",
			 spec->text, v.sentence, spec->text);
		return v.crashed && !v.wrong ? -ECHILD : -EBADE;
	}
	rc = conformance_remember(spec);
	if (rc)
		complain("%s passed, which could not be kept: %s", spec->text, strerror(-rc));
	return 0;
}
