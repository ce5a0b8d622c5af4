/* See capture.h. */
#include "runners/capture.h"

#include "base/alloc.h"

#include <string.h>

void tj__capture_init(tj_capture *capture, size_t max)
{
    capture->tail = NULL;
    capture->max = max;
    capture->total = 0;
}

void tj__capture_done(tj_capture *capture)
{
    tj__free(capture->tail);
    capture->tail = NULL;
}

/* Write into the ring; at most `max` bytes. */
static void ring_put(tj_capture *capture, const char *bytes, size_t size)
{
    size_t at = (size_t)(capture->total % capture->max);
    size_t first = capture->max - at < size ? capture->max - at : size;

    memcpy(capture->tail + at, bytes, first);
    memcpy(capture->tail, bytes + first, size - first);
}

void tj__capture_add(tj_capture *capture, const char *bytes, size_t size)
{
    if (capture->max > 0 && !capture->tail && size > 0)
        capture->tail = tj__malloc(capture->max);
    if (size > capture->max) {
        size_t skipped = size - capture->max;

        capture->total += skipped;
        bytes += skipped;
        size = capture->max;
    }
    if (capture->tail && capture->max > 0)
        ring_put(capture, bytes, size);
    capture->total += size;
}

size_t tj__capture_size(const tj_capture *capture)
{
    if (!capture->tail)
        return 0;
    return capture->total < capture->max ? (size_t)capture->total
                                         : capture->max;
}

void tj__capture_copy(const tj_capture *capture, char *bytes)
{
    size_t size = tj__capture_size(capture);
    size_t at;
    size_t first;

    if (size == 0)
        return;
    at = size < capture->max ? 0 : (size_t)(capture->total % capture->max);
    first = capture->max - at < size ? capture->max - at : size;
    memcpy(bytes, capture->tail + at, first);
    memcpy(bytes + first, capture->tail, size - first);
}

/* How many bytes at the front belong to a character that began before. */
static size_t torn_bytes(const char *bytes, size_t size)
{
    size_t n = 0;

    while (n < size && n < 3 && ((unsigned char)bytes[n] & 0xc0) == 0x80)
        n++;
    return n;
}

char *tj__capture_text(const tj_capture *capture)
{
    size_t size = tj__capture_size(capture);
    size_t from;
    size_t used = 0;
    char *bytes = tj__malloc(3 * size + 1);
    char *kept;

    if (!bytes)
        return NULL;
    /* The raw bytes sit at the end of the room; each becomes at most two. */
    kept = bytes + 2 * size + 1;
    tj__capture_copy(capture, kept);
    from = capture->total > size ? torn_bytes(kept, size) : 0;
    for (size_t i = from; i < size; i++) {
        if (kept[i] == '\0') {
            bytes[used++] = (char)0xc0;
            bytes[used++] = (char)0x80;
        } else {
            bytes[used++] = kept[i];
        }
    }
    bytes[used] = '\0';
    return bytes;
}
