/* From the tree of a file to the structs of config.h, as the table says. */
#ifndef DAEMON_CONFIG_BIND_H
#define DAEMON_CONFIG_BIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"
#include "daemon/config_names.h"
#include "daemon/config_table.h"
#include "daemon/config_tree.h"

/* One load on its way. */
struct config_binding {
    const struct config_options *options;
    struct config_report *report;
    struct config *config;
    const struct config_tree *tree; /* of the file that is being bound */
    struct config_names jobs;       /* of all files */
    size_t job_capacity;
};

/* Where in the file we are, for messages: "jobs.readings.runners[1]". */
struct config_place {
    const char *map; /* "lease", "budgets"; NULL: the job or the file itself */
    const char *job; /* NULL outside of jobs */
    int64_t runner;  /* -1: none */
};

/* What a map says for each key, by enum config_key. */
struct config_found {
    uint32_t key;   /* node of the key; 0: not in the map */
    uint32_t value; /* node of the value; 0: refused already */
};

#define CONFIG_PATH_SIZE 224

/* "jobs.readings.every"; `word` may be NULL. */
const char *config_place_print(char path[CONFIG_PATH_SIZE],
                               const struct config_place *place,
                               const char *word);

/* Report an error about a key of the table. */
void config_bind_refuse(struct config_binding *binding,
                        const struct config_place *place,
                        const char *word,
                        struct config_mark mark,
                        const char *hint,
                        const char *message);

/* Fill in what the table has for keys that are absent. Returns 0 or
 * TJ_ENOMEM. */
int config_bind_defaults(struct config_binding *binding,
                         enum config_section section,
                         void *base);

/* Read a map: unknown, doubled and unsupported keys are refused, single values
 * stored below `base`, everything else left to the caller in `found`, an array
 * of CONFIG_KEY_MAX_. `map` may be any node: what is no map is refused.
 * Returns 0 or TJ_ENOMEM. */
int config_bind_map(struct config_binding *binding,
                    const struct config_place *place,
                    enum config_section section,
                    uint32_t map,
                    void *base,
                    struct config_found *found);

/* Store one single value. Returns 0 or TJ_ENOMEM. */
int config_bind_value(struct config_binding *binding,
                      const struct config_place *place,
                      enum config_key key,
                      uint32_t value,
                      void *base);

/* True when a key of the map was probably meant to be `word`, which was said:
 * that `word` is missing is no news then. `map` 0 is no map. */
bool config_bind_is_misspelt(const struct config_tree *tree,
                             uint32_t map,
                             enum config_section section,
                             const char *word);

/* True when the node is of that type; refused otherwise. */
bool config_bind_expect(struct config_binding *binding,
                        const struct config_place *place,
                        const char *word,
                        uint32_t value,
                        enum config_node_type type);

/* `jobs:` of one file. Returns 0 or TJ_ENOMEM. */
int config_bind_jobs(struct config_binding *binding, uint32_t jobs);

/* The command, shell text and environment of a runner. `found` has the keys of
 * JOB or RUNNER; `section` says which. Return 0 or TJ_ENOMEM. */
int config_bind_command(struct config_binding *binding,
                        const struct config_place *place,
                        enum config_section section,
                        const struct config_found *found,
                        struct config_runner *runner);

/* Variables of `map` are added to those that the runner has already, and win
 * over them. */
int config_bind_env(struct config_binding *binding,
                    const struct config_place *place,
                    uint32_t map,
                    struct config_runner *runner);

/* Refuse a command and environment that are bigger than what can be handed to
 * the warden in one message with room for what the daemon adds. */
void config_check_size(struct config_binding *binding,
                       const struct config_place *place,
                       const struct config_runner *runner);

/* `path` below `directory` unless it is absolute; NULL when out of memory. */
const char *config_path_below(struct config *config,
                              const char *directory,
                              const char *path);

/* Copy to the config's memory; NULL when out of memory. */
const char *config_keep(struct config *config, const char *text);

#endif
