#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# abi.sh - translator.h alone, as a stranger's plug-in includes it: C99, C11, C++; nothing else of
# faultline is to be found by the compiler.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

mkdir "$tmp/include"
cp translators/translator.h "$tmp/include"
cat >"$tmp/alone.c" <<'END'
#include "translator.h"
typedef int translator_h_compiles_alone;
END
# What a plug-in's author writes first: no function at all, and a use of each macro.
cat >"$tmp/plugin.c" <<'END'
#include "translator.h"
#include "translator.h"
#ifdef __cplusplus
extern "C"
#endif
const struct translator faultline_translator = { TRANSLATOR_MAGIC, TRANSLATOR_ABI_MAJOR,
	TRANSLATOR_ABI_MINOR, sizeof(struct translator), 0, "mine", "1", "nothing yet" };
int probe(const struct translator *t, int rc);
int probe(const struct translator *t, int rc)
{
	struct translator_stat stat;

	stat.live_pages = TRANSLATOR_UNKNOWN;
	return TRANSLATOR_HAS(t, batch) && TRANSLATOR_IS_BUS_ERROR(rc) &&
	       rc != TRANSLATOR_BUS_ERROR(6) && stat.live_pages != 0 &&
	       (t->capabilities & TRANSLATOR_CAN_SELF_CHECK) != 0;
}
END

# compiles COMPILER LANGUAGE STANDARD FILE [FLAG...]
compiles()
{
	local compiler=$1 language=$2 standard=$3 file=$4

	shift 4
	"$compiler" -x "$language" "-std=$standard" -pedantic-errors -Wall -Wextra -Werror "$@" \
		-I"$tmp/include" -fsyntax-only "$tmp/$file"
}

for compiler in gcc clang-14; do
	if ! command -v "$compiler" >/dev/null; then
		skip "$compiler" "not on this machine"
		continue
	fi
	# A table without functions is meant.
	for standard in c99 c11; do
		check "$compiler, $standard: the header alone" compiles "$compiler" c $standard alone.c
		check "$compiler, $standard: a plug-in" compiles "$compiler" c $standard plugin.c \
			-Wno-missing-field-initializers
	done
	for standard in c++11 c++17; do
		check "$compiler, $standard: the header alone" compiles "$compiler" c++ $standard alone.c
		check "$compiler, $standard: a plug-in" compiles "$compiler" c++ $standard plugin.c \
			-Wno-missing-field-initializers
	done
done

# The same table whichever language asks: sizes are part of the ABI and never change in major 1.
cat >"$tmp/sizes.c" <<'END'
#include <stdio.h>
#include "translator.h"
int main(void)
{
	printf("%u %u %u %u %u %u\n", (unsigned)sizeof(struct translator_translation),
	       (unsigned)sizeof(struct translator_object_options),
	       (unsigned)sizeof(struct translator_map_options),
	       (unsigned)sizeof(struct translator_stat), (unsigned)sizeof(struct translator_batch),
	       (unsigned)offsetof(struct translator, open));
	return 0;
}
END
want="40 48 72 128 104 48"
for language in "gcc -std=c99" "g++ -std=c++11 -x c++"; do
	# shellcheck disable=SC2086
	$language -I"$tmp/include" "$tmp/sizes.c" -o "$tmp/sizes" && out=$("$tmp/sizes")
	check "sizes with $language" [ "$out" = "$want" ]
done
done_testing
