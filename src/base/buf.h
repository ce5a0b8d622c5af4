/* A growing byte buffer with a cap and a sticky error.
 *
 * Appending never has to be checked one by one: after a failed append (out of
 * memory, or past the cap) the buffer stays as it was, `failed` is set, and
 * further appends do nothing. The bytes are always NUL-terminated once
 * anything was appended. */
#ifndef TJ_BASE_BUF_H
#define TJ_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <timedjobs/export.h>

typedef struct tj_buf {
    char *data;
    size_t size;     /* bytes in use, without the NUL */
    size_t capacity; /* bytes allocated, 0 when data is NULL */
    size_t size_max; /* the cap; 0: none */
    bool failed;
} tj_buf;

#define TJ_BUF_INIT          \
    {                        \
        NULL, 0, 0, 0, false \
    }

/* What tj__buf_reserve does when there is no room yet. */
bool tj__buf_grow(tj_buf *buf, size_t extra);

/* Make room for `extra` more bytes and the NUL. False (and failed) if not. */
static inline bool tj__buf_reserve(tj_buf *buf, size_t extra)
{
    if (!buf->failed && buf->capacity - buf->size > extra &&
        (!buf->size_max || buf->size + extra <= buf->size_max))
        return true;
    return tj__buf_grow(buf, extra);
}

static inline void tj__buf_append(tj_buf *buf, const void *bytes, size_t size)
{
    if (!tj__buf_reserve(buf, size))
        return;
    if (size)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

static inline void tj__buf_append_char(tj_buf *buf, char character)
{
    tj__buf_append(buf, &character, 1);
}

void tj__buf_append_text(tj_buf *buf, const char *text);
void tj__buf_append_int(tj_buf *buf, int64_t value);
void tj__buf_printf(tj_buf *buf, const char *format, ...) TJ_PRINTF(2, 3);
/* Forget the bytes and the failure, keep the memory. */
void tj__buf_clear(tj_buf *buf);
/* Remove `size` bytes from the front. */
void tj__buf_consume(tj_buf *buf, size_t size);
/* Release the memory; the buffer can be used again. */
void tj__buf_done(tj_buf *buf);
/* Hand the memory over (free with tj__free); the buffer is empty again. NULL
 * when it failed. */
char *tj__buf_take(tj_buf *buf, size_t *ret_size);

#endif
