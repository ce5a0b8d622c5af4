/* Small things for text: JavaScript's trim, integers, name checks,
 * suggestions. */
#ifndef TJ_BASE_TEXT_H
#define TJ_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Find the part of `text` that String.prototype.trim would keep: white space
 * (U+0009-000D, U+0020, U+00A0, U+1680, U+2000-200A, U+202F, U+205F, U+3000,
 * U+FEFF) and line ends (U+2028, U+2029) are taken off both ends. */
void tj__text_trim_js(const char *text,
                      const char **ret_start,
                      size_t *ret_size);

/* Write a decimal number without a NUL; returns the number of characters, at
 * most 20. Fast: no division by variables, two digits a step. */
size_t tj__text_format_u64(char *text, uint64_t value);

/* Write a decimal number with a leading minus if need be, as above. */
size_t tj__text_format_i64(char *text, int64_t value);

/* True for [A-Za-z0-9][A-Za-z0-9._-]{0,63}: names in configuration files. */
bool tj__text_is_name(const char *text);

/* Length of the well-formed UTF-8 sequence (RFC 3629) that starts the `size` >
 * 0 bytes at `text`, 0 if there is none. */
size_t tj__text_utf8_size(const char *text, size_t size);

/* True when no byte is below 0x20 or 0x7f and the text is valid UTF-8. */
bool tj__text_is_printable(const char *text, size_t size);

/* Damerau-Levenshtein distance, capped at `limit` + 1; for "did you mean". */
size_t tj__text_distance(const char *left, const char *right, size_t limit);

#endif
