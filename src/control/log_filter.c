/* See log_filter.h. */
#include "control/log_filter.h"

#include <string.h>

#include "base/alloc.h"

#include <timedjobs/json.h>

static const char framework[] = ".framework";

/* Take "-<digits>" off the end; false if there is none. */
static bool cut_number(const char *text, size_t *size)
{
    size_t at = *size;

    while (at && text[at - 1] >= '0' && text[at - 1] <= '9')
        at--;
    if (at < 2 || at == *size || text[at - 1] != '-')
        return false;
    *size = at - 1;
    return true;
}

static bool is_of_job(const tj_json *entry, const char *job)
{
    const char *batch_id =
        tj_json_string_or(tj_json_get(entry, "batch_id"), "");
    const char *runner = tj_json_string_or(tj_json_get(entry, "runner"), "");
    size_t size = strlen(batch_id);
    size_t job_size = strlen(job);

    if (cut_number(batch_id, &size) && cut_number(batch_id, &size))
        return size == job_size && memcmp(batch_id, job, size) == 0;
    return strncmp(runner, job, job_size) == 0 &&
           strcmp(runner + job_size, framework) == 0;
}

static bool is_text(const tj_json *entry, const char *key, const char *wanted)
{
    return !wanted ||
           strcmp(tj_json_string_or(tj_json_get(entry, key), ""), wanted) == 0;
}

bool log_filter_passes(const log_filter *filter, const char *line, size_t size)
{
    tj_json *entry;
    bool passes;

    if (size < 2 || line[0] != '{' || line[size - 1] != '}')
        return false;
    if (tj_json_parse(line, size, &entry, NULL))
        return false;
    passes = is_text(entry, "runner", filter->runner) &&
             is_text(entry, "stage", filter->stage) &&
             (!filter->job || is_of_job(entry, filter->job));
    tj_json_free(entry);
    return passes;
}

void log_filter_done(log_filter *filter)
{
    tj__free(filter->job);
    tj__free(filter->runner);
    tj__free(filter->stage);
}
