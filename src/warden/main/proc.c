/* Reading /proc with a buffer on the stack: no stdio, no opendir, no memory.
 *
 * A process can vanish between any two calls; that is never an error here,
 * only "no such process". */
#include "warden/main/warden.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_SIZE 64

/* Append a text and its NUL; returns where the NUL is. */
static char *text_put(char *at, const char *text)
{
    while ((*at = *text++))
        at++;
    return at;
}

/* "/proc/" PID tail */
static void path_make(char path[PATH_SIZE], pid_t pid, const char *tail)
{
    char digits[12];
    size_t n = sizeof(digits) - 1;

    digits[n] = '\0';
    do {
        digits[--n] = (char)('0' + pid % 10);
        pid /= 10;
    } while (pid > 0);
    text_put(text_put(text_put(path, "/proc/"), digits + n), tail);
}

static int proc_open(pid_t pid, const char *tail, int flags)
{
    char path[PATH_SIZE];

    path_make(path, pid, tail);
    return open(path, O_RDONLY | O_CLOEXEC | flags);
}

/* Read a decimal number; the cursor moves past it and one character more. */
static int64_t number_next(const char **cursor, const char *end)
{
    const char *at = *cursor;
    int64_t value = 0;
    bool negative = at < end && *at == '-';

    if (negative)
        at++;
    while (at < end && *at >= '0' && *at <= '9')
        value = value * 10 + (*at++ - '0');
    *cursor = at < end ? at + 1 : end;
    return negative ? -value : value;
}

bool warden_proc_stat(pid_t pid, struct proc_stat *ret_stat)
{
    char text[1024];
    const char *cursor;
    const char *end;
    ssize_t size;
    int fd = proc_open(pid, "/stat", 0);

    if (fd < 0)
        return false;
    size = read(fd, text, sizeof(text));
    close(fd);
    if (size <= 0)
        return false;
    /* The name in parentheses may hold anything; the last one ends it. */
    end = text + size;
    cursor = memrchr(text, ')', (size_t)size);
    if (!cursor || end - cursor < 4)
        return false;
    ret_stat->state = cursor[2];
    cursor += 4;
    ret_stat->parent = (pid_t)number_next(&cursor, end);
    number_next(&cursor, end); /* group */
    ret_stat->session = (pid_t)number_next(&cursor, end);
    for (int field = 7; field < 22; field++)
        number_next(&cursor, end);
    ret_stat->start_ticks = (uint64_t)number_next(&cursor, end);
    return true;
}

/* "12 345 6 " in chunks of any size. */
static void
children_read(struct warden *w, int fd, pid_t parent, warden_child_cb found)
{
    char text[4096];
    ssize_t size;
    pid_t pid = 0;

    while ((size = read(fd, text, sizeof(text))) > 0) {
        for (ssize_t i = 0; i < size; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (pid > 0) {
                found(w, parent, pid);
                pid = 0;
            }
        }
    }
}

void warden_proc_own_children(struct warden *w, warden_child_cb found)
{
    if (lseek(w->children_fd, 0, SEEK_SET) == 0)
        children_read(w, w->children_fd, w->pid, found);
}

static void thread_children(struct warden *w,
                            int task_fd,
                            const char *thread,
                            pid_t pid,
                            warden_child_cb found)
{
    char path[PATH_SIZE];
    int fd;

    if (strlen(thread) > 16)
        return; /* not a number */
    text_put(text_put(path, thread), "/children");
    fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    children_read(w, fd, pid, found);
    close(fd);
}

void warden_proc_children(struct warden *w, pid_t pid, warden_child_cb found)
{
    /* Aligned as the kernel writes its entries. */
    union {
        struct dirent64 entry;
        char bytes[2048];
    } buffer;

    long size;
    int fd = proc_open(pid, "/task", O_DIRECTORY);

    if (fd < 0)
        return;
    while ((size = syscall(SYS_getdents64, fd, &buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < size;) {
            struct dirent64 *entry =
                (struct dirent64 *)(void *)(buffer.bytes + at);

            at += entry->d_reclen;
            if (entry->d_name[0] != '.')
                thread_children(w, fd, entry->d_name, pid, found);
        }
    }
    close(fd);
}

/* Look for "\0NAME=<32 characters>\0" in the bytes before `size`; what could
 * be the beginning of one stays for the next chunk. */
static bool run_id_find(const char *text,
                        size_t size,
                        size_t *ret_keep,
                        char id[WIRE_RUN_ID_SIZE])
{
    static const char name[] = "\0" WIRE_RUN_ID_VARIABLE "=";
    const size_t name_size = sizeof(name) - 1;
    const size_t need = name_size + 33;
    const char *hit = memmem(text, size, name, name_size);

    if (hit && (size_t)(text + size - hit) >= need) {
        memcpy(id, hit + name_size, 32);
        id[32] = '\0';
        return hit[name_size + 32] == '\0';
    }
    *ret_keep = size < need ? size : need - 1;
    return false;
}

bool warden_proc_run_id(struct warden *w, pid_t pid, char id[WIRE_RUN_ID_SIZE])
{
    char *text = w->scratch;
    size_t used = 1; /* as if a NUL stood before the first variable */
    size_t keep = 0;
    bool hit = false;
    ssize_t size;
    int fd = proc_open(pid, "/environ", 0);

    if (fd < 0)
        return false;
    text[0] = '\0';
    id[0] = '\0';
    while ((size = read(fd, text + used, sizeof(w->scratch) - used)) > 0) {
        used += (size_t)size;
        hit = run_id_find(text, used, &keep, id);
        if (hit || id[0])
            break;
        memmove(text, text + used - keep, keep);
        used = keep;
    }
    close(fd);
    return hit;
}
