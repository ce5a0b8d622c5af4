/* See faulty_sys.h. */
#include "faulty_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct fault {
    size_t n_calls;
    size_t successes;
    size_t n_failures;
    int reason;
} fault;

typedef struct faults {
    fault calls[N_FAULTY_CALLS];
    size_t n_failures;
    int64_t space;
    size_t write_max;
    size_t before_write_in;
    void (*before_write)(void);
    bool no_names;
    bool hang;
    bool hanging;
    int64_t mono_ns;
} faults;

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t g_changed = PTHREAD_COND_INITIALIZER;
static faults g_faults;

/* Count a call and tell whether it fails, with errno. */
static bool fails(faulty_call call)
{
    fault *plan = &g_faults.calls[call];
    bool failed = false;
    int reason = 0;

    pthread_mutex_lock(&g_mutex);
    plan->n_calls++;
    if (plan->successes > 0) {
        plan->successes--;
    } else if (plan->n_failures > 0) {
        plan->n_failures--;
        g_faults.n_failures++;
        failed = true;
        reason = plan->reason;
    }
    pthread_mutex_unlock(&g_mutex);
    if (failed)
        errno = reason;
    return failed;
}

static int faulty_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    return fails(CALL_OPENAT) ? -1 : openat(dir_fd, name, flags, mode);
}

static void (*before_write_take(void))(void)
{
    void (*run)(void) = NULL;

    pthread_mutex_lock(&g_mutex);
    if (g_faults.before_write && g_faults.before_write_in-- == 0) {
        run = g_faults.before_write;
        g_faults.before_write = NULL;
    }
    while (g_faults.hang) {
        g_faults.hanging = true;
        pthread_cond_broadcast(&g_changed);
        pthread_cond_wait(&g_changed, &g_mutex);
    }
    g_faults.hanging = false;
    pthread_mutex_unlock(&g_mutex);
    return run;
}

/* How much of `wanted` the disk takes now. */
static size_t space_take(size_t wanted)
{
    pthread_mutex_lock(&g_mutex);
    if (g_faults.write_max && wanted > g_faults.write_max)
        wanted = g_faults.write_max;
    if (g_faults.space >= 0) {
        if (wanted > (size_t)g_faults.space)
            wanted = (size_t)g_faults.space;
        g_faults.space -= (int64_t)wanted;
    }
    pthread_mutex_unlock(&g_mutex);
    return wanted;
}

static ssize_t faulty_writev(int fd, const struct iovec *parts, int n_parts)
{
    void (*run)(void) = before_write_take();
    struct iovec cut[2];
    size_t size = 0, allowed;
    int n_cut = 0;

    if (run)
        run();
    if (fails(CALL_WRITEV))
        return -1;
    for (int i = 0; i < n_parts; i++)
        size += parts[i].iov_len;
    allowed = space_take(size);
    if (allowed == 0) {
        errno = ENOSPC;
        return -1;
    }
    for (int i = 0; i < n_parts && allowed > 0; i++) {
        cut[n_cut] = parts[i];
        if (cut[n_cut].iov_len > allowed)
            cut[n_cut].iov_len = allowed;
        allowed -= cut[n_cut++].iov_len;
    }
    return writev(fd, cut, n_cut);
}

static ssize_t faulty_pread(int fd, void *bytes, size_t size, off_t offset)
{
    return fails(CALL_PREAD) ? -1 : pread(fd, bytes, size, offset);
}

static int faulty_fstat(int fd, struct stat *ret_stat)
{
    int rc = fails(CALL_FSTAT) ? -1 : fstat(fd, ret_stat);

    if (!rc && g_faults.no_names && S_ISREG(ret_stat->st_mode))
        ret_stat->st_nlink = 0;
    return rc;
}

static int
faulty_fstatat(int dir_fd, const char *name, struct stat *ret_stat, int flags)
{
    return fails(CALL_FSTATAT) ? -1 : fstatat(dir_fd, name, ret_stat, flags);
}

static int faulty_fdatasync(int fd)
{
    (void)fd;
    return fails(CALL_FDATASYNC) ? -1 : 0;
}

static int faulty_fsync(int fd)
{
    (void)fd;
    return fails(CALL_FSYNC) ? -1 : 0;
}

static int faulty_mkdirat(int dir_fd, const char *name, mode_t mode)
{
    return fails(CALL_MKDIRAT) ? -1 : mkdirat(dir_fd, name, mode);
}

static int faulty_unlinkat(int dir_fd, const char *name, int flags)
{
    return fails(CALL_UNLINKAT) ? -1 : unlinkat(dir_fd, name, flags);
}

static int64_t faulty_mono_ns(void)
{
    return g_faults.mono_ns;
}

static int64_t timed_mono_ns(void)
{
    return tj__log_sys.mono_ns();
}

#define CALLS                                                         \
    .openat = faulty_openat, .close = close, .writev = faulty_writev, \
    .pread = faulty_pread, .lseek = lseek, .flock = flock,            \
    .fstat = faulty_fstat, .fstatat = faulty_fstatat,                 \
    .fdatasync = faulty_fdatasync, .fsync = faulty_fsync,             \
    .mkdirat = faulty_mkdirat, .unlinkat = faulty_unlinkat

const tj_log_sys faulty_sys = { CALLS, .mono_ns = faulty_mono_ns };
const tj_log_sys faulty_sys_timed = { CALLS, .mono_ns = timed_mono_ns };

const tj_log_tuning faulty_tuning = {
    .chunk_size = 4096,
    .linger_ns = 100 * 1000,
    .retry_ns = 1000 * 1000,
    .eager_retry_ns = 1000 * 1000,
    .report_ns = (int64_t)60 * 1000 * 1000 * 1000,
    .check_ns = 1000 * 1000,
    .trim_ns = 1000 * 1000,
    .hung_ns = 1000 * 1000,
};

void faulty_reset(void)
{
    pthread_mutex_lock(&g_mutex);
    memset(&g_faults, 0, sizeof(g_faults));
    g_faults.space = -1;
    g_faults.mono_ns = INT64_C(1000) * 1000 * 1000 * 1000;
    pthread_cond_broadcast(&g_changed);
    pthread_mutex_unlock(&g_mutex);
}

void faulty_fail(faulty_call call,
                 size_t successes,
                 size_t n_failures,
                 int reason)
{
    pthread_mutex_lock(&g_mutex);
    g_faults.calls[call].successes = successes;
    g_faults.calls[call].n_failures = n_failures;
    g_faults.calls[call].reason = reason;
    pthread_mutex_unlock(&g_mutex);
}

size_t faulty_count(faulty_call call)
{
    size_t n_calls;

    pthread_mutex_lock(&g_mutex);
    n_calls = g_faults.calls[call].n_calls;
    pthread_mutex_unlock(&g_mutex);
    return n_calls;
}

size_t faulty_failures(void)
{
    return g_faults.n_failures;
}

void faulty_space(int64_t size)
{
    pthread_mutex_lock(&g_mutex);
    g_faults.space = size;
    pthread_mutex_unlock(&g_mutex);
}

void faulty_write_max(size_t size)
{
    pthread_mutex_lock(&g_mutex);
    g_faults.write_max = size;
    pthread_mutex_unlock(&g_mutex);
}

void faulty_before_write(size_t successes, void (*run)(void))
{
    pthread_mutex_lock(&g_mutex);
    g_faults.before_write_in = successes;
    g_faults.before_write = run;
    pthread_mutex_unlock(&g_mutex);
}

void faulty_no_names(bool on)
{
    g_faults.no_names = on;
}

void faulty_hang(bool on)
{
    pthread_mutex_lock(&g_mutex);
    g_faults.hang = on;
    pthread_cond_broadcast(&g_changed);
    pthread_mutex_unlock(&g_mutex);
}

void faulty_wait_hanging(void)
{
    pthread_mutex_lock(&g_mutex);
    while (!g_faults.hanging)
        pthread_cond_wait(&g_changed, &g_mutex);
    pthread_mutex_unlock(&g_mutex);
}

void faulty_pass_ms(int64_t ms)
{
    g_faults.mono_ns += ms * 1000 * 1000;
}
