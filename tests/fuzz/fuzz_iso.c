/* Whatever bytes: a text that reads as an instant prints as itself, and every
 * instant prints as a text that reads as itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/iso_time.h"

#define MS_MAX INT64_C(8640000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tj_iso_clock clock;
    char text[TJ_ISO_TIME_SIZE];
    int64_t wall_ms, back;
    size_t length, cached;

    if (tj__iso_time_parse((const char *)data, size, &wall_ms)) {
        length = tj__iso_time_print(text, wall_ms);
        /* The milliseconds may have been left out. */
        check(size == length || size == length - 4);
        check(memcmp(text, data, length - 5) == 0);
    }
    if (size < sizeof(wall_ms))
        return 0;
    memcpy(&wall_ms, data, sizeof(wall_ms));
    length = tj__iso_time_print(text, wall_ms);
    check(length == strlen(text) && length < sizeof(text));
    check(strcmp(tj__iso_clock_print(&clock, wall_ms, &cached), text) == 0);
    check(cached == length);
    check(tj__iso_time_parse(text, length, &back));
    if (wall_ms >= -MS_MAX && wall_ms <= MS_MAX)
        check(back == wall_ms);
    return 0;
}
