/* The event loop as an injected interface: timers on an absolute grid, and
 * tasks for a later turn.
 *
 * tj_loop_new_uv() wraps a libuv loop that the program owns; <timedjobs/
 * testing.h> has one whose time the test moves by hand. A program with another
 * loop either drives libuv from it (examples/foreign_loop.c) or fills the
 * table itself. */
#ifndef TIMEDJOBS_LOOP_H
#define TIMEDJOBS_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/error.h>
#include <timedjobs/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

typedef struct tj_loop tj_loop;
typedef struct tj_timer tj_timer;

/** Tell that a timer is due. `expirations` is the number of grid points that
 * passed since the last call, at least 1; more than 1 means that the loop was
 * late by whole periods. Runs on the loop's thread. */
typedef void (*tj_timer_cb)(void *userdata, uint64_t expirations);

/** One call for a later turn of the loop. The memory is the caller's and must
 * stay valid until `run` is called, which is its last use by the loop: it may
 * be posted again from inside `run`. Posting a task that waits already is a
 * mistake of the caller. */
typedef struct tj_task {
    struct tj_task *next; /* the loop's, while the task waits */
    void (*run)(struct tj_task *task);
} tj_task;

/** What a loop must be able to do. All members are mandatory. */
typedef struct tj_loop_ops {
    size_t size; /* sizeof(tj_loop_ops) */
    /* Call `cb` at now + delay_ns and then, when period_ns is not 0, at every
     * further period_ns after that, on a grid that does not drift. Never calls
     * from inside. Returns 0 and a handle, or TJ_ENOMEM or TJ_ESYSTEM. */
    int (*timer_start)(tj_loop *loop,
                       uint64_t delay_ns,
                       uint64_t period_ns,
                       tj_timer_cb cb,
                       void *userdata,
                       tj_timer **ret_timer);
    /* End a timer and its handle; also allowed in its own callback. `cb` is
     * not called any more. A one-shot timer that has fired still wants this. */
    void (*timer_stop)(tj_loop *loop, tj_timer *timer);
    /* Run `task` once, from a later turn, on the loop's thread, in the order
     * of posting. The only member that any thread may call. Cannot fail. */
    void (*post)(tj_loop *loop, tj_task *task);
} tj_loop_ops;

/** A loop: the first member of whatever an implementation needs. */
struct tj_loop {
    const tj_loop_ops *ops;
};

/** Wrap a libuv loop. All timers share one timerfd on an absolute grid of
 * CLOCK_MONOTONIC. The wrapper keeps the libuv loop alive until it is closed.
 * Tasks that a callback of this loop posts run in the same wake-up, behind the
 * callbacks. `uv` is borrowed and must outlive the wrapper; call on its thread.
 * Returns 0, TJ_ENOMEM or TJ_ESYSTEM; after a failure `uv` may have handles to
 * close in its next turn. */
TJ_EXPORT int
tj_loop_new_uv(struct uv_loop_s *uv, tj_loop **ret_loop, tj_error *reterr);

typedef void (*tj_loop_close_cb)(void *userdata);

/** End a wrapper made by tj_loop_new_uv. Tasks that wait are still run, and so
 * are tasks that these post; no other thread may post any more. Timers that
 * were not stopped never fire; their handles end with the wrapper. `cb` (may
 * be NULL) runs from a later turn, when the wrapper's memory is gone. Call
 * once, on the loop's thread. NULL `loop` is a no-op. */
TJ_EXPORT void
tj_loop_close(tj_loop *loop, tj_loop_close_cb cb, void *userdata);

#ifdef __cplusplus
}
#endif
#endif
