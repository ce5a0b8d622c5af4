/* See narrator.h. */
#include "daemon/narrator.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/iso_time.h"
#include "base/json_write.h"

/* One write of at most this size never blocks once poll said it would not
 * (pipe(7): a pipe that polls as writable has room for PIPE_BUF bytes). */
enum { WRITE_MAX = 4096 };

static const char *const level_colors[] = {
    [NARRATOR_INFO] = "\033[36m",
    [NARRATOR_GOOD] = "\033[32m",
    [NARRATOR_WARNING] = "\033[33m",
    [NARRATOR_ERROR] = "\033[31m",
};

static const char *const level_marks[] = {
    [NARRATOR_INFO] = "·",
    [NARRATOR_GOOD] = "✓",
    [NARRATOR_WARNING] = "!",
    [NARRATOR_ERROR] = "✗",
};

static const char *const level_names[] = {
    [NARRATOR_INFO] = "info",
    [NARRATOR_GOOD] = "info",
    [NARRATOR_WARNING] = "warning",
    [NARRATOR_ERROR] = "error",
};

void narrator_init(struct narrator *narrator,
                   int fd,
                   enum narrator_mode mode,
                   bool color,
                   bool quiet)
{
    memset(narrator, 0, sizeof(*narrator));
    narrator->fd = fd;
    narrator->mode = mode;
    narrator->color = color;
    narrator->quiet = quiet;
    narrator->job_width = 10;
}

void narrator_done(struct narrator *narrator)
{
    tj__buf_done(&narrator->line);
}

static bool narrator_has_room(const struct narrator *narrator)
{
    struct pollfd descriptor = { narrator->fd, POLLOUT, 0 };

    return poll(&descriptor, 1, 0) == 1 && (descriptor.revents & POLLOUT);
}

static bool
narrator_write(struct narrator *narrator, const char *text, size_t size)
{
    while (size) {
        size_t step = size < WRITE_MAX ? size : WRITE_MAX;
        ssize_t written;

        if (!narrator_has_room(narrator))
            return false;
        written = write(narrator->fd, text, step);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            narrator->closed = errno == EPIPE || errno == EBADF || errno == EIO;
            return false;
        }
        text += written;
        size -= (size_t)written;
    }
    return true;
}

static void narrator_emit_lost(struct narrator *narrator)
{
    char text[128];
    int size;

    if (!narrator->n_lost)
        return;
    size = snprintf(text, sizeof(text),
                    narrator->mode == NARRATOR_JSON
                        ? "{\"event\":\"lines_lost\",\"count\":%llu}\n"
                        : "         ! %llu lines were not shown: the reader "
                          "was too slow\n",
                    (unsigned long long)narrator->n_lost);
    if (narrator_write(narrator, text, (size_t)size))
        narrator->n_lost = 0;
}

/* Write out the line that was built, or count it as lost. */
static void narrator_emit(struct narrator *narrator)
{
    tj__buf_append_char(&narrator->line, '\n');
    if (!narrator->closed) {
        narrator_emit_lost(narrator);
        if (narrator->line.failed ||
            !narrator_write(narrator, narrator->line.data, narrator->line.size))
            narrator->n_lost++;
    }
    tj__buf_clear(&narrator->line);
}

/* Append text so that it cannot drive the terminal: control characters, also
 * the C1 set, show as '?'. */
static void append_plain(tj_buf *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    for (; *at; at++) {
        bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;

        if (*at < 0x20 || *at == 0x7f || c1)
            tj__buf_append_char(line, '?');
        else
            tj__buf_append_char(line, (char)*at);
        at += c1 ? 1 : 0;
    }
}

static void append_color(struct narrator *narrator, const char *code)
{
    if (narrator->color)
        tj__buf_append_text(&narrator->line, code);
}

static void human_begin(struct narrator *narrator, enum narrator_level level)
{
    time_t now = time(NULL);
    struct tm local;
    char clock[16];

    /* The one place where local time is wanted: a person reads it. */
    localtime_r(&now, &local);
    (void)strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    append_color(narrator, "\033[2m");
    tj__buf_append_text(&narrator->line, clock);
    append_color(narrator, "\033[0m");
    tj__buf_append_char(&narrator->line, ' ');
    append_color(narrator, level_colors[level]);
    tj__buf_append_text(&narrator->line, level_marks[level]);
    append_color(narrator, "\033[0m");
    tj__buf_append_char(&narrator->line, ' ');
}

static void
json_begin(struct narrator *narrator, const char *event, const char *level)
{
    char now[TJ_ISO_TIME_SIZE];

    tj__iso_time_print(now, tj_clock_system().now(NULL).wall_ms);
    tj__buf_append_text(&narrator->line, "{\"ts\":");
    tj__json_write_string(&narrator->line, now);
    tj__buf_append_text(&narrator->line, ",\"event\":");
    tj__json_write_string(&narrator->line, event);
    tj__buf_append_text(&narrator->line, ",\"level\":");
    tj__json_write_string(&narrator->line, level);
}

static void json_members(struct narrator *narrator, const tj_json *details)
{
    size_t at;

    for (at = 0; at < tj_json_size(details); at++) {
        tj__buf_append_char(&narrator->line, ',');
        tj__json_write_string(&narrator->line, tj_json_key_at(details, at));
        tj__buf_append_char(&narrator->line, ':');
        tj__json_write_value(&narrator->line, tj_json_at(details, at));
    }
}

void narrator_say(struct narrator *narrator,
                  enum narrator_level level,
                  const char *event,
                  tj_json *details_take,
                  const char *format,
                  ...)
{
    char sentence[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);

    if (narrator->quiet && level < NARRATOR_WARNING) {
        tj_json_free(details_take);
        return;
    }
    if (narrator->mode == NARRATOR_HUMAN) {
        human_begin(narrator, level);
        append_plain(&narrator->line, sentence);
    } else {
        json_begin(narrator, event, level_names[level]);
        tj__buf_append_text(&narrator->line, ",\"message\":");
        tj__json_write_string(&narrator->line, sentence);
        json_members(narrator, details_take);
        tj__buf_append_char(&narrator->line, '}');
    }
    narrator_emit(narrator);
    tj_json_free(details_take);
}

static enum narrator_level tick_level(const tj_tick_report *report)
{
    switch (report->result->decision) {
    case TJ_DECISION_SCHEDULED:
        return report->n_failed ? NARRATOR_ERROR : NARRATOR_GOOD;
    case TJ_DECISION_FAILED:
        return NARRATOR_ERROR;
    case TJ_DECISION_SKIPPED_BUSY:
    case TJ_DECISION_SKIPPED_NO_RUNNERS:
    case TJ_DECISION_SKIPPED_NOT_LEADER:
    case TJ_DECISION_SKIPPED_SYSTEM_PAUSED:
        break;
    }
    return NARRATOR_INFO;
}

static void tick_human(struct narrator *narrator,
                       const char *job,
                       const tj_tick_report *report,
                       const char *trouble)
{
    tj_buf *line = &narrator->line;

    human_begin(narrator, tick_level(report));
    tj__buf_printf(line, "%-*s ", (int)narrator->job_width, job);
    if (report->result->decision == TJ_DECISION_SCHEDULED)
        tj__buf_printf(line, "%u of %u ran well in %lld ms", report->n_ok,
                       report->result->runner_count,
                       (long long)report->duration_ms);
    else
        tj__buf_append_text(line,
                            tj_decision_to_string(report->result->decision));
    if (report->term)
        tj__buf_printf(line, "  term %lld", (long long)report->term);
    if (report->trigger == TJ_TRIGGER_MANUAL)
        tj__buf_append_text(line, "  by hand");
    if (report->n_missed)
        tj__buf_printf(line, "  %llu missed",
                       (unsigned long long)report->n_missed);
    if (trouble || report->error) {
        tj__buf_append_text(line, "  ");
        append_color(narrator, level_colors[NARRATOR_ERROR]);
        append_plain(line, trouble ? trouble : report->error);
        append_color(narrator, "\033[0m");
    }
}

static void tick_json(struct narrator *narrator,
                      const char *job,
                      const tj_tick_report *report,
                      const char *trouble)
{
    tj_buf *line = &narrator->line;

    json_begin(narrator, "tick", level_names[tick_level(report)]);
    tj__buf_append_text(line, ",\"job\":");
    tj__json_write_string(line, job);
    tj__buf_append_text(line, ",\"batch_id\":");
    tj__json_write_string(line, report->result->batch_id);
    tj__buf_append_text(line, ",\"trigger\":");
    tj__json_write_string(line, tj_trigger_to_string(report->trigger));
    tj__buf_append_text(line, ",\"decision\":");
    tj__json_write_string(line,
                          tj_decision_to_string(report->result->decision));
    tj__buf_printf(line,
                   ",\"term\":%lld,\"duration_ms\":%lld,\"runner_count\":%u,"
                   "\"ok_count\":%u,\"failed_count\":%u,\"missed_count\":%llu,"
                   "\"error\":",
                   (long long)report->term, (long long)report->duration_ms,
                   report->result->runner_count, report->n_ok, report->n_failed,
                   (unsigned long long)report->n_missed);
    tj__json_write_string(line, trouble ? trouble : report->error);
    tj__buf_append_char(line, '}');
}

void narrator_tick(struct narrator *narrator,
                   const char *job,
                   const tj_tick_report *report,
                   const char *trouble)
{
    if (narrator->closed ||
        (narrator->quiet && tick_level(report) < NARRATOR_WARNING))
        return;
    if (narrator->mode == NARRATOR_HUMAN)
        tick_human(narrator, job, report, trouble);
    else
        tick_json(narrator, job, report, trouble);
    narrator_emit(narrator);
}
