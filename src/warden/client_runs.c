/* Starting and stopping runs: a spec packed into one message. See client.h. */
#include "warden/client_state.h"

#include "base/alloc.h"
#include "base/error.h"

#include <signal.h>
#include <string.h>

_Static_assert(TJ_WARDEN_SPEC_MAX + sizeof(struct wire_start) <=
                   WIRE_MESSAGE_MAX,
               "the biggest start fits");

/* Count texts and their bytes; false when there are too many. */
static bool texts_measure(const char *const *texts, size_t *n, size_t *size)
{
    for (*n = 0; texts && texts[*n]; ++*n) {
        *size += strlen(texts[*n]) + 1;
        if (*n >= WIRE_STRINGS_MAX || *size > TJ_WARDEN_SPEC_MAX)
            return false;
    }
    return true;
}

static char *text_put(char *at, const char *text)
{
    size_t size = strlen(text) + 1;

    memcpy(at, text, size);
    return at + size;
}

/* Pack directory, arguments and variables one after the other. */
static int spec_pack(const tj_warden_spec *spec,
                     struct wire_start *start,
                     char **ret_text,
                     tj_error *reterr)
{
    size_t size = spec->directory ? strlen(spec->directory) + 1 : 0;
    size_t n_arguments = 0;
    size_t n_variables = 0;
    char *text;
    char *at;

    if (size > TJ_WARDEN_SPEC_MAX ||
        !texts_measure(spec->argv, &n_arguments, &size) ||
        !texts_measure(spec->env, &n_variables, &size) ||
        n_arguments + n_variables + 1 > WIRE_STRINGS_MAX)
        return tj__error_set(reterr, TJ_ETOOBIG, "warden",
                             "the command with its environment is too long "
                             "(at most %d bytes and %d texts)",
                             TJ_WARDEN_SPEC_MAX, WIRE_STRINGS_MAX - 1);
    if (n_arguments == 0 || strlen(spec->run_id) != TJ_RUN_ID_SIZE - 1)
        return tj__error_set(reterr, TJ_EINVAL, "warden",
                             "a run needs a command and an id");
    text = tj__malloc(size);
    if (!text)
        return tj__error_set(reterr, TJ_ENOMEM, "warden", "out of memory");
    at = spec->directory ? text_put(text, spec->directory) : text;
    for (size_t i = 0; i < n_arguments; i++)
        at = text_put(at, spec->argv[i]);
    for (size_t i = 0; i < n_variables; i++)
        at = text_put(at, spec->env[i]);
    start->has_directory = spec->directory != NULL;
    start->n_arguments = (uint32_t)n_arguments;
    start->n_variables = (uint32_t)n_variables;
    start->text_size = (uint32_t)size;
    *ret_text = text;
    return 0;
}

static tj_warden_run *run_make(tj_warden *warden,
                               const tj_warden_spec *spec,
                               const tj_warden_run_callbacks *callbacks,
                               void *userdata)
{
    tj_warden_run *run = tj__calloc(1, sizeof(*run));

    if (!run)
        return NULL;
    run->warden = warden;
    run->generation = ++warden->generation;
    run->callbacks = *callbacks;
    run->userdata = userdata;
    memcpy(run->run_id, spec->run_id, TJ_RUN_ID_SIZE);
    run->slot = warden->free_slots[--warden->n_free];
    warden->runs[run->slot] = run;
    return run;
}

static int start_send(tj_warden *warden,
                      const tj_warden_run *run,
                      const tj_warden_spec *spec,
                      struct wire_start *start,
                      char *text,
                      int given[WIRE_RUN_FDS])
{
    struct iovec parts[] = { { start, sizeof(*start) },
                             { text, start->text_size } };
    int fds[WIRE_RUN_FDS];
    size_t n_fds = 0;

    start->header =
        tj__warden_header(WIRE_START, sizeof(*start) + start->text_size,
                          run->slot, run->generation);
    memcpy(start->run_id, run->run_id, sizeof(run->run_id));
    start->term = spec->term;
    start->timeout_ms = spec->timeout_ms;
    start->grace_ms = spec->grace_ms;
    start->cell = spec->cell;
    start->umask = spec->umask;
    for (unsigned i = 0; i < WIRE_RUN_FDS; i++) {
        if (given[i] < 0)
            continue;
        start->fd_mask |= 1U << i;
        fds[n_fds++] = given[i];
        given[i] = -1;
    }
    return tj__warden_send(warden, parts, 2, fds, n_fds);
}

static int run_start(tj_warden *warden,
                     const tj_warden_spec *spec,
                     const tj_warden_run_callbacks *callbacks,
                     void *userdata,
                     int fds[WIRE_RUN_FDS],
                     tj_warden_run **ret_run,
                     tj_error *reterr)
{
    struct wire_start start = { 0 };
    char *text = NULL;
    tj_warden_run *run;
    int code;

    if (!tj__warden_is_up(warden))
        return tj__error_set(reterr, TJ_ECLOSED, "warden",
                             "the warden is not up");
    if (warden->n_free == 0)
        return tj__error_set(reterr, TJ_EBUSY, "warden",
                             "%d commands run already", WIRE_RUNS_MAX);
    code = spec_pack(spec, &start, &text, reterr);
    if (code != 0)
        return code;
    run = run_make(warden, spec, callbacks, userdata);
    if (run && start_send(warden, run, spec, &start, text, fds) != 0) {
        warden->runs[run->slot] = NULL;
        warden->free_slots[warden->n_free++] = (uint16_t)run->slot;
        tj__free(run);
        run = NULL;
    }
    tj__free(text);
    if (!run)
        return tj__error_set(reterr, TJ_ENOMEM, "warden", "out of memory");
    tj__warden_expect(warden);
    *ret_run = run;
    return 0;
}

int tj__warden_start_run(tj_warden *warden,
                         const tj_warden_spec *spec,
                         const tj_warden_run_callbacks *callbacks,
                         void *userdata,
                         tj_warden_run **ret_run,
                         tj_error *reterr)
{
    int fds[WIRE_RUN_FDS] = { spec->stdin_fd, spec->stdout_fd, spec->stderr_fd,
                              spec->result_fd };
    int code =
        run_start(warden, spec, callbacks, userdata, fds, ret_run, reterr);

    tj__warden_close_fds(fds, WIRE_RUN_FDS); /* what was not passed on */
    return code;
}

void tj__warden_stop_run(tj_warden_run *run, int64_t grace_ms)
{
    tj_warden *warden = run->warden;
    struct wire_stop stop = {
        .header = tj__warden_header(WIRE_STOP, sizeof(stop), run->slot,
                                    run->generation),
        .grace_ms = grace_ms,
    };
    struct iovec part = { &stop, sizeof(stop) };

    if (warden->state != STATE_UP)
        return; /* it ends anyhow */
    if (tj__warden_send(warden, &part, 1, NULL, 0) == 0)
        tj__warden_expect(warden);
    else if (run->pid > 0)
        kill(-run->pid, SIGKILL); /* no memory to ask for it kindly */
}

void tj__warden_stop_all(tj_warden *warden, int64_t grace_ms)
{
    for (uint32_t slot = 0; slot < WIRE_RUNS_MAX; slot++) {
        if (warden->runs[slot])
            tj__warden_stop_run(warden->runs[slot], grace_ms);
    }
}

size_t tj__warden_n_runs(const tj_warden *warden)
{
    return WIRE_RUNS_MAX - warden->n_free;
}
