/* A loop and a clock for tests; see timedjobs/testing.h. */
#include <timedjobs/testing.h>

#include <stdbool.h>

#include "base/alloc.h"
#include "loop/task_queue.h"
#include "loop/timer_heap.h"

#define NS_PER_MS INT64_C(1000000)

struct tj_fake_loop {
    tj_loop loop;
    int64_t wall_ms; /* what the wall clock showed at mono_ns 0 */
    int64_t mono_ns;
    tj__timer_heap timers;
    tj__task_queue tasks;
    bool running; /* callbacks run */
};

static tj_fake_loop *fake_of(tj_loop *loop)
{
    return (tj_fake_loop *)(void *)loop;
}

static int fake_timer_start(tj_loop *loop,
                            uint64_t delay_ns,
                            uint64_t period_ns,
                            tj_timer_cb cb,
                            void *userdata,
                            tj_timer **ret_timer)
{
    tj_fake_loop *fake = fake_of(loop);

    return tj__timer_heap_start(
        &fake->timers, tj__timer_add((uint64_t)fake->mono_ns, delay_ns),
        period_ns, cb, userdata, ret_timer);
}

static void fake_timer_stop(tj_loop *loop, tj_timer *timer)
{
    tj__timer_heap_stop(&fake_of(loop)->timers, timer);
}

static void fake_post(tj_loop *loop, tj_task *task)
{
    (void)tj__task_queue_add(&fake_of(loop)->tasks, task);
}

static const tj_loop_ops fake_ops = {
    .size = sizeof(tj_loop_ops),
    .timer_start = fake_timer_start,
    .timer_stop = fake_timer_stop,
    .post = fake_post,
};

int tj_fake_loop_new(int64_t wall_ms, tj_fake_loop **ret_loop)
{
    tj_fake_loop *fake = tj__calloc(1, sizeof(*fake));

    if (!fake)
        return TJ_ENOMEM;
    fake->loop.ops = &fake_ops;
    fake->wall_ms = wall_ms;
    tj__task_queue_init(&fake->tasks);
    *ret_loop = fake;
    return 0;
}

void tj_fake_loop_free(tj_fake_loop *fake)
{
    if (!fake)
        return;
    tj__timer_heap_done(&fake->timers);
    tj__free(fake);
}

tj_loop *tj_fake_loop_get(tj_fake_loop *fake)
{
    return &fake->loop;
}

static tj_instant fake_now(void *userdata)
{
    const tj_fake_loop *fake = userdata;

    return (tj_instant){
        .wall_ms = fake->wall_ms + fake->mono_ns / NS_PER_MS,
        .mono_ns = fake->mono_ns,
    };
}

tj_clock tj_fake_loop_clock(tj_fake_loop *fake)
{
    return (tj_clock){ .now = fake_now, .userdata = fake };
}

static void run_tasks(tj_fake_loop *fake)
{
    while (tj__task_queue_run(&fake->tasks))
        continue;
}

/* Run everything that is due until `until_ns`, moving the clock there. A
 * callback that lets time pass may move it further. */
static void run_until(tj_fake_loop *fake, int64_t until_ns)
{
    fake->running = true;
    run_tasks(fake);
    for (;;) {
        uint64_t due_ns = tj__timer_heap_due(&fake->timers);

        if (until_ns < fake->mono_ns)
            until_ns = fake->mono_ns;
        if (due_ns > (uint64_t)until_ns)
            break;
        if ((int64_t)due_ns > fake->mono_ns)
            fake->mono_ns = (int64_t)due_ns;
        tj__timer_heap_fire(&fake->timers, (uint64_t)fake->mono_ns);
        run_tasks(fake);
    }
    fake->mono_ns = until_ns;
    fake->running = false;
}

void tj_fake_loop_run(tj_fake_loop *fake)
{
    if (!fake->running)
        run_until(fake, fake->mono_ns);
}

void tj_fake_loop_advance(tj_fake_loop *fake, int64_t ms)
{
    int64_t until_ns = fake->mono_ns + (ms > 0 ? ms : 0) * NS_PER_MS;

    if (fake->running)
        fake->mono_ns = until_ns;
    else
        run_until(fake, until_ns);
}

void tj_fake_loop_step_wall(tj_fake_loop *fake, int64_t ms)
{
    fake->wall_ms += ms;
}
