/* Commands as runners: what a job's `command:` and `shell:` are made of.
 *
 * A run is a process tree that the warden owns. It is told its context in
 * TIMED_JOBS_* variables and as one JSON object on standard input; what it
 * prints is kept up to a cap; what it writes to descriptor
 * TIMED_JOBS_RESULT_FD as JSON lines becomes log entries and the result. Exit
 * status 0 is ok, everything else failed. docs/design/warden.md has the
 * contract in full. */
#ifndef TJ_RUNNERS_COMMAND_H
#define TJ_RUNNERS_COMMAND_H

#include "warden/client.h"

#include <timedjobs/runner.h>

/* The most of each stream's end that a log entry may carry. */
#define TJ_COMMAND_TAIL_MAX 16384

/* What all command runners of a process share. The daemon owns it, it must
 * outlive the runners; members may change between runs, on the loop's thread.
 */
typedef struct tj_command_host {
    struct uv_loop_s *uv;
    tj_warden *warden;      /* NULL while there is none: runs fail, saying so */
    tj_warden_cells *cells; /* NULL when no run has a lease */
    /* May be NULL. Asked before each start: false refuses the run, with the
     * reason in `reterr` (the lease's N has passed, the daemon stops…). */
    bool (*may_start)(int cell, tj_error *reterr, void *userdata);
    void *userdata;
} tj_command_host;

typedef struct tj_command_options {
    const char *name;        /* the runner's */
    const char *description; /* may be NULL */
    const char *const *argv; /* NULL-terminated; or NULL, and then… */
    const char *shell;       /* …a text for /bin/sh -c */
    const char *const *env;  /* "NAME=value" to add or replace; may
                                be NULL. The run's own TIMED_JOBS_* cannot
                                be replaced. */
    const char *directory;   /* NULL: the daemon's */
    int umask;               /* -1: the daemon's */
    int cell;                /* of the job's lease, or TJ_WARDEN_NO_CELL */
    int64_t timeout_ms;      /* 0: none */
    int64_t grace_ms;        /* between TERM and KILL */
    size_t output_max;       /* bytes of output kept in a run's file */
    size_t tail_max;         /* bytes of each stream's end in the log entry */
    const char *output_dir;  /* files <run id>.log; NULL: none */
} tj_command_options;

/* Defaults: no command, umask -1, no cell, no timeout, grace 5 s, 1 MiB of
 * output, 2 KiB of tail, no files. */
void tj__command_options_init(tj_command_options *options);

/* Fill `ret_runner` for tj_engine_add_runner, which takes it over in any case
 * (its `free` ends what is made here). Everything in `options` is copied but
 * name and description, which are borrowed until then;
 * `host` is borrowed until the runner's free. The runner's own timeout_ms
 * stays 0: the warden keeps the time.
 * A runner whose engine is gone while its command still runs lives on until
 * the command has ended; the warden must be closed after the engines.
 * Returns 0, TJ_EINVAL or TJ_ENOMEM. */
int tj__command_runner_new(const tj_command_options *options,
                           tj_command_host *host,
                           tj_runner *ret_runner,
                           tj_error *reterr);

#endif
