/* timed-jobs-warden from inside: its state and what its parts do for each
 * other.
 *
 * One thread, one epoll loop, no memory allocated after the start: everything
 * lives in one struct of fixed size, which is locked in memory. */
#ifndef TJ_WARDEN_MAIN_WARDEN_H
#define TJ_WARDEN_MAIN_WARDEN_H

#include "base/deadline_cell.h"
#include "warden/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_VICTIMS      1024
#define VICTIM_HASH_SIZE 2048 /* a power of two, above MAX_VICTIMS */
#define PID_HASH_SIZE    1024 /* a power of two */
#define RELEASE_TEXT_MAX 16384
#define MAX_RELEASE_ARGS 32
#define NO_SLOT          UINT16_MAX
#define NEVER            INT64_MAX

/* After a KILL: how long until a process that is still there counts as one
 * that cannot be killed, and how often it is looked for. */
#define SURVIVOR_NS      (5 * INT64_C(1000000000))
#define RESWEEP_NS       (10 * INT64_C(1000000))
#define RELEASE_LIMIT_NS (5 * INT64_C(1000000000))
#define DAEMON_DEATH_NS  (2 * INT64_C(1000000000))

/* The life of a run:
 *
 *   FREE -> RUNNING -> TERMINATING -> KILLED -> SWEEPING -> FREE
 *              |  \________________/^             ^
 *              \_________________________________/
 *
 * RUNNING: nothing was asked of it. TERMINATING: TERM was sent, the grace
 * runs. KILLED: KILL was sent, the main process has not been reaped yet.
 * SWEEPING: the main process is gone, leftovers are being killed. */
enum run_state {
    RUN_FREE,
    RUN_RUNNING,
    RUN_TERMINATING,
    RUN_KILLED,
    RUN_SWEEPING,
    RUN_REPORTING /* over, but the daemon's socket is full */
};

/* Written by the child between fork and exec; shared memory. */
struct start_failure {
    int step;
    int error;
};

struct run {
    enum run_state state;
    uint16_t hash_next; /* next slot in the same bucket of pid_hash */
    bool tell_started;  /* STARTED could not be sent yet */
    bool was_swept;     /* leftovers were counted */
    int32_t cell;
    pid_t pid; /* 0 once it was reaped */
    pid_t session;
    uint64_t start_ticks; /* as field 22 of /proc/PID/stat */
    int64_t started_ns;   /* CLOCK_MONOTONIC, like the next two */
    int64_t act_at_ns;    /* timeout, end of grace, or giving up */
    int64_t grace_ns;
    int64_t term;
    uint32_t n_alive; /* found by the last sweep */
    char run_id[WIRE_RUN_ID_SIZE];
    struct wire_ended report;
};

/* What the warden remembers of a cell beside the shared memory. */
struct cell_watch {
    int64_t killed_for_ns; /* the kill_at that was carried out, 0: none */
    int64_t hang_at_ns;    /* when the daemon counts as hanging; NEVER */
    uint32_t n_arguments;  /* of the release command; 0: none */
    char *arguments[MAX_RELEASE_ARGS + 3];
    pid_t release_pid;
};

enum phase {
    PHASE_SERVING,
    PHASE_KILLING,  /* no more starts; until no child is left */
    PHASE_WAITING,  /* all dead; is the daemon? */
    PHASE_RELEASING /* the release commands run */
};

struct victim {
    pid_t pid;
    pid_t parent;
    uint16_t owner; /* slot, or NO_SLOT */
};

struct warden {
    /* descriptors */
    int epoll_fd;
    int signal_fd;
    int lease_timer_fd; /* CLOCK_BOOTTIME */
    int run_timer_fd;   /* CLOCK_MONOTONIC */
    int daemon_fd;      /* pidfd, -1 before HELLO */
    int wake_fd;        /* eventfd, -1 before HELLO */
    int children_fd;    /* /proc/self/task/TID/children */
    int null_fd;
    int result_fds[WIRE_RUN_FDS]; /* of the message in hand */

    pid_t pid;
    bool greeted;
    bool kill_hung;
    bool daemon_dead;
    bool socket_gone;
    bool want_write;
    bool must_sweep;  /* at the end of this round */
    bool all_is_lost; /* everything is condemned */
    bool failed;      /* ends with WIRE_EXIT_PROTOCOL */
    bool oom_lowered;
    int oom_score; /* what commands get back */
    int lock_errno;
    int oom_errno;
    enum phase phase;
    int64_t phase_until_ns; /* CLOCK_MONOTONIC */
    uint64_t ticks_per_second;

    uint32_t n_cells;
    tj_deadline_cell *cells;
    struct cell_watch watches[WIRE_CELLS_MAX];
    char release_text[RELEASE_TEXT_MAX];
    size_t release_text_size;

    struct start_failure *failures; /* shared, one for each slot */
    struct run runs[WIRE_RUNS_MAX];
    uint32_t n_heard;   /* STOPs that were not answered yet */
    uint32_t n_runs;    /* slots that are not free */
    uint32_t slots_end; /* every slot in use is below */
    uint16_t pid_hash[PID_HASH_SIZE];
    int64_t run_timer_at_ns;
    int64_t lease_timer_at_ns;
    int64_t sweep_at_ns; /* next look for what was killed; NEVER */

    struct victim victims[MAX_VICTIMS];
    uint32_t n_victims;
    uint32_t n_strays; /* among what the last sweep found */
    pid_t victim_hash[VICTIM_HASH_SIZE];

    char *strings[WIRE_STRINGS_MAX + 2];
    char scratch[16384];
    char message[WIRE_MESSAGE_MAX];
};

/* ---- time.c ---- */
int64_t warden_now_ns(int clock);
/* Arm an absolute timer; NEVER disarms. */
void warden_timer_arm(int fd, int64_t at_ns);
void warden_timer_drain(int fd);

/* ---- runs.c: the table, and what is done with a run ---- */
void warden_runs_init(struct warden *w);
struct run *warden_run_by_pid(struct warden *w, pid_t pid);
uint16_t warden_run_slot(const struct warden *w, const struct run *run);
/* True when everything of the run is to die. */
bool warden_run_is_condemned(const struct run *run);
void warden_run_begin(struct warden *w, const struct wire_start *start);
void warden_run_stop(struct warden *w,
                     struct run *run,
                     enum wire_cause cause,
                     int64_t grace_ns);
/* KILL to its group at once; the sweep at the end of the round does the rest */
void warden_run_kill(struct warden *w, struct run *run, enum wire_cause cause);
/* Reap what has died. False when there are no children left at all. */
bool warden_reap(struct warden *w);
/* Carry out the deadlines that have passed, and arm the timer anew. */
void warden_runs_act(struct warden *w);
/* Finish the runs of which the sweep found nothing alive. */
void warden_runs_swept(struct warden *w);
/* Send what could not be sent before. */
void warden_runs_report(struct warden *w);

/* ---- spawn.c ---- */
/* Start the command of `start`, whose strings are in w->strings. Returns the
 * pid, or -1 with errno of fork. What fails later is in *failure. */
pid_t warden_spawn(struct warden *w,
                   const struct wire_start *start,
                   const char *directory,
                   char *const *arguments,
                   char *const *environment,
                   struct start_failure *failure);
/* Start a release command with the warden's own environment. */
pid_t warden_spawn_release(struct warden *w, char *const *arguments);

/* ---- tree.c: who belongs to whom, and the end of trees ---- */
/* Find every process of a condemned run, stop and then kill them; finish the
 * runs of which nothing is left. */
void warden_sweep(struct warden *w);

/* ---- proc.c: /proc without allocation ---- */
struct proc_stat {
    char state;
    pid_t parent;
    pid_t session;
    uint64_t start_ticks;
};

/* False when there is no such process. */
bool warden_proc_stat(pid_t pid, struct proc_stat *ret_stat);
/* Call `found` for each child of a process (all its threads). */
typedef void (*warden_child_cb)(struct warden *w, pid_t parent, pid_t child);
void warden_proc_own_children(struct warden *w, warden_child_cb found);
void warden_proc_children(struct warden *w, pid_t pid, warden_child_cb found);
/* Read the run id out of a process's environment. */
bool warden_proc_run_id(struct warden *w, pid_t pid, char id[WIRE_RUN_ID_SIZE]);

/* ---- lease.c: the deadlines of cells, and the release of leases ---- */
/* True when a run under `cell` and `term` may start or go on living. */
bool warden_lease_holds(const struct warden *w, int32_t cell, int64_t term);
/* Carry out what is due, then arm the timer for what is next. */
void warden_lease_check(struct warden *w);
/* Arm the timer for a cell in case nobody told of its acquisition. */
void warden_lease_watch(struct warden *w, int32_t cell);
void warden_lease_release(struct warden *w);
/* Tell of a child's end; true when it was a release command. */
bool warden_lease_reaped(struct warden *w, pid_t pid);
bool warden_lease_is_released(const struct warden *w);
void warden_lease_give_up(struct warden *w);

/* ---- link.c: the socket ---- */
void warden_link_read(struct warden *w);
/* False when the socket is full (want_write is set). */
bool warden_link_send(struct warden *w, const void *message, size_t size);

/* ---- main.c ---- */
/* The daemon is gone, or asked for the end: kill everything. */
void warden_end_begin(struct warden *w, enum wire_cause cause);

#endif
