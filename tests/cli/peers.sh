#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# peers.sh - the Go original, where `make peers` has built it: it conforms, and is measured beside
# others, one operation in a call and many.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

peer=${PEER:-$PWD/build/peers/gvisor.so}

if ! [ -e "$peer" ]; then
	skip "the Go original" "make peers has not built $peer"
	done_testing
	exit 0
fi

# In a directory of its own: a list of operations that failed is kept where the check was run.
cd "$tmp" || exit 1

run check "$peer" --quick
expect "it conforms" 0 'conforms; [1-9][0-9]* hold, 0 do not'

run run fault-anon fault-shared invalidate-storm refcount-own translate translate-object call-gate \
	--translator "null,$peer" --threads 2 --duration 20ms --repeat 1 --param batch=1,batch=64 \
	--progress none --unchecked --out "$tmp/result"
expect "its figures come with and without batches" 0 "fault-anon batch=64, 2 thr"

# Of a role, `batch` is how many operations were timed at once.
run run translate --translator "$peer" --duration 20ms --repeat 1 --param batch=64 --progress none \
	--unchecked --out "$tmp/batched"
check "operations go to it in batches of at least what was asked" \
	is_json_file "$tmp/batched/result.json" \
	'[b for b in j["benchmarks"] if b["translator"]][0]["roles"][0]["batch"] >= 64'

run run fault-anon --translator "$peer" --as mmap --duration 20ms --repeat 1 --progress none \
	--unchecked --out "$tmp/mapped"
expect "it maps for the host as well" 0 "as=mmap"

run run fault-anon --translator "$peer:nothing=1" --duration 10ms --repeat 1 --progress none \
	--unchecked --out "$tmp/wrong"
expect "an unknown option is named" 2 "nothing=1"

done_testing
