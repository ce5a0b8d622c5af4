/* A loop inside a libuv loop; see tj_loop_new_uv in timedjobs/loop.h.
 *
 * All timers share one timerfd, armed with the absolute time of the first one.
 * A firing costs the kernel two calls, libuv's wait and the arming for the
 * next time: arming also takes back the expiry, so the timerfd is never read.
 * Tasks that timers or tasks add on the loop's own thread are run in the same
 * wake-up, from a frame of ours, and need no call at all. */
#include <timedjobs/loop.h>

#include <errno.h>
#include <stdbool.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/error.h"
#include "loop/task_queue.h"
#include "loop/timer_heap.h"

/* How often in a row tasks may add tasks before libuv gets its turn. */
enum { PASSES_MAX = 64 };

typedef struct uv_shell {
    tj_loop loop;
    uv_poll_t poll; /* of `fd` */
    uv_async_t async;
    int fd;
    uint64_t armed_ns; /* what `fd` is set to; TJ__TIMER_NEVER: to nothing */
    uint64_t turn_ns;  /* when the last round of timers began */
    tj__timer_heap timers;
    tj__task_queue tasks;
    bool dispatching; /* callbacks run; `fd` is armed behind them */
    bool closing;
    unsigned open_handles;
    tj_loop_close_cb close_cb;
    void *close_userdata;
} uv_shell;

static uv_shell *shell_of(tj_loop *loop)
{
    return (uv_shell *)(void *)loop;
}

/* ---- timers --------------------------------------------------------------*/

static uint64_t mono_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Set the timerfd to the first timer. */
static int shell_arm(uv_shell *shell)
{
    uint64_t due_ns = tj__timer_heap_due(&shell->timers);
    struct itimerspec when = { 0 };

    if (due_ns == shell->armed_ns)
        return 0;
    if (due_ns != TJ__TIMER_NEVER) {
        when.it_value.tv_sec = (time_t)(due_ns / 1000000000);
        when.it_value.tv_nsec = (long)(due_ns % 1000000000);
    }
    if (timerfd_settime(shell->fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        return TJ_ESYSTEM;
    shell->armed_ns = due_ns;
    return 0;
}

static int uv_shell_timer_start(tj_loop *loop,
                                uint64_t delay_ns,
                                uint64_t period_ns,
                                tj_timer_cb cb,
                                void *userdata,
                                tj_timer **ret_timer)
{
    uv_shell *shell = shell_of(loop);
    uint64_t due_ns = tj__timer_add(mono_now(), delay_ns);
    tj_timer *timer;
    int rc;

    /* What a timer starts belongs to a later round, however coarse the clock.
     */
    if (due_ns <= shell->turn_ns)
        due_ns = shell->turn_ns + 1;
    rc = tj__timer_heap_start(&shell->timers, due_ns, period_ns, cb, userdata,
                              &timer);
    if (rc)
        return rc;
    /* Too early a wake-up does no harm, which a stopped timer relies on. */
    if (!shell->dispatching && due_ns < shell->armed_ns) {
        rc = shell_arm(shell);
        if (rc) {
            tj__timer_heap_stop(&shell->timers, timer);
            return rc;
        }
    }
    *ret_timer = timer;
    return 0;
}

static void uv_shell_timer_stop(tj_loop *loop, tj_timer *timer)
{
    tj__timer_heap_stop(&shell_of(loop)->timers, timer);
}

/* ---- turns ---------------------------------------------------------------*/

/* Run tasks until none waits, within reason, and arm the timerfd for all that
 * was started meanwhile. False when tasks are left for the next turn. */
static bool shell_finish_turn(uv_shell *shell)
{
    bool done;
    int pass;

    for (pass = 0; pass < PASSES_MAX; pass++) {
        if (!tj__task_queue_run(&shell->tasks))
            break;
    }
    done = tj__task_queue_rest(&shell->tasks);
    if (!done)
        uv_async_send(&shell->async);
    shell->dispatching = false;
    /* Cannot fail for a descriptor that is ours. */
    if (!shell->closing)
        (void)shell_arm(shell);
    return done;
}

static void on_expiry(uv_poll_t *poll, int status, int events)
{
    uv_shell *shell = poll->data;

    (void)status;
    (void)events;
    shell->dispatching = true;
    /* Arm in any case: it is what takes the expiry back. */
    shell->armed_ns = 0;
    shell->turn_ns = mono_now();
    tj__task_queue_watch(&shell->tasks);
    while (!shell->closing &&
           tj__timer_heap_due(&shell->timers) <= shell->turn_ns)
        tj__timer_heap_fire(&shell->timers, shell->turn_ns);
    shell_finish_turn(shell);
}

static void on_handle_closed(uv_handle_t *handle)
{
    uv_shell *shell = handle->data;
    tj_loop_close_cb cb = shell->close_cb;
    void *userdata = shell->close_userdata;

    if (--shell->open_handles)
        return;
    close(shell->fd);
    tj__timer_heap_done(&shell->timers);
    tj__free(shell);
    if (cb)
        cb(userdata);
}

static void on_async(uv_async_t *async)
{
    uv_shell *shell = async->data;

    shell->dispatching = true;
    if (shell_finish_turn(shell) && shell->closing) {
        uv_close((uv_handle_t *)&shell->poll, on_handle_closed);
        uv_close((uv_handle_t *)&shell->async, on_handle_closed);
    }
}

static void uv_shell_post(tj_loop *loop, tj_task *task)
{
    uv_shell *shell = shell_of(loop);

    if (tj__task_queue_add(&shell->tasks, task))
        uv_async_send(&shell->async);
}

/* ---- beginning and end ---------------------------------------------------*/

static const tj_loop_ops uv_shell_ops = {
    .size = sizeof(tj_loop_ops),
    .timer_start = uv_shell_timer_start,
    .timer_stop = uv_shell_timer_stop,
    .post = uv_shell_post,
};

/* Add both handles to the libuv loop. Takes `shell`, also on failure. */
static int shell_join(uv_shell *shell, struct uv_loop_s *uv, tj_error *reterr)
{
    int rc = uv_async_init(uv, &shell->async, on_async);

    if (rc) {
        close(shell->fd);
        tj__free(shell);
        return tj__error_set_errno(reterr, -rc, "loop", "uv_async_init");
    }
    shell->async.data = shell;
    shell->open_handles = 1;

    rc = uv_poll_init(uv, &shell->poll, shell->fd);
    if (!rc) {
        shell->poll.data = shell;
        shell->open_handles = 2;
        rc = uv_poll_start(&shell->poll, UV_READABLE, on_expiry);
    }
    if (rc) {
        /* The memory goes when libuv has let go of what it knows already. */
        if (shell->open_handles == 2)
            uv_close((uv_handle_t *)&shell->poll, on_handle_closed);
        uv_close((uv_handle_t *)&shell->async, on_handle_closed);
        return tj__error_set_errno(reterr, -rc, "loop", "uv_poll_init");
    }
    return 0;
}

int tj_loop_new_uv(struct uv_loop_s *uv, tj_loop **ret_loop, tj_error *reterr)
{
    uv_shell *shell = tj__calloc(1, sizeof(*shell));
    int rc;

    if (!shell)
        return tj__error_set_errno(reterr, ENOMEM, "loop", "new loop");
    shell->loop.ops = &uv_shell_ops;
    shell->armed_ns = TJ__TIMER_NEVER;
    tj__task_queue_init(&shell->tasks);
    shell->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (shell->fd < 0) {
        rc = tj__error_set_errno(reterr, errno, "loop", "timerfd_create");
        tj__free(shell);
        return rc;
    }
    rc = shell_join(shell, uv, reterr);
    if (!rc)
        *ret_loop = &shell->loop;
    return rc;
}

void tj_loop_close(tj_loop *loop, tj_loop_close_cb cb, void *userdata)
{
    uv_shell *shell = loop ? shell_of(loop) : NULL;

    if (!shell)
        return;
    shell->closing = true;
    shell->close_cb = cb;
    shell->close_userdata = userdata;
    uv_poll_stop(&shell->poll);
    uv_async_send(&shell->async);
}
