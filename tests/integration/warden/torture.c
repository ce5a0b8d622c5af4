/* A command that behaves badly on demand: torture MODE FILE [N]. Each process
 * that it becomes writes its pid as a line of FILE, then lives for ever. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void witness(const char *path)
{
    char text[16];
    int size = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, text, (size_t)size) != size)
        _exit(99);
    close(fd);
}

static void for_ever(const char *path)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    witness(path);
    for (;;)
        pause();
}

static size_t n_lines(const char *path)
{
    char text[65536];
    size_t n = 0;
    ssize_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    size = read(fd, text, sizeof(text));
    close(fd);
    for (ssize_t i = 0; i < size; i++)
        n += text[i] == '\n';
    return n;
}

static void wait_lines(const char *path, size_t n)
{
    while (n_lines(path) < n)
        usleep(1000);
}

static void family(const char *path, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fork() == 0)
            for_ever(path);
    }
    wait_lines(path, n);
}

/* The classic way out of a session: fork, setsid, fork. */
static void daemonise(char *path, char *self, int shed)
{
    char stay[] = "stay";
    char *const arguments[] = { self, stay, path, NULL };
    char *const nothing[] = { NULL };

    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            if (shed)
                execve(self, arguments, nothing);
            for_ever(path);
        }
        _exit(0);
    }
    wait_lines(path, 1);
}

/* Each process forks another one and ends, as fast as it goes. */
static void storm(const char *path)
{
    witness(path);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        pid_t pid = fork();

        if (pid > 0)
            _exit(0);
        if (pid == 0)
            setsid();
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    char nowhere[] = "";
    char *path = argc > 2 ? argv[2] : nowhere;
    size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;

    if (strcmp(mode, "stay") == 0) {
        for_ever(path);
    } else if (strcmp(mode, "family") == 0) {
        family(path, n); /* and leaves it alone */
    } else if (strcmp(mode, "family-stays") == 0) {
        family(path, n);
        for_ever(path);
    } else if (strcmp(mode, "daemonise") == 0) {
        daemonise(path, argv[0], 0);
    } else if (strcmp(mode, "daemonise-stays") == 0) {
        daemonise(path, argv[0], 0);
        for_ever(path);
    } else if (strcmp(mode, "shed") == 0) {
        daemonise(path, argv[0], 1);
    } else if (strcmp(mode, "shed-stays") == 0) {
        daemonise(path, argv[0], 1);
        for_ever(path);
    } else if (strcmp(mode, "storm") == 0) {
        storm(path);
    } else if (strcmp(mode, "stop-self") == 0) {
        witness(path);
        raise(SIGSTOP);
    } else {
        return 98;
    }
    return 0;
}
