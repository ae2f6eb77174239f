#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# order.sh - proves the lock order of engine/lock_order.h with Clang's thread-safety analysis.
#
#   1. every source of the engine passes, and so does tests/order/good.c;
#   2. every other source of tests/order is refused with the message it wants;
#   3. striking out any one ACQUIRED_BEFORE makes 2 fail: each of them is watched by a test;
#   4. NO_TSA, the way around the analysis, is not used more often than agreed here.
#
# Exit 0 proven, 1 not, 77 no clang.
set -u

# Agreed uses of NO_TSA in engine/: bodies that loop over locks or work on a lock word. Raise it
# in the commit that adds one, with its reason beside it; lower it when one goes.
no_tsa_max=136

cd "$(dirname "$0")/.." || exit 1

clang=$(command -v "${CLANG:-clang-14}" || command -v clang) || {
	echo "order: skipped, there is no clang (apt-get install clang)" >&2
	exit 77
}
flags=(-std=c11 -D_GNU_SOURCE -fsyntax-only -fno-caret-diagnostics -Wthread-safety
	-Wthread-safety-beta -Wthread-safety-negative -Werror=thread-safety
	-Werror=thread-safety-beta -Werror=thread-safety-negative)

# compile TREE SOURCE: the analysis of SOURCE with the headers of TREE; its messages on stdout.
compile() {
	"$clang" "${flags[@]}" -I"$1" "$2" 2>&1
}

# passes TREE SOURCE: silent success, or the messages.
passes() {
	local said
	said=$(compile "$1" "$2") && return 0
	printf 'order: %s does not pass:\n%s\n' "$2" "$said"
	return 1
}

# refused TREE SOURCE: must fail with the text after its WANT.
refused() {
	local said want
	want=$(sed -n 's|^/\* WANT: \(.*\) \*/$|\1|p' "$2")
	if [ -z "$want" ]; then
		echo "order: $2 does not say what it wants"
		return 1
	fi
	if said=$(compile "$1" "$2"); then
		echo "order: $2 compiles, and should not"
		return 1
	fi
	grep -qF -- "$want" <<<"$said" && return 0
	printf 'order: %s is refused, but not with "%s":\n%s\n' "$2" "$want" "$said"
	return 1
}

# noticed LINE: with that line's ACQUIRED_BEFORE struck out, some source is no longer refused.
noticed() {
	local tree source
	tree=$(mktemp -d) || return 1
	cp -r engine "$tree/engine"
	sed -i "$1s/ ACQUIRED_BEFORE([a-z_]*)//" "$tree/engine/lock_order.h"
	if cmp -s engine/lock_order.h "$tree/engine/lock_order.h"; then
		echo "order: line $1 of lock_order.h could not be struck out"
		rm -rf "$tree"
		return 1
	fi
	for source in "${bad[@]}"; do
		if ! refused "$tree" "$source" >/dev/null; then
			rm -rf "$tree"
			return 0
		fi
	done
	rm -rf "$tree"
	echo "order: nothing notices that line $1 of lock_order.h is struck out: $(sed -n "$1p" engine/lock_order.h)"
	return 1
}

bad=()
for source in tests/order/*.c; do
	[ "$source" = tests/order/good.c ] || bad+=("$source")
done
good=(engine/*.c tests/order/good.c)
mapfile -t strikes < <(grep -n '^extern lock_class .* ACQUIRED_BEFORE(' engine/lock_order.h | cut -d: -f1)

# One job, for the parallel runs below.
case ${1-} in
passes | refused) "$1" . "$2"; exit ;;
noticed) noticed "$2"; exit ;;
esac

# in_parallel JOB ARGUMENT...: that job for each argument, two at a time.
in_parallel() {
	local job=$1
	shift
	printf '%s\0' "$@" | xargs -0 -n1 -P2 bash ci/order.sh "$job"
}

failed=0
in_parallel passes "${good[@]}" || failed=1
in_parallel refused "${bad[@]}" || failed=1
classes=$(grep -c '^extern lock_class ' engine/lock_order.h)
if [ "${#strikes[@]}" -ne $((classes - 1)) ]; then
	echo "order: lock_order.h has $classes classes, but ${#strikes[@]} orders between them"
	failed=1
fi
in_parallel noticed "${strikes[@]}" || failed=1
no_tsa=$(grep -hw NO_TSA engine/*.c engine/*.h | grep -cvE '^( \*|/\*|#define)')
if [ "$no_tsa" -gt "$no_tsa_max" ]; then
	echo "order: NO_TSA is used $no_tsa times in engine/, agreed are $no_tsa_max"
	failed=1
fi
if [ "$failed" -ne 0 ]; then
	echo "order: NOT proven"
	exit 1
fi
echo "order: ${#good[@]} sources pass, ${#bad[@]} must-not-compile refused, ${#strikes[@]} strikes noticed"
