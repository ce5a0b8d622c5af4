/* See fake_daemon.h. */
#include "fake_daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fake daemon: %s\n", what);
    abort();
}

/* NULL when memory is out, which a reply takes for what it is. */
static tj_json *parse(const char *text)
{
    tj_json *value = NULL;
    int code = tj_json_parse(text, strlen(text), &value, NULL);

    must(code == 0 || code == TJ_ENOMEM, text);
    return code ? NULL : value;
}

static void note(fake_daemon *daemon, control_call *call)
{
    char *text = NULL;

    daemon->n_operations++;
    daemon->last_peer = *control_call_peer(call);
    if (tj_json_print(control_call_args(call), &text, NULL))
        return;
    snprintf(daemon->last_args, sizeof(daemon->last_args), "%s", text);
    tj_free(text);
}

#define JOB_READINGS                                                         \
    "{\"name\":\"readings\",\"every_ms\":10000,\"runners\":[\"disk\","       \
    "\"memory\"],\"busy\":false,\"next_ms\":1775030408000,\"n_ticks\":42,"   \
    "\"n_failed\":1,\"n_skipped\":0,\"last\":{\"batch_id\":"                 \
    "\"readings-1775030398000-42\",\"decision\":\"scheduled\",\"ended_ms\":" \
    "1775030398120,\"duration_ms\":120,\"n_ok\":2,\"n_failed\":0,\"error\":" \
    "null}}"
#define JOB_DIGEST                                                      \
    "{\"name\":\"digest\",\"every_ms\":60000,\"runners\":[\"digest\"]," \
    "\"busy\":true,\"next_ms\":null,\"n_ticks\":0,\"n_failed\":0,"      \
    "\"n_skipped\":0,\"last\":null}"
#define LEASE                                                        \
    "{\"name\":\"main\",\"backend\":\"sqlite\",\"role\":\"leader\"," \
    "\"term\":7,\"holder\":\"0123456789abcdef0123456789abcdef\","    \
    "\"holder_host\":\"host-a\",\"holder_pid\":4711,\"since_ms\":"   \
    "1775030300000,\"valid_for_ms\":5200,\"trouble\":null}"

static void op_status(control_call *call, void *userdata)
{
    note(userdata, call);
    control_call_reply(
        call, 200,
        parse("{\"version\":\"0.1.0\",\"pid\":4711,\"host\":\"host-a\","
              "\"controller_id\":\"c-1\",\"state\":\"running\","
              "\"started_ms\":1775030000000,\"now_ms\":1775030400000,"
              "\"config\":\"/etc/timed-jobs.yaml\",\"lease\":" LEASE
              ",\"pause\":null,\"jobs\":[" JOB_READINGS "," JOB_DIGEST
              "],\"log\":{\"dir\":\"/var/log/tj\",\"n_lines\":100,"
              "\"n_dropped\":0,\"trouble\":null},\"warden\":{\"pid\":4712,"
              "\"n_restarts\":0},\"warnings\":[\"no delegated cgroup\"]}"));
}

static void op_jobs(control_call *call, void *userdata)
{
    note(userdata, call);
    control_call_reply(call, 200,
                       parse("{\"now_ms\":1775030400000,\"jobs\":[" JOB_READINGS
                             "," JOB_DIGEST "]}"));
}

static void op_lease(control_call *call, void *userdata)
{
    note(userdata, call);
    control_call_reply(call, 200, parse(LEASE));
}

static void tick_reply(control_call *call, const char *rest)
{
    char text[256];

    snprintf(text, sizeof(text),
             "{\"batch_id\":\"x-1775030400000-1\",\"runner_count\":2,"
             "\"duration_ms\":12,%s}",
             rest);
    control_call_reply(call, 200, parse(text));
}

#define TICK_OK "\"decision\":\"scheduled\",\"n_ok\":2,\"n_failed\":0"

static void op_tick(control_call *call, void *userdata)
{
    fake_daemon *daemon = userdata;
    const tj_json *args = control_call_args(call);
    const char *job = tj_json_string_or(tj_json_get(args, "job"), "");

    note(daemon, call);
    if (!strcmp(job, "slow") && !daemon->pending)
        daemon->pending = call;
    else if (!strcmp(job, "readings"))
        tick_reply(call, TICK_OK);
    else if (!strcmp(job, "failing"))
        tick_reply(call, "\"decision\":\"scheduled\",\"n_ok\":1,"
                         "\"n_failed\":1,\"error\":\"exit status 3\"");
    else if (!strcmp(job, "paused"))
        tick_reply(call, "\"decision\":\"skipped_system_paused\",\"n_ok\":0,"
                         "\"n_failed\":0");
    else
        control_call_fail(call, 404, "no_such_job",
                          "there is no job '%s'; did you mean 'readings'?",
                          job);
}

static void op_pause(control_call *call, void *userdata)
{
    const tj_json *args = control_call_args(call);
    tj_json *pause = tj_json_new_object();
    tj_json *body = tj_json_new_object();
    const char *keys[] = { "who", "why", "until_ms" };
    size_t at;

    note(userdata, call);
    for (at = 0; at < 3; at++) {
        const tj_json *value = tj_json_get(args, keys[at]);

        tj_json_set_take(pause, keys[at],
                         value ? tj_json_copy(value) : tj_json_new_null());
    }
    tj_json_set_int(pause, "since_ms", 1775030400000);
    tj_json_set_take(body, "pause", pause);
    control_call_reply(call, 200, body);
}

static void op_resume(control_call *call, void *userdata)
{
    note(userdata, call);
    control_call_reply(call, 200, parse("{\"resumed\":true}"));
}

static void op_step_down(control_call *call, void *userdata)
{
    note(userdata, call);
    control_call_fail(call, 409, "not_leader", "host-b leads, not this one");
}

static void op_stop(control_call *call, void *userdata)
{
    fake_daemon *daemon = userdata;

    note(daemon, call);
    daemon->is_stopping = true;
    control_call_reply(call, 202, parse("{\"stopping\":true}"));
}

static void op_livez(control_call *call, void *userdata)
{
    note(userdata, call);
    control_call_reply(call, 200, parse("{\"status\":\"ok\"}"));
}

/* A big answer, to fill socket buffers with. */
static void op_metrics(control_call *call, void *userdata)
{
    enum { SIZE = 3000000 };

    char *text = malloc(SIZE);

    note(userdata, call);
    must(text != NULL, "memory");
    memset(text, 'm', SIZE);
    text[SIZE - 1] = '\n';
    control_call_reply_text(call, 200, "text/plain; version=0.0.4", text, SIZE);
    free(text);
}

static void op_events(control_call *call, void *userdata)
{
    control_stream *stream;

    note(userdata, call);
    stream = control_call_open_stream(call);
    if (stream)
        control_stream_send(stream, "hello", "{\"a\":1}", 7);
}

void fake_daemon_init(fake_daemon *daemon)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    sigaction(SIGPIPE, &ignore, NULL);
    memset(daemon, 0, sizeof(*daemon));
    must(uv_loop_init(&daemon->loop) == 0, "loop");
    control_server_options_init(&daemon->options);
    daemon->options.loop = &daemon->loop;
    /* `readyz` is left out: what is not there answers 501. */
    daemon->options.api = (control_api){
        .userdata = daemon,
        .status = op_status,
        .jobs = op_jobs,
        .lease = op_lease,
        .tick = op_tick,
        .pause = op_pause,
        .resume = op_resume,
        .step_down = op_step_down,
        .stop = op_stop,
        .livez = op_livez,
        .metrics = op_metrics,
        .events = op_events,
    };
}

void fake_daemon_start(fake_daemon *daemon)
{
    tj_error error = TJ_ERROR_INIT;

    must(control_server_new(&daemon->options, &daemon->server, &error) == 0,
         error.message);
}

static void on_closed(void *userdata)
{
    fake_daemon *daemon = userdata;

    daemon->is_closed = true;
}

void fake_daemon_done(fake_daemon *daemon)
{
    if (daemon->server) {
        control_server_close(daemon->server, on_closed, daemon);
        must(uv_run(&daemon->loop, UV_RUN_DEFAULT) == 0, "handles are left");
        must(daemon->is_closed, "the close callback did not run");
        if (daemon->pending)
            fake_daemon_answer(daemon);
    }
    must(uv_loop_close(&daemon->loop) == 0, "the loop is not empty");
}

void fake_daemon_turn(fake_daemon *daemon)
{
    uv_run(&daemon->loop, UV_RUN_NOWAIT);
}

void fake_daemon_answer(fake_daemon *daemon)
{
    control_call *call = daemon->pending;

    daemon->pending = NULL;
    tick_reply(call, TICK_OK);
}
