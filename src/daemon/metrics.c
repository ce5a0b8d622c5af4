/* The daemon's figures in the Prometheus text format. The only label is the
 * job's name, so that their number is bounded by the configuration. */
#include "daemon/supervisor.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static void metric(tj_buf *text,
                   const char *name,
                   const char *type,
                   const char *help,
                   int64_t value)
{
    tj__buf_printf(text,
                   "# HELP timed_jobs_%s %s\n# TYPE timed_jobs_%s %s\n"
                   "timed_jobs_%s %" PRId64 "\n",
                   name, help, name, type, name, value);
}

static void metric_of_jobs(tj_buf *text,
                           const struct daemon *daemon,
                           const char *name,
                           const char *help,
                           size_t offset)
{
    size_t at;

    tj__buf_printf(text,
                   "# HELP timed_jobs_%s %s\n# TYPE timed_jobs_%s counter\n",
                   name, help, name);
    for (at = 0; at < daemon->n_jobs; at++) {
        const char *job = (const char *)&daemon->jobs[at];
        uint64_t value;

        memcpy(&value, job + offset, sizeof(value));
        tj__buf_printf(text, "timed_jobs_%s{job=\"%s\"} %" PRIu64 "\n", name,
                       daemon->jobs[at].config->name, value);
    }
}

void metrics_answer(control_call *call, void *userdata)
{
    const struct daemon *daemon = userdata;
    tj_buf text = TJ_BUF_INIT;
    tj_day_log_stats stats;
    tj_lease_view view;

    tj_day_log_get_stats(daemon->log, &stats);
    tj_lease_read(daemon->lease, &view);
    metric(&text, "leading", "gauge", "1 while this daemon leads.",
           view.state == TJ_LEASE_LEADING);
    metric(&text, "lease_term", "gauge", "The lease's term as last seen.",
           view.term ? view.term : view.row.term);
    metric(&text, "lease_renewals_total", "counter",
           "Renewals that were confirmed.", (int64_t)view.n_renewals);
    metric(&text, "lease_unknown_total", "counter",
           "Calls on the lease's backend whose fate is not known.",
           (int64_t)view.n_unknown);
    metric(&text, "paused", "gauge", "1 while the lease is paused.",
           view.row.pause.paused);
    metric(&text, "log_lines_total", "counter", "Lines that were logged.",
           (int64_t)stats.n_lines);
    metric(&text, "log_dropped_total", "counter",
           "Log lines that never reached a file.", (int64_t)stats.n_dropped);
    metric(&text, "log_queued_bytes", "gauge",
           "Bytes of log that wait for the disk.", (int64_t)stats.queued_size);
    metric(&text, "warden_restarts_total", "counter",
           "Wardens that were lost and replaced.",
           (int64_t)daemon->n_warden_restarts);
    metric_of_jobs(&text, daemon, "ticks_total",
                   "Ticks, skipped ones included.",
                   offsetof(struct daemon_job, n_ticks));
    metric_of_jobs(&text, daemon, "ticks_failed_total",
                   "Ticks that failed, or had a runner that did.",
                   offsetof(struct daemon_job, n_failed));
    metric_of_jobs(&text, daemon, "ticks_skipped_total",
                   "Ticks that were skipped.",
                   offsetof(struct daemon_job, n_skipped));
    if (text.failed)
        control_call_fail(call, 500, "out_of_memory", "out of memory");
    else
        control_call_reply_text(call, 200, "text/plain; version=0.0.4",
                                text.data, text.size);
    tj__buf_done(&text);
}
