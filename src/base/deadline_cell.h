/* A lease's deadline in memory that the daemon shares with its warden.
 *
 * The lease keeper stores, the warden reads; nobody takes a lock. One cell
 * belongs to one lease. All times are CLOCK_BOOTTIME nanoseconds. `kill_at`
 * (K of the protocol) is when every run of this lease must be killed, whoever
 * agrees; `dead_at` (D) is when a daemon that has not given the lease up by
 * then counts as hanging. 0 in `kill_at` means: no lease is held, nothing may
 * be started, nothing is overdue. The keeper extends `dead_at` first and
 * `kill_at` second, and clears `kill_at` first, so that a reader that takes
 * them in the opposite order never sees a pair that is too late. */
#ifndef TJ_BASE_DEADLINE_CELL_H
#define TJ_BASE_DEADLINE_CELL_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct tj_deadline_cell {
    _Atomic int64_t kill_at_ns;
    _Atomic int64_t dead_at_ns;
    _Atomic int64_t term; /* the term that the deadlines belong to */
    int64_t reserved[5];  /* a cell has its cache line to itself */
} tj_deadline_cell;

static inline void tj__deadline_extend(tj_deadline_cell *cell,
                                       int64_t term,
                                       int64_t kill_at_ns,
                                       int64_t dead_at_ns)
{
    atomic_store_explicit(&cell->term, term, memory_order_relaxed);
    atomic_store_explicit(&cell->dead_at_ns, dead_at_ns, memory_order_release);
    atomic_store_explicit(&cell->kill_at_ns, kill_at_ns, memory_order_release);
}

static inline void tj__deadline_clear(tj_deadline_cell *cell)
{
    atomic_store_explicit(&cell->kill_at_ns, 0, memory_order_release);
    atomic_store_explicit(&cell->dead_at_ns, 0, memory_order_release);
}

#endif
