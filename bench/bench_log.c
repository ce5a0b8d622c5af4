/* The log alone: batches of 22 lines of 243 bytes, as a tick of ten runners
 * makes them, against bare writes of the same bytes.
 *
 *   bench-log DIRECTORY [--lines N] [--rounds N] [--outrun-lines N]
 *
 * Each measurement is a child process of its own, sink and yardstick take
 * turns, and the median of the rounds counts. One JSON object a workload:
 *
 *   thread  the writer's thread         against batched writes of 64 KiB
 *   direct  each batch with the kernel  against writes of 4 KiB
 *           before the next
 *   sync    thread, fdatasync each      against the same without a sync, and
 *           100 ms                      64 KiB writes with the same syncs
 *   free    thread, writes that cost nothing: what the sink itself takes
 *   outrun  appends faster than the disk: peak memory, no line lost, in order
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <timedjobs/log.h>

#include "log/day_log.h"

#define LINE_SIZE  243
#define N_LINES    22 /* a batch */
#define BATCH_SIZE ((size_t)LINE_SIZE * N_LINES)
#define WALL_MS    INT64_C(1775030400000) /* 2026-04-01T08:00:00Z */
#define DAY_NAME   "2026-04-01.jsonl"
#define ROUNDS_MAX 99
/* followed by twelve digits that tell the order */
#define BATCH_ID_START "{\"batch_id\":\"timed-jobs-1775030400000-"

typedef struct measurement {
    double wall_s;
    double cpu_s;
    long peak_kib;
} measurement;

typedef struct bench_setup {
    const char *dir;
    uint64_t n_lines;
    uint64_t n_outrun_lines;
    int n_rounds;
} bench_setup;

/* One way to bring `n_batches` into the directory. Runs in a child. */
typedef void way(const bench_setup *setup, uint64_t n_batches);

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static double seconds_now(void)
{
    return (double)tj__log_sys.mono_ns() / 1e9;
}

/* ---- the lines --------------------------------------------------------- */

/* As long as the reference's, with a number that tells the order. */
static void batch_fill(char batch[BATCH_SIZE])
{
    for (size_t i = 0; i < N_LINES; i++) {
        char *line = batch + i * LINE_SIZE;
        int length = snprintf(
            line, LINE_SIZE,
            BATCH_ID_START
            "000000000000\","
            "\"duration_ms\":0,\"error\":null,\"result\":\"ok\","
            "\"runner\":\"runner-%02zu\",\"stage\":\"runner_completed\","
            "\"ts\":\"2026-04-01T08:00:00.000Z\",\"filler\":\"",
            i);

        memset(line + length, 'x', (size_t)(LINE_SIZE - length));
        memcpy(line + LINE_SIZE - 3, "\"}\n", 3);
    }
}

static char *batch_number_place(char *line)
{
    return line + strlen(BATCH_ID_START);
}

static void number_put(char *place, uint64_t number)
{
    for (int i = 11; i >= 0; i--, number /= 10)
        place[i] = (char)('0' + number % 10);
}

/* ---- ways: the sink ---------------------------------------------------- */

static tj_day_log_options options_make(const bench_setup *setup)
{
    tj_day_log_options options;

    tj_day_log_options_init(&options);
    options.dir = setup->dir;
    options.full_wait_ms = 60000;
    options.sync_interval_ms = 0;
    return options;
}

static void sink_run(const tj_day_log_options *options,
                     const tj_log_sys *sys,
                     uint64_t n_batches)
{
    tj_error error = TJ_ERROR_INIT;
    char batch[BATCH_SIZE], *places[N_LINES];
    tj_log_sink *sink;
    tj_day_log *log;

    batch_fill(batch);
    for (size_t i = 0; i < N_LINES; i++)
        places[i] = batch_number_place(batch + i * LINE_SIZE);
    if (tj__day_log_new(options, sys, &tj__log_tuning, &log, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(2);
    }
    sink = tj_day_log_sink(log);
    for (uint64_t i = 0; i < n_batches; i++) {
        number_put(places[0], i);
        sink->ops->append(sink, WALL_MS, batch, BATCH_SIZE, N_LINES);
    }
    if (tj_day_log_free(log)) {
        fprintf(stderr, "lines were lost\n");
        exit(2);
    }
}

static void way_thread(const bench_setup *setup, uint64_t n_batches)
{
    tj_day_log_options options = options_make(setup);

    sink_run(&options, &tj__log_sys, n_batches);
}

static void way_sync(const bench_setup *setup, uint64_t n_batches)
{
    tj_day_log_options options = options_make(setup);

    options.sync_interval_ms = 100;
    sink_run(&options, &tj__log_sys, n_batches);
}

static void way_direct(const bench_setup *setup, uint64_t n_batches)
{
    tj_day_log_options options = options_make(setup);

    options.mode = TJ_DAY_LOG_DIRECT;
    sink_run(&options, &tj__log_sys, n_batches);
}

static off_t g_free_size; // NOLINT: a call of the table has no other memory

static ssize_t free_writev(int fd, const struct iovec *parts, int n_parts)
{
    size_t size = 0;

    (void)fd;
    for (int i = 0; i < n_parts; i++)
        size += parts[i].iov_len;
    g_free_size += (off_t)size;
    return (ssize_t)size;
}

static int free_fstat(int fd, struct stat *ret_stat)
{
    int rc = fstat(fd, ret_stat);

    if (!rc && S_ISREG(ret_stat->st_mode))
        ret_stat->st_size = g_free_size;
    return rc;
}

static void way_free(const bench_setup *setup, uint64_t n_batches)
{
    tj_day_log_options options = options_make(setup);
    tj_log_sys sys = tj__log_sys;

    sys.writev = free_writev;
    sys.fstat = free_fstat;
    sink_run(&options, &sys, n_batches);
}

/* ---- ways: the yardsticks ---------------------------------------------- */

static void bare_write(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0)
            die("write");
        bytes += n;
        size -= (size_t)n;
    }
}

static void bare_run(const bench_setup *setup,
                     uint64_t n_batches,
                     size_t unit,
                     double sync_s)
{
    char batch[BATCH_SIZE], *place, *buffer = malloc(unit + BATCH_SIZE);
    char path[4096];
    size_t used = 0;
    double synced = seconds_now();
    int fd;

    batch_fill(batch);
    place = batch_number_place(batch);
    snprintf(path, sizeof(path), "%s/" DAY_NAME, setup->dir);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 || !buffer)
        die(path);
    for (uint64_t i = 0; i < n_batches; i++) {
        number_put(place, i);
        memcpy(buffer + used, batch, BATCH_SIZE);
        used += BATCH_SIZE;
        for (; used >= unit; used -= unit) {
            bare_write(fd, buffer, unit);
            memmove(buffer, buffer + unit, used - unit);
        }
        if (sync_s > 0 && seconds_now() - synced >= sync_s) {
            fdatasync(fd);
            synced = seconds_now();
        }
    }
    bare_write(fd, buffer, used);
    if (sync_s > 0)
        fdatasync(fd);
    close(fd);
    free(buffer);
}

static void way_bare_64k(const bench_setup *setup, uint64_t n_batches)
{
    bare_run(setup, n_batches, (size_t)64 * 1024, 0);
}

static void way_bare_4k(const bench_setup *setup, uint64_t n_batches)
{
    bare_run(setup, n_batches, (size_t)4 * 1024, 0);
}

static void way_bare_sync(const bench_setup *setup, uint64_t n_batches)
{
    bare_run(setup, n_batches, (size_t)64 * 1024, 0.1);
}

/* ---- measuring --------------------------------------------------------- */

static void file_remove(const bench_setup *setup)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/" DAY_NAME, setup->dir);
    if (unlink(path) && errno != ENOENT)
        die(path);
}

static measurement measure(const bench_setup *setup, way *run, uint64_t n_lines)
{
    double start = seconds_now();
    measurement result;
    struct rusage usage;
    int status;
    pid_t child = fork();

    if (child < 0)
        die("fork");
    if (child == 0) {
        run(setup, n_lines / N_LINES);
        _exit(0);
    }
    if (wait4(child, &status, 0, &usage) != child || status != 0) {
        fprintf(stderr, "a measurement failed\n");
        exit(2);
    }
    result.wall_s = seconds_now() - start;
    result.cpu_s =
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    result.peak_kib = usage.ru_maxrss;
    return result;
}

static int double_compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median(double *values, int n_values)
{
    qsort(values, (size_t)n_values, sizeof(*values), double_compare);
    return values[n_values / 2];
}

typedef struct contender {
    const char *name;
    way *run;
    double rate[ROUNDS_MAX]; /* lines a second */
    double cpu[ROUNDS_MAX];  /* seconds a million lines */
} contender;

/* Let the contenders take turns; the first is ours, the others what it is
 * held against. */
static void compare(const bench_setup *setup,
                    const char *workload,
                    contender *contenders,
                    int n_contenders)
{
    double lines = (double)(setup->n_lines / N_LINES * N_LINES), ours = 0;

    for (int round = 0; round < setup->n_rounds; round++) {
        for (int i = 0; i < n_contenders; i++) {
            measurement m;

            file_remove(setup);
            m = measure(setup, contenders[i].run, setup->n_lines);
            contenders[i].rate[round] = lines / m.wall_s;
            contenders[i].cpu[round] = m.cpu_s / lines * 1e6;
        }
    }
    file_remove(setup);

    printf("{\"workload\":\"log_%s\",\"lines\":%.0f,\"rounds\":%d", workload,
           lines, setup->n_rounds);
    for (int i = 0; i < n_contenders; i++) {
        contender *who = &contenders[i];
        double rate = median(who->rate, setup->n_rounds);

        /* the median sorts, so the ends are the spread */
        printf(",\"%s\":{\"lines_per_s\":%.0f,\"lowest\":%.0f,"
               "\"highest\":%.0f,\"cpu_s_per_million\":%.3f",
               who->name, rate, who->rate[0], who->rate[setup->n_rounds - 1],
               median(who->cpu, setup->n_rounds));
        if (i == 0)
            ours = rate;
        else
            printf(",\"ratio\":%.3f", ours / rate);
        printf("}");
    }
    printf("}\n");
    fflush(stdout);
}

/* Count the lines and look whether each batch follows the one before. */
static uint64_t file_check(const bench_setup *setup)
{
    char path[4096], *line = NULL;
    uint64_t n_lines = 0, number = 0;
    size_t capacity = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/" DAY_NAME, setup->dir);
    file = fopen(path, "re");
    if (!file)
        die(path);
    while (getline(&line, &capacity, file) == LINE_SIZE) {
        if (n_lines % N_LINES == 0 &&
            strtoull(batch_number_place(line), NULL, 10) != number++)
            break;
        n_lines++;
    }
    fclose(file);
    free(line);
    return n_lines;
}

static void outrun(const bench_setup *setup)
{
    uint64_t n_lines = setup->n_outrun_lines / N_LINES * N_LINES;
    measurement m;
    uint64_t found;

    file_remove(setup);
    m = measure(setup, way_thread, n_lines);
    found = file_check(setup);
    file_remove(setup);
    printf("{\"workload\":\"log_outrun\",\"lines\":%llu,\"in_order\":%llu,"
           "\"peak_kib\":%ld,\"lines_per_s\":%.0f}\n",
           (unsigned long long)n_lines, (unsigned long long)found, m.peak_kib,
           (double)n_lines / m.wall_s);
    if (found != n_lines)
        exit(1);
}

static void compare_all(const bench_setup *setup)
{
    contender thread[] = { { .name = "sink", .run = way_thread },
                           { .name = "write_64k", .run = way_bare_64k } };
    contender direct[] = { { .name = "sink", .run = way_direct },
                           { .name = "write_4k", .run = way_bare_4k } };
    contender sync[] = { { .name = "sink", .run = way_sync },
                         { .name = "sink_unsynced", .run = way_thread },
                         { .name = "write_64k", .run = way_bare_sync } };
    contender alone[] = { { .name = "sink", .run = way_free } };

    compare(setup, "thread", thread, 2);
    compare(setup, "direct", direct, 2);
    compare(setup, "sync", sync, 3);
    compare(setup, "free", alone, 1);
}

int main(int argc, char **argv)
{
    bench_setup chosen = { .n_lines = 2000000,
                           .n_outrun_lines = 3500000,
                           .n_rounds = 5 };

    if (argc < 2 || argc % 2 != 0)
        goto usage;
    chosen.dir = argv[1];
    for (int i = 2; i < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);

        if (!strcmp(argv[i], "--lines"))
            chosen.n_lines = number;
        else if (!strcmp(argv[i], "--outrun-lines"))
            chosen.n_outrun_lines = number;
        else if (!strcmp(argv[i], "--rounds") && number < ROUNDS_MAX)
            chosen.n_rounds = (int)number;
        else
            goto usage;
    }
    if (chosen.n_rounds > 0)
        compare_all(&chosen);
    outrun(&chosen);
    return 0;

usage:
    fprintf(stderr, "usage: bench-log DIRECTORY [--lines N] [--rounds N] "
                    "[--outrun-lines N]\n");
    return 2;
}
