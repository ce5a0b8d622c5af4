/* A yardstick: a bare libuv program with one repeating timer, what an embedder
 * has before the library comes in. Prints "tick" at the first, then goes on.
 *
 * Usage: idle-uv INTERVAL_MS */
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

static void tick(uv_timer_t *timer)
{
    static bool ticked;

    if (!ticked && write(STDOUT_FILENO, "tick\n", 5) != 5)
        exit(EXIT_FAILURE);
    ticked = true;
}

int main(int argc, char **argv)
{
    uv_loop_t loop;
    uv_timer_t timer;
    uint64_t interval_ms = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;

    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, tick, interval_ms, interval_ms);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
