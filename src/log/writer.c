/* Bringing lines to the disk.
 *
 * The same steps serve the writer's thread and a direct append; the thread
 * adds when to rest. While the disk fails, lines wait in the queue and the
 * oldest chunk is tried again and again; trouble is told when it begins, goes
 * on and ends. See docs/design/log.md. */
#include <errno.h>
#include <time.h>

#include "base/error.h"
#include "log/day_log.h"

#define DAY_MS  ((int64_t)24 * 60 * 60 * 1000)
#define FOREVER INT64_MAX
/* Small direct writes look after their file so often, and so many bytes. */
#define LOOK_NS   ((int64_t)10 * 1000 * 1000)
#define LOOK_SIZE ((size_t)64 * 1024)

const tj_log_tuning tj__log_tuning = {
    .chunk_size = (size_t)128 * 1024,
    .linger_ns = (int64_t)4 * 1000 * 1000,
    .retry_ns = (int64_t)1000 * 1000 * 1000,
    .eager_retry_ns = (int64_t)100 * 1000 * 1000,
    .report_ns = (int64_t)60 * 1000 * 1000 * 1000,
    .check_ns = (int64_t)5000 * 1000 * 1000,
    .trim_ns = (int64_t)1000 * 1000 * 1000,
    .hung_ns = (int64_t)5 * 1000 * 1000 * 1000,
};

static int64_t earlier(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static int64_t wall_now(const tj_day_log *log)
{
    return log->clock.now(log->clock.userdata).wall_ms;
}

/* ---- trouble ----------------------------------------------------------- */

static void trouble_report(tj_day_log *log, const tj_error *error)
{
    uint64_t n_dropped = log->n_dropped;

    if (!log->on_trouble)
        return;
    pthread_mutex_unlock(&log->mutex);
    log->on_trouble(error, n_dropped, log->userdata);
    pthread_mutex_lock(&log->mutex);
}

/* The disk failed; `blocks`: lines wait for it. */
static void trouble_meet(tj_day_log *log, const tj_error *error, bool blocks)
{
    tj_log_trouble *trouble = &log->trouble;
    int64_t now_ns = log->sys->mono_ns();
    bool eager = log->closing || log->waiters;
    bool news = !trouble->present || now_ns >= trouble->report_at_ns;
    tj_error copy = *error;

    trouble->present = true;
    trouble->blocks = blocks;
    trouble->error = *error;
    trouble->retry_at_ns =
        now_ns + (eager ? log->tuning.eager_retry_ns : log->tuning.retry_ns);
    if (blocks && log->n_room_waiters)
        pthread_cond_broadcast(&log->room); /* there is nothing to wait for */
    if (!news)
        return;
    trouble->report_at_ns = now_ns + log->tuning.report_ns;
    trouble_report(log, &copy);
}

static void trouble_end(tj_day_log *log)
{
    if (!log->trouble.present)
        return;
    log->trouble = (tj_log_trouble){ 0 };
    trouble_report(log, NULL);
}

/* ---- with the disk: the drainer, without the mutex ---------------------- */

static void disk_enter(tj_day_log *log, int64_t now_ns)
{
    log->busy_since_ns = now_ns;
    log->urgent = false;
    pthread_mutex_unlock(&log->mutex);
}

static void disk_leave(tj_day_log *log)
{
    pthread_mutex_lock(&log->mutex);
    log->busy_since_ns = 0;
}

static tj_file_trouble disk_sync(tj_day_log *log, tj_error *reterr)
{
    tj_file_trouble trouble = tj__day_file_sync(&log->file, reterr);

    log->synced_ns = log->sys->mono_ns();
    log->sync_failed = trouble != TJ_FILE_FINE;
    return trouble;
}

static void disk_sweep(tj_day_log *log)
{
    log->since_sweep = 0;
    if (log->retention.keep_days || log->retention.keep_bytes)
        tj__retention_run(&log->retention, &log->dir,
                          tj__iso_day(wall_now(log)), log->file.name);
}

/* Have the day's file open, and look now and then whether it still is what
 * its name says: someone may have moved it or the directory away. */
static tj_file_trouble
disk_open(tj_day_log *log, int64_t day, int64_t now_ns, tj_error *reterr)
{
    tj_day_file *file = &log->file;
    tj_file_trouble trouble;

    if (file->fd >= 0 && file->day == day) {
        if (now_ns - log->checked_ns < log->tuning.check_ns)
            return TJ_FILE_FINE;
        log->checked_ns = now_ns;
        if (tj__day_file_is_current(file))
            return TJ_FILE_FINE;
    }
    if (file->fd >= 0 && file->unsynced && log->sync_interval_ns) {
        trouble = disk_sync(log, reterr);
        file->unsynced = false; /* once is enough: we leave this file */
        if (trouble)
            return TJ_FILE_DISK;
    }
    trouble = tj__day_file_open(file, day, reterr);
    if (trouble)
        return trouble;
    log->checked_ns = now_ns;
    disk_sweep(log);
    return TJ_FILE_FINE;
}

/* Whether to look for the file after this write. A writer of large chunks
 * always does, and loses nothing. */
static bool look_is_due(tj_day_log *log, size_t size, int64_t now_ns)
{
    if (log->mode == TJ_DAY_LOG_DIRECT &&
        log->file.unseen_size + size < LOOK_SIZE &&
        now_ns - log->looked_ns < LOOK_NS)
        return false;
    log->looked_ns = now_ns;
    return true;
}

static bool sync_is_due(const tj_day_log *log, int64_t now_ns)
{
    int64_t interval = log->sync_interval_ns;

    if (interval < 0)
        return true;
    /* A tick a second and a sync a second shall meet, not alternate. */
    return interval > 0 && now_ns - log->synced_ns >= interval - interval / 16;
}

/* Bring a chunk into its file. `*ret_sync` is about the sync after it. */
static tj_file_trouble disk_write(tj_day_log *log,
                                  const tj_chunk *chunk,
                                  int64_t now_ns,
                                  tj_file_trouble *ret_sync,
                                  tj_error *reterr)
{
    tj_file_trouble trouble = disk_open(log, chunk->day, now_ns, reterr);
    int64_t keep = log->retention.keep_bytes;

    if (!trouble)
        trouble =
            tj__day_file_write(&log->file, chunk, &log->offset,
                               look_is_due(log, chunk->size, now_ns), reterr);
    log->written_ns = log->sys->mono_ns();
    if (trouble)
        return trouble;
    if (sync_is_due(log, log->written_ns))
        *ret_sync = disk_sync(log, reterr);
    log->since_sweep += (int64_t)chunk->size;
    if (keep && log->since_sweep >= keep / 8)
        disk_sweep(log);
    return TJ_FILE_FINE;
}

/* ---- steps: with the mutex, which the disk's part releases -------------- */

static void chunk_drop(tj_day_log *log)
{
    tj__line_queue_drop(&log->queue);
    if (log->n_room_waiters && log->queue.used <= log->queue.capacity / 4 * 3)
        pthread_cond_broadcast(&log->room);
}

static void chunk_finish(tj_day_log *log, const tj_chunk *chunk)
{
    log->n_written += chunk->n_lines - log->n_counted;
    log->n_bytes += chunk->size;
    log->stalled = false;
    /* What is left of a trouble, a sync that failed, holds no lines back. */
    log->trouble.blocks = false;
    log->patience_until_ns = 0;
    log->offset = 0;
    log->n_counted = 0;
}

/* Later days' lines must not wait for a file that alone cannot be written. Its
 * last line may stay torn: what is written there next looks for that. */
static void chunk_give_up(tj_day_log *log, const tj_chunk *chunk)
{
    tj__log_gap_widen(log, chunk->day * DAY_MS, chunk->n_lines - log->n_counted,
                      chunk->size - log->offset, NULL);
    log->gap.until_ms = chunk->day * DAY_MS + DAY_MS - 1;
    log->n_bytes += log->offset;
    log->offset = 0;
    log->n_counted = 0;
    log->file.end = -1;
    chunk_drop(log);
}

static void chunk_fail(tj_day_log *log,
                       const tj_chunk *chunk,
                       tj_file_trouble trouble,
                       const tj_error *error)
{
    size_t n_lines = tj__chunk_count_lines(chunk, log->offset);
    bool moot = trouble == TJ_FILE_ITSELF && log->queue.last_day != chunk->day;

    log->n_written += n_lines - log->n_counted;
    log->n_counted = n_lines;
    trouble_meet(log, error, /* blocks= */ !moot);
    if (moot)
        chunk_give_up(log, chunk);
}

/* Lines that went away with a deleted file were not written after all. */
static void lost_count(tj_day_log *log)
{
    tj_day_file *file = &log->file;

    if (file->n_lost_lines == 0)
        return;
    log->n_written -= file->n_lost_lines;
    log->n_bytes -= file->lost_size;
    tj__log_gap_widen(log, wall_now(log), file->n_lost_lines, file->lost_size,
                      "the day file was deleted while it was written to");
    file->n_lost_lines = 0;
    file->lost_size = 0;
}

/* Bring a chunk to the disk and account for it. It is the queue's oldest, or
 * joins the queue if it fails. False when the log was abandoned meanwhile. */
static bool
chunk_bring(tj_day_log *log, const tj_chunk *chunk, bool queued, int64_t now_ns)
{
    tj_file_trouble trouble, sync = TJ_FILE_FINE;
    tj_error error = TJ_ERROR_INIT;

    disk_enter(log, now_ns);
    trouble = disk_write(log, chunk, now_ns, &sync, &error);
    disk_leave(log);
    if (log->abandoned)
        return false;

    lost_count(log);
    if (!trouble) {
        chunk_finish(log, chunk);
        if (queued)
            chunk_drop(log);
    } else {
        if (!queued)
            tj__line_queue_put(&log->queue, chunk->day,
                               chunk->parts[0].iov_base, chunk->size,
                               chunk->n_lines);
        chunk_fail(log, chunk, trouble, &error);
    }
    if (sync)
        trouble_meet(log, &error, /* blocks= */ false);
    else if (!trouble && !log->sync_failed)
        trouble_end(log);
    return true;
}

static void step_write(tj_day_log *log, int64_t now_ns)
{
    tj_chunk chunk;

    tj__line_queue_take(&log->queue, &chunk);
    if (chunk_bring(log, &chunk, /* queued= */ true, now_ns) && log->waiters)
        tj__log_flush_answer(log, now_ns, /* all= */ false);
}

static void step_look(tj_day_log *log, int64_t now_ns)
{
    disk_enter(log, now_ns);
    tj__day_file_look(&log->file);
    disk_leave(log);
    if (!log->abandoned)
        lost_count(log);
}

void tj__log_writer_pass(tj_day_log *log,
                         int64_t wall_ms,
                         const char *lines,
                         size_t size,
                         size_t n_lines)
{
    const tj_chunk chunk = {
        .day = tj__iso_day(wall_ms),
        .size = size,
        .n_lines = n_lines,
        .parts = { { (char *)(uintptr_t)lines, size } },
        .n_parts = 1,
    };

    chunk_bring(log, &chunk, /* queued= */ false, log->sys->mono_ns());
}

static void step_sync(tj_day_log *log, int64_t now_ns)
{
    tj_error error = TJ_ERROR_INIT;
    tj_file_trouble trouble;

    disk_enter(log, now_ns);
    trouble = disk_sync(log, &error);
    disk_leave(log);
    if (log->abandoned)
        return;
    if (trouble)
        trouble_meet(log, &error, /* blocks= */ false);
    else
        trouble_end(log);
}

/* ---- what next? -------------------------------------------------------- */

typedef enum step {
    STEP_WRITE,
    STEP_LOOK,
    STEP_SYNC,
    STEP_ENTRY,
    STEP_TRIM,
    STEP_REST,
    STEP_END
} step;

typedef struct plan {
    step step;
    tj_log_rest rest; /* for STEP_REST: what may end it */
    int64_t until_ns; /* and when it ends by itself */
} plan;

static plan plan_rest(tj_log_rest rest, int64_t until_ns)
{
    return (plan){ STEP_REST, rest, until_ns };
}

/* Lines wait. */
static plan plan_lines(const tj_day_log *log, int64_t now_ns)
{
    const tj_log_trouble *trouble = &log->trouble;
    int64_t linger_until_ns = log->written_ns + log->tuning.linger_ns;

    if (log->urgent)
        return (plan){ .step = STEP_WRITE };
    if (log->closing && now_ns >= log->close_by_ns)
        return (plan){ .step = STEP_END };
    if (trouble->present && trouble->blocks && now_ns < trouble->retry_at_ns)
        return plan_rest(TJ_LOG_AWAKE,
                         log->closing
                             ? earlier(trouble->retry_at_ns, log->close_by_ns)
                             : trouble->retry_at_ns);
    if (trouble->present || log->mode == TJ_DAY_LOG_DIRECT || log->closing ||
        log->waiters || log->queue.used >= log->wake_size ||
        now_ns >= linger_until_ns)
        return (plan){ .step = STEP_WRITE };
    return plan_rest(TJ_LOG_LINGER, linger_until_ns);
}

/* No lines wait. */
static plan plan_quiet(const tj_day_log *log, int64_t now_ns)
{
    int64_t until_ns = FOREVER;

    if (log->file.unseen_size > 0 && (log->urgent || log->closing))
        return (plan){ .step = STEP_LOOK };
    if (log->gap.n_lines)
        return (plan){ .step = STEP_ENTRY };
    if (log->file.unsynced && log->sync_interval_ns > 0) {
        until_ns = log->synced_ns + log->sync_interval_ns;
        if (log->sync_failed && log->sync_interval_ns < log->tuning.retry_ns)
            until_ns = log->synced_ns + log->tuning.retry_ns;
        if (now_ns >= until_ns || (log->closing && !log->sync_failed))
            return (plan){ .step = STEP_SYNC };
    }
    if (log->closing)
        return (plan){ .step = STEP_END };
    if (tj__line_queue_is_fat(&log->queue)) {
        int64_t trim_at_ns = log->written_ns + log->tuning.trim_ns;

        if (now_ns >= trim_at_ns || log->mode == TJ_DAY_LOG_DIRECT)
            return (plan){ .step = STEP_TRIM };
        until_ns = earlier(until_ns, trim_at_ns);
    }
    return plan_rest(TJ_LOG_ASLEEP, until_ns);
}

/* Do one step, other than to rest. */
static plan step_next(tj_day_log *log)
{
    int64_t now_ns = log->sys->mono_ns();
    plan next =
        log->queue.used ? plan_lines(log, now_ns) : plan_quiet(log, now_ns);

    switch (next.step) {
    case STEP_WRITE:
        step_write(log, now_ns);
        break;
    case STEP_LOOK:
        step_look(log, now_ns);
        break;
    case STEP_SYNC:
        step_sync(log, now_ns);
        break;
    case STEP_ENTRY:
        if (!tj__log_gap_close(log, wall_now(log), 0))
            log->gap = (tj_log_gap){ 0 }; /* counted, if not told */
        break;
    case STEP_TRIM:
        tj__line_queue_trim(&log->queue);
        break;
    case STEP_REST:
    case STEP_END:
        break;
    }
    return next;
}

void tj__log_writer_drain(tj_day_log *log)
{
    plan done;

    do
        done = step_next(log);
    while (done.step != STEP_REST && done.step != STEP_END);
}

/* ---- the thread -------------------------------------------------------- */

/* A semaphore, and not a condition: nothing is missed between the mutex and
 * the wait, and a condition's wait ends with a call more, as it takes the mutex
 * for one that others wait for. */
static void writer_rest(tj_day_log *log, const plan *rest)
{
    log->rest = rest->rest;
    pthread_mutex_unlock(&log->mutex);
    if (rest->until_ns == FOREVER) {
        (void)sem_wait(&log->work);
    } else {
        const struct timespec until = {
            .tv_sec = rest->until_ns / 1000000000,
            .tv_nsec = rest->until_ns % 1000000000,
        };

        (void)sem_clockwait(&log->work, CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_lock(&log->mutex);
    log->rest = TJ_LOG_AWAKE;
}

void *tj__log_writer_main(void *argument)
{
    tj_day_log *log = argument;
    bool abandoned;
    plan done;

    pthread_mutex_lock(&log->mutex);
    do {
        done = step_next(log);
        if (done.step == STEP_REST && !log->abandoned)
            writer_rest(log, &done);
    } while (done.step != STEP_END && !log->abandoned);
    log->writer_over = true;
    abandoned = log->abandoned;
    pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->mutex);

    if (abandoned)
        tj__day_log_destroy(log);
    return NULL;
}

bool tj__log_writer_is_wanted(tj_day_log *log)
{
    bool wanted =
        log->rest == TJ_LOG_ASLEEP ||
        (log->rest == TJ_LOG_LINGER && log->queue.used >= log->wake_size);

    if (wanted)
        log->rest = TJ_LOG_AWAKE; /* the next append need not wake it too */
    return wanted;
}
