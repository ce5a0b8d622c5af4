/* The table of keys (config_keys.def) as data. */
#ifndef DAEMON_CONFIG_TABLE_H
#define DAEMON_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"

enum config_section {
    CONFIG_SECTION_ROOT,
    CONFIG_SECTION_LEASE,
    CONFIG_SECTION_LOG,
    CONFIG_SECTION_CONTROL,
    CONFIG_SECTION_STOP,
    CONFIG_SECTION_JOB,
    CONFIG_SECTION_BUDGETS,
    CONFIG_SECTION_RUNNER,
    CONFIG_SECTION_MAX_
};

enum config_type {
    CONFIG_TYPE_DURATION, /* int64_t milliseconds */
    CONFIG_TYPE_DAYS,     /* int64_t days: a duration of whole days */
    CONFIG_TYPE_SIZE,     /* int64_t bytes */
    CONFIG_TYPE_INTEGER,  /* int64_t */
    CONFIG_TYPE_BOOL,     /* bool */
    CONFIG_TYPE_ENUM,     /* an enum, by the order of the words */
    CONFIG_TYPE_NAME,     /* const char * */
    CONFIG_TYPE_TEXT,     /* const char *, one printable line */
    CONFIG_TYPE_PATH,     /* const char *, made absolute by the caller */
    CONFIG_TYPE_BACKEND,  /* struct config_backend */
    /* What one value does not fill; left to the binder of the section. */
    CONFIG_TYPE_COMMAND,
    CONFIG_TYPE_SHELL,
    CONFIG_TYPE_ENV,
    CONFIG_TYPE_SECTION,
    CONFIG_TYPE_RUNNERS,
    CONFIG_TYPE_JOBS,
    CONFIG_TYPE_LATER /* refused: not in this version */
};

/* What the section JOB is bound to. */
struct config_bound_job {
    struct config_job job;
    struct config_runner runner; /* what the job says for its runners */
};

struct config_key_info {
    const char *word;
    const char *fallback; /* see config_keys.def */
    const char *words;
    int64_t low;
    int64_t high;
    size_t offset; /* of the member in the section's struct */
    enum config_section section;
    enum config_type type;
};

/* The longest section, for arrays on the stack. */
#define CONFIG_SECTION_KEYS_MAX 48

/* All keys, by enum config_key; those of a section stand together. */
extern const struct config_key_info config_keys[CONFIG_KEY_MAX_];

struct config_key_range {
    size_t first; /* an enum config_key */
    size_t count;
};

struct config_key_range config_section_keys(enum config_section section);

/* The name of a section as messages have it: "lease", "a job"; "" for the
 * file itself. */
const char *config_section_name(enum config_section section);

/* The key's number, or CONFIG_KEY_MAX_. */
size_t config_key_find(enum config_section section, const char *word);

/* The key of the section that `word` looks most like, or NULL. */
const char *config_key_suggest(enum config_section section, const char *word);

/* Another section that has a key of exactly this word, or
 * CONFIG_SECTION_MAX_. */
enum config_section config_key_elsewhere(enum config_section section,
                                         const char *word);

#endif
