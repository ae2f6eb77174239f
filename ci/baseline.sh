#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# baseline.sh DIR [REV] - what `faultline gate --baseline DIR` compares with: the program, and the
# exact counts of its engine. Of the working tree, or of a commit that is built in a worktree.
#
#   faultline          the program: pairs are measured with it, so that no time is ever stored
#   instructions.txt   instructions per operation (ci/count.sh), if there is a valgrind
#   host.txt           calls of the host and mappings left per operation, spaces shown in the host
#   lines.txt          cache lines that independent operations share (the sharing audit)
#   commit             which it is of
#
# A table that a commit cannot make is left out, and the gate says so. BASELINE_PARTS="host lines"
# makes only some. DIR is replaced as a whole when all of it is there.
set -u

cd "$(dirname "$0")/.." || exit 1
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	echo "usage: ci/baseline.sh DIR [REV]" >&2
	exit 2
fi
make=${MAKE:-make}
parts=${BASELINE_PARTS:-host instructions lines}
mkdir -p "$1" || exit 7
dir=$(cd "$1" && pwd)
tree=$PWD
new=$dir.new.$$
work=''
trap 'rm -rf "$new"; [ -z "$work" ] || git worktree remove --force "$work" 2>/dev/null' EXIT

# What was killed in the middle left its worktree and half a baseline, named by its process.
sweep()
{
	local left

	for left in build/baseline.[0-9]* "$dir".new.[0-9]*; do
		[ -e "$left" ] || continue
		if [ "${left##*.}" = $$ ] || ! kill -0 "${left##*.}" 2>/dev/null; then
			rm -rf "$left"
		fi
	done
	git worktree prune 2>/dev/null
}

sweep
mkdir -p "$new" || exit 7

if [ $# -eq 2 ]; then
	commit=$(git rev-parse --verify --quiet "$2^{commit}") || {
		echo "baseline: no such commit: $2" >&2
		exit 2
	}
	work=$tree/build/baseline.$$
	git worktree add --quiet --detach "$work" "$commit" || exit 7
	tree=$work
else
	commit=$(git describe --always --dirty --exclude '*' 2>/dev/null || echo unknown)
fi

# build TARGET...: in that tree, with no flags of the caller's.
build()
{
	(cd "$tree" && env -u CPPFLAGS -u CFLAGS -u LDFLAGS "$make" -s -j"${JOBS:-$(nproc)}" "$@") \
		>"$new/log" 2>&1
}

build V=release faultline || {
	tail -n 20 "$new/log" >&2
	echo "baseline: $commit does not build" >&2
	exit 7
}
cp "$tree/faultline" "$new/" && echo "$commit" >"$new/commit" || exit 7
for part in $parts; do
	case $part in
	instructions)
		(cd "$tree" && COUNT_BASELINE="$new/instructions.txt" ci/count.sh --accept) >"$new/log" 2>&1
		;;
	host)
		if build V=release build/release/count-host; then
			echo "# compiler: $(cc --version | head -n 1)" >"$new/host.txt"
			"$tree/build/release/count-host" >>"$new/host.txt" || rm -f "$new/host.txt"
		fi
		;;
	lines)
		build V=audit build/audit/audit && "$tree/build/audit/audit" >"$new/raw.json" &&
			"$tree/tests/audit/report.py" --accept "$tree/build/audit/audit" "$new/raw.json" \
				"$new/pairs" "$new/table" >"$new/log" 2>&1
		# A pair of operations that conflict in a field is one; how many addresses, is chance.
		[ -s "$new/pairs" ] && {
			echo "# compiler: $(cc --version | head -n 1)"
			grep -v -e '^#' -e '^reason:' "$new/pairs" | cut -f 1 | sort -u | sed 's/$/ 1/'
		} >"$new/lines.txt"
		;;
	*) echo "baseline: no such part: $part" >&2 && exit 2 ;;
	esac
	[ -s "$new/$part.txt" ] || {
		rm -f "$new/$part.txt"
		echo "baseline: $commit: no $part.txt" >&2
	}
done
rm -rf "$new/log" "$new/raw.json" "$new/pairs" "$new"/table*
rm -rf "$dir" && mv "$new" "$dir" || exit 7
echo "$dir"
