/* Gates and runners that take their time, or never answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage.h"

/* The free loop: a tick in flight lets everything else happen. */
static void test_pending_runs_end_through_their_handles(void **state)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", NULL);
    stage_add(&stage, &b, "b", NULL);
    stage_tick(&stage);
    assert_true(tj_engine_is_busy(stage.engine));
    stage_advance(&stage, 30);
    assert_int_equal(b.n_runs, 0);
    assert_int_equal(tj_run_complete(a.run, "done", NULL), 0);
    assert_int_equal(b.n_runs, 1); /* started before that returned */
    stage_advance(&stage, 12);
    assert_int_equal(tj_run_fail(b.run, "boom", NULL), 0);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_ticks, 1);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=2 trigger=manual\n"
                 "[0] a runner_started running\n"
                 "[30] a runner_completed done 30ms\n"
                 "[30] b runner_started running\n"
                 "[42] b runner_failed failed 12ms \"boom\"\n"
                 "[42] @ tick_completed completed_with_failures 42ms "
                 "failed_runner_count=1 runner_count=2 "
                 "successful_runner_count=1 trigger=manual\n");
    stage_end(&stage);
}

/* S33: the handle is closed with the run. */
static void test_handle_is_dead_after_its_run(void **state)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;
    test_stage stage;
    test_actor a;

    note.stage = "late";
    stage_begin(&stage);
    stage_add(&stage, &a, "a", NULL);
    stage_tick(&stage);
    assert_int_equal(tj_run_log(a.run, &note), 0);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    stage_forget(&stage);
    assert_int_equal(tj_run_log(a.run, &note), TJ_EALREADY);
    assert_int_equal(tj_run_fail(a.run, "late", NULL), TJ_EALREADY);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), TJ_EALREADY);
    assert_null(tj_run_context(a.run));
    stage_stop(&stage);
    assert_int_equal(tj_run_log(a.run, &note), TJ_EALREADY);
    stage_expect(&stage, "");

    /* neither does an old handle end the next run */
    {
        tj_run old = a.run;

        stage_tick(&stage);
        assert_int_equal(tj_run_complete(old, NULL, NULL), TJ_EALREADY);
        assert_true(tj_engine_is_busy(stage.engine));
        assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    }
    /* handles that never were any */
    assert_int_equal(tj_run_complete((tj_run){ NULL, 1 }, NULL, NULL),
                     TJ_EALREADY);
    assert_int_equal(tj_run_complete((tj_run){ stage.engine, 0 }, NULL, NULL),
                     TJ_EALREADY);
    note.stage = NULL;
    assert_int_equal(tj_run_log(a.run, &note), TJ_EINVAL);
    assert_int_equal(tj_run_log(a.run, NULL), TJ_EINVAL);
    stage_end(&stage);
}

/* S09: a runner that hangs costs its timeout, not the job. */
static void test_hanging_runner_times_out_and_the_next_runs(void **state)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    stage_add_timed(&stage, &a, "a", NULL, 200);
    stage_add_timed(&stage, &b, "b", play_ok, 200);
    stage_tick(&stage);
    stage_advance(&stage, 1000);
    stage_expect(
        &stage,
        "[0] @ tick_started running runner_count=2 trigger=manual\n"
        "[0] a runner_started running\n"
        "[200] a runner_failed failed 200ms \"timed out after 200 ms\"\n"
        "[200] b runner_started running\n"
        "[200] b runner_completed ok 0ms\n"
        "[200] @ tick_completed completed_with_failures 200ms "
        "failed_runner_count=1 runner_count=2 successful_runner_count=1 "
        "trigger=manual\n");
    assert_int_equal(a.n_cancels, 1);
    assert_int_equal(a.cancel_reason, TJ_CANCEL_TIMEOUT);
    assert_int_equal(b.n_cancels, 0);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), TJ_EALREADY);

    /* in time: the deadline goes with the run */
    stage_tick(&stage);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    stage_advance(&stage, 1000);
    assert_int_equal(a.n_cancels, 1);
    stage_end(&stage);
}

static void test_pending_gate_is_answered_later(void **state)
{
    tj_gate_pass pass = { "controller-a", "host-a", 7 };
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage.verdict = TJ_GATE_PENDING;
    stage_tick(&stage);
    assert_int_equal(a.n_runs, 0);
    /* S20: nonsense is refused, and the question stays open */
    assert_int_equal(tj_gate_answer(stage.request, TJ_GATE_PENDING, &pass),
                     TJ_EINVAL);
    assert_int_equal(tj_gate_answer(stage.request, TJ_GATE_OPEN, NULL),
                     TJ_EINVAL);
    stage_advance(&stage, 40);
    assert_int_equal(tj_gate_answer(stage.request, TJ_GATE_OPEN, &pass), 0);
    assert_int_equal(a.n_runs, 1);
    /* S16, S19: an answer counts once */
    assert_int_equal(tj_gate_answer(stage.request, TJ_GATE_OPEN, &pass),
                     TJ_EALREADY);
    assert_int_equal(tj_gate_fail(stage.request, "late"), TJ_EALREADY);
    assert_int_equal(a.n_runs, 1);

    stage_tick(&stage);
    assert_int_equal(tj_gate_answer(stage.request, TJ_GATE_NOT_LEADER, NULL),
                     0);
    stage_tick(&stage);
    assert_int_equal(tj_gate_fail(stage.request, ""), 0);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_ticks, 3);
    assert_int_equal(stage.ticks[1].decision, TJ_DECISION_SKIPPED_NOT_LEADER);
    assert_int_equal(stage.ticks[2].decision, TJ_DECISION_FAILED);
    assert_non_null(strstr(stage_story(&stage),
                           "[40] a runner_started running\n"
                           "[40] a runner_completed ok 0ms\n"
                           "[40] @ tick_completed scheduled 40ms"));
    assert_non_null(strstr(stage_story(&stage),
                           "tick_failed failed 0ms \"the gate failed\""));
    stage_end(&stage);
}

/* S09: the same for a gate. */
static void test_hanging_gate_fails_its_tick(void **state)
{
    test_stage stage;
    test_actor a;

    stage_set(&stage);
    stage.options.gate_timeout_ms = 300;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage.verdict = TJ_GATE_PENDING;
    stage_tick(&stage);
    stage_advance(&stage, 1000);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=1 trigger=manual\n"
                 "[300] @ tick_failed failed 300ms \"the gate did not answer "
                 "within 300 ms\" runner_count=1 trigger=manual\n");
    assert_int_equal(tj_gate_answer(stage.request, TJ_GATE_NOT_LEADER, NULL),
                     TJ_EALREADY);
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_FAILED);
    stage_end(&stage);
}

/* S09: a stop has a bound of its own. */
static void test_drain_deadline_cancels_the_run_and_skips_the_rest(void **state)
{
    test_stage stage;
    test_actor a, b, c;

    stage_set(&stage);
    stage.options.drain_timeout_ms = 500;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage_add(&stage, &b, "b", NULL);
    stage_add(&stage, &c, "c", play_ok);
    stage_tick(&stage);
    stage_advance(&stage, 100);
    stage_forget(&stage);
    stage_stop(&stage);
    stage_advance(&stage, 1000);
    stage_expect(
        &stage,
        "[600] b runner_failed failed 600ms \"cancelled: the stop's drain "
        "deadline passed\"\n"
        "[600] c runner_skipped cancelled 0ms trigger=manual\n"
        "[600] @ tick_failed failed 600ms \"cancelled: the stop's drain "
        "deadline passed\" failed_runner_count=1 runner_count=3 "
        "skipped_runner_count=1 successful_runner_count=1 trigger=manual\n"
        "[600] @ stopped stopped\n");
    assert_int_equal(b.n_cancels, 1);
    assert_int_equal(b.cancel_reason, TJ_CANCEL_STOP);
    assert_int_equal(c.n_runs, 0);
    assert_int_equal(stage.n_stops, 1);
    assert_int_equal(stage.n_ticks, 1);
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_FAILED);

    /* the next tick is whole again */
    b.play = play_ok;
    stage_tick(&stage);
    assert_int_equal(c.n_runs, 1);
    stage_end(&stage);
}

static void test_drain_deadline_ends_a_question_to_the_gate(void **state)
{
    test_stage stage;
    test_actor a;

    stage_set(&stage);
    stage.options.drain_timeout_ms = 500;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage.verdict = TJ_GATE_PENDING;
    stage_tick(&stage);
    stage_stop(&stage);
    stage_advance(&stage, 1000);
    stage_expect(
        &stage,
        "[0] @ tick_started running runner_count=1 trigger=manual\n"
        "[500] a runner_skipped cancelled 0ms trigger=manual\n"
        "[500] @ tick_failed failed 500ms \"cancelled: the stop's drain "
        "deadline passed\" failed_runner_count=0 runner_count=1 "
        "skipped_runner_count=1 successful_runner_count=0 trigger=manual\n"
        "[500] @ stopped stopped\n");
    assert_int_equal(tj_gate_fail(stage.request, "late"), TJ_EALREADY);
    stage_end(&stage);
}

/* The drain ends with the tick: nothing is cancelled later. */
static void test_drain_deadline_goes_with_the_drain(void **state)
{
    test_stage stage;
    test_actor a;

    stage_set(&stage);
    stage.options.drain_timeout_ms = 500;
    stage_open(&stage);
    stage_add(&stage, &a, "a", NULL);
    stage_tick(&stage);
    stage_stop(&stage);
    stage_advance(&stage, 499);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    stage_tick(&stage);
    stage_advance(&stage, 5000);
    assert_int_equal(a.n_cancels, 0);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    stage_end(&stage);
}

/* A close with a deadline ends by itself. */
static void test_close_with_a_drain_deadline_needs_nobody(void **state)
{
    test_stage stage;
    test_actor a;

    stage_set(&stage);
    stage.options.drain_timeout_ms = 500;
    stage_open(&stage);
    stage_add(&stage, &a, "a", NULL);
    stage_tick(&stage);
    tj_engine_close(stage.engine, stage_on_stop, &stage);
    stage_advance(&stage, 499);
    assert_int_equal(stage.n_stops, 0);
    stage_advance(&stage, 1);
    assert_int_equal(stage.n_stops, 1);
    assert_int_equal(a.n_cancels, 1);
    tj_memory_sink_free(stage.sink);
    tj_fake_loop_free(stage.loop);
    free(stage.story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pending_runs_end_through_their_handles),
        cmocka_unit_test(test_handle_is_dead_after_its_run),
        cmocka_unit_test(test_hanging_runner_times_out_and_the_next_runs),
        cmocka_unit_test(test_pending_gate_is_answered_later),
        cmocka_unit_test(test_hanging_gate_fails_its_tick),
        cmocka_unit_test(
            test_drain_deadline_cancels_the_run_and_skips_the_rest),
        cmocka_unit_test(test_drain_deadline_ends_a_question_to_the_gate),
        cmocka_unit_test(test_drain_deadline_goes_with_the_drain),
        cmocka_unit_test(test_close_with_a_drain_deadline_needs_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
