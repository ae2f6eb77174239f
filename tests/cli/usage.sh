#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage.sh - help, version, lists, and wrong words on every command: exit 2 and a suggestion.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

run
expect "alone it prints help" 0 'Usage: faultline'
check "of twenty lines" [ "$(wc -l <<<"$out")" -eq 20 ]
run --help
expect "--help names the options" 0 '--memory-max'
run --version
expect "--version says version, commit and ABI" 0 'faultline [0-9.]+ \(commit .*ABI [0-9]+\.[0-9]+'
run --version --json
check "--version --json" is_json "$out" 'j["name"] == "faultline"'
run --completion
check "the completion is bash" bash -n <<<"$out"
for command in run list info report export new versus compare gate; do
	run "$command" --help
	expect "$command --help" 0 "Usage: faultline $command"
done

wrong()
{
	local name=$1 text=$2

	shift 2
	run "$@"
	expect "$name" 2 "$text"
	[ -z "$out" ] || { out="stdout: $out"; report 1 "$name: nothing on stdout"; }
}
wrong "unknown command" 'did you mean run\?' runn
wrong "a command of a later issue" 'unknown command "stress"' stress a b
wrong "unknown global option" 'did you mean --version' --versio
wrong "unknown workload" '"fault-anom".*did you mean fault-anon\?' run fault-anom
wrong "unknown option" 'did you mean --threads\?' run --thread 1
wrong "a job file that is not there" 'x.ini: No such file' run --job x.ini
wrong "option without value" 'needs a value' run --threads
wrong "unknown translator" 'did you mean null\?' run --translator nul
wrong "a plug-in without a path" './mine.so' run --translator mine.so
wrong "unknown key of a translator" "nokey" run fault-anon --translator null:nokey=1
wrong "translator option without value" 'not key=value' run --translator null:x
wrong "unknown pages" 'did you mean 4k\?' run --pages 4kb
wrong "pages of another machine" "16k" run --pages 16k
wrong "an address space that there is not" 'did you mean uffd' run --as ufdd
wrong "unknown way to count" 'did you mean sharded\?' run --refs shard
wrong "unknown placement" 'did you mean scatter\?' run --place scater
wrong "broken CPU list" 'cpus' run fault-anon --place cpus:x
wrong "unknown memory policy" 'did you mean local\?' run --mem locl
wrong "broken size" 'is not a size' run --memory-max 4x
wrong "broken time" 'is not a time' run --duration 1y
wrong "too short" 'too short' run --duration 1us
wrong "no repetitions" '1 to 10000' run --repeat 0
wrong "unknown parameter" 'did you mean region\?' run fault-anon --param regio=4m
wrong "broken parameter" 'not a number or a size' run fault-anon --param region=much
wrong "threads that are none" 'no thread counts' run --threads 0
wrong "unknown list" 'did you mean workloads\?' list workload
wrong "info takes nothing" 'takes no argument' info x
wrong "report of nothing" 'which result' report
wrong "unknown export format" 'did you mean gbench\?' export gbnch x
wrong "export without directory" 'are needed' export csv
FAULTLINE_REPEAT=x wrong "a wrong variable" 'FAULTLINE_REPEAT' run --dry-run

for list in workloads translators placements pages params; do
	run list $list
	expect "list $list" 0 '^  [^ ]'
	run list $list --json
	check "list $list --json" is_json "$out" 'len(j) > 1'
done
run list --json
check "list --json has them all" is_json "$out" 'len(j) == 5'
run list workloads
expect "workloads name their floors" 0 'fault-anon.*\[floor: floor-fetch-add\]'
run list params
expect "params name their variables" 0 'FAULTLINE_MEMORY_MAX'

run info
expect "info" 0 'cpus: [0-9]'
run info --json
check "info --json" is_json "$out" 'j["costs"]["record_ns"] > 0 and "2m" in j["pages"] and "gnuplot" in j'
done_testing
