/* Finding and starting the warden's executable.
 *
 * posix_spawn is a vfork inside: it copies nothing however big this process
 * has grown, and reports a failed exec at once. */
#include "warden/launch.h"

#include "base/error.h"
#include "warden/client.h"
#include "warden/paths.h"
#include "warden/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "timed-jobs-warden"

/* Large enough for the biggest message with its descriptors. */
#define SOCKET_BUFFER_SIZE (4 * WIRE_MESSAGE_MAX)

static bool path_beside_us(char *path, size_t size)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (length <= 0)
        return false;
    self[length] = '\0';
    slash = strrchr(self, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return snprintf(path, size, "%s/" NAME, self) < (int)size &&
           access(path, X_OK) == 0;
}

int tj__warden_find(char *path, size_t size, tj_error *reterr)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here */
    const char *asked = getenv("TIMED_JOBS_WARDEN");

    if (asked && asked[0]) {
        if (snprintf(path, size, "%s", asked) < (int)size)
            return 0;
        return tj__error_set(reterr, TJ_ENOENT, "warden",
                             "TIMED_JOBS_WARDEN is too long");
    }
    if (path_beside_us(path, size))
        return 0;
    if (snprintf(path, size, "%s", TJ_WARDEN_INSTALLED) < (int)size &&
        access(path, X_OK) == 0)
        return 0;
    return tj__error_set(reterr, TJ_ENOENT, "warden",
                         NAME " is neither beside this program nor at %s",
                         TJ_WARDEN_INSTALLED);
}

static int spawn_actions(posix_spawn_file_actions_t *actions, int socket_fd)
{
    int error =
        posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (error == 0)
        error = posix_spawn_file_actions_addopen(actions, 1, "/dev/null",
                                                 O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, socket_fd,
                                                 WIRE_SOCKET_FD);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(actions,
                                                         WIRE_SOCKET_FD + 1);
    return error;
}

/* Its own session from the first moment on: a Ctrl-C is not for the warden.
 * All signals stay blocked until it has its own way with them. */
static int spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all;
    int error;

    sigfillset(&all);
    error = posix_spawnattr_setsigmask(attributes, &all);
    if (error == 0)
        error = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    return error;
}

static int spawn(const char *path, int socket_fd, pid_t *ret_pid)
{
    char name[] = NAME;
    char *arguments[] = { name, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);

    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = spawn_actions(&actions, socket_fd);
        if (error == 0)
            error = spawn_attributes(&attributes);
        if (error == 0)
            error = posix_spawn(ret_pid, path, &actions, &attributes, arguments,
                                environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Both ends are above the warden's fixed descriptors, so that the spawn
 * actions cannot tread on them. */
static int socket_pair(int ends[2])
{
    static const int size = SOCKET_BUFFER_SIZE;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    for (int i = 0; i < 2; i++) {
        int above;

        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        if (ends[i] > WIRE_SOCKET_FD)
            continue;
        above = fcntl(ends[i], F_DUPFD_CLOEXEC, WIRE_SOCKET_FD + 1);
        if (above < 0) {
            int error = errno;

            close(ends[0]);
            close(ends[1]);
            return error;
        }
        close(ends[i]);
        ends[i] = above;
    }
    return 0;
}

static int open_self(void)
{
    return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static int launch_spawn(const char *path,
                        int ends[2],
                        tj_warden_launch *launch,
                        tj_error *reterr)
{
    int error = spawn(path, ends[1], &launch->pid);

    if (error != 0)
        return tj__error_set_errno(reterr, error, "warden", "cannot start %s",
                                   path);
    launch->process_fd = (int)syscall(SYS_pidfd_open, launch->pid, 0);
    if (launch->process_fd < 0) {
        error = errno;
        kill(launch->pid, SIGKILL);
        waitpid(launch->pid, NULL, 0);
        return tj__error_set_errno(reterr, error, "warden",
                                   "cannot watch the warden");
    }
    return 0;
}

int tj__warden_launch(const char *path,
                      tj_warden_launch *ret_launch,
                      tj_error *reterr)
{
    tj_warden_launch launch = { 0, -1, -1, -1 };
    int ends[2];
    int code;
    int error;

    launch.self_fd = open_self();
    if (launch.self_fd < 0)
        return tj__error_set_errno(reterr, errno, "warden",
                                   "cannot open a pidfd");
    error = socket_pair(ends);
    if (error != 0) {
        close(launch.self_fd);
        return tj__error_set_errno(reterr, error, "warden",
                                   "cannot make a socket pair");
    }
    code = launch_spawn(path, ends, &launch, reterr);
    close(ends[1]);
    if (code != 0) {
        close(ends[0]);
        close(launch.self_fd);
        return code;
    }
    launch.socket_fd = ends[0];
    *ret_launch = launch;
    return 0;
}
