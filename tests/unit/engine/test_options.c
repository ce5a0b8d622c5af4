/* S21 to S25: an engine is checked as a whole before anything starts, and the
 * message names the option and its range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <timedjobs/testing.h>
#include <timedjobs/timedjobs.h>

static tj_fake_loop *loop;

static tj_gate_verdict
ask(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    return TJ_GATE_NOT_LEADER;
}

static tj_run_status
run_ok(tj_run run, const tj_tick_context *context, void *userdata)
{
    return TJ_RUN_OK;
}

static tj_engine_options good_options(void)
{
    tj_engine_options options;

    tj_engine_options_init(&options);
    options.loop = tj_fake_loop_get(loop);
    options.clock = tj_fake_loop_clock(loop);
    options.gate.ask = ask;
    return options;
}

static void expect(const tj_engine_options *options, const char *message)
{
    tj_error error = TJ_ERROR_INIT;
    tj_engine *engine = NULL;
    int rc = tj_engine_new(options, &engine, &error);

    if (!message) {
        if (rc)
            fail_msg("%s", error.message);
        tj_engine_close(engine, NULL, NULL);
        tj_fake_loop_run(loop);
        return;
    }
    assert_int_equal(rc, TJ_EINVAL);
    assert_string_equal(error.message, message);
    assert_string_equal(error.module, "engine");
    assert_null(engine);
}

#define EXPECT(member, value, message)              \
    do {                                            \
        tj_engine_options options = good_options(); \
        options.member = value;                     \
        expect(&options, message);                  \
    } while (0)

static void test_numbers_have_ranges(void **state)
{
    EXPECT(config.interval_ms, 1, NULL);
    EXPECT(config.interval_ms, 31622400000, NULL);
    EXPECT(config.interval_ms, 0, "interval_ms is 0, must be 1 to 31622400000");
    EXPECT(config.interval_ms, -5,
           "interval_ms is -5, must be 1 to 31622400000");
    EXPECT(config.interval_ms, 31622400001,
           "interval_ms is 31622400001, must be 1 to 31622400000");
    EXPECT(config.max_messages_per_tick, 0, NULL);
    EXPECT(config.max_messages_per_tick, 9007199254740991, NULL);
    EXPECT(config.max_messages_per_tick, -1,
           "max_messages_per_tick is -1, must be 0 to 9007199254740991");
    EXPECT(config.max_tasks_per_tick, 9007199254740992,
           "max_tasks_per_tick is 9007199254740992, must be 0 to "
           "9007199254740991");
    EXPECT(config.settle_delay_ms, -1,
           "settle_delay_ms is -1, must be 0 to 31622400000");
    EXPECT(gate_timeout_ms, -1,
           "gate_timeout_ms is -1, must be 0 to 31622400000");
    EXPECT(drain_timeout_ms, INT64_MAX,
           "drain_timeout_ms is 9223372036854775807, must be 0 to "
           "31622400000");
}

static void test_what_is_mandatory_is_named(void **state)
{
    char message[80];

    expect(NULL, "options is missing");
    EXPECT(loop, NULL, "loop is missing");
    EXPECT(clock.now, NULL, "clock is missing");
    EXPECT(gate.ask, NULL, "gate.ask is missing");
    snprintf(message, sizeof(message),
             "options.size is 8, this library knows %zu",
             sizeof(tj_engine_options));
    EXPECT(size, 8, message);
    snprintf(message, sizeof(message), "gate.size is 0, this library knows %zu",
             sizeof(tj_gate));
    EXPECT(gate.size, 0, message);
}

static void test_job_names_are_plain(void **state)
{
    static const char longest[] =
        "a123456789012345678901234567890123456789012345678901234567890123";
    static const char message[] =
        "job must be a letter or digit and then at most 63 of letters, digits, "
        "'.', '_' and '-'";

    EXPECT(job, "Disk_1.daily-x", NULL);
    EXPECT(job, longest, NULL);
    EXPECT(job, NULL, message);
    EXPECT(job, "", message);
    EXPECT(job, "-a", message);
    EXPECT(job, "a b", message);
    EXPECT(job, "a\"", message);
    EXPECT(job, "../a", message);
    EXPECT(job,
           "a1234567890123456789012345678901234567890123456789012345678901234",
           message);
}

/* The copy that is handed out is a copy. */
static void test_config_is_readable_as_a_copy(void **state)
{
    tj_engine_options options = good_options();
    tj_tick_config config;
    tj_engine *engine;

    assert_int_equal(options.config.interval_ms, 10000);
    options.job = "disk";
    options.config.interval_ms = 777;
    assert_int_equal(tj_engine_new(&options, &engine, NULL), 0);
    config = tj_engine_get_config(engine);
    assert_int_equal(config.interval_ms, 777);
    assert_int_equal(config.max_messages_per_tick, 20);
    assert_int_equal(config.max_tasks_per_tick, 5);
    assert_int_equal(config.settle_delay_ms, 10000);
    config.interval_ms = 1;
    assert_int_equal(tj_engine_get_config(engine).interval_ms, 777);
    assert_string_equal(tj_engine_get_job(engine), "disk");
    tj_engine_close(engine, NULL, NULL);
    tj_fake_loop_run(loop);
}

/* S29: a runner is an explicit struct; what is wrong with it is said. */
static void test_runners_are_checked(void **state)
{
    tj_engine_options options = good_options();
    tj_runner runner = TJ_RUNNER_INIT;
    tj_error error;
    tj_engine *engine;

    assert_int_equal(tj_engine_new(&options, &engine, NULL), 0);
    assert_int_equal(tj_engine_add_runner(engine, NULL, &error), TJ_EINVAL);
    runner.name = "a";
    assert_int_equal(tj_engine_add_runner(engine, &runner, &error), TJ_EINVAL);
    assert_string_equal(error.message, "run is missing");
    runner.run = run_ok;
    runner.timeout_ms = -1;
    assert_int_equal(tj_engine_add_runner(engine, &runner, &error), TJ_EINVAL);
    assert_string_equal(error.message,
                        "timeout_ms is -1, must be 0 to 31622400000");
    runner.timeout_ms = 0;
    runner.size = 3;
    assert_int_equal(tj_engine_add_runner(engine, &runner, &error), TJ_EINVAL);
    runner.size = sizeof(runner);
    runner.description = "what it does";
    assert_int_equal(tj_engine_add_runner(engine, &runner, &error), 0);
    assert_int_equal(tj_engine_n_runners(engine), 1);
    assert_string_equal(tj_engine_runner_name(engine, 0), "a");
    assert_string_equal(tj_engine_runner_description(engine, 0),
                        "what it does");
    assert_null(tj_engine_runner_name(engine, 1));
    assert_null(tj_engine_runner_description(engine, 1));
    tj_engine_close(engine, NULL, NULL);
    tj_fake_loop_run(loop);
}

static int loop_set_up(void **state)
{
    return tj_fake_loop_new(0, &loop);
}

static int loop_tear_down(void **state)
{
    tj_fake_loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_have_ranges),
        cmocka_unit_test(test_what_is_mandatory_is_named),
        cmocka_unit_test(test_job_names_are_plain),
        cmocka_unit_test(test_config_is_readable_as_a_copy),
        cmocka_unit_test(test_runners_are_checked),
    };

    return cmocka_run_group_tests(tests, loop_set_up, loop_tear_down);
}
