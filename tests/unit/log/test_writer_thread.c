/* What the writer's thread adds: appends that never wait for the disk,
 * flushes and ends with deadlines, and many writers at once. The clock is
 * real here, and the times are short; nothing depends on how short. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "faulty_sys.h"
#include "log_dir_fixture.h"
#include "narrative.h"
#include "support/heap.h"

static tj_day_log *g_log;

static int log_setup(void **state)
{
    g_log = NULL;
    return fixture_setup(state);
}

static tj_day_log_options options_make(void)
{
    tj_day_log_options options;

    tj_day_log_options_init(&options);
    options.dir = fixture_dir();
    options.queue_size = 64 * 1024;
    options.clock = fixture_clock();
    return options;
}

static void log_open(const tj_day_log_options *options)
{
    assert_int_equal(tj__day_log_new(options, &faulty_sys_timed, &faulty_tuning,
                                     &g_log, NULL),
                     0);
}

static void append(int64_t wall_ms, const char *lines)
{
    tj_log_sink *sink = tj_day_log_sink(g_log);
    size_t size = strlen(lines), n_lines = 0;

    for (size_t i = 0; i < size; i++)
        n_lines += lines[i] == '\n';
    sink->ops->append(sink, wall_ms, lines, size, n_lines);
}

static tj_day_log_stats stats(void)
{
    tj_day_log_stats now;

    tj_day_log_get_stats(g_log, &now);
    return now;
}

/* ---- waiting for things that other threads do --------------------------- */

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t g_changed = PTHREAD_COND_INITIALIZER;
static int g_n_flushed, g_n_begun, g_n_ended;

static void on_flushed(void *userdata)
{
    pthread_mutex_lock(&g_mutex);
    ++*(int *)userdata;
    pthread_cond_broadcast(&g_changed);
    pthread_mutex_unlock(&g_mutex);
}

static void
on_trouble(const tj_error *trouble, uint64_t n_dropped, void *userdata)
{
    (void)n_dropped;
    (void)userdata;
    pthread_mutex_lock(&g_mutex);
    if (trouble)
        g_n_begun++;
    else
        g_n_ended++;
    pthread_cond_broadcast(&g_changed);
    pthread_mutex_unlock(&g_mutex);
}

static void wait_for(const int *counter, int value)
{
    pthread_mutex_lock(&g_mutex);
    while (*counter < value)
        pthread_cond_wait(&g_changed, &g_mutex);
    pthread_mutex_unlock(&g_mutex);
}

static int counted(const int *counter)
{
    int value;

    pthread_mutex_lock(&g_mutex);
    value = *counter;
    pthread_mutex_unlock(&g_mutex);
    return value;
}

static void flush_begin(int *counter)
{
    tj_log_sink *sink = tj_day_log_sink(g_log);

    sink->ops->flush(sink, on_flushed, counter);
}

static void flush(void)
{
    int n_flushed = 0;

    flush_begin(&n_flushed);
    wait_for(&n_flushed, 1);
}

/* End the log; it must lose what it has counted as dropped, no more. */
static void free_expect_drops(void)
{
    uint64_t n_dropped = stats().n_dropped;

    assert_int_equal(tj_day_log_free(g_log), n_dropped);
}

/* ---- tests ------------------------------------------------------------- */

/* S38: after a flush the lines are in the file. */
static void test_a_flush_waits_for_the_lines(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    for (int i = 0; i < 100; i++) {
        append(DAY_1_MS, "a\n");
        flush();
        assert_int_equal(stats().n_written, i + 1);
    }
    flush(); /* with nothing to wait for */
    assert_int_equal(tj_day_log_free(g_log), 0);
}

/* S38: so they are after the end, without a flush. */
static void test_free_writes_what_waits(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    append(DAY_1_MS, "a\n");
    append(DAY_2_MS, "b\n");
    assert_int_equal(tj_day_log_free(g_log), 0);
    fixture_expect(DAY_1, "a\n");
    fixture_expect(DAY_2, "b\n");
    assert_true(faulty_count(CALL_FDATASYNC) >= 2);
}

/* An append returns while the disk hangs; what does not fit is counted. */
static void test_append_does_not_wait_for_a_hanging_disk(void **state)
{
    tj_day_log_options options = options_make();
    char line[1001];

    (void)state;
    memset(line, 'x', 999);
    memcpy(line + 999, "\n", 2);
    log_open(&options);
    faulty_hang(true);
    append(DAY_1_MS, "a\n");
    faulty_wait_hanging();
    for (int i = 0; i < 100; i++)
        append(DAY_1_MS, line);
    assert_int_equal(stats().n_written, 0);
    assert_true(stats().n_dropped > 30);
    assert_true(stats().queued_size <= 64 * 1024);
    while (!stats().in_trouble) /* a call that takes 1 ms hangs, here */
        ;
    assert_int_equal(stats().trouble.code, TJ_ETIMEDOUT);
    faulty_hang(false);
    flush();
    assert_false(stats().in_trouble);
    free_expect_drops();
}

/* A flush is answered by its deadline even when the writer never comes back,
 * and a second one does not wait as long again. */
static void test_a_hanging_disk_does_not_hang_a_flush(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    options.flush_timeout_ms = 20;
    log_open(&options);
    faulty_hang(true);
    append(DAY_1_MS, "a\n");
    faulty_wait_hanging();
    flush();
    flush();
    assert_int_equal(stats().n_written, 0);
    faulty_hang(false);
    assert_int_equal(tj_day_log_free(g_log), 0);
    fixture_expect(DAY_1, "a\n");
}

static void wait_until_closed(int fd)
{
    while (fcntl(fd, F_GETFD) >= 0)
        usleep(100);
}

/* The same for the end: it leaves the writer behind, which cleans up itself
 * if its call ever returns. */
static void test_a_hanging_disk_does_not_hang_the_end(void **state)
{
    tj_day_log_options options = options_make();
    int fd;

    (void)state;
    heap_install();
    options.flush_timeout_ms = 20;
    options.on_trouble = on_trouble;
    log_open(&options);
    append(DAY_1_MS, "a\n");
    flush();
    fd = g_log->file.fd;
    faulty_hang(true);
    append(DAY_1_MS, "b\nc\n");
    faulty_wait_hanging();
    flush_begin(&g_n_flushed); /* nobody waits for this one */
    assert_int_equal(tj_day_log_free(g_log), 2);
    g_n_begun = 0;
    faulty_fail(CALL_WRITEV, 0, 1, EIO);
    faulty_hang(false);
    wait_until_closed(fd);
    while (heap_live() > 0)
        usleep(100);
    assert_int_equal(g_n_begun, 0); /* the owner is gone: nobody is told */
    heap_remove();
}

/* A full disk at the end: tried until the deadline, and told. */
static void test_a_full_disk_does_not_hang_the_end(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    options.flush_timeout_ms = 20;
    log_open(&options);
    faulty_space(0);
    append(DAY_1_MS, "a\nb\n");
    assert_int_equal(tj_day_log_free(g_log), 2);
    assert_true(faulty_count(CALL_WRITEV) >= 2);
}

/* It recovers by itself, without anybody appending. */
static void test_the_writer_recovers_by_itself(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    g_n_begun = 0;
    g_n_ended = 0;
    options.on_trouble = on_trouble;
    log_open(&options);
    faulty_fail(CALL_OPENAT, 0, 5, EROFS);
    append(DAY_1_MS, "a\n");
    wait_for(&g_n_begun, 1);
    wait_for(&g_n_ended, 1);
    fixture_expect(DAY_1, "a\n");
    assert_int_equal(tj_day_log_free(g_log), 0);
}

/* What was dropped is said even if nothing is logged afterwards. */
static void test_drops_are_said_when_the_log_falls_silent(void **state)
{
    tj_day_log_options options = options_make();
    narrative_findings found = { 0 };
    uint64_t n_appended = 0, n_dropped;
    char line[LINE_SIZE_MAX];

    (void)state;
    log_open(&options);
    faulty_hang(true);
    do {
        size_t size = narrative_line(line, 0, n_appended++);
        tj_log_sink *sink = tj_day_log_sink(g_log);

        sink->ops->append(sink, DAY_1_MS, line, size, 1);
    } while (stats().n_dropped < 5);
    faulty_hang(false);
    flush();
    n_dropped = stats().n_dropped;
    assert_int_equal(tj_day_log_free(g_log), n_dropped);
    narrative_read(&found, DAY_1);
    assert_int_equal(found.n_told, n_dropped);
    assert_int_equal(found.n_entries, 1);
    assert_int_equal(found.n_lines, n_appended - n_dropped + 1);
}

/* G5: with a wait for room, appends that outrun the disk lose nothing. */
static void test_appends_that_may_wait_lose_nothing(void **state)
{
    tj_day_log_options options = options_make();
    narrative_findings found = { 0 };
    char line[LINE_SIZE_MAX];

    (void)state;
    options.full_wait_ms = 60000;
    log_open(&options);
    for (uint64_t i = 0; i < 50000; i++) {
        size_t size = narrative_line(line, 0, i);
        tj_log_sink *sink = tj_day_log_sink(g_log);

        sink->ops->append(sink, DAY_1_MS, line, size, 1);
    }
    assert_int_equal(tj_day_log_free(g_log), 0);
    narrative_read(&found, DAY_1);
    assert_int_equal(found.n_lines, 50000);
    assert_int_equal(found.n_missing, 0);
    assert_int_equal(found.n_torn, 0);
}

/* But not longer than allowed when the disk does not move, and then not
 * again and again. */
static void test_a_wait_for_room_ends(void **state)
{
    tj_day_log_options options = options_make();
    char line[1001];

    (void)state;
    memset(line, 'x', 999);
    memcpy(line + 999, "\n", 2);
    options.full_wait_ms = 5;
    log_open(&options);
    faulty_hang(true);
    append(DAY_1_MS, "a\n");
    faulty_wait_hanging();
    for (int i = 0; i < 10000; i++) /* 50 s if each of them waited */
        append(DAY_1_MS, line);
    assert_true(stats().n_dropped > 9900);
    faulty_hang(false);
    flush();
    free_expect_drops();
}

/* ---- several engines, one log ------------------------------------------ */

#define N_ENGINES 4
#define N_LINES   3000

static _Atomic bool g_calm;

static void *engine_main(void *argument)
{
    tj_log_sink *sink = tj_day_log_sink(g_log);
    int engine = (int)(intptr_t)argument;
    char batch[5 * LINE_SIZE_MAX];
    uint64_t number = 0;

    while (number < N_LINES) {
        size_t n_lines = 1 + number % 5, size = 0;

        if (number + n_lines > N_LINES)
            n_lines = N_LINES - number;
        for (size_t i = 0; i < n_lines; i++)
            size += narrative_line(batch + size, engine, number++);
        sink->ops->append(sink, DAY_1_MS, batch, size, n_lines);
        if (number % 500 < 5)
            sink->ops->flush(sink, on_flushed, &g_n_flushed);
    }
    return NULL;
}

static void *chaos_main(void *argument)
{
    uint32_t seed = 1;

    (void)argument;
    while (!g_calm) {
        seed = seed * 1664525 + 1013904223;
        faulty_space((seed >> 8) % 3 ? -1 : (int64_t)((seed >> 8) % 5000));
        faulty_write_max((seed >> 12) % 3 ? 0 : 1 + (seed >> 8) % 2000);
        if ((seed >> 16) % 8 == 0)
            faulty_fail((faulty_call)((seed >> 8) % N_FAULTY_CALLS), 0, 2, EIO);
        usleep(200);
    }
    faulty_space(-1);
    faulty_write_max(0);
    for (int call = 0; call < N_FAULTY_CALLS; call++)
        faulty_fail((faulty_call)call, 0, 0, 0);
    return NULL;
}

static void engines_run(bool disturbed)
{
    pthread_t engines[N_ENGINES], chaos;
    int before = counted(&g_n_flushed);

    g_calm = false;
    if (disturbed)
        assert_int_equal(pthread_create(&chaos, NULL, chaos_main, NULL), 0);
    for (int i = 0; i < N_ENGINES; i++)
        assert_int_equal(
            pthread_create(&engines[i], NULL, engine_main, (void *)(intptr_t)i),
            0);
    for (int i = 0; i < N_ENGINES; i++)
        pthread_join(engines[i], NULL);
    g_calm = true;
    if (disturbed)
        pthread_join(chaos, NULL);
    flush();
    assert_true(counted(&g_n_flushed) > before);
}

/* Each engine's lines keep their order, whatever fails. */
static void engines_judge(const tj_day_log_options *options, bool disturbed)
{
    narrative_findings found = { 0 };
    tj_day_log_stats last;
    uint64_t n_lost;

    log_open(options);
    engines_run(disturbed);
    last = stats();
    n_lost = tj_day_log_free(g_log);
    narrative_read(&found, DAY_1);
    for (int i = 0; i < N_ENGINES; i++)
        found.n_missing += N_LINES - found.next[i];
    assert_int_equal(n_lost, last.n_dropped);
    assert_int_equal(found.n_missing, last.n_dropped);
    assert_int_equal(found.n_told, last.n_dropped);
    assert_int_equal(found.n_lines - found.n_entries,
                     N_ENGINES * N_LINES - last.n_dropped);
}

static void test_engines_on_threads_share_a_log(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    options.full_wait_ms = 60000;
    engines_judge(&options, /* disturbed= */ false);
}

static void test_engines_on_threads_share_a_failing_log(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    options.sync_interval_ms = 1;
    engines_judge(&options, /* disturbed= */ true);
}

static void test_engines_on_threads_share_a_failing_direct_log(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    options.mode = TJ_DAY_LOG_DIRECT;
    engines_judge(&options, /* disturbed= */ true);
}

/* ---- the thread itself ------------------------------------------------- */

static void look_at_the_mask(void)
{
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    /* the program's signals are for its own threads; SIGXFSZ would kill */
    assert_int_equal(sigismember(&mask, SIGTERM), 1);
    assert_int_equal(sigismember(&mask, SIGXFSZ), 1);
    assert_int_equal(sigismember(&mask, SIGPIPE), 1);
}

/* A signal meant for the program must not end up in the writer. */
static void test_the_writer_takes_no_signals(void **state)
{
    tj_day_log_options options = options_make();

    (void)state;
    log_open(&options);
    faulty_before_write(0, look_at_the_mask);
    append(DAY_1_MS, "a\n");
    flush();
    assert_int_equal(tj_day_log_free(g_log), 0);
}

/* F20: a flush without memory waits inside its call and is answered. */
static void test_a_flush_without_memory_is_answered(void **state)
{
    tj_day_log_options options = options_make();
    int n_flushed = 0;

    (void)state;
    heap_install();
    log_open(&options);
    for (int i = 0; i < 20; i++) {
        append(DAY_1_MS, "a\n");
        heap_fail_after(0);
        flush_begin(&n_flushed);
        heap_fail_never();
        assert_int_equal(n_flushed, i + 1);
        assert_int_equal(stats().n_written, i + 1);
    }
    faulty_hang(true);
    append(DAY_1_MS, "a\n");
    faulty_wait_hanging();
    g_log->flush_timeout_ns = 1000 * 1000;
    heap_fail_after(0);
    flush_begin(&n_flushed);
    heap_fail_never();
    assert_int_equal(n_flushed, 21);
    faulty_hang(false);
    tj_day_log_free(g_log);
    assert_int_equal(heap_live(), 0);
    heap_remove();
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, log_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_flush_waits_for_the_lines),
        TEST(test_free_writes_what_waits),
        TEST(test_append_does_not_wait_for_a_hanging_disk),
        TEST(test_a_hanging_disk_does_not_hang_a_flush),
        TEST(test_a_hanging_disk_does_not_hang_the_end),
        TEST(test_a_full_disk_does_not_hang_the_end),
        TEST(test_the_writer_recovers_by_itself),
        TEST(test_drops_are_said_when_the_log_falls_silent),
        TEST(test_appends_that_may_wait_lose_nothing),
        TEST(test_a_wait_for_room_ends),
        TEST(test_engines_on_threads_share_a_log),
        TEST(test_engines_on_threads_share_a_failing_log),
        TEST(test_engines_on_threads_share_a_failing_direct_log),
        TEST(test_the_writer_takes_no_signals),
        TEST(test_a_flush_without_memory_is_answered),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
