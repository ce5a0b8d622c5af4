/* Every call of this room to the kernel about files, as a table, so that a
 * test can make the n-th of them fail, fall short or hang. There is one real
 * table; a log keeps a pointer to the one that it was made with. */
#ifndef TJ_LOG_LOG_SYS_H
#define TJ_LOG_LOG_SYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct tj_log_sys {
    int (*openat)(int dir_fd, const char *name, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*writev)(int fd, const struct iovec *parts, int n_parts);
    ssize_t (*pread)(int fd, void *bytes, size_t size, off_t offset);
    int (*fstat)(int fd, struct stat *ret_stat);
    int (*fstatat)(int dir_fd,
                   const char *name,
                   struct stat *ret_stat,
                   int flags);
    off_t (*lseek)(int fd, off_t offset, int whence);
    int (*flock)(int fd, int operation);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*mkdirat)(int dir_fd, const char *name, mode_t mode);
    int (*unlinkat)(int dir_fd, const char *name, int flags);
    int64_t (*mono_ns)(void); /* CLOCK_MONOTONIC */
} tj_log_sys;

extern const tj_log_sys tj__log_sys;

/* The calls that a signal may interrupt, made again until they were not. */
int tj__sys_openat(const tj_log_sys *sys,
                   int dir_fd,
                   const char *name,
                   int flags,
                   mode_t mode);
ssize_t tj__sys_writev(const tj_log_sys *sys,
                       int fd,
                       const struct iovec *parts,
                       int n_parts);
ssize_t
tj__sys_pread(const tj_log_sys *sys, int fd, void *to, size_t size, off_t at);
int tj__sys_sync(int (*sync_fd)(int fd), int fd);

/* Tell whether a name means the file that has this device and inode. A failure
 * that says nothing about the name counts as yes. */
bool tj__sys_is_name_of(const tj_log_sys *sys,
                        int dir_fd,
                        const char *name,
                        int flags,
                        dev_t dev,
                        ino_t ino);

#endif
