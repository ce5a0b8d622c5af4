/* A fleet of lease state machines around one row, in simulated time.
 *
 * Real time is nobody's: each node has a clock of its own with an offset and a
 * rate. Calls take time, and their requests and answers can be lost, delayed
 * or doubled; nodes can be frozen and can crash; a warden that never sleeps
 * kills a node's runs at K. Whoever breaks what the protocol promises is
 * caught by the checks in fleet_check, which know nothing of the protocol. */
#ifndef TESTS_LEASE_FLEET_H
#define TESTS_LEASE_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "lease/lease_step.h"

#define MS INT64_C(1000000)

enum { FLEET_NODES = 3, FLEET_EFFECTS = 64 };

/* What happens to one call on the way. All relative to its start. */
typedef struct fleet_fate {
    int64_t effect_ns; /* when it takes effect; < 0: never */
    int64_t again_ns;  /* and once more; < 0: no */
    int64_t answer_ns; /* when the answer arrives; < 0: it times out */
} fleet_fate;

typedef struct fleet_node {
    char name;
    bool up;
    tj_lease_machine machine;
    tj_lease_rules rules;
    int incarnation;
    int64_t offset_ns; /* its clock at real time 0 */
    int64_t rate_ppm;  /* how much faster its clock runs */
    int64_t hw;        /* its term.hw */
    bool hw_broken;    /* the file cannot be written */
    bool cut;          /* no call reaches the row */

    int64_t wake_ns; /* real time of its next turn */
    int64_t frozen_until_ns;

    bool calling;
    int64_t call_id;
    tj_lease_action action;
    tj_lease_record seen; /* a copy: what the action compares */
    int64_t sent_local_ns;
    int64_t answer_at_ns;
    bool answered; /* it will be an answer and not a time-out */
    tj_lease_outcome outcome;
    tj_lease_record record;

    tj_lease_view view;  /* what it shows */
    int64_t drain_at_ns; /* when its owner will be through; 0: not asked */
    int64_t drain_takes_ns;
    bool runs_alive;
    int64_t killed_at_ns; /* real time of the warden's kill; 0: not yet due */
    int64_t kill_late_ns; /* how late its warden is */
} fleet_node;

typedef struct fleet_effect {
    int64_t at_ns; /* 0: free */
    int node;
    int incarnation;
    int64_t call_id;
    tj_lease_action action;
    tj_lease_record seen;
    tj_lease_record claim;
} fleet_effect;

/* Mistakes that the checks must catch. */
typedef enum fleet_mistake {
    FLEET_RIGHT,
    FLEET_ANCHOR_AT_ANSWER, /* deadlines from the answer, not the send */
    FLEET_COMPARE_LATEST,   /* acquire whatever the row is by then */
    FLEET_DEAD_AFTER_LEASE, /* D > L */
    FLEET_RELEASE_FIRST,    /* release before the runs have ended */
    FLEET_CLOCKS_APART,     /* clock rates differ by far more than rho */
    FLEET_CLOCK_SLEEPS      /* the clock stands still while frozen */
} fleet_mistake;

typedef struct lease_fleet {
    int64_t now_ns; /* real time */
    tj_lease_record row;
    fleet_node nodes[FLEET_NODES];
    int n_nodes;
    fleet_effect effects[FLEET_EFFECTS];
    int64_t next_call_id;
    uint64_t random;
    fleet_fate (*fate)(struct lease_fleet *fleet,
                       fleet_node *node,
                       tj_lease_op op);
    fleet_mistake mistake;

    /* What must never happen. */
    int64_t highest_term; /* of accepted writes */
    char term_holder[4096][TJ_LEASE_HOLDER_SIZE];
    const char *violation; /* the first one */
    int64_t n_leads;

    tj_buf story; /* one line for each thing that a node showed */
} lease_fleet;

/* The defaults of the library: L 6 s, R 0.8 s, N 2.8, T 3.2, K 4.4, D 4.8. */
void fleet_init(lease_fleet *fleet, int n_nodes, uint64_t seed);
void fleet_done(lease_fleet *fleet);

/* Between 0 and `most`. */
int64_t fleet_random(lease_fleet *fleet, int64_t most);

void fleet_start(lease_fleet *fleet, int node);
void fleet_stop(lease_fleet *fleet, int node);
void fleet_step_down(lease_fleet *fleet, int node, const char *why);
void fleet_heartbeat(lease_fleet *fleet, int node, bool yes);
void fleet_hint(lease_fleet *fleet, int node);
/* Kill the process; its warden kills the runs `warden_ns` later and, if
 * `releases`, gives the lease back then. */
void fleet_crash(lease_fleet *fleet,
                 int node,
                 int64_t warden_ns,
                 bool releases);
void fleet_freeze(lease_fleet *fleet, int node, int64_t for_ns);

/* Let real time pass. */
void fleet_run(lease_fleet *fleet, int64_t for_ns);

/* Add a line to the story. */
void fleet_say(lease_fleet *fleet, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The holder id of a node's incarnation, as text of 32 digits. */
void fleet_holder(char holder[TJ_LEASE_HOLDER_SIZE],
                  const fleet_node *node,
                  int index);

#endif
