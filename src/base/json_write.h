/* Printing JSON straight into a buffer, exactly as JSON.stringify does. */
#ifndef TJ_BASE_JSON_WRITE_H
#define TJ_BASE_JSON_WRITE_H

#include "base/buf.h"

#include <timedjobs/json.h>

/* A quoted, escaped string; NULL prints null. See timedjobs/json.h for what
 * happens to NUL, lone surrogates and malformed UTF-8. */
void tj__json_write_string(tj_buf *buf, const char *text);
/* The same for `size` bytes that may hold NULs. */
void tj__json_write_bytes(tj_buf *buf, const char *bytes, size_t size);
/* A double as ECMAScript's Number::toString prints it; not finite: null. */
void tj__json_write_number(tj_buf *buf, double value);
void tj__json_write_value(tj_buf *buf, const tj_json *value);

/* Enough for any double or int64_t and a NUL. */
#define TJ_JSON_NUMBER_SIZE 32
/* The same into memory; returns the length without the NUL. */
size_t tj__json_format_number(char text[TJ_JSON_NUMBER_SIZE], double value);

#endif
