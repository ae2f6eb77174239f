#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# gate.sh REV [OPTION...] - the working tree against a commit: builds REV in a worktree, counts what
# can be counted in both, and hands over to `faultline gate`, whose options and exit codes these are.
#
#   ci/gate.sh HEAD~1                        before a push
#   ci/gate.sh origin/main --budget 4m       in CI
#
# Baselines are kept in results/baselines/COMMIT; a commit does not change, so none is made twice
# but by another compiler. That of a working tree is made anew each time.
#
# A count that is meant to grow is accepted with the change itself: where its committed figure
# differs from REV's, it may be as large as is committed now, and no larger. The gate compares with
# a copy of the baseline that has the accepted figures, and each of them is said.
#
#   tests/count/baseline.txt   instructions        make count ACCEPT=yes
#   tests/count/host.txt       calls of the host   make count ACCEPT=yes
#   tests/audit/expected.txt   lines               make audit ACCEPT=1
#
# Environment: GATE_SECONDS what all of it may take; the pairs have what building leaves.
set -u

cd "$(dirname "$0")/.." || exit 1
[ $# -ge 1 ] || {
	echo "usage: ci/gate.sh REV [OPTION...]" >&2
	exit 2
}
commit=$(git rev-parse --verify --quiet "$1^{commit}") || {
	echo "gate: no such commit: $1" >&2
	exit 2
}
shift
kept=results/baselines/$commit
baseline=build/gate/baseline
candidate=build/gate/candidate

# same_compiler: the kept tables are of the compiler that the candidate's are of.
same_compiler()
{
	local table

	for table in host instructions lines; do
		[ ! -f "$kept/$table.txt" ] || [ ! -f $candidate/$table.txt ] ||
			[ "$(compiler "$kept/$table.txt")" = "$(compiler $candidate/$table.txt)" ] || return 1
	done
}

# compiler FILE: the one whose figures these are; nothing if that is no matter.
compiler()
{
	sed -n 's/^# compiler: //p' "$1"
}

# rows: a table, or the audit's expectation, as "NAME VALUE".
rows()
{
	sed -e '/^#/d' -e '/^reason:/d' -e 's/\t.*/ 1/' | sort -u
}

# accept TABLE COMMITTED: the baseline's table with what the committed figures accept. Figures of
# another compiler are no measure: what they changed is accepted as it is.
accept()
{
	local table=$1 committed=$2 same=1 of

	[ -f $baseline/"$table".txt ] && [ -f $candidate/"$table".txt ] && [ -f "$committed" ] || return 0
	of=$(compiler "$committed")
	[ -z "$of" ] || [ "$of" = "$(compiler $candidate/"$table".txt)" ] || same=0
	awk -v table="$table" -v same=$same '
		{ value = $NF; name = $0; sub(/ [^ ]*$/, "", name) }
		FILENAME == ARGV[1] { old[name] = value; next }
		FILENAME == ARGV[2] { new[name] = value; next }
		FILENAME == ARGV[3] { now[name] = value; next }
		function accepted(was) {
			return name in now && name in new && now[name] + 0 > was &&
				(!(name in old) || old[name] != new[name]) && (!same || now[name] + 0 <= new[name] + 0)
		}
		/^#/ { print; next }
		{ seen[name] }
		accepted(value + 0) {
			print "gate: accepted by this change: " table " of " name ": " now[name] ", was " value >"/dev/stderr"
			value = now[name]
		}
		{ print name, value }
		END {
			for (name in now)
				if (table == "lines" && !(name in seen) && accepted(0)) {
					print "gate: accepted by this change: " table " of " name >"/dev/stderr"
					print name, now[name]
				}
		}' <(git show "$commit:$committed" 2>/dev/null | rows) <(rows <"$committed") \
		<(rows <$candidate/"$table".txt) "$kept/$table.txt" >$baseline/"$table".txt
}

[ -x "$kept/faultline" ] || ci/baseline.sh "$kept" "$commit" >&2 || exit 2
ci/baseline.sh $candidate >&2 || exit 7
same_compiler || ci/baseline.sh "$kept" "$commit" >&2 || exit 2
rm -rf $baseline && cp -r "$kept" $baseline || exit 7
accept instructions tests/count/baseline.txt
accept host tests/count/host.txt
accept lines tests/audit/expected.txt
if [ -n "${GATE_SECONDS:-}" ]; then
	left=$((GATE_SECONDS - SECONDS))
	set -- --budget "$((left > 5 ? left : 5))s" "$@"
fi
exec $candidate/faultline gate --baseline $baseline --candidate $candidate "$@"
