/* An engine's runners, in order of registration, found by name.
 *
 * Entries are only ever added and never move, so a tick needs no copy of the
 * list: it remembers how many there were when it began. */
#ifndef TJ_ENGINE_REGISTRY_H
#define TJ_ENGINE_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include <timedjobs/runner.h>

#include "base/log_line.h"

#define TJ_RUNNER_NAME_MAX 255 /* bytes, without the NUL */

typedef struct tj_registered {
    /* what a run needs */
    tj_run_status (*run)(tj_run run,
                         const tj_tick_context *context,
                         void *userdata);
    void *userdata;
    const char *name; /* as normalised */
    int64_t timeout_ms;
    tj_piece log_name; /* for tj_log_entry.name */
    /* what it seldom needs */
    void (*cancel)(tj_run run, tj_cancel_reason reason, void *userdata);
    void (*free)(void *userdata);
    const char *description; /* NULL for none */
    uint64_t hash;
} tj_registered;

/* Zero-initialised is empty. */
typedef struct tj_registry {
    tj_registered **entries;
    uint32_t n_entries;
    uint32_t n_entries_max; /* allocated */
    uint32_t *slots;        /* hash table: index + 1, 0 for free */
    uint32_t n_slots;       /* a power of two, or 0 */
} tj_registry;

/* Check, normalise and add a runner of the job; the runner's `free` is the
 * caller's business on failure. Returns as tj_engine_add_runner. */
int tj__registry_add(tj_registry *registry,
                     const char *job,
                     const tj_runner *runner,
                     tj_error *reterr);

/* Call every entry's `free` and release everything. */
void tj__registry_done(tj_registry *registry);

#endif
