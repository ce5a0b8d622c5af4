"""What may go wrong around a daemon, provoked for real: the lease's file, the
other processes, clocks, descriptors, memory, hostile commands, sockets, and
stops at bad moments.

After each fault the same is asked: terms only grew, nothing of a lower term
happened after something of a higher one, nothing is left running, the daemon
said why, and it recovered by itself."""

import json
import mmap
import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess

from fleet import (BIN, Daemon, Failure, Fleet, WARDEN, boot_ns, check,
                   check_terms_never_overlap, main, pid_alive, wait_until,
                   witness_lines, SLOW)
from test_daemon import cli, cli_json, log_lines, mounted

LEASE_MS = 1200 * max(1, int(SLOW))
SHIM = os.environ.get("TIMED_JOBS_FAULT_SHIM", "")
HEAD = """
lease:
  backend: sqlite:{dir}/db/lease.db
  duration: %(lease)dms
  renew: %(renew)dms
log: {{dir: log}}
stop: {{drain: 10s, grace: 200ms}}
jobs:
"""
WORK = HEAD + """
  long:
    every: 50ms
    command: ["{witness}", "{file}", "60000"]
    grace: 100ms
  short:
    every: 50ms
    command: ["{witness}", "{file}.short", "20"]
"""
QUICK = HEAD + """
  quick:
    every: 100ms
    command: ["true"]
"""


def sized(config):
    return config % {"lease": LEASE_MS, "renew": LEASE_MS // 12}


class Rig(Fleet):
    """A fleet whose lease has a folder of its own, and whose processes are
    counted at the end."""

    def __init__(self, config):
        super().__init__(sized(config))
        self.db = f"{self.dir}/db/lease.db"
        os.mkdir(f"{self.dir}/db")

    def start(self, name, *arguments, env=None, **more):
        return super().start(name, *arguments, **more,
                             env={"TJ_TEST_FLEET": self.dir, **(env or {})})

    def leader(self, name="host-0", **more):
        daemon = self.start(name, **more)
        return daemon, daemon.wait_for("leading", 20)["term"]

    def pair(self):
        leader, term = self.leader()
        follower = self.start("host-1")
        follower.wait_for("following")
        return leader, follower, term

    def left(self):
        """Processes of this fleet: they name it in arguments or environment."""
        mark = self.dir.encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    text = file.read()
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    text += file.read()
            except OSError:
                continue
            if mark in text and pid_alive(int(pid)):
                found.append((int(pid), text[-200:]))
        return found

    def __exit__(self, kind, value, trace):
        try:
            for daemon in self.daemons:
                daemon.end()
            if not kind:
                wait_until(lambda: not self.left(), 5, "no process is left")
        finally:
            for pid, _ in self.left():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            super().__exit__(kind, value, trace)


def some_leading(daemons, above, seconds):
    """Whoever leads next under a term higher than `above`."""
    found = []

    def look():
        for daemon in daemons:
            for event in daemon.drain_events():
                if event["event"] == "leading" and event["term"] > above:
                    found.append((daemon, event))
        return found

    wait_until(look, seconds, f"somebody leads above term {above}:\n"
               + "\n--\n".join(d.story() for d in daemons))
    return found[-1]


def both_witnesses(rig):
    return sorted(rig.lines() + witness_lines(rig.witness + ".short"))


def check_order(rig):
    lines = both_witnesses(rig)
    check_terms_never_overlap(lines)
    return lines


def wait_for_work(rig, term):
    wait_until(lambda: {l[3] for l in both_witnesses(rig) if l[1] == term}
               >= {"main", "child", "escapee"}, 10, f"work under term {term}")


def events(daemons, name):
    return [e for d in daemons for e in d.drain_events() if e["event"] == name]


# ---- the lease's file ------------------------------------------------------


def test_a_held_write_lock_ends_the_leadership_in_time():
    """Somebody else sits on the database for longer than a lease: N, T, K and
    D are kept, nobody leads meanwhile, and afterwards somebody does."""
    n_ms, k_ms = LEASE_MS * 7 // 15, LEASE_MS * 11 // 15
    with Rig(WORK) as rig:
        leader, follower, term = rig.pair()
        wait_for_work(rig, term)
        holder = sqlite3.connect(rig.db, isolation_level=None, timeout=5)
        holder.execute("BEGIN EXCLUSIVE")
        since_ns = boot_ns()
        ages = []
        while not events([leader], "lease_lost"):
            status = cli_json(rig, "status")["lease"]
            if status["confirmed_ms_ago"] is not None:
                ages.append(status["confirmed_ms_ago"])
            check(boot_ns() - since_ns < 3e6 * LEASE_MS * SLOW, "never lost")
        check(max(ages) > LEASE_MS // 5, f"the age was not shown: {ages}")
        lost = events([leader], "lease_lost")[0]
        check("no renewal confirmed" in lost["reason"]
              and str(os.getpid()) in lost["reason"],
              f"who holds the lock is not said: {lost}")
        until_ns = since_ns + 2 * LEASE_MS * 1000000
        wait_until(lambda: boot_ns() > until_ns, 10, "two leases pass")
        check(leader.alive() and follower.alive(), "a daemon was killed")
        check(not [e for e in events([leader, follower], "leading")
                   if e["term"] > term], "led without the database")
        status = cli_json(rig, "status")["lease"]
        check(status["role"] != "leader" and "locked" in status["reason"],
              f"{status}")
        lines = both_witnesses(rig)
        late = [l for l in lines if l[4] == "begin" and l[3] == "main"
                and l[0] > since_ns + (n_ms + 30 * SLOW) * 1e6]
        check(not late, f"started after N: {late[:2]}")
        late = [(l[0] - since_ns) / 1e6 for l in lines
                if l[0] > since_ns + (k_ms + 60 * SLOW) * 1e6]
        check(not late, f"lived after K: {late[-1:]} ms")
        holder.execute("ROLLBACK")
        holder.close()
        _, leading = some_leading([leader, follower], term, 10)
        wait_for_work(rig, leading["term"])
        check_order(rig)
        return f"last act {(max(l[0] for l in lines) - since_ns) / 1e6:.0f} ms"


def copy_of(rig, path):
    """A consistent copy, as a backup tool makes it."""
    source, target = sqlite3.connect(rig.db), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()


def test_a_damaged_lease_file_moves_no_term_back():
    """Deleted, cut off, restored from an older copy: the leadership ends, and
    the next one has a higher term after the old commands are dead."""
    def delete(rig):
        os.unlink(rig.db)

    def truncate(rig):
        os.truncate(rig.db, 0)

    def restore(rig):
        shutil.copy(f"{rig.dir}/backup", f"{rig.dir}/db/new")
        os.rename(f"{rig.dir}/db/new", rig.db)

    said = []
    with Rig(WORK) as rig:
        leader, term = rig.leader()
        copy_of(rig, f"{rig.dir}/backup")
        follower = rig.start("host-1")
        follower.wait_for("following")
        both = [leader, follower]
        for damage in (delete, truncate, restore):
            wait_for_work(rig, term)
            damage(rig)
            _, leading = some_leading(both, term, 15)
            term = leading["term"]
            said.append(leading["reason"])
            wait_for_work(rig, term)
            check_order(rig)
        check("term_repaired" in said[-1], f"{said}")
        losses = events(both, "lease_lost")
        check(len(losses) >= 3 and all(e["reason"] for e in losses),
              f"{losses}")


def test_a_restored_copy_with_our_own_name_is_no_leadership():
    """The copy names as its holder one who follows by now, and who must not
    take that for an unanswered acquisition while the real leader works."""
    with Rig(WORK) as rig:
        first, second, term = rig.pair()
        copy_of(rig, f"{rig.dir}/db/backup")
        wait_for_work(rig, term)
        cli_json(rig, "step-down")
        _, leading = some_leading([second], term, 10)
        first.wait_for("following")
        wait_for_work(rig, leading["term"])
        os.rename(f"{rig.dir}/db/backup", rig.db)
        _, again = some_leading([first, second], leading["term"], 15)
        wait_for_work(rig, again["term"])
        check_order(rig)


def test_junk_in_the_lease_file_is_told_and_survived():
    """Nobody leads on junk; a good file brought back ends the trouble."""
    with Rig(WORK) as rig:
        leader, term = rig.leader()
        copy_of(rig, f"{rig.dir}/db/backup")
        wait_for_work(rig, term)
        with open(rig.db, "r+b") as file:
            file.write(random.Random(1).randbytes(8192))
        lost = leader.wait_for("lease_lost")
        check(lost["reason"], f"{lost}")
        wait_until(lambda: "not a database" in
                   cli_json(rig, "status")["lease"]["reason"], 10,
                   "the status says why")
        check(cli(rig, "status")[0] == 0, "a readable status")
        os.rename(f"{rig.dir}/db/backup", rig.db)
        leading = leader.wait_for("leading", 15)
        check(leading["term"] > term, f"{leading} after {term}")
        wait_for_work(rig, leading["term"])
        check_order(rig)


def test_an_immutable_lease_file_ends_the_leadership():
    """Read-only under our feet: told, nothing runs, recovers."""
    with Rig(WORK) as rig:
        leader, term = rig.leader()
        wait_for_work(rig, term)
        if subprocess.run(["chattr", "+i", rig.db],
                          capture_output=True).returncode:
            return "SKIPPED: needs the right to make a file immutable"
        try:
            lost = leader.wait_for("lease_lost")
            check(lost["reason"], f"{lost}")
            wait_until(lambda: not [l for l in rig.left()
                                    if b"TIMED_JOBS_TERM" in l[1]], 5,
                       "the commands are dead")
            check(cli_json(rig, "status")["lease"]["n_unknown"] > 0, "unknown")
        finally:
            subprocess.run(["chattr", "-i", rig.db])
        leading = leader.wait_for("leading", 15)
        check(leading["term"] >= term, f"{leading} after {term}")
        check_order(rig)


def test_a_full_disk_under_the_lease_ends_the_leadership():
    with Rig(WORK) as rig:
        if not mounted(f"{rig.dir}/db", "size=128k"):
            return "SKIPPED: needs the right to mount a tmpfs"
        try:
            leader, term = rig.leader()
            wait_for_work(rig, term)
            with open(f"{rig.dir}/db/ballast", "wb", buffering=0) as ballast:
                try:
                    while True:
                        ballast.write(b"x" * 512)
                except OSError:
                    pass
            lost = leader.wait_for("lease_lost")
            check("full" in lost["reason"], f"{lost}")
            check(leader.alive(), "killed")
            os.unlink(f"{rig.dir}/db/ballast")
            leading = leader.wait_for("leading", 15)
            check(leading["term"] >= term, f"{leading}")
            wait_until(lambda: rig.lines()[-1][0] > leading["boot_ns"], 10,
                       "work again")
            check_order(rig)
        finally:
            for daemon in rig.daemons:
                daemon.end()
            subprocess.run(["umount", "-l", f"{rig.dir}/db"])


# ---- processes -------------------------------------------------------------


def warden_of(rig, name="host-0"):
    return cli_json(rig, "status", name=name)["warden"]["pid"]


def test_daemon_and_warden_killed_together_cost_one_lease():
    """Nobody is left to hand the lease on: it runs out, not sooner, and by
    then nothing of the old term may be at work."""
    with Rig(WORK) as rig:
        leader, follower, term = rig.pair()
        wait_for_work(rig, term)
        warden = warden_of(rig)
        killed_ns = boot_ns()
        os.kill(leader.pid, signal.SIGSTOP)
        os.kill(warden, signal.SIGKILL)
        os.kill(leader.pid, signal.SIGKILL)
        leading = follower.wait_for("leading", 4 * LEASE_MS / 1000)
        took = (leading["boot_ns"] - killed_ns) / 1e6
        check(leading["term"] > term, f"{leading}")
        check(took > LEASE_MS * 0.9 - LEASE_MS / 12, f"after {took:.0f} ms")
        wait_for_work(rig, leading["term"])
        check_order(rig)
        check(events([follower], "orphans_killed"), follower.story())
        return f"{took:.0f} ms"


def test_a_stopped_warden_is_replaced():
    """SIGSTOP of the warden: the next start finds out, and its commands die
    with it."""
    with Rig(WORK) as rig:
        leader, term = rig.leader()
        wait_for_work(rig, term)
        warden = warden_of(rig)
        os.kill(warden, signal.SIGSTOP)
        lost = leader.wait_for("warden_lost", 10)
        check("did not answer" in lost["message"], f"{lost}")
        leader.wait_for("tick", 10, lambda e: e["job"] == "short"
                        and e["ok_count"] == 1)
        check(warden_of(rig) not in (0, warden), "no new one")
        check(not pid_alive(warden), "it lives")
        check(not events([leader], "lease_lost"), leader.story())
        check_order(rig)


def test_a_short_stop_of_the_daemon_changes_nothing():
    """SIGSTOP for less than N: same term, no command dies."""
    with Rig(WORK) as rig:
        leader, follower, term = rig.pair()
        wait_for_work(rig, term)
        mains = {l[2] for l in rig.lines() if l[3] == "main"}
        leader.signal(signal.SIGSTOP)
        until_ns = boot_ns() + LEASE_MS // 4 * 1000000
        wait_until(lambda: boot_ns() > until_ns, 5, "a quarter of a lease")
        leader.signal(signal.SIGCONT)
        before = cli_json(rig, "status")["lease"]["n_renewals"]
        wait_until(lambda: cli_json(rig, "status")["lease"]["n_renewals"]
                   > before, 5, "it renews")
        check(not events([leader], "lease_lost"), leader.story())
        check(not events([follower], "leading"), follower.story())
        check({l[2] for l in rig.lines() if l[3] == "main"} == mains
              and all(map(pid_alive, mains)), "the command was ended")


# ---- clocks ----------------------------------------------------------------


class Faults:
    """The memory shared with fault_shim.c."""

    def __init__(self, rig):
        path = f"{rig.dir}/faults"
        with open(path, "wb") as file:
            file.write(bytes(16))
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 16)
        self.env = {"LD_PRELOAD": SHIM, "TJ_FAULTS": path}

    def fail_every(self, n):
        struct.pack_into("<I", self._memory, 0, n)

    def n_failed(self):
        return struct.unpack_from("<I", self._memory, 4)[0]

    def step_wall(self, seconds):
        struct.pack_into("<q", self._memory, 8, seconds)


def test_steps_of_the_wall_clock_change_nothing():
    """An hour ahead, an hour back: no run is lost or doubled, nobody stops
    leading, only what is written as the time is different."""
    if not SHIM or SLOW > 1:
        return "SKIPPED: not under a sanitizer"
    with Rig(QUICK) as rig:
        faults = Faults(rig)
        leader, term = rig.leader(env=faults.env)
        seen, hours = [], []
        leader.wait_for("tick", 10)
        for seconds in (0, 3600, 0, -3600):
            faults.step_wall(seconds)
            for _ in range(8):
                seen.append(leader.wait_for("tick", 10))
            hours.append(seen[-1]["ts"][11:13])
        check(len(set(hours)) == 3, f"the clock did not step: {hours}")
        check(not events([leader], "lease_lost"), leader.story())
        check(all(e["ok_count"] == 1 and e["missed_count"] == 0
                  for e in seen), f"{[e for e in seen if not e['ok_count']]}")
        check(len({e["batch_id"] for e in seen}) == len(seen), "a batch twice")
        took = (seen[-1]["seen_ns"] - seen[0]["seen_ns"]) / 1e6
        check(2900 < took < 3400, f"31 intervals of 100 ms in {took:.0f} ms")
        check(cli_json(rig, "lease")["term"] == term, "another term")
        cli(rig, "stop")
        check(leader.wait() == 0, "clean stop")


# ---- descriptors and memory ------------------------------------------------


def test_no_descriptor_left_is_no_end():
    """Not one more can be opened: it lives, answers or refuses, and works
    again once there are some."""
    with Rig(QUICK) as rig:
        leader, term = rig.leader()
        leader.wait_for("tick", 10, lambda e: e["ok_count"] == 1)
        limit = resource.prlimit(leader.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(leader.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
        leader.wait_for("tick", 10, lambda e: e["ok_count"] != 1)
        code, out, err = cli(rig, "status")
        check(code in (0, 1, 3) and (out or err), f"{code} {out} {err}")
        until_ns = boot_ns() + LEASE_MS * 1500000
        wait_until(lambda: boot_ns() > until_ns, 10, "some time")
        check(leader.alive(), "it did not survive")
        resource.prlimit(leader.pid, resource.RLIMIT_NOFILE, limit)
        since = boot_ns()
        leader.wait_for("tick", 20, lambda e: e["ok_count"] == 1
                        and e["seen_ns"] > since)
        check(cli_json(rig, "status")["lease"]["term"] >= term, "a lower term")
        cli(rig, "stop")
        check(leader.wait() == 0, "clean stop")


def test_failing_allocations_do_not_end_it():
    """Every n-th allocation fails for a while: ticks fail or are retried, and
    once there is memory all is well."""
    if not SHIM or SLOW > 1:
        return "SKIPPED: not under a sanitizer"
    with Rig(WORK) as rig:
        faults = Faults(rig)
        leader, term = rig.leader(env=faults.env)
        wait_for_work(rig, term)
        for n in (997, 101, 31, 11, 5, 2, 1):
            faults.fail_every(n)
            until_ns = boot_ns() + 250000000
            while boot_ns() < until_ns:
                cli(rig, "status")
                check(leader.alive(), f"every {n}th: ended with "
                      f"{leader.process.poll()}")
        failed = faults.n_failed()
        check(failed > 100, f"only {failed} allocations failed")
        faults.fail_every(0)
        since = boot_ns()
        leader.wait_for("tick", 20, lambda e: e["job"] == "short"
                        and e["ok_count"] == 1 and e["seen_ns"] > since)
        check(cli_json(rig, "status")["lease"]["role"] == "leader", "leads")
        cli(rig, "tick", "short")
        check_order(rig)
        return f"{failed} failed allocations"


# ---- hostile commands ------------------------------------------------------


HOSTILE = HEAD + """
  quick:
    every: 100ms
    command: ["true"]
  flood:
    every: 1h
    shell: "head -c 50000000 /dev/zero | tr '\\\\0' x; echo end >&2"
  junk:
    every: 1h
    shell: "head -c 300000 /dev/urandom >&$TIMED_JOBS_RESULT_FD"
  bomb:
    every: 1h
    timeout: 1500ms
    grace: 50ms
    shell: "for i in $(seq 200); do (setsid sleep 600 &) ; done; sleep 600"
  parricide:
    every: 1h
    shell: "kill -9 $PPID; sleep 600"
  unlink:
    every: 1h
    shell: "rm $TIMED_JOBS_SOCKET"
  stop:
    every: 1h
    shell: "$TIMED_JOBS_BIN stop --socket $TIMED_JOBS_SOCKET"
"""


def test_hostile_commands_hurt_themselves_only():
    """Floods, junk, a bomb, a murdered warden: the other job goes on."""
    with Rig(HOSTILE) as rig:
        leader, term = rig.leader()
        tick = cli_json(rig, "tick", "flood")
        check(tick["n_ok"] == 1, f"{tick}")
        code, out, err = cli(rig, "tick", "junk", "--json")
        check(code in (0, 1) and json.loads(out)["decision"] == "scheduled",
              f"{code} {out} {err}")
        tick = cli_json(rig, "tick", "bomb", status=1)
        check("timed out" in tick["error"] or "timeout" in tick["error"],
              f"{tick}")
        wait_until(lambda: not [p for p in rig.left() if b"sleep" in p[1]], 5,
                   "the bomb's 200 are dead")
        tick = cli_json(rig, "tick", "parricide", status=1)
        leader.wait_for("warden_lost", 10)
        leader.wait_for("tick", 10, lambda e: e["job"] == "quick"
                        and e["ok_count"] == 1)
        check(leader.alive() and not events([leader], "lease_lost"),
              leader.story())
        check(cli_json(rig, "status")["lease"]["term"] == term, "its term")
        size = sum(os.path.getsize(f"{folder}/{name}")
                   for folder, _, names in os.walk(f"{rig.dir}/host-0")
                   for name in names)
        check(size < 8000000, f"{size} bytes were kept")
        log_lines(rig)  # every line is whole JSON, whatever was written
        # The same user may: a command that stops its daemon is obeyed, and
        # drained like any other.
        cli(rig, "tick", "stop", "--no-wait")
        check(leader.wait() == 0, "stopped by its own command")


def test_a_deleted_socket_is_made_again():
    """A command of the same user may delete the socket's file; the daemon
    goes on and answers again under the same name."""
    with Rig(HOSTILE) as rig:
        leader, term = rig.leader()
        cli(rig, "tick", "unlink", "--no-wait")
        leader.wait_for("socket_lost", 10)
        wait_until(lambda: cli(rig, "status")[0] == 0, 10, "it answers")
        check(not events([leader], "lease_lost"), leader.story())
        cli(rig, "stop")
        check(leader.wait() == 0, "clean stop")
        check(not os.path.exists(rig.socket("host-0")), "the socket was left")


# ---- sockets, paths --------------------------------------------------------


def test_two_daemons_on_one_socket():
    """The second is told who has it and ends, the first does not notice."""
    with Rig(QUICK) as rig:
        leader, term = rig.leader()
        second = Daemon("host-1", rig.config, "--state", f"{rig.dir}/host-1",
                        "--socket", rig.socket("host-0"),
                        env={"TIMED_JOBS_WARDEN": WARDEN,
                             "TJ_TEST_FLEET": rig.dir})
        rig.daemons.append(second)
        check(second.wait() == 1, "it started")
        said = second.story()
        check(f"process {leader.pid} already listens" in said, said)
        check(cli_json(rig, "status")["pid"] == leader.pid, "the first")
        leader.signal(signal.SIGKILL)
        leader.wait()
        check(os.path.exists(rig.socket("host-0")), "no stale socket to meet")
        third, higher = rig.leader()
        check(higher > term, f"{higher} after {term}")
        check(cli_json(rig, "status")["pid"] == third.pid, "the third")
        third.signal(signal.SIGTERM)
        check(third.wait() == 0, "clean stop")


def refused(rig, *arguments, config=None):
    done = subprocess.run([BIN, "run", config or rig.config, *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20 * SLOW,
                          env={**os.environ, "TJ_TEST_FLEET": rig.dir})
    return done.returncode, done.stdout + done.stderr


def test_what_cannot_start_says_why_and_leaves_nothing():
    """Each step of the start made to fail: exit code, reason, no process."""
    with Rig(QUICK) as rig:
        state, socket = f"{rig.dir}/state", f"{rig.dir}/s"
        plain = ["--state", state, "--socket", socket]
        file = f"{rig.dir}/file"
        open(file, "w").close()
        text = open(rig.config).read()

        def other(old, new):
            with open(f"{rig.dir}/other.yaml", "w") as config:
                config.write(text.replace(old, new))
            return f"{rig.dir}/other.yaml"

        cases = [
            ("state is a file", 1, "cannot make the directory",
             ["--state", f"{file}/x", "--socket", socket], None),
            ("log is a file", 1, "log directory", plain,
             other("dir: log", f"dir: {file}")),
            ("socket too long", 2, "socket",
             ["--state", state, "--socket", f"{rig.dir}/{'s' * 120}"], None),
            ("socket's directory", 1, "directory",
             ["--state", state, "--socket", f"{rig.dir}/none/s"], None),
            ("socket is a file", 1, "is no socket",
             ["--state", state, "--socket", file], None),
        ]
        for what, status, reason, arguments, config in cases:
            code, said = refused(rig, *arguments, config=config)
            check(code == status, f"{what}: exit {code}: {said}")
            check(reason in said, f"{what}: {said}")
            check(not rig.left(), f"{what}: left {rig.left()}")
            check(not os.path.exists(socket), f"{what}: the socket was left")
        done = subprocess.run(
            [BIN, "run", rig.config, *plain], capture_output=True, text=True,
            timeout=20 * SLOW, stdin=subprocess.DEVNULL,
            env={**os.environ, "TIMED_JOBS_WARDEN": f"{rig.dir}/nothing"})
        check(done.returncode == 1 and "warden" in done.stdout, f"{done}")


def test_a_lease_file_that_cannot_be_made_is_told_and_waited_for():
    """Its folder is not there yet (a disk that is mounted later): nobody
    leads, the daemon says why, and leads once the folder is there."""
    with Rig(WORK) as rig:
        os.rmdir(f"{rig.dir}/db")
        daemon = rig.start("host-0")
        trouble = daemon.wait_for("lease_trouble", 10)
        check("No such file or directory" in trouble["message"], f"{trouble}")
        check(cli_json(rig, "status")["lease"]["role"] != "leader", "leads")
        os.mkdir(f"{rig.dir}/db")
        daemon.wait_for("lease_recovered", 10)
        daemon.wait_for("leading", 10)
        check(not events([daemon], "lease_lost"), daemon.story())
        daemon.signal(signal.SIGTERM)
        check(daemon.wait() == 0, "clean stop")


def starts_or_says_why(daemon, what, statuses):
    """Either it runs, and stops when told to, or it ends with a reason."""
    try:
        daemon.wait_for("started", 10)
    except Failure:
        pass  # it ended, or had no memory for that line
    if daemon.alive():
        daemon.signal(signal.SIGTERM)
    status = daemon.wait(20)
    check(status in statuses, f"{what}: {status}: {daemon.story()}")
    return status == 0


def test_a_start_with_few_descriptors_fails_in_order():
    """Every step of the start meets the limit once: a reason and exit 1, or a
    daemon that works and stops."""
    limits = range(4, 70, 3 if SLOW == 1 else 12)
    n_started = 0
    with Rig(QUICK) as rig:
        for limit in limits:
            daemon = rig.start("host-0", preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (limit, limit)))
            n_started += starts_or_says_why(daemon, f"{limit} descriptors",
                                            (0, 1, 2, 127))
            check(limit < 16 or daemon.events, "it says nothing")
            wait_until(lambda: not rig.left(), 5, "no process is left")
            # The dynamic linker and the sanitizers speak for themselves.
            rig.daemons.remove(daemon)
        daemon, term = rig.leader()
        check(n_started, "none was enough")
        check(daemon.alive(), "the last")
    return f"{n_started} of {len(limits)} started"


def test_a_start_with_little_memory_fails_in_order():
    """Every n-th allocation fails from the first one on: no crash, no hang."""
    if not SHIM or SLOW > 1:
        return "SKIPPED: not under a sanitizer"
    counts = [*range(1, 40, 3), *range(40, 400, 20), *range(400, 2000, 200)]
    n_started = 0
    with Rig(QUICK) as rig:
        faults = Faults(rig)
        for count in counts:
            faults.fail_every(count)
            daemon = rig.start("host-0", env=faults.env)
            n_started += starts_or_says_why(daemon, f"each {count}th",
                                            (0, 1, 2))
            wait_until(lambda: not rig.left(), 10, "no process is left")
            rig.daemons.remove(daemon)
        faults.fail_every(0)
        rig.leader()
    return f"{n_started} of {len(counts)} started"


# ---- stops, pauses and step-downs at bad moments ---------------------------


SLOWLY = HEAD + """
  slow:
    every: 1h
    shell: "echo $$ > {dir}/slow.pid; exec sleep %(sleep)s"
  quick:
    every: 100ms
    command: ["true"]
"""


def slowly(sleep):
    return SLOWLY.replace("%(sleep)s", sleep)


def slow_pid(rig):
    path = f"{rig.dir}/slow.pid"
    wait_until(lambda: os.path.exists(path) and open(path).read().strip(), 10,
               "slow runs")
    pid = int(open(path).read())
    os.unlink(path)
    return pid


def test_a_pause_spares_what_runs_and_outlives_its_leader():
    """Pause during a command, seen by the other daemon, kept over a take-over,
    lifted there; and a pause for a while ends by itself."""
    with Rig(slowly("600")) as rig:
        leader, follower, term = rig.pair()
        cli(rig, "tick", "slow", "--no-wait")
        pid = slow_pid(rig)
        cli_json(rig, "pause", "--why", "repairs")
        leader.wait_for("paused")
        follower.wait_for("paused", 5)
        check(pid_alive(pid), "the pause ended a command")
        tick = cli_json(rig, "tick", "quick", status=4)
        check(tick["decision"] == "skipped_system_paused", f"{tick}")
        leader.signal(signal.SIGKILL)
        leading = follower.wait_for("leading")
        check(leading["term"] > term and not pid_alive(pid), "take-over")
        tick = cli_json(rig, "tick", "quick", name="host-1", status=4)
        check(tick["decision"] == "skipped_system_paused", f"{tick}")
        cli_json(rig, "resume", name="host-1")
        follower.wait_for("tick", 5, lambda e: e["ok_count"] == 1)
        cli_json(rig, "pause", "--for", "1s", name="host-1")
        since = follower.wait_for("paused")["seen_ns"]
        tick = follower.wait_for("tick", 10, lambda e: e["ok_count"] == 1
                                 and e["seen_ns"] > since + 100000000)
        check(tick["seen_ns"] - since > 800000000, "it ended too soon")
        check(cli_json(rig, "status", name="host-1")["pause"] is None, "over")
        wait_until(lambda: events([follower], "resumed"), 5, "it says so")


def test_a_step_down_drains_and_leads_again_when_alone():
    with Rig(slowly("1")) as rig:
        leader, term = rig.leader()
        cli(rig, "tick", "slow", "--no-wait")
        pid = slow_pid(rig)
        down = cli_json(rig, "step-down")
        check(down["stepped_down"] is True and down["term"] == term, f"{down}")
        check(not pid_alive(pid), "answered before the command had ended")
        ticks = [e for e in events([leader], "tick") if e["job"] == "slow"]
        check(ticks and ticks[-1]["ok_count"] == 1, f"not drained: {ticks}")
        again = leader.wait_for("leading", 3 * LEASE_MS / 1000)
        check(again["term"] == term + 1, f"{again}")


def test_waiting_calls_are_answered_by_a_stop():
    """A tick and a step-down that wait when the daemon is stopped get their
    answer; nobody hangs, nobody sees a closed connection."""
    with Rig(slowly("1")) as rig:
        leader, term = rig.leader()
        waiting = [subprocess.Popen(
            [BIN, *command, "--json", "--socket", rig.socket("host-0")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for command in (["tick", "slow"],)]
        slow_pid(rig)
        waiting.append(subprocess.Popen(
            [BIN, "step-down", "--json", "--socket", rig.socket("host-0")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        leader.wait_for("handing_over")
        leader.signal(signal.SIGTERM)
        answers = [p.communicate(timeout=20 * SLOW) for p in waiting]
        check(leader.wait() == 0, "clean stop")
        check([p.returncode for p in waiting] == [0, 0],
              f"{[p.returncode for p in waiting]} {answers}")
        check(json.loads(answers[0][0])["n_ok"] == 1, f"{answers[0]}")
        check(json.loads(answers[1][0])["stepped_down"], f"{answers[1]}")


def test_a_stop_during_a_take_over_leaves_the_lease_free():
    """The follower is told to stop while it takes over: a third one leads at
    once."""
    rounds = 6 if SLOW == 1 else 2
    with Rig(QUICK) as rig:
        leader, term = rig.leader()
        for number in range(rounds):
            follower = rig.start(f"host-{number + 1}")
            follower.wait_for("following")
            leader.signal(signal.SIGKILL)
            wait_until(lambda: leader.process.poll() is not None, 5, "dead")
            pause_ns = boot_ns() + number * 4000000
            wait_until(lambda: boot_ns() >= pause_ns, 1, "a moment")
            follower.signal(signal.SIGTERM)
            check(follower.wait() == 0, "a clean stop")
            since = boot_ns()
            leader, higher = rig.leader(f"host-n{number}")
            check(higher > term, f"{higher} after {term}")
            check(boot_ns() - since < LEASE_MS * 900000, "the lease was held")
            term = higher


def test_a_stop_does_not_wait_for_a_locked_lease():
    """Nobody to answer the release: it is tried, given up, and left to time."""
    with Rig(QUICK) as rig:
        leader, term = rig.leader()
        holder = sqlite3.connect(rig.db, isolation_level=None, timeout=5)
        holder.execute("BEGIN EXCLUSIVE")
        leader.signal(signal.SIGTERM)
        since = boot_ns()
        check(leader.wait(2 * LEASE_MS / 1000) == 0, "clean stop")
        took = (boot_ns() - since) / 1e6
        holder.execute("ROLLBACK")
        holder.close()
        leader, higher = rig.leader("host-1")
        check(higher > term, f"{higher} after {term}")
    return f"{took:.0f} ms"


def test_a_storm_of_starts_and_stops():
    """SIGTERM 0 to 30 ms after the start: a clean end at every moment, the
    lease free, nothing left."""
    rounds = 50 if SLOW == 1 else 8
    chance = random.Random(7)
    early = 0
    with Rig(QUICK) as rig:
        for number in range(rounds):
            daemon = rig.start("host-0")
            most_ms = 30 if number % 2 else 4
            until_ns = boot_ns() + chance.randrange(int(most_ms * 1e6 * SLOW))
            wait_until(lambda: boot_ns() >= until_ns, 1, "a moment")
            daemon.signal(signal.SIGTERM)
            status = daemon.wait()
            # Before it catches signals it has started nothing yet.
            early += status == -signal.SIGTERM
            check(status == 0 or (status == -signal.SIGTERM
                                  and not daemon.drain_events()),
                  f"round {number}: {status}: {daemon.story()}")
            rig.daemons.remove(daemon)
            check(not [e for e in daemon.events if e["event"] == "text"],
                  daemon.story())
        wait_until(lambda: not rig.left(), 5, "no process is left")
        since = boot_ns()
        daemon, term = rig.leader()
        check(boot_ns() - since < LEASE_MS * 900000, "the lease was held")
        daemon.signal(signal.SIGTERM)
        check(daemon.wait() == 0, "clean stop")
    return f"{rounds} rounds, {early} before there was anything to stop"


if __name__ == "__main__":
    main([
        test_a_held_write_lock_ends_the_leadership_in_time,
        test_a_damaged_lease_file_moves_no_term_back,
        test_a_restored_copy_with_our_own_name_is_no_leadership,
        test_junk_in_the_lease_file_is_told_and_survived,
        test_an_immutable_lease_file_ends_the_leadership,
        test_a_full_disk_under_the_lease_ends_the_leadership,
        test_daemon_and_warden_killed_together_cost_one_lease,
        test_a_stopped_warden_is_replaced,
        test_a_short_stop_of_the_daemon_changes_nothing,
        test_steps_of_the_wall_clock_change_nothing,
        test_no_descriptor_left_is_no_end,
        test_failing_allocations_do_not_end_it,
        test_hostile_commands_hurt_themselves_only,
        test_a_deleted_socket_is_made_again,
        test_two_daemons_on_one_socket,
        test_what_cannot_start_says_why_and_leaves_nothing,
        test_a_lease_file_that_cannot_be_made_is_told_and_waited_for,
        test_a_start_with_few_descriptors_fails_in_order,
        test_a_start_with_little_memory_fails_in_order,
        test_a_pause_spares_what_runs_and_outlives_its_leader,
        test_a_step_down_drains_and_leads_again_when_alone,
        test_waiting_calls_are_answered_by_a_stop,
        test_a_stop_during_a_take_over_leaves_the_lease_free,
        test_a_stop_does_not_wait_for_a_locked_lease,
        test_a_storm_of_starts_and_stops,
    ])
