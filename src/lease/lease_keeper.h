/* Inside a lease: what its two threads share, and who may touch what. */
#ifndef TJ_LEASE_LEASE_KEEPER_H
#define TJ_LEASE_LEASE_KEEPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <timedjobs/lease.h>

#include "lease/lease_shared.h"
#include "lease/lease_step.h"

/* A pause to be set: made by the loop's thread, carried out by the keeper,
 * told and freed on the loop's thread. */
typedef struct tj_lease_request {
    tj_task task; /* first: the request is found from it */
    struct tj_lease_request *next;
    tj_lease_pause pause;
    tj_lease_request_cb cb;
    void *userdata;
    int code;
    tj_error error;
} tj_lease_request;

/* Somebody who waits for the stop. */
typedef struct tj_lease_waiter {
    tj_task task; /* first; used when there is nothing to wait for */
    struct tj_lease_waiter *next;
    tj_lease_done_cb cb;
    void *userdata;
} tj_lease_waiter;

typedef struct tj_lease_wishes {
    bool stop;
    bool abandon; /* closed: whatever is held counts as drained */
    bool step_down;
    char step_down_reason[TJ_LEASE_REASON_SIZE];
    int64_t drained_term;
    tj_lease_request *requests; /* in order */
} tj_lease_wishes;

typedef enum tj_lease_life {
    TJ_LEASE_LIFE_IDLE,    /* no keeper */
    TJ_LEASE_LIFE_RUNNING, /* a keeper */
    TJ_LEASE_LIFE_STOPPING /* a keeper that was told to end */
} tj_lease_life;

/* What the gate answered last, when that was OPEN, and from what. */
typedef struct tj_lease_glance {
    struct timespec coarse; /* 0: nothing */
    uint64_t turn;
    int64_t shut_term;
    int64_t term;
} tj_lease_glance;

/* In the order of who may touch it. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct tj_lease {
    /* Never changed after tj_lease_new. */
    char name[TJ_LEASE_NAME_SIZE];
    char *state_dir;
    tj_lease_backend *backend;
    bool take_backend;
    tj_loop *loop;
    struct tj_deadline_cell *cell;
    tj_lease_change_cb on_change;
    void *userdata;
    int64_t heartbeat_timeout_ns;
    int wake_fd;  /* eventfd: wishes wait */
    int timer_fd; /* CLOCK_BOOTTIME: goes on counting in suspend */

    /* Any thread. */
    tj_lease_shared shared;
    _Atomic int64_t heartbeat_ns;
    _Atomic bool change_posted;

    /* Any thread, under the lock. */
    pthread_mutex_t lock;
    tj_lease_wishes wishes;
    tj_lease_request **last_request;
    bool keeper_ended; /* nobody would grant a wish any more */

    /* The keeper's while it runs. */
    tj_lease_machine machine;
    tj_lease_view shown;

    /* The loop's. */
    pthread_t keeper;
    tj_lease_life life;
    bool closing;
    tj_lease_glance glance;
    int64_t coarse_tick_ns; /* how far the coarse clock moves at a time */
    tj_task change_task;
    tj_task ended_task;
    tj_task closed_task;
    tj_timer *timer; /* armed for the next order that time alone brings */
    tj_lease_view told;
    bool told_any;
    tj_lease_waiter *waiters;
    tj_lease_done_cb close_cb;
    void *close_userdata;
};

/* The keeper's thread, given its lease, from first line to last. It posts
 * `ended_task` last. */
void *tj__lease_keeper_main(void *userdata);

/* Show what the machine says. For the keeper, and for the loop's thread while
 * there is none. */
void tj__lease_keeper_show(tj_lease *lease);

/* Let the keeper look at its wishes. Any thread. */
void tj__lease_keeper_wake(tj_lease *lease);

/* True when `on_change` is to be told of the difference. */
bool tj__lease_view_differs(const tj_lease_view *left,
                            const tj_lease_view *right);

#endif
