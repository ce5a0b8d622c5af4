/* See lease_process.h. Everything here may be missing (no /proc, a masked
 * one): the answer is then "not known", never a guess. */
#include "lease/lease_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/error.h"

/* Read a small file of /proc; returns its size, 0 when it cannot be had. */
static size_t proc_read(const char *path, char *text, size_t size)
{
    struct statfs file_system;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    /* Container managers mount ordinary files over some of these. */
    if (!fstatfs(fd, &file_system) && file_system.f_type == PROC_SUPER_MAGIC)
        do
            got = read(fd, text, size - 1);
        while (got < 0 && errno == EINTR);
    close(fd);
    if (got < 0)
        got = 0;
    text[got] = '\0';
    return (size_t)got;
}

static void describe_boot(char boot_id[TJ_LEASE_BOOT_ID_SIZE])
{
    char text[64];
    size_t size;

    size = proc_read("/proc/sys/kernel/random/boot_id", text, sizeof(text));
    if (size == TJ_LEASE_BOOT_ID_SIZE && text[size - 1] == '\n') {
        text[size - 1] = '\0';
        memcpy(boot_id, text, TJ_LEASE_BOOT_ID_SIZE);
    }
}

/* The namespaces in which a pid and a start time mean something. */
static void describe_namespaces(char namespaces[TJ_LEASE_NAMESPACES_SIZE])
{
    char pid[32], time[32];
    ssize_t pid_size = readlink("/proc/self/ns/pid", pid, sizeof(pid));
    ssize_t time_size = readlink("/proc/self/ns/time", time, sizeof(time));

    if (pid_size <= 0 || time_size <= 0 || pid_size >= (ssize_t)sizeof(pid) ||
        time_size >= (ssize_t)sizeof(time))
        return;
    pid[pid_size] = '\0';
    time[time_size] = '\0';
    if (snprintf(namespaces, TJ_LEASE_NAMESPACES_SIZE, "%s %s", pid, time) >=
        TJ_LEASE_NAMESPACES_SIZE)
        namespaces[0] = '\0';
}

/* Find the state (field 3), the number of threads (20) and the start time (22)
 * of a process; false when they cannot be had. */
static bool process_stat(int64_t pid,
                         char *ret_state,
                         int64_t *ret_n_threads,
                         int64_t *ret_start)
{
    char path[48], text[1024];
    const char *at;
    int field;

    (void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    if (!proc_read(path, text, sizeof(text)))
        return false;
    /* The name, in parentheses, may hold anything but ends at the last one. */
    at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    at += 2;
    *ret_state = *at;
    for (field = 3; field < 20; field++) {
        at = strchr(at, ' ');
        if (!at)
            return false;
        at++;
    }
    return sscanf(at, "%lld %*d %lld", (long long *)ret_n_threads,
                  (long long *)ret_start) == 2;
}

void tj__lease_process_describe(tj_lease_record *record)
{
    char state;
    int64_t n_threads, start;

    record->pid = getpid();
    record->pid_start = 0;
    if (process_stat(record->pid, &state, &n_threads, &start))
        record->pid_start = start;
    record->boot_id[0] = '\0';
    record->namespaces[0] = '\0';
    describe_boot(record->boot_id);
    describe_namespaces(record->namespaces);
}

int tj__lease_process_holder(char holder[TJ_LEASE_HOLDER_SIZE],
                             tj_error *reterr)
{
    unsigned char bytes[(TJ_LEASE_HOLDER_SIZE - 1) / 2];
    size_t at;

    /* Up to 256 bytes come whole or not at all. */
    while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        if (errno != EINTR)
            return tj__error_set_errno(reterr, errno, "lease",
                                       "no random bits for a holder id");
    }
    for (at = 0; at < sizeof(bytes); at++)
        (void)snprintf(holder + 2 * at, 3, "%02x", bytes[at]);
    return 0;
}

bool tj__lease_process_is_gone(const tj_lease_record *record)
{
    char state;
    int64_t n_threads, start;

    if (record->pid <= 0 || record->pid > INT32_MAX || record->pid_start <= 0)
        return false;
    /* Not by looking into /proc, which may hide other users' processes. */
    if (kill((pid_t)record->pid, 0))
        return errno == ESRCH;
    if (!process_stat(record->pid, &state, &n_threads, &start))
        return false;
    if (start != record->pid_start)
        return true;
    /* Dead and only not yet collected by its parent. */
    return (state == 'Z' || state == 'X') && n_threads <= 1;
}
