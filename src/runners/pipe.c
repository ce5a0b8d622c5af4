/* See pipe.h. */
#include "runners/pipe.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_SIZE 16384
/* In one go, so that a flood leaves the loop time for everything else. */
#define READS_PER_TURN 8
#define DRAIN_MAX      1048576

int tj__pipe_open(tj_pipe *pipe,
                  struct uv_loop_s *uv,
                  int *ret_child_fd,
                  tj_error *reterr)
{
    int ends[2];
    int code;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return tj__error_set_errno(reterr, errno, "runners",
                                   "cannot make a pipe");
    pipe->fd = ends[0];
    /* Only our end is non-blocking: commands do not expect that of theirs. */
    if (fcntl(pipe->fd, F_SETFL, O_RDONLY | O_NONBLOCK) != 0) {
        close(ends[1]);
        return tj__error_set_errno(reterr, errno, "runners",
                                   "cannot make a pipe");
    }
    code = uv_poll_init(uv, &pipe->poll, pipe->fd);
    if (code != 0) {
        close(ends[1]);
        return tj__error_set_errno(reterr, -code, "runners",
                                   "cannot watch a pipe");
    }
    pipe->has_poll = true;
    pipe->poll.data = pipe;
    *ret_child_fd = ends[1];
    return 0;
}

/* Returns the number of bytes; 0 when there are none for now. */
static size_t pipe_take(tj_pipe *pipe)
{
    char bytes[READ_SIZE];
    ssize_t size;

    if (pipe->ended || pipe->fd < 0)
        return 0;
    do {
        size = read(pipe->fd, bytes, sizeof(bytes));
    } while (size < 0 && errno == EINTR);
    if (size > 0) {
        pipe->on_bytes(pipe, bytes, (size_t)size);
        return (size_t)size;
    }
    if (size == 0 || errno != EAGAIN)
        pipe->ended = true;
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    tj_pipe *pipe = poll->data;

    (void)status; /* an error shows when reading */
    (void)events;
    for (int i = 0; i < READS_PER_TURN && uv_is_active((uv_handle_t *)poll);
         i++) {
        if (pipe_take(pipe) == 0)
            break;
    }
    if (pipe->ended)
        uv_poll_stop(poll);
}

void tj__pipe_read(tj_pipe *pipe)
{
    if (pipe->has_poll && !pipe->ended)
        uv_poll_start(&pipe->poll, UV_READABLE, on_readable);
}

void tj__pipe_pause(tj_pipe *pipe)
{
    if (pipe->has_poll)
        uv_poll_stop(&pipe->poll);
}

void tj__pipe_drain(tj_pipe *pipe)
{
    size_t total = 0;
    size_t size;

    while (total < DRAIN_MAX && (size = pipe_take(pipe)) > 0)
        total += size;
    tj__pipe_pause(pipe);
}

bool tj__pipe_close(tj_pipe *pipe, uv_close_cb on_closed)
{
    bool had_poll = pipe->has_poll;

    if (had_poll)
        uv_close((uv_handle_t *)&pipe->poll, on_closed);
    if (pipe->fd >= 0)
        close(pipe->fd); /* libuv has let go of it in uv_close */
    pipe->fd = -1;
    pipe->has_poll = false;
    return had_poll;
}
