/* See context.h. */
#include "runners/context.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/iso_time.h"
#include "base/json_write.h"
#include "warden/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PREFIX "TIMED_JOBS_"
#define DEFAULT_PATH \
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- the environment ---------------------------------------------------- */

/* Grows with each variable; `failed` is looked at once, at the end. */
struct env {
    char **variables;
    size_t n;
    size_t capacity;
    bool failed;
};

static void env_add_take(struct env *env, char *variable)
{
    if (env->n + 2 > env->capacity) {
        size_t capacity = env->capacity ? 2 * env->capacity : 32;
        char **grown =
            tj__realloc(env->variables, capacity * sizeof(*env->variables));

        if (grown) {
            env->variables = grown;
            env->capacity = capacity;
        }
    }
    if (!variable || env->n + 2 > env->capacity) {
        env->failed = true;
        tj__free(variable);
        return;
    }
    env->variables[env->n++] = variable;
    env->variables[env->n] = NULL;
}

static void env_add(struct env *env, const char *name, const char *value)
{
    tj_buf text = TJ_BUF_INIT;

    tj__buf_append_text(&text, name);
    tj__buf_append_char(&text, '=');
    tj__buf_append_text(&text, value);
    env_add_take(env, tj__buf_take(&text, NULL));
}

static void env_add_int(struct env *env, const char *name, int64_t value)
{
    tj_buf text = TJ_BUF_INIT;

    tj__buf_append_text(&text, name);
    tj__buf_append_char(&text, '=');
    tj__buf_append_int(&text, value);
    env_add_take(env, tj__buf_take(&text, NULL));
}

/* The variable with the name of "NAME=value", among the first `n`. */
static char **env_find(const struct env *env, size_t n, const char *variable)
{
    const char *end = strchr(variable, '=');
    size_t size;

    if (!end)
        return NULL;
    size = (size_t)(end - variable) + 1;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(env->variables[i], variable, size) == 0)
            return &env->variables[i];
    }
    return NULL;
}

static void env_add_own(struct env *env, const tj_command_context *context)
{
    const tj_tick_context *tick = context->tick;
    char started[TJ_ISO_TIME_SIZE];

    tj__iso_time_print(started, tick->wall_ms);
    /* First: the warden looks for it in every orphan's environment. */
    env_add(env, PREFIX "RUN_ID", context->run_id);
    env_add(env, PREFIX "JOB", tick->job);
    env_add(env, PREFIX "RUNNER", tick->runner);
    env_add(env, PREFIX "BATCH_ID", tick->batch_id);
    env_add(env, PREFIX "TRIGGER", tj_trigger_to_string(tick->trigger));
    env_add(env, PREFIX "SCHEDULED_AT", started);
    env_add(env, PREFIX "CONTROLLER_ID", tick->controller_id);
    env_add(env, PREFIX "HOST", tick->host);
    env_add_int(env, PREFIX "TERM", tick->term);
    env_add_int(env, PREFIX "DEADLINE_MS", context->deadline_ms);
    env_add_int(env, PREFIX "TIMEOUT_MS", context->timeout_ms);
    env_add_int(env, PREFIX "INTERVAL_MS", tick->config.interval_ms);
    env_add_int(env, PREFIX "MAX_MESSAGES_PER_TICK",
                tick->config.max_messages_per_tick);
    env_add_int(env, PREFIX "MAX_TASKS_PER_TICK",
                tick->config.max_tasks_per_tick);
    env_add_int(env, PREFIX "SETTLE_DELAY_MS", tick->config.settle_delay_ms);
    env_add_int(env, PREFIX "RESULT_FD", TJ_WARDEN_RESULT_FD);
    if (tick->log_dir)
        env_add(env, PREFIX "LOG_DIR", tick->log_dir);
}

static void env_add_inherited(struct env *env)
{
    static const char *const names[] = { "PATH", "HOME", "LANG", "USER", "TZ" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here */
        const char *value = getenv(names[i]);

        if (!value && i == 0)
            value = DEFAULT_PATH;
        if (value)
            env_add(env, names[i], value);
    }
}

/* The run's own variables cannot be replaced: the warden knows a run by one,
 * and the others are facts. */
static void env_add_extra(struct env *env, size_t n_own, const char *variable)
{
    char **same = env->failed ? NULL : env_find(env, env->n, variable);

    if (!same) {
        env_add_take(env, tj__strdup(variable));
    } else if (same >= env->variables + n_own) {
        char *copy = tj__strdup(variable);

        if (copy) {
            tj__free(*same);
            *same = copy;
        } else {
            env->failed = true;
        }
    }
}

char **tj__context_env(const tj_command_context *context,
                       const char *const *extra)
{
    struct env env = { 0 };
    size_t n_own;

    env_add_own(&env, context);
    n_own = env.n;
    env_add_inherited(&env);
    for (; extra && *extra; extra++)
        env_add_extra(&env, n_own, *extra);
    if (!env.failed)
        return env.variables;
    tj__context_env_free(env.variables);
    return NULL;
}

void tj__context_env_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        tj__free(env[i]);
    tj__free(env);
}

/* ---- standard input ----------------------------------------------------- */

static tj_json *config_json(const tj_tick_config *config)
{
    tj_json *json = tj_json_new_object();
    int failed = 0;

    if (!json)
        return NULL;
    failed |= tj_json_set_int(json, "interval_ms", config->interval_ms);
    failed |= tj_json_set_int(json, "max_messages_per_tick",
                              config->max_messages_per_tick);
    failed |=
        tj_json_set_int(json, "max_tasks_per_tick", config->max_tasks_per_tick);
    failed |= tj_json_set_int(json, "settle_delay_ms", config->settle_delay_ms);
    if (failed == 0)
        return json;
    tj_json_free(json);
    return NULL;
}

static tj_json *context_json(const tj_command_context *context)
{
    const tj_tick_context *tick = context->tick;
    char started[TJ_ISO_TIME_SIZE];
    tj_json *json = tj_json_new_object();
    int failed = 0;

    if (!json)
        return NULL;
    tj__iso_time_print(started, tick->wall_ms);
    failed |= tj_json_set_string(json, "run_id", context->run_id);
    failed |= tj_json_set_string(json, "job", tick->job);
    failed |= tj_json_set_string(json, "runner", tick->runner);
    failed |= tj_json_set_string(json, "batch_id", tick->batch_id);
    failed |= tj_json_set_string(json, "trigger",
                                 tj_trigger_to_string(tick->trigger));
    failed |= tj_json_set_string(json, "scheduled_at", started);
    failed |= tj_json_set_string(json, "controller_id", tick->controller_id);
    failed |= tj_json_set_string(json, "host", tick->host);
    failed |= tj_json_set_int(json, "term", tick->term);
    failed |= tj_json_set_int(json, "deadline_ms", context->deadline_ms);
    failed |= tj_json_set_int(json, "timeout_ms", context->timeout_ms);
    failed |= tj_json_set_take(json, "config", config_json(&tick->config));
    failed |= tj_json_set_string(json, "log_dir", tick->log_dir);
    if (failed == 0)
        return json;
    tj_json_free(json);
    return NULL;
}

/* Fill a memfd, rewind it, and let nobody change it any more. */
static bool memory_fill(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        size -= (size_t)written;
    }
    return lseek(fd, 0, SEEK_SET) == 0 &&
           fcntl(fd, F_ADD_SEALS,
                 F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
}

static int memory_of(const char *text, size_t size, tj_error *reterr)
{
    int fd =
        memfd_create("timed-jobs-context", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int error;

    if (fd >= 0 && memory_fill(fd, text, size))
        return fd;
    error = errno;
    if (fd >= 0)
        close(fd);
    tj__error_set_errno(reterr, error, "runners", "cannot make standard input");
    return -1;
}

int tj__context_stdin(const tj_command_context *context, tj_error *reterr)
{
    tj_json *json = context_json(context);
    tj_buf text = TJ_BUF_INIT;
    int fd;

    if (json)
        tj__json_write_value(&text, json);
    tj__buf_append_char(&text, '\n');
    if (json && !text.failed) {
        fd = memory_of(text.data, text.size, reterr);
    } else {
        tj__error_set(reterr, TJ_ENOMEM, "runners", "out of memory");
        fd = -1;
    }
    tj_json_free(json);
    tj__buf_done(&text);
    return fd;
}
