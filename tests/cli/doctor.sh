#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# doctor.sh - faultline info --doctor: what it finds on a machine made of files, and that --undo
# restores exactly what was, whenever --fix was killed.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

root=$tmp/root
settings=(proc/sys/kernel/randomize_va_space proc/sys/kernel/numa_balancing
	sys/kernel/mm/transparent_hugepage/enabled sys/devices/system/cpu/cpufreq/boost
	sys/devices/system/cpu/cpu0/cpufreq/scaling_governor
	sys/devices/system/cpu/cpu1/cpufreq/scaling_governor)
values=(0 1 always 1 powersave schedutil)

# A machine where all of them are wrong.
make_root()
{
	rm -rf "$root"
	for i in "${!settings[@]}"; do
		mkdir -p "$root/$(dirname "${settings[i]}")"
		echo "${values[i]}" >"$root/${settings[i]}"
	done
	echo '[always] madvise never' >"$root/${settings[2]}"
	mkdir -p "$root/proc/pressure" "$root/proc/sys/kernel/random"
	echo 'some avg10=42.00 avg60=1.00 avg300=0.00 total=1' >"$root/proc/pressure/cpu"
	echo 11111111-2222 >"$root/proc/sys/kernel/random/boot_id"
}

# Are all as they were? The file of several words keeps one in ours, which is no kernel.
restored()
{
	local i

	for i in "${!settings[@]}"; do
		[ "$(tr -d '\n' <"$root/${settings[i]}")" = "${values[i]}" ] ||
			{ [ "$i" = 2 ] && grep -q '^\[always\]' "$root/${settings[i]}"; } || return 1
	done
}

run info --doctor
expect "this machine" 0 '^(good|bad|note|absent) +governor '
run info --doctor --json
check "in JSON" is_json "$out" 'all(f["state"] in ("good", "bad", "note", "absent") and f["sentence"] for f in j["findings"]) and [f["name"] for f in j["findings"]] == sorted(f["name"] for f in j["findings"])'

make_root
run info --doctor --root "$root"
expect "a wrong setting" 0 '^bad +thp +always: '
expect "how to set it" 0 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled'
expect "of two CPUs" 0 '^bad +governor .* on 2 of 2 CPUs'
expect "other load" 0 '^bad +load +somebody waited for a CPU 42 %'
expect "what is not there" 0 '^absent +turbo '
check "looking changes nothing" restored
run info --doctor --fix --root "$root"
expect "--fix" 0 '^set +/proc/sys/kernel/randomize_va_space: 0 -> 2'
check "sets all of them" [ "$(cat "$root/${settings[0]}" "$root/${settings[2]}" "$root/${settings[5]}" | tr '\n' ' ')" = '2madviseperformance' ]
run info --doctor --fix --root "$root"
expect "again: nothing to set" 0 'Nothing to set'
echo 0 >"$root/${settings[0]}"
run info --doctor --fix --root "$root"
expect "one that somebody else changed meanwhile" 0 'randomize_va_space: 0 -> 2'
run info --doctor --undo --root "$root"
expect "--undo" 0 'scaling_governor: performance -> schedutil'
check "restores what was before the first" restored
run info --doctor --undo --root "$root"
expect "again: nothing to put back" 0 'Nothing to put back'

# Killed at any instant, --undo finds what was.
killed=0 wrong=0
for i in $(seq 60); do
	make_root
	{ timeout -s KILL "0.00$((i % 10))$((i / 10))" "$faultline" info --doctor --fix --root "$root" >/dev/null; } 2>/dev/null
	[ $? -eq 137 ] && killed=$((killed + 1))
	"$faultline" info --doctor --undo --root "$root" >/dev/null 2>&1 || wrong=$((wrong + 1))
	restored || wrong=$((wrong + 1))
done
check "kill -9 of --fix, then --undo, 60 times ($killed killed)" [ $wrong -eq 0 ]
make_root
"$faultline" info --doctor --fix --root "$root" >/dev/null
for i in $(seq 30); do
	{ timeout -s KILL "0.00$((i % 10))$((i / 10))" "$faultline" info --doctor --undo --root "$root" >/dev/null; } 2>/dev/null
done
"$faultline" info --doctor --undo --root "$root" >/dev/null
check "kill -9 of --undo, then --undo" restored

make_root
"$faultline" info --doctor --fix --root "$root" >/dev/null
echo 33333333-4444 >"$root/proc/sys/kernel/random/boot_id"
run info --doctor --undo --root "$root"
expect "a record from before a restart is not used" 0 'Nothing to put back'
make_root
"$faultline" info --doctor --fix --root "$root" >/dev/null
sed -i 's|/proc/sys/kernel/numa_balancing|/etc/passwd|' "$root/run/faultline/doctor.json"
run info --doctor --undo --root "$root"
expect "a record that names other files" 7 'no record of faultline'
echo '{' >"$root/run/faultline/doctor.json"
run info --doctor --fix --root "$root"
expect "a broken record: nothing is changed" 7 'no record of faultline'
run info --doctor --fix --undo
expect "both" 2 'not both'
run info --fix
expect "without --doctor" 2 'go with --doctor'
run info --doctor --root "$tmp/none"
expect "no such root" 2 'No such file'
done_testing
