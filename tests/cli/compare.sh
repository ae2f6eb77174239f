#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# compare.sh - several translators in one run: interleaved, side by side, in the table, the plots and
# the report; what one lacks is skipped.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

plugins=${PLUGINS:-$PWD/build/release/tests/plugins}
export XDG_CACHE_HOME=$tmp/cache

run run fault-anon refcount-own --translator memmap --translator "biglock,$plugins/older.so" --unchecked \
	--threads 1 --as none,mmap --duration 20ms --repeat 4 --seed 3 --progress none --out "$tmp/a"
expect "three translators" 0 'side by side'
check "the table has a row for each" [ "$(grep -cE '^(fault-anon|refcount-own|  ).*( memmap| biglock|older\.so) ' <<<"$out")" -ge 7 ]
expect "ratios to the first with their interval" 0 'biglock .*[0-9]× +[0-9.]+ – [0-9.]+'
expect "what one lacks is skipped with the reason" 0 'skipped .*older.so/refcount-own: the translator lacks: .*references'
check "pairs of each repetition" is_json_file "$tmp/a/result.json" \
	'[b["versus"]["pairs"] for b in j["benchmarks"] if b["translator"] == "biglock"] == [4] * 4'
check "against the first" is_json_file "$tmp/a/result.json" \
	'all(b["versus"]["translator"] == "memmap" and b["versus"]["interval"][0] <= b["versus"]["ratio"] <= b["versus"]["interval"][1] for b in j["benchmarks"] if b["versus"])'
check "the first and the floors have none" is_json_file "$tmp/a/result.json" \
	'all(b["versus"] is None for b in j["benchmarks"] if b["translator"] in (None, "memmap"))'
check "interleaved: no translator's samples come one after another" python3 -c 'import json, sys
order = [json.loads(l)["benchmark"].split("/")[0] for l in open(sys.argv[1])]
switches = sum(a != b for a, b in zip(order, order[1:]))
assert switches > len(order) / 3, order' "$tmp/a/samples.ndjson"
check "every repetition in another order" python3 -c 'import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
orders = {tuple(l["benchmark"] for l in lines if l["repetition"] == r) for r in range(4)}
assert len(orders) > 1' "$tmp/a/samples.ndjson"
check "the summary has the table" grep -q '^## Side by side' "$tmp/a/summary.md"
check "the report has it" grep -q 'id="side"' "$tmp/a/report.html"
if command -v gnuplot >/dev/null; then
	for plot in throughput latency memory mappings; do
		check "a plot of $plot" [ -s "$tmp/a/plots/versus-$plot.svg" ]
	done
else
	skip "plots" "gnuplot is not installed"
fi
run run fault-anon --translator biglock --duration 10ms --repeat 2 --progress none --out "$tmp/b"
check "one translator has nothing beside it" [ "$(grep -c 'side by side' <<<"$out")" -eq 0 ]
check "and no such plot" [ ! -e "$tmp/b/plots/versus-throughput.svg" ]
run run fault-anon --translator biglock,null --duration 10ms --repeat 2 --progress none --out "$tmp/c"
check "two repetitions give no interval, and say so" is_json_file "$tmp/c/result.json" \
	'[b["versus"]["interval"] is None and "3" in b["versus"]["interval_reason"] for b in j["benchmarks"] if b["translator"] == "null"] == [True]'
done_testing
