/* Answers that do not end: events, and what logs.c sends. See api.h. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_write.h"
#include "control/internal.h"

/* A control_stream is a connection in the state STREAM, seen from outside. */
static control_connection *connection_of(control_stream *stream)
{
    return (control_connection *)(void *)stream;
}

bool control_stream_write(control_connection *connection,
                          const char *bytes,
                          size_t size)
{
    static char end[] = "\r\n";
    control_server *server = connection->server;
    char head[24];
    uv_buf_t parts[3];

    if (connection->state != CONNECTION_STREAM)
        return false;
    if (!size)
        return true;
    parts[0] = uv_buf_init(
        head, (unsigned)snprintf(head, sizeof(head), "%zx\r\n", size));
    parts[1] = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)size);
    parts[2] = uv_buf_init(end, sizeof(end) - 1);
    if (connection->is_listener)
        control_connection_set_deadline(connection, CONTROL_HEARTBEAT_MS);
    return control_connection_write(
        connection, connection->is_chunked ? parts : parts + 1,
        connection->is_chunked ? 3 : 1, server->options.stream_queue_size);
}

void control_stream_end(control_connection *connection)
{
    static char last[] = "0\r\n\r\n";
    uv_buf_t part = uv_buf_init(last, sizeof(last) - 1);
    control_server *server = connection->server;

    if (connection->state != CONNECTION_STREAM)
        return;
    if (connection->is_chunked &&
        !control_connection_write(connection, &part, 1, SIZE_MAX))
        return;
    server->stats.n_streams--;
    control_connection_await_written(connection);
}

/* Tells a client that is being watched over by some proxy or by itself that
 * the stream lives, and finds clients that are gone without a word. */
void control_stream_heartbeat(control_connection *connection)
{
    if (connection->is_sse)
        control_stream_write(connection, ":\n\n", 3);
    else
        control_stream_write(connection, "\n", 1);
}

/* ---- events ------------------------------------------------------------ */

static void event_print(tj_buf *text,
                        bool is_sse,
                        const char *name,
                        const char *json,
                        size_t size)
{
    if (is_sse) {
        tj__buf_printf(text, "event: %s\ndata: ", name);
        tj__buf_append(text, json, size);
        tj__buf_append_text(text, "\n\n");
    } else {
        tj__buf_append_text(text, "{\"event\":");
        tj__json_write_string(text, name);
        tj__buf_append_text(text, ",\"data\":");
        tj__buf_append(text, json, size);
        tj__buf_append_text(text, "}\n");
    }
}

control_stream *control_call_open_stream(control_call *call)
{
    control_connection *connection = control_call_detach(call);

    if (!connection)
        return NULL;
    connection->is_sse = connection->request.wants_event_stream;
    if (connection->is_head) {
        control_connection_respond(connection, 200, "application/x-ndjson",
                                   NULL, "", 0);
        return NULL;
    }
    control_connection_start_stream(connection, connection->is_sse
                                                    ? "text/event-stream"
                                                    : "application/x-ndjson");
    if (connection->state != CONNECTION_STREAM)
        return NULL;
    connection->is_listener = true;
    connection->server->n_listeners++;
    control_connection_set_deadline(connection, CONTROL_HEARTBEAT_MS);
    return (control_stream *)(void *)connection;
}

void control_stream_send(control_stream *stream,
                         const char *name,
                         const char *json,
                         size_t size)
{
    control_connection *connection = connection_of(stream);
    tj_buf text = TJ_BUF_INIT;

    event_print(&text, connection->is_sse, name, json, size);
    if (text.failed) /* an event that is missing must be noticed */
        control_connection_close(connection);
    else
        control_stream_write(connection, text.data, text.size);
    tj__buf_done(&text);
}

void control_server_publish(control_server *server,
                            const char *name,
                            const char *json,
                            size_t size)
{
    control_connection *connection, *next;
    tj_buf texts[2] = { TJ_BUF_INIT, TJ_BUF_INIT };
    bool is_sse;

    if (!server->n_listeners)
        return;
    for (connection = server->connections; connection; connection = next) {
        next = connection->next;
        if (!connection->is_listener)
            continue;
        is_sse = connection->is_sse;
        if (!texts[is_sse].size && !texts[is_sse].failed)
            event_print(&texts[is_sse], is_sse, name, json, size);
        if (texts[is_sse].failed)
            control_connection_close(connection);
        else
            control_stream_write(connection, texts[is_sse].data,
                                 texts[is_sse].size);
    }
    tj__buf_done(&texts[0]);
    tj__buf_done(&texts[1]);
}
