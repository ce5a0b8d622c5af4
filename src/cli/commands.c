/* The tables. Text here is what people read: keep lines below 80 columns. */
#include "cli/cli.h"

const cli_option cli_options[CLI_OPTION_MAX_] = {
    [CLI_SOCKET] = { "socket", "PATH",
                     "the daemon's socket, see timed-jobs(1) for its default",
                     CLI_VALUE_FILE, 0 },
    [CLI_CONFIG] = { "config", "FILE",
                     "take the socket's path from this configuration",
                     CLI_VALUE_FILE, 'c' },
    [CLI_JSON] = { "json", NULL, "print JSON, for programs", CLI_VALUE_NONE,
                   0 },
    [CLI_COLOR] = { "color", "WHEN",
                    "auto (default), always or never; NO_COLOR is heeded",
                    CLI_VALUE_COLOR, 0 },
    [CLI_HELP] = { "help", NULL, "print this help", CLI_VALUE_NONE, 'h' },
    [CLI_STATE] = { "state", "DIR",
                    "keep state here instead of where the file says",
                    CLI_VALUE_DIRECTORY, 0 },
    [CLI_HOST] = { "host", "NAME", "the name of this machine in lease and log",
                   CLI_VALUE_TEXT, 0 },
    [CLI_QUIET] = { "quiet", NULL, "tell warnings and errors only",
                    CLI_VALUE_NONE, 'q' },
    [CLI_VERBOSE] = { "verbose", NULL, "tell more", CLI_VALUE_NONE, 'v' },
    [CLI_NO_WAIT] = { "no-wait", NULL, "do not wait for the tick's end",
                      CLI_VALUE_NONE, 0 },
    [CLI_WHY] = { "why", "TEXT", "the reason, for those who come after",
                  CLI_VALUE_TEXT, 0 },
    [CLI_WHO] = { "who", "NAME", "who asks (default: your user name)",
                  CLI_VALUE_TEXT, 0 },
    [CLI_FOR] = { "for", "DURATION",
                  "end by itself after this: 90s, 15m, 1h30m, 7d",
                  CLI_VALUE_TEXT, 0 },
    [CLI_UNTIL] = { "until", "TIME",
                    "end by itself then: 18:00, \"2026-04-01 08:00\"",
                    CLI_VALUE_TEXT, 0 },
    [CLI_FOLLOW] = { "follow", NULL, "go on with new lines as they come",
                     CLI_VALUE_NONE, 'f' },
    [CLI_LINES] = { "lines", "N",
                    "the last N lines (default: 50; all with --date)",
                    CLI_VALUE_TEXT, 'n' },
    [CLI_JOB] = { "job", "JOB", "lines of this job only", CLI_VALUE_JOB, 'j' },
    [CLI_RUNNER] = { "runner", "NAME", "lines of this runner only",
                     CLI_VALUE_TEXT, 'r' },
    [CLI_STAGE] = { "stage", "STAGE",
                    "lines of this stage only, such as runner_failed",
                    CLI_VALUE_TEXT, 0 },
    [CLI_DATE] = { "date", "DATE",
                   "one day, YYYY-MM-DD in UTC; with -f: from then on",
                   CLI_VALUE_TEXT, 'd' },
    [CLI_WAIT] = { "wait", NULL, "wait until the daemon has ended",
                   CLI_VALUE_NONE, 'w' },
    [CLI_BACKEND] = { "backend", "BACKEND",
                      "where the lease is, such as sqlite:/path/to/file.db",
                      CLI_VALUE_TEXT, 0 },
    [CLI_LEASE] = { "lease", "NAME", "the lease's name", CLI_VALUE_TEXT, 0 },
    [CLI_TERM] = { "term", "N", "the term it has to be held under",
                   CLI_VALUE_TEXT, 0 },
    [CLI_HOLDER] = { "holder", "ID", "the holder it has to be held by",
                     CLI_VALUE_TEXT, 0 },
};

#define BIT(id) ((uint64_t)1 << (id))
#define CLIENT                                                            \
    (BIT(CLI_SOCKET) | BIT(CLI_CONFIG) | BIT(CLI_JSON) | BIT(CLI_COLOR) | \
     BIT(CLI_HELP))

const cli_command cli_commands[] = {
    {
        .name = "run",
        .argument = CLI_VALUE_FILE,
        .argument_name = "FILE",
        .summary = "run the daemon in the foreground",
        .text = "Runs the jobs of a configuration while this machine leads, "
                "and follows\notherwise. SIGTERM and SIGINT drain what is in "
                "flight and hand the lease over;\na second one ends at once. "
                "On a terminal every tick is one line; in a pipe or\nwith "
                "--json every event is one JSON object.",
        .examples = "timed-jobs run jobs.yaml\n"
                    "timed-jobs run jobs.yaml --state ./state --host alpha\n",
        .options = BIT(CLI_STATE) | BIT(CLI_SOCKET) | BIT(CLI_HOST) |
                   BIT(CLI_QUIET) | BIT(CLI_VERBOSE) | BIT(CLI_JSON) |
                   BIT(CLI_COLOR) | BIT(CLI_HELP),
        .run = cli_run,
    },
    {
        .name = "check",
        .argument = CLI_VALUE_FILE,
        .argument_name = "FILE",
        .summary = "check a configuration and change nothing",
        .text = "Tells every error with file, line, column and a hint, and "
                "exits with 2 if there\nis one. With --json the effective "
                "configuration or the errors are printed.",
        .examples = "timed-jobs check jobs.yaml\n"
                    "timed-jobs check jobs.yaml --json | jq .config.jobs\n",
        .options = BIT(CLI_JSON) | BIT(CLI_COLOR) | BIT(CLI_HELP),
        .run = cli_check,
    },
    {
        .name = "status",
        .summary = "who leads, under which term, and how the jobs do",
        .examples = "timed-jobs status\n"
                    "timed-jobs status --json | jq .lease.term\n",
        .options = CLIENT,
        .run = cli_status,
    },
    {
        .name = "jobs",
        .summary = "the jobs, their last tick and their next",
        .examples = "timed-jobs jobs\n"
                    "timed-jobs jobs --json | jq -r '.jobs[].name'\n",
        .options = CLIENT,
        .run = cli_jobs,
    },
    {
        .name = "tick",
        .argument = CLI_VALUE_JOB,
        .argument_name = "JOB",
        .summary = "run a job once, now",
        .text = "Waits for the end of the tick. Exits with 0 if every runner "
                "ended well, 1 if one\nfailed, 4 if the tick was skipped: "
                "busy, paused, or not the leader.",
        .examples = "timed-jobs tick readings\n"
                    "timed-jobs tick readings --no-wait\n",
        .options = CLIENT | BIT(CLI_NO_WAIT),
        .run = cli_tick,
    },
    {
        .name = "pause",
        .summary = "start no more runs, on all machines of the lease",
        .text = "What runs already is not touched. The pause is kept beside "
                "the lease, so that it\noutlives this daemon, and ends at its "
                "time or with `timed-jobs resume`.",
        .examples = "timed-jobs pause --why \"moving the database\" --for 2h\n"
                    "timed-jobs pause --until 18:00\n",
        .options = CLIENT | BIT(CLI_WHY) | BIT(CLI_FOR) | BIT(CLI_UNTIL) |
                   BIT(CLI_WHO),
        .run = cli_pause,
    },
    {
        .name = "resume",
        .summary = "end a pause",
        .examples = "timed-jobs resume\n",
        .options = CLIENT | BIT(CLI_WHO),
        .run = cli_resume,
    },
    {
        .name = "lease",
        .summary = "who holds the lease",
        .text = "`timed-jobs lease release` is what a warden runs when its "
                "daemon has died; see\n`timed-jobs lease release --help`.",
        .examples = "timed-jobs lease\n",
        .options = CLIENT,
        .run = cli_lease,
    },
    {
        .name = "lease release",
        .is_hidden = true,
        .summary = "release a dead daemon's lease",
        .text = "A single compare-and-set: the lease is released if it is "
                "still held under this\nterm by this holder, and left alone "
                "otherwise (exit status 4). No daemon is\nasked. The warden "
                "runs this as its last act, after every command of its dead\n"
                "daemon is gone. Releasing the lease of a daemon that lives "
                "lets two machines run\nthe jobs.",
        .examples = "timed-jobs lease release --backend "
                    "sqlite:/var/lib/timed-jobs/timed-jobs.db \\\n"
                    "    --lease main --term 7 --holder "
                    "00112233445566778899aabbccddeeff\n",
        .options = BIT(CLI_BACKEND) | BIT(CLI_LEASE) | BIT(CLI_TERM) |
                   BIT(CLI_HOLDER) | BIT(CLI_JSON) | BIT(CLI_COLOR) |
                   BIT(CLI_HELP),
        .run = cli_lease_release,
    },
    {
        .name = "step-down",
        .summary = "give the lease up, so that another machine leads",
        .text = "Runs in flight are ended first. Waits until the lease is "
                "released. For a moment\nthis machine does not try to get it "
                "back.",
        .examples = "timed-jobs step-down\n",
        .options = CLIENT | BIT(CLI_WHO),
        .run = cli_step_down,
    },
    {
        .name = "logs",
        .summary = "the log's last lines, or new ones as they come",
        .text = "On a terminal lines are made readable; in a pipe or with "
                "--json they are the\nlog's own JSON lines.",
        .examples = "timed-jobs logs -n 20\n"
                    "timed-jobs logs -f --job readings\n"
                    "timed-jobs logs --date 2026-04-01 --stage runner_failed "
                    "| jq .error\n",
        .options = CLIENT | BIT(CLI_FOLLOW) | BIT(CLI_LINES) | BIT(CLI_JOB) |
                   BIT(CLI_RUNNER) | BIT(CLI_STAGE) | BIT(CLI_DATE),
        .run = cli_logs,
    },
    {
        .name = "stop",
        .summary = "drain, hand the lease over, and end the daemon",
        .examples = "timed-jobs stop --wait\n",
        .options = CLIENT | BIT(CLI_WAIT) | BIT(CLI_WHO),
        .run = cli_stop,
    },
};

const size_t cli_n_commands = sizeof(cli_commands) / sizeof(cli_commands[0]);
