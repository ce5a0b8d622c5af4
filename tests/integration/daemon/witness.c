/* A command that leaves evidence: while it lives, it appends a line
 *
 *     <CLOCK_BOOTTIME ns> <term> <pid> <role> <what>
 *
 * every few milliseconds to the file of its first argument. It also starts a
 * child, and a grandchild that forks twice and opens a session of its own, as
 * badly behaved daemons do; all three write. The tests read the file to learn
 * who was alive when, under which term. It ends by itself after its second
 * argument in milliseconds, and ignores SIGTERM when there is a third. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
testify(int fd, const char *term, const char *role, const char *what)
{
    char line[128];
    int size = snprintf(line, sizeof(line), "%lld %s %d %s %s\n",
                        (long long)boot_ns(), term, (int)getpid(), role, what);

    if (write(fd, line, (size_t)size) != size)
        _exit(9);
}

static int live(int fd, const char *term, const char *role, int64_t until_ns)
{
    const struct timespec pause = { 0, 4000000 };

    testify(fd, term, role, "begin");
    while (boot_ns() < until_ns) {
        nanosleep(&pause, NULL);
        testify(fd, term, role, "alive");
    }
    testify(fd, term, role, "end");
    return 0;
}

int main(int argc, char **argv)
{
    const char *term = getenv("TIMED_JOBS_TERM");
    int64_t until_ns;
    pid_t child;
    int fd;

    if (argc < 3 || !term)
        return 2;
    fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return 3;
    if (argc > 3)
        signal(SIGTERM, SIG_IGN);
    until_ns = boot_ns() + atoll(argv[2]) * 1000000;

    child = fork();
    if (child == 0) {
        if (fork() == 0) {
            setsid();
            if (fork() == 0)
                _exit(live(fd, term, "escapee", until_ns));
            _exit(0);
        }
        _exit(live(fd, term, "child", until_ns));
    }
    live(fd, term, "main", until_ns);
    waitpid(child, NULL, 0);
    return 0;
}
