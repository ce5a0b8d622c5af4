/* Trees: which process belongs to which run, and the end of all of them.
 *
 * The warden is the subreaper of everything it starts, so every process of a
 * run is reachable from it: either through the run's main process, or as an
 * orphan, which the kernel makes a direct child of the warden. Direct children
 * cannot vanish under our eyes, since only we reap them.
 *
 * An orphan's run is found by its session (the main process's pid), else by
 * the run id in its environment. One that shed both is a stray; it dies as
 * soon as every run that was alive when it was born is over or condemned.
 *
 * Killing: stop everything that belongs to a condemned run, look again until
 * nothing new is found, then kill all of it. What forks between two looks is
 * found by the next one; what is stopped cannot fork. */
#include "warden/main/warden.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_PASSES 64

static uint16_t run_of_victim(const struct warden *w, pid_t pid)
{
    for (uint32_t i = w->n_victims; i-- > 0;) {
        if (w->victims[i].pid == pid)
            return w->victims[i].owner;
    }
    return NO_SLOT;
}

static bool victim_is_known(struct warden *w, pid_t pid)
{
    uint32_t at = (uint32_t)pid & (VICTIM_HASH_SIZE - 1);

    while (w->victim_hash[at] != 0) {
        if (w->victim_hash[at] == pid)
            return true;
        at = (at + 1) & (VICTIM_HASH_SIZE - 1);
    }
    return false;
}

/* Send a signal to a process that is a child of `parent` or, as an orphan,
 * ours. For our own children the pid is certain; for others it is pinned by a
 * pidfd and checked before anything is sent. */
static bool
victim_signal(const struct warden *w, pid_t pid, pid_t parent, int number)
{
    struct proc_stat stat;
    bool sent = false;
    int fd;

    if (parent == w->pid)
        return kill(pid, number) == 0;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return false;
    if (warden_proc_stat(pid, &stat) &&
        (stat.parent == parent || stat.parent == w->pid))
        sent = syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) == 0;
    close(fd);
    return sent;
}

static void
victim_add(struct warden *w, pid_t pid, pid_t parent, uint16_t owner)
{
    uint32_t *n_alive =
        owner == NO_SLOT ? &w->n_strays : &w->runs[owner].n_alive;
    struct victim *victim;
    uint32_t at = (uint32_t)pid & (VICTIM_HASH_SIZE - 1);

    if (victim_is_known(w, pid))
        return;
    if (w->n_victims == MAX_VICTIMS) {
        /* Too many to stop first: end it now, the next sweep gets the rest. */
        victim_signal(w, pid, parent, SIGKILL);
        *n_alive += 1;
        return;
    }
    while (w->victim_hash[at] != 0)
        at = (at + 1) & (VICTIM_HASH_SIZE - 1);
    w->victim_hash[at] = pid;
    victim = &w->victims[w->n_victims++];
    victim->pid = pid;
    victim->parent = parent;
    victim->owner = owner;
    victim_signal(w, pid, parent, SIGSTOP);
    *n_alive += 1;
}

/* A process below one that is to die. */
static void descendant_found(struct warden *w, pid_t parent, pid_t pid)
{
    struct proc_stat stat;

    if (victim_is_known(w, pid) || !warden_proc_stat(pid, &stat) ||
        stat.state == 'Z' || stat.state == 'X')
        return;
    victim_add(w, pid, parent, run_of_victim(w, parent));
}

/* Every run that may own a stray born at `ticks` is condemned. The kernel
 * rounds both times down to the same tick. */
static bool stray_may_die(const struct warden *w, uint64_t ticks)
{
    for (uint32_t slot = 0; slot < w->slots_end; slot++) {
        const struct run *run = &w->runs[slot];

        if (run->state != RUN_FREE && run->state != RUN_REPORTING &&
            !warden_run_is_condemned(run) && run->start_ticks <= ticks)
            return false;
    }
    return true;
}

static bool lease_just_ended(const struct warden *w)
{
    for (uint32_t i = 0; i < w->slots_end; i++) {
        const struct run *run = &w->runs[i];

        if (warden_run_is_condemned(run) &&
            run->report.cause == WIRE_LEASE_OVER)
            return true;
    }
    return false;
}

static uint16_t
owner_of_orphan(struct warden *w, pid_t pid, const struct proc_stat *stat)
{
    char id[WIRE_RUN_ID_SIZE];

    for (uint32_t slot = 0; slot < w->slots_end; slot++) {
        const struct run *run = &w->runs[slot];

        if (run->state != RUN_FREE && run->session == stat->session)
            return (uint16_t)slot;
    }
    if (!warden_proc_run_id(w, pid, id))
        return NO_SLOT;
    for (uint32_t slot = 0; slot < w->slots_end; slot++) {
        const struct run *run = &w->runs[slot];

        if (run->state != RUN_FREE && strcmp(run->run_id, id) == 0)
            return (uint16_t)slot;
    }
    return NO_SLOT;
}

static void orphan_found(struct warden *w, pid_t pid)
{
    struct proc_stat stat;
    uint16_t owner;

    if (!warden_proc_stat(pid, &stat) || stat.state == 'Z' || stat.state == 'X')
        return;
    owner = owner_of_orphan(w, pid, &stat);
    if (owner == NO_SLOT) {
        /* A lease's end must leave nothing of its own behind: in doubt a
         * stray belongs to it. */
        if (w->all_is_lost || lease_just_ended(w) ||
            stray_may_die(w, stat.start_ticks))
            victim_add(w, pid, w->pid, NO_SLOT);
        return;
    }
    if (w->all_is_lost || warden_run_is_condemned(&w->runs[owner]))
        victim_add(w, pid, w->pid, owner);
}

static void child_found(struct warden *w, pid_t parent, pid_t pid)
{
    struct run *run;

    if (victim_is_known(w, pid))
        return;
    run = warden_run_by_pid(w, pid);
    if (!run)
        orphan_found(w, pid);
    else if (w->all_is_lost || warden_run_is_condemned(run))
        victim_add(w, pid, parent, warden_run_slot(w, run));
}

static void victims_collect(struct warden *w)
{
    uint32_t known = UINT32_MAX;

    w->n_victims = 0;
    w->n_strays = 0;
    memset(w->victim_hash, 0, sizeof(w->victim_hash));
    for (uint32_t slot = 0; slot < w->slots_end; slot++)
        w->runs[slot].n_alive = 0;
    for (int pass = 0; pass < MAX_PASSES && known != w->n_victims; pass++) {
        known = w->n_victims;
        warden_proc_own_children(w, child_found);
        for (uint32_t i = 0; i < w->n_victims; i++)
            warden_proc_children(w, w->victims[i].pid, descendant_found);
    }
}

/* A leftover is a process that outlived its main process; after a KILL to the
 * group, one of the group that is still dying does not count. */
static void leftover_count(struct warden *w, const struct victim *victim)
{
    struct run *run;
    struct proc_stat stat;

    if (victim->owner == NO_SLOT)
        return;
    run = &w->runs[victim->owner];
    if (run->state != RUN_SWEEPING || run->was_swept)
        return;
    if (run->report.cause != WIRE_EXITED &&
        warden_proc_stat(victim->pid, &stat) && stat.session == run->session)
        return;
    run->report.n_leftovers++;
}

void warden_sweep(struct warden *w)
{
    victims_collect(w);
    for (uint32_t i = 0; i < w->n_victims; i++)
        leftover_count(w, &w->victims[i]);
    for (uint32_t i = 0; i < w->n_victims; i++)
        victim_signal(w, w->victims[i].pid, w->victims[i].parent, SIGKILL);
    w->sweep_at_ns =
        w->n_victims > 0 ? warden_now_ns(CLOCK_MONOTONIC) + RESWEEP_NS : NEVER;
    warden_runs_swept(w);
}
