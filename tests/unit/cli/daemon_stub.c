/* In the place of the daemon: tells what it was started with. */
#include <stdio.h>

#include "daemon/daemon.h"
#include "daemon/supervisor.h"

static const char *text_or_dash(const char *text)
{
    return text ? text : "-";
}

int daemon_main(const daemon_options *options)
{
    printf("config=%s state=%s socket=%s host=%s color=%d json=%d quiet=%d "
           "verbose=%d\n",
           options->config_path, text_or_dash(options->state_dir),
           text_or_dash(options->socket_path), text_or_dash(options->host),
           (int)options->color, options->json, options->quiet,
           options->verbose);
    return 0;
}

/* The lease's own check has its tests in its own room. */
int leadership_check(const struct config *config, struct config_report *report)
{
    return 0;
}
