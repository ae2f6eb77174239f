#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# interrupt.sh - signals in the middle of a run: what was measured is kept, and says what happened.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# begin DIR: a run that lasts until it is told to end, past its first repetition.
begin()
{
	"$faultline" run fault-anon --translator null --duration 50ms --repeat 5000 \
		--progress none --out "$1" >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	for _ in $(seq 200); do
		[ -s "$1/samples.ndjson" ] && [ -s "$1/result.json" ] && break
		sleep 0.05
	done
}

# end SIGNAL: sends it, and waits.
end()
{
	kill -s "$1" "$pid"
	wait "$pid" 2>/dev/null
	code=$? out=$(cat "$tmp/out") err=$(cat "$tmp/err")
}

begin "$tmp/int"
# A shell without job control starts its children with SIGINT ignored: the program takes it back.
end INT
expect "Ctrl-C" 130 'report.html'
check "is marked" is_json_file "$tmp/int/result.json" \
	'j["run"]["interrupted"] and j["run"]["exit_code"] == 130 and j["run"]["end"]'
check "and keeps what there is" is_json_file "$tmp/int/result.json" \
	'any(b["repeats"] > 0 for b in j["benchmarks"])'
check "with a report" [ -s "$tmp/int/report.html" ]

begin "$tmp/term"
end TERM
expect "SIGTERM" 143
check "is marked, too" is_json_file "$tmp/term/result.json" 'j["run"]["interrupted"]'

begin "$tmp/kill"
end KILL
check "kill -9 leaves a valid result" is_json_file "$tmp/kill/result.json" \
	'j["run"]["interrupted"] and j["run"]["end"] is None and j["run"]["end_reason"]'
check "and whole samples" python3 -c 'import json, sys
lines = open(sys.argv[1]).read().split("\n")
[json.loads(line) for line in lines[:-1]]
assert len(lines) > 1' "$tmp/kill/samples.ndjson"
run report "$tmp/kill"
expect "of which a report can be made" 0 'report.html'

begin "$tmp/crash"
end SEGV
expect "a crash names its benchmark" 6 'SIGSEGV in'
check "and leaves a valid result" is_json_file "$tmp/crash/result.json" 'j["run"]["interrupted"]'
done_testing
