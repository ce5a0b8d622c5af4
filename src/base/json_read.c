/* Reading JSON, strictly as RFC 8259 has it; see tj_json_parse in
 * timedjobs/json.h. Nothing here recurses: an open container is found again by
 * the parent of the one inside it. Time grows with the size of the text,
 * whatever the text is. */
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json_scan.h"
#include "base/json_tree.h"
#include "base/text.h"

typedef struct json_reader {
    const char *text;
    size_t size;
    size_t at;
    tj_json *container; /* the innermost open one */
    unsigned depth;
    tj_buf scratch; /* the string or number being read */
    tj_error *reterr;
} json_reader;

/* ---- errors --------------------------------------------------------------*/

/* Fail at offset `at`, which becomes a line and a column in characters. */
static int TJ_PRINTF(4, 5)
    fail(json_reader *reader, int code, size_t at, const char *format, ...)
{
    size_t line = 1;
    size_t column = 1;
    char message[128];
    va_list arguments;
    size_t i;

    for (i = 0; i < at; i++) {
        if (reader->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)reader->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    return tj__error_set(reader->reterr, code, "json",
                         "line %zu column %zu: %s", line, column, message);
}

/* Fail at the current byte, which is none of what was expected. */
static int fail_expected(json_reader *reader, const char *expected)
{
    unsigned char byte;

    if (reader->at == reader->size)
        return fail(reader, TJ_EPARSE, reader->at,
                    "expected %s, but the text ends", expected);
    byte = (unsigned char)reader->text[reader->at];
    if (byte > 0x20 && byte < 0x7f)
        return fail(reader, TJ_EPARSE, reader->at, "expected %s, not '%c'",
                    expected, byte);
    return fail(reader, TJ_EPARSE, reader->at, "expected %s, not byte 0x%02x",
                expected, byte);
}

static int fail_memory(json_reader *reader)
{
    return tj__error_set(reader->reterr, TJ_ENOMEM, "json", "%s",
                         tj_error_text(TJ_ENOMEM));
}

/* ---- bytes ---------------------------------------------------------------*/

/* The byte at the current place; 0, which is no part of the grammar, at the
 * end. */
static char peek(const json_reader *reader)
{
    if (reader->at == reader->size)
        return '\0';
    return reader->text[reader->at];
}

static bool accept(json_reader *reader, char character)
{
    if (reader->at == reader->size || reader->text[reader->at] != character)
        return false;
    reader->at++;
    return true;
}

static void skip_space(json_reader *reader)
{
    while (reader->at < reader->size && (reader->text[reader->at] == ' ' ||
                                         reader->text[reader->at] == '\n' ||
                                         reader->text[reader->at] == '\r' ||
                                         reader->text[reader->at] == '\t'))
        reader->at++;
}

static size_t skip_digits(json_reader *reader)
{
    size_t start = reader->at;

    while (peek(reader) >= '0' && peek(reader) <= '9')
        reader->at++;
    return reader->at - start;
}

/* ---- strings -------------------------------------------------------------*/

/* Append a code unit or code point. U+0000 and surrogates take the forms that
 * timedjobs/json.h describes. */
static void code_append(tj_buf *buf, unsigned code)
{
    char text[4];
    size_t size = 0;

    if (code && code < 0x80) {
        text[size++] = (char)code;
    } else if (code < 0x800) {
        text[size++] = (char)(0xc0 | code >> 6);
        text[size++] = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        text[size++] = (char)(0xe0 | code >> 12);
        text[size++] = (char)(0x80 | (code >> 6 & 0x3f));
        text[size++] = (char)(0x80 | (code & 0x3f));
    } else {
        text[size++] = (char)(0xf0 | code >> 18);
        text[size++] = (char)(0x80 | (code >> 12 & 0x3f));
        text[size++] = (char)(0x80 | (code >> 6 & 0x3f));
        text[size++] = (char)(0x80 | (code & 0x3f));
    }
    tj__buf_append(buf, text, size);
}

static bool read_hex4(const json_reader *reader, size_t at, unsigned *ret_unit)
{
    unsigned unit = 0;
    size_t i;

    if (reader->size - at < 4)
        return false;
    for (i = at; i < at + 4; i++) {
        char digit = reader->text[i];

        if (digit >= '0' && digit <= '9')
            unit = unit << 4 | (unsigned)(digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            unit = unit << 4 | (unsigned)(digit - 'a' + 10);
        else if (digit >= 'A' && digit <= 'F')
            unit = unit << 4 | (unsigned)(digit - 'A' + 10);
        else
            return false;
    }
    *ret_unit = unit;
    return true;
}

/* Read what follows "\u", and the second half of a pair if there is one. */
static int read_unicode_escape(json_reader *reader)
{
    unsigned unit, low;

    if (!read_hex4(reader, reader->at, &unit))
        return fail(reader, TJ_EPARSE, reader->at,
                    "expected four hexadecimal digits after \\u");
    reader->at += 4;
    if (unit >= 0xd800 && unit < 0xdc00 && reader->size - reader->at >= 6 &&
        reader->text[reader->at] == '\\' &&
        reader->text[reader->at + 1] == 'u' &&
        read_hex4(reader, reader->at + 2, &low) && low >= 0xdc00 &&
        low < 0xe000) {
        reader->at += 6;
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
    }
    code_append(&reader->scratch, unit);
    return 0;
}

static int read_escape(json_reader *reader)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char letter = peek(reader);
    const char *found = letter ? strchr(letters, letter) : NULL;

    if (accept(reader, 'u'))
        return read_unicode_escape(reader);
    if (!found)
        return fail_expected(reader, "one of \"\\/bfnrtu after a backslash");
    tj__buf_append_char(&reader->scratch, meanings[found - letters]);
    reader->at++;
    return 0;
}

/* Read a string, its opening quote behind us, into the scratch buffer. */
static int read_text(json_reader *reader)
{
    int rc = 0;

    tj__buf_clear(&reader->scratch);
    while (!rc) {
        const char *here = reader->text + reader->at;
        size_t left = reader->size - reader->at;
        size_t run = tj__json_plain_size(here, left);

        if (run < left && (unsigned char)here[run] >= 0x80) {
            size_t step = tj__text_utf8_size(here + run, left - run);

            if (!step)
                return fail(reader, TJ_EPARSE, reader->at + run,
                            "a string is not valid UTF-8");
            run += step;
        }
        tj__buf_append(&reader->scratch, here, run);
        reader->at += run;
        if (reader->at == reader->size)
            return fail(reader, TJ_EPARSE, reader->at, "a string does not end");
        if (accept(reader, '"'))
            break;
        if (accept(reader, '\\'))
            rc = read_escape(reader);
        else if ((unsigned char)peek(reader) < 0x20)
            return fail(reader, TJ_EPARSE, reader->at,
                        "byte 0x%02x in a string must be escaped",
                        (unsigned char)peek(reader));
    }
    if (!rc && reader->scratch.failed)
        return fail_memory(reader);
    return rc;
}

static int read_string(json_reader *reader, tj_json **place)
{
    int rc = read_text(reader);

    if (rc)
        return rc;
    *place = tj__json_new_text(reader->scratch.data ? reader->scratch.data : "",
                               reader->scratch.size);
    return *place ? 0 : fail_memory(reader);
}

/* ---- numbers -------------------------------------------------------------*/

/* Read the digits of an int64_t; false when they are too many. */
static bool read_integer(const char *text, size_t size, int64_t *ret_integer)
{
    bool negative = *text == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t integer = 0;
    size_t at;

    for (at = negative; at < size; at++) {
        uint64_t digit = (uint64_t)(text[at] - '0');

        if (integer > (limit - digit) / 10)
            return false;
        integer = integer * 10 + digit;
    }
    /* Minus nothing is a number of its own, which only a double can hold. */
    if (negative && !integer)
        return false;
    *ret_integer = negative ? (int64_t)(0 - integer) : (int64_t)integer;
    return true;
}

/* Read a double from text that follows the grammar, whatever locale the host
 * program runs in. */
static int read_double(json_reader *reader, size_t start, tj_json **place)
{
    /* The C library has this one ready; asking for it cannot fail. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double number;

    tj__buf_clear(&reader->scratch);
    tj__buf_append(&reader->scratch, reader->text + start, reader->at - start);
    if (reader->scratch.failed || !plain)
        return fail_memory(reader);
    number = strtod_l(reader->scratch.data, NULL, plain);
    freelocale(plain);
    if (!isfinite(number))
        return fail(reader, TJ_EPARSE, start,
                    "a number is beyond the range of a double");
    *place = tj_json_new_number(number);
    return *place ? 0 : fail_memory(reader);
}

static int read_number(json_reader *reader, tj_json **place)
{
    size_t start = reader->at;
    bool whole = true;
    int64_t integer;

    accept(reader, '-');
    if (!accept(reader, '0') && !skip_digits(reader))
        return fail_expected(reader, "a digit");
    if (accept(reader, '.')) {
        whole = false;
        if (!skip_digits(reader))
            return fail_expected(reader, "a digit after the decimal point");
    }
    if (accept(reader, 'e') || accept(reader, 'E')) {
        whole = false;
        if (!accept(reader, '+'))
            accept(reader, '-');
        if (!skip_digits(reader))
            return fail_expected(reader, "a digit in the exponent");
    }
    if (!whole ||
        !read_integer(reader->text + start, reader->at - start, &integer))
        return read_double(reader, start, place);
    *place = tj_json_new_int(integer);
    return *place ? 0 : fail_memory(reader);
}

/* ---- values --------------------------------------------------------------*/

static int read_word(json_reader *reader,
                     const char *word,
                     tj_json *value,
                     tj_json **place)
{
    size_t size = strlen(word);

    *place = value;
    if (!value)
        return fail_memory(reader);
    if (reader->size - reader->at < size ||
        memcmp(reader->text + reader->at, word, size) != 0)
        return fail_expected(reader, "a value");
    reader->at += size;
    return 0;
}

/* Read a value; of a container the opening bracket only, which makes it the
 * innermost open one. */
static int read_value(json_reader *reader, tj_json **place)
{
    tj_json *container = reader->container;
    bool opens = false;
    int rc;

    switch (peek(reader)) {
    case '{':
    case '[':
        if (reader->depth == TJ_JSON_DEPTH_MAX)
            return fail(reader, TJ_ETOOBIG, reader->at,
                        "nested deeper than %d levels", TJ_JSON_DEPTH_MAX);
        opens = true;
        *place =
            tj__json_new(peek(reader) == '{' ? TJ_JSON_OBJECT : TJ_JSON_ARRAY);
        rc = *place ? 0 : fail_memory(reader);
        reader->at++;
        break;
    case '"':
        reader->at++;
        rc = read_string(reader, place);
        break;
    case 't':
        rc = read_word(reader, "true", tj_json_new_bool(true), place);
        break;
    case 'f':
        rc = read_word(reader, "false", tj_json_new_bool(false), place);
        break;
    case 'n':
        rc = read_word(reader, "null", tj_json_new_null(), place);
        break;
    default:
        if (peek(reader) != '-' && (peek(reader) < '0' || peek(reader) > '9'))
            return fail_expected(reader, "a value");
        rc = read_number(reader, place);
        break;
    }
    if (*place)
        (*place)->parent = container;
    if (!rc && opens) {
        reader->container = *place;
        reader->depth++;
    }
    return rc;
}

static int fail_duplicate(json_reader *reader, size_t at, const char *key)
{
    size_t size = strlen(key);

    if (size > 64 || !tj__text_is_printable(key, size))
        return fail(reader, TJ_EPARSE, at, "a key comes twice");
    return fail(reader, TJ_EPARSE, at, "the key \"%s\" comes twice", key);
}

/* Read `"key":` and make its place. */
static int read_key(json_reader *reader, tj_json ***ret_place)
{
    size_t start = reader->at;
    tj__json_member *member;
    const char *key;
    int rc;

    if (!accept(reader, '"'))
        return fail_expected(reader, "a key in double quotes");
    rc = read_text(reader);
    if (rc)
        return rc;
    key = reader->scratch.data ? reader->scratch.data : "";
    if (tj__json_member_find(reader->container, key, reader->scratch.size))
        return fail_duplicate(reader, start, key);
    member = tj__json_member_add(reader->container, key, reader->scratch.size);
    if (!member)
        return fail_memory(reader);
    *ret_place = &member->value;
    skip_space(reader);
    if (!accept(reader, ':'))
        return fail_expected(reader, "':' after a key");
    skip_space(reader);
    return 0;
}

/* Make the place for the next child of the innermost container. */
static int read_place(json_reader *reader, tj_json ***ret_place)
{
    if (reader->container->type == TJ_JSON_OBJECT)
        return read_key(reader, ret_place);
    *ret_place = tj__json_array_push(reader->container);
    return *ret_place ? 0 : fail_memory(reader);
}

static bool accept_close(json_reader *reader)
{
    tj_json *closed = reader->container;
    bool is_object = closed->type == TJ_JSON_OBJECT;

    if (!accept(reader, is_object ? '}' : ']'))
        return false;
    if (is_object)
        tj__json_members_sort(closed);
    reader->container = closed->parent;
    reader->depth--;
    if (reader->container && reader->container->height <= closed->height)
        reader->container->height = (uint16_t)(closed->height + 1);
    return true;
}

/* After a value: close what ends here. Leaves the reader before the next child
 * of an open container, or behind the outermost value. */
static int read_after_value(json_reader *reader)
{
    for (;;) {
        skip_space(reader);
        if (!reader->container)
            return 0;
        if (accept(reader, ',')) {
            skip_space(reader);
            return 0;
        }
        if (!accept_close(reader))
            return fail_expected(reader,
                                 reader->container->type == TJ_JSON_OBJECT
                                     ? "',' or '}'"
                                     : "',' or ']'");
    }
}

static int read_root(json_reader *reader, tj_json **root)
{
    tj_json **place = root;
    int rc;

    skip_space(reader);
    do {
        tj_json *container = reader->container;

        rc = read_value(reader, place);
        if (!rc && reader->container != container) {
            skip_space(reader);
            if (!accept_close(reader)) {
                rc = read_place(reader, &place);
                continue;
            }
        }
        if (!rc)
            rc = read_after_value(reader);
        if (!rc && reader->container)
            rc = read_place(reader, &place);
    } while (!rc && reader->container);

    if (!rc && reader->at != reader->size)
        rc = fail_expected(reader, "nothing after the value");
    return rc;
}

int tj_json_parse(const char *text,
                  size_t size,
                  tj_json **ret_value,
                  tj_error *reterr)
{
    json_reader reader = { .text = text, .size = size, .reterr = reterr };
    tj_json *root = NULL;
    int rc;

    reader.scratch = (tj_buf)TJ_BUF_INIT;
    rc = read_root(&reader, &root);
    tj__buf_done(&reader.scratch);
    if (rc)
        tj_json_free(root);
    else
        *ret_value = root;
    return rc;
}
