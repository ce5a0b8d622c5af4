/* See listener.h. */
#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define MODULE "control"

enum {
    BACKLOG = 511,
    ACCEPTS_A_TURN = 64, /* other work of the loop comes in between */
    RETRY_MS = 100
};

/* ---- making the socket file -------------------------------------------- */

/* Who holds the lock of the directory checks and replaces a socket in it
 * alone; the lock goes with the descriptor. */
static int directory_lock(const char *path, int *ret_fd, tj_error *reterr)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    const char *slash = strrchr(path, '/');
    char *directory;
    int fd, tries;

    directory =
        slash ? tj__strndup(path, (size_t)(slash - path) + 1) : tj__strdup(".");
    if (!directory)
        return tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int code = tj__error_set_errno(reterr, errno, MODULE,
                                       "directory %s of the socket", directory);

        tj__free(directory);
        return code;
    }
    tj__free(directory);
    /* Somebody who holds it for long is none of ours: go on without. */
    for (tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0 && tries < 100; tries++)
        nanosleep(&pause, NULL);
    *ret_fd = fd;
    return 0;
}

static int live_socket(const char *path, int probe_fd, tj_error *reterr)
{
    struct ucred peer = { 0 };
    socklen_t size = sizeof(peer);

    if (getsockopt(probe_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
        peer.pid > 0)
        return tj__error_set(reterr, TJ_EBUSY, MODULE,
                             "process %d already listens on %s; give this one "
                             "another socket or stop the other",
                             (int)peer.pid, path);
    return tj__error_set(reterr, TJ_EBUSY, MODULE,
                         "somebody already listens on %s", path);
}

/* Remove a socket that nobody listens on; leave everything else alone. */
static int stale_remove(const struct sockaddr_un *address, tj_error *reterr)
{
    const char *path = address->sun_path;
    struct stat info;
    int fd, code, error;

    if (lstat(path, &info) < 0) {
        return errno == ENOENT
                   ? 0
                   : tj__error_set_errno(reterr, errno, MODULE, "%s", path);
    }
    if (!S_ISSOCK(info.st_mode))
        return tj__error_set(reterr, TJ_EEXIST, MODULE,
                             "%s exists and is no socket; it is left alone",
                             path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return tj__error_set_errno(reterr, errno, MODULE, "socket");
    error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0
                ? errno
                : 0;
    if (!error || error == EAGAIN) {
        code = live_socket(path, fd, reterr);
    } else if (error != ECONNREFUSED) {
        code = tj__error_set_errno(reterr, error, MODULE,
                                   "cannot tell whether %s is in use", path);
    } else {
        code = unlink(path) < 0 && errno != ENOENT
                   ? tj__error_set_errno(reterr, errno, MODULE, "%s", path)
                   : 0;
    }
    close(fd);
    return code;
}

static int socket_bind(control_listener *listener,
                       const struct sockaddr_un *address,
                       mode_t mode,
                       tj_error *reterr)
{
    struct stat info;
    const char *path = address->sun_path;
    int code;

    listener->fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return tj__error_set_errno(reterr, errno, MODULE, "socket");
    /* The mode is there from the first moment on, and the umask, which can
     * only take from it, is made good afterwards. */
    if (fchmod(listener->fd, mode) < 0 ||
        bind(listener->fd, (const struct sockaddr *)address, sizeof(*address)) <
            0)
        return tj__error_set_errno(reterr, errno, MODULE, "cannot make %s",
                                   path);
    if (chmod(path, mode) < 0 || lstat(path, &info) < 0 ||
        listen(listener->fd, BACKLOG) < 0) {
        code =
            tj__error_set_errno(reterr, errno, MODULE, "cannot use %s", path);
        unlink(path);
        return code;
    }
    listener->device = info.st_dev;
    listener->inode = info.st_ino;
    return 0;
}

int control_listener_init(control_listener *listener,
                          const char *path,
                          mode_t mode,
                          tj_error *reterr)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int lock_fd = -1;
    int code;

    listener->fd = -1;
    listener->reserve_fd = -1;
    listener->path = NULL;
    if (!*path || strlen(path) >= sizeof(address.sun_path))
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "the socket's path has %zu bytes, the system "
                             "allows 1 to %zu: %.100s",
                             strlen(path), sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, strlen(path));

    code = directory_lock(path, &lock_fd, reterr);
    if (!code)
        code = stale_remove(&address, reterr);
    if (!code)
        code = socket_bind(listener, &address, mode, reterr);
    if (lock_fd >= 0)
        close(lock_fd);
    if (!code) {
        listener->path = tj__strdup(path);
        if (!listener->path) {
            unlink(path);
            code = tj__error_set(reterr, TJ_ENOMEM, MODULE, "out of memory");
        }
    }
    if (code)
        control_listener_done(listener);
    return code;
}

/* ---- accepting --------------------------------------------------------- */

void control_refuse(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: application/json\r\n"
        "Content-Length: 82\r\n"
        "Connection: close\r\n"
        "Retry-After: 1\r\n"
        "\r\n"
        "{\"error\":{\"code\":\"too_many_connections\","
        "\"message\":\"too many clients, try later\"}}\n";

    /* Fits into any socket's empty buffer; if not, closing says it too. */
    if (send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

/* No descriptor is left: the one in reserve serves to tell the client so. */
static void refuse_with_reserve(control_listener *listener)
{
    int fd;

    close(listener->reserve_fd);
    fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        control_refuse(fd);
        listener->on_refused(listener->userdata);
    }
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *timer)
{
    control_listener *listener = timer->data;

    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* Even the reserve is gone: look away for a moment instead of spinning. */
static void wait_for_descriptors(control_listener *listener)
{
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->retry, on_retry, RETRY_MS, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    control_listener *listener = poll->data;
    int accepts;

    for (accepts = 0; accepts < ACCEPTS_A_TURN; accepts++) {
        int fd =
            accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            /* Someone else may have taken what the reserve gave back. */
            if (listener->reserve_fd < 0)
                listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
            listener->on_connection(fd, listener->userdata);
        } else if (errno == EMFILE || errno == ENFILE) {
            if (listener->reserve_fd < 0) {
                wait_for_descriptors(listener);
                return;
            }
            refuse_with_reserve(listener);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

int control_listener_start(control_listener *listener,
                           uv_loop_t *loop,
                           size_t *ret_n_handles,
                           tj_error *reterr)
{
    int result;

    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    result = uv_poll_init(loop, &listener->poll, listener->fd);
    if (result)
        return tj__error_set_errno(reterr, -result, MODULE, "uv_poll_init");
    listener->poll.data = listener;
    uv_timer_init(loop, &listener->retry);
    listener->retry.data = listener;
    *ret_n_handles = 2;
    result = uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    if (result)
        return tj__error_set_errno(reterr, -result, MODULE, "uv_poll_start");
    return 0;
}

int control_listener_restore(control_listener *listener,
                             mode_t mode,
                             bool *ret_was_lost,
                             tj_error *reterr)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    control_listener fresh = { .fd = -1 };
    struct stat info;
    int lock_fd = -1, code;

    *ret_was_lost = false;
    if (!listener->path || lstat(listener->path, &info) == 0 || errno != ENOENT)
        return 0;
    *ret_was_lost = true;
    memcpy(address.sun_path, listener->path, strlen(listener->path));
    code = directory_lock(listener->path, &lock_fd, reterr);
    if (!code)
        code = socket_bind(&fresh, &address, mode, reterr);
    if (lock_fd >= 0)
        close(lock_fd);
    if (!code) {
        /* The new one takes the old one's place, also for libuv. */
        uv_poll_stop(&listener->poll);
        if (dup3(fresh.fd, listener->fd, O_CLOEXEC) < 0) {
            code = tj__error_set_errno(reterr, errno, MODULE, "dup3");
            unlink(listener->path);
        } else {
            listener->device = fresh.device;
            listener->inode = fresh.inode;
        }
        uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    }
    if (fresh.fd >= 0)
        close(fresh.fd);
    return code;
}

void control_listener_close(control_listener *listener, uv_close_cb cb)
{
    uv_close((uv_handle_t *)&listener->poll, cb);
    uv_close((uv_handle_t *)&listener->retry, cb);
}

void control_listener_done(control_listener *listener)
{
    struct stat info;

    if (listener->path && lstat(listener->path, &info) == 0 &&
        info.st_dev == listener->device && info.st_ino == listener->inode)
        unlink(listener->path);
    tj__free(listener->path);
    listener->path = NULL;
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    listener->fd = -1;
    listener->reserve_fd = -1;
}
