/* Faults inside of a daemon, to be preloaded: every n-th allocation fails, and
 * the wall clock is wrong, that one alone. The file that $TJ_FAULTS names is
 * memory shared with the test, which changes it while the daemon runs. Of the
 * programs that inherit the preload only `timed-jobs run` is meant. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

struct faults {
    _Atomic uint32_t every;    /* 0: no allocation fails */
    _Atomic uint32_t n_failed; /* so far */
    _Atomic int64_t wall_s;    /* how far the wall clock is off */
};

static struct faults *shared;
static _Atomic uint32_t counted;

static int fails(void)
{
    uint32_t every = shared ? atomic_load(&shared->every) : 0;

    if (!every || atomic_fetch_add(&counted, 1) % every)
        return 0;
    atomic_fetch_add(&shared->n_failed, 1);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, ret_now);

    if (!result && shared &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret_now->tv_sec += atomic_load(&shared->wall_s);
    return result;
}

int gettimeofday(struct timeval *ret_now, void *zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    ret_now->tv_sec = now.tv_sec;
    ret_now->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret_now)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_now)
        *ret_now = now.tv_sec;
    return now.tv_sec;
}

static int is_daemon(void)
{
    char text[4096] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 5);

    if (fd >= 0)
        close(fd);
    return size > 0 && !strcmp(text + strlen(text) + 1, "run");
}

__attribute__((constructor)) static void shim_init(void)
{
    const char *path = getenv("TJ_FAULTS");
    void *memory;
    int fd;

    if (!path || !is_daemon())
        return;
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    memory =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED)
        shared = memory;
}
