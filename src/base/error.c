/* See error.h and timedjobs/error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tj_error_name(int code)
{
    switch (code) {
#define NAME(name, number, text) \
    case name:                   \
        return #name;
        TJ_ERROR_MAP(NAME)
#undef NAME
    case 0:
        return "TJ_OK";
    default:
        return "TJ_EUNKNOWN";
    }
}

const char *tj_error_text(int code)
{
    switch (code) {
#define TEXT(name, number, text) \
    case name:                   \
        return text;
        TJ_ERROR_MAP(TEXT)
#undef TEXT
    case 0:
        return "success";
    default:
        return "unknown error";
    }
}

/* A message may be cut, but never inside a character. */
static void message_cut(char *message)
{
    size_t size = strlen(message);

    while (size > 0 && ((unsigned char)message[size - 1] & 0xc0) == 0x80)
        size--;
    if (size > 0 && ((unsigned char)message[size - 1] & 0x80))
        message[size - 1] = '\0';
}

static void TJ_PRINTF(2, 0)
    message_print(tj_error *error, const char *format, va_list arguments)
{
    int length =
        vsnprintf(error->message, sizeof(error->message), format, arguments);

    if (length >= (int)sizeof(error->message))
        message_cut(error->message);
}

int tj__error_set(tj_error *reterr,
                  int code,
                  const char *module,
                  const char *format,
                  ...)
{
    va_list arguments;

    if (!reterr)
        return code;
    reterr->code = code;
    snprintf(reterr->module, sizeof(reterr->module), "%s", module);
    va_start(arguments, format);
    message_print(reterr, format, arguments);
    va_end(arguments);
    return code;
}

static void message_append(tj_error *error, const char *text)
{
    size_t used = strlen(error->message);
    int length = snprintf(error->message + used, sizeof(error->message) - used,
                          ": %s", text);

    if (length >= (int)(sizeof(error->message) - used))
        message_cut(error->message);
}

int tj__error_set_errno(tj_error *reterr,
                        int errno_value,
                        const char *module,
                        const char *format,
                        ...)
{
    int code = tj__error_from_errno(errno_value);
    char text[128];
    va_list arguments;

    if (!reterr)
        return code;
    reterr->code = code;
    snprintf(reterr->module, sizeof(reterr->module), "%s", module);
    va_start(arguments, format);
    message_print(reterr, format, arguments);
    va_end(arguments);
    message_append(reterr, strerror_r(errno_value, text, sizeof(text)));
    return code;
}

void tj__error_prefix(tj_error *reterr, const char *format, ...)
{
    char old[TJ_ERROR_MESSAGE_SIZE];
    va_list arguments;

    if (!reterr)
        return;
    memcpy(old, reterr->message, sizeof(old));
    va_start(arguments, format);
    message_print(reterr, format, arguments);
    va_end(arguments);
    message_append(reterr, old);
}

int tj__error_from_errno(int errno_value)
{
    switch (errno_value) {
    case ENOMEM:
        return TJ_ENOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
        return TJ_EACCES;
    case ENOENT:
    case ENOTDIR:
        return TJ_ENOENT;
    case EEXIST:
        return TJ_EEXIST;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return TJ_ENOSPC;
    case EIO:
        return TJ_EIO;
    case ETIMEDOUT:
        return TJ_ETIMEDOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return TJ_EUNREACHABLE;
    case EBUSY:
        return TJ_EBUSY;
    case E2BIG:
    case ENAMETOOLONG:
        return TJ_ETOOBIG;
    default:
        return TJ_ESYSTEM;
    }
}
