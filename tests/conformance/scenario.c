/* See scenario.h. */
#include "scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX    (32 * 1024 * 1024)
#define INTEGER_MAX      INT64_C(9007199254740991) /* 2^53 - 1 */
#define YEAR_9999_MS     INT64_C(253402300799999)
#define PLAY_TIME_MS     INT64_C(3155760000000) /* a hundred years */
#define INTERVAL_TICKS   INT64_C(5000000)
#define CONTEXT_TEXT_MAX 1024

/* What is being checked, for messages: "steps[3].runs[0][1].sleep_ms". */
typedef struct checker {
    char path[192];
    tj_error *error;
    int64_t time_ms; /* that the scenario lets pass */
} checker;

static bool TJ_PRINTF(2, 3) refuse(checker *check, const char *format, ...)
{
    char text[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    check->error->code = TJ_EINVAL;
    snprintf(check->error->message, sizeof(check->error->message), "%.90s %s",
             check->path, text);
    return false;
}

/* Add a part to the path; returns its length before, for leave(). */
static size_t TJ_PRINTF(2, 3) enter(checker *check, const char *format, ...)
{
    size_t length = strlen(check->path);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(check->path + length, sizeof(check->path) - length, format,
              arguments);
    va_end(arguments);
    return length;
}

static bool leave(checker *check, size_t length, bool ok)
{
    if (ok)
        check->path[length] = '\0';
    return ok;
}

static bool is_present(const tj_json *object, const char *key)
{
    return tj_json_type_of(tj_json_get(object, key)) != TJ_JSON_NULL;
}

static bool check_type(checker *check, const tj_json *value, tj_json_type type)
{
    static const char *const names[] = {
        "null", "true or false", "a number", "a text", "a list", "an object"
    };

    return tj_json_type_of(value) == type ||
           refuse(check, "is not %s", names[type]);
}

static bool check_key(checker *check,
                      const tj_json *object,
                      const char *key,
                      tj_json_type type)
{
    size_t length = enter(check, "%s%s", *check->path ? "." : "", key);

    return leave(check, length,
                 check_type(check, tj_json_get(object, key), type));
}

/* May be absent or null. */
static bool check_optional(checker *check,
                           const tj_json *object,
                           const char *key,
                           tj_json_type type)
{
    return !is_present(object, key) || check_key(check, object, key, type);
}

static bool check_integer(checker *check,
                          const tj_json *object,
                          const char *key,
                          int64_t most)
{
    size_t length = enter(check, "%s%s", *check->path ? "." : "", key);
    const tj_json *value = tj_json_get(object, key);
    int64_t integer = tj_json_int_or(value, -1);
    bool ok = check_type(check, value, TJ_JSON_NUMBER) &&
              ((integer >= 0 && integer <= most) ||
               refuse(check, "is not a whole number from 0 to %lld",
                      (long long)most));

    return leave(check, length, ok);
}

static bool
check_optional_time(checker *check, const tj_json *object, const char *key)
{
    return !is_present(object, key) ||
           check_integer(check, object, key, PLAY_TIME_MS);
}

static bool check_gate(checker *check, const tj_json *gate)
{
    static const char *const states[] = { "leader", "not_leader",
                                          "system_paused", "throw",
                                          "throw_after" };
    const char *state = tj_json_string_or(tj_json_get(gate, "state"), "");
    size_t index;

    if (!check_type(check, gate, TJ_JSON_OBJECT) ||
        !check_key(check, gate, "state", TJ_JSON_STRING) ||
        !check_optional(check, gate, "message", TJ_JSON_STRING) ||
        !check_optional_time(check, gate, "delay_ms"))
        return false;
    for (index = 0; index < sizeof(states) / sizeof(*states); index++) {
        if (!strcmp(state, states[index]))
            return true;
    }
    return refuse(check, "has no state that there is");
}

static bool check_log(checker *check, const tj_json *log)
{
    return check_type(check, log, TJ_JSON_OBJECT) &&
           check_key(check, log, "stage", TJ_JSON_STRING) &&
           check_optional(check, log, "result", TJ_JSON_STRING) &&
           check_optional(check, log, "details", TJ_JSON_OBJECT) &&
           check_optional(check, log, "duration_ms", TJ_JSON_NUMBER) &&
           check_optional(check, log, "error", TJ_JSON_STRING);
}

static bool check_return(checker *check, const tj_json *end)
{
    return tj_json_type_of(end) == TJ_JSON_NULL ||
           (check_type(check, end, TJ_JSON_OBJECT) &&
            check_optional(check, end, "result", TJ_JSON_STRING) &&
            check_optional(check, end, "details", TJ_JSON_OBJECT));
}

static bool check_action(checker *check, const tj_json *action)
{
    const char *key;

    if (!check_type(check, action, TJ_JSON_OBJECT))
        return false;
    if (tj_json_size(action) != 1)
        return refuse(check, "is not one action");
    key = tj_json_key_at(action, 0);
    if (!strcmp(key, "sleep_ms"))
        return check_integer(check, action, key, PLAY_TIME_MS);
    if (!strcmp(key, "log"))
        return check_log(check, tj_json_get(action, key));
    if (!strcmp(key, "log_context"))
        return tj_json_bool_or(tj_json_get(action, key), false) ||
               refuse(check, "asks for no context");
    if (!strcmp(key, "fail"))
        return check_optional(check, action, key, TJ_JSON_STRING);
    if (!strcmp(key, "return"))
        return check_return(check, tj_json_get(action, key));
    return refuse(check, "is no action that there is");
}

/* Check every element of a list with one function. */
static bool check_list(checker *check,
                       const tj_json *list,
                       bool (*check_one)(checker *, const tj_json *))
{
    size_t index;

    if (!check_type(check, list, TJ_JSON_ARRAY))
        return false;
    for (index = 0; index < tj_json_size(list); index++) {
        size_t length = enter(check, "[%zu]", index);

        if (!leave(check, length, check_one(check, tj_json_at(list, index))))
            return false;
    }
    return true;
}

static bool check_run(checker *check, const tj_json *actions)
{
    return check_list(check, actions, check_action);
}

static bool check_register(checker *check, const tj_json *step)
{
    size_t length;

    if (!check_key(check, step, "name", TJ_JSON_STRING))
        return false;
    length = enter(check, ".runs");
    return leave(check, length,
                 check_list(check, tj_json_get(step, "runs"), check_run));
}

static bool check_gate_step(checker *check, const tj_json *step)
{
    size_t length = enter(check, ".gate");

    return leave(check, length, check_gate(check, tj_json_get(step, "gate")));
}

static bool check_step(checker *check, const tj_json *step)
{
    const char *op;

    if (!check_type(check, step, TJ_JSON_OBJECT) ||
        !check_key(check, step, "op", TJ_JSON_STRING))
        return false;
    op = tj_json_string_or(tj_json_get(step, "op"), "");
    if (!strcmp(op, "register"))
        return check_register(check, step);
    if (!strcmp(op, "gate"))
        return check_gate_step(check, step);
    if (!strcmp(op, "advance")) {
        if (!check_integer(check, step, "ms", PLAY_TIME_MS))
            return false;
        check->time_ms += tj_json_int_or(tj_json_get(step, "ms"), 0);
        return check->time_ms <= PLAY_TIME_MS ||
               refuse(check, "goes on for more than a hundred years");
    }
    return !strcmp(op, "start") || !strcmp(op, "tick") || !strcmp(op, "stop") ||
           refuse(check, "has no op that there is");
}

static bool check_config(checker *check, const tj_json *config)
{
    size_t length = enter(check, "config");

    return check_type(check, config, TJ_JSON_OBJECT) &&
           check_integer(check, config, "interval_ms", INTEGER_MAX) &&
           check_integer(check, config, "max_messages_per_tick", INTEGER_MAX) &&
           check_integer(check, config, "max_tasks_per_tick", INTEGER_MAX) &&
           check_integer(check, config, "settle_delay_ms", INTEGER_MAX) &&
           leave(check, length, true);
}

static bool
check_context_text(checker *check, const tj_json *context, const char *key)
{
    return check_key(check, context, key, TJ_JSON_STRING) &&
           (strlen(tj_json_string_or(tj_json_get(context, key), "")) <=
                CONTEXT_TEXT_MAX ||
            refuse(check, "has a %s of more than %d bytes", key,
                   CONTEXT_TEXT_MAX));
}

static bool check_context(checker *check, const tj_json *context)
{
    size_t length = enter(check, "context");

    return check_type(check, context, TJ_JSON_OBJECT) &&
           check_context_text(check, context, "controller_id") &&
           check_context_text(check, context, "host") &&
           check_integer(check, context, "term", INTEGER_MAX) &&
           leave(check, length, true);
}

static bool check_first_gate(checker *check, const tj_json *gate)
{
    size_t length = enter(check, "gate");

    return leave(check, length, check_gate(check, gate));
}

static bool check_steps(checker *check, const tj_json *steps)
{
    size_t length = enter(check, "steps");

    return leave(check, length, check_list(check, steps, check_step));
}

/* A file of a few bytes must not keep us busy for years. */
static bool check_size(checker *check, const tj_json *scenario)
{
    int64_t interval_ms = tj_json_int_or(
        tj_json_get(tj_json_get(scenario, "config"), "interval_ms"), 0);
    int64_t clock_ms = tj_json_int_or(tj_json_get(scenario, "clock_ms"), 0);

    if (interval_ms < 1)
        return refuse(check, "config.interval_ms is less than 1");
    if (check->time_ms / interval_ms > INTERVAL_TICKS)
        return refuse(check, "has more than %lld interval ticks",
                      (long long)INTERVAL_TICKS);
    return clock_ms + check->time_ms <= YEAR_9999_MS ||
           refuse(check, "goes on beyond the year 9999");
}

static bool scenario_check(const tj_json *scenario, tj_error *reterr)
{
    checker check = { .error = reterr };

    return check_type(&check, scenario, TJ_JSON_OBJECT) &&
           check_integer(&check, scenario, "clock_ms", YEAR_9999_MS) &&
           check_config(&check, tj_json_get(scenario, "config")) &&
           check_context(&check, tj_json_get(scenario, "context")) &&
           check_optional(&check, scenario, "auto_start", TJ_JSON_BOOL) &&
           check_optional(&check, scenario, "log", TJ_JSON_BOOL) &&
           check_first_gate(&check, tj_json_get(scenario, "gate")) &&
           check_steps(&check, tj_json_get(scenario, "steps")) &&
           check_size(&check, scenario);
}

static bool
read_all(const char *path, char **ret_text, size_t *ret_size, tj_error *reterr)
{
    FILE *file = fopen(path, "rbe");
    char *text = malloc(FILE_SIZE_MAX + 1);
    size_t size = 0;

    if (file && text)
        size = fread(text, 1, FILE_SIZE_MAX + 1, file);
    if (!file || !text || ferror(file) || size > FILE_SIZE_MAX) {
        snprintf(reterr->message, sizeof(reterr->message), "%s",
                 size > FILE_SIZE_MAX ? "the file is too big"
                                      : strerror(errno));
        if (file)
            fclose(file);
        free(text);
        return false;
    }
    fclose(file);
    *ret_text = text;
    *ret_size = size;
    return true;
}

bool scenario_read(const char *path,
                   tj_json **ret_document,
                   const tj_json **ret_scenario,
                   tj_error *reterr)
{
    tj_json *document;
    const tj_json *scenario;
    char *text;
    size_t size;
    int rc;

    if (!read_all(path, &text, &size, reterr))
        return false;
    rc = tj_json_parse(text, size, &document, reterr);
    free(text);
    if (rc)
        return false;
    scenario = tj_json_get(document, "scenario");
    if (!scenario)
        scenario = document;
    if (!scenario_check(scenario, reterr)) {
        tj_json_free(document);
        return false;
    }
    *ret_document = document;
    *ret_scenario = scenario;
    return true;
}
