/* For the tests of programs that embed us: time that stands still until it is
 * told to move, a log that stays in memory, and memory that runs out on
 * demand. */
#ifndef TIMEDJOBS_TESTING_H
#define TIMEDJOBS_TESTING_H

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/clock.h>
#include <timedjobs/error.h>
#include <timedjobs/export.h>
#include <timedjobs/log.h>
#include <timedjobs/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The functions through which the library gets its memory. */
typedef struct tj_allocator {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *memory, size_t size);
    void (*free)(void *memory);
} tj_allocator;

/** Replace the allocator, NULL for the C library's. Only while the library
 * holds no memory. Not thread-safe. */
TJ_EXPORT void tj_set_allocator(const tj_allocator *allocator);

/** A loop and a clock whose time moves only by tj_fake_loop_advance. */
typedef struct tj_fake_loop tj_fake_loop;

/** Make a fake loop whose wall clock shows `wall_ms`; its monotonic clock
 * starts at 0. Returns 0 or TJ_ENOMEM. */
TJ_EXPORT int tj_fake_loop_new(int64_t wall_ms, tj_fake_loop **ret_loop);

/** End a fake loop. Tasks that wait are dropped. NULL is a no-op. */
TJ_EXPORT void tj_fake_loop_free(tj_fake_loop *loop);

/** Return the loop and the clock for an engine's options; valid until
 * tj_fake_loop_free. */
TJ_EXPORT tj_loop *tj_fake_loop_get(tj_fake_loop *loop);
TJ_EXPORT tj_clock tj_fake_loop_clock(tj_fake_loop *loop);

/** Run every task and every timer that is due now, until none is left. A no-op
 * in a callback of the loop. */
TJ_EXPORT void tj_fake_loop_run(tj_fake_loop *loop);

/** Let `ms` milliseconds pass: timers fire in order of their due time, those of
 * one instant in the order in which they were made, each with the clock at its
 * due time and followed by all tasks it posted. In a callback of the loop only
 * the clock moves, as if the callback had taken so long: what became due fires
 * afterwards, late. */
TJ_EXPORT void tj_fake_loop_advance(tj_fake_loop *loop, int64_t ms);

/** Step the wall clock, and only it, by `ms` (may be negative). */
TJ_EXPORT void tj_fake_loop_step_wall(tj_fake_loop *loop, int64_t ms);

/** A log sink that keeps its lines in memory, one text for each UTC day.
 * Appending is safe on any thread; the readers below are for when nobody
 * appends. */
typedef struct tj_memory_sink tj_memory_sink;

/** Make an empty sink. Returns 0 or TJ_ENOMEM. */
TJ_EXPORT int tj_memory_sink_new(tj_memory_sink **ret_sink);

/** End a sink and its lines. NULL is a no-op. */
TJ_EXPORT void tj_memory_sink_free(tj_memory_sink *sink);

/** Return the sink for an engine's options; valid until tj_memory_sink_free.
 * Its flush answers inside the call. */
TJ_EXPORT tj_log_sink *tj_memory_sink_get(tj_memory_sink *sink);

/** Return on how many days there are lines. */
TJ_EXPORT size_t tj_memory_sink_n_days(const tj_memory_sink *sink);

/** Return day number `index`'s name, "YYYY-MM-DD", earliest day first; NULL
 * past the end. Borrowed until the next append. */
TJ_EXPORT const char *tj_memory_sink_day_name(const tj_memory_sink *sink,
                                              size_t index);

/** Return that day's lines in the order they came, each ended by a newline,
 * and their size (may be NULL); NULL past the end. NUL-terminated, borrowed
 * until the next append. */
TJ_EXPORT const char *tj_memory_sink_day_text(const tj_memory_sink *sink,
                                              size_t index,
                                              size_t *ret_size);

/** Return how many lines were taken, and how many of them were lost because
 * memory ran out. */
TJ_EXPORT uint64_t tj_memory_sink_n_lines(const tj_memory_sink *sink);
TJ_EXPORT uint64_t tj_memory_sink_n_dropped(const tj_memory_sink *sink);

#ifdef __cplusplus
}
#endif
#endif
