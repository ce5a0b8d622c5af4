/* JSON values: ownership, key order, depth, looking at what is not there. */
#include "support/heap.h"
#include "support/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <timedjobs/json.h>

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

/* Print, compare, free both. */
static void assert_prints(tj_json *value, const char *expected)
{
    char *text;
    size_t size;

    assert_int_equal(tj_json_print(value, &text, &size), 0);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    tj_free(text);
    tj_json_free(value);
}

/* What JSON.stringify({b:1,a:2,10:3,2:4}) shows, and b set again. */
static void test_keys_come_in_javascript_order(void **state)
{
    tj_json *object = tj_json_new_object();

    assert_int_equal(tj_json_set_int(object, "b", 1), 0);
    assert_int_equal(tj_json_set_int(object, "a", 2), 0);
    assert_int_equal(tj_json_set_int(object, "10", 3), 0);
    assert_int_equal(tj_json_set_int(object, "2", 4), 0);
    assert_int_equal(tj_json_set_string(object, "b", "again"), 0);
    assert_int_equal(tj_json_set_bool(object, "10", true), 0);
    assert_int_equal(tj_json_set_int(object, "4294967295", 5), 0);
    assert_int_equal(tj_json_set_int(object, "4294967294", 6), 0);
    assert_int_equal(tj_json_set_int(object, "02", 7), 0);
    assert_int_equal(tj_json_set_int(object, "-1", 8), 0);
    assert_int_equal(tj_json_set_int(object, "0", 9), 0);
    assert_int_equal(tj_json_size(object), 9);
    assert_string_equal(tj_json_key_at(object, 0), "0");
    assert_string_equal(tj_json_key_at(object, 4), "b");
    assert_int_equal(tj_json_int_or(tj_json_at(object, 1), 0), 4);
    assert_prints(object, "{\"0\":9,\"2\":4,\"10\":true,\"4294967294\":6,"
                          "\"b\":\"again\",\"a\":2,\"4294967295\":5,"
                          "\"02\":7,\"-1\":8}");
}

static void test_all_kinds_print(void **state)
{
    tj_json *array = tj_json_new_array();

    assert_int_equal(tj_json_append_take(array, tj_json_new_null()), 0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_bool(false)), 0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_int(INT64_MIN)), 0);
    assert_int_equal(
        tj_json_append_take(array, tj_json_new_int(INT64_C(9007199254740993))),
        0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_number(-0.0)), 0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_number(nan(""))),
                     0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_string("x")), 0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_string(NULL)), 0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_object()), 0);
    assert_int_equal(tj_json_append_take(array, tj_json_new_array()), 0);
    assert_prints(array, "[null,false,-9223372036854775808,9007199254740993,0,"
                         "null,\"x\",null,{},[]]");
    assert_prints(NULL, "null");
}

/* A setter owns what it was given whatever happens, so that calls nest. */
static void test_values_given_to_the_wrong_place_are_freed(void **state)
{
    tj_json *array = tj_json_new_array();
    long live = heap_live();

    assert_int_equal(tj_json_set_take(array, "a", tj_json_new_int(1)),
                     TJ_EINVAL);
    assert_int_equal(tj_json_set_take(NULL, "a", tj_json_new_object()),
                     TJ_EINVAL);
    assert_int_equal(tj_json_append_take(NULL, tj_json_new_int(1)), TJ_EINVAL);
    assert_int_equal(tj_json_append_take(array, NULL), TJ_ENOMEM);
    assert_int_equal(heap_live(), live);
    tj_json_free(array);
    array = tj_json_new_object();
    assert_int_equal(tj_json_set_take(array, NULL, tj_json_new_int(1)),
                     TJ_EINVAL);
    assert_int_equal(tj_json_append_take(array, tj_json_new_int(1)), TJ_EINVAL);
    assert_int_equal(tj_json_set_take(array, "a", NULL), TJ_ENOMEM);
    assert_prints(array, "{}");
}

/* A value has one place. Without this a tree could contain itself, and ending
 * it would free twice. */
static void test_values_in_a_tree_cannot_be_given_away(void **state)
{
    tj_json *outer = tj_json_new_object();
    tj_json *inner = tj_json_new_object();
    tj_json *leaf = tj_json_new_int(1);

    assert_int_equal(tj_json_set_take(inner, "leaf", leaf), 0);
    assert_int_equal(tj_json_set_take(outer, "inner", inner), 0);
    assert_int_equal(tj_json_set_take(outer, "again", inner), TJ_EINVAL);
    assert_int_equal(tj_json_set_take(outer, "leaf", leaf), TJ_EINVAL);
    assert_int_equal(tj_json_set_take(inner, "loop", outer), TJ_EINVAL);
    assert_int_equal(tj_json_set_take(outer, "self", outer), TJ_EINVAL);
    assert_int_equal(tj_json_append_take(outer, leaf), TJ_EINVAL);
    /* Filling a container that is in its place already is fine. */
    assert_int_equal(tj_json_set_int(inner, "more", 2), 0);
    assert_prints(outer, "{\"inner\":{\"leaf\":1,\"more\":2}}");
}

/* Built from the inside, from the outside and by joining two halves: the limit
 * is the same, and what the limit allows can be read back. */
static void test_depth_is_limited_however_a_tree_is_built(void **state)
{
    tj_json *root = tj_json_new_array();
    tj_json *at = root;
    tj_json *next, *copy, *half;
    char *text;
    size_t size;
    int depth, rc;

    for (depth = 1; depth < TJ_JSON_DEPTH_MAX; depth++) {
        next = tj_json_new_array();
        assert_int_equal(tj_json_append_take(at, next), 0);
        at = next;
    }
    assert_int_equal(tj_json_append_take(at, tj_json_new_object()), TJ_ETOOBIG);
    assert_int_equal(tj_json_append_take(at, tj_json_new_int(7)), 0);
    assert_int_equal(tj_json_print(root, &text, &size), 0);
    copy = NULL;
    assert_int_equal(tj_json_parse(text, size, &copy, NULL), 0);
    tj_free(text);
    half = tj_json_new_object();
    assert_int_equal(tj_json_set_take(half, "x", copy), TJ_ETOOBIG);
    tj_json_free(half);
    copy = tj_json_copy(root);
    half = tj_json_new_array();
    assert_int_equal(tj_json_append_take(half, copy), TJ_ETOOBIG);
    tj_json_free(half);
    tj_json_free(root);

    root = tj_json_new_object();
    for (depth = 1, rc = 0; !rc; depth++) {
        next = tj_json_new_object();
        rc = tj_json_set_take(next, "in", root);
        if (!rc)
            root = next;
    }
    assert_int_equal(rc, TJ_ETOOBIG);
    assert_int_equal(depth, TJ_JSON_DEPTH_MAX + 1);
    tj_json_free(next);
}

/* An ancestor deeper in the chain than the limit counts must still be seen as
 * an ancestor, not freed as a value that is too deep. */
static void test_a_deep_loop_is_refused_not_freed(void **state)
{
    tj_json *root = tj_json_new_array();
    tj_json *at = root;
    int depth;

    for (depth = 1; depth < 200; depth++) {
        tj_json *next = tj_json_new_array();

        assert_int_equal(tj_json_append_take(at, next), 0);
        at = next;
    }
    assert_int_equal(tj_json_append_take(at, root), TJ_EINVAL);
    assert_int_equal(tj_json_size(root), 1);
    tj_json_free(root);
}

/* Many keys: found, replaced and ordered as few are. */
static void test_many_keys_are_found_and_ordered(void **state)
{
    enum { COUNT = 5000 };

    tj_json *object = tj_json_new_object();
    tj_json *copy;
    char key[32];
    int i;

    for (i = 0; i < COUNT; i++) {
        snprintf(key, sizeof(key), "k%d", i * 7919 % COUNT);
        assert_int_equal(tj_json_set_int(object, key, i), 0);
        snprintf(key, sizeof(key), "%d", COUNT - i);
        assert_int_equal(tj_json_set_int(object, key, -i), 0);
    }
    assert_int_equal(tj_json_set_string(object, "k17", "replaced"), 0);
    assert_int_equal(tj_json_size(object), 2 * COUNT);
    copy = tj_json_copy(object);
    tj_json_free(object);
    for (i = 0; i < COUNT; i++) {
        snprintf(key, sizeof(key), "%d", i + 1);
        assert_string_equal(tj_json_key_at(copy, (size_t)i), key);
        assert_int_equal(tj_json_int_or(tj_json_get(copy, key), 1),
                         i + 1 - COUNT);
        snprintf(key, sizeof(key), "k%d", i * 7919 % COUNT);
        assert_string_equal(tj_json_key_at(copy, (size_t)(COUNT + i)), key);
        if (strcmp(key, "k17") != 0)
            assert_int_equal(tj_json_int_or(tj_json_get(copy, key), -1), i);
    }
    assert_string_equal(tj_json_string_or(tj_json_get(copy, "k17"), ""),
                        "replaced");
    assert_null(tj_json_get(copy, "k5000"));
    assert_null(tj_json_get(copy, ""));
    tj_json_free(copy);
}

/* Look-ups chain without a check at each step. */
static void test_looking_at_what_is_not_there_is_safe(void **state)
{
    tj_json *object = tj_json_new_object();

    assert_int_equal(tj_json_type_of(NULL), TJ_JSON_NULL);
    assert_int_equal(tj_json_size(NULL), 0);
    assert_null(tj_json_get(tj_json_get(object, "a"), "b"));
    assert_null(tj_json_get(object, NULL));
    assert_null(tj_json_at(object, 0));
    assert_null(tj_json_at(NULL, 0));
    assert_null(tj_json_key_at(object, 0));
    assert_null(tj_json_key_at(NULL, 0));
    assert_string_equal(tj_json_string_or(object, "none"), "none");
    assert_true(tj_json_number_or(object, 1.5) == 1.5);
    assert_int_equal(tj_json_int_or(NULL, 3), 3);
    assert_true(tj_json_bool_or(NULL, true));
    assert_null(tj_json_copy(NULL));
    tj_json_free(object);
    tj_json_free(NULL);
    tj_free(NULL);
}

/* Configuration and results ask for whole numbers: what is none must not be
 * cut into one, and what is out of range must not be undefined. */
static void test_whole_numbers_only_where_they_are(void **state)
{
    const struct {
        int line;
        double number;
        int64_t expected;
    } table[] = {
        { __LINE__, 5.0, 5 },       { __LINE__, -0.0, 0 },
        { __LINE__, 5.5, -99 },     { __LINE__, 0x1p53, INT64_C(1) << 53 },
        { __LINE__, 0x1p63, -99 },  { __LINE__, -0x1p63, INT64_MIN },
        { __LINE__, 1e300, -99 },   { __LINE__, -1e300, -99 },
        { __LINE__, nan(""), -99 }, { __LINE__, HUGE_VAL, -99 },
    };

    tj_json *value;
    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        value = tj_json_new_number(table[i].number);
        if (tj_json_int_or(value, -99) != table[i].expected)
            fail_msg("row of line %d", table[i].line);
        tj_json_free(value);
    }
    value = tj_json_new_int(INT64_MAX);
    assert_int_equal(tj_json_int_or(value, 0), INT64_MAX);
    assert_true(tj_json_number_or(value, 0) == 0x1p63);
    tj_json_free(value);
}

static int build(tj_json **ret_value)
{
    tj_json *object = tj_json_new_object();
    tj_json *list = tj_json_new_array();
    char key[8];
    int i, rc;

    rc = tj_json_set_take(object, "list", list);
    if (rc) {
        tj_json_free(object);
        return rc == TJ_EINVAL && !object ? TJ_ENOMEM : rc;
    }
    for (i = 0; i < 40 && !rc; i++) {
        snprintf(key, sizeof(key), "%d", 40 - i);
        rc = tj_json_set_int(object, key, i);
        if (!rc)
            rc = tj_json_append_take(list, tj_json_new_string(key));
    }
    if (!rc)
        rc = tj_json_set_number(object, "list2", 0.5);
    if (rc)
        tj_json_free(object);
    else
        *ret_value = object;
    return rc;
}

/* Every allocation of building, copying and printing may fail: the caller is
 * told, and nothing is lost or left behind. */
static void test_without_memory_nothing_leaks(void **state)
{
    tj_json *value = NULL;
    tj_json *copy;
    char *text;
    long fails, live;
    int rc;

    for (fails = 0;; fails++) {
        heap_fail_once_after(fails);
        rc = build(&value);
        if (!heap_failed())
            break;
        assert_int_equal(rc, TJ_ENOMEM);
        assert_int_equal(heap_live(), 0);
    }
    assert_int_equal(rc, 0);
    assert_true(fails > 100);

    live = heap_live();
    for (fails = 0;; fails++) {
        heap_fail_once_after(fails);
        copy = tj_json_copy(value);
        if (!heap_failed())
            break;
        assert_null(copy);
        assert_int_equal(heap_live(), live);
    }
    tj_json_free(copy);

    for (fails = 0;; fails++) {
        heap_fail_after(fails);
        rc = tj_json_print(value, &text, NULL);
        if (!heap_failed())
            break;
        assert_int_equal(rc, TJ_ENOMEM);
        assert_int_equal(heap_live(), live);
    }
    assert_int_equal(rc, 0);
    tj_free(text);
    heap_fail_never();
    tj_json_free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_come_in_javascript_order),
        cmocka_unit_test(test_all_kinds_print),
        cmocka_unit_test(test_values_given_to_the_wrong_place_are_freed),
        cmocka_unit_test(test_values_in_a_tree_cannot_be_given_away),
        cmocka_unit_test(test_depth_is_limited_however_a_tree_is_built),
        cmocka_unit_test(test_a_deep_loop_is_refused_not_freed),
        cmocka_unit_test(test_many_keys_are_found_and_ordered),
        cmocka_unit_test(test_looking_at_what_is_not_there_is_safe),
        cmocka_unit_test(test_whole_numbers_only_where_they_are),
        cmocka_unit_test(test_without_memory_nothing_leaks),
    };

    return cmocka_run_group_tests_name("base/json_value", tests, setup,
                                       teardown);
}
