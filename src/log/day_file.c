/* See day_file.h. */
#include "log/day_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define DAY_MS    ((int64_t)24 * 60 * 60 * 1000)
#define FILE_MODE 0640
/* A file that is deleted again and again, each time right after it was made,
 * is given up for now. */
#define ROUNDS_MAX 4
/* Looks at a file's end while other processes keep writing. */
#define SETTLE_MAX      1000
#define LOCK_ROUNDS_MAX 20 /* 1 ms each */

void tj__day_name_print(char name[TJ_DAY_NAME_SIZE], int64_t day)
{
    char text[TJ_ISO_TIME_SIZE];
    size_t length = tj__iso_time_print(text, day * DAY_MS);

    /* what follows the date is always as long as in "T00:00:00.000Z" */
    length -= TJ_ISO_TIME_LENGTH - TJ_ISO_DATE_LENGTH;
    (void)snprintf(name, TJ_DAY_NAME_SIZE, "%.*s.jsonl", (int)length, text);
}

bool tj__day_name_check(const char *name)
{
    static const char form[] = "0000-00-00.jsonl";

    for (size_t i = 0; i < sizeof(form); i++) {
        bool good = form[i] == '0' ? name[i] >= '0' && name[i] <= '9'
                                   : name[i] == form[i];

        if (!good)
            return false;
    }
    return true;
}

void tj__day_file_init(tj_day_file *file,
                       const tj_log_sys *sys,
                       tj_log_dir *dir)
{
    *file = (tj_day_file){ .sys = sys, .dir = dir, .fd = -1, .end = -1 };
}

/* ---- chunks ------------------------------------------------------------ */

size_t tj__chunk_count_lines(const tj_chunk *chunk, size_t size)
{
    size_t n_lines = 0;

    for (int i = 0; i < chunk->n_parts && size > 0; i++) {
        const char *from = chunk->parts[i].iov_base;
        size_t left = chunk->parts[i].iov_len;
        const char *newline;

        if (left > size)
            left = size;
        size -= left;
        while ((newline = memchr(from, '\n', left))) {
            n_lines++;
            left -= (size_t)(newline + 1 - from);
            from = newline + 1;
        }
    }
    return n_lines;
}

/* Where the line begins that byte number `offset` is in. */
static size_t chunk_line_start(const tj_chunk *chunk, size_t offset)
{
    const struct iovec *first = &chunk->parts[0], *second = &chunk->parts[1];
    const char *newline;

    if (offset > first->iov_len) {
        newline = memrchr(second->iov_base, '\n', offset - first->iov_len);
        if (newline)
            return first->iov_len +
                   (size_t)(newline + 1 - (char *)second->iov_base);
        offset = first->iov_len;
    }
    newline = memrchr(first->iov_base, '\n', offset);
    return newline ? (size_t)(newline + 1 - (char *)first->iov_base) : 0;
}

/* What is left of a chunk from `offset` on. Returns the number of parts. */
static int
chunk_rest(const tj_chunk *chunk, size_t offset, struct iovec parts[2])
{
    int n_parts = 0;

    for (int i = 0; i < chunk->n_parts; i++) {
        size_t size = chunk->parts[i].iov_len;

        if (offset >= size) {
            offset -= size;
            continue;
        }
        parts[n_parts].iov_base = (char *)chunk->parts[i].iov_base + offset;
        parts[n_parts++].iov_len = size - offset;
        offset = 0;
    }
    return n_parts;
}

/* ---- failures ---------------------------------------------------------- */

static tj_file_trouble trouble_kind(int reason)
{
    switch (reason) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENODEV:
    case ENXIO:
    case ESTALE:
        return TJ_FILE_DISK;
    default:
        return TJ_FILE_ITSELF;
    }
}

static tj_file_trouble
file_failed(const tj_day_file *file, const char *what, tj_error *reterr)
{
    int reason = errno;

    tj__error_set_errno(reterr, reason, "log", "cannot %s %s", what,
                        file->name);
    return trouble_kind(reason);
}

static tj_file_trouble
file_refuse(tj_day_file *file, const char *why, tj_error *reterr)
{
    tj__day_file_close(file);
    tj__error_set(reterr, TJ_EACCES, "log", "%s is refused: %s", file->name,
                  why);
    return TJ_FILE_ITSELF;
}

/* ---- is it still there? ------------------------------------------------- */

/* Look whether the file still has a name. */
static tj_file_trouble
file_look(tj_day_file *file, bool *ret_gone, tj_error *reterr)
{
    struct stat status;

    if (file->sys->fstat(file->fd, &status))
        return file_failed(file, "examine", reterr);
    *ret_gone = status.st_nlink == 0;
    if (*ret_gone) {
        file->n_lost_lines += file->n_unseen_lines;
        file->lost_size += file->unseen_size;
    } else if (status.st_size != file->end) {
        file->shared = true;
        file->end = -1;
    }
    file->n_unseen_lines = 0;
    file->unseen_size = 0;
    return TJ_FILE_FINE;
}

void tj__day_file_look(tj_day_file *file)
{
    bool gone = false;

    if (file->fd < 0 || file->unseen_size == 0)
        return;
    if (!file_look(file, &gone, NULL) && gone)
        tj__day_file_close(file);
}

/* ---- opening ----------------------------------------------------------- */

/* Open the file or make it. The descriptor is in `file`, -1 on failure with
 * errno. */
static void file_open_or_make(tj_day_file *file)
{
    const int flags =
        O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int rounds = ROUNDS_MAX;

    /* Two steps, to know whether a name came into being; others may make or
     * delete it between them. */
    do {
        file->fd =
            tj__sys_openat(file->sys, file->dir->fd, file->name, flags, 0);
        if (file->fd >= 0 || errno != ENOENT)
            return;
        file->fd = tj__sys_openat(file->sys, file->dir->fd, file->name,
                                  flags | O_CREAT | O_EXCL, FILE_MODE);
        if (file->fd >= 0) {
            file->dir->unsynced = true;
            return;
        }
    } while (errno == EEXIST && --rounds > 0);
}

static tj_file_trouble file_check(tj_day_file *file, tj_error *reterr)
{
    struct stat status;

    if (file->sys->fstat(file->fd, &status)) {
        tj_file_trouble trouble = file_failed(file, "examine", reterr);

        tj__day_file_close(file);
        return trouble;
    }
    if (!S_ISREG(status.st_mode))
        return file_refuse(file, "not a regular file", reterr);
    if (status.st_uid != geteuid())
        return file_refuse(file, "it belongs to somebody else", reterr);
    if (status.st_nlink > 1)
        return file_refuse(file, "it has several names", reterr);
    file->dev = status.st_dev;
    file->ino = status.st_ino;
    return TJ_FILE_FINE;
}

tj_file_trouble
tj__day_file_open(tj_day_file *file, int64_t day, tj_error *reterr)
{
    tj_file_trouble trouble;

    tj__day_file_look(file);
    tj__day_file_close(file);
    file->day = day;
    tj__day_name_print(file->name, day);
    if (!tj__log_dir_is_there(file->dir) && tj__log_dir_open(file->dir, reterr))
        return TJ_FILE_DISK;

    file_open_or_make(file);
    if (file->fd < 0 && errno == ELOOP)
        return file_refuse(file, "it is a symbolic link", reterr);
    if (file->fd < 0)
        return file_failed(file, "open", reterr);
    trouble = file_check(file, reterr);
    if (!trouble && file->dir->unsynced &&
        tj__log_dir_sync(file->dir, reterr)) {
        tj__day_file_close(file);
        trouble = TJ_FILE_DISK;
    }
    return trouble;
}

void tj__day_file_close(tj_day_file *file)
{
    if (file->fd >= 0)
        file->sys->close(file->fd);
    file->fd = -1;
    file->end = -1;
    file->unsynced = false;
    file->shared = false;
    file->n_unseen_lines = 0;
    file->unseen_size = 0;
}

bool tj__day_file_is_current(const tj_day_file *file)
{
    return tj__log_dir_is_there(file->dir) &&
           tj__sys_is_name_of(file->sys, file->dir->fd, file->name,
                              AT_SYMLINK_NOFOLLOW, file->dev, file->ino);
}

/* ---- writing ----------------------------------------------------------- */

/* The size and the last byte, a newline for an empty file. */
static tj_file_trouble file_tail(const tj_day_file *file,
                                 off_t *ret_size,
                                 char *ret_last,
                                 tj_error *reterr)
{
    struct stat status;

    *ret_last = '\n';
    if (file->sys->fstat(file->fd, &status))
        return file_failed(file, "examine", reterr);
    *ret_size = status.st_size;
    if (status.st_size > 0 &&
        tj__sys_pread(file->sys, file->fd, ret_last, 1, status.st_size - 1) < 0)
        return file_failed(file, "read", reterr);
    return TJ_FILE_FINE;
}

/* The same, but not in the middle of a write of another process: a file grows
 * page by page, and its last byte means something only between writes.
 * Looking for a hole (and on some systems the read itself) waits for the
 * write that is going on; a size that has not changed since is final. */
static tj_file_trouble file_tail_settled(const tj_day_file *file,
                                         off_t *size,
                                         char *ret_last,
                                         tj_error *reterr)
{
    tj_file_trouble trouble;
    off_t before;

    for (int round = 0; round < SETTLE_MAX; round++) {
        before = *size;
        (void)file->sys->lseek(file->fd, 0, SEEK_HOLE);
        trouble = file_tail(file, size, ret_last, reterr);
        if (trouble || *ret_last == '\n' || *size == before)
            return trouble;
    }
    return TJ_FILE_FINE;
}

/* Lock the file, so that of several processes one ends the torn line. Who may
 * read it may lock it too, and must not stop us: we ask a few times only. */
static bool file_lock(const tj_day_file *file)
{
    const struct timespec pause = { .tv_nsec = 1000000L };

    for (int round = 0; round < LOCK_ROUNDS_MAX; round++) {
        if (!file->sys->flock(file->fd, LOCK_EX | LOCK_NB))
            return true;
        if (errno != EWOULDBLOCK)
            return false; /* a file system without locks */
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Make sure that what we write next begins a line. */
static tj_file_trouble file_end_line(tj_day_file *file, tj_error *reterr)
{
    char newline = '\n', last;
    const struct iovec part = { .iov_base = &newline, .iov_len = 1 };
    tj_file_trouble trouble;
    off_t size = 0;

    file->end = -1;
    trouble = file_tail(file, &size, &last, reterr);
    if (!trouble && last != '\n') {
        bool locked = file_lock(file);

        trouble = file_tail_settled(file, &size, &last, reterr);
        if (!trouble && last != '\n') {
            if (tj__sys_writev(file->sys, file->fd, &part, 1) == 1)
                size++;
            else
                trouble = file_failed(file, "write", reterr);
            file->unsynced = true;
        }
        if (locked)
            file->sys->flock(file->fd, LOCK_UN);
    }
    if (!trouble)
        file->end = size;
    return trouble;
}

static char chunk_byte(const tj_chunk *chunk, size_t offset)
{
    struct iovec parts[2];

    if (chunk_rest(chunk, offset, parts) == 0)
        return '\0';
    return *(const char *)parts[0].iov_base;
}

/* Somebody wrote after a piece of ours that misses nothing but its newline:
 * was that the first that they wrote? Then the line is whole. */
static bool line_was_ended(const tj_day_file *file, char missing)
{
    char next;

    return missing == '\n' && file->end >= 0 &&
           tj__sys_pread(file->sys, file->fd, &next, 1, file->end) == 1 &&
           next == '\n';
}

/* Go on where our last write stopped, if that is where the file ends. */
static tj_file_trouble file_prepare(tj_day_file *file,
                                    const tj_chunk *chunk,
                                    size_t *offset,
                                    tj_error *reterr)
{
    struct stat status;

    if (file->end >= 0 && file->unseen_size > 0 && !file->shared)
        return TJ_FILE_FINE; /* between two looks */
    if (file->sys->fstat(file->fd, &status))
        return file_failed(file, "examine", reterr);
    if (file->end == status.st_size)
        return TJ_FILE_FINE;
    if (line_was_ended(file, chunk_byte(chunk, *offset)))
        ++*offset;
    else
        *offset = chunk_line_start(chunk, *offset);
    return file_end_line(file, reterr);
}

static tj_file_trouble file_put(tj_day_file *file,
                                const tj_chunk *chunk,
                                size_t *offset,
                                tj_error *reterr)
{
    struct iovec parts[2];

    while (*offset < chunk->size) {
        int n_parts = chunk_rest(chunk, *offset, parts);
        ssize_t size = tj__sys_writev(file->sys, file->fd, parts, n_parts);

        if (size == 0)
            errno = EIO; /* no progress and no reason: do not spin */
        if (size <= 0)
            return file_failed(file, "write", reterr);
        *offset += (size_t)size;
        file->end += size;
        file->unsynced = true;
    }
    return TJ_FILE_FINE;
}

/* Write, and look if that is wanted. */
static tj_file_trouble file_try(tj_day_file *file,
                                const tj_chunk *chunk,
                                size_t *offset,
                                bool look,
                                bool *ret_gone,
                                tj_error *reterr)
{
    tj_file_trouble trouble = file_prepare(file, chunk, offset, reterr);

    if (!trouble)
        trouble = file_put(file, chunk, offset, reterr);
    if (trouble)
        return trouble;
    if (look)
        return file_look(file, ret_gone, reterr);
    file->n_unseen_lines += chunk->n_lines;
    file->unseen_size += chunk->size;
    return TJ_FILE_FINE;
}

tj_file_trouble tj__day_file_write(tj_day_file *file,
                                   const tj_chunk *chunk,
                                   size_t *offset,
                                   bool look,
                                   tj_error *reterr)
{
    const size_t begin = chunk_line_start(chunk, *offset);

    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool gone = false;
        tj_file_trouble trouble =
            file_try(file, chunk, offset, look, &gone, reterr);

        if (trouble || !gone)
            return trouble;

        /* What this call wrote went away with the file: once more. */
        *offset = begin;
        trouble = tj__day_file_open(file, file->day, reterr);
        if (trouble)
            return trouble;
    }
    tj__error_set(reterr, TJ_EIO, "log", "%s is deleted as fast as it is made",
                  file->name);
    return TJ_FILE_DISK;
}

tj_file_trouble tj__day_file_mend(tj_day_file *file, tj_error *reterr)
{
    return file_end_line(file, reterr);
}

tj_file_trouble tj__day_file_sync(tj_day_file *file, tj_error *reterr)
{
    if (tj__sys_sync(file->sys->fdatasync, file->fd) && errno != EINVAL &&
        errno != ENOSYS && errno != EOPNOTSUPP)
        return file_failed(file, "sync", reterr);
    file->unsynced = false;
    return TJ_FILE_FINE;
}
