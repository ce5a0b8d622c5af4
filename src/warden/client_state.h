/* The inside of the client: its object, and what its files do for each other.
 *
 *   UP -> CLOSING -> CLOSED
 *     \-> LOSING -> LOST -> CLOSED
 *
 * CLOSING: it was asked to end and is awaited. LOSING: it is gone, what it
 * left is being swept. LOST: everybody was told, tj__warden_close is awaited.
 * CLOSED: handles are closing; the memory goes with the last one. */
#ifndef TJ_WARDEN_CLIENT_STATE_H
#define TJ_WARDEN_CLIENT_STATE_H

#include "warden/client.h"
#include "warden/wire.h"

#include <sys/uio.h>
#include <uv.h>

enum tj_warden_state {
    STATE_UP,
    STATE_CLOSING,
    STATE_LOSING,
    STATE_LOST,
    STATE_CLOSED
};

/* A message that the socket had no room for. */
struct tj_warden_message {
    struct tj_warden_message *next;
    size_t size;
    int fds[WIRE_RUN_FDS];
    size_t n_fds;
    char bytes[];
};

struct tj_warden_run {
    tj_warden *warden;
    uint32_t slot;
    uint32_t generation;
    pid_t pid;
    bool answered; /* the warden knows of it */
    tj_warden_run_callbacks callbacks;
    void *userdata;
    char run_id[TJ_RUN_ID_SIZE];
};

struct tj_warden {
    tj_warden_options options;
    enum tj_warden_state state;
    bool closing;     /* tj__warden_close was called */
    bool exited;      /* and reaped */
    bool socket_done; /* its end was read */
    int exit_status;
    pid_t pid;
    int process_fd;
    int socket_fd;
    uv_poll_t socket_poll;
    uv_poll_t process_poll;
    uv_timer_t timer;
    unsigned n_handles;
    uint64_t sweep_until_ms;
    /* Is it still listening? Every START, every STOP and the HELLO want an
     * answer; while any is due, some packet must come now and then. */
    bool is_ready;
    bool hung;
    bool heard_something; /* since the last look */
    uint32_t n_due;
    int n_silent_looks;
    tj_error why;
    tj_warden_close_cb close_cb;
    void *close_userdata;
    struct tj_warden_message *queue;
    struct tj_warden_message **queue_end;
    uint32_t generation;
    uint32_t n_free;
    uint16_t free_slots[WIRE_RUNS_MAX];
    tj_warden_run *runs[WIRE_RUNS_MAX];
};

/* ---- client_link.c ---- */
struct wire_header tj__warden_header(enum wire_type type,
                                     size_t size,
                                     uint32_t slot,
                                     uint32_t generation);
void tj__warden_close_fds(int *fds, size_t n);
/* Send at once or fail: -1 with errno. */
ssize_t tj__warden_packet_send(int socket_fd,
                               const struct iovec *parts,
                               size_t n_parts,
                               const int *fds,
                               size_t n_fds);
/* Send now or as soon as there is room. Takes the descriptors over. Returns 0
 * or TJ_ENOMEM; a warden that cannot be reached any more is found out by
 * reading. */
int tj__warden_send(tj_warden *warden,
                    const struct iovec *parts,
                    size_t n_parts,
                    int *fds,
                    size_t n_fds);
void tj__warden_queue_flush(tj_warden *warden);
void tj__warden_queue_drop(tj_warden *warden);

/* ---- client.c ---- */
/* One more answer is due. */
void tj__warden_expect(tj_warden *warden);
/* Watch the socket for what is wanted now. */
void tj__warden_watch(tj_warden *warden);

#endif
