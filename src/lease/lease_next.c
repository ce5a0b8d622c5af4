/* What the lease's state machine wants done, and what it shows. See
 * lease_step.h. */
#include "lease/lease_step.h"

#include <string.h>

#define MS_NS INT64_C(1000000)

static int64_t least(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static tj_lease_action wait_until(int64_t until_ns)
{
    return (tj_lease_action){ .op = TJ_LEASE_OP_WAIT, .until_ns = until_ns };
}

static tj_lease_action act(tj_lease_op op, int64_t term)
{
    return (tj_lease_action){ .op = op, .term = term };
}

int64_t tj__lease_patience_ns(const tj_lease_machine *machine)
{
    int64_t row_ns = machine->seen.lease_ms * MS_NS;
    int64_t lease_ns = machine->rules.lease_ns;

    if (row_ns > lease_ns)
        lease_ns = row_ns;
    return lease_ns + lease_ns / 1000000 * machine->rules.rho_ppm;
}

/* A term below one that this machine has seen: the store was restored or
 * replaced, and somebody may lead on what was lost. Only watching it for a
 * whole lease tells. */
static bool is_regressed(const tj_lease_machine *machine)
{
    return machine->seen.term < machine->hw;
}

static int64_t patience_until_ns(const tj_lease_machine *machine)
{
    return machine->since_ns + tj__lease_patience_ns(machine);
}

/* The machine of one host booted since: every process of then is dead. */
static bool is_from_before_boot(const tj_lease_machine *machine)
{
    const tj_lease_record *seen = &machine->seen;
    const tj_lease_record *me = &machine->rules.me;

    return machine->rules.one_host && seen->boot_id[0] && me->boot_id[0] &&
           strcmp(seen->boot_id, me->boot_id) != 0;
}

/* The record allows to conclude from the holder's process to its work, and we
 * are where that process can be seen. */
static bool is_holder_visible(const tj_lease_machine *machine)
{
    const tj_lease_record *seen = &machine->seen;
    const tj_lease_record *me = &machine->rules.me;

    return machine->rules.one_host && seen->frees_on_death && seen->pid > 0 &&
           seen->pid_start > 0 && seen->boot_id[0] && seen->namespaces[0] &&
           !strcmp(seen->boot_id, me->boot_id) &&
           !strcmp(seen->namespaces, me->namespaces);
}

static bool is_free(const tj_lease_machine *machine)
{
    if (is_regressed(machine))
        return false;
    return !machine->seen.exists || machine->seen.released ||
           machine->holder_gone || is_from_before_boot(machine);
}

static tj_lease_action next_candidate(const tj_lease_machine *machine,
                                      int64_t now_ns)
{
    int64_t free_ns = patience_until_ns(machine);

    if (!machine->holder_asked && !machine->seen.released &&
        !is_regressed(machine) && is_holder_visible(machine)) {
        tj_lease_action check = act(TJ_LEASE_OP_CHECK_HOLDER, 0);

        check.seen = &machine->seen;
        return check;
    }
    if (is_free(machine))
        free_ns = now_ns;
    if (free_ns < machine->hold_off_until_ns)
        free_ns = machine->hold_off_until_ns;
    if (now_ns >= free_ns) {
        tj_lease_action acquire = act(TJ_LEASE_OP_ACQUIRE, 0);

        acquire.seen = &machine->seen;
        return acquire;
    }
    return wait_until(least(machine->read_at_ns, free_ns));
}

static tj_lease_action next_following(const tj_lease_machine *machine,
                                      int64_t now_ns)
{
    bool may_stand = machine->hw_known && !machine->heartbeat_lost &&
                     machine->seen.term < TJ_LEASE_TERM_MAX &&
                     machine->hw < TJ_LEASE_TERM_MAX;

    if (!machine->hw_known && now_ns >= machine->hw_at_ns)
        return act(TJ_LEASE_OP_LOAD_HW, 0);
    if (now_ns >= machine->read_at_ns)
        return act(TJ_LEASE_OP_READ, 0);
    if (machine->read_first || !machine->seen_valid)
        return wait_until(machine->read_at_ns);
    if (machine->release_own)
        return act(TJ_LEASE_OP_RELEASE, machine->ended_term);
    if (machine->adopt_term) {
        /* Ours, but we may not have it now: give it back. */
        if (!may_stand || now_ns < machine->hold_off_until_ns)
            return act(TJ_LEASE_OP_RELEASE, machine->adopt_term);
        /* Ours of old, brought back by a restored copy: who led after us may
         * still do, and is given the time to notice. */
        if (is_regressed(machine) && now_ns < patience_until_ns(machine))
            return wait_until(
                least(machine->read_at_ns, patience_until_ns(machine)));
        return act(TJ_LEASE_OP_RENEW, machine->adopt_term);
    }
    if (machine->hw_unsaved)
        return act(TJ_LEASE_OP_SAVE_HW, machine->hw);
    if (may_stand)
        return next_candidate(machine, now_ns);
    if (!machine->hw_known)
        return wait_until(least(machine->read_at_ns, machine->hw_at_ns));
    return wait_until(machine->read_at_ns);
}

static tj_lease_action next_securing(const tj_lease_machine *machine)
{
    if (machine->term <= machine->hw) {
        tj_lease_action repair = act(TJ_LEASE_OP_REPAIR, machine->term);

        repair.new_term = machine->hw + 1;
        return repair;
    }
    return act(TJ_LEASE_OP_SAVE_HW, machine->term);
}

static tj_lease_action next_ending(const tj_lease_machine *machine,
                                   int64_t now_ns)
{
    if (machine->renewing) {
        if (now_ns >= machine->call_at_ns)
            return act(TJ_LEASE_OP_RENEW, machine->term);
        return wait_until(machine->call_at_ns);
    }
    if (now_ns >= machine->read_at_ns)
        return act(TJ_LEASE_OP_READ, 0);
    return wait_until(machine->read_at_ns);
}

tj_lease_action tj__lease_next(const tj_lease_machine *machine, int64_t now_ns)
{
    const tj_lease_rules *rules = &machine->rules;

    switch (machine->phase) {
    case TJ_LEASE_PHASE_STOPPED:
        break;
    case TJ_LEASE_PHASE_FOLLOWING:
        return next_following(machine, now_ns);
    case TJ_LEASE_PHASE_SECURING:
        return next_securing(machine);
    case TJ_LEASE_PHASE_LEADING:
        if (now_ns >= machine->call_at_ns)
            return act(TJ_LEASE_OP_RENEW, machine->term);
        return wait_until(
            least(machine->call_at_ns, machine->sent_ns + rules->terminate_ns));
    case TJ_LEASE_PHASE_ENDING:
        return next_ending(machine, now_ns);
    case TJ_LEASE_PHASE_RELEASING:
        if (now_ns >= machine->call_at_ns)
            return act(TJ_LEASE_OP_RELEASE, machine->term);
        return wait_until(least(machine->call_at_ns, machine->give_up_at_ns));
    }
    return act(TJ_LEASE_OP_END, 0);
}

void tj__lease_machine_view(const tj_lease_machine *machine,
                            tj_lease_view *ret_view)
{
    static const tj_lease_state states[] = {
        [TJ_LEASE_PHASE_STOPPED] = TJ_LEASE_STOPPED,
        [TJ_LEASE_PHASE_FOLLOWING] = TJ_LEASE_FOLLOWER,
        [TJ_LEASE_PHASE_SECURING] = TJ_LEASE_FOLLOWER,
        [TJ_LEASE_PHASE_LEADING] = TJ_LEASE_LEADING,
        [TJ_LEASE_PHASE_ENDING] = TJ_LEASE_DRAINING,
        [TJ_LEASE_PHASE_RELEASING] = TJ_LEASE_DRAINING,
    };
    const tj_lease_rules *rules = &machine->rules;

    memset(ret_view, 0, sizeof(*ret_view));
    ret_view->state = states[machine->phase];
    ret_view->order = machine->order;
    if (ret_view->state >= TJ_LEASE_LEADING) {
        ret_view->term = machine->term;
        ret_view->terminate_at_ns = machine->sent_ns + rules->terminate_ns;
        ret_view->kill_at_ns = machine->kill_by_ns;
        ret_view->dead_at_ns = machine->sent_ns + rules->dead_ns;
    }
    if (ret_view->state == TJ_LEASE_LEADING)
        ret_view->start_until_ns = machine->sent_ns + rules->no_start_ns;
    ret_view->last_confirmed_ns = machine->sent_ns;
    ret_view->row_seen_ns = machine->row_seen_ns;
    ret_view->n_renewals = machine->n_renewals;
    ret_view->n_unknown = machine->n_unknown;
    ret_view->unreachable = machine->unreachable;
    ret_view->row = machine->row;
    memcpy(ret_view->reason, machine->reason, sizeof(ret_view->reason));
}
