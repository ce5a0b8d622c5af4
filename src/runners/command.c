/* See command.h.
 *
 * A run holds three pipes from its command: two for what it prints, one for
 * what it reports. Its end is the warden's word that the whole tree is dead,
 * never the end of a pipe; what is in the pipes then is read, and no more. */
#include "runners/command.h"

#include "base/alloc.h"
#include "base/error.h"
#include "runners/capture.h"
#include "runners/context.h"
#include "runners/notes.h"
#include "runners/output_file.h"
#include "runners/pipe.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { PIPE_STDOUT, PIPE_STDERR, PIPE_RESULT, N_PIPES };

struct command_run;

/* What the runner's userdata points at. */
struct command {
    tj_command_host *host;
    char **argv;
    char **env;
    char *directory;
    char *output_dir;
    int umask;
    int cell;
    int64_t timeout_ms;
    int64_t grace_ms;
    size_t output_max;
    size_t tail_max;
    bool freed;               /* the engine is gone; goes with the last run */
    struct command_run *runs; /* open ones */
};

struct command_run {
    struct command *command;
    struct command_run *next;
    tj_run run;
    tj_warden_run *warden_run; /* NULL before the start and after the end */
    tj_pipe pipes[N_PIPES];
    tj_capture captures[PIPE_RESULT];
    tj_notes notes;
    tj_output_file *file; /* NULL: none */
    bool cancelled;       /* the engine does not want to hear of it any more */
    unsigned n_closing;
    char run_id[TJ_RUN_ID_SIZE];
};

/* ---- what comes from the command ---------------------------------------- */

/* A handle is good until its run was cancelled, and never longer than its
 * engine. */
static bool is_listened_to(const struct command_run *run)
{
    return !run->cancelled && !run->command->freed;
}

static void on_note(const tj_run_note *note, void *userdata)
{
    const struct command_run *run = userdata;

    if (is_listened_to(run))
        tj_run_log(run->run, note);
}

static void on_report(tj_pipe *pipe, const char *bytes, size_t size)
{
    struct command_run *run = pipe->userdata;

    tj__notes_feed(&run->notes, bytes, size);
}

static void on_output(tj_pipe *pipe, const char *bytes, size_t size)
{
    struct command_run *run = pipe->userdata;

    tj__capture_add(&run->captures[pipe - run->pipes], bytes, size);
    if (!run->file)
        return;
    tj__output_file_add(run->file, bytes, size);
    if (tj__output_file_is_full(run->file))
        tj__pipe_pause(pipe); /* the command waits for the disk, not we */
}

static void on_room(void *userdata)
{
    struct command_run *run = userdata;

    tj__pipe_read(&run->pipes[PIPE_STDOUT]);
    tj__pipe_read(&run->pipes[PIPE_STDERR]);
}

/* ---- memory ------------------------------------------------------------- */

static void texts_free(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        tj__free(texts[i]);
    tj__free(texts);
}

static void command_free(struct command *command)
{
    texts_free(command->argv);
    texts_free(command->env);
    tj__free(command->directory);
    tj__free(command->output_dir);
    tj__free(command);
}

static void run_free(struct command_run *run)
{
    struct command *command = run->command;
    struct command_run **link = &command->runs;

    while (*link != run)
        link = &(*link)->next;
    *link = run->next;
    tj__capture_done(&run->captures[PIPE_STDOUT]);
    tj__capture_done(&run->captures[PIPE_STDERR]);
    tj__notes_done(&run->notes);
    tj__free(run);
    if (command->freed && !command->runs)
        command_free(command);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    const tj_pipe *pipe = handle->data;
    struct command_run *run = pipe->userdata;

    if (--run->n_closing == 0)
        run_free(run);
}

/* Close what is open; the memory goes in a later turn. */
static void run_close(struct command_run *run)
{
    tj__output_file_finish(run->file);
    run->file = NULL;
    run->n_closing = 1; /* until all are on their way */
    for (size_t i = 0; i < N_PIPES; i++) {
        if (tj__pipe_close(&run->pipes[i], on_pipe_closed))
            run->n_closing++;
    }
    if (--run->n_closing == 0)
        run_free(run);
}

static struct command_run *run_make(struct command *command, tj_run handle)
{
    struct command_run *run = tj__calloc(1, sizeof(*run));

    if (!run)
        return NULL;
    run->command = command;
    run->run = handle;
    for (size_t i = 0; i < N_PIPES; i++) {
        run->pipes[i].fd = -1;
        run->pipes[i].userdata = run;
        run->pipes[i].on_bytes = i == PIPE_RESULT ? on_report : on_output;
    }
    for (size_t i = 0; i < PIPE_RESULT; i++)
        tj__capture_init(&run->captures[i], command->tail_max);
    tj__notes_init(&run->notes, on_note, run);
    run->next = command->runs;
    command->runs = run;
    return run;
}

/* ---- the end ------------------------------------------------------------ */

static int set_output(tj_json *details,
                      const char *key,
                      const char *size_key,
                      const tj_capture *capture)
{
    char *text;
    int code;

    if (tj__capture_size(capture) == 0)
        return 0;
    text = tj__capture_text(capture);
    if (!text)
        return TJ_ENOMEM;
    code = tj_json_set_string(details, key, text);
    tj__free(text);
    /* Present only when the beginning is missing. */
    if (code == 0 && capture->total > tj__capture_size(capture))
        code = tj_json_set_int(details, size_key, (int64_t)capture->total);
    return code;
}

static int set_status(tj_json *details, const tj_warden_end *end)
{
    int failed = 0;

    if (end->exit_status >= 0)
        failed |= tj_json_set_int(details, "exit_status", end->exit_status);
    if (end->term_signal > 0)
        failed |= tj_json_set_string(details, "signal",
                                     tj__warden_signal_name(end->term_signal));
    if (end->cause != TJ_WARDEN_EXITED)
        failed |= tj_json_set_string(details, "cause",
                                     tj__warden_cause_to_string(end->cause));
    if (end->n_leftovers > 0)
        failed |=
            tj_json_set_int(details, "leftovers", (int64_t)end->n_leftovers);
    if (end->n_survivors > 0)
        failed |=
            tj_json_set_int(details, "survivors", (int64_t)end->n_survivors);
    return failed;
}

/* The command's own details, then the facts; what cannot be had for want of
 * memory is left out, since an end without details is better than none. */
static tj_json *details_make(const struct command_run *run,
                             const tj_warden_end *end)
{
    tj_json *details = run->notes.details ? tj_json_copy(run->notes.details)
                                          : tj_json_new_object();
    int failed = 0;

    if (!details)
        return NULL;
    failed |= tj_json_set_string(details, "run_id", run->run_id);
    failed |= set_status(details, end);
    if (end->pid > 0) {
        failed |= tj_json_set_int(details, "cpu_ms", end->cpu_ms);
        failed |= tj_json_set_int(details, "max_rss_kib", end->max_rss_kib);
    }
    failed |= set_output(details, "stdout", "stdout_size",
                         &run->captures[PIPE_STDOUT]);
    failed |= set_output(details, "stderr", "stderr_size",
                         &run->captures[PIPE_STDERR]);
    if (run->file && tj__output_file_error(run->file)->code != 0)
        failed |= tj_json_set_string(details, "output_error",
                                     tj__output_file_error(run->file)->message);
    (void)failed;
    return details;
}

static void run_fail(const struct command_run *run,
                     const tj_warden_end *end,
                     const tj_json *details)
{
    char text[256];
    tj_buf error = TJ_BUF_INIT;

    tj__warden_end_describe(end, run->command->timeout_ms, text, sizeof(text));
    tj__buf_append_text(&error, text);
    if (run->notes.result) {
        tj__buf_append_text(&error, ": ");
        tj__buf_append_text(&error, run->notes.result);
    }
    tj_run_fail(run->run, error.failed ? text : error.data, details);
    tj__buf_done(&error);
}

static void run_tell(const struct command_run *run, const tj_warden_end *end)
{
    tj_json *details = details_make(run, end);

    if (end->cause == TJ_WARDEN_EXITED && end->exit_status == 0)
        tj_run_complete(run->run, run->notes.result, details);
    else
        run_fail(run, end, details);
    tj_json_free(details);
}

static void
on_run_end(tj_warden_run *warden_run, const tj_warden_end *end, void *userdata)
{
    struct command_run *run = userdata;

    (void)warden_run;
    run->warden_run = NULL;
    for (size_t i = 0; i < N_PIPES; i++)
        tj__pipe_drain(&run->pipes[i]);
    tj__notes_end(&run->notes);
    if (is_listened_to(run))
        run_tell(run, end);
    run_close(run);
}

/* ---- the start ---------------------------------------------------------- */

/* When the lease's K will have come, on the wall clock. */
static int64_t deadline_ms(const struct command *command)
{
    const tj_command_host *host = command->host;
    const tj_deadline_cell *cell;
    struct timespec boot;
    struct timespec wall;
    int64_t kill_at_ns;

    if (command->cell < 0 || !host->cells)
        return 0;
    cell = tj__warden_cells_get(host->cells, (size_t)command->cell);
    kill_at_ns =
        cell ? atomic_load_explicit(&cell->kill_at_ns, memory_order_acquire)
             : 0;
    if (kill_at_ns == 0 || kill_at_ns == INT64_MAX)
        return 0;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 +
           (kill_at_ns - (int64_t)boot.tv_sec * 1000000000 - boot.tv_nsec) /
               1000000;
}

/* Fill the descriptors of `spec`; those that were made stay the caller's to
 * close when this fails. */
static int run_open(struct command_run *run,
                    const tj_command_context *context,
                    tj_warden_spec *spec,
                    tj_error *reterr)
{
    const struct command *command = run->command;
    struct uv_loop_s *uv = command->host->uv;
    int code;

    spec->stdin_fd = tj__context_stdin(context, reterr);
    if (spec->stdin_fd < 0)
        return TJ_ESYSTEM;
    code =
        tj__pipe_open(&run->pipes[PIPE_STDOUT], uv, &spec->stdout_fd, reterr);
    if (code == 0)
        code = tj__pipe_open(&run->pipes[PIPE_STDERR], uv, &spec->stderr_fd,
                             reterr);
    if (code == 0)
        code = tj__pipe_open(&run->pipes[PIPE_RESULT], uv, &spec->result_fd,
                             reterr);
    if (code == 0 && command->output_dir)
        code = tj__output_file_new(uv, command->output_dir, run->run_id,
                                   command->output_max, on_room, run,
                                   &run->file, reterr);
    return code;
}

static void spec_close(const tj_warden_spec *spec)
{
    const int fds[] = { spec->stdin_fd, spec->stdout_fd, spec->stderr_fd,
                        spec->result_fd };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static int run_start(struct command_run *run,
                     const tj_tick_context *tick,
                     tj_error *reterr)
{
    static const tj_warden_run_callbacks callbacks = { NULL, on_run_end };
    const struct command *command = run->command;
    const tj_command_context context = { tick, run->run_id,
                                         deadline_ms(command),
                                         command->timeout_ms };
    tj_warden_spec spec = {
        .run_id = run->run_id,
        .argv = (const char *const *)command->argv,
        .directory = command->directory,
        .umask = command->umask,
        .cell = command->cell,
        .term = tick->term,
        .stdin_fd = -1,
        .stdout_fd = -1,
        .stderr_fd = -1,
        .result_fd = -1,
        .timeout_ms = command->timeout_ms,
        .grace_ms = command->grace_ms,
    };
    char **env;
    int code;

    code = tj__warden_make_run_id(run->run_id);
    if (code != 0)
        return tj__error_set(reterr, code, "runners", "no random bits");
    code = run_open(run, &context, &spec, reterr);
    env = code == 0
              ? tj__context_env(&context, (const char *const *)command->env)
              : NULL;
    if (code == 0 && !env)
        code = tj__error_set(reterr, TJ_ENOMEM, "runners", "out of memory");
    if (code != 0) {
        spec_close(&spec);
        return code;
    }
    spec.env = (const char *const *)env;
    code = tj__warden_start_run(command->host->warden, &spec, &callbacks, run,
                                &run->warden_run, reterr);
    tj__context_env_free(env);
    return code;
}

static int run_begin(struct command *command,
                     tj_run handle,
                     const tj_tick_context *tick,
                     tj_error *reterr)
{
    const tj_command_host *host = command->host;
    struct command_run *run;
    int code;

    if (!host->warden)
        return tj__error_set(reterr, TJ_ECLOSED, "runners",
                             "there is no warden to start it");
    if (host->may_start &&
        !host->may_start(command->cell, reterr, host->userdata))
        return TJ_ECANCELED;
    run = run_make(command, handle);
    if (!run)
        return tj__error_set(reterr, TJ_ENOMEM, "runners", "out of memory");
    code = run_start(run, tick, reterr);
    if (code != 0) {
        run_close(run);
        return code;
    }
    for (size_t i = 0; i < N_PIPES; i++)
        tj__pipe_read(&run->pipes[i]);
    return 0;
}

static tj_run_status
on_run(tj_run handle, const tj_tick_context *tick, void *userdata)
{
    tj_error error = TJ_ERROR_INIT;
    tj_buf text = TJ_BUF_INIT;

    if (run_begin(userdata, handle, tick, &error) == 0)
        return TJ_RUN_PENDING;
    tj__buf_printf(&text, "not started: %s", error.message);
    tj_run_fail(handle, text.failed ? error.message : text.data,
                /* details= */ NULL);
    tj__buf_done(&text);
    return TJ_RUN_PENDING;
}

static void on_cancel(tj_run handle, tj_cancel_reason reason, void *userdata)
{
    const struct command *command = userdata;

    (void)reason;
    for (struct command_run *run = command->runs; run; run = run->next) {
        if (run->run.id != handle.id || run->run.engine != handle.engine)
            continue;
        run->cancelled = true;
        if (run->warden_run)
            tj__warden_stop_run(run->warden_run, command->grace_ms);
    }
}

static void on_free(void *userdata)
{
    struct command *command = userdata;

    if (!command)
        return;
    command->freed = true;
    if (!command->runs)
        command_free(command);
}

/* ---- making one --------------------------------------------------------- */

void tj__command_options_init(tj_command_options *options)
{
    *options = (tj_command_options){
        .umask = -1,
        .cell = TJ_WARDEN_NO_CELL,
        .grace_ms = 5000,
        .output_max = 1048576,
        .tail_max = 2048,
    };
}

static char **texts_copy(const char *const *texts)
{
    size_t n = 0;
    char **copy;

    while (texts && texts[n])
        n++;
    copy = tj__calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = tj__strdup(texts[i]);
        if (!copy[i]) {
            texts_free(copy);
            return NULL;
        }
    }
    return copy;
}

static int options_check(const tj_command_options *options, tj_error *reterr)
{
    if (!options->argv == !options->shell)
        return tj__error_set(reterr, TJ_EINVAL, "runners",
                             "a command needs either arguments or a shell "
                             "text");
    if (options->argv && (!options->argv[0] || !options->argv[0][0]))
        return tj__error_set(reterr, TJ_EINVAL, "runners",
                             "the command is empty");
    if (options->timeout_ms < 0 || options->grace_ms < 0)
        return tj__error_set(reterr, TJ_EINVAL, "runners",
                             "times cannot be negative");
    if (options->tail_max > TJ_COMMAND_TAIL_MAX)
        return tj__error_set(reterr, TJ_EINVAL, "runners",
                             "at most %d bytes of output in a log entry",
                             TJ_COMMAND_TAIL_MAX);
    for (size_t i = 0; options->env && options->env[i]; i++) {
        if (options->env[i][0] == '=' || !strchr(options->env[i], '='))
            return tj__error_set(reterr, TJ_EINVAL, "runners",
                                 "'%s' is not NAME=value", options->env[i]);
    }
    return 0;
}

/* False when out of memory. */
static bool command_fill(struct command *command,
                         const tj_command_options *options)
{
    const char *const shell[] = { "/bin/sh", "-c", options->shell, NULL };

    command->umask = options->umask;
    command->cell = options->cell;
    command->timeout_ms = options->timeout_ms;
    command->grace_ms = options->grace_ms;
    command->output_max = options->output_max;
    command->tail_max = options->tail_max;
    command->argv = texts_copy(options->argv ? options->argv : shell);
    command->env = texts_copy(options->env);
    command->directory = tj__strdup(options->directory);
    command->output_dir = tj__strdup(options->output_dir);
    return command->argv && command->env &&
           (command->directory || !options->directory) &&
           (command->output_dir || !options->output_dir);
}

int tj__command_runner_new(const tj_command_options *options,
                           tj_command_host *host,
                           tj_runner *ret_runner,
                           tj_error *reterr)
{
    struct command *command;
    int code = options_check(options, reterr);

    if (code != 0)
        return code;
    command = tj__calloc(1, sizeof(*command));
    if (!command || !command_fill(command, options)) {
        if (command)
            command_free(command);
        return tj__error_set(reterr, TJ_ENOMEM, "runners", "out of memory");
    }
    command->host = host;
    *ret_runner = (tj_runner)TJ_RUNNER_INIT;
    ret_runner->name = options->name;
    ret_runner->description = options->description;
    ret_runner->run = on_run;
    ret_runner->cancel = on_cancel;
    ret_runner->free = on_free;
    ret_runner->userdata = command;
    return 0;
}
