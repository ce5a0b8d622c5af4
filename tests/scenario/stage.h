/* A stage for one engine: a loop whose time the test moves, a gate that the
 * test opens and shuts, runners that do as they are told, and the log as a
 * narrative:
 *
 *     [1000] @ tick_started running runner_count=1 trigger=interval
 *     [1000] disk runner_started running ...
 *     [1020] disk runner_failed failed 20ms "no such file"
 *
 * that is: milliseconds since the beginning, the runner ("@" for the
 * framework), stage, result, duration and error where there is one, details.
 * What runner_started says of the pass is left out unless `verbose`. */
#ifndef TESTS_SCENARIO_STAGE_H
#define TESTS_SCENARIO_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/testing.h>
#include <timedjobs/timedjobs.h>

#define STAGE_WALL_MS INT64_C(1775030400000) /* 2026-04-01T08:00:00Z */
#define STAGE_TICKS   64

typedef struct test_stage test_stage;

/* A runner of the stage. */
typedef struct test_actor {
    test_stage *stage;
    const char *name;
    void (*on_cancel)(struct test_actor *actor); /* may be NULL */
    /* What it does when it runs; NULL: it stays pending. */
    tj_run_status (*play)(struct test_actor *actor);
    tj_run run; /* the last one */
    int n_runs;
    int n_cancels;
    tj_cancel_reason cancel_reason; /* the last one */
    int code;                       /* what the last call in it returned */
} test_actor;

struct test_stage {
    tj_fake_loop *loop;
    tj_memory_sink *sink;
    tj_engine_options options; /* to be changed before stage_open */
    tj_engine *engine;
    bool verbose;
    bool closed; /* the close callback has run */

    tj_gate_verdict verdict;           /* what ask returns */
    tj_gate_verdict recheck;           /* what recheck returns */
    int recheck_after;                 /* ... once it has been open so often */
    tj_gate_verdict leave;             /* what leave returns */
    const char *gate_error;            /* for tj_gate_fail, NULL: not called */
    void (*on_ask)(test_stage *stage); /* may be NULL */
    tj_gate_request request;           /* the last one */
    int n_asked, n_rechecked, n_left;

    tj_tick_result ticks[STAGE_TICKS]; /* in the order of their callbacks */
    int n_ticks;
    int n_stops; /* callbacks of stage_stop */
    char *story;
    int n_forgotten; /* lines that stage_story leaves out */
};

/* Set the stage: an open gate, a manual engine, a log. */
void stage_set(test_stage *stage);
/* Make the engine. */
void stage_open(test_stage *stage);
/* stage_set and stage_open with an interval of one second. */
void stage_begin(test_stage *stage);
/* Close the engine, see that it goes, and take everything away. */
void stage_end(test_stage *stage);

void stage_add(test_stage *stage,
               test_actor *actor,
               const char *name,
               tj_run_status (*play)(struct test_actor *actor));
void stage_add_timed(test_stage *stage,
                     test_actor *actor,
                     const char *name,
                     tj_run_status (*play)(struct test_actor *actor),
                     int64_t timeout_ms);

/* Things an actor can play. */
tj_run_status play_ok(test_actor *actor);
tj_run_status play_fail(test_actor *actor); /* with "boom" */

/* Begin a manual tick, or a stop, and let happen what happens at once. */
void stage_tick(test_stage *stage);
void stage_stop(test_stage *stage);
void stage_advance(test_stage *stage, int64_t ms);
int64_t stage_now(const test_stage *stage);

/* The callbacks behind them, for calls that a test makes itself. */
void stage_on_tick(const tj_tick_result *result, void *userdata);
void stage_on_stop(void *userdata);

/* The narrative so far; borrowed until the next call. */
const char *stage_story(test_stage *stage);
/* Assert that it is exactly this. */
void stage_expect(test_stage *stage, const char *story);
/* Forget the lines so far. */
void stage_forget(test_stage *stage);

#endif
