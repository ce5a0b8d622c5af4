"""The daemon and its command line as an operator meets them: real processes,
a real socket, real signals, real trouble with disks."""

import json
import os
import signal
import socket
import subprocess
import time

from fleet import (BIN, Failure, Fleet, check, main, pid_alive, wait_until,
                   SLOW)

BASE = """
lease:
  backend: sqlite:{dir}/lease.db
  duration: 3s
log: {{dir: log}}
stop: {{drain: 20s}}
jobs:
"""
QUICK = BASE + """
  quick:
    every: 100ms
    command: ["true"]
  slow:
    every: 1h
    runners:
      - {{name: slow, shell: "echo $$ > {dir}/slow.pid; sleep 600"}}
  flaky:
    every: 1h
    runners:
      - {{name: bad, shell: "seq 1 5000 >&2; echo oh no >&2; exit 3"}}
      - name: good
        shell: |
          printf '{{"stage":"step","details":{{"n":1}}}}\\n' >&$TIMED_JOBS_RESULT_FD
          printf '{{"result":"fine","details":{{"term":%s}}}}\\n' $TIMED_JOBS_TERM >&$TIMED_JOBS_RESULT_FD
"""


def cli(fleet, *arguments, name="host-0", seconds=20):
    """Run a command; returns (exit status, standard output, errors)."""
    done = subprocess.run([BIN, *arguments, "--socket", fleet.socket(name)],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=seconds * SLOW)
    return done.returncode, done.stdout, done.stderr


def cli_json(fleet, *arguments, name="host-0", status=0):
    code, out, err = cli(fleet, *arguments, "--json", name=name)
    check(code == status, f"{arguments}: exit {code}, not {status}: {out}{err}")
    return json.loads(out)


def log_lines(fleet, name="host-0"):
    """Every line of every day file, parsed: a torn line fails here."""
    folder = f"{fleet.dir}/{name}/log"
    lines = []
    for day in sorted(os.listdir(folder)):
        for line in open(f"{folder}/{day}"):
            check(line.endswith("\n"), f"unfinished line: {line!r}")
            lines.append(json.loads(line))
    return lines


def leader(fleet, env=None):
    daemon = fleet.start("host-0", env=env)
    daemon.wait_for("leading")
    return daemon


def test_every_command_answers_with_its_exit_code():
    """The first five minutes: look, tick, pause, resume, step down, stop."""
    with Fleet(QUICK) as fleet:
        daemon = leader(fleet)
        daemon.wait_for("tick", where=lambda e: e["job"] == "quick"
                        and e["decision"] == "scheduled")
        status = cli_json(fleet, "status")
        check(status["lease"]["role"] == "leader", f"{status}")
        check(status["pid"] == daemon.pid, f"{status}")
        jobs = {job["name"]: job for job in cli_json(fleet, "jobs")["jobs"]}
        check(list(jobs) == ["quick", "slow", "flaky"], f"{list(jobs)}")
        check(jobs["quick"]["every_ms"] == 100, f"{jobs['quick']}")
        lease = cli_json(fleet, "lease")
        check(lease["term"] >= 1 and lease["holder_host"] == "host-0", f"{lease}")

        tick = cli_json(fleet, "tick", "quick")
        check(tick["decision"] in ("scheduled", "skipped_busy"), f"{tick}")
        tick = cli_json(fleet, "tick", "flaky", status=1)
        check(tick["n_failed"] == 1 and tick["n_ok"] == 1, f"{tick}")
        check(cli(fleet, "tick", "nothing")[0] == 2, "unknown job")

        cli_json(fleet, "pause", "--why", "maintenance", "--for", "1h")
        status = cli_json(fleet, "status")
        check(status["pause"]["why"] == "maintenance", f"{status}")
        tick = cli_json(fleet, "tick", "flaky", status=4)
        check(tick["decision"] == "skipped_system_paused", f"{tick}")
        check(cli_json(fleet, "resume")["resumed"] is True, "resume")
        cli_json(fleet, "tick", "flaky", status=1)

        down = cli_json(fleet, "step-down")
        check(down["stepped_down"] is True, f"{down}")
        check(cli(fleet, "step-down")[0] == 4, "stepped down twice")
        again = daemon.wait_for("leading", seconds=20)
        check(again["term"] > lease["term"], f"{again} after {lease}")

        code, out, err = cli(fleet, "logs", "-n", "5", "--json")
        check(code == 0 and len(out.splitlines()) == 5, f"{code} {out} {err}")
        for command in ("status", "jobs", "lease"):
            code, out, err = cli(fleet, command)
            check(code == 0 and out and "\033" not in out, f"{command}: {out}")
        check(cli(fleet, "stop")[0] == 0, "stop")
        check(daemon.wait() == 0, "a stopped daemon's exit status")
        code, out, err = cli(fleet, "status")
        check(code == 3 and err, f"no daemon: {code} {err}")

        stages = [line["stage"] for line in log_lines(fleet)]
        check(stages.count("stopped") == 3 and stages[-1] == "stopped",
              "three jobs stopped, and nothing after")


def test_a_run_is_told_everything_and_its_words_reach_the_log():
    """Context in, entries, result and failure out."""
    with Fleet(QUICK) as fleet:
        daemon = leader(fleet)
        cli_json(fleet, "tick", "flaky", status=1)
        cli(fleet, "stop")
        check(daemon.wait() == 0, "clean stop")
        lines = [l for l in log_lines(fleet) if l["runner"] in ("bad", "good")]
        stages = [(l["runner"], l["stage"], l["result"]) for l in lines]
        check(stages == [("bad", "runner_started", "running"),
                         ("bad", "runner_failed", "failed"),
                         ("good", "runner_started", "running"),
                         ("good", "step", None),
                         ("good", "runner_completed", "fine")], f"{stages}")
        check("exit status 3" in lines[1]["error"], f"{lines[1]}")
        kept = lines[1]["stderr"]
        check(kept.endswith("oh no\n") and 1024 < len(kept) <= 2048,
              f"the end of the output: {len(kept)}: {kept[-100:]!r}")
        check(lines[4]["term"] == lines[2]["term"], f"{lines[4]}")


def test_logs_follow_shows_lines_as_they_come():
    """`logs -f` in a pipe is the raw lines, promptly, and ends with us."""
    with Fleet(QUICK) as fleet:
        leader(fleet)
        reader = subprocess.Popen(
            [BIN, "logs", "-f", "--job", "flaky", "--socket",
             fleet.socket("host-0")], stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(0.5)
            cli(fleet, "tick", "flaky")
            seen = []
            while "tick_completed" not in seen:
                line = reader.stdout.readline()
                check(line, f"the stream ended after {seen}")
                seen.append(json.loads(line)["stage"])
        finally:
            reader.kill()
            reader.wait()


def http(fleet, path):
    """GET from the first daemon's socket: (status, body)."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10 * SLOW)
        client.connect(fleet.socket("host-0"))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                       "Connection: close\r\n\r\n".encode())
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    head, body = answer.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), body.decode()


def test_a_monitor_finds_what_it_looks_for():
    """Liveness, readiness, and figures that agree with what was done."""
    with Fleet(QUICK) as fleet:
        leader(fleet)
        cli_json(fleet, "tick", "flaky", status=1)
        check(http(fleet, "/livez")[0] == 200, "it lives")
        check(http(fleet, "/readyz")[0] == 200, http(fleet, "/readyz"))
        status, text = http(fleet, "/metrics")
        figures = dict(line.rsplit(" ", 1) for line in text.splitlines()
                       if not line.startswith("#"))
        check(status == 200 and figures["timed_jobs_leading"] == "1", text)
        check(figures['timed_jobs_ticks_failed_total{job="flaky"}'] == "1",
              text)
        check(figures['timed_jobs_ticks_failed_total{job="quick"}'] == "0",
              text)
        check(int(figures["timed_jobs_lease_term"]) >= 1, text)


def test_verbose_tells_of_skipped_ticks():
    """A paused daemon is quiet, unless somebody wants to see each tick."""
    for options, wanted in (((), 0), (("--verbose",), 3)):
        with Fleet(QUICK) as fleet:
            daemon = fleet.start("host-0", *options)
            daemon.wait_for("leading")
            cli_json(fleet, "pause")
            daemon.wait_for("paused")
            seen = len(daemon.drain_events())
            before = cli_json(fleet, "status")["jobs"][0]["n_skipped"]
            while cli_json(fleet, "status")["jobs"][0]["n_skipped"] \
                    < before + 3 + wanted:
                time.sleep(0.05)
            # What was counted has been told by now, but for its way here.
            if wanted:
                for _ in range(wanted):
                    daemon.wait_for("tick", where=lambda e: e["decision"]
                                    == "skipped_system_paused")
            else:
                skips = [e for e in daemon.drain_events()[seen:]
                         if e.get("decision") == "skipped_system_paused"]
                check(not skips, f"{skips}")


def test_a_second_signal_ends_it_at_once():
    """The first SIGINT drains, the second kills, and nothing is left."""
    # It ends without waiting for its threads, and a sanitizer would say so.
    options = os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"
    with Fleet(QUICK) as fleet:
        daemon = leader(fleet, env={"TSAN_OPTIONS": options})
        cli(fleet, "tick", "slow", "--no-wait")
        wait_until(lambda: os.path.exists(f"{fleet.dir}/slow.pid")
                   and open(f"{fleet.dir}/slow.pid").read(), 5, "slow runs")
        pid = int(open(f"{fleet.dir}/slow.pid").read())
        daemon.signal(signal.SIGINT)
        daemon.wait_for("stopping")
        check(daemon.alive() and pid_alive(pid), "it did not drain")
        daemon.signal(signal.SIGINT)
        check(daemon.wait(5) == 130, "the exit status of a forced end")
        wait_until(lambda: not pid_alive(pid), 2, "the command is dead")


def test_a_stop_drains_and_then_cancels():
    """What does not end within the drain deadline is ended, and says so."""
    config = QUICK.replace("drain: 20s", "drain: 500ms, grace: 100ms")
    with Fleet(config) as fleet:
        daemon = leader(fleet)
        cli(fleet, "tick", "slow", "--no-wait")
        wait_until(lambda: os.path.exists(f"{fleet.dir}/slow.pid")
                   and open(f"{fleet.dir}/slow.pid").read(), 5, "slow runs")
        pid = int(open(f"{fleet.dir}/slow.pid").read())
        daemon.signal(signal.SIGTERM)
        check(daemon.wait(10) == 0, "a drained stop's exit status")
        check(not pid_alive(pid), "the command survived the stop")
        failed = [l for l in log_lines(fleet) if l["runner"] == "slow"
                  and l["stage"] == "runner_failed"]
        check(len(failed) == 1, f"{failed}")


def test_a_stop_has_its_own_grace():
    """A command that ignores TERM holds a stop up for stop.grace, not for the
    grace that it has at its timeout, nor for a second drain."""
    config = BASE.replace("drain: 20s", "drain: 4s, grace: 100ms") + """
  deaf:
    every: 1h
    grace: 1h
    shell: "trap '' TERM; echo $$ > {dir}/deaf.pid; while :; do sleep 1; done"
"""
    with Fleet(config) as fleet:
        daemon = leader(fleet)
        cli(fleet, "tick", "deaf", "--no-wait")
        wait_until(lambda: os.path.exists(f"{fleet.dir}/deaf.pid")
                   and open(f"{fleet.dir}/deaf.pid").read(), 5, "deaf runs")
        pid = int(open(f"{fleet.dir}/deaf.pid").read())
        daemon.signal(signal.SIGTERM)
        begin = time.monotonic()
        check(daemon.wait(20) == 0, "a stop's exit status")
        took = time.monotonic() - begin
        check(4 <= took < 7, f"the stop took {took:.1f} s")
        check(not pid_alive(pid), "the command survived the stop")


def test_a_wrong_configuration_starts_nothing():
    """Position and hint, exit 2, and not one file made."""
    cases = {
        "unknown key": ("jobs:\n  a:\n    evry: 1s\n    command: [x]\n", ":3:5:"),
        "wrong type": ("jobs:\n  a:\n    every: fast\n    command: [x]\n", ":3:12:"),
        "duplicate": ("jobs:\n  a:\n    every: 1s\n    every: 2s\n    command: [x]\n", ":4:5:"),
        "tab": ("jobs:\n\ta:\n", ":2:1:"),
        "cron": ("jobs:\n  a:\n    cron: * * * * *\n    command: [x]\n", ":3:"),
        "empty": ("", ":"),
        "binary": ("\0\1\2\xff", ":"),
        "deadlines": ("lease: {backend: memory, kill: 1h}\njobs:\n  a:\n"
                      "    every: 1s\n    command: [x]\n", ":1:"),
    }
    with Fleet("") as fleet:
        for what, (text, place) in cases.items():
            with open(fleet.config, "w", encoding="latin-1") as file:
                file.write(text)
            for command in ("run", "check"):
                done = subprocess.run(
                    [BIN, command, fleet.config]
                    + (["--state", f"{fleet.dir}/state"]
                       if command == "run" else []),
                    stdin=subprocess.DEVNULL, capture_output=True, text=True,
                    timeout=20)
                told = done.stdout + done.stderr
                check(done.returncode == 2,
                      f"{what}: {command}: exit {done.returncode}: {told}")
                check(fleet.config + place in told, f"{what}: {told}")
                check("error: " in told, f"{what}: {told}")
        done = subprocess.run([BIN, "run", f"{fleet.dir}/none.yaml"],
                              capture_output=True, text=True, timeout=20)
        check(done.returncode == 2 and "none.yaml" in done.stderr,
              f"missing file: {done}")
        check(sorted(os.listdir(fleet.dir)) == ["jobs.yaml"],
              f"something was made: {os.listdir(fleet.dir)}")


def mounted(path, options):
    os.makedirs(path, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tj", path],
                          capture_output=True, text=True)
    return done.returncode == 0


def test_a_full_disk_under_the_log_stops_no_tick():
    """Ticks go on, the loss is counted and said, and the log recovers with
    whole lines only."""
    with Fleet(QUICK) as fleet:
        folder = f"{fleet.dir}/host-0/log"
        if not mounted(folder, "size=64k"):
            return "SKIPPED: needs the right to mount a tmpfs"
        try:
            daemon = leader(fleet)
            with open(f"{folder}/ballast", "wb") as ballast:
                try:
                    ballast.write(b"x" * (1 << 20))
                except OSError:
                    pass
            trouble = daemon.wait_for("log_trouble", 20)
            check("no space" in trouble["message"].lower(), f"{trouble}")
            for _ in range(5):
                daemon.wait_for("tick", where=lambda e:
                                e["decision"] == "scheduled")
            status = cli_json(fleet, "status")
            check(status["log"]["trouble"], f"{status['log']}")
            os.unlink(f"{folder}/ballast")
            daemon.wait_for("log_recovered", 20)
            cli(fleet, "stop")
            check(daemon.wait() == 0, "clean stop")
            lines = []
            for day in sorted(os.listdir(folder)):
                for line in open(f"{folder}/{day}"):
                    try:
                        lines.append(json.loads(line))
                    except ValueError:
                        lines.append(None)  # torn, and alone on its line
            check(lines[-1]["stage"] == "stopped", f"{lines[-1]}")
            check(lines.count(None) <= 1, "more than the one torn line")
        finally:
            subprocess.run(["umount", "-l", folder])


def test_a_log_directory_that_vanishes_comes_back():
    with Fleet(QUICK) as fleet:
        daemon = leader(fleet)
        folder = f"{fleet.dir}/host-0/log"
        wait_until(lambda: os.listdir(folder), 5, "a day file")
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
        wait_until(lambda: os.path.isdir(folder) and os.listdir(folder), 10,
                   "the directory is made again")
        cli(fleet, "stop")
        check(daemon.wait() == 0, "clean stop")
        check(log_lines(fleet)[-1]["stage"] == "stopped", "the last line")


def make_empty_and_immutable(folder):
    """The writer makes its file again as soon as it misses it: try until the
    directory is shut while there is none."""
    while True:
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
        if subprocess.run(["chattr", "+i", folder],
                          capture_output=True).returncode:
            return False
        if not os.listdir(folder):
            return True
        subprocess.run(["chattr", "-i", folder])


def test_a_read_only_log_directory():
    """At the start it refuses with the reason; later it goes on and says."""
    with Fleet(QUICK) as fleet:
        folder = f"{fleet.dir}/host-0/log"
        daemon = leader(fleet)
        if not make_empty_and_immutable(folder):
            return "SKIPPED: needs the right to make a directory immutable"
        try:
            trouble = daemon.wait_for("log_trouble", 20)
            check("not permitted" in trouble["message"], f"{trouble}")
            for _ in range(5):
                daemon.wait_for("tick", where=lambda e:
                                e["decision"] == "scheduled")
            daemon.signal(signal.SIGTERM)
            # Clean, but for the lines that never reached a file.
            check(daemon.wait(30) == 1, "lost lines are no success")
            check(any(e["event"] == "log_lost" for e in daemon.drain_events()),
                  daemon.story())
            refused = fleet.start("host-0")
            check(refused.wait() == 1, "started with a log that cannot work")
            check("log directory" in refused.story(), refused.story())
        finally:
            subprocess.run(["chattr", "-i", folder])


def test_a_dead_warden_is_replaced():
    """kill -9 of the warden: its command dies, the run fails, the next run
    has a new warden."""
    with Fleet(QUICK) as fleet:
        daemon = leader(fleet)
        cli(fleet, "tick", "slow", "--no-wait")
        wait_until(lambda: os.path.exists(f"{fleet.dir}/slow.pid")
                   and open(f"{fleet.dir}/slow.pid").read(), 5, "slow runs")
        pid = int(open(f"{fleet.dir}/slow.pid").read())
        warden = cli_json(fleet, "status")["warden"]["pid"]
        os.kill(warden, signal.SIGKILL)
        wait_until(lambda: not pid_alive(pid), 2, "the command is dead")
        daemon.wait_for("tick", where=lambda e: e["job"] == "slow"
                        and e["failed_count"] == 1)
        daemon.wait_for("warden_lost")
        daemon.wait_for("tick", where=lambda e: e["job"] == "quick"
                        and e["ok_count"] == 1)
        check(cli_json(fleet, "status")["warden"]["pid"] != warden, "the same")


def test_a_blocked_reader_does_not_stop_the_ticks():
    """A pipe that nobody reads loses lines, never ticks."""
    with Fleet(QUICK.replace("every: 100ms", "every: 5ms")) as fleet:
        reading, writing = os.pipe()
        process = subprocess.Popen(
            [BIN, "run", fleet.config, "--state", f"{fleet.dir}/host-0",
             "--socket", fleet.socket("host-0")],
            stdin=subprocess.DEVNULL, stdout=writing, stderr=writing)
        os.close(writing)
        try:
            def ticks():
                try:
                    return sum(line["stage"] == "tick_completed"
                               for line in log_lines(fleet))
                except (Failure, FileNotFoundError, ValueError):
                    return 0
            # 64 KiB of pipe hold fewer than 300 of our lines.
            wait_until(lambda: ticks() > 600, 30, "600 ticks, unread")
            process.send_signal(signal.SIGTERM)
            check(process.wait(timeout=20 * SLOW) == 0, "clean stop")
        finally:
            os.close(reading)
            if process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main([
        test_every_command_answers_with_its_exit_code,
        test_a_run_is_told_everything_and_its_words_reach_the_log,
        test_logs_follow_shows_lines_as_they_come,
        test_a_monitor_finds_what_it_looks_for,
        test_verbose_tells_of_skipped_ticks,
        test_a_second_signal_ends_it_at_once,
        test_a_stop_drains_and_then_cancels,
        test_a_stop_has_its_own_grace,
        test_a_wrong_configuration_starts_nothing,
        test_a_full_disk_under_the_log_stops_no_tick,
        test_a_log_directory_that_vanishes_comes_back,
        test_a_read_only_log_directory,
        test_a_dead_warden_is_replaced,
        test_a_blocked_reader_does_not_stop_the_ticks,
    ])
