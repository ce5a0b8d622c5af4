/* See talk.h. */
#include "talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    perror(what);
    abort();
}

static char socket_path[96];

void talk_place(fake_daemon *daemon, char dir[64])
{
    snprintf(dir, 64, "/tmp/tj-control-XXXXXX");
    must(mkdtemp(dir) != NULL, "mkdtemp");
    snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
    daemon->options.socket_path = socket_path;
}

void talk_unplace(const char *dir)
{
    must(rmdir(dir) == 0, "rmdir: the socket file was left behind");
}

void talk_connect(talker *talk, fake_daemon *daemon)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    memset(talk, 0, sizeof(*talk));
    talk->daemon = daemon;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    talk->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(talk->fd >= 0, "socket");
    must(connect(talk->fd, (struct sockaddr *)&address, sizeof(address)) == 0,
         "connect");
}

static void listen_now(talker *talk)
{
    static char bytes[65536];
    ssize_t size;

    while (!talk->is_over) {
        size = recv(talk->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (size > 0)
            tj__buf_append(&talk->heard, bytes, (size_t)size);
        else if (size == 0 || errno == ECONNRESET)
            talk->is_over = true;
        else
            return;
    }
}

void talk_turn(talker *talk)
{
    int turns;

    for (turns = 0; turns < 5; turns++)
        fake_daemon_turn(talk->daemon);
    listen_now(talk);
}

void talk_say(talker *talk, const char *bytes, size_t size)
{
    size_t said = 0;

    while (said < size) {
        ssize_t step = send(talk->fd, bytes + said, size - said,
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (step > 0)
            said += (size_t)step;
        else if (errno != EAGAIN)
            return; /* the server has closed: that is for the test to judge */
        if (step <= 0 || said < size)
            talk_turn(talk);
    }
}

void talk_finish(talker *talk)
{
    shutdown(talk->fd, SHUT_WR);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool talk_hear(talker *talk, const char *text)
{
    int64_t deadline = now_ms() + 10000;

    for (;;) {
        struct pollfd looks[2] = {
            { .fd = talk->fd, .events = POLLIN },
            { .fd = uv_backend_fd(&talk->daemon->loop), .events = POLLIN },
        };
        int wait = uv_backend_timeout(&talk->daemon->loop);

        talk_turn(talk);
        if (text && talk->heard.size &&
            memmem(talk->heard.data, talk->heard.size, text, strlen(text)))
            return true;
        if (talk->is_over)
            return !text;
        if (now_ms() > deadline)
            return false;
        poll(looks, 2, wait >= 0 && wait < 50 ? wait : 50);
    }
}

void talk_close(talker *talk)
{
    close(talk->fd);
    tj__buf_done(&talk->heard);
}

/* One answer: its status, and how many bytes it has; 0 when it is none. */
static size_t answer_size(const char *text, size_t size, int *ret_status)
{
    const char *body = memmem(text, size, "\r\n\r\n", 4);
    const char *length;
    size_t head;

    if (sscanf(text, "HTTP/1.1 %3d ", ret_status) != 1 || !body)
        return 0;
    head = (size_t)(body - text) + 4;
    if (*ret_status == 100) /* not an answer yet */
        return head;
    length = memmem(text, head, "Content-Length: ", 16);
    return length ? head + strtoul(length + 16, NULL, 10) : 0;
}

void talk_statuses(const talker *talk, char text[128])
{
    const char *at = talk->heard.data;
    size_t left = talk->heard.size;
    size_t used = 0;

    text[0] = '\0';
    while (left && used < 100) {
        const char *space = used ? " " : "";
        int status = 0;
        size_t size = answer_size(at, left, &status);

        if (!size) {
            snprintf(text + used, 128 - used, "%s?", space);
            return;
        }
        if (status != 100)
            used += (size_t)snprintf(text + used, 128 - used, "%s%d%s", space,
                                     status, size > left ? "<" : "");
        size = size > left ? left : size;
        at += size;
        left -= size;
    }
}

void talk_expect(const talker *talk, const char *statuses)
{
    char heard[128];

    talk_statuses(talk, heard);
    if (strcmp(heard, statuses) == 0)
        return;
    fprintf(stderr, "heard '%s', not '%s'\n", heard, statuses);
    abort();
}

void talk_say_text(talker *talk, const char *text)
{
    talk_say(talk, text, strlen(text));
}

void talk_scene_open(talk_scene *scene)
{
    fake_daemon_init(&scene->daemon);
    talk_place(&scene->daemon, scene->dir);
}

void talk_scene_close(talk_scene *scene)
{
    fake_daemon_done(&scene->daemon);
    talk_unplace(scene->dir);
}

control_server_stats talk_stats(const talk_scene *scene)
{
    control_server_stats stats;

    control_server_get_stats(scene->daemon.server, &stats);
    return stats;
}

void talk_turn_until(talk_scene *scene, size_t n_connections)
{
    int turns;

    for (turns = 0; turns < 10000; turns++) {
        if (talk_stats(scene).n_connections == n_connections)
            return;
        fake_daemon_turn(&scene->daemon);
    }
    must(false, "the number of connections");
}
