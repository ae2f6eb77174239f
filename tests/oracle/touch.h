/* SPDX-License-Identifier: Apache-2.0 */
/* touch.h - real loads and stores, whose signals are caught and told. */
#pragma once

#include <stdint.h>

struct touch {
	int signal, code; /* 0, 0: it happened */
	uint64_t fault; /* si_addr */
	uint64_t value; /* what a load read */
};

/* Installs handlers for SIGSEGV and SIGBUS: before anything that chains to them. */
void touch_install(void);
/* Eight bytes at any address. */
struct touch touch_load(void *address);
struct touch touch_store(void *address, uint64_t value);
