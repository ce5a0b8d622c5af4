"""The goals, in numbers: what each case is held against.

A goal's case is measured for up to three sides: `ours`, `reference` (the
TypeScript runtime on Node) and `limit` (a bare C yardstick). A Target says how
many times better than the reference, or what share of the limit, or what
plain number is wanted.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    goal: str
    case: str
    against: str  # 'reference', 'limit', 'cpu' (reference's), or 'value'
    bound: float  # ratio; for 'value' the number in the case's unit
    # Ratios say how many times better than the other side ours is.


TITLES = {
    'G1': 'no-op runners, manual ticks, log off',
    'G2': '10 runners, log on tmpfs, until the end of stop',
    'G3': "the same, every tick's lines with the kernel before the next tick",
    'G4': 'the same on a disk, fdatasync every 100 ms',
    'G5': 'ticks outrun the writer: peak resident memory',
    'G6': 'interval of 10 ms for 20 s',
    'G8': 'idle CPU with one job at 1 Hz',
    'G9': 'start to first tick at 1 ms',
    'G10': 'resident after 5 s idle with one job at 1 Hz',
    'G19': 'the gate: a lease in SQLite, renewed on its own schedule',
}

# Goals whose one round takes minutes: --slow-rounds may have fewer of them.
SLOW = ('G6', 'G8')

# Why a goal that is not reached is not, as far as it is known.
CAUSES = {
    'G2': 'making a line takes 33 ns, a third of what the bare write of it'
          ' does; both together are what is measured, the queue between them'
          ' adds next to nothing. Fresh pages of tmpfs in a virtual machine'
          ' cost up to eight times as much as used ones, which makes the'
          ' elapsed time of both sides jump.',
    'G3': 'a tick of 22 lines is one write of 5,346 bytes, which costs more a'
          ' line than whole pages of 4 KiB do; with making the lines that'
          ' bounds the share at about 0.7.',
    'G4': 'the writer waits for its own fdatasync and does not write'
          ' meanwhile.',
    'G8': 'bare libuv alone takes 1.1 to 1.4 times what the timerfd loop does:'
          ' what is paid for is the cold code of a wake-up, not system calls'
          ' (two a tick). With a log a second thread wakes, too.',
    'G9': 'the daemon is measured to the end of its first tick, so that ten'
          ' commands have been started on one CPU by then; it leads about 5 ms'
          ' after its start, half of which are the dynamic linker and SQLite.',
    'G10': 'a bare libuv program is above the plain number already.',
    'G19': 'ten looks at the coarse clock, one before each runner, are most of'
           ' the difference; a tick without a log is so short that any look'
           ' shows. The renewal is one transaction of SQLite with its journal,'
           ' and so is the yardstick.',
}

# Where a higher number is the better one.
RATES = {'ticks/s', 'lines/s'}

TARGETS = [
    Target('G1', '1 runners', 'reference', 80),
    Target('G1', '10 runners', 'reference', 180),
    Target('G1', '100 runners', 'reference', 180),
    Target('G1', '1000 runners', 'reference', 180),
    Target('G1', '1 runners', 'limit', 0.8),
    Target('G1', '10 runners', 'limit', 0.8),
    Target('G1', '100 runners', 'limit', 0.8),
    Target('G1', '1000 runners', 'limit', 0.8),
    Target('G2', '10 runners', 'reference', 300),
    Target('G2', '10 runners', 'cpu', 300),
    Target('G2', '10 runners', 'limit', 0.75),
    Target('G3', '10 runners', 'reference', 200),
    Target('G3', '10 runners', 'limit', 0.75),
    Target('G4', '10 runners', 'reference', 150),
    Target('G4', '10 runners', 'limit', 0.65),
    Target('G5', '300000 lines', 'value', 8),
    Target('G5', '3500000 lines', 'value', 8),
    Target('G5', '20000000 lines', 'value', 8),
    Target('G8', 'library, no log', 'value', 0.15),
    Target('G8', 'library, log', 'value', 0.20),
    Target('G8', 'library, no log', 'limit', 1 / 1.3),
    Target('G8', 'library, log', 'limit', 1 / 1.3),
    Target('G9', 'library', 'reference', 35),
    Target('G9', 'daemon, 10 jobs', 'reference', 20),
    Target('G9', 'library', 'excess', 0.7),
    Target('G10', 'library', 'value', 1.6),
    Target('G10', 'library', 'limit', 1 / 1.1),
    Target('G10', 'daemon and warden', 'value', 5),
    Target('G19', 'tick of 10 runners behind the lease, log off', 'limit',
           1 / 1.05),
    Target('G19', 'tick of 10 runners behind the lease, log discarded',
           'limit', 1 / 1.05),
    Target('G19', 'renewal, CPU', 'limit', 1 / 1.2),
    Target('G19', 'renewal, CPU', 'value', 18),
] + [
    target for load in ('idle', 'one core loaded', 'both cores loaded')
    for target in (
        Target('G6', f'{load}: ticks lost', 'value', 0),
        Target('G6', f'{load}: drift a tick', 'value', 1),
        Target('G6', f'{load}: gap error p50', 'reference', 20),
        Target('G6', f'{load}: gap error p50', 'value', 100),
        Target('G6', f'{load}: gap error p99', 'limit', 1 / 1.5),
    )
]


def better(unit, ours, other):
    """How many times better ours is than the other."""
    if unit in RATES:
        return ours / other if other else float('inf')
    return other / ours if ours else float('inf')


def judge(target, unit, ours, other):
    """Return (whether the target is reached, what was reached, in words)."""
    if target.against == 'value':
        return abs(ours) <= target.bound, f'≤ {target.bound:g} {unit}'
    if target.against == 'excess':
        excess = ours - other
        return excess <= target.bound, \
            f'{excess:+.2f} {unit} over the limit, ≤ {target.bound:+g} wanted'
    ratio = better(unit, ours, other)
    side = {'cpu': "the reference, CPU a line"}.get(
        target.against, f'the {target.against}')
    return ratio >= target.bound, \
        f'{ratio:.3g}× of {side}, ≥ {target.bound:.3g}× wanted'
