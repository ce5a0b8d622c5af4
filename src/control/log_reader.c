/* See log_reader.h. */
#include "control/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/iso_time.h"
#include "control/log_filter.h"

#define MODULE "control"
#define DAY_MS ((int64_t)86400000)

/*  SEEK --(tail found, or no tail)--> READ --> done, or follow
 *  Seeking goes backwards from the end, over days if no date was given;
 *  reading goes forwards from where seeking ended. */
typedef enum reader_phase { PHASE_SEEK, PHASE_READ } reader_phase;

struct log_reader {
    char *dir;
    log_filter filter;
    reader_phase phase;
    bool follow;
    bool has_date;
    bool is_open; /* fd and offset belong to `day` */
    bool is_junk; /* inside a line that is too long */
    int64_t day;  /* days since 1970 */
    int64_t days_back;
    int64_t tail_left; /* lines still to be found; -1: from the start */
    int fd;            /* -1: the day has no file (yet) */
    int next_fd;       /* a later day's file, met at the end of this one */
    int64_t next_day;
    int64_t offset; /* always a line's start, but in junk */
    size_t block;   /* bytes a read; grows for a long line */
};

/* ---- files ------------------------------------------------------------- */

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Open a day's file; *ret_fd is -1 when there is none. */
static int
day_open(const log_reader *reader, int64_t day, int *ret_fd, tj_error *reterr)
{
    char name[TJ_ISO_TIME_SIZE + 8];
    char instant[TJ_ISO_TIME_SIZE];
    struct stat info;
    int dir_fd, fd, error;

    *ret_fd = -1;
    if (tj__iso_time_print(instant, day * DAY_MS) != TJ_ISO_TIME_LENGTH)
        return 0;
    snprintf(name, sizeof(name), "%.10s.jsonl", instant);
    dir_fd = open(reader->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = dir_fd < 0 ? -1
                    : openat(dir_fd, name,
                             O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    error = errno;
    if (dir_fd >= 0)
        close(dir_fd);
    if (fd < 0 && error == ENOENT)
        return 0;
    if (fd < 0)
        return tj__error_set_errno(reterr, error, MODULE, "log file %s", name);
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return tj__error_set(reterr, TJ_EACCES, MODULE,
                             "log file %s is not a regular file", name);
    }
    *ret_fd = fd;
    return 0;
}

static int64_t file_size(int fd)
{
    struct stat info;

    return fd >= 0 && fstat(fd, &info) == 0 ? (int64_t)info.st_size : 0;
}

/* Read exactly `size` bytes unless the file ends before. */
static int read_at(int fd,
                   char *bytes,
                   size_t size,
                   int64_t offset,
                   size_t *ret_size,
                   tj_error *reterr)
{
    size_t used = 0;

    while (fd >= 0 && used < size) {
        ssize_t step =
            pread(fd, bytes + used, size - used, offset + (int64_t)used);

        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0)
            return tj__error_set_errno(reterr, errno, MODULE, "log file");
        if (step == 0)
            break;
        used += (size_t)step;
    }
    *ret_size = used;
    return 0;
}

/* ---- backwards --------------------------------------------------------- */

/* The block ends at a line's end (or the file's). Count its lines from the
 * last to the first; tells where the first of them starts. */
static size_t count_back(log_reader *reader, const char *bytes, size_t size)
{
    size_t end = size;

    while (end && reader->tail_left) {
        const char *before = memrchr(bytes, '\n', end - 1);
        size_t start = before ? (size_t)(before - bytes) + 1 : 0;

        if (!before && reader->offset > (int64_t)size)
            break; /* it starts in an earlier block */
        if (reader->is_junk)
            reader->is_junk = false;
        else if (bytes[end - 1] == '\n' &&
                 log_filter_passes(&reader->filter, bytes + start,
                                   end - start - 1))
            reader->tail_left--;
        end = start;
    }
    return end;
}

/* One block further back in this day's file. */
static int seek_block(log_reader *reader, char *bytes, tj_error *reterr)
{
    size_t size = reader->block;
    size_t used = 0, start;
    int code;

    if ((int64_t)size > reader->offset)
        size = (size_t)reader->offset;
    code = read_at(reader->fd, bytes, size, reader->offset - (int64_t)size,
                   &used, reterr);
    if (code)
        return code;
    if (used < size) { /* it shrank under us */
        reader->offset = 0;
        return 0;
    }
    start = count_back(reader, bytes, size);
    if (start < size || size < reader->block) {
        reader->offset -= (int64_t)(size - start);
        reader->block = LOG_READER_BLOCK;
    } else if (reader->block < LOG_READER_LINE_MAX) {
        reader->block *= 2;
    } else {
        reader->offset -= (int64_t)size;
        reader->is_junk = true;
        reader->block = LOG_READER_BLOCK;
    }
    return 0;
}

static int seek_step(log_reader *reader, char *bytes, tj_error *reterr)
{
    int code;

    if (!reader->is_open) {
        code = day_open(reader, reader->day, &reader->fd, reterr);
        if (code)
            return code;
        reader->is_open = true;
        reader->offset = reader->tail_left < 0 ? 0 : file_size(reader->fd);
    }
    if (reader->tail_left > 0 && reader->offset > 0)
        return seek_block(reader, bytes, reterr);
    if (reader->tail_left > 0 && !reader->has_date &&
        reader->days_back < LOG_READER_BACK_MAX && reader->day > 0) {
        fd_close(&reader->fd);
        reader->is_open = false;
        reader->is_junk = false;
        reader->days_back++;
        reader->day--;
        return 0;
    }
    reader->phase = PHASE_READ;
    reader->is_junk = false;
    reader->block = LOG_READER_BLOCK;
    return 0;
}

/* ---- forwards ---------------------------------------------------------- */

/* Append the lines that pass; tells how many bytes were whole lines. */
static size_t
take_lines(log_reader *reader, const char *bytes, size_t size, tj_buf *out)
{
    size_t start = 0;
    const char *end;

    while (start < size && (end = memchr(bytes + start, '\n', size - start))) {
        size_t line_size = (size_t)(end - bytes) - start;

        if (reader->is_junk)
            reader->is_junk = false;
        else if (log_filter_passes(&reader->filter, bytes + start, line_size))
            tj__buf_append(out, bytes + start, line_size + 1);
        start += line_size + 1;
    }
    return start;
}

/* Read on. *ret_moved is false at the end of the file. */
static int read_block(log_reader *reader,
                      char *bytes,
                      tj_buf *out,
                      bool *ret_moved,
                      tj_error *reterr)
{
    size_t used = 0, whole;
    int code = read_at(reader->fd, bytes, reader->block, reader->offset, &used,
                       reterr);

    if (code)
        return code;
    whole = take_lines(reader, bytes, used, out);
    *ret_moved = true;
    if (whole) {
        reader->offset += (int64_t)whole;
        reader->block = LOG_READER_BLOCK;
    } else if (used < reader->block) {
        *ret_moved = false; /* nothing, or a line that is not finished */
    } else if (reader->block < LOG_READER_LINE_MAX) {
        reader->block *= 2;
    } else {
        reader->offset += (int64_t)used;
        reader->is_junk = true;
        reader->block = LOG_READER_BLOCK;
    }
    return 0;
}

/* Look for the first file of a day after this one, up to today. */
static int next_find(log_reader *reader, int64_t today, tj_error *reterr)
{
    int64_t day = reader->day + 1;
    int code = 0;

    if (today - day > 2 * (int64_t)LOG_READER_BACK_MAX)
        day = today - 2 * (int64_t)LOG_READER_BACK_MAX;
    for (; !code && day <= today && reader->next_fd < 0; day++) {
        code = day_open(reader, day, &reader->next_fd, reterr);
        reader->next_day = day;
    }
    return code;
}

static void next_take(log_reader *reader)
{
    fd_close(&reader->fd);
    reader->fd = reader->next_fd;
    reader->next_fd = -1;
    reader->day = reader->next_day;
    reader->offset = 0;
    reader->is_junk = false;
}

/* The file may have been removed, or its directory; what comes is in a new
 * one then. A file that shrank is read anew. */
static int file_refresh(log_reader *reader, tj_error *reterr)
{
    struct stat info;
    int fd, code;

    if (reader->fd >= 0 && fstat(reader->fd, &info) == 0 && info.st_nlink) {
        if ((int64_t)info.st_size < reader->offset)
            reader->offset = 0;
        return 0;
    }
    code = day_open(reader, reader->day, &fd, reterr);
    if (code || fd < 0)
        return code;
    fd_close(&reader->fd);
    reader->fd = fd;
    reader->offset = 0;
    reader->is_junk = false;
    return 0;
}

static int read_step(log_reader *reader,
                     int64_t today,
                     char *bytes,
                     tj_buf *out,
                     log_reader_state *ret_state,
                     tj_error *reterr)
{
    bool had_next = reader->next_fd >= 0;
    bool moved = false;
    int code = read_block(reader, bytes, out, &moved, reterr);

    if (code || moved)
        return code;
    /* The end of this day's file. Once a later file exists, nothing is added
     * here any more; so look for that first, and then read here once again. */
    if (had_next) {
        next_take(reader);
        return 0;
    }
    if (!reader->has_date || reader->follow) {
        code = next_find(reader, today, reterr);
        if (code || reader->next_fd >= 0)
            return code;
    }
    if (!reader->follow) {
        *ret_state = LOG_READER_DONE;
        return 0;
    }
    *ret_state = LOG_READER_AT_END;
    return file_refresh(reader, reterr);
}

/* ---- the reader -------------------------------------------------------- */

int log_reader_step(log_reader *reader,
                    int64_t wall_ms,
                    tj_buf *out,
                    log_reader_state *ret_state,
                    tj_error *reterr)
{
    int64_t today = tj__iso_day(wall_ms);
    char *bytes = tj__malloc(reader->block);
    int code;

    if (!bytes)
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    *ret_state = LOG_READER_MORE;
    if (!reader->is_open && !reader->has_date && !reader->days_back)
        reader->day = today;
    if (reader->phase == PHASE_SEEK)
        code = seek_step(reader, bytes, reterr);
    else
        code = read_step(reader, today, bytes, out, ret_state, reterr);
    tj__free(bytes);
    return code;
}

/* False when memory is out; NULL is copied as NULL. */
static bool text_copy(char **ret_copy, const char *text)
{
    *ret_copy = tj__strdup(text);
    return !text || *ret_copy;
}

int log_reader_new(const log_reader_options *options,
                   log_reader **ret_reader,
                   tj_error *reterr)
{
    log_reader *reader = tj__calloc(1, sizeof(*reader));
    char instant[TJ_ISO_TIME_SIZE];
    int64_t wall_ms = 0;

    if (!reader)
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    reader->fd = -1;
    reader->next_fd = -1;
    reader->block = LOG_READER_BLOCK;
    reader->follow = options->follow;
    reader->tail_left = options->tail;
    reader->has_date = options->date != NULL;
    if (!text_copy(&reader->dir, options->dir) ||
        !text_copy(&reader->filter.job, options->job) ||
        !text_copy(&reader->filter.runner, options->runner) ||
        !text_copy(&reader->filter.stage, options->stage)) {
        log_reader_free(reader);
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    }
    if (options->date) {
        snprintf(instant, sizeof(instant), "%.10sT00:00:00Z", options->date);
        if (!tj__iso_time_parse(instant, strlen(instant), &wall_ms)) {
            log_reader_free(reader);
            return tj__error_set(reterr, TJ_EINVAL, MODULE,
                                 "this is no date: %.40s", options->date);
        }
        reader->day = tj__iso_day(wall_ms);
    }
    *ret_reader = reader;
    return 0;
}

void log_reader_free(log_reader *reader)
{
    if (!reader)
        return;
    fd_close(&reader->fd);
    fd_close(&reader->next_fd);
    log_filter_done(&reader->filter);
    tj__free(reader->dir);
    tj__free(reader);
}
