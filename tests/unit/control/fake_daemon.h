/* A daemon that exists only for tests: a real control server whose
 * operations answer from fixed data. */
#ifndef TEST_FAKE_DAEMON_H
#define TEST_FAKE_DAEMON_H

#include "control/server.h"

#include <uv.h>

typedef struct fake_daemon {
    uv_loop_t loop;
    control_server *server;
    control_server_options options;
    control_call *pending; /* a tick of the job "slow", not answered yet */
    int n_operations;      /* calls that arrived */
    bool is_closed;
    bool is_stopping; /* `stop` was asked for */
    char last_args[512];
    control_peer last_peer;
} fake_daemon;

/* Options and loop, no server yet: change options, then fake_daemon_start. */
void fake_daemon_init(fake_daemon *daemon);
void fake_daemon_start(fake_daemon *daemon);
/* Close the server and the loop; fails the test when a handle is left. */
void fake_daemon_done(fake_daemon *daemon);
/* Let the loop turn without waiting. */
void fake_daemon_turn(fake_daemon *daemon);
/* Answer the pending tick. */
void fake_daemon_answer(fake_daemon *daemon);

#endif
