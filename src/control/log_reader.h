/* Reading day files: the last lines, new lines, across midnight.
 *
 * Each step reads at most LOG_READER_BLOCK bytes (more only for a longer
 * line) and then returns, so that a loop can do other things. Only whole
 * lines come out. Names are made here from dates, and opened below the log
 * directory without following links. */
#ifndef CONTROL_LOG_READER_H
#define CONTROL_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#include <timedjobs/error.h>

typedef struct log_reader log_reader;

#define LOG_READER_BLOCK    ((size_t)65536)
#define LOG_READER_LINE_MAX ((size_t)1 << 20) /* longer ones are left out */
#define LOG_READER_BACK_MAX 400               /* days that `tail` looks back */

typedef struct log_reader_options {
    const char *dir;
    const char *job;    /* NULL: any */
    const char *runner; /* NULL: any */
    const char *stage;  /* NULL: any */
    const char *date;   /* the first day; NULL: the end of the log */
    int64_t tail;       /* the last so many lines; -1: all of the day */
    bool follow;        /* go on with what comes, day after day */
} log_reader_options;

typedef enum log_reader_state {
    LOG_READER_MORE,   /* step again */
    LOG_READER_AT_END, /* following: step again when there may be more */
    LOG_READER_DONE    /* this was all */
} log_reader_state;

/* Everything is copied. TJ_ENOMEM, TJ_EINVAL for a date that is none. */
int log_reader_new(const log_reader_options *options,
                   log_reader **ret_reader,
                   tj_error *reterr);
void log_reader_free(log_reader *reader);

/* Do one portion of work at the instant `wall_ms`, and append whole lines
 * that pass the filter to `out`, whose failure the caller checks. A file that
 * is not there is an empty one. TJ_ENOMEM, TJ_EACCES, TJ_EIO... */
int log_reader_step(log_reader *reader,
                    int64_t wall_ms,
                    tj_buf *out,
                    log_reader_state *ret_state,
                    tj_error *reterr);

#endif
