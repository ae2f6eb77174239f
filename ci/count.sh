#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# count.sh - instructions per operation of the engine, counted by callgrind, against the committed
# baseline. Exact: the same compiler and libraries give the same digits each time.
#
#   ci/count.sh                  the table; fails if an operation takes more than 1 % more
#   ci/count.sh --accept         the same, and what was counted becomes the baseline; with the
#                                committed one, the calls of the host in tests/count/host.txt too
#   ci/count.sh --test           proves on this machine that two runs agree to the digit, and that
#                                what is wrong is found (TAP)
#
# tests/count/count.c says what is counted and how; here is what else could vary, and is held:
# flags (the release variant's, nothing of the caller's), addresses (setarch -R), the environment
# (its size moves the stack), symbols (bound at start, so no look-up falls into an operation), what
# the C library makes of the processor (nothing newer than all of them have). Bytes that are moved
# at once, by count_bulk_* and safe_copy_run, are left out.
#
# Environment: CC the compiler, B the build folder, COUNT_BASELINE another baseline, COUNT_PROGRAM
# another program, COUNT_OPS some operations only.
# Exit 0 within 1 %; 1 more, or not in the baseline; 77 no valgrind, or the baseline is another
# compiler's, so the figures say nothing.
set -u

cd "$(dirname "$0")/.." || exit 1
cc=${CC:-gcc}
make=${MAKE:-make}
build=${B:-build/release}
baseline=${COUNT_BASELINE:-tests/count/baseline.txt}
again="make count ACCEPT=yes"

command -v valgrind >/dev/null || {
	echo "count: skipped, there is no valgrind (apt-get install valgrind)" >&2
	exit 77
}
[ "$(uname -m)" = x86_64 ] || {
	echo "count: skipped, the baseline is of x86_64" >&2
	exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# build TARGET: with the flags of the release variant and no others.
build()
{
	$make -s -j"${JOBS:-$(nproc)}" V=release B="$build" CC="$cc" CI= CPPFLAGS= CFLAGS= LDFLAGS= \
		"$build/$1"
}

# count_with PROGRAM >FILE: "operation instructions-per-operation", a line each.
count_with()
{
	local pid name times total fixed=()

	rm -rf "$tmp/out"
	mkdir "$tmp/out"
	# Not permitted in some containers; valgrind then places things by itself, the same each time.
	setarch -R true 2>/dev/null && fixed=(setarch -R)
	# shellcheck disable=SC2086
	env -i LD_BIND_NOW=1 GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-BMI2,-ERMS,-FSRM "${fixed[@]}" "$(command -v valgrind)" --tool=callgrind \
		--callgrind-out-file="$tmp/out/of.%p" \
		--zero-before=count_measured --dump-after=count_measured \
		--toggle-collect=count_measured --toggle-collect='count_bulk_*' \
		--toggle-collect=safe_copy_run \
		"$1" ${COUNT_OPS:-} >"$tmp/list" 2>"$tmp/log" || {
		grep -v '^==.*== *$' "$tmp/log" | tail -n 30 >&2
		echo "count: the run failed" >&2
		return 1
	}
	while read -r pid name times; do
		total=$(sed -n 's/^summary: //p' "$tmp/out/of.$pid.1")
		[ "${total:-0}" -gt 0 ] || {
			echo "count: nothing was counted for $name" >&2
			return 1
		}
		awk -v n="$name" -v t="$total" -v k="$times" 'BEGIN { printf "%s %.2f\n", n, t / k }'
	done <"$tmp/list"
}

# What the figures depend on. `compiler` decides whether two tables may be compared at all.
describe()
{
	printf '# compiler: %s\n' "$($cc --version | head -n 1)"
	printf '# flags: %s\n' "$($make -s V=release CI= CPPFLAGS= CFLAGS= LDFLAGS= count-flags)"
	printf '# with: glibc %s, %s, liburcu %s\n' "$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)" \
		"$(valgrind --version)" "$(pkg-config --modversion liburcu-memb 2>/dev/null || echo '?')"
}

# head_of KEY FILE: what FILE's head says of KEY.
head_of()
{
	sed -n "s/^# $1: //p" "$2"
}

# table OLD NEW: prints; exit 1 if NEW is over, or the operations are not the same.
table()
{
	awk -v some="${COUNT_OPS:-}" '
		BEGIN { printf "%-24s %12s %12s %10s\n", "instructions of", "baseline", "now", "change" }
		/^#/ { next }
		FILENAME == ARGV[1] { old[$1] = $2; next }
		{ seen[$1] }
		!($1 in old) {
			printf "%-24s %12s %12.2f %10s\n", $1, "-", $2, "NEW"
			bad = 1
			next
		}
		{
			change = 100 * ($2 - old[$1]) / old[$1]
			over = $2 > old[$1] * 1.01
			less += $2 < old[$1] * 0.99
			printf "%-24s %12.2f %12.2f %+8.2f %%%s\n", $1, old[$1], $2, change,
				over ? "  OVER" : ""
			bad += over
		}
		END {
			for (name in old)
				if (!(name in seen) && some == "") {
					printf "%-24s %12.2f %12s %10s\n", name, old[name], "-", "GONE"
					bad = 1
				}
			if (less && !bad)
				print "count: " less " took over 1 % less: worth accepting as the baseline"
			exit bad ? 1 : 0
		}' "$1" "$2"
}

# The calls of the host and the mappings left, per operation: what ci/gate.sh accepts.
accept_host()
{
	build count-host && {
		echo "# Calls of the host, and mappings left in it, per operation: make count ACCEPT=yes."
		"$build/count-host"
	} >"$tmp/host" && cp "$tmp/host" tests/count/host.txt && echo "count: accepted as tests/count/host.txt"
}

# report PROGRAM ACCEPT: count, compare, perhaps accept.
report()
{
	local rc=0

	describe >"$tmp/now" && count_with "$1" >>"$tmp/now" || return 1
	touch "$tmp/none"
	table "$([ -f "$baseline" ] && echo "$baseline" || echo "$tmp/none")" "$tmp/now" || rc=1
	if [ "$2" = yes ]; then
		{
			echo "# Instructions per operation: make count. To accept others: $again."
			cat "$tmp/now"
		} >"$baseline"
		echo "count: accepted as $baseline"
		[ -n "${COUNT_BASELINE:-}" ] || accept_host
		return
	fi
	[ -f "$baseline" ] || {
		echo "count: there is no baseline; to make one: $again"
		return 1
	}
	if [ "$(head_of compiler "$baseline")" != "$(head_of compiler "$tmp/now")" ]; then
		echo "count: SKIP, no verdict: the baseline is of $(head_of compiler "$baseline")," \
			"this is $(head_of compiler "$tmp/now"); to take this one: $again"
		return 77
	fi
	for key in flags with; do
		[ "$(head_of $key "$baseline")" = "$(head_of $key "$tmp/now")" ] ||
			echo "count: '$key' differs: was $(head_of $key "$baseline")," \
				"is $(head_of $key "$tmp/now")"
	done
	[ $rc -eq 0 ] ||
		echo "count: over 1 % more, or another set of operations; if that is meant: $again"
	return $rc
}

# ---- --test ----

number=0 failed=0
# ok NAME COMMAND...: one TAP line; the command's output if it failed.
ok()
{
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$tmp/said" 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/  /' "$tmp/said"
		failed=1
	fi
}

# says WANTED-RC TEXT: the last report, in $tmp/report and $rc.
says()
{
	cat "$tmp/report"
	[ "$rc" -eq "$1" ] && grep -qE "$2" "$tmp/report"
}

try()
{
	rc=0
	(report "$@") >"$tmp/report" 2>&1 || rc=$?
}

# A baseline of this machine and run, so that the tests judge count.sh and not the engine.
self_test()
{
	local committed=$baseline

	echo "1..7"
	build count-planted || exit 1
	COUNT_OPS=
	baseline=$tmp/baseline
	try "$build/count" yes
	ok "a baseline is accepted" says 0 'accepted as'
	ok "it has every operation that is committed" diff \
		<(grep -v '^#' "$committed" | cut -d' ' -f1) <(grep -v '^#' "$baseline" | cut -d' ' -f1)
	(count_with "$build/count") >"$tmp/second" 2>&1
	ok "a second run agrees to the digit" diff <(grep -v '^#' "$baseline") "$tmp/second"
	COUNT_OPS="fault_anon_fresh fault_again"
	try "$build/count-planted" no
	ok "a planted change is found" says 1 '^fault_anon_fresh .* OVER$'
	ok "and in its own operation only" says 1 '^fault_again .* \+0\.00 %$'
	COUNT_OPS=loop_alone
	sed -i 's/^# compiler: .*/& (another)/' "$baseline"
	try "$build/count" no
	ok "another compiler's baseline gives no verdict" says 77 'SKIP, no verdict'
	sed -i '/^loop_alone/d' "$baseline"
	sed -i 's/ (another)$//' "$baseline"
	try "$build/count" no
	ok "an operation without a baseline is no pass" says 1 '^loop_alone .* NEW$'
	exit $failed
}

build count || exit 1
case ${1:-} in
--accept) report "${COUNT_PROGRAM:-$build/count}" yes ;;
--test) self_test ;;
'') report "${COUNT_PROGRAM:-$build/count}" no ;;
*) echo "usage: ci/count.sh [--accept | --test]" >&2 && exit 2 ;;
esac
