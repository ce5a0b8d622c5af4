/* The table of runs: begin, end early, deadlines, reaping, reports. */
#include "warden/main/warden.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)
#define NS_PER_S  INT64_C(1000000000)

/* ---- the table ---------------------------------------------------------- */

static uint16_t *bucket_of(struct warden *w, pid_t pid)
{
    return &w->pid_hash[(uint32_t)pid & (PID_HASH_SIZE - 1)];
}

void warden_runs_init(struct warden *w)
{
    for (size_t i = 0; i < PID_HASH_SIZE; i++)
        w->pid_hash[i] = NO_SLOT;
    w->run_timer_at_ns = NEVER;
    w->lease_timer_at_ns = NEVER;
    w->sweep_at_ns = NEVER;
}

uint16_t warden_run_slot(const struct warden *w, const struct run *run)
{
    return (uint16_t)(run - w->runs);
}

struct run *warden_run_by_pid(struct warden *w, pid_t pid)
{
    for (uint16_t slot = *bucket_of(w, pid); slot != NO_SLOT;
         slot = w->runs[slot].hash_next) {
        if (w->runs[slot].pid == pid)
            return &w->runs[slot];
    }
    return NULL;
}

static void pid_insert(struct warden *w, struct run *run)
{
    uint16_t *bucket = bucket_of(w, run->pid);

    run->hash_next = *bucket;
    *bucket = warden_run_slot(w, run);
}

static void pid_remove(struct warden *w, struct run *run)
{
    uint16_t *link = bucket_of(w, run->pid);

    while (*link != warden_run_slot(w, run))
        link = &w->runs[*link].hash_next;
    *link = run->hash_next;
    run->pid = 0;
}

bool warden_run_is_condemned(const struct run *run)
{
    return run->state == RUN_KILLED || run->state == RUN_SWEEPING;
}

/* ---- deadlines ---------------------------------------------------------- */

/* Timers are armed for what comes soonest and moved only forwards: a deadline
 * that went away costs one needless wake, not a look through the table. */
static void timer_bring_forward(struct warden *w, int64_t at_ns)
{
    if (at_ns >= w->run_timer_at_ns)
        return;
    w->run_timer_at_ns = at_ns;
    warden_timer_arm(w->run_timer_fd, at_ns);
}

static void act_at(struct warden *w, struct run *run, int64_t at_ns)
{
    run->act_at_ns = at_ns;
    if (at_ns != NEVER)
        timer_bring_forward(w, at_ns);
}

static int64_t after(int64_t now_ns, int64_t delay_ns)
{
    return delay_ns > NEVER - now_ns ? NEVER : now_ns + delay_ns;
}

static int64_t ns_of_ms(int64_t ms)
{
    if (ms < 0)
        return 0;
    return ms > NEVER / NS_PER_MS ? NEVER : ms * NS_PER_MS;
}

/* ---- reports ------------------------------------------------------------ */

static bool send_started(struct warden *w, const struct run *run)
{
    struct wire_started message = { .header = run->report.header };

    message.header.size = sizeof(message);
    message.header.type = WIRE_STARTED;
    message.pid = run->report.pid;
    return warden_link_send(w, &message, sizeof(message));
}

static bool send_ended(struct warden *w, const struct run *run)
{
    struct wire_ended message = run->report;

    message.header.size = sizeof(message);
    message.header.type = WIRE_ENDED;
    return warden_link_send(w, &message, sizeof(message));
}

/* Free the slot, unless the report has to wait for the socket. */
static void run_report(struct warden *w, struct run *run)
{
    run->state = RUN_REPORTING;
    if (run->tell_started && !send_started(w, run))
        return;
    run->tell_started = false;
    if (!send_ended(w, run))
        return;
    run->state = RUN_FREE;
    w->n_runs--;
    while (w->slots_end > 0 && w->runs[w->slots_end - 1].state == RUN_FREE)
        w->slots_end--;
}

static bool send_heard(struct warden *w)
{
    const struct wire_header message = { .size = sizeof(message),
                                         .type = WIRE_HEARD,
                                         .version = WIRE_VERSION };

    return warden_link_send(w, &message, sizeof(message));
}

void warden_runs_report(struct warden *w)
{
    while (w->n_heard > 0 && send_heard(w))
        w->n_heard--;
    for (uint32_t slot = 0; slot < w->slots_end && !w->want_write; slot++) {
        struct run *run = &w->runs[slot];

        if (run->state == RUN_REPORTING)
            run_report(w, run);
        else if (run->state != RUN_FREE && run->tell_started)
            run->tell_started = !send_started(w, run);
    }
}

/* ---- begin -------------------------------------------------------------- */

static void
start_failed(struct warden *w, struct run *run, enum wire_step step, int error)
{
    run->report.cause = WIRE_START_FAILED;
    run->report.step = (int32_t)step;
    run->report.step_errno = error;
    run_report(w, run);
}

/* Point w->strings at the message's texts. link.c has checked that they are
 * all there, each with its NUL. */
static char *const *
strings_point(struct warden *w, char *text, uint32_t n, size_t *at, char **next)
{
    char *const *first = w->strings + *at;

    for (uint32_t i = 0; i < n; i++) {
        w->strings[(*at)++] = text;
        text += strlen(text) + 1;
    }
    w->strings[(*at)++] = NULL;
    *next = text;
    return first;
}

static pid_t
start_spawn(struct warden *w, struct run *run, const struct wire_start *start)
{
    char *text = w->message + sizeof(*start);
    const char *directory = NULL;
    char *const *arguments;
    char *const *environment;
    size_t at = 0;

    if (start->has_directory) {
        directory = text;
        text += strlen(text) + 1;
    }
    arguments = strings_point(w, text, start->n_arguments, &at, &text);
    environment = strings_point(w, text, start->n_variables, &at, &text);
    return warden_spawn(w, start, directory, arguments, environment,
                        &w->failures[warden_run_slot(w, run)]);
}

void warden_run_begin(struct warden *w, const struct wire_start *start)
{
    struct run *run = &w->runs[start->header.slot];
    pid_t pid;

    memset(run, 0, sizeof(*run));
    run->state = RUN_RUNNING;
    run->report.header = start->header;
    run->cell = start->cell;
    run->term = start->term;
    run->grace_ns = ns_of_ms(start->grace_ms);
    run->act_at_ns = NEVER;
    memcpy(run->run_id, start->run_id, sizeof(run->run_id));
    w->n_runs++;
    if (w->slots_end <= start->header.slot)
        w->slots_end = start->header.slot + 1;
    if (w->phase != PHASE_SERVING ||
        !warden_lease_holds(w, start->cell, start->term)) {
        start_failed(w, run, WIRE_STEP_LEASE, ECANCELED);
        return;
    }
    run->start_ticks = (uint64_t)(warden_now_ns(CLOCK_BOOTTIME) /
                                  (NS_PER_S / (int64_t)w->ticks_per_second));
    run->started_ns = warden_now_ns(CLOCK_MONOTONIC);
    pid = start_spawn(w, run, start);
    if (pid < 0) {
        start_failed(w, run, WIRE_STEP_FORK, errno);
        return;
    }
    run->pid = pid;
    run->session = pid;
    run->report.pid = pid;
    pid_insert(w, run);
    run->tell_started = !send_started(w, run);
    if (start->timeout_ms > 0)
        act_at(w, run, after(run->started_ns, ns_of_ms(start->timeout_ms)));
}

/* ---- end ---------------------------------------------------------------- */

void warden_run_kill(struct warden *w, struct run *run, enum wire_cause cause)
{
    if (run->state == RUN_RUNNING)
        run->report.cause = (int32_t)cause;
    if (run->state != RUN_RUNNING && run->state != RUN_TERMINATING)
        return;
    run->state = RUN_KILLED;
    /* The main process has not been reaped, so the pid is still its own; the
     * group may not exist yet when the child has just been forked. */
    kill(-run->pid, SIGKILL);
    kill(run->pid, SIGKILL);
    act_at(w, run, warden_now_ns(CLOCK_MONOTONIC) + SURVIVOR_NS);
    w->must_sweep = true;
}

void warden_run_stop(struct warden *w,
                     struct run *run,
                     enum wire_cause cause,
                     int64_t grace_ns)
{
    int64_t kill_at_ns;

    if (run->state != RUN_RUNNING && run->state != RUN_TERMINATING)
        return;
    if (grace_ns <= 0) {
        warden_run_kill(w, run, cause);
        return;
    }
    kill_at_ns = after(warden_now_ns(CLOCK_MONOTONIC), grace_ns);
    if (run->state == RUN_TERMINATING) {
        if (kill_at_ns < run->act_at_ns)
            act_at(w, run, kill_at_ns);
        return;
    }
    run->state = RUN_TERMINATING;
    run->report.cause = (int32_t)cause;
    if (kill(-run->pid, SIGTERM) != 0)
        kill(run->pid, SIGTERM); /* it has no group yet */
    kill(-run->pid, SIGCONT);    /* what is stopped hears it too */
    act_at(w, run, kill_at_ns);
}

static void run_act(struct warden *w, struct run *run)
{
    switch (run->state) {
    case RUN_RUNNING:
        warden_run_stop(w, run, WIRE_TIMED_OUT, run->grace_ns);
        break;
    case RUN_TERMINATING:
        warden_run_kill(w, run, WIRE_TIMED_OUT);
        break;
    case RUN_KILLED: /* fall through */
    case RUN_SWEEPING:
        /* Not even KILL ends it: it hangs in the kernel. Say so and go on;
         * its slot must not be lost with it. */
        run->report.n_survivors = run->n_alive + w->n_strays;
        if (run->pid) {
            run->report.wait_status = SIGKILL;
            pid_remove(w, run);
        }
        run_report(w, run);
        break;
    case RUN_FREE: /* fall through */
    case RUN_REPORTING:
        break;
    }
}

void warden_runs_act(struct warden *w)
{
    int64_t now_ns = warden_now_ns(CLOCK_MONOTONIC);
    int64_t next_ns = w->sweep_at_ns;

    if (w->sweep_at_ns <= now_ns) {
        w->must_sweep = true;
        next_ns = NEVER; /* the sweep says when again */
    }
    if (w->phase == PHASE_SERVING) {
        for (uint32_t slot = 0; slot < w->slots_end; slot++) {
            struct run *run = &w->runs[slot];

            if (run->state != RUN_FREE && run->act_at_ns <= now_ns) {
                run->act_at_ns = NEVER;
                run_act(w, run);
            }
            if (run->state != RUN_FREE && run->act_at_ns < next_ns)
                next_ns = run->act_at_ns;
        }
    } else if (w->phase_until_ns < next_ns && w->phase_until_ns > now_ns) {
        next_ns = w->phase_until_ns;
    }
    w->run_timer_at_ns = NEVER;
    if (next_ns == NEVER)
        warden_timer_arm(w->run_timer_fd, NEVER);
    else
        timer_bring_forward(w, next_ns);
}

void warden_runs_swept(struct warden *w)
{
    for (uint32_t slot = 0; slot < w->slots_end; slot++) {
        struct run *run = &w->runs[slot];

        if (run->state != RUN_SWEEPING)
            continue;
        run->was_swept = true;
        if (run->n_alive == 0 && w->n_strays == 0)
            run_report(w, run);
    }
    if (w->sweep_at_ns != NEVER)
        timer_bring_forward(w, w->sweep_at_ns);
}

/* ---- reaping ------------------------------------------------------------ */

static int64_t microseconds(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static void main_reaped(struct warden *w,
                        struct run *run,
                        int status,
                        const struct rusage *usage)
{
    const struct start_failure *failure = &w->failures[warden_run_slot(w, run)];
    int64_t now_ns = warden_now_ns(CLOCK_MONOTONIC);

    pid_remove(w, run);
    if (run->state == RUN_RUNNING && failure->step != WIRE_STEP_NONE) {
        run->report.cause = WIRE_START_FAILED;
        run->report.step = failure->step;
        run->report.step_errno = failure->error;
    }
    run->state = RUN_SWEEPING;
    run->report.wait_status = status;
    run->report.duration_us = (now_ns - run->started_ns) / NS_PER_US;
    run->report.cpu_us =
        microseconds(&usage->ru_utime) + microseconds(&usage->ru_stime);
    run->report.max_rss_kib = usage->ru_maxrss;
    act_at(w, run, now_ns + SURVIVOR_NS);
    w->must_sweep = true;
}

bool warden_reap(struct warden *w)
{
    for (;;) {
        struct rusage usage;
        struct run *run;
        int status;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);

        if (pid == 0)
            return true;
        if (pid < 0)
            return errno != ECHILD;
        run = warden_run_by_pid(w, pid);
        if (run)
            main_reaped(w, run, status, &usage);
        else if (!warden_lease_reaped(w, pid) && w->sweep_at_ns != NEVER)
            w->must_sweep = true; /* a victim died: was it the last one? */
    }
}
