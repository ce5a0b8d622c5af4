"""Turn the samples of a bench run into a table and a page."""

import datetime
import os
import pathlib
import platform
import shutil
import statistics
import subprocess

from goals import CAUSES, TARGETS, TITLES, better, judge

SIDES = ('ours', 'reference', 'limit')


def number(value):
    """Three or more significant digits, without an exponent."""
    if value == 0:
        return '0'
    if abs(value) >= 1000:
        return f'{value:,.0f}'
    return f'{value:.3g}'


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True,
                              check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return 'none'


def machine():
    """What was measured on: (what, value) pairs."""
    cpu = 'unknown'
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            cpu = line.split(':', 1)[1].strip()
            break
    memory = int(pathlib.Path('/proc/meminfo').read_text().split()[1]) >> 20
    system = 'unknown'
    for line in pathlib.Path('/etc/os-release').read_text().splitlines():
        if line.startswith('PRETTY_NAME='):
            system = line.split('=', 1)[1].strip('"')
    return [
        ('CPU', f'{cpu}, {len(os.sched_getaffinity(0))} usable'),
        ('memory', f'{memory} GiB'),
        ('system', f'{system}, Linux {platform.release()}'),
        ('compiler', output_of(os.environ.get('CC', 'cc'), '--version')),
        ('Node', output_of('node', '--version')
         if shutil.which('node') else 'none'),
        ('commit', output_of('git', 'describe', '--always', '--dirty')),
        ('day', datetime.datetime.now(datetime.timezone.utc)
         .strftime('%Y-%m-%d')),
    ]


def shown(arguments):
    """The command line without what is about this machine's paths."""
    kept = []
    words = iter(arguments)
    for word in words:
        if word in ('--build', '--output', '--reference'):
            next(words, None)
        elif '/' not in word:
            kept.append(word)
    return kept


class Report:
    def __init__(self, samples, notes, rounds, arguments):
        self.samples = samples
        self.notes = sorted(set(notes))
        self.rounds = rounds
        self.arguments = shown(arguments)
        self.cases = []
        for goal, case, _ in samples:
            if (goal, case) not in self.cases:
                self.cases.append((goal, case))

    def median(self, goal, case, side, part=0):
        values = [sample[part] for sample in
                  self.samples.get((goal, case, side), [])
                  if sample[part] is not None]
        return statistics.median(values) if values else None

    def unit(self, goal, case):
        return next(self.samples[(goal, case, side)][0][1] for side in SIDES
                    if (goal, case, side) in self.samples)

    def cell(self, goal, case, side):
        """ "median (lowest to highest)" of one side, or nothing."""
        values = [s[0] for s in self.samples.get((goal, case, side), [])]
        if not values:
            return ''
        middle = number(statistics.median(values))
        if len(values) == 1:
            return middle
        return f'{middle} ({number(min(values))} to {number(max(values))})'

    def times(self, goal, case, side):
        ours = self.median(goal, case, 'ours')
        other = self.median(goal, case, side)
        if ours is None or other is None or ours <= 0 or other <= 0:
            return ''
        return f'{better(self.unit(goal, case), ours, other):.3g}×'

    def rows(self, goal):
        for wanted, case in self.cases:
            if wanted == goal:
                yield [case, self.unit(goal, case),
                       self.cell(goal, case, 'ours'),
                       self.cell(goal, case, 'reference'),
                       self.times(goal, case, 'reference'),
                       self.cell(goal, case, 'limit'),
                       self.times(goal, case, 'limit')]

    def verdicts(self, goal):
        """(case, reached?, words) for each target that can be judged."""
        for target in TARGETS:
            if target.goal != goal or (goal, target.case) not in self.cases:
                continue
            side = {'cpu': 'reference', 'excess': 'limit'}.get(
                target.against, target.against)
            part = 2 if target.against == 'cpu' else 0
            ours = self.median(goal, target.case, 'ours', part)
            other = self.median(goal, target.case, side, part)
            if ours is None or (other is None and target.against != 'value'):
                continue
            unit = 's/line' if part else self.unit(goal, target.case)
            reached, words = judge(target, unit, ours, other)
            yield target.case, reached, words

    def text(self):
        for goal, title in TITLES.items():
            if not any(g == goal for g, _ in self.cases):
                continue
            yield f'{goal}: {title}'
            for case, unit, ours, theirs, times, limit, share in \
                    self.rows(goal):
                sides = [f'ours {ours} {unit}'] if ours else []
                for name, cell, ratio in (('reference', theirs, times),
                                          ('limit', limit, share)):
                    if cell:
                        sides.append(f'{name} {cell}'
                                     + (f', {ratio}' if ratio else ''))
                yield f'  {case:<34} ' + '; '.join(sides)
            for case, reached, words in self.verdicts(goal):
                yield f'  {"reached" if reached else "NOT YET"}: ' \
                    f'{case}: {words}'
        yield from self.notes

    def markdown(self):
        yield '# Benchmarks'
        yield ''
        yield 'Written by `./dev bench`; what the goals mean and how each ' \
            'is measured is in its `--help` and in bench/.'
        yield ''
        command = ' '.join(['./dev bench'] + self.arguments)
        yield f'`{command}`, {self.rounds} rounds. A cell is the median of ' \
            'the rounds, with the lowest and the highest; × says how many ' \
            'times better ours is than that side (less than 1: worse). The ' \
            'reference is the TypeScript runtime on Node, the limit a bare C ' \
            'yardstick of the same bytes or calls.'
        yield ''
        yield '| | |'
        yield '| --- | --- |'
        for what, value in machine():
            yield f'| {what} | {value} |'
        for note in self.notes:
            yield ''
            yield note
        for goal, title in TITLES.items():
            if not any(g == goal for g, _ in self.cases):
                continue
            yield ''
            yield f'## {goal}: {title}'
            yield ''
            yield '| case | unit | ours | reference | × | limit | × |'
            yield '| --- | --- | --- | --- | --- | --- | --- |'
            for row in self.rows(goal):
                yield '| ' + ' | '.join(row) + ' |'
            verdicts = list(self.verdicts(goal))
            if verdicts:
                yield ''
            for case, reached, words in verdicts:
                mark = 'reached' if reached else '**not yet**'
                yield f'- {mark}: {case}: {words}'
            if goal in CAUSES and not all(v[1] for v in verdicts):
                yield ''
                yield f'Why not: {CAUSES[goal]}'
