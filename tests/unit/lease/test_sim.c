/* Thousands of random lives of small fleets: nodes crash, freeze, step down and
 * restart, clocks run apart by up to rho, requests and answers are lost,
 * delayed and doubled. The promises must hold in all of them; and the checks
 * must see each classic mistake, or they prove nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet.h"

enum { SCHEDULES = 800, SCHEDULES_OF_MISTAKES = 500 };

/* Mostly smooth; now and then everything that a network or a disk can do. */
static fleet_fate
fate_random(lease_fleet *fleet, fleet_node *node, tj_lease_op op)
{
    int64_t timeout_ns = node->rules.renew_ns / 20 * 9;
    fleet_fate fate = { fleet_random(fleet, 20 * MS), -1, 0 };

    fate.answer_ns = fate.effect_ns + fleet_random(fleet, 20 * MS);
    if (node->cut)
        return (fleet_fate){ -1, -1, -1 };
    switch (fleet_random(fleet, 19)) {
    case 0: /* the request is lost */
        return (fleet_fate){ -1, -1, -1 };
    case 1: /* the answer is */
        fate.answer_ns = -1;
        break;
    case 2: /* slow, but in time */
        fate.answer_ns = timeout_ns / 2 + fleet_random(fleet, timeout_ns / 2);
        break;
    case 3: /* takes effect long after the caller gave up */
        fate.effect_ns = timeout_ns + fleet_random(fleet, 8000 * MS);
        fate.answer_ns = -1;
        break;
    case 4: /* twice */
        fate.again_ns = fate.effect_ns + fleet_random(fleet, 8000 * MS);
        break;
    default:
        break;
    }
    return fate;
}

static void trouble(lease_fleet *fleet)
{
    int at = (int)fleet_random(fleet, fleet->n_nodes - 1);
    fleet_node *node = &fleet->nodes[at];

    if (!node->up) {
        /* The machine of a dead process is swept before a new one starts. */
        if (!node->runs_alive ||
            (node->killed_at_ns && node->killed_at_ns <= fleet->now_ns)) {
            node->runs_alive = false;
            fleet_start(fleet, at);
        }
        return;
    }
    switch (fleet_random(fleet, 8)) {
    case 0:
        fleet_crash(fleet, at, fleet_random(fleet, 200 * MS),
                    fleet_random(fleet, 1));
        break;
    case 1:
    case 2:
        fleet_freeze(fleet, at, fleet_random(fleet, 12000 * MS));
        break;
    case 3:
        fleet_step_down(fleet, at, "stepped down by chance");
        break;
    case 4:
        node->cut = !node->cut;
        break;
    case 5:
        fleet_stop(fleet, at);
        break;
    case 6:
        fleet_heartbeat(fleet, at, fleet_random(fleet, 1));
        break;
    case 7:
        node->hw_broken = !fleet_random(fleet, 3);
        break;
    default:
        fleet_hint(fleet, at);
        break;
    }
    /* A stopped one is started anew, as another process. */
    if (node->up && node->view.state == TJ_LEASE_STOPPED &&
        node->wake_ns == INT64_MAX && !node->runs_alive)
        node->up = false;
}

static void live(lease_fleet *fleet, uint64_t seed, fleet_mistake mistake)
{
    int64_t rho;
    int at;

    fleet_init(fleet, 2 + (int)(seed % 2), seed);
    fleet->fate = fate_random;
    fleet->mistake = mistake;
    for (at = 0; at < fleet->n_nodes; at++) {
        fleet_node *node = &fleet->nodes[at];

        rho = mistake == FLEET_CLOCKS_APART ? 400000 : node->rules.rho_ppm;
        node->rate_ppm = fleet_random(fleet, 2 * rho) - rho;
        node->drain_takes_ns = fleet_random(fleet, 3000 * MS);
        if (mistake == FLEET_DEAD_AFTER_LEASE) {
            node->rules.no_start_ns = 7000 * MS;
            node->rules.terminate_ns = 8000 * MS;
            node->rules.kill_ns = 9000 * MS;
            node->rules.dead_ns = 10000 * MS;
        }
        /* A warden may be as late as D. */
        node->kill_late_ns =
            fleet_random(fleet, node->rules.dead_ns - node->rules.kill_ns);
        fleet_start(fleet, at);
    }
    for (at = 0; at < 120 && !fleet->violation; at++) {
        fleet_run(fleet, fleet_random(fleet, 2500 * MS));
        if (fleet_random(fleet, 2) == 0)
            trouble(fleet);
    }
}

/* The promises: one term has one holder, terms never go down, one node at a
 * time may start runs, and another's runs are dead by then. */
static void test_random_lives_keep_the_promises(void **state)
{
    int64_t n_leads = 0;
    uint64_t seed;

    for (seed = 1; seed <= SCHEDULES; seed++) {
        lease_fleet *it = malloc(sizeof(*it));

        assert_non_null(it);
        live(it, seed, FLEET_RIGHT);
        if (it->violation)
            print_error("seed %llu: %s\n%s", (unsigned long long)seed,
                        it->violation, it->story.data);
        assert_null(it->violation);
        n_leads += it->n_leads;
        fleet_done(it);
        free(it);
    }
    print_message("%lld leaders in %d lives\n", (long long)n_leads, SCHEDULES);
    /* It was no standstill. */
    assert_true(n_leads > 5 * SCHEDULES);
}

static int count_violations(fleet_mistake mistake, const char *wanted)
{
    int n_caught = 0;
    uint64_t seed;

    for (seed = 1; seed <= SCHEDULES_OF_MISTAKES; seed++) {
        lease_fleet *it = malloc(sizeof(*it));

        assert_non_null(it);
        live(it, seed, mistake);
        if (it->violation && (!wanted || strstr(it->violation, wanted)))
            n_caught++;
        fleet_done(it);
        free(it);
    }
    print_message("caught in %d of %d lives\n", n_caught,
                  SCHEDULES_OF_MISTAKES);
    return n_caught;
}

/* Deadlines from the answer: a slow answer makes them too late. The margins of
 * the defaults forgive that (D + slack is far from L), so this one is shown
 * with a lease whose margins are used up. */
static fleet_fate
fate_slow_answers(lease_fleet *fleet, fleet_node *node, tj_lease_op op)
{
    fleet_fate fate = { fleet_random(fleet, 5 * MS), -1, 0 };

    fate.answer_ns =
        5 * MS + fleet_random(fleet, node->rules.renew_ns / 20 * 9 - 6 * MS);
    if (node->cut)
        fate = (fleet_fate){ -1, -1, -1 };
    return fate;
}

static void live_tight(lease_fleet *fleet, uint64_t seed, fleet_mistake mistake)
{
    int at, round;

    fleet_init(fleet, 2, seed);
    fleet->fate = fate_slow_answers;
    fleet->mistake = mistake;
    for (at = 0; at < 2; at++) {
        fleet_node *node = &fleet->nodes[at];

        /* R 0.8: answers may take 0.36 s. */
        node->rules.no_start_ns = 5900 * MS;
        node->rules.terminate_ns = 5900 * MS;
        node->rules.kill_ns = 5930 * MS;
        node->rules.dead_ns = 5935 * MS;
        node->drain_takes_ns = 3000 * MS;
        fleet_start(fleet, at);
    }
    for (round = 0; round < 60 && !fleet->violation; round++) {
        fleet_run(fleet, fleet_random(fleet, 2500 * MS));
        at = (int)fleet_random(fleet, 1);
        if (fleet_random(fleet, 1))
            fleet->nodes[at].cut = !fleet->nodes[at].cut;
        else
            fleet_freeze(fleet, at, fleet_random(fleet, 9000 * MS));
    }
}

static int count_tight_violations(fleet_mistake mistake)
{
    int n_caught = 0;
    uint64_t seed;

    for (seed = 1; seed <= SCHEDULES_OF_MISTAKES; seed++) {
        lease_fleet *it = malloc(sizeof(*it));

        assert_non_null(it);
        live_tight(it, seed, mistake);
        n_caught += it->violation != NULL;
        fleet_done(it);
        free(it);
    }
    print_message("caught in %d of %d lives\n", n_caught,
                  SCHEDULES_OF_MISTAKES);
    return n_caught;
}

/* With margins used up to the last, the right machine still keeps them, and
 * one that counts from the answer does not. */
static void test_anchor_at_answer_is_caught(void **state)
{
    assert_int_equal(count_tight_violations(FLEET_RIGHT), 0);
    assert_true(count_tight_violations(FLEET_ANCHOR_AT_ANSWER) > 0);
}

/* A candidate that compares with what is there by then takes a lease that was
 * renewed a moment ago. */
static void test_comparing_the_latest_is_caught(void **state)
{
    assert_true(count_violations(FLEET_COMPARE_LATEST, NULL) > 0);
}

/* Who gives up later than others take over is not alone. */
static void test_dead_after_lease_is_caught(void **state)
{
    assert_true(count_violations(FLEET_DEAD_AFTER_LEASE, NULL) > 0);
}

/* client-go released first, and its runs went on. */
static void test_releasing_first_is_caught(void **state)
{
    assert_true(count_violations(FLEET_RELEASE_FIRST, "runs of one node") > 0);
}

/* Beyond rho nothing is promised, and the checks notice. */
static void test_clocks_apart_are_caught(void **state)
{
    assert_true(count_violations(FLEET_CLOCKS_APART, NULL) > 0);
}

/* CLOCK_MONOTONIC stands still in suspend: that is why it is not used. */
static void test_sleeping_clock_is_caught(void **state)
{
    assert_true(count_violations(FLEET_CLOCK_SLEEPS, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lives_keep_the_promises),
        cmocka_unit_test(test_anchor_at_answer_is_caught),
        cmocka_unit_test(test_comparing_the_latest_is_caught),
        cmocka_unit_test(test_dead_after_lease_is_caught),
        cmocka_unit_test(test_releasing_first_is_caught),
        cmocka_unit_test(test_clocks_apart_are_caught),
        cmocka_unit_test(test_sleeping_clock_is_caught),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
