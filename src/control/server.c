/* The server: its connections, its one timer, and its orderly end. See
 * server.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/error.h"
#include "control/internal.h"

void control_server_options_init(control_server_options *options)
{
    memset(options, 0, sizeof(*options));
    options->socket_mode = 0660;
    options->clock = tj_clock_system();
    options->connections_max = 1024;
    options->request_time_ms = 10000;
    options->idle_time_ms = 30000;
    options->follow_period_ms = 100;
    options->stream_queue_size = (size_t)1 << 20;
}

/* ---- deadlines --------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

void control_server_arm(control_server *server, uint64_t due_ms)
{
    uint64_t now = uv_now(server->options.loop);

    if (server->is_closing ||
        (server->timer_due_ms && server->timer_due_ms <= due_ms))
        return;
    server->timer_due_ms = due_ms;
    /* Never 0: a timer that is re-armed with 0 fires again in the same turn. */
    uv_timer_start(&server->timer, on_timer, due_ms > now ? due_ms - now : 1,
                   0);
}

static void on_timer(uv_timer_t *timer)
{
    control_server *server = timer->data;
    uint64_t now = uv_now(server->options.loop);
    control_connection *connection, *next;

    server->timer_due_ms = 0;
    for (connection = server->connections; connection; connection = next) {
        next = connection->next;
        if (connection->deadline_ms && connection->deadline_ms <= now)
            control_connection_expire(connection);
    }
    for (connection = server->connections; connection;
         connection = connection->next) {
        if (connection->deadline_ms)
            control_server_arm(server, connection->deadline_ms);
    }
}

/* ---- reading logs ------------------------------------------------------ */

/* One portion a turn for one client, each in its turn: the loop's other work
 * comes in between. */
static void on_idle(uv_idle_t *idle)
{
    control_server *server = idle->data;
    control_connection *connection, *wanting = NULL;

    for (connection = server->connections; connection;
         connection = connection->next) {
        if (control_logs_wants_pump(connection))
            wanting = connection; /* the oldest of them */
    }
    if (!wanting) {
        uv_idle_stop(idle);
        return;
    }
    /* To the front: it is the last to be found next time. */
    *wanting->link = wanting->next;
    if (wanting->next)
        wanting->next->link = wanting->link;
    wanting->next = server->connections;
    if (wanting->next)
        wanting->next->link = &wanting->next;
    wanting->link = &server->connections;
    server->connections = wanting;
    control_logs_pump(wanting);
}

void control_server_wake_logs(control_server *server)
{
    if (!server->is_closing)
        uv_idle_start(&server->reading, on_idle);
}

/* ---- life -------------------------------------------------------------- */

void control_server_free(control_server *server)
{
    tj__free(server->read_buffer);
    tj__free((char *)(uintptr_t)server->options.log_dir);
    tj__free(server);
}

void control_server_handle_gone(control_server *server)
{
    if (--server->n_handles || !server->is_closing)
        return;
    server->is_closed = true;
    if (server->close_cb)
        server->close_cb(server->close_userdata);
    if (!server->calls)
        control_server_free(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    control_server_handle_gone(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
    control_listener *listener = handle->data;

    control_server_handle_gone(listener->userdata);
}

static void on_connection(int fd, void *userdata)
{
    control_server_adopt(userdata, fd);
}

static void on_refused(void *userdata)
{
    control_server *server = userdata;

    server->stats.n_refused++;
}

void control_server_adopt(control_server *server, int fd)
{
    if (server->stats.n_connections >= server->options.connections_max) {
        server->stats.n_refused++;
        control_refuse(fd);
        return;
    }
    server->stats.n_accepted++;
    control_connection_open(server, fd);
}

static void limit_to_descriptors(control_server_options *options)
{
    struct rlimit limit;
    size_t share = SIZE_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY)
        share = (size_t)limit.rlim_cur / 2;
    if (options->connections_max > share)
        options->connections_max = share;
}

static void handles_init(control_server *server)
{
    uv_timer_init(server->options.loop, &server->timer);
    uv_idle_init(server->options.loop, &server->reading);
    server->timer.data = server;
    server->reading.data = server;
    server->n_handles = 2;
}

/* First all that can fail without a handle, which would need the loop to go
 * away again. */
static int
server_listen(control_server *server, const char *path, tj_error *reterr)
{
    size_t n_handles = 0;
    int code;

    server->listener.on_connection = on_connection;
    server->listener.on_refused = on_refused;
    server->listener.userdata = server;
    if (path) {
        code = control_listener_init(&server->listener, path,
                                     server->options.socket_mode, reterr);
        if (code) {
            control_server_free(server);
            return code;
        }
    }
    handles_init(server);
    if (path) {
        code = control_listener_start(&server->listener, server->options.loop,
                                      &n_handles, reterr);
        server->n_handles += n_handles;
        if (code) {
            control_server_close(server, NULL, NULL);
            return code;
        }
    }
    return 0;
}

int control_server_new(const control_server_options *options,
                       control_server **ret_server,
                       tj_error *reterr)
{
    control_server *server = tj__calloc(1, sizeof(*server));
    int code;

    if (!server)
        return tj__error_set(reterr, TJ_ENOMEM, CONTROL_MODULE,
                             "out of memory");
    server->options = *options;
    server->options.socket_path = NULL;
    server->options.log_dir = tj__strdup(options->log_dir);
    limit_to_descriptors(&server->options);
    server->listener.fd = -1;
    server->listener.reserve_fd = -1;
    if (options->log_dir && !server->options.log_dir) {
        control_server_free(server);
        return tj__error_set(reterr, TJ_ENOMEM, CONTROL_MODULE,
                             "out of memory");
    }
    code = server_listen(server, options->socket_path, reterr);
    if (!code)
        *ret_server = server;
    return code;
}

int control_server_restore(control_server *server,
                           bool *ret_was_lost,
                           tj_error *reterr)
{
    return control_listener_restore(
        &server->listener, server->options.socket_mode, ret_was_lost, reterr);
}

void control_server_close(control_server *server,
                          control_server_close_cb cb,
                          void *userdata)
{
    if (!server)
        return;
    server->is_closing = true;
    server->close_cb = cb;
    server->close_userdata = userdata;
    while (server->connections)
        control_connection_close(server->connections);
    if (server->listener.poll.data)
        control_listener_close(&server->listener, on_listener_closed);
    control_listener_done(&server->listener);
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->reading, on_handle_closed);
}

/* ---- told ---------------------------------------------------------------*/

void control_server_get_stats(const control_server *server,
                              control_server_stats *ret_stats)
{
    *ret_stats = server->stats;
}

size_t control_server_n_listeners(const control_server *server)
{
    return server->n_listeners;
}
