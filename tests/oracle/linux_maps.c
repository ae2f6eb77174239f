/* SPDX-License-Identifier: Apache-2.0 */
/* linux_maps.c - what Linux has mapped: /proc/self/maps, smaps and status, read without malloc. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/oracle/linux.h"
#include "tests/oracle/linux_side.h"

#define NAMES_MAX (OBJECTS + OPS_MAX)
#define UNKNOWN_OBJECT (-2)

static struct {
	uint64_t inode;
	int32_t object;
} names[NAMES_MAX];
static unsigned name_count;

void linux_name_inode(uint64_t inode, int32_t object)
{
	must(name_count < NAMES_MAX);
	names[name_count].inode = inode;
	names[name_count++].object = object;
}

static int32_t object_of(uint64_t inode)
{
	for (unsigned i = 0; i < name_count; i++)
		if (names[i].inode == inode)
			return names[i].object;
	return inode ? UNKNOWN_OBJECT : -1;
}

static char *read_all(const char *path)
{
	static char text[2 << 20];
	size_t length = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	must(length < sizeof(text) - 1);
	text[length] = '\0';
	return text;
}

static const char *parse_number(const char *p, int base, uint64_t *value)
{
	char *end;

	*value = strtoull(p, &end, base);
	return end;
}

static const char *next_line(const char *p)
{
	while (*p && *p != '\n')
		p++;
	return *p ? p + 1 : p;
}

/* start-end perms offset major:minor inode, addresses as they are. Returns the next line. */
static const char *parse_line(const char *p, struct line *line, uint64_t *inode)
{
	uint64_t ignored;

	*line = (struct line){ 0 };
	p = parse_number(p, 16, &line->start) + 1;
	p = parse_number(p, 16, &line->end) + 1;
	line->prot = (uint8_t)((p[0] == 'r' ? PROT_R : 0) | (p[1] == 'w' ? PROT_W : 0) |
			       (p[2] == 'x' ? PROT_X : 0));
	line->shared = p[3] == 's';
	p = parse_number(p + 5, 16, &line->offset);
	p = parse_number(p, 16, &ignored) + 1;
	p = parse_number(p, 16, &ignored);
	p = parse_number(p, 10, inode);
	return next_line(p);
}

static uint8_t parse_flags(const char *p)
{
	static const struct {
		const char name[4];
		uint8_t flag;
	} known[] = { { "gd ", LINE_GROWS_DOWN },
		      { "lo ", LINE_LOCKED },
		      { "dc ", LINE_DONTFORK },
		      { "lf ", LINE_LOCKED_ON_FAULT },
		      { "?? ", LINE_LOCKED_ON_FAULT } }; /* it has no letters of its own */
	uint8_t flags = 0;

	for (; *p && *p != '\n'; p += 3)
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (!strncmp(p, known[i].name, 3))
				flags |= known[i].flag;
	return flags;
}

/* Is the line of the window or the heap? Then with application addresses. */
static bool in_window(struct line *line)
{
	if (line->start >= LINUX_BASE && line->end <= LINUX_BASE + WINDOW_BYTES) {
		line->start -= LINUX_BASE;
		line->end -= LINUX_BASE;
		return true;
	}
	if (line->end <= here.heap || line->start >= here.heap + HEAP_PAGES * PAGE)
		return false;
	if (line->start < here.heap) /* what was the heap before */
		line->start = here.heap;
	line->start = linux_application(line->start);
	line->end = linux_application(line->end);
	return true;
}

void linux_lines(struct record *r, bool detailed)
{
	static const char flags[] = "VmFlags: ";
	struct record heap = { 0 }; /* comes first in Linux, but has higher application addresses */
	struct line line;
	uint64_t inode;
	const char *p = read_all(detailed ? "/proc/self/smaps" : "/proc/self/maps");

	r->line_count = 0;
	while (*p) {
		p = parse_line(p, &line, &inode);
		line.object = object_of(inode);
		while (detailed && *p) { /* the fields of the mapping; flags are the last */
			bool last = !strncmp(p, flags, sizeof(flags) - 1);

			if (last)
				line.flags = parse_flags(p + sizeof(flags) - 1);
			p = next_line(p);
			if (last)
				break;
		}
		if (in_window(&line))
			record_line(here.side, line.start >= HEAP_BASE ? &heap : r, line);
	}
	for (uint32_t i = 0; i < heap.line_count; i++)
		record_line(here.side, r, heap.lines[i]);
}

bool linux_splits(uint64_t start, uint64_t end)
{
	struct line line, last = { 0 };
	uint64_t inode;

	for (const char *p = read_all("/proc/self/maps"); *p; last = line) {
		p = parse_line(p, &line, &inode);
		line.object = object_of(inode);
		if (in_window(&line) && line.start > start && line.start < end &&
		    (line.object < 0 || last.object == line.object) &&
		    record_continues(&last, &line))
			return true;
	}
	return false;
}

void linux_name_object(uint64_t address, int32_t object)
{
	struct line line;
	uint64_t inode;

	for (const char *p = read_all("/proc/self/maps"); *p;) {
		p = parse_line(p, &line, &inode);
		if (line.start == (uint64_t)(uintptr_t)linux_at(address))
			linux_name_inode(inode, object);
	}
}

uint64_t linux_status(const char *field)
{
	const char *at = strstr(read_all("/proc/self/status"), field);
	uint64_t value;

	must(at);
	parse_number(at + strlen(field) + 1, 10, &value);
	return value * 1024;
}
