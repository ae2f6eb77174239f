#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh - everything that `make check` tests, cheapest first. A step that fails does not keep
# the later ones from running; the last line is the sum of them all.
#
# Tests run as many at once as there are CPUs (JOBS=): each waits much, and none asserts how long
# anything takes. Builds and the linters share their work among the CPUs by themselves, and what
# others may not see on the machine (cli: nothing left behind) looks for its own only. What took
# longest is listed before the sum, for whoever adds to it.
#
# Counted are single tests where a step consists of tests, and one for each step otherwise.
set -u

cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
jobs=${JOBS:-$(nproc)}
tally=build/check.tally
mkdir -p build
: >$tally
start=$SECONDS

# run_step JOBS LABEL LIMIT COMMAND...: run and count.
run_step()
{
	local at_once=$1 label=$2 limit=$3

	shift 3
	tests/run.sh --tally $tally --label "$label" --limit "$limit" --jobs "$at_once" "$@" | sed '$d'
}

# step LABEL LIMIT COMMAND...: one after another.
step()
{
	run_step 1 "$@"
}

# at_once LABEL LIMIT COMMAND...: as many at once as there are CPUs.
at_once()
{
	run_step "$jobs" "$@"
}

# tests VARIANT LIMIT: build and run the unit tests of a variant.
tests()
{
	local programs=()

	step "$1" 600 "$make -s -k -j$jobs V=$1 programs"
	for source in tests/unit/*_test.c; do
		programs+=("build/$1/${source%.c}")
	done
	at_once "$1" "$2" "${programs[@]}"
}

step runner 60 tests/run_test.sh
step build 300 "$make -s -k -j$jobs V=release all"
step order 240 "ci/order.sh"
tests debug 120
at_once oracle 60 "build/debug/tests/oracle/replay tests/oracle/cases/*.ops" \
	"build/debug/tests/oracle/oracle --seconds ${ORACLE_SECONDS:-8} --out build" \
	"build/debug/tests/oracle/oracle --threads 3 --seconds 6"
step conformance 300 "JOBS=$jobs tests/conformance/proof.sh"
mapfile -t cli < <(find tests/cli -maxdepth 1 -type f -perm -u+x | sort)
[ ${#cli[@]} -eq 0 ] || at_once cli 240 "${cli[@]}"
step micro 180 "$make -s -j$jobs V=release build/release/micro"
# The guest keeps one CPU busy, and waits for much; these are beside it.
at_once apart 400 "$make -s V=audit -j$jobs audit-run" "ci/numa.sh" "ci/count.sh" "ci/count.sh --test" \
	"ci/lint.sh"
tests release 120
tests asan 240
tests tsan 300
if [ -n "$(ls tests/fuzz/*_fuzz.c 2>/dev/null)" ]; then
	step fuzz 300 "$make -s V=fuzz CC=${CLANG:-clang-14} -j$jobs SECONDS=${FUZZ_SECONDS:-5} fuzz-run"
fi

echo "check: $((SECONDS - start)) s"
tests/run.sh --total $tally
