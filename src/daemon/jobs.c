/* The jobs of a configuration as engines, and what is counted of them. */
#include "daemon/supervisor.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* ---- watching ticks ---- */

static void job_on_run_end(const tj_run_report *report, void *userdata)
{
    struct daemon_job *job = userdata;
    tj_buf text = TJ_BUF_INIT;

    if (report->status != TJ_RUN_FAILED || job->first_trouble)
        return;
    tj__buf_append_text(&text, report->runner);
    tj__buf_append_text(&text, ": ");
    tj__buf_append_text(&text, report->error ? report->error : "failed");
    job->first_trouble = tj__buf_take(&text, NULL);
}

static void job_count(struct daemon_job *job, const tj_tick_report *report)
{
    job->n_ticks++;
    switch (report->result->decision) {
    case TJ_DECISION_FAILED:
        job->n_failed++;
        break;
    case TJ_DECISION_SCHEDULED:
        job->n_failed += report->n_failed > 0;
        break;
    case TJ_DECISION_SKIPPED_BUSY:
    case TJ_DECISION_SKIPPED_NO_RUNNERS:
    case TJ_DECISION_SKIPPED_NOT_LEADER:
    case TJ_DECISION_SKIPPED_SYSTEM_PAUSED:
        job->n_skipped++;
        break;
    }
}

static void job_remember(struct daemon_job *job, const tj_tick_report *report)
{
    const char *error = job->first_trouble ? job->first_trouble : report->error;

    tj__free(job->last_error);
    job->last_error = tj__strdup(error);
    job->last_result = *report->result;
    job->last = *report;
    job->last.result = &job->last_result;
    job->last.error = job->last_error;
    job->has_last = true;
    if (report->trigger == TJ_TRIGGER_INTERVAL)
        job->next_wall_ms =
            report->wall_ms - report->duration_ms + job->config->interval_ms;
}

static tj_json *
tick_to_json(const char *job, const tj_tick_report *report, const char *error)
{
    tj_json *object = tj_json_new_object();

    tj_json_set_string(object, "job", job);
    tj_json_set_string(object, "batch_id", report->result->batch_id);
    tj_json_set_string(object, "decision",
                       tj_decision_to_string(report->result->decision));
    tj_json_set_string(object, "trigger",
                       tj_trigger_to_string(report->trigger));
    tj_json_set_int(object, "term", report->term);
    tj_json_set_int(object, "ended_ms", report->wall_ms);
    tj_json_set_int(object, "duration_ms", report->duration_ms);
    tj_json_set_int(object, "runner_count", report->result->runner_count);
    tj_json_set_int(object, "n_ok", report->n_ok);
    tj_json_set_int(object, "n_failed", report->n_failed);
    tj_json_set_int(object, "n_missed", (int64_t)report->n_missed);
    tj_json_set_string(object, "error", error);
    return object;
}

/* A follower's skips are told by one line about whom it follows, and a pause
 * by one line about the pause: not by a line each tick, unless asked. */
static bool tick_is_worth_a_line(const struct daemon *daemon,
                                 const tj_tick_report *report)
{
    if (daemon->options->verbose)
        return true;
    switch (report->result->decision) {
    case TJ_DECISION_SKIPPED_NOT_LEADER:
    case TJ_DECISION_SKIPPED_SYSTEM_PAUSED:
    case TJ_DECISION_SKIPPED_BUSY:
        return report->trigger == TJ_TRIGGER_MANUAL;
    case TJ_DECISION_FAILED:
    case TJ_DECISION_SCHEDULED:
    case TJ_DECISION_SKIPPED_NO_RUNNERS:
        break;
    }
    return true;
}

static void job_on_tick_end(const tj_tick_report *report, void *userdata)
{
    struct daemon_job *job = userdata;
    struct daemon *daemon = job->daemon;
    const bool skipped_busy =
        report->result->decision == TJ_DECISION_SKIPPED_BUSY;

    job_count(job, report);
    if (tick_is_worth_a_line(daemon, report))
        narrator_tick(&daemon->narrator, job->config->name, report,
                      skipped_busy ? NULL : job->first_trouble);
    if (daemon->n_servers && control_server_n_listeners(daemon->servers[0]) > 0)
        daemon_publish(daemon, "tick",
                       tick_to_json(job->config->name, report,
                                    job->first_trouble ? job->first_trouble
                                                       : report->error));
    /* A busy skip says nothing about the tick that is in flight. */
    if (skipped_busy)
        return;
    job_remember(job, report);
    tj__free(job->first_trouble);
    job->first_trouble = NULL;
    leadership_check_drained(daemon);
}

/* ---- making engines ---- */

static void runner_env_free(char **env)
{
    size_t at;

    for (at = 0; env && env[at]; at++)
        tj__free(env[at]);
    tj__free(env);
}

static char *env_pair(const char *name, const char *value)
{
    tj_buf text = TJ_BUF_INIT;

    tj__buf_append_text(&text, name);
    tj__buf_append_char(&text, '=');
    tj__buf_append_text(&text, value);
    return tj__buf_take(&text, NULL);
}

/* The runner's own environment, after what every command may want to know
 * about this daemon. The caller ends it with runner_env_free. */
static char **runner_env(const struct daemon *daemon,
                         const struct config_runner *config)
{
    char **env = tj__calloc(config->n_env + 3, sizeof(*env));
    size_t at, n = 0;

    if (!env)
        return NULL;
    env[n++] = env_pair("TIMED_JOBS_BIN", daemon->program);
    env[n++] = env_pair("TIMED_JOBS_SOCKET", daemon->server_paths[0]);
    for (at = 0; at < config->n_env; at++)
        env[n++] = env_pair(config->env[at].name, config->env[at].value);
    for (at = 0; at < n; at++) {
        if (env[at])
            continue;
        /* Keep what there is reachable for the one who frees it. */
        while (n > at)
            tj__free(env[--n]);
        env[at] = NULL;
        runner_env_free(env);
        return NULL;
    }
    return env;
}

static int job_add_runner(struct daemon_job *job,
                          const struct config_runner *config,
                          tj_error *reterr)
{
    struct daemon *daemon = job->daemon;
    tj_command_options options;
    tj_runner runner = TJ_RUNNER_INIT;
    char **env = runner_env(daemon, config);
    int code;

    if (!env)
        return tj__error_set(reterr, TJ_ENOMEM, "daemon", "out of memory");
    tj__command_options_init(&options);
    options.name = config->name;
    options.description = config->description;
    options.argv = (const char *const *)config->argv;
    options.env = (const char *const *)env;
    options.directory = config->directory;
    options.cell = 0;
    options.timeout_ms = config->timeout_ms;
    options.grace_ms = config->grace_ms;
    options.tail_max = (size_t)config->output_max;
    code = tj__command_runner_new(&options, &daemon->command_host, &runner,
                                  reterr);
    runner_env_free(env);
    if (!code)
        code = tj_engine_add_runner(job->engine, &runner, reterr);
    return code;
}

static int job_new(struct daemon_job *job, tj_error *reterr)
{
    struct daemon *daemon = job->daemon;
    const struct config_job *config = job->config;
    tj_engine_options options;
    size_t at;
    int code;

    tj_engine_options_init(&options);
    options.job = config->name;
    options.config.interval_ms = config->interval_ms;
    options.config.max_messages_per_tick = config->budgets.messages;
    options.config.max_tasks_per_tick = config->budgets.tasks;
    options.config.settle_delay_ms = config->budgets.settle_ms;
    options.loop = daemon->loop;
    options.log = tj_day_log_sink(daemon->log);
    options.log_dir = daemon->config->log.dir;
    options.gate_timeout_ms = config->gate_timeout_ms;
    options.coalesce_busy = config->coalesce_busy;
    /* -1 is for ever in the file, 0 in the engine; 0 in the file is at once. */
    options.drain_timeout_ms = daemon->config->stop.drain_ms;
    if (options.drain_timeout_ms < 0)
        options.drain_timeout_ms = 0;
    else if (options.drain_timeout_ms == 0)
        options.drain_timeout_ms = 1;
    options.observer.on_run_end = job_on_run_end;
    options.observer.on_tick_end = job_on_tick_end;
    options.observer.userdata = job;
    tj_lease_gate(daemon->lease, &options.gate);

    code = tj_engine_new(&options, &job->engine, reterr);
    for (at = 0; !code && at < config->n_runners; at++)
        code = job_add_runner(job, &config->runners[at], reterr);
    if (code)
        tj__error_prefix(reterr, "job '%s'", config->name);
    return code;
}

int jobs_new(struct daemon *daemon, tj_error *reterr)
{
    const struct config *config = daemon->config;
    size_t at;
    int code = 0;

    daemon->jobs = tj__calloc(config->n_jobs, sizeof(*daemon->jobs));
    if (!daemon->jobs)
        return tj__error_set(reterr, TJ_ENOMEM, "daemon", "out of memory");
    for (at = 0; !code && at < config->n_jobs; at++) {
        struct daemon_job *job = &daemon->jobs[at];
        size_t width = strlen(config->jobs[at].name);

        job->daemon = daemon;
        job->config = &config->jobs[at];
        if (width > daemon->narrator.job_width)
            daemon->narrator.job_width = width;
        daemon->n_jobs++;
        code = job_new(job, reterr);
    }
    return code;
}

int jobs_start(struct daemon *daemon, tj_error *reterr)
{
    size_t at;
    int code = 0;

    for (at = 0; !code && at < daemon->n_jobs; at++) {
        struct daemon_job *job = &daemon->jobs[at];

        code = tj_engine_start(job->engine, reterr);
        job->next_wall_ms =
            tj_clock_system().now(NULL).wall_ms + job->config->interval_ms;
        if (code)
            tj__error_prefix(reterr, "job '%s'", job->config->name);
    }
    return code;
}

static void job_on_stopped(void *userdata)
{
    struct daemon_job *job = userdata;

    job->next_wall_ms = 0;
    if (--job->daemon->n_stopping == 0)
        daemon_on_jobs_stopped(job->daemon);
}

void jobs_stop(struct daemon *daemon)
{
    size_t at;

    /* One more than there are, so that the last is not told inside here. */
    daemon->n_stopping = 1;
    for (at = 0; at < daemon->n_jobs; at++) {
        struct daemon_job *job = &daemon->jobs[at];

        daemon->n_stopping++;
        if (!job->engine || tj_engine_stop(job->engine, job_on_stopped, job))
            daemon->n_stopping--;
    }
    if (--daemon->n_stopping == 0)
        daemon_on_jobs_stopped(daemon);
}

void jobs_close(struct daemon *daemon)
{
    size_t at;

    for (at = 0; at < daemon->n_jobs; at++) {
        if (!daemon->jobs[at].engine)
            continue;
        daemon->n_closing++;
        tj_engine_close(daemon->jobs[at].engine, daemon_closed_one, daemon);
        daemon->jobs[at].engine = NULL;
    }
}

void jobs_free(struct daemon *daemon)
{
    size_t at;

    for (at = 0; at < daemon->n_jobs; at++) {
        tj__free(daemon->jobs[at].last_error);
        tj__free(daemon->jobs[at].first_trouble);
    }
    tj__free(daemon->jobs);
    daemon->jobs = NULL;
    daemon->n_jobs = 0;
}

bool jobs_are_busy(const struct daemon *daemon)
{
    size_t at;

    for (at = 0; at < daemon->n_jobs; at++) {
        if (daemon->jobs[at].engine &&
            tj_engine_is_busy(daemon->jobs[at].engine))
            return true;
    }
    return false;
}

struct daemon_job *jobs_find(struct daemon *daemon, const char *name)
{
    size_t at;

    for (at = 0; at < daemon->n_jobs; at++) {
        if (strcmp(daemon->jobs[at].config->name, name) == 0)
            return &daemon->jobs[at];
    }
    return NULL;
}

tj_json *job_to_json(const struct daemon_job *job)
{
    const struct config_job *config = job->config;
    tj_json *object = tj_json_new_object();
    tj_json *runners = tj_json_new_array();
    size_t at;

    for (at = 0; at < config->n_runners; at++)
        tj_json_append_take(runners,
                            tj_json_new_string(config->runners[at].name));
    tj_json_set_string(object, "name", config->name);
    tj_json_set_string(object, "description", config->description);
    tj_json_set_int(object, "every_ms", config->interval_ms);
    tj_json_set_take(object, "runners", runners);
    tj_json_set_bool(object, "busy",
                     job->engine && tj_engine_is_busy(job->engine));
    if (job->next_wall_ms)
        tj_json_set_int(object, "next_ms", job->next_wall_ms);
    else
        tj_json_set_null(object, "next_ms");
    tj_json_set_int(object, "n_ticks", (int64_t)job->n_ticks);
    tj_json_set_int(object, "n_failed", (int64_t)job->n_failed);
    tj_json_set_int(object, "n_skipped", (int64_t)job->n_skipped);
    if (job->has_last)
        tj_json_set_take(
            object, "last",
            tick_to_json(config->name, &job->last, job->last_error));
    else
        tj_json_set_null(object, "last");
    return object;
}
