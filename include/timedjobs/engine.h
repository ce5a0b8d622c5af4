/* The tick engine: one job, its runners in order, and what a tick does.
 *
 * At each tick the engine asks the gate; if the gate is open it runs the
 * runners one after the other, a failure of one never stopping the next, and
 * logs every stage. One tick is in flight at a time; another one meanwhile is
 * skipped as busy. Stop drains what is in flight.
 *
 * An engine lives on one loop: every call is made on that loop's thread, and
 * every callback runs there, from a later turn than the call that asked for
 * it. Nothing here blocks. The behaviour follows the reference runtime
 * (`ConductorTimedJobs`); ARCHITECTURE.md lists where it deliberately does
 * not. */
#ifndef TIMEDJOBS_ENGINE_H
#define TIMEDJOBS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/clock.h>
#include <timedjobs/error.h>
#include <timedjobs/export.h>
#include <timedjobs/gate.h>
#include <timedjobs/log.h>
#include <timedjobs/loop.h>
#include <timedjobs/runner.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tj_engine tj_engine;

#define TJ_DECISION_MAP(X)                                  \
    X(TJ_DECISION_FAILED, "failed")                         \
    X(TJ_DECISION_SCHEDULED, "scheduled")                   \
    X(TJ_DECISION_SKIPPED_BUSY, "skipped_busy")             \
    X(TJ_DECISION_SKIPPED_NO_RUNNERS, "skipped_no_runners") \
    X(TJ_DECISION_SKIPPED_NOT_LEADER, "skipped_not_leader") \
    X(TJ_DECISION_SKIPPED_SYSTEM_PAUSED, "skipped_system_paused")

/** How a tick ended; the closed list. */
typedef enum tj_decision {

#define TJ_DECISION_ENUM_(name, text) name,
    TJ_DECISION_MAP(TJ_DECISION_ENUM_)
#undef TJ_DECISION_ENUM_
} tj_decision;

/** Return the decision's name as the log has it. */
TJ_EXPORT const char *tj_decision_to_string(tj_decision decision);

#define TJ_JOB_NAME_MAX 64 /* bytes, without the NUL */
/* "<job>-<unix ms>-<sequence>" and its NUL */
#define TJ_BATCH_ID_SIZE (TJ_JOB_NAME_MAX + 44)

typedef struct tj_tick_result {
    tj_decision decision;
    uint32_t runner_count; /* registered when the tick began */
    char batch_id[TJ_BATCH_ID_SIZE];
} tj_tick_result;

/** One run's end, for an observer. Borrowed for the call. */
typedef struct tj_run_report {
    const char *batch_id;
    const char *runner;
    tj_run_status status; /* TJ_RUN_OK or TJ_RUN_FAILED */
    const char *result;   /* "ok", "failed", or the runner's own */
    const char *error;    /* may be NULL */
    int64_t duration_ms;
} tj_run_report;

/** One tick's end, for an observer. Borrowed for the call. */
typedef struct tj_tick_report {
    const tj_tick_result *result;
    tj_trigger trigger;
    int64_t wall_ms;     /* when the tick ended */
    int64_t duration_ms; /* 0 for a tick that was skipped at once */
    uint32_t n_ok;       /* runs that ended well */
    uint32_t n_failed;   /* runs that failed */
    uint64_t n_missed;   /* interval ticks that the loop was too late for,
                            since the one before; `missed_count` in the log */
    const char *error;   /* why the tick failed, may be NULL */
    int64_t term;        /* 0 when the gate was not open */
} tj_tick_report;

/** Told of ends as they happen, on the loop's thread, inside the step that
 * made them. An observer may call into the engine: the tick that it is told of
 * still counts as in flight, so a tick it asks for is skipped as busy (without
 * being told of that), and a stop comes after it. Members may be NULL. */
typedef struct tj_engine_observer {
    void (*on_run_end)(const tj_run_report *report, void *userdata);
    void (*on_tick_end)(const tj_tick_report *report, void *userdata);
    void *userdata;
} tj_engine_observer;

typedef struct tj_engine_options {
    size_t size; /* sizeof(tj_engine_options) */
    /* [A-Za-z0-9][A-Za-z0-9._-]*, at most TJ_JOB_NAME_MAX bytes; default
     * "timed-jobs" */
    const char *job;
    tj_tick_config config;
    bool manual;         /* no interval: ticks come from tj_engine_tick only */
    tj_loop *loop;       /* mandatory, borrowed */
    tj_clock clock;      /* default the system's */
    tj_gate gate;        /* mandatory */
    tj_log_sink *log;    /* NULL: no log; borrowed */
    const char *log_dir; /* told to runners; NULL for none */
    tj_store *store;     /* told to runners; NULL for none */
    /* A gate that has not answered by then fails the tick; 0 to 366 days,
     * 0: waits for ever */
    int64_t gate_timeout_ms;
    /* A stop cancels what is in flight after this: the run is logged as failed
     * and the runners after it as skipped; 0 to 366 days, 0: waits for ever.
     * A stop that finds no memory for the deadline cancels at once. */
    int64_t drain_timeout_ms;
    /* Log only the first of several busy skips during one tick (and those that
     * carry a `missed_count`); when there was more than one, the tick's last
     * entry has their number as `busy_skip_count`. */
    bool coalesce_busy;
    tj_engine_observer observer;
} tj_engine_options;

/** Fill in the defaults: job "timed-jobs", interval 10 s, 20 messages, 5
 * tasks, settle 10 s, the system's clock, no deadlines, no log. `loop` and
 * `gate` are left for the caller. */
TJ_EXPORT void tj_engine_options_init(tj_engine_options *options);

/** Make an engine. Everything in `options` is copied but what it says is
 * borrowed. End it with tj_engine_close. What a tick, a stop and a close need
 * is reserved here: none of them fails for lack of memory later on.
 * Returns 0, TJ_EINVAL (which option and its range in `reterr`), TJ_ENOMEM. */
TJ_EXPORT int tj_engine_new(const tj_engine_options *options,
                            tj_engine **ret_engine,
                            tj_error *reterr);

typedef void (*tj_engine_close_cb)(void *userdata);

/** Stop the engine if need be and end it. `cb` (may be NULL) runs last, from
 * a later turn, after all other callbacks; the memory is gone then. No call on
 * the engine but through handles of runs and gates is allowed any more. May be
 * called by a runner, a gate or an observer. NULL `engine` is a no-op, a
 * second close too. */
TJ_EXPORT void
tj_engine_close(tj_engine *engine, tj_engine_close_cb cb, void *userdata);

/** Register a runner; it joins at the next tick, also when a tick is in
 * flight. The strings are copied. On failure its `free` has been called
 * (unless its `size` says that it is not the struct that we know).
 * Returns 0, TJ_EINVAL (empty, too long, reserved, control characters, no
 * function), TJ_EEXIST (the name, after trimming, is taken), TJ_ENOMEM. */
TJ_EXPORT int tj_engine_add_runner(tj_engine *engine,
                                   const tj_runner *runner,
                                   tj_error *reterr);

/** Return how many runners are registered. */
TJ_EXPORT size_t tj_engine_n_runners(const tj_engine *engine);

/** Return a runner's name as normalised, in order of registration; NULL past
 * the end. Borrowed until the engine is closed. */
TJ_EXPORT const char *tj_engine_runner_name(const tj_engine *engine,
                                            size_t index);

/** Return a runner's description, NULL when it has none or past the end.
 * Borrowed until the engine is closed. */
TJ_EXPORT const char *tj_engine_runner_description(const tj_engine *engine,
                                                   size_t index);

/** Return a copy of the job's numbers. */
TJ_EXPORT tj_tick_config tj_engine_get_config(const tj_engine *engine);

/** Return the job's name, borrowed until the engine is closed. */
TJ_EXPORT const char *tj_engine_get_job(const tj_engine *engine);

/** Log `started` and arm the interval; the first tick comes one interval
 * later. A started engine is left as it is. All or nothing.
 * Returns 0, TJ_ESTOPPING while a stop drains or flushes, TJ_ENOMEM or
 * TJ_ESYSTEM. */
TJ_EXPORT int tj_engine_start(tj_engine *engine, tj_error *reterr);

/** Tell whether the engine counts as started. */
TJ_EXPORT bool tj_engine_is_started(const tj_engine *engine);

/** Tell whether a tick is in flight. */
TJ_EXPORT bool tj_engine_is_busy(const tj_engine *engine);

typedef void (*tj_engine_stop_cb)(void *userdata);

/** Stop: no further interval ticks; the tick in flight runs to its end; then
 * `stopped` is logged and the log flushed; then `cb` (may be NULL) runs from a
 * later turn. A second stop joins the first. On an engine that is not started
 * and has nothing in flight only the flush is done. May be called by a runner,
 * a gate or an observer: the stop then comes after the tick. Manual ticks stay
 * allowed; one that begins while the log is flushed is not waited for.
 * Returns 0, or TJ_ENOMEM, and then nothing was done (never without a `cb`). */
TJ_EXPORT int
tj_engine_stop(tj_engine *engine, tj_engine_stop_cb cb, void *userdata);

typedef void (*tj_tick_cb)(const tj_tick_result *result, void *userdata);

/** Begin a manual tick, started or not. `cb` (may be NULL) runs from a later
 * turn, once the tick has ended; a tick while another is in flight ends at
 * once as skipped_busy, also when a runner asks for it.
 * Returns 0, TJ_ESTOPPING once the engine is closing, or TJ_ENOMEM. */
TJ_EXPORT int tj_engine_tick(tj_engine *engine, tj_tick_cb cb, void *userdata);

/** Run a manual tick and return its result when it ended inside this call:
 * that is so when its gate and its runners all answered at once, and when it
 * was skipped as busy. Needs no memory.
 * Returns 0, TJ_ESTOPPING once the engine is closing, or TJ_EINPROGRESS when
 * the tick goes on (its end is told to the observer). */
TJ_EXPORT int tj_engine_tick_now(tj_engine *engine, tj_tick_result *ret_result);

/** Tell how many log lines the engine has written so far, and how many of
 * these had to be cut short because they were longer than 1 MiB or memory ran
 * out: such a line has `log_loss` in place of its details. */
TJ_EXPORT void tj_engine_get_log_counts(const tj_engine *engine,
                                        uint64_t *ret_n_lines,
                                        uint64_t *ret_n_short);

#ifdef __cplusplus
}
#endif
#endif
