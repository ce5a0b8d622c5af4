/* Start, stop, close: what joins, what is refused, what comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage.h"

/* The common life. */
static void test_start_ticks_stop_and_start_again(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ok);
    assert_false(tj_engine_is_started(stage.engine));
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    assert_true(tj_engine_is_started(stage.engine));
    stage_advance(&stage, 2500);
    assert_int_equal(a.n_runs, 2);
    stage_stop(&stage);
    assert_false(tj_engine_is_started(stage.engine));
    stage_advance(&stage, 5000);
    assert_int_equal(a.n_runs, 2);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_advance(&stage, 1000);
    assert_int_equal(a.n_runs, 3);
    stage_forget(&stage);
    stage_stop(&stage);
    stage_expect(&stage, "[8500] @ stopped stopped\n");
    assert_int_equal(stage.n_stops, 2);
    stage_end(&stage);
}

/* Ticks by hand need no start; a loop that is off says so. */
static void test_manual_engine_says_loop_disabled(void **state)
{
    test_stage stage;
    test_actor a;

    stage_set(&stage);
    stage.options.manual = true;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage_tick(&stage);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_advance(&stage, 5000);
    stage_stop(&stage);
    stage_tick(&stage); /* after a stop, too */
    assert_int_equal(a.n_runs, 2);
    assert_non_null(strstr(stage_story(&stage), "@ started loop_disabled\n"
                                                "[5000] @ stopped stopped\n"));
    stage_end(&stage);
}

/* S38: a stop flushes, also where there was nothing to stop. */
static void count_flush(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata);

typedef struct slow_sink {
    tj_log_sink sink;
    tj_log_sink *behind;
    tj_log_flush_cb cb; /* the flush that waits */
    void *userdata;
    int n_flushes;
} slow_sink;

static void pass_append(tj_log_sink *sink,
                        int64_t wall_ms,
                        const char *lines,
                        size_t size,
                        size_t n_lines)
{
    slow_sink *slow = (slow_sink *)(void *)sink;

    slow->behind->ops->append(slow->behind, wall_ms, lines, size, n_lines);
}

static void count_flush(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata)
{
    slow_sink *slow = (slow_sink *)(void *)sink;

    assert_null(slow->cb);
    slow->n_flushes++;
    slow->cb = cb;
    slow->userdata = userdata;
}

static void flush_now(slow_sink *slow)
{
    tj_log_flush_cb cb = slow->cb;

    assert_non_null(cb);
    slow->cb = NULL;
    cb(slow->userdata);
}

static void stage_begin_slow(test_stage *stage, slow_sink *slow)
{
    static const tj_log_sink_ops ops = { sizeof(ops), pass_append,
                                         count_flush };

    stage_set(stage);
    *slow = (slow_sink){ .sink = { &ops }, .behind = stage->options.log };
    stage->options.log = &slow->sink;
    stage_open(stage);
}

static void stage_end_slow(test_stage *stage, slow_sink *slow)
{
    tj_engine_close(stage->engine, NULL, NULL);
    flush_now(slow);
    tj_fake_loop_run(stage->loop);
    stage->engine = NULL;
    tj_memory_sink_free(stage->sink);
    tj_fake_loop_free(stage->loop);
    free(stage->story);
}

static void test_stop_of_a_new_engine_still_flushes(void **state)
{
    slow_sink slow;
    test_stage stage;
    test_actor a;

    stage_begin_slow(&stage, &slow);
    stage_add(&stage, &a, "a", play_ok);
    stage_tick(&stage);
    stage_forget(&stage);
    stage_stop(&stage);
    assert_int_equal(slow.n_flushes, 1);
    assert_int_equal(stage.n_stops, 0); /* the disk has not answered */
    flush_now(&slow);
    assert_int_equal(stage.n_stops, 0); /* never inline */
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_stops, 1);
    stage_expect(&stage, ""); /* and says nothing, as the reference */
    stage_end_slow(&stage, &slow);
}

/* S11: stop and start cannot overlap. */
static void test_start_while_stopping_is_refused(void **state)
{
    tj_error error = TJ_ERROR_INIT;
    slow_sink slow;
    test_stage stage;
    test_actor a;

    stage_begin_slow(&stage, &slow);
    stage_add(&stage, &a, "a", NULL);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_advance(&stage, 1000);
    stage_stop(&stage);
    /* draining */
    assert_int_equal(tj_engine_start(stage.engine, &error), TJ_ESTOPPING);
    assert_non_null(strstr(error.message, "still stopping"));
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    tj_fake_loop_run(stage.loop);
    /* flushing */
    assert_int_equal(tj_engine_start(stage.engine, NULL), TJ_ESTOPPING);
    assert_false(tj_engine_is_started(stage.engine));
    flush_now(&slow);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_end_slow(&stage, &slow);
}

/* S12: the second stop joins the first; `stopped` is said once. */
static void test_second_stop_joins_the_first(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", NULL);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_advance(&stage, 1000);
    stage_forget(&stage);
    stage_stop(&stage);
    stage_stop(&stage);
    assert_int_equal(tj_engine_stop(stage.engine, NULL, NULL), 0);
    stage_advance(&stage, 3000);
    assert_int_equal(stage.n_stops, 0);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_stops, 2);
    stage_expect(&stage, "[4000] a runner_completed ok 3000ms\n"
                         "[4000] @ tick_completed scheduled 3000ms "
                         "failed_runner_count=0 runner_count=1 "
                         "successful_runner_count=1 trigger=interval\n"
                         "[4000] @ stopped stopped\n");
    stage_end(&stage);
}

/* A stop that comes late, during the flush, still drains the tick by hand that
 * it finds; the first one is not kept waiting for it. */
static void test_stop_during_the_flush_drains_the_tick_it_finds(void **state)
{
    slow_sink slow;
    test_stage stage;
    test_actor a;

    stage_begin_slow(&stage, &slow);
    stage_add(&stage, &a, "a", NULL);
    stage_stop(&stage);
    stage_tick(&stage);
    stage_stop(&stage);
    assert_int_equal(slow.n_flushes, 1);
    flush_now(&slow);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_stops, 1);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    assert_int_equal(slow.n_flushes, 2);
    assert_int_equal(stage.n_stops, 1);
    flush_now(&slow);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_stops, 2);
    assert_non_null(strstr(stage_story(&stage), "@ stopped stopped\n"));
    stage_end_slow(&stage, &slow);
}

/* S32: start is all or nothing. */
static int (*real_timer_start)(tj_loop *,
                               uint64_t,
                               uint64_t,
                               tj_timer_cb,
                               void *,
                               tj_timer **);
static bool timers_fail;

static int fragile_timer_start(tj_loop *loop,
                               uint64_t delay_ns,
                               uint64_t period_ns,
                               tj_timer_cb cb,
                               void *userdata,
                               tj_timer **ret_timer)
{
    return timers_fail ? TJ_ESYSTEM
                       : real_timer_start(loop, delay_ns, period_ns, cb,
                                          userdata, ret_timer);
}

static void test_start_without_a_timer_changes_nothing(void **state)
{
    tj_loop_ops ops;
    tj_error error = TJ_ERROR_INIT;
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    ops = *stage.options.loop->ops;
    real_timer_start = ops.timer_start;
    ops.timer_start = fragile_timer_start;
    stage.options.loop->ops = &ops;
    stage_add(&stage, &a, "a", play_ok);

    timers_fail = true;
    assert_int_equal(tj_engine_start(stage.engine, &error), TJ_ESYSTEM);
    assert_string_equal(error.message,
                        "job 'timed-jobs': the interval's timer: system error");
    assert_false(tj_engine_is_started(stage.engine));
    stage_expect(&stage, "");
    timers_fail = false;
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_advance(&stage, 1000);
    assert_int_equal(a.n_runs, 1);
    stage_end(&stage);
}

/* The order in which a close calls: all others first, itself last. */
static int order;
static int tick_at, stop_at, close_at;

static void note_tick(const tj_tick_result *result, void *userdata)
{
    assert_int_equal(result->decision, TJ_DECISION_SCHEDULED);
    tick_at = ++order;
}

static void note_stop(void *userdata)
{
    stop_at = ++order;
}

static void note_close(void *userdata)
{
    close_at = ++order;
}

static void test_close_drains_and_calls_last(void **state)
{
    test_stage stage;
    test_actor a;

    order = tick_at = stop_at = close_at = 0;
    stage_begin(&stage);
    stage_add(&stage, &a, "a", NULL);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    assert_int_equal(tj_engine_tick(stage.engine, note_tick, NULL), 0);
    assert_int_equal(tj_engine_stop(stage.engine, note_stop, NULL), 0);
    tj_engine_close(stage.engine, note_close, NULL);
    tj_engine_close(stage.engine, note_close, NULL); /* a no-op */
    tj_fake_loop_advance(stage.loop, 10000);
    assert_int_equal(order, 0);
    /* a handle still works until then */
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), TJ_EALREADY);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(tick_at, 1);
    assert_int_equal(stop_at, 2);
    assert_int_equal(close_at, 3);
    assert_non_null(strstr(stage_story(&stage), "@ stopped stopped\n"));
    tj_memory_sink_free(stage.sink);
    tj_fake_loop_free(stage.loop);
    free(stage.story);
}

static void test_close_of_nothing_is_a_no_op(void **state)
{
    order = close_at = 0;
    tj_engine_close(NULL, note_close, NULL);
    assert_int_equal(order, 0);
}

/* What was started is stopped by a close, what is closing takes no ticks. */
static void test_close_of_a_started_engine_says_stopped(void **state)
{
    tj_tick_result result;
    test_stage stage;
    test_actor a;

    order = close_at = 0;
    stage_begin(&stage);
    stage_add(&stage, &a, "a", NULL);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_tick(&stage);
    tj_engine_close(stage.engine, note_close, NULL);
    assert_int_equal(tj_engine_tick(stage.engine, NULL, NULL), TJ_ESTOPPING);
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), TJ_ESTOPPING);
    assert_int_equal(tj_run_fail(a.run, "late", NULL), 0);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(close_at, 1);
    assert_non_null(strstr(stage_story(&stage), "@ stopped stopped\n"));
    tj_memory_sink_free(stage.sink);
    tj_fake_loop_free(stage.loop);
    free(stage.story);
}

/* A runner's `free` is called once, whatever happens to the runner. */
static int n_freed;

static void count_free(void *userdata)
{
    n_freed++;
}

static tj_run_status
run_ok(tj_run run, const tj_tick_context *context, void *userdata)
{
    return TJ_RUN_OK;
}

static void test_runners_are_freed_once(void **state)
{
    tj_runner runner = TJ_RUNNER_INIT;
    test_stage stage;

    n_freed = 0;
    stage_begin(&stage);
    runner.name = "a";
    runner.run = run_ok;
    runner.free = count_free;
    assert_int_equal(tj_engine_add_runner(stage.engine, &runner, NULL), 0);
    assert_int_equal(n_freed, 0);
    assert_int_equal(tj_engine_add_runner(stage.engine, &runner, NULL),
                     TJ_EEXIST);
    assert_int_equal(n_freed, 1);
    stage_end(&stage);
    assert_int_equal(n_freed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_ticks_stop_and_start_again),
        cmocka_unit_test(test_manual_engine_says_loop_disabled),
        cmocka_unit_test(test_stop_of_a_new_engine_still_flushes),
        cmocka_unit_test(test_start_while_stopping_is_refused),
        cmocka_unit_test(test_second_stop_joins_the_first),
        cmocka_unit_test(test_stop_during_the_flush_drains_the_tick_it_finds),
        cmocka_unit_test(test_start_without_a_timer_changes_nothing),
        cmocka_unit_test(test_close_drains_and_calls_last),
        cmocka_unit_test(test_close_of_nothing_is_a_no_op),
        cmocka_unit_test(test_close_of_a_started_engine_says_stopped),
        cmocka_unit_test(test_runners_are_freed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
