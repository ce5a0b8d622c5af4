/* Arguments: what is taken, what it becomes, and what is said otherwise. */
#include "support/unit.h"

#include <string.h>

#include "control/arguments.h"

#define NOW_MS 1775030400000 /* 2026-04-01T08:00:00Z */

static const argument_spec specs[] = {
    { "text", ARGUMENT_TEXT },    { "flag", ARGUMENT_BOOL },
    { "count", ARGUMENT_COUNT },  { "date", ARGUMENT_DATE },
    { "for", ARGUMENT_DURATION }, { "until", ARGUMENT_INSTANT },
    { NULL, ARGUMENT_TEXT },
};

/* Durations are read in one way only: biggest unit first, each once. */
static void test_durations_are_read_or_refused(void **state)
{
    static const struct {
        int line;
        const char *text;
        int64_t ms; /* 0: refused */
    } rows[] = {
        { __LINE__, "90s", 90000 },
        { __LINE__, "1ms", 1 },
        { __LINE__, "15m", 900000 },
        { __LINE__, "1h30m", 5400000 },
        { __LINE__, "7d", 604800000 },
        { __LINE__, "2w3d4h5m6s7ms", 1483506007 },
        { __LINE__, "3653d", 315619200000 },
        { __LINE__, "0001s", 1000 },
        { __LINE__, "", 0 },
        { __LINE__, "0s", 0 },
        { __LINE__, "5", 0 },
        { __LINE__, "s", 0 },
        { __LINE__, "-5s", 0 },
        { __LINE__, "+5s", 0 },
        { __LINE__, " 5s", 0 },
        { __LINE__, "5s ", 0 },
        { __LINE__, "1.5h", 0 },
        { __LINE__, "5m1h", 0 },
        { __LINE__, "1h1h", 0 },
        { __LINE__, "5x", 0 },
        { __LINE__, "5mss", 0 },
        { __LINE__, "3654d", 0 },
        { __LINE__, "3653d1ms", 0 },
        { __LINE__, "99999999999999999999s", 0 },
        { __LINE__, "1000000000000w", 0 },
    };

    size_t at;

    for (at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        int64_t ms = 0;
        bool is_taken = control_parse_duration(rows[at].text, &ms);

        if (is_taken != (rows[at].ms != 0) || ms != rows[at].ms)
            fail_msg("line %d: '%s' became %lld", rows[at].line, rows[at].text,
                     (long long)ms);
    }
}

/* A query becomes checked values; the first thing wrong with it is told. */
static void test_queries_become_values_or_messages(void **state)
{
    static const struct {
        int line;
        const char *query;
        const char *outcome; /* JSON, or a part of the message */
    } rows[] = {
        { __LINE__, "", "{}" },
        { __LINE__, "&&", "{}" },
        { __LINE__, "text=", "{\"text\":\"\"}" },
        { __LINE__, "text", "{\"text\":\"\"}" },
        { __LINE__, "text=a%3db=c", "{\"text\":\"a=b=c\"}" },
        { __LINE__, "text=%E2%82%AC", "{\"text\":\"\xe2\x82\xac\"}" },
        { __LINE__, "flag=1&count=5", "{\"flag\":true,\"count\":5}" },
        { __LINE__, "flag=false", "{\"flag\":false}" },
        { __LINE__, "count=1000000", "{\"count\":1000000}" },
        { __LINE__, "date=2024-02-29", "{\"date\":\"2024-02-29\"}" },
        { __LINE__, "for=1h", "{\"until_ms\":1775034000000}" },
        { __LINE__, "until=2026-04-01T08:00:00.001Z",
          "{\"until_ms\":1775030400001}" },
        { __LINE__, "until=1775030400001", "{\"until_ms\":1775030400001}" },
        { __LINE__, "text=%C3", "one line of at most 512 bytes" },
        { __LINE__, "text=%00", "wrong %-escape" },
        { __LINE__, "text=%0a", "one line of at most 512 bytes" },
        { __LINE__, "text=%1b[2J", "one line of at most 512 bytes" },
        { __LINE__, "text=%", "wrong %-escape" },
        { __LINE__, "text=%4", "wrong %-escape" },
        { __LINE__, "text=%4g", "wrong %-escape" },
        { __LINE__, "txet=1", "did you mean 'text'?" },
        { __LINE__, "nonsense=1", "there is no argument 'nonsense' here" },
        { __LINE__, "=1", "there is no argument '' here" },
        { __LINE__, "TEXT=1", "there is no argument 'TEXT' here" },
        { __LINE__, "text=1&text=1", "it is given twice" },
        { __LINE__, "flag=yes", "1, 0, true or false" },
        { __LINE__, "flag=", "1, 0, true or false" },
        { __LINE__, "count=", "a number from 0 to 1000000" },
        { __LINE__, "count=1000001", "a number from 0 to 1000000" },
        { __LINE__, "count=1e3", "a number from 0 to 1000000" },
        { __LINE__, "date=2026-02-29", "a date such as" },
        { __LINE__, "date=2026-4-1", "a date such as" },
        { __LINE__, "date=2026-04-01x", "a date such as" },
        { __LINE__, "date=../../../x", "a date such as" },
        { __LINE__, "for=x", "a duration such as" },
        { __LINE__, "for=1h&until=2999-01-01T00:00:00Z", "either 'for' or" },
        { __LINE__, "for=1h&for=1h", "either 'for' or" },
        { __LINE__, "until=2026-04-01T08:00:00Z", "has passed" },
        { __LINE__, "until=noon", "an instant such as" },
    };

    size_t at;

    for (at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        tj_json *args = tj_json_new_object();
        tj_error error = TJ_ERROR_INIT;
        char *text = NULL;
        int code = argument_set_query(args, specs, rows[at].query,
                                      strlen(rows[at].query), NOW_MS, &error);

        assert_int_equal(tj_json_print(args, &text, NULL), 0);
        if (code ? !strstr(error.message, rows[at].outcome)
                 : strcmp(text, rows[at].outcome) != 0)
            fail_msg("line %d: '%s' became %s %s", rows[at].line,
                     rows[at].query, text, error.message);
        tj_free(text);
        tj_json_free(args);
    }
}

/* In a body values have types of their own. */
static void test_values_of_a_body_keep_their_types(void **state)
{
    static const struct {
        int line;
        const char *name;
        const char *value;
        int code;
    } rows[] = {
        { __LINE__, "flag", "true", 0 },
        { __LINE__, "flag", "false", 0 },
        { __LINE__, "flag", "1", TJ_EINVAL },
        { __LINE__, "flag", "null", TJ_EINVAL },
        { __LINE__, "count", "7", 0 },
        { __LINE__, "count", "7.5", TJ_EINVAL },
        { __LINE__, "count", "-1", TJ_EINVAL },
        { __LINE__, "count", "[]", TJ_EINVAL },
        { __LINE__, "text", "7", TJ_EINVAL },
        { __LINE__, "text", "\"a\\u0000b\"", TJ_EINVAL },
        { __LINE__, "text", "\"\\ud800\"", TJ_EINVAL },
        { __LINE__, "until", "1775030400001", 0 },
        { __LINE__, "until", "1775030400001.5", TJ_EINVAL },
        { __LINE__, "until", "1e300", TJ_EINVAL },
        { __LINE__, "for", "60", TJ_EINVAL },
        { __LINE__, "date", "20260401", TJ_EINVAL },
    };

    size_t at;

    for (at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
        tj_json *args = tj_json_new_object();
        tj_json *value = NULL;

        assert_int_equal(
            tj_json_parse(rows[at].value, strlen(rows[at].value), &value, NULL),
            0);
        if (argument_set(args, specs, rows[at].name, value, NOW_MS, NULL) !=
            rows[at].code)
            fail_msg("line %d", rows[at].line);
        tj_json_free(value);
        tj_json_free(args);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_are_read_or_refused),
        cmocka_unit_test(test_queries_become_values_or_messages),
        cmocka_unit_test(test_values_of_a_body_keep_their_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
