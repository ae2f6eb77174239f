/* SPDX-License-Identifier: Apache-2.0 */
/* threads.c - a thread of its own outlives close. */
#include <pthread.h>
#include <unistd.h>

#include "tests/plugins/plugin.h"

static void *stay(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static int odd_open(const struct translator_option *options, struct translator_engine **engine,
		    char *error, size_t size)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, stay, NULL))
		return -11;
	return null_open(options, engine, error, size);
}

PLUGIN(.open = odd_open);
