"""Two or more real daemons on one machine, and what they and their commands
left behind. Standard library only."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BIN = os.environ["TIMED_JOBS_BIN"]
WARDEN = os.environ["TIMED_JOBS_WARDEN"]
WITNESS = os.environ["TIMED_JOBS_WITNESS"]
# Sanitizers and busy machines stretch time; a bound is never part of a pass
# on a slow machine, so it can be stretched with them.
SLOW = float(os.environ.get("TIMED_JOBS_SLOW", "1"))


class Failure(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failure(what)


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Daemon:
    """One `timed-jobs run`, its JSON lines read by a thread."""

    def __init__(self, name, config, *arguments, env=None, **more):
        self.name = name
        self.events = []
        self.ended = None
        self._queue = queue.Queue()
        self.process = subprocess.Popen(
            [BIN, "run", config, "--host", name, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(env or {})}, **more)
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "text", "message": line.rstrip("\n")}
            event["seen_ns"] = boot_ns()
            self._queue.put(event)
        self._queue.put(None)

    def wait_for(self, event, seconds=10.0, where=lambda e: True):
        """Wait for the next event of that kind, keeping all in between."""
        deadline = time.monotonic() + seconds * SLOW
        while True:
            left = deadline - time.monotonic()
            try:
                found = self._queue.get(timeout=max(left, 0.001))
            except queue.Empty:
                found = False
            if found is None:
                self._queue.put(None)
                raise Failure(f"{self.name} ended before '{event}':\n"
                              + self.story())
            if found is False:
                raise Failure(f"{self.name}: no '{event}' within {seconds} s:\n"
                              + self.story())
            self.events.append(found)
            if found["event"] == event and where(found):
                return found

    def drain_events(self):
        while True:
            try:
                found = self._queue.get_nowait()
            except queue.Empty:
                return self.events
            if found is None:
                self._queue.put(None)
                return self.events
            self.events.append(found)

    def story(self):
        self.drain_events()
        return "\n".join(json.dumps(e) for e in self.events[-40:])

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds=10.0):
        """Wait for the process's end; returns its status as Popen has it."""
        try:
            status = self.process.wait(timeout=seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} does not end:\n" + self.story())
        self._reader.join(5)
        return status

    def alive(self):
        return self.process.poll() is None

    def end(self):
        """Whatever happened: leave nothing behind."""
        if self.process.poll() is None:
            try:
                self.signal(signal.SIGCONT)
                self.signal(signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        # Its warden and what that still runs hold the other end.
        self._reader.join(10 * SLOW)


def witness_lines(path):
    """[(ns, term, pid, role, what)] of every whole line."""
    lines = []
    try:
        text = open(path).read()
    except FileNotFoundError:
        return lines
    for line in text.split("\n")[:-1]:
        ns, term, pid, role, what = line.split(" ")
        lines.append((int(ns), int(term), int(pid), role, what))
    return lines


def check_terms_never_overlap(lines):
    """E1: nothing of a lower term happens after something of a higher one."""
    last, first = {}, {}
    for ns, term, pid, role, what in lines:
        last[term] = max(last.get(term, 0), ns)
        first[term] = min(first.get(term, 1 << 62), ns)
    terms = sorted(first)
    for lower, higher in zip(terms, terms[1:]):
        check(last[lower] < first[higher],
              f"term {lower} was still at work "
              f"{(last[lower] - first[higher]) / 1e6:.1f} ms after the first "
              f"act of term {higher}")


def pid_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        check(time.monotonic() < deadline, f"not within {seconds} s: {what}")
        time.sleep(0.002)


class Fleet:
    """A folder with a configuration that several daemons share."""

    def __init__(self, config):
        self.dir = tempfile.mkdtemp(prefix="tj-fleet-")
        self.witness = os.path.join(self.dir, "witness")
        self.config = os.path.join(self.dir, "jobs.yaml")
        with open(self.config, "w") as file:
            file.write(config.format(dir=self.dir, witness=WITNESS,
                                     file=self.witness))
        self.daemons = []

    def start(self, name, *arguments, env=None, **more):
        daemon = Daemon(name, self.config, "--state", f"{self.dir}/{name}",
                        "--socket", f"{self.dir}/{name}.sock", *arguments,
                        env={"TIMED_JOBS_WARDEN": WARDEN, **(env or {})},
                        **more)
        self.daemons.append(daemon)
        return daemon

    def socket(self, name):
        return f"{self.dir}/{name}.sock"

    def lines(self):
        return witness_lines(self.witness)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for daemon in self.daemons:
            daemon.end()
        self._remove(kind)
        for daemon in self.daemons if not kind else []:
            # A sanitizer's report, an assertion: nothing but events is said.
            noise = [e for e in daemon.drain_events() if e["event"] == "text"]
            check(not noise, f"{daemon.name} said: {noise}")

    def _remove(self, kind):
        if kind and os.environ.get("TIMED_JOBS_KEEP"):
            print(f"kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def main(tests):
    """Run the tests that are named on the command line, or all."""
    names = sys.argv[1:] or [test.__name__ for test in tests]
    failed = 0
    for test in tests:
        if test.__name__ not in names:
            continue
        try:
            note = test()
            print(f"ok   {test.__name__}" + (f": {note}" if note else ""))
        except Failure as failure:
            failed += 1
            print(f"FAIL {test.__name__}: {failure}")
        sys.stdout.flush()
    sys.exit(1 if failed or not names else 0)
