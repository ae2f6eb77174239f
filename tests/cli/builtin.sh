#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# builtin.sh - every built-in translator conforms in what it claims, says what it lacks, and runs.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
here=$PWD/tests/cli
cd "$tmp" || exit 1

for translator in biglock linux memmap delay:op=fault:pct=5 delay:op=map:ns=9:inner=biglock; do
	run check $translator --quick
	expect "$translator conforms" 0 "^$translator: conforms"
	check "$translator: every race is won" [ "$(grep -c '^pass .*race' <<<"$out")" -eq 3 ]
done
run check linux --quick --only fork
expect "linux has no fork, and says so" 0 '^skip +fork .*not claimed: fork'
run run fork fault-anon fault-cow file-fault touch-anon --translator linux,biglock \
	--duration 10ms --repeat 2 --progress none
expect "a run with linux beside biglock: fork is skipped for the one" 0 'lacks.*fork|fork.*skipped'
out=$(python3 "$here/without_perf.py" "$faultline" check biglock --quick --only counts-kept 2>&1)
code=$? err=''
expect "without breakpoints check says what it may miss" 0 'permits no breakpoints.*may be missed'
for wrong in ns=3 op=fault:ns=-1 op=flt:ns=1 inner=linux op=fault:pct=x; do
	run check "delay:$wrong"
	expect "delay:$wrong is refused" 2 "delay (needs|knows)"
done
run check linux:pages=2m
expect "linux with pages=2m is not to be had" 4 'pages=4k and thp'
run run fault-anon --translator linux:as=uffd --duration 10ms --progress none
expect "an option that linux has not" 2 'linux knows'
done_testing
