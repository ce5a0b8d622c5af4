/* From columns to a record. The file may have been written by anybody: every
 * type, range and length is looked at. */
#include "lease/sqlite/sqlite_lease.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define WALL_MS_MAX INT64_C(253402300799999) /* the end of the year 9999 */

static int malformed(const char *column, tj_error *reterr)
{
    return tj__error_set(reterr, TJ_EPARSE, "lease",
                         "sqlite: the row's %s is malformed", column);
}

static int number(sqlite3_stmt *row,
                  int column,
                  int64_t least,
                  int64_t most,
                  int64_t *ret_number,
                  tj_error *reterr)
{
    int64_t value;

    if (sqlite3_column_type(row, column) != SQLITE_INTEGER)
        return malformed(sqlite3_column_name(row, column), reterr);
    value = sqlite3_column_int64(row, column);
    if (value < least || value > most)
        return malformed(sqlite3_column_name(row, column), reterr);
    *ret_number = value;
    return 0;
}

static int flag(sqlite3_stmt *row, int column, bool *ret_flag, tj_error *reterr)
{
    int64_t value = 0;
    int code = number(row, column, 0, 1, &value, reterr);

    if (!code)
        *ret_flag = value == 1;
    return code;
}

static int text(sqlite3_stmt *row,
                int column,
                char *ret_text,
                size_t size,
                tj_error *reterr)
{
    const char *value;
    size_t length;

    if (sqlite3_column_type(row, column) != SQLITE_TEXT)
        return malformed(sqlite3_column_name(row, column), reterr);
    value = (const char *)sqlite3_column_text(row, column);
    length = (size_t)sqlite3_column_bytes(row, column);
    if (!value || length >= size || strlen(value) != length ||
        !tj__text_is_printable(value, length))
        return malformed(sqlite3_column_name(row, column), reterr);
    memcpy(ret_text, value, length + 1);
    return 0;
}

int tj__sqlite_pause_decode(sqlite3_stmt *row,
                            int column,
                            tj_lease_pause *ret_pause,
                            tj_error *reterr)
{
    tj_lease_pause pause = { .paused = false };

    if (flag(row, column, &pause.paused, reterr) ||
        number(row, column + 1, 0, WALL_MS_MAX, &pause.until_wall_ms, reterr) ||
        text(row, column + 2, pause.who, sizeof(pause.who), reterr) ||
        text(row, column + 3, pause.why, sizeof(pause.why), reterr))
        return TJ_EPARSE;
    *ret_pause = pause;
    return 0;
}

/* Thirty-two hexadecimal digits; nothing where nobody ever held it. */
static bool is_holder(const tj_lease_record *record)
{
    if (!record->term)
        return !record->holder[0] && record->released;
    return strspn(record->holder, "0123456789abcdef") ==
           TJ_LEASE_HOLDER_SIZE - 1;
}

int tj__sqlite_row_decode(sqlite3_stmt *row,
                          tj_lease_record *ret_record,
                          tj_error *reterr)
{
    tj_lease_record it = { .exists = true };

    if (number(row, 0, 0, TJ_LEASE_TERM_MAX, &it.term, reterr) ||
        number(row, 1, 0, INT64_MAX / 2, &it.seq, reterr) ||
        text(row, 2, it.holder, sizeof(it.holder), reterr) ||
        number(row, 3, 0, 3600000, &it.lease_ms, reterr) ||
        flag(row, 4, &it.released, reterr) ||
        flag(row, 5, &it.frees_on_death, reterr) ||
        text(row, 6, it.boot_id, sizeof(it.boot_id), reterr) ||
        text(row, 7, it.namespaces, sizeof(it.namespaces), reterr) ||
        text(row, 8, it.host, sizeof(it.host), reterr) ||
        number(row, 9, 0, INT32_MAX, &it.pid, reterr) ||
        number(row, 10, 0, INT64_MAX, &it.pid_start, reterr) ||
        number(row, 11, 0, WALL_MS_MAX, &it.acquired_wall_ms, reterr) ||
        tj__sqlite_pause_decode(row, 12, &it.pause, reterr))
        return TJ_EPARSE;
    if (!is_holder(&it))
        return malformed("holder", reterr);
    *ret_record = it;
    return 0;
}
