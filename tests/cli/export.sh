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

# Google Benchmark's own reader, on an export and on one that is made twice as slow; and a file of
# theirs in our reader. It wants Debian's python3, as Prometheus's parser does below, which another one
# in the PATH may hide.
compare=/usr/share/benchmark/compare.py
for python in python3 /usr/bin/python3 none; do
	"$python" -c "import scipy.stats" 2>/dev/null && break
done
if [ -f $compare ] && [ "$python" != none ]; then
	"$faultline" export gbench "$tmp/r" >"$tmp/base.json"
	python3 - "$tmp/base.json" >"$tmp/slower.json" <<'END'
import json, sys
j = json.load(open(sys.argv[1]))
for b in j["benchmarks"]:
    b["real_time"] *= 2
    b["cpu_time"] *= 2
json.dump(j, sys.stdout)
END
	check "gbench is compared by Google Benchmark's compare.py" "$python" $compare -d "$tmp/compared.json" \
		benchmarks "$tmp/base.json" "$tmp/slower.json"
	check "with the names and times of each repetition" python3 -c 'import json, sys
compared, base = (json.load(open(f)) for f in sys.argv[1:])
times = lambda name: [b["real_time"] for b in base["benchmarks"] if b["name"] == name]
rows = [c for c in compared if c["run_type"] == "iteration"]
assert {c["name"] for c in rows} == {b["name"] for b in base["benchmarks"]} and len(rows) == 2, rows
for c in rows:
    assert [m["real_time"] for m in c["measurements"]] == times(c["name"]), c
    assert all(abs(m["time"] - 1) < 1e-9 for m in c["measurements"]), c' "$tmp/compared.json" "$tmp/base.json"
	inputs=${compare%/*}/gbench/Inputs
	run compare "$inputs/test3_run0.json" "$inputs/test3_run1.json"
	expect "a file of Google Benchmark's is read" 5 '^BM_Two '
else
	skip "gbench is compared by Google Benchmark's compare.py" \
		"not installed: apt-get install libbenchmark-tools python3-scipy"
fi

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

HDR_HISTOGRAM_JS=${HDR_HISTOGRAM_JS:-$PWD} node tests/golden/read_hlog.mjs \
	<(printf '%s\n' "$out") >"$tmp/listing" 2>/dev/null
case $? in
0) check "hlog is read by hdr-histogram-js, with as many lines" [ \
	"$(grep -c '[a-z]' "$tmp/listing")" -eq "$(grep -c HISTF <<<"$out")" ] ;;
77 | 127) skip "hlog is read by hdr-histogram-js" "node or hdr-histogram-js is not installed" ;;
*) check "hlog is read by hdr-histogram-js" false ;;
esac

run export bmf "$tmp/r"
check "bmf is benchmarks of measures of numbers" is_json "$out" \
	'len(j) == 2 and all(set(m) <= {"value", "lower_value", "upper_value"} and all(type(v) in (int, float) for v in m.values()) for b in j.values() for m in b.values()) and all(b["throughput"]["lower_value"] <= b["throughput"]["value"] <= b["throughput"]["upper_value"] and b["latency"]["value"] > 0 for b in j.values())'

# The grammar is that of golang.org/design/14313-benchmark-format.
run export gobench "$tmp/r"
check "gobench is what benchstat's grammar says" python3 -c 'import re, sys
lines = [l for l in sys.argv[1].splitlines() if l]
results = [l.split() for l in lines if l.startswith("Benchmark")]
config = [l for l in lines if re.fullmatch(r"[a-z][^A-Z\s:]*: .*", l)]
units = dict(l.split()[1:3] for l in lines if re.fullmatch(r"Unit \S+( [a-z]+=[a-z]+)+", l))
assert len(lines) == len(results) + len(config) + len(units), lines
assert len(results) == 4, results
for f in results:
    assert re.fullmatch(r"Benchmark([^a-z\s]\S*)?-\d+", f[0]) and int(f[1]) > 0 and len(f) % 2 == 0, f
    assert all(float(v) > 0 for v in f[2::2]) and set(f[3::2]) <= set(units), f
assert sum("/translator=null/" in f[0] for f in results) == 2, results' "$out"

run export junit "$tmp/r"
check "junit is XML whose counts are those of its elements" python3 -c 'import sys, xml.etree.ElementTree as e
s = e.fromstring(sys.argv[1].encode())
cases = s.findall("testcase")
assert s.tag == "testsuite" and int(s.get("tests")) == len(cases) == 2, s.attrib
for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
    assert len(s.findall("testcase/" + kind)) == int(s.get(count)) == 0, kind
assert all(c.get("name") and c.get("classname") for c in cases)
assert all(float(p.get("value")) > 0 for p in s.iter("property"))' "$out"

for python in python3 /usr/bin/python3 none; do
	"$python" -c "import prometheus_client" 2>/dev/null && break
done

# openmetrics NAME EXPRESSION: one test of the output, read by Prometheus's parser, as f: {family:
# samples}.
openmetrics()
{
	if [ "$python" = none ]; then
		skip "$1" "python3-prometheus-client is not installed"
		return
	fi
	check "$1" "$python" -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
f = {m.name: m.samples for m in read(sys.argv[1])}
sys.exit(0 if eval(sys.argv[2]) else "false: %s: %s" % (sys.argv[2], sorted(f)))' "$out" "$2"
}
run export openmetrics "$tmp/r"
openmetrics "openmetrics is read by Prometheus's parser" \
	'len(f["faultline_operations_per_second"]) == 2 and {s.name for s in f["faultline_service_time_seconds"]} == {"faultline_service_time_seconds" + x for x in ("", "_count", "_sum")} and all(s.value < 1 for s in f["faultline_service_time_seconds"] if "quantile" in s.labels)'
openmetrics "a closed loop has no response time" 'not f["faultline_response_time_seconds"]'

# Made, since a machine that is busy does not reach a rate, and then there is no response time.
mkdir "$tmp/open"
python3 - "$tmp/open/result.json" <<'END'
import json, sys
latency = {"n": 10, "mean": 2000, "p50": 1500, "p90": 2000, "p99": 3000, "p999": 4000, "max": 5000}
json.dump({"schema": "faultline.result/1", "benchmarks": [
    {"name": "a", "throughput": {"ops_per_s": 1000}, "latency": latency,
     "rate": {"asked_ops_per_s": 1000, "got_ops_per_s": 999, "reached": True},
     "roles": [{"name": "first", "latency": latency}, {"name": "second", "latency": latency}],
     "response": latency, "lag": latency}]}, open(sys.argv[1], "w"))
END
run export openmetrics "$tmp/open"
openmetrics "openmetrics has response time, lag and rate" \
	'len(f["faultline_response_time_seconds"]) == len(f["faultline_lag_seconds"]) == 7 and f["faultline_asked_operations_per_second"][0].value == 1000'
run export bmf "$tmp/open"
check "bmf has response time" is_json "$out" 'all("response-time-p99" in b for b in j.values())'
run export csv "$tmp/open"
check "csv has response time" python3 -c 'import csv, io, sys
rows = list(csv.DictReader(io.StringIO(sys.argv[1])))
assert [(r["role"], r["rate"], r["response_p99_ns"], r["lag_p99_ns"]) for r in rows] == [("first", "1000", "3000", "3000"), ("second", "", "", "")], rows' "$out"

formats="bmf csv gbench gobench hlog junit openmetrics"
run export csv "$tmp/nothing"
expect "a result that is not there" 7 "$tmp/nothing"
mkdir "$tmp/broken"
echo '{"schema": ' >"$tmp/broken/result.json"
run export gbench "$tmp/broken"
expect "a broken result" 7 'result\.json:2:'
echo '[]' >"$tmp/broken/result.json"
run export hlog "$tmp/broken"
expect "JSON that is no result" 2 'not a result'
ln -sf "$tmp/r/result.json" "$tmp/broken/result.json"
run export hlog "$tmp/broken"
expect "a link out of the directory" 7 'is a link'
rm "$tmp/broken/result.json"
run export gbench "$tmp/r"
printf '%s\n' "$out" >"$tmp/broken/google.json"
run export csv "$tmp/broken/google.json"
expect "JSON of Google Benchmark" 2 'no result of ours'
echo '{"schema": "faultline.result/1", "benchmarks": [{"name": "a"}]}' >"$tmp/broken/result.json"
for format in $formats; do
	run export "$format" "$tmp/broken"
	expect "$format of a result that lacks almost everything" 0
done
openmetrics "openmetrics of it is read too" 'not f["faultline_operations_per_second"]'

# What a result says cannot become markup, labels or lines of the other format.
python3 - "$tmp/broken" <<'END'
import json, sys
evil = 'a"b\\c\n<x>&\td'
json.dump({"schema": "faultline.result/1", "host": {"cpu": evil}, "benchmarks": [
    {"name": evil, "workload": evil, "threads": 1, "translator": evil,
     "throughput": {"ops_per_s": 5}, "latency": {"p50": 1, "p99": 2},
     "roles": [{"name": evil, "latency": {"n": 1, "mean": 1, "p50": 1, "p99": 2}}],
     "failure": {"sentence": evil}, "flags": [evil]}]}, open(sys.argv[1] + "/result.json", "w"))
json.dump({"benchmark": evil, "repetition": 0, "ops_per_s": 5, "ns_per_op": 1,
           "threads": [{"role": evil, "ops": 5, "p50": 1, "p99": 2}]},
          open(sys.argv[1] + "/samples.ndjson", "w"))
END
run export openmetrics "$tmp/broken"
openmetrics "a hostile name in openmetrics" \
	'{s.labels["benchmark"] for n in ("faultline_flag", "faultline_service_time_seconds") for s in f[n]} == {"a\"b\\c\n<x>&\td"}'
run export junit "$tmp/broken"
check "a hostile name in junit" python3 -c 'import sys, xml.etree.ElementTree as e
c = e.fromstring(sys.argv[1].encode()).findall("testcase")
assert len(c) == 1 and len(c[0].findall("error")) == 1' "$out"
run export gobench "$tmp/broken"
check "a hostile name in gobench" python3 -c 'import sys
lines = [l for l in sys.argv[1].splitlines()]
assert len(lines) == 10 and len(lines[-1].split()) == 10, lines' "$out"
run export bmf "$tmp/broken"
check "a hostile name in bmf" is_json "$out" 'len(j) == 1'
run export csv "$tmp/broken"
check "a hostile name in csv" python3 -c 'import csv, io, sys
assert len(list(csv.reader(io.StringIO(sys.argv[1], newline="")))) == 2' "$out"

rm "$tmp/r/report.html" "$tmp/r/summary.md"
run report "$tmp/r"
expect "report makes it anew" 0 'report.html'
check "both files" test -s "$tmp/r/report.html" -a -s "$tmp/r/summary.md"
run report "$tmp/r" --json
check "report --json" is_json "$out" 'j[0]["report"].endswith("report.html")'
run report "$tmp/nothing" "$tmp/r"
expect "one of two results is not there" 7 "$tmp/r/report.html"

# What a result of somebody else's links to is neither shown nor written to.
echo secret >"$tmp/secret"
cp -r "$tmp/r" "$tmp/links"
rm -r "$tmp"/links/{job.ini,env.json,summary.md.tmp,plots} 2>/dev/null
ln -s "$tmp/secret" "$tmp/links/job.ini"
ln -s "$tmp/secret" "$tmp/links/summary.md.tmp"
mkfifo "$tmp/links/env.json"
run report "$tmp/links"
expect "a report beside links and a pipe" 0 "$tmp/links/report.html"
check "shows nothing of what they lead to" [ "$(grep -c secret "$tmp/links/report.html")" -eq 0 ]
check "and leaves it as it was" [ "$(cat "$tmp/secret")" = secret ]
rm -rf "$tmp/links/plots"
ln -s "$tmp" "$tmp/links/plots"
run report "$tmp/links"
expect "plots that are elsewhere" 7 'links/plots: Not a directory'
for log in "$tmp"/links/hist/*; do
	ln -sf "$tmp/secret" "$log"
done
run export hlog "$tmp/links"
expect "a histogram that is a link" 7 'hist/.*\.hlog: Too many levels of symbolic links'
mv "$tmp/links/hist" "$tmp/hist" && ln -s "$tmp/hist" "$tmp/links/hist"
run export hlog "$tmp/links"
expect "histograms that are elsewhere" 7 'hist/.*\.hlog: Not a directory'
rm "$tmp/links/samples.ndjson"
run export gbench "$tmp/links"
expect "no samples at all" 0 '"benchmarks": \[\]'

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
