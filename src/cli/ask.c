/* See ask.h. */
#include "cli/ask.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "cli/output.h"
#include "daemon/config.h"

#define SOCKET_NAME "timed-jobs.sock"

/* ---- targets ----------------------------------------------------------- */

void cli_add_segment(tj_buf *target, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-._~";

    for (; *text; text++) {
        if (strchr(plain, *text))
            tj__buf_append_char(target, *text);
        else
            tj__buf_printf(target, "%%%02X", (unsigned char)*text);
    }
}

void cli_add_query(tj_buf *target, const char *name, const char *value)
{
    bool is_first = !target->size || !strchr(target->data, '?');

    tj__buf_append_char(target, is_first ? '?' : '&');
    tj__buf_append_text(target, name);
    tj__buf_append_char(target, '=');
    cli_add_segment(target, value);
}

/* ---- where the daemon is ----------------------------------------------- */

static int socket_from_config(const cli_call *call, tj_buf *path)
{
    struct config_report *report = config_report_new();
    struct config *config = NULL;
    struct config_options options;
    tj_buf text = TJ_BUF_INIT;
    int code = TJ_ENOMEM;

    if (report) {
        config_options_init(&options, call->values[CLI_CONFIG]);
        code = config_load(&options, report, &config);
    }
    if (code == TJ_ENOMEM) {
        cli_error("out of memory");
    } else if (code) {
        config_report_print(report, &text, false);
        cli_write_error(&text);
    } else {
        tj__buf_append_text(path, config->control.socket);
    }
    tj__buf_done(&text);
    config_free(config);
    config_report_free(report);
    return code ? CLI_USAGE : CLI_OK;
}

static bool is_there(const tj_buf *path)
{
    return path->data && access(path->data, F_OK) == 0;
}

/* The places where a daemon puts its socket when nobody says otherwise; the
 * last one is left in `path` if there is none anywhere. */
static void socket_usual(tj_buf *path)
{
    const char *xdg = secure_getenv("XDG_STATE_HOME");
    const char *home = secure_getenv("HOME");

    tj__buf_append_text(path, "/run/timed-jobs/" SOCKET_NAME);
    if (!is_there(path) && geteuid() != 0 && (xdg || home)) {
        bool is_xdg = xdg && xdg[0] == '/';

        tj__buf_clear(path);
        tj__buf_printf(path, "%s/%s" SOCKET_NAME, is_xdg ? xdg : home,
                       is_xdg ? "timed-jobs/" : ".local/state/timed-jobs/");
    }
    if (!is_there(path)) {
        tj__buf_clear(path);
        tj__buf_append_text(path, "/var/lib/timed-jobs/" SOCKET_NAME);
    }
}

/* *ret_is_guess: nobody named it. */
static int socket_find(const cli_call *call, tj_buf *path, bool *ret_is_guess)
{
    const char *environment = secure_getenv("TIMED_JOBS_SOCKET");

    *ret_is_guess = false;
    if (call->values[CLI_SOCKET])
        tj__buf_append_text(path, call->values[CLI_SOCKET]);
    else if (call->values[CLI_CONFIG])
        return socket_from_config(call, path);
    else if (environment && *environment)
        tj__buf_append_text(path, environment);
    else {
        *ret_is_guess = true;
        socket_usual(path);
    }
    return CLI_OK;
}

int cli_connect(const cli_call *call, control_client **ret_client)
{
    tj_error error = TJ_ERROR_INIT;
    tj_buf path = TJ_BUF_INIT;
    bool is_guess;
    int code = socket_find(call, &path, &is_guess);

    if (code) {
        tj__buf_done(&path);
        return code;
    }
    if (path.failed) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    code = control_client_new(path.data, CLI_TIMEOUT_MS, ret_client, &error);
    if (code) {
        bool is_missing = is_guess && access(path.data, F_OK) < 0;

        code = cli_unreachable(call, code, &error);
        if (is_missing)
            cli_error("name its socket with --socket PATH, --config FILE or "
                      "TIMED_JOBS_SOCKET");
    }
    tj__buf_done(&path);
    return code;
}

control_client *cli_connect_quietly(const char *socket_path, int64_t timeout_ms)
{
    cli_call call = { .values = { [CLI_SOCKET] = socket_path } };
    control_client *client = NULL;
    tj_buf path = TJ_BUF_INIT;
    bool is_guess;

    if (socket_find(&call, &path, &is_guess) == CLI_OK && !path.failed &&
        control_client_new(path.data, timeout_ms, &client, NULL))
        client = NULL;
    tj__buf_done(&path);
    return client;
}

/* ---- what it said ------------------------------------------------------ */

static int exit_of_status(int status)
{
    switch (status) {
    case 400:
    case 404:
    case 405:
    case 413:
    case 414:
    case 415:
    case 422:
    case 431:
        return CLI_USAGE;
    case 403:
    case 409:
    case 423:
    case 429:
    case 503:
        return CLI_REFUSED;
    default:
        return CLI_FAILED;
    }
}

static void print_error_json(const char *code, const char *message)
{
    tj_buf text = TJ_BUF_INIT;

    tj__buf_append_text(&text, "{\"error\":{\"code\":");
    tj__json_write_string(&text, code);
    tj__buf_append_text(&text, ",\"message\":");
    tj__json_write_string(&text, message);
    tj__buf_append_text(&text, "}}\n");
    cli_write(&text);
}

int cli_refused(const cli_call *call, const control_answer *answer)
{
    if (call->is_json)
        print_error_json(control_answer_code(answer),
                         control_answer_message(answer));
    cli_error("%s", control_answer_message(answer));
    return exit_of_status(answer->status);
}

int cli_unreachable(const cli_call *call, int code, const tj_error *error)
{
    int exit_status = code == TJ_EACCES   ? CLI_REFUSED
                      : code == TJ_EINVAL ? CLI_USAGE
                      : code == TJ_ENOMEM ? CLI_FAILED
                                          : CLI_UNREACHABLE;

    if (call->is_json)
        print_error_json(exit_status == CLI_REFUSED ? "not_permitted"
                                                    : "unreachable",
                         error->message);
    cli_error("%s", error->message);
    return exit_status;
}

int cli_ask(const cli_call *call,
            const char *method,
            const char *target,
            tj_json *take_args,
            int64_t timeout_ms,
            control_answer *ret_answer)
{
    control_client *client = NULL;
    tj_error error = TJ_ERROR_INIT;
    tj_buf body = TJ_BUF_INIT;
    int code = cli_connect(call, &client);

    if (take_args)
        tj__json_write_value(&body, take_args);
    tj_json_free(take_args);
    if (!code && body.failed) {
        cli_error("out of memory");
        code = CLI_FAILED;
    }
    if (!code) {
        code = control_client_call(client, method, target, body.data,
                                   timeout_ms, ret_answer, &error);
        if (code)
            code = cli_unreachable(call, code, &error);
        else if (ret_answer->status >= 300) {
            code = cli_refused(call, ret_answer);
            control_answer_done(ret_answer);
        }
    }
    tj__buf_done(&body);
    control_client_free(client);
    return code;
}

int cli_print_answer(const control_answer *answer)
{
    tj_buf out = TJ_BUF_INIT;

    cli_append_json(&out, answer->text, answer->size, isatty(STDOUT_FILENO));
    return cli_write(&out);
}
