"""Watch programs from outside: their memory and their CPU time.

Used for the programs that tick and otherwise do nothing (G8, G10): ours, the
reference, and the yardsticks alike, so that one ruler measures all.
"""

import os
import pathlib
import signal
import subprocess
import time


def family(pid):
    """The process and its descendants (a daemon's warden counts)."""
    pids = [pid]
    for parent in pids:
        for task in pathlib.Path(f'/proc/{parent}/task').glob('*/children'):
            pids += [int(child) for child in task.read_text().split()]
    return pids


def cpu_seconds(pid):
    """CPU time of the family so far. schedstat counts nanoseconds; the clock
    ticks of /proc/PID/stat would be coarser than what is measured here."""
    total = 0
    for member in family(pid):
        for task in pathlib.Path(f'/proc/{member}/task').glob('*/schedstat'):
            try:
                total += int(task.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return total / 1e9


def resident_mb(pid):
    """Resident memory of the family, in MB of 10^6 bytes."""
    total = 0
    for member in family(pid):
        folder = pathlib.Path(f'/proc/{member}')
        try:
            report = (folder / 'smaps_rollup').read_text()
            total += int(report.split('Rss:')[1].split()[0]) * 1024
        except PermissionError:
            # The daemon can't be looked into but by root; the kernel's own
            # count is a few pages off.
            pages = int((folder / 'statm').read_text().split()[1])
            total += pages * os.sysconf('SC_PAGE_SIZE')
    return total / 1e6


class Program:
    """One program under watch, on one CPU; ended with SIGTERM, then with
    SIGKILL."""

    def __init__(self, command, cpu):
        self.command = command
        self.cpu = cpu

    def __enter__(self):
        # The child inherits the CPU.
        usable = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.cpu})
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        os.sched_setaffinity(0, usable)
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def drain(self):
        """Throw away what it has printed, so that it never waits for us."""
        os.set_blocking(self.process.stdout.fileno(), False)
        try:
            while self.process.stdout.read(65536):
                pass
        except BlockingIOError:
            pass


def watch_idle(programs, settle_s, seconds):
    """Run programs side by side and watch them doing next to nothing. They
    are told apart by name; return {name: (CPU seconds per hour, MB)}."""
    running = {name: program.__enter__() for name, program in
               programs.items()}
    try:
        time.sleep(settle_s)
        memory = {n: resident_mb(p.pid) for n, p in running.items()}
        before = {n: cpu_seconds(p.pid) for n, p in running.items()}
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            time.sleep(1)
            for program in running.values():
                program.drain()
        passed = time.monotonic() - started
        return {n: ((cpu_seconds(p.pid) - before[n]) / passed * 3600,
                    memory[n]) for n, p in running.items()}
    finally:
        for program in running.values():
            program.__exit__()
