/* See log_dir.h. */
#include "log/log_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define DIR_MODE 0750

int tj__log_dir_init(tj_log_dir *dir,
                     const tj_log_sys *sys,
                     const char *path,
                     tj_error *reterr)
{
    char here[PATH_MAX] = "";
    size_t size;

    *dir = (tj_log_dir){ .sys = sys, .fd = -1 };
    if (!path || !path[0])
        return tj__error_set(reterr, TJ_EINVAL, "log", "no directory given");
    if (path[0] != '/' && !getcwd(here, sizeof(here)))
        return tj__error_set_errno(reterr, errno, "log",
                                   "cannot tell the working directory");

    size = strlen(here) + strlen(path) + 2;
    dir->path = tj__malloc(size);
    if (!dir->path)
        return tj__error_set(reterr, TJ_ENOMEM, "log", "out of memory");
    (void)snprintf(dir->path, size, "%s%s%s", here, here[0] ? "/" : "", path);
    return 0;
}

static void dir_close(tj_log_dir *dir)
{
    if (dir->fd >= 0)
        dir->sys->close(dir->fd);
    dir->fd = -1;
}

void tj__log_dir_done(tj_log_dir *dir)
{
    dir_close(dir);
    tj__free(dir->path);
    dir->path = NULL;
}

/* Make a directory below `parent_fd`, and its name last. */
static int
component_make(const tj_log_dir *dir, int parent_fd, const char *name)
{
    int fd;

    if (dir->sys->mkdirat(parent_fd, name, DIR_MODE) && errno != EEXIST)
        return -1;
    fd = tj__sys_openat(dir->sys, parent_fd, ".",
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd >= 0) {
        /* A parent that we may search and not read cannot be synced; then
         * the name is as lasting as the file system makes it. */
        (void)tj__sys_sync(dir->sys->fsync, fd);
        dir->sys->close(fd);
    }
    return 0;
}

/* Walk to the directory, one component at a time, making what is missing.
 * Returns a descriptor or -1 with errno. `path` is cut up meanwhile. */
static int path_walk(const tj_log_dir *dir, char *path)
{
    char *save = NULL, *name, *next;
    int flags = path[strspn(path, "/")] ? O_PATH : O_RDONLY;
    int fd, child;

    fd = tj__sys_openat(dir->sys, AT_FDCWD, "/",
                        flags | O_DIRECTORY | O_CLOEXEC, 0);

    for (name = strtok_r(path, "/", &save); name && fd >= 0; name = next) {
        next = strtok_r(NULL, "/", &save);
        flags = (next ? O_PATH : O_RDONLY) | O_DIRECTORY | O_CLOEXEC;
        child = tj__sys_openat(dir->sys, fd, name, flags, 0);
        if (child < 0 && errno == ENOENT && !component_make(dir, fd, name))
            child = tj__sys_openat(dir->sys, fd, name, flags, 0);
        if (child < 0) {
            int reason = errno;

            dir->sys->close(fd);
            errno = reason;
            return -1;
        }
        dir->sys->close(fd);
        fd = child;
    }
    return fd;
}

int tj__log_dir_open(tj_log_dir *dir, tj_error *reterr)
{
    struct stat status;
    char *path = tj__strdup(dir->path);
    int reason;

    if (!path)
        return tj__error_set(reterr, TJ_ENOMEM, "log", "out of memory");
    dir_close(dir);
    dir->fd = path_walk(dir, path);
    reason = errno;
    tj__free(path);
    if (dir->fd < 0)
        return tj__error_set_errno(reterr, reason, "log",
                                   "cannot open directory %s", dir->path);
    if (dir->sys->fstat(dir->fd, &status)) {
        reason = errno;
        dir_close(dir);
        return tj__error_set_errno(reterr, reason, "log",
                                   "cannot examine directory %s", dir->path);
    }
    dir->dev = status.st_dev;
    dir->ino = status.st_ino;
    return 0;
}

bool tj__log_dir_is_there(const tj_log_dir *dir)
{
    return dir->fd >= 0 && tj__sys_is_name_of(dir->sys, AT_FDCWD, dir->path, 0,
                                              dir->dev, dir->ino);
}

int tj__log_dir_sync(tj_log_dir *dir, tj_error *reterr)
{
    /* Some file systems cannot sync a directory and say EINVAL. */
    if (tj__sys_sync(dir->sys->fsync, dir->fd) && errno != EINVAL)
        return tj__error_set_errno(reterr, errno, "log",
                                   "cannot sync directory %s", dir->path);
    dir->unsynced = false;
    return 0;
}
