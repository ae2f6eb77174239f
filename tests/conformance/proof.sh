#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# proof.sh - does `faultline check` catch every translator that is wrong on purpose, and pass the
# good ones?
#
#   proof.sh once       each wrong one by the property that its file names (a second or so), the
#                       good ones with --quick; TAP
#   proof.sh RUNS       whole checks, RUNS times each, with seeds 1..RUNS, and a table
#
# FAULTLINE is the program, BROKEN the directory of the wrong ones' plug-ins, GOOD the good ones.
set -u

cd "$(dirname "$0")/../.." || exit 1
program=${FAULTLINE:-./faultline}
broken=${BROKEN:-build/release/translators/broken}
good=${GOOD:-biglock memmap}
program=$(realpath "$program") && broken=$(realpath "$broken") || exit 1
sources=$PWD/translators/broken
# Lists of failures are left where a check runs.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
mapfile -t names < <(cd "$sources" && basename -s .patch -- *.patch)

# check ARGUMENT...: the exit code; the answer is in $scratch/out.
check()
{
	timeout 120 "$program" check "$@" >out 2>&1
}

# caught ARGUMENT...: by a wrong answer (3), or by a crash or hang (6).
caught()
{
	local code

	check "$@"
	code=$?
	[ $code = 3 ] || [ $code = 6 ]
}

# The property in the head of a file that comes first.
property()
{
	sed -n 's/^Caught by: \([a-z-]*\).*/\1/p' "$sources/$1.patch"
}

once()
{
	local n=0 bad=0 name

	echo "1..$((${#names[@]} + $(wc -w <<<"$good")))"
	for name in $good; do
		n=$((n + 1))
		if check "$name" --quick --seed $n; then
			echo "ok $n - $name conforms"
		else
			echo "not ok $n - $name conforms"
			sed 's/^/# /' out
			bad=1
		fi
	done
	for name in "${names[@]}"; do
		n=$((n + 1))
		if grep -q '^Rare: ' "$sources/$name.patch"; then
			# Luck, so no test of this check: the proof counts how often.
			if caught "$broken/$name.so" --seed $n --only "$(property "$name")"; then
				echo "ok $n - $name is caught"
			else
				echo "ok $n - $name # SKIP a rare race, not met this time"
			fi
			continue
		fi
		# A busy machine may need more than a quick look.
		if caught "$broken/$name.so" --seed $n --only "$(property "$name")" --quick ||
			caught "$broken/$name.so" --seed $n --only "$(property "$name")" ||
			caught "$broken/$name.so" --seed $n; then
			echo "ok $n - $name is caught"
		else
			echo "not ok $n - $name is caught"
			sed 's/^/# /' out
			bad=1
		fi
	done
	return $bad
}

# row NAME TRANSLATOR RUNS yes|no: a line of the table; false if not all RUNS came out.
row()
{
	local hits=0 start longest=0 took total=0 run

	for ((run = 1; run <= $3; run++)); do
		start=${EPOCHREALTIME/[.,]/}
		if [ "$4" = yes ]; then
			check "$2" --seed $run && hits=$((hits + 1))
		else
			caught "$2" --seed $run && hits=$((hits + 1))
		fi
		took=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
		total=$((total + took))
		[ $took -gt $longest ] && longest=$took
	done
	printf '%-24s %s %2d of %d   mean %2d.%d s, longest %2d.%d s\n' "$1" \
		"$([ "$4" = yes ] && echo passes || echo caught)" $hits "$3" \
		$((total / $3 / 10)) $((total / $3 % 10)) $((longest / 10)) $((longest % 10))
	[ $hits = "$3" ] && [ $longest -le 600 ]
}

proof()
{
	local bad=0 name

	for name in $good; do
		row "$name" "$name" "$1" yes || bad=1
	done
	for name in "${names[@]}"; do
		row "$name" "$broken/$name.so" "$1" no || bad=1
	done
	[ $bad = 0 ] && echo "conformance-proof: all ${#names[@]} wrong ones caught, all good ones pass, $1 times"
	return $bad
}

case ${1:-once} in
once) once ;;
*) proof "$1" ;;
esac
