/* Plays one scenario on the engine and prints its outcome.
 *
 *     scenario-player FILE
 *
 * Drives the public API only, with the fake loop and the memory log of
 * <timedjobs/testing.h>. Exit status: 0 played, 1 out of memory, 2 not a
 * scenario (the reason on standard error). tests/conformance/README.md
 * describes scenarios and outcomes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <timedjobs/testing.h>
#include <timedjobs/timedjobs.h>

#include "scenario.h"

typedef struct play_state play_state;

/* One step's end. */
typedef struct step_end {
    play_state *player;
    bool is_over;
    int64_t at_ms;
    int register_error;
    tj_tick_result tick;
} step_end;

/* A runner that does what its script says. */
typedef struct play_script {
    play_state *player;
    const tj_json *runs;
    size_t n_runs; /* begun */
    const tj_json *actions;
    size_t at; /* the next of them */
    tj_run run;
    tj_timer *sleep;
} play_script;

struct play_state {
    const tj_json *scenario;
    tj_fake_loop *loop;
    tj_memory_sink *log;
    tj_engine *engine;
    step_end *ends;

    const tj_json *gate;  /* the behaviour in force */
    const tj_json *asked; /* that of the tick in flight */
    tj_gate_request request;
    tj_timer *gate_delay;
};

static void out_of_memory(void)
{
    fputs("scenario-player: out of memory\n", stderr);
    exit(1);
}

static void must(int rc)
{
    if (rc == TJ_ENOMEM)
        out_of_memory();
    if (rc) {
        fprintf(stderr, "scenario-player: %s\n", tj_error_text(rc));
        exit(1);
    }
}

static int64_t now_ms(play_state *player)
{
    tj_clock clock = tj_fake_loop_clock(player->loop);

    return clock.now(clock.userdata).wall_ms;
}

static const char *text_of(const tj_json *object, const char *key)
{
    return tj_json_string_or(tj_json_get(object, key), NULL);
}

static int64_t int_of(const tj_json *object, const char *key)
{
    return tj_json_int_or(tj_json_get(object, key), 0);
}

/* What JavaScript makes of an Error without a message. */
static const char *message_or_error(const char *message)
{
    return message && *message ? message : "Error";
}

static tj_timer *
sleep_begin(play_state *player, int64_t ms, tj_timer_cb cb, void *userdata)
{
    tj_loop *loop = tj_fake_loop_get(player->loop);
    tj_timer *timer;

    must(loop->ops->timer_start(loop, (uint64_t)ms * 1000000, 0, cb, userdata,
                                &timer));
    return timer;
}

static void sleep_end(play_state *player, tj_timer *timer)
{
    tj_loop *loop = tj_fake_loop_get(player->loop);

    loop->ops->timer_stop(loop, timer);
}

/* ---- the gate ------------------------------------------------------------ */

static tj_gate_verdict gate_decide(play_state *player, tj_gate_pass *pass)
{
    const tj_json *context = tj_json_get(player->scenario, "context");
    const char *state = text_of(player->asked, "state");

    if (!strcmp(state, "not_leader"))
        return TJ_GATE_NOT_LEADER;
    if (!strcmp(state, "system_paused"))
        return TJ_GATE_SYSTEM_PAUSED;
    if (!strcmp(state, "throw")) {
        must(tj_gate_fail(player->request,
                          message_or_error(text_of(player->asked, "message"))));
        return TJ_GATE_FAILED;
    }
    pass->controller_id = text_of(context, "controller_id");
    pass->host = text_of(context, "host");
    pass->term = int_of(context, "term");
    return TJ_GATE_OPEN;
}

static void on_gate_delay(void *userdata, uint64_t expirations)
{
    play_state *player = userdata;
    tj_gate_pass pass;
    tj_gate_verdict verdict;

    (void)expirations;
    sleep_end(player, player->gate_delay);
    verdict = gate_decide(player, &pass);
    if (verdict != TJ_GATE_FAILED)
        must(tj_gate_answer(player->request, verdict, &pass));
}

static tj_gate_verdict
gate_ask(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    play_state *player = userdata;
    const tj_json *delay = tj_json_get(player->gate, "delay_ms");

    player->asked = player->gate;
    player->request = request;
    if (tj_json_type_of(delay) == TJ_JSON_NULL)
        return gate_decide(player, ret_pass);
    player->gate_delay =
        sleep_begin(player, tj_json_int_or(delay, 0), on_gate_delay, player);
    return TJ_GATE_PENDING;
}

static tj_gate_verdict
gate_leave(tj_gate_request request, const tj_gate_pass *pass, void *userdata)
{
    play_state *player = userdata;

    (void)pass;
    if (strcmp(text_of(player->asked, "state"), "throw_after") != 0)
        return TJ_GATE_OPEN;
    must(tj_gate_fail(request,
                      message_or_error(text_of(player->asked, "message"))));
    return TJ_GATE_FAILED;
}

/* ---- runners ------------------------------------------------------------- */

static void log_entry(tj_run run, const tj_json *entry)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;

    note.stage = text_of(entry, "stage");
    note.result = text_of(entry, "result");
    note.error = text_of(entry, "error");
    note.duration_ms =
        tj_json_number_or(tj_json_get(entry, "duration_ms"), (double)NAN);
    note.details = tj_json_get(entry, "details");
    must(tj_run_log(run, &note));
}

static void log_context(tj_run run)
{
    const tj_tick_context *context = tj_run_context(run);
    tj_run_note note = TJ_RUN_NOTE_INIT;
    tj_json *details = tj_json_new_object();

    if (!details)
        out_of_memory();
    must(tj_json_set_string(details, "seen_batch_id", context->batch_id));
    must(tj_json_set_string(details, "seen_trigger",
                            tj_trigger_to_string(context->trigger)));
    must(tj_json_set_string(details, "controller_id", context->controller_id));
    must(tj_json_set_string(details, "host", context->host));
    must(tj_json_set_int(details, "term", context->term));
    must(tj_json_set_int(details, "interval_ms", context->config.interval_ms));
    must(tj_json_set_int(details, "max_messages_per_tick",
                         context->config.max_messages_per_tick));
    must(tj_json_set_int(details, "max_tasks_per_tick",
                         context->config.max_tasks_per_tick));
    must(tj_json_set_int(details, "settle_delay_ms",
                         context->config.settle_delay_ms));
    must(tj_json_set_bool(details, "has_artifact_store",
                          context->store != NULL));
    must(tj_json_set_bool(details, "has_log_dir", context->log_dir != NULL));
    note.stage = "context";
    note.details = details;
    must(tj_run_log(run, &note));
    tj_json_free(details);
}

static tj_run_status script_play(play_script *script);

static void on_sleep(void *userdata, uint64_t expirations)
{
    play_script *script = userdata;

    (void)expirations;
    sleep_end(script->player, script->sleep);
    if (script_play(script) == TJ_RUN_OK)
        must(tj_run_complete(script->run, NULL, NULL));
}

/* Play on. TJ_RUN_PENDING: asleep, or the run has been ended. */
static tj_run_status script_play(play_script *script)
{
    while (script->at < tj_json_size(script->actions)) {
        const tj_json *action = tj_json_at(script->actions, script->at++);
        const char *key = tj_json_key_at(action, 0);
        const tj_json *value = tj_json_at(action, 0);

        if (!strcmp(key, "sleep_ms")) {
            script->sleep = sleep_begin(
                script->player, tj_json_int_or(value, 0), on_sleep, script);
            return TJ_RUN_PENDING;
        }
        if (!strcmp(key, "log")) {
            log_entry(script->run, value);
        } else if (!strcmp(key, "log_context")) {
            log_context(script->run);
        } else if (!strcmp(key, "fail")) {
            const char *message = tj_json_string_or(value, NULL);

            must(tj_run_fail(script->run,
                             message ? message_or_error(message) : NULL, NULL));
            return TJ_RUN_PENDING;
        } else {
            const tj_json *details = tj_json_get(value, "details");

            must(tj_run_complete(script->run, text_of(value, "result"),
                                 details));
            return TJ_RUN_PENDING;
        }
    }
    return TJ_RUN_OK;
}

static tj_run_status
script_run(tj_run run, const tj_tick_context *context, void *userdata)
{
    play_script *script = userdata;
    size_t last = tj_json_size(script->runs);

    (void)context;
    script->run = run;
    script->at = 0;
    script->actions = NULL;
    if (last) {
        script->actions = tj_json_at(
            script->runs, script->n_runs < last ? script->n_runs : last - 1);
        script->n_runs++;
    }
    return script_play(script);
}

/* ---- steps --------------------------------------------------------------- */

static void step_is_over(step_end *end)
{
    end->is_over = true;
    end->at_ms = now_ms(end->player);
}

static void on_tick_end(const tj_tick_result *result, void *userdata)
{
    step_end *end = userdata;

    end->tick = *result;
    step_is_over(end);
}

static void on_stop_end(void *userdata)
{
    step_is_over(userdata);
}

static void
play_register(play_state *player, const tj_json *step, step_end *end)
{
    tj_runner runner = TJ_RUNNER_INIT;
    tj_error error = TJ_ERROR_INIT;
    play_script *script = calloc(1, sizeof(*script));

    if (!script)
        out_of_memory();
    script->player = player;
    script->runs = tj_json_get(step, "runs");
    runner.name = text_of(step, "name");
    runner.run = script_run;
    runner.free = free;
    runner.userdata = script;
    end->register_error = tj_engine_add_runner(player->engine, &runner, &error);
    if (end->register_error == TJ_EINVAL && !strstr(error.message, "empty")) {
        fprintf(stderr, "scenario-player: %s\n", error.message);
        exit(2);
    }
    if (end->register_error != TJ_EINVAL && end->register_error != TJ_EEXIST)
        must(end->register_error);
    step_is_over(end);
}

static void play_step(play_state *player, const tj_json *step, step_end *end)
{
    const char *op = text_of(step, "op");

    if (!strcmp(op, "register")) {
        play_register(player, step, end);
    } else if (!strcmp(op, "start")) {
        must(tj_engine_start(player->engine, NULL));
        step_is_over(end);
    } else if (!strcmp(op, "tick")) {
        must(tj_engine_tick(player->engine, on_tick_end, end));
    } else if (!strcmp(op, "stop")) {
        must(tj_engine_stop(player->engine, on_stop_end, end));
    } else if (!strcmp(op, "gate")) {
        player->gate = tj_json_get(step, "gate");
    } else {
        tj_fake_loop_advance(player->loop, int_of(step, "ms"));
    }
    tj_fake_loop_run(player->loop);
}

/* ---- the outcome -----------------------------------------------------------
 */

static const char *register_error_name(int code)
{
    return code == TJ_EEXIST   ? "duplicate_name"
           : code == TJ_EINVAL ? "empty_name"
                               : NULL;
}

static tj_json *outcome_step(size_t index, const char *op, const step_end *end)
{
    tj_json *result = tj_json_new_object();

    if (!result)
        out_of_memory();
    must(tj_json_set_int(result, "step", (int64_t)index));
    must(tj_json_set_string(result, "op", op));
    must(tj_json_set_int(result, "at_ms", end->at_ms));
    if (!strcmp(op, "register"))
        must(tj_json_set_string(result, "error",
                                register_error_name(end->register_error)));
    if (!strcmp(op, "tick")) {
        must(tj_json_set_string(result, "batch_id", end->tick.batch_id));
        must(tj_json_set_string(result, "decision",
                                tj_decision_to_string(end->tick.decision)));
        must(tj_json_set_int(result, "runner_count", end->tick.runner_count));
    }
    return result;
}

static tj_json *outcome_results(const play_state *player, const tj_json *steps)
{
    tj_json *results = tj_json_new_array();
    size_t index;

    if (!results)
        out_of_memory();
    for (index = 0; index < tj_json_size(steps); index++) {
        const char *op = text_of(tj_json_at(steps, index), "op");

        if (player->ends[index].is_over)
            must(tj_json_append_take(
                results, outcome_step(index, op, &player->ends[index])));
    }
    return results;
}

static tj_json *outcome_registered(const play_state *player)
{
    tj_json *names = tj_json_new_array();
    size_t index;

    for (index = 0; index < tj_engine_n_runners(player->engine); index++)
        must(tj_json_append_take(
            names,
            tj_json_new_string(tj_engine_runner_name(player->engine, index))));
    return names;
}

static tj_json *lines_of(const char *text)
{
    tj_json *lines = tj_json_new_array();
    char *copy = strdup(text);
    char *line, *rest;

    if (!copy)
        out_of_memory();
    for (line = strtok_r(copy, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        must(tj_json_append_take(lines, tj_json_new_string(line)));
    free(copy);
    return lines;
}

static tj_json *outcome_logs(const play_state *player)
{
    tj_json *logs = tj_json_new_object();
    size_t index;

    for (index = 0; index < tj_memory_sink_n_days(player->log); index++) {
        char name[64];

        snprintf(name, sizeof(name), "%s.jsonl",
                 tj_memory_sink_day_name(player->log, index));
        must(tj_json_set_take(
            logs, name,
            lines_of(tj_memory_sink_day_text(player->log, index, NULL))));
    }
    return logs;
}

static void outcome_print(const play_state *player, const tj_json *steps)
{
    tj_json *outcome = tj_json_new_object();
    char *text;

    must(tj_json_set_take(outcome, "results", outcome_results(player, steps)));
    must(tj_json_set_take(outcome, "registered", outcome_registered(player)));
    must(tj_json_set_bool(outcome, "started",
                          tj_engine_is_started(player->engine)));
    must(tj_json_set_take(outcome, "logs", outcome_logs(player)));
    must(tj_json_print(outcome, &text, NULL));
    puts(text);
    free(text);
    tj_json_free(outcome);
}

/* ---- all of it
 * --------------------------------------------------------------- */

static void player_begin(play_state *player, const tj_json *scenario)
{
    const tj_json *config = tj_json_get(scenario, "config");
    tj_engine_options options;
    tj_error error;

    player->scenario = scenario;
    player->gate = tj_json_get(scenario, "gate");
    player->ends = calloc(tj_json_size(tj_json_get(scenario, "steps")) + 1,
                          sizeof(*player->ends));
    if (!player->ends)
        out_of_memory();
    must(tj_fake_loop_new(int_of(scenario, "clock_ms"), &player->loop));
    must(tj_memory_sink_new(&player->log));

    tj_engine_options_init(&options);
    options.config.interval_ms = int_of(config, "interval_ms");
    options.config.max_messages_per_tick =
        int_of(config, "max_messages_per_tick");
    options.config.max_tasks_per_tick = int_of(config, "max_tasks_per_tick");
    options.config.settle_delay_ms = int_of(config, "settle_delay_ms");
    options.manual =
        !tj_json_bool_or(tj_json_get(scenario, "auto_start"), true);
    options.loop = tj_fake_loop_get(player->loop);
    options.clock = tj_fake_loop_clock(player->loop);
    options.gate.ask = gate_ask;
    options.gate.leave = gate_leave;
    options.gate.userdata = player;
    if (tj_json_bool_or(tj_json_get(scenario, "log"), true)) {
        options.log = tj_memory_sink_get(player->log);
        options.log_dir = "log";
    }
    switch (tj_engine_new(&options, &player->engine, &error)) {
    case 0:
        break;
    case TJ_EINVAL:
        fprintf(stderr, "scenario-player: %s\n", error.message);
        exit(2);
    default:
        out_of_memory();
    }
}

/* What is asleep wakes up, so that the engine can end. */
static void player_end(play_state *player)
{
    const int64_t longer_than_any_sleep_ms = INT64_C(6311520000000);

    tj_engine_close(player->engine, NULL, NULL);
    tj_fake_loop_advance(player->loop, longer_than_any_sleep_ms);
    tj_memory_sink_free(player->log);
    tj_fake_loop_free(player->loop);
    free(player->ends);
}

int main(int argc, char **argv)
{
    play_state player = { 0 };
    tj_error error = TJ_ERROR_INIT;
    tj_json *document;
    const tj_json *scenario, *steps;
    size_t index;

    if (argc != 2) {
        fputs("usage: scenario-player FILE\n", stderr);
        return 2;
    }
    if (!scenario_read(argv[1], &document, &scenario, &error)) {
        fprintf(stderr, "scenario-player: %s: %s\n", argv[1], error.message);
        return 2;
    }
    player_begin(&player, scenario);
    steps = tj_json_get(scenario, "steps");
    for (index = 0; index < tj_json_size(steps); index++) {
        player.ends[index].player = &player;
        play_step(&player, tj_json_at(steps, index), &player.ends[index]);
    }
    outcome_print(&player, steps);
    player_end(&player);
    tj_json_free(document);
    return fflush(stdout) ? 1 : 0;
}
