/* timed-jobs: daemon and command line in one program. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"

#include <timedjobs/version.h>

int cli_main(int argc, char **argv)
{
    bool is_overview, is_version;
    tj_buf out = TJ_BUF_INIT;
    cli_call call;
    int code;

    if (argc > 1 && strcmp(argv[1], "__complete") == 0)
        return cli_complete(argc, argv);
    if (argc > 1 && strcmp(argv[1], "__options") == 0)
        return cli_list_options();
    code = cli_parse(argc, argv, &call, &is_overview, &is_version);
    if (code)
        return code;
    if (is_version)
        tj__buf_printf(&out, "timed-jobs %s\n", tj_version());
    else if (is_overview)
        cli_append_overview(&out);
    else if (call.values[CLI_HELP])
        cli_append_help(&out, call.command);
    else
        return call.command->run(&call);
    return cli_write(&out);
}

int main(int argc, char **argv)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    /* For the widths of characters; numbers and times stay as they are. In a
     * locale that is not UTF-8 our output is still. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX < 4)
        (void)setlocale(LC_CTYPE, "C.UTF-8"); /* NOLINT: likewise */
    /* A pipe that nobody reads any more is an error of write, not our end. */
    sigaction(SIGPIPE, &ignore, NULL);
    return cli_main(argc, argv);
}
