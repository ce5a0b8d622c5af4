/* The highest term on disk, and who a process is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lease/lease_hw.h"
#include "lease/lease_process.h"

static char directory[32];

static int directory_make(void **state)
{
    strcpy(directory, "/tmp/tj-lease-hw-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int directory_remove(void **state)
{
    char command[256];

    snprintf(command, sizeof(command), "chmod -R u+w %s; rm -rf %s", directory,
             directory);
    return system(command);
}

static void file_write(const char *text, size_t size)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/main.term.hw", directory);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Nothing there yet is no error: the first start of all. */
static void test_missing_file_is_term_0(void **state)
{
    int64_t term = 99;

    assert_int_equal(tj__lease_hw_load(directory, "main", &term, NULL), 0);
    assert_int_equal(term, 0);
}

/* It is what it was, it only rises, and each lease has its own. */
static void test_saved_term_only_rises(void **state)
{
    int64_t term = 0;

    assert_int_equal(tj__lease_hw_save(directory, "main", 7, NULL), 0);
    assert_int_equal(tj__lease_hw_save(directory, "main", 3, NULL), 0);
    assert_int_equal(tj__lease_hw_load(directory, "main", &term, NULL), 0);
    assert_int_equal(term, 7);
    assert_int_equal(
        tj__lease_hw_save(directory, "main", TJ_LEASE_TERM_MAX, NULL), 0);
    assert_int_equal(tj__lease_hw_load(directory, "main", &term, NULL), 0);
    assert_true(term == TJ_LEASE_TERM_MAX);
    assert_int_equal(tj__lease_hw_load(directory, "other", &term, NULL), 0);
    assert_int_equal(term, 0);
}

/* Who does not know the highest term may not lead: doubt is an error. */
static void test_malformed_file_is_refused(void **state)
{
    static const char *const texts[] = { "",
                                         "\n",
                                         "7",
                                         "0\n",
                                         "-1\n",
                                         " 7\n",
                                         "7 \n",
                                         "7\n\n",
                                         "9007199254740992\n",
                                         "99999999999999999\n",
                                         "0x10\n",
                                         "seven\n",
                                         "7\n8\n" };
    size_t at;

    for (at = 0; at < sizeof(texts) / sizeof(texts[0]); at++) {
        tj_error error = TJ_ERROR_INIT;
        int64_t term = 42;

        file_write(texts[at], strlen(texts[at]));
        assert_int_equal(tj__lease_hw_load(directory, "main", &term, &error),
                         TJ_EPARSE);
        assert_non_null(strstr(error.message, "main.term.hw"));
        assert_int_equal(term, 42);
        /* Nor is it quietly written over. */
        assert_int_equal(tj__lease_hw_save(directory, "main", 9, NULL),
                         TJ_EPARSE);
    }
    file_write("7\0\n", 3);
    assert_int_equal(
        tj__lease_hw_load(directory, "main", &(int64_t){ 0 }, NULL), TJ_EPARSE);
}

/* A missing state directory is made, a missing parent is said. */
static void test_directory_is_made(void **state)
{
    char below[128], deep[160];
    tj_error error = TJ_ERROR_INIT;
    int64_t term = 0;

    snprintf(below, sizeof(below), "%s/state", directory);
    snprintf(deep, sizeof(deep), "%s/no/such", directory);
    assert_int_equal(tj__lease_hw_save(below, "main", 2, NULL), 0);
    assert_int_equal(tj__lease_hw_load(below, "main", &term, NULL), 0);
    assert_int_equal(term, 2);
    assert_int_equal(tj__lease_hw_save(deep, "main", 2, &error), TJ_ENOENT);
    assert_non_null(strstr(error.message, "no/such"));
}

/* A planted link must not lead the write elsewhere. */
static void test_link_is_not_followed(void **state)
{
    char path[128], target[128];
    int64_t term;

    snprintf(path, sizeof(path), "%s/main.term.hw", directory);
    snprintf(target, sizeof(target), "%s/elsewhere", directory);
    assert_int_equal(symlink(target, path), 0);
    assert_int_not_equal(tj__lease_hw_load(directory, "main", &term, NULL), 0);
    assert_int_not_equal(access(target, F_OK), 0);
}

/* A disk without room: said, and the old file is whole. */
static void test_failing_write_is_told(void **state)
{
    tj_error error = TJ_ERROR_INIT;
    int64_t term = 0;
    pid_t child;
    int status;

    assert_int_equal(tj__lease_hw_save(directory, "main", 5, NULL), 0);
    assert_int_equal(chmod(directory, 0500), 0);
    child = fork();
    assert_true(child >= 0);
    if (!child) {
        /* Root may write anywhere; somebody else may not. */
        if (!getuid() && (setgid(65534) || setuid(65534)))
            _exit(2);
        _exit(tj__lease_hw_save(directory, "main", 6, &error) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(tj__lease_hw_load(directory, "main", &term, NULL), 0);
    assert_int_equal(term, 5);
}

/* ---- processes ---- */

/* This process is not gone, and knows who it is. */
static void test_living_process_is_not_gone(void **state)
{
    tj_lease_record me = { .exists = true };

    tj__lease_process_describe(&me);
    assert_int_equal(me.pid, getpid());
    assert_true(me.pid_start > 0);
    assert_int_equal(strlen(me.boot_id), 36);
    assert_non_null(strstr(me.namespaces, "pid:["));
    assert_false(tj__lease_process_is_gone(&me));
    /* The same number, but born at another time: the old one is gone. */
    me.pid_start--;
    assert_true(tj__lease_process_is_gone(&me));
}

/* Dead is gone, also before the parent has collected it. */
static void test_dead_process_is_gone(void **state)
{
    tj_lease_record child = { .exists = true };
    int pipe_fds[2];
    siginfo_t info;
    pid_t pid;

    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        tj__lease_process_describe(&child);
        _exit(write(pipe_fds[1], &child, sizeof(child)) == sizeof(child) ? 0
                                                                         : 1);
    }
    assert_int_equal(read(pipe_fds[0], &child, sizeof(child)), sizeof(child));
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(child.pid, pid);
    assert_true(tj__lease_process_is_gone(&child));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(tj__lease_process_is_gone(&child));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* Rows from others may hold anything: doubt is not death, and nobody signals a
 * process group by mistake. */
static void test_odd_pids_are_not_gone(void **state)
{
    static const int64_t pids[] = { 0, -1, INT64_MIN, INT64_MAX,
                                    INT64_C(1) << 32 };
    size_t at;

    for (at = 0; at < sizeof(pids) / sizeof(pids[0]); at++) {
        tj_lease_record record = { .exists = true, .pid_start = 1 };

        record.pid = pids[at];
        assert_false(tj__lease_process_is_gone(&record));
    }
}

/* 128 random bits: no two alike. */
static void test_holders_differ(void **state)
{
    char one[TJ_LEASE_HOLDER_SIZE], other[TJ_LEASE_HOLDER_SIZE];

    assert_int_equal(tj__lease_process_holder(one, NULL), 0);
    assert_int_equal(tj__lease_process_holder(other, NULL), 0);
    assert_int_equal(strspn(one, "0123456789abcdef"), 32);
    assert_string_not_equal(one, other);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, directory_make, directory_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_missing_file_is_term_0),
        TEST(test_saved_term_only_rises),
        TEST(test_malformed_file_is_refused),
        TEST(test_directory_is_made),
        TEST(test_link_is_not_followed),
        TEST(test_failing_write_is_told),
        cmocka_unit_test(test_living_process_is_not_gone),
        cmocka_unit_test(test_dead_process_is_gone),
        cmocka_unit_test(test_odd_pids_are_not_gone),
        cmocka_unit_test(test_holders_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
