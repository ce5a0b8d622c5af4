/* status, jobs, lease: what is. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/output.h"

static const char *text_of(const tj_json *object, const char *key)
{
    return tj_json_string_or(tj_json_get(object, key), "");
}

static int64_t int_of(const tj_json *object, const char *key)
{
    return tj_json_int_or(tj_json_get(object, key), 0);
}

/* "name      rest" */
static void label(tj_buf *out, const cli_call *call, const char *name)
{
    cli_append_styled(out, call->has_color, CLI_DIM, name);
    tj__buf_printf(out, "%*s", (int)(10 - strlen(name)), "");
}

/* ---- the lease --------------------------------------------------------- */

static void append_lease(tj_buf *out,
                         const cli_call *call,
                         const tj_json *lease,
                         int64_t now_ms)
{
    const char *role = text_of(lease, "role");
    const char *host = text_of(lease, "holder_host");
    const char *trouble = text_of(lease, "trouble");
    bool is_leader = strcmp(role, "leader") == 0;
    int64_t since_ms = int_of(lease, "since_ms");

    label(out, call, "lease");
    cli_append_styled(out, false, CLI_PLAIN, text_of(lease, "name"));
    tj__buf_append_text(out, ": ");
    cli_append_styled(out, call->has_color, is_leader ? CLI_GOOD : CLI_BOLD,
                      role);
    if (!is_leader && *host) {
        tj__buf_append_text(out, "; last held by ");
        cli_append_styled(out, call->has_color, CLI_BOLD, host);
        if (int_of(lease, "holder_pid"))
            tj__buf_printf(out, " (pid %d)", (int)int_of(lease, "holder_pid"));
    }
    tj__buf_printf(out, ", term %lld", (long long)int_of(lease, "term"));
    if (since_ms) {
        tj__buf_append_text(out, ", since ");
        cli_append_local_time(out, since_ms);
        tj__buf_append_text(out, " (");
        cli_append_relative(out, since_ms, now_ms);
        tj__buf_append_char(out, ')');
    }
    tj__buf_append_char(out, '\n');
    if (*trouble) {
        label(out, call, "");
        cli_append_styled(out, call->has_color, CLI_BAD, trouble);
        tj__buf_append_char(out, '\n');
    }
}

int cli_lease(const cli_call *call)
{
    control_answer answer;
    tj_buf out = TJ_BUF_INIT;
    const tj_json *lease;
    int code = cli_ask(call, "GET", "/v1/lease", NULL, CLI_TIMEOUT_MS, &answer);

    if (code)
        return code;
    if (call->is_json) {
        code = cli_print_answer(&answer);
        control_answer_done(&answer);
        return code;
    }
    lease = answer.json;
    append_lease(&out, call, lease, cli_now_ms());
    label(&out, call, "backend");
    cli_append_styled(&out, false, CLI_PLAIN, text_of(lease, "backend"));
    tj__buf_append_char(&out, '\n');
    label(&out, call, "holder");
    cli_append_styled(&out, false, CLI_PLAIN, text_of(lease, "holder"));
    tj__buf_append_char(&out, '\n');
    if (int_of(lease, "valid_for_ms")) {
        label(&out, call, "valid for");
        cli_append_duration(&out, int_of(lease, "valid_for_ms"));
        tj__buf_append_text(&out, " without another renewal\n");
    }
    control_answer_done(&answer);
    return cli_write(&out);
}

/* ---- the jobs ---------------------------------------------------------- */

static const char *last_word(const tj_json *last, cli_style *ret_style)
{
    const char *decision = text_of(last, "decision");

    *ret_style = CLI_WARN;
    if (strcmp(decision, "scheduled") == 0) {
        *ret_style = int_of(last, "n_failed") ? CLI_BAD : CLI_GOOD;
        return int_of(last, "n_failed") ? "failed" : "ok";
    }
    if (strcmp(decision, "failed") == 0)
        *ret_style = CLI_BAD;
    return decision;
}

static void append_last(tj_buf *cell,
                        const cli_call *call,
                        const tj_json *job,
                        int64_t now_ms)
{
    const tj_json *last = tj_json_get(job, "last");
    cli_style style;
    const char *word;

    if (tj_json_bool_or(tj_json_get(job, "busy"), false)) {
        cli_append_styled(cell, call->has_color, CLI_MARK, "running");
        tj__buf_append_text(cell, tj_json_size(last) ? ", before " : "");
    }
    if (!tj_json_size(last)) {
        if (!cell->size)
            tj__buf_append_char(cell, '-');
        return;
    }
    word = last_word(last, &style);
    cli_append_styled(cell, call->has_color, style, word);
    tj__buf_append_char(cell, ' ');
    cli_append_relative(cell, int_of(last, "ended_ms"), now_ms);
    if (int_of(last, "duration_ms")) {
        tj__buf_append_text(cell, ", took ");
        cli_append_duration(cell, int_of(last, "duration_ms"));
    }
}

/* Add a cell and empty its buffer. */
static void take_cell(cli_table *table, tj_buf *cell)
{
    cli_table_add(table, cell->data ? cell->data : "");
    table->cells.failed |= cell->failed;
    tj__buf_clear(cell);
}

static void append_number(cli_table *table, tj_buf *cell, int64_t number)
{
    tj__buf_append_int(cell, number);
    take_cell(table, cell);
}

static void append_job(cli_table *table,
                       tj_buf *cell,
                       const cli_call *call,
                       const tj_json *job,
                       int64_t now_ms)
{
    int64_t next_ms = int_of(job, "next_ms");
    bool has_failed = int_of(job, "n_failed") > 0;

    cli_append_styled(cell, false, CLI_PLAIN, text_of(job, "name"));
    take_cell(table, cell);
    cli_append_duration(cell, int_of(job, "every_ms"));
    take_cell(table, cell);
    append_last(cell, call, job, now_ms);
    take_cell(table, cell);
    if (next_ms)
        cli_append_relative(cell, next_ms, now_ms);
    else
        tj__buf_append_char(cell, '-');
    take_cell(table, cell);
    append_number(table, cell, int_of(job, "n_ticks"));
    append_number(table, cell, int_of(job, "n_skipped"));
    if (has_failed && call->has_color) {
        char text[24];

        snprintf(text, sizeof(text), "%lld",
                 (long long)int_of(job, "n_failed"));
        cli_append_styled(cell, true, CLI_BAD, text);
        take_cell(table, cell);
    } else {
        append_number(table, cell, int_of(job, "n_failed"));
    }
}

static void append_jobs(tj_buf *out,
                        const cli_call *call,
                        const tj_json *jobs,
                        int64_t now_ms)
{
    static const char *const names[] = { "JOB",   "EVERY",   "LAST",  "NEXT",
                                         "TICKS", "SKIPPED", "FAILED" };

    enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

    cli_table table = { .n_columns = N_NAMES,
                        .is_right = { [4] = true, [5] = true, [6] = true } };
    tj_buf cell = TJ_BUF_INIT;
    size_t at;

    for (at = 0; at < N_NAMES; at++) {
        cli_append_styled(&cell, call->has_color, CLI_BOLD, names[at]);
        take_cell(&table, &cell);
    }
    for (at = 0; at < tj_json_size(jobs); at++)
        append_job(&table, &cell, call, tj_json_at(jobs, at), now_ms);
    tj__buf_done(&cell);
    cli_table_print(&table, out);
}

/* The daemon's clock is what its instants are told by; this machine's is the
 * same unless it was told in another way. */
static int64_t now_of(const tj_json *answer)
{
    return tj_json_int_or(tj_json_get(answer, "now_ms"), cli_now_ms());
}

int cli_jobs(const cli_call *call)
{
    control_answer answer;
    tj_buf out = TJ_BUF_INIT;
    int code = cli_ask(call, "GET", "/v1/jobs", NULL, CLI_TIMEOUT_MS, &answer);

    if (code)
        return code;
    if (call->is_json) {
        code = cli_print_answer(&answer);
        control_answer_done(&answer);
        return code;
    }
    append_jobs(&out, call, tj_json_get(answer.json, "jobs"),
                now_of(answer.json));
    control_answer_done(&answer);
    return cli_write(&out);
}

/* ---- all of it --------------------------------------------------------- */

static void append_pause(tj_buf *out,
                         const cli_call *call,
                         const tj_json *pause,
                         int64_t now_ms)
{
    int64_t until_ms = int_of(pause, "until_ms");
    const char *why = text_of(pause, "why");

    if (!tj_json_size(pause))
        return;
    label(out, call, "paused");
    tj__buf_append_text(out, "by ");
    cli_append_styled(out, call->has_color, CLI_WARN, text_of(pause, "who"));
    if (until_ms) {
        tj__buf_append_text(out, " until ");
        cli_append_local_time(out, until_ms);
        tj__buf_append_text(out, " (");
        cli_append_relative(out, until_ms, now_ms);
        tj__buf_append_char(out, ')');
    } else {
        tj__buf_append_text(out, " until resumed");
    }
    if (*why) {
        tj__buf_append_text(out, ": ");
        cli_append_styled(out, false, CLI_PLAIN, why);
    }
    tj__buf_append_char(out, '\n');
}

static void append_log(tj_buf *out, const cli_call *call, const tj_json *log)
{
    const char *trouble = text_of(log, "trouble");

    label(out, call, "log");
    cli_append_styled(out, false, CLI_PLAIN, text_of(log, "dir"));
    tj__buf_printf(out, ": %lld lines", (long long)int_of(log, "n_lines"));
    if (int_of(log, "n_dropped"))
        tj__buf_printf(out, ", %lld of them dropped",
                       (long long)int_of(log, "n_dropped"));
    if (*trouble) {
        tj__buf_append_text(out, "; ");
        cli_append_styled(out, call->has_color, CLI_BAD, trouble);
    }
    tj__buf_append_char(out, '\n');
}

static void
append_status(tj_buf *out, const cli_call *call, const tj_json *status)
{
    const tj_json *warnings = tj_json_get(status, "warnings");
    int64_t now_ms = now_of(status);
    size_t at;

    cli_append_styled(out, call->has_color, CLI_BOLD, text_of(status, "host"));
    tj__buf_append_text(out, ": timed-jobs ");
    cli_append_styled(out, false, CLI_PLAIN, text_of(status, "version"));
    tj__buf_append_text(out, ", ");
    cli_append_styled(out, false, CLI_PLAIN, text_of(status, "state"));
    tj__buf_append_text(out, " for ");
    cli_append_duration(out, now_ms - int_of(status, "started_ms"));
    tj__buf_printf(out, " (pid %d)\n", (int)int_of(status, "pid"));
    append_lease(out, call, tj_json_get(status, "lease"), now_ms);
    append_pause(out, call, tj_json_get(status, "pause"), now_ms);
    label(out, call, "config");
    cli_append_styled(out, false, CLI_PLAIN, text_of(status, "config"));
    tj__buf_append_char(out, '\n');
    append_log(out, call, tj_json_get(status, "log"));
    for (at = 0; at < tj_json_size(warnings); at++) {
        label(out, call, at ? "" : "warnings");
        cli_append_styled(out, call->has_color, CLI_WARN,
                          tj_json_string_or(tj_json_at(warnings, at), ""));
        tj__buf_append_char(out, '\n');
    }
    tj__buf_append_char(out, '\n');
    append_jobs(out, call, tj_json_get(status, "jobs"), now_ms);
}

int cli_status(const cli_call *call)
{
    control_answer answer;
    tj_buf out = TJ_BUF_INIT;
    int code =
        cli_ask(call, "GET", "/v1/status", NULL, CLI_TIMEOUT_MS, &answer);

    if (code)
        return code;
    if (call->is_json) {
        code = cli_print_answer(&answer);
        control_answer_done(&answer);
        return code;
    }
    append_status(&out, call, answer.json);
    control_answer_done(&answer);
    return cli_write(&out);
}
