/* See tick_log.h. */
#include "engine/tick_log.h"

#include <math.h>

#include "base/alloc.h"
#include "base/json_write.h"
#include "base/text.h"

/* Reserved from the start: room for a line of pieces or a short one behind
 * what has not been handed over. */
#define LINES_SIZE ((size_t)64 * 1024)
/* Collected lines are handed over when there are that many bytes of them. */
#define HAND_OVER_SIZE ((size_t)32 * 1024)
/* The longest line; what is longer loses its details. */
#define LINE_SIZE_MAX ((size_t)1024 * 1024)
/* What runner_started says of a pass, at its longest: every byte of both texts
 * an escape, five numbers, the keys, the trigger. */
#define PASS_TAIL_SIZE ((size_t)2 * 6 * TJ_GATE_TEXT_MAX + 512)
_Static_assert(HAND_OVER_SIZE + PASS_TAIL_SIZE + 8192 < LINES_SIZE,
               "a line of pieces must fit");
_Static_assert(HAND_OVER_SIZE + TJ_LOG_LINE_SHORT_MAX < LINES_SIZE,
               "a short line must fit");

/* A line that is made of pieces:
 * {"batch_id":"…","duration_ms":   head
 * null                             duration
 * ,"error":null,"result":"ok"      result
 * ,"runner":"…","stage":           name
 * "runner_completed","ts":"        stage
 * 2026-04-01T08:00:00.000Z         ts
 * ","trigger":"manual"}\n          tail, from the closing quote on */
typedef struct line {
    tj_piece head;
    int64_t duration_ms; /* below 0: null */
    tj_piece result;
    tj_piece name;
    tj_piece stage;
    tj_piece tail;
} line;

TJ_PIECE_LITERAL(duration_none, "null");
TJ_PIECE_LITERAL(result_ok, ",\"error\":null,\"result\":\"ok\"");
TJ_PIECE_LITERAL(result_running, ",\"error\":null,\"result\":\"running\"");
TJ_PIECE_LITERAL(result_scheduled, ",\"error\":null,\"result\":\"scheduled\"");
TJ_PIECE_LITERAL(result_with_failures,
                 ",\"error\":null,\"result\":\"completed_with_failures\"");
TJ_PIECE_LITERAL(stage_run_started, "\"runner_started\",\"ts\":\"");
TJ_PIECE_LITERAL(stage_run_completed, "\"runner_completed\",\"ts\":\"");
TJ_PIECE_LITERAL(stage_tick_started, "\"tick_started\",\"ts\":\"");
TJ_PIECE_LITERAL(stage_tick_completed, "\"tick_completed\",\"ts\":\"");
TJ_PIECE_LITERAL(tail_none, "\"}\n");

/* Where the members behind the base keys are put together. */
typedef struct tail_text {
    size_t size;
    char text[384];
} tail_text;

static void tail_begin(tail_text *tail)
{
    tail->text[0] = '"';
    tail->size = 1;
}

static void tail_add(tail_text *tail, const char *text, size_t size)
{
    memcpy(tail->text + tail->size, text, size);
    tail->size += size;
}

#define TAIL_ADD(tail, literal) tail_add(tail, literal, sizeof(literal) - 1)

static void tail_add_number(tail_text *tail, uint64_t number)
{
    tail->size += tj__text_format_u64(tail->text + tail->size, number);
}

static void tail_end(tail_text *tail, tj_trigger trigger)
{
    if (trigger == TJ_TRIGGER_INTERVAL)
        TAIL_ADD(tail, ",\"trigger\":\"interval\"}\n");
    else
        TAIL_ADD(tail, ",\"trigger\":\"manual\"}\n");
}

static tj_piece tail_piece(const tail_text *tail)
{
    return (tj_piece){ tail->text, tail->size };
}

/* The members alone, for tj_log_entry.tail. */
static tj_piece tail_members(tj_piece tail)
{
    return (tj_piece){ tail.text + 1, tail.size - 3 };
}

bool tj__tick_log_init(tj_tick_log *log, tj_log_sink *sink, const char *job)
{
    tj_buf name = TJ_BUF_INIT;
    bool ok;

    memset(log, 0, sizeof(*log));
    log->sink = sink;
    if (!sink)
        return true;

    tj__buf_printf(&name, "%s.framework", job);
    if (!name.failed)
        tj__log_line_name(&log->framework, name.data, name.size);
    ok = !name.failed && tj__buf_reserve(&log->framework, TJ_PIECE_BLOCK) &&
         tj__buf_reserve(&log->pass_tail, PASS_TAIL_SIZE) &&
         tj__buf_reserve(&log->lines, LINES_SIZE - 1);
    log->lines.size_max = LINES_SIZE + LINE_SIZE_MAX;
    tj__buf_done(&name);
    return ok;
}

void tj__tick_log_done(tj_tick_log *log)
{
    tj__buf_done(&log->lines);
    tj__buf_done(&log->framework);
    tj__buf_done(&log->pass_tail);
}

/* Give back what a very long line took. */
static void lines_shrink(tj_buf *lines)
{
    char *data;

    if (lines->capacity <= 4 * LINES_SIZE)
        return;
    data = tj__realloc(lines->data, LINES_SIZE);
    if (data) {
        lines->data = data;
        lines->capacity = LINES_SIZE;
    }
}

void tj__tick_log_hand_over(tj_tick_log *log)
{
    if (!log->n_lines)
        return;
    log->sink->ops->append(log->sink, log->wall_ms, log->lines.data,
                           log->lines.size, log->n_lines);
    log->n_lines = 0;
    log->lines.size = 0;
    lines_shrink(&log->lines);
}

void tj__tick_log_set_time_slow(tj_tick_log *log, int64_t wall_ms)
{
    int64_t day = tj__iso_day(wall_ms);
    const char *text;

    if (day != log->day)
        tj__tick_log_hand_over(log);
    log->day = day;
    log->wall_ms = wall_ms;
    text = tj__iso_clock_print(&log->clock, wall_ms, &log->ts_size);
    memcpy(log->ts, text, log->ts_size);
}

void tj__tick_log_set_batch(tj_tick_log *log, const tj_batch_id *batch)
{
    if (log->sink)
        tj__log_head_set(&log->head, batch->text, batch->size);
}

static void pass_tail_end(tj_tick_log *log, tj_trigger trigger)
{
    tail_text end = { 0 };

    tail_end(&end, trigger);
    log->pass_tail.size = log->pass_size;
    tj__buf_append(&log->pass_tail, end.text, end.size);
    log->pass_for = trigger;
}

void tj__tick_log_set_pass(tj_tick_log *log,
                           const tj_gate_pass *pass,
                           const tj_tick_config *config)
{
    tj_buf *tail = &log->pass_tail;

    if (!log->sink)
        return;
    tj__buf_clear(tail);
    tj__buf_append_text(tail, "\",\"controller_id\":");
    tj__json_write_string(tail, pass->controller_id);
    tj__buf_append_text(tail, ",\"host\":");
    tj__json_write_string(tail, pass->host);
    tj__buf_append_text(tail, ",\"max_messages_per_tick\":");
    tj__buf_append_int(tail, config->max_messages_per_tick);
    tj__buf_append_text(tail, ",\"max_tasks_per_tick\":");
    tj__buf_append_int(tail, config->max_tasks_per_tick);
    tj__buf_append_text(tail, ",\"settle_delay_ms\":");
    tj__buf_append_int(tail, config->settle_delay_ms);
    tj__buf_append_text(tail, ",\"term\":");
    tj__buf_append_int(tail, pass->term);
    log->pass_size = tail->size;
    pass_tail_end(log, TJ_TRIGGER_INTERVAL);
}

static tj_piece ts_piece(const tj_tick_log *log)
{
    return (tj_piece){ log->ts, log->ts_size };
}

static tj_piece framework_piece(const tj_tick_log *log)
{
    return (tj_piece){ log->framework.data, log->framework.size };
}

/* A line is complete: count it, and hand over when it is time. */
static void line_done(tj_tick_log *log)
{
    log->n_written++;
    log->n_lines++;
    if (log->lines.size >= HAND_OVER_SIZE)
        tj__tick_log_hand_over(log);
}

/* Print an entry whole, or else short. */
static void entry_put(tj_tick_log *log, const tj_log_entry *entry)
{
    if (!tj__log_line_print(&log->lines, entry)) {
        tj__tick_log_hand_over(log);
        tj__log_line_print_short(&log->lines, entry);
        log->n_lost++;
    }
    line_done(log);
}

/* A line of pieces always fits behind HAND_OVER_SIZE bytes of others: its
 * longest is a runner's name and a pass, both of which are limited. */
static void line_put(tj_tick_log *log, const line *parts)
{
    char *at = log->lines.data + log->lines.size;

    at = tj__piece_put(at, parts->head);
    if (parts->duration_ms < 0) {
        at = tj__piece_put(at, duration_none);
    } else if (parts->duration_ms < 10) {
        *at++ = (char)('0' + parts->duration_ms);
    } else {
        at += tj__text_format_i64(at, parts->duration_ms);
    }
    at = tj__piece_put(at, parts->result);
    at = tj__piece_put(at, parts->name);
    at = tj__piece_put(at, parts->stage);
    at = tj__piece_put(at, ts_piece(log));
    at = tj__piece_put(at, parts->tail);
    log->lines.size = (size_t)(at - log->lines.data);
    line_done(log);
}

void tj__tick_log_life(tj_tick_log *log,
                       const tj_batch_id *batch,
                       tj_log_life what)
{
    static const char *const results[] = { "loop_enabled", "loop_disabled",
                                           "stopped" };
    tj_log_head head;
    tj_log_entry entry;

    if (!log->sink)
        return;
    tj__log_head_set(&head, batch->text, batch->size);
    entry = (tj_log_entry){
        .head = tj__log_head_piece(&head),
        .name = framework_piece(log),
        .ts = ts_piece(log),
        .duration_ms = (double)NAN,
        .result = results[what],
        .stage = what == TJ_LOG_STOPPED ? "stopped" : "started",
    };
    entry_put(log, &entry);
}

void tj__tick_log_skipped(tj_tick_log *log,
                          const tj_batch_id *batch,
                          tj_decision decision,
                          tj_trigger trigger,
                          uint64_t n_missed)
{
    tail_text tail;
    tj_log_head head;
    tj_log_entry entry;

    if (!log->sink)
        return;
    tj__log_head_set(&head, batch->text, batch->size);
    tail_begin(&tail);
    if (n_missed) {
        TAIL_ADD(&tail, ",\"missed_count\":");
        tail_add_number(&tail, n_missed);
    }
    tail_end(&tail, trigger);
    entry = (tj_log_entry){
        .head = tj__log_head_piece(&head),
        .name = framework_piece(log),
        .ts = ts_piece(log),
        .duration_ms = (double)NAN,
        .result = tj_decision_to_string(decision),
        .stage = decision == TJ_DECISION_SKIPPED_BUSY
                     ? "tick_skipped_busy"
                     : "tick_skipped_no_runners",
        .tail = tail_members(tail_piece(&tail)),
    };
    entry_put(log, &entry);
}

void tj__tick_log_started(tj_tick_log *log,
                          uint32_t n_runners,
                          tj_trigger trigger,
                          uint64_t n_missed)
{
    tail_text tail;

    if (!log->sink)
        return;
    tail_begin(&tail);
    if (n_missed) {
        TAIL_ADD(&tail, ",\"missed_count\":");
        tail_add_number(&tail, n_missed);
    }
    TAIL_ADD(&tail, ",\"runner_count\":");
    tail_add_number(&tail, n_runners);
    tail_end(&tail, trigger);
    line_put(log, &(line){ .head = tj__log_head_piece(&log->head),
                           .duration_ms = -1,
                           .result = result_running,
                           .name = framework_piece(log),
                           .stage = stage_tick_started,
                           .tail = tail_piece(&tail) });
}

void tj__tick_log_run_started(tj_tick_log *log,
                              tj_piece name,
                              tj_trigger trigger)
{
    if (!log->sink)
        return;
    if (log->pass_for != trigger)
        pass_tail_end(log, trigger);
    line_put(log,
             &(line){ .head = tj__log_head_piece(&log->head),
                      .duration_ms = -1,
                      .result = result_running,
                      .name = name,
                      .stage = stage_run_started,
                      .tail = { log->pass_tail.data, log->pass_tail.size } });
}

/* An entry of a runner in the tick in flight. */
static tj_log_entry
run_entry(const tj_tick_log *log, tj_piece name, const char *stage)
{
    return (tj_log_entry){
        .head = tj__log_head_piece(&log->head),
        .name = name,
        .ts = ts_piece(log),
        .duration_ms = (double)NAN,
        .stage = stage,
    };
}

void tj__tick_log_run_completed(tj_tick_log *log,
                                tj_piece name,
                                int64_t duration_ms,
                                const char *result,
                                const tj_json *details)
{
    tj_log_entry entry;

    if (!log->sink)
        return;
    if (!result && !details) {
        line_put(log, &(line){ .head = tj__log_head_piece(&log->head),
                               .duration_ms = duration_ms,
                               .result = result_ok,
                               .name = name,
                               .stage = stage_run_completed,
                               .tail = tail_none });
        return;
    }
    entry = run_entry(log, name, "runner_completed");
    entry.duration_ms = (double)duration_ms;
    entry.result = result ? result : "ok";
    entry.details = details;
    entry_put(log, &entry);
}

void tj__tick_log_run_failed(tj_tick_log *log,
                             tj_piece name,
                             int64_t duration_ms,
                             const char *error,
                             const tj_json *details)
{
    tj_log_entry entry;

    if (!log->sink)
        return;
    entry = run_entry(log, name, "runner_failed");
    entry.duration_ms = (double)duration_ms;
    entry.error = error;
    entry.result = "failed";
    entry.details = details;
    entry_put(log, &entry);
}

void tj__tick_log_run_skipped(tj_tick_log *log,
                              tj_piece name,
                              const char *result,
                              tj_trigger trigger)
{
    tail_text tail;
    tj_log_entry entry;

    if (!log->sink)
        return;
    tail_begin(&tail);
    tail_end(&tail, trigger);
    entry = run_entry(log, name, "runner_skipped");
    entry.duration_ms = 0;
    entry.result = result;
    entry.tail = tail_members(tail_piece(&tail));
    entry_put(log, &entry);
}

void tj__tick_log_note(tj_tick_log *log, tj_piece name, const tj_run_note *note)
{
    tj_log_entry entry;

    if (!log->sink)
        return;
    entry = run_entry(log, name, note->stage);
    entry.duration_ms = note->duration_ms;
    entry.error = note->error;
    entry.result = note->result;
    entry.details = note->details;
    entry_put(log, &entry);
}

/* Which counts an end is told with. The reference's own ends keep to the
 * reference's keys; a tick that was cut short says what became of each
 * runner. */
static void
end_tail(tail_text *tail, const tj_tick *tick, const tj_tick_log_end *end)
{
    bool whole = tick->end == TJ_TICK_END_RAN;
    bool cut_short = tick->end >= TJ_TICK_END_LOST_LEADER;

    tail_begin(tail);
    if (end->n_busy_skips > 1) {
        TAIL_ADD(tail, ",\"busy_skip_count\":");
        tail_add_number(tail, end->n_busy_skips);
    }
    if (whole || cut_short) {
        TAIL_ADD(tail, ",\"failed_runner_count\":");
        tail_add_number(tail, tick->n_failed);
    }
    TAIL_ADD(tail, ",\"runner_count\":");
    tail_add_number(tail, tick->n_runners);
    if (cut_short) {
        TAIL_ADD(tail, ",\"skipped_runner_count\":");
        tail_add_number(tail, tick->n_runners - tick->n_ran);
    }
    if (whole || cut_short) {
        TAIL_ADD(tail, ",\"successful_runner_count\":");
        tail_add_number(tail, tick->n_ran - tick->n_failed);
    }
    tail_end(tail, end->trigger);
}

void tj__tick_log_ended(tj_tick_log *log,
                        const tj_tick *tick,
                        const tj_tick_log_end *end)
{
    tj_decision decision = tj__tick_decision(tick->end);
    bool failed = decision == TJ_DECISION_FAILED;
    tail_text tail;
    tj_log_entry entry;

    if (!log->sink)
        return;
    end_tail(&tail, tick, end);
    if (tick->end == TJ_TICK_END_RAN) {
        line_put(log, &(line){ .head = tj__log_head_piece(&log->head),
                               .duration_ms = end->duration_ms,
                               .result = tick->n_failed ? result_with_failures
                                                        : result_scheduled,
                               .name = framework_piece(log),
                               .stage = stage_tick_completed,
                               .tail = tail_piece(&tail) });
        return;
    }
    entry = (tj_log_entry){
        .head = tj__log_head_piece(&log->head),
        .name = framework_piece(log),
        .ts = ts_piece(log),
        .duration_ms = (double)end->duration_ms,
        .error = failed ? end->error : NULL,
        .result = tj_decision_to_string(decision),
        .stage = failed ? "tick_failed" : "tick_completed",
        .tail = tail_members(tail_piece(&tail)),
    };
    entry_put(log, &entry);
}
