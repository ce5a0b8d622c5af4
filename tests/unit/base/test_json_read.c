/* Reading JSON: what must be accepted, what must be refused and how. */
#include "support/heap.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <timedjobs/json.h>

static int setup(void **state)
{
    heap_install();
    return 0;
}

static int teardown(void **state)
{
    heap_remove();
    return 0;
}

/* Parse from memory of exactly that size, so that a sanitizer sees every byte
 * that is read behind the end. */
static int
parse_exact(const char *text, size_t size, tj_json **ret_value, tj_error *error)
{
    char *copy = malloc(size ? size : 1);
    int rc;

    assert_non_null(copy);
    memcpy(copy, text, size);
    rc = tj_json_parse(copy, size, ret_value, error);
    free(copy);
    return rc;
}

#define TEXT(literal) (literal), sizeof(literal) - 1

static void test_what_the_standard_allows_is_read(void **state)
{
    static const struct {
        int line;
        const char *text;
        size_t size;
        const char *expected;
    } table[] = {
        { __LINE__, TEXT("null"), "null" },
        { __LINE__, TEXT(" \t\r\n true \n"), "true" },
        { __LINE__, TEXT("false"), "false" },
        { __LINE__, TEXT("0"), "0" },
        { __LINE__, TEXT("-0"), "0" },
        { __LINE__, TEXT("-1"), "-1" },
        { __LINE__, TEXT("1.0"), "1" },
        { __LINE__, TEXT("0.1"), "0.1" },
        { __LINE__, TEXT("0e0"), "0" },
        { __LINE__, TEXT("1E+2"), "100" },
        { __LINE__, TEXT("1e-2"), "0.01" },
        { __LINE__, TEXT("0.000001"), "0.000001" },
        { __LINE__, TEXT("1e-400"), "0" },
        { __LINE__, TEXT("9223372036854775807"), "9223372036854775807" },
        { __LINE__, TEXT("-9223372036854775808"), "-9223372036854775808" },
        { __LINE__, TEXT("9223372036854775808"), "9223372036854776000" },
        { __LINE__, TEXT("-9223372036854775809"), "-9223372036854776000" },
        { __LINE__, TEXT("18446744073709551616"), "18446744073709552000" },
        { __LINE__, TEXT("9007199254740993"), "9007199254740993" },
        { __LINE__, TEXT("9007199254740993.0"), "9007199254740992" },
        { __LINE__, TEXT("1.7976931348623157e308"), "1.7976931348623157e+308" },
        { __LINE__, TEXT("\"\""), "\"\"" },
        { __LINE__, TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
          "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
        { __LINE__, TEXT("\"\\u0041\\u00e9\\u20AC\""),
          "\"A\xc3\xa9\xe2\x82\xac\"" },
        { __LINE__, TEXT("\"\\ud83d\\ude00\""), "\"\xf0\x9f\x98\x80\"" },
        { __LINE__, TEXT("\"\\uD83D\""), "\"\\ud83d\"" },
        { __LINE__, TEXT("\"\\ude00\\ud83d\""), "\"\\ude00\\ud83d\"" },
        { __LINE__, TEXT("\"\\ud83d\\n\""), "\"\\ud83d\\n\"" },
        { __LINE__, TEXT("\"\\ud83d\\u0041\""), "\"\\ud83dA\"" },
        { __LINE__, TEXT("\"\\ud83d\\ud83d\\ude00\""),
          "\"\\ud83d\xf0\x9f\x98\x80\"" },
        { __LINE__, TEXT("\"\\u0000\""), "\"\\u0000\"" },
        { __LINE__, TEXT("\"\x7f\xe2\x80\xa8\""), "\"\x7f\xe2\x80\xa8\"" },
        { __LINE__, TEXT("\"\xf4\x8f\xbf\xbf\""), "\"\xf4\x8f\xbf\xbf\"" },
        { __LINE__, TEXT("[]"), "[]" },
        { __LINE__, TEXT("[ ]"), "[]" },
        { __LINE__, TEXT("[[],[[]],{}]"), "[[],[[]],{}]" },
        { __LINE__, TEXT("{}"), "{}" },
        { __LINE__, TEXT("{ \"a\" : [ 1 , 2 ] , \"\" : { } }"),
          "{\"a\":[1,2],\"\":{}}" },
        { __LINE__, TEXT("{\"\\u0000\":1,\"a\\u0000\":2}"),
          "{\"\\u0000\":1,\"a\\u0000\":2}" },
        { __LINE__, TEXT("{\"__proto__\":1,\"toString\":2}"),
          "{\"__proto__\":1,\"toString\":2}" },
    };

    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        tj_error error = TJ_ERROR_INIT;
        tj_json *value;
        char *text;

        if (parse_exact(table[i].text, table[i].size, &value, &error) != 0)
            fail_msg("row of line %d: %s", table[i].line, error.message);
        assert_int_equal(tj_json_print(value, &text, NULL), 0);
        if (strcmp(text, table[i].expected) != 0)
            fail_msg("row of line %d: %s", table[i].line, text);
        tj_free(text);
        tj_json_free(value);
    }
}

/* Each with its place: whoever reads the message has to find the mistake. */
static void test_everything_else_is_refused_with_its_place(void **state)
{
    static const struct {
        int line;
        const char *text;
        size_t size;
        const char *message;
    } table[] = {
        { __LINE__, TEXT(""),
          "line 1 column 1: expected a value, but the "
          "text ends" },
        { __LINE__, TEXT("  \n "),
          "line 2 column 2: expected a value, but "
          "the text ends" },
        { __LINE__, TEXT("nul"), "line 1 column 1: expected a value, not 'n'" },
        { __LINE__, TEXT("nulL"), "line 1 column 1" },
        { __LINE__, TEXT("nullx"),
          "line 1 column 5: expected nothing after "
          "the value, not 'x'" },
        { __LINE__, TEXT("True"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("NaN"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("Infinity"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("undefined"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("-Infinity"), "line 1 column 2: expected a digit" },
        { __LINE__, TEXT("-"), "line 1 column 2: expected a digit, but" },
        { __LINE__, TEXT("--1"), "line 1 column 2: expected a digit" },
        { __LINE__, TEXT("+1"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT(".5"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("1."), "line 1 column 3: expected a digit after" },
        { __LINE__, TEXT("1.e1"), "line 1 column 3: expected a digit after" },
        { __LINE__, TEXT("-.5"), "line 1 column 2: expected a digit" },
        { __LINE__, TEXT("1e"), "line 1 column 3: expected a digit in" },
        { __LINE__, TEXT("1e+"), "line 1 column 4: expected a digit in" },
        { __LINE__, TEXT("1e+-2"), "line 1 column 4: expected a digit in" },
        { __LINE__, TEXT("01"), "line 1 column 2: expected nothing after" },
        { __LINE__, TEXT("-01"), "line 1 column 3: expected nothing after" },
        { __LINE__, TEXT("00"), "line 1 column 2" },
        { __LINE__, TEXT("0x10"), "line 1 column 2" },
        { __LINE__, TEXT("1_000"), "line 1 column 2" },
        { __LINE__, TEXT("1,5"), "line 1 column 2" },
        { __LINE__, TEXT("1e400"), "line 1 column 1: a number is beyond" },
        { __LINE__, TEXT("[-1e999]"), "line 1 column 2: a number is beyond" },
        { __LINE__, TEXT("'a'"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("\"abc"), "line 1 column 5: a string does not end" },
        { __LINE__, TEXT("\""), "line 1 column 2: a string does not end" },
        { __LINE__, TEXT("\"\\"), "line 1 column 3: expected one of" },
        { __LINE__, TEXT("\"\\a\""), "line 1 column 3: expected one of" },
        { __LINE__, TEXT("\"\\'\""), "line 1 column 3: expected one of" },
        { __LINE__, TEXT("\"\\\0\""), "line 1 column 3: expected one of" },
        { __LINE__, TEXT("\"\\x41\""), "line 1 column 3: expected one of" },
        { __LINE__, TEXT("\"\\U0041\""), "line 1 column 3: expected one of" },
        { __LINE__, TEXT("\"\\u\""), "line 1 column 4: expected four" },
        { __LINE__, TEXT("\"\\u004\""), "line 1 column 4: expected four" },
        { __LINE__, TEXT("\"\\u004g\""), "line 1 column 4: expected four" },
        { __LINE__, TEXT("\"\\u+041\""), "line 1 column 4: expected four" },
        { __LINE__, TEXT("\"\\u12"), "line 1 column 4: expected four" },
        { __LINE__, TEXT("\"\\ud800\\u12\""),
          "line 1 column 10: expected "
          "four" },
        { __LINE__, TEXT("\"a\nb\""),
          "line 1 column 3: byte 0x0a in a "
          "string must be escaped" },
        { __LINE__, TEXT("\"\t\""), "line 1 column 2: byte 0x09" },
        { __LINE__, TEXT("\"\x1f\""), "line 1 column 2: byte 0x1f" },
        { __LINE__, TEXT("\"a\0b\""), "line 1 column 3: byte 0x00" },
        { __LINE__, TEXT("\"\xc3\xa9\xff\""),
          "line 1 column 3: a string is "
          "not valid UTF-8" },
        { __LINE__, TEXT("\"\xc0\x80\""), "line 1 column 2: a string is not" },
        { __LINE__, TEXT("\"\xed\xa0\x80\""), "line 1 column 2: a string is" },
        { __LINE__, TEXT("\"\xf4\x90\x80\x80\""), "line 1 column 2: a str" },
        { __LINE__, TEXT("\"\xe2\x82"), "line 1 column 2: a string is not" },
        { __LINE__, TEXT("\"\xe2\x82\""), "line 1 column 2: a string is not" },
        { __LINE__, TEXT("\xef\xbb\xbf{}"),
          "line 1 column 1: expected a "
          "value, not byte 0xef" },
        { __LINE__, TEXT("\xff\xfe"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("1\0"),
          "line 1 column 2: expected nothing after the "
          "value, not byte 0x00" },
        { __LINE__, TEXT("\0"),
          "line 1 column 1: expected a value, not byte "
          "0x00" },
        { __LINE__, TEXT("\v1"), "line 1 column 1: expected a value" },
        { __LINE__,
          TEXT("\xc2\xa0"
               "1"),
          "line 1 column 1: expected a val" },
        { __LINE__, TEXT("["), "line 1 column 2: expected a value, but" },
        { __LINE__, TEXT("[1"), "line 1 column 3: expected ',' or ']', but" },
        { __LINE__, TEXT("[1,"), "line 1 column 4: expected a value, but" },
        { __LINE__, TEXT("[1,]"),
          "line 1 column 4: expected a value, not "
          "']'" },
        { __LINE__, TEXT("[,1]"), "line 1 column 2: expected a value" },
        { __LINE__, TEXT("[1,,2]"), "line 1 column 4: expected a value" },
        { __LINE__, TEXT("[1 2]"), "line 1 column 4: expected ',' or ']'" },
        { __LINE__, TEXT("[1}"),
          "line 1 column 3: expected ',' or ']', not "
          "'}'" },
        { __LINE__, TEXT("]"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("[]]"), "line 1 column 3: expected nothing after" },
        { __LINE__, TEXT("{"), "line 1 column 2: expected a key in" },
        { __LINE__, TEXT("{,}"), "line 1 column 2: expected a key in" },
        { __LINE__, TEXT("{]"), "line 1 column 2: expected a key in" },
        { __LINE__, TEXT("{a:1}"), "line 1 column 2: expected a key in" },
        { __LINE__, TEXT("{1:1}"), "line 1 column 2: expected a key in" },
        { __LINE__, TEXT("{'a':1}"), "line 1 column 2: expected a key in" },
        { __LINE__, TEXT("{\"a\""), "line 1 column 5: expected ':' after" },
        { __LINE__, TEXT("{\"a\" 1}"), "line 1 column 6: expected ':' after" },
        { __LINE__, TEXT("{\"a\":}"), "line 1 column 6: expected a value" },
        { __LINE__, TEXT("{\"a\":1,}"), "line 1 column 8: expected a key in" },
        { __LINE__, TEXT("{\"a\":1 \"b\":2}"),
          "line 1 column 8: expected ',' "
          "or '}'" },
        { __LINE__, TEXT("{\"a\":1]"),
          "line 1 column 7: expected ',' or "
          "'}', not ']'" },
        { __LINE__, TEXT("{\"a\":1,\"a\":2}"),
          "line 1 column 8: the key "
          "\"a\" comes twice" },
        { __LINE__, TEXT("{\"a\":1,\n \"\\u0061\":2}"),
          "line 2 column 2: the "
          "key \"a\" comes" },
        { __LINE__, TEXT("{\"\\n\":1,\"\\n\":2}"),
          "line 1 column 9: a key "
          "comes twice" },
        { __LINE__, TEXT("{} {}"), "line 1 column 4: expected nothing after" },
        { __LINE__, TEXT("1 // no"), "line 1 column 3: expected nothing" },
        { __LINE__, TEXT("/* no */ 1"), "line 1 column 1: expected a value" },
        { __LINE__, TEXT("[\n  \"\xe2\x82\xac\xf0\x9f\x98\x80\", x]"),
          "line 2 column 9: expected a value, not 'x'" },
    };

    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        tj_error error = TJ_ERROR_INIT;
        tj_json *value = NULL;

        if (parse_exact(table[i].text, table[i].size, &value, &error) !=
                TJ_EPARSE ||
            strncmp(error.message, table[i].message,
                    strlen(table[i].message)) != 0)
            fail_msg("row of line %d: %s", table[i].line, error.message);
        assert_null(value);
        assert_int_equal(error.code, TJ_EPARSE);
        assert_string_equal(error.module, "json");
        /* And without anybody to tell. */
        assert_int_equal(
            parse_exact(table[i].text, table[i].size, &value, NULL), TJ_EPARSE);
    }
}

/* Minus nothing is the one whole number that an int64_t cannot hold. */
static void test_minus_zero_keeps_its_sign(void **state)
{
    tj_json *value;

    assert_int_equal(tj_json_parse("-0", 2, &value, NULL), 0);
    assert_true(1 / tj_json_number_or(value, 1) < 0);
    assert_int_equal(tj_json_int_or(value, 7), 0);
    tj_json_free(value);
}

/* Texts that are all nesting: refused at the limit, by a message, and neither
 * by a crash nor by giving up the machine. */
static void test_deep_nesting_is_refused_at_the_limit(void **state)
{
    enum { DEEP = 100000 };

    static char text[2 * DEEP + 1];
    tj_error error = TJ_ERROR_INIT;
    tj_json *value = NULL;
    size_t depth = TJ_JSON_DEPTH_MAX;

    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(tj_json_parse(text, 2 * depth, &value, &error), 0);
    tj_json_free(value);
    value = NULL;

    depth++;
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(tj_json_parse(text, 2 * depth, &value, &error),
                     TJ_ETOOBIG);
    assert_string_equal(error.message,
                        "line 1 column 257: nested deeper than 256 levels");
    memset(text, '[', DEEP);
    assert_int_equal(tj_json_parse(text, DEEP, &value, NULL), TJ_ETOOBIG);
    for (depth = 0; depth + 5 <= DEEP; depth += 5)
        memcpy(text + depth, "{\"a\":", 5);
    assert_int_equal(tj_json_parse(text, depth, &value, NULL), TJ_ETOOBIG);
    assert_null(value);
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* Read an object of that many keys, return the CPU time. */
static double parse_keys(size_t count, const char *prefix)
{
    size_t size = 0;
    char *text = malloc(count * 24 + 2);
    tj_json *value = NULL;
    double start, spent;
    size_t i;

    assert_non_null(text);
    text[size++] = '{';
    for (i = 0; i < count; i++)
        size += (size_t)snprintf(text + size, 24, "%s\"%s%zu\":1", i ? "," : "",
                                 prefix, count - i);
    text[size++] = '}';
    start = cpu_seconds();
    assert_int_equal(tj_json_parse(text, size, &value, NULL), 0);
    spent = cpu_seconds() - start;
    assert_int_equal(tj_json_size(value), count);
    tj_json_free(value);
    free(text);
    return spent;
}

/* A hostile object must not make the duplicate check or the key order
 * quadratic: 100,000 keys would then take minutes. */
static void test_many_keys_take_linear_time(void **state)
{
    assert_true(parse_keys(100000, "key") < 20);
    /* Array indexes in the worst order. */
    assert_true(parse_keys(100000, "") < 20);
}

/* Every allocation of reading may fail. */
static void test_without_memory_nothing_leaks(void **state)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"text\",{\"b\":null}],\"7\":\"x\",\"\\u0000\":[[[]]],"
        "\"k1\":1,\"k2\":1,\"k3\":1,\"k4\":1,\"k5\":1,\"k6\":1,\"k7\":1,"
        "\"k8\":1,\"k9\":1,\"k10\":1,\"k11\":1,\"k12\":1,\"k13\":1,\"k14\":1,"
        "\"k15\":1,\"k16\":1,\"k17\":true}";
    tj_json *value = NULL;
    long fails;
    int rc;

    for (fails = 0;; fails++) {
        tj_error error = TJ_ERROR_INIT;

        heap_fail_once_after(fails);
        rc = tj_json_parse(text, sizeof(text) - 1, &value, &error);
        if (!heap_failed())
            break;
        assert_int_equal(rc, TJ_ENOMEM);
        assert_int_equal(error.code, TJ_ENOMEM);
        assert_null(value);
        assert_int_equal(heap_live(), 0);
    }
    heap_fail_never();
    assert_int_equal(rc, 0);
    assert_true(fails > 50);
    tj_json_free(value);
}

/* Cut anywhere, a text is refused, not read beyond its end. */
static void test_every_beginning_is_refused(void **state)
{
    static const char text[] =
        "{\"a\":[-1.5e+3,true,\"\\ud83d\\ude00\xe2\x82\xac\\n\"],\"b\":{}}";
    size_t size;

    for (size = 0; size < sizeof(text) - 1; size++) {
        tj_json *value = NULL;

        assert_int_equal(parse_exact(text, size, &value, NULL), TJ_EPARSE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_standard_allows_is_read),
        cmocka_unit_test(test_everything_else_is_refused_with_its_place),
        cmocka_unit_test(test_minus_zero_keeps_its_sign),
        cmocka_unit_test(test_deep_nesting_is_refused_at_the_limit),
        cmocka_unit_test(test_many_keys_take_linear_time),
        cmocka_unit_test(test_without_memory_nothing_leaks),
        cmocka_unit_test(test_every_beginning_is_refused),
    };

    return cmocka_run_group_tests_name("base/json_read", tests, setup,
                                       teardown);
}
