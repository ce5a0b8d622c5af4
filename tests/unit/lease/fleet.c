/* See fleet.h. */
#include "fleet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- chance and clocks ---- */

int64_t fleet_random(lease_fleet *fleet, int64_t most)
{
    fleet->random ^= fleet->random << 13;
    fleet->random ^= fleet->random >> 7;
    fleet->random ^= fleet->random << 17;
    return (int64_t)(fleet->random >> 1) % (most + 1);
}

static int64_t local_of(const fleet_node *node, int64_t real_ns)
{
    return node->offset_ns + real_ns + real_ns / 1000000 * node->rate_ppm;
}

/* The first real instant at which the node's clock shows this. */
static int64_t real_of(const fleet_node *node, int64_t local_ns)
{
    double real = (double)(local_ns - node->offset_ns) /
                  (1.0 + (double)node->rate_ppm / 1e6);
    int64_t at = (int64_t)real - 2000000;

    while (local_of(node, at) < local_ns)
        at += 1000;
    return at;
}

/* ---- the story ---- */

void fleet_say(lease_fleet *fleet, const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    tj__buf_printf(&fleet->story, "[%6lld] %s\n",
                   (long long)(fleet->now_ns / MS), line);
}

static bool view_differs(const tj_lease_view *left, const tj_lease_view *right)
{
    return left->state != right->state || left->order != right->order ||
           left->term != right->term ||
           strcmp(left->reason, right->reason) != 0;
}

/* ---- the checks: real time, and no idea of the protocol ---- */

static void violated(lease_fleet *fleet, const char *what)
{
    if (!fleet->violation)
        fleet->violation = what;
}

/* May this node start a run at this real instant? */
static bool believes(const fleet_node *node, int64_t real_ns)
{
    return node->up && node->view.state == TJ_LEASE_LEADING &&
           local_of(node, real_ns) < node->view.start_until_ns;
}

static bool has_runs(const fleet_node *node, int64_t real_ns)
{
    return node->runs_alive &&
           (!node->killed_at_ns || real_ns < node->killed_at_ns);
}

static void check_lead(lease_fleet *fleet, const fleet_node *leader)
{
    int at;

    for (at = 0; at < fleet->n_nodes; at++) {
        const fleet_node *other = &fleet->nodes[at];

        if (other == leader)
            continue;
        if (believes(other, fleet->now_ns))
            violated(fleet, "two nodes may start runs");
        if (has_runs(other, fleet->now_ns))
            violated(fleet, "runs of one node are alive while another leads");
    }
}

/* Every change of the row that was accepted. */
static void check_write(lease_fleet *fleet)
{
    const tj_lease_record *row = &fleet->row;
    char *holder = fleet->term_holder[row->term % 4096];

    if (row->term < fleet->highest_term)
        violated(fleet, "I1: a term went down");
    fleet->highest_term = row->term;
    if (!holder[0])
        memcpy(holder, row->holder, TJ_LEASE_HOLDER_SIZE);
    else if (strcmp(holder, row->holder) != 0)
        violated(fleet, "I2: one term has two holders");
}

/* ---- the row ---- */

static bool row_is_held(const lease_fleet *fleet, const fleet_effect *effect)
{
    return fleet->row.exists && !fleet->row.released &&
           fleet->row.term == effect->action.term &&
           !strcmp(fleet->row.holder, effect->claim.holder);
}

static bool row_acquire(lease_fleet *fleet, const fleet_effect *effect)
{
    tj_lease_record *row = &fleet->row;
    bool as_seen = row->exists == effect->seen.exists &&
                   row->term == effect->seen.term &&
                   row->seq == effect->seen.seq;
    int64_t term = row->term, seq = row->seq;

    if (!as_seen && fleet->mistake != FLEET_COMPARE_LATEST)
        return false;
    *row = effect->claim;
    row->exists = true;
    row->term = term + 1;
    row->seq = seq + 1;
    return true;
}

static bool row_apply(lease_fleet *fleet, const fleet_effect *effect)
{
    if (effect->action.op == TJ_LEASE_OP_ACQUIRE)
        return row_acquire(fleet, effect);
    if (!row_is_held(fleet, effect))
        return false;
    fleet->row.seq++;
    if (effect->action.op == TJ_LEASE_OP_RELEASE)
        fleet->row.released = true;
    if (effect->action.op == TJ_LEASE_OP_REPAIR)
        fleet->row.term = effect->action.new_term;
    return true;
}

static void effect_happen(lease_fleet *fleet, fleet_effect *effect)
{
    fleet_node *node = &fleet->nodes[effect->node];
    bool mine = node->calling && node->call_id == effect->call_id &&
                node->incarnation == effect->incarnation;
    bool done = true;

    effect->at_ns = 0;
    if (effect->action.op != TJ_LEASE_OP_READ) {
        done = row_apply(fleet, effect);
        if (done)
            check_write(fleet);
    }
    if (!mine)
        return;
    node->outcome = done ? TJ_LEASE_DONE : TJ_LEASE_CHANGED;
    node->record = fleet->row;
}

static void effect_add(lease_fleet *fleet,
                       const fleet_node *node,
                       int64_t at_ns,
                       const tj_lease_action *action)
{
    int at;

    for (at = 0; at < FLEET_EFFECTS; at++) {
        fleet_effect *effect = &fleet->effects[at];

        if (effect->at_ns)
            continue;
        *effect = (fleet_effect){ .at_ns = at_ns,
                                  .node = (int)(node - fleet->nodes),
                                  .incarnation = node->incarnation,
                                  .call_id = node->call_id,
                                  .action = *action,
                                  .seen = node->seen,
                                  .claim = node->rules.me };
        return;
    }
}

/* ---- a node's turn ---- */

static void feed(lease_fleet *fleet, fleet_node *node, tj_lease_event event)
{
    event.now_ns = local_of(node, fleet->now_ns);
    tj__lease_step(&node->machine, &event);
}

static void
call_begin(lease_fleet *fleet, fleet_node *node, tj_lease_action action)
{
    /* Calls end well within R/2. */
    int64_t timeout_ns = node->rules.renew_ns / 20 * 9;
    fleet_fate fate = fleet->fate(fleet, node, action.op);

    node->calling = true;
    node->call_id = ++fleet->next_call_id;
    node->action = action;
    memset(&node->seen, 0, sizeof(node->seen));
    if (action.seen)
        node->seen = *action.seen;
    node->sent_local_ns = local_of(node, fleet->now_ns);
    node->answered = fate.answer_ns >= 0 && fate.answer_ns <= timeout_ns &&
                     fate.effect_ns >= 0 && fate.effect_ns <= fate.answer_ns;
    node->answer_at_ns =
        fleet->now_ns + (node->answered ? fate.answer_ns : timeout_ns);
    if (fate.effect_ns >= 0)
        effect_add(fleet, node, fleet->now_ns + fate.effect_ns + 1, &action);
    if (fate.again_ns >= 0)
        effect_add(fleet, node, fleet->now_ns + fate.again_ns + 1, &action);
}

static void call_end(lease_fleet *fleet, fleet_node *node)
{
    tj_lease_event event = {
        .kind = TJ_LEASE_EVENT_ANSWER,
        .op = node->action.op,
        .sent_ns = fleet->mistake == FLEET_ANCHOR_AT_ANSWER
                       ? local_of(node, fleet->now_ns)
                       : node->sent_local_ns,
        .code = node->answered ? 0 : TJ_ETIMEDOUT,
        .text = "no answer",
        .outcome = node->outcome,
        .record = &node->record,
        .pause = &node->record.pause,
    };

    node->calling = false;
    feed(fleet, node, event);
}

/* What the shell does without leaving the machine. */
static bool
act_at_home(lease_fleet *fleet, fleet_node *node, tj_lease_action action)
{
    tj_lease_event event = { .kind = TJ_LEASE_EVENT_ANSWER,
                             .op = action.op,
                             .text = "disk full" };
    int at;

    if (action.op == TJ_LEASE_OP_LOAD_HW) {
        event.term = node->hw;
    } else if (action.op == TJ_LEASE_OP_SAVE_HW) {
        event.code = node->hw_broken ? TJ_ENOSPC : 0;
        if (!node->hw_broken && action.term > node->hw)
            node->hw = action.term;
    } else if (action.op == TJ_LEASE_OP_CHECK_HOLDER) {
        event.yes = true;
        for (at = 0; at < fleet->n_nodes; at++) {
            const fleet_node *other = &fleet->nodes[at];

            if (other->up &&
                !strcmp(other->rules.me.holder, action.seen->holder))
                event.yes = false;
        }
    } else {
        return false;
    }
    feed(fleet, node, event);
    return true;
}

/* What its owner and its warden make of what it shows. */
static void owner_look(lease_fleet *fleet, fleet_node *node)
{
    const tj_lease_view *view = &node->view;

    if (view->order == TJ_LEASE_ORDER_REST) {
        node->killed_at_ns = 0;
        return;
    }
    if (view->state == TJ_LEASE_LEADING) {
        node->runs_alive = true;
        node->drain_at_ns = 0;
    } else if (!node->drain_at_ns) {
        node->drain_at_ns = fleet->now_ns + node->drain_takes_ns;
    }
    node->killed_at_ns = real_of(node, view->kill_at_ns) + node->kill_late_ns;
}

static void node_show(lease_fleet *fleet, fleet_node *node)
{
    tj_lease_view view;
    bool differs, extended;

    /* Won, but not told before it is secured: as the keeper does. */
    if (node->machine.phase == TJ_LEASE_PHASE_SECURING)
        return;
    tj__lease_machine_view(&node->machine, &view);
    differs = view_differs(&view, &node->view);
    extended = view.state == TJ_LEASE_LEADING &&
               view.start_until_ns != node->view.start_until_ns;
    if (view.state == TJ_LEASE_LEADING && node->view.state != TJ_LEASE_LEADING)
        fleet->n_leads++;
    node->view = view;
    if (extended && believes(node, fleet->now_ns))
        check_lead(fleet, node);
    owner_look(fleet, node);
    if (!differs)
        return;
    if (view.term)
        fleet_say(fleet, "%c > %s term %lld, %s: %s", node->name,
                  tj_lease_state_to_string(view.state), (long long)view.term,
                  tj_lease_order_to_string(view.order), view.reason);
    else
        fleet_say(fleet, "%c > %s: %s", node->name,
                  tj_lease_state_to_string(view.state), view.reason);
}

static void owner_act(lease_fleet *fleet, fleet_node *node)
{
    tj_lease_event event = { .kind = TJ_LEASE_EVENT_DRAINED,
                             .term = node->view.term };

    if (fleet->mistake == FLEET_RELEASE_FIRST &&
        node->view.state == TJ_LEASE_DRAINING)
        feed(fleet, node, event);
    if (!node->drain_at_ns || fleet->now_ns < node->drain_at_ns)
        return;
    node->drain_at_ns = 0;
    node->runs_alive = false;
    feed(fleet, node, event);
}

static void node_turn(lease_fleet *fleet, fleet_node *node)
{
    tj_lease_action action;
    int round;

    if (node->calling) {
        if (fleet->now_ns < node->answer_at_ns) {
            node->wake_ns = node->answer_at_ns;
            return;
        }
        call_end(fleet, node);
    }
    /* An answer may lead to something that is done at home, and so on. */
    for (round = 0; round < 8; round++) {
        owner_act(fleet, node);
        feed(fleet, node, (tj_lease_event){ .kind = TJ_LEASE_EVENT_TIME });
        node_show(fleet, node);
        action = tj__lease_next(&node->machine, local_of(node, fleet->now_ns));
        if (!act_at_home(fleet, node, action))
            break;
    }
    if (action.op == TJ_LEASE_OP_END) {
        node->wake_ns = INT64_MAX;
    } else if (action.op == TJ_LEASE_OP_WAIT) {
        node->wake_ns = real_of(node, action.until_ns);
    } else {
        call_begin(fleet, node, action);
        node->wake_ns = node->answer_at_ns;
    }
    if (node->drain_at_ns && !node->calling &&
        node->drain_at_ns < node->wake_ns)
        node->wake_ns = node->drain_at_ns;
    if (node->wake_ns <= fleet->now_ns)
        node->wake_ns = fleet->now_ns + 1;
}

/* ---- commands ---- */

static fleet_fate
fate_smooth(lease_fleet *fleet, fleet_node *node, tj_lease_op op)
{
    if (node->cut)
        return (fleet_fate){ -1, -1, -1 };
    return (fleet_fate){ 1 * MS, -1, 2 * MS };
}

void fleet_holder(char holder[TJ_LEASE_HOLDER_SIZE],
                  const fleet_node *node,
                  int index)
{
    snprintf(holder, TJ_LEASE_HOLDER_SIZE, "%c%031d", node->name,
             index + node->incarnation * 10);
}

void fleet_init(lease_fleet *fleet, int n_nodes, uint64_t seed)
{
    tj_lease_options options;
    int at;

    memset(fleet, 0, sizeof(*fleet));
    fleet->random = seed * 2654435761u + 1;
    fleet->n_nodes = n_nodes;
    fleet->fate = fate_smooth;
    fleet->now_ns = 1;
    tj_lease_options_init(&options);
    options.state_dir = "";
    for (at = 0; at < n_nodes; at++) {
        fleet_node *node = &fleet->nodes[at];

        node->name = (char)('a' + at);
        node->offset_ns = 1000 * MS * (at + 1);
        node->wake_ns = INT64_MAX;
        node->drain_takes_ns = 100 * MS;
        tj__lease_rules_from_options(&options, &node->rules);
        node->rules.seed = seed + (uint64_t)at;
        snprintf(node->rules.me.host, sizeof(node->rules.me.host), "host-%c",
                 node->name);
    }
}

void fleet_done(lease_fleet *fleet)
{
    tj__buf_done(&fleet->story);
}

void fleet_start(lease_fleet *fleet, int node)
{
    fleet_node *it = &fleet->nodes[node];

    it->up = true;
    it->incarnation++;
    it->calling = false;
    it->drain_at_ns = 0;
    fleet_holder(it->rules.me.holder, it, node);
    tj__lease_machine_init(&it->machine, &it->rules);
    memset(&it->view, 0, sizeof(it->view));
    feed(fleet, it, (tj_lease_event){ .kind = TJ_LEASE_EVENT_START });
    it->wake_ns = fleet->now_ns;
}

static void wish(lease_fleet *fleet, int node, tj_lease_event event)
{
    fleet_node *it = &fleet->nodes[node];

    if (!it->up)
        return;
    feed(fleet, it, event);
    if (!it->calling && it->frozen_until_ns <= fleet->now_ns)
        it->wake_ns = fleet->now_ns;
}

void fleet_stop(lease_fleet *fleet, int node)
{
    wish(fleet, node, (tj_lease_event){ .kind = TJ_LEASE_EVENT_STOP });
}

void fleet_step_down(lease_fleet *fleet, int node, const char *why)
{
    wish(fleet, node,
         (tj_lease_event){ .kind = TJ_LEASE_EVENT_STEP_DOWN, .text = why });
}

void fleet_heartbeat(lease_fleet *fleet, int node, bool yes)
{
    wish(fleet, node,
         (tj_lease_event){ .kind = TJ_LEASE_EVENT_HEARTBEAT,
                           .yes = yes,
                           .text = "the loop has not moved" });
}

void fleet_hint(lease_fleet *fleet, int node)
{
    wish(fleet, node, (tj_lease_event){ .kind = TJ_LEASE_EVENT_HINT });
}

void fleet_crash(lease_fleet *fleet, int node, int64_t warden_ns, bool releases)
{
    fleet_node *it = &fleet->nodes[node];
    int64_t killed_ns = fleet->now_ns + warden_ns;

    if (!it->up)
        return;
    it->up = false;
    it->calling = false;
    it->wake_ns = INT64_MAX;
    it->frozen_until_ns = 0;
    if (it->runs_alive && (!it->killed_at_ns || killed_ns < it->killed_at_ns))
        it->killed_at_ns = killed_ns;
    if (releases && it->view.term) {
        tj_lease_action action = { .op = TJ_LEASE_OP_RELEASE,
                                   .term = it->view.term };

        it->call_id = ++fleet->next_call_id;
        effect_add(fleet, it, killed_ns + 1, &action);
    }
    fleet_say(fleet, "%c crashes", it->name);
}

void fleet_freeze(lease_fleet *fleet, int node, int64_t for_ns)
{
    fleet_node *it = &fleet->nodes[node];

    it->frozen_until_ns = fleet->now_ns + for_ns;
    if (fleet->mistake == FLEET_CLOCK_SLEEPS) {
        it->offset_ns -= for_ns;
        /* Its warden sleeps as well. */
        if (it->killed_at_ns)
            it->killed_at_ns += for_ns;
    }
    fleet_say(fleet, "%c is frozen for %lld ms", it->name,
              (long long)(for_ns / MS));
}

/* ---- time ---- */

static int64_t node_due(const fleet_node *node)
{
    if (!node->up)
        return INT64_MAX;
    return node->wake_ns > node->frozen_until_ns ? node->wake_ns
                                                 : node->frozen_until_ns;
}

void fleet_run(lease_fleet *fleet, int64_t for_ns)
{
    int64_t end_ns = fleet->now_ns + for_ns;

    for (;;) {
        fleet_node *node = NULL;
        fleet_effect *effect = NULL;
        int64_t due_ns = end_ns;
        int at;

        for (at = 0; at < fleet->n_nodes; at++) {
            if (fleet->nodes[at].wake_ns != INT64_MAX &&
                node_due(&fleet->nodes[at]) < due_ns) {
                node = &fleet->nodes[at];
                due_ns = node_due(node);
            }
        }
        for (at = 0; at < FLEET_EFFECTS; at++) {
            if (fleet->effects[at].at_ns &&
                fleet->effects[at].at_ns <= due_ns) {
                effect = &fleet->effects[at];
                due_ns = effect->at_ns;
            }
        }
        if (due_ns > fleet->now_ns)
            fleet->now_ns = due_ns;
        if (effect)
            effect_happen(fleet, effect);
        else if (node)
            node_turn(fleet, node);
        else
            break;
    }
}
