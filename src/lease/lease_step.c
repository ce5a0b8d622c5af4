/* The lease's state machine. See lease_step.h for its shape. */
#include "lease/lease_step.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MS_NS INT64_C(1000000)
/* A hint waits this long, so that a writer that is just at it gets through. */
#define HINT_DELAY_NS (4 * MS_NS)

/* ---- small things ---- */

static int64_t least(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static int64_t most(int64_t left, int64_t right)
{
    return left > right ? left : right;
}

static void TJ_PRINTF(2, 3)
    because(tj_lease_machine *machine, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(machine->reason, sizeof(machine->reason), format,
                    arguments);
    va_end(arguments);
}

/* R, 20 % more or less, so that nodes do not look in step. */
static int64_t renew_jittered(tj_lease_machine *machine)
{
    machine->random ^= machine->random << 13;
    machine->random ^= machine->random >> 7;
    machine->random ^= machine->random << 17;
    return machine->rules.renew_ns / 1000 *
           (800 + (int64_t)(machine->random % 401));
}

static bool is_mine(const tj_lease_machine *machine,
                    const tj_lease_record *record)
{
    return record->exists && !record->released &&
           !strcmp(record->holder, machine->rules.me.holder);
}

void tj__lease_machine_init(tj_lease_machine *machine,
                            const tj_lease_rules *rules)
{
    memset(machine, 0, sizeof(*machine));
    machine->rules = *rules;
    machine->random = rules->seed ? rules->seed : 1;
    because(machine, "not started");
}

/* ---- moving ---- */

static void follow(tj_lease_machine *machine, int64_t now_ns)
{
    machine->phase = TJ_LEASE_PHASE_FOLLOWING;
    machine->order = TJ_LEASE_ORDER_REST;
    machine->term = 0;
    machine->sent_ns = 0;
    machine->kill_by_ns = 0;
    machine->seen_valid = false;
    machine->read_first = false;
    machine->adopt_term = 0;
    machine->release_own = false;
    machine->read_at_ns = now_ns;
    if (machine->hold_off)
        machine->hold_off_until_ns = now_ns + machine->rules.hold_off_ns;
    machine->hold_off = false;
}

/* All deadlines move to `sent_ns`, which was taken before the write that is
 * now confirmed was sent. */
static void anchor(tj_lease_machine *machine, int64_t sent_ns)
{
    machine->sent_ns = sent_ns;
    machine->kill_by_ns = sent_ns + machine->rules.kill_ns;
    machine->call_at_ns = sent_ns + machine->rules.renew_ns;
}

/* The row is ours under `term`; nothing may start before that is secured. */
static void
secure(tj_lease_machine *machine, int64_t term, int64_t sent_ns, int64_t seq)
{
    tj_lease_pause pause = machine->row.pause;

    machine->phase = TJ_LEASE_PHASE_SECURING;
    machine->term = term;
    machine->lost = false;
    machine->renewing = true;
    machine->adopt_term = 0;
    machine->read_first = false;
    anchor(machine, sent_ns);
    machine->row = machine->rules.me;
    machine->row.exists = true;
    machine->row.term = term;
    machine->row.seq = seq;
    machine->row.pause = pause;
    machine->row_seen_ns = sent_ns;
}

static void lead(tj_lease_machine *machine)
{
    machine->phase = TJ_LEASE_PHASE_LEADING;
    machine->order = TJ_LEASE_ORDER_RUN;
    machine->hw = most(machine->hw, machine->term);
}

/* The leadership ends: the owner has to end its runs first. */
static void end(tj_lease_machine *machine, tj_lease_order order, int64_t now_ns)
{
    machine->phase = TJ_LEASE_PHASE_ENDING;
    machine->order = order;
    machine->renewing = order == TJ_LEASE_ORDER_DRAIN;
    machine->read_at_ns = now_ns;
}

/* Nothing of ours runs: give the row back, if it is still ours. */
static void release(tj_lease_machine *machine, int64_t now_ns)
{
    machine->order = TJ_LEASE_ORDER_REST;
    if (machine->lost) {
        follow(machine, now_ns);
        return;
    }
    machine->phase = TJ_LEASE_PHASE_RELEASING;
    machine->ended_term = machine->term;
    machine->call_at_ns = now_ns;
    machine->give_up_at_ns = now_ns + 2 * machine->rules.renew_ns;
}

/* ---- time ---- */

static void step_time(tj_lease_machine *machine, int64_t now_ns)
{
    bool over = machine->sent_ns &&
                now_ns >= machine->sent_ns + machine->rules.terminate_ns;

    switch (machine->phase) {
    case TJ_LEASE_PHASE_SECURING:
        if (over) {
            because(machine, "term %lld took too long to secure",
                    (long long)machine->term);
            release(machine, now_ns);
        }
        break;
    case TJ_LEASE_PHASE_LEADING:
        if (over) {
            char why[TJ_LEASE_REASON_SIZE] = "";

            if (machine->unreachable)
                (void)snprintf(why, sizeof(why), ": %.150s", machine->reason);
            because(machine, "no renewal confirmed for %lld ms%s",
                    (long long)((now_ns - machine->sent_ns) / MS_NS), why);
            end(machine, TJ_LEASE_ORDER_TERMINATE, now_ns);
        }
        break;
    case TJ_LEASE_PHASE_ENDING:
        /* A drain that can no longer be covered by renewals. */
        if (over)
            machine->renewing = false;
        break;
    case TJ_LEASE_PHASE_RELEASING:
        if (now_ns >= machine->give_up_at_ns)
            follow(machine, now_ns);
        break;
    case TJ_LEASE_PHASE_STOPPED:
    case TJ_LEASE_PHASE_FOLLOWING:
        break;
    }
}

/* ---- answers ---- */

static void failed(tj_lease_machine *machine, const tj_lease_event *event)
{
    machine->n_unknown++;
    machine->unreachable = true;
    /* While the leadership ends, the reason is why it does. */
    if (machine->phase != TJ_LEASE_PHASE_ENDING &&
        machine->phase != TJ_LEASE_PHASE_RELEASING)
        because(machine, "backend unreachable: %.200s",
                event->text ? event->text : tj_error_text(event->code));
}

static void reached(tj_lease_machine *machine)
{
    if (!machine->unreachable)
        return;
    machine->unreachable = false;
    if (machine->phase != TJ_LEASE_PHASE_ENDING &&
        machine->phase != TJ_LEASE_PHASE_RELEASING)
        because(machine, "backend reachable again");
}

static bool is_same_row(const tj_lease_record *left,
                        const tj_lease_record *right)
{
    return left->exists == right->exists && left->term == right->term &&
           left->seq == right->seq && left->released == right->released &&
           !strcmp(left->holder, right->holder);
}

/* Who has what was ours a moment ago, for people. */
static void because_lost(tj_lease_machine *machine,
                         const tj_lease_record *record)
{
    if (!record->exists)
        because(machine, "lease lost: the row is gone");
    else if (record->released)
        because(machine, "lease lost: term %lld was released by somebody else",
                (long long)record->term);
    else
        because(machine, "lease lost to term %lld held by %.32s on %.64s",
                (long long)record->term, record->holder, record->host);
}

static void answer_read(tj_lease_machine *machine, const tj_lease_event *event)
{
    const tj_lease_record *record = event->record;

    machine->last_read_ns = event->now_ns;
    machine->read_at_ns = event->now_ns + renew_jittered(machine);
    if (event->code) {
        failed(machine, event);
        return;
    }
    reached(machine);
    machine->row = *record;
    machine->row_seen_ns = event->now_ns;
    if (machine->phase == TJ_LEASE_PHASE_ENDING) {
        if (machine->lost)
            because_lost(machine, record);
        return;
    }
    if (!machine->seen_valid || !is_same_row(&machine->seen, record)) {
        machine->seen_valid = true;
        machine->seen = *record;
        machine->since_ns = event->now_ns;
    }
    machine->read_first = false;
    machine->holder_asked = false;
    machine->holder_gone = false;
    machine->adopt_term = 0;
    machine->release_own = false;
    if (is_mine(machine, record)) {
        machine->release_own = record->term == machine->ended_term;
        machine->adopt_term = machine->release_own ? 0 : record->term;
    } else if (record->term > machine->hw && machine->hw_known) {
        machine->hw = record->term;
        machine->hw_unsaved = machine->rules.keeps_hw;
    }
    if (record->term >= TJ_LEASE_TERM_MAX)
        because(machine, "cannot stand: the terms are used up");
}

/* Why a row was free to take, for people. */
static void because_acquired(tj_lease_machine *machine, int64_t now_ns)
{
    const tj_lease_record *seen = &machine->seen;

    if (!seen->term)
        because(machine, "%s",
                machine->hw ? "the row was gone"
                            : "nobody held the lease before");
    else if (seen->released)
        because(machine, "released by %.32s on %.64s", seen->holder,
                seen->host);
    else if (machine->holder_gone)
        because(machine, "the process of %.32s on %.64s is gone", seen->holder,
                seen->host);
    else if (machine->rules.one_host && seen->boot_id[0] &&
             strcmp(seen->boot_id, machine->rules.me.boot_id) != 0 &&
             now_ns - machine->since_ns < tj__lease_patience_ns(machine))
        because(machine, "%.32s on %.64s held it before the machine booted",
                seen->holder, seen->host);
    else
        because(machine, "%.32s on %.64s has not renewed for %lld ms",
                seen->holder, seen->host,
                (long long)((now_ns - machine->since_ns) / MS_NS));
}

/* Look again soon, and do nothing about the row before that. */
static void look_again(tj_lease_machine *machine, int64_t at_ns)
{
    machine->read_first = true;
    machine->read_at_ns = at_ns;
}

static void answer_acquire(tj_lease_machine *machine,
                           const tj_lease_event *event)
{
    if (machine->phase != TJ_LEASE_PHASE_FOLLOWING)
        return;
    if (event->code) {
        failed(machine, event);
        look_again(machine, event->now_ns + machine->rules.renew_ns / 4);
        return;
    }
    reached(machine);
    if (event->outcome == TJ_LEASE_CHANGED) {
        look_again(machine, event->now_ns);
        return;
    }
    because_acquired(machine, event->now_ns);
    secure(machine, machine->seen.term + 1, event->sent_ns,
           machine->seen.seq + 1);
}

/* The answer to an acquisition was lost; this renewal tells that it is ours. */
static void answer_adoption(tj_lease_machine *machine,
                            const tj_lease_event *event)
{
    if (event->code) {
        failed(machine, event);
        look_again(machine, event->now_ns + machine->rules.renew_ns / 4);
        return;
    }
    reached(machine);
    if (event->outcome == TJ_LEASE_CHANGED) {
        look_again(machine, event->now_ns);
        return;
    }
    because(machine, "adopted: the answer to the acquisition had been lost");
    secure(machine, machine->adopt_term, event->sent_ns, machine->seen.seq + 1);
}

static void lose(tj_lease_machine *machine, int64_t now_ns)
{
    machine->lost = true;
    because(machine, "lease lost: the row is not ours any more");
    end(machine, TJ_LEASE_ORDER_TERMINATE, now_ns);
    machine->kill_by_ns =
        least(machine->kill_by_ns, now_ns + machine->rules.grace_ns);
}

static void answer_renew(tj_lease_machine *machine, const tj_lease_event *event)
{
    if (machine->phase == TJ_LEASE_PHASE_FOLLOWING) {
        answer_adoption(machine, event);
        return;
    }
    /* Its deadline T passed while it was under way: too late to count. */
    if (machine->phase != TJ_LEASE_PHASE_LEADING &&
        !(machine->phase == TJ_LEASE_PHASE_ENDING && machine->renewing))
        return;
    if (event->code) {
        failed(machine, event);
        machine->call_at_ns = event->now_ns + machine->rules.renew_ns / 2;
        return;
    }
    reached(machine);
    if (event->outcome == TJ_LEASE_CHANGED) {
        lose(machine, event->now_ns);
        return;
    }
    anchor(machine, event->sent_ns);
    machine->n_renewals++;
    machine->row.seq++;
    machine->row_seen_ns = event->now_ns;
    if (event->pause)
        machine->row.pause = *event->pause;
}

static void answer_release(tj_lease_machine *machine,
                           const tj_lease_event *event)
{
    if (event->code) {
        failed(machine, event);
        machine->call_at_ns = event->now_ns + machine->rules.renew_ns / 4;
        if (machine->phase == TJ_LEASE_PHASE_FOLLOWING)
            look_again(machine, machine->call_at_ns);
        return;
    }
    reached(machine);
    machine->ended_term = 0;
    if (event->outcome == TJ_LEASE_DONE && machine->row.exists)
        machine->row.released = true;
    follow(machine, event->now_ns);
}

static void answer_repair(tj_lease_machine *machine,
                          const tj_lease_event *event)
{
    int64_t old_term = machine->term;
    char why[TJ_LEASE_REASON_SIZE];

    if (machine->phase != TJ_LEASE_PHASE_SECURING)
        return;
    if (event->code || event->outcome == TJ_LEASE_CHANGED) {
        /* A look shows whether it is ours and under which term. */
        if (event->code)
            failed(machine, event);
        follow(machine, event->now_ns);
        look_again(machine,
                   event->now_ns +
                       (event->code ? machine->rules.renew_ns / 4 : 0));
        return;
    }
    memcpy(why, machine->reason, sizeof(why));
    secure(machine, machine->hw + 1, event->sent_ns, machine->row.seq + 1);
    because(machine, "%.150s; term_repaired from %lld to %lld", why,
            (long long)old_term, (long long)machine->term);
}

static void answer_save_hw(tj_lease_machine *machine,
                           const tj_lease_event *event)
{
    if (machine->phase == TJ_LEASE_PHASE_FOLLOWING) {
        /* Noted for a restart; the next higher term tries again. */
        machine->hw_unsaved = false;
        return;
    }
    if (machine->phase != TJ_LEASE_PHASE_SECURING)
        return;
    if (!event->code) {
        machine->hw_unsaved = false;
        lead(machine);
        return;
    }
    because(machine, "resigned: term %lld cannot be kept: %.150s",
            (long long)machine->term,
            event->text ? event->text : tj_error_text(event->code));
    machine->hold_off = true;
    release(machine, event->now_ns);
}

static void answer_load_hw(tj_lease_machine *machine,
                           const tj_lease_event *event)
{
    if (event->code) {
        machine->hw_at_ns = event->now_ns + machine->rules.renew_ns;
        because(machine, "cannot stand: %.200s",
                event->text ? event->text : tj_error_text(event->code));
        return;
    }
    machine->hw_known = true;
    machine->hw = most(machine->hw, event->term);
}

static void step_answer(tj_lease_machine *machine, const tj_lease_event *event)
{
    switch (event->op) {
    case TJ_LEASE_OP_LOAD_HW:
        answer_load_hw(machine, event);
        break;
    case TJ_LEASE_OP_SAVE_HW:
        answer_save_hw(machine, event);
        break;
    case TJ_LEASE_OP_CHECK_HOLDER:
        machine->holder_asked = true;
        machine->holder_gone = event->yes;
        break;
    case TJ_LEASE_OP_READ:
        answer_read(machine, event);
        break;
    case TJ_LEASE_OP_ACQUIRE:
        answer_acquire(machine, event);
        break;
    case TJ_LEASE_OP_RENEW:
        answer_renew(machine, event);
        break;
    case TJ_LEASE_OP_RELEASE:
        answer_release(machine, event);
        break;
    case TJ_LEASE_OP_REPAIR:
        answer_repair(machine, event);
        break;
    case TJ_LEASE_OP_WAIT:
    case TJ_LEASE_OP_END:
        break;
    }
}

/* ---- the owner's wishes ---- */

/* Give the lease up in good order, from wherever it stands. */
static void give_up(tj_lease_machine *machine, int64_t now_ns)
{
    if (machine->phase == TJ_LEASE_PHASE_LEADING)
        end(machine, TJ_LEASE_ORDER_DRAIN, now_ns);
    else if (machine->phase == TJ_LEASE_PHASE_SECURING)
        release(machine, now_ns);
}

static void step_down(tj_lease_machine *machine, const tj_lease_event *event)
{
    if (machine->phase != TJ_LEASE_PHASE_LEADING &&
        machine->phase != TJ_LEASE_PHASE_SECURING)
        return;
    because(machine, "%.240s", event->text);
    machine->hold_off = true;
    give_up(machine, event->now_ns);
}

static void stop(tj_lease_machine *machine, int64_t now_ns)
{
    if (machine->stopping || machine->phase == TJ_LEASE_PHASE_STOPPED)
        return;
    machine->stopping = true;
    if (machine->phase != TJ_LEASE_PHASE_ENDING &&
        machine->phase != TJ_LEASE_PHASE_RELEASING)
        because(machine, "stopped");
    give_up(machine, now_ns);
}

static void heartbeat(tj_lease_machine *machine, const tj_lease_event *event)
{
    machine->heartbeat_lost = !event->yes;
    if (event->yes)
        return;
    if (machine->phase == TJ_LEASE_PHASE_LEADING ||
        machine->phase == TJ_LEASE_PHASE_ENDING) {
        if (machine->phase == TJ_LEASE_PHASE_LEADING)
            because(machine, "resigned: %.200s", event->text);
        /* No renewals: who cannot drain must not hold it for ever. */
        end(machine, TJ_LEASE_ORDER_TERMINATE, event->now_ns);
    } else if (machine->phase == TJ_LEASE_PHASE_SECURING) {
        because(machine, "resigned: %.200s", event->text);
        release(machine, event->now_ns);
    }
}

static void drained(tj_lease_machine *machine, const tj_lease_event *event)
{
    if (event->term != machine->term)
        return;
    /* LEADING: the owner saw T pass a moment before its renewal counted. */
    if (machine->phase == TJ_LEASE_PHASE_LEADING ||
        machine->phase == TJ_LEASE_PHASE_ENDING)
        release(machine, event->now_ns);
}

static void start(tj_lease_machine *machine, int64_t now_ns)
{
    if (machine->phase != TJ_LEASE_PHASE_STOPPED)
        return;
    machine->stopping = false;
    machine->hold_off = false;
    machine->hold_off_until_ns = 0;
    machine->hw_at_ns = now_ns;
    because(machine, "started");
    follow(machine, now_ns);
}

/* A watcher says that the row may be new. Only a follower cares, and not more
 * often than 16 times in R: the file may hold other things that change. */
static void hint(tj_lease_machine *machine, int64_t now_ns)
{
    int64_t at_ns = most(now_ns + HINT_DELAY_NS,
                         machine->last_read_ns + machine->rules.renew_ns / 16);

    if (machine->phase == TJ_LEASE_PHASE_FOLLOWING)
        machine->read_at_ns = least(machine->read_at_ns, at_ns);
}

void tj__lease_step(tj_lease_machine *machine, const tj_lease_event *event)
{
    step_time(machine, event->now_ns);
    switch (event->kind) {
    case TJ_LEASE_EVENT_START:
        start(machine, event->now_ns);
        break;
    case TJ_LEASE_EVENT_TIME:
        break;
    case TJ_LEASE_EVENT_ANSWER:
        step_answer(machine, event);
        break;
    case TJ_LEASE_EVENT_HINT:
        hint(machine, event->now_ns);
        break;
    case TJ_LEASE_EVENT_STOP:
        stop(machine, event->now_ns);
        break;
    case TJ_LEASE_EVENT_STEP_DOWN:
        step_down(machine, event);
        break;
    case TJ_LEASE_EVENT_DRAINED:
        drained(machine, event);
        break;
    case TJ_LEASE_EVENT_HEARTBEAT:
        heartbeat(machine, event);
        break;
    case TJ_LEASE_EVENT_PAUSE:
        machine->row.pause = *event->pause;
        break;
    }
    /* Not held, and to be stopped: that is the end. */
    if (machine->stopping && machine->phase == TJ_LEASE_PHASE_FOLLOWING) {
        machine->phase = TJ_LEASE_PHASE_STOPPED;
        machine->stopping = false;
    }
}
