/* Reports: order, limits, excerpts, colour and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "config_support.h"
#include "daemon/config_report.h"

/* A file with a hundred mistakes must not bury the first. */
static void test_errors_past_the_limit_are_counted(void **state)
{
    tj_buf text = TJ_BUF_INIT;
    struct config_diagnostic finding;
    struct loaded loaded;
    size_t count = 0;
    int at;

    tj__buf_append_text(&text, "jobs:\n");
    for (at = 0; at < 23; at++)
        tj__buf_printf(&text, "  j%d: {every: 1s}\n", at);
    loaded = load_text(text.data, text.size);
    assert_int_equal(config_report_n_errors(loaded.report), 23);
    while (config_report_at(loaded.report, count, &finding)) {
        assert_int_equal(finding.mark.line, count + 2);
        count++;
    }
    assert_int_equal(count, CONFIG_ERRORS_MAX);
    assert_non_null(strstr(loaded.text.data, "\n3 more errors not shown\n"));
    loaded_done(&loaded);
    tj__buf_done(&text);
}

/* Findings of later checks take their place between those of the file. */
static void test_findings_are_in_the_order_of_the_file(void **state)
{
    struct loaded loaded = load_string("log: {dirr: x}\n\nhots: x\n");
    struct config_mark middle = { 1, 2, 1, 1 };
    struct config_mark nowhere = { 0, 0, 0, 0 };
    tj_buf text = TJ_BUF_INIT;

    config_report_add(loaded.report, CONFIG_WARNING, middle, NULL,
                      "in between");
    config_report_add(loaded.report, CONFIG_ERROR, nowhere, "a hint",
                      "of no %s", "file");
    config_report_print(loaded.report, &text, /* colour= */ false);
    assert_string_equal(
        text.data,
        "timed-jobs: error: of no file\n"
        "       = hint: a hint\n"
        "t.yaml:1:1: error: there is no 'jobs'\n"
        "     1 | log: {dirr: x}\n"
        "       | ^\n"
        "       = hint: the least is: jobs: {hello: {every: 10s, command: "
        "[date]}}\n"
        "t.yaml:1:7: error: unknown key 'dirr' in log; did you mean 'dir'?\n"
        "     1 | log: {dirr: x}\n"
        "       |       ^~~~\n"
        "t.yaml:2:1: warning: in between\n"
        "     2 |\n"
        "       | ^\n"
        "t.yaml:3:1: error: unknown key 'hots'; did you mean 'host'?\n"
        "     3 | hots: x\n"
        "       | ^~~~\n");
    assert_int_equal(config_report_n_errors(loaded.report), 4);
    assert_int_equal(config_report_n_warnings(loaded.report), 1);
    tj__buf_done(&text);
    loaded_done(&loaded);
}

/* Colour only wraps what is there without it. */
static void test_colour_adds_escapes_and_nothing_else(void **state)
{
    struct loaded loaded = load_string("hots: x\njobs: {}\n");
    tj_buf coloured = TJ_BUF_INIT, stripped = TJ_BUF_INIT;
    const char *at;

    config_report_print(loaded.report, &coloured, /* colour= */ true);
    assert_non_null(strstr(coloured.data, "\033[1;31merror:\033[0m"));
    assert_non_null(strstr(coloured.data, "\033[1;35mwarning:\033[0m"));
    for (at = coloured.data; *at; at++) {
        if (*at == '\033')
            at = strchr(at, 'm');
        else
            tj__buf_append_char(&stripped, *at);
    }
    assert_string_equal(stripped.data, loaded.text.data);
    tj__buf_done(&coloured);
    tj__buf_done(&stripped);
    loaded_done(&loaded);
}

/* Editors and scripts read this. */
static void test_json_has_every_member(void **state)
{
    struct loaded loaded = load_string("jobs:\n  a: {every: 1, command: x}\n");
    struct config_mark nowhere = { 0, 0, 0, 0 };
    tj_json *json;
    char *text;

    config_report_add(loaded.report, CONFIG_WARNING, nowhere, NULL, "hm");
    json = config_report_to_json(loaded.report);
    assert_int_equal(tj_json_print(json, &text, NULL), 0);
    assert_string_equal(
        text,
        "[{\"severity\":\"warning\",\"file\":null,\"line\":null,"
        "\"column\":null,\"message\":\"hm\",\"excerpt\":null,\"hint\":null},"
        "{\"severity\":\"error\",\"file\":\"t.yaml\",\"line\":2,\"column\":14,"
        "\"message\":\"jobs.a.every: '1' has no unit; did you mean '1s'?\","
        "\"excerpt\":\"  a: {every: 1, command: x}\","
        "\"hint\":\"units are ms, s, m, h and d\"}]");
    tj_free(text);
    tj_json_free(json);
    loaded_done(&loaded);
}

/* ---- excerpts ----------------------------------------------------------- */

static void assert_excerpt(const char *line_text,
                           uint32_t column,
                           uint32_t width,
                           const char *expected,
                           uint32_t indent,
                           uint32_t cells)
{
    struct config_line line = { line_text, strlen(line_text) };
    struct config_excerpt excerpt;

    assert_true(config_excerpt_make(line, column, width, &excerpt));
    assert_string_equal(excerpt.text, expected);
    assert_int_equal(excerpt.indent, indent);
    assert_int_equal(excerpt.width, cells);
    tj__free(excerpt.text);
}

/* The caret must stand below its character, whatever stands before it. */
static void test_caret_counts_cells_and_not_bytes(void **state)
{
    assert_excerpt("abc", 2, 1, "abc", 1, 1);
    assert_excerpt("a\tb", 3, 1, "a       b", 8, 1);
    assert_excerpt("a\tb", 2, 1, "a       b", 1, 7);
    assert_excerpt("\xe6\xbc\xa2x", 2, 1, "\xe6\xbc\xa2x", 2, 1);
    assert_excerpt("x\xe6\xbc\xa2", 2, 1, "x\xe6\xbc\xa2", 1, 2);
    /* e with a combining acute accent is one cell */
    assert_excerpt("e\xcc\x81x", 3, 1, "e\xcc\x81x", 1, 1);
    /* past the end, and behind white space that is cut off */
    assert_excerpt("abc  ", 6, 1, "abc", 3, 1);
    assert_excerpt("", 1, 1, "", 0, 1);
}

/* An excerpt is printed on a terminal: escapes and direction overrides of a
 * hostile file must not reach it. */
static void test_excerpt_is_harmless(void **state)
{
    assert_excerpt("a\033[31mb", 1, 1, "a\xef\xbf\xbd[31mb", 0, 1);
    assert_excerpt("a\xe2\x80\xae"
                   "b",
                   3, 1,
                   "a\xef\xbf\xbd"
                   "b",
                   2, 1);
    assert_excerpt("a\xff\xc3(", 4, 1, "a\xef\xbf\xbd\xef\xbf\xbd(", 3, 1);
}

/* A line of any length fits. */
static void test_long_line_is_cut_around_its_mark(void **state)
{
    char line_text[1001];
    struct config_line line = { line_text, 1000 };
    struct config_excerpt excerpt;

    memset(line_text, 'x', sizeof(line_text));
    line_text[500] = 'Y';
    assert_true(config_excerpt_make(line, 501, 1, &excerpt));
    assert_int_equal(strlen(excerpt.text), 106);
    assert_int_equal(excerpt.text[excerpt.indent], 'Y');
    assert_int_equal(strncmp(excerpt.text, "...x", 4), 0);
    assert_string_equal(excerpt.text + 102, "x...");
    tj__free(excerpt.text);
    /* what is wider than the window ends with it */
    assert_true(config_excerpt_make(line, 1, 1000, &excerpt));
    assert_int_equal(excerpt.indent, 0);
    assert_int_equal(excerpt.width, 100);
    tj__free(excerpt.text);
}

/* Lines are counted as libyaml counts them, or marks would point elsewhere. */
static void test_lines_end_with_any_kind_of_end(void **state)
{
    static const char text[] = "one\ntwo\r\nthree\rfour\n\nsix";
    static const char *const lines[] = { "one", "two", "three", "four",
                                         "",    "six", "" };
    uint32_t at;

    for (at = 0; at < 7; at++) {
        struct config_line line =
            config_text_line(text, sizeof(text) - 1, at + 1);

        assert_int_equal(line.size, strlen(lines[at]));
        assert_memory_equal(line.text, lines[at], line.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_past_the_limit_are_counted),
        cmocka_unit_test(test_findings_are_in_the_order_of_the_file),
        cmocka_unit_test(test_colour_adds_escapes_and_nothing_else),
        cmocka_unit_test(test_json_has_every_member),
        cmocka_unit_test(test_caret_counts_cells_and_not_bytes),
        cmocka_unit_test(test_excerpt_is_harmless),
        cmocka_unit_test(test_long_line_is_cut_around_its_mark),
        cmocka_unit_test(test_lines_end_with_any_kind_of_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
