/* The log under faults at random: whatever fails whenever, every line is
 * whole, in order, and there or counted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "faulty_sys.h"
#include "log_dir_fixture.h"
#include "narrative.h"

#define N_ENGINES 3
#define N_STEPS   400
#define N_SEEDS   300

typedef struct story {
    tj_day_log *log;
    uint32_t seed;
    uint64_t next[N_ENGINES];
    uint64_t n_lines;
    int64_t wall_ms;
} story;

static uint32_t random_below(story *now, uint32_t limit)
{
    now->seed = now->seed * 1664525 + 1013904223;
    return (now->seed >> 8) % limit;
}

static void append_some(story *now)
{
    tj_log_sink *sink = tj_day_log_sink(now->log);
    int engine = (int)random_below(now, N_ENGINES);
    size_t n_lines = 1 + random_below(now, 12), size = 0;
    char batch[12 * LINE_SIZE_MAX];

    for (size_t i = 0; i < n_lines; i++)
        size += narrative_line(batch + size, engine, now->next[engine]++);
    now->n_lines += n_lines;
    sink->ops->append(sink, now->wall_ms, batch, size, n_lines);
}

static void disturb(story *now)
{
    static const int reasons[] = { ENOSPC, EIO,   EROFS, EINTR,
                                   EDQUOT, EFBIG, EMFILE };

    switch (random_below(now, 4)) {
    case 0:
        faulty_space(random_below(now, 2000));
        break;
    case 1:
        faulty_write_max(1 + random_below(now, 300));
        break;
    case 2:
        faulty_fail((faulty_call)random_below(now, N_FAULTY_CALLS),
                    random_below(now, 5), 1 + random_below(now, 4),
                    reasons[random_below(now, 7)]);
        break;
    default:
        faulty_space(-1);
        faulty_write_max(0);
        break;
    }
}

static void heal(void)
{
    faulty_space(-1);
    faulty_write_max(0);
    for (int call = 0; call < N_FAULTY_CALLS; call++)
        faulty_fail((faulty_call)call, 0, 0, 0);
}

static void on_flushed(void *userdata)
{
    ++*(int *)userdata;
}

static void flush(story *now)
{
    tj_log_sink *sink = tj_day_log_sink(now->log);
    int n_flushed = 0;

    sink->ops->flush(sink, on_flushed, &n_flushed);
    assert_int_equal(n_flushed, 1);
}

static void story_play(story *now)
{
    for (int step = 0; step < N_STEPS; step++) {
        uint32_t dice = random_below(now, 100);

        if (dice < 75)
            append_some(now);
        else if (dice < 85)
            disturb(now);
        else if (dice < 97)
            faulty_pass_ms(random_below(now, 700));
        else
            flush(now);
        if (step == N_STEPS / 2) {
            now->wall_ms = DAY_2_MS;
            fixture_clock_set(DAY_2_MS);
        }
    }
    heal();
    faulty_pass_ms(1000);
    flush(now);
    append_some(now);
    flush(now);
}

static void story_judge(const story *now, const tj_day_log_stats *stats)
{
    narrative_findings found = { 0 };

    narrative_read(&found, DAY_1);
    narrative_read(&found, DAY_2);
    for (int i = 0; i < N_ENGINES; i++) /* the tail may be missing too */
        found.n_missing += now->next[i] - found.next[i];
    assert_int_equal(stats->n_lines, now->n_lines + found.n_entries);
    assert_int_equal(stats->n_lines, stats->n_written + stats->n_dropped);
    assert_int_equal(stats->n_written, found.n_lines);
    assert_int_equal(stats->n_dropped, found.n_missing);
    assert_int_equal(stats->n_dropped, found.n_told);
    assert_int_equal(stats->queued_size, 0);
    assert_false(stats->in_trouble);
}

/* J1, J2, J3 under anything that a disk does. */
static void test_every_line_is_whole_in_order_and_there_or_counted(void **state)
{
    uint64_t n_dropped = 0, n_failures = 0;

    for (uint32_t seed = 1; seed <= N_SEEDS; seed++) {
        story now = { .seed = seed, .wall_ms = DAY_1_MS };
        tj_day_log_options options;
        tj_day_log_stats stats;

        assert_int_equal(fixture_setup(state), 0);
        tj_day_log_options_init(&options);
        options.dir = fixture_dir();
        options.mode = TJ_DAY_LOG_DIRECT;
        options.queue_size = 64 * 1024;
        options.sync_interval_ms = 100;
        options.clock = fixture_clock();
        assert_int_equal(tj__day_log_new(&options, &faulty_sys, &tj__log_tuning,
                                         &now.log, NULL),
                         0);
        story_play(&now);
        tj_day_log_get_stats(now.log, &stats);
        assert_int_equal(tj_day_log_free(now.log), stats.n_dropped);
        n_failures += faulty_failures();
        n_dropped += stats.n_dropped;
        story_judge(&now, &stats);
        fixture_teardown(state);
    }
    /* the stories have to be eventful for this to mean anything */
    assert_true(n_failures > 1000);
    assert_true(n_dropped > 1000);
}

/* The same, systematically: each call fails once, at each place. */
static void test_one_failure_anywhere_loses_nothing(void **state)
{
    for (int call = 0; call < N_FAULTY_CALLS; call++) {
        for (size_t successes = 0; successes < 60; successes++) {
            story now = { .seed = 1, .wall_ms = DAY_1_MS };
            tj_day_log_options options;
            tj_day_log_stats stats;

            assert_int_equal(fixture_setup(state), 0);
            tj_day_log_options_init(&options);
            options.dir = fixture_dir();
            options.mode = TJ_DAY_LOG_DIRECT;
            options.clock = fixture_clock();
            assert_int_equal(tj__day_log_new(&options, &faulty_sys,
                                             &tj__log_tuning, &now.log, NULL),
                             0);
            faulty_fail((faulty_call)call, successes, 1,
                        call == CALL_WRITEV ? ENOSPC : EIO);
            for (int i = 0; i < 20; i++) {
                append_some(&now);
                faulty_pass_ms(1000);
            }
            now.wall_ms = DAY_2_MS;
            append_some(&now);
            flush(&now);
            faulty_pass_ms(1000);
            flush(&now);
            tj_day_log_get_stats(now.log, &stats);
            assert_int_equal(stats.n_dropped, 0);
            story_judge(&now, &stats);
            assert_int_equal(tj_day_log_free(now.log), 0);
            fixture_teardown(state);
            if (faulty_failures() == 0)
                break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_every_line_is_whole_in_order_and_there_or_counted),
        cmocka_unit_test(test_one_failure_anywhere_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
