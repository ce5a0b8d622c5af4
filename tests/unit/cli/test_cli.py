"""The command line against a daemon that answers from fixed data: words,
exit statuses, and text that must not reach a terminal as it is."""

import json
import os
import shutil
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import unittest

BIN = os.environ["TIMED_JOBS_BIN"]
FAKE = os.environ["FAKE_DAEMON"]
SOURCE = os.environ["SOURCE_ROOT"]
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
COMMANDS = ["run", "check", "status", "jobs", "tick", "pause", "resume",
            "lease", "lease release", "step-down", "logs", "stop"]
HOSTILE = ("\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202eevil\u2066 \\ tab\there")
LOG = [
    {"batch_id": None, "duration_ms": None, "error": None,
     "result": "loop_enabled", "runner": "readings.framework",
     "stage": "started", "ts": "2026-04-01T08:00:00.000Z"},
    {"batch_id": "readings-1775030400000-1", "duration_ms": 1234, "error": None,
     "result": "ok", "runner": "disk", "stage": "runner_completed",
     "ts": "2026-04-01T08:00:01.234Z", "term": 7, "host": "host-a",
     "stdout": "first line\nsecond line\n", "free": 0.25, "list": [1, "a"]},
    {"batch_id": "digest-1775030400000-1", "duration_ms": 5, "error": HOSTILE,
     "result": "failed", "runner": "digest", "stage": "runner_failed",
     "ts": "2026-04-01T08:00:02.000Z", "\x1b[31mkey": HOSTILE},
]


class Daemon:
    """A fake daemon on a socket of its own, with a log of one day."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tj-cli-")
        self.dir = self.folder.name
        self.socket = f"{self.dir}/socket"
        self.log = f"{self.dir}/log"
        os.mkdir(self.log)
        os.chmod(self.dir, 0o755)
        self.day = f"{self.log}/2026-04-01.jsonl"
        with open(self.day, "w") as file:
            for entry in LOG:
                file.write(json.dumps(entry, ensure_ascii=False,
                                      separators=(",", ":")) + "\n")
        self.process = subprocess.Popen([FAKE, self.socket, self.log],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.stdout.close()
        code = self.process.wait(20)
        self.folder.cleanup()
        assert code == 0, f"the fake daemon ended with {code}"


def environment(**more):
    kept = {key: value for key, value in os.environ.items()
            if key in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
                       "TSAN_OPTIONS")}
    return {**kept, "TZ": "UTC", "LANG": "C", "HOME": "/nonexistent", **more}


def cli(*arguments, daemon=None, env=None, **more):
    words = [BIN, *arguments]
    if daemon:
        words += ["--socket", daemon.socket]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, env=env or environment(), **more)
    return (done.returncode, done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"))


def on_terminal(*arguments, lines=1):
    """Run on a pseudo terminal; returns (exit status, what it showed)."""
    master, slave = pty.openpty()
    process = subprocess.Popen([BIN, *arguments], stdin=slave, stdout=slave,
                               stderr=slave, env=environment(TERM="xterm"))
    os.close(slave)
    shown = b""
    while True:
        ready, _, _ = select.select([master], [], [], 30)
        try:
            part = os.read(master, 65536) if ready else b""
        except OSError:
            part = b""
        if not part:
            break
        shown += part
    os.close(master)
    return process.wait(30), shown


class Golden(unittest.TestCase):
    maxDiff = None

    def compare(self, name, text):
        path = f"{GOLDEN}/{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            os.makedirs(GOLDEN, exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        with open(path) as file:
            self.assertEqual(file.read(), text, f"see {path}; UPDATE_GOLDEN=1 "
                             "writes what is printed now")

    def test_help_texts_are_as_reviewed(self):
        code, out, err = cli("--help")
        self.assertEqual((code, err), (0, ""))
        self.compare("help", out)
        for command in COMMANDS:
            code, out, err = cli(*command.split(), "--help")
            self.assertEqual((code, err), (0, ""), command)
            self.compare("help-" + command.replace(" ", "-"), out)
            self.assertEqual(cli("help", *command.split())[1], out)
            longest = max(len(line) for line in out.splitlines())
            self.assertLessEqual(longest, 80, command)
            self.assertIn("examples:\n  timed-jobs " + command, out)

    def test_tables_are_as_reviewed(self):
        with Daemon() as daemon:
            for command in ("status", "jobs"):
                code, out, err = cli(command, daemon=daemon)
                self.assertEqual((code, err), (0, ""))
                self.compare(command, out)
            code, out, err = cli("status", "--color", "always", daemon=daemon)
            self.assertEqual(re.sub("\x1b\\[[0-9]*m", "", out),
                             cli("status", daemon=daemon)[1],
                             "colour changes no column")
            self.assertIn("\x1b[32m", out)
            code, out, err = cli("lease", daemon=daemon)
            self.assertIn("main: leader, term 7, since 2026-04-01 07:58:20", out)

    def test_readable_logs_are_as_reviewed(self):
        with Daemon() as daemon:
            code, out, err = cli("logs", "--date", "2026-04-01", "--color",
                                 "always", daemon=daemon)
            self.assertEqual((code, err), (0, ""))
            self.compare("logs", re.sub("\x1b\\[[0-9]*m", "", out))


class Statuses(unittest.TestCase):
    def test_every_outcome_has_its_exit_status(self):
        rows = [
            (0, "tick readings", "ok x-1775030400000-1: 2 of 2 runners ok"),
            (0, "tick readings --no-wait", "begun"),
            (1, "tick failing", "failed x-1775030400000-1: 1 of 2 runners"),
            (4, "tick paused", "skipped_system_paused"),
            (2, "tick nothing", "there is no job 'nothing'"),
            (0, "pause --why x --for 1h", "paused until 2"),
            (0, "pause", "paused until `timed-jobs resume`"),
            (2, "pause --for 1x", "a duration such as"),
            (2, "pause --until yesterday", "is no time such as"),
            (2, "pause --until 18:00 --for 1h", "either --for or --until"),
            (2, "pause --until 2000-01-01T00:00:00Z", "has passed"),
            (0, "resume", "resumed"),
            (4, "step-down", "host-b leads"),
            (2, "logs --date 2026-13-01", "a date such as"),
            (2, "logs -n x", "a number from 0"),
            (0, "stop --wait", "stopped"),
        ]
        with Daemon() as daemon:
            for status, words, text in rows:
                code, out, err = cli(*words.split(), daemon=daemon)
                self.assertEqual(code, status, f"{words}: {out}{err}")
                self.assertIn(text, out if status in (0, 1) else out + err)
            self.assertIsNotNone(daemon.process.wait(20), "stop --wait waits")
            code, out, err = cli("status", daemon=daemon)
            self.assertEqual((code, out), (3, ""))
            self.assertIn("no daemon: ", err)
            self.assertIn(daemon.socket, err)

    def test_stop_waits_for_the_end_of_the_process(self):
        with Daemon() as daemon:
            self.assertEqual(cli("stop", "--wait", daemon=daemon)[0], 0)
            with open(f"/proc/{daemon.process.pid}/stat") as file:
                self.assertEqual(file.read().rsplit(")", 1)[1].split()[0], "Z")

    def test_usage_errors_are_2_and_help(self):
        rows = [
            ("", "usage: timed-jobs COMMAND"),
            ("stauts", "did you mean 'status'?"),
            ("xyzzy", "see timed-jobs --help"),
            ("--json status", "a command comes before the options"),
            ("status --jsno", "did you mean '--json'?"),
            ("status --follow", "status has no option '--follow'"),
            ("status -x", "status has no option '-x'"),
            ("status extra", "status takes no argument"),
            ("status --json=1", "--json takes no value"),
            ("status --socket", "--socket wants a value"),
            ("status --socket a --socket b", "--socket is given twice"),
            ("status --color blue", "auto, always or never"),
            ("tick", "tick wants a JOB"),
            ("tick a b", "tick takes one JOB"),
            ("run", "run wants a FILE"),
            ("run x -q -v", "either --quiet or --verbose"),
            ("lease release", "lease release wants --backend"),
            ("lease release --backend memory --lease a --term 1 --holder b",
             "sqlite:PATH"),
            ("lease release --backend sqlite: --lease a --term 1 --holder b",
             "sqlite:PATH"),
            ("lease release --backend sqlite:/x --lease a --term 0 --holder b",
             "'0' is no term"),
            ("status --socket " + "x" * 200, "200 bytes"),
        ]
        for words, text in rows:
            code, out, err = cli(*words.split())
            self.assertEqual((code, out), (2, ""), words)
            self.assertIn(text, err, words)
            self.assertTrue(err.startswith("timed-jobs"), err)

    def test_options_stand_anywhere_and_in_every_form(self):
        expected = ("config=f.yaml state=s socket=- host=h color=1 json=1 "
                    "quiet=1 verbose=0\n")
        for words in ("run f.yaml --state s --host h --color always --json -q",
                      "run --state=s --host=h --color=always --json -q f.yaml",
                      "run -q --json --state s --host h --color always -- "
                      "f.yaml"):
            self.assertEqual(cli(*words.split()), (0, expected, ""), words)
        with Daemon() as daemon:
            for words in ("-n1 -d2026-04-01", "-d 2026-04-01 --lines=1",
                          "--date=2026-04-01 --lines 1"):
                code, out, err = cli("logs", *words.split(), daemon=daemon)
                self.assertEqual((code, err), (0, ""), words)
                self.assertEqual(json.loads(out), LOG[2])
            process = subprocess.Popen(
                [BIN, "logs", "-fn1", "-d2026-04-01", "--socket",
                 daemon.socket], env=environment(), stdout=subprocess.PIPE)
            self.assertEqual(json.loads(process.stdout.readline()), LOG[2])
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), -signal.SIGINT)
            process.stdout.close()

    def test_a_user_without_rights_is_refused(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        with Daemon() as daemon:
            def drop():
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            # Where that user can reach it, wherever the build is.
            as_nobody = {"preexec_fn": drop,
                         "executable": shutil.copy(BIN, daemon.dir)}
            code, out, err = cli("status", daemon=daemon, **as_nobody)
            self.assertEqual(code, 4, err)
            self.assertIn("you may not use", err)
            os.chmod(daemon.socket, 0o666)
            code, out, err = cli("status", daemon=daemon, **as_nobody)
            self.assertEqual(code, 0, err)
            code, out, err = cli("stop", daemon=daemon, **as_nobody)
            self.assertEqual(code, 4, err)
            self.assertIn("only root and the daemon's own user", err)

    def test_the_socket_is_found_by_environment_and_configuration(self):
        with Daemon() as daemon:
            env = environment(TIMED_JOBS_SOCKET=daemon.socket)
            self.assertEqual(cli("resume", env=env)[0], 0)
            config = f"{daemon.dir}/jobs.yaml"
            with open(config, "w") as file:
                file.write(f"control: {{socket: {daemon.socket}}}\n"
                           "jobs: {a: {every: 1s, command: [a]}}\n")
            self.assertEqual(cli("resume", "-c", config)[0], 0)
            with open(config, "a") as file:
                file.write("\tx")
            code, out, err = cli("resume", "-c", config)
            self.assertEqual((code, out), (2, ""))
            self.assertIn("jobs.yaml:3", err)
            code, out, err = cli("status")
            self.assertEqual(code, 3)
            self.assertIn("--socket PATH, --config FILE", err)

    def test_check_tells_good_from_bad(self):
        with tempfile.TemporaryDirectory(prefix="tj-cli-") as folder:
            good, bad = f"{folder}/good.yaml", f"{folder}/bad.yaml"
            with open(good, "w") as file:
                file.write(f"state: {folder}\n"
                           "jobs: {a: {every: 1s, command: [a]}}\n")
            with open(bad, "w") as file:
                file.write(f"state: {folder}\n"
                           "jobs: {a: {evry: 1s, command: [a]}}\n")
            self.assertEqual(cli("check", good),
                             (0, f"{good}: ok, 1 job with 1 runner\n", ""))
            code, out, err = cli("check", bad)
            self.assertEqual((code, out), (2, ""))
            self.assertIn(f"{bad}:2:", err)
            code, out, err = cli("check", "--json", bad)
            self.assertEqual((code, err), (2, ""))
            self.assertFalse(json.loads(out)["ok"])
            self.assertEqual(json.loads(out)["findings"][0]["line"], 2)
            answer = json.loads(cli("check", "--json", good)[1])
            self.assertTrue(answer["ok"])
            self.assertIn("a", answer["config"]["jobs"])
            self.assertEqual(cli("check", f"{folder}/none.yaml")[0], 2)


class Programs(unittest.TestCase):
    def test_json_is_json_whatever_happens(self):
        with Daemon() as daemon:
            for words in ("status", "jobs", "lease", "tick readings",
                          "tick failing", "tick paused", "pause", "resume"):
                code, out, err = cli(*words.split(), "--json", daemon=daemon)
                self.assertEqual(out.count("\n"), 1, words)
                self.assertIsInstance(json.loads(out), dict)
            for words, error in (("tick nothing", "no_such_job"),
                                 ("step-down", "not_leader")):
                out = cli(*words.split(), "--json", daemon=daemon)[1]
                self.assertEqual(json.loads(out)["error"]["code"], error)
        out = cli("status", "--json", "--socket", "/nonexistent/s")[1]
        self.assertEqual(json.loads(out)["error"]["code"], "unreachable")

    def test_logs_in_a_pipe_are_the_log_itself(self):
        with Daemon() as daemon:
            code, out, err = cli("logs", "--date", "2026-04-01", daemon=daemon)
            self.assertEqual((code, err), (0, ""))
            with open(daemon.day) as file:
                self.assertEqual(out, file.read())
            out = cli("logs", "-d", "2026-04-01", "--job", "readings",
                      daemon=daemon)[1]
            self.assertEqual([json.loads(line) for line in out.splitlines()],
                             LOG[:2])

    def test_followed_logs_come_as_they_are_written(self):
        with Daemon() as daemon:
            process = subprocess.Popen(
                [BIN, "logs", "-f", "-d", "2026-04-01", "-n", "1", "--socket",
                 daemon.socket], env=environment(), stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
            self.assertEqual(json.loads(process.stdout.readline()), LOG[2])
            for n in range(3):
                with open(daemon.day, "a") as file:
                    file.write(f'{{"n":{n}}}\n')
                self.assertEqual(json.loads(process.stdout.readline()),
                                 {"n": n})
            daemon.process.terminate()
            daemon.process.wait(20)  # once asked is enough
            self.assertEqual(process.wait(20), 3, "the daemon has gone")
            self.assertIn("closed the connection", process.stderr.read())
            process.stdout.close()
            process.stderr.close()

    def test_a_closed_pipe_is_no_reason_for_words(self):
        with Daemon() as daemon:
            with open(daemon.day, "a") as file:
                for n in range(20000):
                    file.write(f'{{"n":{n},"pad":"{"x" * 100}"}}\n')
            done = subprocess.run(
                f"{BIN} logs -d 2026-04-01 --socket {daemon.socket} | head -1",
                shell=True, capture_output=True, timeout=60, text=True,
                env=environment())
            self.assertEqual(done.stderr, "")
            self.assertEqual(json.loads(done.stdout), LOG[0])

    def test_a_full_disk_is_told(self):
        with Daemon() as daemon:
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    [BIN, "status", "--json", "--socket", daemon.socket],
                    stdout=full, stderr=subprocess.PIPE, env=environment())
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"cannot be written", done.stderr)


class Terminals(unittest.TestCase):
    def check_harmless(self, shown):
        text = re.sub(rb"\x1b\[[0-9]*m", b"", shown).decode()
        for character in text:
            self.assertFalse(
                (ord(character) < 0x20 and character not in "\r\n")
                or 0x7f <= ord(character) < 0xa0
                or character in "\u202e\u2066", f"{character!r} in {text!r}")
        return text

    def test_hostile_text_cannot_drive_a_terminal(self):
        with Daemon() as daemon:
            arguments = ["logs", "-d", "2026-04-01", "--socket", daemon.socket]
            code, shown = on_terminal(*arguments)
            self.assertEqual(code, 0)
            self.assertIn(b"\x1b[", shown, "colour on a terminal")
            text = self.check_harmless(shown)
            self.assertIn("\\x1b]0;owned\\x07", text)
            self.assertIn("\\u{202e}evil", text)
            code, shown = on_terminal(*arguments, "--json")
            text = self.check_harmless(shown)
            lines = [json.loads(line) for line in text.splitlines()]
            self.assertEqual(lines, LOG, "escaped, and still the same JSON")
            code, shown = on_terminal("tick", HOSTILE.replace("\x00", ""),
                                      "--socket", daemon.socket)
            self.assertEqual(code, 2)
            self.check_harmless(shown)

    def test_no_color_is_heeded(self):
        with Daemon() as daemon:
            master, slave = pty.openpty()
            process = subprocess.Popen(
                [BIN, "jobs", "--socket", daemon.socket], stdout=slave,
                env=environment(TERM="xterm", NO_COLOR="1"))
            self.assertEqual(process.wait(20), 0)
            self.assertNotIn(b"\x1b", os.read(master, 65536))
            os.close(master)
            os.close(slave)


class Tables(unittest.TestCase):
    """The table of commands, and what else has to agree with it."""

    def options(self):
        code, out, err = cli("__options")
        self.assertEqual(code, 0)
        table = {}
        for line in out.splitlines():
            command, *words = re.split(" (?=-)", line)
            table.setdefault(command, [])
            if words:
                table[command].append(words)
        return table

    def test_the_manual_has_every_command_and_option(self):
        with open(f"{SOURCE}/man/timed-jobs.1.scd") as file:
            manual = file.read()
        commands = manual.split("# COMMANDS")[1].split("# OPTIONS")[0]
        options = manual.split("# OPTIONS")[1].split("# EXIT STATUS")[0]
        table = self.options()
        self.assertEqual(list(table), COMMANDS)
        for command, words in table.items():
            entry = re.search(rf"^\*{command}\*(?! _COMMAND|\* )[^\n]*\n"
                              r"((?:\t[^\n]*\n)+)", commands, re.M)
            self.assertIsNotNone(entry, command)
            told = re.findall(r"\*(--[a-z-]+)\*",
                              entry.group(1).split("Options:")[1])
            self.assertEqual(sorted(told), sorted(w[0] for w in words), command)
            for names in words:
                heading = ", ".join(f"*{name}*" for name in reversed(names))
                self.assertIn(f"\n{heading}", options)
        known = {names[0] for words in table.values() for names in words}
        self.assertEqual(set(re.findall(r"^(?:\*-\w\*, )?\*(--[a-z-]+)\*",
                                        options, re.M)), known)

    def test_the_manual_has_every_event(self):
        told = {"lines_lost"}  # is printed past the narrator's usual way
        for name in sorted(os.listdir(f"{SOURCE}/src/daemon")):
            if not name.endswith(".c"):
                continue
            with open(f"{SOURCE}/src/daemon/{name}") as file:
                text = file.read()
            for argument in re.findall(r"NARRATOR_[A-Z]+,\s*([^,]*?),", text):
                told |= set(re.findall(r'"([a-z_]+)"', argument))
            told |= set(re.findall(r'json_begin\(narrator, "([a-z_]+)"', text))
        told.remove("paths")  # on a terminal only
        with open(f"{SOURCE}/man/timed-jobs.1.scd") as file:
            events = file.read().split("# EVENTS")[1].split("# SIGNALS")[0]
        manual = re.findall(r"^\|  _([a-z_]+)_$", events, re.M)
        self.assertEqual(sorted(manual), sorted(told))

    def complete(self, *words, daemon=None, index=None):
        env = environment(COMP_LINE=" ".join(words))
        if daemon:
            env["TIMED_JOBS_SOCKET"] = daemon.socket
        script = (f'source "{SOURCE}/contrib/completion/timed-jobs.bash"\n'
                  'COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n'
                  '_timed_jobs; printf "%s\\n" "${COMPREPLY[@]}"\n')
        done = subprocess.run(["bash", "-c", script, "bash", BIN, *words],
                              capture_output=True, text=True, timeout=60,
                              env=env, cwd=f"{SOURCE}/src")
        self.assertEqual(done.stderr, "")
        return [line for line in done.stdout.splitlines() if line]

    def test_bash_completes_commands_options_files_and_jobs(self):
        with Daemon() as daemon:
            rows = [
                (["st"], ["status", "step-down", "stop"]),
                (["lo"], ["logs"]),
                (["lease", "rel"], []),
                (["status", "--j"], ["--json"]),
                (["logs", "--"], ["--socket", "--config", "--json", "--color",
                                  "--help", "--follow", "--lines", "--job",
                                  "--runner", "--stage", "--date"]),
                (["logs", "--color", "a"], ["auto", "always"]),
                (["logs", "--color", "=", "n"], ["never"]),
                (["logs", "--color", "="], ["auto", "always", "never"]),
                (["tick", ""], ["readings", "digest"]),
                (["tick", "rea"], ["readings"]),
                (["tick", "readings", ""], []),
                (["tick", "readings", "--no"], ["--no-wait"]),
                (["logs", "-j", "d"], ["digest"]),
                (["logs", "--job", "=", "d"], ["digest"]),
                (["check", "cl"], ["cli"]),
                (["run", "x", "--state", "con"], ["control"]),
                (["help", "che"], ["check"]),
                (["lease", "release", "--te"], ["--term"]),
                (["nonsense", "x"], []),
            ]
            for words, expected in rows:
                self.assertEqual(self.complete(*words, daemon=daemon), expected,
                                 words)
        self.assertEqual(self.complete("tick", ""), [], "no daemon, no jobs")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
