#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# coverage.sh - which lines of engine/ the unit tests and the tests of the commands reach: a table
# per file, the lines that nobody reaches, the total last. The sources are built once more with
# gcc's --coverage, as the debug variant otherwise, and each test runs once.
#
#   ci/coverage.sh [FILE...]   the lines not reached of these files only; the table is of all
#
# Lines of headers count once, reached if any of the objects that include them got there. A test
# that fails is named and does not count against the percentage: `make check` judges tests.
# Environment: COVERAGE_MIN percent wanted (92), B the build folder, TESTS names of unit tests to
# run (all). Exit 0 enough, 1 too little, 77 no gcov.
set -u

cd "$(dirname "$0")/.." || exit 1
minimum=${COVERAGE_MIN:-92}
build=${B:-build/coverage}
jobs=${JOBS:-$(nproc)}
make=${MAKE:-make}
gcov=${GCOV:-gcov}

command -v "$gcov" >/dev/null || {
	echo "coverage: skipped, there is no gcov (it comes with gcc)" >&2
	exit 77
}
$make -s -j"$jobs" V=coverage B="$build" programs || exit 1
find "$build" -name '*.gcda' -delete

programs=()
for name in ${TESTS:-$(basename -s _test.c -a tests/unit/*_test.c)}; do
	programs+=("$build/tests/unit/${name}_test")
done
tests/run.sh --label coverage "${programs[@]}" >"$build/tests.log" ||
	grep -E 'FAILED|TIMED OUT|KILLED' "$build/tests.log"
if [ -z "${TESTS:-}" ]; then
	mapfile -t cli < <(find tests/cli -maxdepth 1 -type f -perm -u+x | sort)
	FAULTLINE=$(realpath "$build/faultline") tests/run.sh --label coverage "${cli[@]}" \
		>"$build/cli.log" ||
		grep -E 'FAILED|TIMED OUT|KILLED' "$build/cli.log"
fi

# A source without counts (no program has it) is there by its notes. gcov prints each source as
# "count:line:text"; "-" is no code, "#####" and "=====" not reached.
find "$build" -name '*.gcno' -print0 | xargs -0 "$gcov" -t 2>/dev/null |
	awk -v minimum="$minimum" -v wanted="$*" '
		BEGIN { split(wanted, list, " "); for (i in list) only[list[i]] }
		{ split($0, field, ":"); count = field[1]; line = field[2] + 0 }
		line == 0 { if (field[3] == "Source") source = field[4]; next }
		source !~ /^engine\// { next }
		{ gsub(/ /, "", count) }
		count == "-" { next }
		{
			key = source ":" line
			if (!(key in text)) {
				text[key] = substr($0, index($0, field[3]))
				lines[source]++
				if (line > last[source])
					last[source] = line
			}
			if (count !~ /^[#=]/ && !(key in hit)) {
				hit[key]
				reached[source]++
			}
		}
		END {
			sort = "sort"
			for (source in lines) {
				printf "%-28s %5d of %5d %6.1f %%\n", source, reached[source], lines[source],
					100 * reached[source] / lines[source] | sort
				all += lines[source]
				got += reached[source]
			}
			close(sort)
			print "not reached:"
			sort = "sort -t: -k1,1 -k2,2n"
			for (key in text) {
				source = key
				sub(/:.*/, "", source)
				if (!(key in hit) && (wanted == "" || source in only))
					print key ": " text[key] | sort
			}
			close(sort)
			if (!all) {
				print "coverage: nothing was measured"
				exit 1
			}
			percent = 100 * got / all
			printf "coverage: %.1f %% of %d lines of engine/, wanted %s %%\n", percent, all, minimum
			exit percent < minimum
		}'
