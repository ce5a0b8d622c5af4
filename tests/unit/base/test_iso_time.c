/* base/iso_time against what JavaScript's Date printed. */
#include "support/lines.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/iso_time.h"

/* Log stamps and day files: byte for byte what the reference would write, in
 * all years that it can write. */
static void test_instants_print_and_read_as_javascript_has_them(void **state)
{
    tj_iso_clock clock = { 0 };
    line_file recorded;
    char *left, *right;

    lines_open(&recorded, "iso.txt");
    while (lines_next_pair(&recorded, '\t', &left, &right)) {
        int64_t wall_ms = strtoll(left, NULL, 10);
        char text[TJ_ISO_TIME_SIZE];
        size_t length;
        int64_t back;

        assert_int_equal(tj__iso_time_print(text, wall_ms), strlen(right));
        assert_string_equal(text, right);
        assert_string_equal(tj__iso_clock_print(&clock, wall_ms, &length),
                            right);
        assert_int_equal(length, strlen(right));
        assert_true(tj__iso_time_parse(right, strlen(right), &back));
        assert_int_equal(back, wall_ms);
    }
    assert_true(recorded.number > 2000);
}

/* The cache must not survive a step of the clock in either direction. */
static void test_clock_follows_every_step(void **state)
{
    static const int64_t steps[] = { 0,     1,    999,      1000,     999, -1,
                                     -1000, -999, 86399999, 86400000, 5 };
    tj_iso_clock clock = { 0 };
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char text[TJ_ISO_TIME_SIZE];

        tj__iso_time_print(text, steps[i]);
        assert_string_equal(tj__iso_clock_print(&clock, steps[i], NULL), text);
    }
}

/* A broken clock must print something that fits, and stay put there. */
static void test_instants_out_of_range_print_as_the_last_one(void **state)
{
    tj_iso_clock clock = { 0 };
    char text[TJ_ISO_TIME_SIZE];

    assert_int_equal(tj__iso_time_print(text, INT64_MAX), 27);
    assert_string_equal(text, "+275760-09-13T00:00:00.000Z");
    tj__iso_time_print(text, INT64_MIN);
    assert_string_equal(text, "-271821-04-20T00:00:00.000Z");
    /* Also where the cache only has to change the milliseconds. */
    tj__iso_clock_print(&clock, INT64_MIN, NULL);
    assert_string_equal(tj__iso_clock_print(&clock, INT64_MIN + 1, NULL), text);
}

static void test_what_is_no_instant_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-04-01",
        "2026-04-01T08:00",
        "2026-04-01T08:00:00",
        "2026-04-01T08:00:00.000",
        "2026-04-01T08:00:00.000z",
        "2026-04-01 08:00:00.000Z",
        "2026-04-01T08:00:00.00Z",
        "2026-04-01T08:00:00.0000Z",
        "2026-04-01T08:00:00.Z",
        "2026-04-01T08:00:00.000Z ",
        " 2026-04-01T08:00:00.000Z",
        "2026-00-01T08:00:00.000Z",
        "2026-13-01T08:00:00.000Z",
        "2026-04-00T08:00:00.000Z",
        "2026-04-31T08:00:00.000Z",
        "2026-02-29T08:00:00.000Z",
        "2100-02-29T08:00:00.000Z",
        "2026-04-01T24:00:00.000Z",
        "2026-04-01T08:60:00.000Z",
        "2026-04-01T08:00:60.000Z",
        "2026-04-01T08:00:99.000Z",
        "-000000-01-01T00:00:00.000Z",
        "+002026-04-01T08:00:00.000Z",
        "+275760-09-13T00:00:00.001Z",
        "+275760-09-13T00:00:01Z",
        "-271821-04-19T23:59:59.999Z",
        "+999999-01-01T00:00:00.000Z",
        "20260401T080000Z",
        "2026-4-1T8:0:0Z",
        "+2026-04-01T08:00:00.000Z",
    };
    int64_t back = 42;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (tj__iso_time_parse(bad[i], strlen(bad[i]), &back))
            fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(back, 42);
    assert_true(tj__iso_time_parse("2026-04-01T08:00:00Z", 20, &back));
    assert_int_equal(back, INT64_C(1775030400000));
    /* Only `size` bytes count. */
    assert_true(tj__iso_time_parse("2024-02-29T00:00:00Zrest", 20, &back));
}

static void test_days_begin_at_midnight_also_before_1970(void **state)
{
    assert_int_equal(tj__iso_day(0), 0);
    assert_int_equal(tj__iso_day(86399999), 0);
    assert_int_equal(tj__iso_day(86400000), 1);
    assert_int_equal(tj__iso_day(-1), -1);
    assert_int_equal(tj__iso_day(-86400000), -1);
    assert_int_equal(tj__iso_day(-86400001), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instants_print_and_read_as_javascript_has_them),
        cmocka_unit_test(test_clock_follows_every_step),
        cmocka_unit_test(test_instants_out_of_range_print_as_the_last_one),
        cmocka_unit_test(test_what_is_no_instant_is_refused),
        cmocka_unit_test(test_days_begin_at_midnight_also_before_1970),
    };

    return cmocka_run_group_tests_name("base/iso_time", tests, NULL, NULL);
}
