#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh - what a reader would object to. Each check is one TAP line; what is wrong stands under
# it. The exit code is 1 if any check failed. A checker that is not installed is a skip.
#
#   ci/lint.sh            every check
#   ci/lint.sh NAME...    only these
#
# The checks are called by name, out of a list, which shellcheck cannot follow (SC2317); what is
# quoted singly is for another program to expand (SC2016).
# shellcheck disable=SC2317,SC2016
set -u

cd "$(dirname "$0")/.." || exit 1
CLANG=${CLANG:-clang-14}
FORMAT=${FORMAT:-clang-format-14}
TIDY=${TIDY:-clang-tidy-14}
JOBS=${JOBS:-$(nproc)}

flags=(-D_GNU_SOURCE -I. -Itranslators -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wvla
	-Wstrict-prototypes -Wmissing-prototypes -Werror)
export CLANG

mapfile -t files < <(git ls-files -co --exclude-standard | while read -r f; do
	[ -f "$f" ] && echo "$f"
done)

# The project's files whose name matches an extended regular expression.
matching()
{
	printf '%s\n' "${files[@]}" | grep -E "$1" || true
}

sources=$(matching '^(engine|harness|workloads|translators|tests/(unit|fuzz|oracle|stress|audit|count|gate))/.*\.c$')
headers=$(matching '^(engine|harness|workloads|translators|tests/(oracle|audit|count))/.*\.h$')

# What makes a file of workloads/ a workload; the others there serve several of them.
defines_workload='^const struct workload workload_'

# Each check prints what is wrong, nothing when all is well; 77 = cannot be done here.

check_format()
{
	command -v "$FORMAT" >/dev/null || return 77
	{
		echo "$sources $headers"
		matching '^tests/order/.*\.c$|^harness/.*\.cc$'
	} | xargs -r -P "$JOBS" -n 20 "$FORMAT" --dry-run -Werror 2>&1 |
		sed -n 's/:[0-9]*:[0-9]*: error: .*/: make format changes it/p' | sort -u
}

check_length()
{
	local f n max

	for f in $sources $headers; do
		n=$(wc -l <"$f")
		case $f in
		translators/translator.h) max=370 ;; # it is the manual of the ABI as well
		*.h) max=250 ;;
		workloads/*.c) grep -q "$defines_workload" "$f" && max=80 || max=700 ;;
		*) max=700 ;;
		esac
		[ "$n" -le "$max" ] || echo "$f: $n lines, at most $max"
		expand -t 8 "$f" | awk -v f="$f" 'length > 100 { print f ":" NR ": over 100 columns" }'
	done
}

# Each file says its licence and, at its head, what it is for.
check_head()
{
	local f

	for f in $sources $headers; do
		head -n 1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
			echo "$f: the first line is not the SPDX line"
		sed -n 2p "$f" | grep -q '^/\*' || echo "$f: no comment at its head"
	done
	for f in $(matching '\.sh$|^\.ci/run$|^Makefile$'); do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
			echo "$f: no SPDX line"
	done
}

# A .c that has a header of its own includes it before any other.
check_own_header()
{
	local f own

	for f in $sources; do
		own=${f%.c}.h
		[ -f "$own" ] || continue
		grep -m 1 '^#include' "$f" | grep -qF "\"$own\"" || echo "$f: first includes not $own"
	done
}

check_header_alone()
{
	local cc

	for cc in gcc "$CLANG"; do
		command -v "$cc" >/dev/null || continue
		echo "$headers" | xargs -r -P "$JOBS" -I{} sh -c 'header=$1 && shift &&
			printf "#include \"%s\"\nextern int none;\n" "$header" |
				"$@" -fsyntax-only -x c - 2>&1 | sed "s,^,$1: ,"' sh {} "$cc" "${flags[@]}"
	done
}

# The second compiler takes every source, without a warning.
check_clang()
{
	command -v "$CLANG" >/dev/null || return 77
	echo "$sources" | xargs -r -P "$JOBS" -n 8 "$CLANG" "${flags[@]}" -DLOCK_CHECK=1 \
		-DMM_TEST_POINTS=1 -fsyntax-only 2>&1
}

# Files and lists agree: whoever adds a workload and forgets the list hears of it.
check_list()
{
	[ -f workloads/list.c ] || return 77
	diff <(grep -l "$defines_workload" workloads/*.c | sed 's,.*/,,; s,\.c$,,' | LC_ALL=C sort) \
		<(sed -n 's/^\tX(\([a-z0-9_]*\)).*/\1/p; s/^\t&workload_\([a-z0-9_]*\),.*/\1/p' \
			workloads/list.c) |
		sed -n 's/^</workloads\/list.c lacks, or has out of order:/p
			s/^>/workloads\/ lacks, or the list is not sorted:/p'
}

# Folders know only what they may (ARCHITECTURE.md).
check_includes()
{
	grep -nE '^#include "(harness|translators|workloads|tests)/' engine/*.[ch] 2>/dev/null
	grep -nE '^#include "(harness|engine)/' workloads/*.[ch] 2>/dev/null
	grep -nE '^#include "(harness|workloads)/' translators/*.[ch] 2>/dev/null
	grep -nE '^#include "engine/' harness/*.[ch] 2>/dev/null |
		grep -vE '^harness/micro_|"engine/(mm|error)\.h"'
	# Only harness/ prints or exits.
	grep -nE '(^|[^_a-z])(printf|puts|perror|exit|getenv)\(' \
		engine/*.[ch] workloads/*.[ch] translators/*.[ch] 2>/dev/null
}

# The workload that README shows is one.
check_readme()
{
	sed -n '/^```c$/,/^```$/{ /^```/!p }' README.md >build/readme.c
	[ "$(wc -l <build/readme.c)" -le 40 ] || echo "README.md: the workload is over 40 lines"
	gcc "${flags[@]}" -fsyntax-only build/readme.c 2>&1
	command -v "$FORMAT" >/dev/null || return 0
	"$FORMAT" --dry-run -Werror build/readme.c 2>&1
}

# How often it may be used at all, ci/order.sh says.
check_no_tsa()
{
	# On bodies only; a declaration is the contract that callers are held to.
	grep -nE 'NO_TSA;' engine/*.[ch] harness/*.[ch] translators/*.[ch] 2>/dev/null
	# Why it is so stands above it, beside it, or for a whole file at its head, naming NO_TSA.
	awk 'FNR == 1 { comment = -99; whole = 0 }
		FNR < 30 && /^ \*.*NO_TSA/ { whole = 1 }
		/\*\// { comment = FNR }
		/NO_TSA/ && !/#define/ && !whole && FNR - comment > 4 {
			print FILENAME ":" FNR ": NO_TSA without a reason"
		}' engine/*.[ch] harness/*.[ch] translators/*.[ch] 2>/dev/null
}

# Words that mean unfinished work, and paths of somebody's machine.
check_words()
{
	matching '^(engine|harness|workloads|translators|tests|plots|ci|\.ci)/|^Makefile$|\.md$' |
		grep -vE '^ci/lint\.sh$|/(corpus|golden)/' |
		xargs -r grep -nwE 'TODO|FIXME|XXX|HACK|WIP|not implemented' 2>/dev/null
	matching '.' | grep -vE '^ci/lint\.sh$|^LICENSE$' |
		xargs -r grep -nIE '(^|[^a-z.$])/(work|home|root|Users)/' 2>/dev/null
}

check_shell()
{
	command -v shellcheck >/dev/null || return 77
	matching '\.sh$|^\.ci/run$' | xargs -r shellcheck
}

# The snippets for other people's CI: their form, and that what they call is there.
check_snippets()
{
	command -v yamllint >/dev/null || return 77
	yamllint --strict -d '{extends: default, rules: {line-length: {max: 100}}}' ci/snippets/*.yml ||
		return 1
	grep -ho 'ci/[a-z_]*\.sh' ci/snippets/*.yml | sort -u | while read -r script; do
		[ -x "$script" ] || { echo "ci/snippets: $script is not there"; exit 1; }
	done
}

# arrayIndexThenCheck: lists and strings here end with a sentinel, which is looked at first.
# autoVariables in hlog.c: the stream that is lent the variable is not used after it.
check_cppcheck()
{
	command -v cppcheck >/dev/null || return 77
	[ build/lint/.kept -nt ci/cppcheck.cfg ] ||
		rm -f build/lint/*.a? build/lint/files.txt
	touch build/lint/.kept
	cppcheck --quiet --cppcheck-build-dir=build/lint --std=c11 --enable=warning,portability -j "$JOBS" -I. -D_GNU_SOURCE \
		-D__x86_64__ -D__cppcheck__ --inline-suppr --suppress=missingIncludeSystem --suppress=arrayIndexThenCheck \
		--suppress=autoVariables:harness/hlog.c \
		--library=ci/cppcheck.cfg engine workloads translators harness 2>&1
}

# Looks again only at sources that changed since they were found clean, or whose headers may have.
check_tidy()
{
	local f stamp todo=() newest

	command -v "$TIDY" >/dev/null || return 77
	# shellcheck disable=SC2012,SC2086
	newest=$(ls -t $headers .clang-tidy | head -n 1)
	for f in $(echo "$sources" | grep -v '^tests/'); do
		stamp=build/lint/${f//\//_}
		[ "$stamp" -nt "$f" ] && [ "$stamp" -nt "$newest" ] || todo+=("$f")
	done
	printf '%s\n' "${todo[@]}" | xargs -r -P "$JOBS" -n 1 sh -c \
		'"$0" --quiet "$1" -- -D_GNU_SOURCE -I. -Itranslators -std=c11 2>/dev/null &&
			touch "build/lint/$(echo "$1" | tr / _)"' "$TIDY" | sed "s,^$PWD/,,"
}

mkdir -p build/lint
all=(head length own_header includes list words no_tsa readme shell snippets format header_alone clang cppcheck
	tidy)
[ $# -eq 0 ] || all=("$@")
echo "1..${#all[@]}"
number=0 failed=0
for name in "${all[@]}"; do
	number=$((number + 1))
	rc=0
	out=$("check_$name") || rc=$?
	if [ -n "$out" ]; then
		failed=1
		echo "not ok $number - $name"
		printf '%s\n' "$out" | head -n 40 | sed 's/^/  /'
	elif [ $rc -eq 77 ]; then
		echo "ok $number - $name # SKIP not on this machine"
	else
		echo "ok $number - $name"
	fi
done
exit $failed
