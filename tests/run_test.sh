#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run_test.sh - does the test runner count right? Each case is a command and the closing line that
# it must lead to; nothing that goes wrong may count as passed.
set -u
# The commands in single quotes are for the runner to expand.
# shellcheck disable=SC2016

cd "$(dirname "$0")/.." || exit 1
number=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# expect NAME LAST-LINE EXIT-CODE RUNNER-ARGUMENT...
expect()
{
	local name=$1 line=$2 code=$3 out rc=0

	shift 3
	out=$(tests/run.sh "$@" 2>&1) || rc=$?
	number=$((number + 1))
	if [ "$(tail -n 1 <<<"$out")" = "$line" ] && [ $rc -eq "$code" ]; then
		echo "ok $number - $name"
	else
		failed=1
		echo "not ok $number - $name"
		printf 'exit code %d, wanted %d; wanted "%s" after:\n%s\n' $rc "$code" "$line" "$out" |
			sed 's/^/# /'
	fi
}

echo 1..18
expect "exit code 0" "1 passed, 0 failed" 0 true
expect "exit code 1" "0 passed, 1 failed" 1 false
expect "exit code 77 is a skip" "0 passed, 0 failed, 1 skipped" 0 "exit 77"
expect "a program that is not there" "0 passed, 1 failed" 1 build/no-such-program
expect "nothing to run is not success" "0 passed, 0 failed" 1
expect "a signal" "0 passed, 1 failed" 1 'kill -SEGV $$'
expect "a time-out" "0 passed, 1 failed" 1 --limit 1 "sleep 20"
expect "TAP" "1 passed, 1 failed, 1 skipped" 1 \
	'echo 1..3; echo "ok 1 - a"; echo "not ok 2 - b"; echo "ok 3 # SKIP c"; exit 1'
expect "cmocka's way to skip" "1 passed, 0 failed, 1 skipped" 0 \
	'echo 1..2; echo "ok 1 - a"; echo "not ok 2 # SKIP b"'
expect "tests never reported" "1 passed, 2 failed" 1 'echo 1..3; echo "ok 1 - a"'
expect "a signal after all tests" "1 passed, 1 failed" 1 'echo 1..1; echo "ok 1 - a"; kill -ABRT $$'
expect "an exit code no test explains" "1 passed, 1 failed" 1 'echo 1..1; echo "ok 1 - a"; exit 3'
expect "a sum of several" "2 passed, 1 failed, 1 skipped" 1 true false "exit 77" true
expect "a time-out in the middle" "1 passed, 1 failed" 1 --limit 1 \
	'echo 1..2; echo "ok 1 - a"; sleep 20'
expect "several at once" "2 passed, 2 failed, 1 skipped" 1 --jobs 3 --limit 1 \
	true false "exit 77" "sleep 20" "sleep 0.2"
# Each waits for the other, in the order that one after another could not have.
expect "at once means at once" "2 passed, 0 failed" 0 --jobs 2 --limit 20 \
	"until [ -e $scratch/a ]; do sleep 0.05; done" "touch $scratch/a"
tests/run.sh --tally "$scratch/tally" --jobs 2 "sleep 1.2; echo last" true >/dev/null
expect "a sum of steps" "2 passed, 0 failed" 0 --total "$scratch/tally"
expect "with the slowest first" "1 passed, 0 failed" 0 \
	"tests/run.sh --total $scratch/tally | sed -n 2p | grep -q 'sleep 1.2; echo last'"
exit $failed
