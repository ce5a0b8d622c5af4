/* What an engine writes down, stage by stage.
 *
 * Lines are collected and handed to the sink once per step of the engine (or
 * when there are many, or when the UTC day turns), never one by one. Nothing
 * here can fail: a line that cannot be printed is replaced by a short one and
 * counted. With no sink every function is a no-op. */
#ifndef TJ_ENGINE_TICK_LOG_H
#define TJ_ENGINE_TICK_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/engine.h>
#include <timedjobs/log.h>

#include "base/buf.h"
#include "base/iso_time.h"
#include "base/log_line.h"
#include "engine/batch_id.h"
#include "engine/tick_step.h"

typedef struct tj_tick_log {
    tj_log_sink *sink; /* NULL: nothing is written */
    tj_buf lines;      /* not handed over yet */
    size_t n_lines;    /* in there */

    int64_t wall_ms;    /* of the lines to come */
    int64_t day;        /* its UTC day */
    tj_iso_clock clock; /* its text */
    char ts[TJ_PIECE_SPACE(TJ_ISO_TIME_SIZE)];
    size_t ts_size; /* 0 before the first use */

    tj_buf framework;    /* the framework's name, as a piece */
    tj_log_head head;    /* of the tick in flight */
    tj_buf pass_tail;    /* what runner_started says beyond the base keys */
    size_t pass_size;    /* of it, without the trigger and the end */
    tj_trigger pass_for; /* the trigger it ends with */

    uint64_t n_written; /* lines, ever */
    uint64_t n_lost;    /* of these, those that a short one stands for */
} tj_tick_log;

/* Reserve what the log needs. `sink` may be NULL. False when out of memory. */
bool tj__tick_log_init(tj_tick_log *log, tj_log_sink *sink, const char *job);
void tj__tick_log_done(tj_tick_log *log);

/* Hand the collected lines to the sink. */
void tj__tick_log_hand_over(tj_tick_log *log);

/* The instant of the lines to come. */
void tj__tick_log_set_time_slow(tj_tick_log *log, int64_t wall_ms);

static inline void tj__tick_log_set_time(tj_tick_log *log, int64_t wall_ms)
{
    if (log->sink && (wall_ms != log->wall_ms || !log->ts_size))
        tj__tick_log_set_time_slow(log, wall_ms);
}

/* The batch of the tick that begins. */
void tj__tick_log_set_batch(tj_tick_log *log, const tj_batch_id *batch);

/* What the gate's pass says, for runner_started. Its texts have at most
 * TJ_GATE_TEXT_MAX bytes each. */
void tj__tick_log_set_pass(tj_tick_log *log,
                           const tj_gate_pass *pass,
                           const tj_tick_config *config);

typedef enum tj_log_life {
    TJ_LOG_STARTED_AUTO,
    TJ_LOG_STARTED_MANUAL,
    TJ_LOG_STOPPED
} tj_log_life;

void tj__tick_log_life(tj_tick_log *log,
                       const tj_batch_id *batch,
                       tj_log_life what);

/* A tick that was skipped at once: `decision` says why. */
void tj__tick_log_skipped(tj_tick_log *log,
                          const tj_batch_id *batch,
                          tj_decision decision,
                          tj_trigger trigger,
                          uint64_t n_missed);

void tj__tick_log_started(tj_tick_log *log,
                          uint32_t n_runners,
                          tj_trigger trigger,
                          uint64_t n_missed);

void tj__tick_log_run_started(tj_tick_log *log,
                              tj_piece name,
                              tj_trigger trigger);

/* `result` NULL: "ok". */
void tj__tick_log_run_completed(tj_tick_log *log,
                                tj_piece name,
                                int64_t duration_ms,
                                const char *result,
                                const tj_json *details);

void tj__tick_log_run_failed(tj_tick_log *log,
                             tj_piece name,
                             int64_t duration_ms,
                             const char *error,
                             const tj_json *details);

/* `result` is a decision's name, or "cancelled". */
void tj__tick_log_run_skipped(tj_tick_log *log,
                              tj_piece name,
                              const char *result,
                              tj_trigger trigger);

void tj__tick_log_note(tj_tick_log *log,
                       tj_piece name,
                       const tj_run_note *note);

/* How a tick ended, beyond what the machine knows. */
typedef struct tj_tick_log_end {
    tj_trigger trigger;
    int64_t duration_ms;
    const char *error;     /* for an end that failed; may be NULL */
    uint64_t n_busy_skips; /* 0 or 1: not mentioned */
} tj_tick_log_end;

/* The tick's last entry, `tick_completed` or `tick_failed`. */
void tj__tick_log_ended(tj_tick_log *log,
                        const tj_tick *tick,
                        const tj_tick_log_end *end);

#endif
