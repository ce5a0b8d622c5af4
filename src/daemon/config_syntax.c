/* See config_syntax.h.
 *
 * libyaml says what its scanner wanted to see ("did not find expected
 * alphabetic or numeric character"); a person wants to hear what to change.
 * Each rule below looks at libyaml's text and at the characters around the
 * place, and answers with a place, a message and a hint of our own. */
#include "daemon/config_syntax.h"

#include <stdio.h>
#include <string.h>

#include "daemon/config_report.h"
#include "daemon/config_value.h"

struct trouble {
    const char *problem; /* libyaml's */
    const char *context;
    struct config_mark at;    /* where it gave up */
    struct config_mark from;  /* where what it was reading begins */
    struct config_line line;  /* of `at` */
    struct config_line begin; /* of `from` */
    char character;           /* at `at`; '\0' at a line's end */
    /* The answer. */
    struct config_mark mark;
    const char *message;
    const char *hint;
    char message_text[256];
    char hint_text[256];
};

static bool has(const char *text, const char *part)
{
    return text && strstr(text, part);
}

static bool answer(struct trouble *trouble,
                   struct config_mark mark,
                   const char *message,
                   const char *hint)
{
    trouble->mark = mark;
    trouble->message = message;
    trouble->hint = hint;
    return true;
}

/* ---- looking at lines --------------------------------------------------- */

static char character_at(struct config_line line, uint32_t column)
{
    const char *at = config_line_at(line, column);

    if (!at)
        return '\0';
    return *at;
}

/* True when the place is inside of brackets that its own line opens. */
static bool is_in_brackets(struct config_line line, const char *place)
{
    const char *at;
    int depth = 0;

    for (at = line.text; at < place; at++) {
        depth += *at == '[' || *at == '{';
        depth -= *at == ']' || *at == '}';
    }
    return depth > 0;
}

/* The part of a line from a place on that would be one text: without a
 * comment, without what closes brackets around it, without white space at its
 * end. */
static size_t rest_size(struct config_line line, const char *start)
{
    bool in_brackets = is_in_brackets(line, start);
    const char *end = line.text + line.size;
    const char *at;

    for (at = start; at < end; at++) {
        if ((at + 1 < end && (at[0] == ' ' || at[0] == '\t') && at[1] == '#') ||
            (in_brackets && strchr(",]}", at[0])))
            end = at;
    }
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (size_t)(end - start);
}

static uint32_t count_characters(const char *text, size_t size)
{
    uint32_t count = 0;

    for (; size; size--, text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* True when only spaces stand before the column. */
static bool is_first(struct config_line line, uint32_t column)
{
    const char *at;

    for (at = line.text; at < line.text + line.size && --column; at++) {
        if (*at != ' ')
            return false;
    }
    return true;
}

/* Where the value of a "key: value" line starts, NULL if there is none. */
static const char *value_of(struct config_line line)
{
    const char *end = line.text + line.size;
    const char *at;

    for (at = line.text; at + 1 < end; at++) {
        if (at[0] == ':' && (at[1] == ' ' || at[1] == '\t')) {
            for (at++; at < end && (*at == ' ' || *at == '\t'); at++)
                ;
            return at < end ? at : NULL;
        }
    }
    return NULL;
}

/* "quote it: '...'" with the text from `start` to the end of its line. Single
 * quotes unless the text has some. */
static const char *hint_quote(struct trouble *trouble,
                              const char *words,
                              struct config_line line,
                              const char *start)
{
    enum { SHOWN_MAX = 80 };

    size_t size = rest_size(line, start);
    char quote =
        memchr(start, '"', size) || memchr(start, '\\', size) ? '\'' : '"';

    if (size == 0 || size > SHOWN_MAX || memchr(start, '\t', size) ||
        (quote == '\'' && memchr(start, '\'', size)))
        snprintf(trouble->hint_text, sizeof(trouble->hint_text),
                 "%s; a shell text is best written below 'shell: |'", words);
    else
        snprintf(trouble->hint_text, sizeof(trouble->hint_text), "%s: %c%.*s%c",
                 words, quote, (int)size, start, quote);
    return trouble->hint_text;
}

/* ---- rules -------------------------------------------------------------- */

static bool rule_tab(struct trouble *trouble)
{
    if (trouble->character != '\t' && !has(trouble->problem, "a tab"))
        return false;
    return answer(trouble, trouble->at, "a tab is used for indentation",
                  "indent with spaces");
}

/* A plain value cannot start with some characters; `* * * * *` is the case
 * that everybody meets once. */
static bool rule_special_start(struct trouble *trouble)
{
    struct config_mark mark = trouble->from;
    const char *start;
    char character;

    if (!has(trouble->problem, "alphabetic or numeric") &&
        !has(trouble->problem, "cannot start any token"))
        return false;
    if (has(trouble->problem, "cannot start any token"))
        mark = trouble->at;
    start = config_line_at(trouble->begin, mark.column);
    if (!start)
        return false;
    character = *start;
    if (!strchr("*&@`%", character))
        return false;
    mark.width = count_characters(start, rest_size(trouble->begin, start));
    if (character == '*') {
        hint_quote(trouble, "quote a schedule that starts with '*'",
                   trouble->begin, start);
    } else {
        start = value_of(trouble->begin) ? value_of(trouble->begin) : start;
        hint_quote(trouble, "quote the whole text", trouble->begin, start);
    }
    snprintf(trouble->message_text, sizeof(trouble->message_text),
             "a text that is not quoted cannot start with '%c'", character);
    if (character == '&' && value_of(trouble->begin) &&
        value_of(trouble->begin) != config_line_at(trouble->begin, mark.column))
        return answer(trouble, mark, "unexpected '&' after the value",
                      trouble->hint_text);
    return answer(trouble, mark, trouble->message_text, trouble->hint_text);
}

static bool rule_quotes(struct trouble *trouble)
{
    if (!has(trouble->context, "quoted scalar"))
        return false;
    if (has(trouble->problem, "end of stream") ||
        has(trouble->problem, "document indicator"))
        return answer(trouble, trouble->from,
                      "the quote that opens here is never closed", NULL);
    trouble->at.width = 2;
    return answer(trouble, trouble->at, "no such escape in double quotes",
                  "write \\\\ for a backslash, or use single quotes");
}

static bool rule_colon(struct trouble *trouble)
{
    const char *value = value_of(trouble->line);
    const char *colon = config_line_at(trouble->line, trouble->at.column);
    struct config_mark mark = { trouble->at.file, trouble->at.line, 1, 1 };

    if (!has(trouble->problem, "mapping values are not allowed"))
        return false;
    if (value && value < colon)
        return answer(
            trouble, trouble->at, "': ' inside of a text that is not quoted",
            hint_quote(trouble, "quote the whole text", trouble->line, value));
    while (mark.column < trouble->at.column &&
           character_at(trouble->line, mark.column) == ' ')
        mark.column++;
    mark.width = trouble->at.column - mark.column;
    return answer(trouble, mark, "a key is not expected here",
                  "indent it like the keys above it; and look at the line "
                  "before it, where a ':' or a quote may be missing");
}

static bool rule_no_colon(struct trouble *trouble)
{
    const char *start = config_line_at(trouble->begin, trouble->from.column);
    struct config_mark mark = trouble->from;

    if (!has(trouble->problem, "could not find expected ':'"))
        return false;
    if (start)
        mark.width = count_characters(start, rest_size(trouble->begin, start));
    return answer(trouble, mark, "a ':' is missing after this",
                  "a line is 'key: value', or '- element' in a list; indent a "
                  "text of several lines deeper than its key");
}

/* `"date" | cat`: the bar does not begin a value, it follows one. */
static bool is_pipe_after_value(const struct trouble *trouble)
{
    const char *value = value_of(trouble->begin);

    return has(trouble->problem, "expected comment or line break") && value &&
           value < config_line_at(trouble->begin, trouble->from.column);
}

static bool rule_indentation(struct trouble *trouble)
{
    const char *value;

    if (!has(trouble->problem, "did not find expected key") &&
        !has(trouble->problem, "did not find expected '-' indicator") &&
        !is_pipe_after_value(trouble))
        return false;
    if (is_first(trouble->line, trouble->at.column)) {
        if (has(trouble->problem, "'-'"))
            return answer(trouble, trouble->at,
                          "this line does not go on with the list above it",
                          "every element starts with '- ', all in one column");
        return answer(trouble, trouble->at,
                      "this line is indented like none of the maps above it",
                      "the keys of one map start in one column");
    }
    value = value_of(trouble->line);
    if (!value)
        value = config_line_at(trouble->line, trouble->at.column);
    return answer(trouble, trouble->at, "unexpected text after the value",
                  value ? hint_quote(trouble, "quote the whole text",
                                     trouble->line, value)
                        : NULL);
}

static bool rule_bracket(struct trouble *trouble)
{
    char open, close;

    if (!has(trouble->problem, "did not find expected ',' or"))
        return false;
    open = has(trouble->problem, "']'") ? '[' : '{';
    close = open == '[' ? ']' : '}';
    if (trouble->at.line != trouble->from.line) {
        snprintf(trouble->message_text, sizeof(trouble->message_text),
                 "the '%c' that opens here is never closed", open);
        snprintf(trouble->hint_text, sizeof(trouble->hint_text),
                 "add a '%c', or a ',' before line %u", close,
                 trouble->at.line);
        return answer(trouble, trouble->from, trouble->message_text,
                      trouble->hint_text);
    }
    snprintf(trouble->message_text, sizeof(trouble->message_text),
             "expected ',' or '%c'", close);
    return answer(trouble, trouble->at, trouble->message_text,
                  "quote an element that has quotes, brackets or ': ' in it");
}

/* What needs no look at the text: libyaml's words, ours, and a hint. */
static bool rule_plain(struct trouble *trouble)
{
    static const struct {
        const char *problem;
        const char *message;
        const char *hint;
    } rules[] = {
        { "block sequence entries are not allowed",
          "a list cannot start on the line of its key",
          "put '- element' on the next line, or write [a, b]; quote a text "
          "that starts with '- '" },
        { "mapping keys are not allowed", "'?' has no meaning here",
          "quote a text that starts with '? '" },
        { "did not find expected node content", "a value is missing here",
          NULL },
        { "expected comment or line break",
          "nothing can follow '|' or '>' on its line",
          "start the text on the next line; quote a text that starts with '|' "
          "or '>'" },
        { "incompatible YAML document", "unknown version of YAML",
          "leave the %YAML line out" },
        { "expected <document start>", "unexpected text after the end",
          "the file is one map of 'key: value' lines" },
        { "indentation indicator", "this indentation indicator is wrong",
          "write '|' alone and indent the text with spaces" },
        { "unexpected end of stream", "the file ends too early", NULL },
    };

    size_t at;

    for (at = 0; at < sizeof(rules) / sizeof(rules[0]); at++) {
        if (has(trouble->problem, rules[at].problem))
            return answer(trouble, trouble->at, rules[at].message,
                          rules[at].hint);
    }
    return false;
}

/* ---- all together ------------------------------------------------------- */

static struct config_mark mark_from(uint32_t file, const yaml_mark_t *mark)
{
    struct config_mark ours = { file, (uint32_t)mark->line + 1,
                                (uint32_t)mark->column + 1, 1 };

    return ours;
}

void config_syntax_report(struct config_report *report,
                          uint32_t file,
                          const yaml_parser_t *parser)
{
    static bool (*const rules[])(struct trouble *) = {
        rule_tab,      rule_special_start, rule_quotes,  rule_colon,
        rule_no_colon, rule_indentation,   rule_bracket, rule_plain,
    };
    const struct config_source *source = config_report_source(report, file);
    struct trouble trouble = {
        .problem = parser->problem ? parser->problem : "not YAML",
        .context = parser->context,
        .at = mark_from(file, &parser->problem_mark),
        .from = mark_from(file, &parser->context_mark),
    };
    size_t at;

    trouble.line =
        config_text_line(source->text, source->size, trouble.at.line);
    trouble.begin =
        config_text_line(source->text, source->size, trouble.from.line);
    trouble.character = character_at(trouble.line, trouble.at.column);
    for (at = 0; at < sizeof(rules) / sizeof(rules[0]); at++) {
        if (rules[at](&trouble))
            break;
    }
    if (at == sizeof(rules) / sizeof(rules[0]))
        answer(&trouble, trouble.at, trouble.problem, NULL);
    config_report_add(report, CONFIG_ERROR, trouble.mark, trouble.hint, "%s",
                      trouble.message);
}
