#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# guest.sh - what is tested in the NUMA guest: the unit tests that want two nodes (those that
# ci/numa.sh brought along), then cases.sh. Prints TAP, a plan for each program; exit 1 if any
# failed.
set -u

limit=280 failed=0
export CMOCKA_MESSAGE_OUTPUT=TAP

# program NAME COMMAND...: within the limit, heard as it goes, so that a guest that stops shows where.
# An end that no line of it accounts for is one more.
program()
{
	local name=$1 rc

	shift
	timeout "$limit" "$@" </dev/null 2>&1 | tee /tmp/said |
		sed "s/^\(not ok\|ok\) \([0-9]*\) - /\1 \2 - $name: /"
	rc=${PIPESTATUS[0]}
	[ "$rc" -eq 0 ] && return
	failed=1
	grep -q '^not ok [0-9]* -' /tmp/said || echo "not ok 0 - $name: ended with $rc"
}

# Pages of 2 MiB on each node, for the tests that want some; cases.sh takes them away again.
for node in /sys/devices/system/node/node[0-9]*; do
	echo 24 >"$node/hugepages/hugepages-2048kB/nr_hugepages"
done
for test in build/debug/tests/unit/*_test; do
	program "$(basename "${test%_test}")" "$test"
done
program faultline bash tests/numa/cases.sh
exit $failed
