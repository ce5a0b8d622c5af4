/* Arguments of a request: read from query and body, checked, normalised.
 * Pure. */
#ifndef CONTROL_ARGUMENTS_H
#define CONTROL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/error.h>
#include <timedjobs/json.h>

typedef enum argument_kind {
    ARGUMENT_TEXT,     /* printable UTF-8, at most ARGUMENT_TEXT_MAX bytes */
    ARGUMENT_BOOL,     /* 1, 0, true, false */
    ARGUMENT_COUNT,    /* 0 to ARGUMENT_COUNT_MAX */
    ARGUMENT_DATE,     /* YYYY-MM-DD */
    ARGUMENT_DURATION, /* becomes until_ms: now + duration */
    ARGUMENT_INSTANT   /* becomes until_ms */
} argument_kind;

#define ARGUMENT_TEXT_MAX  512
#define ARGUMENT_COUNT_MAX 1000000

typedef struct argument_spec {
    const char *name; /* NULL ends a list */
    argument_kind kind;
} argument_spec;

/* Undo %XX (and '+' if `is_query`) into NUL-terminated text of at most
 * ARGUMENT_TEXT_MAX bytes. False for a wrong escape, a NUL, or too long. */
bool argument_decode(const char *text,
                     size_t size,
                     bool is_query,
                     char ret_text[ARGUMENT_TEXT_MAX + 1]);

/* Check one argument, given as text by a query or as any value by a body, and
 * set it in `args`. TJ_EINVAL (unknown, given twice, or not of its kind; the
 * message is for the client) or TJ_ENOMEM. */
int argument_set(tj_json *args,
                 const argument_spec *specs,
                 const char *name,
                 const tj_json *value,
                 int64_t now_ms,
                 tj_error *reterr);

/* Set all of `a=1&b=2`; as above. */
int argument_set_query(tj_json *args,
                       const argument_spec *specs,
                       const char *query,
                       size_t size,
                       int64_t now_ms,
                       tj_error *reterr);

/* Read "90s", "1h30m", "7d" (w, d, h, m, s, ms; biggest first, each once)
 * that is more than 0 and at most ten years. */
bool control_parse_duration(const char *text, int64_t *ret_ms);

#endif
