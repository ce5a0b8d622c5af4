#!/usr/bin/env python3
"""The player refuses what is no scenario: exit status 2 and a message.

    refusals.py PLAYER VECTOR

Takes a good scenario, spoils one thing at a time, and expects a refusal; a few
unusual but good ones must be played.
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

ABSENT = object()
RUN = ("steps", 0, "runs", 0)


def spoil(scenario, path, value):
    spoiled = copy.deepcopy(scenario)
    place = spoiled
    for part in path[:-1]:
        place = place[part]
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return spoiled


BAD = [
    (("clock_ms",), -1),
    (("clock_ms",), 1.5),
    (("clock_ms",), "now"),
    (("clock_ms",), 1e300),
    (("clock_ms",), ABSENT),
    (("config",), []),
    (("config",), ABSENT),
    (("config", "interval_ms"), 0),
    (("config", "interval_ms"), -5),
    (("config", "interval_ms"), 3e15),
    (("config", "interval_ms"), None),
    (("config", "max_messages_per_tick"), -1),
    (("config", "max_tasks_per_tick"), 0.5),
    (("config", "settle_delay_ms"), "1"),
    (("config", "settle_delay_ms"), ABSENT),
    (("context",), None),
    (("context", "controller_id"), 7),
    (("context", "host"), "h" * 2000),
    (("context", "term"), -1),
    (("context", "term"), 2**60),
    (("auto_start",), "yes"),
    (("log",), 1),
    (("gate",), ABSENT),
    (("gate", "state"), "maybe"),
    (("gate", "state"), ABSENT),
    (("gate", "delay_ms"), -3),
    (("gate", "message"), 5),
    (("steps",), {}),
    (("steps",), ABSENT),
    (("steps", 0), None),
    (("steps", 0, "op"), "jump"),
    (("steps", 0, "op"), ABSENT),
    (("steps", 0, "name"), ABSENT),
    (("steps", 0, "name"), None),
    (("steps", 0, "name"), "x" * 300),
    (("steps", 0, "name"), "a\nb"),
    (("steps", 0, "name"), "a\u0000b"),
    (("steps", 0, "name"), "timed-jobs.framework"),
    (("steps", 0, "runs"), ABSENT),
    (("steps", 0, "runs"), {}),
    (("steps", 0, "runs", 0), {}),
    ((*RUN, 0), 5),
    ((*RUN, 0), {}),
    ((*RUN, 0), {"sleep_ms": -1}),
    ((*RUN, 0), {"sleep_ms": "1"}),
    ((*RUN, 0), {"dance": True}),
    ((*RUN, 0), {"log": {}}),
    ((*RUN, 0), {"log": {"stage": 5}}),
    ((*RUN, 0), {"log": {"stage": "a", "details": []}}),
    ((*RUN, 0), {"log": {"stage": "a", "duration_ms": "1"}}),
    ((*RUN, 0), {"log_context": False}),
    ((*RUN, 0), {"fail": 1}),
    ((*RUN, 0), {"return": 1}),
    ((*RUN, 0), {"return": {"details": "x"}}),
    (("steps", -1), {"op": "advance"}),
    (("steps", -1), {"op": "advance", "ms": -1}),
    (("steps", -1), {"op": "advance", "ms": 1e17}),
    (("steps", -1), {"op": "gate"}),
    (("steps", -1), {"op": "gate", "gate": {"state": "open"}}),
]

GOOD = [
    (("auto_start",), ABSENT),
    (("log",), ABSENT),
    (("steps",), []),
    (("context", "term"), 0),
    (("steps", 0, "runs"), []),
    (("steps", 0, "runs"), [[]]),
    ((*RUN, 0), {"return": None}),
    ((*RUN, 0), {"return": {"result": None, "details": None}}),
    ((*RUN, 0), {"fail": ""}),
    ((*RUN, 0), {"sleep_ms": 0}),
    (("gate", "delay_ms"), 0),
    (("gate", "message"), None),
    (("steps", -1), {"op": "advance", "ms": 0}),
]

JUNK = [b"", b"\x00\xff\xfe", b"[]", b"null", b"{", b'{"scenario":5}', b"[" * 100000,
        b'{"steps":[],"steps":[]}']


class Checker:
    def __init__(self, player):
        self.player = player
        self.wrong = 0
        self.count = 0

    def play(self, data):
        with tempfile.NamedTemporaryFile(suffix=".json", delete=False) as file:
            file.write(data)
        done = subprocess.run([self.player, file.name], capture_output=True, check=False)
        os.unlink(file.name)
        return done

    def expect(self, data, status, what):
        done = self.play(data)
        self.count += 1
        if done.returncode != status or (status == 2 and not done.stderr):
            self.wrong += 1
            print(f"{what}: exit {done.returncode}, {done.stderr.decode(errors='replace')}")


def main():
    checker = Checker(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        scenario = json.load(file)["scenario"]
    for cases, status in ((BAD, 2), (GOOD, 0)):
        for path, value in cases:
            data = json.dumps(spoil(scenario, path, value)).encode()
            checker.expect(data, status, f"{path} = {str(value)[:40]}")
    for data in JUNK:
        checker.expect(data, 2, repr(data[:20]))
    missing = subprocess.run([sys.argv[1], "/nonexistent/file"], capture_output=True, check=False)
    if missing.returncode != 2:
        checker.wrong += 1
        print("a missing file is not refused")
    print(f"{checker.count} files, {checker.wrong} of them taken wrongly")
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
