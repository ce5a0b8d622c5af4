/* What a view says at a given instant; and the names of states and orders. See
 * lease_step.h and timedjobs/lease.h. */
#include "lease/lease_step.h"

#include <stdio.h>

const char *tj_lease_state_to_string(tj_lease_state state)
{
    switch (state) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_LEASE_STATE_MAP(TEXT)
#undef TEXT
    }
    return "unknown";
}

const char *tj_lease_order_to_string(tj_lease_order order)
{
    switch (order) {
#define TEXT(name, text) \
    case name:           \
        return text;
        TJ_LEASE_ORDER_MAP(TEXT)
#undef TEXT
    }
    return "unknown";
}

/* The machine will say so too, once its thread is at it. */
static void tell_unconfirmed(tj_lease_view *view, int64_t now_ns)
{
    char why[TJ_LEASE_REASON_SIZE] = "";

    if (view->unreachable)
        (void)snprintf(why, sizeof(why), ": %.150s", view->reason);
    (void)snprintf(view->reason, sizeof(view->reason),
                   "no renewal confirmed for %lld ms%.200s",
                   (long long)((now_ns - view->last_confirmed_ns) / 1000000),
                   why);
}

void tj__lease_view_at(tj_lease_view *view, int64_t now_ns)
{
    if (view->order == TJ_LEASE_ORDER_REST)
        return;
    if (view->order == TJ_LEASE_ORDER_RUN && now_ns >= view->start_until_ns)
        view->order = TJ_LEASE_ORDER_HOLD;
    if (now_ns >= view->terminate_at_ns) {
        if (view->state == TJ_LEASE_LEADING)
            tell_unconfirmed(view, now_ns);
        view->state = TJ_LEASE_DRAINING;
        view->start_until_ns = 0;
        view->order = TJ_LEASE_ORDER_TERMINATE;
    }
    if (now_ns >= view->kill_at_ns)
        view->order = TJ_LEASE_ORDER_KILL;
    if (now_ns >= view->dead_at_ns)
        view->order = TJ_LEASE_ORDER_OVER;
}

int64_t tj__lease_view_next(const tj_lease_view *view, int64_t now_ns)
{
    const int64_t instants[] = { view->start_until_ns, view->terminate_at_ns,
                                 view->kill_at_ns, view->dead_at_ns };
    int64_t next = 0;
    size_t at;

    if (view->order == TJ_LEASE_ORDER_REST)
        return 0;
    for (at = 0; at < sizeof(instants) / sizeof(instants[0]); at++) {
        if (instants[at] > now_ns && (!next || instants[at] < next))
            next = instants[at];
    }
    return next;
}

bool tj__lease_pause_holds(const tj_lease_pause *pause, int64_t wall_ms)
{
    return pause->paused &&
           (!pause->until_wall_ms || wall_ms < pause->until_wall_ms);
}
