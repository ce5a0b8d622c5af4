/* A lease's options: defaults, proportions, and the inequalities without which
 * the protocol promises nothing. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "lease/lease_step.h"

#define MS_NS INT64_C(1000000)

void tj_lease_options_init(tj_lease_options *options)
{
    *options = (tj_lease_options){
        .size = sizeof(*options),
        .name = "main",
        .rho_ppm = 10000,
    };
    tj_lease_options_scale(options, 6000);
}

void tj_lease_options_scale(tj_lease_options *options, int64_t lease_ms)
{
    options->lease_ms = lease_ms;
    options->renew_ms = lease_ms * 800 / 6000;
    options->no_start_ms = lease_ms * 2800 / 6000;
    options->terminate_ms = lease_ms * 3200 / 6000;
    options->kill_ms = lease_ms * 4400 / 6000;
    options->dead_ms = lease_ms * 4800 / 6000;
    options->grace_ms = lease_ms * 1200 / 6000;
    options->slack_ms = lease_ms * 500 / 6000;
    options->hold_off_ms = lease_ms;
}

/* ---- checks ---- */

typedef struct range {
    const char *name;
    int64_t value;
    int64_t least;
    int64_t most;
} range;

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  INT64_C(86400000)

static int check_ranges(const tj_lease_options *options, tj_error *reterr)
{
    const range ranges[] = {
        { "lease_ms", options->lease_ms, 100, HOUR_MS },
        { "renew_ms", options->renew_ms, 10, HOUR_MS },
        { "no_start_ms", options->no_start_ms, 1, HOUR_MS },
        { "terminate_ms", options->terminate_ms, 1, HOUR_MS },
        { "kill_ms", options->kill_ms, 1, HOUR_MS },
        { "dead_ms", options->dead_ms, 1, HOUR_MS },
        { "grace_ms", options->grace_ms, 0, HOUR_MS },
        { "slack_ms", options->slack_ms, 0, HOUR_MS },
        { "rho_ppm", options->rho_ppm, 0, 500000 },
        { "hold_off_ms", options->hold_off_ms, 0, DAY_MS },
        { "heartbeat_timeout_ms", options->heartbeat_timeout_ms, 0, DAY_MS },
    };
    size_t at;

    for (at = 0; at < sizeof(ranges) / sizeof(ranges[0]); at++) {
        const range *it = &ranges[at];

        if (it->value < it->least || it->value > it->most)
            return tj__error_set(reterr, TJ_EINVAL, "lease",
                                 "%s is %lld, it must be between %lld and %lld",
                                 it->name, (long long)it->value,
                                 (long long)it->least, (long long)it->most);
    }
    return 0;
}

static int check_deadlines(const tj_lease_options *options, tj_error *reterr)
{
    long long lease = options->lease_ms;
    long long renew = options->renew_ms;
    long long no_start = options->no_start_ms;
    long long terminate = options->terminate_ms;
    long long kill = options->kill_ms;
    long long dead = options->dead_ms;
    long long grace = options->grace_ms;
    long long slack = options->slack_ms;
    long long rho = options->rho_ppm;

    if (renew * 3 >= terminate)
        return tj__error_set(
            reterr, TJ_EINVAL, "lease",
            "3 x renew_ms must be below terminate_ms, so that two renewals may "
            "fail: 3 x %lld = %lld, terminate_ms is %lld",
            renew, renew * 3, terminate);
    if (no_start > terminate)
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "no_start_ms must not be above terminate_ms: runs "
                             "would start only to be ended: %lld > %lld",
                             no_start, terminate);
    if (no_start <= renew)
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "no_start_ms must be above renew_ms, else nothing "
                             "may start between renewals: %lld <= %lld",
                             no_start, renew);
    if (terminate + grace > kill)
        return tj__error_set(
            reterr, TJ_EINVAL, "lease",
            "terminate_ms + grace_ms must not be above kill_ms, so that a run "
            "has its grace: %lld + %lld = %lld, kill_ms is %lld",
            terminate, grace, terminate + grace, kill);
    if (kill >= dead)
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "kill_ms must be below dead_ms, so that killed "
                             "runs have time to die: %lld >= %lld",
                             kill, dead);
    if ((dead + slack) * 1000000 > lease * (1000000 - rho))
        return tj__error_set(
            reterr, TJ_EINVAL, "lease",
            "dead_ms + slack_ms must not be above lease_ms less rho_ppm, or "
            "another machine could lead before all is dead: %lld + %lld = "
            "%lld, %lld less %lld ppm is %lld",
            dead, slack, dead + slack, lease, rho,
            lease * (1000000 - rho) / 1000000);
    return 0;
}

int tj_lease_options_check(const tj_lease_options *options, tj_error *reterr)
{
    int code;

    if (options->size != sizeof(*options))
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "options of another version of the library");
    if (!options->name || !tj__text_is_name(options->name))
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "a lease's name is 1 to 64 of A-Z a-z 0-9 . _ -, "
                             "a letter or digit first");
    if (options->host &&
        (!*options->host || strlen(options->host) >= TJ_LEASE_HOST_SIZE ||
         !tj__text_is_printable(options->host, strlen(options->host))))
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "a host's name is 1 to 64 printable bytes");
    code = check_ranges(options, reterr);
    return code ? code : check_deadlines(options, reterr);
}

void tj__lease_rules_from_options(const tj_lease_options *options,
                                  tj_lease_rules *ret_rules)
{
    *ret_rules = (tj_lease_rules){
        .lease_ns = options->lease_ms * MS_NS,
        .renew_ns = options->renew_ms * MS_NS,
        .no_start_ns = options->no_start_ms * MS_NS,
        .terminate_ns = options->terminate_ms * MS_NS,
        .kill_ns = options->kill_ms * MS_NS,
        .dead_ns = options->dead_ms * MS_NS,
        .grace_ns = options->grace_ms * MS_NS,
        .hold_off_ns = options->hold_off_ms * MS_NS,
        .rho_ppm = options->rho_ppm,
        .keeps_hw = options->state_dir != NULL,
        .me = { .lease_ms = options->lease_ms,
                .frees_on_death = options->frees_on_death },
    };
}
