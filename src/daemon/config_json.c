/* The effective configuration as JSON, in the words and the shape of the
 * file, so that what is printed can be read again and means the same. */
#include <string.h>

#include "daemon/config.h"
#include "daemon/config_table.h"
#include "daemon/config_value.h"

static int set_text(tj_json *object, const char *word, tj_buf *text)
{
    int code = TJ_ENOMEM;

    if (!text->failed)
        code = tj_json_set_string(object, word, text->data);
    tj__buf_done(text);
    return code;
}

static int
set_number(tj_json *object, const struct config_key_info *key, int64_t value)
{
    tj_buf text = TJ_BUF_INIT;

    if (key->type == CONFIG_TYPE_INTEGER)
        return tj_json_set_int(object, key->word, value);
    config_print_number(key, value, &text);
    return set_text(object, key->word, &text);
}

static int
set_enum(tj_json *object, const struct config_key_info *key, int value)
{
    tj_buf text = TJ_BUF_INIT;

    config_print_enum(key, value, &text);
    return set_text(object, key->word, &text);
}

static int set_backend(tj_json *object,
                       const char *word,
                       const struct config_backend *backend)
{
    tj_buf text = TJ_BUF_INIT;

    if (!backend->path)
        return tj_json_set_string(object, word, backend->text);
    tj__buf_printf(&text, "sqlite:%s", backend->path);
    return set_text(object, word, &text);
}

/* A key that one value fills; texts that are absent are left out. */
static int
set_member(tj_json *object, const struct config_key_info *key, const void *base)
{
    const void *member = (const char *)base + key->offset;
    const char *text;

    switch (key->type) {
    case CONFIG_TYPE_DURATION:
    case CONFIG_TYPE_DAYS:
    case CONFIG_TYPE_SIZE:
    case CONFIG_TYPE_INTEGER:
        return set_number(object, key, *(const int64_t *)member);
    case CONFIG_TYPE_BOOL:
        return tj_json_set_bool(object, key->word, *(const bool *)member);
    case CONFIG_TYPE_ENUM:
        return set_enum(object, key, *(const int *)member);
    case CONFIG_TYPE_NAME:
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_PATH:
        text = *(const char *const *)member;
        return text ? tj_json_set_string(object, key->word, text) : 0;
    case CONFIG_TYPE_BACKEND:
        return set_backend(object, key->word, member);
    case CONFIG_TYPE_COMMAND:
    case CONFIG_TYPE_SHELL:
    case CONFIG_TYPE_ENV:
    case CONFIG_TYPE_SECTION:
    case CONFIG_TYPE_RUNNERS:
    case CONFIG_TYPE_JOBS:
    case CONFIG_TYPE_LATER:
        break;
    }
    return 0;
}

/* All single values of a section whose member is below `limit`. */
static int set_section(tj_json *object,
                       enum config_section section,
                       const void *base,
                       size_t limit)
{
    struct config_key_range range = config_section_keys(section);
    size_t at;
    int code = 0;

    for (at = range.first; !code && at < range.first + range.count; at++) {
        if (config_keys[at].offset < limit)
            code = set_member(object, &config_keys[at], base);
    }
    return code;
}

/* A new object below `object`; NULL when out of memory. Valid until the
 * object it belongs to changes its keys. */
static int set_object(tj_json *object,
                      const char *word,
                      enum config_section section,
                      const void *base)
{
    tj_json *map = tj_json_new_object();

    if (!map || set_section(map, section, base, SIZE_MAX)) {
        tj_json_free(map);
        return TJ_ENOMEM;
    }
    return tj_json_set_take(object, word, map);
}

static int set_command(tj_json *object, const struct config_runner *runner)
{
    tj_json *list;
    size_t at;

    if (runner->is_shell)
        return tj_json_set_string(object, "shell", runner->argv[2]);
    list = tj_json_new_array();
    for (at = 0; list && at < runner->n_argv; at++) {
        if (tj_json_append_take(list, tj_json_new_string(runner->argv[at]))) {
            tj_json_free(list);
            list = NULL;
        }
    }
    return tj_json_set_take(object, "command", list);
}

static int set_env(tj_json *object, const struct config_runner *runner)
{
    tj_json *map;
    size_t at;

    if (!runner->n_env)
        return 0;
    map = tj_json_new_object();
    for (at = 0; map && at < runner->n_env; at++) {
        if (tj_json_set_string(map, runner->env[at].name,
                               runner->env[at].value)) {
            tj_json_free(map);
            map = NULL;
        }
    }
    return tj_json_set_take(object, "env", map);
}

static tj_json *runner_to_json(const struct config_runner *runner)
{
    tj_json *object = tj_json_new_object();

    if (!object ||
        set_section(object, CONFIG_SECTION_RUNNER, runner, SIZE_MAX) ||
        set_command(object, runner) || set_env(object, runner)) {
        tj_json_free(object);
        return NULL;
    }
    return object;
}

static tj_json *job_to_json(const struct config_job *job)
{
    tj_json *object = tj_json_new_object();
    tj_json *runners = tj_json_new_array();
    size_t at;

    for (at = 0; runners && at < job->n_runners; at++) {
        if (tj_json_append_take(runners, runner_to_json(&job->runners[at]))) {
            tj_json_free(runners);
            runners = NULL;
        }
    }
    /* The job begins a struct config_bound_job; what follows it there, the
     * defaults of its runners, stands in each of them already. */
    if (!object ||
        set_section(object, CONFIG_SECTION_JOB, job,
                    offsetof(struct config_bound_job, runner)) ||
        set_object(object, "budgets", CONFIG_SECTION_BUDGETS, &job->budgets)) {
        tj_json_free(runners);
        tj_json_free(object);
        return NULL;
    }
    if (tj_json_set_take(object, "runners", runners)) {
        tj_json_free(object);
        return NULL;
    }
    return object;
}

static tj_json *jobs_to_json(const struct config *config)
{
    tj_json *jobs = tj_json_new_object();
    size_t at;

    for (at = 0; jobs && at < config->n_jobs; at++) {
        if (tj_json_set_take(jobs, config->jobs[at].name,
                             job_to_json(&config->jobs[at]))) {
            tj_json_free(jobs);
            return NULL;
        }
    }
    return jobs;
}

tj_json *config_to_json(const struct config *config)
{
    tj_json *object = tj_json_new_object();

    if (!object || set_section(object, CONFIG_SECTION_ROOT, config, SIZE_MAX) ||
        set_object(object, "lease", CONFIG_SECTION_LEASE, &config->lease) ||
        set_object(object, "log", CONFIG_SECTION_LOG, &config->log) ||
        set_object(object, "control", CONFIG_SECTION_CONTROL,
                   &config->control) ||
        set_object(object, "stop", CONFIG_SECTION_STOP, &config->stop) ||
        tj_json_set_take(object, "jobs", jobs_to_json(config))) {
        tj_json_free(object);
        return NULL;
    }
    return object;
}
