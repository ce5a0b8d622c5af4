/* Which lines of the log are wanted. Pure. */
#ifndef CONTROL_LOG_FILTER_H
#define CONTROL_LOG_FILTER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct log_filter {
    char *job; /* owned, as all; NULL: any */
    char *runner;
    char *stage;
} log_filter;

/* Does this line (without its newline) pass? A line that is no whole JSON
 * object never does. A line belongs to a job when its batch id says so
 * ("<job>-<ms>-<number>"), or its runner is "<job>.framework". */
bool log_filter_passes(const log_filter *filter, const char *line, size_t size);
void log_filter_done(log_filter *filter);

#endif
