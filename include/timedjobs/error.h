/* Errors: a negative code says which kind, a tj_error says the whole story.
 *
 * A call that can fail returns 0 or one of the codes below. Where it also
 * takes a `tj_error *reterr`, the function that noticed the failure fills it
 * and every caller that knows more prefixes it: "lease 'main': sqlite:
 * database is locked". `reterr` may always be NULL; it is written on failure
 * only. Outcomes that are expected (who leads, how a tick ended) are enums,
 * never errors. */
#ifndef TIMEDJOBS_ERROR_H
#define TIMEDJOBS_ERROR_H

#include <timedjobs/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, code, text) */
#define TJ_ERROR_MAP(X)                                  \
    X(TJ_EINVAL, -2001, "invalid argument")              \
    X(TJ_ENOMEM, -2002, "out of memory")                 \
    X(TJ_EEXIST, -2003, "already exists")                \
    X(TJ_ENOENT, -2004, "not found")                     \
    X(TJ_EALREADY, -2005, "already over")                \
    X(TJ_EBUSY, -2006, "busy")                           \
    X(TJ_ECANCELED, -2007, "cancelled")                  \
    X(TJ_ETIMEDOUT, -2008, "timed out")                  \
    X(TJ_EINPROGRESS, -2009, "still in progress")        \
    X(TJ_ESTOPPING, -2010, "stopping")                   \
    X(TJ_ECLOSED, -2011, "closed")                       \
    X(TJ_EIO, -2012, "input/output error")               \
    X(TJ_ENOSPC, -2013, "no space left")                 \
    X(TJ_EACCES, -2014, "not permitted")                 \
    X(TJ_EPARSE, -2015, "malformed input")               \
    X(TJ_ETOOBIG, -2016, "too big")                      \
    X(TJ_EFENCED, -2017, "refused: a newer term exists") \
    X(TJ_EUNREACHABLE, -2018, "unreachable")             \
    X(TJ_EUNSUPPORTED, -2019, "not supported here")      \
    X(TJ_EPROTOCOL, -2020, "protocol violated")          \
    X(TJ_ESYSTEM, -2021, "system error")

enum {

#define TJ_ERROR_ENUM_(name, code, text) name = (code),
    TJ_ERROR_MAP(TJ_ERROR_ENUM_)
#undef TJ_ERROR_ENUM_
};

#define TJ_ERROR_MODULE_SIZE  16
#define TJ_ERROR_MESSAGE_SIZE 256

/** The reason of a failure. Plain data, owned by the caller, no clean-up. */
typedef struct tj_error {
    int code;                            /* one of TJ_E…, 0 when unset */
    char module[TJ_ERROR_MODULE_SIZE];   /* the room that noticed: "lease" */
    char message[TJ_ERROR_MESSAGE_SIZE]; /* one line of UTF-8, no newline */
} tj_error;

#define TJ_ERROR_INIT \
    {                 \
        0, { 0 },     \
        {             \
            0         \
        }             \
    }

/** Return the name of an error code ("TJ_EINVAL"), or "TJ_EUNKNOWN" for a
 * number that is none. Any thread; the text is static. */
TJ_EXPORT const char *tj_error_name(int code);

/** Return one short English sentence part for an error code ("out of
 * memory"). Any thread; the text is static. */
TJ_EXPORT const char *tj_error_text(int code);

#ifdef __cplusplus
}
#endif
#endif
