/* Doubles as ECMAScript's Number::toString prints them: the fewest digits that
 * read back as the same double and, among those, the nearest. The digits come
 * from the C library's exact conversions; the decimal point, which belongs to
 * the host program's locale, is never looked at. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"
#include "base/text.h"

enum { DIGITS_MAX = 17 }; /* always enough to tell two doubles apart */

/* The value is 0.d1d2d3… * 10^point. */
typedef struct json_decimal {
    char digits[DIGITS_MAX + 1]; /* NUL-terminated */
    int size;
    int point;
} json_decimal;

static void zeros_strip(json_decimal *decimal)
{
    while (decimal->size > 1 && decimal->digits[decimal->size - 1] == '0')
        decimal->size--;
    decimal->digits[decimal->size] = '\0';
}

/* Numbers with up to 15 digits, which are most: if n / 10^k is the value for a
 * whole n below 10^15, then n is its only decimal of that length (a double has
 * more than 15 digits to itself), so the smallest k is the answer. The
 * division of two exact doubles is rounded once, as reading the text is. */
static bool decimal_guess(json_decimal *decimal, double value)
{
    double power = 1;
    int places;

    if (FLT_EVAL_METHOD != 0 || value >= 1e15 || value < 1e-7)
        return false;
    for (places = 0; places <= 22; places++, power *= 10) {
        double scaled = value * power;
        uint64_t whole;

        if (scaled >= 1e15 - 1)
            return false;
        /* Rounded by hand: libm would be mapped for this one function. */
        whole = (uint64_t)(scaled + 0.5);
        if ((double)whole / power == value) {
            decimal->size = (int)tj__text_format_u64(decimal->digits, whole);
            decimal->point = decimal->size - places;
            zeros_strip(decimal);
            return true;
        }
    }
    return false;
}

/* The nearest decimal with so many digits. */
static void decimal_round(json_decimal *decimal, double value, int digits)
{
    char text[DIGITS_MAX + 32];
    const char *at;

    snprintf(text, sizeof(text), "%.*e", digits - 1, value);
    decimal->size = 0;
    for (at = text; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9' && decimal->size < DIGITS_MAX)
            decimal->digits[decimal->size++] = *at;
    }
    decimal->digits[decimal->size] = '\0';
    decimal->point = 1 + (int)strtol(at + 1, NULL, 10);
}

static bool decimal_reads_as(const json_decimal *decimal, double value)
{
    char text[DIGITS_MAX + 32];

    /* Without a decimal point this reads the same in every locale. */
    snprintf(text, sizeof(text), "%se%d", decimal->digits,
             decimal->point - decimal->size);
    return strtod(text, NULL) == value;
}

/* The doubles below a power of two are twice as near as those above it, so
 * that the next decimal upwards may read back though the nearest, downwards,
 * does not. */
static bool decimal_next(json_decimal *decimal)
{
    char *last = &decimal->digits[decimal->size - 1];

    if (*last == '9')
        return false;
    ++*last;
    return true;
}

static bool is_power_of_two(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return !(bits & ((UINT64_C(1) << (DBL_MANT_DIG - 1)) - 1));
}

static void decimal_search(json_decimal *decimal, double value)
{
    bool lopsided = is_power_of_two(value);
    int digits = value < DBL_MIN ? 1 : 15;

    for (; digits < DIGITS_MAX; digits++) {
        decimal_round(decimal, value, digits);
        if (decimal_reads_as(decimal, value) ||
            (lopsided && decimal_next(decimal) &&
             decimal_reads_as(decimal, value)))
            break;
    }
    if (digits == DIGITS_MAX)
        decimal_round(decimal, value, DIGITS_MAX);
    zeros_strip(decimal);
}

static size_t put(char *text, size_t at, const char *bytes, int size)
{
    memcpy(text + at, bytes, (size_t)size);
    return at + (size_t)size;
}

static size_t put_zeros(char *text, size_t at, int size)
{
    memset(text + at, '0', (size_t)size);
    return at + (size_t)size;
}

/* ECMA-262, Number::toString, with n = point and k = size. */
static size_t
decimal_lay_out(const json_decimal *decimal, char *text, size_t at)
{
    const char *digits = decimal->digits;
    int size = decimal->size;
    int point = decimal->point;

    if (size <= point && point <= 21) {
        at = put(text, at, digits, size);
        return put_zeros(text, at, point - size);
    }
    if (0 < point && point <= 21) {
        at = put(text, at, digits, point);
        text[at++] = '.';
        return put(text, at, digits + point, size - point);
    }
    if (-6 < point && point <= 0) {
        at = put(text, at, "0.", 2);
        at = put_zeros(text, at, -point);
        return put(text, at, digits, size);
    }
    text[at++] = digits[0];
    if (size > 1) {
        text[at++] = '.';
        at = put(text, at, digits + 1, size - 1);
    }
    text[at++] = 'e';
    text[at++] = point > 0 ? '+' : '-';
    return at + tj__text_format_u64(text + at, (uint64_t)abs(point - 1));
}

size_t tj__json_format_number(char text[TJ_JSON_NUMBER_SIZE], double value)
{
    json_decimal decimal;
    size_t size = 0;

    if (!isfinite(value)) {
        memcpy(text, "null", sizeof("null"));
        return strlen("null");
    }
    if (fabs(value) < 0x1p53 && value == trunc(value)) {
        size = tj__text_format_i64(text, (int64_t)value);
        text[size] = '\0';
        return size;
    }
    if (value < 0) {
        text[size++] = '-';
        value = -value;
    }
    if (!decimal_guess(&decimal, value))
        decimal_search(&decimal, value);
    size = decimal_lay_out(&decimal, text, size);
    text[size] = '\0';
    return size;
}
