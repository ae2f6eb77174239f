#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - runs test programs, each within a time limit, and counts.
#
#   tests/run.sh [--label L] [--limit SECONDS] [--tally FILE] [--jobs N] COMMAND...
#   tests/run.sh --total FILE
#
# A COMMAND is a program, or a line for bash. What it prints decides, read as TAP:
#   ok N - name            passed
#   ok N # SKIP why        skipped (cmocka 1.1 says "not ok N # SKIP": the same)
#   not ok N - name        failed
#   1..N                   the plan: tests that were announced and never reported have failed
# A command that prints no such line is one test by its exit code: 0 passed, 77 skipped, else
# failed. Whatever it printed, a time-out, a signal or an exit code that no line accounts for
# is one more failure. cmocka programs are asked for TAP through their environment.
#
# The last line is the count. The exit code is 1 if anything failed or nothing ran. --tally adds
# the counts, and what each command took, to FILE; --total prints the slowest of such a FILE, and
# their sum as the last line. --jobs runs so many commands at once; what they say stands together,
# in the order of the commands.
set -u

label=test limit=${TEST_LIMIT:-120} tally='' total='' jobs=1
while [ $# -gt 0 ]; do
	case $1 in
	--label) label=$2; shift 2 ;;
	--limit) limit=$2; shift 2 ;;
	--tally) tally=$2; shift 2 ;;
	--total) total=$2; shift 2 ;;
	--jobs) jobs=$2; shift 2 ;;
	*) break ;;
	esac
done

passed=0 failed=0 skipped=0

# Prints the count as the last line and ends the script.
finish()
{
	local line="$passed passed, $failed failed"

	[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
	[ -z "$tally" ] || echo "$passed $failed $skipped" >>"$tally"
	printf '%s\n' "$line"
	[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
	exit
}

if [ -n "$total" ]; then
	echo "the slowest, in seconds:"
	sed -n 's/^took //p' "$total" | sort -rn | head -n 10 | sed 's/^/    /'
	while read -r p f s; do
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	done < <(grep -v '^took ' "$total")
	finish
fi

cd "$(dirname "$0")/.." || exit 1
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0:allow_user_segv_handler=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
# A window's fault is synchronous: the thread was at a load or store of window memory, so it was not
# inside malloc, which the handler may then call (report_signal_unsafe). A hung worker is left
# behind on purpose (report_thread_leaks).
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:report_signal_unsafe=0:report_thread_leaks=0:suppressions=$PWD/tests/tsan.supp}

# Reads a log; prints "passed failed skipped planned" (planned: 0 when there is no plan).
count()
{
	awk '
		/^1\.\.[0-9]+$/ { planned += substr($0, 4) }
		/^(not )?ok [0-9]+ *(- .*)?# SKIP/ { skipped++; next }
		/^ok [0-9]/ { passed++; next }
		/^not ok [0-9]/ { failed++; next }
		END { print passed + 0, failed + 0, skipped + 0, planned + 0 }' "$1"
}

# What went wrong in a command, besides tests that said so themselves; empty if nothing.
verdict() # exit-code tests-failed tests-seen tests-planned
{
	local rc=$1 tests_failed=$2 seen=$3 planned=$4

	if [ "$rc" -eq 124 ]; then
		echo "TIMED OUT after $limit s"
	elif [ "$rc" -gt 128 ]; then
		echo "KILLED by signal $((rc - 128))"
	elif [ "$planned" -gt "$seen" ]; then
		echo "ENDED EARLY, $((planned - seen)) of $planned tests not reported"
	elif [ "$rc" -ne 0 ] && [ "$tests_failed" -eq 0 ]; then
		echo "FAILED with exit code $rc"
	fi
}

# Runs a command; its output is in $logs/NUMBER, and its exit code and seconds in NUMBER.end.
run() # number command
{
	local start=$SECONDS rc

	# The braces keep bash's own "Killed" out of the output. Bash has what runs in the background
	# ignore SIGINT; tests are not to see that.
	{ env --default-signal=INT,QUIT timeout --kill-after=5 "$limit" bash -c "$2" >"$logs/$1" 2>&1 </dev/null; } 2>/dev/null
	rc=$?
	# timeout(1) itself says 124, or 137 when it had to kill; so does a command killed early.
	[ $rc -ne 137 ] || [ $((SECONDS - start)) -lt "$limit" ] || rc=124
	echo "$rc $((SECONDS - start))" >"$logs/$1.new"
	mv "$logs/$1.new" "$logs/$1.end"
}

# Says what a command came to, and counts it.
report() # number command
{
	local log=$logs/$1 name rc took p f s planned seen why missing

	name=$(basename "${2%% *}")
	[ "$2" = "${2%% *}" ] || name=$2
	read -r rc took <"$log.end"
	read -r p f s planned <<<"$(count "$log")"
	seen=$((p + f + s))
	if [ "$seen" -eq 0 ] && [ "$planned" -eq 0 ]; then
		case $rc in
		0) p=1 ;;
		77) s=1 ;;
		*) f=1 ;;
		esac
		why=
		[ "$f" -eq 0 ] || why=$(verdict "$rc" 0 0 0)
	else
		why=$(verdict "$rc" "$f" "$seen" "$planned")
		missing=$((planned > seen ? planned - seen : 0))
		[ -z "$why" ] || f=$((f + (missing > 0 ? missing : 1)))
	fi
	printf '%-8s %-28s %4d ok' "$label" "${name%_test}" "$p"
	[ "$f" -eq 0 ] || printf ', %d FAILED' "$f"
	[ "$s" -eq 0 ] || printf ', %d skipped' "$s"
	printf ' (%d s)%s\n' "$took" "${why:+: $why}"
	if [ "$f" -gt 0 ]; then
		grep -v '^ok ' "$log" | tail -n "${TEST_LINES:-60}" | sed 's/^/    /'
	elif [ "$s" -gt 0 ]; then
		grep -E '^(not )?ok [0-9]+ *(- .*)?# SKIP|SKIP' "$log" | sed 's/^/    /'
	fi
	[ -z "$tally" ] || printf 'took %4d %-8s %s\n' "$took" "$label" "${name%_test}" >>"$tally"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

commands=("$@")
started=0
for ((reported = 0; reported < ${#commands[@]};)); do
	while [ $started -lt ${#commands[@]} ] && [ "$(jobs -rp | wc -l)" -lt "$jobs" ]; do
		run $started "${commands[started]}" &
		started=$((started + 1))
	done
	if [ -e "$logs/$reported.end" ]; then
		report $reported "${commands[reported]}"
		reported=$((reported + 1))
	else
		wait -n
	fi
done
finish
