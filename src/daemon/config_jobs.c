/* `jobs:` of one file: each job, its schedule and its runners. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "daemon/config_bind.h"
#include "daemon/config_report.h"
#include "daemon/config_value.h"

/* One job on its way. */
struct job_binding {
    struct config_binding *all;
    struct config_place place;
    struct config_bound_job bound;
    struct config_found found[CONFIG_KEY_MAX_];
};

/* ---- names -------------------------------------------------------------- */

/* Entries of a job's own in the log carry "<job>.framework". */
static bool is_reserved(const char *name)
{
    static const char suffix[] = ".framework";
    size_t size = strlen(name);

    return size >= sizeof(suffix) - 1 &&
           strcmp(name + size - (sizeof(suffix) - 1), suffix) == 0;
}

static void check_job_name(struct config_binding *binding, uint32_t key)
{
    const struct config_node *node = config_node(binding->tree, key);
    struct config_mark mark = config_node_mark(binding->tree, key);
    char quoted[CONFIG_QUOTED_SIZE];

    config_quote(quoted, node->text);
    if (!tj__text_is_name(node->text)) {
        config_report_add(binding->report, CONFIG_ERROR, mark,
                          "a name has 1 to 64 letters, digits, '.', '_' or "
                          "'-' and starts with a letter or a digit",
                          "%s cannot be the name of a job", quoted);
    } else if (is_reserved(node->text)) {
        config_report_add(binding->report, CONFIG_ERROR, mark,
                          "entries of a job's own in the log are named so",
                          "the name %s is reserved: it ends in '.framework'",
                          quoted);
    }
}

/* ---- runners ------------------------------------------------------------ */

static int resolve_directory(struct config *config,
                             const struct config_found *found,
                             struct config_runner *runner)
{
    if (!found->value)
        return 0;
    runner->directory =
        config_path_below(config, config->directory, runner->directory);
    return runner->directory ? 0 : TJ_ENOMEM;
}

static void warn_timeout(struct job_binding *job,
                         const struct config_place *place,
                         struct config_found timeout,
                         const struct config_runner *runner)
{
    const struct config_job *bound = &job->bound.job;
    char path[CONFIG_PATH_SIZE];

    if (!timeout.value || !bound->interval_ms ||
        runner->timeout_ms <= bound->interval_ms)
        return;
    config_report_add(job->all->report, CONFIG_WARNING,
                      config_node_mark(job->all->tree, timeout.value),
                      "ticks that come due while a run goes on are skipped as "
                      "busy",
                      "%s: longer than the time between two ticks ('every')",
                      config_place_print(path, place, "timeout"));
}

/* True when the map has none of the keys, nor one that was meant to be one of
 * them. A file that could not be read to its end lacks nothing. */
static bool lacks(const struct job_binding *job,
                  uint32_t map,
                  const struct config_found *found,
                  const enum config_key *keys,
                  size_t n_keys)
{
    const struct config_tree *tree = job->all->tree;
    size_t at;

    if (!tree->is_complete)
        return false;
    for (at = 0; at < n_keys; at++) {
        const struct config_key_info *key = &config_keys[keys[at]];

        if (found[keys[at]].key ||
            config_bind_is_misspelt(tree, map, key->section, key->word))
            return false;
    }
    return true;
}

static void check_runner(const struct job_binding *job,
                         const struct config_place *place,
                         uint32_t map,
                         const struct config_found *found)
{
    static const enum config_key name[] = { CONFIG_KEY_RUNNER_NAME };

    static const enum config_key work[] = {
        CONFIG_KEY_RUNNER_COMMAND,
        CONFIG_KEY_RUNNER_SHELL,
        CONFIG_KEY_RUNNER_HTTP,
        CONFIG_KEY_RUNNER_PLUGIN,
    };
    struct config_mark mark = config_node_mark(job->all->tree, map);

    if (lacks(job, map, found, name, 1))
        config_bind_refuse(job->all, place, NULL, mark,
                           "add name: WORD; the log and the commands show it",
                           "the runner has no name");
    if (lacks(job, map, found, work, sizeof(work) / sizeof(work[0])))
        config_bind_refuse(job->all, place, NULL, mark,
                           "add command: [PROGRAM, ARGUMENT, ...] or shell: "
                           "TEXT",
                           "the runner does nothing");
}

static int bind_runner(struct job_binding *job,
                       uint32_t map,
                       size_t index,
                       struct config_runner *runner)
{
    struct config_binding *binding = job->all;
    struct config_place place = job->place;
    struct config_found found[CONFIG_KEY_MAX_];
    uint32_t name;
    int code;

    *runner = job->bound.runner;
    place.runner = (int64_t)index;
    code = config_bind_map(binding, &place, CONFIG_SECTION_RUNNER, map, runner,
                           found);
    if (code || config_node(binding->tree, map)->type != CONFIG_NODE_MAP)
        return code;
    code = config_bind_command(binding, &place, CONFIG_SECTION_RUNNER, found,
                               runner);
    if (!code && found[CONFIG_KEY_RUNNER_ENV].value)
        code = config_bind_env(binding, &place,
                               found[CONFIG_KEY_RUNNER_ENV].value, runner);
    if (!code)
        code = resolve_directory(binding->config,
                                 &found[CONFIG_KEY_RUNNER_DIRECTORY], runner);
    if (code)
        return code;
    name = found[CONFIG_KEY_RUNNER_NAME].value;
    runner->mark = config_node_mark(binding->tree, name ? name : map);
    warn_timeout(job, &place, found[CONFIG_KEY_RUNNER_TIMEOUT], runner);
    check_runner(job, &place, map, found);
    config_check_size(binding, &place, runner);
    return 0;
}

static int check_runner_name(struct job_binding *job,
                             struct config_names *names,
                             size_t index,
                             const struct config_runner *runner)
{
    struct config_place place = job->place;
    struct config_mark first;
    char message[160];
    int code;

    if (!runner->name)
        return 0;
    place.runner = (int64_t)index;
    if (is_reserved(runner->name))
        config_bind_refuse(job->all, &place, "name", runner->mark,
                           "entries of a job's own in the log are named so",
                           "names that end in '.framework' are reserved");
    code = config_names_add(names, runner->name, runner->mark, &first);
    if (code != TJ_EEXIST)
        return code;
    snprintf(message, sizeof(message),
             "the job has a runner '%s' already (on line %u)", runner->name,
             first.line);
    config_bind_refuse(job->all, &place, "name", runner->mark,
                       "give each runner of a job a name of its own", message);
    return 0;
}

static int bind_runner_list(struct job_binding *job, uint32_t list)
{
    struct config_binding *binding = job->all;
    const struct config_tree *tree = binding->tree;
    struct config_names names = { NULL, 0, 0 };
    struct config_runner *runners;
    size_t count = 0;
    uint32_t node;
    int code = 0;

    if (!config_bind_expect(binding, &job->place, "runners", list,
                            CONFIG_NODE_LIST))
        return 0;
    for (node = config_node(tree, list)->child; node;
         node = config_node(tree, node)->next)
        count++;
    if (!count && tree->is_complete)
        config_bind_refuse(
            binding, &job->place, "runners", config_node_mark(tree, list),
            "add one: - {name: hello, command: [date]}", "the list is empty");
    runners = config_arena_take(binding->config->memory,
                                (count + 1) * sizeof(*runners));
    if (!runners)
        return TJ_ENOMEM;
    node = config_node(tree, list)->child;
    for (count = 0; node && !code; count++) {
        code = bind_runner(job, node, count, &runners[count]);
        if (!code)
            code = check_runner_name(job, &names, count, &runners[count]);
        node = config_node(tree, node)->next;
    }
    config_names_done(&names);
    job->bound.job.runners = runners;
    job->bound.job.n_runners = count;
    return code;
}

/* The short form: the job's own keys are its one runner. */
static int bind_short_form(struct job_binding *job)
{
    struct config_binding *binding = job->all;
    struct config_runner *runner;
    int code = config_bind_command(binding, &job->place, CONFIG_SECTION_JOB,
                                   job->found, &job->bound.runner);

    if (code)
        return code;
    warn_timeout(job, &job->place, job->found[CONFIG_KEY_JOB_TIMEOUT],
                 &job->bound.runner);
    runner = config_arena_take(binding->config->memory, sizeof(*runner));
    if (!runner)
        return TJ_ENOMEM;
    *runner = job->bound.runner;
    runner->name = job->bound.job.name;
    runner->mark = job->bound.job.mark;
    config_check_size(binding, &job->place, runner);
    job->bound.job.runners = runner;
    job->bound.job.n_runners = 1;
    return 0;
}

static int bind_runners(struct job_binding *job, uint32_t map)
{
    static const enum config_key work[] = {
        CONFIG_KEY_JOB_RUNNERS, CONFIG_KEY_JOB_COMMAND, CONFIG_KEY_JOB_SHELL,
        CONFIG_KEY_JOB_HTTP,    CONFIG_KEY_JOB_PLUGIN,
    };
    struct config_binding *binding = job->all;
    const struct config_found *found = job->found;
    bool is_short =
        found[CONFIG_KEY_JOB_COMMAND].key || found[CONFIG_KEY_JOB_SHELL].key;
    uint32_t list = found[CONFIG_KEY_JOB_RUNNERS].value;
    uint32_t list_key = found[CONFIG_KEY_JOB_RUNNERS].key;

    if (list_key && is_short) {
        config_bind_refuse(binding, &job->place, NULL,
                           config_node_mark(binding->tree, list_key),
                           "'command' and 'shell' are short for one runner; "
                           "make it an element of the list",
                           "has both 'runners' and a command of its own");
    }
    if (is_short)
        return bind_short_form(job);
    if (list_key)
        return list ? bind_runner_list(job, list) : 0;
    if (lacks(job, map, found, work, sizeof(work) / sizeof(work[0])))
        config_bind_refuse(binding, &job->place, NULL, job->bound.job.mark,
                           "add command: [PROGRAM, ARGUMENT, ...], shell: "
                           "TEXT, or a list of runners",
                           "the job has no runner");
    return 0;
}

/* ---- jobs --------------------------------------------------------------- */

static void check_schedule(struct job_binding *job, uint32_t map)
{
    static const enum config_key schedule[] = {
        CONFIG_KEY_JOB_EVERY,
        CONFIG_KEY_JOB_CRON,
        CONFIG_KEY_JOB_AFTER,
    };

    if (lacks(job, map, job->found, schedule,
              sizeof(schedule) / sizeof(schedule[0])))
        config_bind_refuse(job->all, &job->place, NULL, job->bound.job.mark,
                           "add every: 30s", "the job has no schedule");
}

static void check_lease(struct job_binding *job)
{
    const struct config_lease *lease = &job->all->config->lease;
    struct config_found found = job->found[CONFIG_KEY_JOB_LEASE];
    char message[192];

    if (!found.value || strcmp(job->bound.job.lease, lease->name) == 0)
        return;
    snprintf(message, sizeof(message),
             "there is no lease '%.64s'; this version has one, named '%.64s'",
             job->bound.job.lease, lease->name);
    config_bind_refuse(job->all, &job->place, "lease",
                       config_node_mark(job->all->tree, found.value),
                       "leave the key out", message);
}

static int bind_budgets(struct job_binding *job)
{
    struct config_place place = job->place;
    struct config_budgets *budgets = &job->bound.job.budgets;
    struct config_found found[CONFIG_KEY_MAX_];
    struct config_found map = job->found[CONFIG_KEY_JOB_BUDGETS];
    int code = config_bind_defaults(job->all, CONFIG_SECTION_BUDGETS, budgets);

    if (code || !map.value)
        return code;
    place.map = "budgets";
    return config_bind_map(job->all, &place, CONFIG_SECTION_BUDGETS, map.value,
                           budgets, found);
}

/* Everything of a job whose name is good. */
static int bind_job(struct job_binding *job, uint32_t map)
{
    struct config *config = job->all->config;
    struct config_runner *runner = &job->bound.runner;
    struct config_job *bound = &job->bound.job;
    int code = config_bind_defaults(job->all, CONFIG_SECTION_JOB, &job->bound);

    bound->lease = config->lease.name;
    runner->directory = config->state;
    if (!code)
        code = config_bind_map(job->all, &job->place, CONFIG_SECTION_JOB, map,
                               &job->bound, job->found);
    if (code || config_node(job->all->tree, map)->type != CONFIG_NODE_MAP)
        return code;
    check_schedule(job, map);
    check_lease(job);
    code = bind_budgets(job);
    if (!code)
        code = resolve_directory(config, &job->found[CONFIG_KEY_JOB_DIRECTORY],
                                 runner);
    if (!code && job->found[CONFIG_KEY_JOB_ENV].value)
        code = config_bind_env(job->all, &job->place,
                               job->found[CONFIG_KEY_JOB_ENV].value, runner);
    return code ? code : bind_runners(job, map);
}

static void refuse_same_job(struct config_binding *binding,
                            uint32_t key,
                            const char *name,
                            struct config_mark first)
{
    struct config_mark mark = config_node_mark(binding->tree, key);
    const struct config_source *source =
        config_report_source(binding->report, first.file);
    char quoted[CONFIG_QUOTED_SIZE];

    if (first.file == mark.file)
        config_report_add(binding->report, CONFIG_ERROR, mark, NULL,
                          "job %s given twice (first on line %u)",
                          config_quote(quoted, name), first.line);
    else
        config_report_add(binding->report, CONFIG_ERROR, mark,
                          "a job stands in one file only",
                          "job %s given twice (first in %s:%u)",
                          config_quote(quoted, name), source->name, first.line);
}

static int jobs_add(struct config_binding *binding,
                    const struct config_job *job)
{
    struct config *config = binding->config;
    size_t capacity = binding->job_capacity ? binding->job_capacity * 2 : 16;
    struct config_job *jobs = config->jobs;

    if (config->n_jobs == binding->job_capacity) {
        jobs = tj__realloc(jobs, capacity * sizeof(*jobs));
        if (!jobs)
            return TJ_ENOMEM;
        config->jobs = jobs;
        binding->job_capacity = capacity;
    }
    jobs[config->n_jobs++] = *job;
    return 0;
}

static int
bind_named_job(struct config_binding *binding, uint32_t key, uint32_t value)
{
    struct job_binding job = { .all = binding };
    struct config_job *bound = &job.bound.job;
    struct config_mark first;
    int code;

    bound->name =
        config_keep(binding->config, config_node(binding->tree, key)->text);
    bound->mark = config_node_mark(binding->tree, key);
    if (!bound->name)
        return TJ_ENOMEM;
    code = config_names_add(&binding->jobs, bound->name, bound->mark, &first);
    if (code == TJ_EEXIST) {
        refuse_same_job(binding, key, bound->name, first);
        return 0;
    }
    job.place.job = bound->name;
    job.place.runner = -1;
    if (!code)
        code = bind_job(&job, value);
    return code ? code : jobs_add(binding, bound);
}

static bool is_null(const struct config_node *node)
{
    return node->type == CONFIG_NODE_TEXT && node->is_plain && !*node->text;
}

int config_bind_jobs(struct config_binding *binding, uint32_t jobs)
{
    static const struct config_place place = { "jobs", NULL, -1 };
    const struct config_tree *tree = binding->tree;
    char quoted[CONFIG_QUOTED_SIZE];
    uint32_t key, value;
    int code = 0;

    if (!config_bind_expect(binding, &place, NULL, jobs, CONFIG_NODE_MAP))
        return 0;
    for (key = config_node(tree, jobs)->child; key && !code;
         key = config_node(tree, value)->next) {
        value = config_node(tree, key)->next;
        if (!config_bind_expect(binding, &place, NULL, key, CONFIG_NODE_TEXT))
            continue;
        check_job_name(binding, key);
        if (is_null(config_node(tree, value))) {
            config_report_add(
                binding->report, CONFIG_ERROR, config_node_mark(tree, key),
                "indent the job's keys below its name", "job %s is empty",
                config_quote(quoted, config_node(tree, key)->text));
            continue;
        }
        code = bind_named_job(binding, key, value);
    }
    return code;
}
