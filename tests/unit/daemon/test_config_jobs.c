/* Jobs and runners that could not work, and to the letter what is said about
 * them; what this version does not have; and mistakes of all kinds together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_support.h"

static const struct mistake mistakes[] = {
    /* a job without runner */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 1s\n",
        "t.yaml:2:3: error: jobs.a: the job has no runner\n"
        "     2 |   a:\n"
        "       |   ^\n"
        "       = hint: add command: [PROGRAM, ARGUMENT, ...], shell: TEXT, or a list of runners\n"),
    /* a job without schedule */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    command: [date]\n",
            "t.yaml:2:3: error: jobs.a: the job has no schedule\n"
            "     2 |   a:\n"
            "       |   ^\n"
            "       = hint: add every: 30s\n"),
    /* an empty list of runners */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 1s\n"
            "    runners: []\n",
            "t.yaml:4:14: error: jobs.a.runners: the list is empty\n"
            "     4 |     runners: []\n"
            "       |              ^\n"
            "       = hint: add one: - {name: hello, command: [date]}\n"),
    /* a runner without a name, without work */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 1s\n"
        "    runners:\n"
        "      - timeout: 1s\n",
        "t.yaml:5:9: error: jobs.a.runners[0]: the runner has no name\n"
        "     5 |       - timeout: 1s\n"
        "       |         ^\n"
        "       = hint: add name: WORD; the log and the commands show it\n"
        "t.yaml:5:9: error: jobs.a.runners[0]: the runner does nothing\n"
        "     5 |       - timeout: 1s\n"
        "       |         ^\n"
        "       = hint: add command: [PROGRAM, ARGUMENT, ...] or shell: TEXT\n"),
    /* duplicate runners */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 1s\n"
        "    runners:\n"
        "      - {name: x, command: y}\n"
        "      - {name: x, command: z}\n",
        "t.yaml:6:16: error: jobs.a.runners[1].name: the job has a runner 'x' already (on line 5)\n"
        "     6 |       - {name: x, command: z}\n"
        "       |                ^\n"
        "       = hint: give each runner of a job a name of its own\n"),
    /* reserved runner */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 1s\n"
        "    runners:\n"
        "      - {name: a.framework, command: y}\n",
        "t.yaml:5:16: error: jobs.a.runners[0].name: names that end in '.framework' are reserved\n"
        "     5 |       - {name: a.framework, command: y}\n"
        "       |                ^~~~~~~~~~~\n"
        "       = hint: entries of a job's own in the log are named so\n"),
    /* reserved job */
    MISTAKE(
        "jobs:\n"
        "  a.framework: {every: 1s, command: y}\n",
        "t.yaml:2:3: error: the name 'a.framework' is reserved: it ends in '.framework'\n"
        "     2 |   a.framework: {every: 1s, command: y}\n"
        "       |   ^~~~~~~~~~~\n"
        "       = hint: entries of a job's own in the log are named so\n"),
    /* a bad name */
    MISTAKE(
        "jobs:\n"
        "  -a b: {every: 1s, command: y}\n",
        "t.yaml:2:3: error: '-a b' cannot be the name of a job\n"
        "     2 |   -a b: {every: 1s, command: y}\n"
        "       |   ^~~~\n"
        "       = hint: a name has 1 to 64 letters, digits, '.', '_' or '-' and starts with a letter or a digit\n"),
    /* a long name */
    MISTAKE(
        "jobs:\n"
        "  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: {every: 1s, command: y}\n",
        "t.yaml:2:3: error: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...' cannot be the name of a job\n"
        "     2 |   xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: {every: 1s, command: y}\n"
        "       |   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "       = hint: a name has 1 to 64 letters, digits, '.', '_' or '-' and starts with a letter or a digit\n"),
    /* command and shell */
    MISTAKE("jobs:\n"
            "  a: {every: 1s, command: y, shell: z}\n",
            "t.yaml:2:30: error: jobs.a: has both 'command' and 'shell'\n"
            "     2 |   a: {every: 1s, command: y, shell: z}\n"
            "       |                              ^~~~~\n"
            "       = hint: keep one of them\n"),
    /* command and runners */
    MISTAKE(
        "jobs:\n"
        "  a: {every: 1s, command: y, runners: [{name: b, command: c}]}\n",
        "t.yaml:2:30: error: jobs.a: has both 'runners' and a command of its own\n"
        "     2 |   a: {every: 1s, command: y, runners: [{name: b, command: c}]}\n"
        "       |                              ^~~~~~~\n"
        "       = hint: 'command' and 'shell' are short for one runner; make it an element of the list\n"),
    /* a command of several words */
    MISTAKE(
        "jobs:\n"
        "  a: {every: 1s, command: df -P}\n",
        "t.yaml:2:27: error: jobs.a.command: expected a list, found a text of several words\n"
        "     2 |   a: {every: 1s, command: df -P}\n"
        "       |                           ^~~~~\n"
        "       = hint: write a list: [PROGRAM, ARGUMENT, ...]; or 'shell:' for a text that /bin/sh is to read\n"),
    /* an empty command */
    MISTAKE("jobs:\n"
            "  a: {every: 1s, command: []}\n",
            "t.yaml:2:27: error: jobs.a.command: does not name a program\n"
            "     2 |   a: {every: 1s, command: []}\n"
            "       |                           ^\n"
            "       = hint: write [PROGRAM, ARGUMENT, ...]\n"),
    /* an empty program */
    MISTAKE("jobs:\n"
            "  a: {every: 1s, command: [\"\", x]}\n",
            "t.yaml:2:27: error: jobs.a.command: does not name a program\n"
            "     2 |   a: {every: 1s, command: [\"\", x]}\n"
            "       |                           ^\n"
            "       = hint: write [PROGRAM, ARGUMENT, ...]\n"),
    /* an empty shell text */
    MISTAKE("jobs:\n"
            "  a: {every: 1s, shell: \" \"}\n",
            "t.yaml:2:25: error: jobs.a.shell: has no text for the shell\n"
            "     2 |   a: {every: 1s, shell: \" \"}\n"
            "       |                         ^~~\n"),
    /* a command with a map in it */
    MISTAKE(
        "jobs:\n"
        "  a: {every: 1s, command: [date, {u: x}]}\n",
        "t.yaml:2:34: error: jobs.a.command: expected a single value, found a map of keys\n"
        "     2 |   a: {every: 1s, command: [date, {u: x}]}\n"
        "       |                                  ^\n"
        "       = hint: quote a text that starts with '[', '{' or '- '\n"),
    /* environment */
    MISTAKE(
        "jobs:\n"
        "  a: {every: 1s, command: x, env: {1A: b, TIMED_JOBS_TERM: 7, C: , D: [e], F: g, F: h}}\n",
        "t.yaml:2:36: error: jobs.a.env: '1A' cannot be a variable's name\n"
        "     2 |   a: {every: 1s, command: x, env: {1A: b, TIMED_JOBS_TERM: 7, C: , D: [e], F: g, F: h}}\n"
        "       |                                    ^~\n"
        "       = hint: letters, digits and '_', not a digit first\n"
        "t.yaml:2:43: error: jobs.a.env: 'TIMED_JOBS_TERM' is set by timed-jobs itself\n"
        "     2 |   a: {every: 1s, command: x, env: {1A: b, TIMED_JOBS_TERM: 7, C: , D: [e], F: g, F: h}}\n"
        "       |                                           ^~~~~~~~~~~~~~~\n"
        "       = hint: choose a name that does not start with TIMED_JOBS_\n"
        "t.yaml:2:63: error: jobs.a.env.C: has no value\n"
        "     2 |   a: {every: 1s, command: x, env: {1A: b, TIMED_JOBS_TERM: 7, C: , D: [e], F: g, F: h}}\n"
        "       |                                                               ^\n"
        "       = hint: write \"\" for an empty one\n"
        "t.yaml:2:71: error: jobs.a.env: expected a single value, found a list\n"
        "     2 |   a: {every: 1s, command: x, env: {1A: b, TIMED_JOBS_TERM: 7, C: , D: [e], F: g, F: h}}\n"
        "       |                                                                       ^\n"
        "       = hint: quote a text that starts with '[', '{' or '- '\n"
        "t.yaml:2:82: error: key 'F' given twice (first on line 2)\n"
        "     2 |   a: {every: 1s, command: x, env: {1A: b, TIMED_JOBS_TERM: 7, C: , D: [e], F: g, F: h}}\n"
        "       |                                                                                  ^\n"),
    /* environment as a list */
    MISTAKE(
        "jobs:\n"
        "  a: {every: 1s, command: x, env: [A=b]}\n",
        "t.yaml:2:35: error: jobs.a.env: expected a map of keys, found a list\n"
        "     2 |   a: {every: 1s, command: x, env: [A=b]}\n"
        "       |                                   ^\n"
        "       = hint: write 'key: value' pairs, without '- ' or brackets\n"),
    /* later: cron and the like */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    cron: \"30 2 * * *\"\n"
        "    timezone: Europe/Berlin\n"
        "    misfire: once\n"
        "    overlap: skip\n"
        "    retries: {max: 3}\n"
        "    http: {url: x}\n"
        "    after: 10s\n",
        "t.yaml:3:5: error: jobs.a.cron: not supported in this version\n"
        "     3 |     cron: \"30 2 * * *\"\n"
        "       |     ^~~~\n"
        "t.yaml:4:5: error: jobs.a.timezone: not supported in this version\n"
        "     4 |     timezone: Europe/Berlin\n"
        "       |     ^~~~~~~~\n"
        "t.yaml:5:5: error: jobs.a.misfire: not supported in this version\n"
        "     5 |     misfire: once\n"
        "       |     ^~~~~~~\n"
        "t.yaml:6:5: error: jobs.a.overlap: not supported in this version\n"
        "     6 |     overlap: skip\n"
        "       |     ^~~~~~~\n"
        "t.yaml:7:5: error: jobs.a.retries: not supported in this version\n"
        "     7 |     retries: {max: 3}\n"
        "       |     ^~~~~~~\n"
        "t.yaml:8:5: error: jobs.a.http: not supported in this version\n"
        "     8 |     http: {url: x}\n"
        "       |     ^~~~\n"
        "t.yaml:9:5: error: jobs.a.after: not supported in this version\n"
        "     9 |     after: 10s\n"
        "       |     ^~~~~\n"),
    /* later: TCP */
    MISTAKE(
        "control: {listen: 127.0.0.1:8787, tokens: x, tls: y}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:11: error: control.listen: not supported in this version\n"
        "     1 | control: {listen: 127.0.0.1:8787, tokens: x, tls: y}\n"
        "       |           ^~~~~~\n"
        "t.yaml:1:35: error: control.tokens: not supported in this version\n"
        "     1 | control: {listen: 127.0.0.1:8787, tokens: x, tls: y}\n"
        "       |                                   ^~~~~~\n"
        "t.yaml:1:46: error: control.tls: not supported in this version\n"
        "     1 | control: {listen: 127.0.0.1:8787, tokens: x, tls: y}\n"
        "       |                                              ^~~\n"),
    /* backends to come */
    MISTAKE(
        "lease: postgres://user@host/db\n"
        "store: etcd://a,b,c/prefix\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:8: error: lease.backend: 'postgres://user@host/db': postgres is not built into this version\n"
        "     1 | lease: postgres://user@host/db\n"
        "       |        ^~~~~~~~~~~~~~~~~~~~~~~\n"
        "       = hint: this version has sqlite:PATH and memory\n"
        "t.yaml:2:8: error: store: 'etcd://a,b,c/prefix': etcd is not built into this version\n"
        "     2 | store: etcd://a,b,c/prefix\n"
        "       |        ^~~~~~~~~~~~~~~~~~~\n"
        "       = hint: this version has sqlite:PATH and memory\n"
        "t.yaml:2:8: warning: store: this version does not keep a store yet\n"
        "     2 | store: etcd://a,b,c/prefix\n"
        "       |        ^~~~~~~~~~~~~~~~~~~\n"
        "       = hint: it is checked, and used once there is a store\n"),
    /* no backend */
    MISTAKE(
        "lease: timed-jobs.db\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:8: error: lease.backend: 'timed-jobs.db' is not a backend (examples: sqlite:timed-jobs.db, sqlite:/srv/fleet.db, memory)\n"
        "     1 | lease: timed-jobs.db\n"
        "       |        ^~~~~~~~~~~~~\n"
        "       = hint: for an SQLite file write sqlite:timed-jobs.db\n"),
    /* SQLite with slashes */
    MISTAKE(
        "lease: sqlite:///srv/x.db\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:8: error: lease.backend: 'sqlite:///srv/x.db' is not a backend (examples: sqlite:timed-jobs.db, sqlite:/srv/fleet.db, memory)\n"
        "     1 | lease: sqlite:///srv/x.db\n"
        "       |        ^~~~~~~~~~~~~~~~~~\n"
        "       = hint: write the path right after the colon: sqlite:/srv/fleet.db\n"),
    /* SQLite without a file */
    MISTAKE(
        "lease: {backend: \"sqlite:\"}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:18: error: lease.backend: 'sqlite:' is not a backend (examples: sqlite:timed-jobs.db, sqlite:/srv/fleet.db, memory)\n"
        "     1 | lease: {backend: \"sqlite:\"}\n"
        "       |                  ^~~~~~~~~\n"
        "       = hint: name the file: sqlite:timed-jobs.db\n"),
    /* another lease */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    lease: other\n",
        "t.yaml:5:12: error: jobs.a.lease: there is no lease 'other'; this version has one, named 'main'\n"
        "     5 |     lease: other\n"
        "       |            ^~~~~\n"
        "       = hint: leave the key out\n"),
    /* a lease's name */
    MISTAKE(
        "lease: {name: a/b}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:15: error: lease.name: 'a/b' cannot be a name\n"
        "     1 | lease: {name: a/b}\n"
        "       |               ^~~\n"
        "       = hint: a name has 1 to 64 letters, digits, '.', '_' or '-' and starts with a letter or a digit\n"),
    /* a socket's path is short */
    MISTAKE(
        "control: {socket: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:19: error: the control socket's path has 121 bytes, and no socket can have more than 107: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
        "     1 | control: {socket: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\n"
        "       |                   ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "       = hint: choose a short one: control: {socket: /run/timed-jobs.sock}, or --socket PATH\n"),
    /* control characters in a path */
    MISTAKE(
        "state: \"a\\nb\"\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:8: error: state: 'a b' has line breaks or control characters\n"
        "     1 | state: \"a\\nb\"\n"
        "       |        ^~~~~~\n"),
    /* an empty text */
    MISTAKE("host: \"\"\n"
            "jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n",
            "t.yaml:1:7: error: host: '' is empty\n"
            "     1 | host: \"\"\n"
            "       |       ^~\n"),
    /* timeout longer than interval */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: 1m\n",
        "t.yaml:5:14: warning: jobs.a.timeout: longer than the time between two ticks ('every')\n"
        "     5 |     timeout: 1m\n"
        "       |              ^~\n"
        "       = hint: ticks that come due while a run goes on are skipped as busy\n"),
    /* a store that is not used */
    MISTAKE(
        "store: memory\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:8: warning: store: this version does not keep a store yet\n"
        "     1 | store: memory\n"
        "       |        ^~~~~~\n"
        "       = hint: it is checked, and used once there is a store\n"),
    /* tabs and wide characters in front */
    MISTAKE(
        "jobs: {\"\346\274\242\345\255\227\": 1,\t\"e\314\201\": 2, x: [}\n",
        "t.yaml:1:8: error: '\346\274\242\345\255\227' cannot be the name of a job\n"
        "     1 | jobs: {\"\346\274\242\345\255\227\": 1,       \"e\314\201\": 2, x: [}\n"
        "       |        ^~~~~~\n"
        "       = hint: a name has 1 to 64 letters, digits, '.', '_' or '-' and starts with a letter or a digit\n"
        "t.yaml:1:14: error: jobs.\346\274\242\345\255\227: expected a map of keys, found a single value\n"
        "     1 | jobs: {\"\346\274\242\345\255\227\": 1,       \"e\314\201\": 2, x: [}\n"
        "       |                ^\n"
        "       = hint: write 'key: value' with a space after the colon\n"
        "t.yaml:1:17: error: 'e\314\201' cannot be the name of a job\n"
        "     1 | jobs: {\"\346\274\242\345\255\227\": 1,       \"e\314\201\": 2, x: [}\n"
        "       |                         ^~~\n"
        "       = hint: a name has 1 to 64 letters, digits, '.', '_' or '-' and starts with a letter or a digit\n"
        "t.yaml:1:23: error: jobs.e\314\201: expected a map of keys, found a single value\n"
        "     1 | jobs: {\"\346\274\242\345\255\227\": 1,       \"e\314\201\": 2, x: [}\n"
        "       |                              ^\n"
        "       = hint: write 'key: value' with a space after the colon\n"
        "t.yaml:1:29: error: jobs.x: expected a map of keys, found a list\n"
        "     1 | jobs: {\"\346\274\242\345\255\227\": 1,       \"e\314\201\": 2, x: [}\n"
        "       |                                    ^\n"
        "       = hint: write 'key: value' pairs, without '- ' or brackets\n"
        "t.yaml:1:30: error: a value is missing here\n"
        "     1 | jobs: {\"\346\274\242\345\255\227\": 1,       \"e\314\201\": 2, x: [}\n"
        "       |                                     ^\n"),
    /* CR LF */
    MISTAKE(
        "jobs:\r\n"
        "  a:\r\n"
        "    everi: 1s\r\n"
        "    command: x\r\n",
        "t.yaml:3:5: error: unknown key 'everi' in jobs.a; did you mean 'every'?\n"
        "     3 |     everi: 1s\n"
        "       |     ^~~~~\n"),
    /* a long line, marked at its end */
    MISTAKE(
        "jobs: {a: {every: 1s, command: [word0, word1, word2, word3, word4, word5, word6, word7, word8, word9, word10, word11, word12, word13, word14, word15, word16, word17, word18, word19, word20, word21, word22, word23, word24, word25, word26, word27, word28, word29], tiemout: 5s, env: {A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}}}\n",
        "t.yaml:1:264: error: unknown key 'tiemout' in jobs.a; did you mean 'timeout'?\n"
        "     1 | ...ord25, word26, word27, word28, word29], tiemout: 5s, env: {A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...\n"
        "       |                                            ^~~~~~~\n"),
    /* errors in several places, in order */
    MISTAKE(
        "log: {dirr: x}\n"
        "jobs:\n"
        "  a: {every: 1, command: date}\n"
        "  b: {every: 1s}\n"
        "hots: y\n",
        "t.yaml:1:7: error: unknown key 'dirr' in log; did you mean 'dir'?\n"
        "     1 | log: {dirr: x}\n"
        "       |       ^~~~\n"
        "t.yaml:3:14: error: jobs.a.every: '1' has no unit; did you mean '1s'?\n"
        "     3 |   a: {every: 1, command: date}\n"
        "       |              ^\n"
        "       = hint: units are ms, s, m, h and d\n"
        "t.yaml:4:3: error: jobs.b: the job has no runner\n"
        "     4 |   b: {every: 1s}\n"
        "       |   ^\n"
        "       = hint: add command: [PROGRAM, ARGUMENT, ...], shell: TEXT, or a list of runners\n"
        "t.yaml:5:1: error: unknown key 'hots'; did you mean 'host'?\n"
        "     5 | hots: y\n"
        "       | ^~~~\n"),
    /* a syntax error after other errors */
    MISTAKE(
        "log: {dirr: x}\n"
        "jobs:\n"
        "  a: {every: 1}\n"
        "  b\n",
        "t.yaml:1:7: error: unknown key 'dirr' in log; did you mean 'dir'?\n"
        "     1 | log: {dirr: x}\n"
        "       |       ^~~~\n"
        "t.yaml:3:14: error: jobs.a.every: '1' has no unit; did you mean '1s'?\n"
        "     3 |   a: {every: 1}\n"
        "       |              ^\n"
        "       = hint: units are ms, s, m, h and d\n"
        "t.yaml:4:3: error: a ':' is missing after this\n"
        "     4 |   b\n"
        "       |   ^\n"
        "       = hint: a line is 'key: value', or '- element' in a list; indent a text of several lines deeper than its key\n"),
};

/* A job that cannot run must be told before anything is started. */
static void test_impossible_job_is_told_with_place_and_hint(void **state)
{
    mistakes_check(mistakes, sizeof(mistakes) / sizeof(mistakes[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_impossible_job_is_told_with_place_and_hint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
