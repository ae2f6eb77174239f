#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gate_self.sh - the gate of a repository on itself, in a small one whose counts are files: what blocks,
# what advises, what is accepted, and what there is when nothing can be compared.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

top=$PWD
repo=$tmp/repo
mkdir -p "$repo"/{ci,tests/count,tests/audit}
cp ci/{gate_self,gate,baseline}.sh "$repo/ci"
cd "$repo" || exit 1
unset CI_MERGE_REQUEST_DIFF_BASE_SHA GATE_BASE GATE_LIMIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b

# What stands in for the build: the program is this one, and if `slower` is there, its gate ends as one
# that two batches found slower; the tables are files.
cat >Makefile <<END
faultline: FORCE
	test ! -e broken
	printf '#!/bin/bash\nslower=%s\n$faultline "\$\$@"\ncode=\$\$?\n[ \$\$1 = gate ] || slower=\nexit \$\${slower:-\$\$code}\n' "\$\$(cat slower 2>/dev/null)" >\$@
	chmod +x \$@
build/release/count-host: FORCE
	mkdir -p build/release && printf '#!/bin/sh\ncat \$\${0%%/build/*}/host\n' >\$@ && chmod +x \$@
build/audit/audit: FORCE
	mkdir -p build/audit && printf '#!/bin/sh\necho raw\n' >\$@ && chmod +x \$@
FORCE:
END
cat >ci/count.sh <<'END'
#!/bin/sh
cp instructions "$COUNT_BASELINE"
END
cat >tests/audit/report.py <<'END'
#!/bin/sh
cp "${0%/tests/*}/lines" "$4"
END
chmod +x ci/count.sh tests/audit/report.py
printf '/build\n/results\n/faultline\n' >.gitignore
printf '# compiler: c\nfault 100.00\nmap 200.00\n' | tee instructions >tests/count/baseline.txt
printf 'map calls 2.000000\n' | tee host >tests/count/host.txt
printf '# head\nreason: counts: why\ndec dec page counts\tf / g\n' | tee lines >tests/audit/expected.txt

# self: with the cheapest pairs, which decide nothing.
self()
{
	out=$(ci/gate_self.sh --translator null fault-anon --duration 5ms --pairs 1 2>&1)
	code=$?
	err=''
}

commit()
{
	git add -A && git commit -qm "$1"
}

self
expect "no repository is no failure" 77 'SKIP, nothing to compare with: .*not a git repository'
git init -q . && commit first
self
expect "nor is one commit alone" 77 'SKIP, nothing to compare with: there is no HEAD~1 here .*deepen'
git commit -q --allow-empty -m second
self
expect "nothing changed" 0 '^gate: 4 exact counts, none worse than at HEAD~1; pairs advise only: '

sed -i 's/^fault .*/fault 100.01/' instructions
self
expect "a hundredth of an instruction blocks" 1 '^gate: FAILED: 1 of 4 exact counts are worse'
check "and is named" grep -q '^| instructions: fault | 100 | 100.01 |' <<<"$out"
cp instructions tests/count/baseline.txt
self
expect "committed with its figure, it is accepted" 0 'accepted by this change: instructions of fault: 100.01, was 100.00'
sed -i 's/^fault .*/fault 100.02/' instructions
self
expect "but no more than that" 1 'FAILED: 1 of 4'
sed -i '1s/c$/another/' tests/count/baseline.txt
self
expect "unless another compiler counted it" 0 'accepted by this change: instructions of fault: 100.02'
sed -i 's/^map .*/map 200.01/' instructions
self
expect "and then only what changed" 1 '^\| instructions: map \| 200 \| 200.01 \|'
git checkout -q .

printf 'map calls 3.000000\n' >host
printf 'inc inc page counts\tf / f\n' >>lines
self
expect "calls of the host and shared lines block" 1 'FAILED: 2 of 4'
cp host tests/count/host.txt
cp lines tests/audit/expected.txt
self
expect "and are accepted with their files" 0 'accepted by this change: lines of inc inc page counts'
commit "more is meant"
git commit -q --allow-empty -m after
self
expect "the next commit begins from there" 0 '^gate: 5 exact counts, none worse'
printf 'map calls 2.000000\n' >host
commit "fewer"
printf 'map calls 3.000000\n' >host
GATE_BASE=HEAD self
expect "what was accepted once is not accepted again" 1 'FAILED: 1 of 5'
git checkout -q .

echo 1 >slower
commit "slower"
self
expect "pairs advise, and do not block" 0 '^gate: 5 exact counts, none worse .*something may be slower'
rm instructions
self
expect "a table that is lost blocks" 1 'FAILED: instructions.txt can no longer be made'
git checkout -q . && touch broken
self
expect "a tree that does not build fails" 1 'this tree cannot be gated'
commit broken
rm broken
commit mended
self
expect "a commit before that does not build is no failure" 77 'SKIP, nothing to compare with: baseline: .* does not build'
GATE_BASE=HEAD~2 self
expect "GATE_BASE names another" 0 'none worse than at HEAD~2'

# A killed run leaves its worktree, and half a baseline.
sh -c 'exit 0' &
dead=$!
wait $dead
git worktree add -q --detach build/baseline.$dead HEAD
mkdir build/gate/candidate.new.$dead
GATE_BASE=HEAD~2 self
expect "what a killed run left is no hindrance" 0 'none worse'
check "and is gone" [ "$(git worktree list | wc -l)" -eq 1 -a ! -e build/gate/candidate.new.$dead ]
sed -i 's/^faultline: FORCE/&\n\tsleep 20/' Makefile
GATE_LIMIT=1 GATE_BASE=HEAD~2 self
expect "the time is over: said, and no failure" 77 'SKIP, not done within 1 s'
check "with no worktree left over" [ "$(git worktree list | wc -l)" -eq 1 ]
cd "$top" || exit 1
done_testing
