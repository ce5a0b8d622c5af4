/* Configurations that are right, and what they are bound to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config_support.h"

#define HELLO "jobs: {hello: {every: 10s, command: [date]}}\n"

static void assert_quiet(const struct loaded *loaded)
{
    assert_string_equal(loaded->text.data, "");
    assert_int_equal(loaded->code, 0);
}

/* Nothing but jobs is needed; this is what people get who write no more. */
static void test_smallest_file_has_every_default(void **state)
{
    struct loaded loaded = load_string(HELLO);
    const struct config *config = loaded.config;
    const struct config_job *job;

    assert_quiet(&loaded);
    assert_string_equal(config->file, "t.yaml");
    assert_string_equal(config->state, "/var/lib/timed-jobs");
    assert_string_equal(config->host, "test-host");
    assert_int_equal(config->lease.backend.kind, CONFIG_BACKEND_SQLITE);
    assert_string_equal(config->lease.backend.path,
                        "/var/lib/timed-jobs/timed-jobs.db");
    assert_string_equal(config->lease.name, "main");
    assert_int_equal(config->lease.duration_ms, 6000);
    assert_int_equal(config->lease.renew_ms, 800);
    assert_int_equal(config->lease.new_runs_ms, 2800);
    assert_int_equal(config->lease.terminate_ms, 3200);
    assert_int_equal(config->lease.grace_ms, 1200);
    assert_int_equal(config->lease.kill_ms, 4400);
    assert_int_equal(config->lease.dead_ms, 4800);
    assert_int_equal(config->lease.slack_ms, 500);
    assert_int_equal(config->lease.drift_ppm, 10000);
    assert_int_equal(config->lease.hold_off_ms, 6000);
    assert_int_equal(config->lease.heartbeat_ms, 2800);
    assert_int_equal(config->lease.on_hang, CONFIG_ON_HANG_KILL);
    assert_int_equal(config->store.kind, CONFIG_BACKEND_SQLITE);
    assert_string_equal(config->log.dir, "/var/lib/timed-jobs/log");
    assert_int_equal(config->log.keep_days, 30);
    assert_int_equal(config->log.max_size, INT64_C(1) << 30);
    assert_int_equal(config->log.sync_ms, 1000);
    assert_int_equal(config->log.queue_size, 4 << 20);
    assert_int_equal(config->log.flush_timeout_ms, 5000);
    assert_string_equal(config->control.socket,
                        "/var/lib/timed-jobs/timed-jobs.sock");
    assert_int_equal(config->stop.drain_ms, 30000);
    assert_int_equal(config->stop.grace_ms, 5000);
    assert_int_equal(config->n_jobs, 1);

    job = &config->jobs[0];
    assert_ptr_equal(config_find_job(config, "hello"), job);
    assert_null(config_find_job(config, "hell"));
    assert_string_equal(job->name, "hello");
    assert_string_equal(job->lease, "main");
    assert_null(job->description);
    assert_int_equal(job->interval_ms, 10000);
    assert_int_equal(job->budgets.messages, 20);
    assert_int_equal(job->budgets.tasks, 5);
    assert_int_equal(job->budgets.settle_ms, 10000);
    assert_int_equal(job->gate_timeout_ms, 0);
    assert_true(job->coalesce_busy);
    assert_int_equal(job->n_runners, 1);
    assert_string_equal(job->runners[0].name, "hello");
    assert_int_equal(job->runners[0].n_argv, 1);
    assert_string_equal(job->runners[0].argv[0], "date");
    assert_null(job->runners[0].argv[1]);
    assert_false(job->runners[0].is_shell);
    assert_int_equal(job->runners[0].timeout_ms, 0);
    assert_int_equal(job->runners[0].grace_ms, 5000);
    assert_int_equal(job->runners[0].n_env, 0);
    assert_int_equal(job->runners[0].output_max, 2048);
    assert_string_equal(job->runners[0].directory, "/var/lib/timed-jobs");
    loaded_done(&loaded);
}

/* The file that the design shows must mean what it says. */
static void test_runners_of_a_job_keep_their_order_and_their_words(void **state)
{
    struct loaded loaded = load_string(
        "lease: {backend: memory, name: fleet-a, on_hang: keep}\n"
        "jobs:\n"
        "  readings:\n"
        "    description: what there is\n"
        "    lease: fleet-a\n"
        "    every: 500ms\n"
        "    budgets: {messages: 0, tasks: 9007199254740991, settle: 0s}\n"
        "    coalesce_busy: false\n"
        "    gate_timeout: 2s\n"
        "    runners:\n"
        "      - {name: disk, command: [df, -P, \"\"], timeout: 400ms}\n"
        "      - name: memory\n"
        "        description: free memory\n"
        "        shell: |\n"
        "          grep -E 'MemAvailable|MemTotal' /proc/meminfo\n"
        "          exit 0\n"
        "        grace: 0s\n"
        "        output_max: 4KB\n");
    const struct config_job *job;

    assert_quiet(&loaded);
    assert_int_equal(loaded.config->lease.backend.kind, CONFIG_BACKEND_MEMORY);
    assert_null(loaded.config->lease.backend.path);
    assert_int_equal(loaded.config->lease.on_hang, CONFIG_ON_HANG_KEEP);
    job = &loaded.config->jobs[0];
    assert_string_equal(job->description, "what there is");
    assert_string_equal(job->lease, "fleet-a");
    assert_int_equal(job->interval_ms, 500);
    assert_int_equal(job->budgets.messages, 0);
    assert_int_equal(job->budgets.tasks, INT64_C(9007199254740991));
    assert_int_equal(job->budgets.settle_ms, 0);
    assert_int_equal(job->gate_timeout_ms, 2000);
    assert_false(job->coalesce_busy);
    assert_int_equal(job->n_runners, 2);
    assert_string_equal(job->runners[0].name, "disk");
    assert_int_equal(job->runners[0].n_argv, 3);
    assert_string_equal(job->runners[0].argv[2], "");
    assert_int_equal(job->runners[0].timeout_ms, 400);
    assert_string_equal(job->runners[1].description, "free memory");
    assert_true(job->runners[1].is_shell);
    assert_string_equal(job->runners[1].argv[0], "/bin/sh");
    assert_string_equal(job->runners[1].argv[1], "-c");
    assert_string_equal(job->runners[1].argv[2],
                        "grep -E 'MemAvailable|MemTotal' /proc/meminfo\n"
                        "exit 0\n");
    assert_null(job->runners[1].argv[3]);
    assert_int_equal(job->runners[1].grace_ms, 0);
    assert_int_equal(job->runners[1].output_max, 4096);
    loaded_done(&loaded);
}

static void assert_variable(const struct config_env *variable,
                            const char *name,
                            const char *value)
{
    assert_string_equal(variable->name, name);
    assert_string_equal(variable->value, value);
}

/* What a job says for all its runners, each of them may say otherwise. */
static void test_job_is_the_default_of_its_runners(void **state)
{
    struct loaded loaded =
        load_string("jobs:\n"
                    "  a:\n"
                    "    every: 1h\n"
                    "    timeout: 5m\n"
                    "    grace: 1s\n"
                    "    output_max: 3KB\n"
                    "    directory: /srv\n"
                    "    env: {ZED: z, LANG: C, EMPTY: \"\"}\n"
                    "    runners:\n"
                    "      - {name: x, command: y}\n"
                    "      - {name: z, command: y, timeout: none, env: {LANG: "
                    "C.UTF-8, LA: b}, directory: /tmp}\n");
    const struct config_runner *runner;

    assert_quiet(&loaded);
    runner = &loaded.config->jobs[0].runners[0];
    assert_int_equal(runner->timeout_ms, 300000);
    assert_int_equal(runner->grace_ms, 1000);
    assert_int_equal(runner->output_max, 3072);
    assert_string_equal(runner->directory, "/srv");
    assert_int_equal(runner->n_env, 3);
    assert_variable(&runner->env[0], "EMPTY", "");
    assert_variable(&runner->env[1], "LANG", "C");
    assert_variable(&runner->env[2], "ZED", "z");
    runner++;
    assert_int_equal(runner->timeout_ms, 0);
    assert_int_equal(runner->grace_ms, 1000);
    assert_string_equal(runner->directory, "/tmp");
    assert_int_equal(runner->n_env, 4);
    assert_variable(&runner->env[0], "EMPTY", "");
    assert_variable(&runner->env[1], "LA", "b");
    assert_variable(&runner->env[2], "LANG", "C.UTF-8");
    assert_variable(&runner->env[3], "ZED", "z");
    loaded_done(&loaded);
}

/* One number moves the whole protocol, in the proportions that were checked. */
static void test_lease_duration_scales_what_is_not_set(void **state)
{
    struct loaded loaded = load_string(
        "lease: {duration: 15s, kill: 10s, heartbeat: off}\n" HELLO);
    const struct config_lease *lease = &loaded.config->lease;

    assert_quiet(&loaded);
    assert_int_equal(lease->duration_ms, 15000);
    assert_int_equal(lease->renew_ms, 2000);
    assert_int_equal(lease->new_runs_ms, 7000);
    assert_int_equal(lease->terminate_ms, 8000);
    assert_int_equal(lease->grace_ms, 3000);
    assert_int_equal(lease->kill_ms, 10000);
    assert_int_equal(lease->dead_ms, 12000);
    assert_int_equal(lease->slack_ms, 1250);
    assert_int_equal(lease->hold_off_ms, 15000);
    assert_int_equal(lease->heartbeat_ms, 0);
    loaded_done(&loaded);
}

/* The daemon reports what the lease's own check finds at the key it is
 * about. */
static void test_marks_say_where_values_stand(void **state)
{
    struct loaded loaded = load_string("lease:\n"
                                       "  backend: memory\n"
                                       "  kill: 5s\n"
                                       "log: here\n" HELLO);
    const struct config_mark *marks = loaded.config->marks;
    struct config_diagnostic finding;

    assert_quiet(&loaded);
    assert_int_equal(marks[CONFIG_KEY_LEASE_KILL].file, 1);
    assert_int_equal(marks[CONFIG_KEY_LEASE_KILL].line, 3);
    assert_int_equal(marks[CONFIG_KEY_LEASE_KILL].column, 9);
    assert_int_equal(marks[CONFIG_KEY_LEASE_KILL].width, 2);
    assert_int_equal(marks[CONFIG_KEY_LEASE_DEAD].file, 0);
    assert_int_equal(marks[CONFIG_KEY_LOG_DIR].line, 4);
    assert_int_equal(marks[CONFIG_KEY_ROOT_LEASE].line, 1);
    assert_int_equal(marks[CONFIG_KEY_ROOT_LEASE].column, 1);
    assert_int_equal(loaded.config->jobs[0].mark.line, 5);

    config_report_add(loaded.report, CONFIG_ERROR, marks[CONFIG_KEY_LEASE_KILL],
                      "make it less", "lease.kill: must be below %d", 4800);
    assert_true(config_report_at(loaded.report, 0, &finding));
    assert_string_equal(finding.excerpt, "  kill: 5s");
    assert_string_equal(finding.message, "lease.kill: must be below 4800");
    assert_string_equal(finding.hint, "make it less");
    loaded_done(&loaded);
}

/* Every way to write a number that stands in the manual. */
static void test_units_and_words_are_read(void **state)
{
    static const struct {
        int line;
        const char *text; /* value of timeout */
        int64_t ms;
    } durations[] = {
        { __LINE__, "none", 0 },        { __LINE__, "1ms", 1 },
        { __LINE__, "500ms", 500 },     { __LINE__, "30s", 30000 },
        { __LINE__, "10m", 600000 },    { __LINE__, "2h", 7200000 },
        { __LINE__, "3d", 259200000 },  { __LINE__, "'30s'", 30000 },
        { __LINE__, "\"30s\"", 30000 }, { __LINE__, "366d", 31622400000 },
    };

    static const struct {
        int line;
        const char *text; /* value of max_size */
        int64_t bytes;
    } sizes[] = {
        { __LINE__, "unlimited", 0 },
        { __LINE__, "65536B", 65536 },
        { __LINE__, "64KB", 65536 },
        { __LINE__, "64KiB", 65536 },
        { __LINE__, "3MB", 3145728 },
        { __LINE__, "3MiB", 3145728 },
        { __LINE__, "2GB", INT64_C(2147483648) },
        { __LINE__, "1TB", INT64_C(1099511627776) },
    };

    char text[256];
    size_t at;

    for (at = 0; at < sizeof(durations) / sizeof(durations[0]); at++) {
        struct loaded loaded;

        snprintf(text, sizeof(text),
                 "jobs: {a: {every: 366d, command: x, timeout: %s}}\n",
                 durations[at].text);
        loaded = load_string(text);
        if (loaded.code ||
            loaded.config->jobs[0].runners[0].timeout_ms != durations[at].ms)
            fail_msg("row of line %d: %s", durations[at].line,
                     loaded.text.data);
        loaded_done(&loaded);
    }
    for (at = 0; at < sizeof(sizes) / sizeof(sizes[0]); at++) {
        struct loaded loaded;

        snprintf(text, sizeof(text), "log: {max_size: %s}\n" HELLO,
                 sizes[at].text);
        loaded = load_string(text);
        if (loaded.code || loaded.config->log.max_size != sizes[at].bytes)
            fail_msg("row of line %d: %s", sizes[at].line, loaded.text.data);
        loaded_done(&loaded);
    }
}

/* No value is anything but text until its key reads it: YAML 1.1 would make
 * booleans, numbers and dates of these. */
static void test_values_are_text(void **state)
{
    struct loaded loaded =
        load_string("host: no\n"
                    "jobs: {on: {every: 1s, command: [yes, 0x10, 010, 1e3, "
                    "null, ~, 2001-01-01, 1:30]}}\n");
    const char *const *argv;

    assert_quiet(&loaded);
    argv = loaded.config->jobs[0].runners[0].argv;
    assert_string_equal(loaded.config->host, "no");
    assert_string_equal(loaded.config->jobs[0].name, "on");
    assert_string_equal(argv[0], "yes");
    assert_string_equal(argv[1], "0x10");
    assert_string_equal(argv[2], "010");
    assert_string_equal(argv[3], "1e3");
    assert_string_equal(argv[4], "null");
    assert_string_equal(argv[5], "~");
    assert_string_equal(argv[6], "2001-01-01");
    assert_string_equal(argv[7], "1:30");
    loaded_done(&loaded);
}

/* Files come from every editor. */
static void test_line_ends_and_byte_order_mark_do_not_matter(void **state)
{
    static const char *const texts[] = {
        "log: {keep: forever}\njobs:\n  a:\n    every: 1s\n    command: x\n",
        "log: {keep: forever}\r\njobs:\r\n  a:\r\n    every: 1s\r\n    "
        "command: x\r\n",
        "log: {keep: forever}\rjobs:\r  a:\r    every: 1s\r    command: x\r",
        "\xef\xbb\xbflog: {keep: forever}\njobs:\n  a:\n    every: 1s\n    "
        "command: x",
        "%YAML 1.2\n---\nlog: {keep: forever}\njobs: {a: {every: 1s, command: "
        "x}}\n...\n",
        "{\"log\":{\"keep\":\"forever\"},\"jobs\":{\"a\":{\"every\":\"1s\","
        "\"command\":[\"x\"]}}}",
    };
    size_t at;

    for (at = 0; at < sizeof(texts) / sizeof(texts[0]); at++) {
        struct loaded loaded = load_string(texts[at]);

        if (loaded.code || loaded.text.data[0])
            fail_msg("text %zu: %s", at, loaded.text.data);
        assert_int_equal(loaded.config->log.keep_days, 0);
        assert_string_equal(loaded.config->jobs[0].runners[0].argv[0], "x");
        loaded_done(&loaded);
    }
}

/* A check prints what holds; read again it must hold the same. */
static void test_effective_configuration_reads_back_the_same(void **state)
{
    static const char *const texts[] = {
        HELLO,
        "lease: memory\n" HELLO,
        "state: /srv/state\n"
        "host: \"h\xc3\xbcgel\"\n"
        "lease: {backend: sqlite:/x.db, duration: 1500ms, on_hang: keep,"
        " heartbeat: off, slack: 0s}\n"
        "log: {dir: l, keep: forever, max_size: unlimited, sync: always,"
        " queue: 65KB}\n"
        "stop: {drain: unlimited}\n"
        "jobs:\n"
        "  b:\n"
        "    description: 'one, \"two\" \\ three'\n"
        "    every: 90s\n"
        "    gate_timeout: 3s\n"
        "    env: {A: \"\\n\\x01\\u00e9\", B: 'a: b # c'}\n"
        "    runners:\n"
        "      - {name: x, shell: \"a\\nb\\t'c'\"}\n"
        "      - {name: y, command: ['- a', '*', '{', '\xf0\x9f\x98\x80']}\n"
        "  a: {every: 1d, command: /bin/true, timeout: 1ms, grace: 0s}\n",
    };
    size_t at;

    for (at = 0; at < sizeof(texts) / sizeof(texts[0]); at++) {
        struct loaded first = load_string(texts[at]);
        struct loaded second;
        tj_json *json, *json_again;
        char *text, *text_again;

        assert_int_equal(first.code, 0);
        json = config_to_json(first.config);
        assert_int_equal(tj_json_print(json, &text, NULL), 0);
        second = load_string(text);
        if (second.code)
            fail_msg("text %zu: %s\n%s", at, text, second.text.data);
        json_again = config_to_json(second.config);
        assert_int_equal(tj_json_print(json_again, &text_again, NULL), 0);
        assert_string_equal(text, text_again);
        tj_free(text);
        tj_free(text_again);
        tj_json_free(json);
        tj_json_free(json_again);
        loaded_done(&first);
        loaded_done(&second);
    }
}

/* A run is handed to the warden in one message; what cannot be is refused
 * here and not at its first tick. */
static void test_command_too_big_for_the_warden_is_refused(void **state)
{
    tj_buf text = TJ_BUF_INIT;
    struct loaded loaded;
    int extra, at;

    for (extra = 0; extra < 2; extra++) {
        tj__buf_clear(&text);
        tj__buf_append_text(
            &text, "jobs: {a: {every: 1s, directory: /, env: {A: b}, shell: '");
        /* "/", "A=b", "/bin/sh", "-c" and the text, with their NULs */
        for (at = 0; at < 49152 - 1 - 4 - 8 - 3 - 1 + extra; at++)
            tj__buf_append_char(&text, 'x');
        tj__buf_append_text(&text, "'}}\n");
        loaded = load_text(text.data, text.size);
        if (extra)
            assert_non_null(strstr(loaded.text.data,
                                   "t.yaml:1:8: error: jobs.a: command and "
                                   "environment have 49153 bytes; 49152 is "
                                   "the most\n"));
        else
            assert_quiet(&loaded);
        loaded_done(&loaded);
    }
    tj__buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_file_has_every_default),
        cmocka_unit_test(
            test_runners_of_a_job_keep_their_order_and_their_words),
        cmocka_unit_test(test_job_is_the_default_of_its_runners),
        cmocka_unit_test(test_lease_duration_scales_what_is_not_set),
        cmocka_unit_test(test_marks_say_where_values_stand),
        cmocka_unit_test(test_units_and_words_are_read),
        cmocka_unit_test(test_values_are_text),
        cmocka_unit_test(test_line_ends_and_byte_order_mark_do_not_matter),
        cmocka_unit_test(test_command_too_big_for_the_warden_is_refused),
        cmocka_unit_test(test_effective_configuration_reads_back_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
