/* Timers ordered by when they are due, then by when they were made.
 *
 * A 4-ary heap: its slots hold the due times themselves, so that finding the
 * next timer stays within a few cache lines. Starting, moving and stopping
 * take O(log n). A timer that will not fire again stays in the heap, due at
 * TJ__TIMER_NEVER, until it is stopped: so the heap owns every live timer.
 * Times are nanoseconds on whatever clock the loop has. */
#ifndef TJ_LOOP_TIMER_HEAP_H
#define TJ_LOOP_TIMER_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/loop.h>

#define TJ__TIMER_NEVER UINT64_MAX

struct tj_timer {
    uint64_t period_ns; /* 0: fires once */
    uint64_t serial;    /* which timer was made first */
    tj_timer_cb cb;
    void *userdata;
    size_t slot; /* where it is in the heap */
};

typedef struct tj__timer_slot {
    uint64_t due_ns;
    tj_timer *timer;
} tj__timer_slot;

/* Zero-initialised is empty. */
typedef struct tj__timer_heap {
    tj__timer_slot *slots;
    size_t size, capacity;
    uint64_t serial;
} tj__timer_heap;

/* Make a timer; TJ_ENOMEM leaves everything as it was. */
int tj__timer_heap_start(tj__timer_heap *heap,
                         uint64_t due_ns,
                         uint64_t period_ns,
                         tj_timer_cb cb,
                         void *userdata,
                         tj_timer **ret_timer);
void tj__timer_heap_stop(tj__timer_heap *heap, tj_timer *timer);

/* When the first timer is due; TJ__TIMER_NEVER when none is. */
uint64_t tj__timer_heap_due(const tj__timer_heap *heap);

/* Move the first timer, which is due by `now_ns`, to its next grid point after
 * that and call it. It may do with the heap what it likes, except ending it. */
void tj__timer_heap_fire(tj__timer_heap *heap, uint64_t now_ns);

/* End all timers and the heap. */
void tj__timer_heap_done(tj__timer_heap *heap);

/* Add times without wrapping; the end of time is TJ__TIMER_NEVER. */
static inline uint64_t tj__timer_add(uint64_t time_ns, uint64_t delay_ns)
{
    return time_ns > TJ__TIMER_NEVER - delay_ns ? TJ__TIMER_NEVER
                                                : time_ns + delay_ns;
}

#endif
