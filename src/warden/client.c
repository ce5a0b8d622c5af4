/* The daemon's side of the warden: its life, what it says, and its loss. Three
 * libuv handles: the socket, the warden's pidfd and a timer. See client.h. */
#include "warden/client_state.h"

#include "base/alloc.h"
#include "base/error.h"
#include "warden/cells.h"
#include "warden/launch.h"
#include "warden/orphans.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

_Static_assert(TJ_WARDEN_RUNS_MAX == WIRE_RUNS_MAX, "one limit");
_Static_assert(TJ_RUN_ID_SIZE <= WIRE_RUN_ID_SIZE, "ids fit");
_Static_assert((int)TJ_WARDEN_DAEMON_GONE == (int)WIRE_DAEMON_GONE,
               "causes are numbered alike");

/* How long an orderly end may take, and a sweep after a loss. */
#define CLOSE_LIMIT_MS 10000
#define EXIT_LIMIT_MS  1000
#define SWEEP_LIMIT_MS 2000
#define SWEEP_MS       2

/* How often it is looked whether anything came while answers are due, and how
 * many looks in vain make it a hung warden. Two at least: when the whole
 * machine was asleep, the first look comes before it had its turn. */
#define LOOK_MS           500
#define LOOKS_MAX         2
#define LOOKS_MAX_STARTUP 20 /* its file may come from a slow disk */

static void on_socket(uv_poll_t *poll, int status, int events);

void tj__warden_watch(tj_warden *warden)
{
    int events = UV_READABLE;

    if (warden->queue)
        events |= UV_WRITABLE;
    uv_poll_start(&warden->socket_poll, events, on_socket);
}

/* ---- ends --------------------------------------------------------------- */

static void run_end(tj_warden_run *run, const tj_warden_end *end)
{
    tj_warden *warden = run->warden;

    warden->runs[run->slot] = NULL;
    warden->free_slots[warden->n_free++] = (uint16_t)run->slot;
    run->callbacks.on_end(run, end, run->userdata);
    tj__free(run);
}

static void runs_end_all(tj_warden *warden, tj_warden_cause cause)
{
    for (uint32_t slot = 0; slot < WIRE_RUNS_MAX; slot++) {
        tj_warden_run *run = warden->runs[slot];
        tj_warden_end end = { .cause = cause, .exit_status = -1 };

        if (!run)
            continue;
        end.pid = run->pid;
        if (run->pid)
            end.term_signal = SIGKILL;
        run_end(run, &end);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    tj_warden *warden = handle->data;
    tj_warden_close_cb cb = warden->close_cb;
    void *userdata = warden->close_userdata;

    if (--warden->n_handles > 0)
        return;
    tj__warden_close_fds(&warden->socket_fd, 1);
    tj__warden_close_fds(&warden->process_fd, 1);
    tj__free(warden);
    if (cb)
        cb(userdata);
}

static void handles_close(tj_warden *warden)
{
    warden->state = STATE_CLOSED;
    tj__warden_queue_drop(warden);
    uv_close((uv_handle_t *)&warden->timer, on_handle_closed);
    if (warden->n_handles > 1)
        uv_close((uv_handle_t *)&warden->socket_poll, on_handle_closed);
    if (warden->n_handles > 2)
        uv_close((uv_handle_t *)&warden->process_poll, on_handle_closed);
}

/* The warden is gone and so is everything that it had started. */
static void ended(tj_warden *warden)
{
    uv_timer_stop(&warden->timer);
    runs_end_all(warden, TJ_WARDEN_LOST); /* in order, there are none */
    warden->state = STATE_LOST;
    if (warden->closing)
        handles_close(warden);
    else if (warden->options.on_lost)
        warden->options.on_lost(warden, &warden->why, warden->options.userdata);
}

static bool is_ours(const char *run_id, void *userdata)
{
    const tj_warden *warden = userdata;

    for (uint32_t slot = 0; slot < WIRE_RUNS_MAX; slot++) {
        if (warden->runs[slot] &&
            strcmp(warden->runs[slot]->run_id, run_id) == 0)
            return true;
    }
    return false;
}

static void on_sweep(uv_timer_t *timer)
{
    tj_warden *warden = timer->data;

    if (tj__orphans_kill(warden->options.adopt, is_ours, warden) > 0 &&
        uv_now(warden->options.uv) < warden->sweep_until_ms)
        uv_timer_start(timer, on_sweep, SWEEP_MS, 0);
    else
        ended(warden);
}

/* Sweep, then tell. A warden that ended in order has nothing left behind. */
static void lost(tj_warden *warden, const char *reason)
{
    if (warden->state != STATE_UP && warden->state != STATE_CLOSING)
        return;
    if (warden->state == STATE_UP || tj__warden_n_runs(warden) > 0) {
        warden->state = STATE_LOSING;
        tj__error_set(&warden->why, TJ_ECLOSED, "warden", "%s", reason);
        warden->sweep_until_ms = uv_now(warden->options.uv) + SWEEP_LIMIT_MS;
        uv_timer_start(&warden->timer, on_sweep, 0, 0);
        return;
    }
    ended(warden);
}

static void lost_by_exit(tj_warden *warden)
{
    char text[96];
    int status = warden->exit_status;

    if (warden->hung)
        snprintf(text, sizeof(text),
                 "the warden (pid %d) did not answer and was killed",
                 (int)warden->pid);
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof(text),
                 "the warden (pid %d) was killed by signal %d (%s)",
                 (int)warden->pid, WTERMSIG(status),
                 tj__warden_signal_name(WTERMSIG(status)));
    else
        snprintf(text, sizeof(text),
                 "the warden (pid %d) ended with exit status %d",
                 (int)warden->pid, WEXITSTATUS(status));
    lost(warden, text);
}

static void on_late(uv_timer_t *timer)
{
    const tj_warden *warden = timer->data;

    if (!warden->exited)
        kill(warden->pid, SIGKILL); /* its exit will be seen */
}

/* ---- is it still listening? ---------------------------------------------- */

static void socket_read(tj_warden *warden, int limit);
static void on_look(uv_timer_t *timer);

/* While commands run, a warden that hangs must be noticed even when nothing
 * else is asked of it: their ends and time limits are in its hands. */
static void ping(tj_warden *warden)
{
    struct wire_header header =
        tj__warden_header(WIRE_PING, sizeof(header), 0, 0);
    struct iovec part = { &header, sizeof(header) };

    if (tj__warden_send(warden, &part, 1, NULL, 0) == 0)
        tj__warden_expect(warden);
    else
        uv_timer_start(&warden->timer, on_look, LOOK_MS, 0);
}

static void on_look(uv_timer_t *timer)
{
    tj_warden *warden = timer->data;

    socket_read(warden, 256); /* perhaps it is we who are late */
    if (warden->state != STATE_UP || warden->socket_done)
        return;
    if (warden->n_due == 0) {
        if (tj__warden_n_runs(warden) > 0)
            ping(warden);
        return;
    }
    if (warden->heard_something)
        warden->n_silent_looks = 0;
    else
        warden->n_silent_looks++;
    warden->heard_something = false;
    if (warden->n_silent_looks >=
        (warden->is_ready ? LOOKS_MAX : LOOKS_MAX_STARTUP)) {
        /* Stopped, or stuck: then it keeps no deadline either. Its death ends
         * what it started, and another one can take its place. */
        warden->hung = true;
        kill(warden->pid, SIGKILL);
        return;
    }
    uv_timer_start(timer, on_look, LOOK_MS, 0);
}

void tj__warden_expect(tj_warden *warden)
{
    if (warden->n_due++ > 0 || warden->state != STATE_UP)
        return;
    warden->heard_something = false;
    warden->n_silent_looks = 0;
    if (!uv_is_active((uv_handle_t *)&warden->timer))
        uv_timer_start(&warden->timer, on_look, LOOK_MS, 0);
}

static void answered(tj_warden *warden)
{
    if (warden->n_due > 0)
        warden->n_due--;
}

/* ---- receiving ---------------------------------------------------------- */

static tj_warden_run *run_of(const tj_warden *warden,
                             const struct wire_header *header)
{
    tj_warden_run *run;

    if (header->slot >= WIRE_RUNS_MAX)
        return NULL;
    run = warden->runs[header->slot];
    return run && run->generation == header->generation ? run : NULL;
}

static const char *step_text(int32_t step)
{
    static const char *const texts[] = {
#define TEXT(name, text) [name] = (text),
        WIRE_STEP_MAP(TEXT)
#undef TEXT
    };

    if (step < 0 || (size_t)step >= sizeof(texts) / sizeof(texts[0]))
        return "an unknown step";
    return texts[step];
}

static void take_ended(tj_warden *warden, const struct wire_ended *report)
{
    tj_warden_run *run = run_of(warden, &report->header);
    tj_warden_end end = { 0 };
    int status = report->wait_status;

    if (!run)
        return;
    if (!run->answered)
        answered(warden);
    end.cause = (tj_warden_cause)report->cause;
    end.pid = report->pid;
    end.exit_status = -1;
    if (end.cause == TJ_WARDEN_START_FAILED) {
        end.step = step_text(report->step);
        end.step_errno = report->step_errno;
    } else if (WIFEXITED(status)) {
        end.exit_status = WEXITSTATUS(status);
    } else {
        end.term_signal = WTERMSIG(status);
    }
    end.duration_ms = report->duration_us / 1000;
    end.cpu_ms = report->cpu_us / 1000;
    end.max_rss_kib = report->max_rss_kib;
    end.n_leftovers = report->n_leftovers;
    end.n_survivors = report->n_survivors;
    run_end(run, &end);
    if (tj__warden_n_runs(warden) == 0 && warden->state == STATE_UP &&
        warden->options.on_idle)
        warden->options.on_idle(warden, warden->options.userdata);
}

static void take_started(tj_warden *warden, const struct wire_started *started)
{
    tj_warden_run *run = run_of(warden, &started->header);

    if (!run)
        return;
    run->answered = true;
    answered(warden);
    run->pid = started->pid;
    if (run->callbacks.on_started)
        run->callbacks.on_started(run, run->pid, run->userdata);
}

static void take_ready(tj_warden *warden, const struct wire_ready *ready)
{
    tj_warden_info info = { warden->pid, ready->lock_errno, ready->oom_errno };

    warden->is_ready = true;
    answered(warden);
    if (warden->state == STATE_UP && warden->options.on_ready)
        warden->options.on_ready(warden, &info, warden->options.userdata);
}

union packet {
    struct wire_header header;
    struct wire_ready ready;
    struct wire_started started;
    struct wire_ended ended;
};

static bool
take_packet(tj_warden *warden, const union packet *packet, size_t size)
{
    if (size < sizeof(packet->header) || packet->header.size != size ||
        packet->header.version != WIRE_VERSION)
        return false;
    warden->heard_something = true;
    switch (packet->header.type) {
    case WIRE_READY:
        if (size != sizeof(packet->ready))
            return false;
        take_ready(warden, &packet->ready);
        return true;
    case WIRE_STARTED:
        if (size != sizeof(packet->started))
            return false;
        take_started(warden, &packet->started);
        return true;
    case WIRE_ENDED:
        if (size != sizeof(packet->ended) || packet->ended.cause < 0 ||
            packet->ended.cause > WIRE_DAEMON_GONE)
            return false;
        take_ended(warden, &packet->ended);
        return true;
    case WIRE_HEARD:
        answered(warden);
        return true;
    default:
        return false;
    }
}

static void socket_end(tj_warden *warden)
{
    warden->socket_done = true;
    tj__warden_queue_drop(warden);
    uv_poll_stop(&warden->socket_poll);
}

/* Read what is there, at most `limit` packets. */
static void socket_read(tj_warden *warden, int limit)
{
    while (limit-- > 0 && !warden->socket_done &&
           warden->state < STATE_LOSING) {
        union packet packet;
        ssize_t size =
            recv(warden->socket_fd, &packet, sizeof(packet), MSG_DONTWAIT);

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0) {
            socket_end(warden);
        } else if (!take_packet(warden, &packet, (size_t)size)) {
            /* Not our warden's language: an upgrade replaced its file. Away
             * with it. */
            socket_end(warden);
            kill(warden->pid, SIGKILL);
        }
    }
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    tj_warden *warden = poll->data;

    (void)status; /* an error shows when reading */
    socket_read(warden, 256);
    if (warden->state > STATE_CLOSING)
        return;
    if (warden->socket_done) {
        /* Its exit comes next; a warden that only closes its socket is
         * useless and is not waited for. */
        if (!warden->exited)
            uv_timer_start(&warden->timer, on_late, EXIT_LIMIT_MS, 0);
        return;
    }
    if (events & UV_WRITABLE)
        tj__warden_queue_flush(warden);
    tj__warden_watch(warden);
}

static void on_process(uv_poll_t *poll, int status, int events)
{
    tj_warden *warden = poll->data;
    pid_t pid = waitpid(warden->pid, &warden->exit_status, WNOHANG);

    (void)status;
    (void)events;
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return;
    /* ECHILD: the program around us ignores SIGCHLD; it has exited anyway. */
    warden->exited = true;
    uv_poll_stop(poll);
    socket_read(warden, INT_MAX); /* its last words */
    if (!warden->socket_done)
        socket_end(warden);
    lost_by_exit(warden);
}

/* ---- begin -------------------------------------------------------------- */

static int send_hello(tj_warden *warden, int self_fd)
{
    const tj_warden_cells *cells = warden->options.cells;
    struct wire_hello hello = {
        .header = tj__warden_header(WIRE_HELLO, sizeof(hello), 0, 0),
        .n_cells = cells ? (uint32_t)cells->n_cells : 0,
        .kill_hung = warden->options.on_hang == TJ_WARDEN_HANG_KILL,
    };
    struct iovec part = { &hello, sizeof(hello) };
    int fds[WIRE_HELLO_FDS] = { self_fd, -1, -1 };
    size_t n_fds = 1;

    if (hello.n_cells > 0) {
        fds[1] = cells->memory_fd;
        fds[2] = cells->wake_fd;
        n_fds = WIRE_HELLO_FDS;
    }
    /* The socket is new and empty: this and the releases always fit. */
    return tj__warden_packet_send(warden->socket_fd, &part, 1, fds, n_fds) < 0
               ? errno
               : 0;
}

static int send_releases(tj_warden *warden)
{
    const tj_warden_cells *cells = warden->options.cells;

    for (uint32_t i = 0; cells && i < cells->n_cells; i++) {
        const tj_cell_release *release = &cells->releases[i];
        struct wire_release message = {
            .header = tj__warden_header(WIRE_RELEASE,
                                        sizeof(message) + release->size, i, 0),
            .n_arguments = (uint32_t)release->n_arguments,
            .text_size = (uint32_t)release->size,
        };
        struct iovec parts[] = { { &message, sizeof(message) },
                                 { release->text, release->size } };

        if (release->text &&
            tj__warden_packet_send(warden->socket_fd, parts, 2, NULL, 0) < 0)
            return errno;
    }
    return 0;
}

static int handles_open(tj_warden *warden, tj_error *reterr)
{
    struct uv_loop_s *uv = warden->options.uv;
    int code;

    uv_timer_init(uv, &warden->timer); /* cannot fail */
    warden->timer.data = warden;
    warden->n_handles = 1;
    code = uv_poll_init(uv, &warden->socket_poll, warden->socket_fd);
    if (code == 0) {
        warden->socket_poll.data = warden;
        warden->n_handles = 2;
        code = uv_poll_init(uv, &warden->process_poll, warden->process_fd);
    }
    if (code == 0) {
        warden->process_poll.data = warden;
        warden->n_handles = 3;
        code = uv_poll_start(&warden->process_poll, UV_READABLE, on_process);
    }
    if (code != 0)
        return tj__error_set(reterr, TJ_ESYSTEM, "warden",
                             "cannot watch the warden: %s", uv_strerror(code));
    tj__warden_watch(warden);
    return 0;
}

static int greet(tj_warden *warden, int self_fd, tj_error *reterr)
{
    int error = send_hello(warden, self_fd);

    if (error == 0)
        error = send_releases(warden);
    /* A warden that has died already is reported as lost, like any other. */
    if (error != 0 && error != EPIPE && error != ECONNRESET)
        return tj__error_set_errno(reterr, error, "warden",
                                   "cannot greet the warden");
    return handles_open(warden, reterr);
}

/* Undo a launch. Whatever handles there are take the memory with them. */
static void launch_undo(tj_warden *warden)
{
    kill(warden->pid, SIGKILL);
    waitpid(warden->pid, NULL, 0);
    if (warden->n_handles > 0) {
        handles_close(warden);
        return;
    }
    tj__warden_close_fds(&warden->socket_fd, 1);
    tj__warden_close_fds(&warden->process_fd, 1);
    tj__free(warden);
}

static tj_warden *object_make(const tj_warden_options *options)
{
    tj_warden *warden = tj__calloc(1, sizeof(*warden));

    if (!warden)
        return NULL;
    warden->options = *options;
    warden->options.path = NULL; /* not ours to keep */
    warden->queue_end = &warden->queue;
    for (uint16_t slot = WIRE_RUNS_MAX; slot-- > 0;)
        warden->free_slots[warden->n_free++] = slot;
    return warden;
}

int tj__warden_new(const tj_warden_options *options,
                   tj_warden **ret_warden,
                   tj_error *reterr)
{
    tj_warden_launch launch;
    tj_warden *warden;
    char found[PATH_MAX];
    const char *path = options->path;
    int code;

    if (!options->uv)
        return tj__error_set(reterr, TJ_EINVAL, "warden", "no loop");
    if (!path) {
        code = tj__warden_find(found, sizeof(found), reterr);
        if (code != 0)
            return code;
        path = found;
    }
    if (options->adopt && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return tj__error_set_errno(reterr, errno, "warden",
                                   "cannot become a subreaper");
    warden = object_make(options);
    if (!warden)
        return tj__error_set(reterr, TJ_ENOMEM, "warden", "out of memory");
    code = tj__warden_launch(path, &launch, reterr);
    if (code != 0) {
        tj__free(warden);
        return code;
    }
    warden->pid = launch.pid;
    warden->process_fd = launch.process_fd;
    warden->socket_fd = launch.socket_fd;
    code = greet(warden, launch.self_fd, reterr);
    close(launch.self_fd);
    if (code == 0)
        tj__warden_expect(warden);
    if (code != 0) {
        launch_undo(warden);
        return code;
    }
    *ret_warden = warden;
    return 0;
}

void tj__warden_close(tj_warden *warden, tj_warden_close_cb cb, void *userdata)
{
    struct wire_header header;
    struct iovec part = { &header, sizeof(header) };

    if (!warden || warden->closing)
        return;
    warden->closing = true;
    warden->close_cb = cb;
    warden->close_userdata = userdata;
    if (warden->state == STATE_LOST)
        handles_close(warden);
    if (warden->state != STATE_UP)
        return;
    warden->state = STATE_CLOSING;
    header = tj__warden_header(WIRE_SHUTDOWN, sizeof(header), 0, 0);
    if (tj__warden_send(warden, &part, 1, NULL, 0) != 0)
        kill(warden->pid, SIGKILL); /* out of memory: the short way */
    uv_timer_start(&warden->timer, on_late, CLOSE_LIMIT_MS, 0);
}

bool tj__warden_is_up(const tj_warden *warden)
{
    return warden->state == STATE_UP && !warden->socket_done;
}

pid_t tj__warden_pid(const tj_warden *warden)
{
    return warden->pid;
}
