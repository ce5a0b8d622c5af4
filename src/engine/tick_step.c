/* The words of the tick's machine; its steps are in tick_step.h. */
#include "engine/tick_step.h"

const char *tj__tick_state_to_string(tj_tick_state state)
{
    switch (state) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_TICK_STATE_MAP(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}

const char *tj__tick_event_to_string(tj_tick_event event)
{
    switch (event) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_TICK_EVENT_MAP(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}

tj_decision tj__tick_decision(tj_tick_end end)
{
    switch (end) {
    case TJ_TICK_END_RAN:
        return TJ_DECISION_SCHEDULED;
    case TJ_TICK_END_EMPTY:
        return TJ_DECISION_SKIPPED_NO_RUNNERS;
    case TJ_TICK_END_NOT_LEADER:
        return TJ_DECISION_SKIPPED_NOT_LEADER;
    case TJ_TICK_END_PAUSED:
        return TJ_DECISION_SKIPPED_SYSTEM_PAUSED;
    case TJ_TICK_END_GATE_FAILED:
    case TJ_TICK_END_LOST_LEADER:
    case TJ_TICK_END_LOST_PAUSED:
    case TJ_TICK_END_LOST_FAILED:
    case TJ_TICK_END_CANCELLED:
    default:
        return TJ_DECISION_FAILED;
    }
}
