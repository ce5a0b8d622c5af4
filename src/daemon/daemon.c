/* The daemon: start, run, and the way down.
 *
 * Start: read the configuration (nothing is touched before it is known to be
 * good), open the log, make the lease, the warden and the control socket, then
 * the jobs. The lease is asked for at once, while the rest is still being
 * made. Down, whatever asks for it: no new ticks, drain those in flight, hand
 * the lease over, close everything, flush the log. */
#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "daemon/notify.h"
#include "daemon/supervisor.h"
#include "daemon/trim.h"

#include <timedjobs/version.h>

enum {
    EXIT_CONFIG = 2,
    DESCRIPTORS_LEAST = 64,
    SOCKET_CHECK_MS = 2000, /* one look at a name */
    TRIM_AFTER_MS = 2000    /* the start is over, the first ticks too */
};

/* ---- closing ---- */

void daemon_closed_one(void *userdata)
{
    struct daemon *daemon = userdata;

    daemon->n_closing--;
}

static void daemon_handle_closed(uv_handle_t *handle)
{
    daemon_closed_one(handle->data);
}

static void close_handle(struct daemon *daemon, uv_handle_t *handle)
{
    if (uv_is_closing(handle))
        return;
    handle->data = daemon;
    daemon->n_closing++;
    uv_close(handle, daemon_handle_closed);
}

static void run_until_closed(struct daemon *daemon)
{
    while (daemon->n_closing && uv_run(&daemon->uv, UV_RUN_ONCE))
        ;
}

static void timers_close(struct daemon *daemon)
{
    if (!daemon->timers_made)
        return;
    close_handle(daemon, (uv_handle_t *)&daemon->heartbeat);
    close_handle(daemon, (uv_handle_t *)&daemon->drain_timer);
    close_handle(daemon, (uv_handle_t *)&daemon->warden_timer);
    close_handle(daemon, (uv_handle_t *)&daemon->trim_timer);
    close_handle(daemon, (uv_handle_t *)&daemon->socket_timer);
}

/* From the jobs downwards, in the order in which one needs the other. Accepts
 * a daemon that was made half-way. */
static void daemon_close(struct daemon *daemon)
{
    size_t at;

    daemon->phase = DAEMON_CLOSING;
    jobs_close(daemon);
    run_until_closed(daemon);
    if (daemon->warden) {
        daemon->n_closing++;
        tj__warden_close(daemon->warden, daemon_closed_one, daemon);
        daemon->warden = NULL;
        daemon->command_host.warden = NULL;
        run_until_closed(daemon);
    }
    /* The lease is gone some turns from now: who asks it anything (a request,
     * the heartbeat) must not get a turn before. */
    leadership_answer_all(daemon);
    sockets_close(daemon);
    timers_close(daemon);
    if (daemon->lease) {
        daemon->n_closing++;
        tj_lease_close(daemon->lease, daemon_closed_one, daemon);
    }
    run_until_closed(daemon);
    daemon->lease = NULL;
    /* Last, so that a second signal ends a close that hangs. */
    for (at = 0; at < daemon->n_signals; at++)
        close_handle(daemon, (uv_handle_t *)&daemon->signals[at]);
    run_until_closed(daemon);
}

static void daemon_free(struct daemon *daemon)
{
    tj_loop *loop = daemon->loop;
    uint64_t n_lost;
    size_t at;

    /* The log writer may still complain until the log is gone, but nobody
     * listens any more. */
    pthread_mutex_lock(&daemon->trouble.lock);
    daemon->loop = NULL;
    pthread_mutex_unlock(&daemon->trouble.lock);
    if (loop) {
        daemon->n_closing++;
        tj_loop_close(loop, daemon_closed_one, daemon);
        run_until_closed(daemon);
    }
    n_lost = tj_day_log_free(daemon->log);
    if (n_lost) {
        narrator_say(&daemon->narrator, NARRATOR_ERROR, "log_lost", NULL,
                     "%" PRIu64 " log lines never reached a file", n_lost);
        daemon->exit_code = EXIT_FAILURE;
    }
    tj__warden_cells_free(daemon->cells);
    for (at = 0; at < DAEMON_SERVERS_MAX; at++)
        tj__free(daemon->server_paths[at]);
    jobs_free(daemon);
    config_free(daemon->config);
    uv_loop_close(&daemon->uv);
    trouble_done(daemon);
}

/* ---- the way down ---- */

static void on_lease_released(void *userdata)
{
    struct daemon *daemon = userdata;

    uv_stop(&daemon->uv);
}

void daemon_on_jobs_stopped(struct daemon *daemon)
{
    daemon->phase = DAEMON_RELEASING;
    /* What still runs was cancelled when the drain ran out, and has the grace
     * of its runner since. Now it has that of a stop at most. */
    if (daemon->warden)
        tj__warden_stop_all(daemon->warden, daemon->config->stop.grace_ms);
    if (tj_lease_stop(daemon->lease, on_lease_released, daemon))
        uv_stop(&daemon->uv);
    leadership_check_drained(daemon);
}

void daemon_stop(struct daemon *daemon, const char *who)
{
    if (daemon->phase != DAEMON_RUNNING)
        return;
    daemon->phase = DAEMON_DRAINING;
    notify_send("STOPPING=1\nSTATUS=draining");
    narrator_say(&daemon->narrator, NARRATOR_INFO, "stopping", NULL,
                 "stopping (%s): %s", who,
                 jobs_are_busy(daemon) ? "waiting for what is in flight"
                                       : "nothing is in flight");
    jobs_stop(daemon);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *daemon = handle->data;

    if (number == SIGHUP) {
        narrator_say(&daemon->narrator, NARRATOR_WARNING, "reload_refused",
                     NULL,
                     "SIGHUP: this version cannot reload its configuration; "
                     "restart it");
        return;
    }
    if (daemon->stop_signal) {
        narrator_say(&daemon->narrator, NARRATOR_WARNING, "killed", NULL,
                     "a second signal: ending at once, the warden ends the "
                     "commands");
        /* Not exit(): whatever hangs must not be waited for. The warden sees
         * us go, ends every command and hands the lease on. */
        _exit(128 + number);
    }
    daemon->stop_signal = number;
    daemon_stop(daemon, number == SIGINT ? "SIGINT" : "SIGTERM");
}

void daemon_notify_status(struct daemon *daemon)
{
    const tj_lease_view *view = &daemon->view;

    notify_send("STATUS=%s, term %" PRId64,
                tj_lease_state_to_string(view->state),
                view->term ? view->term : view->row.term);
}

/* ---- start ---- */

static void on_heartbeat(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    tj_lease_heartbeat(daemon->lease);
    if (daemon->is_watched)
        notify_send("WATCHDOG=1");
}

/* Often enough for the keeper and for a service manager that watches us. */
static uint64_t beat_period_ms(struct daemon *daemon)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here */
    const char *watchdog = getenv("WATCHDOG_USEC");
    uint64_t watchdog_ms = watchdog ? strtoull(watchdog, NULL, 10) / 1000 : 0;
    uint64_t beat_ms = (uint64_t)daemon->config->lease.heartbeat_ms / 3;

    daemon->is_watched = watchdog_ms > 0;
    if (watchdog_ms && (!beat_ms || watchdog_ms / 3 < beat_ms))
        beat_ms = watchdog_ms / 3 ? watchdog_ms / 3 : 1;
    return beat_ms;
}

static void on_trim(uv_timer_t *timer)
{
    (void)timer;
    trim_memory();
}

static void on_socket_timer(uv_timer_t *timer)
{
    sockets_restore(timer->data);
}

static void make_timers(struct daemon *daemon)
{
    const uint64_t beat_ms = beat_period_ms(daemon);

    uv_timer_init(&daemon->uv, &daemon->heartbeat);
    uv_timer_init(&daemon->uv, &daemon->drain_timer);
    uv_timer_init(&daemon->uv, &daemon->warden_timer);
    uv_timer_init(&daemon->uv, &daemon->trim_timer);
    uv_timer_init(&daemon->uv, &daemon->socket_timer);
    daemon->heartbeat.data = daemon;
    daemon->drain_timer.data = daemon;
    daemon->warden_timer.data = daemon;
    daemon->socket_timer.data = daemon;
    daemon->timers_made = true;
    uv_timer_start(&daemon->trim_timer, on_trim, TRIM_AFTER_MS, 0);
    uv_timer_start(&daemon->socket_timer, on_socket_timer, SOCKET_CHECK_MS,
                   SOCKET_CHECK_MS);
    if (beat_ms)
        uv_timer_start(&daemon->heartbeat, on_heartbeat, beat_ms, beat_ms);
}

static int catch_signals(struct daemon *daemon, tj_error *reterr)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    size_t at;

    /* A reader that leaves and a file-size limit are errors of a write, not
     * ends of the process. */
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    for (at = 0; at < sizeof(numbers) / sizeof(numbers[0]); at++) {
        uv_signal_t *handle = &daemon->signals[at];
        int result = uv_signal_init(&daemon->uv, handle);

        if (result == 0) {
            daemon->n_signals++;
            handle->data = daemon;
            result = uv_signal_start(handle, on_signal, numbers[at]);
        }
        if (result)
            return tj__error_set_errno(reterr, -result, "daemon", "signal %d",
                                       numbers[at]);
    }
    return 0;
}

/* The state directory and its parents, 0750. */
static int make_directory(const char *path, tj_error *reterr)
{
    char *copy = tj__strdup(path);
    char *at;
    int code = 0;

    if (!copy)
        return tj__error_set(reterr, TJ_ENOMEM, "daemon", "out of memory");
    for (at = copy + 1; !code; at++) {
        const char end = *at;

        if (end != '/' && end)
            continue;
        *at = '\0';
        if (mkdir(copy, 0750) && errno != EEXIST)
            code = tj__error_set_errno(reterr, errno, "daemon",
                                       "cannot make the directory %s", copy);
        *at = end;
        if (!end)
            break;
    }
    tj__free(copy);
    return code;
}

static int open_log(struct daemon *daemon, tj_error *reterr)
{
    const struct config_log *config = &daemon->config->log;
    tj_day_log_options options;
    int code;

    tj_day_log_options_init(&options);
    options.dir = config->dir;
    options.queue_size = (size_t)config->queue_size;
    options.sync_interval_ms = config->sync_ms;
    options.flush_timeout_ms = config->flush_timeout_ms;
    options.keep_days = config->keep_days;
    options.keep_bytes = config->max_size;
    options.on_trouble = trouble_tell;
    options.userdata = daemon;
    code = tj_day_log_new(&options, &daemon->log, reterr);
    if (code)
        tj__error_prefix(reterr, "log directory %s", config->dir);
    return code;
}

static int daemon_make(struct daemon *daemon, tj_error *reterr)
{
    int code = make_directory(daemon->config->state, reterr);

    if (!code)
        code = open_log(daemon, reterr);
    if (!code)
        code = tj_loop_new_uv(&daemon->uv, &daemon->loop, reterr);
    if (!code)
        code = catch_signals(daemon, reterr);
    if (!code)
        code = tj__warden_cells_new(1, &daemon->cells, reterr);
    if (!code)
        code = leadership_new(daemon, reterr);
    if (!code)
        code = wardens_set_release(daemon, reterr);
    if (!code)
        code = wardens_new(daemon, reterr);
    if (!code)
        code = tj_lease_start(daemon->lease, reterr);
    if (!code)
        code = sockets_open(daemon, reterr);
    if (code)
        return code;

    make_timers(daemon);
    daemon->command_host.uv = &daemon->uv;
    daemon->command_host.cells = daemon->cells;
    daemon->command_host.may_start = leadership_may_start;
    daemon->command_host.userdata = daemon;
    code = jobs_new(daemon, reterr);
    if (!code)
        code = jobs_start(daemon, reterr);
    return code;
}

static void tell_started(struct daemon *daemon)
{
    tj_json *details = tj_json_new_object();

    tj_json_set_string(details, "version", tj_version());
    tj_json_set_int(details, "pid", getpid());
    tj_json_set_string(details, "host", daemon->config->host);
    tj_json_set_string(details, "controller_id",
                       tj_lease_get_holder(daemon->lease));
    tj_json_set_string(details, "socket", daemon->server_paths[0]);
    tj_json_set_string(details, "log_dir", daemon->config->log.dir);
    narrator_say(&daemon->narrator, NARRATOR_INFO, "started", details,
                 "timed-jobs %s: %zu jobs from %s, lease '%s' in %s",
                 tj_version(), daemon->n_jobs, daemon->config->file,
                 daemon->config->lease.name,
                 daemon->config->lease.backend.text);
    if (daemon->narrator.mode == NARRATOR_HUMAN)
        narrator_say(&daemon->narrator, NARRATOR_INFO, "paths", NULL,
                     "log in %s, control socket %s; Ctrl-C stops",
                     daemon->config->log.dir, daemon->server_paths[0]);
    notify_send("READY=1\nMAINPID=%d", (int)getpid());
}

static void daemon_run(struct daemon *daemon)
{
    tj_error error = TJ_ERROR_INIT;

    if (daemon_make(daemon, &error)) {
        narrator_say(&daemon->narrator, NARRATOR_ERROR, "start_failed", NULL,
                     "cannot start: %s", error.message);
        daemon->exit_code = EXIT_FAILURE;
        return;
    }
    daemon->phase = DAEMON_RUNNING;
    tell_started(daemon);
    uv_run(&daemon->uv, UV_RUN_DEFAULT);
}

/* ---- configuration ---- */

static bool wants_color(const daemon_options *options, int fd)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here */
    const char *no_color = getenv("NO_COLOR");

    switch (options->color) {
    case DAEMON_COLOR_ALWAYS:
        return true;
    case DAEMON_COLOR_NEVER:
        return false;
    case DAEMON_COLOR_AUTO:
        break;
    }
    return isatty(fd) && !(no_color && no_color[0]);
}

static int load_config(const daemon_options *options,
                       struct config **ret_config)
{
    struct config_options load;
    struct config_report *report = config_report_new();
    tj_buf text = TJ_BUF_INIT;
    int code;

    if (!report)
        return TJ_ENOMEM;
    config_options_init(&load, options->config_path);
    load.state = options->state_dir;
    load.socket = options->socket_path;
    load.host = options->host;
    code = config_load(&load, report, ret_config);
    if (!code && leadership_check(*ret_config, report)) {
        config_free(*ret_config);
        *ret_config = NULL;
        code = TJ_EINVAL;
    }
    config_report_print(report, &text, wants_color(options, STDERR_FILENO));
    if (text.size)
        (void)fwrite(text.data, 1, text.size, stderr);
    tj__buf_done(&text);
    config_report_free(report);
    return code;
}

/* libuv aborts where it finds none for its own use, so look first. */
static bool have_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS_LEAST)
        return true;
    if (limit.rlim_max < DESCRIPTORS_LEAST)
        return false;
    limit.rlim_cur = DESCRIPTORS_LEAST;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int daemon_main(const daemon_options *options)
{
    struct daemon *daemon = tj__calloc(1, sizeof(*daemon));
    const bool human = isatty(STDOUT_FILENO) && !options->json;
    ssize_t length;
    int exit_code;

    if (!daemon)
        return EXIT_FAILURE;
    daemon->options = options;
    if (load_config(options, &daemon->config)) {
        tj__free(daemon);
        return EXIT_CONFIG;
    }
    length = readlink("/proc/self/exe", daemon->program,
                      sizeof(daemon->program) - 1);
    if (length > 0)
        daemon->program[length] = '\0';
    /* A command of the same user must not reach into us for the log, the
     * lease or a secret. */
    prctl(PR_SET_DUMPABLE, 0);
    daemon->started_wall_ms = tj_clock_system().now(NULL).wall_ms;
    narrator_init(&daemon->narrator, STDOUT_FILENO,
                  human ? NARRATOR_HUMAN : NARRATOR_JSON,
                  wants_color(options, STDOUT_FILENO), options->quiet);
    trouble_init(daemon);
    if (have_descriptors() && uv_loop_init(&daemon->uv) == 0) {
        daemon_run(daemon);
        daemon_close(daemon);
        daemon_free(daemon);
    } else {
        narrator_say(&daemon->narrator, NARRATOR_ERROR, "start_failed", NULL,
                     "cannot start: at least %d descriptors (ulimit -n) and "
                     "some memory are needed",
                     DESCRIPTORS_LEAST);
        config_free(daemon->config);
        trouble_done(daemon);
        daemon->exit_code = EXIT_FAILURE;
    }
    narrator_say(&daemon->narrator, NARRATOR_INFO, "stopped", NULL, "stopped");
    exit_code = daemon->exit_code;
    narrator_done(&daemon->narrator);
    tj__free(daemon);
    return exit_code;
}
