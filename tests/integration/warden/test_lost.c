/* The warden is killed: nothing that it had started may live on, and everybody
 * is told. */
#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void lose(struct rig *rig, struct job *jobs, size_t n)
{
    kill(tj__warden_pid(rig->warden), SIGKILL);
    rig_wait(rig, &rig->lost);
    assert_non_null(strstr(rig->why.message, "killed by signal 9 (SIGKILL)"));
    assert_false(tj__warden_is_up(rig->warden));
    for (size_t i = 0; i < n; i++) {
        assert_true(jobs[i].ended);
        assert_int_equal(jobs[i].end.cause, TJ_WARDEN_LOST);
    }
}

/* The kernel ends the direct children, the client what these had started. */
static void test_lost_warden_leaves_nothing_known_behind(void **state)
{
    struct rig rig;
    struct job jobs[3];
    char path[128];
    char escaped[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    rig_path(&rig, "escaped", escaped, sizeof(escaped));
    rig_start(&rig, &jobs[0], ARGV(torture_path(), "stay", path));
    rig_start(&rig, &jobs[1], ARGV(torture_path(), "family-stays", path, "3"));
    rig_start(&rig, &jobs[2], ARGV(torture_path(), "daemonise-stays", escaped));
    rig_wait_lines(&rig, "pids", 5);
    rig_wait_lines(&rig, "escaped", 2);
    lose(&rig, jobs, 3);
    rig_wait_dead(&rig, "pids");
    rig_wait_dead(&rig, "escaped");
    rig_close(&rig);
}

/* A daemon is the subreaper of all: even what shed every sign is found. */
static void test_adopting_process_sweeps_strays_too(void **state)
{
    struct rig rig;
    struct job jobs[2];
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, true);
    rig_path(&rig, "pids", path, sizeof(path));
    rig_start(&rig, &jobs[0], ARGV(torture_path(), "shed-stays", path));
    rig_wait_lines(&rig, "pids", 2);
    rig_start(&rig, &jobs[1], ARGV(torture_path(), "family-stays", path, "2"));
    rig_wait_lines(&rig, "pids", 5);
    lose(&rig, jobs, 2);
    rig_wait_dead(&rig, "pids");
    rig_close(&rig); /* reaped, too: no child is left */
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

/* The daemon goes on with another one. */
static void test_successor_takes_over(void **state)
{
    struct rig rig;
    struct job job;
    tj_warden *first;

    (void)state;
    rig_open(&rig, 1, TJ_WARDEN_HANG_KEEP, false);
    tj__deadline_extend(tj__warden_cells_get(rig.cells, 0), 1, INT64_MAX,
                        INT64_MAX);
    lose(&rig, NULL, 0);
    first = rig.warden;
    rig_new_warden(&rig, TJ_WARDEN_HANG_KEEP, false);
    tj__warden_close(first, NULL, NULL);
    {
        struct spec_room room;
        tj_warden_spec spec =
            rig_spec(&rig, &job, &room, ARGV("/bin/sh", "-c", "exit 6"));

        spec.cell = 0;
        spec.term = 1;
        assert_int_equal(rig_start_spec(&rig, &job, &spec), 0);
    }
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.exit_status, 6);
    rig_close(&rig);
}

/* Whoever asks a lost warden gets an answer, not a hang. */
static void test_lost_warden_refuses_runs(void **state)
{
    struct rig rig;
    struct job job;
    struct spec_room room;
    tj_warden_spec spec;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    lose(&rig, NULL, 0);
    spec = rig_spec(&rig, &job, &room, ARGV("/bin/true"));
    assert_int_equal(rig_start_spec(&rig, &job, &spec), TJ_ECLOSED);
    rig_close(&rig);
}

/* A run whose start was on its way is told, too. */
static void test_loss_before_the_warden_was_up_is_told(void **state)
{
    struct rig rig;
    struct job jobs[1];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_start(&rig, &jobs[0], ARGV("/bin/sleep", "1000"));
    lose(&rig, jobs, 1);
    rig_close(&rig);
}

/* A warden that was stopped keeps no deadline and hears no order: the next
 * thing that is asked of it finds it out, and its death ends what it had. */
static void test_stopped_warden_is_found_out(void **state)
{
    struct rig rig;
    struct job job;
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    rig_start(&rig, &job, ARGV(torture_path(), "family-stays", path, "2"));
    rig_wait_lines(&rig, "pids", 3);
    kill(tj__warden_pid(rig.warden), SIGSTOP);
    tj__warden_stop_run(job.run, 10000);
    rig_wait(&rig, &rig.lost);
    assert_non_null(strstr(rig.why.message, "did not answer and was killed"));
    assert_true(job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_LOST);
    rig_wait_dead(&rig, "pids");
    rig_close(&rig);
}

/* Its runs may be all that there is to do for days, and their ends and limits
 * are in its hands: it is found out though nothing is asked of it. */
static void test_stopped_warden_with_runs_is_found_out_unasked(void **state)
{
    struct rig rig;
    struct job job;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_start(&rig, &job, ARGV("/bin/sleep", "1000"));
    rig_wait(&rig, &job.started);
    kill(tj__warden_pid(rig.warden), SIGSTOP);
    rig_wait(&rig, &rig.lost);
    assert_non_null(strstr(rig.why.message, "did not answer and was killed"));
    assert_true(job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_LOST);
    rig_close(&rig);
}

/* Silence of a warden that has nothing to do is no sign of anything. */
static void test_idle_warden_is_left_alone(void **state)
{
    struct rig rig;
    struct job job;
    int64_t until_ns;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_start(&rig, &job, ARGV("/bin/true"));
    rig_wait(&rig, &job.ended);
    kill(tj__warden_pid(rig.warden), SIGSTOP);
    until_ns = boottime_ns() + INT64_C(1600000000);
    while (boottime_ns() < until_ns)
        rig_turn(&rig);
    assert_false(rig.lost);
    kill(tj__warden_pid(rig.warden), SIGCONT);
    rig_start(&rig, &job, ARGV("/bin/true"));
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_EXITED);
    rig_close(&rig);
}

/* A wrong executable must not look like a warden. */
static void test_another_program_is_a_lost_warden(void **state)
{
    struct rig rig;
    tj_warden_options options = { 0 };
    tj_warden *other = NULL;
    tj_error error = TJ_ERROR_INIT;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    options.uv = &rig.loop;
    options.path = "/nowhere/timed-jobs-warden";
    assert_int_equal(tj__warden_new(&options, &other, &error), TJ_ENOENT);
    assert_non_null(strstr(error.message, "/nowhere/timed-jobs-warden"));
    options.path = "/bin/true";
    assert_int_equal(tj__warden_new(&options, &other, &error), 0);
    tj__warden_close(other, NULL, NULL);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_warden_leaves_nothing_known_behind),
        cmocka_unit_test(test_adopting_process_sweeps_strays_too),
        cmocka_unit_test(test_successor_takes_over),
        cmocka_unit_test(test_lost_warden_refuses_runs),
        cmocka_unit_test(test_loss_before_the_warden_was_up_is_told),
        cmocka_unit_test(test_stopped_warden_is_found_out),
        cmocka_unit_test(test_stopped_warden_with_runs_is_found_out_unasked),
        cmocka_unit_test(test_idle_warden_is_left_alone),
        cmocka_unit_test(test_another_program_is_a_lost_warden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
