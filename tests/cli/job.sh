#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# job.sh - run --job: groups in one run, what wins, re-running job.ini, and files that are wrong.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

cat >"$tmp/two.ini" <<'END'
; two groups of benchmarks
[run]
workload = fault-anon
translator = null
duration = 10ms
repeat = 2
seed = 7
progress = none
[plain]
[wide]
param = region=4m, region=8m
END

# names FILE: the benchmarks, parameters and seed of a result.
names()
{
	python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
print(j["run"]["seed"], [(b["name"], b["params"], b["repeats"]) for b in j["benchmarks"]])' "$1"
}

run run --job "$tmp/two.ini" --out "$tmp/first"
expect "a run of a job file" 0 'first/report.html'
check "has the benchmarks of both groups, and their floor once" is_json_file "$tmp/first/result.json" \
	'len({b["params"]["region"] for b in j["benchmarks"] if b["workload"] == "fault-anon"} | {4 << 20, 8 << 20}) == 3 and len(j["benchmarks"]) == 4'
run run --job "$tmp/first/job.ini" --out "$tmp/second" --progress none
expect "its job.ini runs" 0
check "and measures the same: names, parameters, repetitions, seed" \
	diff <(names "$tmp/first/result.json") <(names "$tmp/second/result.json")
check "and says the same of itself" diff "$tmp/first/job.ini" "$tmp/second/job.ini"
run run --job "$tmp/two.ini" --repeat 3 --param region=1m --dry-run --json
check "the command line wins" is_json "$out" \
	'j["repeat"] == 3 and all("region=1048576" in b["name"] for b in j["benchmarks"] if "fault" in b["name"])'
FAULTLINE_REPEAT=5 run run --job "$tmp/two.ini" --dry-run --json
check "a job file wins over the environment" is_json "$out" 'j["repeat"] == 2'
FAULTLINE_JOB=$tmp/two.ini run run --dry-run --json
check "FAULTLINE_JOB names one too" is_json "$out" 'j["repeat"] == 2 and len(j["benchmarks"]) == 4'

printf '[run]\nworkload = fault-anon\nthread = 2\n' >"$tmp/bad.ini"
run run --job "$tmp/bad.ini"
expect "a wrong key" 2 'bad\.ini:3: unknown key "thread" \(did you mean threads\?\)'
printf '[run]\nworkload = fault-anon\n[x]\nmem = bind:999\n' >"$tmp/bad.ini"
run run --job "$tmp/bad.ini" --dry-run
expect "a node that is not there" 4 'bad\.ini:4: .*999'
printf '[run]\nparam = regio=1m\nworkload = fault-anon\n' >"$tmp/bad.ini"
run run --job "$tmp/bad.ini" --dry-run
expect "a parameter that is none" 2 'bad\.ini:2: param .*did you mean region\?'
head -c 300 /dev/urandom >"$tmp/bad.ini"
run run --job "$tmp/bad.ini"
expect "no text at all" 2 'bad\.ini:1: '
run run --job "$tmp/none.ini"
expect "a file that is not there" 2 'none\.ini: No such file'
run run --job "$tmp"
expect "a directory" 2 'not a plain file'
done_testing
