/* See arguments.h. */
#include "control/arguments.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/iso_time.h"
#include "base/text.h"
#include "control/http_scan.h"

#define MODULE          "control"
#define DURATION_MAX_MS ((int64_t)3653 * 86400000)

/* ---- text -------------------------------------------------------------- */

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool argument_decode(const char *text,
                     size_t size,
                     bool is_query,
                     char ret_text[ARGUMENT_TEXT_MAX + 1])
{
    size_t at, used = 0;

    for (at = 0; at < size; at++) {
        char byte = text[at];

        if (used >= ARGUMENT_TEXT_MAX)
            return false;
        if (byte == '+' && is_query) {
            byte = ' ';
        } else if (byte == '%') {
            int high = at + 2 < size ? hex_value(text[at + 1]) : -1;
            int low = at + 2 < size ? hex_value(text[at + 2]) : -1;

            if (high < 0 || low < 0 || high + low == 0)
                return false;
            byte = (char)(high * 16 + low);
            at += 2;
        }
        ret_text[used++] = byte;
    }
    ret_text[used] = '\0';
    return true;
}

bool control_parse_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {
        { "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 },
        { "m", 60000 },     { "s", 1000 },     { "ms", 1 },
    };

    enum { N_UNITS = sizeof(units) / sizeof(units[0]) };

    int64_t total = 0;
    size_t unit = 0;

    if (!*text)
        return false;
    while (*text) {
        size_t digits = strspn(text, "0123456789");
        size_t letters = strspn(text + digits, "wdhms");
        size_t count;

        if (!http_parse_size(text, digits, 1000000000000, &count))
            return false;
        while (unit < N_UNITS &&
               (strlen(units[unit].name) != letters ||
                memcmp(units[unit].name, text + digits, letters) != 0))
            unit++;
        if (unit == N_UNITS ||
            (int64_t)count > DURATION_MAX_MS / units[unit].ms)
            return false;
        total += (int64_t)count * units[unit++].ms;
        text += digits + letters;
    }
    if (total <= 0 || total > DURATION_MAX_MS)
        return false;
    *ret_ms = total;
    return true;
}

/* ---- one argument ------------------------------------------------------ */

static const argument_spec *spec_find(const argument_spec *specs,
                                      const char *name,
                                      const char **ret_nearest)
{
    size_t best = 3;

    *ret_nearest = NULL;
    for (; specs->name; specs++) {
        size_t distance = tj__text_distance(name, specs->name, 2);

        if (!distance)
            return specs;
        if (distance < best) {
            best = distance;
            *ret_nearest = specs->name;
        }
    }
    return NULL;
}

static int not_of_kind(const char *name, const char *wanted, tj_error *reterr)
{
    return tj__error_set(reterr, TJ_EINVAL, MODULE, "argument '%s': %s", name,
                         wanted);
}

static int set_bool(tj_json *args,
                    const char *name,
                    const tj_json *value,
                    tj_error *reterr)
{
    const char *text = tj_json_string_or(value, "");
    bool is_true = tj_json_bool_or(value, false) || !strcmp(text, "1") ||
                   !strcmp(text, "true");

    if (!is_true && tj_json_type_of(value) != TJ_JSON_BOOL &&
        strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
        return not_of_kind(name, "1, 0, true or false is wanted", reterr);
    return tj_json_set_bool(args, name, is_true);
}

/* A whole number, as such or as text. */
static bool read_int(const tj_json *value, int64_t max, int64_t *ret_value)
{
    const char *text = tj_json_string_or(value, NULL);
    size_t size;

    if (text) {
        if (!http_parse_size(text, strlen(text), (size_t)max, &size))
            return false;
        *ret_value = (int64_t)size;
        return true;
    }
    *ret_value = tj_json_int_or(value, -1);
    return *ret_value >= 0 && *ret_value <= max;
}

static int set_count(tj_json *args,
                     const char *name,
                     const tj_json *value,
                     tj_error *reterr)
{
    int64_t number;

    if (!read_int(value, ARGUMENT_COUNT_MAX, &number))
        return not_of_kind(name, "a number from 0 to 1000000 is wanted",
                           reterr);
    return tj_json_set_int(args, name, number);
}

static int set_date(tj_json *args,
                    const char *name,
                    const tj_json *value,
                    tj_error *reterr)
{
    const char *text = tj_json_string_or(value, "");
    char instant[TJ_ISO_TIME_SIZE];
    int64_t wall_ms;

    snprintf(instant, sizeof(instant), "%.10sT00:00:00Z", text);
    if (strlen(text) != TJ_ISO_DATE_LENGTH ||
        !tj__iso_time_parse(instant, strlen(instant), &wall_ms))
        return not_of_kind(name, "a date such as 2026-04-01 is wanted", reterr);
    return tj_json_set_string(args, name, text);
}

static int
set_until(tj_json *args, const char *name, int64_t until_ms, tj_error *reterr)
{
    if (tj_json_get(args, "until_ms"))
        return not_of_kind(name, "give either 'for' or 'until', once", reterr);
    return tj_json_set_int(args, "until_ms", until_ms);
}

static int set_duration(tj_json *args,
                        const char *name,
                        const tj_json *value,
                        int64_t now_ms,
                        tj_error *reterr)
{
    int64_t duration_ms;

    if (!control_parse_duration(tj_json_string_or(value, ""), &duration_ms))
        return not_of_kind(
            name, "a duration such as 90s, 1h30m or 7d is wanted", reterr);
    return set_until(args, name, now_ms + duration_ms, reterr);
}

static int set_instant(tj_json *args,
                       const char *name,
                       const tj_json *value,
                       int64_t now_ms,
                       tj_error *reterr)
{
    const char *text = tj_json_string_or(value, "");
    int64_t wall_ms;

    if (!tj__iso_time_parse(text, strlen(text), &wall_ms) &&
        !read_int(value, (int64_t)1 << 53, &wall_ms))
        return not_of_kind(name,
                           "an instant such as 2026-04-01T08:00:00Z, or "
                           "milliseconds since 1970, is wanted",
                           reterr);
    if (wall_ms <= now_ms)
        return not_of_kind(name, "this instant has passed", reterr);
    return set_until(args, name, wall_ms, reterr);
}

static int set_text(tj_json *args,
                    const char *name,
                    const tj_json *value,
                    tj_error *reterr)
{
    const char *text = tj_json_string_or(value, NULL);

    if (!text || strlen(text) > ARGUMENT_TEXT_MAX ||
        !tj__text_is_printable(text, strlen(text)))
        return not_of_kind(name, "one line of at most 512 bytes is wanted",
                           reterr);
    return tj_json_set_string(args, name, text);
}

int argument_set(tj_json *args,
                 const argument_spec *specs,
                 const char *name,
                 const tj_json *value,
                 int64_t now_ms,
                 tj_error *reterr)
{
    const char *nearest;
    const argument_spec *spec = spec_find(specs, name, &nearest);

    if (!spec && nearest)
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "there is no argument '%.40s' here; did you mean "
                             "'%s'?",
                             name, nearest);
    if (!spec)
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "there is no argument '%.40s' here", name);
    if (tj_json_get(args, name))
        return not_of_kind(name, "it is given twice", reterr);
    switch (spec->kind) {
    case ARGUMENT_BOOL:
        return set_bool(args, name, value, reterr);
    case ARGUMENT_COUNT:
        return set_count(args, name, value, reterr);
    case ARGUMENT_DATE:
        return set_date(args, name, value, reterr);
    case ARGUMENT_DURATION:
        return set_duration(args, name, value, now_ms, reterr);
    case ARGUMENT_INSTANT:
        return set_instant(args, name, value, now_ms, reterr);
    case ARGUMENT_TEXT:
    default:
        return set_text(args, name, value, reterr);
    }
}

/* ---- a query ----------------------------------------------------------- */

static int set_pair(tj_json *args,
                    const argument_spec *specs,
                    const char *pair,
                    size_t size,
                    int64_t now_ms,
                    tj_error *reterr)
{
    const char *equals = memchr(pair, '=', size);
    size_t name_size = equals ? (size_t)(equals - pair) : size;
    char name[ARGUMENT_TEXT_MAX + 1], text[ARGUMENT_TEXT_MAX + 1];
    tj_json *value;
    int code;

    text[0] = '\0';
    if (!argument_decode(pair, name_size, true, name) ||
        (equals &&
         !argument_decode(equals + 1, size - name_size - 1, true, text)))
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "the query has a wrong %%-escape or a part of "
                             "more than 512 bytes");
    value = tj_json_new_string(text);
    if (!value)
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    code = argument_set(args, specs, name, value, now_ms, reterr);
    tj_json_free(value);
    return code;
}

int argument_set_query(tj_json *args,
                       const argument_spec *specs,
                       const char *query,
                       size_t size,
                       int64_t now_ms,
                       tj_error *reterr)
{
    int code = 0;

    while (size && !code) {
        const char *ampersand = memchr(query, '&', size);
        size_t step = ampersand ? (size_t)(ampersand - query) : size;

        if (step)
            code = set_pair(args, specs, query, step, now_ms, reterr);
        step += ampersand ? 1 : 0;
        query += step;
        size -= step;
    }
    return code;
}
