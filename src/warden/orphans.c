/* What a lost warden leaves behind: the kernel has killed the commands it had
 * started itself, but not what those had started. That is found by the run id
 * in its environment, and, where this process is their subreaper, as its own
 * children. */
#include "warden/orphans.h"

#include "warden/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ID_SIZE     32
#define KILL_PASSES 100

/* One process, pinned: what is read under its number and the signal that
 * follows go to the same one, or nowhere. */
static bool process_kill(int pidfd)
{
    return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}

/* What is looked for in an environment: a variable whose value of ID_SIZE bytes
 * `match` knows. */
struct wanted {
    const char *variable; /* "\0NAME=" */
    size_t variable_size;
    tj_orphan_match match;
    void *userdata;
};

#define RUN_ID     "\0" WIRE_RUN_ID_VARIABLE "="
#define CONTROLLER "\0" WIRE_CONTROLLER_VARIABLE "="

static bool
text_has_match(const char *text, size_t size, const struct wanted *wanted)
{
    const size_t name_size = wanted->variable_size;
    const char *hit = memmem(text, size, wanted->variable, name_size);
    char id[ID_SIZE + 1];

    if (!hit || (size_t)(text + size - hit) < name_size + ID_SIZE + 1)
        return false;
    memcpy(id, hit + name_size, ID_SIZE);
    id[ID_SIZE] = '\0';
    return wanted->match(id, wanted->userdata);
}

static bool environment_has_match(const char *pid, const struct wanted *wanted)
{
    const size_t overlap = wanted->variable_size + ID_SIZE + 1;
    char text[8192];
    char path[64];
    size_t used = 1;
    bool found = false;
    ssize_t size;
    int fd;

    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    text[0] = '\0';
    while (!found && (size = read(fd, text + used, sizeof(text) - used)) > 0) {
        size_t keep;

        used += (size_t)size;
        found = text_has_match(text, used, wanted);
        keep = used < overlap ? used : overlap;
        memmove(text, text + used - keep, keep);
        used = keep;
    }
    close(fd);
    return found;
}

static size_t kill_by_id(const char *pid, const struct wanted *wanted)
{
    size_t n = 0;
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(pid, NULL, 10), 0);

    if (fd < 0)
        return 0;
    if (environment_has_match(pid, wanted) && process_kill(fd))
        n = 1;
    close(fd);
    return n;
}

static size_t kill_everywhere(const struct wanted *wanted)
{
    size_t n = 0;
    struct dirent *entry;
    DIR *proc = opendir("/proc");

    if (!proc)
        return 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is our own */
    while ((entry = readdir(proc))) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            n += kill_by_id(entry->d_name, wanted);
    }
    closedir(proc);
    return n;
}

/* A child cannot be replaced by another process before we have reaped it. */
static size_t child_end(pid_t pid)
{
    if (waitpid(pid, NULL, WNOHANG) == pid)
        return 0;
    return kill(pid, SIGKILL) == 0 ? 1 : 0;
}

static size_t children_end(const char *thread)
{
    char path[64];
    char text[4096];
    size_t n = 0;
    pid_t pid = 0;
    ssize_t size;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", thread);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while ((size = read(fd, text, sizeof(text))) > 0) {
        for (ssize_t i = 0; i < size; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (pid > 0) {
                n += child_end(pid);
                pid = 0;
            }
        }
    }
    close(fd);
    return n;
}

static size_t kill_children(void)
{
    size_t n = 0;
    struct dirent *entry;
    DIR *threads = opendir("/proc/self/task");

    if (!threads)
        return 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is our own */
    while ((entry = readdir(threads))) {
        if (entry->d_name[0] != '.')
            n += children_end(entry->d_name);
    }
    closedir(threads);
    return n;
}

size_t tj__orphans_kill(bool children, tj_orphan_match match, void *userdata)
{
    const struct wanted wanted = { RUN_ID, sizeof(RUN_ID) - 1, match,
                                   userdata };
    size_t n = kill_everywhere(&wanted);

    if (children)
        n += kill_children();
    return n;
}

static bool is_controller(const char *id, void *userdata)
{
    return strcmp(id, userdata) == 0;
}

size_t tj__orphans_kill_of(const char *controller_id)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    const struct wanted wanted = { CONTROLLER, sizeof(CONTROLLER) - 1,
                                   is_controller,
                                   (void *)(uintptr_t)controller_id };
    size_t n_most = 0;

    /* Who is dead has no environment; who forked meanwhile is found next. */
    for (int pass = 0; pass < KILL_PASSES; pass++) {
        size_t n = kill_everywhere(&wanted);

        if (n == 0)
            break;
        if (n > n_most)
            n_most = n;
        nanosleep(&pause, NULL);
    }
    return n_most;
}
