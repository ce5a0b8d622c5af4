/* The libuv loop: real time, but nothing that depends on how much of it. */
#include "support/heap.h"
#include "support/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include <timedjobs/clock.h>
#include <timedjobs/loop.h>

#define MS UINT64_C(1000000)

static uv_loop_t uv;
static tj_loop *loop;
static bool closed;

static int setup(void **state)
{
    tj_error error = TJ_ERROR_INIT;

    heap_install();
    closed = false;
    assert_int_equal(uv_loop_init(&uv), 0);
    return tj_loop_new_uv(&uv, &loop, &error);
}

static void on_closed(void *userdata)
{
    /* The wrapper's memory is gone by now. */
    assert_int_equal(heap_live(), 0);
    closed = true;
}

static int teardown(void **state)
{
    if (loop) {
        tj_loop_close(loop, on_closed, NULL);
        assert_false(closed);
        assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
        assert_true(closed);
    }
    assert_int_equal(uv_loop_close(&uv), 0);
    heap_remove();
    return 0;
}

static int64_t now_ns(void)
{
    tj_clock clock = tj_clock_system();

    return clock.now(clock.userdata).mono_ns;
}

static void wait_busy_until(int64_t when_ns)
{
    while (now_ns() < when_ns)
        continue;
}

struct ticker {
    tj_timer *timer;
    int64_t first_due_ns; /* at the latest, by when it was started */
    uint64_t total;
    int calls;
    int stop_after;
};

static void on_tick(void *userdata, uint64_t expirations)
{
    struct ticker *ticker = userdata;
    int64_t now = now_ns();

    assert_true(expirations >= 1);
    ticker->total += expirations;
    ticker->calls++;
    /* Never early: the grid point that is reported has passed. */
    assert_true(now >=
                ticker->first_due_ns + (int64_t)((ticker->total - 1) * MS));
    if (ticker->calls == ticker->stop_after) {
        loop->ops->timer_stop(loop, ticker->timer);
        tj_loop_close(loop, on_closed, NULL);
        loop = NULL;
    }
}

/* Ticks stand on a grid that began when the timer was started; what the loop
 * misses is counted, so that calls and misses add up to the time that passed.
 */
static void test_ticks_keep_to_their_grid(void **state)
{
    struct ticker ticker = { .stop_after = 10 };
    int64_t before = now_ns();

    ticker.first_due_ns = before + (int64_t)MS;
    assert_int_equal(
        loop->ops->timer_start(loop, MS, MS, on_tick, &ticker, &ticker.timer),
        0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(ticker.calls, 10);
    assert_true((int64_t)(ticker.total * MS) <= now_ns() - before);
}

/* A loop that was busy for a while hears of it once, not once per period. */
static void test_missed_grid_points_come_as_one_call(void **state)
{
    struct ticker ticker = { .stop_after = 1 };
    int64_t before = now_ns();

    ticker.first_due_ns = before + (int64_t)MS;
    assert_int_equal(
        loop->ops->timer_start(loop, MS, MS, on_tick, &ticker, &ticker.timer),
        0);
    wait_busy_until(now_ns() + 7 * (int64_t)MS);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(ticker.calls, 1);
    assert_true(ticker.total >= 6);
}

static int fired[8];
static int n_fired;
static tj_timer *timers[8];

static void on_numbered(void *userdata, uint64_t expirations)
{
    fired[n_fired++] = (int)(intptr_t)userdata;
}

static void on_stop_next(void *userdata, uint64_t expirations)
{
    int number = (int)(intptr_t)userdata;

    fired[n_fired++] = number;
    loop->ops->timer_stop(loop, timers[number]);
    loop->ops->timer_stop(loop, timers[number + 1]);
    timers[number] = timers[number + 1] = NULL;
}

static void start_timer(int number, uint64_t delay_ns, tj_timer_cb cb)
{
    assert_int_equal(loop->ops->timer_start(loop, delay_ns, 0, cb,
                                            (void *)(intptr_t)number,
                                            &timers[number]),
                     0);
}

/* A tick that stops another job while both are due must really stop it: its
 * handle is freed, and a call would go to freed memory. */
static void test_a_timer_due_in_the_same_turn_can_be_stopped(void **state)
{
    n_fired = 0;
    start_timer(0, 1 * MS, on_stop_next);
    start_timer(1, 2 * MS, on_numbered);
    start_timer(2, 3 * MS, on_numbered);
    wait_busy_until(now_ns() + 4 * (int64_t)MS);
    uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(n_fired, 2);
    assert_int_equal(fired[0], 0);
    assert_int_equal(fired[1], 2);
    /* A timer that has fired still wants to be stopped. */
    loop->ops->timer_stop(loop, timers[2]);
}

static void on_start_at_once(void *userdata, uint64_t expirations)
{
    fired[n_fired++] = (int)(intptr_t)userdata;
    if (n_fired < 4) {
        loop->ops->timer_stop(loop, timers[0]);
        start_timer(0, 0, on_start_at_once);
    }
}

/* A timer of no delay that starts itself again gets one call a turn: nothing
 * else in the program starves. */
static void test_restarting_with_no_delay_takes_turns(void **state)
{
    n_fired = 0;
    start_timer(0, 0, on_start_at_once);
    assert_int_equal(n_fired, 0);
    uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(n_fired, 1);
    uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(n_fired, 2);
    uv_run(&uv, UV_RUN_ONCE);
    uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(n_fired, 4);
}

/* A later timer than the one that is armed, an earlier one, and none. */
static void test_the_timerfd_follows_the_first_timer(void **state)
{
    n_fired = 0;
    start_timer(0, 3600000 * MS, on_numbered);
    start_timer(1, 1 * MS, on_numbered);
    start_timer(2, UINT64_MAX, on_numbered);
    uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(n_fired, 1);
    assert_int_equal(fired[0], 1);
    loop->ops->timer_stop(loop, timers[0]);
    loop->ops->timer_stop(loop, timers[1]);
    start_timer(3, 2 * MS, on_numbered);
    while (n_fired < 2)
        uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(fired[1], 3);
}

struct job {
    tj_task task; /* first */
    int number;
    int again;
};

static int chain;

static void on_job(tj_task *task)
{
    struct job *job = (struct job *)(void *)task;

    assert_int_equal(chain, 0); /* never from inside another */
    chain++;
    if (n_fired < 8)
        fired[n_fired++] = job->number;
    if (job->again-- > 0)
        loop->ops->post(loop, task);
    chain--;
}

static void test_tasks_run_later_and_in_order(void **state)
{
    struct job jobs[3] = { { { NULL, on_job }, 0, 1 },
                           { { NULL, on_job }, 1, 0 },
                           { { NULL, on_job }, 2, 0 } };
    int i;

    n_fired = 0;
    for (i = 0; i < 3; i++)
        loop->ops->post(loop, &jobs[i].task);
    assert_int_equal(n_fired, 0);
    uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(n_fired, 4);
    assert_int_equal(fired[0], 0);
    assert_int_equal(fired[1], 1);
    assert_int_equal(fired[2], 2);
    assert_int_equal(fired[3], 0);
}

static void on_flag(void *userdata, uint64_t expirations)
{
    *(bool *)userdata = true;
}

/* A chain of tasks that would run for long lets timers and libuv have their
 * turn. */
static void test_an_endless_chain_lets_others_live(void **state)
{
    static struct job job = { { NULL, on_job }, 0, 100000000 };
    bool due = false;

    n_fired = 0;
    loop->ops->post(loop, &job.task);
    assert_int_equal(
        loop->ops->timer_start(loop, MS, 0, on_flag, &due, &timers[0]), 0);
    while (!due)
        uv_run(&uv, UV_RUN_ONCE);
    assert_true(job.again > 0);
    job.again = 0;
}

struct poster {
    pthread_t thread;

    struct posted {
        tj_task task; /* first */
        struct poster *poster;
        int number;
    } jobs[500];

    int next;
};

static int posted_done;

static void on_posted(tj_task *task)
{
    struct posted *job = (struct posted *)(void *)task;

    assert_int_equal(job->number, job->poster->next++);
    posted_done++;
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    int i;

    for (i = 0; i < 500; i++) {
        poster->jobs[i].task.run = on_posted;
        poster->jobs[i].poster = poster;
        poster->jobs[i].number = i;
        loop->ops->post(loop, &poster->jobs[i].task);
    }
    return NULL;
}

/* Store, log and lease answer from their own threads. */
static void test_tasks_of_other_threads_arrive(void **state)
{
    static struct poster posters[3];
    int i;

    posted_done = 0;
    for (i = 0; i < 3; i++) {
        posters[i].next = 0;
        assert_int_equal(
            pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    while (posted_done < 3 * 500)
        uv_run(&uv, UV_RUN_ONCE);
    for (i = 0; i < 3; i++)
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
}

/* Whoever closes the loop with work in flight loses no answer, and hears
 * nothing more from timers. */
static void test_closing_runs_tasks_and_no_timers(void **state)
{
    struct job job = { { NULL, on_job }, 1, 200 };

    n_fired = 0;
    start_timer(0, 0, on_numbered);
    wait_busy_until(now_ns() + (int64_t)MS);
    loop->ops->post(loop, &job.task);
    tj_loop_close(loop, on_closed, NULL);
    assert_false(closed);
    assert_int_equal(n_fired, 0);
    uv_run(&uv, UV_RUN_DEFAULT);
    loop = NULL;
    assert_true(closed);
    assert_int_equal(job.again, -1);
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[7], 1);
}

static void on_close_now(void *userdata, uint64_t expirations)
{
    n_fired++;
    tj_loop_close(loop, NULL, NULL);
    loop = NULL;
}

/* A timer that closes the loop is the last to fire, without a callback too. */
static void test_a_timer_may_close_the_loop(void **state)
{
    n_fired = 0;
    start_timer(0, 0, on_close_now);
    start_timer(1, 1, on_numbered);
    wait_busy_until(now_ns() + (int64_t)MS);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(n_fired, 1);
    assert_int_equal(heap_live(), 0);
}

/* Out of memory, out of descriptors, and libuv refusing: an error with a reason
 * and nothing left behind once libuv had its turn. */
static void test_a_loop_that_cannot_be_made_leaves_nothing(void **state)
{
    tj_error error = TJ_ERROR_INIT;
    struct rlimit old, none;
    tj_loop *made = NULL;
    long live = heap_live();
    int null_fd, saved_fd;

    heap_fail_after(0);
    assert_int_equal(tj_loop_new_uv(&uv, &made, NULL), TJ_ENOMEM);
    heap_fail_never();

    null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    saved_fd = fcntl(uv_backend_fd(&uv), F_DUPFD_CLOEXEC, 0);
    assert_true(null_fd >= 0 && saved_fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(tj_loop_new_uv(&uv, &made, &error), TJ_ESYSTEM);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_string_equal(error.message, "timerfd_create: Too many open files");

    /* What is no epoll takes no descriptor. */
    assert_true(dup2(null_fd, uv_backend_fd(&uv)) >= 0);
    assert_int_equal(tj_loop_new_uv(&uv, &made, &error), TJ_ESYSTEM);
    assert_true(dup2(saved_fd, uv_backend_fd(&uv)) >= 0);
    assert_string_equal(error.module, "loop");
    assert_null(made);
    uv_run(&uv, UV_RUN_NOWAIT);
    assert_int_equal(heap_live(), live);
    close(null_fd);
    close(saved_fd);
}

static void test_closing_nothing_is_nothing(void **state)
{
    tj_loop_close(NULL, on_closed, NULL);
    assert_false(closed);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_ticks_keep_to_their_grid),
        LOOP_TEST(test_missed_grid_points_come_as_one_call),
        LOOP_TEST(test_a_timer_due_in_the_same_turn_can_be_stopped),
        LOOP_TEST(test_restarting_with_no_delay_takes_turns),
        LOOP_TEST(test_the_timerfd_follows_the_first_timer),
        LOOP_TEST(test_tasks_run_later_and_in_order),
        LOOP_TEST(test_an_endless_chain_lets_others_live),
        LOOP_TEST(test_tasks_of_other_threads_arrive),
        LOOP_TEST(test_closing_runs_tasks_and_no_timers),
        LOOP_TEST(test_a_timer_may_close_the_loop),
        LOOP_TEST(test_a_loop_that_cannot_be_made_leaves_nothing),
        LOOP_TEST(test_closing_nothing_is_nothing),
    };

    return cmocka_run_group_tests_name("loop/uv", tests, NULL, NULL);
}
