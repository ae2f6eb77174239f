/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gbench_shim.cc - the C functions of gbench_shim.h on libbenchmark.
 *
 * A gbench_state is a benchmark::State on the stack of its run, a gbench is what libbenchmark calls
 * a Benchmark. No exception leaves this file: libbenchmark is called where it throws none
 * but for lack of memory, which ends the process.
 */
#include "harness/gbench_shim.h"

#include <benchmark/benchmark.h>

struct gbench {
	benchmark::internal::Benchmark *benchmark;
	bool has_argument; /* State says only by an assertion that it has none */
};

struct gbench_state {
	benchmark::State &state;
	const gbench *of;
};

extern "C" struct gbench *gbench_register(const char *name, gbench_fn fn)
{
	auto *b = new gbench{ nullptr, false };
	auto run = [fn, b](benchmark::State &state) {
		gbench_state s{ state, b };

		fn(&s);
		/* Of a thread; the library adds them up. */
		state.SetItemsProcessed(state.iterations());
	};

	b->benchmark = benchmark::RegisterBenchmark(name, run);
	return b;
}

extern "C" void gbench_argument(struct gbench *b, int64_t argument)
{
	b->has_argument = true;
	b->benchmark->Arg(argument);
}

extern "C" void gbench_threads(struct gbench *b, int threads)
{
	b->benchmark->Threads(threads)->UseRealTime();
}

extern "C" bool gbench_state_keep_running_batch(struct gbench_state *s, int64_t n)
{
	return s->state.KeepRunningBatch(n);
}

extern "C" int64_t gbench_state_range(const struct gbench_state *s)
{
	return s->of->has_argument ? s->state.range(0) : 0;
}

extern "C" int gbench_state_thread(const struct gbench_state *s)
{
	return s->state.thread_index();
}

extern "C" int gbench_state_thread_count(const struct gbench_state *s)
{
	return s->state.threads();
}

extern "C" void gbench_state_pause(struct gbench_state *s)
{
	s->state.PauseTiming();
}

extern "C" void gbench_state_resume(struct gbench_state *s)
{
	s->state.ResumeTiming();
}

extern "C" void gbench_state_skip(struct gbench_state *s, const char *message)
{
	s->state.SkipWithError(message);
}

extern "C" int gbench_main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::RunSpecifiedBenchmarks();
	benchmark::Shutdown();
	return 0;
}
