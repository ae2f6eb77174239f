#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# gate_self.sh [OPTION...] - faultline's gate on faultline itself: this tree against the commit
# before, within four minutes. OPTION...: of `faultline gate`.
#
# Exact counts block: they are the same on every machine. Pairs advise: what else runs on a CI
# machine is nothing to block by, and who reads the advice can look again with ci/gate.sh.
#
# The commit before is GATE_BASE, else what GitLab says a merge request leaves, else the first
# parent (of a merge, as GitHub makes one for a pull request: its target). Where there is none, or
# none that still builds here, nothing is compared, and that is said.
#
# Exit 0; 1 a count is worse, or can no longer be had; 77 there is nothing to compare with.
# Environment: GATE_BASE, GATE_LIMIT (seconds for all of it).
set -u

cd "$(dirname "$0")/.." || exit 1
limit=${GATE_LIMIT:-240}
base=${GATE_BASE:-${CI_MERGE_REQUEST_DIFF_BASE_SHA:-HEAD~1}}
mkdir -p build/gate || exit 1
said=build/gate/said

# result CODE SENTENCE: the verdict, last.
result()
{
	echo "gate: $2"
	exit "$1"
}

git rev-parse --git-dir >/dev/null 2>$said ||
	result 77 "SKIP, nothing to compare with: $(tail -n 1 $said)"
git rev-parse --verify --quiet "$base^{commit}" >/dev/null ||
	result 77 "SKIP, nothing to compare with: there is no $base here (of a shallow clone: git fetch --deepen=1)"

rm -rf build/gate/result
# Two thirds for what is planned. A build may be slow, and a sample may hang: the rest is for them.
GATE_SECONDS=$((limit * 2 / 3)) timeout -k 5 "$limit" ci/gate.sh "$base" --out build/gate/result \
	--progress none "$@" >build/gate/verdict 2>$said
code=$?
grep -a '^gate: accepted\|: no .*\.txt$' $said
exact=$(sed -n 's/^exact: \([0-9]*\) counts, \([0-9]*\) worse.*/\1 \2/p' build/gate/verdict)
if [ -z "$exact" ]; then
	tail -n 20 $said
	case $code:$(tail -n 1 $said) in
	2:baseline:* | 2:*' --baseline: '*) result 77 "SKIP, nothing to compare with: $(tail -n 1 $said)" ;;
	124:* | 137:*) result 77 "SKIP, not done within $limit s" ;;
	*) result 1 "FAILED: this tree cannot be gated (exit code $code)" ;;
	esac
fi
read -r counts worse <<<"$exact"
cat build/gate/verdict
for table in host instructions lines; do
	[ ! -f build/gate/baseline/$table.txt ] || [ -f build/gate/candidate/$table.txt ] ||
		result 1 "FAILED: $table.txt can no longer be made, and could at $base"
done
if [ "$worse" -gt 0 ]; then
	sed -n '/^| exact count/,/^$/p' build/gate/result/summary.md
	result 1 "FAILED: $worse of $counts exact counts are worse than at $base; if that is meant, commit them with it: make count ACCEPT=yes, make audit ACCEPT=1"
fi
case $code in
0) advice="nothing slower, within what could be seen" ;;
1) advice="something may be slower (above); again, longer: ci/gate.sh $base --budget 4m" ;;
5) advice="not decided, the machine is too noisy or the time too short" ;;
*) advice="not to be had (exit code $code): $(tail -n 1 $said)" ;;
esac
[ "$counts" -gt 0 ] || result 77 "SKIP, no counts that both have (is valgrind there?); pairs: $advice"
result 0 "$counts exact counts, none worse than at $base; pairs advise only: $advice"
