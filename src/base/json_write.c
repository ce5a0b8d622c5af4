/* Printing JSON; see json_write.h. */
#include "base/json_write.h"

#include "base/json_scan.h"
#include "base/json_tree.h"
#include "base/text.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes that start no sequence and cannot be looked beyond read as 0. */
static unsigned byte_at(const char *bytes, size_t size, size_t at)
{
    return at < size ? (unsigned char)bytes[at] : 0;
}

/* The code unit of a surrogate in its three-byte form, 0 if it is none. */
static unsigned surrogate_at(const char *bytes, size_t size)
{
    unsigned second = byte_at(bytes, size, 1);
    unsigned third = byte_at(bytes, size, 2);

    if (byte_at(bytes, size, 0) != 0xed || second < 0xa0 || second > 0xbf ||
        (third & 0xc0) != 0x80)
        return 0;
    return 0xd000 | (second & 0x3f) << 6 | (third & 0x3f);
}

/* How many bytes of a malformed sequence one U+FFFD stands for: the longest
 * beginning of a well-formed sequence, else one byte, as browsers have it. */
static size_t malformed_size(const char *bytes, size_t size)
{
    unsigned first = byte_at(bytes, size, 0);
    unsigned second = byte_at(bytes, size, 1);
    unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    if (first < 0xe0 || first > 0xf4 || second < low || second > high)
        return 1;
    if (first < 0xf0 || (byte_at(bytes, size, 2) & 0xc0) != 0x80)
        return 2;
    return 3;
}

static void unit_escape(tj_buf *buf, unsigned unit)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = { '\\', 'u' };

    text[2] = hex[unit >> 12 & 0xf];
    text[3] = hex[unit >> 8 & 0xf];
    text[4] = hex[unit >> 4 & 0xf];
    text[5] = hex[unit & 0xf];
    tj__buf_append(buf, text, sizeof(text));
}

static void ascii_escape(tj_buf *buf, char character)
{
    static const char shorts[] = "\b\f\n\r\t\"\\";
    static const char letters[] = "bfnrt\"\\";
    const char *found = character ? strchr(shorts, character) : NULL;
    char text[2] = { '\\' };

    if (!found) {
        unit_escape(buf, (unsigned char)character);
        return;
    }
    text[1] = letters[found - shorts];
    tj__buf_append(buf, text, sizeof(text));
}

/* Two halves of a pair, each in its three-byte form, are one character. */
static void pair_append(tj_buf *buf, unsigned high, unsigned low)
{
    unsigned code = 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
    char text[4] = { (char)(0xf0 | code >> 18),
                     (char)(0x80 | (code >> 12 & 0x3f)),
                     (char)(0x80 | (code >> 6 & 0x3f)),
                     (char)(0x80 | (code & 0x3f)) };

    tj__buf_append(buf, text, sizeof(text));
}

/* Print what is no part of a plain run; return how many bytes that was. */
static size_t special_append(tj_buf *buf, const char *bytes, size_t size)
{
    unsigned unit, next;

    if ((unsigned char)bytes[0] < 0x80) {
        ascii_escape(buf, bytes[0]);
        return 1;
    }
    if (byte_at(bytes, size, 0) == 0xc0 && byte_at(bytes, size, 1) == 0x80) {
        unit_escape(buf, 0);
        return 2;
    }
    unit = surrogate_at(bytes, size);
    if (!unit) {
        tj__buf_append(buf, REPLACEMENT, 3);
        return malformed_size(bytes, size);
    }
    next = unit < 0xdc00 ? surrogate_at(bytes + 3, size - 3) : 0;
    if (next >= 0xdc00) {
        pair_append(buf, unit, next);
        return 6;
    }
    unit_escape(buf, unit);
    return 3;
}

/* The bytes in front that are printed as they are: plain ASCII and well-formed
 * UTF-8. */
static size_t run_size(const char *bytes, size_t size)
{
    size_t at = tj__json_plain_size(bytes, size);
    size_t step;

    while (at < size && (unsigned char)bytes[at] >= 0x80 &&
           (step = tj__text_utf8_size(bytes + at, size - at))) {
        at += step;
        at += tj__json_plain_size(bytes + at, size - at);
    }
    return at;
}

void tj__json_write_bytes(tj_buf *buf, const char *bytes, size_t size)
{
    size_t run = run_size(bytes, size);
    char *at;

    if (!tj__buf_reserve(buf, run + 2))
        return;
    at = buf->data + buf->size;
    *at++ = '"';
    memcpy(at, bytes, run);
    buf->size += run + 1;
    if (run == size) { /* as nearly always */
        at[run] = '"';
        at[run + 1] = '\0';
        buf->size++;
        return;
    }

    while (run < size) {
        run += special_append(buf, bytes + run, size - run);
        bytes += run;
        size -= run;
        run = run_size(bytes, size);
        tj__buf_append(buf, bytes, run);
    }
    tj__buf_append_char(buf, '"');
}

void tj__json_write_string(tj_buf *buf, const char *text)
{
    if (text)
        tj__json_write_bytes(buf, text, strlen(text));
    else
        tj__buf_append(buf, "null", 4);
}

void tj__json_write_number(tj_buf *buf, double value)
{
    char text[TJ_JSON_NUMBER_SIZE];

    tj__buf_append(buf, text, tj__json_format_number(text, value));
}

/* Print a value, of a container only its opening bracket. */
static void value_open(tj_buf *buf, const tj_json *value)
{
    switch (tj_json_type_of(value)) {
    case TJ_JSON_NULL:
        tj__buf_append(buf, "null", 4);
        break;
    case TJ_JSON_BOOL:
        tj__buf_append_text(buf, value->boolean ? "true" : "false");
        break;
    case TJ_JSON_NUMBER:
        if (value->is_integer)
            tj__buf_append_int(buf, value->integer);
        else
            tj__json_write_number(buf, value->number);
        break;
    case TJ_JSON_STRING:
        tj__json_write_bytes(buf, value->string.text, value->string.size);
        break;
    case TJ_JSON_ARRAY:
        tj__buf_append_char(buf, '[');
        break;
    case TJ_JSON_OBJECT:
        tj__buf_append_char(buf, '{');
        break;
    }
}

/* Print child number `at` and what stands before it. */
static const tj_json *
child_open(tj_buf *buf, const tj_json *container, size_t at)
{
    const tj_json *child = tj_json_at(container, at);

    if (at)
        tj__buf_append_char(buf, ',');
    if (container->type == TJ_JSON_OBJECT) {
        const tj__json_member *member = container->object.members[at];

        tj__json_write_bytes(buf, member->key, member->key_size);
        tj__buf_append_char(buf, ':');
    }
    value_open(buf, child);
    return child;
}

/* Print all children of a container and its closing bracket. */
static void children_write(tj_buf *buf, const tj_json *value)
{
    size_t next[TJ_JSON_DEPTH_MAX] = { 0 }; /* child to print, by level */
    const tj_json *container = value;
    size_t depth = 0;

    for (;;) {
        const tj_json *child;

        if (next[depth] == tj_json_size(container)) {
            tj__buf_append_char(buf,
                                container->type == TJ_JSON_ARRAY ? ']' : '}');
            if (container == value)
                return;
            container = container->parent;
            depth--;
            continue;
        }
        child = child_open(buf, container, next[depth]++);
        if (tj__json_is_container(child)) {
            container = child;
            next[++depth] = 0;
        }
    }
}

void tj__json_write_value(tj_buf *buf, const tj_json *value)
{
    value_open(buf, value);
    if (value && tj__json_is_container(value))
        children_write(buf, value);
}

int tj_json_print(const tj_json *value, char **ret_text, size_t *ret_size)
{
    tj_buf buf = TJ_BUF_INIT;
    char *text;

    tj__json_write_value(&buf, value);
    text = tj__buf_take(&buf, ret_size);
    if (!text)
        return TJ_ENOMEM;
    *ret_text = text;
    return 0;
}
