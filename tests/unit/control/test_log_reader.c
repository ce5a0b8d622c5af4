/* Day files read backwards and forwards, whatever state they are in. */
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/log_filter.h"
#include "control/log_reader.h"

#define NOW_MS 1775030400000 /* 2026-04-01T08:00:00Z */
#define DAY_MS 86400000

static char dir[64];

static int setup(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/tj-reader-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -r '%s'", dir);
    return system(command);
}

static void append(const char *date, const char *text)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s.jsonl", dir, date);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* Lines {"n":first} to {"n":last}, padded to about `size` bytes each. */
static void append_lines(const char *date, int first, int last, int size)
{
    tj_buf text = TJ_BUF_INIT;
    int n;

    for (n = first; n <= last; n++)
        tj__buf_printf(&text, "{\"n\":%d,\"pad\":\"%0*d\"}\n", n, size, 0);
    append(date, text.data);
    tj__buf_done(&text);
}

static log_reader *reader_new(log_reader_options options)
{
    log_reader *reader = NULL;

    options.dir = dir;
    assert_int_equal(log_reader_new(&options, &reader, NULL), 0);
    return reader;
}

/* Step to the end; what came out is for the caller to free. */
static log_reader_state
read_on(log_reader *reader, int64_t wall_ms, tj_buf *out)
{
    log_reader_state state = LOG_READER_MORE;
    tj_error error = TJ_ERROR_INIT;

    while (state == LOG_READER_MORE) {
        if (log_reader_step(reader, wall_ms, out, &state, &error))
            fail_msg("%s", error.message);
    }
    return state;
}

/* Everything that a reader with these options says, as numbers "1 2 3". */
static void read_all(log_reader_options options, char numbers[256])
{
    log_reader *reader = reader_new(options);
    tj_buf out = TJ_BUF_INIT;
    const char *at;
    size_t used = 0;

    assert_int_equal(read_on(reader, NOW_MS, &out), LOG_READER_DONE);
    numbers[0] = '\0';
    for (at = out.data; at && (at = strstr(at, "\"n\":")) && used < 200;
         at += 4)
        used += (size_t)snprintf(numbers + used, 256 - used, "%s%d",
                                 used ? " " : "", atoi(at + 4));
    tj__buf_done(&out);
    log_reader_free(reader);
}

static void expect(int line, log_reader_options options, const char *expected)
{
    char numbers[256];

    read_all(options, numbers);
    if (strcmp(numbers, expected) != 0)
        fail_msg("line %d: '%s', not '%s'", line, numbers, expected);
}

#define EXPECT(numbers, ...) \
    expect(__LINE__, (log_reader_options){ __VA_ARGS__ }, numbers)

/* The last N lines are found over blocks and over days, with gaps in them. */
static void test_tail_goes_back_over_days(void **state)
{
    append_lines("2026-03-28", 1, 3, 10);
    append_lines("2026-03-31", 4, 6, 10);
    append_lines("2026-04-01", 7, 9, 10);
    EXPECT("", .tail = 0);
    EXPECT("9", .tail = 1);
    EXPECT("7 8 9", .tail = 3);
    EXPECT("6 7 8 9", .tail = 4);
    EXPECT("1 2 3 4 5 6 7 8 9", .tail = 9);
    EXPECT("1 2 3 4 5 6 7 8 9", .tail = 1000);
    EXPECT("7 8 9", .tail = -1);
    EXPECT("4 5 6", .tail = -1, .date = "2026-03-31");
    EXPECT("5 6", .tail = 2, .date = "2026-03-31");
    EXPECT("4 5 6", .tail = 9, .date = "2026-03-31");
    EXPECT("", .tail = 9, .date = "2026-03-30");
}

/* Blocks end anywhere in a line, and lines may be longer than a block. */
static void test_lines_longer_than_a_block_are_whole(void **state)
{
    append_lines("2026-04-01", 1, 3, 30000);
    append_lines("2026-04-01", 4, 5, 300000);
    append_lines("2026-04-01", 6, 7, 65510);
    append_lines("2026-04-01", 8, 9, 10);
    EXPECT("1 2 3 4 5 6 7 8 9", .tail = -1);
    EXPECT("8 9", .tail = 2);
    EXPECT("7 8 9", .tail = 3);
    EXPECT("5 6 7 8 9", .tail = 5);
    EXPECT("3 4 5 6 7 8 9", .tail = 7);
    EXPECT("1 2 3 4 5 6 7 8 9", .tail = 20);
}

/* What is no whole JSON object is left out and costs nobody else a line: a
 * torn line, binary junk, an unfinished end, one without any end in sight. */
static void test_lines_that_are_not_whole_are_left_out(void **state)
{
    append_lines("2026-04-01", 1, 2, 10);
    append("2026-04-01", "{\"torn\":\n\n\x01\x02\xff\n[3]\n\"text\"\n{}x\n");
    append_lines("2026-04-01", 3, 4, 10);
    append_lines("2026-04-01", 99, 99, 3000000);
    append_lines("2026-04-01", 5, 6, 10);
    append("2026-04-01", "{\"n\":7");
    EXPECT("1 2 3 4 5 6", .tail = -1);
    EXPECT("6", .tail = 1);
    EXPECT("4 5 6", .tail = 3);
    EXPECT("2 3 4 5 6", .tail = 5);
    EXPECT("1 2 3 4 5 6", .tail = 100);
}

static void
append_entry(int n, const char *batch_id, const char *runner, const char *stage)
{
    char text[256];

    snprintf(text, sizeof(text),
             "{\"batch_id\":%s,\"duration_ms\":null,\"error\":null,\"result\":"
             "null,\"runner\":\"%s\",\"stage\":\"%s\",\"ts\":"
             "\"2026-04-01T08:00:00.000Z\",\"n\":%d}\n",
             batch_id, runner, stage, n);
    append("2026-04-01", text);
}

/* A job is known by its batches, not by what its name looks like. */
static void test_filters_pass_what_belongs(void **state)
{
    append_entry(1, "null", "a.framework", "started");
    append_entry(2, "\"a-1775030400000-1\"", "a.framework", "tick_started");
    append_entry(3, "\"a-1775030400000-1\"", "disk", "runner_started");
    append_entry(4, "\"a-b-1775030400000-1\"", "disk", "runner_failed");
    append_entry(5, "\"a-1-1775030400000-1\"", "disk", "runner_failed");
    append_entry(6, "null", "a-b.framework", "started");
    append_entry(7, "\"a-1775030400000\"", "x", "tick_started");
    append_entry(8, "\"-1775030400000-1\"", "x", "tick_started");
    append("2026-04-01",
           "{\"n\":9,\"details\":{\"runner\":\"disk\",\"stage\":\"x\"}}\n");
    EXPECT("1 2 3", .tail = -1, .job = "a");
    EXPECT("4 6", .tail = -1, .job = "a-b");
    EXPECT("5", .tail = -1, .job = "a-1");
    EXPECT("3 4 5", .tail = -1, .runner = "disk");
    EXPECT("4 5", .tail = -1, .stage = "runner_failed");
    EXPECT("4", .tail = 9, .job = "a-b", .stage = "runner_failed");
    EXPECT("2 3", .tail = 2, .job = "a");
}

/* Names are made from dates; a link in the place of a file is not followed. */
static void test_links_and_odd_files_are_refused(void **state)
{
    log_reader_options options = { .dir = dir, .tail = -1 };
    log_reader_state step_state;
    tj_error error = TJ_ERROR_INIT;
    tj_buf out = TJ_BUF_INIT;
    log_reader *reader;
    char path[128];

    snprintf(path, sizeof(path), "%s/2026-04-01.jsonl", dir);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    reader = reader_new(options);
    assert_int_not_equal(
        log_reader_step(reader, NOW_MS, &out, &step_state, &error), 0);
    log_reader_free(reader);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    reader = reader_new(options);
    assert_int_equal(log_reader_step(reader, NOW_MS, &out, &step_state, &error),
                     TJ_EACCES);
    log_reader_free(reader);
    options.date = "../../etc/x";
    assert_int_equal(log_reader_new(&options, &reader, NULL), TJ_EINVAL);
    assert_int_equal(out.size, 0);
}

static void follow_expect(log_reader *reader, int64_t wall_ms, const char *text)
{
    tj_buf out = TJ_BUF_INIT;

    assert_int_equal(read_on(reader, wall_ms, &out), LOG_READER_AT_END);
    assert_string_equal(out.data ? out.data : "", text);
    tj__buf_done(&out);
}

/* Following: lines as they are finished, the next day's file only after the
 * last line of this day's, days without a file, and clocks before midnight. */
static void test_following_misses_and_repeats_nothing(void **state)
{
    log_reader_options options = { .tail = 0, .follow = true };
    log_reader *reader;

    append("2026-04-01", "{\"n\":1}\n");
    reader = reader_new(options);
    follow_expect(reader, NOW_MS, "");
    append("2026-04-01", "{\"n\":2}\n{\"n\":");
    follow_expect(reader, NOW_MS, "{\"n\":2}\n");
    follow_expect(reader, NOW_MS, "");
    append("2026-04-01", "3}\n");
    append("2026-04-02", "{\"n\":5}\n"); /* the writer's clock is ahead */
    append("2026-04-01", "{\"n\":4}\n");
    follow_expect(reader, NOW_MS, "{\"n\":3}\n{\"n\":4}\n");
    follow_expect(reader, NOW_MS + DAY_MS, "{\"n\":5}\n");
    append("2026-04-06", "{\"n\":6}\n");
    follow_expect(reader, NOW_MS + 4 * DAY_MS, "");
    follow_expect(reader, NOW_MS + 5 * DAY_MS, "{\"n\":6}\n");
    log_reader_free(reader);
}

/* The directory goes and comes back, a file is truncated or replaced: the
 * reader finds what is new. */
static void test_following_survives_files_that_vanish(void **state)
{
    log_reader_options options = { .tail = 0, .follow = true };
    log_reader *reader;
    char path[160], gone[96];

    reader = reader_new(options); /* no file at all yet */
    follow_expect(reader, NOW_MS, "");
    append("2026-04-01", "{\"n\":1}\n");
    follow_expect(reader, NOW_MS, "");
    follow_expect(reader, NOW_MS, "{\"n\":1}\n");
    snprintf(path, sizeof(path), "%s/2026-04-01.jsonl", dir);
    assert_int_equal(unlink(path), 0);
    append("2026-04-01", "{\"n\":2}\n");
    follow_expect(reader, NOW_MS, "");
    follow_expect(reader, NOW_MS, "{\"n\":2}\n");
    assert_int_equal(truncate(path, 0), 0);
    follow_expect(reader, NOW_MS, "");
    append("2026-04-01", "{\"n\":3}\n");
    follow_expect(reader, NOW_MS, "{\"n\":3}\n");

    snprintf(gone, sizeof(gone), "%s.gone", dir);
    assert_int_equal(rename(dir, gone), 0);
    snprintf(path, sizeof(path), "%s/2026-04-01.jsonl", gone);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(gone), 0);
    follow_expect(reader, NOW_MS, "");
    assert_int_equal(mkdir(dir, 0750), 0);
    append("2026-04-01", "{\"n\":4}\n");
    follow_expect(reader, NOW_MS, "");
    follow_expect(reader, NOW_MS, "{\"n\":4}\n");
    log_reader_free(reader);
}

/* One step reads one block, so that a big file cannot hold the loop. */
static void test_a_step_is_small(void **state)
{
    log_reader_options options = { .tail = -1 };
    log_reader_state step_state = LOG_READER_MORE;
    log_reader *reader;
    int steps = 0;

    append_lines("2026-04-01", 1, 1000, 1000);
    reader = reader_new(options);
    while (step_state == LOG_READER_MORE) {
        tj_buf out = TJ_BUF_INIT;

        assert_int_equal(
            log_reader_step(reader, NOW_MS, &out, &step_state, NULL), 0);
        assert_true(out.size <= LOG_READER_BLOCK);
        tj__buf_done(&out);
        steps++;
    }
    assert_in_range(steps, 16, 20);
    log_reader_free(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tail_goes_back_over_days),
        TEST(test_lines_longer_than_a_block_are_whole),
        TEST(test_lines_that_are_not_whole_are_left_out),
        TEST(test_filters_pass_what_belongs),
        TEST(test_links_and_odd_files_are_refused),
        TEST(test_following_misses_and_repeats_nothing),
        TEST(test_following_survives_files_that_vanish),
        TEST(test_a_step_is_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
