/* What an engine and a runner may be asked to be: ranges, by name. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/engine_priv.h"

#define MODULE      "engine"
#define INTEGER_MAX INT64_C(9007199254740991) /* 2^53 - 1 */
#define YEAR_MS     (INT64_C(366) * 24 * 3600 * 1000)

typedef struct range {
    const char *name;
    int64_t value;
    int64_t least;
    int64_t most;
} range;

static int ranges_check(const range *ranges, size_t count, tj_error *reterr)
{
    size_t index;

    for (index = 0; index < count; index++) {
        const range *one = &ranges[index];

        if (one->value < one->least || one->value > one->most)
            return tj__error_set(reterr, TJ_EINVAL, MODULE,
                                 "%s is %lld, must be %lld to %lld", one->name,
                                 (long long)one->value, (long long)one->least,
                                 (long long)one->most);
    }
    return 0;
}

static int required(const void *what, const char *name, tj_error *reterr)
{
    return what ? 0
                : tj__error_set(reterr, TJ_EINVAL, MODULE, "%s is missing",
                                name);
}

/* Later versions only append members, and take the shorter structs of older
 * programs; this is the first version. */
static int
size_check(size_t size, size_t known, const char *name, tj_error *reterr)
{
    return size == known
               ? 0
               : tj__error_set(reterr, TJ_EINVAL, MODULE,
                               "%s.size is %zu, this library knows %zu", name,
                               size, known);
}

static int numbers_check(const tj_engine_options *options, tj_error *reterr)
{
    const tj_tick_config *config = &options->config;
    const range ranges[] = {
        { "interval_ms", config->interval_ms, 1, YEAR_MS },
        { "max_messages_per_tick", config->max_messages_per_tick, 0,
          INTEGER_MAX },
        { "max_tasks_per_tick", config->max_tasks_per_tick, 0, INTEGER_MAX },
        { "settle_delay_ms", config->settle_delay_ms, 0, YEAR_MS },
        { "gate_timeout_ms", options->gate_timeout_ms, 0, YEAR_MS },
        { "drain_timeout_ms", options->drain_timeout_ms, 0, YEAR_MS },
    };

    return ranges_check(ranges, sizeof(ranges) / sizeof(*ranges), reterr);
}

int tj__engine_options_check(const tj_engine_options *options, tj_error *reterr)
{
    int rc;

    if ((rc = required(options, "options", reterr)) ||
        (rc = size_check(options->size, sizeof(*options), "options", reterr)) ||
        (rc = required(options->loop, "loop", reterr)) ||
        (rc = required((const void *)(uintptr_t)options->clock.now, "clock",
                       reterr)) ||
        (rc = size_check(options->gate.size, sizeof(options->gate), "gate",
                         reterr)) ||
        (rc = required((const void *)(uintptr_t)options->gate.ask, "gate.ask",
                       reterr)))
        return rc;
    if (!options->job || !tj__text_is_name(options->job))
        return tj__error_set(reterr, TJ_EINVAL, MODULE,
                             "job must be a letter or digit and then at most "
                             "%d of letters, digits, '.', '_' and '-'",
                             TJ_JOB_NAME_MAX - 1);
    return numbers_check(options, reterr);
}

int tj__runner_check(const tj_runner *runner, tj_error *reterr)
{
    range timeout = { "timeout_ms", 0, 0, YEAR_MS };
    int rc;

    if ((rc = required(runner, "runner", reterr)) ||
        (rc = size_check(runner->size, sizeof(*runner), "runner", reterr)) ||
        (rc = required((const void *)(uintptr_t)runner->run, "run", reterr)))
        return rc;
    timeout.value = runner->timeout_ms;
    return ranges_check(&timeout, 1, reterr);
}

void tj_engine_options_init(tj_engine_options *options)
{
    *options = (tj_engine_options){
        .size = sizeof(*options),
        .job = "timed-jobs",
        .config = { .interval_ms = 10000,
                    .max_messages_per_tick = 20,
                    .max_tasks_per_tick = 5,
                    .settle_delay_ms = 10000 },
        .clock = tj_clock_system(),
        .gate = TJ_GATE_INIT,
    };
}
