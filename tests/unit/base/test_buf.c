/* base/buf: growth, the cap, the sticky failure, handing over. */
#include "support/heap.h"
#include "support/unit.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

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

static void test_appending_keeps_bytes_and_a_nul(void **state)
{
    tj_buf buf = TJ_BUF_INIT;
    char *text;
    size_t size;

    tj__buf_append_text(&buf, "a");
    tj__buf_append(&buf, "\0b", 2);
    tj__buf_append_char(&buf, 'c');
    tj__buf_append_int(&buf, INT64_MIN);
    tj__buf_printf(&buf, "%s-%d", "x", 7);
    assert_int_equal(buf.size, 27);
    assert_memory_equal(buf.data, "a\0bc-9223372036854775808x-7", 28);
    text = tj__buf_take(&buf, &size);
    assert_int_equal(size, 27);
    assert_null(buf.data);
    tj__free(text);
}

/* A caller that takes an empty buffer still gets a string. */
static void test_taking_nothing_gives_an_empty_string(void **state)
{
    tj_buf buf = TJ_BUF_INIT;
    size_t size = 1;
    char *text = tj__buf_take(&buf, &size);

    assert_string_equal(text, "");
    assert_int_equal(size, 0);
    tj__free(text);
}

/* The cap bounds what hostile peers can make us hold; it must hold to the byte
 * even where the allocation has room for more. */
static void test_cap_holds_to_the_byte(void **state)
{
    tj_buf buf = TJ_BUF_INIT;

    buf.size_max = 10;
    tj__buf_append_text(&buf, "0123456789");
    assert_false(buf.failed);
    tj__buf_append_char(&buf, 'x');
    assert_true(buf.failed);
    assert_string_equal(buf.data, "0123456789");
    /* Failure sticks, even for what would fit, until it is cleared. */
    tj__buf_append(&buf, "", 0);
    assert_true(buf.failed);
    assert_null(tj__buf_take(&buf, NULL));

    tj__buf_append_text(&buf, "01234");
    tj__buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    tj__buf_printf(&buf, "%011d", 1);
    assert_true(buf.failed);
    assert_int_equal(buf.size, 0);
    tj__buf_done(&buf);
}

static void test_consuming_keeps_the_rest(void **state)
{
    tj_buf buf = TJ_BUF_INIT;

    tj__buf_consume(&buf, 3);
    tj__buf_append_text(&buf, "hello world");
    tj__buf_consume(&buf, 6);
    assert_string_equal(buf.data, "world");
    assert_int_equal(buf.size, 5);
    tj__buf_consume(&buf, 99);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.size, 0);
    tj__buf_done(&buf);
}

/* Out of memory: the bytes so far stay whole, and nothing leaks. */
static void test_without_memory_it_fails_and_stays(void **state)
{
    tj_buf buf = TJ_BUF_INIT;
    char block[1000];

    memset(block, 'x', sizeof(block));
    heap_fail_after(0);
    tj__buf_append_char(&buf, 'a');
    assert_true(buf.failed);
    assert_null(buf.data);
    heap_fail_never();
    tj__buf_clear(&buf);
    tj__buf_append_text(&buf, "kept");
    heap_fail_after(0);
    tj__buf_append(&buf, block, sizeof(block));
    assert_true(buf.failed);
    assert_string_equal(buf.data, "kept");
    heap_fail_never();
    tj__buf_done(&buf);
    /* Sizes that cannot be are refused before any arithmetic overflows. */
    assert_false(tj__buf_reserve(&buf, SIZE_MAX));
    tj__buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appending_keeps_bytes_and_a_nul),
        cmocka_unit_test(test_taking_nothing_gives_an_empty_string),
        cmocka_unit_test(test_cap_holds_to_the_byte),
        cmocka_unit_test(test_consuming_keeps_the_rest),
        cmocka_unit_test(test_without_memory_it_fails_and_stays),
    };

    return cmocka_run_group_tests_name("base/buf", tests, setup, teardown);
}
