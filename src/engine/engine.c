/* An engine's life: new, start, stop, close, and what a later turn does. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/engine_priv.h"

#define MODULE "engine"

const char *tj_decision_to_string(tj_decision decision)
{
    switch (decision) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_DECISION_MAP(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}

const char *tj_trigger_to_string(tj_trigger trigger)
{
    switch (trigger) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_TRIGGER_MAP(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}

/* ---- those who wait -------------------------------------------------------
 */

void tj__waiters_add(tj_waiters *waiters, tj_waiter *waiter)
{
    waiter->next = NULL;
    if (waiters->last)
        waiters->last->next = waiter;
    else
        waiters->first = waiter;
    waiters->last = waiter;
}

/* Move all of `from` behind `to`. */
static void waiters_move(tj_waiters *to, tj_waiters *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    *from = (tj_waiters){ 0 };
}

static void waiter_call(tj_waiter *waiter)
{
    if (waiter->tick_cb)
        waiter->tick_cb(&waiter->result, waiter->userdata);
    else
        waiter->stop_cb(waiter->userdata);
    tj__free(waiter);
}

static void turn_post(tj_engine *engine)
{
    if (engine->turn_posted)
        return;
    engine->turn_posted = true;
    engine->loop->ops->post(engine->loop, &engine->turn_task);
}

void tj__engine_leave_slow(tj_engine *engine)
{
    tj__tick_log_hand_over(&engine->log);
    if (engine->ready.first || engine->cancel_soon)
        turn_post(engine);
}

/* ---- the end ---------------------------------------------------------------
 */

static void engine_free(tj_engine *engine)
{
    tj__registry_done(&engine->registry);
    tj__tick_log_done(&engine->log);
    tj__buf_done(&engine->error);
    tj__free(engine->log_dir);
    tj__free(engine);
}

static void turn_run(tj_task *task)
{
    tj_engine *engine =
        (tj_engine *)(void *)((char *)task - offsetof(tj_engine, turn_task));
    tj_waiters ready = { 0 };
    tj_engine_close_cb close_cb;
    void *close_userdata;

    engine->turn_posted = false;
    if (engine->cancel_soon) {
        engine->cancel_soon = false;
        tj__tick_cancel(engine);
    }
    waiters_move(&ready, &engine->ready);
    while (ready.first) {
        tj_waiter *waiter = ready.first;

        ready.first = waiter->next;
        waiter_call(waiter);
    }

    if (engine->life.state != TJ_LIFE_CLOSED || engine->turn_posted)
        return;
    close_cb = engine->close_cb;
    close_userdata = engine->close_userdata;
    engine_free(engine);
    if (close_cb)
        close_cb(close_userdata);
}

/* ---- rounds -----------------------------------------------------------------
 */

static void flush_run(tj_task *task)
{
    tj_engine *engine =
        (tj_engine *)(void *)((char *)task - offsetof(tj_engine, flush_task));

    tj__engine_enter(engine);
    tj__engine_life(engine, TJ_LIFE_FLUSHED);
    tj__engine_leave(engine);
}

/* Any thread. */
static void on_flushed(void *userdata)
{
    tj_engine *engine = userdata;

    engine->loop->ops->post(engine->loop, &engine->flush_task);
}

static void on_drain_deadline(void *userdata, uint64_t expirations)
{
    tj__tick_cancel(userdata);
}

static void timer_end(tj_engine *engine, tj_timer **timer)
{
    if (*timer)
        engine->loop->ops->timer_stop(engine->loop, *timer);
    *timer = NULL;
}

/* Without memory for the deadline it is taken as passed: a stop that was given
 * a bound must not wait for ever. */
static void drain_begin(tj_engine *engine)
{
    if (engine->drain_timeout_ms == 0)
        return;
    if (engine->loop->ops->timer_start(
            engine->loop, (uint64_t)engine->drain_timeout_ms * 1000000, 0,
            on_drain_deadline, engine, &engine->drain_deadline))
        engine->cancel_soon = true;
}

static void say(tj_engine *engine, tj_log_life what)
{
    tj__engine_read_clock(engine);
    tj__batch_id_set(&engine->side_batch, engine->now.wall_ms,
                     ++engine->sequence);
    tj__tick_log_life(&engine->log, &engine->side_batch, what);
}

static void flush_begin(tj_engine *engine)
{
    tj_log_sink *sink = engine->log.sink;

    timer_end(engine, &engine->drain_deadline);
    if (!sink) {
        on_flushed(engine);
        return;
    }
    tj__tick_log_hand_over(&engine->log);
    sink->ops->flush(sink, on_flushed, engine);
}

static void life_do(tj_engine *engine, unsigned actions)
{
    if (actions & TJ_LIFE_ENABLE)
        say(engine,
            engine->manual ? TJ_LOG_STARTED_MANUAL : TJ_LOG_STARTED_AUTO);
    if (actions & TJ_LIFE_ROUND_OVER) {
        waiters_move(&engine->ready, &engine->stopping);
        waiters_move(&engine->stopping, &engine->next_stop);
    }
    if (actions & TJ_LIFE_DISABLE)
        timer_end(engine, &engine->interval);
    if (actions & TJ_LIFE_DRAIN)
        drain_begin(engine);
    if (actions & TJ_LIFE_ANNOUNCE)
        say(engine, TJ_LOG_STOPPED);
    if (actions & TJ_LIFE_FLUSH)
        flush_begin(engine);
    if (engine->life.state == TJ_LIFE_CLOSED)
        turn_post(engine);
}

void tj__engine_life(tj_engine *engine, tj_life_event event)
{
    life_do(engine,
            tj__life_step(&engine->life, event, tj__engine_is_busy(engine)));
}

/* ---- the public part
 * ---------------------------------------------------------- */

static void on_interval(void *userdata, uint64_t expirations)
{
    tj__tick_start(userdata, TJ_TRIGGER_INTERVAL, expirations - 1,
                   /* waiter= */ NULL, /* ret_skipped= */ NULL);
}

/* Take the options over. False when out of memory. */
static bool engine_init(tj_engine *engine, const tj_engine_options *options)
{
    enum { ERROR_SIZE = 1024 };

    memcpy(engine->job, options->job, strlen(options->job));
    engine->loop = options->loop;
    engine->gate = options->gate;
    engine->observer = options->observer;
    engine->manual = options->manual;
    engine->coalesce_busy = options->coalesce_busy;
    engine->gate_timeout_ms = options->gate_timeout_ms;
    engine->drain_timeout_ms = options->drain_timeout_ms;
    engine->turn_task.run = turn_run;
    engine->flush_task.run = flush_run;
    engine->watched = options->log || options->observer.on_run_end ||
                      options->observer.on_tick_end;
    tj__stopwatch_init(&engine->stopwatch, options->clock);
    tj__batch_id_init(&engine->batch, engine->job);
    tj__batch_id_init(&engine->side_batch, engine->job);

    if (options->log_dir && !(engine->log_dir = tj__strdup(options->log_dir)))
        return false;
    engine->context.size = sizeof(engine->context);
    engine->context.job = engine->job;
    engine->context.batch_id = engine->batch.text;
    engine->context.config = options->config;
    engine->context.log_dir = engine->log_dir;
    engine->context.store = options->store;
    return tj__buf_reserve(&engine->error, ERROR_SIZE) &&
           tj__tick_log_init(&engine->log, options->log, engine->job);
}

int tj_engine_new(const tj_engine_options *options,
                  tj_engine **ret_engine,
                  tj_error *reterr)
{
    tj_engine *engine;
    int rc = tj__engine_options_check(options, reterr);

    if (rc)
        return rc;
    engine = tj__calloc(1, sizeof(*engine));
    if (!engine || !engine_init(engine, options)) {
        if (engine)
            engine_free(engine);
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    }
    *ret_engine = engine;
    return 0;
}

void tj_engine_close(tj_engine *engine, tj_engine_close_cb cb, void *userdata)
{
    if (!engine || engine->life.closing)
        return;
    engine->close_cb = cb;
    engine->close_userdata = userdata;
    tj__engine_enter(engine);
    tj__engine_life(engine, TJ_LIFE_CLOSE);
    tj__engine_leave(engine);
}

int tj_engine_add_runner(tj_engine *engine,
                         const tj_runner *runner,
                         tj_error *reterr)
{
    int rc = tj__runner_check(runner, reterr);

    if (!rc)
        rc = tj__registry_add(&engine->registry, engine->job, runner, reterr);
    if (rc && runner && runner->size == sizeof(*runner) && runner->free)
        runner->free(runner->userdata);
    return rc;
}

size_t tj_engine_n_runners(const tj_engine *engine)
{
    return engine->registry.n_entries;
}

const char *tj_engine_runner_name(const tj_engine *engine, size_t index)
{
    return index < engine->registry.n_entries
               ? engine->registry.entries[index]->name
               : NULL;
}

const char *tj_engine_runner_description(const tj_engine *engine, size_t index)
{
    return index < engine->registry.n_entries
               ? engine->registry.entries[index]->description
               : NULL;
}

tj_tick_config tj_engine_get_config(const tj_engine *engine)
{
    return engine->context.config;
}

const char *tj_engine_get_job(const tj_engine *engine)
{
    return engine->job;
}

void tj_engine_get_log_counts(const tj_engine *engine,
                              uint64_t *ret_n_lines,
                              uint64_t *ret_n_short)
{
    *ret_n_lines = engine->log.n_written;
    *ret_n_short = engine->log.n_lost;
}

int tj_engine_start(tj_engine *engine, tj_error *reterr)
{
    tj_life life = engine->life;
    unsigned actions =
        tj__life_step(&life, TJ_LIFE_START, tj__engine_is_busy(engine));
    uint64_t interval_ns =
        (uint64_t)engine->context.config.interval_ms * 1000000;
    int rc = 0;

    if (actions & TJ_LIFE_REFUSE)
        return tj__error_set(reterr, TJ_ESTOPPING, MODULE,
                             "job '%s' is still stopping", engine->job);
    if (!(actions & TJ_LIFE_ENABLE))
        return 0;
    if (!engine->manual)
        rc = engine->loop->ops->timer_start(engine->loop, interval_ns,
                                            interval_ns, on_interval, engine,
                                            &engine->interval);
    if (rc)
        return tj__error_set(reterr, rc, MODULE,
                             "job '%s': the interval's timer: %s", engine->job,
                             tj_error_text(rc));
    tj__engine_enter(engine);
    engine->life = life;
    life_do(engine, actions);
    tj__engine_leave(engine);
    return 0;
}

bool tj_engine_is_started(const tj_engine *engine)
{
    return engine->life.state == TJ_LIFE_STARTED;
}

bool tj_engine_is_busy(const tj_engine *engine)
{
    return tj__engine_is_busy(engine);
}

int tj_engine_stop(tj_engine *engine, tj_engine_stop_cb cb, void *userdata)
{
    tj_waiter *waiter = NULL;
    unsigned actions;

    if (cb) {
        waiter = tj__calloc(1, sizeof(*waiter));
        if (!waiter)
            return TJ_ENOMEM;
        waiter->stop_cb = cb;
        waiter->userdata = userdata;
    }
    tj__engine_enter(engine);
    actions =
        tj__life_step(&engine->life, TJ_LIFE_STOP, tj__engine_is_busy(engine));
    if (waiter)
        tj__waiters_add(actions & TJ_LIFE_JOIN_NEXT ? &engine->next_stop
                                                    : &engine->stopping,
                        waiter);
    life_do(engine, actions);
    tj__engine_leave(engine);
    return 0;
}

int tj_engine_tick(tj_engine *engine, tj_tick_cb cb, void *userdata)
{
    tj_waiter *waiter = NULL;

    if (engine->life.closing)
        return TJ_ESTOPPING;
    if (cb) {
        waiter = tj__calloc(1, sizeof(*waiter));
        if (!waiter)
            return TJ_ENOMEM;
        waiter->tick_cb = cb;
        waiter->userdata = userdata;
    }
    tj__tick_start(engine, TJ_TRIGGER_MANUAL, 0, waiter,
                   /* ret_skipped= */ NULL);
    return 0;
}

int tj_engine_tick_now(tj_engine *engine, tj_tick_result *ret_result)
{
    if (engine->life.closing)
        return TJ_ESTOPPING;
    if (tj__tick_start(engine, TJ_TRIGGER_MANUAL, 0, /* waiter= */ NULL,
                       ret_result))
        return 0;
    if (tj__engine_is_busy(engine))
        return TJ_EINPROGRESS;
    tj__tick_result(engine, ret_result);
    return 0;
}
