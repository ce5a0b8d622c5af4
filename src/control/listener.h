/* A listening Unix socket that is made safely and survives running out of
 * descriptors. */
#ifndef CONTROL_LISTENER_H
#define CONTROL_LISTENER_H

#include <stdbool.h>
#include <sys/stat.h>

#include <timedjobs/error.h>

#include <uv.h>

typedef struct control_listener control_listener;

struct control_listener {
    uv_poll_t poll;
    uv_timer_t retry;
    int fd;         /* -1: none */
    int reserve_fd; /* given up to accept and refuse when there is no other */
    char *path;
    dev_t device; /* of the socket file, to know it again */
    ino_t inode;
    void (*on_connection)(int fd, void *userdata); /* takes fd */
    void (*on_refused)(void *userdata);            /* for want of descriptors */
    void *userdata;
};

/* Make the socket file, 0 or an error as control_server_new has it. */
int control_listener_init(control_listener *listener,
                          const char *path,
                          mode_t mode,
                          tj_error *reterr);
/* Begin to accept. *ret_n_handles is how many handles were made, also when it
 * fails: then they have to be closed. */
int control_listener_start(control_listener *listener,
                           uv_loop_t *loop,
                           size_t *ret_n_handles,
                           tj_error *reterr);
/* Make the socket file anew if it is not there any more. 0 when there is one
 * (`*ret_was_lost` tells whether it had to be made), else an error: try again
 * later. A file that somebody else put there is left alone, and is 0. */
int control_listener_restore(control_listener *listener,
                             mode_t mode,
                             bool *ret_was_lost,
                             tj_error *reterr);
/* Close the handles that start made; `cb` runs for each of them. */
void control_listener_close(control_listener *listener, uv_close_cb cb);
/* Close descriptors and remove the file if it is still ours; after close. */
void control_listener_done(control_listener *listener);

/* Say 503 to a connected descriptor, and close it. */
void control_refuse(int fd);

#endif
