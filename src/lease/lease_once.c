/* One call on a backend, without a keeper: for one-shot commands. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#include <timedjobs/lease.h>

void tj_lease_backend_free(tj_lease_backend *backend)
{
    if (backend)
        backend->ops->free(backend);
}

static int check_name(const char *name, tj_error *reterr)
{
    if (name && tj__text_is_name(name))
        return 0;
    return tj__error_set(reterr, TJ_EINVAL, "lease", "not a lease's name");
}

static int64_t deadline(int64_t timeout_ms)
{
    return tj_lease_now_ns() + timeout_ms * 1000000;
}

/* "lease 'main': sqlite: ..." */
static int told(int code, const char *name, tj_error *reterr)
{
    if (code)
        tj__error_prefix(reterr, "lease '%s'", name);
    return code;
}

int tj_lease_show_once(tj_lease_backend *backend,
                       const char *name,
                       int64_t timeout_ms,
                       tj_lease_record *ret_record,
                       tj_error *reterr)
{
    int code = check_name(name, reterr);

    if (code)
        return code;
    return told(backend->ops->read(backend, name, deadline(timeout_ms),
                                   ret_record, reterr),
                name, reterr);
}

int tj_lease_release_once(tj_lease_backend *backend,
                          const char *name,
                          int64_t term,
                          const char *holder,
                          int64_t timeout_ms,
                          bool *ret_released,
                          tj_error *reterr)
{
    tj_lease_outcome outcome = TJ_LEASE_CHANGED;
    int code = check_name(name, reterr);

    if (code)
        return code;
    if (term < 1 || term > TJ_LEASE_TERM_MAX ||
        strlen(holder) != TJ_LEASE_HOLDER_SIZE - 1)
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "not a term and a holder");
    code = told(backend->ops->release(backend, name, term, holder,
                                      deadline(timeout_ms), &outcome, reterr),
                name, reterr);
    if (!code)
        *ret_released = outcome == TJ_LEASE_DONE;
    return code;
}

int tj_lease_set_pause_once(tj_lease_backend *backend,
                            const char *name,
                            const tj_lease_pause *pause,
                            int64_t timeout_ms,
                            tj_error *reterr)
{
    int code = check_name(name, reterr);

    if (code)
        return code;
    if (!tj__text_is_printable(pause->who,
                               strnlen(pause->who, TJ_LEASE_WHO_SIZE)) ||
        !tj__text_is_printable(pause->why,
                               strnlen(pause->why, TJ_LEASE_WHY_SIZE)) ||
        !memchr(pause->who, '\0', TJ_LEASE_WHO_SIZE) ||
        !memchr(pause->why, '\0', TJ_LEASE_WHY_SIZE) ||
        pause->until_wall_ms < 0 || (pause->paused && !pause->who[0]))
        return tj__error_set(reterr, TJ_EINVAL, "lease",
                             "a pause wants to know who, why and until when");
    return told(backend->ops->set_pause(backend, name, pause,
                                        deadline(timeout_ms), reterr),
                name, reterr);
}
