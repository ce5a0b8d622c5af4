/* lease release: the last act of a warden whose daemon has died. One call on
 * the backend, no daemon, no socket. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "control/http_scan.h"

#include <timedjobs/lease.h>
#include <timedjobs/lease_sqlite.h>

#define RELEASE_TIMEOUT_MS 5000
#define TERM_MAX           ((size_t)1 << 53)

static int
backend_open(const char *text, tj_lease_backend **ret_backend, tj_error *reterr)
{
    static const char sqlite[] = "sqlite:";

    if (strncmp(text, sqlite, sizeof(sqlite) - 1) == 0 &&
        text[sizeof(sqlite) - 1])
        return tj_lease_backend_sqlite_new(text + sizeof(sqlite) - 1,
                                           ret_backend, reterr);
    cli_error("--backend: '%s' is none that outlives a daemon; give "
              "sqlite:PATH",
              text);
    return TJ_EINVAL;
}

static int say(const cli_call *call, const char *name, bool was_released)
{
    tj_buf out = TJ_BUF_INIT;

    if (call->is_json)
        tj__buf_printf(&out, "{\"released\":%s}\n",
                       was_released ? "true" : "false");
    else
        tj__buf_printf(&out, "lease '%s' %s\n", name,
                       was_released ? "released"
                                    : "is not held so: left alone");
    return cli_write(&out);
}

int cli_lease_release(const cli_call *call)
{
    static const cli_option_id wanted[] = { CLI_BACKEND, CLI_LEASE, CLI_TERM,
                                            CLI_HOLDER };
    const char *term_text = call->values[CLI_TERM];
    tj_lease_backend *backend = NULL;
    tj_error error = TJ_ERROR_INIT;
    bool was_released = false;
    size_t term, at;
    int code;

    for (at = 0; at < sizeof(wanted) / sizeof(wanted[0]); at++) {
        if (call->values[wanted[at]])
            continue;
        cli_error("lease release wants --%s", cli_options[wanted[at]].name);
        return CLI_USAGE;
    }
    if (!http_parse_size(term_text, strlen(term_text), TERM_MAX, &term) ||
        !term) {
        cli_error("--term: '%s' is no term", term_text);
        return CLI_USAGE;
    }
    if (backend_open(call->values[CLI_BACKEND], &backend, &error)) {
        if (error.message[0])
            cli_error("%s", error.message);
        return CLI_USAGE;
    }
    code = tj_lease_release_once(backend, call->values[CLI_LEASE],
                                 (int64_t)term, call->values[CLI_HOLDER],
                                 RELEASE_TIMEOUT_MS, &was_released, &error);
    tj_lease_backend_free(backend);
    if (code) {
        cli_error("%s", error.message);
        return CLI_FAILED;
    }
    code = say(call, call->values[CLI_LEASE], was_released);
    return code || was_released ? code : CLI_REFUSED;
}
