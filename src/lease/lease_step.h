/* The lease's state machine, pure: no clock, no thread, no input or output.
 *
 * A driver feeds events, each with the CLOCK_BOOTTIME instant at which it
 * happened, and asks what to do next. It carries that out, one thing at a
 * time, and feeds the answer. The rules are those of docs/design/lease.md:
 *
 *               read: free, or unchanged for a lease
 *   STOPPED -> FOLLOWING ---------------------------> SECURING
 *      ^          ^  ^          acquire done             | term kept, or
 *      |          |  |                                   | repaired and kept
 *      |          |  '-- ENDING, when the lease was lost v
 *      |          |        ^ stop, step-down, T,      LEADING --.
 *      |          |        | lost, no heartbeat          |      | renew done
 *      |          |        '-----------------------------'<-----'
 *      |          |   ENDING -- drained --> RELEASING
 *      '----------'<-------- released, or given up
 */
#ifndef TJ_LEASE_LEASE_STEP_H
#define TJ_LEASE_LEASE_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/lease.h>

/* What the protocol is run with. Durations in nanoseconds. */
typedef struct tj_lease_rules {
    int64_t lease_ns;     /* L */
    int64_t renew_ns;     /* R */
    int64_t no_start_ns;  /* N */
    int64_t terminate_ns; /* T */
    int64_t kill_ns;      /* K */
    int64_t dead_ns;      /* D */
    int64_t grace_ns;
    int64_t hold_off_ns;
    int64_t rho_ppm;
    uint64_t seed;      /* of the jitter between reads */
    bool one_host;      /* boot ids and process ids may be compared */
    bool keeps_hw;      /* term.hw is a file, not only a number in memory */
    tj_lease_record me; /* what an acquisition claims: holder, pid, ... */
} tj_lease_rules;

/* ---- what the driver is asked to do ---- */

typedef enum tj_lease_op {
    TJ_LEASE_OP_WAIT,         /* until action.until_ns, or an event */
    TJ_LEASE_OP_END,          /* nothing more: the lease is stopped */
    TJ_LEASE_OP_LOAD_HW,      /* read term.hw */
    TJ_LEASE_OP_SAVE_HW,      /* write action.term there, durably */
    TJ_LEASE_OP_CHECK_HOLDER, /* is the process of action.seen gone? */
    TJ_LEASE_OP_READ,
    TJ_LEASE_OP_ACQUIRE, /* with action.seen */
    TJ_LEASE_OP_RENEW,   /* action.term */
    TJ_LEASE_OP_RELEASE, /* action.term */
    TJ_LEASE_OP_REPAIR   /* action.term to action.new_term */
} tj_lease_op;

typedef struct tj_lease_action {
    tj_lease_op op;
    int64_t until_ns;
    int64_t term;
    int64_t new_term;
    const tj_lease_record *seen; /* the machine's, until the next event */
} tj_lease_action;

/* ---- what the driver tells ---- */

typedef enum tj_lease_event_kind {
    TJ_LEASE_EVENT_START,
    TJ_LEASE_EVENT_TIME,      /* nothing happened but time */
    TJ_LEASE_EVENT_ANSWER,    /* to the action `op` */
    TJ_LEASE_EVENT_HINT,      /* a watcher says that the row may be new */
    TJ_LEASE_EVENT_STOP,      /* give it up and end */
    TJ_LEASE_EVENT_STEP_DOWN, /* give it up for a while; `text` says why */
    TJ_LEASE_EVENT_DRAINED,   /* nothing of `term` runs any more */
    TJ_LEASE_EVENT_HEARTBEAT, /* the loop moves (`yes`), or not; `text` */
    TJ_LEASE_EVENT_PAUSE      /* `pause` is what the row has now */
} tj_lease_event_kind;

typedef struct tj_lease_event {
    tj_lease_event_kind kind;
    int64_t now_ns;
    /* of ANSWER */
    tj_lease_op op;
    int64_t sent_ns; /* taken before the call was made */
    int code;        /* not 0: its fate is not known */
    tj_lease_outcome outcome;
    const tj_lease_record *record; /* READ */
    /* of several; what is not needed is zero */
    const tj_lease_pause *pause; /* RENEW when done, PAUSE */
    const char *text;            /* of a failure; STEP_DOWN, HEARTBEAT */
    int64_t term;                /* LOAD_HW: the highest seen; DRAINED */
    bool yes;                    /* CHECK_HOLDER: gone; HEARTBEAT */
} tj_lease_event;

/* ---- the machine ---- */

typedef enum tj_lease_phase {
    TJ_LEASE_PHASE_STOPPED,
    TJ_LEASE_PHASE_FOLLOWING,
    TJ_LEASE_PHASE_SECURING,
    TJ_LEASE_PHASE_LEADING,
    TJ_LEASE_PHASE_ENDING,
    TJ_LEASE_PHASE_RELEASING
} tj_lease_phase;

/* In the order of its story, not of sizes. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
typedef struct tj_lease_machine {
    tj_lease_rules rules;
    tj_lease_phase phase;
    uint64_t random;

    /* Holding it. */
    int64_t term;
    int64_t sent_ns;       /* of the last confirmed write: the anchor of N..D */
    int64_t call_at_ns;    /* the next renewal or release */
    int64_t kill_by_ns;    /* K, or sooner when the lease was lost */
    tj_lease_order order;  /* of the owner, before deadlines are looked at */
    bool renewing;         /* ENDING in good order goes on renewing */
    bool lost;             /* somebody else has the row: nothing to release */
    bool hold_off;         /* after this end, let others stand first */
    int64_t give_up_at_ns; /* RELEASING: the last moment to try */

    /* Watching it. `seen` and `since_ns` change together only: the values
     * that an acquisition compares are those of the beginning of the wait. */
    bool seen_valid;
    tj_lease_record seen;
    int64_t since_ns;   /* when the answer that showed the change was here */
    int64_t read_at_ns; /* the next look */
    int64_t last_read_ns;
    bool read_first;    /* an acquisition's fate is not known */
    bool holder_asked;  /* whether the holder's process is gone: asked, */
    bool holder_gone;   /* and it is */
    int64_t adopt_term; /* the row turned out to be ours */
    int64_t ended_term; /* ended here, perhaps not yet released there */
    bool release_own;   /* the row still has ended_term */
    int64_t hold_off_until_ns;

    /* The highest term known, but for the ones held here. */
    int64_t hw;
    bool hw_known;
    bool hw_unsaved;
    int64_t hw_at_ns; /* the next attempt to load it */

    bool stopping;
    bool heartbeat_lost;
    bool unreachable; /* the last call failed */

    /* For display. */
    tj_lease_record row;
    int64_t row_seen_ns;
    uint64_t n_renewals;
    uint64_t n_unknown;
    char reason[TJ_LEASE_REASON_SIZE];
} tj_lease_machine;

void tj__lease_machine_init(tj_lease_machine *machine,
                            const tj_lease_rules *rules);

/* Take an event in. Times never go back from one event to the next. */
void tj__lease_step(tj_lease_machine *machine, const tj_lease_event *event);

/* Say what to do at `now_ns`, which must not be earlier than the last event.
 * Changes nothing: may be asked again. */
tj_lease_action tj__lease_next(const tj_lease_machine *machine, int64_t now_ns);

/* How long the row that is seen must stand still before it counts as given up:
 * the longer of both leases, and the clocks' difference. */
int64_t tj__lease_patience_ns(const tj_lease_machine *machine);

/* Fill in a view as it stands without looking at the clock. */
void tj__lease_machine_view(const tj_lease_machine *machine,
                            tj_lease_view *ret_view);

/* ---- a view and the clock (lease_view.c) ---- */

/* Bring a view to `now_ns`: deadlines that have passed change the order, and T
 * also ends LEADING. */
void tj__lease_view_at(tj_lease_view *view, int64_t now_ns);

/* When the order of a view (not yet brought to any instant) changes next by
 * time alone, after `now_ns`; 0 for never. */
int64_t tj__lease_view_next(const tj_lease_view *view, int64_t now_ns);

/* Tell whether a pause holds at `wall_ms`. */
bool tj__lease_pause_holds(const tj_lease_pause *pause, int64_t wall_ms);

/* ---- options (lease_options.c) ---- */

void tj__lease_rules_from_options(const tj_lease_options *options,
                                  tj_lease_rules *ret_rules);

#endif
