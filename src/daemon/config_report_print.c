/* Reports as text for people and as JSON for programs. */
#include <string.h>

#include "daemon/config_report.h"

struct colours {
    const char *place;
    const char *severity[2];
    const char *caret;
    const char *gutter;
    const char *off;
};

static const struct colours coloured = {
    "\033[1m", { "\033[1;31m", "\033[1;35m" }, "\033[1;32m", "\033[34m",
    "\033[0m",
};

static const struct colours plain = { "", { "", "" }, "", "", "" };

static const char *severity_name(enum config_severity severity)
{
    return severity == CONFIG_ERROR ? "error" : "warning";
}

static void print_excerpt(const struct config_finding *finding,
                          const struct colours *colours,
                          tj_buf *text)
{
    uint32_t at;

    tj__buf_printf(text, "%s%6u |%s", colours->gutter, finding->mark.line,
                   colours->off);
    if (finding->excerpt.text[0])
        tj__buf_printf(text, " %s", finding->excerpt.text);
    tj__buf_printf(text, "\n%s       |%s ", colours->gutter, colours->off);
    for (at = 0; at < finding->excerpt.indent; at++)
        tj__buf_append_char(text, ' ');
    tj__buf_append_text(text, colours->caret);
    tj__buf_append_char(text, '^');
    for (at = 1; at < finding->excerpt.width; at++)
        tj__buf_append_char(text, '~');
    tj__buf_printf(text, "%s\n", colours->off);
}

static void print_finding(const struct config_report *report,
                          const struct config_finding *finding,
                          const struct colours *colours,
                          tj_buf *text)
{
    const struct config_source *source =
        config_report_source(report, finding->mark.file);

    tj__buf_append_text(text, colours->place);
    tj__buf_append_text(text, source ? source->name : "timed-jobs");
    if (finding->mark.line)
        tj__buf_printf(text, ":%u:%u", finding->mark.line,
                       finding->mark.column);
    tj__buf_printf(text, ": %s%s:%s %s\n", colours->severity[finding->severity],
                   severity_name(finding->severity), colours->off,
                   finding->message);
    if (finding->excerpt.text)
        print_excerpt(finding, colours, text);
    if (finding->hint)
        tj__buf_printf(text, "%s       =%s hint: %s\n", colours->gutter,
                       colours->off, finding->hint);
}

static void print_rest(const struct config_report *report,
                       enum config_severity severity,
                       tj_buf *text)
{
    size_t count = report->n_of[severity];

    if (count > CONFIG_ERRORS_MAX) {
        count -= CONFIG_ERRORS_MAX;
        tj__buf_printf(text, "%zu more %s%s not shown\n", count,
                       severity_name(severity), count == 1 ? "" : "s");
    }
}

void config_report_print(struct config_report *report,
                         tj_buf *text,
                         bool colour)
{
    const struct colours *colours = colour ? &coloured : &plain;
    size_t at;

    config_report_sort(report);
    for (at = 0; at < report->n_findings; at++)
        print_finding(report, &report->findings[at], colours, text);
    print_rest(report, CONFIG_ERROR, text);
    print_rest(report, CONFIG_WARNING, text);
    if (report->out_of_memory)
        tj__buf_append_text(text, "timed-jobs: error: out of memory\n");
}

static int
set_position(tj_json *object, const char *key, uint32_t value, bool is_known)
{
    if (!is_known)
        return tj_json_set_null(object, key);
    return tj_json_set_int(object, key, value);
}

static tj_json *finding_to_json(const struct config_diagnostic *finding)
{
    bool has_line = finding->mark.line != 0;
    tj_json *object = tj_json_new_object();

    if (!object)
        return NULL;
    if (tj_json_set_string(object, "severity",
                           severity_name(finding->severity)) ||
        tj_json_set_string(object, "file", finding->file) ||
        set_position(object, "line", finding->mark.line, has_line) ||
        set_position(object, "column", finding->mark.column, has_line) ||
        tj_json_set_string(object, "message", finding->message) ||
        tj_json_set_string(object, "excerpt", finding->excerpt) ||
        tj_json_set_string(object, "hint", finding->hint)) {
        tj_json_free(object);
        return NULL;
    }
    return object;
}

tj_json *config_report_to_json(struct config_report *report)
{
    tj_json *array = tj_json_new_array();
    struct config_diagnostic finding;
    size_t at;

    for (at = 0; array && config_report_at(report, at, &finding); at++) {
        if (tj_json_append_take(array, finding_to_json(&finding))) {
            tj_json_free(array);
            return NULL;
        }
    }
    return array;
}
