/* See config_table.h. */
#include "daemon/config_table.h"

#include <string.h>

#include "base/text.h"

#define STRUCT_ROOT    struct config
#define STRUCT_LEASE   struct config_lease
#define STRUCT_LOG     struct config_log
#define STRUCT_CONTROL struct config_control
#define STRUCT_STOP    struct config_stop
#define STRUCT_JOB     struct config_bound_job
#define STRUCT_BUDGETS struct config_budgets
#define STRUCT_RUNNER  struct config_runner

const struct config_key_info config_keys[CONFIG_KEY_MAX_] = {
#define CONFIG_KEY(section_, id, word_, type_, member, low_, high_, fallback_, \
                   words_)                                                     \
    [CONFIG_KEY_##section_##_##id] = {                                         \
        .word = (word_),                                                       \
        .fallback = (fallback_),                                               \
        .words = (words_),                                                     \
        .low = (low_),                                                         \
        .high = (high_),                                                       \
        .offset = offsetof(STRUCT_##section_, member),                         \
        .section = CONFIG_SECTION_##section_,                                  \
        .type = CONFIG_TYPE_##type_,                                           \
    },
#define CONFIG_LATER(section_, id, word_)     \
    [CONFIG_KEY_##section_##_##id] = {        \
        .word = (word_),                      \
        .section = CONFIG_SECTION_##section_, \
        .type = CONFIG_TYPE_LATER,            \
    },
#include "daemon/config_keys.def"
};

struct config_key_range config_section_keys(enum config_section section)
{
    struct config_key_range range = { 0, 0 };

    while (config_keys[range.first].section != section)
        range.first++;
    while (range.first + range.count < CONFIG_KEY_MAX_ &&
           config_keys[range.first + range.count].section == section)
        range.count++;
    return range;
}

const char *config_section_name(enum config_section section)
{
    static const char *const names[CONFIG_SECTION_MAX_] = {
        [CONFIG_SECTION_ROOT] = "",
        [CONFIG_SECTION_LEASE] = "lease",
        [CONFIG_SECTION_LOG] = "log",
        [CONFIG_SECTION_CONTROL] = "control",
        [CONFIG_SECTION_STOP] = "stop",
        [CONFIG_SECTION_JOB] = "a job",
        [CONFIG_SECTION_BUDGETS] = "budgets",
        [CONFIG_SECTION_RUNNER] = "a runner",
    };

    return names[section];
}

size_t config_key_find(enum config_section section, const char *word)
{
    struct config_key_range range = config_section_keys(section);
    size_t at;

    for (at = range.first; at < range.first + range.count; at++) {
        if (strcmp(config_keys[at].word, word) == 0)
            return at;
    }
    return CONFIG_KEY_MAX_;
}

const char *config_key_suggest(enum config_section section, const char *word)
{
    struct config_key_range range = config_section_keys(section);
    size_t limit = strlen(word) / 3;
    const char *nearest = NULL;
    size_t at, distance;

    limit = limit < 1 ? 1 : limit > 3 ? 3 : limit;
    for (at = range.first; at < range.first + range.count; at++) {
        distance = tj__text_distance(word, config_keys[at].word, limit);
        if (distance > limit)
            continue;
        nearest = config_keys[at].word;
        if (distance == 0)
            break;
        limit = distance - 1; /* the next one must be nearer */
    }
    return nearest;
}

enum config_section config_key_elsewhere(enum config_section section,
                                         const char *word)
{
    size_t at;

    for (at = 0; at < CONFIG_KEY_MAX_; at++) {
        if (config_keys[at].section != section &&
            strcmp(config_keys[at].word, word) == 0)
            return config_keys[at].section;
    }
    return CONFIG_SECTION_MAX_;
}
