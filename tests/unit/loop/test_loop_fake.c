/* The fake loop, on which everybody else's tests stand. */
#include "support/heap.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

#include <timedjobs/testing.h>

/* What happened, in order: "a@10x1 " is timer a at 10 ms, one grid point. */
static char story[1024];

struct actor {
    tj_task task; /* first */
    tj_fake_loop *fake;
    tj_timer *timer;
    char name;
    struct actor *posts;  /* post this actor's task when firing */
    struct actor *stops;  /* stop this actor's timer when firing */
    int64_t takes_ms;     /* let so much time pass when firing */
    struct actor *starts; /* start this actor's timer, due at once */
};

static tj_fake_loop *fake;

static int setup(void **state)
{
    heap_install();
    story[0] = '\0';
    return tj_fake_loop_new(INT64_C(1775030400000), &fake);
}

static int teardown(void **state)
{
    tj_fake_loop_free(fake);
    heap_remove();
    return 0;
}

static int64_t now_ms(void)
{
    tj_clock clock = tj_fake_loop_clock(fake);

    return clock.now(clock.userdata).mono_ns / 1000000;
}

static void tell(char name, char kind, uint64_t expirations)
{
    size_t used = strlen(story);

    snprintf(story + used, sizeof(story) - used, "%c%c%ld", name, kind,
             (long)now_ms());
    used = strlen(story);
    if (expirations)
        snprintf(story + used, sizeof(story) - used, "x%lu",
                 (unsigned long)expirations);
    strcat(story, " ");
}

static void on_task(tj_task *task)
{
    tell(((struct actor *)(void *)task)->name, '!', 0);
}

static void on_timer(void *userdata, uint64_t expirations);

static void start(struct actor *actor, uint64_t delay_ms, uint64_t period_ms)
{
    tj_loop *loop = tj_fake_loop_get(fake);

    actor->task.run = on_task;
    assert_int_equal(loop->ops->timer_start(loop, delay_ms * 1000000,
                                            period_ms * 1000000, on_timer,
                                            actor, &actor->timer),
                     0);
}

static void stop(struct actor *actor)
{
    tj_loop *loop = tj_fake_loop_get(fake);

    loop->ops->timer_stop(loop, actor->timer);
    actor->timer = NULL;
}

static void post(struct actor *actor)
{
    tj_loop *loop = tj_fake_loop_get(fake);

    actor->task.run = on_task;
    loop->ops->post(loop, &actor->task);
}

static void on_timer(void *userdata, uint64_t expirations)
{
    struct actor *actor = userdata;

    tell(actor->name, '@', expirations);
    if (actor->posts)
        post(actor->posts);
    if (actor->takes_ms)
        tj_fake_loop_advance(fake, actor->takes_ms);
    if (actor->stops && actor->stops->timer)
        stop(actor->stops);
    if (actor->starts && !actor->starts->timer)
        start(actor->starts, 0, 0);
    /* Neither may nest. */
    tj_fake_loop_run(fake);
}

static void test_timers_fire_at_their_time_and_tasks_follow(void **state)
{
    struct actor task = { .name = 't' };
    struct actor a = { .name = 'a', .posts = &task };
    struct actor b = { .name = 'b' };

    start(&b, 10, 15);
    start(&a, 10, 10);
    tj_fake_loop_run(fake);
    assert_string_equal(story, "");
    tj_fake_loop_advance(fake, 9);
    assert_string_equal(story, "");
    tj_fake_loop_advance(fake, 31);
    /* At 10 and at 40 both are due: b is the older one. */
    assert_string_equal(story, "b@10x1 a@10x1 t!10 a@20x1 t!20 b@25x1 "
                               "a@30x1 t!30 b@40x1 a@40x1 t!40 ");
    assert_int_equal(now_ms(), 40);
}

static void test_run_takes_what_is_due_now(void **state)
{
    struct actor late = { .name = 'l' };
    struct actor timer = { .name = 'a', .starts = &late };
    struct actor task = { .name = 't' };

    start(&timer, 0, 0);
    post(&task);
    assert_string_equal(story, "");
    tj_fake_loop_run(fake);
    assert_string_equal(story, "t!0 a@0x1 l@0x1 ");
    stop(&timer);
    stop(&late);
}

/* A callback that takes long makes others late, and a grid miss points. */
static void test_time_in_a_callback_makes_the_rest_late(void **state)
{
    struct actor slow = { .name = 's', .takes_ms = 35 };
    struct actor fast = { .name = 'f' };

    start(&slow, 10, 0);
    start(&fast, 15, 10);
    tj_fake_loop_advance(fake, 20);
    assert_string_equal(story, "s@10x1 f@45x4 ");
    assert_int_equal(now_ms(), 45);
    tj_fake_loop_advance(fake, 10);
    assert_string_equal(story, "s@10x1 f@45x4 f@55x1 ");
}

/* Stopping what is due in the same instant keeps it from firing; stopping
 * oneself and stopping after the only firing are both fine. */
static void test_stopped_timers_do_not_fire(void **state)
{
    struct actor victim = { .name = 'v' };
    struct actor killer = { .name = 'k', .stops = &victim };
    struct actor suicidal = { .name = 's' };
    struct actor once = { .name = 'o' };

    suicidal.stops = &suicidal;
    start(&killer, 10, 0);
    start(&victim, 10, 0);
    start(&suicidal, 10, 1);
    start(&once, 10, 0);
    tj_fake_loop_advance(fake, 100);
    assert_string_equal(story, "k@10x1 s@10x1 o@10x1 ");
    stop(&once);
    stop(&killer);
}

/* Only what is told to moves each clock. */
static void test_wall_clock_steps_alone(void **state)
{
    tj_clock clock = tj_fake_loop_clock(fake);
    tj_instant now = clock.now(clock.userdata);

    assert_int_equal(now.wall_ms, INT64_C(1775030400000));
    assert_int_equal(now.mono_ns, 0);
    tj_fake_loop_advance(fake, 1500);
    tj_fake_loop_advance(fake, -5);
    tj_fake_loop_step_wall(fake, -3600000);
    now = clock.now(clock.userdata);
    assert_int_equal(now.wall_ms, INT64_C(1775030400000) + 1500 - 3600000);
    assert_int_equal(now.mono_ns, INT64_C(1500000000));
}

static void test_what_still_waits_ends_with_the_loop(void **state)
{
    struct actor timer = { .name = 'a' };
    struct actor task = { .name = 't' };

    start(&timer, 5, 5);
    post(&task);
    tj_fake_loop_free(NULL);
    tj_fake_loop_free(fake);
    fake = NULL;
    assert_int_equal(heap_live(), 0);
    assert_string_equal(story, "");
}

static void test_without_memory_there_is_no_loop(void **state)
{
    tj_fake_loop *none = NULL;

    heap_fail_after(0);
    assert_int_equal(tj_fake_loop_new(0, &none), TJ_ENOMEM);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_timers_fire_at_their_time_and_tasks_follow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_takes_what_is_due_now, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_time_in_a_callback_makes_the_rest_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped_timers_do_not_fire, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_wall_clock_steps_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_what_still_waits_ends_with_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory_there_is_no_loop,
                                        setup, teardown),
    };

    return cmocka_run_group_tests_name("loop/fake", tests, NULL, NULL);
}
