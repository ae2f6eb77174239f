#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh - faultline run: the result directory, its schema, and what the options do.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# validate DIR: result.json against results/schema.json. Debian's python3-jsonschema is seen by
# Debian's Python only.
validate()
{
	/usr/bin/python3 - "$1/result.json" <<'EOF'
import json, sys
import jsonschema
schema = json.load(open("results/schema.json"))
jsonschema.Draft7Validator.check_schema(schema)
errors = list(jsonschema.Draft7Validator(schema).iter_errors(json.load(open(sys.argv[1]))))
for error in errors[:10]:
    print(list(error.path), error.message[:200])
sys.exit(bool(errors))
EOF
}

# valid NAME DIR
valid()
{
	if /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
		check "$1" validate "$2"
		sed 's/^/# /' "$tmp/check"
	else
		skip "$1" "python3-jsonschema is not installed"
	fi
}

run "${quick[@]}" --threads 1..max --out "$tmp/a" --seed 7 --label 'a "label"'
expect "a run" 0 "$tmp/a/report.html"
for file in result.json samples.ndjson env.json topology.xml job.ini summary.md report.html; do
	check "it writes $file" [ -s "$tmp/a/$file" ]
done
valid "result.json is as its schema says" "$tmp/a"
check "it is complete" is_json_file "$tmp/a/result.json" \
	'not j["run"]["interrupted"] and j["run"]["seed"] == 7 and j["run"]["end"] and j["run"]["label"] == "a \"label\""'
check "with the floor that the workload names" is_json_file "$tmp/a/result.json" \
	'[b["floor"]["workload"] for b in j["benchmarks"] if b["workload"] == "fault-anon"][0] == "floor-fetch-add"'
check "and the cost of the null translator" is_json_file "$tmp/a/result.json" \
	'j["host"]["overhead_ns"] > 0 and j["host"]["record_ns"] > 0'
check "null is not verified, and says so" is_json_file "$tmp/a/result.json" \
	'all("not_verified" in b["flags"] for b in j["benchmarks"] if b["translator"])'
check "names are stable" is_json_file "$tmp/a/result.json" \
	'"null/fault-anon/pages=4k/as=none/place=compact/threads=1" in [b["name"] for b in j["benchmarks"]]'
check "threads were where they were asked to be" is_json_file "$tmp/a/result.json" \
	'all([t["cpu"] for t in b["placement"]["got"]["threads"]] == b["placement"]["asked"]["cpus"] for b in j["benchmarks"])'
check "a sample a repetition" [ "$(wc -l <"$tmp/a/samples.ndjson")" -eq \
	"$(python3 -c 'import json,sys; print(2*len(json.load(open(sys.argv[1]))["benchmarks"]))' "$tmp/a/result.json")" ]
check "every sample is JSON" python3 -c 'import json, sys
for line in open(sys.argv[1]): assert json.loads(line)["ops_per_s"] > 0' "$tmp/a/samples.ndjson"
check "every benchmark says how noisy it was" is_json_file "$tmp/a/result.json" \
	'all(b["noise"]["lost_part"]["worst"] < 1 and sum(b["outliers"]["causes"].values()) == b["outliers"]["count"] for b in j["benchmarks"])'
check "so does every sample" python3 -c 'import json, sys
for line in open(sys.argv[1]): assert json.loads(line)["noise"]["elapsed_ns"] > 0' "$tmp/a/samples.ndjson"
check "hardware counts, or the reason" is_json_file "$tmp/a/result.json" \
	'all(c if isinstance(c, (int, float)) else c["unavailable"] for b in j["benchmarks"] for c in [b["counters"]["cycles_per_op"]])'
check "a log a benchmark" [ "$(find "$tmp/a/hist" -name "*.hlog" | wc -l)" -eq \
	"$(python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))["benchmarks"]))' "$tmp/a/result.json")" ]
check "env.json" is_json_file "$tmp/a/env.json" 'j["kernel"] and j["label"] == "a \"label\""'
check "job.ini has every option" grep -q '^duration = 10000000ns$' "$tmp/a/job.ini"
check "topology.xml is XML" python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$tmp/a/topology.xml"

run run fault-anon --duration 10ms --repeat 2 --progress none --out "$tmp/memmap"
expect "the engine" 0
valid "its result is as the schema says" "$tmp/memmap"
check "its pages are read back and verified" is_json_file "$tmp/memmap/result.json" \
	'all(b["placement"]["got"]["kernel_page_size"] == 4096 and b["verify"]["ok"] for b in j["benchmarks"] if b["translator"])'

run "${quick[@]}" --out "$tmp/a"
expect "a directory that is not empty" 2 'not empty'
run "${quick[@]}" --out "$tmp/stderr"
expect "a file for a directory" 2 'not a directory'
run "${quick[@]}" --out /proc/self/fdinfo/x
expect "where nothing can be written" 7 'cannot be written'
mkdir "$tmp/full"
if mount -t tmpfs -o size=64k tmpfs "$tmp/full" 2>/dev/null; then
	run "${quick[@]}" --out "$tmp/full/x"
	expect "a full disk, before measuring" 7 'No space left'
	umount "$tmp/full"
else
	skip "a full disk, before measuring" "tmpfs cannot be mounted"
fi

run "${quick[@]}" --out "$tmp/json" --json
check "--json prints the result" is_json "$out" 'j["schema"] == "faultline.result/1" and j["directory"]'
run "${quick[@]}" --out "$tmp/progress" --progress json
check "--progress json" is_json "$(head -1 <<<"$err")" 'j["total"] == 4'
FAULTLINE_REPEAT=1 run "${quick[@]}" --out "$tmp/variable" --repeat 3
check "the command line wins over the environment" is_json_file "$tmp/variable/result.json" \
	'j["run"]["repeat"] == 3'
run "${quick[@]}" --clock monotonic --out "$tmp/clock"
check "--clock monotonic" is_json_file "$tmp/clock/result.json" \
	'j["host"]["timer"]["source"] == "monotonic"'
run "${quick[@]}" --param region=2m,region=4m --out "$tmp/param"
check "--param multiplies" is_json_file "$tmp/param/result.json" \
	'sorted(b["params"]["region"] for b in j["benchmarks"] if b["translator"]) == [2 << 20, 4 << 20]'

run run fault-anon --dry-run --out "$tmp/dry"
expect "--dry-run prints the plan" 0 'memmap/fault-anon/.* cpus 0'
check "and makes nothing" [ ! -e "$tmp/dry" ]
run run --dry-run --json
check "--dry-run --json: the quick suite fits a minute" is_json "$out" \
	'j["total_ns"] < 60e9 and len(j["benchmarks"]) > 10'

run "${quick[@]}" --threads 4096
expect "more threads than CPUs" 4 'more than the'
run "${quick[@]}" --memory-max 9000g
expect "more memory than there is" 4 '9000g'
run "${quick[@]}" --mem bind:63
expect "a node that is not there" 4 'node 63'
if [ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)" -eq 0 ] &&
	[ "$(cat /proc/sys/vm/nr_overcommit_hugepages 2>/dev/null || echo 0)" -eq 0 ]; then
	run run fault-anon --pages 2m --duration 10ms --progress none --out "$tmp/huge"
	expect "2m pages that cannot be had" 4 'sysctl .*vm.nr_hugepages='
else
	skip "2m pages that cannot be had" "there are some"
fi
run run fault-anon --pages auto --duration 10ms --repeat 1 --progress none --out "$tmp/auto"
expect "--pages auto says which" 0 'pages auto: (2m|thp|4k)'
out=$(PATH=/nowhere "$faultline" "${quick[@]}" --out "$tmp/no_gnuplot" 2>&1)
code=$? err=''
expect "without gnuplot" 0
check "there is a report without pictures" [ -s "$tmp/no_gnuplot/report.html" ]
if command -v taskset >/dev/null; then
	taskset -c 0 "$faultline" run invalidate-storm --duration 10ms --progress none \
		--out "$tmp/one" >"$tmp/one.out" 2>&1
	code=$? out=$(cat "$tmp/one.out") err=''
	expect "one CPU: what needs two threads is refused" 4 'only 1 CPU'
	taskset -c 0 "$faultline" "${quick[@]}" --out "$tmp/one2" >"$tmp/one.out" 2>&1
	code=$? out=$(cat "$tmp/one.out") err=''
	expect "one CPU is enough for one thread" 0
else
	skip "one CPU" "taskset is not installed"
fi

run run fault-anon --topology 'pack:8 core:16 pu:2' --threads 1..max --place scatter \
	--out "$tmp/synthetic"
expect "a synthetic machine is planned and drawn" 0
valid "its result is as the schema says" "$tmp/synthetic"
check "it is stamped, and nothing was measured" is_json_file "$tmp/synthetic/result.json" \
	'j["run"]["synthetic"] and len(j["topology"]["pus"]) == 256 and all("synthetic" in b["flags"] and b["latency"] is None for b in j["benchmarks"])'
run run --topology 'pack:2 core:x' --dry-run
expect "an invalid synthetic machine" 2 'topology'
echo '<no xml' >"$tmp/bad.xml"
run run --topology "$tmp/bad.xml" --dry-run
expect "an invalid XML file" 2 'topology'
run run --topology "$tmp/a/topology.xml" --dry-run
expect "the XML of a run" 0 'synthetic machine'
done_testing
