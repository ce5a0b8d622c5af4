/* Periodic work inside a libuv program. Usage: embed_minimal LOG_DIR */
#include <stdio.h>
#include <timedjobs/timedjobs.h>
#include <uv.h>

static tj_engine_options options;
static uv_timer_t answer;
static tj_run question;

static void on_closed(void *userdata)
{
    tj_loop_close(options.loop, NULL, NULL);
    uv_close((uv_handle_t *)&answer, NULL);
}

static tj_run_status count(tj_run run, const tj_tick_context *ctx, void *n)
{
    printf("%s: tick %d (%s)\n", ctx->runner, ++*(int *)n, ctx->batch_id);
    if (*(int *)n == 3)
        tj_engine_close(run.engine, on_closed, NULL); /* after this tick */
    return TJ_RUN_OK;
}

static void on_answer(uv_timer_t *timer)
{
    tj_run_complete(question, "answered", NULL);
}

static tj_run_status wonder(tj_run run, const tj_tick_context *ctx, void *data)
{
    question = run;
    uv_timer_start(&answer, on_answer, 20, 0);
    return TJ_RUN_PENDING; /* the loop is free meanwhile */
}

int main(int argc, char **argv)
{
    int n = 0;
    tj_runner a = { sizeof(a), "count", .run = count, .userdata = &n };
    tj_runner b = { sizeof(b), "wonder", .run = wonder };
    tj_day_log_options days;
    tj_day_log *log;
    tj_engine *engine;
    uv_timer_init(uv_default_loop(), &answer);
    tj_day_log_options_init(&days);
    days.dir = argc > 1 ? argv[1] : "log";
    tj_engine_options_init(&options);
    options.config.interval_ms = 100;
    options.gate = tj_gate_always_open(); /* no fleet here */
    if (tj_loop_new_uv(uv_default_loop(), &options.loop, NULL) ||
        tj_day_log_new(&days, &log, NULL) ||
        !(options.log = tj_day_log_sink(log)) ||
        tj_engine_new(&options, &engine, NULL) ||
        tj_engine_add_runner(engine, &a, NULL) ||
        tj_engine_add_runner(engine, &b, NULL) || tj_engine_start(engine, NULL))
        return 1;
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return tj_day_log_free(log) ? 1 : 0; /* lines lost? */
}
