/* See lease_shared.h.
 *
 * Every word of the view is an atomic of its own, stored with release and
 * loaded with acquire: a reader that sees a word of a newer view also sees
 * that view's odd `turn` (or a later one) when it looks again, and starts
 * over. That needs no fences, which thread sanitizers do not understand. */
#include "lease/lease_shared.h"

#include <string.h>
#include <time.h>

static void gate_shut(tj_lease_shared *shared)
{
    atomic_store_explicit(&shared->start_until_ns, 0, memory_order_release);
}

static void gate_open(tj_lease_shared *shared, const tj_lease_view *view)
{
    if (atomic_load_explicit(&shared->term, memory_order_relaxed) !=
        view->term) {
        gate_shut(shared);
        atomic_store_explicit(&shared->term, view->term, memory_order_release);
    }
    atomic_store_explicit(&shared->start_until_ns, view->start_until_ns,
                          memory_order_release);
}

void tj__lease_shared_write(tj_lease_shared *shared, const tj_lease_view *view)
{
    uint64_t words[TJ_LEASE_VIEW_WORDS] = { 0 };
    uint64_t turn = atomic_load_explicit(&shared->turn, memory_order_relaxed);
    int64_t paused = 0;
    size_t at;

    if (view->row.pause.paused)
        paused = view->row.pause.until_wall_ms ? view->row.pause.until_wall_ms
                                               : INT64_MAX;
    if (!view->start_until_ns)
        gate_shut(shared);
    atomic_store_explicit(&shared->paused_until_wall_ms, paused,
                          memory_order_release);

    memcpy(words, view, sizeof(*view));
    atomic_store_explicit(&shared->turn, turn + 1, memory_order_relaxed);
    for (at = 0; at < TJ_LEASE_VIEW_WORDS; at++)
        atomic_store_explicit(&shared->words[at], words[at],
                              memory_order_release);
    atomic_store_explicit(&shared->turn, turn + 2, memory_order_release);

    if (view->start_until_ns)
        gate_open(shared, view);
}

void tj__lease_shared_read(const tj_lease_shared *shared,
                           tj_lease_view *ret_view)
{
    uint64_t words[TJ_LEASE_VIEW_WORDS];
    uint64_t before, after;
    size_t at;

    do {
        before = atomic_load_explicit(&shared->turn, memory_order_acquire);
        for (at = 0; at < TJ_LEASE_VIEW_WORDS; at++)
            words[at] =
                atomic_load_explicit(&shared->words[at], memory_order_acquire);
        after = atomic_load_explicit(&shared->turn, memory_order_relaxed);
    } while (before != after || (before & 1));
    memcpy(ret_view, words, sizeof(*ret_view));
}

bool tj__lease_shared_leads(const tj_lease_shared *shared,
                            int64_t now_ns,
                            int64_t *ret_term)
{
    int64_t until_ns, again_ns, term;

    /* The term changes only while the gate is shut: the same deadline before
     * and after means that the term between belongs to it. */
    again_ns =
        atomic_load_explicit(&shared->start_until_ns, memory_order_acquire);
    do {
        until_ns = again_ns;
        if (now_ns >= until_ns)
            return false;
        term = atomic_load_explicit(&shared->term, memory_order_acquire);
        again_ns =
            atomic_load_explicit(&shared->start_until_ns, memory_order_acquire);
    } while (until_ns != again_ns);
    if (term == atomic_load_explicit(&shared->shut_term, memory_order_acquire))
        return false;
    *ret_term = term;
    return true;
}

bool tj__lease_shared_paused(const tj_lease_shared *shared)
{
    int64_t until = atomic_load_explicit(&shared->paused_until_wall_ms,
                                         memory_order_acquire);
    struct timespec now;

    if (!until || until == INT64_MAX)
        return until != 0;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 < until;
}
