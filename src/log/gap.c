/* What had to be given up, and the entry that says so.
 *
 * The entry has the seven base keys of every other line and goes the same way:
 * into the queue, at the place where the lines are missing. It counts as a
 * line taken. */
#include <string.h>

#include "base/error.h"
#include "base/json_write.h"
#include "log/day_log.h"

/* A gap stays open until a quarter of the queue is free again, so that a disk
 * that cannot keep up leaves few long gaps and not an entry each few lines. */
static bool queue_has_recovered(const tj_line_queue *queue)
{
    return queue->used <= queue->capacity / 4 * 3;
}

void tj__log_gap_widen(tj_day_log *log,
                       int64_t wall_ms,
                       uint64_t n_lines,
                       uint64_t size,
                       const char *reason)
{
    tj_log_gap *gap = &log->gap;

    if (gap->n_lines == 0) {
        gap->since_ms = wall_ms;
        if (!reason && log->trouble.present)
            gap->reason = log->trouble.error;
        else
            tj__error_set(&gap->reason, TJ_EBUSY, "log", "%s",
                          reason ? reason
                                 : "the disk does not keep up with the lines");
    }
    gap->until_ms = wall_ms;
    gap->n_lines += n_lines;
    gap->size += size;
    log->n_dropped += n_lines;
}

static void entry_add_time(tj_buf *entry, const char *key, int64_t wall_ms)
{
    char text[TJ_ISO_TIME_SIZE];

    tj__iso_time_print(text, wall_ms);
    tj__buf_printf(entry, ",\"%s\":\"%s\"", key, text);
}

static void entry_print(tj_day_log *log, int64_t wall_ms)
{
    const tj_log_gap *gap = &log->gap;
    tj_buf *entry = &log->entry;

    tj__buf_clear(entry);
    tj__buf_printf(entry,
                   "{\"batch_id\":\"timed-jobs.log-%lld-%llu\","
                   "\"duration_ms\":null,\"error\":",
                   (long long)wall_ms, (unsigned long long)log->n_entries + 1);
    tj__json_write_string(entry, gap->reason.message);
    tj__buf_append_text(entry, ",\"result\":\"dropped\","
                               "\"runner\":\"timed-jobs.log\","
                               "\"stage\":\"log_dropped\"");
    entry_add_time(entry, "ts", wall_ms);
    tj__buf_printf(entry, ",\"count\":%llu,\"bytes\":%llu",
                   (unsigned long long)gap->n_lines,
                   (unsigned long long)gap->size);
    entry_add_time(entry, "since", gap->since_ms);
    entry_add_time(entry, "until", gap->until_ms);
    tj__buf_append_text(entry, "}\n");
}

bool tj__log_gap_close(tj_day_log *log, int64_t wall_ms, size_t size)
{
    if (log->gap.n_lines == 0)
        return tj__line_queue_has_room(&log->queue, size, 1);
    if (!queue_has_recovered(&log->queue))
        return false;
    entry_print(log, wall_ms);
    if (log->entry.failed ||
        !tj__line_queue_has_room(&log->queue, log->entry.size + size, 2))
        return false;

    tj__line_queue_put(&log->queue, tj__iso_day(wall_ms), log->entry.data,
                       log->entry.size, 1);
    log->n_entries++;
    log->n_lines++;
    log->gap = (tj_log_gap){ 0 };
    return true;
}
