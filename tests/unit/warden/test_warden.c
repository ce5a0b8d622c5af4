/* The parts of the warden's client that need no warden: cells, words, ids. */
#include "warden/client.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Fresh cells hold nothing: nobody may start anything by mistake. */
static void test_fresh_cells_hold_nothing(void **state)
{
    tj_warden_cells *cells = NULL;

    (void)state;
    assert_int_equal(tj__warden_cells_new(3, &cells, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        tj_deadline_cell *cell = tj__warden_cells_get(cells, i);

        assert_true(atomic_load(&cell->kill_at_ns) == 0);
        assert_true(atomic_load(&cell->term) == 0);
    }
    assert_null(tj__warden_cells_get(cells, 3));
    tj__warden_cells_wake(cells); /* with nobody there to wake */
    tj__warden_cells_free(cells);
    tj__warden_cells_free(NULL);
}

static void test_impossible_cells_are_refused(void **state)
{
    const char *const relative[] = { "timed-jobs", NULL };
    const char *const empty[] = { NULL };
    const char *const fine[] = { "/bin/true", "--lease", "main", NULL };
    const char *many[40];
    tj_warden_cells *cells = NULL;
    tj_error error = TJ_ERROR_INIT;

    (void)state;
    assert_int_equal(
        tj__warden_cells_new(TJ_WARDEN_CELLS_MAX + 1, &cells, &error),
        TJ_EINVAL);
    assert_int_equal(tj__warden_cells_new(1, &cells, NULL), 0);
    assert_int_equal(tj__warden_cells_set_release(cells, 1, fine), TJ_EINVAL);
    assert_int_equal(tj__warden_cells_set_release(cells, 0, relative),
                     TJ_EINVAL);
    assert_int_equal(tj__warden_cells_set_release(cells, 0, empty), TJ_EINVAL);
    for (size_t i = 0; i < 39; i++)
        many[i] = "/bin/true";
    many[39] = NULL;
    assert_int_equal(tj__warden_cells_set_release(cells, 0, many), TJ_EINVAL);
    assert_int_equal(tj__warden_cells_set_release(cells, 0, fine), 0);
    assert_int_equal(tj__warden_cells_set_release(cells, 0, fine), 0);
    tj__warden_cells_free(cells);
}

struct end_case {
    int line;
    tj_warden_end end;
    const char *text;
};

/* The words are what a person reads at three in the morning. */
static void test_ends_are_described(void **state)
{
    static const struct end_case cases[] = {
        { __LINE__,
          { .cause = TJ_WARDEN_EXITED, .exit_status = 3 },
          "exit status 3" },
        { __LINE__,
          { .cause = TJ_WARDEN_EXITED, .exit_status = -1, .term_signal = 9 },
          "killed by signal 9 (SIGKILL)" },
        { __LINE__,
          { .cause = TJ_WARDEN_TIMED_OUT, .exit_status = 0 },
          "timed out after 5000 ms" },
        { __LINE__,
          { .cause = TJ_WARDEN_START_FAILED,
            .step = "chdir",
            .step_errno = ENOENT },
          "failed at chdir: No such file or directory" },
        { __LINE__, { .cause = TJ_WARDEN_STOPPED }, "stopped" },
        { __LINE__,
          { .cause = TJ_WARDEN_LEASE_OVER },
          "killed: the deadline of its lease had passed" },
        { __LINE__,
          { .cause = TJ_WARDEN_LOST },
          "killed: the warden was lost" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];

        tj__warden_end_describe(&cases[i].end, 5000, text, sizeof(text));
        if (strcmp(text, cases[i].text) != 0)
            fail_msg("line %d: %s", cases[i].line, text);
    }
    assert_string_equal(tj__warden_signal_name(SIGSEGV), "SIGSEGV");
    assert_string_equal(tj__warden_signal_name(40), "a real-time signal");
    assert_string_equal(tj__warden_cause_to_string(TJ_WARDEN_LEASE_OVER),
                        "lease_deadline");
}

enum { MANY_IDS = 1000 };

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, TJ_RUN_ID_SIZE);
}

/* S26: a batch id may come again in another process; what names a run does
 * not. Two ids alike would let one run's stray pass for another's. The second
 * half comes from a process that shares everything with this one up to here. */
static void test_run_ids_differ_in_all_processes(void **state)
{
    static char ids[2 * MANY_IDS][TJ_RUN_ID_SIZE];
    static char theirs[MANY_IDS][TJ_RUN_ID_SIZE]; /* fits into a pipe */
    int ends[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    for (size_t i = 0; i < MANY_IDS; i++) {
        if (tj__warden_make_run_id(ids[i]))
            ids[i][0] = 'x';
    }
    if (child == 0)
        _exit(write(ends[1], ids, sizeof(theirs)) != (ssize_t)sizeof(theirs));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    close(ends[0]);
    close(ends[1]);
    for (size_t i = 0; i < MANY_IDS; i++)
        memcpy(ids[MANY_IDS + i], theirs[i], TJ_RUN_ID_SIZE);

    for (size_t i = 0; i < 2 * MANY_IDS; i++)
        assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
    qsort(ids, 2 * MANY_IDS, TJ_RUN_ID_SIZE, compare_ids);
    for (size_t i = 1; i < 2 * MANY_IDS; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_cells_hold_nothing),
        cmocka_unit_test(test_impossible_cells_are_refused),
        cmocka_unit_test(test_ends_are_described),
        cmocka_unit_test(test_run_ids_differ_in_all_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
