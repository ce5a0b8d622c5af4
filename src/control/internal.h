/* What the files of this room share. server.c owns the connections and the
 * one timer, connection.c moves bytes, call.c and routes.c turn requests into
 * calls, stream.c and logs.c send what does not end. */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include "control/http_request.h"
#include "control/listener.h"
#include "control/log_reader.h"
#include "control/server.h"

#include <uv.h>

typedef struct control_connection control_connection;
typedef struct control_route control_route;

/*  HEAD --> BODY --> CALL --> WRITE --> HEAD, or LINGER --> CLOSED
 *                      `----> STREAM -------^
 *  any state --> LINGER after an error was answered, --> CLOSED when the
 *  client is gone */
typedef enum connection_state {
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_CALL,   /* an operation has it */
    CONNECTION_WRITE,  /* the answer is on its way */
    CONNECTION_STREAM, /* events or logs */
    CONNECTION_LINGER, /* said all; the client may still be talking */
    CONNECTION_CLOSED
} connection_state;

struct control_connection {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
    } io;

    uv_shutdown_t shutdown;
    control_server *server;
    control_connection *next;
    control_connection **link; /* what points here; NULL: not in the list */
    connection_state state;
    uint64_t deadline_ms; /* on the loop's clock; 0: none */
    http_request request;
    tj_buf in;          /* bytes that nobody has looked at yet */
    control_call *call; /* until answered */
    log_reader *logs;   /* while it streams logs */
    size_t unread;      /* of an answer, when its deadline was set */
    size_t lingered;    /* bytes thrown away in LINGER */
    control_peer peer;
    bool is_processing; /* control_connection_process is on the stack */
    bool is_reading;
    bool is_started; /* the first byte of a request is there */
    bool is_past_empty_line;
    bool is_eof;      /* the client has said all it will */
    bool is_head;     /* answer without a body */
    bool is_chunked;  /* of the stream */
    bool is_sse;      /* of the stream */
    bool is_listener; /* of events */
    bool is_at_end;   /* logs: waits for new lines */
};

struct control_call {
    control_server *server;
    control_connection *connection; /* NULL: abandoned */
    control_call *next;
    control_call **link;
    const control_route *route;
    tj_json *args;
    control_peer peer;
};

struct control_server {
    control_server_options options;
    control_listener listener;
    uv_timer_t timer;  /* the nearest deadline, and following */
    uv_idle_t reading; /* on while a log has more to read */
    uint64_t timer_due_ms;
    control_connection *connections;
    control_call *calls;
    char *read_buffer; /* one for all, while there are connections */
    size_t n_handles;  /* not yet closed */
    size_t n_listeners;
    control_server_stats stats;
    control_server_close_cb close_cb;
    void *close_userdata;
    bool is_closing;
    bool is_closed;
};

#define CONTROL_MODULE        "control"
#define CONTROL_READ_SIZE     ((size_t)16384)
#define CONTROL_AHEAD_MAX     ((size_t)65536) /* pipelined behind a request */
#define CONTROL_LINGER_MS     1000
#define CONTROL_LINGER_MAX    ((size_t)1 << 20)
#define CONTROL_HEARTBEAT_MS  15000
#define CONTROL_LOG_QUEUE_MAX ((size_t)262144) /* then reading waits */

/* ---- server.c ---------------------------------------------------------- */

/* See to it that the connection's deadline is kept. */
void control_server_arm(control_server *server, uint64_t due_ms);
void control_server_free(control_server *server);
/* A handle was closed; ends the server with the last one. */
void control_server_handle_gone(control_server *server);
/* Some log may have more to read. */
void control_server_wake_logs(control_server *server);

/* ---- connection.c ------------------------------------------------------ */

/* Serve a connected descriptor, which is taken. */
void control_connection_open(control_server *server, int fd);
/* Cut it now. The memory goes in a later turn. */
void control_connection_close(control_connection *connection);
void control_connection_set_deadline(control_connection *connection,
                                     int64_t after_ms);
/* Its deadline has come. */
void control_connection_expire(control_connection *connection);
/* Go on with what was read: after reading, and after an answer was given from
 * outside of this function. Harmless at any time. */
void control_connection_process(control_connection *connection);
/* Send bytes, now as far as they go. False (and closed) when that failed or
 * more than `queue_max` would wait. */
bool control_connection_write(control_connection *connection,
                              const uv_buf_t *parts,
                              unsigned n_parts,
                              size_t queue_max);
size_t control_connection_queued(const control_connection *connection);
/* Send a whole answer and go on to the next request, or linger. */
void control_connection_respond(control_connection *connection,
                                int status,
                                const char *content_type,
                                const char *extra_header,
                                const char *body,
                                size_t size);
/* All is said: go on when it is on its way. */
void control_connection_await_written(control_connection *connection);
void control_connection_respond_error(control_connection *connection,
                                      int status,
                                      const char *code,
                                      const char *message,
                                      const char *extra_header);
/* Print the head of an answer that has no length. */
void control_connection_start_stream(control_connection *connection,
                                     const char *content_type);

/* ---- call.c ------------------------------------------------------------ */

control_call *control_call_new(control_connection *connection,
                               const control_route *route,
                               tj_json *args);
/* Forget a call without an answer. */
void control_call_end(control_call *call);
/* The same, and tell whose call it was; NULL when the client has left. */
control_connection *control_call_detach(control_call *call);
/* Fill in peer->name. */
void control_peer_name(control_peer *peer, const char *passwd_path);

/* ---- routes.c ---------------------------------------------------------- */

/* Find the route of the parsed head and make the call, with the arguments of
 * path and query; or answer with an error and return NULL. */
control_call *control_route_call(control_connection *connection);
/* The body is complete: check the arguments and run the operation. The call
 * may be answered, and gone, when this returns. */
void control_route_run(control_call *call);

/* ---- stream.c and logs.c ----------------------------------------------- */

/* Send `size` bytes of whole lines as the stream's next part. False when the
 * connection was closed over it. */
bool control_stream_write(control_connection *connection,
                          const char *bytes,
                          size_t size);
/* The orderly end of a stream. */
void control_stream_end(control_connection *connection);
void control_stream_heartbeat(control_connection *connection);

void control_logs_run(control_call *call);
/* Read one portion. */
void control_logs_pump(control_connection *connection);
/* Does it want to be pumped now? */
bool control_logs_wants_pump(const control_connection *connection);

#endif
