/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.c - translators from files: what is looked at before any of their code runs, and loading.
 *
 * Each refusal is one sentence that says what is wrong and what to do. No locks.
 */
#include "harness/plugin.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYMBOL "faultline_translator"

/* What a capability bit promises: one row for each function. */
static const struct promise {
	uint64_t bit; /* 0: every translator has it */
	size_t offset;
	const char *bit_name, *name;
} promises[] = {
#define PROMISE(bit, function)                                                            \
	{                                                                                 \
		TRANSLATOR_CAN_##bit, offsetof(struct translator, function), "CAN_" #bit, \
			#function                                                         \
	}
	{ 0, offsetof(struct translator, open), "", "open" },
	{ 0, offsetof(struct translator, close), "", "close" },
	{ 0, offsetof(struct translator, stat), "", "stat" },
	PROMISE(OBJECTS, object_create),
	PROMISE(OBJECTS, object_destroy),
	PROMISE(OBJECTS, object_truncate),
	PROMISE(OBJECTS, object_punch),
	PROMISE(OBJECTS, object_invalidate),
	PROMISE(OBJECTS, translate),
	PROMISE(FILES, object_create),
	PROMISE(FILES, object_sync),
	PROMISE(REFERENCES, incref),
	PROMISE(REFERENCES, decref),
	PROMISE(REFERENCES, map_internal),
	PROMISE(SPACES, space_create),
	PROMISE(SPACES, space_destroy),
	PROMISE(SPACES, map),
	PROMISE(SPACES, unmap),
	PROMISE(SPACES, fault),
	PROMISE(SPACES, lookup),
	PROMISE(PROTECT, protect),
	PROMISE(DISCARD, discard),
	PROMISE(TOUCH, host_address),
	PROMISE(FORK, space_fork),
	PROMISE(REMAP, remap),
	PROMISE(IO, read),
	PROMISE(IO, write),
	PROMISE(PRIVATE, map),
	PROMISE(BATCH, batch),
	PROMISE(SELF_CHECK, self_check),
	PROMISE(MOVE, move),
#undef PROMISE
};

static __attribute__((format(printf, 3, 4))) int refuse(char *error, size_t size,
							const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error, size, format, list);
	va_end(list);
	return -EINVAL;
}

bool plugin_is_path(const char *name)
{
	return strchr(name, '/') != NULL;
}

/* The directory of a path is not one in which anybody may put another file in its place. */
static int check_directory(const char *path, char *error, size_t size)
{
	char copy[PATH_MAX];
	const char *directory;
	struct stat st;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return refuse(error, size, "%.80s...: the path is too long", path);
	directory = dirname(copy);
	if (stat(directory, &st))
		return refuse(error, size, "%s: %s", directory, strerror(errno));
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return refuse(error, size,
			      "%s: anybody may replace it, its directory %s is world-writable; "
			      "chmod o-w %s, move the plug-in, or say --allow-writable",
			      path, directory, directory);
	return 0;
}

/* All that is to be mapped is in the file: what is not would be a SIGBUS in the loader. */
static bool is_whole(int fd, const Elf64_Ehdr *head, uint64_t file_size)
{
	Elf64_Phdr segment;

	for (unsigned i = 0; i < head->e_phnum; i++) {
		off_t at = (off_t)(head->e_phoff + i * sizeof(segment));

		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment) ||
		    segment.p_offset > file_size || segment.p_filesz > file_size - segment.p_offset)
			return false;
	}
	return true;
}

static int check_elf(const char *path, int fd, uint64_t file_size, char *error, size_t size)
{
	Elf64_Ehdr head;
	ssize_t got = pread(fd, &head, sizeof(head), 0);

	if (got < 0)
		return refuse(error, size, "%s: %s", path, strerror(errno));
	if (got < SELFMAG || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(
			error, size,
			"%s: not an ELF file; a plug-in is a shared library (cc -shared -fPIC "
			"-o mine.so mine.c)",
			path);
	if (got < (ssize_t)sizeof(head))
		return refuse(error, size, "%s: the ELF file is cut off; build it again", path);
	if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
	    head.e_machine != EM_X86_64)
		return refuse(error, size, "%s: built for another machine; build it for x86-64",
			      path);
	if (!is_whole(fd, &head, file_size))
		return refuse(error, size, "%s: the ELF file is cut off; build it again", path);
	if (head.e_type != ET_DYN)
		return refuse(error, size,
			      "%s: an ELF file, but no shared library; link it with -shared", path);
	return 0;
}

int plugin_inspect(const char *path, bool allow_writable, char *error, size_t size)
{
	char real[PATH_MAX];
	struct stat st;
	/* Whoever names a pipe is not to wait for its other end. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;

	if (fd < 0 || fstat(fd, &st) || !realpath(path, real)) {
		rc = refuse(error, size, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		rc = refuse(error, size, "%s: not a regular file", path);
	} else if (!allow_writable && (st.st_mode & S_IWOTH)) {
		rc = refuse(error, size,
			    "%s: world-writable, so anybody may change what it does; chmod o-w "
			    "it, or say --allow-writable",
			    path);
	} else {
		rc = allow_writable ? 0 : check_directory(path, error, size);
		if (!rc && !allow_writable)
			rc = check_directory(real, error, size);
		if (!rc)
			rc = check_elf(path, fd, (uint64_t)st.st_size, error, size);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static const char *name_of_bit(uint64_t bit)
{
	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
		if (promises[i].bit == bit)
			return promises[i].bit_name;
	}
	return "?";
}

/* A table that is long enough to say how long it is. */
static int check_promises(const struct translator *table, char *error, size_t size)
{
	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
		const struct promise *p = &promises[i];
		void (*function)(void) = NULL;

		if (p->bit && !(table->capabilities & p->bit))
			continue;
		if (p->offset + sizeof(function) <= table->struct_size)
			memcpy(&function, (const char *)table + p->offset, sizeof(function));
		if (function)
			continue;
		if (!p->bit)
			return refuse(error, size,
				      "its table has no %s, which every translator has", p->name);
		return refuse(error, size,
			      "it claims TRANSLATOR_%s, but its table has no %s: clear the bit, or "
			      "supply the function",
			      name_of_bit(p->bit), p->name);
	}
	return 0;
}

int plugin_check_table(const struct translator *table, size_t bytes, char *error, size_t size)
{
	/* Through these the rest is understood, in every version. */
	if (bytes < offsetof(struct translator, name) || table->magic != TRANSLATOR_MAGIC)
		return refuse(error, size,
			      "its " SYMBOL " is no table of a translator: it does not start with "
			      "TRANSLATOR_MAGIC");
	if (table->abi_major != TRANSLATOR_ABI_MAJOR)
		return refuse(error, size,
			      "built for ABI %u.%u, and this is faultline's ABI %d.%d: build it "
			      "again with this translator.h",
			      table->abi_major, table->abi_minor, TRANSLATOR_ABI_MAJOR,
			      TRANSLATOR_ABI_MINOR);
	if (table->struct_size > bytes)
		return refuse(error, size,
			      "its table says that it has %u bytes, and the symbol has %zu: set "
			      "struct_size to sizeof(struct translator)",
			      table->struct_size, bytes);
	if (table->struct_size < offsetof(struct translator, stat) + sizeof(table->stat))
		return refuse(error, size,
			      "its table is too short (%u bytes): set struct_size to sizeof(struct "
			      "translator)",
			      table->struct_size);
	if (!table->name || !*table->name || !table->version || !table->description)
		return refuse(error, size, "its table lacks a name, a version or a description");
	return check_promises(table, error, size);
}

/* The table and how many bytes of it there are. */
static int find_table(void *library, const struct translator **table, size_t *bytes, char *error,
		      size_t size)
{
	const ElfW(Sym) *symbol = NULL;
	struct link_map *map;
	Dl_info info;

	*bytes = 0;
	*table = dlsym(library, SYMBOL);
	/* Only its own: dlsym also looks into the libraries that it needs. */
	if (!*table || dlinfo(library, RTLD_DI_LINKMAP, &map) ||
	    !dladdr1(*table, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol ||
	    info.dli_fbase != (void *)map->l_addr)
		return refuse(error, size,
			      "it exports no " SYMBOL "; define \"const struct translator " SYMBOL
			      " = { ... }\" in it (C++: extern \"C\"), and do not hide it");
	*bytes = symbol->st_size;
	return 0;
}

int plugin_load(const char *path, const struct translator **translator, char *error, size_t size)
{
	const struct translator *table;
	struct translator *copy;
	char why[512] = "";
	size_t bytes;
	/* All of it now: a missing function is a refusal, not a crash while it is timed. */
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int rc;

	if (!library)
		return refuse(error, size, "%s: cannot be loaded: %s", path, dlerror());
	rc = find_table(library, &table, &bytes, why, sizeof(why));
	if (!rc)
		rc = plugin_check_table(table, bytes, why, sizeof(why));
	/* It is not unloaded: a thread of its own may run its code already. */
	if (rc)
		return refuse(error, size, "%s: %s", path, why);
	copy = calloc(1, sizeof(*copy));
	if (!copy)
		return refuse(error, size, "%s: no memory", path);
	memcpy(copy, table,
	       table->struct_size < sizeof(*copy) ? table->struct_size : sizeof(*copy));
	copy->struct_size = sizeof(*copy);
	*translator = copy;
	return 0;
}
