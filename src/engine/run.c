/* Handles of runs: ends and notes. */
#include "engine/engine_priv.h"

static bool run_is_live(tj_run run)
{
    return run.engine && run.id && run.engine->live_id == run.id &&
           run.engine->tick.state == TJ_TICK_RUNNING;
}

static int run_end(tj_run run,
                   tj_run_status status,
                   const char *text,
                   const tj_json *details)
{
    tj_engine *engine = run.engine;

    if (!run_is_live(run))
        return TJ_EALREADY;

    tj__engine_enter(engine);
    tj__run_over(engine, status, text, details);
    tj__tick_continue(engine, status == TJ_RUN_OK ? TJ_TICK_RAN_OK
                                                  : TJ_TICK_RAN_FAILED);
    tj__engine_leave(engine);
    return 0;
}

int tj_run_complete(tj_run run, const char *result, const tj_json *details)
{
    return run_end(run, TJ_RUN_OK, result, details);
}

int tj_run_fail(tj_run run, const char *error, const tj_json *details)
{
    return run_end(run, TJ_RUN_FAILED, error, details);
}

int tj_run_log(tj_run run, const tj_run_note *note)
{
    tj_engine *engine = run.engine;

    if (!note || note->size != sizeof(*note) || !note->stage)
        return TJ_EINVAL;
    if (!run_is_live(run))
        return TJ_EALREADY;

    if (!engine->log.sink)
        return 0;
    tj__engine_enter(engine);
    tj__engine_read_clock(engine);
    tj__tick_log_note(&engine->log, engine->current->log_name, note);
    tj__engine_leave(engine);
    return 0;
}

const tj_tick_context *tj_run_context(tj_run run)
{
    return run_is_live(run) ? &run.engine->context : NULL;
}
