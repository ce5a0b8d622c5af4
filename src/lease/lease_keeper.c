/* The keeper: the one thread of a lease that talks to the backend.
 *
 * It turns the state machine's actions into plain calls with deadlines, feeds
 * the answers back, and shows the result to everybody else. Whoever hangs in
 * here (a disk that does not answer) delays renewals and nothing more: the
 * gate, the loop's timer and the warden look at deadlines, not at the keeper.
 */
#include "lease/lease_keeper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline_cell.h"
#include "lease/lease_hw.h"
#include "lease/lease_process.h"

/* ---- showing ---- */

bool tj__lease_view_differs(const tj_lease_view *left,
                            const tj_lease_view *right)
{
    return left->state != right->state || left->order != right->order ||
           left->unreachable != right->unreachable ||
           left->term != right->term || left->row.exists != right->row.exists ||
           left->row.released != right->row.released ||
           left->row.term != right->row.term ||
           strcmp(left->row.holder, right->row.holder) != 0 ||
           left->row.pause.paused != right->row.pause.paused ||
           left->row.pause.until_wall_ms != right->row.pause.until_wall_ms ||
           strcmp(left->row.pause.who, right->row.pause.who) != 0 ||
           strcmp(left->row.pause.why, right->row.pause.why) != 0 ||
           strcmp(left->reason, right->reason) != 0;
}

/* Nothing to show: not even a deadline has moved. */
static bool view_is_same(const tj_lease_view *left, const tj_lease_view *right)
{
    return !tj__lease_view_differs(left, right) &&
           left->start_until_ns == right->start_until_ns &&
           left->terminate_at_ns == right->terminate_at_ns &&
           left->kill_at_ns == right->kill_at_ns &&
           left->dead_at_ns == right->dead_at_ns &&
           left->last_confirmed_ns == right->last_confirmed_ns &&
           left->row_seen_ns == right->row_seen_ns &&
           left->n_renewals == right->n_renewals &&
           left->n_unknown == right->n_unknown;
}

/* The warden's copy: before the gate opens, and not before it is shut. */
static void cell_write(tj_lease *lease, const tj_lease_view *view)
{
    if (!lease->cell)
        return;
    if (view->order == TJ_LEASE_ORDER_REST)
        tj__deadline_clear(lease->cell);
    else
        tj__deadline_extend(lease->cell, view->term, view->kill_at_ns,
                            view->dead_at_ns);
}

void tj__lease_keeper_show(tj_lease *lease)
{
    tj_lease_view view;
    bool differs;

    /* Won, but not to be told before it is secured. */
    if (lease->machine.phase == TJ_LEASE_PHASE_SECURING)
        return;
    tj__lease_machine_view(&lease->machine, &view);
    if (view_is_same(&view, &lease->shown))
        return;
    differs = tj__lease_view_differs(&view, &lease->shown);
    /* Shut first, then let the warden know. */
    if (!view.start_until_ns)
        tj__lease_shared_write(&lease->shared, &view);
    cell_write(lease, &view);
    if (view.start_until_ns)
        tj__lease_shared_write(&lease->shared, &view);
    lease->shown = view;
    if (differs && !atomic_exchange(&lease->change_posted, true))
        lease->loop->ops->post(lease->loop, &lease->change_task);
}

/* ---- doing ---- */

static void feed(tj_lease *lease, tj_lease_event *event)
{
    event->now_ns = tj_lease_now_ns();
    tj__lease_step(&lease->machine, event);
}

/* Every call is over well within R/2. */
static int64_t call_deadline(const tj_lease *lease, int64_t now_ns)
{
    return now_ns + lease->machine.rules.renew_ns / 20 * 9;
}

static void
perform(tj_lease *lease, const tj_lease_action *action, int64_t sent_ns)
{
    const tj_lease_backend_ops *ops = lease->backend->ops;
    const tj_lease_rules *rules = &lease->machine.rules;
    const char *me = rules->me.holder;
    int64_t deadline_ns = call_deadline(lease, sent_ns);
    tj_error error = TJ_ERROR_INIT;
    tj_lease_record record = { .exists = false };
    tj_lease_pause pause = { .paused = false };
    tj_lease_event answer = { .kind = TJ_LEASE_EVENT_ANSWER,
                              .op = action->op,
                              .sent_ns = sent_ns,
                              .outcome = TJ_LEASE_CHANGED,
                              .record = &record,
                              .pause = &pause,
                              .text = error.message };

    switch (action->op) {
    case TJ_LEASE_OP_LOAD_HW:
        if (lease->state_dir)
            answer.code = tj__lease_hw_load(lease->state_dir, lease->name,
                                            &answer.term, &error);
        break;
    case TJ_LEASE_OP_SAVE_HW:
        if (lease->state_dir)
            answer.code = tj__lease_hw_save(lease->state_dir, lease->name,
                                            action->term, &error);
        break;
    case TJ_LEASE_OP_CHECK_HOLDER:
        answer.yes = tj__lease_process_is_gone(action->seen);
        break;
    case TJ_LEASE_OP_READ:
        answer.code = ops->read(lease->backend, lease->name, deadline_ns,
                                &record, &error);
        break;
    case TJ_LEASE_OP_ACQUIRE:
        record = rules->me;
        record.acquired_wall_ms = (int64_t)time(NULL) * 1000;
        answer.code =
            ops->acquire(lease->backend, lease->name, action->seen, &record,
                         deadline_ns, &answer.outcome, &error);
        break;
    case TJ_LEASE_OP_RENEW:
        answer.code = ops->renew(lease->backend, lease->name, action->term, me,
                                 deadline_ns, &answer.outcome, &pause, &error);
        break;
    case TJ_LEASE_OP_RELEASE:
        answer.code = ops->release(lease->backend, lease->name, action->term,
                                   me, deadline_ns, &answer.outcome, &error);
        break;
    case TJ_LEASE_OP_REPAIR:
        answer.code =
            ops->repair(lease->backend, lease->name, action->term, me,
                        action->new_term, deadline_ns, &answer.outcome, &error);
        break;
    case TJ_LEASE_OP_WAIT:
    case TJ_LEASE_OP_END:
        return;
    }
    feed(lease, &answer);
}

/* ---- wishes ---- */

static void request_perform(tj_lease *lease, tj_lease_request *request)
{
    const tj_lease_backend_ops *ops = lease->backend->ops;

    request->code = ops->set_pause(lease->backend, lease->name, &request->pause,
                                   call_deadline(lease, tj_lease_now_ns()),
                                   &request->error);
    if (!request->code) {
        tj_lease_event event = { .kind = TJ_LEASE_EVENT_PAUSE,
                                 .pause = &request->pause };

        feed(lease, &event);
        tj__lease_keeper_show(lease);
    }
    lease->loop->ops->post(lease->loop, &request->task);
}

/* Take the wishes over, but of the requests only the first: renewals have to
 * come between them. */
static tj_lease_wishes wishes_take(tj_lease *lease)
{
    tj_lease_wishes wishes;

    pthread_mutex_lock(&lease->lock);
    wishes = lease->wishes;
    lease->wishes = (tj_lease_wishes){ .requests = NULL };
    if (wishes.requests) {
        lease->wishes.requests = wishes.requests->next;
        wishes.requests->next = NULL;
    }
    if (!lease->wishes.requests)
        lease->last_request = &lease->wishes.requests;
    pthread_mutex_unlock(&lease->lock);
    return wishes;
}

/* Grant what is wished. Returns true when there is more. */
static bool wishes_grant(tj_lease *lease)
{
    tj_lease_wishes wishes = wishes_take(lease);
    tj_lease_event event = { .kind = TJ_LEASE_EVENT_STEP_DOWN,
                             .text = wishes.step_down_reason };

    if (wishes.step_down)
        feed(lease, &event);
    if (wishes.stop) {
        event.kind = TJ_LEASE_EVENT_STOP;
        feed(lease, &event);
    }
    if (wishes.abandon)
        wishes.drained_term = lease->machine.term;
    if (wishes.drained_term) {
        event.kind = TJ_LEASE_EVENT_DRAINED;
        event.term = wishes.drained_term;
        feed(lease, &event);
    }
    tj__lease_keeper_show(lease);
    if (wishes.requests)
        request_perform(lease, wishes.requests);
    return wishes.requests != NULL;
}

/* ---- the loop's heartbeat ---- */

static int64_t heartbeat_due(const tj_lease *lease)
{
    return atomic_load_explicit(&lease->heartbeat_ns, memory_order_relaxed) +
           lease->heartbeat_timeout_ns;
}

static void heartbeat_check(tj_lease *lease)
{
    char why[96];
    tj_lease_event event = { .kind = TJ_LEASE_EVENT_HEARTBEAT, .text = why };
    int64_t now_ns = tj_lease_now_ns();

    if (!lease->heartbeat_timeout_ns)
        return;
    event.yes = now_ns < heartbeat_due(lease);
    if (event.yes == !lease->machine.heartbeat_lost)
        return;
    (void)snprintf(why, sizeof(why), "the loop has not moved for %lld ms",
                   (long long)((now_ns - heartbeat_due(lease) +
                                lease->heartbeat_timeout_ns) /
                               1000000));
    feed(lease, &event);
}

/* ---- waiting ---- */

static int watch_fd(tj_lease *lease)
{
    const tj_lease_backend_ops *ops = lease->backend->ops;

    /* Only who follows wants to be told. */
    if (!ops->watch_fd || lease->machine.phase != TJ_LEASE_PHASE_FOLLOWING)
        return -1;
    return ops->watch_fd(lease->backend);
}

static void drain_fd(int fd)
{
    uint64_t count;
    ssize_t got;

    do
        got = read(fd, &count, sizeof(count));
    while (got < 0 && errno == EINTR);
}

static void keeper_wait(tj_lease *lease, int64_t until_ns)
{
    struct pollfd polled[] = {
        { .fd = lease->wake_fd, .events = POLLIN },
        { .fd = lease->timer_fd, .events = POLLIN },
        { .fd = watch_fd(lease), .events = POLLIN },
    };
    struct itimerspec timer = { .it_value = { .tv_sec = 0 } };

    if (lease->heartbeat_timeout_ns && !lease->machine.heartbeat_lost &&
        heartbeat_due(lease) < until_ns)
        until_ns = heartbeat_due(lease);
    if (until_ns < 1)
        until_ns = 1; /* 0 would disarm it */
    timer.it_value.tv_sec = (time_t)(until_ns / 1000000000);
    timer.it_value.tv_nsec = (long)(until_ns % 1000000000);
    timerfd_settime(lease->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
    if (poll(polled, 3, -1) <= 0)
        return;
    if (polled[0].revents)
        drain_fd(lease->wake_fd);
    if (polled[1].revents)
        drain_fd(lease->timer_fd);
    if (polled[2].revents) {
        tj_lease_event event = { .kind = TJ_LEASE_EVENT_HINT };

        lease->backend->ops->watch_clear(lease->backend);
        feed(lease, &event);
    }
}

void tj__lease_keeper_wake(tj_lease *lease)
{
    const uint64_t one = 1;
    ssize_t wrote;

    /* A full counter is as good as one more. */
    do
        wrote = write(lease->wake_fd, &one, sizeof(one));
    while (wrote < 0 && errno == EINTR);
}

/* ---- the thread ---- */

/* Whoever still waits for a request is told that nobody will do it. */
static void keeper_end(tj_lease *lease)
{
    tj_lease_request *request;

    pthread_mutex_lock(&lease->lock);
    request = lease->wishes.requests;
    lease->wishes = (tj_lease_wishes){ .requests = NULL };
    lease->last_request = &lease->wishes.requests;
    lease->keeper_ended = true;
    pthread_mutex_unlock(&lease->lock);
    while (request) {
        tj_lease_request *next = request->next;

        request->code = TJ_ECANCELED;
        lease->loop->ops->post(lease->loop, &request->task);
        request = next;
    }
    lease->loop->ops->post(lease->loop, &lease->ended_task);
}

void *tj__lease_keeper_main(void *userdata)
{
    tj_lease *lease = userdata;
    tj_lease_event event = { .kind = TJ_LEASE_EVENT_START };
    tj_lease_action action;

    prctl(PR_SET_NAME, "tj-keeper");
    feed(lease, &event);
    do {
        bool more = wishes_grant(lease);
        int64_t now_ns;

        heartbeat_check(lease);
        event = (tj_lease_event){ .kind = TJ_LEASE_EVENT_TIME };
        feed(lease, &event);
        tj__lease_keeper_show(lease);
        now_ns = event.now_ns;
        action = tj__lease_next(&lease->machine, now_ns);
        if (action.op != TJ_LEASE_OP_WAIT)
            perform(lease, &action, tj_lease_now_ns());
        else if (!more && action.until_ns > now_ns)
            keeper_wait(lease, action.until_ns);
    } while (action.op != TJ_LEASE_OP_END);
    tj__lease_keeper_show(lease);
    keeper_end(lease);
    return NULL;
}
