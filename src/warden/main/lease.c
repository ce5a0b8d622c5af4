/* The deadlines of leases, kept whether the daemon agrees or not, and the
 * release of the leases of a daemon that died.
 *
 * The keeper moves the deadlines in shared memory without telling anybody, so
 * the timer is armed for the earliest one that was seen and the cell is read
 * again when it fires: most of the time it has moved on. */
#include "warden/main/warden.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct deadlines {
    int64_t kill_at_ns; /* 0: not held */
    int64_t dead_at_ns;
    int64_t term;
};

/* Read a pair that belongs together: the keeper may be writing just now, also
 * clearing, which zeroes kill_at before dead_at. It is stopped in the middle
 * only if it hangs, so the number of attempts is bounded. */
static struct deadlines cell_read(tj_deadline_cell *cell)
{
    struct deadlines seen;

    for (int attempt = 0; attempt < 1000; attempt++) {
        seen.kill_at_ns =
            atomic_load_explicit(&cell->kill_at_ns, memory_order_acquire);
        seen.dead_at_ns =
            atomic_load_explicit(&cell->dead_at_ns, memory_order_acquire);
        seen.term = atomic_load_explicit(&cell->term, memory_order_acquire);
        if (atomic_load_explicit(&cell->kill_at_ns, memory_order_acquire) ==
            seen.kill_at_ns)
            break;
    }
    return seen;
}

bool warden_lease_holds(const struct warden *w, int32_t cell, int64_t term)
{
    struct deadlines seen;

    if (cell < 0)
        return true;
    if ((uint32_t)cell >= w->n_cells)
        return false;
    seen = cell_read(&w->cells[cell]);
    return seen.kill_at_ns > warden_now_ns(CLOCK_BOOTTIME) &&
           (term == 0 || term == seen.term);
}

/* Kill what may not live under this cell any more: everything, or only runs
 * of another term than the one that is held. */
static void cell_kill(struct warden *w, uint32_t index, int64_t spared_term)
{
    for (uint32_t slot = 0; slot < w->slots_end; slot++) {
        struct run *run = &w->runs[slot];

        if (run->state == RUN_FREE || run->cell != (int32_t)index)
            continue;
        if (spared_term != 0 && (run->term == 0 || run->term == spared_term))
            continue;
        warden_run_kill(w, run, WIRE_LEASE_OVER);
    }
}

static void daemon_kill(struct warden *w)
{
    if (w->daemon_fd >= 0 && !w->daemon_dead)
        syscall(SYS_pidfd_send_signal, w->daemon_fd, SIGKILL, NULL, 0);
}

/* A daemon that was asleep with the whole machine has not hung. It gets the
 * time between K and D while awake: counted from when we, asleep like it,
 * noticed that K had passed. */
static int64_t hang_at(const struct deadlines *seen, int64_t now_ns)
{
    int64_t margin_ns = seen->dead_at_ns - seen->kill_at_ns;

    if (margin_ns < 0)
        margin_ns = 0;
    if (margin_ns > NEVER - now_ns)
        return NEVER;
    return seen->dead_at_ns > now_ns + margin_ns ? seen->dead_at_ns
                                                 : now_ns + margin_ns;
}

/* Carry out what is due for one cell; returns when to look again. */
static int64_t cell_check(struct warden *w, uint32_t index, int64_t now_ns)
{
    struct cell_watch *watch = &w->watches[index];
    struct deadlines seen = cell_read(&w->cells[index]);

    if (seen.kill_at_ns == 0) {
        /* Given up in order means that its runs have ended before. */
        cell_kill(w, index, 0);
        watch->killed_for_ns = 0;
        return NEVER;
    }
    if (seen.kill_at_ns > now_ns) {
        cell_kill(w, index, seen.term ? seen.term : -1);
        watch->killed_for_ns = 0;
        return seen.kill_at_ns;
    }
    cell_kill(w, index, 0);
    if (watch->killed_for_ns != seen.kill_at_ns) {
        watch->killed_for_ns = seen.kill_at_ns;
        watch->hang_at_ns = w->kill_hung ? hang_at(&seen, now_ns) : NEVER;
    }
    if (watch->hang_at_ns <= now_ns) {
        daemon_kill(w);
        watch->hang_at_ns = NEVER; /* its pidfd tells the rest */
    }
    return watch->hang_at_ns;
}

void warden_lease_check(struct warden *w)
{
    int64_t now_ns = warden_now_ns(CLOCK_BOOTTIME);
    int64_t next_ns = NEVER;

    for (uint32_t i = 0; i < w->n_cells; i++) {
        int64_t at_ns = cell_check(w, i, now_ns);

        if (at_ns < next_ns)
            next_ns = at_ns;
    }
    w->lease_timer_at_ns = next_ns;
    warden_timer_arm(w->lease_timer_fd, next_ns);
}

void warden_lease_watch(struct warden *w, int32_t cell)
{
    int64_t at_ns;

    if (cell < 0 || (uint32_t)cell >= w->n_cells)
        return;
    at_ns =
        atomic_load_explicit(&w->cells[cell].kill_at_ns, memory_order_acquire);
    if (at_ns == 0 || at_ns >= w->lease_timer_at_ns)
        return;
    w->lease_timer_at_ns = at_ns;
    warden_timer_arm(w->lease_timer_fd, at_ns);
}

/* ---- the release -------------------------------------------------------- */

static char *decimal(char *end, int64_t value)
{
    *--end = '\0';
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

static void cell_release(struct warden *w, uint32_t index)
{
    struct cell_watch *watch = &w->watches[index];
    struct deadlines seen = cell_read(&w->cells[index]);
    char option[] = "--term";
    char text[24];

    if (seen.kill_at_ns == 0 || seen.term <= 0 || watch->n_arguments == 0)
        return;
    watch->arguments[watch->n_arguments] = option;
    watch->arguments[watch->n_arguments + 1] =
        decimal(text + sizeof(text), seen.term);
    watch->arguments[watch->n_arguments + 2] = NULL;
    watch->release_pid = warden_spawn_release(w, watch->arguments);
    watch->arguments[watch->n_arguments] = NULL;
}

void warden_lease_release(struct warden *w)
{
    for (uint32_t i = 0; i < w->n_cells; i++)
        cell_release(w, i);
}

bool warden_lease_reaped(struct warden *w, pid_t pid)
{
    for (uint32_t i = 0; i < w->n_cells; i++) {
        if (w->watches[i].release_pid == pid) {
            w->watches[i].release_pid = 0;
            return true;
        }
    }
    return false;
}

bool warden_lease_is_released(const struct warden *w)
{
    for (uint32_t i = 0; i < w->n_cells; i++) {
        if (w->watches[i].release_pid > 0)
            return false;
    }
    return true;
}

void warden_lease_give_up(struct warden *w)
{
    for (uint32_t i = 0; i < w->n_cells; i++) {
        if (w->watches[i].release_pid > 0)
            kill(w->watches[i].release_pid, SIGKILL);
    }
}
