#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gate_proof.sh - the pieces of make gate-proof at tiny sizes: that it counts right, not what the rates
# of this machine are.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

replay=$tmp/replay
# Built here: nobody else needs it.
"${MAKE:-make}" -s build/release/gate-replay && cp build/release/gate-replay "$replay"
check "the replayer is built" [ -x "$replay" ]

# recorded FILE SHIFT: pairs of two benchmarks with noise of 1 %, B slower by SHIFT.
recorded()
{
	python3 - "$1" "$2" <<'END'
import json, math, random, sys
random.seed(8)
with open(sys.argv[1], "w") as f:
    for name in ("x/threads=1", "y/threads=1"):
        for i in range(60):
            side = lambda s: {"throughput": 1e6 * math.exp(random.gauss(-s, 0.01)),
                              "p50": 50 * math.exp(random.gauss(s, 0.01))}
            print(json.dumps({"benchmark": name, "pair": i, "a": side(0), "b": side(float(sys.argv[2]))}), file=f)
END
}
recorded "$tmp/same" 0
recorded "$tmp/slower" 0.1
replay()
{
	out=$("$replay" "$@" 2>"$tmp/stderr")
	code=$?
	err=$(cat "$tmp/stderr")
}
replay gates 40 20 "$tmp/same"
expect "gates of equal things do not block" 0 '^gates: 0 of 40$'
replay planted 40 20 "$tmp/slower"
expect "what is slower by a tenth is found each time" 0 '^planted: 40 of 40$'
# Exchanged at random, a tenth is noise.
replay gates 20 20 "$tmp/slower"
expect "and is noise if the sides are exchanged at random" 0 '^gates: [01] of 20$'
replay swap "$tmp/slower"
expect "exchanged sides are mirrored" 0 '^swap: mirrored$'
replay gates 5 20 /dev/null
expect "nothing recorded is no proof" 2 'usage'
echo "not a pair" >"$tmp/broken"
replay swap "$tmp/broken"
expect "nor is what is broken" 7 'broken:1: is not a pair'

proof()
{
	out=$(GATE_PROOF_OUT=$tmp/proof REPLAY=$replay FAULTLINE=$faultline GATES=1 PLANTED=1 PLANTED_TEN=0 \
		GATE_BUDGET=90s PLANTED_BUDGET=60s REPLAYS=5 WORKLOADS=fault-anon \
		GATE_OPTIONS="--duration 5ms --pairs 8" ci/gate_proof.sh "$@" 2>"$tmp/stderr")
	code=$?
	err=$(cat "$tmp/stderr")
}
proof aa planted replay
check "every part has its rows" [ "$(grep -c '^| .*[0-9]* of [0-9]*' <<<"$out")" -ge 5 ]
check "of pairs that were recorded" [ "$(cat "$tmp"/proof/*/samples.ndjson | wc -l)" -ge 16 ]
check "the table is kept, with date and machine" grep -q '^20[0-9-]*, [0-9]* CPUs, .*Linux' "$tmp/proof/table.md"
check "exit 1 says that a rate was missed" [ "$code" -eq "$(grep -c -m 1 missed "$tmp/proof/table.md")" ]
proof nothing
expect "an unknown part" 2 'usage'
done_testing
