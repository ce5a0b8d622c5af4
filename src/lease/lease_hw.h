/* "<state_dir>/<lease>.term.hw": the highest term that this machine has seen,
 * kept so that a store that was restored from a backup is noticed. */
#ifndef TJ_LEASE_LEASE_HW_H
#define TJ_LEASE_LEASE_HW_H

#include <stdint.h>

#include <timedjobs/error.h>

/* Read it; 0 when there is none. A file that holds anything but one term and
 * a newline is an error: who does not know may not lead.
 * Returns 0, TJ_EPARSE, TJ_EACCES, TJ_EIO, ... */
int tj__lease_hw_load(const char *state_dir,
                      const char *name,
                      int64_t *ret_term,
                      tj_error *reterr);

/* Raise it to `term`, so that it outlives a power cut (write, fsync, rename,
 * fsync of the directory); a higher one stays. Processes that share the
 * directory take turns. Returns 0, TJ_ENOSPC, TJ_EACCES, TJ_EIO, ... */
int tj__lease_hw_save(const char *state_dir,
                      const char *name,
                      int64_t term,
                      tj_error *reterr);

#endif
