/* Which day files go, and what is never touched. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "faulty_sys.h"
#include "log_dir_fixture.h"
#include "support/heap.h"

static tj_log_dir g_dir;

static int dir_setup(void **state)
{
    if (fixture_setup(state) ||
        tj__log_dir_init(&g_dir, &faulty_sys, fixture_dir(), NULL))
        return -1;
    return tj__log_dir_open(&g_dir, NULL);
}

static int dir_teardown(void **state)
{
    tj__log_dir_done(&g_dir);
    return fixture_teardown(state);
}

static void days_make(int first, int last, const char *text)
{
    char name[64];

    for (int day = first; day <= last; day++) {
        snprintf(name, sizeof(name), "2026-03-%02d.jsonl", day);
        fixture_write(name, text);
    }
}

static int days_count(int first, int last)
{
    char name[64];
    int count = 0;

    for (int day = first; day <= last; day++) {
        snprintf(name, sizeof(name), "2026-03-%02d.jsonl", day);
        count += fixture_has(name);
    }
    return count;
}

/* Older than the days to keep goes, the boundary stays. */
static void test_files_older_than_the_days_to_keep_go(void **state)
{
    const tj_retention keep = { .keep_days = 10 };

    (void)state;
    days_make(1, 31, "x\n"); /* today is April 1st: 22 is ten days old */
    assert_int_equal(tj__retention_run(&keep, &g_dir, DAY_1_DAY, DAY_1), 21);
    assert_int_equal(days_count(1, 21), 0);
    assert_int_equal(days_count(22, 31), 10);
}

/* The oldest go until the rest fits. */
static void test_the_oldest_go_while_all_are_too_large(void **state)
{
    const tj_retention keep = { .keep_bytes = 55 };

    (void)state;
    days_make(1, 10, "123456789\n");
    assert_int_equal(tj__retention_run(&keep, &g_dir, DAY_1_DAY, DAY_1), 5);
    assert_int_equal(days_count(1, 5), 0);
    assert_int_equal(days_count(6, 10), 5);
    assert_int_equal(tj__retention_run(&keep, &g_dir, DAY_1_DAY, DAY_1), 0);
}

/* What is written to now stays, however old the clock makes it or large it
 * is. */
static void test_the_current_file_and_later_ones_stay(void **state)
{
    const tj_retention keep = { .keep_days = 1, .keep_bytes = 1 };

    (void)state;
    days_make(1, 10, "123456789\n");
    assert_int_equal(
        tj__retention_run(&keep, &g_dir, DAY_1_DAY + 1000, "2026-03-08.jsonl"),
        7);
    assert_int_equal(days_count(8, 10), 3);
}

/* A log directory may hold other people's files. */
static void test_other_names_and_kinds_are_never_touched(void **state)
{
    static const char *const others[] = {
        "1999-01-01.jsonl.gz", "1999-01-01.json", "notes",
        "x1999-01-01.jsonl",   "1999-1-01.jsonl",
    };
    const tj_retention keep = { .keep_days = 1, .keep_bytes = 1 };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        fixture_write(others[i], "0123456789");
    assert_int_equal(mkdir(fixture_path("1999-01-02.jsonl"), 0700), 0);
    assert_int_equal(symlink("notes", fixture_path("1999-01-03.jsonl")), 0);
    fixture_write("1999-01-04.jsonl", "x\n");
    assert_int_equal(tj__retention_run(&keep, &g_dir, DAY_1_DAY, DAY_1), 1);
    assert_false(fixture_has("1999-01-04.jsonl"));
    assert_true(fixture_has("1999-01-02.jsonl"));
    assert_true(fixture_has("1999-01-03.jsonl"));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_true(fixture_has(others[i]));
}

/* A file that cannot be removed does not save the others. */
static void test_a_file_that_stays_does_not_stop_the_rest(void **state)
{
    const tj_retention keep = { .keep_days = 1 };

    (void)state;
    days_make(1, 5, "x\n");
    faulty_fail(CALL_UNLINKAT, 1, 1, EPERM);
    assert_int_equal(tj__retention_run(&keep, &g_dir, DAY_1_DAY, DAY_1), 4);
    assert_int_equal(days_count(1, 5), 1);
}

/* Without memory files stay; nothing crashes, nothing leaks. */
static void test_without_memory_files_stay(void **state)
{
    const tj_retention keep = { .keep_days = 1 };
    int64_t day = 0;

    (void)state;
    days_make(1, 31, "x\n");
    fixture_write(DAY_1, "x\n");
    fixture_write("2026-03-00.jsonl", "x\n");
    heap_install();
    heap_fail_after(0);
    assert_int_equal(tj__retention_run(&keep, &g_dir, DAY_1_DAY, DAY_1), 0);
    assert_false(tj__retention_latest_day(&g_dir, &day));
    assert_int_equal(days_count(1, 31), 31);
    heap_fail_after(1); /* room for 32 of the 33 */
    assert_true(tj__retention_run(&keep, &g_dir, DAY_1_DAY, DAY_1) >= 29);
    heap_remove();
}

/* The file that a crash may have torn is the latest, if it is a day's. */
static void test_the_latest_day_is_found(void **state)
{
    int64_t day = 0;

    (void)state;
    assert_false(tj__retention_latest_day(&g_dir, &day));
    fixture_write("2026-99-99.jsonl", "");
    assert_false(tj__retention_latest_day(&g_dir, &day));
    days_make(29, 31, "");
    assert_true(tj__retention_latest_day(&g_dir, &day));
    assert_int_equal(day, DAY_1_DAY - 1);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, dir_setup, dir_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_files_older_than_the_days_to_keep_go),
        TEST(test_the_oldest_go_while_all_are_too_large),
        TEST(test_the_current_file_and_later_ones_stay),
        TEST(test_other_names_and_kinds_are_never_touched),
        TEST(test_a_file_that_stays_does_not_stop_the_rest),
        TEST(test_without_memory_files_stay),
        TEST(test_the_latest_day_is_found),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
