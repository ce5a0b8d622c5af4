/* Inside the SQLite backend: one connection, used by one thread at a time. */
#ifndef TJ_LEASE_SQLITE_SQLITE_LEASE_H
#define TJ_LEASE_SQLITE_SQLITE_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include <timedjobs/lease.h>

/* The order is that of the texts in sqlite_open.c. */
typedef enum tj_sqlite_statement {
    TJ_SQLITE_BEGIN,
    TJ_SQLITE_COMMIT,
    TJ_SQLITE_ROLLBACK,
    TJ_SQLITE_READ,
    TJ_SQLITE_CREATE,
    TJ_SQLITE_ACQUIRE,
    TJ_SQLITE_RENEW,
    TJ_SQLITE_RELEASE,
    TJ_SQLITE_REPAIR,
    TJ_SQLITE_PAUSE,
    TJ_SQLITE_N_STATEMENTS
} tj_sqlite_statement;

typedef struct tj_sqlite_lease {
    tj_lease_backend backend; /* first */
    char *path;               /* absolute */
    sqlite3 *db;              /* NULL: opened by the next call */
    sqlite3_stmt *statements[TJ_SQLITE_N_STATEMENTS]; /* made when needed */
    int64_t deadline_ns;      /* of the call that runs */
    _Atomic bool interrupted; /* the call that runs is not wanted any more */
    int inotify_fd;           /* -1: none yet */
} tj_sqlite_lease;

/* ---- sqlite_open.c ---- */

/* Have the connection open, on the file that the path names now. */
int tj__sqlite_ready(tj_sqlite_lease *lease, tj_error *reterr);

/* Close it. The next call opens it again. */
void tj__sqlite_close(tj_sqlite_lease *lease);

/* Have a statement, reset and ready to be bound; NULL with `reterr` set. */
sqlite3_stmt *tj__sqlite_statement(tj_sqlite_lease *lease,
                                   tj_sqlite_statement which,
                                   tj_error *reterr);

/* Turn what SQLite answered into an error, with who holds the lock where that
 * is the matter; roll back; and close the connection unless the next call can
 * be expected to fare better on it. Returns the code. */
int tj__sqlite_failed(tj_sqlite_lease *lease,
                      int result,
                      const char *doing,
                      tj_error *reterr);

/* ---- sqlite_row.c ---- */

/* Read the row that the READ statement stands on. Nothing in the file is
 * trusted. Returns 0 or TJ_EPARSE. */
int tj__sqlite_row_decode(sqlite3_stmt *row,
                          tj_lease_record *ret_record,
                          tj_error *reterr);

/* Read the pause from four columns, the first at `column`. Likewise. */
int tj__sqlite_pause_decode(sqlite3_stmt *row,
                            int column,
                            tj_lease_pause *ret_pause,
                            tj_error *reterr);

/* ---- sqlite_watch.c ---- */

/* See tj_lease_backend_ops. */
int tj__sqlite_watch_fd(tj_lease_backend *backend);
void tj__sqlite_watch_clear(tj_lease_backend *backend);

#endif
