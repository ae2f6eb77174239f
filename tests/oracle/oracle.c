/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oracle.c - random runs of operations, with Linux as the judge of the engine.
 *
 *   oracle [--seed N] [--ops N] [--seconds N] [--out DIR]
 *
 * Runs of `ops` operations, with the seeds N, N + 1 and so on, for that many seconds. The first
 * disagreement is shrunk, printed, and written to DIR/seed-N.ops; replay runs such files again.
 * Exit 0: all agreed; 1: one did not; 2: usage; 3: no verdict.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/oracle/generate.h"
#include "tests/oracle/judge.h"

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

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
						 { "ops", required_argument, NULL, 'o' },
						 { "seconds", required_argument, NULL, 't' },
						 { "out", required_argument, NULL, 'd' },
						 { NULL, 0, NULL, 0 } };
	uint64_t seed = 1, ops = 200, seconds = 10, runs = 0;
	const char *directory = "tests/oracle/cases";
	struct run run;
	struct verdict v;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			directory = optarg;
		else if (option == '?' || !number(optarg, option == 's'	  ? &seed
							  : option == 'o' ? &ops
									  : &seconds))
			return 2;
	}
	if (optind < argc || ops <= PROCESSES || ops > OPS_MAX) {
		fprintf(stderr, "oracle: --ops is %d to %d, and there are no arguments\n",
			PROCESSES + 1, OPS_MAX);
		return 2;
	}
	for (time_t end = time(NULL) + (time_t)seconds; time(NULL) <= end; seed++, runs++) {
		generate(seed, ops, &run);
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
			save(directory, seed, &run, &v);
			run_release(&run);
			return 1;
		}
		run_release(&run);
	}
	printf("%llu runs of %llu operations agree with Linux\n", (unsigned long long)runs,
	       (unsigned long long)ops);
	return 0;
}
