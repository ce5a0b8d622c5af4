/* The log on disks that fill up, turn read-only or lose its directory: real
 * ones, mounted for the test in a mount namespace of its own. Needs the right
 * to mount; without it the test is skipped (77) and says so. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <timedjobs/log.h>

#include "log_dir_fixture.h"
#include "narrative.h"

static int disk_setup(void **state)
{
    if (fixture_setup(state) || mkdir(fixture_path("disk"), 0700))
        return -1;
    return mount("tmpfs", fixture_path("disk"), "tmpfs", 0, "size=64k");
}

static int disk_teardown(void **state)
{
    umount2(fixture_path("disk"), MNT_DETACH);
    return fixture_teardown(state);
}

static tj_day_log_options options_make(void)
{
    tj_day_log_options options;

    tj_day_log_options_init(&options);
    options.dir = fixture_path("disk/log");
    options.queue_size = 64 * 1024;
    options.clock = fixture_clock();
    return options;
}

static void append(tj_day_log *log, uint64_t number)
{
    tj_log_sink *sink = tj_day_log_sink(log);
    char line[LINE_SIZE_MAX];
    size_t size = narrative_line(line, 0, number);

    sink->ops->append(sink, DAY_1_MS, line, size, 1);
}

/* Wait for the writer, a minute at most. */
static void wait_for_trouble(tj_day_log *log, bool present)
{
    tj_day_log_stats stats;

    for (int i = 0; i < 60000; i++) {
        tj_day_log_get_stats(log, &stats);
        if (stats.in_trouble == present && (present || !stats.queued_size))
            return;
        usleep(1000);
    }
    fail_msg("trouble %s after a minute", present ? "not seen" : "still there");
}

/* F14: ticks go on, nothing crashes, what was dropped is counted and said,
 * and no line is torn once there is room again. */
static void test_a_full_disk_is_survived(tj_day_log_mode mode)
{
    tj_day_log_options options = options_make();
    narrative_findings found = { 0 };
    tj_day_log_stats stats;
    uint64_t number = 0;
    tj_day_log *log;

    options.mode = mode;
    assert_int_equal(tj_day_log_new(&options, &log, NULL), 0);
    do {
        append(log, number++);
        tj_day_log_get_stats(log, &stats);
    } while (stats.n_dropped < 100);
    wait_for_trouble(log, true);
    tj_day_log_get_stats(log, &stats);
    assert_int_equal(stats.trouble.code, TJ_ENOSPC);

    assert_int_equal(
        mount("tmpfs", fixture_path("disk"), "tmpfs", MS_REMOUNT, "size=4m"),
        0);
    if (mode == TJ_DAY_LOG_DIRECT)
        usleep(1100 * 1000); /* the retry's second, then by the next append */
    else
        wait_for_trouble(log, false);
    append(log, number++);
    append(log, number++);
    assert_true(tj_day_log_free(log) >= 100);

    narrative_read(&found, "disk/log/" DAY_1);
    assert_int_equal(found.n_torn, 0);
    assert_int_equal(found.n_told, found.n_missing);
    assert_true(found.n_missing >= 100);
    assert_int_equal(found.n_lines - found.n_entries + found.n_missing, number);
    assert_int_equal(found.next[0], number);
}

static void test_a_full_disk_is_survived_by_the_writer(void **state)
{
    (void)state;
    test_a_full_disk_is_survived(TJ_DAY_LOG_THREAD);
}

static void test_a_full_disk_is_survived_directly(void **state)
{
    (void)state;
    test_a_full_disk_is_survived(TJ_DAY_LOG_DIRECT);
}

static void read_only_set(bool on)
{
    assert_int_equal(mount("tmpfs", fixture_path("disk"), "tmpfs",
                           MS_REMOUNT | (on ? MS_RDONLY : 0), NULL),
                     0);
}

/* F16, S30: a start on a read-only disk is refused with the reason. */
static void test_a_read_only_disk_refuses_the_start(void **state)
{
    tj_day_log_options options = options_make();
    tj_error error = TJ_ERROR_INIT;
    tj_day_log *log;

    (void)state;
    read_only_set(true);
    assert_int_equal(tj_day_log_new(&options, &log, &error), TJ_EACCES);
    assert_non_null(strstr(error.message, "disk/log"));
    assert_non_null(strstr(error.message, strerror(EROFS)));
    read_only_set(false);
    assert_int_equal(tj_day_log_new(&options, &log, &error), 0);
    tj_day_log_free(log);
    read_only_set(true); /* also when the directory is there already */
    assert_int_equal(tj_day_log_new(&options, &log, &error), TJ_EACCES);
}

/* F16: one that turns read-only is waited for. */
static void test_a_disk_that_turns_read_only_is_waited_for(void **state)
{
    tj_day_log_options options = options_make();
    narrative_findings found = { 0 };
    tj_day_log_stats stats;
    tj_day_log *log;

    (void)state;
    assert_int_equal(tj_day_log_new(&options, &log, NULL), 0);
    read_only_set(true);
    for (uint64_t i = 0; i < 100; i++)
        append(log, i);
    wait_for_trouble(log, true);
    tj_day_log_get_stats(log, &stats);
    assert_int_equal(stats.trouble.code, TJ_EACCES);
    read_only_set(false);
    wait_for_trouble(log, false);
    assert_int_equal(tj_day_log_free(log), 0);
    narrative_read(&found, "disk/log/" DAY_1);
    assert_int_equal(found.n_lines, 100);
    assert_int_equal(found.n_missing, 0);
}

static _Atomic bool g_enough;

static void *remover_main(void *argument)
{
    char path[512];

    (void)argument;
    snprintf(path, sizeof(path), "%s/disk/log", fixture_dir());
    for (int i = 0; i < 200; i++) {
        fixture_remove_tree(path);
        usleep(1000);
    }
    g_enough = true;
    return NULL;
}

/* F17: the directory is removed again and again; the log makes it again, and
 * says of no line that it was written which it knows went nowhere. */
static void test_a_removed_directory_is_made_again(void **state)
{
    tj_day_log_options options = options_make();
    narrative_findings found = { 0 };
    tj_day_log_stats stats;
    pthread_t remover;
    uint64_t number = 0;
    tj_day_log *log;

    (void)state;
    assert_int_equal(
        mount("tmpfs", fixture_path("disk"), "tmpfs", MS_REMOUNT, "size=400m"),
        0);
    options.full_wait_ms = 60000;
    g_enough = false;
    assert_int_equal(tj_day_log_new(&options, &log, NULL), 0);
    assert_int_equal(pthread_create(&remover, NULL, remover_main, NULL), 0);
    while (!g_enough) {
        append(log, number++);
        if (number % 100 == 0)
            usleep(100);
    }
    pthread_join(remover, NULL);
    append(log, number++);
    tj_day_log_get_stats(log, &stats);
    assert_true(stats.n_lines >= number); /* with its own entries */
    /* On a busy machine the queue fills up while there is no directory; what
     * it then drops is counted, and nothing more is lost. */
    assert_int_equal(tj_day_log_free(log), stats.n_dropped);

    /* what is there is the end of the story, whole and in order */
    narrative_read(&found, "disk/log/" DAY_1);
    assert_int_equal(found.n_torn, 0);
    assert_int_equal(found.next[0], number);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_full_disk_is_survived_by_the_writer),
        TEST(test_a_full_disk_is_survived_directly),
        TEST(test_a_read_only_disk_refuses_the_start),
        TEST(test_a_disk_that_turns_read_only_is_waited_for),
        TEST(test_a_removed_directory_is_made_again),
    };
#undef TEST
    void *state = NULL;

    if (unshare(CLONE_NEWNS) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
        fprintf(stderr, "skipped: no mount namespace: %s\n", strerror(errno));
        return 77;
    }
    if (disk_setup(&state)) {
        fprintf(stderr, "skipped: cannot mount a tmpfs: %s\n", strerror(errno));
        fixture_teardown(&state);
        return 77;
    }
    disk_teardown(&state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
