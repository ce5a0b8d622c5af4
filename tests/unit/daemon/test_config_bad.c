/* Good YAML with keys and values that are none, and to the letter what is said
 * about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_support.h"

static const struct mistake mistakes[] = {
    /* unknown key, with a suggestion */
    MISTAKE(
        "jobs:\n"
        "  nightly-report:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timzone: America/New_York\n",
        "t.yaml:5:5: error: unknown key 'timzone' in jobs.nightly-report; did you mean 'timezone'?\n"
        "     5 |     timzone: America/New_York\n"
        "       |     ^~~~~~~\n"),
    /* unknown key that nothing looks like */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n"
            "    frobnicate: 1\n",
            "t.yaml:5:5: error: unknown key 'frobnicate' in jobs.a\n"
            "     5 |     frobnicate: 1\n"
            "       |     ^~~~~~~~~~\n"),
    /* unknown key at the top */
    MISTAKE("leese: memory\n"
            "jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n",
            "t.yaml:1:1: error: unknown key 'leese'; did you mean 'lease'?\n"
            "     1 | leese: memory\n"
            "       | ^~~~~\n"),
    /* a key of another map */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n"
            "    drain: 5s\n",
            "t.yaml:5:5: error: unknown key 'drain' in jobs.a\n"
            "     5 |     drain: 5s\n"
            "       |     ^~~~~\n"
            "       = hint: 'drain' belongs to stop\n"),
    /* a key of the file itself, indented */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    control: {}\n",
        "t.yaml:5:5: error: unknown key 'control' in jobs.a\n"
        "     5 |     control: {}\n"
        "       |     ^~~~~~~\n"
        "       = hint: 'control' belongs to the file itself: do not indent it\n"),
    /* a misspelt mandatory key is one mistake */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    everi: 1s\n"
        "    comand: [date]\n",
        "t.yaml:3:5: error: unknown key 'everi' in jobs.a; did you mean 'every'?\n"
        "     3 |     everi: 1s\n"
        "       |     ^~~~~\n"
        "t.yaml:4:5: error: unknown key 'comand' in jobs.a; did you mean 'command'?\n"
        "     4 |     comand: [date]\n"
        "       |     ^~~~~~\n"),
    /* misspelt jobs */
    MISTAKE("job:\n"
            "  a: {every: 1s, command: date}\n",
            "t.yaml:1:1: error: unknown key 'job'; did you mean 'jobs'?\n"
            "     1 | job:\n"
            "       | ^~~\n"),
    /* wrong type: duration */
    MISTAKE(
        "lease:\n"
        "  duration: fast\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:2:13: error: lease.duration: 'fast' is not a duration (examples: 500ms, 30s, 10m, 2h)\n"
        "     2 |   duration: fast\n"
        "       |             ^~~~\n"),
    /* no unit */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: 5\n",
        "t.yaml:5:14: error: jobs.a.timeout: '5' has no unit; did you mean '5s'?\n"
        "     5 |     timeout: 5\n"
        "       |              ^\n"
        "       = hint: units are ms, s, m, h and d\n"),
    /* no fractions */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: 1.5h\n",
        "t.yaml:5:14: error: jobs.a.timeout: '1.5h' is not a duration (examples: 500ms, 30s, 10m, 2h, or none)\n"
        "     5 |     timeout: 1.5h\n"
        "       |              ^~~~\n"
        "       = hint: whole numbers only: write 1.5h as 90m, 0.5s as 500ms\n"),
    /* unknown unit */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: 5min\n",
        "t.yaml:5:14: error: jobs.a.timeout: '5min' is not a duration (examples: 500ms, 30s, 10m, 2h, or none)\n"
        "     5 |     timeout: 5min\n"
        "       |              ^~~~\n"
        "       = hint: units are ms, s, m, h and d\n"),
    /* a space before the unit */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: 5 s\n",
        "t.yaml:5:14: error: jobs.a.timeout: '5 s' is not a duration (examples: 500ms, 30s, 10m, 2h, or none)\n"
        "     5 |     timeout: 5 s\n"
        "       |              ^~~\n"
        "       = hint: write the number and its unit without a space\n"),
    /* digits with separators */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: 1_000ms\n",
        "t.yaml:5:14: error: jobs.a.timeout: '1_000ms' is not a duration (examples: 500ms, 30s, 10m, 2h, or none)\n"
        "     5 |     timeout: 1_000ms\n"
        "       |              ^~~~~~~\n"
        "       = hint: write the digits without separators\n"),
    /* not octal, not decimal: refused */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    budgets: {messages: 010}\n",
        "t.yaml:5:25: error: jobs.a.budgets.messages: '010' is not a whole number (examples: 0, 5, 20)\n"
        "     5 |     budgets: {messages: 010}\n"
        "       |                         ^~~\n"
        "       = hint: write it without leading zeros\n"),
    /* negative number */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    budgets: {messages: -1}\n",
        "t.yaml:5:25: error: jobs.a.budgets.messages: '-1' is not a whole number (examples: 0, 5, 20)\n"
        "     5 |     budgets: {messages: -1}\n"
        "       |                         ^~\n"),
    /* too big for 64 bits */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    budgets: {settle: 99999999999999999999s}\n",
        "t.yaml:5:23: error: jobs.a.budgets.settle: '99999999999999999999s' is too big (0s to 366d)\n"
        "     5 |     budgets: {settle: 99999999999999999999s}\n"
        "       |                       ^~~~~~~~~~~~~~~~~~~~~\n"),
    /* too big by the unit */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: 9223372036854775807d\n",
        "t.yaml:5:14: error: jobs.a.timeout: '9223372036854775807d' is too big (1ms to 366d, or none)\n"
        "     5 |     timeout: 9223372036854775807d\n"
        "       |              ^~~~~~~~~~~~~~~~~~~~\n"),
    /* out of range */
    MISTAKE(
        "lease: {duration: 50ms}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:19: error: lease.duration: '50ms' is too small (100ms to 1h)\n"
        "     1 | lease: {duration: 50ms}\n"
        "       |                   ^~~~\n"),
    /* days are whole */
    MISTAKE(
        "log: {keep: 36h}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:13: error: log.keep: '36h' is not a number of days (examples: 7d, 30d, or forever)\n"
        "     1 | log: {keep: 36h}\n"
        "       |             ^~~\n"
        "       = hint: whole days only: the unit is d\n"),
    /* sizes */
    MISTAKE(
        "log: {max_size: 3XB, queue: 1B}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:17: error: log.max_size: '3XB' is not a size (examples: 64KB, 1MB, 1GB, or unlimited)\n"
        "     1 | log: {max_size: 3XB, queue: 1B}\n"
        "       |                 ^~~\n"
        "       = hint: units are B, KB, MB, GB and TB\n"
        "t.yaml:1:29: error: log.queue: '1B' is too small (64KB to 1GB)\n"
        "     1 | log: {max_size: 3XB, queue: 1B}\n"
        "       |                             ^~\n"),
    /* a word in place of a number */
    MISTAKE(
        "log: {sync: alwayz}\n"
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n",
        "t.yaml:1:13: error: log.sync: 'alwayz' is not a duration (examples: 500ms, 30s, 10m, 2h, or never, or always)\n"
        "     1 | log: {sync: alwayz}\n"
        "       |             ^~~~~~\n"),
    /* booleans are true and false */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    coalesce_busy: yes\n",
        "t.yaml:5:20: error: jobs.a.coalesce_busy: 'yes' is neither true nor false\n"
        "     5 |     coalesce_busy: yes\n"
        "       |                    ^~~\n"),
    /* enums */
    MISTAKE("lease: {on_hang: restart}\n"
            "jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n",
            "t.yaml:1:18: error: lease.on_hang: 'restart' has no meaning here\n"
            "     1 | lease: {on_hang: restart}\n"
            "       |                  ^~~~~~~\n"
            "       = hint: it is one of: kill, keep\n"),
    /* a map in place of a value */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: {a: b}\n",
        "t.yaml:5:14: error: jobs.a.timeout: expected a single value, found a map of keys\n"
        "     5 |     timeout: {a: b}\n"
        "       |              ^\n"
        "       = hint: quote a text that starts with '[', '{' or '- '\n"),
    /* a list in place of a value */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    timeout: [5s]\n",
        "t.yaml:5:14: error: jobs.a.timeout: expected a single value, found a list\n"
        "     5 |     timeout: [5s]\n"
        "       |              ^\n"
        "       = hint: quote a text that starts with '[', '{' or '- '\n"),
    /* a value in place of a map */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    budgets: 5\n",
        "t.yaml:5:14: error: jobs.a.budgets: expected a map of keys, found a single value\n"
        "     5 |     budgets: 5\n"
        "       |              ^\n"
        "       = hint: write 'key: value' with a space after the colon\n"),
    /* a value in place of the jobs */
    MISTAKE(
        "jobs: 5\n",
        "t.yaml:1:7: error: jobs: expected a map of keys, found a single value\n"
        "     1 | jobs: 5\n"
        "       |       ^\n"
        "       = hint: write 'key: value' with a space after the colon\n"),
    /* a value in place of a job */
    MISTAKE(
        "jobs:\n"
        "  a: 5\n",
        "t.yaml:2:6: error: jobs.a: expected a map of keys, found a single value\n"
        "     2 |   a: 5\n"
        "       |      ^\n"
        "       = hint: write 'key: value' with a space after the colon\n"),
    /* a list of jobs */
    MISTAKE(
        "jobs:\n"
        "  - a\n",
        "t.yaml:2:3: error: jobs: expected a map of keys, found a list\n"
        "     2 |   - a\n"
        "       |   ^\n"
        "       = hint: write 'key: value' pairs, without '- ' or brackets\n"),
    /* null */
    MISTAKE(
        "jobs:\n"
        "  a:\n"
        "    every: 10s\n"
        "    command: [date]\n"
        "    directory: ~\n",
        "t.yaml:5:16: error: jobs.a.directory: null is not a value here\n"
        "     5 |     directory: ~\n"
        "       |                ^\n"
        "       = hint: leave the key out for its default; quote the word if it is meant\n"),
    /* no value */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n"
            "    timeout:\n",
            "t.yaml:5:5: error: jobs.a.timeout: has no value\n"
            "     5 |     timeout:\n"
            "       |     ^~~~~~~\n"
            "       = hint: write one, or leave the key out\n"),
    /* no value for jobs */
    MISTAKE("jobs:\n",
            "t.yaml:1:1: error: jobs: has no value\n"
            "     1 | jobs:\n"
            "       | ^~~~\n"
            "       = hint: indent the jobs below it\n"),
    /* an empty job */
    MISTAKE("jobs:\n"
            "  a:\n",
            "t.yaml:2:3: error: job 'a' is empty\n"
            "     2 |   a:\n"
            "       |   ^\n"
            "       = hint: indent the job's keys below its name\n"),
    /* duplicate key */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n"
            "    every: 20s\n",
            "t.yaml:5:5: error: key 'every' given twice (first on line 3)\n"
            "     5 |     every: 20s\n"
            "       |     ^~~~~\n"),
    /* duplicate job */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n"
            "  a: {every: 1s, command: date}\n",
            "t.yaml:5:3: error: job 'a' given twice (first on line 2)\n"
            "     5 |   a: {every: 1s, command: date}\n"
            "       |   ^\n"),
    /* duplicate top key */
    MISTAKE("jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n"
            "jobs: {}\n",
            "t.yaml:5:1: error: key 'jobs' given twice (first on line 1)\n"
            "     5 | jobs: {}\n"
            "       | ^~~~\n"),
    /* duplicate unknown keys are both unknown */
    MISTAKE("x: 1\n"
            "x: 2\n"
            "jobs:\n"
            "  a:\n"
            "    every: 10s\n"
            "    command: [date]\n",
            "t.yaml:1:1: error: unknown key 'x'\n"
            "     1 | x: 1\n"
            "       | ^\n"
            "t.yaml:2:1: error: unknown key 'x'\n"
            "     2 | x: 2\n"
            "       | ^\n"),
};

/* The messages are part of the product: a person who made a mistake reads
 * nothing else. When one of them is improved its row changes with it. */
static void test_mistake_is_told_with_place_and_hint(void **state)
{
    mistakes_check(mistakes, sizeof(mistakes) / sizeof(mistakes[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistake_is_told_with_place_and_hint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
