/* Opening the database: only where its locks and its syncs can be trusted,
 * with a schema that is ours, and with little memory. */
#include "lease/sqlite/sqlite_lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

/* From this version on, several processes can trust a write-ahead log. */
#define WAL_VERSION 3051003

#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS tj_schema("
    " room TEXT PRIMARY KEY NOT NULL,"
    " version INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS tj_lease("
    " name TEXT PRIMARY KEY NOT NULL,"
    " term INTEGER NOT NULL CHECK (term BETWEEN 0 AND 9007199254740991),"
    " seq INTEGER NOT NULL,"
    " holder TEXT NOT NULL,"
    " lease_ms INTEGER NOT NULL,"
    " released INTEGER NOT NULL CHECK (released IN (0, 1)),"
    " frees_on_death INTEGER NOT NULL CHECK (frees_on_death IN (0, 1)),"
    " boot_id TEXT NOT NULL,"
    " namespaces TEXT NOT NULL,"
    " host TEXT NOT NULL,"
    " pid INTEGER NOT NULL,"
    " pid_start INTEGER NOT NULL,"
    " acquired_wall_ms INTEGER NOT NULL,"
    " paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),"
    " paused_until_wall_ms INTEGER NOT NULL DEFAULT 0,"
    " paused_by TEXT NOT NULL DEFAULT '',"
    " paused_why TEXT NOT NULL DEFAULT ''"
    ") STRICT, WITHOUT ROWID;"
    "INSERT OR IGNORE INTO tj_schema VALUES ('lease', 1);";

#define HELD " WHERE name = ?1 AND term = ?2 AND holder = ?3 AND released = 0"

static const char *const texts[TJ_SQLITE_N_STATEMENTS] = {
    [TJ_SQLITE_BEGIN] = "BEGIN IMMEDIATE",
    [TJ_SQLITE_COMMIT] = "COMMIT",
    [TJ_SQLITE_ROLLBACK] = "ROLLBACK",
    [TJ_SQLITE_READ] =
        "SELECT term, seq, holder, lease_ms, released, frees_on_death,"
        " boot_id, namespaces, host, pid, pid_start, acquired_wall_ms,"
        " paused, paused_until_wall_ms, paused_by, paused_why"
        " FROM tj_lease WHERE name = ?1",
    [TJ_SQLITE_CREATE] =
        "INSERT INTO tj_lease (name, term, seq, released, holder, lease_ms,"
        " frees_on_death, boot_id, namespaces, host, pid, pid_start,"
        " acquired_wall_ms) VALUES (?1, ?2 + 1, ?3 + 1, 0, ?4, ?5, ?6, ?7, ?8,"
        " ?9, ?10, ?11, ?12) ON CONFLICT (name) DO NOTHING",
    [TJ_SQLITE_ACQUIRE] =
        "UPDATE tj_lease SET term = term + 1, seq = seq + 1, released = 0,"
        " holder = ?4, lease_ms = ?5, frees_on_death = ?6, boot_id = ?7,"
        " namespaces = ?8, host = ?9, pid = ?10, pid_start = ?11,"
        " acquired_wall_ms = ?12 WHERE name = ?1 AND term = ?2 AND seq = ?3",
    [TJ_SQLITE_RENEW] =
        "UPDATE tj_lease SET seq = seq + 1" HELD
        " RETURNING paused, paused_until_wall_ms, paused_by, paused_why",
    [TJ_SQLITE_RELEASE] =
        "UPDATE tj_lease SET seq = seq + 1, released = 1" HELD,
    [TJ_SQLITE_REPAIR] =
        "UPDATE tj_lease SET seq = seq + 1, term = ?4" HELD " AND ?4 > term",
    [TJ_SQLITE_PAUSE] =
        "INSERT INTO tj_lease (name, term, seq, released, holder, lease_ms,"
        " frees_on_death, boot_id, namespaces, host, pid, pid_start,"
        " acquired_wall_ms, paused, paused_until_wall_ms, paused_by,"
        " paused_why) VALUES (?1, 0, 0, 1, '', 0, 0, '', '', '', 0, 0, 0, ?2,"
        " ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET paused = ?2,"
        " paused_until_wall_ms = ?3, paused_by = ?4, paused_why = ?5",
};

/* ---- waiting for a lock ---- */

/* Called while somebody else holds the lock: wait a little, and not past the
 * call's deadline. */
static int on_busy(void *userdata, int n_calls)
{
    tj_sqlite_lease *lease = userdata;
    struct timespec pause = { .tv_nsec = 200000L
                                         << (n_calls < 4 ? n_calls : 4) };

    if (atomic_load_explicit(&lease->interrupted, memory_order_relaxed) ||
        tj_lease_now_ns() + pause.tv_nsec >= lease->deadline_ns)
        return 0;
    nanosleep(&pause, NULL);
    return 1;
}

/* Find a process that holds a write lock on the file, without opening it: a
 * descriptor of ours that is closed would drop the connection's own locks. */
static long lock_holder(const char *path)
{
    char line[256];
    struct stat status;
    long found = 0;
    FILE *locks;

    if (stat(path, &status))
        return 0;
    locks = fopen("/proc/locks", "re");
    if (!locks)
        return 0;
    while (!found && fgets(line, sizeof(line), locks)) {
        unsigned major_number, minor_number;
        unsigned long long inode;
        long pid;

        /* 1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 1073741824 1073741825 */
        if (sscanf(line, "%*d: %*s %*s WRITE %ld %x:%x:%llu", &pid,
                   &major_number, &minor_number, &inode) == 4 &&
            inode == status.st_ino && major_number == major(status.st_dev) &&
            minor_number == minor(status.st_dev) && pid > 0 &&
            pid != (long)getpid())
            found = pid;
    }
    (void)fclose(locks);
    return found;
}

/* ---- errors ---- */

static int code_of(int result, int system_errno)
{
    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TJ_EBUSY;
    case SQLITE_FULL:
        return TJ_ENOSPC;
    case SQLITE_NOMEM:
        return TJ_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return TJ_EPARSE;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return TJ_EACCES;
    case SQLITE_INTERRUPT:
        return TJ_ECANCELED;
    case SQLITE_TOOBIG:
        return TJ_ETOOBIG;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return system_errno == ENOSPC ? TJ_ENOSPC : TJ_EIO;
    default:
        return TJ_ESYSTEM;
    }
}

/* The connection is as good as new for the next call. */
static bool is_passing(int result)
{
    int primary = result & 0xff;

    return primary == SQLITE_BUSY || primary == SQLITE_LOCKED ||
           primary == SQLITE_INTERRUPT || primary == SQLITE_CONSTRAINT;
}

static void statements_reset(tj_sqlite_lease *lease)
{
    int at;

    for (at = 0; at < TJ_SQLITE_N_STATEMENTS; at++)
        sqlite3_reset(lease->statements[at]);
}

int tj__sqlite_failed(tj_sqlite_lease *lease,
                      int result,
                      const char *doing,
                      tj_error *reterr)
{
    int system_errno = lease->db ? sqlite3_system_errno(lease->db) : 0;
    const char *text =
        lease->db ? sqlite3_errmsg(lease->db) : sqlite3_errstr(result);
    int code = code_of(result, system_errno);
    char more[96] = "";

    if (code == TJ_EBUSY) {
        long pid = lock_holder(lease->path);

        if (pid)
            (void)snprintf(more, sizeof(more), " by process %ld", pid);
    } else if (system_errno) {
        char buffer[64];

        (void)snprintf(more, sizeof(more), " (%s)",
                       strerror_r(system_errno, buffer, sizeof(buffer)));
    }
    tj__error_set(reterr, code, "lease", "sqlite: %s: %s%s", doing, text, more);
    statements_reset(lease);
    if (lease->db && !sqlite3_get_autocommit(lease->db))
        (void)sqlite3_exec(lease->db, "ROLLBACK", NULL, NULL, NULL);
    if (!is_passing(result))
        tj__sqlite_close(lease);
    return code;
}

/* ---- the file ---- */

/* Where POSIX locks do not reach the other machines, or lie. */
static const struct {
    unsigned magic;
    const char *name;
} refused[] = {
    { 0x6969u, "nfs" },        { 0x517bu, "smb" },
    { 0xff534d42u, "cifs" },   { 0xfe534d42u, "smb2" },
    { 0x65735546u, "fuse" },   { 0x01021997u, "9p" },
    { 0x00c36400u, "ceph" },   { 0x5346414fu, "afs" },
    { 0x6b414653u, "afs" },    { 0x73757245u, "coda" },
    { 0x7461636fu, "ocfs2" },  { 0x01161970u, "gfs2" },
    { 0x0bd00bd0u, "lustre" }, { 0x47504653u, "gpfs" },
    { 0x564cu, "ncp" },        { 0x19830326u, "beegfs" },
    { 0xbacbacbcu, "vmhgfs" }, { 0x786f4256u, "vboxsf" },
    { 0x013111a8u, "ibrix" },  { 0xaad7aaeau, "panfs" },
};

static int check_file_system(const char *path, tj_error *reterr)
{
    struct statfs status;
    size_t at;

    if (statfs(path, &status))
        return tj__error_set_errno(reterr, errno, "lease", "sqlite: '%s'",
                                   path);
    for (at = 0; at < sizeof(refused) / sizeof(refused[0]); at++) {
        if ((unsigned)status.f_type == refused[at].magic)
            return tj__error_set(
                reterr, TJ_EUNSUPPORTED, "lease",
                "sqlite: '%s' is on a %s file system, where locks cannot be "
                "trusted: the file must be on a local disk",
                path, refused[at].name);
    }
    return 0;
}

/* Make the file if it is not there. Only a file that is new, and therefore
 * not open in this process, is ever opened here. */
static int make_file(const char *path, tj_error *reterr)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno == EEXIST)
        return 0;
    return tj__error_set_errno(reterr, errno, "lease",
                               "sqlite: cannot make '%s'", path);
}

static int check_file(const char *path, tj_error *reterr)
{
    struct stat status;
    int code = make_file(path, reterr);

    if (code)
        return code;
    if (stat(path, &status))
        return tj__error_set_errno(reterr, errno, "lease", "sqlite: '%s'",
                                   path);
    if (!S_ISREG(status.st_mode))
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "sqlite: '%s' is not a regular file", path);
    if (status.st_nlink > 1)
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "sqlite: '%s' has %lu names: each would have a "
                             "journal of its own; keep one of them",
                             path, (unsigned long)status.st_nlink);
    return check_file_system(path, reterr);
}

/* ---- the connection ---- */

static int execute(tj_sqlite_lease *lease, const char *sql, tj_error *reterr)
{
    int result = sqlite3_exec(lease->db, sql, NULL, NULL, NULL);

    if (result == SQLITE_OK)
        return 0;
    return tj__sqlite_failed(lease, result, "cannot prepare the file", reterr);
}

/* Nothing that the file brings along (triggers, views, odd schemas) runs, and
 * nothing of it may be big. */
static void harden(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 100000);
}

/* Set the journal mode and see that it is set. */
static int set_journal(tj_sqlite_lease *lease, tj_error *reterr)
{
    bool wal = sqlite3_libversion_number() >= WAL_VERSION;
    const char *wanted = wal ? "wal" : "truncate";
    sqlite3_stmt *pragma = NULL;
    char got[16] = "";
    int result = sqlite3_prepare_v2(lease->db,
                                    wal ? "PRAGMA journal_mode = WAL"
                                        : "PRAGMA journal_mode = TRUNCATE",
                                    -1, &pragma, NULL);

    if (result == SQLITE_OK) {
        result = sqlite3_step(pragma);
        if (result == SQLITE_ROW)
            (void)snprintf(got, sizeof(got), "%s",
                           (const char *)sqlite3_column_text(pragma, 0));
    }
    sqlite3_finalize(pragma);
    if (result != SQLITE_ROW)
        return tj__sqlite_failed(lease, result, "cannot set the journal mode",
                                 reterr);
    if (strcmp(got, wanted) != 0) {
        tj__sqlite_close(lease);
        return tj__error_set(reterr, TJ_EUNSUPPORTED, "lease",
                             "sqlite: journal mode is '%s' and cannot be made "
                             "'%s'",
                             got, wanted);
    }
    return 0;
}

/* The version of the lease's tables; 0: none yet. */
static int
schema_version(tj_sqlite_lease *lease, int *ret_version, tj_error *reterr)
{
    sqlite3_stmt *query = NULL;
    int result = sqlite3_prepare_v2(lease->db,
                                    "SELECT count(*) FROM sqlite_schema WHERE"
                                    " type = 'table' AND"
                                    " name IN ('tj_schema', 'tj_lease')",
                                    -1, &query, NULL);
    bool there = false;

    if (result == SQLITE_OK)
        result = sqlite3_step(query);
    if (result == SQLITE_ROW)
        there = sqlite3_column_int(query, 0) == 2;
    sqlite3_finalize(query);
    *ret_version = 0;
    if (result == SQLITE_ROW && there) {
        result = sqlite3_prepare_v2(
            lease->db, "SELECT version FROM tj_schema WHERE room = 'lease'", -1,
            &query, NULL);
        if (result == SQLITE_OK)
            result = sqlite3_step(query);
        if (result == SQLITE_ROW)
            *ret_version = sqlite3_column_int(query, 0);
        sqlite3_finalize(query);
    }
    if (result == SQLITE_ROW || result == SQLITE_DONE)
        return 0;
    return tj__sqlite_failed(lease, result, "cannot read the schema", reterr);
}

static int have_schema(tj_sqlite_lease *lease, tj_error *reterr)
{
    int version = 0;
    int code = schema_version(lease, &version, reterr);

    if (code || version == SCHEMA_VERSION)
        return code;
    if (version) {
        tj__sqlite_close(lease);
        return tj__error_set(reterr, TJ_EUNSUPPORTED, "lease",
                             "sqlite: the lease in '%s' has version %d, this "
                             "program knows version %d",
                             lease->path, version, SCHEMA_VERSION);
    }
    code = execute(lease, "BEGIN IMMEDIATE", reterr);
    if (!code)
        code = execute(lease, schema, reterr);
    if (!code)
        code = execute(lease, "COMMIT", reterr);
    return code;
}

static int open_file(tj_sqlite_lease *lease, tj_error *reterr)
{
    int code = check_file(lease->path, reterr);
    int result;

    if (code)
        return code;
    result = sqlite3_open_v2(lease->path, &lease->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (result != SQLITE_OK) {
        code = tj__sqlite_failed(lease, result, "cannot open", reterr);
        tj__sqlite_close(lease);
        return code;
    }
    harden(lease->db);
    sqlite3_busy_handler(lease->db, on_busy, lease);
    code = execute(lease,
                   "PRAGMA cache_size = 8; PRAGMA synchronous = FULL;"
                   "PRAGMA locking_mode = NORMAL; PRAGMA temp_store = MEMORY",
                   reterr);
    if (!code)
        code = set_journal(lease, reterr);
    if (!code)
        code = have_schema(lease, reterr);
    /* A file that is only busy stays open, but is set up anew. */
    if (code)
        tj__sqlite_close(lease);
    return code;
}

int tj__sqlite_ready(tj_sqlite_lease *lease, tj_error *reterr)
{
    int moved = 0;

    if (!lease->db)
        return open_file(lease, reterr);
    if (sqlite3_file_control(lease->db, "main", SQLITE_FCNTL_HAS_MOVED,
                             &moved) == SQLITE_OK &&
        !moved)
        return 0;
    /* What this connection sees is not what others see any more. */
    tj__sqlite_close(lease);
    return tj__error_set(reterr, TJ_EIO, "lease",
                         "sqlite: '%s' was deleted or replaced", lease->path);
}

void tj__sqlite_close(tj_sqlite_lease *lease)
{
    int at;

    for (at = 0; at < TJ_SQLITE_N_STATEMENTS; at++) {
        sqlite3_finalize(lease->statements[at]);
        lease->statements[at] = NULL;
    }
    sqlite3_close(lease->db);
    lease->db = NULL;
}

sqlite3_stmt *tj__sqlite_statement(tj_sqlite_lease *lease,
                                   tj_sqlite_statement which,
                                   tj_error *reterr)
{
    sqlite3_stmt **statement = &lease->statements[which];
    int result;

    if (*statement)
        return *statement;
    result = sqlite3_prepare_v3(lease->db, texts[which], -1,
                                SQLITE_PREPARE_PERSISTENT, statement, NULL);
    if (result == SQLITE_OK)
        return *statement;
    tj__sqlite_failed(lease, result, "cannot prepare a statement", reterr);
    return NULL;
}
