#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# new.sh - the start of a plug-in: it builds by the command that is printed, conforms, runs, and
# nothing of anybody's is overwritten.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
cd "$tmp" || exit 1

# built: the printed command builds, without a word.
built()
{
	local command

	command=$(sed -n 's/^build: //p' <<<"$out")
	[ -n "$command" ] && [ -z "$(bash -c "$command -Werror" 2>&1)" ]
}

run new translator mine
expect "a skeleton" 0 '^build: cc .* -o \./mine\.so \./mine\.c$'
check "named throughout" grep -q '"mine"' mine.c
check "no other name is left" bash -c '! grep -i skeleton mine.c'
check "the header is the one of this program" cmp translator.h "$OLDPWD/translators/translator.h"
check "built by the command that is printed" built
run check ./mine.so --quick
expect "conforms in its null form" 0 'mine.*conforms'
run run fault-anon --translator ./mine.so --unchecked --duration 10ms --repeat 2 --progress none
expect "runs" 0 'fault-anon'

echo mine >mine.c
run new translator mine
expect "a file that is there is left" 7 'mine\.c: is there already'
check "and is as it was" [ "$(cat mine.c)" = mine ]
run new translator other
expect "another beside it shares the header" 0
check "which builds, too" built

run new translator third --dir "a b's"
expect "a directory of its own, made" 0
check "whose name the command quotes" built
check "the library is there" [ -e "a b's/third.so" ]
echo x >>"a b's/translator.h"
run new translator fourth --dir "a b's"
expect "another header is left" 7 'translator\.h: is there already'
check "and nothing is written beside it" [ ! -e "a b's/fourth.c" ]
run new translator fifth --dir mine.c
expect "a file for a directory" 7

run new translator sixth --json
check "as JSON" is_json "$out" 'j["files"] == ["./sixth.c", "./translator.h"] and "sixth.so" in j["build"]'

for name in '' Mine 1st -x a/b ../up 'a b' ümlaut memmap "$(printf 'a%.0s' {1..41})"; do
	run new translator -- "$name"
	expect "the name \"$name\" is refused" 2
done
run new translatr mine
expect "another kind" 2 'did you mean translator'
run new
expect "no kind" 2 'are needed'
run new translator a b
expect "two names" 2 'are needed'
check "nothing came of these" [ "$(find . -name '*.c' | wc -l)" -eq 4 ]

# The skeleton in each language that it may be continued in.
cp "$OLDPWD/translators/skeleton/skeleton.c" .
for compiler in gcc clang-14; do
	if ! command -v "$compiler" >/dev/null; then
		skip "the skeleton with $compiler" "not on this machine"
		continue
	fi
	for standard in c99 c11; do
		check "the skeleton is $standard ($compiler)" "$compiler" -std=$standard \
			-pedantic-errors -Wall -Wextra -Werror -fsyntax-only skeleton.c
	done
	for standard in c++11 c++17; do
		check "the skeleton is $standard ($compiler)" "$compiler" -x c++ -std=$standard \
			-pedantic-errors -Wall -Wextra -Werror -fsyntax-only skeleton.c
	done
done
done_testing
