/* See narrative.h. */
#include "narrative.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <timedjobs/json.h>

#include "log_dir_fixture.h"

size_t narrative_line(char line[LINE_SIZE_MAX], int engine, uint64_t number)
{
    static const char filler[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop"
                                 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop";
    int length = (int)((number * 7 + (uint64_t)engine) % 80);

    return (size_t)snprintf(line, LINE_SIZE_MAX,
                            "{\"engine\":%d,\"number\":%llu,\"x\":\"%.*s\"}\n",
                            engine, (unsigned long long)number, length, filler);
}

static void whole_judge(narrative_findings *findings,
                        const tj_json *entry,
                        const char *text)
{
    char expected[LINE_SIZE_MAX];
    int64_t engine = tj_json_int_or(tj_json_get(entry, "engine"), -1);
    uint64_t number =
        (uint64_t)tj_json_int_or(tj_json_get(entry, "number"), -1);

    findings->n_lines++;
    if (engine < 0) {
        assert_string_equal(
            tj_json_string_or(tj_json_get(entry, "stage"), text),
            "log_dropped");
        findings->n_entries++;
        findings->n_told +=
            (uint64_t)tj_json_int_or(tj_json_get(entry, "count"), 0);
        return;
    }
    assert_in_range(engine, 0, N_ENGINES_MAX - 1);
    narrative_line(expected, (int)engine, number);
    assert_int_equal(strncmp(expected, text, strlen(text)), 0);
    if (number < findings->next[engine])
        fail_msg("engine %d: %llu after %llu", (int)engine,
                 (unsigned long long)number,
                 (unsigned long long)findings->next[engine] - 1);
    findings->n_missing += number - findings->next[engine];
    findings->next[engine] = number + 1;
}

/* A piece must be how a line begins, ours or an entry. */
static void torn_judge(narrative_findings *findings, const char *text)
{
    static const char engine[] = "{\"engine\":", entry[] = "{\"batch_id\":";
    size_t size = strlen(text);

    if (strncmp(text, engine, size < strlen(engine) ? size : strlen(engine)) &&
        strncmp(text, entry, size < strlen(entry) ? size : strlen(entry)))
        fail_msg("neither a line nor the beginning of one: %s", text);
    if (strstr(text + 1, "{\""))
        fail_msg("fused: %s", text);
    findings->n_torn++;
}

void narrative_read(narrative_findings *findings, const char *name)
{
    size_t size = 0;
    char *text = fixture_read(name, &size), *line = text, *end;
    tj_json *entry;

    for (; text && *line; line = end + 1) {
        /* Not strchr: checked strictly, it reads to the end each time. */
        end = memchr(line, '\n', size - (size_t)(line - text));
        if (!end) {
            torn_judge(findings, line);
            break;
        }
        *end = '\0';
        if (tj_json_parse(line, (size_t)(end - line), &entry, NULL) == 0) {
            whole_judge(findings, entry, line);
            tj_json_free(entry);
        } else {
            torn_judge(findings, line);
        }
    }
    free(text);
}
