/* Finding and starting the warden's executable. */
#ifndef TJ_WARDEN_LAUNCH_H
#define TJ_WARDEN_LAUNCH_H

#include <sys/types.h>

#include <timedjobs/error.h>

/* A started warden; everything is the caller's. */
typedef struct tj_warden_launch {
    pid_t pid;
    int process_fd; /* its pidfd */
    int self_fd;    /* our own pidfd, for HELLO */
    int socket_fd;  /* our end of the pair, non-blocking */
} tj_warden_launch;

/* Returns 0 or an error; nothing is left behind then. */
int tj__warden_launch(const char *path,
                      tj_warden_launch *ret_launch,
                      tj_error *reterr);

#endif
