/* The log that stays in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <timedjobs/testing.h>

#include "support/heap.h"

#define DAY_1_MS INT64_C(1775087999999) /* 2026-04-01T23:59:59.999Z */

static void on_flushed(void *userdata)
{
    ++*(int *)userdata;
}

/* What a test reads back is the day files' content, day by day. */
static void test_lines_are_kept_by_utc_day(void **state)
{
    tj_memory_sink *memory;
    tj_log_sink *sink;
    int n_flushed = 0;
    size_t size;

    (void)state;
    assert_int_equal(tj_memory_sink_new(&memory), 0);
    sink = tj_memory_sink_get(memory);
    sink->ops->append(sink, DAY_1_MS + 1, "c\n", 2, 1);
    sink->ops->append(sink, DAY_1_MS, "a\n", 2, 1);
    sink->ops->append(sink, DAY_1_MS - 5, "b\nd\n", 4, 2);
    sink->ops->flush(sink, on_flushed, &n_flushed);

    assert_int_equal(n_flushed, 1);
    assert_int_equal(tj_memory_sink_n_days(memory), 2);
    assert_string_equal(tj_memory_sink_day_name(memory, 0), "2026-04-01");
    assert_string_equal(tj_memory_sink_day_name(memory, 1), "2026-04-02");
    assert_string_equal(tj_memory_sink_day_text(memory, 0, &size), "a\nb\nd\n");
    assert_int_equal(size, 6);
    assert_string_equal(tj_memory_sink_day_text(memory, 1, NULL), "c\n");
    assert_null(tj_memory_sink_day_name(memory, 2));
    assert_null(tj_memory_sink_day_text(memory, 2, &size));
    assert_int_equal(tj_memory_sink_n_lines(memory), 4);
    assert_int_equal(tj_memory_sink_n_dropped(memory), 0);
    tj_memory_sink_free(memory);
    tj_memory_sink_free(NULL);
}

/* A test without memory must not take a lost line for a line never logged. */
static void test_lost_lines_are_counted_when_memory_runs_out(void **state)
{
    tj_memory_sink *memory;
    tj_log_sink *sink;
    uint64_t n_dropped;

    (void)state;
    heap_install();
    heap_fail_after(0);
    assert_int_equal(tj_memory_sink_new(&memory), TJ_ENOMEM);
    for (long successes = 0;; successes++) {
        heap_fail_never();
        assert_int_equal(tj_memory_sink_new(&memory), 0);
        sink = tj_memory_sink_get(memory);
        heap_fail_once_after(successes);
        sink->ops->append(sink, DAY_1_MS, "a\n", 2, 1);
        sink->ops->append(sink, DAY_1_MS, "b\n", 2, 1);
        n_dropped = tj_memory_sink_n_dropped(memory);
        assert_int_equal(n_dropped, heap_failed() ? 1 : 0);
        assert_string_equal(tj_memory_sink_day_text(memory, 0, NULL),
                            n_dropped ? "b\n" : "a\nb\n");
        tj_memory_sink_free(memory);
        if (!n_dropped)
            break;
    }
    heap_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_kept_by_utc_day),
        cmocka_unit_test(test_lost_lines_are_counted_when_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
