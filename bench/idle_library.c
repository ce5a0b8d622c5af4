/* The smallest program that embeds the library: one job with one runner, on
 * the program's own libuv loop, with or without a log. It prints "tick" at its
 * first tick, then goes on until it is told to end by SIGTERM. bench/run.py
 * measures it from outside (G8, G9, G10), beside idle_uv and idle_timerfd.
 *
 * Usage: idle-library INTERVAL_MS [LOG_DIR] */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <timedjobs/timedjobs.h>
#include <uv.h>

struct program {
    uv_loop_t uv;
    uv_signal_t on_term;
    tj_loop *loop;
    tj_day_log *log;
    tj_engine *engine;
    bool ticked;
};

static tj_gate_verdict
always_open(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    *ret_pass = (tj_gate_pass){ .controller_id = "bench",
                                .host = "localhost",
                                .term = 1 };
    return TJ_GATE_OPEN;
}

static tj_run_status
first_tick(tj_run run, const tj_tick_context *context, void *userdata)
{
    struct program *program = userdata;

    if (!program->ticked && write(STDOUT_FILENO, "tick\n", 5) != 5)
        return TJ_RUN_FAILED;
    program->ticked = true;
    return TJ_RUN_OK;
}

static void engine_is_closed(void *userdata)
{
    struct program *program = userdata;

    tj_loop_close(program->loop, NULL, NULL);
    uv_close((uv_handle_t *)&program->on_term, NULL);
}

static void end(uv_signal_t *handle, int signal_number)
{
    struct program *program = handle->data;

    tj_engine_close(program->engine, engine_is_closed, program);
}

static int fail(const tj_error *error)
{
    fprintf(stderr, "idle-library: %s\n", error->message);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct program program = { 0 };
    tj_engine_options options;
    tj_day_log_options log_options;
    tj_error error = TJ_ERROR_INIT;
    tj_runner runner = TJ_RUNNER_INIT;

    if (argc < 2)
        return EXIT_FAILURE;
    uv_loop_init(&program.uv);
    uv_signal_init(&program.uv, &program.on_term);
    program.on_term.data = &program;
    uv_signal_start(&program.on_term, end, SIGTERM);
    if (tj_loop_new_uv(&program.uv, &program.loop, &error))
        return fail(&error);

    tj_engine_options_init(&options);
    options.config.interval_ms = strtoll(argv[1], NULL, 10);
    options.loop = program.loop;
    options.gate = (tj_gate)TJ_GATE_INIT;
    options.gate.ask = always_open;
    if (argc > 2) {
        tj_day_log_options_init(&log_options);
        log_options.dir = argv[2];
        if (tj_day_log_new(&log_options, &program.log, &error))
            return fail(&error);
        options.log = tj_day_log_sink(program.log);
        options.log_dir = argv[2];
    }
    if (tj_engine_new(&options, &program.engine, &error))
        return fail(&error);

    runner.name = "first";
    runner.run = first_tick;
    runner.userdata = &program;
    if (tj_engine_add_runner(program.engine, &runner, &error) ||
        tj_engine_start(program.engine, &error))
        return fail(&error);

    uv_run(&program.uv, UV_RUN_DEFAULT);
    tj_day_log_free(program.log);
    return uv_loop_close(&program.uv) ? EXIT_FAILURE : EXIT_SUCCESS;
}
