/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exports.h - the Go functions behind the table of this plug-in, as C sees them.
 *
 * Both sides include it: the Go compiler compares what it exports with what stands here. Handles
 * are numbers here and opaque pointers in the ABI; no pointer of Go's ever leaves Go. A call means
 * what the member of struct translator with its name means, and may be made by any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "translators/translator.h"

int gvisor_open(struct translator_option *options, uintptr_t *engine, char *error,
		size_t error_size);
void gvisor_close(uintptr_t engine);
int gvisor_stat(uintptr_t engine, struct translator_stat *stat);

int gvisor_object_create(uintptr_t engine, struct translator_object_options *options,
			 uintptr_t *object);
void gvisor_object_destroy(uintptr_t object);
int gvisor_object_truncate(uintptr_t object, uint64_t size);
int gvisor_object_punch(uintptr_t object, uint64_t offset, uint64_t length);
int gvisor_object_invalidate(uintptr_t object, uint64_t offset, uint64_t length);
int gvisor_translate(uintptr_t object, struct translator_range required,
		     struct translator_range optional, uint32_t access,
		     struct translator_translation *out, size_t max, size_t *count);

void gvisor_incref(uintptr_t engine, uint64_t offset, uint64_t length);
void gvisor_decref(uintptr_t engine, uint64_t offset, uint64_t length);
uintptr_t gvisor_map_internal(uintptr_t engine, uint64_t offset, uint64_t length, uint32_t access);

int gvisor_space_create(uintptr_t engine, uint64_t bytes, uintptr_t *space);
void gvisor_space_destroy(uintptr_t space);
int gvisor_space_fork(uintptr_t parent, uintptr_t *child);
int gvisor_map(uintptr_t space, struct translator_map_options *options);
int gvisor_unmap(uintptr_t space, uint64_t address, uint64_t length);
int gvisor_protect(uintptr_t space, uint64_t address, uint64_t length, uint32_t perms);
int gvisor_remap(uintptr_t space, uint64_t old_address, uint64_t old_length, uint64_t new_address,
		 uint64_t new_length);
int gvisor_discard(uintptr_t space, uint64_t address, uint64_t length);
int gvisor_fault(uintptr_t space, uint64_t address, uint32_t access);
int gvisor_lookup(uintptr_t space, uint64_t address, uint32_t access,
		  struct translator_translation *out);
int gvisor_read(uintptr_t space, uint64_t address, uintptr_t to, uint64_t length, uint64_t *done);
int gvisor_write(uintptr_t space, uint64_t address, uintptr_t from, uint64_t length,
		 uint64_t *done);

int gvisor_batch(uintptr_t engine, struct translator_batch *batch, uint64_t *done);
