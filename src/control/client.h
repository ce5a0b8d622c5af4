/* The command line's way to a daemon: blocking HTTP over the Unix socket,
 * with deadlines. One connection, one request after the other, one thread. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <timedjobs/error.h>
#include <timedjobs/json.h>

typedef struct control_client control_client;

/* An answer; end it with control_answer_done. */
typedef struct control_answer {
    int status;
    char *text; /* NUL-terminated, never NULL after a success */
    size_t size;
    tj_json *json; /* NULL when the text is no JSON */
} control_answer;

void control_answer_done(control_answer *answer);

/* The code and message of an error answer; never NULL. */
const char *control_answer_code(const control_answer *answer);
const char *control_answer_message(const control_answer *answer);

/* Connect. Messages name the path and what to do.
 * TJ_EUNREACHABLE (nobody listens), TJ_EACCES, TJ_ETIMEDOUT, TJ_EINVAL (path
 * too long), TJ_ENOMEM, TJ_ESYSTEM. */
int control_client_new(const char *socket_path,
                       int64_t timeout_ms,
                       control_client **ret_client,
                       tj_error *reterr);
void control_client_free(control_client *client);

/* The process that listens, as the kernel says; 0 when unknown. */
pid_t control_client_server_pid(const control_client *client);

/* Ask. `body` is JSON or NULL; `timeout_ms` 0: wait for as long as it takes.
 * Every HTTP status is a success here. TJ_EUNREACHABLE (it closed before it
 * had answered), TJ_ETIMEDOUT, TJ_EPROTOCOL, TJ_ETOOBIG (over 64 MiB),
 * TJ_ENOMEM, TJ_ESYSTEM. */
int control_client_call(control_client *client,
                        const char *method,
                        const char *target,
                        const char *body,
                        int64_t timeout_ms,
                        control_answer *ret_answer,
                        tj_error *reterr);

/* One line without its newline, NUL-terminated. False: enough, stop. */
typedef bool (*control_line_cb)(const char *line, size_t size, void *userdata);

/* GET a stream and hand its lines to `on_line`, empty ones left out, until it
 * ends. When the status is not 200 the answer has the error and no line comes.
 * `timeout_ms` is for the head only. As above; TJ_EUNREACHABLE also when the
 * stream was cut in the middle. The client cannot be used for another request
 * after `on_line` has stopped it. */
int control_client_stream(control_client *client,
                          const char *target,
                          int64_t timeout_ms,
                          control_line_cb on_line,
                          void *userdata,
                          control_answer *ret_answer,
                          tj_error *reterr);

#endif
