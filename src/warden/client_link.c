/* Sending to the warden: at once where the socket has room, else in order from
 * a queue. See client_state.h. */
#include "warden/client_state.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void tj__warden_close_fds(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static void message_free(struct tj_warden_message *message)
{
    tj__warden_close_fds(message->fds, message->n_fds);
    tj__free(message);
}

void tj__warden_queue_drop(tj_warden *warden)
{
    while (warden->queue) {
        struct tj_warden_message *message = warden->queue;

        warden->queue = message->next;
        message_free(message);
    }
    warden->queue_end = &warden->queue;
}

ssize_t tj__warden_packet_send(int socket_fd,
                               const struct iovec *parts,
                               size_t n_parts,
                               const int *fds,
                               size_t n_fds)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(WIRE_RUN_FDS * sizeof(int))];
    } control = { 0 };
    struct msghdr packet = { 0 };
    struct cmsghdr *rights;
    ssize_t sent;

    packet.msg_iov = (struct iovec *)(uintptr_t)parts;
    packet.msg_iovlen = n_parts;
    if (n_fds > 0) {
        packet.msg_control = &control;
        packet.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        rights = CMSG_FIRSTHDR(&packet);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, n_fds * sizeof(int));
    }
    do {
        sent = sendmsg(socket_fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

/* The kernel has no room just now, or too many descriptors are in flight. */
static bool is_temporary(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM ||
           error == ETOOMANYREFS;
}

void tj__warden_queue_flush(tj_warden *warden)
{
    while (warden->queue) {
        struct tj_warden_message *message = warden->queue;
        struct iovec part = { message->bytes, message->size };

        if (tj__warden_packet_send(warden->socket_fd, &part, 1, message->fds,
                                   message->n_fds) < 0 &&
            is_temporary(errno))
            return;
        /* Sent, or the warden is gone, which reading will tell. */
        warden->queue = message->next;
        message_free(message);
    }
    warden->queue_end = &warden->queue;
}

static int queue_add(tj_warden *warden,
                     const struct iovec *parts,
                     size_t n_parts,
                     const int *fds,
                     size_t n_fds)
{
    struct tj_warden_message *message;
    size_t size = 0;

    for (size_t i = 0; i < n_parts; i++)
        size += parts[i].iov_len;
    message = tj__malloc(sizeof(*message) + size);
    if (!message)
        return TJ_ENOMEM;
    message->next = NULL;
    message->size = 0;
    message->n_fds = n_fds;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].iov_len > 0)
            memcpy(message->bytes + message->size, parts[i].iov_base,
                   parts[i].iov_len);
        message->size += parts[i].iov_len;
    }
    if (n_fds > 0)
        memcpy(message->fds, fds, n_fds * sizeof(int));
    *warden->queue_end = message;
    warden->queue_end = &message->next;
    tj__warden_watch(warden);
    return 0;
}

int tj__warden_send(tj_warden *warden,
                    const struct iovec *parts,
                    size_t n_parts,
                    int *fds,
                    size_t n_fds)
{
    if (!warden->queue && (tj__warden_packet_send(warden->socket_fd, parts,
                                                  n_parts, fds, n_fds) >= 0 ||
                           !is_temporary(errno))) {
        tj__warden_close_fds(fds, n_fds);
        return 0;
    }
    if (queue_add(warden, parts, n_parts, fds, n_fds) != 0) {
        tj__warden_close_fds(fds, n_fds);
        return TJ_ENOMEM;
    }
    return 0;
}

struct wire_header tj__warden_header(enum wire_type type,
                                     size_t size,
                                     uint32_t slot,
                                     uint32_t generation)
{
    struct wire_header header = {
        .size = (uint32_t)size,
        .type = (uint16_t)type,
        .version = WIRE_VERSION,
        .slot = slot,
        .generation = generation,
    };

    return header;
}
