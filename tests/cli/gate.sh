#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gate.sh - whether a change may go in: the exact layer, two batches, what is written, and baselines
# that are missing or old.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# Eight pairs a batch, the fewest that a verdict is drawn from.
few=(fault-anon --duration 5ms --pairs 8 --budget 3m --progress none)
mkdir "$tmp/old" "$tmp/new"
for side in old new; do
	ln "$faultline" "$tmp/$side/faultline" 2>/dev/null || cp "$faultline" "$tmp/$side/"
	printf '# compiler: c\nfault 100.00\nmap 200.00\n' >"$tmp/$side/instructions.txt"
	printf '# compiler: c\nmap calls 2\n' >"$tmp/$side/host.txt"
	printf '# compiler: c\nfault map vma counts 1\n' >"$tmp/$side/lines.txt"
done

run gate --baseline "$tmp/old" --candidate "$tmp/new" --translator null "${few[@]}" --allow 50% --within 50% --out "$tmp/a"
[ "$code" -eq 5 ] && code=0
expect "nothing changed" 0 '^exact: 4 counts, 0 worse; '
check "three lines" [ "$(wc -l <<<"$out")" -eq 3 ]
expect "with the floor and what could be seen" 0 'A/A floor .*smallest detectable change'
check "a summary for a merge request" grep -q '^\*\*faultline gate: ' "$tmp/a/summary.md"
check "junit.xml is XML" python3 -c 'import sys, xml.dom.minidom as m
s = m.parse(sys.argv[1]).documentElement
assert s.tagName == "testsuite" and len(s.getElementsByTagName("testcase")) == int(s.getAttribute("tests")) == 5
assert len(s.getElementsByTagName("failure")) == int(s.getAttribute("failures")) == 0' "$tmp/a/junit.xml"
check "openmetrics end as they must, and every line is one" python3 -c 'import re, sys
lines = open(sys.argv[1]).read().split("\n")
assert lines[-2:] == ["# EOF", ""]
for l in lines[:-2]:
    assert re.fullmatch(r"# (TYPE|HELP) \S+ .+|[a-z_]+(\{benchmark=\"[^\"]*\",metric=\"[a-z0-9]+\"\})? \S+", l), l' "$tmp/a/openmetrics.txt"
check "gate.json" is_json_file "$tmp/a/gate.json" 'j["exact"]["compared"] == 4 and j["verdict"] in ("passed", "not decided")'

sed -i 's/fault 100.00/fault 101.00/' "$tmp/new/instructions.txt"
run gate --baseline "$tmp/old" --candidate "$tmp/new" --translator null "${few[@]}" --pairs 1 --out "$tmp/b"
expect "one instruction in a hundred more" 1 'instructions of fault: 101, was 100'
check "is a failure in junit.xml" grep -q '<failure message="1 of 4 counts are worse"' "$tmp/b/junit.xml"
check "and a row of the summary" grep -q '| instructions: fault | 100 | 101 | +1.00 % |' "$tmp/b/summary.md"

run_clean gate --baseline delay:op=fault:pct=0:inner=memmap --candidate delay:op=fault:pct=300:inner=memmap "${few[@]}" --json
check "a slower operation is found, and confirmed by a second batch" is_json "$out" \
	'j["exit_code"] == 1 and {"benchmark", "metric"} == set(j["confirmed"][0]) and j["flagged"] >= len(j["confirmed"])'
check "of pairs that are all kept" [ "$(grep -vc '"spoiled"' "$clean/samples.ndjson")" -eq 16 ]

# wrong NAME TEXT OPTION...
wrong()
{
	local name=$1 text=$2

	shift 2
	run gate "$@" --out "$tmp/w"
	expect "$name" 2 "$text"
	[ -z "$out" ] || { out="stdout: $out"; report 1 "$name: nothing on stdout"; }
}
wrong "no baseline" 'to make one: ci/baseline.sh'
wrong "a baseline that is not there" 'there is no results/baselines/absent; to make it: ci/baseline.sh results/baselines/absent' --baseline absent
wrong "nor its directory" 'there is no ./absent; to make it: ci/baseline.sh ./absent' --baseline ./absent
mkdir "$tmp/empty"
wrong "a directory without a program" 'empty/faultline is not there; to make it' --baseline "$tmp/empty"
sed -i '1s/c$/another/' "$tmp/old/instructions.txt"
wrong "counts of another compiler" 'of another, and .*; to make it: ci/baseline.sh' --baseline "$tmp/old" --candidate "$tmp/new"
cp /bin/true "$tmp/old/faultline.new" && mv "$tmp/old/faultline.new" "$tmp/old/faultline"
wrong "a program that is none" 'is not a faultline binary; to make it' --baseline "$tmp/old"
printf '[run]\n' >"$tmp/job.ini"
wrong "a job file" 'is a job file: versus compares two of them' --baseline "$tmp/job.ini"
wrong "an unknown workload" 'unknown workload' --baseline memmap fault-anom
run gate --baseline "$tmp/new" --candidate "$tmp/new" --out "$tmp/w" nothing
echo "map x" >>"$tmp/new/host.txt"
run gate --baseline "$tmp/new" --candidate "$tmp/new" --out "$tmp/w"
expect "a broken table" 7 'host.txt:3: is not a table'
done_testing
