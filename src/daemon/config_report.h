/* Inside of a report: the files' text, and the excerpts made of it. */
#ifndef DAEMON_CONFIG_REPORT_H
#define DAEMON_CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"

struct config_source {
    char *name; /* as messages have it */
    char *text; /* NULL until it was read, and when it is no text */
    size_t size;
};

/* Make a file known; its number (from 1) is for marks. 0 when out of memory.
 * The name is copied. */
uint32_t config_report_add_file(struct config_report *report, const char *name);

/* Hand the file's text over, a tj__malloc'ed block. */
void config_report_take_text(struct config_report *report,
                             uint32_t file,
                             char *text,
                             size_t size);

/* Forget the text: nothing of it can be shown. */
void config_report_drop_text(struct config_report *report, uint32_t file);

const struct config_source *
config_report_source(const struct config_report *report, uint32_t file);

/* Line number `line` (from 1) of a text without its end; "" past the end.
 * Lines end with CR LF, LF or CR, as libyaml counts them. */
struct config_line {
    const char *text;
    size_t size;
};
struct config_line
config_text_line(const char *text, size_t size, uint32_t line);

/* The character at a column (from 1), its bytes in the line; NULL past the
 * line's end. */
const char *config_line_at(struct config_line line, uint32_t column);

/* A line as a terminal can show it, and where its mark is. */
struct config_excerpt {
    char *text;      /* tj__malloc'ed; tabs expanded, cut to a window */
    uint32_t indent; /* cells before the mark */
    uint32_t width;  /* cells to underline, at least 1 */
};

/* False when out of memory. */
bool config_excerpt_make(struct config_line line,
                         uint32_t column,
                         uint32_t width,
                         struct config_excerpt *ret_excerpt);

struct config_finding {
    enum config_severity severity;
    struct config_mark mark;
    char *message;
    char *hint; /* may be NULL */
    struct config_excerpt excerpt;
    size_t number; /* in the order of discovery */
};

struct config_report {
    struct config_source *sources;
    size_t n_sources;
    struct config_finding *findings;
    size_t n_findings;
    size_t capacity;
    size_t n_of[2]; /* by severity, also those that were not kept */
    bool is_sorted;
    bool out_of_memory; /* something could not be kept */
};

/* Bring the findings into the order of files and lines. */
void config_report_sort(struct config_report *report);

#endif
