/* See log_line.h. */
#include "base/log_line.h"

#include "base/json_write.h"

void tj__log_head_set(tj_log_head *head, const char *batch_id, size_t size)
{
    static const char before[] = "{\"batch_id\":\"";
    static const char after[] = "\",\"duration_ms\":";
    char *at = head->text;

    if (size > TJ_LOG_BATCH_ID_MAX)
        size = TJ_LOG_BATCH_ID_MAX;
    memcpy(at, before, sizeof(before) - 1);
    at += sizeof(before) - 1;
    memcpy(at, batch_id, size);
    at += size;
    memcpy(at, after, sizeof(after) - 1);
    at += sizeof(after) - 1;
    head->size = (size_t)(at - head->text);
}

void tj__log_line_name(tj_buf *buf, const char *name, size_t size)
{
    tj__buf_append_text(buf, ",\"runner\":");
    tj__json_write_bytes(buf, name, size);
    tj__buf_append_text(buf, ",\"stage\":");
}

static bool is_base_key(const char *key)
{
    static const char *const base_keys[] = { "batch_id", "duration_ms", "error",
                                             "result",   "runner",      "stage",
                                             "ts" };
    size_t index;

    for (index = 0; index < sizeof(base_keys) / sizeof(*base_keys); index++) {
        if (!strcmp(key, base_keys[index]))
            return true;
    }
    return false;
}

/* Print a base key that a runner used, under a name that nothing else in the
 * details has. It is tried out in the buffer itself, so that it may be as long
 * as it has to be. */
static void
write_clashing_key(tj_buf *buf, const tj_json *details, const char *key)
{
    size_t start, prefixes = 1, count;

    tj__buf_append_char(buf, '"');
    start = buf->size;
    for (;; prefixes++) {
        for (count = 0; count < prefixes; count++)
            tj__buf_append_text(buf, "details.");
        tj__buf_append_text(buf, key);
        if (buf->failed || !tj_json_get(details, buf->data + start))
            break;
        buf->size = start;
    }
    tj__buf_append_char(buf, '"');
}

static void write_details(tj_buf *buf, const tj_json *details)
{
    size_t index, count;

    if (tj_json_type_of(details) != TJ_JSON_OBJECT)
        return;
    count = tj_json_size(details);
    for (index = 0; index < count && !buf->failed; index++) {
        const char *key = tj_json_key_at(details, index);

        tj__buf_append_char(buf, ',');
        if (is_base_key(key))
            write_clashing_key(buf, details, key);
        else
            tj__json_write_string(buf, key);
        tj__buf_append_char(buf, ':');
        tj__json_write_value(buf, tj_json_at(details, index));
    }
}

static void write_piece(tj_buf *buf, tj_piece piece)
{
    tj__buf_append(buf, piece.text, piece.size);
}

static const char *null_if_empty(const char *text)
{
    return text && *text ? text : NULL;
}

/* Keep a whole line or none of it. */
static bool line_settle(tj_buf *buf, size_t start)
{
    if (!buf->failed)
        return true;
    buf->failed = false;
    buf->size = start;
    if (buf->data)
        buf->data[start] = '\0';
    return false;
}

bool tj__log_line_print(tj_buf *buf, const tj_log_entry *entry)
{
    size_t start = buf->size;

    write_piece(buf, entry->head);
    tj__json_write_number(buf, entry->duration_ms);
    tj__buf_append_text(buf, ",\"error\":");
    tj__json_write_string(buf, null_if_empty(entry->error));
    tj__buf_append_text(buf, ",\"result\":");
    tj__json_write_string(buf, entry->result);
    write_piece(buf, entry->name);
    tj__json_write_string(buf, entry->stage);
    tj__buf_append_text(buf, ",\"ts\":\"");
    write_piece(buf, entry->ts);
    tj__buf_append_char(buf, '"');
    write_details(buf, entry->details);
    write_piece(buf, entry->tail);
    tj__buf_append_text(buf, "}\n");
    return line_settle(buf, start);
}

/* A cut inside a character leaves bytes that print as U+FFFD. */
static void write_cut(tj_buf *buf, const char *text)
{
    enum { CUT = 256 };

    if (text)
        tj__json_write_bytes(buf, text, strnlen(text, CUT));
    else
        tj__buf_append_text(buf, "null");
}

bool tj__log_line_print_short(tj_buf *buf, const tj_log_entry *entry)
{
    size_t start = buf->size;

    write_piece(buf, entry->head);
    tj__json_write_number(buf, entry->duration_ms);
    tj__buf_append_text(buf, ",\"error\":");
    write_cut(buf, null_if_empty(entry->error));
    tj__buf_append_text(buf, ",\"result\":");
    write_cut(buf, entry->result);
    write_piece(buf, entry->name);
    write_cut(buf, entry->stage);
    tj__buf_append_text(buf, ",\"ts\":\"");
    write_piece(buf, entry->ts);
    tj__buf_append_text(buf,
                        "\",\"log_loss\":\"too long or out of memory\"}\n");
    return line_settle(buf, start);
}
