/* Being told that the file changed, by inotify on its name: that opens no
 * descriptor of it, whose closing would drop the connection's locks. Only
 * speed rests on this; where it fails there is the poll. */
#include "lease/sqlite/sqlite_lease.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS (IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF)

int tj__sqlite_watch_fd(tj_lease_backend *backend)
{
    tj_sqlite_lease *lease = (tj_sqlite_lease *)(void *)backend;
    char log_path[PATH_MAX];

    if (lease->inotify_fd < 0)
        lease->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (lease->inotify_fd < 0)
        return -1;
    /* Each time anew: a watch is on the file that has the name now, and asking
     * again for one that is there changes nothing. */
    if (inotify_add_watch(lease->inotify_fd, lease->path, EVENTS) < 0)
        return -1;
    /* With a write-ahead log, commits go there. */
    if (snprintf(log_path, sizeof(log_path), "%s-wal", lease->path) <
        (int)sizeof(log_path))
        (void)inotify_add_watch(lease->inotify_fd, log_path, EVENTS);
    return lease->inotify_fd;
}

void tj__sqlite_watch_clear(tj_lease_backend *backend)
{
    tj_sqlite_lease *lease = (tj_sqlite_lease *)(void *)backend;
    char events[1024];
    ssize_t got;

    do
        got = read(lease->inotify_fd, events, sizeof(events));
    while (got > 0 || (got < 0 && errno == EINTR));
}
