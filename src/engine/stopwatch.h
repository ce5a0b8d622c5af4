/* Reading the time often.
 *
 * A tick wants both clocks at every event. Two readings cost 45 ns; this takes
 * the monotonic one and derives the wall clock from it as long as the kernel's
 * own idea of the wall clock (CLOCK_REALTIME_COARSE, 3 ns) has not moved on:
 * that changes with every tick of the kernel and with every step of the clock,
 * a resume from suspend included, so nothing is ever missed. Another clock
 * than the machine's is read as it is. */
#ifndef TJ_ENGINE_STOPWATCH_H
#define TJ_ENGINE_STOPWATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <timedjobs/clock.h>

typedef struct tj_stopwatch {
    tj_clock clock;
    bool is_system;
    int64_t coarse_ns; /* the kernel's wall clock at the last full reading */
    int64_t wall_ns;   /* the wall clock then */
    int64_t mono_ns;   /* the monotonic clock then */
} tj_stopwatch;

static inline void tj__stopwatch_init(tj_stopwatch *watch, tj_clock clock)
{
    watch->clock = clock;
    watch->is_system = clock.now == tj_clock_system().now;
    watch->coarse_ns = -1;
    watch->wall_ns = 0;
    watch->mono_ns = 0;
}

static inline int64_t tj__stopwatch_ns(clockid_t id)
{
    struct timespec time;

    clock_gettime(id, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline tj_instant tj__stopwatch_read(tj_stopwatch *watch)
{
    int64_t coarse_ns, mono_ns;

    if (!watch->is_system)
        return watch->clock.now(watch->clock.userdata);
    coarse_ns = tj__stopwatch_ns(CLOCK_REALTIME_COARSE);
    mono_ns = tj__stopwatch_ns(CLOCK_MONOTONIC);
    if (coarse_ns != watch->coarse_ns) {
        watch->coarse_ns = coarse_ns;
        watch->wall_ns = tj__stopwatch_ns(CLOCK_REALTIME);
        watch->mono_ns = mono_ns;
    }
    return (tj_instant){
        (watch->wall_ns + (mono_ns - watch->mono_ns)) / 1000000, mono_ns
    };
}

/* Only the wall clock. */
static inline int64_t tj__stopwatch_wall_ms(tj_stopwatch *watch)
{
    struct timespec time;

    if (!watch->is_system)
        return watch->clock.now(watch->clock.userdata).wall_ms;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

#endif
