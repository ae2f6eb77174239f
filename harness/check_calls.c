/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_calls.c - properties that are no matter of lists: the table of functions, wrong arguments,
 * several engines, what is left after close, and the size of pages.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/check.h"
#include "harness/check_pages.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)

static const struct check_geometry plain = { 16, 0, 1, 0, false, "4k" };

__attribute__((format(printf, 2, 3))) static bool fail(struct check_run *run, const char *format,
						       ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(run->outcome->message, sizeof(run->outcome->message), format, list);
	va_end(list);
	return false;
}

/* Opens an engine; false: the outcome says why, or that this machine lacks something. */
static bool open_engine(struct check_run *run, struct check_subject *s,
			struct check_geometry geometry, bool *skipped)
{
	int rc;

	*skipped = !check_run_pages(run, &geometry);
	if (*skipped)
		return false;
	rc = check_subject_create(s, run->t, run->options, &geometry, run->outcome->message,
				  sizeof(run->outcome->message));
	*skipped = rc == -ENODEV;
	if (rc == -ENODEV)
		run->outcome->status = CHECK_SKIPPED;
	return rc == 0;
}

static bool close_engine(struct check_run *run, struct check_subject *s)
{
	return check_subject_destroy(s, run->outcome->message, sizeof(run->outcome->message));
}

static bool expect(struct check_run *run, const char *call, int rc, int expected)
{
	char got[32], want[32];

	run->outcome->tried++;
	if (rc == expected || (expected <= CHECK_BUS && rc <= CHECK_BUS))
		return true;
	return fail(run, "%s: the answer is %s and not %s", call,
		    check_rc_text(rc, got, sizeof(got)),
		    check_rc_text(expected, want, sizeof(want)));
}

/* ---- the table ---- */

struct claim {
	const char *function;
	uint64_t capability;
	size_t offset;
};

#define CLAIM(function, bit)                                          \
	{                                                             \
#function, bit, offsetof(struct translator, function) \
	}

static const struct claim claims[] = {
	CLAIM(object_create, TRANSLATOR_CAN_OBJECTS),
	CLAIM(object_destroy, TRANSLATOR_CAN_OBJECTS),
	CLAIM(object_truncate, TRANSLATOR_CAN_OBJECTS),
	CLAIM(object_punch, TRANSLATOR_CAN_OBJECTS),
	CLAIM(object_invalidate, TRANSLATOR_CAN_OBJECTS),
	CLAIM(object_sync, TRANSLATOR_CAN_FILES),
	CLAIM(translate, TRANSLATOR_CAN_OBJECTS),
	CLAIM(incref, TRANSLATOR_CAN_REFERENCES),
	CLAIM(decref, TRANSLATOR_CAN_REFERENCES),
	CLAIM(map_internal, TRANSLATOR_CAN_REFERENCES),
	CLAIM(space_create, TRANSLATOR_CAN_SPACES),
	CLAIM(space_destroy, TRANSLATOR_CAN_SPACES),
	CLAIM(space_fork, TRANSLATOR_CAN_FORK),
	CLAIM(map, TRANSLATOR_CAN_SPACES),
	CLAIM(unmap, TRANSLATOR_CAN_SPACES),
	CLAIM(protect, TRANSLATOR_CAN_PROTECT),
	CLAIM(remap, TRANSLATOR_CAN_REMAP),
	CLAIM(discard, TRANSLATOR_CAN_DISCARD),
	CLAIM(fault, TRANSLATOR_CAN_SPACES),
	CLAIM(lookup, TRANSLATOR_CAN_SPACES),
	CLAIM(host_address, TRANSLATOR_CAN_TOUCH),
	CLAIM(read, TRANSLATOR_CAN_IO),
	CLAIM(write, TRANSLATOR_CAN_IO),
	CLAIM(batch, TRANSLATOR_CAN_BATCH),
	CLAIM(self_check, TRANSLATOR_CAN_SELF_CHECK),
	CLAIM(move, TRANSLATOR_CAN_MOVE),
};

bool check_run_table(struct check_run *run, const void *data)
{
	const struct translator *t = run->t;
	struct translator_option options[40] = { { "pages", "4k" },
						 { "as", "none" },
						 { "memory_max", "268435456" } };
	const char *asked = check_pages_asked(run->options);
	struct translator_engine *engine;
	char reason[200] = "";
	size_t count = 3;
	int rc;

	(void)data;
	if (t->magic != TRANSLATOR_MAGIC || t->abi_major != TRANSLATOR_ABI_MAJOR)
		return fail(run, "wrong magic number or major version");
	if (!t->name || !*t->name || !t->version || !t->description || !t->open || !t->close)
		return fail(run, "no name, version, description, open or close");
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		void *const *function = (void *const *)((const char *)t + claims[i].offset);

		if ((t->capabilities & claims[i].capability) &&
		    (claims[i].offset + sizeof(*function) > t->struct_size || !*function))
			return fail(run, "it claims what needs %s, and has none",
				    claims[i].function);
	}
	for (; run->options && run->options[count - 3].key && count < 39; count++)
		options[count] = run->options[count - 3];
	rc = t->open(options, &engine, reason, sizeof(reason));
	if (rc) {
		run->outcome->refused = rc;
		return fail(run, "open: %s", reason[0] ? reason : strerror(-rc));
	}
	t->close(engine);
	if (asked && !check_pages_suffice(asked, true, reason, sizeof(reason))) {
		run->outcome->refused = -ENODEV;
		return fail(run, "%s", reason);
	}
	options[count] = (struct translator_option){ "no-such-option", "1" };
	reason[0] = '\0';
	rc = t->open(options, &engine, reason, sizeof(reason));
	if (rc != -EINVAL || !reason[0])
		return fail(run, "open with an option that no translator has: %d \"%s\"", rc,
			    reason);
	return true;
}

/* ---- wrong arguments ---- */

static bool wrong_maps(struct check_run *run, struct check_subject *s)
{
	const struct translator *t = s->t;
	struct translator_space *space = s->spaces[0];
	struct translator_map_options good = { .address = 16 * PAGE, .length = PAGE, .perms = 3 };
	struct translator_map_options o = good;

	o.address++;
	if (!expect(run, "map at an odd address", t->map(space, &o), -EINVAL))
		return false;
	o = good;
	o.length = 0;
	if (!expect(run, "map of no length", t->map(space, &o), -EINVAL))
		return false;
	o = good;
	o.length++;
	if (!expect(run, "map of an odd length", t->map(space, &o), -EINVAL))
		return false;
	o = good;
	o.flags = 1u << 31;
	if (!expect(run, "map with an unknown flag", t->map(space, &o), -EINVAL))
		return false;
	o = good;
	o.reserved[1] = 1;
	if (!expect(run, "map with a reserved member", t->map(space, &o), -EINVAL))
		return false;
	o = good;
	o.address = s->space_bytes;
	if (!expect(run, "map beyond the space", t->map(space, &o), -ENOMEM))
		return false;
	if (t->unmap(space, 16 * PAGE, 0) != -EINVAL ||
	    t->unmap(space, 16 * PAGE + 1, PAGE) != -EINVAL ||
	    t->unmap(space, 16 * PAGE, PAGE - 1) != -EINVAL)
		return fail(run, "unmap of no, or an odd, range is not -EINVAL");
	return expect(run, "map", t->map(space, &good), 0) &&
	       expect(run, "fault where nothing is mapped", t->fault(space, 15 * PAGE, 1),
		      -EFAULT) &&
	       expect(run, "fault", t->fault(space, 16 * PAGE + 5, 3), 0) &&
	       expect(run, "fault to execute", t->fault(space, 16 * PAGE, 4), -EACCES);
}

static bool wrong_ranges(struct check_run *run, struct check_subject *s)
{
	const struct translator *t = s->t;
	struct translator_space *space = s->spaces[0];
	const uint64_t at = 16 * PAGE;

	if ((t->capabilities & TRANSLATOR_CAN_PROTECT) &&
	    (!expect(run, "protect of an odd range", t->protect(space, at + 1, PAGE, 1), -EINVAL) ||
	     !expect(run, "protect of no length", t->protect(space, at, 0, 1), -EINVAL)))
		return false;
	if ((t->capabilities & TRANSLATOR_CAN_DISCARD) &&
	    !expect(run, "discard of an odd range", t->discard(space, at, PAGE + 1), -EINVAL))
		return false;
	if ((t->capabilities & TRANSLATOR_CAN_REMAP) &&
	    (!expect(run, "remap to an odd place", t->remap(space, at, PAGE, at + PAGE + 1, PAGE),
		     -EINVAL) ||
	     !expect(run, "remap onto itself", t->remap(space, at, PAGE, at, PAGE), -EINVAL) ||
	     !expect(run, "remap of no length", t->remap(space, at, 0, at + PAGE, PAGE), -EINVAL)))
		return false;
	return true;
}

static bool wrong_objects(struct check_run *run, struct check_subject *s)
{
	const struct translator *t = s->t;
	struct translator_object_options o = { .fd = -1, .size = 4 * PAGE, .kind = 77 };
	struct translator_object *object;
	bool good;

	if (!(t->capabilities & TRANSLATOR_CAN_OBJECTS))
		return true;
	if (!expect(run, "object_create of an unknown kind",
		    t->object_create(s->engine, &o, &object), -EINVAL))
		return false;
	o.kind = TRANSLATOR_OBJECT_MEMORY;
	if (!expect(run, "object_create", t->object_create(s->engine, &o, &object), 0))
		return false;
	good = expect(run, "truncate to an odd size", t->object_truncate(object, PAGE + 1),
		      -EINVAL) &&
	       expect(run, "punch of an odd range", t->object_punch(object, 1, PAGE), -EINVAL) &&
	       expect(run, "punch of no length", t->object_punch(object, 0, 0), -EINVAL) &&
	       expect(run, "punch beyond the end", t->object_punch(object, 8 * PAGE, PAGE), 0);
	t->object_destroy(object);
	return good;
}

bool check_run_arguments(struct check_run *run, const void *data)
{
	struct check_subject s;
	bool skipped;

	(void)data;
	if (!open_engine(run, &s, plain, &skipped))
		return skipped;
	return expect(run, "space_create", s.t->space_create(s.engine, s.space_bytes, &s.spaces[0]),
		      0) &&
	       wrong_maps(run, &s) && wrong_ranges(run, &s) && wrong_objects(run, &s) &&
	       close_engine(run, &s);
}

/* ---- several engines ---- */

/* The same address in three engines; closing one leaves the others as they are. */
bool check_run_engines(struct check_run *run, const void *data)
{
	const struct translator_map_options o = { .address = 16 * PAGE,
						  .length = 8 * PAGE,
						  .perms = 3 };
	struct check_subject s[3];
	bool skipped;

	(void)data;
	for (unsigned i = 0; i < 3; i++) {
		if (!open_engine(run, &s[i], plain, &skipped))
			return skipped;
		if (s[i].t->space_create(s[i].engine, s[i].space_bytes, &s[i].spaces[0]) ||
		    s[i].t->map(s[i].spaces[0], &o))
			return fail(run, "engine %u: no space, or nothing can be mapped", i);
	}
	for (unsigned i = 0; i < 3; i++) {
		for (uint64_t page = 0; page < i + 2; page++)
			if (s[i].t->fault(s[i].spaces[0], (16 + page) * PAGE, 2))
				return fail(run, "engine %u: a fault fails", i);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct translator_stat stat;

		memset(&stat, 0xff, sizeof(stat));
		if (s[i].t->stat && !s[i].t->stat(s[i].engine, &stat) &&
		    stat.live_pages != TRANSLATOR_UNKNOWN &&
		    !(run->t->capabilities & TRANSLATOR_COMPUTES_NOTHING) &&
		    (stat.live_pages < i + 2 || stat.live_pages > 8))
			return fail(run, "engine %u has %lu live pages, of %u", i,
				    (unsigned long)stat.live_pages, i + 2);
		if (!close_engine(run, &s[i]))
			return false;
	}
	return true;
}

/* ---- what is left ---- */

static unsigned count_entries(const char *path)
{
	DIR *directory = opendir(path);
	unsigned count = 0;

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

static unsigned count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned count = 0;
	int c;

	while (maps && (c = fgetc(maps)) != EOF)
		count += c == '\n';
	if (maps)
		fclose(maps);
	return count;
}

/* An engine's whole life, without giving back what it has: close need not be kind, but the
 * contract says that no handle is left, so all are destroyed. */
static bool one_life(struct check_run *run, const struct check_geometry *geometry)
{
	const struct translator_map_options o = { .address = 16 * PAGE,
						  .length = 64 * PAGE,
						  .perms = 3 };
	struct check_subject s;
	bool skipped;

	if (!open_engine(run, &s, *geometry, &skipped))
		return skipped;
	for (unsigned i = 0; i < CHECK_SPACES; i++) {
		if (s.t->space_create(s.engine, 1024 * PAGE, &s.spaces[i]) ||
		    s.t->map(s.spaces[i], &o))
			return fail(run, "no space, or nothing can be mapped");
		for (uint64_t page = 16; page < 80; page++)
			if (s.t->fault(s.spaces[i], page * PAGE, 2))
				return fail(run, "a fault fails");
	}
	return close_engine(run, &s);
}

bool check_run_close(struct check_run *run, const void *data)
{
	struct check_geometry geometry = plain;
	unsigned files = 0, mappings = 0, threads = 0, lives = run->quick ? 6 : 12;

	(void)data;
	geometry.touch = run->t->capabilities & TRANSLATOR_CAN_TOUCH;
	for (unsigned i = 0; i < lives; i++) {
		if (!one_life(run, &geometry))
			return false;
		run->outcome->tried++;
		/* What is made once and kept is nobody's loss. */
		if (i == 1) {
			files = count_entries("/proc/self/fd");
			mappings = count_mappings();
			threads = count_entries("/proc/self/task");
		}
	}
	bool keeps = run->t->capabilities & TRANSLATOR_KEEPS_THREADS;

	if (count_entries("/proc/self/task") > threads && !keeps)
		return fail(run, "after close threads are left: %u more after %u engines",
			    count_entries("/proc/self/task") - threads, lives - 2);
	if (count_entries("/proc/self/fd") > files)
		return fail(run, "after close files stay open: %u more after %u engines",
			    count_entries("/proc/self/fd") - files, lives - 2);
	/* A few may come and go with the allocator's own; the stacks of threads kept are theirs. */
	if (count_mappings() > mappings + lives / 2 && !keeps)
		return fail(run, "after close host mappings stay: %u more after %u engines",
			    count_mappings() - mappings, lives - 2);
	return true;
}

/* ---- sizes ---- */

/* The size of the kernel's page at a host address, from smaps; 0: not to be known. */
static uint64_t kernel_page(const void *at)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib, address = (unsigned long)at;
	uint64_t found = 0;
	bool inside = false;
	char line[512];

	while (smaps && !found && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= address && address < end;
		else if (inside && sscanf(line, "KernelPageSize: %lu kB", &kib) == 1)
			found = kib * 1024;
	}
	if (smaps)
		fclose(smaps);
	return found;
}

/* Faults in 4 MiB with 2 MiB pages in them, and asks which pages they became. */
/* What is asked of a page class. */
struct size_class {
	const char *pages;
	uint64_t needs; /* capability */
	uint64_t least; /* bytes of a page */
	bool is_certain; /* hugetlb: what is said can be read back from the kernel */
};

#define SIZE_PLACES 16

/* One page of the host that is smaller than it is said to be. */
static bool is_really(struct check_run *run, struct check_subject *s, const struct size_class *c,
		      uint64_t at, uint64_t size)
{
	uint8_t byte = 1;
	void *host = s->t->host_address(s->spaces[0], at);

	if (host && !check_touch(host, true, &byte) && kernel_page(host) &&
	    kernel_page(host) < c->least)
		return fail(run, "pages=%s: said to be %lu bytes, and is %lu", c->pages,
			    (unsigned long)size, (unsigned long)kernel_page(host));
	return true;
}

/* The size of the page that was found at `at`, and where it is in its large one. */
static bool is_of_size(struct check_run *run, struct check_subject *s, const struct size_class *c,
		       uint64_t at, const struct translator_translation *found, unsigned *small)
{
	uint64_t size = 0;
	int node;

	run->outcome->tried++;
	if (s->t->placement(s->engine, found->file, found->offset, &size, &node))
		return true;
	if (c->least == PAGE && size != PAGE)
		return fail(run, "pages=%s: a page of %lu bytes", c->pages, (unsigned long)size);
	*small += size < c->least;
	if (size < c->least || c->least == PAGE)
		return true;
	if ((found->offset ^ at) & (c->least - PAGE))
		return fail(run, "pages=%s: a small page at an odd place of a large one", c->pages);
	return !s->geometry.touch || !c->is_certain || is_really(run, s, c, at, size);
}

static bool size_of(struct check_run *run, struct check_subject *s, const struct size_class *c)
{
	/* Of 1 GiB there may be one. */
	uint64_t unit = c->least > 2 * MIB ? c->least : 2 * MIB;
	const struct translator_map_options o = { .address = unit,
						  .length = unit > 2 * MIB ? unit : 2 * unit,
						  .perms = 3 };
	uint64_t step = o.length / SIZE_PLACES;
	struct translator_stat stat;
	unsigned small = 0;

	if (s->t->space_create(s->engine, 8 * unit, &s->spaces[0]))
		return fail(run, "no space");
	if (s->t->map(s->spaces[0], &o))
		return fail(run, "nothing can be mapped");
	for (uint64_t at = o.address; at < o.address + o.length; at += step / 64) {
		struct translator_translation found;

		if (s->t->fault(s->spaces[0], at, 2) || s->t->lookup(s->spaces[0], at, 2, &found))
			return fail(run, "pages=%s: a fault fails", c->pages);
		if (at % step == 0 && !is_of_size(run, s, c, at, &found, &small))
			return false;
	}
	memset(&stat, 0xff, sizeof(stat));
	if (small && (!s->t->stat || s->t->stat(s->engine, &stat) || !stat.fallbacks))
		return fail(run,
			    "pages=%s: %u of %u places have pages below %lu bytes, and no "
			    "fallback is counted",
			    c->pages, small, SIZE_PLACES, (unsigned long)c->least);
	return true;
}

bool check_run_sizes(struct check_run *run, const void *data)
{
	static const struct size_class classes[] = {
		{ "4k", 0, PAGE, false },
		{ "thp", TRANSLATOR_CAN_THP, 2 * MIB, false },
		{ "2m", TRANSLATOR_CAN_HUGE_2M, 2 * MIB, true },
		{ "1g", TRANSLATOR_CAN_HUGE_1G, 1024 * MIB, true },
	};
	const char *asked = check_pages_asked(run->options);
	char lacking[40] = "";
	bool skipped;

	(void)data;
	if (!TRANSLATOR_HAS(run->t, placement)) {
		run->outcome->status = CHECK_SKIPPED;
		snprintf(run->outcome->message, sizeof(run->outcome->message),
			 "it does not say where pages are (placement)");
		return true;
	}
	for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct check_geometry geometry = plain;
		size_t used = strlen(lacking);
		struct check_subject s;

		if ((classes[i].needs & ~run->t->capabilities) ||
		    (asked && strcmp(asked, classes[i].pages) != 0))
			continue;
		geometry.pages = classes[i].pages;
		geometry.touch = run->t->capabilities & TRANSLATOR_CAN_TOUCH;
		if (!open_engine(run, &s, geometry, &skipped)) {
			if (!skipped)
				return false;
			snprintf(lacking + used, sizeof(lacking) - used, "%s%s",
				 used ? " and " : "", classes[i].pages);
			continue;
		}
		if (!size_of(run, &s, &classes[i]) || !close_engine(run, &s))
			return false;
	}
	run->outcome->status = CHECK_PASSED;
	if (*lacking)
		snprintf(run->outcome->message, sizeof(run->outcome->message),
			 "without pages=%s: this machine has none, or too few", lacking);
	return true;
}
