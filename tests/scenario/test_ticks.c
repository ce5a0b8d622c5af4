/* What a tick is and says: the reference's course, and where ours differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage.h"

/* The course that everything else deviates from. */
static void test_open_gate_runs_all_in_order(void **state)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    stage.verbose = true;
    stage_add(&stage, &a, "a", play_ok);
    stage_add(&stage, &b, "b", play_ok);
    stage_tick(&stage);
    stage_expect(
        &stage,
        "[0] @ tick_started running runner_count=2 trigger=manual\n"
        "[0] a runner_started running controller_id=controller-a host=host-a "
        "max_messages_per_tick=20 max_tasks_per_tick=5 settle_delay_ms=250 "
        "term=7 trigger=manual\n"
        "[0] a runner_completed ok 0ms\n"
        "[0] b runner_started running controller_id=controller-a host=host-a "
        "max_messages_per_tick=20 max_tasks_per_tick=5 settle_delay_ms=250 "
        "term=7 trigger=manual\n"
        "[0] b runner_completed ok 0ms\n"
        "[0] @ tick_completed scheduled 0ms failed_runner_count=0 "
        "runner_count=2 successful_runner_count=2 trigger=manual\n");
    assert_int_equal(stage.n_ticks, 1);
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_SCHEDULED);
    assert_int_equal(stage.ticks[0].runner_count, 2);
    assert_string_equal(stage.ticks[0].batch_id, "timed-jobs-1775030400000-1");
    assert_int_equal(stage.n_left, 1);
    stage_end(&stage);
}

/* S06: whatever way one runner fails, the others run and the tick is whole. */
static tj_run_status play_status_failed(test_actor *actor)
{
    return TJ_RUN_FAILED;
}

static tj_run_status play_no_status(test_actor *actor)
{
    return (tj_run_status)77;
}

static void test_failing_runner_never_stops_the_next(void **state)
{
    test_stage stage;
    test_actor a, b, c, d;

    stage_begin(&stage);
    stage_add(&stage, &a, "status", play_status_failed);
    stage_add(&stage, &b, "handle", play_fail);
    stage_add(&stage, &c, "nonsense", play_no_status);
    stage_add(&stage, &d, "last", play_ok);
    stage_tick(&stage);
    stage_expect(
        &stage,
        "[0] @ tick_started running runner_count=4 trigger=manual\n"
        "[0] status runner_started running\n"
        "[0] status runner_failed failed 0ms\n"
        "[0] handle runner_started running\n"
        "[0] handle runner_failed failed 0ms \"boom\"\n"
        "[0] nonsense runner_started running\n"
        "[0] nonsense runner_failed failed 0ms \"the runner returned no status "
        "that there is\"\n"
        "[0] last runner_started running\n"
        "[0] last runner_completed ok 0ms\n"
        "[0] @ tick_completed completed_with_failures 0ms "
        "failed_runner_count=3 runner_count=4 successful_runner_count=1 "
        "trigger=manual\n");
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_SCHEDULED);
    stage_end(&stage);
}

/* S37: the outcome is typed; a result text "failed" does not fail a run. */
static tj_run_status play_result_failed(test_actor *actor)
{
    assert_int_equal(tj_run_complete(actor->run, "failed", NULL), 0);
    return TJ_RUN_PENDING;
}

static void test_result_text_is_not_the_outcome(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_result_failed);
    stage_tick(&stage);
    assert_non_null(strstr(stage_story(&stage),
                           "a runner_completed failed 0ms\n"
                           "[0] @ tick_completed scheduled 0ms "
                           "failed_runner_count=0"));
    stage_end(&stage);
}

/* S02, S01: details cannot forge the base keys, nor steer the day file. */
static tj_run_status play_forge(test_actor *actor)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;
    tj_json *details;

    assert_int_equal(
        tj_json_parse(
            "{\"ts\":\"../../evil\",\"runner\":\"timed-jobs.framework\","
            "\"details.ts\":1,\"details.details.ts\":2,\"stage\":3,"
            "\"batch_id\":4,\"result\":5,\"error\":6,\"duration_ms\":7}",
            strlen("{\"ts\":\"../../evil\",\"runner\":\"timed-jobs.framework\","
                   "\"details.ts\":1,\"details.details.ts\":2,\"stage\":3,"
                   "\"batch_id\":4,\"result\":5,\"error\":6,"
                   "\"duration_ms\":7}"),
            &details, NULL),
        0);
    note.stage = "forged";
    note.details = details;
    assert_int_equal(tj_run_log(actor->run, &note), 0);
    assert_int_equal(tj_run_complete(actor->run, NULL, details), 0);
    tj_json_free(details);
    return TJ_RUN_PENDING;
}

static void test_details_never_overwrite_base_keys(void **state)
{
    static const char kept[] =
        " details.details.details.ts=../../evil "
        "details.runner=timed-jobs.framework details.ts=1 "
        "details.details.ts=2 details.stage=3 details.batch_id=4 "
        "details.result=5 details.error=6 details.duration_ms=7\n";
    char expected[1024];
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_forge);
    stage_tick(&stage);
    snprintf(expected, sizeof(expected),
             "[0] a forged -%s[0] a runner_completed ok 0ms%s", kept, kept);
    assert_non_null(strstr(stage_story(&stage), expected));
    assert_int_equal(tj_memory_sink_n_days(stage.sink), 1);
    stage_end(&stage);
}

/* S05, S36: every key is data, and every line is JSON, whatever comes. */
static tj_run_status play_odd_details(test_actor *actor)
{
    tj_json *details = tj_json_new_object();

    assert_int_equal(tj_json_set_string(details, "__proto__", "x"), 0);
    assert_int_equal(tj_json_set_string(details, "toJSON", "\xff\xfe"), 0);
    assert_int_equal(tj_run_complete(actor->run, "\xc3", details), 0);
    tj_json_free(details);
    return TJ_RUN_PENDING;
}

static void test_odd_keys_and_broken_text_are_kept_as_json(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_odd_details);
    stage_tick(&stage);
    assert_non_null(strstr(stage_story(&stage),
                           "a runner_completed \xef\xbf\xbd 0ms __proto__=x "
                           "toJSON=\xef\xbf\xbd\xef\xbf\xbd\n"));
    stage_end(&stage);
}

/* S03, S04: an entry that cannot be printed is replaced and counted; the run
 * that wrote it is as well as it was. */
static tj_run_status play_giant(test_actor *actor)
{
    size_t size = 2 * 1024 * 1024;
    char *text = malloc(size + 1);
    tj_json *details = tj_json_new_object();
    tj_run_note note = TJ_RUN_NOTE_INIT;

    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    assert_int_equal(tj_json_set_string(details, "giant", text), 0);
    note.stage = text;
    assert_int_equal(tj_run_log(actor->run, &note), 0);
    assert_int_equal(tj_run_complete(actor->run, NULL, details), 0);
    tj_json_free(details);
    free(text);
    return TJ_RUN_PENDING;
}

static void test_unprintable_entry_is_replaced_and_counted(void **state)
{
    test_stage stage;
    uint64_t n_lines, n_short;
    test_actor a, b;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_giant);
    stage_add(&stage, &b, "b", play_ok);
    stage_tick(&stage);
    assert_non_null(strstr(stage_story(&stage),
                           "[0] a runner_completed ok 0ms "
                           "log_loss=too long or out of memory\n"
                           "[0] b runner_started running\n"));
    tj_engine_get_log_counts(stage.engine, &n_lines, &n_short);
    assert_int_equal(n_lines, 7);
    assert_int_equal(n_short, 2);
    assert_int_equal(tj_memory_sink_n_lines(stage.sink), 7);
    stage_end(&stage);
}

/* The two ways of a shut gate. */
static void test_shut_gate_skips_every_runner(void **state)
{
    test_stage stage;
    test_actor a, b;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage_add(&stage, &b, "b", play_ok);
    stage.verdict = TJ_GATE_NOT_LEADER;
    stage_tick(&stage);
    stage.verdict = TJ_GATE_SYSTEM_PAUSED;
    stage_tick(&stage);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=2 trigger=manual\n"
                 "[0] a runner_skipped skipped_not_leader 0ms trigger=manual\n"
                 "[0] b runner_skipped skipped_not_leader 0ms trigger=manual\n"
                 "[0] @ tick_completed skipped_not_leader 0ms runner_count=2 "
                 "trigger=manual\n"
                 "[0] @ tick_started running runner_count=2 trigger=manual\n"
                 "[0] a runner_skipped skipped_system_paused 0ms "
                 "trigger=manual\n"
                 "[0] b runner_skipped skipped_system_paused 0ms "
                 "trigger=manual\n"
                 "[0] @ tick_completed skipped_system_paused 0ms "
                 "runner_count=2 trigger=manual\n");
    assert_int_equal(a.n_runs + b.n_runs, 0);
    assert_int_equal(stage.n_left, 0);
    stage_end(&stage);
}

/* S07, S20, S08: a gate that fails, in any way, ends the tick and nothing
 * else; the entry says why. */
static void test_failing_gate_ends_only_its_tick(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ok);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage.verdict = TJ_GATE_FAILED;
    stage.gate_error = "lease store unreachable";
    stage_advance(&stage, 1000);
    stage.gate_error = NULL;
    stage_advance(&stage, 1000);
    stage.verdict = (tj_gate_verdict)42;
    stage_advance(&stage, 1000);
    stage.verdict = TJ_GATE_OPEN;
    stage_advance(&stage, 1000);
    stage_expect(
        &stage,
        "[0] @ started loop_enabled\n"
        "[1000] @ tick_started running runner_count=1 trigger=interval\n"
        "[1000] @ tick_failed failed 0ms \"lease store unreachable\" "
        "runner_count=1 trigger=interval\n"
        "[2000] @ tick_started running runner_count=1 trigger=interval\n"
        "[2000] @ tick_failed failed 0ms \"the gate failed\" runner_count=1 "
        "trigger=interval\n"
        "[3000] @ tick_started running runner_count=1 trigger=interval\n"
        "[3000] @ tick_failed failed 0ms \"the gate gave no verdict that there "
        "is\" runner_count=1 trigger=interval\n"
        "[4000] @ tick_started running runner_count=1 trigger=interval\n"
        "[4000] a runner_started running\n"
        "[4000] a runner_completed ok 0ms\n"
        "[4000] @ tick_completed scheduled 0ms failed_runner_count=0 "
        "runner_count=1 successful_runner_count=1 trigger=interval\n");
    stage_end(&stage);
}

/* A pass out of its ranges is the gate's failure, said so. */
static tj_gate_pass bad_pass;

static tj_gate_verdict
ask_bad_pass(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    *ret_pass = bad_pass;
    return TJ_GATE_OPEN;
}

static void test_pass_out_of_range_fails_the_tick(void **state)
{
    static char long_text[TJ_GATE_TEXT_MAX + 2];

    static const struct {
        tj_gate_pass pass;
        const char *error;
    } cases[] = {
        { { NULL, "h", 1 }, "controller_id is missing or too long" },
        { { long_text, "h", 1 }, "controller_id is missing or too long" },
        { { "c", NULL, 1 }, "host is missing or too long" },
        { { "c", long_text, 1 }, "host is missing or too long" },
        { { "c", "h", -1 }, "term is not 0 to 2^53-1" },
        { { "c", "h", INT64_C(1) << 53 }, "term is not 0 to 2^53-1" },
    };

    test_stage stage;
    test_actor a;
    size_t index;

    memset(long_text, 'x', sizeof(long_text) - 1);
    stage_set(&stage);
    stage.options.gate.ask = ask_bad_pass;
    stage.options.gate.leave = NULL;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    for (index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
        stage_forget(&stage);
        bad_pass = cases[index].pass;
        stage_tick(&stage);
        assert_non_null(strstr(stage_story(&stage), cases[index].error));
        assert_int_equal(stage.ticks[index].decision, TJ_DECISION_FAILED);
    }
    /* the longest that is allowed */
    long_text[TJ_GATE_TEXT_MAX] = '\0';
    bad_pass =
        (tj_gate_pass){ long_text, long_text, INT64_C(9007199254740991) };
    stage_tick(&stage);
    assert_int_equal(a.n_runs, 1);
    stage_end(&stage);
}

/* Details that the reference has for a failure after the work. */
static void test_gate_failing_on_leave_fails_the_tick(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage.leave = TJ_GATE_FAILED;
    stage.gate_error = "lease lost";
    stage_tick(&stage);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=1 trigger=manual\n"
                 "[0] a runner_started running\n"
                 "[0] a runner_completed ok 0ms\n"
                 "[0] @ tick_failed failed 0ms \"lease lost\" runner_count=1 "
                 "trigger=manual\n");
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_FAILED);
    stage_end(&stage);
}

/* S34, S17, S18, S15: leadership is looked at before each runner; lost in the
 * middle, every runner has exactly one end in the log, and the tick counts
 * what really ran. */
static void test_leadership_lost_in_the_middle_is_told(void **state)
{
    test_stage stage;
    test_actor a, b, c;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage_add(&stage, &b, "b", play_fail);
    stage_add(&stage, &c, "c", play_ok);
    stage.recheck = TJ_GATE_NOT_LEADER;
    stage_tick(&stage);
    stage_expect(
        &stage,
        "[0] @ tick_started running runner_count=3 trigger=manual\n"
        "[0] a runner_started running\n"
        "[0] a runner_completed ok 0ms\n"
        "[0] b runner_skipped skipped_not_leader 0ms trigger=manual\n"
        "[0] c runner_skipped skipped_not_leader 0ms trigger=manual\n"
        "[0] @ tick_failed failed 0ms \"leadership was lost after 1 of 3 "
        "runners\" failed_runner_count=0 runner_count=3 "
        "skipped_runner_count=2 successful_runner_count=1 trigger=manual\n");
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_FAILED);
    assert_int_equal(stage.n_left, 1); /* also then */

    stage_forget(&stage);
    stage.n_rechecked = 0;
    stage.recheck_after = 1;
    stage.recheck = TJ_GATE_SYSTEM_PAUSED;
    stage_tick(&stage);
    stage_expect(
        &stage,
        "[0] @ tick_started running runner_count=3 trigger=manual\n"
        "[0] a runner_started running\n"
        "[0] a runner_completed ok 0ms\n"
        "[0] b runner_started running\n"
        "[0] b runner_failed failed 0ms \"boom\"\n"
        "[0] c runner_skipped skipped_system_paused 0ms trigger=manual\n"
        "[0] @ tick_failed failed 0ms \"paused after 2 of 3 runners\" "
        "failed_runner_count=1 runner_count=3 skipped_runner_count=1 "
        "successful_runner_count=1 trigger=manual\n");

    stage_forget(&stage);
    stage.n_rechecked = 0;
    stage.recheck = TJ_GATE_PENDING; /* not allowed there */
    stage_tick(&stage);
    assert_non_null(
        strstr(stage_story(&stage),
               "[0] c runner_skipped failed 0ms trigger=manual\n"
               "[0] @ tick_failed failed 0ms \"the gate failed after 2 of 3 "
               "runners\" failed_runner_count=1 runner_count=3 "
               "skipped_runner_count=1"));
    stage_end(&stage);
}

/* S35: the wall clock stamps lines, and nothing else. */
static tj_run_status play_clock_steps(test_actor *actor)
{
    tj_fake_loop_step_wall(actor->stage->loop, -3600000);
    tj_fake_loop_advance(actor->stage->loop, 7);
    return TJ_RUN_OK;
}

static void test_durations_survive_a_step_of_the_wall_clock(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_clock_steps);
    stage_tick(&stage);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=1 trigger=manual\n"
                 "[0] a runner_started running\n"
                 "[-3599993] a runner_completed ok 7ms\n"
                 "[-3599993] @ tick_completed scheduled 7ms "
                 "failed_runner_count=0 runner_count=1 "
                 "successful_runner_count=1 trigger=manual\n");
    stage_end(&stage);
}

/* S26: an engine gives no batch id twice, wherever the wall clock goes, and
 * whether it is stopped and started again or not. */
static void test_batch_ids_never_repeat_in_one_engine(void **state)
{
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_ok);
    for (int round = 0; round < 8; round++) {
        stage_tick(&stage);
        stage_tick(&stage);
        if (round % 2)
            tj_fake_loop_step_wall(stage.loop, -1);
        if (round % 3 == 0) {
            assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
            stage_stop(&stage);
        }
    }
    assert_int_equal(stage.n_ticks, 16);
    for (int i = 0; i < stage.n_ticks; i++) {
        assert_int_equal(strncmp(stage.ticks[i].batch_id, "timed-jobs-", 11),
                         0);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(stage.ticks[i].batch_id,
                                    stage.ticks[k].batch_id);
    }
    stage_end(&stage);
}

/* The day of a line is that of its own time, also within one tick. */
static tj_run_status play_past_midnight(test_actor *actor)
{
    tj_fake_loop_advance(actor->stage->loop, 16 * 3600 * 1000);
    return TJ_RUN_OK;
}

static void test_day_turns_within_a_tick(void **state)
{
    const char *first, *second;
    test_stage stage;
    test_actor a;

    stage_begin(&stage);
    stage_add(&stage, &a, "a", play_past_midnight);
    stage_tick(&stage);
    assert_int_equal(tj_memory_sink_n_days(stage.sink), 2);
    assert_string_equal(tj_memory_sink_day_name(stage.sink, 0), "2026-04-01");
    assert_string_equal(tj_memory_sink_day_name(stage.sink, 1), "2026-04-02");
    first = tj_memory_sink_day_text(stage.sink, 0, NULL);
    assert_non_null(strstr(first, "runner_started"));
    assert_null(strstr(first, "runner_completed"));
    second = tj_memory_sink_day_text(stage.sink, 1, NULL);
    assert_non_null(strstr(second, "\"ts\":\"2026-04-02T00:00:00.000Z\""));
    assert_non_null(strstr(second, "tick_completed"));
    stage_end(&stage);
}

static tj_run_status play_blocks_once(test_actor *actor)
{
    actor->play = play_ok;
    tj_fake_loop_advance(actor->stage->loop, 4500);
    return TJ_RUN_OK;
}

/* Whole grid points that passed unseen are counted, never lost in silence. */
static void test_missed_interval_ticks_are_counted(void **state)
{
    test_stage stage;
    test_actor slow;

    stage_begin(&stage);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_add(&stage, &slow, "slow", play_ok);
    stage_advance(&stage, 1000);
    stage_forget(&stage);
    slow.play = play_blocks_once;
    stage_advance(&stage, 1000);
    stage_expect(&stage,
                 "[2000] @ tick_started running runner_count=1 "
                 "trigger=interval\n"
                 "[2000] slow runner_started running\n"
                 "[6500] slow runner_completed ok 4500ms\n"
                 "[6500] @ tick_completed scheduled 4500ms "
                 "failed_runner_count=0 runner_count=1 "
                 "successful_runner_count=1 trigger=interval\n"
                 "[6500] @ tick_started running missed_count=3 runner_count=1 "
                 "trigger=interval\n"
                 "[6500] slow runner_started running\n"
                 "[6500] slow runner_completed ok 0ms\n"
                 "[6500] @ tick_completed scheduled 0ms failed_runner_count=0 "
                 "runner_count=1 successful_runner_count=1 "
                 "trigger=interval\n");
    stage_end(&stage);
}

/* One busy skip is a line; a thousand of them need not be a thousand. */
static void test_busy_skips_can_be_coalesced(void **state)
{
    test_stage stage;
    test_actor a;

    stage_set(&stage);
    stage.options.coalesce_busy = true;
    stage_open(&stage);
    stage_add(&stage, &a, "a", NULL);
    stage_tick(&stage);
    stage_tick(&stage);
    stage_tick(&stage);
    stage_tick(&stage);
    assert_int_equal(stage.n_ticks, 3);
    assert_int_equal(stage.ticks[2].decision, TJ_DECISION_SKIPPED_BUSY);
    assert_string_equal(stage.ticks[2].batch_id, "timed-jobs-1775030400000-4");
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    stage_expect(&stage,
                 "[0] @ tick_started running runner_count=1 trigger=manual\n"
                 "[0] a runner_started running\n"
                 "[0] @ tick_skipped_busy skipped_busy trigger=manual\n"
                 "[0] a runner_completed ok 0ms\n"
                 "[0] @ tick_completed scheduled 0ms busy_skip_count=3 "
                 "failed_runner_count=0 runner_count=1 "
                 "successful_runner_count=1 trigger=manual\n");

    /* the count is the tick's own */
    stage_forget(&stage);
    stage_tick(&stage);
    stage_tick(&stage);
    assert_int_equal(tj_run_complete(a.run, NULL, NULL), 0);
    assert_non_null(strstr(stage_story(&stage), "tick_skipped_busy"));
    assert_null(strstr(stage_story(&stage), "busy_skip_count"));
    stage_end(&stage);
}

/* A tick without runners asks nobody. */
static void test_no_runners_ends_at_once(void **state)
{
    test_stage stage;

    stage_begin(&stage);
    stage_tick(&stage);
    stage_expect(&stage, "[0] @ tick_skipped_no_runners skipped_no_runners "
                         "trigger=manual\n");
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_SKIPPED_NO_RUNNERS);
    assert_int_equal(stage.n_asked, 0);
    stage_end(&stage);
}

/* Without a log everything is the same but the log. */
static void test_without_a_log_batches_are_numbered_alike(void **state)
{
    test_stage stage;
    test_actor a, b;
    tj_run_note note = TJ_RUN_NOTE_INIT;

    stage_set(&stage);
    stage.options.log = NULL;
    stage.options.gate.recheck = NULL;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage_add(&stage, &b, "b", NULL);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    stage_tick(&stage);
    stage_tick(&stage);
    note.stage = "note";
    assert_int_equal(tj_run_log(b.run, &note), 0);
    assert_int_equal(tj_run_fail(b.run, NULL, NULL), 0);
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_ticks, 2);
    assert_int_equal(stage.ticks[0].decision, TJ_DECISION_SKIPPED_BUSY);
    assert_string_equal(stage.ticks[0].batch_id, "timed-jobs-1775030400000-3");
    assert_int_equal(stage.ticks[1].decision, TJ_DECISION_SCHEDULED);
    assert_string_equal(stage.ticks[1].batch_id, "timed-jobs-1775030400000-2");
    assert_int_equal(tj_memory_sink_n_lines(stage.sink), 0);
    stage_end(&stage);
}

/* Without a log runners follow each other in one sweep: the gate is asked
 * between any two of them all the same, and once. */
static void test_without_a_log_a_lost_pass_ends_the_tick_too(void **state)
{
    static const tj_gate_verdict shut[] = { TJ_GATE_NOT_LEADER,
                                            TJ_GATE_SYSTEM_PAUSED,
                                            TJ_GATE_FAILED, TJ_GATE_PENDING };
    const int n_shut = sizeof(shut) / sizeof(shut[0]);
    test_stage stage;
    test_actor a, b, c, d;
    int at;

    stage_set(&stage);
    stage.options.log = NULL;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage_add(&stage, &b, "b", play_ok);
    stage_add(&stage, &c, "c", play_fail);
    stage_add(&stage, &d, "d", play_ok);
    assert_int_equal(tj_engine_start(stage.engine, NULL), 0);
    for (at = 0; at < n_shut; at++) {
        stage.recheck = shut[at];
        stage.n_rechecked = 0;
        stage.recheck_after = 1;
        stage_tick(&stage);
        assert_int_equal(stage.ticks[at].decision, TJ_DECISION_FAILED);
        assert_int_equal(stage.n_rechecked, 2);
        assert_int_equal(stage.n_left, at + 1);
    }
    assert_int_equal(a.n_runs, n_shut);
    assert_int_equal(b.n_runs, n_shut);
    assert_int_equal(c.n_runs, 0);

    stage.recheck = TJ_GATE_OPEN;
    stage.n_rechecked = 0;
    stage_tick(&stage);
    assert_int_equal(stage.ticks[n_shut].decision, TJ_DECISION_SCHEDULED);
    assert_int_equal(stage.n_rechecked, 3);
    assert_int_equal(c.n_runs, 1);
    assert_int_equal(d.n_runs, 1);
    stage_end(&stage);
}

/* The observer hears of everything that ends. */
typedef struct heard_ends {
    int n_runs, n_ticks;
    char runs[256], ticks[512];
} heard_ends;

static void on_run_end(const tj_run_report *report, void *userdata)
{
    heard_ends *heard = userdata;
    size_t used = strlen(heard->runs);

    heard->n_runs++;
    snprintf(heard->runs + used, sizeof(heard->runs) - used,
             "%s %d %s %s %lld;", report->runner, (int)report->status,
             report->result, report->error ? report->error : "-",
             (long long)report->duration_ms);
}

static void on_tick_end(const tj_tick_report *report, void *userdata)
{
    heard_ends *heard = userdata;
    size_t used = strlen(heard->ticks);

    heard->n_ticks++;
    snprintf(heard->ticks + used, sizeof(heard->ticks) - used,
             "%s %s %u+%u missed %u term %lld %lldms %s;",
             tj_decision_to_string(report->result->decision),
             tj_trigger_to_string(report->trigger), report->n_ok,
             report->n_failed, (unsigned)report->n_missed,
             (long long)report->term, (long long)report->duration_ms,
             report->error ? report->error : "-");
}

static tj_run_status play_takes_time(test_actor *actor)
{
    tj_fake_loop_advance(actor->stage->loop, 5);
    return TJ_RUN_OK;
}

static void test_observer_hears_every_end(void **state)
{
    heard_ends heard = { 0 };
    test_stage stage;
    test_actor a, b;

    stage_set(&stage);
    stage.options.log = NULL;
    stage.options.observer =
        (tj_engine_observer){ on_run_end, on_tick_end, &heard };
    stage_open(&stage);
    stage_tick(&stage);
    stage_add(&stage, &a, "a", play_takes_time);
    stage_add(&stage, &b, "b", play_fail);
    stage_tick(&stage);
    stage.verdict = TJ_GATE_NOT_LEADER;
    stage_tick(&stage);
    stage.verdict = TJ_GATE_FAILED;
    stage.gate_error = "no answer";
    stage_tick(&stage);
    assert_string_equal(heard.runs, "a 0 ok - 5;b 1 failed boom 0;");
    assert_string_equal(heard.ticks,
                        "skipped_no_runners manual 0+0 missed 0 term 0 0ms -;"
                        "scheduled manual 1+1 missed 0 term 7 5ms -;"
                        "skipped_not_leader manual 0+0 missed 0 term 0 0ms -;"
                        "failed manual 0+0 missed 0 term 0 0ms no answer;");
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_gate_runs_all_in_order),
        cmocka_unit_test(test_failing_runner_never_stops_the_next),
        cmocka_unit_test(test_result_text_is_not_the_outcome),
        cmocka_unit_test(test_details_never_overwrite_base_keys),
        cmocka_unit_test(test_odd_keys_and_broken_text_are_kept_as_json),
        cmocka_unit_test(test_unprintable_entry_is_replaced_and_counted),
        cmocka_unit_test(test_shut_gate_skips_every_runner),
        cmocka_unit_test(test_failing_gate_ends_only_its_tick),
        cmocka_unit_test(test_pass_out_of_range_fails_the_tick),
        cmocka_unit_test(test_gate_failing_on_leave_fails_the_tick),
        cmocka_unit_test(test_leadership_lost_in_the_middle_is_told),
        cmocka_unit_test(test_durations_survive_a_step_of_the_wall_clock),
        cmocka_unit_test(test_batch_ids_never_repeat_in_one_engine),
        cmocka_unit_test(test_day_turns_within_a_tick),
        cmocka_unit_test(test_missed_interval_ticks_are_counted),
        cmocka_unit_test(test_busy_skips_can_be_coalesced),
        cmocka_unit_test(test_no_runners_ends_at_once),
        cmocka_unit_test(test_without_a_log_batches_are_numbered_alike),
        cmocka_unit_test(test_without_a_log_a_lost_pass_ends_the_tick_too),
        cmocka_unit_test(test_observer_hears_every_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
