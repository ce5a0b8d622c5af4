/* The daemon's entry point, as the command line calls it. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>

typedef enum daemon_color {
    DAEMON_COLOR_AUTO, /* on a terminal, unless NO_COLOR is set */
    DAEMON_COLOR_ALWAYS,
    DAEMON_COLOR_NEVER
} daemon_color;

typedef struct daemon_options {
    const char *config_path; /* mandatory */
    const char *state_dir;   /* --state; NULL: as the configuration says */
    const char *socket_path; /* --socket; NULL: as the configuration says */
    const char *host;        /* --host; NULL: the machine's name */
    daemon_color color;      /* --color */
    bool json;               /* --json: JSON lines even on a terminal */
    bool quiet;              /* --quiet: warnings and errors only */
    bool verbose;            /* --verbose */
} daemon_options;

/* Run until a signal or a stop request has drained everything. Returns the
 * exit code: 0 ended cleanly, 1 failed, 2 the configuration is not usable
 * (nothing was started), 130/143 ended at once by a second signal. */
int daemon_main(const daemon_options *options);

#endif
