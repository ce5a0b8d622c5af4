/* The socket to the daemon: reading, checking and answering messages.
 *
 * The daemon is trusted, but a message is checked as if it were not: a mistake
 * on the other side must end in a clean exit (and with it in the end of every
 * tree), never in a warden that behaves oddly. */
#include "warden/main/warden.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* So that deadlines are looked at between two bursts of starts. */
#define MESSAGES_PER_ROUND 16

#define MAX_FDS 8

bool warden_link_send(struct warden *w, const void *message, size_t size)
{
    ssize_t sent;

    if (w->socket_gone)
        return true; /* nobody is there to be told */
    do {
        sent = send(WIRE_SOCKET_FD, message, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return true;
    if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
        w->want_write = true;
        return false;
    }
    return true; /* reading will find out that it is gone */
}

/* ---- what comes in ------------------------------------------------------ */

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static size_t fds_take(struct msghdr *packet, int fds[MAX_FDS])
{
    size_t n = 0;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(packet); part;
         part = CMSG_NXTHDR(packet, part)) {
        size_t count;

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds + n, CMSG_DATA(part), count * sizeof(int));
        n += count;
    }
    return n;
}

/* True when `n` texts fill exactly the `size` bytes. */
static bool texts_are_whole(const char *text, size_t size, uint64_t n)
{
    uint64_t n_ends = 0;

    for (size_t i = 0; i < size; i++)
        n_ends += text[i] == '\0';
    return n_ends == n && (size == 0 || text[size - 1] == '\0');
}

static bool take_hello(struct warden *w, int *fds, size_t n_fds)
{
    const struct wire_hello *hello = (const void *)w->message;
    struct epoll_event event = { .events = EPOLLIN };
    void *memory;

    if (w->greeted || hello->header.size != sizeof(*hello) ||
        hello->n_cells > WIRE_CELLS_MAX ||
        n_fds != (hello->n_cells ? WIRE_HELLO_FDS : 1))
        return false;
    w->daemon_fd = fds[0];
    fds[0] = -1;
    event.data.fd = w->daemon_fd;
    if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->daemon_fd, &event) != 0)
        return false;
    w->kill_hung = hello->kill_hung != 0;
    if (hello->n_cells > 0) {
        memory = mmap(NULL, hello->n_cells * sizeof(tj_deadline_cell),
                      PROT_READ, MAP_SHARED | MAP_POPULATE, fds[1], 0);
        if (memory == MAP_FAILED)
            return false;
        w->wake_fd = fds[2];
        fds[2] = -1;
        event.data.fd = w->wake_fd;
        if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &event) != 0)
            return false;
        w->cells = memory;
        w->n_cells = hello->n_cells;
    }
    w->greeted = true;
    return true;
}

static void say_ready(struct warden *w)
{
    struct wire_ready ready = {
        .header = { .size = sizeof(ready),
                    .type = WIRE_READY,
                    .version = WIRE_VERSION },
        .lock_errno = w->lock_errno,
        .oom_errno = w->oom_errno,
    };

    warden_link_send(w, &ready, sizeof(ready));
    warden_lease_check(w);
}

static bool take_release(struct warden *w)
{
    const struct wire_release *release = (const void *)w->message;
    struct cell_watch *watch;
    size_t size;
    char *text;

    if (release->header.size < sizeof(*release))
        return false;
    size = release->header.size - sizeof(*release);
    if (release->header.slot >= w->n_cells || release->text_size != size ||
        release->n_arguments == 0 || release->n_arguments > MAX_RELEASE_ARGS ||
        size > sizeof(w->release_text) - w->release_text_size ||
        !texts_are_whole(w->message + sizeof(*release), size,
                         release->n_arguments))
        return false;
    text = w->release_text + w->release_text_size;
    memcpy(text, w->message + sizeof(*release), size);
    w->release_text_size += size;
    watch = &w->watches[release->header.slot];
    for (uint32_t i = 0; i < release->n_arguments; i++) {
        watch->arguments[i] = text;
        text += strlen(text) + 1;
    }
    watch->arguments[release->n_arguments] = NULL;
    watch->n_arguments = release->n_arguments;
    return true;
}

static bool take_start(struct warden *w, const int *fds, size_t n_fds)
{
    const struct wire_start *start = (const void *)w->message;
    uint64_t n_texts;
    size_t size;
    size_t n = 0;

    if (start->header.size < sizeof(*start))
        return false;
    size = start->header.size - sizeof(*start);
    n_texts = (uint64_t)start->n_arguments + start->n_variables +
              (start->has_directory ? 1 : 0);
    if (start->header.slot >= WIRE_RUNS_MAX ||
        w->runs[start->header.slot].state != RUN_FREE ||
        start->text_size != size || start->n_arguments == 0 ||
        n_texts > WIRE_STRINGS_MAX || start->fd_mask >= 1U << WIRE_RUN_FDS ||
        (size_t)__builtin_popcount(start->fd_mask) != n_fds ||
        start->run_id[WIRE_RUN_ID_SIZE - 1] != '\0' ||
        !texts_are_whole(w->message + sizeof(*start), size, n_texts))
        return false;
    for (unsigned i = 0; i < WIRE_RUN_FDS; i++)
        w->result_fds[i] = start->fd_mask & 1U << i ? fds[n++] : -1;
    warden_run_begin(w, start);
    warden_lease_watch(w, start->cell);
    return true;
}

static bool take_stop(struct warden *w)
{
    const struct wire_stop *stop = (const void *)w->message;
    struct run *run;
    int64_t grace_ms = stop->grace_ms;

    if (stop->header.size != sizeof(*stop) ||
        stop->header.slot >= WIRE_RUNS_MAX)
        return false;
    w->n_heard++; /* answered at the end of the round */
    run = &w->runs[stop->header.slot];
    if (run->state == RUN_FREE ||
        run->report.header.generation != stop->header.generation)
        return true; /* it has ended on its own meanwhile */
    if (grace_ms > INT64_MAX / 1000000)
        grace_ms = INT64_MAX / 1000000;
    warden_run_stop(w, run, WIRE_STOPPED, grace_ms * 1000000);
    return true;
}

static bool take_message(struct warden *w, size_t size, int *fds, size_t n_fds)
{
    const struct wire_header *header = (const void *)w->message;

    if (size < sizeof(*header) || header->size != size ||
        header->version != WIRE_VERSION)
        return false;
    if (!w->greeted && header->type != WIRE_HELLO)
        return false;
    switch (header->type) {
    case WIRE_HELLO:
        if (!take_hello(w, fds, n_fds))
            return false;
        say_ready(w);
        return true;
    case WIRE_RELEASE:
        return take_release(w);
    case WIRE_START:
        return take_start(w, fds, n_fds);
    case WIRE_STOP:
        return take_stop(w);
    case WIRE_PING:
        w->n_heard++;
        return true;
    case WIRE_SHUTDOWN:
        warden_end_begin(w, WIRE_STOPPED);
        return true;
    default:
        return false;
    }
}

/* False when there is no further message for now. */
static bool read_one(struct warden *w)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
    } control;
    struct iovec part = { w->message, sizeof(w->message) };
    struct msghdr packet = { .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
    int fds[MAX_FDS] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    size_t n_fds;
    ssize_t size =
        recvmsg(WIRE_SOCKET_FD, &packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOMEM ||
                     errno == ENOBUFS))
        return false;
    if (size <= 0) {
        w->socket_gone = true;
        warden_end_begin(w, WIRE_DAEMON_GONE);
        return false;
    }
    n_fds = fds_take(&packet, fds);
    if (packet.msg_flags & MSG_TRUNC ||
        (packet.msg_flags & MSG_CTRUNC && n_fds == MAX_FDS) ||
        !take_message(w, (size_t)size, fds, n_fds)) {
        w->failed = true;
        w->socket_gone = true;
        warden_end_begin(w, WIRE_DAEMON_GONE);
    }
    close_all(fds, n_fds);
    return !w->socket_gone;
}

void warden_link_read(struct warden *w)
{
    for (int i = 0; i < MESSAGES_PER_ROUND; i++) {
        if (w->socket_gone || !read_one(w))
            return;
    }
}
