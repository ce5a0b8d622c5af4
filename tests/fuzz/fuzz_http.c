/* Bytes in, answers out: the whole control server on one connection. The
 * first byte says in which portions the others arrive. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_daemon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* Take what was answered; the first bytes of the first answer are checked. */
static void hear(int fd, bool *is_first)
{
    static char bytes[65536];
    ssize_t size;

    while ((size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        if (*is_first && size >= 9)
            must(memcmp(bytes, "HTTP/1.1 ", 9) == 0);
        *is_first = false;
    }
}

static void
talk(fake_daemon *daemon, int fd, const uint8_t *data, size_t size, size_t step)
{
    bool is_first = true;
    int turns;

    while (size) {
        ssize_t said = send(fd, data, step < size ? step : size,
                            MSG_DONTWAIT | MSG_NOSIGNAL);

        if (said > 0) {
            data += said;
            size -= (size_t)said;
        } else if (said < 0 && errno != EAGAIN) {
            break;
        }
        fake_daemon_turn(daemon);
        hear(fd, &is_first);
    }
    control_server_publish(daemon->server, "tick", "{}", 2);
    if (daemon->pending)
        fake_daemon_answer(daemon);
    shutdown(fd, SHUT_WR);
    for (turns = 0; turns < 4; turns++) {
        fake_daemon_turn(daemon);
        hear(fd, &is_first);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fake_daemon daemon;
    int fds[2];

    if (!size)
        return 0;
    fake_daemon_init(&daemon);
    fake_daemon_start(&daemon);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    control_server_adopt(daemon.server, fds[1]);
    talk(&daemon, fds[0], data + 1, size - 1,
         data[0] ? (size_t)data[0] : (size_t)1 << 20);
    close(fds[0]);
    fake_daemon_done(&daemon); /* aborts when anything is left */
    return 0;
}
