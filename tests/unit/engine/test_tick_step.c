/* The tick's machine: every step it knows, and some lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/tick_step.h"

/* One row a step; a tick of three runners of which n_ran have run. */
typedef struct step_row {
    int line;
    tj_tick_state from;
    uint32_t n_ran;
    tj_tick_event event;
    tj_tick_state to;
    tj_tick_action action;
    tj_tick_end end;
} step_row;

#define ROW(from, n_ran, event, to, action, end)                        \
    {                                                                   \
        __LINE__, TJ_TICK_##from, n_ran, TJ_TICK_##event, TJ_TICK_##to, \
            TJ_TICK_##action, TJ_TICK_END_##end                         \
    }

static const step_row rows[] = {
    ROW(ASKING, 0, OPEN, RUNNING, RUN, RAN),
    ROW(ASKING, 0, NOT_LEADER, ENDING, END, NOT_LEADER),
    ROW(ASKING, 0, PAUSED, ENDING, END, PAUSED),
    ROW(ASKING, 0, FAILED, ENDING, END, GATE_FAILED),
    ROW(ASKING, 0, CANCEL, ENDING, END, CANCELLED),
    ROW(RUNNING, 0, RAN_OK, CHECKING, CHECK, RAN),
    ROW(RUNNING, 0, RAN_FAILED, CHECKING, CHECK, RAN),
    ROW(RUNNING, 1, RAN_OK, CHECKING, CHECK, RAN),
    ROW(RUNNING, 2, RAN_OK, LEAVING, LEAVE, RAN),
    ROW(RUNNING, 2, RAN_FAILED, LEAVING, LEAVE, RAN),
    ROW(CHECKING, 1, OPEN, RUNNING, RUN, RAN),
    ROW(CHECKING, 1, NOT_LEADER, LEAVING, LEAVE, LOST_LEADER),
    ROW(CHECKING, 1, PAUSED, LEAVING, LEAVE, LOST_PAUSED),
    ROW(CHECKING, 2, FAILED, LEAVING, LEAVE, LOST_FAILED),
    ROW(CHECKING, 2, CANCEL, LEAVING, LEAVE, CANCELLED),
    ROW(LEAVING, 3, OPEN, ENDING, END, RAN),
    ROW(LEAVING, 3, FAILED, ENDING, END, GATE_FAILED),
    ROW(LEAVING, 3, NOT_LEADER, ENDING, END, GATE_FAILED),
    ROW(ENDING, 3, OVER, IDLE, WAIT, RAN),
};

/* The table is the machine: whoever changes a step changes a row. */
static void test_every_step_goes_where_the_table_says(void **state)
{
    size_t index;

    for (index = 0; index < sizeof(rows) / sizeof(*rows); index++) {
        const step_row *row = &rows[index];
        tj_tick tick = { .state = row->from,
                         .n_runners = 3,
                         .n_ran = row->n_ran };
        tj_tick_action action = tj__tick_step(&tick, row->event);

        if (action != row->action || tick.state != row->to ||
            tick.end != row->end)
            fail_msg("line %d: %s, %s leads to %s", row->line,
                     tj__tick_state_to_string(row->from),
                     tj__tick_event_to_string(row->event),
                     tj__tick_state_to_string(tick.state));
    }
}

/* Only an idle machine begins; a busy one is not disturbed by the attempt. */
static void test_begin_while_busy_changes_nothing(void **state)
{
    tj_tick tick = { 0 };
    tj_tick before;

    assert_int_equal(tj__tick_begin(&tick, 2), TJ_TICK_ASK);
    before = tick;
    assert_int_equal(tj__tick_begin(&tick, 5), TJ_TICK_SKIP);
    assert_memory_equal(&tick, &before, sizeof(tick));
}

static void test_begin_without_runners_ends_at_once(void **state)
{
    tj_tick tick = { 0 };

    assert_int_equal(tj__tick_begin(&tick, 0), TJ_TICK_END);
    assert_int_equal(tick.end, TJ_TICK_END_EMPTY);
    assert_int_equal(tj__tick_step(&tick, TJ_TICK_OVER), TJ_TICK_WAIT);
    assert_int_equal(tick.state, TJ_TICK_IDLE);
}

/* Counts are of what really ran, also when the tick is cut short. */
static void test_counts_are_of_what_ran(void **state)
{
    tj_tick tick = { 0 };

    tj__tick_begin(&tick, 4);
    tj__tick_step(&tick, TJ_TICK_OPEN);
    tj__tick_step(&tick, TJ_TICK_RAN_FAILED);
    tj__tick_step(&tick, TJ_TICK_OPEN);
    tj__tick_step(&tick, TJ_TICK_RAN_OK);
    tj__tick_step(&tick, TJ_TICK_NOT_LEADER);
    assert_int_equal(tick.n_ran, 2);
    assert_int_equal(tick.n_failed, 1);
    /* a gate that fails now has nothing to add */
    assert_int_equal(tj__tick_step(&tick, TJ_TICK_FAILED), TJ_TICK_END);
    assert_int_equal(tick.end, TJ_TICK_END_LOST_LEADER);
    tj__tick_step(&tick, TJ_TICK_OVER);
    /* the next begins with nothing */
    tj__tick_begin(&tick, 1);
    assert_int_equal(tick.n_ran + tick.n_failed, 0);
}

/* Skipping ahead is nothing but many steps at once. */
static void test_skipping_ahead_equals_stepping(void **state)
{
    tj_tick stepped = { 0 }, skipped = { 0 };
    int index;

    tj__tick_begin(&stepped, 10);
    tj__tick_begin(&skipped, 10);
    tj__tick_step(&stepped, TJ_TICK_OPEN);
    tj__tick_step(&skipped, TJ_TICK_OPEN);
    for (index = 0; index < 9; index++) {
        assert_int_equal(tj__tick_step(&stepped, TJ_TICK_RAN_OK),
                         TJ_TICK_CHECK);
        assert_int_equal(tj__tick_step(&stepped, TJ_TICK_OPEN), TJ_TICK_RUN);
    }
    tj__tick_skip_ahead(&skipped, 9);
    assert_memory_equal(&stepped, &skipped, sizeof(stepped));
    assert_int_equal(tj__tick_step(&skipped, TJ_TICK_RAN_OK), TJ_TICK_LEAVE);
}

static void test_every_end_is_one_decision(void **state)
{
    assert_int_equal(tj__tick_decision(TJ_TICK_END_RAN), TJ_DECISION_SCHEDULED);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_EMPTY),
                     TJ_DECISION_SKIPPED_NO_RUNNERS);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_NOT_LEADER),
                     TJ_DECISION_SKIPPED_NOT_LEADER);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_PAUSED),
                     TJ_DECISION_SKIPPED_SYSTEM_PAUSED);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_GATE_FAILED),
                     TJ_DECISION_FAILED);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_LOST_LEADER),
                     TJ_DECISION_FAILED);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_LOST_PAUSED),
                     TJ_DECISION_FAILED);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_LOST_FAILED),
                     TJ_DECISION_FAILED);
    assert_int_equal(tj__tick_decision(TJ_TICK_END_CANCELLED),
                     TJ_DECISION_FAILED);
}

/* The log's words for decisions and triggers are an interface. */
static void test_words_are_the_reference_s(void **state)
{
    assert_string_equal(tj_decision_to_string(TJ_DECISION_FAILED), "failed");
    assert_string_equal(
        tj_decision_to_string(TJ_DECISION_SKIPPED_SYSTEM_PAUSED),
        "skipped_system_paused");
    assert_string_equal(tj_decision_to_string((tj_decision)99), "unknown");
    assert_string_equal(tj_trigger_to_string(TJ_TRIGGER_INTERVAL), "interval");
    assert_string_equal(tj_trigger_to_string((tj_trigger)99), "unknown");
    assert_string_equal(tj__tick_state_to_string((tj_tick_state)99), "unknown");
    assert_string_equal(tj__tick_event_to_string((tj_tick_event)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_goes_where_the_table_says),
        cmocka_unit_test(test_begin_while_busy_changes_nothing),
        cmocka_unit_test(test_begin_without_runners_ends_at_once),
        cmocka_unit_test(test_counts_are_of_what_ran),
        cmocka_unit_test(test_skipping_ahead_equals_stepping),
        cmocka_unit_test(test_every_end_is_one_decision),
        cmocka_unit_test(test_words_are_the_reference_s),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
