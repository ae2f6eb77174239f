#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""report.py PROGRAM RAW EXPECTED OUT - what the audit found, and whether it was expected.

Names places (addr2line) and fields (DWARF, by readelf), writes OUT.json, OUT.txt (the table), OUT.dat
and OUT.svg (the matrix, by tests/audit/matrix.gp where gnuplot is), and compares with EXPECTED: one conflict a line, as
"operation operation situation field", below reasons, as "reason: FIELD: why". Exit code 1 if a
conflict is not listed, a listed one is gone, or a field has no reason. With --accept EXPECTED is
written anew, its reasons kept.
"""
import collections
import json
import re
import subprocess
import sys

# What a function allocates, where its name does not begin with that.
MADE_BY = {'spares_fill': 'mapping_element'}
SITUATIONS = ['spaces', 'space', 'vma', 'object', 'file', 'page']


def places(program, addresses):
    """address -> (function, file:line) of the innermost frame, and the name of the outermost"""
    addresses = sorted(addresses)
    text = subprocess.run(['addr2line', '-a', '-f', '-i', '-e', program],
                          input='\n'.join(hex(a) for a in addresses), text=True,
                          capture_output=True, check=True).stdout.splitlines()
    found, current = {}, None
    for line in text:
        if line.startswith('0x'):
            current = found.setdefault(int(line, 16), [])
        else:
            current.append(line)
    short = {}
    for address, frames in found.items():
        file = re.sub(r'^.*/((?:engine|tests)/)', r'\1', frames[1]).split(' (')[0]
        short[address] = {'function': frames[0], 'at': file, 'outer': frames[-2]}
    return short


def structs(program):
    """name -> (bytes, [(offset, name, type name, element bytes, count)]), from DWARF"""
    out = subprocess.run(['readelf', '--debug-dump=info', '-W', program], text=True,
                         capture_output=True, errors='replace').stdout
    dies, stack, die = {}, [], None
    for line in out.splitlines():
        m = re.match(r' <(\w+)><(\w+)>: Abbrev Number: \d+ \(DW_TAG_(\w+)\)', line)
        if m:
            depth = int(m.group(1), 16)
            die = {'tag': m.group(3), 'children': [], 'id': int(m.group(2), 16)}
            dies[die['id']] = die
            del stack[depth:]
            if stack:
                stack[-1]['children'].append(die)
            stack.append(die)
            continue
        m = re.match(r'\s+<\w+>\s+DW_AT_(\w+)\s*:\s*(.*)', line)
        if m and die is not None:
            die[m.group(1)] = re.sub(r'^\(\w+\) ', '', m.group(2).split('): ')[-1].strip())
    named = {}
    for d in dies.values():
        if d['tag'] == 'structure_type' and 'byte_size' in d and 'name' in d:
            named.setdefault(d['name'], d)
    return dies, named


def type_of(dies, die):
    """the type below typedefs and qualifiers"""
    while die is not None and 'type' in die:
        t = dies.get(int(re.match(r'<(\w+)>', die['type']).group(1), 16))
        if t is None or t['tag'] not in ('typedef', 'volatile_type', 'const_type', 'atomic_type'):
            return t
        die = t
    return None


def size_of(dies, t):
    if t is None:
        return 0
    if t['tag'] == 'array_type':
        n = 1
        for c in t['children']:
            n *= int(c.get('upper_bound', '0'), 0) + 1 if 'upper_bound' in c else 1
        return n * size_of(dies, type_of(dies, t))
    return int(t.get('byte_size', '8'), 0)


def field(dies, struct, offset):
    """the path of the member at a byte offset"""
    best = None
    for m in struct['children']:
        if m['tag'] != 'member':
            continue
        at = int(m.get('data_member_location', '0'), 0)
        if at <= offset and (best is None or at >= best[0]):
            best = (at, m)
    if best is None:
        return ''
    at, m = best
    t = type_of(dies, m)
    path = '.' + m.get('name', '') if 'name' in m else ''
    rest = offset - at
    if t is not None and rest >= size_of(dies, t) and t.get('tag') != 'array_type':
        return path + '(behind)'
    if t is not None and t['tag'] == 'array_type':
        t = type_of(dies, t)
        size = size_of(dies, t)
        path, rest = path + '[]', rest % size if size else 0
    if t is not None and t['tag'] == 'structure_type':
        return path + field(dies, t, rest)
    return path


def name_field(c, dies, named, where, symbols):
    kind = c['object']
    if kind == 'heap':
        maker = where[c['place']]
        maker = maker['outer'] if maker['function'].startswith('mm_') else maker['function']
        stem = MADE_BY.get(maker, maker.rsplit('_', 1)[0])
        if not 0 <= c['offset'] < c['bytes']:
            return f'heap of {maker}(header)'
        fits = [s for s in named.values() if s['name'] == stem]
        if not fits:
            fits = [s for s in named.values() if int(s['byte_size'], 0) == c['bytes']]
        if len(fits) == 1:
            return fits[0]['name'] + field(dies, fits[0], c['offset'])
        return f'heap of {maker}'
    if kind == 'address':
        for start, end, name in symbols:
            if start <= c['offset'] < end:
                return 'static ' + name
        return 'other memory'
    if c.get('type') in named:
        return kind + field(dies, named[c['type']], c['offset'])
    return kind


def read_expected(path):
    reasons, listed = {}, set()
    try:
        text = open(path).read()
    except FileNotFoundError:
        text = ''
    for line in text.splitlines():
        if line.startswith('reason: '):
            name, why = line[8:].split(': ', 1)
            reasons[name] = why
        elif line and not line.startswith('#'):
            a, b, situation, rest = line.split(' ', 3)
            listed.add((a, b, situation, rest.split('\t')[0]))
    return reasons, listed


def main():
    accept = '--accept' in sys.argv
    program, raw, expected, out = [a for a in sys.argv[1:] if not a.startswith('--')]
    runs = [json.loads(line) for line in open(raw)]
    addresses = {x[k] for r in runs for c in r['conflicts'] for s in 'ab' for x in c[s]
                 for k in ('place', 'caller') if x[k]}
    addresses |= {c['place'] for r in runs for c in r['conflicts'] if 'place' in c}
    where = places(program, addresses)
    dies, named = structs(program)
    symbols = []
    for line in subprocess.run(['nm', '-S', program], text=True,
                               capture_output=True).stdout.splitlines():
        p = line.split()
        if len(p) == 4 and p[2] in 'bBdD':
            symbols.append((int(p[0], 16), int(p[0], 16) + int(p[1], 16), p[3]))

    cells, found, order = {}, collections.OrderedDict(), []
    for r in runs:
        for x in (r['a'], r['b']):
            if x not in order:
                order.append(x)
    for r in runs:
        pair = tuple(sorted((r['a'], r['b']), key=order.index))
        cell = cells.setdefault((*pair, r['situation']), set())
        for c in r['conflicts']:
            name = name_field(c, dies, named, where, symbols)
            cell.add(name)
            entry = found.setdefault((*pair, r['situation'], name), {
                'field': name, 'true_sharing': c['true'], 'kinds': r['kinds'],
                **{s: [{'place': where[x['place']]['at'], 'function': where[x['place']]['function'],
                        'caller': where[x['caller']]['at'] if x['caller'] else '',
                        'write': x['write'], 'bytes': [x['first'], x['last']]} for x in c[s]]
                   for s in 'ab'}})
            entry['true_sharing'] |= c['true']
    free = sum(not c for c in cells.values())
    spoils, alone = collections.Counter(), collections.Counter()
    for c in cells.values():
        for name in c:
            spoils[name] += 1
        if len(c) == 1:
            alone[next(iter(c))] += 1
    share = 100 * free / len(cells)
    lines = [f'{free} of {len(cells)} pairs in situations that ought to be independent are '
             f'conflict-free: {share:.1f} %', '', 'pairs  alone  field']
    real = {k[3] for k, e in found.items() if e['true_sharing']}
    for name, n in sorted(spoils.items(), key=lambda x: (-x[1], x[0])):
        k = next(k for k in found if k[3] == name)
        e = found[k]
        a = next((x for x in e['a'] if x['write']), e['a'][0])
        b = next((x for x in e['b'] if x['write']), e['b'][0])
        lines.append(f'{n:5}  {alone[name]:5}  {name}'
                     f'{"" if name in real else "  (false sharing)"}')
        lines.append(f'              e.g. {k[0]} x {k[1]}, {k[2]}: {a["function"]} {a["place"]}, '
                     f'{b["function"]} {b["place"]}')
    lines += ['', 'A cell has a letter for each situation: '
              + ', '.join(f'{s[0] if s != "space" else "o"}={s}' for s in SITUATIONS)
              + '; in capitals: a conflict; "-": not a pair', '']
    for s in SITUATIONS:
        n = [c for k, c in cells.items() if k[2] == s]
        lines.append(f'{s:8} {sum(not c for c in n)} of {len(n)}')
    lines.append('')
    letters = {s: 'o' if s == 'space' else s[0] for s in SITUATIONS}
    for j, b in enumerate(order):
        row = []
        for a in order[:j + 1]:
            row.append(''.join('-' if (a, b, s) not in cells else
                               letters[s].upper() if cells[a, b, s] else letters[s]
                               for s in SITUATIONS))
        lines.append(f'{b:17}' + ' '.join(row))
    open(out + '.txt', 'w').write('\n'.join(lines) + '\n')
    json.dump({'pairs': len(cells), 'conflict_free': free, 'operations': order,
               'cells': [{'a': k[0], 'b': k[1], 'situation': k[2], 'fields': sorted(v)}
                         for k, v in cells.items()],
               'conflicts': [{'a_op': k[0], 'b_op': k[1], 'situation': k[2], **v}
                             for k, v in found.items()]}, open(out + '.json', 'w'), indent=1)
    with open(out + '.dat', 'w') as f:
        for i, a in enumerate(order):
            for j, b in enumerate(order):
                k = (a, b) if i <= j else (b, a)
                here = [cells[(*k, s)] for s in SITUATIONS if (*k, s) in cells]
                v = sum(bool(c) for c in here) / len(here) if here else 'NaN'
                f.write(f'{a} {b} {i} {j} {v}\n')
            f.write('\n')
    try:
        subprocess.run(['gnuplot', '-e', f'data="{out}.dat"; picture="{out}.svg"',
                        'tests/audit/matrix.gp'], check=True)
    except FileNotFoundError:
        print('no gnuplot: no picture')

    reasons, listed = read_expected(expected)
    now = set(found)
    if accept:
        with open(expected, 'w') as f:
            f.write('# Conflicts of pairs that ought to be independent: see report.py. Each field has '
                    'a reason.\n')
            for name in sorted(spoils):
                f.write(f'reason: {name}: {reasons.get(name, "NO REASON YET")}\n')
            for k in sorted(now):
                e = found[k]
                f.write(f'{" ".join(k)}\t{e["a"][0]["function"]} / {e["b"][0]["function"]}\n')
        listed = now
        reasons = read_expected(expected)[0]
    print('\n'.join(lines[:1]))
    problems = [f'new conflict: {" ".join(k)}' for k in sorted(now - listed)]
    problems += [f'listed, but gone: {" ".join(k)}' for k in sorted(listed - now)]
    problems += [f'no reason for: {n}' for n in sorted(spoils)
                 if reasons.get(n, 'NO REASON YET') == 'NO REASON YET']
    print('\n'.join(problems[:60]))
    return 1 if problems else 0


sys.exit(main())
