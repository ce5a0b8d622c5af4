/* Ticks of ten runners with their log, 22 lines a tick, through the public
 * interface; and the same bytes written by a bare loop, as the limit.
 *
 *   bench-lines GOAL --dir DIR [--lines N] [--side limit]
 *
 *   G2  the writer's thread           limit: batches of 64 KiB
 *   G3  each tick's lines with the    limit: batches of 4 KiB
 *       kernel before the next tick
 *   G4  as G2, fdatasync each 100 ms  limit: our own G2 there, unsynced
 *   G5  as G2, judged by its memory
 *
 * Time runs from before `start` to the end of `stop`: then every line is with
 * the kernel. A program measures one side once and ends, so that none stands
 * on the memory of another. Prints one JSON line. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <timedjobs/timedjobs.h>
#include <uv.h>

#define N_RUNNERS      10
#define LINES_PER_TICK (2 * N_RUNNERS + 2)
#define LINE_SIZE      243 /* the mean of the reference's lines */

struct bench {
    const char *goal;
    const char *dir;
    bool limit;
    long n_lines;
    long n_ticks;

    uv_loop_t uv;
    tj_loop *loop;
    tj_day_log *log;
    tj_engine *engine;
};

struct usage {
    double wall_s;
    double cpu_s;
};

static void die(const char *what)
{
    fprintf(stderr, "bench-lines: %s\n", what);
    exit(EXIT_FAILURE);
}

static struct usage usage_now(void)
{
    struct timespec now;
    struct rusage used;

    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &used);
    return (struct usage){
        .wall_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9,
        .cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
    };
}

/* Not ru_maxrss: that one remembers the program before exec, too. */
static double peak_mb(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;

    while (status && fgets(line, sizeof(line), status))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtol(line + 6, NULL, 10);
    if (!kib)
        die("/proc/self/status");
    fclose(status);
    return (double)kib * 1024 / 1e6;
}

/* ---- ours -------------------------------------------------------------- */

static tj_gate_verdict
always_open(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    *ret_pass = (tj_gate_pass){ .controller_id = "bench",
                                .host = "localhost",
                                .term = 1 };
    return TJ_GATE_OPEN;
}

static tj_run_status
no_op(tj_run run, const tj_tick_context *context, void *userdata)
{
    return TJ_RUN_OK;
}

static void open_log(struct bench *bench)
{
    tj_day_log_options options;
    tj_error error = TJ_ERROR_INIT;

    tj_day_log_options_init(&options);
    options.dir = bench->dir;
    options.full_wait_ms = 60000; /* the disk sets the pace, nothing is lost */
    options.sync_interval_ms = 0;
    if (!strcmp(bench->goal, "G3"))
        options.mode = TJ_DAY_LOG_DIRECT;
    if (!strcmp(bench->goal, "G4") && !bench->limit)
        options.sync_interval_ms = 100;
    if (tj_day_log_new(&options, &bench->log, &error))
        die(error.message);
}

static void open_engine(struct bench *bench)
{
    tj_runner runner = TJ_RUNNER_INIT;
    tj_engine_options options;
    tj_error error = TJ_ERROR_INIT;
    char name[16];

    tj_engine_options_init(&options);
    options.manual = true;
    options.loop = bench->loop;
    options.gate = (tj_gate)TJ_GATE_INIT;
    options.gate.ask = always_open;
    options.log = tj_day_log_sink(bench->log);
    options.log_dir = bench->dir;
    if (tj_engine_new(&options, &bench->engine, &error))
        die(error.message);
    for (int i = 0; i < N_RUNNERS; i++) {
        snprintf(name, sizeof(name), "runner-%d", i);
        runner.name = name;
        runner.run = no_op;
        if (tj_engine_add_runner(bench->engine, &runner, &error))
            die(error.message);
    }
}

static void on_stopped(void *userdata)
{
    struct bench *bench = userdata;

    uv_stop(&bench->uv);
}

static void run_ours(struct bench *bench)
{
    tj_tick_result result;

    if (tj_engine_start(bench->engine, NULL))
        die("start");
    for (long i = 0; i < bench->n_ticks; i++)
        if (tj_engine_tick_now(bench->engine, &result) ||
            result.decision != TJ_DECISION_SCHEDULED)
            die("a tick did not run");
    if (tj_engine_stop(bench->engine, on_stopped, bench))
        die("stop");
    uv_run(&bench->uv, UV_RUN_DEFAULT);
}

static struct usage measure_ours(struct bench *bench)
{
    struct usage before, after;
    tj_error error = TJ_ERROR_INIT;

    uv_loop_init(&bench->uv);
    if (tj_loop_new_uv(&bench->uv, &bench->loop, &error))
        die(error.message);
    open_log(bench);
    open_engine(bench);

    before = usage_now();
    run_ours(bench);
    after = usage_now();

    tj_engine_close(bench->engine, NULL, NULL);
    uv_run(&bench->uv, UV_RUN_NOWAIT);
    tj_loop_close(bench->loop, NULL, NULL);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    if (tj_day_log_free(bench->log))
        die("lines were lost");
    after.wall_s -= before.wall_s;
    after.cpu_s -= before.cpu_s;
    return after;
}

/* ---- the limit --------------------------------------------------------- */

static void write_all(int file, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(file, bytes, size);

        if (n < 0)
            die("write");
        bytes += n;
        size -= (size_t)n;
    }
}

/* The same number of bytes, copied line by line into a buffer, written when it
 * is full: what a log costs when there is nothing to say. */
static struct usage measure_limit(const struct bench *bench, size_t unit)
{
    static char buffer[65536 + LINE_SIZE], line[LINE_SIZE];
    struct usage before, after;
    char path[4096];
    size_t used = 0;
    int file;

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    snprintf(path, sizeof(path), "%s/limit.jsonl", bench->dir);
    file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (file < 0)
        die(path);

    before = usage_now();
    for (long i = 0; i < bench->n_ticks * LINES_PER_TICK; i++) {
        memcpy(buffer + used, line, sizeof(line));
        used += sizeof(line);
        if (used >= unit) {
            write_all(file, buffer, unit);
            memmove(buffer, buffer + unit, used - unit);
            used -= unit;
        }
    }
    write_all(file, buffer, used);
    after = usage_now();

    close(file);
    after.wall_s -= before.wall_s;
    after.cpu_s -= before.cpu_s;
    return after;
}

static bool parse(int argc, char **argv, struct bench *bench)
{
    bench->n_lines = 2200000;
    if (argc < 2 || argc % 2 != 0)
        return false;
    bench->goal = argv[1];
    for (int i = 2; i < argc; i += 2) {
        if (!strcmp(argv[i], "--dir"))
            bench->dir = argv[i + 1];
        else if (!strcmp(argv[i], "--lines"))
            bench->n_lines = strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--side"))
            bench->limit = !strcmp(argv[i + 1], "limit");
        else
            return false;
    }
    bench->n_ticks = (bench->n_lines + LINES_PER_TICK - 1) / LINES_PER_TICK;
    return bench->dir != NULL;
}

int main(int argc, char **argv)
{
    struct bench bench = { 0 };
    struct usage used;
    long n_lines;

    if (!parse(argc, argv, &bench)) {
        fprintf(stderr, "usage: bench-lines GOAL --dir DIR [--lines N]"
                        " [--side limit]\n");
        return 2;
    }
    n_lines = bench.n_ticks * LINES_PER_TICK;
    if (bench.limit && !strcmp(bench.goal, "G2"))
        used = measure_limit(&bench, 65536);
    else if (bench.limit && !strcmp(bench.goal, "G3"))
        used = measure_limit(&bench, 4096);
    else
        used = measure_ours(&bench);

    printf("{\"goal\":\"%s\",\"side\":\"%s\",", bench.goal,
           bench.limit ? "limit" : "ours");
    if (!strcmp(bench.goal, "G5"))
        printf("\"case\":\"%ld lines\",\"value\":%.3f,\"unit\":\"MB\"",
               bench.n_lines, peak_mb());
    else
        printf("\"case\":\"10 runners\",\"value\":%.0f,\"unit\":\"lines/s\"",
               (double)n_lines / used.wall_s);
    printf(",\"cpu_s\":%.6f,\"n\":%ld}\n", used.cpu_s, n_lines);
    return 0;
}
