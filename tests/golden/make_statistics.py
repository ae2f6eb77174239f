#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_statistics.py > statistics.json - what SciPy and R say of samples, for statistics_*_test.

Needs numpy, scipy and R (Debian: python3-scipy r-base-core); nothing that make check runs does. The
statistics of change points are computed here from their definition, with every distance written out.
"""
import json
import subprocess
import sys

import numpy as np
import scipy
import scipy.stats as st

rng = np.random.default_rng(20260101)


def r(expression, *vectors):
    """what R prints for an expression on vectors x and y"""
    code = ''.join('%s <- c(%s); ' % (n, ','.join(repr(float(v)) for v in vector))
                   for n, vector in zip('xy', vectors))
    out = subprocess.run(['Rscript', '--vanilla', '-e', code + 'options(digits=17); cat(sprintf("%.17g", ' + expression + '))'],
                         capture_output=True, text=True, check=True).stdout
    return [float(v) for v in out.split()]


def walsh(x):
    x = np.asarray(x)
    i, j = np.triu_indices(len(x))
    return float(np.median((x[i] + x[j]) / 2))


def samples():
    for n in (1, 2, 3, 5, 8, 20, 49, 50, 73, 200):
        yield 'normal %d' % n, rng.normal(0.02, 0.05, n)
    yield 'ties', np.round(rng.normal(0.3, 1, 30), 1)
    yield 'ties, many', np.round(rng.normal(0.3, 1, 120), 1)
    yield 'zeros', np.concatenate([np.zeros(4), rng.normal(0.1, 1, 15)])
    yield 'near its mean', [1., -2., 3., -3., -1., 2.5, -2.4, 4., -4.]
    yield 'tails', rng.standard_t(1.5, 60) * 0.01
    yield 'wild', np.concatenate([rng.normal(0, 0.01, 20), [5., 7., -3.]])


def one_sample():
    for name, x in samples():
        x = [float(v) for v in x]
        case = {'name': name, 'values': x, 'median': float(np.median(x)), 'shift': walsh(x),
                'spread': float(st.median_abs_deviation(x, scale='normal')),
                'quantiles': [[q, float(np.quantile(x, q))] for q in (0, 0.1, 0.25, 0.5, 0.9, 0.999, 1)],
                'signed_rank': r('suppressWarnings(wilcox.test(x)$p.value)', x)[0]}
        if len(x) > 3:
            # As often as it takes to know the ends much better than 2,000 draws do.
            interval = st.bootstrap((np.array(x),), lambda v, axis: np.apply_along_axis(walsh, -1, v),
                                    n_resamples=20000, method='percentile', batch=500,
                                    random_state=rng).confidence_interval
            case['interval'] = [float(interval.low), float(interval.high)]
        yield case


def two_samples():
    pairs = [(n, m, rng.normal(0, 1, n), rng.normal(0.5, 1, m)) for n, m in
             ((1, 1), (3, 4), (5, 5), (9, 12), (30, 49), (60, 55))]
    pairs.append((20, 25, np.round(rng.normal(0, 1, 20), 1), np.round(rng.normal(0.2, 1, 25), 1)))
    for n, m, x, y in pairs:
        yield {'a': [float(v) for v in x], 'b': [float(v) for v in y],
               'shift': float(np.median(np.subtract.outer(y, x))),
               'rank_sum': r('suppressWarnings(wilcox.test(x, y)$p.value)', x, y)[0]}


def holm():
    for n in (1, 2, 6, 24):
        p = rng.beta(0.4, 3, n)
        if n > 2:
            p[1] = p[0]
        yield {'p': [float(v) for v in p], 'adjusted': r('p.adjust(x, "holm")', p)}


def energy(x, y):
    between = np.abs(np.subtract.outer(x, y)).mean()
    within = [np.abs(np.subtract.outer(v, v))[np.triu_indices(len(v), 1)].mean() for v in (x, y)]
    return len(x) * len(y) / (len(x) + len(y)) * (2 * between - sum(within))


def changes():
    series = [('one', np.concatenate([rng.normal(0, 1, 30), rng.normal(3, 1, 25)]), [30]),
              ('two', np.concatenate([rng.normal(0, 1, 40), rng.normal(4, 1, 30), rng.normal(1, 1, 30)]), [40, 70]),
              ('none', rng.normal(0, 1, 60), []),
              ('one wild value', np.concatenate([rng.normal(0, 1, 30), [40.], rng.normal(0, 1, 30)]), []),
              ('spread', np.concatenate([rng.normal(0, 0.2, 80), rng.normal(0, 3, 80)]), [80])]
    for name, x, where in series:
        q = [energy(x[:k], x[k:]) for k in range(4, len(x) - 3)]
        yield {'name': name, 'values': [float(v) for v in x], 'best': int(np.argmax(q)) + 4,
               'statistic': float(max(q)), 'changes': where}


version = subprocess.run(['Rscript', '-e', 'cat(R.version.string)'], text=True, capture_output=True,
                         check=True).stdout
json.dump({'made_with': 'numpy %s, scipy %s, %s' % (np.__version__, scipy.__version__, version),
           'one_sample': list(one_sample()), 'two_samples': list(two_samples()), 'holm': list(holm()),
           'changes': list(changes()),
           'normal': [[float(q), float(st.norm.ppf(q)), float(st.norm.sf(st.norm.ppf(q)))]
                      for q in (1e-6, 0.001, 0.025, 0.3, 0.5, 0.9, 0.975, 0.99999)]},
          sys.stdout, indent=0)
print()
