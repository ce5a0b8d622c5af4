/* The lease in a SQLite file: for the daemons of one machine. Link with
 * libtimedjobs-sqlite (pkg-config: timedjobs-sqlite). */
#ifndef TIMEDJOBS_LEASE_SQLITE_H
#define TIMEDJOBS_LEASE_SQLITE_H

#include <timedjobs/error.h>
#include <timedjobs/export.h>
#include <timedjobs/lease.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Make a backend on the database file at `path` (copied; made absolute). The
 * file is opened by the first call on the backend, made with mode 0640 if it
 * is not there, and opened again after it was deleted or replaced. It must be
 * on a local file system and have one name only; its directory must exist.
 * While the backend lives, no other part of the program may open and close
 * the file but through SQLite itself: that would drop its locks.
 * Returns 0, TJ_EINVAL, TJ_ENOMEM or TJ_ESYSTEM. */
TJ_EXPORT int tj_lease_backend_sqlite_new(const char *path,
                                          tj_lease_backend **ret_backend,
                                          tj_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
