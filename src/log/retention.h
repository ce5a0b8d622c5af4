/* Removing old day files. Only names of the form 0000-00-00.jsonl that are
 * regular files are ever looked at, and never `current` or a later one. */
#ifndef TJ_LOG_RETENTION_H
#define TJ_LOG_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "log/day_file.h"
#include "log/log_dir.h"

typedef struct tj_retention {
    int64_t keep_days;  /* 0: no limit */
    int64_t keep_bytes; /* 0: no limit */
} tj_retention;

/* Remove what is too old on the UTC day `today`, then the oldest while all
 * together are too large. Best effort: what cannot be removed now is tried
 * again the next time. Returns how many were removed. */
size_t tj__retention_run(const tj_retention *retention,
                         const tj_log_dir *dir,
                         int64_t today,
                         const char *current);

/* Find the latest day that has a file. False when there is none. */
bool tj__retention_latest_day(const tj_log_dir *dir, int64_t *ret_day);

#endif
