/* The pure parts of the command runner: captures, result lines, context. */
#include "base/alloc.h"
#include "runners/capture.h"
#include "runners/context.h"
#include "runners/notes.h"
#include "warden/client.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/heap.h"

/* ---- captures ----------------------------------------------------------- */

static void capture_is(const tj_capture *capture, const char *text)
{
    char *kept = tj__capture_text(capture);

    assert_non_null(kept);
    assert_string_equal(kept, text);
    tj__free(kept);
}

/* Whatever the sizes of the pieces, the end is kept, in order. */
static void test_capture_keeps_the_end(void **state)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (size_t max = 1; max <= 8; max++) {
        for (size_t piece = 1; piece <= 26; piece++) {
            tj_capture capture;

            tj__capture_init(&capture, max);
            for (size_t at = 0; at < 26; at += piece)
                tj__capture_add(&capture, text + at,
                                26 - at < piece ? 26 - at : piece);
            assert_int_equal(capture.total, 26);
            assert_int_equal(tj__capture_size(&capture), max);
            capture_is(&capture, text + 26 - max);
            tj__capture_done(&capture);
        }
    }
}

/* Short output is whole, none is none, and a cap of nothing keeps nothing. */
static void test_capture_of_little_is_whole(void **state)
{
    tj_capture capture;

    (void)state;
    tj__capture_init(&capture, 8);
    capture_is(&capture, "");
    tj__capture_add(&capture, "abc", 3);
    capture_is(&capture, "abc");
    tj__capture_done(&capture);
    tj__capture_init(&capture, 0);
    tj__capture_add(&capture, "abc", 3);
    assert_int_equal(capture.total, 3);
    capture_is(&capture, "");
    tj__capture_done(&capture);
}

/* A cut must not leave half a character, and NUL must survive. */
static void test_capture_text_is_whole_characters(void **state)
{
    tj_capture capture;

    (void)state;
    tj__capture_init(&capture, 4);
    tj__capture_add(&capture, "x\xe2\x82\xac!!", 6); /* € cut in two */
    capture_is(&capture, "!!");
    tj__capture_done(&capture);
    tj__capture_init(&capture, 8);
    tj__capture_add(&capture, "a\0b\xff", 4);
    capture_is(&capture, "a\xc0\x80"
                         "b\xff");
    tj__capture_done(&capture);
}

/* ---- result lines ------------------------------------------------------- */

#define MAX_SEEN 2000

struct seen {
    size_t n;
    char last[2048];
};

static void on_note(const tj_run_note *note, void *userdata)
{
    struct seen *seen = userdata;
    char *details = NULL;

    assert_int_equal(tj_json_print(note->details, &details, NULL), 0);
    seen->n++;
    snprintf(seen->last, sizeof(seen->last), "%s|%s|%s|%s", note->stage,
             note->result ? note->result : "-", note->error ? note->error : "-",
             details);
    free(details);
}

struct line_case {
    int line;
    const char *text;
    const char *note;   /* NULL: none */
    const char *result; /* NULL: none */
};

/* What a line becomes. A mistake in one never costs the run anything. */
static void test_each_line_becomes_what_it_should(void **state)
{
    static const struct line_case cases[] = {
        { __LINE__, "{\"stage\":\"half\"}", "half|-|-|null", NULL },
        { __LINE__,
          "{\"stage\":\"s\",\"result\":\"r\",\"error\":\"e\","
          "\"details\":{\"a\":1}}",
          "s|r|e|{\"a\":1}", NULL },
        { __LINE__, "{\"result\":\"fine\"}", NULL, "fine" },
        { __LINE__, "{\"result\":null}", NULL, NULL },
        { __LINE__, "", NULL, NULL },
        { __LINE__, " \t\r", NULL, NULL },
        { __LINE__, "{\"stage\":\"x\"}\r", "x|-|-|null", NULL },
        { __LINE__, "[1]", "malformed_line|-|not an object|{\"text\":\"[1]\"}",
          NULL },
        { __LINE__, "{}",
          "malformed_line|-|neither stage nor result|{\"text\":\"{}\"}", NULL },
        { __LINE__, "{\"stage\":1}",
          "malformed_line|-|stage is not a text|{\"text\":\"{\\\"stage\\\":1}"
          "\"}",
          NULL },
        { __LINE__, "{\"result\":1}",
          "malformed_line|-|result is not a text|{\"text\":\"{\\\"result\\\":1}"
          "\"}",
          NULL },
        { __LINE__, "{\"stage\":\"s\",\"details\":[]}",
          "malformed_line|-|details is not an object|{\"text\":\"{\\\"stage\\\""
          ":\\\"s\\\",\\\"details\\\":[]}\"}",
          NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen = { 0 };
        tj_notes notes;

        tj__notes_init(&notes, on_note, &seen);
        tj__notes_feed(&notes, cases[i].text, strlen(cases[i].text));
        tj__notes_feed(&notes, "\n", 1);
        tj__notes_end(&notes);
        if (seen.n != (cases[i].note ? 1 : 0))
            fail_msg("line %d: %zu notes", cases[i].line, seen.n);
        if (cases[i].note && strcmp(seen.last, cases[i].note) != 0)
            fail_msg("line %d: %s", cases[i].line, seen.last);
        if (cases[i].result)
            assert_string_equal(notes.result, cases[i].result);
        else
            assert_null(notes.result);
        tj__notes_done(&notes);
    }
}

/* Bytes come as the kernel likes; lines are lines. The unfinished last one
 * counts, too. */
static void test_lines_in_pieces_are_the_same_lines(void **state)
{
    static const char text[] = "{\"stage\":\"a\"}\n{\"stage\":\"b\"}\n"
                               "{\"result\":\"r\",\"details\":{\"n\":2}}";

    (void)state;
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct seen seen = { 0 };
        tj_notes notes;

        tj__notes_init(&notes, on_note, &seen);
        for (size_t at = 0; at < sizeof(text) - 1; at += piece)
            tj__notes_feed(&notes, text + at,
                           sizeof(text) - 1 - at < piece ? sizeof(text) - 1 - at
                                                         : piece);
        tj__notes_end(&notes);
        assert_int_equal(seen.n, 2);
        assert_string_equal(seen.last, "b|-|-|null");
        assert_string_equal(notes.result, "r");
        assert_int_equal(tj_json_int_or(tj_json_get(notes.details, "n"), 0), 2);
        tj__notes_done(&notes);
    }
}

/* Hostile bytes: NUL, broken UTF-8, bottomless nesting, duplicate keys. */
static void test_hostile_lines_are_kept_as_text(void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } lines[] = {
        { "{\"stage\":\"a\0b\"}", 15 },
        { "\0\0\0", 3 },
        { "\xff\xfe{", 3 },
        { "{\"stage\":\"a\",\"stage\":\"b\"}", 25 },
        { "{\"stage\":\"half", 14 },
    };

    char deep[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct seen seen = { 0 };
        tj_notes notes;

        tj__notes_init(&notes, on_note, &seen);
        tj__notes_feed(&notes, lines[i].text, lines[i].size);
        tj__notes_end(&notes);
        assert_int_equal(seen.n, 1);
        assert_memory_equal(seen.last, "malformed_line|", 15);
        tj__notes_done(&notes);
    }
    {
        struct seen seen = { 0 };
        tj_notes notes;

        memset(deep, '[', sizeof(deep));
        tj__notes_init(&notes, on_note, &seen);
        tj__notes_feed(&notes, deep, sizeof(deep));
        tj__notes_end(&notes);
        assert_int_equal(seen.n, 1);
        assert_memory_equal(seen.last, "malformed_line|", 15);
        tj__notes_done(&notes);
    }
}

/* A line without end costs its cap and one entry; the next one counts. */
static void test_too_long_a_line_is_skipped(void **state)
{
    struct seen seen = { 0 };
    tj_notes notes;
    char block[4096];

    (void)state;
    memset(block, 'x', sizeof(block));
    tj__notes_init(&notes, on_note, &seen);
    for (size_t i = 0; i < 100; i++)
        tj__notes_feed(&notes, block, sizeof(block));
    assert_int_equal(seen.n, 1);
    assert_true(notes.line.capacity <= 2 * TJ_NOTES_LINE_MAX);
    tj__notes_feed(&notes, "\n{\"stage\":\"next\"}\n", 18);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.last, "next|-|-|null");
    tj__notes_end(&notes);
    assert_int_equal(seen.n, 2);
    tj__notes_done(&notes);
}

/* A flood is counted, not kept; what was dropped is said once. */
static void test_flood_of_lines_is_dropped_and_counted(void **state)
{
    struct seen seen = { 0 };
    tj_notes notes;

    (void)state;
    tj__notes_init(&notes, on_note, &seen);
    for (size_t i = 0; i < TJ_NOTES_MAX + 7; i++)
        tj__notes_feed(&notes, "{\"stage\":\"s\"}\n", 14);
    tj__notes_feed(&notes, "{\"result\":\"still heard\"}\n", 25);
    tj__notes_end(&notes);
    assert_int_equal(seen.n, TJ_NOTES_MAX + 1);
    assert_string_equal(seen.last, "lines_dropped|-|more than a run may write|"
                                   "{\"count\":7}");
    assert_string_equal(notes.result, "still heard");
    tj__notes_done(&notes);
}

static void test_flood_of_bytes_is_dropped_and_counted(void **state)
{
    struct seen seen = { 0 };
    tj_notes notes;
    size_t n = 0;
    char line[1024];

    (void)state;
    memset(line, ' ', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    tj__notes_init(&notes, on_note, &seen);
    for (; n * sizeof(line) < TJ_NOTES_TOTAL_MAX; n++)
        tj__notes_feed(&notes, line, sizeof(line));
    assert_int_equal(seen.n, 0);
    for (size_t i = 0; i < 5; i++)
        tj__notes_feed(&notes, line, sizeof(line));
    tj__notes_end(&notes);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.last, "lines_dropped|-|more than a run may write|"
                                   "{\"count\":5}");
    tj__notes_done(&notes);
}

/* ---- context ------------------------------------------------------------ */

static const tj_tick_context tick = {
    .size = sizeof(tick),
    .job = "readings",
    .runner = "disk",
    .batch_id = "readings-1-2",
    .trigger = TJ_TRIGGER_MANUAL,
    .controller_id = "c1",
    .host = "h\xc3\xb6st",
    .term = 9007199254740991,
    .config = { 10000, 20, 5, 10000 },
    .log_dir = NULL,
    .wall_ms = 1775030400000,
};

static const tj_command_context context = { &tick,
                                            "00112233445566778899aabbccddeeff",
                                            1775030404000, 5000 };

static const char *variable(char **env, const char *name)
{
    const char *found = NULL;
    size_t size = strlen(name);

    for (size_t i = 0; env[i]; i++) {
        if (strncmp(env[i], name, size) == 0 && env[i][size] == '=') {
            assert_null(found); /* only once */
            found = env[i] + size + 1;
        }
    }
    return found;
}

/* A command's environment is built up, never passed on: no secret of the
 * daemon's gets out by default. */
static void test_environment_is_built_up(void **state)
{
    const char *const extra[] = { "HOME=/elsewhere", "EXTRA=a=b",
                                  "TIMED_JOBS_TERM=1", "EXTRA=c", NULL };
    char **env;

    (void)state;
    setenv("SECRET", "42", 1);
    setenv("HOME", "/root", 1);
    setenv("TZ", "Europe/Berlin", 1);
    env = tj__context_env(&context, extra);
    assert_non_null(env);
    assert_null(variable(env, "SECRET"));
    assert_non_null(variable(env, "PATH"));
    assert_string_equal(variable(env, "TZ"), "Europe/Berlin");
    assert_string_equal(variable(env, "HOME"), "/elsewhere");
    assert_string_equal(variable(env, "EXTRA"), "c");
    /* a fact cannot be replaced */
    assert_string_equal(variable(env, "TIMED_JOBS_TERM"), "9007199254740991");
    assert_string_equal(variable(env, "TIMED_JOBS_RUN_ID"), context.run_id);
    assert_string_equal(variable(env, "TIMED_JOBS_JOB"), "readings");
    assert_string_equal(variable(env, "TIMED_JOBS_RUNNER"), "disk");
    assert_string_equal(variable(env, "TIMED_JOBS_BATCH_ID"), "readings-1-2");
    assert_string_equal(variable(env, "TIMED_JOBS_TRIGGER"), "manual");
    assert_string_equal(variable(env, "TIMED_JOBS_SCHEDULED_AT"),
                        "2026-04-01T08:00:00.000Z");
    assert_string_equal(variable(env, "TIMED_JOBS_CONTROLLER_ID"), "c1");
    assert_string_equal(variable(env, "TIMED_JOBS_HOST"), "h\xc3\xb6st");
    assert_string_equal(variable(env, "TIMED_JOBS_INTERVAL_MS"), "10000");
    assert_string_equal(variable(env, "TIMED_JOBS_MAX_MESSAGES_PER_TICK"),
                        "20");
    assert_string_equal(variable(env, "TIMED_JOBS_MAX_TASKS_PER_TICK"), "5");
    assert_string_equal(variable(env, "TIMED_JOBS_SETTLE_DELAY_MS"), "10000");
    assert_string_equal(variable(env, "TIMED_JOBS_DEADLINE_MS"),
                        "1775030404000");
    assert_string_equal(variable(env, "TIMED_JOBS_TIMEOUT_MS"), "5000");
    assert_string_equal(variable(env, "TIMED_JOBS_RESULT_FD"), "3");
    assert_null(variable(env, "TIMED_JOBS_LOG_DIR"));
    tj__context_env_free(env);
}

/* The same on standard input, readable at once and by nobody changeable. */
static void test_standard_input_has_the_context(void **state)
{
    char text[2048];
    tj_error error = TJ_ERROR_INIT;
    tj_json *json = NULL;
    ssize_t size;
    int fd = tj__context_stdin(&context, &error);

    (void)state;
    assert_true(fd >= 0);
    size = read(fd, text, sizeof(text));
    assert_true(size > 0);
    assert_int_equal(text[size - 1], '\n');
    assert_int_equal(read(fd, text + size, 1), 0);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(tj_json_parse(text, (size_t)size, &json, &error), 0);
    assert_string_equal(tj_json_string_or(tj_json_get(json, "job"), ""),
                        "readings");
    assert_true(tj_json_int_or(tj_json_get(json, "term"), 0) ==
                9007199254740991);
    assert_int_equal(
        tj_json_int_or(
            tj_json_get(tj_json_get(json, "config"), "max_tasks_per_tick"), 0),
        5);
    assert_int_equal(tj_json_type_of(tj_json_get(json, "log_dir")),
                     TJ_JSON_NULL);
    tj_json_free(json);
    close(fd);
}

/* Out of memory anywhere is an answer, and leaks nothing. */
static void test_context_survives_out_of_memory(void **state)
{
    (void)state;
    heap_install();
    for (long fails = 0;; fails++) {
        char **env;
        int fd;

        heap_fail_after(fails);
        env = tj__context_env(&context, NULL);
        fd = tj__context_stdin(&context, NULL);
        if (!heap_failed()) {
            assert_non_null(env);
            assert_true(fd >= 0);
            tj__context_env_free(env);
            close(fd);
            break;
        }
        assert_int_equal(fd, -1);
        tj__context_env_free(env);
        assert_int_equal(heap_live(), 0);
    }
    heap_fail_never();
    heap_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capture_keeps_the_end),
        cmocka_unit_test(test_capture_of_little_is_whole),
        cmocka_unit_test(test_capture_text_is_whole_characters),
        cmocka_unit_test(test_each_line_becomes_what_it_should),
        cmocka_unit_test(test_lines_in_pieces_are_the_same_lines),
        cmocka_unit_test(test_hostile_lines_are_kept_as_text),
        cmocka_unit_test(test_too_long_a_line_is_skipped),
        cmocka_unit_test(test_flood_of_lines_is_dropped_and_counted),
        cmocka_unit_test(test_flood_of_bytes_is_dropped_and_counted),
        cmocka_unit_test(test_environment_is_built_up),
        cmocka_unit_test(test_standard_input_has_the_context),
        cmocka_unit_test(test_context_survives_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
