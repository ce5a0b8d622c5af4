/* What a runner does: its command or shell text, and its environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "daemon/config_bind.h"
#include "daemon/config_report.h"
#include "daemon/config_value.h"

/* ---- command and shell -------------------------------------------------- */

/* Check the elements; the number of them, 0 when refused. */
static size_t count_arguments(struct config_binding *binding,
                              const struct config_place *place,
                              uint32_t list)
{
    const struct config_node *node = config_node(binding->tree, list);
    uint32_t element;
    size_t count = 0;
    bool good = true;

    for (element = node->child; element;
         element = config_node(binding->tree, element)->next) {
        good = config_bind_expect(binding, place, "command", element,
                                  CONFIG_NODE_TEXT) &&
               good;
        count++;
    }
    if (!good)
        return 0;
    if (!count || !config_node(binding->tree, node->child)->text[0]) {
        config_bind_refuse(
            binding, place, "command", config_node_mark(binding->tree, list),
            "write [PROGRAM, ARGUMENT, ...]", "does not name a program");
        return 0;
    }
    return count;
}

static int keep_arguments(struct config_binding *binding,
                          uint32_t first,
                          size_t count,
                          struct config_runner *runner)
{
    struct config_arena *memory = binding->config->memory;
    const char **argv = config_arena_take(memory, (count + 1) * sizeof(*argv));
    uint32_t element = first;
    size_t at;

    if (!argv)
        return TJ_ENOMEM;
    for (at = 0; at < count; at++) {
        argv[at] = config_keep(binding->config,
                               config_node(binding->tree, element)->text);
        if (!argv[at])
            return TJ_ENOMEM;
        element = config_node(binding->tree, element)->next;
    }
    runner->argv = argv;
    runner->n_argv = count;
    runner->is_shell = false;
    return 0;
}

/* A single word is a program without arguments; more than one word would leave
 * open who splits it. */
static int bind_word(struct config_binding *binding,
                     const struct config_place *place,
                     uint32_t value,
                     struct config_runner *runner)
{
    const char *text = config_node(binding->tree, value)->text;

    if (text[0] && !strpbrk(text, " \t\r\n"))
        return keep_arguments(binding, value, 1, runner);
    config_bind_refuse(binding, place, "command",
                       config_node_mark(binding->tree, value),
                       "write a list: [PROGRAM, ARGUMENT, ...]; or 'shell:' "
                       "for a text that /bin/sh is to read",
                       text[0] ? "expected a list, found a text of several "
                                 "words"
                               : "does not name a program");
    return 0;
}

static int bind_argv(struct config_binding *binding,
                     const struct config_place *place,
                     uint32_t value,
                     struct config_runner *runner)
{
    const struct config_node *node = config_node(binding->tree, value);
    size_t count;

    if (node->type == CONFIG_NODE_TEXT)
        return bind_word(binding, place, value, runner);
    if (!config_bind_expect(binding, place, "command", value, CONFIG_NODE_LIST))
        return 0;
    count = count_arguments(binding, place, value);
    return count ? keep_arguments(binding, node->child, count, runner) : 0;
}

static int bind_shell(struct config_binding *binding,
                      const struct config_place *place,
                      uint32_t value,
                      struct config_runner *runner)
{
    struct config *config = binding->config;
    const char **argv;
    const char *text;

    if (!config_bind_expect(binding, place, "shell", value, CONFIG_NODE_TEXT))
        return 0;
    text = config_node(binding->tree, value)->text;
    if (!text[strspn(text, " \t\r\n")]) {
        config_bind_refuse(binding, place, "shell",
                           config_node_mark(binding->tree, value), NULL,
                           "has no text for the shell");
        return 0;
    }
    argv = config_arena_take(config->memory, 4 * sizeof(*argv));
    if (!argv)
        return TJ_ENOMEM;
    argv[0] = "/bin/sh";
    argv[1] = "-c";
    argv[2] = config_keep(config, text);
    if (!argv[2])
        return TJ_ENOMEM;
    runner->argv = argv;
    runner->n_argv = 3;
    runner->is_shell = true;
    return 0;
}

int config_bind_command(struct config_binding *binding,
                        const struct config_place *place,
                        enum config_section section,
                        const struct config_found *found,
                        struct config_runner *runner)
{
    bool in_job = section == CONFIG_SECTION_JOB;
    struct config_found command =
        found[in_job ? CONFIG_KEY_JOB_COMMAND : CONFIG_KEY_RUNNER_COMMAND];
    struct config_found shell =
        found[in_job ? CONFIG_KEY_JOB_SHELL : CONFIG_KEY_RUNNER_SHELL];
    int code = 0;

    if (command.key && shell.key) {
        struct config_found second =
            config_node(binding->tree, command.key)->line >
                    config_node(binding->tree, shell.key)->line
                ? command
                : shell;

        config_bind_refuse(
            binding, place, NULL, config_node_mark(binding->tree, second.key),
            "keep one of them", "has both 'command' and 'shell'");
    }
    if (command.value)
        code = bind_argv(binding, place, command.value, runner);
    if (!code && shell.value)
        code = bind_shell(binding, place, shell.value, runner);
    return code;
}

/* ---- environment -------------------------------------------------------- */

/* A variable on its way; later ones win. */
struct variable {
    struct config_env env;
    uint32_t key; /* node; 0: from the job */
};

static int variable_compare(const void *left_, const void *right_)
{
    const struct variable *left = left_;
    const struct variable *right = right_;
    int order = strcmp(left->env.name, right->env.name);

    if (order)
        return order;
    return (left->key > right->key) - (left->key < right->key);
}

static bool is_variable_name(const char *name)
{
    const char *at;

    if (!*name || (*name >= '0' && *name <= '9'))
        return false;
    for (at = name; *at; at++) {
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') &&
            !(*at >= '0' && *at <= '9') && *at != '_')
            return false;
    }
    return true;
}

static bool check_name(struct config_binding *binding,
                       const struct config_place *place,
                       uint32_t key)
{
    const struct config_node *node = config_node(binding->tree, key);
    struct config_mark mark = config_node_mark(binding->tree, key);
    char quoted[CONFIG_QUOTED_SIZE], message[CONFIG_QUOTED_SIZE + 64];

    if (!config_bind_expect(binding, place, "env", key, CONFIG_NODE_TEXT))
        return false;
    config_quote(quoted, node->text);
    if (!is_variable_name(node->text) || strlen(node->text) > 255) {
        snprintf(message, sizeof(message), "%s cannot be a variable's name",
                 quoted);
        config_bind_refuse(binding, place, "env", mark,
                           "letters, digits and '_', not a digit first",
                           message);
        return false;
    }
    if (strncmp(node->text, "TIMED_JOBS_", 11) == 0) {
        snprintf(message, sizeof(message), "%s is set by timed-jobs itself",
                 quoted);
        config_bind_refuse(binding, place, "env", mark,
                           "choose a name that does not start with "
                           "TIMED_JOBS_",
                           message);
        return false;
    }
    return true;
}

static bool check_variable(struct config_binding *binding,
                           const struct config_place *place,
                           uint32_t key,
                           uint32_t value)
{
    const struct config_node *node = config_node(binding->tree, value);
    struct config_place inside = *place;

    inside.map = "env";
    if (!check_name(binding, place, key) ||
        !config_bind_expect(binding, place, "env", value, CONFIG_NODE_TEXT))
        return false;
    if (node->is_plain && !node->text[0]) {
        config_bind_refuse(binding, &inside,
                           config_node(binding->tree, key)->text,
                           config_node_mark(binding->tree, key),
                           "write \"\" for an empty one", "has no value");
        return false;
    }
    return true;
}

/* Take the readable variables of the map; the number of them. */
static size_t collect(struct config_binding *binding,
                      const struct config_place *place,
                      uint32_t map,
                      struct variable *variables)
{
    const struct config_tree *tree = binding->tree;
    uint32_t key, value;
    size_t count = 0;

    for (key = config_node(tree, map)->child; key;
         key = config_node(tree, value)->next) {
        value = config_node(tree, key)->next;
        if (!check_variable(binding, place, key, value))
            continue;
        variables[count].env.name = config_node(tree, key)->text;
        variables[count].env.value = config_node(tree, value)->text;
        variables[count++].key = key;
    }
    return count;
}

/* Of neighbours with one name keep the last; two of the map itself are an
 * error. Returns how many are left. */
static size_t
merge(struct config_binding *binding, struct variable *variables, size_t count)
{
    size_t at, kept = 0;

    for (at = 0; at < count; at++) {
        struct variable *last = kept ? &variables[kept - 1] : NULL;

        if (!last || strcmp(last->env.name, variables[at].env.name) != 0) {
            variables[kept++] = variables[at];
            continue;
        }
        if (last->key)
            config_report_add(
                binding->report, CONFIG_ERROR,
                config_node_mark(binding->tree, variables[at].key), NULL,
                "key '%.64s' given twice (first on line "
                "%u)",
                last->env.name, config_node(binding->tree, last->key)->line);
        *last = variables[at];
    }
    return kept;
}

static int keep_variables(struct config *config,
                          const struct variable *variables,
                          size_t count,
                          struct config_runner *runner)
{
    struct config_env *env =
        config_arena_take(config->memory, (count + 1) * sizeof(*env));
    size_t at;

    if (!env)
        return TJ_ENOMEM;
    for (at = 0; at < count; at++) {
        env[at] = variables[at].env;
        if (!variables[at].key)
            continue; /* the job's: kept already */
        env[at].name = config_keep(config, env[at].name);
        env[at].value = config_keep(config, env[at].value);
        if (!env[at].name || !env[at].value)
            return TJ_ENOMEM;
    }
    runner->env = env;
    runner->n_env = count;
    return 0;
}

int config_bind_env(struct config_binding *binding,
                    const struct config_place *place,
                    uint32_t map,
                    struct config_runner *runner)
{
    const struct config_tree *tree = binding->tree;
    struct variable *variables;
    size_t count = runner->n_env;
    uint32_t node;
    int code;

    if (!config_bind_expect(binding, place, "env", map, CONFIG_NODE_MAP))
        return 0;
    for (node = config_node(tree, map)->child; node;
         node = config_node(tree, node)->next)
        count++; /* twice the number of pairs: more than enough */
    variables = tj__calloc(count + 1, sizeof(*variables));
    if (!variables)
        return TJ_ENOMEM;
    for (count = 0; count < runner->n_env; count++)
        variables[count].env = runner->env[count];
    count += collect(binding, place, map, variables + count);
    qsort(variables, count, sizeof(*variables), variable_compare);
    count = merge(binding, variables, count);
    code = keep_variables(binding->config, variables, count, runner);
    tj__free(variables);
    return code;
}

void config_check_size(struct config_binding *binding,
                       const struct config_place *place,
                       const struct config_runner *runner)
{
    enum { SIZE_LIMIT = 49152 };

    size_t size = strlen(runner->directory);
    char message[128];
    size_t at;

    for (at = 0; at < runner->n_argv; at++)
        size += strlen(runner->argv[at]) + 1;
    for (at = 0; at < runner->n_env; at++)
        size +=
            strlen(runner->env[at].name) + strlen(runner->env[at].value) + 2;
    if (size <= SIZE_LIMIT)
        return;
    snprintf(message, sizeof(message),
             "command and environment have %zu bytes; %d is the most", size,
             SIZE_LIMIT);
    config_bind_refuse(binding, place, NULL, runner->mark,
                       "put a long text into a file", message);
}
