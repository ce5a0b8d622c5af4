/* The warden as the daemon (or an embedding program) sees it.
 *
 * The warden is a small process of its own that starts commands, watches them
 * and ends them: at their timeout, when their lease's deadline passes, and
 * when this process is gone. This is the client: it starts a warden, hands it
 * work over a socket pair and reports what became of it.
 *
 * Thread: everything on the libuv loop's thread, but for
 * tj__warden_cells_wake and the cells themselves, which any thread may use.
 * Nothing here waits for the warden; callbacks come from a later turn of the
 * loop than the call that asked for them, and exactly once each. */
#ifndef TJ_WARDEN_CLIENT_H
#define TJ_WARDEN_CLIENT_H

#include "base/deadline_cell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <timedjobs/error.h>

struct uv_loop_s;

#define TJ_WARDEN_RUNS_MAX  1024  /* runs at the same time */
#define TJ_WARDEN_CELLS_MAX 64    /* leases */
#define TJ_WARDEN_NO_CELL   (-1)  /* a run that no lease covers */
#define TJ_WARDEN_SPEC_MAX  61440 /* bytes of argv, env and directory */
#define TJ_RUN_ID_SIZE      33    /* 32 hex digits and a NUL */

/* ---- cells: the leases' deadlines, shared with the warden --------------- */

/* Shared memory of one deadline cell for each lease, and what is to be run to
 * release a lease when this process has died. Outlives wardens: when one is
 * lost, its successor gets the same cells, and a keeper thread goes on writing
 * to the same addresses. */
typedef struct tj_warden_cells tj_warden_cells;

/* Make `n_cells` (0 to TJ_WARDEN_CELLS_MAX) cells, all zero: nothing held.
 * Returns 0, TJ_EINVAL, TJ_ENOMEM or TJ_ESYSTEM. */
int tj__warden_cells_new(size_t n_cells,
                         tj_warden_cells **ret_cells,
                         tj_error *reterr);

/* End them, after every warden that has them. NULL is a no-op. */
void tj__warden_cells_free(tj_warden_cells *cells);

/* A cell, for tj__deadline_extend and _clear; valid until _free. */
tj_deadline_cell *tj__warden_cells_get(tj_warden_cells *cells, size_t index);

/* Say what releases the lease of a cell once this process has died and
 * everything that it had started is dead: `argv` (copied, NULL-terminated,
 * argv[0] an absolute path), to which the warden appends "--term" and the
 * term that is in the cell then. It runs with this process's environment and
 * working directory, and only if the cell holds (kill_at is not 0). Call it
 * before tj__warden_new. Returns 0, TJ_EINVAL or TJ_ENOMEM. */
int tj__warden_cells_set_release(tj_warden_cells *cells,
                                 size_t index,
                                 const char *const *argv);

/* Tell the warden that a cell began to hold, so that it watches the new
 * deadline from now on. To be called after an acquisition, not after each
 * renewal (it finds out about these itself). Any thread; never blocks. */
void tj__warden_cells_wake(tj_warden_cells *cells);

/* ---- the warden --------------------------------------------------------- */

typedef struct tj_warden tj_warden;
typedef struct tj_warden_run tj_warden_run;

typedef enum tj_warden_on_hang {
    TJ_WARDEN_HANG_KILL, /* kill this process when it overstays dead_at */
    TJ_WARDEN_HANG_KEEP  /* leave it; for debugging */
} tj_warden_on_hang;

/* What a warden could do for its own safety. 0 or the errno of the refusal. */
typedef struct tj_warden_info {
    pid_t pid;
    int lock_errno; /* mlockall: 0, or e.g. ENOMEM with a low RLIMIT_MEMLOCK */
    int oom_errno;  /* a lower oom_score_adj: 0, or e.g. EACCES */
} tj_warden_info;

typedef struct tj_warden_options {
    struct uv_loop_s *uv;   /* mandatory, borrowed */
    const char *path;       /* the executable; NULL: tj__warden_find */
    tj_warden_cells *cells; /* borrowed; NULL: no run has a lease */
    tj_warden_on_hang on_hang;
    /* This process starts no other children: become a subreaper, and when the
     * warden is lost kill every child that is not a warden. Without it only
     * processes that carry the id of one of the lost runs are swept. */
    bool adopt;
    /* May be NULL. The warden is up. */
    void (*on_ready)(tj_warden *warden,
                     const tj_warden_info *info,
                     void *userdata);
    /* May be NULL. The warden is gone, or never came up, or did not answer
     * for a second and was killed. Every open run has
     * been told (TJ_WARDEN_LOST) and what was left of it was swept. The warden
     * still wants tj__warden_close; another may be started at once. */
    void (*on_lost)(tj_warden *warden, const tj_error *why, void *userdata);
    /* May be NULL. The last open run has been told of its end, and no other
     * was started by that; not after a loss, which on_lost tells. */
    void (*on_idle)(tj_warden *warden, void *userdata);
    void *userdata;
} tj_warden_options;

/* Start a warden. Returns before it is up; runs may be started at once. The
 * kernel's refusals to start it are told here, what goes wrong after that by
 * on_lost.
 * Returns 0, TJ_EINVAL, TJ_ENOENT (no such executable), TJ_EACCES, TJ_ENOMEM
 * or TJ_ESYSTEM. */
int tj__warden_new(const tj_warden_options *options,
                   tj_warden **ret_warden,
                   tj_error *reterr);

typedef void (*tj_warden_close_cb)(void *userdata);

/* End a warden in order: what still runs is killed and reported
 * (TJ_WARDEN_STOPPED), then `cb` (may be NULL) runs, then the memory is gone.
 * No lease is released. NULL is a no-op. */
void tj__warden_close(tj_warden *warden, tj_warden_close_cb cb, void *userdata);

/* False once the warden is lost or closing. */
bool tj__warden_is_up(const tj_warden *warden);

pid_t tj__warden_pid(const tj_warden *warden);

/* Where the executable is: $TIMED_JOBS_WARDEN, else beside this program, else
 * where it was installed. Returns 0 or TJ_ENOENT (reterr names the places). */
int tj__warden_find(char *path, size_t size, tj_error *reterr);

/* ---- runs --------------------------------------------------------------- */

/* What is to be started. Everything is copied; the descriptors are taken
 * over, also when the call fails. */
typedef struct tj_warden_spec {
    const char *run_id;      /* 32 hex digits, also in env as TIMED_JOBS_RUN_ID:
                                that is how the warden knows strays again */
    const char *const *argv; /* NULL-terminated; argv[0] without a slash is
                                looked up in the PATH of `env` */
    const char *const *env;  /* whole environment, NULL-terminated */
    const char *directory;   /* NULL: this process's */
    int umask;               /* -1: this process's */
    int cell;                /* index, or TJ_WARDEN_NO_CELL */
    int64_t term;            /* must be the cell's; 0: any */
    int stdin_fd;            /* -1: /dev/null; likewise the next two */
    int stdout_fd;
    int stderr_fd;
    int result_fd;      /* becomes TJ_WARDEN_RESULT_FD; -1: none */
    int64_t timeout_ms; /* 0: none */
    int64_t grace_ms;   /* from TERM to KILL at the timeout */
} tj_warden_spec;

#define TJ_WARDEN_RESULT_FD 3

/* X(name, text) */
#define TJ_WARDEN_CAUSE_MAP(X)                \
    X(TJ_WARDEN_EXITED, "exited")             \
    X(TJ_WARDEN_START_FAILED, "start_failed") \
    X(TJ_WARDEN_TIMED_OUT, "timed_out")       \
    X(TJ_WARDEN_STOPPED, "stopped")           \
    X(TJ_WARDEN_LEASE_OVER, "lease_deadline") \
    X(TJ_WARDEN_DAEMON_GONE, "daemon_gone")   \
    X(TJ_WARDEN_LOST, "warden_lost")

typedef enum tj_warden_cause {

#define TJ_WARDEN_CAUSE_ENUM_(name, text) name,
    TJ_WARDEN_CAUSE_MAP(TJ_WARDEN_CAUSE_ENUM_)
#undef TJ_WARDEN_CAUSE_ENUM_
} tj_warden_cause;

const char *tj__warden_cause_to_string(tj_warden_cause cause);

/* How a run ended; the whole tree is dead then (but see n_survivors). */
typedef struct tj_warden_end {
    tj_warden_cause cause;
    pid_t pid;           /* 0 when there never was a process */
    int exit_status;     /* 0 to 255; -1 when a signal ended it */
    int term_signal;     /* 0 when it exited */
    const char *step;    /* START_FAILED: "chdir", "exec", "lease"…; static */
    int step_errno;      /* START_FAILED: why */
    int64_t duration_ms; /* from start to the end of the main process */
    int64_t cpu_ms; /* user and system time of it and its reaped children */
    int64_t max_rss_kib;
    uint32_t n_leftovers; /* processes that outlived the main one, killed */
    uint32_t n_survivors; /* processes that not even SIGKILL ended in time */
} tj_warden_end;

typedef struct tj_warden_run_callbacks {
    /* May be NULL. There is a process; at most once, before on_end. */
    void (*on_started)(tj_warden_run *run, pid_t pid, void *userdata);
    /* Mandatory. Exactly once, last; `run` is gone when it returns. */
    void (*on_end)(tj_warden_run *run,
                   const tj_warden_end *end,
                   void *userdata);
} tj_warden_run_callbacks;

/* Start a command. A command that cannot be started is told by on_end
 * (TJ_WARDEN_START_FAILED).
 * Returns 0, TJ_EINVAL, TJ_ETOOBIG (TJ_WARDEN_SPEC_MAX), TJ_EBUSY
 * (TJ_WARDEN_RUNS_MAX), TJ_ECLOSED (lost or closing) or TJ_ENOMEM. */
int tj__warden_start_run(tj_warden *warden,
                         const tj_warden_spec *spec,
                         const tj_warden_run_callbacks *callbacks,
                         void *userdata,
                         tj_warden_run **ret_run,
                         tj_error *reterr);

/* End a run early: TERM to its group, KILL to its whole tree after grace_ms
 * (0: at once). May be repeated with a shorter grace. on_end still comes. */
void tj__warden_stop_run(tj_warden_run *run, int64_t grace_ms);

/* The same for every open run of the warden. */
void tj__warden_stop_all(tj_warden *warden, int64_t grace_ms);

/* How many runs are open: started, or about to be, and not yet told of their
 * end. */
size_t tj__warden_n_runs(const tj_warden *warden);

/* Say how a run ended in words: "exit status 3", "killed by signal 9
 * (SIGKILL)", "timed out after 5000 ms", "failed at chdir: No such file or
 * directory". `timeout_ms` is the run's own. */
void tj__warden_end_describe(const tj_warden_end *end,
                             int64_t timeout_ms,
                             char *text,
                             size_t size);

/* "SIGKILL" for 9; "signal 77" for what has no name. */
const char *tj__warden_signal_name(int number);

/* Fill `run_id` with 128 random bits as 32 hex digits. 0 or TJ_ESYSTEM. */
int tj__warden_make_run_id(char run_id[TJ_RUN_ID_SIZE]);

#endif
