/* Driving timed-jobs from an event loop that is not libuv's.
 *
 * libuv offers one descriptor that becomes readable when it has work, and says
 * how long it can wait: that is all an epoll loop needs to take it in beside
 * its own descriptors. Usage: foreign_loop LOG_DIR */
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <timedjobs/timedjobs.h>
#include <unistd.h>
#include <uv.h>

static int closed;

static tj_run_status
work(tj_run run, const tj_tick_context *context, void *n_runs)
{
    ++*(int *)n_runs;
    printf("%s: run %d\n", context->runner, *(int *)n_runs);
    if (*(int *)n_runs == 3)
        tj_engine_stop(run.engine, NULL, NULL);
    return TJ_RUN_OK;
}

static void on_closed(void *userdata)
{
    closed = 1;
}

/* The program's own work: a timer of its own, every 20 ms. */
static int own_timer(int epoll_fd)
{
    struct itimerspec every = { { 0, 20000000 }, { 0, 20000000 } };
    struct epoll_event event = { .events = EPOLLIN };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    event.data.fd = fd;
    if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
        return -1;
    return fd;
}

/* One turn: wait for either side, then let libuv do what is due. */
static int turn(uv_loop_t *uv, int epoll_fd, int own_fd)
{
    struct epoll_event events[8];
    int timeout_ms, count, index, n_own = 0;
    uint64_t expirations;

    uv_update_time(uv);
    timeout_ms = uv_backend_timeout(uv);
    count = epoll_wait(epoll_fd, events, 8, timeout_ms);
    for (index = 0; index < count; index++) {
        if (events[index].data.fd == own_fd &&
            read(own_fd, &expirations, sizeof(expirations)) > 0)
            n_own++;
    }
    uv_run(uv, UV_RUN_NOWAIT);
    return n_own;
}

int main(int argc, char **argv)
{
    struct epoll_event event = { .events = EPOLLIN };
    tj_engine_options options;
    tj_day_log_options log_options;
    tj_runner runner = TJ_RUNNER_INIT;
    tj_day_log *log;
    tj_engine *engine;
    tj_loop *loop;
    tj_error error = TJ_ERROR_INIT;
    uv_loop_t uv;
    int n_runs = 0, n_own = 0;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int own_fd = own_timer(epoll_fd);

    if (epoll_fd < 0 || own_fd < 0 || uv_loop_init(&uv))
        return 1;
    event.data.fd = uv_backend_fd(&uv);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event))
        return 1;

    tj_day_log_options_init(&log_options);
    log_options.dir = argc > 1 ? argv[1] : "log";
    tj_engine_options_init(&options);
    options.job = "foreign";
    options.config.interval_ms = 50;
    options.gate = tj_gate_always_open();
    runner.name = "work";
    runner.run = work;
    runner.userdata = &n_runs;
    if (tj_loop_new_uv(&uv, &loop, &error) ||
        tj_day_log_new(&log_options, &log, &error))
        return fprintf(stderr, "%s\n", error.message), 1;
    options.loop = loop;
    options.log = tj_day_log_sink(log);
    if (tj_engine_new(&options, &engine, &error) ||
        tj_engine_add_runner(engine, &runner, &error) ||
        tj_engine_start(engine, &error))
        return fprintf(stderr, "%s\n", error.message), 1;

    while (tj_engine_is_started(engine))
        n_own += turn(&uv, epoll_fd, own_fd);
    tj_engine_close(engine, on_closed, NULL);
    while (!closed)
        n_own += turn(&uv, epoll_fd, own_fd);
    printf("own work: %s\n", n_own >= 3 ? "went on" : "starved");

    tj_loop_close(loop, NULL, NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
    close(own_fd);
    close(epoll_fd);
    return tj_day_log_free(log) || uv_loop_close(&uv) ? 1 : 0;
}
