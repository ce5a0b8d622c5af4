/* The lease as its owner has it: real threads, a real clock, rows in memory. A
 * bad backend stands for everything that a disk or a network can do. Times are
 * short, bounds are wide: nothing here depends on a fast machine. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/deadline_cell.h"
#include "hand_loop.h"

#include <timedjobs/lease.h>
#include <timedjobs/testing.h>

#define WAIT_MS 20000

/* ---- a backend that can be made to fail or to hang ---- */

typedef struct bad_backend {
    tj_lease_backend backend; /* first */
    tj_lease_backend *inner;
    _Atomic bool failing;
    _Atomic bool hanging; /* calls that have begun do not end */
    _Atomic int n_hanging;
} bad_backend;

static bad_backend *bad_of(tj_lease_backend *backend)
{
    return (bad_backend *)(void *)backend;
}

static int bad_day(bad_backend *bad, tj_error *reterr)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    atomic_fetch_add(&bad->n_hanging, 1);
    while (atomic_load(&bad->hanging))
        nanosleep(&pause, NULL);
    atomic_fetch_sub(&bad->n_hanging, 1);
    if (!atomic_load(&bad->failing))
        return 0;
    if (reterr) {
        memset(reterr, 0, sizeof(*reterr));
        reterr->code = TJ_EIO;
        snprintf(reterr->message, sizeof(reterr->message), "bad disk");
    }
    return TJ_EIO;
}

static int bad_read(tj_lease_backend *backend,
                    const char *name,
                    int64_t deadline_ns,
                    tj_lease_record *ret_record,
                    tj_error *reterr)
{
    bad_backend *bad = bad_of(backend);
    int code = bad_day(bad, reterr);

    return code ? code
                : bad->inner->ops->read(bad->inner, name, deadline_ns,
                                        ret_record, reterr);
}

static int bad_acquire(tj_lease_backend *backend,
                       const char *name,
                       const tj_lease_record *seen,
                       const tj_lease_record *claim,
                       int64_t deadline_ns,
                       tj_lease_outcome *ret_outcome,
                       tj_error *reterr)
{
    bad_backend *bad = bad_of(backend);
    int code = bad_day(bad, reterr);

    return code ? code
                : bad->inner->ops->acquire(bad->inner, name, seen, claim,
                                           deadline_ns, ret_outcome, reterr);
}

static int bad_renew(tj_lease_backend *backend,
                     const char *name,
                     int64_t term,
                     const char *holder,
                     int64_t deadline_ns,
                     tj_lease_outcome *ret_outcome,
                     tj_lease_pause *ret_pause,
                     tj_error *reterr)
{
    bad_backend *bad = bad_of(backend);
    int code = bad_day(bad, reterr);

    return code ? code
                : bad->inner->ops->renew(bad->inner, name, term, holder,
                                         deadline_ns, ret_outcome, ret_pause,
                                         reterr);
}

static int bad_release(tj_lease_backend *backend,
                       const char *name,
                       int64_t term,
                       const char *holder,
                       int64_t deadline_ns,
                       tj_lease_outcome *ret_outcome,
                       tj_error *reterr)
{
    bad_backend *bad = bad_of(backend);
    int code = bad_day(bad, reterr);

    return code ? code
                : bad->inner->ops->release(bad->inner, name, term, holder,
                                           deadline_ns, ret_outcome, reterr);
}

static int bad_repair(tj_lease_backend *backend,
                      const char *name,
                      int64_t term,
                      const char *holder,
                      int64_t new_term,
                      int64_t deadline_ns,
                      tj_lease_outcome *ret_outcome,
                      tj_error *reterr)
{
    bad_backend *bad = bad_of(backend);
    int code = bad_day(bad, reterr);

    return code ? code
                : bad->inner->ops->repair(bad->inner, name, term, holder,
                                          new_term, deadline_ns, ret_outcome,
                                          reterr);
}

static int bad_set_pause(tj_lease_backend *backend,
                         const char *name,
                         const tj_lease_pause *pause,
                         int64_t deadline_ns,
                         tj_error *reterr)
{
    bad_backend *bad = bad_of(backend);
    int code = bad_day(bad, reterr);

    return code ? code
                : bad->inner->ops->set_pause(bad->inner, name, pause,
                                             deadline_ns, reterr);
}

static int bad_watch_fd(tj_lease_backend *backend)
{
    bad_backend *bad = bad_of(backend);

    return bad->inner->ops->watch_fd(bad->inner);
}

static void bad_watch_clear(tj_lease_backend *backend)
{
    bad_backend *bad = bad_of(backend);

    bad->inner->ops->watch_clear(bad->inner);
}

static void bad_free(tj_lease_backend *backend)
{
    tj_lease_backend_free(bad_of(backend)->inner);
    free(backend);
}

static const tj_lease_backend_ops bad_ops = {
    .size = sizeof(tj_lease_backend_ops),
    .name = "bad",
    .read = bad_read,
    .acquire = bad_acquire,
    .renew = bad_renew,
    .release = bad_release,
    .repair = bad_repair,
    .set_pause = bad_set_pause,
    .watch_fd = bad_watch_fd,
    .watch_clear = bad_watch_clear,
    .free = bad_free,
};

/* ---- nodes ---- */

typedef struct node {
    hand_loop *loop;
    bad_backend *bad;
    tj_lease *lease;
    tj_deadline_cell cell;
    bool drains; /* its owner has nothing to end */
    tj_lease_view last;
    int n_changes;
    tj_lease_order worst; /* order seen since it led last */
    bool stopped;
    bool closed;
    int request_code;
    bool request_over;
} node;

static tj_lease_memory *memory;
static hand_loop *loop;

static void
on_change(tj_lease *lease, const tj_lease_view *view, void *userdata)
{
    node *it = userdata;

    it->last = *view;
    it->n_changes++;
    if (view->state == TJ_LEASE_LEADING && view->order == TJ_LEASE_ORDER_RUN)
        it->worst = TJ_LEASE_ORDER_RUN;
    if (view->order > it->worst)
        it->worst = view->order;
    if (it->drains && view->state == TJ_LEASE_DRAINING)
        tj_lease_drained(lease, view->term);
}

static void node_make(node *it, int64_t lease_ms, int64_t heartbeat_ms)
{
    tj_lease_options options;
    tj_lease_backend *inner = NULL;
    tj_error error = TJ_ERROR_INIT;

    memset(it, 0, sizeof(*it));
    it->drains = true;
    it->loop = loop;
    it->bad = calloc(1, sizeof(*it->bad));
    assert_non_null(it->bad);
    assert_int_equal(tj_lease_backend_memory_new(memory, &inner, &error), 0);
    it->bad->backend.ops = &bad_ops;
    it->bad->inner = inner;
    tj_lease_options_init(&options);
    tj_lease_options_scale(&options, lease_ms);
    options.backend = &it->bad->backend;
    options.take_backend = true;
    options.loop = hand_loop_get(loop);
    options.host = "host";
    options.cell = &it->cell;
    options.heartbeat_timeout_ms = heartbeat_ms;
    options.on_change = on_change;
    options.userdata = it;
    assert_int_equal(tj_lease_new(&options, &it->lease, &error), 0);
}

static void set_true(void *userdata)
{
    *(bool *)userdata = true;
}

static bool is_true(void *userdata)
{
    return *(bool *)userdata;
}

static bool is_leading(void *userdata)
{
    return ((node *)userdata)->last.state == TJ_LEASE_LEADING;
}

static bool is_following(void *userdata)
{
    return ((node *)userdata)->last.state == TJ_LEASE_FOLLOWER &&
           ((node *)userdata)->n_changes;
}

static bool is_over(void *userdata)
{
    return ((node *)userdata)->last.order == TJ_LEASE_ORDER_OVER;
}

static void node_start(node *it)
{
    assert_int_equal(tj_lease_start(it->lease, NULL), 0);
}

static void node_close(node *it)
{
    atomic_store(&it->bad->hanging, false);
    tj_lease_close(it->lease, set_true, &it->closed);
    assert_true(hand_loop_until(loop, is_true, &it->closed, WAIT_MS));
}

static int site_open(void **state)
{
    loop = hand_loop_new();
    return tj_lease_memory_new(&memory);
}

static int site_close(void **state)
{
    tj_lease_memory_free(memory);
    hand_loop_free(loop);
    return 0;
}

/* ---- the tests ---- */

/* Leads at once, shows it to gate and warden, and hands over in good order. */
static void test_clean_stop_hands_over_at_once(void **state)
{
    node a, b;
    tj_lease_view view;
    int64_t term = 0, began_ns;

    node_make(&a, 6000, 0);
    node_make(&b, 6000, 0);
    assert_false(tj_lease_may_start(a.lease, tj_lease_now_ns(), &term));
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    assert_true(tj_lease_may_start(a.lease, tj_lease_now_ns(), &term));
    assert_int_equal(term, 1);
    assert_true(atomic_load(&a.cell.kill_at_ns) > tj_lease_now_ns());
    assert_int_equal(atomic_load(&a.cell.term), 1);
    node_start(&b);
    assert_true(hand_loop_until(loop, is_following, &b, WAIT_MS));

    began_ns = tj_lease_now_ns();
    assert_int_equal(tj_lease_stop(a.lease, set_true, &a.stopped), 0);
    /* From this call on nothing starts. */
    assert_false(tj_lease_may_start(a.lease, tj_lease_now_ns(), NULL));
    assert_int_equal(tj_lease_start(a.lease, NULL), TJ_ESTOPPING);
    assert_true(hand_loop_until(loop, is_leading, &b, WAIT_MS));
    /* Far below R = 800 ms: b was told. The bound is for busy machines. */
    assert_in_range((tj_lease_now_ns() - began_ns) / 1000000, 0, 600);
    assert_true(hand_loop_until(loop, is_true, &a.stopped, WAIT_MS));
    assert_int_equal(atomic_load(&a.cell.kill_at_ns), 0);
    tj_lease_read(a.lease, &view);
    assert_int_equal(view.state, TJ_LEASE_STOPPED);
    assert_string_equal(view.reason, "stopped");
    assert_true(tj_lease_may_start(b.lease, tj_lease_now_ns(), &term));
    assert_int_equal(term, 2);

    /* And a stopped one can be started again. */
    assert_int_equal(tj_lease_start(a.lease, NULL), 0);
    assert_true(hand_loop_until(loop, is_following, &a, WAIT_MS));
    node_close(&a);
    node_close(&b);
}

/* The release waits for the owner, however long that takes. */
static void test_release_waits_for_drained(void **state)
{
    node a;
    tj_lease_backend *look = NULL;
    tj_lease_record record;

    node_make(&a, 300, 0);
    a.drains = false;
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    assert_int_equal(tj_lease_backend_memory_new(memory, &look, NULL), 0);
    assert_int_equal(tj_lease_stop(a.lease, set_true, &a.stopped), 0);
    /* Longer than a lease: renewals cover the drain. */
    assert_false(hand_loop_until(loop, is_true, &a.stopped, 700));
    assert_int_equal(a.last.state, TJ_LEASE_DRAINING);
    assert_int_equal(a.last.order, TJ_LEASE_ORDER_DRAIN);
    assert_int_equal(tj_lease_show_once(look, "main", 1000, &record, NULL), 0);
    assert_false(record.released);
    assert_true(record.seq > 5);
    tj_lease_drained(a.lease, 1);
    assert_true(hand_loop_until(loop, is_true, &a.stopped, WAIT_MS));
    assert_int_equal(tj_lease_show_once(look, "main", 1000, &record, NULL), 0);
    assert_true(record.released);
    tj_lease_backend_free(look);
    node_close(&a);
}

/* A backend that hangs holds nothing up but itself: every order is told in its
 * time, although the keeper sits in a call all the while. */
static void test_hung_backend_delays_no_order(void **state)
{
    node a;
    int64_t kill_at_ns;

    node_make(&a, 600, 0);
    a.drains = false;
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    atomic_store(&a.bad->hanging, true);
    assert_true(hand_loop_until(loop, is_over, &a, WAIT_MS));
    assert_int_equal(atomic_load(&a.bad->n_hanging), 1);
    assert_int_equal(a.last.state, TJ_LEASE_DRAINING);
    assert_false(tj_lease_may_start(a.lease, tj_lease_now_ns(), NULL));
    /* The warden still sees what has passed: the owner has not given up. */
    kill_at_ns = atomic_load(&a.cell.kill_at_ns);
    assert_true(kill_at_ns && kill_at_ns < tj_lease_now_ns());
    atomic_store(&a.bad->hanging, false);
    tj_lease_drained(a.lease, a.last.term);
    /* Released under term 1, and won again under the next. */
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    assert_int_equal(a.last.term, 2);
    a.drains = true;
    node_close(&a);
}

/* A backend that fails: demoted by deadline, with the reason; back by itself.
 */
static void test_failing_backend_demotes_and_recovers(void **state)
{
    node a;

    node_make(&a, 300, 0);
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    atomic_store(&a.bad->failing, true);
    assert_true(hand_loop_until(loop, is_following, &a, WAIT_MS));
    assert_non_null(strstr(a.last.reason, "bad disk"));
    assert_true(a.last.n_unknown > 0);
    atomic_store(&a.bad->failing, false);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    assert_int_equal(a.last.term, 2);
    node_close(&a);
}

/* Told by name, and another leads meanwhile. */
static void test_step_down_hands_over(void **state)
{
    node a, b;
    tj_error error = TJ_ERROR_INIT;

    node_make(&a, 6000, 0);
    node_make(&b, 6000, 0);
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    node_start(&b);
    assert_true(hand_loop_until(loop, is_following, &b, WAIT_MS));
    assert_int_equal(tj_lease_step_down(b.lease, "ann", NULL, &error),
                     TJ_EALREADY);
    assert_int_equal(tj_lease_step_down(a.lease, "a\nb", NULL, &error),
                     TJ_EINVAL);
    assert_int_equal(tj_lease_step_down(a.lease, "ann", "upgrade", &error), 0);
    assert_false(tj_lease_may_start(a.lease, tj_lease_now_ns(), NULL));
    assert_true(hand_loop_until(loop, is_leading, &b, WAIT_MS));
    assert_true(hand_loop_until(loop, is_following, &a, WAIT_MS));
    assert_string_equal(a.last.reason, "stepped down by ann: upgrade");
    node_close(&a);
    node_close(&b);
}

static void on_request(int code, const tj_error *error, void *userdata)
{
    node *it = userdata;

    it->request_code = code;
    it->request_over = true;
    assert_true(!code == !error);
}

static bool is_paused(void *userdata)
{
    return ((node *)userdata)->last.row.pause.paused;
}

static bool is_not_paused(void *userdata)
{
    return !((node *)userdata)->last.row.pause.paused;
}

/* Set by a follower, heard by the leader, ended by the leader; a pause shuts
 * the gate and does not end the leadership. */
static void test_pause_reaches_the_leader(void **state)
{
    node a, b;
    tj_gate gate;
    tj_gate_pass pass;
    tj_gate_request request = { .engine = NULL };

    node_make(&a, 600, 0);
    node_make(&b, 600, 0);
    assert_int_equal(
        tj_lease_set_pause(a.lease, "ann", "why", 0, on_request, &a, NULL),
        TJ_ECLOSED);
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    node_start(&b);
    assert_true(hand_loop_until(loop, is_following, &b, WAIT_MS));
    tj_lease_gate(a.lease, &gate);
    assert_int_equal(gate.ask(request, &pass, gate.userdata), TJ_GATE_OPEN);
    assert_string_equal(pass.controller_id, tj_lease_get_holder(a.lease));
    assert_string_equal(pass.host, "host");
    assert_int_equal(pass.term, 1);
    assert_int_equal(gate.recheck(&pass, gate.userdata), TJ_GATE_OPEN);

    assert_int_equal(
        tj_lease_set_pause(b.lease, "ann", "why", 0, on_request, &b, NULL), 0);
    assert_true(hand_loop_until(loop, is_true, &b.request_over, WAIT_MS));
    assert_int_equal(b.request_code, 0);
    assert_true(hand_loop_until(loop, is_paused, &a, WAIT_MS));
    assert_int_equal(a.last.state, TJ_LEASE_LEADING);
    assert_string_equal(a.last.row.pause.who, "ann");
    assert_int_equal(gate.ask(request, &pass, gate.userdata),
                     TJ_GATE_SYSTEM_PAUSED);
    assert_int_equal(gate.recheck(&pass, gate.userdata), TJ_GATE_SYSTEM_PAUSED);
    assert_false(tj_lease_may_start(a.lease, tj_lease_now_ns(), NULL));

    assert_int_equal(tj_lease_resume(a.lease, on_request, &a, NULL), 0);
    assert_true(hand_loop_until(loop, is_true, &a.request_over, WAIT_MS));
    assert_true(hand_loop_until(loop, is_not_paused, &a, WAIT_MS));
    assert_int_equal(gate.ask(request, &pass, gate.userdata), TJ_GATE_OPEN);
    pass.term = 99;
    assert_int_equal(gate.recheck(&pass, gate.userdata), TJ_GATE_NOT_LEADER);

    tj_lease_gate(b.lease, &gate);
    assert_int_equal(gate.ask(request, &pass, gate.userdata),
                     TJ_GATE_NOT_LEADER);
    node_close(&a);
    node_close(&b);
}

/* What nobody will do any more is said to be cancelled. */
static void test_requests_end_with_the_lease(void **state)
{
    node a;

    node_make(&a, 600, 0);
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    atomic_store(&a.bad->failing, true);
    assert_int_equal(
        tj_lease_set_pause(a.lease, "ann", NULL, 0, on_request, &a, NULL), 0);
    assert_true(hand_loop_until(loop, is_true, &a.request_over, WAIT_MS));
    assert_int_equal(a.request_code, TJ_EIO);
    atomic_store(&a.bad->failing, false);
    atomic_store(&a.bad->hanging, true);
    a.request_over = false;
    while (!atomic_load(&a.bad->n_hanging))
        (void)hand_loop_until(loop, is_true, &a.request_over, 5);
    assert_int_equal(
        tj_lease_set_pause(a.lease, "ann", NULL, 0, on_request, &a, NULL), 0);
    node_close(&a);
    assert_true(a.request_over);
}

/* A loop that does nothing must not lead; its own timer keeps the test honest:
 * the orders are told although nobody beats. */
static void test_lost_heartbeat_resigns(void **state)
{
    node a;
    tj_lease_view view;

    node_make(&a, 600, 200);
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    assert_true(hand_loop_until(loop, is_following, &a, WAIT_MS));
    assert_non_null(strstr(a.last.reason, "the loop has not moved for"));
    tj_lease_read(a.lease, &view);
    assert_int_equal(view.state, TJ_LEASE_FOLLOWER);
    /* Beating again, it may lead again. */
    while (a.last.state != TJ_LEASE_LEADING) {
        tj_lease_heartbeat(a.lease);
        (void)hand_loop_until(loop, is_leading, &a, 20);
    }
    assert_int_equal(a.last.term, 2);
    node_close(&a);
}

/* Calls from close to close, in every order, leak nothing and hang nowhere. */
static void test_odd_lives_end_well(void **state)
{
    tj_lease_options options;
    tj_lease_backend *backend = NULL;
    tj_lease *lease = NULL;
    tj_error error = TJ_ERROR_INIT;
    bool stops[3] = { false };
    node a;

    /* Never started. */
    node_make(&a, 600, 0);
    assert_int_equal(tj_lease_stop(a.lease, set_true, &a.stopped), 0);
    assert_false(a.stopped); /* never from inside */
    assert_true(hand_loop_until(loop, is_true, &a.stopped, WAIT_MS));
    node_close(&a);
    /* Closed at once. */
    node_make(&a, 600, 0);
    node_start(&a);
    node_start(&a);
    node_close(&a);
    /* Several stops, and a close on top. */
    node_make(&a, 600, 0);
    a.drains = false;
    node_start(&a);
    assert_true(hand_loop_until(loop, is_leading, &a, WAIT_MS));
    assert_int_equal(tj_lease_stop(a.lease, set_true, &stops[0]), 0);
    assert_int_equal(tj_lease_stop(a.lease, NULL, NULL), 0);
    assert_int_equal(tj_lease_stop(a.lease, set_true, &stops[2]), 0);
    node_close(&a);
    assert_true(stops[0] && stops[2]);
    /* A taken backend is freed also when nothing comes of it. */
    tj_lease_options_init(&options);
    assert_int_equal(tj_lease_backend_memory_new(memory, &backend, NULL), 0);
    options.backend = backend;
    options.take_backend = true;
    assert_int_equal(tj_lease_new(&options, &lease, &error), TJ_EINVAL);
    tj_lease_close(NULL, NULL, NULL);
}

/* ---- out of memory ---- */

static int allocations_left;

static bool allocation_fails(void)
{
    return allocations_left-- == 0;
}

static void *failing_malloc(size_t size)
{
    return allocation_fails() ? NULL : malloc(size);
}

static void *failing_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : calloc(count, size);
}

static void *failing_realloc(void *memory_, size_t size)
{
    return allocation_fails() ? NULL : realloc(memory_, size);
}

/* Each allocation of a lease's making fails once: an error, and no leak. */
static void test_failed_allocations_are_told(void **state)
{
    static const tj_allocator failing = { failing_malloc, failing_calloc,
                                          failing_realloc, free };
    int n_failed = 0;
    int code = TJ_ENOMEM;

    tj_set_allocator(&failing);
    while (code) {
        tj_lease_memory *rows = NULL;
        tj_lease_backend *backend = NULL;
        tj_lease *lease = NULL;
        bool closed = false;

        assert_in_range(n_failed, 0, 20);
        allocations_left = n_failed;
        code = tj_lease_memory_new(&rows);
        if (!code)
            code = tj_lease_backend_memory_new(rows, &backend, NULL);
        if (!code) {
            tj_lease_options options;

            tj_lease_options_init(&options);
            options.backend = backend;
            options.take_backend = true;
            options.loop = hand_loop_get(loop);
            options.state_dir = "/nonexistent";
            code = tj_lease_new(&options, &lease, NULL);
        }
        allocations_left = -1;
        if (code) {
            assert_int_equal(code, TJ_ENOMEM);
            n_failed++;
        } else {
            tj_lease_close(lease, set_true, &closed);
            assert_true(hand_loop_until(loop, is_true, &closed, WAIT_MS));
        }
        tj_lease_memory_free(rows);
    }
    tj_set_allocator(NULL);
    assert_true(n_failed >= 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, site_open, site_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clean_stop_hands_over_at_once),
        TEST(test_release_waits_for_drained),
        TEST(test_hung_backend_delays_no_order),
        TEST(test_failing_backend_demotes_and_recovers),
        TEST(test_step_down_hands_over),
        TEST(test_pause_reaches_the_leader),
        TEST(test_requests_end_with_the_lease),
        TEST(test_lost_heartbeat_resigns),
        TEST(test_odd_lives_end_well),
        cmocka_unit_test_setup_teardown(test_failed_allocations_are_told,
                                        site_open, site_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
