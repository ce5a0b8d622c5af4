/* A backend around a backend that tells of every call: what was asked, how it
 * ended, and how long that took. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#include <timedjobs/lease.h>

#define LINE_SIZE 512

typedef struct trace_backend {
    tj_lease_backend backend; /* first */
    tj_lease_backend_ops ops; /* the inner one's optional members decide */
    tj_lease_backend *inner;
    tj_lease_trace_cb cb;
    void *userdata;
} trace_backend;

static trace_backend *trace_of(tj_lease_backend *backend)
{
    return (trace_backend *)(void *)backend;
}

static const char *outcome_text(tj_lease_outcome outcome)
{
    return outcome == TJ_LEASE_DONE ? "done" : "changed";
}

/* "<what> -> <answer> <n>us"; an error's text takes the answer's place. */
static void tell(trace_backend *trace,
                 const char *what,
                 int code,
                 const tj_error *error,
                 const char *answer,
                 int64_t began_ns)
{
    char line[LINE_SIZE];
    long long us = (tj_lease_now_ns() - began_ns) / 1000;

    if (code)
        (void)snprintf(line, sizeof(line), "%s -> %s: %s %lldus", what,
                       tj_error_name(code), error->message, us);
    else
        (void)snprintf(line, sizeof(line), "%s -> %s %lldus", what, answer, us);
    trace->cb(line, trace->userdata);
}

/* The caller may not want the error's story, but the trace does. */
static void pass_on(int code, const tj_error *error, tj_error *reterr)
{
    if (code && reterr)
        *reterr = *error;
}

static int trace_read(tj_lease_backend *backend,
                      const char *name,
                      int64_t deadline_ns,
                      tj_lease_record *ret_record,
                      tj_error *reterr)
{
    trace_backend *trace = trace_of(backend);
    int64_t began_ns = tj_lease_now_ns();
    tj_error error = TJ_ERROR_INIT;
    char what[128], answer[128] = "";
    int code = trace->inner->ops->read(trace->inner, name, deadline_ns,
                                       ret_record, &error);

    (void)snprintf(what, sizeof(what), "read %s", name);
    if (!code && !ret_record->exists)
        (void)snprintf(answer, sizeof(answer), "no row");
    else if (!code)
        (void)snprintf(
            answer, sizeof(answer), "term=%lld seq=%lld holder=%.8s%s%s",
            (long long)ret_record->term, (long long)ret_record->seq,
            ret_record->holder, ret_record->released ? " released" : "",
            ret_record->pause.paused ? " paused" : "");
    tell(trace, what, code, &error, answer, began_ns);
    pass_on(code, &error, reterr);
    return code;
}

static int trace_acquire(tj_lease_backend *backend,
                         const char *name,
                         const tj_lease_record *seen,
                         const tj_lease_record *claim,
                         int64_t deadline_ns,
                         tj_lease_outcome *ret_outcome,
                         tj_error *reterr)
{
    trace_backend *trace = trace_of(backend);
    int64_t began_ns = tj_lease_now_ns();
    tj_error error = TJ_ERROR_INIT;
    char what[160];
    int code = trace->inner->ops->acquire(trace->inner, name, seen, claim,
                                          deadline_ns, ret_outcome, &error);

    (void)snprintf(what, sizeof(what), "acquire %s seen term=%lld seq=%lld",
                   name, (long long)seen->term, (long long)seen->seq);
    tell(trace, what, code, &error, outcome_text(*ret_outcome), began_ns);
    pass_on(code, &error, reterr);
    return code;
}

static int trace_renew(tj_lease_backend *backend,
                       const char *name,
                       int64_t term,
                       const char *holder,
                       int64_t deadline_ns,
                       tj_lease_outcome *ret_outcome,
                       tj_lease_pause *ret_pause,
                       tj_error *reterr)
{
    trace_backend *trace = trace_of(backend);
    int64_t began_ns = tj_lease_now_ns();
    tj_error error = TJ_ERROR_INIT;
    char what[128];
    int code =
        trace->inner->ops->renew(trace->inner, name, term, holder, deadline_ns,
                                 ret_outcome, ret_pause, &error);

    (void)snprintf(what, sizeof(what), "renew %s term=%lld", name,
                   (long long)term);
    tell(trace, what, code, &error, outcome_text(*ret_outcome), began_ns);
    pass_on(code, &error, reterr);
    return code;
}

static int trace_release(tj_lease_backend *backend,
                         const char *name,
                         int64_t term,
                         const char *holder,
                         int64_t deadline_ns,
                         tj_lease_outcome *ret_outcome,
                         tj_error *reterr)
{
    trace_backend *trace = trace_of(backend);
    int64_t began_ns = tj_lease_now_ns();
    tj_error error = TJ_ERROR_INIT;
    char what[128];
    int code = trace->inner->ops->release(trace->inner, name, term, holder,
                                          deadline_ns, ret_outcome, &error);

    (void)snprintf(what, sizeof(what), "release %s term=%lld", name,
                   (long long)term);
    tell(trace, what, code, &error, outcome_text(*ret_outcome), began_ns);
    pass_on(code, &error, reterr);
    return code;
}

static int trace_repair(tj_lease_backend *backend,
                        const char *name,
                        int64_t term,
                        const char *holder,
                        int64_t new_term,
                        int64_t deadline_ns,
                        tj_lease_outcome *ret_outcome,
                        tj_error *reterr)
{
    trace_backend *trace = trace_of(backend);
    int64_t began_ns = tj_lease_now_ns();
    tj_error error = TJ_ERROR_INIT;
    char what[160];
    int code =
        trace->inner->ops->repair(trace->inner, name, term, holder, new_term,
                                  deadline_ns, ret_outcome, &error);

    (void)snprintf(what, sizeof(what), "repair %s term=%lld to %lld", name,
                   (long long)term, (long long)new_term);
    tell(trace, what, code, &error, outcome_text(*ret_outcome), began_ns);
    pass_on(code, &error, reterr);
    return code;
}

static int trace_set_pause(tj_lease_backend *backend,
                           const char *name,
                           const tj_lease_pause *pause,
                           int64_t deadline_ns,
                           tj_error *reterr)
{
    trace_backend *trace = trace_of(backend);
    int64_t began_ns = tj_lease_now_ns();
    tj_error error = TJ_ERROR_INIT;
    char what[128];
    int code = trace->inner->ops->set_pause(trace->inner, name, pause,
                                            deadline_ns, &error);

    (void)snprintf(what, sizeof(what), "%s %s",
                   pause->paused ? "pause" : "resume", name);
    tell(trace, what, code, &error, "done", began_ns);
    pass_on(code, &error, reterr);
    return code;
}

static int trace_watch_fd(tj_lease_backend *backend)
{
    tj_lease_backend *inner = trace_of(backend)->inner;

    return inner->ops->watch_fd(inner);
}

static void trace_watch_clear(tj_lease_backend *backend)
{
    tj_lease_backend *inner = trace_of(backend)->inner;

    inner->ops->watch_clear(inner);
}

static void trace_interrupt(tj_lease_backend *backend)
{
    tj_lease_backend *inner = trace_of(backend)->inner;

    inner->ops->interrupt(inner);
}

static void trace_free(tj_lease_backend *backend)
{
    trace_backend *trace = trace_of(backend);

    tj_lease_backend_free(trace->inner);
    tj__free(trace);
}

int tj_lease_backend_trace_new(tj_lease_backend *take_inner,
                               tj_lease_trace_cb cb,
                               void *userdata,
                               tj_lease_backend **ret_backend)
{
    trace_backend *trace = tj__calloc(1, sizeof(*trace));
    const tj_lease_backend_ops *inner = take_inner->ops;

    if (!trace) {
        tj_lease_backend_free(take_inner);
        return TJ_ENOMEM;
    }
    trace->ops = (tj_lease_backend_ops){
        .size = sizeof(tj_lease_backend_ops),
        .name = inner->name,
        .flags = inner->flags,
        .read = trace_read,
        .acquire = trace_acquire,
        .renew = trace_renew,
        .release = trace_release,
        .repair = trace_repair,
        .set_pause = trace_set_pause,
        .watch_fd = inner->watch_fd ? trace_watch_fd : NULL,
        .watch_clear = inner->watch_fd ? trace_watch_clear : NULL,
        .interrupt = inner->interrupt ? trace_interrupt : NULL,
        .free = trace_free,
    };
    trace->backend.ops = &trace->ops;
    trace->inner = take_inner;
    trace->cb = cb;
    trace->userdata = userdata;
    *ret_backend = &trace->backend;
    return 0;
}
