/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_side.h - what the parts of Linux's side share: the process that works is one of several
 * copies of the same program, so this is state of the process.
 */
#pragma once

#include <sys/types.h>

#include "tests/oracle/record.h"

struct linux_side {
	const struct run *run;
	struct side *side;
	int object_fd[OBJECTS], read_only_fd[OBJECTS];
	int scratch_fd; /* COPY_BYTES_MAX bytes, which `scratch` shows */
	unsigned char *scratch;
	int memory_fd; /* /proc/self/mem of this process */
	int zero_fd; /* /dev/zero */
	uint64_t heap; /* where this process's break was at first */
	uint64_t other_private_writable; /* bytes that are not the window's */
	bool locked_all; /* mlockall locked more than the window */
};
extern struct linux_side here;

/* Stops this side: it cannot tell what Linux does. */
void must(bool it_worked);
/* Writes the first contents of a file object. */
void must_fill(int fd, unsigned object);
/* Hashes what a file holds now. */
void must_read(int fd, struct record *r);
/* Where an application address is in this process, and back. */
void *linux_at(uint64_t address);
uint64_t linux_application(uint64_t at);

/* linux_maps.c */
/* The mappings of the window, from /proc/self/maps; detailed: with flags, from smaps. */
void linux_lines(struct record *r, bool detailed);
/* Are there neighbours in [start, end) that are equal in all but range, and two for Linux? */
bool linux_splits(uint64_t start, uint64_t end);
/* The object that was just mapped at address is to be called `object`. */
void linux_name_object(uint64_t address, int32_t object);
void linux_name_inode(uint64_t inode, int32_t object);
/* Bytes of a field of /proc/self/status that is in kB. */
uint64_t linux_status(const char *field);

/* linux_ops.c */
void linux_op(const struct op *op, struct record *r);
/* linux.c: the loop of a worker. */
_Noreturn void linux_work(unsigned process);
