/* See log_sys.h: the real calls. */
#include "log/log_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static int sys_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    return openat(dir_fd, name, flags, mode);
}

static int64_t sys_mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const tj_log_sys tj__log_sys = {
    .openat = sys_openat,
    .close = close,
    .writev = writev,
    .pread = pread,
    .fstat = fstat,
    .fstatat = fstatat,
    .lseek = lseek,
    .flock = flock,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .mkdirat = mkdirat,
    .unlinkat = unlinkat,
    .mono_ns = sys_mono_ns,
};

int tj__sys_openat(const tj_log_sys *sys,
                   int dir_fd,
                   const char *name,
                   int flags,
                   mode_t mode)
{
    int fd;

    do
        fd = sys->openat(dir_fd, name, flags, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

ssize_t tj__sys_writev(const tj_log_sys *sys,
                       int fd,
                       const struct iovec *parts,
                       int n_parts)
{
    ssize_t size;

    do
        size = sys->writev(fd, parts, n_parts);
    while (size < 0 && errno == EINTR);
    return size;
}

ssize_t
tj__sys_pread(const tj_log_sys *sys, int fd, void *to, size_t size, off_t at)
{
    ssize_t got;

    do
        got = sys->pread(fd, to, size, at);
    while (got < 0 && errno == EINTR);
    return got;
}

int tj__sys_sync(int (*sync_fd)(int fd), int fd)
{
    int result;

    do
        result = sync_fd(fd);
    while (result < 0 && errno == EINTR);
    return result;
}

bool tj__sys_is_name_of(const tj_log_sys *sys,
                        int dir_fd,
                        const char *name,
                        int flags,
                        dev_t dev,
                        ino_t ino)
{
    struct stat status;

    if (sys->fstatat(dir_fd, name, &status, flags))
        return errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
    return status.st_dev == dev && status.st_ino == ino;
}
