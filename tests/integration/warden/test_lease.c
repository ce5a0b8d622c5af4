/* The deadlines of leases, as the warden keeps them. */
#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)

static void hold(struct rig *rig, size_t cell, int64_t term, int64_t ms)
{
    int64_t kill_at_ns = boottime_ns() + ms * MS;

    tj__deadline_extend(tj__warden_cells_get(rig->cells, cell), term,
                        kill_at_ns, kill_at_ns + 3600000 * MS);
    tj__warden_cells_wake(rig->cells);
}

static void start_under(struct rig *rig,
                        struct job *job,
                        int cell,
                        int64_t term,
                        const char *mode,
                        const char *file)
{
    struct spec_room room;
    char path[128];
    struct tj_warden_spec spec;

    rig_path(rig, file, path, sizeof(path));
    spec = rig_spec(rig, job, &room, ARGV(torture_path(), mode, path));
    spec.cell = cell;
    spec.term = term;
    assert_int_equal(rig_start_spec(rig, job, &spec), 0);
}

static void refused(struct rig *rig, int cell, int64_t term)
{
    struct job job;
    char text[128];

    start_under(rig, &job, cell, term, "stay", "never");
    rig_wait(rig, &job.ended);
    assert_false(job.started);
    assert_int_equal(job.end.cause, TJ_WARDEN_START_FAILED);
    assert_string_equal(job.end.step, "lease");
    tj__warden_end_describe(&job.end, 0, text, sizeof(text));
    assert_string_equal(text, "not started: its lease is not held any more");
}

/* The last check before a start is the warden's own: a daemon that was asleep
 * between its check and its message starts nothing. */
static void test_nothing_starts_without_a_lease(void **state)
{
    struct rig rig;
    struct job job;
    char text[16];

    (void)state;
    rig_open(&rig, 2, TJ_WARDEN_HANG_KEEP, false);
    refused(&rig, 0, 0);
    tj__deadline_extend(tj__warden_cells_get(rig.cells, 0), 4,
                        boottime_ns() - MS, boottime_ns() + 3600000 * MS);
    refused(&rig, 0, 4);
    hold(&rig, 0, 5, 3600000);
    refused(&rig, 0, 4); /* an older term */
    refused(&rig, 1, 0); /* another cell */
    refused(&rig, 7, 0); /* no such cell */
    assert_string_equal(rig_read(&rig, "never", text, sizeof(text)), "");
    start_under(&rig, &job, 0, 5, "family", "pids");
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_EXITED);
    rig_close(&rig);
}

/* At K everything of this lease is dead, and nothing else. */
static void test_deadline_kills_what_is_under_it(void **state)
{
    struct rig rig;
    struct job jobs[5];
    int64_t kill_at_ns;

    (void)state;
    rig_open(&rig, 2, TJ_WARDEN_HANG_KEEP, false);
    hold(&rig, 1, 1, 3600000);
    hold(&rig, 0, 9, 3600000);
    start_under(&rig, &jobs[0], 0, 9, "stay", "pids");
    start_under(&rig, &jobs[1], 0, 9, "daemonise-stays", "pids-escaped");
    start_under(&rig, &jobs[2], 0, 0, "family-stays", "pids-family");
    start_under(&rig, &jobs[3], 1, 1, "stay", "pids-spared");
    start_under(&rig, &jobs[4], TJ_WARDEN_NO_CELL, 0, "stay", "pids-free");
    rig_wait_lines(&rig, "pids", 1);
    rig_wait_lines(&rig, "pids-escaped", 2);
    rig_wait_lines(&rig, "pids-family", 2);
    rig_wait_lines(&rig, "pids-spared", 1);
    rig_wait_lines(&rig, "pids-free", 1);
    hold(&rig, 0, 9, 200);
    kill_at_ns = atomic_load(&tj__warden_cells_get(rig.cells, 0)->kill_at_ns);
    for (size_t i = 0; i < 3; i++) {
        rig_wait(&rig, &jobs[i].ended);
        assert_int_equal(jobs[i].end.cause, TJ_WARDEN_LEASE_OVER);
        assert_int_equal(jobs[i].end.term_signal, SIGKILL);
        assert_true(boottime_ns() >= kill_at_ns);
    }
    print_message("all dead and reported %.1f ms after the deadline\n",
                  (double)(boottime_ns() - kill_at_ns) / 1e6);
    rig_wait_dead(&rig, "pids");
    rig_wait_dead(&rig, "pids-escaped");
    rig_wait_dead(&rig, "pids-family");
    assert_false(jobs[3].ended);
    assert_false(jobs[4].ended);
    assert_true(process_is_alive(jobs[3].pid));
    assert_true(process_is_alive(jobs[4].pid));
    rig_close(&rig);
}

/* The keeper moves the deadline without a word; the warden must look again
 * before it kills. */
static void test_extended_deadline_spares_the_run(void **state)
{
    struct rig rig;
    struct job job;
    tj_deadline_cell *cell;
    int64_t until_ns;

    (void)state;
    rig_open(&rig, 1, TJ_WARDEN_HANG_KEEP, false);
    hold(&rig, 0, 2, 300);
    cell = tj__warden_cells_get(rig.cells, 0);
    start_under(&rig, &job, 0, 2, "stay", "pids");
    until_ns = boottime_ns() + 1200 * MS;
    while (boottime_ns() < until_ns) {
        int64_t kill_at_ns = boottime_ns() + 300 * MS;

        tj__deadline_extend(cell, 2, kill_at_ns, kill_at_ns + 3600000 * MS);
        rig_turn(&rig);
        assert_false(job.ended);
    }
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_LEASE_OVER);
    rig_close(&rig);
}

/* A lease that was given up, or taken anew under another term, leaves no run
 * of the old term behind, even if the daemon forgot it. */
static void test_runs_of_a_past_term_are_killed(void **state)
{
    struct rig rig;
    struct job old;
    struct job fresh;

    (void)state;
    rig_open(&rig, 1, TJ_WARDEN_HANG_KEEP, false);
    hold(&rig, 0, 3, 3600000);
    start_under(&rig, &old, 0, 3, "stay", "pids");
    rig_wait(&rig, &old.started);
    hold(&rig, 0, 4, 3600000);
    rig_wait(&rig, &old.ended);
    assert_int_equal(old.end.cause, TJ_WARDEN_LEASE_OVER);
    start_under(&rig, &fresh, 0, 4, "stay", "pids");
    rig_wait(&rig, &fresh.started);
    tj__deadline_clear(tj__warden_cells_get(rig.cells, 0));
    tj__warden_cells_wake(rig.cells);
    rig_wait(&rig, &fresh.ended);
    assert_int_equal(fresh.end.cause, TJ_WARDEN_LEASE_OVER);
    rig_close(&rig);
}

/* A process that shed everything by which it could be known counts as the
 * lease's own when that ends: it might be. */
static void test_deadline_kills_strays_in_doubt(void **state)
{
    struct rig rig;
    struct job job;

    (void)state;
    rig_open(&rig, 1, TJ_WARDEN_HANG_KEEP, false);
    hold(&rig, 0, 1, 3600000);
    start_under(&rig, &job, 0, 1, "shed-stays", "pids");
    rig_wait_lines(&rig, "pids", 2);
    hold(&rig, 0, 1, 50);
    rig_wait(&rig, &job.ended);
    rig_wait_dead(&rig, "pids");
    rig_close(&rig);
}

/* Many runs are no excuse: they die together. */
static void test_deadline_of_many_runs_is_kept(void **state)
{
    static struct job jobs[500];
    struct rig rig;
    int64_t kill_at_ns;

    (void)state;
    rig_open(&rig, 1, TJ_WARDEN_HANG_KEEP, false);
    hold(&rig, 0, 1, 3600000);
    for (size_t i = 0; i < 500; i++)
        start_under(&rig, &jobs[i], 0, 1, "stay", "pids");
    rig_wait_lines(&rig, "pids", 500);
    hold(&rig, 0, 1, 20);
    kill_at_ns = atomic_load(&tj__warden_cells_get(rig.cells, 0)->kill_at_ns);
    for (size_t i = 0; i < 500; i++) {
        rig_wait(&rig, &jobs[i].ended);
        assert_int_equal(jobs[i].end.cause, TJ_WARDEN_LEASE_OVER);
    }
    print_message("500 runs dead and reported %.1f ms after the deadline\n",
                  (double)(boottime_ns() - kill_at_ns) / 1e6);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_starts_without_a_lease),
        cmocka_unit_test(test_deadline_kills_what_is_under_it),
        cmocka_unit_test(test_extended_deadline_spares_the_run),
        cmocka_unit_test(test_runs_of_a_past_term_are_killed),
        cmocka_unit_test(test_deadline_kills_strays_in_doubt),
        cmocka_unit_test(test_deadline_of_many_runs_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
