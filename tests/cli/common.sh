# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# common.sh - what the tests of the program's outside share; each of them sources it.
#
#   run ARGUMENT...            runs faultline: $code, and its output in $out and $err
#   expect NAME CODE [TEXT]    one test: the exit code was CODE, and TEXT (an extended regular
#                              expression) is found in what was printed
#   check NAME COMMAND...      one test: the command succeeds
#   skip NAME WHY              one test that cannot be done here
#   watched SIDE               makes $tmp/SIDE, this program, which adds a line for each `run` of it to
#                              $tmp/ran: SIDE, the CPUs that it might use, when it began and ended
#   run_clean ARG...           as run, of a comparison: again, up to five times, where noise has kept a
#                              verdict from being drawn; each has its own --out, $clean
#   done_testing               the plan
#
# Every test prints one TAP line. $tmp is a directory of the test's own.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
faultline=${FAULTLINE:-$PWD/faultline}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset "${!FAULTLINE_@}"
number=0 code=0 out='' err=''

# The cheapest thing that is a whole run.
# shellcheck disable=SC2034
quick=(run fault-anon --translator null --duration 10ms --repeat 2 --progress none)

run()
{
	out=$("$faultline" "$@" 2>"$tmp/stderr")
	code=$?
	err=$(cat "$tmp/stderr")
}

report()
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		printf '%s\n' "$out" "$err" "code $code" | head -40 | sed 's/^/# /'
	fi
}

expect()
{
	local fine=0

	[ "$code" -eq "$2" ] || fine=1
	[ $# -lt 3 ] || grep -Eq -- "$3" <<<"$out"$'\n'"$err" || fine=1
	report $fine "$1"
}

check()
{
	local name=$1

	shift
	"$@" >"$tmp/check" 2>&1
	report $? "$name"
}

skip()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

watched()
{
	cat >"$tmp/$1" <<END
#!$BASH
[ "\$1" = run ] && [ "\$2" != --help ] || exec "$faultline" "\$@"
begin=\$EPOCHREALTIME
"$faultline" "\$@"
code=\$?
while IFS=\$' \t' read -r key cpus; do
	[ "\$key" != Cpus_allowed_list: ] || echo "$1 \$cpus \${begin/./} \${EPOCHREALTIME/./}" >>"$tmp/ran"
done </proc/self/status
exit \$code
END
	chmod +x "$tmp/$1"
}

run_clean()
{
	for _ in 1 2 3 4 5; do
		clean=$(mktemp -d "$tmp/clean.XXXXXX")
		run "$@" --out "$clean"
		grep -q 'the machine was too noisy' <<<"$out" || return 0
	done
}

done_testing()
{
	echo "1..$number"
}

# is_json_file FILE [EXPRESSION]: FILE is JSON, and the Python expression on it, called j, is true.
is_json_file()
{
	python3 -c 'import json, sys
j = json.load(open(sys.argv[1]), parse_constant=lambda c: sys.exit("not JSON: " + c))
sys.exit(0 if eval(sys.argv[2]) else "false: " + sys.argv[2])' "$1" "${2:-True}"
}

# is_json TEXT [EXPRESSION]; a text may be longer than an argument.
is_json()
{
	is_json_file <(printf '%s\n' "$1") "${2:-True}"
}
