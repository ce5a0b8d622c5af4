/* The lease as its owner has it, on the loop's thread: life, wishes, and the
 * telling of changes. lease_keeper.c is the other thread. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "lease/lease_keeper.h"
#include "lease/lease_process.h"

/* Enough for a backend's calls; only what is touched becomes memory. */
#define KEEPER_STACK_SIZE ((size_t)256 * 1024)

#define LEASE_OF(member_pointer, member) \
    ((tj_lease *)(void *)((char *)(member_pointer)-offsetof(tj_lease, member)))

int64_t tj_lease_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t wall_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- telling changes ---- */

static void timer_arm(tj_lease *lease);

/* Tell the owner if what is true now is not what it was told last. */
static void tell(tj_lease *lease)
{
    tj_lease_view view;

    if (lease->closing)
        return;
    tj_lease_read(lease, &view);
    if (!lease->told_any || tj__lease_view_differs(&view, &lease->told)) {
        lease->told = view;
        lease->told_any = true;
        if (lease->on_change)
            lease->on_change(lease, &view, lease->userdata);
    }
    if (!lease->closing)
        timer_arm(lease);
}

static void timer_disarm(tj_lease *lease)
{
    if (lease->timer)
        lease->loop->ops->timer_stop(lease->loop, lease->timer);
    lease->timer = NULL;
}

static void on_timer(void *userdata, uint64_t expirations)
{
    tj_lease *lease = userdata;

    timer_disarm(lease);
    tell(lease);
}

/* One shot at a time: renewals that come meanwhile move the deadline on, the
 * shot finds nothing to tell and is aimed again. So a renewal costs the loop
 * nothing. Should the loop have no timer to give, the keeper still tells. */
static void timer_arm(tj_lease *lease)
{
    int64_t now_ns = tj_lease_now_ns();
    tj_lease_view view;
    int64_t next_ns;

    if (lease->timer)
        return;
    tj__lease_shared_read(&lease->shared, &view);
    next_ns = tj__lease_view_next(&view, now_ns);
    if (next_ns &&
        lease->loop->ops->timer_start(lease->loop, (uint64_t)(next_ns - now_ns),
                                      0, on_timer, lease, &lease->timer))
        lease->timer = NULL;
}

static void on_change_task(tj_task *task)
{
    tj_lease *lease = LEASE_OF(task, change_task);

    /* From here on a newer change posts again. */
    atomic_store(&lease->change_posted, false);
    if (lease->closing)
        return;
    /* What is armed may be for a deadline that is not there any more. */
    timer_disarm(lease);
    tell(lease);
}

/* ---- looking ---- */

void tj_lease_read(const tj_lease *lease, tj_lease_view *ret_view)
{
    tj__lease_shared_read(&lease->shared, ret_view);
    tj__lease_view_at(ret_view, tj_lease_now_ns());
    if (ret_view->row.pause.paused &&
        !tj__lease_pause_holds(&ret_view->row.pause, wall_now_ms()))
        memset(&ret_view->row.pause, 0, sizeof(ret_view->row.pause));
}

bool tj_lease_may_start(const tj_lease *lease,
                        int64_t now_ns,
                        int64_t *ret_term)
{
    int64_t term;

    if (!tj__lease_shared_leads(&lease->shared, now_ns, &term) ||
        tj__lease_shared_paused(&lease->shared))
        return false;
    if (ret_term)
        *ret_term = term;
    return true;
}

const char *tj_lease_get_holder(const tj_lease *lease)
{
    return lease->machine.rules.me.holder;
}

const char *tj_lease_get_name(const tj_lease *lease)
{
    return lease->name;
}

const char *tj_lease_get_host(const tj_lease *lease)
{
    return lease->machine.rules.me.host;
}

/* ---- the gate ---- */

/* A tick looks once for each runner, so most looks must cost next to nothing.
 * The coarse clock is cheap and moves every few milliseconds: while it shows
 * the same as at the last full look, and nothing was written since, that
 * look's answer holds, for it was asked about one coarse step ahead. So the
 * gate shuts a step early, never late (but for the first moment after a
 * suspend, where without a fence nothing can be promised anyway). */
static inline bool glance_holds(const tj_lease *lease, tj_lease_glance *ret_now)
{
    const tj_lease_glance *then = &lease->glance;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ret_now->coarse);
    ret_now->turn =
        atomic_load_explicit(&lease->shared.turn, memory_order_acquire);
    ret_now->shut_term =
        atomic_load_explicit(&lease->shared.shut_term, memory_order_acquire);
    return ret_now->coarse.tv_nsec == then->coarse.tv_nsec &&
           ret_now->coarse.tv_sec == then->coarse.tv_sec &&
           ret_now->turn == then->turn && ret_now->shut_term == then->shut_term;
}

/* A full look, and what to keep of it. */
static tj_gate_verdict gate_look(tj_lease *lease, const tj_lease_glance *now)
{
    tj_lease_glance *glance = &lease->glance;

    *glance = (tj_lease_glance){ .term = 0 };
    if (!tj__lease_shared_leads(&lease->shared,
                                tj_lease_now_ns() + lease->coarse_tick_ns,
                                &glance->term))
        return TJ_GATE_NOT_LEADER;
    if (tj__lease_shared_paused(&lease->shared))
        return TJ_GATE_SYSTEM_PAUSED;
    glance->coarse = now->coarse;
    glance->turn = now->turn;
    glance->shut_term = now->shut_term;
    return TJ_GATE_OPEN;
}

static tj_gate_verdict
gate_ask(tj_gate_request request, tj_gate_pass *ret_pass, void *userdata)
{
    tj_lease *lease = userdata;
    tj_gate_verdict verdict = TJ_GATE_OPEN;
    tj_lease_glance now;

    if (!glance_holds(lease, &now))
        verdict = gate_look(lease, &now);
    if (verdict == TJ_GATE_OPEN)
        *ret_pass = (tj_gate_pass){ .controller_id = tj_lease_get_holder(lease),
                                    .host = tj_lease_get_host(lease),
                                    .term = lease->glance.term };
    return verdict;
}

static tj_gate_verdict gate_recheck(const tj_gate_pass *pass, void *userdata)
{
    tj_lease *lease = userdata;
    tj_gate_verdict verdict = TJ_GATE_OPEN;
    tj_lease_glance now;

    if (!glance_holds(lease, &now))
        verdict = gate_look(lease, &now);
    if (verdict == TJ_GATE_OPEN && lease->glance.term != pass->term)
        return TJ_GATE_NOT_LEADER;
    return verdict;
}

void tj_lease_gate(tj_lease *lease, tj_gate *ret_gate)
{
    *ret_gate = (tj_gate){ .size = sizeof(*ret_gate),
                           .ask = gate_ask,
                           .recheck = gate_recheck,
                           .userdata = lease };
}

/* ---- making ---- */

static void lease_free(tj_lease *lease)
{
    if (!lease)
        return;
    if (lease->take_backend)
        tj_lease_backend_free(lease->backend);
    if (lease->wake_fd >= 0)
        close(lease->wake_fd);
    if (lease->timer_fd >= 0)
        close(lease->timer_fd);
    pthread_mutex_destroy(&lease->lock);
    tj__free(lease->state_dir);
    tj__free(lease);
}

static void describe_host(char host[TJ_LEASE_HOST_SIZE], const char *given)
{
    if (given) {
        (void)snprintf(host, TJ_LEASE_HOST_SIZE, "%s", given);
        return;
    }
    if (gethostname(host, TJ_LEASE_HOST_SIZE))
        host[0] = '\0';
    host[TJ_LEASE_HOST_SIZE - 1] = '\0';
    if (!host[0] || !tj__text_is_printable(host, strlen(host)))
        (void)snprintf(host, TJ_LEASE_HOST_SIZE, "localhost");
}

static int lease_describe(const tj_lease_options *options,
                          tj_lease_rules *rules,
                          tj_error *reterr)
{
    int code;

    tj__lease_rules_from_options(options, rules);
    rules->one_host =
        (options->backend->ops->flags & TJ_LEASE_BACKEND_ONE_HOST) != 0;
    code = tj__lease_process_holder(rules->me.holder, reterr);
    if (code)
        return code;
    memcpy(&rules->seed, rules->me.holder, sizeof(rules->seed));
    tj__lease_process_describe(&rules->me);
    describe_host(rules->me.host, options->host);
    return 0;
}

static int check(const tj_lease_options *options, tj_error *reterr)
{
    int code = tj_lease_options_check(options, reterr);

    if (!code && (!options->backend || !options->loop))
        code = tj__error_set(reterr, TJ_EINVAL, "lease",
                             "a lease needs a backend and a loop");
    return code;
}

/* Fill in a zeroed lease. What fails leaves it fit for lease_free. */
static int
lease_init(tj_lease *lease, const tj_lease_options *options, tj_error *reterr)
{
    tj_lease_rules rules;
    struct timespec tick = { .tv_sec = 0 };
    int code = lease_describe(options, &rules, reterr);

    if (code)
        return code;
    tj__lease_machine_init(&lease->machine, &rules);
    (void)snprintf(lease->name, sizeof(lease->name), "%s", options->name);
    lease->state_dir = tj__strdup(options->state_dir);
    if (options->state_dir && !lease->state_dir)
        return tj__error_set(reterr, TJ_ENOMEM, "lease", "out of memory");
    lease->loop = options->loop;
    lease->cell = options->cell;
    lease->on_change = options->on_change;
    lease->userdata = options->userdata;
    lease->heartbeat_timeout_ns = options->heartbeat_timeout_ms * 1000000;
    lease->last_request = &lease->wishes.requests;
    lease->change_task.run = on_change_task;
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    lease->coarse_tick_ns = tick.tv_sec * INT64_C(1000000000) + tick.tv_nsec;
    lease->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lease->timer_fd =
        timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (lease->wake_fd < 0 || lease->timer_fd < 0)
        return tj__error_set_errno(reterr, errno, "lease",
                                   "no descriptor for the keeper");
    tj__lease_machine_view(&lease->machine, &lease->shown);
    tj__lease_shared_write(&lease->shared, &lease->shown);
    return 0;
}

int tj_lease_new(const tj_lease_options *options,
                 tj_lease **ret_lease,
                 tj_error *reterr)
{
    bool take = options->size == sizeof(*options) && options->take_backend;
    tj_lease *lease = NULL;
    int code = check(options, reterr);

    if (!code) {
        lease = tj__calloc(1, sizeof(*lease));
        if (!lease)
            code = tj__error_set(reterr, TJ_ENOMEM, "lease", "out of memory");
    }
    if (!lease) {
        if (take)
            tj_lease_backend_free(options->backend);
        return code;
    }
    lease->wake_fd = -1;
    lease->timer_fd = -1;
    lease->backend = options->backend;
    lease->take_backend = take;
    pthread_mutex_init(&lease->lock, NULL);
    code = lease_init(lease, options, reterr);
    if (code) {
        lease_free(lease);
        return code;
    }
    *ret_lease = lease;
    return 0;
}

/* ---- life ---- */

static void on_keeper_ended(tj_task *task);

/* Signals are the loop's business: the keeper is born with all of them blocked.
 */
static int keeper_create(tj_lease *lease)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int error = pthread_attr_init(&attributes);

    if (error)
        return error;
    pthread_attr_setstacksize(&attributes, KEEPER_STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    error = pthread_create(&lease->keeper, &attributes, tj__lease_keeper_main,
                           lease);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

int tj_lease_start(tj_lease *lease, tj_error *reterr)
{
    int error;

    if (lease->life == TJ_LEASE_LIFE_RUNNING)
        return 0;
    if (lease->life == TJ_LEASE_LIFE_STOPPING || lease->closing)
        return tj__error_set(reterr, TJ_ESTOPPING, "lease",
                             "lease '%s' is being stopped", lease->name);
    lease->wishes = (tj_lease_wishes){ .requests = NULL };
    lease->last_request = &lease->wishes.requests;
    lease->keeper_ended = false;
    lease->ended_task.run = on_keeper_ended;
    atomic_store(&lease->heartbeat_ns, tj_lease_now_ns());
    error = keeper_create(lease);
    if (error)
        return tj__error_set_errno(reterr, error, "lease",
                                   "no thread for the keeper");
    lease->life = TJ_LEASE_LIFE_RUNNING;
    return 0;
}

static void waiters_tell(tj_lease_waiter *waiters)
{
    while (waiters) {
        tj_lease_waiter *waiter = waiters;

        waiters = waiter->next;
        if (waiter->cb)
            waiter->cb(waiter->userdata);
        tj__free(waiter);
    }
}

static void lease_finish(tj_lease *lease)
{
    tj_lease_done_cb cb = lease->close_cb;
    void *userdata = lease->close_userdata;

    timer_disarm(lease);
    lease_free(lease);
    if (cb)
        cb(userdata);
}

static void on_keeper_ended(tj_task *task)
{
    tj_lease *lease = LEASE_OF(task, ended_task);
    tj_lease_waiter *waiters = lease->waiters;

    pthread_join(lease->keeper, NULL);
    lease->life = TJ_LEASE_LIFE_IDLE;
    lease->waiters = NULL;
    if (lease->closing) {
        waiters_tell(waiters);
        lease_finish(lease);
        return;
    }
    timer_disarm(lease);
    waiters_tell(waiters); /* may close the lease: last */
}

/* The gate shuts at once; the keeper does the rest. */
static void gate_shut(tj_lease *lease)
{
    int64_t term;

    if (tj__lease_shared_leads(&lease->shared, 0, &term))
        atomic_store(&lease->shared.shut_term, term);
}

static void wish_stop(tj_lease *lease, bool abandon)
{
    gate_shut(lease);
    lease->life = TJ_LEASE_LIFE_STOPPING;
    pthread_mutex_lock(&lease->lock);
    lease->wishes.stop = true;
    lease->wishes.abandon |= abandon;
    pthread_mutex_unlock(&lease->lock);
    tj__lease_keeper_wake(lease);
}

static void on_waiter_task(tj_task *task)
{
    tj_lease_waiter *waiter = (tj_lease_waiter *)(void *)task;

    waiters_tell(waiter);
}

int tj_lease_stop(tj_lease *lease, tj_lease_done_cb cb, void *userdata)
{
    tj_lease_waiter *waiter = tj__calloc(1, sizeof(*waiter));
    tj_lease_waiter **end;

    if (!waiter)
        return TJ_ENOMEM;
    waiter->cb = cb;
    waiter->userdata = userdata;
    if (lease->life == TJ_LEASE_LIFE_IDLE) {
        waiter->task.run = on_waiter_task;
        lease->loop->ops->post(lease->loop, &waiter->task);
        return 0;
    }
    for (end = &lease->waiters; *end; end = &(*end)->next)
        ;
    *end = waiter;
    if (lease->life == TJ_LEASE_LIFE_RUNNING)
        wish_stop(lease, /* abandon= */ false);
    return 0;
}

static void on_closed_task(tj_task *task)
{
    lease_finish(LEASE_OF(task, closed_task));
}

void tj_lease_close(tj_lease *lease, tj_lease_done_cb cb, void *userdata)
{
    if (!lease || lease->closing)
        return;
    lease->closing = true;
    lease->close_cb = cb;
    lease->close_userdata = userdata;
    timer_disarm(lease);
    if (lease->life == TJ_LEASE_LIFE_IDLE) {
        lease->closed_task.run = on_closed_task;
        lease->loop->ops->post(lease->loop, &lease->closed_task);
        return;
    }
    wish_stop(lease, /* abandon= */ true);
    if (lease->backend->ops->interrupt)
        lease->backend->ops->interrupt(lease->backend);
}

void tj_lease_drained(tj_lease *lease, int64_t term)
{
    if (term < 1 || lease->life == TJ_LEASE_LIFE_IDLE)
        return;
    atomic_store(&lease->shared.shut_term, term);
    pthread_mutex_lock(&lease->lock);
    lease->wishes.drained_term = term;
    pthread_mutex_unlock(&lease->lock);
    tj__lease_keeper_wake(lease);
}

void tj_lease_heartbeat(tj_lease *lease)
{
    atomic_store_explicit(&lease->heartbeat_ns, tj_lease_now_ns(),
                          memory_order_relaxed);
}

/* ---- wishes ---- */

static int
check_text(const char *what, const char *text, size_t size, tj_error *reterr)
{
    if (strlen(text) >= size || !tj__text_is_printable(text, strlen(text)))
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "%s is at most %zu printable bytes", what,
                             size - 1);
    return 0;
}

static int check_who(const char *who, const char *why, tj_error *reterr)
{
    int code;

    if (!who || !*who)
        return tj__error_set(reterr, TJ_EINVAL, "lease", "who is missing");
    code = check_text("who", who, TJ_LEASE_WHO_SIZE, reterr);
    if (!code && why)
        code = check_text("why", why, TJ_LEASE_WHY_SIZE, reterr);
    return code;
}

int tj_lease_step_down(tj_lease *lease,
                       const char *who,
                       const char *why,
                       tj_error *reterr)
{
    tj_lease_view view;
    int code = check_who(who, why, reterr);

    if (code)
        return code;
    tj_lease_read(lease, &view);
    if (view.state != TJ_LEASE_LEADING)
        return tj__error_set(reterr, TJ_EALREADY, "lease",
                             "lease '%s' is not held here", lease->name);
    gate_shut(lease);
    pthread_mutex_lock(&lease->lock);
    lease->wishes.step_down = true;
    (void)snprintf(lease->wishes.step_down_reason,
                   sizeof(lease->wishes.step_down_reason),
                   "stepped down by %.64s%s%s", who, why && *why ? ": " : "",
                   why ? why : "");
    pthread_mutex_unlock(&lease->lock);
    tj__lease_keeper_wake(lease);
    return 0;
}

static void on_request_task(tj_task *task)
{
    tj_lease_request *request = (tj_lease_request *)(void *)task;

    if (request->cb)
        request->cb(request->code, request->code ? &request->error : NULL,
                    request->userdata);
    tj__free(request);
}

static int request_post(tj_lease *lease,
                        const tj_lease_pause *pause,
                        tj_lease_request_cb cb,
                        void *userdata,
                        tj_error *reterr)
{
    tj_lease_request *request;
    bool ended;

    if (lease->life == TJ_LEASE_LIFE_IDLE || lease->closing)
        return tj__error_set(reterr, TJ_ECLOSED, "lease",
                             "lease '%s' is not started", lease->name);
    request = tj__calloc(1, sizeof(*request));
    if (!request)
        return tj__error_set(reterr, TJ_ENOMEM, "lease", "out of memory");
    request->task.run = on_request_task;
    request->pause = *pause;
    request->cb = cb;
    request->userdata = userdata;
    tj__error_set(&request->error, TJ_ECANCELED, "lease",
                  "lease '%s' was stopped before it could be done",
                  lease->name);
    pthread_mutex_lock(&lease->lock);
    ended = lease->keeper_ended;
    if (!ended) {
        *lease->last_request = request;
        lease->last_request = &request->next;
    }
    pthread_mutex_unlock(&lease->lock);
    if (ended) {
        tj__free(request);
        return tj__error_set(reterr, TJ_ECLOSED, "lease",
                             "lease '%s' has just been stopped", lease->name);
    }
    tj__lease_keeper_wake(lease);
    return 0;
}

int tj_lease_set_pause(tj_lease *lease,
                       const char *who,
                       const char *why,
                       int64_t until_wall_ms,
                       tj_lease_request_cb cb,
                       void *userdata,
                       tj_error *reterr)
{
    tj_lease_pause pause = { .paused = true, .until_wall_ms = until_wall_ms };
    int code = check_who(who, why, reterr);

    if (!code && until_wall_ms < 0)
        code = tj__error_set(reterr, TJ_EINVAL, "lease",
                             "a pause ends at a time or when resumed");
    if (code)
        return code;
    (void)snprintf(pause.who, sizeof(pause.who), "%s", who);
    (void)snprintf(pause.why, sizeof(pause.why), "%s", why ? why : "");
    return request_post(lease, &pause, cb, userdata, reterr);
}

int tj_lease_resume(tj_lease *lease,
                    tj_lease_request_cb cb,
                    void *userdata,
                    tj_error *reterr)
{
    const tj_lease_pause pause = { .paused = false };

    return request_post(lease, &pause, cb, userdata, reterr);
}
