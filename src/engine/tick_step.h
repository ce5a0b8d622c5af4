/* What a tick does next: a pure state machine.
 *
 * The shell (tick.c) tells it what happened, gets told what to do, does it and
 * tells again. No clock, no I/O, no memory: a tick's whole life can be played
 * in a table (tests/unit/engine/test_tick_step.c).
 *
 *                    NOT_LEADER, PAUSED, FAILED, CANCEL
 *          begin       +--------------------------------------------+
 *   IDLE --------> ASKING                                           |
 *    ^ |             | OPEN                                         v
 *    | |             v       RAN_OK, RAN_FAILED      any verdict
 *    | |   +----> RUNNING ---------------+----> LEAVING -------> ENDING
 *    | |   |                (the last)   |         ^                |
 *    | |   | OPEN           (runners     |         | NOT_LEADER,    |
 *    | |   |                 are left)   v         | PAUSED,        |
 *    | |   +-------------------------- CHECKING ---+ FAILED, CANCEL |
 *    | |                                                            |
 *    | +------------------------- begin, no runners --------------->|
 *    +------------------------------- OVER -------------------------+
 *
 * The step function stands here and not in tick_step.c because a tick of
 * thousand runners that do nothing is mostly made of it: inlined, it costs two
 * compares a runner. */
#ifndef TJ_ENGINE_TICK_STEP_H
#define TJ_ENGINE_TICK_STEP_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/engine.h>

#define TJ_TICK_STATE_MAP(X)                                             \
    X(TJ_TICK_IDLE, "idle")         /* no tick in flight */              \
    X(TJ_TICK_ASKING, "asking")     /* the gate has the question */      \
    X(TJ_TICK_RUNNING, "running")   /* runner number n_ran is at work */ \
    X(TJ_TICK_CHECKING, "checking") /* does the pass still hold? */      \
    X(TJ_TICK_LEAVING, "leaving")   /* the gate is told: through */      \
    X(TJ_TICK_ENDING, "ending")     /* the end is being told */

typedef enum tj_tick_state {

#define TJ_TICK_STATE_ENUM_(name, text) name,
    TJ_TICK_STATE_MAP(TJ_TICK_STATE_ENUM_)
#undef TJ_TICK_STATE_ENUM_
} tj_tick_state;

#define TJ_TICK_EVENT_MAP(X)                                                \
    X(TJ_TICK_OPEN, "open")             /* the gate's four verdicts, ... */ \
    X(TJ_TICK_NOT_LEADER, "not leader") /* ... to the question that its */  \
    X(TJ_TICK_PAUSED, "paused")         /* state has put: ask, recheck, */  \
    X(TJ_TICK_FAILED, "failed")         /* or leave */                      \
    X(TJ_TICK_RAN_OK, "ran ok")         /* the run ended well */            \
    X(TJ_TICK_RAN_FAILED, "ran failed") /* the run failed */                \
    X(TJ_TICK_CANCEL, "cancel")         /* a stop's deadline has passed */  \
    X(TJ_TICK_OVER, "over")             /* the end has been told */

typedef enum tj_tick_event {

#define TJ_TICK_EVENT_ENUM_(name, text) name,
    TJ_TICK_EVENT_MAP(TJ_TICK_EVENT_ENUM_)
#undef TJ_TICK_EVENT_ENUM_
} tj_tick_event;

/* What the shell has to do, and which event answers it. */
typedef enum tj_tick_action {
    TJ_TICK_WAIT,  /* nothing; something is in flight, or all is over */
    TJ_TICK_SKIP,  /* tell that this tick was skipped as busy */
    TJ_TICK_ASK,   /* ask the gate: a verdict, or CANCEL */
    TJ_TICK_RUN,   /* start runner number n_ran: RAN_OK or RAN_FAILED */
    TJ_TICK_CHECK, /* recheck the pass: a verdict, or CANCEL */
    TJ_TICK_LEAVE, /* tell the gate: a verdict */
    TJ_TICK_END    /* tell the end: OVER */
} tj_tick_action;

/* Why a tick ended. */
typedef enum tj_tick_end {
    TJ_TICK_END_RAN,         /* every runner ran */
    TJ_TICK_END_EMPTY,       /* there was none */
    TJ_TICK_END_NOT_LEADER,  /* the gate was shut */
    TJ_TICK_END_PAUSED,      /* likewise */
    TJ_TICK_END_GATE_FAILED, /* before the first runner or after the last */
    TJ_TICK_END_LOST_LEADER, /* between two runners */
    TJ_TICK_END_LOST_PAUSED, /* likewise */
    TJ_TICK_END_LOST_FAILED, /* likewise: the recheck failed */
    TJ_TICK_END_CANCELLED    /* by a stop's deadline */
} tj_tick_end;

/* Zero-initialised is idle. */
typedef struct tj_tick {
    tj_tick_state state;
    uint32_t n_runners; /* registered when it began */
    uint32_t n_ran;     /* runs that ended */
    uint32_t n_failed;  /* of these, those that failed */
    tj_tick_end end;    /* valid from ENDING, until the next begin */
} tj_tick;

const char *tj__tick_state_to_string(tj_tick_state state);
const char *tj__tick_event_to_string(tj_tick_event event);

/* The decision that an end amounts to. */
tj_decision tj__tick_decision(tj_tick_end end);

static inline tj_tick_action tj__tick_begin(tj_tick *tick, uint32_t n_runners)
{
    if (tick->state != TJ_TICK_IDLE)
        return TJ_TICK_SKIP;
    tick->n_runners = n_runners;
    tick->n_ran = 0;
    tick->n_failed = 0;
    tick->end = n_runners ? TJ_TICK_END_RAN : TJ_TICK_END_EMPTY;
    tick->state = n_runners ? TJ_TICK_ASKING : TJ_TICK_ENDING;
    return n_runners ? TJ_TICK_ASK : TJ_TICK_END;
}

/* A state and an event that do not meet: a mistake of the shell. */
static inline tj_tick_action tj__tick_misstep(void)
{
    assert(false && "an event that this state does not know");
    return TJ_TICK_WAIT;
}

static inline tj_tick_action
tj__tick_finish(tj_tick *tick, tj_tick_state state, tj_tick_end end)
{
    tick->state = state;
    tick->end = end;
    return state == TJ_TICK_LEAVING ? TJ_TICK_LEAVE : TJ_TICK_END;
}

static inline tj_tick_action tj__tick_step_asking(tj_tick *tick,
                                                  tj_tick_event event)
{
    switch (event) {
    case TJ_TICK_OPEN:
        tick->state = TJ_TICK_RUNNING;
        return TJ_TICK_RUN;
    case TJ_TICK_NOT_LEADER:
        return tj__tick_finish(tick, TJ_TICK_ENDING, TJ_TICK_END_NOT_LEADER);
    case TJ_TICK_PAUSED:
        return tj__tick_finish(tick, TJ_TICK_ENDING, TJ_TICK_END_PAUSED);
    case TJ_TICK_FAILED:
        return tj__tick_finish(tick, TJ_TICK_ENDING, TJ_TICK_END_GATE_FAILED);
    case TJ_TICK_CANCEL:
        return tj__tick_finish(tick, TJ_TICK_ENDING, TJ_TICK_END_CANCELLED);
    case TJ_TICK_RAN_OK:
    case TJ_TICK_RAN_FAILED:
    case TJ_TICK_OVER:
    default:
        return tj__tick_misstep();
    }
}

static inline tj_tick_action tj__tick_step_running(tj_tick *tick,
                                                   tj_tick_event event)
{
    if (event != TJ_TICK_RAN_OK && event != TJ_TICK_RAN_FAILED)
        return tj__tick_misstep();
    tick->n_ran++;
    if (event == TJ_TICK_RAN_FAILED)
        tick->n_failed++;
    if (tick->n_ran < tick->n_runners) {
        tick->state = TJ_TICK_CHECKING;
        return TJ_TICK_CHECK;
    }
    return tj__tick_finish(tick, TJ_TICK_LEAVING, TJ_TICK_END_RAN);
}

static inline tj_tick_action tj__tick_step_checking(tj_tick *tick,
                                                    tj_tick_event event)
{
    switch (event) {
    case TJ_TICK_OPEN:
        tick->state = TJ_TICK_RUNNING;
        return TJ_TICK_RUN;
    case TJ_TICK_NOT_LEADER:
        return tj__tick_finish(tick, TJ_TICK_LEAVING, TJ_TICK_END_LOST_LEADER);
    case TJ_TICK_PAUSED:
        return tj__tick_finish(tick, TJ_TICK_LEAVING, TJ_TICK_END_LOST_PAUSED);
    case TJ_TICK_FAILED:
        return tj__tick_finish(tick, TJ_TICK_LEAVING, TJ_TICK_END_LOST_FAILED);
    case TJ_TICK_CANCEL:
        return tj__tick_finish(tick, TJ_TICK_LEAVING, TJ_TICK_END_CANCELLED);
    case TJ_TICK_RAN_OK:
    case TJ_TICK_RAN_FAILED:
    case TJ_TICK_OVER:
    default:
        return tj__tick_misstep();
    }
}

/* A gate can spoil a tick whose runners all ran; one that was cut short has
 * its reason already. */
static inline tj_tick_action tj__tick_step_leaving(tj_tick *tick,
                                                   tj_tick_event event)
{
    if (event == TJ_TICK_OPEN || tick->end != TJ_TICK_END_RAN)
        return tj__tick_finish(tick, TJ_TICK_ENDING, tick->end);
    return tj__tick_finish(tick, TJ_TICK_ENDING, TJ_TICK_END_GATE_FAILED);
}

/* In RUNNING: the same as `n` times RAN_OK and then OPEN, for the shell that
 * knows the answers beforehand. At least one runner must be left. */
static inline void tj__tick_skip_ahead(tj_tick *tick, uint32_t n)
{
    assert(tick->state == TJ_TICK_RUNNING);
    assert(n < tick->n_runners - tick->n_ran);
    tick->n_ran += n;
}

static inline tj_tick_action tj__tick_step(tj_tick *tick, tj_tick_event event)
{
    switch (tick->state) {
    case TJ_TICK_ASKING:
        return tj__tick_step_asking(tick, event);
    case TJ_TICK_RUNNING:
        return tj__tick_step_running(tick, event);
    case TJ_TICK_CHECKING:
        return tj__tick_step_checking(tick, event);
    case TJ_TICK_LEAVING:
        return tj__tick_step_leaving(tick, event);
    case TJ_TICK_ENDING:
        if (event != TJ_TICK_OVER)
            return tj__tick_misstep();
        tick->state = TJ_TICK_IDLE;
        return TJ_TICK_WAIT;
    case TJ_TICK_IDLE:
    default:
        return tj__tick_misstep();
    }
}

#endif
