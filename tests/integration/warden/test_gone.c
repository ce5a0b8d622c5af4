/* The daemon is killed, or hangs: its commands die in time, and its leases are
 * handed on once they are dead. A process of its own plays the daemon. */
#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS INT64_C(1000000)

/* How late a deadline may be kept on a machine that does other things. */
#define LATE_MS 500

struct stage {
    struct rig rig; /* for its directory and its patience; no warden */
    pid_t daemon;
    pid_t warden;
    int64_t kill_at_ns;
    int64_t dead_at_ns;
};

static void patience(int64_t *until_ns)
{
    if (*until_ns == 0)
        *until_ns = boottime_ns() + PATIENCE_MS * MS;
    if (boottime_ns() > *until_ns) {
        fprintf(stderr, "the test waits in vain\n");
        abort();
    }
    usleep(500);
}

static void stage_open(struct stage *stage,
                       const char *kill_ms,
                       const char *dead_ms,
                       const char *on_hang,
                       const char *life)
{
    char text[256];
    char *arguments[7] = { 0 };
    long long times[2];
    int64_t until_ns = 0;

    memset(stage, 0, sizeof(*stage));
    snprintf(stage->rig.dir, sizeof(stage->rig.dir), "/tmp/tj-gone-XXXXXX");
    assert_non_null(mkdtemp(stage->rig.dir));
    arguments[0] = getenv("DAEMON_DOUBLE");
    arguments[1] = stage->rig.dir;
    arguments[2] = strdup(kill_ms);
    arguments[3] = strdup(dead_ms);
    arguments[4] = strdup(on_hang);
    arguments[5] = strdup(life);
    assert_int_equal(posix_spawn(&stage->daemon, arguments[0], NULL, NULL,
                                 arguments, environ),
                     0);
    for (size_t i = 2; i < 6; i++)
        free(arguments[i]);
    while (rig_read(&stage->rig, "ready", text, sizeof(text))[0] == '\0')
        patience(&until_ns);
    assert_int_equal(
        sscanf(text, "%*d %d %lld %lld", &stage->warden, &times[0], &times[1]),
        3);
    stage->kill_at_ns = times[0];
    stage->dead_at_ns = times[1];
}

static size_t n_alive(struct stage *stage)
{
    pid_t pids[32];
    size_t n = rig_pids(&stage->rig, "pids", pids, 32);
    size_t alive = 0;

    assert_int_equal(n, 9);
    for (size_t i = 0; i < n; i++)
        alive += process_is_alive(pids[i]);
    return alive;
}

/* Returns when the last of them was seen dead. */
static int64_t wait_commands_dead(struct stage *stage)
{
    int64_t until_ns = 0;

    while (n_alive(stage) > 0)
        patience(&until_ns);
    return boottime_ns();
}

static void wait_warden_gone(struct stage *stage)
{
    int64_t until_ns = 0;

    while (process_is_alive(stage->warden))
        patience(&until_ns);
}

static void stage_close(struct stage *stage)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", stage->rig.dir);
    assert_int_equal(system(command), 0);
}

static void released_in_order(struct stage *stage)
{
    char text[256];

    wait_warden_gone(stage);
    assert_string_equal(rig_read(&stage->rig, "released", text, sizeof(text)),
                        "0 alive: --lease the lease --term 7\n");
}

/* kill -9 reaches only the daemon; the warden does the rest, then hands the
 * lease on. Escapees of every kind are among the commands. */
static void test_killed_daemon_leaves_nothing_and_releases(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct stage stage;
        int64_t killed_at_ns;
        int status;

        stage_open(&stage, "60000", "60000", "kill", "live");
        assert_int_equal(n_alive(&stage), 9);
        killed_at_ns = boottime_ns();
        kill(stage.daemon, SIGKILL);
        print_message("dead %.1f ms after kill -9, ",
                      (double)(wait_commands_dead(&stage) - killed_at_ns) /
                          1e6);
        assert_int_equal(waitpid(stage.daemon, &status, 0), stage.daemon);
        released_in_order(&stage);
        print_message("released after %.1f ms\n",
                      (double)(boottime_ns() - killed_at_ns) / 1e6);
        assert_true(boottime_ns() - killed_at_ns < 1000 * MS);
        stage_close(&stage);
    }
}

/* Nothing that is sent to a whole session or group ends the warden first. */
static void test_warden_ignores_signals(void **state)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 };
    struct stage stage;
    int status;

    (void)state;
    stage_open(&stage, "60000", "60000", "kill", "live");
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        kill(stage.warden, signals[i]);
    assert_int_equal(getsid(stage.warden), stage.warden);
    assert_int_equal(n_alive(&stage), 9);
    kill(stage.daemon, SIGTERM); /* has no handler: dies */
    assert_int_equal(waitpid(stage.daemon, &status, 0), stage.daemon);
    wait_commands_dead(&stage);
    released_in_order(&stage);
    stage_close(&stage);
}

static void killed_at_deadline(struct stage *stage)
{
    int64_t late_ns = wait_commands_dead(stage) - stage->kill_at_ns;

    print_message("commands of the stopped daemon dead %.1f ms after K\n",
                  (double)late_ns / 1e6);
    assert_true(late_ns >= 0);
    assert_true(late_ns < LATE_MS * MS);
}

/* A daemon that is stopped cannot kill its commands at K, nor give up its
 * lease, nor its lock on the database: the warden ends all three. */
static void test_stopped_daemon_is_killed_at_its_deadline(void **state)
{
    struct stage stage;
    int64_t late_ns;
    int status;

    (void)state;
    stage_open(&stage, "500", "900", "kill", "stop");
    killed_at_deadline(&stage);
    assert_true(process_is_alive(stage.daemon));
    assert_int_equal(waitpid(stage.daemon, &status, 0), stage.daemon);
    late_ns = boottime_ns() - stage.dead_at_ns;
    print_message("the daemon itself %.1f ms after D\n", (double)late_ns / 1e6);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_true(late_ns >= 0);
    assert_true(late_ns < LATE_MS * MS);
    released_in_order(&stage);
    stage_close(&stage);
}

/* The same with `keep`: the commands die, the daemon lives. */
static void test_stopped_daemon_is_kept_when_asked(void **state)
{
    struct stage stage;
    char text[16];
    int status;

    (void)state;
    stage_open(&stage, "300", "400", "keep", "stop");
    killed_at_deadline(&stage);
    while (boottime_ns() < stage.dead_at_ns + 300 * MS)
        usleep(1000);
    assert_int_equal(waitpid(stage.daemon, &status, WNOHANG), 0);
    assert_true(process_is_alive(stage.daemon));
    assert_string_equal(rig_read(&stage.rig, "released", text, sizeof(text)),
                        "");
    kill(stage.daemon, SIGKILL);
    assert_int_equal(waitpid(stage.daemon, &status, 0), stage.daemon);
    released_in_order(&stage);
    stage_close(&stage);
}

/* With daemon and warden both killed the kernel still ends the direct
 * children; what that cannot reach is the reason why the lease is not handed
 * on in this case. */
static void test_both_killed_releases_nothing(void **state)
{
    struct stage stage;
    char text[16];
    pid_t pids[32];
    int64_t until_ns = 0;
    int status;

    (void)state;
    stage_open(&stage, "60000", "60000", "kill", "live");
    kill(stage.daemon, SIGSTOP);
    kill(stage.warden, SIGKILL);
    wait_warden_gone(&stage);
    kill(stage.daemon, SIGKILL);
    assert_int_equal(waitpid(stage.daemon, &status, 0), stage.daemon);
    assert_int_equal(rig_pids(&stage.rig, "pids", pids, 32), 9);
    while (n_alive(&stage) > 5) /* four were direct */
        patience(&until_ns);
    assert_string_equal(rig_read(&stage.rig, "released", text, sizeof(text)),
                        "");
    for (size_t i = 0; i < 9; i++)
        kill(pids[i], SIGKILL);
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_daemon_leaves_nothing_and_releases),
        cmocka_unit_test(test_warden_ignores_signals),
        cmocka_unit_test(test_stopped_daemon_is_killed_at_its_deadline),
        cmocka_unit_test(test_stopped_daemon_is_kept_when_asked),
        cmocka_unit_test(test_both_killed_releases_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
