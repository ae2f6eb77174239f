/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_main.c - the micro suite of the engine's primitives, with the flags of Google Benchmark.
 *
 * Compare within one run: --benchmark_enable_random_interleaving=true --benchmark_repetitions=9.
 * floor/fetch_add is what the others are to be set against.
 */
#include "harness/micro.h"

int main(int argc, char **argv)
{
	micro_address_map();
	micro_floor();
	micro_histogram();
	micro_mapping_set();
	micro_page_count();
	micro_range();
	return gbench_main(argc, argv);
}
