/* One day's file, and what others may have done to it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "faulty_sys.h"
#include "log_dir_fixture.h"

static tj_log_dir g_dir;
static tj_day_file g_file;
static tj_error g_error;

static int file_setup(void **state)
{
    memset(&g_error, 0, sizeof(g_error));
    if (fixture_setup(state) ||
        tj__log_dir_init(&g_dir, &faulty_sys, fixture_dir(), NULL))
        return -1;
    tj__day_file_init(&g_file, &faulty_sys, &g_dir);
    return 0;
}

static int file_teardown(void **state)
{
    tj__day_file_close(&g_file);
    tj__log_dir_done(&g_dir);
    return fixture_teardown(state);
}

static tj_chunk chunk_of(const char *text)
{
    return (tj_chunk){
        .day = DAY_1_DAY,
        .size = strlen(text),
        .parts = { { (char *)(uintptr_t)text, strlen(text) } },
        .n_parts = 1,
    };
}

static tj_file_trouble put(const char *text, size_t *offset)
{
    tj_chunk chunk = chunk_of(text);

    chunk.n_lines = tj__chunk_count_lines(&chunk, chunk.size);
    return tj__day_file_write(&g_file, &chunk, offset, /* look= */ true,
                              &g_error);
}

static void open_day_1(void)
{
    assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                     TJ_FILE_FINE);
}

static void put_whole(const char *text)
{
    size_t offset = 0;

    assert_int_equal(put(text, &offset), TJ_FILE_FINE);
    assert_int_equal(offset, strlen(text));
}

/* Retention trusts this with deleting files. */
static void test_only_day_names_pass(void **state)
{
    static const struct {
        const char *name;
        bool passes;
    } rows[] = {
        { "2026-04-01.jsonl", true },
        { "0000-00-00.jsonl", true },
        { "2026-04-01.jsonl.gz", false },
        { "2026-04-01.json", false },
        { "2026-4-01.jsonl", false },
        { "x2026-04-01.jsonl", false },
        { "2026-04-0a.jsonl", false },
        { "2026_04_01.jsonl", false },
        { "", false },
        { "../2026-04-01.jsonl", false },
        { "+10000-01-01.jsonl", false },
        { "2026-04-01-jsonl", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (tj__day_name_check(rows[i].name) != rows[i].passes)
            fail_msg("%s", rows[i].name);
}

/* The name is the UTC date, and each name we print is one that we know. */
static void test_names_are_utc_dates(void **state)
{
    char name[TJ_DAY_NAME_SIZE];

    (void)state;
    tj__day_name_print(name, 0);
    assert_string_equal(name, "1970-01-01.jsonl");
    tj__day_name_print(name, -1);
    assert_string_equal(name, "1969-12-31.jsonl");
    tj__day_name_print(name, DAY_1_DAY);
    assert_string_equal(name, DAY_1);
    assert_true(tj__day_name_check(name));
}

/* Others on the machine have no business in the log. */
static void test_a_new_file_is_private_and_its_name_lasts(void **state)
{
    struct stat status;
    mode_t mask = umask(0);

    (void)state;
    open_day_1();
    umask(mask);
    assert_int_equal(stat(fixture_path(DAY_1), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(faulty_count(CALL_FSYNC), 1);
    assert_int_equal(fcntl(g_file.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* S31: a link that somebody planted would have us write where they like. */
static void test_what_is_not_our_own_file_is_refused(void **state)
{
    fixture_write("elsewhere", "x\n");

    (void)state;
    assert_int_equal(symlink("elsewhere", fixture_path(DAY_1)), 0);
    assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                     TJ_FILE_ITSELF);
    assert_int_equal(g_error.code, TJ_EACCES);
    assert_non_null(strstr(g_error.message, "symbolic link"));
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);

    assert_int_equal(symlink("nowhere", fixture_path(DAY_1)), 0);
    assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                     TJ_FILE_ITSELF);
    assert_false(fixture_has("nowhere"));
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);

    assert_int_equal(link(fixture_path("elsewhere"), fixture_path(DAY_1)), 0);
    assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                     TJ_FILE_ITSELF);
    assert_non_null(strstr(g_error.message, "several names"));
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);

    assert_int_equal(mkfifo(fixture_path(DAY_1), 0600), 0);
    assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                     TJ_FILE_ITSELF);
    assert_non_null(strstr(g_error.message, "regular file"));
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);

    assert_int_equal(mkdir(fixture_path(DAY_1), 0700), 0);
    assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                     TJ_FILE_ITSELF);
    assert_int_equal(rmdir(fixture_path(DAY_1)), 0);

    if (geteuid() == 0) {
        fixture_write(DAY_1, "");
        assert_int_equal(chown(fixture_path(DAY_1), 12345, 0), 0);
        assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                         TJ_FILE_ITSELF);
        assert_non_null(strstr(g_error.message, "somebody else"));
    }
    assert_int_equal(g_file.fd, -1);
    fixture_expect("elsewhere", "x\n");
}

/* J1: the next line must not fuse with what a crash has left. */
static void test_a_torn_line_of_a_crash_stays_alone(void **state)
{
    (void)state;
    fixture_write(DAY_1, "whole\n{\"torn");
    open_day_1();
    put_whole("next\n");
    fixture_expect(DAY_1, "whole\n{\"torn\nnext\n");
}

/* A write may take less than it was given, even inside a line. */
static void test_short_writes_are_continued(void **state)
{
    (void)state;
    open_day_1();
    faulty_write_max(3);
    put_whole("first line\nsecond line\n");
    fixture_expect(DAY_1, "first line\nsecond line\n");
}

/* F14: a line torn by a full disk is completed when there is room again. */
static void test_a_line_torn_by_a_full_disk_is_completed(void **state)
{
    size_t offset = 0;

    (void)state;
    open_day_1();
    faulty_space(9);
    assert_int_equal(put("first\nsecond\n", &offset), TJ_FILE_DISK);
    assert_int_equal(g_error.code, TJ_ENOSPC);
    assert_int_equal(offset, 9);
    fixture_expect(DAY_1, "first\nsec");
    assert_int_equal(put("first\nsecond\n", &offset), TJ_FILE_DISK);
    faulty_space(-1);
    assert_int_equal(put("first\nsecond\n", &offset), TJ_FILE_FINE);
    fixture_expect(DAY_1, "first\nsecond\n");
}

/* F32: when another process wrote after the torn piece, it is ended and our
 * line begins again. */
static void test_a_torn_line_is_begun_again_after_foreign_bytes(void **state)
{
    size_t offset = 0;
    FILE *other;

    (void)state;
    open_day_1();
    faulty_space(9);
    assert_int_equal(put("first\nsecond\n", &offset), TJ_FILE_DISK);
    other = fopen(fixture_path(DAY_1), "ae");
    assert_non_null(other);
    fputs("\nforeign\n{\"tor", other);
    fclose(other);
    faulty_space(-1);
    assert_int_equal(put("first\nsecond\n", &offset), TJ_FILE_FINE);
    fixture_expect(DAY_1, "first\nsec\nforeign\n{\"tor\nsecond\n");
}

/* When only the newline was missing, and somebody else has written it, the
 * line is there and must not come twice. */
static void test_a_line_that_somebody_ended_does_not_come_twice(void **state)
{
    size_t offset = 0;
    FILE *other;

    (void)state;
    open_day_1();
    faulty_space(12);
    assert_int_equal(put("first\nsecond\nthird\n", &offset), TJ_FILE_DISK);
    fixture_expect(DAY_1, "first\nsecond");
    other = fopen(fixture_path(DAY_1), "ae");
    assert_non_null(other);
    fputs("\nforeign\n", other);
    fclose(other);
    faulty_space(-1);
    assert_int_equal(put("first\nsecond\nthird\n", &offset), TJ_FILE_FINE);
    fixture_expect(DAY_1, "first\nsecond\nforeign\nthird\n");
}

/* The same in a chunk that wraps around the end of the ring. */
static void test_a_wrapped_chunk_survives_each_tear(void **state)
{
    static char first[] = "first line\nsec", second[] = "ond line\nthird\n";
    const char *whole = "first line\nsecond line\nthird\n";
    tj_chunk chunk = { .day = DAY_1_DAY,
                       .size = strlen(whole),
                       .n_lines = 3,
                       .parts = { { first, strlen(first) },
                                  { second, strlen(second) } },
                       .n_parts = 2 };

    (void)state;
    assert_int_equal(tj__chunk_count_lines(&chunk, chunk.size), 3);
    for (size_t space = 1; space < chunk.size; space++) {
        char expected[128];
        size_t offset = 0, begun;

        open_day_1();
        faulty_space((int64_t)space);
        assert_int_equal(
            tj__day_file_write(&g_file, &chunk, &offset, true, &g_error),
            TJ_FILE_DISK);
        assert_int_equal(offset, space);
        faulty_space(-1);
        /* opened anew, as after a crash: the torn piece is ended */
        open_day_1();
        assert_int_equal(
            tj__day_file_write(&g_file, &chunk, &offset, true, &g_error),
            TJ_FILE_FINE);
        begun = space >= 23 ? 23 : space >= 11 ? 11 : 0;
        snprintf(expected, sizeof(expected), "%.*s%s%s", (int)space, whole,
                 whole[space - 1] == '\n' ? "" : "\n", whole + begun);
        fixture_expect(DAY_1, expected);
        assert_int_equal(unlink(fixture_path(DAY_1)), 0);
    }
}

/* F21: a signal is no reason to give up. */
static void test_interrupted_calls_are_made_again(void **state)
{
    (void)state;
    for (int call = 0; call < N_FAULTY_CALLS; call++)
        if (call == CALL_OPENAT || call == CALL_WRITEV || call == CALL_PREAD ||
            call == CALL_FDATASYNC || call == CALL_FSYNC)
            faulty_fail((faulty_call)call, 0, 3, EINTR);
    open_day_1();
    put_whole("a\n");
    assert_int_equal(tj__day_file_sync(&g_file, &g_error), TJ_FILE_FINE);
    open_day_1();
    put_whole("b\n");
    fixture_expect(DAY_1, "a\nb\n");
    assert_int_equal(faulty_failures(), 5 * 3);
}

/* A write of nothing without a reason must not spin. */
static void test_a_write_of_nothing_is_a_failure(void **state)
{
    const tj_chunk chunk = chunk_of("a\n");
    tj_log_sys sys = faulty_sys;
    size_t offset = 0;

    (void)state;
    open_day_1();
    sys.writev = (ssize_t(*)(int, const struct iovec *, int))(
                     void (*)(void))faulty_sys.fdatasync; /* says 0 */
    g_file.sys = &sys;
    assert_int_equal(
        tj__day_file_write(&g_file, &chunk, &offset, true, &g_error),
        TJ_FILE_DISK);
    assert_int_equal(g_error.code, TJ_EIO);
    g_file.sys = &faulty_sys;
}

static void delete_day_1(void)
{
    assert_int_equal(unlink(fixture_path(DAY_1)), 0);
}

/* F17: a write to a deleted file succeeds and is for nobody. */
static void test_a_deleted_file_is_made_again_without_loss(void **state)
{
    (void)state;
    open_day_1();
    put_whole("a\n");
    delete_day_1();
    put_whole("b\n");
    fixture_expect(DAY_1, "b\n");
    /* just before the write, after everything was looked at */
    faulty_before_write(0, delete_day_1);
    put_whole("c\n");
    fixture_expect(DAY_1, "c\n");
}

static void delete_all(void)
{
    fixture_remove_tree(fixture_dir());
}

/* The same for the directory, parents included. */
static void test_a_deleted_directory_is_made_again_without_loss(void **state)
{
    (void)state;
    open_day_1();
    faulty_before_write(0, delete_all);
    put_whole("a\n");
    fixture_expect(DAY_1, "a\n");
}

/* Endless deletion is trouble, not an endless loop. */
static void test_endless_deletion_is_trouble(void **state)
{
    size_t offset = 0;

    (void)state;
    open_day_1();
    faulty_no_names(true);
    assert_int_equal(put("a\n", &offset), TJ_FILE_DISK);
    assert_int_equal(g_error.code, TJ_EIO);
    faulty_no_names(false);
    assert_int_equal(put("a\n", &offset), TJ_FILE_FINE);
}

/* Without a look after each write the loss is counted instead. */
static void test_unseen_writes_to_a_deleted_file_are_counted(void **state)
{
    tj_chunk chunk = chunk_of("a\nb\n");
    size_t offset = 0;

    (void)state;
    chunk.n_lines = 2;
    open_day_1();
    put_whole("0\n");
    assert_int_equal(
        tj__day_file_write(&g_file, &chunk, &offset, false, &g_error),
        TJ_FILE_FINE);
    delete_day_1();
    put_whole("c\n");
    assert_int_equal(g_file.n_lost_lines, 2);
    assert_int_equal(g_file.lost_size, 4);
    fixture_expect(DAY_1, "c\n");

    g_file.n_lost_lines = 0;
    offset = 0;
    assert_int_equal(
        tj__day_file_write(&g_file, &chunk, &offset, false, &g_error),
        TJ_FILE_FINE);
    tj__day_file_look(&g_file); /* all is well */
    assert_int_equal(g_file.n_lost_lines, 0);
    delete_day_1();
    tj__day_file_look(&g_file); /* nothing was written since */
    assert_int_equal(g_file.n_lost_lines, 0);
}

/* Moving the file or the directory away is noticed. */
static void test_moved_names_are_noticed(void **state)
{
    const char *moved = "/tmp/timed-jobs-log-moved";

    (void)state;
    open_day_1();
    assert_true(tj__day_file_is_current(&g_file));
    assert_int_equal(rename(fixture_path(DAY_1), fixture_path("old")), 0);
    assert_false(tj__day_file_is_current(&g_file));
    open_day_1();
    assert_true(tj__day_file_is_current(&g_file));
    fixture_remove_tree(moved);
    assert_int_equal(rename(fixture_dir(), moved), 0);
    assert_false(tj__day_file_is_current(&g_file));
    open_day_1();
    put_whole("a\n");
    fixture_expect(DAY_1, "a\n");
    fixture_remove_tree(moved);
}

/* Whether other files may work decides what becomes of the lines. */
static void test_failures_are_told_apart(void **state)
{
    static const struct {
        int reason;
        tj_file_trouble trouble;
        int code;
    } rows[] = {
        { ENOSPC, TJ_FILE_DISK, TJ_ENOSPC },
        { EDQUOT, TJ_FILE_DISK, TJ_ENOSPC },
        { EIO, TJ_FILE_DISK, TJ_EIO },
        { EROFS, TJ_FILE_DISK, TJ_EACCES },
        { EMFILE, TJ_FILE_DISK, TJ_ESYSTEM },
        { EFBIG, TJ_FILE_ITSELF, TJ_ENOSPC },
        { EPERM, TJ_FILE_ITSELF, TJ_EACCES },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t offset = 0;

        open_day_1();
        faulty_fail(CALL_WRITEV, 0, 1, rows[i].reason);
        assert_int_equal(put("a\n", &offset), rows[i].trouble);
        assert_int_equal(g_error.code, rows[i].code);
        assert_non_null(strstr(g_error.message, DAY_1));
    }
}

/* Some file systems have no fdatasync; that is no trouble, a failing one is. */
static void test_sync_tells_trouble_from_inability(void **state)
{
    (void)state;
    open_day_1();
    put_whole("a\n");
    assert_true(g_file.unsynced);
    faulty_fail(CALL_FDATASYNC, 0, 1, EIO);
    assert_int_equal(tj__day_file_sync(&g_file, &g_error), TJ_FILE_DISK);
    assert_true(g_file.unsynced);
    faulty_fail(CALL_FDATASYNC, 0, 1, EINVAL);
    assert_int_equal(tj__day_file_sync(&g_file, &g_error), TJ_FILE_FINE);
    assert_false(g_file.unsynced);
}

/* A new name that could not be made to last is tried again. */
static void test_a_failed_directory_sync_is_made_up_for(void **state)
{
    (void)state;
    faulty_fail(CALL_FSYNC, 0, 1, EIO);
    assert_int_equal(tj__day_file_open(&g_file, DAY_1_DAY, &g_error),
                     TJ_FILE_DISK);
    open_day_1();
    assert_int_equal(faulty_count(CALL_FSYNC), 2);
    open_day_1();
    assert_int_equal(faulty_count(CALL_FSYNC), 2);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, file_setup, file_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_only_day_names_pass),
        TEST(test_names_are_utc_dates),
        TEST(test_a_new_file_is_private_and_its_name_lasts),
        TEST(test_what_is_not_our_own_file_is_refused),
        TEST(test_a_torn_line_of_a_crash_stays_alone),
        TEST(test_short_writes_are_continued),
        TEST(test_a_line_torn_by_a_full_disk_is_completed),
        TEST(test_a_torn_line_is_begun_again_after_foreign_bytes),
        TEST(test_a_line_that_somebody_ended_does_not_come_twice),
        TEST(test_a_wrapped_chunk_survives_each_tear),
        TEST(test_interrupted_calls_are_made_again),
        TEST(test_a_write_of_nothing_is_a_failure),
        TEST(test_a_deleted_file_is_made_again_without_loss),
        TEST(test_a_deleted_directory_is_made_again_without_loss),
        TEST(test_endless_deletion_is_trouble),
        TEST(test_unseen_writes_to_a_deleted_file_are_counted),
        TEST(test_moved_names_are_noticed),
        TEST(test_failures_are_told_apart),
        TEST(test_sync_tells_trouble_from_inability),
        TEST(test_a_failed_directory_sync_is_made_up_for),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
