/* Real commands under a real warden: how they start, how they end, and what
 * is left of them. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A timeout that a command's first steps fit into, also under a sanitizer on
 * a busy machine. */
#define STARTED_BY_MS 1500

static void run_to_end(struct rig *rig, struct job *job, const char *text)
{
    rig_start_shell(rig, job, text);
    rig_wait(rig, &job->ended);
}

/* The exit status is what the whole outcome of a run rests on. */
static void test_exit_status_is_reported(void **state)
{
    struct rig rig;
    struct job job;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    run_to_end(&rig, &job, "exit 0");
    assert_true(job.started);
    assert_int_equal(job.end.cause, TJ_WARDEN_EXITED);
    assert_int_equal(job.end.exit_status, 0);
    assert_int_equal(job.end.pid, job.pid);
    run_to_end(&rig, &job, "exit 3");
    assert_int_equal(job.end.exit_status, 3);
    assert_int_equal(job.end.term_signal, 0);
    assert_int_equal(job.end.n_leftovers, 0);
    rig_close(&rig);
}

/* A command that crashed must not look like one that said no. */
static void test_death_by_signal_is_reported(void **state)
{
    static const int signals[] = { SIGKILL, SIGSEGV, SIGTERM, SIGUSR1 };
    struct rig rig;
    struct job job;
    char text[32];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        snprintf(text, sizeof(text), "ulimit -c 0; kill -%d $$", signals[i]);
        run_to_end(&rig, &job, text);
        assert_int_equal(job.end.cause, TJ_WARDEN_EXITED);
        assert_int_equal(job.end.exit_status, -1);
        assert_int_equal(job.end.term_signal, signals[i]);
    }
    rig_close(&rig);
}

static void start_fails(struct rig *rig,
                        const char *const *argv,
                        const char *directory,
                        const char *step,
                        int error)
{
    struct spec_room room;
    struct job job;
    tj_warden_spec spec = rig_spec(rig, &job, &room, argv);

    spec.directory = directory;
    assert_int_equal(rig_start_spec(rig, &job, &spec), 0);
    rig_wait(rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_START_FAILED);
    assert_string_equal(job.end.step, step);
    assert_int_equal(job.end.step_errno, error);
}

static void write_file(const struct rig *rig,
                       const char *name,
                       const char *text,
                       mode_t mode)
{
    char path[128];
    int fd;

    rig_path(rig, name, path, sizeof(path));
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* "No such file or directory" alone sends people looking in the wrong place:
 * the step says whether it was the directory, the binary or its interpreter. */
static void test_start_failure_names_its_step(void **state)
{
    struct rig rig;
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    start_fails(&rig, ARGV("/nowhere/at-all"), NULL, "exec", ENOENT);
    start_fails(&rig, ARGV("no-such-command-anywhere"), NULL, "exec", ENOENT);
    start_fails(&rig, ARGV("/tmp"), NULL, "exec", EACCES);
    start_fails(&rig, ARGV("/etc/passwd"), NULL, "exec", EACCES);
    start_fails(&rig, ARGV("/bin/true"), "/nowhere", "chdir", ENOENT);
    start_fails(&rig, ARGV("/bin/true"), "/etc/passwd", "chdir", ENOTDIR);
    write_file(&rig, "bad-interpreter", "#!/no/such/shell\n", 0700);
    rig_path(&rig, "bad-interpreter", path, sizeof(path));
    start_fails(&rig, ARGV(path), NULL, "exec of its interpreter", ENOENT);
    write_file(&rig, "no-format", "echo never\n", 0700);
    rig_path(&rig, "no-format", path, sizeof(path));
    start_fails(&rig, ARGV(path), NULL, "exec", ENOEXEC);
    rig_close(&rig);
}

/* A name without a slash is found in the PATH of the run, not of the daemon. */
static void test_path_of_the_run_is_searched(void **state)
{
    struct rig rig;
    struct job job;
    struct spec_room room;
    tj_warden_spec spec;
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    write_file(&rig, "only-here", "#!/bin/sh\nexit 42\n", 0700);
    spec = rig_spec(&rig, &job, &room, ARGV("only-here"));
    snprintf(path, sizeof(path), "PATH=/nowhere::%s", rig.dir);
    room.env[0] = path;
    assert_int_equal(rig_start_spec(&rig, &job, &spec), 0);
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.exit_status, 42);
    rig_close(&rig);
}

/* A timeout is first a request. */
static void test_timeout_sends_term_first(void **state)
{
    struct rig rig;
    struct job job;
    struct spec_room room;
    tj_warden_spec spec;
    char text[16];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    spec = rig_spec(&rig, &job, &room,
                    ARGV("/bin/sh", "-c",
                         "trap 'echo bye >$DIR/bye; exit 7' TERM; "
                         "echo $$ >$DIR/up; while :; do sleep 0.01; done"));
    spec.timeout_ms = STARTED_BY_MS;
    spec.grace_ms = 10000;
    assert_int_equal(rig_start_spec(&rig, &job, &spec), 0);
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_TIMED_OUT);
    assert_int_equal(job.end.exit_status, 7);
    assert_true(job.end.duration_ms >= STARTED_BY_MS);
    assert_string_equal(rig_read(&rig, "bye", text, sizeof(text)), "bye\n");
    rig_close(&rig);
}

/* A command that ignores the request is killed with its whole family. */
static void test_timeout_kills_what_ignores_term(void **state)
{
    struct rig rig;
    struct job job;
    struct spec_room room;
    tj_warden_spec spec;
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    spec = rig_spec(&rig, &job, &room,
                    ARGV(torture_path(), "family-stays", path, "5"));
    spec.timeout_ms = STARTED_BY_MS;
    spec.grace_ms = 100;
    assert_int_equal(rig_start_spec(&rig, &job, &spec), 0);
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_TIMED_OUT);
    assert_int_equal(job.end.term_signal, SIGKILL);
    assert_int_equal(job.end.n_survivors, 0);
    rig_wait_dead(&rig, "pids");
    rig_close(&rig);
}

/* A stopped process cannot hear TERM, and must not hold up anything. */
static void test_stopped_command_times_out(void **state)
{
    struct rig rig;
    struct job job;
    struct spec_room room;
    tj_warden_spec spec;
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    spec = rig_spec(&rig, &job, &room, ARGV(torture_path(), "stop-self", path));
    spec.timeout_ms = STARTED_BY_MS;
    spec.grace_ms = 10000;
    assert_int_equal(rig_start_spec(&rig, &job, &spec), 0);
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_TIMED_OUT);
    assert_int_equal(job.end.term_signal, SIGTERM);
    rig_close(&rig);
}

static void torture_leaves(const char *mode, const char *n, uint32_t leftovers)
{
    struct rig rig;
    struct job job;
    char path[128];

    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    rig_start(&rig, &job, ARGV(torture_path(), mode, path, n));
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_EXITED);
    assert_int_equal(job.end.exit_status, 0);
    assert_int_equal(job.end.n_leftovers, leftovers);
    rig_wait_dead(&rig, "pids");
    rig_close(&rig);
}

/* "End of run" means that nothing of it lives on, however it was born. */
static void test_children_left_behind_are_swept_and_counted(void **state)
{
    (void)state;
    torture_leaves("family", "3", 3);
}

static void test_double_forked_daemon_is_swept_and_counted(void **state)
{
    (void)state;
    torture_leaves("daemonise", "1", 1);
}

/* Own session and an empty environment: known by its birth alone. */
static void test_stray_without_session_and_environment_is_swept(void **state)
{
    (void)state;
    torture_leaves("shed", "1", 0);
}

/* The escapee of one run is not mistaken for another's, whose end it would
 * otherwise share. */
static void test_escapee_dies_with_its_own_run_only(void **state)
{
    struct rig rig;
    struct job first;
    struct job second;
    char path[128];
    pid_t pid;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    rig_start(&rig, &first, ARGV(torture_path(), "daemonise-stays", path));
    rig_wait_lines(&rig, "pids", 2);
    assert_int_equal(rig_pids(&rig, "pids", &pid, 1), 1);
    run_to_end(&rig, &second, "exit 0");
    assert_int_equal(second.end.n_leftovers, 0);
    assert_true(process_is_alive(pid));
    assert_false(first.ended);
    tj__warden_stop_run(first.run, 0);
    rig_wait(&rig, &first.ended);
    assert_int_equal(first.end.cause, TJ_WARDEN_STOPPED);
    rig_wait_dead(&rig, "pids");
    rig_close(&rig);
}

/* A stray may be anybody's while an older run lives; it is spared then. */
static void test_stray_lives_while_its_owner_may(void **state)
{
    struct rig rig;
    struct job owner;
    struct job other;
    char path[128];
    pid_t pid;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    rig_start(&rig, &owner, ARGV(torture_path(), "shed-stays", path));
    rig_wait_lines(&rig, "pids", 2);
    assert_int_equal(rig_pids(&rig, "pids", &pid, 1), 1);
    run_to_end(&rig, &other, "exit 0");
    assert_true(process_is_alive(pid));
    tj__warden_stop_run(owner.run, 0);
    rig_wait(&rig, &owner.ended);
    rig_wait_dead(&rig, "pids");
    rig_close(&rig);
}

/* Whoever forks faster than anybody looks is stopped first. */
static void test_fork_storm_is_ended(void **state)
{
    struct rig rig;
    struct job job;
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "pids", path, sizeof(path));
    rig_start(&rig, &job, ARGV(torture_path(), "storm", path));
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.n_survivors, 0);
    rig_close(&rig); /* the warden ends only when it has no child */
}

/* What a command inherits is exactly what it is promised. */
static void test_command_gets_a_clean_process(void **state)
{
    struct rig rig;
    struct job job;
    struct spec_room room;
    tj_warden_spec spec;
    char text[4096];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    spec = rig_spec(&rig, &job, &room,
                    ARGV("/bin/sh", "-c",
                         "exec >$DIR/seen; ls /proc/self/fd; umask; pwd; "
                         "grep -E 'SigBlk|SigIgn|NoNewPrivs' /proc/self/status;"
                         "cut -d' ' -f 6 /proc/$$/stat; echo $$; env"));
    spec.umask = 027;
    spec.directory = "/usr";
    spec.result_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(rig_start_spec(&rig, &job, &spec), 0);
    rig_wait(&rig, &job.ended);
    rig_read(&rig, "seen", text, sizeof(text));
    /* 4 is ls reading its own directory */
    assert_memory_equal(text, "0\n1\n2\n3\n4\n0027\n/usr\n", 20);
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
    assert_non_null(strstr(text, "SigIgn:\t0000000000000000\n"));
    assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
    {
        char session[64];

        snprintf(session, sizeof(session), "\n%d\n%d\n", (int)job.pid,
                 (int)job.pid);
        assert_non_null(strstr(text, session)); /* leads its own session */
    }
    assert_non_null(strstr(text, job.run_id));
    assert_null(strstr(text, "HOME="));
    rig_close(&rig);
}

/* Without a result descriptor nothing else sits in its place. */
static void test_no_result_descriptor_is_closed(void **state)
{
    struct rig rig;
    struct job job;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    run_to_end(&rig, &job, "test ! -e /proc/self/fd/3");
    assert_int_equal(job.end.exit_status, 0);
    rig_close(&rig);
}

static void test_stop_with_grace_lets_it_say_goodbye(void **state)
{
    struct rig rig;
    struct job job;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_start_shell(&rig, &job,
                    "trap 'exit 9' TERM; echo $$ >$DIR/up; "
                    "while :; do sleep 0.01; done");
    rig_wait_lines(&rig, "up", 1);
    tj__warden_stop_run(job.run, 10000);
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_STOPPED);
    assert_int_equal(job.end.exit_status, 9);
    rig_close(&rig);
}

/* A second, harder stop shortens the first one's grace. */
static void test_second_stop_shortens_the_grace(void **state)
{
    struct rig rig;
    struct job job;
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "up", path, sizeof(path));
    rig_start(&rig, &job, ARGV(torture_path(), "stay", path));
    rig_wait_lines(&rig, "up", 1);
    tj__warden_stop_run(job.run, 3600000);
    rig_turn(&rig);
    tj__warden_stop_run(job.run, 0);
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.cause, TJ_WARDEN_STOPPED);
    assert_int_equal(job.end.term_signal, SIGKILL);
    rig_close(&rig);
}

/* Closing the warden is an order: kill, report, then the callback. */
static void test_close_ends_open_runs(void **state)
{
    struct rig rig;
    struct job jobs[10];
    char path[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_path(&rig, "up", path, sizeof(path));
    for (size_t i = 0; i < 10; i++)
        rig_start(&rig, &jobs[i], ARGV(torture_path(), "stay", path));
    rig_wait_lines(&rig, "up", 10);
    rig_close(&rig);
    for (size_t i = 0; i < 10; i++) {
        assert_true(jobs[i].ended);
        assert_int_equal(jobs[i].end.cause, TJ_WARDEN_STOPPED);
    }
}

/* Nothing is refused before the warden is up, and nothing is left running
 * when it is closed before it was. */
static void test_runs_may_start_before_the_warden_is_up(void **state)
{
    struct rig rig;
    struct job job;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    assert_false(rig.ready);
    run_to_end(&rig, &job, "exit 5");
    assert_true(rig.ready);
    assert_int_equal(job.end.exit_status, 5);
    rig_close(&rig);
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_close(&rig);
}

/* The table is finite, and full is an answer, not a crash. */
static void test_a_full_table_is_refused(void **state)
{
    static struct job jobs[TJ_WARDEN_RUNS_MAX];
    struct rig rig;
    struct job one_more;
    struct spec_room room;
    tj_warden_spec spec;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    for (size_t i = 0; i < TJ_WARDEN_RUNS_MAX; i++)
        rig_start(&rig, &jobs[i], ARGV("/bin/sleep", "1000"));
    spec = rig_spec(&rig, &one_more, &room, ARGV("/bin/true"));
    assert_int_equal(rig_start_spec(&rig, &one_more, &spec), TJ_EBUSY);
    for (size_t i = 0; i < TJ_WARDEN_RUNS_MAX; i++)
        rig_wait(&rig, &jobs[i].started);
    for (size_t i = 0; i < TJ_WARDEN_RUNS_MAX; i++)
        tj__warden_stop_run(jobs[i].run, 0);
    for (size_t i = 0; i < TJ_WARDEN_RUNS_MAX; i++)
        rig_wait(&rig, &jobs[i].ended);
    run_to_end(&rig, &one_more, "exit 0");
    assert_int_equal(one_more.end.exit_status, 0);
    rig_close(&rig);
}

static void test_what_cannot_be_sent_is_refused(void **state)
{
    struct rig rig;
    struct job job;
    struct spec_room room;
    tj_warden_spec spec;
    char *big = malloc(TJ_WARDEN_SPEC_MAX + 2);

    (void)state;
    assert_non_null(big);
    memset(big, 'x', TJ_WARDEN_SPEC_MAX + 1);
    big[TJ_WARDEN_SPEC_MAX + 1] = '\0';
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    spec = rig_spec(&rig, &job, &room, ARGV("/bin/true", big));
    assert_int_equal(rig_start_spec(&rig, &job, &spec), TJ_ETOOBIG);
    spec = rig_spec(&rig, &job, &room, ARGV(NULL));
    assert_int_equal(rig_start_spec(&rig, &job, &spec), TJ_EINVAL);
    /* the biggest one that fits gets through */
    big[TJ_WARDEN_SPEC_MAX - 400] = '\0';
    spec = rig_spec(&rig, &job, &room, ARGV("/bin/true", big));
    assert_int_equal(rig_start_spec(&rig, &job, &spec), 0);
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.exit_status, 0);
    free(big);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status_is_reported),
        cmocka_unit_test(test_death_by_signal_is_reported),
        cmocka_unit_test(test_start_failure_names_its_step),
        cmocka_unit_test(test_path_of_the_run_is_searched),
        cmocka_unit_test(test_timeout_sends_term_first),
        cmocka_unit_test(test_timeout_kills_what_ignores_term),
        cmocka_unit_test(test_stopped_command_times_out),
        cmocka_unit_test(test_children_left_behind_are_swept_and_counted),
        cmocka_unit_test(test_double_forked_daemon_is_swept_and_counted),
        cmocka_unit_test(test_stray_without_session_and_environment_is_swept),
        cmocka_unit_test(test_escapee_dies_with_its_own_run_only),
        cmocka_unit_test(test_stray_lives_while_its_owner_may),
        cmocka_unit_test(test_fork_storm_is_ended),
        cmocka_unit_test(test_command_gets_a_clean_process),
        cmocka_unit_test(test_no_result_descriptor_is_closed),
        cmocka_unit_test(test_stop_with_grace_lets_it_say_goodbye),
        cmocka_unit_test(test_second_stop_shortens_the_grace),
        cmocka_unit_test(test_close_ends_open_runs),
        cmocka_unit_test(test_runs_may_start_before_the_warden_is_up),
        cmocka_unit_test(test_a_full_table_is_refused),
        cmocka_unit_test(test_what_cannot_be_sent_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
