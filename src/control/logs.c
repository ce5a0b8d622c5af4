/* `logs`: the day files as a stream, read as fast as the client takes them.
 * See internal.h. */
#include <string.h>

#include "base/alloc.h"
#include "control/internal.h"

static const char *text_arg(const tj_json *args, const char *name)
{
    return tj_json_string_or(tj_json_get(args, name), NULL);
}

static int
reader_make(control_call *call, log_reader **ret_reader, tj_error *reterr)
{
    log_reader_options options = {
        .dir = call->server->options.log_dir,
        .job = text_arg(call->args, "job"),
        .runner = text_arg(call->args, "runner"),
        .stage = text_arg(call->args, "stage"),
        .date = text_arg(call->args, "date"),
        .tail = tj_json_int_or(tj_json_get(call->args, "tail"), -1),
        .follow = tj_json_bool_or(tj_json_get(call->args, "follow"), false),
    };

    return log_reader_new(&options, ret_reader, reterr);
}

void control_logs_run(control_call *call)
{
    control_server *server = call->server;
    control_connection *connection;
    tj_error error = TJ_ERROR_INIT;
    log_reader *reader;

    if (!server->options.log_dir) {
        control_call_fail(call, 404, "no_log", "this daemon keeps no log");
        return;
    }
    if (reader_make(call, &reader, &error)) {
        control_call_fail(call, error.code == TJ_EINVAL ? 400 : 503,
                          error.code == TJ_EINVAL ? "bad_argument"
                                                  : "out_of_memory",
                          "%s", error.message);
        return;
    }
    connection = control_call_detach(call);
    if (connection->is_head) {
        log_reader_free(reader);
        control_connection_respond(connection, 200, "application/x-ndjson",
                                   NULL, "", 0);
        return;
    }
    connection->logs = reader;
    connection->is_at_end = false;
    connection->is_sse = connection->request.wants_event_stream;
    control_connection_start_stream(connection, connection->is_sse
                                                    ? "text/event-stream"
                                                    : "application/x-ndjson");
    if (connection->state == CONNECTION_STREAM)
        control_server_wake_logs(server);
}

bool control_logs_wants_pump(const control_connection *connection)
{
    return connection->state == CONNECTION_STREAM && connection->logs &&
           !connection->is_at_end &&
           control_connection_queued(connection) < CONTROL_LOG_QUEUE_MAX;
}

/* As server-sent events every line is an event of its own. */
static void lines_to_events(tj_buf *lines)
{
    tj_buf events = TJ_BUF_INIT;
    const char *at = lines->data;
    const char *end = lines->data + lines->size;

    while (at < end) {
        size_t size =
            (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at) +
            1;

        tj__buf_append_text(&events, "data: ");
        tj__buf_append(&events, at, size);
        tj__buf_append_char(&events, '\n');
        at += size;
    }
    tj__buf_done(lines);
    *lines = events;
}

static void pump_end(control_connection *connection)
{
    log_reader_free(connection->logs);
    connection->logs = NULL;
    control_stream_end(connection);
    control_connection_process(connection);
}

void control_logs_pump(control_connection *connection)
{
    control_server *server = connection->server;
    tj_clock clock = server->options.clock;
    log_reader_state state = LOG_READER_MORE;
    tj_buf lines = TJ_BUF_INIT;
    bool is_sent = true;
    int code =
        log_reader_step(connection->logs, clock.now(clock.userdata).wall_ms,
                        &lines, &state, NULL);

    if (!code && lines.size && connection->is_sse)
        lines_to_events(&lines);
    if (code || lines.failed) {
        /* The answer has begun: only a cut can say that it is not whole. */
        control_connection_close(connection);
        is_sent = false;
    } else if (lines.size) {
        is_sent = control_stream_write(connection, lines.data, lines.size);
    }
    tj__buf_done(&lines);
    if (!is_sent)
        return;
    if (state == LOG_READER_DONE) {
        pump_end(connection);
    } else if (state == LOG_READER_AT_END) {
        connection->is_at_end = true;
        control_connection_set_deadline(connection,
                                        server->options.follow_period_ms);
    }
}
