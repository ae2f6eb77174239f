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
# Its lists take longer than the time box of one that hangs; but each operation comes back.
run check delay:op=map:ns=70000000:inner=memmap --quick --only situations
expect "one that is slow does not hang" 0 'conforms'
run check memmap:as=uffd --quick
if [ "$code" -eq 4 ]; then
	skip "memmap conforms with userfaultfd" "$err"
else
	expect "memmap conforms with userfaultfd" 0 '^memmap:as=uffd: conforms'
fi
# A page of 1 GiB, if this machine can spare one.
pool=/sys/kernel/mm/hugepages/hugepages-1048576kB
add_gigantic()
{
	echo $(($(cat $pool/nr_hugepages) + $1)) >$pool/nr_hugepages
} 2>/dev/null
free=$(cat $pool/free_hugepages 2>/dev/null)
if add_gigantic 1 && [ "$(cat $pool/free_hugepages)" -gt "$free" ]; then
	run check memmap --only page-sizes
	expect "pages of 1 GiB are" 0 '^pass +page-sizes +[0-9.]+ s( *$|  without pages=2m: )'
	run check memmap:pages=1g --quick
	expect "with no list that takes a page for each cell" 0 \
		'^skip +situations .*lists are not played with pages=1g'
	add_gigantic -1
else
	skip "pages of 1 GiB are" "this machine has none to spare"
fi
if [ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)" -lt 200 ]; then
	run check memmap:pages=2m --quick
	expect "2 MiB pages for all lists, and there are too few" 4 \
		'2 MiB .*sysctl -w vm.nr_hugepages='
else
	skip "2 MiB pages for all lists, and there are too few" "there are enough"
fi
run check memmap:fault_ahead=64k:alloc_unit=16k:map_unit=32k --quick
expect "memmap conforms with fault-ahead" 0 'conforms'
run check memmap:fault_ahead=3k --quick
expect "a unit that is none" 2 'fault_ahead: a power of two'
run run touch-anon --translator linux --as uffd --threads 1 --duration 10ms --repeat 2 \
	--progress none --out uffd
expect "what has no userfaultfd runs by mmap, and says why" 0 \
	'--as uffd: mmap instead: translator linux: linux knows'
check "the result says both" is_json_file uffd/result.json \
	"any('as_mismatch' in b['flags'] and b['placement']['asked']['as'] == 'uffd' and
	b['placement']['got']['as'] == 'mmap' and 'linux knows' in b['placement']['got']['as_reason']
	for b in j['benchmarks'])"
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
run run refcount-own refcount-shared --refs atomic,sharded --threads 1..max --duration 10ms \
	--repeat 2 --progress none
expect "counts of both kinds in one run" 0 'refcount-shared/pages=4k/as=none/refs=sharded'
run run refcount-own --translator memmap:refs=shard --duration 10ms --progress none
expect "another kind there is not" 2 'refs=atomic and sharded'
run check memmap:refs=sharded --quick
expect "memmap with sharded counts conforms" 0 'conforms'
run check memmap:as=uffd:pages=1g --quick
expect "pages that userfaultfd does not show" 4 'a page of 1 GiB only whole'
done_testing
