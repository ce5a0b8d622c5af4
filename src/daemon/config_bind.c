/* See config_bind.h. */
#include "daemon/config_bind.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "daemon/config_report.h"
#include "daemon/config_value.h"

/* ---- messages ----------------------------------------------------------- */

const char *config_place_print(char path[CONFIG_PATH_SIZE],
                               const struct config_place *place,
                               const char *word)
{
    char runner[32] = "";

    if (place->runner >= 0)
        snprintf(runner, sizeof(runner), ".runners[%lld]",
                 (long long)place->runner);
    snprintf(path, CONFIG_PATH_SIZE, "%s%.64s%s%s%s%s%.64s",
             place->job ? "jobs." : "", place->job ? place->job : "", runner,
             place->job && place->map ? "." : "", place->map ? place->map : "",
             word && (place->job || place->map) ? "." : "", word ? word : "");
    return path;
}

void config_bind_refuse(struct config_binding *binding,
                        const struct config_place *place,
                        const char *word,
                        struct config_mark mark,
                        const char *hint,
                        const char *message)
{
    char path[CONFIG_PATH_SIZE];

    config_place_print(path, place, word);
    config_report_add(binding->report, CONFIG_ERROR, mark,
                      hint && *hint ? hint : NULL, "%s%s%s", path,
                      *path ? ": " : "", message);
}

static const char *type_name(uint8_t type)
{
    switch (type) {
    case CONFIG_NODE_LIST:
        return "a list";
    case CONFIG_NODE_MAP:
        return "a map of keys";
    default:
        return "a single value";
    }
}

static bool is_null(const struct config_node *node)
{
    return node->type == CONFIG_NODE_TEXT && node->is_plain && !node->text[0];
}

bool config_bind_expect(struct config_binding *binding,
                        const struct config_place *place,
                        const char *word,
                        uint32_t value,
                        enum config_node_type type)
{
    const struct config_node *node = config_node(binding->tree, value);
    const char *hint = NULL;
    char message[128];

    if (node->type == CONFIG_NODE_BAD)
        return false;
    if (node->type == type)
        return true;
    if (type == CONFIG_NODE_TEXT)
        hint = "quote a text that starts with '[', '{' or '- '";
    else if (type == CONFIG_NODE_MAP && node->type == CONFIG_NODE_TEXT)
        hint = "write 'key: value' with a space after the colon";
    else if (type == CONFIG_NODE_MAP)
        hint = "write 'key: value' pairs, without '- ' or brackets";
    snprintf(message, sizeof(message), "expected %s, found %s",
             type_name((uint8_t)type), type_name(node->type));
    config_bind_refuse(binding, place, word,
                       config_node_mark(binding->tree, value), hint, message);
    return false;
}

/* ---- single values ------------------------------------------------------ */

const char *config_keep(struct config *config, const char *text)
{
    return config_arena_copy(config->memory, text, strlen(text));
}

static int store_text(struct config *config, const char *text, void *member)
{
    const char *copy = config_keep(config, text);

    if (!copy)
        return TJ_ENOMEM;
    *(const char **)member = copy;
    return 0;
}

static int store_backend(struct config_binding *binding,
                         const char *text,
                         struct config_backend *backend,
                         struct config_problem *problem)
{
    struct config_backend bound;

    if (!config_read_backend(text, &bound.kind, &bound.path, problem))
        return TJ_EINVAL;
    bound.text = config_keep(binding->config, text);
    if (!bound.text)
        return TJ_ENOMEM;
    /* The path is made absolute once the state directory is known. */
    if (bound.path)
        bound.path = bound.text + (bound.path - text);
    *backend = bound;
    return 0;
}

/* Returns 0, TJ_EINVAL with the problem, or TJ_ENOMEM. */
static int store_value(struct config_binding *binding,
                       const struct config_key_info *key,
                       const char *text,
                       void *member,
                       struct config_problem *problem)
{
    switch (key->type) {
    case CONFIG_TYPE_DURATION:
    case CONFIG_TYPE_DAYS:
    case CONFIG_TYPE_SIZE:
    case CONFIG_TYPE_INTEGER:
        return config_read_number(key, text, member, problem) ? 0 : TJ_EINVAL;
    case CONFIG_TYPE_BOOL:
        return config_read_bool(text, member, problem) ? 0 : TJ_EINVAL;
    case CONFIG_TYPE_ENUM:
        return config_read_enum(key, text, member, problem) ? 0 : TJ_EINVAL;
    case CONFIG_TYPE_NAME:
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_PATH:
        if (!config_check_text(key, text, problem))
            return TJ_EINVAL;
        return store_text(binding->config, text, member);
    case CONFIG_TYPE_BACKEND:
        return store_backend(binding, text, member, problem);
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

static bool is_single(enum config_type type)
{
    return type <= CONFIG_TYPE_BACKEND;
}

/* "null" and "~" are texts here, which is hardly what was meant. */
static bool is_yaml_null(const struct config_node *node)
{
    return node->is_plain &&
           (strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0 ||
            strcmp(node->text, "Null") == 0 || strcmp(node->text, "NULL") == 0);
}

int config_bind_value(struct config_binding *binding,
                      const struct config_place *place,
                      enum config_key key,
                      uint32_t value,
                      void *base)
{
    const struct config_key_info *info = &config_keys[key];
    const struct config_node *node = config_node(binding->tree, value);
    struct config_mark mark = config_node_mark(binding->tree, value);
    struct config_problem problem = { .message = "" };
    int code;

    if (!config_bind_expect(binding, place, info->word, value,
                            CONFIG_NODE_TEXT))
        return 0;
    if (is_yaml_null(node)) {
        config_bind_refuse(binding, place, info->word, mark,
                           "leave the key out for its default; quote the word "
                           "if it is meant",
                           "null is not a value here");
        return 0;
    }
    code = store_value(binding, info, node->text, (char *)base + info->offset,
                       &problem);
    if (code != TJ_EINVAL)
        return code;
    config_bind_refuse(binding, place, info->word, mark, problem.hint,
                       problem.message);
    return 0;
}

int config_bind_defaults(struct config_binding *binding,
                         enum config_section section,
                         void *base)
{
    struct config_key_range range = config_section_keys(section);
    struct config_problem problem;
    size_t at;
    int code;

    for (at = range.first; at < range.first + range.count; at++) {
        const struct config_key_info *key = &config_keys[at];

        /* A share of another value is for config_complete. */
        if (!key->fallback || strstr(key->fallback, " of "))
            continue;
        code = store_value(binding, key, key->fallback,
                           (char *)base + key->offset, &problem);
        if (code)
            return code;
    }
    return 0;
}

/* ---- maps --------------------------------------------------------------- */

static void refuse_unknown(struct config_binding *binding,
                           const struct config_place *place,
                           enum config_section section,
                           const char *word,
                           struct config_mark mark)
{
    const char *near = config_key_suggest(section, word);
    enum config_section other = config_key_elsewhere(section, word);
    char path[CONFIG_PATH_SIZE], quoted[CONFIG_QUOTED_SIZE], hint[192];
    const char *in = place->map || place->job ? " in " : "";

    hint[0] = '\0';
    if (strcmp(word, "<<") == 0)
        snprintf(hint, sizeof(hint),
                 "merge keys are not supported: write the keys out");
    else if (!near && other == CONFIG_SECTION_ROOT)
        snprintf(hint, sizeof(hint),
                 "'%.64s' belongs to the file itself: do not indent it", word);
    else if (!near && other != CONFIG_SECTION_MAX_)
        snprintf(hint, sizeof(hint), "'%.64s' belongs to %s", word,
                 config_section_name(other));
    config_report_add(
        binding->report, CONFIG_ERROR, mark, hint[0] ? hint : NULL,
        "unknown key %s%s%s%s%s%s", config_quote(quoted, word), in,
        *in ? config_place_print(path, place, NULL) : "",
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void refuse_double(struct config_binding *binding,
                          const char *word,
                          uint32_t first,
                          uint32_t second)
{
    char quoted[CONFIG_QUOTED_SIZE];

    config_report_add(
        binding->report, CONFIG_ERROR, config_node_mark(binding->tree, second),
        NULL, "key %s given twice (first on line %u)",
        config_quote(quoted, word), config_node(binding->tree, first)->line);
}

/* True when the pair is to be read. */
static bool check_pair(struct config_binding *binding,
                       const struct config_place *place,
                       enum config_section section,
                       uint32_t key,
                       uint32_t value,
                       struct config_found *found)
{
    const struct config_node *key_node = config_node(binding->tree, key);
    struct config_mark mark = config_node_mark(binding->tree, key);
    size_t number;

    if (key_node->type != CONFIG_NODE_TEXT) {
        if (key_node->type != CONFIG_NODE_BAD)
            config_report_add(binding->report, CONFIG_ERROR, mark,
                              "quote a text that starts with '[' or '{'",
                              "a key must be a word, not %s",
                              type_name(key_node->type));
        return false;
    }
    number = config_key_find(section, key_node->text);
    if (number == CONFIG_KEY_MAX_) {
        refuse_unknown(binding, place, section, key_node->text, mark);
        return false;
    }
    if (found[number].key) {
        refuse_double(binding, key_node->text, found[number].key, key);
        return false;
    }
    found[number].key = key;
    if (config_keys[number].type == CONFIG_TYPE_LATER) {
        config_bind_refuse(binding, place, key_node->text, mark, NULL,
                           "not supported in this version");
        return false;
    }
    if (is_null(config_node(binding->tree, value))) {
        config_bind_refuse(binding, place, key_node->text, mark,
                           config_keys[number].type == CONFIG_TYPE_JOBS
                               ? "indent the jobs below it"
                               : "write one, or leave the key out",
                           "has no value");
        return false;
    }
    if (config_node(binding->tree, value)->type == CONFIG_NODE_BAD)
        return false;
    found[number].value = value;
    return true;
}

int config_bind_map(struct config_binding *binding,
                    const struct config_place *place,
                    enum config_section section,
                    uint32_t map,
                    void *base,
                    struct config_found *found)
{
    const struct config_tree *tree = binding->tree;
    uint32_t key, value;
    size_t number;
    int code;

    memset(found, 0, CONFIG_KEY_MAX_ * sizeof(*found));
    if (!config_bind_expect(binding, place, NULL, map, CONFIG_NODE_MAP))
        return 0;
    for (key = config_node(tree, map)->child; key;
         key = config_node(tree, value)->next) {
        value = config_node(tree, key)->next;
        if (!check_pair(binding, place, section, key, value, found))
            continue;
        number = config_key_find(section, config_node(tree, key)->text);
        if (!is_single(config_keys[number].type))
            continue;
        code = config_bind_value(binding, place, (enum config_key)number, value,
                                 base);
        if (code)
            return code;
    }
    return 0;
}

bool config_bind_is_misspelt(const struct config_tree *tree,
                             uint32_t map,
                             enum config_section section,
                             const char *word)
{
    uint32_t key = config_node(tree, map)->child;

    while (key) {
        const struct config_node *node = config_node(tree, key);
        const char *near = NULL;

        if (node->type == CONFIG_NODE_TEXT &&
            config_key_find(section, node->text) == CONFIG_KEY_MAX_)
            near = config_key_suggest(section, node->text);
        if (near && strcmp(near, word) == 0)
            return true;
        key = config_node(tree, node->next)->next;
    }
    return false;
}
