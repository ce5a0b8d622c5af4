/* See buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/text.h"

bool tj__buf_grow(tj_buf *buf, size_t extra)
{
    size_t needed, capacity;
    char *data;

    if (buf->failed)
        return false;
    if (extra >= SIZE_MAX / 2 - buf->size ||
        (buf->size_max && buf->size + extra > buf->size_max)) {
        buf->failed = true;
        return false;
    }
    needed = buf->size + extra + 1;
    capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    data = tj__realloc(buf->data, capacity);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void tj__buf_append_text(tj_buf *buf, const char *text)
{
    tj__buf_append(buf, text, strlen(text));
}

void tj__buf_append_int(tj_buf *buf, int64_t value)
{
    char text[24];

    tj__buf_append(buf, text, tj__text_format_i64(text, value));
}

void tj__buf_printf(tj_buf *buf, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !tj__buf_reserve(buf, (size_t)length)) {
        buf->failed = true;
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(buf->data + buf->size, (size_t)length + 1, format,
                    arguments);
    va_end(arguments);
    buf->size += (size_t)length;
}

void tj__buf_clear(tj_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

void tj__buf_consume(tj_buf *buf, size_t size)
{
    if (size >= buf->size) {
        buf->size = 0;
    } else {
        memmove(buf->data, buf->data + size, buf->size - size);
        buf->size -= size;
    }
    if (buf->data)
        buf->data[buf->size] = '\0';
}

void tj__buf_done(tj_buf *buf)
{
    tj__free(buf->data);
    buf->data = NULL;
    buf->size = 0;
    buf->capacity = 0;
    buf->failed = false;
}

char *tj__buf_take(tj_buf *buf, size_t *ret_size)
{
    char *data;

    if (buf->failed || !tj__buf_reserve(buf, 0)) {
        tj__buf_done(buf);
        return NULL;
    }
    buf->data[buf->size] = '\0';
    data = buf->data;
    if (ret_size)
        *ret_size = buf->size;
    buf->data = NULL;
    buf->size = 0;
    buf->capacity = 0;
    return data;
}
