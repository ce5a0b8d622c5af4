/* Tasks that wait for a later turn. Any thread may add one, without a lock and
 * without memory; one thread, the loop's, runs them in the order in which they
 * were added.
 *
 * The loop's thread says when it is going to look at the queue anyway, so that
 * adding a task then costs no wake-up. */
#ifndef TJ_LOOP_TASK_QUEUE_H
#define TJ_LOOP_TASK_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <timedjobs/loop.h>

typedef struct tj__task_queue {
    /* The task added last; NULL: empty and nobody looks; &watched: empty, and
     * the loop's thread will look before it sleeps. */
    _Atomic(tj_task *) newest;
    tj_task watched;
} tj__task_queue;

void tj__task_queue_init(tj__task_queue *queue);

/* Add a task. True when the loop must be woken to see it. Any thread. */
bool tj__task_queue_add(tj__task_queue *queue, tj_task *task);

/* Promise to run or rest soon. */
void tj__task_queue_watch(tj__task_queue *queue);

/* Run the tasks that wait, not those they add; they may. False when there was
 * none. The queue is watched from here on. */
bool tj__task_queue_run(tj__task_queue *queue);

/* Take the promise back. False when tasks wait: then the loop must come back
 * by itself. */
bool tj__task_queue_rest(tj__task_queue *queue);

#endif
