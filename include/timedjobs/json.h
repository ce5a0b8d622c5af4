/* JSON values: what details are made of.
 *
 * A tj_json is a mutable tree that follows JavaScript's rules, so that a line
 * of our log is what JSON.stringify would have printed: keys keep the order in
 * which they were first set, integer-like keys ("2", "10") come first in
 * ascending order, setting a key again replaces its value in place, numbers
 * print in their shortest form that reads back equal.
 *
 * Text is UTF-8 in NUL-terminated strings. Two things that JSON can say and
 * such a string cannot are kept in the usual extensions of UTF-8 and printed
 * as escapes: U+0000 is the bytes C0 80, a lone surrogate is its three-byte
 * form. Any other malformed byte sequence prints as U+FFFD, so a line is valid
 * JSON whatever a caller puts into it. Keys are told apart by their bytes.
 *
 * Values are not thread-safe: different trees may be used on different threads,
 * and one tree by many threads as long as none of them changes it. Nothing
 * here blocks. */
#ifndef TIMEDJOBS_JSON_H
#define TIMEDJOBS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/error.h>
#include <timedjobs/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tj_json tj_json;

typedef enum tj_json_type {
    TJ_JSON_NULL,
    TJ_JSON_BOOL,
    TJ_JSON_NUMBER,
    TJ_JSON_STRING,
    TJ_JSON_ARRAY,
    TJ_JSON_OBJECT
} tj_json_type;

/** The deepest nesting of arrays and objects that is read or can be built. */
#define TJ_JSON_DEPTH_MAX 256

/** Make a value. The caller owns it until it is handed to a setter, and ends
 * it with tj_json_free. Strings are copied, a NULL text makes null. Returns
 * NULL when out of memory. */
TJ_EXPORT tj_json *tj_json_new_null(void);
TJ_EXPORT tj_json *tj_json_new_bool(bool value);
TJ_EXPORT tj_json *tj_json_new_int(int64_t value);
TJ_EXPORT tj_json *tj_json_new_number(double value);
TJ_EXPORT tj_json *tj_json_new_string(const char *text);
TJ_EXPORT tj_json *tj_json_new_array(void);
TJ_EXPORT tj_json *tj_json_new_object(void);

/** Copy a whole tree. Returns NULL when out of memory or `value` is NULL. */
TJ_EXPORT tj_json *tj_json_copy(const tj_json *value);

/** End a tree. NULL is a no-op. Must not be called on a value inside one. */
TJ_EXPORT void tj_json_free(tj_json *value);

/** Set a key of an object and take ownership of `value`, also on failure. A
 * NULL `value` counts as out of memory, so that calls can be nested:
 * `tj_json_set_take(o, "a", tj_json_new_int(1))`.
 * Returns 0, TJ_ENOMEM, TJ_ETOOBIG when that would nest deeper than
 * TJ_JSON_DEPTH_MAX, or TJ_EINVAL when `object` is not an object or `value` is
 * inside a tree already (and then stays where it is). */
TJ_EXPORT int
tj_json_set_take(tj_json *object, const char *key, tj_json *value);

/** Set a key of an object to a new value; text is copied, a NULL text sets
 * null. Return as tj_json_set_take. */
TJ_EXPORT int
tj_json_set_string(tj_json *object, const char *key, const char *text);
TJ_EXPORT int tj_json_set_int(tj_json *object, const char *key, int64_t value);
TJ_EXPORT int
tj_json_set_number(tj_json *object, const char *key, double value);
TJ_EXPORT int tj_json_set_bool(tj_json *object, const char *key, bool value);
TJ_EXPORT int tj_json_set_null(tj_json *object, const char *key);

/** Append to an array and take ownership of `value`, also on failure; a NULL
 * `value` counts as out of memory. Returns as tj_json_set_take. */
TJ_EXPORT int tj_json_append_take(tj_json *array, tj_json *value);

/** Look at a value. The results are borrowed from the tree and valid until it
 * changes. A NULL `value` behaves as JSON null, so that look-ups chain. */
TJ_EXPORT tj_json_type tj_json_type_of(const tj_json *value);
/** Return the number of elements or keys; 0 for everything else. */
TJ_EXPORT size_t tj_json_size(const tj_json *value);
/** Return the value of a key, NULL when absent or `object` is none. */
TJ_EXPORT const tj_json *tj_json_get(const tj_json *object, const char *key);
/** Return element or member number `index` in printing order, or NULL. */
TJ_EXPORT const tj_json *tj_json_at(const tj_json *value, size_t index);
/** Return key number `index` of an object in printing order, or NULL. */
TJ_EXPORT const char *tj_json_key_at(const tj_json *object, size_t index);
/** Return the text of a string, or `fallback` for any other type. */
TJ_EXPORT const char *tj_json_string_or(const tj_json *value,
                                        const char *fallback);
/** Return a number, or `fallback` for any other type. */
TJ_EXPORT double tj_json_number_or(const tj_json *value, double fallback);
/** Return a number that is a whole int64_t, or `fallback` otherwise. */
TJ_EXPORT int64_t tj_json_int_or(const tj_json *value, int64_t fallback);
/** Return a boolean, or `fallback` for any other type. */
TJ_EXPORT bool tj_json_bool_or(const tj_json *value, bool fallback);

/** Read one JSON text, strictly as RFC 8259 has it, nothing after it but white
 * space. Duplicate keys and numbers beyond the range of a double are refused;
 * a whole number without fraction and exponent that fits an int64_t is kept
 * exactly. `text` need not be NUL-terminated. The caller owns `*ret_value`.
 * Returns 0, TJ_EPARSE (with "line L column C: …" in `reterr`), TJ_ETOOBIG
 * when nested deeper than TJ_JSON_DEPTH_MAX, or TJ_ENOMEM. */
TJ_EXPORT int tj_json_parse(const char *text,
                            size_t size,
                            tj_json **ret_value,
                            tj_error *reterr);

/** Print a value without white space, as JSON.stringify does. NULL prints as
 * null, a number that is not finite too. The caller ends `*ret_text` with
 * tj_free; it is NUL-terminated, `ret_size` (may be NULL) excludes the NUL.
 * Returns 0 or TJ_ENOMEM. */
TJ_EXPORT int
tj_json_print(const tj_json *value, char **ret_text, size_t *ret_size);

/** End memory that a function of this library handed out and named tj_free
 * for. NULL is a no-op. Any thread. */
TJ_EXPORT void tj_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
