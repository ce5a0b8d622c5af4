/* See life_step.h. */
#include "engine/life_step.h"

const char *tj__life_state_to_string(tj_life_state state)
{
    switch (state) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_LIFE_STATE_MAP(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}

/* Begin a round. An engine that neither was started nor has anything in
 * flight does not say that it stopped: it only flushes. */
static unsigned round_begin(tj_life *life, bool busy)
{
    unsigned actions = 0;

    if (life->state == TJ_LIFE_STARTED)
        actions |= TJ_LIFE_DISABLE;
    if (busy) {
        life->state = TJ_LIFE_DRAINING;
        return actions | TJ_LIFE_DRAIN;
    }
    if (life->state == TJ_LIFE_STARTED)
        actions |= TJ_LIFE_ANNOUNCE;
    life->state = TJ_LIFE_FLUSHING;
    return actions | TJ_LIFE_FLUSH;
}

static unsigned stop(tj_life *life, bool busy)
{
    switch (life->state) {
    case TJ_LIFE_STOPPED:
    case TJ_LIFE_STARTED:
        return round_begin(life, busy);
    case TJ_LIFE_FLUSHING:
        if (!busy)
            return 0;
        life->again = true;
        return TJ_LIFE_JOIN_NEXT;
    case TJ_LIFE_CLOSED:
        return TJ_LIFE_ROUND_OVER;
    case TJ_LIFE_DRAINING:
    default:
        return 0;
    }
}

static unsigned flushed(tj_life *life, bool busy)
{
    if (life->again) {
        life->again = false;
        life->state = TJ_LIFE_STOPPED;
        return TJ_LIFE_ROUND_OVER | round_begin(life, busy);
    }
    life->state = life->closing ? TJ_LIFE_CLOSED : TJ_LIFE_STOPPED;
    return TJ_LIFE_ROUND_OVER;
}

unsigned tj__life_step(tj_life *life, tj_life_event event, bool busy)
{
    switch (event) {
    case TJ_LIFE_START:
        if (life->state == TJ_LIFE_STARTED)
            return 0;
        if (life->state != TJ_LIFE_STOPPED || life->closing)
            return TJ_LIFE_REFUSE;
        life->state = TJ_LIFE_STARTED;
        return TJ_LIFE_ENABLE;
    case TJ_LIFE_CLOSE:
        life->closing = true;
        return stop(life, busy);
    case TJ_LIFE_STOP:
        return stop(life, busy);
    case TJ_LIFE_IDLE:
        if (life->state != TJ_LIFE_DRAINING)
            return 0;
        life->state = TJ_LIFE_FLUSHING;
        return TJ_LIFE_ANNOUNCE | TJ_LIFE_FLUSH;
    case TJ_LIFE_FLUSHED:
        return life->state == TJ_LIFE_FLUSHING ? flushed(life, busy) : 0;
    default:
        return 0;
    }
}
