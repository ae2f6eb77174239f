#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a made-up result.json of the form of results/README.md to standard output.

It exists to look at plots and reports of machines that nobody here has. The same arguments give
the same bytes: numbers come from a fixed generator, not from a clock. Everything is stamped
synthetic unless --plain is given (which is how result_2cpu.json beside this file was made:
make_synthetic_result.py --packages 1 --l3 1 --cores 2 --smt 1 --plain > result_2cpu.json).
"""
import argparse
import json
import math

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--packages", type=int, default=8)
parser.add_argument("--l3", type=int, default=2, help="L3 caches per package")
parser.add_argument("--cores", type=int, default=16, help="cores per package")
parser.add_argument("--smt", type=int, default=2)
parser.add_argument("--plain", action="store_true", help="not stamped synthetic")
args = parser.parse_args()

state = 20260101


def noise(spread):
    """A factor near one, from a linear congruential generator."""
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    return 1 + spread * ((state >> 33) / 2**31 - 0.5)


PUS = []
for package in range(args.packages):
    for core in range(args.cores):
        for smt in range(args.smt):
            core_index = package * args.cores + core
            PUS.append({
                "os": smt * args.packages * args.cores + core_index,
                "core": core_index, "l2": core_index,
                "l3": package * args.l3 + core * args.l3 // args.cores,
                "package": package, "node": package, "smt": smt})
BY_OS = {pu["os"]: pu for pu in PUS}


def distance(a, b):
    for field, name in (("os", "same-pu"), ("core", "smt"), ("l3", "l3"), ("package", "package")):
        if a[field] == b[field]:
            return name
    return "other-package"


COST = {"same-pu": 0.6, "smt": 1.0, "l3": 2.4, "package": 5.5, "other-package": 14.0}

# name, floor, is floor, p50 ns at one thread, cost of sharing, operation, roles
WORKLOADS = [
    ("floor-fetch-add", None, 2.2, 0.0, "atomic add to a line of one's own", ["adder"], 100),
    ("floor-radix", None, 2.3, 0.0, "bare three-level look-up", ["reader"], 100),
    ("floor-minor-fault", None, 1600, 0.15, "minor fault of the kernel", ["faulter"], 1),
    ("floor-mmap-fixed", None, 3200, 0.2, "mmap MAP_FIXED of 4 KiB", ["mapper"], 1),
    ("floor-map-unmap", None, 4400, 0.4, "mmap and munmap of 4 KiB", ["mapper"], 1),
    ("floor-madvise", None, 1200, 0.9, "madvise DONTNEED of 4 KiB", ["adviser"], 1),
    ("floor-sigsegv", None, 2400, 0.05, "SIGSEGV round trip", ["faulter"], 1),
    ("floor-pingpong", None, 38, 0.0, "hand a line to the other CPU", ["player"], 20),
    ("fault-anon", "floor-fetch-add", 14.1, 0.02, "first fault on a 4 KiB page", ["faulter"], 64),
    ("fault-shared", "floor-fetch-add", 31.0, 0.10, "fault on a shared page", ["faulter"], 32),
    ("translate", "floor-radix", 5.2, 0.01, "translation of one page", ["reader"], 64),
    ("touch-anon", "floor-sigsegv", 6400, 0.22, "touch, trap and resume", ["toucher"], 1),
    ("refcount-own", "floor-fetch-add", 4.9, 0.01, "inc_ref and dec_ref, own page", ["holder"], 64),
    ("refcount-shared", "floor-fetch-add", 5.1, 1.1, "inc_ref and dec_ref, one page", ["holder"], 64),
    ("map-local", "floor-map-unmap", 47, 0.05, "map and unmap of 64 KiB", ["mapper"], 16),
    ("invalidate-storm", "floor-madvise", 44, 0.3, "fault against an invalidator",
     ["faulter", "invalidator"], 1),
    ("truncate-storm", "floor-madvise", 52, 0.35, "fault against a truncater",
     ["faulter", "truncater"], 1),
]


def percentiles(p50):
    def at(percentile):
        tail = 1 / (1 - percentile / 100)
        return p50 * (0.86 + 0.14 * (percentile / 50) + 0.09 * math.log2(max(tail / 2, 1))
                      + (0.0008 * tail if p50 < 1000 else 0.0004 * tail))
    points = [0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99]
    return at, [[p, round(at(p), 2)] for p in points]


def latency(p50):
    at, curve = percentiles(p50)
    return {"n": int(4e8 / (p50 + 20)), "min": round(p50 * 0.84, 2), "p50": round(at(50), 2),
            "p90": round(at(90), 2), "p99": round(at(99), 2), "p999": round(at(99.9), 2),
            "p9999": round(at(99.99), 2), "max": round(p50 * 40 + 9000, 1),
            "mean": round(p50 * 1.06, 2), "curve": curve}


def benchmark(name, floor, p50, sharing, operation, roles, batch, threads):
    is_floor = name.startswith("floor-")
    cpus = [pu["os"] for pu in PUS[:threads]]
    extra = "" if is_floor else "pages=4k/as=%s/" % ("mmap" if name == "touch-anon" else "none")
    full = "%s%s/%splace=compact/threads=%d" % ("" if is_floor else "memmap/", name, extra, threads)
    p50 = p50 * (1 + sharing * math.log2(threads)) * noise(0.06)
    rate = threads * 1e9 / (p50 * 1.06) * (0.97 if threads == 1 else 0.93)
    samples = [round(rate * noise(0.05), 1) for _ in range(5)]
    groups = [roles[0]] * (threads - len(roles) + 1) + roles[1:] if threads >= len(roles) else []
    per_cpu = []
    for cpu, role in zip(cpus, groups):
        pu = BY_OS[cpu]
        slow = (1 + 0.035 * pu["node"] + 0.12 * pu["smt"]) * (3 if role != roles[0] else 1)
        value = p50 * slow * noise(0.12)
        per_cpu.append({"cpu": cpu, "node": pu["node"], "role": role, "n": 100000,
                        "ops_per_s": round(1e9 / value), "p50": round(value, 2),
                        "p99": round(value * (1.5 + 0.8 * noise(1.0)), 2)})
    pairs, per_node = [], []
    if name in ("floor-pingpong", "invalidate-storm") and threads == len(PUS):
        step = 1 if name == "floor-pingpong" else max(1, len(PUS) // 32)
        for i in range(0, len(PUS), step):
            for j in range(i + step, len(PUS), step):
                between = distance(PUS[i], PUS[j])
                value = p50 * COST[between] * noise(0.2)
                pairs.append({"cpu_a": PUS[i]["os"], "cpu_b": PUS[j]["os"], "distance": between,
                              "n": 10000, "p50": round(value, 1), "p99": round(value * 1.9, 1)})
    if name == "fault-anon" and threads == len(PUS):
        for pu in PUS:
            for node in sorted({other["node"] for other in PUS}):
                value = p50 * (1 if node == pu["node"] else 1.9) * noise(0.15)
                per_node.append({"cpu": pu["os"], "node": node, "n": 5000,
                                 "p50": round(value, 2), "p99": round(value * 2.2, 2)})
    first = latency(p50)
    flags = (["timer_coarse"] if batch > 1 else []) + ([] if args.plain else ["synthetic"])
    if name == "truncate-storm":
        flags.append("unsteady")
    return {
        "name": full, "workload": name, "translator": None if is_floor else "memmap",
        "is_floor": is_floor, "description": operation, "operation": operation,
        "pages_per_op": 16 if name == "map-local" else 1,
        "params": {} if is_floor else {"region": 2097152},
        "placement": {
            "asked": {"place": "compact", "cpus": cpus, "mem": "local", "pages": "4k"},
            "got": {"threads": [{"cpu": c, "node": BY_OS[c]["node"]} for c in cpus],
                    "pages_per_node": {"0": 512}, "kernel_page_size": None if is_floor else 4096,
                    "kernel_page_size_reason": "a floor maps no pages of the run"}},
        "threads": threads, "repeats": 5,
        "throughput": {"ops_per_s": sorted(samples)[2], "min": min(samples), "max": max(samples),
                       "samples": samples},
        "latency": first,
        "roles": [{"name": role, "threads": groups.count(role), "batch": batch,
                   "ops_per_s": round(rate * (1 if i == 0 else 0.02)),
                   "latency": first if i == 0 else latency(p50 * 9)}
                  for i, role in enumerate(roles)],
        "per_cpu": per_cpu, "per_distance": [], "pairs": pairs, "per_node": per_node,
        "fairness": {"jain": 0.9987, "min_ops_per_s": min(samples) / threads,
                     "max_ops_per_s": max(samples) / threads},
        "counters": {"live_pages": 512, "metadata_bytes": 6502, "instructions":
                     {"unavailable": "no performance counters in this guest"}},
        "verify": {"ok": True, "error": None}, "floor": floor, "flags": flags, "scaling": None}


COUNTS = [1]
while COUNTS[-1] * 2 <= len(PUS):
    COUNTS.append(COUNTS[-1] * 2)
BENCHMARKS = []
for row in WORKLOADS:
    for count in COUNTS:
        if count >= len(row[5]) and not (row[0] == "floor-pingpong" and count == 1):
            BENCHMARKS.append(benchmark(*row, count))
for each in BENCHMARKS:
    fewest = min((b for b in BENCHMARKS if b["workload"] == each["workload"]),
                 key=lambda b: b["threads"])
    each["scaling"] = {"threads_from": fewest["threads"], "ratio": round(
        each["throughput"]["ops_per_s"] / fewest["throughput"]["ops_per_s"], 3)}
    if each["floor"]:
        base = [b for b in BENCHMARKS
                if b["workload"] == each["floor"] and b["threads"] == each["threads"]]
        if base:
            ratio = each["latency"]["mean"] / base[0]["latency"]["mean"]
            each["floor"] = {"workload": each["floor"], "benchmark": base[0]["name"],
                             "ratio": round(ratio, 3), "ratio_min": round(ratio * 0.93, 3),
                             "ratio_max": round(ratio * 1.09, 3)}

print(json.dumps({
    "schema": "faultline.result/1",
    "run": {"id": "20260101T000000Z-example-00c0ffee", "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-01T00:00:48Z",
            "argv": ["./faultline", "run", "--threads", ",".join(map(str, COUNTS))],
            "seed": 1, "interrupted": False, "synthetic": not args.plain, "label": None,
            "exit_code": 0},
    "tool": {"name": "faultline", "version": "0.1.0", "commit": "0000000", "compiler": "gcc 12.2.0",
             "abi": "1.0", "variant": "release"},
    "host": {"name": "example", "cpu": "Example CPU", "kernel": "6.18.0", "cpus": len(PUS),
             "nodes": args.packages, "virtualized": True,
             "timer": {"source": "tsc", "hz": 2600000000, "step_ns": 10.0, "pair_ns": 20.0,
                       "verified": True},
             "record_ns": 2.1, "overhead_ns": 1.9, "notes": ["numbers of this file are made up"]},
    "topology": {"pus": PUS},
    "translators": [{"name": "memmap", "spec": "memmap", "version": "0.1.0",
                     "description": "the engine", "capabilities": ["anon", "shared", "fork"]}],
    "skipped": [{"translator": "null", "workload": "touch-anon",
                 "reason": "the null translator has no host addresses"}],
    "benchmarks": BENCHMARKS}, indent=1))
