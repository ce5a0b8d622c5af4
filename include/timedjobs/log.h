/* The log: where finished lines go.
 *
 * An engine prints its entries into whole JSON lines and hands them over in
 * batches; a sink takes them. The day-file sink below keeps them in
 * `<dir>/YYYY-MM-DD.jsonl`, by the UTC date of the entry itself, in order,
 * whole lines only, written by a thread of its own so that a tick never waits
 * for a disk. */
#ifndef TIMEDJOBS_LOG_H
#define TIMEDJOBS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <timedjobs/clock.h>
#include <timedjobs/error.h>
#include <timedjobs/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tj_log_sink tj_log_sink;

typedef void (*tj_log_flush_cb)(void *userdata);

typedef struct tj_log_sink_ops {
    size_t size; /* sizeof(tj_log_sink_ops) */
    /* Mandatory. Take `n_lines` whole lines of `size` bytes in all, each ended
     * by a newline; all belong to the UTC day of `wall_ms`. Copies them before
     * it returns. Never fails: what cannot be kept is counted and reported by
     * the sink itself. Any thread. */
    void (*append)(tj_log_sink *sink,
                   int64_t wall_ms,
                   const char *lines,
                   size_t size,
                   size_t n_lines);
    /* Mandatory. Call `cb` once when everything appended before is with the
     * kernel or counted as dropped; at the latest when the sink's own
     * deadline for it has passed. `cb` may run on any thread, also inside the
     * call. */
    void (*flush)(tj_log_sink *sink, tj_log_flush_cb cb, void *userdata);
} tj_log_sink_ops;

/** A sink: the first member of whatever an implementation needs. */
struct tj_log_sink {
    const tj_log_sink_ops *ops;
};

/* ---- day files --------------------------------------------------------- */

typedef struct tj_day_log tj_day_log;

typedef enum tj_day_log_mode {
    /* A writer thread; many lines a write; append never waits for the disk. */
    TJ_DAY_LOG_THREAD,
    /* No thread: append writes before it returns, so that a crash loses no
     * tick that has ended. For programs that prefer that to a free loop: a
     * disk that hangs makes append, flush and free hang with it. What a
     * failing disk refuses waits in the queue for a later append. A program in
     * this mode ignores SIGXFSZ if its files' size is limited; the writer's
     * thread takes no signals. */
    TJ_DAY_LOG_DIRECT
} tj_day_log_mode;

typedef struct tj_day_log_options {
    size_t size;     /* sizeof(tj_day_log_options) */
    const char *dir; /* mandatory, copied; created with its parents, 0750 */
    tj_day_log_mode mode;
    /* The most bytes that wait for the disk; 64 KiB to 1 GiB. Memory is taken
     * as it fills, and given back when the log is quiet. What does not fit is
     * dropped, batch by batch, counted, and said in the file later. */
    size_t queue_size;
    /* How long an append may wait for room while the disk keeps up a steady
     * flow, before it drops; up to an hour. It does not wait for a disk that
     * fails, nor again for one that has not moved during a wait. 0: never
     * wait. THREAD mode only. */
    int64_t full_wait_ms;
    /* fdatasync at most this often while lines come, and once after the last
     * of them (in DIRECT mode by the next append, flush or free); 0: never,
     * -1: after each write. Up to an hour. */
    int64_t sync_interval_ms;
    /* The longest that flush and free wait for the disk, and thereby a stop;
     * 1 ms to an hour. A disk that has not taken a line during a flush is not
     * waited for as long again by the next one. */
    int64_t flush_timeout_ms;
    /* Retention touches nothing but regular files named 0000-00-00.jsonl, and
     * never the one that is written to or a later one. */
    int64_t keep_days;  /* day files older than this are removed; 0: keep all */
    int64_t keep_bytes; /* oldest removed while all are larger; 0: keep all */
    tj_clock clock;     /* for retention and the sink's own entries; callable
                         * on the writer's thread */
    /* Told when trouble with the disk begins, goes on (at most each minute)
     * and ends; may be NULL. Runs on the writer's thread (THREAD) or inside
     * append and flush (DIRECT); may ask for the stats, must not append, flush
     * or free. `n_dropped` is of the whole log's life. `trouble` NULL: it is
     * over. */
    void (*on_trouble)(const tj_error *trouble,
                       uint64_t n_dropped,
                       void *userdata);
    void *userdata;
} tj_day_log_options;

/** Fill in the defaults: THREAD, 4 MiB, no wait, sync each second, 5 s, keep
 * all, the system's clock. `dir` is left for the caller. */
TJ_EXPORT void tj_day_log_options_init(tj_day_log_options *options);

/** Open a day log. The directory is made and tried at once: a start with a log
 * that cannot work fails here, with the reason. A line that a crash has left
 * unfinished is closed off. Blocks for the disk.
 * Day files are 0640, ours, regular, with one name, and not reached through a
 * link; anything else under such a name is refused. Several processes may
 * write to one directory.
 * Returns 0, TJ_EINVAL (which option and its range in `reterr`), TJ_EACCES
 * (not permitted, read-only, or today's file is refused), TJ_ENOENT (a part of
 * the path is no directory), TJ_ENOSPC, TJ_EIO, TJ_ENOMEM or TJ_ESYSTEM. */
TJ_EXPORT int tj_day_log_new(const tj_day_log_options *options,
                             tj_day_log **ret_log,
                             tj_error *reterr);

/** Return the sink, valid until tj_day_log_free. */
TJ_EXPORT tj_log_sink *tj_day_log_sink(tj_day_log *log);

/** Write out what waits (at most flush_timeout_ms), say what was dropped, sync
 * and end. Blocks. No other thread may use the log any more; must not be
 * called by a flush's callback. Flushes that wait are answered first. A writer
 * that hangs in the disk is left behind with its memory; it ends, and calls
 * nobody, when the disk lets it go. NULL is a no-op.
 * Returns the number of lines that never reached a file. */
TJ_EXPORT uint64_t tj_day_log_free(tj_day_log *log);

typedef struct tj_day_log_stats {
    uint64_t n_lines;   /* taken, the sink's own entries included */
    uint64_t n_written; /* handed to the kernel */
    uint64_t n_dropped; /* given up; taken = written + dropped + waiting */
    uint64_t n_bytes;   /* written */
    size_t queued_size; /* bytes that wait */
    bool in_trouble;    /* the last attempt to write or sync failed, or has
                         * not come back for seconds */
    tj_error trouble;   /* why, when in_trouble */
} tj_day_log_stats;

/** Tell how the log is doing. Any thread. */
TJ_EXPORT void tj_day_log_get_stats(tj_day_log *log,
                                    tj_day_log_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
