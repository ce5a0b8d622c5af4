/* What other threads see of a lease: whole views, and a gate that never opens
 * under the wrong term. Run under a thread sanitizer too. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lease/lease_shared.h"

enum { TURNS = 20000 };

typedef struct stage {
    tj_lease_shared shared;
    _Atomic bool over;
    _Atomic int n_torn;
    _Atomic int n_wrong;
    _Atomic int n_looks;
} stage;

/* Every field tells the same number, so that a torn view shows. The gate's
 * deadline is a thousand times the term. */
static void *writer_main(void *userdata)
{
    stage *it = userdata;
    int64_t turn;

    for (turn = 1; turn <= TURNS || !atomic_load(&it->n_looks); turn++) {
        tj_lease_view view;

        memset(&view, 0, sizeof(view));
        view.state = TJ_LEASE_LEADING;
        view.term = turn;
        view.start_until_ns = turn % 3 ? turn * 1000 : 0;
        view.row.term = turn;
        snprintf(view.reason, sizeof(view.reason), "%lld", (long long)turn);
        tj__lease_shared_write(&it->shared, &view);
    }
    atomic_store(&it->over, true);
    return NULL;
}

static void *reader_main(void *userdata)
{
    stage *it = userdata;

    while (!atomic_load(&it->over)) {
        tj_lease_view view;
        char text[32];
        int64_t term;

        tj__lease_shared_read(&it->shared, &view);
        snprintf(text, sizeof(text), "%lld", (long long)view.term);
        if (view.term != view.row.term ||
            (view.term && strcmp(text, view.reason)))
            atomic_fetch_add(&it->n_torn, 1);
        /* Before the deadline of its own term only: at 1000 t - 1 the gate may
         * be open for t, and for no earlier term. */
        if (view.term &&
            tj__lease_shared_leads(&it->shared, view.term * 1000 - 1, &term) &&
            term < view.term)
            atomic_fetch_add(&it->n_wrong, 1);
        atomic_fetch_add(&it->n_looks, 1);
    }
    return NULL;
}

/* No lock, no tear, no data race. */
static void test_views_are_whole_and_the_gate_is_right(void **state)
{
    static stage it;
    pthread_t writer, readers[2];

    assert_int_equal(pthread_create(&readers[0], NULL, reader_main, &it), 0);
    assert_int_equal(pthread_create(&readers[1], NULL, reader_main, &it), 0);
    assert_int_equal(pthread_create(&writer, NULL, writer_main, &it), 0);
    pthread_join(writer, NULL);
    pthread_join(readers[0], NULL);
    pthread_join(readers[1], NULL);
    assert_int_equal(atomic_load(&it.n_torn), 0);
    assert_int_equal(atomic_load(&it.n_wrong), 0);
    assert_true(atomic_load(&it.n_looks) > 0);
}

/* The deadline itself is too late already, and a term that was given up stays
 * shut whatever the deadline says. */
static void test_gate_opens_before_its_deadline_only(void **state)
{
    static tj_lease_shared shared;
    tj_lease_view view;
    int64_t term = 0;

    memset(&view, 0, sizeof(view));
    view.state = TJ_LEASE_LEADING;
    view.term = 5;
    view.start_until_ns = 100;
    tj__lease_shared_write(&shared, &view);
    assert_true(tj__lease_shared_leads(&shared, 99, &term));
    assert_int_equal(term, 5);
    assert_false(tj__lease_shared_leads(&shared, 100, &term));
    atomic_store(&shared.shut_term, 5);
    assert_false(tj__lease_shared_leads(&shared, 99, &term));
    view.term = 6;
    tj__lease_shared_write(&shared, &view);
    assert_true(tj__lease_shared_leads(&shared, 99, &term));
    assert_int_equal(term, 6);
}

/* A pause without end, one that is over, and none. */
static void test_pause_is_looked_at(void **state)
{
    static tj_lease_shared shared;
    tj_lease_view view;

    memset(&view, 0, sizeof(view));
    tj__lease_shared_write(&shared, &view);
    assert_false(tj__lease_shared_paused(&shared));
    view.row.pause.paused = true;
    tj__lease_shared_write(&shared, &view);
    assert_true(tj__lease_shared_paused(&shared));
    view.row.pause.until_wall_ms = 1;
    tj__lease_shared_write(&shared, &view);
    assert_false(tj__lease_shared_paused(&shared));
    view.row.pause.until_wall_ms = INT64_C(253402300799999);
    tj__lease_shared_write(&shared, &view);
    assert_true(tj__lease_shared_paused(&shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_are_whole_and_the_gate_is_right),
        cmocka_unit_test(test_gate_opens_before_its_deadline_only),
        cmocka_unit_test(test_pause_is_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
