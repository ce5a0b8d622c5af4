/* See stage.h. */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the gate ------------------------------------------------------------ */

static tj_gate_verdict
ask(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    test_stage *stage = userdata;
    tj_gate_verdict verdict = stage->verdict;

    stage->n_asked++;
    stage->request = request;
    ret_pass->controller_id = "controller-a";
    ret_pass->host = "host-a";
    ret_pass->term = 7;
    if (stage->on_ask)
        stage->on_ask(stage);
    if (verdict == TJ_GATE_FAILED && stage->gate_error)
        assert_int_equal(tj_gate_fail(request, stage->gate_error), 0);
    return verdict;
}

static tj_gate_verdict recheck(const tj_gate_pass *pass, void *userdata)
{
    test_stage *stage = userdata;

    assert_int_equal(pass->term, 7);
    return stage->n_rechecked++ < stage->recheck_after ? TJ_GATE_OPEN
                                                       : stage->recheck;
}

static tj_gate_verdict
gate_leave(tj_gate_request request, const tj_gate_pass *pass, void *userdata)
{
    test_stage *stage = userdata;

    assert_string_equal(pass->controller_id, "controller-a");
    stage->n_left++;
    if (stage->leave == TJ_GATE_FAILED && stage->gate_error)
        assert_int_equal(tj_gate_fail(request, stage->gate_error), 0);
    return stage->leave;
}

/* ---- the stage ------------------------------------------------------------
 */

void stage_set(test_stage *stage)
{
    memset(stage, 0, sizeof(*stage));
    assert_int_equal(tj_fake_loop_new(STAGE_WALL_MS, &stage->loop), 0);
    assert_int_equal(tj_memory_sink_new(&stage->sink), 0);
    stage->verdict = TJ_GATE_OPEN;
    stage->recheck = TJ_GATE_OPEN;
    stage->leave = TJ_GATE_OPEN;

    tj_engine_options_init(&stage->options);
    stage->options.config = (tj_tick_config){ .interval_ms = 1000,
                                              .max_messages_per_tick = 20,
                                              .max_tasks_per_tick = 5,
                                              .settle_delay_ms = 250 };
    stage->options.loop = tj_fake_loop_get(stage->loop);
    stage->options.clock = tj_fake_loop_clock(stage->loop);
    stage->options.log = tj_memory_sink_get(stage->sink);
    stage->options.log_dir = "log";
    stage->options.gate.ask = ask;
    stage->options.gate.recheck = recheck;
    stage->options.gate.leave = gate_leave;
    stage->options.gate.userdata = stage;
}

void stage_open(test_stage *stage)
{
    tj_error error = TJ_ERROR_INIT;

    if (tj_engine_new(&stage->options, &stage->engine, &error))
        fail_msg("%s", error.message);
}

void stage_begin(test_stage *stage)
{
    stage_set(stage);
    stage_open(stage);
}

static void on_close(void *userdata)
{
    test_stage *stage = userdata;

    assert_false(stage->closed);
    stage->closed = true;
}

void stage_end(test_stage *stage)
{
    tj_engine_close(stage->engine, on_close, stage);
    assert_false(stage->closed);
    tj_fake_loop_run(stage->loop);
    assert_true(stage->closed);
    tj_memory_sink_free(stage->sink);
    tj_fake_loop_free(stage->loop);
    free(stage->story);
}

/* ---- actors -----------------------------------------------------------------
 */

static tj_run_status
actor_run(tj_run run, const tj_tick_context *context, void *userdata)
{
    test_actor *actor = userdata;

    assert_string_equal(context->runner, actor->name);
    assert_ptr_equal(tj_run_context(run), context);
    actor->run = run;
    actor->n_runs++;
    return actor->play ? actor->play(actor) : TJ_RUN_PENDING;
}

static void actor_cancel(tj_run run, tj_cancel_reason reason, void *userdata)
{
    test_actor *actor = userdata;

    assert_int_equal(run.id, actor->run.id);
    assert_int_equal(tj_run_complete(run, NULL, NULL), TJ_EALREADY);
    actor->n_cancels++;
    actor->cancel_reason = reason;
    if (actor->on_cancel)
        actor->on_cancel(actor);
}

void stage_add_timed(test_stage *stage,
                     test_actor *actor,
                     const char *name,
                     tj_run_status (*play)(struct test_actor *actor),
                     int64_t timeout_ms)
{
    tj_runner runner = TJ_RUNNER_INIT;

    memset(actor, 0, sizeof(*actor));
    actor->stage = stage;
    actor->name = name;
    actor->play = play;
    runner.name = name;
    runner.run = actor_run;
    runner.cancel = actor_cancel;
    runner.timeout_ms = timeout_ms;
    runner.userdata = actor;
    assert_int_equal(tj_engine_add_runner(stage->engine, &runner, NULL), 0);
}

void stage_add(test_stage *stage,
               test_actor *actor,
               const char *name,
               tj_run_status (*play)(struct test_actor *actor))
{
    stage_add_timed(stage, actor, name, play, 0);
}

tj_run_status play_ok(test_actor *actor)
{
    (void)actor;
    return TJ_RUN_OK;
}

tj_run_status play_fail(test_actor *actor)
{
    assert_int_equal(tj_run_fail(actor->run, "boom", NULL), 0);
    return TJ_RUN_PENDING;
}

/* ---- what happens
 * ------------------------------------------------------------ */

void stage_on_tick(const tj_tick_result *result, void *userdata)
{
    test_stage *stage = userdata;

    assert_true(stage->n_ticks < STAGE_TICKS);
    stage->ticks[stage->n_ticks++] = *result;
}

void stage_on_stop(void *userdata)
{
    test_stage *stage = userdata;

    stage->n_stops++;
}

void stage_tick(test_stage *stage)
{
    int before = stage->n_ticks;

    assert_int_equal(tj_engine_tick(stage->engine, stage_on_tick, stage), 0);
    assert_int_equal(stage->n_ticks, before); /* never inline */
    tj_fake_loop_run(stage->loop);
}

void stage_stop(test_stage *stage)
{
    int before = stage->n_stops;

    assert_int_equal(tj_engine_stop(stage->engine, stage_on_stop, stage), 0);
    assert_int_equal(stage->n_stops, before);
    tj_fake_loop_run(stage->loop);
}

void stage_advance(test_stage *stage, int64_t ms)
{
    tj_fake_loop_advance(stage->loop, ms);
}

int64_t stage_now(const test_stage *stage)
{
    tj_clock clock = tj_fake_loop_clock(stage->loop);

    return clock.now(clock.userdata).mono_ns / 1000000;
}

/* ---- the narrative
 * ------------------------------------------------------------- */

/* "2026-04-01T08:00:00.250Z" as milliseconds since the beginning. */
static long long since_start(const char *ts)
{
    int day, hour, minute, second, ms;

    assert_int_equal(sscanf(ts,
                            "2026-04-%d"
                            "T%d:%d:%d.%dZ",
                            &day, &hour, &minute, &second, &ms),
                     5);
    return ((((day - 1) * 24LL + hour - 8) * 60 + minute) * 60 + second) *
               1000 +
           ms;
}

static void tell_member(FILE *out, const char *key, const tj_json *value)
{
    char *text;

    assert_int_equal(tj_json_print(value, &text, NULL), 0);
    if (tj_json_type_of(value) == TJ_JSON_STRING) {
        /* without the quotes */
        text[strlen(text) - 1] = '\0';
        fprintf(out, " %s=%s", key, text + 1);
    } else {
        fprintf(out, " %s=%s", key, text);
    }
    free(text);
}

static void tell_line(const test_stage *stage, FILE *out, const char *text)
{
    enum { BASE_KEYS = 7 };

    tj_json *line;
    const char *runner, *what, *error;
    double duration_ms;
    size_t index;

    assert_int_equal(tj_json_parse(text, strlen(text), &line, NULL), 0);
    assert_string_equal(tj_json_key_at(line, 0), "batch_id");
    assert_string_equal(tj_json_key_at(line, BASE_KEYS - 1), "ts");
    runner = tj_json_string_or(tj_json_get(line, "runner"), "?");
    what = tj_json_string_or(tj_json_get(line, "stage"), "?");
    fprintf(out, "[%lld] %s %s %s",
            since_start(tj_json_string_or(tj_json_get(line, "ts"), "")),
            strcmp(runner, "timed-jobs.framework") ? runner : "@", what,
            tj_json_string_or(tj_json_get(line, "result"), "-"));
    duration_ms = tj_json_number_or(tj_json_get(line, "duration_ms"), -1);
    if (duration_ms >= 0)
        fprintf(out, " %gms", duration_ms);
    error = tj_json_string_or(tj_json_get(line, "error"), NULL);
    if (error)
        fprintf(out, " \"%s\"", error);
    if (stage->verbose || strcmp(what, "runner_started") != 0) {
        for (index = BASE_KEYS; index < tj_json_size(line); index++)
            tell_member(out, tj_json_key_at(line, index),
                        tj_json_at(line, index));
    }
    fputc('\n', out);
    tj_json_free(line);
}

const char *stage_story(test_stage *stage)
{
    size_t size, day;
    int number = 0;
    FILE *out;

    free(stage->story);
    out = open_memstream(&stage->story, &size);
    assert_non_null(out);
    for (day = 0; day < tj_memory_sink_n_days(stage->sink); day++) {
        char *text = strdup(tj_memory_sink_day_text(stage->sink, day, NULL));
        char *line, *rest;

        assert_non_null(text);
        for (line = strtok_r(text, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
            if (number++ >= stage->n_forgotten)
                tell_line(stage, out, line);
        }
        free(text);
    }
    fclose(out);
    return stage->story;
}

void stage_expect(test_stage *stage, const char *story)
{
    assert_string_equal(stage_story(stage), story);
}

void stage_forget(test_stage *stage)
{
    stage->n_forgotten = (int)tj_memory_sink_n_lines(stage->sink);
}
