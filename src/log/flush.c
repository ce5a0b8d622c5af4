/* Waiting for lines to reach the kernel, with a deadline that holds even when
 * the writer hangs in a call that never returns.
 *
 * The writer answers waiters as it passes their place. Their deadlines are
 * kept by a second thread, the guard, which is there only while somebody
 * waits. */
#include <time.h>

#include "base/alloc.h"
#include "log/day_log.h"

#define GUARD_STACK_SIZE ((size_t)128 * 1024)

int64_t tj__log_flush_patience(tj_day_log *log, int64_t now_ns)
{
    int64_t until_ns = now_ns + log->flush_timeout_ns;

    if (log->patience_until_ns == 0)
        log->patience_until_ns = until_ns;
    return until_ns < log->patience_until_ns ? until_ns
                                             : log->patience_until_ns;
}

/* Take those out of the list that are to be answered. Who waits inside its
 * call is answered by that alone. */
static tj_log_waiter *waiters_pick(tj_day_log *log, int64_t now_ns, bool all)
{
    tj_log_waiter *picked = NULL, **end = &picked, **link = &log->waiters;
    tj_log_waiter *waiter;

    while ((waiter = *link)) {
        if (!all && waiter->place > log->queue.n_gone &&
            waiter->deadline_ns > now_ns) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        waiter->next = NULL;
        waiter->answered = true;
        if (waiter->cb) {
            *end = waiter;
            end = &waiter->next;
        }
    }
    return picked;
}

void tj__log_flush_answer(tj_day_log *log, int64_t now_ns, bool all)
{
    tj_log_waiter *picked = waiters_pick(log, now_ns, all), *waiter;

    pthread_cond_broadcast(&log->done); /* the others look who is left */
    if (!picked)
        return;
    pthread_mutex_unlock(&log->mutex);
    while ((waiter = picked)) {
        picked = waiter->next;
        waiter->cb(waiter->userdata);
        tj__free(waiter);
    }
    pthread_mutex_lock(&log->mutex);
}

void tj__log_done_wait(tj_day_log *log, int64_t until_ns)
{
    struct timespec until = { .tv_sec = until_ns / 1000000000,
                              .tv_nsec = until_ns % 1000000000 };

    (void)pthread_cond_timedwait(&log->done, &log->mutex, &until);
}

static void *guard_main(void *argument)
{
    tj_day_log *log = argument;

    pthread_mutex_lock(&log->mutex);
    while (log->waiters) {
        int64_t until_ns = INT64_MAX;

        for (const tj_log_waiter *waiter = log->waiters; waiter;
             waiter = waiter->next)
            if (waiter->deadline_ns < until_ns)
                until_ns = waiter->deadline_ns;
        tj__log_done_wait(log, until_ns);
        tj__log_flush_answer(log, log->sys->mono_ns(), /* all= */ false);
    }
    log->guard_on = false;
    pthread_mutex_unlock(&log->mutex);
    return NULL;
}

/* Have a guard on. False when there can be none. */
static bool guard_start(tj_day_log *log)
{
    if (log->guard_on)
        return true;
    if (log->guard_made)
        pthread_join(log->guard, NULL); /* it has ended, and takes no lock */
    log->guard_made = tj__log_thread_start(&log->guard, "tj-log-guard",
                                           GUARD_STACK_SIZE, guard_main, log);
    log->guard_on = log->guard_made;
    return log->guard_made;
}

static void waiter_add(tj_day_log *log, tj_log_waiter *waiter)
{
    tj_log_waiter **end = &log->waiters;

    while (*end)
        end = &(*end)->next;
    *end = waiter;
}

/* No memory or no thread for the better way: wait inside the call. */
static void flush_wait_here(tj_day_log *log, int64_t deadline_ns)
{
    tj_log_waiter waiter = { .place = log->queue.n_put,
                             .deadline_ns = deadline_ns };
    int64_t now_ns;

    waiter_add(log, &waiter);
    while (!waiter.answered) {
        tj__log_done_wait(log, deadline_ns);
        now_ns = log->sys->mono_ns();
        if (now_ns >= deadline_ns)
            tj__log_flush_answer(log, now_ns, /* all= */ false);
    }
}

void tj__log_flush_wait(tj_day_log *log, tj_log_flush_cb cb, void *userdata)
{
    int64_t now_ns = log->sys->mono_ns(), deadline_ns;
    tj_log_waiter *waiter = tj__malloc(sizeof(*waiter));

    pthread_mutex_lock(&log->mutex);
    deadline_ns = log->queue.used ? tj__log_flush_patience(log, now_ns) : 0;
    if (deadline_ns <= now_ns) {
        pthread_mutex_unlock(&log->mutex);
        tj__free(waiter);
        cb(userdata);
        return;
    }

    log->urgent = true;
    sem_post(&log->work);
    if (waiter && guard_start(log)) {
        *waiter = (tj_log_waiter){ .place = log->queue.n_put,
                                   .deadline_ns = deadline_ns,
                                   .cb = cb,
                                   .userdata = userdata };
        waiter_add(log, waiter);
        pthread_cond_broadcast(&log->done); /* the guard: a new deadline */
        pthread_mutex_unlock(&log->mutex);
        return;
    }
    flush_wait_here(log, deadline_ns);
    pthread_mutex_unlock(&log->mutex);
    tj__free(waiter);
    cb(userdata);
}

void tj__log_flush_done(tj_day_log *log)
{
    if (log->guard_made)
        pthread_join(log->guard, NULL);
    log->guard_made = false;
}
