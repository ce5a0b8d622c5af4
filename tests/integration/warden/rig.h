/* What the warden's tests share: a loop, a warden, a directory for witnesses,
 * and waiting with a deadline. Nothing sleeps for a fixed time. */
#ifndef TJ_TESTS_WARDEN_RIG_H
#define TJ_TESTS_WARDEN_RIG_H

#include "warden/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

/* cmocka wants these before itself */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

struct rig {
    uv_loop_t loop;
    uv_timer_t watchdog;
    int64_t patient_until_ns;
    tj_warden *warden;
    tj_warden_cells *cells;
    bool ready;
    bool lost;
    bool closed;
    tj_error why;
    tj_warden_info info;
    char dir[64];
    size_t n_fds_before;
};

/* One run and what was told of it. */
struct job {
    struct rig *rig;
    tj_warden_run *run;
    bool started;
    bool ended;
    pid_t pid;
    int n_ends;
    tj_warden_end end;
    char run_id[TJ_RUN_ID_SIZE];
};

/* `n_cells` 0: no cells. */
void rig_open(struct rig *rig,
              size_t n_cells,
              tj_warden_on_hang on_hang,
              bool adopt);
/* Close the warden if need be; no descriptor and no child may be left. */
void rig_close(struct rig *rig);
/* Without a check, for a process that plays the daemon. */
void rig_new_warden(struct rig *rig, tj_warden_on_hang on_hang, bool adopt);

/* A spec with `argv`, a small environment (PATH, the run id, DIR) and nothing
 * else. The strings live in the struct job and the rig. */
struct spec_room {
    char id[64];
    char dir[80];
    const char *env[8];
};

tj_warden_spec rig_spec(struct rig *rig,
                        struct job *job,
                        struct spec_room *room,
                        const char *const *argv);
int rig_start_spec(struct rig *rig,
                   struct job *job,
                   const tj_warden_spec *spec);
/* Start an argv without more ado. */
void rig_start(struct rig *rig, struct job *job, const char *const *argv);
/* The same through /bin/sh; $DIR is the rig's directory. */
void rig_start_shell(struct rig *rig, struct job *job, const char *text);
#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Run the loop until `*flag`; fails the test after PATIENCE_MS. */
void rig_wait(struct rig *rig, const bool *flag);
/* Run the loop until the witness file has `n` lines. */
void rig_wait_lines(struct rig *rig, const char *name, size_t n);
/* Run the loop until no process of the pids in the file exists. */
void rig_wait_dead(struct rig *rig, const char *name);
/* One turn of the loop that does not wait longer than a millisecond. */
void rig_turn(struct rig *rig);

void rig_path(const struct rig *rig, const char *name, char *path, size_t size);
/* Read a whole witness file; "" when there is none. */
const char *
rig_read(const struct rig *rig, const char *name, char *text, size_t size);
size_t
rig_pids(const struct rig *rig, const char *name, pid_t *pids, size_t max);

bool process_is_alive(pid_t pid); /* a zombie is not */
int64_t boottime_ns(void);
size_t n_open_fds(void);

/* The torture program that the build made. */
const char *torture_path(void);

#endif
