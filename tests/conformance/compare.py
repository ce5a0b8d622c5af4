#!/usr/bin/env python3
"""Plays scenarios and compares their outcomes with the recorded ones.

    compare.py PLAYER VECTOR...

Each VECTOR holds {"scenario": ..., "outcome": ...}. Two outcomes agree as
README.md says: results, names, state and files equal; every line of every file
equal as parsed JSON, the seven base keys first and in their order.
"""
import json
import subprocess
import sys

BASE_KEYS = ["batch_id", "duration_ms", "error", "result", "runner", "stage", "ts"]


def difference(ours, recorded):
    """Says where the two part, or returns None."""
    for key in ("results", "registered", "started"):
        if ours.get(key) != recorded.get(key):
            return f"{key}:\n  ours     {ours.get(key)}\n  recorded {recorded.get(key)}"
    if set(ours["logs"]) != set(recorded["logs"]):
        return f"files: ours {sorted(ours['logs'])}, recorded {sorted(recorded['logs'])}"
    for name in sorted(recorded["logs"]):
        left, right = ours["logs"][name], recorded["logs"][name]
        for number, (a, b) in enumerate(zip(left, right), 1):
            keys = list(json.loads(a))
            if json.loads(a) != json.loads(b) or keys[:7] != BASE_KEYS:
                return f"{name}:{number}:\n  ours     {a}\n  recorded {b}"
        if len(left) != len(right):
            return f"{name}: ours has {len(left)} lines, recorded {len(right)}"
    return None


def play(player, path):
    done = subprocess.run([player, path], capture_output=True, check=False)
    if done.returncode != 0:
        return None, f"exit {done.returncode}: {done.stderr.decode(errors='replace')}"
    return json.loads(done.stdout), None


def main():
    player, vectors = sys.argv[1], sys.argv[2:]
    agreed = 0
    for path in vectors:
        with open(path, encoding="utf-8") as file:
            vector = json.load(file)
        ours, problem = play(player, path)
        problem = problem or difference(ours, vector["outcome"])
        if problem:
            print(f"{path}: {problem}")
        else:
            agreed += 1
    print(f"{agreed} of {len(vectors)} scenarios agree")
    return 0 if vectors and agreed == len(vectors) else 1


if __name__ == "__main__":
    sys.exit(main())
