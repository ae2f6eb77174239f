#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# gate.sh REV [OPTION...] - the working tree against a commit: builds REV in a worktree, counts what
# can be counted in both, and hands over to `faultline gate`, whose options and exit codes these are.
#
#   ci/gate.sh HEAD~1                        before a push
#   ci/gate.sh origin/main --budget 4m       in CI
#
# Baselines are kept in results/baselines/COMMIT; a commit does not change, so none is made twice.
# That of a working tree is made anew each time.
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
baseline=results/baselines/$commit
candidate=build/gate/candidate
[ -x "$baseline/faultline" ] || ci/baseline.sh "$baseline" "$commit" >&2 || exit
ci/baseline.sh "$candidate" >&2 || exit
exec "$candidate/faultline" gate --baseline "$baseline" --candidate "$candidate" "$@"
