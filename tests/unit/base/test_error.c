/* base/error: names, messages that fit, prefixes, system errors. */
#include "support/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static void test_every_code_has_a_name_and_a_text(void **state)
{
#define CHECK(name, code, text)                      \
    assert_string_equal(tj_error_name(name), #name); \
    assert_string_equal(tj_error_text(name), text);  \
    assert_int_equal(name, code);
    TJ_ERROR_MAP(CHECK)
#undef CHECK
    assert_string_equal(tj_error_name(0), "TJ_OK");
    assert_string_equal(tj_error_name(-1), "TJ_EUNKNOWN");
    assert_string_equal(tj_error_text(0), "success");
    assert_string_equal(tj_error_text(12345), "unknown error");
}

static void test_setting_returns_the_code_also_without_an_error(void **state)
{
    tj_error error = TJ_ERROR_INIT;

    assert_int_equal(tj__error_set(NULL, TJ_EBUSY, "lease", "x"), TJ_EBUSY);
    assert_int_equal(
        tj__error_set(&error, TJ_EBUSY, "lease", "held by %s", "b"), TJ_EBUSY);
    assert_int_equal(error.code, TJ_EBUSY);
    assert_string_equal(error.module, "lease");
    assert_string_equal(error.message, "held by b");

    tj__error_prefix(&error, "lease '%s'", "main");
    tj__error_prefix(&error, "start");
    assert_string_equal(error.message, "start: lease 'main': held by b");
    assert_int_equal(error.code, TJ_EBUSY);
    tj__error_prefix(NULL, "nothing");
}

static void test_system_errors_keep_their_reason(void **state)
{
    tj_error error = TJ_ERROR_INIT;

    assert_int_equal(
        tj__error_set_errno(&error, ENOSPC, "log", "write %s", "a.jsonl"),
        TJ_ENOSPC);
    assert_string_equal(error.message,
                        "write a.jsonl: No space left on device");
    assert_int_equal(tj__error_set_errno(NULL, EPERM, "log", "x"), TJ_EACCES);
}

/* Callers switch on these: a full disk is waited out, a refusal is not. */
static void test_system_errors_map_by_what_can_be_done(void **state)
{
    static const int table[][2] = {
        { ENOMEM, TJ_ENOMEM },
        { EACCES, TJ_EACCES },
        { EPERM, TJ_EACCES },
        { EROFS, TJ_EACCES },
        { ENOENT, TJ_ENOENT },
        { ENOTDIR, TJ_ENOENT },
        { EEXIST, TJ_EEXIST },
        { ENOSPC, TJ_ENOSPC },
        { EDQUOT, TJ_ENOSPC },
        { EFBIG, TJ_ENOSPC },
        { EIO, TJ_EIO },
        { ETIMEDOUT, TJ_ETIMEDOUT },
        { EBUSY, TJ_EBUSY },
        { ECONNREFUSED, TJ_EUNREACHABLE },
        { E2BIG, TJ_ETOOBIG },
        { ECONNRESET, TJ_EUNREACHABLE },
        { ENAMETOOLONG, TJ_ETOOBIG },
        { EHOSTUNREACH, TJ_EUNREACHABLE },
        { EMFILE, TJ_ESYSTEM },
        { ENETUNREACH, TJ_EUNREACHABLE },
        { 0, TJ_ESYSTEM },
    };
    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(tj__error_from_errno(table[i][0]), table[i][1]);
}

/* Messages go into JSON and onto terminals: a long one may lose its end, but
 * never half a character, wherever the cut falls. */
static void test_long_messages_are_cut_between_characters(void **state)
{
    char text[TJ_ERROR_MESSAGE_SIZE + 64];
    size_t lead, at;

    for (lead = 0; lead < 4; lead++) {
        tj_error error = TJ_ERROR_INIT;

        memset(text, 'a', lead);
        for (at = lead; at + 3 < sizeof(text) - 1; at += 3)
            memcpy(text + at, "\xe2\x82\xac", 3);
        text[at] = '\0';

        tj__error_set(&error, TJ_EIO, "log", "%s", text);
        assert_true(strlen(error.message) > TJ_ERROR_MESSAGE_SIZE - 6);
        assert_true(
            tj__text_is_printable(error.message, strlen(error.message)));
        tj__error_prefix(&error, "p%.*s", (int)lead, "qrs");
        assert_true(
            tj__text_is_printable(error.message, strlen(error.message)));
        tj__error_set_errno(&error, EIO, "log", "%s", text);
        assert_true(
            tj__text_is_printable(error.message, strlen(error.message)));
        /* A prefix that fills everything leaves no room for the rest. */
        tj__error_prefix(&error, "%s", text);
        assert_true(
            tj__text_is_printable(error.message, strlen(error.message)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_name_and_a_text),
        cmocka_unit_test(test_setting_returns_the_code_also_without_an_error),
        cmocka_unit_test(test_system_errors_keep_their_reason),
        cmocka_unit_test(test_system_errors_map_by_what_can_be_done),
        cmocka_unit_test(test_long_messages_are_cut_between_characters),
    };

    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
