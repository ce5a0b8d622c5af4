/* One client: bytes in, requests out to the routes, answers back, in order,
 * one at a time, each within its deadline. See internal.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json_write.h"
#include "control/internal.h"

/* ---- life -------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    control_connection *connection = handle->data;
    control_server *server = connection->server;

    http_request_done(&connection->request);
    tj__buf_done(&connection->in);
    tj__free(connection);
    control_server_handle_gone(server);
}

void control_connection_close(control_connection *connection)
{
    control_server *server = connection->server;

    if (connection->state == CONNECTION_CLOSED)
        return;
    if (connection->state == CONNECTION_STREAM)
        server->stats.n_streams--;
    if (connection->state == CONNECTION_BODY)
        control_call_end(connection->call);
    else if (connection->call) /* the operation has it, and will answer */
        connection->call->connection = NULL;
    connection->call = NULL;
    connection->state = CONNECTION_CLOSED;
    if (connection->is_listener)
        server->n_listeners--;
    connection->is_listener = false;
    log_reader_free(connection->logs);
    connection->logs = NULL;
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    server->stats.n_connections--;
    if (!server->stats.n_connections) {
        tj__free(server->read_buffer);
        server->read_buffer = NULL;
    }
    uv_close(&connection->io.handle, on_closed);
}

void control_connection_set_deadline(control_connection *connection,
                                     int64_t after_ms)
{
    uint64_t now = uv_now(connection->server->options.loop);

    connection->deadline_ms = after_ms > 0 ? now + (uint64_t)after_ms : 0;
    if (connection->deadline_ms)
        control_server_arm(connection->server, connection->deadline_ms);
}

/* Somebody has to take something of the answer within each idle time. */
static void write_deadline_set(control_connection *connection)
{
    connection->unread = control_connection_queued(connection);
    control_connection_set_deadline(connection,
                                    connection->server->options.idle_time_ms);
}

/* Has the client closed altogether, not only its sending half? */
static bool is_hung_up(const control_connection *connection)
{
    struct pollfd look = { .fd = -1 };
    uv_os_fd_t fd;

    if (uv_fileno(&connection->io.handle, &fd) == 0)
        look.fd = fd;
    return poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR));
}

/* Time to look for new lines, or to show that the stream lives. */
static void stream_expire(control_connection *connection)
{
    if (connection->logs) {
        connection->is_at_end = false;
        control_server_wake_logs(connection->server);
    } else {
        control_stream_heartbeat(connection);
    }
}

void control_connection_expire(control_connection *connection)
{
    bool is_stream = connection->state == CONNECTION_STREAM;
    bool is_request =
        (connection->state == CONNECTION_HEAD && connection->is_started) ||
        connection->state == CONNECTION_BODY;

    connection->deadline_ms = 0;
    if (is_stream && !(connection->is_eof && is_hung_up(connection))) {
        stream_expire(connection);
    } else if (is_request) {
        if (connection->call)
            control_call_end(connection->call);
        connection->call = NULL;
        connection->server->stats.n_rejected++;
        connection->request.keep_alive = false;
        control_connection_respond_error(connection, 408, "too_slow",
                                         "the request took too long to come",
                                         NULL);
    } else if (connection->state == CONNECTION_WRITE &&
               control_connection_queued(connection) < connection->unread) {
        write_deadline_set(connection);
    } else {
        control_connection_close(connection);
    }
}

/* ---- writing ----------------------------------------------------------- */

static void finish(control_connection *connection);

typedef struct write_job {
    uv_write_t request;
    control_connection *connection;
    char bytes[];
} write_job;

size_t control_connection_queued(const control_connection *connection)
{
    return uv_stream_get_write_queue_size(&connection->io.stream);
}

static void on_written(uv_write_t *request, int status)
{
    write_job *job = (write_job *)request;
    control_connection *connection = job->connection;

    tj__free(job);
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (status < 0) {
        control_connection_close(connection);
    } else if (connection->state == CONNECTION_WRITE) {
        if (!control_connection_queued(connection)) {
            finish(connection);
            control_connection_process(connection);
        }
    } else if (control_logs_wants_pump(connection)) {
        control_server_wake_logs(connection->server);
    }
}

static size_t parts_size(const uv_buf_t *parts, unsigned n_parts)
{
    size_t size = 0;
    unsigned at;

    for (at = 0; at < n_parts; at++)
        size += parts[at].len;
    return size;
}

/* Queue what is behind the first `sent` bytes. */
static int write_rest(control_connection *connection,
                      const uv_buf_t *parts,
                      unsigned n_parts,
                      size_t sent)
{
    size_t size = parts_size(parts, n_parts) - sent;
    write_job *job = tj__malloc(sizeof(*job) + size);
    uv_buf_t whole;
    unsigned at;
    int result;

    if (!job)
        return UV_ENOMEM;
    job->connection = connection;
    whole = uv_buf_init(job->bytes, (unsigned)size);
    size = 0;
    for (at = 0; at < n_parts; at++) {
        size_t skip = sent < parts[at].len ? sent : parts[at].len;

        sent -= skip;
        if (parts[at].len > skip)
            memcpy(job->bytes + size, parts[at].base + skip,
                   parts[at].len - skip);
        size += parts[at].len - skip;
    }
    result =
        uv_write(&job->request, &connection->io.stream, &whole, 1, on_written);
    if (result)
        tj__free(job);
    return result;
}

bool control_connection_write(control_connection *connection,
                              const uv_buf_t *parts,
                              unsigned n_parts,
                              size_t queue_max)
{
    size_t size = parts_size(parts, n_parts);
    size_t sent = 0;
    int result;

    if (connection->state == CONNECTION_CLOSED)
        return false;
    result = uv_try_write(&connection->io.stream, parts, n_parts);
    if (result >= 0)
        sent = (size_t)result;
    if (sent == size)
        return true;
    if (control_connection_queued(connection) + size - sent > queue_max) {
        connection->server->stats.n_cut++;
        control_connection_close(connection);
        return false;
    }
    if ((result < 0 && result != UV_EAGAIN) ||
        write_rest(connection, parts, n_parts, sent)) {
        control_connection_close(connection);
        return false;
    }
    return true;
}

/* ---- answers ----------------------------------------------------------- */

static const char *status_name(int status)
{
    static const struct {
        int status;
        const char *name;
    } names[] = {
        { 200, "OK" },
        { 202, "Accepted" },
        { 400, "Bad Request" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 423, "Locked" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };

    size_t at;

    for (at = 0; at < sizeof(names) / sizeof(names[0]); at++) {
        if (names[at].status == status)
            return names[at].name;
    }
    return status < 400 ? "OK" : "Error";
}

enum { DATE_SIZE = 48 };

/* "Wed, 01 Apr 2026 08:00:00 GMT", whatever the locale. */
static void date_print(char text[DATE_SIZE], int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm when;

    if (!gmtime_r(&seconds, &when))
        memset(&when, 0, sizeof(when));
    snprintf(text, DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
             days + 3 * (size_t)(when.tm_wday % 7), when.tm_mday % 100,
             months + 3 * (size_t)(when.tm_mon % 12),
             (when.tm_year + 1900) % 10000, when.tm_hour % 100,
             when.tm_min % 100, when.tm_sec % 100);
}

static void head_print(tj_buf *head,
                       control_connection *connection,
                       int status,
                       const char *content_type,
                       const char *extra_header)
{
    tj_clock clock = connection->server->options.clock;
    char date[DATE_SIZE];

    date_print(date, clock.now(clock.userdata).wall_ms);
    tj__buf_printf(head,
                   "HTTP/1.1 %d %s\r\n"
                   "Date: %s\r\n"
                   "Content-Type: %s\r\n"
                   "Cache-Control: no-store\r\n"
                   "X-Content-Type-Options: nosniff\r\n"
                   "%s",
                   status, status_name(status), date, content_type,
                   extra_header ? extra_header : "");
    if (!connection->request.keep_alive)
        tj__buf_append_text(head, "Connection: close\r\n");
    else if (connection->request.is_http_1_0)
        tj__buf_append_text(head, "Connection: keep-alive\r\n");
}

void control_connection_await_written(control_connection *connection)
{
    connection->state = CONNECTION_WRITE;
    if (control_connection_queued(connection))
        write_deadline_set(connection);
    else
        finish(connection);
}

void control_connection_respond(control_connection *connection,
                                int status,
                                const char *content_type,
                                const char *extra_header,
                                const char *body,
                                size_t size)
{
    tj_buf head = TJ_BUF_INIT;
    uv_buf_t parts[2];
    bool is_written;

    head_print(&head, connection, status, content_type, extra_header);
    tj__buf_printf(&head, "Content-Length: %zu\r\n\r\n", size);
    if (head.failed) {
        tj__buf_done(&head);
        control_connection_close(connection);
        return;
    }
    connection->state = CONNECTION_WRITE;
    parts[0] = uv_buf_init(head.data, (unsigned)head.size);
    parts[1] = uv_buf_init((char *)(uintptr_t)body,
                           connection->is_head ? 0 : (unsigned)size);
    is_written = control_connection_write(connection, parts, 2, SIZE_MAX);
    tj__buf_done(&head);
    if (is_written)
        control_connection_await_written(connection);
}

void control_connection_respond_error(control_connection *connection,
                                      int status,
                                      const char *code,
                                      const char *message,
                                      const char *extra_header)
{
    tj_buf body = TJ_BUF_INIT;

    tj__buf_append_text(&body, "{\"error\":{\"code\":");
    tj__json_write_string(&body, code);
    tj__buf_append_text(&body, ",\"message\":");
    tj__json_write_string(&body, message);
    tj__buf_append_text(&body, "}}\n");
    if (body.failed)
        control_connection_close(connection);
    else
        control_connection_respond(connection, status, "application/json",
                                   extra_header, body.data, body.size);
    tj__buf_done(&body);
}

void control_connection_start_stream(control_connection *connection,
                                     const char *content_type)
{
    tj_buf head = TJ_BUF_INIT;
    uv_buf_t part;

    /* Without chunks the end of the connection is the end of the stream. */
    connection->is_chunked = !connection->request.is_http_1_0;
    if (!connection->is_chunked)
        connection->request.keep_alive = false;
    head_print(&head, connection, 200, content_type, NULL);
    if (connection->is_chunked)
        tj__buf_append_text(&head, "Transfer-Encoding: chunked\r\n");
    tj__buf_append_text(&head, "\r\n");
    connection->deadline_ms = 0;
    connection->state = CONNECTION_STREAM;
    connection->server->stats.n_streams++;
    if (head.failed) {
        control_connection_close(connection);
    } else {
        part = uv_buf_init(head.data, (unsigned)head.size);
        control_connection_write(connection, &part, 1, SIZE_MAX);
    }
    tj__buf_done(&head);
}

/* ---- the end ----------------------------------------------------------- */

static void on_shut_down(uv_shutdown_t *request, int status)
{
    control_connection *connection = request->data;

    if (status < 0)
        control_connection_close(connection);
}

/* Closing while the client still sends could cost it the answer that it has
 * not read yet: say "no more", and listen for a moment. */
static void linger_start(control_connection *connection)
{
    tj__buf_done(&connection->in);
    connection->state = CONNECTION_LINGER;
    connection->shutdown.data = connection;
    if (connection->is_eof ||
        uv_shutdown(&connection->shutdown, &connection->io.stream,
                    on_shut_down)) {
        control_connection_close(connection);
        return;
    }
    control_connection_set_deadline(connection, CONTROL_LINGER_MS);
}

/* ---- from one request to the next -------------------------------------- */

static void next_request(control_connection *connection)
{
    http_request_reset(&connection->request);
    connection->state = CONNECTION_HEAD;
    connection->is_started = false;
    connection->is_past_empty_line = false;
    connection->is_head = false;
    control_connection_set_deadline(connection,
                                    connection->server->options.idle_time_ms);
}

/* The answer is out. Whoever brought that about has to see to it that
 * control_connection_process runs, so that the next request is taken up. */
static void finish(control_connection *connection)
{
    if (connection->is_eof && !connection->in.size)
        control_connection_close(connection);
    else if (connection->request.keep_alive)
        next_request(connection);
    else
        linger_start(connection);
}

/* ---- reading ----------------------------------------------------------- */

static void on_allocate(uv_handle_t *handle, size_t hint, uv_buf_t *ret_buf)
{
    control_connection *connection = handle->data;
    control_server *server = connection->server;

    if (!server->read_buffer)
        server->read_buffer = tj__malloc(CONTROL_READ_SIZE);
    *ret_buf = uv_buf_init(server->read_buffer,
                           server->read_buffer ? CONTROL_READ_SIZE : 0);
}

static void take_end(control_connection *connection)
{
    connection->is_eof = true;
    /* Somebody who half-closed after asking still wants the answer. */
    if ((connection->state != CONNECTION_CALL &&
         connection->state != CONNECTION_WRITE &&
         connection->state != CONNECTION_STREAM) ||
        is_hung_up(connection))
        control_connection_close(connection);
}

static void on_read(uv_stream_t *stream, ssize_t n_read, const uv_buf_t *buf)
{
    control_connection *connection = stream->data;

    if (connection->state == CONNECTION_CLOSED || n_read == 0)
        return;
    if (n_read == UV_EOF) {
        take_end(connection);
        return;
    }
    if (n_read < 0) {
        control_connection_close(connection);
        return;
    }
    if (connection->state == CONNECTION_LINGER) {
        /* Nothing that could be said here matters. */
        connection->lingered += (size_t)n_read;
        if (connection->lingered > CONTROL_LINGER_MAX)
            control_connection_close(connection);
        return;
    }
    tj__buf_append(&connection->in, buf->base, (size_t)n_read);
    /* On a stream reading never pauses, or a client that leaves would not be
     * seen; who talks on and on there is cut instead. */
    if (connection->in.failed || (connection->state == CONNECTION_STREAM &&
                                  connection->in.size >= CONTROL_AHEAD_MAX))
        control_connection_close(connection);
    else
        control_connection_process(connection);
}

/* Reading goes on during a call, to see the client leave, unless it has sent
 * far ahead: then the socket's own buffer makes it wait. */
static void reading_adjust(control_connection *connection)
{
    bool wanted =
        !connection->is_eof && (connection->state == CONNECTION_STREAM ||
                                connection->in.size < CONTROL_AHEAD_MAX);

    if (wanted == connection->is_reading)
        return;
    connection->is_reading = wanted;
    if (!wanted)
        uv_read_stop(&connection->io.stream);
    else if (uv_read_start(&connection->io.stream, on_allocate, on_read))
        control_connection_close(connection);
}

/* ---- requests ---------------------------------------------------------- */

static void reject(control_connection *connection, const http_problem *problem)
{
    connection->server->stats.n_rejected++;
    connection->request.keep_alive = false;
    control_connection_respond_error(connection, problem->status, problem->code,
                                     problem->message, NULL);
}

/* One empty line before a request is forgiven (RFC 9112 2.2). False: wait. */
static bool skip_empty_line(control_connection *connection)
{
    if (connection->is_past_empty_line || connection->in.data[0] != '\r')
        return true;
    if (connection->in.size < 2)
        return false;
    connection->is_past_empty_line = true;
    if (connection->in.data[1] == '\n')
        tj__buf_consume(&connection->in, 2);
    return connection->in.size > 0;
}

static void begin_request(control_connection *connection)
{
    if (connection->is_started)
        return;
    connection->is_started = true;
    control_connection_set_deadline(
        connection, connection->server->options.request_time_ms);
}

static void take_route(control_connection *connection)
{
    http_request *request = &connection->request;
    size_t head_size = request->head.at;
    bool has_body = http_request_has_body(request);

    connection->is_head = llhttp_get_method(&request->parser) == HTTP_HEAD;
    if (has_body) /* an error now leaves the body unread */
        request->keep_alive = false;
    connection->call = control_route_call(connection);
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (!connection->call) {
        /* Answered with an error; with a body behind it, it lingers. */
        if (connection->in.size)
            tj__buf_consume(&connection->in, head_size);
        return;
    }
    request->keep_alive = llhttp_should_keep_alive(&request->parser);
    tj__buf_consume(&connection->in, head_size);
    connection->state = CONNECTION_BODY;
    if (request->wants_continue && has_body && !connection->in.size) {
        static char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
        uv_buf_t part = uv_buf_init(proceed, sizeof(proceed) - 1);

        control_connection_write(connection, &part, 1, SIZE_MAX);
    }
}

/* Both steps tell whether there may be more to do at once. */
static bool head_step(control_connection *connection)
{
    http_request *request = &connection->request;
    http_scan_verdict verdict;
    const http_problem *problem;

    if (!connection->in.size)
        return false;
    begin_request(connection);
    if (!skip_empty_line(connection))
        return false;
    verdict = http_head_scan_run(&request->head, connection->in.data,
                                 connection->in.size);
    if (verdict == HTTP_SCAN_MORE)
        return false;
    problem = http_problem_of(verdict);
    if (!problem)
        problem = http_request_parse_head(request, connection->in.data,
                                          request->head.at);
    if (problem)
        reject(connection, problem);
    else
        take_route(connection);
    return true;
}

static bool body_step(control_connection *connection)
{
    http_request *request = &connection->request;
    control_call *call = connection->call;
    const http_problem *problem;
    size_t used = 0;

    if (!request->is_complete) {
        if (!connection->in.size)
            return false;
        problem = http_request_take_body(request, connection->in.data,
                                         connection->in.size, &used);
        if (problem) {
            connection->call = NULL;
            control_call_end(call);
            reject(connection, problem);
            return true;
        }
        tj__buf_consume(&connection->in, used);
        if (!request->is_complete)
            return true;
    }
    connection->deadline_ms = 0;
    connection->state = CONNECTION_CALL;
    control_route_run(call);
    return true;
}

static bool step(control_connection *connection)
{
    if (connection->state == CONNECTION_HEAD)
        return head_step(connection);
    if (connection->state == CONNECTION_BODY)
        return body_step(connection);
    return false;
}

void control_connection_process(control_connection *connection)
{
    if (connection->is_processing)
        return;
    connection->is_processing = true;
    while (step(connection))
        ;
    connection->is_processing = false;
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (connection->state == CONNECTION_HEAD && connection->is_eof) {
        control_connection_close(connection);
        return;
    }
    if (!connection->in.size)
        tj__buf_done(&connection->in);
    reading_adjust(connection);
}

/* ---- a new one --------------------------------------------------------- */

static void peer_read(control_peer *peer, int fd)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    memset(peer, 0, sizeof(*peer));
    peer->uid = (uid_t)-1;
    peer->gid = (gid_t)-1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    peer->pid = credentials.pid;
    peer->may_operate = credentials.uid == 0 || credentials.uid == geteuid();
}

void control_connection_open(control_server *server, int fd)
{
    control_connection *connection = tj__calloc(1, sizeof(*connection));

    if (!connection ||
        uv_pipe_init(server->options.loop, &connection->io.pipe, 0)) {
        tj__free(connection);
        control_refuse(fd);
        return;
    }
    connection->server = server;
    connection->io.handle.data = connection;
    connection->in.size_max = CONTROL_AHEAD_MAX + 4 * CONTROL_READ_SIZE;
    connection->next = server->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    connection->link = &server->connections;
    server->connections = connection;
    server->n_handles++;
    server->stats.n_connections++;
    peer_read(&connection->peer, fd);
    if (uv_pipe_open(&connection->io.pipe, fd)) {
        close(fd);
        control_connection_close(connection);
        return;
    }
    next_request(connection);
    control_connection_process(connection);
}
