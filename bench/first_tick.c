/* The ruler for G9: start a program, wait until a line that it prints has a
 * given text in it, and say how long that took. In C, because a script's own
 * start of a process costs as much as what is measured.
 *
 * Usage: first-tick TEXT PROGRAM [ARGUMENT]...   prints milliseconds
 *
 * The program is ended with SIGTERM afterwards. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Read until `text` is seen; false when the program ends before. */
static int wait_for(int fd, const char *text)
{
    static char seen[1 << 20];
    size_t size = 0;
    ssize_t got;

    while (size < sizeof(seen) - 1) {
        got = read(fd, seen + size, sizeof(seen) - 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        size += (size_t)got;
        seen[size] = '\0';
        if (strstr(seen, text))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t actions;
    double started, ended;
    int ends[2];
    pid_t pid;
    int found;

    if (argc < 3 || pipe(ends))
        return EXIT_FAILURE;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);

    started = now_ms();
    if (posix_spawn(&pid, argv[2], &actions, NULL, argv + 2, environ)) {
        fprintf(stderr, "first-tick: cannot start %s\n", argv[2]);
        return EXIT_FAILURE;
    }
    close(ends[1]);
    found = wait_for(ends[0], argv[1]);
    ended = now_ms();
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    if (!found) {
        fprintf(stderr, "first-tick: %s ended before a tick\n", argv[2]);
        return EXIT_FAILURE;
    }
    printf("%.3f\n", ended - started);
    return EXIT_SUCCESS;
}
