#!/usr/bin/env python3
"""Measure the goals, the reference beside us, and write docs/benchmarks.md.

Each round measures ours, then the reference, then ours ... (A B A B), so that
a machine that grows slower or faster meanwhile does so for both. What is
reported is the median of the rounds, with the lowest and the highest beside
it; a ratio is one of medians. Where one thread does the work both sides are
pinned to the same CPU.

`./dev bench` builds what this needs and calls it.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from goals import SLOW, TITLES
from report import Report
from watch import Program, watch_idle

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = '../shared/reference/000_647659ffa14bce07.txt'
PLAYER = str(ROOT / 'bench/reference/run.mjs')


def say(text):
    print(f'bench: {text}', file=sys.stderr, flush=True)


def run_lines(command, **options):
    """Run a benchmark; return the JSON lines that it printed."""
    done = subprocess.run(command, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)}: exit status '
                           f'{done.returncode}\n{done.stderr}')
    return [json.loads(line) for line in done.stdout.splitlines()
            if line.startswith('{')]


class Bench:
    def __init__(self, arguments):
        self.quick = arguments.quick
        self.rounds = arguments.rounds or (1 if self.quick else 5)
        self.slow_rounds = arguments.slow_rounds or self.rounds
        self.build = pathlib.Path(arguments.build).resolve()
        self.cpu = min(os.sched_getaffinity(0))
        self.pin = ['taskset', '-c', str(self.cpu)]
        self.samples = {}  # (goal, case, side) -> [(value, unit, cpu a unit)]
        self.notes = []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix='timed-jobs-bench-'))
        self.tmpfs = pathlib.Path(tempfile.mkdtemp(
            prefix='timed-jobs-bench-', dir='/dev/shm'))
        self.reference = self.prepare_reference(arguments.reference)

    def close(self):
        shutil.rmtree(self.work)
        shutil.rmtree(self.tmpfs)

    def note(self, text):
        say(text)
        self.notes.append(text)

    def prepare_reference(self, listing):
        listing = ROOT / listing
        if not shutil.which('node'):
            self.note('node is not installed: ours is measured alone')
            return None
        if not listing.is_file():
            self.note('the reference\'s listing is not there (--reference):'
                      ' ours is measured alone')
            return None
        target = str(self.work / 'reference.mjs')
        subprocess.run(['node', PLAYER, 'emit', str(listing), target],
                       check=True)
        return target

    # ---- taking samples ----------------------------------------------------

    def add(self, side, sample):
        n = sample.get('n')
        cpu = sample.get('cpu_s')
        # Some benchmarks measure ours and the limit in one go.
        values = [(side, sample['value'])] if 'value' in sample else \
            [(s, sample[s]) for s in ('ours', 'limit') if s in sample]
        for name, value in values:
            key = (sample['goal'], sample['case'], sample.get('side', name))
            self.samples.setdefault(key, []).append(
                (value, sample['unit'], cpu / n if cpu and n else None))

    def ours(self, program, goal, *options, pinned=True):
        """Run one of our benchmark programs for one goal."""
        path = self.build / 'bench' / program
        if not path.exists():
            self.note(f'{goal}: {program} is not built')
            return
        command = (self.pin if pinned else []) + [str(path), goal, *options]
        for sample in run_lines(command):
            if sample['goal'] == goal:
                self.add('ours', sample)

    def theirs(self, goal, *options, pinned=True):
        if not self.reference:
            return
        command = (self.pin if pinned else []) + \
            ['node', PLAYER, goal, self.reference, *options]
        for sample in run_lines(command):
            self.add('reference', sample)

    def fresh(self, base):
        return tempfile.mkdtemp(dir=base)

    # ---- the goals ---------------------------------------------------------

    def g1(self):
        seconds = '0.3' if self.quick else '2'
        self.ours('bench-ticks', 'G1')
        for runners in (1, 10, 100, 1000):
            self.theirs('G1', '--runners', str(runners), '--seconds', seconds)

    def log_goal(self, goal, base):
        """Ours and the limit write thirty times as much as the reference,
        and still take less time."""
        lines = 22000 if self.quick else 66000
        folders = {side: self.fresh(base)
                   for side in ('ours', 'limit', 'reference')}
        for side in ('ours', 'limit'):
            self.ours('bench-lines', goal, '--side', side, '--dir',
                      folders[side], '--lines', str(lines * 30))
        self.theirs(goal, '--dir', folders['reference'], '--lines',
                    str(lines))
        if goal == 'G2' and self.reference:
            self.compare_logs(folders['ours'], folders['reference'], lines)
        for folder in folders.values():
            shutil.rmtree(folder)

    def compare_logs(self, ours, theirs, n_lines):
        """Are the bytes the same, but for the times?"""
        def masked(folder):
            files = sorted(pathlib.Path(folder).glob('*.jsonl'))
            lines = itertools.chain.from_iterable(map(open, files))
            for line in itertools.islice(lines, n_lines):
                line = re.sub(r'timed-jobs-\d+-', 'timed-jobs-MS-', line)
                line = re.sub(r'"ts":"[^"]*"', '"ts":TIME', line)
                yield re.sub(r'"duration_ms":\d+', '"duration_ms":MS', line)

        for number, (a, b) in enumerate(zip(masked(ours), masked(theirs)), 1):
            if a != b:
                raise RuntimeError(f'G2: line {number} differs from the'
                                   f' reference\'s:\n{a}{b}')
        self.note(f'G2: {n_lines:,} lines are equal to the reference\'s, byte'
                  ' for byte, after masking times.')

    def g2(self):
        self.log_goal('G2', self.tmpfs)

    def g3(self):
        self.log_goal('G3', self.tmpfs)

    def g4(self):
        self.log_goal('G4', self.work)

    def g5(self):
        sizes = [300000] if self.quick else [300000, 3500000, 20000000]
        for lines in sizes:
            folder = self.fresh(self.tmpfs)
            self.ours('bench-lines', 'G5', '--dir', folder, '--lines',
                      str(lines))
            self.check_order(folder, lines)
            shutil.rmtree(folder)
        folder = self.fresh(self.tmpfs)
        # 3.5 million lines run the reference out of memory.
        self.theirs('G5', '--dir', folder, '--lines', '300000')
        shutil.rmtree(folder)

    def check_order(self, folder, n_lines):
        """Every line is there, and no batch before an earlier one."""
        ticks = -(-n_lines // 22)
        program = '{ split($4, id, "-"); if (id[4] + 0 < last) bad++;' \
            ' last = id[4] + 0 } END { print NR, bad + 0 }'
        files = sorted(map(str, pathlib.Path(folder).glob('*.jsonl')))
        done = subprocess.run(['awk', '-F', '"', program, *files], check=True,
                              capture_output=True, text=True)
        if done.stdout.split() != [str(ticks * 22 + 2), '0']:
            raise RuntimeError(f'G5: lines, out of order: {done.stdout}')
        self.note('G5: every line was there, and in order.')

    def g6(self):
        seconds = '2' if self.quick else '20'
        cpus = sorted(os.sched_getaffinity(0))
        for name, n_loads in (('idle', 0), ('one core loaded', 1),
                              ('both cores loaded', len(cpus))):
            burners = [subprocess.Popen(
                ['taskset', '-c', str(cpu), 'sh', '-c', 'while :; do :; done'])
                for cpu in cpus[len(cpus) - n_loads:]]
            try:
                for side in ('ours', 'limit'):
                    self.ours('bench-interval', 'G6', '--seconds', seconds,
                              '--case', name, '--side', side, pinned=False)
                self.theirs('G6', '--seconds', seconds, '--case', name,
                            pinned=False)
            finally:
                for burner in burners:
                    burner.kill()
                    burner.wait()

    def idle_programs(self, interval_ms):
        """{(goal case, side): Program} of everything that ticks and waits."""
        def program(name, *arguments):
            path = str(self.build / 'bench' / name)
            return Program([path, str(interval_ms), *arguments], self.cpu)

        programs = {
            ('library, no log', 'ours'): program('idle-library'),
            ('library, log', 'ours'):
                program('idle-library', self.fresh(self.tmpfs)),
            ('library, no log', 'limit'): program('idle-timerfd'),
            ('library, log', 'limit'):
                program('idle-timerfd', self.fresh(self.tmpfs)),
            ('bare libuv', 'limit'): program('idle-uv'),
        }
        if self.reference:
            for case, options in (
                    ('library, no log', []),
                    ('library, log', ['--dir', self.fresh(self.tmpfs)])):
                programs[(case, 'reference')] = Program(
                    ['node', PLAYER, 'idle', self.reference, '--interval',
                     str(interval_ms), *options], self.cpu)
        return programs

    def daemon(self, n_jobs, interval_ms):
        """A daemon with its own configuration and state, or None."""
        binary = self.build / 'timed-jobs'
        if not binary.exists():
            return None
        state = pathlib.Path(self.fresh(self.tmpfs))
        config = state / 'bench.yaml'
        jobs = ''.join(f'  job-{i}: {{every: {interval_ms}ms,'
                       f' command: [/bin/true]}}\n' for i in range(n_jobs))
        config.write_text(f'state: {state}\njobs:\n{jobs}')
        return Program([str(binary), 'run', str(config)], self.cpu)

    def g8(self):
        self.watch('G8')

    def g10(self):
        self.watch('G10')

    def watch(self, goal):
        """G8 and G10 in one: all programs side by side, doing nothing."""
        if goal == 'G10' and any(key[0] == 'G8' for key in self.samples):
            return  # the same watch has answered both
        programs = self.idle_programs(1000)
        daemon = self.daemon(1, 1000)
        if daemon:
            programs[('daemon and warden, log', 'ours')] = daemon
        seen = watch_idle(programs, 5, 10 if self.quick else 60)
        for (case, side), (cpu, memory) in seen.items():
            if case != 'bare libuv':
                self.add(side, {'goal': 'G8', 'case': case, 'value': cpu,
                                'unit': 's/h'})
            name = {'library, log': 'library', 'bare libuv': 'library',
                    'daemon and warden, log': 'daemon and warden'}.get(case)
            if name and (case, side) != ('library, log', 'limit'):
                self.add(side, {'goal': 'G10', 'case': name, 'value': memory,
                                'unit': 'MB'})

    def g9(self):
        for _ in range(1 if self.quick else 5):
            for (case, side), program in self.idle_programs(1).items():
                if case == 'library, no log':
                    self.first_tick(side, 'library', program, 'tick')
            daemon = self.daemon(10, 1)
            if daemon:
                self.first_tick('ours', 'daemon, 10 jobs', daemon,
                                '"event":"tick"')

    def first_tick(self, side, case, program, text):
        ruler = str(self.build / 'bench/first-tick')
        path = shutil.which(program.command[0])
        done = subprocess.run(
            self.pin + [ruler, text, path] + program.command[1:],
            capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        sample = {'goal': 'G9', 'case': case, 'unit': 'ms',
                  'value': float(done.stdout)}
        self.add(side, sample)
        if side == 'reference':  # the daemon is held against it too
            self.add(side, {**sample, 'case': 'daemon, 10 jobs'})

    def g19(self):
        for sample in run_lines(
                self.pin + [str(self.build / 'bench/bench-lease'),
                            str(self.tmpfs)]):
            self.add('ours', sample)

    def warm_up(self):
        """Let the machine have touched the memory that tmpfs will take: a
        virtual machine gets it from its host page by page, at first use."""
        path = self.tmpfs / 'warm-up'
        with path.open('wb') as file:
            for _ in range(600):
                file.write(bytes(1 << 20))
        path.unlink()

    def run(self, goals):
        self.warm_up()
        for round_number in range(1, self.rounds + 1):
            for goal in goals:
                if goal in SLOW and round_number > self.slow_rounds:
                    continue
                say(f'round {round_number} of {self.rounds}: {goal},'
                    f' {TITLES[goal]}')
                getattr(self, goal.lower())()


def main():
    parser = argparse.ArgumentParser(prog='./dev bench')
    parser.add_argument('--build', required=True, help=argparse.SUPPRESS)
    parser.add_argument('--quick', action='store_true',
                        help='one short round, to see that all of it works')
    parser.add_argument('--rounds', type=int, help='default 5')
    parser.add_argument('--slow-rounds', type=int, metavar='ROUNDS',
                        help='rounds of ' + ' and '.join(SLOW) + ', which take'
                        ' minutes each; default as many as of the others')
    parser.add_argument('--reference', default=REFERENCE, metavar='LISTING',
                        help='the listing of the reference runtime')
    parser.add_argument('--output', metavar='FILE',
                        help='write the report there; the default is'
                        ' docs/benchmarks.md when all goals are measured in'
                        ' full, else nowhere')
    parser.add_argument('goals', nargs='*', metavar='GOAL',
                        help='G1, G2, ...; default all')
    arguments = parser.parse_args()
    goals = [goal.upper() for goal in arguments.goals] or list(TITLES)
    unknown = [goal for goal in goals if goal not in TITLES]
    if unknown:
        parser.error(f'unknown goal {unknown[0]}; there are '
                     + ', '.join(TITLES))

    bench = Bench(arguments)
    try:
        bench.run(goals)
    finally:
        bench.close()
    report = Report(bench.samples, bench.notes, bench.rounds, sys.argv[1:])
    print('\n'.join(report.text()))
    output = arguments.output
    if not output and not arguments.quick and goals == list(TITLES):
        output = ROOT / 'docs/benchmarks.md'
    if output:
        pathlib.Path(output).parent.mkdir(exist_ok=True)
        pathlib.Path(output).write_text('\n'.join(report.markdown()) + '\n')
        say(f'written: {output}')
    return 0 if bench.samples else 1


if __name__ == '__main__':
    sys.exit(main())
