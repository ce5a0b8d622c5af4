/* A tick, from its beginning to its end: does what tick_step.h says.
 *
 * Gates and runners that answer at once are driven by one loop (drive), never
 * by recursion; those that take their time drive on from wherever they answer.
 * An answer given from inside the very call that asked for it is kept until
 * that call returns. */
#include <stdio.h>
#include <string.h>

#include "engine/engine_priv.h"

#define CANCELLED_TEXT "cancelled: the stop's drain deadline passed"

/* ---- the reason of a failure -------------------------------------------- */

void tj__tick_set_error(tj_engine *engine, const char *text)
{
    tj_buf *error = &engine->error;
    size_t size;

    tj__buf_clear(error);
    if (!text)
        return;
    tj__buf_append_text(error, text);
    if (!error->failed)
        return;
    /* What is reserved has to do. */
    tj__buf_clear(error);
    size = error->capacity - 1;
    while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    tj__buf_append(error, text, size);
}

static const char *error_or(const tj_engine *engine, const char *fallback)
{
    return engine->error.size ? engine->error.data : fallback;
}

/* ---- deadlines of what is in flight ------------------------------------- */

void tj__deadline_stop(tj_engine *engine)
{
    if (!engine->deadline)
        return;
    engine->loop->ops->timer_stop(engine->loop, engine->deadline);
    engine->deadline = NULL;
}

/* Call `cancel` of a run that has been logged as failed. */
static void run_cancel(tj_engine *engine, uint64_t id, tj_cancel_reason reason)
{
    const tj_registered *runner = engine->current;
    bool driving = engine->driving;

    if (!runner->cancel)
        return;
    engine->driving = true;
    runner->cancel((tj_run){ engine, id }, reason, runner->userdata);
    engine->driving = driving;
}

/* End the run in flight as failed, over its own head. */
static tj_tick_event
run_break_off(tj_engine *engine, tj_cancel_reason reason, const char *text)
{
    uint64_t id = engine->live_id;

    tj__run_over(engine, TJ_RUN_FAILED, text, NULL);
    run_cancel(engine, id, reason);
    return TJ_TICK_RAN_FAILED;
}

static tj_tick_event run_time_out(tj_engine *engine)
{
    char text[64];

    snprintf(text, sizeof(text), "timed out after %lld ms",
             (long long)engine->current->timeout_ms);
    return run_break_off(engine, TJ_CANCEL_TIMEOUT, text);
}

static tj_tick_event gate_time_out(tj_engine *engine)
{
    char text[64];

    snprintf(text, sizeof(text), "the gate did not answer within %lld ms",
             (long long)engine->gate_timeout_ms);
    tj__tick_set_error(engine, text);
    engine->live_id = 0;
    if (engine->watched)
        tj__engine_read_clock(engine);
    return TJ_TICK_FAILED;
}

static void on_deadline(void *userdata, uint64_t expirations)
{
    tj_engine *engine = userdata;

    tj__engine_enter(engine);
    tj__deadline_stop(engine);
    tj__tick_continue(engine, engine->tick.state == TJ_TICK_ASKING
                                  ? gate_time_out(engine)
                                  : run_time_out(engine));
    tj__engine_leave(engine);
}

static bool deadline_start(tj_engine *engine, int64_t timeout_ms)
{
    return timeout_ms == 0 ||
           engine->loop->ops->timer_start(
               engine->loop, (uint64_t)timeout_ms * 1000000, 0, on_deadline,
               engine, &engine->deadline) == 0;
}

/* ---- asking, rechecking, leaving the gate -------------------------------- */

static bool text_fits(const char *text)
{
    return text && strnlen(text, TJ_GATE_TEXT_MAX + 1) <= TJ_GATE_TEXT_MAX;
}

static const char *pass_problem(const tj_gate_pass *pass)
{
    if (!text_fits(pass->controller_id))
        return "the gate's pass: controller_id is missing or too long";
    if (!text_fits(pass->host))
        return "the gate's pass: host is missing or too long";
    if (pass->term < 0 || pass->term > INT64_C(9007199254740991))
        return "the gate's pass: term is not 0 to 2^53-1";
    return NULL;
}

/* Most passes are the one before: then nothing is checked and printed again. */
static bool pass_is_known(const tj_engine *engine, const tj_gate_pass *pass)
{
    return engine->pass.host && pass->term == engine->pass.term &&
           pass->controller_id && pass->host &&
           !strcmp(pass->controller_id, engine->controller_id) &&
           !strcmp(pass->host, engine->host);
}

static void pass_copy(tj_engine *engine, const tj_gate_pass *pass)
{
    memcpy(engine->controller_id, pass->controller_id,
           strlen(pass->controller_id) + 1);
    memcpy(engine->host, pass->host, strlen(pass->host) + 1);
    engine->pass.controller_id = engine->controller_id;
    engine->pass.host = engine->host;
    engine->pass.term = pass->term;
    tj__tick_log_set_pass(&engine->log, &engine->pass, &engine->context.config);
    engine->context.controller_id = engine->controller_id;
    engine->context.host = engine->host;
    engine->context.term = pass->term;
}

tj_tick_event tj__tick_verdict(tj_engine *engine,
                               tj_gate_verdict verdict,
                               const tj_gate_pass *pass)
{
    const char *problem = NULL;

    switch (verdict) {
    case TJ_GATE_OPEN:
        if (pass_is_known(engine, pass))
            return TJ_TICK_OPEN;
        problem = pass_problem(pass);
        if (problem)
            break;
        pass_copy(engine, pass);
        return TJ_TICK_OPEN;
    case TJ_GATE_NOT_LEADER:
        return TJ_TICK_NOT_LEADER;
    case TJ_GATE_SYSTEM_PAUSED:
        return TJ_TICK_PAUSED;
    case TJ_GATE_FAILED:
        return TJ_TICK_FAILED;
    case TJ_GATE_PENDING:
    default:
        problem = "the gate gave no verdict that there is";
        break;
    }
    tj__tick_set_error(engine, problem);
    return TJ_TICK_FAILED;
}

/* The gate takes its time. */
static tj_tick_action ask_wait(tj_engine *engine)
{
    if (engine->cancelling) {
        engine->live_id = 0;
        return tj__tick_step(&engine->tick, TJ_TICK_CANCEL);
    }
    if (deadline_start(engine, engine->gate_timeout_ms))
        return TJ_TICK_WAIT;
    engine->live_id = 0;
    tj__tick_set_error(engine, "the gate's deadline could not be set");
    return tj__tick_step(&engine->tick, TJ_TICK_FAILED);
}

static tj_tick_action do_ask(tj_engine *engine)
{
    tj_gate_request request = { engine, ++engine->last_id };
    tj_gate_pass pass = { 0 };
    tj_gate_verdict verdict;
    tj_tick_event event;

    engine->live_id = request.id;
    tj__buf_clear(&engine->error);
    verdict = engine->gate.ask(request, &pass, engine->gate.userdata);
    if (engine->live_id != request.id) {
        event = engine->event;
    } else {
        if (verdict == TJ_GATE_PENDING)
            return ask_wait(engine);
        engine->live_id = 0;
        event = tj__tick_verdict(engine, verdict, &pass);
    }
    if (engine->watched)
        tj__engine_read_clock(engine);
    return tj__tick_step(&engine->tick, event);
}

/* What the gate says to a tick that is under way. */
static tj_tick_event gate_recheck(const tj_engine *engine)
{
    switch (engine->gate.recheck(&engine->pass, engine->gate.userdata)) {
    case TJ_GATE_OPEN:
        return TJ_TICK_OPEN;
    case TJ_GATE_NOT_LEADER:
        return TJ_TICK_NOT_LEADER;
    case TJ_GATE_SYSTEM_PAUSED:
        return TJ_TICK_PAUSED;
    case TJ_GATE_FAILED:
    case TJ_GATE_PENDING:
    default:
        return TJ_TICK_FAILED;
    }
}

static tj_tick_action do_check(tj_engine *engine)
{
    tj_tick_event event = TJ_TICK_OPEN;

    if (engine->cancelling)
        event = TJ_TICK_CANCEL;
    else if (engine->gate.recheck)
        event = gate_recheck(engine);
    return tj__tick_step(&engine->tick, event);
}

static tj_tick_action do_leave(tj_engine *engine)
{
    tj_gate_request request = { engine, 0 };
    bool open;

    if (!engine->gate.leave)
        return tj__tick_step(&engine->tick, TJ_TICK_OPEN);
    request.id = ++engine->last_id;
    engine->live_id = request.id;
    open = engine->gate.leave(request, &engine->pass, engine->gate.userdata) ==
           TJ_GATE_OPEN;
    if (engine->live_id != request.id)
        open = false;
    engine->live_id = 0;
    if (engine->watched)
        tj__engine_read_clock(engine);
    return tj__tick_step(&engine->tick, open ? TJ_TICK_OPEN : TJ_TICK_FAILED);
}

/* ---- runs -----------------------------------------------------------------
 */

/* The observer is not told of what it asks for itself: it may ask each time
 * it is told. */
static void observe_run(tj_engine *engine, const tj_run_report *report)
{
    if (!engine->observer.on_run_end || engine->observing)
        return;
    engine->observing = true;
    engine->observer.on_run_end(report, engine->observer.userdata);
    engine->observing = false;
}

static void observe_tick(tj_engine *engine, const tj_tick_report *report)
{
    if (!engine->observer.on_tick_end || engine->observing)
        return;
    engine->observing = true;
    engine->observer.on_tick_end(report, engine->observer.userdata);
    engine->observing = false;
}

static void run_told(tj_engine *engine,
                     tj_run_status status,
                     const char *text,
                     const tj_json *details)
{
    const tj_registered *runner = engine->current;
    bool ok = status == TJ_RUN_OK;
    tj_run_report report;

    tj__engine_read_clock(engine);
    report = (tj_run_report){
        .batch_id = engine->batch.text,
        .runner = runner->name,
        .status = status,
        .result = !ok    ? "failed"
                  : text ? text
                         : "ok",
        .error = ok ? NULL : text,
        .duration_ms = (engine->now.mono_ns - engine->run_start_ns) / 1000000,
    };
    if (ok)
        tj__tick_log_run_completed(&engine->log, runner->log_name,
                                   report.duration_ms, text, details);
    else
        tj__tick_log_run_failed(&engine->log, runner->log_name,
                                report.duration_ms, text, details);
    observe_run(engine, &report);
}

void tj__run_over(tj_engine *engine,
                  tj_run_status status,
                  const char *text,
                  const tj_json *details)
{
    engine->live_id = 0;
    tj__deadline_stop(engine);
    if (engine->watched)
        run_told(engine, status, text, details);
}

/* The run is pending. */
static tj_tick_action run_wait(tj_engine *engine)
{
    tj_tick_event event;

    if (engine->cancelling)
        event = run_break_off(engine, TJ_CANCEL_STOP, CANCELLED_TEXT);
    else if (deadline_start(engine, engine->current->timeout_ms))
        return TJ_TICK_WAIT;
    else
        event = run_break_off(engine, TJ_CANCEL_TIMEOUT,
                              "its deadline could not be set");
    return tj__tick_step(&engine->tick, event);
}

/* The runner's function has returned with the run still its own. */
static tj_tick_action run_returned(tj_engine *engine, tj_run_status status)
{
    switch (status) {
    case TJ_RUN_PENDING:
        return run_wait(engine);
    case TJ_RUN_OK:
        tj__run_over(engine, TJ_RUN_OK, NULL, NULL);
        return tj__tick_step(&engine->tick, TJ_TICK_RAN_OK);
    case TJ_RUN_FAILED:
        tj__run_over(engine, TJ_RUN_FAILED, NULL, NULL);
        break;
    default:
        tj__run_over(engine, TJ_RUN_FAILED,
                     "the runner returned no status that there is", NULL);
        break;
    }
    return tj__tick_step(&engine->tick, TJ_TICK_RAN_FAILED);
}

/* What a runner's function has left behind: a status, or an end through its
 * handle, after which it may have done more. */
static tj_tick_action
run_settle(tj_engine *engine, uint64_t id, tj_run_status status)
{
    if (engine->live_id == id)
        return run_returned(engine, status);
    if (engine->watched)
        tj__engine_read_clock(engine);
    return tj__tick_step(&engine->tick, engine->event);
}

static tj_tick_action do_run(tj_engine *engine)
{
    const tj_registered *runner = engine->registry.entries[engine->tick.n_ran];
    tj_run run = { engine, ++engine->last_id };

    engine->current = runner;
    engine->live_id = run.id;
    engine->context.runner = runner->name;
    engine->context.timeout_ms = runner->timeout_ms;
    engine->run_start_ns = engine->now.mono_ns;
    tj__tick_log_run_started(&engine->log, runner->log_name, engine->trigger);
    return run_settle(engine, run.id,
                      runner->run(run, &engine->context, runner->userdata));
}

/* The same for an engine that nobody watches: as many runners as end well at
 * once and as the gate lets through, with the least between them. */
static tj_tick_action do_run_unwatched(tj_engine *engine)
{
    tj_tick *tick = &engine->tick;
    tj_tick_event gate = TJ_TICK_OPEN;
    const tj_registered *runner;
    uint64_t id = engine->last_id;
    uint32_t at = tick->n_ran;
    tj_run_status status;

    for (;;) {
        runner = engine->registry.entries[at];
        engine->live_id = ++id;
        engine->context.runner = runner->name;
        engine->context.timeout_ms = runner->timeout_ms;
        status = runner->run((tj_run){ engine, id }, &engine->context,
                             runner->userdata);
        if (status != TJ_RUN_OK || engine->live_id != id ||
            at + 1 == tick->n_runners || engine->cancelling)
            break;
        if (engine->gate.recheck) {
            engine->live_id = 0; /* the run is over */
            gate = gate_recheck(engine);
            if (gate != TJ_TICK_OPEN)
                break;
        }
        at++;
    }
    engine->current = runner;
    engine->last_id = id;
    tj__tick_skip_ahead(tick, at - tick->n_ran);
    if (gate == TJ_TICK_OPEN)
        return run_settle(engine, id, status);
    (void)tj__tick_step(tick, TJ_TICK_RAN_OK); /* to check, as was done */
    return tj__tick_step(tick, gate);
}

/* ---- the end ---------------------------------------------------------------
 */

/* What the log says of the runners that a tick did not get to; NULL where it
 * does not mention them. */
static const char *skip_result(tj_tick_end end)
{
    switch (end) {
    case TJ_TICK_END_NOT_LEADER:
    case TJ_TICK_END_LOST_LEADER:
        return tj_decision_to_string(TJ_DECISION_SKIPPED_NOT_LEADER);
    case TJ_TICK_END_PAUSED:
    case TJ_TICK_END_LOST_PAUSED:
        return tj_decision_to_string(TJ_DECISION_SKIPPED_SYSTEM_PAUSED);
    case TJ_TICK_END_LOST_FAILED:
        return tj_decision_to_string(TJ_DECISION_FAILED);
    case TJ_TICK_END_CANCELLED:
        return "cancelled";
    case TJ_TICK_END_RAN:
    case TJ_TICK_END_EMPTY:
    case TJ_TICK_END_GATE_FAILED:
    default:
        return NULL;
    }
}

/* Why the tick failed, NULL when it did not. Borrowed until the next tick. */
static const char *end_error(tj_engine *engine)
{
    const tj_tick *tick = &engine->tick;
    const char *what;
    char text[96];

    switch (tick->end) {
    case TJ_TICK_END_GATE_FAILED:
        return error_or(engine, "the gate failed");
    case TJ_TICK_END_CANCELLED:
        return CANCELLED_TEXT;
    case TJ_TICK_END_LOST_LEADER:
        what = "leadership was lost";
        break;
    case TJ_TICK_END_LOST_PAUSED:
        what = "paused";
        break;
    case TJ_TICK_END_LOST_FAILED:
        what = "the gate failed";
        break;
    case TJ_TICK_END_RAN:
    case TJ_TICK_END_EMPTY:
    case TJ_TICK_END_NOT_LEADER:
    case TJ_TICK_END_PAUSED:
    default:
        return NULL;
    }
    snprintf(text, sizeof(text), "%s after %u of %u runners", what, tick->n_ran,
             tick->n_runners);
    tj__tick_set_error(engine, text);
    return error_or(engine, what);
}

void tj__tick_result(const tj_engine *engine, tj_tick_result *ret_result)
{
    ret_result->decision = tj__tick_decision(engine->tick.end);
    ret_result->runner_count = engine->tick.n_runners;
    memcpy(ret_result->batch_id, engine->batch.text, engine->batch.size + 1);
}

static void log_end(tj_engine *engine, const tj_tick_log_end *end)
{
    const char *skipped = skip_result(engine->tick.end);
    uint32_t index;

    if (engine->tick.end == TJ_TICK_END_EMPTY) {
        tj__tick_log_skipped(&engine->log, &engine->batch,
                             TJ_DECISION_SKIPPED_NO_RUNNERS, engine->trigger,
                             engine->n_missed);
        return;
    }
    for (index = engine->tick.n_ran; skipped && index < engine->tick.n_runners;
         index++)
        tj__tick_log_run_skipped(&engine->log,
                                 engine->registry.entries[index]->log_name,
                                 skipped, engine->trigger);
    tj__tick_log_ended(&engine->log, &engine->tick, end);
}

static void end_told(tj_engine *engine)
{
    const tj_tick *tick = &engine->tick;
    tj_tick_result result;
    tj_tick_log_end end = {
        .trigger = engine->trigger,
        .duration_ms = (engine->now.mono_ns - engine->tick_start_ns) / 1000000,
        .error = end_error(engine),
        .n_busy_skips = engine->coalesce_busy ? engine->n_busy_skips : 0,
    };

    if (engine->log.sink)
        log_end(engine, &end);
    tj__tick_result(engine, &result);
    observe_tick(engine, &(tj_tick_report){
                             .result = &result,
                             .trigger = engine->trigger,
                             .wall_ms = engine->now.wall_ms,
                             .duration_ms = end.duration_ms,
                             .n_ok = tick->n_ran - tick->n_failed,
                             .n_failed = tick->n_failed,
                             .n_missed = engine->n_missed,
                             .error = end.error,
                             .term = tick->n_ran ? engine->pass.term : 0,
                         });
}

static tj_tick_action do_end(tj_engine *engine)
{
    tj_waiter *waiter = engine->tick_waiter;

    if (engine->watched)
        end_told(engine);
    if (waiter) {
        engine->tick_waiter = NULL;
        tj__tick_result(engine, &waiter->result);
        tj__waiters_add(&engine->ready, waiter);
    }
    engine->cancelling = false;
    tj__tick_step(&engine->tick, TJ_TICK_OVER);
    if (engine->life.state == TJ_LIFE_DRAINING)
        tj__engine_life(engine, TJ_LIFE_IDLE);
    return TJ_TICK_WAIT;
}

/* ---- the loop -------------------------------------------------------------
 */

static void drive(tj_engine *engine, tj_tick_action action)
{
    engine->driving = true;
    while (action != TJ_TICK_WAIT) {
        switch (action) {
        case TJ_TICK_RUN:
            action =
                engine->watched ? do_run(engine) : do_run_unwatched(engine);
            break;
        case TJ_TICK_CHECK:
            action = do_check(engine);
            break;
        case TJ_TICK_ASK:
            action = do_ask(engine);
            break;
        case TJ_TICK_LEAVE:
            action = do_leave(engine);
            break;
        case TJ_TICK_END:
            action = do_end(engine);
            break;
        case TJ_TICK_SKIP:
        case TJ_TICK_WAIT:
        default:
            action = TJ_TICK_WAIT;
            break;
        }
    }
    engine->driving = false;
}

void tj__tick_continue(tj_engine *engine, tj_tick_event event)
{
    if (engine->driving)
        engine->event = event;
    else
        drive(engine, tj__tick_step(&engine->tick, event));
}

void tj__tick_cancel(tj_engine *engine)
{
    if (!tj__engine_is_busy(engine))
        return;
    engine->cancelling = true;
    if (engine->driving)
        return; /* do_check and the two waits look at it */

    tj__engine_enter(engine);
    tj__deadline_stop(engine);
    if (engine->tick.state == TJ_TICK_RUNNING) {
        tj__tick_continue(
            engine, run_break_off(engine, TJ_CANCEL_STOP, CANCELLED_TEXT));
    } else {
        engine->live_id = 0;
        if (engine->watched)
            tj__engine_read_clock(engine);
        tj__tick_continue(engine, TJ_TICK_CANCEL);
    }
    tj__engine_leave(engine);
}

/* ---- the beginning ----------------------------------------------------------
 */

/* A tick while another is in flight. */
static void skip_busy(tj_engine *engine,
                      tj_trigger trigger,
                      uint64_t n_missed,
                      tj_tick_result *ret_result)
{
    bool first = engine->n_busy_skips++ == 0;

    tj__engine_read_clock(engine);
    tj__batch_id_set(&engine->side_batch, engine->now.wall_ms,
                     ++engine->sequence);
    ret_result->decision = TJ_DECISION_SKIPPED_BUSY;
    ret_result->runner_count = engine->registry.n_entries;
    memcpy(ret_result->batch_id, engine->side_batch.text,
           engine->side_batch.size + 1);

    if (first || n_missed || !engine->coalesce_busy)
        tj__tick_log_skipped(&engine->log, &engine->side_batch,
                             TJ_DECISION_SKIPPED_BUSY, trigger, n_missed);
    observe_tick(engine, &(tj_tick_report){
                             .result = ret_result,
                             .trigger = trigger,
                             .wall_ms = engine->now.wall_ms,
                             .n_missed = n_missed,
                         });
}

/* The tick's own instant, which also numbers its batch. */
static void stamp(tj_engine *engine)
{
    if (engine->watched)
        tj__engine_read_clock(engine);
    else
        engine->now.wall_ms = tj__stopwatch_wall_ms(&engine->stopwatch);
    engine->tick_start_ns = engine->now.mono_ns;
    engine->context.wall_ms = engine->now.wall_ms;
    tj__batch_id_set(&engine->batch, engine->now.wall_ms, ++engine->sequence);
}

bool tj__tick_start(tj_engine *engine,
                    tj_trigger trigger,
                    uint64_t n_missed,
                    tj_waiter *waiter,
                    tj_tick_result *ret_skipped)
{
    tj_tick_action action =
        tj__tick_begin(&engine->tick, engine->registry.n_entries);
    tj_tick_result skipped;

    tj__engine_enter(engine);
    if (action == TJ_TICK_SKIP) {
        skip_busy(engine, trigger, n_missed,
                  waiter        ? &waiter->result
                  : ret_skipped ? ret_skipped
                                : &skipped);
        if (waiter)
            tj__waiters_add(&engine->ready, waiter);
        tj__engine_leave(engine);
        return true;
    }

    engine->trigger = trigger;
    engine->context.trigger = trigger;
    engine->n_missed = n_missed;
    engine->n_busy_skips = 0;
    engine->tick_waiter = waiter;
    stamp(engine);
    if (engine->log.sink) {
        tj__tick_log_set_batch(&engine->log, &engine->batch);
        if (action == TJ_TICK_ASK)
            tj__tick_log_started(&engine->log, engine->tick.n_runners, trigger,
                                 n_missed);
    }
    drive(engine, action);
    tj__engine_leave(engine);
    return false;
}
