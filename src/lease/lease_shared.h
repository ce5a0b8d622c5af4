/* What a lease shows to other threads: a view behind a sequence counter, and
 * the few words that the gate needs. One thread writes (the keeper while it
 * runs, else the loop's); any thread reads, without a lock. */
#ifndef TJ_LEASE_LEASE_SHARED_H
#define TJ_LEASE_LEASE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <timedjobs/lease.h>

#define TJ_LEASE_VIEW_WORDS ((sizeof(tj_lease_view) + 7) / 8)

typedef struct tj_lease_shared {
    /* The gate's. `start_until_ns` is 0 whenever `term` changes. */
    _Atomic int64_t start_until_ns;
    _Atomic int64_t term;
    _Atomic int64_t shut_term;            /* the owner gave this one up */
    _Atomic int64_t paused_until_wall_ms; /* 0: not; INT64_MAX: for ever */

    /* The view: odd while it is being written. */
    _Atomic uint64_t turn;
    _Atomic uint64_t words[TJ_LEASE_VIEW_WORDS];
} tj_lease_shared;

/* Show a view. The gate shuts before, and opens after everything else. */
void tj__lease_shared_write(tj_lease_shared *shared, const tj_lease_view *view);

/* Copy the view as it was written, not brought to any instant. */
void tj__lease_shared_read(const tj_lease_shared *shared,
                           tj_lease_view *ret_view);

/* Tell whether, and under which term, a run may start but for the pause. */
bool tj__lease_shared_leads(const tj_lease_shared *shared,
                            int64_t now_ns,
                            int64_t *ret_term);

/* Tell whether the pause holds. Reads the wall clock only if there is one. */
bool tj__lease_shared_paused(const tj_lease_shared *shared);

#endif
