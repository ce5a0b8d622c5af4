/* Lines of the log: pieces, whole entries, and what stands in for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/log_line.h"

static const char ts[TJ_PIECE_SPACE(28)] = "2026-04-01T08:00:00.000Z";
static const char name[TJ_PIECE_SPACE(32)] = ",\"runner\":\"a\",\"stage\":";

static tj_log_entry entry_begin(tj_log_head *head)
{
    tj__log_head_set(head, "job-1-2", 7);
    return (tj_log_entry){ .head = tj__log_head_piece(head),
                           .name = { name, strlen(name) },
                           .ts = { ts, strlen(ts) },
                           .duration_ms = (double)NAN,
                           .stage = "s" };
}

static char *printed(const tj_log_entry *entry)
{
    tj_buf buf = TJ_BUF_INIT;

    assert_true(tj__log_line_print(&buf, entry));
    return tj__buf_take(&buf, NULL);
}

static void expect(const tj_log_entry *entry, const char *line)
{
    char *text = printed(entry);

    assert_string_equal(text, line);
    free(text);
}

/* A piece is copied whole, whatever its size to a block. */
static void test_pieces_of_every_size_are_copied_whole(void **state)
{
    char from[TJ_PIECE_SPACE(100)];
    char to[sizeof(from) + TJ_PIECE_BLOCK];
    size_t size;

    for (size = 0; size < sizeof(from); size++)
        from[size] = (char)('!' + size % 90);
    for (size = 0; size <= 100; size++) {
        memset(to, 0, sizeof(to));
        assert_ptr_equal(tj__piece_put(to, (tj_piece){ from, size }),
                         to + size);
        assert_memory_equal(to, from, size);
    }
}

/* The seven keys, in their order, with null where nothing is said. */
static void test_entry_has_the_base_keys_in_order(void **state)
{
    tj_log_head head;
    tj_log_entry entry = entry_begin(&head);

    expect(&entry,
           "{\"batch_id\":\"job-1-2\",\"duration_ms\":null,\"error\":null,"
           "\"result\":null,\"runner\":\"a\",\"stage\":\"s\","
           "\"ts\":\"2026-04-01T08:00:00.000Z\"}\n");
    entry.duration_ms = 1.5;
    entry.error = "e\"";
    entry.result = "";
    expect(&entry,
           "{\"batch_id\":\"job-1-2\",\"duration_ms\":1.5,\"error\":\"e\\\"\","
           "\"result\":\"\",\"runner\":\"a\",\"stage\":\"s\","
           "\"ts\":\"2026-04-01T08:00:00.000Z\"}\n");
    entry.error = ""; /* as the reference has it */
    entry.duration_ms = (double)INFINITY;
    expect(&entry,
           "{\"batch_id\":\"job-1-2\",\"duration_ms\":null,\"error\":null,"
           "\"result\":\"\",\"runner\":\"a\",\"stage\":\"s\","
           "\"ts\":\"2026-04-01T08:00:00.000Z\"}\n");
}

/* Details that are no object say nothing; members follow in their order. */
static void test_details_follow_the_base_keys(void **state)
{
    tj_log_head head;
    tj_log_entry entry = entry_begin(&head);
    tj_json *list = tj_json_new_array();
    tj_json *object = tj_json_new_object();
    char *text;

    entry.details = list;
    text = printed(&entry);
    assert_non_null(strstr(text, ".000Z\"}\n"));
    free(text);

    assert_int_equal(tj_json_set_int(object, "z", 1), 0);
    assert_int_equal(tj_json_set_int(object, "a", 2), 0);
    assert_int_equal(tj_json_set_int(object, "ts", 3), 0);
    entry.details = object;
    text = printed(&entry);
    assert_non_null(
        strstr(text, ".000Z\",\"z\":1,\"a\":2,\"details.ts\":3}\n"));
    free(text);
    tj_json_free(list);
    tj_json_free(object);
}

/* A buffer that is full keeps what it had, and can be used on. */
static void test_entry_that_does_not_fit_leaves_no_trace(void **state)
{
    char stage[2000];
    tj_buf buf = TJ_BUF_INIT;
    tj_log_head head;
    tj_log_entry entry = entry_begin(&head);
    size_t size;

    buf.size_max = 1000;
    assert_true(tj__log_line_print(&buf, &entry));
    size = buf.size;
    memset(stage, 's', sizeof(stage) - 1);
    stage[sizeof(stage) - 1] = '\0';
    entry.stage = stage;
    assert_false(tj__log_line_print(&buf, &entry));
    assert_int_equal(buf.size, size);
    assert_int_equal(buf.data[size], '\0');
    entry.stage = "s";
    assert_true(tj__log_line_print(&buf, &entry));
    assert_int_equal(buf.size, 2 * size);
    tj__buf_done(&buf);
}

/* The short form has a bound, whatever it stands for. */
static void test_short_line_is_bounded_and_whole(void **state)
{
    static char text[100000];
    tj_buf buf = TJ_BUF_INIT;
    tj_log_head head;
    tj_log_entry entry = entry_begin(&head);
    tj_json *line;

    memset(text, '\x01', sizeof(text) - 1); /* the longest escapes */
    entry.stage = text;
    entry.result = text;
    entry.error = text;
    buf.size_max = TJ_LOG_LINE_SHORT_MAX;
    assert_true(tj__log_line_print_short(&buf, &entry));
    assert_int_equal(tj_json_parse(buf.data, buf.size, &line, NULL), 0);
    assert_string_equal(tj_json_key_at(line, 6), "ts");
    assert_string_equal(tj_json_string_or(tj_json_get(line, "log_loss"), ""),
                        "too long or out of memory");
    assert_int_equal(strlen(tj_json_string_or(tj_json_get(line, "stage"), "")),
                     256);
    tj_json_free(line);

    /* what is short stays whole; nothing stays null */
    tj__buf_clear(&buf);
    entry = entry_begin(&head);
    assert_true(tj__log_line_print_short(&buf, &entry));
    assert_non_null(strstr(buf.data, "\"error\":null,\"result\":null,"
                                     "\"runner\":\"a\",\"stage\":\"s\""));
    tj__buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_every_size_are_copied_whole),
        cmocka_unit_test(test_entry_has_the_base_keys_in_order),
        cmocka_unit_test(test_details_follow_the_base_keys),
        cmocka_unit_test(test_entry_that_does_not_fit_leaves_no_trace),
        cmocka_unit_test(test_short_line_is_bounded_and_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
