#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rate.sh - open loops: what a run with --rate says and keeps, and what it refuses.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

open=(run fault-anon --translator null --duration 100ms --repeat 2 --progress none)

# A machine with other things to do may need another try.
for _ in 1 2 3 4 5; do
	rm -rf "$tmp/a"
	run "${open[@]}" --rate 1k --out "$tmp/a"
	grep -q 'rate not reached' <<<"$out" || break
done
if grep -q 'rate not reached' <<<"$out"; then
	skip "an open loop that keeps its rate" "the machine is too busy for 1000 operations a second"
else
	expect "an open loop" 0 'response time, from the intended start'
	check "response times are as many as operations, and never shorter" is_json_file "$tmp/a/result.json" \
		'all(b["response"]["n"] == b["latency"]["n"] == b["lag"]["n"] and b["response"]["mean"] >= b["latency"]["mean"] for b in j["benchmarks"] if b["translator"])'
	check "in the log, response times in intervals and lag" [ "$(cut -d, -f1 "$tmp"/a/hist/null*.hlog |
		grep Tag= | sort | uniq -c | awk '{print ($1 > 2)}' | sort | tr '\n' ' ')" = "0 0 1 " ]
fi
check "it says what was asked and got" is_json_file "$tmp/a/result.json" \
	'[b["rate"]["asked_ops_per_s"] == 1000 and 0 < b["rate"]["got_ops_per_s"] <= 1000 for b in j["benchmarks"] if b["translator"]] == [True]'
check "its name has the rate" is_json_file "$tmp/a/result.json" \
	'"null/fault-anon/pages=4k/as=none/place=compact/rate=1000/threads=1" in [b["name"] for b in j["benchmarks"]]'
check "a floor stays a closed loop, and says so" is_json_file "$tmp/a/result.json" \
	'all(b["rate"] is None and b["rate_reason"] and b["response"] is None for b in j["benchmarks"] if b["is_floor"])'
check "latency over time: all of it, in intervals" is_json_file "$tmp/a/result.json" \
	'all(len(b["over_time"]["intervals"]) == 10 and sum(i["n"] for i in b["over_time"]["intervals"]) == b["latency"]["n"] for b in j["benchmarks"])'
check "and drawn" [ -s "$tmp/a/plots/time-fault-anon.svg" ]
run export hlog "$tmp/a"
expect "which can be exported" 0 '^Tag=null/fault-anon.*faulter/response,'

# A fault of 100 us, a hundred thousand times each second.
run run fault-anon --translator delay:op=fault:ns=100000:inner=biglock --rate 100k --duration 100ms \
	--repeat 1 --param region=64k --progress none --out "$tmp/b"
expect "a rate that cannot be reached" 0 'rate not reached: '
check "has no percentiles, for a reason, and a flag" is_json_file "$tmp/b/result.json" \
	'all(b["response"] is None and "rate not reached" in b["response_reason"] and "rate_not_reached" in b["flags"] for b in j["benchmarks"] if b["translator"])'

run "${open[@]}" --rate 0
expect "no rate" 2 '"0" is not a rate'
run "${open[@]}" --rate fast
expect "a word" 2 '"fast" is not a rate'
run run fault-anon --translator delay:op=fault:stall=2s:every=1s --duration 10ms --progress none
expect "a stall longer than its period" 2 'needs stall= and a longer every='
done_testing
