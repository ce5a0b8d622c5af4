/* The lease: who leads, under which term, and for how long that is known.
 *
 * A lease has a name and at most one holder. Its term is a number that grows
 * with every change of holder, for ever. A holder renews; it counts its
 * deadlines from the moment it sent the last renewal that was confirmed, on
 * CLOCK_BOOTTIME, so that a belief is a deadline and never a flag. A follower
 * takes over when the lease was released, or when it has watched it unchanged
 * for a whole lease. docs/design/lease.md tells the protocol.
 *
 * A tj_lease owns one thread, the keeper, which talks to the backend in plain
 * blocking calls; neither a busy loop nor a slow backend can delay the other.
 * Every call here is made on the loop's thread unless it says otherwise, none
 * blocks, and every callback runs on the loop's thread from a later turn.
 *
 * All `_ns` instants are CLOCK_BOOTTIME nanoseconds of this machine; 0 means
 * none. `_wall_ms` instants are milliseconds since the Unix epoch. */
#ifndef TIMEDJOBS_LEASE_H
#define TIMEDJOBS_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/error.h>
#include <timedjobs/export.h>
#include <timedjobs/gate.h>
#include <timedjobs/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tj_lease tj_lease;
typedef struct tj_lease_backend tj_lease_backend;
/* Memory that a keeper shares with its warden; internal to the daemon. */
struct tj_deadline_cell;

#define TJ_LEASE_TERM_MAX        INT64_C(9007199254740991) /* 2^53-1 */
#define TJ_LEASE_NAME_SIZE       65  /* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
#define TJ_LEASE_HOLDER_SIZE     33  /* 128 bits in hexadecimal */
#define TJ_LEASE_HOST_SIZE       65  /* a host's name */
#define TJ_LEASE_BOOT_ID_SIZE    37  /* a UUID */
#define TJ_LEASE_NAMESPACES_SIZE 64  /* "pid:[4026531836] time:[4026531834]" */
#define TJ_LEASE_WHO_SIZE        65  /* who paused */
#define TJ_LEASE_WHY_SIZE        201 /* and why */
#define TJ_LEASE_REASON_SIZE     256

/* ---- what is on record ---- */

/** The pause switch of a lease. All zero: not paused. */
typedef struct tj_lease_pause {
    bool paused;
    int64_t until_wall_ms; /* ends by itself then; 0: only when resumed */
    char who[TJ_LEASE_WHO_SIZE];
    char why[TJ_LEASE_WHY_SIZE];
} tj_lease_pause;

/** A lease's row. Plain data. */
typedef struct tj_lease_record {
    bool exists;   /* false: nobody has ever held it, the rest is zero */
    bool released; /* its holder gave it up: free for the taking */
    /* The holder's process being gone proves that its work is gone too. */
    bool frees_on_death;
    int64_t term; /* 1 to TJ_LEASE_TERM_MAX; 0: paused before anybody held it */
    int64_t seq;  /* grows with every acquisition, renewal and release */
    int64_t lease_ms; /* the holder's own lease_ms */
    int64_t pid;
    int64_t pid_start;        /* in clock ticks since boot; 0: not known */
    int64_t acquired_wall_ms; /* for display only */
    char holder[TJ_LEASE_HOLDER_SIZE];
    char host[TJ_LEASE_HOST_SIZE];
    char boot_id[TJ_LEASE_BOOT_ID_SIZE];       /* "": not known */
    char namespaces[TJ_LEASE_NAMESPACES_SIZE]; /* "": not known */
    tj_lease_pause pause;
} tj_lease_record;

/* ---- what this process may do ---- */

#define TJ_LEASE_STATE_MAP(X)        \
    X(TJ_LEASE_STOPPED, "stopped")   \
    X(TJ_LEASE_FOLLOWER, "follower") \
    X(TJ_LEASE_LEADING, "leading")   \
    X(TJ_LEASE_DRAINING, "draining")

typedef enum tj_lease_state {

#define TJ_LEASE_STATE_ENUM_(name, text) name,
    TJ_LEASE_STATE_MAP(TJ_LEASE_STATE_ENUM_)
#undef TJ_LEASE_STATE_ENUM_
} tj_lease_state;

/** Return the state's name, static. Any thread. */
TJ_EXPORT const char *tj_lease_state_to_string(tj_lease_state state);

/* What the owner has to do about its runs, from mild to stern. */
#define TJ_LEASE_ORDER_MAP(X)                                               \
    /* nothing is held, nothing runs */                                     \
    X(TJ_LEASE_ORDER_REST, "rest")                                          \
    /* run */                                                               \
    X(TJ_LEASE_ORDER_RUN, "run")                                            \
    /* start nothing new; RUN may come back (N has passed) */               \
    X(TJ_LEASE_ORDER_HOLD, "hold")                                          \
    /* start nothing new, end what runs, then call tj_lease_drained */      \
    X(TJ_LEASE_ORDER_DRAIN, "drain")                                        \
    /* the same, and ask every run to end now (T, or the lease was lost) */ \
    X(TJ_LEASE_ORDER_TERMINATE, "terminate")                                \
    /* the same, and kill every run now (K) */                              \
    X(TJ_LEASE_ORDER_KILL, "kill")                                          \
    /* another machine may lead from now on (D) */                          \
    X(TJ_LEASE_ORDER_OVER, "over")

typedef enum tj_lease_order {

#define TJ_LEASE_ORDER_ENUM_(name, text) name,
    TJ_LEASE_ORDER_MAP(TJ_LEASE_ORDER_ENUM_)
#undef TJ_LEASE_ORDER_ENUM_
} tj_lease_order;

/** Return the order's name, static. Any thread. */
TJ_EXPORT const char *tj_lease_order_to_string(tj_lease_order order);

/** Everything that is known, at one instant. Plain data. */
typedef struct tj_lease_view {
    tj_lease_state state;
    tj_lease_order order;
    int64_t term;              /* the one held, LEADING and DRAINING; else 0 */
    int64_t start_until_ns;    /* N: no run starts from then on; 0: none may */
    int64_t terminate_at_ns;   /* T: every run is asked to end */
    int64_t kill_at_ns;        /* K: every run is killed */
    int64_t dead_at_ns;        /* D: all are dead, the lease may move on */
    int64_t last_confirmed_ns; /* when the last confirmed renewal was sent */
    int64_t row_seen_ns;       /* when `row` was read; 0: never */
    uint64_t n_renewals;       /* confirmed, in this process */
    uint64_t n_unknown;        /* calls whose fate is not known */
    bool unreachable;          /* the last call on the backend failed */
    tj_lease_record row;       /* as last seen, for display; with the pause */
    char reason[TJ_LEASE_REASON_SIZE]; /* why it is so: "stepped down by …" */
} tj_lease_view;

/* ---- options ---- */

/** Told of every change of state, order, term, pause, holder and reason. Later
 * changes may be told in one call; `view` is borrowed for it. */
typedef void (*tj_lease_change_cb)(tj_lease *lease,
                                   const tj_lease_view *view,
                                   void *userdata);

/* With R, N, T, K, D and L as below, rho in parts of one and slack in ms:
 *     3 R < T    N <= T    T + grace <= K < D    D + slack <= L (1 - rho)
 */
typedef struct tj_lease_options {
    size_t size;               /* sizeof(tj_lease_options) */
    const char *name;          /* default "main"; copied */
    tj_lease_backend *backend; /* mandatory; not shared between leases */
    bool take_backend;         /* the lease frees it at its end (also when
                                * tj_lease_new fails); else borrowed until closed */
    tj_loop *loop;             /* mandatory, borrowed until closed */
    const char *host;          /* NULL: gethostname(); printable; copied */

    int64_t lease_ms;     /* L; 100 to 3,600,000; default 6,000 */
    int64_t renew_ms;     /* R; at least 10; default 800 */
    int64_t no_start_ms;  /* N; default 2,800 */
    int64_t terminate_ms; /* T; default 3,200 */
    int64_t kill_ms;      /* K; default 4,400 */
    int64_t dead_ms;      /* D; default 4,800 */
    int64_t grace_ms;     /* between asking a run to end and killing it;
                           * default 1,200 */
    int64_t slack_ms;     /* how late a kill may come; default 500 */
    int64_t rho_ppm;      /* how much clock rates may differ; default 10,000 */
    int64_t hold_off_ms;  /* after a step-down, no candidate for this long;
                           * default 6,000 */
    int64_t heartbeat_timeout_ms; /* a loop that did not tj_lease_heartbeat for
                                   * this long loses the lease; 0: off */

    /* Directory for "<name>.term.hw", the highest term that this machine has
     * seen; made if missing. NULL: kept in memory only. Copied. */
    const char *state_dir;
    /* Say on record that when this process is gone, all of its work is (no
     * commands outlive it, no warden has still to end them). A follower on the
     * same machine then takes over at once. Default false. */
    bool frees_on_death;
    /* Extended at each confirmed renewal, cleared by tj_lease_drained before
     * the release; NULL for none; borrowed until closed. */
    struct tj_deadline_cell *cell;

    tj_lease_change_cb on_change; /* may be NULL */
    void *userdata;
} tj_lease_options;

/** Fill in the defaults; `backend` and `loop` are left for the caller. */
TJ_EXPORT void tj_lease_options_init(tj_lease_options *options);

/** Scale R, N, T, K, D, grace, slack and the hold-off to a lease of `lease_ms`
 * in the proportions of the defaults. */
TJ_EXPORT void tj_lease_options_scale(tj_lease_options *options,
                                      int64_t lease_ms);

/** Check names, ranges and the inequalities above. Any thread.
 * Returns 0, or TJ_EINVAL with the rule that fails and its numbers. */
TJ_EXPORT int tj_lease_options_check(const tj_lease_options *options,
                                     tj_error *reterr);

/* ---- life ---- */

/** Make a lease, stopped, under a holder id of 128 random bits. End it with
 * tj_lease_close. Returns 0, TJ_EINVAL, TJ_ENOMEM or TJ_ESYSTEM. */
TJ_EXPORT int tj_lease_new(const tj_lease_options *options,
                           tj_lease **ret_lease,
                           tj_error *reterr);

/** Start the keeper: the first attempt to lead is made at once. A started
 * lease is left as it is. Returns 0, TJ_ESTOPPING while a stop goes on,
 * TJ_ESYSTEM when no thread can be had. */
TJ_EXPORT int tj_lease_start(tj_lease *lease, tj_error *reterr);

typedef void (*tj_lease_done_cb)(void *userdata);

/** Give the lease up in good order: DRAINING is told with order DRAIN, and
 * once the owner has called tj_lease_drained the lease is released and `cb`
 * (may be NULL) runs. Renewals go on meanwhile. A release that cannot reach
 * the backend is given up after 2 renew_ms. A second stop joins the first; a
 * stopped lease calls `cb` from a later turn. Returns 0 or TJ_ENOMEM. */
TJ_EXPORT int
tj_lease_stop(tj_lease *lease, tj_lease_done_cb cb, void *userdata);

/** End a lease. Counts as tj_lease_drained and tj_lease_stop where these are
 * still due: nothing may run any more. `cb` (may be NULL) is the last callback;
 * the memory, and gates made from it, are gone then. NULL is a no-op. */
TJ_EXPORT void
tj_lease_close(tj_lease *lease, tj_lease_done_cb cb, void *userdata);

/** Say that nothing of `term` runs any more and that everything it wrote is
 * flushed. Expected after DRAINING was told; the lease is released only then,
 * and this process leads again only after that. Another term is ignored. */
TJ_EXPORT void tj_lease_drained(tj_lease *lease, int64_t term);

/** Say that the loop moves. Any thread, a few nanoseconds. */
TJ_EXPORT void tj_lease_heartbeat(tj_lease *lease);

/* ---- looking ---- */

/** Copy what is known now. Any thread, never waits. `state` and `order` are
 * those of this very moment: deadlines that have passed count. */
TJ_EXPORT void tj_lease_read(const tj_lease *lease, tj_lease_view *ret_view);

/** Tell whether a run may start at `now_ns`: this process leads, N has not
 * passed, and the lease is not paused. `ret_term` (may be NULL) gets the term
 * if so. Any thread, never waits. */
TJ_EXPORT bool
tj_lease_may_start(const tj_lease *lease, int64_t now_ns, int64_t *ret_term);

/** Return the clock of all `_ns` instants, now. Any thread. */
TJ_EXPORT int64_t tj_lease_now_ns(void);

/** Return the holder id, which is the controller id of this process's runs, or
 * the lease's name, or this host's. Borrowed until closed. Any thread. */
TJ_EXPORT const char *tj_lease_get_holder(const tj_lease *lease);
TJ_EXPORT const char *tj_lease_get_name(const tj_lease *lease);
TJ_EXPORT const char *tj_lease_get_host(const tj_lease *lease);

/** Fill in a gate for engines that opens as tj_lease_may_start says, and says
 * NOT_LEADER or SYSTEM_PAUSED otherwise; it answers at once, without asking
 * the backend, for a few nanoseconds. It is for engines of the lease's loop,
 * and must not be asked any more once the lease is closed. */
TJ_EXPORT void tj_lease_gate(tj_lease *lease, tj_gate *ret_gate);

/* ---- doing ---- */

/** Told how a request ended: 0 or an error code with its story (borrowed for
 * the call, NULL when 0). */
typedef void (*tj_lease_request_cb)(int code,
                                    const tj_error *error,
                                    void *userdata);

/** Give the lease up for hold_off_ms: drain, release, follow. `who` and `why`
 * (may be NULL) become the reason. Returns 0, TJ_EALREADY when this process
 * does not lead, TJ_EINVAL for texts that are too long or not printable. */
TJ_EXPORT int tj_lease_step_down(tj_lease *lease,
                                 const char *who,
                                 const char *why,
                                 tj_error *reterr);

/** Pause the lease, whoever leads: a leader sees it at its next renewal or
 * sooner. `why` may be NULL; `until_wall_ms` 0: until resumed. A pause that
 * is there is replaced. `cb` (may be NULL) tells the end.
 * Returns 0, TJ_EINVAL, TJ_ENOMEM, TJ_ECLOSED when the lease is not started. */
TJ_EXPORT int tj_lease_set_pause(tj_lease *lease,
                                 const char *who,
                                 const char *why,
                                 int64_t until_wall_ms,
                                 tj_lease_request_cb cb,
                                 void *userdata,
                                 tj_error *reterr);

/** End a pause; without one nothing changes. Otherwise as above. */
TJ_EXPORT int tj_lease_resume(tj_lease *lease,
                              tj_lease_request_cb cb,
                              void *userdata,
                              tj_error *reterr);

/* ---- without a keeper: one call each, blocking up to `timeout_ms` ---- */

/** Read the row. The backend must not be in use by a lease. Returns 0 (also
 * when there is no row: `exists` is false) or the backend's error. */
TJ_EXPORT int tj_lease_show_once(tj_lease_backend *backend,
                                 const char *name,
                                 int64_t timeout_ms,
                                 tj_lease_record *ret_record,
                                 tj_error *reterr);

/** Release the lease if it is held under this term by this holder: the last
 * act of a warden whose daemon died. Only once everything of that term is
 * dead: another process may lead before this returns. `ret_released` tells
 * whether it was held. Otherwise as above. */
TJ_EXPORT int tj_lease_release_once(tj_lease_backend *backend,
                                    const char *name,
                                    int64_t term,
                                    const char *holder,
                                    int64_t timeout_ms,
                                    bool *ret_released,
                                    tj_error *reterr);

/** Set the pause (a `pause` with `paused` false ends it). As above. */
TJ_EXPORT int tj_lease_set_pause_once(tj_lease_backend *backend,
                                      const char *name,
                                      const tj_lease_pause *pause,
                                      int64_t timeout_ms,
                                      tj_error *reterr);

/* ---- backends ---- */

/** How a call on a backend ended that was answered. */
typedef enum tj_lease_outcome {
    TJ_LEASE_DONE,   /* exactly one row was changed */
    TJ_LEASE_CHANGED /* the row is not as expected; nothing was changed */
} tj_lease_outcome;

enum {
    /* All processes that reach the backend run under one kernel: boot ids and
     * process ids in the row may be compared. */
    TJ_LEASE_BACKEND_ONE_HOST = 1u << 0
};

/** What a backend must be able to do. Every call but `interrupt` comes from
 * one thread at a time. A call returns by `deadline_ns` (and a little), with
 * 0 and an answer, or with an error code: then it is not known whether it took
 * effect, now or later. `name` is a valid lease name.
 * Mandatory: size, name, read, acquire, renew, release, repair, set_pause,
 * free. */
typedef struct tj_lease_backend_ops {
    size_t size;      /* sizeof(tj_lease_backend_ops) */
    const char *name; /* "sqlite", static */
    uint32_t flags;

    /* Read the row; without one return 0 with a zeroed record. */
    int (*read)(tj_lease_backend *backend,
                const char *name,
                int64_t deadline_ns,
                tj_lease_record *ret_record,
                tj_error *reterr);

    /* If the row still has seen's term and seq (or, when seen does not exist,
     * there is none): term + 1, seq + 1, not released, and from `claim` the
     * holder, lease_ms, host, pid and so on. The pause stays. */
    int (*acquire)(tj_lease_backend *backend,
                   const char *name,
                   const tj_lease_record *seen,
                   const tj_lease_record *claim,
                   int64_t deadline_ns,
                   tj_lease_outcome *ret_outcome,
                   tj_error *reterr);

    /* If the row is not released and has this term and holder: seq + 1.
     * *ret_pause gets the row's pause when DONE. */
    int (*renew)(tj_lease_backend *backend,
                 const char *name,
                 int64_t term,
                 const char *holder,
                 int64_t deadline_ns,
                 tj_lease_outcome *ret_outcome,
                 tj_lease_pause *ret_pause,
                 tj_error *reterr);

    /* If the row is not released and has this term and holder: released,
     * seq + 1; and tell the watchers. */
    int (*release)(tj_lease_backend *backend,
                   const char *name,
                   int64_t term,
                   const char *holder,
                   int64_t deadline_ns,
                   tj_lease_outcome *ret_outcome,
                   tj_error *reterr);

    /* If the row is not released and has this term and holder: term becomes
     * new_term (greater), seq + 1. */
    int (*repair)(tj_lease_backend *backend,
                  const char *name,
                  int64_t term,
                  const char *holder,
                  int64_t new_term,
                  int64_t deadline_ns,
                  tj_lease_outcome *ret_outcome,
                  tj_error *reterr);

    /* Set the row's pause and nothing else; without a row make one with term
     * 0, released. */
    int (*set_pause)(tj_lease_backend *backend,
                     const char *name,
                     const tj_lease_pause *pause,
                     int64_t deadline_ns,
                     tj_error *reterr);

    /* May be NULL. A descriptor, the backend's, that polls readable when rows
     * may have changed; -1 while there is none. Asked before every wait. Only
     * speed rests on it. */
    int (*watch_fd)(tj_lease_backend *backend);

    /* NULL with watch_fd. Make the descriptor quiet again. */
    void (*watch_clear)(tj_lease_backend *backend);

    /* May be NULL. Any thread: let a call that waits return soon. */
    void (*interrupt)(tj_lease_backend *backend);

    void (*free)(tj_lease_backend *backend);
} tj_lease_backend_ops;

/** A backend: the first member of whatever an implementation needs. */
struct tj_lease_backend {
    const tj_lease_backend_ops *ops;
};

/** End a backend that no lease has taken. NULL is a no-op. */
TJ_EXPORT void tj_lease_backend_free(tj_lease_backend *backend);

/** Rows in the memory of this process: for tests, and for programs that lead
 * only themselves. */
typedef struct tj_lease_memory tj_lease_memory;

/** Make an empty set of rows. Returns 0 or TJ_ENOMEM. */
TJ_EXPORT int tj_lease_memory_new(tj_lease_memory **ret_memory);

/** Drop it; backends that use it keep it alive. NULL is a no-op. */
TJ_EXPORT void tj_lease_memory_free(tj_lease_memory *memory);

/** Make one node's backend on these rows. Any thread.
 * Returns 0, TJ_ENOMEM or TJ_ESYSTEM. */
TJ_EXPORT int tj_lease_backend_memory_new(tj_lease_memory *memory,
                                          tj_lease_backend **ret_backend,
                                          tj_error *reterr);

/** Told of each call on a traced backend, after it, on the calling thread:
 * "renew main term=3 -> done 41us". */
typedef void (*tj_lease_trace_cb)(const char *line, void *userdata);

/** Wrap a backend so that every call is told. The inner one is taken, also
 * when this fails. Returns 0 or TJ_ENOMEM. */
TJ_EXPORT int tj_lease_backend_trace_new(tj_lease_backend *take_inner,
                                         tj_lease_trace_cb cb,
                                         void *userdata,
                                         tj_lease_backend **ret_backend);

#ifdef __cplusplus
}
#endif
#endif
