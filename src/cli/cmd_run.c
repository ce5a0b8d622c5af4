/* run and check: what needs no daemon yet. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/supervisor.h"

static daemon_color color_of(const cli_call *call)
{
    const char *when = call->values[CLI_COLOR];

    if (!when || strcmp(when, "auto") == 0)
        return DAEMON_COLOR_AUTO;
    return strcmp(when, "always") == 0 ? DAEMON_COLOR_ALWAYS
                                       : DAEMON_COLOR_NEVER;
}

int cli_run(const cli_call *call)
{
    daemon_options options = {
        .config_path = call->argument,
        .state_dir = call->values[CLI_STATE],
        .socket_path = call->values[CLI_SOCKET],
        .host = call->values[CLI_HOST],
        .color = color_of(call),
        .json = call->is_json,
        .quiet = call->values[CLI_QUIET] != NULL,
        .verbose = call->values[CLI_VERBOSE] != NULL,
    };

    if (options.quiet && options.verbose) {
        cli_error("give either --quiet or --verbose");
        return CLI_USAGE;
    }
    return daemon_main(&options);
}

/* ---- check ------------------------------------------------------------- */

static int print_json(struct config_report *report, const struct config *config)
{
    tj_json *object = tj_json_new_object();
    tj_buf out = TJ_BUF_INIT;
    char *text = NULL;
    size_t size;
    int code = CLI_FAILED;

    tj_json_set_bool(object, "ok", config != NULL);
    tj_json_set_take(object, "findings", config_report_to_json(report));
    if (config)
        tj_json_set_take(object, "config", config_to_json(config));
    if (tj_json_print(object, &text, &size) == 0) {
        cli_append_json(&out, text, size, isatty(STDOUT_FILENO));
        tj__buf_append_char(&out, '\n');
        code = cli_write(&out);
        tj_free(text);
    }
    tj_json_free(object);
    return code;
}

/* Findings go to standard error, the good news to standard output. */
static int print_text(const cli_call *call,
                      struct config_report *report,
                      const struct config *config)
{
    bool has_color =
        call->has_color && (call->values[CLI_COLOR] || isatty(STDERR_FILENO));
    size_t n_runners = 0;
    tj_buf text = TJ_BUF_INIT;
    tj_buf out = TJ_BUF_INIT;
    size_t at;

    config_report_print(report, &text, has_color);
    cli_write_error(&text);
    if (!config)
        return CLI_OK;
    for (at = 0; at < config->n_jobs; at++)
        n_runners += config->jobs[at].n_runners;
    cli_append_styled(&out, false, CLI_PLAIN, config->file);
    tj__buf_append_text(&out, ": ");
    cli_append_styled(&out, call->has_color, CLI_GOOD, "ok");
    tj__buf_printf(&out, ", %zu job%s with %zu runner%s\n", config->n_jobs,
                   config->n_jobs == 1 ? "" : "s", n_runners,
                   n_runners == 1 ? "" : "s");
    return cli_write(&out);
}

int cli_check(const cli_call *call)
{
    struct config_report *report = config_report_new();
    struct config *config = NULL;
    struct config_options options;
    int code, written;

    if (!report) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    config_options_init(&options, call->argument);
    code = config_load(&options, report, &config);
    if (!code && leadership_check(config, report)) {
        code = TJ_EINVAL;
        config_free(config);
        config = NULL;
    }
    if (code == TJ_ENOMEM) {
        cli_error("out of memory");
        config_report_free(report);
        return CLI_FAILED;
    }
    written = call->is_json ? print_json(report, config)
                            : print_text(call, report, config);
    config_free(config);
    config_report_free(report);
    return code ? CLI_USAGE : written;
}
