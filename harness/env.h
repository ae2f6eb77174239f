/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env.h - the circumstances of a run: host, kernel, memory, limits, compiler.
 *
 * What cannot be read is null with a reason beside it. No locks; any thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/clock.h"
#include "harness/topology.h"

/* Everything that env.json holds. A new reference. */
json_t *env_json(const struct topology *t, const struct clock_source *clock, const char *label);

/* The first line of a file without its newline, into buffer; false if unreadable. */
bool env_read_line(const char *path, char *buffer, size_t size);
/* Name of this host, of its processor ("unknown"), of its kernel; return buffer. */
const char *env_host_name(char *buffer, size_t size);
const char *env_cpu_model(char *buffer, size_t size);
const char *env_kernel(char *buffer, size_t size);
bool env_virtualized(void);
/* Whether the processor is a program (QEMU's TCG, Bochs): it behaves as one, its times are none. */
bool env_emulated(void);
/* The same of a hypervisor's signature (CPUID 0x40000000; "": none) and the processor's name. */
bool env_is_emulator(const char *signature, const char *cpu_model);
/* Whether gnuplot can be found on PATH. */
bool env_has_gnuplot(void);
/* Huge pages of size_kb in the pool of a node (kernel's number), and free ones. False: none. */
bool env_huge_pages(int node, unsigned size_kb, long *total, long *unused);

/* Bytes in free 2 MiB pages of all nodes, with those that the kernel would add on demand. */
uint64_t env_huge_bytes_free(unsigned size_kb);

/* A number, or null for what is not finite. */
json_t *env_number(double value);
/* Now, in seconds since 1970. */
double env_seconds(void);
/* Now, ISO 8601 UTC; buffer of at least 32 bytes. */
const char *env_time(char *buffer, size_t size);
