/* A pipe from a command, read on the loop. */
#ifndef TJ_RUNNERS_PIPE_H
#define TJ_RUNNERS_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include <timedjobs/error.h>

typedef struct tj_pipe tj_pipe;

struct tj_pipe {
    uv_poll_t poll;
    int fd; /* our end; -1 when there is none */
    bool has_poll;
    bool ended; /* all has been read that will ever come */
    /* Bytes that came; borrowed for the call. */
    void (*on_bytes)(tj_pipe *pipe, const char *bytes, size_t size);
    void *userdata;
};

/* Make a pipe; `ret_child_fd` (blocking, close-on-exec) is the caller's to
 * give away. On failure the pipe still wants tj__pipe_close.
 * Returns 0 or an error. */
int tj__pipe_open(tj_pipe *pipe,
                  struct uv_loop_s *uv,
                  int *ret_child_fd,
                  tj_error *reterr);

/* Begin or go on to read. */
void tj__pipe_read(tj_pipe *pipe);
void tj__pipe_pause(tj_pipe *pipe);

/* Read what is there now, at most so much as a pipe can hold: whoever still
 * has the other end cannot keep us. */
void tj__pipe_drain(tj_pipe *pipe);

/* End it. Returns whether `on_closed` will be called for its handle. */
bool tj__pipe_close(tj_pipe *pipe, uv_close_cb on_closed);

#endif
