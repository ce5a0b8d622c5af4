/* Start, stop, drain, close: an engine's life as a pure state machine.
 *
 *            START                STOP, a tick in flight
 *   STOPPED -------> STARTED --------------------------> DRAINING
 *    ^ |  |             |                                   | IDLE: the
 *    | |  |             | STOP, nothing in flight           | tick is over
 *    | |  | STOP        v                                   |
 *    | |  +-------> FLUSHING <------------------------------+
 *    | |                | FLUSHED: a round is over; once closing: CLOSED
 *    | +-- STOP, a tick |
 *    |     in flight:   |
 *    |     DRAINING     |
 *    +------------------+
 *
 * A round is what one stop does, from the call to the last line being with
 * the kernel. Further stops join the round under way. One case needs another
 * round: a stop, while the flush is under way, that finds a manual tick in
 * flight which began after the round had drained. */
#ifndef TJ_ENGINE_LIFE_STEP_H
#define TJ_ENGINE_LIFE_STEP_H

#include <stdbool.h>

#define TJ_LIFE_STATE_MAP(X)        \
    X(TJ_LIFE_STOPPED, "stopped")   \
    X(TJ_LIFE_STARTED, "started")   \
    X(TJ_LIFE_DRAINING, "draining") \
    X(TJ_LIFE_FLUSHING, "flushing") \
    X(TJ_LIFE_CLOSED, "closed")

typedef enum tj_life_state {

#define TJ_LIFE_STATE_ENUM_(name, text) name,
    TJ_LIFE_STATE_MAP(TJ_LIFE_STATE_ENUM_)
#undef TJ_LIFE_STATE_ENUM_
} tj_life_state;

typedef enum tj_life_event {
    TJ_LIFE_START,
    TJ_LIFE_STOP,
    TJ_LIFE_CLOSE,  /* stop, and end for good */
    TJ_LIFE_IDLE,   /* the tick in flight is over */
    TJ_LIFE_FLUSHED /* what FLUSH asked for is done */
} tj_life_event;

/* What the shell has to do, in this order. */
enum {
    TJ_LIFE_REFUSE = 1 << 0,     /* not now: a stop is under way */
    TJ_LIFE_ENABLE = 1 << 1,     /* log `started`, keep the interval */
    TJ_LIFE_DISABLE = 1 << 2,    /* end the interval */
    TJ_LIFE_DRAIN = 1 << 3,      /* set the drain deadline */
    TJ_LIFE_ANNOUNCE = 1 << 4,   /* log `stopped` */
    TJ_LIFE_FLUSH = 1 << 5,      /* flush the log: FLUSHED */
    TJ_LIFE_ROUND_OVER = 1 << 6, /* call those who wait for this round */
    TJ_LIFE_JOIN_NEXT = 1 << 7   /* this stop waits for the next round */
};

/* Zero-initialised is a new engine. */
typedef struct tj_life {
    tj_life_state state;
    bool again;   /* another round follows this one */
    bool closing; /* no way back */
} tj_life;

const char *tj__life_state_to_string(tj_life_state state);

/* `busy` tells whether a tick is in flight. Returns a set of actions. */
unsigned tj__life_step(tj_life *life, tj_life_event event, bool busy);

#endif
