/* The machine's clock; see timedjobs/clock.h. */
#include <timedjobs/clock.h>

#include <time.h>

static tj_instant system_now(void *userdata)
{
    struct timespec wall, mono;

    (void)userdata;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    return (tj_instant){
        .wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
        .mono_ns = (int64_t)mono.tv_sec * 1000000000 + mono.tv_nsec,
    };
}

tj_clock tj_clock_system(void)
{
    return (tj_clock){ .now = system_now };
}
