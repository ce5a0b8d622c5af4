/* Instants as "2026-04-01T08:00:00.000Z", without the C library's time
 * functions (no locale, no zone, no lock). */
#ifndef TJ_BASE_ISO_TIME_H
#define TJ_BASE_ISO_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TJ_ISO_TIME_LENGTH 24 /* years 0 to 9999 */
#define TJ_ISO_DATE_LENGTH 10
#define TJ_ISO_TIME_SIZE   28 /* years outside print as ±YYYYYY */

/* Remembers the last second it printed: most calls change three digits only.
 * Zero-initialised is ready. */
typedef struct tj_iso_clock {
    int64_t second; /* the second that `text` shows */
    size_t length;  /* 0 before the first use */
    char text[TJ_ISO_TIME_SIZE];
} tj_iso_clock;

/* Print as JavaScript's toISOString does; the text is NUL-terminated and
 * borrowed until the next call. What a JavaScript Date cannot hold, further
 * than 8.64e15 ms from the epoch, prints as the last that it can. */
const char *
tj__iso_clock_print(tj_iso_clock *clock, int64_t wall_ms, size_t *ret_length);

/* The same without a cache; returns the length. */
size_t tj__iso_time_print(char text[TJ_ISO_TIME_SIZE], int64_t wall_ms);

/* Read what the above printed; the milliseconds with their point may be left
 * out. False if it is not such a text or no such instant. */
bool tj__iso_time_parse(const char *text, size_t size, int64_t *ret_wall_ms);

/* The UTC day number of an instant, days since 1970-01-01 (floor). */
int64_t tj__iso_day(int64_t wall_ms);

#endif
