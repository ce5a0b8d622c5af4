/* See client.h. */
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

#include <llhttp.h>

#define MODULE     "control"
#define ANSWER_MAX ((size_t)64 << 20)
#define LINE_MAX_  ((size_t)4 << 20)
#define READ_SIZE  ((size_t)16384)

struct control_client {
    int fd;
    pid_t server_pid;
    llhttp_t parser;
    int64_t deadline_ms; /* on the monotonic clock; 0: none */
    tj_buf body;         /* of an answer, or the line that is not whole yet */
    control_line_cb on_line; /* NULL: an answer, not a stream */
    void *userdata;
    bool is_complete;
    bool is_stopped; /* on_line said so */
    char bytes[READ_SIZE];
};

/* ---- answers ----------------------------------------------------------- */

void control_answer_done(control_answer *answer)
{
    tj__free(answer->text);
    tj_json_free(answer->json);
    memset(answer, 0, sizeof(*answer));
}

static const char *
error_text(const control_answer *answer, const char *key, const char *fallback)
{
    const tj_json *error = tj_json_get(answer->json, "error");

    return tj_json_string_or(tj_json_get(error, key), fallback);
}

const char *control_answer_code(const control_answer *answer)
{
    return error_text(answer, "code", "unknown");
}

const char *control_answer_message(const control_answer *answer)
{
    return error_text(answer, "message", "the daemon did not say why");
}

/* ---- time -------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void deadline_set(control_client *client, int64_t timeout_ms)
{
    client->deadline_ms = timeout_ms > 0 ? now_ms() + timeout_ms : 0;
}

/* Wait until the socket can be read or written. */
static int wait_for(control_client *client, short events, tj_error *reterr)
{
    for (;;) {
        struct pollfd look = { .fd = client->fd, .events = events };
        int64_t left =
            client->deadline_ms ? client->deadline_ms - now_ms() : -1;
        int result;

        if (client->deadline_ms && left <= 0)
            return tj__error_set(reterr, TJ_ETIMEDOUT, MODULE,
                                 "the daemon does not answer in time");
        result = poll(&look, 1, left > 1000000 ? 1000000 : (int)left);
        if (result > 0)
            return 0;
        if (result < 0 && errno != EINTR)
            return tj__error_set_errno(reterr, errno, MODULE, "poll");
    }
}

/* ---- connecting -------------------------------------------------------- */

static int connect_error(const char *path, int error, tj_error *reterr)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return tj__error_set(reterr, TJ_EUNREACHABLE, MODULE,
                             "no daemon: there is no socket %s", path);
    case ECONNREFUSED:
        return tj__error_set(reterr, TJ_EUNREACHABLE, MODULE,
                             "no daemon: nobody listens on %s", path);
    case EACCES:
    case EPERM:
        return tj__error_set(reterr, TJ_EACCES, MODULE,
                             "you may not use %s; the daemon's user and group "
                             "may",
                             path);
    case EPROTOTYPE:
        return tj__error_set(reterr, TJ_EUNREACHABLE, MODULE,
                             "%s is not a daemon's socket", path);
    default:
        return tj__error_set_errno(reterr, error, MODULE, "%s", path);
    }
}

static int
client_connect(control_client *client, const char *path, tj_error *reterr)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (!*path || strlen(path) >= sizeof(address.sun_path))
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "the socket's path has %zu bytes, the system "
                             "allows 1 to %zu: %.100s",
                             strlen(path), sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, strlen(path));
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        return tj__error_set_errno(reterr, errno, MODULE, "socket");
    while (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) <
           0) {
        /* EAGAIN: its queue of clients is full for the moment. */
        if (errno != EAGAIN && errno != EINTR)
            return connect_error(path, errno, reterr);
        if (client->deadline_ms && now_ms() >= client->deadline_ms)
            return tj__error_set(reterr, TJ_ETIMEDOUT, MODULE,
                                 "the daemon at %s takes no more clients",
                                 path);
        nanosleep(&pause, NULL);
    }
    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        client->server_pid = peer.pid;
    return 0;
}

int control_client_new(const char *socket_path,
                       int64_t timeout_ms,
                       control_client **ret_client,
                       tj_error *reterr)
{
    control_client *client = tj__calloc(1, sizeof(*client));
    int code;

    if (!client)
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    client->fd = -1;
    deadline_set(client, timeout_ms);
    code = client_connect(client, socket_path, reterr);
    if (code) {
        control_client_free(client);
        return code;
    }
    *ret_client = client;
    return 0;
}

void control_client_free(control_client *client)
{
    if (!client)
        return;
    if (client->fd >= 0)
        close(client->fd);
    tj__buf_done(&client->body);
    tj__free(client);
}

pid_t control_client_server_pid(const control_client *client)
{
    return client->server_pid;
}

/* ---- asking ------------------------------------------------------------ */

static int
send_all(control_client *client, const tj_buf *text, tj_error *reterr)
{
    size_t sent = 0;

    while (sent < text->size) {
        ssize_t step = send(client->fd, text->data + sent, text->size - sent,
                            MSG_NOSIGNAL);
        int code = 0;

        if (step >= 0)
            sent += (size_t)step;
        else if (errno == EAGAIN)
            code = wait_for(client, POLLOUT, reterr);
        else if (errno == EPIPE || errno == ECONNRESET)
            return 0; /* it may have said why before it closed */
        else if (errno != EINTR)
            code = tj__error_set_errno(reterr, errno, MODULE, "send");
        if (code)
            return code;
    }
    return 0;
}

static int send_request(control_client *client,
                        const char *method,
                        const char *target,
                        const char *body,
                        tj_error *reterr)
{
    tj_buf text = TJ_BUF_INIT;
    int code;

    tj__buf_printf(&text,
                   "%s %s HTTP/1.1\r\n"
                   "Host: localhost\r\n",
                   method, target);
    if (body)
        tj__buf_printf(&text,
                       "Content-Type: application/json\r\n"
                       "Content-Length: %zu\r\n",
                       strlen(body));
    tj__buf_append_text(&text, "\r\n");
    if (body)
        tj__buf_append_text(&text, body);
    if (text.failed)
        code = tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    else
        code = send_all(client, &text, reterr);
    tj__buf_done(&text);
    return code;
}

/* ---- hearing ----------------------------------------------------------- */

/* Hand out the whole lines of what has come. */
static int lines_take(control_client *client)
{
    size_t start = 0;
    char *end;

    while (!client->is_stopped && start < client->body.size &&
           (end = memchr(client->body.data + start, '\n',
                         client->body.size - start))) {
        char *line = client->body.data + start;
        size_t size = (size_t)(end - line);

        *end = '\0';
        if (size && !client->on_line(line, size, client->userdata))
            client->is_stopped = true;
        start += size + 1;
    }
    tj__buf_consume(&client->body, start);
    return client->is_stopped ? HPE_USER : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    control_client *client = parser->data;

    tj__buf_append(&client->body, at, size);
    if (client->body.failed)
        return HPE_USER;
    if (client->on_line && llhttp_get_status_code(parser) == 200)
        return lines_take(client);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    control_client *client = parser->data;

    /* From here on a stream may be quiet for as long as it likes. */
    if (client->on_line && llhttp_get_status_code(parser) == 200)
        client->deadline_ms = 0;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    control_client *client = parser->data;

    client->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* The connection is over: was that the end, or too early? */
static int take_end(control_client *client, tj_error *reterr)
{
    if (llhttp_finish(&client->parser) == HPE_OK && client->is_complete)
        return 0;
    return tj__error_set(reterr, TJ_EUNREACHABLE, MODULE,
                         "the daemon closed the connection before the answer "
                         "was whole");
}

static int parse(control_client *client, size_t size, tj_error *reterr)
{
    llhttp_errno_t error = llhttp_execute(&client->parser, client->bytes, size);

    if (error == HPE_OK || error == HPE_PAUSED || client->is_stopped)
        return 0;
    if (client->body.failed)
        return tj__error_set(reterr, TJ_ETOOBIG, MODULE,
                             "the answer is too big");
    return tj__error_set(reterr, TJ_EPROTOCOL, MODULE,
                         "whoever listens there does not speak HTTP");
}

static int hear(control_client *client, tj_error *reterr)
{
    int code = 0;

    while (!code && !client->is_complete && !client->is_stopped) {
        ssize_t size = recv(client->fd, client->bytes, READ_SIZE, 0);

        if (size > 0)
            code = parse(client, (size_t)size, reterr);
        else if (size == 0 || errno == ECONNRESET)
            return take_end(client, reterr);
        else if (errno == EAGAIN)
            code = wait_for(client, POLLIN, reterr);
        else if (errno != EINTR)
            code = tj__error_set_errno(reterr, errno, MODULE, "recv");
    }
    return code;
}

static int exchange(control_client *client,
                    const char *method,
                    const char *target,
                    const char *body,
                    int64_t timeout_ms,
                    control_answer *ret_answer,
                    tj_error *reterr)
{
    int code;

    llhttp_init(&client->parser, HTTP_RESPONSE, &settings);
    client->parser.data = client;
    client->is_complete = false;
    client->is_stopped = false;
    tj__buf_clear(&client->body);
    client->body.size_max = client->on_line ? LINE_MAX_ : ANSWER_MAX;
    deadline_set(client, timeout_ms);
    code = send_request(client, method, target, body, reterr);
    if (!code)
        code = hear(client, reterr);
    if (code)
        return code;

    memset(ret_answer, 0, sizeof(*ret_answer));
    ret_answer->status = llhttp_get_status_code(&client->parser);
    ret_answer->text = tj__buf_take(&client->body, &ret_answer->size);
    if (!ret_answer->text)
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    if (tj_json_parse(ret_answer->text, ret_answer->size, &ret_answer->json,
                      NULL))
        ret_answer->json = NULL;
    return 0;
}

int control_client_call(control_client *client,
                        const char *method,
                        const char *target,
                        const char *body,
                        int64_t timeout_ms,
                        control_answer *ret_answer,
                        tj_error *reterr)
{
    client->on_line = NULL;
    return exchange(client, method, target, body, timeout_ms, ret_answer,
                    reterr);
}

int control_client_stream(control_client *client,
                          const char *target,
                          int64_t timeout_ms,
                          control_line_cb on_line,
                          void *userdata,
                          control_answer *ret_answer,
                          tj_error *reterr)
{
    client->on_line = on_line;
    client->userdata = userdata;
    return exchange(client, "GET", target, NULL, timeout_ms, ret_answer,
                    reterr);
}
