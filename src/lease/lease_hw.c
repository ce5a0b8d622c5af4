/* See lease_hw.h. */
#include "lease/lease_hw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

#include <timedjobs/lease.h>

enum {
    FILE_NAME_SIZE = TJ_LEASE_NAME_SIZE + 16,
    LOCK_TRIES = 50, /* of 2 ms */
    TEXT_SIZE = 32
};

static int directory_open(const char *path, int *ret_fd, tj_error *reterr)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && !mkdir(path, 0750))
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return tj__error_set_errno(reterr, errno, "lease",
                                   "cannot open the state directory '%s'",
                                   path);
    *ret_fd = fd;
    return 0;
}

/* One to sixteen digits and a newline, nothing else. */
static bool term_parse(const char *text, size_t size, int64_t *ret_term)
{
    int64_t term = 0;
    size_t at;

    if (size < 2 || size > 17 || text[size - 1] != '\n')
        return false;
    for (at = 0; at < size - 1; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        term = term * 10 + (text[at] - '0');
    }
    if (term < 1 || term > TJ_LEASE_TERM_MAX)
        return false;
    *ret_term = term;
    return true;
}

static ssize_t read_whole(int fd, char *text, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, text + used, size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (!got)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static int
term_load(int directory, const char *file, int64_t *ret_term, tj_error *reterr)
{
    char text[TEXT_SIZE];
    ssize_t size;
    int fd =
        openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 && errno == ENOENT) {
        *ret_term = 0;
        return 0;
    }
    if (fd < 0)
        return tj__error_set_errno(reterr, errno, "lease", "cannot open '%s'",
                                   file);
    size = read_whole(fd, text, sizeof(text));
    if (size < 0) {
        int error = errno;

        close(fd);
        return tj__error_set_errno(reterr, error, "lease", "cannot read '%s'",
                                   file);
    }
    close(fd);
    if (!term_parse(text, (size_t)size, ret_term))
        return tj__error_set(reterr, TJ_EPARSE, "lease",
                             "'%s' holds no term (remove it only if the lease "
                             "was never held under a higher one)",
                             file);
    return 0;
}

static int write_whole(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t wrote = write(fd, text, size);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        text += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

/* The classic: a new file, synced, takes the old one's name. */
static int
term_store(int directory, const char *file, int64_t term, tj_error *reterr)
{
    char temporary[FILE_NAME_SIZE + 24], text[TEXT_SIZE];
    size_t size = tj__text_format_i64(text, term);
    int fd, error;

    text[size++] = '\n';
    (void)snprintf(temporary, sizeof(temporary), "%s.%d.new", file,
                   (int)getpid());
    fd = openat(directory, temporary,
                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return tj__error_set_errno(reterr, errno, "lease", "cannot write '%s'",
                                   temporary);
    error = write_whole(fd, text, size) || fsync(fd) ? errno : 0;
    if (close(fd) && !error && errno != EINTR)
        error = errno;
    if (!error && renameat(directory, temporary, directory, file))
        error = errno;
    if (!error && fsync(directory))
        error = errno;
    if (!error)
        return 0;
    unlinkat(directory, temporary, 0);
    return tj__error_set_errno(reterr, error, "lease", "cannot write '%s'",
                               file);
}

/* Wait a little for others at it. Who hangs in there is not waited for: the
 * worst that can come of it is a term that is noted too low. */
static void directory_lock(int directory)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    int tries;

    for (tries = 0; tries < LOCK_TRIES; tries++) {
        if (!flock(directory, LOCK_EX | LOCK_NB))
            return;
        nanosleep(&pause, NULL);
    }
}

static void file_name(char file[FILE_NAME_SIZE], const char *name)
{
    (void)snprintf(file, FILE_NAME_SIZE, "%s.term.hw", name);
}

int tj__lease_hw_load(const char *state_dir,
                      const char *name,
                      int64_t *ret_term,
                      tj_error *reterr)
{
    char file[FILE_NAME_SIZE];
    int directory = -1, code;

    file_name(file, name);
    code = directory_open(state_dir, &directory, reterr);
    if (code)
        return code;
    code = term_load(directory, file, ret_term, reterr);
    close(directory);
    return code;
}

int tj__lease_hw_save(const char *state_dir,
                      const char *name,
                      int64_t term,
                      tj_error *reterr)
{
    char file[FILE_NAME_SIZE];
    int64_t there = 0;
    int directory = -1, code;

    file_name(file, name);
    code = directory_open(state_dir, &directory, reterr);
    if (code)
        return code;
    directory_lock(directory);
    code = term_load(directory, file, &there, reterr);
    if (!code && there < term)
        code = term_store(directory, file, term, reterr);
    close(directory); /* and with it the lock */
    return code;
}
