/* Single values: from the text of the file to a number, and back.
 *
 * Every value is text until the type of its key reads it: there are no
 * octal numbers, no "yes" that is a boolean, no exponents. */
#ifndef DAEMON_CONFIG_VALUE_H
#define DAEMON_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "daemon/config_table.h"

/* What is wrong with a value. Short texts, never cut in practice. */
struct config_problem {
    char message[256]; /* "'fast' is not a duration (examples: 500ms, 30s)" */
    char hint[256];    /* "" for none */
};

/* A text as messages show it: in single quotes, cut at a length that a line of
 * a message can take. (Reports replace what must not reach a terminal.) */
#define CONFIG_QUOTED_SIZE 160
const char *config_quote(char quoted[CONFIG_QUOTED_SIZE], const char *text);

/* Read a DURATION, DAYS, SIZE or INTEGER within the key's range, or one of the
 * key's words. False with the problem filled in. */
bool config_read_number(const struct config_key_info *key,
                        const char *text,
                        int64_t *ret_value,
                        struct config_problem *problem);

bool config_read_bool(const char *text,
                      bool *ret_value,
                      struct config_problem *problem);

/* The number of the word in the key's list. */
bool config_read_enum(const struct config_key_info *key,
                      const char *text,
                      int *ret_value,
                      struct config_problem *problem);

/* Check a NAME or a TEXT or PATH. */
bool config_check_text(const struct config_key_info *key,
                       const char *text,
                       struct config_problem *problem);

/* Take "sqlite:PATH" or "memory" apart; `*ret_path` is borrowed from `text`,
 * NULL for memory. */
bool config_read_backend(const char *text,
                         enum config_backend_kind *ret_kind,
                         const char **ret_path,
                         struct config_problem *problem);

/* The number as one would write it in the file: "1m", "4MB", "forever". */
void config_print_number(const struct config_key_info *key,
                         int64_t value,
                         tj_buf *text);

/* Word number `index` of an ENUM's list. */
void config_print_enum(const struct config_key_info *key,
                       int value,
                       tj_buf *text);

#endif
