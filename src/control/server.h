/* The control server: HTTP/1.1 on a Unix socket, on the daemon's libuv loop.
 *
 * Strict about what it reads (docs/design/control.md lists each limit and its
 * answer), bounded in everything it keeps, and never blocks the loop: a
 * request, a slow reader, a flood of clients or a missing file descriptor
 * costs the one who caused it. An idle server holds one descriptor in reserve
 * and a few hundred bytes.
 *
 * SIGPIPE must be ignored by the process. All calls are made on the loop's
 * thread. */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include <stdint.h>
#include <sys/stat.h>

#include "control/api.h"

#include <timedjobs/clock.h>
#include <timedjobs/error.h>

struct uv_loop_s;

typedef struct control_server_options {
    struct uv_loop_s *loop;  /* mandatory, borrowed */
    control_api api;         /* copied */
    const char *socket_path; /* NULL: no socket, see control_server_adopt */
    mode_t socket_mode;      /* default 0660 */
    /* Directory with the day files for `logs`; opened anew for each request,
     * so it may vanish and come back. NULL: there is no log (404). Copied. */
    const char *log_dir;
    tj_clock clock;           /* for `pause for ...` and midnight */
    size_t connections_max;   /* default 1024; also at most half of the process'
                                 descriptors; more are answered 503 */
    int64_t request_time_ms;  /* 10 000: from a request's first byte to its
                                 last, then 408 */
    int64_t idle_time_ms;     /* 30 000: without a request, or with an answer
                                 that nobody reads */
    int64_t follow_period_ms; /* 100: how often followed logs are looked at */
    size_t stream_queue_size; /* 1 MiB a client; more, and it is cut */
} control_server_options;

/* Fill in the defaults; `loop` and `api` are left for the caller. */
void control_server_options_init(control_server_options *options);

/* Make a server, and listen if there is a socket path. A stale socket is
 * replaced; one that somebody answers on, or a file that is no socket, is
 * left alone: TJ_EBUSY, TJ_EEXIST. May block for up to a second while another
 * start holds the directory. Other errors: TJ_EINVAL (path too long for a
 * socket, with the limit in the message), TJ_EACCES, TJ_ENOENT, TJ_ENOMEM,
 * TJ_ESYSTEM. */
int control_server_new(const control_server_options *options,
                       control_server **ret_server,
                       tj_error *reterr);

/* Make the socket file anew if somebody deleted it; connections stay. 0 when
 * there is one, `*ret_was_lost` telling whether it had to be made. An error
 * (`*ret_was_lost` is true then) is worth another attempt later. */
int control_server_restore(control_server *server,
                           bool *ret_was_lost,
                           tj_error *reterr);

/* Serve an already connected stream socket; takes the descriptor. */
void control_server_adopt(control_server *server, int fd);

typedef void (*control_server_close_cb)(void *userdata);

/* Stop listening, remove the socket file if it is still ours, cut every
 * client, and end. Answers that were given before are still sent if the
 * client takes them at once. Calls that are open stay valid until they are
 * answered (into nothing). `cb` (may be NULL) runs from a later turn, when no
 * handle is left; the memory goes with the last open call. NULL is a no-op. */
void control_server_close(control_server *server,
                          control_server_close_cb cb,
                          void *userdata);

typedef struct control_server_stats {
    size_t n_connections; /* now */
    size_t n_streams;     /* now, logs included */
    uint64_t n_accepted;
    uint64_t n_refused;  /* answered 503 for want of a slot or descriptor */
    uint64_t n_requests; /* handed to an operation or to logs */
    uint64_t n_rejected; /* answered with an error by the server itself */
    uint64_t n_cut;      /* streams cut for being slow */
} control_server_stats;

void control_server_get_stats(const control_server *server,
                              control_server_stats *ret_stats);

#endif
