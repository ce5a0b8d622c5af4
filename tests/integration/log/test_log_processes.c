/* The log in several processes: on one file together, killed in the middle,
 * and under a limit of the file's size. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <timedjobs/log.h>

#include "log_dir_fixture.h"
#include "narrative.h"

#define N_PROCESSES 4
#define N_LINES     20000

static tj_day_log_options options_make(tj_day_log_mode mode)
{
    tj_day_log_options options;

    tj_day_log_options_init(&options);
    options.dir = fixture_dir();
    options.mode = mode;
    options.queue_size = 256 * 1024;
    options.full_wait_ms = 60000;
    options.clock = fixture_clock();
    return options;
}

/* Append lines in batches of changing size, until `n_lines`. */
static void append_lines(tj_day_log *log, int engine, uint64_t n_lines)
{
    tj_log_sink *sink = tj_day_log_sink(log);
    static char batch[300 * LINE_SIZE_MAX];
    uint64_t number = 0;

    while (number < n_lines) {
        size_t n_batch = 1 + number % 7 * 40, size = 0;

        if (number + n_batch > n_lines)
            n_batch = (size_t)(n_lines - number);
        for (size_t i = 0; i < n_batch; i++)
            size += narrative_line(batch + size, engine, number++);
        sink->ops->append(sink, DAY_1_MS, batch, size, n_batch);
    }
}

static pid_t writer_start(tj_day_log_mode mode, int engine, uint64_t n_lines)
{
    tj_day_log_options options = options_make(mode);
    tj_day_log *log;
    pid_t child = fork();

    if (child)
        return child;
    if (tj_day_log_new(&options, &log, NULL))
        _exit(2);
    append_lines(log, engine, n_lines);
    _exit(tj_day_log_free(log) ? 3 : 0);
}

static int status_of(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* F32: whole lines, each process's in order, none lost. */
static void test_processes_share_a_file(void **state)
{
    narrative_findings found = { 0 };
    pid_t children[N_PROCESSES];

    (void)state;
    for (int i = 0; i < N_PROCESSES; i++)
        children[i] = writer_start(
            i % 2 ? TJ_DAY_LOG_DIRECT : TJ_DAY_LOG_THREAD, i, N_LINES);
    for (int i = 0; i < N_PROCESSES; i++)
        assert_int_equal(status_of(children[i]), 0);
    narrative_read(&found, DAY_1);
    assert_int_equal(found.n_lines, N_PROCESSES * N_LINES);
    assert_int_equal(found.n_missing, 0);
    assert_int_equal(found.n_torn, 0);
}

static void wait_for_bytes(off_t size)
{
    struct stat status;

    while (stat(fixture_path(DAY_1), &status) || status.st_size < size)
        usleep(100);
}

/* J1: after a kill there are whole lines and at most one torn one, which the
 * next start closes off. */
static void test_a_killed_writer_leaves_whole_lines(void **state)
{
    for (int round = 0; round < 30; round++) {
        tj_day_log_mode mode =
            round % 2 ? TJ_DAY_LOG_DIRECT : TJ_DAY_LOG_THREAD;
        tj_day_log_options options = options_make(mode);
        narrative_findings found = { 0 };
        tj_day_log *log;
        pid_t child;

        assert_int_equal(fixture_setup(state), 0);
        options.dir = fixture_dir();
        child = writer_start(mode, 0, UINT64_MAX);
        wait_for_bytes(20000 + round * 5000);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_true(WIFSIGNALED(status_of(child)));

        assert_int_equal(tj_day_log_new(&options, &log, NULL), 0);
        append_lines(log, 1, 10);
        assert_int_equal(tj_day_log_free(log), 0);
        narrative_read(&found, DAY_1);
        assert_int_equal(found.next[1], 10);
        assert_int_equal(found.n_missing, 0);
        assert_true(found.n_torn <= 1);
        fixture_teardown(state);
    }
}

/* The same while others write to the file: the torn line is ended by one of
 * them, and fuses with nobody's. */
static void test_a_killed_process_spoils_nobody_elses_lines(void **state)
{
    enum { N_VICTIMS = N_ENGINES_MAX - 2 };

    narrative_findings found = { 0 };
    pid_t survivors[2], victim;

    (void)state;
    for (int i = 0; i < 2; i++)
        survivors[i] = writer_start(TJ_DAY_LOG_THREAD, i, 60000);
    for (int i = 0; i < N_VICTIMS; i++) {
        victim = writer_start(TJ_DAY_LOG_THREAD, 2 + i, UINT64_MAX);
        usleep(3000 + 1000 * (unsigned)i);
        assert_int_equal(kill(victim, SIGKILL), 0);
        assert_true(WIFSIGNALED(status_of(victim)));
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(status_of(survivors[i]), 0);
    narrative_read(&found, DAY_1);
    assert_int_equal(found.next[0], 60000);
    assert_int_equal(found.next[1], 60000);
    assert_int_equal(found.n_missing, 0);
    assert_true(found.n_torn <= N_VICTIMS);
}

/* In the child: meet the limit, live, and go on when it is lifted. */
static int limit_meet(tj_day_log_mode mode)
{
    tj_day_log_options options = options_make(mode);
    struct rlimit limit;
    tj_day_log_stats stats;
    tj_day_log *log;

    if (mode == TJ_DAY_LOG_DIRECT) /* the writer's thread needs no such help */
        signal(SIGXFSZ, SIG_IGN);
    options.full_wait_ms = 0;
    if (getrlimit(RLIMIT_FSIZE, &limit) || tj_day_log_new(&options, &log, NULL))
        return 2;
    limit.rlim_cur = 50001;
    if (setrlimit(RLIMIT_FSIZE, &limit))
        return 2;
    append_lines(log, 0, 1500);
    do
        tj_day_log_get_stats(log, &stats);
    while (!stats.in_trouble);
    if (stats.trouble.code != TJ_ENOSPC)
        return 4;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit))
        return 2;
    return tj_day_log_free(log) ? 5 : 0;
}

/* F33: the default of SIGXFSZ is death. */
static void limit_judge(tj_day_log_mode mode)
{
    narrative_findings found = { 0 };
    pid_t child = fork();

    if (child == 0)
        _exit(limit_meet(mode));
    assert_int_equal(status_of(child), 0);
    narrative_read(&found, DAY_1);
    assert_int_equal(found.n_lines, 1500);
    assert_int_equal(found.n_missing, 0);
    assert_int_equal(found.n_torn, 0);
}

static void test_a_size_limit_is_survived_by_the_writer(void **state)
{
    (void)state;
    limit_judge(TJ_DAY_LOG_THREAD);
}

static void test_a_size_limit_is_survived_directly(void **state)
{
    (void)state;
    limit_judge(TJ_DAY_LOG_DIRECT);
}

/* In the child: no descriptor is left when the day's file is to be opened. */
static int descriptors_exhaust(void)
{
    tj_day_log_options options = options_make(TJ_DAY_LOG_THREAD);
    int fds[256], n_fds = 0;
    tj_day_log_stats stats;
    struct rlimit limit;
    tj_day_log *log;

    if (getrlimit(RLIMIT_NOFILE, &limit) ||
        tj_day_log_new(&options, &log, NULL))
        return 2;
    limit.rlim_cur = 128;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        return 2;
    while (n_fds < 256 && (fds[n_fds] = dup(0)) >= 0)
        n_fds++;
    append_lines(log, 0, 100);
    do
        tj_day_log_get_stats(log, &stats);
    while (!stats.in_trouble);
    while (n_fds > 0)
        close(fds[--n_fds]);
    return tj_day_log_free(log) ? 5 : 0;
}

/* F18: it waits for one. */
static void test_exhausted_descriptors_are_waited_for(void **state)
{
    narrative_findings found = { 0 };
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(descriptors_exhaust());
    assert_int_equal(status_of(child), 0);
    narrative_read(&found, DAY_1);
    assert_int_equal(found.n_lines, 100);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_processes_share_a_file),
        cmocka_unit_test(test_a_killed_writer_leaves_whole_lines),
        TEST(test_a_killed_process_spoils_nobody_elses_lines),
        TEST(test_a_size_limit_is_survived_by_the_writer),
        TEST(test_a_size_limit_is_survived_directly),
        TEST(test_exhausted_descriptors_are_waited_for),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
