#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# stored.sh - compare: two stored results, and results that are broken: no verdict from those.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

sample=results/sample-2cpu

# made NAME FACTOR: a result of one benchmark whose rates are FACTOR times those of the base.
made()
{
	python3 - "$tmp/$1" "$2" <<'END'
import json, os, random, sys
random.seed(4)
name = "memmap/fault-anon/threads=1"
os.mkdir(sys.argv[1])
with open(sys.argv[1] + "/samples.ndjson", "w") as f:
    rates = [float(sys.argv[2]) * (1e6 + random.gauss(0, 5e3)) for _ in range(20)]
    for i, rate in enumerate(rates):
        print(json.dumps({"benchmark": name, "repetition": i, "ops_per_s": rate,
                          "threads": [{"role": "r", "p50": 1e9 / rate, "p99": 2e9 / rate}]}), file=f)
json.dump({"schema": "faultline.result/1", "run": {"start": "2026-01-01"}, "tool": {"commit": "c"},
           "host": {"name": "h", "cpu": "c"}, "benchmarks": [
    {"name": name, "translator": "memmap", "throughput": {"ops_per_s": rates[0]},
     "latency": {"p50": 1, "p99": 2}}]}, open(sys.argv[1] + "/result.json", "w"))
END
}
made base 1
made slower 0.9
made same 1.001
made faster 1.1

run compare "$tmp/base" "$tmp/slower"
expect "slower by a tenth" 1 'throughput +-(9|10)\.[0-9]+ %.* regressed'
expect "with the warning that they are no pairs" 1 'not paired'
run compare "$tmp/base" "$tmp/faster"
expect "faster by a tenth" 0 'throughput +\+1[01]\.[0-9]+ %.* improved'
run compare "$tmp/base" "$tmp/same"
expect "the same" 0 'throughput .*same within 5 %'
run compare "$tmp/base" "$tmp/slower" --json
check "as JSON" is_json "$out" \
	'j["exit_code"] == 1 and not j["paired"] and j["benchmarks"][0]["metrics"]["p50"]["verdict"] == "regressed"'
run compare $sample $sample
expect "a few repetitions decide nothing" 5 'not decided'
"$faultline" export gbench $sample >"$tmp/google.json"
run compare "$tmp/google.json" "$tmp/google.json"
expect "JSON of Google Benchmark" 5 'fault-anon.*samples'

sed 's/"name": "h"/"name": "other"/' "$tmp/base/result.json" >"$tmp/other.json"
run compare "$tmp/base" "$tmp/other.json"
expect "another machine is refused" 2 'any-machine'
run compare "$tmp/base" "$tmp/other.json" --any-machine
expect "unless it is meant" 5 'different machines'

# broken NAME CODE TEXT COMMAND...: a copy of base that COMMAND changed is refused.
broken()
{
	local name=$1 code=$2 text=$3

	shift 3
	rm -rf "$tmp/x"
	cp -r "$tmp/base" "$tmp/x"
	(cd "$tmp/x" && "$@")
	run compare "$tmp/base" "$tmp/x"
	expect "$name" "$code" "$text"
	[ -z "$out" ] || { out="a verdict: $out"; report 1 "$name: nothing on stdout"; }
}
broken "no result" 7 'result.json: No such file' rm result.json
broken "cut" 7 'result.json:[0-9]+:[0-9]+:' truncate -s 100 result.json
broken "empty" 7 'result.json:' truncate -s 0 result.json
broken "of a version to come" 2 'faultline.result/2' sed -i 's,result/1,result/2,' result.json
broken "not a number" 7 'result.json:1:' sed -i 's/"ops_per_s": [0-9.]*/"ops_per_s": NaN/' result.json
broken "edited by hand" 7 'benchmarks\[0\].throughput.ops_per_s is not a number' \
	sed -i 's/"ops_per_s": [0-9.]*/"ops_per_s": "many"/' result.json
broken "negative" 7 'benchmarks\[0\].throughput' sed -i 's/"ops_per_s": /"ops_per_s": -/' result.json
broken "a sample cut in the middle" 7 'samples.ndjson:3:' sed -i '3s/.\{20\}$//' samples.ndjson
broken "a link out of it" 7 'is a link' ln -sf /etc/passwd samples.ndjson
run compare "$tmp/base" "$tmp/nothing"
expect "not there" 7 'nothing: No such file'
run compare "$tmp/base" /dev/zero
expect "not a file" 7 'not a plain file'
run compare "$tmp/base"
expect "one result" 2 'two results are needed'
done_testing
