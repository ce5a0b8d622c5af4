/* The day log without a thread: every step is where the test wants it, and
 * time moves when the test says so. What holds here holds for the writer's
 * thread too, which takes the same steps. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <timedjobs/json.h>

#include "faulty_sys.h"
#include "log_dir_fixture.h"
#include "support/heap.h"

static tj_day_log *g_log;
static tj_error g_error;

/* What on_trouble was told. */
static int g_n_begins_or_goes_on, g_n_ends;
static tj_error g_trouble;
static uint64_t g_trouble_dropped;

static void
on_trouble(const tj_error *trouble, uint64_t n_dropped, void *userdata)
{
    (void)userdata;
    if (trouble) {
        g_n_begins_or_goes_on++;
        g_trouble = *trouble;
    } else {
        g_n_ends++;
    }
    g_trouble_dropped = n_dropped;
}

static int log_setup(void **state)
{
    g_log = NULL;
    memset(&g_error, 0, sizeof(g_error));
    g_n_begins_or_goes_on = 0;
    g_n_ends = 0;
    return fixture_setup(state);
}

static int log_teardown(void **state)
{
    tj_day_log_free(g_log);
    return fixture_teardown(state);
}

static tj_day_log_options options_make(void)
{
    tj_day_log_options options;

    tj_day_log_options_init(&options);
    options.dir = fixture_dir();
    options.mode = TJ_DAY_LOG_DIRECT;
    options.queue_size = 64 * 1024;
    options.clock = fixture_clock();
    options.on_trouble = on_trouble;
    return options;
}

static int log_new(const tj_day_log_options *options)
{
    return tj__day_log_new(options, &faulty_sys, &tj__log_tuning, &g_log,
                           &g_error);
}

static void log_open(const tj_day_log_options *options)
{
    assert_int_equal(log_new(options), 0);
}

static void append(int64_t wall_ms, const char *lines)
{
    tj_log_sink *sink = tj_day_log_sink(g_log);
    size_t size = strlen(lines), n_lines = 0;

    for (size_t i = 0; i < size; i++)
        n_lines += lines[i] == '\n';
    sink->ops->append(sink, wall_ms, lines, size, n_lines);
}

static void on_flushed(void *userdata)
{
    ++*(int *)userdata;
}

static void flush(void)
{
    tj_log_sink *sink = tj_day_log_sink(g_log);
    int n_flushed = 0;

    sink->ops->flush(sink, on_flushed, &n_flushed);
    assert_int_equal(n_flushed, 1);
}

static tj_day_log_stats stats(void)
{
    tj_day_log_stats now;

    tj_day_log_get_stats(g_log, &now);
    return now;
}

/* ---- opening ----------------------------------------------------------- */

/* S21: nonsense is refused before anything is made. */
static void test_options_out_of_range_are_refused(void **state)
{
    tj_day_log_options good = options_make(), options;

    (void)state;
    options = good;
    options.size = 8;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.queue_size = 64 * 1024 - 1;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.queue_size = (size_t)1024 * 1024 * 1024 + 1;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.full_wait_ms = -1;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    assert_non_null(strstr(g_error.message, "full_wait_ms"));
    options = good;
    options.sync_interval_ms = -2;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.flush_timeout_ms = 0;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.keep_days = -1;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.keep_bytes = -1;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.dir = NULL;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options.dir = "";
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.clock.now = NULL;
    assert_int_equal(log_new(&options), TJ_EINVAL);
    options = good;
    options.mode = (tj_day_log_mode)7;
    assert_int_equal(log_new(&options), TJ_EINVAL);
}

/* S30: the directory is made, private, with what leads to it. */
static void test_the_directory_is_made_with_its_parents(void **state)
{
    tj_day_log_options options = options_make();
    struct stat status;
    mode_t mask;

    (void)state;
    options.dir = fixture_path("a//b/./c/");
    mask = umask(0);
    log_open(&options);
    umask(mask);
    assert_int_equal(stat(fixture_path("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
    append(DAY_1_MS, "x\n");
    fixture_expect("a/b/c/" DAY_1, "x\n");
}

/* A relative directory stays where it was when the log was opened. */
static void test_a_relative_directory_survives_a_chdir(void **state)
{
    tj_day_log_options options = options_make();
    char before[4096];

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(fixture_dir()), 0);
    options.dir = "logs";
    log_open(&options);
    assert_int_equal(chdir(before), 0);
    fixture_remove_tree(fixture_path("logs"));
    append(DAY_1_MS, "x\n");
    fixture_expect("logs/" DAY_1, "x\n");
}

/* S30: a log that cannot work is said at the start, with the reason. */
static void test_a_log_that_cannot_work_does_not_open(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    fixture_write("file", "");
    options.dir = fixture_path("file");
    assert_int_equal(log_new(&options), TJ_ENOENT); /* not a directory */
    assert_non_null(strstr(g_error.message, "file"));

    options = options_make();
    assert_int_equal(symlink("file", fixture_path(DAY_1)), 0);
    assert_int_equal(log_new(&options), TJ_EACCES);
    assert_non_null(strstr(g_error.message, "symbolic link"));
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);

    options.dir = fixture_path("new");
    faulty_fail(CALL_MKDIRAT, 0, 1, EROFS);
    assert_int_equal(log_new(&options), TJ_EACCES);
    faulty_fail(CALL_MKDIRAT, 0, 1, ENOSPC);
    assert_int_equal(log_new(&options), TJ_ENOSPC);
    faulty_fail(CALL_OPENAT, 0, 1, EMFILE);
    assert_int_equal(log_new(&options), TJ_ESYSTEM);
    faulty_fail(CALL_FSTAT, 0, 1, EIO);
    assert_int_equal(log_new(&options), TJ_EIO);
    if (geteuid() != 0) {
        assert_int_equal(chmod(fixture_dir(), 0500), 0);
        options = options_make();
        assert_int_equal(log_new(&options), TJ_EACCES);
        assert_int_equal(chmod(fixture_dir(), 0700), 0);
    }
    assert_null(g_log);
}

/* A link that was planted for yesterday does not stop today. */
static void test_an_old_refused_file_does_not_stop_the_start(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    fixture_write("2026-03-31.jsonl", "");
    assert_int_equal(
        link(fixture_path("2026-03-31.jsonl"), fixture_path("other")), 0);
    log_open(&options);
    append(DAY_1_MS, "x\n");
    fixture_expect(DAY_1, "x\n");
}

/* J1: what a crash has torn is closed off by the next start, even when
 * midnight has passed between them. */
static void test_a_start_closes_off_a_torn_line(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    fixture_write(DAY_1, "whole\n{\"to");
    log_open(&options);
    fixture_expect(DAY_1, "whole\n{\"to\n");
    tj_day_log_free(g_log);
    g_log = NULL;

    fixture_write(DAY_1, "whole\n{\"to");
    fixture_clock_set(DAY_2_MS);
    log_open(&options);
    fixture_expect(DAY_1, "whole\n{\"to\n");
    append(DAY_2_MS, "x\n");
    fixture_expect(DAY_2, "x\n");
}

/* ---- writing ----------------------------------------------------------- */

/* The day is the lines', also when the clock goes back; order is kept. */
static void test_lines_go_to_their_own_days_file(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "a\nb\n");
    append(DAY_2_MS, "c\n");
    append(DAY_1_MS, "d\n");
    fixture_expect(DAY_1, "a\nb\nd\n");
    fixture_expect(DAY_2, "c\n");
    assert_int_equal(stats().n_lines, 4);
    assert_int_equal(stats().n_written, 4);
    assert_int_equal(stats().n_bytes, 8);
    assert_int_equal(stats().queued_size, 0);
    assert_false(stats().in_trouble);
    assert_int_equal(tj_day_log_free(g_log), 0);
    g_log = NULL;
}

/* S01: no text in a line steers where it goes. */
static void test_the_lines_text_does_not_choose_the_file(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "{\"ts\":\"../../evil\"}\n");
    fixture_expect(DAY_1, "{\"ts\":\"../../evil\"}\n");
}

/* An empty batch is no reason to make a file. */
static void test_an_empty_batch_writes_nothing(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "");
    flush();
    assert_int_equal(faulty_count(CALL_WRITEV), 0);
    assert_false(fixture_has(DAY_1));
}

/* A batch that is larger than the queue still comes whole. */
static void test_a_batch_beyond_the_queue_comes_in_pieces(void **state)
{
    tj_day_log_options options = options_make();
    const size_t n_lines = 30000;
    char *batch = malloc(n_lines * 8 + 1), *found;
    size_t size;

    (void)state;
    assert_non_null(batch);
    for (size_t i = 0; i < n_lines; i++)
        snprintf(batch + i * 8, 9, "%07zu\n", i);
    log_open(&options);
    append(DAY_1_MS, batch);
    found = fixture_read(DAY_1, &size);
    assert_non_null(found);
    assert_int_equal(size, n_lines * 8);
    assert_memory_equal(found, batch, size);
    assert_int_equal(stats().n_written, n_lines);
    free(found);
    free(batch);
}

/* ---- syncs ------------------------------------------------------------- */

/* At most one in each interval while lines come. */
static void test_syncs_keep_their_interval(void **state)
{
    tj_day_log_options options = options_make();
    size_t before;

    (void)state;
    options.sync_interval_ms = 1000;
    log_open(&options);
    append(DAY_1_MS, "x\n"); /* the first since ever */
    before = faulty_count(CALL_FDATASYNC);
    for (int ms = 0; ms < 10000; ms += 10) {
        faulty_pass_ms(10);
        append(DAY_1_MS, "x\n");
    }
    assert_in_range(faulty_count(CALL_FDATASYNC) - before, 9, 11);
}

/* -1: a line that append has returned for survives a power cut; 0: never. */
static void test_syncs_after_each_write_or_never(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    options.sync_interval_ms = -1;
    log_open(&options);
    for (size_t i = 1; i <= 5; i++) {
        append(DAY_1_MS, "x\n");
        assert_int_equal(faulty_count(CALL_FDATASYNC), i);
    }
    tj_day_log_free(g_log);

    options.sync_interval_ms = 0;
    log_open(&options);
    append(DAY_1_MS, "x\n");
    append(DAY_2_MS, "x\n");
    faulty_pass_ms(100000);
    append(DAY_2_MS, "x\n");
    tj_day_log_free(g_log);
    g_log = NULL;
    assert_int_equal(faulty_count(CALL_FDATASYNC), 5);
}

/* S38: what was written last is synced at the end, and before a day's file
 * is left. */
static void test_a_file_is_synced_before_it_is_left(void **state)
{
    tj_day_log_options options = options_make();
    size_t before;

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "x\n");
    faulty_pass_ms(10);
    append(DAY_1_MS, "y\n");
    before = faulty_count(CALL_FDATASYNC);
    append(DAY_2_MS, "z\n");
    assert_int_equal(faulty_count(CALL_FDATASYNC), before + 1);
    tj_day_log_free(g_log);
    g_log = NULL;
    assert_int_equal(faulty_count(CALL_FDATASYNC), before + 2);
}

/* F21: a failing sync is told; lines go on meanwhile; its end is told. */
static void test_a_failing_sync_is_trouble_and_stops_no_line(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    faulty_fail(CALL_FDATASYNC, 0, 2, EIO);
    append(DAY_1_MS, "a\n");
    assert_int_equal(g_n_begins_or_goes_on, 1);
    assert_int_equal(g_trouble.code, TJ_EIO);
    assert_true(stats().in_trouble);
    append(DAY_1_MS, "b\n");
    fixture_expect(DAY_1, "a\nb\n");
    faulty_pass_ms(1000);
    append(DAY_1_MS, "c\n");
    assert_int_equal(g_n_ends, 0);
    faulty_pass_ms(1000);
    append(DAY_1_MS, "d\n");
    assert_int_equal(g_n_begins_or_goes_on, 1);
    assert_int_equal(g_n_ends, 1);
    fixture_expect(DAY_1, "a\nb\nc\nd\n");
}

/* The sync of the day that is left can fail too, once. */
static void test_a_failing_sync_at_midnight_loses_no_line(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "a\n");
    faulty_pass_ms(10);
    append(DAY_1_MS, "b\n");
    faulty_fail(CALL_FDATASYNC, 0, 1, EIO);
    append(DAY_2_MS, "c\n");
    assert_int_equal(g_n_begins_or_goes_on, 1);
    faulty_pass_ms(1000);
    append(DAY_2_MS, "d\n");
    fixture_expect(DAY_2, "c\nd\n");
    assert_int_equal(g_n_ends, 1);
}

/* ---- trouble ----------------------------------------------------------- */

/* F14 F16 F18: lines wait, the disk is tried each second, told at the
 * beginning, each minute, and at the end; nothing is lost. */
static void test_trouble_is_told_and_lines_wait(void **state)
{
    static const int reasons[] = { ENOSPC, EIO, EROFS, EDQUOT, EMFILE };
    tj_day_log_options options = options_make();
    size_t n_tries;

    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        log_setup(state);
        log_open(&options);
        faulty_fail(CALL_OPENAT, 0, (size_t)-1, reasons[i]);
        append(DAY_1_MS, "a\n");
        assert_int_equal(g_n_begins_or_goes_on, 1);
        assert_true(stats().in_trouble);
        assert_int_equal(stats().trouble.code, g_trouble.code);
        n_tries = faulty_count(CALL_OPENAT);
        append(DAY_1_MS, "b\n"); /* the second is not over */
        assert_int_equal(faulty_count(CALL_OPENAT), n_tries);
        for (int second = 0; second < 120; second++) {
            faulty_pass_ms(1000);
            append(DAY_1_MS, "c\n");
        }
        assert_true(faulty_count(CALL_OPENAT) >= n_tries + 120);
        assert_int_equal(g_n_begins_or_goes_on, 3);
        assert_int_equal(stats().n_written, 0);
        assert_int_equal(stats().queued_size, 2 * 122);

        faulty_fail(CALL_OPENAT, 0, 0, 0);
        faulty_pass_ms(1000);
        append(DAY_1_MS, "d\n");
        assert_int_equal(g_n_ends, 1);
        assert_int_equal(g_trouble_dropped, 0);
        assert_int_equal(stats().n_written, 123);
        assert_false(stats().in_trouble);
        assert_int_equal(tj_day_log_free(g_log), 0);
        g_log = NULL;
        log_teardown(state);
    }
    log_setup(state);
}

/* A sync that failed before keeps the trouble present, and no line back: the
 * first write that succeeds lets all that wait through. */
static void test_a_failed_sync_holds_no_lines_back(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    faulty_fail(CALL_FDATASYNC, 0, 1, EIO);
    append(DAY_1_MS, "a\n");
    faulty_fail(CALL_WRITEV, 0, 1, ENOSPC);
    append(DAY_1_MS, "b\n");
    append(DAY_2_MS, "c\n"); /* a chunk of its own */
    assert_false(fixture_has(DAY_2));
    flush();
    fixture_expect(DAY_1, "a\nb\n");
    fixture_expect(DAY_2, "c\n");
}

/* A flush does not wait for the second to pass. */
static void test_a_flush_tries_at_once(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    faulty_fail(CALL_WRITEV, 0, 1, ENOSPC);
    append(DAY_1_MS, "a\n");
    assert_int_equal(stats().n_written, 0);
    flush();
    fixture_expect(DAY_1, "a\n");
    assert_int_equal(g_n_ends, 1);
}

/* So does the end; what cannot be written then is what it returns. */
static void test_free_returns_what_never_reached_a_file(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    faulty_space(5);
    append(DAY_1_MS, "a\nb\nc\nd\n");
    assert_int_equal(stats().n_written, 2);
    assert_int_equal(tj_day_log_free(g_log), 2);
    g_log = NULL;
    fixture_expect(DAY_1, "a\nb\nc");
}

/* Read our own entry and look at the keys, which come first and in order. */
static void gap_entry_expect(const char *line,
                             int64_t count,
                             int64_t size,
                             const char *since,
                             const char *until)
{
    static const char *const keys[] = { "batch_id", "duration_ms", "error",
                                        "result",   "runner",      "stage",
                                        "ts" };
    tj_json *entry;

    assert_int_equal(tj_json_parse(line, strcspn(line, "\n"), &entry, &g_error),
                     0);
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(tj_json_key_at(entry, i), keys[i]);
    assert_string_equal(tj_json_string_or(tj_json_get(entry, "runner"), ""),
                        "timed-jobs.log");
    assert_string_equal(tj_json_string_or(tj_json_get(entry, "stage"), ""),
                        "log_dropped");
    assert_string_equal(tj_json_string_or(tj_json_get(entry, "result"), ""),
                        "dropped");
    assert_true(strlen(tj_json_string_or(tj_json_get(entry, "batch_id"), "")) >
                0);
    assert_true(strlen(tj_json_string_or(tj_json_get(entry, "error"), "")) > 0);
    assert_int_equal(tj_json_int_or(tj_json_get(entry, "count"), -1), count);
    assert_int_equal(tj_json_int_or(tj_json_get(entry, "bytes"), -1), size);
    assert_string_equal(tj_json_string_or(tj_json_get(entry, "since"), ""),
                        since);
    assert_string_equal(tj_json_string_or(tj_json_get(entry, "until"), ""),
                        until);
    tj_json_free(entry);
}

/* S10, J3: the queue has an end; what does not fit is counted and said at the
 * place where it is missing. */
static void test_what_does_not_fit_is_counted_and_said(void **state)
{
    tj_day_log_options options = options_make();
    char line[1001], *found;
    uint64_t n_kept = 0;
    const char *entry;
    size_t size;

    (void)state;
    memset(line, 'x', 999);
    memcpy(line + 999, "\n", 2);
    log_open(&options);
    faulty_space(0);
    while (stats().n_dropped == 0) {
        append(DAY_1_MS + (int64_t)n_kept, line);
        n_kept++;
    }
    n_kept--;
    assert_in_range(n_kept, 60, 65);
    for (int i = 1; i < 10; i++)
        append(DAY_1_MS + (int64_t)n_kept + i, line);
    assert_int_equal(stats().n_dropped, 10);
    assert_int_equal(stats().queued_size, n_kept * 1000);

    faulty_space(-1);
    faulty_pass_ms(1000);
    fixture_clock_set(DAY_1_MS + 500);
    append(DAY_1_MS + 500, line); /* there is no room yet: it is dropped */
    append(DAY_1_MS + 600, line);
    found = fixture_read(DAY_1, &size);
    assert_non_null(found);
    assert_int_equal(g_n_ends, 1);
    entry = found + n_kept * 1000;
    assert_int_equal(*entry, '{');
    {
        char since[64], until[64];

        snprintf(since, sizeof(since), "2026-04-01T08:00:00.%03dZ",
                 (int)n_kept);
        snprintf(until, sizeof(until), "2026-04-01T08:00:00.500Z");
        gap_entry_expect(entry, 11, 11000, since, until);
    }
    assert_string_equal(strchr(entry, '\n') + 1, line);
    assert_int_equal(stats().n_lines, n_kept + 13); /* with the entry */
    assert_int_equal(stats().n_written, n_kept + 2);
    assert_int_equal(stats().n_dropped, 11);
    free(found);
}

/* EFBIG, a planted link: a file of its own trouble must not hold up the days
 * that follow. */
static void test_a_bad_file_is_given_up_when_the_next_day_comes(void **state)
{
    tj_day_log_options options = options_make();
    char *found;

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "a\n");
    faulty_write_max(3);
    faulty_fail(CALL_WRITEV, 1, 3, EFBIG);
    append(DAY_1_MS, "b\nc\nd\n"); /* "b\nc" goes, then it is too large */
    assert_true(stats().in_trouble);
    assert_int_equal(stats().n_written, 2);
    faulty_pass_ms(1000);
    flush();
    append(DAY_1_MS, "e\n");
    assert_true(stats().in_trouble);
    faulty_pass_ms(1000);
    faulty_write_max(0);
    fixture_clock_set(DAY_2_MS);
    append(DAY_2_MS, "f\n");

    assert_false(stats().in_trouble);
    fixture_expect(DAY_1, "a\nb\nc\ne\n");
    found = fixture_read(DAY_2, NULL);
    assert_non_null(found);
    assert_memory_equal(found, "f\n", 2);
    gap_entry_expect(found + 2, 2, 3, "2026-04-01T00:00:00.000Z",
                     "2026-04-01T23:59:59.999Z");
    free(found);
    assert_int_equal(stats().n_dropped, 2);
    assert_int_equal(stats().n_lines, stats().n_written + stats().n_dropped);
}

/* F17: a direct log looks for its file each 10 ms and 64 KiB; what a deletion
 * takes between two looks is bounded, counted and said. */
static void test_what_a_deletion_takes_is_bounded_and_counted(void **state)
{
    tj_day_log_options options = options_make();
    char *found;

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "a\n");
    append(DAY_1_MS, "b\n");
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);
    append(DAY_1_MS, "c\n"); /* within the 10 ms */
    faulty_pass_ms(10);
    append(DAY_1_MS, "d\n");
    found = fixture_read(DAY_1, NULL);
    assert_non_null(found);
    assert_memory_equal(found, "d\n", 2);
    assert_int_equal(stats().n_dropped, 2); /* b, c: nobody knows better */
    assert_int_equal(stats().n_lines, 4);
    free(found);
    flush();
    found = fixture_read(DAY_1, NULL);
    assert_non_null(found);
    gap_entry_expect(found + 2, 2, 4, "2026-04-01T08:00:00.000Z",
                     "2026-04-01T08:00:00.000Z");
    assert_non_null(strstr(found, "deleted"));
    free(found);

    /* a flush looks too */
    append(DAY_1_MS, "e\n");
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);
    append(DAY_1_MS, "f\n");
    flush();
    assert_true(stats().n_dropped >= 3);
    assert_int_equal(stats().n_lines, stats().n_written + stats().n_dropped);
}

/* F31: files that were moved away, as log rotators do, are let go. */
static void test_a_moved_file_is_let_go_within_seconds(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "a\n");
    assert_int_equal(rename(fixture_path(DAY_1), fixture_path("old")), 0);
    append(DAY_1_MS, "b\n");
    faulty_pass_ms(5000);
    append(DAY_1_MS, "c\n");
    fixture_expect("old", "a\nb\n");
    fixture_expect(DAY_1, "c\n");
}

/* Retention runs at the start, at each new day, and as bytes come. */
static void test_retention_runs_at_its_moments(void **state)
{
    tj_day_log_options options = options_make();
    char line[1001];

    (void)state;
    memset(line, 'x', 999);
    memcpy(line + 999, "\n", 2);
    options.keep_days = 1;
    options.keep_bytes = 10000;
    fixture_write("2026-03-29.jsonl", "x\n");
    fixture_write("2026-03-31.jsonl", "x\n");
    log_open(&options);
    assert_false(fixture_has("2026-03-29.jsonl"));
    assert_true(fixture_has("2026-03-31.jsonl"));
    append(DAY_1_MS, "a\n");
    fixture_clock_set(DAY_2_MS);
    append(DAY_2_MS, "b\n");
    assert_false(fixture_has("2026-03-31.jsonl"));
    assert_true(fixture_has(DAY_1));
    for (int i = 0; i < 9; i++)
        append(DAY_2_MS, line);
    assert_true(fixture_has(DAY_1));
    for (int i = 0; i < 4; i++)
        append(DAY_2_MS, line);
    assert_false(fixture_has(DAY_1));
    assert_true(fixture_has(DAY_2));
}

/* F20: each allocation may fail; nothing leaks, lines still come. */
static void test_opening_survives_every_failed_allocation(void **state)
{
    tj_day_log_options options = options_make();
    int rc;

    (void)state;
    options.keep_days = 10;
    fixture_write(DAY_1, "torn");
    heap_install();
    for (long successes = 0;; successes++) {
        heap_fail_after(successes);
        rc = log_new(&options);
        if (rc == 0) {
            append(DAY_1_MS, "x\n");
            fixture_remove_tree(fixture_path(DAY_1));
            faulty_pass_ms(1000);
            append(DAY_1_MS, "y\n");
            flush();
            tj_day_log_free(g_log);
            g_log = NULL;
        } else {
            assert_int_equal(rc, TJ_ENOMEM);
            assert_null(g_log);
        }
        assert_int_equal(heap_live(), 0);
        if (!heap_failed())
            break;
    }
    heap_remove();
    fixture_expect(DAY_1, "y\n");
}

/* NULL is nobody's log. */
static void test_free_of_nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(tj_day_log_free(NULL), 0);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_options_out_of_range_are_refused),
        TEST(test_the_directory_is_made_with_its_parents),
        TEST(test_a_relative_directory_survives_a_chdir),
        TEST(test_a_log_that_cannot_work_does_not_open),
        TEST(test_an_old_refused_file_does_not_stop_the_start),
        TEST(test_a_start_closes_off_a_torn_line),
        TEST(test_lines_go_to_their_own_days_file),
        TEST(test_the_lines_text_does_not_choose_the_file),
        TEST(test_an_empty_batch_writes_nothing),
        TEST(test_a_batch_beyond_the_queue_comes_in_pieces),
        TEST(test_syncs_keep_their_interval),
        TEST(test_syncs_after_each_write_or_never),
        TEST(test_a_file_is_synced_before_it_is_left),
        TEST(test_a_failing_sync_is_trouble_and_stops_no_line),
        TEST(test_a_failing_sync_at_midnight_loses_no_line),
        TEST(test_trouble_is_told_and_lines_wait),
        TEST(test_a_failed_sync_holds_no_lines_back),
        TEST(test_a_flush_tries_at_once),
        TEST(test_free_returns_what_never_reached_a_file),
        TEST(test_what_does_not_fit_is_counted_and_said),
        TEST(test_a_bad_file_is_given_up_when_the_next_day_comes),
        TEST(test_what_a_deletion_takes_is_bounded_and_counted),
        TEST(test_a_moved_file_is_let_go_within_seconds),
        TEST(test_retention_runs_at_its_moments),
        TEST(test_opening_survives_every_failed_allocation),
        TEST(test_free_of_nothing_is_nothing),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
