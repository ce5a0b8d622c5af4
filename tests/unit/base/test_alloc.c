/* base/alloc, and what is too small for a file of its own: clock, version. */
#include "support/heap.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <timedjobs/clock.h>
#include <timedjobs/json.h>
#include <timedjobs/version.h>

#include "base/alloc.h"

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

/* What comes from the allocator that was put in goes back to it, tj_free
 * included: a program's own heap must not meet the C library's. */
static void test_memory_goes_back_where_it_came_from(void **state)
{
    char *copy = tj__strdup("timed");
    char *cut = tj__strndup("timed jobs", 7);

    assert_int_equal(heap_live(), 2);
    assert_string_equal(copy, "timed");
    assert_string_equal(cut, "timed j");
    assert_null(tj__strdup(NULL));
    tj__free(copy);
    tj_free(cut);
    tj_free(NULL);
    assert_int_equal(heap_live(), 0);

    heap_fail_once_after(1);
    copy = tj__strdup("first");
    assert_non_null(copy);
    assert_null(tj__strdup("second"));
    cut = tj__strdup("third");
    assert_non_null(cut);
    assert_true(heap_failed());
    tj__free(copy);
    tj__free(cut);
}

static int64_t read_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The monotonic half orders events exactly; the wall half is the time of day in
 * milliseconds, compared roughly, since the clock may be set meanwhile. */
static void test_system_clock_shows_this_machine(void **state)
{
    tj_clock clock = tj_clock_system();
    int64_t before_ns = read_ns(CLOCK_MONOTONIC);
    tj_instant now = clock.now(clock.userdata);
    int64_t off_ms = now.wall_ms - read_ns(CLOCK_REALTIME) / 1000000;

    assert_true(now.mono_ns >= before_ns);
    assert_true(now.mono_ns <= read_ns(CLOCK_MONOTONIC));
    assert_true(off_ms > -3600000 && off_ms < 3600000);
}

/* The header that a program was compiled with and the library that it runs
 * with can be told apart. */
static void test_version_is_the_header_s(void **state)
{
    char text[32];

    snprintf(text, sizeof(text), "%d.%d.%d", TJ_VERSION_MAJOR, TJ_VERSION_MINOR,
             TJ_VERSION_PATCH);
    assert_string_equal(tj_version(), text);
    assert_string_equal(TJ_VERSION_STRING, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_goes_back_where_it_came_from),
        cmocka_unit_test(test_system_clock_shows_this_machine),
        cmocka_unit_test(test_version_is_the_header_s),
    };

    return cmocka_run_group_tests_name("base/alloc", tests, setup, teardown);
}
