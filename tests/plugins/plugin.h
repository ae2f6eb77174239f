/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.h - the null translator with something wrong: each plug-in here names what differs.
 */
#pragma once

#define translator_null plain_null
#include "translators/null.c"

/* Members named again are meant to win. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define PLUGIN(...)                                                                  \
	const struct translator faultline_translator = {                             \
		.magic = TRANSLATOR_MAGIC,                                           \
		.abi_major = TRANSLATOR_ABI_MAJOR,                                   \
		.abi_minor = TRANSLATOR_ABI_MINOR,                                   \
		.struct_size = sizeof(struct translator),                            \
		.name = "odd",                                                       \
		.version = "1",                                                      \
		.description = "a plug-in of the tests",                             \
		.capabilities = TRANSLATOR_CAN_SPACES | TRANSLATOR_COMPUTES_NOTHING, \
		.open = null_open,                                                   \
		.close = null_close,                                                 \
		.stat = null_stat,                                                   \
		.space_create = null_space_create,                                   \
		.space_destroy = null_space_destroy,                                 \
		.map = null_map,                                                     \
		.unmap = null_space_range,                                           \
		.fault = null_fault,                                                 \
		.lookup = null_lookup,                                               \
		__VA_ARGS__                                                          \
	}

/* A fault that does something else. */
#define PLUGIN_FAULT(...)                                                                       \
	static int odd_fault(struct translator_space *space, uint64_t address, uint32_t access) \
	{                                                                                       \
		(void)space, (void)address, (void)access;                                       \
		__VA_ARGS__;                                                                    \
		return 0;                                                                       \
	}                                                                                       \
	PLUGIN(.fault = odd_fault)
