/* The daemon's warden, and its successors.
 *
 * One warden at a time owns every command. When it is lost its commands are
 * dead or swept, their runs have failed, and another warden is started: at
 * once, or after a pause when they die in quick succession. */
#include "daemon/supervisor.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"

enum {
    WARDEN_QUICK_DEATH_MS = 2000, /* a warden that dies sooner is not… */
    WARDEN_PAUSE_MS = 1000        /* …replaced at once, but after this */
};

static void
on_warden_ready(tj_warden *warden, const tj_warden_info *info, void *userdata)
{
    struct daemon *daemon = userdata;

    (void)warden;
    daemon->warden_info = *info;
}

static void on_warden_timer(uv_timer_t *timer)
{
    wardens_start(timer->data);
}

static void
on_warden_lost(tj_warden *warden, const tj_error *why, void *userdata)
{
    struct daemon *daemon = userdata;
    const uint64_t lived_ms =
        (uv_hrtime() - daemon->warden_started_ns) / 1000000;

    narrator_say(&daemon->narrator, NARRATOR_ERROR, "warden_lost", NULL,
                 "the warden is gone: %s; its commands were ended",
                 why->message);
    daemon->warden = NULL;
    daemon->command_host.warden = NULL;
    daemon->n_warden_restarts++;
    tj__warden_close(warden, NULL, NULL);
    leadership_check_drained(daemon);
    if (daemon->phase >= DAEMON_RELEASING)
        return;
    if (lived_ms < WARDEN_QUICK_DEATH_MS)
        uv_timer_start(&daemon->warden_timer, on_warden_timer, WARDEN_PAUSE_MS,
                       0);
    else
        wardens_start(daemon);
}

static void on_warden_idle(tj_warden *warden, void *userdata)
{
    (void)warden;
    leadership_check_drained(userdata);
}

int wardens_new(struct daemon *daemon, tj_error *reterr)
{
    const bool keep = daemon->config->lease.on_hang == CONFIG_ON_HANG_KEEP;
    const tj_warden_options options = {
        .uv = &daemon->uv,
        .cells = daemon->cells,
        .on_hang = keep ? TJ_WARDEN_HANG_KEEP : TJ_WARDEN_HANG_KILL,
        .adopt = true,
        .on_ready = on_warden_ready,
        .on_lost = on_warden_lost,
        .on_idle = on_warden_idle,
        .userdata = daemon,
    };
    int code = tj__warden_new(&options, &daemon->warden, reterr);

    daemon->warden_started_ns = uv_hrtime();
    daemon->command_host.warden = code ? NULL : daemon->warden;
    if (code)
        tj__error_prefix(reterr, "warden");
    return code;
}

void wardens_start(struct daemon *daemon)
{
    tj_error error = TJ_ERROR_INIT;

    if (daemon->phase >= DAEMON_RELEASING || daemon->warden)
        return;
    if (wardens_new(daemon, &error) == 0)
        return;
    narrator_say(&daemon->narrator, NARRATOR_ERROR, "warden_refused", NULL,
                 "no warden can be started: %s; trying again", error.message);
    uv_timer_start(&daemon->warden_timer, on_warden_timer, WARDEN_PAUSE_MS, 0);
}

/* What the warden runs to hand the lease on when we have died; it appends the
 * term. The memory backend dies with us: nothing to release. */
int wardens_set_release(struct daemon *daemon, tj_error *reterr)
{
    const struct config_lease *lease = &daemon->config->lease;
    const char *const argv[] = {
        daemon->program,
        "lease",
        "release",
        "--backend",
        NULL,
        "--lease",
        lease->name,
        "--holder",
        tj_lease_get_holder(daemon->lease),
        NULL,
    };
    const char *full[sizeof(argv) / sizeof(argv[0])];
    tj_buf backend = TJ_BUF_INIT;
    int code;

    if (lease->backend.kind == CONFIG_BACKEND_MEMORY)
        return 0;
    tj__buf_append_text(&backend, "sqlite:");
    tj__buf_append_text(&backend, lease->backend.path);
    memcpy(full, argv, sizeof(argv));
    full[4] = backend.data;
    code = backend.failed
               ? tj__error_set(reterr, TJ_ENOMEM, "daemon", "out of memory")
               : tj__warden_cells_set_release(daemon->cells, 0, full);
    tj__buf_done(&backend);
    return code;
}
