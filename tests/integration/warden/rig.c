/* See rig.h. */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t boottime_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

size_t n_open_fds(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

const char *torture_path(void)
{
    return getenv("TORTURE");
}

bool process_is_alive(pid_t pid)
{
    char path[64];
    char text[512] = { 0 };
    const char *state;
    ssize_t size;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size = read(fd, text, sizeof(text) - 1);
    close(fd);
    state = size > 0 ? strrchr(text, ')') : NULL;
    return state && state[2] != 'Z' && state[2] != 'X';
}

/* ---- the loop ----------------------------------------------------------- */

/* Also ends a turn of the loop that would wait although a timer before it has
 * set the flag already. */
static void on_watchdog(uv_timer_t *timer)
{
    struct rig *rig = timer->data;

    if (boottime_ns() < rig->patient_until_ns)
        return;
    fprintf(stderr, "the test waits in vain\n");
    abort();
}

static void patience_begin(struct rig *rig)
{
    rig->patient_until_ns = boottime_ns() + PATIENCE_MS * INT64_C(1000000);
    rig->watchdog.data = rig;
    uv_update_time(&rig->loop);
    uv_timer_start(&rig->watchdog, on_watchdog, 10, 10);
}

static void patience_end(struct rig *rig)
{
    uv_timer_stop(&rig->watchdog);
}

void rig_wait(struct rig *rig, const bool *flag)
{
    patience_begin(rig);
    while (!*flag)
        uv_run(&rig->loop, UV_RUN_ONCE);
    patience_end(rig);
}

static void on_turn(uv_timer_t *timer)
{
    bool *over = timer->data;

    *over = true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    bool *closed = handle->data;

    *closed = true;
}

void rig_turn(struct rig *rig)
{
    uv_timer_t timer;
    bool over = false;
    bool closed = false;

    uv_timer_init(&rig->loop, &timer);
    timer.data = &over;
    uv_update_time(&rig->loop);
    uv_timer_start(&timer, on_turn, 1, 1); /* repeats: see on_watchdog */
    while (!over)
        uv_run(&rig->loop, UV_RUN_ONCE);
    timer.data = &closed;
    uv_close((uv_handle_t *)&timer, on_timer_closed);
    while (!closed)
        uv_run(&rig->loop, UV_RUN_NOWAIT);
}

/* ---- witnesses ---------------------------------------------------------- */

void rig_path(const struct rig *rig, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", rig->dir, name);
}

const char *
rig_read(const struct rig *rig, const char *name, char *text, size_t size)
{
    char path[128];
    ssize_t n;
    int fd;

    rig_path(rig, name, path, sizeof(path));
    text[0] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return text;
    n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

size_t
rig_pids(const struct rig *rig, const char *name, pid_t *pids, size_t max)
{
    static char text[65536];
    const char *at = rig_read(rig, name, text, sizeof(text));
    size_t n = 0;

    while (*at && strchr(at, '\n') && n < max) {
        pids[n++] = (pid_t)strtol(at, NULL, 10);
        at = strchr(at, '\n') + 1;
    }
    return n;
}

void rig_wait_lines(struct rig *rig, const char *name, size_t n)
{
    static pid_t pids[4096];

    patience_begin(rig);
    while (rig_pids(rig, name, pids, 4096) < n)
        rig_turn(rig);
    patience_end(rig);
}

void rig_wait_dead(struct rig *rig, const char *name)
{
    static pid_t pids[4096];
    size_t n = rig_pids(rig, name, pids, 4096);

    assert_true(n > 0);
    patience_begin(rig);
    for (size_t i = 0; i < n; i++) {
        while (process_is_alive(pids[i]))
            rig_turn(rig);
    }
    patience_end(rig);
}

/* ---- the warden --------------------------------------------------------- */

static void
on_ready(tj_warden *warden, const tj_warden_info *info, void *userdata)
{
    struct rig *rig = userdata;

    (void)warden;
    rig->ready = true;
    rig->info = *info;
}

static void on_lost(tj_warden *warden, const tj_error *why, void *userdata)
{
    struct rig *rig = userdata;

    (void)warden;
    rig->lost = true;
    rig->why = *why;
}

static void on_closed(void *userdata)
{
    struct rig *rig = userdata;

    rig->closed = true;
}

void rig_new_warden(struct rig *rig, tj_warden_on_hang on_hang, bool adopt)
{
    tj_error error = TJ_ERROR_INIT;
    tj_warden_options options = {
        .uv = &rig->loop,
        .cells = rig->cells,
        .on_hang = on_hang,
        .adopt = adopt,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .userdata = rig,
    };

    rig->ready = false;
    rig->lost = false;
    rig->closed = false;
    if (tj__warden_new(&options, &rig->warden, &error) != 0) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
}

void rig_open(struct rig *rig,
              size_t n_cells,
              tj_warden_on_hang on_hang,
              bool adopt)
{
    uv_loop_t first;

    /* libuv opens a pipe of its own with a process's first loop. */
    assert_int_equal(uv_loop_init(&first), 0);
    assert_int_equal(uv_loop_close(&first), 0);
    memset(rig, 0, sizeof(*rig));
    rig->n_fds_before = n_open_fds();
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/tj-warden-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    assert_int_equal(uv_timer_init(&rig->loop, &rig->watchdog), 0);
    if (n_cells > 0)
        assert_int_equal(tj__warden_cells_new(n_cells, &rig->cells, NULL), 0);
    rig_new_warden(rig, on_hang, adopt);
}

static int remove_one(const char *path,
                      const struct stat *stat,
                      int type,
                      struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

void rig_close(struct rig *rig)
{
    pid_t pid = tj__warden_pid(rig->warden);

    tj__warden_close(rig->warden, on_closed, rig);
    rig_wait(rig, &rig->closed);
    tj__warden_cells_free(rig->cells);
    uv_close((uv_handle_t *)&rig->watchdog, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    nftw(rig->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(n_open_fds(), rig->n_fds_before);
}

/* ---- runs --------------------------------------------------------------- */

static void on_started(tj_warden_run *run, pid_t pid, void *userdata)
{
    struct job *job = userdata;

    (void)run;
    assert_false(job->started);
    assert_false(job->ended);
    job->started = true;
    job->pid = pid;
}

static void on_end(tj_warden_run *run, const tj_warden_end *end, void *userdata)
{
    struct job *job = userdata;

    (void)run;
    job->ended = true;
    job->n_ends++;
    job->end = *end;
    job->run = NULL;
    assert_int_equal(job->n_ends, 1);
}

tj_warden_spec rig_spec(struct rig *rig,
                        struct job *job,
                        struct spec_room *room,
                        const char *const *argv)
{
    tj_warden_spec spec = {
        .run_id = job->run_id,
        .argv = argv,
        .env = room->env,
        .umask = -1,
        .cell = TJ_WARDEN_NO_CELL,
        .stdin_fd = -1,
        .stdout_fd = -1,
        .stderr_fd = dup(2),
        .result_fd = -1,
    };

    memset(job, 0, sizeof(*job));
    job->rig = rig;
    assert_int_equal(tj__warden_make_run_id(job->run_id), 0);
    snprintf(room->id, sizeof(room->id), "TIMED_JOBS_RUN_ID=%s", job->run_id);
    snprintf(room->dir, sizeof(room->dir), "DIR=%s", rig->dir);
    room->env[0] = "PATH=/usr/local/bin:/usr/bin:/bin";
    room->env[1] = room->id;
    room->env[2] = room->dir;
    room->env[3] = NULL;
    return spec;
}

int rig_start_spec(struct rig *rig, struct job *job, const tj_warden_spec *spec)
{
    static const tj_warden_run_callbacks callbacks = { on_started, on_end };

    return tj__warden_start_run(rig->warden, spec, &callbacks, job, &job->run,
                                NULL);
}

void rig_start(struct rig *rig, struct job *job, const char *const *argv)
{
    struct spec_room room;
    tj_warden_spec spec = rig_spec(rig, job, &room, argv);

    assert_int_equal(rig_start_spec(rig, job, &spec), 0);
}

void rig_start_shell(struct rig *rig, struct job *job, const char *text)
{
    rig_start(rig, job, ARGV("/bin/sh", "-c", text));
}
