/* The control sockets of a daemon: its own, and perhaps the usual one.
 *
 * Two copies on one state directory would share a socket path. The second
 * listens beside the first, under its process id; once it leads and nobody
 * answers under the usual name any more, it does that too. */
#include "daemon/supervisor.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

static int
open_server(struct daemon *daemon, const char *path, tj_error *reterr)
{
    control_server_options options;
    char *copy = tj__strdup(path);
    int code;

    if (!copy)
        return tj__error_set(reterr, TJ_ENOMEM, "control", "out of memory");
    control_server_options_init(&options);
    options.loop = &daemon->uv;
    options.api = operations_api(daemon);
    options.socket_path = path;
    options.log_dir = daemon->config->log.dir;
    code = control_server_new(&options, &daemon->servers[daemon->n_servers],
                              reterr);
    if (code) {
        tj__free(copy);
        return code;
    }
    daemon->server_paths[daemon->n_servers++] = copy;
    return 0;
}

/* "dir/timed-jobs.sock" in use: "dir/timed-jobs.<pid>.sock". */
static int open_server_beside(struct daemon *daemon, tj_error *reterr)
{
    const char *path = daemon->config->control.socket;
    const char *dot = strrchr(path, '.');
    const char *slash = strrchr(path, '/');
    tj_buf beside = TJ_BUF_INIT;
    size_t stem = dot && dot > slash ? (size_t)(dot - path) : strlen(path);
    int code;

    tj__buf_append(&beside, path, stem);
    tj__buf_printf(&beside, ".%d%s", (int)getpid(), path + stem);
    code = beside.failed
               ? tj__error_set(reterr, TJ_ENOMEM, "control", "out of memory")
               : open_server(daemon, beside.data, reterr);
    if (!code)
        narrator_say(&daemon->narrator, NARRATOR_WARNING, "socket_in_use", NULL,
                     "another daemon answers on %s; this one listens on %s",
                     path, beside.data);
    tj__buf_done(&beside);
    return code;
}

int sockets_open(struct daemon *daemon, tj_error *reterr)
{
    int code = open_server(daemon, daemon->config->control.socket, reterr);

    if (code == TJ_EBUSY && !daemon->options->socket_path)
        code = open_server_beside(daemon, reterr);
    return code;
}

void sockets_own_default(struct daemon *daemon)
{
    const char *path = daemon->config->control.socket;
    tj_error error = TJ_ERROR_INIT;

    if (daemon->n_servers != 1 || strcmp(daemon->server_paths[0], path) == 0)
        return;
    if (open_server(daemon, path, &error) == 0)
        narrator_say(&daemon->narrator, NARRATOR_INFO, "socket_taken", NULL,
                     "this daemon now answers on %s too", path);
}

void sockets_restore(struct daemon *daemon)
{
    size_t at;

    for (at = 0; at < daemon->n_servers; at++) {
        tj_error error = TJ_ERROR_INIT;
        bool was_lost = false;
        int code =
            control_server_restore(daemon->servers[at], &was_lost, &error);

        if (!was_lost || (code && daemon->socket_loss_told))
            continue;
        daemon->socket_loss_told = code != 0;
        narrator_say(&daemon->narrator, NARRATOR_WARNING, "socket_lost", NULL,
                     "the socket %s was deleted and %s%s",
                     daemon->server_paths[at],
                     code ? "cannot be made again: " : "was made again",
                     code ? error.message : "");
    }
}

void sockets_close(struct daemon *daemon)
{
    size_t at;

    for (at = 0; at < daemon->n_servers; at++) {
        daemon->n_closing++;
        control_server_close(daemon->servers[at], daemon_closed_one, daemon);
    }
    daemon->n_servers = 0;
}

void daemon_publish(struct daemon *daemon, const char *name, tj_json *event)
{
    char *text;
    size_t size, at;

    if (daemon->n_servers && tj_json_print(event, &text, &size) == 0) {
        for (at = 0; at < daemon->n_servers; at++)
            control_server_publish(daemon->servers[at], name, text, size);
        tj_free(text);
    }
    tj_json_free(event);
}
