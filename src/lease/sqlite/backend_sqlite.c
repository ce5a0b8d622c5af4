/* The lease in a SQLite file. Each change is one transaction of one statement:
 * BEGIN IMMEDIATE, the statement, COMMIT; every result is looked at, and a
 * change counts only when exactly one row was changed and the commit said so.
 * Rows are compared in the statement itself, so that two processes cannot both
 * be told that they won. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "lease/sqlite/sqlite_lease.h"

#include <timedjobs/lease_sqlite.h>

static tj_sqlite_lease *lease_of(tj_lease_backend *backend)
{
    return (tj_sqlite_lease *)(void *)backend;
}

/* ---- one call ---- */

/* Begin a call: until when it may wait, and on which file. */
static int enter(tj_sqlite_lease *lease, int64_t deadline_ns, tj_error *reterr)
{
    lease->deadline_ns = deadline_ns;
    atomic_store_explicit(&lease->interrupted, false, memory_order_relaxed);
    return tj__sqlite_ready(lease, reterr);
}

/* Have a statement with the lease's name bound. */
static sqlite3_stmt *statement(tj_sqlite_lease *lease,
                               tj_sqlite_statement which,
                               const char *name,
                               tj_error *reterr)
{
    sqlite3_stmt *it = tj__sqlite_statement(lease, which, reterr);
    int result;

    if (!it)
        return NULL;
    result = sqlite3_bind_text(it, 1, name, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        return it;
    tj__sqlite_failed(lease, result, "cannot bind a name", reterr);
    return NULL;
}

static int bind_text(sqlite3_stmt *it, int at, const char *text)
{
    return sqlite3_bind_text(it, at, text, -1, SQLITE_STATIC);
}

/* Run a statement that answers nothing. */
static int run_plain(tj_sqlite_lease *lease,
                     tj_sqlite_statement which,
                     const char *doing,
                     tj_error *reterr)
{
    sqlite3_stmt *it = tj__sqlite_statement(lease, which, reterr);
    int result;

    if (!it)
        return reterr ? reterr->code : TJ_ESYSTEM;
    result = sqlite3_step(it);
    sqlite3_reset(it);
    if (result == SQLITE_DONE)
        return 0;
    return tj__sqlite_failed(lease, result, doing, reterr);
}

/* Run the bound statement to its end inside a transaction that is open. */
static int run_change(tj_sqlite_lease *lease,
                      sqlite3_stmt *change,
                      int *ret_changes,
                      tj_lease_pause *ret_pause,
                      tj_error *reterr)
{
    int result = sqlite3_step(change);
    int code = 0;

    while (result == SQLITE_ROW) {
        if (!code && ret_pause)
            code = tj__sqlite_pause_decode(change, 0, ret_pause, reterr);
        result = sqlite3_step(change);
    }
    *ret_changes = sqlite3_changes(lease->db);
    sqlite3_reset(change);
    if (result != SQLITE_DONE)
        return tj__sqlite_failed(lease, result, "cannot write", reterr);
    return code;
}

/* One transaction of one statement, bound already. `ret_pause` is filled from
 * what it returns; NULL for statements that return nothing. */
static int transact(tj_sqlite_lease *lease,
                    sqlite3_stmt *change,
                    tj_lease_outcome *ret_outcome,
                    tj_lease_pause *ret_pause,
                    tj_error *reterr)
{
    int changes = 0;
    int code = run_plain(lease, TJ_SQLITE_BEGIN, "cannot begin", reterr);

    if (code)
        return code;
    code = run_change(lease, change, &changes, ret_pause, reterr);
    if (code) {
        /* A malformed row leaves the transaction to us. */
        if (lease->db && !sqlite3_get_autocommit(lease->db))
            (void)run_plain(lease, TJ_SQLITE_ROLLBACK, "cannot roll back",
                            NULL);
        return code;
    }
    if (changes == 1) {
        code = run_plain(lease, TJ_SQLITE_COMMIT, "cannot commit", reterr);
        if (!code)
            *ret_outcome = TJ_LEASE_DONE;
        return code;
    }
    code = run_plain(lease, TJ_SQLITE_ROLLBACK, "cannot roll back", reterr);
    if (code)
        return code;
    if (changes)
        return tj__error_set(reterr, TJ_EPARSE, "lease",
                             "sqlite: the lease has %d rows", changes);
    *ret_outcome = TJ_LEASE_CHANGED;
    return 0;
}

/* ---- the table ---- */

static int sqlite_read(tj_lease_backend *backend,
                       const char *name,
                       int64_t deadline_ns,
                       tj_lease_record *ret_record,
                       tj_error *reterr)
{
    tj_sqlite_lease *lease = lease_of(backend);
    sqlite3_stmt *query;
    int code = enter(lease, deadline_ns, reterr);
    int result;

    if (code)
        return code;
    query = statement(lease, TJ_SQLITE_READ, name, reterr);
    if (!query)
        return reterr ? reterr->code : TJ_ESYSTEM;
    result = sqlite3_step(query);
    if (result == SQLITE_ROW)
        code = tj__sqlite_row_decode(query, ret_record, reterr);
    else if (result == SQLITE_DONE)
        memset(ret_record, 0, sizeof(*ret_record));
    else
        return tj__sqlite_failed(lease, result, "cannot read", reterr);
    sqlite3_reset(query); /* and with it the lock */
    return code;
}

static int bind_claim(sqlite3_stmt *it,
                      const tj_lease_record *seen,
                      const tj_lease_record *claim)
{
    int result = sqlite3_bind_int64(it, 2, seen->term);

    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(it, 3, seen->seq);
    if (result == SQLITE_OK)
        result = bind_text(it, 4, claim->holder);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(it, 5, claim->lease_ms);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int(it, 6, claim->frees_on_death);
    if (result == SQLITE_OK)
        result = bind_text(it, 7, claim->boot_id);
    if (result == SQLITE_OK)
        result = bind_text(it, 8, claim->namespaces);
    if (result == SQLITE_OK)
        result = bind_text(it, 9, claim->host);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(it, 10, claim->pid);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(it, 11, claim->pid_start);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(it, 12, claim->acquired_wall_ms);
    return result;
}

static int sqlite_acquire(tj_lease_backend *backend,
                          const char *name,
                          const tj_lease_record *seen,
                          const tj_lease_record *claim,
                          int64_t deadline_ns,
                          tj_lease_outcome *ret_outcome,
                          tj_error *reterr)
{
    tj_sqlite_lease *lease = lease_of(backend);
    sqlite3_stmt *change;
    int code = enter(lease, deadline_ns, reterr);
    int result;

    if (code)
        return code;
    change =
        statement(lease, seen->exists ? TJ_SQLITE_ACQUIRE : TJ_SQLITE_CREATE,
                  name, reterr);
    if (!change)
        return reterr ? reterr->code : TJ_ESYSTEM;
    result = bind_claim(change, seen, claim);
    if (result != SQLITE_OK)
        return tj__sqlite_failed(lease, result, "cannot bind", reterr);
    return transact(lease, change, ret_outcome, /* ret_pause= */ NULL, reterr);
}

/* Have a statement for the row that is held under this term by this holder. */
static int enter_held(tj_sqlite_lease *lease,
                      tj_sqlite_statement which,
                      const char *name,
                      int64_t term,
                      const char *holder,
                      int64_t deadline_ns,
                      sqlite3_stmt **ret_change,
                      tj_error *reterr)
{
    int code = enter(lease, deadline_ns, reterr);
    sqlite3_stmt *change;
    int result;

    if (code)
        return code;
    change = statement(lease, which, name, reterr);
    if (!change)
        return reterr ? reterr->code : TJ_ESYSTEM;
    result = sqlite3_bind_int64(change, 2, term);
    if (result == SQLITE_OK)
        result = bind_text(change, 3, holder);
    if (result != SQLITE_OK)
        return tj__sqlite_failed(lease, result, "cannot bind", reterr);
    *ret_change = change;
    return 0;
}

static int sqlite_renew(tj_lease_backend *backend,
                        const char *name,
                        int64_t term,
                        const char *holder,
                        int64_t deadline_ns,
                        tj_lease_outcome *ret_outcome,
                        tj_lease_pause *ret_pause,
                        tj_error *reterr)
{
    tj_sqlite_lease *lease = lease_of(backend);
    sqlite3_stmt *change = NULL;
    int code = enter_held(lease, TJ_SQLITE_RENEW, name, term, holder,
                          deadline_ns, &change, reterr);

    if (code)
        return code;
    return transact(lease, change, ret_outcome, ret_pause, reterr);
}

static int sqlite_release(tj_lease_backend *backend,
                          const char *name,
                          int64_t term,
                          const char *holder,
                          int64_t deadline_ns,
                          tj_lease_outcome *ret_outcome,
                          tj_error *reterr)
{
    tj_sqlite_lease *lease = lease_of(backend);
    sqlite3_stmt *change = NULL;
    int code = enter_held(lease, TJ_SQLITE_RELEASE, name, term, holder,
                          deadline_ns, &change, reterr);

    if (code)
        return code;
    return transact(lease, change, ret_outcome, /* ret_pause= */ NULL, reterr);
}

static int sqlite_repair(tj_lease_backend *backend,
                         const char *name,
                         int64_t term,
                         const char *holder,
                         int64_t new_term,
                         int64_t deadline_ns,
                         tj_lease_outcome *ret_outcome,
                         tj_error *reterr)
{
    tj_sqlite_lease *lease = lease_of(backend);
    sqlite3_stmt *change = NULL;
    int code = enter_held(lease, TJ_SQLITE_REPAIR, name, term, holder,
                          deadline_ns, &change, reterr);
    int result;

    if (code)
        return code;
    result = sqlite3_bind_int64(change, 4, new_term);
    if (result != SQLITE_OK)
        return tj__sqlite_failed(lease, result, "cannot bind", reterr);
    return transact(lease, change, ret_outcome, /* ret_pause= */ NULL, reterr);
}

static int sqlite_set_pause(tj_lease_backend *backend,
                            const char *name,
                            const tj_lease_pause *pause,
                            int64_t deadline_ns,
                            tj_error *reterr)
{
    tj_sqlite_lease *lease = lease_of(backend);
    tj_lease_outcome outcome = TJ_LEASE_CHANGED;
    sqlite3_stmt *change;
    int code = enter(lease, deadline_ns, reterr);
    int result;

    if (code)
        return code;
    change = statement(lease, TJ_SQLITE_PAUSE, name, reterr);
    if (!change)
        return reterr ? reterr->code : TJ_ESYSTEM;
    result = sqlite3_bind_int(change, 2, pause->paused);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(change, 3, pause->until_wall_ms);
    if (result == SQLITE_OK)
        result = bind_text(change, 4, pause->who);
    if (result == SQLITE_OK)
        result = bind_text(change, 5, pause->why);
    if (result != SQLITE_OK)
        return tj__sqlite_failed(lease, result, "cannot bind", reterr);
    return transact(lease, change, &outcome, /* ret_pause= */ NULL, reterr);
}

static void sqlite_interrupt(tj_lease_backend *backend)
{
    atomic_store_explicit(&lease_of(backend)->interrupted, true,
                          memory_order_relaxed);
}

static void sqlite_free(tj_lease_backend *backend)
{
    tj_sqlite_lease *lease = lease_of(backend);

    tj__sqlite_close(lease);
    if (lease->inotify_fd >= 0)
        close(lease->inotify_fd);
    tj__free(lease->path);
    tj__free(lease);
}

static const tj_lease_backend_ops sqlite_ops = {
    .size = sizeof(tj_lease_backend_ops),
    .name = "sqlite",
    .flags = TJ_LEASE_BACKEND_ONE_HOST,
    .read = sqlite_read,
    .acquire = sqlite_acquire,
    .renew = sqlite_renew,
    .release = sqlite_release,
    .repair = sqlite_repair,
    .set_pause = sqlite_set_pause,
    .watch_fd = tj__sqlite_watch_fd,
    .watch_clear = tj__sqlite_watch_clear,
    .interrupt = sqlite_interrupt,
    .free = sqlite_free,
};

/* ---- making ---- */

/* The path, absolute: a daemon may change its directory later. */
static int
make_absolute(const char *path, char absolute[PATH_MAX], tj_error *reterr)
{
    char directory[PATH_MAX] = "";
    int length;

    if (path[0] != '/' && !getcwd(directory, sizeof(directory)))
        return tj__error_set(reterr, TJ_ESYSTEM, "lease",
                             "sqlite: no working directory for '%s'", path);
    length = snprintf(absolute, PATH_MAX, "%s%s%s", directory,
                      path[0] == '/' ? "" : "/", path);
    /* Room for "-journal". */
    if (length >= PATH_MAX - 16)
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "sqlite: the path is too long");
    return 0;
}

int tj_lease_backend_sqlite_new(const char *path,
                                tj_lease_backend **ret_backend,
                                tj_error *reterr)
{
    char absolute[PATH_MAX];
    tj_sqlite_lease *lease;
    int code;

    if (!path || !*path)
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "sqlite: the path is empty");
    code = make_absolute(path, absolute, reterr);
    if (code)
        return code;
    lease = tj__calloc(1, sizeof(*lease));
    if (!lease)
        return tj__error_set(reterr, TJ_ENOMEM, "lease", "out of memory");
    lease->backend.ops = &sqlite_ops;
    lease->inotify_fd = -1;
    lease->path = tj__strdup(absolute);
    if (!lease->path) {
        tj__free(lease);
        return tj__error_set(reterr, TJ_ENOMEM, "lease", "out of memory");
    }
    *ret_backend = &lease->backend;
    return 0;
}
