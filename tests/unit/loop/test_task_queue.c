/* loop/task_queue: order, who is woken, many threads. */
#include "support/unit.h"

#include <pthread.h>
#include <stdlib.h>

#include "loop/task_queue.h"

struct job {
    tj_task task; /* first */
    tj__task_queue *queue;
    int number;
    int again;
};

static int ran[16];
static int n_ran;

static void on_run(tj_task *task)
{
    struct job *job = (struct job *)(void *)task;

    ran[n_ran++] = job->number;
    if (job->again-- > 0)
        assert_false(tj__task_queue_add(job->queue, task));
}

/* Order of posting; what a task posts waits for the next round, and while
 * somebody looks nobody has to be woken. */
static void test_tasks_run_in_order_and_in_rounds(void **state)
{
    tj__task_queue queue;
    struct job jobs[3];
    int i;

    tj__task_queue_init(&queue);
    n_ran = 0;
    for (i = 0; i < 3; i++) {
        jobs[i] = (struct job){ { NULL, on_run }, &queue, i, i == 1 };
        /* Only the first has to wake the loop. */
        assert_true(tj__task_queue_add(&queue, &jobs[i].task) == (i == 0));
    }
    assert_true(tj__task_queue_run(&queue));
    assert_int_equal(n_ran, 3);
    assert_int_equal(ran[0], 0);
    assert_int_equal(ran[1], 1);
    assert_int_equal(ran[2], 2);
    assert_false(tj__task_queue_rest(&queue));
    assert_true(tj__task_queue_run(&queue));
    assert_int_equal(n_ran, 4);
    assert_int_equal(ran[3], 1);
    assert_false(tj__task_queue_run(&queue));
    assert_true(tj__task_queue_rest(&queue));
    assert_true(tj__task_queue_rest(&queue));
    assert_true(tj__task_queue_add(&queue, &jobs[0].task));
    /* Watching what is not empty must not lose it. */
    tj__task_queue_watch(&queue);
    assert_true(tj__task_queue_run(&queue));
    assert_int_equal(n_ran, 5);
}

static void test_a_watched_queue_wakes_nobody(void **state)
{
    tj__task_queue queue;
    struct job job = { { NULL, on_run }, &queue, 0, 0 };

    tj__task_queue_init(&queue);
    n_ran = 0;
    tj__task_queue_watch(&queue);
    assert_false(tj__task_queue_add(&queue, &job.task));
    assert_false(tj__task_queue_rest(&queue));
    assert_true(tj__task_queue_run(&queue));
    assert_true(tj__task_queue_rest(&queue));
    assert_int_equal(n_ran, 1);
}

enum { THREADS = 4, JOBS = 2000 };

struct poster {
    pthread_t thread;
    tj__task_queue *queue;
    atomic_int *wakes;

    struct posted {
        tj_task task; /* first */
        struct poster *poster;
        int number;
    } jobs[JOBS];

    int next; /* the number that has to run next */
};

static int wrong_order;

static void on_posted(tj_task *task)
{
    struct posted *job = (struct posted *)(void *)task;

    if (job->number != job->poster->next++)
        wrong_order++;
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    int i;

    for (i = 0; i < JOBS; i++) {
        poster->jobs[i].task.run = on_posted;
        poster->jobs[i].poster = poster;
        poster->jobs[i].number = i;
        if (tj__task_queue_add(poster->queue, &poster->jobs[i].task))
            atomic_fetch_add(poster->wakes, 1);
    }
    return NULL;
}

/* A lost task is a tick that never ends. Each thread's tasks keep their order,
 * and whenever the queue was left to rest somebody woke the loop. */
static void test_no_task_of_any_thread_is_lost(void **state)
{
    static struct poster posters[THREADS];
    atomic_int wakes = 0;
    tj__task_queue queue;
    int done = 0;
    int i;

    tj__task_queue_init(&queue);
    wrong_order = 0;
    for (i = 0; i < THREADS; i++) {
        posters[i].queue = &queue;
        posters[i].wakes = &wakes;
        assert_int_equal(
            pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    while (done < THREADS * JOBS) {
        /* Look only when told to, as a loop does. */
        if (atomic_load(&wakes) == 0) {
            sched_yield();
            continue;
        }
        atomic_fetch_sub(&wakes, 1);
        do {
            while (tj__task_queue_run(&queue))
                continue;
        } while (!tj__task_queue_rest(&queue));
        for (i = 0, done = 0; i < THREADS; i++)
            done += posters[i].next;
    }
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
    assert_int_equal(wrong_order, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_run_in_order_and_in_rounds),
        cmocka_unit_test(test_a_watched_queue_wakes_nobody),
        cmocka_unit_test(test_no_task_of_any_thread_is_lost),
    };

    return cmocka_run_group_tests_name("loop/task_queue", tests, NULL, NULL);
}
