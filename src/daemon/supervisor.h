/* One running daemon: what it is made of, and what its parts call.
 *
 * Everything here lives on the loop's thread. The parts:
 *   daemon.c      start, the way down, signals
 *   wardens.c     the warden and its successors
 *   sockets.c     where the control interface listens
 *   jobs.c        engines made from the configuration, their counts
 *   leadership.c  what the lease says, told to the runs and to people
 *   operations.c  what the control interface answers
 *   metrics.c     its figures
 *   trouble.c     the log writer's complaints, brought to this thread */
#ifndef TJ_DAEMON_SUPERVISOR_H
#define TJ_DAEMON_SUPERVISOR_H

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

#include "control/server.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/narrator.h"
#include "runners/command.h"
#include "warden/client.h"

#include <timedjobs/engine.h>
#include <timedjobs/lease.h>
#include <timedjobs/log.h>
#include <timedjobs/loop.h>

struct daemon;

/* The way down, in this order and no other. */
enum daemon_phase {
    DAEMON_STARTING,
    DAEMON_RUNNING,
    DAEMON_DRAINING,  /* no new ticks; those in flight run to their end */
    DAEMON_RELEASING, /* nothing runs; the lease is being handed over */
    DAEMON_CLOSING    /* handles are being closed */
};

struct daemon_job {
    struct daemon *daemon;
    const struct config_job *config;
    tj_engine *engine;
    int64_t next_wall_ms; /* when the next interval tick is due; 0: none */
    uint64_t n_ticks;
    uint64_t n_failed;
    uint64_t n_skipped;
    bool has_last;
    tj_tick_report last; /* its borrowed members point at what follows */
    tj_tick_result last_result;
    char *last_error;    /* NULL when nothing failed */
    char *first_trouble; /* "runner: why", of the tick in flight */
};

/* The log writer complains on its own thread. */
struct daemon_trouble {
    tj_task task;
    pthread_mutex_t lock;
    bool posted;
    bool over;
    tj_error error;
    uint64_t n_dropped;
};

enum { DAEMON_SERVERS_MAX = 2 };

struct daemon {
    const daemon_options *options;
    char program[4096]; /* this executable, absolute */
    struct config *config;
    struct narrator narrator;
    enum daemon_phase phase;
    int exit_code;
    int64_t started_wall_ms;

    uv_loop_t uv;
    tj_loop *loop;
    uv_signal_t signals[3]; /* SIGTERM, SIGINT, SIGHUP */
    size_t n_signals;
    uv_timer_t heartbeat;
    uv_timer_t drain_timer; /* a hand-over's patience */
    uv_timer_t warden_timer;
    uv_timer_t trim_timer;
    uv_timer_t socket_timer;
    bool timers_made;
    bool is_watched; /* by a service manager's watchdog */

    tj_day_log *log;
    struct daemon_trouble trouble;

    tj_lease *lease;
    tj_lease_view view; /* as last told by the lease */
    bool view_told;     /* a first view has come */
    int64_t led_term;   /* the term under which we lead, or still drain */
    int64_t led_since_wall_ms;
    int64_t drained_term; /* the last one that the keeper knows has ended */
    bool lost_told;
    char followed[TJ_LEASE_HOLDER_SIZE]; /* whom we said we follow */
    int64_t followed_term;
    int64_t swept_term; /* nothing of its predecessor is left */
    bool trouble_told;  /* that the backend cannot be reached */
    bool pause_told;
    tj_task drained_check;
    bool drained_check_posted;
    bool stepping_down;
    int64_t step_down_term;
    control_call *step_down_call;

    tj_warden_cells *cells;
    tj_warden *warden;
    tj_warden_info warden_info;
    uint64_t n_warden_restarts;
    uint64_t warden_started_ns;
    tj_command_host command_host;

    control_server *servers[DAEMON_SERVERS_MAX];
    char *server_paths[DAEMON_SERVERS_MAX];
    size_t n_servers;
    bool socket_loss_told;

    struct daemon_job *jobs;
    size_t n_jobs;
    size_t n_stopping; /* engines whose stop has not come to its end */
    size_t n_closing;  /* what still has to close */
    int stop_signal;   /* the signal that began the stop; 0: none */
};

/* ---- daemon.c ---- */

/* Begin the way down; `who` is for people. A second call changes nothing. */
void daemon_stop(struct daemon *daemon, const char *who);
/* Tell the service manager who leads. */
void daemon_notify_status(struct daemon *daemon);

/* ---- wardens.c ---- */

/* Start the first warden; its refusal is an error. */
int wardens_new(struct daemon *daemon, tj_error *reterr);
/* Start a successor; a refusal is told and tried again later. */
void wardens_start(struct daemon *daemon);
/* Say what hands the lease on when this process has died. */
int wardens_set_release(struct daemon *daemon, tj_error *reterr);

/* ---- sockets.c ---- */

int sockets_open(struct daemon *daemon, tj_error *reterr);
/* This daemon leads now: answer under the usual name if nobody does. */
void sockets_own_default(struct daemon *daemon);
/* Make a socket file that somebody deleted anew, as root's cleaning jobs and
 * commands of the same user do; what is connected stays so. */
void sockets_restore(struct daemon *daemon);
/* Close all; each end counts down daemon->n_closing. */
void sockets_close(struct daemon *daemon);
/* Publish an event to everybody who listens; takes `event`. */
void daemon_publish(struct daemon *daemon, const char *name, tj_json *event);

/* ---- jobs.c ---- */

/* Make one engine for each job. Returns 0 or an error. */
int jobs_new(struct daemon *daemon, tj_error *reterr);
int jobs_start(struct daemon *daemon, tj_error *reterr);
/* Stop all; daemon->n_stopping falls to 0 and `jobs_on_stopped` is told. */
void jobs_stop(struct daemon *daemon);
void daemon_on_jobs_stopped(struct daemon *daemon);
/* Close all engines; each end counts down daemon->n_closing. */
void jobs_close(struct daemon *daemon);
void jobs_free(struct daemon *daemon);
bool jobs_are_busy(const struct daemon *daemon);
struct daemon_job *jobs_find(struct daemon *daemon, const char *name);
tj_json *job_to_json(const struct daemon_job *job);

/* ---- leadership.c ---- */

/* Make the lease from the configuration; nothing is asked yet. A wrong
 * combination of its times is reported at its place in the file. */
int leadership_new(struct daemon *daemon, tj_error *reterr);
int leadership_check(const struct config *config, struct config_report *report);
/* The lease's own parts of the status. */
tj_json *leadership_to_json(struct daemon *daemon);
tj_json *leadership_pause_to_json(const tj_lease_pause *pause);
/* A tick has ended, or a stop: look whether the lease can be handed over. */
void leadership_check_drained(struct daemon *daemon);
/* Nothing more comes of the lease: answer who still waits for it. */
void leadership_answer_all(struct daemon *daemon);
/* May a command be started? For the command runners. */
bool leadership_may_start(int cell, tj_error *reterr, void *userdata);

/* ---- operations.c ---- */

control_api operations_api(struct daemon *daemon);

/* ---- metrics.c ---- */

void metrics_answer(control_call *call, void *userdata);

/* ---- trouble.c ---- */

void trouble_init(struct daemon *daemon);
void trouble_done(struct daemon *daemon);
/* tj_day_log_options.on_trouble; any thread. */
void trouble_tell(const tj_error *error, uint64_t n_dropped, void *userdata);

/* ---- for all ---- */

/* One of daemon->n_closing has closed. */
void daemon_closed_one(void *userdata);

#endif
