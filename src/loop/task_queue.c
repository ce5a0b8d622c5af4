/* See task_queue.h. Adding pushes onto a stack; running takes the whole stack
 * and turns it round. */
#include "loop/task_queue.h"

#include <stddef.h>

void tj__task_queue_init(tj__task_queue *queue)
{
    atomic_init(&queue->newest, NULL);
}

bool tj__task_queue_add(tj__task_queue *queue, tj_task *task)
{
    tj_task *newest =
        atomic_load_explicit(&queue->newest, memory_order_relaxed);

    do {
        task->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&queue->newest, &newest,
                                                    task, memory_order_release,
                                                    memory_order_relaxed));
    return newest == NULL;
}

void tj__task_queue_watch(tj__task_queue *queue)
{
    tj_task *newest = NULL;

    atomic_compare_exchange_strong_explicit(
        &queue->newest, &newest, &queue->watched, memory_order_relaxed,
        memory_order_relaxed);
}

bool tj__task_queue_run(tj__task_queue *queue)
{
    tj_task *newest = atomic_exchange_explicit(&queue->newest, &queue->watched,
                                               memory_order_acquire);
    tj_task *oldest = NULL;
    tj_task *next;

    while (newest && newest != &queue->watched) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    if (!oldest)
        return false;
    for (; oldest; oldest = next) {
        next = oldest->next;
        oldest->run(oldest);
    }
    return true;
}

bool tj__task_queue_rest(tj__task_queue *queue)
{
    tj_task *newest = &queue->watched;

    return atomic_compare_exchange_strong_explicit(&queue->newest, &newest,
                                                   NULL, memory_order_relaxed,
                                                   memory_order_relaxed) ||
           newest == NULL;
}
