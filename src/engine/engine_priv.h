/* An engine from inside: what its files share.
 *
 *   engine.c   new, close, start, stop, and the later turns
 *   options.c  what an engine may be asked to be
 *   tick.c     a tick, from its beginning to its end
 *   gate.c     answers of gates that took their time
 *   run.c      ends and notes of runs
 *
 * Every way into an engine is bracketed by tj__engine_enter and
 * tj__engine_leave: at the outermost leave the collected log lines go to the
 * sink and the turn task is posted if somebody waits for a call. */
#ifndef TJ_ENGINE_ENGINE_PRIV_H
#define TJ_ENGINE_ENGINE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/engine.h>

#include "base/buf.h"
#include "engine/batch_id.h"
#include "engine/life_step.h"
#include "engine/registry.h"
#include "engine/stopwatch.h"
#include "engine/tick_log.h"
#include "engine/tick_step.h"

/* Somebody who is called from a later turn. */
typedef struct tj_waiter {
    struct tj_waiter *next;
    tj_tick_cb tick_cb; /* one of the two */
    tj_engine_stop_cb stop_cb;
    void *userdata;
    tj_tick_result result; /* for tick_cb */
} tj_waiter;

typedef struct tj_waiters {
    tj_waiter *first;
    tj_waiter *last;
} tj_waiters;

struct tj_engine {
    /* -- the tick in flight -- */
    tj_tick tick;
    bool driving;    /* the loop in tick.c is at work */
    bool watched;    /* there is a log or an observer: time matters */
    bool cancelling; /* the drain deadline has passed */
    bool observing;  /* the observer is being told something */
    /* How what is in flight ended, when that was from inside its own call. */
    tj_tick_event event;
    unsigned depth;               /* of enter */
    uint64_t last_id;             /* of questions and runs */
    uint64_t live_id;             /* the one in flight, 0 for none */
    const tj_registered *current; /* the runner in flight */
    tj_tick_context context;      /* what it is told */
    tj_instant now;
    int64_t tick_start_ns;
    int64_t run_start_ns;
    uint64_t sequence; /* of batches */
    tj_batch_id batch;
    tj_trigger trigger;
    uint64_t n_missed;
    uint64_t n_busy_skips;
    tj_waiter *tick_waiter;
    tj_timer *deadline; /* of a pending question or run */
    tj_buf error;       /* why the tick fails; never lacks memory */

    /* -- what it was made of -- */
    tj_registry registry;
    tj_stopwatch stopwatch;
    tj_tick_log log;
    tj_engine_observer observer;
    tj_gate gate;
    tj_loop *loop;
    char job[TJ_JOB_NAME_MAX + 1];
    char *log_dir;
    bool manual;
    bool coalesce_busy;
    int64_t gate_timeout_ms;
    int64_t drain_timeout_ms;

    /* -- its life -- */
    tj_life life;
    tj_timer *interval;
    tj_timer *drain_deadline;
    tj_waiters ready;     /* to be called in the next turn */
    tj_waiters stopping;  /* wait for the round under way */
    tj_waiters next_stop; /* wait for the round after it */
    tj_task turn_task;
    tj_task flush_task;
    bool turn_posted;
    bool cancel_soon; /* the turn task begins with the cancellation */
    tj_engine_close_cb close_cb;
    void *close_userdata;

    tj_batch_id side_batch; /* of entries beside the tick's */
    tj_gate_pass pass;      /* the last one; points to the two below */
    char controller_id[TJ_GATE_TEXT_MAX + 1];
    char host[TJ_GATE_TEXT_MAX + 1];
};

/* engine.c */
void tj__engine_leave_slow(tj_engine *engine);
void tj__engine_life(tj_engine *engine, tj_life_event event);
void tj__waiters_add(tj_waiters *waiters, tj_waiter *waiter);

static inline void tj__engine_enter(tj_engine *engine)
{
    engine->depth++;
}

static inline void tj__engine_leave(tj_engine *engine)
{
    if (--engine->depth == 0 &&
        (engine->log.n_lines || engine->ready.first || engine->cancel_soon))
        tj__engine_leave_slow(engine);
}

static inline bool tj__engine_is_busy(const tj_engine *engine)
{
    return engine->tick.state != TJ_TICK_IDLE;
}

/* Read the clock; the log's lines to come carry this instant. */
static inline void tj__engine_read_clock(tj_engine *engine)
{
    engine->now = tj__stopwatch_read(&engine->stopwatch);
    tj__tick_log_set_time(&engine->log, engine->now.wall_ms);
}

/* options.c */
int tj__engine_options_check(const tj_engine_options *options,
                             tj_error *reterr);
int tj__runner_check(const tj_runner *runner, tj_error *reterr);

/* tick.c */

/* Begin a tick, or skip it as busy. `waiter` (may be NULL) is told its end;
 * `ret_skipped` (may be NULL) is filled when it was skipped as busy, which is
 * what the function returns. */
bool tj__tick_start(tj_engine *engine,
                    tj_trigger trigger,
                    uint64_t n_missed,
                    tj_waiter *waiter,
                    tj_tick_result *ret_skipped);

/* Fill in what the tick that ended last came to. */
void tj__tick_result(const tj_engine *engine, tj_tick_result *ret_result);

/* The drain deadline has passed: end what is in flight. */
void tj__tick_cancel(tj_engine *engine);

/* What was in flight is over (and logged): go on, now or, when the call is
 * made from inside, after its return. */
void tj__tick_continue(tj_engine *engine, tj_tick_event event);

/* Take a gate's verdict for an event; TJ_GATE_OPEN with its pass. */
tj_tick_event tj__tick_verdict(tj_engine *engine,
                               tj_gate_verdict verdict,
                               const tj_gate_pass *pass);

/* Keep the reason why the tick fails; NULL or "" for none. Never fails: where
 * memory is short the text is cut. */
void tj__tick_set_error(tj_engine *engine, const char *text);

/* Log and tell the end of the run in flight; its handle is dead. `error` is
 * for one that failed. */
void tj__run_over(tj_engine *engine,
                  tj_run_status status,
                  const char *text,
                  const tj_json *details);

void tj__deadline_stop(tj_engine *engine);

#endif
