/* Reports: what is wrong with a configuration, collected and kept in order.
 *
 * A report never fails: a finding that cannot be kept, because there are too
 * many or for want of memory, still counts as an error. */
#include "daemon/config_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

struct config_report *config_report_new(void)
{
    return tj__calloc(1, sizeof(struct config_report));
}

static void finding_done(struct config_finding *finding)
{
    tj__free(finding->message);
    tj__free(finding->hint);
    tj__free(finding->excerpt.text);
}

void config_report_free(struct config_report *report)
{
    size_t at;

    if (!report)
        return;
    for (at = 0; at < report->n_findings; at++)
        finding_done(&report->findings[at]);
    for (at = 0; at < report->n_sources; at++) {
        tj__free(report->sources[at].name);
        tj__free(report->sources[at].text);
    }
    tj__free(report->findings);
    tj__free(report->sources);
    tj__free(report);
}

/* ---- files -------------------------------------------------------------- */

uint32_t config_report_add_file(struct config_report *report, const char *name)
{
    size_t size = (report->n_sources + 1) * sizeof(*report->sources);
    struct config_source *sources = tj__realloc(report->sources, size);
    char *copy;

    if (!sources)
        return 0;
    report->sources = sources;
    copy = tj__strdup(name);
    if (!copy)
        return 0;
    sources += report->n_sources;
    sources->name = copy;
    sources->text = NULL;
    sources->size = 0;
    return (uint32_t)++report->n_sources;
}

void config_report_take_text(struct config_report *report,
                             uint32_t file,
                             char *text,
                             size_t size)
{
    struct config_source *source = &report->sources[file - 1];

    tj__free(source->text);
    source->text = text;
    source->size = size;
}

void config_report_drop_text(struct config_report *report, uint32_t file)
{
    config_report_take_text(report, file, NULL, 0);
}

const struct config_source *
config_report_source(const struct config_report *report, uint32_t file)
{
    if (file == 0 || file > report->n_sources)
        return NULL;
    return &report->sources[file - 1];
}

/* ---- findings ----------------------------------------------------------- */

size_t config_report_n_errors(const struct config_report *report)
{
    return report->n_of[CONFIG_ERROR];
}

size_t config_report_n_warnings(const struct config_report *report)
{
    return report->n_of[CONFIG_WARNING];
}

static bool finding_excerpt(const struct config_report *report,
                            struct config_finding *finding)
{
    const struct config_source *source =
        config_report_source(report, finding->mark.file);
    struct config_line line;

    if (!source || !source->text || !finding->mark.line)
        return true;
    line = config_text_line(source->text, source->size, finding->mark.line);
    return config_excerpt_make(line, finding->mark.column, finding->mark.width,
                               &finding->excerpt);
}

static bool finding_add(struct config_report *report,
                        struct config_finding *finding)
{
    size_t capacity = report->capacity ? report->capacity * 2 : 8;
    struct config_finding *findings = report->findings;

    if (report->n_findings == report->capacity) {
        findings = tj__realloc(findings, capacity * sizeof(*findings));
        if (!findings)
            return false;
        report->findings = findings;
        report->capacity = capacity;
    }
    findings[report->n_findings++] = *finding;
    return true;
}

static char *TJ_PRINTF(1, 0) text_format(const char *format, va_list arguments)
{
    va_list again;
    char *text = NULL;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length >= 0)
        text = tj__malloc((size_t)length + 1);
    if (text)
        (void)vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

/* Names and values of the file stand in messages, whatever they are made of:
 * nothing of them may act upon a terminal or end a line. */
static void text_clean(char *text)
{
    char *at;

    for (at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    }
    if (tj__text_is_printable(text, strlen(text)))
        return;
    for (at = text; *at; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?'; /* a character that was cut somewhere */
    }
}

void config_report_add(struct config_report *report,
                       enum config_severity severity,
                       struct config_mark mark,
                       const char *hint,
                       const char *format,
                       ...)
{
    struct config_finding finding = { .severity = severity, .mark = mark };
    va_list arguments;

    finding.number = report->n_of[severity]++;
    if (finding.number >= CONFIG_ERRORS_MAX)
        return;
    va_start(arguments, format);
    finding.message = text_format(format, arguments);
    va_end(arguments);
    finding.hint = tj__strdup(hint);
    if (finding.message)
        text_clean(finding.message);
    if (finding.hint)
        text_clean(finding.hint);
    if (!finding.message || (hint && !finding.hint) ||
        !finding_excerpt(report, &finding) || !finding_add(report, &finding)) {
        report->out_of_memory = true;
        finding_done(&finding);
        return;
    }
    report->is_sorted = false;
}

static int compare_numbers(uint64_t left, uint64_t right)
{
    return (left > right) - (left < right);
}

static int finding_compare(const void *left_, const void *right_)
{
    const struct config_finding *left = left_;
    const struct config_finding *right = right_;
    int order = compare_numbers(left->mark.file, right->mark.file);

    if (!order)
        order = compare_numbers(left->mark.line, right->mark.line);
    if (!order)
        order = compare_numbers(left->mark.column, right->mark.column);
    if (!order)
        order = compare_numbers(left->severity, right->severity);
    return order ? order : compare_numbers(left->number, right->number);
}

void config_report_sort(struct config_report *report)
{
    if (!report->is_sorted && report->n_findings)
        qsort(report->findings, report->n_findings, sizeof(*report->findings),
              finding_compare);
    report->is_sorted = true;
}

bool config_report_at(struct config_report *report,
                      size_t index,
                      struct config_diagnostic *ret_diagnostic)
{
    const struct config_finding *finding;
    const struct config_source *source;

    if (index >= report->n_findings)
        return false;
    config_report_sort(report);
    finding = &report->findings[index];
    source = config_report_source(report, finding->mark.file);
    ret_diagnostic->severity = finding->severity;
    ret_diagnostic->mark = finding->mark;
    ret_diagnostic->file = source ? source->name : NULL;
    ret_diagnostic->message = finding->message;
    ret_diagnostic->hint = finding->hint;
    ret_diagnostic->excerpt = finding->excerpt.text;
    return true;
}
