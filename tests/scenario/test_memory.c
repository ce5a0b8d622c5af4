/* Memory that runs out, at every single allocation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage.h"
#include "support/heap.h"

/* A log that needs no memory: it remembers the last bytes. */
typedef struct tape_sink {
    tj_log_sink sink;
    uint64_t n_lines;
    char last[4096];
} tape_sink;

static void tape_append(tj_log_sink *sink,
                        int64_t wall_ms,
                        const char *lines,
                        size_t size,
                        size_t n_lines)
{
    tape_sink *tape = (tape_sink *)(void *)sink;
    size_t kept = size < sizeof(tape->last) ? size : sizeof(tape->last) - 1;

    tape->n_lines += n_lines;
    memcpy(tape->last, lines + size - kept, kept);
    tape->last[kept] = '\0';
    assert_int_equal(lines[size - 1], '\n');
}

static void tape_flush(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata)
{
    cb(userdata);
}

static const tj_log_sink_ops tape_ops = { sizeof(tape_ops), tape_append,
                                          tape_flush };

/* Runners that want memory of the engine's in every way they can. */
static tj_json *details;

static tj_run_status play_details(test_actor *actor)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;

    note.stage = "note";
    note.details = details;
    assert_int_equal(tj_run_log(actor->run, &note), 0);
    assert_int_equal(tj_run_complete(actor->run, "done", details), 0);
    return TJ_RUN_PENDING;
}

static tj_json *big_details(void)
{
    tj_json *object = tj_json_new_object();
    char *text = malloc(200001);

    assert_non_null(object);
    assert_non_null(text);
    memset(text, 'x', 200000);
    text[200000] = '\0';
    assert_int_equal(tj_json_set_string(object, "big", text), 0);
    free(text);
    return object;
}

static tj_gate_verdict
ask(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    *ret_pass = (tj_gate_pass){ "controller-a", "host-a", 7 };
    return TJ_GATE_OPEN;
}

/* S06 and the promise of tj_engine_new: once an engine is there, ticks and
 * their ends need no memory. What is lost is the details, and that is said. */
static void test_ticks_go_on_without_memory(void **state)
{
    tape_sink tape = { .sink = { &tape_ops } };
    uint64_t n_lines, n_short;
    tj_tick_result result;
    test_stage stage;
    test_actor a, b;
    int tick;

    heap_install();
    stage_set(&stage);
    stage.options.log = &tape.sink;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_details);
    stage_add(&stage, &b, "b", play_ok);
    details = big_details();

    heap_fail_after(0);
    for (tick = 0; tick < 3; tick++) {
        stage.verdict = TJ_GATE_OPEN;
        assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
        assert_int_equal(result.decision, TJ_DECISION_SCHEDULED);
        assert_non_null(strstr(tape.last, "\"tick_completed\""));
        stage.verdict = TJ_GATE_FAILED;
        stage.gate_error = "no answer";
        assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
        assert_int_equal(result.decision, TJ_DECISION_FAILED);
        assert_non_null(strstr(tape.last, "\"no answer\""));
    }
    assert_true(heap_failed());
    tj_engine_get_log_counts(stage.engine, &n_lines, &n_short);
    assert_int_equal(n_lines, 3 * (7 + 2));
    assert_int_equal(n_short, 3 * 2);
    assert_int_equal(tape.n_lines, n_lines);

    /* a tick that wants to be told needs memory, and says so at once */
    assert_int_equal(tj_engine_tick(stage.engine, stage_on_tick, &stage),
                     TJ_ENOMEM);
    assert_int_equal(tj_engine_stop(stage.engine, stage_on_stop, &stage),
                     TJ_ENOMEM);
    /* one that does not, does not */
    stage.verdict = TJ_GATE_OPEN;
    assert_int_equal(tj_engine_tick(stage.engine, NULL, NULL), 0);
    assert_int_equal(a.n_runs, 4);
    assert_int_equal(tj_engine_stop(stage.engine, NULL, NULL), 0);
    tj_fake_loop_run(stage.loop);
    heap_fail_never();

    /* with memory again the details are back */
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
    tj_engine_get_log_counts(stage.engine, &n_lines, &n_short);
    assert_int_equal(n_short, 4 * 2);
    tj_json_free(details);
    heap_fail_after(0);
    tj_engine_close(stage.engine, stage_on_stop, &stage); /* needs none */
    tj_fake_loop_run(stage.loop);
    assert_int_equal(stage.n_stops, 1);
    heap_fail_never();
    tj_memory_sink_free(stage.sink);
    tj_fake_loop_free(stage.loop);
    heap_remove();
}

/* A failure text of any length: its beginning, where memory is short. */
static void test_long_gate_error_is_cut_without_memory(void **state)
{
    static char text[3000];
    tape_sink tape = { .sink = { &tape_ops } };
    tj_tick_result result;
    test_stage stage;
    test_actor a;

    memset(text, 'e', sizeof(text) - 1);
    heap_install();
    stage_set(&stage);
    stage.options.log = &tape.sink;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage.verdict = TJ_GATE_FAILED;
    stage.gate_error = text;
    heap_fail_after(0);
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
    heap_fail_never();
    assert_non_null(strstr(tape.last, "\"error\":\"eeeeeeee"));
    assert_null(strstr(tape.last, "log_loss"));
    stage_end(&stage);
    heap_remove();
}

/* A pending run whose deadline cannot be set is ended, not left alone. */
static void test_run_without_its_deadline_is_ended(void **state)
{
    tj_tick_result result;
    test_stage stage;
    test_actor a, b;

    heap_install();
    stage_begin(&stage);
    stage_add_timed(&stage, &a, "a", NULL, 1000);
    stage_add(&stage, &b, "b", play_ok);
    heap_fail_after(0);
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
    heap_fail_never();
    assert_int_equal(a.n_cancels, 1);
    assert_int_equal(a.cancel_reason, TJ_CANCEL_TIMEOUT);
    assert_int_equal(b.n_runs, 1);
    stage_end(&stage);
    heap_remove();
}

static void test_gate_without_its_deadline_fails(void **state)
{
    tj_tick_result result;
    test_stage stage;
    test_actor a;

    heap_install();
    stage_set(&stage);
    stage.options.gate_timeout_ms = 1000;
    stage_open(&stage);
    stage_add(&stage, &a, "a", play_ok);
    stage.verdict = TJ_GATE_PENDING;
    heap_fail_after(0);
    assert_int_equal(tj_engine_tick_now(stage.engine, &result), 0);
    heap_fail_never();
    assert_int_equal(result.decision, TJ_DECISION_FAILED);
    assert_int_equal(tj_gate_fail(stage.request, "late"), TJ_EALREADY);
    stage_end(&stage);
    heap_remove();
}

/* A stop that was given a bound does not wait for ever. */
static void test_drain_without_its_deadline_cancels_at_once(void **state)
{
    test_stage stage;
    test_actor a, b;

    heap_install();
    stage_set(&stage);
    stage.options.drain_timeout_ms = 1000;
    stage_open(&stage);
    stage_add(&stage, &a, "a", NULL);
    stage_add(&stage, &b, "b", play_ok);
    stage_tick(&stage);
    heap_fail_after(0);
    assert_int_equal(tj_engine_stop(stage.engine, NULL, NULL), 0);
    assert_int_equal(a.n_cancels, 0); /* not inline */
    tj_fake_loop_run(stage.loop);
    heap_fail_never();
    assert_int_equal(a.n_cancels, 1);
    assert_int_equal(b.n_runs, 0);
    assert_false(tj_engine_is_busy(stage.engine));
    stage_end(&stage);
    heap_remove();
}

static int n_told;

static void count_tick(const tj_tick_result *result, void *userdata)
{
    n_told++;
}

static void count_stop(void *userdata)
{
    n_told++;
}

static tj_run_status
run_with_note(tj_run run, const tj_tick_context *context, void *userdata)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;

    note.stage = "note";
    note.result = context->host;
    assert_int_equal(tj_run_log(run, &note), 0);
    return TJ_RUN_OK;
}

/* A whole life, each of its allocations failing in turn, once and for ever. */
static int life(tape_sink *tape)
{
    tj_fake_loop *loop = NULL;
    tj_engine *engine = NULL;
    tj_engine_options options;
    tj_runner runner = TJ_RUNNER_INIT;
    tj_error error;
    int rc = tj_fake_loop_new(STAGE_WALL_MS, &loop);
    int index;

    if (rc)
        return rc;
    tj_engine_options_init(&options);
    options.loop = tj_fake_loop_get(loop);
    options.clock = tj_fake_loop_clock(loop);
    options.log = &tape->sink;
    options.log_dir = "log";
    options.gate.ask = ask;
    rc = tj_engine_new(&options, &engine, &error);
    if (rc) {
        tj_fake_loop_free(loop);
        return rc;
    }
    runner.run = run_with_note;
    runner.description = "tries";
    for (index = 0; index < 20 && !rc; index++) {
        char name[8];

        snprintf(name, sizeof(name), "r%d", index);
        runner.name = name;
        rc = tj_engine_add_runner(engine, &runner, &error);
    }
    if (!rc)
        rc = tj_engine_start(engine, &error);
    tj_fake_loop_advance(loop, 25000);
    if (!rc)
        rc = tj_engine_tick(engine, count_tick, NULL);
    if (!rc)
        rc = tj_engine_stop(engine, count_stop, NULL);
    tj_engine_close(engine, count_stop, NULL);
    tj_fake_loop_run(loop);
    tj_fake_loop_free(loop);
    return rc;
}

static void sweep(void (*fail_after)(long successes))
{
    tape_sink tape = { .sink = { &tape_ops } };
    long successes;

    heap_install();
    for (successes = 0; successes < 1000; successes++) {
        int rc;

        fail_after(successes);
        n_told = 0;
        rc = life(&tape);
        assert_int_equal(heap_live(), 0);
        if (!heap_failed()) {
            assert_int_equal(rc, 0);
            assert_int_equal(n_told, 3);
            break;
        }
        assert_int_equal(rc, TJ_ENOMEM);
    }
    assert_in_range(successes, 4, 999);
    heap_fail_never();
    heap_remove();
}

static void test_every_allocation_may_fail_for_ever(void **state)
{
    sweep(heap_fail_after);
}

static void test_every_allocation_may_fail_once(void **state)
{
    sweep(heap_fail_once_after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks_go_on_without_memory),
        cmocka_unit_test(test_long_gate_error_is_cut_without_memory),
        cmocka_unit_test(test_run_without_its_deadline_is_ended),
        cmocka_unit_test(test_gate_without_its_deadline_fails),
        cmocka_unit_test(test_drain_without_its_deadline_cancels_at_once),
        cmocka_unit_test(test_every_allocation_may_fail_for_ever),
        cmocka_unit_test(test_every_allocation_may_fail_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
