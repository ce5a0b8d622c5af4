/* Names of runners, and finding them again; batch ids beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/batch_id.h"
#include "engine/registry.h"
#include "support/heap.h"

static tj_run_status
run_ok(tj_run run, const tj_tick_context *context, void *userdata)
{
    return TJ_RUN_OK;
}

static int add(tj_registry *registry, const char *name, tj_error *reterr)
{
    tj_runner runner = TJ_RUNNER_INIT;

    runner.name = name;
    runner.description = "described";
    runner.run = run_ok;
    return tj__registry_add(registry, "timed-jobs", &runner, reterr);
}

/* S27, S28: what may be a name; `kept` is what is left after trimming. */
static const struct {
    int line;
    const char *name;
    int code;
    const char *kept; /* or a part of the message */
} names[] = {
    { __LINE__, "a", 0, "a" },
    { __LINE__, "  b\t\n", 0, "b" },
    { __LINE__, "\u00a0\ufeff\u2003c\u3000", 0, "c" },
    { __LINE__, "two words", 0, "two words" },
    { __LINE__, "汉字", 0, "汉字" },
    { __LINE__, "\u200bd", 0, "\u200bd" }, /* JavaScript does not trim it */
    { __LINE__, "timed-jobs.frame", 0, "timed-jobs.frame" },
    { __LINE__, "xtimed-jobs.framework", 0, "xtimed-jobs.framework" },
    { __LINE__, " a ", TJ_EEXIST, "'a' is registered" },
    { __LINE__, "", TJ_EINVAL, "empty" },
    { __LINE__, NULL, TJ_EINVAL, "empty" },
    { __LINE__, " \u2028\u3000", TJ_EINVAL, "empty" },
    { __LINE__, "a\nb", TJ_EINVAL, "control" },
    { __LINE__, "a\x7f", TJ_EINVAL, "control" },
    { __LINE__, "a\xc0\x80z", TJ_EINVAL, "control" },
    { __LINE__, " timed-jobs.framework ", TJ_EINVAL, "reserved" },
};

static void test_names_are_trimmed_and_checked(void **state)
{
    tj_registry registry = { 0 };
    size_t index;

    for (index = 0; index < sizeof(names) / sizeof(*names); index++) {
        tj_error error = TJ_ERROR_INIT;
        int rc = add(&registry, names[index].name, &error);

        if (rc != names[index].code)
            fail_msg("line %d: %d, %s", names[index].line, rc, error.message);
        if (rc)
            assert_non_null(strstr(error.message, names[index].kept));
        else
            assert_string_equal(registry.entries[registry.n_entries - 1]->name,
                                names[index].kept);
    }
    tj__registry_done(&registry);
}

static void test_name_has_255_bytes_at_most(void **state)
{
    tj_registry registry = { 0 };
    tj_error error = TJ_ERROR_INIT;
    char name[300];

    memset(name, ' ', sizeof(name));
    memset(name + 10, 'x', 255);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(add(&registry, name, &error), 0);
    name[9] = 'x';
    assert_int_equal(add(&registry, name, &error), TJ_EINVAL);
    assert_string_equal(error.message,
                        "a runner's name has at most 255 bytes, not 256");
    tj__registry_done(&registry);
}

/* Thousands are found by name, in order, where they were put. */
static void test_many_names_keep_their_order(void **state)
{
    enum { MANY = 5000 };

    static const tj_registered *where[MANY];
    tj_registry registry = { 0 };
    char name[16];
    int index;

    for (index = 0; index < MANY; index++) {
        snprintf(name, sizeof(name), "runner-%d", index);
        assert_int_equal(add(&registry, name, NULL), 0);
        where[index] = registry.entries[index];
    }
    for (index = 0; index < MANY; index++) {
        snprintf(name, sizeof(name), " runner-%d", index);
        assert_string_equal(registry.entries[index]->name, name + 1);
        assert_ptr_equal(registry.entries[index], where[index]);
        assert_int_equal(add(&registry, name, NULL), TJ_EEXIST);
    }
    assert_int_equal(registry.n_entries, MANY);
    tj__registry_done(&registry);
}

/* The prepared part of a log line is escaped once and for all. */
static void test_log_name_is_escaped(void **state)
{
    static const char expected[] = ",\"runner\":\"say \\\"hi\\\"\",\"stage\":";
    tj_registry registry = { 0 };

    assert_int_equal(add(&registry, "say \"hi\"", NULL), 0);
    assert_int_equal(registry.entries[0]->log_name.size, sizeof(expected) - 1);
    assert_memory_equal(registry.entries[0]->log_name.text, expected,
                        sizeof(expected) - 1);
    assert_string_equal(registry.entries[0]->description, "described");
    tj__registry_done(&registry);
}

/* Out of memory at any place leaves the registry as it was. */
static void test_add_without_memory_changes_nothing(void **state)
{
    tj_registry registry = { 0 };
    char name[16];
    int index;

    heap_install();
    for (index = 0; index < 40; index++) {
        long successes;
        int rc = TJ_ENOMEM;

        snprintf(name, sizeof(name), "r%d", index);
        for (successes = 0; rc; successes++) {
            heap_fail_once_after(successes);
            rc = add(&registry, name, NULL);
            assert_true(rc == 0 || rc == TJ_ENOMEM);
            assert_int_equal(registry.n_entries, index + (rc == 0));
        }
        heap_fail_never();
        assert_int_equal(add(&registry, name, NULL), TJ_EEXIST);
    }
    tj__registry_done(&registry);
    heap_remove();
}

/* S26: batch ids keep the reference's form (what is unique beyond one process
 * is the run's id): the job, the wall clock, a number that grows; the text is
 * never stale. */
static void test_batch_ids_say_job_time_and_sequence(void **state)
{
    tj_batch_id id;

    tj__batch_id_init(&id, "timed-jobs");
    tj__batch_id_set(&id, 1775030400000, 9);
    assert_string_equal(id.text, "timed-jobs-1775030400000-9");
    tj__batch_id_set(&id, 1775030400000, 10);
    assert_string_equal(id.text, "timed-jobs-1775030400000-10");
    tj__batch_id_set(&id, 0, 1);
    assert_string_equal(id.text, "timed-jobs-0-1");
    assert_int_equal(id.size, strlen(id.text));
    tj__batch_id_set(&id, -5, 2);
    assert_string_equal(id.text, "timed-jobs--5-2");
}

/* The longest id fits. */
static void test_longest_batch_id_fits(void **state)
{
    char job[TJ_JOB_NAME_MAX + 1];
    tj_batch_id id;

    memset(job, 'j', TJ_JOB_NAME_MAX);
    job[TJ_JOB_NAME_MAX] = '\0';
    tj__batch_id_init(&id, job);
    tj__batch_id_set(&id, INT64_MIN, UINT64_MAX);
    assert_int_equal(id.size, TJ_JOB_NAME_MAX + 1 + 20 + 1 + 20);
    assert_in_range(id.size, 1, TJ_BATCH_ID_SIZE - 1);
    assert_string_equal(id.text + TJ_JOB_NAME_MAX,
                        "--9223372036854775808-18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_trimmed_and_checked),
        cmocka_unit_test(test_name_has_255_bytes_at_most),
        cmocka_unit_test(test_many_names_keep_their_order),
        cmocka_unit_test(test_log_name_is_escaped),
        cmocka_unit_test(test_add_without_memory_changes_nothing),
        cmocka_unit_test(test_batch_ids_say_job_time_and_sequence),
        cmocka_unit_test(test_longest_batch_id_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
