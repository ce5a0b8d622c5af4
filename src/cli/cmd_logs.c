/* logs: the day files' lines, raw for programs, readable on a terminal. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/iso_time.h"
#include "cli/ask.h"
#include "cli/output.h"

#define LINES_DEFAULT "50"
#define VALUE_MAX     ((size_t)100) /* bytes of a value on a readable line */

typedef struct log_printer {
    const cli_call *call;
    bool is_raw;
    bool is_tty;
    int code; /* of the first write that failed */
} log_printer;

/* ---- one line ---------------------------------------------------------- */

static const char *text_of(const tj_json *entry, const char *key)
{
    return tj_json_string_or(tj_json_get(entry, key), "");
}

static cli_style style_of(const char *stage, const char *result)
{
    if (strstr(stage, "failed") || strcmp(result, "failed") == 0)
        return CLI_BAD;
    if (strstr(stage, "skipped") || strncmp(result, "skipped", 7) == 0 ||
        strcmp(result, "completed_with_failures") == 0 ||
        strcmp(stage, "log_dropped") == 0)
        return CLI_WARN;
    if (strstr(stage, "completed"))
        return CLI_GOOD;
    return CLI_PLAIN;
}

/* Keys that have a place of their own, or that say the same on every line of
 * a run: `--json` has them all. */
static bool is_left_out(const char *key)
{
    static const char *const keys[] = {
        "batch_id",
        "duration_ms",
        "error",
        "result",
        "runner",
        "stage",
        "ts",
        "controller_id",
        "host",
        "max_messages_per_tick",
        "max_tasks_per_tick",
        "settle_delay_ms",
        "run_id",
    };
    size_t at;

    for (at = 0; at < sizeof(keys) / sizeof(keys[0]); at++) {
        if (strcmp(key, keys[at]) == 0)
            return true;
    }
    return false;
}

/* One line of it, and not too long a one. */
static void append_value(tj_buf *out, const tj_json *value)
{
    const char *string = tj_json_string_or(value, NULL);
    char *text = NULL;
    size_t size = 0, shown;

    if (string)
        size = strlen(string);
    else if (tj_json_print(value, &text, &size) == 0)
        string = text;
    else
        return;
    shown = strcspn(string, "\n");
    shown = shown > VALUE_MAX ? VALUE_MAX : shown;
    while (shown < size && shown > 0 && (string[shown] & 0xc0) == 0x80)
        shown--; /* never inside a character */
    cli_append_safe(out, string, shown);
    if (shown + 1 < size || (shown < size && string[shown] != '\n'))
        tj__buf_append_text(out, "...");
    tj_free(text);
}

/* "10:00:00.123", local time, from the entry's own stamp. */
static void append_time(tj_buf *out, const cli_call *call, const tj_json *entry)
{
    const char *stamp = text_of(entry, "ts");
    tj_buf text = TJ_BUF_INIT;
    int64_t wall_ms;

    if (tj__iso_time_parse(stamp, strlen(stamp), &wall_ms)) {
        cli_append_local_time(&text, wall_ms);
        tj__buf_consume(&text, sizeof("2026-04-01"));
        tj__buf_printf(&text, ".%03d", (int)(wall_ms % 1000));
    } else {
        tj__buf_append_text(&text, stamp);
    }
    cli_append_styled(out, call->has_color, CLI_DIM,
                      text.data ? text.data : "");
    tj__buf_done(&text);
}

/* TIME RUNNER STAGE RESULT DURATION key=value... BATCH: ERROR */
static void
append_entry(tj_buf *out, const cli_call *call, const tj_json *entry)
{
    const tj_json *duration = tj_json_get(entry, "duration_ms");
    const char *stage = text_of(entry, "stage");
    const char *result = text_of(entry, "result");
    const char *error = text_of(entry, "error");
    cli_style style = style_of(stage, result);
    size_t at;

    append_time(out, call, entry);
    tj__buf_append_char(out, ' ');
    cli_append_styled(out, call->has_color, CLI_BOLD, text_of(entry, "runner"));
    tj__buf_append_char(out, ' ');
    cli_append_styled(out, call->has_color, style, stage);
    if (*result) {
        tj__buf_append_char(out, ' ');
        cli_append_styled(out, call->has_color, style, result);
    }
    if (tj_json_type_of(duration) == TJ_JSON_NUMBER) {
        tj__buf_append_char(out, ' ');
        cli_append_duration(out, tj_json_int_or(duration, 0));
    }
    for (at = 0; at < tj_json_size(entry); at++) {
        const char *key = tj_json_key_at(entry, at);

        if (is_left_out(key))
            continue;
        tj__buf_append_char(out, ' ');
        cli_append_styled(out, call->has_color, CLI_DIM, key);
        tj__buf_append_char(out, '=');
        append_value(out, tj_json_at(entry, at));
    }
    if (*text_of(entry, "batch_id")) {
        tj__buf_append_char(out, ' ');
        cli_append_styled(out, call->has_color, CLI_DIM,
                          text_of(entry, "batch_id"));
    }
    if (*error) {
        tj__buf_append_text(out, ": ");
        cli_append_styled(out, call->has_color, CLI_BAD, error);
    }
    tj__buf_append_char(out, '\n');
}

static bool on_line(const char *line, size_t size, void *userdata)
{
    log_printer *printer = userdata;
    tj_json *entry = NULL;
    tj_buf out = TJ_BUF_INIT;

    if (!printer->is_raw && tj_json_parse(line, size, &entry, NULL) == 0) {
        append_entry(&out, printer->call, entry);
        tj_json_free(entry);
    } else {
        cli_append_json(&out, line, size, printer->is_tty);
        tj__buf_append_char(&out, '\n');
    }
    printer->code = cli_write(&out);
    return !printer->code;
}

/* ---- the command ------------------------------------------------------- */

static void target_print(tj_buf *target, const cli_call *call)
{
    static const struct {
        cli_option_id id;
        const char *name;
    } arguments[] = {
        { CLI_DATE, "date" },     { CLI_LINES, "tail" },  { CLI_JOB, "job" },
        { CLI_RUNNER, "runner" }, { CLI_STAGE, "stage" },
    };

    size_t at;

    tj__buf_append_text(target, "/v1/logs");
    for (at = 0; at < sizeof(arguments) / sizeof(arguments[0]); at++) {
        const char *value = call->values[arguments[at].id];

        if (value)
            cli_add_query(target, arguments[at].name, value);
    }
    if (!call->values[CLI_LINES] && !call->values[CLI_DATE])
        cli_add_query(target, "tail", LINES_DEFAULT);
    if (call->values[CLI_FOLLOW])
        cli_add_query(target, "follow", "1");
}

int cli_logs(const cli_call *call)
{
    bool is_tty = isatty(STDOUT_FILENO);
    const char *color = call->values[CLI_COLOR];
    /* Asking for colour is asking for what can have one. */
    log_printer printer = {
        .call = call,
        .is_tty = is_tty,
        .is_raw = call->is_json ||
                  (!is_tty && !(color && strcmp(color, "always") == 0)),
    };
    control_client *client = NULL;
    control_answer answer = { 0 };
    tj_error error = TJ_ERROR_INIT;
    tj_buf target = TJ_BUF_INIT;
    int code = cli_connect(call, &client);

    if (code)
        return code;
    target_print(&target, call);
    code = target.failed
               ? TJ_ENOMEM
               : control_client_stream(client, target.data, CLI_TIMEOUT_MS,
                                       on_line, &printer, &answer, &error);
    tj__buf_done(&target);
    control_client_free(client);
    if (code)
        return cli_unreachable(call, code, &error);
    code = answer.status == 200 ? printer.code : cli_refused(call, &answer);
    control_answer_done(&answer);
    return code;
}
