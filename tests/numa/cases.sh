#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# cases.sh - the program on a machine of two nodes: CPUs 0-3 on node 0, 4-7 on node 1, neighbours
# (0 and 1, ...) on one core, 2 MiB pages on both. Run in the guest of ci/numa.sh, by guest.sh.
#
# A case is a function of tests and a word in the list at the end. What it measures it leaves in
# /results, which is copied out of the guest.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/../cli/common.sh"

# measure NAME ARGUMENT...: a short run, kept as NAME.
measure()
{
	dir=/results/$1
	shift
	run run --duration 60ms "$@" --repeat 1 --progress none --memory-max 512m --out "$dir"
}

# figures EXPRESSION: true (jq) of each benchmark of the last run that is not a floor.
figures()
{
	jq -e "[.benchmarks[] | select(.is_floor | not) | ($1)] | length > 0 and all" \
		"$dir/result.json" ||
		! jq -c '.benchmarks[] | select(.is_floor | not) | {name, placement, flags}' \
			"$dir/result.json"
}

# huge_pages NODE COUNT: of 2 MiB, in the pool of the node.
huge_pages()
{
	echo "$2" >"/sys/devices/system/node/node$1/hugepages/hugepages-2048kB/nr_hugepages"
}

# threads LIST: the last run's threads were found on exactly these CPUs, in order, with their nodes.
threads()
{
	figures ".placement.got.threads == [$1 | {cpu: ., node: (. / 4 | floor)}] and
		.placement.asked.cpus == [$1]"
}

# nodes EXPRESSION: of .zero and .one, the pages seen on nodes 0 and 1, which are 32 and more.
nodes()
{
	figures ".placement.got.pages_per_node | {zero: (.\"0\" // 0), one: (.\"1\" // 0)} |
		.zero + .one >= 32 and ($1)"
}

flagged()
{
	figures ".flags | index(\"$1\") != null"
}

unflagged()
{
	figures ".flags | index(\"$1\") == null"
}

case_machine()
{
	run info --json
	expect "info" 0
	check "two nodes, four cores, eight CPUs" jq -e \
		'[.topology | .nodes, .packages, .cores, .cpus] == [2, 2, 4, 8]' <<<"$out"
	check "neighbours share a core, four CPUs a node" jq -e \
		'[.topology.pus[] | [.cpu, .core, .node]] ==
		 [range(8) | [., (. / 2 | floor), (. / 4 | floor)]]' <<<"$out"
	check "the processor is known to be emulated" jq -e '.emulated' <<<"$out"
}

case_clock()
{
	run run fault-anon --clock tsc --progress none
	expect "--clock tsc is refused, with the reason" 4 'TSC'
	measure clock fault-anon --clock monotonic --param region=2m
	expect "--clock monotonic measures" 0
	check "every figure is flagged, floors too" jq -e \
		'all(.benchmarks[]; .flags | index("emulated_hardware"))' "$dir/result.json"
}

# placed WORDS THREADS LIST
placed()
{
	measure "place-${1//[:,]/-}" fault-anon --place "$1" --threads "$2" --param region=2m
	expect "--place $1" 0
	check "--place $1: $2 threads on CPUs $3" threads "$3"
	check "--place $1: nobody moved" unflagged migrated
}

case_placement()
{
	placed compact 4 0,1,2,3
	placed scatter 4 0,4,2,6
	placed cores 5 0,2,4,6,1
	placed node:1 4 4,6,5,7
	placed cpus:6,1 2 6,1
	run run fault-anon --place node:2 --progress none
	expect "a node that is not there" 4 'no memory node 2'
}

# policy WORDS EXPRESSION ARGUMENT...: two threads on node 0 and two on node 1.
policy()
{
	local words=$1 expression=$2

	shift 2
	measure "mem-${words//:/-}$*" dontneed-refault --mem "$words" --place cpus:0,4,2,6 \
		--threads 4 --param region=4m "$@"
	expect "--mem $words $*" 0
	check "--mem $words $*: pages are there" nodes "$expression"
	check "--mem $words $*: not flagged" unflagged node_mismatch
}

case_policy()
{
	policy local '.zero >= 16 and .one >= 16'
	check "at least 99 % are on the node of their thread" figures \
		'.placement.got.asked_node | .pages >= 32 and .elsewhere * 100 <= .pages'
	policy bind:0 '.one == 0'
	policy bind:1 '.zero == 0'
	policy preferred:1 '.zero == 0'
	policy interleave '.zero * 4 >= .one and .one * 4 >= .zero'
	policy weighted:0=3,1=1 '.zero >= .one * 2 and .zero <= .one * 5'
	policy bind:1 '.zero == 0' --pages 2m
	policy interleave '.zero * 4 >= .one and .one * 4 >= .zero' --pages 2m
}

# What measures and what is measured, with threads on both nodes, is by the kernel's word where its
# user is.
case_locality()
{
	local kind

	measure locality dontneed-refault --place cpus:0,4,2,6 --threads 4 --param region=8m
	expect "a run on both nodes" 0
	for kind in pages tree_nodes tables histograms; do
		check "at least 99 % of the $kind are on the node of their user" figures \
			".placement.got.locality.$kind | .count > 0 and .local * 100 >= .count * 99"
	done
}

case_migrate()
{
	measure migrate migrate --place cpus:0,4 --threads 2 --param region=4m
	expect "pages moved between two nodes" 0
	check "what was moved is still right" figures '.verify.ok'
}

case_wrong_node()
{
	local plugin=build/release/tests/plugins/wrong_node.so

	measure wrong-node-of-0 fault-anon --translator ./$plugin --unchecked --place node:0
	check "pages on another node than their thread are flagged" flagged node_mismatch
	measure wrong-node-of-1 fault-anon --translator ./$plugin --unchecked --place node:1
	check "those of a thread that is there are not" unflagged node_mismatch
	measure wrong-node-bound fault-anon --translator ./$plugin --unchecked --place node:1 \
		--mem bind:0
	check "nor on the node that --mem names" flagged node_mismatch
	measure wrong-node-strict fault-anon --translator ./$plugin --unchecked --place node:0 \
		--strict-placement
	expect "with --strict-placement that is exit 4" 4 'node'
}

case_exhaustion()
{
	huge_pages 1 0
	measure full-2m fault-anon --pages 2m --place node:1 --param region=4m
	expect "node 1 has no huge page: node 0 gives one" 0
	check "and the figure is flagged" flagged node_mismatch
	measure full-bound fault-anon --pages 2m --place node:1 --mem bind:1 --param region=4m
	expect "bound to node 1: refused, with where to look" 4 'another NUMA node'
	measure full-fallback fault-anon --translator memmap:fallback=yes --pages 2m \
		--place node:1 --param region=4m
	expect "with fallback=yes it is measured" 0
	check "and flagged" figures '.flags | index("demoted") or index("node_mismatch")'
	measure full-strict fault-anon --translator memmap:fallback=yes --pages 2m \
		--place node:1 --param region=4m --strict-placement
	expect "but for --strict-placement" 4 'strict-placement'
	measure full-other fault-anon --pages 2m --place node:0 --param region=4m
	expect "node 0 still has some" 0
	huge_pages 1 24
}

# first_touches CPU CPU: one of each node.
first_touches()
{
	measure "nodes-$1-$2" touch-anon --threads 2 --place "cpus:$1,$2" --param region=2m \
		--duration 800ms
	expect "first touches from CPUs $1 and $2 on each node" 0
	check "CPUs $1 and $2, two nodes" figures \
		"[.per_node[] | select(.n > 0) | \"\\(.cpu)-\\(.node)\"] | sort ==
		 [\"$1-0\", \"$1-1\", \"$2-0\", \"$2-1\"]"
	check "each first touch was on the node that it is counted for" unflagged node_mismatch
}

# CPUs against nodes, and CPUs against each other: the reports have pictures of them.
case_matrix()
{
	# By twos: each has to get turns enough, however busy the host is.
	first_touches 0 4
	first_touches 2 6
	# 50 ms for each pair: of the 8 CPUs two run at a time.
	measure pairs floor-pingpong --threads 2 --place scatter --duration 1400ms
	expect "a line passed between each two CPUs" 0
	check "28 pairs, by distance" jq -e '[.benchmarks[] | .pairs[] | select(.n > 0) | .distance] |
		group_by(.) | map([.[0], length]) ==
		[["l3", 8], ["other-package", 16], ["smt", 4]]' "$dir/result.json"
}

# The first pair has A on the first half, and of each two that follow A has each half once: of four
# others, or of more if noise spoils some.
ran_in_halves()
{
	awk '{ times[$1 " " $2]++; begin[NR] = $3; end[NR] = $4; cpus[NR] = $2 }
		END {
			for (i = 1; i < NR; i += 2)
				if (cpus[i] == cpus[i + 1] || begin[i] > end[i + 1] || begin[i + 1] > end[i])
					exit 1
			more = times["A 0-3"] - times["A 4-7"]
			exit NR < 10 || more < 0 || more > 2 || 2 * (times["A 0-3"] + times["A 4-7"]) != NR ||
				times["A 0-3"] != times["B 4-7"] || times["A 4-7"] != times["B 0-3"]
		}' "$tmp/ran"
}

# Two sides at once, each on a half of the machine: here a node, half of the pairs on each.
case_side_by_side()
{
	watched A
	watched B
	run versus "$tmp/A" "$tmp/B" fault-anon --translator null --duration 20ms --pairs 4 \
		--progress none --out /results/side-by-side --json
	check "both halves are named" jq -e '.side_by_side.cpus == "0,1,2,3 and 4,5,6,7"' <<<"$out"
	check "each side had each half, two by two at the same time" ran_in_halves
	rm "$tmp/ran"
	run versus "$tmp/A" "$tmp/B" fault-anon --translator null --duration 20ms --pairs 1 \
		--threads 5 --progress none --out /results/too-many --json
	check "a half is too small for five threads" jq -e '.side_by_side == null' <<<"$out"
	check "and the whole machine is used" [ "$(cut -d ' ' -f 2 "$tmp/ran" | sort -u)" = 0-7 ]
}

case_conformance()
{
	run check memmap --quick
	expect "memmap conforms" 0
	run check biglock --quick
	expect "biglock conforms" 0
}

for case in machine clock placement policy locality migrate wrong_node exhaustion matrix side_by_side conformance; do
	echo "# $case"
	"case_$case"
done
done_testing
