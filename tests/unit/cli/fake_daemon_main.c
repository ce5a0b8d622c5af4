/* fake-daemon SOCKET [LOG_DIR]: serves until `stop` or SIGTERM. Prints "ready"
 * when it listens. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_daemon.h"

static void on_signal(uv_signal_t *signal, int number)
{
    fake_daemon *daemon = signal->data;

    daemon->is_stopping = true;
}

int main(int argc, char **argv)
{
    fake_daemon daemon;
    uv_signal_t signal;

    fake_daemon_init(&daemon);
    uv_signal_init(&daemon.loop, &signal);
    signal.data = &daemon;
    uv_signal_start(&signal, on_signal, SIGTERM);
    if (argc < 2)
        return EXIT_FAILURE;
    daemon.options.socket_path = argv[1];
    daemon.options.log_dir = argc > 2 ? argv[2] : NULL;
    fake_daemon_start(&daemon);
    puts("ready");
    fflush(stdout);
    while (!daemon.is_stopping)
        uv_run(&daemon.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&signal, NULL);
    fake_daemon_done(&daemon);
    return EXIT_SUCCESS;
}
