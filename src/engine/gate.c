/* Answers of gates that took their time, and failures of any; and the gate of
 * those who need none. */
#include "engine/engine_priv.h"

static tj_gate_verdict
always_open(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    *ret_pass = (tj_gate_pass){ "local", "localhost", 0 };
    return TJ_GATE_OPEN;
}

tj_gate tj_gate_always_open(void)
{
    return (tj_gate){ .size = sizeof(tj_gate), .ask = always_open };
}

static bool question_is_open(tj_gate_request request, tj_tick_state state)
{
    return request.engine && request.id &&
           request.engine->live_id == request.id &&
           request.engine->tick.state == state;
}

/* The question has its answer; nobody else may give one. */
static void question_close(tj_engine *engine)
{
    engine->live_id = 0;
    tj__deadline_stop(engine);
    if (engine->watched && !engine->driving)
        tj__engine_read_clock(engine);
}

int tj_gate_answer(tj_gate_request request,
                   tj_gate_verdict verdict,
                   const tj_gate_pass *pass)
{
    tj_engine *engine = request.engine;

    if (!question_is_open(request, TJ_TICK_ASKING))
        return TJ_EALREADY;
    if (verdict != TJ_GATE_OPEN && verdict != TJ_GATE_NOT_LEADER &&
        verdict != TJ_GATE_SYSTEM_PAUSED)
        return TJ_EINVAL;
    if (verdict == TJ_GATE_OPEN && !pass)
        return TJ_EINVAL;

    tj__engine_enter(engine);
    question_close(engine);
    tj__tick_continue(engine, tj__tick_verdict(engine, verdict, pass));
    tj__engine_leave(engine);
    return 0;
}

int tj_gate_fail(tj_gate_request request, const char *message)
{
    tj_engine *engine = request.engine;

    if (!question_is_open(request, TJ_TICK_ASKING) &&
        !question_is_open(request, TJ_TICK_LEAVING))
        return TJ_EALREADY;

    tj__engine_enter(engine);
    question_close(engine);
    tj__tick_set_error(engine, message);
    tj__tick_continue(engine, TJ_TICK_FAILED);
    tj__engine_leave(engine);
    return 0;
}
