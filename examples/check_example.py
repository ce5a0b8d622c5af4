#!/usr/bin/env python3
"""Runs an example with a log directory and looks at what it said and wrote.

    check_example.py PROGRAM NAME
"""
import glob
import json
import re
import subprocess
import sys
import tempfile

OUTPUT = {
    "embed_minimal": r"(count: tick (\d) \(timed-jobs-\d+-\d+\)\n){3}",
    "foreign_loop": r"(work: run \d\n){3}own work: went on\n",
}
# (runner, stage, result) of each line, in order
TICK = {
    "embed_minimal": [
        ("timed-jobs.framework", "tick_started", "running"),
        ("count", "runner_started", "running"),
        ("count", "runner_completed", "ok"),
        ("wonder", "runner_started", "running"),
        ("wonder", "runner_completed", "answered"),
        ("timed-jobs.framework", "tick_completed", "scheduled"),
    ],
    "foreign_loop": [
        ("foreign.framework", "tick_started", "running"),
        ("work", "runner_started", "running"),
        ("work", "runner_completed", "ok"),
        ("foreign.framework", "tick_completed", "scheduled"),
    ],
}


def main():
    program, name = sys.argv[1], sys.argv[2]
    framework = TICK[name][0][0]
    expected = [
        (framework, "started", "loop_enabled"),
        *(TICK[name] * 3),
        (framework, "stopped", "stopped"),
    ]
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [program, directory], capture_output=True, text=True, timeout=20, check=True
        )
        lines = []
        for path in sorted(glob.glob(directory + "/*.jsonl")):
            with open(path, encoding="utf-8") as file:
                lines += [json.loads(line) for line in file]
    assert re.fullmatch(OUTPUT[name], done.stdout), done.stdout
    stages = [(line["runner"], line["stage"], line["result"]) for line in lines]
    assert stages == expected, stages
    print(f"{len(lines)} lines as they should be")


if __name__ == "__main__":
    main()
