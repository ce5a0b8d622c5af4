/* The day log's public face: options, append, end. See timedjobs/log.h and
 * docs/design/log.md. */
#include "log/day_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define MS_NS              ((int64_t)1000 * 1000)
#define KIB                ((size_t)1024)
#define QUEUE_SIZE_MIN     (KIB * 64)
#define QUEUE_SIZE_MAX     (KIB * 1024 * 1024)
#define QUEUE_SIZE_DEFAULT (KIB * 4096)
#define WAIT_MS_MAX        ((int64_t)60 * 60 * 1000)
#define KEEP_DAYS_MAX      ((int64_t)100 * 366)
#define ENTRY_SIZE         (KIB * 4) /* the reason, escaped, and the rest */
#define WRITER_STACK_SIZE  (KIB * 256)
/* A writer that is not hanging ends by itself at the deadline. */
#define END_GRACE_NS (50 * MS_NS)

/* ---- append ------------------------------------------------------------ */

static void room_wait(tj_day_log *log, int64_t until_ns)
{
    struct timespec until = { .tv_sec = until_ns / 1000000000,
                              .tv_nsec = until_ns % 1000000000 };

    if (tj__log_writer_is_wanted(log))
        sem_post(&log->work);
    log->n_room_waiters++;
    (void)pthread_cond_timedwait(&log->room, &log->mutex, &until);
    log->n_room_waiters--;
}

/* Get room for a batch; wait for it as long as the options allow and the disk
 * moves. False: it has to be dropped. */
static bool room_get(tj_day_log *log, int64_t wall_ms, size_t size)
{
    uint64_t n_gone = log->queue.n_gone;
    int64_t until_ns = 0, now_ns;

    if (size > tj__line_queue_size_max(&log->queue))
        return false;
    while (!tj__log_gap_close(log, wall_ms, size)) {
        if (log->full_wait_ns == 0 || log->stalled ||
            (log->trouble.present && log->trouble.blocks))
            return false;
        now_ns = log->sys->mono_ns();
        if (until_ns == 0)
            until_ns = now_ns + log->full_wait_ns;
        if (now_ns >= until_ns) {
            log->stalled = log->queue.n_gone == n_gone;
            return false;
        }
        room_wait(log, until_ns);
    }
    return true;
}

static void batch_take(tj_day_log *log,
                       int64_t wall_ms,
                       const char *lines,
                       size_t size,
                       size_t n_lines)
{
    log->n_lines += n_lines;
    if (log->mode == TJ_DAY_LOG_DIRECT && log->queue.used == 0 &&
        log->gap.n_lines == 0) {
        tj__log_writer_pass(log, wall_ms, lines, size, n_lines);
        return;
    }
    if (room_get(log, wall_ms, size))
        tj__line_queue_put(&log->queue, tj__iso_day(wall_ms), lines, size,
                           n_lines);
    else
        tj__log_gap_widen(log, wall_ms, n_lines, size, NULL);
    if (log->mode == TJ_DAY_LOG_DIRECT)
        tj__log_writer_drain(log);
}

/* A batch that is large beside the queue comes in pieces of whole lines. */
static void batch_take_pieces(tj_day_log *log,
                              int64_t wall_ms,
                              const char *lines,
                              size_t size,
                              size_t piece_max)
{
    while (size > 0) {
        size_t piece = size < piece_max ? size : piece_max;
        tj_chunk chunk = { .parts = { { (char *)(uintptr_t)lines, 0 } },
                           .n_parts = 1 };
        const char *newline = memrchr(lines, '\n', piece);

        if (!newline)
            newline = memchr(lines + piece, '\n', size - piece);
        piece = newline ? (size_t)(newline + 1 - lines) : size;
        chunk.parts[0].iov_len = piece;
        batch_take(log, wall_ms, lines, piece,
                   tj__chunk_count_lines(&chunk, piece));
        lines += piece;
        size -= piece;
    }
}

static void day_log_append(tj_log_sink *sink,
                           int64_t wall_ms,
                           const char *lines,
                           size_t size,
                           size_t n_lines)
{
    tj_day_log *log = (tj_day_log *)sink;
    bool is_direct = log->mode == TJ_DAY_LOG_DIRECT, wanted;
    size_t piece_max = log->queue.capacity / 2;

    if (size == 0)
        return;
    if (is_direct)
        pthread_mutex_lock(&log->direct);
    pthread_mutex_lock(&log->mutex);
    if (size <= piece_max)
        batch_take(log, wall_ms, lines, size, n_lines);
    else
        batch_take_pieces(log, wall_ms, lines, size, piece_max);
    wanted = tj__log_writer_is_wanted(log);
    pthread_mutex_unlock(&log->mutex);
    /* Without the mutex, which it would have to wait for. */
    if (wanted)
        sem_post(&log->work);
    if (is_direct)
        pthread_mutex_unlock(&log->direct);
}

/* ---- flush ------------------------------------------------------------- */

static void direct_drain(tj_day_log *log)
{
    pthread_mutex_lock(&log->direct);
    pthread_mutex_lock(&log->mutex);
    log->urgent = true;
    tj__log_writer_drain(log);
    pthread_mutex_unlock(&log->mutex);
    pthread_mutex_unlock(&log->direct);
}

static void day_log_flush(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata)
{
    tj_day_log *log = (tj_day_log *)sink;

    if (log->mode == TJ_DAY_LOG_THREAD) {
        tj__log_flush_wait(log, cb, userdata);
        return;
    }
    direct_drain(log);
    cb(userdata);
}

static const tj_log_sink_ops day_log_ops = {
    .size = sizeof(tj_log_sink_ops),
    .append = day_log_append,
    .flush = day_log_flush,
};

tj_log_sink *tj_day_log_sink(tj_day_log *log)
{
    return &log->sink;
}

/* ---- making ------------------------------------------------------------ */

void tj_day_log_options_init(tj_day_log_options *options)
{
    *options = (tj_day_log_options){
        .size = sizeof(*options),
        .mode = TJ_DAY_LOG_THREAD,
        .queue_size = QUEUE_SIZE_DEFAULT,
        .sync_interval_ms = 1000,
        .flush_timeout_ms = 5000,
        .clock = tj_clock_system(),
    };
}

static int range_check(const char *name,
                       int64_t value,
                       int64_t min,
                       int64_t max,
                       tj_error *reterr)
{
    if (value >= min && value <= max)
        return 0;
    return tj__error_set(reterr, TJ_EINVAL, "log",
                         "%s is %lld, allowed are %lld to %lld", name,
                         (long long)value, (long long)min, (long long)max);
}

static int options_check(const tj_day_log_options *options, tj_error *reterr)
{
    int rc = 0;

    if (options->size < sizeof(*options) || !options->clock.now ||
        (options->mode != TJ_DAY_LOG_THREAD &&
         options->mode != TJ_DAY_LOG_DIRECT))
        return tj__error_set(reterr, TJ_EINVAL, "log",
                             "the options were not initialised");
    if (options->queue_size < QUEUE_SIZE_MIN ||
        options->queue_size > QUEUE_SIZE_MAX)
        return tj__error_set(reterr, TJ_EINVAL, "log",
                             "queue_size is %zu, allowed are 64 KiB to 1 GiB",
                             options->queue_size);
    rc = range_check("full_wait_ms", options->full_wait_ms, 0, WAIT_MS_MAX,
                     reterr);
    if (!rc)
        rc = range_check("sync_interval_ms", options->sync_interval_ms, -1,
                         WAIT_MS_MAX, reterr);
    if (!rc)
        rc = range_check("flush_timeout_ms", options->flush_timeout_ms, 1,
                         WAIT_MS_MAX, reterr);
    if (!rc)
        rc = range_check("keep_days", options->keep_days, 0, KEEP_DAYS_MAX,
                         reterr);
    if (!rc)
        rc = range_check("keep_bytes", options->keep_bytes, 0, INT64_MAX,
                         reterr);
    return rc;
}

static void locks_init(tj_day_log *log)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&log->direct, NULL);
    pthread_mutex_init(&log->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    sem_init(&log->work, /* pshared= */ 0, 0);
    pthread_cond_init(&log->room, &monotonic);
    pthread_cond_init(&log->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static tj_day_log *log_alloc(const tj_day_log_options *options,
                             const tj_log_sys *sys,
                             const tj_log_tuning *tuning)
{
    tj_day_log *log = tj__calloc(1, sizeof(*log));

    if (!log)
        return NULL;
    log->sink.ops = &day_log_ops;
    log->sys = sys;
    log->tuning = *tuning;
    log->mode = options->mode;
    log->full_wait_ns =
        options->mode == TJ_DAY_LOG_THREAD ? options->full_wait_ms * MS_NS : 0;
    log->sync_interval_ns =
        options->sync_interval_ms < 0 ? -1 : options->sync_interval_ms * MS_NS;
    log->flush_timeout_ns = options->flush_timeout_ms * MS_NS;
    log->retention = (tj_retention){ options->keep_days, options->keep_bytes };
    log->clock = options->clock;
    log->on_trouble = options->on_trouble;
    log->userdata = options->userdata;
    log->dir = (tj_log_dir){ .sys = sys, .fd = -1 };
    tj__day_file_init(&log->file, sys, &log->dir);
    locks_init(log);
    return log;
}

static int memory_get(tj_day_log *log, size_t queue_size, tj_error *reterr)
{
    size_t chunk_size = log->tuning.chunk_size;

    if (chunk_size > queue_size / 4)
        chunk_size = queue_size / 4;
    log->wake_size = chunk_size / 2;
    if (!tj__line_queue_init(&log->queue, queue_size, chunk_size) ||
        !tj__buf_reserve(&log->entry, ENTRY_SIZE))
        return tj__error_set(reterr, TJ_ENOMEM, "log", "out of memory");
    return 0;
}

/* Close off what a crash has left in the latest file before today's. What
 * fails is made up for when that file is written to again. */
static void latest_mend(tj_day_log *log, int64_t today)
{
    int64_t latest;

    if (!tj__retention_latest_day(&log->dir, &latest) || latest == today)
        return;
    if (!tj__day_file_open(&log->file, latest, NULL))
        (void)tj__day_file_mend(&log->file, NULL);
    tj__day_file_close(&log->file);
}

/* Try at the start what can be tried without leaving anything behind, close
 * off torn lines, and make room. */
static int disk_try(tj_day_log *log, tj_error *reterr)
{
    int64_t today = tj__iso_day(log->clock.now(log->clock.userdata).wall_ms);
    tj_error error = TJ_ERROR_INIT;
    char name[TJ_DAY_NAME_SIZE];

    if (faccessat(log->dir.fd, ".", W_OK | X_OK, AT_EACCESS))
        return tj__error_set_errno(reterr, errno, "log",
                                   "cannot write in directory %s",
                                   log->dir.path);
    latest_mend(log, today);
    tj__day_name_print(name, today);
    if (!faccessat(log->dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW)) {
        if (tj__day_file_open(&log->file, today, &error)) {
            if (reterr)
                *reterr = error;
            return error.code;
        }
        /* On a full disk this fails, and is done before the first line. */
        (void)tj__day_file_mend(&log->file, NULL);
    }
    if (log->retention.keep_days || log->retention.keep_bytes)
        tj__retention_run(&log->retention, &log->dir, today, name);
    return 0;
}

int tj__day_log_new(const tj_day_log_options *options,
                    const tj_log_sys *sys,
                    const tj_log_tuning *tuning,
                    tj_day_log **ret_log,
                    tj_error *reterr)
{
    int rc = options_check(options, reterr);
    tj_day_log *log;

    if (rc)
        return rc;
    log = log_alloc(options, sys, tuning);
    if (!log)
        return tj__error_set(reterr, TJ_ENOMEM, "log", "out of memory");
    rc = memory_get(log, options->queue_size, reterr);
    if (!rc)
        rc = tj__log_dir_init(&log->dir, sys, options->dir, reterr);
    if (!rc)
        rc = tj__log_dir_open(&log->dir, reterr);
    if (!rc)
        rc = disk_try(log, reterr);
    if (!rc && log->mode == TJ_DAY_LOG_THREAD &&
        !tj__log_thread_start(&log->thread, "tj-log", WRITER_STACK_SIZE,
                              tj__log_writer_main, log))
        rc = tj__error_set(reterr, TJ_ESYSTEM, "log",
                           "cannot start the writer's thread");
    if (rc) {
        tj__day_log_destroy(log);
        return rc;
    }
    *ret_log = log;
    return 0;
}

int tj_day_log_new(const tj_day_log_options *options,
                   tj_day_log **ret_log,
                   tj_error *reterr)
{
    return tj__day_log_new(options, &tj__log_sys, &tj__log_tuning, ret_log,
                           reterr);
}

/* ---- ending ------------------------------------------------------------ */

void tj__day_log_destroy(tj_day_log *log)
{
    tj__day_file_close(&log->file);
    tj__log_dir_done(&log->dir);
    tj__line_queue_done(&log->queue);
    tj__buf_done(&log->entry);
    sem_destroy(&log->work);
    pthread_cond_destroy(&log->room);
    pthread_cond_destroy(&log->done);
    pthread_mutex_destroy(&log->mutex);
    pthread_mutex_destroy(&log->direct);
    tj__free(log);
}

/* Let the writer end, until the deadline. */
static void thread_stop(tj_day_log *log)
{
    int64_t give_up_ns, now_ns;

    pthread_mutex_lock(&log->mutex);
    now_ns = log->sys->mono_ns();
    log->close_by_ns = tj__log_flush_patience(log, now_ns);
    log->closing = true;
    log->urgent = log->queue.used > 0;
    give_up_ns = log->close_by_ns + END_GRACE_NS;
    if (give_up_ns < now_ns + END_GRACE_NS)
        give_up_ns = now_ns + END_GRACE_NS;
    sem_post(&log->work);
    while (!log->writer_over && log->sys->mono_ns() < give_up_ns)
        tj__log_done_wait(log, give_up_ns);
    if (log->waiters)
        tj__log_flush_answer(log, 0, /* all= */ true);
    pthread_mutex_unlock(&log->mutex);
    tj__log_flush_done(log);
}

static uint64_t thread_free(tj_day_log *log)
{
    uint64_t n_lost;

    thread_stop(log);
    pthread_mutex_lock(&log->mutex);
    n_lost = log->n_lines - log->n_written;
    if (!log->writer_over) {
        /* It is inside a call that may never return, with our memory in its
         * hands: it keeps it, and ends when and if the call does. */
        log->abandoned = true;
        sem_post(&log->work);
        pthread_detach(log->thread);
        pthread_mutex_unlock(&log->mutex);
        return n_lost;
    }
    pthread_mutex_unlock(&log->mutex);
    pthread_join(log->thread, NULL);
    tj__day_log_destroy(log);
    return n_lost;
}

uint64_t tj_day_log_free(tj_day_log *log)
{
    uint64_t n_lost;

    if (!log)
        return 0;
    if (log->mode == TJ_DAY_LOG_THREAD)
        return thread_free(log);
    log->closing = true;
    log->close_by_ns = INT64_MAX;
    direct_drain(log);
    n_lost = log->n_lines - log->n_written;
    tj__day_log_destroy(log);
    return n_lost;
}

/* ---- stats ------------------------------------------------------------- */

void tj_day_log_get_stats(tj_day_log *log, tj_day_log_stats *ret_stats)
{
    int64_t now_ns = log->sys->mono_ns(), busy_ns;

    pthread_mutex_lock(&log->mutex);
    *ret_stats = (tj_day_log_stats){
        .n_lines = log->n_lines,
        .n_written = log->n_written,
        .n_dropped = log->n_dropped,
        .n_bytes = log->n_bytes,
        .queued_size = log->queue.size,
        .in_trouble = log->trouble.present,
        .trouble = log->trouble.error,
    };
    busy_ns = log->busy_since_ns ? now_ns - log->busy_since_ns : 0;
    if (!log->trouble.present && busy_ns > log->tuning.hung_ns) {
        ret_stats->in_trouble = true;
        tj__error_set(&ret_stats->trouble, TJ_ETIMEDOUT, "log",
                      "the disk has not answered for %lld s",
                      (long long)(busy_ns / 1000000000));
    }
    pthread_mutex_unlock(&log->mutex);
}
