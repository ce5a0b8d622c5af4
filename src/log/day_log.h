/* A day log's inside, shared by day_log.c (the public face), writer.c (what
 * brings lines to the disk) and flush.c (who waits for them).
 *
 * At any time one thread at most is the *drainer*: the writer's thread, or in
 * DIRECT mode the caller that holds `direct`. The drainer's part needs no
 * lock; it touches the disk only without `mutex`, so that an append waits for
 * a memcpy at most. */
#ifndef TJ_LOG_DAY_LOG_H
#define TJ_LOG_DAY_LOG_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/log.h>

#include "base/buf.h"
#include "log/day_file.h"
#include "log/line_queue.h"
#include "log/log_dir.h"
#include "log/log_sys.h"
#include "log/retention.h"

/* Times and sizes that are nobody's choice but a test's. */
typedef struct tj_log_tuning {
    size_t chunk_size;      /* one write takes about this much */
    int64_t linger_ns;      /* writes follow each other no faster, unless half
                             * a chunk waits */
    int64_t retry_ns;       /* between attempts while the disk fails */
    int64_t eager_retry_ns; /* the same while somebody waits for a flush */
    int64_t report_ns;      /* between reports that trouble goes on */
    int64_t check_ns;       /* between looks whether the names are still ours */
    int64_t trim_ns;        /* quiet for so long: memory goes back */
    int64_t hung_ns;        /* a call that takes longer counts as trouble */
} tj_log_tuning;

extern const tj_log_tuning tj__log_tuning;

/* What the writer's thread is waiting for, so that nobody wakes it in vain. */
typedef enum tj_log_rest {
    TJ_LOG_AWAKE,  /* it is not, or only for its own time */
    TJ_LOG_LINGER, /* for half a chunk */
    TJ_LOG_ASLEEP  /* for anything */
} tj_log_rest;

/* Somebody who waits until the stream has passed a place. */
typedef struct tj_log_waiter {
    struct tj_log_waiter *next;
    uint64_t place; /* in bytes ever put */
    int64_t deadline_ns;
    bool answered;
    tj_log_flush_cb cb; /* NULL: it waits inside its call for `answered` */
    void *userdata;
} tj_log_waiter;

/* Lines that were given up since the last entry that said so. */
typedef struct tj_log_gap {
    uint64_t n_lines; /* 0: no gap */
    uint64_t size;
    int64_t since_ms; /* the first and the last one's time */
    int64_t until_ms;
    tj_error reason;
} tj_log_gap;

/* A failing disk. */
typedef struct tj_log_trouble {
    bool present;
    bool blocks; /* lines wait for its end; false: a sync failed, they go on */
    tj_error error;
    int64_t retry_at_ns;
    int64_t report_at_ns;
} tj_log_trouble;

struct tj_day_log {
    tj_log_sink sink; /* first: the sink is the object */

    /* never changed after tj__day_log_new */
    const tj_log_sys *sys;
    tj_log_tuning tuning;
    tj_day_log_mode mode;
    size_t wake_size; /* a lingering writer gets up for this much */
    int64_t full_wait_ns;
    int64_t sync_interval_ns; /* 0: never, -1: after each write */
    int64_t flush_timeout_ns;
    tj_retention retention;
    tj_clock clock;
    void (*on_trouble)(const tj_error *trouble,
                       uint64_t n_dropped,
                       void *userdata);
    void *userdata;

    /* the drainer's */
    tj_log_dir dir;
    tj_day_file file;
    size_t offset;       /* how much of the oldest chunk is in the file */
    size_t n_counted;    /* its lines that n_written has already */
    int64_t checked_ns;  /* when the names were looked at */
    int64_t written_ns;  /* when the last write ended */
    int64_t looked_ns;   /* when it was last looked for after a write */
    int64_t synced_ns;   /* when the last sync ended */
    int64_t since_sweep; /* bytes written since retention ran */
    bool sync_failed;

    pthread_mutex_t direct; /* DIRECT mode: held by the drainer */
    sem_t work;             /* the writer rests here, without the mutex */

    /* everything below is under this */
    pthread_mutex_t mutex;
    pthread_cond_t room; /* appends that wait for room */
    pthread_cond_t done; /* flushes, their guard, and the end wait here */
    tj_line_queue queue;
    tj_log_gap gap;
    tj_buf entry; /* reserved at the start: saying so allocates nothing */
    tj_log_trouble trouble;
    uint64_t n_entries; /* of our own */
    uint64_t n_lines;
    uint64_t n_written;
    uint64_t n_dropped;
    uint64_t n_bytes;
    unsigned n_room_waiters;
    tj_log_rest rest;
    int64_t busy_since_ns; /* the drainer is with the disk; 0: it is not */
    bool stalled;          /* an append waited in vain: the next do not, until
                            * the disk moves */
    bool urgent;           /* try now, whatever the retry time says */
    bool guard_made;       /* there is a guard to be joined, */
    bool guard_on;         /* and it is at work */
    bool closing;
    bool writer_over;
    bool abandoned; /* the writer hangs, and owns the memory */

    tj_log_waiter *waiters; /* in the order they came */
    /* Since then, plus the time-out, the disk owes an answer to a flush; 0: it
     * owes none. A stop that flushes several times waits once. */
    int64_t patience_until_ns;
    pthread_t guard; /* keeps the waiters' deadlines when the disk hangs */

    pthread_t thread;
    int64_t close_by_ns;
};

/* tj_day_log_new for tests: other calls, other times. */
int tj__day_log_new(const tj_day_log_options *options,
                    const tj_log_sys *sys,
                    const tj_log_tuning *tuning,
                    tj_day_log **ret_log,
                    tj_error *reterr);

/* Release everything. Nobody may know the log any more. */
void tj__day_log_destroy(tj_day_log *log);

/* ---- writer.c: all with the mutex held --------------------------------- */

/* The writer's thread. */
void *tj__log_writer_main(void *argument);

/* DIRECT mode: do what there is to do now, until done or in trouble. */
void tj__log_writer_drain(tj_day_log *log);

/* DIRECT mode, nothing waiting: write a batch from where it is; what fails is
 * queued. */
void tj__log_writer_pass(tj_day_log *log,
                         int64_t wall_ms,
                         const char *lines,
                         size_t size,
                         size_t n_lines);

/* Tell whether what the writer rests for is there now; the caller then posts
 * `work`, once. */
bool tj__log_writer_is_wanted(tj_day_log *log);

/* ---- gap.c: all with the mutex held ------------------------------------ */

/* Count a batch as given up. `reason` NULL: the disk's, whatever it is. */
void tj__log_gap_widen(tj_day_log *log,
                       int64_t wall_ms,
                       uint64_t n_lines,
                       uint64_t size,
                       const char *reason);

/* Put the entry that says what is missing, with the time `wall_ms`, if there
 * is a gap and if it and `size` more bytes fit. False if they do not. */
bool tj__log_gap_close(tj_day_log *log, int64_t wall_ms, size_t size);

/* ---- thread.c ---------------------------------------------------------- */

/* Start a thread that takes no signals. False when there can be none. */
bool tj__log_thread_start(pthread_t *ret_thread,
                          const char *name,
                          size_t stack_size,
                          void *(*run)(void *log),
                          tj_day_log *log);

/* ---- flush.c ----------------------------------------------------------- */

/* The sink's flush in THREAD mode. Without the mutex. */
void tj__log_flush_wait(tj_day_log *log, tj_log_flush_cb cb, void *userdata);

/* With the mutex held: until when the disk may take its time, from now on. */
int64_t tj__log_flush_patience(tj_day_log *log, int64_t now_ns);

/* With the mutex held, released meanwhile: answer the waiters whose place is
 * passed or whose time is, or all. */
void tj__log_flush_answer(tj_day_log *log, int64_t now_ns, bool all);

/* With the mutex held: wait for `done`, until a monotonic time at most. */
void tj__log_done_wait(tj_day_log *log, int64_t until_ns);

/* Without the mutex, nobody waiting any more: end the guard. */
void tj__log_flush_done(tj_day_log *log);

#endif
