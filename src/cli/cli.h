/* The command line: one table of commands and options drives parsing, help,
 * completion and the check of the man page. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* What every command's exit status means; 130 and 143 are a daemon that was
 * ended at once by a second SIGINT or SIGTERM. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* the operation was tried and failed */
    CLI_USAGE = 2,       /* the command line or the configuration is wrong */
    CLI_UNREACHABLE = 3, /* no daemon answers */
    CLI_REFUSED = 4      /* refused or skipped: not leader, paused, busy... */
};

/* ---- the tables -------------------------------------------------------- */

typedef enum cli_option_id {
    CLI_SOCKET,
    CLI_CONFIG,
    CLI_JSON,
    CLI_COLOR,
    CLI_HELP,
    CLI_STATE,
    CLI_HOST,
    CLI_QUIET,
    CLI_VERBOSE,
    CLI_NO_WAIT,
    CLI_WHY,
    CLI_WHO,
    CLI_FOR,
    CLI_UNTIL,
    CLI_FOLLOW,
    CLI_LINES,
    CLI_JOB,
    CLI_RUNNER,
    CLI_STAGE,
    CLI_DATE,
    CLI_WAIT,
    CLI_BACKEND,
    CLI_LEASE,
    CLI_TERM,
    CLI_HOLDER,
    CLI_OPTION_MAX_
} cli_option_id;

/* What a value is, for completion. */
typedef enum cli_value {
    CLI_VALUE_NONE, /* the option is a flag */
    CLI_VALUE_TEXT,
    CLI_VALUE_FILE,
    CLI_VALUE_DIRECTORY,
    CLI_VALUE_JOB,
    CLI_VALUE_COLOR
} cli_value;

typedef struct cli_option {
    const char *name;
    const char *value_name; /* "PATH"; NULL for a flag */
    const char *help;       /* one line */
    cli_value value;
    char letter; /* 0: none */
} cli_option;

typedef struct cli_call cli_call;

typedef struct cli_command {
    const char *name;   /* one word, or two: "lease release" */
    bool is_hidden;     /* not in the overview */
    cli_value argument; /* CLI_VALUE_NONE: takes none */
    const char *argument_name;
    const char *summary;  /* one line for the overview */
    const char *text;     /* paragraphs for its own help; may be NULL */
    const char *examples; /* lines */
    uint64_t options;     /* bit set of cli_option_id */
    int (*run)(const cli_call *call);
} cli_command;

/* A parsed command line. */
struct cli_call {
    const cli_command *command;
    const char *argument;
    const char *values[CLI_OPTION_MAX_]; /* NULL: not given; a flag: "" */
    bool is_json;
    bool has_color; /* on standard output */
};

extern const cli_option cli_options[CLI_OPTION_MAX_];
extern const cli_command cli_commands[];
extern const size_t cli_n_commands;

/* ---- parse.c ----------------------------------------------------------- */

/* Read a command line. CLI_OK, or CLI_USAGE after saying on standard error
 * what is wrong. `call->command` is NULL for a bare `--help` or `--version`,
 * told by *ret_overview and *ret_version. */
int cli_parse(int argc,
              char **argv,
              cli_call *call,
              bool *ret_overview,
              bool *ret_version);

bool cli_takes(const cli_command *command, cli_option_id id);
/* The command of this name ("lease release" is one), or NULL. */
const cli_command *cli_find_command(const char *first, const char *second);

/* ---- help.c and complete.c --------------------------------------------- */

void cli_append_overview(tj_buf *out);
void cli_append_help(tj_buf *out, const cli_command *command);

/* `__complete INDEX WORD...`: candidates for that word, one a line. */
int cli_complete(int argc, char **argv);
/* `__options`: every command and its options, for checking the manual. */
int cli_list_options(void);

/* ---- the commands ------------------------------------------------------ */

int cli_run(const cli_call *call);
int cli_check(const cli_call *call);
int cli_status(const cli_call *call);
int cli_jobs(const cli_call *call);
int cli_tick(const cli_call *call);
int cli_pause(const cli_call *call);
int cli_resume(const cli_call *call);
int cli_lease(const cli_call *call);
int cli_lease_release(const cli_call *call);
int cli_step_down(const cli_call *call);
int cli_logs(const cli_call *call);
int cli_stop(const cli_call *call);

/* Everything: what main does. */
int cli_main(int argc, char **argv);

#endif
