/* The two clocks and the two timers. Leases count CLOCK_BOOTTIME, which goes
 * on while the machine is suspended; timeouts of runs count CLOCK_MONOTONIC,
 * which does not, so that a laptop's sleep ends no backup. */
#include "warden/main/warden.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

int64_t warden_now_ns(int clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

void warden_timer_arm(int fd, int64_t at_ns)
{
    struct itimerspec when = { 0 };

    if (at_ns != NEVER) {
        if (at_ns < 1)
            at_ns = 1; /* 0 would disarm */
        when.it_value.tv_sec = at_ns / NS_PER_S;
        when.it_value.tv_nsec = at_ns % NS_PER_S;
    }
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void warden_timer_drain(int fd)
{
    uint64_t expirations;
    ssize_t size = read(fd, &expirations, sizeof(expirations));

    (void)size; /* EAGAIN when it was re-armed meanwhile */
}
