/* A loop for tests of a lease: tasks from any thread, one-shot timers, and
 * "run until this is true". No libuv, so that nothing else is tested here. */
#ifndef TESTS_LEASE_HAND_LOOP_H
#define TESTS_LEASE_HAND_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/loop.h>

typedef struct hand_loop hand_loop;

hand_loop *hand_loop_new(void);
void hand_loop_free(hand_loop *loop);
tj_loop *hand_loop_get(hand_loop *loop);

/* Run tasks and timers until `is_so` says yes, or `timeout_ms` have passed.
 * Returns what `is_so` says in the end. */
bool hand_loop_until(hand_loop *loop,
                     bool (*is_so)(void *userdata),
                     void *userdata,
                     int64_t timeout_ms);

#endif
