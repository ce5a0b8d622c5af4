/* The warden without root's rights: what it may not do it says, and limits
 * that do not bind root bind it. As root these tests become nobody first. */
#include "rig.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY       65534
#define EXIT_SKIPPED 77

/* A process limit that is reached is told as what it is, and costs nothing but
 * that one run. */
static void test_fork_failure_is_reported(void **state)
{
    struct rig rig;
    struct job job;
    struct rlimit none = { 0, 0 };
    struct rlimit before;
    char text[128];
    pid_t warden;

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_wait(&rig, &rig.ready);
    warden = tj__warden_pid(rig.warden);
    assert_int_equal(prlimit(warden, RLIMIT_NPROC, NULL, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(prlimit(warden, RLIMIT_NPROC, &none, NULL), 0);
    rig_start(&rig, &job, ARGV("/bin/true"));
    rig_wait(&rig, &job.ended);
    assert_false(job.started);
    assert_int_equal(job.end.cause, TJ_WARDEN_START_FAILED);
    assert_string_equal(job.end.step, "fork");
    assert_int_equal(job.end.step_errno, EAGAIN);
    tj__warden_end_describe(&job.end, 0, text, sizeof(text));
    assert_string_equal(text,
                        "failed at fork: Resource temporarily unavailable");
    assert_int_equal(prlimit(warden, RLIMIT_NPROC, &before, NULL), 0);
    rig_start(&rig, &job, ARGV("/bin/true"));
    rig_wait(&rig, &job.ended);
    assert_int_equal(job.end.exit_status, 0);
    rig_close(&rig);
}

/* A warden that may not lock itself works, and says that it is weaker. */
static void test_refused_protection_is_told(void **state)
{
    struct rig rig;
    struct rlimit before;
    struct rlimit none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
    rig_wait(&rig, &rig.ready);
    assert_int_equal(rig.info.pid, tj__warden_pid(rig.warden));
    assert_int_equal(rig.info.oom_errno, EPERM);
    if (!getenv("WARDEN_IS_SANITIZED")) /* which cannot be locked at all */
        assert_true(rig.info.lock_errno == EPERM ||
                    rig.info.lock_errno == ENOMEM);
    rig_close(&rig);
}

/* A command of the same user must not be able to look into the warden. */
static void test_warden_cannot_be_traced(void **state)
{
    struct rig rig;
    struct job job;
    char text[128];

    (void)state;
    rig_open(&rig, 0, TJ_WARDEN_HANG_KEEP, false);
    rig_start_shell(&rig, &job, "cat /proc/$PPID/environ >$DIR/stolen");
    rig_wait(&rig, &job.ended);
    assert_true(job.end.exit_status > 0);
    assert_string_equal(rig_read(&rig, "stolen", text, sizeof(text)), "");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_failure_is_reported),
        cmocka_unit_test(test_refused_protection_is_told),
        cmocka_unit_test(test_warden_cannot_be_traced),
    };

    if (getuid() == 0 &&
        (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
         setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return EXIT_SKIPPED;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (access(getenv("TIMED_JOBS_WARDEN"), X_OK) != 0)
        return EXIT_SKIPPED; /* the tree is not for others to read */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
