/* How true an interval of 10 ms is (G6): an engine with one runner on its own
 * libuv loop, through the public interface; and a bare loop around a timerfd
 * with absolute times, as the limit.
 *
 *   bench-interval G6 --seconds N --case NAME [--side limit]
 *
 * Prints one JSON line each for the ticks that were neither run nor reported
 * as missed, for the drift of a tick, and for the error of the gaps between
 * ticks. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <timedjobs/timedjobs.h>
#include <uv.h>

#define PERIOD_MS 10
#define PERIOD_NS INT64_C(10000000)

struct bench {
    int64_t seconds;
    const char *name;
    bool limit;

    uv_loop_t uv;
    uv_timer_t end;
    tj_loop *loop;
    tj_engine *engine;

    int64_t *seen_ns; /* when each tick ran */
    int64_t n_seen;
    int64_t n_wanted;
    int64_t n_missed; /* reported as such */
};

static void die(const char *what)
{
    fprintf(stderr, "bench-interval: %s\n", what);
    exit(EXIT_FAILURE);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void note_tick(struct bench *bench)
{
    if (bench->n_seen < bench->n_wanted)
        bench->seen_ns[bench->n_seen] = now_ns();
    bench->n_seen++;
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
note_run(tj_run run, const tj_tick_context *context, void *userdata)
{
    note_tick(userdata);
    return TJ_RUN_OK;
}

static void note_end(const tj_tick_report *report, void *userdata)
{
    struct bench *bench = userdata;

    bench->n_missed += (int64_t)report->n_missed;
}

static void on_stopped(void *userdata)
{
    struct bench *bench = userdata;

    tj_engine_close(bench->engine, NULL, NULL);
    tj_loop_close(bench->loop, NULL, NULL);
    uv_close((uv_handle_t *)&bench->end, NULL);
}

static void on_end(uv_timer_t *timer)
{
    if (tj_engine_stop(((struct bench *)timer->data)->engine, on_stopped,
                       timer->data))
        die("stop");
}

static void run_ours(struct bench *bench)
{
    tj_engine_options options;
    tj_runner runner = TJ_RUNNER_INIT;
    tj_error error = TJ_ERROR_INIT;

    uv_loop_init(&bench->uv);
    uv_timer_init(&bench->uv, &bench->end);
    bench->end.data = bench;
    if (tj_loop_new_uv(&bench->uv, &bench->loop, &error))
        die(error.message);
    tj_engine_options_init(&options);
    options.config.interval_ms = PERIOD_MS;
    options.loop = bench->loop;
    options.gate = (tj_gate)TJ_GATE_INIT;
    options.gate.ask = always_open;
    options.observer.on_tick_end = note_end;
    options.observer.userdata = bench;
    runner.name = "note";
    runner.run = note_run;
    runner.userdata = bench;
    if (tj_engine_new(&options, &bench->engine, &error) ||
        tj_engine_add_runner(bench->engine, &runner, &error) ||
        tj_engine_start(bench->engine, &error))
        die(error.message);
    uv_timer_start(&bench->end, on_end,
                   (uint64_t)bench->seconds * 1000 + PERIOD_MS / 2, 0);
    uv_run(&bench->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&bench->uv))
        die("the loop did not close");
}

/* ---- the limit --------------------------------------------------------- */

static void run_limit(struct bench *bench)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int64_t start = now_ns(), tick;
    struct itimerspec grid = { .it_interval = { 0, PERIOD_NS } };
    uint64_t expirations;

    grid.it_value.tv_sec = (start + PERIOD_NS) / 1000000000;
    grid.it_value.tv_nsec = (start + PERIOD_NS) % 1000000000;
    if (timer < 0 || timerfd_settime(timer, TFD_TIMER_ABSTIME, &grid, NULL))
        die("timerfd");
    for (tick = 0; tick < bench->n_wanted; tick += (int64_t)expirations) {
        if (read(timer, &expirations, sizeof(expirations)) !=
            (ssize_t)sizeof(expirations))
            die("read");
        note_tick(bench);
        bench->n_missed += (int64_t)expirations - 1;
    }
    close(timer);
}

/* ---- figures ----------------------------------------------------------- */

static int int64_compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static void print(const struct bench *bench,
                  const char *what,
                  double value,
                  const char *unit)
{
    printf("{\"goal\":\"G6\",\"side\":\"%s\",\"case\":\"%s: %s\","
           "\"value\":%.3f,\"unit\":\"%s\"}\n",
           bench->limit ? "limit" : "ours", bench->name, what, value, unit);
}

/* How far the grid has moved a tick. A wake-up may be late, never early: the
 * least late one of a quarter shows where the grid is. */
static double drift_us(const struct bench *bench, int64_t n)
{
    int64_t least[2] = { INT64_MAX, INT64_MAX };

    for (int64_t i = 0; i < n; i++) {
        int64_t since = bench->seen_ns[i] - bench->seen_ns[0];
        int64_t phase = since - llround((double)since / PERIOD_NS) * PERIOD_NS;
        int quarter = i < n / 4 ? 0 : 1;

        if ((quarter == 0 || i >= n - n / 4) && phase < least[quarter])
            least[quarter] = phase;
    }
    return (double)(least[1] - least[0]) / (double)(n - n / 4) / 1e3;
}

static void print_figures(struct bench *bench)
{
    int64_t n =
        bench->n_seen < bench->n_wanted ? bench->n_seen : bench->n_wanted;
    int64_t *errors;

    if (n < 8)
        die("too few ticks");
    errors = calloc((size_t)n - 1, sizeof(*errors));
    if (!errors)
        die("out of memory");
    for (int64_t i = 1; i < n; i++)
        errors[i - 1] =
            llabs(bench->seen_ns[i] - bench->seen_ns[i - 1] - PERIOD_NS);
    qsort(errors, (size_t)n - 1, sizeof(*errors), int64_compare);

    print(bench, "ticks lost",
          (double)(bench->n_wanted - bench->n_seen - bench->n_missed), "ticks");
    print(bench, "drift a tick", drift_us(bench, n), "us");
    print(bench, "gap error p50", (double)errors[(n - 1) / 2] / 1e3, "us");
    print(bench, "gap error p99", (double)errors[(n - 1) * 99 / 100] / 1e3,
          "us");
    free(errors);
}

int main(int argc, char **argv)
{
    struct bench bench = { .seconds = 20, .name = "idle" };

    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seconds"))
            bench.seconds = strtol(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--case"))
            bench.name = argv[i + 1];
        else if (!strcmp(argv[i], "--side"))
            bench.limit = !strcmp(argv[i + 1], "limit");
    }
    bench.n_wanted = bench.seconds * 1000 / PERIOD_MS;
    bench.seen_ns = calloc((size_t)bench.n_wanted, sizeof(*bench.seen_ns));
    if (!bench.seen_ns)
        die("out of memory");
    if (bench.limit)
        run_limit(&bench);
    else
        run_ours(&bench);
    print_figures(&bench);
    free(bench.seen_ns);
    return 0;
}
