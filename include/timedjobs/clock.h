/* The clock as an injected interface.
 *
 * An instant carries both clocks. Intervals, durations and deadlines use the
 * monotonic one; log stamps, day files and batch ids use the wall clock. A
 * step of the wall clock therefore changes what is printed and nothing else. */
#ifndef TIMEDJOBS_CLOCK_H
#define TIMEDJOBS_CLOCK_H

#include <stdint.h>

#include <timedjobs/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tj_instant {
    int64_t wall_ms; /* milliseconds since the Unix epoch, UTC */
    int64_t mono_ns; /* nanoseconds on a clock that is never set */
} tj_instant;

/** Where an engine reads the time. `now` must be callable on the thread of
 * the object it is given to. Copied where it is passed in; `userdata` must
 * outlive that object. */
typedef struct tj_clock {
    tj_instant (*now)(void *userdata);
    void *userdata;
} tj_clock;

/** Return the machine's clock: CLOCK_REALTIME and CLOCK_MONOTONIC. */
TJ_EXPORT tj_clock tj_clock_system(void);

#ifdef __cplusplus
}
#endif
#endif
