/* What the lease says, told to the runs and to people.
 *
 * The keeper thread decides; this file carries its orders out: at DRAIN
 * nothing new starts and what runs may end by itself for as long as a stop
 * would wait, at TERMINATE the commands are asked to end, at KILL they are
 * killed. Once nothing runs, neither in a tick nor in the warden, the keeper
 * is told so, and only then releases. The warden holds the same deadlines and
 * does not depend on any of this. */
#include "daemon/supervisor.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "warden/orphans.h"

#include <timedjobs/lease_sqlite.h>

static tj_json *view_details(const tj_lease_view *view)
{
    tj_json *details = tj_json_new_object();

    tj_json_set_int(details, "term", view->term ? view->term : view->row.term);
    tj_json_set_string(details, "holder", view->row.holder);
    tj_json_set_string(details, "holder_host", view->row.host);
    tj_json_set_int(details, "holder_pid", view->row.pid);
    tj_json_set_string(details, "reason", view->reason);
    tj_json_set_int(details, "boot_ns", tj_lease_now_ns());
    return details;
}

static void tell(struct daemon *daemon,
                 enum narrator_level level,
                 const char *event,
                 const tj_lease_view *view,
                 const char *sentence)
{
    tj_json *details = view_details(view);

    daemon_publish(daemon, event, tj_json_copy(details));
    narrator_say(&daemon->narrator, level, event, details, "%s", sentence);
}

/* ---- the order of the hand-over ---- */

static void check_drained(tj_task *task)
{
    char *member = (char *)task;
    struct daemon *daemon =
        (struct daemon *)(void *)(member -
                                  offsetof(struct daemon, drained_check));
    tj_lease_view view;

    daemon->drained_check_posted = false;
    if (!daemon->lease || !daemon->led_term)
        return;
    tj_lease_read(daemon->lease, &view);
    if (view.state == TJ_LEASE_LEADING && view.term == daemon->led_term)
        return;
    if (jobs_are_busy(daemon) ||
        (daemon->warden && tj__warden_n_runs(daemon->warden) > 0))
        return;
    uv_timer_stop(&daemon->drain_timer);
    tj_lease_drained(daemon->lease, daemon->led_term);
    daemon->drained_term = daemon->led_term;
    daemon->led_term = 0;
}

void leadership_check_drained(struct daemon *daemon)
{
    /* From a later turn: the tick that ends right now is still in flight. */
    if (!daemon->led_term || daemon->drained_check_posted || !daemon->loop)
        return;
    daemon->drained_check_posted = true;
    daemon->drained_check.run = check_drained;
    daemon->loop->ops->post(daemon->loop, &daemon->drained_check);
}

static void stop_commands(struct daemon *daemon, int64_t grace_ms)
{
    if (daemon->warden)
        tj__warden_stop_all(daemon->warden, grace_ms);
}

static void drain_ran_out(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    stop_commands(daemon, daemon->config->stop.grace_ms);
}

static void follow_order(struct daemon *daemon, const tj_lease_view *view)
{
    const struct config_lease *lease = &daemon->config->lease;
    const int64_t drain_ms = daemon->config->stop.drain_ms;

    switch (view->order) {
    case TJ_LEASE_ORDER_RUN:
    case TJ_LEASE_ORDER_HOLD:
        return;
    case TJ_LEASE_ORDER_DRAIN:
        if (drain_ms >= 0 && !uv_is_active((uv_handle_t *)&daemon->drain_timer))
            uv_timer_start(&daemon->drain_timer, drain_ran_out,
                           (uint64_t)drain_ms, 0);
        break;
    case TJ_LEASE_ORDER_TERMINATE:
        stop_commands(daemon, lease->grace_ms);
        break;
    case TJ_LEASE_ORDER_KILL:
    case TJ_LEASE_ORDER_OVER:
        stop_commands(daemon, 0);
        break;
    case TJ_LEASE_ORDER_REST:
        break;
    }
    leadership_check_drained(daemon);
}

/* ---- telling people ---- */

static void tell_leading(struct daemon *daemon, const tj_lease_view *view)
{
    char sentence[128];

    daemon->led_term = view->term;
    daemon->led_since_wall_ms = tj_clock_system().now(NULL).wall_ms;
    daemon->lost_told = false;
    daemon->followed_term = 0;
    tj__warden_cells_wake(daemon->cells);
    snprintf(sentence, sizeof(sentence), "leading: lease '%s', term %" PRId64,
             tj_lease_get_name(daemon->lease), view->term);
    tell(daemon, NARRATOR_GOOD, "leading", view, sentence);
    sockets_own_default(daemon);
}

static void tell_lost(struct daemon *daemon, const tj_lease_view *view)
{
    char sentence[384];
    const bool by_wish = daemon->phase >= DAEMON_DRAINING ||
                         daemon->step_down_call || daemon->stepping_down;

    if (daemon->lost_told)
        return;
    daemon->lost_told = true;
    snprintf(sentence, sizeof(sentence), "%s: %s",
             by_wish ? "handing over" : "leadership lost", view->reason);
    tell(daemon, by_wish ? NARRATOR_INFO : NARRATOR_WARNING,
         by_wish ? "handing_over" : "lease_lost", view, sentence);
}

static void tell_following(struct daemon *daemon, const tj_lease_view *view)
{
    const tj_lease_record *row = &view->row;
    char sentence[256];

    if (!row->exists || row->released || !row->holder[0] ||
        strcmp(row->holder, tj_lease_get_holder(daemon->lease)) == 0)
        return;
    if (strcmp(daemon->followed, row->holder) == 0 &&
        daemon->followed_term == row->term)
        return;
    memcpy(daemon->followed, row->holder, sizeof(daemon->followed));
    daemon->followed_term = row->term;
    snprintf(sentence, sizeof(sentence),
             "following: %s (pid %" PRId64 ") leads under term %" PRId64,
             row->host, row->pid, row->term);
    tell(daemon, NARRATOR_INFO, "following", view, sentence);
}

/* Who leads tells it at T, by its loss; who follows has nothing else to say. */
static void tell_trouble(struct daemon *daemon, const tj_lease_view *view)
{
    const bool trouble = view->unreachable;

    if (trouble == daemon->trouble_told ||
        (trouble && view->state != TJ_LEASE_FOLLOWER))
        return;
    daemon->trouble_told = trouble;
    tell(daemon, trouble ? NARRATOR_ERROR : NARRATOR_INFO,
         trouble ? "lease_trouble" : "lease_recovered", view,
         trouble ? view->reason : "the lease's backend can be reached again");
}

static void tell_pause(struct daemon *daemon, const tj_lease_view *view)
{
    const tj_lease_pause *pause = &view->row.pause;

    if (pause->paused == daemon->pause_told)
        return;
    daemon->pause_told = pause->paused;
    narrator_say(&daemon->narrator, NARRATOR_WARNING,
                 pause->paused ? "paused" : "resumed",
                 leadership_pause_to_json(pause),
                 pause->paused ? "paused by %s: %s" : "no longer paused%s%s",
                 pause->paused ? pause->who : "",
                 !pause->paused  ? ""
                 : pause->why[0] ? pause->why
                                 : "no reason given");
}

static void answer_step_down(struct daemon *daemon, const tj_lease_view *view)
{
    tj_json *body;

    /* The term tells, not the state: changes come together, and who is alone
     * may lead again before it was told that it follows. */
    if (view->term && view->term == daemon->step_down_term)
        return;
    daemon->stepping_down = false;
    if (!daemon->step_down_call)
        return;
    body = tj_json_new_object();
    tj_json_set_bool(body, "stepped_down", true);
    tj_json_set_int(body, "term", daemon->step_down_term);
    control_call_reply(daemon->step_down_call, 200, body);
    daemon->step_down_call = NULL;
}

void leadership_answer_all(struct daemon *daemon)
{
    if (!daemon->step_down_call)
        return;
    control_call_fail(daemon->step_down_call, 503, "stopping",
                      "the daemon ended first");
    daemon->step_down_call = NULL;
}

static void
lease_on_change(tj_lease *lease, const tj_lease_view *view, void *userdata)
{
    struct daemon *daemon = userdata;
    const bool led = daemon->view.state == TJ_LEASE_LEADING &&
                     daemon->view.term == view->term;

    (void)lease;
    if (view->state == TJ_LEASE_LEADING && !led)
        tell_leading(daemon, view);
    /* Changes come together: a leadership may end before it was told. Its
     * keeper waits for our word all the same. */
    if (view->state == TJ_LEASE_DRAINING &&
        view->term != daemon->drained_term && view->term != daemon->led_term) {
        daemon->led_term = view->term;
        daemon->lost_told = false;
    }
    if (view->state != TJ_LEASE_LEADING && daemon->led_term)
        tell_lost(daemon, view);
    if (view->state == TJ_LEASE_FOLLOWER)
        tell_following(daemon, view);
    tell_trouble(daemon, view);
    answer_step_down(daemon, view);
    tell_pause(daemon, view);
    follow_order(daemon, view);
    daemon->view = *view;
    daemon_notify_status(daemon);
}

/* ---- making the lease ---- */

static void options_from_config(const struct config *config,
                                tj_lease_options *options)
{
    const struct config_lease *lease = &config->lease;

    tj_lease_options_init(options);
    options->name = lease->name;
    options->host = config->host;
    options->lease_ms = lease->duration_ms;
    options->renew_ms = lease->renew_ms;
    options->no_start_ms = lease->new_runs_ms;
    options->terminate_ms = lease->terminate_ms;
    options->kill_ms = lease->kill_ms;
    options->dead_ms = lease->dead_ms;
    options->grace_ms = lease->grace_ms;
    options->slack_ms = lease->slack_ms;
    options->rho_ppm = lease->drift_ppm;
    options->hold_off_ms = lease->hold_off_ms;
    options->heartbeat_timeout_ms = lease->heartbeat_ms;
    options->state_dir = config->state;
}

int leadership_check(const struct config *config, struct config_report *report)
{
    tj_lease_options options;
    tj_error error = TJ_ERROR_INIT;
    struct config_mark mark = config->marks[CONFIG_KEY_ROOT_LEASE];
    int code;

    options_from_config(config, &options);
    code = tj_lease_options_check(&options, &error);
    if (code)
        config_report_add(report, CONFIG_ERROR, mark,
                          "leave out the times that you have no reason to set: "
                          "they follow from `duration`",
                          "lease: %s", error.message);
    return code;
}

int leadership_new(struct daemon *daemon, tj_error *reterr)
{
    const struct config_backend *config = &daemon->config->lease.backend;
    tj_lease_options options;
    int code;

    options_from_config(daemon->config, &options);
    options.loop = daemon->loop;
    options.take_backend = true;
    options.cell = tj__warden_cells_get(daemon->cells, 0);
    options.on_change = lease_on_change;
    options.userdata = daemon;
    if (config->kind == CONFIG_BACKEND_SQLITE) {
        code =
            tj_lease_backend_sqlite_new(config->path, &options.backend, reterr);
    } else {
        tj_lease_memory *memory = NULL;

        code =
            tj_lease_memory_new(&memory)
                ? tj__error_set(reterr, TJ_ENOMEM, "lease", "out of memory")
                : tj_lease_backend_memory_new(memory, &options.backend, reterr);
        tj_lease_memory_free(memory);
    }
    if (!code)
        code = tj_lease_new(&options, &daemon->lease, reterr);
    if (code)
        tj__error_prefix(reterr, "lease '%s'", options.name);
    return code;
}

/* A predecessor that died together with its warden leaves what its commands
 * had started. On one machine it can be found, by its name in the environment;
 * before the first command of a term nothing of it may be left. */
static void sweep_predecessor(struct daemon *daemon, int64_t term)
{
    size_t n_killed;

    if (daemon->swept_term == term)
        return;
    daemon->swept_term = term;
    if (!daemon->followed[0])
        return;
    n_killed = tj__orphans_kill_of(daemon->followed);
    daemon->followed[0] = '\0';
    if (n_killed)
        narrator_say(&daemon->narrator, NARRATOR_WARNING, "orphans_killed",
                     NULL,
                     "%zu processes of the one that led before were still "
                     "running and were killed",
                     n_killed);
}

bool leadership_may_start(int cell, tj_error *reterr, void *userdata)
{
    struct daemon *daemon = userdata;
    tj_lease_view view;
    int64_t term;

    (void)cell;
    if (tj_lease_may_start(daemon->lease, tj_lease_now_ns(), &term)) {
        sweep_predecessor(daemon, term);
        return true;
    }
    tj_lease_read(daemon->lease, &view);
    tj__error_set(reterr, TJ_ECANCELED, "daemon", "not started: %s",
                  view.row.pause.paused ? "the lease is paused" : view.reason);
    return false;
}

/* ---- showing it ---- */

tj_json *leadership_pause_to_json(const tj_lease_pause *pause)
{
    tj_json *object;

    if (!pause->paused)
        return tj_json_new_null();
    object = tj_json_new_object();
    tj_json_set_string(object, "who", pause->who);
    tj_json_set_string(object, "why", pause->why);
    if (pause->until_wall_ms)
        tj_json_set_int(object, "until_ms", pause->until_wall_ms);
    else
        tj_json_set_null(object, "until_ms");
    return object;
}

static const char *role_of(const tj_lease_view *view)
{
    switch (view->state) {
    case TJ_LEASE_STOPPED:
        return "stopped";
    case TJ_LEASE_LEADING:
        return "leader";
    case TJ_LEASE_DRAINING:
        return "stepping_down";
    case TJ_LEASE_FOLLOWER:
        break;
    }
    return view->row.exists && !view->row.released ? "follower" : "candidate";
}

tj_json *leadership_to_json(struct daemon *daemon)
{
    tj_json *object = tj_json_new_object();
    const int64_t now_ns = tj_lease_now_ns();
    tj_lease_view view;

    tj_lease_read(daemon->lease, &view);
    tj_json_set_string(object, "name", tj_lease_get_name(daemon->lease));
    tj_json_set_string(object, "backend", daemon->config->lease.backend.text);
    tj_json_set_string(object, "role", role_of(&view));
    tj_json_set_string(object, "order", tj_lease_order_to_string(view.order));
    tj_json_set_int(object, "term", view.term ? view.term : view.row.term);
    tj_json_set_string(object, "holder", view.row.holder);
    tj_json_set_string(object, "holder_host", view.row.host);
    tj_json_set_int(object, "holder_pid", view.row.pid);
    tj_json_set_int(object, "since_ms",
                    daemon->led_term ? daemon->led_since_wall_ms
                                     : view.row.acquired_wall_ms);
    if (view.state == TJ_LEASE_LEADING && view.start_until_ns > now_ns)
        tj_json_set_int(object, "valid_for_ms",
                        (view.start_until_ns - now_ns) / 1000000);
    else
        tj_json_set_null(object, "valid_for_ms");
    if (view.last_confirmed_ns)
        tj_json_set_int(object, "confirmed_ms_ago",
                        (now_ns - view.last_confirmed_ns) / 1000000);
    else
        tj_json_set_null(object, "confirmed_ms_ago");
    tj_json_set_int(object, "n_renewals", (int64_t)view.n_renewals);
    tj_json_set_int(object, "n_unknown", (int64_t)view.n_unknown);
    tj_json_set_string(object, "reason", view.reason);
    if (view.state == TJ_LEASE_LEADING && view.start_until_ns <= now_ns)
        tj_json_set_string(object, "trouble", view.reason);
    else
        tj_json_set_null(object, "trouble");
    return object;
}
