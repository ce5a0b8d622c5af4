/* The machine of an engine's life, step by step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/life_step.h"

enum { IDLE = 0, BUSY = 1 };

/* A step from a state: what it leads to and what is to be done. */
typedef struct life_row {
    int line;
    tj_life_state from;
    tj_life_event event;
    bool busy;
    tj_life_state to;
    unsigned actions;
} life_row;

#define ROW(from, event, busy, to, actions)                                    \
    {                                                                          \
        __LINE__, TJ_LIFE_##from, TJ_LIFE_##event, busy, TJ_LIFE_##to, actions \
    }
#define DO(action) TJ_LIFE_##action

static const life_row rows[] = {
    ROW(STOPPED, START, IDLE, STARTED, DO(ENABLE)),
    ROW(STOPPED, START, BUSY, STARTED, DO(ENABLE)),
    ROW(STARTED, START, IDLE, STARTED, 0),
    ROW(DRAINING, START, BUSY, DRAINING, DO(REFUSE)),
    ROW(FLUSHING, START, IDLE, FLUSHING, DO(REFUSE)),
    ROW(CLOSED, START, IDLE, CLOSED, DO(REFUSE)),

    ROW(STOPPED, STOP, IDLE, FLUSHING, DO(FLUSH)),
    ROW(STOPPED, STOP, BUSY, DRAINING, DO(DRAIN)),
    ROW(STARTED, STOP, IDLE, FLUSHING, DO(DISABLE) | DO(ANNOUNCE) | DO(FLUSH)),
    ROW(STARTED, STOP, BUSY, DRAINING, DO(DISABLE) | DO(DRAIN)),
    ROW(DRAINING, STOP, BUSY, DRAINING, 0),
    ROW(FLUSHING, STOP, IDLE, FLUSHING, 0),
    ROW(FLUSHING, STOP, BUSY, FLUSHING, DO(JOIN_NEXT)),
    ROW(CLOSED, STOP, IDLE, CLOSED, DO(ROUND_OVER)),

    ROW(STOPPED, IDLE, IDLE, STOPPED, 0),
    ROW(STARTED, IDLE, IDLE, STARTED, 0),
    ROW(DRAINING, IDLE, IDLE, FLUSHING, DO(ANNOUNCE) | DO(FLUSH)),
    ROW(FLUSHING, IDLE, IDLE, FLUSHING, 0),

    ROW(FLUSHING, FLUSHED, IDLE, STOPPED, DO(ROUND_OVER)),
    ROW(FLUSHING, FLUSHED, BUSY, STOPPED, DO(ROUND_OVER)),
    ROW(STOPPED, FLUSHED, IDLE, STOPPED, 0),

    ROW(STOPPED, CLOSE, IDLE, FLUSHING, DO(FLUSH)),
    ROW(STARTED, CLOSE, BUSY, DRAINING, DO(DISABLE) | DO(DRAIN)),
    ROW(DRAINING, CLOSE, BUSY, DRAINING, 0),
    ROW(FLUSHING, CLOSE, IDLE, FLUSHING, 0),
};

static void test_every_step_goes_where_the_table_says(void **state)
{
    size_t index;

    for (index = 0; index < sizeof(rows) / sizeof(*rows); index++) {
        const life_row *row = &rows[index];
        tj_life life = { .state = row->from };
        unsigned actions = tj__life_step(&life, row->event, row->busy);

        if (actions != row->actions || life.state != row->to)
            fail_msg("line %d: %s leads to %s, actions %#x", row->line,
                     tj__life_state_to_string(row->from),
                     tj__life_state_to_string(life.state), actions);
    }
}

/* A stop that joins in the flush and finds a tick gets a round of its own. */
static void test_late_stop_gets_its_own_round(void **state)
{
    tj_life life = { .state = TJ_LIFE_FLUSHING };

    assert_int_equal(tj__life_step(&life, TJ_LIFE_STOP, true),
                     TJ_LIFE_JOIN_NEXT);
    assert_int_equal(tj__life_step(&life, TJ_LIFE_FLUSHED, true),
                     TJ_LIFE_ROUND_OVER | TJ_LIFE_DRAIN);
    assert_int_equal(life.state, TJ_LIFE_DRAINING);
    assert_int_equal(tj__life_step(&life, TJ_LIFE_IDLE, false),
                     TJ_LIFE_ANNOUNCE | TJ_LIFE_FLUSH);
    assert_int_equal(tj__life_step(&life, TJ_LIFE_FLUSHED, false),
                     TJ_LIFE_ROUND_OVER);
    assert_int_equal(life.state, TJ_LIFE_STOPPED);
}

/* The same when its tick has ended by the time the flush is done. */
static void test_late_stop_flushes_again_when_its_tick_is_over(void **state)
{
    tj_life life = { .state = TJ_LIFE_FLUSHING };

    tj__life_step(&life, TJ_LIFE_STOP, true);
    assert_int_equal(tj__life_step(&life, TJ_LIFE_FLUSHED, false),
                     TJ_LIFE_ROUND_OVER | TJ_LIFE_FLUSH);
    assert_int_equal(life.state, TJ_LIFE_FLUSHING);
}

/* A close is a stop without return. */
static void test_close_ends_in_closed(void **state)
{
    tj_life life = { .state = TJ_LIFE_STARTED };

    tj__life_step(&life, TJ_LIFE_CLOSE, true);
    tj__life_step(&life, TJ_LIFE_IDLE, false);
    assert_int_equal(tj__life_step(&life, TJ_LIFE_FLUSHED, false),
                     TJ_LIFE_ROUND_OVER);
    assert_int_equal(life.state, TJ_LIFE_CLOSED);
    assert_int_equal(tj__life_step(&life, TJ_LIFE_START, false),
                     TJ_LIFE_REFUSE);
}

/* Also one that comes in the middle of a flush that a tick overlaps. */
static void test_close_in_a_flush_waits_for_the_tick(void **state)
{
    tj_life life = { .state = TJ_LIFE_FLUSHING };

    assert_int_equal(tj__life_step(&life, TJ_LIFE_CLOSE, true),
                     TJ_LIFE_JOIN_NEXT);
    tj__life_step(&life, TJ_LIFE_FLUSHED, true);
    assert_int_equal(life.state, TJ_LIFE_DRAINING);
    tj__life_step(&life, TJ_LIFE_IDLE, false);
    tj__life_step(&life, TJ_LIFE_FLUSHED, false);
    assert_int_equal(life.state, TJ_LIFE_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_goes_where_the_table_says),
        cmocka_unit_test(test_late_stop_gets_its_own_round),
        cmocka_unit_test(test_late_stop_flushes_again_when_its_tick_is_over),
        cmocka_unit_test(test_close_ends_in_closed),
        cmocka_unit_test(test_close_in_a_flush_waits_for_the_tick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
