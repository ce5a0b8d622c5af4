/* What the control interface answers. docs/design/control.md describes the
 * objects. */
#include "daemon/supervisor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#include <timedjobs/version.h>

static const char *arg_text(const control_call *call, const char *key)
{
    return tj_json_string_or(tj_json_get(control_call_args(call), key), NULL);
}

/* ---- looking ---- */

static tj_json *jobs_to_json(const struct daemon *daemon)
{
    tj_json *jobs = tj_json_new_array();
    size_t at;

    for (at = 0; at < daemon->n_jobs; at++)
        tj_json_append_take(jobs, job_to_json(&daemon->jobs[at]));
    return jobs;
}

static tj_json *log_to_json(const struct daemon *daemon)
{
    tj_json *object = tj_json_new_object();
    tj_day_log_stats stats;

    tj_day_log_get_stats(daemon->log, &stats);
    tj_json_set_string(object, "dir", daemon->config->log.dir);
    tj_json_set_int(object, "n_lines", (int64_t)stats.n_lines);
    tj_json_set_int(object, "n_written", (int64_t)stats.n_written);
    tj_json_set_int(object, "n_dropped", (int64_t)stats.n_dropped);
    tj_json_set_int(object, "queued_size", (int64_t)stats.queued_size);
    tj_json_set_string(object, "trouble",
                       stats.in_trouble ? stats.trouble.message : NULL);
    return object;
}

static tj_json *warden_to_json(const struct daemon *daemon)
{
    tj_json *object = tj_json_new_object();

    tj_json_set_int(object, "pid",
                    daemon->warden ? tj__warden_pid(daemon->warden) : 0);
    tj_json_set_int(object, "n_restarts", (int64_t)daemon->n_warden_restarts);
    tj_json_set_int(object, "n_runs",
                    daemon->warden ? (int64_t)tj__warden_n_runs(daemon->warden)
                                   : 0);
    tj_json_set_bool(object, "locked_in_memory",
                     daemon->warden_info.lock_errno == 0);
    return object;
}

static void warn(tj_json *warnings, const char *text)
{
    tj_json_append_take(warnings, tj_json_new_string(text));
}

static tj_json *warnings_to_json(const struct daemon *daemon)
{
    tj_json *warnings = tj_json_new_array();
    tj_day_log_stats stats;
    tj_lease_view view;

    tj_day_log_get_stats(daemon->log, &stats);
    tj_lease_read(daemon->lease, &view);
    if (stats.in_trouble)
        warn(warnings, "the log cannot be written");
    if (stats.n_dropped)
        warn(warnings, "log lines were dropped");
    if (!daemon->warden)
        warn(warnings, "there is no warden: no command can be started");
    if (daemon->warden_info.lock_errno)
        warn(warnings,
             "the warden is not locked in memory: under memory pressure it "
             "may be late");
    if (view.state == TJ_LEASE_LEADING &&
        view.start_until_ns <= tj_lease_now_ns())
        warn(warnings, "the lease was not confirmed in time");
    if (daemon->config->lease.on_hang == CONFIG_ON_HANG_KEEP)
        warn(warnings, "on_hang: keep is for debugging");
    warn(warnings,
         "commands run without a cgroup: a process that clears its "
         "environment and leaves its session is ended with the daemon, not "
         "with its run");
    return warnings;
}

static void operation_status(control_call *call, void *userdata)
{
    struct daemon *daemon = userdata;
    tj_json *object = tj_json_new_object();
    tj_lease_view view;

    tj_lease_read(daemon->lease, &view);
    tj_json_set_string(object, "version", tj_version());
    tj_json_set_int(object, "pid", getpid());
    tj_json_set_string(object, "host", tj_lease_get_host(daemon->lease));
    tj_json_set_string(object, "controller_id",
                       tj_lease_get_holder(daemon->lease));
    tj_json_set_string(object, "state",
                       daemon->phase <= DAEMON_RUNNING ? "running"
                                                       : "stopping");
    tj_json_set_int(object, "started_ms", daemon->started_wall_ms);
    tj_json_set_int(object, "now_ms", tj_clock_system().now(NULL).wall_ms);
    tj_json_set_string(object, "config", daemon->config->file);
    tj_json_set_take(object, "lease", leadership_to_json(daemon));
    tj_json_set_take(object, "pause",
                     leadership_pause_to_json(&view.row.pause));
    tj_json_set_take(object, "jobs", jobs_to_json(daemon));
    tj_json_set_take(object, "log", log_to_json(daemon));
    tj_json_set_take(object, "warden", warden_to_json(daemon));
    tj_json_set_take(object, "warnings", warnings_to_json(daemon));
    control_call_reply(call, 200, object);
}

static void operation_jobs(control_call *call, void *userdata)
{
    tj_json *object = tj_json_new_object();

    tj_json_set_take(object, "jobs", jobs_to_json(userdata));
    control_call_reply(call, 200, object);
}

static void operation_lease(control_call *call, void *userdata)
{
    control_call_reply(call, 200, leadership_to_json(userdata));
}

static void operation_livez(control_call *call, void *userdata)
{
    tj_json *object = tj_json_new_object();

    /* That this is answered at all is the answer: the loop moves. */
    (void)userdata;
    tj_json_set_string(object, "status", "ok");
    control_call_reply(call, 200, object);
}

static void operation_readyz(control_call *call, void *userdata)
{
    const struct daemon *daemon = userdata;
    tj_json *object;
    tj_day_log_stats stats;
    tj_lease_view view;

    tj_day_log_get_stats(daemon->log, &stats);
    tj_lease_read(daemon->lease, &view);
    if (daemon->phase != DAEMON_RUNNING) {
        control_call_fail(call, 503, "not_ready", "the daemon is stopping");
    } else if (stats.in_trouble) {
        control_call_fail(call, 503, "not_ready", "log: %s",
                          stats.trouble.message);
    } else if (!daemon->warden) {
        control_call_fail(call, 503, "not_ready", "there is no warden");
    } else if (!view.row_seen_ns && view.state != TJ_LEASE_LEADING) {
        control_call_fail(call, 503, "not_ready", "lease: %s", view.reason);
    } else {
        object = tj_json_new_object();
        tj_json_set_string(object, "status", "ok");
        tj_json_set_string(object, "role",
                           tj_lease_state_to_string(view.state));
        control_call_reply(call, 200, object);
    }
}

static void operation_events(control_call *call, void *userdata)
{
    struct daemon *daemon = userdata;
    control_stream *stream = control_call_open_stream(call);
    tj_json *lease;
    char *text;
    size_t size;

    if (!stream)
        return;
    lease = leadership_to_json(daemon);
    if (tj_json_print(lease, &text, &size) == 0) {
        control_stream_send(stream, "lease", text, size);
        tj_free(text);
    }
    tj_json_free(lease);
}

/* ---- ticks ---- */

/* A manual tick on its way. It outlives its call when nobody waits. */
struct pending_tick {
    struct daemon_job *job;
    control_call *call; /* NULL when nobody waits */
};

static void tick_ended(const tj_tick_result *result, void *userdata)
{
    struct pending_tick *tick = userdata;
    const struct daemon_job *job = tick->job;
    tj_json *object;

    if (tick->call) {
        const bool known = job->has_last && strcmp(job->last_result.batch_id,
                                                   result->batch_id) == 0;

        object = tj_json_new_object();
        tj_json_set_string(object, "job", job->config->name);
        tj_json_set_string(object, "batch_id", result->batch_id);
        tj_json_set_string(object, "decision",
                           tj_decision_to_string(result->decision));
        tj_json_set_int(object, "runner_count", result->runner_count);
        tj_json_set_int(object, "duration_ms",
                        known ? job->last.duration_ms : 0);
        tj_json_set_int(object, "n_ok", known ? job->last.n_ok : 0);
        tj_json_set_int(object, "n_failed", known ? job->last.n_failed : 0);
        if (known && job->last_error)
            tj_json_set_string(object, "error", job->last_error);
        control_call_reply(tick->call, 200, object);
    }
    tj__free(tick);
}

static void operation_tick(control_call *call, void *userdata)
{
    struct daemon *daemon = userdata;
    const char *name = arg_text(call, "job");
    const bool wait =
        tj_json_bool_or(tj_json_get(control_call_args(call), "wait"), true);
    struct daemon_job *job = name ? jobs_find(daemon, name) : NULL;
    struct pending_tick *tick;
    tj_json *object;

    if (!job) {
        control_call_fail(call, 404, "no_such_job", "there is no job '%s'",
                          name ? name : "");
        return;
    }
    if (daemon->phase != DAEMON_RUNNING) {
        control_call_fail(call, 409, "stopping", "the daemon is stopping");
        return;
    }
    tick = tj__calloc(1, sizeof(*tick));
    if (tick) {
        tick->job = job;
        tick->call = wait ? call : NULL;
    }
    if (!tick || tj_engine_tick(job->engine, tick_ended, tick)) {
        tj__free(tick);
        control_call_fail(call, 500, "out_of_memory", "out of memory");
        return;
    }
    if (!wait) {
        object = tj_json_new_object();
        tj_json_set_bool(object, "accepted", true);
        control_call_reply(call, 202, object);
    }
}

/* ---- pause and lease ---- */

struct pending_pause {
    struct daemon *daemon;
    control_call *call;
    tj_lease_pause pause; /* as asked for; all zero: resume */
    bool was_paused;
};

static void pause_ended(int code, const tj_error *error, void *userdata)
{
    struct pending_pause *pending = userdata;
    tj_json *object;

    if (code) {
        control_call_fail(pending->call, 500, "lease_unreachable", "%s",
                          error ? error->message : tj_error_text(code));
    } else {
        object = tj_json_new_object();
        if (pending->pause.paused)
            tj_json_set_take(object, "pause",
                             leadership_pause_to_json(&pending->pause));
        else
            tj_json_set_bool(object, "resumed", pending->was_paused);
        control_call_reply(pending->call, 200, object);
    }
    tj__free(pending);
}

static struct pending_pause *pending_pause_new(struct daemon *daemon,
                                               control_call *call)
{
    struct pending_pause *pending = tj__calloc(1, sizeof(*pending));
    tj_lease_view view;

    if (!pending) {
        control_call_fail(call, 500, "out_of_memory", "out of memory");
        return NULL;
    }
    tj_lease_read(daemon->lease, &view);
    pending->daemon = daemon;
    pending->call = call;
    pending->was_paused = view.row.pause.paused;
    return pending;
}

static void pending_pause_refused(struct pending_pause *pending,
                                  int code,
                                  const tj_error *error)
{
    control_call_fail(pending->call, code == TJ_EINVAL ? 400 : 409,
                      code == TJ_EINVAL ? "bad_argument" : "stopping", "%s",
                      error->message);
    tj__free(pending);
}

static void operation_pause(control_call *call, void *userdata)
{
    struct daemon *daemon = userdata;
    struct pending_pause *pending = pending_pause_new(daemon, call);
    const char *who = arg_text(call, "who");
    const char *why = arg_text(call, "why");
    tj_error error = TJ_ERROR_INIT;
    int code;

    if (!pending)
        return;
    pending->pause.paused = true;
    pending->pause.until_wall_ms =
        tj_json_int_or(tj_json_get(control_call_args(call), "until_ms"), 0);
    snprintf(pending->pause.who, sizeof(pending->pause.who), "%s", who);
    snprintf(pending->pause.why, sizeof(pending->pause.why), "%s",
             why ? why : "");
    code = tj_lease_set_pause(daemon->lease, who, why,
                              pending->pause.until_wall_ms, pause_ended,
                              pending, &error);
    if (code)
        pending_pause_refused(pending, code, &error);
}

static void operation_resume(control_call *call, void *userdata)
{
    struct daemon *daemon = userdata;
    struct pending_pause *pending = pending_pause_new(daemon, call);
    tj_error error = TJ_ERROR_INIT;
    int code;

    if (!pending)
        return;
    code = tj_lease_resume(daemon->lease, pause_ended, pending, &error);
    if (code)
        pending_pause_refused(pending, code, &error);
}

static void operation_step_down(control_call *call, void *userdata)
{
    struct daemon *daemon = userdata;
    tj_error error = TJ_ERROR_INIT;
    tj_lease_view view;
    int code;

    tj_lease_read(daemon->lease, &view);
    if (daemon->step_down_call) {
        control_call_fail(call, 409, "stepping_down",
                          "a step-down is under way");
        return;
    }
    code =
        tj_lease_step_down(daemon->lease, arg_text(call, "who"), NULL, &error);
    if (code) {
        control_call_fail(call, code == TJ_EINVAL ? 400 : 409,
                          code == TJ_EINVAL ? "bad_argument" : "not_leader",
                          "%s", error.message);
        return;
    }
    daemon->stepping_down = true;
    daemon->step_down_call = call;
    daemon->step_down_term = view.term;
}

static void operation_stop(control_call *call, void *userdata)
{
    struct daemon *daemon = userdata;
    const char *who = arg_text(call, "who");
    char by[96];
    tj_json *object = tj_json_new_object();

    snprintf(by, sizeof(by), "asked to by %s", who ? who : "somebody");
    tj_json_set_bool(object, "stopping", true);
    control_call_reply(call, 202, object);
    daemon_stop(daemon, by);
}

control_api operations_api(struct daemon *daemon)
{
    return (control_api){
        .userdata = daemon,
        .status = operation_status,
        .jobs = operation_jobs,
        .lease = operation_lease,
        .tick = operation_tick,
        .pause = operation_pause,
        .resume = operation_resume,
        .step_down = operation_step_down,
        .stop = operation_stop,
        .livez = operation_livez,
        .readyz = operation_readyz,
        .metrics = metrics_answer,
        .events = operation_events,
    };
}
