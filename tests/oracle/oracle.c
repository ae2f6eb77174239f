/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oracle.c - random runs of operations, with Linux as the judge of the engine.
 *
 *   oracle [--seed N] [--ops N] [--seconds N] [--out DIR]
 *   oracle --threads N [--seed N] [--seconds N]
 *
 * Runs of `ops` operations, with the seeds N, N + 1 and so on, for that many seconds. The first
 * disagreement is shrunk, printed, and written to DIR/seed-N.ops; replay runs such files again.
 * With threads there is no Linux to compare with: what each must see is known (threads.h).
 * Exit 0: all agreed; 1: one did not; 2: usage; 3: no verdict.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/oracle/generate.h"
#include "tests/oracle/judge.h"
#include "tests/oracle/threads.h"

#define SHRINK_SECONDS 60

static bool number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && end != text && !*end;
}

static void tell(const struct run *run, const struct verdict *v)
{
	char line[512];

	for (size_t i = 0; i < run->count; i++)
		printf("    %zu %s\n", i, op_print(&run->ops[i], line, sizeof(line)));
	printf("    at %zu: %s\n", v->op, v->text);
}

static bool save(const char *directory, uint64_t seed, const struct run *run,
		 const struct verdict *v)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/seed-%llu.ops", directory, (unsigned long long)seed);
	FILE *to = fopen(path, "w");

	if (!to) {
		printf("%s: %s\n", path, strerror(errno));
		return false;
	}
	fprintf(to, "# seed %llu; at %zu: %s\n", (unsigned long long)seed, v->op, v->text);
	run_write(run, to);
	fclose(to);
	printf("  replay it with: tests/oracle/replay %s\n", path);
	return true;
}

struct settings {
	uint64_t seed, ops, seconds, threads;
	const char *directory;
};

static int run_threads(const struct settings *s)
{
	unsigned half = (unsigned)(s->seconds + 1) / 2;
	uint64_t done = 0, forks = 0;
	uint64_t seed = s->seed;

	/* Short pieces, so that many arrangements have their turn. */
	for (time_t end = time(NULL) + half; time(NULL) < end; seed++)
		done += threads_run(seed, (unsigned)s->threads, half < 4 ? half : 4);
	for (time_t end = time(NULL) + half; time(NULL) < end; seed++)
		forks += threads_order(seed, 1);
	printf("%llu operations of %llu threads, %llu forks beside a writer: as it ought to be\n",
	       (unsigned long long)done, (unsigned long long)s->threads, (unsigned long long)forks);
	return 0;
}

static int run_judged(const struct settings *s)
{
	uint64_t seed = s->seed;
	struct run run;
	struct verdict v;

	for (time_t end = time(NULL) + (time_t)s->seconds; time(NULL) <= end; seed++) {
		generate(seed, s->ops, &run);
		judge(&run, &v);
		if (v.kind == NO_VERDICT) {
			printf("seed %llu: no verdict at %zu: %s\n", (unsigned long long)seed, v.op,
			       v.text);
			return 3;
		}
		if (v.kind != AGREE) {
			printf("seed %llu: at %zu of %zu: %s\n", (unsigned long long)seed, v.op,
			       run.count, v.text);
			shrink(&run, &v, SHRINK_SECONDS);
			tell(&run, &v);
			save(s->directory, seed, &run, &v);
			run_release(&run);
			return 1;
		}
		run_release(&run);
	}
	printf("%llu runs of %llu operations agree with Linux\n",
	       (unsigned long long)(seed - s->seed), (unsigned long long)s->ops);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
						 { "ops", required_argument, NULL, 'o' },
						 { "seconds", required_argument, NULL, 't' },
						 { "threads", required_argument, NULL, 'p' },
						 { "out", required_argument, NULL, 'd' },
						 { NULL, 0, NULL, 0 } };
	struct settings s = { 1, 200, 10, 1, "tests/oracle/cases" };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint64_t *to = option == 's'   ? &s.seed
			       : option == 'o' ? &s.ops
			       : option == 'p' ? &s.threads
					       : &s.seconds;

		if (option == 'd')
			s.directory = optarg;
		else if (option == '?' || !number(optarg, to))
			return 2;
	}
	if (optind < argc || s.ops <= PROCESSES || s.ops > OPS_MAX || !s.threads ||
	    s.threads > THREADS_MAX) {
		fprintf(stderr, "oracle: --ops is %d to %d, --threads 1 to %d; no arguments\n",
			PROCESSES + 1, OPS_MAX, THREADS_MAX);
		return 2;
	}
	return s.threads > 1 ? run_threads(&s) : run_judged(&s);
}
