/* Out of memory at every allocation, ours and libyaml's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "config_support.h"
#include "support/heap.h"

/* libyaml takes its memory through these functions of its own; defined here
 * they come before those of the shared library. */
void *yaml_malloc(size_t size);
void *yaml_realloc(void *memory, size_t size);
void yaml_free(void *memory);
char *yaml_strdup(const char *text);

void *yaml_malloc(size_t size)
{
    return tj__malloc(size ? size : 1);
}

void *yaml_realloc(void *memory, size_t size)
{
    return tj__realloc(memory, size ? size : 1);
}

void yaml_free(void *memory)
{
    tj__free(memory);
}

char *yaml_strdup(const char *text)
{
    return tj__strdup(text);
}

static const char good[] =
    "lease: {backend: sqlite:x.db, duration: 3s}\n"
    "log: logs\n"
    "jobs:\n"
    "  a:\n"
    "    every: 10s\n"
    "    env: {A: b, C: d}\n"
    "    runners:\n"
    "      - {name: x, command: [df, -P], env: {A: e}, directory: sub}\n"
    "      - {name: y, shell: 'echo x', timeout: 1m}\n"
    "  b: {every: 1s, command: date}\n";

static const char bad[] = "lease: redis\n"
                          "hots: x\n"
                          "jobs:\n"
                          "  a: {every: 1, command: df -P, tiemout: &x 5}\n"
                          "  a: {}\n"
                          "  b:\n"
                          "\tx: y\n";

/* Load, print, and turn into JSON all there is. Returns TJ_ENOMEM if any of it
 * failed for that reason. */
static int everything(const char *text)
{
    struct config_options options = test_options("t.yaml");
    struct config_report *report = config_report_new();
    struct config *config = NULL;
    tj_json *json = NULL;
    tj_buf printed = TJ_BUF_INIT;
    int code = TJ_ENOMEM;

    if (!report)
        return TJ_ENOMEM;
    code = config_load_text(&options, text, strlen(text), report, &config);
    assert_true((code == 0) == (config != NULL));
    config_report_print(report, &printed, /* colour= */ true);
    if (printed.failed)
        code = TJ_ENOMEM;
    if (code != TJ_ENOMEM && !(json = config_report_to_json(report)))
        code = TJ_ENOMEM;
    tj_json_free(json);
    json = NULL;
    if (!code && !(json = config_to_json(config)))
        code = TJ_ENOMEM;
    tj_json_free(json);
    tj__buf_done(&printed);
    config_free(config);
    config_report_free(report);
    return code;
}

static void sweep(const char *text, void (*fail_after)(long), int expected)
{
    long fails;
    int code = 0;

    heap_install();
    for (fails = 0; fails < 100000; fails++) {
        fail_after(fails);
        code = everything(text);
        assert_int_equal(heap_live(), 0);
        if (!heap_failed())
            break;
        assert_int_equal(code, TJ_ENOMEM);
    }
    assert_true(fails > 50); /* the sweep has met something */
    assert_int_equal(code, expected);
    heap_remove();
}

/* A load that runs out of memory says so, leaks nothing, and never passes for
 * a good one. */
static void test_good_file_without_memory_is_out_of_memory(void **state)
{
    sweep(good, heap_fail_after, 0);
}

static void test_bad_file_without_memory_is_out_of_memory(void **state)
{
    sweep(bad, heap_fail_after, TJ_EINVAL);
}

/* Memory that is back a moment later must not hide that something is gone. */
static void test_one_failure_is_enough(void **state)
{
    sweep(good, heap_fail_once_after, 0);
    sweep(bad, heap_fail_once_after, TJ_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file_without_memory_is_out_of_memory),
        cmocka_unit_test(test_bad_file_without_memory_is_out_of_memory),
        cmocka_unit_test(test_one_failure_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
