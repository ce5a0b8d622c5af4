/* What every backend must do, call by call. */
#include "suite.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ALICE "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BOB   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* Far enough for the slowest disk. */
#define CALL_NS INT64_C(20000000000)

static const lease_site *site;

typedef struct pair {
    void *rows;
    tj_lease_backend *a;
    tj_lease_backend *b;
} pair;

static int pair_open(void **state)
{
    static pair it;

    it.rows = site->open();
    it.a = site->node(it.rows);
    it.b = site->node(it.rows);
    *state = &it;
    return 0;
}

static int pair_close(void **state)
{
    pair *it = *state;

    tj_lease_backend_free(it->a);
    tj_lease_backend_free(it->b);
    site->close(it->rows);
    return 0;
}

static int64_t deadline(void)
{
    return tj_lease_now_ns() + CALL_NS;
}

static void ok(int code, const tj_error *error)
{
    if (code)
        print_error("%s: %s\n", tj_error_name(code), error->message);
    assert_int_equal(code, 0);
}

static tj_lease_record read_row(tj_lease_backend *backend, const char *name)
{
    tj_error error = TJ_ERROR_INIT;
    tj_lease_record record;

    memset(&record, 0xa5, sizeof(record));
    ok(backend->ops->read(backend, name, deadline(), &record, &error), &error);
    return record;
}

static tj_lease_record claim_of(const char *holder)
{
    tj_lease_record claim = { .lease_ms = 6000,
                              .pid = 4711,
                              .pid_start = 815,
                              .acquired_wall_ms = 1775030400000,
                              .frees_on_death = true };

    snprintf(claim.holder, sizeof(claim.holder), "%s", holder);
    snprintf(claim.host, sizeof(claim.host), "host-%c", holder[0]);
    snprintf(claim.boot_id, sizeof(claim.boot_id),
             "00000000-1111-2222-3333-444444444444");
    snprintf(claim.namespaces, sizeof(claim.namespaces), "pid:[1] time:[2]");
    return claim;
}

static tj_lease_outcome acquire(tj_lease_backend *backend,
                                const tj_lease_record *seen,
                                const char *holder)
{
    tj_lease_record claim = claim_of(holder);
    tj_lease_outcome outcome = TJ_LEASE_CHANGED;
    tj_error error = TJ_ERROR_INIT;

    ok(backend->ops->acquire(backend, "main", seen, &claim, deadline(),
                             &outcome, &error),
       &error);
    return outcome;
}

static tj_lease_outcome renew(tj_lease_backend *backend,
                              int64_t term,
                              const char *holder,
                              tj_lease_pause *ret_pause)
{
    tj_lease_outcome outcome = TJ_LEASE_DONE;
    tj_lease_pause pause;
    tj_error error = TJ_ERROR_INIT;

    ok(backend->ops->renew(backend, "main", term, holder, deadline(), &outcome,
                           ret_pause ? ret_pause : &pause, &error),
       &error);
    return outcome;
}

static tj_lease_outcome
release(tj_lease_backend *backend, int64_t term, const char *holder)
{
    tj_lease_outcome outcome = TJ_LEASE_DONE;
    tj_error error = TJ_ERROR_INIT;

    ok(backend->ops->release(backend, "main", term, holder, deadline(),
                             &outcome, &error),
       &error);
    return outcome;
}

static tj_lease_outcome repair(tj_lease_backend *backend,
                               int64_t term,
                               const char *holder,
                               int64_t new_term)
{
    tj_lease_outcome outcome = TJ_LEASE_DONE;
    tj_error error = TJ_ERROR_INIT;

    ok(backend->ops->repair(backend, "main", term, holder, new_term, deadline(),
                            &outcome, &error),
       &error);
    return outcome;
}

static void set_pause(tj_lease_backend *backend, const tj_lease_pause *pause)
{
    tj_error error = TJ_ERROR_INIT;

    ok(backend->ops->set_pause(backend, "main", pause, deadline(), &error),
       &error);
}

/* No row yet is an answer, not an error. */
static void test_no_row_reads_as_nothing(void **state)
{
    const pair *it = *state;
    const tj_lease_record none = { .exists = false };
    tj_lease_record record = read_row(it->a, "main");

    assert_memory_equal(&record, &none, sizeof(none));
}

/* What is claimed is what others read, the term and sequence counted on. */
static void test_acquired_row_is_read_by_others(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");
    tj_lease_record record;

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    record = read_row(it->b, "main");
    assert_true(record.exists && !record.released && record.frees_on_death);
    assert_int_equal(record.term, 1);
    assert_int_equal(record.seq, 1);
    assert_int_equal(record.lease_ms, 6000);
    assert_int_equal(record.pid, 4711);
    assert_int_equal(record.pid_start, 815);
    assert_true(record.acquired_wall_ms == 1775030400000);
    assert_string_equal(record.holder, ALICE);
    assert_string_equal(record.host, "host-a");
    assert_string_equal(record.boot_id, "00000000-1111-2222-3333-444444444444");
    assert_string_equal(record.namespaces, "pid:[1] time:[2]");
    assert_false(record.pause.paused);
}

/* Of two that saw the same, one wins. */
static void test_second_acquisition_of_the_same_sight_fails(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    assert_int_equal(acquire(it->b, &seen, BOB), TJ_LEASE_CHANGED);
    seen = read_row(it->b, "main");
    assert_int_equal(acquire(it->b, &seen, BOB), TJ_LEASE_DONE);
    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_CHANGED);
    assert_int_equal(read_row(it->a, "main").term, 2);
    assert_string_equal(read_row(it->a, "main").holder, BOB);
}

/* A renewal since makes what was seen stale: this is the whole protocol. */
static void test_acquisition_after_a_renewal_fails(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    seen = read_row(it->b, "main");
    assert_int_equal(renew(it->a, 1, ALICE, NULL), TJ_LEASE_DONE);
    assert_int_equal(acquire(it->b, &seen, BOB), TJ_LEASE_CHANGED);
    assert_int_equal(read_row(it->b, "main").seq, 2);
}

/* Somebody who remembers a row cannot bring it into a store that has none. */
static void test_acquisition_of_a_row_that_vanished_fails(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = { .exists = true, .term = 5, .seq = 9 };

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_CHANGED);
    assert_false(read_row(it->a, "main").exists);
}

/* Term and holder both count, in every change of a held row. */
static void test_only_the_holder_changes_its_row(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");
    tj_lease_record before, after;

    assert_int_equal(renew(it->a, 1, ALICE, NULL), TJ_LEASE_CHANGED);
    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    before = read_row(it->a, "main");
    assert_int_equal(renew(it->b, 1, BOB, NULL), TJ_LEASE_CHANGED);
    assert_int_equal(renew(it->b, 2, ALICE, NULL), TJ_LEASE_CHANGED);
    assert_int_equal(release(it->b, 1, BOB), TJ_LEASE_CHANGED);
    assert_int_equal(release(it->b, 2, ALICE), TJ_LEASE_CHANGED);
    assert_int_equal(repair(it->b, 1, BOB, 9), TJ_LEASE_CHANGED);
    assert_int_equal(repair(it->b, 2, ALICE, 9), TJ_LEASE_CHANGED);
    after = read_row(it->a, "main");
    assert_memory_equal(&before, &after, sizeof(before));
}

/* Released is over: a late renewal of the same holder must not pass, or it
 * would believe in a lease that others may take. */
static void test_released_row_is_not_renewed(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    assert_int_equal(release(it->a, 1, ALICE), TJ_LEASE_DONE);
    assert_true(read_row(it->b, "main").released);
    assert_int_equal(read_row(it->b, "main").term, 1);
    assert_int_equal(read_row(it->b, "main").seq, 2);
    assert_int_equal(renew(it->a, 1, ALICE, NULL), TJ_LEASE_CHANGED);
    assert_int_equal(release(it->a, 1, ALICE), TJ_LEASE_CHANGED);
    assert_int_equal(repair(it->a, 1, ALICE, 5), TJ_LEASE_CHANGED);
}

/* The next holder has the next term, and the row is not released any more. */
static void test_term_goes_on_after_a_release(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    assert_int_equal(release(it->a, 1, ALICE), TJ_LEASE_DONE);
    seen = read_row(it->b, "main");
    assert_int_equal(acquire(it->b, &seen, BOB), TJ_LEASE_DONE);
    assert_int_equal(read_row(it->a, "main").term, 2);
    assert_false(read_row(it->a, "main").released);
    assert_int_equal(renew(it->b, 2, BOB, NULL), TJ_LEASE_DONE);
    assert_int_equal(renew(it->a, 1, ALICE, NULL), TJ_LEASE_CHANGED);
}

/* A term below one that was seen elsewhere is lifted, by its holder. */
static void test_repair_lifts_the_term(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    assert_int_equal(repair(it->a, 1, ALICE, TJ_LEASE_TERM_MAX), TJ_LEASE_DONE);
    assert_true(read_row(it->b, "main").term == TJ_LEASE_TERM_MAX);
    assert_int_equal(renew(it->a, 1, ALICE, NULL), TJ_LEASE_CHANGED);
    assert_int_equal(renew(it->a, TJ_LEASE_TERM_MAX, ALICE, NULL),
                     TJ_LEASE_DONE);
    assert_string_equal(read_row(it->b, "main").holder, ALICE);
}

/* Anybody may pause; the holder hears with its renewal; nobody's wait for the
 * lease begins anew by it; and it survives changes of holder. */
static void test_pause_belongs_to_the_row(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");
    tj_lease_pause pause = { .paused = true,
                             .until_wall_ms = 1775030400000,
                             .who = "ann",
                             .why = "Wartung, 2\xc2\xbd h: \"it's\"; --" };
    tj_lease_pause heard = { .paused = false };
    tj_lease_record before;

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    before = read_row(it->a, "main");
    set_pause(it->b, &pause);
    assert_int_equal(read_row(it->a, "main").seq, before.seq);
    assert_int_equal(read_row(it->a, "main").term, before.term);
    assert_int_equal(renew(it->a, 1, ALICE, &heard), TJ_LEASE_DONE);
    assert_true(heard.paused && heard.until_wall_ms == pause.until_wall_ms);
    assert_string_equal(heard.who, pause.who);
    assert_string_equal(heard.why, pause.why);
    assert_int_equal(release(it->a, 1, ALICE), TJ_LEASE_DONE);
    seen = read_row(it->b, "main");
    assert_int_equal(acquire(it->b, &seen, BOB), TJ_LEASE_DONE);
    assert_string_equal(read_row(it->b, "main").pause.why, pause.why);
    memset(&pause, 0, sizeof(pause));
    set_pause(it->a, &pause);
    assert_int_equal(renew(it->b, 2, BOB, &heard), TJ_LEASE_DONE);
    assert_false(heard.paused);
}

/* A fleet can be paused before anybody ever led it. */
static void test_pause_before_the_first_holder(void **state)
{
    const pair *it = *state;
    tj_lease_pause pause = { .paused = true, .who = "ann" };
    tj_lease_record seen;

    set_pause(it->a, &pause);
    seen = read_row(it->b, "main");
    assert_true(seen.exists && seen.released && seen.pause.paused);
    assert_int_equal(seen.term, 0);
    assert_int_equal(acquire(it->b, &seen, BOB), TJ_LEASE_DONE);
    assert_int_equal(read_row(it->a, "main").term, 1);
    assert_true(read_row(it->a, "main").pause.paused);
}

/* Names are kept apart, whatever they look like. */
static void test_leases_are_apart_by_name(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    assert_false(read_row(it->b, "Main").exists);
    assert_false(read_row(it->b, "main.").exists);
    assert_false(read_row(it->b, "mai").exists);
}

/* Longest texts come back whole. */
static void test_longest_texts_come_back(void **state)
{
    const pair *it = *state;
    tj_lease_pause pause = { .paused = true };
    tj_lease_record record;

    memset(pause.who, 'w', sizeof(pause.who) - 1);
    memset(pause.why, 'y', sizeof(pause.why) - 1);
    set_pause(it->a, &pause);
    record = read_row(it->b, "main");
    assert_string_equal(record.pause.who, pause.who);
    assert_string_equal(record.pause.why, pause.why);
}

/* The once-calls are the same rules, for commands without a keeper. */
static void test_once_calls(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");
    tj_lease_pause pause = { .paused = true, .who = "ann", .why = "x" };
    tj_lease_record record;
    tj_error error = TJ_ERROR_INIT;
    bool released = true;

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    assert_int_equal(
        tj_lease_release_once(it->b, "main", 1, BOB, 20000, &released, &error),
        0);
    assert_false(released);
    assert_int_equal(tj_lease_release_once(it->b, "main", 1, ALICE, 20000,
                                           &released, &error),
                     0);
    assert_true(released);
    assert_int_equal(
        tj_lease_set_pause_once(it->b, "main", &pause, 20000, &error), 0);
    assert_int_equal(tj_lease_show_once(it->b, "main", 20000, &record, &error),
                     0);
    assert_true(record.released && record.pause.paused);
    /* Mistakes of the caller. */
    assert_int_equal(
        tj_lease_show_once(it->b, "no/name", 20000, &record, &error),
        TJ_EINVAL);
    assert_int_equal(tj_lease_release_once(it->b, "main", 0, ALICE, 20000,
                                           &released, &error),
                     TJ_EINVAL);
    assert_int_equal(tj_lease_release_once(it->b, "main", 1, "short", 20000,
                                           &released, &error),
                     TJ_EINVAL);
    pause.who[0] = '\n';
    assert_int_equal(
        tj_lease_set_pause_once(it->b, "main", &pause, 20000, &error),
        TJ_EINVAL);
}

/* Followers are told of a release, if the backend tells at all. */
static void test_release_wakes_the_watcher(void **state)
{
    const pair *it = *state;
    tj_lease_record seen = read_row(it->a, "main");
    struct pollfd polled = { .events = POLLIN };

    assert_int_equal(acquire(it->a, &seen, ALICE), TJ_LEASE_DONE);
    if (!it->b->ops->watch_fd)
        skip();
    (void)read_row(it->b, "main");
    polled.fd = it->b->ops->watch_fd(it->b);
    assert_true(polled.fd >= 0);
    it->b->ops->watch_clear(it->b);
    assert_int_equal(poll(&polled, 1, 0), 0);
    assert_int_equal(release(it->a, 1, ALICE), TJ_LEASE_DONE);
    assert_int_equal(poll(&polled, 1, 10000), 1);
    it->b->ops->watch_clear(it->b);
    assert_int_equal(poll(&polled, 1, 0), 0);
}

enum { RACERS = 4, RACE_TURNS = 60 };

typedef struct racer {
    pthread_t thread;
    tj_lease_backend *backend;
    char holder[TJ_LEASE_HOLDER_SIZE];
    int64_t terms[RACE_TURNS];
    int n_terms;
    int n_errors;
} racer;

static void *racer_main(void *userdata)
{
    racer *it = userdata;
    const tj_lease_backend_ops *ops = it->backend->ops;
    tj_lease_record claim = claim_of(it->holder);
    int turn;

    for (turn = 0; turn < RACE_TURNS; turn++) {
        tj_lease_record seen;
        tj_lease_outcome outcome = TJ_LEASE_CHANGED;

        if (ops->read(it->backend, "main", deadline(), &seen, NULL) ||
            ops->acquire(it->backend, "main", &seen, &claim, deadline(),
                         &outcome, NULL)) {
            it->n_errors++;
            continue;
        }
        if (outcome == TJ_LEASE_DONE)
            it->terms[it->n_terms++] = seen.term + 1;
    }
    return NULL;
}

/* Many at once: every term is won by one of them only. */
static void test_racers_win_different_terms(void **state)
{
    pair *it = *state;
    racer racers[RACERS] = { { .n_terms = 0 } };
    static bool won[RACERS * RACE_TURNS + 1];
    int at, turn, n_terms = 0;

    memset(won, 0, sizeof(won));
    for (at = 0; at < RACERS; at++) {
        racers[at].backend = site->node(it->rows);
        snprintf(racers[at].holder, TJ_LEASE_HOLDER_SIZE, "%032d", at);
    }
    for (at = 0; at < RACERS; at++)
        assert_int_equal(
            pthread_create(&racers[at].thread, NULL, racer_main, &racers[at]),
            0);
    for (at = 0; at < RACERS; at++)
        pthread_join(racers[at].thread, NULL);
    for (at = 0; at < RACERS; at++) {
        assert_int_equal(racers[at].n_errors, 0);
        for (turn = 0; turn < racers[at].n_terms; turn++) {
            int64_t term = racers[at].terms[turn];

            assert_in_range(term, 1, RACERS * RACE_TURNS);
            assert_false(won[term]);
            won[term] = true;
            n_terms++;
        }
        tj_lease_backend_free(racers[at].backend);
    }
    assert_int_equal(read_row(it->a, "main").term, n_terms);
    assert_true(n_terms >= RACE_TURNS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)

int lease_suite_run(const lease_site *of)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_row_reads_as_nothing),
        TEST(test_acquired_row_is_read_by_others),
        TEST(test_second_acquisition_of_the_same_sight_fails),
        TEST(test_acquisition_after_a_renewal_fails),
        TEST(test_acquisition_of_a_row_that_vanished_fails),
        TEST(test_only_the_holder_changes_its_row),
        TEST(test_released_row_is_not_renewed),
        TEST(test_term_goes_on_after_a_release),
        TEST(test_repair_lifts_the_term),
        TEST(test_pause_belongs_to_the_row),
        TEST(test_pause_before_the_first_holder),
        TEST(test_leases_are_apart_by_name),
        TEST(test_longest_texts_come_back),
        TEST(test_once_calls),
        TEST(test_release_wakes_the_watcher),
        TEST(test_racers_win_different_terms),
    };

    site = of;
    return cmocka_run_group_tests_name(of->name, tests, NULL, NULL);
}
