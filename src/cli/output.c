/* See output.h. */
#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/cli.h"

/* ---- hostile text ------------------------------------------------------ */

/* The character at `text` and its length in bytes; 0 for malformed UTF-8. */
static size_t utf8_read(const char *text, size_t size, uint32_t *ret_code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *at = (const unsigned char *)text;
    size_t length = at[0] < 0x80   ? 1
                    : at[0] < 0xc2 ? 0
                    : at[0] < 0xe0 ? 2
                    : at[0] < 0xf0 ? 3
                    : at[0] < 0xf5 ? 4
                                   : 0;
    uint32_t code;
    size_t step;

    if (!length || length > size)
        return 0;
    code = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (step = 1; step < length; step++) {
        if ((at[step] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[step] & 0x3fu);
    }
    if (code < least[length] || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000))
        return 0;
    *ret_code = code;
    return length;
}

/* Can it move the cursor, change the terminal, or turn the text around? */
static bool is_steering(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c ||
           code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

void cli_append_safe(tj_buf *buf, const char *text, size_t size)
{
    while (size) {
        uint32_t code = 0;
        size_t length = utf8_read(text, size, &code);

        if (!length)
            tj__buf_printf(buf, "\\x%02x", (unsigned char)*text);
        else if (!is_steering(code))
            tj__buf_append(buf, text, length);
        else if (code < 0x100)
            tj__buf_printf(buf, "\\x%02x", (unsigned)code);
        else
            tj__buf_printf(buf, "\\u{%04x}", (unsigned)code);
        length = length ? length : 1;
        text += length;
        size -= length;
    }
}

void cli_append_json(tj_buf *buf, const char *json, size_t size, bool is_tty)
{
    while (size) {
        uint32_t code = 0;
        size_t length = is_tty ? utf8_read(json, size, &code) : 0;

        if (length && code >= 0x7f && is_steering(code)) {
            tj__buf_printf(buf, "\\u%04x", (unsigned)code);
        } else {
            length = length ? length : is_tty ? 1 : size;
            tj__buf_append(buf, json, length);
        }
        json += length;
        size -= length;
    }
}

void cli_error(const char *format, ...)
{
    tj_buf line = TJ_BUF_INIT;
    tj_buf safe = TJ_BUF_INIT;
    va_list arguments;
    char text[1024];

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    cli_append_safe(&safe, text, strlen(text));
    tj__buf_printf(&line, "timed-jobs: %s\n", safe.data ? safe.data : "");
    cli_write_error(&line);
    tj__buf_done(&safe);
}

/* ---- styles ------------------------------------------------------------ */

void cli_append_styled(tj_buf *buf,
                       bool has_color,
                       cli_style style,
                       const char *text)
{
    static const char *const starts[] = {
        [CLI_PLAIN] = "",        [CLI_BOLD] = "\033[1m",
        [CLI_DIM] = "\033[2m",   [CLI_GOOD] = "\033[32m",
        [CLI_WARN] = "\033[33m", [CLI_BAD] = "\033[31m",
        [CLI_MARK] = "\033[36m",
    };
    bool is_styled = has_color && style != CLI_PLAIN;

    if (is_styled)
        tj__buf_append_text(buf, starts[style]);
    cli_append_safe(buf, text, strlen(text));
    if (is_styled)
        tj__buf_append_text(buf, "\033[0m");
}

size_t cli_width(const char *text)
{
    size_t size = strlen(text);
    size_t width = 0;

    while (size) {
        uint32_t code = 0;
        size_t length = utf8_read(text, size, &code);
        int columns;

        if (code == 0x1b) { /* ESC [ ... m */
            length = strcspn(text, "m");
            length += length < size ? 1 : 0;
            columns = 0;
        } else {
            columns = length ? wcwidth((wchar_t)code) : 1;
        }
        width += columns > 0 ? (size_t)columns : columns < 0;
        length = length ? length : 1;
        text += length;
        size -= length;
    }
    return width;
}

/* ---- tables ------------------------------------------------------------ */

void cli_table_add(cli_table *table, const char *text)
{
    tj__buf_append(&table->cells, text, strlen(text) + 1);
    table->n_cells++;
}

static void widths_find(const cli_table *table, size_t widths[CLI_COLUMNS_MAX])
{
    const char *cell = table->cells.data;
    size_t at;

    memset(widths, 0, CLI_COLUMNS_MAX * sizeof(widths[0]));
    for (at = 0; at < table->n_cells; at++) {
        size_t *width = &widths[at % table->n_columns];

        if (cli_width(cell) > *width)
            *width = cli_width(cell);
        cell += strlen(cell) + 1;
    }
}

void cli_table_print(cli_table *table, tj_buf *out)
{
    size_t widths[CLI_COLUMNS_MAX];
    const char *cell = table->cells.data;
    size_t at;

    if (table->cells.failed || !cell) {
        out->failed |= table->cells.failed;
        tj__buf_done(&table->cells);
        return;
    }
    widths_find(table, widths);
    for (at = 0; at < table->n_cells; at++) {
        size_t column = at % table->n_columns;
        bool is_last = column + 1 == table->n_columns;
        int pad = (int)(widths[column] - cli_width(cell));

        if (table->is_right[column])
            tj__buf_printf(out, "%*s%s", pad, "", cell);
        else
            tj__buf_printf(out, "%s%*s", cell, is_last ? 0 : pad, "");
        tj__buf_append_text(out, is_last ? "\n" : "  ");
        cell += strlen(cell) + 1;
    }
    tj__buf_done(&table->cells);
}

/* 0, or why not all of it could be written. */
static int write_all(int fd, const tj_buf *buf)
{
    size_t written = 0;

    while (written < buf->size) {
        ssize_t step = write(fd, buf->data + written, buf->size - written);

        if (step > 0)
            written += (size_t)step;
        else if (step < 0 && errno != EINTR)
            return errno;
    }
    return 0;
}

int cli_write(tj_buf *buf)
{
    int error = buf->failed ? ENOMEM : write_all(STDOUT_FILENO, buf);

    if (error == ENOMEM)
        cli_error("out of memory");
    else if (error && error != EPIPE)
        cli_error("standard output cannot be written");
    tj__buf_done(buf);
    return error ? CLI_FAILED : CLI_OK;
}

void cli_write_error(tj_buf *buf)
{
    /* There is nowhere left to tell that this failed. */
    (void)write_all(STDERR_FILENO, buf);
    tj__buf_done(buf);
}
