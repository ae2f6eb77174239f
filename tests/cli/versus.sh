#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# versus.sh - two sides in pairs: the verdict and its exit code, binaries and translators, what is
# not compared, what is wrong with the words.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# Eight pairs, the fewest that a verdict is drawn from, however long they take.
pair=(--duration 5ms --pairs 8 --budget 2m --progress none)

# Noise may leave a throughput open: 5. What it may not do is raise an alarm.
no_alarm()
{
	[ "$code" -eq 5 ] && code=0
	expect "$1" 0 "$2"
}

run_clean versus delay:op=fault:pct=0:inner=memmap delay:op=fault:pct=300:inner=memmap fault-anon "${pair[@]}" --json
slower=$clean
check "one operation made slower is found" [ "$code" -eq 1 ]
check "its median regressed, and the figures say how much" is_json "$out" \
	'(lambda m: m["p50"]["verdict"] == "regressed" and m["p50"]["change_percent"] > 50
	and m["p50"]["interval_percent"][0] <= m["p50"]["change_percent"] <= m["p50"]["interval_percent"][1])(j["benchmarks"][0]["metrics"])'
check "the floor and the smallest detectable change are there" is_json "$out" \
	'all(m["floor_percent"] >= 0 and m["detectable_percent"] > 0 for b in j["benchmarks"] for n, m in b["metrics"].items() if n != "tail")'
check "pairs are kept one a line, in both orders" python3 -c 'import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert {l["order"] for l in lines} == {"AB", "BA"} and len(lines) >= 8
assert [l["pair"] for l in lines] == list(range(len(lines)))
orders = [l["order"] for l in lines]
assert all(a != b for a, b in zip(orders[::2], orders[1::2])), orders' "$slower/samples.ndjson"
check "versus.json is what was printed" diff <(echo "$out" | python3 -m json.tool --sort-keys | grep -E '"(verdict|pairs|exit_code)"') \
	<(python3 -m json.tool --sort-keys "$slower/versus.json" | grep -E '"(verdict|pairs|exit_code)"')
check "nothing of the samples is left over" [ "$(find "$slower" | wc -l)" -eq 3 ]

cp "$faultline" "$tmp/other"
run versus "$faultline" "$tmp/other" fault-anon --translator null "${pair[@]}" --within 50% --allow 50% --out "$tmp/b"
no_alarm "two binaries" 'p50 .*same within 50 %'
no_alarm "the floor, the detectable change and the verdict in words" 'A/A floor +detectable +verdict'
check "both versions are named" [ "$(grep -c '^[AB]  .*(faultline [0-9.]* (commit' <<<"$out")" -eq 2 ]

# A binary that knows less: what both know is compared, the rest is named.
cat >"$tmp/older" <<END
#!/bin/bash
case "\$*" in
"run --help") "$faultline" run --help | grep -v -e --bare -e --pages ;;
"list workloads --json") echo '[{"name":"fault-anon"},{"name":"gone"}]' ;;
*--bare*|*--pages*) echo "unknown option" >&2; exit 2 ;;
*) exec "$faultline" "\$@" ;;
esac
END
chmod +x "$tmp/older"
run versus "$faultline" "$tmp/older" --translator null --pages 4k "${pair[@]}" --within 50% --allow 50% --out "$tmp/c"
no_alarm "an older binary is asked for what it knows" '^fault-anon/pages=4k.*\([0-9]+ pairs'
no_alarm "what only one has is named" 'not compared: gone: only B has it'
no_alarm "and the other way round" 'not compared: fork: only A has it'
no_alarm "options too" 'not compared: --pages: B does not know it'

run versus null null fault-anon --duration 5ms --pairs 2 --progress none --out "$tmp/d"
expect "too few pairs decide nothing" 5 'not decided'
run versus null null fault-anon translate refcount-own --duration 5ms --budget 1ms --progress none --out "$tmp/g"
expect "a budget is kept, and what it left out is named" 5 'translate: the time was over'
run versus null "$PWD/build/release/tests/plugins/crashes.so" fault-anon "${pair[@]}" --unchecked --out "$tmp/e"
expect "a side that crashes is no verdict" 6 'crash|SIGSEGV'

# A binary of which every third sample says that its CPU was taken away, or each one.
cat >"$tmp/noisy" <<END
#!/bin/bash
[ "\$1" = run ] && [ "\$2" != --help ] || exec "$faultline" "\$@"
"$faultline" "\$@" || exit
for word; do case \$word in --out=*) out=\${word#--out=} ;; esac; done
count=\$(cat "$tmp/count" 2>/dev/null || echo 0)
echo \$((count + 1)) >"$tmp/count"
lost=0.0
[ \$((count % \$(cat "$tmp/every"))) -eq 0 ] && lost=0.875
sed -i -E 's/"lost_part":[0-9.e-]+/"lost_part":'\$lost'/' "\$out/samples.ndjson"
END
chmod +x "$tmp/noisy"
echo 3 >"$tmp/every"
run_clean versus "$faultline" "$tmp/noisy" fault-anon --translator null "${pair[@]}" --within 50% --allow 50% --json
check "what noise spoiled is drawn again" is_json "$out" \
	'(lambda b: b["pairs"] == 8 and b["spoiled"]["lost time"] >= 3)(j["benchmarks"][0])'
check "and kept by what it was, with the figures that say so" python3 -c 'import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert [l["pair"] for l in lines] == list(range(len(lines)))
assert sum("spoiled" not in l for l in lines) == 8
for l in lines:
    if l["b"]["noise"]["lost_part"] == 0.875: assert l["spoiled"] == "lost time", l' "$clean/samples.ndjson"
echo 1 >"$tmp/every"
run versus delay:op=fault:pct=0:inner=memmap delay:op=fault:pct=300:inner=memmap fault-anon --pairs 1 "${pair[@]:0:2}" --progress none --out "$tmp/n2"
expect "one clean pair is not enough" 5 'not decided: [01] pairs, and at least 8 are needed'
run versus "$tmp/noisy" "$tmp/noisy" fault-anon --translator null --duration 5ms --pairs 2 --progress none --out "$tmp/n3"
expect "a machine too noisy for the budget decides nothing, and says why" 5 'not decided: the machine was too noisy \(spoiled of 8 pairs 8: lost time 8\)'
run gate --baseline "$tmp/noisy" --candidate "$tmp/noisy" fault-anon --translator null --duration 5ms --pairs 2 --progress none --out "$tmp/n4"
expect "for a gate it is the same" 5 '^gate: not decided: fault-anon/.*: the machine was too noisy'

# Open loops: times are response times, all of them; a rate that is missed has none.
cat >"$tmp/keeps" <<END
#!/bin/bash
"$faultline" "\$@" || exit
for word; do case \$word in --out=*) cp -r "\${word#--out=}" "\$(mktemp -d "$tmp/kept.XXXXXX")/" ;; esac; done
END
chmod +x "$tmp/keeps"
run versus "$tmp/keeps" "$tmp/keeps" fault-anon --translator null --rate 1k --duration 50ms --pairs 1 --progress none --out "$tmp/r1"
check "open loops compare response times" python3 -c 'import glob, json, math, sys
results = [json.load(open(p))["benchmarks"][0] for p in glob.glob(sys.argv[1] + "/kept.*/sample.*/result.json")]
assert len(results) >= 4 and all(b["rate"] for b in results)
response = [b["response"]["p50"] for b in results if b["response"]]
for l in map(json.loads, open(sys.argv[1] + "/r1/samples.ndjson")):
    for s in (l["a"], l["b"]):
        assert s["p50"] is None or any(math.isclose(s["p50"], r, rel_tol=1e-6) for r in response), (l, response)
    assert all((s["p50"] is None) == ("rate_missed" in s) for s in (l["a"], l["b"])), l' "$tmp"
slow=delay:op=fault:ns=100000:inner=biglock
run_clean versus $slow $slow fault-anon --rate 100k --param region=64k --duration 20ms --pairs 8 --budget 2m --progress none --json
check "a rate that is missed decides no times, and is the reason" is_json "$out" \
	'(lambda m: all(m[k]["verdict"] == "not decided" and "rate not reached (in 8 pairs: by A 8 times, by B 8)" == m[k]["reason"] for k in ("p50", "p99", "tail"))
	and "reason" not in m["throughput"])(j["benchmarks"][0]["metrics"])'
run_clean gate --baseline $slow --candidate $slow fault-anon --rate 100k --param region=64k --duration 20ms --pairs 8 --budget 2m --allow 50% --progress none
check "for a gate too" [ "$(grep -c 'rate=100000.*not decided: rate not reached (in 8 pairs' "$clean/junit.xml")" -eq 3 ]

# Two job files: by name; what only one has is named.
cat >"$tmp/a.ini" <<'END'
[run]
workload = fault-anon
translator = null
duration = 5ms
seed = 7
[small]
param = region=1m
[large]
param = region=8m,region=16m
END
sed 's/,region=16m//; s/translator = null/translator = biglock/' "$tmp/a.ini" >"$tmp/b.ini"
run versus "$tmp/a.ini" "$tmp/a.ini" --pairs 2 --progress none --param region=8m --out "$tmp/j0" --json
check "job files: the command line wins, and a group that is twice there is one" is_json "$out" \
	'[b["name"] for b in j["benchmarks"]] == ["null/fault-anon/pages=4k/as=none/place=compact/region=8388608/threads=1"]'
run versus "$tmp/a.ini" "$tmp/b.ini" --pairs 1 --progress none --out "$tmp/j1" --json
check "job files: paired by what differs in nothing but the translator" is_json "$out" \
	'[b["name"] for b in j["benchmarks"]] == ["fault-anon/pages=4k/as=none/place=compact/region=%d/threads=1" % (m << 20) for m in (1, 8)]'
check "what only one has is named" is_json "$out" \
	'[n for n in j["notes"] if "only" in n] == ["null/fault-anon/pages=4k/as=none/place=compact/region=16777216/threads=1: only A has it"]'
check "and each of these is measured" is_json "$out" \
	'all(b["pairs"] <= 1 <= b["pairs"] + sum(b["spoiled"].values()) <= 4 for b in j["benchmarks"]) and j["exit_code"] == 5'
printf '[run]\nworkload = fault-anon\ntranslator = delay:op=fault:pct=%s:inner=memmap\nduration = 5ms\n' 0 >"$tmp/c.ini"
sed 's/pct=0/pct=300/' "$tmp/c.ini" >"$tmp/d.ini"
run_clean versus "$tmp/c.ini" "$tmp/d.ini" "${pair[@]}" --json
check "what the second is slower in is found" is_json "$out" 'j["exit_code"] == 1 and j["benchmarks"][0]["metrics"]["p50"]["verdict"] == "regressed"'
printf '[run]\nworkload = translate\ntranslator = null\nthreads = %s\nduration = 5ms\n' 1 >"$tmp/e.ini"
sed 's/fault-anon/translate/; s/^translator.*/translator = null\nas = mmap/' "$tmp/c.ini" >"$tmp/f.ini"
run versus "$tmp/e.ini" "$tmp/f.ini" --pairs 1 --progress none --out "$tmp/j3"
expect "the thing that differs is what is compared" 5 'as=none/.* against null/translate/pages=4k/as=mmap/.*\([01] pairs'

"$faultline" versus null null fault-anon --duration 5ms --budget 60s --within 0.1% --progress none --out "$tmp/f" >"$tmp/out" 2>&1 &
child=$!
for _ in $(seq 200); do
	[ -f "$tmp/f/samples.ndjson" ] && [ "$(wc -l <"$tmp/f/samples.ndjson")" -ge 2 ] && break
	sleep 0.1
done
kill -INT $child
wait $child
code=$?
out=$(cat "$tmp/out") err=''
expect "interrupted: what there is, and 130" 130 'Interrupted'
check "and in the file" is_json_file "$tmp/f/versus.json" 'j["interrupted"] and j["exit_code"] == 130'

# Here, CPUs are named: never side by side, whatever the machine. tests/numa has the other case.
watched A
watched B
run versus "$tmp/A" "$tmp/B" fault-anon --translator null --duration 5ms --pairs 3 --place cpus:0 --progress none --out "$tmp/h" --json
check "samples were taken one after the other" is_json "$out" 'j["side_by_side"] is None'
in_turn()
{
	awk '{ cpus[$2]; if ($3 < end) bad = 1; end = $4 }
		END { for (c in cpus) n++; exit bad || n != 1 || NR < 8 || NR % 2 }' "$tmp/ran"
}
check "each alone, on all CPUs" in_turn

wrong()
{
	local name=$1 text=$2

	shift 2
	run versus "$@"
	expect "$name" 2 "$text"
}
wrong "one side" 'two sides are needed' memmap
wrong "an unknown translator" 'did you mean memmap\?' memmap memap
wrong "no faultline binary" 'is not a faultline binary' memmap /bin/true
wrong "a file that is no program" 'cannot be executed' memmap ./README.md
wrong "a job file against none" 'is a job file, and memmap is none' "$tmp/a.ini" memmap
wrong "nor the other way round" 'is a job file, and .*faultline is none' "$faultline" "$tmp/a.ini"
wrong "a job file that is not there" 'absent.ini: No such file' "$tmp/absent.ini" "$tmp/a.ini"
sed 's/region/regio/' "$tmp/a.ini" >"$tmp/bad.ini"
wrong "a job file that is wrong" 'bad.ini:7: param .*did you mean region' "$tmp/a.ini" "$tmp/bad.ini"
wrong "job files without a common workload" 'no benchmark of .*c.ini has a partner in .*e.ini' "$tmp/c.ini" "$tmp/e.ini"
sed 's/5ms/6ms/' "$tmp/c.ini" >"$tmp/bad.ini"
wrong "samples that are not as long" 'say --duration' "$tmp/c.ini" "$tmp/bad.ini"
(cat "$tmp/c.ini" && echo 'topology = pack:2 core:2 pu:1') >"$tmp/bad.ini"
wrong "a machine that is none" 'bad.ini:5: topology: nothing can be compared' "$tmp/bad.ini" "$tmp/c.ini"
(cat "$tmp/c.ini" && echo 'threads = 9999') >"$tmp/bad.ini"
run versus "$tmp/c.ini" "$tmp/bad.ini"
expect "more threads than there are CPUs" 4 'bad.ini:5: threads .*more than the'
wrong "an unknown workload" 'unknown workload "fault-anom"' memmap null fault-anom
wrong "a broken percentage" 'is not a percentage' memmap null --within much
wrong "too many percent" 'from 0% to 50%' memmap null --within 80%
wrong "no pairs" "from 1 to 10000" memmap null --pairs 0
wrong "a broken budget" 'is not a time' memmap null --budget 2y
wrong "a directory that is in use" 'is not empty' memmap null fault-anon --out "$slower"
done_testing
