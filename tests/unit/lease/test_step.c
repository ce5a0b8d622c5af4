/* The protocol, told as stories: what a fleet shows, in real milliseconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet.h"

/* The holder ids of the two nodes' first processes, and a third party's. */
#define A "a0000000000000000000000000000010"
#define B "b0000000000000000000000000000011"
#define C "cccccccccccccccccccccccccccccccc"

/* A smooth fleet of two; node 0 is "a". Calls take 2 ms. */
static lease_fleet *fleet_new(void)
{
    lease_fleet *fleet = malloc(sizeof(*fleet));

    assert_non_null(fleet);
    fleet_init(fleet, 2, 1);
    return fleet;
}

/* Node a leads and node b follows; a second has passed. */
static void both_start(lease_fleet *fleet)
{
    fleet_start(fleet, 0);
    fleet_run(fleet, 100 * MS);
    fleet_start(fleet, 1);
    fleet_run(fleet, 900 * MS);
}

/* The row is somebody else's. */
static void held_by_c(lease_fleet *fleet, int64_t term, bool released)
{
    fleet->row.exists = true;
    fleet->row.released = released;
    fleet->row.term = term;
    fleet->row.seq += 5;
    fleet->row.lease_ms = 6000;
    strcpy(fleet->row.holder, C);
    strcpy(fleet->row.host, "host-c");
}

/* Both nodes are processes of one machine that can see each other, and say
 * that their work ends with them. */
static void one_host(lease_fleet *fleet)
{
    int at;

    for (at = 0; at < fleet->n_nodes; at++) {
        tj_lease_rules *rules = &fleet->nodes[at].rules;

        rules->one_host = true;
        rules->me.frees_on_death = true;
        rules->me.pid = 100 + at;
        rules->me.pid_start = 7;
        strcpy(rules->me.boot_id, "this boot");
        strcpy(rules->me.namespaces, "this machine");
    }
}

/* The next call of this kind takes effect, but its answer is lost. */
static tj_lease_op lose_answer_of;

static fleet_fate
fate_lose_one(lease_fleet *fleet, fleet_node *node, tj_lease_op op)
{
    fleet_fate fate = { 1 * MS, -1, 2 * MS };

    if (op == lose_answer_of) {
        lose_answer_of = TJ_LEASE_OP_WAIT;
        fate.answer_ns = -1;
    }
    return fate;
}

/* The story must be told word by word, and nothing forbidden have happened. */
static void told(lease_fleet *fleet, const char *story)
{
    if (fleet->violation)
        print_error("%s\n", fleet->violation);
    assert_null(fleet->violation);
    assert_string_equal(fleet->story.data ? fleet->story.data : "", story);
    fleet_done(fleet);
    free(fleet);
}

/* Nobody held it: no wait before the first tick. */
static void test_first_node_leads_at_once(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    assert_int_equal(fleet->row.term, 1);
    assert_int_equal(fleet->nodes[0].hw, 1);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n");
}

/* Runs end first, then the row is released, then a hint makes it quick. */
static void test_stop_drains_releases_and_hands_over(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet_stop(fleet, 0);
    fleet_run(fleet, 50 * MS);
    /* What a leader that drains still holds, nobody takes. */
    assert_false(fleet->row.released);
    fleet_run(fleet, 60 * MS);
    fleet_hint(fleet, 1);
    fleet_run(fleet, 1000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a > draining term 1, drain: stopped\n"
         "[  1100] a > draining term 1, rest: stopped\n"
         "[  1102] a > stopped: stopped\n"
         "[  1118] b > leading term 2, run: released by " A " on host-a\n");
}

/* A drain may take longer than a lease: renewals go on. */
static void test_long_drain_is_covered_by_renewals(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet->nodes[0].drain_takes_ns = 20000 * MS;
    fleet_stop(fleet, 0);
    fleet_run(fleet, 22000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a > draining term 1, drain: stopped\n"
         "[ 21000] a > draining term 1, rest: stopped\n"
         "[ 21002] a > stopped: stopped\n"
         "[ 21465] b > leading term 2, run: released by " A " on host-a\n");
}

/* Nobody is left to release: a whole lease and rho, on the own clock. */
static void test_lost_machine_costs_a_lease(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet_crash(fleet, 0, 0, false);
    fleet_run(fleet, 8000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a crashes\n"
         "[  7625] b > leading term 2, run: " A
         " on host-a has not renewed for 6062 ms\n");
}

/* Its last act is a compare-and-set: no lease is waited for. */
static void test_warden_hands_on_what_a_dead_daemon_held(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet_crash(fleet, 0, 50 * MS, true);
    fleet_run(fleet, 2000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a crashes\n"
         "[  1565] b > leading term 2, run: released by " A " on host-a\n");
}

/* Unknown is not leader: T, and everything over before the other one. */
static void test_leader_cut_off_ends_before_another_leads(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet->nodes[0].cut = true;
    fleet_run(fleet, 9000 * MS);
    fleet->nodes[0].cut = false;
    fleet_run(fleet, 2000 * MS);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1962] a > leading term 1, run: backend unreachable: no answer\n"
        "[  4242] a > draining term 1, terminate: no renewal confirmed for 3440 ms: backend unreachable: no answer\n"
        "[  4602] a > draining term 1, rest: no renewal confirmed for 3440 ms: backend unreachable: no answer\n"
        "[  6202] a > follower: no renewal confirmed for 3440 ms: backend unreachable: no answer\n"
        "[  6562] a > follower: backend unreachable: no answer\n"
        "[  7625] b > leading term 2, run: " A
        " on host-a has not renewed for 6062 ms\n"
        "[ 10884] a > follower: backend reachable again\n");
}

/* What ended here is never resumed under its old term: its stragglers would
 * pass the fence. */
static void test_outage_for_all_ends_with_a_new_term(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet->nodes[0].cut = fleet->nodes[1].cut = true;
    fleet_run(fleet, 9000 * MS);
    fleet->nodes[0].cut = fleet->nodes[1].cut = false;
    fleet_run(fleet, 8000 * MS);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1921] b > follower: backend unreachable: no answer\n"
        "[  1962] a > leading term 1, run: backend unreachable: no answer\n"
        "[  4242] a > draining term 1, terminate: no renewal confirmed for 3440 ms: backend unreachable: no answer\n"
        "[  4602] a > draining term 1, rest: no renewal confirmed for 3440 ms: backend unreachable: no answer\n"
        "[  6202] a > follower: no renewal confirmed for 3440 ms: backend unreachable: no answer\n"
        "[  6562] a > follower: backend unreachable: no answer\n"
        "[ 10418] b > follower: backend reachable again\n"
        "[ 10884] a > follower: backend reachable again\n"
        "[ 10890] a > leading term 2, run: released by " A " on host-a\n");
}

/* Two renewals may fail. */
static void test_short_outage_is_survived(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet->nodes[0].cut = true;
    fleet_run(fleet, 1700 * MS);
    fleet->nodes[0].cut = false;
    fleet_run(fleet, 3000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1962] a > leading term 1, run: backend unreachable: no answer\n"
         "[  3124] a > leading term 1, run: backend reachable again\n");
}

/* The row is ours and we were never told: a renewal tells. */
static void test_lost_answer_to_an_acquisition_is_adopted(void **state)
{
    lease_fleet *fleet = fleet_new();

    fleet->fate = fate_lose_one;
    lose_answer_of = TJ_LEASE_OP_ACQUIRE;
    fleet_start(fleet, 0);
    fleet_run(fleet, 3000 * MS);
    assert_int_equal(fleet->row.term, 1);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[   362] a > follower: backend unreachable: no answer\n"
        "[   564] a > follower: backend reachable again\n"
        "[   566] a > leading term 1, run: adopted: the answer to the acquisition had been lost\n");
}

/* A restored copy names one who led long before: that is no acquisition whose
 * answer was lost, and who leads by now is given the time to notice. */
static void test_own_old_row_in_a_restored_copy_is_waited_out(void **state)
{
    lease_fleet *fleet = fleet_new();
    tj_lease_record copy;

    both_start(fleet);
    copy = fleet->row;
    fleet_step_down(fleet, 0, "stepped down by ann");
    fleet_run(fleet, 9000 * MS); /* the hold-off is over, too */
    assert_int_equal(fleet->row.term, 2);
    /* The store forgets; the nodes do not. */
    fleet->row = copy;
    fleet->highest_term = copy.term;
    fleet->term_holder[2][0] = '\0';
    fleet_run(fleet, 12000 * MS);
    assert_int_equal(fleet->row.term, 3);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1000] a > draining term 1, drain: stepped down by ann\n"
        "[  1100] a > draining term 1, rest: stepped down by ann\n"
        "[  1102] a > follower: stepped down by ann\n"
        "[  1565] b > leading term 2, run: released by " A " on host-a\n"
        "[ 10365] b > draining term 2, terminate: lease lost: the row is not ours any more\n"
        "[ 10367] b > draining term 2, terminate: lease lost to term 1 held by " A
        " on host-a\n"
        "[ 10465] b > follower: lease lost to term 1 held by " A " on host-a\n"
        "[ 16531] b > leading term 3, run: " A
        " on host-a has not renewed for 6062 ms; term_repaired from 2 to 3\n");
}

/* The row may still be ours after that. */
static void test_lost_answer_to_a_release_is_asked_again(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet->fate = fate_lose_one;
    lose_answer_of = TJ_LEASE_OP_RELEASE;
    fleet_stop(fleet, 0);
    fleet_run(fleet, 2000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a > draining term 1, drain: stopped\n"
         "[  1100] a > draining term 1, rest: stopped\n"
         "[  1565] b > leading term 2, run: released by " A " on host-a\n"
         "[  1662] a > stopped: stopped\n");
}

/* Ours still, under one term or the other; a look tells. */
static void test_lost_answer_to_a_repair_is_found_out(void **state)
{
    lease_fleet *fleet = fleet_new();

    fleet->nodes[0].hw = 7;
    held_by_c(fleet, 3, true);
    fleet->fate = fate_lose_one;
    lose_answer_of = TJ_LEASE_OP_REPAIR;
    fleet_start(fleet, 0);
    fleet_run(fleet, 8000 * MS);
    assert_int_equal(fleet->row.term, 8);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[  6424] a > follower: backend unreachable: no answer\n"
        "[  6626] a > follower: backend reachable again\n"
        "[  6628] a > leading term 8, run: adopted: the answer to the acquisition had been lost\n");
}

/* No deadline is waited for when the row says that it is over. */
static void test_row_taken_away_means_stop_now(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    held_by_c(fleet, 9, false);
    fleet_run(fleet, 1500 * MS);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1604] a > draining term 1, terminate: lease lost: the row is not ours any more\n"
        "[  1606] a > draining term 1, terminate: lease lost to term 9 held by " C
        " on host-c\n"
        "[  1704] a > follower: lease lost to term 9 held by " C
        " on host-c\n");
}

/* Somebody may lead on the file that was deleted: watch for a whole lease, and
 * use no term twice. */
static void test_row_gone_is_not_a_free_lease(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    memset(&fleet->row, 0, sizeof(fleet->row));
    memset(fleet->term_holder, 0, sizeof(fleet->term_holder));
    fleet->highest_term = 0;
    fleet_run(fleet, 7000 * MS);
    assert_int_equal(fleet->row.term, 2);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1604] a > draining term 1, terminate: lease lost: the row is not ours any more\n"
        "[  1606] a > draining term 1, terminate: lease lost: the row is gone\n"
        "[  1704] a > follower: lease lost: the row is gone\n"
        "[  7627] b > leading term 2, run: the row was gone; term_repaired from 1 to 2\n");
}

/* Terms only grow, also when the store went back; and a release that the
 * backup remembers is not believed. */
static void test_restored_backup_is_repaired_before_any_run(void **state)
{
    lease_fleet *fleet = fleet_new();

    fleet->nodes[0].hw = 7;
    held_by_c(fleet, 3, true);
    fleet_start(fleet, 0);
    fleet_run(fleet, 8000 * MS);
    assert_int_equal(fleet->row.term, 8);
    assert_int_equal(fleet->nodes[0].hw, 8);
    told(fleet, "[     0] a > follower: started\n"
                "[  6066] a > leading term 8, run: released by " C
                " on host-c; term_repaired from 4 to 8\n");
}

/* And comes back only after the hold-off. */
static void test_step_down_lets_others_stand(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet_step_down(fleet, 0, "stepped down by ann: maintenance");
    fleet_run(fleet, 2000 * MS);
    fleet_stop(fleet, 1);
    fleet_run(fleet, 9000 * MS);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1000] a > draining term 1, drain: stepped down by ann: maintenance\n"
        "[  1100] a > draining term 1, rest: stepped down by ann: maintenance\n"
        "[  1102] a > follower: stepped down by ann: maintenance\n"
        "[  1565] b > leading term 2, run: released by " A " on host-a\n"
        "[  3000] b > draining term 2, drain: stopped\n"
        "[  3100] b > draining term 2, rest: stopped\n"
        "[  3102] b > stopped: stopped\n"
        "[  7104] a > leading term 3, run: released by " B " on host-b\n");
}

/* SIGSTOP for three leases. */
static void test_frozen_leader_wakes_as_follower(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet_freeze(fleet, 0, 18000 * MS);
    fleet_run(fleet, 22000 * MS);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1000] a is frozen for 18000 ms\n"
        "[  7625] b > leading term 2, run: " A
        " on host-a has not renewed for 6062 ms\n"
        "[ 19000] a > draining term 1, terminate: no renewal confirmed for 18198 ms\n"
        "[ 19100] a > draining term 1, rest: no renewal confirmed for 18198 ms\n"
        "[ 19102] a > follower: no renewal confirmed for 18198 ms\n");
}

/* No renewals for who cannot drain; when the loop moves again all is told. */
static void test_loop_that_hangs_loses_the_lease(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet->nodes[0].drain_takes_ns = 20000 * MS;
    fleet_heartbeat(fleet, 0, false);
    fleet_run(fleet, 9000 * MS);
    fleet_heartbeat(fleet, 0, true);
    fleet_run(fleet, 15000 * MS);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > leading term 1, run: nobody held the lease before\n"
        "[   100] b > follower: started\n"
        "[  1000] a > draining term 1, terminate: resigned: the loop has not moved\n"
        "[  7625] b > leading term 2, run: " A
        " on host-a has not renewed for 6062 ms\n"
        "[ 21000] a > draining term 1, rest: resigned: the loop has not moved\n"
        "[ 21002] a > follower: resigned: the loop has not moved\n");
}

/* It would lead and do nothing. */
static void test_loop_that_hangs_does_not_stand(void **state)
{
    lease_fleet *fleet = fleet_new();

    fleet_start(fleet, 0);
    fleet_heartbeat(fleet, 0, false);
    fleet_run(fleet, 3000 * MS);
    assert_false(fleet->row.exists);
    fleet_heartbeat(fleet, 0, true);
    fleet_run(fleet, 1000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[  3002] a > leading term 1, run: nobody held the lease before\n");
}

/* A new leader that fails to start resigns, and lets others stand. */
static void test_term_that_cannot_be_kept_is_given_back(void **state)
{
    lease_fleet *fleet = fleet_new();

    fleet->nodes[0].hw_broken = true;
    both_start(fleet);
    fleet_run(fleet, 3000 * MS);
    told(
        fleet,
        "[     0] a > follower: started\n"
        "[     4] a > draining term 1, rest: resigned: term 1 cannot be kept: disk full\n"
        "[     6] a > follower: resigned: term 1 cannot be kept: disk full\n"
        "[   100] b > follower: started\n"
        "[   104] b > leading term 2, run: released by " A " on host-a\n");
}

/* 2^53-1 is the last one that JSON readers can tell from the next. */
static void test_terms_used_up_end_it(void **state)
{
    lease_fleet *fleet = fleet_new();

    held_by_c(fleet, TJ_LEASE_TERM_MAX, true);
    fleet_start(fleet, 0);
    fleet_run(fleet, 9000 * MS);
    assert_int_equal(fleet->row.term, TJ_LEASE_TERM_MAX);
    told(fleet, "[     0] a > follower: started\n"
                "[     2] a > follower: cannot stand: the terms are used up\n");
}

/* On one host: every process of another boot is dead. */
static void test_machine_that_booted_since_frees_the_lease(void **state)
{
    lease_fleet *fleet = fleet_new();

    one_host(fleet);
    held_by_c(fleet, 3, false);
    strcpy(fleet->row.boot_id, "the boot before");
    fleet_start(fleet, 0);
    fleet_run(fleet, 100 * MS);
    told(fleet, "[     0] a > follower: started\n"
                "[     4] a > leading term 4, run: " C
                " on host-c held it before the machine booted\n");
}

/* On one host, same boot, same namespaces: the process can be looked for. */
static void test_process_gone_frees_the_lease_if_the_row_says_so(void **state)
{
    lease_fleet *fleet = fleet_new();

    one_host(fleet);
    both_start(fleet);
    fleet_crash(fleet, 0, 0, false);
    fleet_run(fleet, 1000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a crashes\n"
         "[  1565] b > leading term 2, run: the process of " A
         " on host-a is gone\n");
}

/* Its commands may still be alive: the row does not say so, so wait. */
static void test_process_gone_proves_nothing_with_a_warden(void **state)
{
    lease_fleet *fleet = fleet_new();

    one_host(fleet);
    fleet->nodes[0].rules.me.frees_on_death = false;
    both_start(fleet);
    fleet_crash(fleet, 0, 4000 * MS, false);
    fleet_run(fleet, 7000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a crashes\n"
         "[  7625] b > leading term 2, run: " A
         " on host-a has not renewed for 6062 ms\n");
}

/* Its pid means something else here. */
static void test_process_in_other_namespaces_is_not_looked_for(void **state)
{
    lease_fleet *fleet = fleet_new();

    one_host(fleet);
    strcpy(fleet->nodes[1].rules.me.namespaces, "another container");
    both_start(fleet);
    fleet_crash(fleet, 0, 0, false);
    fleet_run(fleet, 7000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a crashes\n"
         "[  7625] b > leading term 2, run: " A
         " on host-a has not renewed for 6062 ms\n");
}

/* The holder counts on its own lease, not on ours. */
static void test_longer_lease_of_the_holder_is_respected(void **state)
{
    lease_fleet *fleet = fleet_new();

    fleet->nodes[0].rules.me.lease_ms = 9000;
    both_start(fleet);
    fleet_crash(fleet, 0, 0, false);
    fleet_run(fleet, 11000 * MS);
    told(fleet,
         "[     0] a > follower: started\n"
         "[     4] a > leading term 1, run: nobody held the lease before\n"
         "[   100] b > follower: started\n"
         "[  1000] a crashes\n"
         "[ 10655] b > leading term 2, run: " A
         " on host-a has not renewed for 9092 ms\n");
}

/* ---- single steps ---- */

static void step(fleet_node *node, int64_t now_ms, tj_lease_event event)
{
    event.now_ns = now_ms * MS;
    tj__lease_step(&node->machine, &event);
}

static tj_lease_view view_of(const fleet_node *node)
{
    tj_lease_view view;

    tj__lease_machine_view(&node->machine, &view);
    return view;
}

/* Bring node a's machine, alone and by hand, to LEADING term 1, the
 * acquisition sent at 1000 ms. */
static fleet_node *node_leading(lease_fleet *fleet)
{
    fleet_node *node = &fleet->nodes[0];
    tj_lease_record none = { .exists = false };
    tj_lease_event event = { .kind = TJ_LEASE_EVENT_ANSWER };

    fleet_holder(node->rules.me.holder, node, 0);
    tj__lease_machine_init(&node->machine, &node->rules);
    step(node, 990, (tj_lease_event){ .kind = TJ_LEASE_EVENT_START });
    event.op = TJ_LEASE_OP_LOAD_HW;
    step(node, 991, event);
    event.op = TJ_LEASE_OP_READ;
    event.record = &none;
    step(node, 992, event);
    event.op = TJ_LEASE_OP_ACQUIRE;
    event.sent_ns = 1000 * MS;
    step(node, 1100, event);
    event.op = TJ_LEASE_OP_SAVE_HW;
    step(node, 1101, event);
    assert_int_equal(view_of(node).state, TJ_LEASE_LEADING);
    return node;
}

/* Belief is a deadline: what a view says follows from the clock alone. */
static void test_view_follows_the_clock(void **state)
{
    static const struct {
        int line;
        int64_t now_ms;
        tj_lease_state state;
        tj_lease_order order;
        int64_t next_ms;
    } table[] = {
        { __LINE__, 1100, TJ_LEASE_LEADING, TJ_LEASE_ORDER_RUN, 3800 },
        { __LINE__, 3799, TJ_LEASE_LEADING, TJ_LEASE_ORDER_RUN, 3800 },
        { __LINE__, 3800, TJ_LEASE_LEADING, TJ_LEASE_ORDER_HOLD, 4200 },
        { __LINE__, 4200, TJ_LEASE_DRAINING, TJ_LEASE_ORDER_TERMINATE, 5400 },
        { __LINE__, 5400, TJ_LEASE_DRAINING, TJ_LEASE_ORDER_KILL, 5800 },
        { __LINE__, 5800, TJ_LEASE_DRAINING, TJ_LEASE_ORDER_OVER, 0 },
    };

    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);
    size_t at;

    for (at = 0; at < sizeof(table) / sizeof(table[0]); at++) {
        tj_lease_view view = view_of(node);
        int64_t now_ns = table[at].now_ms * MS;
        bool right =
            tj__lease_view_next(&view, now_ns) == table[at].next_ms * MS;

        tj__lease_view_at(&view, now_ns);
        right = right && view.state == table[at].state &&
                view.order == table[at].order;
        if (!right)
            print_error("row of line %d\n", table[at].line);
        assert_true(right);
    }
    told(fleet, "");
}

/* The anchor is the send, taken before the answer was waited for. */
static void test_deadlines_count_from_the_send(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);
    tj_lease_event renewed = { .kind = TJ_LEASE_EVENT_ANSWER,
                               .op = TJ_LEASE_OP_RENEW,
                               .sent_ns = 1800 * MS };

    assert_true(view_of(node).start_until_ns == 3800 * MS);
    step(node, 2100, renewed);
    assert_true(view_of(node).start_until_ns == 4600 * MS);
    assert_true(view_of(node).terminate_at_ns == 5000 * MS);
    assert_true(view_of(node).kill_at_ns == 6200 * MS);
    assert_true(view_of(node).dead_at_ns == 6600 * MS);
    told(fleet, "");
}

/* An answer whose fate is not known moves nothing. */
static void test_unknown_answer_moves_no_deadline(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);
    tj_lease_event unknown = { .kind = TJ_LEASE_EVENT_ANSWER,
                               .op = TJ_LEASE_OP_RENEW,
                               .sent_ns = 1800 * MS,
                               .code = TJ_ETIMEDOUT };

    step(node, 2100, unknown);
    assert_int_equal(view_of(node).state, TJ_LEASE_LEADING);
    assert_true(view_of(node).start_until_ns == 3800 * MS);
    assert_true(view_of(node).n_unknown == 1);
    told(fleet, "");
}

/* T has passed, runs were asked to end: a late confirmation changes nothing. */
static void test_confirmation_after_t_is_too_late(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);
    tj_lease_event late = { .kind = TJ_LEASE_EVENT_ANSWER,
                            .op = TJ_LEASE_OP_RENEW,
                            .sent_ns = 4100 * MS };

    step(node, 4300, late);
    assert_int_equal(view_of(node).state, TJ_LEASE_DRAINING);
    assert_true(view_of(node).kill_at_ns == 5400 * MS);
    told(fleet, "");
}

/* Lost means now: K comes as soon as the grace is over. */
static void test_lost_lease_kills_after_the_grace(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);
    tj_lease_event lost = { .kind = TJ_LEASE_EVENT_ANSWER,
                            .op = TJ_LEASE_OP_RENEW,
                            .sent_ns = 1800 * MS,
                            .outcome = TJ_LEASE_CHANGED };

    step(node, 1900, lost);
    assert_int_equal(view_of(node).order, TJ_LEASE_ORDER_TERMINATE);
    assert_true(view_of(node).kill_at_ns == 3100 * MS);
    told(fleet, "");
}

/* An owner that saw T pass has given the term up, even when its renewal counted
 * in the last moment; and another term's word changes nothing. */
static void test_drained_ends_its_term_only(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);
    tj_lease_event drained = { .kind = TJ_LEASE_EVENT_DRAINED, .term = 7 };

    step(node, 1200, drained);
    assert_int_equal(view_of(node).state, TJ_LEASE_LEADING);
    drained.term = 1;
    step(node, 1201, drained);
    assert_int_equal(view_of(node).order, TJ_LEASE_ORDER_REST);
    assert_int_equal(tj__lease_next(&node->machine, 1201 * MS).op,
                     TJ_LEASE_OP_RELEASE);
    told(fleet, "");
}

/* The loop stopped moving in the middle of a drain: no renewals any more. */
static void test_lost_heartbeat_ends_a_drain(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);

    step(node, 1200, (tj_lease_event){ .kind = TJ_LEASE_EVENT_STOP });
    assert_int_equal(tj__lease_next(&node->machine, 1800 * MS).op,
                     TJ_LEASE_OP_RENEW);
    step(node, 1800,
         (tj_lease_event){ .kind = TJ_LEASE_EVENT_HEARTBEAT, .text = "" });
    assert_int_equal(view_of(node).order, TJ_LEASE_ORDER_TERMINATE);
    assert_int_not_equal(tj__lease_next(&node->machine, 1800 * MS).op,
                         TJ_LEASE_OP_RENEW);
    told(fleet, "");
}

/* Nothing is held: a stop is an end, and a start after it a new beginning. */
static void test_stop_of_a_follower_is_at_once(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = &fleet->nodes[0];

    tj__lease_machine_init(&node->machine, &node->rules);
    step(node, 1, (tj_lease_event){ .kind = TJ_LEASE_EVENT_START });
    step(node, 2, (tj_lease_event){ .kind = TJ_LEASE_EVENT_STOP });
    assert_int_equal(view_of(node).state, TJ_LEASE_STOPPED);
    assert_int_equal(tj__lease_next(&node->machine, 2 * MS).op,
                     TJ_LEASE_OP_END);
    step(node, 3, (tj_lease_event){ .kind = TJ_LEASE_EVENT_START });
    assert_int_equal(view_of(node).state, TJ_LEASE_FOLLOWER);
    told(fleet, "");
}

/* A file that changes all the time must not make its reader busy. */
static void test_hints_are_throttled(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = &fleet->nodes[1];
    uint64_t n_calls;
    int at;

    both_start(fleet);
    n_calls = (uint64_t)fleet->next_call_id;
    for (at = 0; at < 1000; at++) {
        fleet_hint(fleet, 1);
        fleet_run(fleet, MS);
    }
    /* 16 in R = 0.8 s, so 20 in a second, and two renewals of the leader. */
    assert_in_range((uint64_t)fleet->next_call_id - n_calls, 15, 24);
    assert_int_equal(node->view.state, TJ_LEASE_FOLLOWER);
    fleet_done(fleet);
    free(fleet);
}

/* A leader hears of a pause with its renewal; it goes on leading. */
static void test_pause_comes_with_the_renewal(void **state)
{
    lease_fleet *fleet = fleet_new();

    both_start(fleet);
    fleet->row.pause.paused = true;
    strcpy(fleet->row.pause.who, "ann");
    fleet_run(fleet, 1000 * MS);
    assert_true(fleet->nodes[0].view.row.pause.paused);
    assert_string_equal(fleet->nodes[0].view.row.pause.who, "ann");
    assert_int_equal(fleet->nodes[0].view.state, TJ_LEASE_LEADING);
    fleet_done(fleet);
    free(fleet);
}

/* A pause ends by itself, on the wall clock. */
static void test_pause_holds_until_its_time(void **state)
{
    tj_lease_pause pause = { .paused = true, .until_wall_ms = 1000 };

    assert_true(tj__lease_pause_holds(&pause, 999));
    assert_false(tj__lease_pause_holds(&pause, 1000));
    pause.until_wall_ms = 0;
    assert_true(tj__lease_pause_holds(&pause, INT64_MAX));
    pause.paused = false;
    assert_false(tj__lease_pause_holds(&pause, 0));
}

/* Asking changes nothing: the driver may ask again after an interruption. */
static void test_next_is_a_question_only(void **state)
{
    lease_fleet *fleet = fleet_new();
    fleet_node *node = node_leading(fleet);
    tj_lease_machine before = node->machine;

    (void)tj__lease_next(&node->machine, 1800 * MS);
    assert_memory_equal(&before, &node->machine, sizeof(before));
    told(fleet, "");
}

/* Names that people read. */
static void test_states_and_orders_have_names(void **state)
{
    assert_string_equal(tj_lease_state_to_string(TJ_LEASE_DRAINING),
                        "draining");
    assert_string_equal(tj_lease_state_to_string((tj_lease_state)99),
                        "unknown");
    assert_string_equal(tj_lease_order_to_string(TJ_LEASE_ORDER_HOLD), "hold");
    assert_string_equal(tj_lease_order_to_string((tj_lease_order)99),
                        "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_node_leads_at_once),
        cmocka_unit_test(test_stop_drains_releases_and_hands_over),
        cmocka_unit_test(test_long_drain_is_covered_by_renewals),
        cmocka_unit_test(test_lost_machine_costs_a_lease),
        cmocka_unit_test(test_warden_hands_on_what_a_dead_daemon_held),
        cmocka_unit_test(test_leader_cut_off_ends_before_another_leads),
        cmocka_unit_test(test_outage_for_all_ends_with_a_new_term),
        cmocka_unit_test(test_short_outage_is_survived),
        cmocka_unit_test(test_lost_answer_to_an_acquisition_is_adopted),
        cmocka_unit_test(test_own_old_row_in_a_restored_copy_is_waited_out),
        cmocka_unit_test(test_lost_answer_to_a_release_is_asked_again),
        cmocka_unit_test(test_lost_answer_to_a_repair_is_found_out),
        cmocka_unit_test(test_row_taken_away_means_stop_now),
        cmocka_unit_test(test_row_gone_is_not_a_free_lease),
        cmocka_unit_test(test_restored_backup_is_repaired_before_any_run),
        cmocka_unit_test(test_step_down_lets_others_stand),
        cmocka_unit_test(test_frozen_leader_wakes_as_follower),
        cmocka_unit_test(test_loop_that_hangs_loses_the_lease),
        cmocka_unit_test(test_loop_that_hangs_does_not_stand),
        cmocka_unit_test(test_term_that_cannot_be_kept_is_given_back),
        cmocka_unit_test(test_terms_used_up_end_it),
        cmocka_unit_test(test_machine_that_booted_since_frees_the_lease),
        cmocka_unit_test(test_process_gone_frees_the_lease_if_the_row_says_so),
        cmocka_unit_test(test_process_gone_proves_nothing_with_a_warden),
        cmocka_unit_test(test_process_in_other_namespaces_is_not_looked_for),
        cmocka_unit_test(test_longer_lease_of_the_holder_is_respected),
        cmocka_unit_test(test_view_follows_the_clock),
        cmocka_unit_test(test_deadlines_count_from_the_send),
        cmocka_unit_test(test_unknown_answer_moves_no_deadline),
        cmocka_unit_test(test_confirmation_after_t_is_too_late),
        cmocka_unit_test(test_lost_lease_kills_after_the_grace),
        cmocka_unit_test(test_drained_ends_its_term_only),
        cmocka_unit_test(test_lost_heartbeat_ends_a_drain),
        cmocka_unit_test(test_stop_of_a_follower_is_at_once),
        cmocka_unit_test(test_hints_are_throttled),
        cmocka_unit_test(test_pause_comes_with_the_renewal),
        cmocka_unit_test(test_pause_holds_until_its_time),
        cmocka_unit_test(test_next_is_a_question_only),
        cmocka_unit_test(test_states_and_orders_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
