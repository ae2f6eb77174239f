#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""open.py DIR - of a run of part_open (ci/gate_proof.sh): p99.9 of the response times in ms, the
median over the windows; what it must be; by how many percent they differ; the p99.9 that the result
itself says, of all windows; by how many percent that differs.
open.py --closed DIR - the median operation of a closed loop with stalls over that without."""
import json
import statistics
import sys

STALL_NS, PERIOD_NS, PART = 10e6, 1e9, 0.999


def worst_of(intervals, part):
    """The percentile of a window, from its intervals' histograms' figures: of the values between
    p99 and the maximum of each only that is known, so they are taken as even between them."""
    total = sum(i['n'] for i in intervals)
    allowed = (1 - part) * total
    low, high = 0.0, max(i['max'] for i in intervals if i['n'])
    for _ in range(60):
        x = (low + high) / 2
        above = 0.0
        for i in intervals:
            if not i['n'] or i['max'] <= x:
                continue
            tail = 0.01 * i['n']
            if x <= i['p99']:
                above += tail + (i['n'] * 0.49 * (i['p99'] - x) / max(i['p99'] - i['p50'], 1)
                                 if x > i['p50'] else i['n'])
            else:
                above += tail * (i['max'] - x) / max(i['max'] - i['p99'], 1)
        low, high = (x, high) if above > allowed else (low, x)
    return low


def main():
    closed = sys.argv[1] == '--closed'
    with open(sys.argv[-1] + '/result.json', encoding='utf-8') as f:
        benchmarks = [b for b in json.load(f)['benchmarks'] if b['translator']]
    if closed:
        p50 = {('stall=10ms' in b['translator']): b['latency']['p50'] for b in benchmarks}
        print('%.4f' % (p50[True] / p50[False]))
        return
    b = benchmarks[0]
    windows = {}
    for i in b['over_time']['intervals']:
        windows.setdefault(i['repetition'], []).append(i)
    got = statistics.median(worst_of(w, PART) for w in windows.values())
    busy = b['rate']['asked_ops_per_s'] * b['latency']['p50'] / 1e9
    want = STALL_NS - (1 - PART) * (1 - busy) * PERIOD_NS
    said = b['response']['p999']
    print('%.3f %.3f %.2f %.3f %.2f' % (got / 1e6, want / 1e6, 100 * (got / want - 1),
                                        said / 1e6, 100 * (said / want - 1)))


main()
