/* Excerpts: one line of a file as a terminal can show it.
 *
 * A mark counts characters; what is printed below it must count cells: a tab
 * is up to eight, a wide character two, a combining one none. Characters that
 * a terminal would act upon (controls, direction overrides) are replaced, and
 * a long line is cut to a window around its mark. */
#include "daemon/config_report.h"

#include <string.h>

#include "base/text.h"

enum { WINDOW = 100, LEAD = 40, TAB = 8 };

struct config_line
config_text_line(const char *text, size_t size, uint32_t line)
{
    struct config_line found = { text, 0 };
    const char *end = text + size;
    const char *at = text;

    for (; line > 1 && at < end; at++) {
        if (*at == '\n' || (*at == '\r' && (at + 1 == end || at[1] != '\n')))
            line--;
    }
    if (line == 1) {
        found.text = at;
        while (at < end && *at != '\n' && *at != '\r')
            at++;
        found.size = (size_t)(at - found.text);
    }
    return found;
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

const char *config_line_at(struct config_line line, uint32_t column)
{
    const char *end = line.text + line.size;
    const char *at = line.text;

    for (; at < end; at++) {
        if (!is_continuation(*at) && --column == 0)
            return at;
    }
    return NULL;
}

/* Read one character; malformed bytes count as U+FFFD. */
static uint32_t next_character(const char **at, const char *end)
{
    const char *start = *at;
    unsigned char lead = (unsigned char)*(*at)++;
    uint32_t code = lead;

    if (lead < 0x80)
        return code;
    if (lead >= 0xc0)
        code = lead & (lead >= 0xf0 ? 0x07u : lead >= 0xe0 ? 0x0fu : 0x1fu);
    while (*at < end && is_continuation(**at))
        code = code << 6 | ((unsigned char)*(*at)++ & 0x3fu);
    return tj__text_is_printable(start, (size_t)(*at - start)) ? code : 0xfffd;
}

struct range {
    uint32_t first;
    uint32_t last;
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t code)
{
    size_t at;

    for (at = 0; at < count; at++) {
        if (code >= ranges[at].first && code <= ranges[at].last)
            return true;
    }
    return false;
}

/* The blocks that matter in practice, after Unicode's East Asian Width and
 * general categories; a rare miss shifts a caret by one cell. */
static bool is_wide(uint32_t code)
{
    static const struct range wide[] = {
        { 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },
        { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
        { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
        { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
    };

    return in_ranges(wide, sizeof(wide) / sizeof(wide[0]), code);
}

static bool is_combining(uint32_t code)
{
    static const struct range combining[] = {
        { 0x0300, 0x036f }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },
        { 0x200b, 0x200d }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f },
        { 0xfe20, 0xfe2f },
    };

    return in_ranges(combining, sizeof(combining) / sizeof(combining[0]), code);
}

/* What must not reach a terminal. */
static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || code == 0xfeff || (code >= 0x7f && code < 0xa0) ||
           code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

static uint32_t cells_of(uint32_t code, uint32_t cell)
{
    if (code == '\t')
        return TAB - cell % TAB;
    if (is_combining(code))
        return 0;
    return is_wide(code) ? 2 : 1;
}

/* The cells before the column and those of its characters. */
static void measure(struct config_line line,
                    uint32_t column,
                    uint32_t width,
                    uint32_t *ret_start,
                    uint32_t *ret_end,
                    uint32_t *ret_total)
{
    const char *at = line.text;
    const char *end = line.text + line.size;
    uint32_t cell = 0, number = 1;

    *ret_start = UINT32_MAX;
    *ret_end = UINT32_MAX;
    for (; at < end; number++) {
        if (number == column)
            *ret_start = cell;
        if (number == column + width)
            *ret_end = cell;
        cell += cells_of(next_character(&at, end), cell);
    }
    if (*ret_start == UINT32_MAX)
        *ret_start = cell;
    if (*ret_end == UINT32_MAX)
        *ret_end = cell;
    *ret_total = cell;
}

static void put_character(tj_buf *text,
                          const char *start,
                          size_t size,
                          uint32_t code,
                          uint32_t cells)
{
    if (code == '\t')
        tj__buf_append(text, "        ", cells);
    else if (is_unsafe(code) || code == 0xfffd)
        tj__buf_append_text(text, "\xef\xbf\xbd");
    else
        tj__buf_append(text, start, size);
}

bool config_excerpt_make(struct config_line line,
                         uint32_t column,
                         uint32_t width,
                         struct config_excerpt *ret_excerpt)
{
    const char *at = line.text;
    const char *end;
    uint32_t start, stop, total, from = 0, cell = 0;
    tj_buf text = TJ_BUF_INIT;

    while (line.size && (line.text[line.size - 1] == ' ' ||
                         line.text[line.size - 1] == '\t'))
        line.size--;
    end = line.text + line.size;
    measure(line, column, width, &start, &stop, &total);
    if (total > WINDOW && start > WINDOW - LEAD)
        from = start - LEAD;

    if (from)
        tj__buf_append_text(&text, "...");
    while (at < end && cell < from + WINDOW) {
        const char *character = at;
        uint32_t code = next_character(&at, end);
        uint32_t cells = cells_of(code, cell);

        if (cell >= from)
            put_character(&text, character, (size_t)(at - character), code,
                          cells);
        cell += cells;
    }
    if (at < end)
        tj__buf_append_text(&text, "...");

    if (stop > from + WINDOW)
        stop = from + WINDOW;
    ret_excerpt->indent = start - from + (from ? 3 : 0);
    ret_excerpt->width = stop > start ? stop - start : 1;
    ret_excerpt->text = tj__buf_take(&text, NULL);
    return ret_excerpt->text != NULL;
}
