/* The directory of the day files: made when it is missing, known by its path
 * and held by a descriptor, so that files are opened below what was checked. */
#ifndef TJ_LOG_LOG_DIR_H
#define TJ_LOG_LOG_DIR_H

#include <stdbool.h>

#include <timedjobs/error.h>

#include "log/log_sys.h"

typedef struct tj_log_dir {
    const tj_log_sys *sys;
    char *path; /* absolute, so that a chdir later changes nothing */
    int fd;     /* -1 when not open */
    dev_t dev;  /* what fd is */
    ino_t ino;
    bool unsynced; /* a name was added since the last sync */
} tj_log_dir;

/* Remember the path; opens nothing. Returns 0, TJ_EINVAL, TJ_ENOMEM, or what
 * getcwd says. */
int tj__log_dir_init(tj_log_dir *dir,
                     const tj_log_sys *sys,
                     const char *path,
                     tj_error *reterr);
void tj__log_dir_done(tj_log_dir *dir);

/* Open the directory and make it (0750) with its parents where it is missing.
 * One that was open is closed first. */
int tj__log_dir_open(tj_log_dir *dir, tj_error *reterr);

/* Tell whether the path still names the directory that is open. */
bool tj__log_dir_is_there(const tj_log_dir *dir);

/* Make a new name in the directory survive a power cut. */
int tj__log_dir_sync(tj_log_dir *dir, tj_error *reterr);

#endif
