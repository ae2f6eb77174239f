#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# plugins.sh - plug-ins that cannot be loaded, crash, hang or are wrong: each is refused or reported,
# and the run goes on with the others.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

plugins=${PLUGINS:-$PWD/build/release/tests/plugins}
export XDG_CACHE_HOME=$tmp/cache
# Beside the null translator, which is always to come through.
beside=(run fault-anon --duration 10ms --repeat 2 --progress none --translator null)

# refused NAME TEXT FILE: exit 2 before anything is measured.
refused()
{
	run "${beside[@]}" --translator "$3" --unchecked --out "$tmp/refused"
	expect "$1" 2 "$2"
	check "$1: nothing is kept" [ ! -e "$tmp/refused" ]
}

# fails NAME TEXT PLUGIN: exit 6, and null has all of its repetitions.
fails()
{
	run "${beside[@]}" --translator "$plugins/$3.so" --unchecked --seed 77 --out "$tmp/$3"
	expect "$1" 6 "$2"
	check "$1: the others are measured" is_json_file "$tmp/$3/result.json" \
		'[b["repeats"] for b in j["benchmarks"] if b["translator"] in (None, "null")] == [2, 2] and not j["run"]["interrupted"]'
}

# tells NAME PLUGIN EXPRESSION: on its benchmark's failure, called f.
tells()
{
	check "$1" is_json_file "$tmp/$2/result.json" \
		"(lambda f: $3)([b[\"failure\"] for b in j[\"benchmarks\"] if b[\"failure\"]][0])"
}

refused "a name without a path" './mine.so' mine.so
refused "no such file" 'No such file' ./none.so
refused "a directory" 'not a regular file' ./tests
echo 'not a library, and longer than the header of one would have to be, by some words' >"$tmp/text.so"
refused "not an ELF file" 'shared library \(cc -shared' "$tmp/text.so"
head -c 30 "$plugins/good.so" >"$tmp/short.so"
refused "an ELF file that is cut off in its header" 'cut off' "$tmp/short.so"
head -c 3000 "$plugins/good.so" >"$tmp/short.so"
refused "one that is cut off later" 'cut off; build it again' "$tmp/short.so"
refused "a program" 'cannot be loaded|-shared' "$faultline"
refused "no symbol" 'exports no faultline_translator' "$plugins/no_symbol.so"
refused "a wrong magic number" 'TRANSLATOR_MAGIC' "$plugins/magic.so"
refused "another major version" "ABI 2\.[0-9]+, and this is faultline's ABI 1" "$plugins/major.so"
refused "a short table" 'claims TRANSLATOR_CAN_SPACES, but its table has no fault' "$plugins/short_table.so"
refused "a null function" 'claims TRANSLATOR_CAN_DISCARD.* no discard' "$plugins/null_function.so"
refused "an unknown key" 'nokey' "$plugins/good.so:nokey=1"

mkdir -m 755 "$tmp/place"
cp "$plugins/good.so" "$tmp/place/mine.so"
chmod 777 "$tmp/place/mine.so"
refused "a world-writable file" 'world-writable.*--allow-writable' "$tmp/place/mine.so"
chmod 755 "$tmp/place/mine.so"
chmod 777 "$tmp/place"
refused "a world-writable directory" 'directory .*/place is world-writable' "$tmp/place/mine.so"
run check "$tmp/place/mine.so" --quick
expect "check refuses it as well" 2 'world-writable'
run "${beside[@]}" --translator "$tmp/place/mine.so" --unchecked --allow-writable --out "$tmp/allowed"
expect "--allow-writable" 0 'report.html'
chmod 1777 "$tmp/place"
run "${beside[@]}" --translator "$tmp/place/mine.so" --unchecked --out "$tmp/sticky"
expect "a sticky directory" 0 'report.html'

run "${beside[@]}" --translator "$plugins/older.so" --unchecked --out "$tmp/older"
expect "the table of an older minor" 0 'report.html'
check "unchecked is not verified" is_json_file "$tmp/older/result.json" \
	'all("not_verified" in b["flags"] for b in j["benchmarks"] if "older" in (b["translator"] or ""))'
run run invalidate-storm --translator "$plugins/older.so" --threads 2 --dry-run
expect "what it lacks is skipped with the reason" 4 'invalidate-storm: the translator lacks: objects'

fails "a crash" 'died of SIGSEGV, at address 0x10 in thread "faulter 0" \(during: running\); --seed 77' crashes
tells "a crash has its signal, phase and stack" crashes \
	'f["signal"] == "SIGSEGV" and f["phase"] == "running" and any("crashes.so" in l for l in f["trace"])'
fails "exit" 'ended with exit code 3, exit was called in thread' exits
tells "exit: the stack of the call" exits 'any("exits.so" in l for l in f["trace"]) and f["signal"] is None'
fails "a longjmp out" 'during: running' longjmps
fails "a corrupted heap" 'died of SIGABRT' heap
fails "killed" 'was killed by SIGKILL' killed
fails "a thread that outlives close" '1 thread of the translator outlived close' threads
fails "garbage on its socket" 'garbled' garbles
fails "a closed socket" 'closed its socket' closes
fails "a crash in open" 'died of SIGSEGV.*opening the engine' open_crashes

for plugin in load_crashes load_exits; do
	run "${beside[@]}" --translator "$plugins/$plugin.so" --unchecked --out "$tmp/$plugin"
	expect "$plugin" 6 'during: loading'
	check "$plugin: the others are measured" is_json_file "$tmp/$plugin/result.json" \
		'all(b["repeats"] == 2 for b in j["benchmarks"]) and j["skipped"][0]["reason"]'
done
# Past the time box of 10 s and a little.
fails "a hang" 'hangs \(during: running\)' hangs
tells "a hang: where its threads were" hangs 'any("hangs.so" in l for l in f["trace"])'
check "a hang is time_boxed" is_json_file "$tmp/hangs/result.json" \
	'any("time_boxed" in b["flags"] for b in j["benchmarks"])'
fails "a process that was stopped" 'hangs' stops
run run fault-anon touch-anon translate fault-cow map-unmap --duration 10ms --repeat 1 --progress none \
	--translator "$plugins/killed.so" --threads 1,2 --unchecked --out "$tmp/often"
expect "crashes are not repeated for ever" 6 'SIGKILL'
begin=$(cat /proc/loadavg)
# Of these: other tests have workers, too.
check "no worker is left behind (load $begin)" bash -c \
	'! pgrep -f "^faultline --worker .*/(crashes|exits|longjmps|heap|killed|threads|garbles|closes|hangs|stops)\.so" >/dev/null'

run "${beside[@]}" --translator "$plugins/good.so" --out "$tmp/checked"
expect "a plug-in is checked before it is timed" 0 'has not passed check; checking'
check "that it passed is kept by the hash of its file" \
	[ -f "$tmp/cache/faultline/passed-0.1.0/$(sha256sum "$plugins/good.so" | cut -d' ' -f1)" ]
run "${beside[@]}" --translator "$plugins/good.so" --out "$tmp/checked2"
expect "once" 0
check "the second time it is not" [ "$(grep -c 'has not passed' <<<"$err")" -eq 0 ]
run "${beside[@]}" --translator "$plugins/crashes.so" --out "$tmp/unfit"
expect "one that crashes in check" 6 'does not conform, so it is not timed'
run "${beside[@]}" --translator "$plugins/wrong.so" --out "$tmp/wrong"
expect "one that is wrong in check" 3 'does not conform, so it is not timed'
check "is not timed, the others are" is_json_file "$tmp/wrong/result.json" \
	'all(b["repeats"] == 2 for b in j["benchmarks"]) and "conform" in j["skipped"][0]["reason"]'
done_testing
