/* See iso_time.h. Years are proleptic Gregorian and begin in March here, so
 * that the leap day is the last of a year and months follow one formula. */
#include "base/iso_time.h"

#include <string.h>

#include "base/text.h"

#define MS_PER_DAY    INT64_C(86400000)
#define DAYS_PER_ERA  INT64_C(146097) /* 400 years */
#define DAYS_TO_EPOCH INT64_C(719468) /* from 0000-03-01 to 1970-01-01 */
#define MS_MAX        INT64_C(8640000000000000) /* what a JavaScript Date holds */

static int64_t divide_floor(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

static void civil_from_day(int64_t day,
                           int64_t *ret_year,
                           unsigned *ret_month,
                           unsigned *ret_mday)
{
    int64_t since = day + DAYS_TO_EPOCH;
    int64_t era = divide_floor(since, DAYS_PER_ERA);
    unsigned era_day = (unsigned)(since - era * DAYS_PER_ERA);
    unsigned era_year =
        (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
    unsigned year_day =
        era_day - (365 * era_year + era_year / 4 - era_year / 100);
    unsigned march_month = (5 * year_day + 2) / 153;

    *ret_mday = year_day - (153 * march_month + 2) / 5 + 1;
    *ret_month = march_month < 10 ? march_month + 3 : march_month - 9;
    *ret_year = era * 400 + era_year + (*ret_month <= 2);
}

static int64_t day_from_civil(int64_t year, unsigned month, unsigned mday)
{
    int64_t march_year = year - (month <= 2);
    int64_t era = divide_floor(march_year, 400);
    int64_t era_year = march_year - era * 400;
    int64_t march_month = month > 2 ? month - 3 : month + 9;
    int64_t year_day = (153 * march_month + 2) / 5 + mday - 1;

    return era * DAYS_PER_ERA + era_year * 365 + era_year / 4 - era_year / 100 +
           year_day - DAYS_TO_EPOCH;
}

int64_t tj__iso_day(int64_t wall_ms)
{
    return divide_floor(wall_ms, MS_PER_DAY);
}

static int64_t clamp(int64_t wall_ms)
{
    if (wall_ms > MS_MAX)
        return MS_MAX;
    return wall_ms < -MS_MAX ? -MS_MAX : wall_ms;
}

static char *put_digits(char *text, unsigned value, unsigned digits)
{
    unsigned at;

    for (at = digits; at > 0; at--) {
        text[at - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return text + digits;
}

size_t tj__iso_time_print(char text[TJ_ISO_TIME_SIZE], int64_t wall_ms)
{
    unsigned month, mday, in_day;
    char *at = text;
    int64_t year;

    wall_ms = clamp(wall_ms);
    civil_from_day(tj__iso_day(wall_ms), &year, &month, &mday);
    in_day = (unsigned)(wall_ms - tj__iso_day(wall_ms) * MS_PER_DAY);

    if (year >= 0 && year <= 9999) {
        at = put_digits(at, (unsigned)year, 4);
    } else {
        *at++ = year < 0 ? '-' : '+';
        at = put_digits(at, (unsigned)(year < 0 ? -year : year), 6);
    }
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, mday, 2);
    *at++ = 'T';
    at = put_digits(at, in_day / 3600000, 2);
    *at++ = ':';
    at = put_digits(at, in_day / 60000 % 60, 2);
    *at++ = ':';
    at = put_digits(at, in_day / 1000 % 60, 2);
    *at++ = '.';
    at = put_digits(at, in_day % 1000, 3);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - text);
}

const char *
tj__iso_clock_print(tj_iso_clock *clock, int64_t wall_ms, size_t *ret_length)
{
    int64_t second;

    wall_ms = clamp(wall_ms);
    second = divide_floor(wall_ms, 1000);
    if (clock->length && clock->second == second) {
        put_digits(clock->text + clock->length - 4,
                   (unsigned)(wall_ms - second * 1000), 3);
    } else {
        clock->length = tj__iso_time_print(clock->text, wall_ms);
        clock->second = second;
    }
    if (ret_length)
        *ret_length = clock->length;
    return clock->text;
}

/* ---- reading -------------------------------------------------------------*/

typedef struct cursor {
    const char *at;
    const char *end;
    bool ok;
} cursor;

static unsigned take_digits(cursor *from, unsigned digits)
{
    unsigned value = 0;

    for (; digits; digits--) {
        if (from->at == from->end || *from->at < '0' || *from->at > '9') {
            from->ok = false;
            return 0;
        }
        value = value * 10 + (unsigned)(*from->at++ - '0');
    }
    return value;
}

static bool take_if(cursor *from, char character)
{
    if (from->at == from->end || *from->at != character)
        return false;
    from->at++;
    return true;
}

static void take(cursor *from, char character)
{
    if (!take_if(from, character))
        from->ok = false;
}

static int64_t take_year(cursor *from)
{
    int64_t year;

    if (take_if(from, '+'))
        return (int64_t)take_digits(from, 6);
    if (!take_if(from, '-'))
        return (int64_t)take_digits(from, 4);
    year = (int64_t)take_digits(from, 6);
    /* There is one year 0, and it has no sign. */
    if (year == 0)
        from->ok = false;
    return -year;
}

bool tj__iso_time_parse(const char *text, size_t size, int64_t *ret_wall_ms)
{
    cursor from = { text, text + size, true };
    unsigned month, mday, hour, minute, second;
    unsigned ms = 0;
    const char *seconds_end;
    int64_t year, wall_ms;
    char printed[TJ_ISO_TIME_SIZE];

    year = take_year(&from);
    take(&from, '-');
    month = take_digits(&from, 2);
    take(&from, '-');
    mday = take_digits(&from, 2);
    take(&from, 'T');
    hour = take_digits(&from, 2);
    take(&from, ':');
    minute = take_digits(&from, 2);
    take(&from, ':');
    second = take_digits(&from, 2);
    seconds_end = from.at;
    if (take_if(&from, '.'))
        ms = take_digits(&from, 3);
    take(&from, 'Z');
    if (!from.ok || from.at != from.end || month < 1 || month > 12)
        return false;

    wall_ms = day_from_civil(year, month, mday) * MS_PER_DAY +
              ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + ms;
    if (wall_ms < -MS_MAX || wall_ms > MS_MAX)
        return false;
    /* Printing is the judge of days, hours and years that do not exist: what
     * does not come out as it went in was no instant. */
    tj__iso_time_print(printed, wall_ms);
    if (memcmp(printed, text, (size_t)(seconds_end - text)) != 0)
        return false;
    *ret_wall_ms = wall_ms;
    return true;
}
