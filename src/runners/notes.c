/* See notes.h. */
#include "runners/notes.h"

#include "base/alloc.h"

#include <string.h>

#define STAGE_MALFORMED "malformed_line"
#define STAGE_DROPPED   "lines_dropped"
#define SHOWN_MAX       1024 /* bytes of a malformed line that are shown */

void tj__notes_init(tj_notes *notes, tj_note_cb cb, void *userdata)
{
    *notes = (tj_notes){ 0 };
    notes->cb = cb;
    notes->userdata = userdata;
    notes->line.size_max = TJ_NOTES_LINE_MAX;
}

void tj__notes_done(tj_notes *notes)
{
    tj__buf_done(&notes->line);
    tj__free(notes->result);
    tj_json_free(notes->details);
}

static void note_hand_out(tj_notes *notes, const tj_run_note *note)
{
    if (notes->n_notes >= TJ_NOTES_MAX) {
        notes->n_dropped++;
        return;
    }
    notes->n_notes++;
    notes->cb(note, notes->userdata);
}

/* A text for a JSON string, NUL as C0 80, cut at SHOWN_MAX. */
static tj_json *shown_text(const char *bytes, size_t size)
{
    char text[2 * SHOWN_MAX + 1];
    size_t used = 0;

    if (size > SHOWN_MAX)
        size = SHOWN_MAX;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0') {
            text[used++] = (char)0xc0;
            text[used++] = (char)0x80;
        } else {
            text[used++] = bytes[i];
        }
    }
    text[used] = '\0';
    return tj_json_new_string(text);
}

static void line_malformed(tj_notes *notes, const char *why)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;
    tj_json *details = tj_json_new_object();

    if (details &&
        tj_json_set_take(details, "text",
                         shown_text(notes->line.data, notes->line.size)) == 0)
        note.details = details;
    note.stage = STAGE_MALFORMED;
    note.error = why;
    note_hand_out(notes, &note);
    tj_json_free(details);
}

/* Absent, null or a text. */
static bool is_text_or_null(const tj_json *value)
{
    tj_json_type type = tj_json_type_of(value);

    return type == TJ_JSON_NULL || type == TJ_JSON_STRING;
}

static bool is_object_or_null(const tj_json *value)
{
    tj_json_type type = tj_json_type_of(value);

    return type == TJ_JSON_NULL || type == TJ_JSON_OBJECT;
}

static const tj_json *object_or_nothing(const tj_json *value)
{
    return tj_json_type_of(value) == TJ_JSON_OBJECT ? value : NULL;
}

static void take_note(tj_notes *notes, const tj_json *line)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;

    note.stage = tj_json_string_or(tj_json_get(line, "stage"), "");
    note.result = tj_json_string_or(tj_json_get(line, "result"), NULL);
    note.error = tj_json_string_or(tj_json_get(line, "error"), NULL);
    note.duration_ms =
        tj_json_number_or(tj_json_get(line, "duration_ms"), note.duration_ms);
    note.details = object_or_nothing(tj_json_get(line, "details"));
    note_hand_out(notes, &note);
}

static void take_result(tj_notes *notes, const tj_json *line)
{
    const char *result = tj_json_string_or(tj_json_get(line, "result"), NULL);

    tj__free(notes->result);
    tj_json_free(notes->details);
    /* Out of memory leaves a result without words, which is no failure. */
    notes->result = tj__strdup(result);
    notes->details =
        tj_json_copy(object_or_nothing(tj_json_get(line, "details")));
}

static const char *take_value(tj_notes *notes, const tj_json *line)
{
    if (tj_json_type_of(line) != TJ_JSON_OBJECT)
        return "not an object";
    if (!is_object_or_null(tj_json_get(line, "details")))
        return "details is not an object";
    if (!is_text_or_null(tj_json_get(line, "result")))
        return "result is not a text";
    if (!is_text_or_null(tj_json_get(line, "error")))
        return "error is not a text";
    if (tj_json_type_of(tj_json_get(line, "stage")) == TJ_JSON_STRING)
        take_note(notes, line);
    else if (tj_json_get(line, "stage"))
        return "stage is not a text";
    else if (tj_json_get(line, "result"))
        take_result(notes, line);
    else
        return "neither stage nor result";
    return NULL;
}

static bool line_is_blank(const tj_buf *line)
{
    for (size_t i = 0; i < line->size; i++) {
        if (!strchr(" \t\r", line->data[i]) || line->data[i] == '\0')
            return false;
    }
    return true;
}

static void line_end(tj_notes *notes)
{
    tj_error error = TJ_ERROR_INIT;
    tj_json *value = NULL;
    const char *why;

    if (!notes->skipping && !line_is_blank(&notes->line)) {
        if (tj_json_parse(notes->line.data, notes->line.size, &value, &error) ==
            0)
            why = take_value(notes, value);
        else
            why = error.message;
        if (why)
            line_malformed(notes, why);
        tj_json_free(value);
    }
    notes->skipping = false;
    tj__buf_clear(&notes->line);
}

static void line_add(tj_notes *notes, const char *bytes, size_t size)
{
    if (notes->skipping || size == 0)
        return;
    tj__buf_append(&notes->line, bytes, size);
    if (!notes->line.failed)
        return;
    line_malformed(notes, "the line is too long");
    notes->skipping = true;
}

void tj__notes_feed(tj_notes *notes, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t part = end ? (size_t)(end - bytes) : size;
        size_t taken = part + (end ? 1 : 0);

        if (notes->total + taken > TJ_NOTES_TOTAL_MAX) {
            /* Too much is as good as no end: count lines, keep nothing. */
            notes->skipping = true;
            notes->n_dropped += end ? 1 : 0;
            tj__buf_clear(&notes->line);
        } else {
            line_add(notes, bytes, part);
            if (end)
                line_end(notes);
        }
        notes->total += taken;
        bytes += taken;
        size -= taken;
    }
}

void tj__notes_end(tj_notes *notes)
{
    tj_run_note note = TJ_RUN_NOTE_INIT;
    tj_json *details;

    if (notes->line.size > 0)
        line_end(notes);
    if (notes->n_dropped == 0)
        return;
    details = tj_json_new_object();
    if (details &&
        tj_json_set_int(details, "count", (int64_t)notes->n_dropped) == 0)
        note.details = details;
    note.stage = STAGE_DROPPED;
    note.error = "more than a run may write";
    notes->cb(&note, notes->userdata);
    tj_json_free(details);
}
