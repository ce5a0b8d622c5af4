/* tick, pause, resume, step-down, stop: what changes something. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/ask.h"
#include "cli/output.h"

/* The operation's wait for a lease backend has its own deadlines. */
#define LEASE_TIMEOUT_MS 60000

/* Behind sudo the peer is root for everybody: say who it really is. */
static void set_who(tj_json *args, const cli_call *call)
{
    const char *who = call->values[CLI_WHO];

    if (!who && geteuid() == 0)
        who = secure_getenv("SUDO_USER");
    if (who && *who)
        tj_json_set_string(args, "who", who);
}

/* Ask, and print the answer as JSON if that is wanted. */
static int operate(const cli_call *call,
                   const char *target,
                   tj_json *take_args,
                   int64_t timeout_ms,
                   control_answer *ret_answer)
{
    int code = cli_ask(call, "POST", target, take_args, timeout_ms, ret_answer);

    if (!code && call->is_json) {
        code = cli_print_answer(ret_answer);
        if (code)
            control_answer_done(ret_answer);
    }
    return code;
}

/* ---- tick -------------------------------------------------------------- */

static int exit_of_tick(const tj_json *tick)
{
    const char *decision =
        tj_json_string_or(tj_json_get(tick, "decision"), "failed");

    if (strncmp(decision, "skipped", 7) == 0)
        return CLI_REFUSED;
    if (strcmp(decision, "scheduled") != 0 ||
        tj_json_int_or(tj_json_get(tick, "n_failed"), 0) > 0)
        return CLI_FAILED;
    return CLI_OK;
}

static void append_tick(tj_buf *out, const cli_call *call, const tj_json *tick)
{
    static const char *const words[] = { "ok", "failed", "", "", "skipped" };
    static const cli_style styles[] = { CLI_GOOD, CLI_BAD, CLI_PLAIN, CLI_PLAIN,
                                        CLI_WARN };
    int result = exit_of_tick(tick);
    const char *error = tj_json_string_or(tj_json_get(tick, "error"), "");

    cli_append_styled(out, call->has_color, styles[result], words[result]);
    tj__buf_append_char(out, ' ');
    cli_append_styled(out, false, CLI_PLAIN,
                      tj_json_string_or(tj_json_get(tick, "batch_id"), ""));
    if (result == CLI_REFUSED) {
        tj__buf_append_text(out, ": ");
        cli_append_styled(out, false, CLI_PLAIN,
                          tj_json_string_or(tj_json_get(tick, "decision"), ""));
    } else {
        tj__buf_printf(
            out, ": %lld of %lld runners ok, ",
            (long long)tj_json_int_or(tj_json_get(tick, "n_ok"), 0),
            (long long)tj_json_int_or(tj_json_get(tick, "runner_count"), 0));
        cli_append_duration(
            out, tj_json_int_or(tj_json_get(tick, "duration_ms"), 0));
    }
    if (*error) {
        tj__buf_append_text(out, ": ");
        cli_append_styled(out, false, CLI_PLAIN, error);
    }
    tj__buf_append_char(out, '\n');
}

int cli_tick(const cli_call *call)
{
    bool is_waiting = !call->values[CLI_NO_WAIT];
    tj_buf target = TJ_BUF_INIT;
    tj_buf out = TJ_BUF_INIT;
    control_answer answer;
    int code, result;

    tj__buf_append_text(&target, "/v1/jobs/");
    cli_add_segment(&target, call->argument);
    tj__buf_append_text(&target, "/tick");
    if (!is_waiting)
        cli_add_query(&target, "wait", "0");
    if (target.failed || !*call->argument) {
        cli_error(target.failed ? "out of memory" : "tick wants a JOB");
        tj__buf_done(&target);
        return CLI_USAGE;
    }
    code = operate(call, target.data, NULL, is_waiting ? 0 : CLI_TIMEOUT_MS,
                   &answer);
    tj__buf_done(&target);
    if (code)
        return code;
    result = is_waiting ? exit_of_tick(answer.json) : CLI_OK;
    if (!call->is_json && is_waiting)
        append_tick(&out, call, answer.json);
    else if (!call->is_json)
        tj__buf_append_text(&out, "begun\n");
    control_answer_done(&answer);
    code = cli_write(&out);
    return result ? result : code;
}

/* ---- pause and resume -------------------------------------------------- */

static int pause_args(const cli_call *call, tj_json *args)
{
    const char *until = call->values[CLI_UNTIL];
    int64_t until_ms;

    if (until && call->values[CLI_FOR]) {
        cli_error("give either --for or --until");
        return CLI_USAGE;
    }
    if (until && !cli_parse_time(until, cli_now_ms(), &until_ms)) {
        cli_error("--until: '%s' is no time such as 18:00 or "
                  "\"2026-04-01 08:00\"",
                  until);
        return CLI_USAGE;
    }
    if (until)
        tj_json_set_int(args, "until", until_ms);
    if (call->values[CLI_FOR])
        tj_json_set_string(args, "for", call->values[CLI_FOR]);
    if (call->values[CLI_WHY])
        tj_json_set_string(args, "why", call->values[CLI_WHY]);
    set_who(args, call);
    return CLI_OK;
}

int cli_pause(const cli_call *call)
{
    tj_json *args = tj_json_new_object();
    tj_buf out = TJ_BUF_INIT;
    control_answer answer;
    int64_t until_ms;
    int code = pause_args(call, args);

    if (code) {
        tj_json_free(args);
        return code;
    }
    code = operate(call, "/v1/pause", args, LEASE_TIMEOUT_MS, &answer);
    if (code)
        return code;
    until_ms = tj_json_int_or(
        tj_json_get(tj_json_get(answer.json, "pause"), "until_ms"), 0);
    control_answer_done(&answer);
    if (call->is_json)
        return CLI_OK;
    tj__buf_append_text(&out, "paused");
    if (until_ms) {
        tj__buf_append_text(&out, " until ");
        cli_append_local_time(&out, until_ms);
        tj__buf_append_char(&out, '\n');
    } else {
        tj__buf_append_text(&out, " until `timed-jobs resume`\n");
    }
    return cli_write(&out);
}

/* The operations that want nothing but who asks. */
static int
ask_who(const cli_call *call, const char *target, control_answer *ret_answer)
{
    tj_json *args = tj_json_new_object();

    set_who(args, call);
    return operate(call, target, args, LEASE_TIMEOUT_MS, ret_answer);
}

static int say(const cli_call *call, const char *text)
{
    tj_buf out = TJ_BUF_INIT;

    if (!call->is_json)
        tj__buf_append_text(&out, text);
    return cli_write(&out);
}

int cli_resume(const cli_call *call)
{
    control_answer answer;
    bool was_paused;
    int code = ask_who(call, "/v1/resume", &answer);

    if (code)
        return code;
    was_paused = tj_json_bool_or(tj_json_get(answer.json, "resumed"), false);
    control_answer_done(&answer);
    return say(call, was_paused ? "resumed\n" : "it was not paused\n");
}

int cli_step_down(const cli_call *call)
{
    control_answer answer;
    int code = ask_who(call, "/v1/lease/step-down", &answer);

    if (code)
        return code;
    control_answer_done(&answer);
    return say(call, "stepped down: the lease is released\n");
}

/* ---- stop -------------------------------------------------------------- */

/* Wait for the end of a process that is not our child; at once when it is
 * gone already. */
static int process_wait(int pid_fd)
{
    struct pollfd look = { .fd = pid_fd, .events = POLLIN };

    while (pid_fd >= 0 && poll(&look, 1, -1) < 0) {
        if (errno != EINTR) {
            cli_error("cannot wait for the daemon");
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

int cli_stop(const cli_call *call)
{
    control_client *client = NULL;
    control_answer answer;
    bool is_gone;
    int pid_fd = -1;
    int code = CLI_OK;

    /* Before the stop, so that the number cannot be another process's yet. */
    if (call->values[CLI_WAIT]) {
        code = cli_connect(call, &client);
        if (code)
            return code;
        pid_fd =
            (int)syscall(SYS_pidfd_open, control_client_server_pid(client), 0);
        is_gone = pid_fd < 0 && errno == ESRCH;
        control_client_free(client);
        if (pid_fd < 0 && !is_gone) {
            cli_error("the daemon's end cannot be seen from here; stop it "
                      "without --wait");
            return CLI_FAILED;
        }
    }
    code = ask_who(call, "/v1/stop", &answer);
    if (!code) {
        control_answer_done(&answer);
        if (call->values[CLI_WAIT])
            code = process_wait(pid_fd);
        if (!code)
            code =
                say(call, call->values[CLI_WAIT] ? "stopped\n" : "stopping\n");
    }
    if (pid_fd >= 0)
        close(pid_fd);
    return code;
}
