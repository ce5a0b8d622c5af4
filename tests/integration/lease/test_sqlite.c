/* The lease on one SQLite file, with real processes, and everything that can
 * happen to a file. The program runs itself as nodes: see node_main. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include <cmocka.h>

#include "hand_loop.h"

#include <timedjobs/lease_sqlite.h>

#define WAIT_MS 20000

extern char **environ;

/* ---- being a node ---- */

static bool node_over;

static void on_node_stopped(void *userdata)
{
    node_over = true;
}

/* One line for each change: "<state> <term> <order>: <reason>". */
static void
on_node_change(tj_lease *lease, const tj_lease_view *view, void *userdata)
{
    printf("%s %lld %s: %s\n", tj_lease_state_to_string(view->state),
           (long long)view->term, tj_lease_order_to_string(view->order),
           view->reason);
    (void)fflush(stdout);
    if (view->state == TJ_LEASE_DRAINING)
        tj_lease_drained(lease, view->term);
}

/* Wants to stop once its standard input is closed. */
static bool is_input_over(void *userdata)
{
    struct pollfd polled = { .fd = 0, .events = POLLIN };

    return poll(&polled, 1, 0) == 1;
}

static bool is_node_over(void *userdata)
{
    return node_over;
}

/* node PATH LEASE_MS FREES_ON_DEATH */
static int node_main(char **arguments)
{
    hand_loop *loop = hand_loop_new();
    tj_lease_options options;
    tj_lease *lease;

    tj_lease_options_init(&options);
    tj_lease_options_scale(&options, atoll(arguments[1]));
    options.loop = hand_loop_get(loop);
    options.take_backend = true;
    options.frees_on_death = arguments[2][0] == 'y';
    options.on_change = on_node_change;
    if (tj_lease_backend_sqlite_new(arguments[0], &options.backend, NULL) ||
        tj_lease_new(&options, &lease, NULL) || tj_lease_start(lease, NULL))
        return 1;
    while (!hand_loop_until(loop, is_input_over, NULL, 5))
        ;
    if (tj_lease_stop(lease, on_node_stopped, NULL))
        return 1;
    (void)hand_loop_until(loop, is_node_over, NULL, WAIT_MS);
    node_over = false;
    tj_lease_close(lease, on_node_stopped, NULL);
    (void)hand_loop_until(loop, is_node_over, NULL, WAIT_MS);
    hand_loop_free(loop);
    return 0;
}

/* race PATH DIGIT: take and give back as often as possible, and print each
 * term that was won. */
static int race_main(char **arguments)
{
    tj_lease_backend *backend = NULL;
    tj_lease_record claim = { .lease_ms = 6000 };
    int turn;

    memset(claim.holder, arguments[1][0], sizeof(claim.holder) - 1);
    if (tj_lease_backend_sqlite_new(arguments[0], &backend, NULL))
        return 1;
    for (turn = 0; turn < 40; turn++) {
        int64_t deadline_ns = tj_lease_now_ns() + 20000 * INT64_C(1000000);
        tj_lease_outcome outcome = TJ_LEASE_CHANGED;
        tj_lease_record seen;
        tj_error error;

        if (backend->ops->read(backend, "main", deadline_ns, &seen, &error) ||
            backend->ops->acquire(backend, "main", &seen, &claim, deadline_ns,
                                  &outcome, &error)) {
            (void)fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        if (outcome == TJ_LEASE_DONE)
            printf("%lld\n", (long long)seen.term + 1);
    }
    tj_lease_backend_free(backend);
    return 0;
}

/* lock PATH: hold the write lock until standard input is closed. */
static int lock_main(char **arguments)
{
    sqlite3 *db = NULL;
    char byte;

    if (sqlite3_open(arguments[0], &db) || sqlite3_busy_timeout(db, 10000) ||
        sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL))
        return 1;
    puts("locked");
    (void)fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    return sqlite3_close(db);
}

/* ---- running nodes ---- */

typedef struct child {
    pid_t pid;
    int input;
    FILE *output;
} child;

static char self[256];
static char directory[32];
static char path[64];

static child spawn(const char *const arguments[])
{
    const char *argv[8] = { self };
    posix_spawn_file_actions_t actions;
    int input[2], output[2];
    child it;
    int at;

    for (at = 0; arguments[at]; at++)
        argv[at + 1] = arguments[at];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    assert_int_equal(posix_spawn(&it.pid, self, &actions, NULL,
                                 (char *const *)(void *)argv, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    it.input = input[1];
    it.output = fdopen(output[0], "r");
    assert_non_null(it.output);
    return it;
}

static child spawn_node(const char *lease_ms, const char *frees_on_death)
{
    const char *const arguments[] = { "node", path, lease_ms, frees_on_death,
                                      NULL };

    return spawn(arguments);
}

/* Read lines until one begins with `words`; returns it. */
static const char *await(child *it, const char *words)
{
    static char line[512];

    while (fgets(line, sizeof(line), it->output)) {
        if (!strncmp(line, words, strlen(words)))
            return line;
    }
    fail_msg("the node ended before it said '%s'", words);
    return NULL;
}

static void finish(child *it)
{
    int status = -1;

    if (it->input >= 0)
        close(it->input);
    while (fgetc(it->output) != EOF)
        ;
    assert_int_equal(fclose(it->output), 0);
    assert_int_equal(waitpid(it->pid, &status, 0), it->pid);
    assert_int_equal(status, 0);
}

static void kill_hard(child *it)
{
    assert_int_equal(kill(it->pid, SIGKILL), 0);
    assert_int_equal(waitpid(it->pid, NULL, 0), it->pid);
    close(it->input);
    assert_int_equal(fclose(it->output), 0);
}

static int directory_make(void **state)
{
    strcpy(directory, "/tmp/tj-lease-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/lease.db", directory);
    return 0;
}

static int directory_remove(void **state)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

static int64_t ms_since(int64_t began_ns)
{
    return (tj_lease_now_ns() - began_ns) / 1000000;
}

/* ---- processes ---- */

/* The row says that the holder's work ends with it: the next one need not wait
 * for the lease of 20 s. */
static void test_killed_holder_is_noticed_at_once(void **state)
{
    child a = spawn_node("20000", "y");
    child b;
    int64_t began_ns;

    await(&a, "leading 1 run");
    b = spawn_node("20000", "y");
    await(&b, "follower 0 rest: started");
    began_ns = tj_lease_now_ns();
    kill_hard(&a);
    assert_non_null(strstr(await(&b, "leading 2 run"), "is gone"));
    print_message("killed holder: next one leads after %lld ms\n",
                  (long long)ms_since(began_ns));
    assert_in_range(ms_since(began_ns), 0, 15000);
    finish(&b);
}

/* Without that, its commands may live on: a whole lease is waited for. */
static void test_killed_holder_with_a_warden_is_waited_for(void **state)
{
    child a = spawn_node("1500", "n");
    child b;
    int64_t began_ns;

    await(&a, "leading 1 run");
    b = spawn_node("1500", "n");
    await(&b, "follower 0 rest: started");
    began_ns = tj_lease_now_ns();
    kill_hard(&a);
    assert_non_null(strstr(await(&b, "leading 2 run"), "has not renewed"));
    /* R before the kill, L after it. */
    assert_true(ms_since(began_ns) >= 1500 - 200);
    finish(&b);
}

/* Stopped for longer than its lease, it wakes up as a follower and says why. */
static void test_stopped_holder_wakes_as_follower(void **state)
{
    child a = spawn_node("1000", "y");
    child b;

    await(&a, "leading 1 run");
    b = spawn_node("1000", "y");
    await(&b, "follower 0 rest: started");
    assert_int_equal(kill(a.pid, SIGSTOP), 0);
    await(&b, "leading 2 run");
    assert_int_equal(kill(a.pid, SIGCONT), 0);
    await(&a, "draining 1");
    assert_non_null(strstr(await(&a, "follower 0 rest"), "no renewal"));
    finish(&b);
    await(&a, "leading 3 run");
    finish(&a);
}

/* A clean stop is told by the file's change, far sooner than R = 2.7 s. */
static void test_clean_stop_is_heard_at_once(void **state)
{
    int round;
    int64_t worst_ms = 0;

    for (round = 0; round < 5; round++) {
        child a = spawn_node("20000", "n");
        child b;
        char words[32];
        int64_t began_ns;

        snprintf(words, sizeof(words), "leading %d run", 2 * round + 1);
        await(&a, words);
        b = spawn_node("20000", "n");
        await(&b, "follower 0 rest: started");
        /* It has to have looked once, and to watch. */
        usleep(300000);
        began_ns = tj_lease_now_ns();
        close(a.input);
        snprintf(words, sizeof(words), "leading %d run", 2 * round + 2);
        await(&b, words);
        if (ms_since(began_ns) > worst_ms)
            worst_ms = ms_since(began_ns);
        a.input = -1;
        finish(&a);
        finish(&b);
    }
    print_message("clean stop: next one leads after at most %lld ms\n",
                  (long long)worst_ms);
    assert_in_range(worst_ms, 0, 1500);
}

/* Processes that race win different terms, and none is lost. */
static void test_racing_processes_win_different_terms(void **state)
{
    static bool won[4 * 40 + 1];
    const char *digits[] = { "1", "2", "3", "4" };
    child children[4];
    int at, n_won = 0;
    char line[32];

    for (at = 0; at < 4; at++) {
        const char *const arguments[] = { "race", path, digits[at], NULL };

        children[at] = spawn(arguments);
    }
    for (at = 0; at < 4; at++) {
        while (fgets(line, sizeof(line), children[at].output)) {
            long long term = atoll(line);

            assert_in_range(term, 1, 160);
            assert_false(won[term]);
            won[term] = true;
            n_won++;
        }
        finish(&children[at]);
    }
    for (at = 1; at <= n_won; at++)
        assert_true(won[at]);
    assert_true(n_won >= 40);
}

/* ---- the file; the lease runs in this process ---- */

typedef struct local {
    hand_loop *loop;
    tj_lease *lease;
    tj_lease_view last;
    char reasons[8192]; /* all that were told */
} local;

static void
on_local_change(tj_lease *lease, const tj_lease_view *view, void *userdata)
{
    local *it = userdata;
    size_t used = strlen(it->reasons);

    it->last = *view;
    if (used + TJ_LEASE_REASON_SIZE + 2 < sizeof(it->reasons))
        snprintf(it->reasons + used, sizeof(it->reasons) - used, "%s\n",
                 view->reason);
    if (view->state == TJ_LEASE_DRAINING)
        tj_lease_drained(lease, view->term);
}

static void local_start(local *it, const char *file)
{
    tj_lease_options options;
    tj_error error = TJ_ERROR_INIT;

    memset(it, 0, sizeof(*it));
    it->loop = hand_loop_new();
    tj_lease_options_init(&options);
    tj_lease_options_scale(&options, 600);
    options.loop = hand_loop_get(it->loop);
    options.take_backend = true;
    options.state_dir = directory;
    options.on_change = on_local_change;
    options.userdata = it;
    assert_int_equal(
        tj_lease_backend_sqlite_new(file, &options.backend, &error), 0);
    assert_int_equal(tj_lease_new(&options, &it->lease, &error), 0);
    assert_int_equal(tj_lease_start(it->lease, &error), 0);
}

static void set_true(void *userdata)
{
    *(bool *)userdata = true;
}

static bool is_true(void *userdata)
{
    return *(bool *)userdata;
}

static void local_end(local *it)
{
    bool over = false;

    tj_lease_close(it->lease, set_true, &over);
    assert_true(hand_loop_until(it->loop, is_true, &over, WAIT_MS));
    hand_loop_free(it->loop);
}

static bool is_leading(void *userdata)
{
    return ((local *)userdata)->last.state == TJ_LEASE_LEADING;
}

static bool is_not_leading(void *userdata)
{
    return ((local *)userdata)->last.state != TJ_LEASE_LEADING;
}

static bool is_following(void *userdata)
{
    return ((local *)userdata)->last.state == TJ_LEASE_FOLLOWER;
}

static void said(const local *it, const char *words)
{
    if (!strstr(it->reasons, words))
        print_error("'%s' is not in:\n%s", words, it->reasons);
    assert_non_null(strstr(it->reasons, words));
}

static void leads(local *it, int64_t term)
{
    assert_true(hand_loop_until(it->loop, is_leading, it, WAIT_MS));
    assert_true(it->last.term == term);
}

/* Run a command line that knows the directory as $DIR. */
static void shell(const char *command)
{
    assert_int_equal(setenv("DIR", directory, 1), 0);
    assert_int_equal(system(command), 0);
}

/* The file is gone: nobody may go on with what is on no disk any more; a new
 * file is made, watched for a lease, and its terms go on from the old ones. */
static void test_deleted_file_is_noticed(void **state)
{
    local it;

    local_start(&it, path);
    leads(&it, 1);
    assert_int_equal(unlink(path), 0);
    assert_true(hand_loop_until(it.loop, is_not_leading, &it, WAIT_MS));
    said(&it, "was deleted or replaced");
    leads(&it, 2);
    said(&it, "term_repaired from 1 to 2");
    local_end(&it);
}

/* An old copy in its place: the term goes back, and is repaired. */
static void test_restored_backup_is_noticed(void **state)
{
    local it;

    local_start(&it, path);
    leads(&it, 1);
    local_end(&it);
    shell("cp $DIR/lease.db $DIR/backup");
    local_start(&it, path);
    leads(&it, 2);
    local_end(&it);
    local_start(&it, path);
    leads(&it, 3);
    shell("mv $DIR/backup $DIR/lease.db");
    assert_true(hand_loop_until(it.loop, is_not_leading, &it, WAIT_MS));
    leads(&it, 4);
    said(&it, "term_repaired from 2 to 4");
    local_end(&it);
}

/* Somebody holds the lock: unknown, deadlines pass; who it is stands in the
 * reason; and afterwards all goes on. */
static void test_locked_file_demotes_and_names_the_locker(void **state)
{
    const char *const arguments[] = { "lock", path, NULL };
    char words[64];
    local it;
    child locker;

    local_start(&it, path);
    leads(&it, 1);
    locker = spawn(arguments);
    await(&locker, "locked");
    assert_true(hand_loop_until(it.loop, is_following, &it, WAIT_MS));
    snprintf(words, sizeof(words), "database is locked by process %d",
             (int)locker.pid);
    said(&it, words);
    said(&it, "no renewal confirmed for");
    finish(&locker);
    leads(&it, 2);
    local_end(&it);
}

/* Junk over the file, from outside and in place. */
static void test_corrupt_file_demotes_and_recovers(void **state)
{
    local it;

    local_start(&it, path);
    leads(&it, 1);
    shell("head -c 8192 /dev/urandom |"
          " dd of=$DIR/lease.db conv=notrunc status=none");
    assert_true(hand_loop_until(it.loop, is_following, &it, WAIT_MS));
    said(&it, "sqlite: ");
    unlink(path);
    leads(&it, 2);
    local_end(&it);
}

/* No room on the disk: demoted by deadline; room again: leading again. */
static void test_full_disk_demotes_and_recovers(void **state)
{
    char mount_point[64], file[96];
    local it;

    snprintf(mount_point, sizeof(mount_point), "%s/small", directory);
    snprintf(file, sizeof(file), "%s/lease.db", mount_point);
    assert_int_equal(mkdir(mount_point, 0700), 0);
    if (mount("tmpfs", mount_point, "tmpfs", 0, "size=256k"))
        skip();
    local_start(&it, file);
    leads(&it, 1);
    /* dd ends when the disk is full, and says so. */
    shell("dd if=/dev/zero of=$DIR/small/filler bs=4k 2>/dev/null || true");
    assert_true(hand_loop_until(it.loop, is_following, &it, WAIT_MS));
    said(&it, "full");
    shell("rm $DIR/small/filler");
    leads(&it, 2);
    local_end(&it);
    assert_int_equal(umount2(mount_point, MNT_DETACH), 0);
}

/* ---- rows and files that others made ---- */

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    char *message = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    if (sqlite3_exec(db, text, NULL, NULL, &message))
        fail_msg("%s: %s", text, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int show(tj_lease_record *ret_record, tj_error *reterr)
{
    tj_lease_backend *backend = NULL;
    int code = tj_lease_backend_sqlite_new(path, &backend, reterr);

    assert_int_equal(code, 0);
    code = tj_lease_show_once(backend, "main", 2000, ret_record, reterr);
    tj_lease_backend_free(backend);
    return code;
}

static void show_fails(int code, const char *words)
{
    tj_lease_record record;
    tj_error error = TJ_ERROR_INIT;

    assert_int_equal(show(&record, &error), code);
    if (!strstr(error.message, words))
        print_error("'%s' is not in '%s'\n", words, error.message);
    assert_non_null(strstr(error.message, words));
}

/* A table without its guards, and one good row. */
#define LOOSE_TABLE                                                        \
    "DROP TABLE tj_lease; CREATE TABLE tj_lease(name, term, seq, holder,"  \
    " lease_ms, released, frees_on_death, boot_id, namespaces, host, pid," \
    " pid_start, acquired_wall_ms, paused, paused_until_wall_ms,"          \
    " paused_by, paused_why); INSERT INTO tj_lease VALUES('main', 5, 6,"   \
    " '0123456789abcdef0123456789abcdef', 6000, 0, 0, '', '', 'h', 1, 2,"  \
    " 3, 0, 0, '', '');"

/* Whoever may write the file may write anything into it. */
static void test_hostile_rows_are_refused(void **state)
{
    static const struct {
        const char *change;
        const char *column;
    } table[] = {
        { "term = -1", "term" },
        { "term = 9007199254740992", "term" },
        { "term = NULL", "term" },
        { "term = '7'", "term" },
        { "term = 7.5", "term" },
        { "seq = -1", "seq" },
        { "seq = 9223372036854775807", "seq" },
        { "holder = NULL", "holder" },
        { "holder = ''", "holder" },
        { "holder = x'00'", "holder" },
        { "holder = 'x' || char(0) || 'y'", "holder" },
        { "holder = '0123456789ABCDEF0123456789abcdef'", "holder" },
        { "holder = printf('%.*c', 33, 'a')", "holder" },
        { "holder = printf('%.*c', 90000, 'a')", "holder" },
        { "term = 0", "holder" },
        { "lease_ms = -1", "lease_ms" },
        { "lease_ms = 3600001", "lease_ms" },
        { "released = 2", "released" },
        { "frees_on_death = 'yes'", "frees_on_death" },
        { "boot_id = printf('%.*c', 40, 'a')", "boot_id" },
        { "namespaces = printf('%.*c', 64, 'a')", "namespaces" },
        { "host = 'a' || char(10) || 'b'", "host" },
        { "host = CAST(x'ff' AS TEXT)", "host" },
        { "pid = -1", "pid" },
        { "pid = 4294967296", "pid" },
        { "pid_start = -1", "pid_start" },
        { "acquired_wall_ms = 999999999999999", "acquired_wall_ms" },
        { "paused = 3", "paused" },
        { "paused_until_wall_ms = -5", "paused_until_wall_ms" },
        { "paused_by = printf('%.*c', 65, 'a')", "paused_by" },
        { "paused_why = printf('%.*c', 201, 'a')", "paused_why" },
    };

    tj_lease_record record;
    tj_error error = TJ_ERROR_INIT;
    char text[1024];
    size_t at;

    assert_int_equal(show(&record, &error), 0);
    sql(LOOSE_TABLE);
    assert_int_equal(show(&record, &error), 0);
    assert_int_equal(record.term, 5);
    for (at = 0; at < sizeof(table) / sizeof(table[0]); at++) {
        snprintf(text, sizeof(text), LOOSE_TABLE "UPDATE tj_lease SET %s",
                 table[at].change);
        sql(text);
        snprintf(text, sizeof(text), "the row's %s is malformed",
                 table[at].column);
        show_fails(TJ_EPARSE, text);
    }
    /* Longer than anything that is looked at. */
    sql(LOOSE_TABLE "UPDATE tj_lease SET holder = zeroblob(200000)");
    show_fails(TJ_ETOOBIG, "too big");
}

/* Two rows of one name cannot both be changed by one renewal. */
static void test_doubled_row_is_refused(void **state)
{
    tj_lease_backend *backend = NULL;
    tj_lease_outcome outcome = TJ_LEASE_DONE;
    tj_lease_pause pause;
    tj_lease_record record;
    tj_error error = TJ_ERROR_INIT;

    assert_int_equal(show(&record, &error), 0);
    sql(LOOSE_TABLE "INSERT INTO tj_lease SELECT * FROM tj_lease");
    assert_int_equal(tj_lease_backend_sqlite_new(path, &backend, NULL), 0);
    assert_int_equal(backend->ops->renew(
                         backend, "main", 5, "0123456789abcdef0123456789abcdef",
                         tj_lease_now_ns() + 2000 * INT64_C(1000000), &outcome,
                         &pause, &error),
                     TJ_EPARSE);
    tj_lease_backend_free(backend);
    assert_int_equal(show(&record, &error), 0);
    assert_int_equal(record.seq, 6);
}

/* Code that comes with the file is not run. */
static void test_triggers_do_not_run(void **state)
{
    tj_lease_backend *backend = NULL;
    tj_lease_record record;
    bool released = false;

    assert_int_equal(show(&record, NULL), 0);
    sql(LOOSE_TABLE "CREATE TRIGGER evil AFTER UPDATE ON tj_lease BEGIN"
                    " UPDATE tj_lease SET term = 77; END");
    assert_int_equal(tj_lease_backend_sqlite_new(path, &backend, NULL), 0);
    assert_int_equal(tj_lease_release_once(backend, "main", 5,
                                           "0123456789abcdef0123456789abcdef",
                                           2000, &released, NULL),
                     0);
    assert_true(released);
    tj_lease_backend_free(backend);
    assert_int_equal(show(&record, NULL), 0);
    assert_int_equal(record.term, 5);
}

/* A program that is older than the file keeps its hands off. */
static void test_newer_schema_is_refused(void **state)
{
    tj_lease_record record;

    assert_int_equal(show(&record, NULL), 0);
    sql("UPDATE tj_schema SET version = 2 WHERE room = 'lease'");
    show_fails(TJ_EUNSUPPORTED, "version 2");
}

/* What cannot be trusted with locks is refused, with the reason. */
static void test_unfit_files_are_refused(void **state)
{
    char other[96];
    tj_lease_record record;
    struct stat status;

    assert_int_equal(show(&record, NULL), 0);
    /* Made for its owner and group only. */
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0137, 0);
    snprintf(other, sizeof(other), "%s/other", directory);
    assert_int_equal(link(path, other), 0);
    show_fails(TJ_EINVAL, "2 names");
    assert_int_equal(unlink(other), 0);
    assert_int_equal(show(&record, NULL), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    show_fails(TJ_EINVAL, "not a regular file");
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof(path), "%s/no/lease.db", directory);
    show_fails(TJ_ENOENT, "no/lease.db");
    snprintf(path, sizeof(path), "/proc/lease.db");
    show_fails(TJ_ENOENT, "/proc/lease.db");
}

/* A write-ahead log made by others is turned into what this library's version
 * can be trusted with. */
static void test_journal_mode_is_set(void **state)
{
    tj_lease_record record;
    tj_error error = TJ_ERROR_INIT;
    char log[80];

    sql("PRAGMA journal_mode = WAL; CREATE TABLE x(y)");
    assert_int_equal(show(&record, &error), 0);
    snprintf(log, sizeof(log), "%s-wal", path);
    if (sqlite3_libversion_number() < 3051003)
        assert_int_not_equal(access(log, F_OK), 0);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, directory_make, directory_remove)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_killed_holder_is_noticed_at_once),
        TEST(test_killed_holder_with_a_warden_is_waited_for),
        TEST(test_stopped_holder_wakes_as_follower),
        TEST(test_clean_stop_is_heard_at_once),
        TEST(test_racing_processes_win_different_terms),
        TEST(test_deleted_file_is_noticed),
        TEST(test_restored_backup_is_noticed),
        TEST(test_locked_file_demotes_and_names_the_locker),
        TEST(test_corrupt_file_demotes_and_recovers),
        TEST(test_full_disk_demotes_and_recovers),
        TEST(test_hostile_rows_are_refused),
        TEST(test_doubled_row_is_refused),
        TEST(test_triggers_do_not_run),
        TEST(test_newer_schema_is_refused),
        TEST(test_unfit_files_are_refused),
        TEST(test_journal_mode_is_set),
    };

    if (argc == 5 && !strcmp(argv[1], "node"))
        return node_main(argv + 2);
    if (argc == 4 && !strcmp(argv[1], "race"))
        return race_main(argv + 2);
    if (argc == 3 && !strcmp(argv[1], "lock"))
        return lock_main(argv + 2);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) <= 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
