#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# export.sh - faultline export and report: each format, and results that are not there.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

run "${quick[@]}" --out "$tmp/r" --threads 1
expect "a run to export" 0

run export gbench "$tmp/r"
check "gbench is JSON with an entry a repetition" is_json "$out" \
	'len(j["benchmarks"]) == 4 and j["context"]["num_cpus"] > 0'
check "gbench has the fields that its tools read" is_json "$out" \
	'all(b["run_type"] == "iteration" and b["time_unit"] == "ns" and b["real_time"] > 0 and b["iterations"] > 0 and b["repetitions"] == 2 and b["threads"] == 1 for b in j["benchmarks"])'
run export gbench "$tmp/r" --json
check "gbench --json is the same JSON" is_json "$out" 'len(j["benchmarks"]) == 4'

run export csv "$tmp/r"
check "csv has a header and a row a role" python3 -c 'import csv, io, sys
rows = list(csv.DictReader(io.StringIO(sys.argv[1])))
assert len(rows) == 2, rows
assert all(float(r["ops_per_s"]) > 0 and float(r["p50_ns"]) > 0 for r in rows), rows
assert sum(r["floor_ratio"] != "" for r in rows) == 1, rows' "$out"
run export csv "$tmp/r" --json
check "csv --json wraps the text" is_json "$out" 'j["format"] == "csv" and "ops_per_s" in j["text"]'

run export hlog "$tmp/r"
expect "hlog" 0 '^#\[Histogram log format version 1\.'
check "hlog has one head" [ "$(grep -c '^#\[Histogram log format' <<<"$out")" -eq 1 ]
check "hlog has a tag for each role" [ "$(grep '^Tag=.*,HISTF' <<<"$out" | cut -d, -f1 | sort -u | wc -l)" -eq 2 ]
check "hlog counts from the start of the run" grep -q "^#\[StartTime: 1[0-9]*\." <<<"$out"

run export csv "$tmp/nothing"
expect "a result that is not there" 7 'result.json'
mkdir "$tmp/broken"
echo '{"schema": ' >"$tmp/broken/result.json"
run export gbench "$tmp/broken"
expect "a broken result" 7
echo '[]' >"$tmp/broken/result.json"
run export hlog "$tmp/broken"
expect "JSON that is no result" 7 'not a result'
echo '{}' >"$tmp/broken/result.json"
for format in csv gbench hlog; do
	run export $format "$tmp/broken"
	expect "$format of a result that lacks everything" 0
done

rm "$tmp/r/report.html" "$tmp/r/summary.md"
run report "$tmp/r"
expect "report makes it anew" 0 'report.html'
check "both files" test -s "$tmp/r/report.html" -a -s "$tmp/r/summary.md"
run report "$tmp/r" --json
check "report --json" is_json "$out" 'j[0]["report"].endswith("report.html")'
run report "$tmp/nothing" "$tmp/r"
expect "one of two results is not there" 7 "$tmp/r/report.html"

before=$(cksum <"$tmp/r/result.json")
run report --topology "pack:8 numa:1 l3:2 core:8 pu:2" --out "$tmp/elsewhere" "$tmp/r"
expect "a recorded result on another machine" 0 "$tmp/elsewhere/report.html"
check "it says that it is synthetic" is_json "$(cat "$tmp/elsewhere/result.json")" \
	'j["run"]["synthetic"] and len(j["topology"]["pus"]) == 256'
check "the recorded result stays as it was" [ "$before" = "$(cksum <"$tmp/r/result.json")" ]
run report --topology "pack:x" --out "$tmp/other" "$tmp/r"
expect "a topology that is none" 2 'pack:x'
run report --topology "pack:2 core:2 pu:1" "$tmp/r"
expect "another machine needs a directory" 2 'into --out'
run report --topology "pack:2 core:2 pu:1" --out "$tmp/elsewhere" "$tmp/r"
expect "a directory that is not empty" 2 "$tmp/elsewhere"
run report --out "$tmp/other" "$tmp/r"
expect "--out alone" 2 'goes with --topology'
done_testing
