/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - runs lists of operations again: replay FILE... One TAP line a file.
 */
#include <string.h>

#include "tests/oracle/judge.h"

int main(int argc, char **argv)
{
	int failed = 0;

	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		const char *name = strrchr(argv[i], '/');
		char line[512];
		struct run run;
		struct verdict v = { .kind = NO_VERDICT };

		if (!run_read(argv[i], &run))
			return 2;
		judge(&run, &v);
		printf("%sok %d - %s\n", v.kind == AGREE ? "" : "not ", i,
		       name ? name + 1 : argv[i]);
		if (v.kind != AGREE) {
			failed = 1;
			printf("# operation %zu: %s\n# %s\n", v.op,
			       v.op < run.count ? op_print(&run.ops[v.op], line, sizeof(line))
						: "(end)",
			       v.text);
		}
		run_release(&run);
	}
	return argc > 1 ? failed : 2;
}
