/* A yardstick: the least that a program can do to tick, one timerfd and a
 * read. With a directory it also appends one line a tick to a file there, the
 * least that a log can cost. Prints "tick" at the first, then goes on.
 *
 * Usage: idle-timerfd INTERVAL_MS [LOG_DIR] */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* As long as the lines of a tick with one runner. */
#define LINES_SIZE 800

int main(int argc, char **argv)
{
    long interval_ms = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    struct timespec period = { interval_ms / 1000,
                               interval_ms % 1000 * 1000000 };
    struct itimerspec grid = { period, period };
    char lines[LINES_SIZE];
    bool ticked = false;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int file = -1;
    uint64_t expirations;

    for (size_t i = 0; i < sizeof(lines); i++)
        lines[i] = i % 200 == 199 ? '\n' : 'x';
    if (argc > 2 && !chdir(argv[2]))
        file = open("lines", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (timer < 0 || timerfd_settime(timer, 0, &grid, NULL))
        return EXIT_FAILURE;
    while (read(timer, &expirations, sizeof(expirations)) ==
           (ssize_t)sizeof(expirations)) {
        if (!ticked && write(STDOUT_FILENO, "tick\n", 5) != 5)
            return EXIT_FAILURE;
        ticked = true;
        if (file >= 0 &&
            write(file, lines, sizeof(lines)) != (ssize_t)sizeof(lines))
            return EXIT_FAILURE;
    }
    return EXIT_FAILURE;
}
