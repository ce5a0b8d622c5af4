/* timed-jobs-warden: owns the commands of one daemon.
 *
 * Started by the daemon with one end of a socket pair as descriptor 3. It
 * starts commands, ends them in time, and outlives the daemon by as long as it
 * takes to kill everything and to hand its leases on.
 *
 * Guarantees: nothing here waits for a disk, a network or the daemon; after
 * the start no memory is allocated; deadlines are looked at before anything
 * else in each round. */
#include "warden/main/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define OOM_SCORE   (-900)
#define MAX_EVENTS  8
#define WAIT_FOR_IT (-1)

/* What came in a round, looked at in this order. */
enum {
    SAW_LEASE = 1,
    SAW_DAEMON = 2,
    SAW_CHILD = 4,
    SAW_RUN_TIMER = 8,
    SAW_SOCKET = 16
};

/* ---- the end ------------------------------------------------------------ */

void warden_end_begin(struct warden *w, enum wire_cause cause)
{
    w->all_is_lost = true;
    for (uint32_t slot = 0; slot < w->slots_end; slot++)
        warden_run_kill(w, &w->runs[slot], cause);
    w->must_sweep = true;
    if (w->phase == PHASE_SERVING)
        w->phase = PHASE_KILLING;
}

static void daemon_died(struct warden *w)
{
    w->daemon_dead = true;
    epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->daemon_fd, NULL);
    if (!w->socket_gone) {
        w->socket_gone = true;
        epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, WIRE_SOCKET_FD, NULL);
    }
    warden_end_begin(w, WIRE_DAEMON_GONE);
}

static void phase_enter(struct warden *w, enum phase phase, int64_t limit_ns)
{
    w->phase = phase;
    w->phase_until_ns = warden_now_ns(CLOCK_MONOTONIC) + limit_ns;
    warden_runs_act(w); /* arms the timer for it */
}

/* Returns true when the warden has nothing left to do. `childless` says that
 * the kernel knows no child of ours. */
static bool end_go_on(struct warden *w, bool childless)
{
    bool late = warden_now_ns(CLOCK_MONOTONIC) >= w->phase_until_ns;

    if (w->phase == PHASE_KILLING && childless) {
        /* In order: every report has gone out, or nobody reads them. A dead
         * daemon is released; one that only closed its socket (or broke the
         * protocol) may still hold its leases, and nothing is released. */
        if (!w->daemon_dead && !w->socket_gone)
            return w->n_runs == 0;
        phase_enter(w, PHASE_WAITING, DAEMON_DEATH_NS);
        late = false;
    }
    if (w->phase == PHASE_WAITING) {
        if (!w->daemon_dead)
            return late || w->failed || w->daemon_fd < 0;
        phase_enter(w, PHASE_RELEASING, RELEASE_LIMIT_NS);
        warden_lease_release(w);
        late = false;
    }
    if (w->phase == PHASE_RELEASING) {
        if (warden_lease_is_released(w))
            return true;
        if (late)
            warden_lease_give_up(w);
        return late;
    }
    return false;
}

/* ---- the loop ----------------------------------------------------------- */

static void signals_drain(const struct warden *w)
{
    struct signalfd_siginfo signals[8];

    /* Nothing but SIGCHLD matters. A TERM or INT that was meant for the whole
     * group or cgroup must not end the one that has to outlive the others. */
    while (read(w->signal_fd, signals, sizeof(signals)) > 0)
        ;
}

static unsigned
events_sort(struct warden *w, const struct epoll_event *events, int n)
{
    unsigned seen = 0;

    for (int i = 0; i < n; i++) {
        int fd = events[i].data.fd;

        if (fd == w->lease_timer_fd || fd == w->wake_fd) {
            warden_timer_drain(fd);
            seen |= SAW_LEASE;
        } else if (fd == w->daemon_fd) {
            seen |= SAW_DAEMON;
        } else if (fd == w->signal_fd) {
            signals_drain(w);
            seen |= SAW_CHILD;
        } else if (fd == w->run_timer_fd) {
            warden_timer_drain(fd);
            seen |= SAW_RUN_TIMER;
        } else {
            seen |= SAW_SOCKET;
            if (events[i].events & EPOLLOUT)
                w->want_write = false;
        }
    }
    return seen;
}

static void socket_watch(struct warden *w, bool *is_watched_for_write)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = WIRE_SOCKET_FD };

    if (w->socket_gone || *is_watched_for_write == w->want_write)
        return;
    if (w->want_write)
        event.events |= EPOLLOUT;
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, WIRE_SOCKET_FD, &event) == 0)
        *is_watched_for_write = w->want_write;
}

/* Returns true when the warden has nothing left to do. */
static bool round_run(struct warden *w, unsigned seen)
{
    bool childless = false;

    if (seen & SAW_LEASE)
        warden_lease_check(w);
    if (seen & SAW_DAEMON)
        daemon_died(w);
    if (seen & SAW_RUN_TIMER)
        warden_runs_act(w);
    if (seen & SAW_SOCKET)
        warden_link_read(w);
    /* A child's end may have been seen by now, whatever woke us. */
    if (seen & SAW_CHILD || w->phase != PHASE_SERVING)
        childless = !warden_reap(w);
    if (w->must_sweep) {
        w->must_sweep = false;
        warden_sweep(w);
    }
    if (!w->want_write)
        warden_runs_report(w);
    return w->phase != PHASE_SERVING && end_go_on(w, childless);
}

static int loop_run(struct warden *w)
{
    struct epoll_event events[MAX_EVENTS];
    bool is_watched_for_write = false;

    for (;;) {
        int n = epoll_wait(w->epoll_fd, events, MAX_EVENTS, WAIT_FOR_IT);

        if (n < 0)
            continue; /* EINTR is all it can be */
        if (round_run(w, events_sort(w, events, n)))
            return w->failed ? WIRE_EXIT_PROTOCOL : WIRE_EXIT_OK;
        socket_watch(w, &is_watched_for_write);
    }
}

/* ---- the start ---------------------------------------------------------- */

static bool watch(struct warden *w, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    return fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Dispositions are set past the C library, which hides two signals of its own
 * that posix_spawn has left ignored: commands would inherit that. All zero is
 * the kernel's SIG_DFL without flags. */
static void signals_take(struct warden *w)
{
    static const unsigned long standard[4];
    const size_t mask_size = 8;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (int number = 1; number < NSIG; number++)
        syscall(SYS_rt_sigaction, number, standard, NULL, mask_size);
    w->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int oom_score_read(int fd)
{
    char text[8] = { 0 };
    int score = 0;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    const char *at = text;

    if (size <= 0)
        return 0;
    if (*at == '-')
        at++;
    while (*at >= '0' && *at <= '9')
        score = score * 10 + (*at++ - '0');
    return text[0] == '-' ? -score : score;
}

/* Only as root: who is not could lower it with a capability alone, but then
 * could not give commands their old value back. */
static void oom_score_lower(struct warden *w)
{
    static const char text[] = "-900";
    int fd;

    if (geteuid() != 0) {
        w->oom_errno = EPERM;
        return;
    }
    fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        w->oom_errno = errno;
        return;
    }
    w->oom_score = oom_score_read(fd);
    if (w->oom_score > OOM_SCORE) {
        if (pwrite(fd, text, sizeof(text) - 1, 0) < 0)
            w->oom_errno = errno;
        else
            w->oom_lowered = true;
    }
    close(fd);
}

/* A deadline must not wait for a page to come from a disk, nor for memory.
 * Everything is locked as it is touched; what the deadlines need (the code,
 * the tables of a sweep, some stack) is touched here. Slots of runs and the
 * message buffer come with their first use, which keeps an idle warden small.
 */
static void memory_lock(struct warden *w)
{
    extern const char __executable_start[];
    extern const char etext[];
    volatile char stack[32768];

    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        w->lock_errno = errno;
        return;
    }
    madvise((void *)(uintptr_t)__executable_start,
            (size_t)(etext - __executable_start), MADV_POPULATE_READ);
    for (size_t i = 0; i < sizeof(stack); i += 1024)
        stack[i] = 0;
    memset(w->failures, 0, WIRE_RUNS_MAX * sizeof(*w->failures));
    memset(w->victims, 0, sizeof(w->victims));
    memset(w->victim_hash, 0, sizeof(w->victim_hash));
    memset(w->scratch, 0, sizeof(w->scratch));
}

static bool setup(struct warden *w)
{
    w->pid = getpid();
    w->daemon_fd = -1;
    w->wake_fd = -1;
    w->phase_until_ns = NEVER;
    w->ticks_per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    warden_runs_init(w);
    signals_take(w);
    setsid(); /* a terminal's signals are for the daemon */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return false;
    oom_score_lower(w);
    w->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    w->children_fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    w->failures =
        mmap(NULL, WIRE_RUNS_MAX * sizeof(*w->failures), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->lease_timer_fd =
        timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    w->run_timer_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (w->null_fd < 0 || w->children_fd < 0 || w->failures == MAP_FAILED ||
        w->epoll_fd < 0)
        return false;
    if (!watch(w, w->signal_fd) || !watch(w, w->lease_timer_fd) ||
        !watch(w, w->run_timer_fd) || !watch(w, WIRE_SOCKET_FD))
        return false;
    /* Last, for it makes our own /proc files root's. A command of the same
     * user can then neither trace us nor read our memory. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return false;
    memory_lock(w);
    return true;
}

static bool socket_is_ours(void)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(WIRE_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_SEQPACKET &&
           fcntl(WIRE_SOCKET_FD, F_SETFD, FD_CLOEXEC) == 0;
}

static int say(const char *text, int exit_code)
{
    ssize_t size = write(2, text, strlen(text));

    (void)size;
    return exit_code;
}

int main(void)
{
    static struct warden warden;

    if (!socket_is_ours())
        return say("timed-jobs-warden: started by the timed-jobs daemon, not "
                   "by hand\n",
                   WIRE_EXIT_USAGE);
    if (!setup(&warden))
        return say("timed-jobs-warden: the kernel refuses what it needs (is "
                   "/proc mounted?)\n",
                   WIRE_EXIT_SETUP);
    /* Not by way of exit handlers: there are none, and a leak checker could
     * not look into a process that nobody may trace. */
    _exit(loop_run(&warden));
}
