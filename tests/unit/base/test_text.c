/* base/text: trim as JavaScript's, numbers, names, suggestions. */
#include "support/lines.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static size_t utf8_put(char *text, unsigned code)
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        text[0] = (char)(0xc0 | code >> 6);
        text[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        text[0] = (char)(0xe0 | code >> 12);
        text[1] = (char)(0x80 | (code >> 6 & 0x3f));
        text[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    text[0] = (char)(0xf0 | code >> 18);
    text[1] = (char)(0x80 | (code >> 12 & 0x3f));
    text[2] = (char)(0x80 | (code >> 6 & 0x3f));
    text[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Runner names are told apart after trimming: one code point more or less and
 * two names that JavaScript holds for one would both be accepted. */
static void test_trim_takes_what_javascript_takes(void **state)
{
    static bool is_space[0x110000];
    line_file recorded;
    char *line;
    unsigned code;

    lines_open(&recorded, "trim.txt");
    while (lines_next(&recorded, &line))
        is_space[strtoul(line, NULL, 16)] = true;
    assert_true(is_space[0xfeff]);

    for (code = 1; code < 0x110000; code++) {
        char text[16];
        const char *start;
        size_t size, step;

        if (code >= 0xd800 && code < 0xe000)
            continue;
        step = utf8_put(text, code);
        memcpy(text + step, "ab", 2);
        utf8_put(text + step + 2, code);
        text[step + 2 + step] = '\0';
        tj__text_trim_js(text, &start, &size);
        if (is_space[code]) {
            assert_ptr_equal(start, text + step);
            assert_int_equal(size, 2);
        } else {
            assert_ptr_equal(start, text);
            assert_int_equal(size, step + 2 + step);
        }
    }
}

/* White space inside stays, and text of nothing else becomes nothing. */
static void test_trim_edges(void **state)
{
    static const struct {
        int line;
        const char *text;
        const char *expected;
    } table[] = {
        { __LINE__, "", "" },
        { __LINE__, " \t\r\n\v\f", "" },
        { __LINE__, "a", "a" },
        { __LINE__, " a b ", "a b" },
        { __LINE__, "\xc2\xa0 x\xe3\x80\x80y \xef\xbb\xbf", "x\xe3\x80\x80y" },
        /* Bytes that only begin like white space are none. */
        { __LINE__, "\xe2", "\xe2" },
        { __LINE__, "\xe2\x80", "\xe2\x80" },
        { __LINE__, "\xc2", "\xc2" },
        { __LINE__, "\xe2\x40\x20x", "\xe2\x40\x20x" },
    };

    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *start;
        size_t size;

        tj__text_trim_js(table[i].text, &start, &size);
        if (size != strlen(table[i].expected) ||
            memcmp(start, table[i].expected, size) != 0)
            fail_msg("row of line %d", table[i].line);
    }
}

/* Every number of a log line goes through here. */
static void test_integers_print_as_printf_prints_them(void **state)
{
    static const uint64_t edges[] = {
        0,         1,          9,         10,
        99,        100,        101,       999,
        1000,      1001,       9999,      10000,
        99999,     UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1,
        UINT64_MAX
    };
    uint64_t value = 1;
    int i;

    for (i = 0; i < 2000; i++) {
        char expected[32], text[32];
        size_t size;

        if (i < (int)(sizeof(edges) / sizeof(edges[0])))
            value = edges[i];
        else
            value =
                (value * UINT64_C(6364136223846793005) + 1442695) >> (i % 63);
        size = tj__text_format_u64(text, value);
        text[size] = '\0';
        snprintf(expected, sizeof(expected), "%" PRIu64, value);
        assert_string_equal(text, expected);

        size = tj__text_format_i64(text, (int64_t)value);
        text[size] = '\0';
        snprintf(expected, sizeof(expected), "%" PRId64, (int64_t)value);
        assert_string_equal(text, expected);
    }
}

/* Names become file names and URLs: nothing else may pass. */
static void test_names_are_letters_digits_and_three_marks(void **state)
{
    static const char *const good[] = { "a",
                                        "Z9",
                                        "0",
                                        "a.b-c_d",
                                        "x--",
                                        ("01234567890123456789012345678901"
                                         "23456789012345678901234567890123") };
    static const char *const bad[] = { "",
                                       ".",
                                       "-a",
                                       "_a",
                                       "a b",
                                       "a/b",
                                       "\n",
                                       "a\n",
                                       "\xc3\xa9",
                                       "a\xc3\xa9",
                                       "..",
                                       ("01234567890123456789012345678901"
                                        "234567890123456789012345678901234") };
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(tj__text_is_name(good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(tj__text_is_name(bad[i]));
}

/* The limits of each length, and what lies just outside of them. */
static void test_utf8_is_told_from_its_imitations(void **state)
{
    static const struct {
        int line;
        const char *bytes;
        size_t expected;
    } table[] = {
        { __LINE__, "a", 1 },
        { __LINE__, "\x7f", 1 },
        { __LINE__, "\x80", 0 },
        { __LINE__, "\xbf", 0 },
        { __LINE__, "\xc0\x80", 0 },
        { __LINE__, "\xc1\xbf", 0 },
        { __LINE__, "\xc2\x80", 2 },
        { __LINE__, "\xdf\xbf", 2 },
        { __LINE__, "\xdf", 0 },
        { __LINE__, "\xdf\x41", 0 },
        { __LINE__, "\xe0\x9f\xbf", 0 },
        { __LINE__, "\xe0\xa0\x80", 3 },
        { __LINE__, "\xed\x9f\xbf", 3 },
        { __LINE__, "\xed\xa0\x80", 0 },
        { __LINE__, "\xee\x80\x80", 3 },
        { __LINE__, "\xef\xbf\xbf", 3 },
        { __LINE__, "\xef\xbf", 0 },
        { __LINE__, "\xf0\x8f\xbf\xbf", 0 },
        { __LINE__, "\xf0\x90\x80\x80", 4 },
        { __LINE__, "\xf4\x8f\xbf\xbf", 4 },
        { __LINE__, "\xf4\x90\x80\x80", 0 },
        { __LINE__, "\xf5\x80\x80\x80", 0 },
        { __LINE__, "\xff", 0 },
    };

    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t size = strlen(table[i].bytes);

        if (tj__text_utf8_size(table[i].bytes, size) != table[i].expected)
            fail_msg("row of line %d", table[i].line);
        /* One byte less is never enough. */
        if (size > 1 && tj__text_utf8_size(table[i].bytes, size - 1) != 0)
            fail_msg("row of line %d, shortened", table[i].line);
    }
}

static void test_printable_text_has_no_control_characters(void **state)
{
    assert_true(tj__text_is_printable("", 0));
    assert_true(tj__text_is_printable("a \xe2\x82\xac", 5));
    assert_false(tj__text_is_printable("a\tb", 3));
    assert_false(tj__text_is_printable("a\0b", 3));
    assert_false(tj__text_is_printable("\x7f", 1));
    assert_false(tj__text_is_printable("\xe2\x82\xac", 2));
}

/* "did you mean" is only useful when swapped letters count as one mistake. */
static void test_distance_counts_edits_and_swaps(void **state)
{
    assert_int_equal(tj__text_distance("", "", 3), 0);
    assert_int_equal(tj__text_distance("", "abc", 3), 3);
    assert_int_equal(tj__text_distance("kitten", "sitting", 5), 3);
    assert_int_equal(tj__text_distance("timeout", "tiemout", 3), 1);
    assert_int_equal(tj__text_distance("command", "comand", 3), 1);
    assert_int_equal(tj__text_distance("abc", "xyz", 1), 2);
    assert_int_equal(tj__text_distance("every", "very", 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trim_takes_what_javascript_takes),
        cmocka_unit_test(test_trim_edges),
        cmocka_unit_test(test_integers_print_as_printf_prints_them),
        cmocka_unit_test(test_names_are_letters_digits_and_three_marks),
        cmocka_unit_test(test_utf8_is_told_from_its_imitations),
        cmocka_unit_test(test_printable_text_has_no_control_characters),
        cmocka_unit_test(test_distance_counts_edits_and_swaps),
    };

    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
