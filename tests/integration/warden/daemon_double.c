/* Plays the daemon for test_gone.c:
 *
 *   daemon-double DIR K_MS D_MS kill|keep stop|live
 *
 * Holds cell 0 under term 7 until K_MS from now, runs torture commands under
 * it, writes "<own pid> <warden's pid> <K> <D>" to DIR/ready once all of them
 * are there, then stops itself or lives on. */
#include "warden/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define MS      INT64_C(1000000)
#define N_LINES 9

struct double_daemon {
    uv_loop_t loop;
    uv_timer_t timer;
    tj_warden *warden;
    tj_warden_cells *cells;
    const char *dir;
    int64_t kill_at_ns;
    int64_t dead_at_ns;
    bool stops;
    char file[128];
};

static int64_t boottime_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void must(int code, const char *what)
{
    if (code == 0)
        return;
    fprintf(stderr, "daemon-double: %s: %d\n", what, code);
    exit(1);
}

static void on_end(tj_warden_run *run, const tj_warden_end *end, void *userdata)
{
    (void)run;
    (void)end;
    (void)userdata;
}

static void start(struct double_daemon *d, const char *mode, const char *n)
{
    static const tj_warden_run_callbacks callbacks = { NULL, on_end };
    const char *argv[] = { getenv("TORTURE"), mode, d->file, n, NULL };
    char id[TJ_RUN_ID_SIZE];
    char variable[64];
    const char *env[] = { variable, NULL };
    tj_warden_run *run;
    tj_warden_spec spec = {
        .run_id = id,
        .argv = argv,
        .env = env,
        .umask = -1,
        .cell = 0,
        .term = 7,
        .stdin_fd = -1,
        .stdout_fd = -1,
        .stderr_fd = -1,
        .result_fd = -1,
    };

    must(tj__warden_make_run_id(id), "id");
    snprintf(variable, sizeof(variable), "TIMED_JOBS_RUN_ID=%s", id);
    must(tj__warden_start_run(d->warden, &spec, &callbacks, NULL, &run, NULL),
         "start");
}

static size_t n_lines(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t n = 0;
    int c;

    if (!file)
        return 0;
    while ((c = fgetc(file)) != EOF)
        n += c == '\n';
    fclose(file);
    return n;
}

static void say_ready(struct double_daemon *d)
{
    char path[160];
    char final[160];
    FILE *file;

    snprintf(path, sizeof(path), "%s/ready.tmp", d->dir);
    snprintf(final, sizeof(final), "%s/ready", d->dir);
    file = fopen(path, "we");
    must(file ? 0 : 1, "witness");
    fprintf(file, "%d %d %lld %lld\n", (int)getpid(),
            (int)tj__warden_pid(d->warden), (long long)d->kill_at_ns,
            (long long)d->dead_at_ns);
    fclose(file);
    must(rename(path, final), "witness");
}

static void on_timer(uv_timer_t *timer)
{
    struct double_daemon *d = timer->data;

    if (n_lines(d->file) < N_LINES)
        return;
    uv_timer_stop(timer);
    /* What runs is there: now the deadlines that the test is about. */
    d->kill_at_ns += boottime_ns();
    d->dead_at_ns += boottime_ns();
    tj__deadline_extend(tj__warden_cells_get(d->cells, 0), 7, d->kill_at_ns,
                        d->dead_at_ns);
    tj__warden_cells_wake(d->cells);
    say_ready(d);
    if (d->stops)
        raise(SIGSTOP);
}

static void set_release(struct double_daemon *d)
{
    static const char script[] =
        "n=0; for p in $(cat $DIR/pids); do kill -0 $p 2>/dev/null && "
        "n=$((n+1)); done; echo \"$n alive: $*\" >>$DIR/released";
    const char *const argv[] = { "/bin/sh", "-c",        script, "release",
                                 "--lease", "the lease", NULL };

    must(tj__warden_cells_set_release(d->cells, 0, argv), "release");
    must(tj__warden_cells_set_release(d->cells, 1, argv), "release");
}

int main(int argc, char **argv)
{
    static struct double_daemon d;
    tj_warden_options options = { .uv = &d.loop };

    if (argc != 6)
        return 2;
    d.dir = argv[1];
    setenv("DIR", d.dir, 1);
    d.kill_at_ns = strtoll(argv[2], NULL, 10) * MS;
    d.dead_at_ns = strtoll(argv[3], NULL, 10) * MS;
    d.stops = strcmp(argv[5], "stop") == 0;
    snprintf(d.file, sizeof(d.file), "%s/pids", d.dir);
    must(uv_loop_init(&d.loop), "loop");
    must(tj__warden_cells_new(2, &d.cells, NULL), "cells");
    set_release(&d); /* of cell 1, too, which is never held */
    options.cells = d.cells;
    options.adopt = true;
    options.on_hang = strcmp(argv[4], "keep") == 0 ? TJ_WARDEN_HANG_KEEP
                                                   : TJ_WARDEN_HANG_KILL;
    must(tj__warden_new(&options, &d.warden, NULL), "warden");
    tj__deadline_extend(tj__warden_cells_get(d.cells, 0), 7,
                        boottime_ns() + 60000 * MS, boottime_ns() + 60000 * MS);
    start(&d, "stay", "1");            /* 1 line */
    start(&d, "family-stays", "3");    /* 4 */
    start(&d, "daemonise-stays", "1"); /* 2 */
    start(&d, "shed-stays", "1");      /* 2 */
    must(uv_timer_init(&d.loop, &d.timer), "timer");
    d.timer.data = &d;
    must(uv_timer_start(&d.timer, on_timer, 1, 1), "timer");
    return uv_run(&d.loop, UV_RUN_DEFAULT);
}
