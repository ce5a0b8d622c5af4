/* Which request is which operation. See internal.h; api.h has the table that
 * the daemon sees. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "control/arguments.h"
#include "control/internal.h"

typedef enum route_right { RIGHT_VIEW, RIGHT_OPERATE } route_right;

typedef enum route_method { METHOD_GET, METHOD_POST } route_method;

struct control_route {
    const char *path; /* "{job}" stands for one segment */
    route_method method;
    route_right right;
    const argument_spec *specs;
    size_t member; /* offset in control_api */
};

/* Not an operation of the daemon: the server reads the files itself. */
#define MEMBER_LOGS SIZE_MAX

static const argument_spec arguments_none[] = { { NULL, ARGUMENT_TEXT } };

static const argument_spec arguments_who[] = {
    { "who", ARGUMENT_TEXT },
    { NULL, ARGUMENT_TEXT },
};

static const argument_spec arguments_tick[] = {
    { "wait", ARGUMENT_BOOL },
    { NULL, ARGUMENT_TEXT },
};

static const argument_spec arguments_pause[] = {
    { "why", ARGUMENT_TEXT },     { "who", ARGUMENT_TEXT },
    { "for", ARGUMENT_DURATION }, { "until", ARGUMENT_INSTANT },
    { NULL, ARGUMENT_TEXT },
};

static const argument_spec arguments_logs[] = {
    { "date", ARGUMENT_DATE },   { "tail", ARGUMENT_COUNT },
    { "follow", ARGUMENT_BOOL }, { "job", ARGUMENT_TEXT },
    { "runner", ARGUMENT_TEXT }, { "stage", ARGUMENT_TEXT },
    { NULL, ARGUMENT_TEXT },
};

#define arguments_status    arguments_none
#define arguments_jobs      arguments_none
#define arguments_lease     arguments_none
#define arguments_resume    arguments_who
#define arguments_step_down arguments_who
#define arguments_stop      arguments_who
#define arguments_livez     arguments_none
#define arguments_readyz    arguments_none
#define arguments_metrics   arguments_none
#define arguments_events    arguments_none

static const control_route routes[] = {
#define ROUTE(member, method, path, right)                      \
    { path, METHOD_##method, RIGHT_##right, arguments_##member, \
      offsetof(control_api, member) },
    CONTROL_OPERATION_MAP(ROUTE)
#undef ROUTE
        { "/v1/logs", METHOD_GET, RIGHT_VIEW, arguments_logs, MEMBER_LOGS },
};

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

/* ---- matching ---------------------------------------------------------- */

/* Does the path fit? The segment for "{job}" is left in *ret_job. */
static bool
path_matches(const char *pattern, http_span path, http_span *ret_job)
{
    static const char job[] = "{job}";
    const char *at = path.text;
    const char *end = path.text + path.size;

    ret_job->size = 0;
    while (*pattern) {
        if (strncmp(pattern, job, sizeof(job) - 1) == 0) {
            ret_job->text = at;
            while (at < end && *at != '/')
                at++;
            ret_job->size = (size_t)(at - ret_job->text);
            if (!ret_job->size)
                return false;
            pattern += sizeof(job) - 1;
        } else if (at < end && *at == *pattern) {
            at++;
            pattern++;
        } else {
            return false;
        }
    }
    return at == end;
}

/* Take "http://host" off an absolute target, and split at '?'. */
static void target_split(http_span target, http_span *path, http_span *query)
{
    static const char scheme[] = "http://";
    const char *mark;

    if (target.size > sizeof(scheme) - 1 &&
        memcmp(target.text, scheme, sizeof(scheme) - 1) == 0) {
        target.text += sizeof(scheme) - 1;
        target.size -= sizeof(scheme) - 1;
        while (target.size && *target.text != '/' && *target.text != '?') {
            target.text++;
            target.size--;
        }
    }
    mark = memchr(target.text, '?', target.size);
    *path = target;
    query->text = NULL;
    query->size = 0;
    if (mark) {
        path->size = (size_t)(mark - target.text);
        query->text = mark + 1;
        query->size = target.size - path->size - 1;
    }
}

static void fail(control_connection *connection,
                 int status,
                 const char *code,
                 const char *message,
                 const char *extra_header)
{
    connection->server->stats.n_rejected++;
    control_connection_respond_error(connection, status, code, message,
                                     extra_header);
}

static void fail_with(control_connection *connection, const tj_error *error)
{
    if (error->code == TJ_ENOMEM)
        fail(connection, 503, "out_of_memory", "there is not enough memory",
             NULL);
    else
        fail(connection, 400, "bad_argument", error->message, NULL);
}

static bool method_matches(const control_connection *connection,
                           const control_route *route)
{
    int method =
        llhttp_get_method((llhttp_t *)(uintptr_t)&connection->request.parser);

    if (route->method == METHOD_POST)
        return method == HTTP_POST;
    return method == HTTP_GET || method == HTTP_HEAD;
}

/* The route, or NULL after an error was answered. */
static const control_route *
route_find(control_connection *connection, http_span path, http_span *ret_job)
{
    char message[160];
    size_t at;

    for (at = 0; at < N_ROUTES; at++) {
        if (!path_matches(routes[at].path, path, ret_job))
            continue;
        if (method_matches(connection, &routes[at]))
            return &routes[at];
        if (routes[at].method == METHOD_POST)
            fail(connection, 405, "method_not_allowed", "this wants POST",
                 "Allow: POST\r\n");
        else
            fail(connection, 405, "method_not_allowed", "this wants GET",
                 "Allow: GET, HEAD\r\n");
        return NULL;
    }
    snprintf(message, sizeof(message), "there is nothing at %.*s",
             (int)(path.size > 100 ? 100 : path.size), path.text);
    fail(connection, 404, "not_found", message, NULL);
    return NULL;
}

static bool has_right(control_connection *connection,
                      const control_route *route)
{
    if (route->right == RIGHT_VIEW || connection->peer.may_operate)
        return true;
    fail(connection, 403, "forbidden",
         "only root and the daemon's own user may do this", NULL);
    return false;
}

/* ---- arguments --------------------------------------------------------- */

static int64_t wall_now(const control_server *server)
{
    return server->options.clock.now(server->options.clock.userdata).wall_ms;
}

static int set_job(tj_json *args, http_span job, tj_error *reterr)
{
    static const argument_spec specs[] = { { "job", ARGUMENT_TEXT },
                                           { NULL, ARGUMENT_TEXT } };
    char text[ARGUMENT_TEXT_MAX + 1];
    tj_json *value;
    int code;

    if (!job.size)
        return 0;
    if (!argument_decode(job.text, job.size, false, text))
        return tj__error_set(reterr, TJ_EINVAL, CONTROL_MODULE,
                             "the path has a wrong %%-escape or is too long");
    value = tj_json_new_string(text);
    if (!value)
        return tj__error_set(reterr, TJ_ENOMEM, CONTROL_MODULE,
                             "out of memory");
    code = argument_set(args, specs, "job", value, 0, reterr);
    tj_json_free(value);
    return code;
}

control_call *control_route_call(control_connection *connection)
{
    tj_error error = TJ_ERROR_INIT;
    const control_route *route;
    http_span path, query, job = { NULL, 0 };
    control_call *call;
    tj_json *args;
    int code;

    target_split(connection->request.target, &path, &query);
    route = route_find(connection, path, &job);
    if (!route || !has_right(connection, route))
        return NULL;
    args = tj_json_new_object();
    call = args ? control_call_new(connection, route, args) : NULL;
    if (!call) {
        tj_json_free(args);
        error.code = TJ_ENOMEM;
        fail_with(connection, &error);
        return NULL;
    }
    code = set_job(args, job, &error);
    if (!code)
        code = argument_set_query(args, route->specs, query.text, query.size,
                                  wall_now(connection->server), &error);
    if (code) {
        error.code = code;
        control_call_end(call);
        fail_with(connection, &error);
        return NULL;
    }
    return call;
}

static int
set_body(control_call *call, const http_request *request, tj_error *reterr)
{
    int64_t now_ms = wall_now(call->server);
    tj_json *body = NULL;
    size_t at;
    int code;

    if (!request->body.size)
        return 0;
    code = tj_json_parse(request->body.data, request->body.size, &body, reterr);
    if (code) {
        tj__error_prefix(reterr, "the body");
        return code;
    }
    if (tj_json_type_of(body) != TJ_JSON_OBJECT)
        code = tj__error_set(reterr, TJ_EINVAL, CONTROL_MODULE,
                             "the body is not a JSON object");
    for (at = 0; !code && at < tj_json_size(body); at++)
        code = argument_set(call->args, call->route->specs,
                            tj_json_key_at(body, at), tj_json_at(body, at),
                            now_ms, reterr);
    tj_json_free(body);
    return code;
}

static int set_defaults(control_call *call, tj_error *reterr)
{
    int code = 0;

    if (call->route->right == RIGHT_VIEW)
        return 0;
    control_peer_name(&call->peer, "/etc/passwd");
    if (call->route->specs == arguments_tick) {
        if (!tj_json_get(call->args, "wait"))
            code = tj_json_set_bool(call->args, "wait", true);
    } else if (!tj_json_get(call->args, "who")) {
        code = tj_json_set_string(call->args, "who", call->peer.name);
    }
    if (code)
        tj__error_set(reterr, code, CONTROL_MODULE, "out of memory");
    return code;
}

void control_route_run(control_call *call)
{
    control_connection *connection = call->connection;
    control_server *server = call->server;
    const control_route *route = call->route;
    tj_error error = TJ_ERROR_INIT;
    control_operation operation = NULL;
    int code = 0;

    if (connection->request.body.size && !connection->request.is_json) {
        control_call_detach(call);
        fail(connection, 415, "unsupported_media_type",
             "a body has to be application/json", NULL);
        return;
    }
    code = set_body(call, &connection->request, &error);
    if (!code)
        code = set_defaults(call, &error);
    if (code) {
        control_call_detach(call);
        error.code = code;
        fail_with(connection, &error);
        return;
    }
    server->stats.n_requests++;
    if (route->member == MEMBER_LOGS) {
        control_logs_run(call);
        return;
    }
    memcpy(&operation, (const char *)&server->options.api + route->member,
           sizeof(operation));
    if (operation)
        operation(call, server->options.api.userdata);
    else
        control_call_fail(call, 501, "not_implemented",
                          "this daemon does not do that");
}
