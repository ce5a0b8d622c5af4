/* The gate: may this tick run here and now, and as whom?
 *
 * A tick asks once before its first runner, looks again before every further
 * runner where the gate offers that, and says when it is through. The gate
 * only answers; the engine owns the loop over the runners (the reference's
 * `schedule` function ran them itself, and could forget to, or do it twice). */
#ifndef TIMEDJOBS_GATE_H
#define TIMEDJOBS_GATE_H

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/error.h>
#include <timedjobs/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tj_engine;

typedef enum tj_gate_verdict {
    TJ_GATE_OPEN,          /* run, as the pass says */
    TJ_GATE_NOT_LEADER,    /* another machine leads, or nobody is known to */
    TJ_GATE_SYSTEM_PAUSED, /* somebody paused the lease */
    TJ_GATE_FAILED,        /* the gate itself failed; tj_gate_fail says why */
    TJ_GATE_PENDING        /* tj_gate_answer or tj_gate_fail comes later */
} tj_gate_verdict;

#define TJ_GATE_TEXT_MAX 1024 /* bytes, without the NUL */

/** What an open gate hands to the work. A pass that is out of these ranges
 * fails the tick. */
typedef struct tj_gate_pass {
    /* At most TJ_GATE_TEXT_MAX bytes each; the engine copies them before ask
     * or tj_gate_answer ends. */
    const char *controller_id;
    const char *host;
    int64_t term; /* 1 to 2^53-1; 0 where nothing counts terms */
} tj_gate_pass;

/** One question, by value. A handle that was answered, or whose tick is over,
 * is harmless to use again until the engine's close callback. */
typedef struct tj_gate_request {
    struct tj_engine *engine;
    uint64_t id;
} tj_gate_request;

/** A gate. Copied by tj_engine_new; `userdata` must outlive the engine. */
typedef struct tj_gate {
    size_t size; /* sizeof(tj_gate) */

    /* Mandatory. Answer at once by returning a verdict (with *ret_pass filled
     * for TJ_GATE_OPEN), or return TJ_GATE_PENDING and answer exactly once
     * with tj_gate_answer or tj_gate_fail, on the loop's thread. To fail at
     * once: `tj_gate_fail(request, "why"); return TJ_GATE_FAILED;`. An answer
     * through the request inside `ask` wins over what it returns. */
    tj_gate_verdict (*ask)(tj_gate_request request,
                           tj_gate_pass *ret_pass,
                           void *userdata);

    /* May be NULL. Asked before each runner but the first: does the pass still
     * hold? Anything but TJ_GATE_OPEN ends the tick as failed: the runners
     * that are left are logged as skipped. Must answer at once and cheaply. */
    tj_gate_verdict (*recheck)(const tj_gate_pass *pass, void *userdata);

    /* May be NULL. Told once for every pass, when its tick is through with
     * it, be it all runners or cut short. Return TJ_GATE_OPEN, or
     * TJ_GATE_FAILED after tj_gate_fail to fail a tick that was whole. Must
     * answer at once. */
    tj_gate_verdict (*leave)(tj_gate_request request,
                             const tj_gate_pass *pass,
                             void *userdata);

    void *userdata;
} tj_gate;

#define TJ_GATE_INIT                \
    {                               \
        sizeof(tj_gate), 0, 0, 0, 0 \
    }

/** Return a gate that is always open, for a program that is alone: controller
 * "local", host "localhost", term 0. */
TJ_EXPORT tj_gate tj_gate_always_open(void);

/** Answer a pending question: OPEN (with a pass), NOT_LEADER or SYSTEM_PAUSED.
 * Loop thread only. Returns 0, TJ_EINVAL for another verdict or a missing
 * pass, TJ_EALREADY when the question is not open any more. */
TJ_EXPORT int tj_gate_answer(tj_gate_request request,
                             tj_gate_verdict verdict,
                             const tj_gate_pass *pass);

/** Fail a question, at once or later, with a text of any length (copied; where
 * memory is short, its beginning; NULL or "" for none, which is logged as "the
 * gate failed"). The tick ends as failed and its log entry carries the text.
 * Loop thread only. Returns 0 or TJ_EALREADY. */
TJ_EXPORT int tj_gate_fail(tj_gate_request request, const char *message);

#ifdef __cplusplus
}
#endif
#endif
