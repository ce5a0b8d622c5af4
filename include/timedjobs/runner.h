/* Runners: named units of work, and the handle of one run.
 *
 * A runner's function is called on the loop's thread with the context of its
 * tick. It either does its work and returns TJ_RUN_OK or TJ_RUN_FAILED, or
 * returns TJ_RUN_PENDING and ends the run later through its handle. Nothing a
 * runner does stops the runners after it. */
#ifndef TIMEDJOBS_RUNNER_H
#define TIMEDJOBS_RUNNER_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/error.h>
#include <timedjobs/export.h>
#include <timedjobs/json.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tj_engine;
typedef struct tj_store tj_store;

#define TJ_TRIGGER_MAP(X)              \
    X(TJ_TRIGGER_INTERVAL, "interval") \
    X(TJ_TRIGGER_MANUAL, "manual")

typedef enum tj_trigger {

#define TJ_TRIGGER_ENUM_(name, text) name,
    TJ_TRIGGER_MAP(TJ_TRIGGER_ENUM_)
#undef TJ_TRIGGER_ENUM_
} tj_trigger;

/** Return "interval" or "manual", as the log has it. */
TJ_EXPORT const char *tj_trigger_to_string(tj_trigger trigger);

/** The numbers that a job hands to its runners. */
typedef struct tj_tick_config {
    int64_t interval_ms;           /* 1 ms to 366 days */
    int64_t max_messages_per_tick; /* 0 to 2^53-1 */
    int64_t max_tasks_per_tick;    /* 0 to 2^53-1 */
    int64_t settle_delay_ms;       /* 0 ms to 366 days */
} tj_tick_config;

/** What a run is told. Borrowed, valid until the run ends. */
typedef struct tj_tick_context {
    size_t size; /* sizeof(tj_tick_context) of the library */
    const char *job;
    const char *runner;
    const char *batch_id;
    tj_trigger trigger;
    const char *controller_id; /* from the gate's pass */
    const char *host;          /* from the gate's pass */
    int64_t term;              /* from the gate's pass */
    tj_tick_config config;
    const char *log_dir; /* NULL when nothing is logged to a directory */
    tj_store *store;     /* NULL when the job has none */
    int64_t wall_ms;     /* when the tick started */
    int64_t timeout_ms;  /* of this run; 0 for none */
} tj_tick_context;

typedef enum tj_run_status {
    TJ_RUN_OK,     /* ended well, with nothing to say */
    TJ_RUN_FAILED, /* failed, with nothing to say */
    TJ_RUN_PENDING /* the handle ends the run, or has ended it already */
} tj_run_status;

/** One run, by value. A handle whose run is over is harmless to use until the
 * engine's close callback: every call answers TJ_EALREADY. */
typedef struct tj_run {
    struct tj_engine *engine;
    uint64_t id;
} tj_run;

typedef enum tj_cancel_reason {
    TJ_CANCEL_TIMEOUT, /* the run's own timeout_ms passed */
    TJ_CANCEL_STOP     /* the engine stops and its drain deadline passed */
} tj_cancel_reason;

/** A runner, as it is registered. Strings are copied. */
typedef struct tj_runner {
    size_t size; /* sizeof(tj_runner) */
    /* Trimmed as JavaScript's trim does; then 1 to 255 bytes without control
     * characters, unique in its engine, not "<job>.framework". */
    const char *name;
    const char *description; /* may be NULL */

    /* Mandatory. Does the run, or begins it. */
    tj_run_status (*run)(tj_run run,
                         const tj_tick_context *context,
                         void *userdata);

    /* May be NULL. Told that a pending run is over: it was logged as failed,
     * its handle is dead, what still works for it should end. TIMEOUT also
     * stands for a timeout_ms for which no timer could be had. */
    void (*cancel)(tj_run run, tj_cancel_reason reason, void *userdata);

    /* May be NULL. Called once with `userdata` when the engine is gone, also
     * when tj_engine_add_runner refused the runner. */
    void (*free)(void *userdata);

    int64_t timeout_ms; /* a pending run is failed after this; 0 to 366 days,
                           0 for never */
    void *userdata;
} tj_runner;

#define TJ_RUNNER_INIT                         \
    {                                          \
        sizeof(tj_runner), 0, 0, 0, 0, 0, 0, 0 \
    }

/** A runner's own log entry. */
typedef struct tj_run_note {
    size_t size;            /* sizeof(tj_run_note) */
    const char *stage;      /* mandatory; any text */
    const char *result;     /* NULL prints null */
    const char *error;      /* NULL or "" prints null */
    double duration_ms;     /* not finite prints null */
    const tj_json *details; /* NULL or an object, borrowed for the call */
} tj_run_note;

#define TJ_RUN_NOTE_INIT                             \
    {                                                \
        sizeof(tj_run_note), 0, 0, 0, (double)NAN, 0 \
    }

/** End a run well. `result` (NULL for "ok") and `details` (NULL or an object)
 * go into the log; both are copied. May be called inside the runner's function
 * or later, on the loop's thread; inside another callback of the engine too.
 * The next runner may be started before this returns.
 * Returns 0, or TJ_EALREADY when the run is over. */
TJ_EXPORT int
tj_run_complete(tj_run run, const char *result, const tj_json *details);

/** End a run as failed, with a text of any length (NULL for none) and details
 * (NULL or an object). Otherwise as tj_run_complete. */
TJ_EXPORT int
tj_run_fail(tj_run run, const char *error, const tj_json *details);

/** Write an entry of the runner's own into the log. Never fails the run: what
 * cannot be printed is replaced (see tj_engine_get_log_counts). A key of the
 * details that is one of the log's own seven is kept as "details.<key>", here
 * and at the run's end. Loop thread only.
 * Returns 0, TJ_EINVAL without a stage, TJ_EALREADY when the run is over. */
TJ_EXPORT int tj_run_log(tj_run run, const tj_run_note *note);

/** Return the context of a run, or NULL when the run is over. */
TJ_EXPORT const tj_tick_context *tj_run_context(tj_run run);

#ifdef __cplusplus
}
#endif
#endif
