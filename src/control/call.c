/* A call: one question to the daemon, answered exactly once. See api.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_write.h"
#include "control/internal.h"

control_call *control_call_new(control_connection *connection,
                               const control_route *route,
                               tj_json *args)
{
    control_server *server = connection->server;
    control_call *call = tj__calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->server = server;
    call->connection = connection;
    call->route = route;
    call->args = args;
    call->peer = connection->peer;
    call->next = server->calls;
    if (call->next)
        call->next->link = &call->next;
    call->link = &server->calls;
    server->calls = call;
    return call;
}

void control_call_end(control_call *call)
{
    control_server *server = call->server;

    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    tj_json_free(call->args);
    tj__free(call);
    if (server->is_closed && !server->calls)
        control_server_free(server);
}

control_connection *control_call_detach(control_call *call)
{
    control_connection *connection = call->connection;

    if (connection)
        connection->call = NULL;
    control_call_end(call);
    return connection;
}

/* ---- asking ------------------------------------------------------------ */

const tj_json *control_call_args(const control_call *call)
{
    return call->args;
}

const control_peer *control_call_peer(const control_call *call)
{
    return &call->peer;
}

bool control_call_is_abandoned(const control_call *call)
{
    return !call->connection;
}

/* The name field of the passwd line with this uid; false if it is another's
 * line. "name:x:uid:gid:..." */
static bool passwd_line_take(char *line, control_peer *peer)
{
    char *name_end = strchr(line, ':');
    char *uid = name_end ? strchr(name_end + 1, ':') : NULL;
    char *uid_end = uid ? strchr(uid + 1, ':') : NULL;
    size_t value;

    if (!uid_end || name_end == line ||
        !http_parse_size(uid + 1, (size_t)(uid_end - uid) - 1, UINT32_MAX,
                         &value) ||
        value != peer->uid)
        return false;
    /* A name that would have to be cut is worse than the number. */
    if ((size_t)(name_end - line) < sizeof(peer->name)) {
        memcpy(peer->name, line, (size_t)(name_end - line));
        peer->name[name_end - line] = '\0';
    }
    return true;
}

/* Not getpwuid: a name service may ask the network, and the loop cannot wait.
 * Who is not in the file is told by number. */
void control_peer_name(control_peer *peer, const char *passwd_path)
{
    char line[512];
    bool is_start = true;
    FILE *file;

    if (peer->uid == (uid_t)-1)
        snprintf(peer->name, sizeof(peer->name), "unknown");
    else
        snprintf(peer->name, sizeof(peer->name), "uid %u", (unsigned)peer->uid);
    file = fopen(passwd_path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        bool is_taken = is_start && passwd_line_take(line, peer);

        if (is_taken)
            break;
        is_start = strchr(line, '\n') != NULL;
    }
    if (fclose(file)) /* only read: nothing can be lost */
        return;
}

/* ---- answering --------------------------------------------------------- */

void control_call_reply(control_call *call, int http_status, tj_json *body)
{
    control_connection *connection = control_call_detach(call);
    tj_buf text = TJ_BUF_INIT;

    if (connection && body) {
        tj__json_write_value(&text, body);
        tj__buf_append_char(&text, '\n');
    }
    tj_json_free(body);
    if (connection && (!body || text.failed))
        control_connection_respond_error(connection, 500, "out_of_memory",
                                         "there is not enough memory", NULL);
    else if (connection)
        control_connection_respond(connection, http_status, "application/json",
                                   NULL, text.data, text.size);
    tj__buf_done(&text);
    if (connection)
        control_connection_process(connection);
}

void control_call_reply_text(control_call *call,
                             int http_status,
                             const char *content_type,
                             const char *text,
                             size_t size)
{
    control_connection *connection = control_call_detach(call);

    if (!connection)
        return;
    control_connection_respond(connection, http_status, content_type, NULL,
                               text, size);
    control_connection_process(connection);
}

void control_call_fail(control_call *call,
                       int http_status,
                       const char *code,
                       const char *format,
                       ...)
{
    control_connection *connection;
    char message[512];
    va_list arguments;

    /* First the text: its arguments may belong to the call. */
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    connection = control_call_detach(call);
    if (!connection)
        return;
    control_connection_respond_error(connection, http_status, code, message,
                                     NULL);
    control_connection_process(connection);
}
