/* Printing JSON: byte for byte what JSON.stringify printed. */
#include "support/lines.h"
#include "support/unit.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"

/* The oracle for doubles, in whatever locale the host program set. */
static void check_numbers(void)
{
    line_file recorded;
    char *left, *right;

    lines_open(&recorded, "numbers.txt");
    while (lines_next_pair(&recorded, '\t', &left, &right)) {
        uint64_t bits = strtoull(left, NULL, 16);
        char text[TJ_JSON_NUMBER_SIZE];
        tj_json *value = NULL;
        double number;

        memcpy(&number, &bits, sizeof(number));
        assert_int_equal(tj__json_format_number(text, number), strlen(right));
        assert_string_equal(text, right);

        assert_int_equal(tj_json_parse(right, strlen(right), &value, NULL), 0);
        assert_true(tj_json_number_or(value, nan("")) == number);
        tj_json_free(value);
    }
    assert_true(recorded.number >= 20000);
}

static void test_numbers_print_as_javascript_prints_them(void **state)
{
    check_numbers();
}

/* A German desktop program that embeds us must not get 0,1 into its log. */
static void test_numbers_do_not_depend_on_the_locale(void **state)
{
    static const char *const commas[] = { "de_DE.UTF-8", "de_DE.utf8", "de_DE",
                                          "fr_FR.UTF-8", "nl_NL.UTF-8" };
    const char *found = NULL;
    size_t i;

    for (i = 0; i < sizeof(commas) / sizeof(commas[0]) && !found; i++)
        found = setlocale(LC_NUMERIC, commas[i]);
    if (!found)
        skip();
    assert_string_equal(localeconv()->decimal_point, ",");
    check_numbers();
    setlocale(LC_NUMERIC, "C");
}

static void test_what_is_no_number_prints_null(void **state)
{
    char text[TJ_JSON_NUMBER_SIZE];

    assert_int_equal(tj__json_format_number(text, nan("")), 4);
    assert_string_equal(text, "null");
    assert_int_equal(tj__json_format_number(text, HUGE_VAL), 4);
    assert_int_equal(tj__json_format_number(text, -HUGE_VAL), 4);
    assert_string_equal(text, "null");
}

static void check_recorded(const char *name, char separator)
{
    line_file recorded;
    char *left, *right, *text;
    size_t size;

    lines_open(&recorded, name);
    while (lines_next_pair(&recorded, separator, &left, &right)) {
        tj_error error = TJ_ERROR_INIT;
        tj_json *value, *copy;

        if (tj_json_parse(left, strlen(left), &value, &error) != 0)
            fail_msg("%s:%zu: %s", name, recorded.number, error.message);
        assert_int_equal(tj_json_print(value, &text, &size), 0);
        assert_string_equal(text, right);
        assert_int_equal(size, strlen(right));
        tj_free(text);

        copy = tj_json_copy(value);
        tj_json_free(value);
        assert_int_equal(tj_json_print(copy, &text, NULL), 0);
        assert_string_equal(text, right);
        tj_free(text);
        tj_json_free(copy);
    }
    assert_true(recorded.number > 100);
}

static void test_strings_print_as_javascript_prints_them(void **state)
{
    check_recorded("strings.txt", '\t');
}

/* Whole documents: key order above all. */
static void test_documents_print_as_javascript_prints_them(void **state)
{
    check_recorded("documents.txt", '\x1f');
}

static size_t unhex(const char *hex, char *bytes)
{
    size_t size = 0;

    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = { hex[0], hex[1], '\0' };

        bytes[size++] = (char)strtoul(digits, NULL, 16);
    }
    return size;
}

/* What a command prints need not be UTF-8; the log line must be, and as many
 * replacement characters as everybody else's decoder would make. */
static void test_malformed_bytes_are_replaced_as_decoders_do(void **state)
{
    line_file recorded;
    char *left, *right;

    lines_open(&recorded, "utf8.txt");
    while (lines_next_pair(&recorded, '\t', &left, &right)) {
        tj_buf buf = TJ_BUF_INIT;
        char bytes[64];
        size_t size = unhex(left, bytes);

        tj__json_write_bytes(&buf, bytes, size);
        assert_string_equal(buf.data, right);
        tj__buf_done(&buf);
    }
    assert_true(recorded.number > 1000);
}

/* The bytes that our strings give a meaning to. */
static void test_nul_and_surrogates_print_as_escapes(void **state)
{
    static const struct {
        int line;
        const char *text;
        const char *expected;
    } table[] = {
        { __LINE__, "\xc0\x80", "\"\\u0000\"" },
        { __LINE__,
          "a\xc0\x80"
          "b",
          "\"a\\u0000b\"" },
        { __LINE__, "\xc0\x81", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { __LINE__, "\xed\xa0\x80", "\"\\ud800\"" },
        { __LINE__, "\xed\xbf\xbf", "\"\\udfff\"" },
        { __LINE__, "\xed\xb0\x80\xed\xa0\x80", "\"\\udc00\\ud800\"" },
        /* Two halves of one character are that character. */
        { __LINE__, "\xed\xa0\xbd\xed\xb8\x80", "\"\xf0\x9f\x98\x80\"" },
        { __LINE__, "\xed\xa0\xbd\xed\xa0\xbd\xed\xb8\x80",
          "\"\\ud83d\xf0\x9f\x98\x80\"" },
        { __LINE__, "\xed\xa0", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { __LINE__, "\xed", "\"\xef\xbf\xbd\"" },
    };

    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        tj_buf buf = TJ_BUF_INIT;

        tj__json_write_string(&buf, table[i].text);
        if (strcmp(buf.data, table[i].expected) != 0)
            fail_msg("row of line %d: %s", table[i].line, buf.data);
        tj__buf_done(&buf);
    }
}

static void test_no_text_prints_null(void **state)
{
    tj_buf buf = TJ_BUF_INIT;

    tj__json_write_string(&buf, NULL);
    tj__json_write_value(&buf, NULL);
    tj__json_write_number(&buf, 1.5);
    assert_string_equal(buf.data, "nullnull1.5");
    tj__buf_done(&buf);
}

/* Special bytes at every offset of the eight that are looked at together. */
static void test_escapes_are_found_at_every_offset(void **state)
{
    static const char specials[] = { '\0', '\x1f', '"', '\\', '\x7f', ' ' };
    static const char *const printed[] = { "\\u0000", "\\u001f", "\\\"",
                                           "\\\\",    "\x7f",    " " };
    size_t length, at, kind;

    for (length = 1; length < 26; length++) {
        for (at = 0; at < length; at++) {
            for (kind = 0; kind < sizeof(specials); kind++) {
                char bytes[32], expected[64];
                tj_buf buf = TJ_BUF_INIT;

                memset(bytes, 'a', length);
                bytes[at] = specials[kind];
                snprintf(expected, sizeof(expected), "\"%.*s%s%.*s\"", (int)at,
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", printed[kind],
                         (int)(length - at - 1),
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
                tj__json_write_bytes(&buf, bytes, length);
                assert_string_equal(buf.data, expected);
                tj__buf_done(&buf);
            }
        }
    }
}

/* A buffer with a cap refuses; it does not hold half a string silently. */
static void test_cap_of_the_buffer_is_reported(void **state)
{
    tj_buf buf = TJ_BUF_INIT;

    buf.size_max = 4;
    tj__json_write_string(&buf, "abc");
    assert_true(buf.failed);
    tj__buf_done(&buf);
    tj__json_write_string(&buf, "ab");
    assert_false(buf.failed);
    assert_string_equal(buf.data, "\"ab\"");
    tj__buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_print_as_javascript_prints_them),
        cmocka_unit_test(test_numbers_do_not_depend_on_the_locale),
        cmocka_unit_test(test_what_is_no_number_prints_null),
        cmocka_unit_test(test_strings_print_as_javascript_prints_them),
        cmocka_unit_test(test_documents_print_as_javascript_prints_them),
        cmocka_unit_test(test_malformed_bytes_are_replaced_as_decoders_do),
        cmocka_unit_test(test_nul_and_surrogates_print_as_escapes),
        cmocka_unit_test(test_no_text_prints_null),
        cmocka_unit_test(test_escapes_are_found_at_every_offset),
        cmocka_unit_test(test_cap_of_the_buffer_is_reported),
    };

    return cmocka_run_group_tests_name("base/json_write", tests, NULL, NULL);
}
