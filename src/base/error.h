/* Filling and prefixing a tj_error. Both accept a NULL error. */
#ifndef TJ_BASE_ERROR_H
#define TJ_BASE_ERROR_H

#include <timedjobs/error.h>

/* Fill `reterr` and return `code`, so that a failing function can end with
 * `return tj__error_set(...)`. `module` is the room's name. */
int tj__error_set(tj_error *reterr,
                  int code,
                  const char *module,
                  const char *format,
                  ...) TJ_PRINTF(4, 5);

/* As above, for a system call: the code is mapped from `errno_value` and
 * ": <strerror>" is appended to the text. */
int tj__error_set_errno(tj_error *reterr,
                        int errno_value,
                        const char *module,
                        const char *format,
                        ...) TJ_PRINTF(4, 5);

/* Put "<formatted>: " before the message that is there. Returns nothing, since
 * without a `reterr` it would not know the code. */
void tj__error_prefix(tj_error *reterr, const char *format, ...)
    TJ_PRINTF(2, 3);

/* Map an errno value onto TJ_E…. */
int tj__error_from_errno(int errno_value);

#endif
