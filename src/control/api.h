/* What a daemon answers: the operations of the control interface.
 *
 * The server (control/server.h) does everything that is HTTP: it parses,
 * limits, checks who asks, reads arguments, and prints answers. A daemon fills
 * a control_api with one function per operation; each gets a control_call and
 * answers it exactly once, inside the function or any time later.
 *
 * Everything here belongs to the loop's thread. */
#ifndef CONTROL_API_H
#define CONTROL_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <timedjobs/export.h>
#include <timedjobs/json.h>

typedef struct control_call control_call;
typedef struct control_stream control_stream;
typedef struct control_server control_server;

/* ---- a call ------------------------------------------------------------ */

#define CONTROL_PEER_NAME_SIZE 40

/* Who asks, as the kernel says. */
typedef struct control_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid; /* 0 when unknown */
    /* From /etc/passwd, else "uid 1000"; set for calls with the right OPERATE
     * only. */
    char name[CONTROL_PEER_NAME_SIZE];
    bool may_operate; /* root, or the daemon's own user */
} control_peer;

/* The arguments: always an object, checked and normalised by the server as
 * the table below says; keys that were not given are absent. Borrowed until
 * the call is answered. */
const tj_json *control_call_args(const control_call *call);
const control_peer *control_call_peer(const control_call *call);

/* True when the client has left: the answer will be thrown away. The call
 * still has to be answered. */
bool control_call_is_abandoned(const control_call *call);

/* Answer with JSON; takes `body`, NULL stands for out of memory (500). Ends
 * the call: the pointer must not be used any more. */
void control_call_reply(control_call *call, int http_status, tj_json *body);

/* Answer with text of a content type ("text/plain; version=0.0.4"); the bytes
 * are copied. Ends the call. */
void control_call_reply_text(control_call *call,
                             int http_status,
                             const char *content_type,
                             const char *text,
                             size_t size);

/* Answer with {"error":{"code":...,"message":...}}. `code` is a short stable
 * word ("not_leader"). Ends the call.
 *
 * What the command line makes of it: 400, 404, 405, 413, 414, 415 and 422 are
 * usage errors (exit 2); 403, 409, 423, 429 and 503 are refusals (exit 4);
 * everything else has failed (exit 1). */
void control_call_fail(control_call *call,
                       int http_status,
                       const char *code,
                       const char *format,
                       ...) TJ_PRINTF(4, 5);

/* ---- streams ----------------------------------------------------------- */

/* Answer an `events` call with a stream that joins the audience of
 * control_server_publish. Ends the call. The result is for sending what a new
 * listener should see first; it is valid only until the operation's function
 * returns to the loop. NULL when the client has left or memory is out: the
 * call is ended all the same. */
control_stream *control_call_open_stream(control_call *call);

/* Send one event: `name` is a word, `json` one JSON object without newlines.
 * A client that reads too slowly for its queue is cut. */
void control_stream_send(control_stream *stream,
                         const char *name,
                         const char *json,
                         size_t size);

/* Send one event to everybody who listens; cheap when nobody does. As lines
 * the clients see {"event":NAME,"data":JSON}; as server-sent events `event:
 * NAME` and `data: JSON`. */
void control_server_publish(control_server *server,
                            const char *name,
                            const char *json,
                            size_t size);

/* How many listen to events: lets a daemon skip making them. */
size_t control_server_n_listeners(const control_server *server);

/* ---- the operations ---------------------------------------------------- */

typedef void (*control_operation)(control_call *call, void *userdata);

/* X(member, method, path, right)
 *
 * `right`: VIEW is for everybody whom the socket's mode lets in, OPERATE is
 * for root and the daemon's own user (others get 403 from the server).
 *
 * member     arguments                     answer (200 unless said)
 * status     -                             the status object
 * jobs       -                             {"jobs":[...]}
 * lease      -                             the lease object
 * tick       job (text), wait (bool)       when the tick has ended:
 *                                          {batch_id, decision, runner_count,
 *                                          duration_ms, n_ok, n_failed[,
 *                                          error]}; at once with 202 and
 *                                          {"accepted":true} if not wait.
 *                                          404 no_such_job
 * pause      who (text), why (text, may    {"pause":{who, why, since_ms,
 *            be absent), until_ms (int,    until_ms}}
 *            wall clock, may be absent)
 * resume     who (text)                    {"resumed":BOOL}: was it paused?
 * step_down  who (text)                    when the lease is released:
 *                                          {"stepped_down":true,"term":N};
 *                                          409 not_leader
 * stop       who (text)                    202 {"stopping":true}, at once
 * livez      -                             {"status":"ok"}: the loop moves
 * readyz     -                             {"status":"ok",...}, or 503
 *                                          not_ready with what is missing
 * metrics    -                             Prometheus text
 * events     -                             control_call_open_stream
 *
 * docs/design/control.md describes the objects; the command line prints them.
 */
#define CONTROL_OPERATION_MAP(X)                       \
    X(status, GET, "/v1/status", VIEW)                 \
    X(jobs, GET, "/v1/jobs", VIEW)                     \
    X(lease, GET, "/v1/lease", VIEW)                   \
    X(tick, POST, "/v1/jobs/{job}/tick", OPERATE)      \
    X(pause, POST, "/v1/pause", OPERATE)               \
    X(resume, POST, "/v1/resume", OPERATE)             \
    X(step_down, POST, "/v1/lease/step-down", OPERATE) \
    X(stop, POST, "/v1/stop", OPERATE)                 \
    X(livez, GET, "/livez", VIEW)                      \
    X(readyz, GET, "/readyz", VIEW)                    \
    X(metrics, GET, "/metrics", VIEW)                  \
    X(events, GET, "/v1/events", VIEW)

/* A member that is NULL answers 501. Copied by control_server_new. */
typedef struct control_api {
    void *userdata;
#define CONTROL_API_MEMBER_(member, method, path, right) \
    control_operation member;
    CONTROL_OPERATION_MAP(CONTROL_API_MEMBER_)
#undef CONTROL_API_MEMBER_
} control_api;

#endif
