/* See text.h. */
#include "base/text.h"

#include <string.h>

/* Length in bytes of the JavaScript white space character at `text`, 0 if it
 * is none. */
static size_t js_space_size(const unsigned char *text)
{
    unsigned code;

    if ((text[0] >= 0x09 && text[0] <= 0x0d) || text[0] == 0x20)
        return 1;
    if (text[0] == 0xc2)
        return text[1] == 0xa0 ? 2 : 0;
    if (text[0] < 0xe1 || text[0] > 0xef || (text[1] & 0xc0) != 0x80 ||
        (text[2] & 0xc0) != 0x80)
        return 0;
    code = (text[0] & 0x0fu) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
    switch (code) {
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202f:
    case 0x205f:
    case 0x3000:
    case 0xfeff:
        return 3;
    default:
        return code >= 0x2000 && code <= 0x200a ? 3 : 0;
    }
}

void tj__text_trim_js(const char *text,
                      const char **ret_start,
                      size_t *ret_size)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end;
    size_t step;

    while ((step = js_space_size(at)))
        at += step;
    *ret_start = (const char *)at;

    /* The end of the last character that is no white space. */
    end = at;
    while (*at) {
        step = js_space_size(at);
        at += step ? step : 1;
        if (!step)
            end = at;
    }
    *ret_size = (size_t)((const char *)end - *ret_start);
}

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

static void put_pair(char *text, uint32_t pair)
{
    memcpy(text, &digit_pairs[(size_t)pair * 2], 2);
}

/* Four divisions that do not wait for each other. */
static void put_eight(char *text, uint32_t value)
{
    uint32_t high = value / 10000;
    uint32_t low = value % 10000;

    put_pair(text, high / 100);
    put_pair(text + 2, high % 100);
    put_pair(text + 4, low / 100);
    put_pair(text + 6, low % 100);
}

static size_t count_digits(uint64_t value)
{
    static const uint64_t powers[] = { 0,
                                       10,
                                       100,
                                       1000,
                                       10000,
                                       100000,
                                       1000000,
                                       10000000,
                                       100000000,
                                       1000000000,
                                       10000000000,
                                       100000000000,
                                       1000000000000,
                                       10000000000000,
                                       100000000000000,
                                       1000000000000000,
                                       10000000000000000,
                                       100000000000000000,
                                       1000000000000000000,
                                       UINT64_C(10000000000000000000) };
    /* 1233 / 4096 is the logarithm of 2: the number of digits less one, or
     * one too many. */
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12;

    return guess + (value >= powers[guess]);
}

size_t tj__text_format_u64(char *text, uint64_t value)
{
    size_t size = count_digits(value);
    size_t at = size;
    uint32_t rest;

    for (; value >= 100000000; value /= 100000000)
        put_eight(text + (at -= 8), (uint32_t)(value % 100000000));
    for (rest = (uint32_t)value; rest >= 100; rest /= 100)
        put_pair(text + (at -= 2), rest % 100);
    if (rest >= 10)
        put_pair(text, rest);
    else if (at)
        text[0] = (char)('0' + rest);
    return size;
}

size_t tj__text_format_i64(char *text, int64_t value)
{
    if (value >= 0)
        return tj__text_format_u64(text, (uint64_t)value);
    text[0] = '-';
    return 1 + tj__text_format_u64(text + 1, 0 - (uint64_t)value);
}

static bool is_alphanumeric(char character)
{
    return (character >= 'a' && character <= 'z') ||
           (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9');
}

bool tj__text_is_name(const char *text)
{
    size_t at;

    if (!is_alphanumeric(text[0]))
        return false;
    for (at = 1; text[at]; at++) {
        if (at >= 64)
            return false;
        if (!is_alphanumeric(text[at]) && !strchr("._-", text[at]))
            return false;
    }
    return true;
}

size_t tj__text_utf8_size(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length, at;

    if (bytes[0] < 0x80)
        return 1;
    if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf)
        length = 2;
    else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef)
        length = 3;
    else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (length > size)
        return 0;
    for (at = 1; at < length; at++) {
        if ((bytes[at] & 0xc0) != 0x80)
            return 0;
    }
    if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) ||
        (bytes[0] == 0xed && bytes[1] > 0x9f) ||
        (bytes[0] == 0xf0 && bytes[1] < 0x90) ||
        (bytes[0] == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return length;
}

bool tj__text_is_printable(const char *text, size_t size)
{
    size_t step;

    while (size) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f ||
            !(step = tj__text_utf8_size(text, size)))
            return false;
        text += step;
        size -= step;
    }
    return true;
}

static size_t least(size_t left, size_t right)
{
    return left < right ? left : right;
}

size_t tj__text_distance(const char *left, const char *right, size_t limit)
{
    enum { WORD_MAX = 64 };

    size_t rows[3][WORD_MAX + 1];
    size_t left_size = strlen(left);
    size_t right_size = strlen(right);
    size_t i, j;

    if (left_size > WORD_MAX || right_size > WORD_MAX)
        return strcmp(left, right) ? limit + 1 : 0;
    for (j = 0; j <= right_size; j++)
        rows[0][j] = j;
    for (i = 1; i <= left_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (j = 1; j <= right_size; j++) {
            size_t changed = left[i - 1] != right[j - 1];

            row[j] =
                least(least(above[j], row[j - 1]) + 1, above[j - 1] + changed);
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] &&
                left[i - 2] == right[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return least(rows[left_size % 3][right_size], limit + 1);
}
