/* See hand_loop.h. */
#include "hand_loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct tj_timer {
    struct tj_timer *next;
    int64_t due_ns;
    tj_timer_cb cb;
    void *userdata;
    bool fired;
};

struct hand_loop {
    tj_loop loop; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    tj_task *tasks;
    tj_task **last_task;
    tj_timer *timers; /* the loop's thread only */
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int timer_start(tj_loop *loop,
                       uint64_t delay_ns,
                       uint64_t period_ns,
                       tj_timer_cb cb,
                       void *userdata,
                       tj_timer **ret_timer)
{
    hand_loop *it = (hand_loop *)(void *)loop;
    tj_timer *timer = calloc(1, sizeof(*timer));

    if (!timer || period_ns)
        abort();
    timer->due_ns = now_ns() + (int64_t)delay_ns;
    timer->cb = cb;
    timer->userdata = userdata;
    timer->next = it->timers;
    it->timers = timer;
    *ret_timer = timer;
    return 0;
}

static void timer_stop(tj_loop *loop, tj_timer *timer)
{
    hand_loop *it = (hand_loop *)(void *)loop;
    tj_timer **at;

    for (at = &it->timers; *at != timer; at = &(*at)->next)
        ;
    *at = timer->next;
    free(timer);
}

static void post(tj_loop *loop, tj_task *task)
{
    hand_loop *it = (hand_loop *)(void *)loop;

    pthread_mutex_lock(&it->lock);
    task->next = NULL;
    *it->last_task = task;
    it->last_task = &task->next;
    pthread_cond_signal(&it->changed);
    pthread_mutex_unlock(&it->lock);
}

static const tj_loop_ops hand_ops = { sizeof(tj_loop_ops), timer_start,
                                      timer_stop, post };

hand_loop *hand_loop_new(void)
{
    hand_loop *loop = calloc(1, sizeof(*loop));
    pthread_condattr_t attributes;

    if (!loop)
        abort();
    loop->loop.ops = &hand_ops;
    loop->last_task = &loop->tasks;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return loop;
}

void hand_loop_free(hand_loop *loop)
{
    /* Whoever leaves a task or a timer behind has not ended properly. */
    if (loop->tasks || loop->timers)
        abort();
    pthread_mutex_destroy(&loop->lock);
    pthread_cond_destroy(&loop->changed);
    free(loop);
}

tj_loop *hand_loop_get(hand_loop *loop)
{
    return &loop->loop;
}

static tj_task *task_take(hand_loop *loop, int64_t until_ns)
{
    struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000),
                              .tv_nsec = (long)(until_ns % 1000000000) };
    tj_task *task;

    pthread_mutex_lock(&loop->lock);
    if (!loop->tasks && now_ns() < until_ns)
        pthread_cond_timedwait(&loop->changed, &loop->lock, &until);
    task = loop->tasks;
    if (task) {
        loop->tasks = task->next;
        if (!loop->tasks)
            loop->last_task = &loop->tasks;
    }
    pthread_mutex_unlock(&loop->lock);
    return task;
}

static tj_timer *timer_first(const hand_loop *loop)
{
    tj_timer *first = NULL;
    tj_timer *at;

    for (at = loop->timers; at; at = at->next) {
        if (!at->fired && (!first || at->due_ns < first->due_ns))
            first = at;
    }
    return first;
}

bool hand_loop_until(hand_loop *loop,
                     bool (*is_so)(void *userdata),
                     void *userdata,
                     int64_t timeout_ms)
{
    int64_t end_ns = now_ns() + timeout_ms * 1000000;

    while (!is_so(userdata) && now_ns() < end_ns) {
        tj_timer *timer = timer_first(loop);
        int64_t until_ns =
            timer && timer->due_ns < end_ns ? timer->due_ns : end_ns;
        tj_task *task = task_take(loop, until_ns);

        if (task) {
            task->run(task);
        } else if (timer && now_ns() >= timer->due_ns) {
            timer->fired = true;
            timer->cb(timer->userdata, 1);
        }
    }
    return is_so(userdata);
}
