#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# history.sh - history add, show, changes: results over time, and indexes that are none.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

export XDG_DATA_HOME=$tmp/data
# Thirty results; from the nineteenth on one of two benchmarks is slower by a tenth.
python3 - "$tmp/results" <<'END'
import json, os, random, sys
random.seed(4)
for i in range(30):
    d = "%s/r%02d" % (sys.argv[1], i)
    os.makedirs(d)
    benchmarks = []
    with open(d + "/samples.ndjson", "w") as f:
        for name, factor in (("memmap/fault-anon/threads=1", 0.9 if i >= 18 else 1), ("floor", 1)):
            rates = [factor * 1e6 * (1 + random.gauss(0, .01)) for _ in range(5)]
            benchmarks.append({"name": name, "throughput": {"ops_per_s": rates[0]},
                               "latency": {"p50": 1e9 / rates[0], "p99": 3e9 / rates[0]}})
            for r in rates:
                print(json.dumps({"benchmark": name, "ops_per_s": r}), file=f)
    json.dump({"schema": "faultline.result/1", "tool": {"commit": "c%02d" % i},
               "run": {"id": "run%02d" % i, "start": "2026-01-%02dT00:00:00Z" % (i + 1)},
               "host": {"name": "h", "cpu": "c", "kernel": "6.1" if i < 18 else "6.2"},
               "benchmarks": benchmarks}, open(d + "/result.json", "w"))
END

run history show
expect "no index yet" 7 'history add DIR'
run history add "$tmp/results"
expect "a directory of results" 0 "^30 runs added, 0 there already, 0 left out: $tmp/data/faultline/history.sqlite"
run history add "$tmp"/results/r0*
expect "again changes nothing" 0 '^0 runs added, 10 there already'
run history show --json
check "thirty points of two benchmarks" is_json "$out" \
	'[(s["benchmark"], len(s["points"])) for s in j["series"]] == [("floor", 30), ("memmap/fault-anon/threads=1", 30)]'
run history show fault
expect "a line with a trend" 0 'fault-anon/threads=1 +30 .*-10\.[0-9] % .*█'
check "of what was named alone" [ "$(grep -c '^floor' <<<"$out")" -eq 0 ]
run history changes
expect "since when, by how much, and what changed" 0 \
	'throughput +-10\.[0-9] %  slower  since 2026-01-19T00:00:00Z \(run18\)  commit c17 -> c18  kernel 6\.1 -> 6\.2'
run history changes fault --json
check "as JSON" is_json "$out" \
	'[(c["metric"], c["before"]["run"], c["after"]["run"], c["direction"]) for c in j["changes"]] == [("throughput", "run17", "run18", "slower")]'
run history changes floor --json
check "nothing where nothing changed" is_json "$out" 'j["changes"] == [] and j["tested"] == 4'
if command -v gnuplot >/dev/null; then
	run history show --out "$tmp/trend"
	expect "the trend as pictures" 0 "$tmp/trend/plots"
	check "one a series, with its change" grep -q 'fault-anon' \
		"$tmp/trend/plots/history-memmap-fault-anon-threads-1.svg"
else
	skip "the trend as pictures" "gnuplot is not installed"
fi

index=$tmp/data/faultline/history.sqlite
# Pages beyond the first, so that it is still known to be ours.
dd if=/dev/urandom of="$index" bs=4096 seek=1 count=3 conv=notrunc 2>/dev/null
run history show
expect "a broken index is refused" 7 'made from results by: faultline history add DIR'
run history add "$tmp/results"
expect "and made anew by one command, which says so" 0 'history.sqlite.broken, and made anew'
check "with all runs" grep -q '^30 runs added' <<<"$out"
run history changes
expect "and the same change" 0 'since 2026-01-19'

echo notes >"$tmp/notes"
run history add --index "$tmp/notes" "$tmp/results"
expect "a file that is no index" 2 'notes: is not an index'
check "stays as it was" grep -qx notes "$tmp/notes"
echo '{"schema": "faultline.result/9", "benchmarks": []}' >"$tmp/results/r03/result.json"
echo '{"schema":' >"$tmp/results/r04/result.json"
run history add --index "$tmp/other" "$tmp/results"
expect "broken results are named and left out" 7 'left out: .*r04/result.json:2:'
check "and the others are in" grep -q '^28 runs added, 0 there already, 2 left out' <<<"$out"
run history add "$tmp/nothing"
expect "a result that is not there" 7 'nothing'
run history shw
expect "a wrong word" 2 'did you mean show\?'
run history add
expect "nothing to add" 2 'directories are needed'
run history
expect "nothing at all" 2 'add, show or changes'
done_testing
