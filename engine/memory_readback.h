/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_readback.h - what the kernel really gave, and what it would give. Asked of the kernel each
 * time: slow. No locks.
 */
#pragma once

#include "engine/memory_file.h"

/* The NUMA node on which the page really is (move_pages), or -errno (-ENOENT: not backed). */
int memory_file_node_of(struct memory_file *mf, uint32_t page);
/* The page size in bytes with which the kernel maps our view of the page: 4096, 2097152, 2^30
 * (smaps KernelPageSize, ShmemPmdMapped), or -errno. Slow: parses /proc/self/smaps. */
int64_t memory_file_kernel_page_size(struct memory_file *mf, uint32_t page);
/* Whether huge pages of the class can be had now: 0, or -errno; *why is a sentence with what to
 * do (static storage). */
int memory_file_probe(enum page_class cls, const char **why);
