#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# proof.sh - does `faultline check` catch every translator that is wrong on purpose, and pass the
# good ones?
#
#   proof.sh once       each wrong one by the property that its file names (a second or so), the
#                       good ones with --quick, with huge pages where root can reserve them; TAP
#   proof.sh RUNS       whole checks, RUNS times each, with seeds 1..RUNS, and a table
#
# NAMES are the wrong ones to try (all), JOBS how many checks run at once in the first form.
# FAULTLINE is the program, BROKEN the directory of the wrong ones' plug-ins, GOOD the good ones.
set -u

cd "$(dirname "$0")/../.." || exit 1
program=${FAULTLINE:-./faultline}
broken=${BROKEN:-build/release/translators/broken}
good=${GOOD:-biglock delay:op=fault:ns=20:inner=memmap linux memmap null}
large='linux:pages=thp memmap:pages=thp memmap:pages=2m memmap:pages=2m:as=uffd'
large_pages=464 # two checks want 200 of 2 MiB each, free while the other and two more use some
jobs=${JOBS:-$(nproc)}
program=$(realpath "$program") && broken=$(realpath "$broken") || exit 1
sources=$PWD/translators/broken
# Lists of failures are left where a check runs.
scratch=$(mktemp -d) || exit 1
reserved=0
# huge_pages CHANGE: of the pool of 2 MiB, which others may change meanwhile.
huge_pages()
{
	echo $(($(cat /proc/sys/vm/nr_hugepages) + $1)) >/proc/sys/vm/nr_hugepages
} 2>/dev/null
trap 'rm -rf "$scratch"; [ $reserved = 0 ] || huge_pages -$reserved' EXIT
cd "$scratch" || exit 1
mapfile -t names < <(cd "$sources" && basename -s .patch -- *.patch)
[ -z "${NAMES:-}" ] || read -ra names <<<"$NAMES"

# check ARGUMENT...: the exit code; the answer is in ./out.
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

# passes NAME SEED, fails NAME SEED: one test of `once`. A busy machine may need more than a quick
# look.
passes()
{
	check "$1" --quick --seed "$2"
}

fails()
{
	local plugin=$broken/$1.so

	caught "$plugin" --seed "$2" --only "$(property "$1")" --quick ||
		caught "$plugin" --seed "$2" --only "$(property "$1")" || caught "$plugin" --seed "$2"
}

# try NUMBER passes|fails NAME: a line of TAP, and the answer if it is not as it should be. What a
# machine lacks (exit code 4) is skipped.
try()
{
	local what="$3 conforms" code

	[ "$2" = passes ] || what="$3 is caught"
	mkdir "$1.dir" && cd "$1.dir" || return
	"$2" "$3" "$1"
	code=$?
	if [ $code = 0 ]; then
		echo "ok $1 - $what" >../"$1"
	elif [ "$2 $code" = 'passes 4' ]; then
		echo "ok $1 - $what # SKIP $(tail -n 1 out)" >../"$1"
	else
		{
			echo "not ok $1 - $what"
			sed 's/^/# /' out
		} >../"$1"
	fi
}

once()
{
	local all=() n

	all=('passes memmap:refs=sharded')
	for name in $good $large; do
		all+=("passes $name")
	done
	for name in "${names[@]}"; do
		all+=("fails $name")
	done
	echo "1..${#all[@]}"
	# Others reserve pages and give them back: there are too few of them, or they go in the middle.
	# shellcheck disable=SC2086
	try 1 ${all[0]} &
	while kill -0 $! 2>/dev/null; do
		huge_pages 20 && reserved=20
		sleep 0.01
		huge_pages -$reserved && reserved=0
		sleep 0.01
	done
	wait
	huge_pages $large_pages && reserved=$large_pages
	for ((n = 2; n <= ${#all[@]}; n++)); do
		# shellcheck disable=SC2086
		try $n ${all[n - 1]} &
		[ $((n % jobs)) -ne 0 ] || wait
	done
	wait
	for ((n = 1; n <= ${#all[@]}; n++)); do
		cat $n
	done
	! grep -qs '^not ok' {1..99}
}

# caught_first ARGUMENT...: caught, and not waited for what else there is to say.
caught_first()
{
	timeout 120 "$program" check "$@" 2>&1 | grep -qE '^(FAIL|CRASH|HANG) '
}

# row NAME TRANSLATOR RUNS yes|no: a line of the table; false if not all RUNS came out. A wrong one
# is checked up to the first property that does not hold.
row()
{
	local hits=0 start longest=0 took total=0 run

	for ((run = 1; run <= $3; run++)); do
		start=${EPOCHREALTIME/[.,]/}
		if [ "$4" = yes ]; then
			check "$2" --seed $run && hits=$((hits + 1))
		else
			caught_first "$2" --seed $run && hits=$((hits + 1))
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
		row "${name%%:*}" "$name" "$1" yes || bad=1
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
