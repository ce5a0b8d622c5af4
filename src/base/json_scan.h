/* How far a string can be taken over as it is, for the reader and the printer
 * alike. */
#ifndef TJ_BASE_JSON_SCAN_H
#define TJ_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TJ__BYTES_OF(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Is one of eight bytes below 0x20, above 0x7f, a quote or a backslash? A
 * borrow can only mark a byte above one that is marked rightly. */
static inline bool tj__json_special_in(const char *bytes)
{
    uint64_t word, quote, backslash;

    memcpy(&word, bytes, sizeof(word));
    quote = word ^ TJ__BYTES_OF('"');
    backslash = word ^ TJ__BYTES_OF('\\');
    return ((word | (word - TJ__BYTES_OF(0x20)) | (quote - TJ__BYTES_OF(1)) |
             (backslash - TJ__BYTES_OF(1))) &
            TJ__BYTES_OF(0x80)) != 0;
}

/* The number of ASCII bytes in front that a JSON string shows as they are. */
static inline size_t tj__json_plain_size(const char *bytes, size_t size)
{
    size_t at = 0;

    while (at + 8 <= size && !tj__json_special_in(bytes + at))
        at += 8;
    /* The rest of a longer string is looked at with what was before it. */
    if (at > 0 && at + 8 > size && !tj__json_special_in(bytes + size - 8))
        return size;
    for (; at < size; at++) {
        unsigned char byte = (unsigned char)bytes[at];

        if (byte < 0x20 || byte > 0x7f || byte == '"' || byte == '\\')
            break;
    }
    return at;
}

#endif
