/* Calls into the engine from inside its own callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage.h"

/* S14: the guard stands before any code of the user's runs. */
static tj_run_status play_ticks(test_actor *actor)
{
    tj_tick_result result;

    assert_true(tj_engine_is_busy(actor->stage->engine));
    actor->code =
        tj_engine_tick(actor->stage->engine, stage_on_tick, actor->stage);
    assert_int_equal(actor->stage->n_ticks, 0); /* never inline */
    assert_int_equal(tj_engine_tick_now(actor->stage->engine, &result), 0);
    assert_int_equal(result.decision, TJ_DECISION_SKIPPED_BUSY);
    assert_string_equal(result.batch_id, "timed-jobs-1775030400000-3");
    return TJ_RUN_OK;
}

static void test_tick_inside_a_runner_is_skipped_as_busy(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ticks);
    stage_tick(&stage);
    assert_int_equal(a.n_runs, 1);
    assert_int_equal(a.code, 0);
    assert_int_equal(stage.n_ticks, 2);
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_SKIPPED_BUSY);
    assert_int_equal(stage.ticks[1].decision, TJ_DECISION_SCHEDULED);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=1 trigger=manual\n"
                 "[0] a runner_started running\n"
                 "[0] @ tick_skipped_busy skipped_busy trigger=manual\n"
                 "[0] @ tick_skipped_busy skipped_busy trigger=manual\n"
                 "[0] a runner_completed ok 0ms\n"
                 "[0] @ tick_completed scheduled 0ms failed_runner_count=0 "
                 "runner_count=1 successful_runner_count=1 trigger=manual\n");
    stage_end(&stage);
}

static void tick_in_gate(test_stage *stage)
{
    tj_tick_result result;

    assert_int_equal(tj_engine_tick_now(stage->engine, &result), 0);
    assert_int_equal(result.decision, TJ_DECISION_SKIPPED_BUSY);
}

static void test_tick_inside_the_gate_is_skipped_as_busy(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage.on_ask = tick_in_gate;
    stage_add(&stage, &a, "a", play_ok);
    stage_tick(&stage);
    assert_int_equal(a.n_runs, 1);
    assert_int_equal(stage.n_asked, 1);
    stage_end(&stage);
}

/* A gate may answer through its request inside the question. */
static void answer_in_gate(test_stage *stage)
{
    tj_gate_pass pass = { "controller-b", "host-b", 8 };

    assert_int_equal(
        tj_gate_answer(stage->request, TJ_GATE_SYSTEM_PAUSED, &pass), 0);
    assert_int_equal(tj_gate_answer(stage->request, TJ_GATE_OPEN, &pass),
                     TJ_EALREADY);
}

static void test_answer_inside_the_question_wins(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage.on_ask = answer_in_gate;
    stage_add(&stage, &a, "a", play_ok);
    stage_tick(&stage); /* the verdict returned is OPEN */
    stage.verdict = TJ_GATE_PENDING;
    stage_tick(&stage);
    assert_int_equal(a.n_runs, 0);
    assert_int_equal(stage.ticks[0].decision,
                     TJ_DECISION_SKIPPED_SYSTEM_PAUSED);
    assert_int_equal(stage.ticks[1].decision,
                     TJ_DECISION_SKIPPED_SYSTEM_PAUSED);
    stage_end(&stage);
}

/* A run may end itself and go on; what it does then comes to nothing. */
static tj_run_status play_ends_itself(test_actor *actor)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;

    note.stage = "after";
    assert_int_equal(tj_run_complete(actor->run, "first", NULL), 0);
    assert_int_equal(tj_run_fail(actor->run, "second", NULL), TJ_EALREADY);
    assert_int_equal(tj_run_log(actor->run, &note), TJ_EALREADY);
    assert_null(tj_run_context(actor->run));
    tj_fake_loop_advance(actor->stage->loop, 3);
    return TJ_RUN_FAILED; /* too late, too */
}

static void test_run_ended_inside_counts_once(void **state)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ends_itself);
    stage_add(&stage, &b, "b", play_ok);
    stage_tick(&stage);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=2 trigger=manual\n"
                 "[0] a runner_started running\n"
                 "[0] a runner_completed first 0ms\n"
                 "[3] b runner_started running\n"
                 "[3] b runner_completed ok 0ms\n"
                 "[3] @ tick_completed scheduled 3ms failed_runner_count=0 "
                 "runner_count=2 successful_runner_count=2 trigger=manual\n");
    stage_end(&stage);
}

/* S13: a stop from inside a runner comes after its tick. */
static tj_run_status play_stops(test_actor *actor)
{
    actor->code =
        tj_engine_stop(actor->stage->engine, stage_on_stop, actor->stage);
    assert_false(tj_engine_is_started(actor->stage->engine));
    return TJ_RUN_OK;
}

static void test_stop_inside_a_runner_comes_after_the_tick(void **state)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_stops);
    stage_add(&stage, &b, "b", play_ok);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_advance(&stage, 5000);
    assert_int_equal(a.n_runs, 1);
    assert_int_equal(b.n_runs, 1);
    assert_int_equal(stage.n_stops, 1);
    assert_non_null(strstr(stage_story(&stage),
                           "successful_runner_count=2 trigger=interval\n"
                           "[1000] @ stopped stopped\n"));
    stage_end(&stage);
}

/* And so does a close. */
static tj_run_status play_closes(test_actor *actor)
{
    tj_engine_close(actor->stage->engine, stage_on_stop, actor->stage);
    return TJ_RUN_OK;
}

static void close_in_gate(test_stage *stage)
{
    tj_engine_close(stage->engine, stage_on_stop, stage);
}

static void close_test(bool in_gate)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    if (in_gate)
        stage.on_ask = close_in_gate;
    stage_add(&stage, &a, "a", in_gate ? play_ok : play_closes);
    stage_add(&stage, &b, "b", play_ok);
    stage_tick(&stage);
    assert_int_equal(b.n_runs, 1);
    assert_int_equal(stage.n_ticks, 1);
    assert_int_equal(stage.n_stops, 1);
    assert_non_null(strstr(stage_story(&stage), "@ stopped stopped\n"));
    tj_memory_sink_free(stage.sink);
    tj_fake_loop_free(stage.loop);
    free(stage.story);
}

static void test_close_inside_a_runner_comes_after_the_tick(void **state)
{
    close_test(/* in_gate= */ false);
}

static void test_close_inside_the_gate_comes_after_the_tick(void **state)
{
    close_test(/* in_gate= */ true);
}

/* What a cancelled run says of the engine is heard after the tick, too. */
static test_actor latecomer;

static void cancel_calls_in(test_actor *actor)
{
    tj_tick_result result;

    stage_add(actor->stage, &latecomer, "latecomer", play_ok);
    assert_int_equal(tj_engine_tick_now(actor->stage->engine, &result), 0);
    assert_int_equal(result.decision, TJ_DECISION_SKIPPED_BUSY);
    assert_int_equal(
        tj_engine_stop(actor->stage->engine, stage_on_stop, actor->stage), 0);
    assert_int_equal(actor->stage->n_stops, 0);
}

static void test_cancel_may_call_in(void **state)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    stage_add_timed(&stage, &a, "a", NULL, 100);
    stage_add(&stage, &b, "b", play_ok);
    a.on_cancel = cancel_calls_in;
    stage_tick(&stage);
    stage_advance(&stage, 100);
    assert_int_equal(a.n_cancels, 1);
    assert_int_equal(b.n_runs, 1);
    assert_int_equal(latecomer.n_runs, 0);
    assert_int_equal(stage.n_stops, 1);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=2 trigger=manual\n"
                 "[0] a runner_started running\n"
                 "[100] a runner_failed failed 100ms \"timed out after 100 "
                 "ms\"\n"
                 "[100] @ tick_skipped_busy skipped_busy trigger=manual\n"
                 "[100] b runner_started running\n"
                 "[100] b runner_completed ok 0ms\n"
                 "[100] @ tick_completed completed_with_failures 100ms "
                 "failed_runner_count=1 runner_count=2 "
                 "successful_runner_count=1 trigger=manual\n"
                 "[100] @ stopped stopped\n");
    stage_end(&stage);
}

/* The tick keeps the runners that it began with, however many join. */
static test_actor joined[40];

static tj_run_status play_registers(test_actor *actor)
{
    char name[16];
    int index;

    for (index = 0; actor->n_runs == 1 && index < 40; index++) {
        snprintf(name, sizeof(name), "joined-%d", index);
        stage_add(actor->stage, &joined[index], strdup(name), play_ok);
    }
    return TJ_RUN_OK;
}

static void joined_free(void)
{
    int index;

    for (index = 0; index < 40; index++)
        free((char *)(uintptr_t)joined[index].name);
}

static void registers_test(tj_log_sink *sink)
{
    test_stage stage;
    test_actor a, b;

    stage_set(&stage);
    stage.options.log = sink ? stage.options.log : NULL;
    stage.options.gate.recheck = NULL;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_registers);
    stage_add(&stage, &b, "b", play_ok);
    stage_tick(&stage);
    assert_int_equal(stage.ticks[0].runner_count, 2);
    assert_int_equal(joined[39].n_runs, 0);
    assert_int_equal(tj_engine_n_runners(stage.engine), 42);
    stage_tick(&stage);
    assert_int_equal(stage.ticks[1].runner_count, 42);
    assert_int_equal(joined[39].n_runs, 1);
    stage_end(&stage);
    joined_free();
}

static void test_runners_that_join_in_a_tick_wait_for_the_next(void **state)
{
    static tj_log_sink any;

    registers_test(&any);
    registers_test(NULL);
}

/* An observer may ask for more; what it asks for is not told to it. */
static int n_observed;

static void observe_and_tick(const tj_tick_report *report, void *userdata)
{
    test_stage *stage = userdata;
    tj_tick_result result;

    n_observed++;
    assert_int_equal(tj_engine_tick_now(stage->engine, &result), 0);
    assert_int_equal(result.decision, TJ_DECISION_SKIPPED_BUSY);
    if (n_observed == 1)
        assert_int_equal(tj_engine_stop(stage->engine, stage_on_stop, stage),
                         0);
}

static void observe_run(const tj_run_report *report, void *userdata)
{
    test_stage *stage = userdata;

    assert_true(tj_engine_is_busy(stage->engine));
    assert_int_equal(tj_engine_tick(stage->engine, stage_on_tick, stage), 0);
}

static void test_observer_may_call_in(void **state)
{
    test_stage stage;
    test_actor a;

    n_observed = 0;
    stage_set(&stage);
    stage.options.observer =
        (tj_engine_observer){ observe_run, observe_and_tick, &stage };
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage_tick(&stage);
    assert_int_equal(n_observed, 1);
    assert_int_equal(stage.n_ticks, 2);
    assert_int_equal(stage.n_stops, 1);
    stage_end(&stage);
}

/* Runners that answer at once are driven by a loop: twenty thousand of
 * them need no stack. */
static void test_many_runners_need_no_stack(void **state)
{
    enum { RUNNERS = 20000 };

    static char names[RUNNERS][12];
    static test_actor actors[RUNNERS];
    tj_tick_result result;
    test_stage stage;
    int index;

    stage_begin(&stage);
    stage.recheck_after = RUNNERS;
    for (index = 0; index < RUNNERS; index++) {
        snprintf(names[index], sizeof(names[index]), "r%d", index);
        stage_add(&stage, &actors[index], names[index],
                  index % 2 ? play_ok : play_fail);
    }
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
    assert_int_equal(result.decision, TJ_DECISION_SCHEDULED);
    assert_int_equal(actors[RUNNERS - 1].n_runs, 1);
    assert_int_equal(tj_memory_sink_n_lines(stage.sink), 2 * RUNNERS + 2);
    stage_end(&stage);
}

/* tick_now tells what it can. */
static void test_tick_now_says_when_the_tick_goes_on(void **state)
{
    tj_tick_result result;
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", NULL);
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), TJ_EINPROGRESS);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    a.play = play_ok;
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
    assert_int_equal(result.decision, TJ_DECISION_SCHEDULED);
    assert_int_equal(result.runner_count, 1);
    assert_string_equal(result.batch_id, "timed-jobs-1775030400000-2");
    stage_end(&stage);
}

/* Two engines on one loop: a run of one is ended by a runner of the other. */
static test_actor *other;

static tj_run_status play_ends_other(test_actor *actor)
{
    actor->code = tj_run_complete(other->run, "by the other", NULL);
    return TJ_RUN_OK;
}

static void test_one_engine_ends_a_run_of_another(void **state)
{
    test_stage one, two;
    test_actor a, b, c;

    stage_begin(&one);
    stage_begin(&two);
    stage_add(&one, &a, "a", NULL);
    stage_add(&one, &b, "b", play_ok);
    stage_add(&two, &c, "c", play_ends_other);
    other = &a;
    stage_tick(&one);
    stage_tick(&two);
    assert_int_equal(c.code, 0);
    assert_int_equal(b.n_runs, 1);
    assert_non_null(
        strstr(stage_story(&one), "a runner_completed by the other"));
    stage_end(&one);
    stage_end(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tick_inside_a_runner_is_skipped_as_busy),
        cmocka_unit_test(test_tick_inside_the_gate_is_skipped_as_busy),
        cmocka_unit_test(test_answer_inside_the_question_wins),
        cmocka_unit_test(test_run_ended_inside_counts_once),
        cmocka_unit_test(test_stop_inside_a_runner_comes_after_the_tick),
        cmocka_unit_test(test_close_inside_a_runner_comes_after_the_tick),
        cmocka_unit_test(test_close_inside_the_gate_comes_after_the_tick),
        cmocka_unit_test(test_cancel_may_call_in),
        cmocka_unit_test(test_runners_that_join_in_a_tick_wait_for_the_next),
        cmocka_unit_test(test_observer_may_call_in),
        cmocka_unit_test(test_many_runners_need_no_stack),
        cmocka_unit_test(test_tick_now_says_when_the_tick_goes_on),
        cmocka_unit_test(test_one_engine_ends_a_run_of_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
