/* Printing for people: colours, columns, times, and text that may be hostile.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#include <timedjobs/export.h>
#include <timedjobs/json.h>

typedef enum cli_style {
    CLI_PLAIN,
    CLI_BOLD,
    CLI_DIM,
    CLI_GOOD, /* green */
    CLI_WARN, /* yellow */
    CLI_BAD,  /* red */
    CLI_MARK  /* cyan */
} cli_style;

/* "timed-jobs: ...", one line on standard error. What comes from elsewhere is
 * made harmless. */
void cli_error(const char *format, ...) TJ_PRINTF(1, 2);

/* Append text with everything that could steer a terminal made visible:
 * control characters, C1 controls, direction overrides and malformed UTF-8
 * become \xNN or \u{NNNN}. */
void cli_append_safe(tj_buf *buf, const char *text, size_t size);

/* Append in a style, safely; plain when not `has_color`. */
void cli_append_styled(tj_buf *buf,
                       bool has_color,
                       cli_style style,
                       const char *text);

/* Append JSON as it is; for a terminal, DEL, C1 controls and direction
 * overrides are escaped, which leaves it the same JSON. */
void cli_append_json(tj_buf *buf, const char *json, size_t size, bool is_tty);

/* How many columns text takes on a terminal; escapes of styles take none. */
size_t cli_width(const char *text);

/* "120 ms", "1.2 s", "42 s", "3 m 20 s", "2 h 5 m", "3 d 4 h". */
void cli_append_duration(tj_buf *buf, int64_t duration_ms);
/* "3 s ago", "in 5 s", "now". */
void cli_append_relative(tj_buf *buf, int64_t then_ms, int64_t now_ms);
/* "2026-04-01 10:00:00", local time. */
void cli_append_local_time(tj_buf *buf, int64_t wall_ms);

int64_t cli_now_ms(void);

/* Read "18:00" (the next one), "2026-04-01 08:00[:00]" in local time, or what
 * tj__iso_time_parse reads. */
bool cli_parse_time(const char *text, int64_t now_ms, int64_t *ret_wall_ms);

/* ---- tables ------------------------------------------------------------ */

#define CLI_COLUMNS_MAX 8

/* Rows of cells; columns are as wide as their widest cell. Zeroed is ready. */
typedef struct cli_table {
    tj_buf cells; /* each ended by a NUL, row after row */
    size_t n_cells;
    size_t n_columns;
    bool is_right[CLI_COLUMNS_MAX]; /* numbers stand on the right */
} cli_table;

/* Add the next cell; a row ends by itself after n_columns. */
void cli_table_add(cli_table *table, const char *text);
/* Append all rows, and free what the table held. */
void cli_table_print(cli_table *table, tj_buf *out);

/* Write all to standard output. Exit status: CLI_OK, or CLI_FAILED when it
 * cannot be written (a closed pipe is no failure worth words). */
int cli_write(tj_buf *buf);
/* The same to standard error, as far as it goes. */
void cli_write_error(tj_buf *buf);

#endif
