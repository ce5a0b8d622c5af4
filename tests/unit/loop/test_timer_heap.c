/* loop/timer_heap: order, grid, stopping from everywhere. */
#include "support/heap.h"
#include "support/unit.h"

#include <stdlib.h>

#include "loop/timer_heap.h"

static int setup(void **state)
{
    heap_install();
    return 0;
}

static int teardown(void **state)
{
    heap_remove();
    return 0;
}

struct probe {
    tj__timer_heap *heap;
    tj_timer *timer;
    uint64_t due_ns;
    uint64_t expirations;
    int serial;
    int fired;
    int *order;
};

static void on_fire(void *userdata, uint64_t expirations)
{
    struct probe *probe = userdata;

    probe->expirations = expirations;
    probe->fired = ++*probe->order;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Many timers, a third of them stopped in between: the rest fire by time, and
 * those of one time in the order in which they were made. */
static void test_timers_fire_by_time_then_by_age(void **state)
{
    enum { COUNT = 3000 };

    static struct probe probes[COUNT];
    tj__timer_heap heap = { 0 };
    uint64_t seed = 42;
    uint64_t last_due = 0;
    int last_serial = -1;
    int order = 0;
    int i;

    for (i = 0; i < COUNT; i++) {
        probes[i] = (struct probe){ .due_ns = 1 + next_random(&seed) % 200,
                                    .serial = i,
                                    .order = &order };
        assert_int_equal(tj__timer_heap_start(&heap, probes[i].due_ns, 0,
                                              on_fire, &probes[i],
                                              &probes[i].timer),
                         0);
        if (i % 3 == 2) {
            struct probe *victim = &probes[next_random(&seed) % (unsigned)i];

            if (victim->timer)
                tj__timer_heap_stop(&heap, victim->timer);
            victim->timer = NULL;
        }
    }
    while (tj__timer_heap_due(&heap) != TJ__TIMER_NEVER) {
        uint64_t due_ns = tj__timer_heap_due(&heap);
        int before = order;

        tj__timer_heap_fire(&heap, due_ns);
        assert_int_equal(order, before + 1);
        for (i = 0; i < COUNT && probes[i].fired != order; i++)
            continue;
        assert_true(i < COUNT && probes[i].timer);
        assert_int_equal(probes[i].due_ns, due_ns);
        assert_int_equal(probes[i].expirations, 1);
        assert_true(due_ns > last_due ||
                    (due_ns == last_due && i > last_serial));
        last_due = due_ns;
        last_serial = i;
    }
    for (i = 0; i < COUNT; i++) {
        assert_true(!probes[i].timer == !probes[i].fired);
        if (probes[i].timer)
            tj__timer_heap_stop(&heap, probes[i].timer);
    }
    assert_int_equal(heap.size, 0);
    tj__timer_heap_done(&heap);
}

/* However late the loop is, a timer stays on its grid, and every grid point is
 * counted once: ticks run plus ticks reported as missed is what passed. */
static void test_grid_does_not_drift(void **state)
{
    tj__timer_heap heap = { 0 };
    uint64_t seed = 7;
    uint64_t now = 0;
    uint64_t total = 0;
    int order = 0;
    struct probe probe = { .order = &order };

    assert_int_equal(
        tj__timer_heap_start(&heap, 100, 10, on_fire, &probe, &probe.timer), 0);
    assert_int_equal(tj__timer_heap_due(&heap), 100);
    while (total < 100000) {
        now = tj__timer_heap_due(&heap) + next_random(&seed) % 35;
        tj__timer_heap_fire(&heap, now);
        total += probe.expirations;
        assert_int_equal(total, (now - 100) / 10 + 1);
        assert_int_equal(tj__timer_heap_due(&heap), 100 + total * 10);
    }
    tj__timer_heap_done(&heap);
}

/* Times near the end of time do not wrap round into the past. */
static void test_times_saturate(void **state)
{
    tj__timer_heap heap = { 0 };
    int order = 0;
    struct probe probe = { .order = &order };

    assert_int_equal(tj__timer_add(5, UINT64_MAX), TJ__TIMER_NEVER);
    assert_int_equal(tj__timer_add(UINT64_MAX - 1, 1), TJ__TIMER_NEVER);
    assert_int_equal(tj__timer_add(5, 6), 11);
    assert_int_equal(tj__timer_heap_start(&heap, 1, UINT64_MAX, on_fire, &probe,
                                          &probe.timer),
                     0);
    tj__timer_heap_fire(&heap, 1);
    assert_int_equal(tj__timer_heap_due(&heap), TJ__TIMER_NEVER);
    tj__timer_heap_done(&heap);
}

static void stop_self(void *userdata, uint64_t expirations)
{
    struct probe *probe = userdata;

    tj__timer_heap_stop(probe->heap, probe->timer);
    probe->fired++;
}

/* A timer may end itself while it fires, also as the last one. */
static void test_a_timer_may_stop_itself(void **state)
{
    tj__timer_heap heap = { 0 };
    struct probe probes[3] = { { 0 } };
    int i;

    for (i = 0; i < 3; i++) {
        probes[i].heap = &heap;
        assert_int_equal(tj__timer_heap_start(&heap, 5, (uint64_t)i, stop_self,
                                              &probes[i], &probes[i].timer),
                         0);
    }
    for (i = 0; i < 3; i++)
        tj__timer_heap_fire(&heap, 50);
    assert_int_equal(heap.size, 0);
    for (i = 0; i < 3; i++)
        assert_int_equal(probes[i].fired, 1);
    tj__timer_heap_done(&heap);
}

static void test_without_memory_nothing_changes(void **state)
{
    tj__timer_heap heap = { 0 };
    tj_timer *timer = NULL;
    long fails;
    int rc;

    for (fails = 0;; fails++) {
        heap_fail_after(fails);
        rc = tj__timer_heap_start(&heap, 5, 0, on_fire, NULL, &timer);
        if (!heap_failed())
            break;
        assert_int_equal(rc, TJ_ENOMEM);
        assert_null(timer);
        assert_int_equal(heap.size, 0);
        assert_int_equal(tj__timer_heap_due(&heap), TJ__TIMER_NEVER);
    }
    heap_fail_never();
    assert_int_equal(rc, 0);
    assert_int_equal(heap.size, 1);
    tj__timer_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_by_time_then_by_age),
        cmocka_unit_test(test_grid_does_not_drift),
        cmocka_unit_test(test_times_saturate),
        cmocka_unit_test(test_a_timer_may_stop_itself),
        cmocka_unit_test(test_without_memory_nothing_changes),
    };

    return cmocka_run_group_tests_name("loop/timer_heap", tests, setup,
                                       teardown);
}
