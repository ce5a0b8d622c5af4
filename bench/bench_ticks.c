/* G1: ticks by hand with runners that do nothing, log off.
 *
 *   bench-ticks G1 [--rounds N]
 *
 * The yardstick makes the same calls with no product around them: it reads
 * the clock, prints the batch id, asks the gate, and calls each runner with
 * the context, all through pointers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <timedjobs/timedjobs.h>

#include "bench_support.h"

typedef struct bench_case {
    tj_engine *engine;
    uint32_t n_runners;
    long n_ticks;
    tj_runner *runners; /* the yardstick's */
} bench_case;

static tj_run_status
run_nothing(tj_run run, const tj_tick_context *context, void *userdata)
{
    return TJ_RUN_OK;
}

static tj_gate_verdict
ask(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    ret_pass->controller_id = "mini-main";
    ret_pass->host = "mini";
    ret_pass->term = 7;
    return TJ_GATE_OPEN;
}

/* The loop is not needed by ticks by hand. */
static int no_timer(tj_loop *loop,
                    uint64_t delay_ns,
                    uint64_t period_ns,
                    tj_timer_cb cb,
                    void *userdata,
                    tj_timer **ret_timer)
{
    return TJ_ENOMEM;
}

static void no_timer_stop(tj_loop *loop, tj_timer *timer)
{
}

static tj_task *posted;

static void post(tj_loop *loop, tj_task *task)
{
    task->next = posted;
    posted = task;
}

static void run_posted(void)
{
    while (posted) {
        tj_task *task = posted;

        posted = task->next;
        task->run(task);
    }
}

static const tj_loop_ops no_loop_ops = { sizeof(tj_loop_ops), no_timer,
                                         no_timer_stop, post };
static tj_loop no_loop = { &no_loop_ops };

static double ticks_ours(void *userdata)
{
    bench_case *bench = userdata;
    tj_tick_result result;
    double start = bench_now();
    long tick;

    for (tick = 0; tick < bench->n_ticks; tick++) {
        if (tj_engine_tick_now(bench->engine, &result))
            abort();
    }
    return (double)bench->n_ticks / (bench_now() - start);
}

/* Decimal digits without a NUL; returns their end. */
static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t size = 0;

    do {
        digits[size++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (size)
        *at++ = digits[--size];
    return at;
}

static double ticks_bare(void *userdata)
{
    bench_case *bench = userdata;
    tj_tick_context context = { .size = sizeof(context), .job = "timed-jobs" };
    tj_gate_verdict (*volatile gate)(tj_gate_request, tj_gate_pass *, void *) =
        ask;
    tj_gate_pass pass;
    char batch_id[TJ_BATCH_ID_SIZE];
    struct timespec now;
    double start = bench_now();
    uint64_t id = 0;
    uint32_t index;
    long tick;

    memcpy(batch_id, "timed-jobs-", 11);
    context.batch_id = batch_id;
    for (tick = 0; tick < bench->n_ticks; tick++) {
        char *at = batch_id + 11;

        clock_gettime(CLOCK_REALTIME, &now);
        context.wall_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
        at = put_number(at, (uint64_t)context.wall_ms);
        *at++ = '-';
        at = put_number(at, (uint64_t)tick);
        *at = '\0';
        if (gate((tj_gate_request){ NULL, ++id }, &pass, NULL) != TJ_GATE_OPEN)
            abort();
        context.controller_id = pass.controller_id;
        context.host = pass.host;
        context.term = pass.term;
        for (index = 0; index < bench->n_runners; index++) {
            const tj_runner *runner = &bench->runners[index];

            context.runner = runner->name;
            context.timeout_ms = runner->timeout_ms;
            if (runner->run((tj_run){ NULL, ++id }, &context,
                            runner->userdata) != TJ_RUN_OK)
                abort();
        }
    }
    return (double)bench->n_ticks / (bench_now() - start);
}

static void case_run(uint32_t n_runners, int rounds)
{
    bench_case bench = { .n_runners = n_runners };
    bench_series ours, bare;
    tj_engine_options options;
    char name[64];
    uint32_t index;

    bench.n_ticks = 40000000 / (8 + (long)n_runners);
    bench.runners = calloc(n_runners, sizeof(*bench.runners));
    tj_engine_options_init(&options);
    options.loop = &no_loop;
    options.manual = true;
    options.gate = (tj_gate){ .size = sizeof(tj_gate), .ask = ask };
    if (!bench.runners || tj_engine_new(&options, &bench.engine, NULL))
        abort();
    for (index = 0; index < n_runners; index++) {
        tj_runner *runner = &bench.runners[index];

        *runner = (tj_runner)TJ_RUNNER_INIT;
        snprintf(name, sizeof(name), "runner-%u", index);
        runner->name = strdup(name);
        runner->run = run_nothing;
        if (tj_engine_add_runner(bench.engine, runner, NULL))
            abort();
    }
    bench_turns(ticks_ours, ticks_bare, &bench, rounds, &ours, &bare);
    snprintf(name, sizeof(name), "%u runners", n_runners);
    bench_print("G1", name, "ticks/s", 1, &ours, &bare);

    tj_engine_close(bench.engine, NULL, NULL);
    run_posted();
    for (index = 0; index < n_runners; index++)
        free((char *)(uintptr_t)bench.runners[index].name);
    free(bench.runners);
}

int main(int argc, char **argv)
{
    int rounds = 1;

    if (argc == 4 && !strcmp(argv[2], "--rounds"))
        rounds = (int)strtol(argv[3], NULL, 10);
    for (uint32_t n_runners = 1; n_runners <= 1000; n_runners *= 10)
        case_run(n_runners, rounds);
    return 0;
}
