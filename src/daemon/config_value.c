/* See config_value.h. */
#include "daemon/config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* ---- messages ----------------------------------------------------------- */

const char *config_quote(char quoted[CONFIG_QUOTED_SIZE], const char *text)
{
    enum { SHOWN_MAX = 60 };

    size_t size = 0, shown = 0;

    quoted[size++] = '\'';
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if ((byte & 0xc0) != 0x80 && ++shown > SHOWN_MAX)
            break;
        if (size + 8 > CONFIG_QUOTED_SIZE)
            break;
        quoted[size++] = *text;
    }
    if (*text) {
        /* Cut, but not inside a character. */
        while (size > 1 && ((unsigned char)*text & 0xc0) == 0x80) {
            text--;
            size--;
        }
        memcpy(quoted + size, "...", 3);
        size += 3;
    }
    quoted[size++] = '\'';
    quoted[size] = '\0';
    return quoted;
}

static bool TJ_PRINTF(2, 3)
    problem_set(struct config_problem *problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(problem->message, sizeof(problem->message), format,
                    arguments);
    va_end(arguments);
    problem->hint[0] = '\0';
    return false;
}

static bool TJ_PRINTF(2, 3)
    problem_hint(struct config_problem *problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(problem->hint, sizeof(problem->hint), format, arguments);
    va_end(arguments);
    return false;
}

/* ---- units -------------------------------------------------------------- */

struct unit {
    const char *word;
    int64_t factor;
};

/* From the smallest to the largest. */
static const struct unit duration_units[] = {
    { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
    { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static const struct unit day_units[] = { { "d", 1 }, { NULL, 0 } };

/* Powers of 1024, however written, as in PostgreSQL and systemd. */
static const struct unit size_units[] = {
    { "B", 1 },
    { "KB", INT64_C(1) << 10 },
    { "MB", INT64_C(1) << 20 },
    { "GB", INT64_C(1) << 30 },
    { "TB", INT64_C(1) << 40 },
    { NULL, 0 },
};

static const struct unit size_units_long[] = {
    { "KiB", INT64_C(1) << 10 },
    { "MiB", INT64_C(1) << 20 },
    { "GiB", INT64_C(1) << 30 },
    { "TiB", INT64_C(1) << 40 },
    { NULL, 0 },
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

/* What a type is called, and what it looks like. */
struct number_kind {
    const char *name;
    const char *examples;
    const struct unit *units;
    const struct unit *synonyms; /* of units; may be NULL */
    const char *unit_hint;
    const char *unit_usual; /* for a number without one */
};

static const struct number_kind duration_kind = {
    .name = "a duration",
    .examples = "500ms, 30s, 10m, 2h",
    .units = duration_units,
    .unit_hint = "units are ms, s, m, h and d",
    .unit_usual = "s",
};

static const struct number_kind days_kind = {
    .name = "a number of days",
    .examples = "7d, 30d",
    .units = day_units,
    .unit_hint = "whole days only: the unit is d",
    .unit_usual = "d",
};

static const struct number_kind size_kind = {
    .name = "a size",
    .examples = "64KB, 1MB, 1GB",
    .units = size_units,
    .synonyms = size_units_long,
    .unit_hint = "units are B, KB, MB, GB and TB",
    .unit_usual = "MB",
};

static const struct number_kind integer_kind = {
    .name = "a whole number",
    .examples = "0, 5, 20",
    .units = no_units,
    .unit_hint = "digits only",
    .unit_usual = "",
};

static const struct number_kind *kind_of(enum config_type type)
{
    switch ((int)type) {
    case CONFIG_TYPE_DURATION:
        return &duration_kind;
    case CONFIG_TYPE_DAYS:
        return &days_kind;
    case CONFIG_TYPE_SIZE:
        return &size_kind;
    default:
        return &integer_kind;
    }
}

static void unit_print(const struct unit *units, int64_t value, tj_buf *text)
{
    const struct unit *best = units;
    const struct unit *unit;

    if (units == duration_units)
        best++; /* 0 is "0s" */
    for (unit = units; unit->word; unit++) {
        if (value && value % unit->factor == 0)
            best = unit;
    }
    tj__buf_append_int(text, value / best->factor);
    tj__buf_append_text(text, best->word);
}

/* ---- words that stand for numbers --------------------------------------- */

/* Step through "word=number,word=number". */
static bool word_next(const char **list,
                      const char **ret_word,
                      size_t *ret_size,
                      int64_t *ret_value)
{
    const char *at = *list;
    const char *equals;

    if (!at || !*at)
        return false;
    equals = strchr(at, '=');
    *ret_word = at;
    *ret_size = (size_t)(equals - at);
    *ret_value = equals[1] == '-' ? -(equals[2] - '0') : equals[1] - '0';
    at = strchr(equals, ',');
    *list = at ? at + 1 : NULL;
    return true;
}

static bool word_read(const char *list, const char *text, int64_t *ret_value)
{
    const char *word;
    size_t size;
    int64_t value;

    while (word_next(&list, &word, &size, &value)) {
        if (strlen(text) == size && memcmp(word, text, size) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static void word_print_all(const char *list, tj_buf *text)
{
    const char *word;
    size_t size;
    int64_t value;

    while (word_next(&list, &word, &size, &value)) {
        tj__buf_append_text(text, ", or ");
        tj__buf_append(text, word, size);
    }
}

/* ---- numbers ------------------------------------------------------------ */

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* The unit that `word` names, or NULL. */
static const struct unit *unit_find(const struct number_kind *kind,
                                    const char *word)
{
    const struct unit *unit;

    for (unit = kind->units; unit->word; unit++) {
        if (strcmp(unit->word, word) == 0)
            return unit;
    }
    for (unit = kind->synonyms; unit && unit->word; unit++) {
        if (strcmp(unit->word, word) == 0)
            return unit;
    }
    return NULL;
}

static bool not_a_number(const struct config_key_info *key,
                         const char *text,
                         struct config_problem *problem)
{
    const struct number_kind *kind = kind_of(key->type);
    char quoted[CONFIG_QUOTED_SIZE];
    char words_text[128];
    tj_buf words = TJ_BUF_INIT;

    word_print_all(key->words, &words);
    snprintf(words_text, sizeof(words_text), "%s",
             words.data && !words.failed ? words.data : "");
    tj__buf_done(&words);
    return problem_set(problem, "%s is not %s (examples: %s%s)",
                       config_quote(quoted, text), kind->name, kind->examples,
                       words_text);
}

/* Digits were read up to `unit`; say what is wrong with what follows. */
static bool not_a_unit(const struct config_key_info *key,
                       const char *text,
                       const char *unit,
                       struct config_problem *problem)
{
    const struct number_kind *kind = kind_of(key->type);
    char quoted[CONFIG_QUOTED_SIZE];

    if (!*unit) {
        problem_set(problem, "%s has no unit; did you mean '%.24s%s'?",
                    config_quote(quoted, text), text, kind->unit_usual);
        return problem_hint(problem, "%s", kind->unit_hint);
    }
    not_a_number(key, text, problem);
    if (*unit == '.' || *unit == ',')
        problem_hint(problem, "whole numbers only%s",
                     key->type == CONFIG_TYPE_DURATION
                         ? ": write 1.5h as 90m, 0.5s as 500ms"
                         : "");
    else if (*unit == '_' || *unit == '\'')
        problem_hint(problem, "write the digits without separators");
    else if (*unit == ' ')
        problem_hint(problem, "write the number and its unit without a space");
    else
        problem_hint(problem, "%s", kind->unit_hint);
    return false;
}

static bool out_of_range(const struct config_key_info *key,
                         const char *text,
                         bool too_big,
                         struct config_problem *problem)
{
    const struct unit *units = kind_of(key->type)->units;
    char quoted[CONFIG_QUOTED_SIZE];
    char range_text[96];
    tj_buf range = TJ_BUF_INIT;

    unit_print(units, key->low, &range);
    tj__buf_append_text(&range, " to ");
    unit_print(units, key->high, &range);
    word_print_all(key->words, &range);
    snprintf(range_text, sizeof(range_text), "%s",
             range.data && !range.failed ? range.data : "see the manual");
    tj__buf_done(&range);
    return problem_set(problem, "%s is too %s (%s)", config_quote(quoted, text),
                       too_big ? "big" : "small", range_text);
}

bool config_read_number(const struct config_key_info *key,
                        const char *text,
                        int64_t *ret_value,
                        struct config_problem *problem)
{
    const struct number_kind *kind = kind_of(key->type);
    const struct unit *unit;
    const char *at = text;
    bool too_big = false;
    int64_t value = 0;

    if (word_read(key->words, text, ret_value))
        return true;
    if (!is_digit(*at))
        return not_a_number(key, text, problem);
    for (; is_digit(*at); at++) {
        too_big = too_big || __builtin_mul_overflow(value, 10, &value) ||
                  __builtin_add_overflow(value, *at - '0', &value);
    }
    unit = unit_find(kind, at);
    if (!unit)
        return not_a_unit(key, text, at, problem);
    if (text[0] == '0' && is_digit(text[1])) {
        not_a_number(key, text, problem);
        return problem_hint(problem, "write it without leading zeros");
    }
    if (too_big || __builtin_mul_overflow(value, unit->factor, &value) ||
        value > key->high)
        return out_of_range(key, text, /* too_big= */ true, problem);
    if (value < key->low)
        return out_of_range(key, text, /* too_big= */ false, problem);
    *ret_value = value;
    return true;
}

void config_print_number(const struct config_key_info *key,
                         int64_t value,
                         tj_buf *text)
{
    const char *list = key->words;
    const char *word;
    int64_t stands_for;
    size_t size;

    while (word_next(&list, &word, &size, &stands_for)) {
        if (stands_for == value) {
            tj__buf_append(text, word, size);
            return;
        }
    }
    unit_print(kind_of(key->type)->units, value, text);
}

/* ---- booleans and enums ------------------------------------------------- */

bool config_read_bool(const char *text,
                      bool *ret_value,
                      struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_SIZE];

    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *ret_value = text[0] == 't';
        return true;
    }
    return problem_set(problem, "%s is neither true nor false",
                       config_quote(quoted, text));
}

bool config_read_enum(const struct config_key_info *key,
                      const char *text,
                      int *ret_value,
                      struct config_problem *problem)
{
    const char *word = key->words;
    char quoted[CONFIG_QUOTED_SIZE];
    size_t size;
    int value = 0;

    for (;; value++) {
        size = strcspn(word, ",");
        if (strlen(text) == size && memcmp(word, text, size) == 0) {
            *ret_value = value;
            return true;
        }
        if (!word[size])
            break;
        word += size + strlen(", ");
    }
    problem_set(problem, "%s has no meaning here", config_quote(quoted, text));
    return problem_hint(problem, "it is one of: %s", key->words);
}

void config_print_enum(const struct config_key_info *key,
                       int value,
                       tj_buf *text)
{
    const char *word = key->words;

    for (; value > 0; value--)
        word = strchr(word, ',') + strlen(", ");
    tj__buf_append(text, word, strcspn(word, ","));
}

/* ---- text --------------------------------------------------------------- */

bool config_check_text(const struct config_key_info *key,
                       const char *text,
                       struct config_problem *problem)
{
    enum { TEXT_MAX = 4095 }; /* what a path may have */

    char quoted[CONFIG_QUOTED_SIZE];

    if (!*text)
        return problem_set(problem, "'' is empty");
    if (key->type == CONFIG_TYPE_NAME) {
        if (tj__text_is_name(text))
            return true;
        problem_set(problem, "%s cannot be a name", config_quote(quoted, text));
        return problem_hint(problem, "a name has 1 to 64 letters, digits, '.', "
                                     "'_' or '-' and starts with a letter or "
                                     "a digit");
    }
    if (strlen(text) > TEXT_MAX)
        return problem_set(problem, "%s is longer than %d bytes",
                           config_quote(quoted, text), TEXT_MAX);
    if (!tj__text_is_printable(text, strlen(text)))
        return problem_set(problem, "%s has line breaks or control characters",
                           config_quote(quoted, text));
    return true;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool config_read_backend(const char *text,
                         enum config_backend_kind *ret_kind,
                         const char **ret_path,
                         struct config_problem *problem)
{
    char quoted[CONFIG_QUOTED_SIZE];

    config_quote(quoted, text);
    if (strcmp(text, "memory") == 0) {
        *ret_kind = CONFIG_BACKEND_MEMORY;
        *ret_path = NULL;
        return true;
    }
    if (starts_with(text, "sqlite:") && !starts_with(text, "sqlite://") &&
        text[7]) {
        *ret_kind = CONFIG_BACKEND_SQLITE;
        *ret_path = text + 7;
        return true;
    }
    if (starts_with(text, "postgres:") || starts_with(text, "postgresql:") ||
        starts_with(text, "etcd:")) {
        problem_set(problem, "%s: %.*s is not built into this version", quoted,
                    (int)strcspn(text, ":"), text);
        return problem_hint(problem, "this version has sqlite:PATH and memory");
    }
    problem_set(problem,
                "%s is not a backend (examples: sqlite:timed-jobs.db, "
                "sqlite:/srv/fleet.db, memory)",
                quoted);
    if (starts_with(text, "sqlite://"))
        return problem_hint(problem, "write the path right after the colon: "
                                     "sqlite:/srv/fleet.db");
    if (strcmp(text, "sqlite") == 0 || strcmp(text, "sqlite:") == 0)
        return problem_hint(problem, "name the file: sqlite:timed-jobs.db");
    if (!strchr(text, ':') && strlen(text) < 100 &&
        tj__text_is_printable(text, strlen(text)))
        return problem_hint(problem, "for an SQLite file write sqlite:%s",
                            text);
    return false;
}
